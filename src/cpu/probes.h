/* The addresses at which a processor stops, a few, and whether it goes on from one. For src/cpu
 * alone. All zero: none. */
#ifndef CPU_PROBES_H
#define CPU_PROBES_H

#include "cpu/cpu.h"

struct cpu_probes {
    uint64_t at[CPU_PROBES_MAX];
    unsigned count;
    bool is_passed; /* the last run stopped at `passed` */
    uint64_t passed;
};

bool cpu_probes_have(const struct cpu_probes *p, uint64_t addr);
/* Whether one is in the page of `addr`. */
bool cpu_probes_in_page(const struct cpu_probes *p, uint64_t addr);
/* 1; 0: it was there already; -ENOSPC. */
int cpu_probes_add(struct cpu_probes *p, uint64_t addr);
void cpu_probes_clear(struct cpu_probes *p, uint64_t addr);
/* Whether to stop at `addr`: not when a run begins there because the last one stopped at it. */
bool cpu_probes_stop(struct cpu_probes *p, uint64_t addr, bool begins);

#endif
