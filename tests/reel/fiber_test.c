/* Fibers: awaits, many of them, cancellation, ends, memory. */
#include "helper.h"

#include <errno.h>
#include <fenv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct counting_allocator counts;

static struct reel_reactor *new_reactor(size_t stack_size, size_t max)
{
    const struct reel_reactor_options options = {
        .allocator = counting_allocator(&counts),
        .fiber_stack_size = stack_size,
        .fibers_max = max,
    };
    return reel_test_reactor_new(&options, 0);
}

static int set_up(void **state)
{
    *state = new_reactor(0, 0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    struct reel_metrics metrics;
    reel_metrics(*state, &metrics);
    assert_int_equal(metrics.deferreds, 0);
    reel_reactor_free(*state);
    assert_int_equal(counts.live, 0);
    return 0;
}

struct outcome {
    int calls, error;
    int64_t number;
};

static void hear(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    struct outcome *outcome = context;
    outcome->calls++;
    outcome->error = result->error;
    outcome->number = result->number;
}

struct scene {
    struct reel_deferred *first, *second;
    struct reel_result result;
    int errors[4];
    int steps;
    char log[64];
};

static int64_t await_two(struct reel_reactor *r, void *argument)
{
    struct scene *scene = argument;
    assert_true(reel_fiber_is_running(r));
    scene->steps = 1;
    scene->errors[0] = reel_await(scene->first, &scene->result);
    scene->steps = 2;
    scene->errors[1] = reel_await(scene->second, NULL);
    scene->steps = 3;
    return scene->errors[1] < 0 ? scene->errors[1] : scene->result.number;
}

static int released;

static void count_release(void *pointer)
{
    released++;
    free(pointer);
}

static void awaits_read_straight(void **state)
{
    struct reel_reactor *r = *state;
    struct outcome outcome = {0};
    struct scene scene = {.first = reel_deferred_new(r, NULL, 0),
                          .second = reel_deferred_new(r, NULL, 0)};
    released = 0;
    reel_deferred_done(reel_fiber_start(r, await_two, &scene), hear, &outcome);
    assert_int_equal(scene.steps, 0);
    reel_test_advance(r, 0);
    assert_int_equal(scene.steps, 1);
    assert_false(reel_fiber_is_running(r));
    reel_deferred_callback(scene.first, 42, malloc(8), count_release);
    assert_int_equal(scene.steps, 1);
    reel_test_advance(r, 0);
    assert_int_equal(scene.steps, 2);
    assert_int_equal(released, 0); /* it is the fiber's */
    reel_result_release(&scene.result);
    reel_deferred_callback(scene.second, 0, malloc(8), count_release);
    reel_test_advance(r, 0);
    assert_int_equal(released, 2);
    assert_int_equal(scene.steps, 3);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.number, 42);
}

static void what_has_fired_before_is_awaited_too(void **state)
{
    struct reel_reactor *r = *state;
    struct outcome outcome = {0};
    struct scene scene = {.first = reel_deferred_succeed(r, 5, NULL, NULL),
                          .second = reel_deferred_fail(r, -EIO, "disk")};
    reel_test_advance(r, REEL_SECOND);
    reel_deferred_done(reel_fiber_start(r, await_two, &scene), hear, &outcome);
    reel_test_advance(r, 0);
    assert_int_equal(scene.result.number, 5);
    assert_int_equal(outcome.error, -EIO);
    assert_int_equal(reel_await(NULL, &scene.result), -ENOMEM);
    assert_int_equal(scene.result.error, -ENOMEM);
}

static int64_t nap(struct reel_reactor *r, void *argument)
{
    const int64_t *delay_ns = argument;
    int64_t begin_ns = reel_now_ns(r);
    int err = reel_fiber_sleep(r, *delay_ns);
    return err < 0 ? err : reel_now_ns(r) - begin_ns;
}

static int64_t nest(struct reel_reactor *r, void *argument)
{
    struct reel_result result;
    int64_t delay_ns = 2 * REEL_SECOND;
    int *depth = argument;
    if (--*depth == 0)
        return nap(r, &delay_ns);
    int err = reel_await(reel_fiber_start(r, nest, argument), &result);
    return err < 0 ? err : result.number;
}

static void a_fiber_starts_fibers_and_sleeps(void **state)
{
    struct reel_reactor *r = *state;
    struct outcome outcome = {0};
    int depth = 10;
    reel_deferred_done(reel_fiber_start(r, nest, &depth), hear, &outcome);
    reel_test_advance(r, 2 * REEL_SECOND - 1);
    assert_int_equal(outcome.calls, 0);
    reel_test_advance(r, 1);
    assert_int_equal(outcome.number, 2 * REEL_SECOND);
}

static void an_await_may_time_out(void **state)
{
    struct reel_reactor *r = *state;
    struct outcome outcome = {0};
    struct scene scene = {.first = reel_deferred_sleep(r, 5 * REEL_SECOND),
                          .second = reel_deferred_sleep(r, 2 * REEL_SECOND)};
    assert_int_equal(reel_deferred_timeout(scene.first, REEL_SECOND), 0);
    reel_deferred_done(reel_fiber_start(r, await_two, &scene), hear, &outcome);
    reel_test_advance(r, REEL_SECOND);
    assert_int_equal(scene.errors[0], -ETIMEDOUT);
    assert_int_equal(scene.steps, 2); /* the next is awaited after it */
    reel_test_advance(r, REEL_SECOND);
    assert_int_equal(scene.errors[1], 0);
    assert_int_equal(outcome.calls, 1);
    int64_t delay_ns = 9 * REEL_SECOND;
    struct reel_deferred *d = reel_fiber_start(r, nap, &delay_ns);
    reel_deferred_timeout(d, REEL_SECOND);
    reel_deferred_done(d, hear, &outcome);
    reel_test_advance(r, REEL_SECOND);
    assert_int_equal(outcome.calls, 2);
    assert_int_equal(outcome.error, -ETIMEDOUT);
}

enum { MANY = 5000 };

static int64_t add_up(struct reel_reactor *r, void *argument)
{
    volatile char page[6000]; /* touches more than one */
    memset((char *)page, 1, sizeof(page));
    int64_t sum = 0;
    for (int64_t i = 1; i <= 10; i++) {
        assert_int_equal(reel_fiber_sleep(r, i * *(int64_t *)argument), 0);
        sum += i * page[i];
    }
    return sum;
}

/* Two rounds: the second finds stacks of the first. */
static void thousands_of_fibers_take_turns(void **state)
{
    struct reel_reactor *r = *state;
    int64_t *delays = calloc(MANY, sizeof(*delays));
    struct reel_deferred **d = calloc(MANY, sizeof(void *));
    for (int round = 0; round < 2; round++) {
        struct outcome outcome = {0};
        for (int i = 0; i < MANY; i++) {
            delays[i] = (i * 7919 % 1000) * REEL_MS;
            d[i] = reel_fiber_start(r, add_up, &delays[i]);
        }
        reel_deferred_done(reel_gather(r, REEL_GATHER_ALL, d, MANY), hear, &outcome);
        reel_test_advance(r, 60 * REEL_SECOND);
        assert_int_equal(outcome.calls, 1);
        assert_int_equal(outcome.error, 0);
        assert_int_equal(outcome.number, MANY);
    }
    free(d);
    free(delays);
}

static int64_t keep_on(struct reel_reactor *r, void *argument)
{
    struct scene *scene = argument;
    for (int i = 0; i < 3; i++)
        scene->errors[i] = reel_fiber_sleep(r, REEL_SECOND);
    scene->steps++;
    return 3;
}

/* Cancelled before it begins, at its first await, at its second; each time once. */
static void a_cancel_ends_the_await_under_way(void **state)
{
    struct reel_reactor *r = *state;
    for (int at = -1; at < 3; at++) {
        struct scene scene = {.steps = 0};
        struct outcome outcome = {0};
        struct reel_deferred *d = reel_fiber_start(r, keep_on, &scene);
        reel_deferred_done(d, hear, &outcome);
        if (at >= 0)
            reel_test_advance(r, REEL_SECOND * at);
        assert_true(reel_deferred_cancel(d));
        assert_int_equal(outcome.calls, 0);
        reel_test_advance(r, 0);
        if (at < 0) {
            assert_int_equal(outcome.error, -ECANCELED);
            assert_int_equal(scene.steps, 0);
            continue;
        }
        assert_int_equal(scene.errors[at], -ECANCELED);
        assert_int_equal(outcome.calls, at == 2); /* its end is when it ends */
        reel_test_advance(r, 2 * REEL_SECOND);
        assert_int_equal(outcome.number, 3);
        for (int i = 0; i < 3; i++)
            assert_int_equal(scene.errors[i], i == at ? -ECANCELED : 0);
    }
}

static void a_cancel_between_two_awaits_is_not_lost(void **state)
{
    struct reel_reactor *r = *state;
    struct outcome outcome = {0};
    struct scene scene = {.first = reel_deferred_new(r, NULL, 0),
                          .second = reel_deferred_sleep(r, REEL_SECOND)};
    struct reel_deferred *d = reel_fiber_start(r, await_two, &scene);
    reel_deferred_done(d, hear, &outcome);
    reel_test_advance(r, 0);
    reel_deferred_callback(scene.first, 1, NULL, NULL); /* fired, and not yet heard */
    reel_deferred_cancel(d);
    reel_test_advance(r, 0);
    assert_int_equal(scene.errors[0], 0);
    assert_int_equal(scene.errors[1], -ECANCELED);
    assert_int_equal(outcome.error, -ECANCELED);
    struct scene dropped = {.first = reel_deferred_sleep(r, REEL_SECOND)};
    d = reel_fiber_start(r, await_two, &dropped);
    reel_deferred_done(d, hear, &outcome);
    reel_test_advance(r, 0);
    reel_deferred_drop(d);
    reel_test_advance(r, 0);
    assert_int_equal(dropped.steps, 3);
    assert_int_equal(dropped.errors[1], -ENOMEM); /* there is no second */
    assert_int_equal(outcome.calls, 1);
}

static int64_t just_fail(struct reel_reactor *r, void *argument)
{
    (void)r;
    return *(int64_t *)argument;
}

static void a_negative_end_is_an_error(void **state)
{
    struct outcome outcome = {0};
    int64_t values[] = {-EPERM, INT64_MIN, INT64_MAX};
    const int errors[] = {-EPERM, -ERANGE, 0};
    for (int i = 0; i < 3; i++) {
        reel_deferred_done(reel_fiber_start(*state, just_fail, &values[i]), hear, &outcome);
        reel_test_advance(*state, 0);
        assert_int_equal(outcome.error, errors[i]);
    }
    assert_true(outcome.number == INT64_MAX);
}

static void the_number_of_fibers_has_a_maximum(void **state)
{
    (void)state;
    struct reel_reactor *r = new_reactor(20000, 3);
    struct outcome outcomes[4] = {{0}};
    int64_t delay_ns = REEL_SECOND;
    for (int i = 0; i < 4; i++)
        reel_deferred_done(reel_fiber_start(r, nap, &delay_ns), hear, &outcomes[i]);
    reel_test_advance(r, 0);
    assert_int_equal(outcomes[3].error, -EAGAIN);
    assert_int_equal(outcomes[2].calls, 0);
    reel_test_advance(r, REEL_SECOND);
    assert_int_equal(outcomes[2].number, REEL_SECOND);
    reel_deferred_done(reel_fiber_start(r, nap, &delay_ns), hear, &outcomes[3]);
    reel_test_advance(r, REEL_SECOND);
    assert_int_equal(outcomes[3].number, REEL_SECOND);
    reel_reactor_free(r);
    assert_int_equal(counts.live, 0);
}

static int64_t insist(struct reel_reactor *r, void *argument)
{
    struct scene *scene = argument;
    scene->errors[0] = reel_await(scene->first, NULL);
    scene->errors[1] = reel_fiber_sleep(r, REEL_SECOND);
    scene->errors[2] = reel_await(reel_deferred_sleep(r, REEL_SECOND), NULL);
    scene->errors[3] = reel_await(scene->second, &scene->result);
    scene->steps++;
    return 0;
}

/* Waiting, about to go on, not begun: each ends. */
static void the_reactors_end_is_the_end_of_its_fibers(void **state)
{
    (void)state;
    struct reel_reactor *r = new_reactor(0, 0);
    struct scene scenes[2] = {{.steps = 0}, {.steps = 0}}, never = {.steps = 0};
    struct outcome outcomes[3] = {{0}};
    for (int i = 0; i < 2; i++) {
        scenes[i].second = reel_deferred_sleep(r, 1); /* in the list before the first */
        scenes[i].first = reel_deferred_sleep(r, REEL_SECOND);
        reel_deferred_done(reel_fiber_start(r, insist, &scenes[i]), hear, &outcomes[i]);
    }
    reel_test_advance(r, 0);
    struct scene fired = {.first = reel_deferred_new(r, NULL, 0)};
    reel_deferred_done(reel_fiber_start(r, insist, &fired), hear, &outcomes[2]);
    reel_test_advance(r, 0);
    reel_deferred_callback(fired.first, 1, NULL, NULL);
    reel_deferred_done(reel_fiber_start(r, insist, &never), hear, &outcomes[2]);
    reel_reactor_free(r);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(scenes[i].steps, 1);
        assert_int_equal(scenes[i].errors[0], -ECANCELED);
        assert_int_equal(scenes[i].errors[1], -ECANCELED);
        assert_int_equal(scenes[i].errors[2], -ENOMEM);
        assert_int_equal(outcomes[i].calls, 1);
    }
    assert_int_equal(fired.steps, 1);
    assert_int_equal(fired.errors[0], 0);
    assert_int_equal(never.steps, 0);
    assert_int_equal(outcomes[2].calls, 2);
    assert_int_equal(counts.live, 0);
}

static void memory_may_run_out_at_each_allocation(void **state)
{
    struct reel_reactor *r = *state;
    bool whole = false;
    for (long n = 0; !whole; n++) {
        struct outcome outcome = {0};
        int depth = 3;
        counts.fail_after = n;
        struct reel_deferred *d = reel_fiber_start(r, nest, &depth);
        int err = reel_deferred_done(d, hear, &outcome);
        reel_test_advance(r, 3 * REEL_SECOND);
        counts.fail_after = -1;
        assert_int_equal(outcome.calls, err == 0);
        whole = err == 0 && outcome.error == 0;
        assert_true(whole || err == -ENOMEM || outcome.error == -ENOMEM);
        assert_true(n < 50);
    }
}

static void no_memory_for_a_stack_is_an_error(void **state)
{
    (void)state;
    struct reel_reactor *r = new_reactor((size_t)1 << 50, 0);
    struct outcome outcome = {0};
    int64_t delay_ns = 1;
    reel_deferred_done(reel_fiber_start(r, nap, &delay_ns), hear, &outcome);
    reel_test_advance(r, 0);
    assert_int_equal(outcome.error, -ENOMEM);
    reel_reactor_free(r);
}

static int64_t round_down(struct reel_reactor *r, void *argument)
{
    volatile double one = 1.0, three = 3.0;
    double before = one / three;
    assert_int_equal(reel_fiber_sleep(r, 1), 0);
    *(double *)argument = one / three;
    return before == *(double *)argument;
}

/* The rounding mode is a fiber's own, as it is a function's that called another. */
static void what_a_call_keeps_is_kept(void **state)
{
    struct outcome outcome = {0};
    double in_fiber = 0;
    volatile double one = 1.0, three = 3.0;
    reel_deferred_done(reel_fiber_start(*state, round_down, &in_fiber), hear, &outcome);
    reel_test_advance(*state, 0);
    fesetround(FE_UPWARD);
    reel_test_advance(*state, 1);
    volatile double up = one / three;
    fesetround(FE_TONEAREST);
    assert_int_equal(outcome.number, 1);
    assert_true(up > in_fiber);
}

__attribute__((noinline)) static int dig(volatile int *depth)
{
    volatile char frame[512];
    memset((char *)frame, *depth, sizeof(frame));
    ++*depth;
    return *depth < 1000000 ? frame[*depth % 512] + dig(depth) + frame[0] : 0;
}

static int64_t dig_forever(struct reel_reactor *r, void *argument)
{
    (void)r;
    return dig(argument);
}

static int64_t turn_the_loop_in_a_fiber(struct reel_reactor *r, void *argument)
{
    (void)argument;
    reel_run_once(r, 0);
    return 0;
}

/* Runs it in a child, which must not live to tell. */
static void expect_death(struct reel_reactor *r,
                         int64_t (*fn)(struct reel_reactor *r, void *argument))
{
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        signal(SIGSEGV, SIG_DFL);
        fclose(stderr);
        int depth = 0;
        if (fn)
            reel_deferred_forget(reel_fiber_start(r, fn, &depth));
        else
            reel_await(reel_deferred_succeed(r, 0, NULL, NULL), NULL);
        reel_test_advance(r, 0);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void misuse_is_asserted_and_stacks_are_guarded(void **state)
{
    expect_death(*state, dig_forever);
    expect_death(*state, NULL); /* an await outside a fiber */
    expect_death(*state, turn_the_loop_in_a_fiber);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(awaits_read_straight),
        TEST(what_has_fired_before_is_awaited_too),
        TEST(a_fiber_starts_fibers_and_sleeps),
        TEST(an_await_may_time_out),
        TEST(thousands_of_fibers_take_turns),
        TEST(a_cancel_ends_the_await_under_way),
        TEST(a_cancel_between_two_awaits_is_not_lost),
        TEST(a_negative_end_is_an_error),
        cmocka_unit_test(the_number_of_fibers_has_a_maximum),
        cmocka_unit_test(the_reactors_end_is_the_end_of_its_fibers),
        TEST(memory_may_run_out_at_each_allocation),
        cmocka_unit_test(no_memory_for_a_stack_is_an_error),
        TEST(what_a_call_keeps_is_kept),
        TEST(misuse_is_asserted_and_stacks_are_guarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
