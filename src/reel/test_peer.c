/* The test as a peer: an end of a wire whose protocol only records. It takes its memory from malloc:
 * it belongs to the test and may outlive the reactor. */
#include <reel/protocol.h>
#include <reel/testing.h>
#include <reel/transport.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reel_test_peer {
    struct reel_factory factory;
    struct reel_transport *t; /* NULL: lost */
    uint8_t *received;
    size_t len, cap;
    int reason;
    bool saw_eof, saw_lost;
    bool freed; /* by its owner: goes when the connection does */
};

static void peer_delete(struct reel_test_peer *peer)
{
    free(peer->received);
    free(peer);
}

static bool grow(struct reel_test_peer *peer, size_t need)
{
    size_t cap = peer->cap ? peer->cap : 256;
    while (cap < need)
        cap *= 2;
    uint8_t *received = realloc(peer->received, cap);
    if (!received)
        return false;
    peer->received = received;
    peer->cap = cap;
    return true;
}

static size_t peer_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct reel_test_peer *peer = reel_shared(t);
    if (peer->freed)
        return len;
    if (peer->cap - peer->len < len && !grow(peer, peer->len + len)) {
        reel_abort(t);
        return len;
    }
    memcpy(peer->received + peer->len, data, len);
    peer->len += len;
    return len;
}

static void peer_eof(struct reel_transport *t)
{
    struct reel_test_peer *peer = reel_shared(t);
    peer->saw_eof = true;
}

static void peer_end(struct reel_transport *t, int reason)
{
    struct reel_test_peer *peer = reel_shared(t);
    peer->t = NULL;
    peer->saw_lost = true;
    peer->reason = reason;
    if (peer->freed)
        peer_delete(peer);
}

static const struct reel_protocol peer_protocol = {
    .name_z = "test peer",
    .data = peer_data,
    .eof = peer_eof,
    .lost = peer_end,
    .failed = peer_end,
};

int reel_test_peer_new(struct reel_reactor *r, const struct reel_factory *factory,
                       const struct reel_wire *wire, struct reel_test_peer **peer,
                       struct reel_transport **t)
{
    struct reel_test_peer *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->factory = (struct reel_factory){
        .protocol = &peer_protocol,
        .shared = p,
        .options = {.queue_max = UINT32_MAX, .queue_high = UINT32_MAX},
    };
    int err = reel_test_pair(r, factory, &p->factory, wire, wire, t, &p->t);
    if (err < 0)
        free(p);
    else
        *peer = p;
    return err;
}

void reel_test_peer_free(struct reel_test_peer *peer)
{
    if (!peer)
        return;
    if (!peer->t) {
        peer_delete(peer);
        return;
    }
    peer->freed = true;
    reel_abort(peer->t);
}

int reel_test_send(struct reel_test_peer *peer, const void *data, size_t len)
{
    return peer->t ? reel_write(peer->t, data, len) : -EPIPE;
}

const uint8_t *reel_test_received(const struct reel_test_peer *peer, size_t *len)
{
    *len = peer->len;
    return peer->received;
}

void reel_test_drop(struct reel_test_peer *peer, size_t len)
{
    len = len < peer->len ? len : peer->len;
    if (len == 0)
        return;
    memmove(peer->received, peer->received + len, peer->len - len);
    peer->len -= len;
}

void reel_test_read(struct reel_test_peer *peer, bool on)
{
    if (!peer->t)
        return;
    if (on)
        reel_resume_reading(peer->t);
    else
        reel_pause_reading(peer->t);
}

void reel_test_send_eof(struct reel_test_peer *peer)
{
    if (peer->t)
        reel_shutdown_write(peer->t);
}

void reel_test_reset(struct reel_test_peer *peer)
{
    if (peer->t)
        reel_abort(peer->t);
}

bool reel_test_saw_eof(const struct reel_test_peer *peer)
{
    return peer->saw_eof;
}

bool reel_test_saw_lost(const struct reel_test_peer *peer)
{
    return peer->saw_lost;
}

int reel_test_reason(const struct reel_test_peer *peer)
{
    return peer->reason;
}
