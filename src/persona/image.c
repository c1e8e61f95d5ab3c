#include "base/error.h"
#include "persona/own.h"
#include "persona/packed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES = 112,
    CHECKSUM_AT = 24,
    COVERED_FROM = 64, /* what the checksum covers begins here */
    FORMAT_VERSION = 2,
    NODE_BYTES = 48,
    ENTRY_BYTES = 12,
    LOOKUP_LINKS_MAX = 40, /* as Linux: MAXSYMLINKS */

    PERMISSIONS = 07777,
};

struct raw_node {
    uint32_t mode, uid, gid, links;
    int64_t mtime_s;
    uint64_t first, size;
    uint32_t parent, packed;
};

struct raw_entry {
    struct span name;
    uint32_t ino;
};

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static struct raw_node node_at(const struct persona_image *image, uint32_t ino)
{
    assert(ino >= PERSONA_ROOT && ino <= image->node_count);
    const uint8_t *p = image->nodes.data + (size_t)(ino - 1) * NODE_BYTES;
    return (struct raw_node){
        .mode = get_u32(p),
        .uid = get_u32(p + 4),
        .gid = get_u32(p + 8),
        .links = get_u32(p + 12),
        .mtime_s = (int64_t)get_u64(p + 16),
        .first = get_u64(p + 24),
        .size = get_u64(p + 32),
        .parent = get_u32(p + 40),
        .packed = get_u32(p + 44),
    };
}

static bool within(uint64_t offset, uint64_t size, uint64_t limit)
{
    return offset <= limit && size <= limit - offset;
}

/* The name is the empty span when the entry points outside of the text. */
static struct raw_entry entry_at(const struct persona_image *image, uint64_t index)
{
    assert(index < image->entry_count);
    const uint8_t *p = image->entries.data + (size_t)index * ENTRY_BYTES;
    uint32_t offset = get_u32(p), size = get_u32(p + 4);
    struct raw_entry e = {.ino = get_u32(p + 8)};
    if (within(offset, size, image->text.len))
        e.name = span_of(image->text.data + offset, size);
    return e;
}

/* ---- What open checks ---- */

static int section(struct span bytes, uint64_t offset, uint64_t size, uint64_t align,
                   struct span *out)
{
    if (offset < HEADER_BYTES || offset % align != 0 || !within(offset, size, bytes.len))
        return ERR_MALFORMED;
    *out = span_of(bytes.data + offset, (size_t)size);
    return 0;
}

static int read_header(struct persona_image *image)
{
    static const struct span magic = SPAN_LIT("LUREDIMG");
    struct span b = image->bytes;
    if (b.len < HEADER_BYTES || !span_starts_with(b, magic))
        return ERR_MALFORMED;
    if (get_u32(b.data + 8) > FORMAT_VERSION)
        return ERR_VERSION;
    if (get_u32(b.data + 12) != 0 || get_u64(b.data + 16) != b.len || b.len % PERSONA_PAGE != 0 ||
        get_u64(b.data + 56) != 0)
        return ERR_MALFORMED;
    image->node_count = get_u32(b.data + 72);
    image->entry_count = get_u32(b.data + 76);
    image->contents_at = get_u64(b.data + 104);
    /* Each node but the root has an entry at least, and only directories may go without. */
    if (image->node_count == 0 || image->contents_at % PERSONA_PAGE != 0 ||
        image->contents_at > b.len)
        return ERR_MALFORMED;
    if (section(b, get_u64(b.data + 64), (uint64_t)image->node_count * NODE_BYTES, 8,
                &image->nodes) < 0 ||
        section(b, get_u64(b.data + 80), (uint64_t)image->entry_count * ENTRY_BYTES, 4,
                &image->entries) < 0 ||
        section(b, get_u64(b.data + 88), get_u64(b.data + 96), 1, &image->text) < 0)
        return ERR_MALFORMED;
    return 0;
}

static bool name_is_good(struct span name)
{
    return name.len > 0 && name.len <= PERSONA_NAME_MAX && span_find(name, 0, 0) < 0 &&
           span_find(name, '/', 0) < 0 && !span_equal_z(name, ".") && !span_equal_z(name, "..");
}

/* A directory's run of entries: names sorted, inodes in range, each directory once and below its
 * parent (so there is no ring). Counts what points at each inode. */
static int check_run(const struct persona_image *image, uint32_t dir, const struct raw_node *node,
                     uint32_t *links)
{
    struct span before = {NULL, 0};
    for (uint64_t i = node->first; i < node->first + node->size; i++) {
        struct raw_entry e = entry_at(image, i);
        if (!name_is_good(e.name) || (before.len > 0 && span_compare(before, e.name) >= 0) ||
            e.ino <= PERSONA_ROOT || e.ino > image->node_count)
            return ERR_MALFORMED;
        before = e.name;
        struct raw_node child = node_at(image, e.ino);
        if ((child.mode & TYPE_MASK) != TYPE_DIR) {
            links[e.ino - 1]++;
            continue;
        }
        if (e.ino <= dir || child.parent != dir || links[e.ino - 1] != 0)
            return ERR_MALFORMED;
        links[e.ino - 1] = 2; /* its name and its own "." */
        links[dir - 1]++;     /* its ".." */
    }
    return 0;
}

static struct span packed_of(const struct persona_image *image, const struct raw_node *node)
{
    return span_of(image->bytes.data + node->first, node->packed);
}

static int check_contents(const struct persona_image *image, const struct raw_node *node)
{
    if (node->packed > 0) {
        bool there = node->first >= image->contents_at &&
                     within(node->first, node->packed, image->bytes.len);
        return there && persona_packed_is_good(packed_of(image, node), node->size) ? 0
                                                                                   : ERR_MALFORMED;
    }
    bool good = node->size == 0 ? node->first == 0
                                : node->first >= image->contents_at &&
                                      within(node->first, node->size, image->bytes.len);
    return good ? 0 : ERR_MALFORMED;
}

static int check_target(const struct persona_image *image, const struct raw_node *node)
{
    if (node->size == 0 || node->size > PERSONA_TARGET_MAX ||
        !within(node->first, node->size, image->text.len))
        return ERR_MALFORMED;
    struct span target = span_of(image->text.data + node->first, (size_t)node->size);
    return span_find(target, 0, 0) < 0 ? 0 : ERR_MALFORMED;
}

/* Checks a node; `next_entry` is where the run of the next directory must begin. */
static int check_node(const struct persona_image *image, uint32_t ino, uint64_t *next_entry,
                      uint32_t *links)
{
    struct raw_node node = node_at(image, ino);
    uint32_t type = node.mode & TYPE_MASK;
    if ((node.mode & ~(uint32_t)(TYPE_MASK | PERMISSIONS)) != 0 ||
        (type != TYPE_DIR && node.parent != 0) || (type != TYPE_FILE && node.packed != 0))
        return ERR_MALFORMED;
    switch (type) {
    case TYPE_DIR:
        if (node.first != *next_entry || !within(node.first, node.size, image->entry_count))
            return ERR_MALFORMED;
        *next_entry += node.size;
        return check_run(image, ino, &node, links);
    case TYPE_FILE: return check_contents(image, &node);
    case TYPE_LINK: return check_target(image, &node);
    case TYPE_CHAR:
    case TYPE_BLOCK: return node.first <= UINT32_MAX && node.size <= UINT32_MAX ? 0 : ERR_MALFORMED;
    case TYPE_FIFO:
    case TYPE_SOCKET: return node.first == 0 && node.size == 0 ? 0 : ERR_MALFORMED;
    default: return ERR_MALFORMED;
    }
}

static int check_tables(const struct persona_image *image)
{
    struct raw_node root = node_at(image, PERSONA_ROOT);
    if ((root.mode & TYPE_MASK) != TYPE_DIR || root.parent != PERSONA_ROOT)
        return ERR_MALFORMED;
    uint32_t *links = calloc(image->node_count, sizeof *links);
    if (links == NULL)
        return ERR_NOMEM;
    int rc = 0;
    uint64_t next_entry = 0;
    links[PERSONA_ROOT - 1] = 2;
    for (uint32_t ino = 1; rc == 0 && ino <= image->node_count; ino++)
        rc = check_node(image, ino, &next_entry, links);
    if (rc == 0 && next_entry != image->entry_count)
        rc = ERR_MALFORMED;
    /* Nothing without a name, and the counts of links are true. */
    for (uint32_t ino = 1; rc == 0 && ino <= image->node_count; ino++) {
        if (links[ino - 1] == 0 || links[ino - 1] != node_at(image, ino).links)
            rc = ERR_MALFORMED;
    }
    free(links);
    return rc;
}

int persona_image_open(struct span bytes, struct persona_image **out)
{
    *out = NULL;
    assert((uintptr_t)bytes.data % PERSONA_PAGE == 0);
    struct persona_image *image = calloc(1, sizeof *image);
    if (image == NULL)
        return ERR_NOMEM;
    image->bytes = bytes;
    own_init(image);
    int rc = read_header(image);
    if (rc == 0)
        rc = check_tables(image);
    if (rc < 0) {
        persona_image_close(image);
        return rc;
    }
    *out = image;
    return 0;
}

void persona_image_close(struct persona_image *image)
{
    if (image != NULL)
        own_fini(image);
    free(image);
}

struct span persona_image_checksum(const struct persona_image *image, struct span *covered)
{
    *covered = span_slice(image->bytes, COVERED_FROM, image->bytes.len);
    return span_of(image->bytes.data + CHECKSUM_AT, PERSONA_SHA256_BYTES);
}

/* ---- Reading: open has checked all that is used here ---- */

uint32_t persona_image_nodes(const struct persona_image *image)
{
    return image->node_count + image->own_count;
}

/* A time of the bytes, as this installation has it. */
static int64_t time_here(const struct persona_image *image, uint32_t ino, int64_t time_s)
{
    const struct persona_times *times = &image->times;
    if (own_is_late(image, ino))
        return image->made_s;
    bool moves = time_s >= times->from_s && time_s < times->until_s;
    return moves ? time_s + times->by_s : time_s;
}

static void read_node(const struct persona_image *image, uint32_t ino, struct persona_node *out)
{
    struct raw_node node = node_at(image, ino);
    *out = (struct persona_node){
        .ino = ino,
        .mode = node.mode,
        .uid = node.uid,
        .gid = node.gid,
        .nlink = node.links,
        .mtime_s = time_here(image, ino, node.mtime_s),
        .parent = node.parent,
    };
    switch (node.mode & TYPE_MASK) {
    case TYPE_DIR: out->children = (uint32_t)node.size; break;
    case TYPE_FILE:
        out->size = node.size;
        if (node.packed > 0)
            out->packed = packed_of(image, &node);
        else if (node.size > 0)
            out->data = span_of(image->bytes.data + node.first, (size_t)node.size);
        break;
    case TYPE_LINK:
        out->size = node.size;
        out->data = span_of(image->text.data + node.first, (size_t)node.size);
        break;
    case TYPE_CHAR:
    case TYPE_BLOCK:
        out->rdev_major = (uint32_t)node.first;
        out->rdev_minor = (uint32_t)node.size;
        break;
    default: break;
    }
}

bool persona_image_node(const struct persona_image *image, uint32_t ino, struct persona_node *out)
{
    if (ino < PERSONA_ROOT || ino > persona_image_nodes(image))
        return false;
    if (ino > image->node_count)
        *out = *own_node(image, ino);
    else
        read_node(image, ino, out);
    const struct own_dir *dir = own_dir_find(image, ino);
    if (dir != NULL) {
        out->children = dir->count;
        out->nlink = dir->nlink;
    }
    out->ctime_s =
        out->mtime_s > image->times.installed_s ? out->mtime_s : image->times.installed_s;
    return true;
}

static bool is_directory(const struct persona_image *image, uint32_t ino)
{
    if (ino < PERSONA_ROOT || ino > persona_image_nodes(image))
        return false;
    uint32_t mode = ino > image->node_count ? own_node(image, ino)->mode : node_at(image, ino).mode;
    return (mode & TYPE_MASK) == TYPE_DIR;
}

static uint32_t parent_of(const struct persona_image *image, uint32_t dir)
{
    return dir > image->node_count ? own_node(image, dir)->parent : node_at(image, dir).parent;
}

uint32_t persona_image_find(const struct persona_image *image, uint32_t dir, struct span name)
{
    if (!is_directory(image, dir))
        return 0;
    const struct own_dir *own = own_dir_find(image, dir);
    if (own != NULL)
        return own_dir_lookup(own, name);
    if (dir > image->node_count)
        return 0;
    struct raw_node node = node_at(image, dir);
    uint64_t low = node.first, high = node.first + node.size;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct raw_entry e = entry_at(image, middle);
        int order = span_compare(e.name, name);
        if (order == 0)
            return e.ino;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

uint32_t persona_image_entry(const struct persona_image *image, uint32_t dir, uint32_t index,
                             struct span *name)
{
    if (!is_directory(image, dir))
        return 0;
    const struct own_dir *own = own_dir_find(image, dir);
    if (own != NULL) {
        if (index >= own->count)
            return 0;
        *name = own->entries[index].name;
        return own->entries[index].ino;
    }
    if (dir > image->node_count)
        return 0;
    struct raw_node node = node_at(image, dir);
    if (index >= node.size)
        return 0;
    struct raw_entry e = entry_at(image, node.first + index);
    *name = e.name;
    return e.ino;
}

static struct span next_part(struct span *path)
{
    size_t start = 0;
    while (start < path->len && path->data[start] == '/')
        start++;
    ptrdiff_t slash = span_find(*path, '/', start);
    size_t end = slash < 0 ? path->len : (size_t)slash;
    struct span part = span_slice(*path, start, end);
    *path = span_slice(*path, end, path->len);
    return part;
}

/* `links` is what is left of the allowance; it bounds the recursion, too. */
static uint32_t walk(const struct persona_image *image, uint32_t dir, struct span path, int *links)
{
    uint32_t at = path.len > 0 && path.data[0] == '/' ? PERSONA_ROOT : dir;
    for (;;) {
        struct span part = next_part(&path);
        if (part.len == 0)
            return at;
        if (!is_directory(image, at))
            return 0;
        if (span_equal_z(part, "."))
            continue;
        uint32_t from = at;
        at = span_equal_z(part, "..") ? parent_of(image, at) : persona_image_find(image, at, part);
        if (at == 0)
            return 0;
        struct persona_node node;
        if (!persona_image_node(image, at, &node))
            return 0;
        if ((node.mode & TYPE_MASK) == TYPE_LINK) {
            if ((*links)-- == 0)
                return 0;
            at = walk(image, from, node.data, links);
            if (at == 0)
                return 0;
        }
    }
}

uint32_t persona_image_lookup(const struct persona_image *image, struct span path)
{
    int links = LOOKUP_LINKS_MAX;
    return walk(image, PERSONA_ROOT, path, &links);
}
