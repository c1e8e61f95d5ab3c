/* Threads and what they do for a reactor. */
#include "helper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct counting_allocator counts;

static int set_up(void **state)
{
    const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
    *state = reel_reactor_new(&options);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    counts.fail_after = -1;
    reel_reactor_free(*state);
    assert_int_equal(counts.live, 0);
    return 0;
}

struct outcome {
    int calls, errors, error;
    int64_t number;
    void *pointer;
};

static void hear(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    struct outcome *outcome = context;
    outcome->calls++;
    outcome->errors += result->error != 0;
    outcome->error = result->error;
    outcome->number += result->number;
    outcome->pointer = result->pointer;
}

static void run_until_heard(struct reel_reactor *r, const struct outcome *outcome, int calls)
{
    for (int turns = 0; turns < 100000 && outcome->calls < calls; turns++)
        assert_true(reel_run_once(r, REEL_SECOND) >= 0);
    assert_int_equal(outcome->calls, calls);
}

struct work {
    pthread_t loop;
    int64_t number;
    bool fails;
};

static int released; /* in the loop's thread */

static void release_work(void *argument)
{
    struct work *work = argument;
    assert_true(pthread_equal(work->loop, pthread_self()));
    released++;
    free(work);
}

static struct work *new_work(int64_t number)
{
    struct work *work = calloc(1, sizeof(*work));
    *work = (struct work){pthread_self(), number, false};
    return work;
}

static void double_it(void *argument, struct reel_result *result)
{
    struct work *work = argument;
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 1);
    assert_false(pthread_equal(work->loop, pthread_self()));
    if (work->fails)
        reel_result_set_error(result, -EDOM, "it was to fail");
    else
        reel_result_set_value(result, 2 * work->number, NULL, NULL);
}

static void a_job_runs_in_a_thread_and_is_heard_in_the_loop(void **state)
{
    struct reel_reactor *r = *state;
    struct outcome outcome = {0};
    released = 0;
    reel_deferred_done(reel_defer_to_thread(r, NULL, double_it, new_work(21), release_work), hear,
                       &outcome);
    run_until_heard(r, &outcome, 1);
    assert_int_equal(outcome.number, 42);
    struct work *work = new_work(1);
    work->fails = true;
    reel_deferred_done(reel_defer_to_thread(r, NULL, double_it, work, release_work), hear,
                       &outcome);
    run_until_heard(r, &outcome, 2);
    assert_int_equal(outcome.error, -EDOM);
    assert_int_equal(released, 2);
}

static void give_argument_back(void *argument, struct reel_result *result)
{
    reel_result_set_value(result, 1, argument, release_work);
}

static void an_argument_may_become_the_value(void **state)
{
    struct reel_reactor *r = *state;
    struct outcome outcome = {0};
    released = 0;
    struct work *work = new_work(1);
    reel_deferred_done(reel_defer_to_thread(r, NULL, give_argument_back, work, release_work), hear,
                       &outcome);
    run_until_heard(r, &outcome, 1);
    assert_ptr_equal(outcome.pointer, work);
    assert_int_equal(released, 1);
}

enum { JOBS = 2000 };

static void many_jobs_wake_the_loop_less_often(void **state)
{
    struct reel_reactor *r = *state;
    struct outcome outcome = {0};
    released = 0;
    struct reel_pool *pool =
        reel_pool_new(&(struct reel_pool_options){.threads_max = 4, .queue_max = JOBS});
    for (int i = 1; i <= JOBS; i++)
        reel_deferred_done(reel_defer_to_thread(r, pool, double_it, new_work(i), release_work),
                           hear, &outcome);
    reel_pool_drain(pool);
    struct reel_metrics before, after;
    reel_metrics(r, &before);
    assert_true(reel_run_once(r, REEL_SECOND) >= 0);
    reel_metrics(r, &after);
    assert_int_equal(after.posted - before.posted, JOBS);
    assert_int_equal(after.events - before.events, 1); /* one for them all */
    run_until_heard(r, &outcome, JOBS);
    assert_int_equal(outcome.number, (int64_t)JOBS * (JOBS + 1));
    assert_int_equal(released, JOBS);
    struct reel_pool_metrics metrics;
    reel_pool_metrics(pool, &metrics);
    assert_int_equal(metrics.done, JOBS);
    assert_true(metrics.threads >= 1 && metrics.threads <= 4);
    assert_int_equal(metrics.waiting + metrics.running, 0);
    reel_pool_free(pool);
}

/* A gate that jobs wait at. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t change;
    int inside;
    bool open;
};

static void pass_gate(void *argument, struct reel_result *result)
{
    struct gate *gate = argument;
    pthread_mutex_lock(&gate->lock);
    gate->inside++;
    pthread_cond_broadcast(&gate->change);
    while (!gate->open)
        pthread_cond_wait(&gate->change, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    reel_result_set_value(result, 1, NULL, NULL);
}

static void init_gate(struct gate *gate)
{
    *gate = (struct gate){.open = false};
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->change, NULL);
}

static void await_inside(struct gate *gate, int count)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->inside < count)
        pthread_cond_wait(&gate->change, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void open_gate(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->change);
    pthread_mutex_unlock(&gate->lock);
}

static struct reel_deferred *to_gate(struct reel_reactor *r, struct reel_pool *pool,
                                     struct gate *gate, struct outcome *outcome)
{
    struct reel_deferred *d = reel_defer_to_thread(r, pool, pass_gate, gate, NULL);
    reel_deferred_done(d, hear, outcome);
    return d;
}

static void threads_grow_at_need_up_to_the_maximum(void **state)
{
    struct reel_reactor *r = *state;
    struct gate gate;
    struct outcome outcome = {0};
    struct reel_pool_metrics metrics;
    init_gate(&gate);
    struct reel_pool *pool =
        reel_pool_new(&(struct reel_pool_options){.threads_max = 3, .queue_max = 2});
    reel_pool_metrics(pool, &metrics);
    assert_int_equal(metrics.threads, 0);
    for (int i = 1; i <= 3; i++) {
        to_gate(r, pool, &gate, &outcome);
        await_inside(&gate, i);
        reel_pool_metrics(pool, &metrics);
        assert_int_equal(metrics.threads, i);
    }
    for (int i = 0; i < 3; i++) /* two wait, the third is refused */
        to_gate(r, pool, &gate, &outcome);
    reel_pool_metrics(pool, &metrics);
    assert_int_equal(metrics.threads, 3);
    assert_int_equal(metrics.waiting, 2);
    assert_int_equal(metrics.running, 3);
    assert_int_equal(metrics.refused, 1);
    run_until_heard(r, &outcome, 1);
    assert_int_equal(outcome.error, -ENOBUFS);
    open_gate(&gate);
    run_until_heard(r, &outcome, 6);
    assert_int_equal(outcome.errors, 1);
    reel_pool_free(pool);
}

static void idle_threads_end(void **state)
{
    struct reel_reactor *r = *state;
    struct gate gate;
    struct outcome outcome = {0};
    struct reel_pool_metrics metrics = {0};
    init_gate(&gate);
    struct reel_pool *pool = reel_pool_new(
        &(struct reel_pool_options){.threads_min = 1, .threads_max = 4, .idle_ns = REEL_MS});
    for (int i = 0; i < 4; i++)
        to_gate(r, pool, &gate, &outcome);
    await_inside(&gate, 4);
    open_gate(&gate);
    run_until_heard(r, &outcome, 4);
    for (int i = 0; i < 10000; i++) {
        reel_pool_metrics(pool, &metrics);
        if (metrics.threads == 1)
            break;
        usleep(1000);
    }
    assert_int_equal(metrics.threads, 1);
    usleep(5000);
    reel_pool_metrics(pool, &metrics);
    assert_int_equal(metrics.threads, 1);
    assert_int_equal(metrics.idle, 1);
    to_gate(r, pool, &gate, &outcome);
    run_until_heard(r, &outcome, 5);
    reel_pool_free(pool);
}

static void *open_soon(void *argument)
{
    usleep(5000);
    open_gate(argument);
    return NULL;
}

static void a_pool_may_let_its_callers_wait(void **state)
{
    struct reel_reactor *r = *state;
    struct gate gate;
    struct outcome outcome = {0};
    pthread_t thread;
    init_gate(&gate);
    struct reel_pool *pool =
        reel_pool_new(&(struct reel_pool_options){.threads_max = 1, .queue_max = 1, .waits = true});
    to_gate(r, pool, &gate, &outcome);
    await_inside(&gate, 1);
    to_gate(r, pool, &gate, &outcome);
    assert_int_equal(pthread_create(&thread, NULL, open_soon, &gate), 0);
    to_gate(r, pool, &gate, &outcome); /* stands here until the gate is open */
    assert_true(gate.open);
    pthread_join(thread, NULL);
    run_until_heard(r, &outcome, 3);
    assert_int_equal(outcome.number, 3);
    reel_pool_free(pool);
}

static void a_job_is_cancelled_while_it_waits_and_not_while_it_runs(void **state)
{
    struct reel_reactor *r = *state;
    struct gate gate;
    struct outcome runs = {0}, waits = {0};
    init_gate(&gate);
    struct reel_pool *pool = reel_pool_new(&(struct reel_pool_options){.threads_max = 1});
    struct reel_deferred *first = to_gate(r, pool, &gate, &runs);
    await_inside(&gate, 1);
    released = 0;
    struct reel_deferred *second =
        reel_defer_to_thread(r, pool, double_it, new_work(1), release_work);
    reel_deferred_done(second, hear, &waits);
    struct reel_deferred *third =
        reel_defer_to_thread(r, pool, double_it, new_work(1), release_work);
    assert_true(reel_deferred_cancel(second));
    reel_deferred_drop(third);
    assert_int_equal(released, 2);
    run_until_heard(r, &waits, 1);
    assert_int_equal(waits.error, -ECANCELED);
    assert_true(reel_deferred_cancel(first));
    assert_true(reel_deferred_cancel(first));
    assert_true(reel_run_once(r, 0) >= 0);
    assert_int_equal(runs.calls, 0);
    open_gate(&gate);
    run_until_heard(r, &runs, 1);
    assert_int_equal(runs.number, 1);
    struct reel_pool_metrics metrics;
    reel_pool_drain(pool);
    reel_pool_metrics(pool, &metrics);
    assert_int_equal(metrics.done, 1);
    reel_pool_free(pool);
}

static void a_pools_end_cancels_what_waits(void **state)
{
    struct reel_reactor *r = *state;
    struct gate gate;
    struct outcome outcome = {0};
    pthread_t thread;
    init_gate(&gate);
    struct reel_pool *pool = reel_pool_new(&(struct reel_pool_options){.threads_max = 1});
    to_gate(r, pool, &gate, &outcome);
    await_inside(&gate, 1);
    to_gate(r, pool, &gate, &outcome);
    to_gate(r, pool, &gate, &outcome);
    assert_int_equal(pthread_create(&thread, NULL, open_soon, &gate), 0);
    reel_pool_free(pool);
    pthread_join(thread, NULL);
    run_until_heard(r, &outcome, 3);
    assert_int_equal(outcome.errors, 2);
    assert_int_equal(outcome.number, 1);
    reel_pool_free(NULL);
}

/* One runs, one has run and is not yet heard, one waits. */
static void a_reactors_end_waits_for_its_jobs(void **state)
{
    (void)state;
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct gate gate;
    struct outcome done = {0}, runs = {0}, waits = {0};
    pthread_t thread;
    init_gate(&gate);
    released = 0;
    struct reel_pool *pool = reel_pool_new(&(struct reel_pool_options){.threads_max = 1});
    reel_deferred_done(reel_defer_to_thread(r, pool, double_it, new_work(4), release_work), hear,
                       &done);
    reel_pool_drain(pool);
    to_gate(r, pool, &gate, &runs);
    await_inside(&gate, 1);
    reel_deferred_done(reel_defer_to_thread(r, pool, double_it, new_work(1), release_work), hear,
                       &waits);
    assert_int_equal(pthread_create(&thread, NULL, open_soon, &gate), 0);
    reel_reactor_free(r);
    assert_true(gate.open);
    pthread_join(thread, NULL);
    assert_int_equal(done.number, 8);
    assert_int_equal(runs.number, 1);
    assert_int_equal(waits.error, -ECANCELED);
    assert_int_equal(released, 2);
    reel_pool_free(pool);
}

static void the_applications_pool_serves_several_reactors(void **state)
{
    (void)state;
    struct reel_pool *pool = reel_pool_new(NULL);
    const struct reel_reactor_options options = {.pool = pool};
    struct reel_reactor *a = reel_reactor_new(&options), *b = reel_reactor_new(&options);
    struct outcome outcome_a = {0}, outcome_b = {0};
    for (int i = 0; i < 20; i++) {
        reel_deferred_done(reel_defer_to_thread(a, NULL, double_it, new_work(1), release_work),
                           hear, &outcome_a);
        reel_deferred_done(reel_defer_to_thread(b, NULL, double_it, new_work(2), release_work),
                           hear, &outcome_b);
    }
    run_until_heard(a, &outcome_a, 20);
    run_until_heard(b, &outcome_b, 20);
    assert_int_equal(outcome_a.number, 40);
    assert_int_equal(outcome_b.number, 80);
    reel_reactor_free(a);
    reel_reactor_free(b);
    struct reel_pool_metrics metrics;
    reel_pool_metrics(pool, &metrics);
    assert_int_equal(metrics.done, 40);
    reel_pool_free(pool);
}

static void run_here(void *argument, struct reel_result *result)
{
    struct work *work = argument;
    assert_true(pthread_equal(work->loop, pthread_self()));
    reel_result_set_value(result, work->number, NULL, NULL);
}

static void on_a_test_reactor_jobs_run_in_the_loop(void **state)
{
    (void)state;
    struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
    struct outcome outcome = {0}, cancelled = {0}, ended = {0};
    released = 0;
    reel_deferred_done(reel_defer_to_thread(r, NULL, run_here, new_work(7), release_work), hear,
                       &outcome);
    struct reel_deferred *d = reel_defer_to_thread(r, NULL, run_here, new_work(7), release_work);
    reel_deferred_done(d, hear, &cancelled);
    reel_deferred_cancel(d);
    assert_int_equal(outcome.calls, 0);
    reel_test_advance(r, 0);
    assert_int_equal(outcome.number, 7);
    assert_int_equal(cancelled.error, -ECANCELED);
    reel_deferred_done(reel_defer_to_thread(r, NULL, run_here, new_work(7), release_work), hear,
                       &ended);
    reel_reactor_free(r);
    assert_int_equal(ended.error, -ECANCELED);
    assert_int_equal(released, 3);
}

static void no_memory_no_threads_no_pool(void **state)
{
    struct reel_reactor *r = *state;
    struct outcome outcome = {0};
    released = 0;
    counts.fail_after = 0;
    assert_null(reel_defer_to_thread(r, NULL, double_it, new_work(1), release_work));
    assert_null(reel_defer_to_thread(r, NULL, double_it, &outcome, NULL));
    counts.fail_after = -1;
    assert_int_equal(released, 1);
    assert_null(reel_pool_new(&(struct reel_pool_options){.threads_min = 9}));
    assert_int_equal(errno, EINVAL);
    struct reel_pool *pool = reel_pool_new(&(struct reel_pool_options){.stack_size = 1});
    reel_deferred_done(reel_defer_to_thread(r, pool, double_it, new_work(1), release_work), hear,
                       &outcome);
    run_until_heard(r, &outcome, 1);
    assert_int_equal(outcome.error, -EAGAIN);
    assert_int_equal(released, 2);
    reel_pool_free(pool);
}

/* The child has no threads: its own pool is a new one, the jobs of before are over. */
static void a_pool_does_not_cross_a_fork(void **state)
{
    struct reel_reactor *r = *state;
    struct gate gate;
    struct outcome before = {0}, here = {0};
    init_gate(&gate);
    to_gate(r, NULL, &gate, &before);
    await_inside(&gate, 1);
    struct reel_pool *pool = reel_pool_new(NULL);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct outcome refused = {0};
        assert_int_equal(reel_after_fork(r), 0);
        reel_deferred_done(reel_defer_to_thread(r, NULL, double_it, new_work(5), release_work),
                           hear, &here);
        to_gate(r, pool, &gate, &refused);
        run_until_heard(r, &here, 1);
        run_until_heard(r, &refused, 1);
        reel_reactor_free(r);
        reel_pool_free(pool);
        _exit(here.number == 10 && refused.error == -EAGAIN && before.error == -ECANCELED ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    open_gate(&gate);
    run_until_heard(r, &before, 1);
    assert_int_equal(before.number, 1);
    reel_pool_free(pool);
}

/* Cancels fall at every moment of a job's life. */
static void cancels_race_with_threads(void **state)
{
    struct reel_reactor *r = *state;
    struct outcome outcome = {0};
    released = 0;
    enum { ROUNDS = 300, EACH = 8 };
    for (int round = 0; round < ROUNDS; round++) {
        struct reel_deferred *d[EACH];
        for (int i = 0; i < EACH; i++) {
            d[i] = reel_defer_to_thread(r, NULL, double_it, new_work(1), release_work);
            reel_deferred_done(d[i], hear, &outcome);
        }
        for (int i = 0; i < EACH; i++)
            if ((round + i) % 3)
                reel_deferred_cancel(d[i]);
        run_until_heard(r, &outcome, (round + 1) * EACH);
    }
    assert_int_equal(released, ROUNDS * EACH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_job_runs_in_a_thread_and_is_heard_in_the_loop),
        TEST(an_argument_may_become_the_value),
        TEST(many_jobs_wake_the_loop_less_often),
        TEST(threads_grow_at_need_up_to_the_maximum),
        TEST(idle_threads_end),
        TEST(a_pool_may_let_its_callers_wait),
        TEST(a_job_is_cancelled_while_it_waits_and_not_while_it_runs),
        TEST(a_pools_end_cancels_what_waits),
        TEST(a_reactors_end_waits_for_its_jobs),
        TEST(the_applications_pool_serves_several_reactors),
        TEST(on_a_test_reactor_jobs_run_in_the_loop),
        TEST(no_memory_no_threads_no_pool),
        TEST(a_pool_does_not_cross_a_fork),
        TEST(cancels_race_with_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
