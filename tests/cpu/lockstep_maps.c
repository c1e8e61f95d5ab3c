#include "lockstep_maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static unsigned access_of(const char *perms_z)
{
    return (perms_z[0] == 'r' ? CPU_READ : 0U) | (perms_z[1] == 'w' ? CPU_WRITE : 0U) |
           (perms_z[2] == 'x' ? CPU_EXEC : 0U);
}

static bool parse_line(const char *line_z, struct lockstep_region *r)
{
    char perms[8] = "";
    unsigned major, minor;
    int name = 0;
    if (sscanf(line_z, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64 " %n", &r->start,
               &r->end, perms, &r->offset, &major, &minor, &r->inode, &name) < 7)
        return false;
    r->access = access_of(perms);
    /* The kernel's own pages: the child is told that there is no vdso. */
    return strncmp(line_z + name, "[v", 2) != 0;
}

int lockstep_maps_read(pid_t pid, struct lockstep_maps *maps)
{
    char path[64], line[512];
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return -errno;
    maps->count = 0;
    while (maps->count < LOCKSTEP_REGIONS_MAX && fgets(line, sizeof(line), file))
        maps->count += parse_line(line, &maps->region[maps->count]);
    fclose(file);
    return maps->count < LOCKSTEP_REGIONS_MAX ? 0 : -E2BIG;
}

static const struct lockstep_region *find(const struct lockstep_maps *maps, uint64_t addr)
{
    for (unsigned i = 0; i < maps->count; i++) {
        if (addr >= maps->region[i].start && addr < maps->region[i].end)
            return &maps->region[i];
    }
    return NULL;
}

/* Where the region at `addr`, or the gap, ends. */
static uint64_t end_of(const struct lockstep_maps *maps, uint64_t addr)
{
    uint64_t end = UINT64_MAX;
    for (unsigned i = 0; i < maps->count; i++) {
        const struct lockstep_region *r = &maps->region[i];
        if (r->start > addr && r->start < end)
            end = r->start;
        if (addr >= r->start && addr < r->end)
            return r->end;
    }
    return end;
}

static bool same_backing(const struct lockstep_region *a, const struct lockstep_region *b,
                         uint64_t addr)
{
    if (a->inode != b->inode)
        return false;
    return a->inode == 0 || addr - a->start + a->offset == addr - b->start + b->offset;
}

static int copy_pages(struct cpu_space *space, int mem, uint64_t start, uint64_t end)
{
    uint8_t page[CPU_PAGE_BYTES];
    for (uint64_t addr = start; addr < end; addr += sizeof(page)) {
        if (pread(mem, page, sizeof(page), (off_t)addr) != (ssize_t)sizeof(page))
            continue; /* a hole behind the end of a file */
        int result = cpu_space_poke(space, addr, page, sizeof(page));
        if (result)
            return result;
    }
    return 0;
}

/* One stretch that lies in at most one region of each. */
static int apply_stretch(struct cpu_space *space, int mem, uint64_t start, uint64_t end,
                         const struct lockstep_region *before, const struct lockstep_region *now)
{
    const struct span zeros = {NULL, 0};
    if (!now)
        return before ? cpu_space_unmap(space, start, end - start) : 0;
    if (before && same_backing(before, now, start))
        return before->access == now->access
                   ? 0
                   : cpu_space_protect(space, start, end - start, now->access);
    int result = cpu_space_map(space, start, end - start, now->access, zeros);
    if (result == 0 && now->access & CPU_READ)
        result = copy_pages(space, mem, start, end);
    return result;
}

int lockstep_maps_apply(struct cpu_space *space, int mem, const struct lockstep_maps *before,
                        const struct lockstep_maps *now)
{
    uint64_t addr = 0;
    int result = 0;
    while (addr != UINT64_MAX && result == 0) {
        uint64_t a = end_of(before, addr), b = end_of(now, addr);
        uint64_t end = a < b ? a : b;
        result = apply_stretch(space, mem, addr, end, find(before, addr), find(now, addr));
        addr = end;
    }
    return result;
}

/* Walks the writable pages of both. `take`: copies differences to ours; else stops at one. */
static int walk(struct cpu_space *space, int mem, const struct lockstep_maps *maps, bool take,
                uint64_t *differs)
{
    uint8_t host[CPU_PAGE_BYTES], ours[CPU_PAGE_BYTES];
    const unsigned both = CPU_READ | CPU_WRITE;
    for (unsigned i = 0; i < maps->count; i++) {
        const struct lockstep_region *r = &maps->region[i];
        for (uint64_t addr = r->start; (r->access & both) == both && addr < r->end;
             addr += CPU_PAGE_BYTES) {
            int result = cpu_space_read(space, addr, ours, sizeof(ours));
            if (result)
                return result;
            if (pread(mem, host, sizeof(host), (off_t)addr) != (ssize_t)sizeof(host) ||
                memcmp(host, ours, sizeof(host)) == 0)
                continue;
            for (unsigned k = 0; !take; k++) {
                *differs = addr + k;
                if (host[k] != ours[k])
                    return 0;
            }
            result = cpu_space_poke(space, addr, host, sizeof(host));
            if (result)
                return result;
        }
    }
    return 0;
}

int lockstep_memory_take(struct cpu_space *space, int mem, const struct lockstep_maps *maps)
{
    return walk(space, mem, maps, true, NULL);
}

uint64_t lockstep_memory_differs(struct cpu_space *space, int mem, const struct lockstep_maps *maps)
{
    uint64_t differs = 0;
    int result = walk(space, mem, maps, false, &differs);
    return result ? UINT64_MAX : differs;
}
