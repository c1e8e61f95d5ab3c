/* Sockets inside of the machine: AF_UNIX, and AF_INET to its own loopback. What would leave the
 * machine is told (KERNEL_CONNECT) and finds no route. */
#ifndef KERNEL_SOCKET_H
#define KERNEL_SOCKET_H

#include "kernel/fs.h"

#include "base/buffer.h"

enum {
    SOCKET_BYTES = 212992, /* what waits to be read; SO_RCVBUF's default */
    SOCKET_NAME_MAX = 110, /* struct sockaddr_un */
    SOCKET_BACKLOG_MAX = 128,
};

struct socket_name {
    uint8_t bytes[SOCKET_NAME_MAX + 2]; /* a struct sockaddr, family first */
    size_t len;
};

struct socket {
    struct vfs *vfs;
    struct socket *next; /* in vfs.sockets: all that have a name */
    int family, type, protocol;
    uint64_t ino;
    int32_t pid, peer_pid;
    uint32_t uid, gid, peer_uid, peer_gid;

    struct socket_name name, peer_name;
    struct vnode node; /* the file a path was bound to, held */
    bool listed;

    bool listening;
    unsigned backlog, waiting;
    struct socket *first_waiting, *next_waiting; /* connected, not accepted */

    struct socket *peer;
    bool connected; /* was, at some time */
    bool read_shut, write_shut;
    struct buffer in;
    int error; /* SO_ERROR */
};

/* An unconnected one. NULL: out of memory. */
struct socket *socket_new(struct vfs *vfs, int family, int type, int protocol);
void socket_join(struct socket *a, struct socket *b); /* connected with each other */
/* A description; the socket passes to it. */
struct file *socket_open(struct socket *s, uint32_t flags, int *error);
/* The socket behind a description, or NULL. */
struct socket *socket_of(const struct file *f);

/* Count, 0 at the end, -EAGAIN, -ENOTCONN ... A message that is longer than `len` is cut;
 * *full_len is its length. */
int64_t socket_receive(struct socket *s, void *out, size_t len, bool peek, size_t *full_len);
int64_t socket_send(struct socket *s, const void *bytes, size_t len);

/* bind(2) after the name was checked: -EADDRINUSE. */
int socket_bind(struct socket *s, const struct socket_name *name);
struct socket *socket_find_name(const struct vfs *vfs, const struct socket_name *name, int type);
/* connect(2) to a listener: -ECONNREFUSED, -EAGAIN when its queue is full. */
int socket_connect(struct socket *s, struct socket *listener);

#endif
