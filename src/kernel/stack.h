/* The first stack of a program: strings, auxiliary vector, environment, arguments, as the psABI and
 * Linux lay them out. */
#ifndef KERNEL_STACK_H
#define KERNEL_STACK_H

#include "kernel/exec.h"
#include "kernel/mm.h"

struct stack_facts {
    uint64_t phdr, entry, base; /* AT_PHDR, AT_ENTRY, AT_BASE */
    uint16_t phnum;
    bool secure, exec_stack;
    struct span path;
    uint64_t limit; /* RLIMIT_STACK */
};

/* Maps a stack and fills it. The stack pointer, or -errno. */
int64_t stack_build(struct mm *mm, const struct task *t, const struct exec_strings *args,
                    const struct exec_strings *env, const struct stack_facts *facts);

#endif
