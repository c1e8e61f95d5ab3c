/* clone(2), clone3(2), fork(2), vfork(2): processes and threads. */
#include "cpu/cpu.h"
#include "kernel/exit.h"
#include "kernel/fdtable.h"
#include "kernel/lines.h"
#include "kernel/mm.h"
#include "kernel/namespace.h"
#include "kernel/pidfd.h"
#include "kernel/sysfile.h"
#include "kernel/vfs.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>

struct clone {
    uint64_t flags;
    uint64_t stack; /* the new stack pointer; 0: the same */
    uint64_t parent_tid, child_tid, tls;
    uint64_t pidfd; /* where its descriptor is told (CLONE_PIDFD) */
    int exit_signal;
};

#define CLONE_KNOWN                                                                             \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_PARENT |           \
     CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | \
     CLONE_DETACHED | CLONE_UNTRACED | CLONE_CHILD_SETTID | CLONE_IO | CLONE_PTRACE |           \
     CLONE_CLEAR_SIGHAND | CLONE_PIDFD | CLONE_NAMESPACES)
#define CLONE_NAMESPACES                                                                          \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)

static int check(const struct task *t, const struct clone *c)
{
    if ((c->flags & CLONE_NEWNS) != 0 && (c->flags & CLONE_FS) != 0)
        return -EINVAL;
    if ((c->flags & ~(uint64_t)CLONE_KNOWN) != 0)
        return -EINVAL;
    if ((c->flags & CLONE_NEWIPC) != 0 && (c->flags & CLONE_SYSVSEM) != 0)
        return -EINVAL;
    if ((c->flags & CLONE_THREAD) != 0 && (c->flags & CLONE_SIGHAND) == 0)
        return -EINVAL;
    if ((c->flags & CLONE_SIGHAND) != 0 && (c->flags & CLONE_VM) == 0)
        return -EINVAL;
    if ((c->flags & CLONE_SIGHAND) != 0 && (c->flags & CLONE_CLEAR_SIGHAND) != 0)
        return -EINVAL;
    if ((c->flags & CLONE_PIDFD) != 0 && (c->flags & (CLONE_THREAD | CLONE_DETACHED)) != 0)
        return -EINVAL;
    return namespaces_check(t, c->flags & CLONE_NAMESPACES);
}

/* RLIMIT_NPROC: root is free of it, and who may do as he likes with resources. */
static bool over_process_limit(const struct task *t)
{
    return t->creds.uid != 0 && !creds_capable(&t->creds, CAP_SYS_RESOURCE) &&
           !creds_capable(&t->creds, CAP_SYS_ADMIN) &&
           task_count_of(t->kernel, t->creds.uid) >= process_limit(t->process, RLIMIT_NPROC);
}

static struct mm *copy_mm(const struct task *t, uint64_t flags)
{
    if ((flags & CLONE_VM) == 0)
        return mm_clone(t->mm);
    mm_hold(t->mm);
    return t->mm;
}

static struct signal_table *copy_actions(struct process *p, uint64_t flags)
{
    struct signal_table *table = p->actions;
    if ((flags & CLONE_SIGHAND) != 0) {
        table->refs++;
        return table;
    }
    table = signal_table_clone(table);
    if (table != NULL && (flags & CLONE_CLEAR_SIGHAND) != 0)
        signal_table_reset(table);
    return table;
}

static int copy_parts(const struct task *t, struct task *child, uint64_t flags)
{
    child->mm = copy_mm(t, flags);
    child->files = (flags & CLONE_FILES) != 0 ? fd_table_hold(t->files) : fd_table_clone(t->files);
    child->fs = (flags & CLONE_FS) != 0 ? fs_context_hold(t->fs) : fs_context_clone(t->fs);
    if (child->mm == NULL || child->files == NULL || child->fs == NULL)
        return -ENOMEM;
    namespace_inherit(child, t);
    int error = namespace_unshare(child, flags);
    if (error == 0 && (flags & CLONE_NEWNS) != 0)
        error = mounts_unshare(child);
    if (error != 0)
        return error;
    child->cpu = cpu_clone(t->cpu, t->kernel->code, child->mm->space);
    return child->cpu != NULL ? 0 : -ENOMEM;
}

static void copy_state(const struct task *t, struct task *child, const struct clone *c)
{
    const struct cpu_ops *ops = child->cpu->ops;
    ops->set_result(child->cpu, 0);
    if (c->stack != 0)
        ops->set_sp(child->cpu, c->stack);
    if ((c->flags & CLONE_SETTLS) != 0)
        ops->set_tls(child->cpu, c->tls);
    memcpy(child->comm_z, t->comm_z, sizeof(child->comm_z));
    child->creds = t->creds;
    child->nice = t->nice;
    child->too_many = t->too_many;
    child->signals.blocked =
        t->signals.restore_blocked ? t->signals.saved_blocked : t->signals.blocked;
    /* An alternate stack is kept by fork, not by a thread that shares the memory. */
    child->signals.stack_flags = SS_DISABLE;
    if ((c->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM) {
        child->signals.stack_addr = t->signals.stack_addr;
        child->signals.stack_size = t->signals.stack_size;
        child->signals.stack_flags = t->signals.stack_flags;
    }
    if ((c->flags & CLONE_CHILD_CLEARTID) != 0)
        child->clear_tid = c->child_tid;
    lines_probe(child);
}

static struct process *make_process(struct task *t, const struct clone *c)
{
    struct process *parent = (c->flags & CLONE_PARENT) != 0 ? t->process->parent : t->process;
    struct process *p = process_new(t->kernel, t->process);
    if (p == NULL)
        return NULL;
    p->actions = copy_actions(t->process, c->flags);
    if (p->actions == NULL) {
        process_free(p);
        return NULL;
    }
    p->exit_signal = (c->flags & CLONE_PARENT) != 0 ? t->process->exit_signal : c->exit_signal;
    p->parent = parent;
    p->personality = t->process->personality;
    if (parent == NULL)
        p->outer_ppid = t->process->outer_ppid;
    return p;
}

static int make(struct task *t, const struct clone *c, struct task **out)
{
    bool is_thread = (c->flags & CLONE_THREAD) != 0;
    struct process *p = is_thread ? t->process : make_process(t, c);
    if (p == NULL)
        return -ENOMEM;
    struct task *child = task_new(p, is_thread ? kernel_new_pid(t->kernel) : p->pid);
    int error = child != NULL ? copy_parts(t, child, c->flags) : -ENOMEM;
    if (error != 0) {
        if (child != NULL)
            task_free(child);
        if (!is_thread)
            process_free(p);
        return error;
    }
    copy_state(t, child, c);
    *out = child;
    return 0;
}

static int make_handle(struct task *t, int32_t *fd, struct file **out)
{
    int error = pidfd_new(t, 0, 0, out);
    if (error == 0)
        *fd = (int32_t)fd_table_add(t->files, *out, 0, process_limit(t->process, RLIMIT_NOFILE),
                                    true);
    return error != 0 ? error : *fd < 0 ? *fd : 0;
}

static int64_t run_clone(struct task *t, const struct clone *c)
{
    struct kernel *k = t->kernel;
    struct task *child = NULL;
    int error = check(t, c);
    if (error != 0)
        return error;
    if (k->process_count >= k->limits.processes) {
        kernel_emit_limit(k, t, "processes");
        return -EAGAIN;
    }
    if (over_process_limit(t))
        return -EAGAIN;
    kernel_charge(k, KERNEL_FORK_COST);
    struct file *handle = NULL; /* made first: a process cannot be taken back */
    int32_t fd = -1;
    if ((c->flags & CLONE_PIDFD) != 0)
        error = make_handle(t, &fd, &handle);
    if (error == 0)
        error = make(t, c, &child);
    if (error != 0) {
        if (fd >= 0)
            fd_table_close(t->files, fd);
        return error;
    }
    if (handle != NULL) {
        pidfd_set(handle, child->process->pid);
        task_write(t, c->pidfd, &fd, sizeof(fd));
    }
    if ((c->flags & CLONE_PARENT_SETTID) != 0)
        task_write_u32(t, c->parent_tid, (uint32_t)child->tid);
    if ((c->flags & CLONE_CHILD_SETTID) != 0)
        task_write_u32(child, c->child_tid, (uint32_t)child->tid);
    if ((c->flags & CLONE_VFORK) != 0) {
        t->vfork_child = child->process;
        t->state = TASK_VFORKED;
    }
    return child->tid;
}

int64_t sys_clone(struct task *t, const uint64_t arg[6])
{
    struct clone c = {.flags = arg[0] & 0xffffffff & ~(uint64_t)CSIGNAL,
                      .exit_signal = (int)(arg[0] & CSIGNAL),
                      .stack = arg[1],
                      .parent_tid = arg[2],
                      .pidfd = arg[2],
                      .child_tid = arg[3],
                      .tls = arg[4]};
    if (c.exit_signal > SIGNAL_MAX)
        return -EINVAL;
    if ((c.flags & (CLONE_PIDFD | CLONE_PARENT_SETTID)) == (CLONE_PIDFD | CLONE_PARENT_SETTID))
        return -EINVAL; /* both would be told at one place */
    return run_clone(t, &c);
}

int64_t sys_fork(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    struct clone c = {.exit_signal = SIGCHLD};
    return run_clone(t, &c);
}

int64_t sys_vfork(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    struct clone c = {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};
    return run_clone(t, &c);
}

int64_t sys_clone3(struct task *t, const uint64_t arg[6])
{
    struct clone_args a = {0};
    uint8_t rest[CPU_PAGE_BYTES];
    uint64_t size = arg[1];
    if (size < CLONE_ARGS_SIZE_VER0)
        return -EINVAL;
    if (size > sizeof(rest))
        return -E2BIG;
    if (task_read(t, arg[0], rest, (size_t)size) != 0)
        return -EFAULT;
    for (size_t i = sizeof(a); i < size; i++)
        if (rest[i] != 0)
            return -E2BIG;
    memcpy(&a, rest, size < sizeof(a) ? (size_t)size : sizeof(a));
    if ((a.flags & (CSIGNAL | CLONE_DETACHED)) != 0 || a.exit_signal > SIGNAL_MAX ||
        (a.stack == 0) != (a.stack_size == 0) || a.set_tid_size != 0 ||
        ((a.flags & (CLONE_THREAD | CLONE_PARENT)) != 0 && a.exit_signal != 0))
        return -EINVAL;
    struct clone c = {.flags = a.flags,
                      .exit_signal = (int)a.exit_signal,
                      .stack = a.stack + a.stack_size,
                      .parent_tid = a.parent_tid,
                      .pidfd = a.pidfd,
                      .child_tid = a.child_tid,
                      .tls = a.tls};
    return run_clone(t, &c);
}

int64_t sys_set_tid_address(struct task *t, const uint64_t arg[6])
{
    t->clear_tid = arg[0];
    return t->tid;
}
