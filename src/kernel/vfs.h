/* The machine's files: paths, mounts, permissions. File systems (the overlay on the image, tmpfs,
 * /proc, /dev/pts ...) stand behind fs.h; this is what system calls see.
 *
 * Every function answers as Linux's path_resolution(7) says, with its errors. */
#ifndef KERNEL_VFS_H
#define KERNEL_VFS_H

#include "kernel/file.h"

struct creds; /* task.h */
struct hardware;
struct kernel;
struct persona_image;
struct vfs;

enum {
    VFS_PATH_MAX = 4096, /* with the NUL */
    VFS_NAME_MAX = 255,
    VFS_LINKS_MAX = 40, /* symlinks followed in one path: -ELOOP */
};

/* What the file side asks of the rest of the kernel. Tests give their own. */
struct vfs_hooks {
    void *ctx;
    int64_t (*now_ns)(void *ctx);                              /* wall clock */
    void (*wake)(void *ctx, const void *key);                  /* kernel_wake */
    void (*random)(void *ctx, void *out, size_t len);          /* for /dev/urandom */
    void (*signal_group)(void *ctx, int32_t group, int signo); /* from a terminal */
    void (*session_lost)(void *ctx, int32_t session);          /* its terminal is no longer its */
    void (*on_written)(void *ctx, struct file *f);             /* a changed file is closed */
    void (*on_limit)(void *ctx, const char *name_z);           /* of kernel_limits, was hit */
    void (*on_watched)(void *ctx, struct task *t, struct file *f); /* was opened */
    void (*on_deleted)(void *ctx, struct task *t, struct span path);
};

struct vfs_config {
    const struct persona_image *image; /* borrowed */
    const struct hardware *hardware;   /* borrowed */
    struct kernel *kernel;             /* whose processes /proc shows; NULL: none */
    uint64_t overlay_bytes;
    uint32_t overlay_nodes, files;
    const uint32_t *watched; /* borrowed: inodes of the image that on_watched hears of, rising */
    size_t watched_count;
    int64_t boot_ns;
    struct vfs_hooks hooks;
};
struct vfs *vfs_new(const struct vfs_config *config); /* NULL: out of memory */
void vfs_free(struct vfs *vfs);                       /* every file must be dropped */
const struct vfs_hooks *vfs_hooks(const struct vfs *vfs);
/* The same, with the kernel's own limits, image and hooks: makes k->vfs. 0 or -ENOMEM. */
int vfs_boot(struct kernel *k);

/* Grows with every change of files: equal numbers mean that nothing was changed in between. */
uint64_t vfs_changes(const struct vfs *vfs);

/* Where a process stands: root, current directory, umask. Shared by threads (CLONE_FS). */
struct fs_context {
    struct vfs *vfs;
    struct mount_space *space; /* held: which mounts there are */
    struct vnode root, cwd;    /* held */
    uint32_t umask;
    uint32_t holders;
};
struct fs_context *fs_context_new(struct vfs *vfs); /* "/" and "/", umask 022 */
struct fs_context *fs_context_clone(const struct fs_context *fs);
struct fs_context *fs_context_hold(struct fs_context *fs);
void fs_context_drop(struct fs_context *fs);
/* chdir for a program that is being started. 0 or -errno. */
int fs_context_chdir(struct fs_context *fs, const struct creds *cred, struct span path);

/* A walk: who, from where, in whose name. */
struct vfs_at {
    struct fs_context *fs;
    const struct creds *cred;
    struct task *task; /* for /proc/self and the like; may be NULL */
    struct file *dir;  /* a relative path starts here (openat); NULL: at the cwd */
    uint64_t resolve;  /* RESOLVE_ flags of openat2(2) */
};

/* open(2). `flags` as Linux numbers them, `mode` before the umask. 0 and *out with one holder. */
int vfs_open(const struct vfs_at *at, struct span path, uint32_t flags, uint32_t mode,
             struct file **out);
/* A regular file with execute permission, opened for reading as execve(2) does: -EACCES for what is
 * not a file, not executable or on a noexec mount. An empty path means `dir` itself (fexecve). */
int vfs_open_exec(const struct vfs_at *at, struct span path, bool follow, struct file **out);
int vfs_stat(const struct vfs_at *at, struct span path, bool follow, struct file_stat *out);
/* ---- Changes: mkdir(2), mknod, symlink, link, unlink, rmdir, rename, chmod, chown ... ---- */

/* `mode` with its type: a directory, file, fifo, socket or device; before the umask. */
int vfs_make(const struct vfs_at *at, struct span path, uint32_t mode, uint64_t rdev);
int vfs_symlink(const struct vfs_at *at, struct span target, struct span path);
int vfs_link(const struct vfs_at *from, struct span old, unsigned flags, const struct vfs_at *to,
             struct span path); /* flags: AT_SYMLINK_FOLLOW, AT_EMPTY_PATH */
int vfs_unlink(const struct vfs_at *at, struct span path);
int vfs_rmdir(const struct vfs_at *at, struct span path);
int vfs_rename(const struct vfs_at *from, struct span old, const struct vfs_at *to, struct span new,
               unsigned flags); /* RENAME_NOREPLACE, RENAME_EXCHANGE */

/* What an inode may be changed to; the caller found it, or has it open. `id` -1: leave. */
int vfs_chmod(const struct creds *cred, struct vnode node, uint32_t mode);
int vfs_chown(const struct creds *cred, struct vnode node, uint32_t uid, uint32_t gid);
int vfs_truncate(const struct creds *cred, struct vnode node, int64_t size);
/* Times of utimensat(2): what UTIME_OMIT leaves out is INT64_MIN; `now` says that both are the
 * current time, for which write permission is enough. */
int vfs_set_times(const struct creds *cred, struct vnode node, int64_t atime_ns, int64_t mtime_ns,
                  bool now);

/* The absolute path of a directory as getcwd(2) gives it, NUL-terminated; its length without the
 * NUL, -ENOENT when it was removed, -ERANGE. */
int64_t vfs_path_of(struct vfs *vfs, struct vnode root, struct vnode node, char *out, size_t size);

#endif
