/* The frame of a signal handler on the guest's stack, exactly as x86-64 Linux lays it out: return
 * address, struct ucontext, siginfo_t, and above them the FXSAVE image. Programs look into it, and
 * rt_sigreturn reads it back. */
#include "kernel/sigframe.h"

#include "cpu/x86.h"
#include "kernel/task.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

enum {
    RED_ZONE = 128,
    STACK_SMALLEST = 2048, /* MINSIGSTKSZ */
    FX_ALIGN = 64,
    MXCSR_AT = 24, /* in the image of fxsave */
    SELECTOR_CODE = 0x33,
    SELECTOR_STACK = 0x2b,
    /* Flags that a program may set: AC OF DF TF SF ZF AF PF CF RF (FIX_EFLAGS). */
    FLAGS_USER = 0x50dd5,
    FLAGS_FIXED = 0x202,        /* always one; interrupts are on */
    FLAGS_IN_HANDLER = 0x10500, /* RF TF DF: cleared for the handler */
    UC_SIGCONTEXT_SS = 2,
    UC_STRICT_RESTORE_SS = 4,
    SIGNAL_STACK_FLAGS = SS_ONSTACK | SS_DISABLE,
};
#define STACK_AUTODISARM 0x80000000U

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

uint64_t sigframe_top(const struct task *t, const struct signal_action *action, uint64_t sp,
                      uint64_t red_zone)
{
    const struct signal_state *s = &t->signals;
    if ((action->flags & SA_ONSTACK) == 0 || s->stack_size == 0 || signal_is_on_stack(t, sp))
        return sp - red_zone;
    return s->stack_addr + s->stack_size;
}

uint64_t sigframe_mask(const struct task *t)
{
    return t->signals.restore_blocked ? t->signals.saved_blocked : t->signals.blocked;
}

void sigframe_stack(const struct task *t, uint64_t sp, uint64_t *addr, uint32_t *flags,
                    uint64_t *size)
{
    const struct signal_state *own = &t->signals;
    *addr = own->stack_addr;
    *size = own->stack_size;
    *flags = own->stack_flags & STACK_AUTODISARM;
    if (own->stack_size == 0)
        *flags |= SS_DISABLE;
    else if (signal_is_on_stack(t, sp))
        *flags |= SS_ONSTACK;
}

void sigframe_disarm(struct task *t)
{
    if ((t->signals.stack_flags & STACK_AUTODISARM) == 0)
        return;
    t->signals.stack_addr = t->signals.stack_size = 0;
    t->signals.stack_flags = SS_DISABLE;
}

static void fill(const struct task *t, const struct x86_state *s, struct frame *f)
{
    f->uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    sigframe_stack(t, s->reg[X86_RSP], &f->stack_addr, &f->stack_flags, &f->stack_size);
    registers_save(t, s, &f->registers);
    f->mask = f->registers.old_mask = sigframe_mask(t);
}

int sigframe_push(struct task *t, const struct signal_info *info,
                  const struct signal_action *action)
{
    struct x86_state *s = x86_state(x86_from_cpu(t->cpu));
    struct frame f = {.return_addr = action->restorer};
    uint8_t fx[X86_FXSAVE_BYTES];
    if ((action->flags & SIGNAL_RESTORER) == 0)
        return -EFAULT;
    uint64_t sp = sigframe_top(t, action, s->reg[X86_RSP], RED_ZONE);
    uint64_t fx_addr = (sp - sizeof(fx)) & ~(uint64_t)(FX_ALIGN - 1);
    sp = ((fx_addr - sizeof(f)) & ~UINT64_C(15)) - 8;
    fill(t, s, &f);
    f.registers.fx_addr = fx_addr;
    signal_info_encode(info, f.info);
    x86_fxsave_image(s, fx);
    if (task_write(t, fx_addr, fx, sizeof(fx)) != 0 || task_write(t, sp, &f, sizeof(f)) != 0)
        return -EFAULT;
    sigframe_disarm(t);
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

void sigframe_stack_back(struct task *t, uint64_t sp, uint64_t addr, uint32_t flags, uint64_t size)
{
    struct signal_state *s = &t->signals;
    if (signal_is_on_stack(t, sp))
        return; /* it stands on it: no change, as Linux */
    if ((flags & SS_DISABLE) != 0) {
        s->stack_addr = s->stack_size = 0;
        s->stack_flags = SS_DISABLE;
    } else if (size >= STACK_SMALLEST) {
        s->stack_addr = addr;
        s->stack_size = size;
        s->stack_flags = flags & STACK_AUTODISARM;
    }
}

void sigframe_mask_back(struct task *t, uint64_t mask)
{
    t->signals.blocked = mask & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
}

int sigframe_pop(struct task *t, bool with_info)
{
    (void)with_info; /* there is one kind of frame */
    struct x86_state *s = x86_state(x86_from_cpu(t->cpu));
    struct frame f;
    uint8_t fx[X86_FXSAVE_BYTES];
    if (task_read(t, s->reg[X86_RSP] - 8, &f, sizeof(f)) != 0)
        return -EFAULT;
    if (f.registers.fx_addr != 0) {
        if (task_read(t, f.registers.fx_addr, fx, sizeof(fx)) != 0)
            return -EFAULT;
        fx[MXCSR_AT + 2] = fx[MXCSR_AT + 3] = 0; /* reserved bits are dropped */
        x86_fxrstor_image(s, fx);
    }
    sigframe_mask_back(t, f.mask);
    registers_restore(s, &f.registers);
    sigframe_stack_back(t, f.registers.sp, f.stack_addr, f.stack_flags, f.stack_size);
    return 0;
}
