/* Sockets: AF_UNIX and the machine's own network (net.h). What would leave the machine is told
 * (KERNEL_CONNECT, KERNEL_RESOLVE) and answered by policy (socket_inet.c): nothing ever leaves.
 *
 * What waits to be read is a queue of messages. A stream's bytes are merged into the last one, but
 * for those that descriptors came with. */
#ifndef KERNEL_SOCKET_H
#define KERNEL_SOCKET_H

#include "kernel/fs.h"
#include "kernel/livelog.h"

#include "base/buffer.h"

struct bus;
struct log_stream;

enum {
    SOCKET_BYTES = 212992, /* what waits to be read; SO_RCVBUF's default */
    SOCKET_NETLINK_BYTES =
        2 << 20, /* the same of AF_NETLINK, where a dump waits whole; and of one send there */
    SOCKET_MESSAGE_COST = 768, /* that a message counts for beside its bytes, as an sk_buff does */
    SOCKET_DATAGRAMS_MAX = 10, /* net.unix.max_dgram_qlen */
    SOCKET_NAME_MAX = 128,     /* struct sockaddr_storage */
    SOCKET_BACKLOG_MAX = 4096, /* net.core.somaxconn */
    SOCKET_RIGHTS_MAX = 253,   /* SCM_MAX_FD */
    SOCKET_VALUES = 26,        /* options that are kept (sys_sockopt.c) */
    SOCKETS_BYTES_MAX = 32 << 20, /* what waits to be read in all sockets of a machine: -ENOBUFS */
};

struct socket_name {
    uint8_t bytes[SOCKET_NAME_MAX]; /* a struct sockaddr, family first */
    size_t len;
};

/* What comes beside the bytes. */
struct socket_about {
    struct socket_name from;
    int32_t pid;
    uint32_t uid, gid;
    int64_t due_ns;       /* CLOCK_MONOTONIC: it arrives then; 0: now */
    struct file **rights; /* held; owned */
    size_t right_count;
    uint8_t hops;    /* TTL that is left; 0: it came from near by */
    size_t full_len; /* of a message that was read */
    bool cut;        /* it was longer than what was asked for */
};

struct socket_message {
    struct socket_message *next;
    struct buffer bytes;
    struct socket_about about;
};

struct socket {
    struct vfs *vfs;
    struct socket *next; /* in vfs.sockets */
    int family, type, protocol;
    uint64_t ino;
    int32_t pid, peer_pid;
    uint32_t uid, gid, peer_uid, peer_gid;

    struct socket_name name, peer_name;
    struct vnode node; /* the file a path was bound to, held */
    bool named;

    bool listening;
    unsigned backlog, waiting;
    struct socket *first_waiting, *next_waiting; /* connected, not accepted */

    struct socket *peer;
    bool connected;  /* was, at some time */
    struct bus *bus; /* of a service's end: who reads there (bus_host.h); owned; or NULL */
    struct log_stream *stream; /* the same of journald's (log_stream.h) */
    enum livelog_socket log;   /* it is connected with journald */
    bool served; /* without a description: a service's end, which goes with its peer */
    bool asks;   /* the same, of the SSH server: it waits for kernel_answer */
    bool read_shut, write_shut;
    struct socket_message *first, *last;
    size_t queued, messages; /* bytes with their cost, and how many */
    int error;               /* SO_ERROR */
    int64_t due_ns;          /* a connection to a far host is under way until then; 0: none */
    int due_error;           /* and ends so */

    uint32_t netlink_port;                       /* nl_pid of AF_NETLINK */
    int64_t receive_timeout_ns, send_timeout_ns; /* 0: none */
    int32_t value[SOCKET_VALUES];                /* of the options that are kept */
    uint32_t value_set;                          /* a bit for each that was set */
};

/* An unconnected one, in the list of all. NULL: out of memory. */
struct socket *socket_new(struct vfs *vfs, int family, int type, int protocol);
void socket_join(struct socket *a, struct socket *b); /* connected with each other */
/* No longer connected, both know. */
void socket_part(struct socket *s);
/* A description; the socket passes to it. */
struct file *socket_open(struct socket *s, uint32_t flags, int *error);
/* The socket behind a description, or NULL. */
struct socket *socket_of(const struct file *f);
/* Forgets what waits in all sockets: descriptors that lie in each other's queues let each other
 * live. For the machine's end. */
void socket_forget_all(struct vfs *vfs);

/* Count, 0 at the end, -EAGAIN, -ENOTCONN ... A message that is longer than `len` is cut. What
 * came beside it goes to *about: the caller drops the rights (socket_drop_rights). */
int64_t socket_receive(struct socket *s, void *out, size_t len, bool peek,
                       struct socket_about *about);
/* To `to`, whatever the sender is connected with. The rights pass on when it is good. Count,
 * -EAGAIN, -EMSGSIZE, -ENOBUFS. */
int64_t socket_put(struct socket *to, struct span bytes, const struct socket_about *about);
/* To the peer: -EPIPE, -ENOTCONN, -EDESTADDRREQ and those of socket_put. */
int64_t socket_send(struct socket *s, struct span bytes, const struct socket_about *about);
void socket_drop_rights(struct socket_about *about);
/* When the first message arrives that is on its way; INT64_MAX: none is. */
int64_t socket_due(const struct socket *s);

/* bind(2) after the name was checked: -EADDRINUSE. */
int socket_bind(struct socket *s, const struct socket_name *name);
struct socket *socket_find_name(const struct vfs *vfs, const struct socket_name *name, int type);
/* connect(2) to a listener: -ECONNREFUSED, -EAGAIN when its queue is full. */
int socket_connect(struct socket *s, struct socket *listener);
/* Listens no more; who waited to be accepted is sent away. */
void socket_unlisten(struct socket *s);

/* The first of those who wait to be accepted, for the caller to keep; NULL: nobody waits. */
struct socket *socket_accept(struct socket *listener);
/* It sends no more, as after shutdown(2). */
void socket_shut_write(struct socket *s);

/* ---- One without a description, which is held from outside the machine (link.c) ---- */

/* Bytes of its stream that can be taken, in one piece; borrowed until the socket is touched. */
struct span socket_waiting(const struct socket *s);
void socket_taken(struct socket *s, size_t n);
bool socket_is_ended(const struct socket *s); /* nothing waits, and nothing will come */
void socket_free(struct socket *s);           /* closes it */

/* ---- The network (socket_inet.c) ---- */

/* A struct sockaddr_in or sockaddr_in6 in the one form, and back (for the socket's family). */
void socket_ip_of(const struct socket_name *name, struct net_ip *ip, uint16_t *port);
void socket_name_of(int family, const struct net_ip *ip, uint16_t port, struct socket_name *out);
bool socket_is_inet(const struct socket *s);

/* bind(2), after checks of lengths: -EACCES, -EADDRNOTAVAIL, -EADDRINUSE. */
int socket_inet_bind(const struct creds *cred, struct socket *s, const struct socket_name *name);
/* connect(2). -EINPROGRESS: until s->due_ns. */
int socket_inet_connect(struct task *t, struct socket *s, const struct socket_name *name);
/* The same to an address of the machine itself: 0, -ECONNREFUSED, -EADDRNOTAVAIL: it is another's. */
int socket_inet_connect_own(const struct creds *cred, struct socket *s,
                            const struct socket_name *name);
/* A datagram to an address (`to` empty: to where it is connected). */
int64_t socket_inet_send(struct task *t, struct socket *s, const struct socket_name *to,
                         struct span bytes);
/* The answer that a question to a name server gets; false: none (socket_dns.c). The name and type
 * that are asked for are told. */
bool socket_dns_answer(struct task *t, struct span question, struct buffer *out);

/* A service that seems to listen (services.def's programs). */
struct socket_service {
    int32_t pid, fd;
    uint16_t family, port;
    int type;
    uint32_t backlog, ino;
    const char *greeting_z; /* what it says first; "" is nothing */
};
/* The one of the machine's model that has the port; NULL: none. */
const struct socket_service *socket_service_find(const struct vfs *vfs, int type, uint16_t port);

#endif
