/* Leaves that machines share. Most of a page table tells where pages of the image's files stand on the
 * host, which is the same for all machines that map the file at the same place of a leaf. Such a leaf
 * names no frame; whoever changes it copies it first, as one that a clone shares. */
#include "cpu/space_internal.h"

#include <assert.h>
#include <stdlib.h>

enum {
    LEAVES_MAX = 8192, /* 8 MiB of them */
    SLOTS = 2 * LEAVES_MAX,
    SWEEP_AFTER = LEAVES_MAX / 8, /* a sweep looks at all: not for each that finds no place */
};

struct cpu_leaves {
    struct cpu_leaf *slots[SLOTS]; /* by contents; open addressing; each is held */
    size_t count;
    size_t missed; /* since the last sweep */
};

struct cpu_leaves *cpu_leaves_new(void)
{
    return calloc(1, sizeof(struct cpu_leaves));
}

void cpu_leaves_free(struct cpu_leaves *leaves)
{
    for (size_t i = 0; leaves && i < SLOTS; i++) {
        assert(!leaves->slots[i] || leaves->slots[i]->refs == 1);
        free(leaves->slots[i]);
    }
    free(leaves);
}

static size_t home(const struct cpu_leaf *leaf)
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < CPU_LEAF_PAGES; i++)
        hash = (hash ^ (uintptr_t)leaf->entry[i].host ^ leaf->entry[i].access) *
               UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 32) % SLOTS;
}

/* The slot of the one with the same contents, or the empty one where it would go. */
static struct cpu_leaf **slot_of(struct cpu_leaves *leaves, const struct cpu_leaf *leaf)
{
    size_t i = home(leaf);
    while (leaves->slots[i] &&
           memcmp(leaves->slots[i]->entry, leaf->entry, sizeof(leaf->entry)) != 0)
        i = (i + 1) % SLOTS;
    return &leaves->slots[i];
}

/* Drops those that no machine has any more; the others find their places anew. */
static void sweep(struct cpu_leaves *leaves)
{
    struct cpu_leaf **old = malloc(sizeof(leaves->slots));
    if (!old)
        return;
    memcpy(old, leaves->slots, sizeof(leaves->slots));
    memset(leaves->slots, 0, sizeof(leaves->slots));
    leaves->count = leaves->missed = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        if (!old[i])
            continue;
        if (old[i]->refs == 1) {
            free(old[i]);
            continue;
        }
        *slot_of(leaves, old[i]) = old[i];
        leaves->count++;
    }
    free(old);
}

/* What is written in it holds for every machine, and is written for good. */
static bool may_share(const struct cpu_leaf *leaf)
{
    if (leaf->refs > 1)
        return false;
    for (unsigned i = 0; i < CPU_LEAF_PAGES; i++)
        if (leaf->entry[i].frame || leaf->entry[i].access & (CPU_LENT | CPU_TO_MAKE | CPU_TO_FETCH))
            return false;
    return true;
}

/* The leaf to name in place of this one. */
static struct cpu_leaf *share(struct cpu_leaves *leaves, struct cpu_pool *pool,
                              struct cpu_leaf *leaf)
{
    struct cpu_leaf **slot = slot_of(leaves, leaf);
    if (*slot) {
        (*slot)->refs++;
        cpu_leaf_unref(pool, leaf);
        return *slot;
    }
    leaves->missed++;
    if (leaves->count == LEAVES_MAX && leaves->missed >= SWEEP_AFTER)
        sweep(leaves);
    if (leaves->count == LEAVES_MAX)
        return leaf;
    *slot_of(leaves, leaf) = leaf;
    leaves->count++;
    leaf->refs++;
    leaf->shared = true;
    cpu_pool_uncharge(pool, sizeof(*leaf));
    return leaf;
}

void cpu_space_rest(struct cpu_space *space, struct cpu_leaves *leaves)
{
    free(space->tlb);
    space->tlb = NULL;
    for (size_t i = 0; i < space->table.cap; i++) {
        struct cpu_slot *slot = &space->table.slots[i];
        if (slot->leaf && !slot->leaf->shared && may_share(slot->leaf))
            slot->leaf = share(leaves, space->pool, slot->leaf);
    }
}
