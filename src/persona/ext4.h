/* An ext4's own blocks (disk.h); inside of persona only. */
#ifndef PERSONA_EXT4_H
#define PERSONA_EXT4_H

#include "persona/disk.h"

enum {
    EXT4_GROUP_BLOCKS = 32768,
    EXT4_GROUP_INODES = 8192,
    EXT4_INODE_BLOCKS = 512, /* of a group's inodes */
    EXT4_DESCRIPTORS = 64,   /* of groups, in a block; of 64 bytes each */
    EXT4_GROWTH = 1024,      /* blocks that are kept for more of them */
};

/* Block `index` of the file system in `out`, which is zeros. */
void ext4_block(const struct persona_volume *volume, uint64_t index, uint8_t *out);

/* Whether a group holds a copy of the superblock and of the descriptors (sparse_super). */
bool ext4_has_super(uint64_t group);
uint64_t ext4_supers(uint64_t groups); /* how many of so many groups do */

/* A number of so many bytes, little-endian. */
static inline void put_le(uint8_t *at, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++, value >>= 8)
        at[i] = (uint8_t)value;
}

#endif
