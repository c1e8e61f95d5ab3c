/* Output on its way: chains of chunks. Within a turn they come from the turn's arena, which is
 * emptied by one assignment; what the kernel would not take by the end of the turn moves to chunks
 * of the heap, and stays there until the peer reads on. An idle connection has neither. */
#ifndef REEL_CHUNK_H
#define REEL_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reel_reactor;

enum chunk_kind {
    CHUNK_BYTES,
    CHUNK_DESCRIPTOR, /* bytes with which a descriptor goes: an int in front of them */
    CHUNK_FILE, /* a piece of a file; `data` is the struct reel_file_piece. Counts as a byte */
};

struct chunk {
    struct chunk *next; /* of a chain: the last one's is the first */
    uint8_t *data;      /* behind the struct, or in the arena and shared with other chains */
    uint32_t start, end, cap;
    bool on_heap;
    uint8_t kind; /* enum chunk_kind; others than bytes lie on the heap */
};

/* A chain is known by its last chunk; NULL: empty. */

enum {
    ARENA_BLOCK_BYTES = 64 * 1024,
    ARENA_KEEP_BYTES = 512 * 1024, /* kept from turn to turn; the rest is freed */
    ARENA_MAX_BYTES = 256 * 1024,  /* a turn that writes more is flushed in between, while the bytes
                                   * are in the cache: 1 to 2 % of 4 KiB echoes */
    CHUNK_FIRST_BYTES = 224,       /* on the heap: 256 with its header */
    CHUNK_MAX_BYTES = 64 * 1024 - 32,
};

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    uint8_t data[];
};

struct turn_arena {
    struct arena_block *blocks; /* all; filled in order */
    struct arena_block *block;  /* the one being filled; NULL: none yet */
    size_t used;                /* bytes of this turn */
    uint64_t resets;            /* what was made before another one is gone */
};

/* Appends `len` bytes to a chain; on the heap when `on_heap`. All or nothing: 0 or -ENOMEM. */
int reel_chain_put(struct reel_reactor *r, struct chunk **last, const uint8_t *data, size_t len,
                   bool on_heap);

/* Appends bytes that lie in the arena and stay there: no copy. 0 or -ENOMEM. */
int reel_chain_share(struct reel_reactor *r, struct chunk **last, uint8_t *data, size_t len);

/* Appends what is more than bytes. 0 or -ENOMEM; then the descriptor is still the caller's. */
int reel_chain_put_descriptor(struct reel_reactor *r, struct chunk **last, int fd,
                              const uint8_t *data, size_t len);
int reel_chain_put_file(struct reel_reactor *r, struct chunk **last, void *piece);

/* The descriptor that goes with this chunk; it stays the chunk's. */
int reel_chunk_descriptor(const struct chunk *chunk);

/* It has been sent, or is not wanted: closes it. From now on these are just bytes. */
void reel_chunk_drop_descriptor(struct chunk *chunk);

/* Drops `len` bytes from the front, which are there. */
void reel_chain_drop(struct reel_reactor *r, struct chunk **last, size_t len);

/* Drops what lies in the arena: of a chain that nobody will send any more, and that may outlive the
 * arena's bytes. */
void reel_chain_leave_arena(struct reel_reactor *r, struct chunk **last);

/* Frees all of it. */
void reel_chain_clear(struct reel_reactor *r, struct chunk **last);

/* Moves what lies in the arena to the heap. 0 or -ENOMEM (then the chain must be cleared). */
int reel_chain_keep(struct reel_reactor *r, struct chunk **last);

/* Memory of the turn, aligned to 8; NULL: out of memory. */
void *reel_arena_new(struct reel_reactor *r, size_t size);

/* The piece that ends at `end` grows by `size` bytes (of 8) in its place, if it was the last one
 * given out and there is room. */
bool reel_arena_extend(struct reel_reactor *r, const void *end, size_t size);

/* The turn is over: no chain has chunks in the arena any more. */
void reel_arena_reset(struct reel_reactor *r);
void reel_arena_fini(struct reel_reactor *r);

#endif
