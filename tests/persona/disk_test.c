/* The disk's bytes, against what mke2fs 1.47 of Debian 12 makes of disks of these sizes (with -t ext4 -U UUID),
 * and that they agree with themselves. */
#include "persona/disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    BLOCK = PERSONA_DISK_BLOCK,
    FIRST = 256,
    GROUP = 32768,
    MADE_S = 0x6b0325af,
    JOURNAL = 7 * 256 /* its inode */
};

static const struct persona_volume volume = {.gib = 40,
                                             .disk_id = 0x5e1f2a90,
                                             .uuid_z = "6f3b0a52-1c77-4c9e-9d0b-5a4c8f2e71d3",
                                             .hash_seed_z = "af3f5d75-c551-4e6a-950d-e3e9b8f95a7e",
                                             .made_s = MADE_S,
                                             .mounted_s = MADE_S + 5000,
                                             .used_blocks = 231136,
                                             .used_inodes = 27635};

static uint8_t block[BLOCK];

static uint64_t le(const uint8_t *at, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = width; i > 0; i--)
        value = value << 8 | at[i - 1];
    return value;
}

static const uint8_t *read_fs(uint64_t index)
{
    memset(block, 0x77, sizeof(block));
    persona_disk_block(&volume, FIRST + index, block);
    return block;
}

static void sizes_are_those_that_mke2fs_chooses(void **state)
{
    static const struct {
        uint32_t gib;
        uint64_t overhead, reserved, journal;
    } measured[] = {{20, 122204, 249036, 32768},   {25, 142764, 314572, 32768},
                    {32, 172588, 406323, 32768},   {40, 238264, 511180, 65536},
                    {50, 280440, 642252, 65536},   {64, 338021, 825753, 65536},
                    {80, 470410, 1035468, 131072}, {120, 636000, 1559756, 131072},
                    {160, 931627, 2084044, 262144}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(measured); i++) {
        const struct persona_disk disk = persona_disk_of(measured[i].gib);
        assert_int_equal(disk.blocks_all - disk.blocks, measured[i].overhead);
        assert_int_equal(disk.reserved, measured[i].reserved + 4096);
        assert_int_equal(disk.journal, measured[i].journal);
    }
    assert_int_equal(persona_disk_of(0).disk_kib, 0);
}

static void the_table_has_one_active_partition(void **state)
{
    static const uint8_t entry[] = {0x80, 0x20, 0x21, 0x00, 0x83, 0xfe, 0xff, 0xff,
                                    0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0xe0, 0x04};
    (void)state;
    persona_disk_block(&volume, 0, block);
    assert_int_equal(le(block + 440, 4), volume.disk_id);
    assert_memory_equal(block + 446, entry, sizeof(entry));
    assert_int_equal(le(block + 510, 2), 0xaa55);
}

/* mke2fs's own bytes: of the copies, which nothing changes later, and of the journal's inode. */
static void what_is_new_is_mke2fss_to_the_byte(void **state)
{
    static const uint8_t group_0[64] = {
        0x06, 0x04, 0,    0,    0x16, 0x04, 0, 0, 0x26, 0x04, 0,    0,    0xd4, 0x5b, 0xf5,
        0x1f, 0x02, 0x00, 0x04, 0,    0,    0, 0, 0,    0xba, 0x7b, 0x8c, 0x88, 0xf5, 0x1f,
        0x2f, 0x35, 0,    0,    0,    0,    0, 0, 0,    0,    0,    0,    0,    0,    0,
        0,    0,    0,    0,    0,    0,    0, 0, 0,    0,    0,    0xe0, 0x28, 0xe5, 0xb9};
    static const uint8_t group_1[32] = {0x07, 0x04, 0,    0, 0x17, 0x04, 0, 0,    0x26, 0x06, 0,
                                        0,    0xfa, 0x7b, 0, 0x20, 0,    0, 7,    0,    0,    0,
                                        0,    0,    0,    0, 0,    0,    0, 0x20, 0xba, 0xcf};
    (void)state;
    read_fs(GROUP + 1);
    assert_memory_equal(block, group_0, sizeof(group_0));
    assert_memory_equal(block + 64, group_1, sizeof(group_1));
    const uint8_t *inode = read_fs(1062) + JOURNAL;
    assert_int_equal(le(inode + 124, 2) | le(inode + 130, 2) << 16, 0xb895bef9);
}

static void the_superblock_tells_the_machine(void **state)
{
    const struct persona_disk disk = persona_disk_of(volume.gib);
    (void)state;
    const uint8_t *super = read_fs(0) + 1024;
    assert_int_equal(le(super + 0x38, 2), 0xef53);
    assert_int_equal(le(super, 4), disk.inodes);
    assert_int_equal(le(super + 4, 4), disk.blocks_all);
    assert_int_equal(le(super + 0xc, 4), disk.blocks - volume.used_blocks);
    assert_int_equal(le(super + 0x10, 4), disk.inodes - volume.used_inodes);
    assert_int_equal(le(super + 0x2c, 4), MADE_S + 5000);
    assert_int_equal(le(super + 0x108, 4), MADE_S);
    assert_int_equal(super[0x68], 0x6f);
    assert_int_equal(super[0x77], 0xd3);
}

static void the_groups_add_up(void **state)
{
    const struct persona_disk disk = persona_disk_of(volume.gib);
    uint64_t blocks = 0, inodes = 0;
    (void)state;
    for (uint64_t i = 0; i < disk.descriptors; i++) {
        read_fs(1 + i);
        for (size_t at = 0; at < BLOCK; at += 64) {
            blocks += le(block + at + 12, 2);
            inodes += le(block + at + 14, 2);
        }
    }
    assert_int_equal(blocks, disk.blocks - volume.used_blocks);
    assert_int_equal(inodes, disk.inodes - volume.used_inodes);
}

static void bitmaps_have_as_many_bits(void **state)
{
    const struct persona_disk disk = persona_disk_of(volume.gib);
    uint64_t used = 0;
    (void)state;
    for (uint64_t group = 0; group < disk.groups; group++) {
        uint8_t descriptor[64];
        read_fs(1 + group / 64);
        memcpy(descriptor, block + group % 64 * 64, sizeof(descriptor));
        read_fs(le(descriptor, 4));
        uint64_t bits = 0;
        for (size_t i = 0; i < BLOCK; i++)
            bits += (uint64_t)__builtin_popcount(block[i]);
        bool is_made = (descriptor[18] & 2) == 0;
        assert_int_equal(bits, is_made ? GROUP - le(descriptor + 12, 2) : 0);
        used += bits;
    }
    assert_true(used > volume.used_blocks);
}

static void beyond_its_ends_are_zeros(void **state)
{
    static const uint8_t zeros[BLOCK];
    const struct persona_disk disk = persona_disk_of(volume.gib);
    const uint64_t places[] = {
        1, 255, FIRST + 9300, FIRST + disk.blocks_all, disk.disk_kib / 4 - 1, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        persona_disk_block(&volume, places[i], block);
        assert_memory_equal(block, zeros, BLOCK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_that_mke2fs_chooses),
        cmocka_unit_test(the_table_has_one_active_partition),
        cmocka_unit_test(what_is_new_is_mke2fss_to_the_byte),
        cmocka_unit_test(the_superblock_tells_the_machine),
        cmocka_unit_test(the_groups_add_up),
        cmocka_unit_test(bitmaps_have_as_many_bits),
        cmocka_unit_test(beyond_its_ends_are_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
