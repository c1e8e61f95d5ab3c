/* Polling before sleeping: the same for every backend that sleeps. */
#ifndef REEL_SPIN_H
#define REEL_SPIN_H

#include <stdbool.h>
#include <stdint.h>

struct reel_reactor;

/* Going to sleep and being woken costs more than the work of a short message, so looking again for a
 * while may be the cheaper way to wait; or the dearer one, if messages come too seldom or the peer
 * needs this very CPU. Where gaps are short enough to think of it, both ways are tried in turn, and
 * the cheaper one (by CPU time an event) is kept until the next trial. */
struct spin {
    int64_t gap_ns; /* how long a wait lasts: the mean of the last ones */
    enum { SPIN_REST, SPIN_TRY, SPIN_TRY_SLEEP, SPIN_KEEP } phase;
    bool on;
    uint32_t waits_left; /* of this phase */
    uint64_t events;
    int64_t begin_cpu_ns;
    int64_t cost_ns; /* of an event, while spinning */
};

/* `poll_for` waits for so many nanoseconds (0: looks, negative: no limit); the number of events or
 * -errno, as this one. */
int reel_spin_then_sleep(struct reel_reactor *r, int64_t timeout_ns,
                         int (*poll_for)(struct reel_reactor *r, int64_t timeout_ns));

/* There were events without a wait. */
void reel_spin_note(struct reel_reactor *r, int64_t gap_ns, int count);

#endif
