#include "cpu/pack.h"

#include <assert.h>
#include <stdlib.h>

enum { FRAMES_FIRST = 64 };

struct cpu_pool *cpu_pool_new(size_t max_frames)
{
    struct cpu_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return NULL;
    pool->max = max_frames < UINT32_MAX / 2 ? max_frames : UINT32_MAX / 2;
    pool->count = 1;
    return pool;
}

void cpu_pool_free(struct cpu_pool *pool)
{
    if (!pool)
        return;
    assert(pool->used == 0 && !pool->spaces);
    free(pool->frames);
    free(pool);
}

/* What the maximum is compared with. */
static size_t used_with_tables(const struct cpu_pool *pool)
{
    return pool->used + (pool->table_bytes + CPU_PAGE_BYTES - 1) / CPU_PAGE_BYTES;
}

size_t cpu_pool_used(const struct cpu_pool *pool)
{
    return pool->used;
}

static bool grow(struct cpu_pool *pool)
{
    uint32_t cap = pool->cap < FRAMES_FIRST ? FRAMES_FIRST : pool->cap + pool->cap / 2;
    struct cpu_frame *frames = realloc(pool->frames, cap * sizeof(*frames));
    if (!frames)
        return false;
    pool->frames = frames;
    pool->cap = cap;
    return true;
}

uint32_t cpu_pool_adopt(struct cpu_pool *pool, uint8_t *data)
{
    if (used_with_tables(pool) >= pool->max)
        return 0;
    uint32_t number = pool->first_free;
    if (!number && pool->count >= pool->cap && !grow(pool))
        return 0;
    if (number)
        pool->first_free = pool->frames[number].next_free;
    else
        number = pool->count++;
    pool->frames[number] = (struct cpu_frame){.data = data, .refs = 1};
    pool->used++;
    return number;
}

uint32_t cpu_pool_take(struct cpu_pool *pool)
{
    uint8_t *data = malloc(CPU_PAGE_BYTES);
    uint32_t number = data ? cpu_pool_adopt(pool, data) : 0;
    if (!number)
        free(data);
    return number;
}

void cpu_frame_ref(struct cpu_pool *pool, uint32_t frame)
{
    pool->frames[frame].refs++;
}

void cpu_frame_unref(struct cpu_pool *pool, uint32_t frame)
{
    struct cpu_frame *f = &pool->frames[frame];
    assert(f->refs > 0);
    if (--f->refs > 0)
        return;
    if (!f->data)
        cpu_pack_free(f->pack);
    else if (f->code)
        f->code->drop(f->code);
    free(f->data);
    *f = (struct cpu_frame){.next_free = pool->first_free};
    pool->first_free = frame;
    pool->used--;
}

void cpu_pool_touch(struct cpu_pool *pool, uint32_t frame)
{
    struct cpu_code_hook *code = pool->frames[frame].code;
    if (code)
        code->drop(code);
}

void cpu_pool_drop(struct cpu_pool *pool, uint32_t frame)
{
    cpu_frame_unref(pool, frame);
}

uint8_t *cpu_pool_take_back(struct cpu_pool *pool, uint32_t frame)
{
    struct cpu_frame *f = &pool->frames[frame];
    uint8_t *data = f->data;
    if (f->refs > 1)
        return NULL;
    cpu_pool_touch(pool, frame);
    f->data = NULL;
    f->pack = NULL;
    cpu_frame_unref(pool, frame);
    return data;
}

void cpu_pool_rest(struct cpu_pool *pool)
{
    struct cpu_frame *frames = realloc(pool->frames, pool->count * sizeof(*frames));
    if (!frames)
        return;
    pool->frames = frames;
    pool->cap = pool->count;
}

bool cpu_pool_charge(struct cpu_pool *pool, size_t bytes)
{
    pool->table_bytes += bytes;
    if (used_with_tables(pool) <= pool->max)
        return true;
    pool->table_bytes -= bytes;
    return false;
}

void cpu_pool_uncharge(struct cpu_pool *pool, size_t bytes)
{
    assert(pool->table_bytes >= bytes);
    pool->table_bytes -= bytes;
}
