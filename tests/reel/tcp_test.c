/* TCP over loopback: both ends are the engine's, or one is a plain blocking socket. */
#include "helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct record server, client;
    struct reel_factory server_factory, client_factory;
    struct reel_listener *l;
    int fds;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->fds = count_fds();
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_reactor_new(&options);
    assert_non_null(f->r);
    f->server_factory =
        (struct reel_factory){.protocol = &recording_protocol, .shared = &f->server};
    f->client_factory =
        (struct reel_factory){.protocol = &recording_protocol, .shared = &f->client};
    f->l = listen_local(f->r, &f->server_factory);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_reactor_free(f->r);
    assert_int_equal(f->counts.live, 0);
    assert_int_equal(count_fds(), f->fds);
    assert_int_equal(f->server.made, f->server.lost);
    assert_int_equal(f->client.made, f->client.lost);
    free(f);
    return 0;
}

static struct reel_transport *connect_client(struct fixture *f)
{
    struct reel_address address;
    struct reel_transport *t = NULL;
    assert_int_equal(reel_listener_address(f->l, &address), 0);
    assert_int_equal(reel_connect_to(f->r, &address, 0, &f->client_factory, &t), 0);
    assert_int_equal(f->client.made, 0); /* never from inside the call */
    run_until(f->r, &f->client.made);
    run_until(f->r, &f->server.made);
    return t;
}

static void both_ends_meet_talk_and_close_in_order(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = connect_client(f);
    assert_int_equal(reel_write(t, "hello ", 6), 0);
    assert_int_equal(reel_write(t, "world", 5), 0);
    assert_int_equal(reel_write_pending(t), 11);
    reel_close(t);
    assert_int_equal(reel_write(t, "x", 1), -EPIPE);
    assert_int_equal(reel_write_room(t), 0);
    assert_true(reel_is_closing(t));
    run_until(f->r, &f->server.eof);
    assert_string_equal(f->server.data, "hello world");
    assert_string_equal(f->client.order, "ml");
    assert_int_equal(f->client.reason, 0);
    assert_int_equal(f->server.lost, 0); /* it keeps its half */
    reel_close(f->server.t);
    run_until(f->r, &f->server.lost);
    assert_int_equal(f->server.reason, 0);
    assert_string_equal(f->server.order, "mdel");
}

static void half_closes_both_ways(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = connect_client(f);
    assert_int_equal(reel_write(t, "question", 8), 0);
    assert_int_equal(reel_shutdown_write(t), 0);
    assert_int_equal(reel_shutdown_write(t), -EPIPE);
    assert_int_equal(reel_write(t, "x", 1), -EPIPE);
    run_until(f->r, &f->server.eof);
    assert_string_equal(f->server.data, "question");
    assert_int_equal(reel_write(f->server.t, "answer", 6), 0);
    run_turns(f->r, 3);
    assert_string_equal(f->client.data, "answer");
    assert_int_equal(reel_shutdown_write(f->server.t), 0);
    run_until(f->r, &f->client.eof);
    run_until(f->r, &f->client.lost); /* both halves are shut: that is the end */
    run_until(f->r, &f->server.lost);
    assert_int_equal(f->client.reason, 0);
    assert_int_equal(f->server.reason, 0);
    assert_string_equal(f->client.order, "mdel");
    assert_string_equal(f->server.order, "mdel");
}

static void abort_is_a_reset_for_the_peer(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = connect_client(f);
    assert_int_equal(reel_write(t, "dropped", 7), 0);
    reel_abort(t);
    reel_abort(t);
    reel_close(t);
    assert_int_equal(f->client.lost, 0);
    run_until(f->r, &f->client.lost);
    assert_int_equal(f->client.reason, -ECONNABORTED);
    run_until(f->r, &f->server.lost);
    assert_int_equal(f->server.reason, -ECONNRESET);
    assert_int_equal(f->server.received, 0);
}

static void a_reset_is_noticed_while_reading_is_paused(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = connect_client(f);
    reel_pause_reading(f->server.t);
    assert_int_equal(reel_write(t, "unread", 6), 0);
    run_turns(f->r, 3);
    assert_int_equal(f->server.received, 0);
    reel_abort(t);
    run_until(f->r, &f->server.lost);
    assert_int_equal(f->server.reason, -ECONNRESET);
}

static void an_eof_waits_behind_unread_bytes(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = connect_client(f);
    reel_pause_reading(f->server.t);
    assert_int_equal(reel_write(t, "late", 4), 0);
    assert_int_equal(reel_shutdown_write(t), 0);
    run_turns(f->r, 5);
    assert_string_equal(f->server.order, "m");
    reel_resume_reading(f->server.t);
    run_until(f->r, &f->server.eof);
    assert_string_equal(f->server.data, "late");
    assert_string_equal(f->server.order, "mde");
}

/* Sends so much that the kernel's buffers fill, to a peer that does not read. */
static void a_slow_reader_meets_the_watermarks_and_the_maximum(void **state)
{
    struct fixture *f = *state;
    f->server_factory.options = (struct reel_options){.queue_max = 300000, .queue_high = 100000};
    int fd = connect_blocking(f->l);
    run_until(f->r, &f->server.made);
    static uint8_t block[4096];
    size_t sent = 0;
    int err = 0;
    while (err == 0) {
        for (size_t i = 0; i < sizeof(block); i++)
            block[i] = (uint8_t)((sent + i) % 251);
        err = reel_write(f->server.t, block, sizeof(block));
        sent += err == 0 ? sizeof(block) : 0;
        if (sent % (16 * sizeof(block)) == 0)
            assert_true(reel_run_once(f->r, 0) >= 0);
        assert_true(sent < (size_t)64 << 20);
    }
    assert_int_equal(err, -ENOBUFS);
    assert_true(reel_write_pending(f->server.t) <= 300000);
    assert_true(reel_write_room(f->server.t) < sizeof(block));
    run_until(f->r, &f->server.full);
    assert_int_equal(f->server.full, 1);
    struct reel_metrics metrics;
    reel_metrics(f->r, &metrics);
    assert_int_equal(metrics.queued_bytes, reel_write_pending(f->server.t));

    size_t got = 0;
    static uint8_t in[65536];
    while (got < sent) {
        ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(in[i], (got + (size_t)i) % 251);
        got += n > 0 ? (size_t)n : 0;
        run_turns(f->r, n > 0 ? 0 : 1);
    }
    run_until(f->r, &f->server.drained);
    assert_int_equal(f->server.drained, 1);
    assert_int_equal(reel_write_pending(f->server.t), 0);
    close(fd);
    run_until(f->r, &f->server.eof);
}

static void a_close_flushes_a_long_queue(void **state)
{
    struct fixture *f = *state;
    f->server_factory.options.queue_max = (size_t)32 << 20;
    int fd = connect_blocking(f->l);
    run_until(f->r, &f->server.made);
    const size_t len = (size_t)16 << 20;
    uint8_t *block = malloc(len);
    memset(block, 'q', len);
    assert_int_equal(reel_write(f->server.t, block, len), 0);
    free(block);
    reel_close(f->server.t);
    size_t got = 0;
    static uint8_t in[65536];
    for (ssize_t n = -1; n != 0;) {
        n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
        run_turns(f->r, n > 0 ? 0 : 1);
    }
    assert_true(got == len);
    run_until(f->r, &f->server.lost);
    assert_int_equal(f->server.reason, 0);
    close(fd);
}

static void closing_does_not_wait_for_ever(void **state)
{
    struct fixture *f = *state;
    f->server_factory.options.queue_max = (size_t)32 << 20;
    f->server_factory.options.linger_ns = 20 * REEL_MS;
    int fd = connect_blocking(f->l);
    run_until(f->r, &f->server.made);
    uint8_t *block = calloc(1, (size_t)16 << 20);
    assert_int_equal(reel_write(f->server.t, block, (size_t)16 << 20), 0);
    free(block);
    reel_close(f->server.t);
    run_until(f->r, &f->server.lost);
    assert_int_equal(f->server.reason, -ETIMEDOUT);
    close(fd);
}

/* The peer sent more than we wanted to hear: our last words reach it all the same. */
static void last_words_arrive_although_input_is_unread(void **state)
{
    struct fixture *f = *state;
    int fd = connect_blocking(f->l);
    run_until(f->r, &f->server.made);
    reel_pause_reading(f->server.t);
    assert_int_equal(send(fd, "unwanted", 8, 0), 8);
    run_turns(f->r, 2);
    assert_int_equal(reel_write(f->server.t, "bye", 3), 0);
    reel_close(f->server.t);
    run_until(f->r, &f->server.lost);
    char in[8];
    assert_int_equal(recv(fd, in, sizeof(in), 0), 3);
    assert_int_equal(recv(fd, in, sizeof(in), 0), 0);
    close(fd);
}

static void a_refused_connection_fails_and_is_not_lost(void **state)
{
    struct fixture *f = *state;
    struct reel_address address;
    struct reel_transport *t = NULL;
    assert_int_equal(reel_listener_address(f->l, &address), 0);
    reel_listener_close(f->l);
    assert_int_equal(reel_connect_to(f->r, &address, 0, &f->client_factory, &t), 0);
    run_until(f->r, &f->client.failed);
    assert_int_equal(f->client.reason, -ECONNREFUSED);
    assert_string_equal(f->client.order, "f");
}

static void an_aborted_attempt_fails_once(void **state)
{
    struct fixture *f = *state;
    struct reel_address address;
    struct reel_transport *t = NULL;
    assert_int_equal(reel_listener_address(f->l, &address), 0);
    assert_int_equal(reel_connect_to(f->r, &address, 0, &f->client_factory, &t), 0);
    memset(reel_state(t), 7, 32);
    reel_abort(t);
    run_until(f->r, &f->client.failed);
    assert_int_equal(f->client.reason, -ECONNABORTED);
    assert_string_equal(f->client.order, "f");
}

static void what_is_written_before_made_follows_it(void **state)
{
    struct fixture *f = *state;
    struct reel_address address;
    struct reel_transport *t = NULL;
    assert_int_equal(reel_listener_address(f->l, &address), 0);
    assert_int_equal(reel_connect_to(f->r, &address, 0, &f->client_factory, &t), 0);
    assert_int_equal(reel_write(t, "early", 5), 0);
    run_until(f->r, &f->client.made);
    run_until(f->r, &f->server.made);
    run_turns(f->r, 3);
    assert_string_equal(f->server.data, "early");
    assert_int_equal(f->client.lost, 0);
}

static bool refuse(const struct reel_factory *factory, const struct reel_address *peer)
{
    int *asked = factory->shared;
    char text[REEL_ADDRESS_TEXT_MAX];
    assert_string_equal(reel_address_host(peer, text, sizeof(text)), "127.0.0.1");
    ++*asked;
    return false;
}

static void a_factory_may_refuse(void **state)
{
    struct fixture *f = *state;
    int asked = 0;
    f->server_factory.accepts = refuse;
    f->server_factory.shared = &asked;
    int fd = connect_blocking(f->l);
    run_until(f->r, &asked);
    char byte = 0;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    assert_int_equal(f->server.made, 0);
    close(fd);
}

static void both_addresses_are_known_to_the_end(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = connect_client(f);
    struct reel_address peer, host;
    char a[REEL_ADDRESS_TEXT_MAX], b[REEL_ADDRESS_TEXT_MAX];
    assert_int_equal(reel_peer(t, &peer), 0);
    assert_int_equal(reel_address_port(&peer), reel_listener_port(f->l));
    assert_int_equal(reel_host(t, &host), 0);
    assert_int_equal(reel_peer(f->server.t, &peer), 0);
    assert_string_equal(reel_address_text(&host, a, sizeof(a)),
                        reel_address_text(&peer, b, sizeof(b)));
    assert_int_equal(reel_set_nodelay(t, false), 0);
    assert_true(reel_fd(t) >= 0);
    assert_ptr_equal(reel_reactor_of(t), f->r);
}

static void idle_connections_are_ended(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = connect_client(f);
    assert_int_equal(reel_set_idle(t, 30 * REEL_MS), 0);
    int64_t begin_ns = reel_now_ns(f->r);
    run_until(f->r, &f->client.lost);
    assert_int_equal(f->client.reason, -ETIMEDOUT);
    assert_true(reel_now_ns(f->r) - begin_ns >= 30 * REEL_MS);
    run_until(f->r, &f->server.lost);
    assert_int_equal(f->server.reason, -ECONNRESET);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(both_ends_meet_talk_and_close_in_order),
        TEST(half_closes_both_ways),
        TEST(abort_is_a_reset_for_the_peer),
        TEST(a_reset_is_noticed_while_reading_is_paused),
        TEST(an_eof_waits_behind_unread_bytes),
        TEST(a_slow_reader_meets_the_watermarks_and_the_maximum),
        TEST(a_close_flushes_a_long_queue),
        TEST(closing_does_not_wait_for_ever),
        TEST(last_words_arrive_although_input_is_unread),
        TEST(a_refused_connection_fails_and_is_not_lost),
        TEST(an_aborted_attempt_fails_once),
        TEST(what_is_written_before_made_follows_it),
        TEST(a_factory_may_refuse),
        TEST(both_addresses_are_known_to_the_end),
        TEST(idle_connections_are_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
