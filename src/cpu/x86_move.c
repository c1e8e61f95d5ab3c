/* Moves, the stack, flags one by one, and what does not fit elsewhere. */
#include "cpu/x86_handlers.h"
#include "cpu/x86_operand.h"

int x86_do_xchg(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t a, b = x86_reg_get(cpu, insn->reg, insn->size);
    int rc = x86_rm_get_to_modify(cpu, insn, &a);
    if (!rc)
        rc = x86_rm_set(cpu, insn, b);
    if (rc)
        return rc;
    x86_reg_set(cpu, insn->reg, insn->size, a);
    return 0;
}

static int load_narrow(struct x86 *cpu, const struct x86_insn *insn, uint64_t *value)
{
    struct x86_insn narrow = *insn;
    narrow.size = (uint8_t)insn->imm;
    return x86_rm_get(cpu, &narrow, value);
}

int x86_do_movzx(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value;
    int rc = load_narrow(cpu, insn, &value);
    if (!rc)
        x86_reg_set(cpu, insn->reg, insn->size, value);
    return rc;
}

int x86_do_movsx(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value;
    int rc = load_narrow(cpu, insn, &value);
    if (!rc)
        x86_reg_set(cpu, insn->reg, insn->size, x86_sign_extend(value, (unsigned)insn->imm));
    return rc;
}

int x86_do_cmov(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value;
    int rc = x86_rm_get(cpu, insn, &value); /* read in any case: it may fault */
    if (rc)
        return rc;
    if (!x86_condition(cpu, (unsigned)insn->imm))
        value = x86_reg_get(cpu, insn->reg, insn->size); /* 32 bits: the upper half is cleared */
    x86_reg_set(cpu, insn->reg, insn->size, value);
    return 0;
}

int x86_do_setcc(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_rm_set(cpu, insn, x86_condition(cpu, (unsigned)insn->imm));
}

int x86_do_lea(struct x86 *cpu, const struct x86_insn *insn)
{
    x86_reg_set(cpu, insn->reg, insn->size, x86_address(cpu, insn));
    return 0;
}

static int push(struct x86 *cpu, uint64_t value, unsigned size)
{
    uint64_t sp = (cpu->r[X86_RSP] - size) & cpu->mask;
    int rc = x86_store(cpu, sp, &value, size);
    if (!rc)
        cpu->r[X86_RSP] = sp;
    return rc;
}

/* The operand's size is that of the push: 2 or 8. */
int x86_do_push(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value;
    int rc = x86_rm_get(cpu, insn, &value);
    return rc ? rc : push(cpu, value, insn->size);
}

int x86_do_push_imm(struct x86 *cpu, const struct x86_insn *insn)
{
    return push(cpu, insn->imm, insn->size);
}

int x86_do_pop(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value = 0, sp = cpu->r[X86_RSP];
    int rc = x86_load(cpu, sp, &value, insn->size);
    if (rc)
        return rc;
    if (insn->flags & X86_INSN_MEM) {
        rc = x86_rm_set(cpu, insn, value);
        if (rc)
            return rc;
        cpu->r[X86_RSP] = (sp + insn->size) & cpu->mask;
    } else {
        cpu->r[X86_RSP] = (sp + insn->size) & cpu->mask; /* before, for pop rsp */
        x86_rm_set(cpu, insn, value);
    }
    return 0;
}

int x86_do_pushf(struct x86 *cpu, const struct x86_insn *insn)
{
    return push(cpu, x86_flags(cpu), insn->size);
}

int x86_do_popf(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value = 0, sp = cpu->r[X86_RSP];
    int rc = x86_load(cpu, sp, &value, insn->size);
    if (rc)
        return rc;
    if (insn->size == 2)
        value |= cpu->flag_other & ~UINT64_C(0xffff);
    cpu->r[X86_RSP] = (sp + insn->size) & cpu->mask;
    x86_set_flags(cpu, value);
    return 0;
}

int x86_do_enter(struct x86 *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->size, level = (unsigned)(insn->imm >> 16);
    uint64_t room = insn->imm & 0xffff, bp = cpu->r[X86_RBP],
             frame = (cpu->r[X86_RSP] - size) & cpu->mask;
    int rc = x86_store(cpu, frame, &bp, size);
    uint64_t sp = frame;
    for (unsigned i = 1; !rc && i < level; i++) {
        uint64_t outer = 0;
        sp -= size;
        rc = x86_load(cpu, bp - (uint64_t)i * size, &outer, size);
        if (!rc)
            rc = x86_store(cpu, sp, &outer, size);
    }
    if (!rc && level > 0) {
        sp -= size;
        rc = x86_store(cpu, sp, &frame, size);
    }
    if (rc)
        return rc;
    x86_reg_set(cpu, X86_RBP, size, frame);
    cpu->r[X86_RSP] = (sp - room) & cpu->mask;
    return 0;
}

int x86_do_leave(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value = 0, sp = cpu->r[X86_RBP];
    int rc = x86_load(cpu, sp, &value, insn->size);
    if (rc)
        return rc;
    x86_reg_set(cpu, X86_RBP, insn->size, value);
    cpu->r[X86_RSP] = (sp + insn->size) & cpu->mask;
    return 0;
}

int x86_do_sign_a(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value = x86_sign_extend(cpu->r[X86_RAX], insn->size / 2);
    x86_reg_set(cpu, X86_RAX, insn->size, value);
    return 0;
}

int x86_do_sign_d(struct x86 *cpu, const struct x86_insn *insn)
{
    bool negative = x86_sign(cpu->r[X86_RAX], insn->size);
    x86_reg_set(cpu, X86_RDX, insn->size, negative ? ~UINT64_C(0) : 0);
    return 0;
}

int x86_do_lahf(struct x86 *cpu, const struct x86_insn *insn)
{
    (void)insn;
    ((uint8_t *)cpu->r)[1] = (uint8_t)x86_flags(cpu);
    return 0;
}

int x86_do_sahf(struct x86 *cpu, const struct x86_insn *insn)
{
    (void)insn;
    const uint64_t low = X86_SF | X86_ZF | X86_AF | X86_PF | X86_CF;
    uint64_t ah = ((const uint8_t *)cpu->r)[1];
    x86_set_flags(cpu, (x86_flags(cpu) & ~low) | (ah & low));
    return 0;
}

int x86_do_flag(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t flags = x86_flags(cpu);
    switch (insn->imm) {
    case 0xf5: flags ^= X86_CF; break;
    case 0xf8: flags &= ~(uint64_t)X86_CF; break;
    case 0xf9: flags |= X86_CF; break;
    case 0xfc: flags &= ~(uint64_t)X86_DF; break;
    default: flags |= X86_DF; break;
    }
    x86_set_flags(cpu, flags);
    return 0;
}

int x86_do_xlat(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t addr = (cpu->r[X86_RBX] + (uint8_t)cpu->r[X86_RAX]) & insn->imm;
    uint8_t value;
    int rc = x86_load8(cpu, cpu->r[insn->base] + addr, &value);
    if (!rc)
        x86_reg_set(cpu, X86_RAX, 1, value);
    return rc;
}

/* Those of a 64-bit program: cs, ss; the others hold 0. */
int x86_do_store_selector(struct x86 *cpu, const struct x86_insn *insn)
{
    static const uint16_t flat[6] = {[X86_CS] = X86_SELECTOR_CODE64, [X86_SS] = X86_SELECTOR_DATA};
    return x86_rm_set(cpu, insn, (x86_is_32(cpu) ? cpu->state.selector : flat)[insn->reg]);
}

int x86_do_load_selector(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value;
    int rc = x86_rm_get(cpu, insn, &value);
    if (rc)
        return rc;
    if (x86_is_32(cpu))
        return x86_set_segment(cpu, insn->reg, (uint16_t)value);
    /* The null selector or the user's data segment: anything else is not in the table. */
    if (insn->reg == X86_SS)
        return value == X86_SELECTOR_DATA ? 0 : CPU_STOP_PROTECT;
    return value <= 3 || value == X86_SELECTOR_DATA ? 0 : CPU_STOP_PROTECT;
}

struct cpuid_leaf {
    uint32_t leaf, eax, ebx, ecx, edx;
};

/* The processor of /proc/cpuinfo (persona/cpus.def), as a hypervisor shows it that hides whatever is
 * above the baseline: so that no library takes a path that we do not have. */
static const struct cpuid_leaf cpuid_leaves[] = {
    /* highest leaf; "AuthenticAMD" */
    {0, 13, 0x68747541, 0x444d4163, 0x69746e65},
    /* family 23, model 49, stepping 0; a hypervisor is there; fpu vme de pse tsc msr pae mce cx8 apic
     * sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 */
    {1, 0x00830f10, 0x00010800, 0x80000000, 0x078bfbff},
    /* "KVMKVMKVM", and what it offers */
    {0x40000000, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x0000004d},
    {0x40000001, 0x01007efb, 0, 0, 0},
    {0x80000000, 0x80000008, 0x68747541, 0x444d4163, 0x69746e65},
    /* lahf; syscall nx lm */
    {0x80000001, 0x00830f10, 0, 1, 0x20100800},
    /* the brand */
    {0x80000002, 0x20444d41, 0x43595045, 0x6d6f522d, 0x72502065},
    {0x80000003, 0x7365636f, 0x00726f73, 0x00000000, 0x00000000},
    {0x80000004, 0x00000000, 0x00000000, 0x00000000, 0x00000000},
    /* caches: 32 KiB of data and of code, 512 KiB, 16 MiB; address widths */
    {0x80000005, 0xff40ff40, 0xff40ff40, 0x20080140, 0x20080140},
    {0x80000006, 0x48006400, 0x68006400, 0x02006140, 0x00809140},
    {0x80000008, 0x00003028, 0, 0, 0},
};

int x86_do_cpuid(struct x86 *cpu, const struct x86_insn *insn)
{
    (void)insn;
    struct cpuid_leaf found = {0};
    for (size_t i = 0; i < ARRAY_LEN(cpuid_leaves); i++)
        if (cpuid_leaves[i].leaf == (uint32_t)cpu->r[X86_RAX])
            found = cpuid_leaves[i];
    cpu->r[X86_RAX] = found.eax;
    cpu->r[X86_RBX] = found.ebx;
    cpu->r[X86_RCX] = found.ecx;
    cpu->r[X86_RDX] = found.edx;
    return 0;
}
