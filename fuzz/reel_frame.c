/* Reaches src/reel/frame.c: the first byte says the kind, the rest comes from a peer. A frame that is
 * found lies in the bytes, is not found in fewer, and what is written for it is found again. */
#include "reel/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 300 };

static void check_whole(enum reel_frame_kind kind, const uint8_t *data, const struct frame *frame)
{
    struct frame again;
    uint8_t head[FRAME_HEAD_MAX];
    assert(frame->len <= MAX && frame->start + frame->len <= frame->taken);
    assert(reel_frame_next(kind, MAX, data, frame->taken, &again) == FRAME_WHOLE);
    assert(reel_frame_next(kind, MAX, data, frame->taken - 1, &again) == FRAME_MORE);
    int size = reel_frame_head(kind, (size_t)frame->len, head);
    assert(size >= 0 && (size_t)size == frame->start && memcmp(head, data, frame->start) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    enum reel_frame_kind kind = data[0] % (REEL_FRAME_NETSTRING + 1);
    size--;
    uint8_t *copy = malloc(size + 1); /* of this size, so that a read past the end is seen */
    if (!copy)
        return 0;
    memcpy(copy, data + 1, size);
    size_t at = 0;
    struct frame frame;
    enum frame_result result = FRAME_WHOLE;
    while (at < size && result == FRAME_WHOLE) {
        result = reel_frame_next(kind, MAX, copy + at, size - at, &frame);
        if (result == FRAME_WHOLE)
            check_whole(kind, copy + at, &frame);
        if (result == FRAME_TOO_LONG)
            assert(frame.len > MAX);
        if (result == FRAME_MORE)
            assert(size - at < MAX + FRAME_HEAD_MAX + 1);
        at += frame.taken;
    }
    free(copy);
    return 0;
}
