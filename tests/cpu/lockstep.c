#include "lockstep.h"

#include "host_cpu.h"
#include "lockstep_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POOL_FRAMES = 65536, CODE_BYTES = 64 << 20 };

struct lockstep {
    pid_t child;
    int mem;
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_store *code;
    struct x86 *cpu;
    struct lockstep_maps maps;
    uint64_t entry; /* of the program, when a loader comes before it */
    bool entered;
    const struct lockstep_limits *limits;
    struct lockstep_result *result;
};

/* What the child is given: nothing of the user's, no restartable sequences (the kernel would write
 * into memory whenever it moves the child), and no lazy binding (its fxsave stores pointers of the
 * x87, where processors differ). */
static const char *const environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", "LD_BIND_NOW=1",
                                          "GLIBC_TUNABLES=glibc.pthread.rseq=0", NULL};

static void run_child(const char *const argv[])
{
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    personality(ADDR_NO_RANDOMIZE);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(126);
    execve(argv[0], (char *const *)argv, (char *const *)environment);
    _exit(127);
}

/* One word of the auxiliary vector. Without a vdso, the clock is a system call, and so the same
 * for both. */
static int auxiliary(struct lockstep *l, const uint64_t word[2], uint64_t at)
{
    const uint64_t at_ignore = 1, at_entry = 9, at_sysinfo_ehdr = 33;
    if (word[0] == at_entry)
        l->entry = word[1];
    if (word[0] == at_sysinfo_ehdr && pwrite(l->mem, &at_ignore, 8, (off_t)at) != 8)
        return -EFAULT;
    return 0;
}

static int walk_auxiliary(struct lockstep *l, uint64_t rsp)
{
    uint64_t word[2] = {1, 0}, at = rsp + 8;
    int result = 0;
    for (unsigned nulls = 0; nulls < 2; at += 8) { /* behind argv and the environment */
        if (pread(l->mem, word, 8, (off_t)at) != 8)
            return -EFAULT;
        nulls += word[0] == 0;
    }
    for (; result == 0; at += 16) {
        if (pread(l->mem, word, 16, (off_t)at) != 16)
            return -EFAULT;
        if (word[0] == 0)
            return 0;
        result = auxiliary(l, word, at);
    }
    return result;
}

/* The child's mappings as they are now, and its memory, become ours. */
static int take_memory(struct lockstep *l)
{
    static struct lockstep_maps now;
    int result = lockstep_maps_read(l->child, &now);
    if (result == 0)
        result = lockstep_maps_apply(l->space, l->mem, &l->maps, &now);
    l->maps = now;
    return result ? result : lockstep_memory_take(l->space, l->mem, &l->maps);
}

static int start_child(struct lockstep *l, const char *const argv[])
{
    char path[64];
    int status;
    l->child = fork();
    if (l->child == 0)
        run_child(argv);
    if (l->child < 0 || waitpid(l->child, &status, 0) != l->child)
        return -errno;
    if (!WIFSTOPPED(status)) {
        l->child = 0;
        return WEXITSTATUS(status) == 127 ? -ENOENT : -EPERM;
    }
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)l->child);
    l->mem = open(path, O_RDWR | O_CLOEXEC);
    return l->mem < 0 ? -errno : 0;
}

static int start(struct lockstep *l, const char *const argv[])
{
    int result = start_child(l, argv);
    if (result)
        return result;
    l->pool = cpu_pool_new(POOL_FRAMES);
    l->space = l->pool ? cpu_space_new(l->pool) : NULL;
    l->code = x86_store_new(CODE_BYTES);
    l->cpu = l->space && l->code ? x86_new(l->code, l->space) : NULL;
    if (!l->cpu)
        return -ENOMEM;
    struct x86_state *state = x86_state(l->cpu);
    result = host_cpu_get(l->child, state);
    if (result == 0)
        result = walk_auxiliary(l, state->reg[X86_RSP]);
    return result ? result : take_memory(l);
}

static void stop(struct lockstep *l)
{
    if (l->child > 0 && !l->result->exited)
        host_cpu_stop(l->child);
    if (l->mem >= 0)
        close(l->mem);
    x86_free(l->cpu);
    cpu_store_free(l->code);
    cpu_space_free(l->space);
    cpu_pool_free(l->pool);
}

static int differ(const struct lockstep *l, const char *what_z)
{
    uint8_t bytes[15] = {0};
    uint64_t rip = x86_state(l->cpu)->rip;
    fprintf(stderr, "DIFFERENT: %s, after %" PRIu64 " instructions; ours at %" PRIx64 ":", what_z,
            l->result->instructions, rip);
    cpu_space_read(l->space, rip, bytes, sizeof(bytes));
    for (unsigned i = 0; i < sizeof(bytes); i++)
        fprintf(stderr, " %02x", bytes[i]);
    fprintf(stderr, "\n");
    return -1;
}

/* One instruction of the child, of `rep` one round, as ours counts them. The child's end is in
 * l->result. That a child of its own has ended is not told to it. */
static int step_child(struct lockstep *l)
{
    int status;
    if (ptrace(PTRACE_SINGLESTEP, l->child, NULL, NULL) != 0 ||
        waitpid(l->child, &status, 0) != l->child)
        return -errno;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        l->result->exited = true;
        l->result->status = status;
        return 0;
    }
    if (WSTOPSIG(status) == SIGTRAP)
        return 0;
    if (WSTOPSIG(status) == SIGCHLD)
        return step_child(l);
    fprintf(stderr, "host: signal %d\n", WSTOPSIG(status));
    return differ(l, "the host's child got a signal");
}

/* Status flags that instructions leave undefined: processors differ, programs do not look. */
enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800, ALL_FLAGS = 0x8d5 };

static unsigned undefined_two_byte(uint8_t opcode)
{
    switch (opcode) {
    case 0xa3:
    case 0xab:
    case 0xb3:
    case 0xba:
    case 0xbb: return OF | SF | PF;
    case 0xa4:
    case 0xa5:
    case 0xac:
    case 0xad: return OF;
    case 0xaf: return SF | ZF | PF;
    case 0xbc:
    case 0xbd: return CF | OF | SF | PF;
    default: return 0;
    }
}

static unsigned undefined_one_byte(uint8_t opcode, uint8_t modrm)
{
    unsigned reg = modrm >> 3 & 7;
    switch (opcode) {
    case 0x69:
    case 0x6b: return SF | ZF | PF;
    case 0xc0:
    case 0xc1:
    case 0xd2:
    case 0xd3: return OF | CF;
    case 0xf6:
    case 0xf7: return reg < 4 ? 0 : reg < 6 ? SF | ZF | PF : SF | ZF | PF | CF | OF;
    default: return 0;
    }
}

/* Of the instruction at `bytes`; AF always, for logic and shifts leave it undefined. */
static unsigned undefined_flags(const uint8_t *bytes)
{
    while (*bytes == 0x66 || *bytes == 0xf0 || *bytes == 0xf2 || *bytes == 0xf3 || *bytes == 0x64)
        bytes++;
    if ((*bytes & 0xf0) == 0x40)
        bytes++;
    return AF | (bytes[0] == 0x0f ? undefined_two_byte(bytes[1])
                                  : undefined_one_byte(bytes[0], bytes[1]));
}

/* The flags outside `ignored` are compared; ours takes on the others, lest they come up again. */
static int compare_registers(struct lockstep *l, unsigned ignored)
{
    struct x86_state host, *ours = x86_state(l->cpu);
    int result = host_cpu_get(l->child, &host);
    if (result)
        return result;
    if (!host_cpu_same(&host, ours, ignored))
        return differ(l, "registers");
    ours->rflags = (ours->rflags & ~(uint64_t)ignored) | (host.rflags & ignored);
    return 0;
}

static int compare_memory(struct lockstep *l)
{
    uint64_t addr = lockstep_memory_differs(l->space, l->mem, &l->maps);
    if (!addr)
        return 0;
    fprintf(stderr, "  memory at %" PRIx64 "\n", addr);
    return differ(l, "memory");
}

/* cpuid, rdtsc and rdtscp, rdrand: the child gets what ours answered. */
static bool is_answer(const uint8_t *bytes)
{
    return bytes[0] == 0x0f &&
           (bytes[1] == 0xa2 || bytes[1] == 0x31 || (bytes[1] == 0x01 && bytes[2] == 0xf9));
}

/* A `rep bsf` of zero: compilers write it for either instruction when the result does not matter. A
 * processor that knows tzcnt, as the host may, gives another than one that does not. */
static bool is_scan_of_zero(const uint8_t *bytes, const struct x86_state *ours)
{
    if (bytes[0] != 0xf3 || (ours->rflags & ZF) == 0)
        return false;
    bytes += (bytes[1] & 0xf0) == 0x40 ? 2 : 1;
    return bytes[0] == 0x0f && bytes[1] == 0xbc;
}

static int give_answer(struct lockstep *l)
{
    struct x86_state host;
    const struct x86_state *ours = x86_state(l->cpu);
    int result = host_cpu_get(l->child, &host);
    if (result)
        return result;
    memcpy(host.reg, ours->reg, 4 * sizeof(host.reg[0])); /* rax, rcx, rdx, rbx */
    return host_cpu_set(l->child, &host);
}

/* Ours stands behind a system call, the child before it. */
static int system_call(struct lockstep *l)
{
    struct x86_state host, *ours = x86_state(l->cpu);
    int result = host_cpu_get(l->child, &host);
    if (result)
        return result;
    host.rip += 2;
    host.reg[X86_RCX] = ours->reg[X86_RCX];
    host.reg[X86_R11] = ours->reg[X86_R11];
    if (!host_cpu_same(&host, ours, ALL_FLAGS))
        return differ(l, "registers before a system call");
    result = compare_memory(l);
    if (result == 0)
        result = step_child(l);
    l->result->system_calls++;
    if (result || l->result->exited)
        return result;
    result = host_cpu_get(l->child, &host);
    if (result)
        return result;
    if (host.reg[X86_RCX] != ours->reg[X86_RCX])
        return differ(l, "rcx after a system call");
    *ours = host;
    return take_memory(l);
}

/* A page fault of ours alone: the kernel grows the child's stack. The child goes first. */
static int grow_stack(struct lockstep *l)
{
    struct lockstep_maps before = l->maps;
    struct cpu_trap trap;
    int result = step_child(l);
    if (result == 0)
        result = lockstep_maps_read(l->child, &l->maps);
    if (result == 0)
        result = lockstep_maps_apply(l->space, l->mem, &before, &l->maps);
    if (result)
        return result;
    uint64_t used;
    enum cpu_stop stop = x86_run(l->cpu, 1, &used, &trap);
    l->result->instructions++;
    return stop == CPU_STOP_BUDGET ? compare_registers(l, ALL_FLAGS) : differ(l, "page fault");
}

static int follow(struct lockstep *l, uint64_t instructions)
{
    int result = 0;
    for (uint64_t i = 0; i < instructions && result == 0 && !l->result->exited; i++)
        result = step_child(l);
    l->result->instructions += instructions;
    return result;
}

/* Ours runs up to `budget` instructions, the child the same, and they are compared. */
static int advance(struct lockstep *l, uint64_t budget)
{
    struct cpu_trap trap = {0};
    uint64_t used = 0;
    uint8_t bytes[15] = {0};
    cpu_space_read(l->space, x86_state(l->cpu)->rip, bytes, sizeof(bytes));
    enum cpu_stop stop = x86_run(l->cpu, budget, &used, &trap);
    if (stop == CPU_STOP_SYSCALL) {
        int result = follow(l, used - 1);
        l->result->instructions++;
        return result ? result : system_call(l);
    }
    int result = follow(l, used);
    if (result == 0 && budget == 1 && is_answer(bytes))
        result = give_answer(l);
    if (result == 0 && budget == 1 && is_scan_of_zero(bytes, x86_state(l->cpu)))
        result = host_cpu_set(l->child, x86_state(l->cpu));
    if (result == 0)
        result = compare_registers(l, budget == 1 ? undefined_flags(bytes) : ALL_FLAGS);
    if (result)
        return result;
    if (stop == CPU_STOP_PAGE)
        return grow_stack(l);
    if (stop == CPU_STOP_BUDGET)
        return 0;
    fprintf(stderr, "ours stopped with %d at address %" PRIx64 "\n", (int)stop, trap.addr);
    return differ(l, "stop");
}

static int run(struct lockstep *l)
{
    const struct lockstep_limits *limits = l->limits;
    int result = 0;
    while (result == 0 && !l->result->exited) {
        if (!l->entered) {
            l->entered = x86_state(l->cpu)->rip == l->entry;
            l->result->loading = l->result->instructions;
        }
        uint64_t done = l->result->instructions - l->result->loading;
        if (done >= limits->instructions)
            return compare_memory(l);
        result = advance(l, !l->entered || done < limits->single ? 1 : limits->chunk);
    }
    return result;
}

int lockstep_run(const char *const argv[], const struct lockstep_limits *limits,
                 struct lockstep_result *result)
{
    struct lockstep *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    *result = (struct lockstep_result){0};
    l->mem = -1;
    l->limits = limits;
    l->result = result;
    int outcome = start(l, argv);
    if (outcome == 0)
        outcome = run(l);
    stop(l);
    free(l);
    return outcome;
}
