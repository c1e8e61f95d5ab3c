/* race: one balance, two who draw from it, a check and then a use.
 * With threads money is lost; with a mutex it is not; on one event loop there is nothing to lock, as
 * long as nothing comes between. */
#include <reel/reel.h>

#include "lab.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

enum { START = 9990, DRAW = 10 }; /* an odd number of draws */

/* Each access by itself is atomic: what goes wrong here goes wrong between two of them. */
static atomic_int balance, paid_out;

static void check_and_use(void (*between)(void))
{
    int seen = balance;
    if (seen < DRAW) /* the check: of what is there now */
        return;
    between();
    balance = seen - DRAW; /* the use: of what was there then */
    paid_out += DRAW;
}

static void nothing(void)
{
}

static void others_turn(void)
{
    /* As when one asks a database. Without it the same happens, only less often. */
    nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
}

static void *draw_all(void *unused)
{
    while (balance >= DRAW)
        check_and_use(others_turn);
    return unused;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *draw_all_locked(void *unused)
{
    while (balance >= DRAW) {
        pthread_mutex_lock(&lock);
        check_and_use(others_turn); /* the other may run, and finds the lock taken */
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

static void run_threads(void *(*draw)(void *))
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, draw, NULL) != 0)
            lab_cannot("pthread_create", EAGAIN);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

/* One of two visitors on one loop: a callback a draw. */
struct visitor {
    struct reel_idle idle;
    bool checked; /* what the split one found in an earlier callback */
};

static bool draw_once(struct reel_idle *idle)
{
    (void)idle;
    check_and_use(nothing);
    return balance >= DRAW;
}

static bool draw_split(struct reel_idle *idle)
{
    struct visitor *visitor = (struct visitor *)idle;
    if (visitor->checked) {
        balance = balance - DRAW;
        paid_out += DRAW;
    }
    visitor->checked = !visitor->checked && balance >= DRAW;
    return visitor->checked || balance >= DRAW;
}

static void run_loop(bool (*draw)(struct reel_idle *idle))
{
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    if (!reactor)
        lab_cannot("reel_reactor_new", errno);
    struct visitor visitors[2] = {0};
    for (int i = 0; i < 2; i++) {
        reel_idle_init(&visitors[i].idle, reactor, draw);
        reel_idle_start(&visitors[i].idle);
    }
    while (reel_idle_is_active(&visitors[0].idle) || reel_idle_is_active(&visitors[1].idle))
        reel_run_once(reactor, 0);
    reel_reactor_free(reactor);
}

static void start_anew(void)
{
    balance = START;
    paid_out = 0;
}

static void report(const char *how_z)
{
    int lost = paid_out - START + (balance > 0 ? balance : 0); /* paid, and never there */
    printf("%-42s paid out %7d, left %6d, lost %d\n", how_z, paid_out, balance, lost);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr, "usage: %s\n", argv[0]);
        return LAB_BAD_USAGE;
    }
    printf("the balance is %d, two draw %d at a time until it is empty\n", START, DRAW);
    start_anew();
    run_threads(draw_all);
    report("two threads");
    start_anew();
    run_threads(draw_all_locked);
    report("two threads and a mutex");
    start_anew();
    run_loop(draw_once);
    report("one loop, check and use in one callback");
    start_anew();
    run_loop(draw_split);
    report("one loop, check and use in two callbacks");
}
