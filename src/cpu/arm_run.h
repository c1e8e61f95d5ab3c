/* The main loop of the ARM interpreter; it is compiled apart. */
#ifndef CPU_ARM_RUN_H
#define CPU_ARM_RUN_H

#include "cpu/arm.h"

/* As cpu_ops.run. */
enum cpu_stop arm_run(struct cpu *cpu, uint64_t budget, uint64_t *used, struct cpu_trap *trap);

#endif
