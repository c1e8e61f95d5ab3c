/* Standard input and output as one transport; serial lines, on a pair of terminals. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct record record;
    struct reel_factory factory;
    int fds;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->fds = count_fds();
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_reactor_new(&options);
    f->factory = (struct reel_factory){.protocol = &recording_protocol, .shared = &f->record};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_reactor_free(f->r);
    assert_int_equal(f->counts.live, 0);
    assert_int_equal(count_fds(), f->fds);
    free(f);
    return 0;
}

static void run_until_received(struct fixture *f, size_t bytes)
{
    for (int turns = 0; turns < 20000 && f->record.received < bytes; turns++)
        assert_true(reel_run_once(f->r, REEL_MS) >= 0);
    assert_int_equal(f->record.received, bytes);
}

static void two_pipes_are_one_transport(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = NULL;
    int in[2], out[2];
    char bytes[16] = "";
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(reel_stdio_on(f->r, in[0], out[1], &f->factory, &t), 0);
    assert_int_equal(f->record.made, 0);
    assert_int_equal(reel_write(t, "out", 3), 0);
    assert_int_equal(write(in[1], "into", 4), 4);
    run_until_received(f, 4);
    assert_int_equal(read(out[0], bytes, sizeof(bytes)), 3);
    assert_string_equal(bytes, "out");
    assert_true(fcntl(in[0], F_GETFL) & O_NONBLOCK);
    close(in[1]);
    run_until(f->r, &f->record.eof); /* what is read has ended, not what is written */
    assert_int_equal(reel_write(t, "more", 4), 0);
    assert_int_equal(reel_shutdown_write(t), 0);
    run_until(f->r, &f->record.lost);
    assert_int_equal(f->record.reason, 0);
    assert_int_equal(read(out[0], bytes, sizeof(bytes)), 4);
    assert_int_equal(read(out[0], bytes, sizeof(bytes)), 0); /* the end is seen */
    assert_false(fcntl(in[0], F_GETFL) & O_NONBLOCK);        /* given back as it was */
    close(in[0]);
    close(out[0]);
    close(out[1]);
}

static void stop_at_end(struct reel_transport *t, int reason)
{
    (void)reason;
    reel_stop(reel_reactor_of(t));
}

/* As inetd starts a program: the connection is its descriptors 0 and 1. */
static void an_endpoint_says_stdio(void **state)
{
    struct fixture *f = *state;
    int pair[2], status = -1;
    char bytes[5] = "";
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct reel_protocol protocol = echo_protocol;
        const struct reel_factory factory = {.protocol = &protocol, .shared = &f->record};
        struct reel_listener *l = (struct reel_listener *)(void *)&factory;
        protocol.lost = stop_at_end;
        if (dup2(pair[1], 0) < 0 || dup2(pair[1], 1) < 0 || reel_after_fork(f->r) < 0)
            _exit(99);
        close(pair[0]);
        int err = reel_listen(f->r, "stdio:", &factory, &l);
        _exit(err == 0 && l == NULL && reel_run(f->r) == 0 ? 0 : 1);
    }
    close(pair[1]);
    assert_int_equal(write(pair[0], "ping", 4), 4);
    assert_int_equal(recv(pair[0], bytes, 4, MSG_WAITALL), 4);
    assert_string_equal(bytes, "ping");
    close(pair[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(reel_listen(f->r, "haproxy:stdio:", &f->factory, NULL), -EINVAL);
    assert_int_equal(reel_listen(f->r, "stdio:0", &f->factory, NULL), -EINVAL);
}

static void files_and_dev_null_will_do(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = NULL;
    static uint8_t bytes[200000];
    int in = memfd_create("reel-test", MFD_CLOEXEC);
    int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(in, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(lseek(in, 0, SEEK_SET), 0);
    assert_int_equal(reel_stdio_on(f->r, in, out, &f->factory, &t), 0);
    assert_int_equal(reel_write(t, bytes, sizeof(bytes)), 0);
    run_until_received(f, sizeof(bytes));
    run_until(f->r, &f->record.eof);
    assert_int_equal(reel_write_pending(t), 0);
    reel_close(t);
    run_until(f->r, &f->record.lost);
    close(in);
    close(out);
}

static void a_reader_that_is_gone_is_an_end(void **state)
{
    struct fixture *f = *state;
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(reel_stdio_on(f->r, in[0], out[1], &f->factory, NULL), 0);
    run_until(f->r, &f->record.made);
    close(out[0]);
    run_until(f->r, &f->record.lost);
    assert_int_equal(f->record.reason, -EPIPE);
    close(in[0]);
    close(in[1]);
    close(out[1]);
    assert_int_equal(reel_stdio_on(f->r, 9999, 9999, &f->factory, NULL), -EBADF);
}

static void one_terminal_serves_both_ways(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = NULL;
    int ends[2];
    char bytes[16] = "";
    assert_int_equal(openpty(&ends[0], &ends[1], NULL, NULL, NULL), 0);
    int again = dup(ends[1]);
    assert_int_equal(reel_stdio_on(f->r, ends[1], again, &f->factory, &t), 0);
    assert_int_equal(write(ends[0], "typed\n", 6), 6);
    run_until_received(f, 6);
    assert_int_equal(read(ends[0], bytes, sizeof(bytes)), 7); /* the echo */
    reel_abort(t);
    run_until(f->r, &f->record.lost);
    assert_false(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
    close(ends[0]);
    close(ends[1]);
    close(again);
}

/* Serial lines */

static void a_line_is_raw_and_given_back(void **state)
{
    struct fixture *f = *state;
    struct reel_transport *t = NULL;
    struct termios before, during, after;
    int ends[2];
    char bytes[16] = "";
    const char *path_z = NULL;
    assert_int_equal(openpty(&ends[0], &ends[1], NULL, NULL, NULL), 0);
    path_z = ttyname(ends[1]);
    assert_non_null(path_z);
    assert_int_equal(tcgetattr(ends[1], &before), 0);
    const struct reel_serial_options options = {.speed = 115200,
                                                .bits = 7,
                                                .parity = REEL_PARITY_EVEN,
                                                .stop_bits = 2,
                                                .software_flow = true};
    assert_int_equal(reel_serial_open(f->r, path_z, &options, &f->factory, &t), 0);
    assert_int_equal(tcgetattr(ends[1], &during), 0);
    assert_int_equal(cfgetospeed(&during), B115200);
    assert_int_equal(during.c_lflag & (ICANON | ECHO | ISIG), 0);
    assert_int_equal(during.c_iflag & (IXON | IXOFF), IXON | IXOFF);
    assert_int_equal(during.c_cflag & CSTOPB, CSTOPB);
    assert_int_equal(write(ends[0], "\003a\r", 3), 3);
    run_until_received(f, 3);
    assert_string_equal(f->record.data, "\003a\r");
    assert_int_equal(reel_write(t, "b\n", 2), 0);
    run_turns(f->r, 2);
    assert_int_equal(read(ends[0], bytes, sizeof(bytes)), 2);
    assert_string_equal(bytes, "b\n");
    reel_close(t);
    run_until(f->r, &f->record.lost);
    assert_int_equal(tcgetattr(ends[1], &after), 0);
    assert_int_equal(after.c_lflag, before.c_lflag);
    assert_int_equal(after.c_cflag, before.c_cflag);
    assert_int_equal(after.c_iflag, before.c_iflag);
    assert_int_equal(cfgetospeed(&after), cfgetospeed(&before));
    close(ends[0]);
    close(ends[1]);
}

static void a_line_that_hangs_up_is_an_end(void **state)
{
    struct fixture *f = *state;
    int ends[2];
    assert_int_equal(openpty(&ends[0], &ends[1], NULL, NULL, NULL), 0);
    assert_int_equal(reel_serial_open(f->r, ttyname(ends[1]), NULL, &f->factory, NULL), 0);
    run_until(f->r, &f->record.made);
    close(ends[1]);
    close(ends[0]);
    run_until(f->r, &f->record.lost);
    assert_string_equal(f->record.order, "mel");
}

static void settings_that_there_are_not_are_refused(void **state)
{
    struct fixture *f = *state;
    int ends[2];
    static const struct reel_serial_options wrong[] = {{.speed = 12345},
                                                       {.bits = 9},
                                                       {.bits = 4},
                                                       {.stop_bits = 3},
                                                       {.parity = (enum reel_parity)7}};
    struct termios before, after;
    assert_int_equal(openpty(&ends[0], &ends[1], NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(ends[1], &before), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(reel_serial_open(f->r, ttyname(ends[1]), &wrong[i], &f->factory, NULL),
                         -EINVAL);
    assert_int_equal(tcgetattr(ends[1], &after), 0);
    assert_int_equal(after.c_lflag, before.c_lflag);
    assert_int_equal(after.c_cflag, before.c_cflag);
    assert_int_equal(reel_serial_open(f->r, "/dev/null", NULL, &f->factory, NULL), -ENOTTY);
    assert_int_equal(reel_serial_open(f->r, "/no/such/line", NULL, &f->factory, NULL), -ENOENT);
    close(ends[0]);
    close(ends[1]);
}

static void out_of_memory_leaves_the_line_as_it_was(void **state)
{
    struct fixture *f = *state;
    int ends[2];
    struct termios before, after;
    assert_int_equal(openpty(&ends[0], &ends[1], NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(ends[1], &before), 0);
    for (long n = 0; n < 6; n++) {
        struct reel_transport *t = NULL;
        f->counts.fail_after = n;
        int err = reel_serial_open(f->r, ttyname(ends[1]), NULL, &f->factory, &t);
        f->counts.fail_after = -1;
        assert_true(err == 0 || err == -ENOMEM);
        if (t)
            reel_abort(t);
        run_turns(f->r, 2);
        assert_int_equal(tcgetattr(ends[1], &after), 0);
        assert_int_equal(after.c_lflag, before.c_lflag);
    }
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(two_pipes_are_one_transport),
        TEST(an_endpoint_says_stdio),
        TEST(files_and_dev_null_will_do),
        TEST(a_reader_that_is_gone_is_an_end),
        TEST(one_terminal_serves_both_ways),
        TEST(a_line_is_raw_and_given_back),
        TEST(a_line_that_hangs_up_is_an_end),
        TEST(settings_that_there_are_not_are_refused),
        TEST(out_of_memory_leaves_the_line_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
