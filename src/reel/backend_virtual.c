/* Virtual time: nothing is ever ready by itself, and sleeping is a sum. */
#include "reel/loop.h"

#include <errno.h>

static int virtual_open(struct reel_reactor *r)
{
    (void)r;
    return 0;
}

static void virtual_close(struct reel_reactor *r)
{
    (void)r;
}

static int virtual_refuse(struct reel_reactor *r, int fd, uint32_t events, struct source *source)
{
    (void)r;
    (void)fd;
    (void)events;
    (void)source;
    return -EOPNOTSUPP;
}

static void virtual_remove(struct reel_reactor *r, int fd, struct source *source)
{
    (void)r;
    (void)fd;
    (void)source;
}

/* To wait without an end is to wait for what cannot come. */
static int virtual_wait(struct reel_reactor *r, int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return -EDEADLK;
    r->virtual_ns += timeout_ns;
    return 0;
}

static void virtual_dispatch(struct reel_reactor *r, int count)
{
    (void)r;
    (void)count;
}

static int64_t virtual_now_ns(struct reel_reactor *r)
{
    return r->virtual_ns;
}

static int64_t virtual_wall_us(struct reel_reactor *r)
{
    return r->virtual_wall_us + r->virtual_ns / 1000;
}

static int virtual_fd(struct reel_reactor *r)
{
    (void)r;
    return -1;
}

const struct backend_ops reel_backend_virtual = {
    .name_z = "virtual",
    .open = virtual_open,
    .close = virtual_close,
    .add = virtual_refuse,
    .change = virtual_refuse,
    .remove = virtual_remove,
    .wait = virtual_wait,
    .dispatch = virtual_dispatch,
    .fd = virtual_fd,
    .now_ns = virtual_now_ns,
    .wall_us = virtual_wall_us,
};
