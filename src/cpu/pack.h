/* A frame's bytes as what a maker makes, and the words that are different. For src/cpu alone. */
#ifndef CPU_PACK_H
#define CPU_PACK_H

#include "cpu/pool.h"

enum { CPU_PACK_WORDS_MAX = 256 }; /* of a page's 512: with more it is not worth it */

struct cpu_pack;
/* NULL: too many words are different, or no memory. Holds the maker. `like` may be NULL: zeroes. */
struct cpu_pack *cpu_pack_new(struct cpu_maker *maker, const uint8_t *like,
                              const uint8_t page[CPU_PAGE_BYTES]);
void cpu_pack_free(struct cpu_pack *pack);
/* The bytes again. */
void cpu_pack_open(const struct cpu_pack *pack, uint8_t page[CPU_PAGE_BYTES]);

#endif
