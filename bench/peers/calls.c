#include "calls.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct counts {
    size_t added, cancelled, rearmed, rearms, fired, posted, pings;
} counts = {1000000, 500000, 10000, 2000000, 200000, 1000000, 20000};

#define MS     INT64_C(1000000)
#define SECOND INT64_C(1000000000)

static uint8_t *timers;
static uint32_t *order; /* of all timers, at random */
static size_t to_fire;
static uint64_t seed = 88172645463325252ULL;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

/* The same sequence for every library (xorshift64). */
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void *timer(size_t i)
{
    return timers + i * calls.timer_size;
}

static void print_each(const char *name_z, int64_t spent_ns, size_t count)
{
    printf("%s %.1f\n", name_z, (double)spent_ns / (double)count);
}

static int64_t cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void add(void)
{
    int64_t begin_ns = cpu_ns();
    for (size_t i = 0; i < counts.added; i++) {
        calls.timer_init(timer(i));
        calls.timer_start(timer(i), SECOND + (int64_t)(next_random() % 3600000) * MS);
    }
    print_each("timer-add-1M", cpu_ns() - begin_ns, counts.added);
}

static void cancel(void)
{
    int64_t begin_ns = cpu_ns();
    for (size_t i = 0; i < counts.cancelled; i++)
        calls.timer_stop(timer(order[i]));
    print_each("timer-cancel-500k", cpu_ns() - begin_ns, counts.cancelled);
    for (size_t i = counts.cancelled; i < counts.added; i++)
        calls.timer_stop(timer(order[i]));
}

/* Idle times of connections, pushed back with every message. */
static void rearm(void)
{
    assert(counts.added > 0 && counts.rearmed > 0);
    for (size_t i = 0; i < counts.rearmed; i++)
        calls.timer_start(timer(i), 60 * SECOND + (int64_t)i * 1000);
    int64_t begin_ns = cpu_ns();
    for (size_t i = 0; i < counts.rearms; i++)
        calls.timer_start(timer(order[i % counts.added] % counts.rearmed), 60 * SECOND);
    print_each("timer-rearm-10k", cpu_ns() - begin_ns, counts.rearms);
    for (size_t i = 0; i < counts.rearmed; i++)
        calls.timer_stop(timer(i));
}

static void add_to_fire(void)
{
    for (size_t i = 0; i < counts.fired; i++)
        calls.timer_start(timer(i), (int64_t)(next_random() % 100) * MS);
}

static void fire(void)
{
    to_fire = counts.fired;
    int64_t begin_ns = cpu_ns();
    calls.inside(add_to_fire);
    calls.run();
    print_each("timer-add+fire-200k", cpu_ns() - begin_ns, counts.fired);
}

void calls_fired(void)
{
    if (--to_fire == 0)
        calls.stop();
}

static void *post_all(void *context)
{
    calls.post(counts.posted);
    return context;
}

static void post(void)
{
    pthread_t thread;
    int64_t begin_ns = clock_ns(CLOCK_MONOTONIC);
    if (pthread_create(&thread, NULL, post_all, NULL) != 0)
        abort();
    calls.run();
    print_each("post-from-thread", clock_ns(CLOCK_MONOTONIC) - begin_ns, counts.posted);
    pthread_join(thread, NULL);
}

void calls_posted(void)
{
    calls.stop();
}

static void ping_pong(void)
{
    int64_t begin_ns = clock_ns(CLOCK_MONOTONIC);
    calls.ping_pong(counts.pings);
    print_each("thread-ping-pong", clock_ns(CLOCK_MONOTONIC) - begin_ns, counts.pings);
}

static void take_timers(void)
{
    timers = calloc(counts.added, calls.timer_size);
    order = calloc(counts.added, sizeof(*order));
    if (!timers || !order)
        abort();
    memset(timers, 1, counts.added * calls.timer_size); /* no page faults later */
    memset(timers, 0, counts.added * calls.timer_size);
    for (uint32_t i = 0; i < counts.added; i++) {
        uint32_t k = (uint32_t)(next_random() % (i + 1));
        order[i] = order[k];
        order[k] = i;
    }
}

static void divide(size_t by)
{
    size_t *const all[] = {&counts.added, &counts.cancelled, &counts.rearmed, &counts.rearms,
                           &counts.fired, &counts.posted,    &counts.pings};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        *all[i] /= by;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strtoul(argv[1], NULL, 10) > 1)
        divide(strtoul(argv[1], NULL, 10));
    take_timers();
    calls.open();
    calls.inside(add);
    calls.inside(cancel);
    calls.inside(rearm);
    fire();
    post();
    ping_pong();
    free(timers);
    free(order);
    return 0;
}
