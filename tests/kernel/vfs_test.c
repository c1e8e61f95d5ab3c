/* Paths over a small image: vfs_test SMALL_IMAGE. The image: tests/persona/make_small.py. */
#include "fakes.h"

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

static int set_up(void **state)
{
    *state = fake_new(image_path_z, 1 << 20, 200);
    return 0;
}

static int tear_down(void **state)
{
    fake_free(*state);
    return 0;
}

static int stat_of(struct fake *fake, const char *path_z, struct file_stat *st)
{
    struct vfs_at at = fake_at(fake, &fake->root);
    return vfs_stat(&at, span_z(path_z), true, st);
}

static void paths_end_as_linux_says(void **state)
{
    static const struct {
        const char *path_z;
        int result;
    } cases[] = {
        {"/etc/passwd", 0},
        {"etc/passwd", 0},
        {"//etc//passwd", 0},
        {"/etc/./passwd", 0},
        {"/etc/../etc/passwd", 0},
        {"/..", 0},
        {"/etc/passwd/", -ENOTDIR},
        {"/etc/passwd/x", -ENOTDIR},
        {"/etc/none", -ENOENT},
        {"/etc/none/x", -ENOENT},
        {"", -ENOENT},
        {"/etc/loop", -ELOOP},
        {"/etc/dangling", -ENOENT},
        {"/etc/hello", 0},
        {"/bin/hello", 0},
        {"/bin/", 0},
        {"/bin/../share/large", 0},
        {"/etc/loop/x", -ELOOP},
    };
    struct file_stat st;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (stat_of(*state, cases[i].path_z, &st) != cases[i].result)
            fail_msg("%s: %d", cases[i].path_z, stat_of(*state, cases[i].path_z, &st));
}

static void names_and_paths_have_their_limits(void **state)
{
    char path[5000];
    struct file_stat st;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[256] = '\0';
    assert_int_equal(stat_of(*state, path, &st), -ENOENT);
    path[256] = 'a';
    path[257] = '\0';
    assert_int_equal(stat_of(*state, path, &st), -ENAMETOOLONG);
    for (int i = 0; i < 2047; i++)
        memcpy(path + (size_t)i * 2, "/.", 2);
    path[4095] = '\0';
    path[4094] = '/';
    assert_int_equal(stat_of(*state, path, &st), 0);
    path[4095] = '.';
    path[4096] = '\0';
    assert_int_equal(stat_of(*state, path, &st), -ENAMETOOLONG);
}

static void open_flags_decide(void **state)
{
    static const struct {
        const char *path_z;
        uint32_t flags;
        int result;
    } cases[] = {
        {"/etc", O_RDONLY, 0},
        {"/etc", O_WRONLY, -EISDIR},
        {"/etc", O_RDONLY | O_CREAT, -EISDIR},
        {"/etc/passwd", O_RDONLY | O_DIRECTORY, -ENOTDIR},
        {"/etc/hello", O_RDONLY | O_NOFOLLOW, -ELOOP},
        {"/etc/hello", O_PATH | O_NOFOLLOW, 0},
        {"/etc/passwd", O_RDWR | O_CREAT | O_EXCL, -EEXIST},
        {"/etc/dangling", O_RDWR | O_CREAT | O_EXCL, -EEXIST},
        {"/etc/new/", O_RDWR | O_CREAT, -EISDIR},
        {"/etc/none", O_RDWR, -ENOENT},
        {"/", O_RDWR | O_CREAT, -EISDIR},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int error = 0;
        struct file *f = fake_open(*state, cases[i].path_z, cases[i].flags, &error);
        file_drop(f);
        if (error != cases[i].result)
            fail_msg("%s: %d", cases[i].path_z, error);
    }
}

static void a_dangling_link_is_made_through(void **state)
{
    struct file_stat st;
    assert_int_equal(fake_write(*state, "/etc/dangling", "x"), 0);
    assert_int_equal(stat_of(*state, "/etc/nowhere", &st), 0);
}

static void permissions_hold_for_others_and_not_for_root(void **state)
{
    struct fake *fake = *state;
    struct vfs_at user = fake_at(fake, &fake->user);
    struct file *f = NULL;
    assert_int_equal(vfs_open(&user, span_z("/etc/empty"), O_RDONLY, 0, &f), -EACCES);
    assert_int_equal(vfs_open(&user, span_z("/etc/passwd"), O_RDWR, 0, &f), -EACCES);
    assert_int_equal(vfs_open(&user, span_z("/etc/mine"), O_RDWR | O_CREAT, 0, &f), -EACCES);
    assert_int_equal(vfs_unlink(&user, span_z("/etc/passwd")), -EACCES);
    assert_int_equal(vfs_open(&user, span_z("/tmp/mine"), O_RDWR | O_CREAT, 0600, &f), 0);
    file_drop(f);
    f = fake_open(fake, "/etc/empty", O_RDWR, NULL);
    assert_non_null(f);
    file_drop(f);
}

static void the_sticky_bit_protects(void **state)
{
    struct fake *fake = *state;
    struct vfs_at user = fake_at(fake, &fake->user), root = fake_at(fake, &fake->root);
    struct file *f = NULL;
    assert_int_equal(fake_write(fake, "/tmp/roots", "x"), 0);
    assert_int_equal(vfs_unlink(&user, span_z("/tmp/roots")), -EPERM);
    assert_int_equal(vfs_rename(&user, span_z("/tmp/roots"), &user, span_z("/tmp/x"), 0), -EPERM);
    assert_int_equal(vfs_open(&user, span_z("/tmp/mine"), O_RDWR | O_CREAT, 0666, &f), 0);
    file_drop(f);
    /* fs.protected_regular: not even root opens somebody's file there with O_CREAT. */
    assert_int_equal(vfs_open(&root, span_z("/tmp/mine"), O_RDWR | O_CREAT, 0666, &f), -EACCES);
    assert_int_equal(vfs_open(&root, span_z("/tmp/mine"), O_RDWR, 0666, &f), 0);
    file_drop(f);
    /* fs.protected_symlinks */
    assert_int_equal(vfs_symlink(&user, span_z("/etc/passwd"), span_z("/tmp/trap")), 0);
    assert_int_equal(vfs_open(&root, span_z("/tmp/trap"), O_RDONLY, 0, &f), -EACCES);
    assert_int_equal(vfs_unlink(&root, span_z("/tmp/mine")), 0);
}

static void removing_says_why_not(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root);
    assert_int_equal(vfs_unlink(&root, span_z("/etc")), -EISDIR);
    assert_int_equal(vfs_unlink(&root, span_z("/")), -EISDIR);
    assert_int_equal(vfs_unlink(&root, span_z("/etc/passwd/")), -ENOTDIR);
    assert_int_equal(vfs_rmdir(&root, span_z("/etc/passwd")), -ENOTDIR);
    assert_int_equal(vfs_rmdir(&root, span_z("/many")), -ENOTEMPTY);
    assert_int_equal(vfs_rmdir(&root, span_z("/many/.")), -EINVAL);
    assert_int_equal(vfs_rmdir(&root, span_z("/many/..")), -ENOTEMPTY);
    assert_int_equal(vfs_rmdir(&root, span_z("/")), -EBUSY);
    assert_int_equal(vfs_rmdir(&root, span_z("/bin/")), -ENOTDIR);
    assert_int_equal(vfs_rmdir(&root, span_z("/dev/shm")), -EBUSY);
    assert_int_equal(vfs_unlink(&root, span_z("/etc/passwd")), 0);
    assert_string_equal(fake->deleted_z, "/etc/passwd");
    assert_int_equal(vfs_unlink(&root, span_z("/etc/passwd")), -ENOENT);
}

static void renaming_says_why_not(void **state)
{
    struct fake *fake = *state;
    static const struct {
        const char *from_z, *to_z;
        unsigned flags;
        int result;
    } cases[] = {
        {"/etc/none", "/etc/x", 0, -ENOENT},
        {"/etc", "/etc/x", 0, -EINVAL},
        {"/usr/share", "/usr", 0, -ENOTEMPTY},
        {"/etc/passwd", "/dev/shm/x", 0, -EXDEV},
        {"/etc/passwd", "/many", 0, -EISDIR},
        {"/many", "/etc/passwd", 0, -ENOTDIR},
        {"/tmp", "/many", 0, -ENOTEMPTY},
        {"/etc/passwd", "/etc/empty", RENAME_NOREPLACE, -EEXIST},
        {"/etc/passwd", "/etc/x", RENAME_EXCHANGE, -ENOENT},
        {"/etc/passwd", "/etc/passwd", 0, 0},
        {"/etc/passwd", "/etc/x/", 0, -ENOTDIR},
        {"/dev", "/x", 0, -EBUSY},
        {"/usr/bin/hello", "/usr/bin/hallo", 0, 0}, /* the same inode: nothing happens */
        {"/many", "/usr/more", 0, 0},
        {"/usr/more", "/tmp/more/", 0, 0},
    };
    struct vfs_at root = fake_at(fake, &fake->root);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int error = vfs_rename(&root, span_z(cases[i].from_z), &root, span_z(cases[i].to_z),
                               cases[i].flags);
        if (error != cases[i].result)
            fail_msg("%s -> %s: %d", cases[i].from_z, cases[i].to_z, error);
    }
    struct file_stat st;
    assert_int_equal(stat_of(fake, "/tmp/more/07", &st), 0);
    assert_int_equal(stat_of(fake, "/usr/bin/hello", &st), 0);
    assert_int_equal(stat_of(fake, "/many", &st), -ENOENT);
    assert_int_equal(stat_of(fake, "/tmp/more/..", &st), 0);
    assert_int_equal(st.mode & 07777, 01777);
}

static void directories_know_their_path(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root);
    char path[VFS_PATH_MAX];
    struct fs_context *fs = fake->fs;
    assert_int_equal(fs_context_chdir(fs, &fake->root, span_z("/bin")), 0);
    assert_int_equal(vfs_path_of(fake->vfs, fs->root, fs->cwd, path, sizeof(path)), 8);
    assert_string_equal(path, "/usr/bin");
    assert_int_equal(vfs_make(&root, span_z("/dev/shm/new"), S_IFDIR | 0777, 0), 0);
    assert_int_equal(fs_context_chdir(fs, &fake->root, span_z("/dev/shm/new")), 0);
    assert_int_equal(vfs_path_of(fake->vfs, fs->root, fs->cwd, path, sizeof(path)), 12);
    assert_string_equal(path, "/dev/shm/new");
    assert_int_equal(vfs_path_of(fake->vfs, fs->root, fs->cwd, path, 12), -ERANGE);
    assert_int_equal(vfs_rename(&root, span_z("/dev/shm/new"), &root, span_z("/dev/shm/x"), 0), 0);
    assert_int_equal(vfs_path_of(fake->vfs, fs->root, fs->cwd, path, sizeof(path)), 10);
    assert_string_equal(path, "/dev/shm/x");
    assert_int_equal(vfs_rmdir(&root, span_z("../x")), 0);
    assert_int_equal(vfs_path_of(fake->vfs, fs->root, fs->cwd, path, sizeof(path)), -ENOENT);
    struct file_stat st;
    assert_int_equal(stat_of(fake, "nothing", &st), -ENOENT);
    assert_int_equal(fake_write(fake, "nothing", "x"), -ENOENT);
    assert_int_equal(stat_of(fake, "..", &st), 0);
}

static void descriptions_know_their_path(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root);
    char path[VFS_PATH_MAX + 16];
    struct file *f = fake_open(fake, "/bin/hello", O_RDONLY, NULL);
    assert_int_equal(file_path(f, path, sizeof(path)), 14);
    assert_string_equal(path, "/usr/bin/hello");
    assert_int_equal(vfs_unlink(&root, span_z("/usr/bin/hello")), 0);
    assert_true(file_path(f, path, sizeof(path)) > 0);
    assert_string_equal(path, "/usr/bin/hello (deleted)");
    file_drop(f);
    f = fake_open(fake, "/", O_RDONLY, NULL);
    assert_int_equal(file_path(f, path, sizeof(path)), 1);
    file_drop(f);
}

static void executing_asks_for_the_bit_and_the_mount(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root);
    struct file *f = NULL;
    struct span bytes;
    assert_int_equal(vfs_open_exec(&root, span_z("/etc/passwd"), true, &f), -EACCES);
    assert_int_equal(vfs_open_exec(&root, span_z("/etc"), true, &f), -EACCES);
    assert_int_equal(vfs_open_exec(&root, span_z("/etc/hello"), false, &f), -ELOOP);
    assert_int_equal(vfs_open_exec(&root, span_z("/etc/hello"), true, &f), 0);
    assert_int_equal(file_map(f, &bytes), FILE_MAP_SPAN);
    assert_true(span_equal_z(bytes, "hello\n"));
    file_drop(f);
    assert_int_equal(fake_write(fake, "/run/x", "#!/bin/sh\n"), 0);
    struct file_stat st;
    f = fake_open(fake, "/run/x", O_RDONLY, NULL);
    assert_int_equal(vfs_chmod(&fake->root, f->node, 0755), 0);
    file_drop(f);
    assert_int_equal(stat_of(fake, "/run/x", &st), 0);
    assert_int_equal(st.mode, S_IFREG | 0755);
    assert_int_equal(vfs_open_exec(&root, span_z("/run/x"), true, &f), -EACCES);
}

static void the_umask_and_setgid_directories_shape_new_files(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root), user = fake_at(fake, &fake->user);
    struct file_stat st;
    assert_int_equal(fake_write(fake, "/etc/new", "x"), 0);
    assert_int_equal(stat_of(fake, "/etc/new", &st), 0);
    assert_int_equal(st.mode, S_IFREG | 0644);
    assert_int_equal(vfs_make(&root, span_z("/tmp/g"), S_IFDIR | 0777, 0), 0);
    struct file *dir = fake_open(fake, "/tmp/g", O_RDONLY, NULL);
    assert_int_equal(vfs_chown(&fake->root, dir->node, UINT32_MAX, 77), 0);
    assert_int_equal(vfs_chmod(&fake->root, dir->node, 02777), 0);
    file_drop(dir);
    assert_int_equal(vfs_make(&user, span_z("/tmp/g/d"), S_IFDIR | 0755, 0), 0);
    assert_int_equal(stat_of(fake, "/tmp/g/d", &st), 0);
    assert_int_equal(st.gid, 77);
    assert_int_equal(st.uid, 1000);
    assert_int_equal(st.mode, S_IFDIR | S_ISGID | 0755);
}

static void chown_is_roots_and_takes_the_setuid_bit(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root);
    struct file *f = fake_open(fake, "/usr/bin/hello", O_RDONLY, NULL);
    struct file_stat st;
    assert_int_equal(vfs_chown(&fake->user, f->node, 1000, UINT32_MAX), -EPERM);
    assert_int_equal(vfs_chmod(&fake->user, f->node, 0777), -EPERM);
    assert_int_equal(vfs_chown(&fake->root, f->node, 1000, UINT32_MAX), 0);
    assert_int_equal(file_stat(f, &st), 0);
    assert_int_equal(st.mode, S_IFREG | 0755);
    assert_int_equal(st.uid, 1000);
    assert_int_equal(vfs_chmod(&fake->user, f->node, 0700), 0);
    file_drop(f);
    (void)root;
}

int main(int argc, char **argv)
{
    image_path_z = argc > 1 ? argv[1] : NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_end_as_linux_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_and_paths_have_their_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_flags_decide, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dangling_link_is_made_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(permissions_hold_for_others_and_not_for_root, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_sticky_bit_protects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(removing_says_why_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(renaming_says_why_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(directories_know_their_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(descriptions_know_their_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(executing_asks_for_the_bit_and_the_mount, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_umask_and_setgid_directories_shape_new_files, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(chown_is_roots_and_takes_the_setuid_bit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
