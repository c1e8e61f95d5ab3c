/* The calls of sockets: socket(2) and its kin. */
#include "kernel/machine.h"
#include "kernel/socket.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { TYPE_MASK = 0xf, LOOPBACK_NET = 127, MESSAGES_MAX = 64 };

static struct socket *socket_at(const struct task *t, uint64_t fd, struct file **f, int *error)
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

static int may_make(const struct task *t, int family, int type, int protocol)
{
    if (family == AF_UNIX)
        return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET
                   ? (protocol == 0 || protocol == AF_UNIX ? 0 : -EPROTONOSUPPORT)
                   : -ESOCKTNOSUPPORT;
    if (family != AF_INET && family != AF_INET6)
        return -EAFNOSUPPORT;
    if (type == SOCK_RAW)
        return creds_capable(&t->creds, CAP_NET_RAW) ? 0 : -EPERM;
    if (type == SOCK_STREAM)
        return protocol == 0 || protocol == IPPROTO_TCP ? 0 : -EPROTONOSUPPORT;
    if (type == SOCK_DGRAM)
        return protocol == 0 || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP ||
                       protocol == IPPROTO_ICMPV6
                   ? 0
                   : -EPROTONOSUPPORT;
    return -ESOCKTNOSUPPORT;
}

static struct socket *make(struct task *t, const uint64_t arg[6], int *error)
{
    int family = (int32_t)arg[0], type = (int32_t)arg[1] & TYPE_MASK, protocol = (int32_t)arg[2];
    const uint32_t flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    *error = ((uint32_t)arg[1] & ~(flags | TYPE_MASK)) != 0 ? -EINVAL
                                                            : may_make(t, family, type, protocol);
    if (*error != 0)
        return NULL;
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
    if ((int32_t)arg[0] != AF_UNIX)
        return may_make(t, (int32_t)arg[0], (int32_t)arg[1] & TYPE_MASK, 0) == -EAFNOSUPPORT
                   ? -EAFNOSUPPORT
                   : -EOPNOTSUPP;
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

static int get_name(struct task *t, uint64_t addr, uint64_t len, struct socket_name *out)
{
    memset(out, 0, sizeof(*out));
    if ((int32_t)len < 0 || len > sizeof(struct sockaddr_storage))
        return -EINVAL;
    out->len = len < SOCKET_NAME_MAX ? (size_t)len : SOCKET_NAME_MAX;
    return task_read(t, addr, out->bytes, out->len);
}

static int put_name(struct task *t, uint64_t addr, uint64_t len_addr,
                    const struct socket_name *name, int family)
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

static int family_of(const struct socket_name *name)
{
    uint16_t family = 0;
    memcpy(&family, name->bytes, sizeof(family));
    return family;
}

static int check_length(const struct socket *s, const struct socket_name *name)
{
    size_t least = s->family == AF_INET    ? sizeof(struct sockaddr_in)
                   : s->family == AF_INET6 ? 24
                                           : sizeof(uint16_t) + 1;
    return name->len < least ? -EINVAL : 0;
}

static uint16_t port_of(const struct socket_name *name)
{
    return (uint16_t)(name->bytes[2] << 8 | name->bytes[3]);
}

static void set_port(struct socket_name *name, uint16_t port)
{
    name->bytes[2] = (uint8_t)(port >> 8);
    name->bytes[3] = (uint8_t)port;
}

/* The path of a name in the file system; an abstract one (a NUL first) has none. */
static struct span path_of(const struct socket_name *name)
{
    struct span path = span_of(name->bytes + 2, name->len - 2);
    ptrdiff_t end = span_find(path, 0, 0);
    return end >= 0 ? span_slice(path, 0, (size_t)end) : path;
}

static int bind_path(struct task *t, struct socket *s, const struct socket_name *name)
{
    struct walk_found found;
    struct vfs_at at = sys_at(t, NULL);
    struct span path = path_of(name);
    if (s->listed) {
        struct file_stat st;
        return vfs_stat(&at, path, false, &st) == 0 ? -EADDRINUSE : -EINVAL;
    }
    int error = vfs_make(&at, path, S_IFSOCK | 0777, 0);
    if (error != 0)
        return error == -EEXIST ? -EADDRINUSE : error;
    error = walk(&at, path, 0, &found);
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

enum { PORT_FIRST = 32768, PORT_LAST = 60999, PORT_PRIVILEGED = 1024 };

/* A free port, from a random one on: a search costs little however many are taken. */
static void choose_port(const struct socket *s, struct socket_name *name)
{
    const struct vfs_hooks *hooks = vfs_hooks(s->vfs);
    uint32_t start = 0, count = PORT_LAST - PORT_FIRST + 1;
    hooks->random(hooks->ctx, &start, sizeof(start));
    for (uint32_t i = 0; i < count; i++) {
        struct socket_name tried = *name;
        set_port(&tried, (uint16_t)(PORT_FIRST + (start % count + i) % count));
        if (socket_find_name(s->vfs, &tried, s->type) == NULL) {
            *name = tried;
            return;
        }
    }
}

static int bind_port(struct task *t, struct socket *s, struct socket_name *name)
{
    uint16_t port = port_of(name);
    if (port != 0 && port < PORT_PRIVILEGED && !creds_capable(&t->creds, CAP_NET_BIND_SERVICE))
        return -EACCES;
    if (port == 0)
        choose_port(s, name);
    return socket_bind(s, name);
}

int64_t sys_bind(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    struct socket_name name;
    struct socket *s = socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    error = get_name(t, arg[1], arg[2], &name);
    if (error == 0)
        error = check_length(s, &name);
    if (error != 0)
        return error;
    if (family_of(&name) != s->family)
        return s->family == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
    if (s->family != AF_UNIX)
        return bind_port(t, s, &name);
    return name.bytes[2] == 0 ? socket_bind(s, &name) : bind_path(t, s, &name);
}

int64_t sys_listen(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    struct socket *s = socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    if (s->type == SOCK_DGRAM || s->type == SOCK_RAW)
        return -EOPNOTSUPP;
    if (s->connected || (s->family == AF_UNIX && !s->listed))
        return -EINVAL;
    if (!s->listed) {
        struct socket_name name = {.len = s->family == AF_INET ? 16 : 28};
        uint16_t family = (uint16_t)s->family;
        memcpy(name.bytes, &family, sizeof(family));
        error = bind_port(t, s, &name);
    }
    s->listening = error == 0;
    s->backlog = (uint32_t)arg[1] < SOCKET_BACKLOG_MAX ? (uint32_t)arg[1] : SOCKET_BACKLOG_MAX;
    return error;
}

/* ---- Connecting ---- */

static bool is_loopback(const struct socket_name *name)
{
    static const uint8_t own6[16] = {[15] = 1};
    if (family_of(name) == AF_INET)
        return name->bytes[4] == LOOPBACK_NET || memcmp(name->bytes + 4, "\0\0\0\0", 4) == 0;
    return memcmp(name->bytes + 8, own6, sizeof(own6)) == 0;
}

static int put_hextets(char *out, size_t size, const uint8_t a[16])
{
    int n = 0;
    for (size_t i = 0; i < 8; i++)
        n += snprintf(out + n, size - (size_t)n, "%s%x", i > 0 ? ":" : "",
                      a[2 * i] << 8 | a[2 * i + 1]);
    return n;
}

static void tell_connect(struct task *t, const struct socket_name *name)
{
    char text[48];
    const uint8_t *a = name->bytes + 4;
    int n = family_of(name) == AF_INET
                ? snprintf(text, sizeof(text), "%u.%u.%u.%u", a[0], a[1], a[2], a[3])
                : put_hextets(text, sizeof(text), name->bytes + 8);
    const struct kernel_event event = {
        .type = KERNEL_CONNECT, .text = span_of(text, (size_t)n), .number = port_of(name)};
    kernel_emit(t->kernel, t, &event);
}

static int connect_inet(struct task *t, struct socket *s, const struct socket_name *name)
{
    if (!is_loopback(name)) {
        if (s->type == SOCK_STREAM || port_of(name) != 0)
            tell_connect(t, name);
        return -ENETUNREACH;
    }
    if (s->type != SOCK_STREAM)
        return 0; /* nobody is there, which only a send would show */
    struct socket *listener = socket_find_name(s->vfs, name, s->type);
    return listener != NULL ? socket_connect(s, listener) : -ECONNREFUSED;
}

static int find_path(struct task *t, struct socket *s, const struct socket_name *name,
                     struct socket **out)
{
    struct walk_found found;
    struct vfs_at at = sys_at(t, NULL);
    int error = walk(&at, path_of(name), WALK_FOLLOW, &found);
    if (error != 0)
        return error;
    error = vfs_may(&t->creds, found.node.fs, &found.stat, 2); /* W_OK */
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

static int connect_unix(struct task *t, struct socket *s, const struct socket_name *name)
{
    struct socket *other = NULL;
    int error = 0;
    if (name->bytes[2] == 0) {
        other = socket_find_name(s->vfs, name, s->type);
        error = other != NULL ? 0 : -ECONNREFUSED;
    } else {
        error = find_path(t, s, name, &other);
    }
    if (error != 0)
        return error;
    if (s->type != SOCK_DGRAM)
        return socket_connect(s, other);
    s->peer_name = *name;
    if (other->peer == NULL)
        socket_join(s, other); /* one sender at a time */
    return 0;
}

int64_t sys_connect(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    struct socket_name name;
    struct socket *s = socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    error = get_name(t, arg[1], arg[2], &name);
    if (error == 0 && name.len >= 2 && family_of(&name) == AF_UNSPEC)
        return 0;
    if (error == 0)
        error = check_length(s, &name);
    if (error != 0)
        return error;
    if (family_of(&name) != s->family)
        return s->family == AF_UNIX ? -EINVAL : -EAFNOSUPPORT;
    if (s->connected && s->type != SOCK_DGRAM)
        return -EISCONN;
    if (s->listening)
        return s->family == AF_UNIX ? -EINVAL : -EISCONN;
    error = s->family == AF_UNIX ? connect_unix(t, s, &name) : connect_inet(t, s, &name);
    return error == -EAGAIN && (f->flags & O_NONBLOCK) == 0 ? task_wait_any(t) : error;
}

static int64_t accept_from(struct task *t, const uint64_t arg[6], uint64_t flags)
{
    int error = 0;
    struct file *f = NULL;
    struct socket *s = socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    if ((flags & ~(uint64_t)(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0 || !s->listening)
        return s->type == SOCK_DGRAM ? -EOPNOTSUPP : -EINVAL;
    struct socket *next = s->first_waiting;
    if (next == NULL)
        return sys_wait_file(t, f);
    s->first_waiting = next->next_waiting;
    next->next_waiting = NULL;
    s->waiting--;
    vfs_wake(s->vfs, s);
    struct socket_name peer = next->peer_name;
    int64_t fd = install(t, next, flags);
    if (fd < 0)
        return fd;
    error = put_name(t, arg[1], arg[2], &peer, s->family);
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
    const struct socket *s = socket_at(t, arg[0], &f, &error);
    return s != NULL ? put_name(t, arg[1], arg[2], &s->name, s->family) : error;
}

int64_t sys_getpeername(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    const struct socket *s = socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    return s->peer != NULL ? put_name(t, arg[1], arg[2], &s->peer_name, s->family) : -ENOTCONN;
}

int64_t sys_shutdown(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    struct socket *s = socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    if ((uint32_t)arg[1] > SHUT_RDWR)
        return -EINVAL;
    if (!s->connected)
        return -ENOTCONN;
    s->read_shut = s->read_shut || (uint32_t)arg[1] != SHUT_WR;
    s->write_shut = s->write_shut || (uint32_t)arg[1] != SHUT_RD;
    vfs_wake(s->vfs, s);
    if (s->peer != NULL)
        vfs_wake(s->vfs, s->peer);
    return 0;
}

/* ---- Sending and receiving ---- */

/* Bytes to an address without a connection: only sockets of this machine can be reached. */
static int64_t send_to(struct task *t, struct socket *s, const struct socket_name *name,
                       const void *bytes, size_t len)
{
    struct socket *other = NULL;
    int error = check_length(s, name);
    if (error != 0)
        return error;
    if (s->family != AF_UNIX) {
        error = connect_inet(t, s, name);
        if (error != 0)
            return error;
        other = socket_find_name(s->vfs, name, s->type);
        if (other == NULL) /* refused, but only a later call would tell */
            return (int64_t)len;
    } else if (name->bytes[2] == 0) {
        other = socket_find_name(s->vfs, name, s->type);
    } else {
        error = find_path(t, s, name, &other);
    }
    if (error != 0 || other == NULL)
        return error != 0 ? error : -ECONNREFUSED;
    struct socket *kept = s->peer;
    bool was = s->connected;
    s->peer = other;
    int64_t n = socket_send(s, bytes, len);
    s->peer = kept;
    s->connected = was;
    return n;
}

static int64_t send_bytes(struct task *t, struct file *f, const void *bytes, size_t len,
                          const struct socket_name *to, uint64_t flags)
{
    struct socket *s = socket_of(f);
    bool named = to->len > 0 && s->type != SOCK_STREAM && s->peer == NULL;
    int64_t n = named ? send_to(t, s, to, bytes, len) : socket_send(s, bytes, len);
    if (n == -EPIPE && (flags & MSG_NOSIGNAL) == 0)
        signal_raise_task(t, SIGPIPE);
    if (n == -EAGAIN && (flags & MSG_DONTWAIT) == 0)
        return sys_wait_file(t, f);
    return n;
}

static int64_t receive_bytes(struct task *t, struct file *f, void *out, size_t len, uint64_t flags,
                             size_t *full)
{
    int64_t n = socket_receive(socket_of(f), out, len, (flags & MSG_PEEK) != 0, full);
    if (n == -EAGAIN && (flags & MSG_DONTWAIT) == 0)
        return sys_wait_file(t, f);
    if (n >= 0 && (flags & MSG_TRUNC) != 0 && socket_of(f)->type != SOCK_STREAM)
        return (int64_t)*full;
    return n;
}

int64_t sys_sendto(struct task *t, const uint64_t arg[6])
{
    uint8_t bytes[SYS_CHUNK];
    int error = 0;
    struct file *f = NULL;
    struct socket_name to = {0};
    size_t len = arg[2] < sizeof(bytes) ? (size_t)arg[2] : sizeof(bytes);
    if (socket_at(t, arg[0], &f, &error) == NULL)
        return error;
    if (arg[4] != 0)
        error = get_name(t, arg[4], arg[5], &to);
    if (error == 0)
        error = task_read(t, arg[1], bytes, len);
    return error != 0 ? error : send_bytes(t, f, bytes, len, &to, arg[3]);
}

int64_t sys_recvfrom(struct task *t, const uint64_t arg[6])
{
    uint8_t bytes[SYS_CHUNK];
    int error = 0;
    struct file *f = NULL;
    size_t full = 0, len = arg[2] < sizeof(bytes) ? (size_t)arg[2] : sizeof(bytes);
    const struct socket *s = socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    int64_t n = receive_bytes(t, f, bytes, len, arg[3], &full);
    if (n < 0)
        return n;
    size_t got = (size_t)n < len ? (size_t)n : len;
    if (task_write(t, arg[1], bytes, got) != 0)
        return -EFAULT;
    error = put_name(t, arg[4], arg[5], &s->peer_name, s->family);
    return error != 0 ? error : n;
}

/* struct msghdr of x86-64. */
struct message {
    uint64_t name;
    uint32_t name_len, pad;
    uint64_t iov, iov_count;
    uint64_t control, control_len;
    uint32_t flags, pad2;
};

struct pieces {
    struct task_iov iov[TASK_IOV_MAX];
    int64_t total;
};

static int64_t get_message(struct task *t, uint64_t addr, struct message *m, struct pieces *p)
{
    if (task_read(t, addr, m, sizeof(*m)) != 0)
        return -EFAULT;
    if (m->iov_count > TASK_IOV_MAX)
        return -EMSGSIZE;
    p->total = task_read_iov(t, m->iov, m->iov_count, p->iov);
    return p->total < 0 ? p->total : 0;
}

/* Copies between bytes and the message's pieces; returns how many there were. */
static int64_t copy_pieces(struct task *t, const struct message *m, const struct pieces *p,
                           uint8_t *bytes, size_t len, bool to_guest)
{
    size_t done = 0;
    for (uint64_t i = 0; i < m->iov_count && done < len; i++) {
        size_t n = p->iov[i].len < len - done ? (size_t)p->iov[i].len : len - done;
        int error = to_guest ? task_write(t, p->iov[i].base, bytes + done, n)
                             : task_read(t, p->iov[i].base, bytes + done, n);
        if (error != 0)
            return error;
        done += n;
    }
    return (int64_t)done;
}

static int64_t send_one(struct task *t, struct file *f, uint64_t addr, uint64_t flags)
{
    uint8_t bytes[SYS_CHUNK];
    struct message m;
    struct pieces p;
    struct socket_name to = {0};
    int64_t error = get_message(t, addr, &m, &p);
    if (error == 0 && m.name != 0)
        error = get_name(t, m.name, m.name_len, &to);
    if (error != 0)
        return error;
    int64_t n = copy_pieces(t, &m, &p, bytes, sizeof(bytes), false);
    return n < 0 ? n : send_bytes(t, f, bytes, (size_t)n, &to, flags);
}

static int64_t receive_one(struct task *t, struct file *f, uint64_t addr, uint64_t flags)
{
    uint8_t bytes[SYS_CHUNK];
    struct message m;
    struct pieces p;
    size_t full = 0;
    const struct socket *s = socket_of(f);
    int64_t error = get_message(t, addr, &m, &p);
    if (error != 0)
        return error;
    size_t len = (size_t)p.total < sizeof(bytes) ? (size_t)p.total : sizeof(bytes);
    int64_t n = receive_bytes(t, f, bytes, len, flags, &full);
    if (n < 0)
        return n;
    error = copy_pieces(t, &m, &p, bytes, (size_t)n < len ? (size_t)n : len, true);
    if (error < 0)
        return error;
    uint32_t name_len = (uint32_t)s->peer_name.len;
    if (m.name != 0) {
        uint32_t room = m.name_len < name_len ? m.name_len : name_len;
        if (task_write(t, m.name, s->peer_name.bytes, room) != 0)
            return -EFAULT;
    }
    m.name_len = name_len;
    m.control_len = 0;
    m.flags = s->type != SOCK_STREAM && full > len ? MSG_TRUNC : 0;
    return task_write(t, addr, &m, sizeof(m)) != 0 ? -EFAULT : n;
}

int64_t sys_sendmsg(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    return socket_at(t, arg[0], &f, &error) != NULL ? send_one(t, f, arg[1], arg[2]) : error;
}

int64_t sys_recvmsg(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    return socket_at(t, arg[0], &f, &error) != NULL ? receive_one(t, f, arg[1], arg[2]) : error;
}

/* sendmmsg and recvmmsg: the same, many times; each struct mmsghdr ends with the count. */
static int64_t many(struct task *t, const uint64_t arg[6],
                    int64_t (*one)(struct task *, struct file *, uint64_t, uint64_t))
{
    enum { MMSG_BYTES = 64, MMSG_COUNT_AT = 56 };
    int error = 0;
    struct file *f = NULL;
    uint64_t count = (uint32_t)arg[2] < MESSAGES_MAX ? (uint32_t)arg[2] : MESSAGES_MAX;
    if (socket_at(t, arg[0], &f, &error) == NULL)
        return error;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t addr = arg[1] + i * MMSG_BYTES;
        int64_t n = one(t, f, addr, i > 0 ? arg[3] | MSG_DONTWAIT : arg[3]);
        uint32_t n32 = (uint32_t)n;
        if (n >= 0 && task_write(t, addr + MMSG_COUNT_AT, &n32, sizeof(n32)) != 0)
            n = -EFAULT;
        if (n < 0)
            return i > 0 ? (int64_t)i : n;
    }
    return (int64_t)count;
}

int64_t sys_sendmmsg(struct task *t, const uint64_t arg[6])
{
    return many(t, arg, send_one);
}

int64_t sys_recvmmsg(struct task *t, const uint64_t arg[6])
{
    return many(t, arg, receive_one);
}

/* ---- Options ---- */

int64_t sys_setsockopt(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    const struct socket *s = socket_at(t, arg[0], &f, &error);
    uint32_t level = (uint32_t)arg[1];
    if (s == NULL)
        return error;
    if (s->family == AF_UNIX && level != SOL_SOCKET)
        return -EOPNOTSUPP;
    return 0;
}

static int64_t option_of(const struct socket *s, uint32_t name, int32_t value[3], size_t *len)
{
    *len = sizeof(int32_t);
    switch (name) {
    case SO_TYPE: value[0] = s->type; return 0;
    case SO_DOMAIN: value[0] = s->family; return 0;
    case SO_PROTOCOL: value[0] = s->protocol; return 0;
    case SO_ACCEPTCONN: value[0] = s->listening; return 0;
    case SO_SNDBUF:
    case SO_RCVBUF: value[0] = SOCKET_BYTES; return 0;
    case SO_PEERCRED:
        *len = 3 * sizeof(int32_t);
        value[0] = s->peer_pid;
        value[1] = (int32_t)s->peer_uid;
        value[2] = (int32_t)s->peer_gid;
        return 0;
    case SO_LINGER: *len = 2 * sizeof(int32_t); return 0;
    case SO_ERROR:
    case SO_REUSEADDR:
    case SO_KEEPALIVE:
    case SO_BROADCAST:
    case SO_PASSCRED:
    case SO_REUSEPORT: return 0;
    default: return -ENOPROTOOPT;
    }
}

int64_t sys_getsockopt(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    int32_t value[3] = {0, 0, 0};
    uint32_t room = 0;
    size_t len = sizeof(int32_t);
    const struct socket *s = socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    if (task_read(t, arg[4], &room, sizeof(room)) != 0)
        return -EFAULT;
    if ((int32_t)room < 0)
        return -EINVAL;
    if ((uint32_t)arg[1] == SOL_SOCKET) {
        int64_t unknown = option_of(s, (uint32_t)arg[2], value, &len);
        if (unknown != 0)
            return unknown;
    } else if (s->family == AF_UNIX) {
        return -EOPNOTSUPP;
    }
    uint32_t told = (uint32_t)len < room ? (uint32_t)len : room;
    if (task_write(t, arg[3], value, told) != 0)
        return -EFAULT;
    return task_write(t, arg[4], &told, sizeof(told));
}
