#include "kernel/keep.h"

#include "base/error.h"
#include "kernel/kernel.h"
#include "kernel/machine.h"
#include "kernel/mount.h"
#include "kernel/overlay.h"

#include <string.h>

enum { VERSION = 1 };

static const struct span MAGIC = SPAN_LIT("LUREDVIS");

/* The mounts that a visitor can write to. */
static struct overlay *kept_at(const struct vfs *vfs, size_t mount)
{
    struct fs *fs = vfs->mounts[mount];
    return overlay_is(fs) && (fs->flags & FS_FIXED) == 0 ? overlay_of(fs) : NULL;
}

void keep_begin(struct vfs *vfs)
{
    for (size_t i = 0; i < vfs->mount_count; i++)
        if (overlay_is(vfs->mounts[i]))
            overlay_of(vfs->mounts[i])->boot_ino = overlay_of(vfs->mounts[i])->next_ino;
}

bool kernel_is_changed(const struct kernel *k)
{
    return vfs_changes(k->vfs) != k->changes_at_start;
}

static int put_head(const struct kernel *k, struct buffer *out)
{
    struct span covered;
    uint32_t count = 0;
    for (size_t i = 0; i < k->vfs->mount_count; i++)
        count += kept_at(k->vfs, i) != NULL;
    int rc = buffer_put(out, MAGIC);
    if (rc == 0)
        rc = buffer_put_u32(out, VERSION);
    if (rc == 0)
        rc = buffer_put(out, persona_image_checksum(k->image, &covered));
    if (rc == 0)
        rc = buffer_put_u32(out, persona_image_nodes(k->image));
    return rc == 0 ? buffer_put_u32(out, count) : rc;
}

int kernel_save(const struct kernel *k, struct buffer *out)
{
    size_t before = buffer_len(out);
    int rc = put_head(k, out);
    for (size_t i = 0; rc == 0 && i < k->vfs->mount_count; i++) {
        const struct overlay *o = kept_at(k->vfs, i);
        if (o == NULL)
            continue;
        rc = buffer_put_string(out, span_z(o->fs.mount->path_z));
        if (rc == 0)
            rc = buffer_put_u64(out, o->boot_ino);
        if (rc == 0)
            rc = overlay_save(o, out);
    }
    if (rc < 0)
        buffer_truncate(out, before);
    return rc;
}

/* Checks the head: whether it is for this machine, and of how many file systems. */
static int get_head(const struct kernel *k, struct cursor *c, uint32_t *count)
{
    struct span covered, image = persona_image_checksum(k->image, &covered);
    bool good = span_equal(cursor_bytes(c, MAGIC.len), MAGIC) && cursor_u32(c) == VERSION &&
                span_equal(cursor_bytes(c, image.len), image) &&
                cursor_u32(c) == persona_image_nodes(k->image);
    *count = cursor_u32(c);
    return good && !c->failed ? 0 : ERR_MALFORMED;
}

/* All of them, each beside the one that is there. */
static int load_all(const struct kernel *k, struct cursor *c, struct overlay **loaded)
{
    uint32_t count = 0;
    int rc = get_head(k, c, &count);
    for (size_t i = 0; rc == 0 && i < k->vfs->mount_count; i++) {
        const struct overlay *live = kept_at(k->vfs, i);
        if (live == NULL)
            continue;
        bool same = count-- > 0 && span_equal_z(cursor_string(c), live->fs.mount->path_z) &&
                    cursor_u64(c) == live->boot_ino;
        rc = same ? overlay_load(live, c, &loaded[i]) : ERR_MALFORMED;
    }
    return rc == 0 && (count != 0 || cursor_end(c) != 0) ? ERR_MALFORMED : rc;
}

int kernel_restore(struct kernel *k, struct span saved)
{
    struct overlay *loaded[VFS_MOUNTS_MAX] = {0};
    const struct overlay_quota *quota = &k->vfs->quota, before = *quota;
    struct cursor c = cursor_of(saved);
    int rc = load_all(k, &c, loaded);
    if (rc == 0 && (quota->bytes - before.bytes > quota->bytes_max ||
                    quota->nodes - before.nodes > quota->nodes_max))
        rc = ERR_FULL;
    for (size_t i = 0; i < VFS_MOUNTS_MAX; i++) {
        if (loaded[i] != NULL && rc == 0)
            overlay_replace(overlay_of(k->vfs->mounts[i]), loaded[i]);
        else if (loaded[i] != NULL)
            loaded[i]->fs.ops->free(&loaded[i]->fs);
    }
    k->changes_at_start = vfs_changes(k->vfs);
    return rc;
}
