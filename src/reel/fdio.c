/* Transports over descriptors: sockets, and pipes in one direction. */
#include "reel/fdio.h"

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

static ssize_t fd_receive(struct reel_transport *t, uint8_t *data, size_t len)
{
    return result(t->is_socket ? recv(t->fd, data, len, 0) : read(t->fd, data, len));
}

static ssize_t fd_send(struct reel_transport *t, const struct iovec *parts, int count)
{
    if (!t->is_socket)
        return result(writev(t->fd, parts, count));
    if (count == 1)
        return result(send(t->fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL));
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
    return result(sendmsg(t->fd, &message, MSG_NOSIGNAL));
}

static void fd_shut(struct reel_transport *t)
{
    if (t->is_socket)
        shutdown(t->fd, SHUT_WR);
}

static void fd_close(struct reel_transport *t, bool reset)
{
    if (reset && t->is_socket) {
        const struct linger linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    /* Closing does not take it out of epoll while another process has it too. */
    t->reactor->backend->remove(t->reactor, t->fd, (struct source *)&t->io);
    close(t->fd);
    t->fd = -1;
}

static int fd_error(struct reel_transport *t)
{
    if (!t->is_socket)
        return -EPIPE;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}

static void on_events(void *source, uint32_t events)
{
    struct reel_transport *t = CONTAINER_OF(source, struct reel_transport, io);
    reel_stream_events(t, events); /* while it is connecting, this only notes them */
    if (!t->connecting || t->dying || !(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
        return;
    int err = fd_error(t);
    if (err < 0)
        reel_stream_die(t, err);
    else if (events & EPOLLOUT)
        reel_stream_make(t);
}

static const struct stream_io fd_io = {
    .source = {on_events},
    .size = sizeof(struct reel_transport),
    .short_is_all = true,
    .receive = fd_receive,
    .send = fd_send,
    .shut = fd_shut,
    .close = fd_close,
    .error = fd_error,
};

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

int reel_fd_stream_new(struct reel_reactor *r, int fd, bool is_socket, bool connecting,
                       const struct reel_factory *factory, struct reel_transport **out)
{
    if (r->ending)
        return -ECANCELED;
    struct reel_transport *t = reel_stream_new(r, &fd_io, factory);
    if (!t)
        return -ENOMEM;
    t->fd = fd;
    t->is_socket = is_socket;
    t->connecting = connecting;
    t->writable = !connecting;
    int err =
        r->backend->add(r, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, (struct source *)&t->io);
    if (err < 0) {
        reel_stream_discard(t);
        return err;
    }
    *out = t;
    return 0;
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

int reel_stream_adopt(struct reel_reactor *r, int fd, const struct reel_factory *factory,
                      struct reel_transport **out)
{
    struct stat status;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    struct reel_transport *t = NULL;
    int err = reel_fd_stream_new(r, fd, S_ISSOCK(status.st_mode), false, factory, &t);
    if (err < 0)
        return err;
    set_directions(t, flags & O_ACCMODE);
    struct reel_address peer = {.length = sizeof(peer.storage)};
    if (t->is_socket && getpeername(fd, (struct sockaddr *)&peer.storage, &peer.length) == 0)
        reel_fd_set_peer(t, &peer);
    reel_stream_start(t);
    if (out)
        *out = t;
    return 0;
}
