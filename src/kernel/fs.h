/* A file system as the paths (vfs.c) see it, and the machine's table of them. Inside of the file
 * side only: programs' callers use vfs.h.
 *
 * Permissions, names' lengths, mount points and symbolic links are the paths' work; a file system
 * only keeps inodes and names. Each one is mounted once. */
#ifndef KERNEL_FS_H
#define KERNEL_FS_H

#include "kernel/hash.h"
#include "kernel/net.h"
#include "kernel/vfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

struct disk;
struct lock;
struct mount;
struct socket;
struct tty;
struct xattr;

/* What a new inode is made of. */
struct fs_new {
    uint32_t mode, uid, gid; /* with the type */
    uint64_t rdev;
    struct span target; /* of a symbolic link */
};

enum fs_attr_bits {
    FS_ATTR_MODE = 1, /* the permission bits */
    FS_ATTR_OWNER = 2,
    FS_ATTR_ATIME = 4,
    FS_ATTR_MTIME = 8,
    FS_ATTR_FLAGS = 16,
};

struct fs_attr {
    unsigned what; /* enum fs_attr_bits */
    uint32_t mode, uid, gid;
    int64_t atime_ns, mtime_ns;
    uint32_t flags; /* FS_..._FL of linux/fs.h */
};

/* struct statfs of the kernel's interface, its counts. */
struct fs_usage {
    uint64_t type, block_size, blocks, free, available, files, files_free;
};

/* All answer 0 or -errno. A door that is NULL means that the file system cannot do that. */
struct fs_ops {
    int (*stat)(struct fs *fs, uint64_t ino, struct file_stat *out);
    int (*find)(struct fs *fs, struct task *t, uint64_t dir, struct span name, uint64_t *ino);
    int (*parent)(struct fs *fs, uint64_t dir, uint64_t *parent);
    /* The name of `ino` in `dir`: its length, or -ENOENT. */
    int64_t (*name_of)(struct fs *fs, uint64_t dir, uint64_t ino, char *out, size_t size);
    int (*readdir)(struct fs *fs, struct task *t, uint64_t dir, int64_t at, file_entry_fn fn,
                   void *ctx);
    int64_t (*readlink)(struct fs *fs, struct task *t, uint64_t ino, char *out, size_t size);
    /* A link that leads to an open description, whatever its text (/proc/PID/fd/N): one more
     * holder in *out, or *node. -ENOENT: an ordinary link. */
    int (*follow)(struct fs *fs, struct task *t, uint64_t ino, struct file **out,
                  struct vnode *node);
    /* Regular files and directories. `f` is set up but for ops, object, key, private. */
    int (*open)(struct fs *fs, struct task *t, uint64_t ino, struct file *f);
    int (*make)(struct fs *fs, uint64_t dir, struct span name, const struct fs_new *new,
                uint64_t *ino);
    int (*link)(struct fs *fs, uint64_t ino, uint64_t dir, struct span name);
    int (*unlink)(struct fs *fs, uint64_t dir, struct span name); /* rmdir too, checks emptiness */
    int (*rename)(struct fs *fs, uint64_t from_dir, struct span from, uint64_t to_dir,
                  struct span to);
    int (*exchange)(struct fs *fs, uint64_t a_dir, struct span a, uint64_t b_dir, struct span b);
    int (*set_attr)(struct fs *fs, uint64_t ino, const struct fs_attr *attr);
    int (*truncate)(struct fs *fs, uint64_t ino, int64_t size);
    void (*usage)(struct fs *fs, struct fs_usage *out);
    /* In use (open, current directory): the number stays and means the same file. */
    int (*hold)(struct fs *fs, uint64_t ino);
    void (*drop)(struct fs *fs, uint64_t ino);
    uint32_t (*holds)(struct fs *fs, uint64_t ino); /* how often it is held */
    /* Where a fifo or socket keeps its object; NULL when the inode was never held. */
    void **(*object)(struct fs *fs, uint64_t ino);
    /* The list of its extended attributes (xattr.h), NULL: no memory. The inode is held. */
    struct xattr **(*attributes)(struct fs *fs, uint64_t ino);
    void (*rest)(struct fs *fs); /* gives back what is quickly had again */
    void (*free)(struct fs *fs);
};

enum fs_flags {
    FS_NOEXEC = 1,
    FS_NOSUID = 2,
    FS_NODEV = 4,
    FS_READ_ONLY = 8,
    FS_IMAGE = 32,   /* an overlay on the image: low inode numbers are the image's */
    FS_FIXED = 64,   /* names can be neither made nor removed (/sys) */
    FS_CLOSED = 16,  /* a name that is not there cannot be made: -ENOENT (/proc) */
    FS_DISK = 128,   /* the machine's disk, not memory */
    FS_LISTED = 256, /* only in the table of mounts: its files are those of what it is mounted on */
    FS_NOATIME = 512, /* told, not done, as the next ones */
    FS_NODIRATIME = 1024,
    FS_STRICTATIME = 2048,
};

/* A mount. Several may show one file system (bind mounts, other namespaces): they have their own
 * root and flags, and `super` is the one that keeps the files. */
struct fs {
    const struct fs_ops *ops;
    struct vfs *vfs;
    struct fs *super;
    uint64_t root; /* inode number of its root */
    uint64_t dev;  /* st_dev */
    unsigned flags;
    struct vnode covered;      /* the file it is mounted on, held; fs NULL for "/" */
    const struct mount *mount; /* how it is mounted */

    /* mount_tree.c */
    struct fs *next; /* in vfs.mounts */
    struct mount_space *space;
    struct fs *twin; /* its copy, while a namespace is copied */
    uint32_t order, id, peers;
    uint32_t users;        /* inodes held through it (vnode_hold) */
    uint32_t covers;       /* mounts that are on it */
    uint64_t covers_marks; /* a bit for each remainder of an inode's number that one may be on */
    uint32_t views;        /* of a super: mounts that show it, itself counted */
    bool owns_mount;       /* `mount` is its own block */
    bool remounted;        /* its flags are no longer those of `mount` */
    bool detached;         /* in no tree; goes when nobody uses it */
    bool expired;          /* MNT_EXPIRE was asked for once */
};

enum { VFS_MOUNTS_MAX = 250 }; /* of all namespaces of a machine: -ENOSPC */

/* What all overlays of a machine use together, against its limits. */
struct overlay_quota {
    uint64_t bytes, bytes_max;
    uint32_t nodes, nodes_max;
};

struct vfs {
    struct vfs_hooks hooks;
    const struct hardware *hardware;
    struct kernel *kernel; /* NULL in tests of the file side alone */
    int64_t boot_ns;
    struct overlay_quota quota;
    uint32_t files, files_max; /* open descriptions */
    struct fs *top;            /* "/" */
    struct fs *mounts;         /* all, in the order of /proc/mounts */
    uint32_t mount_count, mounts_detached, mount_ids;
    bool mounts_changed;       /* since the machine was made */
    struct mount_space *space; /* that of the machine */
    struct fs *devpts;         /* one of its views */
    struct fs *memory;         /* of memfd, in no tree; NULL: not wanted yet */
    struct tty *ttys;          /* by number, lowest first */
    struct net net;
    struct socket *sockets;       /* all of them, the newest first */
    size_t socket_bytes;          /* that wait in them, with what messages cost */
    struct socket_message *waste; /* messages whose files are to be dropped (socket.c) */
    bool wasting;
    struct disk *disk;  /* what was written to it as a device (disk.h); or NULL */
    struct lock *locks; /* of all files, by start */
    uint32_t lock_count;
    const uint32_t *watched; /* inodes of the image, rising; borrowed */
    size_t watched_count;
    uint64_t changes;    /* grows with every change of an overlay's names or inodes */
    struct hash watches; /* of inotify.c, by inode number */
    uint32_t watchers, watch_events, watch_cookie;
    size_t pipe_bytes; /* room of all pipes */
    uint32_t mqueues;  /* message queues (mqueue.h), and bytes that wait in them */
    size_t mqueue_bytes;
    uint64_t next_object; /* inode numbers of pipes and sockets */
    unsigned epoll_depth; /* of epolls that ask epolls, now */
    uint32_t epoll_asked; /* items, by the outermost of them */
};

#define FS_DEV(major, minor)                                         \
    ((((uint64_t)(major)&0xfffu) << 8) | ((uint64_t)(minor)&0xffu) | \
     (((uint64_t)(minor) & ~(uint64_t)0xff) << 12))

#define FS_MAJOR(dev) ((uint32_t)((dev) >> 8 & 0xfff))
#define FS_MINOR(dev) ((uint32_t)(((dev)&0xff) | ((dev) >> 12 & 0xfff00)))

int64_t vfs_now(const struct vfs *vfs);
void vfs_wake(const struct vfs *vfs, const void *key);
bool vnode_is_same(struct vnode a, struct vnode b);
bool vnode_is_same_file(struct vnode a, struct vnode b); /* by whatever mount */
int vnode_hold(struct vnode node); /* 0 or -ENOMEM; a vnode without fs is no matter */
void vnode_drop(struct vnode node);
int vnode_stat(struct vnode node, struct file_stat *out);

/* A context's root or current directory is now another inode. */
int fs_context_set(struct vnode *place, struct vnode node);

/* ---- Walking (walk.c) ---- */

enum walk_flags {
    WALK_FOLLOW = 1,  /* a last component that is a link is followed */
    WALK_MAKE = 2,    /* the last component may be missing: node.ino is 0 then */
    WALK_NAMED = 4,   /* slashes behind the last name do not make it be followed (unlink, rmdir) */
    WALK_PARENT = 16, /* the last name is not looked up: only dir and name */
    WALK_EMPTY = 8,   /* an empty path means the start itself (AT_EMPTY_PATH) */
};

enum walk_last { WALK_NAME, WALK_DOT, WALK_DOTDOT, WALK_ROOT };

struct walk_found {
    struct vnode dir;    /* holds the name */
    struct vnode node;   /* what it names */
    struct file *file;   /* instead of node: a description behind a /proc link; owned */
    enum walk_last last; /* what the path ended in */
    bool slash;          /* the path ended in a slash: a directory is meant */
    size_t name_len;
    char name[VFS_NAME_MAX + 1];
    struct file_stat stat; /* of node, when it is there */
};

/* Resolves; nothing in *out is held but out->file: walk_done. The results are good until the next
 * change of any file system. */
int walk(const struct vfs_at *at, struct span path, unsigned flags, struct walk_found *out);
void walk_done(struct walk_found *found);
struct span walk_name(const struct walk_found *found);
/* Its path from the machine's top, in `path`, which must outlive it; empty: nothing leads there. */
enum { WALK_PATH_BYTES = VFS_PATH_MAX + VFS_NAME_MAX + 2 };
struct span walk_path(struct vfs *vfs, const struct walk_found *found, char path[WALK_PATH_BYTES]);

/* Its opening is told (kernel_config.watched). */
bool vfs_is_watched(const struct file *f);

/* Permission of the caller on an inode: R_OK, W_OK, X_OK or together. 0 or -EACCES, -EROFS. */
int vfs_may(const struct creds *cred, const struct fs *fs, const struct file_stat *st,
            unsigned want);
bool vfs_is_read_only(const struct fs *fs);
/* So many bytes more are kept, of all that may be: 0 or -ENOSPC, and the limit is told. */
int vfs_charge(struct vfs *vfs, uint64_t bytes);
bool vfs_owns(const struct creds *cred, const struct file_stat *st); /* or has CAP_FOWNER */

/* Makes what a walk with WALK_MAKE did not find; `new` without owner and umask. found->node then is
 * it. */
int vfs_make_at(const struct vfs_at *at, struct walk_found *found, const struct fs_new *new);

/* FS_IOC_GETFLAGS and FS_IOC_SETFLAGS (chattr, lsattr), for files and directories. */
int64_t vfs_flags_ioctl(struct file *f, struct task *t, uint32_t command, uint64_t arg);

/* A description for an inode; looks at nothing but the type. */
int vfs_open_node(const struct vfs_at *at, struct vnode node, struct vnode dir, struct span name,
                  uint32_t flags, struct file **out);

void epoll_forget_file(struct file *f); /* it is closed: no epoll watches it any more */

/* ---- The file systems ---- */

/* The image's files from directory `root` on, and whatever is changed or made in them; without an
 * image: tmpfs. The numbers of inodes shown are `shift` above its own. */
struct fs *overlay_new(struct vfs *vfs, const struct persona_image *image, uint32_t root);
/* `image_root` is the image's own /proc, 0 if it has none. */
struct fs *procfs_new(struct vfs *vfs, const struct persona_image *image, uint32_t image_root);
struct fs *devpts_new(struct vfs *vfs);
enum { DEVPTS_FIRST = 3 }; /* inode number of terminal 0 */
/* A character device by its number (block.h has the others). -ENXIO when there is none. */
int device_open(struct task *t, uint64_t rdev, struct file *f);
/* Terminals by device number (tty_file.c): 5:0 the caller's own, 5:1 console, 5:2 a new master;
 * 136:N. */
int tty_open_device(struct task *t, unsigned minor, struct file *f);
int tty_open_number(struct task *t, unsigned number, struct file *f);
/* A fifo's description; *object is the inode's pipe, made at the first open. -EAGAIN: the other side
 * is not there yet. */
int pipe_open_fifo(struct file *f, struct task *t, void **object);
void pipe_forget(void *object); /* the fifo's inode goes */

#endif
