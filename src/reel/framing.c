#include <reel/framing.h>

#include "reel/frame.h"
#include "reel/list.h"

#include <reel/transport.h>

#include <errno.h>

static const struct reel_frame_protocol *protocol_of(const struct reel_transport *t)
{
    return CONTAINER_OF(reel_protocol_of(t), struct reel_frame_protocol, protocol);
}

static void refuse(struct reel_transport *t, enum frame_result result, uint64_t len)
{
    const struct reel_frame_protocol *p = protocol_of(t);
    if (result == FRAME_TOO_LONG && p->too_long)
        p->too_long(t, len);
    else if (result == FRAME_BAD && p->bad)
        p->bad(t);
    else
        reel_abort_as(t, result == FRAME_BAD ? -EPROTO : -EMSGSIZE);
    reel_close(t);
}

size_t reel_frame_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    const struct reel_frame_protocol *p = protocol_of(t);
    const size_t max = p->frame_max ? p->frame_max : REEL_FRAME_MAX_DEFAULT;
    size_t at = 0;
    while (at < len && reel_may_go_on(t) && reel_protocol_of(t) == &p->protocol) {
        struct frame frame;
        enum frame_result result = reel_frame_next(p->kind, max, data + at, len - at, &frame);
        if (result == FRAME_MORE) {
            reel_need_more(t, max + FRAME_HEAD_MAX + 1);
            break;
        }
        if (result != FRAME_WHOLE) {
            refuse(t, result, frame.len);
            break;
        }
        if (p->frame)
            p->frame(t, data + at + frame.start, (size_t)frame.len);
        at += frame.taken;
    }
    return at;
}

int reel_frame_write(struct reel_transport *t, const void *data, size_t len)
{
    uint8_t head[FRAME_HEAD_MAX];
    int size = reel_frame_head(protocol_of(t)->kind, len, head);
    if (size < 0)
        return size;
    const struct iovec parts[] = {{head, (size_t)size}, {(void *)data, len}, {(void *)",", 1}};
    return reel_writev(t, parts, protocol_of(t)->kind == REEL_FRAME_NETSTRING ? 3 : 2);
}
