/* Frames with a length in front: where they begin and end. Pure. */
#ifndef REEL_FRAME_H
#define REEL_FRAME_H

#include <reel/framing.h>

#include <stddef.h>
#include <stdint.h>

enum frame_result {
    FRAME_MORE,     /* not whole */
    FRAME_WHOLE,    /* `len` bytes at `start`, `taken` with what is around them */
    FRAME_TOO_LONG, /* of `len` bytes, as announced */
    FRAME_BAD,      /* netstrings: no length, or no comma */
};

struct frame {
    size_t start, taken;
    uint64_t len;
};

/* Looks at the first frame in some bytes, which begin where the last one ended. */
enum frame_result reel_frame_next(enum reel_frame_kind kind, size_t max, const uint8_t *data,
                                  size_t len, struct frame *out);

enum { FRAME_HEAD_MAX = 21 }; /* a netstring's length and its colon */

/* Writes the length in front of a frame. Its size, or -EMSGSIZE. */
int reel_frame_head(enum reel_frame_kind kind, size_t len, uint8_t out[FRAME_HEAD_MAX]);

#endif
