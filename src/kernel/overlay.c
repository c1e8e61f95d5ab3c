#include "kernel/overlay.h"

#include "kernel/hardware.h"
#include "kernel/mount.h"
#include "kernel/mqueue.h"
#include "kernel/records.h"
#include "kernel/xattr.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

/* Numbers below this are ext4's own (the root is 2, lost+found 11). */
enum { SHOWN_ROOT = 2, SHOWN_FIRST = 11 };

static const int64_t SECOND_NS = 1000000000;

uint64_t overlay_shown(const struct overlay *o, uint64_t ino)
{
    if ((o->fs.flags & FS_DISK) == 0) /* a tmpfs counts from its root, 1 */
        return ino == o->fs.root ? 1 : ino + 1;
    return ino == o->fs.root ? SHOWN_ROOT : ino + SHOWN_FIRST;
}

struct inode *overlay_inode_find(const struct overlay *o, uint64_t ino)
{
    return (struct inode *)hash_find(&o->inodes, ino);
}

static int64_t part_of_second(int64_t time_s, uint64_t ino)
{
    return (int64_t)(hash_bytes((uint64_t)time_s, span_of(&ino, sizeof(ino))) % 250000000) * 4;
}

static void fill_from_image(const struct overlay *o, struct inode *i,
                            const struct persona_node *node)
{
    i->mode = node->mode;
    i->uid = node->uid;
    i->gid = node->gid;
    i->nlink = node->nlink;
    i->rdev = FS_DEV(node->rdev_major, node->rdev_minor);
    i->mtime_ns = node->mtime_s * SECOND_NS;
    i->ctime_ns = node->ctime_s * SECOND_NS + part_of_second(node->ctime_s, i->ino);
    if (node->mtime_s >= node->ctime_s) /* not from a package, whose times are whole seconds */
        i->mtime_ns = i->ctime_ns;
    i->atime_ns = i->btime_ns = i->ctime_ns;
    i->base = node->data;
    i->packed = node->packed;
    i->packed_size = node->size;
    i->size = i->base_bytes = (int64_t)node->size;
    i->entries = node->children;
    i->parent = i->ino == o->fs.root ? i->ino : node->parent;
    if (S_ISDIR(i->mode))
        i->size = OVERLAY_PAGE;
}

/* The contents of a record as they are now; owned by the inode. */
static int fill_record(const struct overlay *o, struct inode *i, const struct persona_node *node)
{
    struct buffer text;
    buffer_init(&text, RECORDS_BYTES_MAX);
    int64_t written_ns = i->mtime_ns, size = 0;
    bool is_there = records_read(o->fs.vfs, node->record, node->age, &text, &written_ns, &size);
    struct span bytes = buffer_span(&text);
    char *copy = is_there && bytes.len > 0 ? malloc(bytes.len) : NULL;
    if (copy != NULL) {
        memcpy(copy, bytes.data, bytes.len);
        i->target = copy;
        i->base = span_of(i->target, bytes.len);
        i->size = i->base_bytes = size;
    } else if (is_there) {
        i->base = span_of(NULL, 0);
        i->size = i->base_bytes = 0;
    }
    if (is_there)
        i->atime_ns = i->mtime_ns = i->ctime_ns = written_ns;
    buffer_fini(&text);
    return !is_there || bytes.len == 0 || i->target != NULL ? 0 : -ENOMEM;
}

static bool image_node(const struct overlay *o, uint64_t ino, struct persona_node *node)
{
    return o->image != NULL && ino <= persona_image_nodes(o->image) &&
           persona_image_node(o->image, (uint32_t)ino, node);
}

struct inode *overlay_inode(struct overlay *o, uint64_t ino)
{
    struct persona_node node;
    struct inode *i = overlay_inode_find(o, ino);
    if (i != NULL || !image_node(o, ino, &node))
        return i;
    i = calloc(1, sizeof(*i));
    if (i == NULL || hash_add(&o->inodes, &i->link, ino) != 0) {
        free(i);
        return NULL;
    }
    i->ino = ino;
    fill_from_image(o, i, &node);
    if (node.record != PERSONA_RECORD_NONE && fill_record(o, i, &node) != 0) {
        overlay_forget(o, i);
        return NULL;
    }
    return i;
}

bool overlay_is_changed_record(const struct vnode *node)
{
    enum persona_record record;
    uint32_t age;
    if ((node->fs->flags & FS_IMAGE) == 0)
        return false;
    const struct overlay *o = overlay_of(node->fs);
    const struct inode *i = overlay_inode_find(o, node->ino);
    return i != NULL && i->kept && o->image != NULL &&
           persona_image_record(o->image, (uint32_t)node->ino, &record, &age);
}

bool overlay_refresh_record(const struct vnode *vnode, bool *has_grown)
{
    struct persona_node node;
    struct overlay *o = overlay_of(vnode->fs);
    struct inode *i = overlay_inode_find(o, vnode->ino);
    *has_grown = false;
    if (i == NULL || i->kept || i->holds == 0 || !image_node(o, i->ino, &node) ||
        node.record == PERSONA_RECORD_NONE)
        return false;
    const struct inode before = *i;
    i->target = NULL;
    if (fill_record(o, i, &node) != 0) {
        i->target = before.target;
        i->base = before.base;
        i->size = i->base_bytes = before.size;
        return true;
    }
    *has_grown = i->size != before.size || i->base.len != before.base.len;
    free(before.target);
    overlay_reread(o, i);
    return true;
}

static void inode_free(struct overlay *o, struct inode *i)
{
    overlay_drop_pages(o, i, 0);
    overlay_drop_names(o, i);
    if (i->kept)
        o->fs.vfs->quota.nodes--;
    if (S_ISFIFO(i->mode) && i->object != NULL)
        pipe_forget(i->object);
    if (S_ISREG(i->mode) && i->object != NULL)
        mqueue_free(i->object);
    hash_remove(&o->inodes, &i->link);
    if (i->attributes != NULL)
        o->fs.vfs->quota.bytes -= XATTR_BLOCK;
    xattr_free(i->attributes);
    free(i->pages);
    free(i->target);
    free(i);
}

void overlay_forget(struct overlay *o, struct inode *i)
{
    if (i->holds == 0 && (!i->kept || i->nlink == 0))
        inode_free(o, i);
}

int overlay_may_add(struct overlay *o)
{
    struct vfs *vfs = o->fs.vfs;
    vfs->changes++;
    if (vfs->quota.nodes >= vfs->quota.nodes_max) {
        if (vfs->hooks.on_limit != NULL)
            vfs->hooks.on_limit(vfs->hooks.ctx, "overlay_nodes");
        return -ENOSPC;
    }
    return 0;
}

int overlay_keep(struct overlay *o, struct inode *i)
{
    o->fs.vfs->changes++;
    if (i->kept)
        return 0;
    int error = overlay_may_add(o);
    if (error != 0)
        return error;
    o->fs.vfs->quota.nodes++;
    i->kept = true;
    return 0;
}

int overlay_inode_new(struct overlay *o, const struct fs_new *new, struct inode **out)
{
    int error = overlay_may_add(o);
    if (error != 0)
        return error;
    struct inode *i = calloc(1, sizeof(*i));
    if (i == NULL || hash_add(&o->inodes, &i->link, o->next_ino) != 0) {
        free(i);
        return -ENOMEM;
    }
    o->fs.vfs->quota.nodes++;
    i->ino = o->next_ino++;
    i->kept = true;
    i->mode = new->mode;
    i->uid = new->uid;
    i->gid = new->gid;
    i->rdev = new->rdev;
    i->atime_ns = i->mtime_ns = i->ctime_ns = i->btime_ns = vfs_now(o->fs.vfs);
    if (S_ISDIR(i->mode))
        i->size = OVERLAY_PAGE;
    if (S_ISLNK(i->mode)) {
        i->target = malloc(new->target.len + 1);
        if (i->target == NULL) {
            inode_free(o, i);
            return -ENOMEM;
        }
        span_copy_z(new->target, i->target, new->target.len + 1);
        i->base = span_of(i->target, new->target.len);
        i->size = (int64_t) new->target.len;
    }
    *out = i;
    return 0;
}

static void fill_stat(const struct overlay *o, const struct inode *i, struct file_stat *out)
{
    *out = (struct file_stat){
        .dev = o->fs.dev,
        .ino = overlay_shown(o, i->ino),
        .rdev = i->rdev,
        .mode = i->mode,
        .nlink = i->nlink,
        .uid = i->uid,
        .gid = i->gid,
        .size = i->size,
        .blksize = OVERLAY_PAGE,
        .flags = i->flags | ((o->fs.flags & FS_DISK) != 0 ? FS_EXTENT_FL : 0),
        .blocks = S_ISREG(i->mode)   ? (int64_t)overlay_blocks(i)
                  : S_ISDIR(i->mode) ? OVERLAY_PAGE / 512
                                     : 0,
        .atime_ns = i->atime_ns,
        .mtime_ns = i->mtime_ns,
        .ctime_ns = i->ctime_ns,
        .btime_ns = i->btime_ns,
    };
    if (S_ISDIR(i->mode) && (o->fs.flags & FS_DISK) == 0) { /* tmpfs: 20 bytes an entry */
        out->size = 40 + 20 * (int64_t)i->entries;
        out->blocks = 0;
    }
    /* sysfs: a page each, whatever text is in it; what ends like no text has a size. */
    if ((o->fs.flags & FS_FIXED) != 0) {
        bool text = i->base.len == 0 || i->base.data[i->base.len - 1] == '\n';
        out->size = !S_ISREG(i->mode) ? 0 : text ? OVERLAY_PAGE : i->size;
        out->blocks = 0;
    }
}

static int stat_inode(struct fs *fs, uint64_t ino, struct file_stat *out)
{
    struct overlay *o = overlay_of(fs);
    const struct inode *i = overlay_inode_find(o, ino);
    struct persona_node node;
    if (i != NULL) {
        fill_stat(o, i, out);
        return 0;
    }
    if (!image_node(o, ino, &node))
        return -ENOENT;
    if (node.record != PERSONA_RECORD_NONE) {
        struct inode *record = overlay_inode(o, ino);
        if (record == NULL)
            return -ENOMEM;
        fill_stat(o, record, out);
        overlay_forget(o, record);
        return 0;
    }
    struct inode image = {.ino = ino};
    fill_from_image(o, &image, &node);
    fill_stat(o, &image, out);
    return 0;
}

static int parent_of(struct fs *fs, uint64_t dir, uint64_t *parent)
{
    struct overlay *o = overlay_of(fs);
    const struct inode *i = overlay_inode_find(o, dir);
    struct persona_node node;
    if (i != NULL)
        *parent = i->parent;
    else if (image_node(o, dir, &node))
        *parent = dir == fs->root ? dir : node.parent;
    else
        return -ENOENT;
    return 0;
}

static int64_t read_link(struct fs *fs, struct task *t, uint64_t ino, char *out, size_t size)
{
    (void)t;
    struct overlay *o = overlay_of(fs);
    const struct inode *i = overlay_inode_find(o, ino);
    struct persona_node node;
    struct span target = {0};
    if (i != NULL)
        target = i->base;
    else if (image_node(o, ino, &node))
        target = node.data;
    size_t n = target.len < size ? target.len : size;
    if (n > 0)
        memcpy(out, target.data, n);
    return (int64_t)n;
}

static int open_file(struct fs *fs, struct task *t, uint64_t ino, struct file *f)
{
    (void)t;
    f->ops = &overlay_file_ops;
    f->object = overlay_inode_find(overlay_of(fs), ino); /* held: it is there */
    f->key = f->object;
    if (S_ISREG(((const struct inode *)f->object)->mode) &&
        ((const struct inode *)f->object)->object != NULL)
        mqueue_open(f, ((const struct inode *)f->object)->object);
    return 0;
}

static int hold(struct fs *fs, uint64_t ino)
{
    struct inode *i = overlay_inode(overlay_of(fs), ino);
    if (i == NULL)
        return -ENOMEM;
    i->holds++;
    return 0;
}

static void drop(struct fs *fs, uint64_t ino)
{
    struct inode *i = overlay_inode_find(overlay_of(fs), ino);
    i->holds--;
    overlay_forget(overlay_of(fs), i);
}

static uint32_t holds(struct fs *fs, uint64_t ino)
{
    const struct inode *i = overlay_inode_find(overlay_of(fs), ino);
    return i != NULL ? i->holds : 0;
}

static int set_attr(struct fs *fs, uint64_t ino, const struct fs_attr *attr)
{
    struct overlay *o = overlay_of(fs);
    struct inode *i = overlay_inode(o, ino);
    if (i == NULL)
        return -ENOMEM;
    int error = overlay_keep(o, i);
    if (error != 0) {
        overlay_forget(o, i);
        return error;
    }
    if (attr->what & FS_ATTR_MODE)
        i->mode = (i->mode & S_IFMT) | (attr->mode & 07777);
    if (attr->what & FS_ATTR_OWNER) {
        i->uid = attr->uid;
        i->gid = attr->gid;
    }
    if (attr->what & FS_ATTR_FLAGS)
        i->flags = attr->flags;
    if (attr->what & FS_ATTR_ATIME)
        i->atime_ns = attr->atime_ns;
    if (attr->what & FS_ATTR_MTIME)
        i->mtime_ns = attr->mtime_ns;
    i->ctime_ns = vfs_now(fs->vfs);
    return 0;
}

static int truncate_inode(struct fs *fs, uint64_t ino, int64_t size)
{
    struct inode *i = overlay_inode(overlay_of(fs), ino);
    if (i == NULL)
        return -ENOMEM;
    if (size == i->size && i->kept) { /* still a change: times */
        i->mtime_ns = i->ctime_ns = vfs_now(fs->vfs);
        return 0;
    }
    return overlay_resize(overlay_of(fs), i, size);
}

/* The root: the model's disk, less what was written. A tmpfs: half of the memory. */
static void usage(struct fs *fs, struct fs_usage *out)
{
    const struct hardware *hw = fs->vfs->hardware;
    uint64_t used = fs->vfs->quota.bytes / OVERLAY_PAGE, nodes = fs->vfs->quota.nodes;
    *out = (struct fs_usage){.type = 0x01021994, .block_size = OVERLAY_PAGE};
    if ((fs->flags & FS_DISK) != 0) {
        out->type = 0xef53;
        out->blocks = hw->disk_blocks;
        out->free = hw->disk_free > used ? hw->disk_free - used : 0;
        out->available = hw->disk_available > used ? hw->disk_available - used : 0;
        out->files = hw->disk_inodes;
        out->files_free = hw->disk_inodes_free > nodes ? hw->disk_inodes_free - nodes : 0;
        return;
    }
    const struct mount *m = fs->super->mount;
    uint64_t size_kib = mount_size_kib(m, hw), inodes = mount_inodes(m, hw);
    out->blocks = size_kib / 4;
    uint64_t written = overlay_written(overlay_of(fs->super));
    out->free = out->available = (size_kib - m->used_kib) / 4;
    if (size_kib != 0)
        out->free = out->available = out->free - written / OVERLAY_PAGE;
    out->files = inodes;
    out->files_free = inodes - m->used_inodes;
}

static void **object_of(struct fs *fs, uint64_t ino)
{
    struct inode *i = overlay_inode_find(overlay_of(fs), ino);
    return i != NULL ? &i->object : NULL;
}

static struct xattr **attributes_of(struct fs *fs, uint64_t ino)
{
    struct inode *i = overlay_inode(overlay_of(fs), ino);
    return i != NULL ? &i->attributes : NULL;
}

static void overlay_rest(struct fs *fs)
{
    struct overlay *o = overlay_of(fs);
    free(o->unpacked.bytes);
    o->unpacked = (struct unpacked){.packed = NULL};
}

static void overlay_free(struct fs *fs)
{
    struct overlay *o = overlay_of(fs);
    struct hash_link *link = NULL;
    while ((link = hash_any(&o->inodes)) != NULL)
        inode_free(o, (struct inode *)link);
    hash_fini(&o->inodes);
    hash_fini(&o->names);
    free(o->unpacked.bytes);
    free(o);
}

static const struct fs_ops overlay_ops = {
    .stat = stat_inode,
    .find = overlay_find,
    .parent = parent_of,
    .name_of = overlay_name_of,
    .readdir = overlay_readdir,
    .readlink = read_link,
    .open = open_file,
    .make = overlay_make,
    .link = overlay_link,
    .unlink = overlay_unlink,
    .rename = overlay_rename,
    .exchange = overlay_exchange,
    .set_attr = set_attr,
    .truncate = truncate_inode,
    .usage = usage,
    .hold = hold,
    .drop = drop,
    .holds = holds,
    .object = object_of,
    .attributes = attributes_of,
    .rest = overlay_rest,
    .free = overlay_free,
};

bool overlay_is(const struct fs *fs)
{
    return fs->ops == &overlay_ops;
}

/* A tmpfs without an image needs a root of its own. */
static int make_root(struct overlay *o)
{
    const struct fs_new new = {.mode = S_IFDIR | 0755};
    struct inode *root = NULL;
    int error = overlay_inode_new(o, &new, &root);
    if (error != 0)
        return error;
    o->fs.root = root->ino;
    root->parent = root->ino;
    root->nlink = 2;
    root->atime_ns = root->mtime_ns = root->ctime_ns = root->btime_ns = o->fs.vfs->boot_ns;
    return 0;
}

struct fs *overlay_new(struct vfs *vfs, const struct persona_image *image, uint32_t root)
{
    struct overlay *o = calloc(1, sizeof(*o));
    if (o == NULL)
        return NULL;
    o->fs = (struct fs){.ops = &overlay_ops, .vfs = vfs, .root = root};
    o->fs.super = &o->fs;
    o->image = image;
    if (image != NULL)
        o->fs.flags = FS_IMAGE;
    o->next_ino = image != NULL ? (uint64_t)persona_image_nodes(image) + 1 : 1;
    o->next_cookie = (int64_t)1 << 30; /* behind every entry of the image; 32-bit programs see it */
    if (image == NULL && make_root(o) != 0) {
        overlay_free(&o->fs);
        return NULL;
    }
    return &o->fs;
}
