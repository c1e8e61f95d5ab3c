#include "cpu/store.h"

#include "cpu/pool.h"

#include <assert.h>
#include <stdlib.h>

enum {
    PAGES_FIRST = 64,  /* slots of the hash of pages; a power of two */
    BLOCKS_FIRST = 16, /* slots of a page's hash of blocks; a power of two */
    STAMP_SHIFT = 48,
    SPACE_SHARE = 64, /* of a full store is thrown out at once */
    PAGE_WORK = 8,    /* of looking through a translation cache, in instructions decoded */
};

/* What stands on one page's bytes. */
struct cpu_block_page {
    struct cpu_code_hook hook; /* first: the space knows the page by it */
    struct cpu_store *store;
    const uint8_t *host;
    struct cpu_pool *pool; /* NULL: bytes that never change */
    uint32_t frame;
    bool dead;
    size_t bytes;              /* of memory, this and its blocks */
    struct cpu_block **blocks; /* hash by start; at most half full */
    uint32_t cap, used;
    struct cpu_block_page *next, *prev; /* of all live pages, or of the dead */
    struct cpu_block_page *chain;       /* of the same hash slot */
};

struct cpu_store {
    const struct cpu_store_kind *kind;
    size_t max_bytes, bytes;
    uint64_t epoch;
    struct cpu_block_page **slots; /* pages that never change, by host address */
    size_t cap, used;
    struct cpu_block_page *live, *oldest, *dead; /* live: the newest first */
    struct cpu_block *decoded;                   /* by cpu_store_find, until it is kept */
    struct cpu_block *scratch;
    struct cpu_work *work, own_work; /* own: nobody counts it elsewhere */
    uint64_t last_stamp;
    struct cpu_jump jumps[CPU_JUMPS];
};

static struct cpu_block *new_scratch(const struct cpu_store_kind *kind)
{
    return calloc(1, sizeof(struct cpu_block) + kind->insns_max * kind->insn_bytes);
}

struct cpu_store *cpu_store_new(const struct cpu_store_kind *kind, size_t max_bytes)
{
    struct cpu_store *store = calloc(1, sizeof(*store));
    if (!store)
        return NULL;
    store->kind = kind;
    store->max_bytes = max_bytes;
    store->epoch = 1;
    store->own_work.allowed = UINT64_MAX;
    store->work = &store->own_work;
    store->cap = PAGES_FIRST;
    store->slots = calloc(store->cap, sizeof(struct cpu_block_page *));
    store->decoded = new_scratch(kind);
    store->scratch = new_scratch(kind);
    if (!store->slots || !store->decoded || !store->scratch) {
        cpu_store_free(store);
        return NULL;
    }
    return store;
}

void cpu_store_set_work(struct cpu_store *store, struct cpu_work *work)
{
    store->work = work;
}

bool cpu_store_is_tired(const struct cpu_store *store)
{
    return store->work->done >= store->work->allowed;
}

static void free_page(struct cpu_block_page *page)
{
    for (uint32_t i = 0; i < page->cap; i++)
        free(page->blocks[i]);
    free(page->blocks);
    free(page);
}

void cpu_store_sweep(struct cpu_store *store)
{
    while (store->dead) {
        struct cpu_block_page *page = store->dead;
        store->dead = page->next;
        free_page(page);
    }
}

static void unlink_page(struct cpu_store *store, struct cpu_block_page *page)
{
    if (page->next)
        page->next->prev = page->prev;
    else
        store->oldest = page->prev;
    if (page->prev)
        page->prev->next = page->next;
    else
        store->live = page->next;
}

static size_t page_slot(const uint8_t *host, size_t cap)
{
    return (size_t)(((uint64_t)(uintptr_t)host * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & (cap - 1);
}

static void unchain(struct cpu_store *store, const struct cpu_block_page *page)
{
    struct cpu_block_page **at = &store->slots[page_slot(page->host, store->cap)];
    while (*at != page)
        at = &(*at)->chain;
    *at = page->chain;
    store->used--;
}

/* Takes the page out of everything. Its memory stays until the sweep, for one of its blocks may be
 * the one that is running. */
static void drop_page(struct cpu_code_hook *hook)
{
    struct cpu_block_page *page = (struct cpu_block_page *)hook;
    struct cpu_store *store = page->store;
    if (page->pool)
        cpu_pool_set_code(page->pool, page->frame, NULL);
    else
        unchain(store, page);
    unlink_page(store, page);
    page->dead = true;
    store->work->done += page->used;
    page->next = store->dead;
    store->dead = page;
    store->bytes -= page->bytes;
    store->epoch++;
}

/* The oldest, until there is some room: a little at a time, for what is thrown out takes long to free. */
static void make_space(struct cpu_store *store)
{
    size_t enough = store->max_bytes - store->max_bytes / SPACE_SHARE;
    while (store->oldest && store->bytes > enough)
        drop_page(&store->oldest->hook);
}

void cpu_store_free(struct cpu_store *store)
{
    if (!store)
        return;
    while (store->live)
        drop_page(&store->live->hook);
    cpu_store_sweep(store);
    free(store->slots);
    free(store->decoded);
    free(store->scratch);
    free(store);
}

uint64_t cpu_store_epoch(const struct cpu_store *store)
{
    return store->epoch;
}

struct cpu_block *cpu_store_scratch(struct cpu_store *store)
{
    return store->scratch;
}

int cpu_store_decode(struct cpu_store *store, const uint8_t *bytes, size_t size, unsigned offset,
                     unsigned limit, unsigned mode)
{
    store->work->done += limit;
    return store->kind->decode(store->scratch, bytes, size, offset, limit, mode);
}

struct cpu_jump *cpu_store_jumps(struct cpu_store *store)
{
    return store->jumps;
}

uint64_t cpu_store_new_stamp(struct cpu_store *store)
{
    if (++store->last_stamp >> (64 - STAMP_SHIFT)) {
        memset(store->jumps, 0, sizeof(store->jumps));
        store->epoch++;
        store->last_stamp = 1;
    }
    return store->last_stamp << STAMP_SHIFT;
}

bool cpu_block_is_dead(const struct cpu_block *block)
{
    return block->page && block->page->dead;
}

/* A longer hash keeps the chains short; without memory for it they grow, which is no error. */
static void widen(struct cpu_store *store)
{
    size_t cap = store->cap * 2;
    struct cpu_block_page **slots = calloc(cap, sizeof(struct cpu_block_page *));
    if (!slots)
        return;
    for (size_t i = 0; i < store->cap; i++) {
        while (store->slots[i]) {
            struct cpu_block_page *page = store->slots[i];
            size_t slot = page_slot(page->host, cap);
            store->slots[i] = page->chain;
            page->chain = slots[slot];
            slots[slot] = page;
        }
    }
    free(store->slots);
    store->slots = slots;
    store->cap = cap;
}

static struct cpu_block_page *add_page(struct cpu_store *store, const struct cpu_code_page *at)
{
    struct cpu_block_page *page = calloc(1, sizeof(*page));
    if (!page)
        return NULL;
    page->hook.drop = drop_page;
    page->store = store;
    page->host = at->host;
    page->pool = at->pool;
    page->frame = at->frame;
    page->bytes = sizeof(*page);
    store->bytes += page->bytes;
    page->next = store->live;
    if (page->next)
        page->next->prev = page;
    else
        store->oldest = page;
    store->live = page;
    if (page->pool) {
        store->work->done +=
            (uint64_t)PAGE_WORK * cpu_pool_set_code(page->pool, page->frame, &page->hook);
    } else {
        if (++store->used > store->cap)
            widen(store);
        size_t slot = page_slot(page->host, store->cap);
        page->chain = store->slots[slot];
        store->slots[slot] = page;
    }
    return page;
}

static struct cpu_block_page *find_page(struct cpu_store *store, const struct cpu_code_page *at)
{
    if (at->pool) {
        struct cpu_block_page *page = (struct cpu_block_page *)at->hook;
        if (page && (page->hook.drop != drop_page || page->store != store)) {
            page->hook.drop(&page->hook); /* another store's: a page has one at a time */
            page = NULL;
        }
        return page;
    }
    struct cpu_block_page *page = store->slots[page_slot(at->host, store->cap)];
    while (page && page->host != at->host)
        page = page->chain;
    return page;
}

static uint32_t block_slot(const struct cpu_block_page *page, unsigned offset, unsigned mode)
{
    uint32_t i = ((offset * CPU_MODES + mode) * 0x9e3779b1u) >> 16 & (page->cap - 1);
    while (page->blocks[i] && (page->blocks[i]->start != offset || page->blocks[i]->mode != mode))
        i = (i + 1) & (page->cap - 1);
    return i;
}

static bool make_room(struct cpu_block_page *page)
{
    if ((page->used + 1) * 2 <= page->cap)
        return true;
    uint32_t cap = page->cap ? page->cap * 2 : BLOCKS_FIRST;
    struct cpu_block_page bigger = *page;
    bigger.cap = cap;
    bigger.blocks = calloc(cap, sizeof(struct cpu_block *));
    if (!bigger.blocks)
        return false;
    for (uint32_t i = 0; i < page->cap; i++)
        if (page->blocks[i])
            bigger.blocks[block_slot(&bigger, page->blocks[i]->start, page->blocks[i]->mode)] =
                page->blocks[i];
    free(page->blocks);
    page->blocks = bigger.blocks;
    size_t more = (cap - page->cap) * sizeof(struct cpu_block *);
    page->bytes += more;
    page->store->bytes += more;
    page->cap = cap;
    return true;
}

/* The bits of the 64-byte pieces that the block was decoded from. */
static uint64_t granules(const struct cpu_block *block)
{
    unsigned first = block->start / 64u, last = (block->start + block->bytes - 1u) / 64u;
    return (~UINT64_C(0) >> (63 - (last - first))) << first;
}

static struct cpu_block *keep(struct cpu_block_page *page, const struct cpu_block *made)
{
    if (!make_room(page))
        return NULL;
    size_t size = sizeof(*made) + made->insns * page->store->kind->insn_bytes;
    struct cpu_block *block = malloc(size);
    if (!block)
        return NULL;
    memcpy(block, made, size);
    block->page = page;
    page->blocks[block_slot(page, block->start, block->mode)] = block;
    page->used++;
    page->bytes += size;
    page->store->bytes += size;
    page->hook.granules |= granules(block);
    return block;
}

struct cpu_block *cpu_store_find(struct cpu_store *store, const struct cpu_code_page *at,
                                 unsigned offset, unsigned mode)
{
    assert(offset < CPU_PAGE_BYTES && mode < CPU_MODES);
    struct cpu_block_page *page = find_page(store, at);
    if (page && page->cap) {
        struct cpu_block *block = page->blocks[block_slot(page, offset, mode)];
        if (block)
            return block;
    }
    if (store->kind->decode(store->decoded, at->host + offset, CPU_PAGE_BYTES - offset, offset,
                            store->kind->count_max, mode) < 0)
        return NULL;
    store->work->done += store->decoded->count;
    store->decoded->mode = (uint8_t)mode;
    if (store->bytes > store->max_bytes) {
        make_space(store);
        page = page && page->dead ? NULL : page;
        cpu_store_sweep(store);
    }
    if (!page)
        page = add_page(store, at);
    return page ? keep(page, store->decoded) : NULL;
}
