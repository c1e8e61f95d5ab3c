/* The reconnecting client, in virtual time. */
#include "helper.h"

#include <errno.h>
#include <string.h>

struct world {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct record client, server;
    struct reel_factory client_factory, server_factory;
    struct reel_test_host host;
    struct reel_reconnect *c;
};

static void world_init(struct world *w, const struct reel_reconnect_options *options)
{
    memset(w, 0, sizeof(*w));
    struct reel_reactor_options own = {.allocator = counting_allocator(&w->counts)};
    w->r = reel_test_reactor_new(&own, 0);
    assert_non_null(w->r);
    w->client_factory =
        (struct reel_factory){.protocol = &recording_protocol, .shared = &w->client};
    w->server_factory =
        (struct reel_factory){.protocol = &recording_protocol, .shared = &w->server};
    w->host = (struct reel_test_host){"192.0.2.1", NULL, -ECONNREFUSED, 0};
    reel_test_hosts(w->r, &w->host, 1);
    assert_int_equal(
        reel_reconnect_new(w->r, "tcp:192.0.2.1:80", &w->client_factory, options, &w->c), 0);
}

static void world_fini(struct world *w)
{
    reel_reactor_free(w->r);
    assert_int_equal(w->counts.live, 0);
}

static void advance(struct world *w, int64_t ms)
{
    reel_test_advance(w->r, ms * REEL_MS);
}

static void server_up(struct world *w)
{
    w->host.server = &w->server_factory;
}

static const struct reel_reconnect_options steady = {.jitter = -1, .factor = 2, .seed = 1};

static void waits_grow_up_to_the_longest(void **state)
{
    (void)state;
    static const int64_t waits_ms[] = {1000, 2000, 4000, 5000, 5000};
    struct world w;
    struct reel_reconnect_options options = steady;
    options.max_ns = 5 * REEL_SECOND;
    world_init(&w, &options);
    reel_reconnect_start(w.c);
    reel_reconnect_start(w.c);
    assert_int_equal(w.client.failed, 0);
    advance(&w, 0);
    assert_int_equal(w.client.failed, 1);
    for (int i = 0; i < 5; i++) {
        advance(&w, waits_ms[i] - 1);
        assert_int_equal(w.client.failed, i + 1);
        advance(&w, 1);
        assert_int_equal(w.client.failed, i + 2);
    }
    int reason = 0;
    assert_int_equal(reel_reconnect_failures(w.c, &reason), 6);
    assert_int_equal(reason, -ECONNREFUSED);
    world_fini(&w);
}

/* Whose attempts come when, by one seed. */
static void attempts_of(uint64_t seed, int *out)
{
    struct world w;
    world_init(&w, &(const struct reel_reconnect_options){.seed = seed, .jitter = 0.5});
    reel_reconnect_start(w.c);
    for (int i = 0; i < 50; i++) {
        advance(&w, 200);
        out[i] = w.client.failed;
    }
    world_fini(&w);
}

static void one_seed_gives_the_same_waits_and_another_does_not(void **state)
{
    (void)state;
    int first[50], again[50], other[50];
    attempts_of(7, first);
    attempts_of(7, again);
    attempts_of(8, other);
    assert_memory_equal(first, again, sizeof(first));
    assert_memory_not_equal(first, other, sizeof(first));
    assert_true(first[49] > 3);
}

static void it_gives_up_after_so_many_tries(void **state)
{
    (void)state;
    struct world w;
    struct reel_reconnect_options options = steady;
    options.tries_max = 3;
    world_init(&w, &options);
    reel_reconnect_start(w.c);
    advance(&w, 100000);
    assert_int_equal(w.client.failed, 3);
    assert_false(reel_reconnect_is_started(w.c));
    reel_reconnect_start(w.c);
    server_up(&w);
    advance(&w, 0);
    assert_int_equal(w.client.made, 1);
    world_fini(&w);
}

/* The connection ends `after_ms` after it was made; when the next one is there. */
static int64_t wait_after(int64_t after_ms)
{
    struct world w;
    world_init(&w, &steady);
    reel_reconnect_start(w.c);
    advance(&w, 0);
    advance(&w, 1000); /* 2 failures: the next wait is 4 seconds */
    server_up(&w);
    advance(&w, 2000);
    assert_int_equal(w.client.made, 1);
    assert_ptr_equal(reel_reconnect_transport(w.c), w.client.t);
    advance(&w, after_ms);
    reel_abort(w.server.t);
    advance(&w, 0);
    assert_int_equal(w.client.lost, 1);
    assert_null(reel_reconnect_transport(w.c));
    int64_t waited_ms = 0;
    for (; w.client.made == 1; waited_ms += 100)
        advance(&w, 100);
    world_fini(&w);
    return waited_ms;
}

static void a_connection_that_lasted_begins_the_waits_anew(void **state)
{
    (void)state;
    assert_int_equal(wait_after(100), 4000);
    assert_int_equal(wait_after(10000), 1000);
}

static void stopping_closes_and_starting_goes_on(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &steady);
    server_up(&w);
    reel_reconnect_start(w.c);
    advance(&w, 0);
    reel_reconnect_stop(w.c);
    advance(&w, 100000);
    assert_int_equal(w.client.lost, 1);
    assert_int_equal(w.client.reason, 0);
    assert_int_equal(w.client.made, 1);
    reel_reconnect_start(w.c);
    advance(&w, 0);
    assert_int_equal(w.client.made, 2);
    world_fini(&w);
}

static void a_start_right_behind_a_stop_waits_for_the_old_connection(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &steady);
    server_up(&w);
    reel_reconnect_start(w.c);
    advance(&w, 0);
    reel_reconnect_stop(w.c);
    reel_reconnect_start(w.c);
    advance(&w, 5000);
    assert_int_equal(w.client.lost, 1);
    assert_int_equal(w.client.made, 2);
    world_fini(&w);
}

static void a_stop_aborts_an_attempt_and_a_free_is_silent(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &steady);
    w.host.error = 0;
    reel_reconnect_start(w.c);
    advance(&w, 0);
    reel_reconnect_stop(w.c);
    advance(&w, 0);
    assert_string_equal(w.client.order, "f");
    reel_reconnect_start(w.c);
    advance(&w, 0);
    reel_reconnect_free(w.c);
    advance(&w, 0);
    assert_string_equal(w.client.order, "ff");
    reel_reconnect_free(NULL);
    world_fini(&w);
}

struct heard {
    int count, error;
    void *pointer;
};

static void hear(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct heard *heard = context;
    (void)d;
    heard->count++;
    heard->error = result->error;
    heard->pointer = result->pointer;
}

static void who_waits_hears_of_the_connection(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &steady);
    struct heard patient = {0}, hasty = {0}, late = {0}, gone = {0};
    reel_deferred_done(reel_reconnect_when_connected(w.c, 0), hear, &patient);
    reel_deferred_done(reel_reconnect_when_connected(w.c, 2), hear, &hasty);
    struct reel_deferred *d = reel_reconnect_when_connected(w.c, 0);
    reel_deferred_done(d, hear, &gone);
    reel_deferred_cancel(d);
    reel_reconnect_start(w.c);
    advance(&w, 0);
    assert_int_equal(hasty.count, 0);
    assert_int_equal(gone.error, -ECANCELED);
    advance(&w, 1000);
    assert_int_equal(hasty.error, -ECONNREFUSED);
    server_up(&w);
    advance(&w, 2000);
    assert_int_equal(patient.count, 1);
    assert_ptr_equal(patient.pointer, w.client.t);
    reel_deferred_done(reel_reconnect_when_connected(w.c, 0), hear, &late);
    advance(&w, 0);
    assert_ptr_equal(late.pointer, w.client.t);
    world_fini(&w);
    assert_int_equal(patient.count + hasty.count + late.count + gone.count, 4);
}

static void who_waits_hears_of_the_end(void **state)
{
    (void)state;
    struct world w;
    struct reel_reconnect_options options = steady;
    options.tries_max = 1;
    world_init(&w, &options);
    struct heard given_up = {0}, stopped = {0}, freed = {0};
    reel_deferred_done(reel_reconnect_when_connected(w.c, 0), hear, &given_up);
    reel_reconnect_start(w.c);
    advance(&w, 0);
    assert_int_equal(given_up.error, -ECONNREFUSED);
    reel_deferred_done(reel_reconnect_when_connected(w.c, 0), hear, &stopped);
    reel_reconnect_stop(w.c);
    advance(&w, 0);
    assert_int_equal(stopped.error, -ECANCELED);
    reel_deferred_done(reel_reconnect_when_connected(w.c, 0), hear, &freed);
    world_fini(&w);
    assert_int_equal(freed.error, -ECANCELED);
}

static void wrong_options_and_endpoints_are_refused(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, NULL);
    struct reel_reconnect *c = NULL;
    const struct reel_reconnect_options wrong[] = {
        {.factor = 0.5}, {.jitter = 1}, {.first_ns = 2 * REEL_SECOND, .max_ns = REEL_SECOND}};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(
            reel_reconnect_new(w.r, "tcp:192.0.2.1:80", &w.client_factory, &wrong[i], &c), -EINVAL);
    assert_int_equal(reel_reconnect_new(w.r, "tcp:x", &w.client_factory, NULL, &c), -EINVAL);
    assert_null(c);
    w.counts.fail_after = 0;
    assert_int_equal(reel_reconnect_new(w.r, "tcp:192.0.2.1:80", &w.client_factory, NULL, &c),
                     -ENOMEM);
    w.counts.fail_after = -1;
    world_fini(&w);
}

/* It goes on trying, and connects when there is memory again. */
static void out_of_memory_is_a_failure_like_any_other(void **state)
{
    (void)state;
    for (long allowed = 0; allowed < 12; allowed++) {
        struct world w;
        world_init(&w, &steady);
        server_up(&w);
        reel_reconnect_start(w.c);
        w.counts.fail_after = allowed;
        advance(&w, 500);
        w.counts.fail_after = -1;
        advance(&w, 10000);
        assert_non_null(reel_reconnect_transport(w.c));
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_grow_up_to_the_longest),
        cmocka_unit_test(one_seed_gives_the_same_waits_and_another_does_not),
        cmocka_unit_test(it_gives_up_after_so_many_tries),
        cmocka_unit_test(a_connection_that_lasted_begins_the_waits_anew),
        cmocka_unit_test(stopping_closes_and_starting_goes_on),
        cmocka_unit_test(a_start_right_behind_a_stop_waits_for_the_old_connection),
        cmocka_unit_test(a_stop_aborts_an_attempt_and_a_free_is_silent),
        cmocka_unit_test(who_waits_hears_of_the_connection),
        cmocka_unit_test(who_waits_hears_of_the_end),
        cmocka_unit_test(wrong_options_and_endpoints_are_refused),
        cmocka_unit_test(out_of_memory_is_a_failure_like_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
