/* Extended attributes of inodes, xattr(7): a list that the inode owns. */
#ifndef KERNEL_XATTR_H
#define KERNEL_XATTR_H

#include "base/span.h"

enum {
    XATTR_NAME_BYTES_MAX = 255,
    XATTR_VALUE_MAX = 65536,
    XATTR_INODE_BYTES = 4040, /* what ext4 has room for beside an inode: -ENOSPC */
    XATTR_BLOCK = 4096,       /* of the disk, for an inode that has any */
};

struct xattr;

const struct xattr *xattr_find(const struct xattr *list, struct span name);
struct span xattr_value(const struct xattr *x);
/* In place of the old one. 0, -ENOSPC, -ENOMEM. */
int xattr_set(struct xattr **list, struct span name, struct span value);
int xattr_remove(struct xattr **list, struct span name); /* 0 or -ENODATA */
/* The names, each with its NUL; *at is NULL before the first and after the last. */
struct span xattr_next(const struct xattr *list, const struct xattr **at);
void xattr_free(struct xattr *list);

#endif
