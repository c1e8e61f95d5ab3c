/* The table of what is mounted, for /proc/mounts and its kin. */
#ifndef KERNEL_MOUNT_H
#define KERNEL_MOUNT_H

#include "base/span.h"

enum mount_kind { MOUNT_ROOT, MOUNT_TMPFS, MOUNT_PROC, MOUNT_DEVPTS, MOUNT_LISTED };

struct mount {
    const char *path_z;
    enum mount_kind kind;
    unsigned flags; /* enum fs_flags */
    uint64_t size_kib, inodes, used_kib, used_inodes;
    uint32_t mode, major, minor, id, parent_id, peers;
    const char *source_z, *type_z, *options_z, *super_z;
};
extern const struct mount mounts[];
extern const size_t mounts_count;

#endif
