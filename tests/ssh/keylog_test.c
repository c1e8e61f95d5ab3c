/* The lines of a key log. */
#include "ssh/keylog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void an_exchange_is_a_line_and_x25519_one_more(void **state)
{
    (void)state;
    const uint8_t cookie[] = {0x00, 0x1f}, secret[] = {0xab, 0xcd, 0xef}, own[] = {0x42};
    struct buffer b;
    buffer_init(&b, SSH_KEYLOG_MAX_BYTES);
    assert_int_equal(ssh_keylog_put(&b, span_of(cookie, 2), span_of(secret, 3), span_of(NULL, 0)),
                     0);
    assert_true(span_equal_z(buffer_span(&b), "001f SHARED_SECRET abcdef\n"));
    assert_int_equal(ssh_keylog_put(&b, span_of(cookie, 2), span_of(secret, 3), span_of(own, 1)),
                     0);
    assert_true(span_equal_z(buffer_span(&b), "001f SHARED_SECRET abcdef\n001f 42\n"));
    buffer_wipe(&b);
}

static void the_largest_secret_fits(void **state)
{
    (void)state;
    uint8_t cookie[SSH_COOKIE_BYTES] = {0}, secret[1025] = {0}, own[32] = {0};
    struct buffer b;
    buffer_init(&b, SSH_KEYLOG_MAX_BYTES);
    assert_int_equal(ssh_keylog_put(&b, span_of(cookie, sizeof(cookie)),
                                    span_of(secret, sizeof(secret)), span_of(own, sizeof(own))),
                     0);
    buffer_wipe(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exchange_is_a_line_and_x25519_one_more),
        cmocka_unit_test(the_largest_secret_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
