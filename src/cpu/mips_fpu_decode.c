/* Which function does an instruction of the floating-point unit. */
#include "cpu/mips_fpu.h"

enum { FMT_S = 16, FMT_D = 17, FMT_W = 20, FMT_L = 21 };

/* Of single and double. c.cond are 0x30 to 0x3f. */
static const mips_handler arithmetic[0x30] = {
    [0x00] = mips_do_fp_binary,  [0x01] = mips_do_fp_binary,  [0x02] = mips_do_fp_binary,
    [0x03] = mips_do_fp_binary,  [0x04] = mips_do_fp_root,    [0x05] = mips_do_fp_sign,
    [0x06] = mips_do_fp_sign,    [0x07] = mips_do_fp_sign,    [0x08] = mips_do_fp_to_int,
    [0x09] = mips_do_fp_to_int,  [0x0a] = mips_do_fp_to_int,  [0x0b] = mips_do_fp_to_int,
    [0x0c] = mips_do_fp_to_int,  [0x0d] = mips_do_fp_to_int,  [0x0e] = mips_do_fp_to_int,
    [0x0f] = mips_do_fp_to_int,  [0x11] = mips_do_fp_move_if, [0x12] = mips_do_fp_move_if,
    [0x13] = mips_do_fp_move_if, [0x15] = mips_do_fp_root,    [0x16] = mips_do_fp_root,
    [0x24] = mips_do_fp_to_int,  [0x25] = mips_do_fp_to_int,
};

/* Single to single and double to double are not conversions. */
static mips_handler decode_format(uint32_t word)
{
    unsigned function = mips_function(word), fmt = mips_rs(word);
    bool is_float = fmt == FMT_S || fmt == FMT_D;
    if ((function == 0x20 && fmt != FMT_S) || (function == 0x21 && fmt != FMT_D))
        return mips_do_fp_convert;
    if (!is_float)
        return NULL;
    if (function == 0x11 && (word >> 16 & 2))
        return NULL;
    return function >= 0x30 ? mips_do_fp_compare : arithmetic[function];
}

static mips_handler decode_cop1(uint32_t word, uint8_t *target)
{
    static const mips_handler moves[8] = {
        mips_do_mfc1, NULL, mips_do_cfc1, mips_do_mfhc1,
        mips_do_mtc1, NULL, mips_do_ctc1, mips_do_mthc1,
    };
    unsigned fmt = mips_rs(word);
    if (fmt < 4)
        *target = mips_target(mips_rt(word));
    if (fmt < 8)
        return moves[fmt];
    if (fmt == FMT_S || fmt == FMT_D || fmt == FMT_W || fmt == FMT_L)
        return decode_format(word);
    return NULL;
}

static mips_handler decode_cop1x(uint32_t word)
{
    switch (mips_function(word)) {
    case 0x00:
    case 0x01:
    case 0x05:
    case 0x08:
    case 0x09:
    case 0x0d:
    case 0x0f: return mips_do_fp_indexed;
    case 0x20:
    case 0x21:
    case 0x28:
    case 0x29:
    case 0x30:
    case 0x31:
    case 0x38:
    case 0x39: return mips_do_fp_multiply_add;
    default: return NULL;
    }
}

mips_handler mips_decode_fpu(uint32_t word, uint8_t *target)
{
    switch (mips_major(word)) {
    case 0x11: return decode_cop1(word, target);
    case 0x13: return decode_cop1x(word);
    case 0x31: return mips_do_lwc1;
    case 0x35: return mips_do_ldc1;
    case 0x39: return mips_do_swc1;
    case 0x3d: return mips_do_sdc1;
    default: return NULL;
    }
}
