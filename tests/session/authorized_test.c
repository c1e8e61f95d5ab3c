/* The lines of an authorized_keys file. */
#include "session/authorized.h"

#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAIJ7uYc0jF5nGqOQ0Hk3u2r0mT4o0mJm1u4dQ3p8o6k1X"

static int count(const char *text_z)
{
    struct span text = span_z(text_z), type;
    struct buffer blob;
    int keys = 0;
    buffer_init(&blob, SESSION_AUTHORIZED_KEY_MAX);
    for (; session_authorized_next(&text, &type, &blob); keys++) {
        struct cursor c = cursor_of(buffer_span(&blob));
        assert_true(span_equal_z(type, "ssh-ed25519") && span_equal(cursor_string(&c), type));
        assert_int_equal(cursor_string(&c).len, 32);
        assert_int_equal(cursor_end(&c), 0);
    }
    buffer_fini(&blob);
    return keys;
}

static void a_key_stands_on_a_line(void **state)
{
    (void)state;
    assert_int_equal(count("ssh-ed25519 " KEY), 1);
    assert_int_equal(count("ssh-ed25519 " KEY " me\nssh-ed25519\t" KEY "\r\n"), 2);
    assert_int_equal(count("  ssh-ed25519 " KEY), 1);
}

static void options_may_stand_before_it(void **state)
{
    (void)state;
    assert_int_equal(count("no-pty ssh-ed25519 " KEY), 1);
    assert_int_equal(count("command=\"a b \\\" c\",no-pty ssh-ed25519 " KEY), 1);
    assert_int_equal(count("one two ssh-ed25519 " KEY), 0);
    assert_int_equal(count("\"open ssh-ed25519 " KEY), 0);
}

static void what_is_no_key_is_skipped(void **state)
{
    (void)state;
    assert_int_equal(count(""), 0);
    assert_int_equal(count("# ssh-ed25519 " KEY "\n\n \nssh-rsa " KEY "\nssh-ed25519\n"), 0);
    assert_int_equal(count("ssh-ed25519 ====\nssh-ed25519 A!\nssh-ed25519 " KEY), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_stands_on_a_line),
        cmocka_unit_test(options_may_stand_before_it),
        cmocka_unit_test(what_is_no_key_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
