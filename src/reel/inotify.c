/* An inotify descriptor, and its events as they are told. */
#include "reel/inotify_tree.h"

#include "reel/loop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 16 * 1024, EVENTS_FIRST = 32 };

/* ---- What is to be told. ---- */

static bool make_room(struct reel_inotify *in)
{
    if (in->event_count < in->event_cap)
        return true;
    size_t cap = in->event_cap ? 2 * in->event_cap : EVENTS_FIRST;
    struct reel_inotify_event *events =
        cap > REEL_INOTIFY_EVENTS_MAX
            ? NULL
            : reel_memory_resize(in->reactor, in->events, cap * sizeof(*events));
    if (!events)
        return false;
    in->events = events;
    in->event_cap = cap;
    return true;
}

void reel_inotify_push(struct reel_inotify *in, const struct watched *w, uint32_t mask,
                       uint32_t cookie, const char *name_z)
{
    if (make_room(in))
        in->events[in->event_count++] =
            (struct reel_inotify_event){mask, cookie, w->root->number, w->path_z, name_z};
    else
        in->lost = true;
}

static void forget_events(struct reel_inotify *in)
{
    while (in->names) {
        struct found_name *name = in->names;
        in->names = name->next;
        reel_memory_free(in->reactor, name);
    }
    reel_memory_free(in->reactor, in->events);
    in->events = NULL;
    in->event_count = in->event_cap = 0;
    in->lost = false;
}

static void inotify_destroy(struct reel_inotify *in)
{
    reel_watch_stop(&in->watch);
    if (in->fd >= 0)
        close(in->fd);
    forget_events(in);
    for (size_t i = 0; i < in->count; i++)
        reel_memory_free(in->reactor, in->table[i]);
    reel_inotify_bury(in);
    reel_memory_free(in->reactor, in->table);
    list_remove(&in->part.link);
    reel_memory_free(in->reactor, in);
}

/* The object may be gone after it. */
static void tell(struct reel_inotify *in)
{
    static const struct reel_inotify_event lost = {
        .mask = IN_Q_OVERFLOW, .watch = -1, .path_z = "", .name_z = ""};
    if (in->event_count)
        in->options.events(in, in->events, in->event_count);
    if (in->lost && !in->freed)
        in->options.events(in, &lost, 1);
    in->in_turn = false;
    if (in->freed) {
        inotify_destroy(in);
        return;
    }
    forget_events(in);
    reel_inotify_bury(in);
}

/* ---- What the kernel tells. ---- */

static void on_over(struct reel_inotify *in, struct watched *w)
{
    if (w->root != w) {
        reel_inotify_drop_one(in, w);
        return;
    }
    reel_inotify_push(in, w, IN_IGNORED, 0, "");
    reel_inotify_drop_root(in, w);
}

static void on_tree_changed(struct reel_inotify *in, struct watched *w, uint32_t mask,
                            const char *name_z)
{
    if (w->root == w && (mask & IN_MOVE_SELF)) { /* its paths are no longer right */
        on_over(in, w);
        return;
    }
    if (!(mask & IN_ISDIR) || !*name_z)
        return;
    if (mask & IN_MOVED_FROM)
        reel_inotify_folder_went(in, w, name_z);
    else if (mask & (IN_CREATE | IN_MOVED_TO))
        reel_inotify_folder_came(in, w, name_z);
}

static void on_event(struct reel_inotify *in, const struct inotify_event *event)
{
    const char *name_z = event->len ? event->name : "";
    if (event->mask & IN_Q_OVERFLOW) {
        in->lost = true;
        reel_inotify_rebuild(in);
        return;
    }
    struct watched *w = reel_inotify_find(in, event->wd);
    if (!w)
        return; /* not watched any more */
    if (event->mask & IN_IGNORED) {
        on_over(in, w);
        return;
    }
    if (event->mask & (w->root->mask | IN_UNMOUNT) & (IN_ALL_EVENTS | IN_UNMOUNT))
        reel_inotify_push(in, w, event->mask, event->cookie, name_z);
    if (w->is_tree)
        on_tree_changed(in, w, event->mask, name_z);
}

static void on_ready(struct reel_watch *watch, uint32_t events)
{
    (void)events;
    struct reel_inotify *in = CONTAINER_OF(watch, struct reel_inotify, watch);
    _Alignas(struct inotify_event) char bytes[READ_BYTES];
    ssize_t len = read(in->fd, bytes, sizeof(bytes));
    in->in_turn = true;
    for (ssize_t at = 0; at < len;) {
        const struct inotify_event *event = (const struct inotify_event *)(void *)(bytes + at);
        on_event(in, event);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    tell(in);
}

/* ---- The object. ---- */

static void part_info(const struct reactor_part *part, struct reel_handle_info *out)
{
    const struct reel_inotify *in = CONTAINER_OF(part, struct reel_inotify, part);
    *out = (struct reel_handle_info){REEL_HANDLE_INOTIFY, "inotify", in->fd, in};
}

static void part_end(struct reactor_part *part)
{
    inotify_destroy(CONTAINER_OF(part, struct reel_inotify, part));
}

static int open_inotify(struct reel_inotify *in)
{
    in->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (in->fd < 0)
        return -errno;
    return reel_watch_start(&in->watch, in->reactor, in->fd, EPOLLIN, on_ready);
}

/* Parent and child must not take each other's events. */
static int part_after_fork(struct reactor_part *part)
{
    struct reel_inotify *in = CONTAINER_OF(part, struct reel_inotify, part);
    reel_watch_stop(&in->watch);
    close(in->fd);
    int err = open_inotify(in);
    if (err < 0)
        return err;
    reel_inotify_rebuild(in);
    forget_events(in);
    reel_inotify_bury(in);
    return 0;
}

static const struct part_ops part_ops = {part_info, part_end, part_after_fork};

int reel_inotify_new(struct reel_reactor *r, const struct reel_inotify_options *options,
                     struct reel_inotify **out)
{
    if (r->ending)
        return -ECANCELED;
    if (r->wake_fd < 0)
        return -EOPNOTSUPP;
    if (!options->events)
        return -EINVAL;
    struct reel_inotify *in = reel_memory_new_zeroed(r, sizeof(*in));
    if (!in)
        return -ENOMEM;
    in->reactor = r;
    in->options = *options;
    if (!in->options.watches_max)
        in->options.watches_max = REEL_INOTIFY_WATCHES_DEFAULT;
    if (!in->options.depth_max)
        in->options.depth_max = REEL_INOTIFY_DEPTH_DEFAULT;
    list_init(&in->due);
    list_init(&in->dead);
    int err = open_inotify(in);
    if (err < 0) {
        if (in->fd >= 0)
            close(in->fd);
        reel_memory_free(r, in);
        return err;
    }
    reel_part_join(r, &in->part, &part_ops);
    *out = in;
    return 0;
}

int reel_inotify_add(struct reel_inotify *in, const char *path_z, uint32_t mask, bool tree)
{
    if (in->freed || !(mask & IN_ALL_EVENTS) || (tree && (mask & IN_ONESHOT)))
        return -EINVAL;
    int number = reel_inotify_add_root(in, path_z, mask, tree);
    if (!in->in_turn)
        reel_inotify_bury(in);
    return number;
}

void reel_inotify_remove(struct reel_inotify *in, int watch)
{
    struct watched *root = reel_inotify_find_root(in, watch);
    if (root)
        reel_inotify_drop_root(in, root);
    if (!in->in_turn)
        reel_inotify_bury(in);
}

void *reel_inotify_shared(const struct reel_inotify *in)
{
    return in->options.shared;
}

size_t reel_inotify_count(const struct reel_inotify *in)
{
    return in->count;
}

void reel_inotify_free(struct reel_inotify *in)
{
    if (!in || in->freed)
        return;
    in->freed = true;
    reel_watch_stop(&in->watch);
    if (!in->in_turn)
        inotify_destroy(in);
}
