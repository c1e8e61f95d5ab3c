#include "base/buffer.h"

#include "base/error.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_FIRST_BYTES = 64 };

void buffer_init(struct buffer *b, size_t max)
{
    *b = (struct buffer){.max = max};
}

void buffer_fini(struct buffer *b)
{
    free(b->data);
    buffer_init(b, b->max);
}

void buffer_wipe(struct buffer *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    buffer_fini(b);
}

/* Moves the live bytes to the front, so that the free space is in one piece. */
static void compact(struct buffer *b)
{
    if (b->start == 0)
        return;
    memmove(b->data, b->data + b->start, buffer_len(b));
    b->end -= b->start;
    b->start = 0;
}

static int grow(struct buffer *b, size_t need)
{
    size_t cap = b->cap ? b->cap : BUFFER_FIRST_BYTES;
    while (cap < need)
        cap *= 2;
    if (cap > b->max)
        cap = b->max;
    uint8_t *data = realloc(b->data, cap);
    if (!data)
        return ERR_NOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

static int make_room(struct buffer *b, size_t n)
{
    if (n > buffer_room(b))
        return ERR_FULL;
    if (n <= b->cap - b->end)
        return 0;
    size_t need = buffer_len(b) + n;
    /* Moving is cheaper than growing, but only while it frees at least as much as it copies. */
    if (need <= b->cap && b->start >= buffer_len(b)) {
        compact(b);
        return 0;
    }
    compact(b);
    return need <= b->cap ? 0 : grow(b, need);
}

uint8_t *buffer_reserve(struct buffer *b, size_t n)
{
    if (make_room(b, n) < 0)
        return NULL;
    return b->data ? b->data + b->end : NULL;
}

void buffer_commit(struct buffer *b, size_t n)
{
    assert(n <= b->cap - b->end);
    b->end += n;
}

int buffer_put_slowly(struct buffer *b, struct span bytes)
{
    int err = make_room(b, bytes.len);
    if (err < 0)
        return err;
    memcpy(b->data + b->end, bytes.data, bytes.len);
    b->end += bytes.len;
    return 0;
}

int buffer_put_z(struct buffer *b, const char *text_z)
{
    return buffer_put(b, span_z(text_z));
}

static int put_big_endian(struct buffer *b, uint64_t value, size_t width)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    return buffer_put(b, span_of(bytes, width));
}

int buffer_put_u16(struct buffer *b, uint16_t value)
{
    return put_big_endian(b, value, 2);
}

int buffer_put_u32(struct buffer *b, uint32_t value)
{
    return put_big_endian(b, value, 4);
}

int buffer_put_u64(struct buffer *b, uint64_t value)
{
    return put_big_endian(b, value, 8);
}

int buffer_put_string(struct buffer *b, struct span bytes)
{
    if (bytes.len > UINT32_MAX || bytes.len + 4 > buffer_room(b))
        return ERR_FULL;
    int err = make_room(b, bytes.len + 4);
    if (err < 0)
        return err;
    buffer_put_u32(b, (uint32_t)bytes.len);
    return buffer_put(b, bytes);
}

int buffer_vprintf(struct buffer *b, const char *format_z, va_list args)
{
    va_list again;
    va_copy(again, args);
    char small[256];
    int n = vsnprintf(small, sizeof(small), format_z, args);
    int err = 0;
    if (n < 0) {
        err = ERR_MALFORMED;
    } else if ((size_t)n < sizeof(small)) {
        err = buffer_put(b, span_of(small, (size_t)n));
    } else {
        char *large = malloc((size_t)n + 1);
        err = large ? 0 : ERR_NOMEM;
        if (large) {
            vsnprintf(large, (size_t)n + 1, format_z, again);
            err = buffer_put(b, span_of(large, (size_t)n));
        }
        free(large);
    }
    va_end(again);
    return err;
}

int buffer_printf(struct buffer *b, const char *format_z, ...)
{
    va_list args;
    va_start(args, format_z);
    int err = buffer_vprintf(b, format_z, args);
    va_end(args);
    return err;
}

void buffer_take(struct buffer *b, size_t n)
{
    size_t len = buffer_len(b);
    b->start += n < len ? n : len;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void buffer_truncate(struct buffer *b, size_t len)
{
    if (len < buffer_len(b))
        b->end = b->start + len;
}

void buffer_clear(struct buffer *b)
{
    b->start = b->end = 0;
}

void buffer_shrink(struct buffer *b, size_t keep)
{
    if (buffer_len(b) == 0 && b->cap > keep)
        buffer_wipe(b);
}
