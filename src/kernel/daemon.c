#include "kernel/daemon.h"

#include "kernel/fdtable.h"
#include "kernel/program.h"
#include "kernel/vfs.h"

#include <errno.h>
#include <fcntl.h>

enum { INIT = 1 };

/* Takes `out`. */
static int open_standard(struct task *t, struct file *out)
{
    struct vfs_at at = {.fs = t->fs, .cred = &t->creds, .task = t};
    uint64_t limit = process_limit(t->process, RLIMIT_NOFILE);
    struct file *null = NULL;
    int error = vfs_open(&at, span_z("/dev/null"), O_RDWR, 0, &null);
    for (int fd = KERNEL_STDIN; fd <= KERNEL_STDERR && error >= 0; fd++) {
        struct file *f = fd == KERNEL_STDIN || out == NULL ? null : out;
        error = fd_table_set(t->files, file_hold(f), fd, limit, false);
    }
    file_drop(null);
    file_drop(out);
    return error < 0 ? error : 0;
}

int32_t daemon_start(struct kernel *k, const struct daemon *d)
{
    struct task *t = NULL;
    int error = k->over || k->process_count >= k->limits.processes ? -EAGAIN : -ENOMEM;
    if (error == -ENOMEM)
        t = program_new_leader(k, &d->spawn, d->pid);
    if (t == NULL) {
        file_drop(d->out);
        return error;
    }
    struct process *p = t->process;
    p->outer_ppid = INIT;
    p->unit = d->unit;
    error = d->spawn.cwd.len > 0 ? fs_context_chdir(t->fs, &t->creds, d->spawn.cwd) : 0;
    if (error == 0)
        error = open_standard(t, d->out);
    else
        file_drop(d->out);
    if (error == 0)
        error = program_exec(t, &d->spawn);
    if (error != 0) {
        task_free(t);
        process_free(p);
        return error;
    }
    if (d->start_ns != 0)
        t->start_ns = (uint64_t)d->start_ns;
    return p->pid;
}
