/* Sending: writes are gathered in the turn's arena and leave at its end, in one call a connection;
 * long ones leave at once, straight from the caller's memory. */
#include "reel/filters.h"
#include "reel/special.h"

#include <errno.h>

enum {
    PARTS_MAX = 64,      /* of one call */
    DIRECT_BYTES = 8192, /* a write of so many is not copied while the socket takes it */
};

size_t reel_stream_queue_max(const struct reel_transport *t)
{
    size_t max = t->factory->options.queue_max;
    if (!max)
        return REEL_QUEUE_MAX_DEFAULT;
    return max < UINT32_MAX ? max : UINT32_MAX;
}

/* A maximum alone, and a small one, brings its own watermarks: it could not pass the default ones. */
size_t reel_stream_queue_high(const struct reel_transport *t)
{
    const struct reel_options *options = &t->factory->options;
    if (options->queue_high)
        return options->queue_high;
    if (!options->queue_max || options->queue_max / 2 > REEL_QUEUE_HIGH_DEFAULT)
        return REEL_QUEUE_HIGH_DEFAULT;
    return options->queue_max / 2;
}

size_t reel_stream_queue_low(const struct reel_transport *t)
{
    size_t high = reel_stream_queue_high(t), low = t->factory->options.queue_low;
    if (low)
        return low;
    return high / 4 < REEL_QUEUE_LOW_DEFAULT ? high / 4 : REEL_QUEUE_LOW_DEFAULT;
}

static int gather(struct reel_transport *t, struct iovec *parts, int parts_max, struct iovec tail)
{
    int count = 0;
    struct chunk *chunk = t->output ? t->output->next : NULL;
    while (chunk && count < parts_max && chunk->kind == CHUNK_BYTES) {
        parts[count++] = (struct iovec){chunk->data + chunk->start, chunk->end - chunk->start};
        chunk = chunk == t->output ? NULL : chunk->next;
    }
    if (!chunk && tail.iov_len && count < parts_max)
        parts[count++] = tail;
    return count;
}

int reel_stream_gather(struct reel_transport *t, struct iovec *parts, int parts_max)
{
    return gather(t, parts, parts_max, (struct iovec){0});
}

void reel_stream_took(struct reel_transport *t, size_t len)
{
    reel_chain_drop(t->reactor, &t->output, len);
    t->pending -= (uint32_t)len;
    t->reactor->metrics.queued_bytes -= len;
}

static void touch(struct reel_transport *t)
{
    if (t->extra && t->extra->idle_ns && !t->closing)
        reel_timer_start(&t->extra->timer, t->extra->idle_ns);
}

/* One call. 0 or -errno; `tail` shrinks by what was taken of it. */
static int send_once(struct reel_transport *t, struct iovec *tail)
{
    struct iovec parts[PARTS_MAX];
    int count = gather(t, parts, PARTS_MAX, *tail);
    if (count == 0)
        return reel_special_send(t); /* what comes first is more than bytes */
    ssize_t n = t->io->send(t, parts, count);
    if (n < 0)
        return n == -EINTR ? 0 : (int)n;
    if (t->dying)
        return 0; /* a filter has ended it */
    size_t sent = (size_t)n;
    size_t queued = sent < t->pending ? sent : t->pending;
    reel_stream_took(t, queued);
    if (sent > queued) { /* else there may be none: NULL */
        tail->iov_base = (uint8_t *)tail->iov_base + (sent - queued);
        tail->iov_len -= sent - queued;
    }
    touch(t);
    return 0;
}

size_t reel_stream_send(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct iovec tail = {(void *)data, len};
    t->had_turn = false;
    while (t->writable && !t->stalled && !t->dying && !t->had_turn &&
           (t->pending || tail.iov_len)) {
        int err = send_once(t, &tail);
        if (err == -EAGAIN && t->filtered)
            t->stalled = true;
        else if (err == -EAGAIN)
            t->writable = false;
        else if (err < 0)
            reel_stream_die(t, err);
    }
    return len - tail.iov_len;
}

/* Full when over the high mark after a flush: what leaves within the turn never counts. */
static void check_watermarks(struct reel_transport *t)
{
    if (!t->full && t->pending > reel_stream_queue_high(t)) {
        t->full = true;
        t->drained = false; /* full, drained and full again before it was told: no change */
        reel_stream_ready(t);
    } else if (t->full && t->pending <= reel_stream_queue_low(t)) {
        t->full = false;
        t->drained = true;
        reel_stream_ready(t);
    }
    if (t->held_until_drained && t->pending <= reel_stream_queue_low(t)) {
        t->held_until_drained = t->held_waits = false;
        reel_stream_ready(t);
    }
}

void reel_stream_drop_unread(struct reel_transport *t)
{
    enum { READS_MAX = 32 };
    uint8_t unread[8192]; /* not the loop's buffer: a flush may come from inside some `data` */
    const struct stream_io *io = reel_filters_bottom(t);
    bool readable = t->readable || t->filtered; /* a filter may be holding back */
    for (int i = 0; i < READS_MAX && readable && !t->eof; i++) {
        ssize_t n = io->receive(t, unread, sizeof(unread));
        if (n <= 0 || ((size_t)n < sizeof(unread) && io->short_is_all))
            readable = t->readable = false;
    }
}

static void limit_closing(struct reel_transport *t)
{
    struct stream_extra *extra = reel_stream_extra(t);
    if (!extra)
        reel_stream_die(t, -ENOMEM);
    else if (!reel_timer_is_active(&extra->timer))
        reel_timer_start(&extra->timer, t->factory->options.linger_ns
                                            ? t->factory->options.linger_ns
                                            : REEL_LINGER_DEFAULT_NS);
}

static void wait_for_room(struct reel_transport *t)
{
    struct reel_reactor *r = t->reactor;
    if (reel_chain_keep(r, &t->output) < 0) {
        r->metrics.queued_bytes -= t->pending;
        t->pending = 0;
        reel_special_end(t, -ENOMEM);
        reel_chain_clear(r, &t->output);
        reel_stream_die(t, -ENOMEM);
        return;
    }
    if (t->closing)
        limit_closing(t);
}

/* The filters' goodbyes come first. True: they are out, or nobody is there to hear them. */
static bool said_goodbye(struct reel_transport *t)
{
    if (!t->filtered)
        return true;
    if (t->handshaking)
        return t
            ->closing; /* a half close waits for the handshake, a close with nothing to send not */
    int err = reel_filters_shut(t);
    if (err == -EAGAIN && t->closing)
        limit_closing(t);
    else if (err < 0 && err != -EAGAIN && !t->closing)
        reel_stream_die(t, err);
    return err != -EAGAIN && !t->dying;
}

static void all_sent(struct reel_transport *t)
{
    if (!t->closing && (!t->shutting || t->shut))
        return;
    if (!said_goodbye(t))
        return;
    if (t->closing) {
        reel_stream_drop_unread(t);
        reel_stream_die(t, 0);
    } else {
        t->shut = true;
        t->io->shut(t);
        if (t->eof)
            reel_stream_die(t, 0);
    }
}

void reel_stream_flush(struct reel_transport *t)
{
    if (t->dying || !t->made)
        return;
    reel_stream_send(t, NULL, 0);
    if (t->dying)
        return;
    check_watermarks(t);
    if (t->pending)
        wait_for_room(t);
    else
        all_sent(t);
    if (t->extra && t->extra->producer)
        reel_producer_flushed(t);
    if (t->readable && !t->paused && !t->full)
        reel_stream_ready(t); /* reading may have stopped for this output */
}

void reel_stream_sent(struct reel_transport *t, ssize_t n, size_t offered)
{
    if (t->dying)
        return;
    if (n < 0 && n != -EAGAIN && n != -EINTR) {
        reel_stream_die(t, (int)n);
        return;
    }
    if (n > 0) {
        reel_stream_took(t, (size_t)n);
        touch(t);
    }
    if (n == -EAGAIN || (n >= 0 && (size_t)n < offered))
        t->writable = false;
    reel_stream_flush(t); /* what did not fit into the batch; and the consequences */
}

/* Sends what the socket takes of it; the rest is kept on the heap. */
static int write_direct(struct reel_transport *t, const uint8_t *data, size_t len)
{
    size_t sent = reel_stream_send(t, data, len);
    if (t->dying)
        return -EPIPE;
    if (sent < len) {
        int err = reel_chain_keep(t->reactor, &t->output);
        if (err == 0)
            err = reel_chain_put(t->reactor, &t->output, data + sent, len - sent, true);
        if (err < 0) { /* part of it is gone already: there is no going back */
            reel_stream_die(t, err);
            return err;
        }
        t->pending += (uint32_t)(len - sent);
        t->reactor->metrics.queued_bytes += len - sent;
        reel_stream_unsent(t); /* for the watermarks */
    }
    return 0;
}

static bool takes_no_output(const struct reel_transport *t)
{
    return t->closing || t->shutting || t->dying || t->no_write;
}

/* 0, or why reel_write refuses so much. */
static int may_write(const struct reel_transport *t, size_t len)
{
    if (takes_no_output(t))
        return -EPIPE;
    return len > reel_stream_queue_max(t) - t->pending ? -ENOBUFS : 0;
}

void reel_stream_queued(struct reel_transport *t, size_t len)
{
    t->pending += (uint32_t)len;
    t->reactor->metrics.queued_bytes += len;
    reel_stream_unsent(t);
}

void reel_stream_limit_arena(struct reel_reactor *r)
{
    if (r->arena.used > ARENA_MAX_BYTES) {
        reel_flush_all(r);
        reel_arena_reset(r);
    }
}

int reel_write(struct reel_transport *t, const void *data, size_t len)
{
    int err = may_write(t, len);
    if (err < 0)
        return err;
    bool open = t->writable && t->made;
    if (len >= DIRECT_BYTES && open)
        return write_direct(t, data, len);
    err = reel_chain_put(t->reactor, &t->output, data, len, !open);
    if (err < 0)
        return err;
    reel_stream_queued(t, len);
    reel_stream_limit_arena(t->reactor);
    return 0;
}

int reel_stream_share(struct reel_transport *t, uint8_t *data, size_t len)
{
    bool open = t->writable && t->made;
    int err = may_write(t, len);
    if (err == 0 && open)
        err = reel_chain_share(t->reactor, &t->output, data, len);
    else if (err == 0)
        err = reel_chain_put(t->reactor, &t->output, data, len, true);
    if (err == 0)
        reel_stream_queued(t, len);
    return err;
}

int reel_writev(struct reel_transport *t, const struct iovec *parts, int count)
{
    if (takes_no_output(t))
        return -EPIPE;
    size_t room = reel_write_room(t);
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > room)
            return -ENOBUFS;
        room -= parts[i].iov_len;
    }
    int err = 0;
    for (int i = 0; i < count && err == 0; i++) {
        err = reel_write(t, parts[i].iov_base, parts[i].iov_len);
        if (err < 0 && i > 0) /* the first part cannot be taken back */
            reel_stream_die(t, err);
    }
    return err;
}

size_t reel_write_room(const struct reel_transport *t)
{
    if (takes_no_output(t))
        return 0;
    return reel_stream_queue_max(t) - t->pending;
}

size_t reel_write_pending(const struct reel_transport *t)
{
    return t->pending;
}

void reel_flush(struct reel_transport *t)
{
    reel_stream_flush(t);
}
