/* Random instructions on our ARM and on Unicorn's, which is here for nothing else: the same
 * registers, flags and memory, or the same fault.
 *
 * `arm_oracle_test [SEED [ROUNDS]]`: the same seed makes the same programs. */
#include "cpu/arm.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unicorn/unicorn.h>

#define PAGE ((size_t)CPU_PAGE_BYTES)

enum {
    ROUNDS_DEFAULT = 1000, /* programs of each kind */
    BODY_MAX = 12,         /* random instructions of a program */
    BYTES_MAX = 512,
    RUN_MAX = 1000,
    CODE = 0x10000,
    DATA = 0x20000, /* two pages */
    MIDDLE = DATA + CPU_PAGE_BYTES,
    R_MEMORY = 8, /* points to the middle of the data; programs may change it */
    SHOWN_MAX = 4,
};

/* Operands as letters: d n m s a general registers at 12, 16, 0, 8, 12 (all but 8, 13 and 15); A a
 * register at 8, R one at 16 as `s`; c a condition; S the flags' bit; B any twelve bits; other letters
 * as the function operand says. An instruction of Thumb that is wide has its first half in front. */
struct form {
    const char *name_z;
    uint32_t word;
    const char *operands_z;
};

static const struct form arm_forms[] = {
    {"alu imm", 0xe2000000, "codnBS"},
    {"alu reg", 0xe0000000, "codnmhS"},
    {"alu by reg", 0xe0000010, "codnmstS"},
    {"movw", 0xe3000000, "cdwB"},
    {"movt", 0xe3400000, "cdwB"},
    {"mul", 0xe0000090, "cRmsS"},
    {"mla", 0xe0200090, "cRmsaS"},
    {"mls", 0xe0600090, "cRmsa"},
    {"umaal", 0xe0400090, "cRmsA"},
    {"umull", 0xe0800090, "cRmsAS"},
    {"umlal", 0xe0a00090, "cRmsAS"},
    {"smull", 0xe0c00090, "cRmsAS"},
    {"smlal", 0xe0e00090, "cRmsAS"},
    {"smla", 0xe1000080, "cRmsax"},
    {"smlaw", 0xe1200080, "cRmsak"},
    {"smulw", 0xe12000a0, "cRmsk"},
    {"smlal xy", 0xe1400080, "cRmsAx"},
    {"smul", 0xe1600080, "cRmsx"},
    {"qadd", 0xe1000050, "cdnmq"},
    {"clz", 0xe16f0f10, "cdm"},
    {"ssat", 0xe6a00010, "cdmfh"},
    {"usat", 0xe6e00010, "cdmfh"},
    {"ssat16", 0xe6a00f30, "cdmF"},
    {"usat16", 0xe6e00f30, "cdmF"},
    {"parallel", 0xe6000f10, "cdnmpP"},
    {"pkh", 0xe6800010, "cdnmHk"},
    {"sel", 0xe6800fb0, "cdnm"},
    {"xtab", 0xe6800070, "cdnmze"},
    {"xt", 0xe68f0070, "cdmze"},
    {"rev", 0xe6bf0f30, "cdm"},
    {"rev16", 0xe6bf0fb0, "cdm"},
    {"rbit", 0xe6ff0f30, "cdm"},
    {"revsh", 0xe6ff0fb0, "cdm"},
    {"smlad", 0xe7000010, "cRmsau"},
    {"smuad", 0xe700f010, "cRmsu"},
    {"smlald", 0xe7400010, "cRmsAu"},
    {"smmla", 0xe7500010, "cRmsaU"},
    {"smmls", 0xe75000d0, "cRmsaU"},
    {"smmul", 0xe750f010, "cRmsU"},
    {"sdiv", 0xe710f010, "cRms"},
    {"udiv", 0xe730f010, "cRms"},
    {"usad8", 0xe780f010, "cRms"},
    {"usada8", 0xe7800010, "cRmsa"},
    {"sbfx", 0xe7a00050, "cdmb"},
    {"ubfx", 0xe7e00050, "cdmb"},
    {"bfi", 0xe7c00010, "cdmi"},
    {"bfc", 0xe7c0001f, "cdi"},
    {"mrs", 0xe10f0000, "cd"},
    {"msr", 0xe12cf000, "cm"},
    {"ldr", 0xe5180000, "caMW"},
    {"ldr post", 0xe4180000, "caM"},
    {"ldrb", 0xe5580000, "caMW"},
    {"str", 0xe5080000, "caMW"},
    {"str post", 0xe4080000, "caM"},
    {"strb", 0xe5480000, "caMW"},
    {"ldrh", 0xe15800b0, "caNW"},
    {"ldrsb", 0xe15800d0, "caNW"},
    {"ldrsh", 0xe15800f0, "caNW"},
    {"strh", 0xe14800b0, "caNW"},
    {"ldrd", 0xe14800d0, "c2N"},
    {"strd", 0xe14800f0, "c2N"},
    {"ldm", 0xe8180000, "cLDW"},
    {"stm", 0xe8080000, "cLDW"},
    {"ldrex", 0xe1980f9f, "ca"},
    {"strex", 0xe1880f90, "c5"},
    {"swp", 0xe1080090, "cam"},
    {"b", 0xea000000, "cj"},
    {"bl", 0xeb000000, "cj"},
    {"adr", 0xe28f0000, "cdB"},
    {"ldr literal", 0xe59f0000, "ca"},
    {"add pc", 0xe08f0000, "cdm"},
};

/* Thumb: l k g low registers at 0, 3, 6; wide forms have D N M at 8, 16, 0 (d at 12 as above). */
static const struct form thumb_forms[] = {
    {"shift", 0x0000, "lk@1fff"},
    {"add3", 0x1800, "lkg@0600"},
    {"byte", 0x2000, "@1fff"},
    {"alu", 0x4000, "lk@03c0"},
    {"add high", 0x4400, "lK"},
    {"cmp high", 0x4500, "lK"},
    {"mov high", 0x4600, "lK"},
    {"adr", 0xa000, "@07ff"},
    {"add sp", 0xa800, "@07ff"},
    {"sp up", 0xb000, "@0007"},
    {"extend", 0xb200, "lk@00c0"},
    {"rev", 0xba00, "lk@0040"},
    {"revsh", 0xbac0, "lk"},
    {"cbz", 0xb100, "l@0810"},
    {"b", 0xd000, "Q@0003"},
    {"ldr literal", 0x4800, "@0707"},
    {"alu imm", 0xf0000000, "ND^05f070ff"},
    {"alu imm rn pc", 0xf04f0000, "D^043070ff"},
    {"alu shifted", 0xea000000, "NDM^01f070f0"},
    {"mov shifted", 0xea4f0000, "DM^003070f0"},
    {"tst", 0xf0100f00, "N^040070ff"},
    {"cmp", 0xf1b00f00, "N^040070ff"},
    {"cmp shifted", 0xebb00f00, "NM^000070f0"},
    {"movw", 0xf2400000, "D^040f70ff"},
    {"movt", 0xf2c00000, "D^040f70ff"},
    {"addw", 0xf2000000, "ND^040070ff"},
    {"subw", 0xf2a00000, "ND^040070ff"},
    {"ssat", 0xf3000000, "ND^002070cf"},
    {"usat", 0xf3800000, "ND^002070cf"},
    {"sbfx", 0xf3400000, "ND^000070cf"},
    {"ubfx", 0xf3c00000, "ND^000070cf"},
    {"bfi", 0xf3600000, "ND^000010d0!"},
    {"pkh", 0xeac00000, "NDM^000070e0"},
    {"lsl reg", 0xfa00f000, "NDM^00700000"},
    {"extend", 0xfa00f080, "NDM^00100030"},
    {"extend 16", 0xfa20f080, "NDM^00100030"},
    {"extend b", 0xfa40f080, "NDM^00100030"},
    {"extend plain", 0xfa0ff080, "DM^00100030"},
    {"parallel", 0xfa80f000, "NDM^00500030"},
    {"parallel u", 0xfa80f040, "NDM^00500030"},
    {"parallel x", 0xfaa0f000, "NDM^00400070"},
    {"qadd", 0xfa80f080, "NDM^00000030"},
    {"rev", 0xfa90f080, "=^00000030"},
    {"sel", 0xfaa0f080, "NDM"},
    {"clz", 0xfab0f080, "="},
    {"mul", 0xfb00f000, "NDM"},
    {"mla", 0xfb000000, "NDMa"},
    {"mls", 0xfb000010, "NDMa"},
    {"smla", 0xfb100000, "NDMa^00000030"},
    {"smul", 0xfb10f000, "NDM^00000030"},
    {"smlad", 0xfb200000, "NDMa^00000010"},
    {"smlaw", 0xfb300000, "NDMa^00000010"},
    {"smlsd", 0xfb40f000, "NDM^00000010"},
    {"smmla", 0xfb500000, "NDMa^00000010"},
    {"smmls", 0xfb600000, "NDMa^00000010"},
    {"usada8", 0xfb700000, "NDMa"},
    {"smull", 0xfb800000, "NX"},
    {"umull", 0xfba00000, "NX"},
    {"smlal", 0xfbc00000, "NX"},
    {"umlal", 0xfbe00000, "NX"},
    {"umaal", 0xfbe00060, "NX"},
    {"smlalxy", 0xfbc00080, "NX^00000030"},
    {"smlald", 0xfbc000c0, "NX^00000010"},
    {"smlsld", 0xfbd000c0, "NX^00000010"},
    {"sdiv", 0xfb90f0f0, "NDM"},
    {"udiv", 0xfbb0f0f0, "NDM"},
    {"ldr", 0xf8980c00, "a^016003ff+"},
    {"ldr 12", 0xf8980000, "a^016000ff+"},
    {"ldr reg", 0xf8570000, "aM"},
    {"str", 0xf8480c00, "a^006002fc"},
    {"str post", 0xf8480900, "a^006002fc"},
    {"ldm", 0xe898000f, "^000000f0"},
    {"ldmdb", 0xe918000f, "^000000f0"},
    {"stm", 0xe888000f, "^002000f0"},
    {"stmdb", 0xe908000f, "^002000f0"},
    {"push", 0xb400, "@00ff"},
    {"ldrd", 0xe9d81200, "^00000007"},
    {"strd", 0xe9481200, "^00800007"},
    {"ldrexd", 0xe8d8127f, ""},
    {"strexd", 0xe8c81274, ""},
    {"mrs", 0xf3ef8000, "D"},
    {"msr", 0xf3808c00, "N"},
    {"b.w", 0xf000b800, "^00000003"},
    {"bl", 0xf000f800, "^00000003"},
};

/* The VFP, as ARM has it; Thumb has the same words. v w y: registers, sized by bit 8. */
static const struct form vfp_forms[] = {
    {"vmla", 0xee000a00, "vwy8^00000040"},
    {"vnmla", 0xee100a00, "vwy8^00000040"},
    {"vmul", 0xee200a00, "vwy8^00000040"},
    {"vadd", 0xee300a00, "vwy8^00000040"},
    {"vdiv", 0xee800a00, "vwy8"},
    {"vmov imm", 0xeeb00a00, "v8^000f000f"},
    {"vmov", 0xeeb00a40, "vy8^00010080"},
    {"vcmp", 0xeeb40a40, "vy8^00000080"},
    {"vcmp 0", 0xeeb50a40, "v8^00000080"},
    {"vcvt", 0xeeb70ac0, "vy8"},
    {"from int", 0xeeb80a40, "vy8^00000080"},
    {"to int", 0xeebc0a40, "vy8^00010080"},
    {"from fixed 16", 0xeeba0a47, "v8^00010020"},
    {"to fixed 16", 0xeebe0a47, "v8^00010020"},
    {"from fixed", 0xeeba0ac0, "v8^0001002f"},
    {"to fixed", 0xeebe0ac0, "v8^0001002f"},
    {"vmov to", 0xee100a10, "dw"},
    {"vmov from", 0xee000a10, "dw"},
    {"vmov to d", 0xee100b10, "dw^00200000"},
    {"vmov from d", 0xee000b10, "dw^00200000"},
    {"vmov pair to", 0xec500b10, "dny"},
    {"vmov pair from", 0xec400b10, "dny"},
    {"vmov singles to", 0xec500a10, "dn^00000007"},
    {"vmov singles from", 0xec400a10, "dn^00000007"},
    {"vmrs", 0xeef10a10, "d"},
    {"vmrs apsr", 0xeef1fa10, ""},
    {"vmsr", 0xeee10a10, "V"},
    {"vldr", 0xed180a00, "v8^0080000f"},
    {"vstr", 0xed080a00, "v8^0080000f"},
    {"vldm", 0xecb80a02, "v8^00000004"},
    {"vstm", 0xeca80a02, "v8^00000004"},
    {"vldmdb", 0xed380a02, "v8^00000004"},
    {"vstmdb", 0xed280a02, "v8^00000004"},
};

/* --- programs --- */

static uint64_t random_state;

static uint32_t draw(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 32);
}

enum kind { KIND_ARM, KIND_THUMB, KIND_VFP, KIND_COUNT };

struct program {
    enum kind kind;
    uint8_t code[BYTES_MAX];
    unsigned bytes;
    uint8_t data[2 * PAGE];
    struct arm_state begin;
    bool nearest; /* rounding alone: Unicorn takes FPSCR's for what always rounds so */
};

static void put_half(struct program *p, uint32_t half)
{
    assert_true(p->bytes + 2 <= BYTES_MAX);
    p->code[p->bytes++] = (uint8_t)half;
    p->code[p->bytes++] = (uint8_t)(half >> 8);
}

static void put_word(struct program *p, uint32_t word)
{
    put_half(p, word & 0xffff);
    put_half(p, word >> 16);
}

/* Mostly the first few; not what points to memory, nor the pc. */
static uint32_t draw_register(void)
{
    uint32_t n;
    do
        n = draw() % 4 ? draw() % 6 : draw() % 15;
    while (n == R_MEMORY || n == ARM_SP);
    return n;
}

static uint32_t draw_integer(void)
{
    static const uint32_t special[] = {0,          1,          2,          31,     32,
                                       0x7fffffff, 0x80000000, 0xffffffff, 0xffff, 0x8000};
    switch (draw() % 4) {
    case 0: return special[draw() % ARRAY_LEN(special)];
    case 1: return draw() % 256;
    default: return draw();
    }
}

static uint64_t draw_float(void)
{
    static const uint64_t special[] = {0,
                                       UINT64_C(0x8000000000000000),
                                       UINT64_C(0x3ff0000000000000),
                                       UINT64_C(0xbff0000000000000),
                                       UINT64_C(0x7ff0000000000000),
                                       UINT64_C(0xfff0000000000000),
                                       UINT64_C(0x7ff7ffffffffffff),
                                       UINT64_C(0x7ff8000000000000),
                                       UINT64_C(0xfff0000080000001),
                                       UINT64_C(0x000fffffffffffff),
                                       UINT64_C(0x0010000000000000),
                                       UINT64_C(0x7fefffffffffffff),
                                       UINT64_C(0x41dfffffffe00000),
                                       UINT64_C(0xc1e0000000200000),
                                       UINT64_C(0x43e0000000000000),
                                       UINT64_C(0x3fe0000000000000),
                                       UINT64_C(0x3f800000bf800000),
                                       UINT64_C(0x7f800000ff800000),
                                       UINT64_C(0x7fbfffff7fc00000),
                                       UINT64_C(0x00800000007fffff),
                                       UINT64_C(0x7f7fffff4effffff),
                                       UINT64_C(0x4f00000080000001)};
    uint64_t bits = (uint64_t)draw() << 32 | draw();
    switch (draw() % 6) {
    case 0: return special[draw() % ARRAY_LEN(special)];
    case 1: return (bits & UINT64_C(0x800fffffffffffff)) | (uint64_t)(1000 + draw() % 48) << 52;
    case 2: return (bits & UINT64_C(0x807fffff807fffff)) | UINT64_C(0x3f8000003f000000);
    case 3: return (bits & UINT64_C(0x807fffff807fffff)) | UINT64_C(0x0000000000800000);
    case 4: return (bits & UINT64_C(0x800fffffffff0000)) | (uint64_t)(draw() % 2046) << 52;
    default: return bits;
    }
}

/* A field in which low is not above high: bits 7 to 11 and 16 to 20. */
static uint32_t draw_field(bool width)
{
    uint32_t low = draw() % 32, more = draw() % (32 - low);
    return low << 7 | (width ? more : low + more) << 16;
}

static uint32_t arm_operand(char kind)
{
    static const uint8_t sums[6] = {0, 1, 2, 3, 4, 7}, prefixes[6] = {1, 2, 3, 5, 6, 7};
    static const uint8_t extends[6] = {0, 2, 3, 4, 6, 7};
    uint32_t any = draw();
    switch (kind) {
    case 'd':
    case 'a': return draw_register() << 12;
    case 'n':
    case 'R': return (draw() % 4) << 16;
    case 'm': return draw_register();
    case 's': return draw_register() << 8;
    case 'A': return (4 + any % 3) << 12;
    case 'S': return any & 1u << 20;
    case 'B': return any & 0xfff;
    case 'w': return any & 0xf0000;
    case 'h': return any & 0xfe0 & ~0x20u;
    case 'H': return any & 0xf80;
    case 'k': return any & 0x40;
    case 't': return any & 0x60;
    case 'x': return any & 0x60;
    case 'q': return any & 0x600000;
    case 'f': return any & 0x1f0000;
    case 'F': return any & 0xf0000;
    case 'p': return (uint32_t)sums[any % 6] << 5;
    case 'P': return (uint32_t)prefixes[any % 6] << 20;
    case 'z': return (uint32_t)extends[any % 6] << 20;
    case 'e': return any & 0xc00;
    case 'u': return any & 0x60;
    case 'U': return any & 0x20;
    case 'b': return draw_field(true);
    case 'i': return draw_field(false);
    case 'M': return (any & 0xff) | (any & 1u << 23);
    case 'N': return (any & 0xf0f) | (any & 1u << 23) | 1u << 22;
    case 'W': return any & 1u << 21;
    case 'L': return any & 0x00ff;
    case 'D': return any & 0x01800000;
    case '2': return any & 0x6000;
    case '5': return (draw() % 3) << 12 | 4;
    case 'j': return any % 3;
    default: return 0;
    }
}

static bool is_test(uint32_t word)
{
    return (word >> 23 & 3) == 2;
}

static void put_arm(struct program *p)
{
    const struct form *form = &arm_forms[draw() % ARRAY_LEN(arm_forms)];
    uint32_t word = form->word;
    for (const char *kind = form->operands_z; *kind; kind++) {
        if (*kind == 'c')
            word = draw() % 2 ? word : (word & 0x0fffffff) | (draw() % 14) << 28;
        else if (*kind == 'o')
            word |= (draw() % 16) << 21;
        else if (*kind == 'h' && form->word >> 24 == 0xe0)
            word |= draw() & 0xfe0;
        else
            word |= arm_operand(*kind);
    }
    if (strchr(form->operands_z, 'o') && is_test(word))
        word = (word | 1u << 20) & ~0xf000u;
    if (strchr(form->operands_z, 'o') && (word >> 21 & 13) == 13) /* mov, mvn */
        word &= ~0xf0000u;
    if (form->operands_z[1] == 'L')
        word &= draw() % 2 ? ~0u : ~1u;
    put_word(p, word);
}

static uint32_t wide_field(uint32_t word)
{
    uint32_t low = draw() % 32, last = low + draw() % (32 - low);
    return (word & ~0x70dfu) | (low >> 2) << 12 | (low & 3) << 6 | last;
}

static void put_thumb(struct program *p)
{
    const struct form *form = &thumb_forms[draw() % ARRAY_LEN(thumb_forms)];
    uint32_t word = form->word, m;
    for (const char *kind = form->operands_z; *kind; kind++) {
        switch (*kind) {
        case 'l': word |= draw() % 8; break;
        case 'k': word |= (draw() % 8) << 3; break;
        case 'g': word |= (draw() % 8) << 6; break;
        case 'K': word |= draw_register() << 3; break;
        case 'Q': word |= (draw() % 14) << 8; break;
        case '@': word |= draw() & strtoul(kind + 1, NULL, 16); break;
        case '^': word |= draw() & strtoul(kind + 1, NULL, 16); break;
        case 'N': word |= (draw() % 7) << 16; break;
        case 'D': word |= draw_register() << 8; break;
        case 'M': word |= draw() % 8; break;
        case 'a': word |= (draw() % 6) << 12; break;
        case 'X': word |= (draw() % 3) << 12 | (3 + draw() % 3) << 8 | draw() % 8; break;
        case '=':
            m = draw() % 8;
            word |= m << 16 | m | draw_register() << 8;
            break;
        case '!': word = wide_field(word); break;
        default: break;
        }
        if (*kind == '@' || *kind == '^')
            break;
    }
    if (word >> 16) {
        put_half(p, word >> 16);
        put_half(p, word & 0xffff);
    } else {
        put_half(p, word);
    }
}

/* An IT block now and then, with instructions that may stand in one. */
static void put_thumb_block(struct program *p)
{
    static const uint16_t plain[] = {0x1840, 0x3101, 0x4048, 0x0089,
                                     0x4613, 0x2207, 0x2a03, 0x4391};
    uint32_t mask = 1 + draw() % 15, count = 4 - (uint32_t)__builtin_ctz(mask);
    put_half(p, 0xbf00 | (draw() % 14) << 4 | mask);
    while (count-- > 0)
        put_half(p, plain[draw() % ARRAY_LEN(plain)]);
}

static void put_vfp(struct program *p)
{
    const struct form *form = &vfp_forms[draw() % ARRAY_LEN(vfp_forms)];
    uint32_t word = form->word;
    p->nearest |= strncmp(form->name_z, "from fixed", 10) == 0;
    for (const char *kind = form->operands_z; *kind; kind++) {
        switch (*kind) {
        case 'v': word |= (draw() & 0x400000) | (draw() % 4) << 12; break;
        case 'w': word |= (draw() & 0x80) | (draw() % 4) << 16; break;
        case 'y': word |= (draw() & 0x20) | draw() % 4; break;
        case '8': word |= draw() & 0x100; break;
        case 'd': word |= (draw() % 4) << 12; break;
        case 'n': word |= (4 + draw() % 3) << 16; break;
        case 'V': word |= 7u << 12; break;
        case '^': word |= draw() & strtoul(kind + 1, NULL, 16); break;
        default: break;
        }
        if (*kind == '^')
            break;
    }
    put_word(p, word);
}

static void make_program(struct program *p, enum kind kind)
{
    *p = (struct program){.kind = kind};
    for (unsigned i = 0; i < sizeof(p->data); i++)
        p->data[i] = (uint8_t)draw();
    struct arm_state *s = &p->begin;
    for (unsigned i = 0; i < ARM_PC; i++)
        s->reg[i] = draw_integer();
    s->reg[R_MEMORY] = s->reg[ARM_SP] = MIDDLE;
    s->reg[7] = draw() & ARM_FPSCR_VALID & 0xf7ffffff; /* what vmsr sets */
    s->reg[ARM_PC] = CODE;
    s->cpsr = ARM_CPSR_USER | (draw() & 0xf80f0000) | (kind == KIND_THUMB ? ARM_CPSR_T : 0);
    s->fpscr = draw() & ARM_FPSCR_VALID & 0xf7ffffff;
    if (draw() % 2)
        s->fpscr &= ~0x03000000u;
    for (unsigned i = 0; i < 32; i++)
        s->d[i] = draw_float();
    for (unsigned n = 1 + draw() % BODY_MAX; n > 0; n--) {
        if (kind == KIND_ARM)
            put_arm(p);
        else if (kind == KIND_VFP)
            put_vfp(p);
        else if (draw() % 6 == 0)
            put_thumb_block(p);
        else
            put_thumb(p);
    }
    if (p->nearest) {
        s->fpscr &= ~0x00c00000u;
        s->reg[7] &= ~0x00c00000u;
    }
    for (unsigned i = 0; i < 16; i++) /* where the last branches lead */
        put_half(p, kind == KIND_THUMB ? 0xbf00 : i % 2 ? 0xe320 : 0xf000);
}

/* --- the two processors --- */

struct outcome {
    bool faulted;
    enum cpu_stop stop; /* ours */
    uint8_t data[2 * PAGE];
    struct arm_state state;
};

struct ours {
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_code *code;
    struct cpu *cpu;
};

static void open_ours(struct ours *o)
{
    const struct span none = {NULL, 0};
    o->pool = cpu_pool_new(64);
    o->space = cpu_space_new(o->pool);
    o->code = cpu_code_new(1 << 20);
    o->cpu = cpu_new(&arm_ops, o->code, o->space);
    assert_non_null(o->cpu);
    assert_int_equal(cpu_space_map(o->space, CODE, PAGE, CPU_READ | CPU_EXEC, none), 0);
    assert_int_equal(cpu_space_map(o->space, DATA, 2 * PAGE, CPU_READ | CPU_WRITE, none), 0);
}

static void close_ours(struct ours *o)
{
    cpu_free(o->cpu);
    cpu_space_free(o->space);
    cpu_code_free(o->code);
    cpu_pool_free(o->pool);
}

static void run_ours(struct ours *o, const struct program *p, struct outcome *out)
{
    struct cpu_trap trap;
    uint64_t used;
    assert_int_equal(cpu_space_poke(o->space, CODE, p->code, sizeof(p->code)), 0);
    assert_int_equal(cpu_space_poke(o->space, DATA, p->data, sizeof(p->data)), 0);
    assert_int_equal(o->cpu->ops->load(o->cpu, &p->begin), 0);
    assert_int_equal(o->cpu->ops->probe_add(o->cpu, CODE + p->bytes), 0);
    out->stop = cpu_run(o->cpu, RUN_MAX, &used, &trap);
    out->faulted = out->stop != CPU_STOP_PROBE;
    o->cpu->ops->probe_clear(o->cpu, CODE + p->bytes);
    out->state = *arm_state(o->cpu);
    assert_int_equal(cpu_space_read(o->space, DATA, out->data, sizeof(out->data)), 0);
}

static uc_engine *open_unicorn(void)
{
    uc_engine *uc = NULL;
    uint32_t access = 0xf00000, enable = 1u << 30;
    assert_int_equal(uc_open(UC_ARCH_ARM, UC_MODE_ARM, &uc), UC_ERR_OK);
    assert_int_equal(uc_ctl_set_cpu_model(uc, UC_CPU_ARM_CORTEX_A15), UC_ERR_OK);
    assert_int_equal(uc_mem_map(uc, CODE, PAGE, UC_PROT_ALL), UC_ERR_OK);
    assert_int_equal(uc_mem_map(uc, DATA, 2 * PAGE, UC_PROT_READ | UC_PROT_WRITE), UC_ERR_OK);
    uc_reg_write(uc, UC_ARM_REG_C1_C0_2, &access);
    uc_reg_write(uc, UC_ARM_REG_FPEXC, &enable);
    return uc;
}

static void on_exception(uc_engine *uc, uint32_t number, void *faulted)
{
    (void)number;
    *(bool *)faulted = true;
    uc_emu_stop(uc);
}

static int register_of(unsigned n)
{
    static const int high[3] = {UC_ARM_REG_SP, UC_ARM_REG_LR, UC_ARM_REG_PC};
    return n < ARM_SP ? UC_ARM_REG_R0 + (int)n : high[n - ARM_SP];
}

static void run_unicorn(uc_engine *uc, const struct program *p, struct outcome *out)
{
    struct arm_state s = p->begin;
    bool thumb = s.cpsr & ARM_CPSR_T;
    uc_hook hook;
    uc_mem_write(uc, CODE, p->code, sizeof(p->code));
    uc_mem_write(uc, DATA, p->data, sizeof(p->data));
    uc_ctl_remove_cache(uc, CODE, CODE + PAGE);
    uc_reg_write(uc, UC_ARM_REG_CPSR, &s.cpsr);
    for (unsigned i = 0; i < ARM_PC; i++)
        uc_reg_write(uc, register_of(i), &s.reg[i]);
    for (int i = 0; i < 32; i++)
        uc_reg_write(uc, UC_ARM_REG_D0 + i, &s.d[i]);
    uc_reg_write(uc, UC_ARM_REG_FPSCR, &s.fpscr);
    out->faulted = false;
    uc_hook_add(uc, &hook, UC_HOOK_INTR, (void *)on_exception, &out->faulted, 1, 0);
    uc_err err = uc_emu_start(uc, CODE | thumb, CODE + p->bytes, 0, RUN_MAX);
    uc_hook_del(uc, hook);
    out->faulted |= err != UC_ERR_OK;
    for (unsigned i = 0; i < 16; i++)
        uc_reg_read(uc, register_of(i), &out->state.reg[i]);
    for (int i = 0; i < 32; i++)
        uc_reg_read(uc, UC_ARM_REG_D0 + i, &out->state.d[i]);
    uc_reg_read(uc, UC_ARM_REG_CPSR, &out->state.cpsr);
    uc_reg_read(uc, UC_ARM_REG_FPSCR, &out->state.fpscr);
    uc_mem_read(uc, DATA, out->data, sizeof(out->data));
}

/* --- comparing --- */

/* QC is NEON's, of which we have nothing. */
#define FPSCR_COMPARED (ARM_FPSCR_VALID & ~0x08000000u)
#define CPSR_COMPARED  (ARM_CPSR_VALID & ~(ARM_CPSR_USER | ARM_CPSR_IT))

static bool is_same(const struct outcome *a, const struct outcome *b)
{
    const struct arm_state *s = &a->state, *t = &b->state;
    if (a->faulted != b->faulted)
        return false;
    if (memcmp(s->reg, t->reg, (a->faulted ? 15 : 16) * sizeof(s->reg[0])) != 0)
        return false;
    return ((s->cpsr ^ t->cpsr) & CPSR_COMPARED) == 0 &&
           ((s->fpscr ^ t->fpscr) & FPSCR_COMPARED) == 0 && memcmp(s->d, t->d, sizeof(s->d)) == 0 &&
           memcmp(a->data, b->data, sizeof(a->data)) == 0;
}

static void explain(const struct program *p, const struct outcome *a, const struct outcome *b)
{
    const struct arm_state *s = &a->state, *t = &b->state, *o = &p->begin;
    print_error("ours: stop %d at %x, Unicorn: faulted %d at %x\n ", a->stop, s->reg[15],
                b->faulted, t->reg[15]);
    for (unsigned i = 0; i + 32 < p->bytes; i += 2)
        print_error(" %04x", p->code[i] | p->code[i + 1] << 8);
    print_error("\n  cpsr: began %08x, ours %08x, Unicorn %08x; fpscr %08x %08x %08x\n", o->cpsr,
                s->cpsr, t->cpsr, o->fpscr, s->fpscr, t->fpscr);
    for (unsigned i = 0; i < 16; i++)
        if (s->reg[i] != t->reg[i])
            print_error("  r%u: began %x, ours %x, Unicorn %x\n", i, o->reg[i], s->reg[i],
                        t->reg[i]);
    for (unsigned i = 0; i < 32; i++)
        if (s->d[i] != t->d[i])
            print_error("  d%u: began %" PRIx64 ", ours %" PRIx64 ", Unicorn %" PRIx64 "\n", i,
                        o->d[i], s->d[i], t->d[i]);
    for (unsigned i = 0, shown = 0; i < sizeof(a->data) && shown < SHOWN_MAX; i++)
        if (a->data[i] != b->data[i])
            shown += (print_error("  memory %x: ours %02x, Unicorn %02x\n", DATA + i, a->data[i],
                                  b->data[i]),
                      1u);
}

static unsigned rounds = ROUNDS_DEFAULT;
static uint64_t seed = 1;

static void programs_end_as_on_unicorn(enum kind kind)
{
    struct ours o;
    struct program p;
    unsigned differ = 0, faults = 0;
    open_ours(&o);
    uc_engine *uc = open_unicorn();
    random_state = seed * KIND_COUNT + kind;
    for (unsigned round = 0; round < rounds; round++) {
        struct outcome ours, other;
        make_program(&p, kind);
        run_ours(&o, &p, &ours);
        if (ours.stop == CPU_STOP_BUDGET || ours.stop == CPU_STOP_ALIGN)
            continue; /* it goes on for ever; Unicorn aligns nothing */
        run_unicorn(uc, &p, &other);
        faults += ours.faulted;
        if (other.faulted) { /* after an exception Unicorn is no user's processor any more */
            uc_close(uc);
            uc = open_unicorn();
        }
        if (!is_same(&ours, &other) && differ++ < SHOWN_MAX)
            explain(&p, &ours, &other);
    }
    print_message("%u programs, %u of them faulted, %u differ\n", rounds, faults, differ);
    uc_close(uc);
    close_ours(&o);
    assert_int_equal(differ, 0);
}

static void programs_of_arm(void **state)
{
    (void)state;
    programs_end_as_on_unicorn(KIND_ARM);
}

static void programs_of_thumb(void **state)
{
    (void)state;
    programs_end_as_on_unicorn(KIND_THUMB);
}

static void programs_of_the_floating_point_unit(void **state)
{
    (void)state;
    programs_end_as_on_unicorn(KIND_VFP);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_of_arm),
        cmocka_unit_test(programs_of_thumb),
        cmocka_unit_test(programs_of_the_floating_point_unit),
    };
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        rounds = (unsigned)strtoul(argv[2], NULL, 10);
    return cmocka_run_group_tests_name("arm_oracle", tests, NULL, NULL);
}
