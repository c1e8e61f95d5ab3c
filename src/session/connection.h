/* One SSH connection from the inside: the machine that speaks SSH, the machine that the visitor
 * sees, and what joins them. For the files of this folder only:
 *
 *     ssh_service.c   the doors of a service, the work loop, limits
 *     ssh_client.c    what the client says of itself: version, algorithms, logins, forwards
 *     ssh_channel.c   channels: what is asked for on them, and bytes both ways
 *     visitor.c       who comes back, and what he left
 *     doors.c         ... and what of it lets him in
 *     inner.c         the machine's own SSH server, spoken to by its programs
 *     display.c       what lets a program in to the client's display
 *     forward.c       sockets of the machine that a client asks to be told of, or to be joined with
 *     seen.c          what the kernel saw, as records
 *     written.c       files that were written in the machine, as artefacts */
#ifndef SESSION_CONNECTION_H
#define SESSION_CONNECTION_H

#include "base/arena.h"
#include "crypto/rng.h"
#include "session/account.h"
#include "session/host.h"
#include "session/journal.h"
#include "session/service.h"
#include "session/start.h"
#include "session/transcript.h"
#include "session/visitor.h"
#include "ssh/ssh.h"

enum {
    SESSION_ARENA_BYTES = 4096,            /* texts of a connection's life */
    SESSION_CHANNEL_ARENA_BYTES = 1 << 18, /* variables, terminal modes of a channel */
    SESSION_CHANNEL_INPUT_MAX = 4 << 20,   /* more than the largest window */
    SESSION_GREETING_MAX = 1 << 16,
    SESSION_FORWARDS = 16,       /* sockets that are listened at for the client */
    SESSION_SOCKET_PATH = 107,   /* bytes: sun_path without its NUL */
    SESSION_HOST_MAX = 1024,     /* bytes of a forward's host: NI_MAXHOST without its NUL */
    SESSION_WRITE_BYTES = 32768, /* what is carried from a program to the client at a time */
    SESSION_INNER_MAX = 8,       /* connections of the machine with itself: others are sent away */
};

/* What a client does on its way to a login, in this order. */
enum session_step {
    SESSION_STEP_VERSION, /* its version line */
    SESSION_STEP_KEXINIT,
    SESSION_STEP_KEYS,    /* its NEWKEYS */
    SESSION_STEP_SERVICE, /* asked for authentication */
    SESSION_STEP_AUTH,    /* the first attempt */
    SESSION_STEPS,
};

struct session_channel {
    bool open;    /* one that we have not closed */
    bool forward; /* a connection with a socket of the machine; its number is `program` */
    bool offered; /* the client has not taken it yet */
    int program;  /* the kernel's number, or -1 */
    bool started; /* a program was started on it, once */

    bool has_terminal;
    uint32_t terminal_number;
    struct kernel_terminal terminal; /* its texts are in the arena */
    struct span *variables; /* NAME=value; room for the limit's number, NULL before the first */
    size_t variable_count;
    struct arena arena;

    struct buffer input;     /* taken from the client, not yet from the program */
    struct buffer greeting;  /* comes before the program's output ... */
    struct buffer complaint; /* ... and this before its standard error */
    bool client_eof;         /* the client will send no more */
    bool input_ended;        /* and the program knows */
    bool output_ended;       /* the client knows that no more comes */
    bool output_unwanted;    /* the client has said that it reads no more */
    bool client_closed;
    bool hides_input; /* as the client's machine was told */
    bool done;        /* the program has ended, as `status` says */
    bool status_sent;
    int status;
    uint32_t display, screen;                     /* of X11, forwarded; 0: none */
    struct span display_protocol, display_cookie; /* in the arena */
    struct session_transcript transcript;
};

/* A place at which sshd listens for the client. */
enum session_forward_kind {
    SESSION_FORWARD_NONE,
    SESSION_FORWARD_PORT,
    SESSION_FORWARD_PATH,
    SESSION_FORWARD_AGENT,   /* a path of our own */
    SESSION_FORWARD_DISPLAY, /* of X11: a port */
};
struct session_forward {
    enum session_forward_kind kind;
    struct buffer address; /* as the client named it */
    uint32_t port;         /* the same, but 0 */
    uint32_t channel;      /* of a display: whose it is */
    bool once;             /* the same: for one program */
    int listeners[2];      /* the kernel's numbers, or -1 */
    int numbers[2];        /* what they take in the table of channels, or -1 */
};

/* A written file that is being recorded. */
struct session_file {
    bool busy;
    struct kernel_event seen; /* what it borrows lives until the next kernel_next */
    uint64_t at;              /* of the contents, in this pass */
    struct crypto_hash *hash; /* the first pass; NULL: the second */
    uint8_t shasum[CRYPTO_DIGEST_MAX_BYTES];
};

/* A connection with the machine's own SSH server, made by a program of the machine. */
struct session_inner {
    struct session_connection *c; /* of its own, on the same machine; NULL: free */
    int line;                     /* the kernel's number of it */
    bool input_ended;
};

struct session_connection {
    struct session_host *host;
    struct session_connection *outer; /* whose machine this is, of one from within; else NULL */
    struct session_inner *inner;      /* SESSION_INNER_MAX of them, NULL before the first */
    int line, login;                  /* of one from within: the kernel's numbers; 0: no login */
    struct session_journal journal;
    struct arena arena;
    struct session_peer peer;
    char id_z[SESSION_ID_CHARS + 1];
    struct crypto_rng rng;
    struct ssh *ssh;
    struct kernel *kernel; /* NULL until the first program; the outer one's */
    bool kernel_busy;

    int64_t now_us, start_us, step_us, input_us; /* step: the last step of a login */
    int64_t steps_us[SESSION_STEPS];             /* 0: not taken */
    bool steps_told;
    bool logged_in, ended;
    bool starting; /* among those of the host that have not logged in */
    struct session_connection *starting_next, *starting_prev;
    struct session_account account;
    struct session_last last; /* on this machine; not of one from within */
    struct span password;     /* that let him in; in the arena; empty: a key did */
    uint32_t failed_tries, login_number, recordings;
    uint64_t output_bytes, recorded_bytes;
    bool recorded_full; /* told */
    struct session_file file;
    struct session_visitor visitor;
    struct session_forward *forwards; /* SESSION_FORWARDS of them, NULL before the first */
    struct session_channel *channels; /* `channels_used` of them, NULL before the first */
    uint32_t channels_used;           /* no number from this one on was ever open */
};

static inline int64_t session_now_ms(const struct session_connection *c)
{
    return c->now_us / 1000;
}

/* An event of the connection at its present time. */
struct event session_event(const struct session_connection *c, enum event_type type);
void session_put(struct session_connection *c, const struct event *e);

/* It is not, or no longer, among those that have not logged in. */
void session_started(struct session_connection *c);

/* A bound was reached: told. */
void session_put_limit(struct session_connection *c, const char *name_z, int64_t value);
/* So many records were lost for want of memory. */
void session_put_gap(struct session_connection *c, int64_t records);
/* A bound was reached: told, and the connection ends in silence. */
void session_limit(struct session_connection *c, const char *name_z, int64_t value);

/* ssh_client.c: a step is taken, for the first time; what they took is told, once. */
void session_step(struct session_connection *c, enum session_step step);
void session_tell_steps(struct session_connection *c);

/* ssh_client.c: every event but those of channels. */
void session_client_event(struct session_connection *c, const struct ssh_event *event);

/* ssh_client.c: a password, once it is known who gives it: let in or refused. */
void session_login_decide(struct session_connection *c, struct span user, struct span password);
/* ... or a password that his machine has looked at. */
void session_login_checked(struct session_connection *c, struct span user, struct span password,
                           bool right);
/* ... or a public key. */
void session_login_key(struct session_connection *c, const struct session_offer *offer);

/* ssh_channel.c: the others. */
void session_channel_event(struct session_connection *c, const struct ssh_event *event);
/* Carries bytes both ways and ends what has ended. True when something moved. */
bool session_channel_pump(struct session_connection *c, uint32_t number);
/* Gives back room that nothing stands in. */
void session_channel_rest(struct session_connection *c, uint32_t number);
/* The program of a kernel_spawn ended. False: it is of no channel here. */
bool session_channel_done(struct session_connection *c, int program, int status);
/* The connection is gone: recordings end, memory is given back. */
void session_channel_drop(struct session_connection *c, uint32_t number);

/* Whether there is a machine now: it is made when it is first needed. */
bool session_have_kernel(struct session_connection *c);
/* A new one, as the visitor finds it who was never here. NULL: out of memory. */
struct kernel *session_new_kernel(struct session_connection *c);

/* ssh_channel.c: a channel with a connection of the machine; false: out of memory, and nothing is done. */
bool session_channel_join(struct session_connection *c, uint32_t number, int program, bool offered);

/* forward.c: a request to listen for the client, or to stop that, is answered. */
void session_forward_request(struct session_connection *c, const struct ssh_event_global *global);
/* auth-agent-req@openssh.com, x11-req: a socket is made for the client's agent or display, if it can be. */
void session_forward_agent(struct session_connection *c);
void session_forward_display(struct session_connection *c, const struct ssh_event_request *request);
void session_forward_end_display(struct session_connection *c, uint32_t channel);
/* display.c: before a program is started. */
void session_display_authorize(struct session_connection *c, struct session_channel *ch);
struct span
session_forward_agent_path(const struct session_connection *c); /* empty: there is none */
/* direct-tcpip, direct-streamlocal: answered. */
void session_forward_dial(struct session_connection *c, const struct ssh_event_forward *forward);
/* Guests that have connected are told to the client. True when there was one. */
bool session_forward_pump(struct session_connection *c);
void session_forward_fini(struct session_connection *c);

/* ssh_service.c: one from within the machine of `outer`; NULL: out of memory. And all that can be done with
 * it now; whether there was any. */
struct session_connection *session_new_within(struct session_connection *outer, int line,
                                              const struct session_peer *peer);
bool session_work(struct session_connection *c, int64_t now_us);
void session_rest(struct session_connection *c);

/* inner.c: programs of the machine that speak with its SSH server are answered. True when something moved. */
bool session_inner_pump(struct session_connection *c);
void session_inner_tick(struct session_connection *c);
int64_t session_inner_deadline_us(const struct session_connection *c); /* INT64_MAX: none */
void session_inner_rest(struct session_connection *c);
/* A program has ended. False: it is not of any of them. */
bool session_inner_done(struct session_connection *c, int program, int status);
/* The outer connection is gone: so are they. */
void session_inner_fini(struct session_connection *c);
/* A password or a public key that one of them is given: what the machine's own files say of it. */
enum session_visitor_check session_inner_check(struct session_connection *in, struct span name,
                                               struct span user, struct span password);
bool session_inner_check_key(struct session_connection *in, struct span name, struct span blob);
/* Somebody has logged in, or was refused: the machine's logs tell. */
void session_inner_log_in(struct session_connection *in);
void session_inner_refuse(struct session_connection *in, struct span name);

/* seen.c */
void session_seen(struct session_connection *c, const struct kernel_event *event);
/* Bait that no program of the machine has touched. */
void session_tell_bait(struct session_connection *c, const char *type_z, struct span name);
/* A written file; `shasum` is NULL when its contents are not kept. */
void session_tell_file(struct session_connection *c, const struct kernel_event *k,
                       const uint8_t *shasum);

/* written.c: a file was written; a short one is recorded at once, else c->file is busy and each call
 * of session_file_go_on does a piece. No kernel_next as long as it is busy. */
void session_file_start(struct session_connection *c, const struct kernel_event *seen);
void session_file_go_on(struct session_connection *c);
void session_file_give_up(struct session_connection *c); /* told without its contents, if busy */

#endif
