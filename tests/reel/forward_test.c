/* The forwarder and the join: both ways, at the pace of the slower one, with every kind of end. */
#include "helper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The test is both the client and the target. */
struct bed {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct reel_forward forward;
    struct reel_test_peer *client, *target;
    struct reel_wire wire; /* of the target */
    int connect_result;
    int ended, reason;
    uint64_t sent, received;
};

static int connect_target(const struct reel_forward *forward, struct reel_reactor *r,
                          const struct reel_factory *factory, struct reel_transport **out)
{
    struct bed *bed = (struct bed *)((char *)forward - offsetof(struct bed, forward));
    if (bed->connect_result < 0)
        return bed->connect_result;
    return reel_test_peer_new(r, factory, &bed->wire, &bed->target, out);
}

static void on_ended(const struct reel_forward *forward, struct reel_transport *client, int reason,
                     uint64_t sent, uint64_t received)
{
    struct bed *bed = (struct bed *)((char *)forward - offsetof(struct bed, forward));
    (void)client;
    bed->ended++;
    bed->reason = reason;
    bed->sent = sent;
    bed->received = received;
}

static void bed_init(struct bed *bed, size_t chunk_max)
{
    struct reel_reactor_options options = {.allocator = counting_allocator(&bed->counts)};
    struct reel_allocator allocator = options.allocator;
    memset(bed, 0, sizeof(*bed));
    bed->counts.fail_after = -1;
    options.allocator = allocator;
    bed->r = reel_test_reactor_new(&options, 0);
    assert_non_null(bed->r);
    bed->wire.chunk_max = chunk_max;
    bed->forward.connect = connect_target;
    bed->forward.ended = on_ended;
    reel_forward_init(&bed->forward);
}

static void bed_connect(struct bed *bed)
{
    struct reel_transport *t = NULL;
    assert_int_equal(
        reel_test_peer_new(bed->r, &bed->forward.factory, &bed->wire, &bed->client, &t), 0);
}

static void bed_fini(struct bed *bed)
{
    reel_test_peer_free(bed->client);
    reel_test_peer_free(bed->target);
    reel_test_advance(bed->r, 0);
    reel_reactor_free(bed->r);
    assert_int_equal(bed->counts.live, 0);
}

static void expect(const struct reel_test_peer *peer, const char *want_z)
{
    size_t len = 0;
    const uint8_t *got = reel_test_received(peer, &len);
    assert_int_equal(len, strlen(want_z));
    if (len)
        assert_memory_equal(got, want_z, len);
}

static void both_sides_hear_each_other(void **state)
{
    (void)state;
    for (size_t chunk = 0; chunk < 4; chunk++) {
        struct bed bed;
        bed_init(&bed, chunk);
        bed_connect(&bed);
        reel_test_send(bed.client, "early words", 11); /* before there is a target */
        reel_test_advance(bed.r, 0);
        reel_test_send(bed.target, "answer", 6);
        reel_test_send(bed.client, " and late", 9);
        reel_test_advance(bed.r, 0);
        expect(bed.target, "early words and late");
        expect(bed.client, "answer");
        bed_fini(&bed);
        assert_int_equal(bed.ended, 1);
        assert_int_equal(bed.sent, 20);
        assert_int_equal(bed.received, 6);
    }
}

static void each_half_ends_for_itself(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, 0);
    bed_connect(&bed);
    reel_test_send(bed.client, "question", 8);
    reel_test_send_eof(bed.client); /* before there is a target */
    reel_test_advance(bed.r, REEL_SECOND);
    expect(bed.target, "question");
    assert_true(reel_test_saw_eof(bed.target));
    assert_false(reel_test_saw_lost(bed.client));
    reel_test_send(bed.target, "answer", 6);
    reel_test_advance(bed.r, REEL_SECOND);
    expect(bed.client, "answer");
    assert_int_equal(bed.ended, 0);
    reel_test_send_eof(bed.target);
    reel_test_advance(bed.r, REEL_SECOND);
    assert_true(reel_test_saw_eof(bed.client));
    assert_int_equal(bed.ended, 1);
    assert_int_equal(bed.reason, 0);
    bed_fini(&bed);
}

static void a_reset_passes_through(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct bed bed;
        bed_init(&bed, 0);
        bed_connect(&bed);
        reel_test_advance(bed.r, 0);
        reel_test_reset(side ? bed.client : bed.target);
        reel_test_advance(bed.r, 0);
        struct reel_test_peer *other = side ? bed.target : bed.client;
        assert_true(reel_test_saw_lost(other));
        assert_int_equal(reel_test_reason(other), -ECONNRESET);
        assert_int_equal(bed.ended, 1);
        assert_int_equal(bed.reason, -ECONNRESET);
        bed_fini(&bed);
    }
}

static void no_target_no_client(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, 0);
    bed.connect_result = -ENETUNREACH;
    bed_connect(&bed);
    reel_test_advance(bed.r, 0);
    assert_true(reel_test_saw_lost(bed.client));
    assert_int_equal(bed.ended, 1);
    assert_int_equal(bed.reason, -ENETUNREACH);
    bed_fini(&bed);
}

static int connect_and_break(const struct reel_forward *forward, struct reel_reactor *r,
                             const struct reel_factory *factory, struct reel_transport **out)
{
    int err = connect_target(forward, r, factory, out);
    reel_abort_as(*out, -ECONNREFUSED);
    return err;
}

static void a_refused_target_is_told(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, 0);
    bed.forward.connect = connect_and_break;
    bed_connect(&bed);
    reel_test_advance(bed.r, 0);
    assert_true(reel_test_saw_lost(bed.client));
    assert_int_equal(bed.ended, 1);
    assert_int_equal(bed.reason, -ECONNREFUSED);
    bed_fini(&bed);
}

/* The client goes at each moment of the beginning. */
static void a_client_that_leaves_early_takes_the_attempt_along(void **state)
{
    (void)state;
    for (int turns = 0; turns < 4; turns++) {
        struct bed bed;
        bed_init(&bed, 0);
        bed_connect(&bed);
        for (int i = 0; i < turns; i++)
            reel_run_once(bed.r, 0);
        reel_test_reset(bed.client);
        reel_test_advance(bed.r, 0);
        if (bed.target)
            assert_true(reel_test_saw_lost(bed.target));
        struct reel_metrics metrics;
        reel_metrics(bed.r, &metrics);
        assert_int_equal(metrics.connections, 0);
        bed_fini(&bed);
    }
}

enum { FLOOD = 5 * 1000 * 1000 };

static size_t queued(struct bed *bed)
{
    struct reel_metrics metrics;
    reel_metrics(bed->r, &metrics);
    return metrics.queued_bytes;
}

/* `from` sends all the time, `to` does not read for a while: nothing grows, nothing is lost. */
static void flood(struct bed *bed, struct reel_test_peer *from, struct reel_test_peer *to)
{
    static uint8_t bytes[FLOOD];
    for (size_t i = 0; i < FLOOD; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    reel_test_read(to, false);
    assert_int_equal(reel_test_send(from, bytes, FLOOD), 0);
    reel_test_advance(bed->r, REEL_SECOND);
    size_t held = queued(bed);
    assert_true(held > FLOOD - 600000); /* the most of it waits where it was sent */
    reel_test_advance(bed->r, REEL_SECOND);
    assert_int_equal(queued(bed), held);
    reel_test_read(to, true);
    reel_test_advance(bed->r, REEL_SECOND);
    size_t len = 0;
    const uint8_t *got = reel_test_received(to, &len);
    assert_int_equal(len, FLOOD);
    assert_memory_equal(got, bytes, FLOOD);
    assert_int_equal(queued(bed), 0);
}

static void a_slow_reader_stops_the_sender(void **state)
{
    (void)state;
    for (int small = 0; small < 2; small++) {
        struct bed bed;
        bed_init(&bed, 0);
        if (small) {
            bed.forward.factory.options.queue_max = 3000;
            bed.forward.to_options.queue_max = 3000;
        }
        bed_connect(&bed);
        reel_test_advance(bed.r, 0);
        flood(&bed, bed.client, bed.target);
        reel_test_drop(bed.target, FLOOD);
        flood(&bed, bed.target, bed.client);
        reel_test_send_eof(bed.client);
        reel_test_send_eof(bed.target);
        reel_test_advance(bed.r, 0);
        assert_int_equal(bed.ended, 1);
        assert_int_equal(bed.sent, FLOOD);
        assert_int_equal(bed.received, FLOOD);
        bed_fini(&bed);
    }
}

static void what_was_sent_before_a_close_arrives(void **state)
{
    (void)state;
    static char bytes[200000];
    struct bed bed;
    bed_init(&bed, 0);
    bed_connect(&bed);
    reel_test_advance(bed.r, 0);
    reel_test_read(bed.client, false);
    reel_test_send(bed.target, bytes, sizeof(bytes));
    reel_test_send_eof(bed.target);
    reel_test_advance(bed.r, REEL_SECOND);
    reel_test_read(bed.client, true);
    reel_test_advance(bed.r, REEL_SECOND);
    size_t len = 0;
    reel_test_received(bed.client, &len);
    assert_int_equal(len, sizeof(bytes));
    assert_true(reel_test_saw_eof(bed.client));
    bed_fini(&bed);
}

static void an_idle_time_ends_both(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, 0);
    bed.forward.factory.options.idle_ns = 10 * REEL_SECOND;
    bed_connect(&bed);
    reel_test_advance(bed.r, 9 * REEL_SECOND);
    reel_test_send(bed.target, "x", 1);
    reel_test_advance(bed.r, 9 * REEL_SECOND);
    assert_int_equal(bed.ended, 0);
    reel_test_advance(bed.r, 2 * REEL_SECOND);
    assert_int_equal(bed.ended, 1);
    assert_int_equal(bed.reason, -ETIMEDOUT);
    assert_true(reel_test_saw_lost(bed.target));
    bed_fini(&bed);
}

static void closing_ones_are_not_joined(void **state)
{
    (void)state;
    static const struct reel_protocol plain = {.state_size = sizeof(struct reel_join)};
    static const struct reel_factory factory = {.protocol = &plain};
    struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
    struct reel_transport *a = NULL, *b = NULL, *c = NULL, *d = NULL;
    assert_int_equal(reel_test_pair(r, &factory, &factory, NULL, NULL, &a, &b), 0);
    assert_int_equal(reel_test_pair(r, &factory, &factory, NULL, NULL, &c, &d), 0);
    reel_test_advance(r, 0);
    reel_close(c);
    assert_int_equal(reel_join(b, c), -EPIPE);
    assert_ptr_equal(reel_protocol_of(b), &plain);
    reel_reactor_free(r);
}

static void hear_eof(struct reel_transport *t)
{
    (void)t;
}

static void an_end_before_the_join_goes_on_to_the_other(void **state)
{
    (void)state;
    static const struct reel_protocol plain = {.state_size = sizeof(struct reel_join),
                                               .eof = hear_eof};
    static const struct reel_factory factory = {.protocol = &plain};
    struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
    struct reel_test_peer *one = NULL, *other = NULL;
    struct reel_transport *a = NULL, *b = NULL;
    size_t len = 0;
    assert_int_equal(reel_test_peer_new(r, &factory, NULL, &one, &a), 0);
    assert_int_equal(reel_test_peer_new(r, &factory, NULL, &other, &b), 0);
    reel_test_advance(r, 0);
    reel_test_send_eof(one);
    reel_test_advance(r, 0);
    assert_int_equal(reel_join(a, b), 0);
    reel_test_advance(r, 0);
    assert_true(reel_test_saw_eof(other));
    assert_int_equal(reel_test_send(other, "answer", 6), 0);
    reel_test_send_eof(other);
    reel_test_advance(r, 0);
    reel_test_received(one, &len);
    assert_int_equal(len, 6);
    assert_true(reel_test_saw_lost(one) && reel_test_saw_lost(other));
    assert_int_equal(reel_test_reason(one), 0);
    reel_test_peer_free(one);
    reel_test_peer_free(other);
    reel_reactor_free(r);
}

static void out_of_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    static const char bytes[100000];
    bool whole = false;
    for (long allowed = 0; !whole; allowed++) {
        struct bed bed;
        bed_init(&bed, 0);
        bed_connect(&bed);
        reel_test_send(bed.client, bytes, sizeof(bytes));
        bed.counts.fail_after = allowed;
        reel_test_advance(bed.r, 0);
        bed.counts.fail_after = -1;
        reel_test_advance(bed.r, 0);
        size_t len = 0;
        if (bed.target)
            reel_test_received(bed.target, &len);
        whole = len == sizeof(bytes);
        assert_true(whole ? bed.ended == 0 : reel_test_saw_lost(bed.client));
        bed_fini(&bed);
    }
}

static void sockets_are_forwarded_to_sockets(void **state)
{
    (void)state;
    int fds = count_fds();
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct record target = {0};
    const struct reel_factory target_factory = {.protocol = &echo_protocol, .shared = &target};
    struct reel_listener *to = listen_local(r, &target_factory);
    char text[64], in[64] = "";
    snprintf(text, sizeof(text), "tcp:127.0.0.1:%u", reel_listener_port(to));
    struct reel_forward forward = {.to_z = text};
    reel_forward_init(&forward);
    int fd = connect_blocking(listen_local(r, &forward.factory));
    assert_int_equal(write(fd, "through the wall", 16), 16);
    shutdown(fd, SHUT_WR);
    run_until(r, &target.lost);
    size_t len = 0;
    for (int turns = 0; turns < 5000 && len < 17; turns++) {
        reel_run_once(r, REEL_MS);
        ssize_t n = recv(fd, in + len, sizeof(in) - len, MSG_DONTWAIT);
        len += n > 0 ? (size_t)n : n == 0;
    }
    assert_string_equal(in, "through the wall");
    assert_int_equal(len, 17); /* and the end */
    close(fd);
    reel_reactor_free(r);
    assert_int_equal(count_fds(), fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_hear_each_other),
        cmocka_unit_test(each_half_ends_for_itself),
        cmocka_unit_test(a_reset_passes_through),
        cmocka_unit_test(no_target_no_client),
        cmocka_unit_test(a_refused_target_is_told),
        cmocka_unit_test(a_client_that_leaves_early_takes_the_attempt_along),
        cmocka_unit_test(a_slow_reader_stops_the_sender),
        cmocka_unit_test(what_was_sent_before_a_close_arrives),
        cmocka_unit_test(an_idle_time_ends_both),
        cmocka_unit_test(closing_ones_are_not_joined),
        cmocka_unit_test(an_end_before_the_join_goes_on_to_the_other),
        cmocka_unit_test(out_of_memory_leaves_nothing_behind),
        cmocka_unit_test(sockets_are_forwarded_to_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
