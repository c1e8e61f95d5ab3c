/* A whole program on the host's processor and on ours, side by side. At first, and from the program's
 * entry on, the host's child is stepped under ptrace, ours runs the same instruction, and registers are
 * compared after each. Then both run at full speed from one system call to the next, where registers
 * and memory are compared. Calls are the child's; what they change in its registers, memory and
 * mappings is taken over. The child gets our answers to cpuid and the like, so that it takes the paths
 * that ours takes. Test code only. */
#ifndef TESTS_LOCKSTEP_H
#define TESTS_LOCKSTEP_H

#include "cpu/x86.h"

struct lockstep_limits {
    uint64_t all;          /* stop, content, after so many instructions */
    uint64_t instructions; /* or so many behind the program's entry point */
    uint64_t single;       /* so many are stepped, of the loader's and of the program's */
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
