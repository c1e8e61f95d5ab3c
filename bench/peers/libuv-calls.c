#include "calls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

#define MS INT64_C(1000000)

static uv_loop_t *loop;

static void open_loop(void)
{
    loop = uv_default_loop();
}

static void inside(void (*fn)(void))
{
    uv_update_time(loop);
    fn();
}

static void timer_init(void *timer)
{
    uv_timer_init(loop, timer);
}

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
    calls_fired();
}

static void timer_start(void *timer, int64_t delay_ns)
{
    uv_timer_start(timer, on_timer, (uint64_t)(delay_ns / MS), 0);
}

static void timer_stop(void *timer)
{
    uv_timer_stop(timer);
}

static void run(void)
{
    static uv_async_t awake; /* a loop with nothing on it would end at once */
    if (!awake.loop)
        uv_async_init(loop, &awake, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
}

static void stop(void)
{
    uv_stop(loop);
}

static atomic_bool all_posted;

static void on_async(uv_async_t *async)
{
    (void)async;
    if (atomic_load(&all_posted))
        calls_posted();
}

static uv_async_t posting;

/* uv_async_send coalesces: the loop sees far fewer than `count` calls. */
static void post(size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        uv_async_send(&posting);
    atomic_store(&all_posted, true);
    uv_async_send(&posting);
}

struct end {
    uv_loop_t own_loop;
    uv_async_t async;
    struct end *other;
    size_t left;
};

static void on_ball(uv_async_t *async)
{
    struct end *end = async->data;
    if (end->left == 0)
        uv_stop(&end->own_loop);
    else
        end->left--;
    uv_async_send(&end->other->async);
}

static void open_end(struct end *end, struct end *other, size_t count)
{
    uv_loop_init(&end->own_loop);
    uv_async_init(&end->own_loop, &end->async, on_ball);
    end->async.data = end;
    end->other = other;
    end->left = count;
}

static void *run_end(void *context)
{
    struct end *end = context;
    uv_run(&end->own_loop, UV_RUN_DEFAULT);
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
    uv_async_send(&a.async);
    run_end(&a);
    pthread_join(thread, NULL);
}

static void open_all(void)
{
    open_loop();
    uv_async_init(loop, &posting, on_async);
}

const struct calls calls = {sizeof(uv_timer_t), open_all, inside, timer_init, timer_start,
                            timer_stop,         run,      stop,   post,       ping_pong};
