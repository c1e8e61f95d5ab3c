/* The machine's disk as its device shows it: what persona/disk.h makes, and over that what the visitor
 * has written there. All writes are taken, as a real disk takes them; what is kept of them is bounded:
 * blocks that are one byte throughout cost nothing in a row, of others the first DISK_KEPT_MAX are kept,
 * and the rest reads as noise. */
#ifndef KERNEL_DISK_H
#define KERNEL_DISK_H

#include "base/buffer.h"
#include "base/cursor.h"

struct vfs;
struct disk; /* what was written; vfs.disk is NULL until then */

enum {
    DISK_KEPT_MAX = 512, /* blocks of 4 KiB */
    DISK_RUNS_MAX = 64,  /* of blocks that are all alike; the oldest are forgotten */
};

uint64_t disk_bytes(const struct vfs *vfs); /* its size; 0: there is none */

/* Both within the size. -EIO: there is no memory for the first write. */
void disk_read(const struct vfs *vfs, uint64_t at, uint8_t *out, size_t len);
int disk_write(struct vfs *vfs, uint64_t at, const uint8_t *bytes, size_t len);

void disk_free(struct vfs *vfs); /* everything that was written is gone */

/* For a visitor who comes back: appends what was written, if anything was; and reads that, to the end. 0 or a
 * negative error. */
int disk_save(const struct vfs *vfs, struct buffer *out);
int disk_load(struct vfs *vfs, struct cursor *c);

#endif
