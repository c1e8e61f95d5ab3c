/* /proc and /dev of a machine that has no processes of its own. proc_test SMALL_IMAGE */
#include "fakes.h"

#include "kernel/fs.h"
#include "kernel/hardware.h"

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
    struct fake *fake = fake_new(image_path_z, 1 << 20, 200);
    fake->now_ns += INT64_C(90061) * 1000000000; /* a day, an hour, a minute and a second */
    *state = fake;
    return 0;
}

static int tear_down(void **state)
{
    fake_free(*state);
    return 0;
}

static char *text_of(struct fake *fake, const char *path_z, char *out, size_t size)
{
    int64_t n = fake_read(fake, path_z, out, size);
    if (n < 0)
        fail_msg("%s: %d", path_z, (int)n);
    return out;
}

static void the_model_is_what_every_text_says(void **state)
{
    static char text[65536];
    char line[256];
    const struct hardware *hw = &hardware_default;
    assert_string_equal(
        text_of(*state, "/proc/version", text, sizeof(text)) + strlen(hw->proc_version_z), "\n");
    assert_non_null(strstr(text, hw->release_z));
    assert_non_null(strstr(text, hw->version_z));
    (void)snprintf(line, sizeof(line), "%s\n", hw->release_z);
    assert_string_equal(text_of(*state, "/proc/sys/kernel/osrelease", text, sizeof(text)), line);
    text_of(*state, "/proc/cpuinfo", text, sizeof(text));
    uint32_t cpus = 0;
    for (const char *at = text; (at = strstr(at, "processor\t: ")) != NULL; at++)
        cpus++;
    assert_int_equal(cpus, hw->cpus);
    (void)snprintf(line, sizeof(line), "MemTotal:       %8llu kB\nMemFree:        %8llu kB\n",
                   (unsigned long long)hw->mem_total, (unsigned long long)hw->mem_free);
    text_of(*state, "/proc/meminfo", text, sizeof(text));
    assert_int_equal(strncmp(text, line, strlen(line)), 0);
    assert_string_equal(text_of(*state, "/proc/uptime", text, sizeof(text)),
                        "90061.00 178320.78\n");
    assert_non_null(
        strstr(text_of(*state, "/proc/stat", text, sizeof(text)), "btime 1700000000\n"));
}

static void services_seem_to_run(void **state)
{
    char text[8192];
    assert_string_equal(text_of(*state, "/proc/1/comm", text, sizeof(text)), "systemd\n");
    assert_int_equal(fake_read(*state, "/proc/1/cmdline", text, sizeof(text)), 11);
    assert_memory_equal(text, "/sbin/init", 11);
    assert_int_equal(fake_read(*state, "/proc/2/cmdline", text, sizeof(text)), 0);
    assert_int_equal(strncmp(text_of(*state, "/proc/1/stat", text, sizeof(text)),
                             "1 (systemd) S 0 1 1 0 -1 ", 25),
                     0);
    assert_non_null(strstr(text_of(*state, "/proc/2/status", text, sizeof(text)), "PPid:\t0\n"));
    assert_null(strstr(text, "VmSize"));
    assert_int_equal(fake_read(*state, "/proc/99999/stat", text, sizeof(text)), -ENOENT);
    assert_int_equal(fake_read(*state, "/proc/01/stat", text, sizeof(text)), -ENOENT);
    assert_int_equal(fake_read(*state, "/proc/self/stat", text, sizeof(text)), -ENOENT);
}

static void mounts_are_listed_as_they_are(void **state)
{
    char text[8192];
    text_of(*state, "/proc/1/mounts", text, sizeof(text));
    assert_non_null(strstr(text, "/dev/vda1 / ext4 rw,relatime,errors=remount-ro 0 0\n"));
    assert_non_null(strstr(text, "proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n"));
    text_of(*state, "/proc/1/mountinfo", text, sizeof(text));
    assert_non_null(strstr(text, "27 1 254:1 / / rw,relatime shared:"));
    assert_non_null(strstr(text, " - ext4 /dev/vda1 rw,errors=remount-ro\n"));
}

static void nothing_is_made_in_proc_and_sys(void **state)
{
    struct fake *fake = *state;
    struct vfs_at root = fake_at(fake, &fake->root);
    assert_int_equal(fake_write(fake, "/proc/x", ""), -ENOENT);
    assert_int_equal(vfs_make(&root, span_z("/proc/x"), S_IFDIR | 0755, 0), -ENOENT);
    assert_int_equal(vfs_unlink(&root, span_z("/proc/version")), -EPERM);
    assert_int_equal(fake_write(fake, "/sys/x", ""), -EACCES);
    assert_int_equal(vfs_make(&root, span_z("/sys/x"), S_IFDIR | 0755, 0), -EPERM);
    assert_int_equal(vfs_rmdir(&root, span_z("/sys/kernel/debug")), -EBUSY);
    struct vfs_at user = fake_at(fake, &fake->user);
    struct file *f = NULL;
    assert_int_equal(vfs_open(&user, span_z("/proc/1/environ"), O_RDONLY, 0, &f), -EACCES);
    assert_int_equal(vfs_open(&user, span_z("/proc/sys/kernel/hostname"), O_WRONLY, 0, &f),
                     -EACCES);
}

struct walk_state {
    struct fake *fake;
    char path[512];
    unsigned directories, files;
};

struct names {
    char name[256][64];
    unsigned type[256];
    size_t count;
    int64_t next;
};

static bool take_name(void *ctx, struct span name, uint64_t ino, unsigned type, int64_t next)
{
    struct names *n = ctx;
    assert_int_not_equal(ino, 0);
    if (n->count == 256)
        return false;
    span_copy_z(name, n->name[n->count], sizeof(n->name[0]));
    n->type[n->count++] = type;
    n->next = next;
    return true;
}

/* Everything that readdir tells is there, is of that type, and can be read or listed. */
static void walk_below(struct walk_state *w)
{
    static char text[1 << 16];
    int error = 0;
    struct file *dir = fake_open(w->fake, w->path, O_RDONLY | O_DIRECTORY, &error);
    struct names *names = calloc(1, sizeof(*names));
    if (dir == NULL || names == NULL)
        fail_msg("%s: %d", w->path, error);
    assert_int_equal(dir->ops->readdir(dir, NULL, 0, take_name, names), 0);
    file_drop(dir);
    w->directories++;
    size_t len = strlen(w->path);
    for (size_t i = 0; i < names->count; i++) {
        if (names->name[i][0] == '.')
            continue;
        (void)snprintf(w->path + len, sizeof(w->path) - len, "/%s", names->name[i]);
        struct file_stat st;
        struct vfs_at at = fake_at(w->fake, &w->fake->root);
        assert_int_equal(vfs_stat(&at, span_z(w->path), false, &st), 0);
        assert_int_equal((st.mode & S_IFMT) >> 12, names->type[i]);
        if (S_ISDIR(st.mode) && strcmp(names->name[i], "task") != 0)
            walk_below(w);
        else if (S_ISREG(st.mode) && fake_read(w->fake, w->path, text, sizeof(text)) < 0)
            fail_msg("%s cannot be read", w->path);
        w->files++;
        w->path[len] = '\0';
    }
    free(names);
}

static void every_name_can_be_opened(void **state)
{
    struct walk_state w = {.fake = *state, .path = "/proc"};
    walk_below(&w);
    assert_true(w.directories > 100 && w.files > 2000);
    (void)snprintf(w.path, sizeof(w.path), "/dev");
    walk_below(&w);
}

static void devices_do_what_they_are_for(void **state)
{
    struct fake *fake = *state;
    char text[16];
    struct span bytes;
    assert_int_equal(fake_read(fake, "/dev/null", text, sizeof(text)), 0);
    assert_int_equal(fake_read(fake, "/dev/zero", text, sizeof(text)), 15);
    assert_int_equal(fake_read(fake, "/dev/urandom", text, sizeof(text)), 15);
    assert_int_equal((uint8_t)text[3], 0x5a);
    assert_int_equal(fake_write(fake, "/dev/full", "x"), -ENOSPC);
    assert_int_equal(fake_write(fake, "/dev/null", "x"), 0);
    assert_int_equal(fake_read(fake, "/dev/tty", text, sizeof(text)), -ENXIO);
    assert_int_equal(fake_read(fake, "/dev/vda", text, sizeof(text)), 15);
    struct file *f = fake_open(fake, "/dev/zero", O_RDWR, NULL);
    assert_int_equal(file_map(f, &bytes), FILE_MAP_ZERO);
    file_drop(f);
}

int main(int argc, char **argv)
{
    image_path_z = argc > 1 ? argv[1] : NULL;
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(the_model_is_what_every_text_says), TEST(services_seem_to_run),
        TEST(mounts_are_listed_as_they_are),     TEST(nothing_is_made_in_proc_and_sys),
        TEST(every_name_can_be_opened),          TEST(devices_do_what_they_are_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
