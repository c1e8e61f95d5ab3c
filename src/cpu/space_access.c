/* The way from an address to bytes: translations, copies on write, the kernel's reads and writes. */
#include "cpu/pack.h"
#include "cpu/space_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* An empty entry names a page of another set, so that no address can match it. */
void cpu_tlb_clear(struct cpu_tlb_entry *table)
{
    memset(table, 0, CPU_TLB_ENTRIES * sizeof(*table));
    table[0].page = CPU_PAGE_BYTES;
}

static void clear_page(struct cpu_tlb_entry *table, uint64_t page)
{
    struct cpu_tlb_entry *e = &table[page / CPU_PAGE_BYTES % CPU_TLB_ENTRIES];
    if (e->page == page)
        e->page = page ^ CPU_PAGE_BYTES;
}

void cpu_space_forget_page(struct cpu_space *space, uint64_t page)
{
    if (!space->tlb)
        return;
    clear_page(space->tlb->read, page);
    clear_page(space->tlb->write, page);
}

static void tlb_fill(struct cpu_tlb_entry *table, uint64_t addr, uint8_t *host)
{
    uint64_t page = addr & ~(uint64_t)(CPU_PAGE_BYTES - 1);
    table[page / CPU_PAGE_BYTES % CPU_TLB_ENTRIES] = (struct cpu_tlb_entry){page, host};
}

int cpu_space_give_frame(struct cpu_space *space, struct cpu_leaf *leaf, unsigned index)
{
    struct cpu_entry e = leaf->entry[index];
    uint32_t frame = cpu_pool_take(space->pool);
    if (!frame)
        return -ENOMEM;
    uint8_t *data = space->pool->frames[frame].data;
    memcpy(data, e.host, CPU_PAGE_BYTES);
    e = (struct cpu_entry){data, frame, e.access & ~(unsigned)CPU_LENT};
    cpu_leaf_set(space->pool, leaf, index, e);
    return 0;
}

struct cpu_tlb *cpu_space_tlb(struct cpu_space *space)
{
    if (space->tlb)
        return space->tlb;
    space->tlb = malloc(sizeof(*space->tlb));
    if (space->tlb) {
        cpu_tlb_clear(space->tlb->read);
        cpu_tlb_clear(space->tlb->write);
    }
    return space->tlb;
}

uint64_t cpu_space_exec_epoch(const struct cpu_space *space)
{
    return space->exec_epoch;
}

/* What is still to be made gets its frame: for all that share the leaf, for whom it is the same. */
static int make_page(struct cpu_space *space, struct cpu_leaf *leaf, unsigned index)
{
    struct cpu_entry e = leaf->entry[index];
    uint32_t frame = cpu_pool_take(space->pool);
    if (!frame)
        return -ENOMEM;
    uint8_t *data = space->pool->frames[frame].data;
    space->maker->make(space->maker, e.host, data);
    e = (struct cpu_entry){data, frame, e.access & ~(unsigned)(CPU_TO_MAKE | CPU_LENT)};
    cpu_leaf_set(space->pool, leaf, index, e);
    return 0;
}

/* Another entry of the same frame may have unpacked it already. */
static int unpack_page(const struct cpu_space *space, struct cpu_entry *e)
{
    struct cpu_frame *frame = &space->pool->frames[e->frame];
    if (!frame->data) {
        uint8_t *data = malloc(CPU_PAGE_BYTES);
        if (!data)
            return -ENOMEM;
        cpu_pack_open(frame->pack, data);
        cpu_pack_free(frame->pack);
        frame->data = data;
        frame->code = NULL;
    }
    e->host = frame->data;
    e->access &= ~(unsigned)CPU_PACKED;
    return 0;
}

static struct cpu_entry *mapped_entry(struct cpu_space *space, uint64_t addr)
{
    struct cpu_leaf *leaf = cpu_table_find(&space->table, cpu_leaf_number(addr));
    struct cpu_entry *e = leaf ? &leaf->entry[cpu_leaf_index(addr)] : NULL;
    return e && e->access & CPU_MAPPED ? e : NULL;
}

/* The pager tells the frame of an object's page: for all that share the leaf. It may have mapped
 * something, so the entry is looked for again. */
static int fetch_page(struct cpu_space *space, uint64_t addr, bool write,
                      const struct cpu_entry **entry)
{
    uint32_t frame = 0;
    int rc = space->fetch(space->pager, addr - addr % CPU_PAGE_BYTES, write, &frame);
    if (rc < 0)
        return rc;
    struct cpu_entry *e = mapped_entry(space, addr);
    if (!e)
        return -EFAULT;
    cpu_frame_ref(space->pool, frame);
    if (e->frame)
        cpu_frame_unref(space->pool, e->frame);
    unsigned left = e->access & ~(unsigned)(CPU_TO_FETCH | CPU_CLEAN);
    *e =
        (struct cpu_entry){space->pool->frames[frame].data, frame, write ? left : left | CPU_CLEAN};
    *entry = e;
    return 0;
}

/* The entry of a mapped page, its contents made. 0, -EFAULT, -ENOMEM. */
static int find_entry(struct cpu_space *space, uint64_t addr, const struct cpu_entry **entry)
{
    if (addr >= CPU_SPACE_END)
        return -EFAULT;
    if (cpu_space_wake(space) < 0)
        return -ENOMEM;
    struct cpu_leaf *leaf = cpu_table_find(&space->table, cpu_leaf_number(addr));
    struct cpu_entry *e = leaf ? &leaf->entry[cpu_leaf_index(addr)] : NULL;
    if (!e || !(e->access & CPU_MAPPED))
        return -EFAULT;
    *entry = e;
    if (e->access & CPU_TO_FETCH)
        return fetch_page(space, addr, false, entry);
    if (e->access & CPU_PACKED)
        return unpack_page(space, e);
    return e->access & CPU_TO_MAKE ? make_page(space, leaf, cpu_leaf_index(addr)) : 0;
}

/* True when a write to the page is seen by nobody but those who share it on purpose. */
static bool may_write_in_place(const struct cpu_space *space, uint64_t addr,
                               const struct cpu_entry *e)
{
    if (!e->frame)
        return false;
    return (e->access & CPU_SHARED) ||
           (space->pool->frames[e->frame].refs == 1 &&
            cpu_table_find(&space->table, cpu_leaf_number(addr))->refs == 1);
}

static uint64_t granules_of(uint64_t addr, unsigned n)
{
    unsigned first = (unsigned)(addr % CPU_PAGE_BYTES) / 64;
    unsigned last = (unsigned)((addr + n - 1) % CPU_PAGE_BYTES) / 64;
    return (~UINT64_C(0) >> (63 - (last - first))) << first;
}

/* `n` bytes of one page, made ready to be written whatever the protection says. 0, -EFAULT,
 * -ENOMEM. */
static int open_for_write(struct cpu_space *space, uint64_t addr, unsigned n, uint8_t **host)
{
    uint64_t page = addr - addr % CPU_PAGE_BYTES;
    const struct cpu_entry *e;
    int rc = find_entry(space, addr, &e);
    if (rc == 0 && e->access & CPU_CLEAN)
        rc = fetch_page(space, addr, true, &e);
    if (rc < 0)
        return rc;
    if (!may_write_in_place(space, addr, e)) {
        struct cpu_leaf *leaf = cpu_table_own(&space->table, cpu_leaf_number(addr), false);
        if (!leaf)
            return -ENOMEM;
        e = &leaf->entry[cpu_leaf_index(addr)];
        bool alone = e->frame && space->pool->frames[e->frame].refs == 1;
        if (!alone && cpu_space_give_frame(space, leaf, cpu_leaf_index(addr)) < 0)
            return -ENOMEM;
        space->exec_epoch += (e->access & CPU_EXEC) != 0;
        cpu_space_forget_page(space, page);
    }
    struct cpu_frame *frame = &space->pool->frames[e->frame];
    if (frame->code && (frame->code->granules & granules_of(addr, n)))
        frame->code->drop(frame->code);
    *host = e->host + addr % CPU_PAGE_BYTES;
    if (space->tlb && (e->access & CPU_WRITE) && !frame->code)
        tlb_fill(space->tlb->write, page, e->host);
    return 0;
}

int cpu_space_translate(struct cpu_space *space, uint64_t addr, unsigned n, unsigned access,
                        uint8_t **host)
{
    assert(n > 0 && addr % CPU_PAGE_BYTES + n <= CPU_PAGE_BYTES);
    const struct cpu_entry *e;
    int rc = find_entry(space, addr, &e);
    if (rc < 0)
        return rc;
    /* As on the processor itself: what may be written or executed may be read. */
    unsigned allowed = e->access & (access == CPU_READ ? (unsigned)CPU_ANY_ACCESS : access);
    if (!allowed)
        return -EACCES;
    if (access == CPU_WRITE)
        return open_for_write(space, addr, n, host);
    if (space->tlb)
        tlb_fill(space->tlb->read, addr, e->host);
    *host = e->host + addr % CPU_PAGE_BYTES;
    return 0;
}

/* Decoded code is kept by the place of its bytes, which therefore must not go with the maker. */
static int own_lent(struct cpu_space *space, uint64_t addr, const struct cpu_entry **e)
{
    struct cpu_leaf *leaf = cpu_table_own(&space->table, cpu_leaf_number(addr), false);
    if (!leaf || cpu_space_give_frame(space, leaf, cpu_leaf_index(addr)) < 0)
        return -ENOMEM;
    cpu_space_forget_page(space, addr - addr % CPU_PAGE_BYTES);
    *e = &leaf->entry[cpu_leaf_index(addr)];
    return 0;
}

int cpu_space_code_page(struct cpu_space *space, uint64_t addr, struct cpu_code_page *out)
{
    const struct cpu_entry *e;
    int rc = find_entry(space, addr, &e);
    if (rc < 0)
        return rc;
    if (!(e->access & CPU_EXEC))
        return -EACCES;
    if (e->access & CPU_LENT) {
        rc = own_lent(space, addr, &e);
        if (rc < 0)
            return rc;
    }
    *out = (struct cpu_code_page){.host = e->host, .frame = e->frame};
    if (e->frame) {
        out->pool = space->pool;
        out->hook = space->pool->frames[e->frame].code;
    }
    return 0;
}

unsigned cpu_pool_set_code(struct cpu_pool *pool, uint32_t frame, struct cpu_code_hook *hook)
{
    bool is_new = hook && !pool->frames[frame].code;
    unsigned caches = 0;
    pool->frames[frame].code = hook;
    if (!is_new)
        return 0;
    /* Who could write the frame without asking? Rare enough to ask nobody who maps it. */
    for (struct cpu_space *space = pool->spaces; space; space = space->next) {
        caches += space->tlb != NULL;
        for (unsigned i = 0; space->tlb && i < CPU_TLB_ENTRIES; i++)
            if (space->tlb->write[i].host == pool->frames[frame].data)
                clear_page(space->tlb->write, space->tlb->write[i].page);
    }
    return caches;
}

static int copy_page(struct cpu_space *space, uint64_t addr, unsigned n, unsigned access,
                     uint8_t **host)
{
    if (space->tlb) {
        *host = cpu_tlb_find(access == CPU_WRITE ? space->tlb->write : space->tlb->read, addr, n);
        if (*host)
            return 0;
    }
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

/* How a page is opened for `n` bytes at `addr`: 0 and where they stand on the host, or an error. */
typedef int (*open_page_fn)(struct cpu_space *space, uint64_t addr, unsigned n, uint8_t **host);

static int open_as_guest(struct cpu_space *space, uint64_t addr, unsigned n, uint8_t **host)
{
    return copy_page(space, addr, n, CPU_WRITE, host);
}

static inline int copy_in(struct cpu_space *space, uint64_t addr, const void *bytes, size_t len,
                          open_page_fn open_page)
{
    const uint8_t *from = bytes;
    uint8_t *host;
    while (len > 0) {
        unsigned n = in_page(addr, len);
        int rc = open_page(space, addr, n, &host);
        if (rc < 0)
            return rc;
        memcpy(host, from, n);
        from += n;
        addr += n;
        len -= n;
    }
    return 0;
}

int cpu_space_write(struct cpu_space *space, uint64_t addr, const void *bytes, size_t len)
{
    return copy_in(space, addr, bytes, len, open_as_guest);
}

int cpu_space_poke(struct cpu_space *space, uint64_t addr, const void *bytes, size_t len)
{
    return copy_in(space, addr, bytes, len, open_for_write);
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

/* ---- Objects ---- */

void cpu_space_set_pager(struct cpu_space *space, cpu_space_fetch_fn fetch, void *pager)
{
    space->fetch = fetch;
    space->pager = pager;
}

/* ---- Snapshots ---- */

void cpu_space_set_maker(struct cpu_space *space, struct cpu_maker *maker)
{
    if (maker)
        maker->refs++;
    if (space->maker && --space->maker->refs == 0)
        space->maker->free(space->maker);
    space->maker = maker;
}

struct cpu_maker *cpu_space_maker(const struct cpu_space *space)
{
    return space->maker;
}

int cpu_space_give_page(struct cpu_space *space, uint64_t addr, const uint8_t *like, bool made)
{
    const struct cpu_entry *old;
    assert(addr % CPU_PAGE_BYTES == 0 && (!made || space->maker));
    int rc = find_entry(space, addr, &old);
    if (rc < 0)
        return rc;
    struct cpu_leaf *leaf = cpu_table_own(&space->table, cpu_leaf_number(addr), false);
    if (!leaf)
        return -ENOMEM;
    /* Entries with frame 0 are never written through. */
    struct cpu_entry e = leaf->entry[cpu_leaf_index(addr)];
    e.host = (uint8_t *)like;
    e.frame = 0;
    e.access |= made ? (unsigned)(CPU_LENT | CPU_TO_MAKE) : (unsigned)CPU_LENT;
    space->exec_epoch += (e.access & CPU_EXEC) != 0;
    cpu_leaf_set(space->pool, leaf, cpu_leaf_index(addr), e);
    cpu_space_forget_page(space, addr);
    return 0;
}

/* Frames that nobody else names, and from which no code was decoded. */
static bool may_pack(const struct cpu_space *space, const struct cpu_leaf *leaf,
                     const struct cpu_entry *e)
{
    if (leaf->refs > 1 || !e->frame || e->access & (CPU_PACKED | CPU_EXEC))
        return false;
    return space->pool->frames[e->frame].refs == 1 && !space->pool->frames[e->frame].code;
}

size_t cpu_space_pack(struct cpu_space *space, struct cpu_maker *maker, cpu_space_like_fn like_fn,
                      size_t *budget)
{
    struct cpu_packer packer;
    size_t count = 0;
    if (cpu_space_wake(space) < 0)
        return 0;
    cpu_packer_init(&packer, maker);
    for (size_t i = 0; i < space->table.cap; i++) {
        const struct cpu_slot *slot = &space->table.slots[i];
        for (unsigned p = 0; slot->leaf && *budget > 0 && p < CPU_LEAF_PAGES; p++) {
            struct cpu_entry *e = &slot->leaf->entry[p];
            uint64_t addr = slot->number * CPU_LEAF_BYTES + p * (uint64_t)CPU_PAGE_BYTES;
            if (!may_pack(space, slot->leaf, e))
                continue;
            (*budget)--;
            if (!cpu_packer_has_room(&packer))
                count += cpu_packer_flush(&packer);
            (void)cpu_packer_put(&packer, like_fn(maker, addr), &space->pool->frames[e->frame], e);
        }
    }
    return count + cpu_packer_flush(&packer);
}

void cpu_space_each_own(struct cpu_space *space, cpu_space_page_fn fn, void *context)
{
    if (cpu_space_wake(space) < 0)
        return;
    for (size_t i = 0; i < space->table.cap; i++) {
        const struct cpu_slot *slot = &space->table.slots[i];
        for (unsigned p = 0; slot->leaf && p < CPU_LEAF_PAGES; p++)
            if (slot->leaf->entry[p].frame)
                fn(context, slot->number * CPU_LEAF_BYTES + p * (uint64_t)CPU_PAGE_BYTES,
                   slot->leaf->entry[p].host);
    }
}
