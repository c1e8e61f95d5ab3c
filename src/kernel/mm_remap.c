/* mremap(2): its own file, for its cases are many. */
#include "kernel/mm.h"

#include "kernel/file.h"

#include <errno.h>

static uint64_t page_up(uint64_t value)
{
    return (value + CPU_PAGE_BYTES - 1) & ~(uint64_t)(CPU_PAGE_BYTES - 1);
}

static struct mm_request like(const struct mm_area *area, uint64_t addr, uint64_t len,
                              uint64_t into)
{
    return (struct mm_request){.addr = addr,
                               .len = len,
                               .access = area->access,
                               .access_max = area->access_max,
                               .fixed = true,
                               .kind = area->kind,
                               .file = area->file,
                               .offset = area->file != NULL ? area->offset + into : 0};
}

/* Longer where it stands, when the place behind is free. */
static int64_t extend(struct mm *mm, const struct mm_area *area, uint64_t addr, uint64_t old_len,
                      uint64_t new_len, uint64_t *filled)
{
    uint64_t end = addr + old_len, first = 0;
    if (area->end != end || new_len > mm->space_end - addr)
        return -ENOMEM;
    const struct mm_area *next = area + 1;
    if (next < mm->areas + mm->count && next->start < addr + new_len)
        return -ENOMEM;
    struct mm_request r = like(area, end, new_len - old_len, end - area->start);
    r.filled = &first;
    int64_t mapped = mm_map(mm, &r);
    *filled = old_len + first;
    return mapped < 0 ? mapped : (int64_t)addr;
}

static int64_t move(struct mm *mm, const struct mm_area *area, uint64_t addr, uint64_t old_len,
                    uint64_t new_len, uint64_t to, bool keep_old, uint64_t *filled)
{
    uint64_t kept = old_len < new_len ? old_len : new_len;
    struct mm_request r = like(area, to, new_len, addr - area->start);
    if (kept > MM_MOVE_BYTES_MAX)
        return -ENOMEM;
    if (r.file != NULL)
        file_hold(r.file); /* the old area may go before the new one is there */
    r.filled = filled;
    int64_t mapped = mm_map(mm, &r);
    int error = mapped < 0 ? (int)mapped : 0;
    if (error == 0)
        error = cpu_space_move(mm->space, addr, to, kept);
    file_drop(r.file);
    if (error != 0)
        return error;
    if (*filled < kept)
        *filled = kept;
    if (keep_old) {
        struct mm_request again = like(area, addr, old_len, 0);
        again.file = NULL;
        mapped = mm_map(mm, &again);
        return mapped < 0 ? mapped : (int64_t)to;
    }
    error = mm_unmap(mm, addr, old_len);
    return error != 0 ? error : (int64_t)to;
}

static bool overlaps(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a < b + b_len && b < a + a_len;
}

static int64_t check(const struct mm *mm, uint64_t addr, uint64_t old_len, uint64_t new_len,
                     unsigned flags, uint64_t new_addr)
{
    uint64_t mask = CPU_PAGE_BYTES - 1;
    if ((flags & ~7U) != 0 || (addr & mask) != 0 || new_len == 0)
        return -EINVAL;
    if ((flags & (MM_REMAP_FIXED | MM_REMAP_DONTUNMAP)) != 0 && (flags & MM_REMAP_MAYMOVE) == 0)
        return -EINVAL;
    if ((flags & MM_REMAP_DONTUNMAP) != 0 && old_len != new_len)
        return -EINVAL;
    if (addr > mm->space_end || old_len > mm->space_end - addr || new_len > mm->space_end)
        return -EINVAL;
    if ((flags & MM_REMAP_FIXED) == 0)
        return 0;
    if ((new_addr & mask) != 0 || new_addr > mm->space_end || new_len > mm->space_end - new_addr ||
        overlaps(addr, old_len, new_addr, new_len))
        return -EINVAL;
    return new_addr < MM_MIN_ADDR ? -EPERM : 0;
}

int64_t mm_remap(struct mm *mm, uint64_t addr, uint64_t old_len, uint64_t new_len, unsigned flags,
                 uint64_t new_addr, uint64_t address_space_limit, uint64_t *filled)
{
    *filled = UINT64_MAX;
    if (old_len > mm->space_end || new_len > mm->space_end)
        return -EINVAL;
    old_len = page_up(old_len);
    new_len = page_up(new_len);
    int64_t bad = check(mm, addr, old_len, new_len, flags, new_addr);
    if (bad != 0)
        return bad;
    const struct mm_area *found = mm_find(mm, addr);
    if (found == NULL || found->end < addr + old_len)
        return -EFAULT;
    if (old_len == 0)
        return -EINVAL; /* the doubling of shared maps is not there */
    struct mm_area area = *found;
    bool stays = (flags & (MM_REMAP_FIXED | MM_REMAP_DONTUNMAP)) == 0;
    if (stays && new_len <= old_len) {
        int error = new_len < old_len ? mm_unmap(mm, addr + new_len, old_len - new_len) : 0;
        return error != 0 ? error : (int64_t)addr;
    }
    uint64_t more = new_len > old_len ? (new_len - old_len) / CPU_PAGE_BYTES : 0;
    if (address_space_limit != 0 && mm->pages + more > address_space_limit / CPU_PAGE_BYTES)
        return -ENOMEM;
    if (stays) {
        int64_t in_place = extend(mm, found, addr, old_len, new_len, filled);
        if (in_place >= 0 || (flags & MM_REMAP_MAYMOVE) == 0)
            return in_place < 0 ? -ENOMEM : in_place;
    }
    uint64_t to = (flags & MM_REMAP_FIXED) != 0 ? new_addr : mm_find_gap(mm, new_len, false);
    if (to == 0)
        return -ENOMEM;
    return move(mm, &area, addr, old_len, new_len, to, (flags & MM_REMAP_DONTUNMAP) != 0, filled);
}
