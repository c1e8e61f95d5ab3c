/* A whole program on the host's processor and on ours, side by side: the host's child is stepped
 * under ptrace, ours runs the same instructions, and registers and memory are compared. System
 * calls are the child's; what they change in its registers, memory and mappings is taken over.
 * The child gets our answers to cpuid and the like, so that it takes the paths that ours takes.
 * Test code only. */
#ifndef TESTS_LOCKSTEP_H
#define TESTS_LOCKSTEP_H

#include "cpu/x86.h"

/* Counted from the program's entry point; what the loader does before is compared instruction by
 * instruction, for it reads cpuid and the clock. */
struct lockstep_limits {
    uint64_t instructions; /* stop, content, after so many */
    uint64_t single;       /* registers compared after each of the first so many, ... */
    unsigned chunk;        /* ... and then after so many at a time, run by us without a stop */
};

struct lockstep_result {
    uint64_t instructions, system_calls;
    uint64_t loading; /* of the instructions: before the entry point */
    bool exited;      /* to its end */
    int status;       /* as wait has it */
};

/* Runs argv[0] (a path) with standard input and output at /dev/null. 0; -1 when the two differ,
 * described on standard error; -errno when the program cannot be run so here. */
int lockstep_run(const char *const argv[], const struct lockstep_limits *limits,
                 struct lockstep_result *result);

#endif
