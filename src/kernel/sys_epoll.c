/* epoll(7). An item is known to its epoll and to the file it watches, so that closing either ends
 * it. */
#include "kernel/machine.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    EPOLL_ITEMS_MAX = 1024,
    EPOLL_ADD = 1,
    EPOLL_DEL = 2,
    EPOLL_MOD = 3,
    EPOLL_EVENT_BYTES = 12, /* packed on x86-64 */
    EPOLL_DEPTH_MAX = 5,    /* epolls that watch epolls */
    EPOLL_ITEM_COST = 4,    /* instructions */
    EPOLL_ASKED_MAX = 1024, /* items below one that is asked: each may be reached in many ways */
};
#define EPOLL_ONESHOT (1u << 30)
#define EPOLL_EDGE    (1u << 31)

struct epoll_item {
    struct epoll *epoll;
    struct epoll_item *next;         /* of the epoll */
    struct epoll_item *next_watcher; /* of the file */
    struct file *file;
    int fd;
    uint32_t events;
    uint32_t told; /* EPOLLET: what output was told and has not ceased since */
    uint8_t data[8];
    bool off; /* EPOLLONESHOT has fired */
};

struct epoll {
    struct epoll_item *items;
    size_t count;
};

static void unwatch(struct epoll_item *item)
{
    struct epoll_item **place = &item->file->watchers;
    while (*place != item)
        place = &(*place)->next_watcher;
    *place = item->next_watcher;
}

static void item_free(struct epoll_item *item)
{
    struct epoll_item **place = &item->epoll->items;
    while (*place != item)
        place = &(*place)->next;
    *place = item->next;
    item->epoll->count--;
    unwatch(item);
    free(item);
}

void epoll_forget_file(struct file *f)
{
    while (f->watchers != NULL)
        item_free(f->watchers);
}

static uint32_t ready_of(struct epoll_item *item, int64_t *sooner_ns)
{
    uint32_t mask = item->events | POLLERR | POLLHUP;
    return item->off ? 0 : sys_poll_file(item->file, sooner_ns) & mask;
}

/* Being writable is a state that lasts: told once with EPOLLET. Input is told each time it is
 * there: a program that reads until -EAGAIN sees no difference. */
static uint32_t edges(struct epoll_item *item, uint32_t ready)
{
    const uint32_t lasting = POLLOUT | POLLWRNORM | POLLHUP | POLLERR;
    if ((item->events & EPOLL_EDGE) == 0)
        return ready;
    uint32_t fresh = ready & ~(item->told & lasting);
    item->told = ready;
    return fresh;
}

static bool any_ready(struct vfs *vfs, const struct epoll *e)
{
    int64_t sooner = INT64_MAX;
    for (struct epoll_item *item = e->items; item != NULL; item = item->next) {
        if (vfs->epoll_asked++ >= EPOLL_ASKED_MAX)
            return false;
        if (ready_of(item, &sooner) != 0)
            return true;
    }
    return false;
}

/* It may watch others, and they others again: how far that goes is bounded here, for what stands
 * below may change after it was added. */
static unsigned epoll_poll(struct file *f)
{
    struct vfs *vfs = f->vfs;
    if (vfs->epoll_depth == 0)
        vfs->epoll_asked = 0;
    if (vfs->epoll_depth >= EPOLL_DEPTH_MAX)
        return 0;
    vfs->epoll_depth++;
    bool ready = any_ready(vfs, f->object);
    vfs->epoll_depth--;
    if (vfs->epoll_depth == 0 && vfs->kernel != NULL)
        kernel_charge(vfs->kernel, (uint64_t)vfs->epoll_asked * EPOLL_ITEM_COST);
    return ready ? POLLIN | POLLRDNORM : 0;
}

static void epoll_close(struct file *f)
{
    struct epoll *e = f->object;
    while (e->items != NULL)
        item_free(e->items);
    free(e);
}

int sys_anonymous_stat(struct file *f, struct file_stat *out)
{
    int64_t boot = f->vfs->boot_ns;
    *out = (struct file_stat){.dev = FS_DEV(0, 14),
                              .ino = 1057,
                              .mode = 0600,
                              .nlink = 1,
                              .blksize = 4096,
                              .atime_ns = boot,
                              .mtime_ns = boot,
                              .ctime_ns = boot,
                              .btime_ns = boot};
    return 0;
}

static const struct file_ops epoll_ops = {
    .poll = epoll_poll, .close = epoll_close, .stat = sys_anonymous_stat};

static int64_t create(struct task *t, uint64_t flags)
{
    int error = 0;
    if ((flags & ~(uint64_t)O_CLOEXEC) != 0)
        return -EINVAL;
    struct epoll *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return -ENOMEM;
    struct file *f = file_new(t->fs->vfs, &epoll_ops, e, O_RDWR, &error);
    if (f == NULL)
        return error;
    f->kind_z = "anon_inode:[eventpoll]";
    return sys_install(t, f, (flags & O_CLOEXEC) != 0);
}

int64_t sys_epoll_create(struct task *t, const uint64_t arg[6])
{
    return (int32_t)arg[0] > 0 ? create(t, 0) : -EINVAL;
}

int64_t sys_epoll_create1(struct task *t, const uint64_t arg[6])
{
    return create(t, (uint32_t)arg[0]);
}

static struct epoll_item *find(const struct epoll *e, const struct file *f, int fd)
{
    struct epoll_item *item = e->items;
    while (item != NULL && (item->file != f || item->fd != fd))
        item = item->next;
    return item;
}

/* How deep epolls stand below `f`; a circle, or more than can be looked through, shows as more than
 * the maximum. */
static int depth_of(const struct file *f, const struct epoll *top, int depth, uint32_t *seen)
{
    if (f->ops != &epoll_ops || depth > EPOLL_DEPTH_MAX)
        return depth;
    const struct epoll *e = f->object;
    if (e == top)
        return EPOLL_DEPTH_MAX + 1;
    int most = depth;
    for (const struct epoll_item *item = e->items; item != NULL; item = item->next) {
        if (++*seen > EPOLL_ASKED_MAX)
            return EPOLL_DEPTH_MAX + 1;
        int below = depth_of(item->file, top, depth + 1, seen);
        most = below > most ? below : most;
    }
    return most;
}

static int64_t add(struct epoll *e, struct file *f, int fd, uint32_t events, const uint8_t data[8])
{
    if (e->count >= EPOLL_ITEMS_MAX)
        return -ENOSPC;
    uint32_t seen = 0;
    if (depth_of(f, e, 1, &seen) > EPOLL_DEPTH_MAX)
        return -ELOOP;
    struct epoll_item *item = calloc(1, sizeof(*item));
    if (item == NULL)
        return -ENOMEM;
    *item = (struct epoll_item){.epoll = e,
                                .next = e->items,
                                .next_watcher = f->watchers,
                                .file = f,
                                .fd = fd,
                                .events = events};
    memcpy(item->data, data, sizeof(item->data));
    e->items = item;
    f->watchers = item;
    e->count++;
    return 0;
}

int64_t sys_epoll_ctl(struct task *t, const uint64_t arg[6])
{
    struct file *ef = sys_file(t, arg[0]), *f = sys_file(t, arg[2]);
    uint8_t event[EPOLL_EVENT_BYTES] = {0};
    uint32_t events = 0;
    if (ef == NULL || f == NULL)
        return -EBADF;
    if ((int32_t)arg[1] != EPOLL_DEL && task_read(t, arg[3], event, sizeof(event)) != 0)
        return -EFAULT;
    if (f->ops->poll == NULL) /* regular files and directories */
        return -EPERM;
    if (ef == f || ef->ops != &epoll_ops)
        return -EINVAL;
    struct epoll_item *item = find(ef->object, f, (int32_t)arg[2]);
    memcpy(&events, event, sizeof(events));
    kernel_wake(t->kernel, ef);
    switch ((int32_t)arg[1]) {
    case EPOLL_ADD:
        return item != NULL ? -EEXIST : add(ef->object, f, (int32_t)arg[2], events, event + 4);
    case EPOLL_DEL:
        if (item != NULL)
            item_free(item);
        return item != NULL ? 0 : -ENOENT;
    case EPOLL_MOD:
        if (item == NULL)
            return -ENOENT;
        item->events = events;
        item->off = false;
        item->told = 0;
        memcpy(item->data, event + 4, sizeof(item->data));
        return 0;
    default: return -EINVAL;
    }
}

static int64_t collect(struct task *t, struct epoll *e, uint64_t addr, int64_t max,
                       int64_t *sooner_ns)
{
    int64_t n = 0;
    for (struct epoll_item *item = e->items; item != NULL && n < max; item = item->next) {
        uint8_t event[EPOLL_EVENT_BYTES];
        uint32_t ready = edges(item, ready_of(item, sooner_ns));
        if (ready == 0)
            continue;
        memcpy(event, &ready, sizeof(ready));
        memcpy(event + 4, item->data, sizeof(item->data));
        if (task_write(t, addr + (uint64_t)n * sizeof(event), event, sizeof(event)) != 0)
            return n > 0 ? n : -EFAULT;
        item->off = (item->events & EPOLL_ONESHOT) != 0;
        n++;
    }
    return n;
}

static int64_t wait_for(struct task *t, const uint64_t arg[6], int64_t timeout_ns)
{
    const struct file *ef = sys_file(t, arg[0]);
    int64_t sooner = INT64_MAX;
    if ((int32_t)arg[2] <= 0)
        return -EINVAL;
    if (ef == NULL)
        return -EBADF;
    if (ef->ops != &epoll_ops)
        return -EINVAL;
    int64_t n = collect(t, ef->object, arg[1], (int32_t)arg[2], &sooner);
    if (n != 0)
        return n;
    int64_t result = sys_wait_ready(t, timeout_ns, sooner);
    return result == -ERESTARTNOHAND ? -EINTR : result;
}

static int64_t ms_to_ns(uint64_t arg)
{
    int32_t ms = (int32_t)arg;
    return ms < 0 ? -1 : (int64_t)ms * 1000000;
}

int64_t sys_epoll_wait(struct task *t, const uint64_t arg[6])
{
    return wait_for(t, arg, ms_to_ns(arg[3]));
}

int64_t sys_epoll_pwait(struct task *t, const uint64_t arg[6])
{
    int64_t error = sys_mask_for_call(t, arg[4], arg[5]);
    return error != 0 ? error : wait_for(t, arg, ms_to_ns(arg[3]));
}

int64_t sys_epoll_pwait2(struct task *t, const uint64_t arg[6])
{
    int64_t timeout = -1;
    int64_t error = sys_timespec_ns(t, arg[3], &timeout);
    if (error == 0)
        error = sys_mask_for_call(t, arg[4], arg[5]);
    return error != 0 ? error : wait_for(t, arg, timeout);
}
