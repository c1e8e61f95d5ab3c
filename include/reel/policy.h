/* Policies: filters that any protocol can be put behind without knowing it. Time-outs, throttles,
 * limits of connections, recording. They stack, in any order, under and over TLS:
 *
 *     static const struct reel_timeouts patience = {.first_byte_ns = 10 * REEL_SECOND};
 *     static const struct reel_throttle pace = {.out = {.rate = 100000}};
 *     const struct reel_filter_use policies[] = {{&reel_limits_filter, &limits},
 *                                                {&reel_timeouts_filter, &patience},
 *                                                {&reel_throttle_filter, &pace},
 *                                                {NULL, NULL}};
 *     const struct reel_factory factory = {.protocol = &protocol, .filters = policies};
 *
 * Options are the caller's and outlive all connections that began with them. */
#ifndef REEL_POLICY_H
#define REEL_POLICY_H

#include <reel/address.h>
#include <reel/filter.h>
#include <reel/link.h>
#include <reel/timer.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_reactor;
struct reel_transport;

/* ---- Time-outs. Options: struct reel_timeouts. ----
 * Each ends the connection with lost(-ETIMEDOUT). 0: none. They count from where the filters below
 * are through their handshakes. For "neither came nor went" there is options.idle_ns of the factory,
 * and handshake_ns for handshakes. */
extern const struct reel_filter_type reel_timeouts_filter;

struct reel_timeouts {
    int64_t total_ns;      /* of the whole connection, come what may */
    int64_t first_byte_ns; /* until the peer's first byte */
    int64_t read_ns;  /* between any two bytes of the peer; not while the protocol has paused */
    int64_t write_ns; /* with output waiting, and none of it taken */
};

/* ---- Throttles. Options: struct reel_throttle. ----
 * Token buckets, for each connection and shared by several. Who is out of tokens waits for them, in
 * turn. The peer feels it: input stays in its socket, output in the queue under its watermarks. */
extern const struct reel_filter_type reel_throttle_filter;

struct reel_rate {
    uint64_t rate;  /* bytes a second; 0: no limit */
    uint64_t burst; /* bytes that may pass at once after a silence; 0: a second's worth */
};

/* In the caller's memory. */
struct reel_bucket {
    struct reel_rate rate;
    struct reel_timer timer; /* these are the engine's */
    struct reel_link waiting;
    int64_t empty_ns; /* GCRA's theoretical arrival time */
};

/* A bucket for several connections of one reactor. 0 or -ENOMEM. */
int reel_bucket_init(struct reel_bucket *bucket, struct reel_reactor *r, struct reel_rate rate);
/* When all its connections are gone. */
void reel_bucket_fini(struct reel_bucket *bucket);

struct reel_throttle {
    struct reel_rate in, out;                   /* of each connection */
    struct reel_bucket *shared_in, *shared_out; /* of all together; NULL: no limit */
};

/* ---- Limits of connections. Options: struct reel_limits, which is written to. ----
 * A connection over the limit is refused: over `total_max` without a word; over `source_max` when the
 * filters below are through their handshakes, so that the address is that of a PROXY header:
 * `failed(-EUSERS)`. */
extern const struct reel_filter_type reel_limits_filter;

/* Lists that the sources are spread over. */
#define REEL_LIMITS_SLOTS 1024

struct reel_limits {
    size_t total_max;  /* 0: none */
    size_t source_max; /* connections from one source; 0: none */
    int v4_bits;       /* what is one source: so many bits of an address; 0: 32, and 64 */
    int v6_bits;       /* (an IPv6 host has a /64 to choose from) */

    /* One was refused, for logs; `by_source` or by the total. NULL: nothing. */
    void (*refused)(struct reel_limits *limits, const struct reel_address *peer, bool by_source);

    size_t total; /* how many there are now; the rest is the engine's */
    struct limits_source *slots[REEL_LIMITS_SLOTS];
};

/* ---- Recording. Options: struct reel_tap. ----
 * All bytes in both directions, as they pass this place in the stack: above TLS in the clear, below
 * it encrypted. Output is told when it is taken by what is below. */
extern const struct reel_filter_type reel_tap_filter;

enum reel_tap_event {
    REEL_TAP_BEGIN, /* no data: the handshakes below are over */
    REEL_TAP_IN,
    REEL_TAP_IN_END, /* no data: the peer's EOF */
    REEL_TAP_OUT,
    REEL_TAP_OUT_END, /* no data: own half shut, or closed in order */
    REEL_TAP_END,     /* no data: the connection is over; always the last */
};

struct reel_tap {
    /* Called from inside the engine: must not call anything of this connection. `data` is borrowed. */
    void (*tell)(const struct reel_tap *tap, const struct reel_transport *t,
                 enum reel_tap_event event, const uint8_t *data, size_t len);
};

/* A tap that writes text for people, and for Wireshark: text2pcap -D -t %s.%f -T 1,2
 *     # 192.0.2.1:4711 begins
 *     I 1735689600.000450
 *     000000 48 65 6c 6c 6f 0a                                >Hello.<
 * "I" is from the peer, "O" to it; the time is in seconds since 1970. */
struct reel_tap_text {
    struct reel_tap tap; /* the options: by reel_tap_text_init */
    /* Takes a piece of the text: appends it to a file, for instance. */
    void (*write)(const struct reel_tap_text *text, const char *data, size_t len);
    void *context;
};

/* Sets all fields. */
void reel_tap_text_init(struct reel_tap_text *text,
                        void (*write)(const struct reel_tap_text *text, const char *data,
                                      size_t len),
                        void *context);

#ifdef __cplusplus
}
#endif

#endif
