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
/* The path of a service's program: the first of its command line, or of its service's where it has set
 * a title. Empty: it has none. */
struct span proc_view_program(const struct vfs *vfs, const struct proc_view *view);
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

/* ---- The tree (procfs.c) ---- */

enum proc_kind { PROC_KIND_TEXT, PROC_KIND_DIR, PROC_KIND_LINK };

struct proc_entry {
    const char *path_z;
    enum proc_kind kind;
    uint32_t mode;
    proc_text_fn fn;
};

/* An inode number says all: an inode of the image's /proc, or process (0: the machine), entry, and
 * for what stands in fd/, fdinfo/ and task/ one more number plus 1. */
struct proc_place {
    uint32_t image_ino;
    int32_t pid;
    size_t entry;
    uint32_t number;
};

struct procfs {
    struct fs fs; /* first */
    const struct persona_image *image;
    uint32_t image_root; /* the image's /proc; 0: none */
};

uint64_t proc_ino_of(struct proc_place p);
struct proc_place proc_place_of(uint64_t ino);
const struct proc_entry *proc_entry_of(struct proc_place p); /* NULL: there is none */
/* The table of a process (or of the machine, pid 0). */
const struct proc_entry *proc_table_of(int32_t pid, size_t *count);
bool proc_is_named(const struct proc_entry *e, const char *name_z);
/* Whether `path_z` is DIR/NAME with one name; the name. */
bool proc_is_below(const char *dir_z, const char *path_z, struct span *name);
/* The image's directory that stands for a directory of ours, or 0. */
uint32_t proc_image_directory(const struct procfs *p, const struct proc_entry *e);
/* A name of a directory of ours in its table; 0 or -ENOENT. */
int proc_find_in_table(struct proc_place dir, const struct proc_entry *e, struct span name,
                       uint64_t *ino);
int proc_image_stat(const struct procfs *p, uint32_t ino, struct file_stat *out); /* mode, nlink */
struct file *proc_open_of(const struct proc_view *view, int32_t fd);
/* PTRACE_MODE_READ: another's descriptors, memory and directories are not shown. */
bool proc_may_see(const struct task *t, const struct proc_view *view);

/* ---- Of processes that only seem to run (proc_service.c) ---- */

/* The text of a descriptor's link, or -ENOENT. */
int64_t proc_service_link(const struct vfs *vfs, const struct proc_view *view, int32_t fd,
                          char *out, size_t size);
/* The lowest descriptor from `from` on, or -1. */
int32_t proc_service_next(const struct vfs *vfs, const struct proc_view *view, int32_t from);
/* What stat(2) sees behind the link of a socket: -ENOENT (it is none), -ENOMEM, -ENFILE. */
int proc_service_open(struct vfs *vfs, const struct proc_view *view, int32_t fd, struct file **out);

int proc_readdir(struct fs *fs, struct task *t, uint64_t dir, int64_t at, file_entry_fn fn,
                 void *ctx);                                                /* proc_list.c */
int proc_open(struct fs *fs, struct task *t, uint64_t ino, struct file *f); /* proc_text.c */
void proc_open_mem(const struct proc_view *view, struct file *f);           /* proc_memory.c */

/* ---- What the visitor has set in /proc/sys (proc_sys.c) ---- */

enum {
    PROC_SETTING_MAX = 256,  /* bytes of one */
    PROC_SETTINGS_MAX = 128, /* of a machine: -ENOMEM */
};
/* Without its newline; NULL: as it was. */
const char *proc_setting(const struct kernel *k, uint64_t ino);
/* `before` is what the file says now. 0, -EINVAL (too long, or no number where one is), -ENOMEM. */
int proc_set(struct kernel *k, uint64_t ino, struct span before, struct span value);
/* The n-th of them, the newest first. False: there are not so many. */
bool proc_setting_at(const struct kernel *k, size_t index, uint64_t *ino, const char **value_z);
void proc_forget_settings(struct kernel *k);

/* ---- The texts ---- */

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
