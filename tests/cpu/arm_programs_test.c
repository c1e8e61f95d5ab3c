/* Static programs on our ARM: `arm_programs_test QEMU PROGRAM...` */
#include "cpu/arm.h"
#include "static_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int arguments;
static char **argument;

static void map_helpers(struct cpu *cpu, struct cpu_space *space)
{
    (void)cpu;
    assert_int_equal(cpu_space_map(space, ARM_HELPERS_AT, CPU_PAGE_BYTES, CPU_READ | CPU_EXEC,
                                   span_of(arm_helpers, sizeof(arm_helpers))),
                     0);
}

static void programs_print_as_under_qemu(void **state)
{
    static const struct program_kind eabi = {.ops = &arm_ops,
                                             .base_mask = 0xffff0000, /* linked at 0x10000 */
                                             .hwcap = ARM_HWCAP,
                                             .exit = 1,
                                             .write = 4,
                                             .brk = 45,
                                             .mprotect = 125,
                                             .exit_group = 248,
                                             .set_tls = 0xf0005,
                                             .prepare = map_helpers};
    (void)state;
    for (int i = 2; i < arguments; i++)
        program_prints_as_under_qemu(&eabi, argument[1], argument[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_print_as_under_qemu),
    };
    arguments = argc;
    argument = argv;
    return cmocka_run_group_tests_name("arm_programs", tests, NULL, NULL);
}
