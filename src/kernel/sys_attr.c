/* Changing what inodes say of themselves: chmod, chown, times, truncate. */
#include "kernel/inotify.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const uint64_t HERE = (uint64_t)AT_FDCWD;
static const int64_t SECOND_NS = 1000000000;

typedef int (*change_fn)(const struct creds *cred, struct vnode node, const uint64_t *value);

static int change_mode(const struct creds *cred, struct vnode node, const uint64_t *value)
{
    return vfs_chmod(cred, node, (uint32_t)value[0] & 07777);
}

static int change_owner(const struct creds *cred, struct vnode node, const uint64_t *value)
{
    return vfs_chown(cred, node, (uint32_t)value[0], (uint32_t)value[1]);
}

static int change_size(const struct creds *cred, struct vnode node, const uint64_t *value)
{
    return vfs_truncate(cred, node, (int64_t)value[0]);
}

/* A path that ends in no name leaves only the inode. */
static void tell_found(const struct walk_found *found, uint32_t mask)
{
    bool named = found->last == WALK_NAME && found->file == NULL;
    inotify_tell(found->node, named ? found->dir : (struct vnode){0}, walk_name(found),
                 mask | (S_ISDIR(found->stat.mode) ? IN_ISDIR : 0));
}

/* The visitor's keeper hears of files whose permissions were really changed. */
static void tell_mode(struct task *t, const struct file_stat *before, uint64_t mode,
                      struct span path)
{
    const struct kernel_event event = {
        .type = KERNEL_CHMOD, .text = path, .number = (int64_t)(mode & 07777)};
    if (S_ISREG(before->mode) && (before->mode & 07777) != (mode & 07777))
        kernel_emit(t->process->kernel, t, &event);
}

static void tell_mode_found(struct task *t, const struct walk_found *found, uint64_t mode)
{
    char path[WALK_PATH_BYTES];
    if (found->last != WALK_NAME || found->file != NULL)
        return;
    struct span whole = walk_path(t->fs->vfs, found, path);
    if (whole.len > 0)
        tell_mode(t, &found->stat, mode, whole);
}

static void tell_mode_open(struct task *t, struct file *f, const struct file_stat *before,
                           uint64_t mode)
{
    char path[VFS_PATH_MAX + 16];
    int64_t len = file_path(f, path, sizeof(path));
    if (len > 0)
        tell_mode(t, before, mode, span_of(path, (size_t)len));
}

/* chown(-1, -1) is told to nobody. */
static bool changes_nothing(change_fn fn, const uint64_t *value)
{
    return fn == change_owner && (uint32_t)value[0] == UINT32_MAX &&
           (uint32_t)value[1] == UINT32_MAX;
}

/* Applies a change to what a path means, or a descriptor of it (no path). */
static int64_t change(struct task *t, uint64_t dirfd, uint64_t addr, uint64_t flags, change_fn fn,
                      const uint64_t *value)
{
    struct walk_found found;
    bool follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
    int error = sys_walk(t, dirfd, addr, follow, (flags & AT_EMPTY_PATH) != 0, &found);
    if (error != 0)
        return error;
    /* A pipe's or socket's own inode: nobody sees it change. */
    if (fn == change_size && (int64_t)value[0] > found.stat.size)
        error = file_check_size(t, (int64_t)value[0]);
    if (error == 0)
        error = found.node.fs != NULL ? fn(&t->creds, found.node, value) : 0;
    if (error == 0 && !changes_nothing(fn, value))
        tell_found(&found, fn == change_size ? IN_MODIFY : IN_ATTRIB);
    if (error == 0 && fn == change_mode)
        tell_mode_found(t, &found, value[0]);
    walk_done(&found);
    return error;
}

static int64_t change_open(struct task *t, uint64_t fd, change_fn fn, const uint64_t *value)
{
    struct file *f = sys_file(t, fd);
    if (f == NULL || (f->flags & O_PATH) != 0)
        return -EBADF;
    struct file_stat before = {0};
    if (f->node.fs != NULL && fn == change_mode)
        (void)vnode_stat(f->node, &before);
    int error = f->node.fs != NULL ? fn(&t->creds, f->node, value) : 0;
    if (error == 0 && !changes_nothing(fn, value))
        inotify_tell_file(f, IN_ATTRIB);
    if (error == 0 && fn == change_mode)
        tell_mode_open(t, f, &before, value[0]);
    return error;
}

int64_t sys_chmod(struct task *t, const uint64_t arg[6])
{
    return change(t, HERE, arg[0], 0, change_mode, arg + 1);
}

int64_t sys_fchmod(struct task *t, const uint64_t arg[6])
{
    return change_open(t, arg[0], change_mode, arg + 1);
}

int64_t sys_fchmodat(struct task *t, const uint64_t arg[6])
{
    return change(t, arg[0], arg[1], 0, change_mode, arg + 2);
}

int64_t sys_chown(struct task *t, const uint64_t arg[6])
{
    return change(t, HERE, arg[0], 0, change_owner, arg + 1);
}

int64_t sys_lchown(struct task *t, const uint64_t arg[6])
{
    return change(t, HERE, arg[0], AT_SYMLINK_NOFOLLOW, change_owner, arg + 1);
}

int64_t sys_fchown(struct task *t, const uint64_t arg[6])
{
    return change_open(t, arg[0], change_owner, arg + 1);
}

int64_t sys_fchownat(struct task *t, const uint64_t arg[6])
{
    if (((uint32_t)arg[4] & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    return change(t, arg[0], arg[1], (uint32_t)arg[4], change_owner, arg + 2);
}

/* ---- Size ---- */

int64_t sys_truncate(struct task *t, const uint64_t arg[6])
{
    return (int64_t)arg[1] < 0 ? -EINVAL : change(t, HERE, arg[0], 0, change_size, arg + 1);
}

static int64_t resize(struct task *t, struct file *f, int64_t size)
{
    if (f == NULL || (f->flags & O_PATH) != 0)
        return -EBADF;
    if (size < 0 || f->ops->truncate == NULL || (f->flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    struct file_stat st;
    int error = file_stat(f, &st);
    if (error == 0 && size > st.size)
        error = file_check_size(t, size);
    if (error == 0)
        error = f->ops->truncate(f, size);
    if (error == 0 && f->changed)
        file_changed(f, t);
    if (error == 0)
        inotify_tell_file(f, IN_MODIFY);
    return error;
}

int64_t sys_ftruncate(struct task *t, const uint64_t arg[6])
{
    return resize(t, sys_file(t, arg[0]), (int64_t)arg[1]);
}

/* ---- Times ---- */

/* One of a pair: seconds and nanoseconds, or one of the two marks. */
static int one_time(const struct task *t, const int64_t *pair, int64_t *out)
{
    if (pair[1] == UTIME_NOW)
        *out = vfs_now(t->fs->vfs);
    else if (pair[1] == UTIME_OMIT)
        *out = INT64_MIN;
    else if (pair[1] < 0 || pair[1] >= SECOND_NS)
        return -EINVAL;
    else if (pair[0] > INT64_MAX / SECOND_NS - 1 || pair[0] < INT64_MIN / SECOND_NS + 2)
        *out = pair[0] > 0 ? INT64_MAX : 0;
    else
        *out = pair[0] * SECOND_NS + pair[1];
    return 0;
}

static int64_t set_times(struct task *t, uint64_t dirfd, uint64_t addr, uint64_t flags,
                         const int64_t pairs[4])
{
    struct walk_found found;
    int64_t time[2];
    int error = one_time(t, pairs, &time[0]);
    if (error == 0)
        error = one_time(t, pairs + 2, &time[1]);
    if (error != 0)
        return error;
    bool now = pairs[1] == UTIME_NOW && pairs[3] == UTIME_NOW;
    if (time[0] == INT64_MIN && time[1] == INT64_MIN)
        return 0;
    struct vnode node = {0};
    struct file *f = NULL;
    if (addr == 0) { /* futimens */
        f = sys_file(t, dirfd);
        if (f == NULL || (f->flags & O_PATH) != 0)
            return -EBADF;
        node = f->node;
    } else {
        bool follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
        error = sys_walk(t, dirfd, addr, follow, (flags & AT_EMPTY_PATH) != 0, &found);
        if (error != 0)
            return error;
        node = found.node;
    }
    if (node.fs != NULL)
        error = vfs_set_times(&t->creds, node, time[0], time[1], now);
    uint32_t mask = time[0] == INT64_MIN ? IN_MODIFY : time[1] == INT64_MIN ? IN_ACCESS : IN_ATTRIB;
    if (error == 0 && f != NULL)
        inotify_tell_file(f, mask);
    if (error == 0 && addr != 0)
        tell_found(&found, mask);
    if (addr != 0)
        walk_done(&found);
    return error;
}

static const int64_t both_now[4] = {0, UTIME_NOW, 0, UTIME_NOW};

int64_t sys_utimensat(struct task *t, const uint64_t arg[6])
{
    int64_t pairs[4] = {0, UTIME_NOW, 0, UTIME_NOW};
    if ((arg[3] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    if (arg[2] != 0 && task_read(t, arg[2], pairs, sizeof(pairs)) != 0)
        return -EFAULT;
    if (arg[1] == 0 && (int32_t)arg[0] == AT_FDCWD)
        return -EFAULT;
    return set_times(t, arg[0], arg[1], arg[3], pairs);
}

/* Microseconds, without marks. */
static int64_t set_times_us(struct task *t, uint64_t dirfd, uint64_t addr, uint64_t times)
{
    int64_t pairs[4];
    if (times == 0)
        return set_times(t, dirfd, addr, 0, both_now);
    if (task_read(t, times, pairs, sizeof(pairs)) != 0)
        return -EFAULT;
    for (int i = 1; i < 4; i += 2) {
        if (pairs[i] < 0 || pairs[i] >= 1000000)
            return -EINVAL;
        pairs[i] *= 1000;
    }
    return set_times(t, dirfd, addr, 0, pairs);
}

int64_t sys_utimes(struct task *t, const uint64_t arg[6])
{
    return set_times_us(t, HERE, arg[0], arg[1]);
}

int64_t sys_futimesat(struct task *t, const uint64_t arg[6])
{
    return set_times_us(t, arg[0], arg[1], arg[2]);
}

int64_t sys_utime(struct task *t, const uint64_t arg[6])
{
    int64_t seconds[2];
    if (arg[1] == 0)
        return set_times(t, HERE, arg[0], 0, both_now);
    if (task_read(t, arg[1], seconds, sizeof(seconds)) != 0)
        return -EFAULT;
    const int64_t pairs[4] = {seconds[0], 0, seconds[1], 0};
    return set_times(t, HERE, arg[0], 0, pairs);
}

/* ---- To the disk: it is always there ---- */

static int64_t check_fd(struct task *t, uint64_t fd, bool seekable)
{
    const struct file *f = sys_file(t, fd);
    if (f == NULL || (f->flags & O_PATH) != 0)
        return -EBADF;
    return seekable && !f->ops->seekable && f->ops->readdir == NULL ? -EINVAL : 0;
}

int64_t sys_fsync(struct task *t, const uint64_t arg[6])
{
    return check_fd(t, arg[0], true);
}

int64_t sys_fdatasync(struct task *t, const uint64_t arg[6])
{
    return check_fd(t, arg[0], true);
}

int64_t sys_sync(struct task *t, const uint64_t arg[6])
{
    (void)t, (void)arg;
    return 0;
}

int64_t sys_syncfs(struct task *t, const uint64_t arg[6])
{
    return check_fd(t, arg[0], false);
}

int64_t sys_fadvise64(struct task *t, const uint64_t arg[6])
{
    int64_t error = check_fd(t, arg[0], true);
    if (error == 0 && arg[3] > 5)
        return -EINVAL;
    return error == -EINVAL ? -ESPIPE : error;
}

int64_t sys_readahead(struct task *t, const uint64_t arg[6])
{
    return check_fd(t, arg[0], true);
}
