/* What visitors have left, in the data directory: kept whole, found again, and never too much. */
#include "base/error.h"
#include "record/file.h"
#include "record/visits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SESSION SPAN_LIT("0123456789ab")

enum { DAY_S = 86400, ALL_BYTES = 200000, OUT_MAX = 1 << 20 };

struct fixture {
    char path_z[64];
    int dir;
    int64_t now_s;
    struct record_visits visits;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->path_z, sizeof(f->path_z), "/tmp/lured-visits-XXXXXX");
    assert_non_null(mkdtemp(f->path_z));
    f->dir = open(f->path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    f->now_s = (int64_t)time(NULL);
    assert_int_equal(record_visits_open(&f->visits, f->dir, ALL_BYTES, DAY_S, f->now_s), 0);
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
    record_visits_close(&f->visits);
    (void)close(f->dir);
    (void)nftw(f->path_z, delete_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    record_visits_close(&f->visits);
    assert_int_equal(record_visits_open(&f->visits, f->dir, ALL_BYTES, DAY_S, f->now_s), 0);
}

static struct frame_visitor visitor(uint8_t address, uint8_t login)
{
    return (struct frame_visitor){.address = {address}, .login = {login}};
}

static int keep(struct fixture *f, struct frame_visitor who, struct span all)
{
    struct frame_visit_keep part = {.session = SESSION, .visitor = who, .size = all.len};
    int error = 0;
    do {
        part.bytes = span_slice(all, part.offset, part.offset + FRAME_VISIT_MAX);
        error = record_visits_keep(&f->visits, &part, f->now_s);
        part.offset += part.bytes.len;
    } while (error == 0 && part.offset < all.len);
    return error;
}

/* Everything that is answered, put together; -1: nobody is known. */
static int64_t recall(struct fixture *f, struct frame_visitor who, struct buffer *out)
{
    const struct frame_visit_ask ask = {.session = SESSION, .visitor = who};
    struct buffer frames;
    struct frame frame;
    int64_t size = 0;
    buffer_init(&frames, OUT_MAX);
    buffer_clear(out);
    assert_int_equal(record_visits_answer(&f->visits, &ask, f->now_s, &frames), 0);
    while ((size = frame_read(buffer_span(&frames), &frame)) > 0) {
        assert_int_equal(frame.kind, FRAME_VISIT);
        if (!frame.visit.known) {
            buffer_fini(&frames);
            return -1;
        }
        assert_int_equal(frame.visit.offset, buffer_len(out));
        assert_int_equal(buffer_put(out, frame.visit.bytes), 0);
        buffer_take(&frames, (size_t)size);
    }
    assert_int_equal(size, 0);
    buffer_fini(&frames);
    return (int64_t)buffer_len(out);
}

static void all_who_are_remembered_are_told(void **state)
{
    enum { COUNT = 1500 }; /* more than one frame has */
    struct fixture *f = *state;
    struct buffer out;
    struct frame frame;
    struct frame_visitor who;
    bool told[COUNT] = {false};
    int frames = 0;
    f->visits.list = calloc(COUNT, sizeof(*f->visits.list));
    assert_non_null(f->visits.list);
    f->visits.count = f->visits.room = COUNT;
    for (int i = 0; i < COUNT; i++) {
        f->visits.list[i].visitor.address[1] = (uint8_t)(i >> 8);
        f->visits.list[i].visitor.address[2] = (uint8_t)i;
    }
    buffer_init(&out, OUT_MAX);
    assert_int_equal(record_visits_tell(&f->visits, &out), 0);
    for (int64_t n = 0; (n = frame_read(buffer_span(&out), &frame)) > 0; frames++) {
        assert_int_equal(frame.kind, FRAME_VISITORS);
        for (size_t i = 0; frame_visitor_at(frame.visitors.list, i, &who); i++)
            told[who.address[1] << 8 | who.address[2]] = true;
        buffer_take(&out, (size_t)n);
    }
    assert_int_equal(buffer_len(&out), 0);
    const size_t in_one = FRAME_VISIT_MAX / sizeof(who);
    assert_int_equal(frames, (COUNT + in_one - 1) / in_one);
    for (int i = 0; i < COUNT; i++)
        assert_true(told[i]);
    buffer_fini(&out);
}

static void what_is_kept_is_found_again(void **state)
{
    struct fixture *f = *state;
    struct buffer out;
    uint8_t *big = calloc(1, 100000);
    assert_non_null(big);
    for (size_t i = 0; i < 100000; i++)
        big[i] = (uint8_t)(i / 7);
    buffer_init(&out, OUT_MAX);
    assert_int_equal(recall(f, visitor(1, 1), &out), -1);
    assert_int_equal(keep(f, visitor(1, 1), span_of(big, 100000)), 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(recall(f, visitor(1, 2), &out), 100000);
        assert_memory_equal(buffer_span(&out).data, big, 100000);
        assert_int_equal(recall(f, visitor(2, 0), &out), -1);
        reopen(f);
    }
    free(big);
    buffer_fini(&out);
}

static void a_public_key_finds_its_machine_from_anywhere(void **state)
{
    struct fixture *f = *state;
    struct buffer out;
    struct frame_visitor first = visitor(1, 7), second = visitor(2, 7), key = visitor(0, 0);
    buffer_init(&out, OUT_MAX);
    first.publics[0][0] = 3;
    second.publics[1][0] = 3;
    second.publics[3][15] = 4;
    second.passwords = true;
    assert_int_equal(keep(f, first, span_z("one")), 0);
    f->now_s++;
    assert_int_equal(keep(f, second, span_z("second")), 0);
    key.publics[0][0] = 3;
    assert_int_equal(recall(f, key, &out), 6); /* the last one */
    reopen(f);                                 /* the names of the files say it all */
    key = visitor(1, 7);                       /* his address does not count then */
    key.publics[0][15] = 4;
    assert_int_equal(recall(f, key, &out), 6);
    assert_true(record_visits_find(&f->visits, &key, f->now_s)->visitor.passwords);
    assert_int_equal(recall(f, visitor(1, 0), &out), 3);
    key.publics[0][15] = 5;
    assert_int_equal(recall(f, key, &out), -1);
    /* He has taken it away. */
    assert_int_equal(keep(f, visitor(2, 7), span_z("third")), 0);
    key.publics[0][15] = 4;
    assert_int_equal(recall(f, key, &out), -1);
    buffer_fini(&out);
}

static void who_he_is_can_be_asked_alone(void **state)
{
    struct fixture *f = *state;
    struct frame_visit_ask ask = {.session = SESSION, .visitor = visitor(1, 0), .brief = true};
    struct buffer frames;
    struct frame frame;
    buffer_init(&frames, OUT_MAX);
    assert_int_equal(keep(f, visitor(1, 7), span_z("one")), 0);
    assert_int_equal(record_visits_answer(&f->visits, &ask, f->now_s, &frames), 0);
    assert_int_equal(frame_read(buffer_span(&frames), &frame), buffer_len(&frames));
    assert_true(frame.visit.known && frame.visit.size == 0 && frame.visit.visitor.login[0] == 7);
    buffer_fini(&frames);
}

static void the_address_comes_before_the_login(void **state)
{
    struct fixture *f = *state;
    struct buffer out;
    buffer_init(&out, OUT_MAX);
    assert_int_equal(keep(f, visitor(1, 7), span_z("one")), 0);
    f->now_s++;
    assert_int_equal(keep(f, visitor(2, 7), span_z("second")), 0);
    assert_int_equal(recall(f, visitor(1, 7), &out), 3);
    assert_int_equal(recall(f, visitor(3, 7), &out), 6); /* the last one */
    assert_int_equal(recall(f, visitor(0, 7), &out), 6);
    assert_int_equal(recall(f, visitor(3, 8), &out), -1);
    /* Who is known by his login alone replaces what that login left. */
    assert_int_equal(keep(f, visitor(0, 9), span_z("a")), 0);
    assert_int_equal(keep(f, visitor(0, 9), span_z("bb")), 0);
    assert_int_equal(recall(f, visitor(0, 9), &out), 2);
    assert_int_equal(f->visits.count, 3);
    buffer_fini(&out);
}

static void who_changed_nothing_keeps_what_he_had(void **state)
{
    struct fixture *f = *state;
    struct buffer out;
    buffer_init(&out, OUT_MAX);
    assert_int_equal(keep(f, visitor(1, 1), span_z("left")), 0);
    assert_int_equal(keep(f, visitor(1, 2), span_of("", 0)), 0);
    assert_int_equal(recall(f, visitor(1, 0), &out), 4);
    assert_int_equal(f->visits.list[0].visitor.login[0], 2);
    assert_int_equal(keep(f, visitor(5, 5), span_of("", 0)), 0); /* a login alone */
    assert_int_equal(recall(f, visitor(5, 0), &out), 0);
    reopen(f);
    assert_int_equal(recall(f, visitor(1, 0), &out), 4);
    assert_int_equal(recall(f, visitor(5, 0), &out), 0);
    buffer_fini(&out);
}

/* Another connection of his may have left it meanwhile: what it opens is what is kept. */
static void who_changed_nothing_keeps_what_lets_him_in(void **state)
{
    struct fixture *f = *state;
    struct buffer out;
    struct frame_visitor left = visitor(1, 1), key = visitor(0, 0);
    buffer_init(&out, OUT_MAX);
    left.passwords = true;
    left.publics[0][0] = key.publics[0][0] = 3;
    assert_int_equal(keep(f, left, span_z("left")), 0);
    assert_int_equal(keep(f, visitor(1, 2), span_of("", 0)), 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(recall(f, key, &out), 4);
        assert_true(f->visits.list[0].visitor.passwords);
        assert_int_equal(f->visits.list[0].visitor.login[0], 2);
        reopen(f);
    }
    buffer_fini(&out);
}

static void the_old_are_forgotten(void **state)
{
    struct fixture *f = *state;
    struct buffer out;
    buffer_init(&out, OUT_MAX);
    assert_int_equal(keep(f, visitor(1, 1), span_z("left")), 0);
    f->now_s += DAY_S;
    assert_int_equal(recall(f, visitor(1, 0), &out), 4);
    f->now_s += 1;
    assert_int_equal(recall(f, visitor(1, 0), &out), -1);
    assert_int_equal(f->visits.count, 0);
    assert_int_equal(f->visits.bytes, 0);
    f->now_s -= DAY_S;
    reopen(f); /* its file is gone as well */
    assert_int_equal(f->visits.count, 0);
    buffer_fini(&out);
}

static void beyond_the_bytes_for_all_the_oldest_go(void **state)
{
    struct fixture *f = *state;
    struct buffer out;
    uint8_t *big = calloc(1, ALL_BYTES + 1);
    assert_non_null(big);
    buffer_init(&out, OUT_MAX);
    for (uint8_t i = 1; i <= 4; i++, f->now_s++)
        assert_int_equal(keep(f, visitor(i, i), span_of(big, ALL_BYTES / 3)), 0);
    assert_int_equal(recall(f, visitor(1, 0), &out), -1);
    assert_int_equal(recall(f, visitor(2, 0), &out), ALL_BYTES / 3);
    assert_true(f->visits.bytes <= ALL_BYTES);
    assert_int_equal(keep(f, visitor(9, 9), span_of(big, ALL_BYTES + 1)), 0);
    assert_int_equal(recall(f, visitor(9, 0), &out), -1);
    assert_int_equal(recall(f, visitor(4, 0), &out), ALL_BYTES / 3);
    free(big);
    buffer_fini(&out);
}

static void what_was_never_finished_goes_with_its_sensor(void **state)
{
    struct fixture *f = *state;
    struct buffer out;
    const struct frame_visit_keep part = {
        .session = SESSION, .visitor = visitor(1, 1), .size = 10, .bytes = SPAN_LIT("half")};
    buffer_init(&out, OUT_MAX);
    assert_int_equal(record_visits_keep(&f->visits, &part, f->now_s), 0);
    assert_int_equal(recall(f, visitor(1, 0), &out), -1);
    assert_int_equal(faccessat(f->dir, "0123456789ab.part", F_OK, 0), 0);
    reopen(f); /* a recorder's death is no end of it */
    assert_int_equal(faccessat(f->dir, "0123456789ab.part", F_OK, 0), 0);
    record_visits_drop_parts(&f->visits);
    assert_int_equal(faccessat(f->dir, "0123456789ab.part", F_OK, 0), -1);
    assert_int_equal(recall(f, visitor(1, 0), &out), -1);
    buffer_fini(&out);
}

static void a_part_goes_on_where_the_recorder_before_left_it(void **state)
{
    struct fixture *f = *state;
    struct frame_visit_keep part = {
        .session = SESSION, .visitor = visitor(1, 1), .size = 8, .bytes = span_z("begin")};
    struct buffer out;
    buffer_init(&out, OUT_MAX);
    assert_int_equal(keep(f, visitor(1, 1), span_z("before")), 0);
    for (int kept = 1; kept >= 0; kept--) {
        part.offset = 0;
        part.bytes = span_z("begin");
        assert_int_equal(record_visits_keep(&f->visits, &part, f->now_s), 0);
        reopen(f);
        if (!kept)
            record_visits_drop_parts(&f->visits);
        part.offset = part.bytes.len;
        part.bytes = span_z(kept ? "end" : "END");
        assert_int_equal(record_visits_keep(&f->visits, &part, f->now_s), 0);
        /* Without its beginning the rest does not replace what is there. */
        assert_int_equal(recall(f, visitor(1, 1), &out), 8);
        assert_memory_equal(buffer_span(&out).data, "beginend", 8);
    }
    buffer_fini(&out);
}

static void a_file_that_is_gone_is_a_visitor_who_left_nothing(void **state)
{
    struct fixture *f = *state;
    struct buffer out;
    buffer_init(&out, OUT_MAX);
    assert_int_equal(keep(f, visitor(1, 1), span_z("left")), 0);
    assert_int_equal(unlinkat(f->dir,
                              "01000000000000000000000000000000-"
                              "01000000000000000000000000000000",
                              0),
                     0);
    assert_int_equal(recall(f, visitor(1, 0), &out), 0);
    buffer_fini(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_who_are_remembered_are_told),
        TEST(what_is_kept_is_found_again),
        TEST(a_public_key_finds_its_machine_from_anywhere),
        TEST(who_he_is_can_be_asked_alone),
        TEST(the_address_comes_before_the_login),
        TEST(who_changed_nothing_keeps_what_he_had),
        TEST(who_changed_nothing_keeps_what_lets_him_in),
        TEST(the_old_are_forgotten),
        TEST(beyond_the_bytes_for_all_the_oldest_go),
        TEST(what_was_never_finished_goes_with_its_sensor),
        TEST(a_part_goes_on_where_the_recorder_before_left_it),
        TEST(a_file_that_is_gone_is_a_visitor_who_left_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
