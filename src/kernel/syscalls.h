/* The system calls: one table, syscalls.def; a handler is `sys_NAME` in one of sys_*.c. */
#ifndef KERNEL_SYSCALLS_H
#define KERNEL_SYSCALLS_H

#include "kernel/task.h"

#define SYSCALL(number, name, text) int64_t sys_##name(struct task *t, const uint64_t arg[6]);
#include "kernel/syscalls.def"
#undef SYSCALL

typedef int64_t (*syscall_handler)(struct task *t, const uint64_t arg[6]);

/* NULL when the call is not there. */
syscall_handler syscall_find(uint64_t number);
/* The answer to a call that is not there: -ENOSYS, and a KERNEL_REFUSED event. */
int64_t syscall_refuse(struct task *t);
/* `answer` to who has the capability, -EPERM to others. */
int64_t syscall_if_capable(const struct task *t, unsigned capability, int64_t answer);
/* The event alone, once for each number. */
void syscall_tell_refused(struct task *t, uint64_t number, const char *name_z);
/* The name by Linux's own numbering; NULL when it has none. */
const char *syscall_name(uint64_t number);

#endif
