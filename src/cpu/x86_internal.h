/* What the files of the x86-64 interpreter share: the decoded instruction, the processor, the
 * decoder's hooks, and the way to the guest's memory. Not for other folders. */
#ifndef CPU_X86_INTERNAL_H
#define CPU_X86_INTERNAL_H

#include "cpu/probes.h"
#include "cpu/store.h"
#include "cpu/x86.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "guest values are copied as they are");

struct x86_insn;

/* Executes one instruction. 0 when it is done (the main loop moves rip on); or, with no
 * architectural state and no memory changed, the CPU_STOP_* it ends with (cpu->trap filled for
 * CPU_STOP_PAGE: the memory helpers below do that). */
typedef int (*x86_handler)(struct x86 *cpu, const struct x86_insn *insn);

/* Slots of x86.r behind the sixteen registers, so that every address is
 * r[base] + (r[index] << scale) + disp without a branch. */
enum {
    X86_R_ZERO = 16, /* always 0: no base, no index */
    X86_R_PAGE,      /* address of the page that the block stands in: rip-relative operands */
    X86_R_FS,
    X86_R_GS,
    X86_R_TEMP, /* an address that needs more than one step is put here by an instruction before */
    X86_R_COUNT,
};

/* One decoded instruction (or a part of one: `parts` before the last have count 0). */
struct x86_insn {
    union {
        x86_handler handler;    /* op X86_OP_HANDLER */
        struct cpu_block *link; /* jumps within the page: the block they lead to, when known */
    };
    uint64_t imm; /* immediate, extended as the instruction wants it */
    int32_t disp;
    uint16_t op;     /* index into the main loop's table */
    uint16_t offset; /* of the instruction's first byte in its page */
    uint8_t reg;     /* ModRM.reg with REX.R */
    uint8_t rm;      /* ModRM.rm with REX.B: the register, when the operand is one */
    uint8_t base;    /* slots of x86.r, when the operand is in memory */
    uint8_t index;
    uint8_t scale; /* 0 to 3: a shift */
    uint8_t size;  /* operand size in bytes: 1, 2, 4, 8 */
    uint8_t len;   /* of the instruction in bytes */
    uint8_t flags; /* X86_INSN_* */
};

enum {
    X86_INSN_MEM = 1,  /* the ModRM operand is in memory */
    X86_INSN_REX = 2,  /* had a REX prefix: byte registers 4-7 are spl, bpl, sil, dil */
    X86_INSN_PART = 4, /* not an instruction of its own: does not count */
    X86_INSN_PAIR = 8, /* two instructions in one: counts twice */
};

enum x86_mode { X86_MODE_64, X86_MODE_32 }; /* of the store */

struct x86 {
    struct cpu base;         /* first: the kernel knows it by that */
    uint64_t r[X86_R_COUNT]; /* the registers while running; x86_state has them in between */
    /* The status flags, as what they are computed from (x86_flags.h). */
    uint64_t flag_result;
    uint64_t flag_carry;
    uint64_t flag_other; /* DF and the bits that only pushf sees */
    struct cpu_tlb *tlb;
    const struct cpu_block *block; /* being executed; NULL between runs */
    int64_t left;                  /* of the budget; up to date in string instructions and rdtsc */
    struct cpu_space *space;
    struct cpu_store *store;
    struct cpu_trap trap;
    struct x86_state state; /* xmm, mxcsr, fpu: always up to date; the rest between runs */
    uint32_t host_mxcsr;    /* between x86_vector_enter and leave: what the host had */
    uint64_t retired;       /* instructions of earlier runs, and the budget of this one */
    uint64_t stamp;         /* marks the jumps of this processor (store.h) */
    uint64_t store_epoch;   /* since when the stamp is good */
    uint64_t exec_epoch;
    uint64_t mask; /* of addresses: UINT32_MAX in 32-bit mode, else UINT64_MAX */
    struct cpu_probes probes;
    bool retrying; /* the instruction writes its own page: a string does one round at a time */
};

static inline bool x86_is_32(const struct x86 *cpu)
{
    return cpu->mask == UINT32_MAX;
}

/* The address of the memory operand. In 32-bit mode it may go over 32 bits: no such page is known to
 * the translation cache, and where that is found out (x86_memory.c), it wraps. */
static inline uint64_t x86_address(const struct x86 *cpu, const struct x86_insn *insn)
{
    return cpu->r[insn->base] + (cpu->r[insn->index] << insn->scale) +
           (uint64_t)(int64_t)insn->disp;
}

/* The address of the instruction itself. */
static inline uint64_t x86_insn_rip(const struct x86 *cpu, const struct x86_insn *insn)
{
    return cpu->r[X86_R_PAGE] + insn->offset;
}

/* The guest's memory. 0, or the stop code to be returned at once. All or nothing, also across
 * pages; `n` is at most 512. An instruction stores first and changes registers after, for a store
 * may have to be tried again. */
int x86_load_slow(struct x86 *cpu, uint64_t addr, void *out, unsigned n);
int x86_store_slow(struct x86 *cpu, uint64_t addr, const void *bytes, unsigned n);
/* A load of what is going to be written: faults as the write would. The store can then not fail. */
int x86_load_to_modify_slow(struct x86 *cpu, uint64_t addr, void *out, unsigned n);

static inline int x86_load(struct x86 *cpu, uint64_t addr, void *out, unsigned n)
{
    const uint8_t *host = cpu_tlb_find(cpu->tlb->read, addr, n);
    if (!host)
        return x86_load_slow(cpu, addr, out, n);
    memcpy(out, host, n);
    return 0;
}

static inline int x86_store(struct x86 *cpu, uint64_t addr, const void *bytes, unsigned n)
{
    uint8_t *host = cpu_tlb_find(cpu->tlb->write, addr, n);
    if (!host)
        return x86_store_slow(cpu, addr, bytes, n);
    memcpy(host, bytes, n);
    return 0;
}

static inline int x86_load_to_modify(struct x86 *cpu, uint64_t addr, void *out, unsigned n)
{
    const uint8_t *host = cpu_tlb_find(cpu->tlb->write, addr, n);
    if (!host)
        return x86_load_to_modify_slow(cpu, addr, out, n);
    memcpy(out, host, n);
    return 0;
}

static inline int x86_load8(struct x86 *cpu, uint64_t addr, uint8_t *out)
{
    return x86_load(cpu, addr, out, 1);
}

static inline int x86_load16(struct x86 *cpu, uint64_t addr, uint16_t *out)
{
    return x86_load(cpu, addr, out, 2);
}

static inline int x86_load32(struct x86 *cpu, uint64_t addr, uint32_t *out)
{
    return x86_load(cpu, addr, out, 4);
}

static inline int x86_load64(struct x86 *cpu, uint64_t addr, uint64_t *out)
{
    return x86_load(cpu, addr, out, 8);
}

static inline int x86_load128(struct x86 *cpu, uint64_t addr, uint64_t out[2])
{
    return x86_load(cpu, addr, out, 16);
}

static inline int x86_store8(struct x86 *cpu, uint64_t addr, uint8_t value)
{
    return x86_store(cpu, addr, &value, 1);
}

static inline int x86_store16(struct x86 *cpu, uint64_t addr, uint16_t value)
{
    return x86_store(cpu, addr, &value, 2);
}

static inline int x86_store32(struct x86 *cpu, uint64_t addr, uint32_t value)
{
    return x86_store(cpu, addr, &value, 4);
}

static inline int x86_store64(struct x86 *cpu, uint64_t addr, uint64_t value)
{
    return x86_store(cpu, addr, &value, 8);
}

static inline int x86_store128(struct x86 *cpu, uint64_t addr, const uint64_t value[2])
{
    return x86_store(cpu, addr, value, 16);
}

/* Sets ZF, PF and CF and clears OF, SF and AF: comiss and its kin, fcomi. */
void x86_flags_set_compare(struct x86 *cpu, bool zf, bool pf, bool cf);
/* rflags as pushf sees it: the status bits, DF, and what else the program may set. */
uint64_t x86_flags(const struct x86 *cpu);
void x86_set_flags(struct x86 *cpu, uint64_t rflags);
/* Condition `code` (0 to 15) as in Jcc, SETcc, CMOVcc, FCMOVcc. */
bool x86_condition(const struct x86 *cpu, unsigned code);

/* A segment register of 32-bit code takes a selector, while running: 0 or CPU_STOP_PROTECT. */
int x86_set_segment(struct x86 *cpu, unsigned segment, uint16_t selector);

/* An internal answer beside CPU_STOP_*: the store would have changed the code being executed, so
 * nothing was stored; to be done again with the instruction alone in its block. */
enum { X86_RETRY = 64 };

/* The decoder at one instruction. */
enum x86_prefix {
    X86_PREFIX_NONE,
    X86_PREFIX_66,
    X86_PREFIX_F3, /* F2 and F3: the last of them wins, and both win over 66 */
    X86_PREFIX_F2,
};

struct x86_decoder {
    const uint8_t *at;      /* the next byte */
    const uint8_t *end;     /* of the bytes that may be read (at most 15 from the start) */
    bool failed;            /* the bytes ended within the instruction */
    bool lock;              /* F0 */
    bool operand16;         /* 66 was there */
    bool mode32;            /* 32-bit code */
    bool rex_w;             /* REX.W */
    uint8_t rex;            /* the REX byte, or 0 */
    uint8_t opcode;         /* the last opcode byte */
    uint8_t modrm;          /* the ModRM byte as it stands */
    enum x86_prefix prefix; /* the mandatory prefix of the 0F map */
    bool address32;         /* 67, in 64-bit code */
    bool address16;         /* 67, in 32-bit code */
    bool rip_relative;      /* the operand's address counts from the instruction's end */
    bool lock_allowed;      /* the instruction is one that F0 may stand before */
    bool ends_block;      /* control does not go on to the next instruction as a matter of course */
    uint8_t segment;      /* X86_R_FS, X86_R_GS, or 0 */
    uint8_t rep;          /* F2, F3 or 0, as the last one stands */
    bool target_relative; /* insn->imm is a jump's distance from the instruction's end */
    bool absolute;        /* the operand's address is insn->imm (moffs) */
};

/* The next byte, as an immediate; 0 and `failed` when there is none. */
uint8_t x86_fetch_u8(struct x86_decoder *d);

/* The hooks of x87 and SSE. Called with prefixes, opcode and ModRM read (0F 77 emms and 9B fwait
 * have none) and the operand's fields of `insn` filled: flags, reg, rm, base, index, scale, disp,
 * size (4 or 8 by REX.W). They read a trailing immediate, if there is one, into insn->imm and set
 * insn->handler and no other field but `size`; the caller does the rest. Registers: for xmm
 * insn->reg and insn->rm are right as they are, for mm and st take them modulo 8.
 * False: not an instruction of ours (#UD). */
/* 0F 10-17, 28-2F, 50-7F, AE /0 to /3 (fxsave, fxrstor, ldmxcsr, stmxcsr), C2, C4-C6, D0-FE. */
bool x86_decode_vector(struct x86_decoder *d, struct x86_insn *insn);
bool x86_decode_fpu(struct x86_decoder *d, struct x86_insn *insn); /* D8 to DF, 9B */

/* The run loop calls these around everything it runs: in between, the host's MXCSR holds the
 * guest's modes and collects its flags, which `leave` adds to state.mxcsr. */
void x86_vector_enter(struct x86 *cpu);
void x86_vector_leave(struct x86 *cpu);
/* The x87 state and MXCSR as after reset of a process (Linux: 0x37f, 0x1f80). */
void x86_fpu_reset(struct x86_state *state);

#endif
