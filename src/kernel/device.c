/* Character devices: memory's (major 1) and those that lead to terminals. */
#include "kernel/fs.h"
#include "kernel/kmsg.h"
#include "kernel/task.h"
#include "kernel/tty.h"

#include <errno.h>
#include <string.h>

static int64_t read_nothing(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)f, (void)t, (void)out, (void)len, (void)at;
    return 0;
}

static int64_t read_zeros(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)f, (void)t, (void)at;
    memset(out, 0, len);
    return (int64_t)len;
}

static int64_t read_random(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)t, (void)at;
    const struct vfs_hooks *hooks = vfs_hooks(f->vfs);
    hooks->random(hooks->ctx, out, len);
    return (int64_t)len;
}

static int64_t write_away(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at)
{
    (void)f, (void)t, (void)bytes, (void)at;
    return (int64_t)len;
}

static int64_t write_full(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at)
{
    (void)f, (void)t, (void)bytes, (void)at;
    return len > 0 ? -ENOSPC : 0;
}

static enum file_map map_zero(struct file *f, struct span *bytes)
{
    (void)f, (void)bytes;
    return FILE_MAP_ZERO;
}

/* Seeking is allowed and means nothing: the position is never looked at. */
static const struct file_ops null_ops = {
    .rewinds = true, .seekable = true, .read = read_nothing, .write = write_away};
static const struct file_ops zero_ops = {
    .rewinds = true, .seekable = true, .read = read_zeros, .write = write_away, .map = map_zero};
static const struct file_ops full_ops = {
    .rewinds = true, .seekable = true, .read = read_zeros, .write = write_full};
static const struct file_ops random_ops = {
    .rewinds = true, .seekable = true, .read = read_random, .write = write_away};

static const struct {
    unsigned minor;
    const struct file_ops *ops;
} memory_devices[] = {
    {3, &null_ops}, {5, &zero_ops}, {7, &full_ops}, {8, &random_ops}, {9, &random_ops}};

enum { MAJOR_MEMORY = 1, MAJOR_TTY_AUX = 5, MAJOR_PTS = 136 };

int device_open(struct task *t, uint64_t rdev, struct file *f)
{
    unsigned number = FS_MINOR(rdev);
    switch (FS_MAJOR(rdev)) {
    case MAJOR_MEMORY:
        if (number == KMSG_MINOR)
            return kmsg_open(t, f);
        for (size_t i = 0; i < ARRAY_LEN(memory_devices); i++)
            if (memory_devices[i].minor == number) {
                f->ops = memory_devices[i].ops;
                return 0;
            }
        return -EPERM; /* mem, kmem, port: locked down */
    case MAJOR_TTY_AUX: return tty_open_device(t, number, f);
    case MAJOR_PTS: return tty_open_number(t, number, f);
    default: return -ENXIO;
    }
}
