/* Contents: the image's bytes in place, and pages that replace them. */
#include "base/error.h"
#include "kernel/hardware.h"
#include "kernel/overlay.h"

#include "kernel/machine.h"
#include "kernel/mm.h"
#include "kernel/mount.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES_FIRST = 4, FRAME_COST = 4 /* instructions that giving one back counts for */ };

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

/* The block of packed contents with byte `at`, kept until another is wanted. 0, -EIO, -ENOMEM. */
static int open_block(struct overlay *o, const struct inode *i, uint64_t at)
{
    struct unpacked *u = &o->unpacked;
    uint64_t index = at / PERSONA_BLOCK;
    if (u->packed == i->packed.data && u->index == index)
        return 0;
    u->packed = NULL;
    if (u->bytes == NULL)
        u->bytes = malloc(PERSONA_BLOCK);
    if (u->bytes == NULL)
        return -ENOMEM;
    int len = persona_unpack(i->packed, i->packed_size, index, u->bytes);
    if (len < 0)
        return len == ERR_NOMEM ? -ENOMEM : -EIO;
    *u = (struct unpacked){i->packed.data, index, (size_t)len, u->bytes};
    if (o->fs.vfs->kernel != NULL) /* about one a byte */
        kernel_charge(o->fs.vfs->kernel, (uint64_t)len);
    return 0;
}

static int read_packed(struct overlay *o, const struct inode *i, uint64_t at, uint8_t *out,
                       size_t n)
{
    for (size_t done = 0; done < n;) {
        int error = open_block(o, i, at + done);
        if (error != 0)
            return error;
        size_t from = (size_t)((at + done) % PERSONA_BLOCK);
        struct span piece =
            span_slice(span_of(o->unpacked.bytes, o->unpacked.len), from, from + (n - done));
        memcpy(out + done, piece.data, piece.len);
        done += piece.len;
    }
    return 0;
}

/* Behind its last byte a journal has zeros (records.h). */
static void put_base(struct span base, uint64_t at, uint8_t *out, size_t n)
{
    struct span have = span_slice(base, (size_t)at, (size_t)at + n);
    if (have.len > 0)
        memcpy(out, have.data, have.len);
    memset(out + have.len, 0, n - have.len);
}

/* The image's bytes from `at` on, zeros where it has none. 0, -EIO, -ENOMEM. */
static int read_base(struct overlay *o, const struct inode *i, uint64_t at, uint8_t *out, size_t n)
{
    uint64_t there = at < (uint64_t)i->base_bytes ? (uint64_t)i->base_bytes - at : 0;
    size_t k = there < n ? (size_t)there : n;
    memset(out + k, 0, n - k);
    if (k > 0 && i->packed.len > 0)
        return read_packed(o, i, at, out, k);
    if (k > 0)
        put_base(i->base, at, out, k);
    return 0;
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

/* A page beside the others, clean, with the contents of before. NULL: -ENOMEM, -EIO. */
static struct page *page_add(struct overlay *o, struct inode *i, uint64_t index)
{
    size_t place = place_of(i, index);
    uint8_t *bytes = make_place(i) == 0 ? malloc(OVERLAY_PAGE) : NULL;
    if (bytes == NULL || read_base(o, i, index * OVERLAY_PAGE, bytes, OVERLAY_PAGE) != 0) {
        free(bytes);
        return NULL;
    }
    memmove(i->pages + place + 1, i->pages + place, (i->page_count - place) * sizeof(*i->pages));
    i->pages[place] = (struct page){.index = index, .bytes = bytes, .clean = true};
    i->page_count++;
    if (o->fs.vfs->kernel != NULL)
        kernel_charge(o->fs.vfs->kernel,
                      (OVERLAY_PAGE + (i->page_count - place) * sizeof(*i->pages)) /
                          KERNEL_COPY_BYTES);
    /* Who had the image's bytes mapped has this page from now on. */
    if (i->mapped > 0 && i->page_count == 1 && i->base.len > 0)
        mm_refresh(o->fs.vfs->kernel, i, 0, i->base.len / OVERLAY_PAGE + 1);
    return &i->pages[place];
}

void overlay_reread(struct overlay *o, struct inode *i)
{
    for (size_t n = 0; n < i->page_count; n++)
        (void)read_base(o, i, i->pages[n].index * OVERLAY_PAGE, i->pages[n].bytes, OVERLAY_PAGE);
}

uint64_t overlay_written(const struct overlay *o)
{
    return o->bytes > o->boot_bytes ? o->bytes - o->boot_bytes : 0;
}

int overlay_charge(struct overlay *o)
{
    const struct vfs *vfs = o->fs.vfs;
    if ((o->fs.flags & FS_DISK) == 0 && o->fs.mount != NULL && o->fs.mount->type_z != NULL) {
        uint64_t most_kib = mount_size_kib(o->fs.mount, vfs->hardware);
        uint64_t left_kib = most_kib - o->fs.mount->used_kib;
        if (most_kib != 0 && overlay_written(o) + OVERLAY_PAGE > left_kib * 1024)
            return -ENOSPC;
    }
    int error = vfs_charge(o->fs.vfs, OVERLAY_PAGE);
    if (error == 0)
        o->bytes += OVERLAY_PAGE;
    return error;
}

void overlay_uncharge(struct overlay *o)
{
    o->bytes -= OVERLAY_PAGE;
    o->fs.vfs->quota.bytes -= OVERLAY_PAGE;
}

/* It counts from now on. 0 or -ENOSPC. */
static int page_soil(struct overlay *o, struct page *page)
{
    if (!page->clean)
        return 0;
    int error = overlay_charge(o);
    page->clean = error != 0;
    return error;
}

/* A page of its own for writing, with the contents of before. NULL: -ENOSPC. */
static uint8_t *page_own(struct overlay *o, struct inode *i, uint64_t index)
{
    struct page *page = page_find(i, index);
    if (page == NULL)
        page = page_add(o, i, index);
    if (page == NULL || page_soil(o, page) != 0)
        return NULL;
    if (page->frame != 0)
        cpu_pool_touch(o->fs.vfs->kernel->pool, page->frame);
    return page->bytes;
}

static void page_free(struct overlay *o, struct page *page)
{
    if (!page->clean)
        overlay_uncharge(o);
    if (page->frame != 0)
        cpu_pool_drop(o->fs.vfs->kernel->pool, page->frame);
    else
        free(page->bytes);
}

void overlay_drop_pages(struct overlay *o, struct inode *i, uint64_t from)
{
    size_t place = place_of(i, from);
    for (size_t n = place; n < i->page_count; n++)
        page_free(o, &i->pages[n]);
    i->page_count = place;
}

/* ---- Mappings ---- */

/* What is written behind the end of a file stays with who wrote it. */
static void clear_tail(const struct inode *i)
{
    const struct page *last = page_find(i, (uint64_t)i->size / OVERLAY_PAGE);
    size_t end = (size_t)(i->size % OVERLAY_PAGE);
    if (last != NULL && end > 0)
        memset(last->bytes + end, 0, OVERLAY_PAGE - end);
}

/* Nobody has it mapped any more: the pages are the file's alone, and those nobody wrote go. */
static void unmapped(struct overlay *o, struct inode *i)
{
    struct kernel *k = o->fs.vfs->kernel;
    size_t kept = 0;
    kernel_charge(k, i->page_count * FRAME_COST);
    for (size_t n = 0; n < i->page_count; n++) {
        struct page *page = &i->pages[n];
        uint8_t *bytes = NULL;
        if (page->clean) {
            page_free(o, page);
            continue;
        }
        if (page->frame != 0)
            bytes = cpu_pool_take_back(k->pool, page->frame);
        if (bytes != NULL)
            *page = (struct page){.index = page->index, .bytes = bytes};
        i->pages[kept++] = *page;
    }
    i->page_count = kept;
    clear_tail(i);
}

static void file_op_mapped(struct file *f, int more)
{
    struct inode *i = f->object;
    i->mapped += (uint32_t)more;
    if (i->mapped == 0)
        unmapped(overlay_of(f->node.fs), i);
}

static int file_op_page(struct file *f, struct task *t, uint64_t index, bool write, uint32_t *frame)
{
    struct overlay *o = overlay_of(f->node.fs);
    struct inode *i = f->object;
    struct cpu_pool *pool = o->fs.vfs->kernel->pool;
    if (index >= ((uint64_t)i->size + OVERLAY_PAGE - 1) / OVERLAY_PAGE)
        return -EFAULT;
    struct page *page = page_find(i, index);
    if (page == NULL)
        page = page_add(o, i, index);
    if (page == NULL)
        return -ENOMEM;
    if (page->frame == 0)
        page->frame = cpu_pool_adopt(pool, page->bytes);
    if (page->frame == 0)
        return -ENOMEM;
    *frame = page->frame;
    if (!write)
        return 0;
    if (overlay_keep(o, i) != 0 || page_soil(o, page) != 0)
        return -EFAULT;
    i->mtime_ns = i->ctime_ns = vfs_now(o->fs.vfs);
    file_changed(f, t);
    return 0;
}

uint64_t overlay_blocks(const struct inode *i)
{
    uint64_t base_pages = ((uint64_t)i->base_bytes + OVERLAY_PAGE - 1) / OVERLAY_PAGE;
    uint64_t pages = base_pages + (i->page_count - place_of(i, base_pages));
    for (size_t n = i->mapped > 0 ? place_of(i, base_pages) : i->page_count; n < i->page_count; n++)
        pages -= i->pages[n].clean;
    return pages * (OVERLAY_PAGE / 512);
}

static int copy_page(struct overlay *o, const struct inode *i, uint64_t index, size_t from,
                     uint8_t *out, size_t n)
{
    const struct page *own = page_find(i, index);
    if (own == NULL)
        return read_base(o, i, index * OVERLAY_PAGE + from, out, n);
    memcpy(out, own->bytes + from, n);
    return 0;
}

static int64_t read_inode(struct overlay *o, const struct inode *i, uint8_t *out, size_t len,
                          int64_t at)
{
    if (at >= i->size)
        return 0;
    if ((int64_t)len > i->size - at)
        len = (size_t)(i->size - at);
    if (i->page_count == 0) {
        int error = read_base(o, i, (uint64_t)at, out, len);
        return error != 0 ? error : (int64_t)len;
    }
    for (size_t done = 0; done < len;) {
        uint64_t position = (uint64_t)at + done;
        size_t from = position % OVERLAY_PAGE;
        size_t n = OVERLAY_PAGE - from < len - done ? OVERLAY_PAGE - from : len - done;
        int error = copy_page(o, i, position / OVERLAY_PAGE, from, out + done, n);
        if (error != 0)
            return error;
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

static int64_t write_bytes(struct overlay *o, struct inode *i, const void *bytes, size_t len,
                           int64_t at)
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
    uint64_t shown = i->base.len / OVERLAY_PAGE + 1; /* pages that mappings may have */
    if (i->page_count > 0 && i->pages[i->page_count - 1].index >= shown)
        shown = i->pages[i->page_count - 1].index + 1;
    if (size < i->size) {
        i->base_bytes = size < i->base_bytes ? size : i->base_bytes;
        overlay_drop_pages(o, i, ((uint64_t)size + OVERLAY_PAGE - 1) / OVERLAY_PAGE);
    } else {
        clear_tail(i);
    }
    bool shrinks = size < i->size;
    i->size = size;
    if (shrinks)
        clear_tail(i);
    if (shrinks && i->mapped > 0)
        mm_refresh(o->fs.vfs->kernel, i, (uint64_t)size / OVERLAY_PAGE, shown);
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
    int64_t n = read_inode(overlay_of(f->node.fs), f->object, out, len, at);
    if ((f->flags & O_NOATIME) == 0)
        touch(overlay_of(f->node.fs), f->object);
    return n;
}

static int64_t file_op_write(struct file *f, struct task *t, const void *bytes, size_t len,
                             int64_t at)
{
    const struct inode *i = f->object;
    bool grows = (i->seals & F_SEAL_GROW) != 0 && at + (int64_t)len > i->size;
    if (grows || (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0)
        return len > 0 ? -EPERM : 0;
    int64_t n = write_bytes(overlay_of(f->node.fs), f->object, bytes, len, at);
    if (n > 0)
        file_changed(f, t);
    return n;
}

static int file_op_truncate(struct file *f, int64_t size)
{
    const struct inode *i = f->object;
    if ((size < i->size && (i->seals & F_SEAL_SHRINK) != 0) ||
        (size > i->size && (i->seals & F_SEAL_GROW) != 0))
        return -EPERM;
    int error = overlay_resize(overlay_of(f->node.fs), f->object, size);
    if (error == 0)
        file_changed(f, NULL);
    return error;
}

static enum file_map file_op_map(struct file *f, struct span *bytes)
{
    const struct inode *i = f->object;
    if (i->target != NULL || i->page_count > 0 || (int64_t)i->base.len != i->size || i->size == 0 ||
        i->base_bytes != i->size || (uintptr_t)i->base.data % OVERLAY_PAGE != 0)
        return FILE_MAP_COPY;
    *bytes = i->base;
    return FILE_MAP_SPAN;
}

/* Whole pages: those of the image's bytes become pages of zeros, the others go. */
static int punch_pages(struct overlay *o, struct inode *i, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[OVERLAY_PAGE];
    uint64_t base_end = ((uint64_t)i->base_bytes + OVERLAY_PAGE - 1) / OVERLAY_PAGE;
    for (uint64_t index = from; index < to && index < base_end; index++)
        if (write_pages(o, i, zeros, OVERLAY_PAGE, (int64_t)(index * OVERLAY_PAGE)) == 0)
            return -ENOSPC;
    size_t first = place_of(i, from > base_end ? from : base_end), last = place_of(i, to);
    for (size_t n = first; n < last; n++) {
        if (i->mapped > 0)
            memset(i->pages[n].bytes, 0, OVERLAY_PAGE);
        else
            page_free(o, &i->pages[n]);
    }
    if (first < last && i->mapped == 0) {
        memmove(&i->pages[first], &i->pages[last], (i->page_count - last) * sizeof(*i->pages));
        i->page_count -= last - first;
    }
    return 0;
}

/* Less than a page. What no page holds and the image does not reach is zeros already. */
static int punch_part(struct overlay *o, struct inode *i, int64_t from, int64_t to)
{
    static const uint8_t zeros[OVERLAY_PAGE];
    size_t len = (size_t)(to - from);
    if (len == 0 || (from >= i->base_bytes && page_find(i, (uint64_t)from / OVERLAY_PAGE) == NULL))
        return 0;
    return write_pages(o, i, zeros, len, from) == len ? 0 : -ENOSPC;
}

static int file_op_punch(struct file *f, int64_t from, int64_t to)
{
    struct overlay *o = overlay_of(f->node.fs);
    struct inode *i = f->object;
    const int64_t first = (from + OVERLAY_PAGE - 1) / OVERLAY_PAGE, last = to / OVERLAY_PAGE;
    int error = overlay_keep(o, i);
    if (error == 0 && first > last)
        error = punch_part(o, i, from, to);
    else if (error == 0)
        error = punch_part(o, i, from, first * OVERLAY_PAGE);
    if (error == 0 && first < last)
        error = punch_pages(o, i, (uint64_t)first, (uint64_t)last);
    if (error == 0 && first <= last)
        error = punch_part(o, i, last * OVERLAY_PAGE, to);
    i->mtime_ns = i->ctime_ns = vfs_now(o->fs.vfs);
    file_changed(f, NULL);
    return error;
}

uint32_t *overlay_seals(struct file *f)
{
    return f->ops == &overlay_file_ops ? &((struct inode *)f->object)->seals : NULL;
}

const struct file_ops overlay_file_ops = {
    .seekable = true,
    .read = file_op_read,
    .write = file_op_write,
    .truncate = file_op_truncate,
    .punch = file_op_punch,
    .ioctl = vfs_flags_ioctl,
    .map = file_op_map,
    .mapped = file_op_mapped,
    .page = file_op_page,
};
