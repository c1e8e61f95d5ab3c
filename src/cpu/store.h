/* Decoded blocks and where they are kept. A block is a run of instructions of one page that is
 * entered at its first one. Blocks belong to pages; all blocks of a page go together. Nothing in a
 * block depends on the address at which the guest sees the page.
 *
 * A store is for all processors of one kind in the process: code of immutable image pages is decoded
 * once for everybody. For src/cpu alone. */
#ifndef CPU_STORE_H
#define CPU_STORE_H

#include "cpu/space_tlb.h"

struct cpu_block_page;

/* What decoding has cost, in instructions decoded (cpu.h, cpu_code_allow). */
struct cpu_work {
    uint64_t done, allowed;
};

/* What every kind's block begins with; its decoded instructions follow. */
struct cpu_block {
    struct cpu_block_page *page; /* NULL: not kept */
    uint32_t count;              /* instructions */
    uint32_t insns;              /* entries used */
    uint16_t start;              /* offset of the first byte in the page */
    uint16_t bytes;              /* that it was decoded from */
    uint8_t mode;
};

/* Decodes up to `limit` instructions; `bytes` stands at `offset` of its page and has `size` bytes,
 * not past the page's end except for the one instruction that crosses it. The same bytes may be
 * other instructions in another mode (byte order, Thumb): a number of the kind's own. 0, or -1 when
 * not even one instruction is whole. An instruction that does not exist becomes one that stops. Sets
 * all of the header but `mode`. */
enum { CPU_MODES = 4 };
typedef int (*cpu_block_decode)(struct cpu_block *block, const uint8_t *bytes, size_t size,
                                unsigned offset, unsigned limit, unsigned mode);

/* A kind of processor, as the store knows it. Constant. */
struct cpu_store_kind {
    size_t insn_bytes;  /* of an entry; they begin at the end of struct cpu_block */
    unsigned count_max; /* instructions of a block */
    unsigned insns_max; /* entries of a block */
    cpu_block_decode decode;
};

/* `max_bytes` bounds it: what does not fit is thrown out and decoded again. NULL: no memory. */
struct cpu_store *cpu_store_new(const struct cpu_store_kind *kind, size_t max_bytes);
void cpu_store_free(struct cpu_store *store); /* takes NULL */
/* Counts its work there from now on (borrowed); a new store counts it for itself alone. */
void cpu_store_set_work(struct cpu_store *store, struct cpu_work *work);
bool cpu_store_is_tired(const struct cpu_store *store);

/* A block with room for all entries, for code decoded for one pass. There is one: only one processor
 * runs at a time. Lives with the store. */
struct cpu_block *cpu_store_scratch(struct cpu_store *store);
/* Decodes into the scratch block; as cpu_block_decode. */
int cpu_store_decode(struct cpu_store *store, const uint8_t *bytes, size_t size, unsigned offset,
                     unsigned limit, unsigned mode);

/* The block at `offset` of the page, from the store or decoded into it. NULL: the instruction
 * there does not end in the page, or no memory. May throw out every block there is (the epoch
 * grows): call it only when none is being executed. */
struct cpu_block *cpu_store_find(struct cpu_store *store, const struct cpu_code_page *at,
                                 unsigned offset, unsigned mode);

/* True when the page's bytes were changed since the block was made. */
bool cpu_block_is_dead(const struct cpu_block *block);

/* Grows when blocks are thrown out; pointers to blocks found before are then void. */
uint64_t cpu_store_epoch(const struct cpu_store *store);

/* Where jumps of the guests lead, for all processors of the kind: a table of the blocks looked up
 * last. An entry is good for the one processor whose stamp its key has, so a processor forgets all
 * of its entries by taking a new stamp. Stamps stand above the 47 bits of an address. */
enum { CPU_JUMPS = 8192 };

struct cpu_jump {
    uint64_t key; /* address ^ stamp; 0: empty */
    struct cpu_block *block;
};

struct cpu_jump *
cpu_store_jumps(struct cpu_store *store); /* CPU_JUMPS of them; lives with the store */
/* A stamp that nobody has. The epoch may grow: then all stamps given out before are void. */
uint64_t cpu_store_new_stamp(struct cpu_store *store);

static inline unsigned cpu_jump_slot(uint64_t addr)
{
    return (unsigned)(addr ^ (addr >> 13)) % CPU_JUMPS;
}

/* Frees what was thrown out while it may still have been executed. */
void cpu_store_sweep(struct cpu_store *store);

#endif
