/* /proc: what readdir tells. */
#include "kernel/fdtable.h"
#include "kernel/procfs.h"

#include "persona/image.h"

#include <stdio.h>

/* Positions are 2 + the place in the table; then come numbers, then the image. */

enum { AT_NUMBERS = 1 << 10, AT_IMAGE = 1 << 28 };

struct lister {
    struct fs *fs;
    struct proc_place dir;
    const struct proc_entry *e;
    int64_t at;
    file_entry_fn fn;
    void *ctx;
};

static bool list_table(const struct lister *l)
{
    static const unsigned types[] = {
        [PROC_KIND_TEXT] = DT_REG, [PROC_KIND_DIR] = DT_DIR, [PROC_KIND_LINK] = DT_LNK};
    size_t count = 0;
    const struct proc_entry *table = proc_table_of(l->dir.pid, &count);
    for (size_t i = 1; i < count; i++) {
        struct span name;
        if ((int64_t)i + 2 < l->at || !proc_is_below(l->e->path_z, table[i].path_z, &name))
            continue;
        if (!l->fn(l->ctx, name, proc_ino_of((struct proc_place){.pid = l->dir.pid, .entry = i}),
                   types[table[i].kind], (int64_t)i + 3))
            return false;
    }
    return true;
}

static bool list_number(const struct lister *l, int32_t n, struct proc_place place, unsigned type)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%d", n);
    return l->fn(l->ctx, span_of(text, (size_t)len), proc_ino_of(place), type, AT_NUMBERS + n + 1);
}

static int next_fd(const struct lister *l, const struct proc_view *view, int from)
{
    bool has_own = view->task != NULL && view->task->files != NULL;
    return has_own ? fd_table_next(view->task->files, from)
                   : proc_service_next(l->fs->vfs, view, from);
}

static bool list_numbers(const struct lister *l)
{
    struct proc_view view;
    int32_t from = l->at > AT_NUMBERS ? (int32_t)(l->at - AT_NUMBERS) : 0;
    if (l->dir.pid == 0) {
        for (int32_t pid = from - 1; l->dir.entry == 0 && proc_view_next(l->fs->vfs, pid, &view);
             pid = view.pid)
            if (!list_number(l, view.pid, (struct proc_place){.pid = view.pid}, DT_DIR))
                return false;
        return true;
    }
    if (!proc_view_find(l->fs->vfs, l->dir.pid, &view))
        return true;
    if (proc_is_named(l->e, "task"))
        return from > view.pid ||
               list_number(l, view.pid, (struct proc_place){.pid = view.pid}, DT_DIR);
    if (!proc_is_named(l->e, "fd") && !proc_is_named(l->e, "fdinfo"))
        return true;
    for (int fd = next_fd(l, &view, from); fd >= 0; fd = next_fd(l, &view, fd + 1)) {
        struct proc_place place = l->dir;
        place.number = (uint32_t)fd + 1;
        if (!list_number(l, fd, place, proc_is_named(l->e, "fd") ? DT_LNK : DT_REG))
            return false;
    }
    return true;
}

static void list_image(const struct lister *l, uint32_t dir)
{
    const struct procfs *p = (const struct procfs *)l->fs;
    uint32_t index = l->at > AT_IMAGE ? (uint32_t)(l->at - AT_IMAGE) : 0, ino = 0;
    struct span name;
    uint64_t ours = 0;
    while (dir != 0 && (ino = persona_image_entry(p->image, dir, index, &name)) != 0) {
        struct file_stat st = {0};
        index++;
        if (l->e != NULL && proc_find_in_table(l->dir, l->e, name, &ours) == 0)
            continue;
        (void)proc_image_stat(p, ino, &st);
        if (!l->fn(l->ctx, name, proc_ino_of((struct proc_place){.image_ino = ino}),
                   (st.mode & S_IFMT) >> 12, AT_IMAGE + (int64_t)index))
            return;
    }
}

/* The least name above `last` in the table and in the image's directory together. */
static bool next_sorted(const struct lister *l, uint32_t dir, struct span last, struct span *name,
                        struct proc_place *place)
{
    const struct procfs *p = (const struct procfs *)l->fs;
    size_t count = 0;
    const struct proc_entry *table = proc_table_of(0, &count);
    bool found = false;
    struct span other;
    for (size_t i = 1; i < count; i++) {
        if (proc_is_below(l->e->path_z, table[i].path_z, &other) && span_compare(other, last) > 0 &&
            (!found || span_compare(other, *name) < 0)) {
            *name = other;
            *place = (struct proc_place){.entry = i};
            found = true;
        }
    }
    uint32_t ino = 0;
    for (uint32_t i = 0; dir != 0 && (ino = persona_image_entry(p->image, dir, i, &other)) != 0;
         i++) {
        if (span_compare(other, last) <= 0)
            continue;
        if (!found || span_compare(other, *name) < 0) {
            *name = other;
            *place = (struct proc_place){.image_ino = ino};
            found = true;
        }
        break; /* they are in order already */
    }
    return found;
}

/* /proc/sys is in the order of names. */
static void list_sorted(const struct lister *l, uint32_t dir)
{
    struct span name = {0};
    struct proc_place place = {0};
    for (int64_t at = 2; next_sorted(l, dir, name, &name, &place); at++) {
        struct file_stat st;
        uint64_t ino = proc_ino_of(place);
        if (at < l->at || l->fs->ops->stat(l->fs, ino, &st) != 0)
            continue;
        if (!l->fn(l->ctx, name, ino, (st.mode & S_IFMT) >> 12, at + 1))
            return;
    }
}

int proc_readdir(struct fs *fs, struct task *t, uint64_t dir, int64_t at, file_entry_fn fn,
                 void *ctx)
{
    (void)t;
    struct proc_place place = proc_place_of(dir);
    struct lister l = {.fs = fs, .dir = place, .at = at, .fn = fn, .ctx = ctx};
    if (place.image_ino != 0) {
        list_image(&l, place.image_ino);
        return 0;
    }
    l.e = proc_entry_of(place);
    if (place.pid == 0 && span_starts_with(span_z(l.e->path_z), span_z("sys"))) {
        list_sorted(&l, proc_image_directory((const struct procfs *)fs->super, l.e));
        return 0;
    }
    if (at < AT_NUMBERS && !list_table(&l))
        return 0;
    if (at < AT_IMAGE && !list_numbers(&l))
        return 0;
    if (place.pid == 0)
        list_image(&l, proc_image_directory((const struct procfs *)fs, l.e));
    return 0;
}
