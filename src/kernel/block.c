#include "kernel/block.h"

#include "kernel/disk.h"
#include "kernel/fs.h"
#include "kernel/hardware.h"
#include "kernel/task.h"

#include <errno.h>
#include <linux/blkpg.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <string.h>

enum {
    MAJOR_LOOP = 7,
    MAJOR_CDROM = 11,
    MAJOR_VIRTIO = 254,
    LOOP_FIRST = 0x4c00, /* ioctls of loop devices (linux/loop.h) */
    LOOP_LAST = 0x4c0a,
    READ_AHEAD_SECTORS = 256,
    MAX_SECTORS = 2560, /* of a request */
    SEQUENCE = 10,      /* of the disk among those that there were since boot */
};

/* Which bytes of the disk a device shows; none: a loop device. */
struct part {
    uint64_t from, bytes;
};

static struct part part_of(const struct file *f)
{
    const uint64_t minor = f->private;
    const struct persona_disk disk = persona_disk_of(f->vfs->hardware->volume.gib);
    if (f->object == NULL)
        return (struct part){0, 0};
    if (minor == 0)
        return (struct part){0, disk.disk_kib * 1024};
    return (struct part){(uint64_t)PERSONA_PART_SECTOR * PERSONA_SECTOR, disk.partition_kib * 1024};
}

static int64_t block_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    const struct part part = part_of(f);
    (void)t;
    if ((uint64_t)at >= part.bytes)
        return 0;
    if (len > part.bytes - (uint64_t)at)
        len = (size_t)(part.bytes - (uint64_t)at);
    disk_read(f->vfs, part.from + (uint64_t)at, out, len);
    return (int64_t)len;
}

static int64_t block_write(struct file *f, struct task *t, const void *bytes, size_t len,
                           int64_t at)
{
    const struct part part = part_of(f);
    (void)t;
    if (len == 0)
        return 0;
    if ((uint64_t)at >= part.bytes)
        return -ENOSPC;
    if (len > part.bytes - (uint64_t)at)
        len = (size_t)(part.bytes - (uint64_t)at);
    int error = disk_write(f->vfs, part.from + (uint64_t)at, bytes, len);
    return error != 0 ? error : (int64_t)len;
}

static int64_t block_seek(struct file *f, int64_t offset, int whence)
{
    int64_t size = (int64_t)part_of(f).bytes, from = 0;
    if (whence == SEEK_DATA || whence == SEEK_HOLE) {
        if (offset < 0 || offset >= size)
            return -ENXIO;
        offset = whence == SEEK_HOLE ? size : offset;
    } else {
        from = whence == SEEK_END ? size : whence == SEEK_CUR ? f->position : 0;
    }
    if (__builtin_add_overflow(from, offset, &offset) || offset < 0 || offset > size)
        return -EINVAL;
    return f->position = offset;
}

/* ---- ioctl(2) ---- */

struct request {
    struct file *f;
    struct task *t;
    uint64_t arg;
    struct part part;
};

static int64_t give(const struct request *r, uint64_t value, size_t width)
{
    return task_write(r->t, r->arg, &value, width);
}

/* struct hd_geometry, as QEMU guesses it. */
static int64_t give_geometry(const struct request *r)
{
    enum { HEADS = 16, SECTORS = 63, CYLINDER = HEADS * SECTORS, CYLINDERS = 16383 };
    uint64_t cylinders = disk_bytes(r->f->vfs) / PERSONA_SECTOR / CYLINDER;
    struct hd_geometry geometry = {
        .heads = HEADS,
        .sectors = SECTORS,
        .cylinders = (unsigned short)(cylinders < CYLINDERS ? cylinders : CYLINDERS),
        .start = (unsigned long)(r->part.from / PERSONA_SECTOR),
    };
    return task_write(r->t, r->arg, &geometry, sizeof(geometry));
}

/* What changes the partitions: one of them is mounted. */
static int64_t refuse_change(const struct request *r)
{
    return creds_capable(&r->t->creds, CAP_SYS_ADMIN) ? -EBUSY : -EACCES;
}

static int64_t block_ioctl(struct file *f, struct task *t, uint32_t command, uint64_t arg)
{
    const struct request r = {f, t, arg, part_of(f)};
    switch (command) {
    case BLKGETSIZE64: return give(&r, r.part.bytes, 8);
    case BLKGETSIZE: return give(&r, r.part.bytes / PERSONA_SECTOR, 8);
    case BLKSSZGET:
    case BLKPBSZGET:
    case BLKIOMIN: return give(&r, PERSONA_SECTOR, 4);
    case BLKBSZGET: return give(&r, PERSONA_DISK_BLOCK, 4);
    case BLKROGET:
    case BLKIOOPT:
    case BLKALIGNOFF:
    case BLKDISCARDZEROES: return give(&r, 0, 4);
    case BLKROTATIONAL: return give(&r, 1, 2);
    case BLKSECTGET: return give(&r, MAX_SECTORS, 2);
    case BLKRAGET:
    case BLKFRAGET: return give(&r, READ_AHEAD_SECTORS, 8);
    case BLKGETDISKSEQ: return give(&r, SEQUENCE, 8);
    case HDIO_GETGEO: return give_geometry(&r);
    case BLKFLSBUF: return creds_capable(&t->creds, CAP_SYS_ADMIN) ? 0 : -EACCES;
    case BLKBSZSET: return creds_capable(&t->creds, CAP_SYS_ADMIN) ? 0 : -EACCES;
    case BLKRRPART: return f->private == 0 ? refuse_change(&r) : -EINVAL;
    case BLKPG: return refuse_change(&r);
    case BLKZEROOUT:
    case BLKDISCARD:
    case BLKSECDISCARD: return -EOPNOTSUPP;
    default:
        return f->object == NULL && command >= LOOP_FIRST && command <= LOOP_LAST ? -ENXIO
                                                                                  : -ENOTTY;
    }
}

static const struct file_ops block_ops = {.seekable = true,
                                          .read = block_read,
                                          .write = block_write,
                                          .seek = block_seek,
                                          .ioctl = block_ioctl};

/* The disk and its partition. */
static int open_disk(struct file *f, unsigned number)
{
    if (f->vfs->hardware->volume.gib == 0 || number > 1)
        return -ENXIO;
    if ((f->flags & O_EXCL) != 0)
        return -EBUSY;
    f->ops = &block_ops;
    f->private = number;
    f->object = f->vfs;
    return 0;
}

int block_open(struct task *t, uint64_t rdev, struct file *f)
{
    unsigned number = FS_MINOR(rdev);
    (void)t;
    switch (FS_MAJOR(rdev)) {
    case MAJOR_VIRTIO: return open_disk(f, number);
    case MAJOR_CDROM: return -ENOMEDIUM;
    case MAJOR_LOOP: f->ops = &block_ops; return number < 8 ? 0 : -ENXIO;
    default: return -ENXIO;
    }
}
