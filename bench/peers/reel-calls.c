#include "calls.h"

#include <reel/reel.h>

#include <pthread.h>
#include <stdlib.h>

static struct reel_reactor *reactor;

struct inside {
    struct reel_call call;
    void (*fn)(void);
};

static void open_reactor(void)
{
    reactor = reel_reactor_new(NULL);
    if (!reactor)
        abort();
}

static void call_inside(struct reel_call *call)
{
    ((struct inside *)call)->fn();
}

static void inside(void (*fn)(void))
{
    struct inside in = {.call = {.fn = call_inside}, .fn = fn};
    reel_defer(reactor, &in.call);
    reel_run_once(reactor, 0);
}

static void on_timer(struct reel_timer *timer)
{
    (void)timer;
    calls_fired();
}

static void timer_init(void *timer)
{
    if (reel_timer_init(timer, reactor, on_timer) < 0)
        abort();
}

static void timer_start(void *timer, int64_t delay_ns)
{
    reel_timer_start(timer, delay_ns);
}

static void timer_stop(void *timer)
{
    reel_timer_stop(timer);
}

static void run(void)
{
    reel_run(reactor);
}

static void stop(void)
{
    reel_stop(reactor);
}

static struct reel_call *posts;

static void on_post(struct reel_call *call)
{
    (void)call;
}

static void on_last_post(struct reel_call *call)
{
    (void)call;
    free(posts);
    calls_posted();
}

/* Each post is a call of its own, which is made: nothing is coalesced but the wake-up. */
static void post(size_t count)
{
    posts = calloc(count, sizeof(*posts));
    if (!posts)
        abort();
    for (size_t i = 0; i < count; i++) {
        posts[i].fn = i + 1 < count ? on_post : on_last_post;
        reel_post(reactor, &posts[i]);
    }
}

/* One call that goes to and fro between two reactors. */
struct ball {
    struct reel_call call;
    struct reel_reactor *here, *there;
    size_t left;
};

static void on_ball(struct reel_call *call)
{
    struct ball *ball = (struct ball *)call;
    struct reel_reactor *here = ball->here;
    if (ball->left-- == 0) {
        reel_stop(here);
        reel_stop(ball->there);
        return;
    }
    ball->here = ball->there;
    ball->there = here;
    reel_post(ball->here, call);
}

static void *run_other(void *other)
{
    reel_run(other);
    return NULL;
}

static void ping_pong(size_t count)
{
    pthread_t thread;
    struct reel_reactor *other = reel_reactor_new(NULL);
    struct ball ball = {{.fn = on_ball}, reactor, other, 2 * count};
    if (!other || pthread_create(&thread, NULL, run_other, other) != 0)
        abort();
    reel_post(reactor, &ball.call);
    reel_run(reactor);
    pthread_join(thread, NULL);
    reel_reactor_free(other);
}

const struct calls calls = {sizeof(struct reel_timer),
                            open_reactor,
                            inside,
                            timer_init,
                            timer_start,
                            timer_stop,
                            run,
                            stop,
                            post,
                            ping_pong};
