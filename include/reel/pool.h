/* Threads for what blocks: Twisted's ThreadPool and deferToThread. A job runs in a thread of a pool,
 * its result comes back to the reactor as a deferred; results that come together wake it once.
 *
 *     static void hash(void *argument, struct reel_result *result)     (in a thread)
 *     {
 *         struct login *login = argument;
 *         reel_result_set_value(result, verify(login->password, login->hash), NULL, NULL);
 *     }
 *
 *     reel_deferred_done(reel_defer_to_thread(r, NULL, hash, login, free_login), on_verified, t);
 *
 * Signals are blocked in the threads. On a test reactor there are no threads: jobs run in the loop,
 * in order, at the end of the turn, so that a test has no luck in it. */
#ifndef REEL_POOL_H
#define REEL_POOL_H

#include <reel/deferred.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_pool;
struct reel_reactor;

/* Zero fields take the defaults named here. */
struct reel_pool_options {
    size_t threads_min; /* so many stay once they were started; default 0 */
    size_t threads_max; /* one is started when a job finds none idle; default REEL_POOL_THREADS */
    size_t queue_max;   /* jobs that wait for a thread; default REEL_POOL_QUEUE */
    int64_t idle_ns;    /* a thread ends after so long without a job; default REEL_POOL_IDLE_NS */
    size_t stack_size;  /* of a thread, bytes; default the system's */
    bool waits;         /* who finds the queue full stands still until there is room; false: he is
                         * refused with -ENOBUFS */
};

#define REEL_POOL_THREADS ((size_t)8)
#define REEL_POOL_QUEUE   ((size_t)1024)
#define REEL_POOL_IDLE_NS (INT64_C(10) * 1000000000)

/* A pool, without threads yet; any number of reactors may use it. `options` may be NULL. NULL with
 * errno set: ENOMEM, or EINVAL for more threads at least than at most. */
struct reel_pool *reel_pool_new(const struct reel_pool_options *options);

/* Ends it: jobs that wait are cancelled, those that run are waited for. To finish what waits, drain
 * it first. Not while anybody may still give it jobs; a reactor that has it in its options is freed
 * before it. NULL is fine. */
void reel_pool_free(struct reel_pool *pool);

/* Stands still until no job waits or runs. From any thread but the pool's own. */
void reel_pool_drain(struct reel_pool *pool);

struct reel_pool_metrics {
    size_t threads, idle;   /* alive; those of them that have nothing to do */
    size_t waiting;         /* jobs in the queue */
    size_t running;         /* jobs in threads */
    uint64_t done, refused; /* jobs since the beginning */
};

/* From any thread. */
void reel_pool_metrics(struct reel_pool *pool, struct reel_pool_metrics *out);

/* Runs `fn(argument, result)` in a thread of `pool`; NULL: of the reactor's option `pool`, or of one
 * that it makes for itself at first use. What `fn` leaves in `result`, which is zero at first, fires
 * the deferred. `release(argument)` is called in the reactor's thread when the job is over, run or
 * not run; not when `fn` gave the argument away as the result's object. `release` may be NULL.
 *
 * Errors: -ENOBUFS the queue is full; -EAGAIN there is no thread and none can be started; -ENOMEM.
 * NULL: out of memory, the argument was released.
 *
 * Cancel: a job that waits is taken out; one that runs goes on, and the deferred fires when it has
 * ended. So the argument is never freed under its feet. When a reactor is freed it waits for its
 * jobs that run.
 *
 * A pool does not cross a fork. In the child a pool of the parent's refuses with -EAGAIN, the
 * reactor's own is made anew, and the jobs of before can only be cancelled. */
struct reel_deferred *reel_defer_to_thread(struct reel_reactor *r, struct reel_pool *pool,
                                           void (*fn)(void *argument, struct reel_result *result),
                                           void *argument, void (*release)(void *argument));

#ifdef __cplusplus
}
#endif

#endif
