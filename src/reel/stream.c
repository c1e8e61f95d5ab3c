/* The state machine of a connection: reading, kept bytes, the end. Sending is in output.c. */
#include "reel/stream.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { READS_PER_TURN = 4 }; /* of one connection, before the others have theirs */

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
    if (t->is_ready || t->is_unsent)
        return; /* freed when it comes up there */
    reel_memory_free(t->reactor, t);
}

void reel_stream_discard(struct reel_transport *t)
{
    list_remove(&t->link);
    t->reactor->metrics.connections--;
    reel_memory_free(t->reactor, t);
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
    list_remove(&t->link);
    list_put(&t->reactor->dying, &t->link);
}

static void on_timer(struct reel_timer *timer)
{
    struct stream_extra *extra = CONTAINER_OF(timer, struct stream_extra, timer);
    struct reel_transport *t = extra->transport;
    if (t->dying)
        return;
    if (t->made && !t->closing && t->protocol->idle) {
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
    if (!t->made || t->closing)
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
    if (!t->readable || t->dying || t->eof || !t->made)
        return false;
    if (t->closing)
        return true;
    if (t->paused || has_held(t))
        return false;
    return t->factory->options.read_while_full ||
           (!t->full && t->pending <= reel_stream_queue_high(t));
}

/* What the protocol did not take. */
static void hold(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct stream_extra *extra = reel_stream_extra(t);
    uint8_t *held = extra ? reel_memory_new(t->reactor, len) : NULL;
    if (!held) {
        reel_stream_die(t, -ENOMEM);
        return;
    }
    memcpy(held, data, len);
    extra->held = held;
    extra->held_start = 0;
    extra->held_end = len;
}

static void wait_with_held(struct reel_transport *t)
{
    t->held_waits = true;
    t->held_until_drained = t->pending > reel_stream_queue_low(t);
}

static size_t deliver(struct reel_transport *t, const uint8_t *data, size_t len)
{
    if (!t->protocol->data)
        return len;
    size_t taken = t->protocol->data(t, data, len);
    assert(taken <= len);
    return taken;
}

static void deliver_held(struct reel_transport *t)
{
    struct stream_extra *extra = t->extra;
    t->held_waits = false;
    extra->held_start +=
        deliver(t, extra->held + extra->held_start, extra->held_end - extra->held_start);
    if (extra->held_start < extra->held_end) {
        wait_with_held(t);
        return;
    }
    reel_memory_free(t->reactor, extra->held);
    extra->held = NULL;
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
    if (t->closing)
        return;
    size_t taken = deliver(t, buffer, len);
    if (taken < len && !t->dying && !t->closing) {
        wait_with_held(t);
        hold(t, buffer + taken, len - taken);
    }
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

void reel_stream_make(struct reel_transport *t)
{
    t->starting = t->connecting = false;
    t->made = true;
    if (t->extra)
        reel_timer_stop(&t->extra->timer);
    int64_t idle_ns = t->extra ? t->extra->idle_ns : 0;
    if (reel_set_idle(t, idle_ns ? idle_ns : t->factory->options.idle_ns) < 0)
        reel_stream_die(t, -ENOMEM);
    if (t->protocol->made)
        t->protocol->made(t);
    if (t->pending || t->shutting)
        reel_stream_unsent(t); /* what was written before there was a connection */
    read_some(t);
}

static void tell_watermarks(struct reel_transport *t)
{
    if (t->full && !t->full_told) {
        t->full_told = true;
        if (t->protocol->full && !t->closing)
            t->protocol->full(t);
    }
    if (t->drained && !t->dying) {
        t->drained = false;
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
    if (!t->made)
        return;
    if (t->writable && t->pending)
        reel_stream_unsent(t);
    tell_watermarks(t);
    if (has_held(t) && !t->held_waits && !t->paused && !t->closing && !t->dying)
        deliver_held(t);
    read_some(t);
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
    if (!t->made)
        return;
    if ((events & EPOLLOUT) && t->pending)
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

static void bury(struct reel_transport *t)
{
    struct reel_reactor *r = t->reactor;
    if (t->extra)
        reel_timer_fini(&t->extra->timer);
    tell_end(t);
    t->buried = true;
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
            else
                reel_stream_flush(t);
            t = next;
        }
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
        if (t->fd >= 0 && err == 0)
            err = r->backend->add(r, t->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                  (struct source *)&t->io);
    }
    return err;
}
