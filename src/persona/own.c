#include "persona/own.h"

#include "base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void own_init(struct persona_image *image)
{
    arena_init(&image->arena, PERSONA_OWN_BYTES_MAX);
    image->times.installed_s = INT64_MIN;
}

void own_fini(struct persona_image *image)
{
    for (uint32_t i = 0; i < image->own_dir_count; i++)
        free(image->own_dirs[i].entries);
    free(image->own_dirs);
    free(image->own);
    free(image->made_late);
    arena_fini(&image->arena);
}

void persona_image_set_times(struct persona_image *image, const struct persona_times *times)
{
    image->times = *times;
}

bool own_is_late(const struct persona_image *image, uint32_t ino)
{
    return image->made_late != NULL && (image->made_late[ino / 8] >> ino % 8 & 1) != 0;
}

/* True when it was not marked before. */
static bool mark_late(struct persona_image *image, uint32_t ino)
{
    if (ino < PERSONA_ROOT || ino > image->node_count || own_is_late(image, ino))
        return false;
    image->made_late[ino / 8] |= (uint8_t)(1u << ino % 8);
    return true;
}

static bool mark_entries(struct persona_image *image, uint32_t dir)
{
    struct span name;
    uint32_t ino;
    bool any = false;
    for (uint32_t i = 0; (ino = persona_image_entry(image, dir, i, &name)) != 0; i++)
        any |= mark_late(image, ino);
    return any;
}

int persona_image_made_at(struct persona_image *image, struct span path, int64_t time_s)
{
    uint32_t top = persona_image_lookup(image, path);
    if (image->made_late == NULL)
        image->made_late = calloc(image->node_count / 8 + 1, 1);
    if (image->made_late == NULL)
        return ERR_NOMEM;
    image->made_s = time_s;
    for (bool more = mark_late(image, top); more;) {
        more = false;
        for (uint32_t dir = PERSONA_ROOT; dir <= image->node_count; dir++)
            more |= own_is_late(image, dir) && mark_entries(image, dir);
    }
    return 0;
}

const struct persona_node *own_node(const struct persona_image *image, uint32_t ino)
{
    assert(ino > image->node_count && ino - image->node_count <= image->own_count);
    return &image->own[ino - image->node_count - 1];
}

bool persona_image_record(const struct persona_image *image, uint32_t ino,
                          enum persona_record *record, uint32_t *age)
{
    if (ino <= image->node_count || ino - image->node_count > image->own_count)
        return false;
    const struct persona_node *node = own_node(image, ino);
    *record = node->record;
    *age = node->age;
    return node->record != PERSONA_RECORD_NONE;
}

/* Where the directory is among those of our own, or would be. */
static uint32_t dir_place(const struct persona_image *image, uint32_t ino)
{
    uint32_t low = 0, high = image->own_dir_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (image->own_dirs[middle].ino < ino)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Asked for each inode that is looked at, of which few are such directories. */
const struct own_dir *own_dir_find(const struct persona_image *image, uint32_t ino)
{
    if (image->own_dir_marks[ino % OWN_DIR_MARKS] == 0)
        return NULL;
    uint32_t at = dir_place(image, ino);
    return at < image->own_dir_count && image->own_dirs[at].ino == ino ? &image->own_dirs[at]
                                                                       : NULL;
}

static uint32_t name_place(const struct own_dir *dir, struct span name)
{
    uint32_t low = 0, high = dir->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (span_compare(dir->entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t own_dir_lookup(const struct own_dir *dir, struct span name)
{
    uint32_t at = name_place(dir, name);
    return at < dir->count && span_equal(dir->entries[at].name, name) ? dir->entries[at].ino : 0;
}

/* ---- Changing ---- */

/* One place more in an array of `size`-byte elements. */
static int make_room(void **array, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room)
        return 0;
    uint32_t wanted = *room == 0 ? 8 : *room * 2;
    void *grown = realloc(*array, wanted * size);
    if (grown == NULL)
        return ERR_NOMEM;
    *array = grown;
    *room = wanted;
    return 0;
}

static int copy_entries(const struct persona_image *image, struct own_dir *dir)
{
    struct own_entry e = {.ino = 0};
    int rc = 0;
    while (rc == 0 && (e.ino = persona_image_entry(image, dir->ino, dir->count, &e.name)) != 0) {
        void *entries = dir->entries;
        rc = make_room(&entries, dir->count, &dir->room, sizeof(e));
        dir->entries = entries;
        if (rc == 0)
            dir->entries[dir->count++] = e;
    }
    return rc;
}

/* The directory as one of our own, with the names it has now. */
static int dir_ready(struct persona_image *image, uint32_t ino, struct own_dir **out)
{
    uint32_t at = dir_place(image, ino);
    struct persona_node node;
    if (at < image->own_dir_count && image->own_dirs[at].ino == ino) {
        *out = &image->own_dirs[at];
        return 0;
    }
    if (!persona_image_node(image, ino, &node) || (node.mode & TYPE_MASK) != TYPE_DIR)
        return ERR_MALFORMED;
    struct own_dir dir = {.ino = ino, .nlink = node.nlink};
    int rc = copy_entries(image, &dir);
    void *dirs = image->own_dirs;
    if (rc == 0)
        rc = make_room(&dirs, image->own_dir_count, &image->own_dir_room, sizeof(dir));
    image->own_dirs = dirs;
    if (rc < 0) {
        free(dir.entries);
        return rc;
    }
    memmove(&image->own_dirs[at + 1], &image->own_dirs[at],
            (image->own_dir_count - at) * sizeof(dir));
    image->own_dirs[at] = dir;
    image->own_dir_count++;
    image->own_dir_marks[ino % OWN_DIR_MARKS] = 1;
    *out = &image->own_dirs[at];
    return 0;
}

/* Contents never begin at a page's start: only those of the bytes may be mapped in place. */
static int copy_data(struct persona_image *image, struct span data, struct span *out)
{
    uint8_t *copy = arena_alloc(&image->arena, data.len + 1);
    if (copy == NULL)
        return ERR_FULL;
    if (data.len > 0)
        memcpy(copy + 1, data.data, data.len);
    *out = span_of(copy + 1, data.len);
    return 0;
}

/* A new inode; its number, or an error. */
static int64_t node_new(struct persona_image *image, const struct persona_node *node)
{
    if (image->own_count == PERSONA_OWN_MAX)
        return ERR_FULL;
    void *own = image->own;
    int rc = make_room(&own, image->own_count, &image->own_room, sizeof(*node));
    image->own = own;
    if (rc < 0)
        return rc;
    image->own[image->own_count] = *node;
    uint32_t ino = image->node_count + image->own_count + 1;
    image->own[image->own_count++].ino = ino;
    return ino;
}

static int set_entry(struct persona_image *image, struct own_dir *dir, struct span name,
                     uint32_t ino)
{
    uint32_t at = name_place(dir, name);
    if (at < dir->count && span_equal(dir->entries[at].name, name)) {
        dir->entries[at].ino = ino;
        return 0;
    }
    void *entries = dir->entries;
    int rc = make_room(&entries, dir->count, &dir->room, sizeof(*dir->entries));
    dir->entries = entries;
    struct span copy = arena_copy(&image->arena, name);
    if (rc < 0 || copy.data == NULL)
        return rc < 0 ? rc : ERR_FULL;
    memmove(&dir->entries[at + 1], &dir->entries[at], (dir->count - at) * sizeof(*dir->entries));
    dir->entries[at] = (struct own_entry){copy, ino};
    dir->count++;
    return 0;
}

/* A path is the directory above, which must be there, and a name. */
static uint32_t split(const struct persona_image *image, struct span path, struct span *name)
{
    size_t from = path.len;
    while (from > 0 && path.data[from - 1] != '/')
        from--;
    *name = span_slice(path, from, path.len);
    return name->len == 0 || name->len > PERSONA_NAME_MAX || span_equal_z(*name, ".") ||
                   span_equal_z(*name, "..") || span_find(*name, 0, 0) >= 0
               ? 0
               : persona_image_lookup(image, span_slice(path, 0, from));
}

static int describe(struct persona_image *image, uint32_t parent, uint32_t old,
                    const struct persona_new *new, struct persona_node *out)
{
    bool is_dir = (new->mode &TYPE_MASK) == TYPE_DIR;
    bool was_there = persona_image_node(image, old, out);
    if (new->mode == 0 && !was_there)
        return ERR_MALFORMED;
    if (was_there && ((out->mode & TYPE_MASK) == TYPE_DIR) != is_dir)
        return ERR_MALFORMED;
    if (new->mode != 0)
        *out = (struct persona_node){
            .mode = new->mode, .uid = new->uid, .gid = new->gid, .mtime_s = new->mtime_s};
    else if (new->mtime_s != 0)
        out->mtime_s = new->mtime_s;
    out->nlink = is_dir ? 2 : 1;
    out->parent = is_dir ? parent : 0;
    out->packed = span_of(NULL, 0);
    out->size = new->data.len;
    out->record = new->record;
    out->age = new->age;
    return copy_data(image, new->data, &out->data);
}

int persona_image_put(struct persona_image *image, struct span path, const struct persona_new *new)
{
    struct span name;
    struct own_dir *dir = NULL, *below = NULL;
    struct persona_node node;
    uint32_t parent = split(image, path, &name), old = persona_image_find(image, parent, name);
    bool is_dir = (new->mode &TYPE_MASK) == TYPE_DIR;
    if (parent == 0)
        return ERR_MALFORMED;
    int rc = describe(image, parent, old, new, &node);
    if (rc < 0 || (old != 0 && is_dir))
        return rc;
    int64_t ino = node_new(image, &node);
    if (ino < 0)
        return (int)ino;
    if (is_dir)
        rc = dir_ready(image, (uint32_t)ino, &below);
    if (rc == 0)
        rc = dir_ready(image, parent, &dir);
    if (rc == 0)
        rc = set_entry(image, dir, name, (uint32_t)ino);
    if (rc == 0 && is_dir)
        dir->nlink++;
    return rc;
}

int persona_image_drop(struct persona_image *image, struct span path)
{
    struct span name;
    struct own_dir *dir = NULL;
    struct persona_node node;
    uint32_t parent = split(image, path, &name), old = persona_image_find(image, parent, name);
    if (!persona_image_node(image, old, &node))
        return ERR_MALFORMED;
    int rc = dir_ready(image, parent, &dir);
    if (rc < 0)
        return rc;
    uint32_t at = name_place(dir, name);
    if (dir->entries == NULL || at >= dir->count)
        return ERR_MALFORMED;
    dir->count--;
    memmove(&dir->entries[at], &dir->entries[at + 1], (dir->count - at) * sizeof(*dir->entries));
    if ((node.mode & TYPE_MASK) == TYPE_DIR)
        dir->nlink--;
    return 0;
}
