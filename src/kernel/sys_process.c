/* Processes: execve, numbers, groups, sessions. */
#include "kernel/exec.h"
#include "kernel/fdtable.h"
#include "kernel/syscalls.h"
#include "kernel/tty.h"
#include "kernel/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* ---- execve ---- */

/* A NULL-terminated array of strings. `left` is what may still be used. */
static int read_strings(struct task *t, uint64_t addr, struct exec_strings *out, uint64_t *left,
                        char *text_z)
{
    for (uint64_t i = 0; addr != 0; i++) {
        uint64_t pointer;
        if (i == EXEC_STRINGS_MAX)
            return -E2BIG;
        if (task_read_word(t, addr + i * task_word_bytes(t), &pointer) != 0)
            return -EFAULT;
        if (pointer == 0)
            return 0;
        int64_t len = task_read_z(t, pointer, text_z, EXEC_STRING_MAX);
        if (len < 0)
            return len == -ENAMETOOLONG ? -E2BIG : (int)len;
        uint64_t cost = (uint64_t)len + 1 + task_word_bytes(t);
        if (cost > *left)
            return -E2BIG;
        *left -= cost;
        kernel_charge(t->kernel, cost / KERNEL_COPY_BYTES);
        int error = exec_strings_add(out, span_of(text_z, (size_t)len));
        if (error != 0)
            return error;
    }
    return 0;
}

static int64_t execute(struct task *t, struct file *dir, uint64_t path_addr, uint64_t argv,
                       uint64_t envp, bool follow, bool empty_ok)
{
    char path_z[VFS_PATH_MAX];
    struct exec x = {.task = t};
    struct vfs_at at = {.fs = t->fs, .cred = &t->creds, .task = t, .dir = dir};
    uint64_t left = exec_strings_limit(t);
    int64_t len = task_read_z(t, path_addr, path_z, sizeof(path_z));
    if (len < 0)
        return len;
    if (len == 0 && !empty_ok)
        return -ENOENT;
    if (t->too_many &&
        task_count_of(t->kernel, t->creds.uid) > process_limit(t->process, RLIMIT_NPROC))
        return -EAGAIN;
    t->too_many = false;
    x.path = span_of(path_z, (size_t)len);
    char *text_z = malloc(EXEC_STRING_MAX);
    int error = text_z != NULL ? vfs_open_exec(&at, x.path, follow, &x.file) : -ENOMEM;
    if (error == 0)
        error = read_strings(t, argv, &x.args, &left, text_z);
    if (error == 0)
        error = read_strings(t, envp, &x.env, &left, text_z);
    free(text_z);
    if (error == 0)
        error = exec_run(&x);
    file_drop(x.file);
    exec_strings_free(&x.args);
    exec_strings_free(&x.env);
    if (error == 0)
        t->in_call = false; /* the new program's registers are set */
    return error;
}

int64_t sys_execve(struct task *t, const uint64_t arg[6])
{
    return execute(t, NULL, arg[0], arg[1], arg[2], true, false);
}

int64_t sys_execveat(struct task *t, const uint64_t arg[6])
{
    struct file *dir = NULL;
    uint64_t flags = arg[4];
    if ((flags & ~(uint64_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0)
        return -EINVAL;
    if ((int32_t)arg[0] != AT_FDCWD) {
        dir = fd_table_find(t->files, (int32_t)arg[0]);
        if (dir == NULL)
            return -EBADF;
    }
    return execute(t, dir, arg[1], arg[2], arg[3], (flags & AT_SYMLINK_NOFOLLOW) == 0,
                   (flags & AT_EMPTY_PATH) != 0);
}

/* ---- Numbers ---- */

int64_t sys_getpid(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return t->process->pid;
}

int64_t sys_gettid(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return t->tid;
}

int64_t sys_getppid(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return process_ppid(t->process);
}

/* ---- Groups and sessions ---- */

/* The process meant by `pid` (0: the caller's), NULL when there is none. */
static struct process *process_of(const struct task *t, uint64_t pid)
{
    return (int32_t)pid == 0 ? t->process : process_find(t->kernel, (int32_t)pid);
}

int64_t sys_getpgid(struct task *t, const uint64_t arg[6])
{
    const struct process *p = process_of(t, arg[0]);
    return p != NULL ? p->pgid : -ESRCH;
}

int64_t sys_getpgrp(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return t->process->pgid;
}

int64_t sys_getsid(struct task *t, const uint64_t arg[6])
{
    const struct process *p = process_of(t, arg[0]);
    return p != NULL ? p->session->sid : -ESRCH;
}

int64_t sys_setpgid(struct task *t, const uint64_t arg[6])
{
    struct process *p = process_of(t, arg[0]);
    int32_t pgid = (int32_t)arg[1];
    if (pgid < 0)
        return -EINVAL;
    if (p == NULL || (p != t->process && p->parent != t->process))
        return -ESRCH;
    if (p != t->process && p->session != t->process->session)
        return -EPERM;
    if (p != t->process && p->executed)
        return -EACCES;
    if (p->session->sid == p->pid)
        return -EPERM;
    if (pgid == 0)
        pgid = p->pid;
    if (pgid != p->pid && !group_exists(t->kernel, pgid, p->session->sid))
        return -EPERM;
    p->pgid = pgid;
    return 0;
}

int64_t sys_setsid(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    struct process *p = t->process;
    if (p->session->sid == p->pid || group_exists(t->kernel, p->pid, 0))
        return -EPERM;
    struct session *s = session_new(p->pid);
    if (s == NULL)
        return -ENOMEM;
    session_drop(p->session);
    p->session = s;
    p->pgid = p->pid;
    return p->pid;
}
