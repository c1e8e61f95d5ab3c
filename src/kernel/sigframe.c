/* The frame of a signal handler on the guest's stack, exactly as x86-64 Linux lays it out: return
 * address, struct ucontext, siginfo_t, and above them the FXSAVE image. Programs look into it, and
 * rt_sigreturn reads it back. */
#include "cpu/x86.h"
#include "kernel/signal.h"
#include "kernel/task.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

enum {
    RED_ZONE = 128,
    STACK_SMALLEST = 2048, /* MINSIGSTKSZ */
    FX_ALIGN = 64,
    SELECTOR_CODE = 0x33,
    SELECTOR_STACK = 0x2b,
    MXCSR_MASK = 0xffff,
    /* Flags that a program may set: AC OF DF TF SF ZF AF PF CF RF (FIX_EFLAGS). */
    FLAGS_USER = 0x50dd5,
    FLAGS_FIXED = 0x202,        /* always one; interrupts are on */
    FLAGS_IN_HANDLER = 0x10500, /* RF TF DF: cleared for the handler */
    UC_SIGCONTEXT_SS = 2,
    UC_STRICT_RESTORE_SS = 4,
    SIGNAL_STACK_FLAGS = SS_ONSTACK | SS_DISABLE,
};
#define STACK_AUTODISARM 0x80000000U

struct frame_fx { /* FXSAVE, 64-bit form */
    uint16_t control, status;
    uint8_t tag, reserved;
    uint16_t opcode;
    uint64_t ip, dp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    uint64_t xmm[16][2];
    uint8_t rest[96];
};
_Static_assert(sizeof(struct frame_fx) == 512, "FXSAVE");

struct frame_registers { /* struct sigcontext_64 */
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t di, si, bp, bx, dx, ax, cx, sp, ip, flags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, trap, old_mask, fault_addr, fx_addr;
    uint64_t reserved[8];
};
_Static_assert(sizeof(struct frame_registers) == 256, "struct sigcontext");

struct frame {
    uint64_t return_addr;
    uint64_t uc_flags, uc_link;
    uint64_t stack_addr;
    uint32_t stack_flags, pad;
    uint64_t stack_size;
    struct frame_registers registers;
    uint64_t mask;
    uint8_t info[SIGNAL_INFO_BYTES];
};
_Static_assert(sizeof(struct frame) == 440, "struct rt_sigframe");

/* ---- siginfo_t ---- */

enum { INFO_PID = 16, INFO_UID = 20, INFO_STATUS = 24, INFO_VALUE = 24, INFO_ADDR = 16 };

static bool is_fault(const struct signal_info *info)
{
    bool faults = info->signo == SIGSEGV || info->signo == SIGBUS || info->signo == SIGILL ||
                  info->signo == SIGFPE || info->signo == SIGTRAP;
    return faults && info->code > 0 && info->code < SI_KERNEL;
}

static void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

void signal_info_encode(const struct signal_info *info, uint8_t out[SIGNAL_INFO_BYTES])
{
    memset(out, 0, SIGNAL_INFO_BYTES);
    put32(out, (uint32_t)info->signo);
    put32(out + 4, (uint32_t)info->error);
    put32(out + 8, (uint32_t)info->code);
    if (is_fault(info)) {
        memcpy(out + INFO_ADDR, &info->value, 8);
        return;
    }
    put32(out + INFO_PID, (uint32_t)info->pid);
    put32(out + INFO_UID, info->uid);
    if (info->signo == SIGCHLD && info->code > 0)
        put32(out + INFO_STATUS, (uint32_t)info->status);
    else
        memcpy(out + INFO_VALUE, &info->value, 8);
}

void signal_info_decode(struct signal_info *info, const uint8_t in[SIGNAL_INFO_BYTES])
{
    memset(info, 0, sizeof(*info));
    memcpy(&info->signo, in, 4);
    memcpy(&info->error, in + 4, 4);
    memcpy(&info->code, in + 8, 4);
    memcpy(&info->pid, in + INFO_PID, 4);
    memcpy(&info->uid, in + INFO_UID, 4);
    memcpy(&info->value, in + INFO_VALUE, 8);
}

/* ---- Making the frame ---- */

static void fx_save(const struct x86_state *s, struct frame_fx *fx)
{
    memset(fx, 0, sizeof(*fx));
    fx->control = s->fpu_control;
    fx->status = s->fpu_status;
    fx->tag = s->fpu_tag;
    fx->opcode = s->fpu_opcode;
    fx->ip = s->fpu_ip;
    fx->dp = s->fpu_dp;
    fx->mxcsr = s->mxcsr;
    fx->mxcsr_mask = MXCSR_MASK;
    memcpy(fx->st, s->fpu, sizeof(fx->st));
    memcpy(fx->xmm, s->xmm, sizeof(fx->xmm));
}

static void fx_restore(struct x86_state *s, const struct frame_fx *fx)
{
    s->fpu_control = fx->control;
    s->fpu_status = fx->status;
    s->fpu_tag = fx->tag;
    s->fpu_opcode = fx->opcode;
    s->fpu_ip = fx->ip;
    s->fpu_dp = fx->dp;
    s->mxcsr = fx->mxcsr & MXCSR_MASK;
    memcpy(s->fpu, fx->st, sizeof(fx->st));
    memcpy(s->xmm, fx->xmm, sizeof(fx->xmm));
}

static void registers_save(const struct task *t, const struct x86_state *s,
                           struct frame_registers *r)
{
    *r = (struct frame_registers){
        .r8 = s->reg[X86_R8],
        .r9 = s->reg[X86_R9],
        .r10 = s->reg[X86_R10],
        .r11 = s->reg[X86_R11],
        .r12 = s->reg[X86_R12],
        .r13 = s->reg[X86_R13],
        .r14 = s->reg[X86_R14],
        .r15 = s->reg[X86_R15],
        .di = s->reg[X86_RDI],
        .si = s->reg[X86_RSI],
        .bp = s->reg[X86_RBP],
        .bx = s->reg[X86_RBX],
        .dx = s->reg[X86_RDX],
        .ax = s->reg[X86_RAX],
        .cx = s->reg[X86_RCX],
        .sp = s->reg[X86_RSP],
        .ip = s->rip,
        .flags = s->rflags,
        .cs = SELECTOR_CODE,
        .ss = SELECTOR_STACK,
        .error = t->fault_error,
        .trap = t->fault_trap,
        .fault_addr = t->fault_addr,
    };
}

static void registers_restore(struct x86_state *s, const struct frame_registers *r)
{
    s->reg[X86_R8] = r->r8;
    s->reg[X86_R9] = r->r9;
    s->reg[X86_R10] = r->r10;
    s->reg[X86_R11] = r->r11;
    s->reg[X86_R12] = r->r12;
    s->reg[X86_R13] = r->r13;
    s->reg[X86_R14] = r->r14;
    s->reg[X86_R15] = r->r15;
    s->reg[X86_RDI] = r->di;
    s->reg[X86_RSI] = r->si;
    s->reg[X86_RBP] = r->bp;
    s->reg[X86_RBX] = r->bx;
    s->reg[X86_RDX] = r->dx;
    s->reg[X86_RAX] = r->ax;
    s->reg[X86_RCX] = r->cx;
    s->reg[X86_RSP] = r->sp;
    s->rip = r->ip;
    s->rflags = (s->rflags & ~(uint64_t)FLAGS_USER) | (r->flags & FLAGS_USER) | FLAGS_FIXED;
}

bool signal_is_on_stack(const struct task *t, uint64_t sp)
{
    const struct signal_state *s = &t->signals;
    if ((s->stack_flags & STACK_AUTODISARM) != 0)
        return false;
    return sp > s->stack_addr && sp - s->stack_addr <= s->stack_size;
}

/* Where the frame begins to be built, downwards. */
static uint64_t stack_top(const struct task *t, const struct signal_action *action, uint64_t sp)
{
    const struct signal_state *s = &t->signals;
    if ((action->flags & SA_ONSTACK) == 0 || s->stack_size == 0 || signal_is_on_stack(t, sp))
        return sp - RED_ZONE;
    return s->stack_addr + s->stack_size;
}

static void fill(const struct task *t, const struct x86_state *s, struct frame *f)
{
    const struct signal_state *own = &t->signals;
    f->uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    f->stack_addr = own->stack_addr;
    f->stack_size = own->stack_size;
    f->stack_flags = own->stack_flags & STACK_AUTODISARM;
    if (own->stack_size == 0)
        f->stack_flags |= SS_DISABLE;
    else if (signal_is_on_stack(t, s->reg[X86_RSP]))
        f->stack_flags |= SS_ONSTACK;
    registers_save(t, s, &f->registers);
    f->mask = own->restore_blocked ? own->saved_blocked : own->blocked;
    f->registers.old_mask = f->mask;
}

int sigframe_push(struct task *t, const struct signal_info *info,
                  const struct signal_action *action)
{
    struct x86_state *s = x86_state(x86_from_cpu(t->cpu));
    struct frame f = {.return_addr = action->restorer};
    struct frame_fx fx;
    if ((action->flags & SIGNAL_RESTORER) == 0)
        return -EFAULT;
    uint64_t sp = stack_top(t, action, s->reg[X86_RSP]);
    uint64_t fx_addr = (sp - sizeof(fx)) & ~(uint64_t)(FX_ALIGN - 1);
    sp = ((fx_addr - sizeof(f)) & ~UINT64_C(15)) - 8;
    fill(t, s, &f);
    f.registers.fx_addr = fx_addr;
    signal_info_encode(info, f.info);
    fx_save(s, &fx);
    if (task_write(t, fx_addr, &fx, sizeof(fx)) != 0 || task_write(t, sp, &f, sizeof(f)) != 0)
        return -EFAULT;
    if ((t->signals.stack_flags & STACK_AUTODISARM) != 0) {
        t->signals.stack_addr = t->signals.stack_size = 0;
        t->signals.stack_flags = SS_DISABLE;
    }
    s->reg[X86_RDI] = (uint64_t)info->signo;
    s->reg[X86_RSI] = sp + offsetof(struct frame, info);
    s->reg[X86_RDX] = sp + offsetof(struct frame, uc_flags);
    s->reg[X86_RAX] = 0;
    s->reg[X86_RSP] = sp;
    s->rip = action->handler;
    s->rflags &= ~(uint64_t)FLAGS_IN_HANDLER;
    return 0;
}

/* ---- Going back ---- */

static void stack_restore(struct task *t, const struct frame *f)
{
    struct signal_state *s = &t->signals;
    if (signal_is_on_stack(t, f->registers.sp))
        return; /* it stands on it: no change, as Linux */
    if ((f->stack_flags & SS_DISABLE) != 0) {
        s->stack_addr = s->stack_size = 0;
        s->stack_flags = SS_DISABLE;
    } else if (f->stack_size >= STACK_SMALLEST) {
        s->stack_addr = f->stack_addr;
        s->stack_size = f->stack_size;
        s->stack_flags = f->stack_flags & STACK_AUTODISARM;
    }
}

int sigframe_pop(struct task *t)
{
    struct x86_state *s = x86_state(x86_from_cpu(t->cpu));
    struct frame f;
    struct frame_fx fx;
    if (task_read(t, s->reg[X86_RSP] - 8, &f, sizeof(f)) != 0)
        return -EFAULT;
    if (f.registers.fx_addr != 0) {
        if (task_read(t, f.registers.fx_addr, &fx, sizeof(fx)) != 0)
            return -EFAULT;
        fx_restore(s, &fx);
    }
    t->signals.blocked = f.mask & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
    registers_restore(s, &f.registers);
    stack_restore(t, &f);
    return 0;
}
