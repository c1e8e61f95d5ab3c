/* Several reactors on one port: processes and threads. */
#include "helper.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3 };

/* What a worker says of itself to each connection. */
struct greeting {
    int index;
    pid_t pid, thread;
};

/* A port of the system's choice, held by a socket that does not listen. */
struct port {
    int fd;
    struct sockaddr_in address;
    char endpoint_z[80];
};

static struct port port;

static int take_port(void **state)
{
    (void)state;
    const int one = 1;
    socklen_t len = sizeof(port.address);
    port.address = (struct sockaddr_in){.sin_family = AF_INET};
    port.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    port.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(port.fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
    assert_int_equal(bind(port.fd, (struct sockaddr *)&port.address, len), 0);
    assert_int_equal(getsockname(port.fd, (struct sockaddr *)&port.address, &len), 0);
    snprintf(port.endpoint_z, sizeof(port.endpoint_z), "tcp:%d:interface=127.0.0.1:reuseport=yes",
             ntohs(port.address.sin_port));
    return 0;
}

static int give_port(void **state)
{
    (void)state;
    return close(port.fd);
}

static void greet(struct reel_transport *t)
{
    const struct greeting greeting = {*(int *)reel_shared(t), getpid(), gettid()};
    reel_write(t, &greeting, sizeof(greeting));
}

static size_t echo(struct reel_transport *t, const uint8_t *data, size_t len)
{
    return reel_write(t, data, len) == 0 ? len : 0;
}

static const struct reel_protocol greeter = {.made = greet, .data = echo};
static int indices[WORKERS] = {0, 1, 2};
static const struct reel_factory factories[WORKERS] = {
    {.protocol = &greeter, .shared = &indices[0]},
    {.protocol = &greeter, .shared = &indices[1]},
    {.protocol = &greeter, .shared = &indices[2]},
};

static int serve(struct reel_reactor *r, int index, void *context)
{
    (void)context;
    return reel_listen(r, port.endpoint_z, &factories[index], NULL);
}

/* The program whose workers are looked at. */
static pid_t program(const struct reel_workers_options *options)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(reel_workers_run(options) == 0 ? 0 : 1);
}

static int status_of(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* A connection, as soon as somebody takes one. */
static int connect_to_one(struct greeting *greeting)
{
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        if (connect(fd, (struct sockaddr *)&port.address, sizeof(port.address)) == 0 &&
            recv(fd, greeting, sizeof(*greeting), MSG_WAITALL) == (ssize_t)sizeof(*greeting))
            return fd;
        close(fd); /* nobody yet; or its worker was killed */
        usleep(1000);
    }
}

static struct greeting ask(void)
{
    struct greeting greeting;
    close(connect_to_one(&greeting));
    assert_in_range(greeting.index, 0, WORKERS - 1);
    return greeting;
}

/* Connects until each worker has been met. */
static void meet_all(struct greeting met[WORKERS])
{
    int count = 0;
    memset(met, 0, WORKERS * sizeof(*met));
    while (count < WORKERS) {
        struct greeting greeting = ask();
        count += met[greeting.index].pid == 0;
        met[greeting.index] = greeting;
    }
}

static void processes_share_a_port(void **state)
{
    (void)state;
    const struct reel_workers_options options = {.count = WORKERS, .start = serve};
    struct greeting met[WORKERS];
    pid_t pid = program(&options);
    meet_all(met);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_not_equal(met[i].pid, pid);
        assert_int_not_equal(met[i].pid, met[(i + 1) % WORKERS].pid);
    }
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(status_of(pid), 0);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(kill(met[i].pid, 0), -1);
}

static void threads_share_a_port(void **state)
{
    (void)state;
    const struct reel_workers_options options = {.count = WORKERS, .threads = true, .start = serve};
    struct greeting met[WORKERS];
    pid_t pid = program(&options);
    meet_all(met);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(met[i].pid, pid);
        assert_int_not_equal(met[i].thread, pid);
        assert_int_not_equal(met[i].thread, met[(i + 1) % WORKERS].thread);
    }
    assert_int_equal(kill(pid, SIGINT), 0);
    assert_int_equal(status_of(pid), 0);
}

static void a_killed_worker_comes_back(void **state)
{
    (void)state;
    const struct reel_workers_options options = {
        .count = WORKERS, .start = serve, .pause_ns = REEL_MS};
    struct greeting met[WORKERS], now;
    pid_t pid = program(&options);
    meet_all(met);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(kill(met[i].pid, i ? SIGKILL : SIGABRT), 0);
        do
            now = ask();
        while (now.index != i || now.pid == met[i].pid);
    }
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(status_of(pid), 0);
}

static void one_that_stops_in_order_does_not(void **state)
{
    (void)state;
    const struct reel_workers_options options = {.count = WORKERS, .start = serve};
    struct greeting met[WORKERS];
    pid_t pid = program(&options);
    meet_all(met);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(kill(met[i].pid, SIGINT), 0); /* not theirs */
        assert_int_equal(kill(met[i].pid, SIGTERM), 0);
    }
    assert_int_equal(status_of(pid), 0);
}

static void workers_do_not_outlive_the_program(void **state)
{
    (void)state;
    const struct reel_workers_options options = {.count = WORKERS, .start = serve};
    struct greeting met[WORKERS];
    pid_t pid = program(&options);
    meet_all(met);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(status_of(pid), SIGKILL);
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int refused = connect(fd, (struct sockaddr *)&port.address, sizeof(port.address));
        close(fd);
        if (refused < 0)
            break;
        usleep(1000);
    }
}

/* The connection is served to its end; who does not listen any more is not connected to. */
static void connections_are_waited_for(void **state)
{
    (void)state;
    for (int threads = 0; threads < 2; threads++) {
        const struct reel_workers_options options = {
            .count = WORKERS, .threads = threads, .start = serve};
        struct greeting met[WORKERS], greeting;
        pid_t pid = program(&options);
        meet_all(met);
        int fd = connect_to_one(&greeting), other = -1;
        assert_int_equal(kill(pid, SIGTERM), 0);
        do {
            if (other >= 0)
                close(other);
            other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        } while (connect(other, (struct sockaddr *)&port.address, sizeof(port.address)) == 0);
        close(other);
        char in[5] = "";
        assert_int_equal(write(fd, "ping", 4), 4);
        assert_int_equal(recv(fd, in, 4, MSG_WAITALL), 4);
        assert_string_equal(in, "ping");
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        close(fd);
        assert_int_equal(status_of(pid), 0);
    }
}

static void a_second_signal_does_not_wait(void **state)
{
    (void)state;
    for (int threads = 0; threads < 2; threads++) {
        const struct reel_workers_options options = {
            .count = WORKERS, .threads = threads, .start = serve, .grace_ns = 1000 * REEL_SECOND};
        struct greeting met[WORKERS], greeting;
        pid_t pid = program(&options);
        meet_all(met);
        int fd = connect_to_one(&greeting);
        assert_int_equal(kill(pid, SIGINT), 0);
        assert_int_equal(kill(pid, SIGTERM), 0); /* another one: two of a kind may become one */
        assert_int_equal(status_of(pid), 0);
        close(fd);
    }
}

/* ---- In the test's own process. ---- */

static int fail_second(struct reel_reactor *r, int index, void *context)
{
    (void)r;
    (void)context;
    return index == 1 ? -EADDRINUSE : 0;
}

static void a_start_that_fails_ends_all(void **state)
{
    (void)state;
    int fds = count_fds();
    for (int threads = 0; threads < 2; threads++) {
        const struct reel_workers_options options = {
            .count = WORKERS, .threads = threads, .start = fail_second};
        assert_int_equal(reel_workers_run(&options), -EADDRINUSE);
    }
    assert_int_equal(count_fds(), fds);
}

struct story {
    int starts, deaths, code;
};

static void note(void *context, int index, pid_t pid, const struct reel_process_status *status)
{
    struct story *story = context;
    assert_int_equal(index, 0);
    assert_true(pid > 0);
    story->starts += !status;
    story->deaths += status != NULL;
    story->code = status ? status->code : -1;
}

static int die(struct reel_reactor *r, int index, void *context)
{
    (void)r;
    (void)index;
    (void)context;
    _exit(3);
}

static void one_that_dies_again_and_again_is_given_up(void **state)
{
    (void)state;
    struct story story = {0};
    const struct reel_workers_options options = {.count = 1,
                                                 .start = die,
                                                 .told = note,
                                                 .context = &story,
                                                 .pause_ns = REEL_MS,
                                                 .restarts_max = 4};
    signal(SIGCHLD, SIG_IGN); /* somebody else's taste */
    assert_int_equal(reel_workers_run(&options), -ECHILD);
    assert_true(signal(SIGCHLD, SIG_DFL) == SIG_IGN);
    assert_int_equal(story.starts, 5);
    assert_int_equal(story.deaths, 5);
    assert_int_equal(story.code, 3);
}

/* Dies twice, and is healthy in between: at once, without a pause, and not counted. */
static int die_when_told(struct reel_reactor *r, int index, void *context)
{
    (void)index;
    int *lives = context;
    if (++*lives == 5)
        reel_stop(r);
    else
        _exit(1);
    return 0;
}

static void the_healthy_are_not_counted(void **state)
{
    (void)state;
    int *lives = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct reel_workers_options options = {.count = 1,
                                                 .start = die_when_told,
                                                 .context = lives,
                                                 .healthy_ns = 1,
                                                 .pause_ns = 1000 * REEL_SECOND,
                                                 .restarts_max = 1};
    assert_int_equal(reel_workers_run(&options), 0);
    assert_int_equal(*lives, 5);
    munmap(lives, sizeof(int));
}

/* Both are called in the worker, in order. */
static int stop_at_once(struct reel_reactor *r, int index, void *context)
{
    int *calls = context;
    calls[index] = 1;
    reel_stop(r);
    return 0;
}

static void count_finish(struct reel_reactor *r, int index, void *context)
{
    (void)r;
    int *calls = context;
    calls[index] = calls[index] == 1 ? 2 : -1;
}

static void when_all_have_stopped_it_is_over(void **state)
{
    (void)state;
    const size_t size = WORKERS * sizeof(int);
    int *calls = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fds = count_fds();
    for (int threads = 0; threads < 2; threads++) {
        const struct reel_workers_options options = {.count = WORKERS,
                                                     .threads = threads,
                                                     .start = stop_at_once,
                                                     .finish = count_finish,
                                                     .context = calls};
        memset(calls, 0, size);
        assert_int_equal(reel_workers_run(&options), 0);
        for (int i = 0; i < WORKERS; i++)
            assert_int_equal(calls[i], 2);
    }
    assert_int_equal(count_fds(), fds);
    munmap(calls, size);
}

/* Threads allocate side by side. */
struct locked_allocator {
    pthread_mutex_t lock;
    struct reel_allocator inner;
};

static void *locked_resize(void *context, void *memory, size_t size)
{
    struct locked_allocator *locked = context;
    pthread_mutex_lock(&locked->lock);
    void *resized = locked->inner.resize(locked->inner.context, memory, size);
    pthread_mutex_unlock(&locked->lock);
    return resized;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    struct counting_allocator counts;
    struct locked_allocator locked = {PTHREAD_MUTEX_INITIALIZER, counting_allocator(&counts)};
    const struct reel_reactor_options reactor = {.allocator = {locked_resize, &locked}};
    for (int threads = 0; threads < 2; threads++) {
        int *calls =
            mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        const struct reel_workers_options options = {.count = 1,
                                                     .threads = threads,
                                                     .start = stop_at_once,
                                                     .context = calls,
                                                     .reactor = &reactor};
        int fds = count_fds(), err = -ENOMEM;
        for (long n = 0; err < 0; n++) {
            counts.fail_after = n;
            err = reel_workers_run(&options);
            counts.fail_after = -1;
            assert_true(err == 0 || err == -ENOMEM);
            assert_int_equal(counts.live, 0);
            assert_true(n < 200);
        }
        assert_int_equal(*calls, 1);
        assert_int_equal(count_fds(), fds);
        munmap(calls, sizeof(int));
    }
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    const struct reel_workers_options none = {.count = 1};
    const struct reel_workers_options less = {.count = -1, .start = serve};
    const struct reel_workers_options many = {.count = REEL_WORKERS_MAX + 1, .start = serve};
    assert_int_equal(reel_workers_run(&none), -EINVAL);
    assert_int_equal(reel_workers_run(&less), -EINVAL);
    assert_int_equal(reel_workers_run(&many), -EINVAL);
}

int main(void)
{
#define ON_A_PORT(name) cmocka_unit_test_setup_teardown(name, take_port, give_port)
    const struct CMUnitTest tests[] = {
        ON_A_PORT(processes_share_a_port),
        ON_A_PORT(threads_share_a_port),
        ON_A_PORT(a_killed_worker_comes_back),
        ON_A_PORT(one_that_stops_in_order_does_not),
        ON_A_PORT(workers_do_not_outlive_the_program),
        ON_A_PORT(connections_are_waited_for),
        ON_A_PORT(a_second_signal_does_not_wait),
        cmocka_unit_test(a_start_that_fails_ends_all),
        cmocka_unit_test(one_that_dies_again_and_again_is_given_up),
        cmocka_unit_test(the_healthy_are_not_counted),
        cmocka_unit_test(when_all_have_stopped_it_is_over),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
