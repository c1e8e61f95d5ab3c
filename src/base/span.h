/* A span: borrowed bytes, with their length. Never NUL-terminated, never owned. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

struct span {
    const uint8_t *data; /* may be NULL only when len is 0 */
    size_t len;
};

/* A span over a string literal, usable in static initialisers. */
#define SPAN_LIT(literal)                                  \
    {                                                      \
        (const uint8_t *)("" literal), sizeof(literal) - 1 \
    }

/* A span over `len` bytes at `data`. */
static inline struct span span_of(const void *data, size_t len)
{
    return (struct span){data, len};
}

/* A span over a NUL-terminated string, the NUL left out. NULL gives the empty span. */
static inline struct span span_z(const char *text_z)
{
    return (struct span){(const uint8_t *)text_z, text_z ? strlen(text_z) : 0};
}

/* The bytes from `from` (included) to `to` (excluded); both are held within the span. */
struct span span_slice(struct span s, size_t from, size_t to);

bool span_equal(struct span a, struct span b);
bool span_equal_z(struct span s, const char *text_z);
bool span_starts_with(struct span s, struct span prefix);

/* Like memcmp over the common part, then by length. */
int span_compare(struct span a, struct span b);

/* Index of the first `byte` at or after `from`, or -1. */
ptrdiff_t span_find(struct span s, uint8_t byte, size_t from);

/* Copies into `out` (capacity `out_size`, at least 1) as a NUL-terminated string, cut if it must
 * be. Returns the length of the span: a result >= out_size says it was cut. */
size_t span_copy_z(struct span s, char *out_z, size_t out_size);

#endif
