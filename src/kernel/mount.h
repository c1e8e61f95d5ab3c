/* The table of what is mounted, for /proc/mounts and its kin. */
#ifndef KERNEL_MOUNT_H
#define KERNEL_MOUNT_H

#include "base/span.h"

enum mount_kind { MOUNT_ROOT, MOUNT_TMPFS, MOUNT_PROC, MOUNT_DEVPTS, MOUNT_LISTED };

/* Of the machine's memory. */
enum mount_share {
    MOUNT_NONE, /* it has a size of its own */
    MOUNT_DEV,  /* half of what is free when the kernel starts */
    MOUNT_RUN,  /* a tenth, up to whole pages */
    MOUNT_HALF,
    MOUNT_USER, /* a tenth, down to whole pages */
};

struct hardware;
struct buffer;

struct mount {
    const char *path_z;
    enum mount_kind kind;
    unsigned flags; /* enum fs_flags */
    enum mount_share share;
    uint64_t size_kib, used_kib, used_inodes;
    uint32_t mode, major, minor, id, parent_id, peers;
    const char *source_z, *type_z, *options_z, *super_z;
};
extern const struct mount mounts[];
extern const size_t mounts_count;

/* How large it is on a machine, and how many inodes it may have. */
uint64_t mount_size_kib(const struct mount *m, const struct hardware *hw);
uint64_t mount_inodes(const struct mount *m, const struct hardware *hw);
/* Appends `text_z`, a part of its `super_z`, with its numbers. */
int mount_put_super(const struct mount *m, const char *text_z, const struct hardware *hw,
                    struct buffer *out);

#endif
