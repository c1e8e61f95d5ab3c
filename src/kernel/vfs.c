#include "kernel/fs.h"
#include "kernel/mount.h"
#include "kernel/task.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct vfs_hooks *vfs_hooks(const struct vfs *vfs)
{
    return &vfs->hooks;
}

int64_t vfs_now(const struct vfs *vfs)
{
    return vfs->hooks.now_ns(vfs->hooks.ctx);
}

void vfs_wake(const struct vfs *vfs, const void *key)
{
    vfs->hooks.wake(vfs->hooks.ctx, key);
}

bool vnode_is_same(struct vnode a, struct vnode b)
{
    return a.fs == b.fs && a.ino == b.ino;
}

bool vnode_is_same_file(struct vnode a, struct vnode b)
{
    return a.ino == b.ino && a.fs != NULL && b.fs != NULL && a.fs->super == b.fs->super;
}

int vnode_hold(struct vnode node)
{
    if (node.fs == NULL)
        return 0;
    int error = node.fs->ops->hold != NULL ? node.fs->ops->hold(node.fs, node.ino) : 0;
    node.fs->users += error == 0;
    return error;
}

void vnode_drop(struct vnode node)
{
    if (node.fs == NULL)
        return;
    if (node.fs->ops->drop != NULL)
        node.fs->ops->drop(node.fs, node.ino);
    node.fs->users--;
}

int vnode_stat(struct vnode node, struct file_stat *out)
{
    return node.fs->ops->stat(node.fs, node.ino, out);
}

/* ---- Permission ---- */

bool vfs_owns(const struct creds *cred, const struct file_stat *st)
{
    return cred->fsuid == st->uid || creds_capable(cred, CAP_FOWNER);
}

int vfs_charge(struct vfs *vfs, uint64_t bytes)
{
    if (vfs->quota.bytes + bytes > vfs->quota.bytes_max) {
        if (vfs->hooks.on_limit != NULL)
            vfs->hooks.on_limit(vfs->hooks.ctx, "overlay_bytes");
        return -ENOSPC;
    }
    vfs->quota.bytes += bytes;
    return 0;
}

bool vfs_is_read_only(const struct fs *fs)
{
    return ((fs->flags | fs->super->flags) & FS_READ_ONLY) != 0;
}

int vfs_may(const struct creds *cred, const struct fs *fs, const struct file_stat *st,
            unsigned want)
{
    bool device = S_ISCHR(st->mode) || S_ISBLK(st->mode) || S_ISFIFO(st->mode);
    if ((want & W_OK) != 0 && fs != NULL && vfs_is_read_only(fs) && !device)
        return -EROFS;
    unsigned shift = 0;
    if (cred->fsuid == st->uid)
        shift = 6;
    else if (creds_in_group(cred, st->gid))
        shift = 3;
    unsigned have = (st->mode >> shift) & 7; /* R_OK, W_OK, X_OK are the mode's own bits */
    if ((have & want) == want)
        return 0;
    bool runs = (want & X_OK) == 0 || S_ISDIR(st->mode) || (st->mode & 0111) != 0;
    if (runs && creds_capable(cred, CAP_DAC_OVERRIDE))
        return 0;
    bool looks = (want & W_OK) == 0 && (S_ISDIR(st->mode) || (want & X_OK) == 0);
    return looks && creds_capable(cred, CAP_DAC_READ_SEARCH) ? 0 : -EACCES;
}

/* ---- Contexts ---- */

struct fs_context *fs_context_new(struct vfs *vfs)
{
    struct fs_context *fs = calloc(1, sizeof(*fs));
    if (fs == NULL)
        return NULL;
    struct vnode root = {.fs = vfs->top, .ino = vfs->top->root};
    *fs = (struct fs_context){.vfs = vfs,
                              .space = mount_space_hold(vfs->space),
                              .root = root,
                              .cwd = root,
                              .umask = 022,
                              .holders = 1};
    if (vnode_hold(root) != 0)
        goto fail;
    if (vnode_hold(root) == 0)
        return fs;
    vnode_drop(root);
fail:
    mount_space_drop(vfs, fs->space);
    free(fs);
    return NULL;
}

struct fs_context *fs_context_clone(const struct fs_context *fs)
{
    struct fs_context *copy = malloc(sizeof(*copy));
    if (copy == NULL)
        return NULL;
    *copy = *fs;
    copy->holders = 1;
    mount_space_hold(copy->space);
    /* Both are held already, so that counting once more cannot fail. */
    vnode_hold(copy->root);
    vnode_hold(copy->cwd);
    return copy;
}

struct fs_context *fs_context_hold(struct fs_context *fs)
{
    fs->holders++;
    return fs;
}

void fs_context_drop(struct fs_context *fs)
{
    if (fs == NULL || --fs->holders > 0)
        return;
    vnode_drop(fs->root);
    vnode_drop(fs->cwd);
    mount_space_drop(fs->vfs, fs->space);
    free(fs);
}

int fs_context_set(struct vnode *place, struct vnode node)
{
    int error = vnode_hold(node);
    if (error != 0)
        return error;
    vnode_drop(*place);
    *place = node;
    return 0;
}

int fs_context_chdir(struct fs_context *fs, const struct creds *cred, struct span path)
{
    const struct vfs_at at = {.fs = fs, .cred = cred};
    struct walk_found found;
    int error = walk(&at, path, WALK_FOLLOW, &found);
    if (error != 0)
        return error;
    if (!S_ISDIR(found.stat.mode))
        error = -ENOTDIR;
    if (error == 0)
        error = vfs_may(cred, found.node.fs, &found.stat, X_OK);
    if (error == 0)
        error = fs_context_set(&fs->cwd, found.node);
    walk_done(&found);
    return error;
}

int vfs_stat(const struct vfs_at *at, struct span path, bool follow, struct file_stat *out)
{
    struct walk_found found;
    int error = walk(at, path, follow ? WALK_FOLLOW : 0, &found);
    if (error == 0)
        *out = found.stat;
    walk_done(&found);
    return error;
}

/* ---- From an inode back to its path ---- */

/* Puts "/name" of `node` in front of out[*from ..] and goes to its directory. */
static int64_t put_name(struct vnode *node, char *out, size_t *from)
{
    while (node->ino == node->fs->root && node->fs->covered.fs != NULL)
        *node = node->fs->covered;
    uint64_t parent = 0;
    char name[VFS_NAME_MAX + 1];
    int error = node->fs->ops->parent(node->fs, node->ino, &parent);
    if (error != 0)
        return error;
    int64_t len = node->fs->ops->name_of(node->fs, parent, node->ino, name, sizeof(name));
    if (len < 0)
        return len;
    if (*from < (size_t)len + 1)
        return -ERANGE;
    *from -= (size_t)len;
    memcpy(out + *from, name, (size_t)len);
    out[--*from] = '/';
    node->ino = parent;
    return 0;
}

static bool is_top(struct vnode node)
{
    return node.fs->covered.fs == NULL && node.ino == node.fs->root;
}

int64_t vfs_path_of(struct vfs *vfs, struct vnode root, struct vnode node, char *out, size_t size)
{
    (void)vfs;
    struct file_stat st;
    if (size < 2)
        return -ERANGE;
    if (vnode_stat(node, &st) != 0 || st.nlink == 0)
        return -ENOENT;
    size_t from = size - 1;
    while (!vnode_is_same(node, root) && !is_top(node)) {
        int64_t error = put_name(&node, out, &from);
        if (error != 0)
            return error;
    }
    if (from == size - 1)
        out[--from] = '/';
    size_t len = size - 1 - from;
    memmove(out, out + from, len);
    out[len] = '\0';
    return (int64_t)len;
}
