#include "filter_helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- A cipher: each byte is changed; sends in small pieces. ---- */

struct xor_filter {
    struct reel_filter filter;
    uint8_t key;
};

static int xor_open(struct reel_filter *f, const void *options)
{
    ((struct xor_filter *)f)->key = *(const uint8_t *)options;
    return 0;
}

static ssize_t xor_receive(struct reel_filter *f, uint8_t *data, size_t len)
{
    ssize_t n = reel_filter_receive(f, data, len);
    for (ssize_t i = 0; i < n; i++)
        data[i] ^= ((struct xor_filter *)f)->key;
    return n;
}

static ssize_t xor_send(struct reel_filter *f, const struct iovec *parts, int count)
{
    uint8_t piece[7];
    assert_true(count > 0);
    size_t len = parts->iov_len < sizeof(piece) ? parts->iov_len : sizeof(piece);
    memcpy(piece, parts->iov_base, len);
    for (size_t i = 0; i < len; i++)
        piece[i] ^= ((struct xor_filter *)f)->key;
    const struct iovec part = {piece, len};
    return reel_filter_send(f, &part, 1);
}

const struct reel_filter_type xor_type = {
    .name_z = "xor",
    .size = sizeof(struct xor_filter),
    .open = xor_open,
    .receive = xor_receive,
    .send = xor_send,
};

/* ---- A handshake: both sides send a word and want the same one. ---- */

struct greeter {
    struct reel_filter filter;
    struct greeting *greeting;
    size_t sent, got;
    bool limited;
};

static int greeter_open(struct reel_filter *f, const void *options)
{
    struct greeting *greeting = *(struct greeting *const *)options;
    ((struct greeter *)f)->greeting = greeting;
    if (greeting->refuse)
        return greeting->refuse;
    greeting->opened++;
    return 0;
}

static void greeter_close(struct reel_filter *f, bool reset)
{
    struct greeting *greeting = ((struct greeter *)f)->greeting;
    greeting->closed++;
    greeting->was_reset = reset;
}

static int send_word(struct greeter *g)
{
    size_t len = strlen(g->greeting->word_z);
    while (g->sent < len) {
        const struct iovec part = {(char *)g->greeting->word_z + g->sent, len - g->sent};
        ssize_t n = reel_filter_send(&g->filter, &part, 1);
        if (n < 0)
            return (int)n;
        g->sent += (size_t)n;
    }
    return 0;
}

static int expect_word(struct greeter *g)
{
    uint8_t data[64];
    size_t len = strlen(g->greeting->word_z);
    while (g->got < len) {
        ssize_t n = reel_filter_receive(&g->filter, data, sizeof(data));
        if (n <= 0)
            return n < 0 ? (int)n : -ECONNRESET;
        size_t take = len - g->got < (size_t)n ? len - g->got : (size_t)n;
        if (memcmp(data, g->greeting->word_z + g->got, take) != 0)
            return -EPROTO;
        g->got += take;
        int err = reel_filter_unread(&g->filter, data + take, (size_t)n - take);
        if (err < 0)
            return err;
    }
    return 0;
}

static int greeter_start(struct reel_filter *f)
{
    struct greeter *g = (struct greeter *)f;
    g->greeting->starts++;
    if (g->greeting->timeout_ns && !g->limited) {
        g->limited = true;
        int err = reel_filter_expect(f, g->greeting->timeout_ns);
        if (err < 0)
            return err;
    }
    int err = send_word(g);
    int got = expect_word(g);
    if (got < 0)
        return got;
    return err < 0 ? err : g->greeting->leaves ? REEL_FILTER_LEAVE : 0;
}

const struct reel_filter_type greeter_type = {
    .name_z = "greeter",
    .size = sizeof(struct greeter),
    .open = greeter_open,
    .start = greeter_start,
    .close = greeter_close,
};

/* ---- A throttle: so many bytes a second, each way. ---- */

struct throttle {
    struct reel_filter filter;
    struct reel_timer refill;
    size_t rate, in, out;
};

static void on_refill(struct reel_timer *timer)
{
    struct throttle *throttle =
        (struct throttle *)((uint8_t *)timer - offsetof(struct throttle, refill));
    throttle->in = throttle->out = throttle->rate;
    reel_filter_wake(&throttle->filter);
}

static int throttle_open(struct reel_filter *f, const void *options)
{
    struct throttle *throttle = (struct throttle *)f;
    throttle->rate = throttle->in = throttle->out = *(const size_t *)options;
    return reel_timer_init(&throttle->refill, reel_reactor_of(f->transport), on_refill);
}

static ssize_t refill_later(struct throttle *throttle)
{
    if (!reel_timer_is_active(&throttle->refill))
        reel_timer_start(&throttle->refill, REEL_SECOND);
    return -EAGAIN;
}

static ssize_t throttle_receive(struct reel_filter *f, uint8_t *data, size_t len)
{
    struct throttle *throttle = (struct throttle *)f;
    if (throttle->in == 0)
        return refill_later(throttle);
    ssize_t n = reel_filter_receive(f, data, len < throttle->in ? len : throttle->in);
    throttle->in -= n > 0 ? (size_t)n : 0;
    return n;
}

static ssize_t throttle_send(struct reel_filter *f, const struct iovec *parts, int count)
{
    struct throttle *throttle = (struct throttle *)f;
    (void)count;
    if (throttle->out == 0)
        return refill_later(throttle);
    struct iovec part = parts[0];
    part.iov_len = part.iov_len < throttle->out ? part.iov_len : throttle->out;
    ssize_t n = reel_filter_send(f, &part, 1);
    throttle->out -= n > 0 ? (size_t)n : 0;
    return n;
}

static void throttle_close(struct reel_filter *f, bool reset)
{
    (void)reset;
    reel_timer_fini(&((struct throttle *)f)->refill);
}

const struct reel_filter_type throttle_type = {
    .name_z = "throttle",
    .size = sizeof(struct throttle),
    .open = throttle_open,
    .receive = throttle_receive,
    .send = throttle_send,
    .close = throttle_close,
};

/* ---- One that says goodbye, a byte at a time. ---- */

struct leaver {
    struct reel_filter filter;
    size_t said;
};

static int leaver_shut(struct reel_filter *f)
{
    struct leaver *leaver = (struct leaver *)f;
    while (leaver->said < 3) {
        const struct iovec part = {(char *)"BYE" + leaver->said, 1};
        ssize_t n = reel_filter_send(f, &part, 1);
        if (n < 0)
            return (int)n;
        leaver->said++;
    }
    return 0;
}

const struct reel_filter_type leaver_type = {
    .name_z = "leaver",
    .size = sizeof(struct leaver),
    .shut = leaver_shut,
};

const struct reel_filter_type nothing_type = {.name_z = "nothing"};

/* ---- The fixture. ---- */

int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_test_reactor_new(&options, 1000000);
    assert_non_null(f->r);
    f->factory = (struct reel_factory){
        .protocol = &recording_protocol, .shared = &f->record, .filters = f->uses};
    f->key = 0x20;
    f->greeting.word_z = "HELLO";
    f->greeting_at = &f->greeting;
    *state = f;
    return 0;
}

int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_reactor_free(f->r);
    reel_test_peer_free(f->peer);
    assert_int_equal(f->counts.live, 0);
    assert_int_equal(f->record.made, f->record.lost);
    assert_int_equal(f->greeting.opened, f->greeting.closed);
    free(f);
    return 0;
}

void meet(struct fixture *f, const struct reel_wire *wire)
{
    assert_int_equal(reel_test_peer_new(f->r, &f->factory, wire, &f->peer, &f->t), 0);
    assert_int_equal(f->record.made, 0);
    reel_test_advance(f->r, 0);
}

void send_text(struct fixture *f, const char *text_z)
{
    assert_int_equal(reel_test_send(f->peer, text_z, strlen(text_z)), 0);
    reel_test_advance(f->r, 0);
}

void expect_received(struct fixture *f, const char *text_z)
{
    size_t len = 0;
    const uint8_t *data = reel_test_received(f->peer, &len);
    assert_int_equal(len, strlen(text_z));
    if (len)
        assert_memory_equal(data, text_z, len);
}
