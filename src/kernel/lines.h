/* The lines that shells and other programs are given, from four sources, no line twice: bash's own
 * readline and make_here_document (probes), a terminal in canonical mode, the keys that a shell with
 * an editor of its own reads (busybox's), and standard input through a pipe. */
#ifndef KERNEL_LINES_H
#define KERNEL_LINES_H

#include "base/span.h"

struct cpu_space;
struct task;

/* Functions of bash that are probed. */
enum lines_function { LINES_READLINE, LINES_HEREDOC, LINES_FUNCTIONS };

/* A call of such a function that has begun. */
struct lines_call {
    uint64_t back, stack; /* where it returns to, and the stack there; 0: none */
    uint64_t argument;
};

/* Called with what a read gave to the task: by the terminal in canonical mode, and by the pipe of a
 * program's standard input. Lines are put together; from a pipe only those of shells are told. */
void lines_read(struct task *t, struct span bytes, bool terminal);

/* The same with keys: by a terminal that gives them as they are typed. Only for a shell that edits
 * its lines itself, as busybox's does; a word that it completes is not seen. */
void lines_keys(struct task *t, struct span keys);

/* Addresses of the functions, 0 for one that the program does not have. */
void lines_find(struct cpu_space *space, uint64_t dynamic, uint64_t bias,
                uint64_t at[LINES_FUNCTIONS]);
/* Plants the probes in the task's processor when its program is a bash (task.mm.functions). */
void lines_probe(struct task *t);
/* The processor stopped at a probe. */
void lines_on_probe(struct task *t);

/* Another program begins; the task goes. */
void lines_forget(struct task *t);
void lines_fini(struct task *t);

#endif
