/* Packed contents: what nobody maps (kernel modules, manuals, translations, texts) stands in the
 * image compressed, in blocks that can be read one by one.
 *
 *   u32 end of each block (little-endian, counted from the first block's first byte), then the blocks
 *
 * A block holds PERSONA_BLOCK bytes of the file (the last one what is left), as raw deflate (RFC 1951),
 * or as they are when that is no longer than packed: a block as long as its contents is not packed. */
#ifndef PERSONA_PACKED_H
#define PERSONA_PACKED_H

#include "base/span.h"

enum { PERSONA_BLOCK = 1 << 16 };

/* Checks the table of a file of `size` bytes: `packed` is exactly its blocks. */
bool persona_packed_is_good(struct span packed, uint64_t size);

/* Block `index` of a good `packed` of `size` bytes. The bytes put into `out`; ERR_MALFORMED (the
 * block is damaged), ERR_NOMEM. */
int persona_unpack(struct span packed, uint64_t size, uint64_t index, uint8_t out[PERSONA_BLOCK]);

#endif
