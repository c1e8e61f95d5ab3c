/* open(2). */
#include "kernel/block.h"
#include "kernel/fs.h"
#include "kernel/inotify.h"
#include "kernel/task.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIR_FIRST = 2 }; /* position behind "." and ".." */

static int dir_readdir(struct file *f, struct task *t, int64_t at, file_entry_fn fn, void *ctx)
{
    struct file_stat st, up;
    struct vnode parent = {.fs = f->node.fs};
    int error = vnode_stat(f->node, &st);
    if (error != 0)
        return error;
    if (st.nlink == 0)
        return -ENOENT;
    if (at < 1 && !fn(ctx, span_z("."), st.ino, DT_DIR, 1))
        return 0;
    if (f->node.ino == f->node.fs->root && f->node.fs->covered.fs != NULL)
        parent = f->node.fs->covered;
    else
        parent.ino = f->node.ino;
    if (parent.fs->ops->parent(parent.fs, parent.ino, &parent.ino) != 0 ||
        vnode_stat(parent, &up) != 0)
        up.ino = st.ino;
    if (at < DIR_FIRST && !fn(ctx, span_z(".."), up.ino, DT_DIR, DIR_FIRST))
        return 0;
    return f->node.fs->ops->readdir(f->node.fs, t, f->node.ino, at < DIR_FIRST ? DIR_FIRST : at, fn,
                                    ctx);
}

static const struct file_ops dir_ops = {.readdir = dir_readdir, .ioctl = vfs_flags_ioctl};
static const struct file_ops path_ops = {0};

static int attach_ops(const struct vfs_at *at, const struct file_stat *st, struct file *f)
{
    if ((f->flags & O_PATH) != 0) {
        f->ops = &path_ops;
        return 0;
    }
    switch (st->mode & S_IFMT) {
    case S_IFDIR: f->ops = &dir_ops; return 0;
    case S_IFCHR: return device_open(at->task, st->rdev, f);
    case S_IFBLK: return block_open(at->task, st->rdev, f);
    case S_IFIFO:
        return pipe_open_fifo(f, at->task, f->node.fs->ops->object(f->node.fs, f->node.ino));
    case S_IFREG: return f->node.fs->ops->open(f->node.fs, at->task, f->node.ino, f);
    default: return -ENXIO;
    }
}

/* Directories and files alike are known by their inode; files also by the name they were opened
 * by. */
static int set_name(struct file *f, struct vnode dir, struct span name)
{
    if (dir.fs == NULL || name.len == 0)
        return 0;
    f->name_z = malloc(name.len + 1);
    if (f->name_z == NULL || vnode_hold(dir) != 0)
        return -ENOMEM;
    f->dir = dir;
    span_copy_z(name, f->name_z, name.len + 1);
    return 0;
}

int vfs_open_node(const struct vfs_at *at, struct vnode node, struct vnode dir, struct span name,
                  uint32_t flags, struct file **out)
{
    int error = 0;
    struct file_stat st;
    struct file *f = file_new(node.fs->vfs, &path_ops, NULL, flags, &error);
    if (f == NULL)
        return error;
    error = vnode_hold(node);
    if (error == 0)
        f->node = node;
    if (error == 0)
        error = vnode_stat(node, &st);
    if (error == 0 && !S_ISDIR(st.mode))
        error = set_name(f, dir, name);
    if (error == 0)
        error = attach_ops(at, &st, f);
    if (error != 0) {
        f->ops = NULL; /* nothing to close */
        file_drop(f);
        return error;
    }
    *out = f;
    return 0;
}

/* fs.protected_regular = 2 and fs.protected_fifos = 1: in a sticky directory that others may write
 * to, O_CREAT does not open what belongs to somebody else; not even root may. */
static int may_create_over(const struct vfs_at *at, const struct walk_found *found)
{
    struct file_stat dir;
    const struct file_stat *st = &found->stat;
    if ((!S_ISREG(st->mode) && !S_ISFIFO(st->mode)) || found->dir.fs == NULL ||
        vnode_stat(found->dir, &dir) != 0)
        return 0;
    if ((dir.mode & S_ISVTX) == 0 || st->uid == dir.uid || st->uid == at->cred->fsuid)
        return 0;
    bool open_to_all = (dir.mode & S_IWOTH) != 0;
    bool open_to_group = (dir.mode & S_IWGRP) != 0 && S_ISREG(st->mode);
    return open_to_all || open_to_group ? -EACCES : 0;
}

static unsigned wanted(uint32_t flags)
{
    static const unsigned access_of[] = {R_OK, W_OK, R_OK | W_OK, R_OK | W_OK};
    return access_of[flags & O_ACCMODE] | ((flags & O_TRUNC) != 0 ? W_OK : 0);
}

/* chattr +i and +a. */
static int may_change(const struct file_stat *st, uint32_t flags)
{
    if ((wanted(flags) & W_OK) == 0)
        return 0;
    if ((st->flags & FS_IMMUTABLE_FL) != 0)
        return -EPERM;
    bool appends = (flags & O_APPEND) != 0 && (flags & O_TRUNC) == 0;
    return (st->flags & FS_APPEND_FL) != 0 && !appends ? -EPERM : 0;
}

/* What the type and the permissions say to these flags. */
static int may_open(const struct vfs_at *at, const struct walk_found *found, uint32_t flags)
{
    const struct file_stat *st = &found->stat;
    if ((flags & O_DIRECTORY) != 0 && !S_ISDIR(st->mode))
        return -ENOTDIR;
    if ((flags & O_PATH) != 0)
        return 0;
    if (S_ISLNK(st->mode))
        return -ELOOP;
    if (S_ISDIR(st->mode) && ((wanted(flags) & W_OK) != 0 || (flags & O_CREAT) != 0))
        return -EISDIR;
    bool device = S_ISCHR(st->mode) || S_ISBLK(st->mode);
    if (device && found->node.fs != NULL && (found->node.fs->flags & FS_NODEV) != 0)
        return -EACCES;
    int error = vfs_may(at->cred, found->node.fs, st, wanted(flags));
    if (error == 0)
        error = may_change(st, flags);
    if (error == 0 && (flags & O_NOATIME) != 0 && !vfs_owns(at->cred, st))
        error = -EPERM;
    return error;
}

static int make_at(const struct vfs_at *at, struct walk_found *found,
                   const struct fs_new *wanted_new)
{
    struct fs *fs = found->dir.fs;
    struct fs_new new = *wanted_new;
    struct file_stat dir;
    int error = vnode_stat(found->dir, &dir);
    if (error == 0)
        error = vfs_may(at->cred, fs, &dir, W_OK | X_OK);
    if (error == 0 && (dir.flags & FS_IMMUTABLE_FL) != 0)
        error = -EPERM;
    if (error == 0 && dir.nlink == 0)
        error = -ENOENT;
    if (error == 0 && (fs->ops->make == NULL || (fs->flags & FS_FIXED) != 0))
        error = S_ISREG(new.mode) ? -EACCES : -EPERM;
    if (error != 0)
        return error;
    if (!S_ISLNK(new.mode))
        new.mode &= ~at->fs->umask;
    new.uid = at->cred->fsuid;
    new.gid = at->cred->fsgid;
    if ((dir.mode & S_ISGID) != 0) {
        new.gid = dir.gid;
        if (S_ISDIR(new.mode))
            new.mode |= S_ISGID;
    }
    found->node.fs = fs;
    error = fs->ops->make(fs, found->dir.ino, walk_name(found), &new, &found->node.ino);
    return error != 0 ? error : vnode_stat(found->node, &found->stat);
}

int vfs_make_at(const struct vfs_at *at, struct walk_found *found, const struct fs_new *new)
{
    int error = make_at(at, found, new);
    if (error == 0)
        inotify_tell_dir(found->dir, walk_name(found),
                         IN_CREATE | (S_ISDIR(new->mode) ? IN_ISDIR : 0), 0);
    return error;
}

/* O_CREAT: makes the file when it is missing. *made says so. */
static int create(const struct vfs_at *at, struct walk_found *found, uint32_t flags, uint32_t mode,
                  bool *made)
{
    if (found->last != WALK_NAME || found->slash)
        return found->file != NULL ? 0 : -EISDIR;
    if (found->node.fs != NULL || found->file != NULL)
        return (flags & O_EXCL) != 0 ? -EEXIST : may_create_over(at, found);
    *made = true;
    const struct fs_new new = {.mode = S_IFREG | (mode & 07777)};
    return vfs_make_at(at, found, &new);
}

bool vfs_is_watched(const struct file *f)
{
    const struct vfs *vfs = f->vfs;
    size_t low = 0, high = vfs->watched_count;
    if (high == 0 || f->node.fs == NULL || (f->node.fs->flags & FS_IMAGE) == 0)
        return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (vfs->watched[middle] < f->node.ino)
            low = middle + 1;
        else
            high = middle;
    }
    return low < vfs->watched_count && vfs->watched[low] == f->node.ino;
}

/* A program has opened a file of the image that is watched. */
static void tell_watched(const struct vfs_at *at, struct file *f)
{
    if (at->task != NULL && vfs_is_watched(f))
        f->vfs->hooks.on_watched(f->vfs->hooks.ctx, at->task, f);
}

static int truncate_opened(struct file *f)
{
    int error = f->ops->truncate(f, 0);
    if (error == 0)
        inotify_tell_file(f, IN_MODIFY);
    return error;
}

static int open_found(const struct vfs_at *at, struct walk_found *found, uint32_t flags,
                      uint32_t mode, struct file **out)
{
    bool made = false;
    int error = (flags & O_CREAT) != 0 ? create(at, found, flags, mode, &made) : 0;
    if (error == 0 && !made)
        error = may_open(at, found, flags);
    if (error != 0)
        return error;
    struct file *via = found->file;
    if (via != NULL && via->node.fs == NULL)
        return via->ops->reopen != NULL ? via->ops->reopen(via, flags, out) : -ENXIO;
    struct vnode dir = via != NULL ? via->dir : found->dir;
    struct span name = via != NULL ? span_z(via->name_z) : walk_name(found);
    /* O_EXCL alone is for block devices. */
    uint32_t done = (flags & O_CREAT) != 0 ? O_CREAT | O_EXCL : 0;
    error = vfs_open_node(at, found->node, dir, name, flags & ~done, out);
    if (error != 0)
        return error;
    if (made || (flags & O_TRUNC) != 0)
        file_changed(*out, at->task); /* by whom; a device is not */
    (*out)->changed = made;
    if ((flags & O_TRUNC) != 0 && !made && (*out)->ops->truncate != NULL)
        error = truncate_opened(*out);
    if (error != 0)
        file_drop(*out);
    else
        inotify_tell_file(*out, IN_OPEN);
    if (error == 0 && (flags & O_PATH) == 0)
        tell_watched(at, *out);
    return error;
}

/* O_TMPFILE: a file of the directory's file system that has had its name for this call only. */
static int open_nameless(const struct vfs_at *at, struct span path, uint32_t flags, uint32_t mode,
                         struct file **out)
{
    struct walk_found dir;
    char name[24]; /* as ext4 shows it: the inode's number */
    if ((wanted(flags) & W_OK) == 0)
        return -EINVAL;
    int error = walk(at, path, (flags & O_NOFOLLOW) == 0 ? WALK_FOLLOW : 0, &dir);
    if (error != 0)
        return error;
    if (!S_ISDIR(dir.stat.mode) || dir.node.fs == NULL)
        error = -ENOTDIR;
    else if (dir.node.fs->ops->make == NULL || dir.node.fs->ops->unlink == NULL)
        error = -EOPNOTSUPP;
    if (error != 0)
        goto out;
    struct walk_found new = {.dir = dir.node};
    new.name_len = (size_t)snprintf(name, sizeof(name), "#%llu",
                                    (unsigned long long)dir.node.fs->vfs->next_object++);
    span_copy_z(span_of(name, new.name_len), new.name, sizeof(new.name));
    const struct fs_new wanted_new = {.mode = S_IFREG | (mode & 07777)};
    error = make_at(at, &new, &wanted_new);
    if (error != 0)
        goto out;
    error = vfs_open_node(at, new.node, new.dir, walk_name(&new),
                          flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TMPFILE), out);
    (void)new.dir.fs->ops->unlink(new.dir.fs, new.dir.ino, walk_name(&new));
out:
    walk_done(&dir);
    return error;
}

int vfs_open(const struct vfs_at *at, struct span path, uint32_t flags, uint32_t mode,
             struct file **out)
{
    struct walk_found found;
    if ((flags & O_TMPFILE) == O_TMPFILE)
        return open_nameless(at, path, flags, mode, out);
    if ((flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
        flags &= ~(uint32_t)O_DIRECTORY; /* Linux 6.1 makes a file then */
    if ((flags & O_PATH) != 0)
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    unsigned how = (flags & O_NOFOLLOW) == 0 ? WALK_FOLLOW : 0;
    if ((flags & O_CREAT) != 0)
        how |= WALK_MAKE;
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        how &= ~(unsigned)WALK_FOLLOW;
    int error = walk(at, path, how, &found);
    if (error == 0)
        error = open_found(at, &found, flags, mode, out);
    walk_done(&found);
    return error;
}

int vfs_open_exec(const struct vfs_at *at, struct span path, bool follow, struct file **out)
{
    struct walk_found found;
    int error = walk(at, path, WALK_EMPTY | (follow ? WALK_FOLLOW : 0), &found);
    if (error != 0)
        goto out;
    error = -EACCES;
    if (S_ISLNK(found.stat.mode))
        error = -ELOOP;
    else if (S_ISREG(found.stat.mode) && found.node.fs != NULL &&
             (found.node.fs->flags & FS_NOEXEC) == 0)
        error = vfs_may(at->cred, found.node.fs, &found.stat, X_OK);
    if (error != 0)
        goto out;
    struct file *via = found.file;
    error = vfs_open_node(at, found.node, via != NULL ? via->dir : found.dir,
                          via != NULL ? span_z(via->name_z) : walk_name(&found), O_RDONLY, out);
    if (error == 0) {
        inotify_tell_file(*out, IN_OPEN);
        tell_watched(at, *out);
    }
out:
    walk_done(&found);
    return error;
}
