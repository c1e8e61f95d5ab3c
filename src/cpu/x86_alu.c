/* Shifts, rotates, bits, products, quotients, and the exchanges that compute. */
#include "cpu/x86_handlers.h"
#include "cpu/x86_operand.h"

/* CF and OF anew, the other flags as they are. */
static void set_cf_of(struct x86 *cpu, bool cf, bool of)
{
    uint64_t rest = cpu->flag_carry & ~(X86_CARRY_CF | X86_CARRY_CXO);
    cpu->flag_carry = rest | x86_carry_of(cf, of);
}

static void set_result(struct x86 *cpu, uint64_t result, unsigned size, bool cf, bool of)
{
    cpu->flag_result = x86_sign_extend(result, size);
    x86_set_carry_of(cpu, cf, of);
}

/* One of group 2's results, and its CF and OF. */
struct shifted {
    uint64_t value;
    bool cf, of;
};

static struct shifted rotate_left(uint64_t a, unsigned count, unsigned bits)
{
    struct shifted s = {.value = a};
    count %= bits;
    if (count)
        s.value = (a << count) | (a >> (bits - count));
    s.cf = s.value & 1;
    s.of = ((s.value >> (bits - 1)) & 1) != s.cf;
    return s;
}

static struct shifted rotate_right(uint64_t a, unsigned count, unsigned bits)
{
    struct shifted s = {.value = a};
    count %= bits;
    if (count)
        s.value = (a >> count) | (a << (bits - count));
    s.cf = (s.value >> (bits - 1)) & 1;
    s.of = ((s.value >> (bits - 2)) & 1) != s.cf;
    return s;
}

/* Through the carry: a rotation of bits + 1 bits, done one by one, for it is rare. */
static struct shifted rotate_carry_left(uint64_t a, unsigned count, unsigned bits, bool cf)
{
    uint64_t mask = ~UINT64_C(0) >> (64 - bits);
    for (unsigned i = count % (bits + 1); i > 0; i--) {
        bool out = (a >> (bits - 1)) & 1;
        a = ((a << 1) | cf) & mask;
        cf = out;
    }
    return (struct shifted){a, cf, ((a >> (bits - 1)) & 1) != cf};
}

static struct shifted rotate_carry_right(uint64_t a, unsigned count, unsigned bits, bool cf)
{
    for (unsigned i = count % (bits + 1); i > 0; i--) {
        bool out = a & 1;
        a = (a >> 1) | ((uint64_t)cf << (bits - 1));
        cf = out;
    }
    return (struct shifted){a, cf, ((a >> (bits - 1)) & 1) != ((a >> (bits - 2)) & 1)};
}

static struct shifted shift_left(uint64_t a, unsigned count, unsigned bits)
{
    struct shifted s = {.value = a << count};
    s.cf = count <= bits && ((a >> (bits - count)) & 1);
    s.of = ((s.value >> (bits - 1)) & 1) != s.cf;
    return s;
}

static struct shifted shift_right(uint64_t a, unsigned count, unsigned bits)
{
    struct shifted s = {.value = a >> count};
    s.cf = (a >> (count - 1)) & 1;
    s.of = (((s.value >> (bits - 1)) ^ (s.value >> (bits - 2))) & 1);
    return s;
}

static struct shifted shift_arithmetic(uint64_t a, unsigned count, unsigned size)
{
    int64_t wide = (int64_t)x86_sign_extend(a, size);
    return (struct shifted){(uint64_t)(wide >> count), (wide >> (count - 1)) & 1, false};
}

static int shift(struct x86 *cpu, const struct x86_insn *insn, unsigned count)
{
    unsigned bits = 8u * insn->size;
    uint64_t a;
    int rc = x86_rm_get_to_modify(cpu, insn, &a);
    if (rc)
        return rc;
    count &= insn->size == 8 ? 63 : 31;
    if (count == 0) /* no flag changes, but a 32-bit register loses its upper half */
        return x86_rm_set(cpu, insn, a);
    struct shifted s;
    switch (insn->reg) {
    case 0: s = rotate_left(a, count, bits); break;
    case 1: s = rotate_right(a, count, bits); break;
    case 2: s = rotate_carry_left(a, count, bits, x86_cf(cpu)); break;
    case 3: s = rotate_carry_right(a, count, bits, x86_cf(cpu)); break;
    case 5: s = shift_right(a, count, bits); break;
    case 7: s = shift_arithmetic(a, count, insn->size); break;
    default: s = shift_left(a, count, bits); break;
    }
    rc = x86_rm_set(cpu, insn, s.value);
    if (rc)
        return rc;
    if (insn->reg < 4)
        set_cf_of(cpu, s.cf, s.of);
    else
        set_result(cpu, s.value, insn->size, s.cf, s.of);
    return 0;
}

int x86_do_shift_imm(struct x86 *cpu, const struct x86_insn *insn)
{
    return shift(cpu, insn, (unsigned)insn->imm);
}

int x86_do_shift_cl(struct x86 *cpu, const struct x86_insn *insn)
{
    return shift(cpu, insn, (unsigned)cpu->r[X86_RCX] & 0xff);
}

/* With 16 bits a count above 16 goes on into the other operand's copy (AMD and Intel agree on
 * rotating the three words); the manual calls it undefined. */
static int double_shift(struct x86 *cpu, const struct x86_insn *insn, unsigned count, bool left)
{
    unsigned bits = 8u * insn->size;
    uint64_t a, b = x86_reg_get(cpu, insn->reg, insn->size);
    int rc = x86_rm_get_to_modify(cpu, insn, &a);
    if (rc)
        return rc;
    count &= insn->size == 8 ? 63 : 31;
    if (count == 0)
        return x86_rm_set(cpu, insn, a);
    uint64_t value;
    bool cf;
    if (insn->size == 2 && count > 16) {
        uint64_t again = a;
        a = b;
        b = again;
        count -= 16;
    }
    if (left) {
        value = (a << count) | (count < bits ? b >> (bits - count) : b);
        cf = (a >> (bits - count)) & 1;
    } else {
        value = (a >> count) | (count < bits ? b << (bits - count) : b);
        cf = (a >> (count - 1)) & 1;
    }
    value &= x86_mask(insn->size);
    bool of = x86_sign(value ^ a, insn->size);
    rc = x86_rm_set(cpu, insn, value);
    if (rc)
        return rc;
    set_result(cpu, value, insn->size, cf, of);
    return 0;
}

int x86_do_shld_imm(struct x86 *cpu, const struct x86_insn *insn)
{
    return double_shift(cpu, insn, (unsigned)insn->imm, true);
}

int x86_do_shld_cl(struct x86 *cpu, const struct x86_insn *insn)
{
    return double_shift(cpu, insn, (unsigned)cpu->r[X86_RCX] & 0xff, true);
}

int x86_do_shrd_imm(struct x86 *cpu, const struct x86_insn *insn)
{
    return double_shift(cpu, insn, (unsigned)insn->imm, false);
}

int x86_do_shrd_cl(struct x86 *cpu, const struct x86_insn *insn)
{
    return double_shift(cpu, insn, (unsigned)cpu->r[X86_RCX] & 0xff, false);
}

__extension__ typedef unsigned __int128 wide;
__extension__ typedef __int128 signed_wide;

int x86_do_mul(struct x86 *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->size, bits = 8 * size;
    uint64_t b, a = cpu->r[X86_RAX] & x86_mask(size);
    int rc = x86_rm_get(cpu, insn, &b);
    if (rc)
        return rc;
    wide product;
    bool is_signed = insn->reg == 5, carry;
    if (is_signed)
        product = (wide)((signed_wide)(int64_t)x86_sign_extend(a, size) *
                         (int64_t)x86_sign_extend(b, size));
    else
        product = (wide)a * b;
    uint64_t low = (uint64_t)product & x86_mask(size);
    uint64_t high = (uint64_t)(product >> bits) & x86_mask(size);
    if (is_signed)
        carry = high != ((x86_sign(low, size) ? ~UINT64_C(0) : 0) & x86_mask(size));
    else
        carry = high != 0;
    if (size == 1) {
        x86_reg_set(cpu, X86_RAX, 2, low | (high << 8));
    } else {
        x86_reg_set(cpu, X86_RAX, size, low);
        x86_reg_set(cpu, X86_RDX, size, high);
    }
    set_result(cpu, low, size, carry, carry);
    return 0;
}

static bool divide(wide a, uint64_t b, unsigned size, uint64_t *quotient, uint64_t *remainder)
{
    if (b == 0 || a / b > x86_mask(size))
        return false;
    *quotient = (uint64_t)(a / b);
    *remainder = (uint64_t)(a % b);
    return true;
}

/* By magnitudes: the host's own division would trap where the guest's does. */
static bool divide_signed(wide a, uint64_t b, unsigned size, uint64_t *quotient,
                          uint64_t *remainder)
{
    unsigned bits = 8 * size;
    bool a_negative = (a >> (2 * bits - 1)) & 1, b_negative = x86_sign(b, size);
    wide a_mask = ~(wide)0 >> (128 - 2 * bits);
    wide a_magnitude = a_negative ? (0 - a) & a_mask : a;
    uint64_t b_magnitude = b_negative ? (0 - b) & x86_mask(size) : b;
    if (b == 0)
        return false;
    wide q = a_magnitude / b_magnitude;
    uint64_t r = (uint64_t)(a_magnitude % b_magnitude);
    bool negative = a_negative != b_negative;
    uint64_t limit = (UINT64_C(1) << (bits - 1)) - !negative;
    if (q > limit)
        return false;
    *quotient = negative ? 0 - (uint64_t)q : (uint64_t)q;
    *remainder = a_negative ? 0 - r : r;
    return true;
}

int x86_do_div(struct x86 *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->size;
    uint64_t b, quotient = 0, remainder = 0;
    int rc = x86_rm_get(cpu, insn, &b);
    if (rc)
        return rc;
    wide a;
    if (size == 1)
        a = (uint16_t)cpu->r[X86_RAX];
    else
        a = ((wide)x86_reg_get(cpu, X86_RDX, size) << (8 * size)) | x86_reg_get(cpu, X86_RAX, size);
    bool fits = insn->reg == 7 ? divide_signed(a, b, size, &quotient, &remainder)
                               : divide(a, b, size, &quotient, &remainder);
    if (!fits)
        return CPU_STOP_DIVIDE;
    if (size == 1) {
        x86_reg_set(cpu, X86_RAX, 2, (quotient & 0xff) | ((remainder & 0xff) << 8));
    } else {
        x86_reg_set(cpu, X86_RAX, size, quotient);
        x86_reg_set(cpu, X86_RDX, size, remainder);
    }
    return 0;
}

static void multiply(struct x86 *cpu, const struct x86_insn *insn, uint64_t a, uint64_t b)
{
    signed_wide product = (signed_wide)(int64_t)x86_sign_extend(a, insn->size) *
                          (int64_t)x86_sign_extend(b, insn->size);
    uint64_t low = x86_sign_extend((uint64_t)product, insn->size);
    bool carry = product != (int64_t)low;
    x86_reg_set(cpu, insn->reg, insn->size, low);
    set_result(cpu, low, insn->size, carry, carry);
}

int x86_do_imul(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t b;
    int rc = x86_rm_get(cpu, insn, &b);
    if (rc)
        return rc;
    multiply(cpu, insn, x86_reg_get(cpu, insn->reg, insn->size), b);
    return 0;
}

int x86_do_imul3(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t a;
    int rc = x86_rm_get(cpu, insn, &a);
    if (rc)
        return rc;
    multiply(cpu, insn, a, insn->imm);
    return 0;
}

enum bit_action { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

static uint64_t change_bit(uint64_t value, unsigned bit, enum bit_action action)
{
    uint64_t mask = UINT64_C(1) << bit;
    switch (action) {
    case BIT_SET: return value | mask;
    case BIT_RESET: return value & ~mask;
    case BIT_COMPLEMENT: return value ^ mask;
    default: return value;
    }
}

/* Only CF changes: OF must stay, and it is kept relative to CF. */
static void set_cf(struct x86 *cpu, bool cf)
{
    set_cf_of(cpu, cf, x86_of(cpu));
}

/* A bit counted from a register's value may lie anywhere around the memory operand. */
static int bit_by_register(struct x86 *cpu, const struct x86_insn *insn, enum bit_action action)
{
    unsigned size = insn->size, bits = 8 * size;
    uint64_t number = x86_sign_extend(x86_reg_get(cpu, insn->reg, size), size);
    unsigned bit = (unsigned)number & (bits - 1);
    uint64_t value = 0;
    if (!(insn->flags & X86_INSN_MEM)) {
        value = x86_reg_get(cpu, insn->rm, size);
        if (action != BIT_TEST)
            x86_reg_set(cpu, insn->rm, size, change_bit(value, bit, action));
    } else {
        int64_t element = (int64_t)(number - bit) / (int64_t)bits;
        uint64_t addr = x86_address(cpu, insn) + (uint64_t)(element * (int64_t)size);
        int rc = action == BIT_TEST ? x86_load(cpu, addr, &value, size)
                                    : x86_load_to_modify(cpu, addr, &value, size);
        uint64_t changed = change_bit(value, bit, action);
        if (!rc && action != BIT_TEST)
            rc = x86_store(cpu, addr, &changed, size);
        if (rc)
            return rc;
    }
    set_cf(cpu, (value >> bit) & 1);
    return 0;
}

int x86_do_bt_reg(struct x86 *cpu, const struct x86_insn *insn)
{
    return bit_by_register(cpu, insn, BIT_TEST);
}

int x86_do_bts_reg(struct x86 *cpu, const struct x86_insn *insn)
{
    return bit_by_register(cpu, insn, BIT_SET);
}

int x86_do_btr_reg(struct x86 *cpu, const struct x86_insn *insn)
{
    return bit_by_register(cpu, insn, BIT_RESET);
}

int x86_do_btc_reg(struct x86 *cpu, const struct x86_insn *insn)
{
    return bit_by_register(cpu, insn, BIT_COMPLEMENT);
}

int x86_do_bt_imm(struct x86 *cpu, const struct x86_insn *insn)
{
    unsigned bit = (unsigned)insn->imm & (8u * insn->size - 1);
    enum bit_action action = (enum bit_action)(insn->reg - 4);
    uint64_t value;
    int rc = action == BIT_TEST ? x86_rm_get(cpu, insn, &value)
                                : x86_rm_get_to_modify(cpu, insn, &value);
    if (!rc && action != BIT_TEST)
        rc = x86_rm_set(cpu, insn, change_bit(value, bit, action));
    if (rc)
        return rc;
    set_cf(cpu, (value >> bit) & 1);
    return 0;
}

/* With 0 the destination stays as it is, and ZF says so: as both makers' processors do. */
static int bit_scan(struct x86 *cpu, const struct x86_insn *insn, bool reverse)
{
    uint64_t value;
    int rc = x86_rm_get(cpu, insn, &value);
    if (rc)
        return rc;
    cpu->flag_result = value != 0;
    cpu->flag_carry = 0;
    if (value) {
        int bit = reverse ? 63 - __builtin_clzll(value) : __builtin_ctzll(value);
        x86_reg_set(cpu, insn->reg, insn->size, (uint64_t)bit);
    }
    return 0;
}

int x86_do_bsf(struct x86 *cpu, const struct x86_insn *insn)
{
    return bit_scan(cpu, insn, false);
}

int x86_do_bsr(struct x86 *cpu, const struct x86_insn *insn)
{
    return bit_scan(cpu, insn, true);
}

int x86_do_bswap(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value = cpu->r[insn->rm];
    if (insn->size == 8)
        cpu->r[insn->rm] = __builtin_bswap64(value);
    else if (insn->size == 4)
        cpu->r[insn->rm] = __builtin_bswap32((uint32_t)value);
    else
        x86_reg_set(cpu, insn->rm, 2, 0); /* undefined; this is what processors do */
    return 0;
}

static void flags_add(struct x86 *cpu, uint64_t a, uint64_t b, uint64_t sum, unsigned size)
{
    cpu->flag_result = x86_sign_extend(sum, size);
    cpu->flag_carry = x86_carries_add(a, b, sum & x86_mask(size), 8 * size);
}

static void flags_sub(struct x86 *cpu, uint64_t a, uint64_t b, unsigned size)
{
    uint64_t difference = (a - b) & x86_mask(size);
    cpu->flag_result = x86_sign_extend(difference, size);
    cpu->flag_carry = x86_carries_sub(a, b, difference, 8 * size);
}

int x86_do_xadd(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t a, b = x86_reg_get(cpu, insn->reg, insn->size);
    int rc = x86_rm_get_to_modify(cpu, insn, &a);
    if (rc)
        return rc;
    if (insn->flags & X86_INSN_MEM) {
        rc = x86_rm_set(cpu, insn, a + b);
        if (rc)
            return rc;
        x86_reg_set(cpu, insn->reg, insn->size, a);
    } else {
        x86_reg_set(cpu, insn->reg, insn->size, a);
        x86_rm_set(cpu, insn, a + b); /* the sum wins when both are one register */
    }
    flags_add(cpu, a, b, a + b, insn->size);
    return 0;
}

int x86_do_cmpxchg(struct x86 *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->size;
    uint64_t old, a = x86_reg_get(cpu, X86_RAX, size);
    int rc = x86_rm_get_to_modify(cpu, insn, &old);
    if (rc)
        return rc;
    bool equal = old == a;
    /* The destination is written in either case, as on the processor: it may fault. */
    if (equal || (insn->flags & X86_INSN_MEM))
        rc = x86_rm_set(cpu, insn, equal ? x86_reg_get(cpu, insn->reg, size) : old);
    if (rc)
        return rc;
    if (!equal)
        x86_reg_set(cpu, X86_RAX, size, old);
    flags_sub(cpu, a, old, size);
    return 0;
}

static void set_zf(struct x86 *cpu, bool zf)
{
    uint64_t flags = x86_flags(cpu) & ~(uint64_t)X86_ZF;
    x86_set_flags(cpu, flags | (zf ? X86_ZF : 0));
}

int x86_do_cmpxchg_pair(struct x86 *cpu, const struct x86_insn *insn)
{
    size_t size = insn->size;
    uint64_t addr = x86_address(cpu, insn), pair[2];
    const uint64_t *r = cpu->r;
    uint8_t bytes[16], wanted[16];
    if (size == 8 && addr % 16)
        return CPU_STOP_PROTECT;
    int rc = x86_load_to_modify(cpu, addr, bytes, (unsigned)size * 2);
    if (rc)
        return rc;
    memcpy(wanted, &r[X86_RAX], size);
    memcpy(wanted + size, &r[X86_RDX], size);
    bool equal = memcmp(bytes, wanted, 2 * size) == 0;
    memcpy(wanted, equal ? (const void *)&r[X86_RBX] : bytes, size);
    memcpy(wanted + size, equal ? (const void *)&r[X86_RCX] : bytes + size, size);
    rc = x86_store(cpu, addr, wanted, (unsigned)size * 2);
    if (rc)
        return rc;
    if (!equal) {
        memset(pair, 0, sizeof(pair));
        memcpy(&pair[0], bytes, size);
        memcpy(&pair[1], bytes + size, size);
        x86_reg_set(cpu, X86_RAX, insn->size, pair[0]);
        x86_reg_set(cpu, X86_RDX, insn->size, pair[1]);
    }
    set_zf(cpu, equal);
    return 0;
}
