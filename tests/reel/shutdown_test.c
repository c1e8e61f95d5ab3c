/* A graceful stop: phases, triggers, connections, the time limit. */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct counting_allocator counts;
static char order[32];

static int set_up(void **state)
{
    const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
    memset(order, 0, sizeof(order));
    *state = reel_test_reactor_new(&options, 0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    reel_reactor_free(*state);
    assert_int_equal(counts.live, 0);
    return 0;
}

struct named {
    struct reel_trigger trigger;
    char name;
    int64_t takes_ns; /* 0: nothing to wait for */
    bool fails;
};

static struct reel_deferred *note(struct reel_trigger *trigger)
{
    struct named *named = (struct named *)trigger;
    order[strlen(order)] = named->name;
    if (named->fails)
        return reel_deferred_fail(trigger->reactor, -EIO, NULL);
    return named->takes_ns ? reel_deferred_sleep(trigger->reactor, named->takes_ns) : NULL;
}

static void the_phases_follow_each_other(void **state)
{
    struct reel_reactor *r = *state;
    struct named t[] = {{.name = 'a'},
                        {.name = 'b', .takes_ns = REEL_SECOND},
                        {.name = 'c', .fails = true},
                        {.name = 'd', .takes_ns = 2 * REEL_SECOND},
                        {.name = 'e'},
                        {.name = 'x'}};
    const enum reel_phase phases[] = {REEL_AFTER_STOP,  REEL_BEFORE_STOP, REEL_BEFORE_STOP,
                                      REEL_DURING_STOP, REEL_DURING_STOP, REEL_DURING_STOP};
    for (int i = 0; i < 6; i++)
        reel_trigger_start(&t[i].trigger, r, phases[i], note);
    reel_trigger_stop(&t[5].trigger);
    reel_trigger_stop(&t[5].trigger);
    assert_false(reel_is_stopping(r));
    assert_int_equal(reel_stop_gracefully(r, 60 * REEL_SECOND), 0);
    assert_true(reel_is_stopping(r));
    assert_string_equal(order, "");
    reel_test_advance(r, 0);
    assert_string_equal(order, "bc");
    reel_test_advance(r, REEL_SECOND);
    assert_string_equal(order, "bcde");
    assert_int_equal(reel_run(r), 0); /* to the end, which comes of itself */
    assert_string_equal(order, "bcdea");
    assert_true(reel_now_ns(r) == 3 * REEL_SECOND);
}

static void connections_are_waited_for(void **state)
{
    struct reel_reactor *r = *state;
    struct record record = {0};
    const struct reel_factory factory = {.protocol = &echo_protocol, .shared = &record};
    struct named before = {.name = 'b'}, during = {.name = 'd'}, after = {.name = 'a'};
    struct reel_test_peer *peer = NULL;
    struct reel_transport *t = NULL;
    size_t len = 0;
    assert_int_equal(reel_test_peer_new(r, &factory, NULL, &peer, &t), 0);
    reel_test_advance(r, 0);
    reel_trigger_start(&after.trigger, r, REEL_AFTER_STOP, note);
    reel_trigger_start(&during.trigger, r, REEL_DURING_STOP, note);
    reel_trigger_start(&before.trigger, r, REEL_BEFORE_STOP, note);
    assert_int_equal(reel_stop_gracefully(r, 60 * REEL_SECOND), 0);
    reel_test_advance(r, 10 * REEL_SECOND);
    assert_string_equal(order, "bd");
    reel_test_send(peer, "still here", 10);
    reel_test_advance(r, REEL_SECOND);
    reel_test_received(peer, &len);
    assert_int_equal(len, 10);
    reel_close(t);
    reel_test_peer_free(peer);
    reel_test_advance(r, 0);
    assert_int_equal(record.lost, 1);
    assert_string_equal(order, "bda");
}

/* One waits without an end in each phase; each trigger is called all the same. */
static void after_the_grace_nothing_is_waited_for(void **state)
{
    (void)state;
    for (int phase = -1; phase < REEL_PHASES; phase++) {
        const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
        struct reel_reactor *r = reel_test_reactor_new(&options, 0);
        struct record record = {0};
        const struct reel_factory factory = {.protocol = &echo_protocol, .shared = &record};
        struct reel_test_peer *peer = NULL;
        struct reel_transport *t = NULL;
        struct named stuck = {.name = 's', .takes_ns = 1000 * REEL_SECOND};
        struct named t0 = {.name = '0'}, t1 = {.name = '1'}, t2 = {.name = '2'};
        memset(order, 0, sizeof(order));
        assert_int_equal(reel_test_peer_new(r, &factory, NULL, &peer, &t), 0);
        reel_trigger_start(&t0.trigger, r, REEL_BEFORE_STOP, note);
        reel_trigger_start(&t1.trigger, r, REEL_DURING_STOP, note);
        reel_trigger_start(&t2.trigger, r, REEL_AFTER_STOP, note);
        if (phase >= 0)
            reel_trigger_start(&stuck.trigger, r, (enum reel_phase)phase, note);
        assert_int_equal(reel_stop_gracefully(r, 5 * REEL_SECOND), 0);
        reel_test_advance(r, 2 * REEL_SECOND);
        assert_int_equal(reel_stop_gracefully(r, 2 * REEL_SECOND), 0); /* a shorter time */
        assert_int_equal(reel_run(r), 0);
        assert_true(reel_now_ns(r) == 4 * REEL_SECOND);
        const char *const orders[] = {"012", "0s12", "01s2", "012s"};
        assert_string_equal(order, orders[phase + 1]);
        reel_test_peer_free(peer);
        reel_reactor_free(r);
        assert_int_equal(record.reason, -ECANCELED);
        assert_int_equal(counts.live, 0);
    }
}

static void a_stop_without_grace_is_a_stop(void **state)
{
    struct named never = {.name = 'n'}, after = {.name = 'a'};
    reel_trigger_start(&after.trigger, *state, REEL_AFTER_STOP, note);
    reel_trigger_start(&never.trigger, *state, REEL_BEFORE_STOP, note);
    assert_int_equal(reel_stop_gracefully(*state, 0), 0);
    assert_int_equal(reel_run(*state), 0);
    assert_string_equal(order, "na");
    assert_int_equal(reel_stop_gracefully(*state, 0), 0); /* it is over */
    reel_test_advance(*state, REEL_SECOND);
    assert_string_equal(order, "na");
}

static void memory_may_run_out(void **state)
{
    for (long n = 0;; n++) {
        counts.fail_after = n;
        int err = reel_stop_gracefully(*state, REEL_SECOND);
        counts.fail_after = -1;
        assert_int_equal(reel_is_stopping(*state), err == 0);
        if (err == 0)
            break;
        assert_int_equal(err, -ENOMEM);
        assert_true(n < 10);
    }
    assert_int_equal(reel_run(*state), 0);
}

static void listeners_are_shut_and_stay_valid(void **state)
{
    (void)state;
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct record record = {0};
    const struct reel_factory factory = {.protocol = &echo_protocol, .shared = &record};
    struct reel_listener *l = listen_local(r, &factory);
    struct reel_listener *left = listen_local(r, &factory);
    struct reel_address address;
    assert_int_equal(reel_listener_address(l, &address), 0);
    int fd = connect_blocking(l);
    run_until(r, &record.made);
    assert_int_equal(reel_stop_gracefully(r, 60 * REEL_SECOND), 0);
    run_turns(r, 2);
    int refused = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(refused, (struct sockaddr *)&address.storage, address.length), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(refused);
    assert_int_equal(reel_listener_fd(l), -1);
    assert_int_equal(reel_listener_address(l, &address), -EBADF);
    reel_listener_pause(l);
    reel_listener_resume(l);
    char in[4];
    assert_int_equal(write(fd, "ping", 4), 4);
    run_turns(r, 5);
    assert_int_equal(read(fd, in, 4), 4); /* served on */
    reel_listener_close(l);
    assert_non_null(left);
    close(fd);
    assert_int_equal(reel_run(r), 0);
    assert_int_equal(record.lost, 1);
    reel_reactor_free(r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_phases_follow_each_other),
        TEST(connections_are_waited_for),
        cmocka_unit_test(after_the_grace_nothing_is_waited_for),
        TEST(a_stop_without_grace_is_a_stop),
        TEST(memory_may_run_out),
        cmocka_unit_test(listeners_are_shut_and_stay_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
