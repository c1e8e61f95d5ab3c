/* The ring of the kernel's messages: what it said at boot (persona/boot_log.h), and what root has
 * written there. syslog(2) and /dev/kmsg show it. */
#ifndef KERNEL_KMSG_H
#define KERNEL_KMSG_H

#include "kernel/task.h"

#include "base/buffer.h"

struct file;

enum {
    KMSG_MINOR = 11,          /* of /dev/kmsg */
    KMSG_BYTES_MAX = 1 << 17, /* CONFIG_LOG_BUF_SHIFT; what is written beyond is lost */
    KMSG_MESSAGES_MAX = KMSG_BYTES_MAX / 32, /* as Linux has room for; so are those beyond */
    KMSG_LINE_MAX = 976,                     /* of what is written at once: -EINVAL */
};

void kmsg_free(struct kernel *k);
/* A description of /dev/kmsg. 0, -EPERM, -ENOMEM. */
int kmsg_open(struct task *t, struct file *f);

#endif
