#include "kernel/file.h"

#include "kernel/fs.h"
#include "kernel/inotify.h"
#include "kernel/lock.h"
#include "kernel/task.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file *file_new(struct vfs *vfs, const struct file_ops *ops, void *object, uint32_t flags,
                      int *error)
{
    struct file *f = NULL;
    struct file none = {.ops = ops, .vfs = vfs, .object = object, .flags = flags};
    *error = -ENFILE;
    if (vfs->files < vfs->files_max) {
        *error = -ENOMEM;
        f = calloc(1, sizeof(*f));
    } else if (vfs->hooks.on_limit != NULL) {
        vfs->hooks.on_limit(vfs->hooks.ctx, "files");
    }
    if (f == NULL) {
        if (ops != NULL && ops->close != NULL)
            ops->close(&none);
        return NULL;
    }
    *f = none;
    f->key = object;
    f->holders = 1;
    vfs->files++;
    return f;
}

struct file *file_hold(struct file *f)
{
    f->holders++;
    return f;
}

static bool may_read(const struct file *f)
{
    return (f->flags & O_PATH) == 0 && (f->flags & O_ACCMODE) != O_WRONLY;
}

static bool may_write(const struct file *f)
{
    return (f->flags & O_PATH) == 0 && (f->flags & O_ACCMODE) != O_RDONLY;
}

void file_drop(struct file *f)
{
    if (f == NULL || --f->holders > 0)
        return;
    struct vfs *vfs = f->vfs;
    if (f->watchers != NULL)
        epoll_forget_file(f);
    if (f->changed && vfs->hooks.on_written != NULL) {
        f->holders = 1; /* the hook may read it, and keep it */
        f->changed = false;
        vfs->hooks.on_written(vfs->hooks.ctx, f);
        if (--f->holders > 0)
            return;
    }
    if (f->ops != NULL)
        inotify_tell_file(f, may_write(f) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
    if (vfs->locks != NULL)
        lock_forget(vfs, f->node, f);
    if (f->ops != NULL && f->ops->close != NULL)
        f->ops->close(f);
    vnode_drop(f->node);
    inotify_on_lost(f->node);
    vnode_drop(f->dir);
    free(f->name_z);
    free(f);
    vfs->files--;
}

static size_t clamp(size_t len)
{
    return len < TASK_RW_MAX ? len : TASK_RW_MAX;
}

static int64_t read_at(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    if (f->ops->read == NULL)
        return f->ops->readdir != NULL ? -EISDIR : -EINVAL;
    int64_t n = f->ops->read(f, t, out, clamp(len), at);
    if (n > 0 && t != NULL) /* the kernel's own look is nobody's */
        inotify_tell_file(f, IN_ACCESS);
    return n;
}

int64_t file_read(struct file *f, struct task *t, void *out, size_t len)
{
    if (!may_read(f))
        return -EBADF;
    int64_t n = read_at(f, t, out, len, f->position);
    if (n > 0 && f->ops->seekable)
        f->position += n;
    return n;
}

int64_t file_pread(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    if (at < 0)
        return -EINVAL;
    if (!may_read(f))
        return -EBADF;
    if (!f->ops->seekable && f->ops->readdir == NULL)
        return -ESPIPE;
    return read_at(f, t, out, len, at);
}

/* The end of the file as it is now: where O_APPEND writes. */
static int64_t end_of(struct file *f)
{
    struct file_stat st;
    return file_stat(f, &st) == 0 ? st.size : 0;
}

int file_check_size(struct task *t, int64_t size)
{
    uint64_t most = process_limit(t->process, RLIMIT_FSIZE);
    if ((uint64_t)size <= most)
        return 0;
    signal_raise_task(t, SIGXFSZ);
    return -EFBIG;
}

/* A regular file takes no more than RLIMIT_FSIZE allows. */
static int cut_to_limit(struct file *f, struct task *t, size_t *len, int64_t at)
{
    if (t == NULL || f->ops->page == NULL || *len == 0)
        return 0;
    uint64_t most = process_limit(t->process, RLIMIT_FSIZE);
    if ((uint64_t)at >= most)
        return file_check_size(t, at + 1);
    if (*len > most - (uint64_t)at)
        *len = (size_t)(most - (uint64_t)at);
    return 0;
}

static int64_t write_at(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at)
{
    if (f->ops->write == NULL)
        return -EINVAL;
    int error = cut_to_limit(f, t, &len, at);
    if (error != 0)
        return error;
    int64_t n = f->ops->write(f, t, bytes, clamp(len), at);
    if (n > 0)
        inotify_tell_file(f, IN_MODIFY);
    return n;
}

int64_t file_write(struct file *f, struct task *t, const void *bytes, size_t len)
{
    if (!may_write(f))
        return -EBADF;
    if (f->ops->seekable && (f->flags & O_APPEND) != 0)
        f->position = end_of(f);
    int64_t n = write_at(f, t, bytes, len, f->position);
    if (n > 0 && f->ops->seekable)
        f->position += n;
    return n;
}

int64_t file_pwrite(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at)
{
    if (at < 0)
        return -EINVAL;
    if (!may_write(f))
        return -EBADF;
    if (!f->ops->seekable)
        return -ESPIPE;
    if ((f->flags & O_APPEND) != 0) /* as Linux does, against POSIX */
        at = end_of(f);
    return write_at(f, t, bytes, len, at);
}

void file_changed(struct file *f, const struct task *t)
{
    f->changed = true;
    if (t == NULL)
        return;
    f->writer_pid = t->process->pid;
    f->writer_uid = t->creds.euid;
}

unsigned file_poll(struct file *f)
{
    return f->ops->poll != NULL ? f->ops->poll(f) : POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

int file_stat(struct file *f, struct file_stat *out)
{
    memset(out, 0, sizeof(*out));
    if (f->ops != NULL && f->ops->stat != NULL)
        return f->ops->stat(f, out);
    return f->node.fs != NULL ? vnode_stat(f->node, out) : -EBADF;
}

enum file_map file_map(struct file *f, struct span *bytes)
{
    *bytes = (struct span){0};
    if (f->ops == NULL || f->ops->map == NULL)
        return FILE_MAP_NONE;
    return f->ops->map(f, bytes);
}

/* "DIRECTORY/NAME", and " (deleted)" when that is no longer this file. */
static int64_t path_with_name(struct file *f, char *out, size_t size)
{
    struct vnode root = {.fs = f->vfs->top, .ino = f->vfs->top->root};
    int64_t len = vfs_path_of(f->vfs, root, f->dir, out, size);
    if (len < 0)
        return len;
    uint64_t ino = 0;
    struct fs *fs = f->dir.fs;
    bool gone = fs->ops->find(fs, NULL, f->dir.ino, span_z(f->name_z), &ino) != 0 ||
                (fs == f->node.fs && ino != f->node.ino);
    int n = snprintf(out + len, size - (size_t)len, "%s%s%s", len > 1 ? "/" : "", f->name_z,
                     gone ? " (deleted)" : "");
    return (size_t)(len + n) < size ? len + n : -ENAMETOOLONG;
}

int64_t file_path(struct file *f, char *out, size_t size)
{
    if (f->kind_z != NULL) {
        struct file_stat st;
        bool numbered = f->kind_z[0] != 'a' && f->kind_z[0] != '/' && file_stat(f, &st) == 0;
        int n = numbered ? snprintf(out, size, "%s:[%llu]", f->kind_z, (unsigned long long)st.ino)
                         : snprintf(out, size, "%s", f->kind_z);
        return (size_t)n < size ? n : -ENAMETOOLONG;
    }
    if (f->name_z != NULL && f->dir.fs != NULL)
        return path_with_name(f, out, size);
    struct vnode root = {.fs = f->vfs->top, .ino = f->vfs->top->root};
    return vfs_path_of(f->vfs, root, f->node, out, size);
}
