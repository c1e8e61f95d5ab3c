/* Memory: the calls. */
#include "kernel/fdtable.h"
#include "kernel/file.h"
#include "kernel/mm.h"
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
static int64_t file_access(const struct file *f, uint64_t prot, bool shared, unsigned *most)
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

int64_t sys_mmap(struct task *t, const uint64_t arg[6])
{
    uint64_t flags = arg[3];
    bool shared = false;
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
    return mm_map(t->mm, &r);
}

int64_t sys_munmap(struct task *t, const uint64_t arg[6])
{
    return mm_unmap(t->mm, arg[0], arg[1]);
}

int64_t sys_mprotect(struct task *t, const uint64_t arg[6])
{
    uint64_t grows = PROT_GROWSDOWN | PROT_GROWSUP;
    if ((arg[0] & page_mask) != 0 || (arg[2] & ~((uint64_t)KNOWN_PROT | grows)) != 0)
        return -EINVAL;
    if (arg[1] == 0)
        return 0;
    return mm_protect(t->mm, arg[0], arg[1], access_of(arg[2]));
}

int64_t sys_brk(struct task *t, const uint64_t arg[6])
{
    return (int64_t)mm_brk(t->mm, arg[0], process_limit(t->process, RLIMIT_DATA),
                           limit_of(t, RLIMIT_AS));
}

int64_t sys_mremap(struct task *t, const uint64_t arg[6])
{
    return mm_remap(t->mm, arg[0], arg[1], arg[2], (unsigned)arg[3], arg[4],
                    limit_of(t, RLIMIT_AS));
}

int64_t sys_madvise(struct task *t, const uint64_t arg[6])
{
    if ((arg[0] & page_mask) != 0 || arg[1] > t->mm->space_end)
        return -EINVAL;
    switch ((int)arg[2]) {
    case MADV_DONTNEED:
    case MADV_REMOVE: return arg[1] == 0 ? 0 : mm_discard(t->mm, arg[0], arg[1]);
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
    return arg[1] == 0 ? 0 : mm_sync(t->mm, arg[0], arg[1]);
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
    for (uint64_t done = 0; done < pages;) {
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
