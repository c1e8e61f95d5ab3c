/* The words that everything else is written in: spans, buffers, arenas, cursors. */
#include "base/arena.h"
#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void span_slices_stay_inside(void **state)
{
    (void)state;
    struct span s = span_z("hello");
    assert_true(span_equal_z(span_slice(s, 1, 3), "el"));
    assert_true(span_equal_z(span_slice(s, 3, 99), "lo"));
    assert_int_equal(span_slice(s, 9, 2).len, 0);
    assert_int_equal(span_slice(span_z(NULL), 0, 4).len, 0);
    assert_int_equal(span_find(s, 'l', 0), 2);
    assert_int_equal(span_find(s, 'l', 3), 3);
    assert_int_equal(span_find(s, 'h', 1), -1);
    assert_int_equal(span_find(s, 'h', 77), -1);
    assert_true(span_compare(span_z("ab"), span_z("abc")) < 0);
    assert_true(span_compare(span_z("b"), span_z("abc")) > 0);
    assert_true(span_starts_with(s, span_z("he")) && !span_starts_with(s, span_z("hello!")));
}

static void span_copy_is_cut_and_terminated(void **state)
{
    (void)state;
    char out[4];
    assert_int_equal(span_copy_z(span_z("hello"), out, sizeof(out)), 5);
    assert_string_equal(out, "hel");
    assert_int_equal(span_copy_z(span_z(""), out, sizeof(out)), 0);
    assert_string_equal(out, "");
}

static void buffer_holds_its_maximum(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 10);
    assert_int_equal(buffer_put_z(&b, "12345678"), 0);
    assert_int_equal(buffer_put_z(&b, "abc"), ERR_FULL);
    assert_int_equal(buffer_put_u32(&b, 1), ERR_FULL);
    assert_int_equal(buffer_put_string(&b, span_z("")), ERR_FULL);
    assert_true(span_equal_z(buffer_span(&b), "12345678"));
    buffer_take(&b, 6);
    assert_int_equal(buffer_put_z(&b, "abcdefgh"), 0);
    assert_true(span_equal_z(buffer_span(&b), "78abcdefgh"));
    assert_null(buffer_reserve(&b, 1));
    buffer_take(&b, 99);
    assert_int_equal(buffer_len(&b), 0);
    buffer_fini(&b);
}

static void buffer_keeps_order_over_many_puts_and_takes(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 300);
    uint8_t next_in = 0, next_out = 0;
    for (int turn = 0; turn < 2000; turn++) {
        for (int i = 0; i < turn % 37; i++)
            if (buffer_put_u8(&b, next_in) == 0)
                next_in++;
        size_t n = (size_t)(turn % 31);
        struct span live = buffer_span(&b);
        n = n < live.len ? n : live.len;
        for (size_t i = 0; i < n; i++)
            assert_int_equal(live.data[i], next_out++);
        buffer_take(&b, n);
    }
    buffer_fini(&b);
}

static void buffer_formats_short_and_long(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 1000);
    assert_int_equal(buffer_printf(&b, "%d-%s", 42, "x"), 0);
    assert_true(span_equal_z(buffer_span(&b), "42-x"));
    assert_int_equal(buffer_printf(&b, "%0500d", 7), 0);
    assert_int_equal(buffer_len(&b), 504);
    assert_int_equal(buffer_printf(&b, "%0500d", 7), ERR_FULL);
    assert_int_equal(buffer_len(&b), 504);
    buffer_truncate(&b, 2);
    assert_true(span_equal_z(buffer_span(&b), "42"));
    buffer_wipe(&b);
}

static void cursor_reads_in_order_and_demands_the_end(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 100);
    buffer_put_u8(&b, 7);
    buffer_put_u16(&b, 0x1234);
    buffer_put_u64(&b, 0x1122334455667788);
    buffer_put_string(&b, span_z("name"));
    struct cursor c = cursor_of(buffer_span(&b));
    assert_int_equal(cursor_u8(&c), 7);
    assert_int_equal(cursor_u16(&c), 0x1234);
    assert_int_equal(cursor_end(&c), ERR_TRAILING);
    assert_int_equal(cursor_u64(&c), 0x1122334455667788);
    assert_true(span_equal_z(cursor_string(&c), "name"));
    assert_int_equal(cursor_end(&c), 0);
    assert_int_equal(cursor_u32(&c), 0);
    assert_int_equal(cursor_end(&c), ERR_TRUNCATED);
    buffer_fini(&b);
}

static void cursor_refuses_lengths_past_the_end(void **state)
{
    (void)state;
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 'x'};
    struct cursor c = cursor_of(span_of(huge, sizeof(huge)));
    assert_int_equal(cursor_string(&c).len, 0);
    assert_int_equal(cursor_end(&c), ERR_TRUNCATED);
    assert_int_equal(cursor_u8(&c), 0); /* once failed, always failed */
}

static void arena_gives_zeroed_memory_up_to_its_cap(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 10000);
    uint8_t *first = arena_alloc(&a, 100);
    assert_non_null(first);
    for (int i = 0; i < 100; i++)
        assert_int_equal(first[i], 0);
    assert_non_null(arena_alloc(&a, 5000));
    assert_null(arena_alloc(&a, 5000));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_true(span_equal_z(arena_copy(&a, span_z("kept")), "kept"));
    arena_fini(&a);
    assert_non_null(arena_alloc(&a, 9000));
    arena_fini(&a);
}

static void every_error_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(error_text(ERR_FULL), "a named maximum is reached");
    assert_string_equal(error_text(-1), "unknown error");
}

static void an_empty_buffer_gives_back_what_is_more_than_wanted(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 4096);
    buffer_shrink(&b, 0);
    assert_non_null(buffer_reserve(&b, 1000));
    buffer_shrink(&b, b.cap);
    assert_non_null(b.data);
    assert_int_equal(buffer_put_z(&b, "x"), 0);
    buffer_shrink(&b, 0);
    assert_int_equal(buffer_len(&b), 1);
    buffer_take(&b, 1);
    buffer_shrink(&b, 0);
    assert_null(b.data);
    assert_int_equal(buffer_put_z(&b, "again"), 0);
    buffer_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_gives_back_what_is_more_than_wanted),
        cmocka_unit_test(span_slices_stay_inside),
        cmocka_unit_test(span_copy_is_cut_and_terminated),
        cmocka_unit_test(buffer_holds_its_maximum),
        cmocka_unit_test(buffer_keeps_order_over_many_puts_and_takes),
        cmocka_unit_test(buffer_formats_short_and_long),
        cmocka_unit_test(cursor_reads_in_order_and_demands_the_end),
        cmocka_unit_test(cursor_refuses_lengths_past_the_end),
        cmocka_unit_test(arena_gives_zeroed_memory_up_to_its_cap),
        cmocka_unit_test(every_error_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
