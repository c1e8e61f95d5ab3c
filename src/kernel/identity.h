/* The machine's own name, wherever its files say it. */
#ifndef KERNEL_IDENTITY_H
#define KERNEL_IDENTITY_H

struct kernel;

/* Puts the kernel's host name into the files of the image that carry the image's own (the first
 * word of its /etc/hostname), times unchanged: so that what a visitor reads in a file agrees with
 * uname. A file that is not there is left out. 0 or -ENOMEM. */
int identity_apply(struct kernel *k);

#endif
