#include "kernel/socket.h"

#include "kernel/bus_host.h"
#include "kernel/log_stream.h"
#include "kernel/net_ioctl.h"
#include "kernel/netlink.h"
#include "kernel/task.h"

#include "bus/bus.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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
    s->next = vfs->sockets;
    vfs->sockets = s;
    return s;
}

/* ---- Messages ---- */

static void message_free(struct socket_message *m)
{
    for (size_t i = 0; i < m->about.right_count; i++)
        file_drop(m->about.rights[i]);
    free(m->about.rights);
    buffer_fini(&m->bytes);
    free(m);
}

/* A message goes, and with it may go descriptors, whose sockets' messages go ...: one after the
 * other, not one inside the other. */
static void waste(struct vfs *vfs, struct socket_message *m)
{
    m->next = vfs->waste;
    vfs->waste = m;
    if (vfs->wasting)
        return;
    vfs->wasting = true;
    while (vfs->waste != NULL) {
        m = vfs->waste;
        vfs->waste = m->next;
        message_free(m);
    }
    vfs->wasting = false;
}

/* So much more, or less, waits to be read. */
static void count(struct socket *s, size_t more, size_t less)
{
    s->queued += more - less;
    s->vfs->socket_bytes += more - less;
}

static bool has_room_for(const struct vfs *vfs, size_t bytes)
{
    return vfs->socket_bytes + bytes + SOCKET_MESSAGE_COST <= SOCKETS_BYTES_MAX;
}

static void unlink_first(struct socket *s)
{
    struct socket_message *m = s->first;
    s->first = m->next;
    if (s->first == NULL)
        s->last = NULL;
    count(s, 0, buffer_len(&m->bytes) + SOCKET_MESSAGE_COST);
    s->messages--;
    waste(s->vfs, m);
}

static void drop_messages(struct socket *s)
{
    while (s->first != NULL)
        unlink_first(s);
}

void socket_drop_rights(struct socket_about *about)
{
    for (size_t i = 0; i < about->right_count; i++)
        file_drop(about->rights[i]);
    free(about->rights);
    about->rights = NULL;
    about->right_count = 0;
}

void socket_forget_all(struct vfs *vfs)
{
    struct socket_message *all = NULL;
    for (struct socket *s = vfs->sockets; s != NULL; s = s->next) {
        if (s->first == NULL)
            continue;
        s->last->next = all;
        all = s->first;
        s->first = s->last = NULL;
        count(s, 0, s->queued);
        s->messages = 0;
    }
    while (all != NULL) {
        struct socket_message *m = all;
        all = m->next;
        waste(vfs, m);
    }
}

static size_t room_of(const struct socket *s)
{
    size_t most = s->family == AF_NETLINK ? SOCKET_NETLINK_BYTES : SOCKET_BYTES;
    return s->queued < most ? most - s->queued : 0;
}

static struct socket_message *message_new(struct span bytes, const struct socket_about *about)
{
    struct socket_message *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return NULL;
    buffer_init(&m->bytes, SOCKET_BYTES);
    if (buffer_put(&m->bytes, bytes) != 0) {
        free(m);
        return NULL;
    }
    m->about = *about;
    return m;
}

static int enqueue(struct socket *to, struct span bytes, const struct socket_about *about)
{
    struct socket_message *m = has_room_for(to->vfs, bytes.len) ? message_new(bytes, about) : NULL;
    if (m == NULL)
        return -ENOBUFS;
    if (to->last != NULL)
        to->last->next = m;
    else
        to->first = m;
    to->last = m;
    count(to, bytes.len + SOCKET_MESSAGE_COST, 0);
    to->messages++;
    return 0;
}

/* Bytes of a stream that may stand behind the last ones as if they were sent together. */
static bool may_merge(const struct socket *to, const struct socket_about *about)
{
    const struct socket_message *last = to->last;
    return last != NULL && about->right_count == 0 && last->about.right_count == 0 &&
           about->due_ns == 0 && last->about.due_ns == 0 && last->about.pid == about->pid &&
           last->about.uid == about->uid && last->about.gid == about->gid;
}

static int64_t put_stream(struct socket *to, struct span bytes, const struct socket_about *about)
{
    size_t room = room_of(to);
    bool merged = may_merge(to, about);
    room = merged ? room : room > SOCKET_MESSAGE_COST ? room - SOCKET_MESSAGE_COST : 0;
    if (bytes.len > 0 && room == 0)
        return -EAGAIN;
    bytes = span_slice(bytes, 0, room);
    if (bytes.len == 0) /* nothing is sent then, and no rights either */
        return 0;
    if (!merged)
        return enqueue(to, bytes, about) == 0 ? (int64_t)bytes.len : -ENOBUFS;
    if (!has_room_for(to->vfs, bytes.len) || buffer_put(&to->last->bytes, bytes) != 0)
        return -ENOBUFS;
    count(to, bytes.len, 0);
    return (int64_t)bytes.len;
}

static int64_t put_message(struct socket *to, struct span bytes, const struct socket_about *about)
{
    if (bytes.len > SOCKET_BYTES - SOCKET_MESSAGE_COST)
        return -EMSGSIZE;
    if (room_of(to) < bytes.len + SOCKET_MESSAGE_COST)
        return -EAGAIN;
    if (to->family == AF_UNIX && to->type == SOCK_DGRAM && to->messages > SOCKET_DATAGRAMS_MAX)
        return -EAGAIN;
    int error = enqueue(to, bytes, about);
    return error != 0 ? error : (int64_t)bytes.len;
}

int64_t socket_put(struct socket *to, struct span bytes, const struct socket_about *about)
{
    int64_t n = has_messages(to) ? put_message(to, bytes, about) : put_stream(to, bytes, about);
    if (n >= 0)
        vfs_wake(to->vfs, to);
    return n;
}

int64_t socket_send(struct socket *s, struct span bytes, const struct socket_about *about)
{
    bool stream = s->type == SOCK_STREAM || s->type == SOCK_SEQPACKET;
    if (s->write_shut)
        return -EPIPE;
    if (s->log != LIVELOG_NONE) {
        livelog_take(s->vfs->kernel, s->log, bytes, about);
        return (int64_t)bytes.len;
    }
    if (s->peer == NULL && !stream)
        return s->connected ? -ECONNREFUSED : s->family == AF_UNIX ? -ENOTCONN : -EDESTADDRREQ;
    if (s->peer == NULL)
        return s->connected || (s->family != AF_UNIX && stream) ? -EPIPE : -ENOTCONN;
    if (s->peer->served) {
        if (s->peer->bus != NULL)
            bus_host_feed(s->peer, bytes);
        else if (s->peer->stream != NULL)
            log_stream_feed(s->peer, bytes, about);
        else if (stream && span_find(bytes, '\n', 0) >= 0)
            socket_shut_write(s->peer); /* a service that has greeted, and wants no more of it */
        return (int64_t)bytes.len;
    }
    if (s->peer->read_shut)
        return -EPIPE;
    if (!stream && s->peer->peer != NULL && s->peer->peer != s)
        return -EPERM; /* it is connected with another */
    return socket_put(s->peer, bytes, about);
}

/* ---- Receiving ---- */

static int64_t now_of(const struct socket *s)
{
    return vfs_now(s->vfs) - s->vfs->boot_ns;
}

static struct socket_message *arrived(const struct socket *s)
{
    return s->first != NULL && s->first->about.due_ns <= now_of(s) ? s->first : NULL;
}

int64_t socket_due(const struct socket *s)
{
    int64_t due = s->first != NULL && arrived(s) == NULL ? s->first->about.due_ns : INT64_MAX;
    return s->due_ns != 0 && s->due_ns < due ? s->due_ns : due;
}

static int64_t at_end(const struct socket *s)
{
    if (s->read_shut)
        return 0;
    if (s->type == SOCK_DGRAM || s->type == SOCK_RAW) /* there may always be another sender */
        return -EAGAIN;
    if (s->peer != NULL)
        return s->peer->write_shut ? 0 : -EAGAIN;
    if (s->connected)
        return 0;
    if (s->family == AF_UNIX)
        return s->type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
    return -ENOTCONN;
}

/* The rights of a message go to the reader, or, when he only peeks, copies of them. */
static void give_rights(struct socket_message *m, bool peek, struct socket_about *about)
{
    about->rights = m->about.rights;
    if (!peek) {
        m->about.rights = NULL;
        m->about.right_count = 0;
        return;
    }
    size_t bytes = m->about.right_count * sizeof(struct file *);
    about->rights = bytes > 0 ? malloc(bytes) : NULL;
    about->right_count = about->rights != NULL ? m->about.right_count : 0;
    for (size_t i = 0; i < about->right_count; i++)
        about->rights[i] = file_hold(m->about.rights[i]);
}

static void take_bytes(struct socket *s, struct socket_message *m, size_t n)
{
    if (has_messages(s) || n == buffer_len(&m->bytes)) {
        unlink_first(s);
    } else {
        buffer_take(&m->bytes, n);
        count(s, 0, n);
    }
    vfs_wake(s->vfs, s); /* senders that do not know each other wait for the receiver */
    if (s->peer != NULL)
        vfs_wake(s->vfs, s->peer);
}

/* A stream goes on in the next message when that came from the same sender without more. */
static bool goes_on(const struct socket_message *next, const struct socket_about *about)
{
    return next != NULL && about->right_count == 0 && next->about.right_count == 0 &&
           next->about.pid == about->pid && next->about.uid == about->uid;
}

int64_t socket_receive(struct socket *s, void *out, size_t len, bool peek,
                       struct socket_about *about)
{
    struct socket_message *m = arrived(s);
    *about = (struct socket_about){.full_len = 0};
    if (s->error != 0 && (m == NULL || has_messages(s))) { /* a stream is read to its end first */
        int error = s->error;
        s->error = 0;
        return -error;
    }
    if (m == NULL)
        return at_end(s);
    if (len == 0 && !has_messages(s))
        return 0;
    *about = m->about;
    give_rights(m, peek, about);
    about->full_len = buffer_len(&m->bytes);
    about->cut = has_messages(s) && about->full_len > len;
    size_t done = 0;
    for (bool more = true; more;) {
        struct span have = buffer_span(&m->bytes);
        size_t n = have.len < len - done ? have.len : len - done;
        struct socket_message *next = m->next;
        if (n > 0)
            memcpy((uint8_t *)out + done, have.data, n);
        done += n;
        more = !has_messages(s) && n == have.len && done < len && goes_on(next, about);
        if (!peek)
            take_bytes(s, m, n);
        m = next;
    }
    return (int64_t)done;
}

/* ---- Connections ---- */

void socket_part(struct socket *s)
{
    struct socket *peer = s->peer;
    s->peer = NULL;
    if (peer == NULL || peer->peer != s)
        return;
    peer->peer = NULL;
    if (peer->served) {
        socket_free(peer);
        return;
    }
    vfs_wake(s->vfs, peer);
}

void socket_join(struct socket *a, struct socket *b)
{
    socket_part(a);
    socket_part(b);
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
    if (s->node.fs == NULL)
        return;
    void **object = s->node.fs->ops->object(s->node.fs, s->node.ino);
    if (object != NULL && *object == s)
        *object = NULL;
    vnode_drop(s->node);
}

static void unlist(struct socket *s)
{
    struct socket **place = &s->vfs->sockets;
    while (*place != s)
        place = &(*place)->next;
    *place = s->next;
    /* Datagram sockets send to one that does not know them. */
    for (struct socket *each = s->vfs->sockets; each != NULL; each = each->next) {
        if (each->peer != s)
            continue;
        each->peer = NULL;
        vfs_wake(each->vfs, each);
    }
}

void socket_unlisten(struct socket *s)
{
    s->listening = false;
    s->waiting = 0;
    while (s->first_waiting != NULL) {
        struct socket *gone = s->first_waiting;
        s->first_waiting = gone->next_waiting;
        socket_free(gone);
    }
    vfs_wake(s->vfs, s);
}

void socket_free(struct socket *s)
{
    socket_unlisten(s); /* and wakes those who wait to send to it */
    if (s->peer != NULL && s->first != NULL && s->type == SOCK_STREAM && s->peer->peer == s)
        s->peer->error = ECONNRESET; /* what it sent was not read */
    socket_part(s);
    unlist(s);
    unname(s);
    drop_messages(s);
    bus_free(s->bus);
    log_stream_free(s->stream);
    free(s);
}

int socket_connect(struct socket *s, struct socket *listener)
{
    if (!listener->listening)
        return -ECONNREFUSED;
    if (listener->waiting > listener->backlog)
        return -EAGAIN;
    struct socket *other = socket_new(s->vfs, listener->family, s->type, s->protocol);
    if (other == NULL)
        return -ENOMEM;
    other->name = listener->name;
    other->pid = listener->pid;
    other->uid = listener->uid;
    other->gid = listener->gid;
    memcpy(other->value, listener->value, sizeof(other->value));
    other->value_set = listener->value_set;
    socket_join(s, other);
    struct socket **place = &listener->first_waiting;
    while (*place != NULL)
        place = &(*place)->next_waiting;
    *place = other;
    listener->waiting++;
    vfs_wake(s->vfs, listener);
    return 0;
}

struct socket *socket_accept(struct socket *listener)
{
    struct socket *next = listener->first_waiting;
    if (next == NULL)
        return NULL;
    listener->first_waiting = next->next_waiting;
    next->next_waiting = NULL;
    listener->waiting--;
    vfs_wake(listener->vfs, listener);
    return next;
}

void socket_shut_write(struct socket *s)
{
    s->write_shut = true;
    vfs_wake(s->vfs, s);
    if (s->peer != NULL)
        vfs_wake(s->vfs, s->peer);
}

/* ---- From outside ---- */

struct span socket_waiting(const struct socket *s)
{
    const struct socket_message *m = arrived(s);
    return m != NULL ? buffer_span(&m->bytes) : span_of(NULL, 0);
}

void socket_taken(struct socket *s, size_t n)
{
    if (n > 0)
        take_bytes(s, s->first, n);
}

bool socket_is_ended(const struct socket *s)
{
    return s->first == NULL && at_end(s) == 0;
}

/* ---- Names of AF_UNIX ---- */

struct socket *socket_find_name(const struct vfs *vfs, const struct socket_name *name, int type)
{
    struct socket *s = vfs->sockets;
    while (s != NULL &&
           (!s->named || s->family != AF_UNIX || s->node.fs != NULL || s->type != type ||
            s->name.len != name->len || memcmp(s->name.bytes, name->bytes, name->len) != 0))
        s = s->next;
    return s;
}

int socket_bind(struct socket *s, const struct socket_name *name)
{
    if (s->named)
        return -EINVAL;
    /* A path names its file, and only that: the same text may have named another before. */
    if (s->family == AF_UNIX && s->node.fs == NULL &&
        socket_find_name(s->vfs, name, s->type) != NULL)
        return -EADDRINUSE;
    s->name = *name;
    s->named = true;
    return 0;
}

/* ---- Descriptions ---- */

static int64_t op_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    struct socket *s = f->object;
    struct socket_about about;
    (void)at;
    int64_t n = socket_receive(s, out, len, false, &about);
    socket_drop_rights(&about);
    if (n == -EAGAIN && t != NULL && socket_due(s) != INT64_MAX)
        task_wait_until(t, socket_due(s));
    return n;
}

static int64_t op_write(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at)
{
    (void)at;
    struct socket *s = f->object;
    struct socket_about about = {.from = s->name, .uid = s->uid, .gid = s->gid, .pid = s->pid};
    if (t != NULL && s->family == AF_NETLINK)
        return netlink_send(t, s, span_of(bytes, len));
    if (t != NULL && s->peer != NULL && s->peer->stream != NULL) { /* journald has SO_PASSCRED */
        about.pid = t->process->pid;
        about.uid = t->creds.uid;
        about.gid = t->creds.gid;
    }
    if (t != NULL && socket_is_inet(s) && s->type != SOCK_STREAM)
        return socket_inet_send(t, s, &(struct socket_name){.len = 0}, span_of(bytes, len));
    int64_t n = socket_send(s, span_of(bytes, len), &about);
    if (n == -EPIPE && t != NULL)
        signal_raise_task(t, SIGPIPE);
    return n;
}

static unsigned stream_poll(const struct socket *s)
{
    if (s->due_ns > now_of(s))
        return 0;
    if (s->due_ns != 0) /* the connection has failed, which nobody has asked for yet */
        return POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM | POLLERR | POLLHUP;
    unsigned ready = s->peer == NULL ? POLLHUP | (s->connected ? POLLRDHUP : 0u) : 0;
    if (s->peer != NULL && s->peer->write_shut)
        ready |= POLLRDHUP | (s->write_shut ? POLLHUP : 0u);
    return ready;
}

static unsigned op_poll(struct file *f)
{
    const struct socket *s = f->object;
    if (s->listening)
        return s->first_waiting != NULL ? POLLIN | POLLRDNORM : 0;
    bool stream = s->type == SOCK_STREAM || s->type == SOCK_SEQPACKET;
    unsigned ready = stream ? stream_poll(s) : 0;
    if (stream && s->due_ns != 0)
        return ready;
    if (arrived(s) != NULL || (stream && (at_end(s) == 0 || s->peer == NULL)))
        ready |= POLLIN | POLLRDNORM;
    if (stream && s->family == AF_UNIX && !s->connected)
        ready &= ~(unsigned)(POLLIN | POLLRDNORM);
    if (s->error != 0)
        ready |= POLLERR;
    bool room = s->peer == NULL || s->peer->served || room_of(s->peer) > SOCKET_BYTES / 4;
    if (room && !s->write_shut)
        ready |= POLLOUT | POLLWRNORM;
    return ready;
}

static int64_t op_deadline(struct file *f)
{
    const struct socket *s = f->object;
    int64_t due = socket_due(s);
    return due > now_of(s) ? due : INT64_MAX;
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
    enum { FIONREAD_ = 0x541b, TIOCOUTQ_ = 0x5411 };
    const struct socket *s = f->object;
    const struct socket_message *m = arrived(s);
    int32_t n = 0;
    if (command == TIOCOUTQ_)
        return task_write(t, arg, &n, sizeof(n));
    if (command != FIONREAD_)
        return net_ioctl(t, s, command, arg);
    if (s->listening)
        return -EINVAL;
    for (; m != NULL; m = has_messages(s) ? NULL : m->next)
        n += (int32_t)buffer_len(&m->bytes);
    return task_write(t, arg, &n, sizeof(n));
}

static void op_close(struct file *f)
{
    socket_free(f->object);
}

static const struct file_ops socket_ops = {.read = op_read,
                                           .write = op_write,
                                           .poll = op_poll,
                                           .deadline = op_deadline,
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
