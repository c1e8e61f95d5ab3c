/* Trees of mounts: mount(2), umount(2), mount_namespaces(7). All mounts of all namespaces stand in one
 * list; which namespace an inode is looked at from follows from the mount that it was reached by. */
#include "base/buffer.h"

#include "kernel/fs.h"
#include "kernel/mount.h"

#include <errno.h>
#include <stdlib.h>

enum { ID_FIRST = 230 }; /* above those of the table */

struct mount_space {
    uint32_t refs, number;
};

/* ---- One mount ---- */

static void put_in_order(struct vfs *vfs, struct fs *fs)
{
    struct fs **place = &vfs->mounts;
    while (*place != NULL && (*place)->order <= fs->order)
        place = &(*place)->next;
    fs->next = *place;
    *place = fs;
}

static uint64_t mark_of(uint64_t ino)
{
    return UINT64_C(1) << ino % 64;
}

static void put_on(struct vnode on)
{
    on.fs->covers++;
    on.fs->covers_marks |= mark_of(on.ino);
}

int mount_attach(struct fs *fs, struct vnode on, struct mount_space *space, uint32_t order)
{
    struct vfs *vfs = fs->vfs;
    if (vfs->mount_count >= VFS_MOUNTS_MAX)
        return -ENOSPC;
    if (vnode_hold(on) != 0)
        return -ENOMEM;
    if (fs->super == fs)
        fs->views++;
    fs->space = space;
    fs->covered = on;
    fs->order = order;
    if (on.fs != NULL)
        put_on(on);
    fs->id = ID_FIRST + vfs->mount_ids++;
    put_in_order(vfs, fs);
    vfs->mount_count++;
    vfs->mounts_changed = true;
    return 0;
}

struct fs *mount_view(struct fs *of, uint64_t root)
{
    struct fs *fs = calloc(1, sizeof(*fs));
    if (fs == NULL)
        return NULL;
    *fs = (struct fs){.ops = of->ops,
                      .vfs = of->vfs,
                      .super = of->super,
                      .root = root,
                      .dev = of->dev,
                      .flags = of->flags,
                      .mount = of->mount,
                      .peers = of->peers,
                      .remounted = of->remounted};
    of->super->views++;
    return fs;
}

static void super_drop(struct fs *super)
{
    if (--super->views > 0)
        return;
    if (super->owns_mount)
        free((void *)super->mount);
    super->ops->free(super);
}

void mount_free(struct fs *fs)
{
    struct fs *super = fs->super;
    if (super == fs && super->views == 0) /* never attached */
        super->views = 1;
    super_drop(super);
    if (super != fs)
        free(fs);
}

/* Asked for each directory of a path, and on few is anything. */
struct fs *mount_on(struct vnode node)
{
    if (node.fs == NULL || (node.fs->covers_marks & mark_of(node.ino)) == 0)
        return NULL;
    struct fs *fs = node.fs->vfs->mounts;
    while (fs != NULL && (fs->covered.ino != node.ino || !vnode_is_same(fs->covered, node)))
        fs = fs->next;
    return fs;
}

bool mount_is_below(const struct fs *fs, const struct fs *above)
{
    while (fs != NULL && fs != above)
        fs = fs->covered.fs;
    return fs == above;
}

static void take_off(struct fs *fs)
{
    if (fs->covered.fs == NULL)
        return;
    if (--fs->covered.fs->covers == 0)
        fs->covered.fs->covers_marks = 0;
    vnode_drop(fs->covered);
    fs->covered = (struct vnode){0};
}

static void detach_one(struct fs *fs)
{
    if (fs->detached)
        return;
    take_off(fs);
    fs->detached = true;
    fs->vfs->mounts_detached++;
    fs->vfs->mounts_changed = true;
}

void mount_detach(struct fs *fs)
{
    /* From the leaves on: each look finds one that nothing is on. */
    struct fs *leaf;
    do {
        leaf = NULL;
        for (struct fs *each = fs->vfs->mounts; each != NULL; each = each->next)
            if (each != fs && each->covers == 0 && !each->detached && mount_is_below(each, fs))
                leaf = each;
        if (leaf != NULL)
            detach_one(leaf);
    } while (leaf != NULL);
    detach_one(fs);
}

int mount_move(struct fs *fs, struct vnode on)
{
    if (vnode_hold(on) != 0)
        return -ENOMEM;
    take_off(fs);
    fs->covered = on;
    put_on(on);
    fs->vfs->mounts_changed = true;
    return 0;
}

/* A super whose own mount is gone stays for the others that show it. */
static bool is_in_use(const struct fs *fs)
{
    return !fs->detached || fs->users > 0 || fs->covers > 0;
}

void mount_reap(struct vfs *vfs)
{
    if (vfs->mounts_detached == 0)
        return;
    for (struct fs **place = &vfs->mounts; *place != NULL;) {
        struct fs *fs = *place;
        if (is_in_use(fs)) {
            place = &fs->next;
            continue;
        }
        *place = fs->next;
        vfs->mount_count--;
        vfs->mounts_detached--;
        mount_free(fs);
    }
}

/* ---- Text ---- */

int mount_put_options(const struct fs *fs, struct buffer *out)
{
    static const struct {
        unsigned flag;
        const char *text_z;
    } texts[] = {{FS_NOSUID, ",nosuid"},
                 {FS_NODEV, ",nodev"},
                 {FS_NOEXEC, ",noexec"},
                 {FS_NOATIME, ",noatime"},
                 {FS_NODIRATIME, ",nodiratime"}};
    if (!fs->remounted && fs->mount->options_z != NULL)
        return buffer_put_z(out, fs->mount->options_z);
    int error = buffer_put_z(out, (fs->flags & FS_READ_ONLY) != 0 ? "ro" : "rw");
    for (size_t i = 0; i < ARRAY_LEN(texts) && error == 0; i++)
        if ((fs->flags & texts[i].flag) != 0)
            error = buffer_put_z(out, texts[i].text_z);
    if (error == 0 && (fs->flags & (FS_NOATIME | FS_STRICTATIME)) == 0)
        error = buffer_put_z(out, ",relatime");
    return error;
}

/* ---- Namespaces ---- */

struct mount_space *mount_space_new(struct vfs *vfs)
{
    (void)vfs;
    struct mount_space *space = calloc(1, sizeof(*space));
    if (space != NULL)
        space->refs = 1;
    return space;
}

struct mount_space *mount_space_hold(struct mount_space *space)
{
    if (space != NULL)
        space->refs++;
    return space;
}

void mount_space_drop(struct vfs *vfs, struct mount_space *space)
{
    if (space == NULL || --space->refs > 0)
        return;
    for (struct fs *fs = vfs->mounts; fs != NULL; fs = fs->next)
        if (fs->space == space && !fs->detached && fs->covered.fs == NULL)
            mount_detach(fs);
    for (struct fs *fs = vfs->mounts; fs != NULL; fs = fs->next)
        if (fs->space == space)
            fs->space = NULL;
    free(space);
    mount_reap(vfs);
}

static int copy_one(struct fs *fs, struct mount_space *space)
{
    fs->twin = mount_view(fs, fs->root);
    if (fs->twin == NULL)
        return -ENOMEM;
    int error = mount_attach(fs->twin, (struct vnode){0}, space, UINT32_MAX);
    if (error != 0) {
        mount_free(fs->twin);
        fs->twin = NULL;
    }
    return error;
}

uint32_t mount_space_number(const struct mount_space *space)
{
    return space->number;
}

struct fs *mount_space_top(const struct vfs *vfs, const struct mount_space *space)
{
    struct fs *fs = vfs->mounts;
    while (fs != NULL && (fs->space != space || fs->detached || fs->covered.fs != NULL))
        fs = fs->next;
    return fs;
}

struct mount_space *mount_space_copy(struct vfs *vfs, const struct mount_space *of, uint32_t number)
{
    struct mount_space *space = mount_space_new(vfs);
    int error = space != NULL ? 0 : -ENOMEM;
    if (space != NULL)
        space->number = number;
    for (struct fs *fs = vfs->mounts; fs != NULL; fs = fs->next)
        fs->twin = NULL;
    for (struct fs *fs = vfs->mounts; fs != NULL && error == 0; fs = fs->next)
        if (fs->space == of && !fs->detached)
            error = copy_one(fs, space);
    for (struct fs *fs = vfs->mounts; fs != NULL && error == 0; fs = fs->next) {
        if (fs->space != of || fs->twin == NULL || fs->covered.fs == NULL)
            continue;
        error = mount_move(fs->twin,
                           (struct vnode){.fs = fs->covered.fs->twin, .ino = fs->covered.ino});
    }
    if (error == 0)
        return space;
    mount_space_drop(vfs, space);
    return NULL;
}
