/* An arena: memory of one lifetime, given back all at once, with a cap. Under AddressSanitizer
 * each allocation is a malloc of its own, so that overruns and late uses are seen. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/span.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes given out, with their alignment */
    size_t cap;                 /* `used` never exceeds this */
};

/* An empty arena that gives out at most `cap` bytes. Allocates nothing. */
void arena_init(struct arena *a, size_t cap);

/* Frees everything; the arena may be used again. */
void arena_fini(struct arena *a);

/* `size` zeroed bytes, aligned for any type, alive until arena_fini. NULL at the cap or when memory
 * is short. */
void *arena_alloc(struct arena *a, size_t size);

/* A copy of the bytes. A span with NULL data and len > 0 never comes back: failure is
 * {NULL, 0} for a non-empty argument. */
struct span arena_copy(struct arena *a, struct span bytes);

#endif
