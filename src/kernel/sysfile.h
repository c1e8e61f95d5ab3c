/* What the file calls (sys_*.c of files) share. */
#ifndef KERNEL_SYSFILE_H
#define KERNEL_SYSFILE_H

#include "kernel/fdtable.h"
#include "kernel/fs.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

enum { SYS_CHUNK = 65536 }; /* bytes copied between guest and kernel at once */

/* A path argument, with where it starts. */
struct sys_path {
    struct vfs_at at;
    struct span path;
    char text_z[VFS_PATH_MAX];
};

/* Reads the path at `addr`; a relative one starts at `dirfd`. With `empty_ok` (AT_EMPTY_PATH) ""
 * stands for the descriptor itself. 0, -EFAULT, -ENAMETOOLONG, -EBADF. */
int sys_path_get(struct task *t, uint64_t dirfd, uint64_t addr, bool empty_ok,
                 struct sys_path *out);
/* Where the paths of a task start: at `dir`, or NULL at its current directory. */
struct vfs_at sys_at(struct task *t, struct file *dir);
/* The inode a path means. */
int sys_walk(struct task *t, uint64_t dirfd, uint64_t addr, bool follow, bool empty_ok,
             struct walk_found *out);

struct file *sys_file(const struct task *t, uint64_t fd); /* NULL: -EBADF */
/* A new descriptor for `f`, whose holder passes on. */
int64_t sys_install(struct task *t, struct file *f, bool close_on_exec);
/* The answer to -EAGAIN of an operation on `f`: that, or the task is parked. */
int64_t sys_wait_file(struct task *t, const struct file *f);

/* Nothing is ready: parks the task until something may be, or says 0 when the time (< 0: no end) is
 * up. `sooner_ns` is when a file becomes ready by itself. */
int64_t sys_wait_ready(struct task *t, int64_t timeout_ns, int64_t sooner_ns);
/* What of a file is ready; lowers *sooner_ns. */
unsigned sys_poll_file(struct file *f, int64_t *sooner_ns);
/* A struct timespec at `addr` in nanoseconds; -1 when addr is 0. 0, -EFAULT, -EINVAL. */
int64_t sys_timespec_ns(struct task *t, uint64_t addr, int64_t *out);
/* The signal mask of ppoll and its kin. */
int64_t sys_mask_for_call(struct task *t, uint64_t addr, uint64_t size);
int sys_anonymous_stat(struct file *f, struct file_stat *out); /* of anon_inode:[...] */

/* The lock commands of fcntl (sys_lock.c): F_GETLK ... F_OFD_SETLKW. */
int64_t sys_lock_command(struct task *t, struct file *f, uint64_t command, uint64_t addr);

/* A new file of the kernel's own memory, which /proc shows as "/NAME (deleted)". 0 or -errno. */
int memory_file(struct task *t, const char *name_z, struct file **out);

/* F_ADD_SEALS and F_GET_SEALS (sys_memfd.c). */
int64_t sys_seal_command(struct task *t, struct file *f, uint64_t command, uint64_t arg);

/* Namespaces (sys_mount.c): whether clone or unshare may make those of `flags`: 0, -EPERM, -ENOSPC;
 * and a mount namespace of the task's own. */
int namespaces_check(const struct task *t, uint64_t flags);
int mounts_unshare(struct task *t);
/* setns(2): from its "/" on. 0, -EPERM, -EINVAL, -ENOMEM. */
int64_t mounts_enter(struct task *t, struct mount_space *space);

#endif
