/* Changes of names and inodes, with Linux's checks in Linux's order (fs/namei.c, fs/attr.c). */
#include "kernel/fs.h"
#include "kernel/inotify.h"
#include "kernel/mount.h"
#include "kernel/task.h"
#include "kernel/xattr.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <stdio.h> /* RENAME_EXCHANGE */
#include <string.h>
#include <unistd.h>

/* A place for a new name: it must not be there. */
static int new_place(const struct vfs_at *at, struct span path, bool directory,
                     struct walk_found *found)
{
    int error = walk(at, path, WALK_MAKE | WALK_NAMED, found);
    if (error != 0)
        return error;
    if (found->last != WALK_NAME || found->node.fs != NULL)
        error = -EEXIST;
    else if (found->slash && !directory)
        error = -ENOENT;
    if (error != 0)
        walk_done(found);
    return error;
}

int vfs_make(const struct vfs_at *at, struct span path, uint32_t mode, uint64_t rdev)
{
    struct walk_found found;
    bool device = S_ISCHR(mode) || S_ISBLK(mode);
    int error = new_place(at, path, S_ISDIR(mode), &found);
    if (error != 0)
        return error;
    const struct fs_new new = {.mode = mode, .rdev = rdev};
    error = device && !creds_capable(at->cred, CAP_MKNOD) ? -EPERM : vfs_make_at(at, &found, &new);
    walk_done(&found);
    return error;
}

int vfs_symlink(const struct vfs_at *at, struct span target, struct span path)
{
    struct walk_found found;
    if (target.len == 0)
        return -ENOENT;
    if (target.len >= VFS_PATH_MAX)
        return -ENAMETOOLONG;
    int error = new_place(at, path, false, &found);
    if (error != 0)
        return error;
    const struct fs_new new = {.mode = S_IFLNK | 0777, .target = target};
    error = vfs_make_at(at, &found, &new);
    walk_done(&found);
    return error;
}

/* May the caller put a name into the directory, or take one out? */
static int may_change_dir(const struct vfs_at *at, struct vnode dir, struct file_stat *st)
{
    int error = vnode_stat(dir, st);
    if (error == 0)
        error = vfs_may(at->cred, dir.fs, st, W_OK | X_OK);
    return error == 0 && (st->flags & FS_IMMUTABLE_FL) != 0 ? -EPERM : error;
}

/* fs.protected_hardlinks: not to what one could not write. */
static int may_link(const struct creds *cred, const struct walk_found *source)
{
    const struct file_stat *st = &source->stat;
    if (vfs_owns(cred, st))
        return 0;
    bool privileged =
        (st->mode & S_ISUID) != 0 || (st->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
    if (!S_ISREG(st->mode) || privileged || vfs_may(cred, source->node.fs, st, R_OK | W_OK) != 0)
        return -EPERM;
    return 0;
}

int vfs_link(const struct vfs_at *from, struct span old, unsigned flags, const struct vfs_at *to,
             struct span path)
{
    struct walk_found source, target;
    struct file_stat dir;
    unsigned how = ((flags & AT_SYMLINK_FOLLOW) != 0 ? WALK_FOLLOW : 0) |
                   ((flags & AT_EMPTY_PATH) != 0 ? WALK_EMPTY : 0);
    int error = walk(from, old, how, &source);
    if (error != 0)
        return error;
    error = new_place(to, path, false, &target);
    if (error != 0)
        goto out;
    if (source.node.fs != target.dir.fs)
        error = -EXDEV;
    if (error == 0)
        error = may_link(from->cred, &source);
    if (error == 0)
        error = may_change_dir(to, target.dir, &dir);
    if (error == 0 && (source.node.fs->ops->link == NULL || S_ISDIR(source.stat.mode) ||
                       (source.stat.flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0))
        error = -EPERM;
    if (error == 0)
        error = source.node.fs->ops->link(source.node.fs, source.node.ino, target.dir.ino,
                                          walk_name(&target));
    if (error == 0) {
        inotify_tell_node(source.node, IN_ATTRIB);
        inotify_tell_dir(target.dir, walk_name(&target), IN_CREATE, 0);
    }
    walk_done(&target);
out:
    walk_done(&source);
    return error;
}

/* A walk goes into the mount: then it ends at its root. */
static bool is_mounted_on(struct vnode node)
{
    return (node.fs->covered.fs != NULL && node.ino == node.fs->root) || mount_on(node) != NULL;
}

/* The checks of removing or replacing a name (may_delete). */
static int may_remove(const struct vfs_at *at, const struct walk_found *found, bool directory)
{
    struct file_stat dir;
    int error = may_change_dir(at, found->dir, &dir);
    if (error != 0)
        return error;
    const uint32_t kept = FS_IMMUTABLE_FL | FS_APPEND_FL;
    if ((dir.flags & kept) != 0 || (found->stat.flags & kept) != 0)
        return -EPERM;
    if ((dir.mode & S_ISVTX) != 0 && dir.uid != at->cred->fsuid &&
        !vfs_owns(at->cred, &found->stat))
        return -EPERM;
    if (directory && !S_ISDIR(found->stat.mode))
        return -ENOTDIR;
    if (is_mounted_on(found->node))
        return -EBUSY;
    return !directory && S_ISDIR(found->stat.mode) ? -EISDIR : 0;
}

static void tell_deleted(const struct vfs_at *at, const struct walk_found *found)
{
    struct vfs *vfs = at->fs->vfs;
    char path[WALK_PATH_BYTES];
    if (vfs->hooks.on_deleted == NULL)
        return;
    struct span whole = walk_path(vfs, found, path);
    if (whole.len > 0)
        vfs->hooks.on_deleted(vfs->hooks.ctx, at->task, whole);
}

static int remove_found(const struct vfs_at *at, const struct walk_found *found, bool directory)
{
    struct fs *fs = found->dir.fs;
    int error = may_remove(at, found, directory);
    if (error == 0 && (fs->ops->unlink == NULL || (fs->flags & FS_FIXED) != 0))
        error = -EPERM;
    if (error == 0)
        error = fs->ops->unlink(fs, found->dir.ino, walk_name(found));
    if (error != 0)
        return error;
    if (!directory)
        inotify_tell_node(found->node, IN_ATTRIB);
    inotify_on_lost(found->node);
    inotify_tell_dir(found->dir, walk_name(found), IN_DELETE | (directory ? IN_ISDIR : 0), 0);
    tell_deleted(at, found);
    return 0;
}

int vfs_unlink(const struct vfs_at *at, struct span path)
{
    struct walk_found found;
    int error = walk(at, path, WALK_NAMED, &found);
    if (error != 0)
        return error;
    if (found.last != WALK_NAME)
        error = -EISDIR;
    else if (found.slash)
        error = S_ISDIR(found.stat.mode) ? -EISDIR : -ENOTDIR;
    else
        error = remove_found(at, &found, false);
    walk_done(&found);
    return error;
}

int vfs_rmdir(const struct vfs_at *at, struct span path)
{
    static const int by_last[] = {
        [WALK_DOT] = -EINVAL, [WALK_DOTDOT] = -ENOTEMPTY, [WALK_ROOT] = -EBUSY};
    struct walk_found found;
    int error = walk(at, path, WALK_NAMED, &found);
    if (error != 0)
        return error;
    error = found.last != WALK_NAME ? by_last[found.last] : remove_found(at, &found, true);
    walk_done(&found);
    return error;
}

/* True when `node` is `dir` or stands above it. */
static bool is_above(struct vnode node, struct vnode dir)
{
    for (;;) {
        if (vnode_is_same(node, dir))
            return true;
        uint64_t parent = 0;
        if (dir.fs->ops->parent(dir.fs, dir.ino, &parent) != 0 || parent == dir.ino)
            return false;
        dir.ino = parent;
    }
}

static int may_rename(const struct vfs_at *from, const struct walk_found *a,
                      const struct vfs_at *to, const struct walk_found *b, unsigned flags)
{
    bool directory = S_ISDIR(a->stat.mode), exchange = (flags & RENAME_EXCHANGE) != 0;
    struct file_stat dir;
    int error = may_remove(from, a, directory);
    if (error != 0)
        return error;
    if (b->node.fs == NULL)
        error = may_change_dir(to, b->dir, &dir);
    else
        error = may_remove(to, b, exchange ? S_ISDIR(b->stat.mode) : directory);
    if (error == 0 && directory && !vnode_is_same(a->dir, b->dir))
        error = vfs_may(from->cred, a->node.fs, &a->stat, W_OK); /* its .. changes */
    return error;
}

static void tell_moved(const struct walk_found *a, const struct walk_found *b)
{
    uint32_t cookie = inotify_new_cookie(a->dir.fs->vfs);
    uint32_t more = S_ISDIR(a->stat.mode) ? IN_ISDIR : 0;
    inotify_tell_dir(a->dir, walk_name(a), IN_MOVED_FROM | more, cookie);
    inotify_tell_dir(b->dir, walk_name(b), IN_MOVED_TO | more, cookie);
}

static int rename_found(const struct vfs_at *from, const struct walk_found *a,
                        const struct vfs_at *to, const struct walk_found *b, unsigned flags)
{
    struct fs *fs = a->dir.fs;
    bool exchange = (flags & RENAME_EXCHANGE) != 0;
    if ((flags & RENAME_NOREPLACE) != 0 && b->node.fs != NULL)
        return -EEXIST;
    if (exchange && b->node.fs == NULL)
        return -ENOENT;
    if (!S_ISDIR(a->stat.mode) && (a->slash || (!exchange && b->slash)))
        return -ENOTDIR;
    if (S_ISDIR(a->stat.mode) && is_above(a->node, b->dir))
        return -EINVAL;
    if (b->node.fs != NULL && S_ISDIR(b->stat.mode) && is_above(b->node, a->dir))
        return exchange ? -EINVAL : -ENOTEMPTY;
    if (b->node.fs != NULL && vnode_is_same(a->node, b->node))
        return 0;
    int error = may_rename(from, a, to, b, flags);
    if (error != 0)
        return error;
    if (is_mounted_on(a->node))
        return -EBUSY;
    if (fs->ops->rename == NULL || (fs->flags & FS_FIXED) != 0)
        return -EPERM;
    error = (exchange ? fs->ops->exchange : fs->ops->rename)(fs, a->dir.ino, walk_name(a),
                                                             b->dir.ino, walk_name(b));
    if (error != 0)
        return error;
    tell_moved(a, b);
    if (exchange) {
        tell_moved(b, a);
    } else if (b->node.fs != NULL) {
        inotify_tell_node(b->node, IN_ATTRIB);
        inotify_on_lost(b->node);
    }
    inotify_tell_node(a->node, IN_MOVE_SELF);
    return 0;
}

/* What Linux looks at before the names themselves. */
static int may_cross(const struct vfs_at *from, struct span old, const struct vfs_at *to,
                     struct span new)
{
    struct walk_found a, b;
    int error = walk(from, old, WALK_PARENT, &a);
    if (error == 0)
        error = walk(to, new, WALK_PARENT, &b);
    if (error != 0)
        return error;
    if (a.last == WALK_NAME && b.last == WALK_NAME)
        return a.dir.fs != b.dir.fs ? -EXDEV : 0;
    return -EBUSY;
}

int vfs_rename(const struct vfs_at *from, struct span old, const struct vfs_at *to, struct span new,
               unsigned flags)
{
    struct walk_found a, b;
    if ((flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0 ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    int error = may_cross(from, old, to, new);
    if (error == 0)
        error = walk(from, old, WALK_NAMED, &a);
    if (error != 0)
        return error;
    error = walk(to, new, WALK_MAKE | WALK_NAMED, &b);
    if (error != 0)
        goto out;
    error = rename_found(from, &a, to, &b, flags);
    walk_done(&b);
out:
    walk_done(&a);
    return error;
}

/* ---- Attributes ---- */

static int set_attr(struct vnode node, const struct fs_attr *attr)
{
    struct file_stat st;
    if (vnode_stat(node, &st) == 0 && (st.flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0 &&
        (attr->what & FS_ATTR_FLAGS) == 0)
        return -EPERM;
    if (vfs_is_read_only(node.fs))
        return -EROFS;
    return node.fs->ops->set_attr != NULL ? node.fs->ops->set_attr(node.fs, node.ino, attr)
                                          : -EPERM;
}

int vfs_chmod(const struct creds *cred, struct vnode node, uint32_t mode)
{
    struct file_stat st;
    int error = vnode_stat(node, &st);
    if (error != 0)
        return error;
    if (!vfs_owns(cred, &st))
        return -EPERM;
    if (!creds_in_group(cred, st.gid) && !creds_capable(cred, CAP_FSETID))
        mode &= ~(uint32_t)S_ISGID;
    const struct fs_attr attr = {.what = FS_ATTR_MODE, .mode = mode};
    return set_attr(node, &attr);
}

/* What a program may is not passed on with it. */
static void forget_capabilities(struct vnode node)
{
    if (node.fs->ops->attributes == NULL || vnode_hold(node) != 0)
        return;
    struct xattr **list = node.fs->ops->attributes(node.fs, node.ino);
    if (list != NULL)
        (void)xattr_remove(list, span_z("security.capability"));
    vnode_drop(node);
}

int vfs_chown(const struct creds *cred, struct vnode node, uint32_t uid, uint32_t gid)
{
    struct file_stat st;
    int error = vnode_stat(node, &st);
    if (error != 0)
        return error;
    bool owner = cred->fsuid == st.uid;
    bool any = creds_capable(cred, CAP_CHOWN);
    if (uid != UINT32_MAX && !any && !(owner && uid == st.uid))
        return -EPERM;
    if (gid != UINT32_MAX && !any && !(owner && (creds_in_group(cred, gid) || gid == st.gid)))
        return -EPERM;
    struct fs_attr attr = {.what = FS_ATTR_OWNER,
                           .uid = uid != UINT32_MAX ? uid : st.uid,
                           .gid = gid != UINT32_MAX ? gid : st.gid};
    uint32_t lost = S_ISUID | ((st.mode & S_IXGRP) != 0 ? S_ISGID : 0);
    if (!S_ISDIR(st.mode) && (st.mode & lost) != 0) { /* also when root does it */
        attr.what |= FS_ATTR_MODE;
        attr.mode = st.mode & ~lost;
    }
    error = set_attr(node, &attr);
    if (error == 0 && !S_ISDIR(st.mode))
        forget_capabilities(node);
    return error;
}

int vfs_truncate(const struct creds *cred, struct vnode node, int64_t size)
{
    struct file_stat st;
    int error = vnode_stat(node, &st);
    if (error != 0)
        return error;
    if (S_ISDIR(st.mode))
        return -EISDIR;
    if (!S_ISREG(st.mode) || size < 0)
        return -EINVAL;
    error = vfs_may(cred, node.fs, &st, W_OK);
    if (error == 0 && (st.flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0)
        error = -EPERM;
    if (error != 0)
        return error;
    return node.fs->ops->truncate != NULL ? node.fs->ops->truncate(node.fs, node.ino, size)
                                          : -EPERM;
}

int vfs_set_times(const struct creds *cred, struct vnode node, int64_t atime_ns, int64_t mtime_ns,
                  bool now)
{
    struct file_stat st;
    int error = vnode_stat(node, &st);
    if (error != 0)
        return error;
    if (!vfs_owns(cred, &st)) {
        if (!now)
            return -EPERM;
        error = vfs_may(cred, node.fs, &st, W_OK);
        if (error != 0)
            return error;
    }
    struct fs_attr attr = {.atime_ns = atime_ns, .mtime_ns = mtime_ns};
    attr.what |= atime_ns != INT64_MIN ? FS_ATTR_ATIME : 0;
    attr.what |= mtime_ns != INT64_MIN ? FS_ATTR_MTIME : 0;
    return set_attr(node, &attr);
}

/* ---- chattr ---- */

int64_t vfs_flags_ioctl(struct file *f, struct task *t, uint32_t command, uint64_t arg)
{
    const uint32_t may = FS_EXTENT_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL |
                         FS_NOATIME_FL | FS_SYNC_FL | FS_DIRSYNC_FL | FS_TOPDIR_FL | FS_NOTAIL_FL;
    struct file_stat st;
    uint32_t flags = 0;
    bool set = command == FS_IOC_SETFLAGS;
    if ((command != FS_IOC_GETFLAGS && !set) || f->node.fs == NULL ||
        f->node.fs->ops->set_attr == NULL || vnode_stat(f->node, &st) != 0)
        return -ENOTTY;
    if (!set)
        return task_write(t, arg, &st.flags, sizeof(st.flags));
    if (task_read(t, arg, &flags, sizeof(flags)) != 0)
        return -EFAULT;
    if (!vfs_owns(&t->creds, &st))
        return -EPERM;
    uint32_t kept = FS_IMMUTABLE_FL | FS_APPEND_FL;
    if (((flags ^ st.flags) & kept) != 0 && !creds_capable(&t->creds, CAP_LINUX_IMMUTABLE))
        return -EPERM;
    if (((flags ^ st.flags) & ~may) != 0)
        return -EOPNOTSUPP;
    const struct fs_attr attr = {.what = FS_ATTR_FLAGS, .flags = flags};
    return set_attr(f->node, &attr);
}
