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

enum {
    POOL_FRAMES = 65536,
    CODE_BYTES = 64 << 20,
    INSTRUCTION_BYTES = 15,
    STRETCH_MAX = 100000000, /* instructions between two meetings */
    VISITED_MAX = 256,
};

struct lockstep {
    pid_t child;
    int mem;
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_code *code;
    struct cpu *processor;
    struct x86 *cpu; /* the same */
    struct lockstep_maps maps;
    uint64_t entry; /* of the program, when a loader comes before it */
    bool entered;
    uint64_t one_by_one; /* so many instructions are stepped before the next stretch */
    const struct lockstep_limits *limits;
    struct lockstep_result *result;
};

/* What the child is given: nothing of the user's, no restartable sequences (the kernel would write
 * into memory whenever it moves the child), and no lazy binding (its fxsave stores pointers of the
 * x87, where processors differ). */
static const char *const environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", "LD_BIND_NOW=1",
                                          "GLIBC_TUNABLES=glibc.pthread.rseq=0", NULL};

static void exec_child(const char *const argv[])
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
        exec_child(argv);
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
    l->code = cpu_code_new(CODE_BYTES);
    l->processor = l->space && l->code ? cpu_new(&x86_64_ops, l->code, l->space) : NULL;
    if (!l->processor)
        return -ENOMEM;
    l->cpu = x86_from_cpu(l->processor);
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
    cpu_free(l->processor);
    cpu_code_free(l->code);
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

static bool is_rep_scan(const uint8_t *bytes)
{
    if (bytes[0] != 0xf3)
        return false;
    bytes += (bytes[1] & 0xf0) == 0x40 ? 2 : 1;
    return bytes[0] == 0x0f && bytes[1] == 0xbc;
}

/* A `rep bsf` of zero: compilers write it for either instruction when the result does not matter. A
 * processor that knows tzcnt, as the host may, gives another than one that does not. */
static bool is_scan_of_zero(const uint8_t *bytes, const struct x86_state *ours)
{
    return is_rep_scan(bytes) && (ours->rflags & ZF) != 0;
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

/* Ours runs one instruction, the child the same, and they are compared. */
static int advance_one(struct lockstep *l)
{
    struct cpu_trap trap = {0};
    uint64_t used = 0;
    uint8_t bytes[INSTRUCTION_BYTES] = {0};
    cpu_space_read(l->space, x86_state(l->cpu)->rip, bytes, sizeof(bytes));
    enum cpu_stop stop = x86_run(l->cpu, 1, &used, &trap);
    l->result->instructions += used;
    if (stop == CPU_STOP_SYSCALL)
        return system_call(l);
    if (stop == CPU_STOP_PAGE)
        return grow_stack(l);
    if (stop != CPU_STOP_BUDGET) {
        fprintf(stderr, "ours stopped with %d at address %" PRIx64 "\n", (int)stop, trap.addr);
        return differ(l, "stop");
    }
    int result = step_child(l);
    if (result == 0 && is_answer(bytes))
        result = give_answer(l);
    if (result == 0 && is_scan_of_zero(bytes, x86_state(l->cpu)))
        result = host_cpu_set(l->child, x86_state(l->cpu));
    return result ? result : compare_registers(l, undefined_flags(bytes));
}

/* ---- At full speed, from one point where the two have to meet to the next ---- */

/* Up to an instruction that both take at once: a system call, what they answer differently, the
 * program's entry. */
struct stretch {
    uint64_t instructions; /* before it */
    uint64_t rip;          /* where it stands */
    unsigned visits;       /* the stretch comes by there so often before that */
};

/* How often a scout came by a `rep bsf`: it may end the stretch at a later visit. */
struct visits {
    unsigned count;
    struct {
        uint64_t rip;
        unsigned times;
    } at[VISITED_MAX];
};

/* NULL: too many places. */
static unsigned *visits_of(struct visits *v, uint64_t rip)
{
    unsigned i = 0;
    while (i < v->count && v->at[i].rip != rip)
        i++;
    if (i == VISITED_MAX)
        return NULL;
    if (i == v->count) {
        v->at[i].rip = rip;
        v->at[i].times = 0;
        v->count++;
    }
    return &v->at[i].times;
}

static bool is_meeting(const struct lockstep *l, uint64_t rip, const uint8_t *bytes)
{
    bool system_call = bytes[0] == 0x0f && bytes[1] == 0x05;
    return system_call || is_answer(bytes) || (!l->entered && rip == l->entry);
}

/* A copy of ours goes ahead, instruction by instruction, to where the stretch ends. False: it does not
 * come to an end; after s->instructions something is in the way. */
static bool scout(const struct lockstep *l, struct cpu *copy, struct cpu_space *space,
                  struct stretch *s)
{
    struct visits visits = {0};
    struct x86 *cpu = x86_from_cpu(copy);
    struct cpu_trap trap;
    uint64_t used;
    *s = (struct stretch){0};
    for (; s->instructions < STRETCH_MAX; s->instructions++) {
        uint8_t bytes[INSTRUCTION_BYTES] = {0};
        unsigned *times = NULL;
        s->rip = x86_state(cpu)->rip;
        cpu_space_read(space, s->rip, bytes, sizeof(bytes));
        if (is_meeting(l, s->rip, bytes))
            return true;
        if (is_rep_scan(bytes) && (times = visits_of(&visits, s->rip)) == NULL)
            return false;
        const struct x86_state before = *x86_state(cpu);
        if (x86_run(cpu, 1, &used, &trap) != CPU_STOP_BUDGET)
            return false;
        if (times != NULL && is_scan_of_zero(bytes, x86_state(cpu))) {
            *x86_state(cpu) = before; /* the stretch ends before it */
            s->visits = *times;
            return true;
        }
        if (times != NULL)
            ++*times;
    }
    return false;
}

/* What the scout did one by one, ours does in a row: the same. */
static bool same_alone(const struct lockstep *l, struct cpu *copy)
{
    return host_cpu_same(x86_state(x86_from_cpu(copy)), x86_state(l->cpu), 0);
}

/* Runs the child until a breakpoint of ours. */
static int run_child(struct lockstep *l)
{
    struct host_stop stop;
    int result;
    do
        result = host_cpu_continue(l->child, &stop);
    while (result == 0 && stop.signal == SIGCHLD);
    if (result)
        return differ(l, "the host's child ended");
    if (stop.signal == SIGTRAP)
        return 0;
    fprintf(stderr, "host: signal %d\n", stop.signal);
    return differ(l, "the host's child got a signal");
}

/* The child goes to where the stretch ends: a breakpoint there, passed as often as ours came by. */
static int bring_child(struct lockstep *l, const struct stretch *s)
{
    static const uint8_t breakpoint = 0xcc;
    struct x86_state host;
    uint8_t kept;
    off_t at = (off_t)s->rip;
    int result = 0;
    if (pread(l->mem, &kept, 1, at) != 1)
        return -EFAULT;
    for (unsigned i = 0; i <= s->visits && result == 0; i++) {
        if (pwrite(l->mem, &breakpoint, 1, at) != 1)
            return -EFAULT;
        result = run_child(l);
        if (pwrite(l->mem, &kept, 1, at) != 1)
            return -EFAULT;
        if (result == 0)
            result = host_cpu_get(l->child, &host);
        if (result == 0 && host.rip != s->rip + 1)
            result = differ(l, "the host stopped elsewhere");
        host.rip = s->rip;
        if (result == 0)
            result = host_cpu_set(l->child, &host);
        if (result == 0 && i < s->visits)
            result = step_child(l);
    }
    return result;
}

/* Both to the end of the stretch, and compared. */
static int advance_stretch(struct lockstep *l, struct cpu *copy, const struct stretch *s)
{
    struct cpu_trap trap = {0};
    uint64_t used = 0;
    if (s->instructions == 0)
        return 0;
    enum cpu_stop stop = x86_run(l->cpu, s->instructions, &used, &trap);
    l->result->instructions += used;
    if (stop != CPU_STOP_BUDGET || used != s->instructions || !same_alone(l, copy))
        return differ(l, "ours in a row and one by one");
    int result = bring_child(l, s);
    return result ? result : compare_registers(l, ALL_FLAGS);
}

/* A stretch, and the instruction that ends it. */
static int advance_far(struct lockstep *l)
{
    struct stretch s;
    struct cpu_space *space = cpu_space_clone(l->space);
    struct cpu *copy = space ? cpu_clone(l->processor, l->code, space) : NULL;
    int result = copy ? 0 : -ENOMEM;
    if (result == 0 && scout(l, copy, space, &s))
        result = advance_stretch(l, copy, &s);
    else if (result == 0)
        l->one_by_one = s.instructions + 1;
    cpu_free(copy);
    cpu_space_free(space);
    if (result || l->one_by_one > 0 || (!l->entered && s.rip == l->entry))
        return result;
    return advance_one(l);
}

static int run(struct lockstep *l)
{
    const struct lockstep_limits *limits = l->limits;
    int result = 0;
    l->one_by_one = limits->single;
    while (result == 0 && !l->result->exited) {
        if (!l->entered && x86_state(l->cpu)->rip == l->entry) {
            l->entered = true;
            l->result->loading = l->result->instructions;
            l->one_by_one = limits->single;
        }
        uint64_t done = l->result->instructions - l->result->loading;
        if (l->result->instructions >= limits->all || (l->entered && done >= limits->instructions))
            return compare_memory(l);
        if (l->one_by_one > 0) {
            l->one_by_one--;
            result = advance_one(l);
        } else {
            result = advance_far(l);
        }
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
