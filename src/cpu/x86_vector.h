/* What the files of the vector instructions share. Each holds a table of rows, by second opcode
 * byte and mandatory prefix: which handler runs the form with a register and which the form with
 * memory. Everything that depends on the opcode alone is looked up when the instruction is decoded;
 * a handler finds its operation's function in insn->imm. */
#ifndef CPU_X86_VECTOR_H
#define CPU_X86_VECTOR_H

#include "cpu/x86_internal.h"
#include "cpu/x86_sse.h"
#include "cpu/x86_sse_host.h"

/* NULL: the form is undefined (#UD). */
struct x86_vector_form {
    x86_handler reg, mem;
};

/* The two-operand integer instructions (prefix 66), by the second opcode byte, and what the MMX form
 * (no prefix) runs on the low halves. */
struct x86_vector_int_op {
    struct x86_vector_form form;
    x86_vec_fn mmx; /* NULL: it has none */
};
extern const struct x86_vector_int_op x86_vector_int_ops[256];

/* Each looks at the opcode and sets insn->handler (and insn->imm); false: not in its table. */
bool x86_decode_vector_move(const struct x86_decoder *d, struct x86_insn *insn);
bool x86_decode_vector_int(const struct x86_decoder *d, struct x86_insn *insn);
bool x86_decode_vector_float(const struct x86_decoder *d, struct x86_insn *insn);
bool x86_decode_mmx(const struct x86_decoder *d, struct x86_insn *insn);

/* Takes the handler of the form that the instruction has. */
static inline bool x86_vector_choose(const struct x86_vector_form *form, struct x86_insn *insn)
{
    insn->handler = insn->flags & X86_INSN_MEM ? form->mem : form->reg;
    return insn->handler != NULL;
}

static inline union x86_vec *x86_xmm(struct x86 *cpu, unsigned i)
{
    return (union x86_vec *)(void *)cpu->state.xmm[i];
}

static inline uint64_t x86_fn_to_imm(x86_vec_fn fn)
{
    return (uint64_t)(uintptr_t)fn;
}

static inline x86_vec_fn x86_imm_to_fn(uint64_t imm)
{
    return (x86_vec_fn)(uintptr_t)imm;
}

/* The memory operand of 16 bytes, where it must be aligned. */
static inline int x86_load_aligned(struct x86 *cpu, const struct x86_insn *insn, union x86_vec *out)
{
    uint64_t addr = x86_address(cpu, insn);
    if (addr & 15)
        return CPU_STOP_PROTECT;
    return x86_load(cpu, addr, out, 16);
}

static inline int x86_store_aligned(struct x86 *cpu, const struct x86_insn *insn,
                                    const union x86_vec *value)
{
    uint64_t addr = x86_address(cpu, insn);
    if (addr & 15)
        return CPU_STOP_PROTECT;
    return x86_store(cpu, addr, value, 16);
}

/* The first `n` bytes of *value whose byte in *mask has its top bit, to [rdi]. */
int x86_store_masked(struct x86 *cpu, const union x86_vec *value, const union x86_vec *mask,
                     unsigned n);

/* A floating-point operation with results of its own: begin, compute into locals, end; the results
 * count only when end returns 0. */
#define X86_MXCSR_ALL_MASKED(mxcsr) (((mxcsr)&X86_MXCSR_MASKS) == X86_MXCSR_MASKS)
void x86_float_begin_checked(struct x86 *cpu);
int x86_float_end_checked(struct x86 *cpu);

static inline void x86_float_begin(struct x86 *cpu)
{
    if (!X86_MXCSR_ALL_MASKED(cpu->state.mxcsr))
        x86_float_begin_checked(cpu);
}

static inline int x86_float_end(struct x86 *cpu)
{
    return X86_MXCSR_ALL_MASKED(cpu->state.mxcsr) ? 0 : x86_float_end_checked(cpu);
}

/* Before an x87 or MMX instruction that waits: 0, or CPU_STOP_FLOAT when an unmasked exception is
 * pending. */
static inline int x86_fpu_wait(const struct x86 *cpu)
{
    return cpu->state.fpu_status & 0x80 ? CPU_STOP_FLOAT : 0;
}

/* MMX registers are the significands of R0 to R7. */
static inline uint64_t x86_mm(const struct x86 *cpu, unsigned i)
{
    uint64_t value;
    memcpy(&value, cpu->state.fpu[i & 7], 8);
    return value;
}

/* What every MMX instruction but emms does: TOP becomes 0, all registers are in use. */
static inline void x86_mmx_touch(struct x86 *cpu)
{
    cpu->state.fpu_status &= (uint16_t)~0x3800u;
    cpu->state.fpu_tag = 0xff;
}

static inline void x86_set_mm(struct x86 *cpu, unsigned i, uint64_t value)
{
    memcpy(cpu->state.fpu[i & 7], &value, 8);
    cpu->state.fpu[i & 7][8] = 0xff;
    cpu->state.fpu[i & 7][9] = 0xff;
    x86_mmx_touch(cpu);
}

#endif
