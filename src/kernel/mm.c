#include "kernel/mm.h"

#include "kernel/abi.h"
#include "kernel/file.h"
#include "kernel/ipc.h"
#include "kernel/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    COPY_BYTES = 16 * CPU_PAGE_BYTES, /* of a file at a time */
    PAGE_COST = 4,                    /* instructions: a page changed in the table */
    FRAME_COST = 16,                  /* given back */
    PAGES_SHARED = 16,                /* by a fork, for the cost of one instruction */
    FIRST_AREAS = 32,
};

static uint64_t page_up(uint64_t value)
{
    return (value + CPU_PAGE_BYTES - 1) & ~(uint64_t)(CPU_PAGE_BYTES - 1);
}

static bool is_page(uint64_t value)
{
    return (value & (CPU_PAGE_BYTES - 1)) == 0;
}

/* Rounds `len` up; false when the range is not a range of user addresses. */
static bool range_ok(const struct mm *mm, uint64_t addr, uint64_t *len)
{
    if (!is_page(addr) || *len > mm->space_end)
        return false;
    *len = page_up(*len);
    return addr <= mm->space_end && *len <= mm->space_end - addr;
}

/* Long ranges are work for the kernel: the guest's slice pays for it. */
static void charge_pages(const struct mm *mm, uint64_t bytes)
{
    kernel_charge(mm->kernel, bytes / CPU_PAGE_BYTES * PAGE_COST);
}

/* ---- The list ---- */

/* Index of the first area that ends above `addr`. */
static size_t area_index(const struct mm *mm, uint64_t addr)
{
    size_t low = 0, high = mm->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mm->areas[middle].end <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct mm_area *mm_find(const struct mm *mm, uint64_t addr)
{
    size_t i = area_index(mm, addr);
    return i < mm->count && mm->areas[i].start <= addr ? &mm->areas[i] : NULL;
}

static int reserve(struct mm *mm, size_t more)
{
    if (mm->count + more > MM_AREAS_MAX || mm->kernel->areas + more > KERNEL_AREAS_MAX)
        return -ENOMEM;
    if (mm->count + more <= mm->cap)
        return 0;
    size_t cap = mm->cap != 0 ? mm->cap * 2 : FIRST_AREAS;
    struct mm_area *areas = realloc(mm->areas, cap * sizeof(*areas));
    if (areas == NULL)
        return -ENOMEM;
    mm->areas = areas;
    mm->cap = cap;
    return 0;
}

/* The caller has reserved the place. */
static void insert(struct mm *mm, size_t i, const struct mm_area *area)
{
    assert(mm->count < mm->cap);
    memmove(&mm->areas[i + 1], &mm->areas[i], (mm->count - i) * sizeof(*mm->areas));
    mm->areas[i] = *area;
    mm->count++;
    mm->kernel->areas++;
}

/* A mapping of a file's own pages: what one writes all see. */
static bool has_pages(const struct mm_area *area)
{
    return area->file != NULL && (area->access & CPU_SHARED) != 0 && area->file->ops->page != NULL;
}

/* The area is one more that has its file, or one less. */
static void hold_file(const struct mm_area *area)
{
    if (area->file == NULL)
        return;
    file_hold(area->file);
    if (has_pages(area))
        area->file->ops->mapped(area->file, 1);
}

static void drop_file(const struct mm_area *area)
{
    if (area->file != NULL && has_pages(area))
        area->file->ops->mapped(area->file, -1);
    file_drop(area->file);
}

static void erase(struct mm *mm, size_t from, size_t to)
{
    bool detached = false;
    if (from == to)
        return;
    for (size_t i = from; i < to; i++) {
        detached |= mm->areas[i].kind == MM_SEGMENT;
        mm->pages -= (mm->areas[i].end - mm->areas[i].start) / CPU_PAGE_BYTES;
        drop_file(&mm->areas[i]);
    }
    memmove(&mm->areas[from], &mm->areas[to], (mm->count - to) * sizeof(*mm->areas));
    mm->count -= to - from;
    mm->kernel->areas -= (uint32_t)(to - from);
    if (detached)
        shm_reap(mm->kernel, mm);
}

static bool has_offset(const struct mm_area *area)
{
    return area->file != NULL || area->share_id != 0;
}

/* Makes `addr` a boundary between areas. The caller has reserved a place. */
static void split(struct mm *mm, uint64_t addr)
{
    size_t i = area_index(mm, addr);
    if (i == mm->count || mm->areas[i].start >= addr)
        return;
    struct mm_area upper = mm->areas[i];
    upper.start = addr;
    if (has_offset(&upper))
        upper.offset += addr - mm->areas[i].start;
    hold_file(&upper);
    mm->areas[i].end = addr;
    insert(mm, i + 1, &upper);
}

static bool can_join(const struct mm_area *a, const struct mm_area *b)
{
    if (a->kind == MM_SEGMENT || a->end != b->start || a->access != b->access ||
        a->access_max != b->access_max || a->kind != b->kind || a->file != b->file ||
        a->share_id != b->share_id)
        return false;
    return !has_offset(a) || a->offset + (a->end - a->start) == b->offset;
}

/* Joins what a change has made alike, around [start, end). */
static void join(struct mm *mm, uint64_t start, uint64_t end)
{
    size_t i = area_index(mm, start > 0 ? start - 1 : 0);
    while (i + 1 < mm->count && mm->areas[i].start < end) {
        if (!can_join(&mm->areas[i], &mm->areas[i + 1])) {
            i++;
            continue;
        }
        mm->areas[i].end = mm->areas[i + 1].end;
        drop_file(&mm->areas[i + 1]);
        memmove(&mm->areas[i + 1], &mm->areas[i + 2], (mm->count - i - 2) * sizeof(*mm->areas));
        mm->count--;
        mm->kernel->areas--;
    }
}

/* True when every page of the range is in some area. */
bool mm_is_covered(const struct mm *mm, uint64_t addr, uint64_t len)
{
    uint64_t at = addr;
    for (size_t i = area_index(mm, addr); at < addr + len; i++) {
        if (i == mm->count || mm->areas[i].start > at)
            return false;
        at = mm->areas[i].end;
    }
    return true;
}

/* ---- Life ---- */

/* A page of a file that is mapped and shared (cpu_space_fetch_fn): as a task's that has the memory. */
static int fetch(void *pager, uint64_t addr, bool write, uint32_t *frame)
{
    const struct mm *mm = pager;
    const struct mm_area *area = mm_find(mm, addr);
    struct task *t = mm->kernel->tasks;
    while (t != NULL && t->mm != mm)
        t = t->next;
    if (area == NULL || !has_pages(area))
        return -EFAULT;
    /* The processor comes here without leaving its run: what its turn does not pay for waits. */
    if (mm->kernel->in_run && mm->kernel->charged - mm->kernel->run_charged > KERNEL_QUANTUM) {
        mm->kernel->fetch_late = true;
        return -EFAULT;
    }
    uint64_t index = (area->offset + (addr - area->start)) / CPU_PAGE_BYTES;
    return area->file->ops->page(area->file, t, index, write, frame);
}

struct mm *mm_new(struct kernel *k, const struct abi *abi)
{
    struct mm *mm = calloc(1, sizeof(*mm));
    if (mm == NULL)
        return NULL;
    mm->refs = 1;
    mm->kernel = k;
    mm->abi = abi;
    mm->space_end = abi->space_end;
    mm->space = cpu_space_new(k->pool);
    if (mm->space == NULL) {
        free(mm);
        return NULL;
    }
    cpu_space_set_pager(mm->space, fetch, mm);
    return mm;
}

struct mm *mm_clone(struct mm *mm)
{
    if (mm->kernel->areas + mm->count > KERNEL_AREAS_MAX)
        return NULL;
    struct mm *copy = malloc(sizeof(*copy));
    if (copy == NULL)
        return NULL;
    *copy = *mm;
    copy->refs = 1;
    copy->cap = mm->count;
    copy->areas = malloc((mm->count + 1) * sizeof(*copy->areas));
    kernel_charge(mm->kernel, mm->pages / PAGES_SHARED);
    copy->space = cpu_space_clone(mm->space);
    if (copy->areas == NULL || copy->space == NULL) {
        free(copy->areas);
        if (copy->space != NULL)
            cpu_space_free(copy->space);
        free(copy);
        return NULL;
    }
    memcpy(copy->areas, mm->areas, mm->count * sizeof(*copy->areas));
    mm->kernel->areas += (uint32_t)mm->count;
    for (size_t i = 0; i < copy->count; i++)
        hold_file(&copy->areas[i]);
    cpu_space_set_pager(copy->space, fetch, copy);
    if (copy->exe != NULL)
        file_hold(copy->exe);
    if (copy->known != NULL)
        copy->known->refs++;
    if (copy->likeness != NULL)
        copy->likeness->refs++;
    return copy;
}

void mm_hold(struct mm *mm)
{
    mm->refs++;
}

void mm_drop(struct mm *mm)
{
    if (mm == NULL || --mm->refs > 0)
        return;
    mm->next = mm->kernel->dying;
    mm->kernel->dying = mm;
}

/* A piece of the end. False: there is more. */
static bool bury_piece(struct mm *mm)
{
    bool done = false;
    size_t pages = cpu_space_shrink(mm->space, &done);
    kernel_charge(mm->kernel, pages * FRAME_COST);
    return done;
}

static void forget_start(struct mm *mm)
{
    if (mm->likeness != NULL && --mm->likeness->refs == 0)
        mm->likeness->free(mm->likeness);
    if (mm->known != NULL)
        snapshot_drop(mm->known);
}

bool mm_bury(struct kernel *k)
{
    uint64_t charged = k->charged;
    while (k->dying != NULL && k->charged - charged < KERNEL_QUANTUM) {
        struct mm *mm = k->dying;
        if (!bury_piece(mm))
            continue;
        k->dying = mm->next;
        erase(mm, 0, mm->count);
        file_drop(mm->exe);
        cpu_space_free(mm->space);
        forget_start(mm);
        free(mm->areas);
        free(mm);
    }
    return k->dying == NULL;
}

/* ---- Places ---- */

uint64_t mm_find_gap(const struct mm *mm, uint64_t len, bool low)
{
    uint64_t top = low ? UINT64_C(0x80000000) : mm->mmap_top;
    for (size_t i = area_index(mm, top - 1);; i--) {
        uint64_t floor = MM_MIN_ADDR;
        if (i < mm->count && mm->areas[i].start < top) {
            if (mm->areas[i].end <= top && top - mm->areas[i].end >= len)
                return top - len;
            top = mm->areas[i].start;
        }
        if (i > 0) {
            floor = mm->areas[i - 1].end;
            if (floor > top)
                floor = top;
        }
        if (top >= len + MM_MIN_ADDR && top - floor >= len)
            return top - len;
        if (i == 0)
            return 0;
    }
}

/* Where the request goes: its address, 0 when there is no room, or -errno. */
static int64_t choose(const struct mm *mm, const struct mm_request *r, uint64_t len)
{
    uint64_t end = r->addr + len;
    if (r->fixed || r->noreplace) {
        if (!is_page(r->addr))
            return -EINVAL;
        if (r->addr > mm->space_end || len > mm->space_end - r->addr)
            return -ENOMEM;
        if (r->addr < MM_MIN_ADDR)
            return -EPERM;
        size_t i = area_index(mm, r->addr);
        if (r->noreplace && i < mm->count && mm->areas[i].start < end)
            return -EEXIST;
        return (int64_t)r->addr;
    }
    uint64_t hint = r->addr & ~(uint64_t)(CPU_PAGE_BYTES - 1);
    if (hint >= MM_MIN_ADDR && hint < mm->space_end && len <= mm->space_end - hint &&
        !(r->low && hint + len > UINT64_C(0x80000000))) {
        size_t i = area_index(mm, hint);
        if (i == mm->count || mm->areas[i].start >= hint + len)
            return (int64_t)hint;
    }
    return (int64_t)mm_find_gap(mm, len, r->low);
}

/* ---- Mapping ---- */

static int copy_file(struct mm *mm, struct file *file, uint64_t addr, uint64_t len, uint64_t offset)
{
    uint8_t *bytes = malloc(COPY_BYTES);
    if (bytes == NULL)
        return -ENOMEM;
    int error = 0;
    for (uint64_t at = 0; at < len && error == 0;) {
        size_t want = len - at < COPY_BYTES ? (size_t)(len - at) : COPY_BYTES;
        int64_t n = file_pread(file, NULL, bytes, want, (int64_t)(offset + at));
        if (n <= 0) {
            error = (int)n;
            break;
        }
        kernel_charge(mm->kernel, (uint64_t)n / KERNEL_COPY_BYTES);
        error = cpu_space_poke(mm->space, addr + at, bytes, (size_t)n);
        at += (uint64_t)n;
    }
    free(bytes);
    return error == -EFAULT ? -ENOMEM : error;
}

/* The pages of a new area. */
static int fill(struct mm *mm, const struct mm_area *area)
{
    struct span contents = {NULL, 0};
    uint64_t len = area->end - area->start;
    enum file_map how = FILE_MAP_ZERO;
    if (area->file != NULL)
        how = file_map(area->file, &contents);
    if (how == FILE_MAP_SPAN && area->offset < contents.len)
        contents = span_slice(contents, (size_t)area->offset, (size_t)(area->offset + len));
    else
        contents = (struct span){NULL, 0};
    charge_pages(mm, len);
    if (has_pages(area) && (how == FILE_MAP_COPY || (area->access_max & CPU_WRITE) != 0))
        return cpu_space_map_object(mm->space, area->start, len, area->access);
    int error = cpu_space_map(mm->space, area->start, len, area->access, contents);
    if (error == 0 && how == FILE_MAP_COPY)
        error = copy_file(mm, area->file, area->start, len, area->offset);
    return error;
}

uint64_t mm_piece(const struct mm *mm, uint64_t addr, uint64_t len)
{
    size_t i = area_index(mm, addr);
    if (i == mm->count || mm->areas[i].start >= addr + len)
        return len;
    const struct mm_area *area = &mm->areas[i];
    if (area->start > addr)
        return area->start - addr;
    uint64_t most = area->file != NULL ? MM_FILE_PIECE_BYTES : MM_PIECE_BYTES;
    if (len > area->end - addr)
        len = area->end - addr;
    return len < most ? len : most;
}

int mm_fill(struct mm *mm, uint64_t addr, uint64_t len)
{
    const struct mm_area *area = mm_find(mm, addr);
    if (area == NULL)
        return 0;
    struct mm_area part = *area;
    part.offset += has_offset(area) ? addr - area->start : 0;
    part.start = addr;
    part.end = len < area->end - addr ? addr + len : area->end;
    return fill(mm, &part);
}

static bool over_limits(const struct mm *mm, const struct mm_request *r, uint64_t len)
{
    if (mm->pages + len / CPU_PAGE_BYTES > MM_PAGES_MAX)
        return true;
    /* Linux's heuristic overcommit: only what could never be had is refused at once. */
    if (len / CPU_PAGE_BYTES > mm->kernel->limits.memory_pages && (r->access & CPU_WRITE) != 0)
        return true;
    return r->address_space_limit != 0 &&
           mm->pages + len / CPU_PAGE_BYTES > r->address_space_limit / CPU_PAGE_BYTES;
}

static uint64_t new_share_id(struct mm *mm)
{
    return ++mm->kernel->last_share_id;
}

static int place(struct mm *mm, const struct mm_request *r, uint64_t addr, uint64_t len)
{
    int error = mm_unmap(mm, addr, len);
    if (error == 0)
        error = reserve(mm, 1);
    if (error != 0)
        return error;
    struct mm_area area = {.start = addr,
                           .end = addr + len,
                           .access = r->access,
                           .access_max = r->access_max,
                           .kind = r->kind,
                           .file = r->file,
                           .offset = r->file != NULL ? r->offset : 0};
    if (r->file == NULL && (r->access & CPU_SHARED) != 0)
        area.share_id = new_share_id(mm);
    hold_file(&area);
    insert(mm, area_index(mm, addr), &area);
    mm->pages += len / CPU_PAGE_BYTES;
    if (r->filled != NULL) {
        *r->filled = mm_piece(mm, addr, len);
        area.end = addr + *r->filled;
    }
    error = fill(mm, &area);
    if (error != 0) {
        mm_unmap(mm, addr, len);
        return error;
    }
    join(mm, addr, addr + len);
    return 0;
}

int64_t mm_map(struct mm *mm, const struct mm_request *request)
{
    uint64_t len = request->len;
    struct mm_request r = *request;
    struct span contents;
    if (len == 0)
        return -EINVAL;
    if (len > mm->space_end || page_up(len) > mm->space_end)
        return -ENOMEM;
    len = page_up(len);
    if (r.file != NULL) {
        if (r.offset > INT64_MAX - len)
            return -EOVERFLOW;
        switch (file_map(r.file, &contents)) {
        case FILE_MAP_NONE: return -ENODEV;
        case FILE_MAP_ZERO: r.file = NULL; break;
        default: break;
        }
    }
    int64_t addr = choose(mm, &r, len);
    if (addr < 0)
        return addr;
    if (addr == 0 || over_limits(mm, &r, len))
        return -ENOMEM;
    int error = place(mm, &r, (uint64_t)addr, len);
    return error != 0 ? error : addr;
}

int mm_unmap(struct mm *mm, uint64_t addr, uint64_t len)
{
    if (!range_ok(mm, addr, &len) || len == 0)
        return -EINVAL;
    int error = reserve(mm, 2);
    if (error != 0)
        return error;
    split(mm, addr);
    split(mm, addr + len);
    size_t from = area_index(mm, addr);
    size_t to = from;
    while (to < mm->count && mm->areas[to].start < addr + len)
        to++;
    if (from == to)
        return 0;
    charge_pages(mm, len);
    error = cpu_space_unmap(mm->space, addr, len);
    if (error == 0)
        erase(mm, from, to);
    return error;
}

int mm_protect(struct mm *mm, uint64_t addr, uint64_t len, unsigned access)
{
    if (!range_ok(mm, addr, &len))
        return -ENOMEM;
    if (!mm_is_covered(mm, addr, len))
        return -ENOMEM;
    int error = reserve(mm, 2);
    if (error != 0)
        return error;
    for (size_t i = area_index(mm, addr); i < mm->count && mm->areas[i].start < addr + len; i++) {
        unsigned wanted = access | (mm->areas[i].access & CPU_SHARED);
        if ((access & ~mm->areas[i].access_max) != 0) {
            error = -EACCES;
            break;
        }
        if (mm->areas[i].access == wanted)
            continue;
        if (mm->areas[i].start < addr) {
            split(mm, addr); /* the upper part comes next */
            continue;
        }
        if (mm->areas[i].end > addr + len)
            split(mm, addr + len);
        struct mm_area *area = &mm->areas[i];
        charge_pages(mm, area->end - area->start);
        error = cpu_space_protect(mm->space, area->start, area->end - area->start, wanted);
        if (error != 0)
            break;
        area->access = wanted;
    }
    join(mm, addr, addr + len);
    return error;
}

int mm_discard(struct mm *mm, uint64_t addr, uint64_t len)
{
    if (!range_ok(mm, addr, &len))
        return -EINVAL;
    bool covered = mm_is_covered(mm, addr, len);
    for (size_t i = area_index(mm, addr); i < mm->count && mm->areas[i].start < addr + len; i++) {
        struct mm_area part = mm->areas[i];
        if ((part.access & CPU_SHARED) != 0)
            continue;
        if (part.start < addr) {
            part.offset += part.file != NULL ? addr - part.start : 0;
            part.start = addr;
        }
        if (part.end > addr + len)
            part.end = addr + len;
        int error = fill(mm, &part);
        if (error != 0)
            return error;
    }
    return covered ? 0 : -ENOMEM;
}

/* The part of an area that shows the file's bytes `from` to `to`. False: none. */
static bool part_of(const struct mm_area *area, uint64_t from, uint64_t to, struct mm_area *part)
{
    uint64_t len = area->end - area->start;
    if (to <= area->offset || from >= area->offset + len)
        return false;
    uint64_t skip = from > area->offset ? from - area->offset : 0;
    *part = *area;
    part->start += skip;
    part->offset += skip;
    if (to < area->offset + len)
        part->end = area->start + (to - area->offset);
    return true;
}

/* A piece of what is to be mapped anew in a memory. */
static void refresh(struct mm *mm)
{
    struct mm_refresh *r = &mm->kernel->refresh;
    struct mm_area part;
    if (r->mm != mm)
        *r = (struct mm_refresh){.object = r->object, .from = r->from, .to = r->to, .mm = mm};
    for (; r->area < mm->count; r->area++) {
        const struct mm_area *area = &mm->areas[r->area];
        if (!has_pages(area) || area->file->object != r->object ||
            !part_of(area, r->from, r->to, &part))
            continue;
        part.start += r->done;
        part.offset += r->done;
        r->done += MM_PIECE_BYTES;
        if (part.end - part.start > MM_PIECE_BYTES) {
            part.end = part.start + MM_PIECE_BYTES;
        } else {
            r->area++;
            r->done = 0;
        }
        (void)fill(mm, &part); /* without memory for it they stay as they are */
        return;
    }
    mm->refreshes = mm->kernel->refreshes;
}

/* A memory that was not looked at to its end; NULL: there is none. Threads have one together. */
static struct mm *next_to_refresh(const struct kernel *k)
{
    const struct task *t = k->tasks;
    while (t != NULL && (t->mm == NULL || t->mm->refreshes == k->refreshes))
        t = t->next;
    return t != NULL ? t->mm : NULL;
}

bool mm_refresh_work(struct kernel *k)
{
    uint64_t charged = k->charged;
    while (k->refresh.object != NULL && k->charged - charged < KERNEL_QUANTUM) {
        struct mm *mm = next_to_refresh(k);
        if (mm != NULL)
            refresh(mm);
        else
            k->refresh.object = NULL;
    }
    return k->refresh.object == NULL;
}

void mm_refresh(struct kernel *k, const void *object, uint64_t first, uint64_t end)
{
    while (!mm_refresh_work(k)) /* of another object, by the same call */
        continue;
    k->refreshes++;
    k->refresh = (struct mm_refresh){
        .object = object, .from = first * CPU_PAGE_BYTES, .to = end * CPU_PAGE_BYTES};
}

bool mm_is_beyond(const struct mm *mm, uint64_t addr, unsigned access)
{
    const struct mm_area *area = mm_find(mm, addr);
    return area != NULL && has_pages(area) && (area->access & access) != 0;
}

/* ---- Heap and stack ---- */

uint64_t mm_brk(struct mm *mm, uint64_t addr, uint64_t data_limit, uint64_t address_space_limit)
{
    uint64_t old_end = page_up(mm->brk_end), new_end;
    if (addr < mm->brk_start || addr > mm->space_end)
        return mm->brk_end;
    new_end = page_up(addr);
    if (addr - mm->brk_start > data_limit)
        return mm->brk_end;
    if (new_end < old_end) {
        if (mm_unmap(mm, new_end, old_end - new_end) != 0)
            return mm->brk_end;
    } else if (new_end > old_end) {
        struct mm_request r = {.addr = old_end,
                               .len = new_end - old_end,
                               .access = CPU_READ | CPU_WRITE,
                               .access_max = CPU_READ | CPU_WRITE | CPU_EXEC,
                               .noreplace = true,
                               .kind = MM_HEAP,
                               .address_space_limit = address_space_limit};
        if (mm_map(mm, &r) < 0)
            return mm->brk_end;
    }
    mm->brk_end = addr;
    return addr;
}

bool mm_grow_stack(struct mm *mm, uint64_t addr, uint64_t stack_limit)
{
    size_t i = area_index(mm, addr);
    uint64_t start = addr & ~(uint64_t)(CPU_PAGE_BYTES - 1);
    if (i == mm->count || mm->areas[i].kind != MM_STACK || mm->areas[i].start <= addr)
        return false;
    if (mm->areas[i].end - start > stack_limit)
        return false;
    uint64_t guard = (uint64_t)MM_STACK_GUARD_PAGES * CPU_PAGE_BYTES;
    if (start < MM_MIN_ADDR + guard || (i > 0 && start < mm->areas[i - 1].end + guard))
        return false;
    uint64_t more = mm->areas[i].start - start;
    struct span none = {NULL, 0};
    if (cpu_space_map(mm->space, start, more, mm->areas[i].access, none) != 0)
        return false;
    mm->areas[i].start = start;
    mm->pages += more / CPU_PAGE_BYTES;
    return true;
}
