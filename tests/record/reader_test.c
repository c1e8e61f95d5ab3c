/* The log read from outside: through closed segments, compressed or not, and on as it grows. */
#include "record/reader.h"
#include "record/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char path_z[64];
    int dir;
    struct record_segment log;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->path_z, sizeof(f->path_z), "/tmp/lured-reader-XXXXXX");
    assert_non_null(mkdtemp(f->path_z));
    f->dir = open(f->path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(record_segment_open(&f->log, f->dir, 300), 0);
    *state = f;
    return 0;
}

static int delete_one(const char *path_z, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path_z);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    record_segment_close(&f->log);
    (void)close(f->dir);
    (void)nftw(f->path_z, delete_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static void append(struct fixture *f, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++) {
        char line_z[64];
        (void)snprintf(line_z, sizeof(line_z), "{\"id\":%" PRIu64 ",\"x\":\"some text\"}\n", i);
        assert_int_equal(record_segment_append(&f->log, span_z(line_z)), 0);
        assert_int_equal(record_segment_flush(&f->log), 0);
    }
}

static void assert_lines(struct record_reader *reader, uint64_t from, uint64_t to)
{
    struct span line;
    for (uint64_t i = from; i <= to; i++) {
        assert_int_equal(record_reader_next(reader, &line), 1);
        assert_int_equal(record_line_id(line), i);
        assert_int_equal(line.data[line.len - 1], '}');
    }
    assert_int_equal(record_reader_next(reader, &line), 0);
}

static struct record_reader *reader_of(struct fixture *f, bool only_current)
{
    int error = 0;
    struct record_reader *reader = record_reader_new(f->dir, only_current, &error);
    assert_non_null(reader);
    return reader;
}

static void all_segments_are_read_in_order(void **state)
{
    struct fixture *f = *state;
    append(f, 1, 50);
    /* Some compressed, some not. */
    for (int i = 0; i < 4; i++)
        (void)record_segment_zip(&f->log);
    struct record_reader *reader = reader_of(f, false);
    assert_lines(reader, 1, 50);
    record_reader_free(reader);
    while (record_segment_zip(&f->log))
        continue;
    reader = reader_of(f, false);
    assert_lines(reader, 1, 50);
    record_reader_free(reader);
}

static void a_log_that_grows_and_is_rotated_is_followed(void **state)
{
    struct fixture *f = *state;
    struct record_reader *reader = reader_of(f, true);
    assert_lines(reader, 1, 0);
    uint64_t at = 0;
    for (uint64_t step = 1; step < 12; step++) {
        append(f, at + 1, at + step);
        /* Rotated at most once between two looks: what a tail that is awake sees. */
        assert_lines(reader, at + 1, at + step);
        at += step;
    }
    record_reader_free(reader);
}

static void half_a_line_waits_for_its_end(void **state)
{
    struct fixture *f = *state;
    struct span line;
    append(f, 1, 1);
    struct record_reader *reader = reader_of(f, false);
    assert_lines(reader, 1, 1);
    int fd = openat(f->dir, "events.json", O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "{\"id\":", 6), 6);
    assert_int_equal(record_reader_next(reader, &line), 0);
    assert_int_equal(write(fd, "2}\n{\"id\":3}\n", 12), 12);
    assert_lines(reader, 2, 3);
    (void)close(fd);
    record_reader_free(reader);
}

static void a_damaged_segment_is_said_and_passed(void **state)
{
    struct fixture *f = *state;
    append(f, 1, 20);
    while (record_segment_zip(&f->log))
        continue;
    int fd = openat(f->dir, "events-00000001.json.zst", O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, "this is not zstd", 16), 16);
    (void)close(fd);
    struct record_reader *reader = reader_of(f, false);
    struct span line;
    assert_true(record_reader_next(reader, &line) < 0);
    assert_int_equal(record_reader_next(reader, &line), 1);
    uint64_t first = record_line_id(line);
    assert_true(first > 1);
    assert_lines(reader, first + 1, 20);
    record_reader_free(reader);
}

static void an_empty_directory_has_no_lines(void **state)
{
    struct fixture *f = *state;
    struct span line;
    record_segment_close(&f->log);
    assert_int_equal(unlinkat(f->dir, "events.json", 0), 0);
    struct record_reader *reader = reader_of(f, false);
    assert_int_equal(record_reader_next(reader, &line), 0);
    /* It is there later. */
    assert_int_equal(record_segment_open(&f->log, f->dir, 300), 0);
    append(f, 1, 2);
    assert_lines(reader, 1, 2);
    record_reader_free(reader);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_segments_are_read_in_order),  TEST(a_log_that_grows_and_is_rotated_is_followed),
        TEST(half_a_line_waits_for_its_end),   TEST(a_damaged_segment_is_said_and_passed),
        TEST(an_empty_directory_has_no_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
