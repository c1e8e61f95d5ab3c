/* Paths to inodes: path_resolution(7). */
#include "kernel/fs.h"
#include "kernel/mount.h"
#include "kernel/task.h"

#include <assert.h>
#include <errno.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

enum { WALK_BYTES = 4 * VFS_PATH_MAX }; /* what is left to walk, with links' targets put in */

struct walk {
    const struct vfs_at *at;
    struct walk_found *out;
    struct vnode root, here; /* here: the directory that the next name is looked up in */
    struct vnode looked_at;  /* the inode of which `stat` is; fs NULL: of none */
    struct file_stat stat;
    unsigned flags, links;
    size_t pos, len;
    char rest[WALK_BYTES];
};

/* The root of what is mounted on a directory, else the directory itself. */
static struct vnode enter_mount(struct vnode node)
{
    for (struct fs *fs = NULL; (fs = mount_on(node)) != NULL;)
        node = (struct vnode){.fs = fs, .ino = fs->root};
    return node;
}

/* What the inode is: w->stat. Nothing changes during a walk, so it is asked once. */
static int look_at(struct walk *w, struct vnode node)
{
    if (w->looked_at.fs != NULL && vnode_is_same(w->looked_at, node))
        return 0;
    int error = vnode_stat(node, &w->stat);
    w->looked_at = error == 0 ? node : (struct vnode){0};
    return error;
}

static bool must(const struct walk *w, uint64_t resolve)
{
    return (w->at->resolve & resolve) != 0;
}

static int go_up(struct walk *w)
{
    if (vnode_is_same(w->here, w->root))
        return must(w, RESOLVE_BENEATH) ? -EXDEV : 0;
    if (must(w, RESOLVE_NO_XDEV) && w->here.ino == w->here.fs->root)
        return w->here.fs->covered.fs != NULL ? -EXDEV : 0;
    while (w->here.ino == w->here.fs->root && w->here.fs->covered.fs != NULL)
        w->here = w->here.fs->covered;
    uint64_t parent = 0;
    int error = w->here.fs->ops->parent(w->here.fs, w->here.ino, &parent);
    if (error == 0)
        w->here = enter_mount((struct vnode){.fs = w->here.fs, .ino = parent});
    return error;
}

/* The next name of the path. Slashes behind it are taken too: `slash` says if there were any, and
 * nothing is left when it was the last. */
static struct span next_name(struct walk *w, bool *slash)
{
    size_t from = w->pos;
    while (w->pos < w->len && w->rest[w->pos] != '/')
        w->pos++;
    struct span name = span_of(w->rest + from, w->pos - from);
    *slash = w->pos < w->len;
    while (w->pos < w->len && w->rest[w->pos] == '/')
        w->pos++;
    return name;
}

static void skip_slashes(struct walk *w)
{
    while (w->pos < w->len && w->rest[w->pos] == '/')
        w->pos++;
}

/* Puts `target` in front of what is left of the path. */
static int put_before(struct walk *w, const char *target, size_t len, bool slash)
{
    size_t left = w->len - w->pos;
    if (len + 1 + left > sizeof(w->rest))
        return -ENAMETOOLONG;
    memmove(w->rest + len + (slash ? 1 : 0), w->rest + w->pos, left);
    memcpy(w->rest, target, len);
    if (slash)
        w->rest[len] = '/';
    w->len = len + (slash ? 1 : 0) + left;
    w->pos = 0;
    if (len > 0 && w->rest[0] == '/') {
        bool leaves = must(w, RESOLVE_NO_XDEV) && w->here.fs != w->root.fs;
        if (must(w, RESOLVE_BENEATH) || leaves)
            return -EXDEV;
        w->here = w->root;
        skip_slashes(w);
    }
    return 0;
}

/* fs.protected_symlinks: a link in a sticky directory that all may write to is followed only when
 * its owner is the follower or the directory's owner. */
static int may_follow(const struct walk *w, const struct file_stat *link)
{
    struct file_stat dir;
    if (link->uid == w->at->cred->fsuid || vnode_stat(w->here, &dir) != 0)
        return 0;
    if ((dir.mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH) || dir.uid == link->uid)
        return 0;
    return -EACCES;
}

enum step { STEP_ON, STEP_LAST }; /* beside -errno */

/* A link of /proc that leads to a description or an inode, whatever its text says. */
static int follow_magic(struct walk *w, struct vnode link, bool last)
{
    struct file *file = NULL;
    struct vnode node = {0};
    if (link.fs->ops->follow == NULL)
        return -ENOENT;
    int error = link.fs->ops->follow(link.fs, w->at->task, link.ino, &file, &node);
    if (error != 0)
        return error;
    if (file != NULL && file->node.fs != NULL && !last) {
        node = file->node;
        file_drop(file);
        file = NULL;
    }
    if (file != NULL && !last) {
        file_drop(file);
        return -ENOTDIR;
    }
    w->out->file = file;
    w->out->node = node;
    return 0;
}

static int follow_link(struct walk *w, struct vnode link, const struct file_stat *st, bool last,
                       bool slash)
{
    if (++w->links > VFS_LINKS_MAX || must(w, RESOLVE_NO_SYMLINKS))
        return -ELOOP;
    int error = last && !slash ? may_follow(w, st) : 0;
    if (error != 0)
        return error;
    error = follow_magic(w, link, last && !slash);
    if (error == 0 && must(w, RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT))
        return must(w, RESOLVE_NO_MAGICLINKS) ? -ELOOP : -EXDEV;
    if (error == 0) {
        if (last && (w->out->file != NULL || !slash))
            return STEP_LAST;
        w->here = w->out->node;
        return STEP_ON;
    }
    if (error != -ENOENT)
        return error;
    char target[VFS_PATH_MAX];
    int64_t n = link.fs->ops->readlink(link.fs, w->at->task, link.ino, target, sizeof(target));
    if (n <= 0)
        return n == 0 ? -ENOENT : (int)n;
    error = put_before(w, target, (size_t)n, slash);
    if (error == 0 && w->pos == w->len) /* the link led to "/" */
        w->out->last = WALK_ROOT;
    return error != 0 ? error : STEP_ON;
}

static void set_last(struct walk *w, struct span name, bool slash)
{
    w->out->dir = w->here;
    w->out->slash = slash;
    w->out->last = WALK_NAME;
    w->out->name_len = name.len;
    span_copy_z(name, w->out->name, sizeof(w->out->name));
}

/* A name that is not there. */
static int missing(const struct walk *w, bool last)
{
    bool make = last && (w->flags & WALK_MAKE) != 0 && (w->here.fs->flags & FS_CLOSED) == 0;
    if (!make)
        return -ENOENT;
    w->out->node = (struct vnode){0};
    return STEP_LAST;
}

static int step_name(struct walk *w, struct span name, bool last, bool slash)
{
    if (name.len > VFS_NAME_MAX)
        return -ENAMETOOLONG;
    if (last)
        set_last(w, name, slash);
    if (last && (w->flags & WALK_PARENT) != 0)
        return STEP_LAST;
    struct vnode node = {.fs = w->here.fs};
    int error = node.fs->ops->find(node.fs, w->at->task, w->here.ino, name, &node.ino);
    if (error == -ENOENT)
        return missing(w, last);
    if (error != 0)
        return error;
    node = enter_mount(node);
    if (node.fs != w->here.fs && must(w, RESOLVE_NO_XDEV))
        return -EXDEV;
    error = look_at(w, node);
    if (error != 0)
        return error;
    bool named = (w->flags & WALK_NAMED) != 0;
    bool is_dir = S_ISDIR(w->stat.mode);
    if (S_ISLNK(w->stat.mode) && (!last || (slash && !named) || (w->flags & WALK_FOLLOW) != 0))
        return follow_link(w, node, &w->stat, last, slash);
    if (!last) {
        w->here = node;
        return is_dir ? STEP_ON : -ENOTDIR;
    }
    w->out->node = node;
    return slash && !named && !is_dir ? -ENOTDIR : STEP_LAST;
}

static int step(struct walk *w)
{
    int error = look_at(w, w->here);
    if (error != 0)
        return error;
    if (!S_ISDIR(w->stat.mode))
        return -ENOTDIR;
    error = vfs_may(w->at->cred, w->here.fs, &w->stat, X_OK);
    if (error != 0)
        return error;
    bool slash = false;
    struct span name = next_name(w, &slash);
    bool last = w->pos == w->len;
    if (!span_equal_z(name, ".") && !span_equal_z(name, ".."))
        return step_name(w, name, last, slash);
    error = name.len == 2 ? go_up(w) : 0;
    if (error != 0 || !last)
        return error;
    w->out->last = name.len == 2 ? WALK_DOTDOT : WALK_DOT;
    return STEP_ON; /* nothing is left: the end is here */
}

static int start(struct walk *w, struct span path)
{
    w->root = w->at->fs->root;
    w->here = w->at->fs->cwd;
    if (path.data == NULL)
        path = span_z("");
    if (path.len >= VFS_PATH_MAX)
        return -ENAMETOOLONG;
    bool absolute = path.len > 0 && path.data[0] == '/';
    if (path.len == 0 && (w->flags & WALK_EMPTY) == 0)
        return -ENOENT;
    if (!absolute && w->at->dir != NULL) {
        if (w->at->dir->node.fs == NULL && path.len > 0)
            return -ENOTDIR;
        w->here = w->at->dir->node;
        if (path.len == 0)
            w->out->file = file_hold(w->at->dir);
    }
    if (must(w, RESOLVE_BENEATH | RESOLVE_IN_ROOT))
        w->root = w->here;
    w->out->last = absolute ? WALK_ROOT : WALK_DOT;
    return put_before(w, (const char *)path.data, path.len, false);
}

/* The inode itself is known; what it is, is not. */
static int finish(struct walk *w)
{
    struct walk_found *out = w->out;
    if (out->file != NULL) {
        out->node = out->file->node;
        return file_stat(out->file, &out->stat);
    }
    int error = out->node.fs != NULL ? look_at(w, out->node) : 0;
    if (error == 0 && out->node.fs != NULL)
        out->stat = w->stat;
    return error;
}

int walk(const struct vfs_at *at, struct span path, unsigned flags, struct walk_found *out)
{
    struct walk w;
    w.at = at;
    w.out = out;
    w.flags = flags;
    w.looked_at = (struct vnode){0};
    w.links = 0;
    w.pos = w.len = 0;
    memset(out, 0, sizeof(*out));
    int error = start(&w, path);
    int told = STEP_ON;
    while (error == 0 && told == STEP_ON && w.pos < w.len) {
        told = step(&w);
        error = told < 0 ? told : 0;
    }
    if (error == 0 && told == STEP_ON)
        out->node = w.here;
    if (error == 0)
        error = finish(&w);
    if (error != 0)
        walk_done(out);
    return error;
}

void walk_done(struct walk_found *found)
{
    file_drop(found->file);
    found->file = NULL;
}

struct span walk_name(const struct walk_found *found)
{
    return span_of(found->name, found->name_len);
}

struct span walk_path(struct vfs *vfs, const struct walk_found *found, char path[WALK_PATH_BYTES])
{
    struct vnode root = {.fs = vfs->top, .ino = vfs->top->root};
    int64_t len = vfs_path_of(vfs, root, found->dir, path, VFS_PATH_MAX);
    if (len < 0)
        return (struct span){0};
    if (len > 1)
        path[len++] = '/';
    memcpy(path + len, found->name, found->name_len);
    return span_of(path, (size_t)len + found->name_len);
}
