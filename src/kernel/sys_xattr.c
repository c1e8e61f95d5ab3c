/* Extended attributes, with ext4's rules of who may do what to which names (xattr(7)). */
#include "kernel/capability.h"
#include "kernel/inotify.h"
#include "kernel/sysfile.h"
#include "kernel/xattr.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

static const uint64_t HERE = (uint64_t)AT_FDCWD;

/* What an attribute call means: an inode, with its list. */
struct target {
    struct walk_found found; /* when a path was given */
    struct vnode node;
    struct file_stat st;
    bool walked;
};

enum how { FOLLOW, NO_FOLLOW, DESCRIPTOR };

static int64_t target_get(struct task *t, enum how how, uint64_t arg, struct target *out)
{
    *out = (struct target){.walked = false};
    if (how == DESCRIPTOR) {
        struct file *f = sys_file(t, arg);
        if (f == NULL || (f->flags & O_PATH) != 0)
            return -EBADF;
        out->node = f->node;
        return file_stat(f, &out->st);
    }
    int error = sys_walk(t, HERE, arg, how == FOLLOW, false, &out->found);
    if (error != 0)
        return error;
    out->walked = true;
    out->node = out->found.node;
    out->st = out->found.stat;
    return 0;
}

static void target_done(struct target *g)
{
    if (g->walked)
        walk_done(&g->found);
}

/* The inode's list; NULL: a file system without attributes. */
static struct xattr **list_of(const struct target *g)
{
    struct fs *fs = g->node.fs;
    return fs != NULL && fs->ops->attributes != NULL ? fs->ops->attributes(fs, g->node.ino) : NULL;
}

static int64_t read_name(struct task *t, uint64_t addr, char *name_z)
{
    int64_t len = task_read_z(t, addr, name_z, XATTR_NAME_BYTES_MAX + 1);
    return len == -ENAMETOOLONG || len == 0 ? -ERANGE : len;
}

/* Who may read or change a name of that space. */
static int may(const struct task *t, const struct target *g, struct span name, bool change)
{
    const struct creds *c = &t->creds;
    bool user = span_starts_with(name, span_z("user.")) && name.len > 5;
    if (change && (g->st.flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0)
        return -EPERM;
    if (span_starts_with(name, span_z("trusted.")))
        return creds_capable(c, CAP_SYS_ADMIN) ? 0 : change ? -EPERM : -ENODATA;
    if (span_starts_with(name, span_z("security."))) {
        bool caps = span_equal_z(name, "security.capability");
        return !change || creds_capable(c, caps ? CAP_SETFCAP : CAP_SYS_ADMIN) ? 0 : -EPERM;
    }
    if (!user)
        return -EOPNOTSUPP;
    if (!S_ISREG(g->st.mode) && !S_ISDIR(g->st.mode))
        return change ? -EPERM : -ENODATA;
    if (change && S_ISDIR(g->st.mode) && (g->st.mode & S_ISVTX) != 0 && !vfs_owns(c, &g->st))
        return -EPERM;
    return vfs_may(c, g->node.fs, &g->st, change ? W_OK : R_OK);
}

static int64_t get(struct task *t, const struct target *g, const uint64_t arg[6])
{
    char name_z[XATTR_NAME_BYTES_MAX + 1];
    int64_t len = read_name(t, arg[1], name_z);
    struct xattr **list = list_of(g);
    if (len < 0)
        return len;
    struct span name = span_of(name_z, (size_t)len);
    int error = may(t, g, name, false);
    if (error != 0 || list == NULL)
        return error != 0 ? error : -EOPNOTSUPP;
    const struct xattr *x = xattr_find(*list, name);
    if (x == NULL)
        return -ENODATA;
    struct span value = xattr_value(x);
    if (arg[3] == 0)
        return (int64_t)value.len;
    if (arg[3] < value.len)
        return -ERANGE;
    error = task_write(t, arg[2], value.data, value.len);
    return error != 0 ? error : (int64_t)value.len;
}

/* The first one takes a block of the disk, which the last gives back. */
static int put(const struct target *g, struct xattr **list, struct span name, struct span value)
{
    struct vfs *vfs = g->node.fs->vfs;
    bool first = *list == NULL;
    int error = first ? vfs_charge(vfs, XATTR_BLOCK) : 0;
    if (error != 0)
        return error;
    error = xattr_set(list, name, value);
    if (error != 0 && first)
        vfs->quota.bytes -= XATTR_BLOCK;
    return error;
}

static int64_t set(struct task *t, const struct target *g, const uint64_t arg[6])
{
    char name_z[XATTR_NAME_BYTES_MAX + 1];
    if ((arg[4] & ~(uint64_t)(XATTR_CREATE | XATTR_REPLACE)) != 0)
        return -EINVAL;
    int64_t len = read_name(t, arg[1], name_z);
    if (len < 0)
        return len;
    if (arg[3] > XATTR_VALUE_MAX)
        return -E2BIG;
    struct span name = span_of(name_z, (size_t)len);
    struct xattr **list = list_of(g);
    uint8_t *value = malloc((size_t)arg[3] + 1);
    int error = value != NULL ? task_read(t, arg[2], value, (size_t)arg[3]) : -ENOMEM;
    if (error == 0)
        error = may(t, g, name, true);
    if (error == 0 && list == NULL)
        error = -EOPNOTSUPP;
    if (error == 0) {
        bool there = xattr_find(*list, name) != NULL;
        error = there && (arg[4] & XATTR_CREATE) != 0     ? -EEXIST
                : !there && (arg[4] & XATTR_REPLACE) != 0 ? -ENODATA
                                                          : 0;
    }
    struct capability_file file;
    if (error == 0 && span_equal_z(name, "security.capability"))
        error = capability_parse(span_of(value, (size_t)arg[3]), &file);
    const struct fs_attr touched = {.what = 0}; /* its time of change, and it is kept */
    if (error == 0)
        error = g->node.fs->ops->set_attr(g->node.fs, g->node.ino, &touched);
    list = error == 0 ? list_of(g) : NULL;
    if (error == 0)
        error = list != NULL ? put(g, list, name, span_of(value, (size_t)arg[3])) : -ENOMEM;
    free(value);
    return error;
}

static int64_t list(struct task *t, const struct target *g, const uint64_t arg[6])
{
    uint64_t done = 0;
    struct xattr **all = list_of(g);
    const struct xattr *at = NULL;
    if (all == NULL)
        return 0;
    for (struct span name = xattr_next(*all, &at); at != NULL; name = xattr_next(*all, &at)) {
        if (span_starts_with(name, span_z("trusted.")) && !creds_capable(&t->creds, CAP_SYS_ADMIN))
            continue;
        if (arg[2] != 0 && done + name.len > arg[2])
            return -ERANGE;
        if (arg[2] != 0 && task_write(t, arg[1] + done, name.data, name.len) != 0)
            return -EFAULT;
        done += name.len;
    }
    return (int64_t)done;
}

static int64_t drop(struct task *t, const struct target *g, const uint64_t arg[6])
{
    char name_z[XATTR_NAME_BYTES_MAX + 1];
    int64_t len = read_name(t, arg[1], name_z);
    struct xattr **all = list_of(g);
    if (len < 0)
        return len;
    struct span name = span_of(name_z, (size_t)len);
    int error = may(t, g, name, true);
    if (error != 0)
        return error;
    error = all != NULL ? xattr_remove(all, name) : -EOPNOTSUPP;
    if (error == 0 && *all == NULL)
        g->node.fs->vfs->quota.bytes -= XATTR_BLOCK;
    return error;
}

typedef int64_t (*action_fn)(struct task *t, const struct target *g, const uint64_t arg[6]);

static int64_t act(struct task *t, enum how how, const uint64_t arg[6], action_fn fn)
{
    struct target g;
    int64_t error = target_get(t, how, arg[0], &g);
    if (error != 0)
        return error;
    /* Held: what has a list is in memory. */
    error = vnode_hold(g.node);
    if (error == 0) {
        error = fn(t, &g, arg);
        if (error == 0 && (fn == set || fn == drop))
            inotify_tell(g.node, g.walked ? g.found.dir : (struct vnode){0},
                         g.walked ? walk_name(&g.found) : (struct span){0},
                         IN_ATTRIB | (S_ISDIR(g.st.mode) ? IN_ISDIR : 0));
        vnode_drop(g.node);
    }
    target_done(&g);
    return error;
}

int64_t sys_getxattr(struct task *t, const uint64_t arg[6])
{
    return act(t, FOLLOW, arg, get);
}

int64_t sys_lgetxattr(struct task *t, const uint64_t arg[6])
{
    return act(t, NO_FOLLOW, arg, get);
}

int64_t sys_fgetxattr(struct task *t, const uint64_t arg[6])
{
    return act(t, DESCRIPTOR, arg, get);
}

int64_t sys_setxattr(struct task *t, const uint64_t arg[6])
{
    return act(t, FOLLOW, arg, set);
}

int64_t sys_lsetxattr(struct task *t, const uint64_t arg[6])
{
    return act(t, NO_FOLLOW, arg, set);
}

int64_t sys_fsetxattr(struct task *t, const uint64_t arg[6])
{
    return act(t, DESCRIPTOR, arg, set);
}

int64_t sys_listxattr(struct task *t, const uint64_t arg[6])
{
    return act(t, FOLLOW, arg, list);
}

int64_t sys_llistxattr(struct task *t, const uint64_t arg[6])
{
    return act(t, NO_FOLLOW, arg, list);
}

int64_t sys_flistxattr(struct task *t, const uint64_t arg[6])
{
    return act(t, DESCRIPTOR, arg, list);
}

int64_t sys_removexattr(struct task *t, const uint64_t arg[6])
{
    return act(t, FOLLOW, arg, drop);
}

int64_t sys_lremovexattr(struct task *t, const uint64_t arg[6])
{
    return act(t, NO_FOLLOW, arg, drop);
}

int64_t sys_fremovexattr(struct task *t, const uint64_t arg[6])
{
    return act(t, DESCRIPTOR, arg, drop);
}
