/* Inside of /proc: shared by proc*.c.
 *
 * Names come from two tables (procfs.def): files of the machine and files of a process; a directory
 * is a name with a slash behind it. What is not there is looked for in the image's own /proc, where a
 * persona keeps texts that never change. */
#ifndef KERNEL_PROCFS_H
#define KERNEL_PROCFS_H

#include "kernel/fs.h"
#include "kernel/task.h"

#include "base/buffer.h"

enum {
    PROC_TEXT_MAX = 1 << 20, /* bytes of one file */
    PROC_COMM_MAX = 64,      /* workers' names are longer than a program's */
};

/* A process as /proc shows it: one of the visitor's, or a service that seems to run. */
struct proc_view {
    int32_t pid, ppid, pgid, sid, tty_nr, tpgid;
    uint32_t uid, gid;
    char comm_z[PROC_COMM_MAX];
    char state; /* R S I T Z */
    int nice;
    unsigned threads;
    uint64_t size_kib, resident_kib;
    uint64_t ticks;          /* of CPU time, 100 a second */
    uint64_t start_ticks;    /* since boot */
    struct span args;        /* each with its NUL */
    char own_args[64];       /* where args of a made-up process stand */
    bool is_kernel;          /* a kernel thread */
    struct process *process; /* NULL: a service */
    struct task *task;       /* its first thread; NULL: none left */
};

/* False when there is no such process. */
bool proc_view_find(const struct vfs *vfs, int32_t pid, struct proc_view *out);
/* The one with the lowest number above `after`. */
bool proc_view_next(const struct vfs *vfs, int32_t after, struct proc_view *out);
unsigned proc_view_count(const struct vfs *vfs, unsigned *running, int32_t *last);

void proc_signal_sets(const struct proc_view *p, uint64_t *ignored, uint64_t *caught);

/* What a text is made from. */
struct proc_call {
    struct vfs *vfs;
    struct kernel *kernel;     /* NULL in tests of files alone */
    struct task *reader;       /* who opened it; may be NULL */
    const struct proc_view *p; /* whose file; NULL: the machine's */
    struct buffer *out;
};

/* 0 or -errno. */
typedef int (*proc_text_fn)(const struct proc_call *c);

#define PROC(path, mode, fn)     int proc_##fn(const struct proc_call *c);
#define PROC_PID(path, mode, fn) int proc_##fn(const struct proc_call *c);
#define PROC_DIR(path)
#define PROC_PID_DIR(path)
#define PROC_LINK(path)
#include "kernel/procfs.def"
#undef PROC
#undef PROC_PID
#undef PROC_DIR
#undef PROC_PID_DIR
#undef PROC_LINK

#endif
