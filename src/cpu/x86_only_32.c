/* Instructions that 64-bit code does not have: segments, decimal arithmetic, all registers at once.
 * Source: Intel SDM volume 2, the page of each. */
#include "cpu/x86_handlers.h"
#include "cpu/x86_operand.h"

/* ---- Segments ---- */

/* What a data segment register may hold, with its base. */
static bool base_of(const struct x86_state *s, uint16_t selector, uint32_t *base)
{
    unsigned entry = selector >> 3;
    *base = 0;
    if (selector <= 3 || (selector | 3) == X86_SELECTOR_DATA ||
        (selector | 3) == X86_SELECTOR_CODE32 || (selector | 3) == X86_SELECTOR_CODE64)
        return true;
    if ((selector & 4) != 0 || entry < X86_TLS_FIRST || entry >= X86_TLS_FIRST + X86_TLS_ENTRIES ||
        !s->tls_used[entry - X86_TLS_FIRST])
        return false;
    *base = s->tls_base[entry - X86_TLS_FIRST];
    return true;
}

bool x86_load_segment(struct x86_state *state, enum x86_segment segment, uint16_t selector)
{
    uint32_t base;
    if (!base_of(state, selector, &base))
        return false;
    state->selector[segment] = selector;
    if (segment == X86_FS)
        state->fs_base = base;
    if (segment == X86_GS)
        state->gs_base = base;
    return true;
}

int x86_set_segment(struct x86 *cpu, unsigned segment, uint16_t selector)
{
    bool is_flat = segment != X86_FS && segment != X86_GS;
    if (segment == X86_SS && selector != X86_SELECTOR_DATA)
        return CPU_STOP_PROTECT;
    /* es and ds with a base of their own are not there: every address would need it. */
    if (is_flat && selector > 3 && selector >> 3 >= X86_TLS_FIRST)
        return CPU_STOP_PROTECT;
    if (!x86_load_segment(&cpu->state, (enum x86_segment)segment, selector))
        return CPU_STOP_PROTECT;
    cpu->r[X86_R_FS] = cpu->state.fs_base;
    cpu->r[X86_R_GS] = cpu->state.gs_base;
    return 0;
}

int x86_do_push_segment(struct x86 *cpu, const struct x86_insn *insn)
{
    uint32_t value = cpu->state.selector[insn->imm];
    uint64_t sp = (cpu->r[X86_RSP] - insn->size) & cpu->mask;
    int rc = x86_store(cpu, sp, &value, 2); /* the upper half of the slot is left as it is */
    if (!rc)
        cpu->r[X86_RSP] = sp;
    return rc;
}

int x86_do_pop_segment(struct x86 *cpu, const struct x86_insn *insn)
{
    uint16_t value;
    int rc = x86_load16(cpu, cpu->r[X86_RSP], &value);
    if (!rc)
        rc = x86_set_segment(cpu, (unsigned)insn->imm, value);
    if (!rc)
        cpu->r[X86_RSP] = (cpu->r[X86_RSP] + insn->size) & cpu->mask;
    return rc;
}

int x86_do_far_load(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t addr = x86_address(cpu, insn), offset = 0;
    uint16_t selector;
    int rc = x86_load(cpu, addr, &offset, insn->size);
    if (!rc)
        rc = x86_load16(cpu, addr + insn->size, &selector);
    if (!rc)
        rc = x86_set_segment(cpu, (unsigned)insn->imm, selector);
    if (!rc)
        x86_reg_set(cpu, insn->reg, insn->size, offset);
    return rc;
}

int x86_do_arpl(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value, source = x86_reg_get(cpu, insn->reg, 2), flags = x86_flags(cpu);
    int rc = x86_rm_get(cpu, insn, &value); /* what is not raised is not written */
    if (rc)
        return rc;
    bool raise = (value & 3) < (source & 3);
    if (raise)
        rc = x86_rm_set(cpu, insn, (value & ~UINT64_C(3)) | (source & 3));
    if (!rc)
        x86_set_flags(cpu, raise ? flags | X86_ZF : flags & ~(uint64_t)X86_ZF);
    return rc;
}

/* ---- All registers ---- */

enum { ALL_REGISTERS = 8 };

int x86_do_pusha(struct x86 *cpu, const struct x86_insn *insn)
{
    uint8_t image[ALL_REGISTERS * 4];
    unsigned size = insn->size;
    for (unsigned i = 0; i < ALL_REGISTERS; i++)
        memcpy(image + (size_t)(ALL_REGISTERS - 1 - i) * size, &cpu->r[i], size);
    uint64_t sp = (cpu->r[X86_RSP] - (uint64_t)ALL_REGISTERS * size) & cpu->mask;
    int rc = x86_store(cpu, sp, image, ALL_REGISTERS * size);
    if (!rc)
        cpu->r[X86_RSP] = sp;
    return rc;
}

int x86_do_popa(struct x86 *cpu, const struct x86_insn *insn)
{
    uint8_t image[ALL_REGISTERS * 4];
    unsigned size = insn->size;
    int rc = x86_load(cpu, cpu->r[X86_RSP], image, ALL_REGISTERS * size);
    if (rc)
        return rc;
    for (unsigned i = 0; i < ALL_REGISTERS; i++) {
        uint64_t value = 0;
        memcpy(&value, image + (size_t)(ALL_REGISTERS - 1 - i) * size, size);
        if (i != X86_RSP)
            x86_reg_set(cpu, i, size, value);
    }
    cpu->r[X86_RSP] = (cpu->r[X86_RSP] + (uint64_t)ALL_REGISTERS * size) & cpu->mask;
    return 0;
}

/* ---- Checks ---- */

int x86_do_bound(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t addr = x86_address(cpu, insn), low = 0, high = 0;
    unsigned size = insn->size;
    int rc = x86_load(cpu, addr, &low, size);
    if (!rc)
        rc = x86_load(cpu, addr + size, &high, size);
    if (rc)
        return rc;
    int64_t index = (int64_t)x86_sign_extend(x86_reg_get(cpu, insn->reg, size), size);
    bool inside = index >= (int64_t)x86_sign_extend(low, size) &&
                  index <= (int64_t)x86_sign_extend(high, size);
    return inside ? 0 : CPU_STOP_BOUND;
}

int x86_do_into(struct x86 *cpu, const struct x86_insn *insn)
{
    (void)insn;
    return x86_of(cpu) ? CPU_STOP_OVERFLOW : 0;
}

/* ---- Decimals ---- */

/* SF, ZF and PF by al, CF and AF as said, OF clear. */
static void decimal_flags(struct x86 *cpu, uint8_t al, bool cf, bool af)
{
    cpu->flag_result = (uint64_t)(int8_t)al;
    cpu->flag_carry = (cf ? X86_CARRY_CF | X86_CARRY_CXO : 0) | (af ? X86_CARRY_AF : 0);
}

/* daa and das: al after an addition or subtraction of two packed digits. */
static void adjust_packed(struct x86 *cpu, bool subtract)
{
    uint64_t flags = x86_flags(cpu);
    uint8_t before = (uint8_t)cpu->r[X86_RAX], al = before;
    bool carry = flags & X86_CF, cf = false, af = (before & 15) > 9 || (flags & X86_AF);
    if (af) {
        al = (uint8_t)(subtract ? al - 6 : al + 6);
        cf = carry || (subtract && before < 6);
    }
    if (before > 0x99 || carry) {
        al = (uint8_t)(subtract ? al - 0x60 : al + 0x60);
        cf = true;
    }
    x86_reg_set(cpu, X86_RAX, 1, al);
    decimal_flags(cpu, al, cf, af);
}

/* aaa and aas: ax after that of two digits with a byte each. */
static void adjust_unpacked(struct x86 *cpu, bool subtract)
{
    uint16_t ax = (uint16_t)cpu->r[X86_RAX];
    bool adjust = (ax & 15) > 9 || (x86_flags(cpu) & X86_AF);
    if (adjust)
        ax = (uint16_t)(subtract ? ax - 0x106 : ax + 0x106);
    x86_reg_set(cpu, X86_RAX, 2, ax & 0xff0f);
    decimal_flags(cpu, (uint8_t)(ax & 15), adjust, adjust);
}

int x86_do_decimal(struct x86 *cpu, const struct x86_insn *insn)
{
    bool subtract = insn->imm == 0x2f || insn->imm == 0x3f;
    if (insn->imm < 0x30)
        adjust_packed(cpu, subtract);
    else
        adjust_unpacked(cpu, subtract);
    return 0;
}

int x86_do_aam(struct x86 *cpu, const struct x86_insn *insn)
{
    uint8_t al = (uint8_t)cpu->r[X86_RAX], base = (uint8_t)insn->imm;
    if (base == 0)
        return CPU_STOP_DIVIDE;
    x86_reg_set(cpu, X86_RAX, 2, (uint64_t)(al / base) << 8 | al % base);
    decimal_flags(cpu, al % base, false, false);
    return 0;
}

int x86_do_aad(struct x86 *cpu, const struct x86_insn *insn)
{
    uint16_t ax = (uint16_t)cpu->r[X86_RAX];
    uint8_t al = (uint8_t)((ax & 0xff) + (ax >> 8) * insn->imm);
    x86_reg_set(cpu, X86_RAX, 2, al);
    decimal_flags(cpu, al, false, false);
    return 0;
}

int x86_do_salc(struct x86 *cpu, const struct x86_insn *insn)
{
    (void)insn;
    x86_reg_set(cpu, X86_RAX, 1, x86_cf(cpu) ? 0xff : 0);
    return 0;
}
