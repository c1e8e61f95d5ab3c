/* POSIX message queues (mq_overview(7)): files of /dev/mqueue, each with its messages by priority. */
#ifndef KERNEL_MQUEUE_H
#define KERNEL_MQUEUE_H

#include "kernel/file.h"

enum {
    /* Linux's limits, as /proc/sys/fs/mqueue has them, and those that root has. */
    MQUEUE_COUNT_MAX = 256, /* -ENOSPC */
    MQUEUE_MESSAGES_USUAL = 10,
    MQUEUE_BYTES_USUAL = 8192,
    MQUEUE_MESSAGES_MAX = 65536,
    MQUEUE_BYTES_MAX = 1 << 24,
    MQUEUE_PRIORITIES = 32768,
    /* What one machine has room for, of waiting bytes: -ENOMEM. */
    MQUEUE_WAITING_MAX = 2 << 20,
};

/* The description is of a file with a queue (the inode's object). */
void mqueue_open(struct file *f, void *object);
/* The inode goes. */
void mqueue_free(void *object);

#endif
