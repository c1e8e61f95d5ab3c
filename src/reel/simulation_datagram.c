/* Datagrams of a simulated network: lost, doubled, and overtaken by one another. */
#include "reel/dgram.h"
#include "reel/simulated.h"

#include <reel/testing.h>

#include <errno.h>
#include <string.h>

enum {
    UDP_MAX = 65507, /* bytes in one datagram over IPv4 */
    OVERHEAD = 64,   /* of each, in the buffer: empty ones have their price too */
};

struct flying {
    struct flying *next;
    int64_t arrives_ns;
    struct reel_address from;
    bool is_refusal; /* nobody was there: comes back to the sender */
    size_t len;
    uint8_t data[];
};

struct sim_socket {
    struct reel_datagram d;
    struct reel_simulation *simulation;
    struct reel_link link;
    struct simulated_place own;
    struct reel_address peer; /* length 0: not connected */
    struct flying *first;     /* on the way to here, by their arrival */
    struct flying *told;      /* of the last batch: freed with the next */
    size_t buffered;
    int64_t free_ns; /* what it sent so far is on its way */
    struct reel_timer notice;
};

static struct sim_socket *socket_of(const struct reel_datagram *d)
{
    return CONTAINER_OF(d, struct sim_socket, d);
}

static void notify_first(struct sim_socket *socket)
{
    if (socket->first && reel_timer_deadline_ns(&socket->notice) > socket->first->arrives_ns)
        reel_timer_start_at(&socket->notice, socket->first->arrives_ns);
}

static void on_notice(struct reel_timer *timer)
{
    struct sim_socket *socket = CONTAINER_OF(timer, struct sim_socket, notice);
    reel_datagram_events(&socket->d, EPOLLIN);
}

static void free_all(struct sim_socket *socket, struct flying **list)
{
    while (*list) {
        struct flying *flying = *list;
        *list = flying->next;
        reel_memory_free(socket->simulation->reactor, flying);
    }
}

static bool has_arrived(const struct sim_socket *socket)
{
    return socket->first && socket->first->arrives_ns <= socket->simulation->reactor->now_ns;
}

static struct flying *take_first(struct sim_socket *socket)
{
    struct flying *flying = socket->first;
    socket->first = flying->next;
    socket->buffered -= flying->len + OVERHEAD;
    flying->next = socket->told;
    socket->told = flying;
    return flying;
}

static int sim_receive(struct reel_datagram *d, struct datagram_item *items, int max)
{
    struct sim_socket *socket = socket_of(d);
    int count = 0;
    free_all(socket, &socket->told);
    while (count < max && has_arrived(socket)) {
        if (socket->first->is_refusal && count > 0)
            break; /* it is the next call's */
        struct flying *flying = take_first(socket);
        if (flying->is_refusal) {
            notify_first(socket);
            return -ECONNREFUSED;
        }
        items[count++] =
            (struct datagram_item){.data = flying->data, .len = flying->len, .from = &flying->from};
    }
    notify_first(socket);
    return count ? count : -EAGAIN;
}

/* Behind those that arrive at the same time. */
static void put_flying(struct sim_socket *to, struct flying *flying)
{
    struct flying **at = &to->first;
    while (*at && (*at)->arrives_ns <= flying->arrives_ns)
        at = &(*at)->next;
    flying->next = *at;
    *at = flying;
    to->buffered += flying->len + OVERHEAD;
    notify_first(to);
}

static int fly(struct sim_socket *to, const struct reel_address *from,
               const struct datagram_message *message, int64_t arrives_ns)
{
    size_t len = message ? message->len : 0;
    struct flying *flying = reel_memory_new(to->simulation->reactor, sizeof(*flying) + len);
    if (!flying)
        return -ENOBUFS;
    *flying = (struct flying){
        .arrives_ns = arrives_ns, .from = *from, .is_refusal = !message, .len = len};
    if (len)
        memcpy(flying->data, message->data, len);
    put_flying(to, flying);
    return 0;
}

static struct sim_socket *find_socket(const struct reel_simulation *s,
                                      const struct reel_address *to,
                                      const struct reel_address *from)
{
    for (struct reel_link *link = s->datagrams.next; link != &s->datagrams; link = link->next) {
        struct sim_socket *socket = CONTAINER_OF(link, struct sim_socket, link);
        if (reel_simulation_same(&socket->own.address, to) &&
            (!from || !socket->peer.length || reel_simulation_same(&socket->peer, from)))
            return socket;
    }
    return NULL;
}

bool reel_simulation_has_datagram(const struct reel_simulation *s,
                                  const struct reel_address *address)
{
    return find_socket(s, address, NULL) != NULL;
}

static int64_t leaves_ns(struct sim_socket *socket, const struct reel_path *path, size_t len)
{
    int64_t now_ns = socket->simulation->reactor->now_ns;
    int64_t at_ns = socket->free_ns > now_ns ? socket->free_ns : now_ns;
    if (path->bytes_per_second)
        at_ns += (int64_t)(len * UINT64_C(1000000000) / path->bytes_per_second);
    socket->free_ns = at_ns;
    return at_ns;
}

/* The answer of a host on which nobody listens, to a socket that will hear it. */
static int refuse(struct sim_socket *socket, const struct reel_simulated_host *there,
                  const struct reel_address *to, int64_t arrives_ns)
{
    const struct reel_simulation *s = socket->simulation;
    const struct reel_path *back = reel_simulation_path(s, there, socket->own.host);
    return socket->peer.length ? fly(socket, to, NULL, arrives_ns + back->delay_ns) : 0;
}

static int send_one(struct sim_socket *socket, const struct datagram_message *message,
                    const struct reel_address *to)
{
    struct reel_simulation *s = socket->simulation;
    struct reel_simulated_host *there = reel_simulation_find(s, to);
    const struct reel_path *path = reel_simulation_path(s, socket->own.host, there);
    const struct iovec part = {(void *)message->data, message->len};
    reel_simulation_note(s, &socket->own.address, to, &part, message->len);
    int64_t left_ns = leaves_ns(socket, path, message->len);
    if (!there || reel_simulation_is_cut(s, socket->own.host, there))
        return 0;
    struct sim_socket *receiver = find_socket(s, to, &socket->own.address);
    size_t buffer_max = path->buffer_max ? path->buffer_max : REEL_WIRE_DEFAULT;
    int copies = 1 + reel_simulation_chance(s, path->double_ppm);
    for (int i = 0; i < copies; i++) {
        int64_t at_ns = reel_simulation_after(s, path, left_ns);
        if (reel_simulation_chance(s, path->reorder_ppm))
            at_ns += path->reorder_ns ? path->reorder_ns : REEL_SIMULATION_RESEND_NS;
        if (reel_simulation_chance(s, path->lose_ppm))
            continue;
        int err = 0;
        if (!receiver)
            err = refuse(socket, there, to, at_ns);
        else if (receiver->buffered + message->len + OVERHEAD <= buffer_max)
            err = fly(receiver, &socket->own.address, message, at_ns);
        if (err < 0)
            return err;
    }
    return 0;
}

static int sim_send(struct reel_datagram *d, const struct datagram_message *messages, int count)
{
    struct sim_socket *socket = socket_of(d);
    for (int i = 0; i < count; i++) {
        const struct datagram_run *run = messages[i].run;
        struct reel_address to = socket->peer;
        if (run->address_len) {
            to = (struct reel_address){.length = run->address_len};
            memcpy(&to.storage, run->address, run->address_len);
        }
        int err = send_one(socket, &messages[i], &to);
        if (err < 0)
            return i ? i : err;
    }
    return count;
}

static void sim_close(struct reel_datagram *d)
{
    struct sim_socket *socket = socket_of(d);
    free_all(socket, &socket->first);
    free_all(socket, &socket->told);
    reel_timer_fini(&socket->notice);
    list_remove(&socket->link);
}

static int sim_host(const struct reel_datagram *d, struct reel_address *out)
{
    *out = socket_of(d)->own.address;
    return 0;
}

static int sim_peer(const struct reel_datagram *d, struct reel_address *out)
{
    *out = socket_of(d)->peer;
    return out->length ? 0 : -ENOTCONN;
}

static void on_events(void *source, uint32_t events)
{
    reel_datagram_events(CONTAINER_OF(source, struct reel_datagram, io), events);
}

static const struct datagram_io sim_io = {
    .source = {on_events},
    .size = sizeof(struct sim_socket),
    .data_max = UDP_MAX,
    .receive = sim_receive,
    .send = sim_send,
    .close = sim_close,
    .host = sim_host,
    .peer = sim_peer,
};

/* NULL: out of memory. */
static struct sim_socket *socket_new(struct reel_simulation *s,
                                     const struct reel_datagram_factory *factory)
{
    struct reel_datagram *d = reel_datagram_new(s->reactor, &sim_io, factory);
    if (!d)
        return NULL;
    struct sim_socket *socket = socket_of(d);
    if (reel_timer_init(&socket->notice, s->reactor, on_notice) < 0) {
        reel_datagram_discard(d);
        return NULL;
    }
    socket->simulation = s;
    return socket;
}

int reel_simulation_open_datagram(struct network *network, const struct reel_address *local,
                                  const struct reel_address *peer,
                                  const struct reel_datagram_factory *factory,
                                  struct reel_datagram **out)
{
    struct reel_simulation *s = CONTAINER_OF(network, struct reel_simulation, network);
    if (!local && !peer)
        return -EINVAL;
    struct simulated_place own;
    int err = reel_simulation_place(s, local, (local ? local : peer)->storage.ss_family, &own);
    if (err == 0 && peer && peer->storage.ss_family != own.address.storage.ss_family)
        err = -EAFNOSUPPORT;
    if (err == 0 && reel_simulation_has_datagram(s, &own.address))
        err = -EADDRINUSE;
    if (err < 0)
        return err;
    struct sim_socket *socket = socket_new(s, factory);
    if (!socket)
        return -ENOMEM;
    socket->own = own;
    if (peer)
        socket->peer = *peer;
    struct reel_datagram *d = &socket->d;
    d->family = own.address.storage.ss_family;
    d->connected = peer != NULL;
    d->readable = d->writable = true;
    d->run_limit = 0;
    list_put(&s->datagrams, &socket->link);
    reel_datagram_start(d);
    if (out)
        *out = d;
    return 0;
}
