/* Fast user-space locking: futex(2), without priority inheritance. */
#ifndef KERNEL_FUTEX_H
#define KERNEL_FUTEX_H

#include "kernel/task.h"

/* Wakes up to `count` waiters of the word at `addr` of the task's memory. How many. */
int64_t futex_wake(struct task *t, uint64_t addr, uint32_t count);

/* The thread ends: its robust list is gone through, so that who waits for its locks learns it. */
void futex_exit(struct task *t);

#endif
