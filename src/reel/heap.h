/* The timers of a reactor: a heap with four children a node. All that is compared lies in the nodes,
 * so that a sift reads no timer (ties too, which are many: what starts in one turn with one delay).
 * The array lies so that four siblings share two cache lines. A timer that is moved to a later time keeps its place until that comes up, and
 * only then takes the new one: pushing a time-out back costs a store. So does stopping: the node stays,
 * without its timer, until it comes up or its room is needed. */
#ifndef REEL_HEAP_H
#define REEL_HEAP_H

#include <reel/timer.h>

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key_ns; /* at or before the timer's deadline */
    uint64_t order; /* among equals: the timer's, unless it was moved since */
    struct reel_timer *timer;
};

struct timer_heap {
    struct heap_node *nodes; /* in `memory` */
    void *memory;
    uint32_t count, cap; /* nodes */
    uint32_t stopped;    /* nodes without a timer */
    uint32_t known;      /* initialised timers: fewer than cap, so starting cannot fail */
    uint64_t last_order;
};

struct reel_reactor;

/* When the reactor must look next; INT64_MAX: never. May be early, never late. */
int64_t reel_heap_next_ns(struct timer_heap *heap);

/* Fires all that is due at the reactor's time. */
void reel_heap_run(struct reel_reactor *r);

/* Stops all timers and frees the heap. */
void reel_heap_fini(struct reel_reactor *r);

#endif
