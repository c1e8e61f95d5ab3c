/* Time and use of resources, as several system calls read and write them. */
#ifndef KERNEL_SYS_TIME_H
#define KERNEL_SYS_TIME_H

#include "kernel/task.h"

#include <time.h>

/* A struct timespec of the guest in nanoseconds. 0, -EFAULT, -EINVAL. */
int64_t time_read_ns(struct task *t, uint64_t addr, int64_t *ns);

/* The same as a deadline (CLOCK_MONOTONIC): relative to now, or absolute on `clock`. */
int64_t time_read_deadline(struct task *t, uint64_t addr, int clock, bool absolute,
                           int64_t *deadline_ns);

/* 0 or -EFAULT. */
int time_write_timespec(struct task *t, uint64_t addr, int64_t ns);
int time_write_rusage(struct task *t, uint64_t addr, uint64_t instructions);

/* Processor time of so many instructions. */
int64_t time_of_instructions(uint64_t instructions);

/* All instructions of a process's threads so far. */
uint64_t process_instructions(const struct process *p);

#endif
