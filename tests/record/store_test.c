/* The data directory: what is taken is there, once, whatever breaks in between. */
#include "base/error.h"
#include "record/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define SENSOR_INIT                                      \
    {                                                    \
        .name = SPAN_LIT("lobby"), .uuid = SPAN_LIT("u") \
    }
static const struct event_sensor SENSOR = SENSOR_INIT;
static const struct event_origin ORIGIN = {.session = SPAN_LIT("0123456789ab"),
                                           .protocol = SPAN_LIT("ssh"),
                                           .src_ip = SPAN_LIT("192.0.2.7"),
                                           .dst_ip = SPAN_LIT("192.0.2.8"),
                                           .src_port = 40000,
                                           .dst_port = 22};

#define NOW INT64_C(1795176000000000)

/* A data directory of a test's own. */
struct fixture {
    char path_z[64];
    int dir;
    struct record_dirs dirs;
    struct record_options options;
    struct record_store *store;
    uint64_t number;
};

static struct record_store *open_store(struct fixture *f)
{
    int error = 0;
    struct record_store *store = record_store_open(&f->dirs, &f->options, &error);
    if (store == NULL)
        fail_msg("cannot open: %d", error);
    return store;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->path_z, sizeof(f->path_z), "/tmp/lured-record-XXXXXX");
    assert_non_null(mkdtemp(f->path_z));
    f->dir = open(f->path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(record_dirs_open(&f->dirs, f->dir), 0);
    f->options.sensor = SENSOR;
    f->store = open_store(f);
    *state = f;
    return 0;
}

static int delete_one(const char *path_z, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path_z);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    record_store_close(f->store);
    record_dirs_close(&f->dirs);
    (void)close(f->dir);
    (void)nftw(f->path_z, delete_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

/* As after a crash: nothing is closed in order, and the next one opens. */
static void restart(struct fixture *f)
{
    record_store_close(f->store);
    f->store = open_store(f);
}

/* Takes the frames of the buffer under the next numbers, and saves. The first error ends it. */
static int take_all(struct fixture *f, struct buffer *frames)
{
    int error = 0;
    struct frame frame;
    int64_t n = 0;
    while (error == 0 && (n = frame_read(buffer_span(frames), &frame)) > 0) {
        frame.number = f->number + 1;
        error = record_store_take(f->store, &frame, NOW);
        if (error == 0) {
            f->number++;
            buffer_take(frames, (size_t)n);
        }
    }
    assert_true(n >= 0);
    return error == 0 ? record_store_save(f->store) : error;
}

static int take_event(struct fixture *f, const struct event *e)
{
    struct buffer frames;
    buffer_init(&frames, FRAME_MAX);
    assert_int_equal(frame_put_event(&frames, e, &SENSOR), 0);
    int error = take_all(f, &frames);
    buffer_fini(&frames);
    return error;
}

static int take_input(struct fixture *f, const char *line_z)
{
    struct event e = event_make(EVENT_COMMAND_INPUT, &ORIGIN, NOW);
    event_text_z(&e, FIELD_INPUT, line_z);
    return take_event(f, &e);
}

static int take_connect(struct fixture *f)
{
    struct event e = event_make(EVENT_SESSION_CONNECT, &ORIGIN, NOW);
    return take_event(f, &e);
}

static int take_closed(struct fixture *f)
{
    struct event e = event_make(EVENT_SESSION_CLOSED, &ORIGIN, NOW);
    event_duration(&e, 5);
    return take_event(f, &e);
}

static int take_tty_open(struct fixture *f)
{
    struct buffer frames;
    struct frame_tty_open open = {.session = ORIGIN.session,
                                  .width = 80,
                                  .height = 24,
                                  .time_us = NOW,
                                  .term = SPAN_LIT("xterm")};
    buffer_init(&frames, FRAME_MAX);
    assert_int_equal(frame_put_tty_open(&frames, &open), 0);
    int error = take_all(f, &frames);
    buffer_fini(&frames);
    return error;
}

static int take_tty(struct fixture *f, char way, int64_t after_us, struct span bytes)
{
    struct buffer frames;
    struct frame_tty_data data = {
        .session = ORIGIN.session, .way = (uint8_t)way, .time_us = NOW + after_us, .bytes = bytes};
    buffer_init(&frames, FRAME_MAX);
    assert_int_equal(frame_put_tty_data(&frames, &data), 0);
    int error = take_all(f, &frames);
    buffer_fini(&frames);
    return error;
}

static int take_tty_close(struct fixture *f)
{
    struct buffer frames;
    struct frame_tty_close close = {.session = ORIGIN.session, .time_us = NOW};
    buffer_init(&frames, FRAME_MAX);
    assert_int_equal(frame_put_tty_close(&frames, &close), 0);
    int error = take_all(f, &frames);
    buffer_fini(&frames);
    return error;
}

/* A whole file as a string for free(); NULL when it is not there. */
static char *read_file(struct fixture *f, const char *name_z)
{
    struct buffer text;
    buffer_init(&text, (size_t)64 * 1024 * 1024);
    int error = record_file_read(f->dir, name_z, &text);
    char *text_z = error < 0 ? NULL : calloc(1, buffer_len(&text) + 1);
    if (text_z != NULL)
        (void)span_copy_z(buffer_span(&text), text_z, buffer_len(&text) + 1);
    buffer_fini(&text);
    return text_z;
}

static bool is_there(struct fixture *f, const char *name_z)
{
    return faccessat(f->dir, name_z, F_OK, 0) == 0;
}

static size_t count_in(const char *text_z, const char *word_z)
{
    size_t n = 0;
    for (const char *at = strstr(text_z, word_z); at != NULL; at = strstr(at + 1, word_z))
        n++;
    return n;
}

static size_t count_in_log(struct fixture *f, const char *word_z)
{
    char *log_z = read_file(f, "log/events.json");
    assert_non_null(log_z);
    size_t n = count_in(log_z, word_z);
    free(log_z);
    return n;
}

static void lines_are_in_the_log_with_their_numbers(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take_input(f, "first"), 0);
    assert_int_equal(take_input(f, "second"), 0);
    char *log_z = read_file(f, "log/events.json");
    assert_non_null(log_z);
    char *second_z = strchr(log_z, '\n') + 1;
    json_t *object = json_loads(second_z, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_integer_value(json_object_get(object, "id")), 2);
    assert_string_equal(json_string_value(json_object_get(object, "input")), "second");
    assert_string_equal(json_string_value(json_object_get(object, "sensor")), "lobby");
    assert_int_equal(log_z[strlen(log_z) - 1], '\n');
    json_decref(object);
    free(log_z);
}

static void the_directory_is_the_owners_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(take_input(f, "x"), 0);
    assert_int_equal(fstatat(f->dir, "log", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(fstatat(f->dir, "log/events.json", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_frame_given_again_is_written_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take_input(f, "once"), 0);
    assert_int_equal(record_store_number(f->store), 1);
    f->number = 0;
    assert_int_equal(take_input(f, "once"), 0);
    assert_int_equal(count_in_log(f, "\"input\":\"once\""), 1);
    restart(f);
    assert_int_equal(record_store_number(f->store), 1);
    f->number = 0;
    assert_int_equal(take_input(f, "once"), 0);
    assert_int_equal(count_in_log(f, "\"input\":\"once\""), 1);
}

/* A sensor that was taken over cannot make those that follow unheard. */
static void a_number_far_ahead_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take_input(f, "first"), 0);
    f->number = UINT64_MAX - 1;
    assert_int_equal(take_input(f, "far"), ERR_MALFORMED);
    f->number = 1;
    assert_int_equal(take_input(f, "second"), 0);
    assert_int_equal(count_in_log(f, "\"input\":\"second\""), 1);
    f->number += RECORD_AHEAD_MAX - 1; /* the log was taken away, and the sensor goes on */
    assert_int_equal(take_input(f, "third"), 0);
}

static void what_was_taken_counts_when_it_is_saved(void **state)
{
    struct fixture *f = *state;
    struct buffer frames;
    struct frame frame;
    struct event e = event_make(EVENT_COMMAND_INPUT, &ORIGIN, NOW);
    event_text_z(&e, FIELD_INPUT, "saved");
    buffer_init(&frames, FRAME_MAX);
    assert_int_equal(frame_put_event(&frames, &e, &SENSOR), 0);
    assert_true(frame_read(buffer_span(&frames), &frame) > 0);
    frame.number = 1;
    assert_int_equal(record_store_take(f->store, &frame, NOW), 0);
    assert_int_equal(record_store_number(f->store), 0);
    assert_int_equal(record_store_save(f->store), 0);
    assert_int_equal(record_store_number(f->store), 1);
    assert_int_equal(count_in_log(f, "\"input\":\"saved\""), 1);
    buffer_fini(&frames);
}

/* Text gathers no further than its limit, whoever forgets to save. */
static void much_text_is_written_before_it_is_saved(void **state)
{
    struct fixture *f = *state;
    struct buffer frames;
    struct frame frame;
    uint8_t bytes[FRAME_TTY_MAX];
    memset(bytes, 'x', sizeof(bytes));
    struct frame_tty_data data = {
        .session = ORIGIN.session, .way = 'o', .time_us = NOW, .bytes = span_of(bytes, 30000)};
    buffer_init(&frames, FRAME_MAX);
    assert_int_equal(frame_put_tty_data(&frames, &data), 0);
    assert_true(frame_read(buffer_span(&frames), &frame) > 0);
    for (frame.number = 1; frame.number <= 100; frame.number++)
        assert_int_equal(record_store_take(f->store, &frame, NOW), 0);
    assert_in_range(record_store_number(f->store), 80, 99);
    buffer_fini(&frames);
}

/* The state file was not written when the recorder died: the log itself tells. */
static void the_log_tells_the_number_when_the_state_is_old(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(take_input(f, "x"), 0);
    record_store_close(f->store);
    assert_int_equal(unlinkat(f->dir, "log/state", 0), 0);
    f->store = open_store(f);
    assert_int_equal(record_store_number(f->store), 5);
}

static void append_raw(struct fixture *f, const char *name_z, const char *text_z)
{
    int fd = openat(f->dir, name_z, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text_z, strlen(text_z)), strlen(text_z));
    (void)close(fd);
}

static void a_torn_line_is_cut_off_and_said(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(record_store_hello(f->store, 1, NOW), 0);
    assert_int_equal(take_input(f, "whole"), 0);
    append_raw(f, "log/events.json", "{\"id\":2,\"eventid\":\"cowrie.comm");
    restart(f);
    assert_int_equal(record_store_number(f->store), 1);
    /* The sensor that could send it again is gone. */
    assert_int_equal(record_store_hello(f->store, 2, NOW), 0);
    assert_int_equal(count_in_log(f, "lured.record.gap"), 1);
    assert_int_equal(count_in_log(f, "cowrie.comm\n"), 0);
    assert_int_equal(count_in_log(f, "a line cut short by a crash"), 1);
}

static void a_torn_line_of_a_living_sensor_comes_again(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(record_store_hello(f->store, 1, NOW), 0);
    assert_int_equal(take_input(f, "whole"), 0);
    append_raw(f, "log/events.json", "{\"id\":2,\"eventid\":\"cowrie.comm");
    restart(f);
    assert_int_equal(record_store_hello(f->store, 1, NOW), 0);
    assert_int_equal(take_input(f, "again"), 0);
    assert_int_equal(count_in_log(f, "lured.record.gap"), 0);
    assert_int_equal(count_in_log(f, "\n"), 2);
}

static void a_log_of_one_torn_line_becomes_empty(void **state)
{
    struct fixture *f = *state;
    append_raw(f, "log/events.json", "{\"id\":1");
    restart(f);
    assert_int_equal(count_in_log(f, "id"), 0);
    assert_int_equal(take_input(f, "fresh"), 0);
    assert_int_equal(count_in_log(f, "\n"), 1);
}

static void the_log_is_rotated_compressed_and_nothing_is_lost(void **state)
{
    struct fixture *f = *state;
    record_store_close(f->store);
    f->options.segment_max = 2000;
    f->store = open_store(f);
    for (int i = 0; i < 40; i++)
        assert_int_equal(take_input(f, "rotate"), 0);
    assert_true(is_there(f, "log/events-00000001.json"));
    restart(f);
    assert_int_equal(record_store_number(f->store), 40);
    while (record_store_idle(f->store))
        continue;
    assert_false(is_there(f, "log/events-00000001.json"));
    assert_true(is_there(f, "log/events-00000001.json.zst"));
    int log = openat(f->dir, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint32_t *numbers = NULL;
    int count = record_segment_list(log, &numbers);
    assert_true(count > 3);
    uint64_t expected = 1;
    for (int i = 0; i < count; i++) {
        char name_z[RECORD_SEGMENT_NAME_SIZE];
        struct buffer packed;
        static char plain_z[4096];
        assert_int_equal(numbers[i], i + 1);
        record_segment_name(numbers[i], true, name_z);
        buffer_init(&packed, 65536);
        assert_int_equal(record_file_read(log, name_z, &packed), 0);
        size_t n = ZSTD_decompress(plain_z, sizeof(plain_z) - 1, buffer_span(&packed).data,
                                   buffer_len(&packed));
        assert_false(ZSTD_isError(n));
        assert_true(n <= 2000);
        plain_z[n] = '\0';
        for (char *line = plain_z; *line != '\0'; line = strchr(line, '\n') + 1)
            assert_int_equal(record_line_id(span_z(line)), expected++);
        buffer_fini(&packed);
    }
    char *rest_z = read_file(f, "log/events.json");
    for (char *line = rest_z; *line != '\0'; line = strchr(line, '\n') + 1)
        assert_int_equal(record_line_id(span_z(line)), expected++);
    assert_int_equal(expected, 41);
    free(rest_z);
    free(numbers);
    (void)close(log);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file that may not grow any more stands for a full disk. */
static void a_full_disk_keeps_the_frame_for_later(void **state)
{
    struct fixture *f = *state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(take_input(f, "before"), 0);
    struct stat st;
    assert_int_equal(fstatat(f->dir, "log/events.json", &st, 0), 0);
    set_file_limit((rlim_t)st.st_size + 20);
    assert_int_equal(take_input(f, "during"), -EFBIG);
    assert_int_equal(record_store_save(f->store), -EFBIG);
    assert_int_equal(record_store_number(f->store), 1);
    set_file_limit(RLIM_INFINITY);
    assert_int_equal(count_in_log(f, "\n"), 1);
    assert_int_equal(record_store_save(f->store), 0);
    assert_int_equal(take_input(f, "after"), 0);
    char *log_z = read_file(f, "log/events.json");
    assert_int_equal(count_in(log_z, "\n"), 3);
    assert_int_equal(count_in(log_z, "\"input\":\"during\""), 1);
    free(log_z);
}

static void what_is_given_up_is_said_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(record_store_hello(f->store, 1, NOW), 0);
    record_store_gap(f->store, 3, 777, -ENOSPC);
    restart(f);
    assert_int_equal(record_store_hello(f->store, 2, NOW), 0);
    assert_int_equal(count_in_log(f, "Not recorded: 3 records, 777 bytes: No space left on device"),
                     1);
    restart(f);
    assert_int_equal(record_store_hello(f->store, 3, NOW), 0);
    assert_int_equal(count_in_log(f, "lured.record.gap"), 1);
}

static void a_dead_sensors_sessions_end_as_lost(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(record_store_hello(f->store, 1, NOW), 0);
    assert_int_equal(take_connect(f), 0);
    assert_int_equal(take_input(f, "last words"), 0);
    /* The same sensor once more: it has only lost its recorder. */
    restart(f);
    assert_int_equal(record_store_hello(f->store, 1, NOW), 0);
    assert_int_equal(count_in_log(f, "lured.session.lost"), 0);
    restart(f);
    assert_int_equal(record_store_hello(f->store, 2, NOW + 61005000), 0);
    char *log_z = read_file(f, "log/events.json");
    char *lost_z = strstr(log_z, "{\"id\":3,\"eventid\":\"lured.session.lost\"");
    assert_non_null(lost_z);
    json_t *closed = json_loads(strchr(lost_z, '\n') + 1, JSON_DISABLE_EOF_CHECK, NULL);
    assert_string_equal(json_string_value(json_object_get(closed, "eventid")),
                        "cowrie.session.closed");
    assert_int_equal(json_integer_value(json_object_get(closed, "id")), 4);
    assert_string_equal(json_string_value(json_object_get(closed, "session")), "0123456789ab");
    assert_string_equal(json_string_value(json_object_get(closed, "src_ip")), "192.0.2.7");
    assert_int_equal(json_integer_value(json_object_get(closed, "src_port")), 40000);
    assert_int_equal(json_integer_value(json_object_get(closed, "duration_ms")), 61005);
    json_decref(closed);
    free(log_z);
    /* Once, and the next sensor's numbers go on behind. */
    assert_int_equal(record_store_number(f->store), 4);
    assert_int_equal(record_store_lose(f->store, "again", NOW), 0);
    assert_int_equal(record_store_number(f->store), 4);
}

static bool is_open(struct fixture *f)
{
    char *sessions_z = read_file(f, "log/sessions");
    bool open = strncmp(sessions_z, "0123456789ab {", 14) == 0;
    free(sessions_z);
    return open;
}

static void a_session_that_ended_is_not_lost(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(record_store_hello(f->store, 1, NOW), 0);
    assert_int_equal(take_connect(f), 0);
    assert_true(is_open(f));
    assert_int_equal(take_closed(f), 0);
    assert_false(is_open(f));
    assert_int_equal(record_store_hello(f->store, 2, NOW), 0);
    assert_int_equal(count_in_log(f, "lured.session.lost"), 0);
}

#define CAST "tty/0123456789ab-0.cast"

static void a_recording_is_asciicast(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take_tty_open(f), 0);
    assert_int_equal(take_tty(f, 'o', 1500000, span_z("hello \"w\xc3\xb6rld\"\r\n\x1b[0m")), 0);
    assert_int_equal(take_tty(f, 'i', 2000001, span_z("ls\r")), 0);
    assert_int_equal(take_tty(f, 'r', 3000000, span_z("100x50")), 0);
    assert_int_equal(take_tty_close(f), 0);
    char *cast_z = read_file(f, CAST);
    assert_non_null(cast_z);
    json_t *header = json_loads(cast_z, JSON_DISABLE_EOF_CHECK, NULL);
    assert_int_equal(json_integer_value(json_object_get(header, "version")), 2);
    assert_int_equal(json_integer_value(json_object_get(header, "width")), 80);
    assert_int_equal(json_integer_value(json_object_get(header, "timestamp")), NOW / 1000000);
    json_decref(header);
    assert_string_equal(strchr(cast_z, '\n') + 1,
                        "[1.500000, \"o\", \"hello \\\"w\\u00f6rld\\\"\\r\\n\\u001b[0m\"]\n"
                        "[2.000001, \"i\", \"ls\\r\"]\n"
                        "[3.000000, \"r\", \"100x50\"]\n");
    free(cast_z);
}

static void bytes_that_are_no_text_are_kept_exactly(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take_tty_open(f), 0);
    assert_int_equal(take_tty(f, 'o', 0, span_z("a\xff\xfe")), 0);
    assert_int_equal(take_tty(f, 'o', 0, span_z("\xff!")), 0);
    assert_int_equal(take_tty(f, 'o', 0, span_z("\x80")), 0);
    char *cast_z = read_file(f, CAST);
    assert_non_null(cast_z);
    assert_string_equal(strchr(cast_z, '\n') + 1,
                        "[0.000000, \"b\", \"Yf/+\"]\n[0.000000, \"o\", \"a\\ufffd\\ufffd\"]\n"
                        "[0.000000, \"b\", \"/yE=\"]\n[0.000000, \"o\", \"\\ufffd!\"]\n"
                        "[0.000000, \"b\", \"gA==\"]\n[0.000000, \"o\", \"\\ufffd\"]\n");
    free(cast_z);
}

static void a_recording_goes_on_after_a_restart(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take_tty_open(f), 0);
    assert_int_equal(take_tty(f, 'o', 1000000, span_z("one")), 0);
    assert_int_equal(take_tty(f, 'o', 2000000, span_z("two")), 0);
    /* Written, but the state was not: the frames come again. */
    record_store_close(f->store);
    assert_int_equal(unlinkat(f->dir, "log/state", 0), 0);
    f->store = open_store(f);
    f->number = 0;
    assert_int_equal(take_tty_open(f), 0);
    assert_int_equal(take_tty(f, 'o', 1000000, span_z("one")), 0);
    assert_int_equal(take_tty(f, 'o', 2000000, span_z("two")), 0);
    assert_int_equal(take_tty(f, 'o', 2000000, span_z("two")), 0); /* said twice, really */
    assert_int_equal(take_tty(f, 'o', 3000000, span_z("three")), 0);
    char *cast_z = read_file(f, CAST);
    assert_string_equal(strchr(cast_z, '\n') + 1, "[1.000000, \"o\", \"one\"]\n"
                                                  "[2.000000, \"o\", \"two\"]\n"
                                                  "[2.000000, \"o\", \"two\"]\n"
                                                  "[3.000000, \"o\", \"three\"]\n");
    free(cast_z);
}

static void more_recordings_than_open_files(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < RECORD_CASTS_MAX + 10; i++) {
            struct buffer frames;
            struct frame_tty_data data = {.session = ORIGIN.session,
                                          .recording = i,
                                          .way = 'o',
                                          .time_us = NOW + round,
                                          .bytes = SPAN_LIT("x")};
            buffer_init(&frames, FRAME_MAX);
            assert_int_equal(frame_put_tty_data(&frames, &data), 0);
            assert_int_equal(take_all(f, &frames), 0);
            buffer_fini(&frames);
        }
    }
    char *cast_z = read_file(f, "tty/0123456789ab-3.cast");
    assert_string_equal(strchr(cast_z, '\n') + 1,
                        "[0.000000, \"o\", \"x\"]\n[0.000001, \"o\", \"x\"]\n");
    free(cast_z);
}

static void a_full_recording_ends_and_says_so(void **state)
{
    struct fixture *f = *state;
    record_store_close(f->store);
    f->options.cast_max = 300;
    f->store = open_store(f);
    assert_int_equal(take_connect(f), 0);
    assert_int_equal(take_tty_open(f), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(take_tty(f, 'o', i, span_z("0123456789")), 0);
    struct stat st;
    assert_int_equal(fstatat(f->dir, CAST, &st, 0), 0);
    assert_true(st.st_size <= 300);
    assert_int_equal(count_in_log(f, "the recording of a terminal is full"), 1);
    assert_int_equal(take_tty_close(f), 0);
    char *cast_z = read_file(f, CAST);
    char said_z[64];
    size_t kept = count_in(cast_z, "\"o\"");
    (void)snprintf(said_z, sizeof(said_z), "\"records\":%zu,\"bytes\":%zu", 20 - kept,
                   10 * (20 - kept));
    assert_int_equal(count_in_log(f, said_z), 1);
    assert_int_equal(count_in_log(f, "\"src_ip\":\"192.0.2.7\""), 3);
    free(cast_z);
}

static int take_artefact(struct fixture *f, uint64_t size, uint64_t offset, const char *bytes_z)
{
    struct buffer frames;
    struct frame_artefact a = {.session = ORIGIN.session,
                               .shasum = {0xab},
                               .size = size,
                               .offset = offset,
                               .bytes = span_z(bytes_z)};
    buffer_init(&frames, FRAME_MAX);
    assert_int_equal(frame_put_artefact(&frames, &a), 0);
    int error = take_all(f, &frames);
    buffer_fini(&frames);
    return error;
}

#define ARTEFACT "artefacts/ab00000000000000000000000000000000000000000000000000000000000000"

static void an_artefact_is_there_when_it_is_whole(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(take_artefact(f, 8, 0, "half"), 0);
    assert_false(is_there(f, ARTEFACT));
    assert_int_equal(take_artefact(f, 8, 4, "full"), 0);
    char *text_z = read_file(f, ARTEFACT);
    assert_string_equal(text_z, "halffull");
    free(text_z);
    assert_int_equal(take_artefact(f, 8, 0, "diff"), 0);
    text_z = read_file(f, ARTEFACT);
    assert_string_equal(text_z, "halffull");
    free(text_z);
    assert_int_equal(take_artefact(f, RECORD_ARTEFACT_MAX + 1, 0, "huge"), 0);
    assert_int_equal(take_tty_open(f), 0);
    assert_int_equal(count_in_log(f, "lured.record.gap"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lines_are_in_the_log_with_their_numbers),
        TEST(the_directory_is_the_owners_alone),
        TEST(a_frame_given_again_is_written_once),
        TEST(a_number_far_ahead_is_refused),
        TEST(what_was_taken_counts_when_it_is_saved),
        TEST(much_text_is_written_before_it_is_saved),
        TEST(the_log_tells_the_number_when_the_state_is_old),
        TEST(a_torn_line_is_cut_off_and_said),
        TEST(a_torn_line_of_a_living_sensor_comes_again),
        TEST(a_log_of_one_torn_line_becomes_empty),
        TEST(the_log_is_rotated_compressed_and_nothing_is_lost),
        TEST(a_full_disk_keeps_the_frame_for_later),
        TEST(what_is_given_up_is_said_once),
        TEST(a_dead_sensors_sessions_end_as_lost),
        TEST(a_session_that_ended_is_not_lost),
        TEST(a_recording_is_asciicast),
        TEST(bytes_that_are_no_text_are_kept_exactly),
        TEST(a_recording_goes_on_after_a_restart),
        TEST(more_recordings_than_open_files),
        TEST(a_full_recording_ends_and_says_so),
        TEST(an_artefact_is_there_when_it_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
