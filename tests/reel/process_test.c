/* Child processes: what they say, how they end, and what they are given. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct record in, out, err;
    struct reel_factory in_factory, out_factory, err_factory;
    struct reel_child_fd fds[8];
    struct reel_process_options options;
    struct reel_process *p;
    struct reel_process_status status;
    int exited, ended, fds_before;
    bool by_signal;
};

static void on_exited(struct reel_process *p, const struct reel_process_status *status)
{
    struct fixture *f = reel_process_shared(p);
    assert_int_equal(f->ended, 0);
    f->exited++;
    f->status = *status;
}

static void on_ended(struct reel_process *p, const struct reel_process_status *status)
{
    struct fixture *f = reel_process_shared(p);
    f->ended++;
    f->status = *status;
    f->p = NULL;
}

static const struct reel_process_protocol watching = {
    .name_z = "watching", .exited = on_exited, .ended = on_ended};

static struct fixture *fixture_new(bool by_signal)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->fds_before = count_fds();
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_reactor_new(&options);
    f->in_factory = (struct reel_factory){.protocol = &recording_protocol, .shared = &f->in};
    f->out_factory = (struct reel_factory){.protocol = &recording_protocol, .shared = &f->out};
    f->err_factory = (struct reel_factory){.protocol = &recording_protocol, .shared = &f->err};
    f->fds[0] = (struct reel_child_fd){0, REEL_CHILD_READS, &f->in_factory, -1};
    f->fds[1] = (struct reel_child_fd){1, REEL_CHILD_WRITES, &f->out_factory, -1};
    f->fds[2] = (struct reel_child_fd){2, REEL_CHILD_WRITES, &f->err_factory, -1};
    f->options.fds = f->fds;
    f->options.fd_count = 3;
    f->options.by_signal = f->by_signal = by_signal;
    return f;
}

static int set_up(void **state)
{
    *state = fixture_new(false);
    return 0;
}

static int set_up_by_signal(void **state)
{
    *state = fixture_new(true);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_reactor_free(f->r);
    assert_int_equal(f->counts.live, 0);
    assert_int_equal(count_fds(), f->fds_before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    free(f);
    return 0;
}

static int start(struct fixture *f, const char *const *arguments)
{
    f->exited = f->ended = 0;
    f->options.file_z = arguments[0];
    f->options.arguments = arguments;
    return reel_process_start(f->r, &f->options, &watching, f, &f->p);
}

static void start_shell(struct fixture *f, const char *script_z)
{
    const char *const arguments[] = {"sh", "-c", script_z, NULL};
    assert_int_equal(start(f, arguments), 0);
    assert_int_equal(f->exited, 0);
    assert_int_equal(f->out.made, 0); /* all comes from the loop */
}

static void it_talks_and_ends(void **state)
{
    struct fixture *f = *state;
    start_shell(f, "read line; echo \"got $line\"; echo wrong >&2; exit 3");
    struct reel_transport *in = reel_process_transport(f->p, 0);
    assert_int_equal(reel_write(in, "hello\n", 6), 0);
    run_until(f->r, &f->ended);
    assert_int_equal(f->exited, 1);
    assert_string_equal(f->out.data, "got hello\n");
    assert_string_equal(f->err.data, "wrong\n");
    assert_int_equal(f->status.code, 3);
    assert_int_equal(f->status.signal, 0);
    assert_int_equal(f->in.lost + f->out.lost + f->err.lost, 3);
}

static void a_closed_input_is_an_end_of_file(void **state)
{
    struct fixture *f = *state;
    const char *const arguments[] = {"cat", NULL};
    assert_int_equal(start(f, arguments), 0);
    struct reel_transport *in = reel_process_transport(f->p, 0);
    static char bytes[300000];
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(reel_write(in, bytes, sizeof(bytes)), 0);
    assert_int_equal(reel_shutdown_write(in), 0);
    run_until(f->r, &f->ended);
    assert_int_equal(f->out.received, sizeof(bytes));
    assert_int_equal(f->status.code, 0);
}

static void exited_comes_before_the_last_pipe_closes(void **state)
{
    struct fixture *f = *state;
    start_shell(f, "echo now; (sleep 0.2; echo later) & exit 0");
    run_until(f->r, &f->exited);
    assert_int_equal(f->ended, 0);
    assert_int_equal(reel_process_kill(f->p, SIGTERM), -ESRCH);
    run_until(f->r, &f->ended);
    assert_string_equal(f->out.data, "now\nlater\n");
}

static void one_that_is_killed_says_so(void **state)
{
    struct fixture *f = *state;
    char text[64];
    const char *const arguments[] = {"sleep", "1000", NULL};
    assert_int_equal(start(f, arguments), 0);
    run_turns(f->r, 2);
    assert_int_equal(reel_process_kill(f->p, SIGUSR1), 0);
    run_until(f->r, &f->ended);
    assert_int_equal(f->status.signal, SIGUSR1);
    assert_string_equal(reel_process_status_text(&f->status, text, sizeof(text)),
                        "was killed by SIGUSR1");
}

static void one_that_will_not_stop_is_killed_after_the_grace(void **state)
{
    struct fixture *f = *state;
    start_shell(f, "trap '' TERM; echo deaf; while :; do sleep 0.05; done");
    run_until(f->r, &f->out.made);
    while (f->out.received == 0)
        run_turns(f->r, 1);
    assert_int_equal(reel_process_stop(f->p, 50 * REEL_MS), 0);
    run_until(f->r, &f->exited);
    assert_int_equal(f->status.signal, SIGKILL);
    run_until(f->r, &f->ended);
}

static void what_cannot_be_started_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    const char *const missing[] = {"/no/such/program", NULL};
    const char *const nowhere[] = {"no-such-program-anywhere", NULL};
    const char *const not_a_program[] = {"/etc/passwd", NULL};
    const char *const good[] = {"true", NULL};
    assert_int_equal(start(f, missing), -ENOENT);
    assert_int_equal(start(f, nowhere), -ENOENT);
    assert_int_equal(start(f, not_a_program), -EACCES);
    f->options.directory_z = "/no/such/directory";
    assert_int_equal(start(f, good), -ENOENT);
    f->options.directory_z = NULL;
    f->fds[3] = (struct reel_child_fd){5, REEL_CHILD_INHERIT, NULL, 9999};
    f->options.fd_count = 4;
    assert_int_equal(start(f, good), -EBADF);
    f->fds[3] = (struct reel_child_fd){1, REEL_CHILD_NULL, NULL, -1};
    assert_int_equal(start(f, good), -EINVAL); /* twice */
    run_turns(f->r, 3);
    assert_string_equal(f->out.order, "");
    assert_int_equal(f->exited + f->ended, 0);
}

/* Each descriptor in /proc/self/fd but the directory's own. */
static void it_has_the_descriptors_it_was_given_and_no_others(void **state)
{
    struct fixture *f = *state;
    int stray = open("/dev/null", O_RDWR); /* would be inherited */
    int given = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    f->fds[2] = (struct reel_child_fd){2, REEL_CHILD_SAME, NULL, 1};
    f->fds[3] = (struct reel_child_fd){50, REEL_CHILD_INHERIT, NULL, given};
    f->fds[4] = (struct reel_child_fd){stray, REEL_CHILD_NULL, NULL, -1};
    f->fds[5] = (struct reel_child_fd){given, REEL_CHILD_INHERIT, NULL, 0};
    f->options.fd_count = 6;
    start_shell(f, "ls -l /proc/self/fd | grep -c -- '->'; readlink /proc/self/fd/50");
    run_until(f->r, &f->ended);
    /* 0, 1, 2, 50, stray, given, and that of ls */
    assert_string_equal(f->out.data, "7\n/etc/passwd\n");
    close(stray);
    close(given);
}

static void without_a_word_it_has_dev_null(void **state)
{
    struct fixture *f = *state;
    f->fds[0] = f->fds[1];
    f->options.fd_count = 1;
    start_shell(f, "readlink /proc/self/fd/0 /proc/self/fd/2");
    run_until(f->r, &f->ended);
    assert_string_equal(f->out.data, "/dev/null\n/dev/null\n");
}

static void environment_directory_and_arguments(void **state)
{
    struct fixture *f = *state;
    const char *const environment[] = {"REEL_TEST=yes", "PATH=/usr/bin:/bin", NULL};
    f->options.environment = environment;
    f->options.directory_z = "/etc";
    const char *const arguments[] = {"sh", "-c",  "pwd; echo $REEL_TEST $1 \"$HOME\"",
                                     "sh", "one", NULL};
    assert_int_equal(start(f, arguments), 0);
    run_until(f->r, &f->ended);
    assert_string_equal(f->out.data, "/etc\nyes one \n");
}

static void signals_are_as_they_were_before_us(void **state)
{
    struct fixture *f =
        *state; /* the reactor ignores SIGPIPE; with a watched SIGCHLD it is blocked */
    start_shell(f, "grep -E 'SigBlk|SigIgn' /proc/self/status");
    run_until(f->r, &f->ended);
    assert_string_equal(f->out.data, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void it_runs_on_a_terminal(void **state)
{
    struct fixture *f = *state;
    f->options.pty = true;
    f->options.pty_factory = &f->out_factory;
    f->options.fd_count = 0;
    f->options.rows = 33;
    f->options.columns = 99;
    start_shell(f, "tty >/dev/null && stty size; trap 'stty size; exit 4' WINCH; echo ready; "
                   "while :; do sleep 0.02; done");
    while (!strstr(f->out.data, "ready"))
        run_turns(f->r, 1);
    assert_non_null(strstr(f->out.data, "33 99"));
    assert_int_equal(reel_process_resize(f->p, 11, 22), 0);
    run_until(f->r, &f->ended);
    assert_non_null(strstr(f->out.data, "11 22"));
    assert_int_equal(f->status.code, 4);
    assert_int_equal(f->out.reason, 0); /* a closed terminal is an end, no error */
}

static void a_terminals_keys_reach_it(void **state)
{
    struct fixture *f = *state;
    f->options.pty = true;
    f->options.pty_factory = &f->out_factory;
    f->options.fd_count = 0;
    const char *const arguments[] = {"cat", NULL};
    assert_int_equal(start(f, arguments), 0);
    assert_ptr_equal(reel_process_transport(f->p, 2), reel_process_transport(f->p, 0));
    run_until(f->r, &f->out.made);
    assert_int_equal(reel_write(reel_process_transport(f->p, 0), "hi\n", 3), 0);
    while (f->out.received < 8) /* the echo and the answer */
        run_turns(f->r, 1);
    assert_string_equal(f->out.data, "hi\r\nhi\r\n");
    assert_int_equal(reel_write(reel_process_transport(f->p, 0), "\003", 1), 0);
    run_until(f->r, &f->ended);
    assert_int_equal(f->status.signal, SIGINT); /* its session has that terminal */
}

static void a_whole_group_can_be_killed(void **state)
{
    struct fixture *f = *state;
    f->options.new_group = true;
    start_shell(f, "sleep 1000 & sleep 1000 & echo up; wait");
    while (f->out.received == 0)
        run_turns(f->r, 1);
    assert_int_equal(reel_process_kill_group(f->p, SIGKILL), 0);
    run_until(f->r, &f->ended); /* all of them had the pipe */
}

static void it_goes_to_another_user(void **state)
{
    struct fixture *f = *state;
    if (geteuid() != 0)
        skip();
    f->options.set_ids = true;
    f->options.uid = f->options.gid = 65534;
    start_shell(f, "id -u; id -g; id -G");
    run_until(f->r, &f->ended);
    assert_string_equal(f->out.data, "65534\n65534\n65534\n");
}

static void a_socket_goes_both_ways(void **state)
{
    struct fixture *f = *state;
    f->fds[0] = (struct reel_child_fd){5, REEL_CHILD_SOCKET, &f->out_factory, -1};
    f->options.fd_count = 1;
    start_shell(f, "read line <&5; echo \"$line back\" >&5");
    assert_int_equal(reel_write(reel_process_transport(f->p, 5), "there\n", 6), 0);
    run_until(f->r, &f->exited);
    run_until(f->r, &f->out.eof);
    assert_int_equal(f->ended, 0); /* a socket has two halves: ours is still open */
    reel_close(f->out.t);
    run_until(f->r, &f->ended);
    assert_string_equal(f->out.data, "there back\n");
}

static void many_at_once_each_hears_its_own(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 20 };
    static struct fixture others[COUNT];
    memset(others, 0, sizeof(others));
    f->options.fd_count = 0;
    f->options.file_z = "sh";
    for (int i = 0; i < COUNT; i++) {
        char script[16];
        snprintf(script, sizeof(script), "exit %d", i);
        const char *const arguments[] = {"sh", "-c", script, NULL};
        f->options.arguments = arguments;
        assert_int_equal(reel_process_start(f->r, &f->options, &watching, &others[i], &others[i].p),
                         0);
    }
    for (int i = 0; i < COUNT; i++) {
        run_until(f->r, &others[i].ended);
        assert_int_equal(others[i].status.code, i);
    }
}

static void the_reactors_end_is_told(void **state)
{
    struct fixture *f = *state;
    const char *const arguments[] = {"sleep", "1000", NULL};
    f->options.kill_at_end = true;
    assert_int_equal(start(f, arguments), 0);
    run_turns(f->r, 2);
    reel_reactor_free(f->r);
    assert_int_equal(f->ended, 1);
    assert_true(f->status.lost);
    assert_int_equal(f->in.reason, -ECANCELED);
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_reactor_new(&options);
}

static void another_processs_end_of_the_reactor_kills_nobody(void **state)
{
    struct fixture *f = *state;
    const char *const arguments[] = {"sleep", "1000", NULL};
    f->options.kill_at_end = true;
    assert_int_equal(start(f, arguments), 0);
    pid_t other = fork();
    if (other == 0) {
        reel_reactor_free(f->r);
        _exit(0);
    }
    assert_int_equal(waitpid(other, NULL, 0), other);
    assert_int_equal(reel_process_kill(f->p, SIGTERM), 0);
    run_until(f->r, &f->ended);
    assert_int_equal(f->status.signal, SIGTERM); /* not SIGKILL, which would have been first */
}

/* One has ended and its pipes end with the reactor, the other fires a deferred then: both are calls
 * that the loop will not make any more. */
static void the_reactors_end_finds_some_halfway(void **state)
{
    struct fixture *f = *state;
    const char *const arguments[] = {"sleep", "1000", NULL};
    const struct reel_process_options others = {
        .file_z = arguments[0], .arguments = arguments, .kill_at_end = true};
    start_shell(f, "sleep 0.3 & exit 0"); /* which keeps the pipes open */
    reel_deferred_forget(reel_process_output(f->r, &others, NULL, 0, 0));
    run_until(f->r, &f->exited);
    assert_int_equal(f->ended, 0);
    reel_reactor_free(f->r);
    assert_int_equal(f->ended, 1);
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_reactor_new(&options);
}

static void out_of_descriptors_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    const char *const arguments[] = {"true", NULL};
    int taken[128] = {0}, count = 0;
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int room = 0; room < 12; room++) {
        int fd = 0;
        while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
            taken[count++] = fd;
        for (int i = 0; i < room; i++)
            close(taken[--count]);
        int err = start(f, arguments);
        if (err == 0)
            run_until(f->r, &f->ended);
        else
            assert_int_equal(err, -EMFILE);
    }
    while (count)
        close(taken[--count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void out_of_memory_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    const char *const arguments[] = {"true", NULL};
    int started = 0;
    for (long n = 0; n < 30 && started < 2; n++) {
        f->counts.fail_after = n;
        int err = start(f, arguments);
        f->counts.fail_after = -1;
        assert_true(err == 0 || err == -ENOMEM);
        started += err == 0;
        if (err == 0)
            run_until(f->r, &f->ended);
        run_turns(f->r, 1);
    }
    assert_int_equal(started, 2);
}

/* Output as a deferred */

struct answer {
    int count, error;
    struct reel_process_status status;
    char out[64], err[64];
};

static void on_answer(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    struct answer *answer = context;
    answer->count++;
    answer->error = result->error;
    if (result->error)
        return;
    const struct reel_process_output *output = result->pointer;
    answer->status = output->status;
    snprintf(answer->out, sizeof(answer->out), "%.*s", (int)output->out_len,
             output->out_len ? (const char *)output->out : "");
    snprintf(answer->err, sizeof(answer->err), "%.*s", (int)output->err_len,
             output->err_len ? (const char *)output->err : "");
}

static struct answer ask(struct fixture *f, const char *script_z, const char *input_z, size_t max)
{
    struct answer answer = {0};
    const char *const arguments[] = {"sh", "-c", script_z, NULL};
    const struct reel_process_options options = {
        .file_z = "sh", .arguments = arguments, .by_signal = f->by_signal};
    struct reel_deferred *d =
        reel_process_output(f->r, &options, input_z, input_z ? strlen(input_z) : 0, max);
    assert_int_equal(reel_deferred_done(d, on_answer, &answer), 0);
    assert_int_equal(answer.count, 0);
    run_until(f->r, &answer.count);
    return answer;
}

static void output_is_collected(void **state)
{
    struct fixture *f = *state;
    struct answer answer = ask(f, "tr a-z A-Z; echo oops >&2; exit 7", "shout", 0);
    assert_int_equal(answer.error, 0);
    assert_string_equal(answer.out, "SHOUT");
    assert_string_equal(answer.err, "oops\n");
    assert_int_equal(answer.status.code, 7);
    answer = ask(f, "cat", NULL, 0);
    assert_string_equal(answer.out, "");
    answer = ask(f, "exec true", "nobody reads this", 0);
    assert_int_equal(answer.error, 0);
}

static void too_much_output_is_an_error(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "yes", NULL, 10000).error, -EMSGSIZE);
    assert_int_equal(ask(f, "printf 12345; printf 12345 >&2", NULL, 10).error, 0);
    assert_int_equal(ask(f, "printf 123456; printf 12345 >&2", NULL, 10).error, -EMSGSIZE);
}

static void output_of_what_cannot_start_fails(void **state)
{
    struct fixture *f = *state;
    struct answer answer = {0};
    const struct reel_process_options options = {.file_z = "/no/such/program"};
    struct reel_deferred *d = reel_process_output(f->r, &options, NULL, 0, 0);
    assert_int_equal(reel_deferred_done(d, on_answer, &answer), 0);
    run_until(f->r, &answer.count);
    assert_int_equal(answer.error, -ENOENT);
}

static void a_cancelled_one_is_killed(void **state)
{
    struct fixture *f = *state;
    struct answer answer = {0};
    const char *const arguments[] = {"sleep", "1000", NULL};
    const struct reel_process_options options = {.file_z = "sleep", .arguments = arguments};
    struct reel_deferred *d = reel_process_output(f->r, &options, NULL, 0, 0);
    assert_int_equal(reel_deferred_timeout(d, 20 * REEL_MS), 0);
    assert_int_equal(reel_deferred_done(d, on_answer, &answer), 0);
    run_until(f->r, &answer.count);
    assert_int_equal(answer.error, -ETIMEDOUT);
    while (waitpid(-1, NULL, WNOHANG) == 0) /* it is being buried */
        run_turns(f->r, 1);
}

int main(void)
{
#define TEST(name)      cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define BY_SIGNAL(name) cmocka_unit_test_setup_teardown(name, set_up_by_signal, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(it_talks_and_ends),
        BY_SIGNAL(it_talks_and_ends),
        TEST(a_closed_input_is_an_end_of_file),
        TEST(exited_comes_before_the_last_pipe_closes),
        BY_SIGNAL(exited_comes_before_the_last_pipe_closes),
        TEST(one_that_is_killed_says_so),
        BY_SIGNAL(one_that_is_killed_says_so),
        TEST(one_that_will_not_stop_is_killed_after_the_grace),
        TEST(what_cannot_be_started_is_told_at_once),
        BY_SIGNAL(what_cannot_be_started_is_told_at_once),
        TEST(it_has_the_descriptors_it_was_given_and_no_others),
        TEST(without_a_word_it_has_dev_null),
        TEST(environment_directory_and_arguments),
        TEST(signals_are_as_they_were_before_us),
        BY_SIGNAL(signals_are_as_they_were_before_us),
        TEST(it_runs_on_a_terminal),
        TEST(a_terminals_keys_reach_it),
        TEST(a_whole_group_can_be_killed),
        TEST(it_goes_to_another_user),
        TEST(a_socket_goes_both_ways),
        TEST(many_at_once_each_hears_its_own),
        BY_SIGNAL(many_at_once_each_hears_its_own),
        TEST(the_reactors_end_is_told),
        TEST(another_processs_end_of_the_reactor_kills_nobody),
        TEST(the_reactors_end_finds_some_halfway),
        TEST(out_of_descriptors_leaves_nothing_behind),
        TEST(out_of_memory_leaves_nothing_behind),
        TEST(output_is_collected),
        BY_SIGNAL(output_is_collected),
        TEST(too_much_output_is_an_error),
        TEST(output_of_what_cannot_start_fails),
        TEST(a_cancelled_one_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
