/* Between the VFP, the general registers and memory. */
#include "cpu/arm_vfp.h"

int arm_do_vfp_load(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t words[ARM_ACCESS_MAX / 4], addr = cpu->r[insn->rn] + insn->imm;
    if (addr % 4)
        return cpu_core_misaligned(&cpu->core, addr, CPU_READ);
    int stop = cpu_core_load(&cpu->core, addr, words, 4u * insn->ra);
    for (unsigned i = 0; stop == 0 && i < insn->ra; i++)
        arm_vfp_set_word(cpu, insn->sa + i, arm_le32(words[i]));
    return stop;
}

int arm_do_vfp_store(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t words[ARM_ACCESS_MAX / 4], addr = cpu->r[insn->rn] + insn->imm;
    if (addr % 4)
        return cpu_core_misaligned(&cpu->core, addr, CPU_WRITE);
    for (unsigned i = 0; i < insn->ra; i++)
        words[i] = arm_le32(arm_vfp_word(cpu, insn->sa + i));
    return cpu_core_store(&cpu->core, addr, words, 4u * insn->ra);
}

int arm_do_vfp_get_word(struct arm *cpu, const struct arm_insn *insn)
{
    cpu->r[insn->rd] = arm_vfp_word(cpu, insn->sa);
    return 0;
}

int arm_do_vfp_set_word(struct arm *cpu, const struct arm_insn *insn)
{
    arm_vfp_set_word(cpu, insn->sa, cpu->r[insn->rd]);
    return 0;
}

int arm_do_vfp_get_pair(struct arm *cpu, const struct arm_insn *insn)
{
    cpu->r[insn->rd] = arm_vfp_word(cpu, insn->sa);
    cpu->r[insn->ra] = arm_vfp_word(cpu, insn->sa + 1u);
    return 0;
}

int arm_do_vfp_set_pair(struct arm *cpu, const struct arm_insn *insn)
{
    arm_vfp_set_word(cpu, insn->sa, cpu->r[insn->rd]);
    arm_vfp_set_word(cpu, insn->sa + 1u, cpu->r[insn->ra]);
    return 0;
}

int arm_do_vfp_get_status(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t status = cpu->state.fpscr;
    if (insn->rd != ARM_PC) {
        cpu->r[insn->rd] = status;
        return 0;
    }
    cpu->r[ARM_R_N] = status;
    cpu->r[ARM_R_Z] = ~status & ARM_CPSR_Z;
    cpu->r[ARM_R_C] = status >> 29 & 1;
    cpu->r[ARM_R_V] = status << 3;
    return 0;
}

int arm_do_vfp_set_status(struct arm *cpu, const struct arm_insn *insn)
{
    cpu->state.fpscr = cpu->r[insn->rd] & ARM_FPSCR_VALID;
    return 0;
}
