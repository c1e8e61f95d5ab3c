/* The timers of a reactor: a heap with four children a node, its keys in the nodes, so that a sift
 * touches no timer. A timer that is moved to a later time keeps its place until that comes up, and
 * only then takes the new one: pushing a time-out back costs a store. */
#ifndef REEL_HEAP_H
#define REEL_HEAP_H

#include <reel/timer.h>

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key_ns; /* at or before the timer's deadline */
    struct reel_timer *timer;
};

struct timer_heap {
    struct heap_node *nodes;
    uint32_t count, cap;
    uint32_t known; /* initialised timers: cap is never less, so starting cannot fail */
    uint64_t last_order;
};

struct reel_reactor;

/* When the reactor must look next; INT64_MAX: never. May be early, never late. */
int64_t reel_heap_next_ns(const struct timer_heap *heap);

/* Fires all that is due at the reactor's time. */
void reel_heap_run(struct reel_reactor *r);

/* Stops all timers and frees the heap. */
void reel_heap_fini(struct reel_reactor *r);

#endif
