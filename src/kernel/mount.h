/* What is mounted: the machine's own table, and the trees of mounts (mount_tree.c), one for each mount
 * namespace. A mount is a `struct fs` (fs.h). */
#ifndef KERNEL_MOUNT_H
#define KERNEL_MOUNT_H

#include "base/span.h"

enum mount_kind { MOUNT_ROOT, MOUNT_TMPFS, MOUNT_PROC, MOUNT_DEVPTS, MOUNT_LISTED };

/* Of the machine's memory. */
enum mount_share {
    MOUNT_NONE, /* it has a size of its own */
    MOUNT_DEV,  /* half of what is free when the kernel starts */
    MOUNT_RUN,  /* a tenth, up to whole pages */
    MOUNT_HALF,
    MOUNT_USER, /* a tenth, down to whole pages */
};

struct hardware;
struct buffer;
struct fs;
struct vfs;
struct vnode;
struct mount_space; /* a mount namespace */

struct mount {
    const char *path_z;
    enum mount_kind kind;
    unsigned flags; /* enum fs_flags */
    enum mount_share share;
    uint64_t size_kib, used_kib, used_inodes;
    uint32_t mode, major, minor, id, parent_id, peers;
    const char *source_z, *type_z, *options_z, *super_z;
};

/* How large it is on a machine, and how many inodes it may have. */
uint64_t mount_size_kib(const struct mount *m, const struct hardware *hw);
uint64_t mount_inodes(const struct mount *m, const struct hardware *hw);
/* Appends `text_z`, a part of its `super_z`, with its numbers. */
int mount_put_super(const struct mount *m, const char *text_z, const struct hardware *hw,
                    struct buffer *out);

/* ---- The tree ---- */

/* Puts `fs` on `on`, in its namespace; `order` is its place in the list (UINT32_MAX: the last). The
 * list owns it then; not when this fails: -ENOSPC, -ENOMEM. */
int mount_attach(struct fs *fs, struct vnode on, struct mount_space *space, uint32_t order);
/* Another mount that shows the same files from `root` on. NULL: out of memory. */
struct fs *mount_view(struct fs *of, uint64_t root);
/* A mount that was not attached, or not yet. */
void mount_free(struct fs *fs);
/* Takes it out of the tree, with all that is on it. */
void mount_detach(struct fs *fs);
/* Puts it somewhere else. 0 or -ENOMEM. */
int mount_move(struct fs *fs, struct vnode on);
/* Frees what is in no tree and in no use. */
void mount_reap(struct vfs *vfs);
/* What is mounted on an inode, or NULL. */
struct fs *mount_on(struct vnode node);
/* True when `fs` is on a mount below `above`, or is it. */
bool mount_is_below(const struct fs *fs, const struct fs *above);
/* Text as /proc/mounts shows it: "rw,nosuid", without the file system's own. 0 or ERR_*. */
int mount_put_options(const struct fs *fs, struct buffer *out);

struct mount_space *mount_space_new(struct vfs *vfs); /* one holder */
struct mount_space *mount_space_hold(struct mount_space *space);
void mount_space_drop(struct vfs *vfs, struct mount_space *space); /* the last: its mounts go */
/* A copy of all its mounts, each `twin` of the old until the next copy. NULL: no memory, or too many
 * mounts. */
struct mount_space *mount_space_copy(struct vfs *vfs, const struct mount_space *of,
                                     uint32_t number);
/* As /proc/PID/ns/mnt has it; 0: the machine's own. */
uint32_t mount_space_number(const struct mount_space *space);
/* The mount that is its "/"; NULL: there is none. */
struct fs *mount_space_top(const struct vfs *vfs, const struct mount_space *space);

#endif
