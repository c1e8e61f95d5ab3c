#include "kernel/inotify.h"

#include "kernel/abi.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    EVENT_HEAD = 16,              /* bytes of struct event_head */
    EVENT_NAME_UNIT = EVENT_HEAD, /* names are padded with NULs to multiples of it */
};

static const uint32_t known_bits = IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED |
                                   IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE |
                                   IN_MASK_ADD | IN_ISDIR | IN_ONESHOT;

struct inotify;

struct watch {
    struct hash_link link; /* in vfs.watches, key: the inode's number; first */
    struct vnode node;     /* held */
    struct inotify *owner;
    struct watch *next; /* of its owner */
    int32_t wd;
    uint32_t mask;
};

/* struct inotify_event. */
struct event_head {
    int32_t wd;
    uint32_t mask, cookie, len;
};

struct event {
    struct event *next;
    struct event_head head; /* as programs read it, then the padded name */
    char name[];
};

struct inotify {
    struct vfs *vfs;
    struct watch *watches;
    struct event *first, *last;
    uint32_t events;
    uint64_t bytes;
    int32_t last_wd;
};

/* ---- Events ---- */

static bool is_same(const struct event *e, int32_t wd, uint32_t mask, struct span name)
{
    return e->head.wd == wd && e->head.mask == mask &&
           (name.len > 0 ? e->head.len > 0 && span_equal_z(name, e->name) : e->head.len == 0);
}

static struct event *event_new(int32_t wd, uint32_t mask, uint32_t cookie, struct span name)
{
    size_t len = name.len > 0 ? (name.len / EVENT_NAME_UNIT + 1) * EVENT_NAME_UNIT : 0;
    struct event *e = calloc(1, sizeof(*e) + len);
    if (e == NULL)
        return NULL;
    e->head = (struct event_head){.wd = wd, .mask = mask, .cookie = cookie, .len = (uint32_t)len};
    if (name.len > 0)
        memcpy(e->name, name.data, name.len);
    return e;
}

/* What is the same as the last one is dropped, and what there is no room for: the reader hears that
 * once. */
static void queue(struct inotify *n, int32_t wd, uint32_t mask, uint32_t cookie, struct span name)
{
    if (n->last != NULL && is_same(n->last, wd, mask, name))
        return;
    if (n->events >= INOTIFY_EVENTS_MAX || n->vfs->watch_events >= INOTIFY_ALL_EVENTS_MAX) {
        if (n->last == NULL || n->last->head.mask == IN_Q_OVERFLOW)
            return;
        wd = -1;
        mask = IN_Q_OVERFLOW;
        cookie = 0;
        name = (struct span){0};
    }
    struct event *e = event_new(wd, mask, cookie, name);
    if (e == NULL)
        return;
    if (n->last != NULL)
        n->last->next = e;
    else
        n->first = e;
    n->last = e;
    n->events++;
    n->vfs->watch_events++;
    n->bytes += EVENT_HEAD + e->head.len;
    vfs_wake(n->vfs, n);
}

static void drop_first(struct inotify *n)
{
    struct event *e = n->first;
    n->first = e->next;
    if (n->first == NULL)
        n->last = NULL;
    n->events--;
    n->vfs->watch_events--;
    n->bytes -= EVENT_HEAD + e->head.len;
    free(e);
}

/* ---- Watches ---- */

static void watch_free(struct watch *w)
{
    struct watch **at = &w->owner->watches;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    hash_remove(&w->owner->vfs->watches, &w->link);
    vnode_drop(w->node);
    free(w);
}

static void watch_end(struct watch *w)
{
    queue(w->owner, w->wd, IN_IGNORED, 0, (struct span){0});
    watch_free(w);
}

static void watch_tell(struct watch *w, struct span name, uint32_t mask, uint32_t cookie)
{
    uint32_t what = mask & w->mask & IN_ALL_EVENTS;
    if (what == 0)
        return;
    /* An inode's own end and move do not say that it is a directory. */
    uint32_t more = (what & (IN_DELETE_SELF | IN_MOVE_SELF)) == 0 ? mask & IN_ISDIR : 0;
    queue(w->owner, w->wd, what | more, cookie, name);
    if ((w->mask & IN_ONESHOT) != 0)
        watch_end(w);
}

static void tell(struct vnode node, struct span name, uint32_t mask, uint32_t cookie, bool linked)
{
    if (node.fs == NULL || node.fs->vfs->watches.count == 0)
        return;
    struct hash_link *next = NULL;
    for (struct hash_link *l = hash_find(&node.fs->vfs->watches, node.ino); l != NULL; l = next) {
        struct watch *w = (struct watch *)l;
        next = hash_find_next(l);
        if (vnode_is_same_file(w->node, node) && (linked || (w->mask & IN_EXCL_UNLINK) == 0))
            watch_tell(w, name, mask, cookie);
    }
}

void inotify_tell_dir(struct vnode dir, struct span name, uint32_t mask, uint32_t cookie)
{
    tell(dir, name, mask, cookie, true);
}

void inotify_tell_node(struct vnode node, uint32_t mask)
{
    tell(node, (struct span){0}, mask, 0, true);
}

void inotify_tell(struct vnode node, struct vnode dir, struct span name, uint32_t mask)
{
    tell(dir, name, mask, 0, true);
    tell(node, (struct span){0}, mask, 0, true);
}

/* A directory is opened without its name: that is looked up. */
static void tell_open_dir(const struct file *f, uint32_t mask)
{
    char name[VFS_NAME_MAX + 1];
    struct fs *fs = f->node.fs;
    struct vnode parent = {.fs = fs};
    int64_t len = 0;
    if (f->node.ino != fs->root && fs->ops->name_of != NULL &&
        fs->ops->parent(fs, f->node.ino, &parent.ino) == 0)
        len = fs->ops->name_of(fs, parent.ino, f->node.ino, name, sizeof(name));
    if (len > 0)
        tell(parent, span_of(name, (size_t)len), mask | IN_ISDIR, 0, true);
    inotify_tell_node(f->node, mask | IN_ISDIR);
}

void inotify_tell_file(struct file *f, uint32_t mask)
{
    struct vnode dir = f->dir;
    uint64_t ino = 0;
    if (f->node.fs == NULL || f->vfs->watches.count == 0 || (f->flags & O_PATH) != 0)
        return;
    if (f->ops->readdir != NULL) {
        tell_open_dir(f, mask);
        return;
    }
    bool linked =
        dir.fs != NULL && dir.fs->ops->find(dir.fs, NULL, dir.ino, span_z(f->name_z), &ino) == 0;
    tell(dir, span_z(f->name_z), mask, 0, linked);
    inotify_tell_node(f->node, mask);
}

void inotify_on_lost(struct vnode node)
{
    struct file_stat st;
    uint32_t watchers = 0;
    struct hash_link *l = NULL, *next = NULL;
    if (node.fs == NULL || node.fs->vfs->watches.count == 0 || node.fs->ops->holds == NULL)
        return;
    for (l = hash_find(&node.fs->vfs->watches, node.ino); l != NULL; l = hash_find_next(l))
        watchers += vnode_is_same_file(((struct watch *)l)->node, node);
    if (watchers == 0 || vnode_stat(node, &st) != 0 || st.nlink > 0 ||
        node.fs->ops->holds(node.fs, node.ino) > watchers)
        return;
    for (l = hash_find(&node.fs->vfs->watches, node.ino); l != NULL; l = next) {
        struct watch *w = (struct watch *)l;
        next = hash_find_next(l);
        if (!vnode_is_same_file(w->node, node))
            continue;
        if ((w->mask & IN_DELETE_SELF) != 0)
            queue(w->owner, w->wd, IN_DELETE_SELF, 0, (struct span){0});
        watch_end(w);
    }
}

uint32_t inotify_new_cookie(struct vfs *vfs)
{
    return ++vfs->watch_cookie;
}

/* ---- The descriptor ---- */

static struct event_head in_order(const struct task *t, const struct event_head *head)
{
    if (t == NULL || !task_abi(t)->big_endian)
        return *head;
    return (struct event_head){(int32_t)__builtin_bswap32((uint32_t)head->wd),
                               __builtin_bswap32(head->mask), __builtin_bswap32(head->cookie),
                               __builtin_bswap32(head->len)};
}

static int64_t inotify_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)at;
    struct inotify *n = f->object;
    size_t done = 0;
    if (n->first == NULL)
        return -EAGAIN;
    while (n->first != NULL && n->first->head.len + EVENT_HEAD <= len - done) {
        const struct event *e = n->first;
        const struct event_head head = in_order(t, &e->head);
        memcpy((uint8_t *)out + done, &head, EVENT_HEAD);
        memcpy((uint8_t *)out + done + EVENT_HEAD, e->name, e->head.len);
        done += EVENT_HEAD + e->head.len;
        drop_first(n);
    }
    return done > 0 ? (int64_t)done : -EINVAL;
}

static unsigned inotify_poll(struct file *f)
{
    const struct inotify *n = f->object;
    return n->first != NULL ? POLLIN | POLLRDNORM : 0;
}

static int64_t inotify_ioctl(struct file *f, struct task *t, uint32_t command, uint64_t arg)
{
    const struct inotify *n = f->object;
    return command == FIONREAD ? task_write_u32(t, arg, (uint32_t)n->bytes) : -ENOTTY;
}

static void inotify_close(struct file *f)
{
    struct inotify *n = f->object;
    while (n->watches != NULL)
        watch_free(n->watches);
    while (n->first != NULL)
        drop_first(n);
    n->vfs->watchers--;
    free(n);
}

static const struct file_ops inotify_ops = {.rewinds = true,
                                            .seekable = true,
                                            .read = inotify_read,
                                            .poll = inotify_poll,
                                            .ioctl = inotify_ioctl,
                                            .stat = sys_anonymous_stat,
                                            .close = inotify_close};

/* ---- Calls ---- */

int64_t sys_inotify_init1(struct task *t, const uint64_t arg[6])
{
    struct vfs *vfs = t->fs->vfs;
    int error = 0;
    if ((arg[0] & ~(uint64_t)(IN_CLOEXEC | IN_NONBLOCK)) != 0)
        return -EINVAL;
    if (vfs->watchers >= INOTIFY_INSTANCES_MAX)
        return -EMFILE;
    struct inotify *n = calloc(1, sizeof(*n));
    if (n == NULL)
        return -ENOMEM;
    n->vfs = vfs;
    vfs->watchers++;
    struct file *f = file_new(vfs, &inotify_ops, n, (uint32_t)arg[0] & O_NONBLOCK, &error);
    if (f == NULL)
        return error;
    f->kind_z = "anon_inode:inotify";
    return sys_install(t, f, (arg[0] & IN_CLOEXEC) != 0);
}

int64_t sys_inotify_init(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    const uint64_t none[6] = {0};
    return sys_inotify_init1(t, none);
}

static struct watch *watch_of(const struct inotify *n, struct vnode node)
{
    for (struct watch *w = n->watches; w != NULL; w = w->next)
        if (vnode_is_same_file(w->node, node))
            return w;
    return NULL;
}

static int64_t watch_change(struct watch *w, uint32_t mask)
{
    if ((mask & IN_MASK_CREATE) != 0)
        return -EEXIST;
    uint32_t kept = mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK);
    w->mask = (mask & IN_MASK_ADD) != 0 ? w->mask | kept : kept;
    return w->wd;
}

static int64_t watch_new(struct inotify *n, struct vnode node, uint32_t mask)
{
    if (n->vfs->watches.count >= INOTIFY_WATCHES_MAX)
        return -ENOSPC;
    struct watch *w = calloc(1, sizeof(*w));
    if (w == NULL || vnode_hold(node) != 0) {
        free(w);
        return -ENOMEM;
    }
    if (hash_add(&n->vfs->watches, &w->link, node.ino) != 0) {
        vnode_drop(node);
        free(w);
        return -ENOMEM;
    }
    w->node = node;
    w->owner = n;
    w->next = n->watches;
    n->watches = w;
    w->wd = n->last_wd = n->last_wd < INT32_MAX ? n->last_wd + 1 : 1;
    w->mask = mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK);
    return w->wd;
}

int64_t sys_inotify_add_watch(struct task *t, const uint64_t arg[6])
{
    struct walk_found found;
    struct file *f = sys_file(t, arg[0]);
    uint32_t mask = (uint32_t)arg[2];
    if ((mask & ~known_bits) != 0 || (mask & known_bits) == 0)
        return -EINVAL;
    if (f == NULL)
        return -EBADF;
    if ((mask & IN_MASK_ADD) != 0 && (mask & IN_MASK_CREATE) != 0)
        return -EINVAL;
    if (f->ops != &inotify_ops)
        return -EINVAL;
    int64_t result =
        sys_walk(t, (uint64_t)AT_FDCWD, arg[1], (mask & IN_DONT_FOLLOW) == 0, false, &found);
    if (result != 0)
        return result;
    if ((mask & IN_ONLYDIR) != 0 && !S_ISDIR(found.stat.mode))
        result = -ENOTDIR;
    else if (found.node.fs == NULL)
        result = -EACCES;
    else
        result = vfs_may(&t->creds, found.node.fs, &found.stat, R_OK);
    if (result == 0) {
        struct watch *w = watch_of(f->object, found.node);
        result = w != NULL ? watch_change(w, mask) : watch_new(f->object, found.node, mask);
    }
    walk_done(&found);
    return result;
}

int64_t sys_inotify_rm_watch(struct task *t, const uint64_t arg[6])
{
    const struct file *f = sys_file(t, arg[0]);
    if (f == NULL)
        return -EBADF;
    if (f->ops != &inotify_ops)
        return -EINVAL;
    const struct inotify *n = f->object;
    for (struct watch *w = n->watches; w != NULL; w = w->next) {
        if (w->wd == (int32_t)arg[1]) {
            watch_end(w);
            return 0;
        }
    }
    return -EINVAL;
}
