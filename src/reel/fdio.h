/* Transports over descriptors. */
#ifndef REEL_FDIO_H
#define REEL_FDIO_H

#include "reel/stream.h"

/* A transport over a non-blocking descriptor, registered with the reactor. It is begun by
 * reel_stream_start or reel_stream_make, or when a `connecting` one is through. 0, or -errno and the
 * descriptor is still the caller's. */
int reel_fd_stream_new(struct reel_reactor *r, int fd, bool is_socket, bool connecting,
                       const struct reel_factory *factory, struct reel_transport **out);

/* Keeps the peer's address, if it is IPv4 or IPv6. */
void reel_fd_set_peer(struct reel_transport *t, const struct reel_address *peer);

#endif
