/* A process's mappings, and the same in a space of ours. Test code only. */
#ifndef TESTS_LOCKSTEP_MAPS_H
#define TESTS_LOCKSTEP_MAPS_H

#include "cpu/space.h"

#include <sys/types.h>

enum { LOCKSTEP_REGIONS_MAX = 512 };

struct lockstep_region {
    uint64_t start, end;
    unsigned access; /* enum cpu_access */
    uint64_t inode, offset;
};

struct lockstep_maps {
    struct lockstep_region region[LOCKSTEP_REGIONS_MAX];
    unsigned count;
};

/* Reads /proc/PID/maps, without what belongs to the kernel. 0 or -errno. */
int lockstep_maps_read(pid_t pid, struct lockstep_maps *maps);

/* Makes `space` have the mappings of `now` instead of `before`; pages that are new get their bytes
 * from `mem` (/proc/PID/mem). 0 or -errno. */
int lockstep_maps_apply(struct cpu_space *space, int mem, const struct lockstep_maps *before,
                        const struct lockstep_maps *now);

/* Copies what differs in the writable pages to the space. 0 or -errno. */
int lockstep_memory_take(struct cpu_space *space, int mem, const struct lockstep_maps *maps);

/* The first address in the writable pages where the two differ, or 0. */
uint64_t lockstep_memory_differs(struct cpu_space *space, int mem,
                                 const struct lockstep_maps *maps);

#endif
