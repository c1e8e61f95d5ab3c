/* /dev/pts: a directory of the machine's terminals. */
#include "kernel/tty_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INO_ROOT = 1, INO_PTMX = 2 }; /* then DEVPTS_FIRST + N */

static struct tty *tty_of(const struct fs *fs, uint64_t ino)
{
    return ino >= DEVPTS_FIRST ? tty_find(fs->vfs, (unsigned)(ino - DEVPTS_FIRST)) : NULL;
}

static int devpts_stat(struct fs *fs, uint64_t ino, struct file_stat *out)
{
    const struct tty *tty = tty_of(fs, ino);
    int64_t boot = fs->vfs->boot_ns;
    *out = (struct file_stat){.dev = fs->dev, .ino = ino, .nlink = 1, .blksize = 1024};
    out->atime_ns = out->mtime_ns = out->ctime_ns = out->btime_ns = boot;
    if (ino == INO_ROOT) {
        out->mode = S_IFDIR | 0755;
        out->nlink = 2;
        return 0;
    }
    if (ino == INO_PTMX) {
        out->mode = S_IFCHR;
        out->rdev = FS_DEV(5, 2);
        return 0;
    }
    if (tty == NULL)
        return -ENOENT;
    out->mode = S_IFCHR | tty->mode;
    out->uid = tty->uid;
    out->gid = tty->gid;
    out->rdev = FS_DEV(136, tty->number);
    out->atime_ns = tty->read_ns;
    out->mtime_ns = tty->written_ns;
    out->ctime_ns = out->btime_ns = tty->made_ns;
    return 0;
}

static int devpts_find(struct fs *fs, struct task *t, uint64_t dir, struct span name, uint64_t *ino)
{
    (void)t, (void)dir;
    *ino = INO_PTMX;
    if (span_equal_z(name, "ptmx"))
        return 0;
    for (const struct tty *tty = fs->vfs->ttys; tty != NULL; tty = tty->next) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%u", tty->number);
        *ino = DEVPTS_FIRST + tty->number;
        if (span_equal_z(name, text))
            return 0;
    }
    return -ENOENT;
}

static int devpts_parent(struct fs *fs, uint64_t dir, uint64_t *parent)
{
    (void)fs, (void)dir;
    *parent = INO_ROOT;
    return 0;
}

static int64_t devpts_name_of(struct fs *fs, uint64_t dir, uint64_t ino, char *out, size_t size)
{
    (void)fs, (void)dir;
    return ino < DEVPTS_FIRST ? snprintf(out, size, "ptmx")
                              : snprintf(out, size, "%u", (unsigned)(ino - DEVPTS_FIRST));
}

/* Positions: behind . and .. the numbers, then ptmx. */
static int devpts_readdir(struct fs *fs, struct task *t, uint64_t dir, int64_t at, file_entry_fn fn,
                          void *ctx)
{
    (void)t, (void)dir;
    char text[16];
    for (const struct tty *tty = fs->vfs->ttys; tty != NULL; tty = tty->next) {
        int64_t place = 2 + (int64_t)tty->number;
        int n = snprintf(text, sizeof(text), "%u", tty->number);
        if (place >= at &&
            !fn(ctx, span_of(text, (size_t)n), DEVPTS_FIRST + tty->number, DT_CHR, place + 1))
            return 0;
    }
    if (at <= 2 + TTY_MAX)
        fn(ctx, span_z("ptmx"), INO_PTMX, DT_CHR, 3 + TTY_MAX);
    return 0;
}

static int devpts_set_attr(struct fs *fs, uint64_t ino, const struct fs_attr *attr)
{
    struct tty *tty = tty_of(fs, ino);
    if (tty == NULL)
        return ino < DEVPTS_FIRST ? -EPERM : -EIO;
    if (attr->what & FS_ATTR_MODE)
        tty->mode = attr->mode & 07777;
    if (attr->what & FS_ATTR_OWNER) {
        tty->uid = attr->uid;
        tty->gid = attr->gid;
    }
    if (attr->what & FS_ATTR_ATIME)
        tty->read_ns = attr->atime_ns;
    if (attr->what & FS_ATTR_MTIME)
        tty->written_ns = attr->mtime_ns;
    return 0;
}

static void devpts_usage(struct fs *fs, struct fs_usage *out)
{
    (void)fs;
    *out = (struct fs_usage){.type = 0x1cd1, .block_size = 1024};
}

static void devpts_rest(struct fs *fs)
{
    for (struct tty *tty = fs->vfs->ttys; tty != NULL; tty = tty->next)
        tty_rest(tty);
}

static void devpts_free(struct fs *fs)
{
    fs->vfs->devpts = NULL;
    free(fs);
}

static const struct fs_ops devpts_ops = {
    .stat = devpts_stat,
    .find = devpts_find,
    .parent = devpts_parent,
    .name_of = devpts_name_of,
    .readdir = devpts_readdir,
    .set_attr = devpts_set_attr,
    .usage = devpts_usage,
    .rest = devpts_rest,
    .free = devpts_free,
};

struct fs *devpts_new(struct vfs *vfs)
{
    struct fs *fs = calloc(1, sizeof(*fs));
    if (fs == NULL)
        return NULL;
    *fs = (struct fs){.ops = &devpts_ops, .vfs = vfs, .root = INO_ROOT};
    fs->super = fs;
    fs->views = 1; /* the terminals', who find their files in it even when nobody mounts it */
    vfs->devpts = fs;
    return fs;
}
