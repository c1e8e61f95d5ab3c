/* The bridge, with a service made for it: bytes both ways, back-pressure from either side, records
 * that outlive their connection, fair slices, time. On wires in memory and virtual time. */
#include "base/error.h"
#include "lured/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <reel/reel.h>
#include <reel/testing.h>
#include <stdlib.h>
#include <string.h>

/* ---- The service: an echo. `p` pauses it for a second, `l` makes a guest that never ends, `k` one
 * that does, `q` ends, `a` aborts, `r` leaves a record. ---- */

struct fake {
    struct buffer out, records;
    enum service_state state;
    int64_t paused_until_ms;
    int64_t asked_ns, waited; /* 's' came; so many slices of others came before its turn */
    uint64_t work;            /* instructions that its guest still wants */
    uint64_t ran;             /* and has had */
    int ticks;
    bool answers_first; /* before it takes more */
    bool ended, lost;
    struct fake **place; /* where the test looks at it */
};

struct host {
    struct fake *fakes[8];
    size_t made, freed;
    char src_z[64];
    uint16_t src_port;
    uint8_t seeds[8][32];
    size_t in_max; /* taken by one feed; 0: all */
    bool refuse;
};

static void put_record(struct fake *f)
{
    const struct frame_tty_close close = {.session = SPAN_LIT("0123456789ab")};
    assert_int_equal(frame_put_tty_close(&f->records, &close), 0);
}

static void *fake_new(struct session_host *host_, const struct session_peer *peer,
                      const uint8_t seed[32], int64_t now_us)
{
    struct host *host = (struct host *)host_;
    struct fake *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_true(now_us > 0);
    if (host->refuse) {
        free(f);
        return NULL;
    }
    (void)span_copy_z(peer->src_ip, host->src_z, sizeof(host->src_z));
    memcpy(host->seeds[host->made], seed, 32);
    f->place = &host->fakes[host->made++];
    *f->place = f;
    buffer_init(&f->out, (size_t)1 << 20);
    buffer_init(&f->records, (size_t)1 << 20);
    put_record(f);
    return f;
}

enum { NS_AN_INSTRUCTION = 5 };

/* Each instruction takes as long as another. */
static int64_t fake_cpu_ns_now;

static void act(struct fake *f, uint8_t byte, int64_t now_us)
{
    switch (byte) {
    case 'p': f->paused_until_ms = now_us / 1000 + 1000; break;
    case 'f': f->answers_first = true; break;
    case 'l': f->work = UINT64_MAX; break;
    case 'k': f->work = 5 * SERVE_SLICE; break;
    case 's':
        f->work = 50;
        f->asked_ns = fake_cpu_ns_now;
        break;
    case 'q': f->state = SERVICE_CLOSE; break;
    case 'a': f->state = SERVICE_ABORT; break;
    case 'r': put_record(f); break;
    default: break;
    }
}

static size_t fake_feed(void *self, struct span bytes, int64_t now_us)
{
    struct fake *f = self;
    size_t n = 0;
    if (f->answers_first) {
        f->answers_first = false;
        assert_int_equal(buffer_put_u8(&f->out, '!'), 0);
        return 0;
    }
    while (n < bytes.len && !f->answers_first && f->paused_until_ms == 0 &&
           f->state == SERVICE_OPEN && buffer_put_u8(&f->out, bytes.data[n]) == 0)
        act(f, bytes.data[n++], now_us);
    return n;
}

static void fake_feed_end(void *self, int64_t now_us)
{
    struct fake *f = self;
    (void)now_us;
    f->ended = true;
    f->state = SERVICE_CLOSE;
}

static struct span fake_out(void *self)
{
    return buffer_span(&((struct fake *)self)->out);
}

static void fake_sent(void *self, size_t n)
{
    buffer_take(&((struct fake *)self)->out, n);
}

static int fake_traffic(const void *self)
{
    return ((const struct fake *)self)->ticks > 0 ? 0x10 : -1;
}

static enum service_state fake_state(const void *self)
{
    return ((const struct fake *)self)->state;
}

static void fake_lost(void *self, int64_t now_us)
{
    struct fake *f = self;
    (void)now_us;
    f->lost = true;
    put_record(f);
}

static int64_t fake_deadline_us(const void *self)
{
    const struct fake *f = self;
    return f->paused_until_ms != 0 ? f->paused_until_ms * 1000 : INT64_MAX;
}

static void fake_tick(void *self, int64_t now_us)
{
    struct fake *f = self;
    f->ticks++;
    if (now_us / 1000 >= f->paused_until_ms)
        f->paused_until_ms = 0;
}

static bool fake_has_guests(const void *self)
{
    (void)self;
    return true;
}

static int64_t fake_cpu_ns(void)
{
    return fake_cpu_ns_now;
}

static bool fake_run(void *self, uint64_t budget, int64_t now_us)
{
    struct fake *f = self;
    uint64_t n = f->work < budget ? f->work : budget;
    (void)now_us;
    if (n > 0)
        f->waited = (fake_cpu_ns_now - f->asked_ns) / NS_AN_INSTRUCTION / (int64_t)SERVE_SLICE;
    f->work -= n;
    f->ran += n;
    fake_cpu_ns_now += (int64_t)n * NS_AN_INSTRUCTION;
    return f->work > 0;
}

static struct span fake_record(void *self)
{
    return buffer_span(&((struct fake *)self)->records);
}

static void fake_recorded(void *self, size_t n)
{
    buffer_take(&((struct fake *)self)->records, n);
}

static void fake_free(void *self)
{
    struct fake *f = self;
    assert_true(f->lost);
    *f->place = NULL;
    buffer_fini(&f->out);
    buffer_fini(&f->records);
    free(f);
}

static bool fake_answered(void *self, const struct frame_visit *visit, int64_t now_us)
{
    (void)self, (void)visit, (void)now_us;
    return false;
}

static const struct service FAKE = {
    .name_z = "fake",
    .new = fake_new,
    .feed = fake_feed,
    .feed_end = fake_feed_end,
    .out = fake_out,
    .sent = fake_sent,
    .traffic = fake_traffic,
    .state = fake_state,
    .lost = fake_lost,
    .deadline_us = fake_deadline_us,
    .tick = fake_tick,
    .has_guests = fake_has_guests,
    .run = fake_run,
    .answered = fake_answered,
    .record = fake_record,
    .recorded = fake_recorded,
    .free = fake_free,
};

/* ---- A recorder that takes what it is sent, and counts. ---- */

struct fixture {
    struct reel_reactor *reactor;
    struct record_client client;
    struct serve serve;
    struct serve_port port;
    struct host host;
    struct reel_factory recorder;
    struct buffer in;
    uint64_t frames; /* that the recorder has acknowledged */
    bool deaf;       /* it does not acknowledge */
    struct reel_transport *recorder_end;
    uint8_t all[32]; /* kinds of frames, in order */
    int empties;
};

static void answer(struct fixture *f, struct reel_transport *t)
{
    struct buffer ack;
    buffer_init(&ack, FRAME_HEAD_SIZE);
    assert_int_equal(frame_put_ack(&ack, f->frames), 0);
    assert_int_equal(reel_write(t, buffer_span(&ack).data, buffer_len(&ack)), 0);
    buffer_fini(&ack);
}

static size_t recorder_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct fixture *f = reel_shared(t);
    struct frame frame;
    int64_t n = 0;
    f->recorder_end = t;
    assert_int_equal(buffer_put(&f->in, span_of(data, len)), 0);
    while ((n = frame_read(buffer_span(&f->in), &frame)) > 0) {
        if (frame.kind != FRAME_HELLO) {
            assert_int_equal(frame.number, f->frames + 1);
            f->frames++;
        }
        buffer_take(&f->in, (size_t)n);
        if (!f->deaf)
            answer(f, t);
    }
    assert_int_equal(n, 0);
    return len;
}

static const struct reel_protocol RECORDER = {.name_z = "fake recorder", .data = recorder_data};

static void on_room(struct record_client *client)
{
    serve_on_room(&((struct fixture *)client->context)->serve);
}

static void on_empty(struct serve *serve)
{
    ((struct fixture *)serve->context)->empties++;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    static const uint8_t SEED[32] = {1, 2, 3};
    static const struct event_sensor SENSOR = {.name = SPAN_LIT("s"), .uuid = SPAN_LIT("u")};
    struct reel_transport *a = NULL;
    struct reel_transport *b = NULL;
    assert_non_null(f);
    f->reactor = reel_test_reactor_new(NULL, INT64_C(1795176000000000));
    assert_non_null(f->reactor);
    record_client_init(&f->client, f->reactor, 1, "test");
    f->client.context = f;
    f->client.on_room = on_room;
    buffer_init(&f->in, 2 * FRAME_MAX);
    f->recorder = (struct reel_factory){.protocol = &RECORDER, .shared = f};
    assert_int_equal(
        reel_test_pair(f->reactor, &f->client.factory, &f->recorder, NULL, NULL, &a, &b), 0);
    /* As record_client_adopt does with a socket. */
    struct buffer hello;
    const struct frame_hello say = {.boot = 1};
    buffer_init(&hello, 256);
    assert_int_equal(frame_put_hello(&hello, &say), 0);
    f->client.transport = a;
    assert_int_equal(serve_init(&f->serve, f->reactor, &f->client, &SENSOR, SEED), 0);
    f->serve.cpu_ns = fake_cpu_ns;
    f->serve.context = f;
    f->serve.on_empty = on_empty;
    reel_test_advance(f->reactor, 0);
    assert_int_equal(reel_write(a, buffer_span(&hello).data, buffer_len(&hello)), 0);
    buffer_fini(&hello);
    serve_port_init(&f->port, &f->serve, &FAKE, (struct session_host *)&f->host);
    reel_test_advance(f->reactor, 0);
    assert_true(f->client.ready);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    serve_fini(&f->serve);
    record_client_fini(&f->client);
    reel_reactor_free(f->reactor);
    buffer_fini(&f->in);
    for (size_t i = 0; i < ARRAY_LEN(f->host.fakes); i++)
        assert_null(f->host.fakes[i]);
    free(f);
    return 0;
}

/* ---- Visitors ---- */

static struct reel_test_peer *visit(struct fixture *f, const struct reel_wire *wire)
{
    struct reel_test_peer *peer = NULL;
    struct reel_transport *t = NULL;
    assert_int_equal(reel_test_peer_new(f->reactor, &f->port.factory, wire, &peer, &t), 0);
    reel_test_advance(f->reactor, 0);
    return peer;
}

static void say(struct fixture *f, struct reel_test_peer *peer, const char *text_z)
{
    assert_int_equal(reel_test_send(peer, text_z, strlen(text_z)), 0);
    reel_test_advance(f->reactor, 0);
}

static void assert_heard(const struct reel_test_peer *peer, const char *text_z)
{
    size_t len = 0;
    const uint8_t *data = reel_test_received(peer, &len);
    assert_int_equal(len, strlen(text_z));
    assert_memory_equal(data, text_z, len);
}

static void bytes_go_both_ways(void **state)
{
    struct fixture *f = *state;
    struct reel_test_peer *peer = visit(f, NULL);
    say(f, peer, "hello");
    assert_heard(peer, "hello");
    assert_int_equal(f->frames, 1);
    say(f, peer, "r");
    assert_int_equal(f->frames, 2);
    reel_test_send_eof(peer);
    reel_test_advance(f->reactor, 0);
    assert_null(f->host.fakes[0]);
    assert_int_equal(f->frames, 3);
    assert_int_equal(f->empties, 1);
    reel_test_peer_free(peer);
}

static void every_connection_has_its_own_seed(void **state)
{
    struct fixture *f = *state;
    struct reel_test_peer *a = visit(f, NULL);
    struct reel_test_peer *b = visit(f, NULL);
    assert_memory_not_equal(f->host.seeds[0], f->host.seeds[1], 32);
    reel_test_peer_free(a);
    reel_test_peer_free(b);
    reel_test_advance(f->reactor, 0);
}

static void a_service_that_closes_sends_what_it_said(void **state)
{
    struct fixture *f = *state;
    struct reel_test_peer *peer = visit(f, NULL);
    say(f, peer, "bye q never");
    assert_heard(peer, "bye q");
    assert_true(reel_test_saw_lost(peer) || reel_test_saw_eof(peer));
    assert_null(f->host.fakes[0]);
    reel_test_peer_free(peer);
}

static void a_service_that_aborts_resets(void **state)
{
    struct fixture *f = *state;
    struct reel_test_peer *peer = visit(f, NULL);
    say(f, peer, "a");
    assert_true(reel_test_saw_lost(peer));
    assert_null(f->host.fakes[0]);
    reel_test_peer_free(peer);
}

/* It takes nothing for a second: what was sent waits, and is there in full afterwards. */
static void a_service_that_takes_nothing_holds_the_client(void **state)
{
    struct fixture *f = *state;
    struct reel_test_peer *peer = visit(f, NULL);
    say(f, peer, "one p two");
    assert_heard(peer, "one p");
    reel_test_advance(f->reactor, 999 * REEL_MS);
    assert_heard(peer, "one p");
    reel_test_advance(f->reactor, 2 * REEL_MS);
    assert_heard(peer, "one p two");
    assert_in_range(f->host.fakes[0]->ticks, 1, 3);
    reel_test_peer_free(peer);
    reel_test_advance(f->reactor, 0);
}

/* As a server does that reads the next request when its answer to the last one is out. */
static void a_service_that_answers_first_takes_the_rest_at_once(void **state)
{
    struct fixture *f = *state;
    struct reel_test_peer *peer = visit(f, NULL);
    say(f, peer, "one f two");
    assert_heard(peer, "one f! two");
    reel_test_peer_free(peer);
    reel_test_advance(f->reactor, 0);
}

static void a_client_that_does_not_read_loses_nothing(void **state)
{
    struct fixture *f = *state;
    const struct reel_wire narrow = {.chunk_max = 1000, .send_max = 700};
    struct reel_test_peer *peer = visit(f, &narrow);
    size_t len = (size_t)600 * 1000;
    uint8_t *sent = malloc(len);
    assert_non_null(sent);
    for (size_t i = 0; i < len; i++)
        sent[i] = (uint8_t)('A' + i % 26);
    reel_test_read(peer, false);
    assert_int_equal(reel_test_send(peer, sent, len), 0);
    reel_test_advance(f->reactor, 10 * REEL_MS);
    size_t heard = 0;
    (void)reel_test_received(peer, &heard);
    assert_true(heard < len);
    reel_test_read(peer, true);
    reel_test_advance(f->reactor, 10 * REEL_MS);
    const uint8_t *got = reel_test_received(peer, &heard);
    assert_int_equal(heard, len);
    assert_memory_equal(got, sent, len);
    free(sent);
    reel_test_peer_free(peer);
    reel_test_advance(f->reactor, 0);
}

/* A full queue to the recorder: the connection is gone, its last record is not. */
static void records_outlive_their_connection(void **state)
{
    struct fixture *f = *state;
    struct reel_test_peer *peer = visit(f, NULL);
    f->deaf = true;
    f->client.queue.max = 100;
    for (int i = 0; i < 10; i++)
        say(f, peer, "r");
    uint64_t before = f->frames;
    assert_true(before < 11);
    assert_heard(peer, "rrrrrrrrrr");
    reel_test_reset(peer);
    reel_test_advance(f->reactor, 0);
    assert_non_null(f->host.fakes[0]);
    assert_true(f->host.fakes[0]->lost);
    assert_int_equal(f->empties, 0);
    f->deaf = false;
    answer(f, f->recorder_end);
    reel_test_advance(f->reactor, 0);
    assert_null(f->host.fakes[0]);
    assert_int_equal(f->frames, 12);
    assert_int_equal(f->empties, 1);
    reel_test_peer_free(peer);
}

static void guests_have_their_turns_fairly(void **state)
{
    struct fixture *f = *state;
    struct reel_test_peer *peers[3];
    for (int i = 0; i < 3; i++)
        peers[i] = visit(f, NULL);
    /* Two that never end; virtual time lets so many turns go by. */
    say(f, peers[0], "l");
    say(f, peers[1], "l");
    uint64_t a = f->host.fakes[0]->ran;
    uint64_t b = f->host.fakes[1]->ran;
    assert_true(a > 0 && b > 0);
    /* The third is heard, and its guest runs to its end, although the others go on. */
    say(f, peers[2], "k hi");
    assert_heard(peers[2], "k hi");
    assert_int_equal(f->host.fakes[2]->work, 0);
    assert_int_equal(f->host.fakes[2]->ran, 5 * SERVE_SLICE);
    a = f->host.fakes[0]->ran - a;
    b = f->host.fakes[1]->ran - b;
    assert_true(a + SERVE_SLICE >= b && b + SERVE_SLICE >= a);
    for (int i = 0; i < 3; i++)
        reel_test_peer_free(peers[i]);
    reel_test_advance(f->reactor, 0);
}

static void who_works_little_does_not_wait_for_those_that_loop(void **state)
{
    struct fixture *f = *state;
    struct reel_test_peer *peers[3];
    for (int i = 0; i < 3; i++)
        peers[i] = visit(f, NULL);
    say(f, peers[0], "l");
    say(f, peers[1], "l");
    /* Of its many short turns none counts as a whole slice. */
    for (int i = 0; i < 100; i++) {
        say(f, peers[2], "s");
        assert_int_equal(f->host.fakes[2]->work, 0);
        assert_true(f->host.fakes[2]->waited <= 1);
    }
    for (int i = 0; i < 3; i++)
        reel_test_peer_free(peers[i]);
    reel_test_advance(f->reactor, 0);
}

static void too_many_connections_are_refused_and_told(void **state)
{
    struct fixture *f = *state;
    f->serve.connections_max = 1;
    struct reel_test_peer *peer = visit(f, NULL);
    assert_int_equal(f->host.made, 1);
    assert_false(f->port.factory.accepts(&f->port.factory, NULL));
    assert_false(f->port.factory.accepts(&f->port.factory, NULL));
    uint64_t before = f->frames;
    reel_test_advance(f->reactor, 2 * SERVE_SHED_MS * REEL_MS);
    assert_int_equal(f->frames, before + 1);
    reel_test_peer_free(peer);
    reel_test_advance(f->reactor, 0);
    assert_true(f->port.factory.accepts(&f->port.factory, NULL));
}

static void a_service_without_memory_refuses(void **state)
{
    struct fixture *f = *state;
    f->host.refuse = true;
    struct reel_test_peer *peer = visit(f, NULL);
    assert_true(reel_test_saw_lost(peer));
    reel_test_peer_free(peer);
}

static void stopping_ends_all_of_them(void **state)
{
    struct fixture *f = *state;
    struct reel_test_peer *a = visit(f, NULL);
    struct reel_test_peer *b = visit(f, NULL);
    say(f, a, "l");
    serve_stop(&f->serve);
    reel_test_advance(f->reactor, 0);
    assert_int_equal(f->empties, 1);
    assert_int_equal(f->frames, 4);
    serve_stop(&f->serve);
    assert_int_equal(f->empties, 2);
    reel_test_peer_free(a);
    reel_test_peer_free(b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways),
        TEST(every_connection_has_its_own_seed),
        TEST(a_service_that_closes_sends_what_it_said),
        TEST(a_service_that_aborts_resets),
        TEST(a_service_that_takes_nothing_holds_the_client),
        TEST(a_service_that_answers_first_takes_the_rest_at_once),
        TEST(a_client_that_does_not_read_loses_nothing),
        TEST(records_outlive_their_connection),
        TEST(guests_have_their_turns_fairly),
        TEST(who_works_little_does_not_wait_for_those_that_loop),
        TEST(too_many_connections_are_refused_and_told),
        TEST(a_service_without_memory_refuses),
        TEST(stopping_ends_all_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
