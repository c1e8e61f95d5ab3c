#include "reel/spin.h"

#include "reel/loop.h"

#include <time.h>

enum {
    GAPS = 8,          /* that the mean is of, about */
    TRIAL_WAITS = 64,  /* with spinning, then as many without */
    KEPT_WAITS = 2048, /* until the next trial */
    GAIN = 10,         /* spinning may cost a tenth more: it halves the peer's waiting */
};

static int64_t thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void begin(struct spin *s, int phase, bool on, uint32_t waits)
{
    s->phase = phase;
    s->on = on;
    s->waits_left = waits;
    s->events = 0;
}

static void end_phase(struct spin *s)
{
    int64_t now_ns = thread_cpu_ns();
    int64_t cost_ns = (now_ns - s->begin_cpu_ns) / (int64_t)(s->events ? s->events : 1);
    if (s->phase == SPIN_TRY) {
        s->cost_ns = cost_ns;
        begin(s, SPIN_TRY_SLEEP, false, TRIAL_WAITS);
    } else if (s->phase == SPIN_TRY_SLEEP) {
        begin(s, SPIN_KEEP, s->cost_ns <= cost_ns + cost_ns / GAIN, KEPT_WAITS);
    } else {
        begin(s, SPIN_TRY, true, TRIAL_WAITS);
    }
    s->begin_cpu_ns = now_ns;
}

/* A long gap counts as four times spin_ns: after one or two of them nobody thinks of spinning, and
 * it takes some short ones until that is tried again. */
void reel_spin_note(struct reel_reactor *r, int64_t gap_ns, int count)
{
    struct spin *s = &r->spin;
    int64_t most_ns = 4 * r->spin_ns;
    s->gap_ns += ((gap_ns < most_ns ? gap_ns : most_ns) - s->gap_ns) / GAPS;
    if (s->gap_ns >= r->spin_ns) {
        begin(s, SPIN_REST, false, 0);
        return;
    }
    s->events += count > 0 ? (uint64_t)count : 0;
    if (s->waits_left == 0)
        end_phase(s);
    else
        s->waits_left--;
}

int reel_spin_then_sleep(struct reel_reactor *r, int64_t timeout_ns,
                         int (*poll_for)(struct reel_reactor *r, int64_t timeout_ns))
{
    int64_t begin_ns = r->backend->now_ns(r);
    int64_t spin_ns = r->spin.on ? r->spin_ns : 0;
    if (timeout_ns >= 0 && timeout_ns < spin_ns)
        spin_ns = timeout_ns;
    int64_t gone_ns = 0;
    int count = 0;
    while (count == 0 && gone_ns < spin_ns) {
        count = poll_for(r, 0);
        gone_ns = r->backend->now_ns(r) - begin_ns;
    }
    if (count == 0 && (timeout_ns < 0 || gone_ns < timeout_ns)) {
        count = poll_for(r, timeout_ns < 0 ? -1 : timeout_ns - gone_ns);
        gone_ns = r->backend->now_ns(r) - begin_ns;
    }
    reel_spin_note(r, gone_ns, count);
    return count;
}
