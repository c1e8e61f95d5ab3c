#include "load.h"
#include "sockets.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, SOURCES = 64 };

struct churn {
    struct load_shape shape;
    int port, epoll_fd;
    uint32_t source; /* the next address to connect from */
    uint8_t *buffer;
};

static void *churn_open(const struct load_shape *shape, int port)
{
    struct churn *c = take_memory(1, sizeof(*c));
    c->shape = *shape;
    c->port = port;
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    c->buffer = take_memory(1, BUFFER_BYTES);
    return c;
}

static void churn_close(void *load)
{
    struct churn *c = load;
    close(c->epoll_fd);
    free(c->buffer);
    free(c);
}

/* The server may accept later: on loopback the kernel completes the connection by itself. */
static void begin(struct churn *c)
{
    int fd = connect_to(c->port, 1 + c->source++ % SOURCES);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
    send_all(fd, c->buffer, c->shape.size);
}

static void end(struct churn *c, int fd)
{
    if (recv(fd, c->buffer, BUFFER_BYTES, 0) != (ssize_t)c->shape.size)
        die("churn: not the whole echo");
    close(fd);
}

static int64_t churn_run(void *load, int64_t slice_ns)
{
    struct churn *c = load;
    struct epoll_event events[EVENTS];
    int64_t end_ns = clock_ns(CLOCK_MONOTONIC) + slice_ns, done = 0;
    int open = c->shape.connections;
    for (int i = 0; i < open; i++)
        begin(c);
    while (open) {
        int count = epoll_wait(c->epoll_fd, events, EVENTS, -1);
        for (int k = 0; k < count; k++) {
            end(c, events[k].data.fd);
            done++;
            if (clock_ns(CLOCK_MONOTONIC) < end_ns)
                begin(c);
            else
                open--;
        }
    }
    return done;
}

const struct load_ops load_churn = {"echo", churn_open, churn_run, churn_close};
