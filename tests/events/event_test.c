/* Events: every row of the table, its JSON, bytes of any kind, and what is cut. */
#include "base/error.h"
#include "events/event.h"
#include "events/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <time.h>

static const struct event_sensor SENSOR = {
    .name = SPAN_LIT("web-1"), .uuid = SPAN_LIT("0a1b2c3d-0000-4000-8000-123456789abc")};

static const struct event_origin ORIGIN = {.session = SPAN_LIT("0123456789ab"),
                                           .protocol = SPAN_LIT("ssh"),
                                           .src_ip = SPAN_LIT("192.0.2.7"),
                                           .dst_ip = SPAN_LIT("198.51.100.2"),
                                           .src_port = 50123,
                                           .dst_port = 22};

#define NOON INT64_C(1795176000123456) /* 2026-11-20 12:00:00.123456 */

/* The event's line, parsed. */
static json_t *parse(const struct event *e, uint64_t id)
{
    struct buffer out;
    json_error_t error;
    buffer_init(&out, EVENT_LINE_MAX);
    assert_int_equal(event_write_json(e, &SENSOR, id, &out), 0);
    struct span line = buffer_span(&out);
    assert_int_equal(span_find(line, '\n', 0), line.len - 1);
    for (size_t i = 0; i + 1 < line.len; i++)
        assert_true(line.data[i] >= 0x20 && line.data[i] <= 0x7e);
    json_t *object = json_loadb((const char *)line.data, line.len,
                                JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (object == NULL)
        fail_msg("%s in %.*s", error.text, (int)line.len, (const char *)line.data);
    buffer_fini(&out);
    return object;
}

static const char *text_of(json_t *object, const char *name_z)
{
    const char *text_z = json_string_value(json_object_get(object, name_z));
    if (text_z == NULL)
        fail_msg("no text \"%s\"", name_z);
    return text_z;
}

static enum event_field field_named(struct span name)
{
    for (int f = 0; f < EVENT_FIELDS; f++)
        if (span_equal_z(name, event_field_row((enum event_field)f)->name_z))
            return (enum event_field)f;
    fail_msg("fields.def has no \"%.*s\"", (int)name.len, (const char *)name.data);
    return EVENT_FIELDS;
}

static void give(struct event *e, enum event_field field)
{
    static const struct span ITEMS[] = {SPAN_LIT("one"), SPAN_LIT("two words")};
    switch (event_field_row(field)->kind) {
    case EVENT_TEXT:
    case EVENT_ASCII: event_text_z(e, field, "some text"); break;
    case EVENT_NUMBER:
    case EVENT_SECONDS: event_number(e, field, 4321); break;
    case EVENT_BOOL: event_bool(e, field, true); break;
    case EVENT_LIST: event_list(e, field, ITEMS, ARRAY_LEN(ITEMS)); break;
    }
}

/* Calls `each` for every blank-parted word. */
static void give_words(struct event *e, const char *list_z)
{
    for (const char *at = list_z; *at != '\0'; at += *at == ' ') {
        size_t n = strcspn(at, " ");
        give(e, field_named(span_of(at, n)));
        at += n;
    }
}

static void assert_value(json_t *object, const struct event_value *v)
{
    json_t *value = json_object_get(object, event_field_row(v->field)->name_z);
    assert_non_null(value);
    switch (event_field_row(v->field)->kind) {
    case EVENT_TEXT:
    case EVENT_ASCII: assert_string_equal(json_string_value(value), "some text"); break;
    case EVENT_NUMBER: assert_int_equal(json_integer_value(value), 4321); break;
    case EVENT_SECONDS: assert_true(json_real_value(value) == 4.321); break;
    case EVENT_BOOL: assert_true(json_is_true(value)); break;
    case EVENT_LIST:
        assert_int_equal(json_array_size(value), 2);
        assert_string_equal(json_string_value(json_array_get(value, 1)), "two words");
        break;
    }
}

static void every_row_writes_its_attributes(void **state)
{
    (void)state;
    for (int type = 0; type < EVENT_TYPES; type++) {
        const struct event_row *row = event_row((enum event_type)type);
        struct event e = event_make((enum event_type)type, &ORIGIN, NOON);
        give_words(&e, row->required_z);
        assert_true(event_is_complete(&e));
        give_words(&e, row->optional_z);
        json_t *object = parse(&e, 77);
        assert_string_equal(text_of(object, "eventid"), row->id_z);
        assert_string_equal(text_of(object, "timestamp"), "2026-11-20T12:00:00.123456Z");
        assert_string_equal(text_of(object, "session"), "0123456789ab");
        assert_string_equal(text_of(object, "protocol"), "ssh");
        assert_string_equal(text_of(object, "src_ip"), "192.0.2.7");
        assert_string_equal(text_of(object, "sensor"), "web-1");
        assert_string_equal(text_of(object, "uuid"), "0a1b2c3d-0000-4000-8000-123456789abc");
        assert_int_equal(json_integer_value(json_object_get(object, "src_port")), 50123);
        assert_non_null(json_object_get(object, "dst_port"));
        for (size_t i = 0; i < e.count; i++)
            assert_value(object, &e.values[i]);
        /* Every {name} of the message stands for an attribute that the row has. */
        const char *message_z = text_of(object, "message");
        assert_null(strchr(message_z, '{'));
        assert_true(row->message_z[0] == '\0' || strstr(message_z, " - ") == NULL);
        assert_int_equal(
            strncmp(row->id_z, "cowrie.", 7) == 0 || strncmp(row->id_z, "lured.", 6) == 0, 1);
        json_decref(object);
    }
}

/* Rows of one id, and rows apart, have each their own symbol; a wording is not there twice. */
static void no_row_is_there_twice(void **state)
{
    (void)state;
    for (int a = 0; a < EVENT_TYPES; a++) {
        for (int b = a + 1; b < EVENT_TYPES; b++) {
            const struct event_row *x = event_row((enum event_type)a);
            const struct event_row *y = event_row((enum event_type)b);
            assert_false(strcmp(x->id_z, y->id_z) == 0 && strcmp(x->message_z, y->message_z) == 0);
        }
    }
    for (int a = 0; a < EVENT_FIELDS; a++)
        for (int b = a + 1; b < EVENT_FIELDS; b++)
            assert_string_not_equal(event_field_row((enum event_field)a)->name_z,
                                    event_field_row((enum event_field)b)->name_z);
}

static void message_has_cowries_wording(void **state)
{
    (void)state;
    struct event e = event_make(EVENT_LOGIN_FAILED, &ORIGIN, NOON);
    event_text_z(&e, FIELD_USERNAME, "root");
    assert_false(event_is_complete(&e));
    event_text_z(&e, FIELD_PASSWORD, "p\xc3\xa4\\ss\x1b");
    json_t *object = parse(&e, 0);
    assert_string_equal(text_of(object, "message"),
                        "login attempt [root/p\\xc3\\xa4\\\\ss\\x1b] failed");
    assert_string_equal(text_of(object, "password"), "p\\xc3\\xa4\\\\ss\\x1b");
    assert_null(json_object_get(object, "id"));
    json_decref(object);

    e = event_make(EVENT_SESSION_CONNECT, &ORIGIN, NOON);
    object = parse(&e, UINT64_C(9007199254740993));
    assert_string_equal(
        text_of(object, "message"),
        "New connection: 192.0.2.7:50123 (198.51.100.2:22) [session: 0123456789ab]");
    assert_int_equal(json_integer_value(json_object_get(object, "id")), INT64_C(9007199254740993));
    json_decref(object);

    e = event_make(EVENT_SESSION_CLOSED, &ORIGIN, NOON);
    event_duration(&e, 61005);
    object = parse(&e, 0);
    assert_string_equal(text_of(object, "message"), "Connection lost after 61005 milliseconds");
    assert_true(json_real_value(json_object_get(object, "duration")) == 61.005);
    json_decref(object);
}

/* An event may not claim another source, but a forward has a destination of its own. */
static void forward_destination_replaces_the_connections(void **state)
{
    (void)state;
    struct event e = event_make(EVENT_DIRECT_TCPIP_REQUEST, &ORIGIN, NOON);
    event_text_z(&e, FIELD_DST_IP, "203.0.113.9");
    event_number(&e, FIELD_DST_PORT, 25);
    event_text_z(&e, FIELD_ORIG_IP, "127.0.0.1");
    event_number(&e, FIELD_ORIG_PORT, 1);
    json_t *object = parse(&e, 0);
    assert_string_equal(text_of(object, "dst_ip"), "203.0.113.9");
    assert_int_equal(json_integer_value(json_object_get(object, "dst_port")), 25);
    assert_string_equal(text_of(object, "src_ip"), "192.0.2.7");
    assert_string_equal(text_of(object, "message"),
                        "direct-tcp connection request to 203.0.113.9:25 from 127.0.0.1:1");
    json_decref(object);
}

static void sensors_own_events_have_no_session(void **state)
{
    (void)state;
    struct event e = event_make(EVENT_SENSOR_STOP, NULL, NOON);
    event_text_z(&e, FIELD_REASON, "SIGTERM");
    json_t *object = parse(&e, 0);
    assert_null(json_object_get(object, "session"));
    assert_null(json_object_get(object, "src_ip"));
    json_decref(object);
}

static void late_events_say_so(void **state)
{
    (void)state;
    struct event_origin late = ORIGIN;
    late.late = true;
    struct event e = event_make(EVENT_AGENT_REQUEST, &late, NOON);
    json_t *object = parse(&e, 0);
    assert_true(json_is_true(json_object_get(object, "late")));
    json_decref(object);
}

static void assert_text_becomes(struct span text, const char *expected, size_t len)
{
    struct event e = event_make(EVENT_COMMAND_INPUT, &ORIGIN, NOON);
    event_text(&e, FIELD_INPUT, text);
    json_t *object = parse(&e, 0);
    json_t *input = json_object_get(object, "input");
    assert_int_equal(json_string_length(input), len);
    assert_memory_equal(json_string_value(input), expected, len);
    json_decref(object);
}

#define BECOMES(in, out) assert_text_becomes(span_of(in, sizeof(in) - 1), out, sizeof(out) - 1)

static void text_keeps_utf8_and_escapes_the_rest(void **state)
{
    (void)state;
    BECOMES("", "");
    BECOMES("plain \"quoted\" back\\slash\t\r\n", "plain \"quoted\" back\\slash\t\r\n");
    BECOMES("nul\0inside\x7f", "nul\0inside\x7f");
    BECOMES("\x1b]0;title\x07", "\x1b]0;title\x07");
    BECOMES("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf",
            "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf");
    BECOMES("\xff\xfe", "\\xff\\xfe");
    BECOMES("cut \xe2\x82", "cut \\xe2\\x82");
    BECOMES("\x80", "\\x80");
    BECOMES("over\xc0\xaflong \xe0\x80\xaf \xf0\x80\x80\xaf",
            "over\\xc0\\xaflong \\xe0\\x80\\xaf \\xf0\\x80\\x80\\xaf");
    BECOMES("surrogate \xed\xa0\x80", "surrogate \\xed\\xa0\\x80");
    BECOMES("beyond \xf4\x90\x80\x80 \xf5", "beyond \\xf4\\x90\\x80\\x80 \\xf5");
}

/* Any two bytes before and after a letter: valid JSON, and the letter is still there. */
static void any_pair_of_bytes_is_valid_json(void **state)
{
    (void)state;
    for (unsigned pair = 0; pair < 0x10000; pair += 7) {
        uint8_t bytes[4] = {(uint8_t)(pair >> 8), (uint8_t)pair, 'z', (uint8_t)(pair >> 3)};
        struct event e = event_make(EVENT_LOGIN_SUCCESS, &ORIGIN, NOON);
        event_text(&e, FIELD_USERNAME, span_of(bytes, sizeof(bytes)));
        event_text(&e, FIELD_PASSWORD, span_of(bytes, sizeof(bytes)));
        json_t *object = parse(&e, 1);
        assert_non_null(strchr(text_of(object, "username"), 'z'));
        json_decref(object);
    }
}

static void long_text_is_cut_and_says_so(void **state)
{
    (void)state;
    size_t len = EVENT_BYTES_MAX + 5;
    uint8_t *big = malloc(len);
    assert_non_null(big);
    memset(big, 'a', len);
    /* The cut would fall in the middle of this character. */
    big[EVENT_BYTES_MAX - 1] = 0xc3;
    big[EVENT_BYTES_MAX] = 0xa9;
    struct event e = event_make(EVENT_COMMAND_INPUT_REALM, &ORIGIN, NOON);
    event_text(&e, FIELD_INPUT, span_of(big, len));
    event_text(&e, FIELD_REALM, span_of(big, 2 * EVENT_BYTES_MIN));
    json_t *object = parse(&e, 0);
    assert_int_equal(strlen(text_of(object, "input")), EVENT_BYTES_MAX - 1);
    assert_true(json_is_true(json_object_get(object, "truncated")));
    assert_int_equal(json_integer_value(json_object_get(object, "input_length")), len);
    assert_int_equal(strlen(text_of(object, "realm")), EVENT_BYTES_MIN);
    assert_int_equal(json_integer_value(json_object_get(object, "realm_length")),
                     2 * EVENT_BYTES_MIN);
    json_decref(object);
    free(big);
}

static void exact_fit_is_not_cut(void **state)
{
    (void)state;
    uint8_t *big = calloc(1, EVENT_BYTES_MAX);
    assert_non_null(big);
    struct event e = event_make(EVENT_COMMAND_INPUT, &ORIGIN, NOON);
    event_text(&e, FIELD_INPUT, span_of(big, EVENT_BYTES_MAX));
    json_t *object = parse(&e, 0);
    assert_null(json_object_get(object, "truncated"));
    json_decref(object);
    free(big);
}

static void long_list_is_cut_and_says_so(void **state)
{
    (void)state;
    size_t count = 60000;
    struct span *items = calloc(count, sizeof(*items));
    assert_non_null(items);
    struct event e = event_make(EVENT_PROCESS_EXEC, &ORIGIN, NOON);
    event_number(&e, FIELD_PID, 1);
    event_number(&e, FIELD_PPID, 0);
    event_number(&e, FIELD_UID, 0);
    event_text_z(&e, FIELD_PATH, "/bin/echo");
    event_list(&e, FIELD_ARGV, items, count);
    json_t *object = parse(&e, 0);
    size_t kept = json_array_size(json_object_get(object, "argv"));
    assert_in_range(kept, 10000, EVENT_BYTES_MAX / 4);
    assert_int_equal(json_integer_value(json_object_get(object, "argv_length")), count);
    json_decref(object);
    free(items);
}

/* The worst bytes in every attribute of the events that have most of them still make a line. */
static void largest_event_fits_a_line(void **state)
{
    (void)state;
    size_t len = 2 * EVENT_BYTES_MAX;
    uint8_t *big = malloc(len);
    assert_non_null(big);
    memset(big, 0x01, len);
    struct span item = span_of(big, 16);
    struct span *items = malloc(4096 * sizeof(*items));
    assert_non_null(items);
    for (size_t i = 0; i < 4096; i++)
        items[i] = item;
    for (int type = 0; type < EVENT_TYPES; type++) {
        struct event e = event_make((enum event_type)type, &ORIGIN, NOON);
        give_words(&e, event_row(e.type)->required_z);
        give_words(&e, event_row(e.type)->optional_z);
        if (e.count < 5)
            continue;
        for (size_t i = 0; i < e.count; i++) {
            enum event_kind kind = event_field_row(e.values[i].field)->kind;
            if (kind == EVENT_TEXT || kind == EVENT_ASCII)
                e.values[i].text = span_of(big, len);
            if (kind == EVENT_LIST) {
                e.values[i].list.items = items;
                e.values[i].list.count = 4096;
            }
        }
        json_decref(parse(&e, UINT64_MAX >> 1));
    }
    free(items);
    free(big);
}

static void full_buffer_is_left_as_it_was(void **state)
{
    (void)state;
    struct event e = event_make(EVENT_SESSION_CONNECT, &ORIGIN, NOON);
    struct buffer whole;
    buffer_init(&whole, EVENT_LINE_MAX);
    assert_int_equal(event_write_json(&e, &SENSOR, 5, &whole), 0);
    size_t len = buffer_len(&whole);
    for (size_t max = 3; max < len + 3; max++) {
        struct buffer out;
        buffer_init(&out, max);
        assert_int_equal(buffer_put_z(&out, "abc"), 0);
        assert_int_equal(event_write_json(&e, &SENSOR, 5, &out), ERR_FULL);
        assert_true(span_equal_z(buffer_span(&out), "abc"));
        buffer_fini(&out);
    }
    struct buffer exact;
    buffer_init(&exact, len);
    assert_int_equal(event_write_json(&e, &SENSOR, 5, &exact), 0);
    assert_true(span_equal(buffer_span(&exact), buffer_span(&whole)));
    buffer_fini(&exact);
    buffer_fini(&whole);
}

static void assert_time(int64_t time_us, const char *expected_z)
{
    char text_z[EVENT_TIME_SIZE];
    event_time_text(time_us, text_z);
    assert_string_equal(text_z, expected_z);
}

/* Plain bytes are looked for in several at once: what is none is found wherever it stands. */
static void each_byte_is_escaped_at_each_place(void **state)
{
    enum { LEN = 19 };
    char text[LEN];
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < LEN; at++) {
            struct buffer parts, whole;
            buffer_init(&parts, EVENT_LINE_MAX);
            buffer_init(&whole, EVENT_LINE_MAX);
            struct json by_part = json_begin(&parts), at_once = json_begin(&whole);
            memset(text, 'a', LEN);
            text[at] = (char)byte;
            for (size_t i = 0; i < LEN; i++)
                json_part(&by_part, span_of(text + i, 1));
            json_part(&at_once, span_of(text, LEN));
            assert_true(span_equal(buffer_span(&parts), buffer_span(&whole)));
            buffer_fini(&parts);
            buffer_fini(&whole);
        }
    }
}

static void dates_are_those_of_the_calendar(void **state)
{
    enum { DAY_S = 86400, DAYS = 146097 }; /* of 400 years */
    (void)state;
    for (int64_t day = -DAYS / 2; day < DAYS / 2; day++) {
        char text_z[64];
        struct tm tm;
        time_t at = (time_t)day * DAY_S;
        assert_non_null(gmtime_r(&at, &tm));
        assert_int_equal(strftime(text_z, sizeof(text_z), "%Y-%m-%dT00:00:00.000000Z", &tm), 27);
        assert_time((int64_t)at * 1000000, text_z);
    }
}

static void times_are_utc_with_microseconds(void **state)
{
    (void)state;
    assert_time(0, "1970-01-01T00:00:00.000000Z");
    assert_time(-1, "1969-12-31T23:59:59.999999Z");
    assert_time(INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z");
    assert_time(INT64_C(951868799999999), "2000-02-29T23:59:59.999999Z");
    assert_time(INT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z");
    assert_time(INT64_C(1735689599000001), "2024-12-31T23:59:59.000001Z");
    assert_time(INT64_MAX, "9999-12-31T23:59:59.999999Z");
    assert_time(INT64_MIN, "0000-01-01T00:00:00.000000Z");
}

/* Every third day from 1900 to 2200 against the library's own calendar. */
static void days_agree_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t day = -25567; day < 84006; day += 3) {
        time_t seconds = (time_t)(day * 86400 + 3661);
        struct tm tm;
        char expected_z[EVENT_TIME_SIZE];
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_int_not_equal(
            strftime(expected_z, sizeof(expected_z), "%Y-%m-%dT%H:%M:%S.000000Z", &tm), 0);
        assert_time((int64_t)seconds * 1000000, expected_z);
    }
}

/* docs/events.md shows the table; it may not say anything else than events.def. */
static void documentation_shows_the_table(void **state)
{
    (void)state;
    FILE *file = fopen(DOCS_EVENTS, "r");
    assert_non_null(file);
    char line_z[1024];
    for (int type = 0; type < EVENT_TYPES; type++) {
        const struct event_row *row = event_row((enum event_type)type);
        char expected_z[1024];
        (void)snprintf(expected_z, sizeof(expected_z), "| `%s` | %s | %s | %s |\n", row->id_z,
                       row->when_z, row->required_z, row->optional_z);
        do {
            if (fgets(line_z, sizeof(line_z), file) == NULL)
                fail_msg("docs/events.md lacks: %s", expected_z);
        } while (strncmp(line_z, "| `", 3) != 0);
        assert_string_equal(line_z, expected_z);
    }
    for (int field = 0; field < EVENT_FIELDS; field++) {
        static const char *const KINDS[] = {"text",    "escaped text",  "number",
                                            "seconds", "true or false", "list of texts"};
        const struct event_field_row *row = event_field_row((enum event_field)field);
        char expected_z[1024];
        (void)snprintf(expected_z, sizeof(expected_z), "| `%s` | %s | %s |\n", row->name_z,
                       KINDS[row->kind], row->what_z);
        do {
            if (fgets(line_z, sizeof(line_z), file) == NULL)
                fail_msg("docs/events.md lacks: %s", expected_z);
        } while (strncmp(line_z, "| `", 3) != 0);
        assert_string_equal(line_z, expected_z);
    }
    while (fgets(line_z, sizeof(line_z), file) != NULL)
        assert_int_not_equal(strncmp(line_z, "| `", 3), 0);
    (void)fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_writes_its_attributes),
        cmocka_unit_test(no_row_is_there_twice),
        cmocka_unit_test(message_has_cowries_wording),
        cmocka_unit_test(forward_destination_replaces_the_connections),
        cmocka_unit_test(sensors_own_events_have_no_session),
        cmocka_unit_test(late_events_say_so),
        cmocka_unit_test(text_keeps_utf8_and_escapes_the_rest),
        cmocka_unit_test(each_byte_is_escaped_at_each_place),
        cmocka_unit_test(dates_are_those_of_the_calendar),
        cmocka_unit_test(any_pair_of_bytes_is_valid_json),
        cmocka_unit_test(long_text_is_cut_and_says_so),
        cmocka_unit_test(exact_fit_is_not_cut),
        cmocka_unit_test(long_list_is_cut_and_says_so),
        cmocka_unit_test(largest_event_fits_a_line),
        cmocka_unit_test(full_buffer_is_left_as_it_was),
        cmocka_unit_test(times_are_utc_with_microseconds),
        cmocka_unit_test(days_agree_with_the_c_library),
        cmocka_unit_test(documentation_shows_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
