/* Descriptors: open, close, dup, fcntl, pipe. */
#include "kernel/machine.h"
#include "kernel/pipe.h"
#include "kernel/secret.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

struct vfs_at sys_at(struct task *t, struct file *dir)
{
    return (struct vfs_at){.fs = t->fs, .cred = &t->creds, .task = t, .dir = dir};
}

int sys_path_get(struct task *t, uint64_t dirfd, uint64_t addr, bool empty_ok, struct sys_path *out)
{
    int64_t len = task_read_z(t, addr, out->text_z, sizeof(out->text_z));
    if (len < 0)
        return (int)len;
    out->path = span_of(out->text_z, (size_t)len);
    out->at = sys_at(t, NULL);
    bool absolute = len > 0 && out->text_z[0] == '/';
    if (absolute || (int32_t)dirfd == AT_FDCWD)
        return 0;
    if (len == 0 && !empty_ok)
        return -ENOENT;
    out->at.dir = sys_file(t, dirfd);
    return out->at.dir != NULL ? 0 : -EBADF;
}

int sys_walk(struct task *t, uint64_t dirfd, uint64_t addr, bool follow, bool empty_ok,
             struct walk_found *out)
{
    struct sys_path p;
    int error = sys_path_get(t, dirfd, addr, empty_ok, &p);
    if (error != 0)
        return error;
    unsigned flags = (follow ? WALK_FOLLOW : 0) | (empty_ok ? WALK_EMPTY : 0);
    return walk(&p.at, p.path, flags, out);
}

struct file *sys_file(const struct task *t, uint64_t fd)
{
    return fd_table_find(t->files, (int32_t)fd);
}

int64_t sys_install(struct task *t, struct file *f, bool close_on_exec)
{
    return fd_table_add(t->files, f, 0, process_limit(t->process, RLIMIT_NOFILE), close_on_exec);
}

int64_t sys_wait_file(struct task *t, const struct file *f)
{
    return (f->flags & O_NONBLOCK) != 0 ? -EAGAIN : task_wait(t, f->key);
}

/* Those that stay with a description, of those open(2) was given. */
static uint32_t status_flags(uint32_t flags)
{
    return flags & ~(uint32_t)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
}

/* ---- open ---- */

static int64_t open_at(struct task *t, uint64_t dirfd, uint64_t addr, uint32_t flags, uint32_t mode,
                       uint64_t resolve)
{
    struct sys_path p;
    struct file *f = NULL;
    int error = sys_path_get(t, dirfd, addr, false, &p);
    p.at.resolve = resolve;
    if (error == 0 && (flags & (O_PATH | O_TRUNC | O_EXCL)) == 0 &&
        secret_is_awaited(t->kernel, &p.at, p.path))
        return secret_work(t);
    if (error == 0)
        error = vfs_open(&p.at, p.path, flags, mode & 07777, &f);
    if (error == -EAGAIN && (flags & O_NONBLOCK) == 0)
        return task_wait_any(t); /* a fifo whose other side is not there */
    if (error != 0)
        return error;
    if ((flags & O_PATH) == 0)
        f->flags = status_flags(f->flags) | 0100000; /* O_LARGEFILE */
    return sys_install(t, f, (flags & O_CLOEXEC) != 0);
}

int64_t sys_open(struct task *t, const uint64_t arg[6])
{
    return open_at(t, (uint64_t)AT_FDCWD, arg[0], (uint32_t)arg[1], (uint32_t)arg[2], 0);
}

int64_t sys_openat(struct task *t, const uint64_t arg[6])
{
    return open_at(t, arg[0], arg[1], (uint32_t)arg[2], (uint32_t)arg[3], 0);
}

int64_t sys_creat(struct task *t, const uint64_t arg[6])
{
    return open_at(t, (uint64_t)AT_FDCWD, arg[0], O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)arg[1],
                   0);
}

/* What open(2) would ignore is an error here. */
static bool is_good_how(const struct open_how *how)
{
    /* O_SYNC has O_DSYNC in it, and O_TMPFILE O_DIRECTORY. */
    const uint64_t flags = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND |
                           O_NONBLOCK | O_ASYNC | O_DIRECT | 0100000 | O_NOFOLLOW | O_NOATIME |
                           O_CLOEXEC | O_SYNC | O_PATH | O_TMPFILE;
    const uint64_t with_path = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const uint64_t resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
                             RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;
    const uint64_t inside = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
    bool makes = (how->flags & O_CREAT) != 0 || (how->flags & O_TMPFILE) == O_TMPFILE;
    if ((how->flags & ~flags) != 0 || (how->resolve & ~resolve) != 0)
        return false;
    if ((how->resolve & inside) == inside || (how->mode & ~UINT64_C(07777)) != 0)
        return false;
    if ((how->flags & O_PATH) != 0 && (how->flags & ~with_path) != 0)
        return false;
    return makes || how->mode == 0;
}

int64_t sys_openat2(struct task *t, const uint64_t arg[6])
{
    struct open_how how;
    if (arg[3] < sizeof(how))
        return -EINVAL;
    if (arg[3] > sizeof(how))
        return -E2BIG;
    int error = task_read(t, arg[2], &how, sizeof(how));
    if (error != 0)
        return error;
    if (!is_good_how(&how))
        return -EINVAL;
    if ((how.resolve & RESOLVE_CACHED) != 0 && (how.flags & (O_TRUNC | O_CREAT)) != 0)
        return -EAGAIN;
    return open_at(t, arg[0], arg[1], (uint32_t)how.flags, (uint32_t)how.mode, how.resolve);
}

int64_t sys_close(struct task *t, const uint64_t arg[6])
{
    return fd_table_close(t->files, (int32_t)arg[0]);
}

int64_t sys_close_range(struct task *t, const uint64_t arg[6])
{
    uint32_t first = (uint32_t)arg[0], last = (uint32_t)arg[1];
    bool mark = (arg[2] & 4) != 0; /* CLOSE_RANGE_CLOEXEC */
    if (first > last || (arg[2] & ~UINT64_C(6)) != 0)
        return -EINVAL;
    if (first >= FD_TABLE_MAX)
        return 0;
    for (int fd = fd_table_next(t->files, (int)first); fd >= 0 && (uint32_t)fd <= last;
         fd = fd_table_next(t->files, fd + 1)) {
        if (mark)
            fd_table_set_close_on_exec(t->files, fd, true);
        else
            fd_table_close(t->files, fd);
    }
    return 0;
}

/* ---- dup ---- */

int64_t sys_dup(struct task *t, const uint64_t arg[6])
{
    struct file *f = sys_file(t, arg[0]);
    return f != NULL ? sys_install(t, file_hold(f), false) : -EBADF;
}

static int64_t dup_to(struct task *t, struct file *f, int to, bool close_on_exec)
{
    uint64_t limit = process_limit(t->process, RLIMIT_NOFILE);
    f->redirected |= t->process->is_shell;
    return fd_table_set(t->files, file_hold(f), to, limit, close_on_exec);
}

int64_t sys_dup2(struct task *t, const uint64_t arg[6])
{
    struct file *f = sys_file(t, arg[0]);
    if (f == NULL)
        return -EBADF;
    if ((int32_t)arg[0] == (int32_t)arg[1])
        return (int32_t)arg[1];
    return dup_to(t, f, (int32_t)arg[1], false);
}

int64_t sys_dup3(struct task *t, const uint64_t arg[6])
{
    if ((arg[2] & ~(uint64_t)O_CLOEXEC) != 0 || (int32_t)arg[0] == (int32_t)arg[1])
        return -EINVAL;
    struct file *f = sys_file(t, arg[0]);
    return f != NULL ? dup_to(t, f, (int32_t)arg[1], arg[2] != 0) : -EBADF;
}

/* ---- fcntl ---- */

static int64_t set_flags(struct file *f, uint32_t flags)
{
    const uint32_t may = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
    f->flags = (f->flags & ~may) | (flags & may);
    return 0;
}

static int64_t dup_command(struct task *t, struct file *f, uint64_t from, bool close_on_exec)
{
    uint64_t limit = process_limit(t->process, RLIMIT_NOFILE);
    if ((int32_t)from < 0 || (uint32_t)from >= limit)
        return -EINVAL;
    return fd_table_add(t->files, file_hold(f), (int32_t)from, limit, close_on_exec);
}

static bool is_pipe(const struct file *f)
{
    struct file_stat st;
    return file_stat((struct file *)f, &st) == 0 && S_ISFIFO(st.mode);
}

int64_t sys_fcntl(struct task *t, const uint64_t arg[6])
{
    struct file *f = sys_file(t, arg[0]);
    int fd = (int32_t)arg[0];
    if (f == NULL)
        return -EBADF;
    uint64_t command = (uint32_t)arg[1];
    bool path_only = (f->flags & O_PATH) != 0;
    if (path_only && command != F_DUPFD && command != F_DUPFD_CLOEXEC && command != F_GETFD &&
        command != F_SETFD && command != F_GETFL)
        return -EBADF;
    switch (command) {
    case F_DUPFD: return dup_command(t, f, arg[2], false);
    case F_DUPFD_CLOEXEC: return dup_command(t, f, arg[2], true);
    case F_GETFD: return fd_table_is_close_on_exec(t->files, fd) ? FD_CLOEXEC : 0;
    case F_SETFD: fd_table_set_close_on_exec(t->files, fd, (arg[2] & FD_CLOEXEC) != 0); return 0;
    case F_GETFL: return f->flags;
    case F_SETFL: return set_flags(f, (uint32_t)arg[2]);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW: return sys_lock_command(t, f, command, arg[2]);
    case F_ADD_SEALS:
    case F_GET_SEALS: return sys_seal_command(t, f, command, arg[2]);
    case F_SETOWN: f->owner = (int32_t)arg[2]; return 0;
    case F_GETOWN: return f->owner;
    case F_SETSIG:
    case F_SETLEASE: return 0;
    case F_GETSIG: return 0;
    case F_GETLEASE: return F_UNLCK;
    case F_GETPIPE_SZ:
    case F_SETPIPE_SZ: return is_pipe(f) ? PIPE_BYTES : -EBADF;
    default: return -EINVAL;
    }
}

int64_t sys_ioctl(struct task *t, const uint64_t arg[6])
{
    enum { FIONCLEX_ = 0x5450, FIOCLEX_ = 0x5451, FIONBIO_ = 0x5421, FIONREAD_ = 0x541b };
    struct file *f = sys_file(t, arg[0]);
    uint32_t command = (uint32_t)arg[1];
    int32_t value = 0;
    struct file_stat st;
    if (f == NULL || (f->flags & O_PATH) != 0)
        return -EBADF;
    switch (command) {
    case FIONCLEX_:
    case FIOCLEX_:
        fd_table_set_close_on_exec(t->files, (int32_t)arg[0], command == FIOCLEX_);
        return 0;
    case FIONBIO_:
        if (task_read(t, arg[2], &value, sizeof(value)) != 0)
            return -EFAULT;
        f->flags = value != 0 ? f->flags | O_NONBLOCK : f->flags & ~(uint32_t)O_NONBLOCK;
        return 0;
    default: break;
    }
    if (command != FIONREAD_ || file_stat(f, &st) != 0 || !S_ISREG(st.mode))
        return f->ops->ioctl != NULL ? f->ops->ioctl(f, t, command, arg[2]) : -ENOTTY;
    value = (int32_t)(st.size - f->position);
    return task_write(t, arg[2], &value, sizeof(value));
}

/* ---- pipe ---- */

static int64_t make_pipe(struct task *t, uint64_t addr, uint64_t flags)
{
    struct file *end[2] = {NULL, NULL};
    bool close_on_exec = (flags & O_CLOEXEC) != 0;
    if ((flags & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) != 0)
        return -EINVAL;
    int64_t error =
        pipe_pair(t->fs->vfs, (uint32_t)flags, t->creds.fsuid, t->creds.fsgid, &end[0], &end[1]);
    if (error != 0)
        return error;
    int32_t fd[2] = {(int32_t)sys_install(t, end[0], close_on_exec), -1};
    if (fd[0] < 0) {
        file_drop(end[1]);
        return fd[0];
    }
    fd[1] = (int32_t)sys_install(t, end[1], close_on_exec);
    error = fd[1] < 0 ? fd[1] : task_write(t, addr, fd, sizeof(fd));
    if (error != 0) {
        fd_table_close(t->files, fd[0]);
        fd_table_close(t->files, fd[1]);
    }
    return error;
}

int64_t sys_pipe(struct task *t, const uint64_t arg[6])
{
    return make_pipe(t, arg[0], 0);
}

int64_t sys_pipe2(struct task *t, const uint64_t arg[6])
{
    return make_pipe(t, arg[0], (uint32_t)arg[1]);
}
