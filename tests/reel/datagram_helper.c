#include "datagram_helper.h"

#include <stdio.h>
#include <stdlib.h>

static void on_made(struct reel_datagram *d)
{
    struct seen *seen = reel_datagram_shared(d);
    seen->d = d;
    seen->made++;
}

static void on_received(struct reel_datagram *d, const uint8_t *data, size_t len,
                        const struct reel_address *from)
{
    struct seen *seen = reel_datagram_shared(d);
    if (seen->received < 512)
        seen->lens[seen->received] = len;
    seen->received++;
    seen->bytes += len;
    seen->from = *from;
    snprintf(seen->data, sizeof(seen->data), "%.*s", (int)len, (const char *)data);
    if (reel_datagram_local(d, &seen->local) < 0)
        seen->local.interface = 0;
    if (seen->take_fd)
        seen->fd = reel_datagram_take_fd(d);
    if (seen->echo)
        assert_int_equal(reel_datagram_reply(d, data, len), 0);
    if (seen->received == seen->pause_at)
        reel_datagram_pause(d);
}

static void on_refused(struct reel_datagram *d, int reason)
{
    struct seen *seen = reel_datagram_shared(d);
    seen->refused++;
    seen->refusal = reason;
}

static void on_full(struct reel_datagram *d)
{
    ((struct seen *)reel_datagram_shared(d))->full++;
}

static void on_drained(struct reel_datagram *d)
{
    ((struct seen *)reel_datagram_shared(d))->drained++;
}

static void on_lost(struct reel_datagram *d, int reason)
{
    struct seen *seen = reel_datagram_shared(d);
    seen->lost++;
    seen->reason = reason;
    seen->d = NULL;
}

const struct reel_datagram_protocol seeing = {
    .name_z = "seeing",
    .state_size = 24,
    .made = on_made,
    .received = on_received,
    .refused = on_refused,
    .full = on_full,
    .drained = on_drained,
    .lost = on_lost,
};

static struct fixture *fixture_new(bool in_virtual_time)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->fds = count_fds();
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = in_virtual_time ? reel_test_reactor_new(&options, 0) : reel_reactor_new(&options);
    f->a.fd = f->b.fd = -1;
    f->a_factory = (struct reel_datagram_factory){.protocol = &seeing, .shared = &f->a};
    f->b_factory = (struct reel_datagram_factory){.protocol = &seeing, .shared = &f->b};
    return f;
}

int set_up(void **state)
{
    *state = fixture_new(false);
    return 0;
}

int set_up_virtual(void **state)
{
    *state = fixture_new(true);
    return 0;
}

int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_reactor_free(f->r);
    assert_int_equal(f->a.made, f->a.lost);
    assert_int_equal(f->b.made, f->b.lost);
    assert_int_equal(f->counts.live, 0);
    assert_int_equal(count_fds(), f->fds);
    free(f);
    return 0;
}

void run_until_at_least(struct fixture *f, const int *value, int wanted)
{
    for (int turns = 0; turns < 20000 && *value < wanted; turns++)
        assert_true(reel_run_once(f->r, REEL_MS) >= 0);
    assert_int_equal(*value, wanted);
}

void open_two(struct fixture *f, const char *endpoint_z, const char *host_z,
              struct reel_datagram **a, struct reel_datagram **b)
{
    char client[64];
    assert_int_equal(reel_listen_datagram(f->r, endpoint_z, &f->a_factory, a), 0);
    snprintf(client, sizeof(client), "udp:%s:%u", host_z, reel_datagram_port(*a));
    assert_int_equal(reel_connect_datagram(f->r, client, &f->b_factory, b), 0);
}
