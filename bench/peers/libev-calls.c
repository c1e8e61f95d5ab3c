#include "calls.h"

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

static struct ev_loop *loop;

static void inside(void (*fn)(void))
{
    ev_now_update(loop);
    fn();
}

static void on_timer(struct ev_loop *own, ev_timer *timer, int events)
{
    (void)own;
    (void)timer;
    (void)events;
    calls_fired();
}

static void timer_init(void *timer)
{
    ev_timer_init((ev_timer *)timer, on_timer, 0., 0.);
}

/* ev_timer_again starts it, or moves it lazily. */
static void timer_start(void *timer, int64_t delay_ns)
{
    ev_timer *t = timer;
    if (ev_is_active(t)) {
        t->repeat = (ev_tstamp)delay_ns * 1e-9;
        ev_timer_again(loop, t);
    } else {
        ev_timer_set(t, (ev_tstamp)delay_ns * 1e-9, 0.);
        ev_timer_start(loop, t);
    }
}

static void timer_stop(void *timer)
{
    ev_timer_stop(loop, timer);
}

static void run(void)
{
    ev_run(loop, 0);
}

static void stop(void)
{
    ev_break(loop, EVBREAK_ALL);
}

static atomic_bool all_posted;
static ev_async posting;

static void on_async(struct ev_loop *own, ev_async *async, int events)
{
    (void)own;
    (void)async;
    (void)events;
    if (atomic_load(&all_posted))
        calls_posted();
}

/* ev_async_send coalesces: the loop sees far fewer than `count` calls. */
static void post(size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        ev_async_send(loop, &posting);
    atomic_store(&all_posted, true);
    ev_async_send(loop, &posting);
}

static void open_loop(void)
{
    loop = ev_default_loop(EVFLAG_AUTO);
    ev_async_init(&posting, on_async);
    ev_async_start(loop, &posting);
}

struct end {
    struct ev_loop *own_loop;
    ev_async async;
    struct end *other;
    size_t left;
};

static void on_ball(struct ev_loop *own, ev_async *async, int events)
{
    (void)events;
    struct end *end = async->data;
    if (end->left == 0)
        ev_break(own, EVBREAK_ALL);
    else
        end->left--;
    ev_async_send(end->other->own_loop, &end->other->async);
}

static void open_end(struct end *end, struct end *other, size_t count)
{
    end->own_loop = ev_loop_new(EVFLAG_AUTO);
    ev_async_init(&end->async, on_ball);
    ev_async_start(end->own_loop, &end->async);
    end->async.data = end;
    end->other = other;
    end->left = count;
}

static void *run_end(void *context)
{
    struct end *end = context;
    ev_run(end->own_loop, 0);
    return NULL;
}

static void ping_pong(size_t count)
{
    static struct end a, b;
    pthread_t thread;
    open_end(&a, &b, count);
    open_end(&b, &a, count);
    if (pthread_create(&thread, NULL, run_end, &b) != 0)
        abort();
    ev_async_send(a.own_loop, &a.async);
    run_end(&a);
    pthread_join(thread, NULL);
}

const struct calls calls = {sizeof(ev_timer), open_loop, inside, timer_init, timer_start,
                            timer_stop,       run,       stop,   post,       ping_pong};
