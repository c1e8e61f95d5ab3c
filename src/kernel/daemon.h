/* Programs that the machine itself starts, not the visitor's login: its cron, and what unit files say. Such
 * a program is a child of the first process: a session of its own, no terminal, no doors. */
#ifndef KERNEL_DAEMON_H
#define KERNEL_DAEMON_H

#include "kernel/kernel.h"

struct file;
struct unit; /* unit.h */

struct daemon {
    struct kernel_spawn spawn; /* what to start, and as whom; its terminal is not looked at */
    int32_t pid;               /* its number; 0: the next one */
    int64_t start_ns;          /* it seems to run since then (CLOCK_BOOTTIME); 0: now */
    struct unit *unit;         /* whose control group it is in; kernel's lifetime */
    struct file *out;          /* its standard output and error, which passes; NULL: /dev/null */
};

/* The process's number; or -errno: of the path and exec, -EAGAIN (too many processes), -ENOMEM. */
int32_t daemon_start(struct kernel *k, const struct daemon *d);

#endif
