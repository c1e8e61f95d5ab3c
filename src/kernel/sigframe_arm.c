/* The frames of ARM's handlers, with the VFP's registers in them: struct sigframe and rt_sigframe
 * (arch/arm/kernel/signal.c, uapi/asm/ucontext.h). */
#include "kernel/abi_info.h"
#include "kernel/sigframe.h"

#include "cpu/arm.h"
#include "kernel/mm.h"
#include "kernel/task.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

enum {
    PLAIN_FLAGS = 0x5ac3c35a, /* uc_flags of a frame without siginfo_t */
    VFP_MAGIC = 0x56465001,
    VFP_ENABLED = 0x40000000, /* FPEXC.EN */
    THUMB = 1,                /* of an address */
    CODE_BYTES = 8,           /* of each piece in the page that handlers return to */
    TRAP_PAGE = 14,           /* a page fault, and the bits of its error code (run.c) */
    FAULT_PRESENT = 1,
    FAULT_WRITE = 2,
    FAULT_FETCH = 16,
    FSR_TRANSLATION = 7, /* what the processor's fault status says of it */
    FSR_PERMISSION = 15,
    FSR_WRITE = 0x800,
};
#define FSR_FETCH      0x80000000u
#define FLAGS_CHANGING 0xff000000u /* PSR_f: not the handler's */

struct vfp { /* struct vfp_sigframe */
    uint32_t magic, bytes;
    uint64_t d[32];
    uint32_t fpscr, pad;
    uint32_t fpexc, fpinst, fpinst2, pad2;
};
_Static_assert(sizeof(struct vfp) == 288, "struct vfp_sigframe");

struct plain_frame { /* struct sigframe: a struct ucontext, and room for code */
    uint32_t flags, link, stack_addr, stack_flags, stack_size;
    uint32_t trap, error, old_mask, reg[16], cpsr, fault_addr; /* struct sigcontext */
    uint32_t mask[2], unused[30];
    struct vfp vfp;
    uint32_t end, more[55]; /* of uc_regspace */
    uint32_t code[4];
};
_Static_assert(offsetof(struct plain_frame, vfp) == 232, "uc_regspace");
_Static_assert(sizeof(struct plain_frame) == 760, "struct sigframe");

struct rt_frame {
    uint8_t info[SIGNAL_INFO_BYTES];
    struct plain_frame plain;
};

static uint32_t fault_status(const struct task *t)
{
    uint32_t status = (t->fault_error & FAULT_PRESENT) != 0 ? FSR_PERMISSION : FSR_TRANSLATION;
    if (t->fault_trap != TRAP_PAGE)
        return 0;
    if ((t->fault_error & FAULT_WRITE) != 0)
        status |= FSR_WRITE;
    return (t->fault_error & FAULT_FETCH) != 0 ? status | FSR_FETCH : status;
}

static void fill(const struct task *t, const struct arm_state *s, struct plain_frame *f)
{
    uint64_t mask = sigframe_mask(t);
    f->trap = (uint32_t)t->fault_trap;
    f->error = fault_status(t);
    f->old_mask = f->mask[0] = (uint32_t)mask;
    f->mask[1] = (uint32_t)(mask >> 32);
    memcpy(f->reg, s->reg, sizeof(f->reg));
    f->cpsr = s->cpsr;
    f->fault_addr = (uint32_t)t->fault_addr;
    f->vfp = (struct vfp){
        .magic = VFP_MAGIC, .bytes = sizeof(struct vfp), .fpscr = s->fpscr, .fpexc = VFP_ENABLED};
    memcpy(f->vfp.d, s->d, sizeof(f->vfp.d));
}

static void fill_info(const struct task *t, const struct arm_state *s, struct rt_frame *f,
                      const struct signal_info *info)
{
    uint64_t addr, size;
    abi_info_out(task_abi(t), info, f->info);
    sigframe_stack(t, s->reg[ARM_SP], &addr, &f->plain.stack_flags, &size);
    f->plain.stack_addr = (uint32_t)addr;
    f->plain.stack_size = (uint32_t)size;
}

/* What the handler returns to: the program's own code, or a piece of the page. */
static uint32_t return_to(const struct task *t, const struct signal_action *action)
{
    uint32_t thumb = (uint32_t)action->handler & THUMB;
    bool rt = (action->flags & SA_SIGINFO) != 0;
    if ((action->flags & SIGNAL_RESTORER) != 0)
        return (uint32_t)action->restorer;
    return (uint32_t)t->mm->trampoline + (rt ? 2 * CODE_BYTES : 0) + thumb * CODE_BYTES + thumb;
}

int sigframe_arm_push(struct task *t, const struct signal_info *info,
                      const struct signal_action *action)
{
    struct arm_state *s = arm_state(t->cpu);
    struct rt_frame f = {.plain.flags = 0};
    bool rt = (action->flags & SA_SIGINFO) != 0;
    size_t skipped = rt ? 0 : offsetof(struct rt_frame, plain);
    size_t bytes = sizeof(f) - skipped;
    uint64_t sp = (sigframe_top(t, action, s->reg[ARM_SP], 0) - bytes) & ~UINT64_C(7);
    fill(t, s, &f.plain);
    if (rt)
        fill_info(t, s, &f, info);
    else
        f.plain.flags = PLAIN_FLAGS;
    if (task_write(t, (uint32_t)sp, (const uint8_t *)&f + skipped, bytes) != 0)
        return -EFAULT;
    sigframe_disarm(t);
    s->reg[0] = (uint32_t)info->signo;
    if (rt) {
        s->reg[1] = (uint32_t)sp;
        s->reg[2] = (uint32_t)(sp + offsetof(struct rt_frame, plain));
    }
    s->reg[ARM_SP] = (uint32_t)sp;
    s->reg[ARM_LR] = return_to(t, action);
    t->cpu->ops->set_pc(t->cpu, action->handler);
    s->cpsr &= ~FLAGS_CHANGING;
    return 0;
}

static int restore(struct arm_state *s, const struct plain_frame *f)
{
    if (f->vfp.magic != VFP_MAGIC || f->vfp.bytes != sizeof(f->vfp))
        return -EFAULT;
    bool thumb = (f->cpsr & ARM_CPSR_T) != 0;
    memcpy(s->reg, f->reg, sizeof(s->reg));
    s->reg[ARM_PC] &= thumb ? ~1u : ~3u;
    s->cpsr = (f->cpsr & ARM_CPSR_VALID) | ARM_CPSR_USER;
    if (!thumb)
        s->cpsr &= ~ARM_CPSR_IT;
    memcpy(s->d, f->vfp.d, sizeof(s->d));
    s->fpscr = f->vfp.fpscr & ARM_FPSCR_VALID;
    s->ex_bytes = 0;
    return 0;
}

int sigframe_arm_pop(struct task *t, bool with_info)
{
    struct arm_state *s = arm_state(t->cpu);
    struct rt_frame f;
    size_t skipped = with_info ? 0 : offsetof(struct rt_frame, plain);
    uint32_t sp = s->reg[ARM_SP];
    if ((sp & 7) != 0 || task_read(t, sp, (uint8_t *)&f + skipped, sizeof(f) - skipped) != 0 ||
        restore(s, &f.plain) != 0)
        return -EFAULT;
    sigframe_mask_back(t, (uint64_t)f.plain.mask[1] << 32 | f.plain.mask[0]);
    if (with_info)
        sigframe_stack_back(t, s->reg[ARM_SP], f.plain.stack_addr, f.plain.stack_flags,
                            f.plain.stack_size);
    return 0;
}

/* The page that handlers return to (sigreturn, rt_sigreturn; each in ARM and in Thumb state), and
 * the page of helpers above all that is the program's. */
int sigframe_arm_prepare(struct mm *mm)
{
    static const uint32_t code[CPU_PAGE_BYTES / 4] __attribute__((aligned(CPU_PAGE_BYTES))) = {
        0xe3a07077, 0xef900077, /* mov r7, #119; svc */
        0xdf002777, 0,          /* movs r7, #119; svc */
        0xe3a070ad, 0xef9000ad, /* mov r7, #173; svc */
        0xdf0027ad, 0,
    };
    struct mm_request r = {.len = CPU_PAGE_BYTES,
                           .access = CPU_READ | CPU_EXEC,
                           .access_max = CPU_READ | CPU_WRITE | CPU_EXEC};
    int64_t at = mm_map(mm, &r);
    if (at < 0)
        return (int)at;
    mm->trampoline = (uint64_t)at;
    int error = cpu_space_map(mm->space, mm->trampoline, CPU_PAGE_BYTES, r.access,
                              span_of(code, sizeof(code)));
    if (error == 0)
        error = cpu_space_map(mm->space, ARM_HELPERS_AT, CPU_PAGE_BYTES, r.access,
                              span_of(arm_helpers, sizeof(arm_helpers)));
    return error;
}
