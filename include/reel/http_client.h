/* HTTP/1.1 client (RFC 9110, RFC 9112): Twisted's Agent. A client has settings and a pool of connections,
 * kept open by origin (scheme, host, port).
 *
 *     struct reel_http_client *client = NULL;
 *     reel_http_client_new(r, NULL, &client);
 *     const struct reel_http_ask ask = {.url_z = "http://127.0.0.1:8080/"};
 *     reel_deferred_done(reel_http_fetch(client, &ask), on_answer, NULL);
 *
 * The deferred's value is a struct reel_http_response; any status is one. It fails when there is no
 * whole answer: with what the connection says; -ETIMEDOUT; -EPROTO (it is not HTTP, or cut short);
 * -EMSGSIZE (larger than allowed, or a bomb); -ELOOP (too many redirects); -EINVAL (the URL, a field,
 * or where a redirect points); -ENOBUFS (too many wait); of TLS what reel/tls.h says. Cancelled, its
 * connection is aborted. NULL: out of memory.
 *
 * The name in a certificate is verified with the context given; without one https is refused. */
#ifndef REEL_HTTP_CLIENT_H
#define REEL_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_deferred;
struct reel_dialer;
struct reel_http_client;
struct reel_http_exchange;
struct reel_reactor;
struct reel_tls_context;

/* Zero fields take the defaults; of times and of redirects, negative is "none". All of it is copied,
 * but the dialer, which outlives the client. */
struct reel_http_client_options {
    const struct reel_dialer *dialer; /* NULL: by name or address */
    struct reel_tls_context *tls;     /* whom to trust; NULL: no https. Its count grows */
    const char *proxy_z;    /* "http://host:port": everything by CONNECT; NULL: no proxy */
    const char *agent_z;    /* the User-Agent; NULL: none */
    size_t connections_max; /* at a time ... */
    size_t origin_max;      /* ... and to one origin; what is more waits */
    size_t waiting_max;     /* -ENOBUFS above */
    size_t response_max;    /* bytes of a collected body, unpacked */
    int redirects_max;
    int64_t idle_ns;    /* how long an idle connection is kept */
    int64_t connect_ns; /* to connect, and for TLS */
    int64_t silence_ns; /* between two pieces of the answer, and before the first */
    int64_t total_ns;   /* all in all, redirects too */
    bool no_gzip;       /* do not ask for packed answers */
};

/* The defaults of the fields of the same names. */
#define REEL_HTTP_CLIENT_CONNECTIONS_MAX 256
#define REEL_HTTP_CLIENT_ORIGIN_MAX      6
#define REEL_HTTP_CLIENT_WAITING_MAX     1000
#define REEL_HTTP_CLIENT_RESPONSE_MAX    ((size_t)16 << 20)
#define REEL_HTTP_CLIENT_REDIRECTS_MAX   10
#define REEL_HTTP_CLIENT_IDLE_NS         (INT64_C(30) * 1000000000)
#define REEL_HTTP_CLIENT_CONNECT_NS      (INT64_C(30) * 1000000000)
#define REEL_HTTP_CLIENT_SILENCE_NS      (INT64_C(60) * 1000000000)
#define REEL_HTTP_CLIENT_TOTAL_NS        (INT64_C(600) * 1000000000)

/* `options` may be NULL. 0, -EINVAL (the proxy) or -ENOMEM. */
int reel_http_client_new(struct reel_reactor *r, const struct reel_http_client_options *options,
                         struct reel_http_client **out);

/* Ends all that is under way: it hears -ECANCELED. The memory goes with the last connection. Before
 * the reactor is freed. NULL is fine. */
void reel_http_client_free(struct reel_http_client *client);

/* Live connections, and those of them that are idle. */
size_t reel_http_client_connections(const struct reel_http_client *client, size_t *idle);

struct reel_http_client_field {
    const char *name_z, *value_z; /* a list ends with a NULL name */
};

struct reel_http_response {
    int status;
    const char *url_z; /* where it came from: after redirects another than was asked for */
    const struct reel_http_client_field *fields; /* as they were sent; ended by a NULL name */
    const uint8_t *body; /* collected and unpacked; NULL: empty, or it was streamed */
    size_t len;
};

/* The first field of this name (any case); NULL: none. */
const char *reel_http_response_get(const struct reel_http_response *response, const char *name_z);

/* The answer in pieces instead of collected. From the loop. */
struct reel_http_sink {
    /* The head; its body is empty. May be NULL. */
    void (*head)(struct reel_http_exchange *x, const struct reel_http_response *response);
    /* A piece, unpacked. How many bytes were taken; fewer: no more come until reel_http_go_on. */
    size_t (*data)(struct reel_http_exchange *x, const uint8_t *data, size_t len);
};

/* A request; used up within the call where it says nothing else. */
struct reel_http_ask {
    const char *method_z;                        /* NULL: GET */
    const char *url_z;                           /* http or https; no user in it */
    const struct reel_http_client_field *fields; /* NULL: none */
    const void *body;                            /* copied; NULL: none */
    size_t len;

    /* A body that is made as it goes out, in place of `body`: up to `size` bytes; 0: that was all;
     * -EAGAIN: later, after reel_http_go_on; another -errno ends the request with it. */
    ssize_t (*read)(void *context, struct reel_http_exchange *x, uint8_t *data, size_t size);
    int64_t read_len; /* its length; -1: not known, it goes out in chunks */

    const struct reel_http_sink *sink; /* stays; NULL: the body is collected */
    void *context;                     /* for `read` and the sink */
};

/* Asks. The value and the errors are those said at the top; NULL: out of memory. */
struct reel_deferred *reel_http_fetch(struct reel_http_client *client,
                                      const struct reel_http_ask *ask);

/* The sink wants more, or `read` has more. `x` is good from its first callback until the deferred
 * fires. */
void reel_http_go_on(struct reel_http_exchange *x);
void *reel_http_exchange_context(const struct reel_http_exchange *x);

#ifdef __cplusplus
}
#endif

#endif
