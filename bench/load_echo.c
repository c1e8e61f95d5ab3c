#include "load.h"
#include "sockets.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

struct echo {
    struct load_shape shape;
    int epoll_fd;
    int *fds;
    size_t *owed;   /* bytes each connection still owes us */
    size_t waiting; /* of all */
    uint8_t *buffer;
};

static void *echo_open(const struct load_shape *shape, int port)
{
    struct echo *e = take_memory(1, sizeof(*e));
    e->shape = *shape;
    e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    e->fds = take_memory((size_t)shape->connections, sizeof(*e->fds));
    e->owed = take_memory((size_t)shape->connections, sizeof(*e->owed));
    e->buffer = take_memory(1, BUFFER_BYTES);
    for (int i = 0; i < shape->connections; i++) {
        e->fds[i] = connect_to(port, 0);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->fds[i], &event) < 0)
            die("epoll_ctl");
    }
    return e;
}

static void echo_close(void *load)
{
    struct echo *e = load;
    for (int i = 0; i < e->shape.connections; i++)
        close(e->fds[i]);
    close(e->epoll_fd);
    free(e->fds);
    free(e->owed);
    free(e->buffer);
    free(e);
}

void load_echo_resize(void *load, size_t size)
{
    struct echo *e = load;
    e->shape.size = size;
}

static void send_messages(struct echo *e, int i, size_t count)
{
    size_t len = count * e->shape.size;
    e->owed[i] += len;
    e->waiting += len;
    send_all(e->fds[i], e->buffer, len);
}

/* How many messages came back whole: a message is back when its last byte is. */
static size_t receive(struct echo *e, int i)
{
    ssize_t n = recv(e->fds[i], e->buffer, BUFFER_BYTES, MSG_DONTWAIT);
    if (n <= 0)
        die("recv");
    size_t size = e->shape.size, before = (e->owed[i] + size - 1) / size;
    e->owed[i] -= (size_t)n;
    e->waiting -= (size_t)n;
    return before - (e->owed[i] + size - 1) / size;
}

static int64_t echo_run(void *load, int64_t slice_ns)
{
    struct echo *e = load;
    struct epoll_event events[EVENTS];
    int64_t end_ns = clock_ns(CLOCK_MONOTONIC) + slice_ns, done = 0;
    bool go_on = true;
    for (int i = 0; i < e->shape.connections; i++)
        send_messages(e, i, e->shape.depth);
    while (e->waiting) {
        int count = epoll_wait(e->epoll_fd, events, EVENTS, -1);
        for (int k = 0; k < count; k++) {
            int i = (int)events[k].data.u32;
            size_t back = receive(e, i);
            done += (int64_t)back;
            if (go_on && back)
                send_messages(e, i, back);
        }
        go_on = clock_ns(CLOCK_MONOTONIC) < end_ns;
    }
    return done;
}

static int64_t paced_run(void *load, int64_t slice_ns)
{
    struct echo *e = load;
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC), end_ns = now_ns + slice_ns, next_ns = now_ns;
    int64_t done = 0;
    for (int i = 0; now_ns < end_ns; i = (i + 1) % e->shape.connections) {
        while (now_ns < next_ns)
            now_ns = clock_ns(CLOCK_MONOTONIC);
        next_ns = now_ns + e->shape.pace_ns;
        send_messages(e, i, 1);
        while (e->owed[i])
            if (recv(e->fds[i], e->buffer, 1, MSG_DONTWAIT | MSG_PEEK) > 0)
                done += (int64_t)receive(e, i);
        now_ns = clock_ns(CLOCK_MONOTONIC);
    }
    return done;
}

const struct load_ops load_echo = {"echo", echo_open, echo_run, echo_close};
const struct load_ops load_paced = {"echo", echo_open, paced_run, echo_close};
