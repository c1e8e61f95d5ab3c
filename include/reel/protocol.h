/* Protocols and factories.
 *
 * A protocol is a table of functions and the size of the state that each connection needs; the
 * state lies zeroed behind the transport, in the same allocation. A factory is a protocol, a pointer
 * that all its connections share, and options. Both are the caller's, constant while in use: a
 * factory outlives its listeners and its connections.
 *
 * The promises, on every transport (docs/reel/lifetime.md):
 *   - exactly one `lost` for each `made`, and nothing after it
 *   - no callback inside a call of the protocol's own: reel_write or reel_close never call back
 *   - nothing is freed inside a callback: close marks, the loop buries at the end of the turn */
#ifndef REEL_PROTOCOL_H
#define REEL_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_address;
struct reel_filter_use;
struct reel_transport;

/* Any function may be NULL. */
struct reel_protocol {
    const char *name_z; /* for lists of handles */
    size_t state_size;  /* reel_state(t) points to so many zeroed bytes */

    /* The connection is there. */
    void (*made)(struct reel_transport *t);

    /* The connection was never made: connecting failed, or a filter's handshake did (on a server's
     * connection too); `reason` is -errno. In place of `made`, and there is no `lost` then. */
    void (*failed)(struct reel_transport *t, int reason);

    /* Bytes from the peer, `len` at least 1, borrowed for the call. How many of them were taken:
     * usually all. Fewer: the transport keeps the rest, stops reading, and gives the rest again, in
     * front of what comes later, after reel_resume_reading or when the output has drained; or as
     * soon as there is more, if `data` called reel_need_more.
     * NULL: bytes are dropped. */
    size_t (*data)(struct reel_transport *t, const uint8_t *data, size_t len);

    /* A descriptor that the peer of a Unix socket has sent (reel/descriptor.h): the protocol's from
     * here on, close-on-exec. It comes before the `data` it was sent with. NULL: they are closed.
     * Not told on a closing connection. */
    void (*descriptor)(struct reel_transport *t, int fd);

    /* The peer will send no more; writing still works. After all data was taken. A protocol that
     * has this function keeps its own half open and closes it when it is done; one that has not
     * is closed, after what it wrote is sent. */
    void (*eof)(struct reel_transport *t);

    /* More than the high watermark waits to be sent (`full`); no more than the low one after that
     * (`drained`). A producer stops at the one and goes on at the other. */
    void (*full)(struct reel_transport *t);
    void (*drained)(struct reel_transport *t);

    /* Nothing came or went for the idle time. NULL: the connection is aborted, lost(-ETIMEDOUT).
     * With the function it is the protocol's to say; if it does nothing the time starts anew. */
    void (*idle)(struct reel_transport *t);

    /* A filter that was put on this live connection (reel_filter_push) is through its handshake:
     * what comes from now on came through it. */
    void (*upgraded)(struct reel_transport *t);

    /* The end. 0: in order (we closed and all was sent, or the peer closed); -ECONNRESET, -EPIPE:
     * the peer is gone; -ECONNABORTED: reel_abort; -ETIMEDOUT: idle, or closing took too long;
     * -ENOMEM; -ECANCELED: the reactor is being freed. The state is still there, and freed after. */
    void (*lost)(struct reel_transport *t, int reason);
};

/* Zero fields take the defaults named here. The watermarks' defaults are no more than half of
 * queue_max, and a quarter of queue_high. */
struct reel_options {
    size_t queue_max;     /* bytes of output that may wait; reel_write refuses more */
    size_t queue_high;    /* `full` above this */
    size_t queue_low;     /* `drained` at or below this */
    int64_t idle_ns;      /* the idle time; 0: none */
    int64_t linger_ns;    /* how long a closing connection may take to send what waits */
    int64_t handshake_ns; /* how long the filters' handshakes may take; 0: 30 seconds */
    bool delay;      /* leave Nagle's algorithm on: off is the default, writes are gathered here */
    bool keep_alive; /* TCP keep-alive probes */
    bool read_while_full; /* false: above the high watermark the transport does not read either, so
                           * that a peer who asks and never listens costs no more than the queue.
                           * true is for protocols that must read in order to make room. */
};

/* The defaults of the options, and what is fixed. */
#define REEL_QUEUE_MAX_DEFAULT  ((size_t)1 << 20)
#define REEL_QUEUE_HIGH_DEFAULT ((size_t)64 << 10)
#define REEL_QUEUE_LOW_DEFAULT  ((size_t)16 << 10)
#define REEL_LINGER_DEFAULT_NS  (INT64_C(30) * 1000000000)
#define REEL_READ_MAX           ((size_t)68 << 10) /* the longest `data`; a burst of 64 KiB is one */

struct reel_factory {
    const struct reel_protocol *protocol;
    void *shared; /* reel_shared(t) of every connection */
    struct reel_options options;

    /* What each connection goes through (reel/filter.h), lowest first, ended by a NULL type. NULL:
     * nothing. */
    const struct reel_filter_use *filters;

    /* Whether a connection from `peer` is wanted; NULL: always. A refused one is closed at once and
     * never made: for limits and block lists. */
    bool (*accepts)(const struct reel_factory *factory, const struct reel_address *peer);
};

#ifdef __cplusplus
}
#endif

#endif
