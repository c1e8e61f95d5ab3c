/* Datagrams in memory: two connected ends, on any reactor, in virtual time too. */
#include "reel/dgram.h"

#include <reel/testing.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct flying {
    struct flying *next;
    int64_t arrives_ns;
    size_t len;
    uint8_t data[];
};

struct wire_end {
    struct reel_datagram d;
    struct wire_end *other; /* NULL: closed */
    struct reel_datagram_wire wire;
    struct reel_address name, other_name;
    struct flying *first, **end; /* on the way to here */
    struct flying *told;         /* of the last batch: freed with the next */
    size_t buffered;
    uint32_t count; /* that were sent to here */
    struct reel_timer notice;
};

static struct wire_end *end_of(const struct reel_datagram *d)
{
    return CONTAINER_OF(d, struct wire_end, d);
}

static void notify(struct wire_end *end, int64_t at_ns)
{
    if (reel_timer_deadline_ns(&end->notice) > at_ns)
        reel_timer_start_at(&end->notice, at_ns);
}

static size_t room_at(const struct wire_end *end)
{
    size_t max = end->wire.buffer_max ? end->wire.buffer_max : REEL_WIRE_DEFAULT;
    return max > end->buffered ? max - end->buffered : 0;
}

static void on_notice(struct reel_timer *timer)
{
    struct wire_end *end = CONTAINER_OF(timer, struct wire_end, notice);
    uint32_t events = 0;
    if (end->first && end->first->arrives_ns > end->d.reactor->now_ns)
        notify(end, end->first->arrives_ns);
    else if (end->first)
        events |= EPOLLIN;
    if (!end->d.writable && (!end->other || room_at(end->other)))
        events |= EPOLLOUT;
    reel_datagram_events(&end->d, events);
}

static void free_all(struct wire_end *end, struct flying **list)
{
    while (*list) {
        struct flying *flying = *list;
        *list = flying->next;
        reel_memory_free(end->d.reactor, flying);
    }
}

static int wire_receive(struct reel_datagram *d, struct datagram_item *items, int max)
{
    struct wire_end *end = end_of(d);
    int count = 0;
    free_all(end, &end->told);
    while (count < max && end->first && end->first->arrives_ns <= d->reactor->now_ns) {
        struct flying *flying = end->first;
        end->first = flying->next;
        if (!end->first)
            end->end = &end->first;
        flying->next = end->told;
        end->told = flying;
        end->buffered -= flying->len;
        items[count++] = (struct datagram_item){
            .data = flying->data, .len = flying->len, .from = &end->other_name};
    }
    if (end->first && end->first->arrives_ns > d->reactor->now_ns)
        notify(end, end->first->arrives_ns);
    if (count && end->other && !end->other->d.writable)
        notify(end->other, d->reactor->now_ns);
    return count ? count : -EAGAIN;
}

static int fly(struct wire_end *to, const struct datagram_message *message)
{
    struct reel_reactor *r = to->d.reactor;
    if (to->wire.lose_each && ++to->count % to->wire.lose_each == 0)
        return 0;
    struct flying *flying = reel_memory_new(r, sizeof(*flying) + message->len);
    if (!flying)
        return -ENOBUFS;
    *flying = (struct flying){.arrives_ns = r->now_ns + to->wire.delay_ns, .len = message->len};
    memcpy(flying->data, message->data, message->len);
    *to->end = flying;
    to->end = &flying->next;
    to->buffered += message->len;
    notify(to, flying->arrives_ns);
    return 0;
}

static int wire_send(struct reel_datagram *d, const struct datagram_message *messages, int count)
{
    struct wire_end *other = end_of(d)->other;
    if (!other)
        return -ECONNREFUSED;
    for (int i = 0; i < count; i++) {
        int err = room_at(other) ? fly(other, &messages[i]) : -EAGAIN;
        if (err < 0)
            return i ? i : err;
    }
    return count;
}

static void wire_close(struct reel_datagram *d)
{
    struct wire_end *end = end_of(d);
    if (end->other) {
        end->other->other = NULL;
        notify(end->other, d->reactor->now_ns);
    }
    free_all(end, &end->first);
    free_all(end, &end->told);
    reel_timer_fini(&end->notice);
}

static int wire_host(const struct reel_datagram *d, struct reel_address *out)
{
    *out = end_of(d)->name;
    return 0;
}

static int wire_peer(const struct reel_datagram *d, struct reel_address *out)
{
    *out = end_of(d)->other_name;
    return 0;
}

static void on_events(void *source, uint32_t events)
{
    reel_datagram_events(CONTAINER_OF(source, struct reel_datagram, io), events);
}

static const struct datagram_io wire_io = {
    .source = {on_events},
    .size = sizeof(struct wire_end),
    .data_max = REEL_DATAGRAM_MAX,
    .receive = wire_receive,
    .send = wire_send,
    .close = wire_close,
    .host = wire_host,
    .peer = wire_peer,
};

static struct wire_end *end_new(struct reel_reactor *r, const struct reel_datagram_factory *factory,
                                const struct reel_datagram_wire *wire, const char *name_z,
                                const char *other_z)
{
    struct reel_datagram *d = reel_datagram_new(r, &wire_io, factory);
    if (!d)
        return NULL;
    struct wire_end *end = end_of(d);
    if (reel_timer_init(&end->notice, r, on_notice) < 0) {
        reel_datagram_discard(d);
        return NULL;
    }
    if (wire)
        end->wire = *wire;
    end->end = &end->first;
    reel_address_set_unix(&end->name, name_z);
    reel_address_set_unix(&end->other_name, other_z);
    d->family = AF_UNIX;
    d->connected = d->readable = d->writable = true;
    d->run_limit = 0;
    return end;
}

int reel_test_datagram_pair(struct reel_reactor *r, const struct reel_datagram_factory *a_factory,
                            const struct reel_datagram_factory *b_factory,
                            const struct reel_datagram_wire *wire, struct reel_datagram **a,
                            struct reel_datagram **b)
{
    if (r->ending)
        return -ECANCELED;
    struct wire_end *left = end_new(r, a_factory, wire, "@a", "@b");
    if (!left)
        return -ENOMEM;
    struct wire_end *right = end_new(r, b_factory, wire, "@b", "@a");
    if (!right) {
        reel_timer_fini(&left->notice);
        reel_datagram_discard(&left->d);
        return -ENOMEM;
    }
    left->other = right;
    right->other = left;
    reel_datagram_start(&left->d);
    reel_datagram_start(&right->d);
    *a = &left->d;
    *b = &right->d;
    return 0;
}
