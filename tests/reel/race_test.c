/* Connecting by name, in virtual time: a table of names, and hosts that answer, refuse or are silent. */
#include "helper.h"

#include <errno.h>
#include <string.h>

enum { MS_IN_NS = 1000000 };

/* Client and server record themselves. */
struct world {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct record client, server;
    struct reel_factory client_factory, server_factory;
    struct reel_transport *t;
};

static void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    struct reel_reactor_options options = {.allocator = counting_allocator(&w->counts)};
    w->r = reel_test_reactor_new(&options, 0);
    assert_non_null(w->r);
    w->client_factory =
        (struct reel_factory){.protocol = &recording_protocol, .shared = &w->client};
    w->server_factory =
        (struct reel_factory){.protocol = &recording_protocol, .shared = &w->server};
}

static void world_fini(struct world *w)
{
    reel_reactor_free(w->r);
    assert_int_equal(w->counts.live, 0);
}

static void set_names(struct world *w, const struct reel_name *names, size_t count)
{
    reel_resolver_use_table(w->r, names, count);
}

#define SET_NAMES(w, ...)                           \
    const struct reel_name names[] = {__VA_ARGS__}; \
    set_names(w, names, sizeof(names) / sizeof(names[0]))
#define SET_HOSTS(w, ...)                                \
    const struct reel_test_host hosts[] = {__VA_ARGS__}; \
    reel_test_hosts((w)->r, hosts, sizeof(hosts) / sizeof(hosts[0]))

static void connect_to(struct world *w, const char *endpoint_z)
{
    assert_int_equal(reel_connect(w->r, endpoint_z, &w->client_factory, &w->t), 0);
    assert_non_null(w->t);
    assert_string_equal(w->client.order, "");
}

static void advance(struct world *w, int64_t ms)
{
    reel_test_advance(w->r, ms * MS_IN_NS);
}

static void ipv6_is_taken_when_both_answer(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 0}, {"host.test", "2001:db8::1", 0, 0, 0});
    struct record other = {0};
    const struct reel_factory v4 = {.protocol = &recording_protocol, .shared = &other};
    SET_HOSTS(&w, {"192.0.2.1", &v4, 0, 0}, {"2001:db8::1", &w.server_factory, 0, 0});
    connect_to(&w, "tcp:host.test:80");
    assert_int_equal(reel_fd(w.t), -1);
    advance(&w, 0);
    assert_string_equal(w.client.order, "m");
    assert_int_equal(w.server.made, 1);
    advance(&w, 1000);
    assert_int_equal(other.made, 0);
    world_fini(&w);
}

static void the_connection_carries_bytes_and_ends_in_order(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 0});
    SET_HOSTS(&w, {"192.0.2.1", &w.server_factory, 0, 20 * REEL_MS});
    connect_to(&w, "tcp:host.test:80");
    memset(reel_state(w.t), 7, 32);
    assert_int_equal(reel_write(w.t, "early", 5), 0);
    advance(&w, 19);
    assert_int_equal(w.client.made, 0);
    advance(&w, 1);
    assert_string_equal(w.server.data, "early");
    assert_int_equal(*(char *)reel_state(w.t), 7);
    reel_close(w.t);
    advance(&w, 0);
    assert_string_equal(w.client.order, "ml");
    assert_int_equal(w.client.reason, 0);
    world_fini(&w);
}

static void ipv4_waits_fifty_milliseconds_for_ipv6(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 0},
              {"host.test", "2001:db8::1", 0, 0, 500 * REEL_MS});
    SET_HOSTS(&w, {"192.0.2.1", &w.server_factory, 0, 0});
    connect_to(&w, "tcp:host.test:80");
    advance(&w, 49);
    assert_int_equal(w.client.made, 0);
    advance(&w, 1);
    assert_int_equal(w.client.made, 1);
    world_fini(&w);
}

static void a_late_ipv6_answer_within_the_delay_goes_first(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 0},
              {"host.test", "2001:db8::1", 0, 0, 30 * REEL_MS});
    SET_HOSTS(&w, {"2001:db8::1", &w.server_factory, 0, 0}, {"192.0.2.1", NULL, 0, 0});
    connect_to(&w, "tcp:host.test:80");
    advance(&w, 29);
    assert_int_equal(w.client.made, 0);
    advance(&w, 1);
    assert_int_equal(w.client.made, 1);
    world_fini(&w);
}

static void no_ipv6_address_means_no_wait(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 10 * REEL_MS},
              {"host.test", NULL, AF_INET6, -ENODATA, 0});
    SET_HOSTS(&w, {"192.0.2.1", &w.server_factory, 0, 0});
    connect_to(&w, "tcp:host.test:80");
    advance(&w, 9);
    assert_int_equal(w.client.made, 0);
    advance(&w, 1);
    assert_int_equal(w.client.made, 1);
    world_fini(&w);
}

static void a_failed_ipv6_question_does_not_hide_ipv4(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 0},
              {"host.test", NULL, AF_INET6, -EREMOTEIO, 20 * REEL_MS});
    SET_HOSTS(&w, {"192.0.2.1", &w.server_factory, 0, 0});
    connect_to(&w, "tcp:host.test:80");
    advance(&w, 20);
    assert_int_equal(w.client.made, 1);
    world_fini(&w);
}

static void an_ipv6_answer_does_not_wait_for_ipv4(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", NULL, AF_INET, 0, 0}, {"host.test", "2001:db8::1", 0, 0, 0});
    SET_HOSTS(&w, {"2001:db8::1", &w.server_factory, 0, 0});
    connect_to(&w, "tcp:host.test:80");
    advance(&w, 0);
    assert_int_equal(w.client.made, 1);
    world_fini(&w);
}

static void a_silent_address_is_overtaken_after_a_quarter_of_a_second(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "2001:db8::1", 0, 0, 0}, {"host.test", "192.0.2.1", 0, 0, 0});
    SET_HOSTS(&w, {"2001:db8::1", NULL, 0, 0}, {"192.0.2.1", &w.server_factory, 0, 0});
    connect_to(&w, "tcp:host.test:80");
    advance(&w, 249);
    assert_int_equal(w.client.made, 0);
    advance(&w, 1);
    assert_int_equal(w.client.made, 1);
    world_fini(&w);
}

static void a_refusal_is_followed_by_the_next_address_at_once(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "2001:db8::1", 0, 0, 0}, {"host.test", "192.0.2.1", 0, 0, 0});
    SET_HOSTS(&w, {"2001:db8::1", NULL, -ECONNREFUSED, 10 * REEL_MS},
              {"192.0.2.1", &w.server_factory, 0, 0});
    connect_to(&w, "tcp:host.test:80");
    advance(&w, 10);
    assert_int_equal(w.client.made, 1);
    world_fini(&w);
}

static void a_slow_first_address_still_wins_over_a_slower_second(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct record other = {0};
    const struct reel_factory v4 = {.protocol = &recording_protocol, .shared = &other};
    SET_NAMES(&w, {"host.test", "2001:db8::1", 0, 0, 0}, {"host.test", "192.0.2.1", 0, 0, 0});
    SET_HOSTS(&w, {"2001:db8::1", &w.server_factory, 0, 300 * REEL_MS},
              {"192.0.2.1", &v4, 0, 100 * REEL_MS});
    connect_to(&w, "tcp:host.test:80");
    advance(&w, 1000);
    assert_int_equal(w.server.made, 1);
    assert_int_equal(other.made, 0);
    assert_string_equal(w.client.order, "m");
    world_fini(&w);
}

/* The order shows in when each address gets its turn: 0, 250, 500, 750 ms. */
static void families_take_turns(void **state)
{
    (void)state;
    static const char *const order[] = {"2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"};
    for (int winner = 0; winner < 4; winner++) {
        struct world w;
        world_init(&w);
        SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 0}, {"host.test", "192.0.2.2", 0, 0, 0},
                  {"host.test", "2001:db8::1", 0, 0, 0}, {"host.test", "2001:db8::2", 0, 0, 0});
        struct reel_test_host hosts[4];
        for (int i = 0; i < 4; i++)
            hosts[i] =
                (struct reel_test_host){order[i], i == winner ? &w.server_factory : NULL, 0, 0};
        reel_test_hosts(w.r, hosts, 4);
        connect_to(&w, "tcp:host.test:80");
        if (winner)
            advance(&w, 250 * winner - 1);
        assert_int_equal(w.client.made, 0);
        advance(&w, winner ? 1 : 0);
        assert_int_equal(w.client.made, 1);
        world_fini(&w);
    }
}

static void tunnels_and_site_addresses_come_behind_ipv4(void **state)
{
    (void)state;
    static const char *const poor[] = {"2002:c000:201::1", "2001::1", "fd00::1"};
    for (size_t i = 0; i < 3; i++) {
        struct world w;
        world_init(&w);
        SET_NAMES(&w, {"host.test", poor[i], 0, 0, 0}, {"host.test", "192.0.2.1", 0, 0, 0});
        struct record other = {0};
        const struct reel_factory v6 = {.protocol = &recording_protocol, .shared = &other};
        SET_HOSTS(&w, {"192.0.2.1", &w.server_factory, 0, 0}, {poor[i], &v6, 0, 0});
        connect_to(&w, "tcp:host.test:80");
        advance(&w, 50);
        assert_int_equal(w.server.made, 1);
        assert_int_equal(other.made, 0);
        world_fini(&w);
    }
}

static void all_refused_is_a_failure_at_once(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "2001:db8::1", 0, 0, 0}, {"host.test", "192.0.2.1", 0, 0, 0});
    SET_HOSTS(&w, {"192.0.2.1", NULL, -ECONNREFUSED, 0});
    connect_to(&w, "tcp:host.test:80");
    advance(&w, 0);
    assert_string_equal(w.client.order, "f");
    assert_int_equal(w.client.reason, -ECONNREFUSED); /* not that there is no route to the other */
    world_fini(&w);
}

static void an_unknown_name_is_a_failure_with_the_resolvers_error(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", NULL, AF_UNSPEC, -ETIMEDOUT, 100 * REEL_MS});
    SET_HOSTS(&w, {"192.0.2.1", &w.server_factory, 0, 0});
    connect_to(&w, "tcp:other.test:80");
    advance(&w, 0);
    assert_string_equal(w.client.order, "f");
    assert_int_equal(w.client.reason, -ENOENT);
    connect_to(&(struct world){.r = w.r, .client_factory = w.server_factory}, "tcp:host.test:80");
    advance(&w, 100);
    assert_int_equal(w.server.reason, -ETIMEDOUT);
    world_fini(&w);
}

static void the_time_out_is_for_all_of_it(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "2001:db8::1", 0, 0, 1500 * REEL_MS});
    SET_HOSTS(&w, {"2001:db8::1", NULL, 0, 0});
    connect_to(&w, "tcp:host.test:80:timeout=2");
    advance(&w, 1999);
    assert_string_equal(w.client.order, "");
    advance(&w, 1);
    assert_string_equal(w.client.order, "f");
    assert_int_equal(w.client.reason, -ETIMEDOUT);
    world_fini(&w);
}

static void an_own_address_leaves_out_the_other_family(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "2001:db8::1", 0, 0, 0}, {"host.test", "192.0.2.1", 0, 0, 0});
    SET_HOSTS(&w, {"2001:db8::1", &w.server_factory, 0, 0}, {"192.0.2.1", NULL, -ECONNRESET, 0});
    connect_to(&w, "tcp:host.test:80:bindAddress=192.0.2.9");
    advance(&w, 100);
    assert_int_equal(w.client.reason, -ECONNRESET);
    assert_int_equal(w.server.made, 0);
    world_fini(&w);
}

/* In the middle of names, of the resolution delay, of the attempts, and just before `made`. */
static void an_abort_ends_it_at_every_step(void **state)
{
    (void)state;
    static const int64_t steps_ms[] = {0, 5, 30, 100, 300, 400, 510};
    for (size_t i = 0; i < sizeof(steps_ms) / sizeof(steps_ms[0]); i++) {
        struct world w;
        world_init(&w);
        SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 10 * REEL_MS},
                  {"host.test", "2001:db8::1", 0, 0, 40 * REEL_MS});
        SET_HOSTS(&w, {"2001:db8::1", NULL, 0, 0}, {"192.0.2.1", NULL, -ETIMEDOUT, 900 * REEL_MS});
        connect_to(&w, "tcp:host.test:80");
        advance(&w, steps_ms[i]);
        reel_abort(w.t);
        advance(&w, 0);
        assert_string_equal(w.client.order, "f");
        assert_int_equal(w.client.reason, -ECONNABORTED);
        struct reel_metrics metrics;
        reel_metrics(w.r, &metrics);
        assert_int_equal(metrics.timers, 0);
        assert_int_equal(metrics.deferreds, 0);
        world_fini(&w);
    }
}

static void the_reactors_end_ends_it_at_every_step(void **state)
{
    (void)state;
    static const int64_t steps_ms[] = {0, 5, 30, 100, 300, 400};
    for (size_t i = 0; i < sizeof(steps_ms) / sizeof(steps_ms[0]); i++) {
        struct world w;
        world_init(&w);
        SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 10 * REEL_MS},
                  {"host.test", "2001:db8::1", 0, 0, 40 * REEL_MS});
        SET_HOSTS(&w, {"2001:db8::1", NULL, 0, 0}, {"192.0.2.1", NULL, 0, 0});
        connect_to(&w, "tcp:host.test:80");
        advance(&w, steps_ms[i]);
        world_fini(&w);
        assert_string_equal(w.client.order, "f");
        assert_int_equal(w.client.reason, -ECANCELED);
    }
}

static void out_of_memory_anywhere_is_an_error_or_a_failure(void **state)
{
    (void)state;
    int connected = 0;
    for (long allowed = 0; allowed < 60 && !connected; allowed++) {
        struct world w;
        world_init(&w);
        SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 10 * REEL_MS},
                  {"host.test", "2001:db8::1", 0, 0, 20 * REEL_MS});
        SET_HOSTS(&w, {"2001:db8::1", NULL, -ECONNREFUSED, 0},
                  {"192.0.2.1", &w.server_factory, 0, 0});
        w.counts.fail_after = allowed;
        int err = reel_connect(w.r, "tcp:host.test:80", &w.client_factory, &w.t);
        if (err == 0) {
            advance(&w, 1000);
            assert_int_equal(w.client.made + w.client.failed, 1);
            connected = w.client.made && !w.client.lost;
        } else {
            assert_int_equal(err, -ENOMEM);
            assert_string_equal(w.client.order, "");
        }
        w.counts.fail_after = -1;
        world_fini(&w);
    }
    assert_int_equal(connected, 1);
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

static void a_deferred_has_the_transport(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 0});
    SET_HOSTS(&w, {"192.0.2.1", &w.server_factory, 0, 0}, {"192.0.2.2", NULL, -ECONNREFUSED, 0});
    struct heard good = {0}, refused = {0}, unknown = {0}, wrong = {0};
    reel_deferred_done(reel_connect_deferred(w.r, "tcp:host.test:80", &w.client_factory), hear,
                       &good);
    const struct reel_factory silent = {.protocol = &(const struct reel_protocol){.name_z = "x"}};
    reel_deferred_done(reel_connect_deferred(w.r, "tcp:192.0.2.2:80", &silent), hear, &refused);
    reel_deferred_done(reel_connect_deferred(w.r, "tcp:nobody.test:80", &silent), hear, &unknown);
    reel_deferred_done(reel_connect_deferred(w.r, "no endpoint", &silent), hear, &wrong);
    advance(&w, 0);
    assert_int_equal(good.error, 0);
    assert_ptr_equal(good.pointer, w.client.t);
    assert_int_equal(refused.error, -ECONNREFUSED);
    assert_int_equal(unknown.error, -ENOENT);
    assert_int_equal(wrong.error, -EINVAL);
    world_fini(&w);
    assert_int_equal(good.count + refused.count + unknown.count + wrong.count, 4);
}

static void cancelling_the_deferred_aborts_the_attempt(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 0});
    SET_HOSTS(&w, {"192.0.2.1", NULL, 0, 0});
    struct heard heard = {0};
    struct reel_deferred *d = reel_connect_deferred(w.r, "tcp:host.test:80", &w.client_factory);
    assert_int_equal(reel_deferred_timeout(d, 100 * REEL_MS), 0);
    reel_deferred_done(d, hear, &heard);
    advance(&w, 100);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.error, -ETIMEDOUT);
    assert_string_equal(w.client.order, "f");
    world_fini(&w);
}

static void dialling_is_by_name_unless_told_otherwise(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    SET_NAMES(&w, {"host.test", "192.0.2.1", 0, 0, 0});
    SET_HOSTS(&w, {"192.0.2.1", &w.server_factory, 0, 0});
    struct reel_dial dial = {.host_z = "host.test", .port = 80, .factory = &w.client_factory};
    assert_int_equal(reel_dial(NULL, w.r, &dial), 0);
    assert_non_null(dial.transport);
    advance(&w, 0);
    assert_int_equal(w.client.made, 1);
    assert_int_equal(reel_connect_host(w.r, "", 80, NULL, &w.client_factory, &w.t), -EINVAL);
    dial.host_z = "";
    assert_int_equal(reel_dial(&reel_dialer_by_name, w.r, &dial), -EINVAL);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv6_is_taken_when_both_answer),
        cmocka_unit_test(the_connection_carries_bytes_and_ends_in_order),
        cmocka_unit_test(ipv4_waits_fifty_milliseconds_for_ipv6),
        cmocka_unit_test(a_late_ipv6_answer_within_the_delay_goes_first),
        cmocka_unit_test(no_ipv6_address_means_no_wait),
        cmocka_unit_test(a_failed_ipv6_question_does_not_hide_ipv4),
        cmocka_unit_test(an_ipv6_answer_does_not_wait_for_ipv4),
        cmocka_unit_test(a_silent_address_is_overtaken_after_a_quarter_of_a_second),
        cmocka_unit_test(a_refusal_is_followed_by_the_next_address_at_once),
        cmocka_unit_test(a_slow_first_address_still_wins_over_a_slower_second),
        cmocka_unit_test(families_take_turns),
        cmocka_unit_test(tunnels_and_site_addresses_come_behind_ipv4),
        cmocka_unit_test(all_refused_is_a_failure_at_once),
        cmocka_unit_test(an_unknown_name_is_a_failure_with_the_resolvers_error),
        cmocka_unit_test(the_time_out_is_for_all_of_it),
        cmocka_unit_test(an_own_address_leaves_out_the_other_family),
        cmocka_unit_test(an_abort_ends_it_at_every_step),
        cmocka_unit_test(the_reactors_end_ends_it_at_every_step),
        cmocka_unit_test(out_of_memory_anywhere_is_an_error_or_a_failure),
        cmocka_unit_test(a_deferred_has_the_transport),
        cmocka_unit_test(cancelling_the_deferred_aborts_the_attempt),
        cmocka_unit_test(dialling_is_by_name_unless_told_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
