/* Fibers: functions that may wait. A fiber has a stack of its own, so that what takes several
 * callbacks elsewhere reads straight here; Twisted's inlineCallbacks.
 *
 *     static int64_t copy_motd(struct reel_reactor *r, void *argument)
 *     {
 *         struct reel_result text;
 *         int err = reel_await(reel_file_read_all(r, NULL, "motd", 4096), &text);
 *         if (err < 0)
 *             return err;
 *         ... text.pointer, text.number ...
 *         reel_result_release(&text);
 *         return reel_fiber_sleep(r, REEL_SECOND);
 *     }
 *
 *     reel_deferred_forget(reel_fiber_start(r, copy_motd, NULL));
 *
 * Fibers of a reactor run in its thread, one at a time, and only reel_await changes places: between
 * two awaits nothing else of the reactor runs, so there is nothing to lock. Works in virtual time.
 * errno does not survive an await. A fiber may call everything but reel_run, reel_run_once and
 * reel_reactor_free. */
#ifndef REEL_FIBER_H
#define REEL_FIBER_H

#include <reel/deferred.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Options of the reactor: `fiber_stack_size`, `fibers_max`; 0 is one of these. Below each stack lies
 * a guard: who needs more is ended by SIGSEGV. Memory is taken a page at a time, as it is touched. */
#define REEL_FIBER_STACK_DEFAULT ((size_t)64 << 10)
#define REEL_FIBERS_MAX_DEFAULT  ((size_t)16384)
/* So many stacks of fibers that ended are kept for the next. */
#define REEL_FIBER_STACKS_KEPT ((size_t)64)

/* Runs `fn(r, argument)` as a fiber, first at the end of this turn. The deferred fires when it
 * returns: with its result as the value, or as the error when it is negative. -EAGAIN: there are
 * `fibers_max` of them already; -ENOMEM. NULL: out of memory too.
 *
 * Cancelling the deferred cancels what the fiber awaits, so that reel_await returns -ECANCELED, and
 * the fiber goes on from there; what it awaits next is waited for. A fiber that awaits nothing hears
 * it at its next await; one that has not begun does not begin. */
struct reel_deferred *reel_fiber_start(struct reel_reactor *r,
                                       int64_t (*fn)(struct reel_reactor *r, void *argument),
                                       void *argument);

/* In a fiber: waits for `d`, and lets go of it. 0 or its error; the whole result goes to `result`,
 * its object is the caller's to release. NULL: a value is released. -ENOMEM for a `d` of NULL.
 * When the reactor is freed every await of its fibers returns an error at once, mostly -ECANCELED:
 * a fiber that goes on all the same keeps reel_reactor_free from returning. */
int reel_await(struct reel_deferred *d, struct reel_result *result);

/* In a fiber: lets so much time pass; 0: a turn. 0, -ECANCELED or -ENOMEM. */
int reel_fiber_sleep(struct reel_reactor *r, int64_t delay_ns);

/* Whether the caller runs in a fiber of `r`: whether it may await. */
bool reel_fiber_is_running(const struct reel_reactor *r);

#ifdef __cplusplus
}
#endif

#endif
