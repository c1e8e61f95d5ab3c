/* TLS from the inside: contexts (context.c), the filter (filter.c), its sentences (error.c), the
 * client's sessions (session.c), names of servers (name.c). */
#ifndef REEL_TLS_TLS_H
#define REEL_TLS_TLS_H

#include <reel/filter.h>
#include <reel/tls.h>

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    TLS_ID_BYTES = 16,
    TLS_SESSIONS_MAX = 256, /* kept by a context for its clients; the oldest goes */
    TLS_NAME_MAX = 255,
    TLS_RECORD_BYTES = 16384, /* RFC 8446 section 5.1 */
};

struct tls_session {
    struct tls_session *next; /* newer */
    SSL_SESSION *session;
    char name_z[TLS_NAME_MAX + 1];
};

struct reel_tls_context {
    atomic_uint owners;
    pthread_mutex_t lock; /* of what a reload changes, and of the sessions */
    SSL_CTX *ctx;
    struct reel_tls_options options; /* the texts are ours */
    struct reel_tls_name *names;
    BIO_METHOD *bio_method;
    uint8_t *alpn; /* as it goes over the wire */
    size_t alpn_len;
    uint8_t id[TLS_ID_BYTES]; /* a session of one context is not another's */
    int key_log_fd;           /* -1: none */
    bool has_system_ca;       /* in `ctx` */
    struct tls_session *oldest, **newest;
    size_t session_count;
};

struct tls_filter {
    struct reel_filter filter;
    SSL *ssl;
    struct reel_tls_context *context;
    struct reel_tls_context *named; /* by the name that the client asked for; NULL: `context` */
    char *name_z;                   /* client: the host */
    char *text_z;                   /* why it failed */
    int io_error;                   /* what the filter below said last, -errno */
    int failed;                     /* -errno: it stays so */
    bool started, done;
    bool is_server;
    bool below_ended;
};

/* A sentence into `why` (may be NULL). Returns err. */
int reel_tls_say(struct reel_tls_error *why, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What OpenSSL's queue of errors says, as a sentence; empties it. */
void reel_tls_describe(const SSL *ssl, char *text_z, size_t size);

/* An SSL of this context, with the context as its owner. NULL: out of memory. */
SSL *reel_tls_ssl_new(struct reel_tls_context *context, bool is_server);

/* How OpenSSL reaches the filter below. NULL: out of memory. */
BIO_METHOD *reel_tls_bio_new(void);

/* What a server asks of its clients. False: it should ask and has no authorities. */
bool reel_tls_verify_clients(SSL *ssl, const struct reel_tls_context *context);

/* Whether this is a name (or pattern) that the table may have; into lower case. False: too long. */
bool reel_tls_lower(const char *name_z, size_t len, char out_z[TLS_NAME_MAX + 1]);

/* For SSL_CTX_set_client_hello_cb: another context by the name asked for. `context` is the one that
 * the connection began with. */
int reel_tls_on_hello(SSL *ssl, int *alert, void *context);

/* The client's sessions, by name. Put takes the reference. */
int reel_tls_on_session(SSL *ssl, SSL_SESSION *session);
void reel_tls_session_use(struct tls_filter *tls);
void reel_tls_sessions_clear(struct reel_tls_context *context);

#endif
