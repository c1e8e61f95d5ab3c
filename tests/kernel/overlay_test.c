/* The overlay over a small image: what is changed, what is shared, what it costs. overlay_test
 * SMALL_IMAGE; the image: tests/persona/make_small.py. */
#include "fakes.h"

#include "kernel/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char *image_path_z;

enum { BYTES = 64 * 4096, NODES = 40 };

static int set_up(void **state)
{
    *state = fake_new(image_path_z, BYTES, NODES);
    return 0;
}

static int tear_down(void **state)
{
    fake_free(*state);
    return 0;
}

static struct file_stat stat_of(struct fake *fake, const char *path_z)
{
    struct file_stat st = {0};
    struct vfs_at at = fake_at(fake, &fake->root);
    if (vfs_stat(&at, span_z(path_z), false, &st) != 0)
        fail_msg("nothing at %s", path_z);
    return st;
}

struct listing {
    char text[2048];
    size_t len;
    int64_t next;
    unsigned room;
};

static bool add_entry(void *ctx, struct span name, uint64_t ino, unsigned type, int64_t next)
{
    struct listing *l = ctx;
    (void)ino, (void)type;
    if (l->room == 0)
        return false;
    l->room--;
    l->len += (size_t)snprintf(l->text + l->len, sizeof(l->text) - l->len, "%.*s ", (int)name.len,
                               (const char *)name.data);
    l->next = next;
    return true;
}

static void list(struct fake *fake, const char *path_z, struct listing *l)
{
    struct file *f = fake_open(fake, path_z, O_RDONLY, NULL);
    memset(l, 0, sizeof(*l));
    l->room = 1000;
    assert_int_equal(f->ops->readdir(f, NULL, 0, add_entry, l), 0);
    file_drop(f);
}

static void reading_changes_nothing(void **state)
{
    struct fake *fake = *state;
    uint32_t nodes = fake->vfs->quota.nodes;
    char text[64];
    struct listing l;
    assert_int_equal(fake_read(fake, "/etc/passwd", text, sizeof(text)), 30);
    list(fake, "/many", &l);
    assert_int_equal(fake->vfs->quota.nodes, nodes);
    assert_int_equal(fake->vfs->quota.bytes, 0);
}

static void a_written_page_is_the_visitors_own(void **state)
{
    struct fake *fake = *state;
    uint8_t page[4096], whole[10000];
    struct span bytes;
    struct file *before = fake_open(fake, "/usr/share/large", O_RDONLY, NULL);
    assert_int_equal(file_map(before, &bytes), FILE_MAP_SPAN);
    struct file *f = fake_open(fake, "/usr/share/large", O_RDWR, NULL);
    assert_int_equal(file_pwrite(f, NULL, "XYZ", 3, 4095), 3);
    assert_int_equal(fake->vfs->quota.bytes, 2 * 4096); /* two pages of three */
    assert_int_equal(file_pread(f, NULL, whole, sizeof(whole), 0), 10000);
    for (size_t i = 0; i < sizeof(whole); i++)
        if (i < 4095 || i > 4097)
            assert_int_equal(whole[i], i % 251);
    assert_memory_equal(whole + 4095, "XYZ", 3);
    assert_int_equal(file_map(f, &bytes), FILE_MAP_COPY);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(file_pread(before, NULL, page, 3, 4095), 3); /* the same file */
    assert_memory_equal(page, "XYZ", 3);
    file_drop(f);
    file_drop(before);
    assert_string_equal(fake->written_z, "/usr/share/large");
}

static void packed_contents_are_read_written_and_cut_like_others(void **state)
{
    struct fake *fake = *state;
    static uint8_t bytes[70000];
    struct span span;
    struct file *f = fake_open(fake, "/usr/share/packed", O_RDWR, NULL);
    assert_int_equal(file_map(f, &span), FILE_MAP_COPY);
    assert_int_equal(file_pread(f, NULL, bytes, sizeof(bytes), 60000), sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        assert_int_equal(bytes[i], (60000 + i) % 251);
    assert_int_equal(file_pread(f, NULL, bytes, 100, 3 * 65536 + 7992), 8);
    assert_memory_equal(bytes, "the end\n", 8);
    assert_int_equal(file_pwrite(f, NULL, "XYZ", 3, 65535), 3);
    assert_int_equal(file_pread(f, NULL, bytes, 5, 65534), 5);
    assert_memory_equal(bytes + 1, "XYZ", 3);
    assert_int_equal(bytes[4], 65538 % 251);
    assert_int_equal(f->ops->truncate(f, 66000), 0);
    assert_int_equal(f->ops->truncate(f, 140000), 0);
    assert_int_equal(file_pread(f, NULL, bytes, 2000, 65000), 2000);
    assert_int_equal(bytes[999], 65999 % 251);
    for (size_t i = 1000; i < 2000; i++)
        assert_int_equal(bytes[i], 0);
    file_drop(f);
}

static void what_is_cut_off_comes_back_as_zeros(void **state)
{
    struct fake *fake = *state;
    uint8_t bytes[10000];
    struct file *f = fake_open(fake, "/usr/share/large", O_RDWR, NULL);
    assert_int_equal(f->ops->truncate(f, 5000), 0);
    assert_int_equal(f->ops->truncate(f, 9000), 0);
    assert_int_equal(file_pread(f, NULL, bytes, sizeof(bytes), 0), 9000);
    assert_int_equal(bytes[4999], 4999 % 251);
    for (size_t i = 5000; i < 9000; i++)
        assert_int_equal(bytes[i], 0);
    assert_int_equal(file_pwrite(f, NULL, "end", 3, 20000), 3);
    assert_int_equal(stat_of(fake, "/usr/share/large").size, 20003);
    assert_int_equal(f->ops->truncate(f, 0), 0);
    assert_int_equal(fake->vfs->quota.bytes, 0);
    file_drop(f);
}

static void holes_cost_nothing(void **state)
{
    struct fake *fake = *state;
    uint8_t byte = 1;
    struct file *f = fake_open(fake, "/tmp/sparse", O_RDWR | O_CREAT, NULL);
    assert_int_equal(file_pwrite(f, NULL, "x", 1, INT64_C(1) << 40), 1);
    assert_int_equal(fake->vfs->quota.bytes, 4096);
    assert_int_equal(file_pread(f, NULL, &byte, 1, 12345), 1);
    assert_int_equal(byte, 0);
    assert_int_equal(stat_of(fake, "/tmp/sparse").blocks, 8);
    assert_int_equal(file_pwrite(f, NULL, "x", 1, INT64_MAX), -EFBIG);
    file_drop(f);
}

static void the_quota_of_bytes_is_no_space(void **state)
{
    struct fake *fake = *state;
    static uint8_t bytes[BYTES + 100];
    struct file *f = fake_open(fake, "/tmp/large", O_RDWR | O_CREAT, NULL);
    assert_int_equal(file_write(f, NULL, bytes, sizeof(bytes)), BYTES);
    assert_int_equal(file_write(f, NULL, bytes, 1), -ENOSPC);
    assert_string_equal(fake->limit_z, "overlay_bytes");
    assert_int_equal(file_pwrite(f, NULL, "x", 1, 5), 1); /* a page that is there */
    file_drop(f);
    struct vfs_at root = fake_at(fake, &fake->root);
    assert_int_equal(vfs_unlink(&root, span_z("/tmp/large")), 0);
    assert_int_equal(fake->vfs->quota.bytes, 0);
    assert_int_equal(fake_write(fake, "/tmp/again", "fits"), 0);
}

static void the_quota_of_nodes_is_no_space(void **state)
{
    struct fake *fake = *state;
    char path[32];
    int made = 0, error = 0;
    for (; error == 0 && made < 1000; made++) {
        (void)snprintf(path, sizeof(path), "/tmp/%d", made);
        error = fake_write(fake, path, "");
    }
    assert_int_equal(error, -ENOSPC);
    assert_string_equal(fake->limit_z, "overlay_nodes");
    assert_true(made > NODES / 4 && made <= NODES);
    uint32_t full = fake->vfs->quota.nodes;
    struct vfs_at root = fake_at(fake, &fake->root);
    assert_int_equal(vfs_unlink(&root, span_z("/tmp/0")), 0);
    assert_true(fake->vfs->quota.nodes < full);
    assert_int_equal(fake_write(fake, "/tmp/0", ""), 0);
}

static void an_unlinked_file_lives_while_it_is_open(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root);
    char text[16] = "";
    struct file_stat st;
    assert_int_equal(fake_write(fake, "/tmp/gone", "still here"), 0);
    struct file *f = fake_open(fake, "/tmp/gone", O_RDWR, NULL);
    assert_int_equal(vfs_unlink(&root, span_z("/tmp/gone")), 0);
    assert_int_equal(vfs_stat(&root, span_z("/tmp/gone"), true, &st), -ENOENT);
    assert_int_equal(file_stat(f, &st), 0);
    assert_int_equal(st.nlink, 0);
    assert_int_equal(file_read(f, NULL, text, sizeof(text)), 10);
    assert_true(fake->vfs->quota.bytes > 0);
    file_drop(f);
    assert_int_equal(fake->vfs->quota.bytes, 0);
    f = fake_open(fake, "/etc/passwd", O_RDONLY, NULL);
    assert_int_equal(vfs_unlink(&root, span_z("/etc/passwd")), 0);
    assert_int_equal(file_read(f, NULL, text, 4), 4);
    assert_memory_equal(text, "root", 4);
    file_drop(f);
    assert_int_equal(fake_write(fake, "/etc/passwd", "new"), 0);
    assert_int_equal(fake_read(fake, "/etc/passwd", text, sizeof(text)), 3);
}

static void names_come_and_go_in_listings(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root);
    struct listing l;
    assert_int_equal(vfs_unlink(&root, span_z("/etc/loop")), 0);
    assert_int_equal(vfs_unlink(&root, span_z("/etc/dangling")), 0);
    assert_int_equal(fake_write(fake, "/etc/new", ""), 0);
    assert_int_equal(fake_write(fake, "/etc/loop", "a file now"), 0);
    list(fake, "/etc", &l);
    assert_string_equal(l.text, ". .. empty hello passwd new loop ");
    assert_int_equal(vfs_rename(&root, span_z("/etc/empty"), &root, span_z("/etc/full"), 0), 0);
    assert_int_equal(vfs_rename(&root, span_z("/etc/full"), &root, span_z("/etc/empty"), 0), 0);
    list(fake, "/etc", &l);
    assert_string_equal(l.text, ". .. empty hello passwd new loop ");
}

static void all_names_are_read_while_they_are_deleted(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root);
    char path[64];
    int removed = 0;
    for (int i = 0; i < 5; i++) {
        (void)snprintf(path, sizeof(path), "/tmp/x%d", i);
        assert_int_equal(fake_write(fake, path, ""), 0);
    }
    struct file *dir = fake_open(fake, "/tmp", O_RDONLY, NULL);
    struct listing l = {.next = 2};
    for (;;) { /* as rm -r does: one name, its removal, the next name */
        l.len = 0;
        l.room = 1;
        assert_int_equal(dir->ops->readdir(dir, NULL, l.next, add_entry, &l), 0);
        if (l.len == 0)
            break;
        (void)snprintf(path, sizeof(path), "/tmp/%.*s", (int)l.len - 1, l.text);
        assert_int_equal(vfs_unlink(&root, span_z(path)), 0);
        removed++;
    }
    file_drop(dir);
    assert_int_equal(removed, 5);
}

static void links_are_counted(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root);
    assert_int_equal(stat_of(fake, "/usr/bin/hello").nlink, 2);
    assert_int_equal(vfs_link(&root, span_z("/usr/bin/hello"), 0, &root, span_z("/tmp/third")), 0);
    assert_int_equal(stat_of(fake, "/usr/bin/hallo").nlink, 3);
    assert_int_equal(stat_of(fake, "/tmp/third").ino, stat_of(fake, "/usr/bin/hallo").ino);
    assert_int_equal(vfs_unlink(&root, span_z("/usr/bin/hello")), 0);
    assert_int_equal(stat_of(fake, "/tmp/third").nlink, 2);
    uint32_t links = stat_of(fake, "/tmp").nlink;
    assert_int_equal(vfs_make(&root, span_z("/tmp/d"), S_IFDIR | 0700, 0), 0);
    assert_int_equal(stat_of(fake, "/tmp").nlink, links + 1);
    assert_int_equal(vfs_rename(&root, span_z("/tmp/d"), &root, span_z("/etc/d"), 0), 0);
    assert_int_equal(stat_of(fake, "/tmp").nlink, links);
    assert_int_equal(vfs_rmdir(&root, span_z("/etc/d")), 0);
}

static void names_change_places(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root);
    uint64_t many = stat_of(fake, "/many").ino, passwd = stat_of(fake, "/etc/passwd").ino;
    assert_int_equal(vfs_rename(&root, span_z("/many"), &root, span_z("/etc/passwd"), 2), 0);
    assert_int_equal(stat_of(fake, "/many").ino, passwd);
    assert_int_equal(stat_of(fake, "/etc/passwd").ino, many);
    assert_int_equal(stat_of(fake, "/etc/passwd/07").size, 12);
    assert_int_equal(vfs_rename(&root, span_z("/many"), &root, span_z("/etc/passwd"), 2), 0);
    assert_int_equal(stat_of(fake, "/many").ino, many);
}

static void numbers_and_times_hold(void **state)
{
    struct fake *fake = *state;
    struct file_stat before = stat_of(fake, "/etc/passwd");
    fake->now_ns += 5000000000;
    assert_int_equal(fake_write(fake, "/etc/passwd", "x"), 0);
    struct file_stat after = stat_of(fake, "/etc/passwd");
    assert_int_equal(after.ino, before.ino);
    assert_int_equal(after.mtime_ns, fake->now_ns);
    assert_int_equal(stat_of(fake, "/").ino, 2);
    struct file_stat etc = stat_of(fake, "/etc");
    fake->now_ns += 5000000000;
    assert_int_equal(fake_write(fake, "/etc/passwd", "y"), 0); /* no name changed */
    assert_int_equal(stat_of(fake, "/etc").mtime_ns, etc.mtime_ns);
    assert_int_equal(fake_write(fake, "/etc/new", "y"), 0);
    assert_int_equal(stat_of(fake, "/etc").mtime_ns, fake->now_ns);
}

int main(int argc, char **argv)
{
    image_path_z = argc > 1 ? argv[1] : NULL;
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(reading_changes_nothing),
        TEST(a_written_page_is_the_visitors_own),
        TEST(packed_contents_are_read_written_and_cut_like_others),
        TEST(what_is_cut_off_comes_back_as_zeros),
        TEST(holes_cost_nothing),
        TEST(the_quota_of_bytes_is_no_space),
        TEST(the_quota_of_nodes_is_no_space),
        TEST(an_unlinked_file_lives_while_it_is_open),
        TEST(names_come_and_go_in_listings),
        TEST(all_names_are_read_while_they_are_deleted),
        TEST(links_are_counted),
        TEST(names_change_places),
        TEST(numbers_and_times_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
