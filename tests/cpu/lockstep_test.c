/* Whole programs, on the host's processor and on ours, without a difference.
 *
 * The programs of guest/ are compiled statically and stand in the directory given as the first
 * argument; the host's own shell and tools are tried where they exist. `lockstep_test DIRECTORY
 * PROGRAM ARGUMENT...` runs that one program alone, to its end. `lockstep_test --list FILE
 * INSTRUCTIONS FIRST STEP` runs the command lines of a file (lockstep_programs.txt), each STEP-th from
 * the FIRST on, each to its end or for so many instructions. */
#include "host_cpu.h"
#include "lockstep.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *directory_z;

static void report(const char *name_z, const struct lockstep_result *r)
{
    printf("%s: %" PRIu64 " instructions to load, %" PRIu64 " after, %" PRIu64
           " system calls, %s\n",
           name_z, r->loading, r->instructions - r->loading, r->system_calls,
           r->exited ? "to its end" : "cut off");
}

static void run_within(const char *const argv[], const struct lockstep_limits *limits)
{
    struct lockstep_result result;
    assert_int_equal(lockstep_run(argv, limits, &result), 0);
    report(argv[0], &result);
    assert_true(result.exited || result.instructions - result.loading >= limits->instructions);
    assert_true(result.instructions > 10000);
}

/* A step of the host costs as much as ten thousand of its instructions. First every instruction is
 * compared; then the program runs to its end. */
static const struct lockstep_limits one_by_one = {UINT64_MAX, 30000, UINT64_MAX};
static const struct lockstep_limits to_the_end = {UINT64_MAX, UINT64_MAX, 5000};

static void run_guest(const char *name_z)
{
    char path[512];
    const char *argv[] = {path, NULL};
    snprintf(path, sizeof(path), "%s/%s", directory_z, name_z);
    run_within(argv, &one_by_one);
    run_within(argv, &to_the_end);
}

static void numbers_and_text(void **state)
{
    (void)state;
    run_guest("guest_numbers");
}

static void numbers_on_the_x87(void **state)
{
    (void)state;
    run_guest("guest_numbers_x87");
}

static void copies_searches_sorting(void **state)
{
    (void)state;
    run_guest("guest_memory");
}

static void loops_on_vectors(void **state)
{
    (void)state;
    run_guest("guest_vectors");
}

/* Debian's tools, where this machine has them. */
static void run_tool(const char *const argv[])
{
    if (access(argv[0], X_OK) != 0)
        skip();
    run_within(argv, &to_the_end);
}

static const char loop_z[] =
    "i=0; while [ $i -lt 40 ]; do i=$((i + 1)); s=$s$((i * i % 7)); done; echo $s";

static void a_shell_with_a_loop(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/dash", "-c", loop_z, NULL};
    run_tool(argv);
}

static void bash_with_a_loop(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/bash-static", "--norc", "-c", loop_z, NULL};
    run_tool(argv);
}

static void echo_of_busybox(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/busybox", "echo", "hello", NULL};
    run_tool(argv);
}

static void long_doubles_of_seq(void **state)
{
    (void)state;
    const char *argv[] = {"/usr/bin/seq", "0.1", "0.37", "9", NULL};
    run_tool(argv);
}

static void floating_point_of_awk(void **state)
{
    (void)state;
    const char *argv[] = {"/usr/bin/mawk",
                          "BEGIN { for (i = 0; i < 40; i++) print i / 7, sqrt(i), exp(i / 9) }",
                          NULL};
    run_tool(argv);
}

static int run_one(const char *const argv[])
{
    const struct lockstep_limits limits = {UINT64_MAX, UINT64_MAX, 30000};
    struct lockstep_result result;
    int outcome = lockstep_run(argv, &limits, &result);
    report(argv[0], &result);
    if (outcome)
        printf("outcome %d\n", outcome);
    return outcome != 0;
}

/* ---- A list of command lines ---- */

enum { LINE_BYTES = 1024, WORDS_MAX = 64 };

/* Cuts a line into words at blanks; what stands in single quotes is one. How many. */
static size_t split(char *line, const char *words[WORDS_MAX + 1])
{
    size_t count = 0;
    char *out = line;
    while (count < WORDS_MAX) {
        line += strspn(line, " \n");
        if (*line == '\0')
            break;
        words[count++] = out;
        for (bool quoted = false; *line != '\0' && (quoted || strchr(" \n", *line) == NULL); line++)
            if (*line == '\'')
                quoted = !quoted;
            else
                *out++ = *line;
        line += *line != '\0';
        *out++ = '\0';
    }
    words[count] = NULL;
    return count;
}

struct tally {
    unsigned programs, whole, differences, missing;
    uint64_t instructions;
};

static void run_line(const char *line_z, uint64_t instructions, struct tally *tally)
{
    const struct lockstep_limits limits = {instructions, instructions, 2000};
    struct lockstep_result result;
    char text[LINE_BYTES];
    const char *words[WORDS_MAX + 1];
    snprintf(text, sizeof(text), "%s", line_z);
    if (split(text, words) == 0 || access(words[0], X_OK) != 0) {
        tally->missing++;
        return;
    }
    int outcome = lockstep_run(words, &limits, &result);
    tally->whole += outcome == 0 && result.exited;
    tally->programs++;
    tally->instructions += result.instructions;
    if (outcome != 0) {
        tally->differences++;
        printf("DIFFERS (%d): %s", outcome, line_z);
    }
    report(words[0], &result);
    fflush(stdout);
}

static int run_list(char **argv)
{
    char line_z[LINE_BYTES];
    struct tally tally = {0};
    uint64_t instructions = strtoull(argv[1], NULL, 10);
    unsigned number = 0, first = (unsigned)strtoul(argv[2], NULL, 10),
             step = (unsigned)strtoul(argv[3], NULL, 10);
    FILE *file = fopen(argv[0], "re");
    if (file == NULL || step == 0)
        return 2;
    while (fgets(line_z, sizeof(line_z), file) != NULL)
        if (line_z[0] != '#' && number++ % step == first)
            run_line(line_z, instructions, &tally);
    fclose(file);
    printf("%u programs, %u to their end, %" PRIu64
           " instructions, %u differences, %u not on this machine\n",
           tally.programs, tally.whole, tally.instructions, tally.differences, tally.missing);
    return tally.differences != 0 || tally.programs == 0;
}

int main(int argc, char **argv)
{
    pid_t child = host_cpu_start();
    if (child < 0)
        return HOST_CPU_SKIP;
    host_cpu_stop(child);
    directory_z = argc > 1 ? argv[1] : ".";
    if (argc == 6 && strcmp(argv[1], "--list") == 0)
        return run_list(argv + 2);
    if (argc > 2)
        return run_one((const char *const *)argv + 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_text),        cmocka_unit_test(numbers_on_the_x87),
        cmocka_unit_test(copies_searches_sorting), cmocka_unit_test(loops_on_vectors),
        cmocka_unit_test(a_shell_with_a_loop),     cmocka_unit_test(bash_with_a_loop),
        cmocka_unit_test(echo_of_busybox),         cmocka_unit_test(long_doubles_of_seq),
        cmocka_unit_test(floating_point_of_awk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
