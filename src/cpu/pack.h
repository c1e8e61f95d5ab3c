/* Pages as what a maker makes and what is different in them. For src/cpu alone.
 *
 * What is different stands in blocks, many pages in one, so that a page that differs in nothing
 * costs eight bytes. A block goes with the last of its pages; it is no longer than a page, so that
 * no page, however its neighbours go, costs more packed than it did before. */
#ifndef CPU_PACK_H
#define CPU_PACK_H

#include "cpu/pool.h"

enum {
    CPU_PACK_BYTES_MAX = 3072,  /* of what is different in a page: with more it is not worth it */
    CPU_PACK_BLOCK_MAX = 4000,  /* of a block's pages together */
    CPU_PACK_BLOCK_PAGES = 256, /* in a block at most */
};

/* A page; it lies in its block. */
struct cpu_pack {
    uint16_t at;    /* first byte of it in its block */
    uint16_t bytes; /* of `other` */
    int32_t like;   /* counted from the block's */
    uint8_t other[];
};

/* Pages on their way into a block. */
struct cpu_packer {
    struct cpu_maker *maker;
    const uint8_t *like; /* of the block's first page that is like anything */
    struct cpu_packed_page {
        struct cpu_frame *frame;
        struct cpu_entry *entry; /* the only one that names it */
        uint16_t at;
    } page[CPU_PACK_BLOCK_PAGES];
    size_t pages, bytes;
    uint8_t block[CPU_PACK_BLOCK_MAX];
};

void cpu_packer_init(struct cpu_packer *packer, struct cpu_maker *maker);
/* Takes a frame's bytes; `like` as for the maker, NULL: zeroes. Nothing is changed yet, and frame and
 * entry must stay where they are until cpu_packer_flush. False: too much is different. */
bool cpu_packer_put(struct cpu_packer *packer, const uint8_t *like, struct cpu_frame *frame,
                    struct cpu_entry *entry);
/* Is there room for another page, whatever is in it? */
bool cpu_packer_has_room(const struct cpu_packer *packer);
/* Packs those that were taken. How many; without memory: none. */
size_t cpu_packer_flush(struct cpu_packer *packer);

/* The bytes again. */
void cpu_pack_open(const struct cpu_pack *pack, uint8_t page[CPU_PAGE_BYTES]);
void cpu_pack_free(struct cpu_pack *pack);

#endif
