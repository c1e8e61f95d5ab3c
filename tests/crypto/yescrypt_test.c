/* Hashes of passwords: the C library's crypt(3) is the oracle. */
#include "crypto/yescrypt.h"

#include <crypt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SETTING = 64, HASH = 128 };

static const char *const salts[] = {"xdUIGn2lmRAt2D0e/DnTu0", "......................",
                                    "zzzzzzzzzzzzzzzzzzzzz1"};
static const char *const passwords[] = {
    "123456", "", "a password that is longer than a block of SHA-256, which has 64 bytes"};

static void our_hash(const char *password_z, const char *salt_z, uint32_t piece, char out_z[HASH])
{
    char letters[CRYPTO_YESCRYPT_HASH];
    uint32_t steps = 0;
    struct crypto_yescrypt *y = crypto_yescrypt_new(span_z(password_z), span_z(salt_z));
    assert_non_null(y);
    while (!crypto_yescrypt_run(y, piece, letters))
        steps += piece;
    assert_true(steps < CRYPTO_YESCRYPT_STEPS && steps + piece >= CRYPTO_YESCRYPT_STEPS);
    (void)snprintf(out_z, HASH, "%s%s$%.*s", CRYPTO_YESCRYPT_PREFIX, salt_z, (int)sizeof(letters),
                   letters);
    crypto_yescrypt_free(y);
}

static void hashes_are_those_of_the_c_library(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(salts); i++) {
        char setting_z[SETTING], own_z[HASH];
        static struct crypt_data data;
        (void)snprintf(setting_z, sizeof(setting_z), "%s%s", CRYPTO_YESCRYPT_PREFIX, salts[i]);
        our_hash(passwords[i], salts[i], 1000, own_z);
        assert_string_equal(own_z, crypt_rn(passwords[i], setting_z, &data, sizeof(data)));
    }
}

static void it_does_not_matter_how_many_steps_are_done_at_a_time(void **state)
{
    char one_z[HASH], other_z[HASH];
    (void)state;
    our_hash("x", salts[0], 1, one_z);
    our_hash("x", salts[0], CRYPTO_YESCRYPT_STEPS, other_z);
    assert_string_equal(one_z, other_z);
}

static void what_is_no_salt_is_refused(void **state)
{
    (void)state;
    assert_null(crypto_yescrypt_new(span_z("x"), span_z("short")));
    assert_null(crypto_yescrypt_new(span_z("x"), span_z("xdUIGn2lmRAt2D0e/DnTu2")));
    assert_null(crypto_yescrypt_new(span_z("x"), span_z("xdUIGn2lmRAt2D0e/Dn:u0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_the_c_library),
        cmocka_unit_test(it_does_not_matter_how_many_steps_are_done_at_a_time),
        cmocka_unit_test(what_is_no_salt_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
