/* Frames: what is put comes back, cut short it waits, and broken it is refused. */
#include "base/error.h"
#include "events/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct event_sensor SENSOR = {.name = SPAN_LIT("s"), .uuid = SPAN_LIT("u")};
static const struct event_origin ORIGIN = {.session = SPAN_LIT("0123456789ab"),
                                           .protocol = SPAN_LIT("ssh"),
                                           .src_ip = SPAN_LIT("192.0.2.7"),
                                           .dst_ip = SPAN_LIT("192.0.2.8")};

/* One frame of each kind, in the order of the kinds. */
static void put_all(struct buffer *out)
{
    struct event e = event_make(EVENT_AGENT_REQUEST, &ORIGIN, 5);
    struct frame_hello hello = {.boot = 99, .name = SPAN_LIT("lured 1")};
    struct frame_tty_open open = {.session = ORIGIN.session,
                                  .recording = 3,
                                  .width = 80,
                                  .height = 24,
                                  .time_us = 7,
                                  .term = SPAN_LIT("xterm"),
                                  .command = SPAN_LIT("")};
    struct frame_tty_data data = {.session = ORIGIN.session,
                                  .recording = 3,
                                  .way = FRAME_TTY_OUT,
                                  .time_us = -8,
                                  .bytes = SPAN_LIT("hello\r\n")};
    struct frame_tty_close close = {.session = ORIGIN.session, .recording = 3, .time_us = 9};
    struct frame_artefact artefact = {.session = ORIGIN.session,
                                      .shasum = {1, 2, 3},
                                      .size = 10,
                                      .offset = 6,
                                      .bytes = SPAN_LIT("tail")};
    assert_int_equal(frame_put_hello(out, &hello), 0);
    assert_int_equal(frame_put_ack(out, 1234567890123), 0);
    assert_int_equal(frame_put_event(out, &e, &SENSOR), 0);
    assert_int_equal(frame_put_tty_open(out, &open), 0);
    assert_int_equal(frame_put_tty_data(out, &data), 0);
    assert_int_equal(frame_put_tty_close(out, &close), 0);
    assert_int_equal(frame_put_artefact(out, &artefact), 0);
    const struct frame_keylog keylog = {.lines = SPAN_LIT("c SHARED_SECRET s\n")};
    assert_int_equal(frame_put_keylog(out, &keylog), 0);
    const struct frame_visitor visitor = {.address = {1, 2}, .login = {[15] = 3}};
    const struct frame_visit_ask ask = {.session = ORIGIN.session, .visitor = visitor};
    const struct frame_visit_keep keep = {.session = ORIGIN.session,
                                          .visitor = visitor,
                                          .size = 10,
                                          .offset = 7,
                                          .bytes = SPAN_LIT("end")};
    const struct frame_visit visit = {.session = ORIGIN.session,
                                      .known = true,
                                      .visitor = visitor,
                                      .size = 5,
                                      .offset = 0,
                                      .bytes = SPAN_LIT("whole")};
    assert_int_equal(frame_put_visit_ask(out, &ask), 0);
    assert_int_equal(frame_put_visit_keep(out, &keep), 0);
    assert_int_equal(frame_put_visit(out, &visit), 0);
    const struct frame_visitor both[] = {visitor, {.address = {9}}};
    const struct frame_visitors visitors = {.list = span_of(both, sizeof(both))};
    assert_int_equal(frame_put_visitors(out, &visitors), 0);
}

static struct span next(struct span rest, struct frame *f)
{
    int64_t n = frame_read(rest, f);
    assert_true(n > 0);
    assert_int_equal(n, frame_size(rest));
    return span_slice(rest, (size_t)n, rest.len);
}

static void every_kind_comes_back(void **state)
{
    (void)state;
    struct buffer out;
    struct frame f;
    buffer_init(&out, 2 * FRAME_MAX);
    put_all(&out);
    struct span rest = next(buffer_span(&out), &f);
    assert_int_equal(f.kind, FRAME_HELLO);
    assert_int_equal(f.hello.boot, 99);
    assert_true(span_equal_z(f.hello.name, "lured 1"));
    rest = next(rest, &f);
    assert_int_equal(f.kind, FRAME_ACK);
    assert_int_equal(f.number, 1234567890123);
    rest = next(rest, &f);
    assert_int_equal(f.kind, FRAME_EVENT);
    assert_int_equal(f.event.type, EVENT_AGENT_REQUEST);
    assert_true(span_equal(f.event.session, ORIGIN.session));
    assert_true(span_starts_with(f.event.line, span_z("{\"eventid\":\"lured.agent.request\"")));
    rest = next(rest, &f);
    assert_int_equal(f.tty_open.width * 1000 + f.tty_open.height, 80024);
    assert_true(span_equal_z(f.tty_open.term, "xterm"));
    rest = next(rest, &f);
    assert_int_equal(f.tty_data.time_us, -8);
    assert_int_equal(f.tty_data.way, 'o');
    assert_true(span_equal_z(f.tty_data.bytes, "hello\r\n"));
    rest = next(rest, &f);
    assert_int_equal(f.tty_close.recording, 3);
    rest = next(rest, &f);
    assert_int_equal(f.artefact.shasum[1], 2);
    assert_true(span_equal_z(f.artefact.bytes, "tail"));
    rest = next(rest, &f);
    assert_true(span_equal_z(f.keylog.lines, "c SHARED_SECRET s\n"));
    rest = next(rest, &f);
    assert_int_equal(f.kind, FRAME_VISIT_ASK);
    assert_true(f.visit_ask.visitor.address[1] == 2 && f.visit_ask.visitor.login[15] == 3);
    rest = next(rest, &f);
    assert_true(f.visit_keep.size == 10 && f.visit_keep.offset == 7);
    assert_true(span_equal_z(f.visit_keep.bytes, "end"));
    rest = next(rest, &f);
    assert_true(f.visit.known && f.visit.visitor.login[15] == 3);
    assert_true(span_equal_z(f.visit.bytes, "whole"));
    rest = next(rest, &f);
    assert_int_equal(f.kind, FRAME_VISITORS);
    struct frame_visitor each;
    assert_true(frame_visitor_at(f.visitors.list, 0, &each) && each.login[15] == 3);
    assert_true(frame_visitor_at(f.visitors.list, 1, &each) && each.address[0] == 9);
    assert_false(frame_visitor_at(f.visitors.list, 2, &each));
    assert_int_equal(rest.len, 0);
    buffer_fini(&out);
}

static void number_is_written_into_a_frame(void **state)
{
    (void)state;
    struct buffer out;
    struct frame f;
    buffer_init(&out, FRAME_MAX);
    put_all(&out);
    frame_number(out.data + out.start, 0x0102030405060708);
    (void)next(buffer_span(&out), &f);
    assert_true(f.number == 0x0102030405060708);
    buffer_fini(&out);
}

static void frame_cut_short_waits_for_more(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, FRAME_MAX);
    put_all(&out);
    struct span rest = buffer_span(&out);
    while (rest.len > 0) {
        struct frame f;
        size_t size = (size_t)frame_size(rest);
        for (size_t n = 0; n < size; n++)
            assert_int_equal(frame_read(span_slice(rest, 0, n), &f), 0);
        rest = next(rest, &f);
    }
    buffer_fini(&out);
}

/* A length that lies: the payload is shorter or longer than its fields. */
static void frame_of_the_wrong_length_is_refused(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, FRAME_MAX);
    put_all(&out);
    struct span rest = buffer_span(&out);
    while (rest.len > 0) {
        uint8_t copy[4096] = {0};
        struct frame f;
        size_t size = (size_t)frame_size(rest);
        assert_true(size + 1 < sizeof(copy));
        memcpy(copy, rest.data, size);
        copy[3] = (uint8_t)(copy[3] + 1);
        copy[2] = (uint8_t)(copy[2] + (copy[3] == 0));
        assert_int_equal(frame_read(span_of(copy, sizeof(copy)), &f), ERR_MALFORMED);
        memcpy(copy, rest.data, size);
        copy[2] = (uint8_t)(copy[2] - (copy[3] == 0));
        copy[3] = (uint8_t)(copy[3] - 1);
        assert_int_equal(frame_read(span_of(copy, sizeof(copy)), &f), ERR_MALFORMED);
        rest = next(rest, &f);
    }
    buffer_fini(&out);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    struct frame f;
    static const uint8_t TOO_SHORT[] = {0, 0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t TOO_LONG[] = {0x7f, 0xff, 0xff, 0xff, 2};
    static const uint8_t NO_KIND[] = {0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t BAD_KIND[] = {0, 0, 0, 9, 200, 0, 0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(frame_read(span_of(TOO_SHORT, sizeof(TOO_SHORT)), &f), ERR_MALFORMED);
    assert_int_equal(frame_read(span_of(TOO_LONG, sizeof(TOO_LONG)), &f), ERR_MALFORMED);
    assert_int_equal(frame_size(span_of(TOO_LONG, 4)), ERR_MALFORMED);
    assert_int_equal(frame_read(span_of(NO_KIND, sizeof(NO_KIND)), &f), ERR_MALFORMED);
    assert_int_equal(frame_read(span_of(BAD_KIND, sizeof(BAD_KIND)), &f), ERR_MALFORMED);
}

/* A sensor that was taken over may send anything: names that would leave the directory, lines that
 * would be two. */
static void dangerous_values_are_refused(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"", "../x", "a/b", "A", "a.b", "a b"};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        struct buffer out;
        struct frame f;
        struct frame_tty_close close = {.session = span_z(NAMES[i])};
        buffer_init(&out, FRAME_MAX);
        assert_int_equal(frame_put_tty_close(&out, &close), 0);
        assert_int_equal(frame_read(buffer_span(&out), &f), ERR_MALFORMED);
        buffer_fini(&out);
    }
    struct buffer out;
    struct frame f;
    buffer_init(&out, FRAME_MAX);
    struct event e = event_make(EVENT_AGENT_REQUEST, NULL, 5);
    assert_int_equal(frame_put_event(&out, &e, &SENSOR), 0);
    assert_true(frame_read(buffer_span(&out), &f) > 0);
    out.data[out.end - 2] = '\n';
    assert_int_equal(frame_read(buffer_span(&out), &f), ERR_MALFORMED);
    buffer_fini(&out);
}

static void flipped_bytes_never_break_the_reader(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, FRAME_MAX);
    put_all(&out);
    size_t len = buffer_len(&out);
    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            /* A copy of the exact size, so that a read past the end is seen. */
            uint8_t *copy = malloc(len);
            assert_non_null(copy);
            memcpy(copy, out.data + out.start, len);
            copy[i] ^= (uint8_t)(1U << bit);
            struct span rest = span_of(copy, len);
            struct frame f;
            int64_t n = 0;
            while ((n = frame_read(rest, &f)) > 0)
                rest = span_slice(rest, (size_t)n, rest.len);
            assert_true(n == 0 || n == ERR_MALFORMED);
            free(copy);
        }
    }
    buffer_fini(&out);
}

static void long_terminal_output_is_split(void **state)
{
    (void)state;
    size_t len = 2 * FRAME_TTY_MAX + 1;
    uint8_t *big = malloc(len);
    assert_non_null(big);
    for (size_t i = 0; i < len; i++)
        big[i] = (uint8_t)i;
    struct frame_tty_data data = {
        .session = ORIGIN.session, .way = FRAME_TTY_IN, .bytes = span_of(big, len)};
    struct buffer out;
    buffer_init(&out, 4 * FRAME_TTY_MAX);
    assert_int_equal(frame_put_tty_data(&out, &data), 0);
    size_t seen = 0;
    int frames = 0;
    for (struct span rest = buffer_span(&out); rest.len > 0; frames++) {
        struct frame f;
        rest = next(rest, &f);
        assert_memory_equal(f.tty_data.bytes.data, big + seen, f.tty_data.bytes.len);
        seen += f.tty_data.bytes.len;
    }
    assert_int_equal(frames, 3);
    assert_int_equal(seen, len);
    buffer_fini(&out);

    /* All or nothing. */
    buffer_init(&out, 2 * FRAME_TTY_MAX);
    assert_int_equal(buffer_put_z(&out, "x"), 0);
    assert_int_equal(frame_put_tty_data(&out, &data), ERR_FULL);
    assert_int_equal(buffer_len(&out), 1);
    buffer_fini(&out);
    free(big);
}

static void full_buffer_is_left_as_it_was(void **state)
{
    (void)state;
    struct event e = event_make(EVENT_AGENT_REQUEST, &ORIGIN, 5);
    struct buffer whole;
    buffer_init(&whole, FRAME_MAX);
    assert_int_equal(frame_put_event(&whole, &e, &SENSOR), 0);
    /* One byte more than the frame is asked for: the line feed that frames leave out. */
    for (size_t max = 1; max <= buffer_len(&whole); max++) {
        struct buffer out;
        buffer_init(&out, max);
        assert_int_equal(buffer_put_z(&out, "x"), 0);
        assert_int_equal(frame_put_event(&out, &e, &SENSOR), ERR_FULL);
        assert_int_equal(buffer_len(&out), 1);
        buffer_fini(&out);
    }
    buffer_fini(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(number_is_written_into_a_frame),
        cmocka_unit_test(frame_cut_short_waits_for_more),
        cmocka_unit_test(frame_of_the_wrong_length_is_refused),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(dangerous_values_are_refused),
        cmocka_unit_test(flipped_bytes_never_break_the_reader),
        cmocka_unit_test(long_terminal_output_is_split),
        cmocka_unit_test(full_buffer_is_left_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
