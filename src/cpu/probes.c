#include "cpu/probes.h"

#include "cpu/space.h"

#include <errno.h>

/* The place of `addr` among them; their number: it is not there. */
static unsigned place_of(const struct cpu_probes *p, uint64_t addr)
{
    unsigned i = 0;
    while (i < p->count && p->at[i] != addr)
        i++;
    return i;
}

bool cpu_probes_have(const struct cpu_probes *p, uint64_t addr)
{
    return place_of(p, addr) < p->count;
}

bool cpu_probes_in_page(const struct cpu_probes *p, uint64_t addr)
{
    for (unsigned i = 0; i < p->count; i++)
        if (p->at[i] / CPU_PAGE_BYTES == addr / CPU_PAGE_BYTES)
            return true;
    return false;
}

int cpu_probes_add(struct cpu_probes *p, uint64_t addr)
{
    if (cpu_probes_have(p, addr))
        return 0;
    if (p->count == CPU_PROBES_MAX)
        return -ENOSPC;
    p->at[p->count++] = addr;
    return 1;
}

void cpu_probes_clear(struct cpu_probes *p, uint64_t addr)
{
    unsigned i = place_of(p, addr);
    if (i < p->count)
        p->at[i] = p->at[--p->count];
}

bool cpu_probes_stop(struct cpu_probes *p, uint64_t addr, bool begins)
{
    bool passes = p->is_passed && p->passed == addr && begins;
    p->is_passed = cpu_probes_have(p, addr);
    p->passed = addr;
    return p->is_passed && !passes;
}
