/* Reaches src/cpu: any words as a MIPS program of either byte order (fuzz/processor.h). */
#include "processor.h"

#include "cpu/mips.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BIG = 8, FR = 16 }; /* of the selector */

static const struct cpu_ops *ops(uint8_t selector)
{
    return selector & BIG ? &mips_be_ops : &mips_le_ops;
}

static void set_registers(struct cpu *cpu, uint8_t selector)
{
    struct mips_state *s = mips_state(cpu);
    for (unsigned i = 1; i < 32; i++)
        s->reg[i] = (uint32_t)processor_value(i, selector);
    for (unsigned i = 0; i < 32; i++)
        s->fpr[i] = UINT64_C(0x3ff0000000000000) + ((uint64_t)i << (i + selector) % 63);
    s->fr = (selector & FR) != 0;
}

static void pass(struct cpu *cpu)
{
    struct mips_state *s = mips_state(cpu);
    s->pc = (s->pc + 4) & ~3u;
}

static void check(const struct cpu *cpu)
{
    struct mips_state s;
    cpu->ops->save(cpu, &s);
    assert(s.reg[MIPS_ZERO] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct processor mips = {.ops = ops,
                                          .set_registers = set_registers,
                                          .pass = pass,
                                          .check = check,
                                          .fill = 0xff,
                                          .end = 8,
                                          .probe = 8};
    return run_input(&mips, data, size);
}
