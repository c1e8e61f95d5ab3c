/* Datagrams over Unix sockets, and the descriptors that come with them. */
#include "datagram_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void unix_pair(struct fixture *f, struct reel_datagram **a, struct reel_datagram **b)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(reel_datagram_adopt(f->r, fds[0], &f->a_factory, a), 0);
    assert_int_equal(reel_datagram_adopt(f->r, fds[1], &f->b_factory, b), 0);
}

static void unix_datagrams_by_path(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    char dir[] = "/tmp/reel-test-XXXXXX", server[64], client[64], own[64];
    struct stat status;
    assert_non_null(mkdtemp(dir));
    snprintf(server, sizeof(server), "unix-dgram:%s/s:mode=600", dir);
    snprintf(client, sizeof(client), "unix-dgram:%s/s", dir);
    snprintf(own, sizeof(own), "unix-dgram:@%s", dir);
    f->a.echo = true;
    for (int i = 0; i < 2; i++) { /* the second time the file was left behind: it is replaced */
        assert_int_equal(reel_listen_datagram(f->r, server, &f->a_factory, &a), 0);
        assert_int_equal(stat(client + strlen("unix-dgram:"), &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        assert_int_equal(reel_listen_datagram(f->r, server, &f->a_factory, NULL), -EADDRINUSE);
        assert_int_equal(reel_listen_datagram(f->r, own, &f->b_factory, &b), 0);
        struct reel_address to;
        assert_int_equal(reel_datagram_host(a, &to), 0);
        assert_int_equal(reel_datagram_send(b, "hi", 2, &to), 0);
        run_until_at_least(f, &f->b.received, i + 1); /* abstract names can be answered */
        reel_datagram_close(a);
        reel_datagram_close(b);
        run_until_at_least(f, &f->b.lost, i + 1);
    }
    unlink(client + strlen("unix-dgram:"));
    assert_int_equal(rmdir(dir), 0);
}

static void a_slow_unix_peer_makes_it_wait_and_then_drop(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    static uint8_t bytes[1000];
    f->b_factory.options.queue_max = 100000;
    unix_pair(f, &a, &b);
    run_until(f->r, &f->b.made);
    reel_datagram_pause(a);
    int taken = 0;
    while (reel_datagram_send(b, bytes, sizeof(bytes), NULL) == 0) {
        taken++;
        run_turns(f->r, 1);
    }
    assert_true(taken > 100 && taken < 10000);
    assert_int_equal(reel_datagram_send(b, bytes, sizeof(bytes), NULL), -ENOBUFS);
    assert_int_equal(f->b.full, 1);
    struct reel_datagram_stats stats;
    reel_datagram_stats(b, &stats);
    assert_int_equal(stats.dropped, 2);
    reel_datagram_resume(a);
    run_until_at_least(f, &f->a.received, taken);
    assert_int_equal(f->b.drained, 1);
    assert_int_equal(reel_datagram_pending(b), 0);
}

/* Nobody tells an unconnected Unix socket that there is room again. */
static void an_unconnected_unix_socket_tries_again(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    struct reel_address to;
    assert_int_equal(reel_listen_datagram(f->r, "unix-dgram:@reel-test-again-a", &f->a_factory, &a),
                     0);
    assert_int_equal(reel_listen_datagram(f->r, "unix-dgram:@reel-test-again-b", &f->b_factory, &b),
                     0);
    assert_int_equal(reel_datagram_host(a, &to), 0);
    run_until(f->r, &f->b.made);
    reel_datagram_pause(a);
    for (int i = 0; i < 500; i++)
        assert_int_equal(reel_datagram_send(b, "wait", 4, &to), 0);
    run_turns(f->r, 3);
    assert_true(reel_datagram_pending(b) > 0);
    reel_datagram_resume(a);
    run_until_at_least(f, &f->a.received, 500);
}

static void descriptors_come_with_datagrams(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    int pipes[2];
    char byte = 0;
    unix_pair(f, &a, &b);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    f->a.take_fd = true;
    assert_int_equal(reel_datagram_send(b, "before", 6, NULL), 0);
    assert_int_equal(reel_datagram_send_fds(b, "pipe", 4, NULL, &pipes[1], 1), 0);
    close(pipes[1]);
    run_until_at_least(f, &f->a.received, 2);
    assert_true(f->a.fd >= 0);
    assert_int_equal(fcntl(f->a.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(f->a.fd, "!", 1), 1);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(byte, '!');
    close(f->a.fd);
    close(pipes[0]);
}

/* Counted by the fixture: nothing may be left over. */
static void descriptors_that_nobody_takes_are_closed(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL, *b = NULL;
    int pipes[2];
    unix_pair(f, &a, &b);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    f->a.pause_at = 2;
    int many[REEL_DATAGRAM_DESCRIPTORS_MAX];
    for (int i = 0; i < REEL_DATAGRAM_DESCRIPTORS_MAX; i++)
        many[i] = pipes[i % 2];
    int before = count_fds();
    for (int i = 0; i < 5; i++) /* told, told and paused, held, held, held */
        assert_int_equal(reel_datagram_send_fds(b, "x", 1, NULL, many, 16), 0);
    run_until_at_least(f, &f->a.received, 2);
    run_turns(f->r, 2);
    assert_int_equal(count_fds(), before + 3 * 16);
    reel_datagram_close(a);
    run_until(f->r, &f->a.lost);
    assert_int_equal(count_fds(), before - 1);
    assert_int_equal(reel_datagram_send_fds(b, "x", 1, NULL, pipes, 2), 0); /* never arrives */
    assert_int_equal(reel_datagram_send_fds(b, "x", 1, NULL, many, 17), -EINVAL);
    int bad[2] = {pipes[0], 9999};
    assert_int_equal(reel_datagram_send_fds(b, "x", 1, NULL, bad, 2), -EBADF);
    close(pipes[0]);
    close(pipes[1]);
}

static void more_descriptors_than_the_limit_are_cut(void **state)
{
    struct fixture *f = *state;
    struct reel_datagram *a = NULL;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(reel_datagram_adopt(f->r, fds[0], &f->a_factory, &a), 0);
    enum { COUNT = 60 };
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(COUNT * sizeof(int))] = {0};
    char byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(COUNT * sizeof(int)),
                               .cmsg_level = SOL_SOCKET,
                               .cmsg_type = SCM_RIGHTS};
    for (int i = 0; i < COUNT; i++)
        memcpy(CMSG_DATA(header) + (size_t)i * sizeof(int), &fds[1], sizeof(int));
    assert_int_equal(sendmsg(fds[1], &message, 0), 1);
    run_until(f->r, &f->a.received);
    struct reel_datagram_stats stats;
    reel_datagram_stats(a, &stats);
    assert_int_equal(stats.truncated, 1);
    close(fds[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(unix_datagrams_by_path),
        TEST(a_slow_unix_peer_makes_it_wait_and_then_drop),
        TEST(an_unconnected_unix_socket_tries_again),
        TEST(descriptors_come_with_datagrams),
        TEST(descriptors_that_nobody_takes_are_closed),
        TEST(more_descriptors_than_the_limit_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
