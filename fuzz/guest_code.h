/* Machine code for the fuzz targets of the kernel: straight programs of system calls, for each kind of
 * program that the kernel runs. An argument is a value, or what an earlier call answered. */
#ifndef FUZZ_GUEST_CODE_H
#define FUZZ_GUEST_CODE_H

#include "kernel/abi.h"
#include "kernel/elf.h"

#include <elf.h>
#include <string.h>

/* Where a program lies: its file, whole, and behind it two pages of zeros with nothing behind them, and
 * a page that may only be read. */
enum {
    GUEST_BASE = 0x400000,
    GUEST_FILE_BYTES = 0x8000,
    GUEST_CODE_AT = 0x100,
    GUEST_CODE_BYTES = 0x2f00,
    GUEST_DATA_AT = 0x3000, /* behind the code: the target's own */
    GUEST_SLOTS_AT = 0x7c00,
    GUEST_ZERO = 0x500000,
    GUEST_ZERO_BYTES = 0x2000,
    GUEST_CONST = 0x510000,
    GUEST_CONST_BYTES = 0x1000,
    GUEST_CALL_BYTES = 128, /* of code, at most */
};

struct guest_arg {
    uint64_t value; /* or, of an answer, the slot's number */
    bool is_slot;
};

struct guest_code {
    const struct abi *abi;
    uint8_t bytes[GUEST_FILE_BYTES];
    size_t at; /* in the code: where the next instruction goes */
};

/* ---- Words of the program ---- */

static inline void guest_put16(struct guest_code *g, size_t at, uint16_t value)
{
    if (g->abi->big_endian)
        value = __builtin_bswap16(value);
    memcpy(g->bytes + at, &value, sizeof(value));
}

static inline void guest_put32(struct guest_code *g, size_t at, uint32_t value)
{
    value = abi_swap32(g->abi, value);
    memcpy(g->bytes + at, &value, sizeof(value));
}

static inline void guest_put_word(struct guest_code *g, size_t at, uint64_t value)
{
    if (g->abi->word_bytes == 4)
        guest_put32(g, at, (uint32_t)value);
    else
        memcpy(g->bytes + at, &value, sizeof(value));
}

static inline void code8(struct guest_code *g, uint8_t byte)
{
    g->bytes[g->at++] = byte;
}

static inline void code32(struct guest_code *g, uint32_t word)
{
    guest_put32(g, g->at, word);
    g->at += 4;
}

static inline uint32_t guest_slot(uint64_t slot)
{
    return (uint32_t)(GUEST_BASE + GUEST_SLOTS_AT + slot * 8);
}

/* ---- Registers ---- */

static inline void load_x86_64(struct guest_code *g, unsigned reg, struct guest_arg arg)
{
    if (arg.is_slot) { /* mov reg, [slot] */
        code8(g, reg >= 8 ? 0x4c : 0x48);
        code8(g, 0x8b);
        code8(g, (uint8_t)((reg & 7) << 3 | 4));
        code8(g, 0x25);
        code32(g, guest_slot(arg.value));
        return;
    }
    code8(g, reg >= 8 ? 0x49 : 0x48); /* mov reg, imm64 */
    code8(g, (uint8_t)(0xb8 | (reg & 7)));
    memcpy(g->bytes + g->at, &arg.value, 8);
    g->at += 8;
}

static inline void load_i386(struct guest_code *g, unsigned reg, struct guest_arg arg)
{
    if (arg.is_slot) {
        code8(g, 0x8b);
        code8(g, (uint8_t)(reg << 3 | 5));
    } else {
        code8(g, (uint8_t)(0xb8 | reg));
    }
    code32(g, arg.is_slot ? guest_slot(arg.value) : (uint32_t)arg.value);
}

/* movw and movt, and with a slot ldr. */
static inline void load_arm(struct guest_code *g, unsigned reg, struct guest_arg arg)
{
    uint32_t value = arg.is_slot ? guest_slot(arg.value) : (uint32_t)arg.value;
    for (unsigned half = 0; half < 2; half++) {
        uint32_t imm = value >> (16 * half) & 0xffff;
        code32(g,
               (half ? 0xe3400000 : 0xe3000000) | (imm & 0xf000) << 4 | reg << 12 | (imm & 0xfff));
    }
    if (arg.is_slot)
        code32(g, 0xe5900000 | reg << 16 | reg << 12);
}

/* lui and ori, or lui and lw. */
static inline void load_mips(struct guest_code *g, unsigned reg, struct guest_arg arg)
{
    uint32_t value = arg.is_slot ? guest_slot(arg.value) : (uint32_t)arg.value;
    code32(g, 0x3c000000 | reg << 16 | value >> 16);
    code32(g, (arg.is_slot ? 0x8c000000 : 0x34000000) | reg << 21 | reg << 16 | (value & 0xffff));
}

/* ---- Calls ---- */

static inline void call_x86_64(struct guest_code *g, uint64_t number, const struct guest_arg arg[6],
                               unsigned slot)
{
    static const uint8_t order[] = {7, 6, 2, 10, 8, 9};
    for (unsigned i = 0; i < 6; i++)
        load_x86_64(g, order[i], arg[i]);
    load_x86_64(g, 0, (struct guest_arg){number, false});
    code8(g, 0x0f), code8(g, 0x05);
    code8(g, 0x48), code8(g, 0x89), code8(g, 0x04), code8(g, 0x25);
    code32(g, guest_slot(slot));
}

static inline void call_i386(struct guest_code *g, uint64_t number, const struct guest_arg arg[6],
                             unsigned slot)
{
    static const uint8_t order[] = {3, 1, 2, 6, 7, 5};
    for (unsigned i = 0; i < 6; i++)
        load_i386(g, order[i], arg[i]);
    load_i386(g, 0, (struct guest_arg){number, false});
    code8(g, 0xcd), code8(g, 0x80);
    code8(g, 0xa3); /* mov [slot], eax */
    code32(g, guest_slot(slot));
}

static inline void call_arm(struct guest_code *g, uint64_t number, const struct guest_arg arg[6],
                            unsigned slot)
{
    for (unsigned i = 0; i < 6; i++)
        load_arm(g, i, arg[i]);
    load_arm(g, 7, (struct guest_arg){number, false});
    load_arm(g, 8, (struct guest_arg){guest_slot(slot), false});
    code32(g, 0xef000000);
    code32(g, 0xe5880000); /* str r0, [r8] */
}

/* The fifth and sixth argument lie on the stack. */
static inline void call_mips(struct guest_code *g, uint64_t number, const struct guest_arg arg[6],
                             unsigned slot)
{
    for (unsigned i = 4; i < 6; i++) {
        load_mips(g, 8, arg[i]);
        code32(g, 0xafa80000 | i * 4); /* sw $t0, 4 * i($sp) */
    }
    for (unsigned i = 0; i < 4; i++)
        load_mips(g, 4 + i, arg[i]);
    load_mips(g, 2, (struct guest_arg){number, false});
    code32(g, 0x0000000c);
    load_mips(g, 8, (struct guest_arg){guest_slot(slot), false});
    code32(g, 0xad020000); /* sw $v0, ($t0) */
}

/* One call; its answer goes to the slot. */
static inline void guest_call(struct guest_code *g, uint64_t number, const struct guest_arg arg[6],
                              unsigned slot)
{
    switch (g->abi->family) {
    case ABI_X86_64: call_x86_64(g, number, arg, slot); break;
    case ABI_I386: call_i386(g, number, arg, slot); break;
    case ABI_ARM: call_arm(g, number, arg, slot); break;
    case ABI_MIPS: call_mips(g, number, arg, slot); break;
    }
}

static inline bool guest_has_room(const struct guest_code *g)
{
    return g->at + GUEST_CALL_BYTES <= GUEST_CODE_AT + GUEST_CODE_BYTES;
}

/* A jump back to the first instruction. */
static inline void guest_jump_to_start(struct guest_code *g, size_t start)
{
    switch (g->abi->family) {
    case ABI_X86_64:
    case ABI_I386:
        code8(g, 0xe9);
        code32(g, (uint32_t)(start - g->at - 4));
        break;
    case ABI_ARM: code32(g, 0xea000000 | ((uint32_t)(start - g->at - 8) >> 2 & 0xffffff)); break;
    case ABI_MIPS:
        code32(g, 0x08000000 | (uint32_t)(GUEST_BASE + start) >> 2);
        code32(g, 0);
        break;
    }
}

/* A handler of signals, which returns at once; and what it returns to where the program says so. */
static inline void guest_handler(struct guest_code *g)
{
    switch (g->abi->family) {
    case ABI_X86_64:
    case ABI_I386: code8(g, 0xc3); break;
    case ABI_ARM: code32(g, 0xe12fff1e); break;
    case ABI_MIPS: code32(g, 0x03e00008), code32(g, 0); break;
    }
}

static inline void guest_restorer(struct guest_code *g)
{
    switch (g->abi->family) {
    case ABI_X86_64: code8(g, 0xb8), code32(g, 15), code8(g, 0x0f), code8(g, 0x05); break;
    case ABI_I386: code8(g, 0xb8), code32(g, 173), code8(g, 0xcd), code8(g, 0x80); break;
    case ABI_ARM: code32(g, 0xe3a070ad), code32(g, 0xef000000); break;
    case ABI_MIPS: code32(g, 0x24021061), code32(g, 0x0000000c); break;
    }
}

/* ---- The file ---- */

static inline void guest_segment(struct guest_code *g, size_t at, Elf64_Phdr p)
{
    if (g->abi->word_bytes == 8) {
        memcpy(g->bytes + at, &p, sizeof(p));
        return;
    }
    const uint64_t words[] = {p.p_type,   p.p_offset, p.p_vaddr, p.p_paddr,
                              p.p_filesz, p.p_memsz,  p.p_flags, p.p_align};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        guest_put32(g, at + 4 * i, (uint32_t)words[i]);
}

static inline size_t guest_header_bytes(const struct abi *abi)
{
    return abi->word_bytes == 8 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
}

static inline size_t guest_segment_bytes(const struct abi *abi)
{
    return abi->word_bytes == 8 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
}

static inline void guest_header(struct guest_code *g, uint16_t type, uint64_t entry,
                                uint16_t segments)
{
    const struct abi *abi = g->abi;
    size_t word = abi->word_bytes, head = guest_header_bytes(abi), at = 24 + 3 * word + 4;
    const uint8_t ident[] = {0x7f, 'E', 'L', 'F', abi->elf_class, abi->elf_data, EV_CURRENT};
    memcpy(g->bytes, ident, sizeof(ident));
    guest_put16(g, 16, type);
    guest_put16(g, 18, abi->elf_machine);
    guest_put32(g, 20, EV_CURRENT);
    guest_put_word(g, 24, entry);
    guest_put_word(g, 24 + word, head);
    guest_put32(g, at - 4, abi->family == ABI_ARM ? EF_ARM_EABI_VER5 : 0);
    guest_put16(g, at, (uint16_t)head);
    guest_put16(g, at + 2, (uint16_t)guest_segment_bytes(abi));
    guest_put16(g, at + 4, segments);
}

/* An empty program; the code is to be put at g->at. */
static inline void guest_begin(struct guest_code *g, const struct abi *abi)
{
    const Elf64_Phdr loads[] = {
        {.p_type = PT_LOAD,
         .p_flags = PF_R | PF_W | PF_X,
         .p_vaddr = GUEST_BASE,
         .p_filesz = GUEST_FILE_BYTES,
         .p_memsz = GUEST_FILE_BYTES},
        {.p_type = PT_LOAD,
         .p_flags = PF_R | PF_W,
         .p_vaddr = GUEST_ZERO,
         .p_memsz = GUEST_ZERO_BYTES},
        {.p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = GUEST_CONST, .p_memsz = GUEST_CONST_BYTES},
    };
    memset(g, 0, sizeof(*g));
    g->abi = abi;
    g->at = GUEST_CODE_AT;
    guest_header(g, ET_EXEC, GUEST_BASE + GUEST_CODE_AT, ARRAY_LEN(loads));
    for (size_t i = 0; i < ARRAY_LEN(loads); i++)
        guest_segment(g, guest_header_bytes(abi) + i * guest_segment_bytes(abi), loads[i]);
}

#endif
