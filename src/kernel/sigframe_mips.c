/* The frames of MIPS o32's handlers, in either byte order: struct sigframe and rt_sigframe
 * (arch/mips/kernel/signal.c). The handler returns to a page of the program's own that makes the call. */
#include "kernel/abi_info.h"
#include "kernel/sigframe.h"

#include "cpu/mips.h"
#include "kernel/mm.h"
#include "kernel/task.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* Where things stand. */
enum {
    HEAD_BYTES = 24, /* space for four arguments, and where a trampoline once was */
    CONTEXT_PC = 8,  /* in struct sigcontext */
    CONTEXT_REGS = 16,
    CONTEXT_FPREGS = 272,
    CONTEXT_FCSR = 532,
    CONTEXT_USED_MATH = 540,
    CONTEXT_HI = 552,
    CONTEXT_LO = 560,
    CONTEXT_BYTES = 592,
    MASK_BYTES = 16,
    PLAIN_CONTEXT = HEAD_BYTES,
    PLAIN_MASK = PLAIN_CONTEXT + CONTEXT_BYTES,
    PLAIN_BYTES = PLAIN_MASK + MASK_BYTES,
    RT_INFO = HEAD_BYTES,
    RT_UC = RT_INFO + SIGNAL_INFO_BYTES,
    RT_STACK = RT_UC + 8, /* stack_t: address, size, flags */
    RT_CONTEXT = RT_UC + 24,
    RT_MASK = RT_CONTEXT + CONTEXT_BYTES,
    RT_BYTES = RT_MASK + MASK_BYTES,
    EMULATOR_ROOM = 32, /* below the stack pointer: Linux's floating-point emulator may use it */
    LI_V0 = 0x24020000,
    SYSCALL = 0x0000000c,
    SIGRETURN = 4119,
    RT_SIGRETURN = 4193,
    CODE_BYTES = 8,
};

struct frame {
    const struct abi *abi;
    uint8_t bytes[RT_BYTES];
};

static void put32(struct frame *f, size_t at, uint32_t value)
{
    value = abi_swap32(f->abi, value);
    memcpy(f->bytes + at, &value, sizeof(value));
}

static uint32_t get32(const struct frame *f, size_t at)
{
    uint32_t value;
    memcpy(&value, f->bytes + at, sizeof(value));
    return abi_swap32(f->abi, value);
}

static void put64(struct frame *f, size_t at, uint64_t value)
{
    put32(f, at + (f->abi->big_endian ? 4 : 0), (uint32_t)value);
    put32(f, at + (f->abi->big_endian ? 0 : 4), (uint32_t)(value >> 32));
}

static uint64_t get64(const struct frame *f, size_t at)
{
    uint64_t low = get32(f, at + (f->abi->big_endian ? 4 : 0));
    uint64_t high = get32(f, at + (f->abi->big_endian ? 0 : 4));
    return high << 32 | low;
}

/* Registers in pairs (FR = 0): a double stands in the even one's place. */
static void context_save(struct frame *f, size_t at, const struct mips_state *s)
{
    put64(f, at + CONTEXT_PC, s->pc);
    for (size_t i = 0; i < 32; i++)
        put64(f, at + CONTEXT_REGS + 8 * i, s->reg[i]);
    for (size_t i = 0; i < 32; i++) {
        uint64_t value = s->fpr[i];
        if (!s->fr)
            value = (i & 1) != 0 ? 0 : (uint32_t)s->fpr[i] | s->fpr[i + 1] << 32;
        put64(f, at + CONTEXT_FPREGS + 8 * i, value);
    }
    put32(f, at + CONTEXT_FCSR, s->fcsr);
    put32(f, at + CONTEXT_USED_MATH, 1);
    put64(f, at + CONTEXT_HI, s->hi);
    put64(f, at + CONTEXT_LO, s->lo);
}

static void context_restore(const struct frame *f, size_t at, struct mips_state *s)
{
    s->pc = (uint32_t)get64(f, at + CONTEXT_PC);
    for (size_t i = 1; i < 32; i++)
        s->reg[i] = (uint32_t)get64(f, at + CONTEXT_REGS + 8 * i);
    for (size_t i = 0; i < 32; i++) {
        size_t from = s->fr ? i : i & ~(size_t)1;
        uint64_t value = get64(f, at + CONTEXT_FPREGS + 8 * from);
        s->fpr[i] = s->fr ? value : (uint32_t)(value >> ((i & 1) != 0 ? 32 : 0));
    }
    s->fcsr = get32(f, at + CONTEXT_FCSR) & MIPS_FCSR_VALID;
    s->hi = (uint32_t)get64(f, at + CONTEXT_HI);
    s->lo = (uint32_t)get64(f, at + CONTEXT_LO);
    s->link_set = 0;
}

/* Two words for the first 64 signals; there are none behind. */
static void mask_save(struct frame *f, size_t at, uint64_t mask)
{
    mask = abi_set_out(f->abi, mask);
    put32(f, at, (uint32_t)mask);
    put32(f, at + 4, (uint32_t)(mask >> 32));
}

static uint64_t mask_load(const struct frame *f, size_t at)
{
    return abi_set_in(f->abi, (uint64_t)get32(f, at + 4) << 32 | get32(f, at));
}

static void fill_info(const struct task *t, struct frame *f, const struct signal_info *info,
                      uint64_t sp)
{
    uint64_t addr, size;
    uint32_t flags;
    abi_info_out(f->abi, info, f->bytes + RT_INFO);
    sigframe_stack(t, sp, &addr, &flags, &size);
    put32(f, RT_STACK, (uint32_t)addr);
    put32(f, RT_STACK + 4, (uint32_t)size);
    put32(f, RT_STACK + 8, flags);
}

int sigframe_mips_push(struct task *t, const struct signal_info *info,
                       const struct signal_action *action)
{
    struct mips_state *s = mips_state(t->cpu);
    struct frame f = {.abi = task_abi(t)};
    bool rt = (action->flags & SA_SIGINFO) != 0;
    size_t bytes = rt ? RT_BYTES : PLAIN_BYTES, context = rt ? RT_CONTEXT : PLAIN_CONTEXT;
    uint64_t sp = sigframe_top(t, action, s->reg[MIPS_SP], 0);
    sp = (sp - EMULATOR_ROOM - bytes) & ~UINT64_C(7);
    context_save(&f, context, s);
    mask_save(&f, rt ? RT_MASK : PLAIN_MASK, sigframe_mask(t));
    if (rt)
        fill_info(t, &f, info, s->reg[MIPS_SP]);
    if (task_write(t, sp, f.bytes, bytes) != 0)
        return -EFAULT;
    sigframe_disarm(t);
    s->reg[MIPS_A0] = (uint32_t)abi_signo_out(f.abi, info->signo);
    s->reg[MIPS_A1] = rt ? (uint32_t)(sp + RT_INFO) : 0;
    s->reg[MIPS_A2] = (uint32_t)(sp + (rt ? (uint64_t)RT_UC : (uint64_t)PLAIN_CONTEXT));
    s->reg[MIPS_SP] = (uint32_t)sp;
    s->reg[MIPS_RA] = (uint32_t)(t->mm->trampoline + (rt ? CODE_BYTES : 0));
    s->reg[MIPS_T9] = s->pc = (uint32_t)action->handler;
    return 0;
}

int sigframe_mips_pop(struct task *t, bool with_info)
{
    struct mips_state *s = mips_state(t->cpu);
    struct frame f = {.abi = task_abi(t)};
    if (task_read(t, s->reg[MIPS_SP], f.bytes, with_info ? RT_BYTES : PLAIN_BYTES) != 0)
        return -EFAULT;
    sigframe_mask_back(t, mask_load(&f, with_info ? RT_MASK : PLAIN_MASK));
    context_restore(&f, with_info ? RT_CONTEXT : PLAIN_CONTEXT, s);
    if (with_info)
        sigframe_stack_back(t, s->reg[MIPS_SP], get32(&f, RT_STACK), get32(&f, RT_STACK + 8),
                            get32(&f, RT_STACK + 4));
    return 0;
}

/* The page that handlers return to: sigreturn, then rt_sigreturn. */
int sigframe_mips_prepare(struct mm *mm)
{
    static const uint32_t code[] = {LI_V0 | SIGRETURN, SYSCALL, LI_V0 | RT_SIGRETURN, SYSCALL};
    uint32_t ordered[ARRAY_LEN(code)];
    struct mm_request r = {.len = CPU_PAGE_BYTES,
                           .access = CPU_READ | CPU_EXEC,
                           .access_max = CPU_READ | CPU_WRITE | CPU_EXEC};
    int64_t at = mm_map(mm, &r);
    if (at < 0)
        return (int)at;
    for (size_t i = 0; i < ARRAY_LEN(code); i++)
        ordered[i] = abi_swap32(mm->abi, code[i]);
    mm->trampoline = (uint64_t)at;
    return cpu_space_poke(mm->space, mm->trampoline, ordered, sizeof(ordered)) != 0 ? -ENOMEM : 0;
}
