/* The host's own processor, as a test's yardstick: a child of ours under ptrace, stepped one
 * instruction at a time. Test code only: it makes system calls. */
#ifndef TESTS_HOST_CPU_H
#define TESTS_HOST_CPU_H

#include "cpu/x86.h"

#include <sys/types.h>

/* What became of a step. */
struct host_stop {
    int signal;    /* SIGTRAP: the instruction ran; else the signal it raised */
    int code;      /* si_code */
    uint64_t addr; /* si_addr */
};

/* A child that has shared memory at `addr` in common with this process, and runs nothing by
 * itself. Below zero when ptrace is not permitted here. */
pid_t host_cpu_start(void);
void host_cpu_stop(pid_t child);

/* The exit status of a test that has to be skipped: Meson's convention. */
enum { HOST_CPU_SKIP = 77 };

/* Registers both ways. 0 or -errno. The x87 instruction and data pointers are not exchanged. */
int host_cpu_set(pid_t child, const struct x86_state *state);
int host_cpu_get(pid_t child, struct x86_state *state);

/* One instruction (of `rep`, one round). 0 or -errno. */
int host_cpu_step(pid_t child, struct host_stop *stop);
/* Runs until a signal: int3 gives SIGTRAP. 0 or -errno. */
int host_cpu_continue(pid_t child, struct host_stop *stop);

/* Do two states agree? Status flags in `ignored_flags` are left out. When they do not, says so on
 * standard error, one line a difference. */
bool host_cpu_same(const struct x86_state *host, const struct x86_state *ours,
                   uint64_t ignored_flags);

#endif
