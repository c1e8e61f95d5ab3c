/* What was saved is believed in nothing that memory or an endless walk hangs on: types, places, bounds
 * and the tree are checked; counts that only answers hang on are taken as they are. */
#include "base/error.h"
#include "kernel/overlay.h"
#include "kernel/xattr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    MODE_BITS = 0177777,
    STEPS_MAX = 1 << 20, /* up the tree, of all directories together */
};

static const uint64_t INO_MAX = UINT64_C(1) << 32;
static const uint64_t FILE_BYTES_MAX = UINT64_C(17592186040320); /* ext4's */

static bool in_image(const struct overlay *o, uint64_t ino, struct persona_node *node)
{
    return o->image != NULL && ino != 0 && ino <= persona_image_nodes(o->image) &&
           persona_image_node(o->image, (uint32_t)ino, node);
}

/* Before memory is taken for it. */
static bool fits(const struct overlay *o, uint64_t bytes, uint32_t nodes)
{
    const struct overlay_quota *quota = &o->fs.vfs->quota;
    return quota->bytes + bytes <= quota->bytes_max && quota->nodes + nodes <= quota->nodes_max;
}

/* ---- Inodes ---- */

static bool is_type(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
    case S_IFBLK: return (mode & ~(uint32_t)MODE_BITS) == 0;
    default: return false;
    }
}

/* What lies below the changes is the image's, or nothing. */
static int set_base(const struct overlay *o, struct inode *i)
{
    struct persona_node node;
    uint64_t below = 0;
    if (in_image(o, i->ino, &node)) {
        if ((node.mode & S_IFMT) != (i->mode & S_IFMT))
            return ERR_MALFORMED;
        i->base = node.data;
        i->packed = node.packed;
        i->packed_size = below = node.size;
    }
    if (S_ISREG(i->mode) && (uint64_t)i->base_bytes > below)
        return ERR_MALFORMED;
    return 0;
}

static int get_target(struct inode *i, struct span target)
{
    bool wanted = S_ISLNK(i->mode) && i->base.data == NULL;
    if (!wanted)
        return target.len == 0 ? 0 : ERR_MALFORMED;
    if (target.len == 0 || target.len > PERSONA_TARGET_MAX)
        return ERR_MALFORMED;
    i->target = malloc(target.len + 1);
    if (i->target == NULL)
        return ERR_NOMEM;
    (void)span_copy_z(target, i->target, target.len + 1);
    i->base = span_of(i->target, target.len);
    i->size = (int64_t)target.len;
    return 0;
}

static int get_attributes(const struct overlay *o, struct cursor *c, struct inode *i)
{
    int rc = 0;
    for (uint32_t n = cursor_u32(c); rc == 0 && n > 0 && !c->failed; n--) {
        struct span name = cursor_string(c), value = cursor_string(c);
        bool good = !c->failed && name.len > 0 && name.len <= XATTR_NAME_BYTES_MAX &&
                    value.len <= XATTR_VALUE_MAX && span_find(name, 0, 0) < 0;
        int error = good ? xattr_set(&i->attributes, name, value) : -EINVAL;
        rc = error == 0 ? 0 : error == -ENOMEM ? ERR_NOMEM : ERR_MALFORMED;
    }
    o->fs.vfs->quota.bytes += i->attributes != NULL ? XATTR_BLOCK : 0;
    return rc == 0 && !fits(o, 0, 0) ? ERR_FULL : rc;
}

static int get_page(struct overlay *o, struct cursor *c, struct inode *i)
{
    uint64_t index = cursor_u64(c);
    struct span bytes = cursor_string(c);
    bool rising = i->page_count == 0 || i->pages[i->page_count - 1].index < index;
    if (c->failed || !rising || bytes.len > OVERLAY_PAGE ||
        index > ((uint64_t)i->size - 1) / OVERLAY_PAGE)
        return ERR_MALFORMED;
    if (!fits(o, OVERLAY_PAGE, 0))
        return ERR_FULL;
    uint8_t *page = calloc(1, OVERLAY_PAGE);
    if (page == NULL)
        return ERR_NOMEM;
    if (bytes.len > 0)
        memcpy(page, bytes.data, bytes.len);
    i->pages[i->page_count++] = (struct page){.index = index, .bytes = page};
    o->fs.vfs->quota.bytes += OVERLAY_PAGE;
    o->bytes += OVERLAY_PAGE;
    return 0;
}

/* No more pages than there are bytes to tell of them: the count alone takes no memory. */
static int get_pages(struct overlay *o, struct cursor *c, struct inode *i)
{
    enum { PAGE_HEAD = 12 };
    uint32_t count = cursor_u32(c);
    if (count == 0)
        return 0;
    if (c->failed || count > c->rest.len / PAGE_HEAD || !S_ISREG(i->mode) || i->size == 0)
        return ERR_MALFORMED;
    i->pages = calloc(count, sizeof(*i->pages));
    if (i->pages == NULL)
        return ERR_NOMEM;
    i->page_room = count;
    int rc = 0;
    for (uint32_t n = 0; rc == 0 && n < count; n++)
        rc = get_page(o, c, i);
    return rc;
}

static void get_fields(struct cursor *c, struct inode *i)
{
    i->mode = cursor_u32(c);
    i->uid = cursor_u32(c);
    i->gid = cursor_u32(c);
    i->nlink = cursor_u32(c);
    i->rdev = cursor_u64(c);
    i->flags = cursor_u32(c);
    i->atime_ns = (int64_t)cursor_u64(c);
    i->mtime_ns = (int64_t)cursor_u64(c);
    i->ctime_ns = (int64_t)cursor_u64(c);
    i->btime_ns = (int64_t)cursor_u64(c);
    i->size = (int64_t)cursor_u64(c);
    i->base_bytes = (int64_t)cursor_u64(c);
    i->parent = cursor_u64(c);
    i->entries = cursor_u32(c);
}

static int get_inode(struct overlay *o, struct cursor *c)
{
    uint64_t ino = cursor_u64(c);
    if (c->failed || ino == 0 || ino >= o->next_ino || overlay_inode_find(o, ino) != NULL)
        return ERR_MALFORMED;
    if (!fits(o, 0, 1))
        return ERR_FULL;
    struct inode *i = calloc(1, sizeof(*i));
    if (i == NULL || hash_add(&o->inodes, &i->link, ino) != 0) {
        free(i);
        return ERR_NOMEM;
    }
    i->ino = ino;
    i->kept = true;
    o->fs.vfs->quota.nodes++;
    get_fields(c, i);
    struct span target = cursor_string(c);
    bool leaves_root =
        ino == o->fs.root && i->parent != ino; /* who looks for the root goes on for ever */
    if (c->failed || leaves_root || !is_type(i->mode) || i->nlink == 0 ||
        i->nlink > OVERLAY_LINKS_MAX || (uint64_t)i->size > FILE_BYTES_MAX || i->base_bytes < 0)
        return ERR_MALFORMED;
    int rc = set_base(o, i);
    if (rc == 0)
        rc = get_target(i, target);
    if (rc == 0)
        rc = get_attributes(o, c, i);
    return rc == 0 ? get_pages(o, c, i) : rc;
}

/* ---- Names ---- */

static bool is_name(struct span text)
{
    return text.len > 0 && text.len <= VFS_NAME_MAX && span_find(text, '/', 0) < 0 &&
           span_find(text, 0, 0) < 0 && !span_equal_z(text, ".") && !span_equal_z(text, "..");
}

/* A directory stands below its parent alone. */
static bool may_lead_to(const struct overlay *o, uint64_t dir, uint64_t ino)
{
    const struct inode *i = overlay_inode_find(o, ino);
    struct persona_node node;
    if (i != NULL)
        return !S_ISDIR(i->mode) || i->parent == dir;
    return in_image(o, ino, &node) && (!S_ISDIR(node.mode) || node.parent == dir);
}

static int get_name(struct overlay *o, struct cursor *c)
{
    uint64_t dir_ino = cursor_u64(c), ino = cursor_u64(c);
    struct span text = cursor_string(c);
    struct inode *dir = overlay_inode_find(o, dir_ino);
    if (c->failed || dir == NULL || !S_ISDIR(dir->mode) || !is_name(text) ||
        (ino != 0 && !may_lead_to(o, dir_ino, ino)) || overlay_name_find(o, dir_ino, text) != NULL)
        return ERR_MALFORMED;
    if (!fits(o, 0, 1))
        return ERR_FULL;
    return overlay_name_add(o, dir, text, ino) != NULL ? 0 : ERR_NOMEM;
}

/* ---- The tree ---- */

static uint64_t parent_of(const struct overlay *o, uint64_t ino)
{
    const struct inode *i = overlay_inode_find(o, ino);
    struct persona_node node;
    if (i != NULL)
        return S_ISDIR(i->mode) ? i->parent : 0;
    return in_image(o, ino, &node) && S_ISDIR(node.mode) ? node.parent : 0;
}

/* From every directory one comes to the root. */
static bool is_tree(const struct overlay *o)
{
    uint32_t steps = 0;
    for (size_t b = 0; b < o->inodes.size; b++)
        for (struct hash_link *l = o->inodes.buckets[b]; l != NULL; l = l->next) {
            const struct inode *i = (struct inode *)l;
            uint64_t at = S_ISDIR(i->mode) ? i->ino : o->fs.root;
            for (; at != o->fs.root && at != 0 && steps < STEPS_MAX; steps++)
                at = parent_of(o, at);
            if (at != o->fs.root)
                return false;
        }
    return true;
}

/* Those that the machine holds (mount points) must still be there, as directories. */
static bool keeps_what_is_held(const struct overlay *live, struct overlay *o)
{
    for (size_t b = 0; b < live->inodes.size; b++)
        for (struct hash_link *l = live->inodes.buckets[b]; l != NULL; l = l->next) {
            const struct inode *held = (struct inode *)l;
            if (held->holds == 0)
                continue;
            struct inode *i = overlay_inode(o, held->ino);
            if (i == NULL || (i->mode & S_IFMT) != (held->mode & S_IFMT))
                return false;
            i->holds = held->holds;
        }
    return true;
}

static int load(struct overlay *o, const struct overlay *live, struct cursor *c)
{
    int rc = 0;
    o->next_ino = cursor_u64(c);
    if (c->failed || o->next_ino < live->boot_ino || o->next_ino > INO_MAX)
        return ERR_MALFORMED;
    for (uint32_t n = cursor_u32(c); rc == 0 && n > 0; n--)
        rc = get_inode(o, c);
    for (uint32_t n = rc == 0 ? cursor_u32(c) : 0; rc == 0 && n > 0; n--)
        rc = get_name(o, c);
    if (rc == 0 && (c->failed || !is_tree(o) || !keeps_what_is_held(live, o)))
        rc = ERR_MALFORMED;
    return rc;
}

int overlay_load(const struct overlay *live, struct cursor *c, struct overlay **out)
{
    struct overlay *o = calloc(1, sizeof(*o));
    *out = NULL;
    if (o == NULL)
        return ERR_NOMEM;
    o->fs = live->fs;
    o->fs.super = &o->fs;
    o->image = live->image;
    o->boot_ino = live->boot_ino;
    o->next_cookie = live->next_cookie;
    int rc = load(o, live, c);
    if (rc == 0)
        *out = o;
    else
        o->fs.ops->free(&o->fs);
    return rc;
}

void overlay_replace(struct overlay *live, struct overlay *saved)
{
    struct overlay old = *live;
    live->inodes = saved->inodes;
    live->names = saved->names;
    live->next_ino = saved->next_ino;
    live->next_cookie = saved->next_cookie;
    live->bytes = saved->bytes;
    saved->bytes = old.bytes;
    saved->inodes = old.inodes;
    saved->names = old.names;
    live->fs.vfs->changes++;
    saved->fs.ops->free(&saved->fs);
}
