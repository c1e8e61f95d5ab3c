/* An SSH-2 server as a machine behind four doors (RFC 4251-4254, RFC 8308), which behaves on the
 * wire as one exact OpenSSH server does. Pure: bytes, time and randomness are arguments.
 *
 *     in      ssh_feed, ssh_feed_end        bytes of the client, in any split
 *     events  ssh_next                      what the client did; pull until it returns 0
 *     out     ssh_out, ssh_sent             bytes for the client
 *     time    ssh_deadline, ssh_tick
 *
 * ssh_feed only stores; ssh_next does the work. So the loop of a user is: after every ssh_feed,
 * ssh_feed_end, ssh_tick, ssh_sent and after every answer to an event call ssh_next until it
 * returns 0, then look at ssh_out and ssh_state. The machine pauses (ssh_next returns 0 although
 * bytes are there) while an answer of the session is due, while a refused login waits for its time,
 * and while more than SSH_OUT_HIGH_BYTES wait to be sent; ssh_feed then takes less than given.
 *
 * Like the real server it reads the next packet before the login only when its answer to the last one
 * is sent, and never more than that server would have read by then: what is left with the transport
 * when it closes decides, as there, whether the client sees FIN or RST.
 *
 * The peer's fault is never an error code here: it is the event SSH_EVENT_ERROR, and the connection
 * ends as OpenSSH would end it. Out of memory ends it too, with ssh_error() ERR_NOMEM. */
#ifndef SSH_SSH_H
#define SSH_SSH_H

#include "base/span.h"

struct ssh;         /* one connection */
struct ssh_server;  /* what all connections share; process lifetime, never changes */
struct ssh_profile; /* ssh/profile.h: version line, name-lists, limits, texts */

/* ---- The shared part ---- */

enum { SSH_HOSTKEYS_MAX = 4, SSH_SEED_BYTES = 32 };

/* `keys_pem`: private keys, PEM as written by ssh_hostkey_generate (ssh/hostkey.h); the order of
 * the hostkeys-00 announcement follows the profile, not this list. The spans are only read here;
 * the profile is borrowed. NULL: *err is ERR_NOMEM, ERR_MALFORMED (a key that cannot be read, or
 * two of one type) or ERR_CRYPTO. `err` may be NULL. */
struct ssh_server *ssh_server_new(const struct ssh_profile *profile, const struct span *keys_pem,
                                  size_t key_count, int *err);
void ssh_server_free(struct ssh_server *server);
const struct ssh_profile *ssh_server_profile(const struct ssh_server *server);

/* Before the first connection: the contents of the persona's /etc/ssh/moduli, borrowed as long as
 * the server lives. Without them (or with none usable) group exchange is not offered. 0 or
 * ERR_FULL. */
int ssh_server_set_moduli(struct ssh_server *server, struct span text);

/* Before the first connection: SSH_EVENT_KEYS tells the secrets of each exchange, so that captured
 * connections can be decrypted. Off by default. */
void ssh_server_set_key_log(struct ssh_server *server, bool on);

/* Before the first connection: each step takes the time that it takes the real server (the
 * profile's waits). Off by default. */
void ssh_server_set_waits(struct ssh_server *server, bool on);

/* Whether a new client is to be dropped while `startups` others have not logged in yet, `of_one` of
 * them from its address (sshd_config, MaxStartups; sshd.c, should_drop_connection). */
struct crypto_rng;
bool ssh_server_drops(const struct ssh_server *server, uint32_t startups, uint32_t of_one,
                      struct crypto_rng *rng);

/* ---- One connection ---- */

/* A client connected: the version line is at once at ssh_out. Time is in microseconds of any
 * steady clock, here and below. NULL: out of memory. */
struct ssh *ssh_new(const struct ssh_server *server, const uint8_t seed[SSH_SEED_BYTES],
                    int64_t now_us);
/* The same for one that is dropped: a line of text, and the end. */
struct ssh *ssh_new_dropped(const struct ssh_server *server, const uint8_t seed[SSH_SEED_BYTES],
                            int64_t now_us);
void ssh_free(struct ssh *s);

/* The connection is quiet: gives back room that nothing stands in. */
void ssh_rest(struct ssh *s);

/* How many bytes were taken; the others are offered again later. 0 once the connection is closing. */
size_t ssh_feed(struct ssh *s, struct span bytes, int64_t now_us);

/* The client has shut its side down: what was fed is still worked on, then the connection ends. */
void ssh_feed_end(struct ssh *s, int64_t now_us);

/* Bytes to send, borrowed until the next call with this machine. Each span is one write of a real
 * server: send it as one piece, report it with ssh_sent, ask again. */
struct span ssh_out(const struct ssh *s);
void ssh_sent(struct ssh *s, size_t n);

enum ssh_state {
    SSH_OPEN,
    SSH_CLOSE, /* send what is at ssh_out, then close in order (FIN) */
    SSH_ABORT, /* nothing is left to send: close with a reset (RST) */
};
enum ssh_state ssh_state(const struct ssh *s);

/* How the connection's packets are to travel: -1 as they are at first (Nagle's algorithm on, type of
 * service 0), or the type of service from the first program on, with TCP_NODELAY. To be looked at
 * before ssh_out is sent. */
int ssh_traffic(const struct ssh *s);

/* 0, or why the machine itself failed (not the peer): ERR_NOMEM, ERR_CRYPTO. */
int ssh_error(const struct ssh *s);

/* When ssh_tick is wanted next; INT64_MAX: never. */
int64_t ssh_deadline(const struct ssh *s);
void ssh_tick(struct ssh *s, int64_t now_us);

/* ---- Events ---- */

enum ssh_event_type {
    SSH_EVENT_VERSION,        /* .version */
    SSH_EVENT_KEXINIT,        /* .kexinit, the first exchange and every one after */
    SSH_EVENT_KEYS,           /* .keys: new keys in both directions */
    SSH_EVENT_SERVICE,        /* .service: asked for and granted */
    SSH_EVENT_AUTH,           /* .auth: ANSWER with ssh_auth_accept or ssh_auth_refuse */
    SSH_EVENT_GLOBAL_REQUEST, /* .global: ANSWER when .global.needs_answer; else answered already */
    SSH_EVENT_CHANNEL_OPEN,   /* .open; already answered */
    SSH_EVENT_FORWARD,        /* .forward: ANSWER with ssh_forward_accept or _refuse, any time */
    SSH_EVENT_CHANNEL_CONFIRMED, /* .channel: the client takes what was offered ... */
    SSH_EVENT_CHANNEL_REFUSED,   /* ... or not: the number is free */
    SSH_EVENT_CHANNEL_REQUEST,   /* .request: ANSWER when .request.needs_answer */
    SSH_EVENT_CHANNEL_DATA,      /* .data: give its length back with ssh_channel_consumed */
    SSH_EVENT_CHANNEL_EOF,       /* .channel: no more data of the client on it */
    SSH_EVENT_CHANNEL_CLOSE,     /* .channel: the client closed it; the session answers with
                                  ssh_channel_close if it has not closed it before */
    SSH_EVENT_CHANNEL_WINDOW,    /* .channel: ssh_channel_write can take bytes again */
    SSH_EVENT_DISCONNECT,        /* .disconnect: the client said good-bye; the last event */
    SSH_EVENT_ERROR,             /* .error: the client broke the protocol; the last event */
    SSH_EVENT_END, /* the client's end, or the time for login ran out; the last event */
};

/* The name-lists of the client's KEXINIT as they were sent (RFC 4253, section 7.1). */
struct ssh_event_kexinit {
    struct span kex, hostkey;
    struct span cipher_cs, cipher_sc, mac_cs, mac_sc; /* cs: client to server */
    struct span comp_cs, comp_sc, lang_cs, lang_sc;
    bool first; /* of this connection */
};

/* The algorithms agreed; static storage. An AEAD cipher has the MAC "<implicit>". */
struct ssh_event_keys {
    const char *kex_z, *hostkey_z;
    const char *cipher_cs_z, *cipher_sc_z, *mac_cs_z, *mac_sc_z, *comp_cs_z, *comp_sc_z;
    bool first;          /* of this connection */
    struct span key_log; /* SECRET: lines for Wireshark; empty unless ssh_server_set_key_log */
};

enum ssh_auth_method {
    SSH_AUTH_NONE,
    SSH_AUTH_PASSWORD,
    SSH_AUTH_PASSWORD_CHANGE,
    SSH_AUTH_PUBLICKEY,
    SSH_AUTH_KEYBOARD_INTERACTIVE,
    SSH_AUTH_OTHER,
};

/* RFC 4252. Only SSH_AUTH_PASSWORD and SSH_AUTH_PUBLICKEY can be accepted, the latter with a right signature
 * or when it only asks; anything else is refused by the machine itself whatever the session says, but must
 * be answered all the same. */
struct ssh_event_auth {
    enum ssh_auth_method method;
    struct span user, service, method_name;
    struct span password, new_password;
    struct span key_algorithm, key_blob; /* publickey; ssh/fingerprint.h makes them readable */
    bool has_signature;                  /* publickey: not just asking whether it would do ... */
    bool signature_good;                 /* ... and it is the key's */
    uint32_t failures;                   /* counted before this one */
};

struct ssh_event_global {
    struct span name;
    bool want_reply;
    bool needs_answer;   /* a forward: only the machine knows whether it can listen there */
    bool accepted;       /* what the client is told, unless needs_answer */
    struct span address; /* of a forward or its cancelling; a Unix socket's path */
    uint32_t port;
};

struct ssh_event_open {
    uint32_t channel; /* local number, below SSH_CHANNELS_MAX; valid when accepted */
    struct span type; /* "session", or an unknown one that was refused */
    uint32_t peer_id, window_bytes, packet_bytes;
    bool accepted;
};

/* direct-tcpip (RFC 4254, section 7.2) and direct-streamlocal@openssh.com. The channel number is taken
 * until it is refused or closed. */
struct ssh_event_forward {
    uint32_t channel;
    bool is_path; /* `host` is a Unix socket's; the others are empty */
    struct span host, originator;
    uint32_t port, originator_port;
};

enum ssh_request {
    SSH_REQUEST_PTY, /* term, columns, rows, width_px, height_px, modes */
    SSH_REQUEST_ENV, /* name, value */
    SSH_REQUEST_SHELL,
    SSH_REQUEST_EXEC,          /* text: the command */
    SSH_REQUEST_SUBSYSTEM,     /* text: its name */
    SSH_REQUEST_WINDOW_CHANGE, /* columns, rows, width_px, height_px */
    SSH_REQUEST_SIGNAL,        /* text: the name without SIG */
    SSH_REQUEST_BREAK,         /* length_ms */
    SSH_REQUEST_X11,           /* text: protocol, value: cookie, x11_single, x11_screen */
    SSH_REQUEST_AGENT,
    SSH_REQUEST_EOW,   /* eow@openssh.com: the client reads no more output */
    SSH_REQUEST_OTHER, /* data: all after want_reply */
};

/* RFC 4254, sections 5.4 and 6. The machine answers as the real server would, but for shell, exec
 * and the subsystems of the profile, where it asks (needs_answer) before it goes on. Order is
 * checked here: a second program on a channel or a second pty never reaches the session. */
struct ssh_event_request {
    uint32_t channel;
    enum ssh_request request;
    struct span type; /* as sent */
    bool want_reply;
    bool needs_answer;
    bool accepted; /* what the client is told, unless needs_answer */
    struct span text, name, value, modes, data;
    struct span term;
    uint32_t columns, rows, width_px, height_px;
    uint32_t length_ms;
    bool x11_single;
    uint32_t x11_screen;
};

struct ssh_event_data {
    uint32_t channel;
    struct span bytes;
};

struct ssh_event_disconnect {
    uint32_t code;
    struct span text;
};

struct ssh_event_error {
    const char *text_z; /* what was wrong, for the record */
    struct span sent;   /* the text that the client was told; empty: closed in silence */
    uint32_t code;      /* of the DISCONNECT it was told by; 0: by none (RFC 4253, section 11.1) */
    int message;        /* number of the offending message, -1 when it could not be read */
    struct span data;   /* its first SSH_ERROR_DATA_MAX bytes; empty: the message itself was good */
    size_t data_len;    /* its full length */
};

enum { SSH_ERROR_DATA_MAX = 256, SSH_EXTENDED_STDERR = 1 };

/* Spans in an event are borrowed until the next ssh_next, ssh_feed or ssh_free. */
struct ssh_event {
    enum ssh_event_type type;
    union {
        struct span version; /* the client's line without CR LF */
        struct ssh_event_kexinit kexinit;
        struct ssh_event_keys keys;
        struct span service;
        struct ssh_event_auth auth;
        struct ssh_event_global global;
        struct ssh_event_open open;
        struct ssh_event_forward forward;
        struct ssh_event_request request;
        struct ssh_event_data data;
        uint32_t channel;
        struct ssh_event_disconnect disconnect;
        struct ssh_event_error error;
    };
};

/* 1: *event is filled. 0: nothing now. */
int ssh_next(struct ssh *s, struct ssh_event *event);

/* ---- Answers about the connection ---- */

/* Answers SSH_EVENT_AUTH: who only asked about a key is told that it would do. It leaves when the real server's would. */
void ssh_auth_accept(struct ssh *s);

/* The refusal leaves when the real server's would (PAM's delay for a password, then OpenSSH's
 * rounding up of the time); the last one allowed is a DISCONNECT. */
void ssh_auth_refuse(struct ssh *s);

/* The session ends the connection: with a DISCONNECT message (RFC 4253, section 11.1) or, for NULL,
 * in silence. What is queued is still sent. */
void ssh_disconnect(struct ssh *s, uint32_t code, const char *text_z);

/* ---- Channels ---- */

enum {
    SSH_CHANNELS_MAX = 1000,         /* local numbers are below this */
    SSH_OUT_HIGH_BYTES = 256 * 1024, /* above this no packet is worked on, no data taken */
    SSH_OUT_MAX_BYTES = 1024 * 1024, /* more than this waiting ends the connection */

    /* All memory that a connection can come to hold, with libcrypto's and zlib's: the most that its
     * buffers may grow to, and what the greatest message needs while it is worked on. */
    SSH_MEMORY_MAX_BYTES = 4 * 1024 * 1024,
};

enum ssh_stream { SSH_STDOUT, SSH_STDERR };

/* Answers SSH_EVENT_CHANNEL_REQUEST (needs_answer). Accepting opens the client's window first,
 * as the real server does. */
void ssh_channel_request_accept(struct ssh *s, uint32_t channel);
void ssh_channel_request_refuse(struct ssh *s, uint32_t channel);

/* Whether a program was started so lately that the real server's could not have said or done anything
 * yet: what it says, and its end, are to wait. ssh_deadline tells how long. */
bool ssh_channels_start(const struct ssh *s);

/* Whether what is at ssh_out is held back for the time that the real server's processes take. What is
 * done meanwhile should be short, or it makes the time longer. ssh_deadline tells how long. */
bool ssh_is_silent(const struct ssh *s);

/* Answers SSH_EVENT_GLOBAL_REQUEST (needs_answer). `port`: that a tcpip-forward got, else 0. */
void ssh_global_answer(struct ssh *s, bool accepted, uint32_t port);

/* Answers SSH_EVENT_FORWARD. Reason codes are in RFC 4254, section 5.1. */
void ssh_forward_accept(struct ssh *s, uint32_t channel);
void ssh_forward_refuse(struct ssh *s, uint32_t channel, uint32_t reason, const char *text_z);

/* Opens a channel, because a program has connected with a socket that is forwarded: its type, and
 * what stands behind the sizes (RFC 4254, sections 6.3.2 and 7.2; OpenSSH's PROTOCOL, section 2.4).
 * `small`: with the window that OpenSSH gives agents and displays. Its number, or ERR_FULL; nothing is to be done with it before SSH_EVENT_CHANNEL_CONFIRMED. */
int ssh_channel_offer(struct ssh *s, const char *type_z, bool small, struct span rest);

/* A number that something takes which listens. ERR_FULL: there is none. */
int ssh_channel_reserve(struct ssh *s);
void ssh_channel_unreserve(struct ssh *s, uint32_t channel);

/* Takes as much as the client's window, the output bound and a running key exchange allow: how many
 * bytes. SSH_EVENT_CHANNEL_WINDOW follows once more can be taken after less was. The channel number
 * must be one of an accepted open that is not closed, here and below; after the close of both sides
 * a call is ignored. */
size_t ssh_channel_write(struct ssh *s, uint32_t channel, enum ssh_stream stream,
                         struct span bytes);

/* How many bytes ssh_channel_write would take now. */
size_t ssh_channel_room(const struct ssh *s, uint32_t channel);

/* The session (its program) has used up `n` bytes of channel data: they flow back to the client as
 * window, when the real server would give it. */
void ssh_channel_consumed(struct ssh *s, uint32_t channel, size_t n);

/* The program ended: the order of a real server is ssh_channel_eof, ssh_channel_exit_status (or
 * _signal), ssh_channel_close; when output waits for window, or is held open by another process, the
 * status comes first (the profile's status_at_once). It adds eow@openssh.com as OpenSSH does. Each is sent at most once,
 * and not when the protocol forbids it by then.
 * ssh_channel_eof is false while the client's window is full: a real server finds the end only when
 * it reads on. SSH_EVENT_CHANNEL_WINDOW tells when to try again. */
bool ssh_channel_eof(struct ssh *s, uint32_t channel);
void ssh_channel_exit_status(struct ssh *s, uint32_t channel, uint32_t status);

/* `signal_z` without SIG ("TERM"). */
void ssh_channel_exit_signal(struct ssh *s, uint32_t channel, const char *signal_z,
                             bool core_dumped);

/* Sends CLOSE. The number is free again when both sides have closed. */
void ssh_channel_close(struct ssh *s, uint32_t channel);

/* Ends a session channel without a program: EOF and CLOSE, as dropbear does (the profile's ends_idle). */
void ssh_channel_abandon(struct ssh *s, uint32_t channel);

/* Tells whether the terminal of the channel echoes. While it does not, input lines are answered
 * with the IGNORE message that hides it, as the real server does. */
void ssh_channel_echo(struct ssh *s, uint32_t channel, bool echoes);

#endif
