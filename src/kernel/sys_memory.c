/* Memory: the calls. */
#include "kernel/fdtable.h"
#include "kernel/file.h"
#include "kernel/mm.h"
#include "kernel/overlay.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>

enum {
    PROT_ATOMIC = 8, /* PROT_SEM */
    KNOWN_PROT = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_ATOMIC,
    ACCESS_ALL = CPU_READ | CPU_WRITE | CPU_EXEC,
};

static const uint64_t page_mask = CPU_PAGE_BYTES - 1;

static unsigned access_of(uint64_t prot)
{
    unsigned access = 0;
    if ((prot & PROT_READ) != 0)
        access |= CPU_READ;
    if ((prot & PROT_WRITE) != 0) /* x86: what can be written can be read */
        access |= CPU_WRITE | CPU_READ;
    if ((prot & PROT_EXEC) != 0)
        access |= CPU_EXEC;
    return access;
}

/* 0: unlimited, as mm.h has it. */
static uint64_t limit_of(const struct task *t, int resource)
{
    uint64_t limit = process_limit(t->process, resource);
    return limit == RLIM64_INFINITY ? 0 : limit;
}

/* What the file's open mode allows. */
static int64_t file_access(struct file *f, uint64_t prot, bool shared, unsigned *most)
{
    uint32_t mode = f->flags & O_ACCMODE;
    if ((f->flags & O_PATH) != 0)
        return -EBADF;
    if (mode == O_WRONLY)
        return -EACCES;
    *most = ACCESS_ALL;
    if (shared && mode != O_RDWR) {
        *most = CPU_READ | CPU_EXEC;
        if ((prot & PROT_WRITE) != 0)
            return -EACCES;
    }
    const uint32_t *seals = overlay_seals(f);
    if (shared && seals != NULL && (*seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) {
        *most = CPU_READ | CPU_EXEC;
        if ((prot & PROT_WRITE) != 0)
            return -EPERM;
    }
    return 0;
}

static int64_t map_type(uint64_t flags, bool *shared)
{
    switch (flags & MAP_TYPE) {
    case MAP_SHARED:
    case MAP_SHARED_VALIDATE: *shared = true; return 0;
    case MAP_PRIVATE: *shared = false; return 0;
    default: return -EINVAL;
    }
}

/* ---- Long ranges, in pieces ---- */

typedef int (*range_work)(struct mm *mm, uint64_t addr, uint64_t len, unsigned access);

static int unmap(struct mm *mm, uint64_t addr, uint64_t len, unsigned access)
{
    (void)access;
    return mm_unmap(mm, addr, len);
}

static int discard(struct mm *mm, uint64_t addr, uint64_t len, unsigned access)
{
    (void)access;
    return mm_discard(mm, addr, len);
}

static int sync_range(struct mm *mm, uint64_t addr, uint64_t len, unsigned access)
{
    (void)access;
    return mm_is_covered(mm, addr, len) ? 0 : -ENOMEM; /* the pages are the file's own */
}

static int fill(struct mm *mm, uint64_t addr, uint64_t len, unsigned access)
{
    (void)access;
    return mm_fill(mm, addr, len);
}

/* As much as a turn pays for, from t->restart.done on; the rest in the next. 0 at the end. */
static int64_t in_pieces(struct task *t, uint64_t addr, uint64_t len, range_work work,
                         unsigned access)
{
    uint64_t done = t->restart.done, charged = t->kernel->charged;
    int error = 0;
    while (error == 0 && done < len && t->kernel->charged - charged < KERNEL_QUANTUM) {
        uint64_t n = mm_piece(t->mm, addr + done, len - done);
        error = work(t->mm, addr + done, n, access);
        done += n;
    }
    if (error != 0)
        return error;
    return done < len ? task_continue(t, done) : 0;
}

/* The same where holes are passed over, and told in the end. */
static int64_t over_holes(struct task *t, uint64_t addr, uint64_t len, range_work work)
{
    for (;;) {
        int64_t result = in_pieces(t, addr, len, work, 0);
        if (result != -ENOMEM)
            return result == 0 && t->restart.mark != 0 ? -ENOMEM : result;
        t->restart.mark = 1;
        t->restart.done += mm_piece(t->mm, addr + t->restart.done, len - t->restart.done);
    }
}

/* The range as pages; false when it is none. */
static bool is_range(const struct task *t, uint64_t addr, uint64_t *len)
{
    if ((addr & page_mask) != 0 || *len > t->mm->space_end)
        return false;
    *len = (*len + page_mask) & ~page_mask;
    return addr <= t->mm->space_end && *len <= t->mm->space_end - addr;
}

/* A mapping of which pages up to t->restart.done are made. What cannot be made whole goes again. */
static int64_t finish_map(struct task *t, uint64_t addr, uint64_t len)
{
    static char failed;
    int64_t result = 0;
    if (t->restart.object != &failed) {
        result = in_pieces(t, addr, len, fill, 0);
        if (result == SYS_WAIT || result == 0)
            return result == 0 ? (int64_t)addr : result;
        t->restart.object = &failed;
        t->restart.done = 0;
    }
    result = in_pieces(t, addr, len, unmap, 0);
    return result == SYS_WAIT ? result : -ENOMEM;
}

static int64_t begin_finish(struct task *t, int64_t addr, uint64_t len, uint64_t filled)
{
    t->restart.begun = true;
    t->restart.mark = (uint64_t)addr;
    t->restart.done = filled;
    return finish_map(t, (uint64_t)addr, len);
}

/* ---- The calls ---- */

int64_t sys_mmap(struct task *t, const uint64_t arg[6])
{
    uint64_t flags = arg[3], len = (arg[1] + page_mask) & ~page_mask, filled = 0;
    bool shared = false;
    if (t->restart.begun)
        return finish_map(t, t->restart.mark, len);
    struct mm_request r = {.addr = arg[0],
                           .len = arg[1],
                           .access = access_of(arg[2]),
                           .access_max = ACCESS_ALL,
                           .fixed = (flags & MAP_FIXED) != 0,
                           .noreplace = (flags & MAP_FIXED_NOREPLACE) != 0,
                           .low = (flags & MAP_32BIT) != 0,
                           .kind = (flags & MAP_GROWSDOWN) != 0 ? MM_STACK : MM_ANY,
                           .offset = arg[5],
                           .address_space_limit = limit_of(t, RLIMIT_AS)};
    if ((arg[5] & page_mask) != 0)
        return -EINVAL;
    if ((flags & MAP_ANONYMOUS) == 0) {
        r.file = fd_table_find(t->files, (int32_t)arg[4]);
        if (r.file == NULL)
            return -EBADF;
    }
    int64_t error = map_type(flags, &shared);
    if (error != 0 || arg[1] == 0)
        return error != 0 ? error : -EINVAL;
    if (r.file != NULL)
        error = file_access(r.file, arg[2], shared, &r.access_max);
    if (error != 0)
        return error;
    if (shared)
        r.access |= CPU_SHARED;
    /* What a long one replaces goes first, in pieces. */
    if (r.fixed && !r.noreplace && is_range(t, r.addr, &len) && r.addr >= MM_MIN_ADDR)
        error = in_pieces(t, r.addr, len, unmap, 0);
    if (error != 0)
        return error;
    r.filled = &filled;
    int64_t addr = mm_map(t->mm, &r);
    return addr < 0 ? addr : begin_finish(t, addr, len, filled);
}

int64_t sys_munmap(struct task *t, const uint64_t arg[6])
{
    uint64_t len = arg[1];
    return !is_range(t, arg[0], &len) || len == 0 ? -EINVAL : in_pieces(t, arg[0], len, unmap, 0);
}

int64_t sys_mprotect(struct task *t, const uint64_t arg[6])
{
    uint64_t grows = PROT_GROWSDOWN | PROT_GROWSUP;
    if ((arg[0] & page_mask) != 0 || (arg[2] & ~((uint64_t)KNOWN_PROT | grows)) != 0)
        return -EINVAL;
    uint64_t len = arg[1];
    if (!is_range(t, arg[0], &len))
        return -ENOMEM;
    return in_pieces(t, arg[0], len, mm_protect, access_of(arg[2]));
}

int64_t sys_brk(struct task *t, const uint64_t arg[6])
{
    return (int64_t)mm_brk(t->mm, arg[0], process_limit(t->process, RLIMIT_DATA),
                           limit_of(t, RLIMIT_AS));
}

int64_t sys_mremap(struct task *t, const uint64_t arg[6])
{
    uint64_t old_len = arg[1], new_len = arg[2], filled = 0;
    if (t->restart.begun)
        return finish_map(t, t->restart.mark, (new_len + page_mask) & ~page_mask);
    bool valid = is_range(t, arg[0], &old_len) && is_range(t, arg[0], &new_len);
    const struct mm_area *area = valid ? mm_find(t->mm, arg[0]) : NULL;
    /* A long one that becomes shorter where it is. */
    if (area != NULL && arg[0] + old_len <= area->end && new_len > 0 && new_len < old_len &&
        (arg[3] & ~(uint64_t)MM_REMAP_MAYMOVE) == 0) {
        int64_t result = in_pieces(t, arg[0] + new_len, old_len - new_len, unmap, 0);
        return result != 0 ? result : (int64_t)arg[0];
    }
    int64_t addr = mm_remap(t->mm, arg[0], arg[1], arg[2], (unsigned)arg[3], arg[4],
                            limit_of(t, RLIMIT_AS), &filled);
    return addr < 0 || filled >= new_len ? addr : begin_finish(t, addr, new_len, filled);
}

int64_t sys_madvise(struct task *t, const uint64_t arg[6])
{
    uint64_t len = arg[1];
    if (!is_range(t, arg[0], &len))
        return -EINVAL;
    switch ((int)arg[2]) {
    case MADV_DONTNEED:
    case MADV_REMOVE: return over_holes(t, arg[0], len, discard);
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_FREE: /* the pages may be kept as long as there is memory */
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_COLD:
    case MADV_PAGEOUT: return 0;
    default: return -EINVAL;
    }
}

int64_t sys_msync(struct task *t, const uint64_t arg[6])
{
    uint64_t known = MS_ASYNC | MS_SYNC | MS_INVALIDATE;
    if ((arg[2] & ~known) != 0 || (arg[0] & page_mask) != 0 ||
        (arg[2] & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
        return -EINVAL;
    uint64_t len = arg[1];
    return is_range(t, arg[0], &len) ? over_holes(t, arg[0], len, sync_range) : -ENOMEM;
}

static bool is_covered(const struct task *t, uint64_t start, uint64_t len)
{
    for (uint64_t at = start; at - start < len;) {
        const struct mm_area *area = mm_find(t->mm, at);
        if (area == NULL)
            return false;
        at = area->end;
    }
    return true;
}

/* Nothing is ever swapped out: every page is as good as locked. */
int64_t sys_mlock(struct task *t, const uint64_t arg[6])
{
    uint64_t start = arg[0] & ~page_mask;
    uint64_t len = (arg[1] + (arg[0] & page_mask) + page_mask) & ~page_mask;
    if (len > t->mm->space_end || start > t->mm->space_end)
        return -ENOMEM;
    return is_covered(t, start, len) ? 0 : -ENOMEM;
}

int64_t sys_munlock(struct task *t, const uint64_t arg[6])
{
    return sys_mlock(t, arg);
}

int64_t sys_mlockall(struct task *t, const uint64_t arg[6])
{
    (void)t;
    uint64_t known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
    return arg[0] == 0 || (arg[0] & ~known) != 0 ? -EINVAL : 0;
}

int64_t sys_munlockall(struct task *t, const uint64_t arg[6])
{
    (void)t;
    (void)arg;
    return 0;
}

int64_t sys_mincore(struct task *t, const uint64_t arg[6])
{
    uint8_t there[CPU_PAGE_BYTES];
    if ((arg[0] & page_mask) != 0)
        return -EINVAL;
    if (arg[0] > t->mm->space_end || arg[1] > t->mm->space_end)
        return -ENOMEM;
    uint64_t pages = (arg[1] + page_mask) / CPU_PAGE_BYTES;
    if (!is_covered(t, arg[0], pages * CPU_PAGE_BYTES))
        return -ENOMEM;
    memset(there, 1, sizeof(there));
    uint64_t charged = t->kernel->charged;
    for (uint64_t done = t->restart.done; done < pages;) {
        if (t->kernel->charged - charged >= KERNEL_QUANTUM)
            return task_continue(t, done);
        size_t n = pages - done < sizeof(there) ? (size_t)(pages - done) : sizeof(there);
        if (task_write(t, arg[2] + done, there, n) != 0)
            return -EFAULT;
        done += n;
    }
    return 0;
}

/* One memory node, one policy. */
int64_t sys_get_mempolicy(struct task *t, const uint64_t arg[6])
{
    static const uint32_t policy = MPOL_DEFAULT;
    static const uint64_t nodes = 0;
    if (arg[0] != 0 && task_write(t, arg[0], &policy, sizeof(policy)) != 0)
        return -EFAULT;
    if (arg[1] != 0 && task_write(t, arg[1], &nodes, sizeof(nodes)) != 0)
        return -EFAULT;
    return 0;
}
