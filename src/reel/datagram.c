/* The state machine of a datagram socket: receiving, telling, the end. Sending is in
 * datagram_out.c. */
#include "reel/dgram.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static size_t state_offset(const struct datagram_io *io)
{
    return (io->size + 15) & ~(size_t)15;
}

static struct datagram_hub *hub_of(struct reel_reactor *r)
{
    if (r->datagrams)
        return r->datagrams;
    struct datagram_hub *hub = reel_memory_new_zeroed(r, sizeof(*hub));
    if (!hub)
        return NULL;
    list_init(&hub->ready);
    list_init(&hub->unsent);
    list_init(&hub->dying);
    r->datagrams = hub;
    return hub;
}

static void part_info(const struct reactor_part *part, struct reel_handle_info *out)
{
    const struct reel_datagram *d = CONTAINER_OF(part, struct reel_datagram, part);
    const char *name_z = d->factory->protocol->name_z;
    *out = (struct reel_handle_info){REEL_HANDLE_DATAGRAM, name_z ? name_z : "datagram", d->fd, d};
}

static void part_end(struct reactor_part *part)
{
    reel_datagram_die(CONTAINER_OF(part, struct reel_datagram, part), -ECANCELED);
}

static int part_after_fork(struct reactor_part *part)
{
    struct reel_datagram *d = CONTAINER_OF(part, struct reel_datagram, part);
    struct reel_reactor *r = d->reactor;
    return d->fd < 0
               ? 0
               : r->backend->add(r, d->fd, EPOLLIN | EPOLLOUT | EPOLLET, (struct source *)&d->io);
}

static void on_retry(struct reel_timer *timer)
{
    struct reel_datagram *d = CONTAINER_OF(timer, struct reel_datagram, retry);
    d->writable = true;
    reel_datagram_send_now(d);
}

struct reel_datagram *reel_datagram_new(struct reel_reactor *r, const struct datagram_io *io,
                                        const struct reel_datagram_factory *factory)
{
    static const struct part_ops ops = {part_info, part_end, part_after_fork};
    struct datagram_hub *hub = hub_of(r);
    size_t size = state_offset(io) + factory->protocol->state_size;
    struct reel_datagram *d = hub ? reel_memory_new_zeroed(r, size) : NULL;
    if (!d)
        return NULL;
    if (reel_timer_init(&d->retry, r, on_retry) < 0) {
        reel_memory_free(r, d);
        return NULL;
    }
    d->io = io;
    d->reactor = r;
    d->factory = factory;
    d->end = &d->first;
    d->held_end = &d->held;
    d->fd = -1;
    d->run_limit = factory->options.no_runs ? 0 : UINT32_MAX;
    reel_part_join(r, &d->part, &ops);
    return d;
}

void reel_datagram_discard(struct reel_datagram *d)
{
    list_remove(&d->part.link);
    reel_timer_fini(&d->retry);
    reel_memory_free(d->reactor, d);
}

void reel_datagram_ready(struct reel_datagram *d)
{
    if (!link_is_in_list(&d->ready) && !d->is_dying)
        list_put(&d->reactor->datagrams->ready, &d->ready);
}

void reel_datagram_die(struct reel_datagram *d, int reason)
{
    if (d->is_dying)
        return;
    d->is_dying = true;
    d->reason = reason;
    reel_datagram_drop_output(d); /* the arena may be emptied before the turn's end */
    list_remove(&d->part.link);
    list_remove(&d->ready);
    list_put(&d->reactor->datagrams->dying, &d->dying);
}

void reel_datagram_start(struct reel_datagram *d)
{
    d->starting = true;
    reel_datagram_ready(d);
}

static void close_fds(struct datagram_item *item)
{
    while (item->fd_at < item->fd_count)
        close(item->fds[item->fd_at++]);
}

static bool is_open(const struct reel_datagram *d)
{
    return !d->is_dying && !d->closing;
}

/* The protocol paused while a batch was being told: the rest of it waits here. */
static void hold(struct reel_datagram *d, struct datagram_item *item)
{
    struct held_datagram *held = reel_memory_new(d->reactor, sizeof(*held) + item->len);
    if (!held) {
        d->stats.dropped++;
        close_fds(item);
        return;
    }
    held->next = NULL;
    held->item = *item;
    held->from = *item->from;
    memcpy(held->data, item->data, item->len);
    held->item.data = held->data;
    held->item.from = &held->from;
    *d->held_end = held;
    d->held_end = &held->next;
}

static struct held_datagram *take_held(struct reel_datagram *d)
{
    struct held_datagram *held = d->held;
    d->held = held->next;
    if (!d->held)
        d->held_end = &d->held;
    return held;
}

static void tell_one(struct reel_datagram *d, struct datagram_item *item)
{
    if (!is_open(d)) {
        close_fds(item);
        return;
    }
    if (d->paused) {
        hold(d, item);
        return;
    }
    d->stats.received++;
    if (item->truncated)
        d->stats.truncated++;
    if (d->factory->protocol->received) {
        d->current = item;
        d->factory->protocol->received(d, item->data, item->len, item->from);
        d->current = NULL;
    }
    close_fds(item);
}

/* A run that the kernel handed over in one piece is told as the datagrams that it was. */
static void tell(struct reel_datagram *d, struct datagram_item *item)
{
    if (item->segment == 0 || item->len <= item->segment) {
        tell_one(d, item);
        return;
    }
    struct datagram_item one = *item;
    for (size_t at = 0; at < item->len; at += item->segment) {
        one.data = item->data + at;
        one.len = item->len - at < item->segment ? item->len - at : item->segment;
        tell_one(d, &one);
    }
}

static void tell_held(struct reel_datagram *d)
{
    while (d->held && !d->paused && is_open(d)) {
        struct held_datagram *held = take_held(d);
        tell_one(d, &held->item);
        reel_memory_free(d->reactor, held);
    }
}

static bool wants_to_read(const struct reel_datagram *d)
{
    return d->readable && d->made && !d->paused && is_open(d);
}

static void receive_failed(struct reel_datagram *d, int err)
{
    switch (err) {
    case -EAGAIN: d->readable = d->has_error = false; break;
    case -EINTR: break;
    case -ENOMEM: reel_datagram_die(d, err); break;
    case -EBADF:
    case -ENOTSOCK: reel_datagram_die(d, err); break; /* somebody closed it under us */
    default: /* the network's answer to a datagram of ours; the socket itself is well */
        d->refusal = err;
        reel_datagram_ready(d);
    }
}

static void read_some(struct reel_datagram *d)
{
    struct datagram_item *items = d->reactor->datagrams->items;
    uint32_t left = d->factory->options.turn_max;
    left = left ? left : REEL_DATAGRAM_TURN_MAX_DEFAULT;
    while (left && wants_to_read(d)) {
        int max = left < DATAGRAM_BATCH ? (int)left : DATAGRAM_BATCH;
        int count = d->io->receive(d, items, max);
        d->stats.received_calls++;
        if (count < 0) {
            receive_failed(d, count);
            left--; /* errors do not come without an end */
            continue;
        }
        if (count < max && !d->has_error)
            d->readable = false; /* and no call for an EAGAIN */
        for (int i = 0; i < count; i++)
            tell(d, &items[i]);
        left -= (uint32_t)count;
    }
    if (wants_to_read(d))
        reel_datagram_ready(d);
}

static void tell_changes(struct reel_datagram *d)
{
    const struct reel_datagram_protocol *protocol = d->factory->protocol;
    if (d->refusal && is_open(d)) {
        int reason = d->refusal;
        d->refusal = 0;
        if (d->connected && protocol->refused)
            protocol->refused(d, reason);
    }
    if (d->full && !d->full_told && is_open(d)) {
        d->full_told = true;
        if (protocol->full)
            protocol->full(d);
    }
    if (d->drained && is_open(d)) {
        d->drained = false;
        if (protocol->drained)
            protocol->drained(d);
    }
}

static void make(struct reel_datagram *d)
{
    d->starting = false;
    d->made = true;
    if (d->factory->protocol->made)
        d->factory->protocol->made(d);
}

static void run(struct reel_datagram *d)
{
    if (d->is_dying)
        return;
    if (d->starting)
        make(d);
    tell_changes(d);
    tell_held(d);
    read_some(d);
}

void reel_datagram_events(struct reel_datagram *d, uint32_t events)
{
    if (d->is_dying)
        return;
    if (events & (EPOLLERR | EPOLLHUP))
        d->has_error = true; /* read on until there is nothing more: an error ends a batch early */
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        d->readable = true;
    if ((events & EPOLLOUT) && !d->writable) {
        d->writable = true;
        reel_datagram_send_now(d);
    }
    read_some(d);
    tell_changes(d);
}

bool reel_datagrams_have_work(const struct reel_reactor *r)
{
    const struct datagram_hub *hub = r->datagrams;
    return !list_is_empty(&hub->ready) || !list_is_empty(&hub->unsent) ||
           !list_is_empty(&hub->dying);
}

bool reel_datagrams_are_dying(const struct reel_reactor *r)
{
    return !list_is_empty(&r->datagrams->dying);
}

void reel_datagrams_run(struct reel_reactor *r)
{
    struct reel_link round, *link = NULL;
    list_move_all(&r->datagrams->ready, &round);
    while ((link = list_take(&round)))
        run(CONTAINER_OF(link, struct reel_datagram, ready));
}

void reel_datagrams_flush(struct reel_reactor *r)
{
    struct reel_link *link = NULL;
    while ((link = list_take(&r->datagrams->unsent))) {
        struct reel_datagram *d = CONTAINER_OF(link, struct reel_datagram, unsent);
        reel_datagram_send_now(d);
        if (d->closing)
            reel_datagram_die(d, 0);
    }
}

static void bury(struct reel_datagram *d)
{
    struct reel_reactor *r = d->reactor;
    reel_timer_fini(&d->retry);
    d->closing = true;
    if (d->made && d->factory->protocol->lost)
        d->factory->protocol->lost(d, d->reason);
    list_remove(&d->unsent);
    while (d->held) {
        struct held_datagram *held = take_held(d);
        close_fds(&held->item);
        reel_memory_free(r, held);
    }
    d->io->close(d);
    reel_memory_free(r, d);
}

void reel_datagrams_bury(struct reel_reactor *r)
{
    struct reel_link *link = NULL;
    while ((link = list_take(&r->datagrams->dying)))
        bury(CONTAINER_OF(link, struct reel_datagram, dying));
}

void reel_datagrams_fini(struct reel_reactor *r)
{
    if (!r->datagrams)
        return;
    reel_datagrams_bury(r);
    reel_datagram_sockets_fini(r);
    reel_memory_free(r, r->datagrams);
    r->datagrams = NULL;
}

void *reel_datagram_state(struct reel_datagram *d)
{
    return (uint8_t *)d + state_offset(d->io);
}

void *reel_datagram_shared(const struct reel_datagram *d)
{
    return d->factory->shared;
}

struct reel_reactor *reel_datagram_reactor(const struct reel_datagram *d)
{
    return d->reactor;
}

int reel_datagram_fd(const struct reel_datagram *d)
{
    return d->fd;
}

void reel_datagram_pause(struct reel_datagram *d)
{
    d->paused = true;
}

void reel_datagram_resume(struct reel_datagram *d)
{
    d->paused = false;
    reel_datagram_ready(d);
}

void reel_datagram_close(struct reel_datagram *d)
{
    if (d->closing || d->is_dying)
        return;
    d->closing = true;
    if (!link_is_in_list(&d->unsent))
        list_put(&d->reactor->datagrams->unsent, &d->unsent);
}

int reel_datagram_local(const struct reel_datagram *d, struct reel_datagram_local *out)
{
    *out = (struct reel_datagram_local){0};
    const struct datagram_local *local = d->current ? &d->current->local : NULL;
    if (!local || !local->family)
        return -EOPNOTSUPP;
    out->interface = local->interface;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (local->family == AF_INET) {
        memcpy(&v4.sin_addr, local->address, sizeof(v4.sin_addr));
        memcpy(&out->address.storage, &v4, sizeof(v4));
        out->address.length = sizeof(v4);
    } else {
        memcpy(&v6.sin6_addr, local->address, sizeof(v6.sin6_addr));
        if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr))
            v6.sin6_scope_id = local->interface;
        memcpy(&out->address.storage, &v6, sizeof(v6));
        out->address.length = sizeof(v6);
    }
    return 0;
}

int reel_datagram_take_fd(struct reel_datagram *d)
{
    struct datagram_item *item = d->current;
    return item && item->fd_at < item->fd_count ? item->fds[item->fd_at++] : -1;
}

int reel_datagram_host(const struct reel_datagram *d, struct reel_address *out)
{
    return d->io->host(d, out);
}

int reel_datagram_peer(const struct reel_datagram *d, struct reel_address *out)
{
    return d->io->peer(d, out);
}

uint16_t reel_datagram_port(const struct reel_datagram *d)
{
    struct reel_address address;
    return reel_datagram_host(d, &address) == 0 ? reel_address_port(&address) : 0;
}

size_t reel_datagram_pending(const struct reel_datagram *d)
{
    return d->pending;
}

void reel_datagram_stats(const struct reel_datagram *d, struct reel_datagram_stats *out)
{
    *out = d->stats;
}
