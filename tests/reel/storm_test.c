/* Two protocols that do whatever comes to their mind, over wires and over sockets: the engine's
 * promises hold for every seed. storm_test [SEED] plays one alone. */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { SEEDS = 2000, SOCKET_SEEDS = 300, STEPS = 60 };

struct storm {
    uint32_t seed;
    int alive;
    bool on_sockets;
};

struct side {
    struct storm *storm;
    struct side *other;
    struct reel_transport *t;
    int made, ended, eof, full;
    bool closed, aborted, shut; /* by our own call */
    bool in_callback;
    size_t sent, received; /* bytes; byte n has the value n % 251 */
};

static uint32_t draw(struct storm *storm, uint32_t below)
{
    storm->seed = storm->seed * 1664525 + 1013904223;
    return (storm->seed >> 10) % below;
}

static void write_some(struct side *s, size_t len)
{
    static uint8_t block[20000];
    for (size_t i = 0; i < len; i++)
        block[i] = (uint8_t)((s->sent + i) % 251);
    size_t room = reel_write_room(s->t);
    int err = reel_write(s->t, block, len);
    if (err == 0)
        s->sent += len;
    if (s->closed || s->aborted || s->shut)
        assert_int_equal(err, -EPIPE);
    else if (err == 0)
        assert_true(len <= room);
    else
        assert_true(err == -EPIPE || (err == -ENOBUFS && len > room));
}

/* Anything a protocol may do to its connection, at any time. */
static void act(struct side *s)
{
    struct storm *storm = s->storm;
    if (!s->t)
        return;
    assert_false(s->in_callback);
    s->in_callback = true;
    switch (draw(storm, 24)) {
    case 0:
        reel_close(s->t);
        s->closed = true;
        break;
    case 1:
        if (draw(storm, 3) == 0) {
            reel_abort(s->t);
            s->aborted = true;
        }
        break;
    case 2:
        reel_shutdown_write(s->t);
        s->shut = true;
        break;
    case 3:
    case 4: reel_pause_reading(s->t); break;
    case 5:
    case 6:
    case 7: reel_resume_reading(s->t); break;
    case 8: reel_flush(s->t); break;
    case 9: reel_set_idle(s->t, storm->on_sockets ? 0 : draw(storm, 3) * 1000); break;
    case 10: write_some(s, draw(storm, 20000)); break;
    default: write_some(s, draw(storm, 300));
    }
    s->in_callback = false;
}

static void maybe_act(struct side *s)
{
    if (draw(s->storm, 3) == 0)
        act(s);
    if (draw(s->storm, 8) == 0)
        act(s->other);
}

static void check_open(const struct side *s)
{
    assert_int_equal(s->made, 1);
    assert_int_equal(s->ended, 0);
    assert_false(s->closed || s->aborted || s->in_callback);
}

static void on_made(struct reel_transport *t)
{
    struct side *s = reel_shared(t);
    assert_int_equal(s->made++, 0);
    assert_int_equal(s->ended, 0);
    maybe_act(s);
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct side *s = reel_shared(t);
    check_open(s);
    assert_int_equal(s->eof, 0);
    size_t taken = draw(s->storm, 4) ? len : draw(s->storm, (uint32_t)len + 1);
    for (size_t i = 0; i < taken; i++)
        assert_int_equal(data[i], (s->received + i) % 251);
    s->received += taken;
    assert_true(s->received <= s->other->sent);
    maybe_act(s);
    return taken;
}

static void on_eof(struct reel_transport *t)
{
    struct side *s = reel_shared(t);
    check_open(s);
    assert_int_equal(s->eof++, 0);
    /* A Unix socket has no reset: its abort looks like an end. */
    assert_true(s->other->shut || s->other->closed || s->storm->on_sockets);
    if (!s->other->aborted && s->other->made)
        assert_int_equal(s->received, s->other->sent); /* nothing was lost on the way */
    maybe_act(s);
}

static void on_full(struct reel_transport *t)
{
    struct side *s = reel_shared(t);
    check_open(s);
    assert_int_equal(s->full++, 0);
    maybe_act(s);
}

static void on_drained(struct reel_transport *t)
{
    struct side *s = reel_shared(t);
    check_open(s);
    assert_int_equal(s->full--, 1);
    maybe_act(s);
}

static void on_end(struct side *s)
{
    assert_false(s->in_callback);
    assert_int_equal(s->ended++, 0);
    s->t = NULL;
    s->storm->alive--;
}

static void on_lost(struct reel_transport *t, int reason)
{
    struct side *s = reel_shared(t);
    assert_int_equal(s->made, 1);
    assert_true(!s->aborted || reason != 0 || s->closed || s->shut); /* else it was over already */
    on_end(s);
    if (draw(s->storm, 4) == 0)
        act(s->other);
}

static void on_failed(struct reel_transport *t, int reason)
{
    struct side *s = reel_shared(t);
    assert_int_equal(s->made, 0);
    assert_int_not_equal(reason, 0);
    on_end(s);
}

static const struct reel_protocol storm_protocol = {
    .made = on_made,
    .failed = on_failed,
    .data = on_data,
    .eof = on_eof,
    .full = on_full,
    .drained = on_drained,
    .lost = on_lost,
};

static struct reel_factory factory_for(struct side *s)
{
    struct reel_factory factory = {.protocol = &storm_protocol, .shared = s};
    struct reel_options *o = &factory.options;
    o->queue_max = 30000 + draw(s->storm, 100000);
    o->queue_high = 100 + draw(s->storm, 10000);
    o->queue_low = draw(s->storm, 100);
    o->linger_ns = s->storm->on_sockets ? 0 : 5000;
    o->read_while_full = draw(s->storm, 2);
    return factory;
}

static struct reel_wire wire_for(struct storm *storm)
{
    return (struct reel_wire){
        .chunk_max = draw(storm, 3) ? 0 : 1 + draw(storm, 100),
        .send_max = draw(storm, 3) ? 0 : 1 + draw(storm, 100),
        .buffer_max = draw(storm, 2) ? 0 : 1 + draw(storm, 5000),
        .delay_ns = draw(storm, 2) ? 0 : draw(storm, 500),
    };
}

static void begin(struct storm *storm, struct side s[2], uint32_t seed)
{
    *storm = (struct storm){.seed = seed * 2654435761u + 1, .alive = 2};
    for (int i = 0; i < 2; i++)
        s[i] = (struct side){.storm = storm, .other = &s[1 - i]};
}

static void finish(struct reel_reactor *r, struct storm *storm, struct side s[2],
                   const struct counting_allocator *counts)
{
    reel_reactor_free(r);
    assert_int_equal(storm->alive, 0);
    assert_int_equal(s[0].ended + s[1].ended, 2);
    assert_int_equal(counts->live, 0);
}

static void storm_on_a_wire(uint32_t seed)
{
    struct storm storm;
    struct side s[2];
    struct counting_allocator counts;
    begin(&storm, s, seed);
    const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
    struct reel_reactor *r = reel_test_reactor_new(&options, 0);
    struct reel_factory factories[2] = {factory_for(&s[0]), factory_for(&s[1])};
    struct reel_wire wires[2] = {wire_for(&storm), wire_for(&storm)};
    assert_int_equal(
        reel_test_pair(r, &factories[0], &factories[1], &wires[0], &wires[1], &s[0].t, &s[1].t), 0);
    for (int step = 0; step < STEPS && storm.alive; step++) {
        act(&s[draw(&storm, 2)]);
        struct side *one = &s[draw(&storm, 2)];
        if (one->t && draw(&storm, 20) == 0)
            reel_test_hold(one->t, draw(&storm, 2));
        reel_test_advance(r, draw(&storm, 3) ? draw(&storm, 300) : 0);
    }
    finish(r, &storm, s, &counts);
}

static void storm_on_sockets(uint32_t seed)
{
    struct storm storm;
    struct side s[2];
    struct counting_allocator counts;
    int fds[2];
    begin(&storm, s, seed);
    storm.on_sockets = true;
    const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
    struct reel_reactor *r = reel_reactor_new(&options);
    struct reel_factory factories[2] = {factory_for(&s[0]), factory_for(&s[1])};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    for (int i = 0; i < 2; i++) {
        int size = 4096;
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        assert_int_equal(reel_stream_adopt(r, fds[i], &factories[i], &s[i].t), 0);
    }
    for (int step = 0; step < STEPS && storm.alive; step++) {
        act(&s[draw(&storm, 2)]);
        assert_true(reel_run_once(r, 0) >= 0);
    }
    finish(r, &storm, s, &counts);
}

/* Seeds that found something once, beyond those that are played anyway. */
static const uint32_t wire_finds[] = {28543, 74933};
static const uint32_t socket_finds[] = {1241, 4484};

static void play(const uint32_t *only, uint32_t count, const uint32_t finds[2],
                 void (*storm)(uint32_t seed))
{
    uint32_t first = only ? *only : 0;
    for (uint32_t seed = first; seed < (only ? first + 1 : count); seed++) {
        print_message("seed %u\r", seed);
        storm(seed);
    }
    for (int i = 0; i < 2 && !only; i++)
        storm(finds[i]);
}

static void every_seed_keeps_the_promises_on_wires(void **state)
{
    play(*state, SEEDS, wire_finds, storm_on_a_wire);
}

static void every_seed_keeps_the_promises_on_sockets(void **state)
{
    play(*state, SOCKET_SEEDS, socket_finds, storm_on_sockets);
}

int main(int argc, char **argv)
{
    uint32_t seed = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    uint32_t *only = argc > 1 ? &seed : NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_seed_keeps_the_promises_on_wires, only),
        cmocka_unit_test_prestate(every_seed_keeps_the_promises_on_sockets, only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
