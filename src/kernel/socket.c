#include "kernel/socket.h"

#include "kernel/task.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LENGTH_BYTES = 4, PORT_AT = 2 }; /* a message's length before it; sin_port */

static bool has_messages(const struct socket *s)
{
    return s->type != SOCK_STREAM;
}

struct socket *socket_new(struct vfs *vfs, int family, int type, int protocol)
{
    struct socket *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->vfs = vfs;
    s->family = family;
    s->type = type;
    s->protocol = protocol;
    s->ino = vfs->next_object++;
    buffer_init(&s->in, SOCKET_BYTES);
    return s;
}

/* The other side forgets it too: a datagram socket may be connected again and again. */
static void part(struct socket *s)
{
    struct socket *peer = s->peer;
    s->peer = NULL;
    if (peer == NULL || peer->peer != s)
        return;
    peer->peer = NULL;
    vfs_wake(s->vfs, peer);
}

void socket_join(struct socket *a, struct socket *b)
{
    part(a);
    part(b);
    a->peer = b;
    b->peer = a;
    a->connected = b->connected = true;
    a->peer_pid = b->pid;
    a->peer_uid = b->uid;
    a->peer_gid = b->gid;
    b->peer_pid = a->pid;
    b->peer_uid = a->uid;
    b->peer_gid = a->gid;
    a->peer_name = b->name;
    b->peer_name = a->name;
}

static void unname(struct socket *s)
{
    if (!s->listed)
        return;
    struct socket **place = &s->vfs->sockets;
    while (*place != s)
        place = &(*place)->next;
    *place = s->next;
    if (s->node.fs == NULL)
        return;
    void **object = s->node.fs->ops->object(s->node.fs, s->node.ino);
    if (object != NULL && *object == s)
        *object = NULL;
    vnode_drop(s->node);
}

static void socket_free(struct socket *s)
{
    while (s->first_waiting != NULL) {
        struct socket *gone = s->first_waiting;
        s->first_waiting = gone->next_waiting;
        socket_free(gone);
    }
    part(s);
    unname(s);
    buffer_fini(&s->in);
    free(s);
}

/* ---- Bytes and messages ---- */

static int64_t at_end(const struct socket *s)
{
    if (s->read_shut)
        return 0;
    if (s->type == SOCK_DGRAM) /* there may always be another sender */
        return -EAGAIN;
    if (s->peer != NULL)
        return s->peer->write_shut ? 0 : -EAGAIN;
    if (s->connected)
        return 0;
    return s->type == SOCK_STREAM ? (s->listening ? -EINVAL : -ENOTCONN) : -EAGAIN;
}

int64_t socket_receive(struct socket *s, void *out, size_t len, bool peek, size_t *full_len)
{
    struct span have = buffer_span(&s->in);
    *full_len = 0;
    if (have.len == 0)
        return at_end(s);
    size_t head = 0, full = have.len;
    if (has_messages(s)) {
        uint32_t n = 0;
        memcpy(&n, have.data, LENGTH_BYTES);
        head = LENGTH_BYTES;
        full = n;
    }
    size_t n = full < len ? full : len;
    memcpy(out, have.data + head, n);
    *full_len = full;
    if (!peek) {
        buffer_take(&s->in, has_messages(s) ? head + full : n);
        if (s->peer != NULL)
            vfs_wake(s->vfs, s->peer);
    }
    return (int64_t)n;
}

static int64_t send_message(struct socket *to, const void *bytes, size_t len)
{
    uint32_t n = (uint32_t)len;
    if (len > SOCKET_BYTES - LENGTH_BYTES)
        return -EMSGSIZE;
    if (buffer_room(&to->in) < len + LENGTH_BYTES)
        return -EAGAIN;
    if (buffer_put(&to->in, span_of(&n, LENGTH_BYTES)) != 0)
        return -ENOBUFS;
    if (buffer_put(&to->in, span_of(bytes, len)) != 0) {
        buffer_truncate(&to->in, buffer_len(&to->in) - LENGTH_BYTES);
        return -ENOBUFS;
    }
    return (int64_t)len;
}

int64_t socket_send(struct socket *s, const void *bytes, size_t len)
{
    if (s->write_shut)
        return -EPIPE;
    if (s->peer == NULL)
        return s->connected ? -EPIPE : s->type == SOCK_STREAM ? -ENOTCONN : -EDESTADDRREQ;
    if (s->peer->read_shut)
        return -EPIPE;
    int64_t sent = 0;
    if (has_messages(s)) {
        sent = send_message(s->peer, bytes, len);
    } else {
        size_t room = buffer_room(&s->peer->in);
        size_t n = room < len ? room : len;
        if (n == 0 && len > 0)
            return -EAGAIN;
        sent = buffer_put(&s->peer->in, span_of(bytes, n)) == 0 ? (int64_t)n : -ENOBUFS;
    }
    if (sent >= 0)
        vfs_wake(s->vfs, s->peer);
    return sent;
}

/* ---- Names ---- */

/* Ports are what counts for AF_INET: each address of the machine is the machine. */
static bool is_same_name(const struct socket_name *a, const struct socket_name *b)
{
    uint16_t family = 0;
    memcpy(&family, a->bytes, sizeof(family));
    if (memcmp(a->bytes, b->bytes, sizeof(family)) != 0)
        return false;
    if (family != AF_UNIX)
        return memcmp(a->bytes + PORT_AT, b->bytes + PORT_AT, 2) == 0;
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

struct socket *socket_find_name(const struct vfs *vfs, const struct socket_name *name, int type)
{
    struct socket *s = vfs->sockets;
    while (s != NULL && (s->node.fs != NULL || s->type != type || !is_same_name(&s->name, name)))
        s = s->next;
    return s;
}

int socket_bind(struct socket *s, const struct socket_name *name)
{
    if (s->listed)
        return -EINVAL;
    /* A path names its file, and only that: the same text may have named another before. */
    if (s->node.fs == NULL && socket_find_name(s->vfs, name, s->type) != NULL)
        return -EADDRINUSE;
    s->name = *name;
    s->listed = true;
    s->next = s->vfs->sockets;
    s->vfs->sockets = s;
    return 0;
}

int socket_connect(struct socket *s, struct socket *listener)
{
    if (!listener->listening)
        return -ECONNREFUSED;
    if (listener->waiting > listener->backlog)
        return -EAGAIN;
    struct socket *other = socket_new(s->vfs, s->family, s->type, s->protocol);
    if (other == NULL)
        return -ENOMEM;
    other->name = listener->name;
    other->pid = listener->pid;
    other->uid = listener->uid;
    other->gid = listener->gid;
    socket_join(s, other);
    struct socket **place = &listener->first_waiting;
    while (*place != NULL)
        place = &(*place)->next_waiting;
    *place = other;
    listener->waiting++;
    vfs_wake(s->vfs, listener);
    return 0;
}

/* ---- Descriptions ---- */

static int64_t op_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)t, (void)at;
    size_t full = 0;
    return socket_receive(f->object, out, len, false, &full);
}

static int64_t op_write(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at)
{
    (void)at;
    int64_t n = socket_send(f->object, bytes, len);
    if (n == -EPIPE && t != NULL)
        signal_raise_task(t, SIGPIPE);
    return n;
}

static unsigned op_poll(struct file *f)
{
    const struct socket *s = f->object;
    unsigned ready = 0;
    if (s->listening)
        return s->first_waiting != NULL ? POLLIN | POLLRDNORM : 0;
    if (buffer_len(&s->in) > 0 || at_end(s) == 0)
        ready |= POLLIN | POLLRDNORM;
    if (s->peer == NULL && (s->connected || s->type == SOCK_STREAM))
        ready |= POLLHUP;
    bool room = s->peer == NULL || buffer_room(&s->peer->in) > SOCKET_BYTES / 4;
    if (room)
        ready |= POLLOUT | POLLWRNORM;
    return ready;
}

static int op_stat(struct file *f, struct file_stat *out)
{
    const struct socket *s = f->object;
    int64_t boot = s->vfs->boot_ns;
    *out = (struct file_stat){.dev = FS_DEV(0, 8), /* sockfs */
                              .ino = s->ino,
                              .mode = S_IFSOCK | 0777,
                              .nlink = 1,
                              .uid = s->uid,
                              .gid = s->gid,
                              .blksize = 4096,
                              .atime_ns = boot,
                              .mtime_ns = boot,
                              .ctime_ns = boot,
                              .btime_ns = boot};
    return 0;
}

static int64_t op_ioctl(struct file *f, struct task *t, uint32_t command, uint64_t arg)
{
    enum { FIONREAD_ = 0x541b };
    const struct socket *s = f->object;
    int32_t n = (int32_t)buffer_len(&s->in);
    if (command == FIONREAD_)
        return task_write(t, arg, &n, sizeof(n));
    return command >> 8 == 0x89 ? -ENODEV : -ENOTTY; /* SIOC...: no such interface */
}

static void op_close(struct file *f)
{
    socket_free(f->object);
}

static const struct file_ops socket_ops = {.read = op_read,
                                           .write = op_write,
                                           .poll = op_poll,
                                           .stat = op_stat,
                                           .ioctl = op_ioctl,
                                           .close = op_close};

struct file *socket_open(struct socket *s, uint32_t flags, int *error)
{
    struct file *f = file_new(s->vfs, &socket_ops, s, O_RDWR | (flags & O_NONBLOCK), error);
    if (f != NULL)
        f->kind_z = "socket";
    return f;
}

struct socket *socket_of(const struct file *f)
{
    return f->ops == &socket_ops ? f->object : NULL;
}
