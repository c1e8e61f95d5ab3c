/* The machine's files as a visitor left them, as bytes: for a later machine of the same image. Its
 * programs are not among them.
 *
 *   8 bytes "LUREDVIS", u32 version, 32 bytes checksum of the image, u32 inodes of the image with the
 *   installation's own, u32 how many file systems, each: string where it is mounted, u64 its first
 *   inode number after booting, and what kernel/overlay.h says */
#ifndef KERNEL_KEEP_H
#define KERNEL_KEEP_H

struct vfs;

/* The machine has booted: what is changed from now on is the visitor's. */
void keep_begin(struct vfs *vfs);

#endif
