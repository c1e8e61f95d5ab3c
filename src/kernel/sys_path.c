/* Changing names and where a process stands: mkdir, unlink, rename, link, chdir ... */
#include "kernel/sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>

static const uint64_t HERE = (uint64_t)AT_FDCWD;

static int64_t make_at(struct task *t, uint64_t dirfd, uint64_t addr, uint32_t mode, uint64_t rdev)
{
    struct sys_path p;
    int error = sys_path_get(t, dirfd, addr, false, &p);
    return error != 0 ? error : vfs_make(&p.at, p.path, mode, rdev);
}

int64_t sys_mkdir(struct task *t, const uint64_t arg[6])
{
    return make_at(t, HERE, arg[0], S_IFDIR | ((uint32_t)arg[1] & 01777), 0);
}

int64_t sys_mkdirat(struct task *t, const uint64_t arg[6])
{
    return make_at(t, arg[0], arg[1], S_IFDIR | ((uint32_t)arg[2] & 01777), 0);
}

static int64_t make_node(struct task *t, uint64_t dirfd, uint64_t addr, uint32_t mode,
                         uint64_t rdev)
{
    uint32_t type = mode & S_IFMT;
    if (type == S_IFDIR)
        return -EPERM;
    if (type == 0)
        type = S_IFREG;
    if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && type != S_IFCHR &&
        type != S_IFBLK)
        return -EINVAL;
    return make_at(t, dirfd, addr, type | (mode & 07777),
                   type == S_IFCHR || type == S_IFBLK ? (uint32_t)rdev : 0);
}

int64_t sys_mknod(struct task *t, const uint64_t arg[6])
{
    return make_node(t, HERE, arg[0], (uint32_t)arg[1], arg[2]);
}

int64_t sys_mknodat(struct task *t, const uint64_t arg[6])
{
    return make_node(t, arg[0], arg[1], (uint32_t)arg[2], arg[3]);
}

static int64_t remove_at(struct task *t, uint64_t dirfd, uint64_t addr, bool directory)
{
    struct sys_path p;
    int error = sys_path_get(t, dirfd, addr, false, &p);
    if (error != 0)
        return error;
    return directory ? vfs_rmdir(&p.at, p.path) : vfs_unlink(&p.at, p.path);
}

int64_t sys_unlink(struct task *t, const uint64_t arg[6])
{
    return remove_at(t, HERE, arg[0], false);
}

int64_t sys_rmdir(struct task *t, const uint64_t arg[6])
{
    return remove_at(t, HERE, arg[0], true);
}

int64_t sys_unlinkat(struct task *t, const uint64_t arg[6])
{
    if (((uint32_t)arg[2] & ~(uint32_t)AT_REMOVEDIR) != 0)
        return -EINVAL;
    return remove_at(t, arg[0], arg[1], (arg[2] & AT_REMOVEDIR) != 0);
}

static int64_t rename_at(struct task *t, uint64_t from_dir, uint64_t from, uint64_t to_dir,
                         uint64_t to, uint64_t flags)
{
    struct sys_path a, b;
    int error = sys_path_get(t, from_dir, from, false, &a);
    if (error == 0)
        error = sys_path_get(t, to_dir, to, false, &b);
    return error != 0 ? error : vfs_rename(&a.at, a.path, &b.at, b.path, (uint32_t)flags);
}

int64_t sys_rename(struct task *t, const uint64_t arg[6])
{
    return rename_at(t, HERE, arg[0], HERE, arg[1], 0);
}

int64_t sys_renameat(struct task *t, const uint64_t arg[6])
{
    return rename_at(t, arg[0], arg[1], arg[2], arg[3], 0);
}

int64_t sys_renameat2(struct task *t, const uint64_t arg[6])
{
    return rename_at(t, arg[0], arg[1], arg[2], arg[3], arg[4]);
}

static int64_t link_at(struct task *t, uint64_t from_dir, uint64_t from, uint64_t to_dir,
                       uint64_t to, uint64_t flags)
{
    struct sys_path a, b;
    if ((flags & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    bool empty = (flags & AT_EMPTY_PATH) != 0;
    if (empty && !creds_capable(&t->creds, CAP_DAC_READ_SEARCH))
        return -ENOENT;
    int error = sys_path_get(t, from_dir, from, empty, &a);
    if (error == 0)
        error = sys_path_get(t, to_dir, to, false, &b);
    return error != 0 ? error : vfs_link(&a.at, a.path, (unsigned)flags, &b.at, b.path);
}

int64_t sys_link(struct task *t, const uint64_t arg[6])
{
    return link_at(t, HERE, arg[0], HERE, arg[1], 0);
}

int64_t sys_linkat(struct task *t, const uint64_t arg[6])
{
    return link_at(t, arg[0], arg[1], arg[2], arg[3], (uint32_t)arg[4]);
}

static int64_t symlink_at(struct task *t, uint64_t target_addr, uint64_t dirfd, uint64_t addr)
{
    struct sys_path p;
    char target[VFS_PATH_MAX];
    int64_t len = task_read_z(t, target_addr, target, sizeof(target));
    if (len < 0)
        return len;
    int error = sys_path_get(t, dirfd, addr, false, &p);
    return error != 0 ? error : vfs_symlink(&p.at, span_of(target, (size_t)len), p.path);
}

int64_t sys_symlink(struct task *t, const uint64_t arg[6])
{
    return symlink_at(t, arg[0], HERE, arg[1]);
}

int64_t sys_symlinkat(struct task *t, const uint64_t arg[6])
{
    return symlink_at(t, arg[0], arg[1], arg[2]);
}

/* ---- Where a process stands ---- */

int64_t sys_getcwd(struct task *t, const uint64_t arg[6])
{
    char path[VFS_PATH_MAX];
    int64_t len = vfs_path_of(t->fs->vfs, t->fs->root, t->fs->cwd, path, sizeof(path));
    if (len < 0)
        return len;
    if (arg[1] < (uint64_t)len + 1)
        return -ERANGE;
    int error = task_write(t, arg[0], path, (size_t)len + 1);
    return error != 0 ? error : len + 1;
}

int64_t sys_chdir(struct task *t, const uint64_t arg[6])
{
    struct sys_path p;
    int error = sys_path_get(t, HERE, arg[0], false, &p);
    return error != 0 ? error : fs_context_chdir(t->fs, &t->creds, p.path);
}

int64_t sys_fchdir(struct task *t, const uint64_t arg[6])
{
    struct file_stat st;
    struct file *f = sys_file(t, arg[0]);
    if (f == NULL)
        return -EBADF;
    int error = file_stat(f, &st);
    if (error == 0 && (!S_ISDIR(st.mode) || f->node.fs == NULL))
        error = -ENOTDIR;
    if (error == 0)
        error = vfs_may(&t->creds, f->node.fs, &st, 1); /* X_OK */
    return error != 0 ? error : fs_context_set(&t->fs->cwd, f->node);
}

int64_t sys_chroot(struct task *t, const uint64_t arg[6])
{
    struct walk_found found;
    int error = sys_walk(t, HERE, arg[0], true, false, &found);
    if (error != 0)
        return error;
    if (!S_ISDIR(found.stat.mode))
        error = -ENOTDIR;
    if (error == 0)
        error = vfs_may(&t->creds, found.node.fs, &found.stat, 1);
    if (error == 0 && !creds_capable(&t->creds, CAP_SYS_CHROOT))
        error = -EPERM;
    if (error == 0)
        error = fs_context_set(&t->fs->root, found.node);
    walk_done(&found);
    return error;
}

int64_t sys_umask(struct task *t, const uint64_t arg[6])
{
    uint32_t old = t->fs->umask;
    t->fs->umask = (uint32_t)arg[0] & 0777;
    return old;
}
