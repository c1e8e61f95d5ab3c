/* The small grammars of HTTP: dates, ranges, entity tags, weights, lists, targets. */
#include "http/date.h"
#include "http/select.h"
#include "http/target.h"
#include "http/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct span text(const char *text_z)
{
    return (struct span){(const uint8_t *)text_z, strlen(text_z)};
}

static void a_date_is_read_in_its_three_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text_z;
        int64_t seconds; /* -1: none */
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Tue, 29 Feb 2000 23:59:60 GMT", 951868800},
        {"Sunday, 06-Nov-30 08:49:37 GMT", 1920185377},
        {"Sun, 06 Nov 1994 08:49:37", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
        {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Foo 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 24:00:00 GMT", -1},
        {"Sun, 00 Nov 1994 08:00:00 GMT", -1},
        {"784111777", -1},
        {"Sun,", -1},
        {"", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t seconds = -1;
        bool good = http_date_parse(text(cases[i].text_z), 1700000000, &seconds);
        assert_int_equal(good, cases[i].seconds >= 0);
        if (good)
            assert_int_equal(seconds, cases[i].seconds);
    }
    char date_z[HTTP_DATE_LEN + 1];
    http_date_format(784111777, date_z);
    assert_string_equal(date_z, "Sun, 06 Nov 1994 08:49:37 GMT");
    http_date_format(INT64_MAX, date_z);
    assert_string_equal(date_z, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void weights_are_compared(void **state)
{
    (void)state;
    static const struct {
        const char *accept_z, *coding_z;
        int weight;
    } cases[] = {
        {"gzip", "gzip", 1000},
        {"GZip ; Q=0.5", "gzip", 500},
        {"br, gzip;q=0", "gzip", 0},
        {"*;q=0.25", "gzip", 250},
        {"*, gzip;q=0.001", "gzip", 1},
        {"br", "gzip", -1},
        {"", "gzip", -1},
        {"xgzip", "gzip", -1},
        {"gzip;q=1.5", "gzip", 1000},
        {"identity;q=0.3, *;q=0", "identity", 300},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(http_coding_weight(text(cases[i].accept_z), cases[i].coding_z),
                         cases[i].weight);
}

static void a_list_has_its_elements(void **state)
{
    (void)state;
    struct span rest = text(" a ,, \"b,c\\\"\" ,d"), element;
    assert_true(http_list_next(&rest, &element) && http_is(element, "a"));
    assert_true(http_list_next(&rest, &element) && http_is(element, "\"b,c\\\"\""));
    assert_true(http_list_next(&rest, &element) && http_is(element, "d"));
    assert_false(http_list_next(&rest, &element));
    assert_true(http_list_has(text("x, Upgrade"), "upgrade"));
    assert_false(http_list_has(text("xupgrade"), "upgrade"));
}

static void a_form_gives_its_values(void **state)
{
    (void)state;
    char out_z[8];
    struct span form = text("a=1&b=%41+b&c&%64=x&e=%00&f=%4&g=12345678");
    assert_int_equal(http_form_get(form, text("b"), out_z, sizeof(out_z)), 3);
    assert_string_equal(out_z, "A b");
    assert_int_equal(http_form_get(form, text("c"), out_z, sizeof(out_z)), 0);
    assert_int_equal(http_form_get(form, text("d"), out_z, sizeof(out_z)), 1);
    assert_int_equal(http_form_get(form, text("x"), out_z, sizeof(out_z)), -1);
    assert_int_equal(http_form_get(form, text("g"), out_z, sizeof(out_z)), -2);
    assert_int_equal(http_form_get(form, text("e"), out_z, sizeof(out_z)), -3);
    assert_int_equal(http_form_get(form, text("f"), out_z, sizeof(out_z)), -3);
    assert_int_equal(http_form_get((struct span){0}, text("a"), out_z, sizeof(out_z)), -1);
}

static void a_pattern_is_looked_at_beforehand(void **state)
{
    (void)state;
    assert_true(http_pattern_is_good("/a/:b/*"));
    assert_false(http_pattern_is_good("a"));
    assert_false(http_pattern_is_good("/*/a"));
    assert_true(http_pattern_is_good("/:1/:2/:3/:4/:5/:6/:7/:8"));
    assert_false(http_pattern_is_good("/:1/:2/:3/:4/:5/:6/:7/:8/:9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_date_is_read_in_its_three_forms),
        cmocka_unit_test(weights_are_compared),
        cmocka_unit_test(a_list_has_its_elements),
        cmocka_unit_test(a_form_gives_its_values),
        cmocka_unit_test(a_pattern_is_looked_at_beforehand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
