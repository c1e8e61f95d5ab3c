/* Time-outs as a filter. */
#include <reel/policy.h>

#include "reel/stream.h"

#include <errno.h>

struct timeouts {
    struct reel_filter f;
    const struct reel_timeouts *options;
    struct reel_timer total, read, write;
    bool heard; /* the first byte came */
};

static void on_total(struct reel_timer *timer)
{
    reel_abort_as(CONTAINER_OF(timer, struct timeouts, total)->f.transport, -ETIMEDOUT);
}

static int64_t read_ns(const struct timeouts *self)
{
    if (!self->heard && self->options->first_byte_ns > 0)
        return self->options->first_byte_ns;
    return self->options->read_ns;
}

/* A peer that is not being read cannot be blamed; one that is closed upon has the linger time. */
static void on_read(struct reel_timer *timer)
{
    struct timeouts *self = CONTAINER_OF(timer, struct timeouts, read);
    struct reel_transport *t = self->f.transport;
    if (t->closing)
        return;
    if (t->paused || t->full)
        reel_timer_start(timer, read_ns(self));
    else
        reel_abort_as(t, -ETIMEDOUT);
}

static void on_write(struct reel_timer *timer)
{
    reel_abort_as(CONTAINER_OF(timer, struct timeouts, write)->f.transport, -ETIMEDOUT);
}

static void timeouts_close(struct reel_filter *f, bool reset)
{
    struct timeouts *self = (struct timeouts *)f;
    (void)reset;
    reel_timer_fini(&self->total);
    reel_timer_fini(&self->read);
    reel_timer_fini(&self->write);
}

static int timeouts_open(struct reel_filter *f, const void *options)
{
    struct timeouts *self = (struct timeouts *)f;
    struct reel_reactor *r = f->transport->reactor;
    self->options = options;
    if (reel_timer_init(&self->total, r, on_total) == 0 &&
        reel_timer_init(&self->read, r, on_read) == 0 &&
        reel_timer_init(&self->write, r, on_write) == 0)
        return 0;
    timeouts_close(f, true);
    return -ENOMEM;
}

static int timeouts_start(struct reel_filter *f)
{
    struct timeouts *self = (struct timeouts *)f;
    if (self->options->total_ns > 0)
        reel_timer_start(&self->total, self->options->total_ns);
    if (read_ns(self) > 0)
        reel_timer_start(&self->read, read_ns(self));
    return 0;
}

static ssize_t timeouts_receive(struct reel_filter *f, uint8_t *data, size_t len)
{
    struct timeouts *self = (struct timeouts *)f;
    ssize_t n = reel_filter_receive(f, data, len);
    if (n < 0)
        return n;
    self->heard = true;
    if (n > 0 && self->options->read_ns > 0)
        reel_timer_start(&self->read, self->options->read_ns);
    else
        reel_timer_stop(&self->read);
    return n;
}

static ssize_t timeouts_send(struct reel_filter *f, const struct iovec *parts, int count)
{
    struct timeouts *self = (struct timeouts *)f;
    ssize_t n = reel_filter_send(f, parts, count);
    if (n > 0)
        reel_timer_stop(&self->write);
    else if (n == -EAGAIN && self->options->write_ns > 0 && !reel_timer_is_active(&self->write))
        reel_timer_start(&self->write, self->options->write_ns);
    return n;
}

const struct reel_filter_type reel_timeouts_filter = {
    .name_z = "timeouts",
    .size = sizeof(struct timeouts),
    .open = timeouts_open,
    .start = timeouts_start,
    .receive = timeouts_receive,
    .send = timeouts_send,
    .close = timeouts_close,
};
