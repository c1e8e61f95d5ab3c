/* Descriptors of processes: pidfd_open(2). */
#ifndef KERNEL_PIDFD_H
#define KERNEL_PIDFD_H

#include "kernel/task.h"

struct file;

/* A new one, with one holder. 0, -ENFILE, -ENOMEM. */
int pidfd_new(struct task *t, int32_t pid, uint32_t flags, struct file **out);
void pidfd_set(struct file *f, int32_t pid); /* whom it stands for */
/* The process number that it stands for; -1 when it is none. */
int32_t pidfd_pid(const struct file *f);

#endif
