/* Streams taken over: Unix socket pairs, pipes, listening sockets; Unix endpoints. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct reel_reactor *r;
    struct record a, b;
    struct reel_factory a_factory, b_factory;
    int fds;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->fds = count_fds();
    f->r = reel_reactor_new(NULL);
    f->a_factory = (struct reel_factory){.protocol = &recording_protocol, .shared = &f->a};
    f->b_factory = (struct reel_factory){.protocol = &recording_protocol, .shared = &f->b};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_reactor_free(f->r);
    assert_int_equal(count_fds(), f->fds);
    free(f);
    return 0;
}

static void a_socket_pair_talks_both_ways(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *a = NULL, *b = NULL;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(reel_stream_adopt(f->r, fds[0], &f->a_factory, &a), 0);
    assert_int_equal(reel_stream_adopt(f->r, fds[1], &f->b_factory, &b), 0);
    assert_int_equal(f->a.made, 0); /* in the next turn: the state may be filled in */
    memset(reel_state(a), 1, 32);
    assert_int_equal(reel_write(a, "from a", 6), 0);
    run_until(f->r, &f->a.made);
    assert_int_equal(reel_write(b, "from b", 6), 0);
    run_turns(f->r, 3);
    assert_string_equal(f->a.data, "from b");
    assert_string_equal(f->b.data, "from a");
    struct reel_address address;
    char text[REEL_ADDRESS_TEXT_MAX];
    assert_int_equal(reel_peer(a, &address), 0);
    assert_string_equal(reel_address_text(&address, text, sizeof(text)), "unnamed");
    reel_close(a);
    run_until(f->r, &f->b.eof);
    assert_string_equal(f->b.order, "mde");
    assert_string_equal(f->a.order, "mdl");
}

/* More than the buffers hold, in both directions at once, each byte in its place. */
static size_t check_sequence(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct record *record = reel_shared(t);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[i], (record->received + i) % 253);
    record->received += len;
    return len;
}

static const struct reel_protocol sequence_protocol = {.data = check_sequence};

static void a_long_stream_keeps_its_order(void **state)
{
    struct fixture *f = *state;
    enum { TOTAL = 3000000 };
    int fds[2];
    struct reel_transport *t[2];
    size_t sent[2] = {0};
    uint32_t seed = 7;
    f->a_factory.protocol = f->b_factory.protocol = &sequence_protocol;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(reel_stream_adopt(f->r, fds[0], &f->a_factory, &t[0]), 0);
    assert_int_equal(reel_stream_adopt(f->r, fds[1], &f->b_factory, &t[1]), 0);
    static uint8_t block[40000];
    while (f->a.received < TOTAL || f->b.received < TOTAL) {
        for (int i = 0; i < 2; i++) {
            seed = seed * 1664525 + 1013904223;
            size_t n = (seed >> 8) % (seed >> 31 ? 40000 : 300);
            n = n < TOTAL - sent[i] ? n : TOTAL - sent[i];
            for (size_t k = 0; k < n; k++)
                block[k] = (uint8_t)((sent[i] + k) % 253);
            sent[i] += reel_write(t[i], block, n) == 0 ? n : 0;
        }
        if (seed >> 30 == 0)
            assert_true(reel_run_once(f->r, 0) >= 0);
    }
    assert_int_equal(f->a.received, TOTAL);
    assert_int_equal(f->b.received, TOTAL);
}

static void pipes_go_one_way(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *in = NULL, *out = NULL;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(reel_stream_adopt(f->r, fds[0], &f->a_factory, &in), 0);
    assert_int_equal(reel_stream_adopt(f->r, fds[1], &f->b_factory, &out), 0);
    assert_int_equal(reel_write(in, "x", 1), -EPIPE);
    assert_int_equal(reel_write(out, "through", 7), 0);
    run_until(f->r, &f->a.made);
    run_turns(f->r, 2);
    assert_string_equal(f->a.data, "through");
    struct reel_address address;
    assert_int_equal(reel_peer(in, &address), -EOPNOTSUPP);
    reel_close(out);
    run_until(f->r, &f->a.lost); /* the only half is over */
    assert_string_equal(f->a.order, "mdel");
    assert_int_equal(f->a.reason, 0);
}

static void a_pipe_whose_reader_is_gone_is_lost(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *out = NULL;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(reel_stream_adopt(f->r, fds[1], &f->b_factory, &out), 0);
    run_until(f->r, &f->b.made);
    close(fds[0]);
    run_until(f->r, &f->b.lost);
    assert_int_equal(f->b.reason, -EPIPE);
}

static void what_is_no_stream_is_refused_and_stays_open(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = NULL;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(reel_stream_adopt(f->r, fd, &f->a_factory, &t), -EPERM);
    assert_int_equal(close(fd), 0);
    assert_int_equal(reel_stream_adopt(f->r, fd, &f->a_factory, &t), -EBADF);
    run_turns(f->r, 2);
    assert_string_equal(f->a.order, "");
}

static void an_adopted_stream_closed_before_it_is_made_fails(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = NULL;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(reel_stream_adopt(f->r, fds[0], &f->a_factory, &t), 0);
    reel_close(t);
    run_until(f->r, &f->a.failed);
    assert_string_equal(f->a.order, "f");
    close(fds[1]);
}

static void a_listening_socket_is_adopted_by_its_number(void **state)
{
    struct fixture *f = *state;
    struct reel_listener *l = NULL;
    char text[32];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(listen(fd, 5), 0);
    snprintf(text, sizeof(text), "fd:%d", fd);
    assert_int_equal(reel_listen(f->r, text, &f->a_factory, &l), 0);
    assert_int_equal(reel_listener_fd(l), fd);
    int client = connect_blocking(l);
    run_until(f->r, &f->a.made);
    close(client);
    run_until(f->r, &f->a.eof);
    assert_int_equal(reel_listen(f->r, "fd:9999", &f->a_factory, NULL), -EBADF);
}

static void listen_and_connect(struct fixture *f, const char *endpoint_z, const char *client_z)
{
    struct reel_listener *l = NULL;
    struct reel_transport *t = NULL;
    assert_int_equal(reel_listen(f->r, endpoint_z, &f->a_factory, &l), 0);
    assert_int_equal(reel_connect(f->r, client_z, &f->b_factory, &t), 0);
    run_until(f->r, &f->b.made);
    run_until(f->r, &f->a.made);
    assert_int_equal(reel_write(t, "hi", 2), 0);
    run_turns(f->r, 3);
    assert_string_equal(f->a.data, "hi");
    reel_abort(t);
    reel_close(f->a.t);
    run_until(f->r, &f->a.lost);
    reel_listener_close(l);
    memset(&f->a, 0, sizeof(f->a));
    memset(&f->b, 0, sizeof(f->b));
}

static void unix_sockets_by_path_and_by_name(void **state)
{
    struct fixture *f = *state;
    char dir[] = "/tmp/reel-test-XXXXXX", server[64], client[64], abstract[64];
    assert_non_null(mkdtemp(dir));
    snprintf(server, sizeof(server), "unix:%s/s:mode=600", dir);
    snprintf(client, sizeof(client), "unix:%s/s", dir);
    snprintf(abstract, sizeof(abstract), "unix:@%s", dir);
    listen_and_connect(f, server, client);
    listen_and_connect(f, server, client); /* the file was left behind: it is replaced */
    listen_and_connect(f, abstract, abstract);
    struct reel_listener *l = NULL;
    assert_int_equal(reel_listen(f->r, server, &f->a_factory, &l), 0);
    assert_int_equal(reel_listen(f->r, server, &f->a_factory, NULL), -EADDRINUSE); /* in use */
    unlink(client + strlen("unix:"));
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_socket_pair_talks_both_ways),
        TEST(a_long_stream_keeps_its_order),
        TEST(pipes_go_one_way),
        TEST(a_pipe_whose_reader_is_gone_is_lost),
        TEST(what_is_no_stream_is_refused_and_stays_open),
        TEST(an_adopted_stream_closed_before_it_is_made_fails),
        TEST(a_listening_socket_is_adopted_by_its_number),
        TEST(unix_sockets_by_path_and_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
