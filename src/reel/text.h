/* Spans of text, without the library of base: the engine stands alone. */
#ifndef REEL_TEXT_H
#define REEL_TEXT_H

#include "base/span.h"

#include <string.h>

static inline struct span text_of(const void *data, size_t len)
{
    return (struct span){data, len};
}

static inline struct span text_z(const char *text_z)
{
    return (struct span){(const uint8_t *)text_z, strlen(text_z)};
}

static inline bool text_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Copies into `out`, of more than span.len bytes, and ends it with a NUL. */
static inline void text_copy_z(struct span text, char *out_z)
{
    if (text.len)
        memcpy(out_z, text.data, text.len);
    out_z[text.len] = '\0';
}

#endif
