#include <reel/testing.h>

#include "reel/loop.h"

struct reel_reactor *reel_test_reactor_new(const struct reel_reactor_options *options,
                                           int64_t wall_us)
{
    struct reel_reactor *r = reel_reactor_open(options, &reel_backend_virtual);
    if (r)
        r->virtual_wall_us = wall_us;
    return r;
}

void reel_test_set_wall(struct reel_reactor *r, int64_t wall_us)
{
    r->virtual_wall_us = wall_us - r->virtual_ns / 1000;
    r->wall_turn = UINT64_MAX; /* what was read in this turn is old */
}

static bool is_busy(struct reel_reactor *r)
{
    return reel_has_work(r) || reel_heap_next_ns(&r->timers) <= r->now_ns;
}

/* There is no reel_run here that a stop could end: it is forgotten. */
static void settle(struct reel_reactor *r)
{
    reel_refresh_clock(r);
    for (int turns = 0; turns < REEL_TEST_TURNS_MAX && is_busy(r); turns++) {
        reel_turn(r, 0);
        atomic_store(&r->stop, false);
    }
}

void reel_test_advance(struct reel_reactor *r, int64_t ns)
{
    const int64_t end_ns = r->virtual_ns + ns;
    settle(r);
    while (reel_heap_next_ns(&r->timers) <= end_ns) {
        int64_t next_ns = reel_heap_next_ns(&r->timers);
        if (next_ns > r->virtual_ns)
            r->virtual_ns = next_ns;
        settle(r);
    }
    r->virtual_ns = end_ns;
    settle(r);
}
