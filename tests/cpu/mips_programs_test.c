/* Static programs on our MIPS: `mips_programs_test QEMU_BE QEMU_LE BE_PROGRAM LE_PROGRAM...`, programs
 * alternate. */
#include "cpu/mips.h"
#include "static_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int arguments;
static char **argument;

static void use_64_bit_registers(struct cpu *cpu, struct cpu_space *space)
{
    (void)space;
    mips_state(cpu)->fr = 1;
}

static void programs_print_as_under_qemu(bool fr)
{
    for (int i = 3; i < arguments; i++) {
        bool big = i % 2;
        const struct program_kind o32 = {.ops = big ? &mips_be_ops : &mips_le_ops,
                                         .big_endian = big,
                                         .base_mask = 0xfff00000, /* linked at 0x400000 */
                                         .exit = 4001,
                                         .write = 4004,
                                         .brk = 4045,
                                         .exit_group = 4246,
                                         .set_tls = 4283,
                                         .prepare = fr ? use_64_bit_registers : NULL};
        program_prints_as_under_qemu(&o32, argument[big ? 1 : 2], argument[i]);
    }
}

static void programs_print_as_under_qemu_with_pairs(void **state)
{
    (void)state;
    programs_print_as_under_qemu(false);
}

static void programs_print_as_under_qemu_with_64_bit_registers(void **state)
{
    (void)state;
    programs_print_as_under_qemu(true);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_print_as_under_qemu_with_pairs),
        cmocka_unit_test(programs_print_as_under_qemu_with_64_bit_registers),
    };
    arguments = argc;
    argument = argv;
    return cmocka_run_group_tests_name("mips_programs", tests, NULL, NULL);
}
