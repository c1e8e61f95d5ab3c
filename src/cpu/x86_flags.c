#include "cpu/x86_flags.h"

static void set_status(struct x86 *cpu, uint64_t flags)
{
    /* The result 0 stands for ZF with SF clear and PF set, 1 for none of them: the rest is said by
     * the inverting bits. */
    bool zf = flags & X86_ZF, pf = flags & X86_PF, sf = flags & X86_SF;
    cpu->flag_result = zf ? 0 : 1;
    bool plain_pf = zf; /* the parity of 0 is even, of 1 odd */
    cpu->flag_carry = x86_carry_of(flags & X86_CF, flags & X86_OF) |
                      ((flags & X86_AF) ? X86_CARRY_AF : 0) | (uint64_t)sf |
                      ((uint64_t)(pf != plain_pf) << 8);
}

uint64_t x86_flags(const struct x86 *cpu)
{
    uint64_t flags = X86_ALWAYS | cpu->flag_other;
    flags |= x86_cf(cpu) ? X86_CF : 0;
    flags |= x86_pf(cpu) ? X86_PF : 0;
    flags |= (cpu->flag_carry & X86_CARRY_AF) ? X86_AF : 0;
    flags |= x86_zf(cpu) ? X86_ZF : 0;
    flags |= x86_sf(cpu) ? X86_SF : 0;
    flags |= x86_of(cpu) ? X86_OF : 0;
    return flags;
}

void x86_set_flags(struct x86 *cpu, uint64_t rflags)
{
    set_status(cpu, rflags);
    cpu->flag_other = rflags & X86_SETTABLE;
}

void x86_flags_set_compare(struct x86 *cpu, bool zf, bool pf, bool cf)
{
    set_status(cpu, (zf ? X86_ZF : 0) | (pf ? X86_PF : 0) | (cf ? X86_CF : 0));
}

bool x86_condition(const struct x86 *cpu, unsigned code)
{
    return x86_condition_is(cpu, code);
}
