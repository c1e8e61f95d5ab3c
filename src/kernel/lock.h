/* Locks on files: fcntl(2)'s record locks, which a process has (or, F_OFD_..., a description), and
 * flock(2)'s on the whole, which a description has. */
#ifndef KERNEL_LOCK_H
#define KERNEL_LOCK_H

#include "kernel/fs.h"

enum { LOCKS_MAX = 4096 }; /* of a machine: -ENOLCK */

enum lock_kind { LOCK_RECORD, LOCK_WHOLE };

struct lock {
    struct lock *next;
    enum lock_kind kind;
    struct vnode node;
    const void *owner; /* a table of descriptors (as a process's), or a description */
    bool exclusive;
    int64_t start, end; /* bytes; end is behind the last: INT64_MAX is all */
    int32_t pid;        /* F_GETLK's: -1 for a description's */
};

/* The first lock of another owner that is in the way of `wanted`; NULL: none. */
const struct lock *lock_find(const struct vfs *vfs, const struct lock *wanted);
/* Sets it, in place of what the owner has there. 0, -EAGAIN (another's is in the way), -ENOLCK,
 * -ENOMEM. */
int lock_set(struct vfs *vfs, const struct lock *wanted);
/* Removes what the owner has of that kind in the range. 0, -ENOLCK, -ENOMEM (when one is cut in
 * two). */
int lock_clear(struct vfs *vfs, const struct lock *range);
/* All that an owner has on a file: it closes a descriptor of it. */
void lock_forget(struct vfs *vfs, struct vnode node, const void *owner);

#endif
