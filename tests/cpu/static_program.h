/* Whole static programs of 32-bit processors, with as much of a kernel as they need to print: the same
 * text as under qemu-user. */
#ifndef TESTS_CPU_STATIC_PROGRAM_H
#define TESTS_CPU_STATIC_PROGRAM_H

#include "cpu/cpu.h"

/* A processor and its Linux. */
struct program_kind {
    const struct cpu_ops *ops;
    bool big_endian;
    uint32_t base_mask; /* of the entry: where the linker has put the program's headers */
    uint32_t hwcap;     /* AT_HWCAP; 0: not told */
    /* Numbers of system calls; 0: not there. */
    uint32_t exit, exit_group, write, brk, mprotect, set_tls;
    void (*prepare)(struct cpu *cpu, struct cpu_space *space); /* before it starts; NULL: nothing */
};

/* Runs the program here and under `qemu_z`, and fails when what they print differs. */
void program_prints_as_under_qemu(const struct program_kind *kind, const char *qemu_z,
                                  const char *program_z);

#endif
