/* The main loop of the MIPS interpreter; it is compiled apart. */
#ifndef CPU_MIPS_RUN_H
#define CPU_MIPS_RUN_H

#include "cpu/mips.h"

/* What rdhwr $3 says: the counter of rdhwr $2 grows by one in so many cycles. */
enum { MIPS_COUNT_CYCLES = 2 };

/* As cpu_ops.run. */
enum cpu_stop mips_run(struct cpu *cpu, uint64_t budget, uint64_t *used, struct cpu_trap *trap);

#endif
