/* A connection in memory: two transports, and between them, for each direction, packets under way.
 * Each end keeps what is on its way to it. */
#include "reel/wire.h"

#include "reel/race.h"

#include <errno.h>
#include <string.h>

struct packet {
    struct packet *next;
    int64_t arrives_ns;
    size_t start, end;
    uint8_t data[];
};

static struct wire_end *end_of(struct reel_transport *t)
{
    return CONTAINER_OF(t, struct wire_end, t);
}

/* What happens on a wire reaches a protocol from the loop only, never inside a call of the other. */
static void notify(struct wire_end *end, int64_t at_ns)
{
    if (reel_timer_deadline_ns(&end->notice) > at_ns)
        reel_timer_start_at(&end->notice, at_ns);
}

static void notify_now(struct wire_end *end)
{
    notify(end, end->t.reactor->now_ns);
}

static int64_t arrives_ns(struct wire_end *end, size_t len)
{
    return end->course ? end->course->arrives_ns(end, len)
                       : end->t.reactor->now_ns + end->wire.delay_ns;
}

/* A reset is held up by what holds up everything, on a course; between a pair the test has its say. */
static bool is_broken(const struct wire_end *end)
{
    return end->broken && end->broken_ns <= end->t.reactor->now_ns && !(end->course && end->held);
}

static size_t room_for(const struct wire_end *receiver)
{
    size_t max = receiver->wire.buffer_max ? receiver->wire.buffer_max : REEL_WIRE_DEFAULT;
    return max > receiver->buffered ? max - receiver->buffered : 0;
}

static void on_notice(struct reel_timer *timer)
{
    struct wire_end *end = CONTAINER_OF(timer, struct wire_end, notice);
    int64_t now_ns = end->t.reactor->now_ns;
    uint32_t events = is_broken(end) ? EPOLLERR : 0;
    if (end->broken && end->broken_ns > now_ns)
        notify(end, end->broken_ns);
    if (!end->held && end->first) {
        if (end->first->arrives_ns > now_ns)
            notify(end, end->first->arrives_ns);
        else
            events |= EPOLLIN;
    }
    if (!end->held && end->eof_ns != INT64_MAX) {
        if (end->eof_ns > now_ns)
            notify(end, end->eof_ns);
        else
            events |= EPOLLIN | EPOLLRDHUP;
    }
    if (!end->t.writable && (!end->other || room_for(end->other)))
        events |= EPOLLOUT;
    reel_stream_events(&end->t, events);
}

static void drop_packet(struct wire_end *end)
{
    struct packet *packet = end->first;
    end->first = packet->next;
    if (!end->first)
        end->end = &end->first;
    reel_memory_free(end->t.reactor, packet);
}

ssize_t reel_wire_receive(struct reel_transport *t, uint8_t *data, size_t len)
{
    struct wire_end *end = end_of(t);
    int64_t now_ns = t->reactor->now_ns;
    if (is_broken(end))
        return end->broken;
    if (end->held)
        return -EAGAIN;
    if (!end->first && end->eof_ns <= now_ns)
        return 0;
    if (end->wire.chunk_max && len > end->wire.chunk_max)
        len = end->wire.chunk_max;
    size_t taken = 0;
    while (taken < len && end->first && end->first->arrives_ns <= now_ns) {
        struct packet *packet = end->first;
        size_t n = packet->end - packet->start;
        n = n < len - taken ? n : len - taken;
        memcpy(data + taken, packet->data + packet->start, n);
        taken += n;
        packet->start += n;
        if (packet->start == packet->end)
            drop_packet(end);
    }
    end->buffered -= taken;
    if (end->first && end->first->arrives_ns > now_ns)
        notify(end, end->first->arrives_ns);
    if (taken && end->other && !end->other->t.writable)
        notify_now(end->other);
    return taken ? (ssize_t)taken : -EAGAIN;
}

static size_t total(const struct iovec *parts, int count)
{
    size_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += parts[i].iov_len;
    return sum;
}

static void fill(struct packet *packet, const struct iovec *parts, size_t len)
{
    while (packet->end < len) {
        size_t n = parts->iov_len < len - packet->end ? parts->iov_len : len - packet->end;
        memcpy(packet->data + packet->end, parts->iov_base, n);
        packet->end += n;
        parts++;
    }
}

ssize_t reel_wire_send(struct reel_transport *t, const struct iovec *parts, int count)
{
    struct wire_end *end = end_of(t), *other = end->other;
    if (is_broken(end))
        return end->broken;
    if (!other)
        return -EPIPE;
    size_t len = total(parts, count);
    size_t room = room_for(other);
    len = len < room ? len : room;
    if (other->wire.send_max && len > other->wire.send_max)
        len = other->wire.send_max;
    if (len == 0)
        return -EAGAIN;
    struct packet *packet = reel_memory_new(t->reactor, sizeof(*packet) + len);
    if (!packet)
        return -ENOMEM;
    *packet = (struct packet){.arrives_ns = arrives_ns(other, len)};
    fill(packet, parts, len);
    *other->end = packet;
    other->end = &packet->next;
    other->buffered += len;
    notify(other, packet->arrives_ns);
    return (ssize_t)len;
}

void reel_wire_shut(struct reel_transport *t)
{
    struct wire_end *other = end_of(t)->other;
    if (!other || other->eof_ns != INT64_MAX)
        return;
    other->eof_ns = arrives_ns(other, 0);
    notify(other, other->eof_ns);
}

/* As TCP does it: closing over unread bytes is a reset too. */
void reel_wire_close(struct reel_transport *t, bool reset)
{
    struct wire_end *end = end_of(t), *other = end->other;
    reel_wire_shut(t);
    if (other) {
        if (reset || end->buffered)
            reel_wire_break(other, -ECONNRESET,
                            other->course ? arrives_ns(other, 0) : t->reactor->now_ns);
        other->other = NULL;
        notify_now(other);
    }
    while (end->first)
        drop_packet(end);
    reel_timer_fini(&end->notice);
}

int reel_wire_error(struct reel_transport *t)
{
    return is_broken(end_of(t)) ? end_of(t)->broken : 0;
}

void reel_wire_events(void *source, uint32_t events)
{
    reel_stream_events(CONTAINER_OF(source, struct reel_transport, io), events);
}

int reel_wire_init(struct wire_end *end, const struct reel_wire *wire)
{
    if (reel_timer_init(&end->notice, end->t.reactor, on_notice) < 0)
        return -ENOMEM;
    end->end = &end->first;
    end->eof_ns = INT64_MAX;
    if (wire)
        end->wire = *wire;
    return 0;
}

static const struct stream_io wire_io = {
    .source = {reel_wire_events},
    .size = sizeof(struct wire_end),
    .short_is_all = false,
    .receive = reel_wire_receive,
    .send = reel_wire_send,
    .shut = reel_wire_shut,
    .close = reel_wire_close,
    .error = reel_wire_error,
};

static struct wire_end *end_new(struct reel_reactor *r, const struct reel_factory *factory,
                                const struct reel_wire *wire)
{
    struct reel_transport *t = reel_stream_new(r, &wire_io, factory);
    if (!t)
        return NULL;
    struct wire_end *end = end_of(t);
    if (reel_wire_init(end, wire) < 0) {
        reel_stream_discard(t);
        return NULL;
    }
    t->writable = t->readable = true;
    return end;
}

int reel_test_pair(struct reel_reactor *r, const struct reel_factory *a_factory,
                   const struct reel_factory *b_factory, const struct reel_wire *a_to_b,
                   const struct reel_wire *b_to_a, struct reel_transport **a,
                   struct reel_transport **b)
{
    if (r->ending)
        return -ECANCELED;
    struct wire_end *left = end_new(r, a_factory, b_to_a);
    if (!left)
        return -ENOMEM;
    struct wire_end *right = end_new(r, b_factory, a_to_b);
    if (!right) {
        reel_timer_fini(&left->notice);
        reel_stream_discard(&left->t);
        return -ENOMEM;
    }
    left->other = right;
    right->other = left;
    reel_stream_start(&left->t);
    reel_stream_start(&right->t);
    *a = &left->t;
    *b = &right->t;
    return 0;
}

int reel_wire_new(struct reel_reactor *r, const struct reel_factory *factory,
                  struct reel_transport **out)
{
    struct wire_end *end = end_new(r, factory, NULL);
    if (!end)
        return -ENOMEM;
    end->t.connecting = true;
    end->t.writable = end->t.readable = false;
    *out = &end->t;
    return 0;
}

int reel_wire_join(struct reel_transport *t, const struct reel_factory *server)
{
    struct wire_end *left = end_of(t), *right = end_new(t->reactor, server, NULL);
    if (!right)
        return -ENOMEM;
    left->other = right;
    right->other = left;
    t->writable = t->readable = true;
    reel_stream_start(t);
    reel_stream_start(&right->t);
    return 0;
}

void reel_test_hosts(struct reel_reactor *r, const struct reel_test_host *hosts, size_t count)
{
    r->hosts = hosts;
    r->host_count = count;
}

void reel_wire_hold(struct wire_end *end, bool on)
{
    end->held = on;
    notify_now(end);
}

void reel_test_hold(struct reel_transport *t, bool on)
{
    struct wire_end *other = end_of(t)->other;
    if (other)
        reel_wire_hold(other, on);
}

void reel_wire_break(struct wire_end *end, int reason, int64_t at_ns)
{
    if (end->broken && end->broken_ns <= at_ns)
        return;
    end->broken = reason;
    end->broken_ns = at_ns;
    notify(end, at_ns);
}

void reel_test_break(struct reel_transport *t, int reason)
{
    struct wire_end *end = end_of(t);
    reel_wire_break(end, reason, t->reactor->now_ns);
    if (end->other)
        reel_wire_break(end->other, reason, t->reactor->now_ns);
}
