#include "cpu/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define LEAF_BYTES ((uint64_t)CPU_LEAF_PAGES * CPU_PAGE_BYTES)

enum {
    ANY_ACCESS = CPU_READ | CPU_WRITE | CPU_EXEC,
    FLUSH_ALL_PAGES = CPU_TLB_ENTRIES / 4, /* changes of more pages empty the whole tables */
};

struct cpu_space {
    struct cpu_tlb tlb;
    struct cpu_table table;
    struct cpu_pool *pool;
    uint64_t exec_epoch;
    bool has_shared;               /* something was mapped CPU_SHARED */
    struct cpu_space *next, *prev; /* in the pool's list */
};

static const uint8_t zero_page[CPU_PAGE_BYTES];

static uint64_t leaf_number(uint64_t addr)
{
    return addr / LEAF_BYTES;
}

static unsigned leaf_index(uint64_t addr)
{
    return (unsigned)(addr / CPU_PAGE_BYTES % CPU_LEAF_PAGES);
}

static uint8_t *zeroes(void)
{
    return (uint8_t *)zero_page; /* entries with frame 0 are never written through */
}

/* An empty entry names a page of another set, so that no address can match it. */
static void tlb_clear_table(struct cpu_tlb_entry *table)
{
    memset(table, 0, CPU_TLB_ENTRIES * sizeof(*table));
    table[0].page = CPU_PAGE_BYTES;
}

static void tlb_clear_page(struct cpu_tlb_entry *table, uint64_t page)
{
    struct cpu_tlb_entry *e = &table[page / CPU_PAGE_BYTES % CPU_TLB_ENTRIES];
    if (e->page == page)
        e->page = page ^ CPU_PAGE_BYTES;
}

static void tlb_fill(struct cpu_tlb_entry *table, uint64_t addr, uint8_t *host)
{
    uint64_t page = addr & ~(uint64_t)(CPU_PAGE_BYTES - 1);
    table[page / CPU_PAGE_BYTES % CPU_TLB_ENTRIES] = (struct cpu_tlb_entry){page, host};
}

static void tlb_clear_range(struct cpu_space *space, uint64_t addr, uint64_t len)
{
    if (len / CPU_PAGE_BYTES > FLUSH_ALL_PAGES) {
        tlb_clear_table(space->tlb.read);
        tlb_clear_table(space->tlb.write);
        return;
    }
    for (uint64_t page = addr; page < addr + len; page += CPU_PAGE_BYTES) {
        tlb_clear_page(space->tlb.read, page);
        tlb_clear_page(space->tlb.write, page);
    }
}

struct cpu_space *cpu_space_new(struct cpu_pool *pool)
{
    struct cpu_space *space = calloc(1, sizeof(*space));
    if (!space)
        return NULL;
    tlb_clear_table(space->tlb.read);
    tlb_clear_table(space->tlb.write);
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
    if (space->next)
        space->next->prev = space->prev;
    if (space->prev)
        space->prev->next = space->next;
    else
        space->pool->spaces = space->next;
    free(space);
}

/* Gives the entry a frame of its own with the same bytes. The leaf must be owned. */
static int give_frame(struct cpu_space *space, struct cpu_leaf *leaf, unsigned index)
{
    struct cpu_entry e = leaf->entry[index];
    uint32_t frame = cpu_pool_take(space->pool);
    if (!frame)
        return -ENOMEM;
    uint8_t *data = space->pool->frames[frame].data;
    memcpy(data, e.host, CPU_PAGE_BYTES);
    cpu_leaf_set(space->pool, leaf, index, (struct cpu_entry){data, frame, e.access});
    return 0;
}

static int share_pages_of(struct cpu_space *space, uint64_t number)
{
    for (unsigned i = 0; i < CPU_LEAF_PAGES; i++) {
        struct cpu_leaf *leaf = cpu_table_find(&space->table, number);
        const struct cpu_entry *e = &leaf->entry[i];
        if (e->frame || !(e->access & CPU_SHARED) || !(e->access & CPU_WRITE))
            continue;
        leaf = cpu_table_own(&space->table, number, false);
        if (!leaf || give_frame(space, leaf, i) < 0)
            return -ENOMEM;
        tlb_clear_range(space, number * LEAF_BYTES + i * (uint64_t)CPU_PAGE_BYTES, CPU_PAGE_BYTES);
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
    if (space->has_shared && share_pages(space) < 0)
        return NULL;
    struct cpu_space *clone = cpu_space_new(space->pool);
    if (!clone)
        return NULL;
    if (cpu_table_clone(&clone->table, &space->table) < 0) {
        cpu_space_free(clone);
        return NULL;
    }
    clone->has_shared = space->has_shared;
    tlb_clear_table(space->tlb.write); /* what was ours alone is not any more */
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
    p->number = leaf_number(addr);
    p->first = leaf_index(addr);
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
    uint64_t leaves = leaf_number(addr + len - 1) - leaf_number(addr) + 1;
    size_t tail = f->backing.len % CPU_PAGE_BYTES;
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

int cpu_space_map(struct cpu_space *space, uint64_t addr, uint64_t len, unsigned access,
                  struct span backing)
{
    if (!range_is_valid(addr, len))
        return -EINVAL;
    struct filling f = {span_slice(backing, 0, len), access & (ANY_ACCESS | CPU_SHARED), 0, NULL};
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
    uint64_t end = addr + len, first = leaf_number(addr + LEAF_BYTES - 1);
    int rc = 0;
    if (leaf_number(end) > first && leaf_number(end) - first > space->table.cap) {
        remove_leaves(space, first, leaf_number(end));
        space->exec_epoch++;
        if (addr < first * LEAF_BYTES)
            rc = cpu_space_unmap(space, addr, first * LEAF_BYTES - addr);
        if (rc == 0 && end % LEAF_BYTES)
            rc = cpu_space_unmap(space, end - end % LEAF_BYTES, end % LEAF_BYTES);
    } else {
        for (struct part p = {0}; rc == 0 && next_part(&p, addr, end);)
            rc = unmap_part(space, &p);
    }
    tlb_clear_range(space, addr, len);
    return rc;
}

bool cpu_space_is_mapped(const struct cpu_space *space, uint64_t addr, uint64_t len)
{
    if (len == 0)
        return true;
    if (addr >= CPU_SPACE_END || len > CPU_SPACE_END - addr)
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
    access &= ANY_ACCESS;
    int rc = 0;
    for (struct part p = {0}; rc == 0 && next_part(&p, addr, addr + len);) {
        struct cpu_leaf *leaf = cpu_table_own(&space->table, p.number, false);
        if (!leaf) {
            rc = -ENOMEM;
            break;
        }
        note_change(space, leaf, &p);
        for (unsigned i = p.first; i < p.first + p.count; i++)
            leaf->entry[i].access = (leaf->entry[i].access & ~(unsigned)ANY_ACCESS) | access;
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
    if (own_range(space, from, len) < 0 || own_range(space, to, len) < 0)
        return -ENOMEM;
    for (uint64_t offset = 0; offset < len; offset += CPU_PAGE_BYTES) {
        struct cpu_leaf *source = cpu_table_find(&space->table, leaf_number(from + offset));
        struct cpu_leaf *target = cpu_table_find(&space->table, leaf_number(to + offset));
        struct cpu_entry *moved = &source->entry[leaf_index(from + offset)];
        cpu_leaf_set(space->pool, target, leaf_index(to + offset), *moved);
        *moved = (struct cpu_entry){0};
    }
    space->exec_epoch++;
    tlb_clear_range(space, from, len);
    tlb_clear_range(space, to, len);
    return 0;
}

struct cpu_tlb *cpu_space_tlb(struct cpu_space *space)
{
    return &space->tlb;
}

uint64_t cpu_space_exec_epoch(const struct cpu_space *space)
{
    return space->exec_epoch;
}

static const struct cpu_entry *find_entry(const struct cpu_space *space, uint64_t addr)
{
    if (addr >= CPU_SPACE_END)
        return NULL;
    const struct cpu_leaf *leaf = cpu_table_find(&space->table, leaf_number(addr));
    const struct cpu_entry *e = leaf ? &leaf->entry[leaf_index(addr)] : NULL;
    return e && (e->access & CPU_MAPPED) ? e : NULL;
}

/* True when a write to the page is seen by nobody but those who share it on purpose. */
static bool may_write_in_place(const struct cpu_space *space, uint64_t addr,
                               const struct cpu_entry *e)
{
    if (!e->frame)
        return false;
    return (e->access & CPU_SHARED) ||
           (space->pool->frames[e->frame].refs == 1 &&
            cpu_table_find(&space->table, leaf_number(addr))->refs == 1);
}

static uint64_t granules_of(uint64_t addr, unsigned n)
{
    unsigned first = (unsigned)(addr % CPU_PAGE_BYTES) / 64;
    unsigned last = (unsigned)((addr + n - 1) % CPU_PAGE_BYTES) / 64;
    return (~UINT64_C(0) >> (63 - (last - first))) << first;
}

/* `n` bytes of one page, made ready to be written whatever the protection says. */
static int open_for_write(struct cpu_space *space, uint64_t addr, unsigned n, uint8_t **host)
{
    uint64_t page = addr - addr % CPU_PAGE_BYTES;
    const struct cpu_entry *e = find_entry(space, addr);
    if (!e)
        return -EFAULT;
    if (!may_write_in_place(space, addr, e)) {
        struct cpu_leaf *leaf = cpu_table_own(&space->table, leaf_number(addr), false);
        if (!leaf)
            return -ENOMEM;
        e = &leaf->entry[leaf_index(addr)];
        bool alone = e->frame && space->pool->frames[e->frame].refs == 1;
        if (!alone && give_frame(space, leaf, leaf_index(addr)) < 0)
            return -ENOMEM;
        space->exec_epoch += (e->access & CPU_EXEC) != 0;
        tlb_clear_page(space->tlb.read, page);
    }
    struct cpu_frame *frame = &space->pool->frames[e->frame];
    if (frame->code && (frame->code->granules & granules_of(addr, n)))
        frame->code->drop(frame->code);
    *host = e->host + addr % CPU_PAGE_BYTES;
    if ((e->access & CPU_WRITE) && !frame->code)
        tlb_fill(space->tlb.write, page, e->host);
    return 0;
}

int cpu_space_translate(struct cpu_space *space, uint64_t addr, unsigned n, unsigned access,
                        uint8_t **host)
{
    assert(n > 0 && addr % CPU_PAGE_BYTES + n <= CPU_PAGE_BYTES);
    const struct cpu_entry *e = find_entry(space, addr);
    if (!e)
        return -EFAULT;
    /* As on the processor itself: what may be written or executed may be read. */
    unsigned allowed = e->access & (access == CPU_READ ? (unsigned)ANY_ACCESS : access);
    if (!allowed)
        return -EACCES;
    if (access == CPU_WRITE)
        return open_for_write(space, addr, n, host);
    tlb_fill(space->tlb.read, addr, e->host);
    *host = e->host + addr % CPU_PAGE_BYTES;
    return 0;
}

int cpu_space_code_page(struct cpu_space *space, uint64_t addr, struct cpu_code_page *out)
{
    const struct cpu_entry *e = find_entry(space, addr);
    if (!e)
        return -EFAULT;
    if (!(e->access & CPU_EXEC))
        return -EACCES;
    *out = (struct cpu_code_page){.host = e->host, .frame = e->frame};
    if (e->frame) {
        out->pool = space->pool;
        out->hook = space->pool->frames[e->frame].code;
    }
    return 0;
}

void cpu_pool_set_code(struct cpu_pool *pool, uint32_t frame, struct cpu_code_hook *hook)
{
    bool is_new = hook && !pool->frames[frame].code;
    pool->frames[frame].code = hook;
    if (!is_new)
        return;
    /* Who could write the frame without asking? Rare enough to ask nobody who maps it. */
    for (struct cpu_space *space = pool->spaces; space; space = space->next)
        for (unsigned i = 0; i < CPU_TLB_ENTRIES; i++)
            if (space->tlb.write[i].host == pool->frames[frame].data)
                tlb_clear_page(space->tlb.write, space->tlb.write[i].page);
}

static int copy_page(struct cpu_space *space, uint64_t addr, unsigned n, unsigned access,
                     uint8_t **host)
{
    const struct cpu_tlb_entry *table = access == CPU_WRITE ? space->tlb.write : space->tlb.read;
    *host = cpu_tlb_find(table, addr, n);
    if (*host)
        return 0;
    int rc = cpu_space_translate(space, addr, n, access, host);
    return rc == -EACCES ? -EFAULT : rc;
}

/* How many of `len` bytes at `addr` stand in its page. */
static unsigned in_page(uint64_t addr, size_t len)
{
    size_t room = CPU_PAGE_BYTES - addr % CPU_PAGE_BYTES;
    return (unsigned)(len < room ? len : room);
}

int cpu_space_read(struct cpu_space *space, uint64_t addr, void *out, size_t len)
{
    uint8_t *to = out, *host;
    while (len > 0) {
        unsigned n = in_page(addr, len);
        int rc = copy_page(space, addr, n, CPU_READ, &host);
        if (rc < 0)
            return rc;
        memcpy(to, host, n);
        to += n;
        addr += n;
        len -= n;
    }
    return 0;
}

int cpu_space_write(struct cpu_space *space, uint64_t addr, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    uint8_t *host;
    while (len > 0) {
        unsigned n = in_page(addr, len);
        int rc = copy_page(space, addr, n, CPU_WRITE, &host);
        if (rc < 0)
            return rc;
        memcpy(host, from, n);
        from += n;
        addr += n;
        len -= n;
    }
    return 0;
}

int cpu_space_poke(struct cpu_space *space, uint64_t addr, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    uint8_t *host;
    while (len > 0) {
        unsigned n = in_page(addr, len);
        int rc = open_for_write(space, addr, n, &host);
        if (rc < 0)
            return rc;
        memcpy(host, from, n);
        from += n;
        addr += n;
        len -= n;
    }
    return 0;
}

int64_t cpu_space_read_z(struct cpu_space *space, uint64_t addr, char *out_z, size_t size)
{
    uint8_t *host;
    for (size_t done = 0; done < size;) {
        unsigned n = in_page(addr + done, size - done);
        if (copy_page(space, addr + done, n, CPU_READ, &host) < 0)
            return -EFAULT;
        const uint8_t *nul = memchr(host, 0, n);
        size_t take = nul ? (size_t)(nul - host) + 1 : n;
        memcpy(out_z + done, host, take);
        done += take;
        if (nul)
            return (int64_t)(done - 1);
    }
    return -ENAMETOOLONG;
}

size_t cpu_space_private_pages(const struct cpu_space *space)
{
    size_t count = 0;
    for (size_t i = 0; i < space->table.cap; i++) {
        const struct cpu_leaf *leaf = space->table.slots[i].leaf;
        if (!leaf || leaf->refs > 1)
            continue;
        for (unsigned p = 0; p < CPU_LEAF_PAGES; p++)
            count += leaf->entry[p].frame && space->pool->frames[leaf->entry[p].frame].refs == 1;
    }
    return count;
}

size_t cpu_space_mapped_pages(const struct cpu_space *space)
{
    size_t count = 0;
    for (size_t i = 0; i < space->table.cap; i++) {
        const struct cpu_leaf *leaf = space->table.slots[i].leaf;
        for (unsigned p = 0; leaf && p < CPU_LEAF_PAGES; p++)
            count += (leaf->entry[p].access & CPU_MAPPED) != 0;
    }
    return count;
}
