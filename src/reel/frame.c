#include "reel/frame.h"

#include <errno.h>
#include <stdbool.h>

/* Of each kind but netstrings: bytes of length, and where they begin to count. */
static const struct {
    uint8_t size;
    bool little;
} heads[] = {
    [REEL_FRAME_INT8] = {1, false},    [REEL_FRAME_INT16] = {2, false},
    [REEL_FRAME_INT32] = {4, false},   [REEL_FRAME_INT16_LE] = {2, true},
    [REEL_FRAME_INT32_LE] = {4, true},
};

static enum frame_result number_head(enum reel_frame_kind kind, const uint8_t *data, size_t len,
                                     struct frame *out)
{
    size_t size = heads[kind].size;
    if (len < size)
        return FRAME_MORE;
    for (size_t i = 0; i < size; i++)
        out->len = out->len << 8 | data[heads[kind].little ? size - 1 - i : i];
    out->start = size;
    return FRAME_WHOLE;
}

/* Digits without leading zeros, then a colon. More digits than a length over the maximum can have
 * are not waited for. */
static enum frame_result netstring_head(size_t max, const uint8_t *data, size_t len,
                                        struct frame *out)
{
    size_t at = 0;
    for (; at < len && data[at] >= '0' && data[at] <= '9'; at++) {
        if (at > 0 && data[0] == '0')
            return FRAME_BAD;
        out->len = out->len * 10 + (uint64_t)(data[at] - '0');
        if (out->len > max && out->len > UINT32_MAX)
            return FRAME_TOO_LONG;
    }
    if (at == len)
        return FRAME_MORE;
    out->start = at + 1;
    return at > 0 && data[at] == ':' ? FRAME_WHOLE : FRAME_BAD;
}

enum frame_result reel_frame_next(enum reel_frame_kind kind, size_t max, const uint8_t *data,
                                  size_t len, struct frame *out)
{
    *out = (struct frame){0};
    const bool is_netstring = kind == REEL_FRAME_NETSTRING;
    enum frame_result result =
        is_netstring ? netstring_head(max, data, len, out) : number_head(kind, data, len, out);
    if (result != FRAME_WHOLE)
        return result;
    if (out->len > max)
        return FRAME_TOO_LONG;
    size_t end = out->start + (size_t)out->len;
    out->taken = end + is_netstring;
    if (is_netstring && end < len && data[end] != ',')
        return FRAME_BAD;
    return out->taken <= len ? FRAME_WHOLE : FRAME_MORE;
}

static int netstring_head_write(size_t len, uint8_t out[FRAME_HEAD_MAX])
{
    uint8_t digits[FRAME_HEAD_MAX];
    int count = 0, size = 0;
    do {
        digits[count++] = (uint8_t)('0' + len % 10);
        len /= 10;
    } while (len);
    while (count)
        out[size++] = digits[--count];
    out[size++] = ':';
    return size;
}

int reel_frame_head(enum reel_frame_kind kind, size_t len, uint8_t out[FRAME_HEAD_MAX])
{
    if (kind == REEL_FRAME_NETSTRING)
        return netstring_head_write(len, out);
    int size = heads[kind].size;
    if ((uint64_t)len >> (8 * size))
        return -EMSGSIZE;
    for (int i = 0; i < size; i++) {
        out[heads[kind].little ? i : size - 1 - i] = (uint8_t)len;
        len >>= 8;
    }
    return size;
}
