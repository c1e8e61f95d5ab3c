#include "calls.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

static struct event_base *base;

static void inside(void (*fn)(void))
{
    fn();
}

static void on_timer(evutil_socket_t fd, short events, void *context)
{
    (void)fd;
    (void)events;
    (void)context;
    calls_fired();
}

static void timer_init(void *timer)
{
    event_assign(timer, base, -1, 0, on_timer, NULL);
}

static void timer_start(void *timer, int64_t delay_ns)
{
    struct timeval delay = {delay_ns / 1000000000, delay_ns % 1000000000 / 1000};
    event_add(timer, &delay);
}

static void timer_stop(void *timer)
{
    event_del(timer);
}

static void run(void)
{
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static void stop(void)
{
    event_base_loopbreak(base);
}

static atomic_bool all_posted;
static struct event posting;

static void on_posted(evutil_socket_t fd, short events, void *context)
{
    (void)fd;
    (void)events;
    (void)context;
    if (atomic_load(&all_posted))
        calls_posted();
}

/* event_active coalesces: the loop sees far fewer than `count` calls. */
static void post(size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        event_active(&posting, EV_READ, 0);
    atomic_store(&all_posted, true);
    event_active(&posting, EV_READ, 0);
}

static void open_base(void)
{
    evthread_use_pthreads();
    base = event_base_new();
    event_assign(&posting, base, -1, 0, on_posted, NULL);
}

struct end {
    struct event_base *own_base;
    struct event event;
    struct end *other;
    size_t left;
};

static void on_ball(evutil_socket_t fd, short events, void *context)
{
    (void)fd;
    (void)events;
    struct end *end = context;
    if (end->left == 0)
        event_base_loopbreak(end->own_base);
    else
        end->left--;
    event_active(&end->other->event, EV_READ, 0);
}

static void open_end(struct end *end, struct end *other, size_t count)
{
    end->own_base = event_base_new();
    event_assign(&end->event, end->own_base, -1, 0, on_ball, end);
    end->other = other;
    end->left = count;
}

static void *run_end(void *context)
{
    struct end *end = context;
    event_base_loop(end->own_base, EVLOOP_NO_EXIT_ON_EMPTY);
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
    event_active(&a.event, EV_READ, 0);
    run_end(&a);
    pthread_join(thread, NULL);
}

const struct calls calls = {sizeof(struct event), open_base, inside, timer_init, timer_start,
                            timer_stop,           run,       stop,   post,       ping_pong};
