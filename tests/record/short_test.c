/* When the disk is full, descriptors or memory are short: whatever is taken is tried again, and in the end
 * the data directory is what it is where nothing was short. */
#include "base/error.h"
#include "record/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW INT64_C(1795176000000000)

enum { FRAMES_BYTES = 1 << 20, TREE_BYTES = 1 << 20 };

static const struct event_sensor SENSOR = {.name = SPAN_LIT("lobby"), .uuid = SPAN_LIT("u")};
static const struct event_origin ORIGIN = {.session = SPAN_LIT("0123456789ab"),
                                           .protocol = SPAN_LIT("ssh"),
                                           .src_ip = SPAN_LIT("192.0.2.7"),
                                           .dst_ip = SPAN_LIT("192.0.2.8"),
                                           .src_port = 40000,
                                           .dst_port = 22};

/* ---- What is short ---- */

enum kind { NOTHING, SPACE, DESCRIPTORS, MEMORY, KINDS };

/* From the call after `left` more on, until it is over. */
static struct {
    enum kind kind;
    unsigned left;
    bool halved, hit;
} shortage;

static bool is_short(enum kind kind)
{
    if (shortage.kind != kind)
        return false;
    if (shortage.left > 0) {
        shortage.left--;
        return false;
    }
    shortage.hit = true;
    return true;
}

ssize_t __real_pwrite64(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t at);
int __real_openat64(int dir, const char *path_z, int flags, mode_t mode);
int __wrap_openat64(int dir, const char *path_z, int flags, mode_t mode);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
int __wrap_fsync(int fd);

/* The last bytes of a disk are written before it is full. */
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    if (!is_short(SPACE))
        return __real_pwrite64(fd, bytes, len, at);
    bool fits_half = !shortage.halved && len > 1;
    shortage.halved = true;
    if (fits_half)
        return __real_pwrite64(fd, bytes, len / 2, at);
    errno = ENOSPC;
    return -1;
}

int __wrap_openat64(int dir, const char *path_z, int flags, mode_t mode)
{
    if (!is_short(DESCRIPTORS))
        return __real_openat64(dir, path_z, flags, mode);
    errno = EMFILE;
    return -1;
}

void *__wrap_malloc(size_t size)
{
    return is_short(MEMORY) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_short(MEMORY) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return is_short(MEMORY) ? NULL : __real_realloc(old, size);
}

/* No crash is played here. */
int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

/* ---- What is recorded: one frame of each kind, and more of a few ---- */

static void put_event(struct buffer *out, struct event e)
{
    assert_int_equal(frame_put_event(out, &e, &SENSOR), 0);
}

static void put_terminal(struct buffer *out)
{
    const struct frame_tty_open open = {
        .session = ORIGIN.session, .width = 80, .height = 24, .time_us = NOW};
    const struct frame_tty_close close = {.session = ORIGIN.session, .time_us = NOW + 2};
    const struct frame_tty_data data = {
        .session = ORIGIN.session, .way = 'o', .time_us = NOW + 1, .bytes = SPAN_LIT("text\r\n")};
    assert_int_equal(frame_put_tty_open(out, &open), 0);
    assert_int_equal(frame_put_tty_data(out, &data), 0);
    assert_int_equal(frame_put_tty_data(out, &data), 0);
    assert_int_equal(frame_put_tty_close(out, &close), 0);
}

static void put_files(struct buffer *out)
{
    static const char text_z[] = "#!/bin/sh\nexit 0\n";
    enum { SIZE = sizeof(text_z) - 1, HALF = SIZE / 2 };
    struct frame_artefact artefact = {.session = ORIGIN.session, .shasum = {1, 2, 3}, .size = SIZE};
    struct frame_visit_keep keep = {
        .session = ORIGIN.session, .visitor = {.address = {7}}, .size = SIZE};
    const struct frame_keylog keylog = {SPAN_LIT("0011 SHARED_SECRET 22\n")};
    for (size_t at = 0; at < SIZE; at += HALF + 1) {
        artefact.offset = keep.offset = at;
        artefact.bytes = keep.bytes =
            span_of(text_z + at, SIZE - at < HALF + 1 ? SIZE - at : HALF + 1);
        assert_int_equal(frame_put_artefact(out, &artefact), 0);
        assert_int_equal(frame_put_visit_keep(out, &keep), 0);
    }
    assert_int_equal(frame_put_keylog(out, &keylog), 0);
}

static void put_all(struct buffer *out)
{
    struct event closed = event_make(EVENT_SESSION_CLOSED, &ORIGIN, NOW);
    struct event input = event_make(EVENT_COMMAND_INPUT, &ORIGIN, NOW);
    event_duration(&closed, 5);
    event_text_z(&input, FIELD_INPUT, "uname -a");
    put_event(out, event_make(EVENT_SESSION_CONNECT, &ORIGIN, NOW));
    put_terminal(out);
    put_event(out, input);
    put_files(out);
    put_event(out, closed);
}

/* ---- A directory ---- */

struct fixture {
    char path_z[64];
    int dir;
    struct record_dirs dirs;
    struct record_store *store;
};

static int delete_one(const char *path_z, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path_z);
}

static void begin(struct fixture *f)
{
    const struct record_options options = {
        .sensor = SENSOR, .visits_max = 1 << 20, .visits_s = INT64_MAX / 4};
    int error = 0;
    (void)snprintf(f->path_z, sizeof(f->path_z), "/tmp/lured-short-XXXXXX");
    assert_non_null(mkdtemp(f->path_z));
    f->dir = open(f->path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(record_dirs_open(&f->dirs, f->dir), 0);
    f->store = record_store_open(&f->dirs, &options, &error);
    assert_non_null(f->store);
}

static void end(struct fixture *f)
{
    record_store_close(f->store);
    record_dirs_close(&f->dirs);
    (void)close(f->dir);
    (void)nftw(f->path_z, delete_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *const folders_z[] = {"log", "tty", "artefacts", "visits"};

static void put_folder(const char *root_z, const char *folder_z, struct buffer *out)
{
    char path_z[128];
    struct dirent **list;
    (void)snprintf(path_z, sizeof(path_z), "%s/%s", root_z, folder_z);
    int dir = open(path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int n = scandir(path_z, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        assert_int_equal(buffer_printf(out, "== %s/%s\n", folder_z, list[i]->d_name), 0);
        if (list[i]->d_name[0] != '.')
            assert_int_equal(record_file_read(dir, list[i]->d_name, out), 0);
        free(list[i]);
    }
    free(list);
    (void)close(dir);
}

/* ---- Recording ---- */

static void lift(void)
{
    shortage.kind = NOTHING;
}

/* As the recorder does: what was refused comes again. */
static void take(struct fixture *f, const struct frame *frame)
{
    if (record_store_take(f->store, frame, NOW) != 0) {
        lift();
        assert_int_equal(record_store_take(f->store, frame, NOW), 0);
    }
    if (record_store_save(f->store) != 0) {
        lift();
        assert_int_equal(record_store_save(f->store), 0);
    }
}

/* What the directory has in the end. False: `left` calls and more are not made. */
static bool record(enum kind kind, unsigned left, struct buffer *tree)
{
    struct fixture f;
    struct buffer frames;
    struct frame frame;
    int64_t n = 0;
    uint64_t number = 0;
    begin(&f);
    buffer_init(&frames, FRAMES_BYTES);
    put_all(&frames);
    shortage.kind = kind;
    shortage.left = left;
    shortage.halved = shortage.hit = false;
    while ((n = frame_read(buffer_span(&frames), &frame)) > 0) {
        frame.number = ++number;
        take(&f, &frame);
        buffer_take(&frames, (size_t)n);
    }
    lift();
    bool hit = shortage.hit;
    assert_int_equal(record_store_save(f.store), 0);
    for (size_t i = 0; i < ARRAY_LEN(folders_z); i++)
        put_folder(f.path_z, folders_z[i], tree);
    buffer_fini(&frames);
    end(&f);
    return hit;
}

static void nothing_is_lost(enum kind kind)
{
    struct buffer wanted, tree;
    unsigned left = 0;
    bool hit = true;
    buffer_init(&wanted, TREE_BYTES);
    (void)record(NOTHING, 0, &wanted);
    assert_true(buffer_len(&wanted) > 1000);
    for (; hit; left++) {
        buffer_init(&tree, TREE_BYTES);
        hit = record(kind, left, &tree);
        struct span a = buffer_span(&wanted), b = buffer_span(&tree);
        if (!span_equal(a, b))
            fail_msg("short from call %u on: %.*s\ninstead of %.*s", left, (int)b.len,
                     (const char *)b.data, (int)a.len, (const char *)a.data);
        buffer_fini(&tree);
    }
    assert_true(left > 5);
    buffer_fini(&wanted);
}

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    nothing_is_lost(SPACE);
}

static void no_descriptors_lose_nothing(void **state)
{
    (void)state;
    nothing_is_lost(DESCRIPTORS);
}

static void no_memory_loses_nothing(void **state)
{
    (void)state;
    nothing_is_lost(MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(no_descriptors_lose_nothing),
        cmocka_unit_test(no_memory_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
