#include "persona/ext4.h"

#include <string.h>

enum {
    FLEX = 16, /* groups whose bitmaps and inodes stand together in the first of them */
    DESCRIPTOR_BYTES = 64,
    INODE_BYTES = 256,
    INODES_IN_BLOCK = PERSONA_DISK_BLOCK / INODE_BYTES,
    INODE_JOURNAL = 8,
    FIRST_INODE = 11, /* of a file; mke2fs makes it lost+found */
    NEW_BLOCKS = 6,   /* that are used when it is new: the root, lost+found, the inode that grows */
    EXTENT_MAX = 32768, /* blocks of an extent */
    EXTENTS_INLINE = 4,
    SUPER_OFFSET = 1024, /* of the first superblock, in its block */
    SUPER_BYTES = 1024,
    DIRECTORIES = 10, /* every so manieth inode is one */
    GROUP_NO_INODES = 1,
    GROUP_NO_BLOCKS = 2,
    GROUP_ZEROED = 4,
    COMPAT = 0x3c,     /* has_journal ext_attr resize_inode dir_index */
    INCOMPAT = 0x2c2,  /* filetype extent 64bit flex_bg ... */
    RECOVERY = 4,      /* ... needs_recovery, while it is mounted */
    RO_COMPAT = 0x46b, /* sparse_super large_file huge_file dir_nlink extra_isize metadata_csum */
};

/* The file system as it is now, or in the copies as it was when it was new. */
struct ext4 {
    const struct persona_volume *volume;
    struct persona_disk disk;
    uint64_t used_blocks, used_inodes; /* by files */
    uint64_t journal, journal_end;     /* its blocks; `leaf` is among them if it has one */
    uint64_t leaf;                     /* 0: its extents are in the inode */
    uint32_t seed;                     /* of the checksums */
};

/* ---- Checksums: CRC-32C, four bits at a time ---- */

static uint32_t crc32c(uint32_t crc, const void *bytes, size_t len)
{
    static const uint32_t steps[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                       0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                       0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ steps[crc & 15];
        crc = crc >> 4 ^ steps[crc & 15];
    }
    return crc;
}

static uint32_t crc32c_number(uint32_t crc, uint32_t number)
{
    uint8_t bytes[4];
    put_le(bytes, number, sizeof(bytes));
    return crc32c(crc, bytes, sizeof(bytes));
}

static int hex(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

static void put_uuid(uint8_t *at, const char *uuid_z)
{
    size_t count = 0;
    for (; count < 16 && uuid_z[0] != '\0' && uuid_z[1] != '\0'; uuid_z++) {
        if (uuid_z[0] == '-')
            continue;
        at[count++] = (uint8_t)(hex(uuid_z[0]) << 4 | hex(uuid_z[1]));
        uuid_z++;
    }
}

/* ---- What is where ---- */

static const uint64_t bases[] = {3, 5, 7}; /* the first two, and powers of these */

bool ext4_has_super(uint64_t group)
{
    if (group <= 1)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        uint64_t power = bases[i];
        while (power < group)
            power *= bases[i];
        if (power == group)
            return true;
    }
    return false;
}

uint64_t ext4_supers(uint64_t groups)
{
    uint64_t count = groups < 2 ? groups : 2;
    for (size_t i = 0; i < ARRAY_LEN(bases); i++)
        for (uint64_t power = bases[i]; power < groups; power *= bases[i])
            count++;
    return count;
}

/* How many blocks the superblock and what follows it take at a group's start. */
static uint64_t head_of(const struct ext4 *e, uint64_t group)
{
    return ext4_has_super(group) ? 1 + e->disk.descriptors + EXT4_GROWTH : 0;
}

/* The groups whose tables stand in this one, if it is the first of its kind; else 0. */
static uint64_t flex_of(const struct ext4 *e, uint64_t group)
{
    uint64_t left = e->disk.groups - group;
    return group % FLEX != 0 ? 0 : left < FLEX ? left : FLEX;
}

/* Where, in the file system, a group's block bitmap, inode bitmap and inodes are. */
static void tables_of(const struct ext4 *e, uint64_t group, uint64_t at[3])
{
    uint64_t first = group - group % FLEX, count = flex_of(e, first), place = group % FLEX;
    uint64_t base = first * EXT4_GROUP_BLOCKS + head_of(e, first);
    at[0] = base + place;
    at[1] = base + count + place;
    at[2] = base + 2 * count + place * EXT4_INODE_BLOCKS;
}

/* The blocks at a group's start that are no file's. */
static uint64_t own_blocks(const struct ext4 *e, uint64_t group)
{
    return head_of(e, group) + flex_of(e, group) * (2 + EXT4_INODE_BLOCKS);
}

/* How many of a group's blocks are the journal's; `*from` is the first of them in it. */
static uint64_t journal_blocks(const struct ext4 *e, uint64_t group, uint64_t *from)
{
    uint64_t begin = group * EXT4_GROUP_BLOCKS, end = begin + EXT4_GROUP_BLOCKS;
    uint64_t first = e->journal > begin ? e->journal : begin;
    uint64_t last = e->journal_end < end ? e->journal_end : end;
    *from = first - begin;
    return first < last ? last - first : 0;
}

static uint64_t room_of(const struct ext4 *e, uint64_t group)
{
    uint64_t from;
    return journal_blocks(e, group, &from) > 0 ? 0 : EXT4_GROUP_BLOCKS - own_blocks(e, group);
}

/* Files fill one group after another. */
static uint64_t file_blocks(const struct ext4 *e, uint64_t group)
{
    uint64_t left = e->used_blocks;
    for (uint64_t i = 0; i < group && left > 0; i++) {
        uint64_t room = room_of(e, i);
        left -= left < room ? left : room;
    }
    uint64_t room = room_of(e, group);
    return left < room ? left : room;
}

static uint64_t file_inodes(const struct ext4 *e, uint64_t group)
{
    uint64_t before = group * EXT4_GROUP_INODES;
    uint64_t left = e->used_inodes > before ? e->used_inodes - before : 0;
    return left < EXT4_GROUP_INODES ? left : EXT4_GROUP_INODES;
}

/* mke2fs puts the journal behind the tables in the middle, where 128 MiB are free in one piece. */
static void place_journal(struct ext4 *e)
{
    uint64_t middle = e->disk.blocks_all / 2 / EXT4_GROUP_BLOCKS;
    uint64_t group = middle - middle % FLEX + 1;
    e->journal = group * EXT4_GROUP_BLOCKS + head_of(e, group);
    e->journal_end = e->journal + e->disk.journal;
    if (e->disk.journal > (uint64_t)EXTENT_MAX * EXTENTS_INLINE) {
        e->leaf = e->journal + (uint64_t)EXTENT_MAX * (EXTENTS_INLINE + 1);
        e->journal_end++;
    }
}

static struct ext4 ext4_of(const struct persona_volume *volume, bool as_new)
{
    uint8_t uuid[16] = {0};
    struct ext4 e = {.volume = volume, .disk = persona_disk_of(volume->gib)};
    put_uuid(uuid, volume->uuid_z);
    e.seed = crc32c(UINT32_MAX, uuid, sizeof(uuid));
    place_journal(&e);
    uint64_t leaf = e.leaf != 0;
    e.used_blocks = as_new ? NEW_BLOCKS : volume->used_blocks - leaf;
    e.used_inodes = as_new ? FIRST_INODE : volume->used_inodes;
    return e;
}

/* ---- Bitmaps and descriptors ---- */

static void set_bits(uint8_t *map, uint64_t from, uint64_t count)
{
    uint64_t i = from, end = from + count;
    for (; i < end && i % 8 != 0; i++)
        map[i / 8] = (uint8_t)(map[i / 8] | 1U << i % 8);
    memset(map + i / 8, 0xff, (end - i) / 8);
    for (i += (end - i) / 8 * 8; i < end; i++)
        map[i / 8] = (uint8_t)(map[i / 8] | 1U << i % 8);
}

static bool has_blocks(const struct ext4 *e, uint64_t group)
{
    uint64_t from;
    return flex_of(e, group) > 0 || file_blocks(e, group) > 0 ||
           journal_blocks(e, group, &from) > 0 || group + 1 == e->disk.groups;
}

static void block_bitmap(const struct ext4 *e, uint64_t group, uint8_t *map)
{
    uint64_t from, journal = journal_blocks(e, group, &from);
    if (!has_blocks(e, group))
        return; /* not made yet */
    set_bits(map, 0, own_blocks(e, group) + file_blocks(e, group));
    set_bits(map, from, journal);
}

static void inode_bitmap(const struct ext4 *e, uint64_t group, uint8_t *map)
{
    uint64_t used = file_inodes(e, group);
    if (used == 0)
        return;
    set_bits(map, 0, used);
    memset(map + EXT4_GROUP_INODES / 8, 0xff, PERSONA_DISK_BLOCK - EXT4_GROUP_INODES / 8);
}

/* A number whose two halves are 32 bytes apart. */
static void put_split(uint8_t *at, uint64_t value, unsigned width)
{
    put_le(at, value, width);
    put_le(at + DESCRIPTOR_BYTES / 2, value >> 8 * width, width);
}

/* A bitmap and its sum: most groups have the same, of full ones. */
struct summed {
    uint8_t map[PERSONA_DISK_BLOCK];
    uint32_t sum;
    bool is_there;
};

static uint32_t sum_of(const struct ext4 *e, struct summed *last, const uint8_t *map, size_t len)
{
    if (last->is_there && memcmp(last->map, map, len) == 0)
        return last->sum;
    memcpy(last->map, map, len);
    last->sum = crc32c(e->seed, map, len);
    last->is_there = true;
    return last->sum;
}

/* Of the bitmaps of the groups before. */
struct sums {
    struct summed blocks, inodes;
};

static void put_bitmap_sums(const struct ext4 *e, struct sums *last, uint64_t group, uint8_t *out)
{
    uint8_t map[PERSONA_DISK_BLOCK] = {0};
    uint32_t sum = 0;
    if (has_blocks(e, group)) {
        block_bitmap(e, group, map);
        sum = sum_of(e, &last->blocks, map, sizeof(map));
        put_le(out + 24, sum, 2);
        put_le(out + 56, sum >> 16, 2);
    }
    if (file_inodes(e, group) > 0) {
        memset(map, 0, sizeof(map));
        inode_bitmap(e, group, map);
        sum = sum_of(e, &last->inodes, map, EXT4_GROUP_INODES / 8);
        put_le(out + 26, sum, 2);
        put_le(out + 58, sum >> 16, 2);
    }
}

static void put_descriptor(const struct ext4 *e, struct sums *last, uint64_t group, uint8_t *out)
{
    uint64_t tables[3], from, inodes = file_inodes(e, group);
    uint64_t free = EXT4_GROUP_BLOCKS - own_blocks(e, group) - file_blocks(e, group) -
                    journal_blocks(e, group, &from);
    unsigned flags = GROUP_ZEROED;
    if (inodes == 0)
        flags |= GROUP_NO_INODES;
    if (!has_blocks(e, group))
        flags |= GROUP_NO_BLOCKS;
    tables_of(e, group, tables);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        put_split(out + 4 * i, tables[i], 4);
    put_split(out + 12, free, 2);
    put_split(out + 14, EXT4_GROUP_INODES - inodes, 2);
    put_split(out + 16, (inodes + DIRECTORIES - 1) / DIRECTORIES, 2);
    put_le(out + 18, flags, 2);
    put_bitmap_sums(e, last, group, out);
    put_split(out + 28, EXT4_GROUP_INODES - inodes, 2); /* never used */
    uint32_t sum = crc32c(crc32c_number(e->seed, (uint32_t)group), out, DESCRIPTOR_BYTES);
    put_le(out + 30, sum, 2);
}

static void put_descriptors(const struct ext4 *e, uint64_t block, uint8_t *out)
{
    struct sums last = {0};
    for (uint64_t i = 0; i < EXT4_DESCRIPTORS; i++) {
        uint64_t group = block * EXT4_DESCRIPTORS + i;
        if (group < e->disk.groups)
            put_descriptor(e, &last, group, out + i * DESCRIPTOR_BYTES);
    }
}

/* ---- The journal ---- */

static void put_extent_head(uint8_t *at, unsigned count, unsigned room, unsigned depth)
{
    put_le(at, 0xf30a, 2);
    put_le(at + 2, count, 2);
    put_le(at + 4, room, 2);
    put_le(at + 6, depth, 2);
}

/* All extents of the journal from `at` on; how many they are. */
static unsigned put_extents(const struct ext4 *e, uint8_t *at)
{
    unsigned count = 0;
    uint64_t block = e->journal;
    for (uint64_t done = 0; done < e->disk.journal; done += EXTENT_MAX, count++, at += 12) {
        uint64_t left = e->disk.journal - done, len = left < EXTENT_MAX ? left : EXTENT_MAX;
        block += block == e->leaf;
        put_le(at, done, 4);
        put_le(at + 4, len, 2);
        put_le(at + 6, block >> 32, 2);
        put_le(at + 8, block, 4);
        block += len;
    }
    return count;
}

/* i_block of the journal's inode, 60 bytes. */
static void put_journal_map(const struct ext4 *e, uint8_t *at)
{
    if (e->leaf != 0) {
        put_extent_head(at, 1, EXTENTS_INLINE, 1);
        put_le(at + 16, e->leaf, 6);
    } else {
        put_extent_head(at, put_extents(e, at + 12), EXTENTS_INLINE, 0);
    }
}

static void put_leaf(const struct ext4 *e, uint8_t *out)
{
    enum { ROOM = 340, TAIL = 12 + ROOM * 12 };
    put_extent_head(out, put_extents(e, out + 12), ROOM, 0);
    uint32_t seed = crc32c_number(crc32c_number(e->seed, INODE_JOURNAL), 0);
    put_le(out + TAIL, crc32c(seed, out, TAIL), 4);
}

static void put_journal_inode(const struct ext4 *e, uint8_t *out)
{
    static const uint8_t times[] = {8, 12, 16, 144}; /* atime, ctime, mtime, crtime */
    uint64_t bytes = e->disk.journal * PERSONA_DISK_BLOCK;
    put_le(out, 0100600, 2);
    put_le(out + 4, bytes, 4);
    put_le(out + 108, bytes >> 32, 4);
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        put_le(out + times[i], (uint64_t)e->volume->made_s, 4);
    put_le(out + 26, 1, 2);
    put_le(out + 28, (e->disk.journal + (e->leaf != 0)) * 8, 4);
    put_le(out + 32, 0x80000, 4); /* has extents */
    put_journal_map(e, out + 40);
    put_le(out + 128, 32, 2);
    uint32_t seed = crc32c_number(crc32c_number(e->seed, INODE_JOURNAL), 0);
    uint32_t sum = crc32c(seed, out, INODE_BYTES);
    put_le(out + 124, sum, 2);
    put_le(out + 130, sum >> 16, 2);
}

static void put_be(uint8_t *at, uint64_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * (3 - i));
}

/* jbd2's superblock; its numbers are big-endian. It has gone round some times. */
static void put_journal_head(const struct ext4 *e, uint8_t *out)
{
    enum { SUPER_2 = 4, FEATURES = 0x13, CRC32C = 4 };
    uint32_t number = e->volume->disk_id;
    put_be(out, UINT32_C(0xc03b3998));
    put_be(out + 4, SUPER_2);
    put_be(out + 12, PERSONA_DISK_BLOCK);
    put_be(out + 16, e->disk.journal);
    put_be(out + 20, 1);
    put_be(out + 24, 900 + number % 30000);
    put_be(out + 28, 1 + number / 7 % (e->disk.journal - 1));
    put_be(out + 40, FEATURES); /* revoke, 64bit, csum_v3 */
    put_be(out + 64, 1);
    out[80] = CRC32C;
    put_be(out + 252, crc32c(UINT32_MAX, out, SUPER_BYTES));
}

/* ---- The superblock ---- */

/* struct ext4_super_block: what is the same in all copies. */
static void put_constants(uint8_t *out)
{
    static const struct {
        uint16_t at, width;
        uint32_t value;
    } fields[] = {
        {0x18, 4, 2}, /* 4096 bytes a block ... */
        {0x1c, 4, 2}, /* ... and a cluster */
        {0x20, 4, EXT4_GROUP_BLOCKS},
        {0x24, 4, EXT4_GROUP_BLOCKS},
        {0x28, 4, EXT4_GROUP_INODES},
        {0x36, 2, 0xffff}, /* mounts until it is checked: any */
        {0x38, 2, 0xef53},
        {0x3a, 2, 1}, /* clean */
        {0x3c, 2, 1}, /* after an error: continue */
        {0x4c, 4, 1},
        {0x54, 4, FIRST_INODE},
        {0x58, 2, INODE_BYTES},
        {0x5c, 4, COMPAT},
        {0x64, 4, RO_COMPAT},
        {0xce, 2, EXT4_GROWTH},
        {0xe0, 4, INODE_JOURNAL},
        {0xfc, 1, 1}, /* half_md4 */
        {0xfd, 1, 1}, /* the journal's inode is kept */
        {0xfe, 2, DESCRIPTOR_BYTES},
        {0x100, 4, 0xc}, /* user_xattr acl */
        {0x15c, 2, 32},
        {0x15e, 2, 32},
        {0x160, 4, 1}, /* signed_directory_hash */
        {0x174, 1, 4}, /* groups that stand together: 2^4 */
        {0x175, 1, 1}, /* crc32c */
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        put_le(out + fields[i].at, fields[i].value, fields[i].width);
}

static void put_sizes(const struct ext4 *e, uint8_t *out)
{
    uint64_t leaf = e->leaf != 0, bytes = e->disk.journal * PERSONA_DISK_BLOCK;
    uint64_t overhead = e->disk.blocks_all - e->disk.blocks;
    put_le(out, e->disk.inodes, 4);
    put_le(out + 4, e->disk.blocks_all, 4);
    put_le(out + 8, e->disk.blocks_all / 20, 4);
    put_le(out + 0xc, e->disk.blocks - e->used_blocks - leaf, 4);
    put_le(out + 0x10, e->disk.inodes - e->used_inodes, 4);
    put_journal_map(e, out + 0x10c);
    put_le(out + 0x148, bytes >> 32, 4);
    put_le(out + 0x14c, bytes, 4);
    put_le(out + 0x248, overhead, 4);
}

/* What the mounted one has, and its copies have not. */
static void put_mounted(const struct ext4 *e, uint8_t *out)
{
    uint64_t written_kib = e->used_blocks * 5; /* a quarter more than there is */
    put_le(out + 0x2c, (uint64_t)e->volume->mounted_s, 4);
    put_le(out + 0x30, (uint64_t)e->volume->mounted_s, 4);
    put_le(out + 0x34, 2, 2); /* when it was installed, and when it started */
    put_le(out + 0x60, INCOMPAT | RECOVERY, 4);
    out[0x88] = '/';
    put_le(out + 0x178, written_kib, 8);
}

static void put_super(const struct ext4 *e, uint64_t group, uint8_t *out)
{
    uint64_t made_s = (uint64_t)e->volume->made_s;
    put_constants(out);
    put_sizes(e, out);
    put_le(out + 0x30, made_s, 4);
    put_le(out + 0x40, made_s, 4);
    put_le(out + 0x5a, group, 2);
    put_le(out + 0x60, INCOMPAT, 4);
    put_uuid(out + 0x68, e->volume->uuid_z);
    put_uuid(out + 0xec, e->volume->hash_seed_z);
    put_le(out + 0x108, made_s, 4);
    if (group == 0)
        put_mounted(e, out);
    put_le(out + 0x3fc, crc32c(UINT32_MAX, out, SUPER_BYTES - 4), 4);
}

/* ---- A block ---- */

/* One of a group's bitmaps or the inodes of the first files, if it is at `index`. */
static void put_tables(const struct ext4 *e, uint64_t first, uint64_t index, uint8_t *out)
{
    for (uint64_t group = first; group < first + flex_of(e, first); group++) {
        uint64_t at[3];
        tables_of(e, group, at);
        if (index == at[0])
            block_bitmap(e, group, out);
        if (index == at[1])
            inode_bitmap(e, group, out);
        if (index == at[2] && group == 0)
            put_journal_inode(e, out + (size_t)(INODE_JOURNAL - 1) * INODE_BYTES);
    }
}

void ext4_block(const struct persona_volume *volume, uint64_t index, uint8_t *out)
{
    uint64_t group = index / EXT4_GROUP_BLOCKS, place = index % EXT4_GROUP_BLOCKS;
    const struct ext4 e = ext4_of(volume, group != 0 && ext4_has_super(group));
    if (ext4_has_super(group) && place == 0)
        put_super(&e, group, group == 0 ? out + SUPER_OFFSET : out);
    else if (ext4_has_super(group) && place <= e.disk.descriptors)
        put_descriptors(&e, place - 1, out);
    else if (index == e.journal)
        put_journal_head(&e, out);
    else if (index == e.leaf && e.leaf != 0)
        put_leaf(&e, out);
    else if (place < own_blocks(&e, group))
        put_tables(&e, group, index, out);
}
