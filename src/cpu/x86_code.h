/* Decoded blocks and where they are kept. A block is a run of instructions of one page that is
 * entered at its first one. Blocks belong to pages; all blocks of a page go together. Nothing in a
 * block depends on the address at which the guest sees the page. */
#ifndef CPU_X86_CODE_H
#define CPU_X86_CODE_H

#include "cpu/x86_internal.h"

enum {
    X86_INSN_BYTES_MAX = 15,
    X86_BLOCK_COUNT_MAX = 64, /* instructions */
    /* Two parts before each instruction at most, and the end. */
    X86_BLOCK_INSNS_MAX = 3 * X86_BLOCK_COUNT_MAX + 1,
};

struct x86_code_page;

struct x86_block {
    struct x86_code_page *page; /* NULL: not kept */
    uint32_t count;             /* instructions */
    uint32_t insns;             /* entries used of `insn` */
    uint16_t start;             /* offset of the first byte in the page */
    uint16_t bytes;             /* that it was decoded from */
    struct x86_insn insn[];
};

/* A block with room for X86_BLOCK_INSNS_MAX entries, for code decoded for one pass. There is one:
 * only one processor runs at a time. Lives with the store. */
struct x86_block *x86_code_scratch(struct x86_code *code);

/* Decodes up to `limit` instructions; `bytes` stands at `offset` of its page and has `size` bytes,
 * not past the page's end except for the one instruction that crosses it. 0, or -1 when not even
 * one instruction is whole. An instruction that does not exist becomes one that stops. */
int x86_block_decode(struct x86_block *block, const uint8_t *bytes, size_t size, unsigned offset,
                     unsigned limit, bool mode32);

/* The block at `offset` of the page, from the store or decoded into it. NULL: the instruction
 * there does not end in the page, or no memory. May throw out every block there is (the epoch
 * grows): call it only when none is being executed. */
struct x86_block *x86_code_find(struct x86_code *code, const struct cpu_code_page *at,
                                unsigned offset, bool mode32);

/* True when the page's bytes were changed since the block was made. */
bool x86_block_is_dead(const struct x86_block *block);

/* Grows when blocks are thrown out; pointers to blocks found before are then void. */
uint64_t x86_code_epoch(const struct x86_code *code);

/* Where jumps of the guests lead, for all processors: a table of the blocks looked up last. An
 * entry is good for the one processor whose stamp its key has, so a processor forgets all of its
 * entries by taking a new stamp. Stamps stand above the 47 bits of an address. */
enum { X86_JUMPS = 8192 };

struct x86_jump {
    uint64_t key; /* rip ^ stamp; 0: empty */
    struct x86_block *block;
};

struct x86_jump *
x86_code_jumps(struct x86_code *code); /* X86_JUMPS of them; lives with the store */
/* A stamp that nobody has. The epoch may grow: then all stamps given out before are void. */
uint64_t x86_code_new_stamp(struct x86_code *code);

/* Frees what was thrown out while it may still have been executed. */
void x86_code_sweep(struct x86_code *code);

#endif
