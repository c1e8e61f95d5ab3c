/* What a reactor needs of the system: to be told what is ready, and the time. epoll is one backend,
 * io_uring another, virtual time a third. */
#ifndef REEL_BACKEND_H
#define REEL_BACKEND_H

#include <reel/reactor.h>

#include <stdint.h>

/* Something with a descriptor. What is registered is a pointer to a field of this type inside the
 * listener, transport, watch ...; events arrive through its table. */
struct source_ops {
    void (*on_events)(void *source, uint32_t events); /* EPOLL* bits */
};

struct source {
    const struct source_ops *ops;
};

struct stream_io;

struct backend_ops {
    const char *name_z;
    const struct stream_io *socket_io;   /* of stream sockets; NULL: as for any descriptor */
    int (*open)(struct reel_reactor *r); /* 0 or -errno */
    void (*close)(struct reel_reactor *r);
    /* 0 or -errno. `events` as for epoll_ctl. */
    int (*add)(struct reel_reactor *r, int fd, uint32_t events, struct source *source);
    int (*change)(struct reel_reactor *r, int fd, uint32_t events, struct source *source);
    /* Also: no event that is already here will reach the source any more. */
    void (*remove)(struct reel_reactor *r, int fd, struct source *source);
    /* Sleeps for at most `timeout_ns` (negative: no limit); the number of events, to be handled by
     * `dispatch`, or -errno. */
    int (*wait)(struct reel_reactor *r, int64_t timeout_ns);
    void (*dispatch)(struct reel_reactor *r, int count);
    /* What stream_io.batch has gathered goes to the kernel, and each hears how it went
     * (reel_stream_sent). NULL: nothing is gathered. */
    void (*submit)(struct reel_reactor *r);
    /* What is readable when a turn has work: a descriptor, or -1. */
    int (*fd)(struct reel_reactor *r);
    int64_t (*now_ns)(struct reel_reactor *r);
    int64_t (*wall_us)(struct reel_reactor *r);
};

extern const struct backend_ops reel_backend_epoll;
extern const struct backend_ops reel_backend_uring;
extern const struct backend_ops reel_backend_virtual;

/* The epoll backend's functions that io_uring has too: descriptors other than stream sockets, and
 * sockets in hard times, are watched by epoll under both. */
int reel_epoll_add(struct reel_reactor *r, int fd, uint32_t events, struct source *source);
int reel_epoll_change(struct reel_reactor *r, int fd, uint32_t events, struct source *source);
void reel_epoll_remove(struct reel_reactor *r, int fd, struct source *source);
int64_t reel_epoll_now_ns(struct reel_reactor *r);
int64_t reel_epoll_wall_us(struct reel_reactor *r);

#endif
