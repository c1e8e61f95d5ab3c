/* The machine for HTTP/1.1 messages: every case whole, byte by byte and at random splits. */
#include "base/span.h"
#include "http/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { FIELDS_MAX = 8, TEXT_MAX = 512, SPLITS = 50 };

static const struct http1_limits limits = {
    .line_max = 60,
    .field_max = 64,
    .head_max = 200,
    .fields_max = FIELDS_MAX,
    .trailers_max = 40,
    .extensions_max = 18,
};

static const char *const error_names[] = {[HTTP1_OK] = "OK",
#define X(name, status, text) [HTTP1_BAD_##name] = #name,
                                          HTTP1_ERRORS(X)
#undef X
};

static const struct {
    enum http1_kind kind;
    struct span input;
    const char *result_z;
} cases[] = {
#define CASE(kind, input, result) {HTTP1_##kind, SPAN_LIT(input), result},
#include "http1_cases.def"
#undef CASE
};

/* What happened, as text. */
struct account {
    char text[TEXT_MAX];
    size_t len;
    bool in_data;
};

static void tell(struct account *a, const char *format_z, ...)
{
    va_list args;
    va_start(args, format_z);
    int n = vsnprintf(a->text + a->len, sizeof(a->text) - a->len, format_z, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof(a->text) - a->len);
    a->len += (size_t)n;
}

static void tell_word(struct account *a, const char *word_z)
{
    tell(a, "%s%s%s", a->in_data ? "]" : "", a->len ? " " : "", word_z);
    a->in_data = false;
}

static void tell_head(struct account *a, const struct http1_head *head)
{
    tell_word(a, "");
    if (head->status)
        tell(a, "%d", head->status);
    else
        tell(a, "%.*s %.*s", (int)head->method.len, (const char *)head->method.data,
             (int)head->target.len, (const char *)head->target.data);
    tell(a, " %c", head->keep_alive ? '+' : '-');
}

static void tell_end(struct account *a, const struct http1_head *head, const char *mark_z)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct span name = http1_name(head, i), value = http1_value(head, i);
        if (i == 0)
            tell_word(a, "{");
        tell(a, "%s%.*s=%.*s", i ? " " : "", (int)name.len, (const char *)name.data, (int)value.len,
             (const char *)value.data);
        if (i + 1 == head->field_count)
            tell(a, "}");
    }
    tell_word(a, mark_z);
}

/* False: it is broken. */
static bool tell_event(struct account *a, const struct http1_event *event, const char *end_z)
{
    char word[64];
    switch (event->kind) {
    case HTTP1_MORE: break;
    case HTTP1_HEAD: tell_head(a, &event->head); break;
    case HTTP1_DATA:
        assert_true(event->data.len > 0);
        if (!a->in_data)
            tell_word(a, "[");
        a->in_data = true;
        tell(a, "%.*s", (int)event->data.len, (const char *)event->data.data);
        break;
    case HTTP1_END: tell_end(a, &event->head, end_z); break;
    case HTTP1_ERROR:
        snprintf(word, sizeof(word), "%s%s", event->error == HTTP1_BAD_CUT_SHORT ? "" : "!",
                 event->error == HTTP1_BAD_CUT_SHORT ? "~" : error_names[event->error]);
        tell_word(a, word);
        return false;
    }
    return true;
}

/* Everything in `in` from *start on; *start moves behind what is done with. */
static bool pump(struct http1_parser *p, struct span in, size_t *start, struct account *a)
{
    struct http1_event event;
    do {
        /* Memory of exactly this size, at another address each time. */
        size_t len = in.len - *start;
        uint8_t *copy = malloc(len ? len : 1);
        assert_non_null(copy);
        memcpy(copy, in.data + *start, len);
        size_t done = http1_next(p, (struct span){copy, len}, &event);
        assert_true(done <= len);
        bool good = tell_event(a, &event, ".");
        free(copy);
        if (!good)
            return false;
        *start += done;
    } while (event.kind != HTTP1_MORE && !(http1_is_between(p) && *start == in.len));
    return true;
}

/* `step`: bytes a time; 0: random. */
static void play(enum http1_kind kind, struct span in, size_t step, struct account *a)
{
    struct http1_field fields[FIELDS_MAX];
    struct http1_parser p;
    struct http1_event event;
    size_t start = 0, end = 0;
    *a = (struct account){0};
    http1_init(&p, kind, &limits, fields);
    while (end < in.len) {
        end += step ? step : (size_t)(rand() % 9);
        end = end < in.len ? end : in.len;
        if (!pump(&p, (struct span){in.data, end}, &start, a))
            return;
    }
    http1_eof(&p, &event);
    tell_event(a, &event, "$");
}

static void every_case_gives_its_result_however_it_is_split(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    srand(seed);
    print_message("seed %u, %zu cases\n", seed, ARRAY_LEN(cases));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct account whole, bytes, pieces;
        play(cases[i].kind, cases[i].input, SIZE_MAX / 2, &whole);
        assert_string_equal(whole.text, cases[i].result_z);
        play(cases[i].kind, cases[i].input, 1, &bytes);
        assert_string_equal(bytes.text, cases[i].result_z);
        for (int k = 0; k < SPLITS; k++) {
            play(cases[i].kind, cases[i].input, 0, &pieces);
            assert_string_equal(pieces.text, cases[i].result_z);
        }
    }
}

static void an_error_has_a_status_and_a_sentence(void **state)
{
    (void)state;
    for (int i = 1; i <= HTTP1_BAD_CUT_SHORT; i++) {
        assert_in_range(http1_error_status((enum http1_error)i), 400, 505);
        assert_true(strlen(http1_error_text((enum http1_error)i)) > 10);
    }
}

static void a_broken_machine_stays_broken(void **state)
{
    (void)state;
    struct http1_field fields[FIELDS_MAX];
    struct http1_parser p;
    struct http1_event event;
    static const struct span good = SPAN_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    http1_init(&p, HTTP1_REQUEST, &limits, fields);
    http1_next(&p, (struct span){(const uint8_t *)"\x01", 1}, &event);
    assert_int_equal(event.kind, HTTP1_ERROR);
    assert_int_equal(http1_next(&p, good, &event), 0);
    assert_int_equal(event.kind, HTTP1_ERROR);
    assert_int_equal(event.error, HTTP1_BAD_METHOD);
    http1_eof(&p, &event);
    assert_int_equal(event.error, HTTP1_BAD_METHOD);
}

static enum http1_body body_after(const char *method_z, const char *input_z,
                                  struct http1_event *event)
{
    static struct http1_field fields[FIELDS_MAX];
    struct http1_parser p;
    http1_init(&p, HTTP1_RESPONSE, &limits, fields);
    http1_expect(&p, span_z(method_z));
    struct span in = span_z(input_z);
    size_t done = http1_next(&p, in, event);
    while (event->kind == HTTP1_HEAD && event->head.status < 200) {
        in = span_slice(in, done, in.len);
        done = http1_next(&p, in, event); /* the end of it */
        assert_int_equal(event->kind, HTTP1_END);
        done = http1_next(&p, in, event);
    }
    assert_int_equal(event->kind, HTTP1_HEAD);
    return event->head.body;
}

static void what_was_asked_decides_whether_there_is_a_body(void **state)
{
    (void)state;
    struct http1_event event;
    const char *sized_z = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_int_equal(body_after("GET", sized_z, &event), HTTP1_BODY_LENGTH);
    assert_int_equal(body_after("HEAD", sized_z, &event), HTTP1_BODY_NONE);
    assert_true(event.head.has_length);
    assert_int_equal(event.head.length, 5);
    assert_int_equal(body_after("CONNECT", sized_z, &event), HTTP1_BODY_NONE);
    assert_int_equal(body_after("CONNECT", "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", &event),
                     HTTP1_BODY_LENGTH);
    assert_int_equal(body_after("HEAD",
                                "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                                &event),
                     HTTP1_BODY_NONE);
}

static void a_head_tells_what_it_asks_for(void **state)
{
    (void)state;
    struct http1_field fields[FIELDS_MAX];
    struct http1_parser p;
    struct http1_event event;
    struct span in = span_z("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, keep-alive\r\n"
                            "Upgrade: websocket\r\nExpect: 100-Continue\r\nx-Name:  v w \r\n\r\n");
    http1_init(&p, HTTP1_REQUEST, &limits, fields);
    assert_int_equal(http1_next(&p, in, &event), in.len);
    assert_true(event.head.upgrade && event.head.expect_continue && event.head.keep_alive);
    assert_true(span_equal_z(event.head.host, "a"));
    assert_int_equal(http1_find(&event.head, "X-NAME", 0), 4);
    assert_true(span_equal_z(http1_value(&event.head, 4), "v w"));
    assert_true(span_equal_z(http1_name(&event.head, 4), "x-Name"));
    assert_int_equal(http1_find(&event.head, "x-name", 5), -1);
    assert_int_equal(http1_find(&event.head, "none", 0), -1);
}

static void the_defaults_are_filled_in(void **state)
{
    (void)state;
    struct http1_limits l = http1_limits_of(NULL);
    assert_int_equal(l.head_max, HTTP1_HEAD_MAX_DEFAULT);
    assert_int_equal(l.line_max, HTTP1_LINE_MAX_DEFAULT);
    l = http1_limits_of(&(struct http1_limits){.head_max = 5});
    assert_int_equal(l.head_max, 5);
    assert_int_equal(l.fields_max, HTTP1_FIELDS_MAX_DEFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_gives_its_result_however_it_is_split),
        cmocka_unit_test(an_error_has_a_status_and_a_sentence),
        cmocka_unit_test(a_broken_machine_stays_broken),
        cmocka_unit_test(what_was_asked_decides_whether_there_is_a_body),
        cmocka_unit_test(a_head_tells_what_it_asks_for),
        cmocka_unit_test(the_defaults_are_filled_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
