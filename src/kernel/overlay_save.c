#include "kernel/overlay.h"

#include "kernel/xattr.h"

/* One without a name is held by a program, and programs do not outlive the visit. */
static bool is_saved(const struct inode *i)
{
    return i->kept && i->nlink > 0;
}

static struct inode *at_link(struct hash_link *link)
{
    return (struct inode *)link;
}

static int put_numbers32(struct buffer *out, const uint32_t *numbers, size_t count)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = buffer_put_u32(out, numbers[i]);
    return rc;
}

static int put_numbers64(struct buffer *out, const uint64_t *numbers, size_t count)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = buffer_put_u64(out, numbers[i]);
    return rc;
}

static int put_attributes(struct buffer *out, const struct xattr *list)
{
    uint32_t count = 0;
    const struct xattr *at = NULL;
    while (xattr_next(list, &at).len > 0 && at != NULL)
        count++;
    int rc = buffer_put_u32(out, count);
    at = NULL;
    for (uint32_t n = 0; rc == 0 && n < count; n++) {
        struct span name = xattr_next(list, &at);
        name.len--; /* its NUL */
        rc = buffer_put_string(out, name);
        if (rc == 0)
            rc = buffer_put_string(out, xattr_value(at));
    }
    return rc;
}

/* A record that was changed (overlay.c) stands on contents of the inode's own, which the image of a later
 * machine has not: they are saved as pages. */
static struct span own_base(const struct inode *i)
{
    bool is_own = S_ISREG(i->mode) && i->target != NULL;
    return is_own ? span_slice(i->base, 0, (size_t)i->base_bytes) : span_of(NULL, 0);
}

static int put_page(struct buffer *out, uint64_t index, struct span bytes)
{
    while (bytes.len > 0 && bytes.data[bytes.len - 1] == 0)
        bytes.len--;
    int rc = buffer_put_u64(out, index);
    return rc == 0 ? buffer_put_string(out, bytes) : rc;
}

static int put_pages(struct buffer *out, const struct inode *i)
{
    struct span base = own_base(i);
    size_t below = (base.len + OVERLAY_PAGE - 1) / OVERLAY_PAGE, hidden = 0, clean = 0;
    while (hidden < i->page_count && i->pages[hidden].index < below)
        hidden++;
    for (size_t n = 0; n < i->page_count; n++)
        clean += i->pages[n].clean && i->pages[n].index >= below;
    int rc = buffer_put_u32(out, (uint32_t)(below - hidden + i->page_count - clean));
    for (size_t n = 0, b = 0; rc == 0 && (n < i->page_count || b < below);) {
        const struct page *page = n < i->page_count ? &i->pages[n] : NULL;
        if (page != NULL && page->clean && page->index >= below) {
            n++;
        } else if (page != NULL && (b == below || page->index == b)) {
            rc = put_page(out, page->index, span_of(page->bytes, OVERLAY_PAGE));
            b += b < below;
            n++;
        } else {
            rc = put_page(out, b, span_slice(base, b * OVERLAY_PAGE, (b + 1) * OVERLAY_PAGE));
            b++;
        }
    }
    return rc;
}

static int put_inode(struct buffer *out, const struct inode *i)
{
    const uint32_t who[] = {i->mode, i->uid, i->gid, i->nlink};
    const uint64_t when[] = {(uint64_t)i->atime_ns,
                             (uint64_t)i->mtime_ns,
                             (uint64_t)i->ctime_ns,
                             (uint64_t)i->btime_ns,
                             (uint64_t)i->size,
                             own_base(i).len > 0 ? 0 : (uint64_t)i->base_bytes,
                             i->parent};
    int rc = buffer_put_u64(out, i->ino);
    if (rc == 0)
        rc = put_numbers32(out, who, ARRAY_LEN(who));
    if (rc == 0)
        rc = buffer_put_u64(out, i->rdev);
    if (rc == 0)
        rc = buffer_put_u32(out, i->flags);
    if (rc == 0)
        rc = put_numbers64(out, when, ARRAY_LEN(when));
    if (rc == 0)
        rc = buffer_put_u32(out, i->entries);
    if (rc == 0)
        rc = buffer_put_string(out,
                               S_ISLNK(i->mode) && i->target != NULL ? i->base : span_of(NULL, 0));
    if (rc == 0)
        rc = put_attributes(out, i->attributes);
    return rc == 0 ? put_pages(out, i) : rc;
}

static int put_names(struct buffer *out, const struct inode *dir)
{
    int rc = 0;
    for (const struct name *n = dir->first_name; rc == 0 && n != NULL; n = n->after) {
        rc = buffer_put_u64(out, n->dir);
        if (rc == 0)
            rc = buffer_put_u64(out, n->ino);
        if (rc == 0)
            rc = buffer_put_string(out, span_of(n->text, n->len));
    }
    return rc;
}

static uint32_t count_names(const struct inode *dir)
{
    uint32_t count = 0;
    for (const struct name *n = dir->first_name; n != NULL; n = n->after)
        count++;
    return count;
}

/* Calls `put` for each inode that is saved. */
static int each(const struct overlay *o, struct buffer *out,
                int (*put)(struct buffer *out, const struct inode *i))
{
    int rc = 0;
    for (size_t b = 0; b < o->inodes.size; b++)
        for (struct hash_link *l = o->inodes.buckets[b]; rc == 0 && l != NULL; l = l->next)
            if (is_saved(at_link(l)))
                rc = put(out, at_link(l));
    return rc;
}

int overlay_save(const struct overlay *o, struct buffer *out)
{
    uint32_t inodes = 0, names = 0;
    for (size_t b = 0; b < o->inodes.size; b++)
        for (struct hash_link *l = o->inodes.buckets[b]; l != NULL; l = l->next) {
            inodes += is_saved(at_link(l));
            names += is_saved(at_link(l)) ? count_names(at_link(l)) : 0;
        }
    int rc = buffer_put_u64(out, o->next_ino);
    if (rc == 0)
        rc = buffer_put_u32(out, inodes);
    if (rc == 0)
        rc = each(o, out, put_inode);
    if (rc == 0)
        rc = buffer_put_u32(out, names);
    return rc == 0 ? each(o, out, put_names) : rc;
}
