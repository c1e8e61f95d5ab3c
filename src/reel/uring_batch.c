/* The turn's sends of the io_uring backend, gathered and submitted together. */
#include "reel/uring.h"

#include <errno.h>

static void prepare(struct uring *u, struct uring_send *send, int index, struct iovec *parts,
                    int count)
{
    const unsigned flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
    int fd = send->stream->t.fd;
    if (count == 1) {
        io_uring_prep_send(send->sqe, fd, parts[0].iov_base, parts[0].iov_len, (int)flags);
    } else {
        u->messages[index] = (struct msghdr){.msg_iov = parts, .msg_iovlen = (size_t)count};
        io_uring_prep_sendmsg(send->sqe, fd, &u->messages[index], flags);
        u->part_count += count;
    }
    send->sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    send->sqe->user_data = (uint64_t)(unsigned)index << 3 | URING_SEND;
}

bool reel_uring_batch(struct reel_transport *t)
{
    struct uring_stream *s = CONTAINER_OF(t, struct uring_stream, t);
    struct uring *u = t->reactor->uring;
    if (!u || !u->memory || !t->made || t->dying || !t->writable || !t->pending)
        return false;
    if (u->send_count == URING_ENTRIES || u->part_count + URING_PARTS_EACH > URING_PARTS)
        t->reactor->backend->submit(t->reactor);
    struct io_uring_sqe *sqe = u->memory ? reel_uring_sqe(u) : NULL;
    if (!sqe)
        return false;
    int index = u->send_count++;
    struct iovec *parts = u->parts + u->part_count;
    int count = reel_stream_gather(t, parts, URING_PARTS_EACH);
    size_t offered = 0;
    for (int i = 0; i < count; i++)
        offered += parts[i].iov_len;
    struct uring_send *send = &u->sends[index];
    *send =
        (struct uring_send){s, sqe, u->ring.sq.sqe_tail - 1, (uint32_t)offered, (int32_t)offered};
    prepare(u, send, index, parts, count);
    return true;
}

void reel_uring_send_fell_short(struct uring *u, uint64_t index, int result)
{
    if (index < (uint64_t)u->send_count)
        u->sends[index].result = result;
}

static bool was_consumed(const struct uring *u, const struct uring_send *send)
{
    return (int32_t)(*u->ring.sq.khead - send->place) > 0;
}

void reel_uring_settle(struct uring *u)
{
    int count = u->send_count;
    u->send_count = u->part_count = 0;
    for (int i = 0; i < count; i++) {
        struct uring_send *send = &u->sends[i];
        struct reel_transport *t = &send->stream->t;
        if (was_consumed(u, send)) {
            reel_uring_sent(send->stream, send->result, send->offered);
        } else {
            io_uring_prep_nop(send->sqe);
            send->sqe->user_data = URING_NOTHING;
            reel_stream_flush(t);
        }
    }
}
