/* Reaches src/cpu: any words as an ARM program in either state (fuzz/processor.h). */
#include "processor.h"

#include "cpu/arm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { THUMB = 16 }; /* of the selector */

static const struct cpu_ops *ops(uint8_t selector)
{
    (void)selector;
    return &arm_ops;
}

static void set_registers(struct cpu *cpu, uint8_t selector)
{
    struct arm_state *s = arm_state(cpu);
    for (unsigned i = 0; i < ARM_PC; i++)
        s->reg[i] = (uint32_t)processor_value(i, selector);
    for (unsigned i = 0; i < 32; i++)
        s->d[i] = UINT64_C(0x3ff0000000000000) + ((uint64_t)i << (i + selector) % 63);
    s->cpsr = ARM_CPSR_USER | (selector & THUMB ? ARM_CPSR_T : 0);
}

static void pass(struct cpu *cpu)
{
    struct arm_state *s = arm_state(cpu);
    bool thumb = s->cpsr & ARM_CPSR_T;
    s->reg[ARM_PC] = (s->reg[ARM_PC] + (thumb ? 2 : 4)) & (thumb ? ~1u : ~3u);
    s->cpsr &= ~ARM_CPSR_IT;
}

static void check(const struct cpu *cpu)
{
    struct arm_state s;
    cpu->ops->save(cpu, &s);
    assert(s.reg[ARM_PC] % 2 == 0 && (s.cpsr & ARM_CPSR_USER));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct processor arm = {.ops = ops,
                                         .set_registers = set_registers,
                                         .pass = pass,
                                         .check = check,
                                         .fill = 0xff,
                                         .end = 6,
                                         .probe = 8};
    return run_input(&arm, data, size);
}
