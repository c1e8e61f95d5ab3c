/* Frames as messages: every split, and peers that do not keep to RFC 6455. */
#include "helper.h"

#include "reel/websocket/handshake.h"
#include "reel/websocket/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct counting_allocator counts;

static void begin(struct ws_machine *m, bool is_client, size_t max)
{
    const struct reel_allocator allocator = counting_allocator(&counts);
    assert_int_equal(reel_ws_init(m, is_client, max, &allocator), 0);
}

static void finish(struct ws_machine *m)
{
    reel_ws_fini(m);
    assert_int_equal(counts.live, 0);
}

/* What came of it, a word an event. */
struct story {
    char text[4096];
};

static void note(struct story *story, const struct ws_event *event)
{
    static const char *const names[] = {"message", "ping", "pong", "close", "broken"};
    size_t at = strlen(story->text), room = sizeof(story->text) - at;
    if (event->kind == WS_EVENT_BROKEN)
        snprintf(story->text + at, room, "broken:%d ", event->code);
    else if (event->kind == WS_EVENT_CLOSE)
        snprintf(story->text + at, room, "close:%d:%.*s ", event->code, (int)event->len,
                 (const char *)event->data);
    else
        snprintf(story->text + at, room, "%s:%d:%.*s ", names[event->kind], event->opcode,
                 (int)event->len, (const char *)event->data);
}

static void give(struct ws_machine *m, struct story *story, const uint8_t *data, size_t len,
                 size_t piece)
{
    for (size_t at = 0; at < len && !m->reason; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        struct ws_event event;
        bool more = reel_ws_next(m, data + at, n, &event);
        while (more) {
            note(story, &event);
            more = !m->reason && reel_ws_next(m, NULL, 0, &event);
        }
        assert_true(m->reason || m->in_len == 0);
    }
}

/* Frames as a list of words, put together by the other side's machine. */
struct frame {
    enum ws_opcode opcode;
    bool is_final;
    const char *text_z;
};

static size_t put_together(const struct frame *frames, bool by_client, uint8_t *out)
{
    struct ws_machine peer;
    size_t len = 0;
    begin(&peer, by_client, 100);
    for (; frames->text_z; frames++)
        len += reel_ws_frame(&peer, frames->opcode, frames->is_final, frames->text_z,
                             strlen(frames->text_z), out + len);
    finish(&peer);
    return len;
}

static void expect(const struct frame *frames, const char *story_z)
{
    uint8_t bytes[4096];
    for (int by_client = 0; by_client < 2; by_client++) {
        size_t len = put_together(frames, by_client, bytes);
        for (size_t piece = 1; piece <= len; piece++) {
            struct ws_machine m;
            struct story story = {""};
            begin(&m, !by_client, 1000);
            give(&m, &story, bytes, len, piece);
            assert_string_equal(story.text, story_z);
            finish(&m);
        }
    }
}

static void messages_come_whole_whatever_the_splits(void **state)
{
    (void)state;
    expect((const struct frame[]){{WS_TEXT, true, "hello"},
                                  {WS_BINARY, true, ""},
                                  {WS_TEXT, false, "one "},
                                  {WS_PING, true, "between"},
                                  {WS_CONTINUATION, false, ""},
                                  {WS_PONG, true, ""},
                                  {WS_CONTINUATION, true, "two"},
                                  {WS_TEXT, false, "\xe2"},
                                  {WS_CONTINUATION, true, "\x82\xac"},
                                  {WS_CLOSE, true,
                                   "\x03\xe9"
                                   "bye"},
                                  {0, false, NULL}},
           "message:1:hello message:2: ping:0:between pong:0: message:1:one two "
           "message:1:\xe2\x82\xac close:1001:bye ");
    expect((const struct frame[]){{WS_CLOSE, true, ""}, {0, false, NULL}}, "close:1005: ");
}

static void long_messages_have_longer_lengths(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 125, 126, 127, 65535, 65536, 200000};
    static uint8_t payload[200000], bytes[200000 + WS_HEADER_MAX];
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]) * 2; i++) {
        size_t len = lens[i / 2];
        struct ws_machine from, to;
        begin(&from, i % 2, 1);
        size_t n = reel_ws_frame(&from, WS_BINARY, true, payload, len, bytes);
        assert_int_equal(n, len + (len < 126 ? 2 : len < 65536 ? 4 : 10) + (i % 2 ? 4 : 0));
        reel_ws_fini(&from);
        begin(&to, !(i % 2), sizeof(payload));
        struct ws_event event;
        assert_true(reel_ws_next(&to, bytes, n, &event));
        assert_int_equal(event.kind, WS_EVENT_MESSAGE);
        assert_int_equal(event.len, len);
        if (len)
            assert_memory_equal(event.data, payload, len);
        assert_false(reel_ws_next(&to, NULL, 0, &event));
        assert_true(to.message_cap <= WS_KEEP_BYTES); /* nothing is kept of it */
        finish(&to);
    }
}

static void what_the_rfc_forbids_breaks_it(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[16];
        size_t len;
        const char *story_z;
    } cases[] = {
        {{0x81, 0x80, 0, 0, 0, 0}, 6, "broken:1002 "}, /* masked by a server */
        {{0xc1, 0x00}, 2, "broken:1002 "},             /* a reserved bit */
        {{0x83, 0x00}, 2, "broken:1002 "},             /* unknown opcodes */
        {{0x8b, 0x00}, 2, "broken:1002 "},
        {{0x80, 0x00}, 2, "broken:1002 "},                       /* nothing to continue */
        {{0x01, 0x01, 'a', 0x81, 0x01, 'b'}, 6, "broken:1002 "}, /* a message in a message */
        {{0x09, 0x00}, 2, "broken:1002 "},                       /* control frames in pieces ... */
        {{0x89, 126, 0, 126}, 4, "broken:1002 "},                /* ... or too long */
        {{0x88, 0x01, 3}, 3, "broken:1002 "},                    /* half a code */
        {{0x88, 0x02, 3, 0xed}, 4, "broken:1002 "},              /* 1005 */
        {{0x88, 0x02, 3, 0xee}, 4, "broken:1002 "},              /* 1006 */
        {{0x88, 0x02, 0, 1}, 4, "broken:1002 "},
        {{0x88, 0x02, 0x13, 0x88}, 4, "broken:1002 "}, /* 5000 */
        {{0x88, 0x03, 3, 0xe8, 0xff}, 5, "broken:1007 "},
        {{0x81, 0x01, 0xff}, 3, "broken:1007 "},
        {{0x81, 0x02, 0xc0, 0x80}, 4, "broken:1007 "},       /* overlong */
        {{0x81, 0x03, 0xed, 0xa0, 0x80}, 5, "broken:1007 "}, /* a surrogate */
        {{0x81, 0x04, 0xf4, 0x90, 0x80, 0x80}, 6, "broken:1007 "},
        {{0x81, 0x02, 0xe2, 0x82}, 4, "broken:1007 "}, /* cut short */
        {{0x01, 0x02, 0xe2, 0x82, 0x80, 0x01, 'x'}, 7, "broken:1007 "},
        {{0x82, 126, 0x03, 0xe9, 'a'}, 5, "broken:1009 "}, /* 1001 bytes announced */
        {{0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255, 'a'}, 11, "broken:1009 "},
        {{0x82, 127, 0xff, 255, 255, 255, 255, 255, 255, 255, 'a'}, 11, "broken:1002 "},
        {{0x82, 126, 0, 5, 1, 2, 3, 4, 5}, 9, "broken:1002 "}, /* a length longer than it must be */
        {{0x82, 0x02, 1, 2, 0x81, 0x01, 0x80}, 7, "message:2:\x01\x02 broken:1007 "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t piece = 1; piece <= cases[i].len; piece++) {
            struct ws_machine m;
            struct story story = {""};
            begin(&m, true, 1000);
            give(&m, &story, cases[i].bytes, cases[i].len, piece);
            if (strcmp(story.text, cases[i].story_z) != 0)
                fail_msg("case %zu in pieces of %zu: %s", i, piece, story.text);
            struct ws_event event;
            assert_true(reel_ws_next(&m, NULL, 0, &event)); /* it sticks */
            assert_int_equal(event.kind, WS_EVENT_BROKEN);
            finish(&m);
        }
    }
    struct ws_machine m;
    struct story story = {""};
    begin(&m, false, 1000);
    give(&m, &story, (const uint8_t *)"\x81\x01x", 3, 3);
    assert_string_equal(story.text, "broken:1002 "); /* not masked by a client */
    finish(&m);
}

static void fragments_add_up_to_the_maximum(void **state)
{
    (void)state;
    struct ws_machine m;
    struct story story = {""};
    static const uint8_t good[] = {0x02, 3, 1, 2, 3, 0x80, 2, 4, 5};
    static const uint8_t bad[] = {0x02, 3, 1, 2, 3, 0x00, 2, 4, 5, 0x80, 1, 6};
    begin(&m, true, 5);
    give(&m, &story, good, sizeof(good), 99);
    assert_string_equal(story.text, "message:2:\1\2\3\4\5 ");
    give(&m, &story, bad, sizeof(bad), 99);
    assert_string_equal(story.text, "message:2:\1\2\3\4\5 broken:1009 ");
    finish(&m);
}

static void out_of_memory_ends_it_with_a_code(void **state)
{
    (void)state;
    for (int after = 0; after < 3; after++) {
        struct ws_machine m;
        struct story story = {""};
        static const uint8_t bytes[] = {0x02, 1, 'a', 0x00, 8, 1,    1, 1,
                                        1,    1, 1,   1,    1, 0x80, 1, 'b'};
        begin(&m, true, 1000);
        counts.fail_after = after;
        give(&m, &story, bytes, sizeof(bytes), 99);
        if (m.reason)
            assert_string_equal(story.text, "broken:1011 ");
        else
            assert_string_equal(story.text, "message:2:a\1\1\1\1\1\1\1\1b ");
        finish(&m);
    }
}

static void the_handshakes_parts_are_those_of_the_rfc(void **state)
{
    (void)state;
    char accept[WS_ACCEPT_LEN + 1], protocol[WS_PROTOCOL_MAX];
    reel_ws_accept_key("dGhlIHNhbXBsZSBub25jZQ==", accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_true(reel_ws_is_key("dGhlIHNhbXBsZSBub25jZQ==", 24));
    assert_false(reel_ws_is_key("dGhlIHNhbXBsZSBub25jZQ=", 23));
    assert_false(reel_ws_is_key("dGhlIHNhbXBsZSBub25jZQaa", 24));
    assert_false(reel_ws_is_key("dGhlIHNhbXBs\nSBub25jZQ==", 24));
    assert_true(reel_ws_choose_protocol("b, a", "a, b", 4, protocol));
    assert_string_equal(protocol, "b");
    assert_false(reel_ws_choose_protocol("b", "a,B", 3, protocol));
    assert_true(reel_ws_is_same_origin("https://Example.org:1", 21, "example.org:1", 13));
    assert_false(reel_ws_is_same_origin("https://evil.example", 20, "example.org", 11));
    assert_false(reel_ws_is_same_origin("null", 4, "null", 4));
    assert_false(reel_ws_is_same_origin("", 0, "", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_whole_whatever_the_splits),
        cmocka_unit_test(long_messages_have_longer_lengths),
        cmocka_unit_test(what_the_rfc_forbids_breaks_it),
        cmocka_unit_test(fragments_add_up_to_the_maximum),
        cmocka_unit_test(out_of_memory_ends_it_with_a_code),
        cmocka_unit_test(the_handshakes_parts_are_those_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
