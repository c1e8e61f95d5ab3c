#include "reel/chunk.h"

#include "reel/loop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct arena_block *block_new(struct reel_reactor *r, size_t size)
{
    size_t bytes = size > ARENA_BLOCK_BYTES ? size : ARENA_BLOCK_BYTES;
    struct arena_block *block = reel_memory_new(r, sizeof(*block) + bytes);
    if (!block)
        return NULL;
    block->next = NULL;
    block->used = 0;
    block->size = bytes;
    return block;
}

/* The next block with so much room: one kept from an earlier turn, or a new one. */
static struct arena_block *next_block(struct reel_reactor *r, size_t size)
{
    struct turn_arena *arena = &r->arena;
    struct arena_block **link = arena->block ? &arena->block->next : &arena->blocks;
    while (*link && (*link)->size < size)
        link = &(*link)->next;
    if (!*link)
        *link = block_new(r, size);
    if (*link)
        arena->block = *link;
    return *link;
}

void *reel_arena_new(struct reel_reactor *r, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    struct arena_block *block = r->arena.block;
    if (!block || block->size - block->used < size)
        block = next_block(r, size);
    if (!block)
        return NULL;
    void *memory = block->data + block->used;
    block->used += size;
    r->arena.used += size;
    return memory;
}

bool reel_arena_extend(struct reel_reactor *r, const void *end, size_t size)
{
    struct arena_block *block = r->arena.block;
    if (!block || (const uint8_t *)end != block->data + block->used ||
        block->size - block->used < size)
        return false;
    block->used += size;
    r->arena.used += size;
    return true;
}

void reel_arena_reset(struct reel_reactor *r)
{
    struct turn_arena *arena = &r->arena;
    if (arena->used == 0)
        return;
    size_t kept = 0;
    struct arena_block **link = &arena->blocks;
    while (*link) {
        struct arena_block *block = *link;
        block->used = 0;
        kept += block->size;
        if (kept <= ARENA_KEEP_BYTES) {
            link = &block->next;
        } else {
            *link = block->next;
            reel_memory_free(r, block);
        }
    }
    arena->block = NULL;
    arena->used = 0;
    arena->resets++;
}

void reel_arena_fini(struct reel_reactor *r)
{
    struct arena_block *block = r->arena.blocks;
    while (block) {
        struct arena_block *next = block->next;
        reel_memory_free(r, block);
        block = next;
    }
    r->arena = (struct turn_arena){0};
}

static struct chunk *chunk_new(struct reel_reactor *r, size_t cap, bool on_heap)
{
    cap = (cap + 7) & ~(size_t)7;
    size_t size = sizeof(struct chunk) + cap;
    struct chunk *chunk = on_heap ? reel_memory_new(r, size) : reel_arena_new(r, size);
    if (!chunk)
        return NULL;
    chunk->next = chunk;
    chunk->data = (uint8_t *)(chunk + 1);
    chunk->start = chunk->end = 0;
    chunk->cap = (uint32_t)cap;
    chunk->on_heap = on_heap;
    chunk->kind = CHUNK_BYTES;
    return chunk;
}

static void append(struct chunk **last, struct chunk *chunk)
{
    if (*last) {
        chunk->next = (*last)->next;
        (*last)->next = chunk;
    }
    *last = chunk;
}

/* Each chunk of a chain is four times the one before, so a long one has few. The first one in the
 * arena is not larger than need be: mostly it is the only one, or can grow where it is. */
static size_t next_cap(const struct chunk *last, size_t len, bool on_heap)
{
    size_t first = on_heap ? CHUNK_FIRST_BYTES : len;
    size_t cap = last ? (size_t)last->cap * 4 : first;
    if (cap > CHUNK_MAX_BYTES)
        cap = CHUNK_MAX_BYTES;
    return cap > len ? cap : len;
}

static void copy(struct chunk *chunk, const uint8_t *data, size_t len)
{
    memcpy(chunk->data + chunk->end, data, len);
    chunk->end += (uint32_t)len;
}

/* Room in a chunk, for `len` bytes if it can be made. */
static size_t room_in(struct reel_reactor *r, struct chunk *chunk, size_t len)
{
    size_t room = chunk->cap - chunk->end;
    size_t more = len > room ? (len - room + 7) & ~(size_t)7 : 0;
    if (more && !chunk->on_heap && reel_arena_extend(r, chunk->data + chunk->cap, more))
        chunk->cap += (uint32_t)more;
    return chunk->cap - chunk->end;
}

int reel_chain_put(struct reel_reactor *r, struct chunk **last, const uint8_t *data, size_t len,
                   bool on_heap)
{
    struct chunk *tail = *last;
    size_t fits = 0;
    if (tail && (tail->on_heap || !on_heap)) {
        fits = room_in(r, tail, len);
        fits = fits < len ? fits : len;
    }
    if (fits < len) { /* before anything is copied: all or nothing */
        struct chunk *chunk = chunk_new(r, next_cap(tail, len - fits, on_heap), on_heap);
        if (!chunk)
            return -ENOMEM;
        copy(chunk, data + fits, len - fits);
        append(last, chunk);
    }
    if (fits)
        copy(tail, data, fits);
    return 0;
}

int reel_chain_share(struct reel_reactor *r, struct chunk **last, uint8_t *data, size_t len)
{
    struct chunk *tail = *last;
    if (tail && !tail->on_heap && tail->data + tail->end == data) { /* goes on where it ended */
        tail->end += (uint32_t)len;
        tail->cap = tail->end;
        return 0;
    }
    struct chunk *chunk = reel_arena_new(r, sizeof(*chunk));
    if (!chunk)
        return -ENOMEM;
    *chunk = (struct chunk){chunk, data, 0, (uint32_t)len, (uint32_t)len, false, CHUNK_BYTES};
    append(last, chunk);
    return 0;
}

int reel_chain_put_descriptor(struct reel_reactor *r, struct chunk **last, int fd,
                              const uint8_t *data, size_t len)
{
    struct chunk *chunk = chunk_new(r, len + sizeof(fd), true);
    if (!chunk)
        return -ENOMEM;
    memcpy(chunk->data, &fd, sizeof(fd));
    chunk->data += sizeof(fd);
    chunk->cap -= (uint32_t)sizeof(fd);
    chunk->kind = CHUNK_DESCRIPTOR;
    copy(chunk, data, len);
    append(last, chunk);
    return 0;
}

int reel_chain_put_file(struct reel_reactor *r, struct chunk **last, void *piece)
{
    struct chunk *chunk = chunk_new(r, 0, true);
    if (!chunk)
        return -ENOMEM;
    chunk->data = piece;
    chunk->end = chunk->cap = 1;
    chunk->kind = CHUNK_FILE;
    append(last, chunk);
    return 0;
}

int reel_chunk_descriptor(const struct chunk *chunk)
{
    int fd = -1;
    memcpy(&fd, chunk->data - sizeof(fd), sizeof(fd));
    return fd;
}

void reel_chunk_drop_descriptor(struct chunk *chunk)
{
    if (chunk->kind != CHUNK_DESCRIPTOR)
        return;
    close(reel_chunk_descriptor(chunk));
    chunk->kind = CHUNK_BYTES;
}

static void drop_first(struct reel_reactor *r, struct chunk **last)
{
    struct chunk *first = (*last)->next;
    if (first == *last)
        *last = NULL;
    else
        (*last)->next = first->next;
    reel_chunk_drop_descriptor(first);
    if (first->on_heap)
        reel_memory_free(r, first);
}

void reel_chain_drop(struct reel_reactor *r, struct chunk **last, size_t len)
{
    while (len && *last) {
        struct chunk *first = (*last)->next;
        size_t live = first->end - first->start;
        if (len < live) {
            first->start += (uint32_t)len;
            return;
        }
        len -= live;
        drop_first(r, last);
    }
}

void reel_chain_clear(struct reel_reactor *r, struct chunk **last)
{
    while (*last)
        drop_first(r, last);
}

/* The first chunk of one chain becomes the last one of another. */
static void move_first(struct chunk **from, struct chunk **to)
{
    struct chunk *first = (*from)->next;
    if (first == *from)
        *from = NULL;
    else
        (*from)->next = first->next;
    first->next = first;
    append(to, first);
}

void reel_chain_leave_arena(struct reel_reactor *r, struct chunk **last)
{
    struct chunk *kept = NULL;
    while (*last)
        if ((*last)->next->on_heap)
            move_first(last, &kept);
        else
            drop_first(r, last);
    *last = kept;
}

int reel_chain_keep(struct reel_reactor *r, struct chunk **last)
{
    struct chunk *kept = NULL;
    int err = 0;
    while (*last) {
        struct chunk *first = (*last)->next;
        if (first->on_heap) {
            move_first(last, &kept);
            continue;
        }
        if (err == 0)
            err = reel_chain_put(r, &kept, first->data + first->start, first->end - first->start,
                                 true);
        drop_first(r, last);
    }
    *last = kept;
    return err;
}
