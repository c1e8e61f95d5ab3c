/* The backends: which one runs, and what io_uring does otherwise than epoll without anybody noticing.
 * All but the first tests run on whichever REEL_BACKEND says. */
#include "helper.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD = 400 };

/* ---- Which one runs. ---- */

/* From here on the kernel says `error` to io_uring, as in many a container. */
static void refuse_io_uring(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 4, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        _exit(99);
}

/* The child's verdict: 0 is good. */
static void expect_child(pid_t pid)
{
    int status = -1;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static bool runs_on(const struct reel_reactor_options *options, const char *name_z)
{
    struct reel_reactor *r = reel_reactor_new(options);
    bool good = r && strcmp(reel_backend_name(r), name_z) == 0;
    reel_reactor_free(r);
    return good;
}

static int try_refused(int error)
{
    const struct reel_reactor_options wish = {.backend_z = "io_uring"};
    const struct reel_reactor_options demand = {.backend_z = "io_uring", .backend_only = true};
    refuse_io_uring(error);
    int fds = count_fds();
    setenv("REEL_BACKEND", "io_uring", 1);
    if (!runs_on(&wish, "epoll") || !runs_on(NULL, "epoll"))
        return 1;
    if (reel_reactor_new(&demand) || errno != error)
        return 2;
    return count_fds() == fds ? 0 : 3;
}

static void where_the_kernel_refuses_io_uring_epoll_runs(void **state)
{
    (void)state;
    static const int errors[] = {EPERM, ENOSYS, ENOMEM};
    for (size_t i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(try_refused(errors[i]));
        expect_child(pid);
    }
}

static void the_options_name_comes_before_the_environments(void **state)
{
    (void)state;
    const struct reel_reactor_options epoll = {.backend_z = "epoll"};
    assert_true(runs_on(&epoll, "epoll"));
    const struct reel_reactor_options unknown = {.backend_z = "kqueue"};
    assert_null(reel_reactor_new(&unknown));
    assert_int_equal(errno, EINVAL);
    struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
    assert_string_equal(reel_backend_name(r), "virtual");
    assert_int_equal(reel_backend_fd(r), -1);
    reel_reactor_free(r);
}

/* With REEL_BACKEND=io_uring this test is only run where there is one. */
static void the_environments_backend_runs(void **state)
{
    (void)state;
    const char *name_z = getenv("REEL_BACKEND");
    assert_true(runs_on(NULL, name_z && *name_z ? name_z : "epoll"));
}

/* ---- Connections. ---- */

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct record server;
    struct reel_factory factory;
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
    f->factory = (struct reel_factory){.protocol = &echo_protocol, .shared = &f->server};
    f->l = listen_local(f->r, &f->factory);
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
    free(f);
    return 0;
}

static int connect_one(struct fixture *f)
{
    int before = f->server.made;
    int fd = connect_blocking(f->l);
    for (int turns = 0; turns < 1000 && f->server.made == before; turns++)
        run_turns(f->r, 1);
    assert_int_equal(f->server.made, before + 1);
    return fd;
}

static void expect_echo(struct fixture *f, int fd, const char *text_z)
{
    char in[64];
    size_t len = strlen(text_z), got = 0;
    assert_int_equal(send(fd, text_z, len, 0), len);
    for (int turns = 0; turns < 1000 && got < len; turns++) {
        run_turns(f->r, 1);
        ssize_t n = recv(fd, in + got, sizeof(in) - got, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(got, len);
    assert_memory_equal(in, text_z, len);
}

/* All speak before any turn: more messages than a ring has buffers. */
static void a_crowd_that_speaks_at_once_is_heard(void **state)
{
    struct fixture *f = *state;
    static int fds[CROWD];
    for (int i = 0; i < CROWD; i++)
        fds[i] = connect_one(f);
    for (int round = 0; round < 3; round++) {
        size_t before = f->server.received;
        for (int i = 0; i < CROWD; i++)
            assert_int_equal(send(fds[i], &i, sizeof(i), 0), sizeof(i));
        const size_t wanted = before + CROWD * sizeof(int);
        for (int turns = 0; turns < 5000 && f->server.received < wanted; turns++)
            run_turns(f->r, 1);
        for (int i = 0; i < CROWD; i++) {
            int answer = -1;
            assert_int_equal(recv(fds[i], &answer, sizeof(answer), MSG_DONTWAIT), sizeof(answer));
            assert_int_equal(answer, i);
        }
    }
    for (int i = 0; i < CROWD; i++)
        close(fds[i]);
}

static size_t stop_after_first(struct reel_transport *t, const uint8_t *data, size_t len)
{
    (void)data;
    struct record *record = reel_shared(t);
    record->received += len;
    record->t = t;
    reel_pause_reading(t);
    return len;
}

static void note_made(struct reel_transport *t)
{
    ((struct record *)reel_shared(t))->made++;
}

static void note_lost(struct reel_transport *t, int reason)
{
    (void)reason;
    ((struct record *)reel_shared(t))->lost++;
}

static const struct reel_protocol stopping_protocol = {
    .made = note_made, .data = stop_after_first, .lost = note_lost};

/* Paused ones with full pipes: what came for them lies in nobody's way, and they take nothing more. */
static void the_paused_do_not_starve_the_others(void **state)
{
    struct fixture *f = *state;
    enum { PAUSED = 200 };
    static int fds[PAUSED];
    static const uint8_t block[100000];
    struct record paused = {0};
    const struct reel_factory factory = {.protocol = &stopping_protocol, .shared = &paused};
    struct reel_listener *l = listen_local(f->r, &factory);
    int talker = connect_one(f);
    for (int i = 0; i < PAUSED; i++) {
        fds[i] = connect_blocking(l);
        run_turns(f->r, 2);
        assert_int_equal(send(fds[i], "x", 1, 0), 1);
    }
    for (int turns = 0; turns < 1000 && paused.received < PAUSED; turns++)
        run_turns(f->r, 1);
    assert_int_equal(paused.received, PAUSED);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < PAUSED; i++)
            (void)send(fds[i], block, 2000, MSG_DONTWAIT);
        expect_echo(f, talker, "still here");
    }
    size_t live = f->counts.live;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < PAUSED; i++)
            (void)send(fds[i], block, sizeof(block), MSG_DONTWAIT);
        expect_echo(f, talker, "and here");
    }
    assert_true(f->counts.live <= live + 2); /* the kernel has it, and the peers must wait */
    assert_int_equal(paused.received, PAUSED);
    reel_resume_reading(paused.t);
    run_turns(f->r, 3);
    assert_true(paused.received > PAUSED);
    for (int i = 0; i < PAUSED; i++)
        close(fds[i]);
    close(talker);
    reel_reactor_free(f->r);
    assert_int_equal(paused.lost, PAUSED);
    f->r = reel_reactor_new(NULL);
}

struct choir {
    struct reel_transport *members[CROWD];
    int count;
};

static void join_choir(struct reel_transport *t)
{
    struct choir *choir = reel_shared(t);
    choir->members[choir->count++] = t;
}

static const struct reel_protocol choir_protocol = {.made = join_choir};

/* Pieces that do not lie side by side, of more connections than one submission takes. */
static void writes_that_take_turns_keep_their_order(void **state)
{
    struct fixture *f = *state;
    enum { PIECES = 9 };
    static struct choir choir;
    static int fds[CROWD];
    choir.count = 0;
    const struct reel_factory factory = {.protocol = &choir_protocol, .shared = &choir};
    struct reel_listener *l = listen_local(f->r, &factory);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = connect_blocking(l);
        while (choir.count == i)
            run_turns(f->r, 1);
    }
    for (int piece = 0; piece < PIECES; piece++)
        for (int i = 0; i < CROWD; i++)
            assert_int_equal(reel_write(choir.members[i], &"abcdefghi"[piece], 1), 0);
    assert_true(reel_run_once(f->r, 0) >= 0);
    for (int i = 0; i < CROWD; i++) {
        char in[PIECES + 1] = "";
        assert_int_equal(recv(fds[i], in, sizeof(in), MSG_DONTWAIT), PIECES);
        assert_memory_equal(in, "abcdefghi", PIECES);
        close(fds[i]);
    }
    reel_reactor_free(f->r);
    f->r = reel_reactor_new(NULL);
}

/* Small, then in bulk, then small: the way of reading changes, the bytes do not. */
static void bulk_comes_and_goes_in_order(void **state)
{
    struct fixture *f = *state;
    static uint8_t out[60000], in[60000];
    static const size_t sizes[] = {10, 60000, 60000, 60000, 10, 10,   10,
                                   10, 10,    10,    30000, 5,  60000};
    int fd = connect_one(f);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t sent = 0, got = 0;
        for (size_t k = 0; k < sizes[i]; k++)
            out[k] = (uint8_t)(k * 7 + i);
        while (got < sizes[i]) {
            ssize_t n = sent < sizes[i] ? send(fd, out + sent, sizes[i] - sent, MSG_DONTWAIT) : 0;
            sent += n > 0 ? (size_t)n : 0;
            run_turns(f->r, 1);
            n = recv(fd, in + got, sizes[i] - got, MSG_DONTWAIT);
            got += n > 0 ? (size_t)n : 0;
        }
        assert_memory_equal(in, out, sizes[i]);
    }
    close(fd);
}

/* An EOF or a reset is with the peer when the turn of the close is over. */
static void an_end_leaves_with_its_turn(void **state)
{
    struct fixture *f = *state;
    char byte = 0;
    for (int reset = 0; reset < 2; reset++) {
        int fd = connect_one(f);
        expect_echo(f, fd, "hello");
        run_turns(f->r, 2);
        if (reset)
            reel_abort(f->server.t);
        else
            reel_close(f->server.t);
        assert_true(reel_run_once(f->r, 0) >= 0);
        assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), reset ? -1 : 0);
        if (reset)
            assert_int_equal(errno, ECONNRESET);
        close(fd);
    }
}

/* What is written outside of turns leaves with the next one. */
static void a_write_leaves_with_its_turn(void **state)
{
    struct fixture *f = *state;
    char in[8];
    int fd = connect_one(f);
    expect_echo(f, fd, "hello");
    assert_int_equal(reel_write(f->server.t, "abc", 3), 0);
    assert_int_equal(reel_write(f->server.t, "def", 3), 0);
    assert_int_equal(recv(fd, in, sizeof(in), MSG_DONTWAIT), -1);
    assert_true(reel_run_once(f->r, 0) >= 0);
    assert_int_equal(reel_write_pending(f->server.t), 0);
    assert_int_equal(recv(fd, in, sizeof(in), MSG_DONTWAIT), 6);
    assert_int_equal(reel_write(f->server.t, "now", 3), 0);
    reel_flush(f->server.t);
    assert_int_equal(recv(fd, in, sizeof(in), MSG_DONTWAIT), 3);
    close(fd);
}

/* No port stays taken by an operation that the kernel has not given back. */
static void a_port_is_free_at_once(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 5; round++) {
        struct reel_listener *l = NULL;
        char endpoint[64];
        int port = reel_listener_port(f->l);
        int fd = connect_one(f);
        expect_echo(f, fd, "hello");
        reel_listener_close(f->l);
        snprintf(endpoint, sizeof(endpoint), "tcp:%d:interface=127.0.0.1", port);
        assert_int_equal(reel_listen(f->r, endpoint, &f->factory, &l), 0);
        f->l = l;
        close(fd);
    }
}

static void memory_scenario(struct reel_reactor *r, struct record *record)
{
    static const uint8_t block[50000];
    const struct reel_factory factory = {.protocol = &stopping_protocol, .shared = record};
    struct reel_listener *l = NULL;
    if (reel_listen(r, "tcp:0:interface=127.0.0.1", &factory, &l) == 0) {
        int fd = connect_blocking(l);
        run_turns(r, 2);
        for (int i = 0; i < 4; i++) {
            (void)send(fd, block, i % 2 ? 100 : sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
            run_turns(r, 2);
            if (record->made && !record->lost && record->t) {
                reel_write(record->t, block, 200);
                reel_write(record->t, block, sizeof(block));
            }
            if (i == 2 && record->made && !record->lost && record->t)
                reel_resume_reading(record->t);
        }
        close(fd);
        run_turns(r, 3);
    }
    reel_reactor_free(r);
}

/* Input that waits for a paused protocol, output that waits for a slow peer, without memory. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    int runs = 0;
    for (long n = 0;; n++, runs++) {
        struct counting_allocator counts;
        const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
        struct record record = {0};
        counts.fail_after = n;
        struct reel_reactor *r = reel_reactor_new(&options);
        if (r)
            memory_scenario(r, &record);
        assert_int_equal(counts.live, 0);
        assert_int_equal(record.made, record.lost);
        if (counts.fail_after > 0)
            break;
    }
    assert_true(runs >= 5);
}

/* The loop of somebody else waits for the reactor's descriptor. */
static void another_loop_may_wait_for_it(void **state)
{
    struct fixture *f = *state;
    struct pollfd wait = {.fd = reel_backend_fd(f->r), .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 0), 0);
    int fd = connect_blocking(f->l);
    const char *const texts[] = {"one", "two", "three"};
    for (int i = 0; i < 3; i++) {
        size_t got = 0;
        char in[8];
        assert_int_equal(send(fd, texts[i], strlen(texts[i]), 0), strlen(texts[i]));
        for (int turns = 0; turns < 100 && got < strlen(texts[i]); turns++) {
            assert_int_equal(poll(&wait, 1, 10000), 1);
            assert_true(reel_run_once(f->r, 0) >= 0);
            ssize_t n = recv(fd, in + got, sizeof(in) - got, MSG_DONTWAIT);
            got += n > 0 ? (size_t)n : 0;
        }
        assert_memory_equal(in, texts[i], strlen(texts[i]));
    }
    for (int turns = 0; turns < 5; turns++)
        assert_true(reel_run_once(f->r, 0) >= 0);
    assert_int_equal(poll(&wait, 1, 0), 0);
    close(fd);
}

/* ---- Threads and processes. ---- */

struct runner {
    struct fixture *f;
    int fd;
    const char *text_z;
};

static void *run_in_thread(void *argument)
{
    struct runner *runner = argument;
    expect_echo(runner->f, runner->fd, runner->text_z);
    return NULL;
}

/* Made here, run there, then here again; one at a time. */
static void a_reactor_may_change_its_thread(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    int fd = connect_blocking(f->l);
    struct runner runner = {f, fd, "in a thread"};
    for (int round = 0; round < 3; round++) {
        assert_int_equal(pthread_create(&thread, NULL, run_in_thread, &runner), 0);
        pthread_join(thread, NULL);
        expect_echo(f, fd, "and here");
    }
    int other = connect_one(f);
    expect_echo(f, other, "a new one");
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, &runner), 0);
    pthread_join(thread, NULL);
    close(fd);
    close(other);
}

static int serve_in_child(struct fixture *f, bool refused)
{
    if (refused)
        refuse_io_uring(EPERM);
    if (reel_after_fork(f->r) < 0)
        return 1;
    if (refused && strcmp(reel_backend_name(f->r), "epoll") != 0)
        return 2;
    for (int turns = 0; turns < 5000 && f->server.lost == 0; turns++)
        if (reel_run_once(f->r, REEL_MS) < 0)
            return 3;
    if (f->server.lost != 1)
        return 4;
    reel_reactor_free(f->r);
    return f->counts.live ? 5 : 0;
}

static void go_on_in_a_child(struct fixture *f, bool refused)
{
    int fd = connect_one(f);
    expect_echo(f, fd, "parent");
    pid_t pid = fork();
    if (pid == 0)
        _exit(serve_in_child(f, refused));
    reel_abort(f->server.t); /* here: the child has it now. No reset: it is not the last */
    char in[8];
    assert_int_equal(send(fd, "child", 5, 0), 5);
    assert_int_equal(recv(fd, in, 5, MSG_WAITALL), 5);
    assert_memory_equal(in, "child", 5);
    shutdown(fd, SHUT_WR);
    expect_child(pid);
    run_turns(f->r, 2);
    close(fd);
}

static void a_connection_goes_on_in_a_child(void **state)
{
    go_on_in_a_child(*state, false);
}

static void a_child_without_io_uring_goes_on_with_epoll(void **state)
{
    go_on_in_a_child(*state, true);
}

/* The rule for children that do not go on: free it, and the parent's connections feel nothing. */
static void a_child_may_free_it_and_the_parent_goes_on(void **state)
{
    struct fixture *f = *state;
    int fd = connect_one(f);
    expect_echo(f, fd, "before");
    pid_t pid = fork();
    if (pid == 0) {
        reel_reactor_free(f->r);
        _exit(f->counts.live ? 1 : 0);
    }
    expect_child(pid);
    expect_echo(f, fd, "after");
    int other = connect_one(f);
    expect_echo(f, other, "a new one");
    close(fd);
    close(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_the_kernel_refuses_io_uring_epoll_runs),
        cmocka_unit_test(the_options_name_comes_before_the_environments),
        cmocka_unit_test(the_environments_backend_runs),
        TEST(a_crowd_that_speaks_at_once_is_heard),
        TEST(the_paused_do_not_starve_the_others),
        TEST(writes_that_take_turns_keep_their_order),
        TEST(bulk_comes_and_goes_in_order),
        TEST(an_end_leaves_with_its_turn),
        TEST(a_write_leaves_with_its_turn),
        TEST(a_port_is_free_at_once),
        cmocka_unit_test(every_allocation_may_fail),
        TEST(another_loop_may_wait_for_it),
        TEST(a_reactor_may_change_its_thread),
        TEST(a_connection_goes_on_in_a_child),
        TEST(a_child_without_io_uring_goes_on_with_epoll),
        TEST(a_child_may_free_it_and_the_parent_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
