/* Transports over descriptors: sockets, and pipes in one direction. */
#include "reel/fdio.h"

#include "reel/filters.h"
#include "reel/special.h"

#include <reel/descriptor.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t result(ssize_t n)
{
    return n < 0 ? -errno : n;
}

ssize_t reel_fd_receive(struct reel_transport *t, uint8_t *data, size_t len)
{
    if (t->is_socket)
        return result(recv(t->fd, data, len, 0));
    ssize_t n = read(t->fd, data, len);
    if (n == 0 || (n < 0 && errno == EIO)) { /* a terminal that hung up has ended both ways */
        t->shut = t->no_write = true;
        return 0;
    }
    return result(n);
}

ssize_t reel_fd_send(struct reel_transport *t, const struct iovec *parts, int count)
{
    if (!t->is_socket)
        return result(writev(t->fd, parts, count));
    if (count == 1)
        return result(send(t->fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL));
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
    return result(sendmsg(t->fd, &message, MSG_NOSIGNAL));
}

void reel_fd_shut(struct reel_transport *t)
{
    if (t->is_socket)
        shutdown(t->fd, SHUT_WR);
}

void reel_fd_set_reset(struct reel_transport *t)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (t->is_socket)
        setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void fd_close(struct reel_transport *t, bool reset)
{
    if (t->fd < 0)
        return; /* never connected */
    if (reset)
        reel_fd_set_reset(t);
    /* Closing does not take it out of epoll while another process has it too. */
    t->reactor->backend->remove(t->reactor, t->fd, (struct source *)&t->io);
    close(t->fd);
    t->fd = -1;
}

int reel_fd_error(struct reel_transport *t)
{
    if (!t->is_socket)
        return -EPIPE;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}

void reel_fd_events(struct reel_transport *t, uint32_t events)
{
    reel_stream_events(t, events); /* while it is connecting, this only notes them */
    if (!t->connecting || t->dying || !(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
        return;
    int err = reel_fd_error(t);
    if (err < 0)
        reel_stream_die(t, err);
    else if (events & EPOLLOUT)
        reel_stream_make(t);
}

static void on_events(void *source, uint32_t events)
{
    reel_fd_events(CONTAINER_OF(source, struct reel_transport, io), events);
}

static int fd_open(struct reel_transport *t)
{
    return t->reactor->backend->add(t->reactor, t->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    (struct source *)&t->io);
}

static ssize_t fd_direct(struct reel_transport *t,
                         ssize_t (*call)(struct reel_transport *t, void *context), void *context)
{
    return call(t, context);
}

/* ---- Unix sockets ---- */

/* One that is writable says so again each time that its peer reads, not as TCP does only after it was
 * full. So EPOLLOUT is asked for while it is full alone: else each read of a peer would wake us up. */
static uint32_t unix_events(const struct reel_transport *t)
{
    return EPOLLIN | EPOLLRDHUP | EPOLLET | (t->asks_out ? EPOLLOUT : 0);
}

static int unix_open(struct reel_transport *t)
{
    t->asks_out = t->connecting;
    return t->reactor->backend->add(t->reactor, t->fd, unix_events(t), (struct source *)&t->io);
}

/* After a send. Should it be writable again already, the change is answered with an event. */
static ssize_t unix_sent(struct reel_transport *t, ssize_t n)
{
    bool is_full = n == -EAGAIN;
    if (is_full == t->asks_out)
        return n;
    t->asks_out = is_full;
    int err =
        t->reactor->backend->change(t->reactor, t->fd, unix_events(t), (struct source *)&t->io);
    return err < 0 ? err : n;
}

static ssize_t unix_send(struct reel_transport *t, const struct iovec *parts, int count)
{
    return unix_sent(t, reel_fd_send(t, parts, count));
}

static ssize_t unix_direct(struct reel_transport *t,
                           ssize_t (*call)(struct reel_transport *t, void *context), void *context)
{
    return unix_sent(t, call(t, context));
}

/* Descriptors come before the bytes that they were sent with; without room for them
 * the kernel closes them. They end a read early, so from the first one on a short read says nothing
 * of what is left. */
static ssize_t unix_receive(struct reel_transport *t, uint8_t *data, size_t len)
{
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(REEL_DESCRIPTORS_MAX * sizeof(int))];
    bool takes = t->protocol->descriptor != NULL;
    struct iovec part = {data, len};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = takes ? control : NULL,
                             .msg_controllen = takes ? sizeof(control) : 0};
    ssize_t n = recvmsg(t->fd, &message, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    if (message.msg_controllen || (message.msg_flags & MSG_CTRUNC))
        t->peer_shut = true;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
            reel_special_received(t, CMSG_DATA(header),
                                  (header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    return n;
}

static const struct stream_io fd_io = {
    .source = {on_events},
    .size = sizeof(struct reel_transport),
    .short_is_all = true,
    .open = fd_open,
    .receive = reel_fd_receive,
    .send = reel_fd_send,
    .shut = reel_fd_shut,
    .close = fd_close,
    .error = reel_fd_error,
    .direct = fd_direct,
};

static const struct stream_io unix_io = {
    .source = {on_events},
    .size = sizeof(struct reel_transport),
    .short_is_all = true,
    .open = unix_open,
    .receive = unix_receive,
    .send = unix_send,
    .shut = reel_fd_shut,
    .close = fd_close,
    .error = reel_fd_error,
    .direct = unix_direct,
};

int reel_fd_bind_device(int fd, const char *device_z)
{
    socklen_t len = (socklen_t)strlen(device_z) + 1;
    return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device_z, len) < 0 ? -errno : 0;
}

void reel_fd_set_peer(struct reel_transport *t, const struct reel_address *peer)
{
    if (peer->storage.ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, &peer->storage, sizeof(v4));
        t->peer_port = ntohs(v4.sin_port);
        memcpy(t->peer_address, &v4.sin_addr, sizeof(v4.sin_addr));
        t->peer_family = AF_INET;
    } else if (peer->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &peer->storage, sizeof(v6));
        t->peer_port = ntohs(v6.sin6_port);
        t->peer_scope = v6.sin6_scope_id;
        memcpy(t->peer_address, &v6.sin6_addr, sizeof(v6.sin6_addr));
        t->peer_family = AF_INET6;
    }
}

/* Filters come before the first registration: one that refuses leaves nothing behind. */
static int attach_filters(struct reel_transport *t, const struct fd_birth *birth)
{
    if (birth->accepted && (birth->filters || birth->factory->filters))
        return reel_filters_attach(t, birth->filters);
    return birth->filters ? reel_filters_add(t, birth->filters) : 0;
}

int reel_stream_born(struct reel_reactor *r, const struct stream_io *io,
                     const struct fd_birth *birth, struct reel_transport **out)
{
    if (r->ending)
        return -ECANCELED;
    struct reel_transport *t = reel_stream_new(r, io, birth->factory);
    if (!t)
        return -ENOMEM;
    t->fd = birth->fd;
    t->is_socket = birth->fd >= 0;
    t->connecting = birth->connecting;
    t->writable = !birth->connecting;
    if (birth->peer)
        reel_fd_set_peer(t, birth->peer);
    int err = attach_filters(t, birth);
    if (err == 0 && io->open && t->fd >= 0)
        err = io->open(t);
    if (err < 0) {
        reel_stream_discard(t);
        return err;
    }
    *out = t;
    return 0;
}

int reel_fd_stream_connected(struct reel_transport *t, int fd, const struct reel_address *peer)
{
    t->fd = fd;
    t->is_socket = true;
    reel_fd_set_peer(t, peer);
    int err = reel_filters_bottom(t)->open(t);
    if (err < 0)
        t->fd = -1;
    return err;
}

/* A ring of the kernel's receives bytes, and nothing else. */
static const struct stream_io *socket_io(const struct reel_reactor *r, int family,
                                         const struct reel_factory *factory)
{
    const struct stream_io *io = r->backend->socket_io;
    if (family == AF_UNIX && (!io || factory->protocol->descriptor))
        return &unix_io;
    return io ? io : &fd_io;
}

int reel_fd_stream_new(struct reel_reactor *r, const struct fd_birth *birth,
                       struct reel_transport **out)
{
    int family = birth->peer ? birth->peer->storage.ss_family : AF_UNSPEC;
    return reel_stream_born(r, socket_io(r, family, birth->factory), birth, out);
}

static bool is_stream_socket(int fd, int *family)
{
    int type = 0;
    socklen_t len = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_DOMAIN, family, &len) == 0;
}

static void set_directions(struct reel_transport *t, int access)
{
    t->readable = true; /* unknown: the first read says */
    if (t->is_socket)
        return;
    if (access == O_RDONLY)
        t->no_write = t->shut = true;
    if (access == O_WRONLY) {
        t->eof = true;
        t->readable = false;
    }
}

int reel_fd_stream_prepare(struct reel_reactor *r, int fd, const struct reel_factory *factory,
                           struct reel_transport **out)
{
    struct stat status;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    struct reel_transport *t = NULL;
    int family = AF_UNSPEC;
    bool stream = is_stream_socket(fd, &family);
    const struct stream_io *io = stream ? socket_io(r, family, factory) : &fd_io;
    int err = reel_stream_born(r, io, &(struct fd_birth){.fd = fd, .factory = factory}, &t);
    if (err < 0)
        return err;
    t->is_socket = S_ISSOCK(status.st_mode);
    set_directions(t, flags & O_ACCMODE);
    struct reel_address peer = {.length = sizeof(peer.storage)};
    if (t->is_socket && getpeername(fd, (struct sockaddr *)&peer.storage, &peer.length) == 0)
        reel_fd_set_peer(t, &peer);
    *out = t;
    return 0;
}

void reel_fd_stream_undo(struct reel_transport *t)
{
    reel_filters_discard(t);
    t->io->close(t, false);
    reel_stream_discard(t);
}

int reel_stream_adopt(struct reel_reactor *r, int fd, const struct reel_factory *factory,
                      struct reel_transport **out)
{
    struct reel_transport *t = NULL;
    int err = reel_fd_stream_prepare(r, fd, factory, &t);
    if (!t)
        return err;
    reel_stream_start(t);
    if (out)
        *out = t;
    return 0;
}
