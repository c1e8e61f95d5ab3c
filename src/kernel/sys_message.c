/* Sending and receiving: send, recv, sendmsg, recvmsg and their kin, with what goes beside the
 * bytes: names, descriptors (SCM_RIGHTS), credentials, times. */
#include "kernel/machine.h"
#include "kernel/netlink.h"
#include "kernel/syssocket.h"

#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    NS_PER_S = 1000000000,
    MESSAGES_MAX = 1024,
    CONTROL_MAX = 20480 /* net.core.optmem_max */,
    HOPS = 64
};

/* struct msghdr of x86-64. */
struct message {
    uint64_t name;
    uint32_t name_len, pad;
    uint64_t iov, iov_count;
    uint64_t control, control_len;
    uint32_t flags, pad2;
};

/* struct cmsghdr of x86-64. */
struct control {
    uint64_t len;
    int32_t level, type;
};

struct credentials {
    int32_t pid;
    uint32_t uid, gid;
};

struct pieces {
    struct task_iov iov[TASK_IOV_MAX];
    uint64_t count;
    int64_t total;
};

int64_t sys_wait_socket(struct task *t, struct file *f, int64_t timeout_ns, uint64_t flags)
{
    const struct socket *s = socket_of(f);
    int64_t now = kernel_monotonic_ns(t->kernel), until = socket_due(s);
    if ((f->flags & O_NONBLOCK) != 0 || (flags & MSG_DONTWAIT) != 0 || timeout_ns < 0)
        return -EAGAIN;
    if (timeout_ns > 0) {
        if (!t->restart.begun) {
            t->restart.begun = true;
            t->restart.deadline_ns = now + timeout_ns;
        }
        if (now >= t->restart.deadline_ns)
            return -EAGAIN;
        until = t->restart.deadline_ns < until ? t->restart.deadline_ns : until;
    }
    if (until != INT64_MAX)
        task_wait_until(t, until);
    return task_wait(t, f->key);
}

/* Copies between bytes and the guest's pieces, from byte `skip` of them on. How many there were. */
static int64_t copy_pieces(struct task *t, const struct pieces *p, size_t skip, uint8_t *bytes,
                           size_t len, bool to_guest)
{
    size_t done = 0;
    for (uint64_t i = 0; i < p->count && done < len; i++) {
        size_t have = (size_t)p->iov[i].len;
        if (skip >= have) {
            skip -= have;
            continue;
        }
        size_t n = have - skip < len - done ? have - skip : len - done;
        uint64_t at = p->iov[i].base + skip;
        int error =
            to_guest ? task_write(t, at, bytes + done, n) : task_read(t, at, bytes + done, n);
        if (error != 0)
            return error;
        done += n;
        skip = 0;
    }
    return (int64_t)done;
}

/* ---- Sending ---- */

static int64_t put_bytes(struct task *t, struct socket *s, struct span bytes,
                         const struct socket_name *to, const struct socket_about *about)
{
    struct socket *other = NULL;
    bool asks = to->len > 0 && (s->type == SOCK_DGRAM || s->type == SOCK_RAW);
    int error = asks && (socket_is_inet(s) || s->family == AF_UNIX) ? sys_name_check_to(s, to) : 0;
    if (error != 0)
        return error;
    if (s->family == AF_NETLINK)
        return netlink_send(t, s, bytes);
    if (s->family == AF_PACKET)
        return (int64_t)bytes.len; /* nobody is on the wire */
    if (socket_is_inet(s) && s->type != SOCK_STREAM)
        return socket_inet_send(t, s, to, bytes);
    if (to->len == 0 || socket_is_inet(s) || s->type == SOCK_SEQPACKET)
        return socket_send(s, bytes, about);
    if (s->type == SOCK_STREAM)
        return s->connected ? -EISCONN : -EOPNOTSUPP;
    struct vfs_at at = sys_at(t, NULL);
    error = sys_name_find(&at, s, to, &other);
    enum livelog_socket log = error == -ECONNREFUSED ? sys_name_log(t, to) : LIVELOG_NONE;
    if (log != LIVELOG_NONE) {
        livelog_take(t->kernel, log, bytes, about);
        return (int64_t)bytes.len;
    }
    if (error != 0)
        return error;
    if (other->peer != NULL && other->peer != s)
        return -EPERM;
    int64_t n = socket_put(other, bytes, about);
    if (n == -EAGAIN)
        t->restart.object = other;
    return n;
}

/* A connection that is under way, or that has failed since. */
static int64_t not_there_yet(struct task *t, struct file *f, struct socket *s, uint64_t flags)
{
    if (s->due_ns > kernel_monotonic_ns(t->kernel))
        return sys_wait_socket(t, f, s->send_timeout_ns, flags);
    s->due_ns = 0;
    return -s->due_error;
}

static int64_t wait_room(struct task *t, struct file *f, const struct socket *s, uint64_t flags)
{
    const void *key = t->restart.object;
    t->restart.object = NULL;
    if (key == NULL || (f->flags & O_NONBLOCK) != 0 || (flags & MSG_DONTWAIT) != 0)
        return sys_wait_socket(t, f, s->send_timeout_ns, flags);
    return task_wait(t, key);
}

static int64_t send_message(struct task *t, struct file *f, const struct pieces *p,
                            const struct socket_name *to, struct socket_about *about,
                            uint64_t flags)
{
    struct socket *s = socket_of(f);
    size_t len = (size_t)p->total;
    if (len > (s->family == AF_NETLINK ? SOCKET_NETLINK_BYTES : SOCKET_BYTES))
        return -EMSGSIZE;
    uint8_t *bytes = malloc(len + 1);
    if (bytes == NULL)
        return -ENOBUFS;
    int64_t n = copy_pieces(t, p, 0, bytes, len, false);
    if (n >= 0)
        n = put_bytes(t, s, span_of(bytes, len), to, about);
    free(bytes);
    if (n >= 0) {
        about->rights = NULL; /* they went with the message */
        about->right_count = 0;
    }
    kernel_charge(t->kernel, len / KERNEL_COPY_BYTES);
    return n == -EAGAIN ? wait_room(t, f, s, flags) : n;
}

/* All of it, unless the caller does not wait; parked with a part sent, it goes on behind that. */
static int64_t send_stream(struct task *t, struct file *f, const struct pieces *p,
                           const struct socket_name *to, struct socket_about *about, uint64_t flags)
{
    uint8_t bytes[SYS_CHUNK];
    struct socket *s = socket_of(f);
    const uint64_t begun = t->restart.done;
    uint64_t done = begun;
    /* The guest may have made the pieces shorter since it was parked. */
    if (done > 0 && done >= (uint64_t)p->total)
        return (int64_t)done;
    do {
        size_t want = (uint64_t)p->total - done < sizeof(bytes)
                          ? (size_t)((uint64_t)p->total - done)
                          : sizeof(bytes);
        if (done - begun >= KERNEL_PIECE_BYTES)
            return task_go_on(t, done);
        int64_t n = copy_pieces(t, p, (size_t)done, bytes, want, false);
        if (n >= 0)
            n = put_bytes(t, s, span_of(bytes, (size_t)n), to, about);
        if (n > 0) {
            about->rights = NULL; /* they went with the first bytes */
            about->right_count = 0;
        }
        kernel_charge(t->kernel, want / KERNEL_COPY_BYTES);
        if (n == -EAGAIN) {
            t->restart.done = done;
            n = sys_wait_socket(t, f, s->send_timeout_ns, flags);
            return n == SYS_WAIT || done == 0 ? n : (int64_t)done;
        }
        if (n < 0)
            return done > 0 ? (int64_t)done : n;
        done += (uint64_t)n;
    } while (done < (uint64_t)p->total);
    return (int64_t)done;
}

static int64_t send_pieces(struct task *t, struct file *f, const struct pieces *p,
                           const struct socket_name *to, struct socket_about *about, uint64_t flags)
{
    struct socket *s = socket_of(f);
    if ((flags & MSG_OOB) != 0 && s->family != AF_INET && s->family != AF_INET6)
        return -EOPNOTSUPP;
    if (s->due_ns != 0)
        return not_there_yet(t, f, s, flags);
    if (s->named)
        about->from = s->name;
    if (about->pid == 0) {
        about->pid = t->process->pid;
        about->uid = t->creds.uid;
        about->gid = t->creds.gid;
    }
    int64_t n = s->type == SOCK_STREAM ? send_stream(t, f, p, to, about, flags)
                                       : send_message(t, f, p, to, about, flags);
    if (n == -EPIPE && (flags & MSG_NOSIGNAL) == 0 && s->type != SOCK_DGRAM)
        signal_raise_task(t, SIGPIPE);
    return n;
}

int64_t sys_sendto(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    struct socket_name to = {.len = 0};
    struct socket_about about = {.pid = 0};
    struct pieces p = {.count = 1, .total = arg[2] < TASK_RW_MAX ? (int64_t)arg[2] : TASK_RW_MAX};
    p.iov[0] = (struct task_iov){.base = arg[1], .len = (uint64_t)p.total};
    if (sys_socket_at(t, arg[0], &f, &error) == NULL)
        return error;
    if (arg[4] != 0)
        error = sys_name_get(t, arg[4], arg[5], &to);
    return error != 0 ? error : send_pieces(t, f, &p, &to, &about, arg[3]);
}

/* ---- What goes beside: sending ---- */

static int take_rights(struct task *t, struct span data, struct socket_about *about)
{
    size_t count = data.len / sizeof(int32_t);
    if (count + about->right_count > SOCKET_RIGHTS_MAX)
        return -EINVAL;
    struct file **rights =
        realloc(about->rights, (about->right_count + count + 1) * sizeof(struct file *));
    if (rights == NULL)
        return -ENOMEM;
    about->rights = rights;
    for (size_t i = 0; i < count; i++) {
        int32_t fd = 0;
        memcpy(&fd, data.data + i * sizeof(fd), sizeof(fd));
        struct file *f = fd_table_find(t->files, fd);
        if (f == NULL)
            return -EBADF;
        rights[about->right_count++] = file_hold(f);
    }
    return 0;
}

/* Only root speaks for others. */
static int take_credentials(const struct task *t, struct span data, struct socket_about *about)
{
    const struct creds *c = &t->creds;
    struct credentials said;
    if (data.len != sizeof(said))
        return -EINVAL;
    memcpy(&said, data.data, sizeof(said));
    bool pid = said.pid == t->process->pid || creds_capable(c, CAP_SYS_ADMIN);
    bool uid = said.uid == c->uid || said.uid == c->euid || said.uid == c->suid ||
               creds_capable(c, CAP_SETUID);
    bool gid = said.gid == c->gid || said.gid == c->egid || said.gid == c->sgid ||
               creds_capable(c, CAP_SETGID);
    if (!pid || !uid || !gid)
        return -EPERM;
    if (process_find(t->kernel, said.pid) == NULL)
        return -ESRCH;
    about->pid = said.pid;
    about->uid = said.uid;
    about->gid = said.gid;
    return 0;
}

static int take_control(struct task *t, const struct message *m, struct socket_about *about)
{
    uint8_t bytes[CONTROL_MAX];
    if (m->control_len > sizeof(bytes))
        return -ENOBUFS;
    size_t len = (size_t)m->control_len;
    if (task_read(t, m->control, bytes, len) != 0)
        return -EFAULT;
    for (size_t at = 0; len - at >= sizeof(struct control);) {
        struct control c;
        memcpy(&c, bytes + at, sizeof(c));
        if (c.len < sizeof(c) || c.len > len - at)
            return -EINVAL;
        struct span data = span_of(bytes + at + sizeof(c), (size_t)c.len - sizeof(c));
        int error = 0;
        if (c.level == SOL_SOCKET && c.type == SCM_RIGHTS)
            error = take_rights(t, data, about);
        else if (c.level == SOL_SOCKET && c.type == SCM_CREDENTIALS)
            error = take_credentials(t, data, about);
        else if (c.level == SOL_SOCKET)
            error = -EINVAL;
        if (error != 0)
            return error;
        size_t step = ((size_t)c.len + 7) & ~(size_t)7;
        if (step > len - at)
            break;
        at += step;
    }
    return 0;
}

static int64_t get_message(struct task *t, uint64_t addr, struct message *m, struct pieces *p)
{
    if (task_read(t, addr, m, sizeof(*m)) != 0)
        return -EFAULT;
    if (m->iov_count > TASK_IOV_MAX)
        return -EMSGSIZE;
    if ((int32_t)m->name_len < 0)
        return -EINVAL;
    p->count = m->iov_count;
    p->total = task_read_iov(t, m->iov, m->iov_count, p->iov);
    return p->total < 0 ? p->total : 0;
}

static int64_t send_one(struct task *t, struct file *f, uint64_t addr, uint64_t flags)
{
    struct message m;
    struct pieces p;
    struct socket_name to = {.len = 0};
    struct socket_about about = {.pid = 0};
    int64_t error = get_message(t, addr, &m, &p);
    if (error == 0 && m.name != 0 && m.name_len > 0)
        error = sys_name_get(t, m.name, m.name_len < SOCKET_NAME_MAX ? m.name_len : SOCKET_NAME_MAX,
                             &to);
    if (error == 0 && socket_of(f)->family == AF_UNIX && m.control_len > 0 && t->restart.done == 0)
        error = take_control(t, &m, &about);
    if (error == 0)
        error = send_pieces(t, f, &p, &to, &about, flags);
    socket_drop_rights(&about); /* what was not sent */
    return error;
}

/* ---- Receiving ---- */

static int64_t receive_pieces(struct task *t, struct file *f, const struct pieces *p,
                              uint64_t flags, struct socket_about *about)
{
    struct socket *s = socket_of(f);
    *about = (struct socket_about){.pid = 0};
    if ((flags & MSG_ERRQUEUE) != 0)
        return -EAGAIN;
    if ((flags & MSG_OOB) != 0)
        return s->type == SOCK_STREAM ? -EINVAL : -EOPNOTSUPP;
    if (s->due_ns != 0)
        return not_there_yet(t, f, s, flags);
    size_t len = (uint64_t)p->total < s->queued ? (size_t)p->total : s->queued;
    uint8_t *bytes = malloc(len + 1);
    if (bytes == NULL)
        return -ENOMEM;
    int64_t n = socket_receive(s, bytes, len, (flags & MSG_PEEK) != 0, about);
    if (n > 0 && copy_pieces(t, p, 0, bytes, (size_t)n, true) < 0)
        n = -EFAULT;
    free(bytes);
    if (n > 0)
        kernel_charge(t->kernel, (uint64_t)n / KERNEL_COPY_BYTES);
    if (n == -EAGAIN)
        return sys_wait_socket(t, f, s->receive_timeout_ns, flags);
    return n >= 0 && about->cut && (flags & MSG_TRUNC) != 0 ? (int64_t)about->full_len : n;
}

static int put_from(struct task *t, uint64_t addr, uint64_t len_addr, const struct socket_about *a,
                    const struct socket *s)
{
    static const uint32_t none = 0;
    if (addr == 0)
        return 0;
    if (a->from.len > 0 && !(socket_is_inet(s) && s->type == SOCK_STREAM))
        return sys_name_put(t, addr, len_addr, &a->from, s->family);
    return task_write(t, len_addr, &none, sizeof(none));
}

int64_t sys_recvfrom(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    struct socket_about about;
    struct pieces p = {.count = 1, .total = arg[2] < TASK_RW_MAX ? (int64_t)arg[2] : TASK_RW_MAX};
    p.iov[0] = (struct task_iov){.base = arg[1], .len = (uint64_t)p.total};
    const struct socket *s = sys_socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    int64_t n = receive_pieces(t, f, &p, arg[3], &about);
    if (n >= 0)
        error = put_from(t, arg[4], arg[5], &about, s);
    socket_drop_rights(&about);
    return error != 0 ? error : n;
}

/* ---- What goes beside: receiving ---- */

/* One control message more at the end of the guest's room; what does not fit is cut. */
static int put_control(struct task *t, struct message *m, uint64_t *used, int level, int type,
                       struct span data)
{
    const uint64_t room = m->control != 0 && m->control_len > *used ? m->control_len - *used : 0;
    struct control c = {.len = sizeof(c) + data.len, .level = level, .type = type};
    if (room < sizeof(c)) {
        m->flags |= MSG_CTRUNC;
        return 0;
    }
    if (room < c.len) {
        m->flags |= MSG_CTRUNC;
        c.len = room;
    }
    uint64_t at = m->control + *used, step = (c.len + 7) & ~UINT64_C(7);
    if (task_write(t, at, &c, sizeof(c)) != 0 ||
        task_write(t, at + sizeof(c), data.data, (size_t)c.len - sizeof(c)) != 0)
        return -EFAULT;
    *used += step < room ? step : room;
    return 0;
}

static int put_rights(struct task *t, struct message *m, uint64_t *used,
                      const struct socket_about *about, uint64_t flags)
{
    int32_t fds[SOCKET_RIGHTS_MAX];
    uint64_t room = m->control != 0 && m->control_len > *used ? m->control_len - *used : 0;
    size_t fit = room > sizeof(struct control) ? (size_t)(room - sizeof(struct control)) / 4 : 0;
    size_t count = 0;
    while (count < about->right_count && count < fit) {
        int64_t fd =
            sys_install(t, file_hold(about->rights[count]), (flags & MSG_CMSG_CLOEXEC) != 0);
        if (fd < 0)
            break;
        fds[count++] = (int32_t)fd;
    }
    if (count < about->right_count)
        m->flags |= MSG_CTRUNC;
    struct span data = span_of(fds, count * sizeof(fds[0]));
    return count > 0 ? put_control(t, m, used, SOL_SOCKET, SCM_RIGHTS, data) : 0;
}

static int put_time(struct task *t, struct message *m, uint64_t *used)
{
    int64_t now = kernel_realtime_ns(t->kernel);
    const int64_t pair[2] = {now / 1000000000, now % 1000000000 / 1000};
    return put_control(t, m, used, SOL_SOCKET, SCM_TIMESTAMP, span_of(pair, sizeof(pair)));
}

static int put_beside(struct task *t, const struct socket *s, struct message *m,
                      const struct socket_about *about, uint64_t flags)
{
    uint64_t used = 0;
    int error = 0;
    const struct credentials who = {.pid = about->pid, .uid = about->uid, .gid = about->gid};
    const int32_t hops = about->hops != 0 ? about->hops : HOPS;
    m->flags = 0;
    if (s->value[OPTION_TIMESTAMP] != 0)
        error = put_time(t, m, &used);
    if (error == 0 && s->value[OPTION_PASSCRED] != 0)
        error = put_control(t, m, &used, SOL_SOCKET, SCM_CREDENTIALS, span_of(&who, sizeof(who)));
    if (error == 0 && about->right_count > 0)
        error = put_rights(t, m, &used, about, flags);
    if (error == 0 && s->value[OPTION_RECVTTL] != 0 && s->type != SOCK_STREAM)
        error = put_control(t, m, &used, s->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
                            s->family == AF_INET ? IP_TTL : IPV6_HOPLIMIT,
                            span_of(&hops, sizeof(hops)));
    m->control_len = used;
    if (about->cut)
        m->flags |= MSG_TRUNC;
    if (s->type == SOCK_SEQPACKET && about->full_len > 0 && !about->cut)
        m->flags |= s->family == AF_UNIX ? 0 : MSG_EOR;
    m->flags |= (uint32_t)flags & MSG_CMSG_CLOEXEC;
    return error;
}

static int64_t receive_one(struct task *t, struct file *f, uint64_t addr, uint64_t flags)
{
    enum { NAME_LEN_AT = 8, CONTROL_LEN_AT = 40 };
    struct message m;
    struct pieces p;
    struct socket_about about;
    const struct socket *s = socket_of(f);
    int64_t error = get_message(t, addr, &m, &p);
    if (error != 0)
        return error;
    int64_t n = receive_pieces(t, f, &p, flags, &about);
    if (n < 0) {
        socket_drop_rights(&about); /* the message may be gone, with nowhere to put its bytes */
        return n;
    }
    uint32_t name_len = (uint32_t)about.from.len;
    if (socket_is_inet(s) && s->type == SOCK_STREAM)
        name_len = 0;
    if (m.name != 0 && name_len > 0) {
        uint32_t room = m.name_len < name_len ? m.name_len : name_len;
        if (task_write(t, m.name, about.from.bytes, room) != 0)
            n = -EFAULT;
    }
    if (n >= 0 && put_beside(t, s, &m, &about, flags) != 0)
        n = -EFAULT;
    socket_drop_rights(&about);
    if (m.name == 0)
        name_len = m.name_len;
    const uint64_t last[2] = {m.control_len, m.flags};
    if (n < 0 || task_write(t, addr + NAME_LEN_AT, &name_len, sizeof(name_len)) != 0 ||
        task_write(t, addr + CONTROL_LEN_AT, last, sizeof(last) - sizeof(uint32_t)) != 0)
        return -EFAULT;
    return n;
}

int64_t sys_sendmsg(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    return sys_socket_at(t, arg[0], &f, &error) != NULL ? send_one(t, f, arg[1], arg[2]) : error;
}

int64_t sys_recvmsg(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    return sys_socket_at(t, arg[0], &f, &error) != NULL ? receive_one(t, f, arg[1], arg[2]) : error;
}

/* ---- Many messages ---- */

/* When a call with a timeout is to end, on its first pass. 0, -EFAULT, -EINVAL. */
static int begin_time(struct task *t, uint64_t addr, const struct sys_messages *kind)
{
    struct timespec time;
    if (t->restart.end_ns != 0)
        return 0;
    if (kind->get_time(t, addr, &time) != 0)
        return -EFAULT;
    if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= NS_PER_S)
        return -EINVAL;
    const int64_t now_ns = kernel_monotonic_ns(t->kernel), most_s = (INT64_MAX - now_ns) / NS_PER_S;
    t->restart.end_ns =
        time.tv_sec < most_s ? now_ns + time.tv_sec * NS_PER_S + time.tv_nsec : INT64_MAX;
    return 0;
}

static int64_t time_left(const struct task *t)
{
    int64_t now_ns = kernel_monotonic_ns(t->kernel);
    return t->restart.end_ns > now_ns ? t->restart.end_ns - now_ns : 0;
}

/* Tells what is left of the time. */
static int64_t end_messages(struct task *t, uint64_t addr, const struct sys_messages *kind,
                            uint64_t count)
{
    const int64_t left_ns = time_left(t);
    const struct timespec left = {left_ns / NS_PER_S, left_ns % NS_PER_S};
    return count > 0 && kind->put_time(t, addr, &left) != 0 ? -EFAULT : (int64_t)count;
}

int64_t sys_each_message(struct task *t, const uint64_t arg[6], const struct sys_messages *kind)
{
    int error = 0;
    struct file *f = NULL;
    uint64_t count = (uint32_t)arg[2] < MESSAGES_MAX ? (uint32_t)arg[2] : MESSAGES_MAX;
    uint64_t flags = arg[3] & ~(uint64_t)MSG_WAITFORONE;
    const bool timed = kind->get_time != NULL && arg[4] != 0;
    bool late = false;
    if (timed)
        error = begin_time(t, arg[4], kind);
    if (error != 0 || sys_socket_at(t, arg[0], &f, &error) == NULL)
        return error;
    uint64_t i = t->restart.mark;
    while (i < count && !late) {
        uint64_t addr = arg[1] + i * kind->bytes;
        if (i > 0 && (arg[3] & MSG_WAITFORONE) != 0)
            flags |= MSG_DONTWAIT;
        int64_t n = kind->one(t, (const uint64_t[8]){arg[0], addr, flags});
        if (n == SYS_WAIT) {
            t->restart.mark = i;
            return n;
        }
        if (n >= 0 && task_write_u32(t, addr + kind->count_at, (uint32_t)n) != 0)
            n = -EFAULT;
        if (n < 0 && i == 0)
            return n;
        if (n < 0)
            break;
        late = timed && time_left(t) == 0;
        /* The next one begins at its beginning. */
        t->restart = (struct restart){.mark = i, .end_ns = t->restart.end_ns};
        i++;
    }
    return timed ? end_messages(t, arg[4], kind, i) : (int64_t)i;
}

enum { MMSG_BYTES = 64, MMSG_COUNT_AT = 56 };

int64_t sys_sendmmsg(struct task *t, const uint64_t arg[6])
{
    static const struct sys_messages kind = {
        .one = sys_sendmsg, .bytes = MMSG_BYTES, .count_at = MMSG_COUNT_AT};
    return sys_each_message(t, arg, &kind);
}

static int get_timeout(struct task *t, uint64_t addr, struct timespec *out)
{
    return task_read(t, addr, out, sizeof(*out));
}

static int put_timeout(struct task *t, uint64_t addr, const struct timespec *time)
{
    return task_write(t, addr, time, sizeof(*time));
}

int64_t sys_recvmmsg(struct task *t, const uint64_t arg[6])
{
    static const struct sys_messages kind = {sys_recvmsg, MMSG_BYTES, MMSG_COUNT_AT, get_timeout,
                                             put_timeout};
    return sys_each_message(t, arg, &kind);
}
