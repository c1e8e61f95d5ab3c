#include "reel/job.h"

#include "reel/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum job_state {
    JOB_NEW,
    JOB_WAITS,
    JOB_RUNS,
    JOB_DONE, /* its call is with the reactor */
};

/* The state of its deferred. From JOB_WAITS to JOB_DONE it is the pool's, under its lock. */
struct job {
    struct reel_call call;
    struct reel_link link; /* in the pool's queue */
    struct reel_reactor *r;
    struct reel_deferred *d;
    struct reel_pool *pool; /* NULL: runs in the loop */
    pid_t pid;              /* whose pool */
    void (*fn)(void *argument, struct reel_result *result);
    void *argument;
    void (*release)(void *argument);
    struct reel_result result;
    enum job_state state;
    alignas(max_align_t) uint8_t room[];
};

struct reel_pool {
    struct reel_pool_options options;
    pid_t pid;
    pthread_mutex_t lock;
    pthread_cond_t work;   /* a job waits, or the pool ends */
    pthread_cond_t change; /* there is room, a job has ended, a thread has */
    struct reel_link queue;
    struct reel_pool_metrics metrics;
    bool ending;
};

/* ---- in the threads ---- */

static void wait_for_work(struct reel_pool *pool, const struct timespec *until)
{
    pool->metrics.idle++;
    if (pool->metrics.threads > pool->options.threads_min)
        pthread_cond_timedwait(&pool->work, &pool->lock, until);
    else
        pthread_cond_wait(&pool->work, &pool->lock);
    pool->metrics.idle--;
}

static struct timespec after(int64_t delay_ns)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t ns = at.tv_nsec + delay_ns % REEL_SECOND;
    at.tv_sec += (time_t)(delay_ns / REEL_SECOND + ns / REEL_SECOND);
    at.tv_nsec = (long)(ns % REEL_SECOND);
    return at;
}

static bool is_past(const struct timespec *at)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec != at->tv_sec ? now.tv_sec > at->tv_sec : now.tv_nsec >= at->tv_nsec;
}

/* The next job; NULL when this thread is to end. */
static struct job *next_job(struct reel_pool *pool)
{
    const struct timespec until = after(pool->options.idle_ns);
    while (list_is_empty(&pool->queue) && !pool->ending) {
        if (pool->metrics.threads > pool->options.threads_min && is_past(&until))
            return NULL;
        wait_for_work(pool, &until);
    }
    struct reel_link *link = list_take(&pool->queue);
    return link ? CONTAINER_OF(link, struct job, link) : NULL;
}

/* Posted under the lock: who finds the job done under the lock knows that the thread has left the
 * reactor alone. After the post the job is the reactor's. */
static void give_back(struct reel_pool *pool, struct job *job)
{
    job->state = JOB_DONE;
    reel_post(job->r, &job->call);
    pthread_cond_broadcast(&pool->change);
}

static void run_job(struct reel_pool *pool, struct job *job)
{
    job->state = JOB_RUNS;
    pool->metrics.waiting--;
    pool->metrics.running++;
    pthread_cond_broadcast(&pool->change);
    pthread_mutex_unlock(&pool->lock);
    job->fn(job->argument, &job->result);
    pthread_mutex_lock(&pool->lock);
    pool->metrics.running--;
    pool->metrics.done++;
    give_back(pool, job);
}

static void *run_thread(void *argument)
{
    struct reel_pool *pool = argument;
    struct job *job = NULL;
    pthread_mutex_lock(&pool->lock);
    while ((job = next_job(pool)))
        run_job(pool, job);
    pool->metrics.threads--;
    pthread_cond_broadcast(&pool->change);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* ---- the pool ---- */

static int init_locks(struct reel_pool *pool)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int err = pthread_mutex_init(&pool->lock, NULL);
    if (err == 0)
        err = pthread_cond_init(&pool->work, &monotonic);
    if (err == 0)
        err = pthread_cond_init(&pool->change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return -err;
}

struct reel_pool *reel_pool_new(const struct reel_pool_options *options)
{
    struct reel_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return NULL;
    if (options)
        pool->options = *options;
    struct reel_pool_options *own = &pool->options;
    own->threads_max = own->threads_max ? own->threads_max : REEL_POOL_THREADS;
    own->queue_max = own->queue_max ? own->queue_max : REEL_POOL_QUEUE;
    own->idle_ns = own->idle_ns > 0 ? own->idle_ns : REEL_POOL_IDLE_NS;
    list_init(&pool->queue);
    pool->pid = getpid();
    int err = own->threads_min > own->threads_max ? -EINVAL : init_locks(pool);
    if (err == 0)
        return pool;
    free(pool);
    errno = -err;
    return NULL;
}

static void cancel_waiting(struct reel_pool *pool)
{
    struct reel_link *link = NULL;
    while ((link = list_take(&pool->queue))) {
        struct job *job = CONTAINER_OF(link, struct job, link);
        pool->metrics.waiting--;
        reel_result_set_error(&job->result, -ECANCELED, "the pool has ended");
        give_back(pool, job);
    }
}

/* The child of a fork has none of the threads, and cannot know what they held. */
static bool is_of_parent(const struct reel_pool *pool)
{
    return pool->pid != getpid();
}

void reel_pool_free(struct reel_pool *pool)
{
    if (!pool)
        return;
    if (!is_of_parent(pool)) {
        pthread_mutex_lock(&pool->lock);
        pool->ending = true;
        cancel_waiting(pool);
        pthread_cond_broadcast(&pool->work);
        while (pool->metrics.threads)
            pthread_cond_wait(&pool->change, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
        pthread_cond_destroy(&pool->work);
        pthread_cond_destroy(&pool->change);
        pthread_mutex_destroy(&pool->lock);
    }
    free(pool);
}

void reel_pool_drain(struct reel_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->metrics.waiting || pool->metrics.running)
        pthread_cond_wait(&pool->change, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void reel_pool_metrics(struct reel_pool *pool, struct reel_pool_metrics *out)
{
    pthread_mutex_lock(&pool->lock);
    *out = pool->metrics;
    pthread_mutex_unlock(&pool->lock);
}

/* Detached: a thread that ends early leaves nothing to be fetched; the pool counts them. */
static int start_thread(struct reel_pool *pool)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    int err = pthread_attr_init(&attributes);
    if (err)
        return -err;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pool->options.stack_size)
        err = pthread_attr_setstacksize(&attributes, pool->options.stack_size);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (err == 0)
        err = pthread_create(&thread, &attributes, run_thread, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    pool->metrics.threads += err == 0;
    return -err;
}

/* More jobs than idle threads: one more of them, if there may be and can be. */
static int put_locked(struct reel_pool *pool, struct job *job)
{
    while (pool->options.waits && pool->metrics.waiting >= pool->options.queue_max)
        pthread_cond_wait(&pool->change, &pool->lock);
    if (pool->metrics.waiting >= pool->options.queue_max)
        return -ENOBUFS;
    int err = 0;
    if (pool->metrics.waiting >= pool->metrics.idle &&
        pool->metrics.threads < pool->options.threads_max)
        err = start_thread(pool);
    if (pool->metrics.threads == 0)
        return err == -ENOMEM ? -ENOMEM : -EAGAIN;
    job->state = JOB_WAITS;
    pool->metrics.waiting++;
    list_put(&pool->queue, &job->link);
    pthread_cond_signal(&pool->work);
    return 0;
}

static int put(struct reel_pool *pool, struct job *job)
{
    pthread_mutex_lock(&pool->lock);
    int err = put_locked(pool, job);
    pool->metrics.refused += err < 0;
    pthread_mutex_unlock(&pool->lock);
    return err;
}

/* ---- jobs, in the reactor's thread ---- */

static void fire(struct job *job)
{
    struct reel_result result = job->result;
    if (job->release && (result.error || result.pointer != job->argument))
        job->release(job->argument);
    if (result.error)
        reel_deferred_errback(job->d, result.error, result.why_z);
    else
        reel_deferred_callback(job->d, result.number, result.pointer, result.release);
}

static void on_done(struct reel_call *call)
{
    fire(CONTAINER_OF(call, struct job, call));
}

static void run_in_loop(struct reel_call *call)
{
    struct job *job = CONTAINER_OF(call, struct job, call);
    if (!job->result.error)
        job->fn(job->argument, &job->result);
    fire(job);
}

/* Takes it out of the queue, if it is there. At the reactor's end what runs is waited for: its post
 * would come to nothing. */
static bool take_back(struct job *job)
{
    struct reel_pool *pool = job->pool;
    pthread_mutex_lock(&pool->lock);
    bool waits = job->state == JOB_WAITS;
    if (waits) {
        list_remove(&job->link);
        pool->metrics.waiting--;
        pthread_cond_broadcast(&pool->change);
    }
    while (job->r->ending && job->state == JOB_RUNS)
        pthread_cond_wait(&pool->change, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    return waits;
}

/* Whether the job is stopped for good before it ended. In the child of a fork that is so for all
 * that were with the pool; one for the loop is stopped by its result, when its call comes. */
static bool is_stopped(struct job *job)
{
    if (!job->pool)
        return true;
    return job->pid == getpid() ? take_back(job) : job->state != JOB_DONE;
}

static void cancel_job(struct reel_deferred *d)
{
    struct job *job = reel_deferred_state(d);
    const bool stopped = is_stopped(job);
    if (stopped)
        job->result = (struct reel_result){.error = -ECANCELED, .why_z = "cancelled"};
    if (job->r->ending || (stopped && job->pool))
        fire(job);
    else
        reel_deferred_fires_later(d);
}

struct reel_deferred *reel_job_new(struct reel_reactor *r,
                                   void (*fn)(void *argument, struct reel_result *result),
                                   size_t size, void (*release)(void *argument))
{
    struct reel_deferred *d = reel_deferred_new(r, cancel_job, sizeof(struct job) + size);
    if (!d)
        return NULL;
    struct job *job = reel_deferred_state(d);
    job->r = r;
    job->d = d;
    job->fn = fn;
    job->argument = job->room;
    job->release = release;
    return d;
}

void *reel_job_argument(struct reel_deferred *d)
{
    struct job *job = reel_deferred_state(d);
    return job->room;
}

/* The reactor's own; made anew in the child of a fork. */
static struct reel_pool *pool_of(struct reel_reactor *r)
{
    if (r->pool)
        return r->pool;
    if (r->own_pool && is_of_parent(r->own_pool))
        reel_own_pool_fini(r);
    if (!r->own_pool)
        r->own_pool = reel_pool_new(NULL);
    return r->own_pool;
}

void reel_own_pool_fini(struct reel_reactor *r)
{
    reel_pool_free(r->own_pool);
    r->own_pool = NULL;
}

void reel_job_start(struct reel_deferred *d, struct reel_pool *pool)
{
    struct job *job = reel_deferred_state(d);
    assert(job->state == JOB_NEW);
    struct reel_reactor *r = job->r;
    if (r->wake_fd < 0) { /* virtual time: no thread could wake it */
        job->call.fn = run_in_loop;
        job->state = JOB_WAITS;
        reel_defer(r, &job->call);
        return;
    }
    job->call.fn = on_done;
    job->pool = pool ? pool : pool_of(r);
    job->pid = getpid();
    int err = -ENOMEM;
    if (job->pool)
        err = is_of_parent(job->pool) ? -EAGAIN : put(job->pool, job);
    if (err == 0)
        return;
    reel_result_set_error(&job->result, err, err == -ENOBUFS ? "too many jobs wait" : NULL);
    fire(job);
}

struct reel_deferred *reel_defer_to_thread(struct reel_reactor *r, struct reel_pool *pool,
                                           void (*fn)(void *argument, struct reel_result *result),
                                           void *argument, void (*release)(void *argument))
{
    struct reel_deferred *d = reel_job_new(r, fn, 0, release);
    if (!d) {
        if (release)
            release(argument);
        return NULL;
    }
    struct job *job = reel_deferred_state(d);
    job->argument = argument;
    reel_job_start(d, pool);
    return d;
}
