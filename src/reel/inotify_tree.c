#include "reel/inotify_tree.h"

#include "reel/loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TABLE_FIRST = 8 };

/* ---- The table. ---- */

/* The place of the first that is not below `wd`. */
static size_t place_of(const struct reel_inotify *in, int wd)
{
    size_t low = 0, high = in->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (in->table[middle]->wd < wd)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct watched *reel_inotify_find(const struct reel_inotify *in, int wd)
{
    size_t at = place_of(in, wd);
    return at < in->count && in->table[at]->wd == wd ? in->table[at] : NULL;
}

struct watched *reel_inotify_find_root(const struct reel_inotify *in, int number)
{
    for (size_t i = 0; i < in->count; i++)
        if (in->table[i]->root == in->table[i] && in->table[i]->number == number)
            return in->table[i];
    return NULL;
}

static int make_room(struct reel_inotify *in)
{
    if (in->count >= in->options.watches_max)
        return -ENOSPC;
    if (in->count < in->cap)
        return 0;
    size_t cap = in->cap ? 2 * in->cap : TABLE_FIRST;
    struct watched **table =
        reel_memory_resize(in->reactor, in->table, cap * sizeof(struct watched *));
    if (!table)
        return -ENOMEM;
    in->table = table;
    in->cap = cap;
    return 0;
}

/* Numbers rise, so mostly it is the last. There is room. */
static void put(struct reel_inotify *in, struct watched *w)
{
    size_t at = place_of(in, w->wd);
    memmove(&in->table[at + 1], &in->table[at], (in->count - at) * sizeof(struct watched *));
    in->table[at] = w;
    in->count++;
}

static void kill_watched(struct reel_inotify *in, struct watched *w)
{
    list_remove(&w->due);
    list_put(&in->dead, &w->due);
}

void reel_inotify_bury(struct reel_inotify *in)
{
    struct reel_link *link = NULL;
    while ((link = list_take(&in->dead)))
        reel_memory_free(in->reactor, CONTAINER_OF(link, struct watched, due));
}

/* ---- Less. ---- */

static bool is_at_or_below(const char *path_z, const char *top_z)
{
    size_t len = strlen(top_z);
    if (strncmp(path_z, top_z, len) != 0)
        return false;
    return !path_z[len] || path_z[len] == '/' || (len && top_z[len - 1] == '/');
}

void reel_inotify_drop_below(struct reel_inotify *in, struct watched *root, const char *path_z)
{
    size_t kept = 0;
    for (size_t i = 0; i < in->count; i++) {
        struct watched *w = in->table[i];
        if (w->root == root && is_at_or_below(w->path_z, path_z)) {
            inotify_rm_watch(in->fd, (uint32_t)w->wd);
            kill_watched(in, w);
        } else {
            in->table[kept++] = w;
        }
    }
    in->count = kept;
}

void reel_inotify_drop_root(struct reel_inotify *in, struct watched *root)
{
    reel_inotify_drop_below(in, root, root->path_z);
}

void reel_inotify_drop_one(struct reel_inotify *in, struct watched *w)
{
    size_t at = place_of(in, w->wd);
    in->count--;
    memmove(&in->table[at], &in->table[at + 1], (in->count - at) * sizeof(struct watched *));
    kill_watched(in, w);
}

/* ---- More. ---- */

static uint32_t kernel_mask(const struct watched *w)
{
    uint32_t mask = w->root->mask | IN_MASK_CREATE;
    if (w->is_tree)
        mask |= IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;
    if (w->is_tree && w->root == w)
        mask |= IN_MOVE_SELF;
    return w->root == w ? mask : mask | IN_DONT_FOLLOW;
}

static int attach(struct reel_inotify *in, struct watched *w)
{
    w->wd = inotify_add_watch(in->fd, w->path_z, kernel_mask(w));
    if (w->wd < 0)
        return -errno;
    put(in, w);
    if (w->is_tree)
        list_put(&in->due, &w->due);
    return 0;
}

static struct watched *watched_new(struct reel_inotify *in, const char *path_z, size_t len)
{
    struct watched *w = reel_memory_new_zeroed(in->reactor, sizeof(*w) + len + 1);
    if (w)
        memcpy(w->path_z, path_z, len);
    return w;
}

/* The path of what is in a folder; false: too long. */
static bool join(char out_z[PATH_MAX], const char *folder_z, const char *name_z)
{
    size_t len = strlen(folder_z);
    const char *slash_z = len && folder_z[len - 1] == '/' ? "" : "/";
    int n = snprintf(out_z, PATH_MAX, "%s%s%s", folder_z, slash_z, name_z);
    return n >= 0 && n < PATH_MAX;
}

/* 1: a folder, and now it is watched; 0: it is none, or it is gone, or may not be read, or somebody
 * else's (but not while a root is being added); or -errno. */
static int adopt(struct reel_inotify *in, struct watched *parent, const char *name_z, bool tells)
{
    char path_z[PATH_MAX];
    if (!join(path_z, parent->path_z, name_z))
        return -ENAMETOOLONG;
    int err = make_room(in);
    struct watched *w = err < 0 ? NULL : watched_new(in, path_z, strlen(path_z));
    if (!w)
        return err < 0 ? err : -ENOMEM;
    w->root = parent->root;
    w->depth = parent->depth + 1;
    w->is_tree = true;
    w->tells = tells;
    err = w->depth > in->options.depth_max ? -ENOSPC : attach(in, w);
    if (err == 0)
        return 1;
    reel_memory_free(in->reactor, w);
    bool nothing = err == -ENOENT || err == -ENOTDIR || err == -EACCES || err == -ELOOP;
    return nothing || (err == -EEXIST && parent->root->number) ? 0 : err;
}

static const char *keep_name(struct reel_inotify *in, const char *name_z)
{
    size_t size = strlen(name_z) + 1;
    struct found_name *name = reel_memory_new(in->reactor, sizeof(*name) + size);
    if (!name)
        return NULL;
    name->next = in->names;
    in->names = name;
    return memcpy(name->name_z, name_z, size);
}

static void tell_found(struct reel_inotify *in, const struct watched *w, const char *found_z,
                       bool is_folder)
{
    if (!w->tells || !(w->root->mask & IN_CREATE))
        return;
    const char *name_z = in->event_count < REEL_INOTIFY_EVENTS_MAX ? keep_name(in, found_z) : NULL;
    if (name_z)
        reel_inotify_push(in, w, IN_CREATE | (is_folder ? IN_ISDIR : 0u), 0, name_z);
    else
        in->lost = true;
}

static bool is_dots(const char *name_z)
{
    return strcmp(name_z, ".") == 0 || strcmp(name_z, "..") == 0;
}

static int look_through(struct reel_inotify *in, struct watched *w)
{
    int no_link = w->root == w ? 0 : O_NOFOLLOW;
    int fd = open(w->path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | no_link);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        int err = -errno;
        if (fd >= 0)
            close(fd);
        return err == -ENOENT || err == -ENOTDIR || err == -EACCES || err == -ELOOP ? 0 : err;
    }
    int err = 0;
    for (struct dirent *entry = NULL; err >= 0 && (entry = readdir(folder));) {
        if (is_dots(entry->d_name))
            continue;
        err = 0;
        if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)
            err = adopt(in, w, entry->d_name, w->tells);
        tell_found(in, w, entry->d_name, entry->d_type == DT_DIR || err == 1);
    }
    closedir(folder);
    return err < 0 ? err : 0;
}

/* All that is due, and what comes to it; of a tree that is new, up to the first that fails. */
static int look_through_all(struct reel_inotify *in, bool all_or_none)
{
    struct reel_link *link = NULL;
    int err = 0;
    while ((err == 0 || !all_or_none) && (link = list_take(&in->due))) {
        struct watched *w = CONTAINER_OF(link, struct watched, due);
        err = look_through(in, w);
        if (err < 0 && !all_or_none)
            reel_inotify_push(in, w, IN_Q_OVERFLOW | IN_ISDIR, 0, "");
    }
    return all_or_none ? err : 0;
}

static int next_number(struct reel_inotify *in)
{
    do
        in->last_number = in->last_number < INT_MAX ? in->last_number + 1 : 1;
    while (reel_inotify_find_root(in, in->last_number));
    return in->last_number;
}

int reel_inotify_add_root(struct reel_inotify *in, const char *path_z, uint32_t mask, bool tree)
{
    size_t len = strnlen(path_z, PATH_MAX);
    if (len == PATH_MAX)
        return -ENAMETOOLONG;
    int err = make_room(in);
    struct watched *w = err < 0 ? NULL : watched_new(in, path_z, len);
    if (!w)
        return err < 0 ? err : -ENOMEM;
    w->root = w;
    w->mask = mask;
    w->is_tree = tree;
    err = attach(in, w);
    if (err < 0) {
        reel_memory_free(in->reactor, w);
        return err;
    }
    err = look_through_all(in, true);
    if (err < 0) {
        reel_inotify_drop_root(in, w);
        return err;
    }
    w->number = next_number(in);
    return w->number;
}

void reel_inotify_folder_came(struct reel_inotify *in, struct watched *w, const char *name_z)
{
    int err = adopt(in, w, name_z, true);
    if (err < 0)
        reel_inotify_push(in, w, IN_Q_OVERFLOW | IN_ISDIR, 0, name_z);
    look_through_all(in, false);
}

void reel_inotify_folder_went(struct reel_inotify *in, struct watched *w, const char *name_z)
{
    char path_z[PATH_MAX];
    if (join(path_z, w->path_z, name_z))
        reel_inotify_drop_below(in, w->root, path_z);
}

/* ---- Anew. ---- */

/* Events may have been lost, the ends of watches among them: nothing that is known is certain. The
 * table is filled from its front, behind the place that is being read. */
void reel_inotify_rebuild(struct reel_inotify *in)
{
    size_t roots = 0, before = in->count;
    for (size_t i = 0; i < before; i++) {
        struct watched *w = in->table[i];
        inotify_rm_watch(in->fd, (uint32_t)w->wd);
        if (w->root == w)
            in->table[roots++] = w;
        else
            kill_watched(in, w);
    }
    in->count = 0;
    for (size_t i = 0; i < roots; i++) {
        struct watched *w = in->table[i];
        list_remove(&w->due);
        if (attach(in, w) == 0)
            continue;
        reel_inotify_push(in, w, IN_IGNORED, 0, "");
        kill_watched(in, w);
    }
    look_through_all(in, false);
}
