/* The descriptors of a process: numbers that name open descriptions. Shared by threads
 * (CLONE_FILES), copied by fork. */
#ifndef KERNEL_FDTABLE_H
#define KERNEL_FDTABLE_H

#include "base/span.h"

struct file;
struct fd_table;

enum { FD_TABLE_MAX = 4096 }; /* descriptors, whatever RLIMIT_NOFILE says */

struct fd_table *fd_table_new(void); /* empty; one holder; NULL: no memory */
struct fd_table *fd_table_clone(const struct fd_table *table); /* fork: the same descriptions */
struct fd_table *fd_table_hold(struct fd_table *table);        /* CLONE_FILES; returns table */
void fd_table_drop(struct fd_table *table);                    /* the last holder closes all */
bool fd_table_is_shared(const struct fd_table *table);

/* The description behind `fd`, borrowed; NULL: -EBADF. */
struct file *fd_table_find(const struct fd_table *table, int64_t fd);

/* The lowest free descriptor >= `from` and < `limit` (RLIMIT_NOFILE); -EMFILE. */
int fd_table_free(const struct fd_table *table, int from, uint64_t limit);
/* That descriptor now names `f`, whose holder
 * passes to the table, also on failure (f is dropped then). The number, -EMFILE, -ENOMEM. */
int fd_table_add(struct fd_table *table, struct file *f, int from, uint64_t limit,
                 bool close_on_exec);
/* Puts `f` at exactly `fd` (dup2), closing what was there. The number, -EBADF, -ENOMEM. */
int fd_table_set(struct fd_table *table, struct file *f, int fd, uint64_t limit,
                 bool close_on_exec);
int fd_table_close(struct fd_table *table, int64_t fd); /* 0 or -EBADF */
void fd_table_close_exec(struct fd_table *table);       /* execve */

bool fd_table_is_close_on_exec(const struct fd_table *table, int fd);
void fd_table_set_close_on_exec(struct fd_table *table, int fd, bool on);
/* The first used descriptor >= `from`, or -1: for walks (/proc/PID/fd, close_range). */
int fd_table_next(const struct fd_table *table, int from);

#endif
