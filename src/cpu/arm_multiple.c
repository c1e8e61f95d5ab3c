/* Several registers at once, and what only succeeds alone. */
#include "cpu/arm_decode.h"

static uint32_t change_of(const struct arm_insn *insn)
{
    return (uint32_t)(int16_t)(insn->word >> 16);
}

int arm_do_ldm(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t words[16], list = insn->word & 0xffff;
    unsigned count = (unsigned)__builtin_popcount(list), i = 0;
    int stop = cpu_core_load(&cpu->core, cpu->r[insn->rn] + insn->imm, words, 4 * count);
    if (stop)
        return stop;
    cpu->r[insn->rn] += change_of(insn);
    for (; list; list &= list - 1)
        cpu->r[__builtin_ctz(list)] = arm_le32(words[i++]);
    return 0;
}

int arm_do_stm(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t words[16];
    unsigned count = 0;
    for (uint32_t list = insn->word & 0xffff; list; list &= list - 1) {
        unsigned n = (unsigned)__builtin_ctz(list);
        words[count++] = arm_le32(cpu->r[n == ARM_PC ? ARM_R_HERE : n]);
    }
    int stop = cpu_core_store(&cpu->core, cpu->r[insn->rn] + insn->imm, words, 4 * count);
    if (stop == 0)
        cpu->r[insn->rn] += change_of(insn);
    return stop;
}

int arm_do_ldrd(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t words[2];
    int stop = cpu_core_load(&cpu->core, cpu->r[insn->rn] + insn->imm, words, sizeof(words));
    if (stop)
        return stop;
    cpu->r[insn->rd] = arm_le32(words[0]);
    cpu->r[insn->ra] = arm_le32(words[1]);
    return 0;
}

int arm_do_strd(struct arm *cpu, const struct arm_insn *insn)
{
    const uint32_t words[2] = {arm_le32(cpu->r[insn->rd]), arm_le32(cpu->r[insn->ra])};
    return cpu_core_store(&cpu->core, cpu->r[insn->rn] + insn->imm, words, sizeof(words));
}

/* --- exclusives: the store succeeds when what was loaded is still there --- */

static int load_value(struct arm *cpu, uint32_t addr, unsigned bytes, uint64_t *value)
{
    uint64_t raw = 0;
    if (addr % bytes)
        return cpu_core_misaligned(&cpu->core, addr, CPU_READ);
    int stop = cpu_core_load(&cpu->core, addr, &raw, bytes);
    *value = arm_le64(raw);
    return stop;
}

static int store_value(struct arm *cpu, uint32_t addr, unsigned bytes, uint64_t value)
{
    uint64_t raw = arm_le64(value);
    return cpu_core_store(&cpu->core, addr, &raw, bytes);
}

int arm_do_ldrex(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t addr = cpu->r[insn->rn] + insn->imm;
    uint64_t value = 0;
    int stop = load_value(cpu, addr, insn->sa, &value);
    if (stop)
        return stop;
    cpu->state.ex_addr = addr;
    cpu->state.ex_bytes = insn->sa;
    cpu->state.ex_value = value;
    if (insn->sa == 8)
        cpu->r[insn->ra] = (uint32_t)(value >> 32);
    cpu->r[insn->rd] = (uint32_t)value;
    return 0;
}

int arm_do_strex(struct arm *cpu, const struct arm_insn *insn)
{
    struct arm_state *s = &cpu->state;
    uint32_t addr = cpu->r[insn->rn] + insn->imm;
    uint64_t now = 0, value = cpu->r[insn->rm];
    int stop = 0;
    bool succeeds = s->ex_bytes == insn->sa && s->ex_addr == addr;
    if (addr % insn->sa)
        return cpu_core_misaligned(&cpu->core, addr, CPU_WRITE);
    if (insn->sa == 8)
        value |= (uint64_t)cpu->r[insn->ra] << 32;
    if (succeeds)
        stop = load_value(cpu, addr, insn->sa, &now);
    succeeds = succeeds && stop == 0 && now == s->ex_value;
    if (succeeds)
        stop = store_value(cpu, addr, insn->sa, value);
    if (stop)
        return stop;
    s->ex_bytes = 0;
    cpu->r[insn->rd] = !succeeds;
    return 0;
}

int arm_do_clrex(struct arm *cpu, const struct arm_insn *insn)
{
    (void)insn;
    cpu->state.ex_bytes = 0;
    return 0;
}

int arm_do_swp(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t addr = cpu->r[insn->rn];
    uint64_t old = 0;
    int stop = load_value(cpu, addr, insn->sa, &old);
    if (stop == 0)
        stop = store_value(cpu, addr, insn->sa, cpu->r[insn->rm]);
    if (stop == 0)
        cpu->r[insn->rd] = (uint32_t)old;
    return stop;
}
