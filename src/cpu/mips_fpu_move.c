/* Between the floating-point unit, the general registers and memory. */
#include "cpu/mips_fpu.h"

int mips_do_mfc1(struct mips *cpu, const struct mips_insn *insn)
{
    cpu->r[insn->rd] = (uint32_t)cpu->state.fpr[mips_rd(insn->word)];
    return 0;
}

/* With FR = 0 the high half of a double is the odd register. */
int mips_do_mfhc1(struct mips *cpu, const struct mips_insn *insn)
{
    unsigned n = mips_rd(insn->word);
    const uint64_t *f = cpu->state.fpr;
    cpu->r[insn->rd] = (uint32_t)(cpu->state.fr ? f[n] >> 32 : f[n | 1]);
    return 0;
}

int mips_do_mtc1(struct mips *cpu, const struct mips_insn *insn)
{
    mips_set_single(cpu, mips_rd(insn->word), cpu->r[insn->rt]);
    return 0;
}

int mips_do_mthc1(struct mips *cpu, const struct mips_insn *insn)
{
    unsigned n = mips_rd(insn->word);
    uint64_t *f = cpu->state.fpr;
    if (cpu->state.fr)
        f[n] = (uint64_t)cpu->r[insn->rt] << 32 | (uint32_t)f[n];
    else
        mips_set_single(cpu, n | 1, cpu->r[insn->rt]);
    return 0;
}

/* The control registers: FCSR whole, and three views of parts of it. */
enum { FIR = 0, FCCR = 25, FEXR = 26, FENR = 28, FCSR = 31 };
#define FEXR_BITS 0x0003f07cu
#define FENR_BITS 0x00000f83u

int mips_do_cfc1(struct mips *cpu, const struct mips_insn *insn)
{
    uint32_t fcsr = cpu->state.fcsr, value = 0;
    switch (mips_rd(insn->word)) {
    case FIR: value = MIPS_FIR; break;
    case FCCR: value = (fcsr >> 24 & 0xfe) | (fcsr >> 23 & 1); break;
    case FEXR: value = fcsr & FEXR_BITS; break;
    case FENR: value = (fcsr & FENR_BITS) | (fcsr >> (MIPS_FCSR_FLUSH_AT - 2) & 4); break;
    case FCSR: value = fcsr; break;
    default: break;
    }
    cpu->r[insn->rd] = value;
    return 0;
}

/* A cause that is set beside its enable traps at once. */
int mips_do_ctc1(struct mips *cpu, const struct mips_insn *insn)
{
    enum { UNIMPLEMENTED = 32 };
    uint32_t value = cpu->r[insn->rt], *fcsr = &cpu->state.fcsr;
    switch (mips_rd(insn->word)) {
    case FCCR: *fcsr = (*fcsr & 0x017fffff) | (value & 0xfe) << 24 | (value & 1) << 23; break;
    case FEXR: *fcsr = (*fcsr & ~FEXR_BITS) | (value & FEXR_BITS); break;
    case FENR:
        *fcsr = (*fcsr & ~(FENR_BITS | 1u << MIPS_FCSR_FLUSH_AT)) | (value & FENR_BITS) |
                (value & 4) << (MIPS_FCSR_FLUSH_AT - 2);
        break;
    case FCSR: *fcsr = value & MIPS_FCSR_VALID; break;
    default: return 0;
    }
    uint32_t traps = (*fcsr >> MIPS_FCSR_ENABLES_AT & 31) | UNIMPLEMENTED;
    return *fcsr >> MIPS_FCSR_CAUSES_AT & traps ? CPU_STOP_FLOAT : 0;
}

static int load_single(struct mips *cpu, uint32_t addr, unsigned n)
{
    uint32_t value;
    int stop = cpu_core_load(&cpu->core, addr, &value, sizeof(value));
    if (!stop)
        mips_set_single(cpu, n, mips_swap32(cpu, value));
    return stop;
}

static int load_double(struct mips *cpu, uint32_t addr, unsigned n)
{
    uint64_t value;
    if (!mips_is_double(cpu, n))
        return CPU_STOP_ILLEGAL;
    int stop = cpu_core_load(&cpu->core, addr, &value, sizeof(value));
    if (!stop)
        mips_set_double(cpu, n, mips_swap64(cpu, value));
    return stop;
}

static int store_single(struct mips *cpu, uint32_t addr, unsigned n)
{
    uint32_t value = mips_swap32(cpu, (uint32_t)cpu->state.fpr[n]);
    return cpu_core_store(&cpu->core, addr, &value, sizeof(value));
}

static int store_double(struct mips *cpu, uint32_t addr, unsigned n)
{
    if (!mips_is_double(cpu, n))
        return CPU_STOP_ILLEGAL;
    uint64_t value = mips_swap64(cpu, mips_get_double(cpu, n));
    return cpu_core_store(&cpu->core, addr, &value, sizeof(value));
}

int mips_do_lwc1(struct mips *cpu, const struct mips_insn *insn)
{
    return load_single(cpu, cpu->r[insn->rs] + insn->imm, insn->rt);
}

int mips_do_ldc1(struct mips *cpu, const struct mips_insn *insn)
{
    return load_double(cpu, cpu->r[insn->rs] + insn->imm, insn->rt);
}

int mips_do_swc1(struct mips *cpu, const struct mips_insn *insn)
{
    return store_single(cpu, cpu->r[insn->rs] + insn->imm, insn->rt);
}

int mips_do_sdc1(struct mips *cpu, const struct mips_insn *insn)
{
    return store_double(cpu, cpu->r[insn->rs] + insn->imm, insn->rt);
}

/* luxc1 and suxc1 leave the address's low bits out, and need FR = 1. */
int mips_do_fp_indexed(struct mips *cpu, const struct mips_insn *insn)
{
    uint32_t addr = cpu->r[insn->rs] + cpu->r[insn->rt];
    unsigned to = mips_sa(insn->word), from = mips_rd(insn->word);
    bool wide = cpu->state.fr != 0;
    switch (mips_function(insn->word)) {
    case 0x00: return load_single(cpu, addr, to);
    case 0x01: return load_double(cpu, addr, to);
    case 0x05: return wide ? load_double(cpu, addr & ~7u, to) : CPU_STOP_ILLEGAL;
    case 0x08: return store_single(cpu, addr, from);
    case 0x09: return store_double(cpu, addr, from);
    case 0x0d: return wide ? store_double(cpu, addr & ~7u, from) : CPU_STOP_ILLEGAL;
    default: return 0; /* prefx */
    }
}
