/* Whole programs, on the host's processor and on ours, without a difference.
 *
 * The programs of guest/ are compiled statically and stand in the directory given as the first
 * argument; the host's own shell and tools are tried where they exist. `lockstep_test DIRECTORY
 * PROGRAM ARGUMENT...` runs that one program alone, to its end. */
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
    printf("%s: %" PRIu64 " instructions, %" PRIu64 " system calls, %s\n", name_z, r->instructions,
           r->system_calls, r->exited ? "to its end" : "cut off");
}

/* Every instruction compared, then again in long runs, as our processor runs them in earnest. */
static void run_both_ways(char *const argv[], uint64_t instructions, uint64_t single)
{
    const struct lockstep_limits limits[] = {{instructions, single, 1},
                                             {4 * instructions, single / 4, 997}};
    for (size_t i = 0; i < 2; i++) {
        struct lockstep_result result;
        assert_int_equal(lockstep_run(argv, &limits[i], &result), 0);
        report(argv[0], &result);
        assert_true(result.instructions > 10000);
    }
}

static void run_guest(const char *name_z)
{
    char path[512];
    char *argv[] = {path, NULL};
    snprintf(path, sizeof(path), "%s/%s", directory_z, name_z);
    run_both_ways(argv, 60000, UINT64_MAX);
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

static void run_tool(char *const argv[])
{
    if (access(argv[0], X_OK) != 0)
        skip();
    run_both_ways(argv, 60000, UINT64_MAX);
}

static void a_shell_with_a_loop(void **state)
{
    (void)state;
    char *argv[] = {"/bin/bash", "--norc", "-c",
                    "for i in {1..50}; do x=$((i * i % 7)); s=$s${x/3/t}; done; echo $s; "
                    "printf '%.3f %5d\\n' 1.5 42",
                    NULL};
    run_tool(argv);
}

static void long_doubles_of_seq(void **state)
{
    (void)state;
    char *argv[] = {"/usr/bin/seq", "0.1", "0.37", "9", NULL};
    run_tool(argv);
}

static void floating_point_of_awk(void **state)
{
    (void)state;
    char *argv[] = {"/usr/bin/mawk",
                    "BEGIN { for (i = 0; i < 40; i++) print i / 7, sqrt(i), exp(i / 9) }", NULL};
    run_tool(argv);
}

static int run_one(char *const argv[])
{
    const struct lockstep_limits limits = {UINT64_MAX, 30000, 997};
    struct lockstep_result result;
    int outcome = lockstep_run(argv, &limits, &result);
    report(argv[0], &result);
    if (outcome)
        printf("outcome %d\n", outcome);
    return outcome != 0;
}

int main(int argc, char **argv)
{
    pid_t child = host_cpu_start();
    if (child < 0)
        return HOST_CPU_SKIP;
    host_cpu_stop(child);
    directory_z = argc > 1 ? argv[1] : ".";
    if (argc > 2)
        return run_one(argv + 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_text),        cmocka_unit_test(numbers_on_the_x87),
        cmocka_unit_test(copies_searches_sorting), cmocka_unit_test(loops_on_vectors),
        cmocka_unit_test(a_shell_with_a_loop),     cmocka_unit_test(long_doubles_of_seq),
        cmocka_unit_test(floating_point_of_awk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
