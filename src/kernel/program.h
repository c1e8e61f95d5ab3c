/* Programs: what kernel_spawn starts, and their doors. */
#ifndef KERNEL_PROGRAM_H
#define KERNEL_PROGRAM_H

#include "kernel/task.h"

struct pipe;

struct program {
    int number;
    struct tty *tty;             /* or, when NULL: */
    struct pipe *in, *out, *err; /* a pipe that is gone is NULL */
    struct process *process;     /* NULL once it has ended */
};

/* A process became a zombie: KERNEL_DONE if it is a program's own. */
void program_process_ended(struct kernel *k, struct process *p);

/* Its resource limits are those that a program is started with. */
bool program_has_default_limits(const struct process *p);

/* The visitor is gone altogether. */
void program_free_all(struct kernel *k);

#endif
