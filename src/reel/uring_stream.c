/* Stream sockets of the io_uring backend. A connection's input comes in this order: what was kept on
 * the heap, the ring's buffers, the ring's word that it is over, and, while the ring does not receive
 * for it, the socket itself. */
#include "reel/fdio.h"
#include "reel/filters.h"
#include "reel/uring.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    BULK_BYTES = 24 * 1024, /* a read of so much is cheaper by one plain call than in pieces */
    BULK_PATIENCE = 4,      /* small reads until the ring has it again */
};

static struct uring_stream *stream_of(struct reel_transport *t)
{
    return CONTAINER_OF(t, struct uring_stream, t);
}

static struct uring *ring_of(const struct uring_stream *s)
{
    return s->t.reactor->uring;
}

void reel_uring_queue_init(struct uring_queue *queue)
{
    *queue = (struct uring_queue){.end = &queue->first};
}

static struct uring_stream *take_all(struct uring_queue *queue)
{
    struct uring_stream *first = queue->first;
    reel_uring_queue_init(queue);
    return first;
}

static void put(struct uring_queue *queue, struct uring_stream *s, struct uring_stream **next)
{
    *next = NULL;
    *queue->end = s;
    queue->end = next;
    queue->count++;
}

static void put_todo(struct uring_stream *s)
{
    if (s->in_todo || !ring_of(s))
        return;
    s->in_todo = s->t.is_busy = true;
    put(&ring_of(s)->todo, s, &s->next_todo);
}

static void put_news(struct uring *u, struct uring_stream *s)
{
    s->dry = false;
    if (s->in_news)
        return;
    s->in_news = s->t.is_busy = true;
    put(&u->news, s, &s->next_news);
}

/* When nothing here knows it any more, the memory of a closed one is given back. */
static void let_go(struct uring_stream *s)
{
    if (s->armed || s->in_todo || s->in_news)
        return;
    s->t.is_busy = false;
    if (!s->t.buried)
        return;
    list_remove(&s->t.link);
    reel_stream_forget(&s->t);
}

/* ---- Input. ---- */

static bool has_input(const struct uring_stream *s)
{
    return s->kept || s->first != URING_NO_BUFFER;
}

static void append(struct uring *u, struct uring_stream *s, uint16_t buffer, int len)
{
    u->buffers[buffer] = (struct uring_buffer){URING_NO_BUFFER, 0, (uint16_t)len};
    if (s->first == URING_NO_BUFFER)
        s->first = buffer;
    else
        u->buffers[s->last].next = buffer;
    s->last = buffer;
}

static int16_t end_of(int result)
{
    switch (result) {
    case -ENOBUFS: /* no buffer was free: a plain read has it, and then the ring again */
    case -ECANCELED:
    case -EAGAIN:
    case -EINTR: return 0;
    case 0: return URING_EOF;
    default: return result < 0 ? (int16_t)result : 0;
    }
}

void reel_uring_received(struct uring *u, struct uring_stream *s, int result, uint32_t flags)
{
    if (!(flags & IORING_CQE_F_MORE))
        s->armed = s->cancelling = false;
    if (flags & IORING_CQE_F_BUFFER) {
        uint16_t buffer = (uint16_t)((flags >> IORING_CQE_BUFFER_SHIFT) + 1);
        if (result > 0 && !s->t.buried)
            append(u, s, buffer, result);
        else
            reel_uring_give_back(u, buffer);
    }
    if (s->t.buried) {
        let_go(s);
        return;
    }
    if (end_of(result))
        s->end = end_of(result);
    put_news(u, s);
}

static void drop_first(struct uring_stream *s)
{
    uint16_t buffer = s->first;
    s->first = ring_of(s)->buffers[buffer].next;
    reel_uring_give_back(ring_of(s), buffer);
}

static void drop_input(struct uring_stream *s)
{
    while (s->first != URING_NO_BUFFER)
        drop_first(s);
    reel_chain_clear(s->t.reactor, &s->kept);
}

static size_t take_kept(struct uring_stream *s, uint8_t *data, size_t len)
{
    size_t taken = 0;
    while (s->kept && taken < len) {
        const struct chunk *chunk = s->kept->next;
        size_t n = chunk->end - chunk->start;
        n = n < len - taken ? n : len - taken;
        memcpy(data + taken, chunk->data + chunk->start, n);
        reel_chain_drop(s->t.reactor, &s->kept, n);
        taken += n;
    }
    return taken;
}

static size_t take_buffers(struct uring_stream *s, uint8_t *data, size_t len)
{
    struct uring *u = ring_of(s);
    size_t taken = 0;
    while (s->first != URING_NO_BUFFER && taken < len) {
        struct uring_buffer *buffer = &u->buffers[s->first];
        size_t n = (size_t)(buffer->end - buffer->start);
        n = n < len - taken ? n : len - taken;
        memcpy(data + taken, reel_uring_bytes(u, s->first) + buffer->start, n);
        buffer->start = (uint16_t)(buffer->start + n);
        taken += n;
        if (buffer->start == buffer->end)
            drop_first(s);
    }
    return taken;
}

/* Moves input from the ring's buffers to the heap: others need them. 0 or -ENOMEM. */
static int save(struct uring_stream *s)
{
    struct uring *u = ring_of(s);
    int err = 0;
    while (s->first != URING_NO_BUFFER) {
        const struct uring_buffer *buffer = &u->buffers[s->first];
        if (err == 0)
            err = reel_chain_put(s->t.reactor, &s->kept,
                                 reel_uring_bytes(u, s->first) + buffer->start,
                                 (size_t)(buffer->end - buffer->start), true);
        drop_first(s);
    }
    return err;
}

/* Large reads are epoll's: one plain call each, into the loop's own buffer. */
static void judge_size(struct uring_stream *s, size_t n)
{
    if (n >= BULK_BYTES)
        s->bulk = BULK_PATIENCE;
    else if (s->bulk)
        s->bulk--;
}

static bool is_for_ring(const struct uring_stream *s)
{
    return !s->end && !s->bulk && !s->blocked && !s->slow && !s->t.connecting;
}

static ssize_t receive_plain(struct uring_stream *s, uint8_t *data, size_t len)
{
    ssize_t n = reel_fd_receive(&s->t, data, len);
    if (n > 0)
        judge_size(s, (size_t)n);
    if (n == -EAGAIN || (n > 0 && (size_t)n < len && !s->t.peer_shut)) {
        s->slow = false;
        s->dry = true;
        if (!s->polled || is_for_ring(s))
            put_todo(s);
    }
    return n;
}

static ssize_t uring_receive(struct reel_transport *t, uint8_t *data, size_t len)
{
    struct uring_stream *s = stream_of(t);
    size_t taken = s->kept ? take_kept(s, data, len) : 0;
    if (s->first != URING_NO_BUFFER)
        taken += take_buffers(s, data + taken, len - taken);
    if (taken >= BULK_BYTES) {
        judge_size(s, taken);
        put_todo(s);
    }
    if (taken)
        return (ssize_t)taken;
    if (s->end)
        return s->end == URING_EOF ? 0 : s->end;
    return s->armed || s->dry ? -EAGAIN : receive_plain(s, data, len);
}

/* ---- Output. ---- */

/* The ring's receive may have fetched the socket's error: a send finds only that it is gone. */
static ssize_t true_result(struct uring_stream *s, ssize_t n)
{
    if (n == -EAGAIN) {
        s->blocked = true;
        if (!s->polled)
            put_todo(s);
    }
    return n == -EPIPE && s->end < 0 ? s->end : n;
}

static ssize_t uring_send(struct reel_transport *t, const struct iovec *parts, int count)
{
    return true_result(stream_of(t), reel_fd_send(t, parts, count));
}

static ssize_t uring_direct(struct reel_transport *t,
                            ssize_t (*call)(struct reel_transport *t, void *context), void *context)
{
    return true_result(stream_of(t), call(t, context));
}

void reel_uring_sent(struct uring_stream *s, int result, size_t offered)
{
    if (result >= 0 && (size_t)result < offered)
        true_result(s, -EAGAIN);
    reel_stream_sent(&s->t, true_result(s, result), offered);
}

/* ---- Who has it: the ring or epoll. ---- */

static struct io_uring_sqe *prepare_cancel(struct uring_stream *s)
{
    struct io_uring_sqe *sqe = reel_uring_sqe(ring_of(s));
    if (!sqe)
        return NULL;
    io_uring_prep_cancel64(sqe, uring_receive_data(s), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = URING_NOTHING;
    return sqe;
}

static void cancel(struct uring_stream *s)
{
    if (s->armed && !s->cancelling)
        s->cancelling = prepare_cancel(s) != NULL;
}

static void join_epoll(struct uring_stream *s)
{
    struct reel_transport *t = &s->t;
    if (s->polled)
        return;
    int err = reel_epoll_add(t->reactor, t->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                             (struct source *)&t->io);
    if (err < 0)
        reel_stream_die(t, err);
    else
        s->polled = true;
}

static void leave_epoll(struct uring_stream *s)
{
    if (s->polled)
        reel_epoll_remove(s->t.reactor, s->t.fd, (struct source *)&s->t.io);
    s->polled = false;
}

static void arm(struct uring_stream *s)
{
    struct io_uring_sqe *sqe = reel_uring_sqe(ring_of(s));
    if (!sqe) {
        join_epoll(s);
        return;
    }
    io_uring_prep_recv_multishot(sqe, s->t.fd, NULL, 0, 0);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    sqe->user_data = uring_receive_data(s);
    s->armed = s->t.is_busy = true;
    s->dry = false;
    leave_epoll(s);
}

static void ask_for(struct uring_stream *s)
{
    if (s->t.buried)
        cancel(s);
    else if (s->t.dying)
        return; /* closed before long */
    else if (!is_for_ring(s)) {
        cancel(s);
        join_epoll(s);
    } else if (!s->armed) {
        arm(s);
    }
}

void reel_uring_ask(struct uring *u)
{
    struct uring_stream *s = take_all(&u->todo);
    while (s) {
        struct uring_stream *next = s->next_todo;
        s->in_todo = false;
        ask_for(s);
        let_go(s);
        s = next;
    }
}

/* ---- The life of one. ---- */

static int uring_open(struct reel_transport *t)
{
    struct uring_stream *s = stream_of(t);
    s->polled = false; /* also after a fork: that was another epoll */
    if (t->connecting || !ring_of(s)) {
        int err = reel_epoll_add(t->reactor, t->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 (struct source *)&t->io);
        s->polled = err == 0;
        return err;
    }
    put_todo(s);
    return 0;
}

/* The ring's receive holds the socket open until it is cancelled, at the end of this turn. */
static void uring_close(struct reel_transport *t, bool reset)
{
    struct uring_stream *s = stream_of(t);
    if (t->fd < 0)
        return; /* never connected */
    if (reset)
        reel_fd_set_reset(t);
    drop_input(s);
    leave_epoll(s);
    close(t->fd);
    t->fd = -1;
    if (s->armed) {
        list_put(&ring_of(s)->zombies, &t->link);
        put_todo(s);
    }
}

static int uring_error(struct reel_transport *t)
{
    struct uring_stream *s = stream_of(t);
    return s->end < 0 ? s->end : reel_fd_error(t);
}

/* From epoll. */
static void on_events(void *source, uint32_t events)
{
    struct reel_transport *t = CONTAINER_OF(source, struct reel_transport, io);
    struct uring_stream *s = stream_of(t);
    s->dry = false;
    if (events & EPOLLOUT)
        s->blocked = false;
    reel_fd_events(t, events);
}

const struct stream_io reel_uring_io = {
    .source = {on_events},
    .size = sizeof(struct uring_stream),
    .short_is_all = false, /* there may be more in the next buffer; and asking costs no call */
    .open = uring_open,
    .receive = uring_receive,
    .send = uring_send,
    .shut = reel_fd_shut,
    .close = uring_close,
    .error = uring_error,
    .batch = reel_uring_batch,
    .direct = uring_direct,
};

static void tell(struct uring_stream *s)
{
    struct reel_transport *t = &s->t;
    if (t->buried)
        return;
    reel_stream_events(t, s->end < 0 ? EPOLLIN | EPOLLERR : EPOLLIN);
    if (!s->armed)
        put_todo(s);
    if (!has_input(s) || t->is_ready || t->dying)
        return;
    s->slow = true;
    put_todo(s);
    if (save(s) < 0)
        reel_stream_die(t, -ENOMEM);
}

void reel_uring_tell(struct uring *u)
{
    struct uring_stream *s = take_all(&u->news);
    while (s) {
        struct uring_stream *next = s->next_news;
        s->in_news = false;
        tell(s);
        let_go(s);
        s = next;
    }
}

/* ---- Without the ring. ---- */

static void for_each(struct reel_link *list, void (*fn)(struct uring_stream *s))
{
    struct reel_link *next = NULL;
    for (struct reel_link *link = list->next; link != list; link = next) {
        next = link->next;
        struct reel_transport *t = CONTAINER_OF(link, struct reel_transport, link);
        if (reel_filters_bottom(t) == &reel_uring_io)
            fn(stream_of(t));
    }
}

static void leave(struct uring_stream *s)
{
    int err = save(s);
    s->armed = s->cancelling = false;
    if (err < 0)
        reel_stream_die(&s->t, err);
    else if (!s->polled)
        put_todo(s);
    let_go(s);
}

static void free_zombie(struct uring_stream *s)
{
    s->armed = false;
    let_go(s);
}

void reel_uring_leave(struct reel_reactor *r)
{
    for_each(&r->dying, leave);
    for_each(&r->transports, leave);
    for_each(&r->uring->zombies, free_zombie);
}

static void look_again(struct uring_stream *s)
{
    s->t.readable = true;
    s->dry = false;
    reel_stream_ready(&s->t);
}

void reel_uring_scatter(struct reel_reactor *r)
{
    struct uring_stream *s = NULL, *next = NULL;
    for (s = take_all(&r->uring->news); s; s = next) {
        next = s->next_news;
        s->in_news = false;
        let_go(s);
    }
    for (s = take_all(&r->uring->todo); s; s = next) {
        next = s->next_todo;
        s->in_todo = false;
        let_go(s);
    }
    for_each(&r->transports, look_again);
}

void reel_uring_watch_by_epoll(struct reel_reactor *r)
{
    for_each(&r->transports, join_epoll);
}
