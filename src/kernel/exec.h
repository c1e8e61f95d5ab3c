/* execve(2): a program's file becomes a process's memory. ELF (static, position independent,
 * with an interpreter) and `#!`. */
#ifndef KERNEL_EXEC_H
#define KERNEL_EXEC_H

#include "kernel/task.h"

enum {
    EXEC_STRING_MAX = 131072, /* MAX_ARG_STRLEN: one argument, with its NUL */
    EXEC_SCRIPT_DEPTH = 5,    /* `#!` of a `#!` of ...: then -ELOOP */
    EXEC_HEAD_BYTES = 256,    /* BINPRM_BUF_SIZE: what a `#!` line may have */
    EXEC_STRINGS_MAX = 65536, /* pointers of argv or of envp */
    EXEC_PLACES = 16,         /* kernel.place */
};

/* Strings one after another, each with its NUL. */
struct exec_strings {
    uint8_t *data; /* owned */
    size_t len, cap;
    size_t count;
};
void exec_strings_free(struct exec_strings *s);
/* 0 or -ENOMEM. */
int exec_strings_add(struct exec_strings *s, struct span text);

struct exec {
    struct task *task;
    struct file *file;             /* opened by the caller; passes to exec_run */
    struct span path;              /* as given: comm and AT_EXECFN */
    struct exec_strings args, env; /* owned by the caller */
    bool is_script;                /* exec_run's own, as all below: a `#!` line was followed */
    struct snapshot *snapshot;     /* that it is a clone of; NULL: none */
    struct snapshot *known;        /* what is known of the start; NULL: nothing */
};

/* Replaces the task's program. 0; or -errno with the task unchanged. When the old memory is gone
 * already and the new cannot be had, the process is killed, and the result is 0. */
int exec_run(struct exec *x);

/* A random number of pages, at the machine's place of 64 KiB if it has one (kernel.place). */
uint64_t exec_place(const struct kernel *k, uint64_t pages);

/* The largest sum of argument and environment bytes, with their pointers. */
uint64_t exec_strings_limit(const struct task *t);

#endif
