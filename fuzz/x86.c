/* Reaches src/cpu: any bytes as an x86-64 program (fuzz/processor.h). */
#include "processor.h"

#include "cpu/x86.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cpu_ops *ops(uint8_t selector)
{
    (void)selector;
    return &x86_64_ops;
}

static void set_registers(struct cpu *cpu, uint8_t selector)
{
    struct x86_state *s = x86_state(x86_from_cpu(cpu));
    for (unsigned i = 0; i < 16; i++)
        s->reg[i] = processor_value(i, selector);
    s->reg[X86_RSP] = DATA + 2 * PAGE;
    s->fs_base = DATA;
    s->gs_base = CODE;
}

static void pass(struct cpu *cpu)
{
    x86_state(x86_from_cpu(cpu))->rip++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct processor x86 = {.ops = ops,
                                         .set_registers = set_registers,
                                         .pass = pass,
                                         .fill = 0xcc,
                                         .end = 7,
                                         .probe = 5,
                                         .shorter = 16};
    return run_input(&x86, data, size);
}
