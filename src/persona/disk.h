/* The bytes of a server's disk, made when they are read: a table with one partition, and on that an
 * ext4 as Debian 12's mke2fs makes it, with as much of it in use as the machine says: superblock,
 * descriptors and bitmaps of all groups, and the journal's head. What its files hold is not there: the
 * rest reads as zeros.
 * Sources: the kernel's Documentation/filesystems/ext4 and jbd2; sizes are those that mke2fs 1.47
 * chooses. */
#ifndef PERSONA_DISK_H
#define PERSONA_DISK_H

#include "base/span.h"

enum {
    PERSONA_DISK_BLOCK = 4096, /* of the file system; the partition begins at a multiple of it */
    PERSONA_SECTOR = 512,
    PERSONA_PART_SECTOR = 2048, /* where the partition begins */
};

/* Sizes that follow from a disk's. */
struct persona_disk {
    uint64_t disk_kib, partition_kib;      /* the whole, and the one that / is on */
    uint64_t blocks_all, blocks, reserved; /* of the file system: all; statfs(2)'s; for root */
    uint64_t inodes, groups, journal;      /* the journal's in blocks */
    uint64_t descriptors;                  /* blocks of the groups' descriptors */
};
struct persona_disk persona_disk_of(uint32_t gib);

/* What is on it. */
struct persona_volume {
    uint32_t gib;     /* 0: there is no disk */
    uint32_t disk_id; /* of the partition table */
    const char *uuid_z, *hash_seed_z;
    int64_t made_s, mounted_s;
    uint64_t used_blocks, used_inodes; /* by files, when it was mounted */
};

/* Block `index` of the whole disk, PERSONA_DISK_BLOCK bytes. */
void persona_disk_block(const struct persona_volume *volume, uint64_t index, uint8_t *out);

#endif
