/* Protocols of whole messages: a length in one, two or four bytes before each, or netstrings.
 * Twisted's Int8StringReceiver, Int16StringReceiver, Int32StringReceiver, NetstringReceiver.
 *
 *     static void query(struct reel_transport *t, const uint8_t *frame, size_t len)
 *     {
 *         reel_frame_write(t, frame, len);
 *     }
 *
 *     static const struct reel_frame_protocol queries = {
 *         .protocol = {.name_z = "queries", .data = reel_frame_data},
 *         .kind = REEL_FRAME_INT16,
 *         .frame = query,
 *     };
 *     static const struct reel_factory factory = {.protocol = &queries.protocol};
 *
 * Frames are handed out where they were read; only one that came in pieces is joined. While more
 * than the high watermark waits to be sent, no more frames are handed out. */
#ifndef REEL_FRAMING_H
#define REEL_FRAMING_H

#include <reel/protocol.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum reel_frame_kind {
    REEL_FRAME_INT8,      /* one byte of length, 0 to 255 */
    REEL_FRAME_INT16,     /* two, most significant first */
    REEL_FRAME_INT32,     /* four, most significant first */
    REEL_FRAME_INT16_LE,  /* two, least significant first */
    REEL_FRAME_INT32_LE,  /* four, least significant first */
    REEL_FRAME_NETSTRING, /* "5:hello,": cr.yp.to/proto/netstrings.txt */
};

/* `protocol` comes first and has .data = reel_frame_data; the rest of it is as in any protocol, and
 * it needs no state. Zero fields take the defaults. */
struct reel_frame_protocol {
    struct reel_protocol protocol;
    enum reel_frame_kind kind;
    size_t frame_max; /* longest frame that is taken; 0: REEL_FRAME_MAX_DEFAULT */

    /* A frame without its length, borrowed for the call; `len` may be 0. Pausing and closing take
     * effect behind it. */
    void (*frame)(struct reel_transport *t, const uint8_t *frame, size_t len);

    /* The peer announced a frame of `len` bytes, more than the maximum; at least so many, for a
     * netstring whose length has too many digits. It is told before any of it is kept. Then the
     * connection is closed in order, so that a last word may be written. NULL: it is
     * lost(-EMSGSIZE). */
    void (*too_long)(struct reel_transport *t, uint64_t len);

    /* What came is no netstring. Then the connection is closed in order. NULL: lost(-EPROTO). */
    void (*bad)(struct reel_transport *t);
};

#define REEL_FRAME_MAX_DEFAULT ((size_t)99999)

/* For `.protocol.data`. */
size_t reel_frame_data(struct reel_transport *t, const uint8_t *data, size_t len);

/* Writes a frame of the kind of the connection's protocol. All or nothing, as reel_write; -EMSGSIZE:
 * its length does not fit in front of it. */
int reel_frame_write(struct reel_transport *t, const void *data, size_t len);

#ifdef __cplusplus
}
#endif

#endif
