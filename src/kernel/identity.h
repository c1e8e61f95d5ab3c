/* The machine's own name, wherever its files say it. */
#ifndef KERNEL_IDENTITY_H
#define KERNEL_IDENTITY_H

#include "base/buffer.h"

struct kernel;
struct vfs_at;

/* Puts the kernel's host name into the files of the image that carry the image's own (the first
 * word of its /etc/hostname), times unchanged: so that what a visitor reads in a file agrees with
 * uname. A file that is not there is left out. 0 or -ENOMEM. */
int identity_apply(struct kernel *k);

/* A whole small file of the machine, put into `out`. 0 or -errno. */
int identity_read(const struct vfs_at *at, const char *path_z, struct buffer *out);
/* `from` becomes `to` in a file wherever it stands alone (no letter or digit behind it), times
 * unchanged. 0 or -errno. */
int identity_replace(const struct vfs_at *at, const char *path_z, struct span from, struct span to);

#endif
