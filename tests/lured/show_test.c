/* What people see of the log and of recordings: the events' words, and nothing of an attacker's that
 * a terminal would obey; the exact bytes of a recording. */
#include "base/error.h"
#include "lured/cast_read.h"
#include "lured/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void assert_shown(const char *json_z, bool colours, const char *expected_z)
{
    struct buffer out;
    json_t *event = json_loads(json_z, JSON_ALLOW_NUL, NULL);
    assert_non_null(event);
    buffer_init(&out, 65536);
    assert_int_equal(show_event(event, colours, &out), 0);
    assert_int_equal(buffer_put_u8(&out, 0), 0);
    assert_string_equal((const char *)buffer_span(&out).data, expected_z);
    buffer_fini(&out);
    json_decref(event);
}

static void an_event_is_one_line(void **state)
{
    (void)state;
    assert_shown(
        "{\"eventid\":\"cowrie.command.input\",\"timestamp\":\"2026-11-21T23:59:58.123456Z\","
        "\"session\":\"0123456789ab\",\"src_ip\":\"192.0.2.7\",\"message\":\"CMD: ls\"}",
        false, "2026-11-21 23:59:58  0123456789ab  192.0.2.7        CMD: ls\n");
    assert_shown("{\"eventid\":\"cowrie.session.params\",\"message\":\"\"}", false,
                 "   -             -                cowrie.session.params\n");
    assert_shown("{}", false, "   -             -                \n");
}

static void colours_surround_the_message_only_when_asked_for(void **state)
{
    (void)state;
    assert_shown(
        "{\"eventid\":\"cowrie.login.failed\",\"timestamp\":\"2026-11-21T23:59:58.123456Z\","
        "\"session\":\"s\",\"src_ip\":\"i\",\"message\":\"m\"}",
        true, "2026-11-21 23:59:58  s             i                \x1b[31mm\x1b[0m\n");
}

static void nothing_of_the_attackers_reaches_the_terminal(void **state)
{
    (void)state;
    assert_shown("{\"message\":\"\\u001b]0;x\\u0007\\r\\n\\u0000\\u007f\\u009b31m\"}", false,
                 "   -             -                "
                 "\\x1b]0;x\\x07\\x0d\\x0a\\x00\\x7f\\x9b31m\n");
    /* Marks that turn the direction of writing, hide, or break the line. */
    assert_shown("{\"message\":\"\\u202eabc\\u200b\\u2028\\ufeff\\udb40\\udc41\"}", false,
                 "   -             -                "
                 "\\u{202e}abc\\u{200b}\\u{2028}\\u{feff}\\u{e0041}\n");
    assert_shown("{\"message\":\"caf\\u00e9 \\u20ac \\ud83d\\ude00\",\"src_ip\":\"\\u001b[2J\"}",
                 false,
                 "   -             \\x1b[2J          caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\n");
}

/* ---- Recordings ---- */

struct reading {
    struct buffer bytes, exact;
    struct cast_line line;
};

static int read_one(struct reading *r, const char *line_z)
{
    return cast_read_line(span_z(line_z), &r->line, &r->bytes, &r->exact);
}

static struct reading reading(void)
{
    struct reading r = {0};
    buffer_init(&r.bytes, 4096);
    buffer_init(&r.exact, 4096);
    return r;
}

static void drop(struct reading *r)
{
    buffer_fini(&r->bytes);
    buffer_fini(&r->exact);
}

static void lines_give_their_bytes(void **state)
{
    (void)state;
    struct reading r = reading();
    assert_int_equal(read_one(&r, "[1.5, \"o\", \"h\\u00e9\\u0000\\r\\n\"]"), 0);
    assert_true(r.line.seconds == 1.5 && r.line.code == 'o');
    assert_true(span_equal(buffer_span(&r.bytes), span_of("h\xc3\xa9\0\r\n", 6)));
    assert_int_equal(read_one(&r, "[2, \"r\", \"80x24\"]"), 0);
    assert_int_equal(r.line.code, 'r');
    drop(&r);
}

static void exact_bytes_stand_for_the_next_line(void **state)
{
    (void)state;
    struct reading r = reading();
    assert_int_equal(read_one(&r, "[0.1, \"b\", \"Yf/+\"]"), 0);
    assert_int_equal(r.line.code, 0);
    assert_int_equal(read_one(&r, "[0.1, \"o\", \"a\\ufffd\\ufffd\"]"), 0);
    assert_true(span_equal_z(buffer_span(&r.bytes), "a\xff\xfe"));
    assert_int_equal(read_one(&r, "[0.1, \"o\", \"plain\"]"), 0);
    assert_true(span_equal_z(buffer_span(&r.bytes), "plain"));
    assert_int_equal(read_one(&r, "[0.1, \"b\", \"gA==\"]"), 0);
    assert_int_equal(read_one(&r, "[0.1, \"i\", \"\\ufffd\"]"), 0);
    assert_true(span_equal_z(buffer_span(&r.bytes), "\x80"));
    drop(&r);
}

static void lines_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",
                                      "x",
                                      "{}",
                                      "[]",
                                      "[1]",
                                      "[1, \"o\"]",
                                      "[\"1\", \"o\", \"x\"]",
                                      "[1, \"out\", \"x\"]",
                                      "[1, \"o\", 5]",
                                      "[1, \"b\", \"Yf/\"]",
                                      "[1, \"b\", \"Y===\"]",
                                      "[1, \"b\", \"Yf=+\"]",
                                      "[1, \"b\", \"Yf?+\"]",
                                      "[1, \"o\", \"x\""};
    struct reading r = reading();
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        if (read_one(&r, BAD[i]) != ERR_MALFORMED)
            fail_msg("taken: %s", BAD[i]);
    drop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_one_line),
        cmocka_unit_test(colours_surround_the_message_only_when_asked_for),
        cmocka_unit_test(nothing_of_the_attackers_reaches_the_terminal),
        cmocka_unit_test(lines_give_their_bytes),
        cmocka_unit_test(exact_bytes_stand_for_the_next_line),
        cmocka_unit_test(lines_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
