#include "cpu/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { SLOTS_FIRST = 16 };

void cpu_table_init(struct cpu_table *t, struct cpu_pool *pool)
{
    *t = (struct cpu_table){.pool = pool};
}

void cpu_table_fini(struct cpu_table *t)
{
    if (t->runs)
        cpu_table_fini_at_rest(t);
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].leaf)
            cpu_leaf_unref(t->pool, t->slots[i].leaf);
    cpu_pool_uncharge(t->pool, t->cap * sizeof(*t->slots));
    free(t->slots);
    cpu_table_init(t, t->pool);
}

size_t cpu_table_shrink(struct cpu_table *t, size_t leaves, bool *done)
{
    enum { SLOTS_A_LEAF = 64 }; /* looked at, at most, for each leaf that may go */
    size_t pages = 0, last = t->shrunk + leaves * SLOTS_A_LEAF;
    for (; t->shrunk < t->cap && t->shrunk < last && leaves > 0; t->shrunk++) {
        struct cpu_slot *slot = &t->slots[t->shrunk];
        if (!slot->leaf)
            continue;
        pages += slot->leaf->refs == 1 ? CPU_LEAF_PAGES : 1;
        leaves -= slot->leaf->refs == 1;
        cpu_leaf_unref(t->pool, slot->leaf);
        slot->leaf = NULL;
    }
    *done = t->shrunk == t->cap;
    return pages;
}

static size_t home(const struct cpu_table *t, uint64_t number)
{
    return (size_t)((number * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (t->cap - 1);
}

/* The slot that holds the number, or the empty one where it would go. */
static struct cpu_slot *slot_of(const struct cpu_table *t, uint64_t number)
{
    size_t i = home(t, number);
    while (t->slots[i].leaf && t->slots[i].number != number)
        i = (i + 1) & (t->cap - 1);
    return &t->slots[i];
}

static int resize(struct cpu_table *t, size_t cap)
{
    if (!cpu_pool_charge(t->pool, cap * sizeof(*t->slots)))
        return -ENOMEM;
    struct cpu_table bigger = *t;
    bigger.cap = cap;
    bigger.slots = calloc(cap, sizeof(*bigger.slots));
    if (!bigger.slots) {
        cpu_pool_uncharge(t->pool, cap * sizeof(*t->slots));
        return -ENOMEM;
    }
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].leaf)
            *slot_of(&bigger, t->slots[i].number) = t->slots[i];
    cpu_pool_uncharge(t->pool, t->cap * sizeof(*t->slots));
    free(t->slots);
    *t = bigger;
    return 0;
}

int cpu_table_reserve(struct cpu_table *t, size_t more)
{
    if (more > CPU_LEAVES_MAX || t->used + more > CPU_LEAVES_MAX)
        return -ENOMEM;
    size_t cap = t->cap ? t->cap : SLOTS_FIRST;
    while (cap < (t->used + more) * 2)
        cap *= 2;
    return cap == t->cap ? 0 : resize(t, cap);
}

int cpu_table_clone(struct cpu_table *to, const struct cpu_table *from)
{
    assert(to->cap == 0);
    if (from->cap == 0)
        return 0;
    int rc = resize(to, from->cap);
    if (rc < 0)
        return rc;
    memcpy(to->slots, from->slots, from->cap * sizeof(*from->slots));
    to->used = from->used;
    for (size_t i = 0; i < to->cap; i++)
        if (to->slots[i].leaf)
            to->slots[i].leaf->refs++;
    return 0;
}

struct cpu_leaf *cpu_table_find(const struct cpu_table *t, uint64_t number)
{
    return t->cap ? slot_of(t, number)->leaf : NULL;
}

struct cpu_leaf *cpu_leaf_new(struct cpu_pool *pool)
{
    if (!cpu_pool_charge(pool, sizeof(struct cpu_leaf)))
        return NULL;
    struct cpu_leaf *leaf = calloc(1, sizeof(*leaf));
    if (!leaf) {
        cpu_pool_uncharge(pool, sizeof(struct cpu_leaf));
        return NULL;
    }
    leaf->refs = 1;
    return leaf;
}

void cpu_leaf_unref(struct cpu_pool *pool, struct cpu_leaf *leaf)
{
    if (--leaf->refs > 0)
        return;
    for (unsigned i = 0; i < CPU_LEAF_PAGES; i++)
        if (leaf->entry[i].frame)
            cpu_frame_unref(pool, leaf->entry[i].frame);
    cpu_pool_uncharge(pool, sizeof(struct cpu_leaf));
    free(leaf);
}

static struct cpu_leaf *copy_leaf(struct cpu_pool *pool, const struct cpu_leaf *from)
{
    struct cpu_leaf *leaf = cpu_leaf_new(pool);
    if (!leaf)
        return NULL;
    memcpy(leaf->entry, from->entry, sizeof(leaf->entry));
    for (unsigned i = 0; i < CPU_LEAF_PAGES; i++)
        if (leaf->entry[i].frame)
            cpu_frame_ref(pool, leaf->entry[i].frame);
    return leaf;
}

struct cpu_leaf *cpu_table_own(struct cpu_table *t, uint64_t number, bool create)
{
    struct cpu_leaf *leaf = cpu_table_find(t, number);
    if (leaf && leaf->refs == 1)
        return leaf;
    if (!leaf && (!create || cpu_table_reserve(t, 1) < 0))
        return NULL;
    struct cpu_leaf *own = leaf ? copy_leaf(t->pool, leaf) : cpu_leaf_new(t->pool);
    if (!own)
        return NULL;
    cpu_table_put(t, number, own);
    own->refs--; /* the table's reference is the only one */
    return own;
}

void cpu_table_put(struct cpu_table *t, uint64_t number, struct cpu_leaf *leaf)
{
    assert(t->cap > 0);
    struct cpu_slot *slot = slot_of(t, number);
    struct cpu_leaf *old = slot->leaf;
    leaf->refs++;
    *slot = (struct cpu_slot){number, leaf};
    if (old)
        cpu_leaf_unref(t->pool, old);
    else
        t->used++;
    assert(t->used * 2 <= t->cap);
}

void cpu_table_remove(struct cpu_table *t, uint64_t number)
{
    if (t->cap == 0)
        return;
    struct cpu_slot *slot = slot_of(t, number);
    if (!slot->leaf)
        return;
    cpu_leaf_unref(t->pool, slot->leaf);
    t->used--;
    /* Close the gap: whoever was pushed past it by a collision moves back into it. */
    size_t gap = (size_t)(slot - t->slots);
    for (size_t i = (gap + 1) & (t->cap - 1); t->slots[i].leaf; i = (i + 1) & (t->cap - 1)) {
        size_t distance = (i - home(t, t->slots[i].number)) & (t->cap - 1);
        if (distance >= ((i - gap) & (t->cap - 1))) {
            t->slots[gap] = t->slots[i];
            gap = i;
        }
    }
    t->slots[gap] = (struct cpu_slot){0};
}

void cpu_leaf_set(struct cpu_pool *pool, struct cpu_leaf *leaf, unsigned index,
                  struct cpu_entry entry)
{
    uint32_t old = leaf->entry[index].frame;
    leaf->entry[index] = entry;
    if (old)
        cpu_frame_unref(pool, old);
}
