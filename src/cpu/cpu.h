/* A processor of whatever kind, as the kernel sees it: a table of functions for each kind. User
 * mode only; plain C; no code is generated, every memory access goes through the space.
 *
 * A kind's structure begins with a `struct cpu`, and its header names its tables (x86.h: x86_64_ops,
 * x86_32_ops). What no kernel needs of all kinds, such as the registers of a signal frame, stays in
 * that header too. Addresses are 64-bit values everywhere; those of a 32-bit processor are
 * zero-extended, and wrap at 32 bits inside of it. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "cpu/space.h"

/* Why the processor stopped. Unless it says otherwise, the pc stands at the instruction, and the
 * instruction changed nothing: no register, no memory. */
enum cpu_stop {
    CPU_STOP_BUDGET,  /* the instructions are used up, or enough was decoded; call again to go on */
    CPU_STOP_SYSCALL, /* a system call: the pc stands behind it, the registers are the caller's */
    CPU_STOP_SYSCALL32, /* x86-64 alone: the same by `int 0x80`, numbers and registers of i386 */
    CPU_STOP_PROBE,     /* the pc reached a probe; the instruction there has not run yet */
    CPU_STOP_PAGE,      /* page fault: address and access in the trap */
    CPU_STOP_ILLEGAL,   /* no such instruction: SIGILL */
    CPU_STOP_DIVIDE,   /* integer division by zero, or what a compiler puts for it (MIPS: trap 7) */
    CPU_STOP_OVERFLOW, /* integer overflow (MIPS: add, trap 6; i386: into) */
    CPU_STOP_BOUND,    /* i386: bound */
    CPU_STOP_BREAK,    /* a breakpoint; x86: the pc stands behind it */
    CPU_STOP_PROTECT,  /* x86: #GP. Others: privileged or an address not the user's */
    CPU_STOP_FLOAT,    /* an unmasked floating-point exception */
    CPU_STOP_ALIGN,    /* an address not aligned as the instruction needs it: in the trap */
    CPU_STOP_NOMEM,    /* the pool of frames is used up */
};

struct cpu_trap {
    uint64_t addr;   /* CPU_STOP_PAGE, CPU_STOP_ALIGN: the address */
    unsigned access; /* the same: CPU_READ, CPU_WRITE or CPU_EXEC */
    bool mapped;     /* CPU_STOP_PAGE: the page is there, its protection forbids */
};

/* Decoded code, shared by all processors of the process: a store for each family, made when the
 * first of its processors is. `max_bytes` bounds each store; what does not fit is thrown out and
 * decoded again. */
struct cpu_code;
struct cpu_code *cpu_code_new(size_t max_bytes); /* NULL: out of memory */
void cpu_code_free(struct cpu_code *code);       /* every processor must be gone */

/* A program that writes its own code has it decoded again and again, which takes a hundred times as long as
 * to execute it. From here on, when so much was decoded (in instructions, about), processors stop with
 * CPU_STOP_BUDGET although some of it is left; each still executes an instruction. UINT64_MAX, and so it is
 * at first: never. */
void cpu_code_allow(struct cpu_code *code, uint64_t work);
/* Whether that was reached, and what was done since. */
bool cpu_code_is_tired(const struct cpu_code *code);
uint64_t cpu_code_work(const struct cpu_code *code);

/* The registers of a system call, as they lie in the processor. */
enum { CPU_CALL_ARGS = 7 };
struct cpu_call {
    uint64_t number;
    /* In the order of the calling convention. x86 and ARM: all there are (x86: six, ARM: seven);
     * MIPS o32: the first four are $a0 to $a3, the others lie on the stack, for the caller to
     * read at sp + 16. Of 32-bit processors zero-extended. */
    uint64_t arg[CPU_CALL_ARGS];
};

enum cpu_family { CPU_FAMILY_X86, CPU_FAMILY_MIPS, CPU_FAMILY_ARM, CPU_FAMILY_COUNT };

/* At most so many probes a processor. */
enum { CPU_PROBES_MAX = 8 };

struct cpu;
struct cpu_ops {
    const char *name_z; /* "x86-64", "i386", "mips", "mipsel", "arm" ... : for people */
    enum cpu_family family;
    size_t state_bytes; /* of save and load */

    /* The family's store of decoded code; opaque. NULL functions: the family has none. */
    void *(*store_new)(size_t max_bytes);
    void (*store_free)(void *store);

    /* In its reset state; borrows all three. NULL: out of memory. */
    struct cpu *(*new)(const struct cpu_ops *ops, void *store, struct cpu_space *space);
    void (*free)(struct cpu *cpu); /* never NULL here */
    void (*set_space)(struct cpu *cpu, struct cpu_space *space);

    /* Runs at most `budget` instructions, one at least. Counts them into *used (never more than budget). *trap
     * is set whatever happens; all zero when the stop has nothing to say. */
    enum cpu_stop (*run)(struct cpu *cpu, uint64_t budget, uint64_t *used, struct cpu_trap *trap);

    /* The program's whole state as plain bytes, between runs: what fork copies and a snapshot
     * keeps. Not in it: space, probes, decoded code. `load` answers 0, or -EINVAL with nothing
     * changed when no program could have got there (bytes may come from a file). */
    void (*save)(const struct cpu *cpu, void *out);
    int (*load)(struct cpu *cpu, const void *in);

    /* Registers as a new program finds them. */
    void (*start)(struct cpu *cpu, uint64_t pc, uint64_t sp);
    uint64_t (*pc)(const struct cpu *cpu);
    void (*set_pc)(struct cpu *cpu, uint64_t pc);
    uint64_t (*sp)(const struct cpu *cpu);
    void (*set_sp)(struct cpu *cpu, uint64_t sp);
    /* The thread pointer: x86-64 the base of fs, i386 the base of gs, MIPS what rdhwr $29 reads,
     * ARM TPIDRURO. */
    uint64_t (*tls)(const struct cpu *cpu);
    void (*set_tls)(struct cpu *cpu, uint64_t tls);

    /* After CPU_STOP_SYSCALL: what is asked; then either of the two. Results of -4095 to -1 are
     * errors (MIPS: $a3 becomes 1 and $v0 the number without its sign; otherwise $a3 becomes 0). */
    void (*call)(const struct cpu *cpu, struct cpu_call *out);
    void (*set_result)(struct cpu *cpu, int64_t result);
    /* The pc back to the instruction of the call, so that it is made again as it was: no
     * set_result came in between. `number` goes where a call's number is (restart_syscall). */
    void (*call_again)(struct cpu *cpu, uint64_t number);
    /* A second result beside the first (MIPS: pipe's $v1). NULL: the kind has none. */
    void (*set_second)(struct cpu *cpu, uint64_t value);

    /* A probe makes the processor stop before the instruction at `addr` (once; the next run passes
     * it). 0 or -ENOSPC. */
    int (*probe_add)(struct cpu *cpu, uint64_t addr);
    void (*probe_clear)(struct cpu *cpu, uint64_t addr);
};

struct cpu {
    const struct cpu_ops *ops;
};

struct cpu *cpu_new(const struct cpu_ops *ops, struct cpu_code *code, struct cpu_space *space);
/* What fork needs: the same state on another space, without probes. NULL: out of memory. */
struct cpu *cpu_clone(const struct cpu *cpu, struct cpu_code *code, struct cpu_space *space);
void cpu_free(struct cpu *cpu); /* takes NULL */

static inline enum cpu_stop cpu_run(struct cpu *cpu, uint64_t budget, uint64_t *used,
                                    struct cpu_trap *trap)
{
    return cpu->ops->run(cpu, budget, used, trap);
}

#endif
