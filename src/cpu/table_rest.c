/* A table at rest. Most of it tells where pages of files stand, one after another, and that others
 * are zeroes: told as runs it takes a tenth. Frames keep their numbers, and what the tables of a
 * machine count for stays as it was. */
#include "cpu/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LEAVES_MAX = 1024 }; /* a larger one stays as it is: to make it again takes long */

/* How the entries of a run lie. */
enum kind {
    NOTHING, /* not mapped */
    SAME,    /* all at one place of the host: zeroes */
    ROW,     /* one page after another */
    FRAMES,  /* of the pool: their numbers follow */
};

struct run {
    uint8_t kind, count;
    uint16_t access;
};

struct cpu_runs {
    size_t cap, used; /* of the table */
    size_t bytes;
    uint8_t data[]; /* each leaf: number, itself when others have it too, else its runs */
};

/* ---- Resting ---- */

struct sink {
    uint8_t *out; /* NULL: only counts */
    size_t len;
};

static void put(struct sink *s, const void *bytes, size_t n)
{
    if (s->out)
        memcpy(s->out + s->len, bytes, n);
    s->len += n;
}

static enum kind kind_of(const struct cpu_entry *e, bool has_next)
{
    if (e->frame)
        return FRAMES;
    if (!e->access && !e->host)
        return NOTHING;
    return has_next && e[1].host == e->host ? SAME : ROW;
}

static bool goes_on(const struct cpu_entry *e, enum kind kind, unsigned count)
{
    const struct cpu_entry *next = &e[count];
    if (next->access != e->access || (next->frame != 0) != (kind == FRAMES))
        return false;
    switch (kind) {
    case ROW: return next->host == e->host + count * (size_t)CPU_PAGE_BYTES;
    case FRAMES: return true;
    default: return next->host == e->host;
    }
}

static unsigned put_run(struct sink *s, const struct cpu_leaf *leaf, unsigned first)
{
    const struct cpu_entry *e = &leaf->entry[first];
    unsigned left = CPU_LEAF_PAGES - first, count = 1;
    enum kind kind = kind_of(e, left > 1);
    while (count < left && goes_on(e, kind, count))
        count++;
    assert(e->access <= UINT16_MAX);
    const struct run run = {(uint8_t)kind, (uint8_t)count, (uint16_t)e->access};
    put(s, &run, sizeof(run));
    if (kind == SAME || kind == ROW)
        put(s, &e->host, sizeof(e->host));
    for (unsigned i = 0; kind == FRAMES && i < count; i++)
        put(s, &e[i].frame, sizeof(e[i].frame));
    return count;
}

static void put_slot(struct sink *s, const struct cpu_slot *slot)
{
    const struct cpu_leaf *kept = slot->leaf->refs > 1 ? slot->leaf : NULL;
    put(s, &slot->number, sizeof(slot->number));
    put(s, &kept, sizeof(void *));
    for (unsigned i = 0; !kept && i < CPU_LEAF_PAGES;)
        i += put_run(s, slot->leaf, i);
}

static size_t put_slots(const struct cpu_table *t, uint8_t *out)
{
    struct sink s = {.out = out};
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].leaf)
            put_slot(&s, &t->slots[i]);
    return s.len;
}

void cpu_table_rest(struct cpu_table *t)
{
    if (t->cap == 0 || t->used > LEAVES_MAX)
        return;
    size_t bytes = put_slots(t, NULL);
    struct cpu_runs *runs = malloc(sizeof(*runs) + bytes);
    if (!runs)
        return;
    *runs = (struct cpu_runs){.cap = t->cap, .used = t->used, .bytes = bytes};
    (void)put_slots(t, runs->data);
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].leaf && t->slots[i].leaf->refs == 1)
            free(t->slots[i].leaf);
    free(t->slots);
    *t = (struct cpu_table){.pool = t->pool, .runs = runs};
}

/* ---- Waking ---- */

static void get(const uint8_t **at, void *out, size_t n)
{
    memcpy(out, *at, n);
    *at += n;
}

static unsigned get_run(const uint8_t **at, const struct cpu_pool *pool, struct cpu_entry *e)
{
    struct run run;
    uint8_t *host = NULL;
    get(at, &run, sizeof(run));
    if (run.kind == SAME || run.kind == ROW)
        get(at, &host, sizeof(host));
    for (unsigned i = 0; i < run.count; i++) {
        e[i] = (struct cpu_entry){.host = host, .access = run.access};
        if (run.kind == ROW)
            host += CPU_PAGE_BYTES;
        if (run.kind != FRAMES)
            continue;
        get(at, &e[i].frame, sizeof(e[i].frame));
        e[i].host = run.access & CPU_PACKED ? NULL : pool->frames[e[i].frame].data;
    }
    return run.count;
}

/* The next leaf: the one that was kept, else NULL and what stood in it. */
static struct cpu_leaf *get_leaf(const uint8_t **at, const struct cpu_pool *pool, uint64_t *number,
                                 struct cpu_entry entry[CPU_LEAF_PAGES])
{
    struct cpu_leaf *kept;
    get(at, number, sizeof(*number));
    get(at, &kept, sizeof(void *));
    for (unsigned i = 0; !kept && i < CPU_LEAF_PAGES;)
        i += get_run(at, pool, &entry[i]);
    return kept;
}

static bool wake_leaf(struct cpu_table *t, const uint8_t **at)
{
    uint64_t number;
    struct cpu_leaf *own = calloc(1, sizeof(*own));
    if (!own)
        return false;
    struct cpu_leaf *kept = get_leaf(at, t->pool, &number, own->entry);
    cpu_table_put(t, number, kept ? kept : own);
    if (kept) {
        kept->refs--; /* the table has had it all the time */
        free(own);
    }
    return true;
}

/* Of a table that was being woken: what was made for it, from the runs up to `end`, goes again. */
static void undo(struct cpu_table *t, const uint8_t *at, const uint8_t *end)
{
    struct cpu_entry entry[CPU_LEAF_PAGES];
    uint64_t number;
    while (at < end)
        if (!get_leaf(&at, t->pool, &number, entry))
            free(cpu_table_find(t, number));
    free(t->slots);
}

int cpu_table_wake(struct cpu_table *t)
{
    const struct cpu_runs *runs = t->runs;
    struct cpu_table woken = {.pool = t->pool, .cap = runs->cap};
    const uint8_t *at = runs->data;
    woken.slots = calloc(runs->cap, sizeof(*woken.slots));
    if (!woken.slots)
        return -ENOMEM;
    while (at < runs->data + runs->bytes) {
        if (!wake_leaf(&woken, &at)) {
            undo(&woken, runs->data, at);
            return -ENOMEM;
        }
    }
    free(t->runs);
    *t = woken;
    return 0;
}

void cpu_table_fini_at_rest(struct cpu_table *t)
{
    const uint8_t *at = t->runs->data, *end = at + t->runs->bytes;
    struct cpu_entry entry[CPU_LEAF_PAGES];
    uint64_t number;
    while (at < end) {
        struct cpu_leaf *kept = get_leaf(&at, t->pool, &number, entry);
        if (kept) {
            cpu_leaf_unref(t->pool, kept);
            continue;
        }
        for (unsigned i = 0; i < CPU_LEAF_PAGES; i++)
            if (entry[i].frame)
                cpu_frame_unref(t->pool, entry[i].frame);
        cpu_pool_uncharge(t->pool, sizeof(struct cpu_leaf));
    }
    cpu_pool_uncharge(t->pool, t->runs->cap * sizeof(struct cpu_slot));
    free(t->runs);
    t->runs = NULL;
}
