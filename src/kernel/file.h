/* Open descriptions: what a descriptor names. One `struct file` is what open(2), pipe(2) or
 * socket(2) made; descriptors (dup, fork) share it and count it.
 *
 * Blocking: an operation that cannot go on now returns -EAGAIN, whatever O_NONBLOCK says, and has
 * done nothing; file_wait turns that into the call's answer. `t` is the caller: NULL when the
 * kernel itself reads or writes (exec, doors). */
#ifndef KERNEL_FILE_H
#define KERNEL_FILE_H

#include "base/span.h"

#include <sys/types.h>

struct epoll_item;
struct task;
struct file;
struct fs;
struct vfs;

/* A file of a file system: by value, valid as long as somebody holds the inode. */
struct vnode {
    struct fs *fs;
    uint64_t ino;
};

struct file_stat {
    uint64_t dev, ino, rdev; /* dev_t as Linux packs it for user space */
    uint32_t mode, nlink, uid, gid;
    int64_t size, blocks; /* blocks of 512 bytes */
    uint32_t blksize;
    uint32_t flags; /* chattr(1): FS_IMMUTABLE_FL, FS_APPEND_FL ... of linux/fs.h */
    int64_t atime_ns, mtime_ns, ctime_ns, btime_ns; /* since 1970 */
};

/* One directory entry for the caller's reader. `next` is the position behind the entry, `type` a
 * DT_ number. False: the reader is full, this entry was not taken. */
typedef bool (*file_entry_fn)(void *ctx, struct span name, uint64_t ino, unsigned type,
                              int64_t next);

/* How a file's bytes come into memory. */
enum file_map {
    FILE_MAP_SPAN, /* *bytes are the contents, in place, page-aligned, unchanged as long as the
                      machine lives, whatever happens to the file */
    FILE_MAP_COPY, /* read them with file_pread, a page at a time */
    FILE_MAP_ZERO, /* /dev/zero: anonymous memory */
    FILE_MAP_NONE, /* -ENODEV */
};

struct file_ops {
    bool rewinds;  /* seeking leads to 0 whatever the place: /dev/null */
    bool seekable; /* has a position; read and write are told where */
    /* Count, 0 at the end, or -errno. `at` counts only for seekable files. */
    int64_t (*read)(struct file *f, struct task *t, void *out, size_t len, int64_t at);
    int64_t (*write)(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at);
    /* What is ready now: POLLIN, POLLOUT, POLLHUP ... (poll(2)). NULL: always ready. */
    unsigned (*poll)(struct file *f);
    /* When it becomes ready by itself (CLOCK_MONOTONIC), INT64_MAX: never. NULL: never. */
    int64_t (*deadline)(struct file *f);
    /* `arg` is the guest's third argument, -ENOTTY for an unknown command. NULL: -ENOTTY. */
    int64_t (*ioctl)(struct file *f, struct task *t, uint32_t command, uint64_t arg);
    /* Directories: entries from position `at` on until `fn` says no. 0 or -errno. */
    int (*readdir)(struct file *f, struct task *t, int64_t at, file_entry_fn fn, void *ctx);
    int (*stat)(struct file *f, struct file_stat *out);
    int (*truncate)(struct file *f, int64_t size);
    /* Zeros from `from` to `to`, which is within the file (fallocate). NULL: -EOPNOTSUPP. */
    int (*punch)(struct file *f, int64_t from, int64_t to);
    enum file_map (*map)(struct file *f, struct span *bytes); /* NULL: FILE_MAP_NONE */
    /* Shared mappings of the file: so many more, or less. */
    void (*mapped)(struct file *f, int more);
    /* The frame of its page number `index`, which is mapped and read, or written: as
     * cpu_space_fetch_fn. */
    int (*page)(struct file *f, struct task *t, uint64_t index, bool write, uint32_t *frame);
    /* Opens the same thing again (/proc/self/fd/N of a pipe). NULL: -ENXIO. */
    int (*reopen)(struct file *f, uint32_t flags, struct file **out);
    /* lseek(2) of what has places that are no bytes. NULL: as `seekable` says. */
    int64_t (*seek)(struct file *f, int64_t offset, int whence);
    /* The last descriptor is gone: give back `object`. May be NULL. */
    void (*close)(struct file *f);
};

struct file {
    const struct file_ops *ops;
    struct vfs *vfs;        /* the machine's file systems */
    void *object;           /* the ops' own: a pipe, a tty, ... */
    const void *key;        /* what a waiting caller waits for (task_wait) */
    uint64_t private;       /* the ops' own */
    struct vnode node, dir; /* what was opened, held; and the directory with its name */
    char *name_z;           /* the name in `dir`; NULL: no name (pipe:[N]) */
    const char *kind_z;     /* "pipe", "socket", "anon_inode:[eventpoll]"; NULL for a path */
    int64_t position;
    uint32_t holders;            /* descriptors, and others that called file_hold */
    uint32_t flags;              /* O_ACCMODE, O_APPEND, O_NONBLOCK, O_PATH ... */
    int32_t owner;               /* F_SETOWN */
    struct epoll_item *watchers; /* epolls that watch it */
    bool changed;                /* was written to: told when it is closed */
    int32_t writer_pid;          /* the process that did it last; 0: the kernel itself */
    uint32_t writer_uid;
    bool redirected;        /* a shell has put it in a descriptor's place */
    struct file *next_told; /* kernel.told_first */
};

/* A new description with one holder, counted against kernel_limits.files. `object` passes to it:
 * ops->close is called once, also when this fails. NULL: -ENFILE or -ENOMEM in *error. */
struct file *file_new(struct vfs *vfs, const struct file_ops *ops, void *object, uint32_t flags,
                      int *error);
struct file *file_hold(struct file *f); /* one more holder; returns f */
void file_drop(struct file *f);         /* one holder less; the last closes it. Takes NULL */

/* Reads or writes at the file's position and moves it; -EBADF for the wrong mode. */
int64_t file_read(struct file *f, struct task *t, void *out, size_t len);
int64_t file_write(struct file *f, struct task *t, const void *bytes, size_t len);
/* The same at a place; -ESPIPE without one. */
int64_t file_pread(struct file *f, struct task *t, void *out, size_t len, int64_t at);
int64_t file_pwrite(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at);
/* RLIMIT_FSIZE: 0, or SIGXFSZ and -EFBIG. */
int file_check_size(struct task *t, int64_t size);
/* It was changed, by `t` (may be NULL): told when it is closed. */
void file_changed(struct file *f, const struct task *t);
unsigned file_poll(struct file *f);
int file_stat(struct file *f, struct file_stat *out);

/* How its bytes come into memory (mmap, exec). */
enum file_map file_map(struct file *f, struct span *bytes);

/* The path as /proc/PID/fd shows it: "/tmp/x", "/tmp/x (deleted)", "pipe:[812]". Its length, or
 * -ENAMETOOLONG. `size` should be VFS_PATH_MAX + 16. */
int64_t file_path(struct file *f, char *out, size_t size);

#endif
