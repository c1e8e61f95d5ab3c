/* What the calls of sockets (sys_socket.c, sys_message.c, sys_sockopt.c) share. */
#ifndef KERNEL_SYSSOCKET_H
#define KERNEL_SYSSOCKET_H

#include "kernel/socket.h"
#include "kernel/sysfile.h"

/* The socket behind a descriptor, and its description; NULL and *error: -EBADF, -ENOTSOCK. */
struct socket *sys_socket_at(const struct task *t, uint64_t fd, struct file **f, int *error);

/* A struct sockaddr of the guest; what is not there of it is 0. 0, -EINVAL, -EFAULT. */
int sys_name_get(struct task *t, uint64_t addr, uint64_t len, struct socket_name *out);
/* A name to the guest, cut to the room that *len_addr says; an empty one is the family's own. */
int sys_name_put(struct task *t, uint64_t addr, uint64_t len_addr, const struct socket_name *name,
                 int family);
int sys_name_family(const struct socket_name *name);
/* A name for bind(2) and connect(2) has its family's length, and is of the socket's family: 0,
 * -EINVAL, -EAFNOSUPPORT. */
int sys_name_check(const struct socket *s, const struct socket_name *name);
/* The same for sendto(2), where IPv4 may stand for no family, and at a socket of IPv6. */
int sys_name_check_to(const struct socket *s, const struct socket_name *name);
/* Gives an AF_UNIX socket its name; the file of a path is made with that mode, before the umask. 0,
 * -EADDRINUSE, or the path's error. */
int sys_name_bind(const struct vfs_at *at, struct socket *s, const struct socket_name *name,
                  uint32_t mode);
/* The AF_UNIX socket that a name means. 0, -ECONNREFUSED, -EPROTOTYPE, or the path's error. */
int sys_name_find(const struct vfs_at *at, const struct socket *s, const struct socket_name *name,
                  struct socket **out);

/* Which of journald's sockets a name is that nobody of the machine's programs is bound to. */
enum livelog_socket sys_name_log(struct task *t, const struct socket_name *name);

/* The answer to -EAGAIN of an operation on a socket: that, or the task is parked, at most for
 * `timeout_ns` (0: for ever), and until `s` has a message that is on its way. */
int64_t sys_wait_socket(struct task *t, struct file *f, int64_t timeout_ns, uint64_t flags);

/* sendmmsg and recvmmsg: `one` (sendmsg, recvmsg) for each of arg[2] structures at arg[1], which are
 * `bytes` long and have at `count_at` how many bytes it moved. Each waits; after the first none does
 * with MSG_WAITFORONE. How many there were; an error when the first had it. The timeout of recvmmsg at arg[4]
 * is looked at after each, as Linux does; what is left of it is told there. */
struct sys_messages {
    int64_t (*one)(struct task *t, const uint64_t *arg);
    size_t bytes, count_at;
    int (*get_time)(struct task *t, uint64_t addr, struct timespec *out); /* NULL: has no timeout */
    int (*put_time)(struct task *t, uint64_t addr, const struct timespec *time);
};
int64_t sys_each_message(struct task *t, const uint64_t arg[6], const struct sys_messages *kind);

/* Options that change what other calls do (sys_sockopt.c). */
enum sys_option {
    OPTION_REUSEADDR,
    OPTION_REUSEPORT,
    OPTION_PASSCRED,
    OPTION_TIMESTAMP,
    OPTION_RECVTTL,
    OPTION_EXT_ACK,
    OPTION_CAP_ACK,
    OPTION_NO_CHECK,
};

#endif
