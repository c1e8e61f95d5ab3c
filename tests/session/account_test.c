/* The machine's accounts, and small texts. */
#include "session/account.h"
#include "session/text.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_line_of_passwd_is_understood(void **state)
{
    (void)state;
    struct session_account a;
    assert_true(session_account_parse(span_z("pi:x:1002:7:Pi, the:/home/pi:/bin/bash"), &a));
    assert_true(span_equal_z(a.name, "pi"));
    assert_true(span_equal_z(a.home, "/home/pi"));
    assert_true(span_equal_z(a.shell, "/bin/bash"));
    assert_int_equal(a.uid, 1002);
    assert_int_equal(a.gid, 7);
    assert_true(session_account_parse(span_z("a::4294967295:0:::"), &a));
    assert_int_equal(a.uid, UINT32_MAX);
    assert_int_equal(a.shell.len, 0);
}

static void what_is_no_line_of_passwd_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "root",
        "root:x:0:0:root:/root",
        "root:x:0:0:root:/root:/bin/sh:x",
        ":x:0:0:::",
        "a:x::0:::",
        "a:x:0::::",
        "a:x:-1:0:::",
        "a:x:1a:0:::",
        "a:x:4294967296:0:::",
        "a:x:99999999999999999999:0:::",
    };
    struct session_account a;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(session_account_parse(span_z(bad[i]), &a));
}

static void members_of_a_group_are_found(void **state)
{
    (void)state;
    uint32_t gid = 0;
    assert_true(session_account_group(span_z("sudo:x:27:pi,admin"), span_z("admin"), &gid));
    assert_int_equal(gid, 27);
    assert_true(session_account_group(span_z("sudo:x:27:pi,admin"), span_z("pi"), &gid));
    static const char *const not_in[] = {
        "sudo:x:27:pi,admins", "sudo:x:27:", "admin:x:27:root", "sudo:x:27", "sudo:x:a:admin", "",
    };
    for (size_t i = 0; i < ARRAY_LEN(not_in); i++)
        assert_false(session_account_group(span_z(not_in[i]), span_z("admin"), &gid));
}

static void lines_end_with_or_without_a_line_feed(void **state)
{
    (void)state;
    struct span text = span_z("a\n\nb"), line;
    assert_true(session_account_line(&text, &line) && span_equal_z(line, "a"));
    assert_true(session_account_line(&text, &line) && line.len == 0);
    assert_true(session_account_line(&text, &line) && span_equal_z(line, "b"));
    assert_false(session_account_line(&text, &line));
}

/* RFC 4648, section 10. */
static void base64_is_that_of_the_rfc(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct buffer out;
        buffer_init(&out, 64);
        assert_int_equal(session_text_base64(span_z(vectors[i][0]), &out), 0);
        assert_true(span_equal_z(buffer_span(&out), vectors[i][1]));
        buffer_fini(&out);
    }
    struct buffer small;
    buffer_init(&small, 3);
    assert_int_equal(session_text_base64(span_z("f"), &small), ERR_FULL);
    buffer_fini(&small);
}

static void hex_is_lower_case(void **state)
{
    (void)state;
    char out_z[9];
    session_text_hex(span_of("\x00\x7f\xab\xff", 4), out_z);
    assert_string_equal(out_z, "007fabff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_passwd_is_understood),
        cmocka_unit_test(what_is_no_line_of_passwd_is_refused),
        cmocka_unit_test(members_of_a_group_are_found),
        cmocka_unit_test(lines_end_with_or_without_a_line_feed),
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(hex_is_lower_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
