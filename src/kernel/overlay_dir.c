/* Names: what was added to directories and removed from them, over the image's own. */
#include "kernel/overlay.h"
#include "kernel/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct name *overlay_name_find(const struct overlay *o, uint64_t dir, struct span text)
{
    struct hash_link *link = hash_find(&o->names, hash_bytes(dir, text));
    for (; link != NULL; link = hash_find_next(link)) {
        struct name *name = (struct name *)link;
        if (name->dir == dir && span_equal(span_of(name->text, name->len), text))
            return name;
    }
    return NULL;
}

/* A file of records may not be there yet. */
static bool is_there(const struct overlay *o, uint32_t ino)
{
    enum persona_record record;
    uint32_t age;
    return !persona_image_record(o->image, ino, &record, &age) ||
           records_are_there(o->fs.vfs, record, age);
}

static uint64_t image_find(const struct overlay *o, uint64_t dir, struct span text)
{
    if (o->image == NULL || dir > persona_image_nodes(o->image))
        return 0;
    uint32_t ino = persona_image_find(o->image, (uint32_t)dir, text);
    return is_there(o, ino) ? ino : 0;
}

int overlay_find(struct fs *fs, struct task *t, uint64_t dir, struct span text, uint64_t *ino)
{
    (void)t;
    const struct overlay *o = overlay_of(fs);
    const struct name *name = overlay_name_find(o, dir, text);
    *ino = name != NULL ? name->ino : image_find(o, dir, text);
    return *ino != 0 ? 0 : -ENOENT;
}

static void name_unlist(struct inode *dir, struct name *name)
{
    if (name->before != NULL)
        name->before->after = name->after;
    else
        dir->first_name = name->after;
    if (name->after != NULL)
        name->after->before = name->before;
    else
        dir->last_name = name->before;
    name->before = name->after = NULL;
}

static void name_list(struct overlay *o, struct inode *dir, struct name *name)
{
    name->cookie = o->next_cookie++;
    name->before = dir->last_name;
    name->after = NULL;
    if (dir->last_name != NULL)
        dir->last_name->after = name;
    else
        dir->first_name = name;
    dir->last_name = name;
}

static void name_free(struct overlay *o, struct inode *dir, struct name *name)
{
    name_unlist(dir, name);
    hash_remove(&o->names, &name->link);
    o->fs.vfs->quota.nodes--;
    free(name);
}

void overlay_drop_names(struct overlay *o, struct inode *dir)
{
    for (struct name *name = dir->first_name, *next = NULL; name != NULL; name = next) {
        next = name->after;
        hash_remove(&o->names, &name->link);
        o->fs.vfs->quota.nodes--;
        free(name);
    }
    dir->first_name = dir->last_name = NULL;
}

struct name *overlay_name_add(struct overlay *o, struct inode *dir, struct span text, uint64_t ino)
{
    struct name *name = calloc(1, sizeof(*name) + text.len);
    if (name == NULL || hash_add(&o->names, &name->link, hash_bytes(dir->ino, text)) != 0) {
        free(name);
        return NULL;
    }
    o->fs.vfs->quota.nodes++;
    name->dir = dir->ino;
    name->ino = ino;
    name->len = (uint8_t)text.len;
    memcpy(name->text, text.data, text.len);
    name_list(o, dir, name);
    return name;
}

/* Makes sure of a record for the name, so that setting it cannot fail. */
static int name_ready(struct overlay *o, struct inode *dir, struct span text, struct name **out)
{
    *out = overlay_name_find(o, dir->ino, text);
    if (*out != NULL)
        return 0;
    int error = overlay_may_add(o);
    if (error != 0)
        return error;
    *out = overlay_name_add(o, dir, text, image_find(o, dir->ino, text));
    return *out != NULL ? 0 : -ENOMEM;
}

/* A record that says no more than the image does is dropped. */
static void name_settle(struct overlay *o, struct inode *dir, struct name *name)
{
    uint64_t image = image_find(o, dir->ino, span_of(name->text, name->len));
    if (name->ino == image)
        name_free(o, dir, name);
}

/* The directory in memory, kept, for a change of its names. */
static int dir_ready(struct overlay *o, uint64_t ino, struct inode **out)
{
    *out = overlay_inode(o, ino);
    if (*out == NULL)
        return -ENOMEM;
    if ((*out)->nlink == 0)
        return -ENOENT;
    return overlay_keep(o, *out);
}

static void dir_changed(struct overlay *o, struct inode *dir)
{
    dir->mtime_ns = dir->ctime_ns = vfs_now(o->fs.vfs);
}

/* The name now leads to `i`; directories count their subdirectories in nlink. */
static void attach(struct overlay *o, struct inode *dir, struct name *name, struct inode *i)
{
    name_unlist(dir, name);
    name_list(o, dir, name); /* a new place in readdir */
    name->ino = i->ino;
    dir->entries++;
    if (S_ISDIR(i->mode)) {
        i->parent = dir->ino;
        dir->nlink++;
    }
    dir_changed(o, dir);
    name_settle(o, dir, name);
}

static void detach(struct overlay *o, struct inode *dir, struct name *name, const struct inode *i)
{
    name->ino = 0;
    dir->entries--;
    if (S_ISDIR(i->mode))
        dir->nlink--;
    dir_changed(o, dir);
    name_settle(o, dir, name);
}

/* One name less; the last one takes the file with it, unless it is held. */
static void lose_name(struct overlay *o, struct inode *i)
{
    i->nlink = S_ISDIR(i->mode) || i->nlink == 0 ? 0 : i->nlink - 1;
    i->ctime_ns = vfs_now(o->fs.vfs);
    overlay_forget(o, i);
}

int overlay_make(struct fs *fs, uint64_t dir_ino, struct span text, const struct fs_new *new,
                 uint64_t *ino)
{
    struct overlay *o = overlay_of(fs);
    struct inode *dir = NULL, *i = NULL;
    struct name *name = NULL;
    int error = dir_ready(o, dir_ino, &dir);
    if (error == 0)
        error = name_ready(o, dir, text, &name);
    if (error != 0)
        return error;
    error = overlay_inode_new(o, new, &i);
    if (error != 0) {
        name_settle(o, dir, name);
        return error;
    }
    i->nlink = S_ISDIR(i->mode) ? 2 : 1;
    attach(o, dir, name, i);
    *ino = i->ino;
    return 0;
}

int overlay_link(struct fs *fs, uint64_t ino, uint64_t dir_ino, struct span text)
{
    struct overlay *o = overlay_of(fs);
    struct inode *dir = NULL, *i = overlay_inode(o, ino);
    struct name *name = NULL;
    if (i == NULL)
        return -ENOMEM;
    if (i->nlink == 0)
        return -ENOENT;
    if (i->nlink >= OVERLAY_LINKS_MAX)
        return -EMLINK;
    int error = dir_ready(o, dir_ino, &dir);
    if (error == 0)
        error = overlay_keep(o, i);
    if (error == 0)
        error = name_ready(o, dir, text, &name);
    if (error != 0)
        return error;
    i->nlink++;
    i->ctime_ns = vfs_now(fs->vfs);
    attach(o, dir, name, i);
    return 0;
}

/* Everything for taking `text` out of a directory, before anything is changed. */
static int removal_ready(struct overlay *o, struct inode *dir, struct span text, struct name **name,
                         struct inode **i)
{
    uint64_t ino = 0;
    int error = overlay_find(&o->fs, NULL, dir->ino, text, &ino);
    if (error != 0)
        return error;
    *i = overlay_inode(o, ino);
    if (*i == NULL)
        return -ENOMEM;
    bool full = S_ISDIR((*i)->mode) && (*i)->entries > 0;
    error = full ? -ENOTEMPTY : overlay_keep(o, *i);
    if (error != 0)
        overlay_forget(o, *i);
    return error != 0 ? error : name_ready(o, dir, text, name);
}

int overlay_unlink(struct fs *fs, uint64_t dir_ino, struct span text)
{
    struct overlay *o = overlay_of(fs);
    struct inode *dir = NULL, *i = NULL;
    struct name *name = NULL;
    int error = dir_ready(o, dir_ino, &dir);
    if (error == 0)
        error = removal_ready(o, dir, text, &name, &i);
    if (error != 0)
        return error;
    detach(o, dir, name, i);
    lose_name(o, i);
    return 0;
}

int overlay_rename(struct fs *fs, uint64_t from_dir, struct span from, uint64_t to_dir,
                   struct span to)
{
    struct overlay *o = overlay_of(fs);
    struct inode *source = NULL, *target = NULL, *moved = NULL, *replaced = NULL;
    struct name *old = NULL, *new = NULL;
    uint64_t ino = 0;
    int error = dir_ready(o, from_dir, &source);
    if (error == 0)
        error = dir_ready(o, to_dir, &target);
    if (error == 0)
        error = overlay_find(fs, NULL, from_dir, from, &ino);
    if (error != 0)
        return error;
    moved = overlay_inode(o, ino);
    error = moved != NULL ? overlay_keep(o, moved) : -ENOMEM;
    if (error == 0)
        error = removal_ready(o, target, to, &new, &replaced);
    if (error == -ENOENT)
        error = name_ready(o, target, to, &new);
    if (error == 0)
        error = name_ready(o, source, from, &old);
    if (error != 0)
        return error;
    if (replaced != NULL) {
        target->entries--;
        target->nlink -= S_ISDIR(replaced->mode) ? 1 : 0;
    }
    moved->ctime_ns = vfs_now(fs->vfs);
    attach(o, target, new, moved);
    detach(o, source, old, moved);
    if (replaced != NULL)
        lose_name(o, replaced);
    return 0;
}

/* RENAME_EXCHANGE: both names are there and change places. */
int overlay_exchange(struct fs *fs, uint64_t a_dir, struct span a, uint64_t b_dir, struct span b)
{
    struct overlay *o = overlay_of(fs);
    struct inode *dir[2] = {0}, *i[2] = {0};
    struct name *name[2] = {0};
    const struct span text[2] = {a, b};
    const uint64_t ino[2] = {a_dir, b_dir};
    for (int n = 0; n < 2; n++) {
        uint64_t found = 0;
        int error = dir_ready(o, ino[n], &dir[n]);
        if (error == 0)
            error = overlay_find(fs, NULL, ino[n], text[n], &found);
        if (error == 0)
            error = (i[n] = overlay_inode(o, found)) != NULL ? overlay_keep(o, i[n]) : -ENOMEM;
        if (error == 0)
            error = name_ready(o, dir[n], text[n], &name[n]);
        if (error != 0)
            return error;
    }
    for (int n = 0; n < 2; n++) {
        name[n]->ino = 0;
        dir[n]->entries--;
        dir[n]->nlink -= S_ISDIR(i[n]->mode) ? 1 : 0;
        i[n]->ctime_ns = vfs_now(fs->vfs);
    }
    for (int n = 0; n < 2; n++)
        attach(o, dir[n], name[n], i[1 - n]);
    return 0;
}

int64_t overlay_name_of(struct fs *fs, uint64_t dir_ino, uint64_t ino, char *out, size_t size)
{
    struct overlay *o = overlay_of(fs);
    const struct inode *dir = overlay_inode_find(o, dir_ino);
    for (const struct name *n = dir != NULL ? dir->first_name : NULL; n != NULL; n = n->after)
        if (n->ino == ino)
            return (int64_t)span_copy_z(span_of(n->text, n->len), out, size);
    if (o->image == NULL || dir_ino > persona_image_nodes(o->image))
        return -ENOENT;
    struct span text;
    uint32_t found = 0;
    for (uint32_t index = 0;
         (found = persona_image_entry(o->image, (uint32_t)dir_ino, index, &text)) != 0; index++)
        if (found == ino && overlay_name_find(o, dir_ino, text) == NULL)
            return (int64_t)span_copy_z(text, out, size);
    return -ENOENT;
}

static unsigned type_of(struct overlay *o, uint64_t ino)
{
    struct file_stat st;
    struct persona_node node;
    if (overlay_inode_find(o, ino) == NULL && o->image != NULL &&
        ino <= persona_image_nodes(o->image) && persona_image_node(o->image, (uint32_t)ino, &node))
        return (node.mode & S_IFMT) >> 12;
    return o->fs.ops->stat(&o->fs, ino, &st) == 0 ? (st.mode & S_IFMT) >> 12 : DT_UNKNOWN;
}

/* Positions: entry N of the image is N + 2 (behind . and ..), added names their cookie. */
static bool read_image(struct overlay *o, uint64_t dir, int64_t at, file_entry_fn fn, void *ctx)
{
    if (o->image == NULL || dir > persona_image_nodes(o->image))
        return true;
    uint32_t index = (uint32_t)(at - 2), ino = 0;
    struct span text;
    while ((ino = persona_image_entry(o->image, (uint32_t)dir, index, &text)) != 0) {
        index++;
        if (overlay_name_find(o, dir, text) == NULL && is_there(o, ino) &&
            !fn(ctx, text, overlay_shown(o, ino), type_of(o, ino), (int64_t)index + 2))
            return false;
    }
    return true;
}

int overlay_readdir(struct fs *fs, struct task *t, uint64_t dir_ino, int64_t at, file_entry_fn fn,
                    void *ctx)
{
    (void)t;
    struct overlay *o = overlay_of(fs);
    if (at < (int64_t)1 << 32 && !read_image(o, dir_ino, at, fn, ctx))
        return 0;
    const struct inode *dir = overlay_inode_find(o, dir_ino);
    for (const struct name *n = dir != NULL ? dir->first_name : NULL; n != NULL; n = n->after)
        if (n->ino != 0 && n->cookie >= at &&
            !fn(ctx, span_of(n->text, n->len), overlay_shown(o, n->ino), type_of(o, n->ino),
                n->cookie + 1))
            break;
    return 0;
}
