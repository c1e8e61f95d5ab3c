/* The frames of i386's handlers: struct sigframe_ia32 and rt_sigframe_ia32, with the x87's state and
 * the image of fxsave above them (arch/x86/include/asm/sigframe.h). */
#include "kernel/abi_info.h"
#include "kernel/sigframe.h"

#include "cpu/x86.h"
#include "kernel/task.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

enum {
    FX_ALIGN = 64,
    MXCSR_AT = 24,              /* in the image of fxsave */
    FLAGS_USER = 0x50dd5,       /* what a program may set (FIX_EFLAGS) */
    FLAGS_FIXED = 0x202,        /* always one; interrupts are on */
    FLAGS_IN_HANDLER = 0x10500, /* RF TF DF: cleared for the handler */
    SIGRETURN = 119,
    RT_SIGRETURN = 173,
};

struct registers { /* struct sigcontext_32 */
    uint16_t gs, gsh, fs, fsh, es, esh, ds, dsh;
    uint32_t di, si, bp, sp, bx, dx, cx, ax, trap, error, ip;
    uint16_t cs, csh;
    uint32_t flags, sp_at_signal;
    uint16_t ss, ssh;
    uint32_t fpstate, old_mask, fault_addr;
};
_Static_assert(sizeof(struct registers) == 88, "struct sigcontext_32");

struct fpstate { /* struct _fpstate_32: fsave's image, then fxsave's */
    uint8_t fsave[X86_FSAVE_BYTES];
    uint16_t status, magic; /* 0: the other image is there */
    uint8_t fxsave[X86_FXSAVE_BYTES];
};
_Static_assert(sizeof(struct fpstate) == 624, "struct _fpstate_32");

struct frame {
    uint32_t return_addr, signo;
    struct registers registers;
    struct fpstate unused;
    uint32_t mask_high;
    uint8_t code[8];
};

struct rt_frame {
    uint32_t return_addr, signo, info_addr, context_addr;
    uint8_t info[SIGNAL_INFO_BYTES];
    uint32_t flags, link, stack_addr, stack_flags, stack_size; /* struct ucontext_ia32 */
    struct registers registers;
    uint32_t mask[2];
    uint8_t code[8];
};

static void registers_save(const struct task *t, const struct x86_state *s, struct registers *r)
{
    *r = (struct registers){
        .gs = s->selector[X86_GS],
        .fs = s->selector[X86_FS],
        .es = s->selector[X86_ES],
        .ds = s->selector[X86_DS],
        .di = (uint32_t)s->reg[X86_RDI],
        .si = (uint32_t)s->reg[X86_RSI],
        .bp = (uint32_t)s->reg[X86_RBP],
        .sp = (uint32_t)s->reg[X86_RSP],
        .bx = (uint32_t)s->reg[X86_RBX],
        .dx = (uint32_t)s->reg[X86_RDX],
        .cx = (uint32_t)s->reg[X86_RCX],
        .ax = (uint32_t)s->reg[X86_RAX],
        .trap = (uint32_t)t->fault_trap,
        .error = (uint32_t)t->fault_error,
        .ip = (uint32_t)s->rip,
        .cs = s->selector[X86_CS],
        .flags = (uint32_t)s->rflags,
        .sp_at_signal = (uint32_t)s->reg[X86_RSP],
        .ss = s->selector[X86_SS],
        .old_mask = (uint32_t)sigframe_mask(t),
        .fault_addr = (uint32_t)t->fault_addr,
    };
}

/* Segments that are no more to be had are left alone. */
static void registers_restore(struct x86_state *s, const struct registers *r)
{
    x86_load_segment(s, X86_GS, r->gs);
    x86_load_segment(s, X86_FS, r->fs);
    x86_load_segment(s, X86_ES, r->es);
    x86_load_segment(s, X86_DS, r->ds);
    s->reg[X86_RDI] = r->di;
    s->reg[X86_RSI] = r->si;
    s->reg[X86_RBP] = r->bp;
    s->reg[X86_RSP] = r->sp;
    s->reg[X86_RBX] = r->bx;
    s->reg[X86_RDX] = r->dx;
    s->reg[X86_RCX] = r->cx;
    s->reg[X86_RAX] = r->ax;
    s->rip = r->ip;
    s->rflags = (s->rflags & ~(uint64_t)FLAGS_USER) | (r->flags & FLAGS_USER) | FLAGS_FIXED;
}

/* Puts the floating-point state below `sp`. Its address, or -EFAULT. */
static int64_t push_fpstate(struct task *t, const struct x86_state *s, uint64_t sp)
{
    struct fpstate f = {.status = s->fpu_status};
    uint64_t fx = (sp - sizeof(f.fxsave)) & ~(uint64_t)(FX_ALIGN - 1);
    uint64_t at = (uint32_t)(fx - offsetof(struct fpstate, fxsave));
    x86_fsave_image(s, f.fsave);
    x86_fxsave_image(s, f.fxsave);
    return task_write(t, at, &f, sizeof(f)) == 0 ? (int64_t)at : -EFAULT;
}

static int pop_fpstate(struct task *t, struct x86_state *s, uint64_t at)
{
    struct fpstate f;
    if (at == 0)
        return 0;
    if (task_read(t, at, &f, sizeof(f)) != 0)
        return -EFAULT;
    f.fxsave[MXCSR_AT + 2] = f.fxsave[MXCSR_AT + 3] = 0; /* reserved bits are dropped */
    x86_fxrstor_image(s, f.fxsave);
    return 0;
}

/* So that the handler finds its stack as after a call. */
static uint64_t align(uint64_t sp, size_t frame)
{
    return (((sp - frame) + 4) & ~UINT64_C(15)) - 4;
}

/* movl $number, %eax; int $0x80: what a program without a restorer returns to. */
static void return_code(uint8_t code[8], bool pop, uint8_t number)
{
    const uint8_t bytes[] = {0x58, 0xb8, number, 0, 0, 0, 0xcd, 0x80, 0};
    memcpy(code, pop ? bytes : bytes + 1, 8);
}

static int push_plain(struct task *t, struct x86_state *s, const struct signal_info *info,
                      const struct signal_action *action, uint64_t sp, uint64_t fpstate)
{
    struct frame f = {.signo = (uint32_t)info->signo};
    sp = align(sp, sizeof(f));
    registers_save(t, s, &f.registers);
    f.registers.fpstate = (uint32_t)fpstate;
    f.mask_high = (uint32_t)(sigframe_mask(t) >> 32);
    return_code(f.code, true, SIGRETURN);
    f.return_addr =
        (uint32_t)((action->flags & SIGNAL_RESTORER) != 0 ? action->restorer
                                                          : sp + offsetof(struct frame, code));
    if (task_write(t, sp, &f, sizeof(f)) != 0)
        return -EFAULT;
    s->reg[X86_RSP] = (uint32_t)sp;
    s->reg[X86_RDX] = s->reg[X86_RCX] = 0;
    return 0;
}

static int push_with_info(struct task *t, struct x86_state *s, const struct signal_info *info,
                          const struct signal_action *action, uint64_t sp, uint64_t fpstate)
{
    struct rt_frame f = {.signo = (uint32_t)info->signo};
    uint64_t addr, size;
    sp = align(sp, sizeof(f));
    f.info_addr = (uint32_t)(sp + offsetof(struct rt_frame, info));
    f.context_addr = (uint32_t)(sp + offsetof(struct rt_frame, flags));
    abi_info_out(task_abi(t), info, f.info);
    sigframe_stack(t, s->reg[X86_RSP], &addr, &f.stack_flags, &size);
    f.stack_addr = (uint32_t)addr;
    f.stack_size = (uint32_t)size;
    registers_save(t, s, &f.registers);
    f.registers.fpstate = (uint32_t)fpstate;
    uint64_t mask = sigframe_mask(t);
    f.mask[0] = (uint32_t)mask;
    f.mask[1] = (uint32_t)(mask >> 32);
    return_code(f.code, false, RT_SIGRETURN);
    f.return_addr =
        (uint32_t)((action->flags & SIGNAL_RESTORER) != 0 ? action->restorer
                                                          : sp + offsetof(struct rt_frame, code));
    if (task_write(t, sp, &f, sizeof(f)) != 0)
        return -EFAULT;
    s->reg[X86_RSP] = (uint32_t)sp;
    s->reg[X86_RDX] = f.info_addr;
    s->reg[X86_RCX] = f.context_addr;
    return 0;
}

int sigframe_i386_push(struct task *t, const struct signal_info *info,
                       const struct signal_action *action)
{
    struct x86_state *s = x86_state(x86_from_cpu(t->cpu));
    uint64_t sp = sigframe_top(t, action, s->reg[X86_RSP], 0);
    int64_t fpstate = push_fpstate(t, s, sp);
    if (fpstate < 0)
        return -EFAULT;
    int error = (action->flags & SA_SIGINFO) != 0
                    ? push_with_info(t, s, info, action, (uint64_t)fpstate, (uint64_t)fpstate)
                    : push_plain(t, s, info, action, (uint64_t)fpstate, (uint64_t)fpstate);
    if (error != 0)
        return error;
    sigframe_disarm(t);
    s->reg[X86_RAX] = (uint32_t)info->signo;
    s->rip = (uint32_t)action->handler;
    s->rflags &= ~(uint64_t)FLAGS_IN_HANDLER;
    s->selector[X86_DS] = s->selector[X86_ES] = X86_SELECTOR_DATA;
    return 0;
}

/* The return address is gone from the stack, and of the plain frame the signal's number. */
int sigframe_i386_pop(struct task *t, bool with_info)
{
    struct x86_state *s = x86_state(x86_from_cpu(t->cpu));
    struct rt_frame rt;
    struct frame f;
    uint64_t sp = s->reg[X86_RSP];
    if (with_info ? task_read(t, sp - 4, &rt, sizeof(rt)) != 0
                  : task_read(t, sp - 8, &f, sizeof(f)) != 0)
        return -EFAULT;
    const struct registers *r = with_info ? &rt.registers : &f.registers;
    if (pop_fpstate(t, s, r->fpstate) != 0)
        return -EFAULT;
    uint64_t mask = with_info ? (uint64_t)rt.mask[1] << 32 | rt.mask[0]
                              : (uint64_t)f.mask_high << 32 | f.registers.old_mask;
    sigframe_mask_back(t, mask);
    registers_restore(s, r);
    if (with_info)
        sigframe_stack_back(t, r->sp, rt.stack_addr, rt.stack_flags, rt.stack_size);
    return 0;
}
