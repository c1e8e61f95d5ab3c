#include "reel/loop.h"
#include "reel/spin.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t reel_epoll_now_ns(struct reel_reactor *r)
{
    (void)r;
    return read_clock(CLOCK_MONOTONIC);
}

int64_t reel_epoll_wall_us(struct reel_reactor *r)
{
    (void)r;
    return read_clock(CLOCK_REALTIME) / 1000;
}

static int control(struct reel_reactor *r, int operation, int fd, uint32_t events,
                   struct source *source)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    return epoll_ctl(r->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

int reel_epoll_add(struct reel_reactor *r, int fd, uint32_t events, struct source *source)
{
    return control(r, EPOLL_CTL_ADD, fd, events, source);
}

int reel_epoll_change(struct reel_reactor *r, int fd, uint32_t events, struct source *source)
{
    return control(r, EPOLL_CTL_MOD, fd, events, source);
}

void reel_epoll_remove(struct reel_reactor *r, int fd, struct source *source)
{
    if (!r->ending) /* then the epoll descriptor goes; after a fork the parent has it too */
        control(r, EPOLL_CTL_DEL, fd, 0, source);
    for (int i = r->event_at; i < r->event_count; i++)
        if (r->events[i].data.ptr == source)
            r->events[i].data.ptr = NULL;
}

static void on_wake(void *source, uint32_t events)
{
    (void)events;
    struct reel_reactor *r = CONTAINER_OF(source, struct reel_reactor, wake);
    uint64_t count = 0;
    ssize_t n = read(r->wake_fd, &count, sizeof(count));
    (void)n; /* nothing there: another turn took it */
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void epoll_close(struct reel_reactor *r)
{
    close_fd(&r->reserve_fd);
    close_fd(&r->wake_fd);
    close_fd(&r->epoll_fd);
}

static int epoll_open(struct reel_reactor *r)
{
    static const struct source_ops wake_ops = {on_wake};
    r->wake.ops = &wake_ops;
    r->event_at = r->event_count = 0;
    int err = 0;
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->reserve_fd = r->wake_fd < 0 ? -1 : fcntl(r->wake_fd, F_DUPFD_CLOEXEC, 0);
    if (r->epoll_fd < 0 || r->wake_fd < 0 || r->reserve_fd < 0)
        err = -errno;
    else
        err = reel_epoll_add(r, r->wake_fd, EPOLLIN, &r->wake);
    if (err < 0)
        epoll_close(r);
    return err;
}

static int poll_for(struct reel_reactor *r, int64_t timeout_ns)
{
    int count = 0;
    if (timeout_ns <= 0) {
        count = epoll_wait(r->epoll_fd, r->events, EVENTS_MAX, timeout_ns < 0 ? -1 : 0);
    } else {
        struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
        count = epoll_pwait2(r->epoll_fd, r->events, EVENTS_MAX, &timeout, NULL);
        if (count < 0 && errno == ENOSYS) { /* before Linux 5.11: whole milliseconds, rounded up */
            int64_t timeout_ms = (timeout_ns + 999999) / 1000000;
            count = epoll_wait(r->epoll_fd, r->events, EVENTS_MAX,
                               timeout_ms < INT32_MAX ? (int)timeout_ms : INT32_MAX);
        }
    }
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    return count;
}

static int epoll_wait_for(struct reel_reactor *r, int64_t timeout_ns)
{
    if (timeout_ns == 0 || r->spin_ns < 0)
        return poll_for(r, timeout_ns);
    return reel_spin_then_sleep(r, timeout_ns, poll_for);
}

static void epoll_dispatch(struct reel_reactor *r, int count)
{
    r->event_count = count;
    for (r->event_at = 0; r->event_at < r->event_count;) {
        const struct epoll_event *event = &r->events[r->event_at++];
        struct source *source = event->data.ptr;
        if (source)
            source->ops->on_events(source, event->events);
    }
    r->event_at = r->event_count = 0;
}

static int epoll_fd(struct reel_reactor *r)
{
    return r->epoll_fd;
}

const struct backend_ops reel_backend_epoll = {
    .name_z = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .add = reel_epoll_add,
    .change = reel_epoll_change,
    .remove = reel_epoll_remove,
    .wait = epoll_wait_for,
    .dispatch = epoll_dispatch,
    .fd = epoll_fd,
    .now_ns = reel_epoll_now_ns,
    .wall_us = reel_epoll_wall_us,
};
