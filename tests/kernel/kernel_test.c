/* A kernel seen from outside: programs, doors, events, time, bounds. The guests are the programs of
 * tests/guest. usage: kernel_test IMAGE */
#include "cpu/cpu.h"
#include "kernel/fs.h"
#include "kernel/machine.h"
#include "persona/image.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CODE_BYTES = 8 << 20,
    BUDGET = 500000,
    OUT_BYTES = 1 << 20,
    RUNS_MAX = 100000,
};
static const int64_t start_ms = 1700000000000;

static const char *image_path;

struct machine {
    struct persona_image *image;
    struct cpu_code *code;
    struct kernel *kernel;
    struct kernel_config config;
    int64_t now_ms;
    char *out; /* what program 0 printed */
    size_t out_len;
    int done, execs, exits, limits, events;
    int status;
    char limit_z[32];
};

static struct span whole_image;

static void open_machine(struct machine *m, const struct kernel_limits *limits)
{
    *m = (struct machine){.now_ms = start_ms, .status = -1};
    assert_int_equal(persona_image_open(whole_image, &m->image), 0);
    m->code = cpu_code_new(CODE_BYTES);
    m->out = calloc(1, OUT_BYTES);
    assert_non_null(m->code);
    assert_non_null(m->out);
    m->config = (struct kernel_config){.image = m->image,
                                       .code = m->code,
                                       .limits = *limits,
                                       .seed = {1, 2, 3},
                                       .hostname = span_z("tested"),
                                       .boot_ms = start_ms - 1000000};
    m->kernel = kernel_new(&m->config, m->now_ms);
    assert_non_null(m->kernel);
}

static void close_machine(struct machine *m)
{
    kernel_free(m->kernel);
    cpu_code_free(m->code);
    persona_image_close(m->image);
    free(m->out);
}

static int spawn(struct machine *m, const char *program_z, const char *argument_z)
{
    struct span argv[] = {span_z(program_z), span_z(argument_z)};
    struct kernel_spawn s = {.argv = argv,
                             .argc = argument_z != NULL ? 2 : 1,
                             .path = span_z(program_z),
                             .cwd = span_z("/")};
    return kernel_spawn(m->kernel, &s);
}

static void pull(struct machine *m)
{
    struct kernel_event e;
    while (kernel_next(m->kernel, &e)) {
        m->events++;
        m->execs += e.type == KERNEL_EXEC;
        m->exits += e.type == KERNEL_EXIT;
        if (e.type == KERNEL_DONE && e.program == 0) {
            m->done++;
            m->status = e.status;
        }
        if (e.type == KERNEL_LIMIT) {
            m->limits++;
            span_copy_z(e.text, m->limit_z, sizeof(m->limit_z));
        }
    }
}

static void take_out(struct machine *m)
{
    struct span out = kernel_out(m->kernel, 0, KERNEL_STDOUT);
    assert_true(out.len < OUT_BYTES - m->out_len);
    if (out.len > 0)
        memcpy(m->out + m->out_len, out.data, out.len);
    m->out_len += out.len;
    kernel_sent(m->kernel, 0, KERNEL_STDOUT, out.len);
}

/* Until all wait or have ended; sleepers are let sleep by setting the clock on. */
static void run_out(struct machine *m, uint64_t budget)
{
    for (int i = 0; i < RUNS_MAX && !m->done; i++) {
        enum kernel_state state = kernel_run(m->kernel, budget, m->now_ms);
        struct span before = kernel_out(m->kernel, 0, KERNEL_STDOUT);
        bool moved = before.len > 0;
        take_out(m);
        pull(m);
        if (state == KERNEL_BUSY || moved)
            continue;
        int64_t next = kernel_deadline(m->kernel);
        if (next == INT64_MAX)
            return;
        if (next > m->now_ms)
            m->now_ms = next;
    }
    take_out(m);
}

static void run_with(struct machine *m, const struct kernel_limits *limits, const char *what_z)
{
    open_machine(m, limits);
    assert_int_equal(spawn(m, "/bin/guest-limits", what_z), 0);
    run_out(m, BUDGET);
}

/* ---- Doors ---- */

static void a_program_prints_and_ends(void **state)
{
    (void)state;
    struct machine m;
    open_machine(&m, &kernel_limits_default);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "q"), 0);
    run_out(&m, BUDGET);
    assert_int_equal(m.done, 1);
    assert_int_equal(m.status, 0);
    assert_int_equal(m.execs, 1);
    assert_int_equal(m.exits, 1);
    assert_true(kernel_out_ended(m.kernel, 0, KERNEL_STDOUT));
    assert_true(kernel_out_ended(m.kernel, 0, KERNEL_STDERR));
    assert_int_equal(kernel_signal(m.kernel, 0, SIGTERM), -ESRCH);
    kernel_release(m.kernel, 0);
    assert_int_equal(kernel_run(m.kernel, BUDGET, m.now_ms), KERNEL_IDLE);
    assert_int_equal(kernel_deadline(m.kernel), INT64_MAX);
    close_machine(&m);
}

static void a_start_that_fails_says_why_and_leaves_nothing(void **state)
{
    (void)state;
    struct machine m;
    open_machine(&m, &kernel_limits_default);
    assert_int_equal(spawn(&m, "/bin/nothing", NULL), -ENOENT);
    assert_int_equal(spawn(&m, "/bin", NULL), -EACCES);
    assert_int_equal(spawn(&m, "/etc", NULL), -EACCES);
    assert_int_equal(spawn(&m, "", NULL), -ENOENT);
    assert_int_equal(kernel_run(m.kernel, BUDGET, m.now_ms), KERNEL_IDLE);
    pull(&m);
    assert_int_equal(m.events, 0);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "q"), 0);
    close_machine(&m);
}

static void input_goes_through_at_any_split(void **state)
{
    (void)state;
    static const char text[] = "some words, given\nin pieces\n";
    for (size_t piece = 1; piece < sizeof(text); piece += 5) {
        struct machine m;
        open_machine(&m, &kernel_limits_default);
        assert_int_equal(spawn(&m, "/bin/guest-limits", "i"), 0);
        for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
            struct span part = span_slice(span_z(text), at, at + piece);
            assert_int_equal(kernel_put(m.kernel, 0, part), part.len);
            run_out(&m, BUDGET);
        }
        assert_int_equal(m.done, 0);
        kernel_put_end(m.kernel, 0);
        run_out(&m, BUDGET);
        assert_int_equal(m.done, 1);
        assert_int_equal(WEXITSTATUS(m.status), 5);
        assert_string_equal(m.out, "some words, given\nin pieces\nend 0\n");
        close_machine(&m);
    }
}

static void output_that_is_not_taken_parks_the_writer(void **state)
{
    (void)state;
    struct kernel_limits limits = kernel_limits_default;
    struct machine m;
    limits.stream_bytes = 8192;
    open_machine(&m, &limits);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "o"), 0);
    for (int i = 0; i < 100; i++)
        kernel_run(m.kernel, BUDGET, m.now_ms);
    assert_int_equal(kernel_run(m.kernel, BUDGET, m.now_ms), KERNEL_IDLE);
    size_t waits = kernel_out(m.kernel, 0, KERNEL_STDOUT).len;
    assert_in_range(waits, 1, 8192);
    run_out(&m, BUDGET);
    assert_int_equal(m.done, 1);
    assert_int_equal(m.out_len, 800000);
    assert_memory_equal(m.out + m.out_len - 8, "0099999\n", 8);
    close_machine(&m);
}

static void a_hangup_ends_readers_and_writers(void **state)
{
    (void)state;
    struct machine m;
    open_machine(&m, &kernel_limits_default);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "o"), 0);
    kernel_run(m.kernel, BUDGET, m.now_ms);
    kernel_hangup(m.kernel, 0);
    run_out(&m, BUDGET);
    assert_int_equal(m.done, 1);
    assert_int_equal(m.status, SIGPIPE);
    close_machine(&m);
}

static void a_signal_reaches_the_program(void **state)
{
    (void)state;
    struct machine m;
    open_machine(&m, &kernel_limits_default);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "s"), 0);
    assert_int_equal(kernel_signal(m.kernel, 0, 99), -EINVAL);
    assert_int_equal(kernel_signal(m.kernel, 7, SIGTERM), -ESRCH);
    kernel_run(m.kernel, BUDGET, m.now_ms);
    assert_int_equal(kernel_signal(m.kernel, 0, SIGTERM), 0);
    run_out(&m, BUDGET);
    assert_int_equal(m.status, SIGTERM);
    close_machine(&m);
}

static void a_released_program_goes_on_without_its_doors(void **state)
{
    (void)state;
    struct machine m;
    open_machine(&m, &kernel_limits_default);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "z"), 0);
    kernel_run(m.kernel, BUDGET, m.now_ms);
    kernel_release(m.kernel, 0);
    assert_int_equal(kernel_out(m.kernel, 0, KERNEL_STDOUT).len, 0);
    run_out(&m, BUDGET);
    pull(&m);
    assert_int_equal(m.exits, 1);
    assert_int_equal(m.done, 0);
    close_machine(&m);
}

/* ---- Time ---- */

static void a_sleeper_wakes_when_the_clock_says_so(void **state)
{
    (void)state;
    struct machine m;
    open_machine(&m, &kernel_limits_default);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "z"), 0);
    while (kernel_run(m.kernel, BUDGET, m.now_ms) == KERNEL_BUSY)
        ;
    int64_t deadline = kernel_deadline(m.kernel); /* then the machine rests */
    assert_in_range(deadline, start_ms + 1000, start_ms + 1010);
    assert_int_equal(kernel_run(m.kernel, BUDGET, deadline), KERNEL_IDLE);
    deadline = kernel_deadline(m.kernel);
    assert_in_range(deadline, start_ms + 5000, start_ms + 5010);
    assert_int_equal(kernel_run(m.kernel, BUDGET, deadline - 1), KERNEL_IDLE);
    pull(&m);
    assert_int_equal(m.done, 0);
    m.now_ms = deadline;
    run_out(&m, BUDGET);
    assert_int_equal(m.done, 1);
    assert_string_equal(m.out, "slept\n");
    close_machine(&m);
}

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    static const uint64_t budgets[] = {50, 777, 100000};
    char first[64] = "";
    for (size_t i = 0; i < ARRAY_LEN(budgets); i++) {
        struct machine m;
        struct kernel_event e;
        uint64_t at = 0;
        open_machine(&m, &kernel_limits_default);
        assert_int_equal(spawn(&m, "/bin/guest-limits", "p"), 0);
        for (int n = 0; n < RUNS_MAX && kernel_run(m.kernel, budgets[i], m.now_ms); n++)
            ;
        while (kernel_run(m.kernel, budgets[i], m.now_ms) == KERNEL_BUSY)
            take_out(&m);
        take_out(&m);
        while (kernel_next(m.kernel, &e))
            at = e.instructions;
        assert_true(at > 0);
        if (i == 0)
            snprintf(first, sizeof(first), "%s", m.out);
        assert_string_equal(m.out, first);
        close_machine(&m);
    }
}

static void two_programs_share_the_processor(void **state)
{
    (void)state;
    struct machine m;
    open_machine(&m, &kernel_limits_default);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "c"), 0);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "c"), 1);
    for (int i = 0; i < 20; i++)
        kernel_run(m.kernel, BUDGET, m.now_ms);
    kernel_put(m.kernel, 0, span_z("x"));
    kernel_put(m.kernel, 1, span_z("x"));
    long counts[2];
    run_out(&m, BUDGET);
    for (int i = 0; i < 100; i++)
        kernel_run(m.kernel, BUDGET, m.now_ms);
    counts[0] = strtol(m.out, NULL, 10);
    struct span second = kernel_out(m.kernel, 1, KERNEL_STDOUT);
    char text_z[32];
    span_copy_z(second, text_z, sizeof(text_z));
    counts[1] = strtol(text_z, NULL, 10);
    assert_true(counts[0] > 1000 && counts[1] > 1000);
    assert_true(labs(counts[0] - counts[1]) < counts[0] / 4);
    close_machine(&m);
}

/* ---- Bounds ---- */

static void too_many_processes_are_refused(void **state)
{
    (void)state;
    struct kernel_limits limits = kernel_limits_default;
    struct machine m;
    limits.processes = 10;
    run_with(&m, &limits, "p");
    assert_string_equal(m.out, "9 children, then EAGAIN\n");
    assert_string_equal(m.limit_z, "processes");
    assert_int_equal(m.exits, 10);
    close_machine(&m);
}

static void too_much_memory_ends_the_process(void **state)
{
    (void)state;
    struct kernel_limits limits = kernel_limits_default;
    struct machine m;
    limits.memory_pages = 500;
    run_with(&m, &limits, "m");
    assert_int_equal(m.done, 1);
    assert_int_equal(m.status, SIGKILL);
    assert_string_equal(m.limit_z, "memory_pages");
    assert_int_equal(m.limits, 1);
    close_machine(&m);
}

static void too_many_files_are_refused(void **state)
{
    (void)state;
    struct kernel_limits limits = kernel_limits_default;
    struct machine m;
    limits.files = 20;
    run_with(&m, &limits, "f");
    assert_string_equal(m.out, "16 files, then ENFILE\n");
    close_machine(&m);
}

static void all_namespaces_have_one_room_for_messages(void **state)
{
    (void)state;
    struct machine m;
    run_with(&m, &kernel_limits_default, "g");
    assert_string_equal(m.out, "one room\n");
    close_machine(&m);
}

static void no_call_moves_a_great_file(void **state)
{
    (void)state;
    struct machine m;
    run_with(&m, &kernel_limits_default, "h");
    assert_string_equal(m.out, "collapse: EOPNOTSUPP\n");
    close_machine(&m);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    struct kernel_limits limits = kernel_limits_default;
    struct machine m;
    limits.overlay_bytes = 1 << 20;
    run_with(&m, &limits, "d");
    assert_non_null(strstr(m.out, "bytes, then ENOSPC\n"));
    assert_in_range(strtol(m.out, NULL, 10), 900000, 1 << 20);
    close_machine(&m);
    run_with(&m, &limits, "a");
    assert_non_null(strstr(m.out, "attributes, then ENOSPC\nsetxattr(\"/tmp/a0\""));
    assert_non_null(strstr(m.out, " = 0\n"));
    assert_in_range(strtol(m.out, NULL, 10), 200, 256);
    close_machine(&m);
    limits = kernel_limits_default;
    limits.overlay_nodes = 50;
    run_with(&m, &limits, "n");
    assert_non_null(strstr(m.out, "names, then ENOSPC\n"));
    assert_in_range(strtol(m.out, NULL, 10), 10, 50);
    close_machine(&m);
}

static void what_root_changes_of_the_network_is_checked(void **state)
{
    (void)state;
    struct machine m;
    open_machine(&m, &kernel_limits_default);
    assert_int_equal(spawn(&m, "/bin/guest-links", "here"), 0);
    run_out(&m, BUDGET);
    assert_string_equal(m.out, "flags_after(0xffff) = 62445\n"
                               "flags_after(IFF_UP) = 73\n"
                               "route(RTM_NEWROUTE, \"10.0.0.1\", 8) = -22\n"
                               "route(RTM_NEWROUTE, \"10.0.0.0\", 33) = -22\n"
                               "route(RTM_NEWROUTE, \"10.0.0.0\", 8) = 0\n"
                               "route(RTM_DELROUTE, \"10.0.0.1\", 8) = -22\n"
                               "route(RTM_DELROUTE, \"10.0.0.0\", 8) = 0\n"
                               "route(RTM_DELROUTE, \"10.0.0.0\", 8) = -3\n"
                               "change(IFLA_IFNAME, \"a/b\", 4) = -22\n"
                               "change(IFLA_IFNAME, \"a b\", 4) = -22\n"
                               "change(IFLA_IFNAME, \"a:b\", 4) = -22\n"
                               "change(IFLA_IFNAME, \"..\", 3) = -22\n"
                               "change(IFLA_IFNAME, \"lo\\0lo\", 6) = 0\n"
                               "change(IFLA_ADDRESS, \"\\1\\2\\3\\4\\5\\6\", 6) = -99\n"
                               "change(IFLA_ADDRESS, \"\\2\\2\\3\\4\\5\\6\", 6) = 0\n"
                               "set(SIOCSIFMTU, -1) = EINVAL\n"
                               "set(SIOCSIFMTU, 100000) = 0\n"
                               "set(SIOCSIFTXQLEN, -1) = EINVAL\n"
                               "flags_after(0) = 8\n"
                               "route(RTM_NEWROUTE, \"10.0.0.0\", 8) = -100\n"
                               "good = 25\n"
                               "connect(fd, (struct sockaddr *)&to, sizeof(to)): ENETUNREACH\n"
                               "mapped_address() = -22\n");
    close_machine(&m);
}

/* Epolls that watch epolls in 2^60 ways are asked for a while only. */
static void nested_watches_end(void **state)
{
    (void)state;
    struct machine m;
    run_with(&m, &kernel_limits_default, "w");
    assert_int_equal(m.done, 1);
    assert_string_equal(m.out, "0 ready\n");
    close_machine(&m);
}

static void what_waits_in_sockets_is_bounded(void **state)
{
    (void)state;
    struct machine m;
    run_with(&m, &kernel_limits_default, "k");
    assert_non_null(strstr(m.out, "bytes, then ENOBUFS\n"));
    assert_in_range(strtol(m.out, NULL, 10), 31 << 20, 32 << 20);
    assert_int_equal(m.done, 1);
    assert_int_equal(m.kernel->vfs->socket_bytes, 0);
    close_machine(&m);
}

static void who_waits_for_a_lock_rests(void **state)
{
    (void)state;
    struct machine m;
    run_with(&m, &kernel_limits_default, "l");
    assert_string_equal(m.out, "ready\n");
    uint64_t before = m.kernel->instructions;
    assert_int_equal(kernel_run(m.kernel, BUDGET, m.now_ms), KERNEL_IDLE);
    assert_int_equal(m.kernel->instructions, before);
    close_machine(&m);
}

/* What a call moves is counted, and no slice takes more of it than it may. */
static void a_long_call_is_done_in_pieces(void **state)
{
    (void)state;
    struct machine m;
    uint64_t most = 0;
    open_machine(&m, &kernel_limits_default);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "v"), 0);
    for (int i = 0; i < RUNS_MAX && !m.done; i++) {
        uint64_t before = m.kernel->instructions;
        kernel_run(m.kernel, 1000, m.now_ms);
        uint64_t used = m.kernel->instructions - before;
        most = used > most ? used : most;
        take_out(&m);
        pull(&m);
    }
    assert_int_equal(m.done, 1);
    assert_string_equal(m.out, "ready\n1073741824\n1073741824\n1073741824\n1073741824\n16777216\n");
    assert_true(most < 2 * KERNEL_PIECE_BYTES / KERNEL_COPY_BYTES);
    close_machine(&m);
}

/* What a call costs is charged; however long its ranges are, one turn of it stays below a millisecond's
 * worth of instructions. */
static void no_call_holds_the_machine_up(void **state)
{
    (void)state;
    enum { SLICE = 1000, TURN_MAX = 160000 };
    static const char *const cases_z[] = {"reserve", "protect", "remap",  "discard",
                                          "mincore", "fork",    "shared", "list"};
    for (size_t i = 0; i < ARRAY_LEN(cases_z); i++) {
        struct machine m;
        open_machine(&m, &kernel_limits_default);
        assert_int_equal(spawn(&m, "/bin/guest-stalls", cases_z[i]), 0);
        while (m.done == 0) {
            uint64_t before = m.kernel->instructions;
            kernel_run(m.kernel, SLICE, m.now_ms);
            pull(&m);
            if (m.kernel->instructions - before > TURN_MAX)
                fail_msg("%s: %d instructions", cases_z[i], (int)(m.kernel->instructions - before));
        }
        close_machine(&m);
    }
}

static void used_up_instructions_kill_everything(void **state)
{
    (void)state;
    struct kernel_limits limits = kernel_limits_default;
    struct machine m;
    limits.instructions = 1000000;
    open_machine(&m, &limits);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "s"), 0);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "z"), 1);
    run_out(&m, BUDGET);
    assert_int_equal(m.status, SIGKILL);
    assert_int_equal(m.exits, 2);
    assert_string_equal(m.limit_z, "instructions");
    assert_int_equal(kernel_run(m.kernel, BUDGET, m.now_ms), KERNEL_IDLE);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "q"), -EAGAIN);
    close_machine(&m);
}

static void events_that_are_not_pulled_stop_the_guests(void **state)
{
    (void)state;
    struct kernel_limits limits = kernel_limits_default;
    struct machine m;
    limits.events = 10;
    open_machine(&m, &limits);
    assert_int_equal(spawn(&m, "/bin/guest-limits", "e"), 0);
    for (int i = 0; i < 1000; i++)
        kernel_run(m.kernel, BUDGET, m.now_ms);
    struct kernel_event e;
    int waiting = 0;
    while (kernel_next(m.kernel, &e))
        waiting++;
    assert_in_range(waiting, 10, 20);
    run_out(&m, BUDGET);
    assert_int_equal(m.done, 1);
    close_machine(&m);
}

static void the_machine_is_freed_in_the_middle_of_anything(void **state)
{
    (void)state;
    static const char *const what[] = {"p", "m", "f", "d", "n", "o", "e", "s", "i", "z"};
    for (size_t i = 0; i < ARRAY_LEN(what); i++) {
        for (uint64_t budget = 1000; budget < 2000000; budget *= 3) {
            struct machine m;
            open_machine(&m, &kernel_limits_default);
            assert_int_equal(spawn(&m, "/bin/guest-limits", what[i]), 0);
            kernel_run(m.kernel, budget, m.now_ms);
            close_machine(&m);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_prints_and_ends),
        cmocka_unit_test(a_start_that_fails_says_why_and_leaves_nothing),
        cmocka_unit_test(input_goes_through_at_any_split),
        cmocka_unit_test(output_that_is_not_taken_parks_the_writer),
        cmocka_unit_test(a_hangup_ends_readers_and_writers),
        cmocka_unit_test(a_signal_reaches_the_program),
        cmocka_unit_test(a_released_program_goes_on_without_its_doors),
        cmocka_unit_test(a_sleeper_wakes_when_the_clock_says_so),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(two_programs_share_the_processor),
        cmocka_unit_test(too_many_processes_are_refused),
        cmocka_unit_test(too_much_memory_ends_the_process),
        cmocka_unit_test(too_many_files_are_refused),
        cmocka_unit_test(all_namespaces_have_one_room_for_messages),
        cmocka_unit_test(no_call_moves_a_great_file),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(what_root_changes_of_the_network_is_checked),
        cmocka_unit_test(nested_watches_end),
        cmocka_unit_test(what_waits_in_sockets_is_bounded),
        cmocka_unit_test(who_waits_for_a_lock_rests),
        cmocka_unit_test(a_long_call_is_done_in_pieces),
        cmocka_unit_test(no_call_holds_the_machine_up),
        cmocka_unit_test(used_up_instructions_kill_everything),
        cmocka_unit_test(events_that_are_not_pulled_stop_the_guests),
        cmocka_unit_test(the_machine_is_freed_in_the_middle_of_anything),
    };
    struct stat st;
    image_path = argc > 1 ? argv[1] : "";
    int fd = open(image_path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        fprintf(stderr, "usage: kernel_test IMAGE\n");
        return 2;
    }
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    whole_image = span_of(bytes, (size_t)st.st_size);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
