#include "kernel/keep.h"

#include "base/error.h"
#include "kernel/disk.h"
#include "kernel/facts.h"
#include "kernel/kernel.h"
#include "kernel/machine.h"
#include "kernel/mount.h"
#include "kernel/overlay.h"
#include "persona/image.h"

#include <string.h>

enum { VERSION = 2, KEPT_MAX = 16 };

static const struct span MAGIC = SPAN_LIT("LUREDVIS");

/* A file system that the machine has booted with and that can be written to, or NULL. Others are the
 * visitor's own mounts, and go with his programs. */
static struct overlay *kept(struct fs *fs)
{
    bool is_kept = overlay_is(fs) && fs->super == fs && (fs->flags & FS_FIXED) == 0 &&
                   fs->mount != NULL && overlay_of(fs)->boot_ino != 0 &&
                   strcmp(fs->mount->type_z, "mqueue") != 0; /* its messages are gone */
    return is_kept ? overlay_of(fs) : NULL;
}

static struct overlay *find_kept(const struct vfs *vfs, struct span path)
{
    for (struct fs *fs = vfs->mounts; fs != NULL; fs = fs->next)
        if (kept(fs) != NULL && span_equal_z(path, fs->mount->path_z))
            return kept(fs);
    return NULL;
}

static void begin(struct overlay *o)
{
    o->boot_ino = o->next_ino;
    o->boot_bytes = o->bytes;
}

void keep_begin(struct vfs *vfs)
{
    for (struct fs *fs = vfs->mounts; fs != NULL; fs = fs->next)
        if (overlay_is(fs) && fs->super == fs)
            begin(overlay_of(fs));
}

bool kernel_is_changed(const struct kernel *k)
{
    return vfs_changes(k->vfs) != k->changes_at_start;
}

static int put_head(const struct kernel *k, struct buffer *out)
{
    struct span covered;
    uint32_t count = 0;
    for (struct fs *fs = k->vfs->mounts; fs != NULL; fs = fs->next)
        count += kept(fs) != NULL;
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
    for (struct fs *fs = k->vfs->mounts; rc == 0 && fs != NULL; fs = fs->next) {
        const struct overlay *o = kept(fs);
        if (o == NULL)
            continue;
        rc = buffer_put_string(out, span_z(fs->mount->path_z));
        if (rc == 0)
            rc = buffer_put_u64(out, o->boot_ino);
        if (rc == 0)
            rc = overlay_save(o, out);
    }
    if (rc == 0)
        rc = facts_save(k, out);
    if (rc == 0)
        rc = disk_save(k->vfs, out);
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
    return good && !c->failed && *count <= KEPT_MAX ? 0 : ERR_MALFORMED;
}

/* What was loaded, and whose place it takes. */
struct loaded {
    struct overlay *live[KEPT_MAX], *saved[KEPT_MAX];
    uint32_t count;
};

static int load_one(const struct kernel *k, struct cursor *c, struct loaded *l)
{
    struct overlay *live = find_kept(k->vfs, cursor_string(c));
    uint64_t boot_ino = cursor_u64(c);
    if (c->failed || live == NULL || boot_ino != live->boot_ino)
        return ERR_MALFORMED;
    for (uint32_t i = 0; i < l->count; i++)
        if (l->live[i] == live)
            return ERR_MALFORMED;
    int rc = overlay_load(live, c, &l->saved[l->count]);
    l->live[l->count] = live;
    l->count += rc == 0;
    return rc;
}

/* All of them, each beside the one that is there, the disk, and what else is told of him. */
static int load_all(struct kernel *k, struct cursor *c, struct loaded *l)
{
    uint32_t count = 0;
    int rc = get_head(k, c, &count);
    while (rc == 0 && l->count < count)
        rc = load_one(k, c, l);
    if (rc == 0)
        rc = facts_load(k, c);
    return rc == 0 ? disk_load(k->vfs, c) : rc;
}

int kernel_restore(struct kernel *k, struct span saved)
{
    struct loaded l = {.count = 0};
    struct overlay_quota *quota = &k->vfs->quota, before = *quota;
    struct cursor c = cursor_of(saved);
    /* As long as what is there stands beside it. */
    quota->bytes_max += before.bytes;
    quota->nodes_max += before.nodes;
    int rc = load_all(k, &c, &l);
    quota->bytes_max = before.bytes_max;
    quota->nodes_max = before.nodes_max;
    for (uint32_t i = 0; i < l.count; i++) {
        if (rc == 0)
            overlay_replace(l.live[i], l.saved[i]);
        else
            l.saved[i]->fs.ops->free(&l.saved[i]->fs);
    }
    if (rc != 0) {
        disk_free(k->vfs);
        facts_forget(k);
    }
    k->changes_at_start = vfs_changes(k->vfs);
    k->cron_looked = UINT64_MAX; /* he may have left it something to do */
    return rc;
}
