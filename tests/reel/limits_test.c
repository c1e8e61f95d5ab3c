/* What runs out: descriptors, memory; and a thousand connections at once. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS ((size_t)1000)

static int raise_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 2 * CONNECTIONS + 100;
}

static void a_thousand_connections_echo_and_go(void **state)
{
    (void)state;
    if (!raise_descriptors())
        skip();
    int fds = count_fds();
    struct counting_allocator counts;
    const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
    struct reel_reactor *r = reel_reactor_new(&options);
    struct record server = {0}, client = {0};
    const struct reel_factory server_factory = {.protocol = &echo_protocol, .shared = &server};
    const struct reel_factory client_factory = {.protocol = &recording_protocol, .shared = &client};
    struct reel_listener *l = listen_local(r, &server_factory);
    struct reel_address address;
    assert_int_equal(reel_listener_address(l, &address), 0);
    static struct reel_transport *t[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(reel_connect_to(r, &address, 0, &client_factory, &t[i]), 0);
        assert_int_equal(reel_write(t[i], "0123456789", 10), 0);
        if (i % 50 == 0)
            run_turns(r, 1);
    }
    for (int turns = 0; turns < 20000 && client.received < 10 * CONNECTIONS; turns++)
        run_turns(r, 1);
    assert_int_equal(client.received, 10 * CONNECTIONS);
    struct reel_metrics metrics;
    reel_metrics(r, &metrics);
    assert_int_equal(metrics.connections, 2 * CONNECTIONS);
    assert_int_equal(metrics.accepted, CONNECTIONS);
    for (size_t i = 0; i < CONNECTIONS; i++)
        reel_close(t[i]);
    for (int turns = 0; turns < 20000 && server.lost < (int)CONNECTIONS; turns++)
        run_turns(r, 1);
    assert_int_equal(server.lost, CONNECTIONS);
    assert_int_equal(client.lost, CONNECTIONS);
    reel_reactor_free(r);
    assert_int_equal(counts.live, 0);
    assert_int_equal(count_fds(), fds);
}

/* All descriptors are taken: those who wait are dropped, nothing spins, and it goes on later. */
static void without_descriptors_accepting_rests_and_goes_on(void **state)
{
    (void)state;
    struct record server = {0};
    const struct reel_factory factory = {.protocol = &echo_protocol, .shared = &server};
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct reel_listener *l = listen_local(r, &factory);
    int clients[3];
    for (int i = 0; i < 3; i++)
        clients[i] = connect_blocking(l);
    struct rlimit before, now;
    getrlimit(RLIMIT_NOFILE, &before);
    int next = dup(0); /* all below are in use */
    close(next);
    now = (struct rlimit){(rlim_t)next, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(reel_run_once(r, REEL_SECOND), 1);
    struct reel_metrics metrics;
    reel_metrics(r, &metrics);
    assert_int_equal(metrics.refused, 3);
    assert_int_equal(server.made, 0);
    char byte = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(recv(clients[i], &byte, 1, 0), 0);
        close(clients[i]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    int fd = connect_blocking(l);
    uint64_t turns = metrics.turns;
    while (!server.made) {
        assert_true(reel_run_once(r, REEL_SECOND) >= 0);
        reel_metrics(r, &metrics);
        assert_true(metrics.turns < turns + 10); /* it sleeps through its rest */
    }
    assert_int_equal(write(fd, "x", 1), 1);
    for (int i = 0; i < 100 && !server.received; i++)
        run_turns(r, 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    close(fd);
    reel_reactor_free(r);
}

static size_t take_half(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct record *record = reel_shared(t);
    reel_write(t, data, len);
    record->received += len;
    reel_set_idle(t, REEL_SECOND);
    return len / 2;
}

static void note_made(struct reel_transport *t)
{
    struct record *record = reel_shared(t);
    record->made++;
    static const uint8_t block[100000];
    reel_write(t, block, 100);
    reel_write(t, block, sizeof(block));
}

static void note_lost(struct reel_transport *t, int reason)
{
    struct record *record = reel_shared(t);
    record->lost++;
    record->reason = reason;
}

static const struct reel_protocol greedy_protocol = {
    .state_size = 100, .made = note_made, .data = take_half, .lost = note_lost};

static void memory_scenario(struct reel_reactor *r, struct record *record)
{
    const struct reel_wire wire = {.buffer_max = 1000, .delay_ns = 5};
    const struct reel_factory factory = {
        .protocol = &greedy_protocol,
        .shared = record,
        .options = {.idle_ns = REEL_SECOND, .queue_high = 500, .queue_low = 100}};
    struct reel_transport *a = NULL, *b = NULL;
    if (reel_test_pair(r, &factory, &factory, &wire, &wire, &a, &b) == 0)
        reel_test_advance(r, 10000);
    reel_reactor_free(r); /* the factory goes with this function */
}

/* Every allocation of the scenario fails once, and everything after it: no crash, no leak, each
 * `made` has its `lost`. */
static void every_allocation_may_fail_on_wires(void **state)
{
    (void)state;
    int runs = 0;
    for (long n = 0;; n++, runs++) {
        struct counting_allocator counts;
        const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
        counts.fail_after = n;
        struct reel_reactor *r = reel_test_reactor_new(&options, 0);
        struct record record = {0};
        if (r)
            memory_scenario(r, &record);
        assert_int_equal(counts.live, 0);
        assert_int_equal(record.made, record.lost);
        if (counts.fail_after > 0)
            break; /* it has come through without a failure */
    }
    assert_true(runs > 10);
}

static void socket_scenario(struct reel_reactor *r, struct record *record)
{
    const struct reel_factory factory = {.protocol = &echo_protocol, .shared = record};
    struct reel_listener *l = NULL;
    if (reel_listen(r, "tcp:0:interface=127.0.0.1", &factory, &l) == 0) {
        int fd = connect_blocking(l);
        assert_int_equal(send(fd, "ping", 4, 0), 4);
        for (int i = 0; i < 20 && !record->received; i++)
            run_turns(r, 1);
        struct reel_address address;
        assert_int_equal(reel_listener_address(l, &address), 0);
        if (reel_connect_to(r, &address, 0, &factory, NULL) == 0)
            run_turns(r, 5);
        close(fd);
        run_turns(r, 3);
    }
    reel_reactor_free(r);
}

static void every_allocation_may_fail_on_sockets(void **state)
{
    (void)state;
    int fds = count_fds(), runs = 0;
    for (long n = 0;; n++, runs++) {
        struct counting_allocator counts;
        const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
        counts.fail_after = n;
        struct reel_reactor *r = reel_reactor_new(&options);
        struct record record = {0};
        if (r)
            socket_scenario(r, &record);
        assert_int_equal(counts.live, 0);
        assert_int_equal(record.made, record.lost);
        assert_int_equal(count_fds(), fds);
        if (counts.fail_after > 0)
            break;
    }
    assert_true(runs >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_connections_echo_and_go),
        cmocka_unit_test(without_descriptors_accepting_rests_and_goes_on),
        cmocka_unit_test(every_allocation_may_fail_on_wires),
        cmocka_unit_test(every_allocation_may_fail_on_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
