/* POSIX timers of a process: timer_create(2) and its neighbours. */
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include "kernel/task.h"

enum { TIMERS_MAX = 32 }; /* of a process: -EAGAIN */

/* Sends the signals of timers whose time (CLOCK_MONOTONIC) has come. */
void timers_check(struct process *p, int64_t now_ns);
/* When the first one runs out; INT64_MAX: never. */
int64_t timers_deadline(const struct process *p);
/* All are gone: execve, the end. */
void timers_free(struct process *p);

#endif
