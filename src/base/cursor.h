/* A cursor reads a message in the order its specification lists the fields. A read past the end
 * gives zeros and marks the cursor; the caller checks once, at the end, with cursor_end. */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include "base/span.h"

struct cursor {
    struct span rest; /* what is not read yet */
    bool failed;      /* a read went past the end */
};

struct cursor cursor_of(struct span s);

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c); /* big-endian, as all of these */
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);

/* The next `n` bytes, borrowed from the message. */
struct span cursor_bytes(struct cursor *c, size_t n);

/* A 32-bit length and that many bytes (RFC 4251, section 5, "string"). */
struct span cursor_string(struct cursor *c);

/* Everything that is left. */
struct span cursor_rest(struct cursor *c);

/* 0 when every field was there and nothing is left; ERR_TRUNCATED, ERR_TRAILING. */
int cursor_end(const struct cursor *c);

#endif
