/* The end of threads and processes, and what their parents see of it: wait(2). */
#ifndef KERNEL_EXIT_H
#define KERNEL_EXIT_H

#include "kernel/task.h"

/* The thread ends; with it the process when it was the last: then `status` (as wait(2) reports it)
 * is its status, unless exit_group or a signal has set another. */
void task_exit(struct task *t, int status);

/* All threads end: exit_group, a fatal signal. `status` as wait(2) reports it. The first wins. */
void process_end(struct process *p, int status);

/* execve: all other threads end, and `t` becomes the leader. */
void process_end_others(struct task *t);

/* SIGCHLD with its details, and the waiters are woken. `code` is CLD_*. */
void process_tell_parent(struct process *p, int code, int status);

/* The child has executed or ended: a parent of vfork goes on. */
void process_release_vfork(struct process *p);

#endif
