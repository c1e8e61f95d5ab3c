#include "reel/special.h"

#include <reel/descriptor.h>
#include <reel/producer.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FILE_TURN_BYTES = 1024 * 1024, /* of one connection, before the others have theirs */
    FILE_COPY_BYTES = 16 * 1024,
    FOLLOWING_MAX = 8, /* chunks behind a descriptor's that go with it */
};

static struct chunk *first_of(const struct reel_transport *t)
{
    return t->output->next;
}

/* ---- Descriptors ---- */

struct descriptor_call {
    struct iovec parts[FOLLOWING_MAX];
    int count, fd;
};

static ssize_t send_with_descriptor(struct reel_transport *t, void *context)
{
    struct descriptor_call *call = context;
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr message = {.msg_iov = call->parts,
                             .msg_iovlen = (size_t)call->count,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_len = CMSG_LEN(sizeof(int));
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(header), &call->fd, sizeof(int));
    ssize_t n = sendmsg(t->fd, &message, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static int send_descriptor(struct reel_transport *t)
{
    struct chunk *first = first_of(t), *chunk = first;
    struct descriptor_call call = {.fd = reel_chunk_descriptor(first)};
    do {
        call.parts[call.count++] =
            (struct iovec){chunk->data + chunk->start, chunk->end - chunk->start};
        chunk = chunk == t->output ? NULL : chunk->next;
    } while (chunk && chunk->kind == CHUNK_BYTES && call.count < FOLLOWING_MAX);
    ssize_t n = t->io->direct ? t->io->direct(t, send_with_descriptor, &call) : -EOPNOTSUPP;
    if (n < 0)
        return n == -EINTR ? 0 : (int)n;
    reel_chunk_drop_descriptor(first);
    t->extra->fds_queued--;
    reel_stream_took(t, (size_t)n);
    return 0;
}

int reel_send_fd(struct reel_transport *t, int fd, const void *data, size_t len)
{
    int family = 0;
    socklen_t size = sizeof(family);
    if (!t->is_socket || !t->io->direct ||
        getsockopt(t->fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 || family != AF_UNIX)
        return -EOPNOTSUPP;
    if (len == 0)
        return -EINVAL;
    if (t->closing || t->shutting || t->dying)
        return -EPIPE;
    struct stream_extra *extra = reel_stream_extra(t);
    if (!extra)
        return -ENOMEM;
    if (len > reel_write_room(t) || extra->fds_queued >= REEL_DESCRIPTORS_QUEUE_MAX)
        return -ENOBUFS;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return -errno;
    int err = reel_chain_put_descriptor(t->reactor, &t->output, own, data, len);
    if (err < 0) {
        close(own);
        return err;
    }
    extra->fds_queued++;
    reel_stream_queued(t, len);
    return 0;
}

void reel_special_received(struct reel_transport *t, const uint8_t *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int fd = -1;
        memcpy(&fd, fds + i * sizeof(fd), sizeof(fd));
        if (t->made && !t->closing && !t->dying && t->protocol->descriptor)
            t->protocol->descriptor(t, fd);
        else
            close(fd);
    }
}

int reel_peer_credentials(const struct reel_transport *t, struct reel_credentials *out)
{
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    int family = 0;
    socklen_t size = sizeof(family);
    *out = (struct reel_credentials){0};
    if (!t->is_socket || getsockopt(t->fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 ||
        family != AF_UNIX)
        return -EOPNOTSUPP;
    if (getsockopt(t->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return -errno;
    *out = (struct reel_credentials){peer.pid, peer.uid, peer.gid};
    return 0;
}

/* ---- Files ---- */

static ssize_t send_by_kernel(struct reel_transport *t, void *context)
{
    struct reel_file_piece *piece = context;
    off_t offset = piece->offset;
    size_t len = piece->len < FILE_TURN_BYTES ? (size_t)piece->len : FILE_TURN_BYTES;
    ssize_t n = sendfile(t->fd, piece->fd, &offset, len);
    return n < 0 ? -errno : n;
}

/* Through filters, to pipes, on wires in memory: what is not taken is read again later. */
static ssize_t send_by_copy(struct reel_transport *t, struct reel_file_piece *piece)
{
    uint8_t bytes[FILE_COPY_BYTES];
    size_t len = piece->len < sizeof(bytes) ? (size_t)piece->len : sizeof(bytes);
    ssize_t n = pread(piece->fd, bytes, len, piece->offset);
    if (n < 0 && errno != EAGAIN)
        return errno == EINTR ? -EINTR : -EIO;
    if (n <= 0)
        return 0;
    struct iovec part = {bytes, (size_t)n};
    ssize_t sent = t->io->send(t, &part, 1);
    return sent == 0 ? -EAGAIN : sent;
}

static ssize_t send_some(struct reel_transport *t, struct reel_file_piece *piece)
{
    if (!reel_special_has_sendfile(t))
        return send_by_copy(t, piece);
    ssize_t n = t->io->direct(t, send_by_kernel, piece);
    return n == -EINVAL || n == -ENOSYS || n == -EOVERFLOW ? send_by_copy(t, piece) : n;
}

static void piece_done(struct reel_transport *t, struct reel_file_piece *piece, int result)
{
    piece->result = result;
    piece->next = t->extra->done;
    t->extra->done = piece;
    reel_stream_ready(t);
}

/* A peer that takes what it is sent is not a closing one that has to be given up. */
static void note_progress(struct reel_transport *t)
{
    struct stream_extra *extra = t->extra;
    if (t->closing && reel_timer_is_active(&extra->timer))
        reel_timer_start(&extra->timer, t->factory->options.linger_ns
                                            ? t->factory->options.linger_ns
                                            : REEL_LINGER_DEFAULT_NS);
    else if (!t->closing && extra->idle_ns)
        reel_timer_start(&extra->timer, extra->idle_ns);
}

static int send_file(struct reel_transport *t)
{
    struct reel_file_piece *piece = (struct reel_file_piece *)(void *)first_of(t)->data;
    size_t budget = FILE_TURN_BYTES;
    while (piece->len && budget) {
        ssize_t n = send_some(t, piece);
        if (n == -EINTR)
            continue;
        if (n < 0)
            return (int)n;
        if (n == 0)
            return -EIO; /* the file is shorter than was said */
        piece->offset += n;
        piece->len -= (uint64_t)n;
        budget -= (size_t)n < budget ? (size_t)n : budget;
        note_progress(t);
    }
    if (piece->len == 0) {
        reel_stream_took(t, 1);
        piece_done(t, piece, 0);
    } else {
        t->had_turn = true;
        reel_stream_ready(t);
    }
    return 0;
}

int reel_send_file(struct reel_transport *t, struct reel_file_piece *piece, int fd, off_t offset,
                   uint64_t len)
{
    if (t->closing || t->shutting || t->dying || t->no_write)
        return -EPIPE;
    if (len == 0 || offset < 0)
        return -EINVAL;
    if (fcntl(fd, F_GETFD) < 0)
        return -errno;
    if (!reel_stream_extra(t))
        return -ENOMEM;
    piece->fd = fd;
    piece->offset = offset;
    piece->len = len;
    int err = reel_chain_put_file(t->reactor, &t->output, piece);
    if (err == 0)
        reel_stream_queued(t, 1);
    return err;
}

bool reel_special_waits(const struct reel_transport *t)
{
    const struct chunk *chunk = t->extra && t->output ? t->output->next : NULL;
    while (chunk && chunk->kind == CHUNK_BYTES)
        chunk = chunk == t->output ? NULL : chunk->next;
    return chunk != NULL;
}

int reel_special_send(struct reel_transport *t)
{
    return first_of(t)->kind == CHUNK_FILE ? send_file(t) : send_descriptor(t);
}

/* ---- What is told ---- */

static void tell_pieces(struct reel_transport *t)
{
    struct reel_file_piece *newest = t->extra->done, *oldest = NULL;
    t->extra->done = NULL;
    while (newest) {
        struct reel_file_piece *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct reel_file_piece *next = oldest->next; /* it is the caller's then */
        if (oldest->done)
            oldest->done(oldest, oldest->result);
        oldest = next;
    }
}

static bool may_produce(const struct reel_transport *t)
{
    return t->made && !t->closing && !t->shutting && !t->dying;
}

void reel_special_tell(struct reel_transport *t)
{
    if (t->extra->done)
        tell_pieces(t);
    struct reel_producer *producer = t->extra->producer;
    if (!producer || !producer->pull || !may_produce(t) || t->pending > reel_stream_queue_low(t))
        return;
    producer->resume(producer);
    if (t->extra->producer == producer && !t->dying)
        reel_stream_unsent(t); /* asked again after the flush */
}

void reel_special_end(struct reel_transport *t, int reason)
{
    if (!t->extra)
        return;
    struct chunk *chunk = t->output ? t->output->next : NULL;
    for (; chunk; chunk = chunk == t->output ? NULL : chunk->next) {
        if (chunk->kind != CHUNK_FILE)
            continue;
        chunk->kind = CHUNK_BYTES; /* told once; the chain is cleared after this */
        piece_done(t, (struct reel_file_piece *)(void *)chunk->data, reason);
    }
}

void reel_special_bury(struct reel_transport *t)
{
    reel_special_end(t, t->reason ? t->reason : -EPIPE);
    tell_pieces(t);
    struct reel_producer *producer = t->extra->producer;
    if (!producer)
        return;
    t->extra->producer = NULL;
    producer->transport = NULL;
    if (producer->stop)
        producer->stop(producer);
}

/* ---- Producers ---- */

int reel_producer_register(struct reel_transport *t, struct reel_producer *producer)
{
    if (t->closing || t->shutting || t->dying || t->no_write)
        return -EPIPE;
    struct stream_extra *extra = reel_stream_extra(t);
    if (!extra)
        return -ENOMEM;
    if (extra->producer)
        return -EBUSY;
    extra->producer = producer;
    producer->transport = t;
    reel_stream_ready(t);
    return 0;
}

void reel_producer_unregister(struct reel_producer *producer)
{
    struct reel_transport *t = producer->transport;
    if (t)
        t->extra->producer = NULL;
    producer->transport = NULL;
}

void reel_producer_tell(struct reel_transport *t, bool resume)
{
    struct reel_producer *producer = t->extra ? t->extra->producer : NULL;
    if (!producer || producer->pull || !may_produce(t))
        return;
    if (resume && producer->resume)
        producer->resume(producer);
    else if (!resume && producer->pause)
        producer->pause(producer);
}

void reel_producer_flushed(struct reel_transport *t)
{
    if (t->extra->producer->pull && t->pending <= reel_stream_queue_low(t))
        reel_stream_ready(t);
}
