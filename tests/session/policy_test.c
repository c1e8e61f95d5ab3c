/* Password policies: the text's rules, and who may log in by them. */
#include "session/policy.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct session_policy *parse(const char *text_z)
{
    int err;
    uint32_t line;
    struct session_policy *policy = session_policy_new(span_z(text_z), &err, &line);
    assert_non_null(policy);
    return policy;
}

static bool allows(const char *text_z, const char *user_z, const char *password_z)
{
    struct session_policy *policy = parse(text_z);
    bool yes = session_policy_allows(policy, span_z(user_z), span_z(password_z));
    session_policy_free(policy);
    return yes;
}

static void the_default_is_a_short_list(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"root", "123456"},   {"root", "root"},    {"root", "password"}, {"root", "admin"},
        {"root", "toor"},     {"root", "qwerty"},  {"admin", "admin"},   {"admin", "1234"},
        {"ubuntu", "ubuntu"}, {"pi", "raspberry"},
    };
    static const char *const bad[][2] = {
        {"root", "1234567"}, {"root", ""},       {"root", "1234"}, {"admin", "root"},
        {"Root", "root"},    {"guest", "guest"}, {"", ""},         {"root", "root "},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(allows(session_policy_default_z, good[i][0], good[i][1]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(allows(session_policy_default_z, bad[i][0], bad[i][1]));
}

static void the_first_match_decides(void **state)
{
    (void)state;
    static const char text_z[] = "root:!root\nroot:!123456\nroot:*\n*:guest\n";
    assert_false(allows(text_z, "root", "root"));
    assert_false(allows(text_z, "root", "123456"));
    assert_true(allows(text_z, "root", "anything"));
    assert_true(allows(text_z, "root", ""));
    assert_true(allows(text_z, "who", "guest"));
    assert_false(allows(text_z, "who", "guests"));
    assert_true(allows("root:*\nroot:!root\n", "root", "root"));
}

static void stars_stand_for_any_bytes(void **state)
{
    (void)state;
    assert_true(allows("a*:*b*c", "a", "bc"));
    assert_true(allows("a*:*b*c", "abc", "xxbyybzzc"));
    assert_false(allows("a*:*b*c", "abc", "xxbyybzzcd"));
    assert_false(allows("a*:*b*c", "b", "bc"));
    assert_true(allows("**:***", "", ""));
    assert_false(allows("*a:*", "ab", "x"));
    assert_true(allows("*ab:*", "aab", "x"));
}

static void a_backslash_takes_the_next_byte_as_it_is(void **state)
{
    (void)state;
    assert_true(allows("root:\\!x", "root", "!x"));
    assert_false(allows("root:\\!x", "root", "x"));
    assert_true(allows("root:a\\*b", "root", "a*b"));
    assert_false(allows("root:a\\*b", "root", "axb"));
    assert_true(allows("a\\:b:c:d", "a:b", "c:d"));
    assert_true(allows("root:\\\\", "root", "\\"));
    assert_true(allows("root:!!x\nroot:*", "root", "x"));
    assert_false(allows("root:!!x\nroot:*", "root", "!x"));
}

static void comments_empty_lines_and_line_ends_are_understood(void **state)
{
    (void)state;
    static const char text_z[] = "# root:root\r\n\r\n\nroot:a\r\nroot:#b";
    assert_false(allows(text_z, "# root", "root"));
    assert_false(allows(text_z, "root", "root"));
    assert_true(allows(text_z, "root", "a"));
    assert_true(allows(text_z, "root", "#b"));
    assert_false(allows("", "root", "root"));
}

static void a_bad_line_is_told_by_its_number(void **state)
{
    (void)state;
    static const char *const bad[] = {"root", ":x", "root:x\\", "root\\:x", "root:x\\\\\\"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[64];
        size_t at = span_copy_z(span_z("# first\nroot:root\n"), text, sizeof(text));
        span_copy_z(span_z(bad[i]), text + at, sizeof(text) - at);
        int err = 0;
        uint32_t line = 0;
        assert_null(session_policy_new(span_z(text), &err, &line));
        assert_int_equal(err, ERR_MALFORMED);
        assert_int_equal(line, 3);
    }
}

static void too_much_is_refused(void **state)
{
    (void)state;
    size_t len = SESSION_POLICY_TEXT_MAX + 1;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '\n', len);
    int err = 0;
    uint32_t line = 0;
    assert_null(session_policy_new(span_of(text, len), &err, &line));
    assert_int_equal(err, ERR_FULL);
    for (size_t i = 0; i < len; i++)
        text[i] = "a:b\n"[i % 4];
    assert_null(session_policy_new(span_of(text, len - 1), &err, &line));
    assert_int_equal(err, ERR_FULL);
    assert_int_equal(line, SESSION_POLICY_RULES_MAX + 1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_a_short_list),
        cmocka_unit_test(the_first_match_decides),
        cmocka_unit_test(stars_stand_for_any_bytes),
        cmocka_unit_test(a_backslash_takes_the_next_byte_as_it_is),
        cmocka_unit_test(comments_empty_lines_and_line_ends_are_understood),
        cmocka_unit_test(a_bad_line_is_told_by_its_number),
        cmocka_unit_test(too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
