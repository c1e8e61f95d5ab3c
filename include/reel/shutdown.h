/* A graceful stop: no new connections, time for those that are there, hooks in order; Twisted's
 * system event triggers.
 *
 *     static void on_term(struct reel_signal *signal)
 *     {
 *         reel_stop_gracefully(signal->reactor, 30 * REEL_SECOND);
 *     }
 *
 * (For what is to be done at the start, reel_defer before reel_run does.) */
#ifndef REEL_SHUTDOWN_H
#define REEL_SHUTDOWN_H

#include <reel/link.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_deferred;
struct reel_reactor;

enum reel_phase {
    REEL_BEFORE_STOP, /* connections are still served: leave a load balancer ... */
    REEL_DURING_STOP, /* connections are to end: tell them ... */
    REEL_AFTER_STOP,  /* they are gone, or their time is over: write files ... */
    REEL_PHASES,
};

/* Called once, in its phase of a graceful stop, from the loop. What it returns is let go of and
 * waited for, whatever comes of it; NULL: nothing to wait for. It lives in the caller's memory, which
 * is his again when it is called. */
struct reel_trigger {
    struct reel_deferred *(*run)(struct reel_trigger *trigger);
    struct reel_reactor *reactor; /* these are the reactor's */
    struct reel_link link;
};

/* Triggers of a phase are called in the order in which they were started. */
void reel_trigger_start(struct reel_trigger *trigger, struct reel_reactor *r, enum reel_phase phase,
                        struct reel_deferred *(*run)(struct reel_trigger *trigger));
void reel_trigger_stop(struct reel_trigger *trigger); /* no effect when stopped */

/* From the end of this turn on: closes all listeners' sockets (the pointers stay good for
 * reel_listener_close), then goes through the phases, each when all triggers of the one before are
 * done; before the last it waits until the last connection is gone. Then reel_stop. What is not over
 * `grace_ns` from now is not waited for any more: the triggers that were not called yet are called,
 * and it stops; reel_reactor_free ends the rest. 0 or less: at once. Again: the new time counts.
 * 0 or -ENOMEM. */
int reel_stop_gracefully(struct reel_reactor *r, int64_t grace_ns);

/* Whether a graceful stop has begun: for those who keep connections open between requests. */
bool reel_is_stopping(const struct reel_reactor *r);

#ifdef __cplusplus
}
#endif

#endif
