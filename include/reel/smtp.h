/* SMTP client: hands a message to a relay (RFC 5321; STARTTLS RFC 3207, AUTH RFC 4954, SIZE RFC 1870,
 * 8BITMIME RFC 6152, PIPELINING RFC 2920). For alerts: one connection a message.
 *
 * A message is handed over with its recipients; the deferred says what became of it. Temporary
 * failures are worth another attempt later, permanent ones are not: nothing is tried again here.
 */
#ifndef REEL_SMTP_H
#define REEL_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_deferred;
struct reel_dialer;
struct reel_reactor;
struct reel_tls_context;

#define REEL_SMTP_RECIPIENTS_MAX 100                /* RFC 5321, 4.5.3.1.8 */
#define REEL_SMTP_MESSAGE_MAX    ((size_t)32 << 20) /* bytes */
#define REEL_SMTP_TEXT_MAX       512                /* bytes kept of a reply's text */
#define REEL_SMTP_SECRET_MAX     255                /* bytes of a user's name or password */
#define REEL_SMTP_TOTAL_NS       (INT64_C(1800) * 1000000000)

/* When the connection is encrypted. */
enum reel_smtp_security {
    REEL_SMTP_STARTTLS,    /* by STARTTLS, and nothing is said without: the default */
    REEL_SMTP_TLS,         /* from the first byte (port 465) */
    REEL_SMTP_CLEAR,       /* not at all: for a relay on this machine */
    REEL_SMTP_OPPORTUNIST, /* by STARTTLS where it is offered; anybody on the way can prevent it */
};

/* How to reach the relay. Copied where it says nothing else. Zero fields take the defaults. */
struct reel_smtp_relay {
    const char *host_z;  /* an address; a name with a dialer that knows names */
    uint16_t port;       /* 0: 465 for REEL_SMTP_TLS, else 587 */
    const char *hello_z; /* our name in EHLO; NULL: the address literal of our end */
    const char *user_z;  /* NULL: no authentication */
    const char *password_z;
    enum reel_smtp_security security;
    bool clear_password; /* authenticate on a connection that is not encrypted too */
    struct reel_tls_context
        *tls;               /* whom to trust; needed unless REEL_SMTP_CLEAR. Its count grows */
    const char *tls_name_z; /* the name in the server's certificate; NULL: host_z */
    const struct reel_dialer *dialer; /* NULL: by name or address; outlives the transfer */
    int64_t total_ns; /* the whole transfer; 0: REEL_SMTP_TOTAL_NS. Each step has the time-out of
                            * RFC 5321, 4.5.3.2 besides. */
};

/* What is to be sent: copied. The message is what DATA is to carry: headers, an empty line, text
 * (reel_mail_write makes one). Line ends may be LF or CRLF. */
struct reel_smtp_message {
    const char *from_z; /* the envelope's sender; "" is the null sender of bounces */
    const char *const *to_z;
    size_t to_count;
    const void *data;
    size_t len;
};

/* A server's answer: data of a stranger. Printable ASCII and LF, cut to its maximum. */
struct reel_smtp_reply {
    int code; /* 250 ...; 0: there was none */
    const char *text_z;
};

enum reel_smtp_outcome {
    REEL_SMTP_SENT,      /* the relay has taken it for every recipient */
    REEL_SMTP_PARTLY,    /* ... for some: see the recipients */
    REEL_SMTP_TEMPORARY, /* for none; later it may go better */
    REEL_SMTP_PERMANENT, /* for none; the same again will fail again */
};

struct reel_smtp_recipient {
    const char *address_z;
    enum reel_smtp_outcome outcome; /* never PARTLY */
    struct reel_smtp_reply reply;   /* to its RCPT; SENT is decided by the end of DATA too */
};

struct reel_smtp_result {
    enum reel_smtp_outcome outcome;
    int error;         /* 0: the relay said it (`reply`); else -errno, see reel_smtp_send */
    const char *why_z; /* with an error: a sentence */
    const char
        *step_z; /* where it ended: "connect", "greeting", "EHLO", "STARTTLS", "AUTH", "MAIL",
                         * "RCPT", "DATA", "message" */
    struct reel_smtp_reply reply; /* the last one */
    const struct reel_smtp_recipient *recipients;
    size_t recipient_count;
    bool encrypted;
};

/* Begins a transfer. The value is a struct reel_smtp_result (and its outcome as the number), whether
 * the relay took the message or not. NULL: out of memory. It fails when there was nothing to ask
 * a relay:
 *   -EINVAL    an address, a name, a secret or the message is not fit to be sent: a CR, LF or NUL where it
 *              must not be, a lone CR in the message, a line above REEL_MAIL_LINE_MAX; or no `tls`
 *   -EMSGSIZE  above REEL_SMTP_MESSAGE_MAX
 *   -E2BIG     no recipient, or above REEL_SMTP_RECIPIENTS_MAX
 *   -EACCES    a password, and neither encryption nor `clear_password`
 *   or what the dialer says.
 * Cancelled, the connection is aborted; the relay may have the message all the same.
 *
 * Errors in the result: what the connection says (-ECONNREFUSED, -ECONNRESET, -EPIPE: it ended early);
 * -ETIMEDOUT; -EPROTO (the server does not speak SMTP, or spoke on after STARTTLS in clear);
 * -EACCES (it offers no encryption, or no way to authenticate that may be used here); -EMSGSIZE (it
 * announced a smaller maximum); -EILSEQ (the message has 8-bit bytes, which it does not take);
 * -ECANCELED (the reactor is being freed); of TLS what reel/tls.h says. */
struct reel_deferred *reel_smtp_send(struct reel_reactor *r, const struct reel_smtp_relay *relay,
                                     const struct reel_smtp_message *message);

/* "sent", "sent to some", "failed for now", "failed". Static storage. */
const char *reel_smtp_outcome_text(enum reel_smtp_outcome outcome);

#ifdef __cplusplus
}
#endif

#endif
