#include "load.h"
#include "sockets.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

/* A line begins with its sender's number. The server sends whole lines in any pieces. */
struct member {
    int fd;
    size_t received;
    uint32_t sender; /* of the line that is coming in, as far as its first bytes are here */
};

struct chat {
    struct load_shape shape;
    int epoll_fd;
    struct member *members;
    size_t lines;   /* published */
    size_t waiting; /* bytes to be delivered */
    uint8_t *buffer, *outgoing;
};

static void *chat_open(const struct load_shape *shape, int port)
{
    struct chat *c = take_memory(1, sizeof(*c));
    c->shape = *shape;
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    c->members = take_memory((size_t)shape->connections, sizeof(*c->members));
    c->buffer = take_memory(1, BUFFER_BYTES);
    c->outgoing = take_memory(shape->depth, shape->size);
    for (int i = 0; i < shape->connections; i++) {
        c->members[i].fd = connect_to(port, 0);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->members[i].fd, &event) < 0)
            die("epoll_ctl");
    }
    usleep(200000); /* the server must have accepted all before the first line */
    return c;
}

static void chat_close(void *load)
{
    struct chat *c = load;
    for (int i = 0; i < c->shape.connections; i++)
        close(c->members[i].fd);
    close(c->epoll_fd);
    free(c->members);
    free(c->buffer);
    free(c->outgoing);
    free(c);
}

static void publish(struct chat *c, int i, size_t count)
{
    const size_t size = c->shape.size;
    uint8_t *line = c->outgoing;
    for (size_t k = 0; k < count; k++, line += size) {
        memset(line, 'x', size);
        line[0] = (uint8_t)('0' + i);
        line[size - 1] = '\n';
    }
    c->waiting += count * size * (size_t)c->shape.connections;
    send_all(c->members[i].fd, c->outgoing, count * size);
}

/* How many lines of his own a publisher has read to their ends. */
static size_t count_own(struct chat *c, int i, size_t len)
{
    const size_t size = c->shape.size;
    struct member *m = &c->members[i];
    size_t own = 0;
    for (size_t at = 0; at < len;) {
        size_t offset = (m->received + at) % size;
        if (offset == 0)
            m->sender = c->buffer[at];
        at += size - offset;
        own += at <= len && m->sender == (uint32_t)('0' + i);
    }
    return own;
}

static size_t receive(struct chat *c, int i)
{
    struct member *m = &c->members[i];
    ssize_t n = recv(m->fd, c->buffer, BUFFER_BYTES, MSG_DONTWAIT);
    if (n <= 0)
        die("chat: recv");
    size_t own = i < c->shape.publishers ? count_own(c, i, (size_t)n) : 0;
    m->received += (size_t)n;
    c->waiting -= (size_t)n;
    return own;
}

static int64_t chat_run(void *load, int64_t slice_ns)
{
    struct chat *c = load;
    struct epoll_event events[EVENTS];
    int64_t end_ns = clock_ns(CLOCK_MONOTONIC) + slice_ns;
    bool go_on = true;
    size_t before = c->members[0].received;
    for (int i = 0; i < c->shape.publishers; i++)
        publish(c, i, c->shape.depth);
    while (c->waiting) {
        int count = epoll_wait(c->epoll_fd, events, EVENTS, -1);
        for (int k = 0; k < count; k++) {
            int i = (int)events[k].data.u32;
            size_t own = receive(c, i);
            if (own && go_on)
                publish(c, i, own);
        }
        go_on = clock_ns(CLOCK_MONOTONIC) < end_ns;
    }
    size_t lines = (c->members[0].received - before) / c->shape.size;
    return (int64_t)lines * c->shape.connections;
}

const struct load_ops load_chat = {"chat", chat_open, chat_run, chat_close};
