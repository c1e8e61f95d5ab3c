/* One exact SSH server, as data: what it says, in its order, and its limits. */
#ifndef SSH_PROFILE_H
#define SSH_PROFILE_H

#include "ssh/packet.h"

/* What a client's software name changes (OpenSSH's compat.c). */
enum ssh_compat {
    SSH_COMPAT_NONE = 0,
    SSH_COMPAT_SCANNER = 1,           /* closed at once, without a word */
    SSH_COMPAT_NO_CURVE25519_OLD = 2, /* curve25519-sha256@libssh.org is not offered */
    SSH_COMPAT_NO_HOSTKEYS = 4,       /* no hostkeys-00 announcement */
    SSH_COMPAT_NO_GEX = 8,            /* group exchange is not offered */
    SSH_COMPAT_END_OF_WRITES = 16,    /* told that a program reads no more: eow@openssh.com */
};

struct ssh_profile_compat {
    const char *pattern_z; /* glob over what follows the second dash of the client's line */
    unsigned flags;        /* of enum ssh_compat; the first pattern that matches counts */
};

struct ssh_dialect;

struct ssh_profile_pair {
    const char *name_z, *value_z;
};

/* Where the real server has work to do before it answers, beside the delays of refusals. */
enum ssh_wait {
    SSH_WAIT_VERSION, /* from accept to the version line: a process of its own is started */
    SSH_WAIT_KEXINIT, /* from the client's line to KEXINIT: another one */
    SSH_WAIT_KEYS,    /* from the client's public value to the reply */
    SSH_WAIT_LOGIN,   /* of a password that is right, before the rounding up of the time */
    SSH_WAIT_SESSION, /* from SUCCESS to the host keys' announcement */
    SSH_WAIT_CHANNEL, /* a session channel is opened */
    SSH_WAIT_START,   /* from the request of a program to the answer */
    SSH_WAIT_OUTPUT,  /* from the same request to what it says first */
    SSH_WAITS,
};

/* The spread of a wait: nineteen in twenty are not below `low_us`, as many not above `high_us`. */
struct ssh_profile_wait {
    uint32_t low_us, median_us, high_us; /* all 0: none */
};

struct ssh_profile {
    const char *name_z;
    const char *title_z;  /* which server of which system, for people */
    const char *system_z; /* ID and VERSION_ID of its os-release(5); NULL: it is on many systems */
    const char
        *compared_z;       /* what it was held against; NULL: never compared with its real server */
    const char *version_z; /* the identification line without CR LF */
    const struct ssh_dialect *dialect; /* what is told by code, not by data (ssh/machine.h) */

    bool silent;          /* it closes without a DISCONNECT, whatever was wrong */
    bool kexinit_at_once; /* KEXINIT goes out in one write with the version line */

    struct ssh_packet_rules packets; /* ssh/packet.h */

    /* Name-lists in the server's order, separated by commas. What this build cannot do and host
     * keys that are not there are left out of what is sent. */
    const char *kex_z, *hostkey_z, *cipher_z, *mac_z, *compression_z;

    uint32_t names_max; /* in a client's list, which is read as dropbear reads it; 0: as OpenSSH */
    const struct ssh_profile_pair *extensions; /* EXT_INFO (RFC 8308), ends with a NULL name */
    bool ext_info_again; /* sent once more at the first authentication request, to who asks for it
                            by ext-info-in-auth@openssh.com */
    bool ping; /* ping@openssh.com: PING is answered with PONG, from 192 on no number is bad */
    const struct ssh_profile_compat *compat; /* ends with a NULL pattern */

    unsigned dh_bits;  /* that are set in a client's public number at least */
    unsigned rsa_bits; /* of the host key that the system makes */
    const char *hostkey_before_z,
        *hostkey_after_z; /* around rsa, ecdsa, ed25519: its file's name */

    const char *auth_methods_z; /* "can continue" of every failure */
    const char *user_keys_z; /* name-list: signature algorithms of public keys that are looked at */
    bool service_loose;      /* a SERVICE_REQUEST that cannot be parsed is passed over */
    bool hostbound;          /* publickey-hostbound-v00@openssh.com is a method */
    bool none_at_once;       /* the method "none" is refused without delay */
    bool rounds_time;        /* an answer's time is rounded up, so that it tells less */
    uint32_t refuse_max_ms;  /* no delay for what took longer already; 0: none */
    uint32_t auth_tries_max; /* the failure with this number ends the connection */
    uint32_t password_max_bytes;
    uint32_t login_grace_ms;
    uint32_t
        alive_interval_ms; /* silence after which a client is asked for a sign of life; 0: never */
    uint32_t alive_count_max; /* such requests without an answer; 0: any number */

    const char *const *env_patterns_z; /* variables that env may set; ends with NULL */
    const char *subsystems_z;          /* name-list */
    uint32_t sessions_max;             /* session channels at a time */
    bool
        numbers_listeners; /* what listens for a forward takes a channel's number, as in OpenSSH's table */
    uint32_t window_bytes, packet_bytes;
    uint32_t small_window_bytes, small_packet_bytes; /* of a channel to an agent or a display */
    uint32_t window_step_bytes; /* used up before it is given back; 0: as OpenSSH does */
    uint32_t data_bytes;        /* the most data in one packet that is sent */
    bool window_at_open;        /* the window is there at once, not when a program starts */
    bool ends_idle;             /* when a program ends, the channels without one end too */
    const char *open_refused_z; /* text of a CHANNEL_OPEN_FAILURE */
    bool tells_unresolved;      /* a name that is none, and its port, stand in it */
    bool announces_hostkeys;    /* hostkeys-00@openssh.com after the login */
    bool status_at_once;        /* a program's exit status is told even while its output waits */
    bool hides_typing;          /* IGNORE messages while a terminal does not echo */
    bool x11, agent;            /* forwarding is promised */

    /* How a user's program starts. */
    const char *path_root_z, *path_z; /* PATH */
    bool pam;        /* it sets variables of its own, and greets a shell without a terminal too */
    bool sets_speed; /* of a terminal, as the client says it */

    /* Types of service (RFC 1349) from the first program on: with a terminal or X11, and without. */
    uint8_t tos_interactive, tos_bulk;

    struct ssh_profile_wait waits[SSH_WAITS]; /* less what our own work takes */

    /* MaxStartups: clients that have not logged in; from `begin` on new ones are dropped with a
     * chance of `rate` percent, which rises to all at `full`. 0: never. */
    uint32_t startups_begin, startups_rate, startups_full;
    uint32_t startups_of_one;    /* more than so many of one address are dropped; 0: never */
    const char *startups_text_z; /* what a dropped one is told */

    /* Blocks after which the server asks for new keys; 0: by the cipher, as OpenSSH does. */
    uint64_t rekey_blocks;
};

#define PROFILE(symbol, name) extern const struct ssh_profile ssh_profile_##symbol;
#include "ssh/profiles.def"
#undef PROFILE

/* By name ("openssh-9.2p1"); NULL when there is none. */
const struct ssh_profile *ssh_profile_find(struct span name);

/* All names, each after a space. */
extern const char ssh_profile_names_z[];

/* The compat flags for a client's software. */
unsigned ssh_profile_compat_of(const struct ssh_profile *profile, struct span software);

/* Whether the server lets a client set this variable. */
bool ssh_profile_allows_env(const struct ssh_profile *profile, struct span name);

#endif
