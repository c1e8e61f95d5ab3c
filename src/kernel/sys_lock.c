/* Locks: flock(2), and the lock commands of fcntl(2). */
#include "kernel/lock.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* struct flock of x86-64. */
struct record {
    int16_t type, whence;
    int32_t pad;
    int64_t start, len;
    int32_t pid, pad2;
};

/* Where the range begins and ends, in bytes of the file. */
static int64_t place_of(struct file *f, const struct record *r, struct lock *out)
{
    struct file_stat st;
    int64_t from = 0, last = 0;
    if (r->whence == SEEK_CUR)
        from = f->position;
    else if (r->whence == SEEK_END)
        from = file_stat(f, &st) == 0 ? st.size : 0;
    else if (r->whence != SEEK_SET)
        return -EINVAL;
    if (__builtin_add_overflow(from, r->start, &from))
        return -EOVERFLOW;
    if (from < 0)
        return -EINVAL;
    out->start = from;
    out->end = INT64_MAX;
    if (r->len > 0) {
        if (__builtin_add_overflow(from, r->len - 1, &last))
            return -EOVERFLOW;
        out->end = last == INT64_MAX ? INT64_MAX : last + 1;
    } else if (r->len < 0) {
        if (from + r->len < 0)
            return -EINVAL;
        out->start = from + r->len;
        out->end = from;
    }
    return 0;
}

/* F_GETLK: who is in the way, told with the place of his lock. */
static int64_t tell(struct task *t, const struct file *f, const struct lock *wanted,
                    struct record *r, uint64_t addr)
{
    const struct lock *other = lock_find(f->vfs, wanted);
    if (other == NULL) {
        r->type = F_UNLCK;
        return task_write(t, addr, r, sizeof(*r));
    }
    *r = (struct record){.type = other->exclusive ? F_WRLCK : F_RDLCK,
                         .whence = SEEK_SET,
                         .start = other->start,
                         .len = other->end == INT64_MAX ? 0 : other->end - other->start,
                         .pid = other->pid};
    return task_write(t, addr, r, sizeof(*r));
}

/* Whoever has what is in the way may wait, by others, for us (F_SETLKW alone). */
static bool is_circle(const struct task *t, const struct vfs *vfs, const void *owner)
{
    enum { HOPS_MAX = 10 }; /* Linux looks no further */
    for (int i = 0; i < HOPS_MAX; i++) {
        if (owner == t->files)
            return true;
        const struct task *other = t->kernel->tasks;
        while (other != NULL && (other->files != owner || other->state != TASK_WAITING ||
                                 other->wait_key != &vfs->locks || other->restart.object == NULL))
            other = other->next;
        if (other == NULL)
            return false;
        owner = other->restart.object;
    }
    return false;
}

static int64_t set(struct task *t, struct file *f, const struct lock *wanted, bool waits)
{
    int error = lock_set(f->vfs, wanted);
    if (error != -EAGAIN || !waits)
        return error;
    const struct lock *other = lock_find(f->vfs, wanted);
    bool is_process = wanted->owner == t->files && other != NULL;
    if (is_process && is_circle(t, f->vfs, other->owner))
        return -EDEADLK;
    t->restart.object = is_process ? (void *)other->owner : NULL;
    return task_wait(t, &f->vfs->locks);
}

int64_t sys_lock_command(struct task *t, struct file *f, uint64_t command, uint64_t addr)
{
    struct record r;
    bool of_file = command >= F_OFD_GETLK, asks = command == F_GETLK || command == F_OFD_GETLK;
    uint32_t access = f->flags & O_ACCMODE;
    if (task_read(t, addr, &r, sizeof(r)) != 0)
        return -EFAULT;
    if ((r.type != F_RDLCK && r.type != F_WRLCK && r.type != F_UNLCK) ||
        (asks && r.type == F_UNLCK) || (of_file && r.pid != 0))
        return -EINVAL;
    struct lock wanted = {.kind = LOCK_RECORD,
                          .node = f->node,
                          .owner = of_file ? (const void *)f : t->files,
                          .exclusive = r.type == F_WRLCK,
                          .pid = of_file ? -1 : t->process->pid};
    int64_t error = place_of(f, &r, &wanted);
    if (error != 0)
        return error;
    if (asks)
        return tell(t, f, &wanted, &r, addr);
    if ((r.type == F_RDLCK && access == O_WRONLY) || (r.type == F_WRLCK && access == O_RDONLY))
        return -EBADF;
    if (f->node.fs == NULL) /* a pipe's or socket's: nobody else can ask */
        return 0;
    if (r.type == F_UNLCK)
        return lock_clear(f->vfs, &wanted);
    return set(t, f, &wanted, command == F_SETLKW || command == F_OFD_SETLKW);
}

enum { LOCK_MAND_ = 32 };

int64_t sys_flock(struct task *t, const uint64_t arg[6])
{
    uint32_t how = (uint32_t)arg[1] & ~(uint32_t)LOCK_NB;
    struct file *f = sys_file(t, arg[0]);
    if ((arg[1] & LOCK_MAND_) != 0)
        return 0; /* once there were such locks */
    if (how != LOCK_SH && how != LOCK_EX && how != LOCK_UN)
        return -EINVAL;
    if (f == NULL || (f->flags & O_PATH) != 0)
        return -EBADF;
    const struct lock wanted = {.kind = LOCK_WHOLE,
                                .node = f->node,
                                .owner = f,
                                .exclusive = how == LOCK_EX,
                                .end = INT64_MAX,
                                .pid = t->process->pid};
    if (f->node.fs == NULL)
        return 0;
    if (how == LOCK_UN)
        return lock_clear(f->vfs, &wanted);
    /* To change a lock, it is given up first (flock(2)). */
    int error = lock_clear(f->vfs, &wanted);
    return error != 0 ? error : set(t, f, &wanted, (arg[1] & LOCK_NB) == 0);
}
