/* Filters on wires in virtual time: what passes them, what a handshake does, what is left over, who
 * frees what. */
#include "filter_helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void what_passes_a_filter_is_changed_both_ways(void **state)
{
    struct fixture *f = *state;
    f->factory.protocol = &echo_protocol;
    f->uses[0] = (struct reel_filter_use){&xor_type, &f->key};
    const struct reel_wire wires[] = {{.chunk_max = 1, .send_max = 1, .buffer_max = 1},
                                      {.chunk_max = 3, .send_max = 2, .buffer_max = 5},
                                      {.delay_ns = 10}};
    for (size_t i = 0; i < 3; i++) {
        memset(&f->record, 0, sizeof(f->record));
        meet(f, &wires[i]);
        assert_int_equal(f->record.made, 1);
        send_text(f, "hello, echo through a filter");
        reel_test_advance(f->r, REEL_SECOND);
        assert_string_equal(f->record.data, "HELLO\x0c\0ECHO\0THROUGH\0A\0FILTER");
        expect_received(f, "hello, echo through a filter");
        reel_test_send_eof(f->peer);
        reel_test_advance(f->r, REEL_SECOND);
        assert_true(reel_test_saw_eof(f->peer));
        assert_int_equal(f->record.reason, 0);
        reel_test_peer_free(f->peer);
        f->peer = NULL;
    }
}

static void two_that_undo_each_other_are_none(void **state)
{
    struct fixture *f = *state;
    f->factory.protocol = &echo_protocol;
    f->uses[0] = (struct reel_filter_use){&xor_type, &f->key};
    f->uses[1] = (struct reel_filter_use){&nothing_type, NULL};
    f->uses[2] = (struct reel_filter_use){&xor_type, &f->key};
    meet(f, NULL);
    struct reel_filter *top = reel_filter_find(f->t, &xor_type);
    assert_non_null(top);
    assert_non_null(reel_filter_find_below(top));
    assert_ptr_not_equal(reel_filter_find_below(top), top);
    assert_null(reel_filter_find_below(reel_filter_find_below(top)));
    assert_null(reel_filter_find(f->t, &greeter_type));
    send_text(f, "plain");
    assert_string_equal(f->record.data, "plain");
    expect_received(f, "plain");
    reel_close(f->t);
    reel_test_advance(f->r, 0);
}

static void an_empty_list_is_no_filter(void **state)
{
    struct fixture *f = *state;
    f->factory.protocol = &echo_protocol;
    meet(f, NULL);
    assert_null(reel_filter_find(f->t, &xor_type));
    send_text(f, "plain");
    expect_received(f, "plain");
    reel_close(f->t);
    reel_test_advance(f->r, 0);
}

static void a_handshake_comes_before_made_and_its_rest_after(void **state)
{
    struct fixture *f = *state;
    f->uses[0] = (struct reel_filter_use){&greeter_type, &f->greeting_at};
    for (int leaves = 0; leaves < 2; leaves++) {
        f->greeting.leaves = leaves;
        memset(&f->record, 0, sizeof(f->record));
        meet(f, &(struct reel_wire){.chunk_max = leaves ? 0 : 1, .delay_ns = 5});
        assert_int_equal(reel_write(f->t, "early", 5), 0); /* waits for the handshake */
        reel_test_advance(f->r, 10);
        expect_received(f, "HELLO");
        send_text(f, "HEL");
        reel_test_advance(f->r, 100);
        assert_int_equal(f->record.made, 0);
        send_text(f, "LOand more");
        reel_test_advance(f->r, 100);
        assert_string_equal(f->record.data, "and more");
        assert_memory_equal(f->record.order, "md", 2);
        expect_received(f, "HELLOearly");
        assert_int_equal(f->greeting.closed, leaves ? 2 : 0);
        assert_true(leaves == !reel_filter_find(f->t, &greeter_type));
        send_text(f, ".");
        reel_test_advance(f->r, 100);
        assert_string_equal(f->record.data, "and more.");
        reel_test_send_eof(f->peer);
        reel_test_advance(f->r, 10);
        assert_int_equal(f->record.eof, 1);
        assert_int_equal(reel_write(f->t, "late", 4), 0);
        reel_close(f->t);
        reel_test_advance(f->r, 10);
        expect_received(f, "HELLOearlylate");
        assert_int_equal(f->record.reason, 0);
        assert_int_equal(f->greeting.closed, leaves + 1);
        assert_false(f->greeting.was_reset);
        reel_test_peer_free(f->peer);
        f->peer = NULL;
    }
}

static void handshakes_come_one_after_the_other_from_below(void **state)
{
    struct fixture *f = *state;
    struct greeting upper = {.word_z = "upper", .leaves = true};
    struct greeting *upper_at = &upper;
    f->greeting.leaves = true;
    f->uses[0] = (struct reel_filter_use){&greeter_type, &f->greeting_at};
    f->uses[1] = (struct reel_filter_use){&xor_type, &f->key};
    f->uses[2] = (struct reel_filter_use){&greeter_type, &upper_at};
    meet(f, NULL);
    expect_received(f, "HELLO");
    send_text(f, "HELLOUPPERdata");
    assert_string_equal(f->record.data, "DATA");
    expect_received(f, "HELLOUPPER");
    assert_int_equal(upper.closed, 1);
    assert_int_equal(f->greeting.closed, 1);
    reel_close(f->t);
    reel_test_advance(f->r, 0);
}

static void expect_failed(struct fixture *f, int reason)
{
    assert_int_equal(f->record.made, 0);
    assert_int_equal(f->record.failed, 1);
    assert_int_equal(f->record.reason, reason);
    assert_true(reel_test_saw_lost(f->peer) || reel_test_saw_eof(f->peer));
    assert_int_equal(f->greeting.closed, f->greeting.opened);
    f->record.failed = 0;
    reel_test_peer_free(f->peer);
    f->peer = NULL;
}

static void a_handshake_that_fails_is_failed(void **state)
{
    struct fixture *f = *state;
    f->uses[0] = (struct reel_filter_use){&nothing_type, NULL};
    f->uses[1] = (struct reel_filter_use){&greeter_type, &f->greeting_at};
    meet(f, NULL);
    send_text(f, "HELP");
    expect_received(f, "HELLO"); /* last words arrive */
    expect_failed(f, -EPROTO);
    meet(f, NULL);
    reel_test_send_eof(f->peer);
    reel_test_advance(f->r, 0);
    expect_failed(f, -ECONNRESET);
    meet(f, NULL);
    reel_test_break(f->t, -EHOSTUNREACH);
    reel_test_advance(f->r, 0);
    expect_failed(f, -EHOSTUNREACH);
    meet(f, NULL);
    reel_abort(f->t);
    reel_test_advance(f->r, 0);
    expect_failed(f, -ECONNABORTED);
    meet(f, NULL);
    reel_close(f->t);
    reel_test_advance(f->r, 0);
    expect_failed(f, -ECONNABORTED);
    f->greeting.refuse = -EACCES;
    meet(f, NULL);
    expect_failed(f, -EACCES);
}

static void a_handshake_has_a_time_out(void **state)
{
    struct fixture *f = *state;
    f->uses[0] = (struct reel_filter_use){&greeter_type, &f->greeting_at};
    const int64_t by_factory_ns[] = {0, 5 * REEL_SECOND, 5 * REEL_SECOND};
    const int64_t by_filter_ns[] = {0, 0, 3 * REEL_SECOND};
    const int64_t limit_ns[] = {REEL_HANDSHAKE_DEFAULT_NS, 5 * REEL_SECOND, 3 * REEL_SECOND};
    for (size_t i = 0; i < 3; i++) {
        f->factory.options.handshake_ns = by_factory_ns[i];
        f->greeting.timeout_ns = by_filter_ns[i];
        meet(f, NULL);
        send_text(f, "HE");
        reel_test_advance(f->r, limit_ns[i] / 2);
        send_text(f, "LL"); /* gains nothing by being slow */
        reel_test_advance(f->r, limit_ns[i] / 2 - 1);
        assert_int_equal(f->record.failed, 0);
        reel_test_advance(f->r, 1);
        expect_failed(f, -ETIMEDOUT);
    }
}

static void the_time_out_ends_with_the_handshake(void **state)
{
    struct fixture *f = *state;
    f->uses[0] = (struct reel_filter_use){&greeter_type, &f->greeting_at};
    meet(f, NULL);
    send_text(f, "HELLO");
    reel_test_advance(f->r, 10 * REEL_HANDSHAKE_DEFAULT_NS);
    assert_int_equal(f->record.lost, 0);
    reel_close(f->t);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->record.reason, 0);
}

static void a_throttle_lets_through_so_much_a_second(void **state)
{
    struct fixture *f = *state;
    f->rate = 4;
    f->uses[0] = (struct reel_filter_use){&throttle_type, &f->rate};
    meet(f, NULL);
    send_text(f, "0123456789");
    assert_int_equal(reel_write(f->t, "abcdefghij", 10), 0);
    reel_test_advance(f->r, 0);
    assert_string_equal(f->record.data, "0123");
    expect_received(f, "abcd");
    reel_test_advance(f->r, REEL_SECOND);
    assert_string_equal(f->record.data, "01234567");
    expect_received(f, "abcdefgh");
    reel_pause_reading(f->t);
    reel_test_advance(f->r, 3 * REEL_SECOND);
    expect_received(f, "abcdefghij");
    assert_string_equal(f->record.data, "01234567");
    reel_resume_reading(f->t);
    reel_test_advance(f->r, 0);
    assert_string_equal(f->record.data, "0123456789");
    assert_int_equal(reel_write(f->t, "ABCDEFGHIJ", 10), 0);
    reel_close(f->t); /* waits for what is throttled */
    reel_test_advance(f->r, REEL_SECOND - 1);
    assert_int_equal(f->record.lost, 0);
    reel_test_advance(f->r, 3 * REEL_SECOND);
    expect_received(f, "abcdefghijABCDEFGHIJ");
    assert_int_equal(f->record.reason, 0);
}

static void one_that_waits_costs_no_turns(void **state)
{
    struct fixture *f = *state;
    f->rate = 1;
    f->uses[0] = (struct reel_filter_use){&throttle_type, &f->rate};
    f->factory.protocol = &echo_protocol;
    meet(f, NULL);
    send_text(f, "0123456789");
    struct reel_metrics before, after;
    reel_metrics(f->r, &before);
    for (int i = 0; i < 9; i++)
        reel_test_advance(f->r, REEL_SECOND);
    reel_metrics(f->r, &after);
    expect_received(f, "0123456789");
    assert_true(after.turns - before.turns < 150);
    reel_close(f->t);
    reel_test_advance(f->r, REEL_SECOND);
}

static void goodbyes_are_said_at_a_half_close_and_at_a_close(void **state)
{
    struct fixture *f = *state;
    f->uses[0] = (struct reel_filter_use){&xor_type, &f->key};
    f->uses[1] = (struct reel_filter_use){&leaver_type, NULL};
    for (int half = 0; half < 2; half++) {
        memset(&f->record, 0, sizeof(f->record));
        meet(f, &(struct reel_wire){.buffer_max = 1, .delay_ns = 1});
        reel_test_read(f->peer, false);
        reel_test_advance(f->r, 10);
        assert_int_equal(reel_write(f->t, "last", 4), 0);
        if (half)
            assert_int_equal(reel_shutdown_write(f->t), 0);
        else
            reel_close(f->t);
        reel_test_advance(f->r, 10);
        assert_int_equal(f->record.lost, 0);
        reel_test_read(f->peer, true);
        reel_test_advance(f->r, 100);
        expect_received(f, "LASTbye");
        assert_true(reel_test_saw_eof(f->peer));
        if (half) {
            reel_test_send(f->peer, "ANSWER", 6);
            reel_test_send_eof(f->peer);
            reel_test_advance(f->r, 100);
            assert_string_equal(f->record.data, "answer");
        }
        assert_int_equal(f->record.lost, 1);
        assert_int_equal(f->record.reason, 0);
        reel_test_peer_free(f->peer);
        f->peer = NULL;
    }
}

static void a_goodbye_that_nobody_hears_has_its_time(void **state)
{
    struct fixture *f = *state;
    f->uses[0] = (struct reel_filter_use){&leaver_type, NULL};
    f->factory.options.linger_ns = REEL_SECOND;
    meet(f, &(struct reel_wire){.buffer_max = 1});
    reel_test_read(f->peer, false);
    reel_test_advance(f->r, 0);
    reel_close(f->t);
    reel_test_advance(f->r, REEL_SECOND - 1);
    assert_int_equal(f->record.lost, 0);
    reel_test_advance(f->r, 1);
    assert_int_equal(f->record.reason, -ETIMEDOUT);
}

/* Two ends with filters talk to each other; each allocation fails once. */
static void out_of_memory_anywhere_is_an_end_and_no_leak(void **state)
{
    struct fixture *f = *state;
    struct record server = {0};
    f->rate = 8;
    f->uses[0] = (struct reel_filter_use){&greeter_type, &f->greeting_at};
    f->uses[1] = (struct reel_filter_use){&throttle_type, &f->rate};
    f->uses[2] = (struct reel_filter_use){&xor_type, &f->key};
    const struct reel_factory echo = {
        .protocol = &echo_protocol, .shared = &server, .filters = f->uses};
    const struct reel_wire wire = {.chunk_max = 3, .buffer_max = 4};
    bool through = false;
    for (long fail_after = 0; !through; fail_after++) {
        struct reel_transport *a = NULL, *b = NULL;
        assert_true(fail_after < 1000);
        f->counts.fail_after = fail_after;
        memset(&f->record, 0, sizeof(f->record));
        int err = reel_test_pair(f->r, &f->factory, &echo, &wire, &wire, &a, &b);
        if (err == 0) {
            reel_write(a, "0123456789abcdef0123", 20);
            reel_test_advance(f->r, 20 * REEL_SECOND);
            if (f->record.received == 20) {
                reel_close(f->record.t);
                through = true;
            }
        } else {
            assert_int_equal(err, -ENOMEM);
        }
        f->counts.fail_after = -1;
        reel_test_advance(f->r, 100 * REEL_SECOND);
        if (f->record.t && !f->record.failed)
            reel_abort(f->record.t);
        reel_test_advance(f->r, REEL_SECOND);
    }
    assert_string_equal(f->record.data, "0123456789abcdef0123");
}

/* ---- On sockets. ---- */

static void a_listener_may_have_filters_and_they_may_refuse(void **state)
{
    struct fixture *f = *state;
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct reel_listener *l = NULL;
    struct reel_address any;
    assert_int_equal(reel_address_set(&any, "127.0.0.1", 0), 0);
    const struct reel_filter_use below[] = {{&greeter_type, &f->greeting_at}, {NULL, NULL}};
    f->uses[0] = (struct reel_filter_use){&xor_type, &f->key};
    f->factory.protocol = &echo_protocol;
    const struct reel_listen_options options = {.filters = below};
    assert_int_equal(reel_listen_at(r, &any, &options, &f->factory, &l), 0);

    f->greeting.refuse = -EACCES;
    int fd = connect_blocking(l);
    run_turns(r, 3);
    char data[16] = "";
    assert_int_equal(recv(fd, data, sizeof(data), MSG_DONTWAIT), 0);
    close(fd);
    struct reel_metrics metrics;
    reel_metrics(r, &metrics);
    assert_int_equal(metrics.refused, 1);
    assert_int_equal(metrics.connections, 0);

    f->greeting.refuse = 0;
    fd = connect_blocking(l);
    assert_int_equal(send(fd, "HELLOabc", 8, 0), 8);
    run_until(r, &f->record.made);
    assert_int_equal(f->greeting.opened, 1);
    for (int i = 0; i < 100 && f->record.received < 3; i++)
        run_turns(r, 1);
    assert_string_equal(f->record.data, "ABC");
    run_turns(r, 2);
    assert_int_equal(recv(fd, data, sizeof(data), 0), 8);
    assert_memory_equal(data, "HELLOabc", 8);
    shutdown(fd, SHUT_WR);
    run_until(r, &f->record.lost);
    assert_int_equal(f->record.reason, 0);
    close(fd);
    reel_reactor_free(r);
}

/* What stays of a large transfer through a filter when the socket is full comes later, in order. */
static void much_passes_a_filter_on_a_socket(void **state)
{
    enum { SIZE = 600000 };
    struct fixture *f = *state;
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct record client = {0};
    f->uses[0] = (struct reel_filter_use){&xor_type, &f->key};
    f->factory.protocol = &echo_protocol;
    f->factory.options.queue_high = 1000;
    struct reel_listener *l = listen_local(r, &f->factory);
    struct reel_address address;
    assert_int_equal(reel_listener_address(l, &address), 0);
    const struct reel_factory factory = {.protocol = &recording_protocol, .shared = &client};
    struct reel_transport *t = NULL;
    assert_int_equal(reel_connect_to(r, &address, 0, &factory, &t), 0);
    uint8_t *block = calloc(1, SIZE);
    assert_int_equal(reel_write(t, block, SIZE), 0);
    free(block);
    for (int i = 0; i < 20000 && client.received < SIZE; i++)
        run_turns(r, 1);
    assert_int_equal(client.received, SIZE);
    assert_int_equal(f->record.received, SIZE);
    reel_close(t);
    run_until(r, &f->record.lost);
    reel_reactor_free(r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_passes_a_filter_is_changed_both_ways),
        TEST(two_that_undo_each_other_are_none),
        TEST(an_empty_list_is_no_filter),
        TEST(a_handshake_comes_before_made_and_its_rest_after),
        TEST(handshakes_come_one_after_the_other_from_below),
        TEST(a_handshake_that_fails_is_failed),
        TEST(a_handshake_has_a_time_out),
        TEST(the_time_out_ends_with_the_handshake),
        TEST(a_throttle_lets_through_so_much_a_second),
        TEST(one_that_waits_costs_no_turns),
        TEST(goodbyes_are_said_at_a_half_close_and_at_a_close),
        TEST(a_goodbye_that_nobody_hears_has_its_time),
        TEST(out_of_memory_anywhere_is_an_end_and_no_leak),
        TEST(a_listener_may_have_filters_and_they_may_refuse),
        TEST(much_passes_a_filter_on_a_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
