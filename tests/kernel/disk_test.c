/* The disk as a device: what is written there is taken, and kept within bounds. disk_test SMALL_IMAGE */
#include "fakes.h"

#include "kernel/disk.h"
#include "kernel/fs.h"
#include "kernel/hardware.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    BLOCK = PERSONA_DISK_BLOCK,
    QUOTA_BYTES = 64 * BLOCK,
    PLACE = 10 * BLOCK,
    THREE = 3 * BLOCK,
    NODES = 40,
    ROOM = 4 << 20
};

static const char *image_path_z;
static uint8_t bytes[8 * BLOCK], back[8 * BLOCK];

static int set_up(void **state)
{
    struct fake *fake = fake_new(image_path_z, QUOTA_BYTES, NODES);
    struct vfs_at at = fake_at(fake, &fake->root);
    (void)vfs_unlink(&at, span_z("/dev/vda")); /* the image may have them */
    (void)vfs_unlink(&at, span_z("/dev/vda1"));
    assert_int_equal(vfs_make(&at, span_z("/dev/vda"), S_IFBLK | 0660, FS_DEV(254, 0)), 0);
    assert_int_equal(vfs_make(&at, span_z("/dev/vda1"), S_IFBLK | 0660, FS_DEV(254, 1)), 0);
    *state = fake;
    return 0;
}

static int tear_down(void **state)
{
    fake_free(*state);
    return 0;
}

/* Bytes of which no block is all alike. */
static void fill_mixed(uint8_t seed)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(seed + i * 7 + i / BLOCK);
}

static struct file *open_disk(struct fake *fake, const char *path_z, uint32_t flags)
{
    int error = 0;
    struct file *f = fake_open(fake, path_z, flags, &error);
    assert_int_equal(error, 0);
    return f;
}

static void its_ends_are_a_disks(void **state)
{
    struct fake *fake = *state;
    const int64_t size = (int64_t)disk_bytes(fake->vfs);
    struct file_stat st;
    struct file *f = open_disk(fake, "/dev/vda", O_RDWR);
    assert_int_equal(f->ops->seek(f, 0, SEEK_END), size);
    assert_int_equal(f->ops->seek(f, 1, SEEK_END), -EINVAL);
    assert_int_equal(file_read(f, NULL, back, 512), 0);
    assert_int_equal(file_write(f, NULL, bytes, 512), -ENOSPC);
    assert_int_equal(file_pwrite(f, NULL, bytes, 1024, size - 512), 512);
    assert_int_equal(file_stat(f, &st), 0);
    assert_int_equal(st.size, 0);
    file_drop(f);
}

static void what_is_mounted_is_busy(void **state)
{
    int error = 0;
    assert_null(fake_open(*state, "/dev/vda1", O_RDONLY | O_EXCL, &error));
    assert_int_equal(error, -EBUSY);
}

static void the_partition_is_a_part_of_the_disk(void **state)
{
    struct fake *fake = *state;
    struct file *whole = open_disk(fake, "/dev/vda", O_RDWR);
    struct file *part = open_disk(fake, "/dev/vda1", O_RDWR);
    fill_mixed(1);
    assert_int_equal(file_pread(part, NULL, back, 2, 1024 + 0x38), 2);
    assert_memory_equal(back, "\x53\xef", 2);
    assert_int_equal(file_pwrite(part, NULL, bytes, 700, 5000), 700);
    assert_int_equal(file_pread(whole, NULL, back, 700, (1 << 20) + 5000), 700);
    assert_memory_equal(back, bytes, 700);
    file_drop(whole);
    file_drop(part);
}

static void a_wipe_takes_no_room(void **state)
{
    struct fake *fake = *state;
    static const uint8_t zeros[8 * BLOCK];
    uint64_t before = fake->vfs->quota.bytes;
    for (uint64_t at = 0; at < 64 << 20; at += sizeof(zeros))
        assert_int_equal(disk_write(fake->vfs, at, zeros, sizeof(zeros)), 0);
    assert_int_equal(fake->vfs->quota.bytes, before);
    disk_read(fake->vfs, 0, back, sizeof(back));
    assert_memory_equal(back, zeros, sizeof(zeros));
    disk_read(fake->vfs, 1 << 20, back, sizeof(back));
    assert_memory_equal(back, zeros, sizeof(zeros));
}

static void what_is_wiped_in_small_pieces_is_wiped(void **state)
{
    struct fake *fake = *state;
    static const uint8_t zeros[BLOCK];
    for (uint64_t at = 0; at < BLOCK; at += 512)
        assert_int_equal(disk_write(fake->vfs, at, zeros, 512), 0);
    disk_read(fake->vfs, 0, back, BLOCK);
    assert_memory_equal(back, zeros, BLOCK);
}

/* More than may be kept is taken all the same, and the quota's end is told to nobody. */
static void what_is_too_much_reads_as_noise(void **state)
{
    struct fake *fake = *state;
    fill_mixed(3);
    for (uint64_t at = 0; at < 4 * (uint64_t)DISK_KEPT_MAX * BLOCK; at += sizeof(bytes))
        assert_int_equal(disk_write(fake->vfs, at, bytes, sizeof(bytes)), 0);
    assert_true(fake->vfs->quota.bytes <= fake->vfs->quota.bytes_max);
    assert_string_equal(fake->limit_z, "");
    disk_read(fake->vfs, 0, back, sizeof(back));
    assert_memory_equal(back, bytes, sizeof(bytes));
    disk_read(fake->vfs, 3 * (uint64_t)DISK_KEPT_MAX * BLOCK, back, sizeof(back));
    assert_memory_not_equal(back, bytes, sizeof(bytes));
    assert_memory_not_equal(back, back + BLOCK, BLOCK);
}

static void the_latest_write_is_what_is_read(void **state)
{
    struct fake *fake = *state;
    uint8_t ones[2 * BLOCK];
    memset(ones, 0xff, sizeof(ones));
    fill_mixed(5);
    disk_write(fake->vfs, 0, ones, sizeof(ones));
    disk_write(fake->vfs, 0, bytes, BLOCK);
    for (unsigned i = 0; i < 2 * DISK_RUNS_MAX; i++) { /* and the oldest runs are forgotten */
        memset(ones, (int)i, BLOCK);
        disk_write(fake->vfs, (uint64_t)(100 + 2 * i) * BLOCK, ones, BLOCK);
    }
    disk_read(fake->vfs, 0, back, BLOCK);
    assert_memory_equal(back, bytes, BLOCK);
    disk_read(fake->vfs, (uint64_t)(100 + 4 * DISK_RUNS_MAX - 2) * BLOCK, back, BLOCK);
    assert_memory_equal(back, ones, BLOCK);
}

static void it_comes_back(void **state)
{
    struct fake *fake = *state;
    struct buffer saved;
    static const uint8_t zeros[2 * BLOCK];
    buffer_init(&saved, ROOM);
    assert_int_equal(disk_save(fake->vfs, &saved), 0);
    assert_int_equal(buffer_len(&saved), 0); /* nothing was written */
    fill_mixed(9);
    disk_write(fake->vfs, 0, zeros, sizeof(zeros));
    disk_write(fake->vfs, PLACE, bytes, THREE);
    assert_int_equal(disk_save(fake->vfs, &saved), 0);
    disk_free(fake->vfs);
    disk_read(fake->vfs, 0, back, BLOCK);
    assert_memory_not_equal(back, zeros, BLOCK);
    struct cursor c = cursor_of(buffer_span(&saved));
    assert_int_equal(disk_load(fake->vfs, &c), 0);
    disk_read(fake->vfs, 0, back, sizeof(zeros));
    assert_memory_equal(back, zeros, sizeof(zeros));
    disk_read(fake->vfs, PLACE, back, THREE);
    assert_memory_equal(back, bytes, THREE);
    for (size_t len = 1; len < buffer_len(&saved); len += 31) {
        c = cursor_of(span_slice(buffer_span(&saved), 0, len));
        assert_true(disk_load(fake->vfs, &c) < 0);
        assert_null(fake->vfs->disk);
    }
    buffer_fini(&saved);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(its_ends_are_a_disks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_mounted_is_busy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_partition_is_a_part_of_the_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wipe_takes_no_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wiped_in_small_pieces_is_wiped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_much_reads_as_noise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_latest_write_is_what_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_comes_back, set_up, tear_down),
    };
    image_path_z = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
