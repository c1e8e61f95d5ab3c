/* Virtual time and connections in memory: the same protocols, every split, delay and fault. */
#include "helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct record record;
    struct reel_factory factory;
    struct reel_test_peer *peer;
    struct reel_transport *t;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_test_reactor_new(&options, 1000000);
    assert_non_null(f->r);
    f->factory = (struct reel_factory){.protocol = &recording_protocol, .shared = &f->record};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_reactor_free(f->r);
    reel_test_peer_free(f->peer);
    assert_int_equal(f->counts.live, 0);
    assert_int_equal(f->record.made, f->record.lost);
    free(f);
    return 0;
}

static void meet(struct fixture *f, const struct reel_wire *wire)
{
    assert_int_equal(reel_test_peer_new(f->r, &f->factory, wire, &f->peer, &f->t), 0);
    assert_int_equal(f->record.made, 0);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->record.made, 1);
}

static void expect_received(struct fixture *f, const char *text_z)
{
    size_t len = 0;
    const uint8_t *data = reel_test_received(f->peer, &len);
    assert_int_equal(len, strlen(text_z));
    if (len)
        assert_memory_equal(data, text_z, len);
}

static void echo_comes_back_whatever_the_splits(void **state)
{
    struct fixture *f = *state;
    f->factory.protocol = &echo_protocol;
    const struct reel_wire wire = {.chunk_max = 3, .send_max = 2, .buffer_max = 5, .delay_ns = 7};
    meet(f, &wire);
    assert_int_equal(reel_test_send(f->peer, "hello, ", 7), 0);
    assert_int_equal(reel_test_send(f->peer, "echo", 4), 0);
    reel_test_advance(f->r, 6);
    expect_received(f, ""); /* nothing is faster than the wire */
    reel_test_advance(f->r, 1000);
    expect_received(f, "hello, echo");
    reel_test_drop(f->peer, 7);
    expect_received(f, "echo");
    reel_test_send_eof(f->peer);
    reel_test_advance(f->r, 1000);
    assert_int_equal(f->record.lost, 1);
    assert_int_equal(f->record.reason, 0);
    assert_true(reel_test_saw_eof(f->peer));
}

static void a_reset_arrives_with_its_reason(void **state)
{
    struct fixture *f = *state;
    meet(f, NULL);
    reel_test_reset(f->peer);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->record.reason, -ECONNRESET);
    assert_true(reel_test_saw_lost(f->peer));
    assert_int_equal(reel_test_reason(f->peer), -ECONNABORTED);
    assert_int_equal(reel_test_send(f->peer, "x", 1), -EPIPE);
}

static void a_broken_wire_is_felt_at_both_ends(void **state)
{
    struct fixture *f = *state;
    meet(f, NULL);
    reel_pause_reading(f->t);
    reel_test_break(f->t, -EHOSTUNREACH);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->record.reason, -EHOSTUNREACH);
    assert_int_equal(reel_test_reason(f->peer), -EHOSTUNREACH);
}

static void a_slow_reader_is_felt_and_a_held_wire_too(void **state)
{
    struct fixture *f = *state;
    f->factory.options =
        (struct reel_options){.queue_max = 200, .queue_high = 100, .queue_low = 50};
    const struct reel_wire wire = {.buffer_max = 10};
    meet(f, &wire);
    reel_test_read(f->peer, false);
    uint8_t block[120];
    memset(block, 'b', sizeof(block));
    assert_int_equal(reel_write(f->t, block, sizeof(block)), 0);
    assert_int_equal(reel_write(f->t, block, sizeof(block)), -ENOBUFS);
    assert_int_equal(reel_write_room(f->t), 80);
    reel_test_advance(f->r, 0);
    assert_int_equal(reel_write_pending(f->t), 110);
    assert_int_equal(f->record.full, 1);
    assert_int_equal(f->record.drained, 0);
    reel_test_read(f->peer, true);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->record.drained, 1);
    assert_int_equal(reel_write_pending(f->t), 0);

    reel_test_hold(f->t, true);
    assert_int_equal(reel_write(f->t, block, 30), 0);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(reel_write_pending(f->t), 20);
    reel_test_hold(f->t, false);
    reel_test_advance(f->r, 0);
    size_t len = 0;
    reel_test_received(f->peer, &len);
    assert_int_equal(len, 150);
}

/* The peer asks and never listens: what it costs is the queue, for the transport stops reading. */
static void one_who_never_reads_is_not_read_either(void **state)
{
    struct fixture *f = *state;
    f->factory.protocol = &echo_protocol;
    f->factory.options =
        (struct reel_options){.queue_max = 400, .queue_high = 100, .queue_low = 50};
    const struct reel_wire wire = {.chunk_max = 64, .buffer_max = 64};
    meet(f, &wire);
    reel_test_read(f->peer, false);
    for (int i = 0; i < 100; i++)
        assert_int_equal(reel_test_send(f->peer, "0123456789", 10), 0);
    reel_test_advance(f->r, REEL_SECOND);
    assert_true(reel_write_pending(f->t) <= 400);
    assert_true(f->record.received < 400);
    assert_int_equal(f->record.lost, 0);
    reel_test_read(f->peer, true);
    reel_test_advance(f->r, REEL_SECOND);
    size_t len = 0;
    reel_test_received(f->peer, &len);
    assert_int_equal(len, 1000);
}

static size_t take_some(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct record *record = reel_shared(t);
    size_t *appetite = reel_state(t);
    size_t n = len < *appetite ? len : *appetite;
    memcpy(record->data + record->received, data, n);
    record->received += n;
    *appetite -= n;
    return n;
}

static const struct reel_protocol picky_protocol = {.state_size = sizeof(size_t),
                                                    .data = take_some};

static void bytes_not_taken_come_again_and_nothing_is_lost(void **state)
{
    struct fixture *f = *state;
    f->factory.protocol = &picky_protocol;
    assert_int_equal(reel_test_peer_new(f->r, &f->factory, NULL, &f->peer, &f->t), 0);
    size_t *appetite = reel_state(f->t);
    *appetite = 4;
    reel_test_advance(f->r, 0);
    assert_int_equal(reel_test_send(f->peer, "0123456789", 10), 0);
    reel_test_advance(f->r, 0);
    assert_string_equal(f->record.data, "0123");
    reel_test_send(f->peer, "abc", 3);
    reel_test_send_eof(f->peer);
    reel_test_advance(f->r, REEL_SECOND); /* waits for the resume, not for time */
    assert_string_equal(f->record.data, "0123");
    *appetite = 2;
    reel_resume_reading(f->t);
    reel_test_advance(f->r, 0);
    assert_string_equal(f->record.data, "012345");
    *appetite = 100;
    reel_pause_reading(f->t);
    reel_test_advance(f->r, 0);
    assert_string_equal(f->record.data, "012345");
    reel_resume_reading(f->t);
    reel_test_advance(f->r, 0);
    assert_string_equal(f->record.data, "0123456789abc");
    assert_true(reel_test_saw_lost(f->peer)); /* the EOF came last, and closed */
}

static void idle_protocols_may_say_what_happens(void **state)
{
    struct fixture *f = *state;
    f->factory.options.idle_ns = REEL_SECOND;
    meet(f, NULL);
    for (int i = 0; i < 5; i++) {
        reel_test_advance(f->r, REEL_SECOND - 1);
        assert_int_equal(reel_test_send(f->peer, "x", 1), 0); /* pushes it back */
        reel_test_advance(f->r, 0);
    }
    assert_int_equal(f->record.lost, 0);
    reel_test_advance(f->r, REEL_SECOND - 1);
    assert_int_equal(f->record.lost, 0);
    reel_test_advance(f->r, 1);
    assert_int_equal(f->record.lost, 1);
    assert_int_equal(f->record.reason, -ETIMEDOUT);
}

static void on_idle(struct reel_transport *t)
{
    struct record *record = reel_shared(t);
    if (++record->idle == 3)
        reel_set_idle(t, 0);
    else
        reel_write(t, ".", 1);
}

static const struct reel_protocol patient_protocol = {.idle = on_idle};

static void an_idle_callback_keeps_the_connection(void **state)
{
    struct fixture *f = *state;
    f->factory.protocol = &patient_protocol;
    f->factory.options.idle_ns = 10;
    assert_int_equal(reel_test_peer_new(f->r, &f->factory, NULL, &f->peer, &f->t), 0);
    reel_test_advance(f->r, 1000);
    assert_int_equal(f->record.idle, 3);
    expect_received(f, "..");
    assert_false(reel_test_saw_lost(f->peer));
}

/* In each callback, the connection is closed or aborted: `lost` comes once, last, and later. */
struct closing {
    char when;
    bool abort;
    int lost;
    bool inside;
};

static void maybe_close(struct reel_transport *t, char where)
{
    struct closing *c = reel_shared(t);
    assert_int_equal(c->lost, 0);
    if (c->when != where)
        return;
    c->inside = true;
    if (c->abort)
        reel_abort(t);
    else
        reel_close(t);
    assert_true(reel_is_closing(t));
    reel_pause_reading(t);
    reel_resume_reading(t);
    reel_flush(t);
    c->inside = false;
}

static void closing_made(struct reel_transport *t)
{
    static const uint8_t block[200];
    assert_int_equal(reel_write(t, block, sizeof(block)), 0);
    maybe_close(t, 'm');
}

static size_t closing_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    (void)data;
    maybe_close(t, 'd');
    return len > 1 ? len - 1 : len;
}

static void closing_eof(struct reel_transport *t)
{
    maybe_close(t, 'e');
}

static void closing_full(struct reel_transport *t)
{
    maybe_close(t, 'u');
}

static void closing_drained(struct reel_transport *t)
{
    maybe_close(t, 'r');
}

static void closing_idle(struct reel_transport *t)
{
    maybe_close(t, 'i');
}

static void closing_lost(struct reel_transport *t, int reason)
{
    struct closing *c = reel_shared(t);
    assert_false(c->inside);
    assert_int_equal(c->lost++, 0);
    assert_int_equal(reason, c->abort ? -ECONNABORTED : 0);
    reel_close(t);
    reel_abort(t);
    assert_int_equal(reel_write(t, "x", 1), -EPIPE);
}

static const struct reel_protocol closing_protocol = {
    .made = closing_made,
    .data = closing_data,
    .eof = closing_eof,
    .full = closing_full,
    .drained = closing_drained,
    .idle = closing_idle,
    .lost = closing_lost,
};

static void any_callback_may_close_its_connection(void **state)
{
    struct fixture *f = *state;
    static const char places[] = "mdeuri";
    f->factory.protocol = &closing_protocol;
    f->factory.options = (struct reel_options){
        .queue_high = 100, .queue_low = 10, .idle_ns = 1000, .read_while_full = true};
    const struct reel_wire wire = {.buffer_max = 16};
    for (size_t i = 0; i < 2 * strlen(places); i++) {
        struct closing closing = {.when = places[i / 2], .abort = i % 2 == 1};
        f->factory.shared = &closing;
        assert_int_equal(reel_test_peer_new(f->r, &f->factory, &wire, &f->peer, &f->t), 0);
        reel_test_read(f->peer, false);
        reel_test_advance(f->r, 1);
        reel_test_send(f->peer, "bytes", 5); /* -EPIPE where it is closed already */
        reel_test_advance(f->r, 1);
        reel_test_read(f->peer, true);
        reel_test_advance(f->r, 1);
        if (closing.when != 'i') {
            for (int n = 0; n < 8 && !closing.lost; n++) {
                reel_resume_reading(f->t);
                reel_test_advance(f->r, 1);
                if (n == 6)
                    reel_test_send_eof(f->peer);
            }
        }
        reel_test_advance(f->r, 10000);
        assert_int_equal(closing.lost, 1);
        reel_test_peer_free(f->peer);
        f->peer = NULL;
        reel_test_advance(f->r, 0);
    }
}

/* One connection's callback ends all the others. */
static struct reel_transport *all[8];

static size_t kill_all(struct reel_transport *t, const uint8_t *data, size_t len)
{
    (void)data;
    for (int i = 0; i < 8; i++)
        if (all[i] && all[i] != t)
            reel_abort(all[i]);
    return len;
}

static void forget_me(struct reel_transport *t, int reason)
{
    (void)reason;
    struct record *record = reel_shared(t);
    record->lost++;
    for (int i = 0; i < 8; i++)
        if (all[i] == t)
            all[i] = NULL;
}

static const struct reel_protocol killing_protocol = {.data = kill_all, .lost = forget_me};

static void one_callback_may_end_all_others(void **state)
{
    struct fixture *f = *state;
    f->factory.protocol = &killing_protocol;
    struct reel_test_peer *peers[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(reel_test_peer_new(f->r, &f->factory, NULL, &peers[i], &all[i]), 0);
    reel_test_advance(f->r, 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(reel_test_send(peers[i], "x", 1), 0);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->record.lost, 7);
    f->record.made = f->record.lost + 1; /* one is left for the reactor's end */
    for (int i = 0; i < 8; i++)
        reel_test_peer_free(peers[i]);
    reel_test_advance(f->r, 0);
}

struct flusher {
    struct reel_transport *closing; /* has unread input */
    int calls;
    char data[16];
};

static size_t flush_another(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct flusher *f = reel_shared(t);
    if (f->calls++ == 0) {
        reel_close(f->closing);
        reel_flush(f->closing);
        assert_memory_equal(data, "precious", 8);
        return 3;
    }
    memcpy(f->data, data, len);
    return len;
}

static const struct reel_protocol flushing_protocol = {.data = flush_another};

/* A closing connection drops its unread input; that must not fall on bytes being delivered. */
static void borrowed_bytes_stay_while_others_are_flushed(void **state)
{
    struct fixture *f = *state;
    struct flusher flusher = {.calls = 0};
    struct reel_test_peer *other = NULL;
    meet(f, NULL);
    reel_pause_reading(f->t);
    assert_int_equal(reel_test_send(f->peer, "XXXXXXXXXXXX", 12), 0);
    flusher.closing = f->t;
    const struct reel_factory factory = {.protocol = &flushing_protocol, .shared = &flusher};
    struct reel_transport *t = NULL;
    assert_int_equal(reel_test_peer_new(f->r, &factory, NULL, &other, &t), 0);
    reel_test_advance(f->r, 0);
    assert_int_equal(reel_test_send(other, "precious", 8), 0);
    reel_test_advance(f->r, 0);
    assert_int_equal(flusher.calls, 1);
    reel_resume_reading(t);
    reel_test_advance(f->r, 0);
    assert_string_equal(flusher.data, "cious");
    assert_int_equal(f->record.reason, 0);
    reel_abort(t);
    reel_test_advance(f->r, 0);
    reel_test_peer_free(other);
}

/* What a dead connection had written lies where others write on, once a long turn was flushed. */
static void the_dead_leave_nothing_among_the_bytes_of_the_living(void **state)
{
    struct fixture *f = *state;
    const struct reel_wire wide = {.buffer_max = 1 << 24};
    struct reel_transport *a = NULL, *b = NULL;
    static uint8_t text[4096];
    meet(f, NULL);
    memset(text, 'A', sizeof(text));
    assert_int_equal(reel_test_pair(f->r, &f->factory, &f->factory, &wide, &wide, &a, &b), 0);
    reel_test_advance(f->r, 0);
    assert_int_equal(reel_write(a, text, 100), 0);
    assert_int_equal(reel_write(f->t, "last words", 10), 0);
    reel_abort(f->t);
    for (int i = 0; i < 100; i++)
        assert_int_equal(reel_write(a, text, sizeof(text)), 0);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->record.lost, 1);
}

static void a_protocol_may_be_replaced(void **state)
{
    struct fixture *f = *state;
    meet(f, NULL);
    reel_set_protocol(f->t, &echo_protocol);
    assert_int_equal(reel_test_send(f->peer, "echo", 4), 0);
    reel_test_advance(f->r, 0);
    expect_received(f, "echo");
}

static void virtual_time_refuses_the_world(void **state)
{
    struct fixture *f = *state;
    struct reel_signal signal;
    struct reel_transport *t = NULL;
    assert_int_equal(reel_listen(f->r, "tcp:0", &f->factory, NULL), -EOPNOTSUPP);
    assert_int_equal(reel_connect(f->r, "tcp:127.0.0.1:9", &f->factory, &t), -EOPNOTSUPP);
    assert_int_equal(reel_signal_start(&signal, f->r, 10, NULL), -EOPNOTSUPP);
    assert_int_equal(reel_stream_adopt(f->r, 0, &f->factory, &t), -EOPNOTSUPP);
    assert_int_equal(reel_run_once(f->r, -1), -EDEADLK); /* nothing could ever come */
    assert_true(reel_wall_us(f->r) == 1000000);
    reel_test_advance(f->r, 5 * REEL_SECOND);
    assert_true(reel_wall_us(f->r) == 6000000);
}

static void stop_soon(struct reel_timer *timer)
{
    reel_stop(timer->reactor);
}

static void a_run_in_virtual_time_takes_none(void **state)
{
    struct fixture *f = *state;
    struct reel_timer timer;
    assert_int_equal(reel_timer_init(&timer, f->r, stop_soon), 0);
    reel_timer_start(&timer, 3600 * REEL_SECOND);
    assert_int_equal(reel_run(f->r), 0);
    assert_true(reel_now_ns(f->r) == 3600 * REEL_SECOND);
    reel_timer_fini(&timer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(echo_comes_back_whatever_the_splits),
        TEST(a_reset_arrives_with_its_reason),
        TEST(a_broken_wire_is_felt_at_both_ends),
        TEST(a_slow_reader_is_felt_and_a_held_wire_too),
        TEST(one_who_never_reads_is_not_read_either),
        TEST(bytes_not_taken_come_again_and_nothing_is_lost),
        TEST(idle_protocols_may_say_what_happens),
        TEST(an_idle_callback_keeps_the_connection),
        TEST(any_callback_may_close_its_connection),
        TEST(one_callback_may_end_all_others),
        TEST(borrowed_bytes_stay_while_others_are_flushed),
        TEST(the_dead_leave_nothing_among_the_bytes_of_the_living),
        TEST(a_protocol_may_be_replaced),
        TEST(virtual_time_refuses_the_world),
        TEST(a_run_in_virtual_time_takes_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
