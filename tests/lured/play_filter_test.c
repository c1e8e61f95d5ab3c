/* Nothing of an attacker's recording makes the owner's terminal do more than draw. */
#include "lured/play_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void assert_passes_in_pieces(struct span in, size_t piece, struct span expected)
{
    struct play_filter f = {0};
    struct buffer out;
    buffer_init(&out, 4096);
    for (size_t at = 0; at < in.len; at += piece)
        assert_int_equal(
            play_filter(&f, (struct span){in.data + at, in.len - at < piece ? in.len - at : piece},
                        &out),
            0);
    assert_int_equal(buffer_span(&out).len, expected.len);
    if (expected.len > 0)
        assert_memory_equal(buffer_span(&out).data, expected.data, expected.len);
    buffer_fini(&out);
}

static void assert_becomes(const char *in_z, const char *expected_z)
{
    for (size_t piece = 1; piece <= strlen(in_z); piece++)
        assert_passes_in_pieces(span_z(in_z), piece, span_z(expected_z));
}

static void assert_same(const char *in_z)
{
    assert_becomes(in_z, in_z);
}

static void what_programs_draw_passes(void **state)
{
    (void)state;
    assert_same("root@web07:~# ls\r\n\a\b\t");
    assert_same("\x1b[01;34mdir\x1b[0m \x1b[38:5:208mx\x1b[m");
    assert_same("\x1b[?1049h\x1b[22;1H\x1b[K\x1b[2J\x1b[1;24r\x1b[?25l\x1b[4h\x1b[4l\x1b[?7;25h");
    assert_same("\x1b(B\x1b)0\x0eqqq\x0f\x1b"
                "7\x1b"
                "8\x1b=\x1b>\x1bM\x1b#8");
    assert_same("na\xc3\xafve \xe2\x80\x99 \xf0\x9f\x90\x9f \xc2\xa0");
}

static void what_makes_a_terminal_answer_or_act_is_left_out(void **state)
{
    (void)state;
    static const char *const acts[] = {
        "\x05", /* the answerback */
        "\x1b[c",
        "\x1b[>c",
        "\x1b[6n",
        "\x1b[?6n",
        "\x1b[5n",
        "\x1bZ", /* who and where are you */
        "\x1b[21t",
        "\x1b[3;0;0t", /* windows: report the title, move */
        "\x1b]0;title\a",
        "\x1b]2;t\x1b\\",       /* titles */
        "\x1b]52;c;cm0gLXJm\a", /* the clipboard */
        "\x1bP$qm\x1b\\",
        "\x1bP+q544e\x1b\\",
        "\x1b_Gi=1\x1b\\",
        "\x1b^x\x1b\\",
        "\x1bXx\x1b\\",
        "\x1b[?1000h",
        "\x1b[?1006;25h",
        "\x1b[?2004h",
        "\x1b[?9999999999h", /* mouse, paste */
        "\x1b[>4;2m",
        "\x1b[?u",
        "\x1b[2 q",
        "\x1b[!p",
        "\x1b[4i",
        "\x1b[h",
        "\x1b[?h",
        "\x1b%@",
        "\x1b F",
        "\x1b\x01", /* another way to write */
        "\xc2\x9b",
        "\xc2\x90",
        "\x9b",
        "\xff",
        "\xc0",
        "\x7f",
    };
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        char in_z[64];
        (void)snprintf(in_z, sizeof(in_z), "a%sb", acts[i]);
        assert_becomes(in_z, "ab");
    }
}

static void what_is_cut_short_or_too_long_passes_nothing(void **state)
{
    (void)state;
    char long_z[256] = "\x1b[";
    memset(long_z + 2, '1', 200);
    long_z[202] = 'm';
    assert_becomes(long_z, "");
    assert_becomes("a\x1b", "a");
    assert_becomes("a\x1b[31", "a");
    assert_becomes("a\x1b]0;", "a");
    assert_becomes("\x1b[3\x18"
                   "1m",
                   "1m");
    assert_becomes("\x1b]0;x\x1b[31mred", "\x1b[31mred");
    assert_becomes("\x1b\x1b[31m", "\x1b[31m");
    assert_becomes("\xc2"
                   "a",
                   "a");
    assert_becomes("\xe2\x80"
                   "a",
                   "\xe2\x80"
                   "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_programs_draw_passes),
        cmocka_unit_test(what_makes_a_terminal_answer_or_act_is_left_out),
        cmocka_unit_test(what_is_cut_short_or_too_long_passes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
