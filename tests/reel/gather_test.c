/* Many deferreds as one. */
#include "helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct counting_allocator counts;
static int unhandled, released;

static void on_unhandled(void *context, int error, const char *why_z)
{
    (void)context;
    (void)error;
    (void)why_z;
    unhandled++;
}

static int set_up(void **state)
{
    const struct reel_reactor_options options = {
        .allocator = counting_allocator(&counts),
        .on_unhandled = on_unhandled,
    };
    unhandled = 0;
    *state = reel_test_reactor_new(&options, 0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    reel_reactor_free(*state);
    assert_int_equal(counts.live, 0);
    assert_int_equal(unhandled, 0);
    return 0;
}

static size_t live(struct reel_reactor *r)
{
    struct reel_metrics metrics;
    reel_metrics(r, &metrics);
    return metrics.deferreds;
}

static void count_release(void *pointer)
{
    released++;
    free(pointer);
}

struct heard {
    int calls, error;
    int64_t number;
    const char *why_z;
};

static void hear(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    struct heard *heard = context;
    heard->calls++;
    heard->error = result->error;
    heard->number = result->number;
    heard->why_z = result->why_z;
}

struct maker {
    int cancelled;
};

static void on_cancel(struct reel_deferred *d)
{
    struct maker *maker = *(struct maker **)reel_deferred_state(d);
    maker->cancelled++;
    reel_deferred_errback(d, -ECANCELED, "stopped");
}

static void hear_all(struct reel_deferred *d, struct reel_result *result, void *context)
{
    hear(d, result, context);
    struct heard *heard = context;
    const struct reel_gathered *all = result->pointer;
    if (result->error || !all)
        return;
    assert_int_equal(result->number, all->count);
    heard->number = 0;
    for (size_t i = 0; i < all->count; i++)
        heard->number = 10 * heard->number + all->results[i].number - all->results[i].error;
}

static struct reel_deferred *start_gather(struct reel_reactor *r, enum reel_gather_mode mode,
                                          struct reel_deferred **d, struct maker *maker, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        maker[i] = (struct maker){.cancelled = 0};
        d[i] = reel_deferred_new(r, on_cancel, sizeof(void *));
        *(struct maker **)reel_deferred_state(d[i]) = &maker[i];
    }
    return reel_gather(r, mode, d, n);
}

static void all_gives_the_values_in_order(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    struct maker maker[3];
    struct reel_deferred *d[3];
    released = 0;
    reel_deferred_done(start_gather(r, REEL_GATHER_ALL, d, maker, 3), hear_all, &heard);
    reel_deferred_callback(d[2], 3, NULL, NULL);
    reel_deferred_callback(d[0], 1, malloc(8), count_release);
    reel_test_advance(r, 0);
    assert_int_equal(heard.calls, 0);
    reel_deferred_callback(d[1], 2, malloc(8), count_release);
    reel_test_advance(r, 0);
    assert_int_equal(heard.number, 123);
    assert_int_equal(released, 2);
    reel_deferred_done(reel_gather(r, REEL_GATHER_ALL, NULL, 0), hear_all, &heard);
    reel_test_advance(r, 0);
    assert_int_equal(heard.calls, 2);
    assert_int_equal(heard.number, 0);
    assert_int_equal(live(r), 0);
}

static void all_fails_with_the_first_error_and_cancels_the_rest(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    struct maker maker[3];
    struct reel_deferred *d[3];
    released = 0;
    reel_deferred_done(start_gather(r, REEL_GATHER_ALL, d, maker, 3), hear_all, &heard);
    reel_deferred_callback(d[0], 1, malloc(8), count_release);
    reel_deferred_errback(d[2], -EIO, "third");
    reel_test_advance(r, 0);
    assert_int_equal(heard.error, -EIO);
    assert_string_equal(heard.why_z, "third");
    assert_int_equal(maker[1].cancelled, 1);
    assert_int_equal(released, 1);
    assert_int_equal(live(r), 0);
}

static void any_gives_the_first_value_or_the_last_error(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    struct maker maker[3];
    struct reel_deferred *d[3];
    released = 0;
    reel_deferred_done(start_gather(r, REEL_GATHER_ANY, d, maker, 3), hear, &heard);
    reel_deferred_errback(d[0], -EIO, NULL);
    reel_test_advance(r, 0);
    assert_int_equal(heard.calls, 0);
    reel_deferred_callback(d[1], 11, malloc(8), count_release);
    reel_deferred_callback(d[2], 12, malloc(8), count_release); /* in the same turn: too late */
    reel_test_advance(r, 0);
    assert_int_equal(heard.number, 11);
    assert_int_equal(released, 2);
    reel_deferred_done(start_gather(r, REEL_GATHER_ANY, d, maker, 2), hear, &heard);
    reel_deferred_errback(d[1], -EIO, NULL);
    reel_deferred_errback(d[0], -EPERM, "second");
    reel_test_advance(r, 0);
    assert_int_equal(heard.error, -EPERM);
    reel_deferred_done(reel_gather(r, REEL_GATHER_ANY, NULL, 0), hear, &heard);
    reel_test_advance(r, 0);
    assert_int_equal(heard.error, -EINVAL);
    assert_int_equal(heard.calls, 3);
    assert_int_equal(live(r), 0);
}

static void each_gives_values_and_errors(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    struct reel_deferred *list[] = {reel_deferred_fail(r, -EPERM, NULL), NULL,
                                    reel_deferred_succeed(r, 4, NULL, NULL)};
    reel_deferred_done(reel_gather(r, REEL_GATHER_EACH, list, 3), hear_all, &heard);
    reel_test_advance(r, 0);
    assert_int_equal(heard.error, 0);
    assert_int_equal(heard.number, 100 * EPERM + 10 * ENOMEM + 4);
    struct reel_deferred *two[] = {reel_deferred_sleep(r, REEL_SECOND), NULL};
    reel_deferred_done(reel_gather(r, REEL_GATHER_ALL, two, 2), hear_all, &heard);
    reel_test_advance(r, 0);
    assert_int_equal(heard.error, -ENOMEM);
    assert_int_equal(live(r), 0);
}

static void a_gather_is_cancelled_and_times_out_as_one(void **state)
{
    struct reel_reactor *r = *state;
    for (int mode = REEL_GATHER_ALL; mode <= REEL_GATHER_EACH; mode++) {
        struct heard heard = {0};
        struct maker maker[3];
        struct reel_deferred *d[3];
        struct reel_deferred *all = start_gather(r, mode, d, maker, 3);
        reel_deferred_done(all, hear_all, &heard);
        reel_deferred_timeout(all, REEL_SECOND);
        reel_test_advance(r, REEL_SECOND);
        assert_int_equal(heard.error, -ETIMEDOUT);
        for (int i = 0; i < 3; i++)
            assert_int_equal(maker[i].cancelled, 1);
        assert_int_equal(live(r), 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_gives_the_values_in_order),
        TEST(all_fails_with_the_first_error_and_cancels_the_rest),
        TEST(any_gives_the_first_value_or_the_last_error),
        TEST(each_gives_values_and_errors),
        TEST(a_gather_is_cancelled_and_times_out_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
