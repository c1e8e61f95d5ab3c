/* The sockets of the machine as ss, netstat and /proc/net show them: the visitor's own, those on
 * which services seem to listen, and the connection that he came by. */
#ifndef KERNEL_NET_SOCKETS_H
#define KERNEL_NET_SOCKETS_H

#include "kernel/socket.h"

enum { NET_LOGIN_INODE = 15392 }; /* of the connection that the visitor came by */

struct net_seen {
    int family, type, protocol;
    struct net_ip local, peer;
    uint16_t local_port, peer_port;
    uint8_t state; /* of TCP: TCP_ESTABLISHED ... of netinet/tcp.h; of others 7 or 1 */
    uint32_t receive_queue, send_queue, uid, ino;
    const struct socket *socket; /* NULL: a service's, or the visitor's connection */
};

typedef int (*net_seen_fn)(void *ctx, const struct net_seen *seen);

/* Each IP socket of a family and type, in a stable order, until `fn` is not 0: that is returned. */
int net_sockets(struct vfs *vfs, int family, int type, net_seen_fn fn, void *ctx);

#endif
