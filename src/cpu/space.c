#include "cpu/space_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
    FLUSH_ALL_PAGES = CPU_TLB_ENTRIES / 4, /* changes of more pages empty the whole tables */
};

static const uint8_t zero_page[CPU_PAGE_BYTES];

static uint8_t *zeroes(void)
{
    return (uint8_t *)zero_page; /* entries with frame 0 are never written through */
}

static void tlb_clear_range(struct cpu_space *space, uint64_t addr, uint64_t len)
{
    if (!space->tlb)
        return;
    if (len / CPU_PAGE_BYTES > FLUSH_ALL_PAGES) {
        cpu_tlb_clear(space->tlb->read);
        cpu_tlb_clear(space->tlb->write);
        return;
    }
    for (uint64_t page = addr; page < addr + len; page += CPU_PAGE_BYTES)
        cpu_space_forget_page(space, page);
}

struct cpu_space *cpu_space_new(struct cpu_pool *pool)
{
    struct cpu_space *space = calloc(1, sizeof(*space));
    if (!space)
        return NULL;
    cpu_table_init(&space->table, pool);
    space->pool = pool;
    space->next = pool->spaces;
    if (space->next)
        space->next->prev = space;
    pool->spaces = space;
    return space;
}

void cpu_space_free(struct cpu_space *space)
{
    if (!space)
        return;
    cpu_table_fini(&space->table);
    cpu_space_set_maker(space, NULL);
    if (space->next)
        space->next->prev = space->prev;
    if (space->prev)
        space->prev->next = space->next;
    else
        space->pool->spaces = space->next;
    free(space->tlb);
    free(space);
}

size_t cpu_space_shrink(struct cpu_space *space, bool *done)
{
    enum { LEAVES = 16 };
    (void)cpu_space_wake(space); /* else cpu_space_free does all of it */
    return cpu_table_shrink(&space->table, LEAVES, done);
}

static int share_pages_of(struct cpu_space *space, uint64_t number)
{
    for (unsigned i = 0; i < CPU_LEAF_PAGES; i++) {
        struct cpu_leaf *leaf = cpu_table_find(&space->table, number);
        const struct cpu_entry *e = &leaf->entry[i];
        if (e->frame || !(e->access & CPU_SHARED) || !(e->access & CPU_WRITE) ||
            e->access & CPU_TO_FETCH)
            continue;
        leaf = cpu_table_own(&space->table, number, false);
        if (!leaf || cpu_space_give_frame(space, leaf, i) < 0)
            return -ENOMEM;
        tlb_clear_range(space, number * CPU_LEAF_BYTES + i * (uint64_t)CPU_PAGE_BYTES,
                        CPU_PAGE_BYTES);
    }
    return 0;
}

/* Writable shared pages that are still zeroes or backing get their frame now, so that both sides
 * name the same one. */
static int share_pages(struct cpu_space *space)
{
    for (size_t i = 0; i < space->table.cap; i++) {
        const struct cpu_slot *slot = &space->table.slots[i];
        if (slot->leaf && share_pages_of(space, slot->number) < 0)
            return -ENOMEM;
    }
    return 0;
}

struct cpu_space *cpu_space_clone(struct cpu_space *space)
{
    if (cpu_space_wake(space) < 0 || (space->has_shared && share_pages(space) < 0))
        return NULL;
    struct cpu_space *clone = cpu_space_new(space->pool);
    if (!clone)
        return NULL;
    if (cpu_table_clone(&clone->table, &space->table) < 0) {
        cpu_space_free(clone);
        return NULL;
    }
    clone->has_shared = space->has_shared;
    cpu_space_set_pager(clone, space->fetch, space->pager);
    cpu_space_set_maker(clone, space->maker);
    if (space->tlb)
        cpu_tlb_clear(space->tlb->write); /* what was ours alone is not any more */
    return clone;
}

static bool range_is_valid(uint64_t addr, uint64_t len)
{
    return addr % CPU_PAGE_BYTES == 0 && len % CPU_PAGE_BYTES == 0 && len > 0 &&
           addr < CPU_SPACE_END && len <= CPU_SPACE_END - addr;
}

/* A range, leaf by leaf. */
struct part {
    uint64_t number;
    uint64_t addr; /* of the first page */
    unsigned first, count;
};

static bool next_part(struct part *p, uint64_t start, uint64_t end)
{
    uint64_t addr = p->count ? p->addr + p->count * (uint64_t)CPU_PAGE_BYTES : start;
    if (addr >= end)
        return false;
    uint64_t left = (end - addr) / CPU_PAGE_BYTES;
    p->addr = addr;
    p->number = cpu_leaf_number(addr);
    p->first = cpu_leaf_index(addr);
    p->count = CPU_LEAF_PAGES - p->first;
    if (left < p->count)
        p->count = (unsigned)left;
    return true;
}

/* Something executable goes: what was found by address must be found again. */
static void note_change(struct cpu_space *space, const struct cpu_leaf *leaf, const struct part *p)
{
    for (unsigned i = p->first; leaf && i < p->first + p->count; i++) {
        if (leaf->entry[i].access & CPU_EXEC) {
            space->exec_epoch++;
            return;
        }
    }
}

/* What a mapping puts into its pages. */
struct filling {
    struct span backing;
    unsigned access;
    uint32_t partial;        /* frame of the page in which the backing ends, or 0 */
    struct cpu_leaf *zeroes; /* a leaf all of zero pages, shared by all such; NULL: not wanted */
};

static struct cpu_entry entry_at(const struct cpu_pool *pool, const struct filling *f,
                                 uint64_t offset)
{
    struct cpu_entry e = {zeroes(), 0, f->access | CPU_MAPPED};
    if (offset >= f->backing.len)
        return e;
    if (f->backing.len - offset >= CPU_PAGE_BYTES) {
        e.host = (uint8_t *)f->backing.data + offset; /* frame 0: never written */
    } else {
        e.host = pool->frames[f->partial].data;
        e.frame = f->partial;
    }
    return e;
}

static bool is_all_zeroes(const struct filling *f, const struct part *p, uint64_t start)
{
    return f->zeroes && p->count == CPU_LEAF_PAGES && p->addr - start >= f->backing.len;
}

/* Everything that may fail, before anything changes. */
static int prepare(struct cpu_space *space, uint64_t addr, uint64_t len, struct filling *f)
{
    uint64_t leaves = cpu_leaf_number(addr + len - 1) - cpu_leaf_number(addr) + 1;
    size_t tail = f->backing.len % CPU_PAGE_BYTES;
    if (cpu_space_wake(space) < 0)
        return -ENOMEM;
    if (leaves > CPU_LEAVES_MAX || cpu_table_reserve(&space->table, leaves) < 0)
        return -ENOMEM;
    if (leaves > 2 && !(f->access & CPU_SHARED)) {
        f->zeroes = cpu_leaf_new(space->pool);
        if (!f->zeroes)
            return -ENOMEM;
        for (unsigned i = 0; i < CPU_LEAF_PAGES; i++)
            f->zeroes->entry[i] = (struct cpu_entry){zeroes(), 0, f->access | CPU_MAPPED};
    }
    if (tail) {
        f->partial = cpu_pool_take(space->pool);
        if (!f->partial)
            return -ENOMEM;
        uint8_t *data = space->pool->frames[f->partial].data;
        memcpy(data, f->backing.data + (f->backing.len - tail), tail);
        memset(data + tail, 0, CPU_PAGE_BYTES - tail);
    }
    for (struct part p = {0}; next_part(&p, addr, addr + len);)
        if (!is_all_zeroes(f, &p, addr) && !cpu_table_own(&space->table, p.number, true))
            return -ENOMEM;
    return 0;
}

static int map(struct cpu_space *space, uint64_t addr, uint64_t len, unsigned access,
               struct span backing)
{
    if (!range_is_valid(addr, len))
        return -EINVAL;
    struct filling f = {span_slice(backing, 0, len), access, 0, NULL};
    int rc = prepare(space, addr, len, &f);
    if (rc < 0)
        goto out;
    for (struct part p = {0}; next_part(&p, addr, addr + len);) {
        struct cpu_leaf *leaf = cpu_table_find(&space->table, p.number);
        note_change(space, leaf, &p);
        if (is_all_zeroes(&f, &p, addr)) {
            cpu_table_put(&space->table, p.number, f.zeroes);
            continue;
        }
        for (unsigned i = 0; i < p.count; i++) {
            uint64_t offset = p.addr - addr + i * (uint64_t)CPU_PAGE_BYTES;
            struct cpu_entry e = entry_at(space->pool, &f, offset);
            if (e.frame)
                cpu_frame_ref(space->pool, e.frame);
            cpu_leaf_set(space->pool, leaf, p.first + i, e);
        }
    }
    space->has_shared |= (access & CPU_SHARED) != 0;
    tlb_clear_range(space, addr, len);
out:
    if (f.partial)
        cpu_frame_unref(space->pool, f.partial);
    if (f.zeroes)
        cpu_leaf_unref(space->pool, f.zeroes);
    return rc;
}

int cpu_space_map(struct cpu_space *space, uint64_t addr, uint64_t len, unsigned access,
                  struct span backing)
{
    return map(space, addr, len, access & (CPU_ANY_ACCESS | CPU_SHARED), backing);
}

int cpu_space_map_object(struct cpu_space *space, uint64_t addr, uint64_t len, unsigned access)
{
    struct span none = {NULL, 0};
    assert(space->fetch && access & CPU_SHARED);
    return map(space, addr, len, (access & (CPU_ANY_ACCESS | CPU_SHARED)) | CPU_TO_FETCH, none);
}

/* Takes out the leaves that lie wholly in a range too long to be walked by address. */
static void remove_leaves(struct cpu_space *space, uint64_t first, uint64_t end)
{
    for (size_t i = 0; i < space->table.cap;) {
        const struct cpu_slot *slot = &space->table.slots[i];
        if (slot->leaf && slot->number >= first && slot->number < end)
            cpu_table_remove(&space->table, slot->number); /* another may move in: look again */
        else
            i++;
    }
}

static int unmap_part(struct cpu_space *space, const struct part *p)
{
    struct cpu_leaf *leaf = cpu_table_find(&space->table, p->number);
    if (!leaf)
        return 0;
    note_change(space, leaf, p);
    if (p->count == CPU_LEAF_PAGES) {
        cpu_table_remove(&space->table, p->number);
        return 0;
    }
    leaf = cpu_table_own(&space->table, p->number, false);
    if (!leaf)
        return -ENOMEM;
    unsigned mapped = 0;
    for (unsigned i = 0; i < CPU_LEAF_PAGES; i++) {
        if (i - p->first < p->count)
            cpu_leaf_set(space->pool, leaf, i, (struct cpu_entry){0});
        mapped += leaf->entry[i].access & CPU_MAPPED;
    }
    if (!mapped)
        cpu_table_remove(&space->table, p->number);
    return 0;
}

int cpu_space_unmap(struct cpu_space *space, uint64_t addr, uint64_t len)
{
    if (!range_is_valid(addr, len))
        return -EINVAL;
    if (cpu_space_wake(space) < 0)
        return -ENOMEM;
    uint64_t end = addr + len, first = cpu_leaf_number(addr + CPU_LEAF_BYTES - 1);
    int rc = 0;
    if (cpu_leaf_number(end) > first && cpu_leaf_number(end) - first > space->table.cap) {
        remove_leaves(space, first, cpu_leaf_number(end));
        space->exec_epoch++;
        if (addr < first * CPU_LEAF_BYTES)
            rc = cpu_space_unmap(space, addr, first * CPU_LEAF_BYTES - addr);
        if (rc == 0 && end % CPU_LEAF_BYTES)
            rc = cpu_space_unmap(space, end - end % CPU_LEAF_BYTES, end % CPU_LEAF_BYTES);
    } else {
        for (struct part p = {0}; rc == 0 && next_part(&p, addr, end);)
            rc = unmap_part(space, &p);
    }
    tlb_clear_range(space, addr, len);
    return rc;
}

bool cpu_space_is_mapped(struct cpu_space *space, uint64_t addr, uint64_t len)
{
    if (len == 0)
        return true;
    if (addr >= CPU_SPACE_END || len > CPU_SPACE_END - addr || cpu_space_wake(space) < 0)
        return false;
    uint64_t start = addr - addr % CPU_PAGE_BYTES;
    uint64_t end = (addr + len + CPU_PAGE_BYTES - 1) / CPU_PAGE_BYTES * CPU_PAGE_BYTES;
    for (struct part p = {0}; next_part(&p, start, end);) {
        const struct cpu_leaf *leaf = cpu_table_find(&space->table, p.number);
        for (unsigned i = p.first; i < p.first + p.count; i++)
            if (!leaf || !(leaf->entry[i].access & CPU_MAPPED))
                return false;
    }
    return true;
}

int cpu_space_protect(struct cpu_space *space, uint64_t addr, uint64_t len, unsigned access)
{
    if (!range_is_valid(addr, len))
        return -EINVAL;
    if (!cpu_space_is_mapped(space, addr, len))
        return -ENOMEM;
    access &= CPU_ANY_ACCESS;
    int rc = 0;
    for (struct part p = {0}; rc == 0 && next_part(&p, addr, addr + len);) {
        struct cpu_leaf *leaf = cpu_table_own(&space->table, p.number, false);
        if (!leaf) {
            rc = -ENOMEM;
            break;
        }
        note_change(space, leaf, &p);
        for (unsigned i = p.first; i < p.first + p.count; i++)
            leaf->entry[i].access = (leaf->entry[i].access & ~(unsigned)CPU_ANY_ACCESS) | access;
    }
    tlb_clear_range(space, addr, len);
    return rc;
}

/* Owns every leaf of the range, so that no later step can fail. */
static int own_range(struct cpu_space *space, uint64_t addr, uint64_t len)
{
    for (struct part p = {0}; next_part(&p, addr, addr + len);)
        if (!cpu_table_own(&space->table, p.number, true))
            return -ENOMEM;
    return 0;
}

int cpu_space_move(struct cpu_space *space, uint64_t from, uint64_t to, uint64_t len)
{
    if (!range_is_valid(from, len) || !range_is_valid(to, len) ||
        (from < to ? to - from : from - to) < len)
        return -EINVAL;
    if (cpu_space_wake(space) < 0 || own_range(space, from, len) < 0 ||
        own_range(space, to, len) < 0)
        return -ENOMEM;
    for (struct part p = {0}; next_part(&p, from, from + len);) {
        struct cpu_leaf *source = cpu_table_find(&space->table, p.number), *target = NULL;
        for (unsigned i = 0; i < p.count; i++) {
            uint64_t at = to + (p.addr - from) + i * (uint64_t)CPU_PAGE_BYTES;
            struct cpu_entry *moved = &source->entry[p.first + i];
            if (!target || cpu_leaf_index(at) == 0)
                target = cpu_table_find(&space->table, cpu_leaf_number(at));
            cpu_leaf_set(space->pool, target, cpu_leaf_index(at), *moved);
            *moved = (struct cpu_entry){0};
        }
    }
    space->exec_epoch++;
    tlb_clear_range(space, from, len);
    tlb_clear_range(space, to, len);
    return 0;
}

size_t cpu_space_private_pages(struct cpu_space *space)
{
    size_t count = 0;
    if (cpu_space_wake(space) < 0)
        return 0;
    for (size_t i = 0; i < space->table.cap; i++) {
        const struct cpu_leaf *leaf = space->table.slots[i].leaf;
        if (!leaf || leaf->refs > 1)
            continue;
        for (unsigned p = 0; p < CPU_LEAF_PAGES; p++)
            count += leaf->entry[p].frame && space->pool->frames[leaf->entry[p].frame].refs == 1;
    }
    return count;
}

size_t cpu_space_mapped_pages(struct cpu_space *space)
{
    size_t count = 0;
    if (cpu_space_wake(space) < 0)
        return 0;
    for (size_t i = 0; i < space->table.cap; i++) {
        const struct cpu_leaf *leaf = space->table.slots[i].leaf;
        for (unsigned p = 0; leaf && p < CPU_LEAF_PAGES; p++)
            count += (leaf->entry[p].access & CPU_MAPPED) != 0;
    }
    return count;
}

void cpu_space_rest(struct cpu_space *space)
{
    free(space->tlb);
    space->tlb = NULL;
    if (!space->table.runs)
        cpu_table_rest(&space->table);
}
