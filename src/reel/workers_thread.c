/* Workers that are threads. The parent reaches into a worker's reactor by reel_post and reel_stop
 * alone, and only while the lock says that it is there. */
#include "reel/crew.h"

#include <errno.h>

static void on_stop(struct reel_call *call)
{
    struct crew_member *m = CONTAINER_OF(call, struct crew_member, stop);
    reel_crew_stop_worker(m->crew, m->reactor);
}

static void on_ended(struct reel_call *call)
{
    struct crew_member *m = CONTAINER_OF(call, struct crew_member, ended);
    pthread_join(m->thread, NULL);
    pthread_mutex_destroy(&m->lock);
    m->running = false;
    if (m->error < 0)
        reel_crew_stop(m->crew, m->error);
}

/* False: a stop was asked for before there was anything to stop. */
static bool show_reactor(struct crew_member *m, struct reel_reactor *r)
{
    pthread_mutex_lock(&m->lock);
    bool goes_on = !m->stop_asked;
    m->reactor = r;
    pthread_mutex_unlock(&m->lock);
    return goes_on;
}

static int work(struct crew_member *m)
{
    int start_error = 0, err = 0;
    struct reel_reactor *r = reel_reactor_new(m->crew->options.reactor);
    if (!r)
        return -errno;
    if (show_reactor(m, r))
        err = reel_crew_work(m, r, &start_error);
    show_reactor(m, NULL);
    reel_reactor_free(r);
    return err < 0 ? err : start_error;
}

static void *thread_main(void *context)
{
    struct crew_member *m = context;
    m->error = work(m);
    m->ended.fn = on_ended;
    reel_post(m->crew->reactor, &m->ended);
    return NULL;
}

static int thread_start(struct crew_member *m)
{
    int error = pthread_mutex_init(&m->lock, NULL);
    if (error)
        return -error;
    m->stop.fn = on_stop;
    m->running = true;
    error = pthread_create(&m->thread, NULL, thread_main, m);
    if (error) {
        pthread_mutex_destroy(&m->lock);
        m->running = false;
    }
    return -error;
}

static void thread_stop(struct crew_member *m)
{
    pthread_mutex_lock(&m->lock);
    m->stop_asked = true;
    if (m->reactor)
        reel_post(m->reactor, &m->stop);
    pthread_mutex_unlock(&m->lock);
}

static void thread_force(struct crew_member *m)
{
    pthread_mutex_lock(&m->lock);
    if (m->reactor)
        reel_stop(m->reactor);
    pthread_mutex_unlock(&m->lock);
}

const struct crew_kind reel_crew_threads = {thread_start, thread_stop, thread_force};
