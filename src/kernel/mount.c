/* The machine's file systems put together. */
#include "kernel/mount.h"

#include "base/buffer.h"

#include "kernel/disk.h"
#include "kernel/fs.h"
#include "kernel/hardware.h"
#include "kernel/kind.h"
#include "kernel/task.h"

#include "persona/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_KIB = 4,
    INODE_KIB = 8, /* of all memory, a tmpfs may have an inode for each page of low memory */
};

uint64_t mount_size_kib(const struct mount *m, const struct hardware *hw)
{
    switch (m->share) {
    case MOUNT_DEV: return (hw->mem_total - HARDWARE_BOOT_KIB) / 2 / PAGE_KIB * PAGE_KIB;
    case MOUNT_RUN: return (hw->mem_total / 10 + PAGE_KIB - 1) / PAGE_KIB * PAGE_KIB;
    case MOUNT_HALF: return hw->mem_total / 2 / PAGE_KIB * PAGE_KIB;
    case MOUNT_USER: return hw->mem_total / 10 / PAGE_KIB * PAGE_KIB;
    default: return m->size_kib;
    }
}

/* shmem: half of all pages, unless it was told. */
uint64_t mount_inodes(const struct mount *m, const struct hardware *hw)
{
    bool is_told = m->share == MOUNT_DEV || m->share == MOUNT_USER;
    bool has_some = m->share != MOUNT_NONE || m->size_kib != 0;
    return is_told ? mount_size_kib(m, hw) / PAGE_KIB : has_some ? hw->mem_total / INODE_KIB : 0;
}

int mount_put_super(const struct mount *m, const char *text_z, const struct hardware *hw,
                    struct buffer *out)
{
    int rc = 0;
    for (const char *c = text_z; *c != '\0' && rc == 0; c++) {
        if (*c == '@')
            rc = buffer_printf(out, "%llu", (unsigned long long)mount_size_kib(m, hw));
        else if (*c == '#')
            rc = buffer_printf(out, "%llu", (unsigned long long)mount_inodes(m, hw));
        else
            rc = buffer_put_u8(out, (uint8_t)*c);
    }
    return rc;
}

static const struct {
    const char *name_z;
    uint32_t mode;
    uint32_t major, minor, gid;
} devices[] = {
#define DEVICE(name, type, major, minor, mode, gid) {name, (type) | (mode), major, minor, gid},
#include "kernel/devices.def"
#undef DEVICE
};

/* Who puts the machine together: root. */
static const struct creds creds_root = {.cap_effective = UINT64_MAX};

static int make_directory(struct vfs *vfs, struct span path, struct vnode *out)
{
    struct vnode root = {.fs = vfs->top, .ino = vfs->top->root};
    struct fs_context fs = {.vfs = vfs, .root = root, .cwd = root, .holders = 1};
    const struct vfs_at at = {.fs = &fs, .cred = &creds_root};
    const struct fs_new new = {.mode = S_IFDIR | 0755};
    struct walk_found found;
    int error = walk(&at, path, WALK_FOLLOW | WALK_MAKE, &found);
    if (error == 0 && found.node.fs == NULL) {
        unsigned flags = found.dir.fs->flags;
        found.dir.fs->flags &= ~(unsigned)FS_FIXED; /* not yet */
        error = vfs_make_at(&at, &found, &new);
        found.dir.fs->flags = flags;
    }
    *out = found.node;
    walk_done(&found);
    return error;
}

/* The directory a file system is mounted on; made, with those above it, when the image has none: then
 * the walk ends before the last name. */
static int mount_point(struct vfs *vfs, const char *path_z, struct vnode *out)
{
    struct span path = span_z(path_z);
    ptrdiff_t slash = 0;
    int error = make_directory(vfs, path, out);
    if (error != -ENOENT)
        return error;
    error = 0;
    while (error == 0 && (slash = span_find(path, '/', (size_t)slash + 1)) > 0)
        error = make_directory(vfs, span_slice(path, 0, (size_t)slash), out);
    return error != 0 ? error : make_directory(vfs, path, out);
}

/* The image's own directory under a mount point, 0 when it has none. */
static uint32_t image_directory(const struct persona_image *image, struct vnode node)
{
    bool is_there = (node.fs->flags & FS_IMAGE) != 0 && node.ino <= persona_image_nodes(image);
    return is_there ? (uint32_t)node.ino : 0;
}

static struct fs *fs_of_kind(struct vfs *vfs, const struct persona_image *image,
                             const struct mount *m, struct vnode node)
{
    uint32_t dir = m->kind != MOUNT_ROOT ? image_directory(image, node) : 0;
    switch (m->kind) {
    case MOUNT_ROOT: return overlay_new(vfs, image, image != NULL ? PERSONA_ROOT : 0);
    case MOUNT_TMPFS: return overlay_new(vfs, dir != 0 ? image : NULL, dir);
    case MOUNT_PROC: return procfs_new(vfs, image, dir);
    case MOUNT_DEVPTS: return devpts_new(vfs);
    default: return NULL;
    }
}

static struct fs *fs_of_row(struct vfs *vfs, const struct persona_image *image,
                            const struct mount *m, struct vnode node)
{
    struct fs *fs =
        m->kind == MOUNT_LISTED ? mount_view(node.fs, node.ino) : fs_of_kind(vfs, image, m, node);
    if (fs == NULL)
        return NULL;
    fs->dev = FS_DEV(m->major, m->minor);
    fs->flags |= m->flags | (m->kind == MOUNT_LISTED ? FS_LISTED : 0) |
                 (m->kind == MOUNT_ROOT ? FS_DISK : 0);
    fs->mount = m;
    return fs;
}

static int mount_one(struct vfs *vfs, const struct persona_image *image, size_t index)
{
    const struct mount *m = &vfs->hardware->kind->mounts[index];
    struct vnode node = {0};
    int error = m->kind != MOUNT_ROOT ? mount_point(vfs, m->path_z, &node) : 0;
    if (error != 0)
        return error;
    struct fs *fs = fs_of_row(vfs, image, m, node);
    if (fs == NULL)
        return -ENOMEM;
    error = mount_attach(fs, node, vfs->space, (uint32_t)index);
    if (error != 0) {
        mount_free(fs);
        return error;
    }
    fs->id = m->id;
    fs->peers = m->peers;
    if (m->kind == MOUNT_ROOT)
        vfs->top = fs;
    const struct fs_attr attr = {.what = FS_ATTR_MODE, .mode = m->mode};
    struct file_stat st;
    error = fs->ops->stat(fs, fs->root, &st);
    if (error == 0 && m->kind == MOUNT_TMPFS && (st.mode & 07777) != m->mode)
        error = fs->ops->set_attr(fs, fs->root, &attr);
    return error;
}

static int make_device(struct vfs *vfs, struct fs *dev, size_t index)
{
    uint64_t ino = 0;
    struct span name = span_z(devices[index].name_z);
    const struct fs_new new = {.mode = devices[index].mode,
                               .gid = devices[index].gid,
                               .rdev = FS_DEV(devices[index].major, devices[index].minor)};
    (void)vfs;
    if (dev->ops->find(dev, NULL, dev->root, name, &ino) == 0)
        return 0;
    return dev->ops->make(dev, dev->root, name, &new, &ino);
}

static int make_links(struct fs *dev)
{
    static const char *const links[][2] = {{"fd", "/proc/self/fd"},
                                           {"stdin", "/proc/self/fd/0"},
                                           {"stdout", "/proc/self/fd/1"},
                                           {"stderr", "/proc/self/fd/2"}};
    int error = 0;
    uint64_t ino = 0;
    for (size_t i = 0; i < ARRAY_LEN(links) && error == 0; i++) {
        const struct fs_new new = {.mode = S_IFLNK | 0777, .target = span_z(links[i][1])};
        if (dev->ops->find(dev, NULL, dev->root, span_z(links[i][0]), &ino) != 0)
            error = dev->ops->make(dev, dev->root, span_z(links[i][0]), &new, &ino);
    }
    return error;
}

/* What udev makes of the disk's label: by it /etc/fstab finds the disk. */
static int make_disk_link(struct vfs *vfs)
{
    struct vnode dir;
    uint64_t ino = 0;
    const struct fs_new new = {.mode = S_IFLNK | 0777, .target = SPAN_LIT("../../vda1")};
    int error = mount_point(vfs, "/dev/disk/by-uuid", &dir);
    struct span name = span_z(vfs->hardware->root_uuid_z);
    if (error != 0 || dir.fs->ops->find(dir.fs, NULL, dir.ino, name, &ino) == 0)
        return error;
    return dir.fs->ops->make(dir.fs, dir.ino, name, &new, &ino);
}

static int fill_dev(struct vfs *vfs)
{
    struct vnode dev;
    int error = mount_point(vfs, "/dev", &dev);
    for (size_t i = 0; i < ARRAY_LEN(devices) && error == 0; i++)
        error = make_device(vfs, dev.fs, i);
    if (error == 0)
        error = make_links(dev.fs);
    return error != 0 || vfs->hardware->root_uuid_z[0] == '\0' ? error : make_disk_link(vfs);
}

static int mount_all(struct vfs *vfs, const struct persona_image *image)
{
    const struct kind *kind = vfs->hardware->kind;
    int error = 0;
    for (size_t i = 0; i < kind->mount_count && error == 0; i++)
        if (kind->mounts[i].kind == MOUNT_ROOT)
            error = mount_one(vfs, image, i);
    for (size_t i = 0; i < kind->mount_count && error == 0; i++)
        if (kind->mounts[i].kind != MOUNT_ROOT)
            error = mount_one(vfs, image, i);
    if (error == 0)
        error = fill_dev(vfs);
    vfs->mounts_changed = false;
    return error;
}

struct vfs *vfs_new(const struct vfs_config *config)
{
    struct vfs *vfs = calloc(1, sizeof(*vfs));
    if (vfs == NULL)
        return NULL;
    vfs->hooks = config->hooks;
    vfs->hardware = config->hardware;
    vfs->kernel = config->kernel;
    vfs->boot_ns = config->boot_ns;
    vfs->watched = config->watched;
    vfs->watched_count = config->watched_count;
    vfs->files_max = config->files;
    vfs->next_object = 12000; /* pipes of the services that seem to run came before */
    vfs->quota.bytes_max = UINT64_MAX;
    vfs->quota.nodes_max = UINT32_MAX;
    vfs->space = mount_space_new(vfs);
    if (vfs->space == NULL || mount_all(vfs, config->image) != 0) {
        vfs_free(vfs);
        return NULL;
    }
    /* What the machine itself needed is not the visitor's. */
    vfs->quota.bytes_max = vfs->quota.bytes + config->overlay_bytes;
    vfs->quota.nodes_max = vfs->quota.nodes + config->overlay_nodes;
    return vfs;
}

void vfs_free(struct vfs *vfs)
{
    if (vfs == NULL)
        return;
    if (vfs->space != NULL)
        mount_space_drop(vfs, vfs->space);
    if (vfs->memory != NULL)
        mount_free(vfs->memory);
    if (vfs->devpts != NULL)
        mount_free(vfs->devpts);
    hash_fini(&vfs->watches);
    net_fini(&vfs->net);
    disk_free(vfs);
    free(vfs);
}

uint64_t vfs_changes(const struct vfs *vfs)
{
    return vfs->changes;
}
