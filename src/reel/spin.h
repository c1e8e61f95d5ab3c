/* Polling before sleeping: the same for every backend that sleeps. */
#ifndef REEL_SPIN_H
#define REEL_SPIN_H

#include "reel/loop.h"

static inline bool may_spin(struct reel_reactor *r)
{
    if (!r->spin_pays)
        return false;
    if (r->spin_rest == 0)
        return true;
    r->spin_rest--;
    return false;
}

/* A spin in vain (the peer may need this very CPU) rests the next ones: 1, 2, 4 ... waits. */
static inline void judge_spin(struct reel_reactor *r, bool good)
{
    enum { REST_MAX = 256 };
    if (good)
        r->spin_penalty = 0;
    else if (r->spin_penalty < REST_MAX)
        r->spin_penalty = r->spin_penalty ? 2 * r->spin_penalty : 1;
    r->spin_rest = r->spin_penalty;
}

/* Going to sleep and being woken costs more than the work of a short message. While the traffic
 * comes in gaps shorter than spin_ns, it pays to look again for that long first. Whether it does is
 * judged by the last gap, so a quiet server spins once and then sleeps. `poll_for` waits for so many
 * nanoseconds (0: looks, negative: no limit); the number of events or -errno. */
static inline int spin_then_sleep(struct reel_reactor *r, int64_t timeout_ns,
                                  int (*poll_for)(struct reel_reactor *r, int64_t timeout_ns))
{
    int64_t begin_ns = r->backend->now_ns(r);
    int64_t spin_ns = r->spin_ns;
    if (timeout_ns >= 0 && timeout_ns < spin_ns)
        spin_ns = timeout_ns;
    int64_t gone_ns = 0;
    int count = 0;
    if (may_spin(r)) {
        while (count == 0 && gone_ns < spin_ns) {
            count = poll_for(r, 0);
            gone_ns = r->backend->now_ns(r) - begin_ns;
        }
        judge_spin(r, count > 0);
    }
    if (count == 0 && (timeout_ns < 0 || gone_ns < timeout_ns)) {
        count = poll_for(r, timeout_ns < 0 ? -1 : timeout_ns - gone_ns);
        gone_ns = r->backend->now_ns(r) - begin_ns;
    }
    r->spin_pays = count > 0 && gone_ns < r->spin_ns;
    return count;
}

#endif
