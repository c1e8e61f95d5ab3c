#include "host_cpu.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* The status flags and DF: what instructions change. */
#define FLAGS_COMPARED UINT64_C(0xcd5)

pid_t host_cpu_start(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(SIGSTOP);
        _exit(1);
    }
    if (child < 0)
        return -errno;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        return -EPERM;
    return child;
}

void host_cpu_stop(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* A child that was started by a 64-bit program runs 32-bit code when its code segment says so. */
static void set_segments(struct user_regs_struct *u, const struct x86_state *s)
{
    if (s->selector[X86_CS] != X86_SELECTOR_CODE32)
        return;
    u->cs = s->selector[X86_CS], u->ss = s->selector[X86_SS];
    u->ds = s->selector[X86_DS], u->es = s->selector[X86_ES];
    u->fs = s->selector[X86_FS], u->gs = s->selector[X86_GS];
}

static void get_segments(const struct user_regs_struct *u, struct x86_state *s)
{
    const unsigned long long now[] = {[X86_ES] = u->es, [X86_CS] = u->cs, [X86_SS] = u->ss,
                                      [X86_DS] = u->ds, [X86_FS] = u->fs, [X86_GS] = u->gs};
    bool is_32 = u->cs == X86_SELECTOR_CODE32;
    for (unsigned i = 0; i < 6; i++)
        s->selector[i] = is_32 ? (uint16_t)now[i] : 0;
}

static int set_general(pid_t child, const struct x86_state *s)
{
    struct user_regs_struct u;
    if (ptrace(PTRACE_GETREGS, child, NULL, &u) != 0)
        return -errno;
    const uint64_t *r = s->reg;
    u.rax = r[X86_RAX], u.rcx = r[X86_RCX], u.rdx = r[X86_RDX], u.rbx = r[X86_RBX];
    u.rsp = r[X86_RSP], u.rbp = r[X86_RBP], u.rsi = r[X86_RSI], u.rdi = r[X86_RDI];
    u.r8 = r[X86_R8], u.r9 = r[X86_R9], u.r10 = r[X86_R10], u.r11 = r[X86_R11];
    u.r12 = r[X86_R12], u.r13 = r[X86_R13], u.r14 = r[X86_R14], u.r15 = r[X86_R15];
    u.rip = s->rip;
    u.eflags = s->rflags;
    u.fs_base = s->fs_base, u.gs_base = s->gs_base;
    u.orig_rax = UINT64_MAX; /* no system call to be taken up again */
    set_segments(&u, s);
    return ptrace(PTRACE_SETREGS, child, NULL, &u) == 0 ? 0 : -errno;
}

static int get_general(pid_t child, struct x86_state *s)
{
    struct user_regs_struct u;
    if (ptrace(PTRACE_GETREGS, child, NULL, &u) != 0)
        return -errno;
    const uint64_t r[16] = {u.rax, u.rcx, u.rdx, u.rbx, u.rsp, u.rbp, u.rsi, u.rdi,
                            u.r8,  u.r9,  u.r10, u.r11, u.r12, u.r13, u.r14, u.r15};
    memcpy(s->reg, r, sizeof(r));
    s->rip = u.rip;
    s->rflags = u.eflags;
    s->fs_base = u.fs_base, s->gs_base = u.gs_base;
    get_segments(&u, s);
    return 0;
}

_Static_assert(sizeof(struct user_fpregs_struct) == X86_FXSAVE_BYTES, "the image of fxsave");

int host_cpu_set(pid_t child, const struct x86_state *state)
{
    uint8_t image[X86_FXSAVE_BYTES];
    x86_fxsave_image(state, image);
    memset(image + 8, 0, 16); /* the pointers */
    if (ptrace(PTRACE_SETFPREGS, child, NULL, image) != 0)
        return -errno;
    return set_general(child, state);
}

int host_cpu_get(pid_t child, struct x86_state *state)
{
    uint8_t image[X86_FXSAVE_BYTES];
    if (ptrace(PTRACE_GETFPREGS, child, NULL, image) != 0)
        return -errno;
    memset(image + 6, 0, 18); /* opcode and pointers */
    if (!x86_fxrstor_image(state, image))
        return -EINVAL;
    return get_general(child, state);
}

static int run(enum __ptrace_request how, pid_t child, struct host_stop *stop)
{
    siginfo_t info;
    int status;
    if (ptrace(how, child, NULL, NULL) != 0)
        return -errno;
    if (waitpid(child, &status, 0) != child)
        return -errno;
    if (!WIFSTOPPED(status))
        return -ECHILD;
    *stop = (struct host_stop){.signal = WSTOPSIG(status)};
    if (stop->signal == SIGTRAP)
        return 0;
    if (ptrace(PTRACE_GETSIGINFO, child, NULL, &info) != 0)
        return -errno;
    stop->code = info.si_code;
    stop->addr = (uint64_t)(uintptr_t)info.si_addr;
    return 0;
}

int host_cpu_step(pid_t child, struct host_stop *stop)
{
    return run(PTRACE_SINGLESTEP, child, stop);
}

int host_cpu_continue(pid_t child, struct host_stop *stop)
{
    return run(PTRACE_CONT, child, stop);
}

static bool same_word(const char *name_z, unsigned i, uint64_t host, uint64_t ours)
{
    if (host != ours)
        fprintf(stderr, "  %s%u: host %016" PRIx64 ", ours %016" PRIx64 "\n", name_z, i, host,
                ours);
    return host == ours;
}

static bool same_fpu(const struct x86_state *host, const struct x86_state *ours)
{
    bool same = same_word("fpu control ", 0, host->fpu_control, ours->fpu_control);
    same &= same_word("fpu status ", 0, host->fpu_status, ours->fpu_status);
    same &= same_word("fpu tag ", 0, host->fpu_tag, ours->fpu_tag);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t a[2] = {0}, b[2] = {0};
        memcpy(a, host->fpu[i], 10);
        memcpy(b, ours->fpu[i], 10);
        same &= same_word("R.low ", i, a[0], b[0]);
        same &= same_word("R.high ", i, a[1], b[1]);
    }
    return same;
}

bool host_cpu_same(const struct x86_state *host, const struct x86_state *ours,
                   uint64_t ignored_flags)
{
    uint64_t flags = FLAGS_COMPARED & ~ignored_flags;
    bool same = same_word("rip ", 0, host->rip, ours->rip);
    same &= same_word("flags ", 0, host->rflags & flags, ours->rflags & flags);
    for (unsigned i = 0; i < 16; i++)
        same &= same_word("reg ", i, host->reg[i], ours->reg[i]);
    for (unsigned i = 0; i < 16; i++) {
        same &= same_word("xmm.low ", i, host->xmm[i][0], ours->xmm[i][0]);
        same &= same_word("xmm.high ", i, host->xmm[i][1], ours->xmm[i][1]);
    }
    same &= same_word("mxcsr ", 0, host->mxcsr, ours->mxcsr);
    same &= same_word("fs ", 0, host->fs_base, ours->fs_base);
    same &= same_word("gs ", 0, host->gs_base, ours->gs_base);
    for (unsigned i = 0; i < 6; i++)
        same &= same_word("selector ", i, host->selector[i], ours->selector[i]);
    return same_fpu(host, ours) && same;
}
