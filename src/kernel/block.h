/* Block devices: the disk, its partition, drives without a medium and loop devices without a file. */
#ifndef KERNEL_BLOCK_H
#define KERNEL_BLOCK_H

#include "base/span.h"

struct file;
struct task;

/* A description of the device with this number. 0, -EBUSY (O_EXCL, and it is mounted), -ENOMEDIUM, -ENXIO. */
int block_open(struct task *t, uint64_t rdev, struct file *f);

#endif
