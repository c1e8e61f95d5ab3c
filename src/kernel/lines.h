/* The lines that shells are given. Three sources, no line twice: bash's own readline (a probe), a
 * terminal in canonical mode, and standard input through a pipe. */
#ifndef KERNEL_LINES_H
#define KERNEL_LINES_H

#include "base/span.h"

struct task;

/* Called by the terminal (canonical mode only) and by the pipe of a program's standard input, with
 * what a read gave to the task. Lines are put together and told when the reader is a shell. */
void lines_read(struct task *t, struct span bytes);

/* Plants the probe in the task's processor when its program is a bash (task.mm.readline). */
void lines_probe(struct task *t);

/* The processor stopped at a probe. */
void lines_on_probe(struct task *t);

#endif
