/* systemd's bus: authentication, calls, answers, at any split. */
#include "bus/bus.h"
#include "bus/wire.h"
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MANAGER      "org.freedesktop.systemd1.Manager"
#define MANAGER_PATH "/org/freedesktop/systemd1"

static const char auth[] = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";

/* A call with texts as arguments; appended. */
static void put_call(struct buffer *out, const char *path_z, const char *interface_z,
                     const char *member_z, const char *const *texts, size_t count)
{
    struct buffer body;
    buffer_init(&body, 4096);
    struct wire w = {.out = &body};
    for (size_t i = 0; i < count; i++)
        wire_text(&w, texts[i]);
    const struct wire_message m = {.type = WIRE_CALL,
                                   .serial = 7,
                                   .path = span_z(path_z),
                                   .interface = span_z(interface_z),
                                   .member = span_z(member_z),
                                   .signature = span_z("ss"),
                                   .body = buffer_span(&body)};
    assert_int_equal(wire_message_write(&m, out), 0);
    buffer_fini(&body);
}

/* What the bus answers to a client of `uid`, the authentication's lines taken off. */
static void talk(struct fake_host *f, uint32_t uid, struct span calls, size_t split,
                 struct buffer *out)
{
    static const char lines[] = "DATA\r\nOK 7d1c4f0b5e2a4c8d9b63f1a07e5c2d94\r\nAGREE_UNIX_FD\r\n";
    const struct bus_host host = fake_host(f);
    struct bus *bus = bus_new(0, uid);
    struct buffer in;
    assert_non_null(bus);
    buffer_init(&in, 1 << 20);
    buffer_init(out, 1 << 20);
    assert_int_equal(buffer_put(&in, span_of(auth, sizeof(auth) - 1)), 0);
    assert_int_equal(buffer_put(&in, calls), 0);
    for (size_t at = 0; at < buffer_len(&in); at += split)
        assert_int_equal(bus_feed(bus, &host, span_slice(buffer_span(&in), at, at + split)), 0);
    assert_int_equal(buffer_put(out, bus_out(bus)), 0);
    assert_true(buffer_len(out) >= sizeof(lines) - 1);
    assert_memory_equal(buffer_span(out).data, lines, sizeof(lines) - 1);
    buffer_take(out, sizeof(lines) - 1);
    buffer_fini(&in);
    bus_free(bus);
}

/* What it answers to one call of the manager's. */
static void ask_manager(struct fake_host *f, uint32_t uid, const char *member_z,
                        const char *const *texts, size_t count, struct buffer *out)
{
    struct buffer call;
    buffer_init(&call, 4096);
    put_call(&call, MANAGER_PATH, MANAGER, member_z, texts, count);
    talk(f, uid, buffer_span(&call), 4096, out);
    buffer_fini(&call);
}

static struct wire_message first(struct buffer *out)
{
    struct wire_message m;
    int64_t len = wire_message_len(buffer_span(out));
    assert_true(len > 0);
    assert_int_equal(wire_message_read(span_slice(buffer_span(out), 0, (size_t)len), &m), 0);
    return m;
}

static bool contains(struct span text, const char *what_z)
{
    struct span what = span_z(what_z);
    for (size_t i = 0; i + what.len <= text.len; i++)
        if (span_starts_with(span_slice(text, i, text.len), what))
            return true;
    return false;
}

static void any_split_gives_the_same_answers(void **state)
{
    (void)state;
    struct fake_host f = {0};
    struct buffer calls, whole, split;
    buffer_init(&calls, 1 << 16);
    const char *none[] = {""};
    put_call(&calls, MANAGER_PATH, MANAGER, "ListUnits", none, 0);
    const char *names[] = {"ssh.service"};
    put_call(&calls, MANAGER_PATH, MANAGER, "GetUnit", names, 1);
    talk(&f, 0, buffer_span(&calls), buffer_len(&calls) + 100, &whole);
    for (size_t n = 1; n < 40; n += 3) {
        talk(&f, 0, buffer_span(&calls), n, &split);
        assert_true(span_equal(buffer_span(&whole), buffer_span(&split)));
        buffer_fini(&split);
    }
    buffer_fini(&whole);
    buffer_fini(&calls);
}

static void a_service_that_is_stopped_is_inactive(void **state)
{
    (void)state;
    struct fake_host f = {0};
    struct buffer calls, out;
    buffer_init(&calls, 1 << 16);
    const char *stop[] = {"cron.service", "replace"};
    ask_manager(&f, 0, "StopUnit", stop, 2, &out);
    assert_true(f.cron_is_gone);
    struct wire_message m = first(&out);
    assert_int_equal(m.type, WIRE_RETURN);
    assert_int_equal(m.reply_serial, 7);
    assert_true(contains(buffer_span(&out), "JobRemoved")); /* the signal behind the answer */
    buffer_fini(&out);
    const char *get[] = {"org.freedesktop.systemd1.Unit", "ActiveState"};
    put_call(&calls, "/org/freedesktop/systemd1/unit/cron_2eservice",
             "org.freedesktop.DBus.Properties", "Get", get, 2);
    talk(&f, 0, buffer_span(&calls), 4096, &out);
    assert_true(contains(first(&out).body, "inactive"));
    buffer_fini(&out);
    buffer_fini(&calls);
}

static void a_unit_without_a_process_is_on_again_after_a_restart(void **state)
{
    (void)state;
    struct fake_host f = {0};
    struct buffer out;
    const char *restart[] = {"networking.service", "replace"};
    ask_manager(&f, 0, "RestartUnit", restart, 2, &out);
    assert_int_equal(f.off[0] | f.off[1] | f.off[2], 0);
    assert_true(contains(buffer_span(&out), "networking.service")); /* the job that is over */
    buffer_fini(&out);
}

static void the_first_process_is_never_stopped(void **state)
{
    (void)state;
    struct fake_host f = {0};
    struct buffer out;
    const char *stop[] = {"init.scope", "replace"};
    ask_manager(&f, 0, "StopUnit", stop, 2, &out);
    assert_true(contains(first(&out).body, "Job type stop is not applicable for unit init.scope."));
    buffer_fini(&out);
}

static void only_root_changes_units(void **state)
{
    (void)state;
    struct fake_host f = {0};
    struct buffer out;
    const char *stop[] = {"cron.service", "replace"};
    ask_manager(&f, 1000, "StopUnit", stop, 2, &out);
    assert_false(f.cron_is_gone);
    assert_int_equal(first(&out).type, WIRE_ERROR);
    buffer_fini(&out);
}

static void what_is_not_there_is_told_as_systemd_tells_it(void **state)
{
    (void)state;
    struct fake_host f = {0};
    struct buffer out;
    const char *stop[] = {"iptables.service", "replace"};
    ask_manager(&f, 0, "StopUnit", stop, 2, &out);
    assert_true(contains(first(&out).body, "Unit iptables.service not loaded."));
    assert_true(span_equal_z(first(&out).error, "org.freedesktop.systemd1.NoSuchUnit"));
    buffer_fini(&out);
    ask_manager(&f, 0, "NoSuchMethod", stop, 0, &out);
    assert_true(span_equal_z(first(&out).error, "org.freedesktop.DBus.Error.UnknownMethod"));
    buffer_fini(&out);
}

static void another_name_of_a_unit_is_the_unit(void **state)
{
    (void)state;
    struct fake_host f = {0};
    struct buffer out;
    const char *stop[] = {"crond.service", "replace"};
    ask_manager(&f, 0, "StopUnit", stop, 2, &out);
    assert_true(f.cron_is_gone);
    buffer_fini(&out);
}

static void a_name_with_a_slash_is_no_file(void **state)
{
    (void)state;
    struct fake_host f = {0};
    struct buffer out;
    const char *names[] = {"../system/mine.service"};
    ask_manager(&f, 0, "GetUnit", names, 1, &out);
    assert_true(span_equal_z(first(&out).error, "org.freedesktop.systemd1.NoSuchUnit"));
    buffer_fini(&out);
}

static void a_visitors_own_unit_is_enabled_by_a_link(void **state)
{
    (void)state;
    struct fake_host f = {0};
    struct buffer body, calls, out;
    buffer_init(&body, 4096);
    buffer_init(&calls, 4096);
    struct wire w = {.out = &body};
    struct wire_array names = wire_begin(&w, 4);
    wire_text(&w, "mine.service");
    wire_end(&w, names);
    const struct wire_message m = {.type = WIRE_CALL,
                                   .serial = 3,
                                   .path = span_z(MANAGER_PATH),
                                   .interface = span_z(MANAGER),
                                   .member = span_z("EnableUnitFiles"),
                                   .signature = span_z("asbb"),
                                   .body = buffer_span(&body)};
    assert_int_equal(wire_message_write(&m, &calls), 0);
    talk(&f, 0, buffer_span(&calls), 4096, &out);
    assert_string_equal(f.linked_z, "/etc/systemd/system/multi-user.target.wants/mine.service");
    assert_int_equal(first(&out).body.data[0], 1); /* it carries an [Install] section */
    buffer_fini(&out);
    buffer_fini(&calls);
    buffer_fini(&body);
}

static void put_list(struct buffer *out, const char *pattern_z)
{
    struct buffer body;
    buffer_init(&body, 4096);
    struct wire w = {.out = &body};
    wire_end(&w, wire_begin(&w, 4));
    struct wire_array patterns = wire_begin(&w, 4);
    wire_text(&w, pattern_z);
    wire_end(&w, patterns);
    const struct wire_message m = {.type = WIRE_CALL,
                                   .serial = 7,
                                   .path = SPAN_LIT(MANAGER_PATH),
                                   .interface = span_z(MANAGER),
                                   .member = SPAN_LIT("ListUnitsByPatterns"),
                                   .signature = SPAN_LIT("asas"),
                                   .body = buffer_span(&body)};
    assert_int_equal(wire_message_write(&m, out), 0);
    buffer_fini(&body);
}

/* One of many stars that fits nothing would be tried in 2^30 ways. */
static void patterns_find_units_and_take_no_longer(void **state)
{
    (void)state;
    static const struct {
        const char *pattern_z;
        bool finds;
    } cases[] = {{"ss*.service", true},
                 {"*", true},
                 {"s?h.service", true},
                 {"**ssh**.ser*ce*", true},
                 {"ssh", false},
                 {"?ssh.service", false},
                 {"ssh.service?", false},
                 {"", false},
                 {"*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*!", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_host f = {0};
        struct buffer calls, out;
        buffer_init(&calls, 1 << 16);
        put_list(&calls, cases[i].pattern_z);
        talk(&f, 1000, buffer_span(&calls), 4096, &out);
        assert_int_equal(contains(first(&out).body, "ssh.service"), cases[i].finds);
        buffer_fini(&out);
        buffer_fini(&calls);
    }
}

static void what_breaks_the_rules_ends_the_connection(void **state)
{
    (void)state;
    struct fake_host f = {0};
    const struct bus_host host = fake_host(&f);
    static const struct span bad[] = {
        SPAN_LIT("AUTH EXTERNAL\r\n"), /* no NUL before it */
        SPAN_LIT("\0BEGIN\r\n"), SPAN_LIT("\0AUTH EXTERNAL 30\r\nBEGIN\r\nB\1\0\1aaaabbbbcccc")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct bus *bus = bus_new(11, 0);
        assert_true(bus_feed(bus, &host, bad[i]) < 0);
        bus_free(bus);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same_answers),
        cmocka_unit_test(a_service_that_is_stopped_is_inactive),
        cmocka_unit_test(a_unit_without_a_process_is_on_again_after_a_restart),
        cmocka_unit_test(the_first_process_is_never_stopped),
        cmocka_unit_test(only_root_changes_units),
        cmocka_unit_test(what_is_not_there_is_told_as_systemd_tells_it),
        cmocka_unit_test(another_name_of_a_unit_is_the_unit),
        cmocka_unit_test(a_name_with_a_slash_is_no_file),
        cmocka_unit_test(a_visitors_own_unit_is_enabled_by_a_link),
        cmocka_unit_test(patterns_find_units_and_take_no_longer),
        cmocka_unit_test(what_breaks_the_rules_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
