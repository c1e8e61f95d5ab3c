#include "cpu/x86_code.h"

#include "cpu/pool.h"

#include <assert.h>
#include <stdlib.h>

enum {
    PAGES_FIRST = 64,  /* slots of the hash of pages; a power of two */
    BLOCKS_FIRST = 16, /* slots of a page's hash of blocks; a power of two */
    STAMP_SHIFT = 48,
};

/* What stands on one page's bytes. */
struct x86_code_page {
    struct cpu_code_hook hook; /* first: the space knows the page by it */
    struct x86_code *code;
    const uint8_t *host;
    struct cpu_pool *pool; /* NULL: bytes that never change */
    uint32_t frame;
    bool dead;
    bool mode32;
    size_t bytes;              /* of memory, this and its blocks */
    struct x86_block **blocks; /* hash by start; at most half full */
    uint32_t cap, used;
    struct x86_code_page *next, *prev; /* of all live pages, or of the dead */
    struct x86_code_page *chain;       /* of the same hash slot */
};

struct x86_code {
    size_t max_bytes, bytes;
    uint64_t epoch;
    struct x86_code_page **slots; /* pages that never change, by host address */
    size_t cap, used;
    struct x86_code_page *live, *dead;
    struct x86_block *decoded; /* by x86_code_find, until it is kept */
    struct x86_block *scratch;
    uint64_t last_stamp;
    struct x86_jump jumps[X86_JUMPS];
};

static struct x86_block *new_scratch(void)
{
    return calloc(1, sizeof(struct x86_block) + X86_BLOCK_INSNS_MAX * sizeof(struct x86_insn));
}

struct x86_code *x86_code_new(size_t max_bytes)
{
    struct x86_code *code = calloc(1, sizeof(*code));
    if (!code)
        return NULL;
    code->max_bytes = max_bytes;
    code->epoch = 1;
    code->cap = PAGES_FIRST;
    code->slots = calloc(code->cap, sizeof(struct x86_code_page *));
    code->decoded = new_scratch();
    code->scratch = new_scratch();
    if (!code->slots || !code->decoded || !code->scratch) {
        x86_code_free(code);
        return NULL;
    }
    return code;
}

static void free_page(struct x86_code_page *page)
{
    for (uint32_t i = 0; i < page->cap; i++)
        free(page->blocks[i]);
    free(page->blocks);
    free(page);
}

void x86_code_sweep(struct x86_code *code)
{
    while (code->dead) {
        struct x86_code_page *page = code->dead;
        code->dead = page->next;
        free_page(page);
    }
}

static void unlink_page(struct x86_code *code, struct x86_code_page *page)
{
    if (page->next)
        page->next->prev = page->prev;
    if (page->prev)
        page->prev->next = page->next;
    else
        code->live = page->next;
}

/* Takes the page out of everything. Its memory stays until the sweep, for one of its blocks may be
 * the one that is running. */
static void drop_page(struct cpu_code_hook *hook)
{
    struct x86_code_page *page = (struct x86_code_page *)hook;
    struct x86_code *code = page->code;
    if (page->pool)
        cpu_pool_set_code(page->pool, page->frame, NULL);
    unlink_page(code, page);
    page->dead = true;
    page->next = code->dead;
    code->dead = page;
    code->bytes -= page->bytes;
    code->epoch++;
}

static void drop_all(struct x86_code *code)
{
    memset(code->slots, 0, code->cap * sizeof(struct x86_code_page *));
    code->used = 0;
    while (code->live)
        drop_page(&code->live->hook);
}

void x86_code_free(struct x86_code *code)
{
    if (!code)
        return;
    if (code->slots)
        drop_all(code);
    x86_code_sweep(code);
    free(code->slots);
    free(code->decoded);
    free(code->scratch);
    free(code);
}

uint64_t x86_code_epoch(const struct x86_code *code)
{
    return code->epoch;
}

struct x86_block *x86_code_scratch(struct x86_code *code)
{
    return code->scratch;
}

struct x86_jump *x86_code_jumps(struct x86_code *code)
{
    return code->jumps;
}

uint64_t x86_code_new_stamp(struct x86_code *code)
{
    if (++code->last_stamp >> (64 - STAMP_SHIFT)) {
        memset(code->jumps, 0, sizeof(code->jumps));
        code->epoch++;
        code->last_stamp = 1;
    }
    return code->last_stamp << STAMP_SHIFT;
}

bool x86_block_is_dead(const struct x86_block *block)
{
    return block->page && block->page->dead;
}

static size_t page_slot(const uint8_t *host, size_t cap)
{
    return (size_t)(((uint64_t)(uintptr_t)host * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & (cap - 1);
}

/* A longer hash keeps the chains short; without memory for it they grow, which is no error. */
static void widen(struct x86_code *code)
{
    size_t cap = code->cap * 2;
    struct x86_code_page **slots = calloc(cap, sizeof(struct x86_code_page *));
    if (!slots)
        return;
    for (size_t i = 0; i < code->cap; i++) {
        while (code->slots[i]) {
            struct x86_code_page *page = code->slots[i];
            size_t slot = page_slot(page->host, cap);
            code->slots[i] = page->chain;
            page->chain = slots[slot];
            slots[slot] = page;
        }
    }
    free(code->slots);
    code->slots = slots;
    code->cap = cap;
}

static struct x86_code_page *add_page(struct x86_code *code, const struct cpu_code_page *at,
                                      bool mode32)
{
    struct x86_code_page *page = calloc(1, sizeof(*page));
    if (!page)
        return NULL;
    page->hook.drop = drop_page;
    page->code = code;
    page->host = at->host;
    page->pool = at->pool;
    page->frame = at->frame;
    page->mode32 = mode32;
    page->bytes = sizeof(*page);
    code->bytes += page->bytes;
    page->next = code->live;
    if (page->next)
        page->next->prev = page;
    code->live = page;
    if (page->pool) {
        cpu_pool_set_code(page->pool, page->frame, &page->hook);
    } else {
        if (++code->used > code->cap)
            widen(code);
        size_t slot = page_slot(page->host, code->cap);
        page->chain = code->slots[slot];
        code->slots[slot] = page;
    }
    return page;
}

static struct x86_code_page *find_page(struct x86_code *code, const struct cpu_code_page *at,
                                       bool mode32)
{
    if (at->pool) {
        struct x86_code_page *page = (struct x86_code_page *)at->hook;
        if (!page)
            return NULL;
        if (page->hook.drop == drop_page && page->code == code && page->mode32 == mode32)
            return page;
        page->hook.drop(&page->hook); /* another's: a page has one at a time */
        return NULL;
    }
    struct x86_code_page *page = code->slots[page_slot(at->host, code->cap)];
    while (page && (page->host != at->host || page->mode32 != mode32))
        page = page->chain;
    return page;
}

static uint32_t block_slot(const struct x86_code_page *page, unsigned offset)
{
    uint32_t i = (offset * 0x9e3779b1u) >> 16 & (page->cap - 1);
    while (page->blocks[i] && page->blocks[i]->start != offset)
        i = (i + 1) & (page->cap - 1);
    return i;
}

static bool make_room(struct x86_code_page *page)
{
    if ((page->used + 1) * 2 <= page->cap)
        return true;
    uint32_t cap = page->cap ? page->cap * 2 : BLOCKS_FIRST;
    struct x86_code_page bigger = *page;
    bigger.cap = cap;
    bigger.blocks = calloc(cap, sizeof(struct x86_block *));
    if (!bigger.blocks)
        return false;
    for (uint32_t i = 0; i < page->cap; i++)
        if (page->blocks[i])
            bigger.blocks[block_slot(&bigger, page->blocks[i]->start)] = page->blocks[i];
    free(page->blocks);
    page->blocks = bigger.blocks;
    size_t more = (cap - page->cap) * sizeof(struct x86_block *);
    page->bytes += more;
    page->code->bytes += more;
    page->cap = cap;
    return true;
}

/* The bits of the 64-byte pieces that the block was decoded from. */
static uint64_t granules(const struct x86_block *block)
{
    unsigned first = block->start / 64u, last = (block->start + block->bytes - 1u) / 64u;
    return (~UINT64_C(0) >> (63 - (last - first))) << first;
}

static struct x86_block *keep(struct x86_code_page *page, const struct x86_block *made)
{
    if (!make_room(page))
        return NULL;
    size_t size = sizeof(*made) + made->insns * sizeof(struct x86_insn);
    struct x86_block *block = malloc(size);
    if (!block)
        return NULL;
    memcpy(block, made, size);
    block->page = page;
    page->blocks[block_slot(page, block->start)] = block;
    page->used++;
    page->bytes += size;
    page->code->bytes += size;
    page->hook.granules |= granules(block);
    return block;
}

struct x86_block *x86_code_find(struct x86_code *code, const struct cpu_code_page *at,
                                unsigned offset, bool mode32)
{
    assert(offset < CPU_PAGE_BYTES);
    struct x86_code_page *page = find_page(code, at, mode32);
    if (page && page->cap) {
        struct x86_block *block = page->blocks[block_slot(page, offset)];
        if (block)
            return block;
    }
    if (x86_block_decode(code->decoded, at->host + offset, CPU_PAGE_BYTES - offset, offset,
                         X86_BLOCK_COUNT_MAX, mode32) < 0)
        return NULL;
    if (code->bytes > code->max_bytes) {
        drop_all(code);
        x86_code_sweep(code);
        page = NULL;
    }
    if (!page)
        page = add_page(code, at, mode32);
    return page ? keep(page, code->decoded) : NULL;
}
