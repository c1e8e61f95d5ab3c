/* HTTP/1.1: the server (RFC 9110, RFC 9112). Twisted's Site and Request.
 *
 *     static void hello(struct reel_http_request *q, void *context)
 *     {
 *         reel_http_answer_text(q, 200, "hello\n");
 *     }
 *
 *     static const struct reel_http_route routes[] = {{REEL_HTTP_ROUTE("GET", "/", hello)}, {0}};
 *
 *     reel_http_site_new(reactor, routes, NULL, &site);
 *     reel_listen(reactor, "tcp:8080", reel_http_factory(site), NULL);
 *
 * A site is a table of routes and the limits of all its connections; it has a factory, so it works
 * on every transport, with every filter (TLS), and in tests. A request is given to the first route
 * that fits. Its handler answers at once, or keeps the request and answers later.
 *
 * A request lives from its handler's call to the end of its answer: the return of the handler if it
 * answered, else the call that ends the answer (reel_http_answer, reel_http_end, ...). After that
 * the pointer is dead. If the client goes away first, `gone` is called instead, once, and the
 * pointer is dead when it returns. Nothing here calls back from inside a call.
 *
 * Pipelined requests are handled side by side; their answers leave in the order of the requests, all
 * that are ready in a turn by one system call. */
#ifndef REEL_HTTP_H
#define REEL_HTTP_H

#include <reel/address.h>
#include <reel/protocol.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_filter_use;
struct reel_http_request;
struct reel_http_site;
struct reel_reactor;
struct reel_transport;

/* Borrowed text without a NUL. `data` NULL: there is none. */
struct reel_http_text {
    const char *data;
    size_t len;
};

/* ---- Sites. ---- */

typedef void (*reel_http_handler)(struct reel_http_request *q, void *context);

/* A row of the table; the last row's `path_z` is NULL. The table is the caller's and stays. */
struct reel_http_route {
    /* "GET" (HEAD too), "POST" ...; NULL: all. What fits no row's method is answered 405 with Allow;
     * OPTIONS likewise 204, unless a row names it. */
    const char *method_z;
    /* "/news" is this path. "/users/:id/posts": a segment that begins with a colon fits any one,
     * not empty (reel_http_param). A star at the end: everything below, and the
     * folder itself (reel_http_rest). */
    const char *path_z;
    reel_http_handler handle;
    void *context;
    uint64_t body_max; /* bytes of a request's body; 0: the site's */
};

/* The first fields of a row: {REEL_HTTP_ROUTE("GET", "/", hello), .context = x}. */
#define REEL_HTTP_ROUTE(method, path, handler) .method_z = method, .path_z = path, .handle = handler

#define REEL_HTTP_PARAMS_MAX 8 /* segments with a colon in a path */

/* One line of an access log. Borrowed for the call. */
struct reel_http_entry {
    const struct reel_http_request *request; /* its method, target, fields and peer may be asked */
    int status;                              /* 0: there was no answer */
    uint64_t bytes;                          /* of the answer's body, before chunking */
    int64_t duration_ns; /* from the request's head to the answer's last byte given to the queue */
    bool complete;       /* false: the client went away, or the handler gave up */
};

/* Zero fields take the defaults named below; of times, negative is "none". */
struct reel_http_options {
    const char *server_z; /* the Server field; NULL: none is sent */

    /* The parts of a request. */
    uint32_t line_max;       /* bytes of the request line: 414 */
    uint32_t field_max;      /* bytes of one field: 431 */
    uint32_t head_max;       /* bytes of the whole head: 431 */
    uint32_t fields_max;     /* fields: 431 */
    uint32_t trailers_max;   /* bytes: 431 */
    uint32_t extensions_max; /* bytes of all chunk extensions: 413 */
    uint64_t body_max;       /* bytes of a body: 413 */
    uint32_t
        drain_max; /* bytes of a body that nobody wants which are read all the same, to keep the
                         * connection; beyond that it is closed */

    /* The connections. */
    uint32_t connections_max; /* at a time; more are closed at once */
    uint32_t requests_max;    /* on one connection; the last one is answered with close */
    uint32_t pipeline_max;    /* under way on one connection; then it is not read */
    uint32_t ahead_max; /* bytes of answers that wait for their turn; above, no request is read */

    /* Slow clients. */
    int64_t head_ns; /* for a head, from its first byte (of the first one, from the connection):
                         * 408 */
    int64_t body_ns; /* each such span must bring at least body_rate bytes a second: 408 */
    uint32_t body_rate;
    int64_t idle_ns; /* between requests */
    int64_t send_ns; /* in each such span some of the waiting answer must leave */

    /* What all connections have. Its idle_ns is not used here. */
    struct reel_options transport;
    const struct reel_filter_use *filters; /* as in struct reel_factory: TLS */

    void (*log)(void *context, const struct reel_http_entry *entry); /* a request is over */
    void *log_context;
};

/* The defaults of the fields of the same names. */
#define REEL_HTTP_LINE_MAX        8192
#define REEL_HTTP_FIELD_MAX       8192
#define REEL_HTTP_HEAD_MAX        32768
#define REEL_HTTP_FIELDS_MAX      100
#define REEL_HTTP_TRAILERS_MAX    8192
#define REEL_HTTP_EXTENSIONS_MAX  4096
#define REEL_HTTP_BODY_MAX        (UINT64_C(1) << 20)
#define REEL_HTTP_DRAIN_MAX       (256u << 10)
#define REEL_HTTP_CONNECTIONS_MAX 65536
#define REEL_HTTP_REQUESTS_MAX    100000
#define REEL_HTTP_PIPELINE_MAX    64
#define REEL_HTTP_AHEAD_MAX       (64u << 10)
#define REEL_HTTP_HEAD_NS         (INT64_C(20) * 1000000000)
#define REEL_HTTP_BODY_NS         (INT64_C(20) * 1000000000)
#define REEL_HTTP_BODY_RATE       100
#define REEL_HTTP_IDLE_NS         (INT64_C(60) * 1000000000)
#define REEL_HTTP_SEND_NS         (INT64_C(60) * 1000000000)

/* `options` may be NULL; it and the routes stay the caller's, the routes as long as the site. 0;
 * -ENOMEM; -EINVAL: a path that does not begin with a slash, or has too many parameters. */
int reel_http_site_new(struct reel_reactor *r, const struct reel_http_route *routes,
                       const struct reel_http_options *options, struct reel_http_site **out);

/* Close its listeners first. Its connections are aborted, and their requests hear `gone`; the
 * memory goes with the last of them. Connections that were upgraded live on, and the memory then
 * stays as long as the reactor. Also after the reactor. Not from a handler. NULL is fine. */
void reel_http_site_free(struct reel_http_site *site);

/* For reel_listen, reel_stream_adopt, reel_test_peer_new ... */
const struct reel_factory *reel_http_factory(const struct reel_http_site *site);

/* Live connections. */
size_t reel_http_connections(const struct reel_http_site *site);

/* ---- Reading a request. Texts are borrowed, as long as the request. ---- */

/* The method as it was sent, and whether it is this one (upper and lower case differ). */
struct reel_http_text reel_http_method(const struct reel_http_request *q);
bool reel_http_is(const struct reel_http_request *q, const char *method_z);
/* As it was sent, whatever its form. */
struct reel_http_text reel_http_target(const struct reel_http_request *q);
/* The path with its %XX decoded. A target with a NUL, a slash or a segment of dots hidden in it is
 * answered 400 before any handler. */
struct reel_http_text reel_http_path(const struct reel_http_request *q);
/* What stands behind the question mark, as it was sent. */
struct reel_http_text reel_http_query(const struct reel_http_request *q);
/* The part of the path that stands for :name, and what stands for the star. */
struct reel_http_text reel_http_param(const struct reel_http_request *q, const char *name_z);
struct reel_http_text reel_http_rest(const struct reel_http_request *q);
/* Host, or the host of an absolute target. */
struct reel_http_text reel_http_host(const struct reel_http_request *q);
/* 0 for HTTP/1.0, 1 for HTTP/1.1. */
int reel_http_minor(const struct reel_http_request *q);

/* The first field of this name (any case). */
struct reel_http_text reel_http_get(const struct reel_http_request *q, const char *name_z);
/* The fields one by one, from 0. False: there are not so many. */
bool reel_http_field(const struct reel_http_request *q, size_t i, struct reel_http_text *name,
                     struct reel_http_text *value);
/* Of the query: the first value of this name, decoded (+ is a space), with a NUL. Its length, or
 * -ENOENT, -ENOBUFS (it does not fit), -EILSEQ (it cannot be decoded, or has a NUL in it). */
ptrdiff_t reel_http_query_get(const struct reel_http_request *q, const char *name_z, char *out_z,
                              size_t size);

/* The same in a form's body (application/x-www-form-urlencoded). */
ptrdiff_t reel_http_form_get(const void *form, size_t len, const char *name_z, char *out_z,
                             size_t size);

/* The connection: for its peer, its filters. Not for reading, writing or closing. */
struct reel_transport *reel_http_transport(const struct reel_http_request *q);
struct reel_reactor *reel_http_reactor(const struct reel_http_request *q);

/* ---- A request's body, and what else may happen to it. ---- */

/* Bytes of the body as announced: 0 for none, -1 for an unknown number (chunked). */
int64_t reel_http_length(const struct reel_http_request *q);

/* Any may be NULL. They come from the loop, never from inside a call. */
struct reel_http_calls {
    /* A piece of the body. How many bytes were taken; fewer: no more come until reel_http_resume.
     * NULL: the body is dropped. */
    size_t (*body)(struct reel_http_request *q, const uint8_t *data, size_t len);
    /* All of it was there; trailers can be read with reel_http_trailer. Also without a body. */
    void (*body_end)(struct reel_http_request *q);
    /* After a reel_http_write or the like was refused, or reel_http_room was found wanting: there is
     * room again. */
    void (*drained)(struct reel_http_request *q);
    /* The client is gone, or was too slow, before the answer was ended. Last call. */
    void (*gone)(struct reel_http_request *q, int reason);
};

/* In the handler, which then may return without an answer, or later: what was set before counts no
 * more. `calls` is the caller's and stays; NULL: none from here on, the answer may come later still. A
 * client that waits for 100 (Continue) is told when the handler returned with `body` set. */
void reel_http_on(struct reel_http_request *q, const struct reel_http_calls *calls, void *context);
/* The pointer given there. */
void *reel_http_context(const struct reel_http_request *q);

/* In the handler: collects the body, at most `max` bytes (413 else; 0: the route's maximum), and then
 * calls `done` with all of it, borrowed for the call. Uses `body` and `body_end`: with reel_http_on
 * before it only `drained` and `gone` are left. If the client goes away first, `done` is not called.
 * 0 or -ENOMEM. */
int reel_http_collect(struct reel_http_request *q, size_t max,
                      void (*done)(struct reel_http_request *q, const uint8_t *body, size_t len));

/* No more of the body for now; and on. The client feels it. */
void reel_http_pause(struct reel_http_request *q);
void reel_http_resume(struct reel_http_request *q);

/* In `body_end`: the first trailer of this name. */
struct reel_http_text reel_http_trailer(const struct reel_http_request *q, const char *name_z);

/* ---- The answer. ---- */

/* A field of the answer, before it begins. 0; -EINVAL: not a field's name or value (line ends would
 * split the answer); -ENOBUFS: more than REEL_HTTP_ANSWER_FIELDS_MAX bytes; -ENOMEM; -EBUSY: begun.
 * Content-Length, Transfer-Encoding, Connection and Date are the server's: -EINVAL. */
int reel_http_set(struct reel_http_request *q, const char *name_z, const char *value_z);

#define REEL_HTTP_ANSWER_FIELDS_MAX 16384

/* The whole answer, and its end. `type_z` NULL: no Content-Type. The body is copied; to HEAD it is
 * left out. 0; or nothing was taken: -ENOBUFS (there is no room for so much: see
 * reel_http_room, or stream it), -EBUSY (begun), -EPIPE (the client is gone, `gone` will come or
 * came), -EINVAL (no status, or a type that is too long or has a line's end in it), -ENOMEM. */
int reel_http_answer(struct reel_http_request *q, int status, const char *type_z, const void *body,
                     size_t len);
/* text/plain; charset=utf-8 */
int reel_http_answer_text(struct reel_http_request *q, int status, const char *text_z);
/* The status and its name as plain text. For 401, 405 and others set the fields they need before. */
int reel_http_error(struct reel_http_request *q, int status);
/* 301, 302, 303, 307 or 308, with Location. */
int reel_http_redirect(struct reel_http_request *q, int status, const char *location_z);

/* An answer in pieces: begin, write, end. `length` -1: not known; it is sent in chunks, or to an
 * HTTP/1.0 client up to the end of the connection. As reel_http_answer. */
int reel_http_begin(struct reel_http_request *q, int status, const char *type_z, int64_t length);
/* A piece, all or nothing. 0; -ENOBUFS: no room now, `drained` will come; -EPIPE, -ENOMEM; -EMSGSIZE:
 * more than the length. */
int reel_http_write(struct reel_http_request *q, const void *data, size_t len);
/* How many bytes a write takes now. 0: `drained` will come. */
size_t reel_http_room(struct reel_http_request *q);
/* The end of the answer. Fewer bytes than the length: the connection is aborted, for the client must
 * not take them for all. 0, -EPIPE or -ENOMEM (then the connection is aborted). */
int reel_http_end(struct reel_http_request *q);
/* Gives up: the connection is aborted. The client sees that the answer is cut short. */
void reel_http_abort(struct reel_http_request *q);

/* The name of a status: "Not Found"; "Unknown" for what has none. Static storage. */
const char *reel_http_status_text(int status);

/* ---- Upgrades. ---- */

/* Hands the connection to another protocol: answers 101 with `Upgrade: name_z` and the fields set
 * before (for CONNECT, with `name_z` NULL: 200), and reel_set_protocol. From then on the transport is
 * the new protocol's: it has no `made`; its `data` gets all that came behind the request, from a
 * later turn on or, in the handler, when that returns; its `lost` is the end. reel_state(*out) is
 * REEL_HTTP_UPGRADE_STATE zeroed bytes, to be filled in now; reel_shared stays the site.
 *
 * For a request without a body that is the only one under way and is the oldest: that holds for any
 * client that means it. 0; -EINVAL: it did not ask for this (Connection: upgrade, and `name_z` in
 * Upgrade), or the protocol's state is too large; -EBUSY: begun, not alone, or it has a body; -EPIPE;
 * -ENOMEM, -ENOBUFS. Then the request is still to be answered (426, 400). */
int reel_http_upgrade(struct reel_http_request *q, const char *name_z,
                      const struct reel_protocol *protocol, struct reel_transport **out);

#define REEL_HTTP_UPGRADE_STATE 256

/* ---- Server-sent events (the HTML standard, section 9.2). ---- */

enum reel_http_slow {
    REEL_HTTP_SLOW_SKIP,  /* a client that does not keep up misses events, whole */
    REEL_HTTP_SLOW_ABORT, /* it is disconnected, and comes again with Last-Event-ID */
};

/* Zero fields take the defaults. */
struct reel_http_events_options {
    int64_t keep_alive_ns; /* a comment after so long without an event; negative: none */
    size_t queue_max;      /* bytes that may wait for a slow client */
    enum reel_http_slow slow;
    int64_t retry_ns; /* how soon the client shall come again; 0: it decides */
};

/* The defaults of the fields of the same names. */
#define REEL_HTTP_EVENTS_KEEP_ALIVE_NS (INT64_C(15) * 1000000000)
#define REEL_HTTP_EVENTS_QUEUE_MAX     ((size_t)64 << 10)

struct reel_http_event {
    const char *id_z;   /* NULL: none. Without line ends, as the name */
    const char *name_z; /* NULL: "message" */
    const char *data;   /* may have several lines; NULL: none */
    size_t len;
};

/* Begins a stream of events; `options` may be NULL. The request lives until reel_http_end,
 * reel_http_abort or `gone`. As reel_http_begin. */
int reel_http_events(struct reel_http_request *q, const struct reel_http_events_options *options);

/* Sends one. 0; 1: the client is slow and misses it; -EPIPE: it is gone or disconnected (`gone`
 * comes); -EINVAL: a line end in the id or the name; -ENOMEM. */
int reel_http_send_event(struct reel_http_request *q, const struct reel_http_event *event);

/* ---- Access logs. ---- */

/* The line of the Combined Log Format, without its line end; what is not printable is escaped. Cut
 * to `size`. Returns its length. */
size_t reel_http_log_line(const struct reel_http_entry *entry, char *out_z, size_t size);

#ifdef __cplusplus
}
#endif

#endif
