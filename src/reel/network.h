/* What stands in for the kernel's network on a reactor in virtual time. The reactor owns it. */
#ifndef REEL_NETWORK_H
#define REEL_NETWORK_H

#include "reel/fdio.h"

#include <reel/datagram.h>
#include <reel/tcp.h>

struct network {
    /* Makes an address to listen at complete: a host, a free port. 0 or -errno. */
    int (*bind)(struct network *network, struct reel_address *address);
    int (*connect)(struct network *network, const struct reel_address *address,
                   const struct reel_connect_options *options, const struct reel_factory *factory,
                   struct reel_transport **out);
    /* As reel_datagram_open. */
    int (*open_datagram)(struct network *network, const struct reel_address *local,
                         const struct reel_address *peer,
                         const struct reel_datagram_factory *factory, struct reel_datagram **out);
    /* The reactor's last step. */
    void (*free)(struct network *network);
};

/* The listener in memory at this address, or NULL. */
struct reel_listener *reel_listener_find(struct reel_reactor *r,
                                         const struct reel_address *address);

bool reel_listener_is_paused(const struct reel_listener *l);

/* A transport for somebody who has come to a listener: over `io`, as `accepted`, with its filters; not
 * begun. 0, -ENOMEM, or -ECONNREFUSED when he is not wanted. */
int reel_listener_accept(struct reel_listener *l, const struct stream_io *io,
                         const struct reel_address *peer, struct reel_transport **out);

#endif
