/* Sensor's queue and recorder against each other: one that dies, one that cannot write, one that is
 * slow. Whatever happens, each frame is on record once and in order. */
#include "record/client.h"
#include "record/recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <reel/reel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

static const struct event_sensor SENSOR = {.name = SPAN_LIT("lobby"), .uuid = SPAN_LIT("u")};
static const struct event_origin ORIGIN = {.session = SPAN_LIT("0123456789ab"),
                                           .protocol = SPAN_LIT("ssh"),
                                           .src_ip = SPAN_LIT("192.0.2.7"),
                                           .dst_ip = SPAN_LIT("192.0.2.8")};

/* What gathered is written in one piece, which may be more than a segment is to have. */
#define SEGMENT_ROOM ((size_t)1024 * 1024)

struct fixture {
    char path_z[64];
    int dir;
    struct record_dirs dirs;
    struct reel_reactor *reactor;
    struct record_client client;
    /* A recorder in the same process ... */
    struct record_store *store;
    struct recorder recorder;
    /* ... or in one of its own. */
    pid_t child;
    int lost, rooms, troubles, visits;
    bool told; /* whom it remembers, before it was ready */
};

static void on_lost(struct record_client *client)
{
    ((struct fixture *)client->context)->lost++;
}

static void on_room(struct record_client *client)
{
    ((struct fixture *)client->context)->rooms++;
}

static void on_visit(struct record_client *client, const struct frame_visit *visit)
{
    (void)visit;
    ((struct fixture *)client->context)->visits++;
}

static void on_visitors(struct record_client *client, struct span list)
{
    ((struct fixture *)client->context)->told = list.len == 0 && !client->ready;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->path_z, sizeof(f->path_z), "/tmp/lured-recorder-XXXXXX");
    assert_non_null(mkdtemp(f->path_z));
    f->dir = open(f->path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(record_dirs_open(&f->dirs, f->dir), 0);
    f->reactor = reel_reactor_new(NULL);
    assert_non_null(f->reactor);
    record_client_init(&f->client, f->reactor, 1, "test");
    f->client.context = f;
    f->client.on_lost = on_lost;
    f->client.on_room = on_room;
    f->client.on_visit = on_visit;
    f->client.on_visitors = on_visitors;
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

static void turn_until(struct fixture *f, bool (*condition)(struct fixture *f))
{
    while (!condition(f))
        assert_true(reel_run_once(f->reactor, 100 * REEL_MS) >= 0);
}

static void on_trouble(struct recorder *recorder, const char *line_z)
{
    struct fixture *f = (struct fixture *)((char *)recorder - offsetof(struct fixture, recorder));
    assert_non_null(strstr(line_z, "recorder: "));
    f->troubles++;
}

static struct record_store *open_store(const struct record_dirs *dirs)
{
    int error = 0;
    const struct record_options options = {.segment_max = 20000, .sensor = SENSOR};
    struct record_store *store = record_store_open(dirs, &options, &error);
    assert_non_null(store);
    return store;
}

/* A recorder here, connected to the client. */
static void start_recorder(struct fixture *f)
{
    int fds[2];
    f->store = open_store(&f->dirs);
    assert_int_equal(recorder_init(&f->recorder, f->reactor, f->store), 0);
    f->recorder.on_trouble = on_trouble;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    recorder_adopt(&f->recorder, fds[0]);
    if (f->client.transport == NULL)
        assert_int_equal(record_client_adopt(&f->client, fds[1]), 0);
    else
        (void)close(fds[1]);
}

static void stop_recorder(struct fixture *f)
{
    if (f->store == NULL)
        return;
    recorder_fini(&f->recorder);
    record_store_close(f->store);
    f->store = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    stop_recorder(f);
    record_client_fini(&f->client);
    reel_reactor_free(f->reactor);
    record_dirs_close(&f->dirs);
    (void)close(f->dir);
    (void)nftw(f->path_z, delete_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static bool is_ready(struct fixture *f)
{
    return f->client.ready;
}

static bool is_empty(struct fixture *f)
{
    return record_client_is_empty(&f->client);
}

static bool is_lost(struct fixture *f)
{
    return f->client.transport == NULL;
}

static size_t put_input(struct fixture *f, int number)
{
    char line_z[64];
    struct buffer frames;
    struct event e = event_make(EVENT_COMMAND_INPUT, &ORIGIN, 1000000 + number);
    (void)snprintf(line_z, sizeof(line_z), "line %d", number);
    event_text_z(&e, FIELD_INPUT, line_z);
    buffer_init(&frames, FRAME_MAX);
    assert_int_equal(frame_put_event(&frames, &e, &SENSOR), 0);
    size_t n = record_client_put(&f->client, buffer_span(&frames));
    assert_true(n == 0 || n == buffer_len(&frames));
    buffer_fini(&frames);
    return n;
}

static void put_tty(struct fixture *f, int number)
{
    char text_z[32];
    struct buffer frames;
    (void)snprintf(text_z, sizeof(text_z), "<%d>", number);
    struct frame_tty_data data = {
        .session = ORIGIN.session, .way = 'o', .time_us = number, .bytes = span_z(text_z)};
    buffer_init(&frames, FRAME_MAX);
    assert_int_equal(frame_put_tty_data(&frames, &data), 0);
    assert_int_equal(record_client_put(&f->client, buffer_span(&frames)), buffer_len(&frames));
    buffer_fini(&frames);
}

/* A closed segment, in whichever of its forms it is. */
static void append_segment(int log, uint32_t number, struct buffer *out)
{
    char name_z[RECORD_SEGMENT_NAME_SIZE];
    record_segment_name(number, false, name_z);
    if (record_file_read(log, name_z, out) == 0)
        return;
    struct buffer packed;
    buffer_init(&packed, SEGMENT_ROOM);
    record_segment_name(number, true, name_z);
    assert_int_equal(record_file_read(log, name_z, &packed), 0);
    uint8_t *room = buffer_reserve(out, SEGMENT_ROOM);
    size_t n = ZSTD_decompress(room, SEGMENT_ROOM, buffer_span(&packed).data, buffer_len(&packed));
    assert_false(ZSTD_isError(n));
    buffer_commit(out, n);
    buffer_fini(&packed);
}

static void append_file(struct fixture *f, const char *name_z, struct buffer *out)
{
    int error = record_file_read(f->dir, name_z, out);
    if (error < 0)
        fail_msg("cannot read %s: %d", name_z, error);
}

/* Everything in the log, closed segments first, as one string for free(). */
static char *read_log(struct fixture *f)
{
    struct buffer text;
    uint32_t *numbers = NULL;
    buffer_init(&text, (size_t)64 * 1024 * 1024);
    int log = openat(f->dir, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = record_segment_list(log, &numbers);
    for (int i = 0; i < count; i++)
        append_segment(log, numbers[i], &text);
    append_file(f, "log/events.json", &text);
    char *text_z = calloc(1, buffer_len(&text) + 1);
    assert_non_null(text_z);
    (void)span_copy_z(buffer_span(&text), text_z, buffer_len(&text) + 1);
    buffer_fini(&text);
    free(numbers);
    (void)close(log);
    return text_z;
}

/* The inputs 0 to count-1 stand in the log, each once, in order. */
static void assert_inputs(struct fixture *f, int count)
{
    char *log_z = read_log(f);
    const char *at = log_z;
    for (int i = 0; i < count; i++) {
        char expected_z[64];
        (void)snprintf(expected_z, sizeof(expected_z), "\"input\":\"line %d\"", i);
        at = strstr(at, "\"input\":");
        assert_non_null(at);
        assert_memory_equal(at, expected_z, strlen(expected_z));
        at++;
    }
    assert_null(strstr(at, "\"input\":"));
    free(log_z);
}

static void what_is_put_is_written_and_acknowledged(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put_input(f, 0), 0); /* not before the recorder has answered */
    start_recorder(f);
    turn_until(f, is_ready);
    assert_true(f->told);
    assert_int_equal(f->rooms, 1);
    for (int i = 0; i < 100; i++)
        assert_true(put_input(f, i) > 0);
    assert_false(record_client_is_empty(&f->client));
    turn_until(f, is_empty);
    assert_int_equal(record_store_number(f->store), 100);
}

static void a_new_recorder_gets_what_the_old_one_did_not_acknowledge(void **state)
{
    struct fixture *f = *state;
    start_recorder(f);
    turn_until(f, is_ready);
    for (int i = 0; i < 50; i++)
        assert_true(put_input(f, i) > 0);
    (void)reel_run_once(f->reactor, 0);
    stop_recorder(f);
    turn_until(f, is_lost);
    assert_int_equal(f->lost, 1);
    for (int i = 50; i < 60; i++)
        assert_true(put_input(f, i) > 0);
    start_recorder(f);
    turn_until(f, is_empty);
    assert_inputs(f, 60);
}

/* The bell reaches the recorder while it lets frames gather, and they are saved when they would have
 * been. */
static void a_question_does_not_wait_for_what_gathers(void **state)
{
    enum { TURNS = 10 };
    struct fixture *f = *state;
    int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct buffer frames;
    f->client.bell = bell;
    start_recorder(f);
    assert_int_equal(recorder_listen(&f->recorder, bell), 0);
    turn_until(f, is_ready);
    assert_true(put_input(f, 0) > 0);
    for (int i = 0; i < TURNS; i++)
        assert_true(reel_run_once(f->reactor, 0) >= 0);
    buffer_init(&frames, FRAME_MAX);
    const struct frame_visit_ask ask = {.session = ORIGIN.session};
    assert_int_equal(frame_put_visit_ask(&frames, &ask), 0);
    assert_int_equal(record_client_put(&f->client, buffer_span(&frames)), buffer_len(&frames));
    buffer_fini(&frames);
    for (int i = 0; i < TURNS; i++)
        assert_true(reel_run_once(f->reactor, 0) >= 0);
    assert_int_equal(f->visits, 1);
    turn_until(f, is_empty);
    assert_inputs(f, 1);
    stop_recorder(f);
    assert_int_equal(close(bell), 0);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool is_stalled(struct fixture *f)
{
    return f->recorder.stalled;
}

/* Nothing is acknowledged while it lasts; with space again everything is written. */
static void a_full_disk_is_felt_by_the_sensor_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    (void)signal(SIGXFSZ, SIG_IGN);
    start_recorder(f);
    turn_until(f, is_ready);
    set_file_limit(8000);
    for (int i = 0; i < 60; i++)
        assert_true(put_input(f, i) > 0);
    turn_until(f, is_stalled);
    assert_false(record_client_is_empty(&f->client));
    assert_true(record_store_number(f->store) < 60);
    set_file_limit(RLIM_INFINITY);
    turn_until(f, is_empty);
    assert_int_equal(f->troubles, 1);
    assert_inputs(f, 60);
}

static bool is_refused(struct fixture *f)
{
    return f->client.refused;
}

static bool has_room_again(struct fixture *f)
{
    return f->rooms > 0;
}

static void a_full_queue_takes_no_more(void **state)
{
    struct fixture *f = *state;
    start_recorder(f);
    turn_until(f, is_ready);
    f->client.queue.max = 4000;
    int put = 0;
    while (put_input(f, put) > 0)
        put++;
    assert_in_range(put, 5, 20);
    assert_true(is_refused(f));
    turn_until(f, has_room_again);
    assert_true(put_input(f, put) > 0);
    turn_until(f, is_empty);
    assert_inputs(f, put + 1);
}

static void a_sensor_that_dies_is_written_to_its_last_byte(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    struct buffer frames;
    f->store = open_store(&f->dirs);
    assert_int_equal(recorder_init(&f->recorder, f->reactor, f->store), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    buffer_init(&frames, FRAME_MAX);
    const struct frame_hello hello = {.boot = 9};
    assert_int_equal(frame_put_hello(&frames, &hello), 0);
    struct event connect = event_make(EVENT_SESSION_CONNECT, &ORIGIN, 5);
    assert_int_equal(frame_put_event(&frames, &connect, &SENSOR), 0);
    struct event agent = event_make(EVENT_AGENT_REQUEST, &ORIGIN, 6);
    assert_int_equal(frame_put_event(&frames, &agent, &SENSOR), 0);
    size_t hello_size = (size_t)frame_size(buffer_span(&frames));
    uint8_t *second = frames.data + frames.start + hello_size;
    frame_number(second, 1);
    frame_number(second + frame_size(span_of(second, 100)), 2);
    size_t whole = buffer_len(&frames);
    assert_int_equal(frame_put_event(&frames, &agent, &SENSOR), 0); /* its end never comes */
    assert_int_equal(write(fds[1], buffer_span(&frames).data, whole + 20), whole + 20);
    buffer_fini(&frames);
    recorder_adopt(&f->recorder, fds[0]);
    /* The first answer stays unread, so the end comes as a reset. */
    while (!f->recorder.hello)
        (void)reel_run_once(f->reactor, 100 * REEL_MS);
    (void)close(fds[1]);
    while (!recorder_is_idle(&f->recorder))
        (void)reel_run_once(f->reactor, 100 * REEL_MS);
    char *log_z = read_log(f);
    const char *order[] = {"cowrie.session.connect", "lured.agent.request", "lured.session.lost",
                           "cowrie.session.closed"};
    const char *at = log_z;
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        at = strstr(at, order[i]);
        assert_non_null(at);
    }
    assert_null(strstr(at + 1, "eventid"));
    free(log_z);
}

static void nonsense_from_a_sensor_is_said_and_ends_it(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    f->store = open_store(&f->dirs);
    assert_int_equal(recorder_init(&f->recorder, f->reactor, f->store), 0);
    f->recorder.on_trouble = on_trouble;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    recorder_adopt(&f->recorder, fds[0]);
    assert_int_equal(write(fds[1], "\xff\xff\xff\xff nonsense", 13), 13);
    while (!recorder_is_idle(&f->recorder))
        (void)reel_run_once(f->reactor, 100 * REEL_MS);
    assert_int_equal(f->troubles, 1);
    char byte = 0;
    assert_int_equal(read(fds[1], &byte, 1), 0);
    (void)close(fds[1]);
    char *log_z = read_log(f);
    assert_non_null(strstr(log_z, "lured.record.gap"));
    free(log_z);
}

/* A recorder as a process of its own, on the other end of a new pair. */
static void spawn_recorder(struct fixture *f)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->child = fork();
    assert_true(f->child >= 0);
    if (f->child == 0) {
        struct reel_reactor *r = reel_reactor_new(NULL);
        struct recorder recorder;
        if (r == NULL || recorder_init(&recorder, r, open_store(&f->dirs)) < 0)
            _exit(1);
        recorder_adopt(&recorder, fds[0]);
        (void)close(fds[1]);
        (void)reel_run(r);
        _exit(0);
    }
    (void)close(fds[0]);
    assert_int_equal(record_client_adopt(&f->client, fds[1]), 0);
}

static void kill_recorder(struct fixture *f)
{
    int status = 0;
    assert_int_equal(kill(f->child, SIGKILL), 0);
    assert_int_equal(waitpid(f->child, &status, 0), f->child);
    assert_true(WIFSIGNALED(status));
    turn_until(f, is_lost);
}

/* Killed again and again in the middle of its work. */
static void a_recorder_may_die_at_any_time(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 12345;
    int put = 0;
    for (int round = 0; round < 12; round++) {
        spawn_recorder(f);
        turn_until(f, is_ready);
        for (int i = 0; i < 100; i++, put++) {
            assert_true(put_input(f, put) > 0);
            put_tty(f, 2 * put);
            put_tty(f, 2 * put + 1);
            if (i % 10 == 0)
                (void)reel_run_once(f->reactor, 0);
        }
        seed = seed * 1103515245 + 12345;
        (void)usleep(seed >> 16 & 0xfff);
        (void)reel_run_once(f->reactor, 0);
        kill_recorder(f);
    }
    spawn_recorder(f);
    turn_until(f, is_empty);
    kill_recorder(f);
    assert_inputs(f, put);
    struct buffer cast;
    buffer_init(&cast, (size_t)16 * 1024 * 1024);
    append_file(f, "tty/0123456789ab-0.cast", &cast);
    assert_int_equal(buffer_put(&cast, span_of("", 1)), 0);
    const char *at = (const char *)buffer_span(&cast).data;
    for (int i = 0; i < 2 * put; i++) {
        char expected_z[32];
        (void)snprintf(expected_z, sizeof(expected_z), "<%d>", i);
        at = strchr(at + 1, '<');
        assert_non_null(at);
        assert_memory_equal(at, expected_z, strlen(expected_z));
    }
    assert_null(strchr(at + 1, '<'));
    buffer_fini(&cast);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_is_written_and_acknowledged),
        TEST(a_new_recorder_gets_what_the_old_one_did_not_acknowledge),
        TEST(a_question_does_not_wait_for_what_gathers),
        TEST(a_full_disk_is_felt_by_the_sensor_and_loses_nothing),
        TEST(a_full_queue_takes_no_more),
        TEST(a_sensor_that_dies_is_written_to_its_last_byte),
        TEST(nonsense_from_a_sensor_is_said_and_ends_it),
        TEST(a_recorder_may_die_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
