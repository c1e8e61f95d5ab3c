/* Several reactors on one port: worker processes or threads, each with a reactor of its own and a
 * listener with reuseport=yes. Nothing is shared, nothing locked. */
#ifndef REEL_WORKERS_H
#define REEL_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

struct reel_reactor;
struct reel_reactor_options;

#define REEL_WORKERS_MAX 256

/* Zero fields take the defaults. */
struct reel_workers_options {
    int count;    /* 0: as many as CPUs may be used */
    bool threads; /* else processes */

    /* In the worker, before it runs: opens listeners, timers ... 0, or -errno: this worker does not
     * run. */
    int (*start)(struct reel_reactor *r, int index, void *context);

    /* In the worker, when it is to end: closes listeners and lets connections finish; it calls
     * reel_stop when they have. NULL: reel_stop at once. */
    void (*stop)(struct reel_reactor *r, int index, void *context);

    /* In the worker, before its reactor is freed. May be NULL. */
    void (*finish)(struct reel_reactor *r, int index, void *context);

    void *context;
    const struct reel_reactor_options *reactor; /* of each worker; may be NULL */
    int64_t grace_ns; /* from `stop` to the end by force; 0: REEL_WORKERS_GRACE_NS */
    /* A process that dies is started again, at once if it lived longer than this; else after a pause
     * that doubles up to REEL_WORKERS_PAUSE_MAX_NS. 0: REEL_WORKERS_HEALTHY_NS. */
    int64_t healthy_ns;
    int restarts_max; /* of one worker in a row without health; 0: no limit. Then the program ends */
};

#define REEL_WORKERS_GRACE_NS     (INT64_C(30) * 1000000000)
#define REEL_WORKERS_HEALTHY_NS   (INT64_C(5) * 1000000000)
#define REEL_WORKERS_PAUSE_NS     (INT64_C(100) * 1000000)
#define REEL_WORKERS_PAUSE_MAX_NS (INT64_C(10) * 1000000000)

/* Starts the workers, and returns when all have ended after SIGINT or SIGTERM (a second one does not
 * wait for the grace). Called by a program's main thread before it has made others. 0: in order;
 * -errno: they could not be started; -ECHILD: a worker failed too often. Threads are not started
 * again: one whose `start` fails ends them all. */
int reel_workers_run(const struct reel_workers_options *options);

#endif
