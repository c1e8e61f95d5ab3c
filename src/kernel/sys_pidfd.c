/* pidfd_open(2) and its kin, and what looks into another process. */
#include "kernel/mm.h"
#include "kernel/pidfd.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct pidfd {
    struct kernel *kernel;
    int32_t pid;
};

static unsigned op_poll(struct file *f)
{
    const struct pidfd *p = f->object;
    const struct process *of = process_find(p->kernel, p->pid);
    return of == NULL || of->zombie ? POLLIN | POLLRDNORM : 0;
}

static void op_close(struct file *f)
{
    free(f->object);
}

static const struct file_ops pidfd_ops = {
    .poll = op_poll, .stat = sys_anonymous_stat, .close = op_close};

int pidfd_new(struct task *t, int32_t pid, uint32_t flags, struct file **out)
{
    int error = 0;
    struct pidfd *p = malloc(sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    *p = (struct pidfd){.kernel = t->kernel, .pid = pid};
    *out = file_new(t->fs->vfs, &pidfd_ops, p, O_RDWR | (flags & O_NONBLOCK), &error);
    if (*out != NULL)
        (*out)->kind_z = "anon_inode:[pidfd]";
    return *out != NULL ? 0 : error;
}

void pidfd_set(struct file *f, int32_t pid)
{
    ((struct pidfd *)f->object)->pid = pid;
}

int32_t pidfd_pid(const struct file *f)
{
    return f->ops == &pidfd_ops ? ((const struct pidfd *)f->object)->pid : -1;
}

int64_t sys_pidfd_open(struct task *t, const uint64_t arg[6])
{
    struct file *f = NULL;
    int32_t pid = (int32_t)arg[0];
    if ((arg[1] & ~(uint64_t)O_NONBLOCK) != 0 || pid <= 0)
        return -EINVAL;
    if (process_find(t->kernel, pid) == NULL)
        return task_find(t->kernel, pid) != NULL ? -EINVAL : -ESRCH;
    int error = pidfd_new(t, pid, (uint32_t)arg[1], &f);
    return error != 0 ? error : sys_install(t, f, true);
}

/* The process behind a descriptor. */
static struct process *process_at(struct task *t, uint64_t fd, int *error)
{
    const struct file *f = sys_file(t, fd);
    *error = f == NULL || pidfd_pid(f) < 0 ? -EBADF : -ESRCH;
    struct process *p = f != NULL ? process_find(t->kernel, pidfd_pid(f)) : NULL;
    return p;
}

int64_t sys_pidfd_send_signal(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    const struct file *f = sys_file(t, arg[0]);
    if (arg[3] != 0)
        return -EINVAL;
    const struct process *p = process_at(t, arg[0], &error);
    if (f == NULL || error == -EBADF)
        return -EBADF;
    if (p == NULL || p->zombie)
        return p == NULL ? -ESRCH : 0;
    if (arg[2] != 0) {
        const uint64_t queued[6] = {(uint64_t)p->pid, arg[1], arg[2]};
        return sys_rt_sigqueueinfo(t, queued);
    }
    const uint64_t plain[6] = {(uint64_t)p->pid, arg[1]};
    return sys_kill(t, plain);
}

/* PTRACE_MODE_ATTACH: the same user, or root. */
static bool may_look(const struct task *t, const struct task *other)
{
    const struct creds *a = &t->creds, *b = &other->creds;
    bool same = a->uid == b->uid && a->uid == b->euid && a->uid == b->suid && a->gid == b->gid &&
                a->gid == b->egid && a->gid == b->sgid && !other->process->not_dumpable;
    return t->process == other->process || same || creds_capable(a, CAP_SYS_PTRACE);
}

int64_t sys_pidfd_getfd(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    if (arg[2] != 0)
        return -EINVAL;
    const struct process *p = process_at(t, arg[0], &error);
    if (p == NULL || p->leader == NULL || p->leader->files == NULL)
        return error;
    if (!may_look(t, p->leader))
        return -EPERM;
    struct file *f = fd_table_find(p->leader->files, (int32_t)arg[1]);
    return f != NULL ? sys_install(t, file_hold(f), true) : -EBADF;
}

/* ---- Memory of others ---- */

enum { COPY_BYTES = 4096 };

struct ends {
    struct task_iov local[TASK_IOV_MAX], remote[TASK_IOV_MAX];
};

/* Moves bytes between the caller's pieces and the other's; how many. */
static int64_t move(struct task *t, struct task *other, const struct ends *e, const uint64_t arg[6],
                    bool writes)
{
    uint8_t bytes[COPY_BYTES];
    uint64_t i = 0, j = 0, at = 0, there = 0, done = 0;
    while (i < arg[2] && j < arg[4] && done < KERNEL_PIECE_BYTES) {
        uint64_t n = e->local[i].len - at, m = e->remote[j].len - there;
        n = n < m ? n : m;
        n = n < sizeof(bytes) ? n : sizeof(bytes);
        uint64_t near = e->local[i].base + at, far = e->remote[j].base + there;
        int error =
            writes ? task_read(t, near, bytes, (size_t)n) : task_read(other, far, bytes, (size_t)n);
        if (error == 0)
            error = writes ? task_write(other, far, bytes, (size_t)n)
                           : task_write(t, near, bytes, (size_t)n);
        if (error != 0)
            return done > 0 ? (int64_t)done : error;
        done += n;
        at += n;
        there += n;
        if (at == e->local[i].len) {
            i++;
            at = 0;
        }
        if (there == e->remote[j].len) {
            j++;
            there = 0;
        }
    }
    kernel_charge(t->kernel, done / KERNEL_COPY_BYTES);
    return (int64_t)done;
}

static int64_t across(struct task *t, const uint64_t arg[6], bool writes)
{
    struct ends e;
    if (arg[5] != 0 || arg[2] > TASK_IOV_MAX || arg[4] > TASK_IOV_MAX)
        return -EINVAL;
    int64_t near = task_read_iov(t, arg[1], arg[2], e.local);
    int64_t far = near < 0 ? 0 : task_read_iov(t, arg[3], arg[4], e.remote);
    if (near < 0 || far < 0)
        return near < 0 ? near : far;
    if (near == 0 || far == 0)
        return 0;
    struct task *other = task_find(t->kernel, (int32_t)arg[0]);
    if (other == NULL || other->mm == NULL)
        return -ESRCH;
    return may_look(t, other) ? move(t, other, &e, arg, writes) : -EPERM;
}

int64_t sys_process_vm_readv(struct task *t, const uint64_t arg[6])
{
    return across(t, arg, false);
}

int64_t sys_process_vm_writev(struct task *t, const uint64_t arg[6])
{
    return across(t, arg, true);
}

/* ---- kcmp ---- */

static const void *part_of(const struct task *t, uint64_t type, uint64_t fd)
{
    switch (type) {
    case KCMP_FILE: return t->files != NULL ? fd_table_find(t->files, (int64_t)fd) : NULL;
    case KCMP_VM: return t->mm;
    case KCMP_FILES: return t->files;
    case KCMP_FS: return t->fs;
    case KCMP_SIGHAND: return t->process->actions;
    default: return t->process->kernel; /* all share it */
    }
}

int64_t sys_kcmp(struct task *t, const uint64_t arg[6])
{
    const struct task *a = task_find(t->kernel, (int32_t)arg[0]);
    const struct task *b = task_find(t->kernel, (int32_t)arg[1]);
    if (a == NULL || b == NULL)
        return -ESRCH;
    if (!may_look(t, a) || !may_look(t, b))
        return -EPERM;
    if ((uint32_t)arg[2] >= KCMP_TYPES)
        return -EINVAL;
    const void *x = part_of(a, arg[2], arg[3]), *y = part_of(b, arg[2], arg[4]);
    if (arg[2] == KCMP_FILE && (x == NULL || y == NULL))
        return -EBADF;
    return x == y ? 0 : (uintptr_t)x < (uintptr_t)y ? 1 : 2;
}
