/* The end of a connection in memory, from the inside: for pairs (wire.c) and for simulated networks
 * (simulation_stream.c). */
#ifndef REEL_WIRE_H
#define REEL_WIRE_H

#include "reel/stream.h"

#include <reel/testing.h>

struct packet;
struct wire_end;

/* What decides how long the way to an end is. */
struct wire_course {
    /* When `len` bytes that are sent to `end` now arrive there; 0: an end or a reset. Not before what was
     * sent earlier. */
    int64_t (*arrives_ns)(struct wire_end *end, size_t len);
};

struct wire_end {
    struct reel_transport t;
    struct wire_end *other;           /* NULL: closed */
    const struct wire_course *course; /* NULL: `wire.delay_ns`, and a break is felt at once */
    struct reel_wire wire;            /* of the direction to here */
    struct packet *first, **end;
    size_t buffered;          /* bytes on their way to here */
    struct reel_timer notice; /* something is to be looked at here */
    int64_t eof_ns;           /* when the other's EOF arrives; INT64_MAX: not sent */
    int64_t broken_ns;        /* when `broken` is felt */
    int broken;               /* -errno */
    bool held;
};

/* On a transport whose stream_io has the functions below; `wire` may be NULL. 0 or -ENOMEM. */
int reel_wire_init(struct wire_end *end, const struct reel_wire *wire);

/* Nothing of the other arrives until released. */
void reel_wire_hold(struct wire_end *end, bool on);

/* The end finds its connection broken, at that time. The first reason stays. */
void reel_wire_break(struct wire_end *end, int reason, int64_t at_ns);

/* The parts of a stream_io. */
void reel_wire_events(void *source, uint32_t events);
ssize_t reel_wire_receive(struct reel_transport *t, uint8_t *data, size_t len);
ssize_t reel_wire_send(struct reel_transport *t, const struct iovec *parts, int count);
void reel_wire_shut(struct reel_transport *t);
void reel_wire_close(struct reel_transport *t, bool reset);
int reel_wire_error(struct reel_transport *t);

#endif
