#include "kernel/events.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

static void an_event_is_copied_whole(void **state)
{
    (void)state;
    char text[] = "/bin/ls", data[] = "bytes";
    struct span args[] = {SPAN_LIT("ls"), SPAN_LIT(""), SPAN_LIT("-l")};
    struct events *events = events_new();
    struct kernel_event e = {.type = KERNEL_EXEC,
                             .pid = 7,
                             .text = span_z(text),
                             .data = span_z(data),
                             .exe = SPAN_LIT("/usr/bin/ls"),
                             .args = args,
                             .argc = 3,
                             .env = &args[2],
                             .envc = 1};
    assert_non_null(events);
    events_put(events, &e);
    memset(text, 'x', sizeof(text));
    memset(data, 'x', sizeof(data));
    args[0] = args[2] = span_z("changed");
    assert_int_equal(events_count(events), 1);
    memset(&e, 0, sizeof(e));
    assert_int_equal(events_next(events, &e), 1);
    assert_int_equal(e.pid, 7);
    assert_true(span_equal_z(e.text, "/bin/ls"));
    assert_true(span_equal_z(e.data, "bytes"));
    assert_int_equal(e.argc, 3);
    assert_true(span_equal_z(e.args[0], "ls"));
    assert_int_equal(e.args[1].len, 0);
    assert_true(span_equal_z(e.args[2], "-l"));
    assert_true(span_equal_z(e.exe, "/usr/bin/ls"));
    assert_int_equal(e.envc, 1);
    assert_true(span_equal_z(e.env[0], "-l"));
    assert_int_equal(events_next(events, &e), 0);
    events_free(events);
}

static void events_come_in_order(void **state)
{
    (void)state;
    struct events *events = events_new();
    struct kernel_event e = {.type = KERNEL_EXIT};
    for (int i = 1; i <= 5; i++) {
        e.pid = i;
        events_put(events, &e);
    }
    assert_int_equal(events_next(events, &e), 1);
    assert_int_equal(e.pid, 1);
    e.pid = 6;
    events_put(events, &e);
    for (int i = 2; i <= 6; i++) {
        assert_int_equal(events_next(events, &e), 1);
        assert_int_equal(e.pid, i);
    }
    assert_int_equal(events_next(events, &e), 0);
    assert_int_equal(events_count(events), 0);
    events_put(events, &e);
    events_free(events); /* with one inside, and one given out */
    events_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_copied_whole),
        cmocka_unit_test(events_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
