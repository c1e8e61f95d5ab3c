/* Lists of bait: what is read, what is refused with its line, what is found. */
#include "base/error.h"
#include "session/bait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct session_bait *list(const char *text_z)
{
    int error = 0;
    uint32_t line = 0;
    struct session_bait *bait = session_bait_new(span_z(text_z), &error, &line);
    if (bait == NULL)
        fail_msg("line %u: %s", line, error_text(error));
    return bait;
}

static void every_kind_is_read(void **state)
{
    struct session_bait *bait = list("# mine\n"
                                     "\n"
                                     "file /root/.aws/credentials 0600 root aws.txt # theirs\n"
                                     "put /etc/motd 0644 root motd\n"
                                     "  watch\t/etc/shadow\r\n"
                                     "login backup hunter2\n"
                                     "host db01 10.0.3.17");
    const struct session_bait_item *item = session_bait_item(bait, 0);
    (void)state;
    assert_int_equal(item->kind, SESSION_BAIT_FILE);
    assert_int_equal(item->mode, 0600);
    assert_true(span_equal_z(item->owner, "root") && span_equal_z(item->second, "aws.txt"));
    assert_true(span_equal_z(session_bait_item(bait, 2)->name, "/etc/shadow"));
    assert_true(session_bait_is_login(bait, span_z("backup"), span_z("hunter2")));
    assert_false(session_bait_is_login(bait, span_z("backup"), span_z("hunter")));
    assert_false(session_bait_is_login(bait, span_z("db01"), span_z("10.0.3.17")));
    assert_ptr_equal(session_bait_host(bait, span_z("db01")), session_bait_item(bait, 4));
    assert_ptr_equal(session_bait_host(bait, span_z("10.0.3.17")), session_bait_item(bait, 4));
    assert_null(session_bait_host(bait, span_z("10.0.3.1")));
    assert_null(session_bait_item(bait, 5));
    session_bait_free(bait);
}

static void without_a_list_there_is_nothing(void **state)
{
    (void)state;
    assert_null(session_bait_item(NULL, 0));
    assert_false(session_bait_is_login(NULL, span_z("a"), span_z("b")));
    assert_null(session_bait_host(NULL, span_z("a")));
    session_bait_free(NULL);
    session_bait_free(list(""));
}

static void what_cannot_be_right_is_refused_with_its_line(void **state)
{
    static const char *const lines_z[] = {
        "file /a 0600 root",
        "file a 0600 root x",
        "file /a 0999 root x",
        "file /a 10000 root x",
        "file /a 0600 root x y",
        "file /a/ 0600 root x",
        "watch",
        "watch /",
        "watch a",
        "login a",
        "login a b c",
        "host a",
        "host a b",
        "host a 1.2.3",
        "host a 1.2.3.4.5",
        "host a 1.2.3.256",
        "host a 1..2.3",
        "nonsense a b",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines_z); i++) {
        char text_z[128];
        int error = 0;
        uint32_t line = 0;
        (void)snprintf(text_z, sizeof(text_z), "watch /etc/shadow\n%s\n", lines_z[i]);
        if (session_bait_new(span_z(text_z), &error, &line) != NULL)
            fail_msg("taken: %s", lines_z[i]);
        assert_int_equal(error, ERR_MALFORMED);
        assert_int_equal(line, 2);
    }
}

static void a_list_has_an_end(void **state)
{
    static const size_t LINE = 9;
    char *text_z = calloc(1, SESSION_BAIT_TEXT_MAX + 2);
    int error = 0;
    uint32_t line = 0;
    (void)state;
    for (size_t i = 0; i <= SESSION_BAIT_MAX; i++)
        memcpy(text_z + LINE * i, "watch /a\n", LINE);
    assert_null(session_bait_new(span_z(text_z), &error, &line));
    assert_true(error == ERR_FULL && line == SESSION_BAIT_MAX + 1);
    text_z[LINE * SESSION_BAIT_MAX] = '\0';
    session_bait_free(list(text_z));
    memset(text_z, '\n', SESSION_BAIT_TEXT_MAX + 1);
    assert_null(session_bait_new(span_z(text_z), &error, &line));
    assert_true(error == ERR_FULL && line == 0);
    free(text_z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read),
        cmocka_unit_test(without_a_list_there_is_nothing),
        cmocka_unit_test(what_cannot_be_right_is_refused_with_its_line),
        cmocka_unit_test(a_list_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
