/* The list of open sessions: what is added is there, also for the next recorder, until it is removed. */
#include "base/error.h"
#include "record/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANY = 1000 };

struct fixture {
    char path_z[64];
    int dir;
    struct record_roster roster;
};

static void open_roster(struct fixture *f)
{
    assert_int_equal(record_roster_open(&f->roster, f->dir, "sessions"), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->path_z, sizeof(f->path_z), "/tmp/lured-roster-XXXXXX");
    assert_non_null(mkdtemp(f->path_z));
    f->dir = open(f->path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    open_roster(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    record_roster_close(&f->roster);
    (void)unlinkat(f->dir, "sessions", 0);
    (void)close(f->dir);
    (void)rmdir(f->path_z);
    free(f);
    return 0;
}

static struct span name_of(int i, char name_z[16])
{
    (void)snprintf(name_z, 16, "s%d", i);
    return span_z(name_z);
}

static void add(struct fixture *f, int i)
{
    char name_z[16], line_z[32];
    (void)snprintf(line_z, sizeof(line_z), "{\"n\":%d}\n", i);
    assert_int_equal(record_roster_add(&f->roster, name_of(i, name_z), span_z(line_z)), 0);
}

static void assert_line(struct fixture *f, int i, bool there)
{
    char name_z[16], line_z[32];
    struct buffer line;
    buffer_init(&line, RECORD_ROSTER_SLOT);
    int error = record_roster_line(&f->roster, name_of(i, name_z), &line);
    (void)snprintf(line_z, sizeof(line_z), "{\"n\":%d}", i);
    assert_int_equal(error, there ? 0 : ERR_STATE);
    assert_true(!there || span_equal_z(buffer_span(&line), line_z));
    buffer_fini(&line);
}

static void an_empty_one_has_nothing(void **state)
{
    struct fixture *f = *state;
    assert_null(record_roster_any_z(&f->roster));
    assert_line(f, 1, false);
    record_roster_remove(&f->roster, span_z("s1"));
}

static void what_is_open_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    char name_z[16];
    for (int i = 0; i < MANY; i++)
        add(f, i);
    for (int i = 0; i < MANY; i += 2)
        record_roster_remove(&f->roster, name_of(i, name_z));
    assert_int_equal(record_roster_settle(&f->roster), 0);
    record_roster_close(&f->roster);
    open_roster(f);
    for (int i = 0; i < MANY; i++)
        assert_line(f, i, i % 2 == 1);
    int left = 0;
    for (const char *any_z = NULL; (any_z = record_roster_any_z(&f->roster)) != NULL; left++)
        record_roster_remove(&f->roster, span_z(any_z));
    assert_int_equal(left, MANY / 2);
}

static void slots_are_used_again(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char name_z[16];
    for (int i = 0; i < MANY; i++) {
        add(f, i);
        add(f, i); /* sent again by a sensor that saw no answer */
        assert_line(f, i, true);
        record_roster_remove(&f->roster, name_of(i, name_z));
        assert_int_equal(record_roster_settle(&f->roster), 0);
    }
    assert_int_equal(fstatat(f->dir, "sessions", &st, 0), 0);
    assert_true(st.st_size <= (off_t)RECORD_ROSTER_SLOT);
}

/* Its end is not on record until then: should the recorder die, the next one must hear of it. */
static void what_was_removed_is_in_the_file_until_it_is_settled(void **state)
{
    struct fixture *f = *state;
    add(f, 1);
    record_roster_remove(&f->roster, span_z("s1"));
    assert_line(f, 1, false);
    record_roster_close(&f->roster);
    open_roster(f);
    assert_line(f, 1, true);
    record_roster_remove(&f->roster, span_z("s1"));
    assert_int_equal(record_roster_settle(&f->roster), 0);
    record_roster_close(&f->roster);
    open_roster(f);
    assert_line(f, 1, false);
}

static void of_a_long_line_the_name_is_known(void **state)
{
    struct fixture *f = *state;
    uint8_t line[2 * RECORD_ROSTER_SLOT];
    struct buffer out;
    memset(line, 'x', sizeof(line));
    assert_int_equal(record_roster_add(&f->roster, span_z("long"), span_of(line, sizeof(line))), 0);
    add(f, 1);
    record_roster_close(&f->roster);
    open_roster(f);
    buffer_init(&out, RECORD_ROSTER_SLOT);
    assert_int_equal(record_roster_line(&f->roster, span_z("long"), &out), 0);
    assert_int_equal(buffer_len(&out), RECORD_ROSTER_SLOT - strlen("long "));
    assert_line(f, 1, true);
    buffer_fini(&out);
}

static void nonsense_in_the_file_is_no_session(void **state)
{
    struct fixture *f = *state;
    static const char NONSENSE[] = "../../etc/passwd {}\n";
    record_roster_close(&f->roster);
    int fd = openat(f->dir, "sessions", O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, NONSENSE, strlen(NONSENSE)), strlen(NONSENSE));
    (void)close(fd);
    open_roster(f);
    assert_null(record_roster_any_z(&f->roster));
    add(f, 1);
    assert_line(f, 1, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_one_has_nothing),
        TEST(what_is_open_is_there_after_a_restart),
        TEST(slots_are_used_again),
        TEST(what_was_removed_is_in_the_file_until_it_is_settled),
        TEST(of_a_long_line_the_name_is_known),
        TEST(nonsense_in_the_file_is_no_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
