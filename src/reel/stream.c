/* The state machine of a connection: reading, kept bytes, the end. Sending is in output.c. */
#include "reel/stream.h"

#include "reel/filters.h"
#include "reel/special.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
    READS_PER_TURN = 4, /* of one connection, before the others have theirs */
    JOIN_BYTES = 512,   /* so many new bytes are first joined to kept ones: a line's end is near */
};

struct reel_transport *reel_stream_new(struct reel_reactor *r, const struct stream_io *io,
                                       const struct reel_factory *factory)
{
    size_t state_size = factory->protocol->state_size;
    size_t size = state_size ? reel_stream_state_offset(io) + state_size : io->size;
    struct reel_transport *t = reel_memory_new_zeroed(r, size);
    if (!t)
        return NULL;
    t->io = io;
    t->reactor = r;
    t->factory = factory;
    t->protocol = factory->protocol;
    t->fd = -1;
    list_put(&r->transports, &t->link);
    r->metrics.connections++;
    return t;
}

static void forget(struct reel_transport *t)
{
    if (t->is_ready || t->is_unsent || t->is_busy)
        return; /* freed when it comes up there */
    reel_memory_free(t->reactor, t);
}

void reel_stream_forget(struct reel_transport *t)
{
    if (t->buried)
        forget(t);
}

void reel_stream_discard(struct reel_transport *t)
{
    reel_filters_discard(t);
    if (t->extra)
        reel_timer_fini(&t->extra->timer);
    reel_memory_free(t->reactor, t->extra);
    list_remove(&t->link);
    t->reactor->metrics.connections--;
    t->dying = t->buried = true;
    forget(t);
}

static void queue_put(struct transport_queue *queue, struct reel_transport *t,
                      struct reel_transport **next)
{
    *next = NULL;
    *queue->end = t;
    queue->end = next;
}

static struct reel_transport *queue_take_all(struct transport_queue *queue)
{
    struct reel_transport *first = queue->first;
    queue->first = NULL;
    queue->end = &queue->first;
    return first;
}

void reel_stream_ready(struct reel_transport *t)
{
    if (t->is_ready || t->buried)
        return;
    t->is_ready = true;
    queue_put(&t->reactor->ready, t, &t->next_ready);
}

void reel_stream_unsent(struct reel_transport *t)
{
    if (t->is_unsent || t->buried)
        return;
    t->is_unsent = true;
    queue_put(&t->reactor->unsent, t, &t->next_unsent);
}

void reel_stream_die(struct reel_transport *t, int reason)
{
    if (t->dying)
        return;
    t->dying = true;
    t->reason = (int16_t)reason;
    /* It is not flushed any more, and the arena may be emptied before the turn's end. */
    reel_chain_leave_arena(t->reactor, &t->output);
    list_remove(&t->link);
    list_put(&t->reactor->dying, &t->link);
}

static void on_timer(struct reel_timer *timer)
{
    struct stream_extra *extra = CONTAINER_OF(timer, struct stream_extra, timer);
    struct reel_transport *t = extra->transport;
    if (t->dying)
        return;
    if (t->made && !t->closing && !t->handshaking && t->protocol->idle) {
        reel_timer_start(timer, extra->idle_ns);
        t->protocol->idle(t);
        return;
    }
    t->reset = true;
    reel_stream_die(t, -ETIMEDOUT);
}

struct stream_extra *reel_stream_extra(struct reel_transport *t)
{
    if (t->extra)
        return t->extra;
    struct stream_extra *extra = reel_memory_new_zeroed(t->reactor, sizeof(*extra));
    if (!extra)
        return NULL;
    if (reel_timer_init(&extra->timer, t->reactor, on_timer) < 0) {
        reel_memory_free(t->reactor, extra);
        return NULL;
    }
    extra->transport = t;
    t->extra = extra;
    return extra;
}

int reel_stream_add_end(struct reel_transport *t, struct stream_end *end)
{
    struct stream_extra *extra = reel_stream_extra(t);
    if (!extra)
        return -ENOMEM;
    end->next = extra->end;
    extra->end = end;
    return 0;
}

void reel_stream_remove_end(struct reel_transport *t, struct stream_end *end)
{
    struct stream_end **at = &t->extra->end;
    while (*at && *at != end)
        at = &(*at)->next;
    if (*at)
        *at = end->next;
}

int reel_stream_expect(struct reel_transport *t, int64_t timeout_ns)
{
    struct stream_extra *extra = reel_stream_extra(t);
    if (!extra)
        return -ENOMEM;
    reel_timer_start(&extra->timer, timeout_ns);
    return 0;
}

int reel_set_idle(struct reel_transport *t, int64_t idle_ns)
{
    if (idle_ns <= 0 && !t->extra)
        return 0;
    struct stream_extra *extra = reel_stream_extra(t);
    if (!extra)
        return -ENOMEM;
    extra->idle_ns = idle_ns > 0 ? idle_ns : 0;
    if (!t->made || t->closing || t->handshaking)
        return 0; /* the timer has another use just now */
    if (extra->idle_ns)
        reel_timer_start(&extra->timer, extra->idle_ns);
    else
        reel_timer_stop(&extra->timer);
    return 0;
}

static bool has_held(const struct reel_transport *t)
{
    return t->extra && t->extra->held;
}

/* A closing connection reads too, and drops it: unread input would turn the end into a reset. */
static bool wants_to_read(const struct reel_transport *t)
{
    if (!t->readable || t->dying || t->eof || !t->made || t->handshaking)
        return false;
    if (t->closing)
        return true;
    const struct stream_extra *extra = t->extra;
    if (t->paused || (extra && extra->held && !extra->more))
        return false;
    return t->factory->options.read_while_full ||
           (!t->full && t->pending <= reel_stream_queue_high(t));
}

static size_t held_size(const struct stream_extra *extra)
{
    return extra->held_end - extra->held_start;
}

static void drop_held(struct reel_transport *t)
{
    reel_memory_free(t->reactor, t->extra->held);
    t->extra->held = NULL;
    t->extra->held_start = t->extra->held_end = t->extra->held_cap = 0;
}

static bool make_room(struct reel_transport *t, struct stream_extra *extra, size_t len)
{
    size_t size = held_size(extra);
    assert(!extra->held_cap == !extra->held);
    if (extra->held_cap < size + len) {
        size_t cap = size ? 2 * (size + len) : len;
        uint8_t *held = reel_memory_new(t->reactor, cap);
        if (!held)
            return false;
        if (extra->held)
            memcpy(held, extra->held + extra->held_start, size);
        drop_held(t);
        extra->held = held;
        extra->held_cap = cap;
    } else if (extra->held && extra->held_cap - extra->held_end < len) {
        memmove(extra->held, extra->held + extra->held_start, size);
        extra->held_start = 0;
    }
    extra->held_end = extra->held_start + size;
    return true;
}

bool reel_stream_hold(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct stream_extra *extra = reel_stream_extra(t);
    if (!extra || !make_room(t, extra, len)) {
        reel_stream_die(t, -ENOMEM);
        return false;
    }
    assert(extra->held);
    memcpy(extra->held + extra->held_end, data, len);
    extra->held_end += len;
    return true;
}

/* Some of what was given is kept: until there is more of it, or until the protocol wants it again. */
static void wait_with_held(struct reel_transport *t, size_t keep_max)
{
    t->extra->more = keep_max > 0;
    t->held_waits = true;
    t->held_until_drained = !keep_max && t->pending > reel_stream_queue_low(t);
    if (keep_max && held_size(t->extra) > keep_max) {
        t->reset = true;
        reel_stream_die(t, -EMSGSIZE);
    }
}

static bool takes_data(const struct reel_transport *t)
{
    return !t->dying && !t->closing && !t->paused && !t->handshaking;
}

/* How many bytes were taken; `*keep_max`: see reel_need_more, 0 if the protocol did not ask. If
 * another protocol was put in place in between, that one gets the rest at once. */
static size_t deliver(struct reel_transport *t, const uint8_t *data, size_t len, size_t *keep_max)
{
    const struct reel_protocol *protocol = NULL;
    size_t taken = 0;
    do {
        protocol = t->protocol;
        t->reactor->keep_max = 0;
        size_t n = protocol->data ? protocol->data(t, data + taken, len - taken) : len - taken;
        assert(n <= len - taken);
        taken += n;
    } while (taken < len && t->protocol != protocol && takes_data(t));
    *keep_max = t->reactor->keep_max;
    t->reactor->keep_max = 0;
    return taken;
}

static void deliver_held(struct reel_transport *t)
{
    struct stream_extra *extra = t->extra;
    size_t keep_max = 0;
    t->held_waits = false;
    extra->held_start += deliver(t, extra->held + extra->held_start, held_size(extra), &keep_max);
    if (held_size(extra))
        wait_with_held(t, keep_max);
    else
        drop_held(t);
}

static void deliver_new(struct reel_transport *t, const uint8_t *data, size_t len)
{
    size_t keep_max = 0;
    size_t taken = deliver(t, data, len, &keep_max);
    if (taken < len && !t->dying && !t->closing && reel_stream_hold(t, data + taken, len - taken))
        wait_with_held(t, keep_max);
}

/* Bytes from the peer, behind those that are kept. The protocol gets kept ones and a piece of the new
 * ones joined; as soon as the joint is taken it gets the rest where it lies, without a copy. */
static void take_in(struct reel_transport *t, const uint8_t *data, size_t len)
{
    while (len && has_held(t)) {
        size_t before = held_size(t->extra);
        size_t piece = before > JOIN_BYTES ? before : JOIN_BYTES;
        bool waits = !t->extra->more || t->paused || t->handshaking;
        if (piece > len || waits)
            piece = len;
        if (!reel_stream_hold(t, data, piece) || waits)
            return;
        data += piece;
        len -= piece;
        deliver_held(t);
        if (t->dying || t->closing)
            return;
        if (len && has_held(t) && t->extra->more && held_size(t->extra) <= piece) {
            data -= held_size(t->extra);
            len += held_size(t->extra);
            drop_held(t);
        }
    }
    if (len && (t->paused || t->handshaking) && reel_stream_hold(t, data, len))
        wait_with_held(t, 0);
    else if (len && !t->dying)
        deliver_new(t, data, len);
}

static void on_eof(struct reel_transport *t)
{
    t->eof = true;
    t->readable = false;
    if (t->closing)
        return;
    if (!t->protocol->eof) {
        reel_close(t);
        return;
    }
    t->protocol->eof(t);
    if (has_held(t))
        drop_held(t); /* there will be no more */
    if (t->shut)
        reel_stream_die(t, 0);
}

static void touch(struct reel_transport *t)
{
    if (t->extra && t->extra->idle_ns && !t->closing)
        reel_timer_start(&t->extra->timer, t->extra->idle_ns);
}

static void read_once(struct reel_transport *t)
{
    uint8_t *buffer = t->reactor->read_buffer;
    ssize_t n = t->io->receive(t, buffer, REEL_READ_MAX);
    if (n < 0) {
        if (n == -EAGAIN)
            t->readable = false;
        else if (n != -EINTR)
            reel_stream_die(t, (int)n);
        return;
    }
    if (n == 0) {
        on_eof(t);
        return;
    }
    size_t len = (size_t)n;
    if (len < REEL_READ_MAX && t->io->short_is_all && !t->peer_shut)
        t->readable = false; /* and no call for an EAGAIN */
    touch(t);
    if (!t->closing)
        take_in(t, buffer, len);
}

static void read_some(struct reel_transport *t)
{
    for (int i = 0; i < READS_PER_TURN && wants_to_read(t); i++)
        read_once(t);
    if (wants_to_read(t))
        reel_stream_ready(t);
}

void reel_stream_start(struct reel_transport *t)
{
    t->starting = true;
    reel_stream_ready(t);
}

static void tell_made(struct reel_transport *t)
{
    struct stream_end *next = NULL;
    for (struct stream_end *end = t->extra->end; end; end = next) {
        next = end->next;
        if (end->made)
            end->made(end, t);
    }
}

static void begin(struct reel_transport *t)
{
    t->made = true;
    if (t->extra)
        reel_timer_stop(&t->extra->timer);
    int64_t idle_ns = t->extra ? t->extra->idle_ns : 0;
    if (reel_set_idle(t, idle_ns ? idle_ns : t->factory->options.idle_ns) < 0)
        reel_stream_die(t, -ENOMEM);
    if (t->protocol->made)
        t->protocol->made(t);
    if (t->extra && t->extra->end)
        tell_made(t);
    if (t->pending || t->shutting)
        reel_stream_unsent(t); /* what was written before there was a connection */
    if (has_held(t))
        reel_stream_ready(t); /* what a filter left over */
    read_some(t);
}

void reel_stream_make(struct reel_transport *t)
{
    t->starting = t->connecting = false;
    if ((t->filtered || t->factory->filters) && !reel_filters_begin(t))
        return;
    begin(t);
}

/* On a live connection. */
static void upgrade(struct reel_transport *t)
{
    if (!t->closing) {
        reel_timer_stop(&t->extra->timer); /* if it ran it was the handshake's */
        if (t->extra->idle_ns)
            reel_timer_start(&t->extra->timer, t->extra->idle_ns);
        if (t->protocol->upgraded)
            t->protocol->upgraded(t);
    }
    reel_stream_unsent(t);
    reel_stream_ready(t);
}

static void shake_hands(struct reel_transport *t, uint32_t events)
{
    if (!reel_filters_step(t, events))
        return;
    if (t->made)
        upgrade(t);
    else
        begin(t);
}

static void tell_watermarks(struct reel_transport *t)
{
    if ((t->full || t->drained) && !t->full_told) {
        t->full_told = true;
        reel_producer_tell(t, false);
        if (t->protocol->full && !t->closing)
            t->protocol->full(t);
    }
    if (t->drained && !t->dying) {
        t->drained = t->full_told = false;
        reel_producer_tell(t, true);
        if (t->protocol->drained && !t->closing)
            t->protocol->drained(t);
    }
}

void reel_stream_run(struct reel_transport *t)
{
    if (t->dying)
        return;
    if (t->starting) {
        reel_stream_make(t);
        return;
    }
    if (t->handshaking) {
        shake_hands(t, 0);
        return;
    }
    if (!t->made)
        return;
    if (t->writable && !t->stalled && t->pending)
        reel_stream_unsent(t);
    tell_watermarks(t);
    if (t->extra)
        reel_special_tell(t);
    if (has_held(t) && !t->held_waits && !t->paused && !t->closing && !t->dying)
        deliver_held(t);
    read_some(t);
}

/* Output waits, or a goodbye does. */
static bool has_output(const struct reel_transport *t)
{
    return t->pending || (t->filtered && (t->closing || (t->shutting && !t->shut)));
}

void reel_stream_events(struct reel_transport *t, uint32_t events)
{
    if (t->dying)
        return;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        t->peer_shut = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        t->readable = true;
    if (events & EPOLLOUT)
        t->writable = true;
    if (t->filtered)
        reel_filters_stir(t, events);
    if (t->handshaking) {
        shake_hands(t, events);
        return;
    }
    if (!t->made)
        return;
    if (((events & EPOLLOUT) || t->filtered) && has_output(t))
        reel_stream_flush(t);
    if ((events & EPOLLERR) && !wants_to_read(t)) { /* nobody would notice */
        int err = t->io->error(t);
        if (err < 0)
            reel_stream_die(t, err);
    }
    read_some(t);
}

static void tell_end(struct reel_transport *t)
{
    if (t->made && t->protocol->lost)
        t->protocol->lost(t, t->reason);
    else if (!t->made && t->protocol->failed)
        t->protocol->failed(t, t->reason);
}

static void tell_over(struct reel_transport *t)
{
    struct stream_end *next = NULL;
    for (struct stream_end *end = t->extra->end; end; end = next) {
        next = end->next;
        end->over(end, t);
    }
}

static void bury(struct reel_transport *t)
{
    struct reel_reactor *r = t->reactor;
    if (t->extra)
        reel_timer_fini(&t->extra->timer);
    if (t->extra)
        reel_special_bury(t);
    tell_end(t);
    t->buried = true;
    if (t->extra && t->extra->end)
        tell_over(t);
    t->io->close(t, t->reset);
    r->metrics.queued_bytes -= t->pending;
    reel_chain_clear(r, &t->output);
    if (t->extra)
        reel_memory_free(r, t->extra->held);
    reel_memory_free(r, t->extra);
    r->metrics.connections--;
    forget(t);
}

void reel_streams_bury(struct reel_reactor *r)
{
    struct reel_link *link = NULL;
    while ((link = list_take(&r->dying)))
        bury(CONTAINER_OF(link, struct reel_transport, link));
}

void reel_streams_run(struct reel_reactor *r)
{
    struct reel_transport *t = queue_take_all(&r->ready);
    while (t) {
        struct reel_transport *next = t->next_ready;
        t->is_ready = false;
        if (t->buried)
            forget(t);
        else
            reel_stream_run(t);
        t = next;
    }
}

void reel_streams_flush(struct reel_reactor *r)
{
    struct reel_transport *t = NULL;
    while ((t = queue_take_all(&r->unsent))) {
        while (t) {
            struct reel_transport *next = t->next_unsent;
            t->is_unsent = false;
            if (t->buried)
                forget(t);
            else if (!t->io->batch || !t->io->batch(t))
                reel_stream_flush(t);
            t = next;
        }
        if (r->backend->submit)
            r->backend->submit(r);
    }
}

/* Whoever is left hears that it is over. No resets: after a fork the other process goes on. */
void reel_streams_fini(struct reel_reactor *r)
{
    do {
        while (!list_is_empty(&r->transports))
            reel_stream_die(CONTAINER_OF(r->transports.next, struct reel_transport, link),
                            -ECANCELED);
        reel_streams_bury(r);
    } while (!list_is_empty(&r->transports) || !list_is_empty(&r->dying));
    reel_streams_flush(r);
    reel_streams_run(r);
}

int reel_streams_after_fork(struct reel_reactor *r)
{
    int err = 0;
    for (struct reel_link *link = r->transports.next; link != &r->transports; link = link->next) {
        struct reel_transport *t = CONTAINER_OF(link, struct reel_transport, link);
        const struct stream_io *io = reel_filters_bottom(t);
        if (t->fd >= 0 && err == 0 && io->open)
            err = io->open(t);
    }
    return err;
}
