/* Records that go: the old, the oldest of too many, and nothing else. */
#include "base/span.h"
#include "record/retain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOW_S = 1795176000 };
#define FILE_BYTES UINT64_C(1000)
#define DAY_S      INT64_C(86400)

#define SUM_OLD   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde1"
#define SUM_YOUNG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde2"

struct fixture {
    char path_z[64];
    int dir;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->path_z, sizeof(f->path_z), "/tmp/lured-retain-XXXXXX");
    assert_non_null(mkdtemp(f->path_z));
    f->dir = open(f->path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return 0;
}

static int delete_one(const char *path_z, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path_z);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    (void)close(f->dir);
    (void)nftw(f->path_z, delete_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static void make(struct fixture *f, const char *name_z, int64_t age_s)
{
    const struct timespec times[2] = {{NOW_S - age_s, 0}, {NOW_S - age_s, 0}};
    int fd = openat(f->dir, name_z, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
    assert_int_equal(futimens(fd, times), 0);
    (void)close(fd);
}

static bool is_there(struct fixture *f, const char *name_z)
{
    return faccessat(f->dir, name_z, F_OK, 0) == 0;
}

static void make_all(struct fixture *f)
{
    make(f, "events.json", 9 * DAY_S);
    make(f, "state", 9 * DAY_S);
    make(f, "ssh.keys", 9 * DAY_S);
    make(f, "events-00000001.json.zst", 4 * DAY_S);
    make(f, "0123456789ab-0.cast", 3 * DAY_S);
    make(f, SUM_OLD, 2 * DAY_S);
    make(f, "events-00000002.json", DAY_S);
    make(f, SUM_YOUNG, 60);
}

static struct record_retired retain(struct fixture *f, int64_t keep_s, uint64_t bytes_max)
{
    const struct record_retention rules = {keep_s, bytes_max};
    struct record_retired retired = {0};
    assert_int_equal(record_retain(&f->dir, 1, &rules, NOW_S, &retired), 0);
    return retired;
}

static void without_rules_nothing_goes(void **state)
{
    struct fixture *f = *state;
    make_all(f);
    assert_int_equal(retain(f, 0, 0).files, 0);
    assert_true(is_there(f, "events-00000001.json.zst"));
}

static void the_old_go(void **state)
{
    struct fixture *f = *state;
    make_all(f);
    struct record_retired retired = retain(f, 2 * DAY_S, 0);
    assert_int_equal(retired.files, 2);
    assert_int_equal(retired.bytes, 2 * FILE_BYTES);
    assert_false(is_there(f, "events-00000001.json.zst"));
    assert_false(is_there(f, "0123456789ab-0.cast"));
    assert_true(is_there(f, SUM_OLD));
}

static void beyond_the_bytes_the_oldest_go(void **state)
{
    struct fixture *f = *state;
    make_all(f); /* five are ours */
    assert_int_equal(retain(f, 0, 3 * FILE_BYTES).files, 2);
    assert_true(is_there(f, SUM_OLD));
    assert_int_equal(retain(f, 0, 3 * FILE_BYTES).files, 0);
}

static void what_is_not_ours_or_young_stays(void **state)
{
    struct fixture *f = *state;
    make_all(f);
    make(f, "events-notes.txt", 9 * DAY_S);
    make(f, "README", 9 * DAY_S);
    assert_int_equal(retain(f, 1, 1).files, 4);
    static const char *const stay_z[] = {"events.json", "state",   "ssh.keys",
                                         "README",      SUM_YOUNG, "events-notes.txt"};
    for (size_t i = 0; i < ARRAY_LEN(stay_z); i++)
        assert_true(is_there(f, stay_z[i]));
}

/* Whichever order the folder has. */
static void of_more_files_than_are_looked_at_the_oldest_go(void **state)
{
    enum { OLD = 100, MORE = RECORD_RETAIN_FILES };
    struct fixture *f = *state;
    char name_z[80];
    for (int i = 0; i < OLD + MORE; i++) {
        bool old = i < OLD / 2 || i >= OLD / 2 + MORE;
        (void)snprintf(name_z, sizeof(name_z), "%064x", (unsigned)i);
        make(f, name_z, old ? 3 * DAY_S : DAY_S + i % 1000);
    }
    assert_int_equal(retain(f, 2 * DAY_S, 0).files, OLD);
    assert_int_equal(retain(f, 0, (MORE - 1) * FILE_BYTES).files, 1);
    (void)snprintf(name_z, sizeof(name_z), "%064x", (unsigned)OLD + MORE - 1);
    assert_false(is_there(f, name_z));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_rules_nothing_goes),
        TEST(the_old_go),
        TEST(beyond_the_bytes_the_oldest_go),
        TEST(what_is_not_ours_or_young_stays),
        TEST(of_more_files_than_are_looked_at_the_oldest_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
