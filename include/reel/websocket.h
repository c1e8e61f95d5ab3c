/* WebSockets (RFC 6455), on wslay: on the HTTP server, and as a client. No extensions.
 *
 *     static void said(struct reel_websocket *ws, enum reel_websocket_kind kind, const uint8_t *data,
 *                      size_t len)
 *     {
 *         reel_websocket_send(ws, kind, data, len);
 *     }
 *
 *     static const struct reel_websocket_handler echo = {.message = said};
 *
 *     static void on_echo(struct reel_http_request *q, void *context)
 *     {
 *         reel_websocket_accept(q, &echo, NULL, NULL, NULL);
 *     }
 *
 * A websocket is freed after `closed` (or `failed`) returned: keep no pointer beyond. No function
 * here calls back. Memory for a message is taken while one is coming in, and only so much as has come.
 * (wslay's own state, about 4 KiB a connection, is from malloc.) */
#ifndef REEL_WEBSOCKET_H
#define REEL_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_dialer;
struct reel_http_request;
struct reel_reactor;
struct reel_tls_context;
struct reel_transport;
struct reel_websocket;

enum reel_websocket_kind {
    REEL_WEBSOCKET_TEXT = 1, /* UTF-8: what comes is checked, what is sent has to be */
    REEL_WEBSOCKET_BINARY = 2,
};

/* Codes of the end (RFC 6455, 7.4). */
enum reel_websocket_code {
    REEL_WEBSOCKET_NORMAL = 1000,
    REEL_WEBSOCKET_GOING_AWAY = 1001,
    REEL_WEBSOCKET_PROTOCOL = 1002,
    REEL_WEBSOCKET_NO_CODE = 1005,  /* never sent: the peer gave none */
    REEL_WEBSOCKET_ABNORMAL = 1006, /* never sent: the connection ended without a word */
    REEL_WEBSOCKET_NOT_UTF8 = 1007,
    REEL_WEBSOCKET_POLICY = 1008,
    REEL_WEBSOCKET_TOO_BIG = 1009,
    REEL_WEBSOCKET_INTERNAL = 1011,
};

/* How it ended. */
struct reel_websocket_end {
    int reason;    /* 0: by closing, on either side; else -errno: of the connection, -ETIMEDOUT (no
                   * answer to a ping, or to our close), -EPROTO, -EMSGSIZE, -EILSEQ (what the peer
                   * did; it was told so) */
    uint16_t code; /* the peer's */
    const char *text; /* the peer's words, UTF-8; borrowed */
    size_t len;
};

/* Any function may be NULL. They come from the loop. */
struct reel_websocket_handler {
    size_t state_size; /* reel_websocket_state(ws) points to so many zeroed bytes */
    /* The connection stands. Before anything else, on both sides. */
    void (*opened)(struct reel_websocket *ws);
    /* Clients: it was never opened. `reason` is -errno; -EPROTO: the server's answer is not that of a
     * WebSocket; `status` is its status, 0 for none. */
    void (*failed)(struct reel_websocket *ws, int reason, int status);
    /* A message, whole; borrowed for the call. */
    void (*message)(struct reel_websocket *ws, enum reel_websocket_kind kind, const uint8_t *data,
                    size_t len);
    /* Much waits to be sent; there is room again. */
    void (*full)(struct reel_websocket *ws);
    void (*drained)(struct reel_websocket *ws);
    /* The end, exactly once when it was opened. */
    void (*closed)(struct reel_websocket *ws, const struct reel_websocket_end *end);
};

/* Zero fields take the defaults; of times, negative is "none". */
struct reel_websocket_options {
    size_t message_max; /* bytes of a message: 1009 above */
    int64_t ping_ns; /* after so long without a byte the peer is asked whether it is there; after as
                              * much again it is not */
    int64_t close_ns;        /* how long it may take to answer a close */
    const char *protocols_z; /* subprotocols, best first: "chat.v2, chat.v1". NULL: none */

    /* Servers: whether a page of this origin ("https://example.org") may connect. NULL: only pages of
     * this very host, and clients that are no browsers (they send no origin). */
    bool (*origin)(void *context, struct reel_http_request *q, const char *origin, size_t len);
    void *context;
};

/* The defaults of the options, and what is fixed. */
#define REEL_WEBSOCKET_MESSAGE_MAX ((size_t)1 << 20)
#define REEL_WEBSOCKET_PING_NS     (INT64_C(30) * 1000000000)
#define REEL_WEBSOCKET_CLOSE_NS    (INT64_C(10) * 1000000000)
#define REEL_WEBSOCKET_TEXT_MAX    123 /* bytes of a close's words */

/* In a handler of the HTTP server: makes a websocket of the request's connection. When that cannot be
 * the request is answered (400; 403 for the origin; 426 for another version than 13; 500) and the
 * result is negative: -EINVAL, -EACCES, -EPROTONOSUPPORT, -ENOMEM, or as reel_http_upgrade. Either
 * way the request is done with. `options` (may be NULL), `handler` and `shared` outlive the websocket.
 * `out` may be NULL. */
int reel_websocket_accept(struct reel_http_request *q, const struct reel_websocket_handler *handler,
                          const struct reel_websocket_options *options, void *shared,
                          struct reel_websocket **out);

/* A further field of the client's request. */
struct reel_websocket_field {
    const char *name_z, *value_z; /* the list ends with a NULL name */
};

/* Copied or used up within the call, where it says nothing else. */
struct reel_websocket_client {
    const char *url_z;                         /* "ws://192.0.2.1:8080/chat"; wss: needs `tls` */
    const char *origin_z;                      /* NULL: none is sent */
    const struct reel_websocket_field *fields; /* NULL: none */
    struct reel_tls_context *tls;              /* its count grows */
    const struct reel_dialer *dialer;          /* NULL: by name or address; outlives the attempt */
    int64_t timeout_ns; /* until `opened`, all in all; 0: REEL_WEBSOCKET_OPEN_NS */
    size_t queue_max;   /* bytes of output that may wait; 0: REEL_QUEUE_MAX_DEFAULT */
};

#define REEL_WEBSOCKET_OPEN_NS (INT64_C(30) * 1000000000)

/* Connects: `opened` or `failed` comes. 0; -EINVAL: the URL or a field is none; -ENOMEM; or what the
 * dialer says: then nothing comes. */
int reel_websocket_connect(struct reel_reactor *r, const struct reel_websocket_client *client,
                           const struct reel_websocket_handler *handler,
                           const struct reel_websocket_options *options, void *shared,
                           struct reel_websocket **out);

/* Sends a message, copied. 0; -ENOBUFS: too much waits, `drained` will come; -EMSGSIZE: above half of
 * the connection's maximum of waiting output (1 MiB unless changed): send it in parts, or have a larger
 * one; -EILSEQ: not UTF-8; -EPIPE: not open; -EBUSY: a message in parts is not over; -ENOMEM. */
int reel_websocket_send(struct reel_websocket *ws, enum reel_websocket_kind kind, const void *data,
                        size_t len);

/* A part of one (a fragment); `last` ends it. All parts have the same kind. As
 * reel_websocket_send. */
int reel_websocket_send_part(struct reel_websocket *ws, enum reel_websocket_kind kind,
                             const void *data, size_t len, bool last);

/* No more messages for now; the peer feels it. (Nor pings: the keep-alive rests.) */
void reel_websocket_pause(struct reel_websocket *ws);
void reel_websocket_resume(struct reel_websocket *ws);

/* Closes in order, with a code (1000, 1001, 1003, 1007 to 1014, 3000 to 4999) and words of at most
 * REEL_WEBSOCKET_TEXT_MAX bytes of UTF-8: no more messages come. 0; -EINVAL; -EPIPE: not open. */
int reel_websocket_close(struct reel_websocket *ws, uint16_t code, const char *text_z);

/* Closes without a word, and ends an attempt. closed(-ECONNABORTED), failed(-ECONNABORTED). */
void reel_websocket_abort(struct reel_websocket *ws);

/* The handler's own bytes, zeroed at first; the pointer given to accept or connect. */
void *reel_websocket_state(struct reel_websocket *ws);
void *reel_websocket_shared(const struct reel_websocket *ws);

/* The subprotocol agreed on; NULL: none. */
const char *reel_websocket_protocol(const struct reel_websocket *ws);

/* Its connection: for its peer, its filters. NULL before there is one. */
struct reel_transport *reel_websocket_transport(const struct reel_websocket *ws);

#ifdef __cplusplus
}
#endif

#endif
