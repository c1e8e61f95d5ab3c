/* Unix stream sockets: passing descriptors, and who is at the other end. What comes in is told by the
 * protocol's function `descriptor` (reel/protocol.h). */
#ifndef REEL_DESCRIPTOR_H
#define REEL_DESCRIPTOR_H

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_transport;

#define REEL_DESCRIPTORS_MAX       16 /* with one piece of data; what a peer sends beyond is closed */
#define REEL_DESCRIPTORS_QUEUE_MAX 64 /* on their way out of one transport */

/* Sends bytes, at least one, and a descriptor with the first of them; in order with the writes around
 * it. The descriptor is duplicated: the caller keeps his. 0 or as reel_write; -ENOBUFS too when
 * REEL_DESCRIPTORS_QUEUE_MAX wait; -EOPNOTSUPP: not a Unix socket; -EINVAL: no bytes; -EBADF,
 * -EMFILE. */
int reel_send_fd(struct reel_transport *t, int fd, const void *data, size_t len);

struct reel_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/* The process that connected, or that called listen (SO_PEERCRED). 0, or -EOPNOTSUPP for what is no
 * Unix socket. */
int reel_peer_credentials(const struct reel_transport *t, struct reel_credentials *out);

#ifdef __cplusplus
}
#endif

#endif
