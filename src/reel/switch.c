#include "reel/switch.h"

#include <stdint.h>

#if defined(__x86_64__) && !defined(REEL_SWITCH_UCONTEXT)

/* What the System V ABI says a call keeps: rbx, rbp, r12-r15, and the control words of SSE and x87.
 * A new stack has the entry in r13 and its argument in r12. */
__asm__(".text\n"
        ".globl reel_switch_stack\n"
        ".hidden reel_switch_stack\n"
        ".type reel_switch_stack, @function\n"
        "reel_switch_stack:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    subq $8, %rsp\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    addq $8, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size reel_switch_stack, . - reel_switch_stack\n"
        ".globl reel_switch_begin\n"
        ".hidden reel_switch_begin\n"
        ".type reel_switch_begin, @function\n"
        "reel_switch_begin:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n" /* here a backtrace ends */
        "    movq %r12, %rdi\n"
        "    xorl %ebp, %ebp\n"
        "    call *%r13\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size reel_switch_begin, . - reel_switch_begin\n");

void reel_switch_begin(void);

struct frame {
    uint32_t mxcsr;
    uint16_t x87, unused;
    uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};

void *reel_switch_prepare(void *low, size_t size, void (*entry)(void *argument), void *argument)
{
    uintptr_t top = ((uintptr_t)low + size) & ~(uintptr_t)15;
    struct frame *frame = (struct frame *)(top - 16) - 1; /* aligned to 16 after the `ret` */
    *frame = (struct frame){
        .mxcsr = 0x1f80, /* as a process begins */
        .x87 = 0x37f,
        .r13 = (uintptr_t)entry,
        .r12 = (uintptr_t)argument,
        .rip = (uintptr_t)reel_switch_begin,
    };
    return frame;
}

#elif defined(__aarch64__) && !defined(REEL_SWITCH_UCONTEXT)

/* What AAPCS64 says a call keeps: x19-x30, d8-d15; and the rounding mode. A new stack has the entry in x20 and its argument
 * in x19. */
__asm__(".text\n"
        ".globl reel_switch_stack\n"
        ".hidden reel_switch_stack\n"
        ".type reel_switch_stack, %function\n"
        "reel_switch_stack:\n"
        "    sub sp, sp, #176\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mrs x9, fpcr\n"
        "    str x9, [sp, #160]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    ldr x9, [sp, #160]\n"
        "    msr fpcr, x9\n"
        "    add sp, sp, #176\n"
        "    ret\n"
        ".size reel_switch_stack, . - reel_switch_stack\n"
        ".globl reel_switch_begin\n"
        ".hidden reel_switch_begin\n"
        ".type reel_switch_begin, %function\n"
        "reel_switch_begin:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n" /* here a backtrace ends */
        "    mov x0, x19\n"
        "    blr x20\n"
        "    brk #1\n"
        "    .cfi_endproc\n"
        ".size reel_switch_begin, . - reel_switch_begin\n");

void reel_switch_begin(void);

struct frame {
    uint64_t x[12]; /* from x19 on */
    uint64_t d[8];
    uint64_t fpcr, unused;
};

void *reel_switch_prepare(void *low, size_t size, void (*entry)(void *argument), void *argument)
{
    uintptr_t top = ((uintptr_t)low + size) & ~(uintptr_t)15;
    struct frame *frame = (struct frame *)top - 1;
    *frame = (struct frame){.fpcr = 0};
    frame->x[0] = (uintptr_t)argument;
    frame->x[1] = (uintptr_t)entry;
    frame->x[11] = (uintptr_t)reel_switch_begin;
    return frame;
}

#else

#include <ucontext.h>

/* makecontext hands over ints: a pointer is two of them. */
static void begin(unsigned entry_high, unsigned entry_low, unsigned high, unsigned low)
{
    void (*entry)(void *argument) =
        (void (*)(void *))(uintptr_t)((uint64_t)entry_high << 32 | entry_low);
    entry((void *)(uintptr_t)((uint64_t)high << 32 | low));
}

/* The context lies on the stack that it is of: at its top before it begins, in the frame of
 * reel_switch_stack while it waits. */
void *reel_switch_prepare(void *low, size_t size, void (*entry)(void *argument), void *argument)
{
    uintptr_t top = ((uintptr_t)low + size - sizeof(ucontext_t)) & ~(uintptr_t)63;
    ucontext_t *context = (ucontext_t *)top;
    getcontext(context);
    context->uc_stack.ss_sp = low;
    context->uc_stack.ss_size = top - (uintptr_t)low;
    context->uc_link = NULL;
    const uint64_t e = (uintptr_t)entry, a = (uintptr_t)argument;
    makecontext(context, (void (*)(void))begin, 4, (unsigned)(e >> 32), (unsigned)e,
                (unsigned)(a >> 32), (unsigned)a);
    return context;
}

void reel_switch_stack(void **from, void *to)
{
    ucontext_t here;
    *from = &here;
    swapcontext(&here, to);
}

#endif
