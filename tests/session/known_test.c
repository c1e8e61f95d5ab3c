/* Whom the recorder may remember. */
#include "session/known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* One by his address, one by his login: keys as digests are, all different. */
static struct frame_visitor visitor(uint64_t number, bool by_login)
{
    struct frame_visitor v = {.address = {0}};
    uint64_t key = (2 * number + by_login + 1) * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(by_login ? v.login : v.address, &key, sizeof(key));
    return v;
}

static bool has(const struct session_known *known, uint64_t number, bool by_login)
{
    struct frame_visitor v = visitor(number, by_login);
    return session_known_has(known, &v);
}

static void everybody_may_be_known_until_the_recorder_has_told(void **state)
{
    struct session_known known = {.slots = NULL};
    (void)state;
    assert_true(has(&known, 1, false));
    known.told = true;
    assert_false(has(&known, 1, false));
    session_known_fini(&known);
}

static void those_who_were_added_are_known_and_no_others(void **state)
{
    enum { COUNT = 3000 };
    struct session_known known = {.told = true};
    (void)state;
    for (uint64_t i = 0; i < COUNT; i++) {
        struct frame_visitor v = visitor(i, i % 2 != 0);
        session_known_add(&known, &v);
        session_known_add(&known, &v);
    }
    assert_int_equal(known.count, COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        assert_int_equal(has(&known, i, false), i % 2 == 0);
        assert_int_equal(has(&known, i, true), i % 2 != 0);
    }
    session_known_fini(&known);
}

static void nobody_is_known_by_no_key(void **state)
{
    struct session_known known = {.told = true};
    const struct frame_visitor nobody = {.address = {0}};
    (void)state;
    session_known_add(&known, &nobody);
    assert_int_equal(known.count, 0);
    assert_false(session_known_has(&known, &nobody));
    session_known_fini(&known);
}

static void with_too_many_everybody_may_be_known_again(void **state)
{
    struct session_known known = {.told = true};
    (void)state;
    for (uint64_t i = 0; i <= SESSION_KNOWN_MAX; i++) {
        struct frame_visitor v = visitor(i, false);
        session_known_add(&known, &v);
    }
    assert_int_equal(known.count, SESSION_KNOWN_MAX);
    assert_true(has(&known, SESSION_KNOWN_MAX + 1, true));
    session_known_fini(&known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_may_be_known_until_the_recorder_has_told),
        cmocka_unit_test(those_who_were_added_are_known_and_no_others),
        cmocka_unit_test(nobody_is_known_by_no_key),
        cmocka_unit_test(with_too_many_everybody_may_be_known_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
