/* Several reactors on one port: worker processes or threads, each with a reactor of its own and
 * listeners with reuseport=yes. The kernel shares the connections out. Nothing is shared, nothing
 * locked.
 *
 *     static int start(struct reel_reactor *r, int index, void *context)
 *     {
 *         return reel_listen(r, "tcp:8080:reuseport=yes", &echo_factory, NULL);
 *     }
 *
 *     int main(void)
 *     {
 *         const struct reel_workers_options options = {.start = start};
 *         return reel_workers_run(&options) < 0;
 *     } */
#ifndef REEL_WORKERS_H
#define REEL_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_process_status;
struct reel_reactor;
struct reel_reactor_options;

#define REEL_WORKERS_MAX 256

/* Zero fields take the defaults. */
struct reel_workers_options {
    int count;    /* 0: as many as there are CPUs for this process; at most REEL_WORKERS_MAX */
    bool threads; /* else processes */

    /* In the worker, before its reactor runs: opens listeners, timers ... 0, or -errno: the worker
     * does not run. When that happens at its first start, all are stopped: a port that is taken will
     * not be free in a second. */
    int (*start)(struct reel_reactor *r, int index, void *context);

    /* In the worker, after its reactor has run and before it is freed. Only after a `start` that
     * succeeded. May be NULL. A process ends by _exit behind it: what atexit was told belongs to the
     * parent. */
    void (*finish)(struct reel_reactor *r, int index, void *context);

    /* In the parent, of processes: one was started (`status` NULL), or has ended: for a log. May be
     * NULL. */
    void (*told)(void *context, int index, pid_t pid, const struct reel_process_status *status);

    void *context;
    const struct reel_reactor_options *reactor; /* of each worker; may be NULL. Threads use its
                                                 * allocator side by side */
    int64_t grace_ns; /* of reel_stop_gracefully in each worker; 0: REEL_WORKERS_GRACE_NS */

    /* A process that dies is started again: at once if it lived as long as `healthy_ns`, else after
     * a pause, which doubles each time up to REEL_WORKERS_PAUSE_MAX_NS. */
    int64_t healthy_ns; /* 0: REEL_WORKERS_HEALTHY_NS */
    int64_t pause_ns;   /* the first; 0: REEL_WORKERS_PAUSE_NS */
    int restarts_max;   /* of one worker, without health in between; 0: no limit */
};

#define REEL_WORKERS_GRACE_NS     (INT64_C(30) * 1000000000)
#define REEL_WORKERS_FORCE_NS     (INT64_C(1) * 1000000000)
#define REEL_WORKERS_HEALTHY_NS   (INT64_C(5) * 1000000000)
#define REEL_WORKERS_PAUSE_NS     (INT64_C(100) * 1000000)
#define REEL_WORKERS_PAUSE_MAX_NS (INT64_C(10) * 1000000000)

/* Starts the workers, and returns in the parent when all have ended. Called by a program's first
 * thread, before it has made others.
 *
 * SIGINT and SIGTERM stop them: each stops gracefully (reel/shutdown.h: listeners are closed,
 * triggers called, connections waited for). REEL_WORKERS_FORCE_NS after the grace is over, or at a
 * second signal, processes are killed, and threads stopped at the end of their turn: one that is
 * stuck in a callback cannot be ended. Workers do not hear SIGINT; SIGTERM to one of them stops that
 * one. A worker that stops of itself (reel_stop, SIGTERM) is not started again. Workers do not
 * outlive the parent: if it is killed, they hear SIGTERM.
 *
 * 0: all ended in order. -errno: of a worker's first `start`, or of what made it impossible to begin
 * (-EINVAL: the options; -ENOMEM, -EAGAIN, -EMFILE ...); -ECHILD: one died more than `restarts_max`
 * times. In these cases the others are stopped gracefully first. */
int reel_workers_run(const struct reel_workers_options *options);

#ifdef __cplusplus
}
#endif

#endif
