#include "base/cursor.h"

#include "base/error.h"

struct cursor cursor_of(struct span s)
{
    return (struct cursor){.rest = s};
}

struct span cursor_bytes(struct cursor *c, size_t n)
{
    if (c->failed || n > c->rest.len) {
        c->failed = true;
        return span_of(NULL, 0);
    }
    struct span taken = span_slice(c->rest, 0, n);
    c->rest = span_slice(c->rest, n, c->rest.len);
    return taken;
}

static uint64_t get_big_endian(struct cursor *c, size_t width)
{
    struct span bytes = cursor_bytes(c, width);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | bytes.data[i];
    return value;
}

uint8_t cursor_u8(struct cursor *c)
{
    return (uint8_t)get_big_endian(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
    return (uint16_t)get_big_endian(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
    return (uint32_t)get_big_endian(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
    return get_big_endian(c, 8);
}

struct span cursor_string(struct cursor *c)
{
    return cursor_bytes(c, cursor_u32(c));
}

struct span cursor_rest(struct cursor *c)
{
    return cursor_bytes(c, c->rest.len);
}

int cursor_end(const struct cursor *c)
{
    if (c->failed)
        return ERR_TRUNCATED;
    return c->rest.len ? ERR_TRAILING : 0;
}
