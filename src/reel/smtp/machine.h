/* The SMTP client as a machine (RFC 5321): it sees the server's bytes and says what to send. Pure.
 * Four doors: feed, next, out, sent; and secured, when the TLS that it asked for is there. */
#ifndef REEL_SMTP_MACHINE_H
#define REEL_SMTP_MACHINE_H

#include <reel/smtp.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SMTP_LINE_MAX = 1024,  /* bytes of a reply's line; RFC 5321 says 512 */
    SMTP_LINES_MAX = 128,  /* of one reply */
    SMTP_OUT_BYTES = 4096, /* prepared at a time */
    SMTP_HELLO_MAX = 255,  /* bytes of our own name */
    SMTP_IGNORED_MAX =
        256, /* replies still to come after a refusal, when commands were pipelined */
};

/* What is to be done; all borrowed as long as the machine lives. */
struct smtp_job {
    const char *hello_z;
    const char *user_z; /* NULL: no authentication */
    const char *password_z;
    const char *from_z;
    const char *const *to_z;
    size_t to_count;
    const uint8_t *data; /* fit by reel_smtp_check */
    size_t len;
    size_t wire_len; /* with CRLF line ends, without the dots */
    bool has_8bit;
    enum reel_smtp_security security;
    bool clear_password;
};

/* Looks at everything that goes to the server, and fills in `wire_len` and `has_8bit`. 0, -EINVAL,
 * -EMSGSIZE, -E2BIG or -EACCES as in reel_smtp_send. */
int reel_smtp_check(struct smtp_job *job);

enum smtp_step {
    SMTP_STEP_CONNECT,
    SMTP_STEP_GREETING,
    SMTP_STEP_EHLO,
    SMTP_STEP_HELO,
    SMTP_STEP_STARTTLS,
    SMTP_STEP_TLS, /* waits for reel_smtp_secured; a byte in clear is an attack */
    SMTP_STEP_AUTH_PLAIN,
    SMTP_STEP_AUTH_LOGIN,
    SMTP_STEP_AUTH_USER,
    SMTP_STEP_AUTH_PASSWORD,
    SMTP_STEP_MAIL,
    SMTP_STEP_RCPT,
    SMTP_STEP_DATA,
    SMTP_STEP_BODY,
    SMTP_STEP_QUIT, /* the result is told */
    SMTP_STEP_OVER,
};

enum smtp_event_kind {
    SMTP_EVENT_START_TLS, /* encrypt the connection, then reel_smtp_secured */
    SMTP_EVENT_RECIPIENT, /* `index` has its reply */
    SMTP_EVENT_END,       /* the outcome is known: reel_smtp_ending */
    SMTP_EVENT_OVER,      /* nothing more to say: close */
};

struct smtp_event {
    enum smtp_event_kind kind;
    size_t index;
    struct reel_smtp_reply reply; /* borrowed until the next feed */
};

struct smtp_ending {
    enum reel_smtp_outcome outcome;
    int error;
    enum smtp_step step;
    struct reel_smtp_reply reply;
};

/* In the caller's memory; the fields are the machine's. */
struct smtp_machine {
    const struct smtp_job *job;
    enum smtp_step step;
    bool said; /* the step's command is in `out`: a reply may come */
    bool secure;
    bool in_reply; /* some lines of a reply are there */
    bool ended;
    unsigned events; /* a bit for each kind that waits */

    /* The server's extensions, from EHLO. */
    bool has_starttls, has_plain, has_login, has_size, has_8bitmime, has_pipelining;
    uint64_t size_max; /* 0: not said */

    size_t recipients_said, recipients_answered, recipients_accepted;
    bool some_temporary; /* at least one recipient refused for now */
    size_t body_at;
    bool in_line; /* the body's last byte was not a line's end */
    bool dotted;  /* the end of the body is in `out` */
    unsigned ignored;

    struct smtp_ending ending;
    char ending_text[REEL_SMTP_TEXT_MAX];

    int code; /* of the reply being read */
    unsigned lines;
    size_t text_len;
    char text[REEL_SMTP_TEXT_MAX];
    size_t line_len;
    char line[SMTP_LINE_MAX];

    size_t out_start, out_end;
    uint8_t out[SMTP_OUT_BYTES];
};

/* For a connection that was just made; `secure`: it is encrypted already. */
void reel_smtp_init(struct smtp_machine *m, const struct smtp_job *job, bool secure);
/* Overwrites what may be a secret. */
void reel_smtp_fini(struct smtp_machine *m);

/* Bytes from the server. How many were taken: fewer than `len` when there is an event to be taken first,
 * or when all is over. */
size_t reel_smtp_feed(struct smtp_machine *m, const uint8_t *data, size_t len);

/* The next event; false: none. */
bool reel_smtp_next(struct smtp_machine *m, struct smtp_event *event);

/* Bytes for the server, borrowed until the next call; *len 0: none now. */
const uint8_t *reel_smtp_out(struct smtp_machine *m, size_t *len);
void reel_smtp_sent(struct smtp_machine *m, size_t len);

/* The connection is encrypted now. */
void reel_smtp_secured(struct smtp_machine *m);

/* The world ends it: the connection is gone, a time-out. Gives SMTP_EVENT_END if it has not come. */
void reel_smtp_broken(struct smtp_machine *m, int error);

/* After SMTP_EVENT_END. */
const struct smtp_ending *reel_smtp_ending(const struct smtp_machine *m);

/* How long the step may take without a byte going or coming (RFC 5321, 4.5.3.2). */
int64_t reel_smtp_timeout_ns(const struct smtp_machine *m);

/* "MAIL", "RCPT" ... */
const char *reel_smtp_step_name(enum smtp_step step);

#endif
