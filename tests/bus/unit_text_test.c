/* Unit files: values, times, command lines (systemd.syntax(7), systemd.service(5), systemd.time(7)). */
#include "base/error.h"
#include "bus/unit_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct span file =
    SPAN_LIT("# a note\n[Unit]\nDescription = A  helper \nExecStart=/not/here\n\n[Service]\n"
             "ExecStart=/bin/one\nExecStart=\n ExecStart = /bin/two a \\\n; between\n   b\n"
             "ExecStart=/bin/three\nType=forking\nType=simple\nLast=end");

static void values_are_found_by_section_and_key(void **state)
{
    char value_z[UNIT_VALUE_MAX];
    (void)state;
    assert_true(unit_text_value(file, "Unit", "Description", 0, value_z));
    assert_string_equal(value_z, "A  helper");
    assert_false(unit_text_value(file, "Unit", "Type", 0, value_z));
    assert_false(unit_text_value(file, "Service", "Description", 0, value_z));
    assert_true(unit_text_last(file, "Service", "Type", value_z));
    assert_string_equal(value_z, "simple");
    assert_true(unit_text_last(file, "Service", "Last", value_z));
    assert_string_equal(value_z, "end");
}

static void an_empty_value_takes_back_and_lines_go_on(void **state)
{
    char value_z[UNIT_VALUE_MAX];
    (void)state;
    assert_true(unit_text_value(file, "Service", "ExecStart", 0, value_z));
    assert_string_equal(value_z, "/bin/two a b");
    assert_true(unit_text_value(file, "Service", "ExecStart", 1, value_z));
    assert_string_equal(value_z, "/bin/three");
    assert_false(unit_text_value(file, "Service", "ExecStart", 2, value_z));
}

static void times_are_read_as_systemd_reads_them(void **state)
{
    (void)state;
    assert_int_equal(unit_text_us("5"), 5000000);
    assert_int_equal(unit_text_us("100ms"), 100000);
    assert_int_equal(unit_text_us("1min 30s"), 90000000);
    assert_int_equal(unit_text_us("2 h"), INT64_C(7200000000));
    assert_true(unit_text_us("infinity") == INT64_MAX);
    assert_int_equal(unit_text_us("soon"), -1);
    assert_int_equal(unit_text_us(""), -1);
    assert_true(unit_text_us("99999999999999999999d") > 0);
}

static void check_words(const char *line_z, const char *expected_z)
{
    const struct unit_names names = {
        .name_z = "x@y.service", .hostname_z = "web07", .env = SPAN_LIT("A=b c\0D=e\0")};
    struct unit_words words;
    char all_z[512] = "";
    assert_int_equal(unit_text_words(line_z, &names, &words), 0);
    for (size_t i = 0; i < words.count; i++) {
        size_t at = strlen(all_z);
        (void)span_copy_z(words.word[i], all_z + at, sizeof(all_z) - at - 1);
        strncat(all_z, "|", 2);
    }
    assert_string_equal(all_z, expected_z);
    unit_words_fini(&words);
}

static void a_command_line_is_split_into_words(void **state)
{
    (void)state;
    check_words("/bin/sh -c 'a  b' \"c\\td\" e\"f g\"h", "/bin/sh|-c|a  b|c\td|ef gh|");
    check_words("/x $A ${A} $D$ $$A '${A}' \"${A}\" $NONE end", "/x|b|c|b c|$D$|$A|${A}|b c|end|");
    check_words("/x %n %N %p %i %H %% 100%", "/x|x@y.service|x@y|x|y|web07|%|100%|");
    check_words("  ", "");
    check_words("/x ''", "/x||");
}

static void prefixes_are_told_and_an_open_quote_is_refused(void **state)
{
    const struct unit_names names = {.name_z = "x.service", .hostname_z = "h"};
    struct unit_words words;
    (void)state;
    assert_int_equal(unit_text_words("-@/bin/x name", &names, &words), 0);
    assert_true(words.may_fail && words.names_itself);
    assert_true(span_equal_z(words.word[0], "/bin/x"));
    unit_words_fini(&words);
    assert_int_equal(unit_text_words("/bin/x 'open", &names, &words), ERR_MALFORMED);
    unit_words_fini(&words);
}

static void words_without_end_are_cut(void **state)
{
    const struct unit_names names = {.name_z = "x.service", .hostname_z = "h"};
    struct unit_words words;
    char line_z[UNIT_VALUE_MAX];
    (void)state;
    memset(line_z, ' ', sizeof(line_z));
    for (size_t i = 0; i + 2 < sizeof(line_z); i += 2)
        line_z[i] = 'a';
    line_z[sizeof(line_z) - 1] = '\0';
    assert_int_equal(unit_text_words(line_z, &names, &words), 0);
    assert_int_equal(words.count, UNIT_WORDS_MAX);
    unit_words_fini(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found_by_section_and_key),
        cmocka_unit_test(an_empty_value_takes_back_and_lines_go_on),
        cmocka_unit_test(times_are_read_as_systemd_reads_them),
        cmocka_unit_test(a_command_line_is_split_into_words),
        cmocka_unit_test(prefixes_are_told_and_an_open_quote_is_refused),
        cmocka_unit_test(words_without_end_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
