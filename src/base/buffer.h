/* A growing byte queue with a hard maximum: bytes are put at the end and taken from the front.
 * An error sticks nowhere: a put that does not fit changes nothing and says so. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/span.h"

#include <stdarg.h>

struct buffer {
    uint8_t *data;
    size_t start; /* first live byte */
    size_t end;   /* one past the last live byte */
    size_t cap;
    size_t max; /* live bytes never exceed this */
};

/* An empty buffer that will hold at most `max` bytes. Allocates nothing. */
void buffer_init(struct buffer *b, size_t max);

/* Frees the memory; the buffer is empty and may be used again. */
void buffer_fini(struct buffer *b);

/* Like buffer_fini, and overwrites the memory first: for secrets. A buffer of secrets must be
 * reserved in full before use, for growth leaves copies behind. */
void buffer_wipe(struct buffer *b);

static inline size_t buffer_len(const struct buffer *b)
{
    return b->end - b->start;
}

/* How many more bytes fit below the maximum. */
static inline size_t buffer_room(const struct buffer *b)
{
    return b->max - buffer_len(b);
}

/* The live bytes; borrowed until the next call that changes the buffer. */
static inline struct span buffer_span(const struct buffer *b)
{
    return b->data ? span_of(b->data + b->start, buffer_len(b)) : span_of(NULL, 0);
}

/* buffer_put when memory must be made or moved. */
int buffer_put_slowly(struct buffer *b, struct span bytes);

/* Appends. 0, ERR_FULL (would pass the maximum) or ERR_NOMEM. */
static inline int buffer_put(struct buffer *b, struct span bytes)
{
    if (bytes.len == 0)
        return 0;
    if (bytes.len > b->cap - b->end)
        return buffer_put_slowly(b, bytes);
    memcpy(b->data + b->end, bytes.data, bytes.len);
    b->end += bytes.len;
    return 0;
}

static inline int buffer_put_u8(struct buffer *b, uint8_t value)
{
    return buffer_put(b, span_of(&value, 1));
}

int buffer_put_z(struct buffer *b, const char *text_z);
int buffer_put_u16(struct buffer *b, uint16_t value); /* big-endian, as all of these */
int buffer_put_u32(struct buffer *b, uint32_t value);
int buffer_put_u64(struct buffer *b, uint64_t value);

/* A 32-bit length and then the bytes (RFC 4251, section 5, "string"). All or nothing. */
int buffer_put_string(struct buffer *b, struct span bytes);

/* Appends formatted text, as printf would. All or nothing. */
int buffer_printf(struct buffer *b, const char *format_z, ...)
    __attribute__((format(printf, 2, 3)));
int buffer_vprintf(struct buffer *b, const char *format_z, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Room for `n` more bytes at the end, to be written by the caller and then committed.
 * NULL when it does not fit or memory is short. */
uint8_t *buffer_reserve(struct buffer *b, size_t n);
void buffer_commit(struct buffer *b, size_t n);

/* Drops `n` bytes from the front (at most what is there). */
void buffer_take(struct buffer *b, size_t n);

/* Cuts the end off so that `len` live bytes are left: undoes puts. */
void buffer_truncate(struct buffer *b, size_t len);

void buffer_clear(struct buffer *b);

/* Overwrites and frees the memory of an empty buffer that has more than `keep` bytes of it. */
void buffer_shrink(struct buffer *b, size_t keep);

#endif
