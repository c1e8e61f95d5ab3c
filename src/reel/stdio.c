/* Two descriptors as one transport: one is read, the other written. */
#include <reel/stdio.h>

#include "reel/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct stdio_transport {
    struct reel_transport t; /* t.fd is read */
    struct source out_source;
    int out_fd;
    int in_flags, out_flags; /* as they were */
    bool in_polled, out_polled;
    bool ended; /* the output was given up for /dev/null */
};

static struct stdio_transport *stdio_of(struct reel_transport *t)
{
    return CONTAINER_OF(t, struct stdio_transport, t);
}

static ssize_t stdio_send(struct reel_transport *t, const struct iovec *parts, int count)
{
    ssize_t n = writev(stdio_of(t)->out_fd, parts, count);
    return n < 0 ? -errno : n;
}

static ssize_t stdio_receive(struct reel_transport *t, uint8_t *data, size_t len)
{
    ssize_t n = read(t->fd, data, len);
    if (n < 0 && errno == EIO)
        return 0; /* a terminal that is gone */
    return n < 0 ? -errno : n;
}

/* Whoever reads our output sees its end; the descriptor's number stays taken. */
static void stdio_shut(struct reel_transport *t)
{
    struct stdio_transport *s = stdio_of(t);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    if (s->out_polled)
        t->reactor->backend->remove(t->reactor, s->out_fd, &s->out_source);
    fcntl(s->out_fd, F_SETFL, s->out_flags);
    dup2(null, s->out_fd);
    close(null);
    s->out_polled = false;
    s->ended = true;
}

static void stdio_close(struct reel_transport *t, bool reset)
{
    (void)reset;
    struct stdio_transport *s = stdio_of(t);
    if (s->in_polled)
        t->reactor->backend->remove(t->reactor, t->fd, (struct source *)&t->io);
    if (s->out_polled)
        t->reactor->backend->remove(t->reactor, s->out_fd, &s->out_source);
    fcntl(t->fd, F_SETFL, s->in_flags);
    if (!s->ended)
        fcntl(s->out_fd, F_SETFL, s->out_flags);
    t->fd = -1;
}

static int stdio_error(struct reel_transport *t)
{
    (void)t;
    return -EPIPE;
}

static void on_in(void *source, uint32_t events)
{
    struct reel_transport *t = CONTAINER_OF(source, struct reel_transport, io);
    /* An end of what is read says nothing of what is written. */
    reel_stream_events(t, events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? EPOLLIN | EPOLLRDHUP : 0);
}

static void on_out(void *source, uint32_t events)
{
    struct stdio_transport *s = CONTAINER_OF(source, struct stdio_transport, out_source);
    if (events & EPOLLERR)
        reel_stream_die(&s->t, -EPIPE); /* nobody reads any more */
    else
        reel_stream_events(&s->t, events & EPOLLOUT);
}

/* Files and /dev/null cannot be polled, and need not be: they never make one wait. */
static int poll_for(struct reel_reactor *r, int fd, uint32_t events, struct source *source,
                    bool *polled)
{
    int err = r->backend->add(r, fd, events | EPOLLET, source);
    *polled = err == 0;
    return err == -EPERM ? 0 : err;
}

static int stdio_open(struct reel_transport *t)
{
    struct stdio_transport *s = stdio_of(t);
    int err = poll_for(t->reactor, t->fd, EPOLLIN, (struct source *)&t->io, &s->in_polled);
    if (err < 0)
        return err;
    err = s->ended ? 0 : poll_for(t->reactor, s->out_fd, EPOLLOUT, &s->out_source, &s->out_polled);
    if (err < 0 && s->in_polled)
        t->reactor->backend->remove(t->reactor, t->fd, (struct source *)&t->io);
    return err;
}

static const struct stream_io stdio_io = {
    .source = {on_in},
    .size = sizeof(struct stdio_transport),
    .short_is_all = false, /* files have no events */
    .open = stdio_open,
    .receive = stdio_receive,
    .send = stdio_send,
    .shut = stdio_shut,
    .close = stdio_close,
    .error = stdio_error,
};

int reel_stdio_on(struct reel_reactor *r, int in_fd, int out_fd, const struct reel_factory *factory,
                  struct reel_transport **out)
{
    static const struct source_ops out_ops = {on_out};
    if (r->ending)
        return -ECANCELED;
    if (r->wake_fd < 0)
        return -EOPNOTSUPP;
    int in_flags = fcntl(in_fd, F_GETFL), out_flags = fcntl(out_fd, F_GETFL);
    if (in_flags < 0 || out_flags < 0)
        return -EBADF;
    struct reel_transport *t = reel_stream_new(r, &stdio_io, factory);
    if (!t)
        return -ENOMEM;
    struct stdio_transport *s = stdio_of(t);
    t->fd = in_fd;
    s->out_fd = out_fd;
    s->out_source.ops = &out_ops;
    s->in_flags = in_flags;
    s->out_flags = out_flags;
    t->readable = t->writable = true; /* unknown: the first calls say */
    int err = stdio_open(t);
    if (err < 0) {
        reel_stream_discard(t);
        return err;
    }
    fcntl(in_fd, F_SETFL, in_flags | O_NONBLOCK);
    fcntl(out_fd, F_SETFL, out_flags | O_NONBLOCK);
    reel_stream_start(t);
    if (out)
        *out = t;
    return 0;
}

int reel_stdio(struct reel_reactor *r, const struct reel_factory *factory,
               struct reel_transport **out)
{
    return reel_stdio_on(r, STDIN_FILENO, STDOUT_FILENO, factory, out);
}
