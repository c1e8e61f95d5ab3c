/* Deferreds, alone: order, chains, cancellation, time, gathering, memory. */
#include "helper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct counting_allocator counts;

struct heard {
    int calls, error, unhandled;
    int64_t number;
    const char *why_z;
    void *pointer;
    char log[64];
};

static void on_unhandled(void *context, int error, const char *why_z)
{
    struct heard *heard = context;
    heard->unhandled++;
    heard->error = error;
    heard->why_z = why_z;
}

static struct heard world; /* what the reactor was told */

static int set_up(void **state)
{
    memset(&world, 0, sizeof(world));
    const struct reel_reactor_options options = {
        .allocator = counting_allocator(&counts),
        .on_unhandled = on_unhandled,
        .on_unhandled_context = &world,
    };
    *state = reel_test_reactor_new(&options, 0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    counts.fail_after = -1;
    reel_reactor_free(*state);
    assert_int_equal(counts.live, 0);
    return 0;
}

static size_t live(struct reel_reactor *r)
{
    struct reel_metrics metrics;
    reel_metrics(r, &metrics);
    return metrics.deferreds;
}

static void note(struct heard *heard, char letter)
{
    size_t len = strlen(heard->log);
    if (len + 1 < sizeof(heard->log))
        heard->log[len] = letter;
}

static void hear(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    struct heard *heard = context;
    heard->calls++;
    heard->error = result->error;
    heard->number = result->number;
    heard->why_z = result->why_z;
    heard->pointer = result->pointer;
    note(heard, result->error ? 'E' : 'V');
}

static void add_one(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    note(context, '+');
    result->number++;
}

static void heal(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    note(context, 'h');
    reel_result_set_value(result, -result->error, NULL, NULL);
}

static void break_it(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    note(context, 'b');
    reel_result_set_error(result, -EBADMSG, "broken on purpose");
}

static int released;

static void count_release(void *pointer)
{
    released++;
    free(pointer);
}

static void no_callback_comes_from_inside_a_call(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    struct reel_deferred *d = reel_deferred_new(r, NULL, 0);
    reel_deferred_callback(d, 7, NULL, NULL);
    assert_true(reel_deferred_is_fired(d));
    assert_int_equal(reel_deferred_done(d, hear, &heard), 0);
    assert_int_equal(heard.calls, 0);
    reel_test_advance(r, 0);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.number, 7);
    assert_int_equal(live(r), 0);
    memset(&heard, 0, sizeof(heard));
    d = reel_deferred_new(r, NULL, 0);
    reel_deferred_done(d, hear, &heard);
    reel_test_advance(r, REEL_SECOND);
    assert_int_equal(heard.calls, 0);
    reel_deferred_errback(d, -EIO, "the disk is gone");
    assert_int_equal(heard.calls, 0);
    reel_test_advance(r, 0);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.error, -EIO);
    assert_string_equal(heard.why_z, "the disk is gone");
    assert_int_equal(live(r), 0);
}

static void callbacks_run_in_order_and_change_the_result(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    struct reel_deferred *d = reel_deferred_succeed(r, 1, NULL, NULL);
    reel_deferred_add_callback(d, add_one, &heard);
    reel_deferred_add_errback(d, heal, &heard); /* passed over */
    reel_deferred_add_callback(d, break_it, &heard);
    reel_deferred_add_callback(d, add_one, &heard); /* passed over */
    reel_deferred_add_callbacks(d, add_one, heal, &heard);
    reel_deferred_add_both(d, add_one, &heard);
    reel_deferred_done(d, hear, &heard);
    reel_test_advance(r, 0);
    assert_string_equal(heard.log, "+bh+V");
    assert_int_equal(heard.number, EBADMSG + 1);
    assert_int_equal(live(r), 0);
}

static void a_fired_deferred_waits_for_whoever_takes_it(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    struct reel_deferred *d = reel_deferred_succeed(r, 1, NULL, NULL);
    reel_test_advance(r, REEL_SECOND);
    reel_deferred_add_callback(d, add_one, &heard);
    reel_test_advance(r, REEL_SECOND);
    assert_string_equal(heard.log, "+");
    reel_deferred_add_callback(d, add_one, &heard);
    reel_test_advance(r, REEL_SECOND);
    assert_int_equal(live(r), 1);
    reel_deferred_done(d, hear, &heard);
    reel_test_advance(r, 0);
    assert_string_equal(heard.log, "++V");
    assert_int_equal(heard.number, 3);
    assert_int_equal(live(r), 0);
}

static void values_are_released_unless_taken(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    released = 0;
    reel_deferred_forget(reel_deferred_succeed(r, 0, malloc(8), count_release));
    reel_test_advance(r, 0);
    assert_int_equal(released, 1);
    reel_deferred_done(reel_deferred_succeed(r, 0, malloc(8), count_release), hear, &heard);
    reel_test_advance(r, 0);
    assert_int_equal(released, 2);
    struct reel_deferred *d = reel_deferred_succeed(r, 0, malloc(8), count_release);
    reel_deferred_add_callback(d, break_it, &heard);
    reel_deferred_add_errback(d, heal, &heard);
    reel_deferred_forget(d);
    reel_test_advance(r, 0);
    assert_int_equal(released, 3);
    struct reel_result result = {.pointer = &heard, .release = count_release};
    assert_ptr_equal(reel_result_take(&result), &heard);
    reel_result_release(&result);
    assert_int_equal(released, 3);
    counts.fail_after = 0;
    assert_null(reel_deferred_succeed(r, 0, malloc(8), count_release));
    assert_int_equal(released, 4);
}

static void an_error_that_nobody_took_is_told(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    struct reel_metrics metrics;
    reel_deferred_done(reel_deferred_fail(r, -EIO, "a"), hear, &heard);
    reel_test_advance(r, 0);
    assert_int_equal(world.unhandled, 0);
    struct reel_deferred *d = reel_deferred_fail(r, -EIO, "nobody wants it");
    reel_deferred_add_callback(d, add_one, &heard);
    reel_deferred_forget(d);
    reel_test_advance(r, 0);
    assert_int_equal(world.unhandled, 1);
    assert_int_equal(world.error, -EIO);
    assert_string_equal(world.why_z, "nobody wants it");
    reel_metrics(r, &metrics);
    assert_int_equal(metrics.unhandled, 1);
    d = reel_deferred_fail(r, -EIO, "b");
    reel_deferred_add_errback(d, heal, &heard);
    reel_deferred_forget(d);
    reel_deferred_drop(reel_deferred_fail(r, -EIO, "c"));
    reel_test_advance(r, 0);
    assert_int_equal(world.unhandled, 1);
    assert_int_equal(live(r), 0);
}

/* ---- chains ---- */

static void wait_for(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)result;
    reel_deferred_wait(d, context);
}

static void a_callback_may_wait_for_another_deferred(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    released = 0;
    struct reel_deferred *inner = reel_deferred_new(r, NULL, 0);
    struct reel_deferred *d = reel_deferred_succeed(r, 1, malloc(8), count_release);
    reel_deferred_add_callback(inner, add_one, &heard);
    reel_deferred_add_callback(d, wait_for, inner);
    reel_deferred_add_callback(d, add_one, &heard);
    reel_deferred_done(d, hear, &heard);
    reel_test_advance(r, REEL_SECOND);
    assert_int_equal(heard.calls, 0);
    reel_deferred_callback(inner, 40, NULL, NULL);
    reel_test_advance(r, 0);
    assert_string_equal(heard.log, "++V");
    assert_int_equal(heard.number, 42);
    assert_int_equal(released, 1); /* what d had before it waited */
    d = reel_deferred_succeed(r, 1, NULL, NULL);
    reel_deferred_add_callback(d, wait_for, reel_deferred_fail(r, -EIO, NULL));
    reel_deferred_done(d, hear, &heard);
    reel_test_advance(r, 0);
    assert_int_equal(heard.error, -EIO);
    d = reel_deferred_succeed(r, 1, NULL, NULL);
    reel_deferred_add_callback(d, wait_for, NULL); /* there was no memory for it */
    reel_deferred_done(d, hear, &heard);
    reel_test_advance(r, 0);
    assert_int_equal(heard.error, -ENOMEM);
    assert_int_equal(live(r), 0);
}

enum { LINKS = 10000 };

/* Each waits for the next; the last one fires last, first, or is cancelled through all of them. */
static void chains_of_ten_thousand_need_no_stack(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    for (int way = 0; way < 3; way++) {
        memset(&heard, 0, sizeof(heard));
        struct reel_deferred *last = reel_deferred_new(r, NULL, 0);
        struct reel_deferred *d = last;
        if (way == 1)
            reel_deferred_callback(last, 0, NULL, NULL);
        for (int i = 0; i < LINKS; i++) {
            struct reel_deferred *outer = reel_deferred_succeed(r, 0, NULL, NULL);
            reel_deferred_add_callback(outer, wait_for, d);
            reel_deferred_add_callback(outer, add_one, &heard);
            d = outer;
        }
        reel_deferred_done(d, hear, &heard);
        reel_test_advance(r, 0);
        assert_int_equal(heard.calls, way == 1);
        if (way == 0)
            reel_deferred_callback(last, 0, NULL, NULL);
        if (way == 2)
            reel_deferred_cancel(d);
        reel_test_advance(r, 0);
        assert_int_equal(heard.calls, 1);
        assert_int_equal(heard.number, way == 2 ? 0 : LINKS);
        assert_int_equal(heard.error, way == 2 ? -ECANCELED : 0);
        if (way == 2)
            reel_deferred_callback(last, 0, NULL, NULL); /* its maker has not heard of it */
        reel_test_advance(r, 0);
        assert_int_equal(live(r), 0);
    }
}

struct loop {
    struct reel_reactor *r;
    int rounds;
};

static void once_more(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct loop *loop = context;
    if (result->number++ == loop->rounds)
        return;
    reel_deferred_wait(d, reel_deferred_succeed(loop->r, result->number, NULL, NULL));
    reel_deferred_add_callback(d, once_more, loop);
}

static void a_callback_may_add_itself_again(void **state)
{
    struct heard heard = {0};
    struct loop loop = {*state, LINKS};
    struct reel_deferred *d = reel_deferred_succeed(*state, 0, NULL, NULL);
    reel_deferred_add_callback(d, once_more, &loop);
    reel_deferred_done(d, hear, &heard);
    reel_test_advance(*state, 0);
    assert_int_equal(heard.number, LINKS + 1);
    assert_int_equal(live(*state), 0);
}

/* ---- cancelling ---- */

struct maker {
    int cancelled;
    int fires; /* in its cancel: 0 not, 1 a value, -errno an error */
};

static void on_cancel(struct reel_deferred *d)
{
    struct maker *maker = *(struct maker **)reel_deferred_state(d);
    maker->cancelled++;
    reel_deferred_cancel(d); /* of no further effect than the one under way */
    if (reel_deferred_is_fired(d) && maker->fires)
        reel_deferred_callback(d, 1, malloc(8), count_release);
}

static void on_cancel_fire(struct reel_deferred *d)
{
    struct maker *maker = *(struct maker **)reel_deferred_state(d);
    maker->cancelled++;
    if (maker->fires > 0)
        reel_deferred_callback(d, 5, NULL, NULL);
    else if (maker->fires < 0)
        reel_deferred_errback(d, maker->fires, "stopped");
}

static struct reel_deferred *make(struct reel_reactor *r, void (*cancel)(struct reel_deferred *d),
                                  struct maker *maker)
{
    struct reel_deferred *d = reel_deferred_new(r, cancel, sizeof(void *));
    *(struct maker **)reel_deferred_state(d) = maker;
    assert_ptr_equal(reel_deferred_reactor(d), r);
    return d;
}

static void the_makers_cancel_may_fire(void **state)
{
    struct reel_reactor *r = *state;
    const int fires[] = {0, 1, -EINTR};
    const int errors[] = {-ECANCELED, 0, -EINTR};
    for (int i = 0; i < 3; i++) {
        struct heard heard = {0};
        struct maker maker = {.fires = fires[i]};
        struct reel_deferred *d = make(r, on_cancel_fire, &maker);
        reel_deferred_done(d, hear, &heard);
        reel_deferred_cancel(d);
        reel_deferred_cancel(d);
        assert_int_equal(maker.cancelled, 1);
        assert_int_equal(heard.calls, 0);
        reel_test_advance(r, 0);
        assert_int_equal(heard.calls, 1);
        assert_int_equal(heard.error, errors[i]);
        if (i > 0)
            continue;
        assert_int_equal(live(r), 1); /* its maker still owes it */
        released = 0;
        reel_deferred_callback(d, 0, malloc(8), count_release);
        assert_int_equal(released, 1);
        reel_test_advance(r, 0);
        assert_int_equal(heard.calls, 1);
    }
    assert_int_equal(live(r), 0);
}

static void a_cancel_in_a_cancel_is_the_same_cancel(void **state)
{
    struct heard heard = {0};
    struct maker maker = {.fires = 1};
    released = 0;
    struct reel_deferred *d = make(*state, on_cancel, &maker);
    reel_deferred_done(d, hear, &heard);
    reel_deferred_cancel(d);
    reel_test_advance(*state, 0);
    assert_int_equal(maker.cancelled, 1);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.error, -ECANCELED);
    assert_int_equal(released, 1);
    assert_int_equal(live(*state), 0);
}

static void cancel_comes_too_late_for_what_has_fired(void **state)
{
    struct heard heard = {0};
    struct maker maker = {.fires = 0};
    struct reel_deferred *d = make(*state, on_cancel_fire, &maker);
    reel_deferred_done(d, hear, &heard);
    reel_deferred_callback(d, 3, NULL, NULL);
    reel_deferred_cancel(d);
    reel_test_advance(*state, 0);
    assert_int_equal(maker.cancelled, 0);
    assert_int_equal(heard.number, 3);
    reel_deferred_cancel(NULL);
    reel_deferred_drop(NULL);
    reel_deferred_forget(NULL);
    assert_int_equal(reel_deferred_done(NULL, hear, &heard), -ENOMEM);
    assert_int_equal(reel_deferred_timeout(NULL, 1), -ENOMEM);
}

/* At each step of a chain of three the whole is cancelled, or dropped. */
static void a_chain_is_cancelled_at_each_step(void **state)
{
    struct reel_reactor *r = *state;
    for (int step = 0; step < 3; step++)
        for (int drop = 0; drop < 2; drop++) {
            struct heard heard = {0};
            struct maker makers[3] = {{.fires = -ECANCELED}, {.fires = -ECANCELED}, {.fires = 0}};
            struct reel_deferred *d[3];
            for (int i = 0; i < 3; i++)
                d[i] = make(r, on_cancel_fire, &makers[i]);
            reel_deferred_add_callback(d[0], wait_for, d[1]);
            reel_deferred_add_callback(d[0], wait_for, d[2]);
            reel_deferred_add_callback(d[0], add_one, &heard);
            reel_deferred_done(d[0], hear, &heard);
            for (int i = 0; i < step; i++) {
                reel_deferred_callback(d[i], i, NULL, NULL);
                reel_test_advance(r, 0);
            }
            if (drop)
                reel_deferred_drop(d[0]);
            else
                reel_deferred_cancel(d[0]);
            for (int i = 0; i < 3; i++)
                assert_int_equal(makers[i].cancelled, i == step);
            reel_test_advance(r, 0);
            assert_string_equal(heard.log, drop ? "" : "E");
            if (step == 2) /* the one that does not fire by itself */
                reel_deferred_callback(d[2], 0, NULL, NULL);
            for (int i = step + 1; i < 3; i++) { /* those never waited for */
                reel_deferred_drop(d[i]);
                if (i == 2)
                    reel_deferred_callback(d[i], 0, NULL, NULL);
            }
            reel_test_advance(r, 0);
            assert_int_equal(live(r), 0);
        }
    assert_int_equal(world.unhandled, 0);
}

static void what_is_dropped_is_not_heard(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    released = 0;
    struct reel_deferred *fired = reel_deferred_succeed(r, 1, malloc(8), count_release);
    reel_deferred_add_both(fired, hear, &heard);
    reel_deferred_done(fired, hear, &heard);
    reel_deferred_drop(fired);
    struct reel_deferred *open = reel_deferred_new(r, NULL, 0);
    reel_deferred_done(open, hear, &heard);
    reel_deferred_drop(open);
    reel_deferred_drop(open);
    reel_test_advance(r, 0);
    assert_int_equal(released, 1);
    reel_deferred_callback(open, 1, malloc(8), count_release);
    reel_test_advance(r, 0);
    assert_int_equal(released, 2);
    assert_int_equal(heard.calls, 0);
    assert_int_equal(live(r), 0);
}

/* ---- time ---- */

static void a_time_out_cancels_and_says_so(void **state)
{
    struct reel_reactor *r = *state;
    struct heard heard = {0};
    struct maker maker = {.fires = -ECANCELED};
    struct reel_deferred *d = make(r, on_cancel_fire, &maker);
    assert_int_equal(reel_deferred_timeout(d, 1), 0);
    assert_int_equal(reel_deferred_timeout(d, REEL_SECOND), 0);
    reel_deferred_done(d, hear, &heard);
    reel_test_advance(r, REEL_SECOND - 1);
    assert_int_equal(heard.calls, 0);
    reel_test_advance(r, 1);
    assert_int_equal(heard.error, -ETIMEDOUT);
    assert_string_equal(heard.why_z, "timed out");
    /* One that waits passes it on, and still says what it was. */
    d = reel_deferred_succeed(r, 1, NULL, NULL);
    reel_deferred_add_callback(d, wait_for, reel_deferred_sleep(r, 2 * REEL_SECOND));
    reel_deferred_timeout(d, REEL_SECOND);
    reel_deferred_done(d, hear, &heard);
    reel_test_advance(r, REEL_SECOND);
    assert_int_equal(heard.calls, 2);
    assert_int_equal(heard.error, -ETIMEDOUT);
    /* In time; and taken back. */
    d = reel_deferred_sleep(r, REEL_SECOND);
    reel_deferred_timeout(d, 2 * REEL_SECOND);
    reel_deferred_done(d, hear, &heard);
    d = reel_deferred_sleep(r, 3 * REEL_SECOND);
    reel_deferred_timeout(d, 2 * REEL_SECOND);
    reel_deferred_timeout(d, 0);
    reel_deferred_done(d, hear, &heard);
    reel_test_advance(r, REEL_SECOND);
    assert_int_equal(heard.calls, 3);
    assert_int_equal(heard.error, 0);
    reel_test_advance(r, 2 * REEL_SECOND);
    assert_int_equal(heard.calls, 4);
    assert_int_equal(heard.error, 0);
    struct reel_metrics metrics;
    reel_metrics(r, &metrics);
    assert_int_equal(metrics.timers, 0);
    assert_int_equal(live(r), 0);
}

/* ---- memory and ends ---- */

static struct reel_deferred *busy_scene(struct reel_reactor *r, struct heard *heard)
{
    struct reel_deferred *list[] = {reel_deferred_sleep(r, REEL_MS), reel_deferred_sleep(r, 2),
                                    reel_deferred_fail(r, -EIO, NULL)};
    struct reel_deferred *each = reel_gather(r, REEL_GATHER_EACH, list, 3);
    struct reel_deferred *d = reel_deferred_succeed(r, 1, malloc(8), count_release);
    if (!d) {
        reel_deferred_drop(each);
        return NULL;
    }
    reel_deferred_add_callback(d, wait_for, each);
    reel_deferred_timeout(d, REEL_SECOND);
    reel_deferred_done(d, hear, heard);
    return d;
}

static void memory_may_run_out_at_each_allocation(void **state)
{
    struct reel_reactor *r = *state;
    bool whole = false;
    for (long n = 0; !whole; n++) {
        struct heard heard = {0};
        counts.fail_after = n;
        struct reel_deferred *d = busy_scene(r, &heard);
        whole = counts.fail_after > 0;
        counts.fail_after = -1;
        reel_test_advance(r, 2 * REEL_SECOND);
        assert_int_equal(heard.calls, d != NULL);
        assert_int_equal(live(r), 0);
        assert_true(n < 50);
    }
}

static void the_reactors_end_is_the_end_of_all(void **state)
{
    (void)state;
    struct counting_allocator own;
    const struct reel_reactor_options options = {.allocator = counting_allocator(&own)};
    struct reel_reactor *r = reel_test_reactor_new(&options, 0);
    struct heard heard = {0}, fired = {0}, chained = {0};
    struct maker maker = {.fires = 0};
    released = 0;
    reel_deferred_done(make(r, on_cancel_fire, &maker), hear, &heard);
    reel_deferred_done(reel_deferred_succeed(r, 1, malloc(8), count_release), hear, &fired);
    busy_scene(r, &chained);
    reel_deferred_sleep(r, REEL_SECOND); /* nobody ever took it */
    reel_deferred_succeed(r, 1, malloc(8), count_release);
    reel_reactor_free(r);
    assert_int_equal(maker.cancelled, 1);
    assert_int_equal(heard.error, -ECANCELED);
    assert_int_equal(fired.number, 1);
    assert_int_equal(chained.calls, 1);
    assert_int_equal(released, 3);
    assert_int_equal(own.live, 0);
}

static void leaked(void *context, const struct reel_handle_info *info)
{
    *(int *)context += info->kind == REEL_HANDLE_DEFERRED;
}

static void what_nobody_took_is_a_leak(void **state)
{
    (void)state;
    int leaks = 0;
    const struct reel_reactor_options options = {.on_leak = leaked, .on_leak_context = &leaks};
    struct reel_reactor *r = reel_test_reactor_new(&options, 0);
    reel_deferred_succeed(r, 1, NULL, NULL);
    reel_test_advance(r, REEL_SECOND);
    reel_reactor_free(r);
    assert_int_equal(leaks, 1);
}

/* ---- misuse ---- */

static void fire_twice(struct reel_reactor *r)
{
    struct reel_deferred *d = reel_deferred_succeed(r, 1, NULL, NULL);
    reel_deferred_callback(d, 1, NULL, NULL);
}

static void let_go_twice(struct reel_reactor *r)
{
    struct reel_deferred *d = reel_deferred_new(r, NULL, 0);
    reel_deferred_forget(d);
    reel_deferred_forget(d);
}

static void add_after_letting_go(struct reel_reactor *r)
{
    struct reel_deferred *d = reel_deferred_new(r, NULL, 0);
    reel_deferred_forget(d);
    reel_deferred_add_both(d, hear, NULL);
}

static void add_too_many(struct reel_reactor *r)
{
    struct reel_deferred *d = reel_deferred_new(r, NULL, 0);
    for (int i = 0; i <= REEL_DEFERRED_STEPS_MAX; i++)
        reel_deferred_add_both(d, hear, NULL);
}

static void wait_outside_a_callback(struct reel_reactor *r)
{
    reel_deferred_wait(reel_deferred_new(r, NULL, 0), reel_deferred_new(r, NULL, 0));
}

static void fail_with_no_error(struct reel_reactor *r)
{
    reel_deferred_fail(r, EIO, NULL);
}

static void misuse_is_asserted(void **state)
{
    void (*const misuses[])(struct reel_reactor *) = {fire_twice,
                                                      let_go_twice,
                                                      add_after_letting_go,
                                                      add_too_many,
                                                      wait_outside_a_callback,
                                                      fail_with_no_error};
    for (size_t i = 0; i < sizeof(misuses) / sizeof(misuses[0]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            signal(SIGABRT, SIG_DFL);
            fclose(stderr);
            misuses[i](*state);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(no_callback_comes_from_inside_a_call),
        TEST(callbacks_run_in_order_and_change_the_result),
        TEST(a_fired_deferred_waits_for_whoever_takes_it),
        TEST(values_are_released_unless_taken),
        TEST(an_error_that_nobody_took_is_told),
        TEST(a_callback_may_wait_for_another_deferred),
        TEST(chains_of_ten_thousand_need_no_stack),
        TEST(a_callback_may_add_itself_again),
        TEST(the_makers_cancel_may_fire),
        TEST(a_cancel_in_a_cancel_is_the_same_cancel),
        TEST(cancel_comes_too_late_for_what_has_fired),
        TEST(a_chain_is_cancelled_at_each_step),
        TEST(what_is_dropped_is_not_heard),
        TEST(a_time_out_cancels_and_says_so),
        TEST(memory_may_run_out_at_each_allocation),
        cmocka_unit_test(the_reactors_end_is_the_end_of_all),
        cmocka_unit_test(what_nobody_took_is_a_leak),
        TEST(misuse_is_asserted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
