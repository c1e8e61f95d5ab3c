/* The calls of sockets: socket(2) and its kin; those that move data are in sys_message.c. */
#include "kernel/bus_host.h"
#include "kernel/log_stream.h"
#include "kernel/syssocket.h"

#include "kernel/machine.h"
#include "kernel/netlink.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { TYPE_MASK = 0xf };

struct socket *sys_socket_at(const struct task *t, uint64_t fd, struct file **f, int *error)
{
    *f = sys_file(t, fd);
    *error = -EBADF;
    if (*f == NULL || ((*f)->flags & O_PATH) != 0)
        return NULL;
    struct socket *s = socket_of(*f);
    *error = s != NULL ? 0 : -ENOTSOCK;
    return s;
}

/* ---- Making ---- */

struct kind {
    int family, type;
    int protocol;   /* the one beside 0; -1: any */
    int capability; /* that is needed; -1: none */
};

static const struct kind kinds[] = {
    {AF_UNIX, SOCK_STREAM, AF_UNIX, -1},
    {AF_UNIX, SOCK_DGRAM, AF_UNIX, -1},
    {AF_UNIX, SOCK_SEQPACKET, AF_UNIX, -1},
    {AF_UNIX, SOCK_RAW, AF_UNIX, -1}, /* becomes SOCK_DGRAM */
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, -1},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP, -1},
    {AF_INET, SOCK_DGRAM, IPPROTO_ICMP, -1},
    {AF_INET, SOCK_RAW, -1, CAP_NET_RAW},
    {AF_INET6, SOCK_STREAM, IPPROTO_TCP, -1},
    {AF_INET6, SOCK_DGRAM, IPPROTO_UDP, -1},
    {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, -1},
    {AF_INET6, SOCK_RAW, -1, CAP_NET_RAW},
    {AF_NETLINK, SOCK_RAW, -1, -1},
    {AF_NETLINK, SOCK_DGRAM, -1, -1},
    {AF_PACKET, SOCK_RAW, -1, CAP_NET_RAW},
    {AF_PACKET, SOCK_DGRAM, -1, CAP_NET_RAW},
};

/* The error of the first thing that is not there: the family, the type, the protocol, the right. */
static int may_make(const struct task *t, int family, int type, int protocol)
{
    int error = -EAFNOSUPPORT;
    if (type > SOCK_PACKET || family < 0)
        return type > SOCK_PACKET ? -EINVAL : -EAFNOSUPPORT;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct kind *k = &kinds[i];
        if (k->family != family)
            continue;
        if (k->type != type) {
            error = error == -EAFNOSUPPORT ? -ESOCKTNOSUPPORT : error;
            continue;
        }
        if (k->protocol >= 0 && protocol != 0 && protocol != k->protocol) {
            error = -EPROTONOSUPPORT;
            continue;
        }
        if (k->capability >= 0 && !creds_capable(&t->creds, (unsigned)k->capability))
            return -EPERM;
        if (family == AF_NETLINK)
            return netlink_may_open(protocol);
        return type == SOCK_RAW && protocol == 0 && family != AF_UNIX && family != AF_PACKET
                   ? -EPROTONOSUPPORT
                   : 0;
    }
    return error;
}

static struct socket *make(struct task *t, const uint64_t arg[6], int *error)
{
    int family = (int32_t)arg[0], type = (int32_t)arg[1] & TYPE_MASK, protocol = (int32_t)arg[2];
    const uint32_t flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    *error = ((uint32_t)arg[1] & ~(flags | TYPE_MASK)) != 0 ? -EINVAL
                                                            : may_make(t, family, type, protocol);
    if (*error != 0)
        return NULL;
    if (family == AF_UNIX && type == SOCK_RAW)
        type = SOCK_DGRAM;
    if (protocol == 0 && (family == AF_INET || family == AF_INET6))
        protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    struct socket *s = socket_new(t->fs->vfs, family, type, protocol);
    *error = s != NULL ? 0 : -ENOMEM;
    if (s == NULL)
        return NULL;
    s->pid = t->process->pid;
    s->uid = t->creds.euid;
    s->gid = t->creds.egid;
    return s;
}

static int64_t install(struct task *t, struct socket *s, uint64_t type)
{
    int error = 0;
    struct file *f = socket_open(s, (uint32_t)type & SOCK_NONBLOCK, &error);
    return f != NULL ? sys_install(t, f, (type & SOCK_CLOEXEC) != 0) : error;
}

int64_t sys_socket(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct socket *s = make(t, arg, &error);
    return s != NULL ? install(t, s, arg[1]) : error;
}

int64_t sys_socketpair(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    int32_t fd[2] = {-1, -1};
    if ((int32_t)arg[0] != AF_UNIX) {
        error = may_make(t, (int32_t)arg[0], (int32_t)arg[1] & TYPE_MASK, (int32_t)arg[2]);
        return error != 0 ? error : -EOPNOTSUPP;
    }
    struct socket *a = make(t, arg, &error);
    if (a == NULL)
        return error;
    fd[0] = (int32_t)install(t, a, arg[1]);
    if (fd[0] < 0)
        return fd[0];
    struct socket *b = make(t, arg, &error);
    if (b != NULL) {
        socket_join(a, b);
        fd[1] = (int32_t)install(t, b, arg[1]);
        error = fd[1] < 0 ? fd[1] : task_write(t, arg[3], fd, sizeof(fd));
    }
    if (error != 0) {
        fd_table_close(t->files, fd[0]);
        fd_table_close(t->files, fd[1]);
    }
    return error;
}

/* ---- Names ---- */

int sys_name_get(struct task *t, uint64_t addr, uint64_t len, struct socket_name *out)
{
    memset(out, 0, sizeof(*out));
    if ((uint32_t)len > SOCKET_NAME_MAX)
        return -EINVAL;
    out->len = (uint32_t)len;
    return task_read(t, addr, out->bytes, out->len);
}

int sys_name_put(struct task *t, uint64_t addr, uint64_t len_addr, const struct socket_name *name,
                 int family)
{
    uint16_t family16 = (uint16_t)family;
    struct socket_name none = {.len = sizeof(family16)};
    uint32_t room = 0;
    if (addr == 0)
        return 0;
    memcpy(none.bytes, &family16, sizeof(family16));
    if (family == AF_INET)
        none.len = sizeof(struct sockaddr_in);
    if (family == AF_INET6)
        none.len = sizeof(struct sockaddr_in6);
    name = name->len > 0 ? name : &none;
    if (task_read(t, len_addr, &room, sizeof(room)) != 0)
        return -EFAULT;
    if ((int32_t)room < 0)
        return -EINVAL;
    uint32_t len = (uint32_t)name->len;
    if (task_write(t, addr, name->bytes, room < len ? room : len) != 0)
        return -EFAULT;
    return task_write(t, len_addr, &len, sizeof(len));
}

int sys_name_family(const struct socket_name *name)
{
    uint16_t family = 0;
    memcpy(&family, name->bytes, sizeof(family));
    return family;
}

int sys_name_check(const struct socket *s, const struct socket_name *name)
{
    size_t least = s->family == AF_INET      ? sizeof(struct sockaddr_in)
                   : s->family == AF_INET6   ? 24
                   : s->family == AF_NETLINK ? sizeof(struct sockaddr_nl)
                   : s->family == AF_PACKET  ? sizeof(struct sockaddr_ll)
                                             : sizeof(uint16_t) + 1;
    size_t most = s->family == AF_UNIX ? sizeof(struct sockaddr_un) : SOCKET_NAME_MAX;
    if (name->len < least || name->len > most)
        return -EINVAL;
    if (sys_name_family(name) == s->family)
        return 0;
    return socket_is_inet(s) ? -EAFNOSUPPORT : -EINVAL;
}

int sys_name_check_to(const struct socket *s, const struct socket_name *name)
{
    int family = sys_name_family(name);
    if (s->family == AF_INET6 && family == AF_INET)
        return name->len < sizeof(struct sockaddr_in) ? -EINVAL : 0;
    int error = sys_name_check(s, name);
    if (error != -EAFNOSUPPORT)
        return error;
    if (s->family == AF_INET6)
        return -EINVAL;
    return family == AF_UNSPEC ? 0 : error;
}

/* The path of a name in the file system; an abstract one (a NUL first) has none. */
static struct span path_of(const struct socket_name *name)
{
    struct span path = span_of(name->bytes + 2, name->len - 2);
    ptrdiff_t end = span_find(path, 0, 0);
    return end >= 0 ? span_slice(path, 0, (size_t)end) : path;
}

int sys_name_bind(const struct vfs_at *at, struct socket *s, const struct socket_name *name,
                  uint32_t mode)
{
    struct walk_found found;
    if (name->bytes[2] == 0) /* not a file's */
        return socket_bind(s, name);
    struct span path = path_of(name);
    if (s->named) {
        struct file_stat st;
        return vfs_stat(at, path, false, &st) == 0 ? -EADDRINUSE : -EINVAL;
    }
    int error = vfs_make(at, path, S_IFSOCK | mode, 0);
    if (error != 0)
        return error == -EEXIST ? -EADDRINUSE : error;
    error = walk(at, path, 0, &found);
    if (error != 0)
        return error;
    void **object = found.node.fs->ops->object != NULL
                        ? found.node.fs->ops->object(found.node.fs, found.node.ino)
                        : NULL;
    error = object == NULL ? -EACCES : vnode_hold(found.node);
    if (error == 0) {
        s->node = found.node;
        *object = s;
        error = socket_bind(s, name);
    }
    walk_done(&found);
    return error;
}

/* A name of five hexadecimal digits, not a file's (unix(7), "Autobind feature"). */
static int bind_itself(struct socket *s)
{
    struct socket_name name = {.len = 8};
    const struct vfs_hooks *hooks = vfs_hooks(s->vfs);
    const uint16_t family = AF_UNIX;
    uint32_t start = 0;
    if (s->named)
        return 0;
    hooks->random(hooks->ctx, &start, sizeof(start));
    memcpy(name.bytes, &family, sizeof(family));
    for (uint32_t i = 0; i <= 0xfffff; i++) {
        for (unsigned digit = 0; digit < 5; digit++)
            name.bytes[3 + digit] =
                (uint8_t) "0123456789abcdef"[(start + i) >> (4 * (4 - digit)) & 0xf];
        if (socket_find_name(s->vfs, &name, s->type) == NULL)
            return socket_bind(s, &name);
    }
    return -ENOSPC;
}

int64_t sys_bind(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    struct socket_name name;
    struct socket *s = sys_socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    error = sys_name_get(t, arg[1], arg[2], &name);
    if (error == 0 && s->family == AF_UNIX && name.len == sizeof(sa_family_t) &&
        sys_name_family(&name) == AF_UNIX)
        return bind_itself(s);
    if (error == 0)
        error = sys_name_check(s, &name);
    if (error != 0)
        return error;
    if (s->family == AF_NETLINK)
        return netlink_bind(t, s, &name);
    if (socket_is_inet(s))
        return socket_inet_bind(&t->creds, s, &name);
    if (s->family == AF_PACKET)
        return 0;
    struct vfs_at at = sys_at(t, NULL);
    return sys_name_bind(&at, s, &name, 0777);
}

int64_t sys_listen(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    struct socket *s = sys_socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    if (s->type != SOCK_STREAM && s->type != SOCK_SEQPACKET)
        return -EOPNOTSUPP;
    if (s->connected || s->due_ns != 0 || (s->family == AF_UNIX && !s->named))
        return -EINVAL;
    if (!s->named) {
        static const uint8_t any4[4];
        struct net_ip any = s->family == AF_INET ? net_ip4(any4) : (struct net_ip){{0}};
        struct socket_name name;
        socket_name_of(s->family, &any, 0, &name);
        error = socket_inet_bind(&t->creds, s, &name);
    }
    s->listening = error == 0;
    s->backlog = (uint32_t)arg[1] < SOCKET_BACKLOG_MAX ? (uint32_t)arg[1] : SOCKET_BACKLOG_MAX;
    return error;
}

/* ---- Connecting ---- */

int sys_name_find(const struct vfs_at *at, const struct socket *s, const struct socket_name *name,
                  struct socket **out)
{
    struct walk_found found;
    if (name->bytes[2] == 0) { /* not a file's */
        *out = socket_find_name(s->vfs, name, s->type);
        return *out != NULL ? 0 : -ECONNREFUSED;
    }
    int error = walk(at, path_of(name), WALK_FOLLOW, &found);
    if (error != 0)
        return error;
    error = vfs_may(at->cred, found.node.fs, &found.stat, 2); /* W_OK */
    void **object = NULL;
    if (error == 0 && S_ISSOCK(found.stat.mode) && found.node.fs != NULL &&
        found.node.fs->ops->object != NULL)
        object = found.node.fs->ops->object(found.node.fs, found.node.ino);
    walk_done(&found);
    if (error != 0)
        return error;
    *out = object != NULL ? *object : NULL;
    if (*out == NULL)
        return -ECONNREFUSED;
    return (*out)->type == s->type ? 0 : -EPROTOTYPE;
}

enum livelog_socket sys_name_log(struct task *t, const struct socket_name *name)
{
    return name->bytes[2] != 0 ? livelog_find(t, path_of(name)) : LIVELOG_NONE;
}

static int connect_unix(struct task *t, struct socket *s, const struct socket_name *name)
{
    struct socket *other = NULL;
    struct vfs_at at = sys_at(t, NULL);
    int error = sys_name_find(&at, s, name, &other);
    if (error == -ECONNREFUSED && s->type == SOCK_STREAM && name->bytes[2] != 0 &&
        bus_host_listens(t, path_of(name))) {
        s->peer_name = *name;
        return bus_host_connect(t, s, path_of(name));
    }
    if (error == -ECONNREFUSED && s->type == SOCK_STREAM && name->bytes[2] != 0 &&
        log_stream_listens(t, path_of(name))) {
        s->peer_name = *name;
        return log_stream_connect(s, path_of(name));
    }
    s->log = error == -ECONNREFUSED ? sys_name_log(t, name) : LIVELOG_NONE;
    if (s->log != LIVELOG_NONE && s->type != SOCK_DGRAM) {
        s->log = LIVELOG_NONE;
        return -EPROTOTYPE;
    }
    if (s->log != LIVELOG_NONE) {
        s->connected = true;
        s->peer_name = *name;
        return 0;
    }
    if (error != 0)
        return error;
    if (s->type != SOCK_DGRAM)
        return socket_connect(s, other);
    if (other->peer != NULL && other->peer != s)
        return -EPERM;
    socket_part(s);
    s->peer = other;
    s->connected = true;
    s->peer_name = *name;
    return 0;
}

/* A far host: the caller sleeps until the answer is there, or comes back for it. */
static int64_t wait_far(struct task *t, struct file *f, struct socket *s)
{
    if (s->due_ns > kernel_monotonic_ns(t->kernel)) {
        if ((f->flags & O_NONBLOCK) != 0)
            return t->restart.begun ? -EINPROGRESS : -EALREADY;
        task_wait_until(t, s->due_ns);
        return task_wait(t, s);
    }
    s->due_ns = 0;
    s->peer_name.len = 0;
    return -s->due_error;
}

static int64_t connect_by(struct task *t, struct file *f, struct socket *s,
                          const struct socket_name *name)
{
    if (s->family == AF_UNIX)
        return connect_unix(t, s, name);
    int error = socket_inet_connect(t, s, name);
    if (error != -EINPROGRESS)
        return error;
    t->restart.begun = true;
    return wait_far(t, f, s);
}

/* AF_UNSPEC: a datagram socket is free again. */
static int64_t disconnect(struct socket *s)
{
    socket_part(s);
    s->connected = false;
    s->due_ns = 0;
    s->peer_name.len = 0;
    return 0;
}

int64_t sys_connect(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    struct socket_name name;
    struct socket *s = sys_socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    error = sys_name_get(t, arg[1], arg[2], &name);
    bool stream = s->type == SOCK_STREAM || s->type == SOCK_SEQPACKET;
    if (error == 0 && name.len >= 2 && sys_name_family(&name) == AF_UNSPEC &&
        (socket_is_inet(s) || !stream))
        return disconnect(s);
    if (error == 0)
        error = sys_name_check(s, &name);
    if (error != 0)
        return error;
    if (s->family == AF_NETLINK || s->family == AF_PACKET)
        return s->family == AF_NETLINK ? 0 : -EOPNOTSUPP;
    if (s->due_ns != 0)
        return wait_far(t, f, s);
    if (s->connected && stream)
        return -EISCONN;
    if (s->listening)
        return s->family == AF_UNIX ? -EINVAL : -EISCONN;
    int64_t result = connect_by(t, f, s, &name);
    return result == -EAGAIN && (f->flags & O_NONBLOCK) == 0 ? task_wait_any(t) : result;
}

static int64_t accept_from(struct task *t, const uint64_t arg[6], uint64_t flags)
{
    int error = 0;
    struct file *f = NULL;
    struct socket *s = sys_socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    if ((flags & ~(uint64_t)(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0 || !s->listening)
        return s->type != SOCK_STREAM && s->type != SOCK_SEQPACKET ? -EOPNOTSUPP : -EINVAL;
    if (s->first_waiting == NULL)
        return sys_wait_socket(t, f, s->receive_timeout_ns, 0);
    int room = fd_table_free(t->files, 0, process_limit(t->process, RLIMIT_NOFILE));
    if (room < 0)
        return room; /* and the connection waits on */
    struct socket *next = socket_accept(s);
    struct socket_name peer = next->peer_name;
    int64_t fd = install(t, next, flags);
    if (fd < 0)
        return fd;
    error = sys_name_put(t, arg[1], arg[2], &peer, s->family);
    if (error != 0)
        fd_table_close(t->files, fd);
    return error != 0 ? error : fd;
}

int64_t sys_accept(struct task *t, const uint64_t arg[6])
{
    return accept_from(t, arg, 0);
}

int64_t sys_accept4(struct task *t, const uint64_t arg[6])
{
    return accept_from(t, arg, (uint32_t)arg[3]);
}

int64_t sys_getsockname(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    const struct socket *s = sys_socket_at(t, arg[0], &f, &error);
    return s != NULL ? sys_name_put(t, arg[1], arg[2], &s->name, s->family) : error;
}

int64_t sys_getpeername(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    const struct socket *s = sys_socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    bool is_known =
        s->peer != NULL || (socket_is_inet(s) && s->connected && s->type != SOCK_STREAM);
    return is_known ? sys_name_put(t, arg[1], arg[2], &s->peer_name, s->family) : -ENOTCONN;
}

int64_t sys_shutdown(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    struct socket *s = sys_socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    if ((uint32_t)arg[1] > SHUT_RDWR)
        return -EINVAL;
    if (!socket_is_inet(s) && s->family != AF_UNIX)
        return -EOPNOTSUPP;
    if (s->listening && socket_is_inet(s)) {
        if ((uint32_t)arg[1] != SHUT_WR)
            socket_unlisten(s);
        return 0;
    }
    if (socket_is_inet(s) && (!s->connected || (s->peer == NULL && s->type == SOCK_STREAM)))
        return -ENOTCONN;
    s->read_shut = s->read_shut || (uint32_t)arg[1] != SHUT_WR;
    if ((uint32_t)arg[1] != SHUT_RD)
        socket_shut_write(s);
    else
        vfs_wake(s->vfs, s);
    return 0;
}
