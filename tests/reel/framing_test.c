/* Length prefixes and netstrings: whole, byte by byte, cut, too long, nonsense. */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What came, as text: "(frame)" each, "T<length>" for one too long, "B" for nonsense. */
struct log {
    char text[4096];
    size_t len;
    size_t big; /* length of the last frame that was too long for `text` */
    int lost, reason, frames;
    bool pause, echo;
    struct reel_transport *t;
};

static void put(struct log *log, const char *format_z, size_t len, const char *text)
{
    log->len += (size_t)snprintf(log->text + log->len, sizeof(log->text) - log->len, format_z,
                                 (int)len, text);
    assert_true(log->len < sizeof(log->text));
}

static void on_made(struct reel_transport *t)
{
    struct log *log = reel_shared(t);
    log->t = t;
}

static void on_frame(struct reel_transport *t, const uint8_t *frame, size_t len)
{
    struct log *log = reel_shared(t);
    log->frames++;
    if (len > 1000)
        log->big = len;
    else
        put(log, "(%.*s)", len, (const char *)frame);
    if (log->pause)
        reel_pause_reading(t);
    if (log->echo)
        assert_int_equal(reel_frame_write(t, frame, len), 0);
}

static void on_too_long(struct reel_transport *t, uint64_t len)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)len);
    put(reel_shared(t), "T%.*s", strlen(text), text);
    reel_write(t, "bye", 3);
}

static void on_bad(struct reel_transport *t)
{
    put(reel_shared(t), "B%.*s", 0, "");
}

static void on_lost(struct reel_transport *t, int reason)
{
    struct log *log = reel_shared(t);
    log->lost++;
    log->reason = reason;
    log->t = NULL;
}

#define FRAMES(NAME, KIND)                                                                        \
    static const struct reel_frame_protocol NAME = {                                              \
        .protocol = {.name_z = #NAME, .made = on_made, .data = reel_frame_data, .lost = on_lost}, \
        .kind = KIND,                                                                             \
        .frame_max = 300,                                                                         \
        .frame = on_frame,                                                                        \
        .too_long = on_too_long,                                                                  \
        .bad = on_bad,                                                                            \
    }
FRAMES(int8, REEL_FRAME_INT8);
FRAMES(int16, REEL_FRAME_INT16);
FRAMES(int32, REEL_FRAME_INT32);
FRAMES(int16_le, REEL_FRAME_INT16_LE);
FRAMES(int32_le, REEL_FRAME_INT32_LE);
FRAMES(netstrings, REEL_FRAME_NETSTRING);

/* Only what a protocol must have. */
#define PLAIN(KIND)                                                                            \
    {                                                                                          \
        .protocol = {.made = on_made, .data = reel_frame_data, .lost = on_lost}, .kind = KIND, \
        .frame = on_frame                                                                      \
    }

struct bed {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct log log;
    struct reel_factory factory;
    struct reel_test_peer *peer;
};

static void bed_init(struct bed *bed, const struct reel_frame_protocol *protocol)
{
    struct reel_reactor_options options = {.allocator = counting_allocator(&bed->counts)};
    struct reel_transport *t = NULL;
    memset(&bed->log, 0, sizeof(bed->log));
    bed->r = reel_test_reactor_new(&options, 0);
    assert_non_null(bed->r);
    bed->factory = (struct reel_factory){.protocol = &protocol->protocol, .shared = &bed->log};
    assert_int_equal(reel_test_peer_new(bed->r, &bed->factory, NULL, &bed->peer, &t), 0);
    reel_test_advance(bed->r, 0);
}

static void bed_fini(struct bed *bed)
{
    reel_test_peer_free(bed->peer);
    reel_reactor_free(bed->r);
    assert_int_equal(bed->counts.live, 0);
}

/* Seed 0: whole; 1: byte by byte; else at random. */
static void feed(struct bed *bed, const char *bytes, size_t len, unsigned seed)
{
    unsigned x = seed;
    for (size_t at = 0; at < len;) {
        x = x * 1103515245 + 12345;
        size_t n = seed == 0 ? len : seed == 1 ? 1 : 1 + (x >> 16) % 9;
        n = n < len - at ? n : len - at;
        if (reel_test_send(bed->peer, bytes + at, n) < 0)
            return; /* closed on us */
        reel_test_advance(bed->r, 0);
        at += n;
    }
}

static const struct row {
    const struct reel_frame_protocol *protocol;
    const char *in;
    size_t len;
    const char *want_z;
} rows[] = {
#define ROW(protocol, in, want_z)             \
    {                                         \
        &protocol, in, sizeof(in) - 1, want_z \
    }
    ROW(int8,
        "\x03"
        "abc"
        "\0"
        "\x01"
        "d"
        "\x05"
        "unf",
        "(abc)()(d)"),
    ROW(int16,
        "\0\x03"
        "abc"
        "\0\0"
        "\0\x01"
        "d"
        "\0",
        "(abc)()(d)"),
    ROW(int16,
        "\0\x01"
        "a"
        "\x01\x2d"
        "xxx",
        "(a)T301"),
    ROW(int32,
        "\0\0\0\x03"
        "abc"
        "\0\0\0\0"
        "\0\0\0\x01"
        "d"
        "\0\0\0",
        "(abc)()(d)"),
    ROW(int32,
        "\xff\xff\xff\xff"
        "abc",
        "T4294967295"),
    ROW(int16_le,
        "\x03\0"
        "abc"
        "\0\0"
        "\x2d\x01",
        "(abc)()T301"),
    ROW(int32_le,
        "\x03\0\0\0"
        "abc"
        "\0\0\0\x80",
        "(abc)T2147483648"),
    ROW(netstrings, "3:abc,0:,10:0123456789,2:a", "(abc)()(0123456789)"),
    ROW(netstrings, "1:a,301:", "(a)T301"),
    ROW(netstrings, "99999999999999999999999999", "T9999999999"),
    ROW(netstrings, "3:abcd", "B"),
    ROW(netstrings, "1:a,01:b,", "(a)B"),
    ROW(netstrings, "00", "B"),
    ROW(netstrings, ":,", "B"),
    ROW(netstrings, "-1:,", "B"),
    ROW(netstrings, "1:a, 1:b,", "(a)B"),
    ROW(netstrings, "1a:,", "B"),
};

static void any_split_gives_the_same_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned seed = 0; seed < 30; seed++) {
            struct bed bed;
            bed_init(&bed, rows[i].protocol);
            feed(&bed, rows[i].in, rows[i].len, seed);
            if (strcmp(bed.log.text, rows[i].want_z) != 0)
                fail_msg("row %zu, seed %u: %s, not %s", i, seed, bed.log.text, rows[i].want_z);
            bool refused = strpbrk(rows[i].want_z, "TB") != NULL;
            assert_int_equal(bed.log.lost, refused);
            assert_int_equal(bed.log.reason, 0);
            bed_fini(&bed);
        }
    }
}

static void a_last_word_is_possible(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, &int16);
    feed(&bed, "\xff\xff", 2, 0);
    size_t len = 0;
    const uint8_t *got = reel_test_received(bed.peer, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(got, "bye", 3);
    bed_fini(&bed);
}

static void without_functions_bad_frames_end_the_connection(void **state)
{
    (void)state;
    static const struct reel_frame_protocol plain16 = PLAIN(REEL_FRAME_INT32),
                                            plain_net = PLAIN(REEL_FRAME_NETSTRING);
    struct bed bed;
    bed_init(&bed, &plain16);
    feed(&bed, "\0\x01\x86\xa0", 4, 1); /* 100000 */
    assert_int_equal(bed.log.lost, 1);
    assert_int_equal(bed.log.reason, -EMSGSIZE);
    bed_fini(&bed);
    bed_init(&bed, &plain_net);
    feed(&bed, "x", 1, 1);
    assert_int_equal(bed.log.lost, 1);
    assert_int_equal(bed.log.reason, -EPROTO);
    bed_fini(&bed);
}

static void the_longest_frame_passes_in_crumbs(void **state)
{
    (void)state;
    static const struct reel_frame_protocol plain32 = PLAIN(REEL_FRAME_INT32);
    static char bytes[4 + REEL_FRAME_MAX_DEFAULT] = {0, 1, (char)0x86, (char)0x9f};
    struct bed bed;
    bed_init(&bed, &plain32);
    feed(&bed, bytes, sizeof(bytes), 7);
    assert_int_equal(bed.log.frames, 1);
    assert_int_equal(bed.log.big, REEL_FRAME_MAX_DEFAULT);
    bed_fini(&bed);
}

static void what_is_written_comes_back(void **state)
{
    (void)state;
    static const struct {
        const struct reel_frame_protocol *protocol;
        const char *in;
        size_t len;
    } echoes[] = {
        {&int8, "\x02hi\0", 4},
        {&int16, "\0\x02hi\0\0", 6},
        {&int32, "\0\0\0\x02hi\0\0\0\0", 10},
        {&int16_le, "\x02\0hi\0\0", 6},
        {&int32_le, "\x02\0\0\0hi\0\0\0\0", 10},
        {&netstrings, "2:hi,0:,12:hello, world,", 24},
    };
    for (size_t i = 0; i < sizeof(echoes) / sizeof(echoes[0]); i++) {
        struct bed bed;
        bed_init(&bed, echoes[i].protocol);
        bed.log.echo = true;
        feed(&bed, echoes[i].in, echoes[i].len, 1);
        size_t len = 0;
        const uint8_t *got = reel_test_received(bed.peer, &len);
        assert_int_equal(len, echoes[i].len);
        assert_memory_equal(got, echoes[i].in, len);
        bed_fini(&bed);
    }
}

static void a_frame_is_written_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char big[70000] = {0};
    struct bed bed;
    bed_init(&bed, &int8);
    assert_int_equal(reel_frame_write(bed.log.t, big, 256), -EMSGSIZE);
    assert_int_equal(reel_frame_write(bed.log.t, big, 255), 0);
    bed_fini(&bed);
    bed_init(&bed, &int16);
    assert_int_equal(reel_frame_write(bed.log.t, big, 65536), -EMSGSIZE);
    bed.factory.options.queue_max = 100;
    assert_int_equal(reel_frame_write(bed.log.t, big, 99), -ENOBUFS);
    assert_int_equal(reel_write_pending(bed.log.t), 0);
    assert_int_equal(reel_frame_write(bed.log.t, big, 98), 0);
    assert_int_equal(reel_frame_write(bed.log.t, big, 0), -ENOBUFS);
    reel_close(bed.log.t);
    assert_int_equal(reel_frame_write(bed.log.t, big, 0), -EPIPE);
    bed_fini(&bed);
    bed_init(&bed, &netstrings);
    bed.factory.options.queue_max = 12;
    assert_int_equal(reel_frame_write(bed.log.t, big, 10), -ENOBUFS);
    assert_int_equal(reel_frame_write(bed.log.t, big, 9), 0);
    bed_fini(&bed);
}

static void out_of_memory_in_the_middle_of_a_frame_is_the_end(void **state)
{
    (void)state;
    static const char big[5000] = {0};
    for (long allowed = 0; allowed < 3; allowed++) {
        struct bed bed;
        bed_init(&bed, &int16);
        reel_test_read(bed.peer, false);
        reel_test_advance(bed.r, 0);
        bed.counts.fail_after = allowed;
        int err = 0;
        for (int i = 0; i < 100 && err == 0; i++) /* until the turn's memory is used up */
            err = reel_frame_write(bed.log.t, big, sizeof(big));
        bed.counts.fail_after = -1;
        assert_int_equal(err, -ENOMEM);
        reel_test_advance(bed.r, 0);
        if (bed.log.lost)
            assert_int_equal(bed.log.reason, -ENOMEM);
        else
            assert_int_equal(reel_write_pending(bed.log.t) % (sizeof(big) + 2), 0);
        bed_fini(&bed);
    }
}

static void a_pause_holds_the_next_frame(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, &int8);
    bed.log.pause = true;
    feed(&bed,
         "\x01"
         "a\x01"
         "b\x01"
         "c",
         6, 0);
    for (int frames = 1; frames <= 3; frames++) {
        assert_int_equal(bed.log.frames, frames);
        reel_resume_reading(bed.log.t);
        reel_test_advance(bed.r, 0);
    }
    assert_string_equal(bed.log.text, "(a)(b)(c)");
    bed_fini(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same_frames),
        cmocka_unit_test(a_last_word_is_possible),
        cmocka_unit_test(without_functions_bad_frames_end_the_connection),
        cmocka_unit_test(the_longest_frame_passes_in_crumbs),
        cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(a_frame_is_written_whole_or_not_at_all),
        cmocka_unit_test(out_of_memory_in_the_middle_of_a_frame_is_the_end),
        cmocka_unit_test(a_pause_holds_the_next_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
