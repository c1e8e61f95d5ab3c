/* Line protocols: delimiters, maximum, raw parts, pauses; the same result for any split. */
#include "helper.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a connection got, as text: "L(line)", "T(start of one too long)", "R(raw bytes)", "E" at the
 * end of a raw part, "X" at the end. Commands in lines do something; see do_command. */
struct log {
    char text[32768];
    size_t len;
    bool raw_open; /* the last entry is raw: what follows is joined to it */
    size_t raw_max;
    int lost, reason;
    struct reel_transport *t;
};

struct session {
    struct reel_line_state lines;
    int count;
};

static void put(struct log *log, const void *data, size_t len)
{
    assert_true(log->len + len < sizeof(log->text));
    memcpy(log->text + log->len, data, len);
    log->len += len;
    log->text[log->len] = '\0';
}

static void note(struct log *log, char kind, const void *data, size_t len)
{
    log->raw_open = false;
    put(log, &kind, 1);
    put(log, "(", 1);
    put(log, data, len);
    put(log, ")", 1);
}

static const struct reel_line_protocol other_lines;

/* Its handshake is a question mark from the peer. */
static int ask(struct reel_filter *f)
{
    uint8_t byte = 0;
    ssize_t n = reel_filter_receive(f, &byte, 1);
    if (n < 0)
        return (int)n;
    return n == 1 && byte == '?' ? 0 : -EPROTO;
}

static const struct reel_filter_type asker = {
    .name_z = "asker", .size = sizeof(struct reel_filter), .start = ask};

static void do_command(struct reel_transport *t, const char *command_z)
{
    if (strncmp(command_z, "raw ", 4) == 0)
        reel_line_start_raw(t, strtoull(command_z + 4, NULL, 10));
    else if (strcmp(command_z, "raw") == 0)
        reel_line_start_raw(t, REEL_LINE_RAW_ENDLESS);
    else if (strcmp(command_z, "pause") == 0)
        reel_pause_reading(t);
    else if (strcmp(command_z, "close") == 0)
        reel_close(t);
    else if (strcmp(command_z, "other") == 0)
        reel_set_protocol(t, &other_lines.protocol);
    else if (strcmp(command_z, "filter") == 0)
        assert_int_equal(reel_filter_push(t, &asker, NULL), 0);
    else if (strcmp(command_z, "echo") == 0)
        assert_int_equal(reel_line_write(t, "echo", 4), 0);
}

static void on_made(struct reel_transport *t)
{
    struct log *log = reel_shared(t);
    log->t = t;
}

static void on_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    struct session *session = reel_state(t);
    char command_z[16];
    session->count++;
    note(reel_shared(t), 'L', line, len);
    snprintf(command_z, sizeof(command_z), "%.*s", (int)len, (const char *)line);
    do_command(t, command_z);
}

static void on_too_long(struct reel_transport *t, const uint8_t *start, size_t len)
{
    note(reel_shared(t), 'T', start, len);
    if (len > 2 && memcmp(start, "raw", 3) == 0)
        reel_line_start_raw(t, 3);
}

/* A "." ends an endless raw part, behind the dot. */
static size_t on_raw(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct log *log = reel_shared(t);
    if (log->raw_max && len > log->raw_max)
        len = log->raw_max;
    const uint8_t *dot = memchr(data, '.', len);
    if (dot) {
        len = (size_t)(dot - data) + 1;
        reel_line_stop_raw(t);
    }
    if (log->raw_open)
        log->len--; /* the bracket */
    else
        put(log, "R(", 2);
    put(log, data, len);
    put(log, ")", 1);
    log->raw_open = !dot;
    return len;
}

static void on_raw_end(struct reel_transport *t)
{
    struct log *log = reel_shared(t);
    log->raw_open = false;
    put(log, "E", 1);
}

static void on_lost(struct reel_transport *t, int reason)
{
    struct log *log = reel_shared(t);
    put(log, "X", 1);
    log->lost++;
    log->reason = reason;
    log->t = NULL;
}

#define LINES_PROTOCOL                                                            \
    {                                                                             \
        .name_z = "lines", .state_size = sizeof(struct session), .made = on_made, \
        .data = reel_line_data, .lost = on_lost                                   \
    }
#define LINES_FUNCTIONS \
    .line = on_line, .too_long = on_too_long, .raw = on_raw, .raw_end = on_raw_end

static const struct reel_line_protocol any_lines = {
    .protocol = LINES_PROTOCOL,
    .line_max = 10,
    LINES_FUNCTIONS,
};
static const struct reel_line_protocol crlf_lines = {
    .protocol = LINES_PROTOCOL,
    .delimiter = "\r\n",
    .line_max = 10,
    LINES_FUNCTIONS,
};
static const struct reel_line_protocol lf_lines = {
    .protocol = LINES_PROTOCOL,
    .delimiter = "\n",
    .line_max = 10,
    LINES_FUNCTIONS,
};
static const struct reel_line_protocol nul_lines = {
    .protocol = LINES_PROTOCOL,
    .delimiter = "\0",
    .delimiter_size = 1,
    .line_max = 10,
    .keep_end = true,
    LINES_FUNCTIONS,
};
static const struct reel_line_protocol other_lines = {
    .protocol = LINES_PROTOCOL,
    .delimiter = "<br>",
    .line_max = 10,
    LINES_FUNCTIONS,
};

struct bed {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct log log;
    struct reel_factory factory;
    struct reel_test_peer *peer;
};

static void bed_init(struct bed *bed, const struct reel_line_protocol *protocol, size_t chunk_max)
{
    struct reel_reactor_options options = {.allocator = counting_allocator(&bed->counts)};
    struct reel_transport *t = NULL;
    memset(&bed->log, 0, sizeof(bed->log));
    bed->r = reel_test_reactor_new(&options, 0);
    assert_non_null(bed->r);
    bed->factory = (struct reel_factory){.protocol = &protocol->protocol, .shared = &bed->log};
    const struct reel_wire wire = {.chunk_max = chunk_max};
    assert_int_equal(reel_test_peer_new(bed->r, &bed->factory, &wire, &bed->peer, &t), 0);
    reel_test_advance(bed->r, 0);
}

static void bed_fini(struct bed *bed)
{
    reel_test_peer_free(bed->peer);
    reel_reactor_free(bed->r);
    assert_int_equal(bed->counts.live, 0);
}

/* Sends it in pieces of the sizes that `seed` says (0: whole, 1: bytes), each in a turn of its own. */
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

struct row {
    const struct reel_line_protocol *protocol;
    const char *in;
    size_t len;
    const char *want_z;
};

#define ROW(protocol, in, want_z)             \
    {                                         \
        &protocol, in, sizeof(in) - 1, want_z \
    }

static const struct row rows[] = {
    ROW(any_lines, "a\nbc\r\n\n\r\nd\re\r\r\nunfinished", "L(a)L(bc)L()L()L(d\re\r)"),
    ROW(any_lines, "1234567890\n1234567890\r\n", "L(1234567890)L(1234567890)"),
    ROW(any_lines, "12345678901\nok\n", "T(1234567890)L(ok)"),
    ROW(any_lines, "1234567890\rx\nok\n", "T(1234567890)L(ok)"),
    ROW(any_lines, "12345678901234567890123456789\r\nok\n", "T(1234567890)L(ok)"),
    ROW(any_lines, "1234567890123456789012345678901234567890", "T(1234567890)"),
    ROW(crlf_lines, "a\nb\r\nc\r\r\n\r\n\r\rz", "L(a\nb)L(c\r)L()"),
    ROW(crlf_lines, "1234567890\r\n12345678901\r\nok\r\n", "L(1234567890)T(1234567890)L(ok)"),
    ROW(crlf_lines, "123456789012\r\r\r\nok\r\n", "T(1234567890)L(ok)"),
    ROW(lf_lines, "a\r\nb\n", "L(a\r)L(b)"),
    ROW(other_lines, "a<br>b<b<br><br><<br>r>1<br>", "L(a)L(b<b)L()L(<)L(r>1)"),
    ROW(other_lines, "1234567890<br>1234567890<<br>ok<br>", "L(1234567890)T(1234567890)L(ok)"),
    ROW(any_lines, "raw 5\nab\ncdok\n", "L(raw 5)R(ab\ncd)EL(ok)"),
    ROW(any_lines, "raw 0\nok\n", "L(raw 0)L(ok)"),
    ROW(any_lines, "raw 1\nraw 2\n\n\nok\n", "L(raw 1)R(r)EL(aw 2)L()L()L(ok)"),
    ROW(any_lines, "raw\nx\ny.ok\nraw\n.ok\n", "L(raw)R(x\ny.)L(ok)L(raw)R(.)L(ok)"),
    ROW(any_lines, "raw is too long\nabcok\n", "T(raw is too)R(abc)EL(ok)"),
    ROW(any_lines, "a\nclose\nb\nc\n", "L(a)L(close)X"),
    ROW(any_lines, "other\na\n<br>b<br>c\n", "L(other)L(a\n)L(b)"),
};

static void any_split_gives_the_same_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned seed = 0; seed < 40; seed++) {
            struct bed bed;
            bed_init(&bed, rows[i].protocol, 0);
            feed(&bed, rows[i].in, rows[i].len, seed);
            if (strcmp(bed.log.text, rows[i].want_z) != 0)
                fail_msg("row %zu, seed %u: %s, not %s", i, seed, bed.log.text, rows[i].want_z);
            bed_fini(&bed);
        }
    }
}

static void a_delimiter_may_be_nul_and_lines_may_keep_it(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, &nul_lines, 1);
    feed(&bed, "ab\0\0c", 5, 0);
    assert_int_equal(bed.log.len, 10);
    assert_memory_equal(bed.log.text, "L(ab\0)L(\0)", 10);
    bed_fini(&bed);
    bed_init(&bed, &nul_lines, 0);
    assert_int_equal(reel_line_write(bed.log.t, "xy", 2), 0);
    reel_test_advance(bed.r, 0);
    size_t len = 0;
    const uint8_t *got = reel_test_received(bed.peer, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(got, "xy\0", 3);
    bed_fini(&bed);
}

static void every_cut_of_a_dialogue_is_survived(void **state)
{
    (void)state;
    static const char all[] = "a\r\nraw 4\nabcd\n12345678901\r\nraw\nzz.\r\n";
    struct bed whole;
    bed_init(&whole, &any_lines, 0);
    feed(&whole, all, sizeof(all) - 1, 0);
    for (size_t cut = 0; cut < sizeof(all); cut++) {
        struct bed bed;
        bed_init(&bed, &any_lines, 0);
        feed(&bed, all, cut, 1);
        reel_test_send_eof(bed.peer);
        reel_test_advance(bed.r, 0);
        assert_int_equal(bed.log.lost, 1);
        assert_int_equal(bed.log.reason, 0);
        bed_fini(&bed);
    }
    bed_fini(&whole);
}

static void a_pause_holds_the_next_line(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 10; seed++) {
        struct bed bed;
        bed_init(&bed, &any_lines, 0);
        feed(&bed, "a\npause\nb\npause\nc\n", 18, seed);
        assert_string_equal(bed.log.text, "L(a)L(pause)");
        reel_resume_reading(bed.log.t);
        reel_test_advance(bed.r, 0);
        assert_string_equal(bed.log.text, "L(a)L(pause)L(b)L(pause)");
        reel_resume_reading(bed.log.t);
        reel_test_advance(bed.r, 0);
        assert_string_equal(bed.log.text, "L(a)L(pause)L(b)L(pause)L(c)");
        bed_fini(&bed);
    }
}

/* STARTTLS: what was sent along in the clear must not pass for what comes under the filter. */
static void a_line_behind_an_upgrade_is_the_filters(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20; seed++) {
        struct bed bed;
        bed_init(&bed, &any_lines, 0);
        feed(&bed, "a\nfilter\n?b\nc\n", 15, seed);
        assert_string_equal(bed.log.text, "L(a)L(filter)L(b)L(c)");
        bed_fini(&bed);
        bed_init(&bed, &any_lines, 0);
        feed(&bed, "a\nfilter\nb\nc\n", 14, seed);
        assert_string_equal(bed.log.text, "L(a)L(filter)X");
        assert_int_equal(bed.log.reason, -EPROTO);
        bed_fini(&bed);
    }
}

static void raw_bytes_not_taken_come_again(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, &any_lines, 0);
    bed.log.raw_max = 2;
    feed(&bed, "raw 5\nabcdeok\n", 14, 0);
    assert_string_equal(bed.log.text, "L(raw 5)R(ab)");
    for (int i = 0; i < 2; i++) {
        reel_resume_reading(bed.log.t);
        reel_test_advance(bed.r, 0);
    }
    assert_string_equal(bed.log.text, "L(raw 5)R(abcde)EL(ok)");
    bed_fini(&bed);
}

static void without_a_function_a_long_line_ends_the_connection(void **state)
{
    (void)state;
    static const struct reel_line_protocol plain = {.protocol = LINES_PROTOCOL, .line = on_line};
    static char line[REEL_LINE_MAX_DEFAULT + 2];
    memset(line, 'x', sizeof(line));
    struct bed bed;
    bed_init(&bed, &plain, 1000);
    line[REEL_LINE_MAX_DEFAULT] = '\n';
    feed(&bed, line, REEL_LINE_MAX_DEFAULT + 1, 0);
    assert_int_equal(bed.log.len, REEL_LINE_MAX_DEFAULT + 3);
    line[REEL_LINE_MAX_DEFAULT] = 'x';
    feed(&bed, line, sizeof(line), 0);
    assert_int_equal(bed.log.lost, 1);
    assert_int_equal(bed.log.reason, -EMSGSIZE);
    bed_fini(&bed);
}

static void the_last_line_needs_no_end_if_so_wanted(void **state)
{
    (void)state;
    static const struct reel_line_protocol last = {
        .protocol = {.state_size = sizeof(struct session),
                     .made = on_made,
                     .data = reel_line_data,
                     .eof = reel_line_eof,
                     .lost = on_lost},
        .line_max = 10,
        LINES_FUNCTIONS,
    };
    static const struct row ends[] = {
        ROW(last, "a\nlast", "L(a)L(last)X"),
        ROW(last, "a\n", "L(a)X"),
        ROW(last, "", "X"),
        ROW(last, "12345678901", "T(1234567890)X"),
        ROW(last, "1234567890123", "T(1234567890)X"),
        ROW(last, "raw\nabc", "L(raw)R(abc)X"),
    };
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        for (unsigned seed = 0; seed < 5; seed++) {
            struct bed bed;
            bed_init(&bed, ends[i].protocol, 0);
            feed(&bed, ends[i].in, ends[i].len, seed);
            reel_test_send_eof(bed.peer);
            reel_test_advance(bed.r, 0);
            assert_string_equal(bed.log.text, ends[i].want_z);
            bed_fini(&bed);
        }
    }
}

static void talk_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    static const char answer[40000] = {'y'};
    struct log *log = reel_shared(t);
    (void)line;
    (void)len;
    log->raw_max++;
    assert_int_equal(reel_write(t, answer, sizeof(answer)), 0);
}

/* A thousand questions in one packet whose answers are forty times the queue. */
static void a_peer_that_asks_and_does_not_listen_has_to_wait(void **state)
{
    (void)state;
    static const struct reel_line_protocol talk = {.protocol = LINES_PROTOCOL, .line = talk_line};
    static char questions[2000];
    memset(questions, '\n', sizeof(questions));
    struct bed bed;
    bed_init(&bed, &talk, 0);
    reel_test_read(bed.peer, false);
    feed(&bed, questions, 1000, 0);
    assert_true(bed.log.raw_max < 10);
    assert_true(reel_write_pending(bed.log.t) < 200000);
    reel_test_read(bed.peer, true);
    for (int i = 0; i < 2000 && bed.log.raw_max < 1000; i++) {
        reel_test_advance(bed.r, 0);
        reel_test_drop(bed.peer, SIZE_MAX);
    }
    assert_int_equal(bed.log.raw_max, 1000);
    bed_fini(&bed);
}

static void text_is_written_as_printf_has_it(void **state)
{
    (void)state;
    static char long_z[REEL_PRINT_MAX + 2];
    memset(long_z, 'x', sizeof(long_z) - 1);
    struct bed bed;
    bed_init(&bed, &crlf_lines, 0);
    assert_int_equal(reel_print(bed.log.t, "%d of %s|", 7, "ten"), 0);
    assert_int_equal(reel_print(bed.log.t, "%s", long_z), -EMSGSIZE);
    assert_int_equal(reel_print(bed.log.t, "%s", long_z + 1), 0);
    feed(&bed, "echo\r\n", 6, 0);
    size_t len = 0;
    const uint8_t *got = reel_test_received(bed.peer, &len);
    assert_int_equal(len, 9 + REEL_PRINT_MAX + 6);
    assert_memory_equal(got, "7 of ten|xxx", 12);
    assert_memory_equal(got + len - 7, "xecho\r\n", 7);
    reel_close(bed.log.t);
    assert_int_equal(reel_print(bed.log.t, "more"), -EPIPE);
    assert_int_equal(reel_line_write(bed.log.t, "more", 4), -EPIPE);
    bed_fini(&bed);
}

static void a_line_is_written_whole_or_not_at_all(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, &crlf_lines, 0);
    bed.factory.options.queue_max = 10;
    assert_int_equal(reel_line_write(bed.log.t, "123456789", 9), -ENOBUFS);
    assert_int_equal(reel_line_write(bed.log.t, "12345678901234", 14), -ENOBUFS);
    assert_int_equal(reel_write_pending(bed.log.t), 0);
    assert_int_equal(reel_line_write(bed.log.t, "12345678", 8), 0);
    assert_int_equal(reel_line_write(bed.log.t, "", 0), -ENOBUFS);
    bed_fini(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same_lines),
        cmocka_unit_test(a_delimiter_may_be_nul_and_lines_may_keep_it),
        cmocka_unit_test(every_cut_of_a_dialogue_is_survived),
        cmocka_unit_test(a_pause_holds_the_next_line),
        cmocka_unit_test(a_line_behind_an_upgrade_is_the_filters),
        cmocka_unit_test(raw_bytes_not_taken_come_again),
        cmocka_unit_test(without_a_function_a_long_line_ends_the_connection),
        cmocka_unit_test(the_last_line_needs_no_end_if_so_wanted),
        cmocka_unit_test(a_peer_that_asks_and_does_not_listen_has_to_wait),
        cmocka_unit_test(text_is_written_as_printf_has_it),
        cmocka_unit_test(a_line_is_written_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
