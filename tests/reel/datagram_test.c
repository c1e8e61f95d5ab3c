/* Datagrams: UDP on loopback, and pairs in memory. */
#include "datagram_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void datagrams_go_there_and_back(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    struct reel_address host;
    open_two(f, "udp:0:interface=127.0.0.1", "127.0.0.1", &a, &b);
    f->a.echo = true;
    assert_int_equal(f->a.made, 0); /* in the next turn */
    assert_int_equal(reel_datagram_send(b, "ping", 4, NULL), 0);
    assert_int_equal(reel_datagram_pending(b), 4);
    run_until(f->r, &f->b.received);
    assert_string_equal(f->b.data, "ping");
    assert_int_equal(reel_datagram_host(b, &host), 0);
    assert_int_equal(reel_address_port(&f->a.from), reel_address_port(&host));
    assert_int_equal(reel_datagram_peer(b, &host), 0);
    assert_int_equal(reel_address_port(&host), reel_datagram_port(a));
    assert_int_equal(reel_datagram_peer(a, &host), -ENOTCONN);
    assert_int_equal(reel_datagram_reply(a, "x", 1), -EDESTADDRREQ); /* nothing to answer now */
    assert_int_equal(reel_datagram_send(a, "x", 1, NULL), -EDESTADDRREQ);
    reel_datagram_close(a);
    reel_datagram_close(a);
    assert_int_equal(reel_datagram_send(a, "x", 1, &host), -EPIPE);
    run_until(f->r, &f->a.lost);
    assert_int_equal(f->a.reason, 0);
}

static void datagrams_over_ipv6(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    f->a_factory.options.keep_local = true;
    open_two(f, "udp6:0:interface=[::1]", "[::1]", &a, &b);
    f->a.echo = true;
    assert_int_equal(reel_datagram_send(b, "six", 3, NULL), 0);
    run_until(f->r, &f->b.received);
    assert_string_equal(f->b.data, "six");
    char text[REEL_ADDRESS_TEXT_MAX];
    assert_string_equal(reel_address_host(&f->a.local.address, text, sizeof(text)), "::1");
    assert_int_not_equal(f->a.local.interface, 0);
}

static void a_dual_stack_socket_hears_ipv4(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    f->a_factory.options.keep_local = true;
    open_two(f, "udp6:0", "127.0.0.1", &a, &b);
    f->a.echo = true;
    assert_int_equal(reel_datagram_send(b, "four", 4, NULL), 0);
    run_until(f->r, &f->b.received);
    assert_string_equal(f->b.data, "four");
    char text[REEL_ADDRESS_TEXT_MAX];
    assert_string_equal(reel_address_host(&f->a.from, text, sizeof(text)), "127.0.0.1");
}

/* What a batch must keep: lengths, order, and each datagram for itself. */
static void lengths_and_order_are_kept(void **state, const struct reel_datagram_options *options)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    f->a_factory.options = f->b_factory.options = *options;
    f->a_factory.options.receive_buffer = 4 << 20;
    open_two(f, "udp:0:interface=127.0.0.1", "127.0.0.1", &a, &b);
    static const size_t lens[] = {100,  100,  100, 100, 100, 40, 0, 100, 100,  3000, 3000,  3000,
                                  3000, 3000, 1,   1,   1,   1,  1, 1,   2048, 2049, 65507, 7};
    enum { COUNT = sizeof(lens) / sizeof(lens[0]) };
    static uint8_t bytes[65507];
    memset(bytes, 'x', sizeof(bytes));
    run_until(f->r, &f->b.made);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(reel_datagram_send(b, bytes, lens[i], NULL), 0);
    run_until_at_least(f, &f->a.received, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(f->a.lens[i], lens[i]);
    struct reel_datagram_stats stats;
    reel_datagram_stats(b, &stats);
    assert_int_equal(stats.sent, COUNT);
    assert_int_equal(stats.send_errors, 0);
    assert_int_equal(reel_datagram_pending(b), 0);
    if (options->no_runs)
        assert_int_equal(stats.sent_runs, 0);
    reel_datagram_stats(a, &stats);
    assert_int_equal(stats.received, COUNT);
    assert_int_equal(stats.truncated, 0);
}

static void a_batch_keeps_lengths_and_order(void **state)
{
    lengths_and_order_are_kept(state, &(struct reel_datagram_options){.no_runs = true});
}

static void runs_keep_lengths_and_order(void **state)
{
    lengths_and_order_are_kept(state, &(struct reel_datagram_options){0});
}

static void runs_received_in_one_piece_are_cut_again(void **state)
{
    lengths_and_order_are_kept(state, &(struct reel_datagram_options){.receive_runs = true});
}

static void equal_ones_leave_as_one_run(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    open_two(f, "udp:0:interface=127.0.0.1", "127.0.0.1", &a, &b);
    run_until(f->r, &f->b.made);
    for (int i = 0; i < 200; i++)
        assert_int_equal(reel_datagram_send(b, "0123456789", 10, NULL), 0);
    run_until_at_least(f, &f->a.received, 200);
    struct reel_datagram_stats stats;
    reel_datagram_stats(b, &stats);
    assert_int_equal(stats.sent, 200);
    if (stats.sent_runs == 0)
        skip();                           /* a kernel without UDP_SEGMENT */
    assert_int_equal(stats.sent_runs, 4); /* 64 + 64 + 64 + 8 */
    assert_int_equal(stats.sent_calls, 1);
}

/* Runs of several peers, one after the other: each hears its own, in order. */
static void each_peer_hears_its_own(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL;
    enum { PEERS = 3, EACH = 50 };
    int fds[PEERS];
    struct reel_address to[PEERS];
    char data[16];
    assert_int_equal(reel_listen_datagram(f->r, "udp:0:interface=127.0.0.1", &f->a_factory, &a), 0);
    for (int i = 0; i < PEERS; i++) {
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        reel_address_set(&to[i], "127.0.0.1", 0);
        assert_int_equal(bind(fds[i], (struct sockaddr *)&to[i].storage, to[i].length), 0);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&to[i].storage, &to[i].length), 0);
    }
    run_until(f->r, &f->a.made);
    for (int k = 0; k < EACH; k++) {
        for (int i = 0; i < PEERS; i++) {
            snprintf(data, sizeof(data), "%d %03d", i, k);
            assert_int_equal(reel_datagram_send(a, data, 5, &to[i]), 0);
            if (k % 5 == 0)
                assert_int_equal(reel_datagram_send(a, data, 5, &to[i]), 0);
        }
    }
    run_turns(f->r, 1);
    for (int i = 0; i < PEERS; i++) {
        for (int k = 0; k < EACH; k++) {
            char wanted[16], got[16] = "";
            snprintf(wanted, sizeof(wanted), "%d %03d", i, k);
            for (int twice = 0; twice <= (k % 5 == 0); twice++) {
                assert_int_equal(recv(fds[i], got, sizeof(got), MSG_DONTWAIT), 5);
                assert_string_equal(got, wanted);
            }
        }
        close(fds[i]);
    }
}

static void a_peer_that_is_not_there_refuses(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    open_two(f, "udp:0:interface=127.0.0.1", "127.0.0.1", &a, &b);
    run_until(f->r, &f->b.made);
    reel_datagram_close(a);
    run_until(f->r, &f->a.lost);
    assert_int_equal(reel_datagram_send(b, "hello", 5, NULL), 0);
    run_until(f->r, &f->b.refused);
    assert_int_equal(f->b.refusal, -ECONNREFUSED);
    assert_int_equal(f->b.lost, 0); /* it goes on */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(reel_datagram_send(b, "again", 5, NULL), 0);
        run_turns(f->r, 1);
    }
    assert_true(f->b.refused > 1);
    assert_int_equal(reel_datagram_pending(b), 0);
}

static void too_long_ones_are_told_at_once(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    static uint8_t bytes[65508];
    open_two(f, "udp:0:interface=127.0.0.1", "127.0.0.1", &a, &b);
    assert_int_equal(reel_datagram_send(b, bytes, 65508, NULL), -EMSGSIZE);
    struct reel_address six;
    assert_int_equal(reel_address_set(&six, "::1", 9), 0);
    assert_int_equal(reel_datagram_send(b, bytes, 1, &six), -EAFNOSUPPORT);
    assert_int_equal(reel_datagram_join(b, &six, 0, NULL), -EAFNOSUPPORT);
    assert_int_equal(reel_datagram_set_hops(b, 3), 0);
    assert_int_equal(reel_datagram_set_hops(b, 300), -EINVAL);
}

/* What the kernel refuses is dropped and counted; what comes behind it goes. */
static void one_that_the_kernel_refuses_holds_up_nothing(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    struct reel_address everybody, to;
    assert_int_equal(reel_listen_datagram(f->r, "udp:0:interface=127.0.0.1", &f->a_factory, &a), 0);
    assert_int_equal(reel_listen_datagram(f->r, "udp:0", &f->b_factory, &b), 0);
    assert_int_equal(reel_address_set(&everybody, "255.255.255.255", 9), 0);
    assert_int_equal(reel_datagram_host(a, &to), 0);
    assert_int_equal(reel_datagram_send(b, "1", 1, &to), 0);
    for (int i = 0; i < 10; i++) /* not allowed without `broadcast`; or no network to do it on */
        assert_int_equal(reel_datagram_send(b, "no", 2, &everybody), 0);
    assert_int_equal(reel_datagram_send(b, "2", 1, &to), 0);
    run_until_at_least(f, &f->a.received, 2);
    assert_string_equal(f->a.data, "2");
    struct reel_datagram_stats stats;
    reel_datagram_stats(b, &stats);
    assert_int_equal(stats.sent, 2);
    assert_int_equal(stats.send_errors, 10);
    assert_true(stats.last_error < 0);
    assert_int_equal(f->b.refused, 0);
}

static void answers_leave_from_the_address_that_was_asked(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    f->a_factory.options.keep_local = true;
    open_two(f, "udp:0", "127.0.0.2", &a, &b); /* connected: hears nobody else */
    f->a.echo = true;
    for (int i = 0; i < 8; i++)
        assert_int_equal(reel_datagram_send(b, "who", 3, NULL), 0);
    run_until_at_least(f, &f->b.received, 8);
    char text[REEL_ADDRESS_TEXT_MAX];
    assert_string_equal(reel_address_host(&f->a.local.address, text, sizeof(text)), "127.0.0.2");
    assert_string_equal(reel_address_host(&f->b.from, text, sizeof(text)), "127.0.0.2");
    struct reel_address back;
    assert_int_equal(reel_datagram_host(b, &back), 0);
    assert_int_equal(reel_datagram_send_from(a, "me", 2, &back, &f->a.local), 0);
    run_until_at_least(f, &f->b.received, 9);
}

static void a_pause_in_the_midst_of_a_batch_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    open_two(f, "udp:0:interface=127.0.0.1", "127.0.0.1", &a, &b);
    f->a.pause_at = 10;
    run_until(f->r, &f->a.made);
    for (int i = 0; i < 100; i++)
        assert_int_equal(reel_datagram_send(b, "abc", 3, NULL), 0);
    run_turns(f->r, 5);
    assert_int_equal(f->a.received, 10);
    f->a.pause_at = 30; /* once more, among those that wait here */
    reel_datagram_resume(a);
    run_turns(f->r, 5);
    assert_int_equal(f->a.received, 30);
    reel_datagram_resume(a);
    run_until_at_least(f, &f->a.received, 100);
}

static void close_in_the_midst_of_a_batch(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    open_two(f, "udp:0:interface=127.0.0.1", "127.0.0.1", &a, &b);
    f->a.pause_at = 10;
    run_until(f->r, &f->a.made);
    for (int i = 0; i < 100; i++)
        assert_int_equal(reel_datagram_send(b, "abc", 3, NULL), 0);
    run_turns(f->r, 5);
    reel_datagram_close(a); /* with 54 held */
    reel_datagram_resume(a);
    run_until(f->r, &f->a.lost);
    assert_int_equal(f->a.received, 10);
}

static void a_turn_takes_its_cap_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    f->a_factory.options.turn_max = 10;
    open_two(f, "udp:0:interface=127.0.0.1", "127.0.0.1", &a, &b);
    run_turns(f->r, 2);
    for (int i = 0; i < 35; i++)
        assert_int_equal(reel_datagram_send(b, "abc", 3, NULL), 0);
    reel_datagram_flush(b);
    assert_true(reel_run_once(f->r, 0) >= 0);
    assert_int_equal(f->a.received, 10);
    run_until_at_least(f, &f->a.received, 35);
}

static void a_socket_turns_to_another_peer(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    struct reel_address peer;
    open_two(f, "udp:0:interface=127.0.0.1", "127.0.0.1", &a, &b);
    assert_int_equal(reel_datagram_host(a, &peer), 0);
    assert_int_equal(reel_datagram_connect(b, NULL), 0);
    assert_int_equal(reel_datagram_send(b, "x", 1, NULL), -EDESTADDRREQ);
    assert_int_equal(reel_datagram_send(b, "to", 2, &peer), 0);
    run_until(f->r, &f->a.received);
    assert_int_equal(reel_datagram_connect(b, &peer), 0);
    assert_int_equal(reel_datagram_send(b, "on", 2, NULL), 0);
    run_until_at_least(f, &f->a.received, 2);
    assert_string_equal(f->a.data, "on");
}

static void wrong_endpoints_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const servers[] = {
        "tcp:80",      "udp:", "udp:70000", "udp:80:backlog=3", "udp6:80:interface=127.0.0.1",
        "unix-dgram:", "udp"};
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
        assert_int_equal(reel_listen_datagram(f->r, servers[i], &f->a_factory, NULL), -EINVAL);
    assert_int_equal(reel_connect_datagram(f->r, "udp:127.0.0.1:0", &f->a_factory, NULL), -EINVAL);
    assert_int_equal(reel_connect_datagram(f->r, "udp:name:80", &f->a_factory, NULL), -EINVAL);
    assert_int_equal(reel_datagram_open(f->r, NULL, NULL, &f->a_factory, NULL), -EINVAL);
    assert_int_equal(reel_listen(f->r, "udp:80", NULL, NULL), -EINVAL);
    int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(reel_datagram_adopt(f->r, stream, &f->a_factory, NULL), -EPROTOTYPE);
    close(stream);
    assert_int_equal(reel_datagram_adopt(f->r, stream, &f->a_factory, NULL), -EBADF);
}

static void two_sockets_share_a_port(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL;
    char same[64];
    assert_int_equal(
        reel_listen_datagram(f->r, "udp:0:interface=127.0.0.1:reuseport=yes", &f->a_factory, &a),
        0);
    snprintf(same, sizeof(same), "udp:%u:interface=127.0.0.1", reel_datagram_port(a));
    assert_int_equal(reel_listen_datagram(f->r, same, &f->b_factory, NULL), -EADDRINUSE);
    f->b_factory.options.reuse_port = true;
    assert_int_equal(reel_listen_datagram(f->r, same, &f->b_factory, NULL), 0);
    run_turns(f->r, 1);
}

static void a_fork_has_events_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    open_two(f, "udp:0:interface=127.0.0.1", "127.0.0.1", &a, &b);
    run_until(f->r, &f->b.made);
    assert_int_equal(reel_after_fork(f->r), 0);
    assert_int_equal(reel_datagram_send(b, "hello", 5, NULL), 0);
    run_until(f->r, &f->a.received);
}

static void note_handle(void *context, const struct reel_handle_info *info)
{
    int *count = context;
    if (info->kind == REEL_HANDLE_DATAGRAM && strcmp(info->name_z, "seeing") == 0 && info->fd >= 0)
        ++*count;
}

static void sockets_are_in_the_list_of_handles(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    int count = 0;
    open_two(f, "udp:0:interface=127.0.0.1", "127.0.0.1", &a, &b);
    reel_each_handle(f->r, note_handle, &count);
    assert_int_equal(count, 2);
    run_turns(f->r, 1);
}

/* Each allocation fails once, from opening to the end: an error or a drop, never a crash or a leak
 * (the fixture counts). */
static void out_of_memory_at_every_step(void **state)
{
    struct fixture *f = *state;
    for (long n = 0; n < 40; n++) {
        struct reel_datagram *a = NULL, *b = NULL;
        struct reel_datagram_factory factory = {.protocol = &seeing, .shared = &f->a};
        int fds[2], made = f->a.made;
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
        f->counts.fail_after = n;
        if (reel_datagram_adopt(f->r, fds[0], &factory, &a) < 0)
            close(fds[0]);
        if (reel_datagram_adopt(f->r, fds[1], &factory, &b) < 0)
            close(fds[1]);
        if (a && b) {
            reel_datagram_pause(a);
            for (int i = 0; i < 300; i++) {
                int err = reel_datagram_send(b, "some bytes", 10, NULL);
                assert_true(err == 0 || err == -ENOMEM);
                if (i == 20)
                    assert_true(reel_run_once(f->r, 0) >= 0);
            }
            assert_true(reel_run_once(f->r, 0) >= 0);
            f->a.pause_at = f->a.received + 3;
            reel_datagram_resume(a);
            assert_true(reel_run_once(f->r, 0) >= 0);
        }
        if (a)
            reel_datagram_close(a);
        if (b)
            reel_datagram_close(b);
        f->counts.fail_after = -1;
        run_turns(f->r, 2);
        assert_int_equal(f->a.made - made, (a && b) ? 2 : f->a.made - made);
        assert_int_equal(f->a.made, f->a.lost);
    }
}

/* In memory */

static void pairs_talk_in_virtual_time(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    const struct reel_datagram_wire wire = {.delay_ns = 10 * REEL_MS, .lose_each = 3};
    assert_int_equal(reel_test_datagram_pair(f->r, &f->a_factory, &f->b_factory, &wire, &a, &b), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(reel_datagram_send(a, "gone?", 5, NULL), 0);
    reel_test_advance(f->r, 9 * REEL_MS);
    assert_int_equal(f->b.received, 0);
    reel_test_advance(f->r, REEL_MS);
    assert_int_equal(f->b.received, 6);
    f->b.echo = true;
    assert_int_equal(reel_datagram_send(a, "echo", 4, NULL), 0);
    reel_test_advance(f->r, 20 * REEL_MS);
    assert_int_equal(f->a.received, 1);
    char text[REEL_ADDRESS_TEXT_MAX];
    assert_string_equal(reel_address_text(&f->a.from, text, sizeof(text)), "@b");
    reel_datagram_close(b);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->b.lost, 1);
    assert_int_equal(reel_datagram_send(a, "echo", 4, NULL), 0);
    reel_test_advance(f->r, REEL_SECOND);
    assert_true(f->a.refused > 0);
}

static void a_pair_has_back_pressure(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    const struct reel_datagram_wire wire = {.buffer_max = 1000};
    f->a_factory.options.queue_max = 5000;
    assert_int_equal(reel_test_datagram_pair(f->r, &f->a_factory, &f->b_factory, &wire, &a, &b), 0);
    reel_datagram_pause(b);
    reel_test_advance(f->r, 0);
    int taken = 0;
    while (reel_datagram_send(a, "0123456789", 10, NULL) == 0) {
        taken++;
        reel_test_advance(f->r, 0);
    }
    assert_int_equal(taken, 600);
    assert_int_equal(f->a.full, 1);
    reel_datagram_resume(b);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->b.received, 600);
    assert_int_equal(f->a.drained, 1);
}

static void sockets_are_refused_in_virtual_time(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(reel_listen_datagram(f->r, "udp:0", &f->a_factory, NULL), -EOPNOTSUPP);
}

int main(void)
{
#define TEST(name)    cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define VIRTUAL(name) cmocka_unit_test_setup_teardown(name, set_up_virtual, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(datagrams_go_there_and_back),
        TEST(datagrams_over_ipv6),
        TEST(a_dual_stack_socket_hears_ipv4),
        TEST(a_batch_keeps_lengths_and_order),
        TEST(runs_keep_lengths_and_order),
        TEST(runs_received_in_one_piece_are_cut_again),
        TEST(equal_ones_leave_as_one_run),
        TEST(each_peer_hears_its_own),
        TEST(a_peer_that_is_not_there_refuses),
        TEST(too_long_ones_are_told_at_once),
        TEST(one_that_the_kernel_refuses_holds_up_nothing),
        TEST(answers_leave_from_the_address_that_was_asked),
        TEST(a_pause_in_the_midst_of_a_batch_loses_nothing),
        TEST(close_in_the_midst_of_a_batch),
        TEST(a_turn_takes_its_cap_and_no_more),
        TEST(a_socket_turns_to_another_peer),
        TEST(wrong_endpoints_are_refused),
        TEST(two_sockets_share_a_port),
        TEST(a_fork_has_events_of_its_own),
        TEST(sockets_are_in_the_list_of_handles),
        TEST(out_of_memory_at_every_step),
        VIRTUAL(pairs_talk_in_virtual_time),
        VIRTUAL(a_pair_has_back_pressure),
        VIRTUAL(sockets_are_refused_in_virtual_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
