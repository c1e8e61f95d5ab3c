/* Journal files are read back as JOURNAL_FILE_FORMAT has them, and say what the texts of /var/log say. */
#include "persona/gzip.h"
#include "persona/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define DAY_MS  INT64_C(86400000)
#define BORN_MS INT64_C(1795176000000)

enum { DATA = 1, FIELD, ENTRY, DATA_TABLE, FIELD_TABLE, ENTRY_ARRAY };

static struct persona_identity machine(uint8_t number)
{
    struct persona_identity p;
    const uint8_t seed[PERSONA_SEED_BYTES] = {number, 9};
    persona_identity_draw(&p, seed, PERSONA_EDITION, BORN_MS, BORN_MS - 300 * DAY_MS);
    p.user_uid = 1003;
    return p;
}

static uint64_t number(struct span file, uint64_t at, unsigned bytes)
{
    uint64_t value = 0;
    assert_true(at + bytes <= file.len);
    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | file.data[at + i];
    return value;
}

/* The value of an entry's field; empty: it has none. */
static struct span value_of(struct span file, uint64_t entry, const char *name_z)
{
    uint64_t items = (number(file, entry + 8, 8) - 64) / 4;
    char key_z[64];
    (void)snprintf(key_z, sizeof(key_z), "%s=", name_z);
    for (uint64_t i = 0; i < items; i++) {
        uint64_t data = number(file, entry + 64 + i * 4, 4);
        assert_int_equal(number(file, data, 1), DATA);
        struct span payload = span_slice(file, data + 72, data + number(file, data + 8, 8));
        if (span_starts_with(payload, span_z(key_z)))
            return span_slice(payload, strlen(key_z), payload.len);
    }
    return span_of(NULL, 0);
}

/* Counts all objects, from the first to the one that is said to be the last. */
static void count_objects(struct span file, uint64_t counts[8])
{
    uint64_t last = number(file, 136, 8);
    for (uint64_t at = number(file, 88, 8);;) {
        uint64_t type = number(file, at, 1), size = number(file, at + 8, 8);
        assert_true(type >= DATA && type <= ENTRY_ARRAY && size >= 16 && at + size <= file.len);
        counts[type]++;
        counts[0]++;
        if (at == last)
            return;
        at = (at + size + 7) / 8 * 8;
        assert_true(at <= last);
    }
}

/* Every value is in the chain of its bucket, and leads to as many entries as it says. */
static void check_data(struct span file)
{
    uint64_t table = number(file, 104, 8), buckets = number(file, 112, 8) / 16, found = 0;
    for (uint64_t b = 0; b < buckets; b++) {
        uint64_t at = number(file, table + b * 16, 8), last = 0;
        for (; at != 0; last = at, at = number(file, at + 24, 8), found++) {
            uint64_t count = number(file, at + 56, 8), array = number(file, at + 48, 8);
            assert_int_equal(number(file, at + 16, 8) % buckets, b);
            assert_int_equal(number(file, number(file, at + 40, 8), 1), ENTRY);
            assert_int_equal(array != 0, count > 1);
            for (uint64_t i = 0; i + 1 < count; i++) {
                uint64_t entry = number(file, array + 24 + i * 4, 4);
                assert_int_equal(number(file, entry, 1), ENTRY);
            }
        }
        assert_int_equal(number(file, table + b * 16 + 8, 8), last);
    }
    assert_int_equal(found, number(file, 208, 8));
}

static size_t lines_of(struct span text)
{
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static void a_file_is_whole(void **state)
{
    (void)state;
    for (uint8_t n = 0; n < 4; n++) {
        struct persona_identity p = machine(n);
        const struct persona_now now = {.identity = &p, .time_ms = BORN_MS};
        struct buffer out;
        int64_t written_ms, last_us = 0;
        uint64_t counts[8] = {0}, seqnum = 0;
        buffer_init(&out, JOURNAL_FILE_BYTES);
        assert_int_equal(persona_journal_write(0, &now, &out, &written_ms), 0);
        struct span file = buffer_span(&out);
        assert_memory_equal(file.data, "LPKSHHRH", 8);
        assert_int_equal(number(file, 96, 8) + 264, JOURNAL_FILE_BYTES);
        count_objects(file, counts);
        assert_int_equal(counts[0], number(file, 144, 8));
        assert_int_equal(counts[ENTRY], number(file, 152, 8));
        assert_int_equal(counts[FIELD], number(file, 216, 8));
        assert_int_equal(counts[ENTRY_ARRAY], number(file, 232, 8));
        check_data(file);
        uint64_t entries = number(file, 176, 8);
        for (uint64_t i = 0; i < counts[ENTRY]; i++) {
            uint64_t entry = number(file, entries + 24 + i * 4, 4);
            int64_t at_us = (int64_t)number(file, entry + 24, 8);
            assert_true(number(file, entry + 16, 8) > seqnum && at_us >= last_us);
            seqnum = number(file, entry + 16, 8);
            last_us = at_us;
            assert_true(span_equal_z(value_of(file, entry, "_HOSTNAME"), p.hostname_z));
            assert_true(value_of(file, entry, "MESSAGE").len > 0);
        }
        assert_int_equal(seqnum, number(file, 160, 8));
        assert_int_equal(last_us / 1000, written_ms);
        buffer_fini(&out);
    }
}

/* What is in the journal since the logs were rotated is in the two texts, and nothing else. */
static void it_says_what_the_logs_say(void **state)
{
    (void)state;
    struct persona_identity p = machine(2);
    const struct persona_line said = {.at_us = (BORN_MS - 5) * 1000,
                                      .way = PERSONA_BY_SYSLOG,
                                      .facility = 1,
                                      .priority = 5,
                                      .pid = 4242,
                                      .tag = SPAN_LIT("root"),
                                      .text = SPAN_LIT("hello")};
    const struct persona_now now = {
        .identity = &p, .time_ms = BORN_MS, .lines = &said, .line_count = 1};
    int64_t from_ms, until_ms, written_ms;
    assert_true(persona_rotation(&p, false, 0, BORN_MS, &from_ms, &until_ms));
    struct buffer journal, texts;
    buffer_init(&journal, JOURNAL_FILE_BYTES);
    buffer_init(&texts, 8 << 20);
    assert_int_equal(persona_record_write(PERSONA_RECORD_JOURNAL, 0, &now, &journal, &written_ms),
                     0);
    assert_int_equal(persona_record_write(PERSONA_RECORD_AUTH, 0, &now, &texts, &written_ms), 0);
    assert_int_equal(persona_record_write(PERSONA_RECORD_SYSLOG, 0, &now, &texts, &written_ms), 0);
    struct span file = buffer_span(&journal);
    uint64_t entries = number(file, 176, 8), count = number(file, 152, 8), after = 0;
    int64_t first_us = (int64_t)number(file, 184, 8);
    from_ms = first_us / 1000 > from_ms ? first_us / 1000 : from_ms;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t entry = number(file, entries + 24 + i * 4, 4);
        after += (int64_t)number(file, entry + 24, 8) / 1000 >= from_ms;
    }
    size_t lines = 0;
    for (struct span text = buffer_span(&texts); text.len > 0;) {
        struct span line = span_slice(text, 0, (size_t)span_find(text, '\n', 0) + 1);
        char from_z[32];
        time_t from_s = (time_t)(first_us / 1000000);
        struct tm tm;
        (void)strftime(from_z, sizeof(from_z), "%Y-%m-%dT%H:%M:%S", gmtime_r(&from_s, &tm));
        lines += memcmp(line.data, from_z, 19) >= 0;
        text = span_slice(text, line.len, text.len);
    }
    assert_true(lines >= after && lines <= after + 3); /* of the first second */
    uint64_t last = number(file, entries + 24 + (count - 1) * 4, 4);
    assert_true(span_equal_z(value_of(file, last, "MESSAGE"), "hello"));
    assert_true(span_equal_z(value_of(file, last, "SYSLOG_IDENTIFIER"), "root"));
    assert_true(lines_of(buffer_span(&texts)) >= lines);
    buffer_fini(&journal);
    buffer_fini(&texts);
}

/* "system@SEQNUM ID-FIRST SEQNUM-FIRST TIME.journal" */
static void an_archived_file_has_the_name_of_its_contents(void **state)
{
    (void)state;
    struct persona_identity p = machine(5);
    const struct persona_now now = {.identity = &p, .time_ms = p.boot_ms + 20 * DAY_MS};
    unsigned archived = 0;
    for (uint32_t age = 1; age < 10; age++) {
        char name_z[JOURNAL_NAME_MAX], expected_z[JOURNAL_NAME_MAX];
        struct buffer out;
        int64_t written_ms;
        if (!persona_journal_is_there(age, &now))
            continue;
        archived++;
        buffer_init(&out, JOURNAL_FILE_BYTES);
        assert_int_equal(persona_journal_write(age, &now, &out, &written_ms), 0);
        struct span file = buffer_span(&out);
        assert_int_equal(number(file, 16, 1), 2);
        assert_int_equal(number(file, 96, 8) + 264, file.len);
        persona_journal_name(&p, age, name_z);
        (void)snprintf(expected_z, sizeof(expected_z), "-%016llx-%016llx.journal",
                       (unsigned long long)number(file, 168, 8),
                       (unsigned long long)number(file, 184, 8));
        assert_string_equal(strchr(name_z, '-'), expected_z);
        buffer_fini(&out);
    }
    assert_int_equal(archived, 1);
}

static void two_machines_share_no_number(void **state)
{
    (void)state;
    struct persona_identity one = machine(1), two = machine(2);
    struct buffer out[2];
    int64_t written_ms;
    for (size_t i = 0; i < 2; i++) {
        const struct persona_now now = {.identity = i == 0 ? &one : &two, .time_ms = BORN_MS};
        buffer_init(&out[i], JOURNAL_FILE_BYTES);
        assert_int_equal(persona_journal_write(0, &now, &out[i], &written_ms), 0);
    }
    for (size_t at = 24; at < 88; at += 16) /* file, machine, boot, sequence */
        assert_memory_not_equal(buffer_span(&out[0]).data + at, buffer_span(&out[1]).data + at, 16);
    buffer_fini(&out[0]);
    buffer_fini(&out[1]);
}

static void a_rotated_log_is_packed_as_gzip_packs_it(void **state)
{
    (void)state;
    struct persona_identity p = machine(4);
    const struct persona_now now = {.identity = &p, .time_ms = p.boot_ms + 40 * DAY_MS};
    struct buffer packed;
    uint8_t *text = test_malloc(1 << 20);
    int64_t written_ms;
    buffer_init(&packed, 1 << 20);
    assert_true(persona_record_is_there(PERSONA_RECORD_AUTH, 2, &now));
    assert_int_equal(persona_record_write(PERSONA_RECORD_AUTH, 2, &now, &packed, &written_ms), 0);
    struct span bytes = buffer_span(&packed);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes.data,
                  .avail_in = (uInt)bytes.len,
                  .next_out = text,
                  .avail_out = 1 << 20};
    assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(number(bytes, 4, 4), written_ms / 1000);
    assert_true(lines_of(span_of(text, z.total_out)) > 100);
    inflateEnd(&z);
    test_free(text);
    buffer_fini(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_whole),
        cmocka_unit_test(it_says_what_the_logs_say),
        cmocka_unit_test(an_archived_file_has_the_name_of_its_contents),
        cmocka_unit_test(two_machines_share_no_number),
        cmocka_unit_test(a_rotated_log_is_packed_as_gzip_packs_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
