/* The inside of struct ssh, for the files of this folder. Each file owns the part of it that bears
 * its name and handles its family of messages. */
#ifndef SSH_MACHINE_H
#define SSH_MACHINE_H

#include "base/cursor.h"
#include "ssh/derive.h"
#include "ssh/message.h"
#include "ssh/packet.h"
#include "ssh/server.h"
#include "ssh/zip.h"

enum {
    SSH_VERSION_MAX_BYTES = 8192, /* of the client's line */
    SSH_TEXT_MAX_BYTES = 1024,    /* of a DISCONNECT's text, with its NUL */
    SSH_USER_MAX_BYTES = 256 * 1024,
    SSH_ENV_MAX = 128,                 /* variables a channel */
    SSH_MESSAGE_MAX_BYTES = 64 * 1024, /* that we send: 32 KiB of data, our KEXINIT */
    SSH_HELD_MAX_BYTES = 64 * 1024,    /* answers that wait for a key exchange */
};

enum ssh_phase {
    SSH_PHASE_IDENT,      /* waiting for the client's line */
    SSH_PHASE_KEX,        /* the first key exchange */
    SSH_PHASE_AUTH,       /* service request and authentication */
    SSH_PHASE_CONNECTION, /* logged in */
    SSH_PHASE_OVER,       /* no input is looked at any more */
};

enum ssh_kex_step {
    SSH_KEX_IDLE,
    SSH_KEX_WANT_KEXINIT, /* ours is sent */
    SSH_KEX_WANT_SIZES,   /* algorithms are chosen: group exchange */
    SSH_KEX_WANT_PUBLIC,  /* algorithms (and the group) are chosen */
    SSH_KEX_WANT_NEWKEYS, /* our reply and NEWKEYS are sent */
};

struct ssh_kex {
    enum ssh_kex_step step;
    bool initial;                           /* the first exchange is not over */
    bool strict;                            /* both sides are, for the whole connection */
    bool wants_ext_info;                    /* the client does */
    bool takes_ext_info;                    /* an EXT_INFO of the client may come */
    bool ext_info_again;                    /* the client wants it in the authentication too */
    bool skip_guess;                        /* the next packet is a wrong guess */
    struct buffer client_init, server_init; /* KEXINIT payloads, for the hash */
    const struct ssh_kex_method *method;
    const struct ssh_modulus *modulus; /* of group exchange */
    uint32_t sizes[3];                 /* of the group, as asked for: least, wanted, most */
    const struct ssh_signature *signature;
    const struct ssh_cipher *cipher[2]; /* by enum ssh_side */
    const struct ssh_mac *mac[2];       /* NULL: the cipher authenticates */
    bool compresses[2];                 /* from the login on */
    struct ssh_transform next_in;       /* in use from the client's NEWKEYS on */
    struct buffer key_log;              /* of the exchange under way; empty unless wanted */
    uint8_t session_id[CRYPTO_DIGEST_MAX_BYTES];
    size_t session_id_len;
    const struct ssh_hostkey *first_hostkey;   /* of the first exchange */
    const struct ssh_signature *rsa_signature; /* what RSA keys are proved by */
};

struct ssh_auth {
    bool service_accepted;
    bool answer_due;    /* an SSH_EVENT_AUTH waits for the session */
    bool refusing;      /* the refusal waits for `answer_at_us` */
    bool accepting;     /* the login does */
    bool announcing;    /* the host keys follow when SUCCESS is out */
    bool acceptable;    /* the request that waits could be accepted */
    bool stray_service; /* it is for another service than ours */
    bool slow;          /* PAM's delay applies to its refusal */
    bool user_known;    /* dropbear: a request has fixed the user */
    bool none_used;     /* the method "none" was tried */
    bool asks_none;     /* the request that waits is that ... */
    bool first_none;    /* ... and the first: not counted */
    uint32_t attempts, failures;
    struct buffer user, service; /* of the first request */
    struct buffer offered;       /* what PK_OK would say of the key that is only asked about */
    int64_t asked_us, answer_at_us;
};

enum ssh_channel_kind {
    SSH_CHANNEL_FREE,
    SSH_CHANNEL_SESSION,
    SSH_CHANNEL_FORWARD,
    SSH_CHANNEL_LISTENER, /* takes a number, as in OpenSSH's table; no client can name it */
};

enum ssh_channel_step {
    SSH_CHANNEL_OPENING, /* a forward that the session has not answered */
    SSH_CHANNEL_OFFERED, /* one that the client has not answered */
    SSH_CHANNEL_LARVAL,  /* a session without a program */
    SSH_CHANNEL_RUNNING,
};

struct ssh_channel {
    enum ssh_channel_kind kind;
    enum ssh_channel_step step;
    uint32_t peer_id, peer_window, peer_packet; /* what we may send */
    uint32_t window_max, packet_max;            /* what the client may send */
    uint32_t window, consumed, exceeded;
    bool eof_sent, eof_got, close_sent, close_got, exit_sent;
    bool wants_room; /* a write was cut short: the session is told when there is room */
    bool answer_due; /* a request waits for the session */
    bool want_reply; /* and for a reply on the wire */
    bool pty, hides_input, x11, agent, subsystem;
    bool pty_refused;          /* for its type's name */
    enum ssh_request starting; /* the request that waits */
    uint32_t env_count;
};

/* What a CHANNEL_OPEN begins with. */
struct ssh_opening {
    struct span type;
    uint32_t peer_id, window, packet;
};

struct ssh {
    const struct ssh_server *server;
    const struct ssh_profile *profile;
    struct crypto_rng rng;
    int64_t now_us, started_us;
    int64_t heard_us;        /* from the client, or it was asked for a sign of life */
    uint32_t unanswered;     /* how often it was since the last packet */
    int64_t silent_until_us; /* nothing leaves before, nothing is read (wait.c) */
    int64_t output_from_us;  /* a program that was started says nothing before */
    enum ssh_phase phase;
    enum ssh_state state;
    bool fed_end;
    bool wants_input; /* no whole packet was left: the real server reads now */
    bool unread;      /* the transport has bytes that were not taken */
    bool aborts;      /* over, and to be reset once all is sent */
    int traffic;      /* see ssh_traffic */
    int error;

    struct buffer line; /* the client's identification line */
    bool line_cr;       /* a CR was read: LF must follow */
    unsigned compat;
    size_t out_first; /* bytes at the front of `sender.out` that are one write; 0: all */

    struct ssh_receiver receiver;
    struct ssh_sender sender;
    struct ssh_packet packet; /* being handled */
    struct ssh_zip zip;
    struct buffer message; /* being composed */
    struct buffer held;    /* composed, waiting for a key exchange: length and payload each */

    struct ssh_kex kex;
    struct ssh_auth auth;
    struct ssh_channel *channels; /* `channels_room` of them, NULL before the first */
    uint32_t channels_used;       /* no number from this one on was ever taken */
    uint32_t channels_room;
    bool no_more_sessions;
    bool global_due, global_wanted; /* a global request waits for the session; and its reply */
    bool global_told; /* a success is told even to who wants no reply, and the port always */
    bool global_free; /* a free port was asked for */
    bool agent_asked;

    bool has_event;
    struct ssh_event event;
    char text_z[SSH_TEXT_MAX_BYTES]; /* of the last DISCONNECT */
};

/* ---- Handlers' results ---- */

/* A handler returns 0, or this: the connection is over, the event says why. */
enum { SSH_OVER = -1 };

/* The peer's fault: closed in silence. `text_z` is for the record. Returns SSH_OVER. */
int ssh_fault(struct ssh *s, const char *text_z);

/* The peer's fault, told by a DISCONNECT with this text. Returns SSH_OVER. */
int ssh_fault_disconnect(struct ssh *s, const char *format_z, ...)
    __attribute__((format(printf, 2, 3)));

/* The same two for messages that are well formed, but that we cannot go along with: the event
 * carries no data of them. */
int ssh_disagree(struct ssh *s, const char *text_z);
int ssh_refuse_disconnect(struct ssh *s, const char *text_z);

/* Our fault: out of memory and the like. Returns SSH_OVER. */
int ssh_broken(struct ssh *s, int code);

/* ssh_fault when a message did not end where it should; else 0. */
int ssh_demand_end(struct ssh *s, const struct cursor *c);

/* ssh_fault when a field was missing; else 0. For messages whose rest does not matter. */
int ssh_demand_fields(struct ssh *s, const struct cursor *c);

/* No more input, send what is there. */
void ssh_finish(struct ssh *s);

/* The one event of the packet being handled; filled by the caller. */
struct ssh_event *ssh_emit(struct ssh *s, enum ssh_event_type type);

/* ---- Composing messages; a failure ends the connection, so nobody checks (message.c) ---- */

void ssh_begin(struct ssh *s, enum ssh_message type);
void ssh_put_u8(struct ssh *s, uint8_t value);
void ssh_put_u32(struct ssh *s, uint32_t value);
void ssh_put_bytes(struct ssh *s, struct span bytes);
void ssh_put_string(struct ssh *s, struct span bytes);
void ssh_put_string_z(struct ssh *s, const char *text_z);

/* Sends what was composed, or holds it while keys are exchanged. */
void ssh_send(struct ssh *s);

/* Sends what was held. */
void ssh_send_held(struct ssh *s);

/* A message of one number. */
void ssh_send_u32(struct ssh *s, enum ssh_message type, uint32_t value);
void ssh_send_debug(struct ssh *s, const char *text_z);
void ssh_send_disconnect(struct ssh *s, uint32_t code, struct span text);

/* ---- How families of servers differ where no table can tell it ---- */

struct ssh_dialect {
    /* A byte of the client's line. 1: the line is complete. 0: more is needed. SSH_OVER. */
    int (*read_byte)(struct ssh *s, uint8_t byte);
    /* The packet in s->packet. 0 or SSH_OVER. */
    int (*dispatch)(struct ssh *s);
    /* When the refusal of the request at hand leaves, and what leaves. */
    int64_t (*refusal_time)(struct ssh *s);
    void (*refuse)(struct ssh *s);
};

extern const struct ssh_dialect ssh_dialect_openssh;  /* dispatch.c */
extern const struct ssh_dialect ssh_dialect_dropbear; /* dropbear.c */

/* ---- One family of messages each; all return 0 or SSH_OVER ---- */

/* wait.c: microseconds of the profile's spread, or 0. */
int64_t ssh_wait_draw_us(struct ssh *s, enum ssh_wait step);
/* What is put out from now on leaves after that time. */
void ssh_wait_start(struct ssh *s, enum ssh_wait step);
bool ssh_wait_is_on(const struct ssh *s);

/* alive.c: signs of life that a silent client is asked for */
int64_t ssh_alive_deadline(const struct ssh *s);
void ssh_alive_tick(struct ssh *s);

/* ident.c: bytes until the line is complete. 1: it is. 0: more is needed. */
int ssh_ident_read(struct ssh *s);
int ssh_ident_read_byte(struct ssh *s, uint8_t byte);

/* kexinit.c */
void ssh_kexinit_send(struct ssh *s);
int ssh_kexinit_receive(struct ssh *s, struct cursor *c);

/* kex.c */
int ssh_kex_start_compression(struct ssh *s, enum ssh_side side);
bool ssh_kex_expects(const struct ssh *s, uint8_t type);
bool ssh_kex_holds_output(const struct ssh *s);
bool ssh_kex_is_due(const struct ssh *s);
int ssh_kex_receive_sizes(struct ssh *s, struct cursor *c);
int ssh_kex_receive_public(struct ssh *s, struct cursor *c);
int ssh_kex_receive_newkeys(struct ssh *s, struct cursor *c);
int ssh_kex_receive_ext_info(struct ssh *s, struct cursor *c);
void ssh_kex_send_ext_info(struct ssh *s, size_t count_max);
void ssh_kex_init(struct ssh *s);
void ssh_kex_fini(struct ssh *s);

/* auth.c */
int ssh_auth_receive(struct ssh *s, struct cursor *c);
void ssh_auth_tick(struct ssh *s);
/* The host keys, once SUCCESS is out. */
void ssh_auth_announce(struct ssh *s);
int64_t ssh_auth_refusal_time(struct ssh *s);
void ssh_auth_send_refusal(struct ssh *s);
void ssh_auth_init(struct ssh *s);
void ssh_auth_fini(struct ssh *s);

/* global.c */
int ssh_global_receive(struct ssh *s, struct cursor *c);
void ssh_global_announce_hostkeys(struct ssh *s);
void ssh_global_ask(struct ssh *s, struct ssh_event_global *global);

/* channel.c, open.c, channel_input.c, request.c */
struct ssh_channel *ssh_channel_find(struct ssh *s, uint32_t channel);
uint32_t ssh_channel_number(const struct ssh *s, const struct ssh_channel *channel);
struct ssh_channel *ssh_channel_take(struct ssh *s, enum ssh_channel_kind kind);
uint32_t ssh_channel_count(const struct ssh *s, enum ssh_channel_kind kind);
void ssh_channel_release_if_closed(struct ssh_channel *channel);
bool ssh_channel_emit_room(struct ssh *s);
bool ssh_channel_answer_due(const struct ssh *s);
void ssh_channel_fini(struct ssh *s);
int ssh_open_receive(struct ssh *s, struct cursor *c);
int ssh_open_session(struct ssh *s, const struct ssh_opening *opening, uint32_t full_reason);
int ssh_open_forward(struct ssh *s, const struct ssh_opening *opening,
                     const struct ssh_event_forward *forward, uint32_t full_reason);
int ssh_open_refuse(struct ssh *s, const struct ssh_opening *opening, uint32_t reason);
int ssh_open_confirmed(struct ssh *s, struct ssh_channel *channel, struct cursor *c);
int ssh_open_failed(struct ssh *s, struct ssh_channel *channel);
int ssh_channel_receive(struct ssh *s, uint8_t type, struct cursor *c);
int ssh_request_receive(struct ssh *s, struct cursor *c);
int ssh_request_ask(struct ssh_channel *channel, struct ssh_event_request *request);
int ssh_request_finish(struct ssh *s, struct ssh_channel *channel,
                       const struct ssh_event_request *request);
bool ssh_request_is_signal(struct span name);

/* dropbear.c and its family */
size_t ssh_dropbear_line_room(const struct ssh *s, struct span bytes);
struct span ssh_dropbear_text(struct cursor *c, size_t *len);
int ssh_dropbear_auth(struct ssh *s, struct cursor *c);
int64_t ssh_dropbear_refusal_time(struct ssh *s);
void ssh_dropbear_refuse(struct ssh *s);
int ssh_dropbear_global(struct ssh *s, struct cursor *c);
int ssh_dropbear_open(struct ssh *s, struct cursor *c);
int ssh_dropbear_request(struct ssh *s, struct cursor *c);
int ssh_dropbear_channel(struct ssh *s, uint8_t type, struct cursor *c);

#endif
