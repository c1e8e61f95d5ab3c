/* Contents: the image's bytes in place, and pages that replace them. */
#include "kernel/hardware.h"
#include "kernel/overlay.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES_FIRST = 4 };

/* ext4's largest file with 4 KiB blocks. */
static const int64_t SIZE_MAX_BYTES = INT64_C(17592186040320);
static const int64_t DAY_NS = INT64_C(86400) * 1000000000;

/* The place of page `index` in the array: its own, or where it would be. */
static size_t place_of(const struct inode *i, uint64_t index)
{
    size_t low = 0, high = i->page_count;
    if (high > 0 && i->pages[high - 1].index < index) /* appending */
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (i->pages[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct page *page_find(const struct inode *i, uint64_t index)
{
    size_t place = place_of(i, index);
    bool found = place < i->page_count && i->pages[place].index == index;
    return found ? &i->pages[place] : NULL;
}

/* The image's bytes of a page: fewer than a page at the end. */
static struct span base_page(const struct inode *i, uint64_t index)
{
    size_t from = (size_t)index * OVERLAY_PAGE;
    return index < i->base.len / OVERLAY_PAGE + 1 ? span_slice(i->base, from, from + OVERLAY_PAGE)
                                                  : (struct span){0};
}

static int make_place(struct inode *i)
{
    if (i->page_count < i->page_room)
        return 0;
    size_t room = i->page_room > 0 ? i->page_room * 2 : PAGES_FIRST;
    struct page *pages = realloc(i->pages, room * sizeof(*pages));
    if (pages == NULL)
        return -ENOMEM;
    i->pages = pages;
    i->page_room = room;
    return 0;
}

/* A page of its own for writing, with the contents of before. NULL: -ENOSPC. */
static uint8_t *page_own(struct overlay *o, struct inode *i, uint64_t index)
{
    struct vfs *vfs = o->fs.vfs;
    size_t place = place_of(i, index);
    if (place < i->page_count && i->pages[place].index == index)
        return i->pages[place].bytes;
    if (vfs->quota.bytes + OVERLAY_PAGE > vfs->quota.bytes_max) {
        if (vfs->hooks.on_limit != NULL)
            vfs->hooks.on_limit(vfs->hooks.ctx, "overlay_bytes");
        return NULL;
    }
    uint8_t *bytes = make_place(i) == 0 ? calloc(1, OVERLAY_PAGE) : NULL;
    if (bytes == NULL)
        return NULL;
    struct span base = base_page(i, index);
    if (base.len > 0)
        memcpy(bytes, base.data, base.len);
    memmove(i->pages + place + 1, i->pages + place, (i->page_count - place) * sizeof(*i->pages));
    i->pages[place] = (struct page){.index = index, .bytes = bytes};
    i->page_count++;
    vfs->quota.bytes += OVERLAY_PAGE;
    return bytes;
}

void overlay_drop_pages(struct overlay *o, struct inode *i, uint64_t from)
{
    size_t place = place_of(i, from);
    for (size_t n = place; n < i->page_count; n++)
        free(i->pages[n].bytes);
    o->fs.vfs->quota.bytes -= (uint64_t)(i->page_count - place) * OVERLAY_PAGE;
    i->page_count = place;
}

uint64_t overlay_blocks(const struct inode *i)
{
    uint64_t base_pages = (i->base.len + OVERLAY_PAGE - 1) / OVERLAY_PAGE;
    uint64_t pages = base_pages + (i->page_count - place_of(i, base_pages));
    return pages * (OVERLAY_PAGE / 512);
}

static void copy_page(const struct inode *i, uint64_t index, size_t from, uint8_t *out, size_t n)
{
    const struct page *own = page_find(i, index);
    if (own != NULL) {
        memcpy(out, own->bytes + from, n);
        return;
    }
    struct span base = span_slice(base_page(i, index), from, from + n);
    if (base.len > 0)
        memcpy(out, base.data, base.len);
    memset(out + base.len, 0, n - base.len);
}

static int64_t read_inode(const struct inode *i, uint8_t *out, size_t len, int64_t at)
{
    if (at >= i->size)
        return 0;
    if ((int64_t)len > i->size - at)
        len = (size_t)(i->size - at);
    if (i->page_count == 0 && at + (int64_t)len <= (int64_t)i->base.len) {
        if (len > 0)
            memcpy(out, i->base.data + at, len);
        return (int64_t)len;
    }
    for (size_t done = 0; done < len;) {
        uint64_t position = (uint64_t)at + done;
        size_t from = position % OVERLAY_PAGE;
        size_t n = OVERLAY_PAGE - from < len - done ? OVERLAY_PAGE - from : len - done;
        copy_page(i, position / OVERLAY_PAGE, from, out + done, n);
        done += n;
    }
    return (int64_t)len;
}

static size_t write_pages(struct overlay *o, struct inode *i, const uint8_t *bytes, size_t len,
                          int64_t at)
{
    size_t done = 0;
    while (done < len) {
        uint64_t position = (uint64_t)at + done;
        size_t from = position % OVERLAY_PAGE;
        size_t n = OVERLAY_PAGE - from < len - done ? OVERLAY_PAGE - from : len - done;
        uint8_t *page = page_own(o, i, position / OVERLAY_PAGE);
        if (page == NULL)
            break;
        memcpy(page + from, bytes + done, n);
        done += n;
    }
    return done;
}

int64_t overlay_write(struct overlay *o, struct inode *i, const void *bytes, size_t len, int64_t at)
{
    if (len == 0)
        return 0;
    if (at >= SIZE_MAX_BYTES)
        return -EFBIG;
    if ((int64_t)len > SIZE_MAX_BYTES - at)
        len = (size_t)(SIZE_MAX_BYTES - at);
    int error = overlay_keep(o, i);
    if (error != 0)
        return error;
    size_t done = write_pages(o, i, bytes, len, at);
    if (done == 0)
        return -ENOSPC;
    if (at + (int64_t)done > i->size)
        i->size = at + (int64_t)done;
    i->mtime_ns = i->ctime_ns = vfs_now(o->fs.vfs);
    return (int64_t)done;
}

int overlay_resize(struct overlay *o, struct inode *i, int64_t size)
{
    if (size > SIZE_MAX_BYTES)
        return -EFBIG;
    int error = overlay_keep(o, i);
    if (error != 0)
        return error;
    if (size < i->size) {
        i->base = span_slice(i->base, 0, (size_t)size);
        overlay_drop_pages(o, i, ((uint64_t)size + OVERLAY_PAGE - 1) / OVERLAY_PAGE);
        struct page *last = page_find(i, (uint64_t)size / OVERLAY_PAGE);
        if (last != NULL)
            memset(last->bytes + size % OVERLAY_PAGE, 0,
                   OVERLAY_PAGE - (size_t)(size % OVERLAY_PAGE));
    }
    i->size = size;
    i->mtime_ns = i->ctime_ns = vfs_now(o->fs.vfs);
    return 0;
}

/* relatime, for files that are in memory anyway: a read alone makes no copy of an image's inode. */
static void touch(struct overlay *o, struct inode *i)
{
    int64_t now = vfs_now(o->fs.vfs);
    if (i->kept &&
        (i->atime_ns <= i->mtime_ns || i->atime_ns <= i->ctime_ns || now - i->atime_ns >= DAY_NS))
        i->atime_ns = now;
}

static int64_t file_op_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)t;
    int64_t n = read_inode(f->object, out, len, at);
    if ((f->flags & O_NOATIME) == 0)
        touch(overlay_of(f->node.fs), f->object);
    return n;
}

static int64_t file_op_write(struct file *f, struct task *t, const void *bytes, size_t len,
                             int64_t at)
{
    int64_t n = overlay_write(overlay_of(f->node.fs), f->object, bytes, len, at);
    if (n > 0)
        file_changed(f, t);
    return n;
}

static int file_op_truncate(struct file *f, int64_t size)
{
    int error = overlay_resize(overlay_of(f->node.fs), f->object, size);
    if (error == 0)
        file_changed(f, NULL);
    return error;
}

static enum file_map file_op_map(struct file *f, struct span *bytes)
{
    const struct inode *i = f->object;
    if (i->page_count > 0 || (int64_t)i->base.len != i->size || i->size == 0)
        return FILE_MAP_COPY;
    *bytes = i->base;
    return FILE_MAP_SPAN;
}

const struct file_ops overlay_file_ops = {
    .seekable = true,
    .read = file_op_read,
    .write = file_op_write,
    .truncate = file_op_truncate,
    .ioctl = vfs_flags_ioctl,
    .map = file_op_map,
};
