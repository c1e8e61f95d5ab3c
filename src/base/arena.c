#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum {
    ARENA_FIRST_BYTES = 512, /* many arenas hold a few short texts */
    ARENA_BLOCK_BYTES = 4096,
};

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_EACH_A_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_EACH_A_MALLOC 1
#endif
#endif
#ifndef ARENA_EACH_A_MALLOC
#define ARENA_EACH_A_MALLOC 0
#endif

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t cap;
    alignas(max_align_t) uint8_t bytes[];
};

void arena_init(struct arena *a, size_t cap)
{
    *a = (struct arena){.cap = cap};
}

void arena_fini(struct arena *a)
{
    struct arena_block *block = a->blocks;
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena_init(a, a->cap);
}

static struct arena_block *add_block(struct arena *a, size_t cap)
{
    struct arena_block *block = calloc(1, sizeof(*block) + cap);
    if (!block)
        return NULL;
    block->cap = cap;
    block->next = a->blocks;
    a->blocks = block;
    return block;
}

/* Under AddressSanitizer no block has room for a second allocation. */
static bool has_room(const struct arena_block *block, size_t size)
{
    return !ARENA_EACH_A_MALLOC && block && size <= block->cap - block->used;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - align || size > a->cap)
        return NULL;
    size_t room = ARENA_EACH_A_MALLOC ? size : (size + align - 1) / align * align;
    if (room > a->cap - a->used)
        return NULL;
    size_t block_bytes = a->blocks ? ARENA_BLOCK_BYTES : ARENA_FIRST_BYTES;
    bool is_large = ARENA_EACH_A_MALLOC || room > block_bytes;
    if (!has_room(a->blocks, room) && !add_block(a, is_large ? room : block_bytes))
        return NULL;
    struct arena_block *block = a->blocks;
    void *mem = block->bytes + block->used;
    block->used += room;
    a->used += room;
    return mem;
}

struct span arena_copy(struct arena *a, struct span bytes)
{
    if (bytes.len == 0)
        return span_of(NULL, 0);
    uint8_t *mem = arena_alloc(a, bytes.len);
    if (!mem)
        return span_of(NULL, 0);
    memcpy(mem, bytes.data, bytes.len);
    return span_of(mem, bytes.len);
}
