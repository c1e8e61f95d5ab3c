#include "persona/disk.h"

#include "persona/ext4.h"

#include <string.h>

enum {
    GIB_KIB = 1 << 20,
    BLOCK_KIB = PERSONA_DISK_BLOCK / 1024,
    FIRST_BLOCK = PERSONA_PART_SECTOR * PERSONA_SECTOR / PERSONA_DISK_BLOCK,
    TYPE_LINUX = 0x83,
    ACTIVE = 0x80,
};

/* As mke2fs chooses it, in blocks. */
static uint64_t journal_of(uint64_t blocks)
{
    static const struct {
        uint64_t below, journal;
    } sizes[] = {{UINT64_C(4096) << 10, 16384},
                 {UINT64_C(8192) << 10, 32768},
                 {UINT64_C(16384) << 10, 65536},
                 {UINT64_C(32768) << 10, 131072}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        if (blocks < sizes[i].below)
            return sizes[i].journal;
    return 262144;
}

struct persona_disk persona_disk_of(uint32_t gib)
{
    struct persona_disk disk = {.disk_kib = (uint64_t)gib * GIB_KIB};
    disk.partition_kib = gib > 0 ? disk.disk_kib - GIB_KIB : 0;
    disk.blocks_all = disk.partition_kib / BLOCK_KIB;
    disk.groups = (disk.blocks_all + EXT4_GROUP_BLOCKS - 1) / EXT4_GROUP_BLOCKS;
    disk.journal = journal_of(disk.blocks_all);
    disk.descriptors = (disk.groups + EXT4_DESCRIPTORS - 1) / EXT4_DESCRIPTORS;
    uint64_t overhead = disk.groups * (EXT4_INODE_BLOCKS + 2) + disk.journal;
    overhead += ext4_supers(disk.groups) * (1 + disk.descriptors + EXT4_GROWTH);
    disk.blocks = disk.blocks_all > overhead ? disk.blocks_all - overhead : 0;
    disk.reserved = disk.blocks_all / 20 + 4096; /* a twentieth, and what ext4 keeps for itself */
    disk.inodes = disk.groups * EXT4_GROUP_INODES;
    return disk;
}

/* The table as fdisk writes it: cylinders, heads and sectors mean nothing beyond the first. */
static void put_table(const struct persona_volume *volume, const struct persona_disk *disk,
                      uint8_t *out)
{
    static const uint8_t first[] = {0x20, 0x21, 0}, last[] = {0xfe, 0xff, 0xff};
    uint8_t *entry = out + 446;
    put_le(out + 440, volume->disk_id, 4);
    entry[0] = ACTIVE;
    memcpy(entry + 1, first, sizeof(first));
    entry[4] = TYPE_LINUX;
    memcpy(entry + 5, last, sizeof(last));
    put_le(entry + 8, PERSONA_PART_SECTOR, 4);
    put_le(entry + 12, disk->partition_kib * (1024 / PERSONA_SECTOR), 4);
    out[510] = 0x55;
    out[511] = 0xaa;
}

void persona_disk_block(const struct persona_volume *volume, uint64_t index, uint8_t *out)
{
    const struct persona_disk disk = persona_disk_of(volume->gib);
    memset(out, 0, PERSONA_DISK_BLOCK);
    if (index == 0)
        put_table(volume, &disk, out);
    if (index >= FIRST_BLOCK && index - FIRST_BLOCK < disk.blocks_all)
        ext4_block(volume, index - FIRST_BLOCK, out);
}
