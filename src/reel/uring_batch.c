/* The turn's sends of the io_uring backend, gathered and submitted together. */
#include "reel/special.h"
#include "reel/uring.h"

#include <errno.h>

static void prepare(struct uring *u, struct uring_send *send, int index)
{
    const unsigned flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
    struct iovec *parts = u->parts + u->part_count;
    int count = reel_stream_gather(&send->stream->t, parts, URING_PARTS_EACH);
    int fd = send->stream->t.fd;
    for (int i = 0; i < count; i++)
        send->offered += (uint32_t)parts[i].iov_len;
    send->result = (int32_t)send->offered;
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
    struct uring *u = t->reactor->uring;
    if (!u || !t->made || t->dying || !t->writable || !t->pending || reel_special_is_next(t))
        return false;
    if (u->send_count == URING_ENTRIES)
        t->reactor->backend->submit(t->reactor);
    if (u != t->reactor->uring)
        return false; /* it has broken just now */
    u->sends[u->send_count++].stream = CONTAINER_OF(t, struct uring_stream, t);
    return true;
}

void reel_uring_prepare_sends(struct uring *u)
{
    for (int i = 0; i < u->send_count; i++) {
        struct uring_send *send = &u->sends[i];
        bool has_room = u->part_count + URING_PARTS_EACH <= URING_PARTS;
        send->offered = 0;
        send->sqe = has_room ? reel_uring_sqe(u) : NULL;
        send->place = u->ring.sq.sqe_tail - 1;
        if (send->sqe)
            prepare(u, send, i);
    }
}

void reel_uring_send_fell_short(struct uring *u, uint64_t index, int result)
{
    if (index < (uint64_t)u->send_count)
        u->sends[index].result = result;
}

static bool was_consumed(const struct uring *u, const struct uring_send *send)
{
    return send->sqe && (int32_t)(*u->ring.sq.khead - send->place) > 0;
}

void reel_uring_settle(struct uring *u)
{
    int count = u->send_count;
    u->send_count = u->part_count = 0;
    for (int i = 0; i < count; i++) {
        struct uring_send *send = &u->sends[i];
        if (was_consumed(u, send)) {
            reel_uring_sent(send->stream, send->result, send->offered);
            continue;
        }
        if (send->sqe) {
            io_uring_prep_nop(send->sqe);
            send->sqe->user_data = URING_NOTHING;
        }
        reel_stream_flush(&send->stream->t);
    }
}

void reel_uring_send_alone(struct uring *u)
{
    u->send_count = 0;
    reel_stream_flush(&u->sends[0].stream->t);
}
