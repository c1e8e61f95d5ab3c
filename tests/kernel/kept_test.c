/* What a visitor leaves comes back, whole or not at all. usage: kept_test SMALL_IMAGE */
#include "base/error.h"
#include "cpu/cpu.h"
#include "kernel/fs.h"
#include "kernel/machine.h"
#include "kernel/task.h"
#include "kernel/xattr.h"
#include "persona/image.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { CODE_BYTES = 1 << 20, SAVED_MAX = 4 << 20, TEXT_MAX = 1 << 20, DEPTH_MAX = 64 };

static const int64_t now_ms = 1700000000000;
static const char *image_path_z;
static const struct creds root_user = {.cap_effective = UINT64_MAX};

/* ---- Machines ---- */

struct machine {
    struct persona_image *image;
    struct cpu_code *code;
    struct kernel *kernel;
    struct fs_context *fs;
    struct vfs_at at;
};

static struct span whole_image;

static void boot(struct machine *m, uint64_t bytes, const char *hostname_z)
{
    struct kernel_config config = {.limits = kernel_limits_default,
                                   .hostname = span_z(hostname_z),
                                   .boot_ms = now_ms - 1000000};
    assert_int_equal(persona_image_open(whole_image, &m->image), 0);
    m->code = cpu_code_new(CODE_BYTES);
    assert_non_null(m->code);
    config.image = m->image;
    config.code = m->code;
    config.limits.overlay_bytes = bytes;
    m->kernel = kernel_new(&config, now_ms);
    assert_non_null(m->kernel);
    m->fs = fs_context_new(m->kernel->vfs);
    m->at = (struct vfs_at){.fs = m->fs, .cred = &root_user};
}

static void halt(struct machine *m)
{
    fs_context_drop(m->fs);
    kernel_free(m->kernel);
    cpu_code_free(m->code);
    persona_image_close(m->image);
}

/* A restored machine must not have anybody at work in it before. */
static int restore(struct machine *m, struct span saved)
{
    return kernel_restore(m->kernel, saved);
}

static void write_at(struct machine *m, const char *path_z, const char *text_z, int64_t at)
{
    struct file *f = NULL;
    assert_int_equal(vfs_open(&m->at, span_z(path_z), O_RDWR | O_CREAT, 0640, &f), 0);
    assert_int_equal(file_pwrite(f, NULL, text_z, strlen(text_z), at), strlen(text_z));
    file_drop(f);
}

static struct vnode node_of(struct machine *m, const char *path_z)
{
    struct walk_found found;
    assert_int_equal(walk(&m->at, span_z(path_z), 0, &found), 0);
    struct vnode node = found.node;
    walk_done(&found);
    return node;
}

/* ---- What a machine shows ---- */

struct dump {
    struct machine *m;
    struct buffer *out;
    char path_z[VFS_PATH_MAX];
    unsigned depth;
};

static void dump_tree(struct dump *d);

static void dump_contents(struct dump *d)
{
    struct file *f = NULL;
    uint8_t bytes[4096];
    uint64_t sum = 0;
    assert_int_equal(vfs_open(&d->m->at, span_z(d->path_z), O_RDONLY | O_NOATIME, 0, &f), 0);
    int64_t n = 0;
    for (int64_t at = 0; (n = file_pread(f, NULL, bytes, sizeof(bytes), at)) > 0; at += n)
        for (int64_t i = 0; i < n; i++)
            sum = sum * 31 + bytes[i];
    assert_int_equal(n, 0);
    file_drop(f);
    assert_int_equal(buffer_printf(d->out, " sum %llx", (unsigned long long)sum), 0);
}

static bool dump_entry(void *ctx, struct span name, uint64_t ino, unsigned type, int64_t next)
{
    struct dump *d = ctx;
    size_t len = strlen(d->path_z);
    (void)ino, (void)type, (void)next;
    if (span_equal_z(name, ".") || span_equal_z(name, ".."))
        return true;
    (void)snprintf(d->path_z + len, sizeof(d->path_z) - len, "%s%.*s",
                   len > 0 && d->path_z[len - 1] == '/' ? "" : "/", (int)name.len,
                   (const char *)name.data);
    dump_tree(d);
    d->path_z[len] = '\0';
    return true;
}

static void dump_tree(struct dump *d)
{
    struct file_stat st;
    struct file *f = NULL;
    const char *path_z = d->path_z[0] != '\0' ? d->path_z : "/";
    /* Made anew at each asking. */
    if (strncmp(path_z, "/proc", 5) == 0 || strncmp(path_z, "/dev/pts", 8) == 0)
        return;
    assert_int_equal(vfs_stat(&d->m->at, span_z(path_z), false, &st), 0);
    assert_int_equal(buffer_printf(d->out, "%s %o %u %u %u %lld %lld %lld %llx %llu", path_z,
                                   st.mode, st.uid, st.gid, st.nlink, (long long)st.size,
                                   (long long)st.mtime_ns, (long long)st.ctime_ns,
                                   (unsigned long long)st.flags, (unsigned long long)st.ino),
                     0);
    if (S_ISREG(st.mode) && strncmp(path_z, "/sys", 4) != 0)
        dump_contents(d);
    assert_int_equal(buffer_put_z(d->out, "\n"), 0);
    if (!S_ISDIR(st.mode) || d->depth >= DEPTH_MAX)
        return;
    d->depth++;
    if (vfs_open(&d->m->at, span_z(path_z), O_RDONLY | O_DIRECTORY, 0, &f) == 0) {
        assert_int_equal(f->ops->readdir(f, NULL, 0, dump_entry, d), 0);
        file_drop(f);
    }
    d->depth--;
}

static void show(struct machine *m, struct buffer *out)
{
    struct dump *d = calloc(1, sizeof(*d));
    assert_non_null(d);
    d->m = m;
    d->out = out;
    buffer_init(out, TEXT_MAX);
    dump_tree(d);
    free(d);
}

static void assert_same(struct machine *a, struct machine *b)
{
    struct buffer x, y;
    show(a, &x);
    show(b, &y);
    if (!span_equal(buffer_span(&x), buffer_span(&y)))
        fail_msg("%.*s\n---\n%.*s", (int)buffer_len(&x), (const char *)buffer_span(&x).data,
                 (int)buffer_len(&y), (const char *)buffer_span(&y).data);
    buffer_fini(&x);
    buffer_fini(&y);
}

/* ---- Tests ---- */

/* Everything that a visitor can do to files. */
static void live_there(struct machine *m)
{
    const struct vfs_at *at = &m->at;
    write_at(m, "/etc/passwd", "changed", 3);
    write_at(m, "/new", "0123456789", 0);
    write_at(m, "/sparse", "end", 1000000);
    assert_int_equal(vfs_make(at, span_z("/dir"), S_IFDIR | 01777, 0), 0);
    assert_int_equal(vfs_make(at, span_z("/dir/fifo"), S_IFIFO | 0600, 0), 0);
    assert_int_equal(vfs_make(at, span_z("/dir/null"), S_IFCHR | 0666, FS_DEV(1, 3)), 0);
    assert_int_equal(vfs_symlink(at, span_z("../new"), span_z("/dir/link")), 0);
    assert_int_equal(vfs_link(at, span_z("/new"), 0, at, span_z("/dir/second")), 0);
    assert_int_equal(vfs_rename(at, span_z("/many"), at, span_z("/dir/many"), 0), 0);
    assert_int_equal(vfs_make(at, span_z("/many"), S_IFDIR | 0755, 0), 0);
    write_at(m, "/many/again", "x", 0);
    assert_int_equal(vfs_chown(&root_user, node_of(m, "/sparse"), 1000, 1001), 0);
    assert_int_equal(vfs_set_times(&root_user, node_of(m, "/sparse"), 5, 7000000000, false), 0);
    struct vnode node = node_of(m, "/new");
    assert_int_equal(vnode_hold(node), 0);
    assert_int_equal(
        xattr_set(node.fs->ops->attributes(node.fs, node.ino), span_z("user.k"), span_z("value")),
        0);
    vnode_drop(node);
    write_at(m, "/dev/shm/fast", "memory", 0);
    write_at(m, "/run/x.pid", "1", 0);
}

static void what_was_done_comes_back(void **state)
{
    struct machine before, after;
    struct buffer saved, again;
    (void)state;
    buffer_init(&saved, SAVED_MAX);
    buffer_init(&again, SAVED_MAX);
    boot(&before, 1 << 20, "here");
    boot(&after, 1 << 20, "here");
    assert_false(kernel_is_changed(before.kernel));
    live_there(&before);
    assert_true(kernel_is_changed(before.kernel));
    assert_int_equal(kernel_save(before.kernel, &saved), 0);
    assert_int_equal(restore(&after, buffer_span(&saved)), 0);
    assert_false(kernel_is_changed(after.kernel));
    assert_same(&before, &after);
    struct vnode node = node_of(&after, "/new");
    struct xattr **list = node.fs->ops->attributes(node.fs, node.ino);
    assert_true(span_equal_z(xattr_value(xattr_find(*list, span_z("user.k"))), "value"));
    /* Both go on from there alike. */
    struct machine *both[] = {&before, &after};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        assert_int_equal(vfs_unlink(&both[i]->at, span_z("/dir/second")), 0);
        assert_int_equal(
            vfs_rename(&both[i]->at, span_z("/dir/many"), &both[i]->at, span_z("/etc/many"), 0), 0);
        write_at(both[i], "/more", "x", 5000);
    }
    assert_same(&before, &after);
    assert_int_equal(kernel_save(after.kernel, &again), 0);
    halt(&before);
    halt(&after);
    buffer_fini(&saved);
    buffer_fini(&again);
}

static void an_open_file_without_a_name_is_left_behind(void **state)
{
    struct machine before, after;
    struct buffer saved;
    struct file *f = NULL;
    struct file_stat st;
    (void)state;
    buffer_init(&saved, SAVED_MAX);
    boot(&before, 1 << 20, "here");
    boot(&after, 1 << 20, "here");
    assert_int_equal(vfs_open(&before.at, span_z("/gone"), O_RDWR | O_CREAT, 0600, &f), 0);
    assert_int_equal(vfs_unlink(&before.at, span_z("/gone")), 0);
    assert_int_equal(kernel_save(before.kernel, &saved), 0);
    assert_int_equal(restore(&after, buffer_span(&saved)), 0);
    assert_int_equal(vfs_stat(&after.at, span_z("/gone"), false, &st), -ENOENT);
    file_drop(f);
    halt(&before);
    halt(&after);
    buffer_fini(&saved);
}

static void what_does_not_fit_is_refused_and_nothing_is_changed(void **state)
{
    struct machine before, after, untouched;
    struct buffer saved, small;
    (void)state;
    buffer_init(&saved, SAVED_MAX);
    buffer_init(&small, 100);
    boot(&before, 1 << 20, "here");
    boot(&after, 4096, "here");
    boot(&untouched, 4096, "here");
    live_there(&before);
    assert_int_equal(kernel_save(before.kernel, &small), ERR_FULL);
    assert_int_equal(buffer_len(&small), 0);
    assert_int_equal(kernel_save(before.kernel, &saved), 0);
    struct span all = buffer_span(&saved);
    assert_int_equal(restore(&after, all), ERR_FULL);
    /* Known before its end is read: what is too much is not taken into memory first. */
    assert_int_equal(restore(&after, span_slice(all, 0, all.len - 1)), ERR_FULL);
    assert_same(&after, &untouched);
    assert_int_equal(after.kernel->vfs->quota.nodes, untouched.kernel->vfs->quota.nodes);
    assert_int_equal(after.kernel->vfs->quota.bytes, untouched.kernel->vfs->quota.bytes);
    halt(&before);
    halt(&after);
    halt(&untouched);
    buffer_fini(&saved);
    buffer_fini(&small);
}

static void what_is_cut_short_is_refused(void **state)
{
    struct machine before, after;
    struct buffer saved;
    (void)state;
    buffer_init(&saved, SAVED_MAX);
    boot(&before, 1 << 20, "here");
    boot(&after, 1 << 20, "here");
    live_there(&before);
    assert_int_equal(kernel_save(before.kernel, &saved), 0);
    struct span all = buffer_span(&saved);
    for (size_t n = 0; n < all.len; n += 1 + n / 50)
        assert_int_equal(restore(&after, span_slice(all, 0, n)), ERR_MALFORMED);
    assert_int_equal(restore(&after, all), 0);
    assert_same(&before, &after);
    halt(&before);
    halt(&after);
    buffer_fini(&saved);
}

/* One that is taken all the same makes a machine that can be walked and changed. */
static void what_is_damaged_harms_nobody(void **state)
{
    struct machine before;
    struct buffer saved;
    (void)state;
    buffer_init(&saved, SAVED_MAX);
    boot(&before, 1 << 20, "here");
    live_there(&before);
    assert_int_equal(kernel_save(before.kernel, &saved), 0);
    struct span all = buffer_span(&saved);
    for (size_t n = 0; n < all.len; n += 7 + n / 8) {
        struct machine after;
        struct file *f = NULL;
        boot(&after, 1 << 20, "here");
        saved.data[saved.start + n] ^= (uint8_t)(1 << n % 8);
        if (restore(&after, all) == 0) {
            if (vfs_open(&after.at, span_z("/again"), O_RDWR | O_CREAT, 0600, &f) == 0)
                file_drop(f);
            (void)vfs_unlink(&after.at, span_z("/new"));
            (void)vfs_rename(&after.at, span_z("/dir"), &after.at, span_z("/other"), 0);
        }
        saved.data[saved.start + n] ^= (uint8_t)(1 << n % 8);
        halt(&after);
    }
    halt(&before);
    buffer_fini(&saved);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_done_comes_back),
        cmocka_unit_test(an_open_file_without_a_name_is_left_behind),
        cmocka_unit_test(what_does_not_fit_is_refused_and_nothing_is_changed),
        cmocka_unit_test(what_is_cut_short_is_refused),
        cmocka_unit_test(what_is_damaged_harms_nobody),
    };
    image_path_z = argc > 1 ? argv[1] : "";
    int fd = open(image_path_z, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return 1;
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (bytes == MAP_FAILED)
        return 1;
    whole_image = span_of(bytes, (size_t)st.st_size);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)munmap(bytes, (size_t)st.st_size);
    return failed;
}
