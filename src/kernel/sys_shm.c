/* Shared memory: shmget(2), shmat, shmdt, shmctl. A segment is a file of the kernel's own, mapped
 * shared. */
#include "kernel/ipc.h"
#include "kernel/mm.h"
#include "kernel/overlay.h"
#include "kernel/procfs.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/shm.h>

enum { RIGHTS_READ = 0444, RIGHTS_WRITE = 0222, RIGHTS_EXEC = 0111 };

struct segment {
    struct ipc_object o; /* first */
    struct file *file;   /* held */
    uint64_t bytes;
    int64_t attached_s, detached_s, changed_s;
    int32_t creator, last;
    uint32_t seen; /* attachments when it was looked at last */
};

static struct segment *segment_of(struct ipc_object *o)
{
    return (struct segment *)o;
}

static uint64_t pages_of(uint64_t bytes)
{
    return bytes / CPU_PAGE_BYTES + (bytes % CPU_PAGE_BYTES != 0);
}

static uint32_t attachments(const struct segment *s)
{
    return ((const struct inode *)s->file->object)->mapped;
}

static uint64_t pages_there(const struct segment *s)
{
    return ((const struct inode *)s->file->object)->page_count;
}

void shm_free(struct ipc *ipc, struct ipc_object *o)
{
    struct segment *s = segment_of(o);
    ipc_remove(&ipc->segments, o);
    ipc->pages -= pages_of(s->bytes);
    s->file->changed = false; /* nobody's file was written */
    file_drop(s->file);
    free(s);
}

static void reap(const struct kernel *k, struct ipc *ipc, const struct process *by)
{
    struct ipc_object *next = NULL;
    for (struct ipc_object *o = ipc->segments.first; o != NULL; o = next) {
        struct segment *s = segment_of(o);
        uint32_t now = attachments(s);
        next = o->next;
        if (now < s->seen) {
            s->detached_s = ipc_now_s(k);
            s->last = by != NULL ? by->pid : s->last;
        }
        s->seen = now;
        if (now == 0 && (o->perm.mode & SHM_DEST) != 0)
            shm_free(ipc, o);
    }
}

void shm_reap(struct kernel *k, const struct mm *mm)
{
    const struct task *t = k->tasks;
    while (t != NULL && t->mm != mm)
        t = t->next;
    for (struct ipc *ipc = k->ipcs; ipc != NULL; ipc = ipc->next)
        reap(k, ipc, t != NULL ? t->process : NULL);
}

/* ---- shmget ---- */

static int64_t make(struct task *t, struct ipc *ipc, const uint64_t arg[6])
{
    char name_z[32];
    if (arg[1] < 1 || arg[1] > IPC_SHMMAX)
        return -EINVAL;
    if ((arg[2] & SHM_HUGETLB) != 0) /* no page of that size is set aside */
        return creds_capable(&t->creds, CAP_IPC_LOCK) ? -ENOMEM : -EPERM;
    if (ipc->segments.count >= IPC_SHMMNI || ipc->pages + pages_of(arg[1]) > IPC_SHMALL)
        return -ENOSPC;
    if (pages_of(arg[1]) > t->kernel->limits.memory_pages)
        return -ENOMEM;
    struct segment *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    (void)snprintf(name_z, sizeof(name_z), "SYSV%08x", (uint32_t)arg[0]);
    int error = memory_file(t, name_z, &s->file);
    if (error == 0)
        error = s->file->ops->truncate(s->file, (int64_t)(pages_of(arg[1]) * CPU_PAGE_BYTES));
    if (error == 0)
        error = ipc_add(t, &ipc->segments, &s->o, arg[0], arg[2], IPC_SHMMNI);
    if (error != 0) {
        file_drop(s->file);
        free(s);
        return error;
    }
    s->file->changed = false;
    s->bytes = arg[1];
    s->changed_s = ipc_now_s(t->kernel);
    s->creator = t->process->pid;
    ipc->pages += pages_of(arg[1]);
    return s->o.id;
}

static uint64_t size_of(const struct ipc_object *o)
{
    return ((const struct segment *)o)->bytes;
}

int64_t sys_shmget(struct task *t, const uint64_t arg[6])
{
    static const struct ipc_kind kind = {
        .list = offsetof(struct ipc, segments), .flags = 2, .make = make, .size = size_of};
    return ipc_get(t, arg, &kind);
}

/* ---- shmat, shmdt ---- */

/* Where it goes: an address that is given must be free, unless it is to be replaced. */
static int64_t place(const struct task *t, const uint64_t arg[6], struct mm_request *r)
{
    uint64_t addr = arg[1];
    if (addr % CPU_PAGE_BYTES != 0) {
        if ((arg[2] & SHM_RND) == 0)
            return -EINVAL;
        addr -= addr % CPU_PAGE_BYTES;
    }
    if (addr == 0 && (arg[2] & SHM_REMAP) != 0)
        return -EINVAL;
    r->addr = addr;
    r->fixed = addr != 0;
    if (addr == 0 || (arg[2] & SHM_REMAP) != 0)
        return 0;
    if (addr + r->len < addr)
        return -EINVAL;
    for (uint64_t at = addr; at < addr + r->len; at += CPU_PAGE_BYTES)
        if (mm_find(t->mm, at) != NULL)
            return -EINVAL;
    return 0;
}

int64_t sys_shmat(struct task *t, const uint64_t arg[6])
{
    struct ipc *ipc = ipc_of(t);
    uint64_t limit = process_limit(t->process, RLIMIT_AS);
    struct mm_request r = {.access = CPU_READ | CPU_SHARED,
                           .access_max = CPU_READ | CPU_EXEC,
                           .kind = MM_SEGMENT,
                           .address_space_limit = limit != RLIM64_INFINITY ? limit : 0};
    uint32_t rights = RIGHTS_READ;
    if (ipc == NULL)
        return -ENOMEM;
    struct ipc_object *o = ipc_find(&ipc->segments, arg[0]);
    r.len = o != NULL ? pages_of(segment_of(o)->bytes) * CPU_PAGE_BYTES : 0;
    int64_t error = (int32_t)arg[0] < 0 ? -EINVAL : place(t, arg, &r);
    if (error != 0 || o == NULL)
        return -EINVAL;
    if ((arg[2] & SHM_RDONLY) == 0) {
        rights |= RIGHTS_WRITE;
        r.access |= CPU_WRITE;
        r.access_max |= CPU_WRITE;
    }
    if ((arg[2] & SHM_EXEC) != 0) {
        rights |= RIGHTS_EXEC;
        r.access |= CPU_EXEC;
    }
    if (!ipc_may(t, o, rights))
        return -EACCES;
    struct segment *s = segment_of(o);
    r.file = s->file;
    /* What it replaces may be its last mapping. */
    s->file->ops->mapped(s->file, 1);
    int64_t addr = mm_map(t->mm, &r);
    s->file->ops->mapped(s->file, -1);
    if (addr < 0) {
        shm_reap(t->kernel, t->mm);
        return addr;
    }
    s->attached_s = ipc_now_s(t->kernel);
    s->last = t->process->pid;
    s->seen = attachments(s);
    return addr;
}

static struct segment *segment_at(const struct ipc *ipc, const struct mm_area *area, uint64_t addr)
{
    for (struct ipc_object *o = ipc->segments.first; area != NULL && o != NULL; o = o->next)
        if (segment_of(o)->file == area->file && area->start - area->offset == addr)
            return segment_of(o);
    return NULL;
}

int64_t sys_shmdt(struct task *t, const uint64_t arg[6])
{
    const struct segment *s = NULL;
    const struct ipc *ipc = ipc_seen_by(t);
    if (arg[0] % CPU_PAGE_BYTES != 0 || ipc == NULL)
        return -EINVAL;
    /* The first part that is left of it may begin later. */
    for (size_t i = 0; i < t->mm->count && s == NULL; i++)
        s = segment_at(ipc, &t->mm->areas[i], arg[0]);
    if (s == NULL)
        return -EINVAL;
    const struct file *file = s->file; /* for comparing: the segment may go with its last mapping */
    for (size_t i = t->mm->count; i > 0; i--) {
        struct mm_area area = t->mm->areas[i - 1];
        if (area.file == file && area.start - area.offset == arg[0])
            (void)mm_unmap(t->mm, area.start, area.end - area.start);
    }
    return 0;
}

/* ---- shmctl ---- */

static int64_t stat_segment(struct task *t, const struct segment *s, uint64_t addr, bool by_index)
{
    struct shmid_ds ds = {.shm_perm = s->o.perm,
                          .shm_segsz = s->bytes,
                          .shm_atime = s->attached_s,
                          .shm_dtime = s->detached_s,
                          .shm_ctime = s->changed_s,
                          .shm_cpid = s->creator,
                          .shm_lpid = s->last,
                          .shm_nattch = attachments(s)};
    int error = task_write(t, addr, &ds, sizeof(ds));
    return error != 0 ? error : by_index ? s->o.id : 0;
}

static int64_t tell_limits(struct task *t, const struct ipc *ipc, uint64_t addr)
{
    struct shminfo info = {.shmmax = IPC_SHMMAX,
                           .shmmin = 1,
                           .shmmni = IPC_SHMMNI,
                           .shmseg = IPC_SHMMNI,
                           .shmall = IPC_SHMALL};
    int error = task_write(t, addr, &info, sizeof(info));
    return error != 0 ? error : ipc_highest(&ipc->segments);
}

static int64_t tell_use(struct task *t, const struct ipc *ipc, uint64_t addr)
{
    struct shm_info info = {.used_ids = (int)ipc->segments.count, .shm_tot = ipc->pages};
    for (struct ipc_object *o = ipc->segments.first; o != NULL; o = o->next)
        info.shm_rss += pages_there(segment_of(o));
    int error = task_write(t, addr, &info, sizeof(info));
    return error != 0 ? error : ipc_highest(&ipc->segments);
}

static int64_t change(struct task *t, struct ipc *ipc, struct segment *s, int command,
                      uint64_t addr)
{
    struct shmid_ds ds;
    if (!ipc_owns(t, &s->o))
        return -EPERM;
    if (command == IPC_RMID) {
        s->o.perm.mode |= SHM_DEST;
        s->o.perm.__key = IPC_PRIVATE;
        if (attachments(s) == 0)
            shm_free(ipc, &s->o);
        return 0;
    }
    if (task_read(t, addr, &ds, sizeof(ds)) != 0)
        return -EFAULT;
    ipc_set(&s->o, &ds.shm_perm);
    s->changed_s = ipc_now_s(t->kernel);
    return 0;
}

/* Nothing is swapped: every segment is as good as locked. */
static int64_t lock(const struct task *t, struct segment *s, bool on)
{
    bool may = creds_capable(&t->creds, CAP_IPC_LOCK) || t->creds.euid == s->o.perm.uid ||
               t->creds.euid == s->o.perm.cuid;
    if (!may)
        return -EPERM;
    s->o.perm.mode = on ? s->o.perm.mode | SHM_LOCKED : s->o.perm.mode & ~(uint32_t)SHM_LOCKED;
    return 0;
}

int64_t sys_shmctl(struct task *t, const uint64_t arg[6])
{
    struct ipc *ipc = ipc_of(t);
    int command = (int)arg[1];
    if (ipc == NULL)
        return -ENOMEM;
    if ((int32_t)arg[0] < 0 || command < 0)
        return -EINVAL;
    if (command == IPC_INFO)
        return tell_limits(t, ipc, arg[2]);
    if (command == SHM_INFO)
        return tell_use(t, ipc, arg[2]);
    bool by_index = command == SHM_STAT || command == SHM_STAT_ANY;
    struct ipc_object *o =
        by_index ? ipc_at(&ipc->segments, arg[0]) : ipc_find(&ipc->segments, arg[0]);
    if (o == NULL)
        return -EINVAL;
    switch (command) {
    case IPC_STAT:
    case SHM_STAT:
        if (!ipc_may(t, o, RIGHTS_READ))
            return -EACCES;
        return stat_segment(t, segment_of(o), arg[2], by_index);
    case SHM_STAT_ANY: return stat_segment(t, segment_of(o), arg[2], true);
    case IPC_RMID:
    case IPC_SET: return change(t, ipc, segment_of(o), command, arg[2]);
    case SHM_LOCK:
    case SHM_UNLOCK: return lock(t, segment_of(o), command == SHM_LOCK);
    default: return -EINVAL;
    }
}

int proc_sysvipc_shm(const struct proc_call *c)
{
    int rc = buffer_printf(c->out,
                           "       key      shmid perms                  size  cpid  lpid nattch   "
                           "uid   gid  cuid  cgid      atime      dtime      ctime               "
                           "    rss                  swap\n");
    const struct ipc *ipc = c->reader != NULL ? ipc_seen_by(c->reader) : NULL;
    for (struct ipc_object *o = ipc != NULL ? ipc->segments.first : NULL; o != NULL && rc == 0;
         o = o->next) {
        const struct segment *s = segment_of(o);
        uint64_t resident = pages_there(s) * CPU_PAGE_BYTES;
        rc = buffer_printf(
            c->out,
            "%10d %10d  %4o %21llu %5d %5d  %5u %5u %5u %5u %5u %10lld %10lld %10lld %21llu %21d\n",
            o->perm.__key, o->id, o->perm.mode, (unsigned long long)s->bytes, s->creator, s->last,
            attachments(s), o->perm.uid, o->perm.gid, o->perm.cuid, o->perm.cgid,
            (long long)s->attached_s, (long long)s->detached_s, (long long)s->changed_s,
            (unsigned long long)resident, 0);
    }
    return rc;
}
