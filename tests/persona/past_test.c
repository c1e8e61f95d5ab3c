/* What has happened: told alike by all that tell of it, and more of it later. */
#include "persona/past.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define DAY_MS  INT64_C(86400000)
#define BORN_MS INT64_C(1795176000000)

static struct persona_identity machine(uint8_t number)
{
    struct persona_identity p;
    const uint8_t seed[PERSONA_SEED_BYTES] = {number, 9};
    persona_identity_draw(&p, seed, PERSONA_EDITION, BORN_MS, BORN_MS - 300 * DAY_MS);
    p.user_uid = 1003;
    return p;
}

static size_t write_record(enum persona_record record, const struct persona_now *now,
                           struct buffer *out, int64_t *written_ms)
{
    buffer_init(out, 8 << 20);
    assert_int_equal(persona_record_write(record, 0, now, out, written_ms), 0);
    assert_true(*written_ms <= now->time_ms);
    return buffer_len(out);
}

static void a_later_reading_goes_on_where_an_earlier_one_ended(void **state)
{
    (void)state;
    static const enum persona_record records[] = {PERSONA_RECORD_AUTH, PERSONA_RECORD_SYSLOG,
                                                  PERSONA_RECORD_CRON, PERSONA_RECORD_BTMP,
                                                  PERSONA_RECORD_WTMP};
    for (uint8_t n = 0; n < 8; n++) {
        struct persona_identity p = machine(n);
        for (size_t i = 0; i < ARRAY_LEN(records); i++) {
            struct buffer first, second;
            int64_t first_ms, second_ms;
            /* A Tuesday, and three hours later: no rotation between. */
            int64_t at_ms = BORN_MS - BORN_MS % (7 * DAY_MS) + 5 * DAY_MS + 7 * DAY_MS;
            struct persona_now now = {.identity = &p, .time_ms = at_ms};
            size_t len = write_record(records[i], &now, &first, &first_ms);
            now.time_ms += 3 * 3600 * 1000;
            assert_true(write_record(records[i], &now, &second, &second_ms) >= len);
            assert_memory_equal(buffer_span(&first).data, buffer_span(&second).data, len);
            assert_true(second_ms >= first_ms);
            buffer_fini(&first);
            buffer_fini(&second);
        }
    }
}

static bool contains(struct span text, const char *what_z)
{
    struct span what = span_z(what_z);
    for (size_t i = 0; i + what.len <= text.len; i++)
        if (span_starts_with(span_slice(text, i, text.len), what))
            return true;
    return false;
}

static void the_visitors_login_is_in_all_of_them(void **state)
{
    (void)state;
    struct persona_identity p = machine(3);
    const struct persona_now now = {.identity = &p,
                                    .time_ms = BORN_MS + DAY_MS,
                                    .visit = {.user = SPAN_LIT("root"),
                                              .address = SPAN_LIT("192.0.2.77"),
                                              .number = 5,
                                              .port = 4711,
                                              .sshd = 31337,
                                              .manager = 31341,
                                              .at_ms = BORN_MS + DAY_MS - 1000,
                                              .ttys = 1}};
    struct buffer out;
    int64_t written_ms;
    (void)write_record(PERSONA_RECORD_AUTH, &now, &out, &written_ms);
    assert_true(contains(buffer_span(&out), "sshd[31337]: Accepted password for root from "
                                            "192.0.2.77 port 4711 ssh2\n"));
    assert_true(contains(buffer_span(&out), p.hostname_z));
    buffer_fini(&out);
    assert_int_equal(write_record(PERSONA_RECORD_UTMP, &now, &out, &written_ms) % 384, 0);
    assert_true(contains(buffer_span(&out), "192.0.2.77"));
    buffer_fini(&out);
    assert_int_equal(write_record(PERSONA_RECORD_LASTLOG, &now, &out, &written_ms) % 292, 0);
    assert_true(contains(span_slice(buffer_span(&out), 0, 292), "192.0.2.77"));
    buffer_fini(&out);
}

static void logs_begin_when_they_were_rotated(void **state)
{
    (void)state;
    for (uint8_t n = 0; n < 8; n++) {
        struct persona_identity p = machine(n);
        struct buffer out;
        int64_t written_ms;
        int64_t from_ms, until_ms;
        assert_true(persona_rotation(&p, false, 0, BORN_MS, &from_ms, &until_ms));
        const struct persona_now now = {.identity = &p, .time_ms = BORN_MS};
        assert_true(from_ms <= BORN_MS && from_ms > BORN_MS - 8 * DAY_MS);
        assert_true(from_ms >= p.boot_ms);
        (void)write_record(PERSONA_RECORD_AUTH, &now, &out, &written_ms);
        for (size_t i = 0, start = 0; i < buffer_len(&out); i++) {
            if (buffer_span(&out).data[i] != '\n')
                continue;
            assert_memory_equal(buffer_span(&out).data + start, "20", 2);
            start = i + 1;
        }
        buffer_fini(&out);
    }
}

static void numbers_of_processes_grow_with_time(void **state)
{
    (void)state;
    struct persona_identity p = machine(1);
    int32_t last = 0;
    for (int64_t at = p.boot_ms; at < p.boot_ms + 30 * DAY_MS; at += DAY_MS / 7) {
        assert_true(persona_pid_at(&p, at) > last);
        last = persona_pid_at(&p, at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_reading_goes_on_where_an_earlier_one_ended),
        cmocka_unit_test(the_visitors_login_is_in_all_of_them),
        cmocka_unit_test(logs_begin_when_they_were_rotated),
        cmocka_unit_test(numbers_of_processes_grow_with_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
