/* Timers: callLater and LoopingCall. A timer lives in the caller's memory; starting, moving and
 * stopping it allocates nothing and cannot fail. Moving a running timer to a later time costs a
 * store: made for time-outs that are pushed back with every byte.
 *
 * Timers fire once a turn, in the order of their deadlines, ties in the order in which they were
 * started. A timer started inside a timer's callback fires in the next turn at the earliest, even
 * with a delay of 0. */
#ifndef REEL_TIMER_H
#define REEL_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Units of time, in nanoseconds: 5 * REEL_SECOND. */
#define REEL_US     INT64_C(1000)
#define REEL_MS     INT64_C(1000000)
#define REEL_SECOND INT64_C(1000000000)

struct reel_reactor;

struct reel_timer {
    void (*fire)(struct reel_timer *timer);
    struct reel_reactor *reactor; /* these are the reactor's */
    uint32_t slot;
    uint32_t missed;
    int64_t deadline_ns;
    uint64_t order;
    int64_t period_ns;
};

/* 0 or -ENOMEM: this is where the reactor makes room for it. */
int reel_timer_init(struct reel_timer *timer, struct reel_reactor *r,
                    void (*fire)(struct reel_timer *timer));

/* Stops it and gives its room back; then the memory is the caller's. May be called in `fire`, and
 * on a zeroed timer that was never initialised. */
void reel_timer_fini(struct reel_timer *timer);

/* Fires once, `delay_ns` after this turn's time (outside of a turn: after now); 0 or less: in the
 * next turn.
 * A running timer is moved; it takes a new place among its ties. */
void reel_timer_start(struct reel_timer *timer, int64_t delay_ns);

/* The same by absolute time of the reactor's clock. */
void reel_timer_start_at(struct reel_timer *timer, int64_t deadline_ns);

/* Fires every `period_ns` (above 0), first after one period. It keeps to the grid: late turns do
 * not shift what follows, and ticks that were missed altogether are left out and counted. */
void reel_timer_start_every(struct reel_timer *timer, int64_t period_ns);

/* In `fire` of a periodic timer: how many ticks were left out since the last call; mostly 0. */
uint64_t reel_timer_missed(const struct reel_timer *timer);

void reel_timer_stop(struct reel_timer *timer); /* no effect when stopped */
bool reel_timer_is_active(const struct reel_timer *timer);

/* When it will fire, by the reactor's clock; INT64_MAX when stopped. */
int64_t reel_timer_deadline_ns(const struct reel_timer *timer);

#ifdef __cplusplus
}
#endif

#endif
