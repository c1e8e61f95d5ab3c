/* The stack of filters: it stands in the place of what carries the transport's bytes. */
#include "reel/filters.h"

#include "reel/fdio.h"
#include "reel/special.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static struct filter_chain *chain_of(const struct reel_transport *t)
{
    return t->filtered ? CONTAINER_OF(t->io, struct filter_chain, io) : NULL;
}

const struct stream_io *reel_filters_bottom(const struct reel_transport *t)
{
    return t->filtered ? chain_of(t)->bottom : t->io;
}

/* ---- Input, from the top down. ---- */

static ssize_t bottom_receive(struct reel_transport *t, uint8_t *data, size_t len)
{
    struct filter_chain *chain = chain_of(t);
    if (chain->dry)
        return -EAGAIN;
    ssize_t n = 0;
    do
        n = chain->bottom->receive(t, data, len);
    while (n == -EINTR);
    if (n == -EAGAIN || (n > 0 && (size_t)n < len && chain->bottom->short_is_all && !t->peer_shut))
        chain->dry = true;
    return n;
}

static ssize_t take_early(struct reel_filter *f, uint8_t *data, size_t len)
{
    size_t left = f->early_end - f->early_start;
    len = len < left ? len : left;
    memcpy(data, f->early + f->early_start, len);
    f->early_start += len;
    if (f->early_start == f->early_end) {
        reel_memory_free(f->transport->reactor, f->early);
        f->early = NULL;
    }
    return (ssize_t)len;
}

ssize_t reel_filter_receive(struct reel_filter *f, uint8_t *data, size_t len)
{
    for (;; f = f->below) {
        if (f->early)
            return take_early(f, data, len);
        if (!f->below)
            return bottom_receive(f->transport, data, len);
        if (f->below->type->receive)
            return f->below->type->receive(f->below, data, len);
    }
}

static ssize_t chain_receive(struct reel_transport *t, uint8_t *data, size_t len)
{
    struct reel_filter *top = chain_of(t)->top;
    return top->type->receive ? top->type->receive(top, data, len)
                              : reel_filter_receive(top, data, len);
}

/* ---- Output, from the top down. ---- */

static ssize_t bottom_send(struct reel_transport *t, const struct iovec *parts, int count)
{
    if (!t->writable)
        return -EAGAIN;
    ssize_t n = 0;
    do
        n = chain_of(t)->bottom->send(t, parts, count);
    while (n == -EINTR);
    if (n == -EAGAIN)
        t->writable = false; /* as the bottom means it: there will be an event */
    return n;
}

/* From `f` on down. */
static ssize_t send_through(struct reel_transport *t, struct reel_filter *f,
                            const struct iovec *parts, int count)
{
    while (f && !f->type->send)
        f = f->below;
    return f ? f->type->send(f, parts, count) : bottom_send(t, parts, count);
}

ssize_t reel_filter_send(struct reel_filter *f, const struct iovec *parts, int count)
{
    return send_through(f->transport, f->below, parts, count);
}

int reel_parts_first(const struct iovec *parts, int count, size_t bytes,
                     struct iovec out[FIRST_PARTS_MAX])
{
    int used = 0;
    for (; used < count && used < FIRST_PARTS_MAX && bytes; used++) {
        out[used] = parts[used];
        if (out[used].iov_len > bytes)
            out[used].iov_len = bytes;
        bytes -= out[used].iov_len;
    }
    return used;
}

/* What was written before the newest filter came goes out without it. */
static ssize_t send_owed(struct reel_transport *t, const struct iovec *parts, int count)
{
    struct filter_chain *chain = chain_of(t);
    struct iovec some[FIRST_PARTS_MAX];
    int used = reel_parts_first(parts, count, chain->owed, some);
    ssize_t n = send_through(t, chain->next->below, some, used);
    if (n > 0)
        chain->owed -= (size_t)n;
    if (!chain->owed)
        reel_stream_ready(t); /* for the handshake */
    return n;
}

static ssize_t chain_send(struct reel_transport *t, const struct iovec *parts, int count)
{
    struct filter_chain *chain = chain_of(t);
    if (!t->handshaking)
        return send_through(t, chain->top, parts, count);
    return chain->owed ? send_owed(t, parts, count) : -EAGAIN;
}

int reel_filters_shut(struct reel_transport *t)
{
    for (struct reel_filter *f = chain_of(t)->top; f; f = f->below) {
        int err = f->is_shut || !f->type->shut ? 0 : f->type->shut(f);
        if (err < 0)
            return err;
        f->is_shut = true;
    }
    return 0;
}

/* ---- The stack itself. ---- */

static void filter_free(struct reel_filter *f, bool reset)
{
    struct reel_reactor *r = f->transport->reactor;
    if (f->type->close)
        f->type->close(f, reset);
    reel_memory_free(r, f->early);
    reel_memory_free(r, f);
}

/* The transport stands on its bottom again. */
static void chain_free(struct filter_chain *chain, struct reel_transport *t)
{
    t->io = chain->bottom;
    t->filtered = false;
    reel_memory_free(t->reactor, chain);
}

static void free_all(struct reel_transport *t, bool reset)
{
    struct filter_chain *chain = chain_of(t);
    while (chain->top) {
        struct reel_filter *f = chain->top;
        chain->top = f->below;
        filter_free(f, reset);
    }
    chain_free(chain, t);
}

static void chain_close(struct reel_transport *t, bool reset)
{
    free_all(t, reset);
    t->io->close(t, reset);
}

void reel_filters_discard(struct reel_transport *t)
{
    if (t->filtered)
        free_all(t, true);
}

static struct filter_chain *chain_new(struct reel_transport *t)
{
    struct filter_chain *chain = reel_memory_new_zeroed(t->reactor, sizeof(*chain));
    if (!chain)
        return NULL;
    /* Named one by one: an operation that is not here must not pass the filters by. */
    chain->io = (struct stream_io){
        .source = t->io->source,
        .size = t->io->size,
        .receive = chain_receive,
        .send = chain_send,
        .shut = t->io->shut,
        .close = chain_close,
        .error = t->io->error,
    };
    chain->bottom = t->io;
    t->io = &chain->io;
    t->filtered = true;
    return chain;
}

static void put_on_top(struct filter_chain *chain, struct reel_filter *f)
{
    f->below = chain->top;
    if (chain->top)
        chain->top->above = f;
    chain->top = f;
    if (!chain->next)
        chain->next = f;
}

static int add(struct reel_transport *t, const struct reel_filter_type *type, const void *options)
{
    size_t size = type->size > sizeof(struct reel_filter) ? type->size : sizeof(struct reel_filter);
    struct filter_chain *chain = t->filtered ? chain_of(t) : chain_new(t);
    struct reel_filter *f = chain ? reel_memory_new_zeroed(t->reactor, size) : NULL;
    int err = -ENOMEM;
    if (!f)
        goto out;
    f->type = type;
    f->transport = t;
    err = type->open ? type->open(f, options) : 0;
    if (err < 0)
        goto out;
    put_on_top(chain, f);
    return 0;
out:
    reel_memory_free(t->reactor, f);
    if (chain && !chain->top)
        chain_free(chain, t);
    return err;
}

int reel_filters_add(struct reel_transport *t, const struct reel_filter_use *list)
{
    int err = 0;
    for (; err == 0 && list && list->type; list++)
        err = add(t, list->type, list->options);
    return err;
}

int reel_filters_attach(struct reel_transport *t, const struct reel_filter_use *list)
{
    int err = reel_filters_add(t, list);
    if (err == 0)
        err = reel_filters_add(t, t->factory->filters);
    if (t->filtered)
        chain_of(t)->complete = true;
    return err;
}

int reel_filter_push(struct reel_transport *t, const struct reel_filter_type *type,
                     const void *options)
{
    if (t->closing || t->shutting || t->dying || t->eof || t->no_write)
        return -EPIPE;
    if (t->handshaking || reel_special_waits(t))
        return -EBUSY; /* what is more than bytes cannot be told apart by their count */
    int err = add(t, type, options);
    if (err < 0 || !t->made)
        return err;
    struct filter_chain *chain = chain_of(t);
    chain->owed = t->pending;
    chain->timed = false;
    t->handshaking = true;
    if (chain->owed)
        reel_stream_unsent(t);
    reel_stream_ready(t);
    return 0;
}

struct reel_filter *reel_filter_top(const struct reel_transport *t)
{
    return t->filtered ? chain_of(t)->top : NULL;
}

struct reel_filter *reel_filter_find(const struct reel_transport *t,
                                     const struct reel_filter_type *type)
{
    struct reel_filter *f = reel_filter_top(t);
    while (f && f->type != type)
        f = f->below;
    return f;
}

struct reel_filter *reel_filter_find_below(const struct reel_filter *f)
{
    const struct reel_filter_type *type = f->type;
    do
        f = f->below;
    while (f && f->type != type);
    return (struct reel_filter *)f;
}

/* ---- Handshakes. ---- */

/* Takes `f`, whose handshake is over, out of the stack. */
static int leave(struct reel_transport *t, struct reel_filter *f)
{
    struct filter_chain *chain = chain_of(t);
    int err = 0;
    if (f->early && f->above) {
        assert(!f->above->early);
        f->above->early = f->early;
        f->above->early_start = f->early_start;
        f->above->early_end = f->early_end;
        f->early = NULL;
    } else if (f->early) {
        bool held = reel_stream_hold(t, f->early + f->early_start, f->early_end - f->early_start);
        err = held ? 0 : -ENOMEM;
    }
    if (f->above)
        f->above->below = f->below;
    else
        chain->top = f->below;
    if (f->below)
        f->below->above = f->above;
    filter_free(f, false);
    if (!chain->top)
        chain_free(chain, t);
    return err;
}

/* 0, -EAGAIN or -errno. */
static int start_all(struct reel_transport *t)
{
    struct filter_chain *chain = chain_of(t);
    struct reel_filter *f = chain->next;
    while (f) {
        int err = f->type->start ? f->type->start(f) : 0;
        if (t->dying)
            return -EAGAIN; /* for a reason of its own */
        if (err < 0)
            return err;
        struct reel_filter *above = f->above;
        chain->next = above;
        if (err == REEL_FILTER_LEAVE)
            err = leave(t, f);
        if (err < 0)
            return err;
        f = above;
    }
    return 0;
}

/* Input that came before the filter, and was not taken, is the filter's. */
static void move_held(struct reel_transport *t)
{
    struct stream_extra *extra = t->extra;
    struct reel_filter *f = chain_of(t)->next;
    if (!extra || !extra->held)
        return;
    f->early = extra->held;
    f->early_start = extra->held_start;
    f->early_end = extra->held_end;
    extra->held = NULL;
    extra->held_start = extra->held_end = extra->held_cap = 0;
    extra->more = false;
    t->held_waits = t->held_until_drained = false;
}

static int limit_time(struct reel_transport *t)
{
    struct filter_chain *chain = chain_of(t);
    int64_t handshake_ns = t->factory->options.handshake_ns;
    if (chain->timed || t->closing) /* which has a limit of its own */
        return 0;
    chain->timed = true;
    return reel_stream_expect(t, handshake_ns > 0 ? handshake_ns : REEL_HANDSHAKE_DEFAULT_NS);
}

static int step(struct reel_transport *t, uint32_t events)
{
    int err = -EAGAIN;
    if (chain_of(t)->owed) {
        reel_stream_unsent(t);
    } else {
        move_held(t);
        err = start_all(t);
    }
    if (err != -EAGAIN || t->dying)
        return err;
    err = events & EPOLLERR ? t->io->error(t) : 0;
    if (err == 0)
        err = limit_time(t);
    return err < 0 ? err : -EAGAIN;
}

bool reel_filters_step(struct reel_transport *t, uint32_t events)
{
    int err = step(t, events);
    if (err == 0) {
        t->handshaking = t->stalled = false;
        t->readable = true;
        return true;
    }
    if (err != -EAGAIN) {
        reel_stream_drop_unread(t); /* the filter's last words should arrive */
        reel_stream_die(t, err);
    }
    return false;
}

bool reel_filters_begin(struct reel_transport *t)
{
    int err = t->filtered && chain_of(t)->complete ? 0 : reel_filters_attach(t, NULL);
    if (err < 0) {
        reel_stream_die(t, err);
        return false;
    }
    if (!t->filtered)
        return true; /* an empty list */
    chain_of(t)->timed = false;
    t->handshaking = true;
    return reel_filters_step(t, 0);
}

void reel_filters_stir(struct reel_transport *t, uint32_t events)
{
    t->stalled = false;
    t->readable = !t->eof;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        chain_of(t)->dry = false;
}

/* ---- What filters may call. ---- */

int reel_filter_unread(struct reel_filter *f, const uint8_t *data, size_t len)
{
    struct reel_reactor *r = f->transport->reactor;
    size_t left = f->early ? f->early_end - f->early_start : 0;
    if (len == 0)
        return 0;
    uint8_t *early = reel_memory_new(r, len + left);
    if (!early)
        return -ENOMEM;
    memcpy(early, data, len);
    if (left)
        memcpy(early + len, f->early + f->early_start, left);
    reel_memory_free(r, f->early);
    f->early = early;
    f->early_start = 0;
    f->early_end = len + left;
    return 0;
}

void reel_filter_wake(struct reel_filter *f)
{
    struct reel_transport *t = f->transport;
    if (t->dying || !(t->made || t->handshaking))
        return; /* what has not begun will try anyway */
    reel_filters_stir(t, 0);
    if (t->pending || t->shutting || t->closing)
        reel_stream_unsent(t);
    reel_stream_ready(t);
}

int reel_filter_expect(struct reel_filter *f, int64_t timeout_ns)
{
    struct reel_transport *t = f->transport;
    if (t->closing)
        return 0;
    chain_of(t)->timed = true;
    return reel_stream_expect(t, timeout_ns);
}

int reel_filter_set_peer(struct reel_filter *f, const struct reel_address *peer)
{
    int family = peer->storage.ss_family;
    if (family != AF_INET && family != AF_INET6)
        return -EAFNOSUPPORT;
    reel_fd_set_peer(f->transport, peer);
    return 0;
}
