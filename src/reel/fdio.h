/* Transports over descriptors. */
#ifndef REEL_FDIO_H
#define REEL_FDIO_H

#include "reel/stream.h"

#include <reel/tcp.h>

/* A transport to be, over a non-blocking descriptor. */
struct fd_birth {
    int fd;
    bool connecting;
    bool accepted;                         /* the factory's filters are asked at once */
    const struct reel_address *peer;       /* NULL: not known */
    const struct reel_filter_use *filters; /* below those of the factory; NULL: none */
    const struct reel_factory *factory;
};

/* A transport over a stream socket, registered with the reactor. It is begun by reel_stream_start or
 * reel_stream_make, or when a `connecting` one is through. 0, or -errno (also of a filter that does
 * not want it) and the descriptor is still the caller's. */
int reel_fd_stream_new(struct reel_reactor *r, const struct fd_birth *birth,
                       struct reel_transport **out);

/* The same over any `io`; with `fd` -1, in memory. */
int reel_stream_born(struct reel_reactor *r, const struct stream_io *io,
                     const struct fd_birth *birth, struct reel_transport **out);

/* The same without a descriptor yet (`birth` has -1, connecting): it can be aborted, and waits for its
 * connected socket, which it takes over; `made` comes from the loop. 0 or -errno. */
int reel_fd_stream_connected(struct reel_transport *t, int fd, const struct reel_address *peer);

/* A stream socket with the factory's options, bound to where it goes out. The descriptor or -errno. */
int reel_fd_socket_new(int family, const struct reel_options *stream,
                       const struct reel_connect_options *options);

/* reel_connect_to, through filters that go below those of the factory. */
int reel_connect_through(struct reel_reactor *r, const struct reel_address *address,
                         int64_t timeout_ns, const struct reel_filter_use *filters,
                         const struct reel_factory *factory, struct reel_transport **out);

/* As reel_stream_adopt, but not begun yet: by reel_stream_start, or undone, which closes the
 * descriptor and tells nobody. */
int reel_fd_stream_prepare(struct reel_reactor *r, int fd, const struct reel_factory *factory,
                           struct reel_transport **out);
void reel_fd_stream_undo(struct reel_transport *t);

/* Binds a socket to a network device. 0 or -errno (-ENODEV: there is none of this name). */
int reel_fd_bind_device(int fd, const char *device_z);

/* Keeps the peer's address, if it is IPv4 or IPv6. */
void reel_fd_set_peer(struct reel_transport *t, const struct reel_address *peer);

/* For those that have a stream_io of their own over a descriptor: the system calls, a close that is
 * going to be a reset, and what a connection does with epoll's events. */
ssize_t reel_fd_receive(struct reel_transport *t, uint8_t *data, size_t len);
ssize_t reel_fd_send(struct reel_transport *t, const struct iovec *parts, int count);
void reel_fd_shut(struct reel_transport *t);
int reel_fd_error(struct reel_transport *t);
void reel_fd_set_reset(struct reel_transport *t);
void reel_fd_events(struct reel_transport *t, uint32_t events);

#endif
