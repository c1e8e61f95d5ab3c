/* What the files of the decoder share. */
#ifndef CPU_MIPS_DECODE_H
#define CPU_MIPS_DECODE_H

#include "cpu/mips_internal.h"
#include "cpu/mips_ops.h"

/* The parts of an instruction. */
static inline unsigned mips_major(uint32_t word)
{
    return word >> 26;
}

static inline unsigned mips_rs(uint32_t word)
{
    return word >> 21 & 31;
}

static inline unsigned mips_rt(uint32_t word)
{
    return word >> 16 & 31;
}

static inline unsigned mips_rd(uint32_t word)
{
    return word >> 11 & 31;
}

static inline unsigned mips_sa(uint32_t word)
{
    return word >> 6 & 31;
}

static inline unsigned mips_function(uint32_t word)
{
    return word & 63;
}

static inline uint32_t mips_offset(uint32_t word)
{
    return (uint32_t)(int32_t)(int16_t)word;
}

/* The slot where a result for register `n` goes. */
static inline uint8_t mips_target(unsigned n)
{
    return (uint8_t)(n ? n : MIPS_R_TRASH);
}

/* Any instruction but a branch; its `pos` and `flags` are the caller's. What does not exist becomes a
 * STOP. */
struct mips_insn mips_decode(uint32_t word, enum mips_order order);

/* A branch or jump with a delay slot. */
struct mips_branch {
    uint16_t op;     /* as it stands behind its slot */
    uint16_t likely; /* the operation before the slot, or 0: not a likely one */
    uint8_t rs, rt;
    uint8_t link; /* register for the return address; 0: none */
    bool ends;    /* always taken */
    bool fcc;     /* looks at a bit of fcsr: rs says which */
    bool region;  /* imm is an address within the 256 MiB, else a distance from the slot */
    uint32_t imm;
};

/* False: not a branch. */
bool mips_decode_branch(uint32_t word, struct mips_branch *out);

/* The floating-point unit's part, in mips_fpu_decode.c. NULL: no such instruction. *target is the
 * general register that it changes (a slot); unchanged when none. */
mips_handler mips_decode_fpu(uint32_t word, uint8_t *target);

/* mips_handlers.c */
int mips_do_lwl(struct mips *cpu, const struct mips_insn *insn);
int mips_do_lwr(struct mips *cpu, const struct mips_insn *insn);
int mips_do_swl(struct mips *cpu, const struct mips_insn *insn);
int mips_do_swr(struct mips *cpu, const struct mips_insn *insn);
int mips_do_ll(struct mips *cpu, const struct mips_insn *insn);
int mips_do_sc(struct mips *cpu, const struct mips_insn *insn);
int mips_do_rdhwr(struct mips *cpu, const struct mips_insn *insn);
int mips_do_movci(struct mips *cpu, const struct mips_insn *insn); /* movf, movt */
/* TEMP becomes the bit `sa` of fcsr. */
int mips_do_take_condition(struct mips *cpu, const struct mips_insn *insn);

#endif
