#include "kernel/syscalls.h"

#include "kernel/abi.h"

#include <errno.h>

/* One entry a number; NULL where nothing is. */
static const syscall_handler handlers[] = {
#define SYSCALL(number, name, text) [number] = sys_##name,
#include "kernel/syscalls.def"
#undef SYSCALL
};

static const char *const names[] = {
#define NAME(number, name) [number] = #name,
#include "kernel/syscall_names.def"
#undef NAME
};

syscall_handler syscall_find(uint64_t number)
{
    return number < ARRAY_LEN(handlers) ? handlers[number] : NULL;
}

const char *syscall_name(uint64_t number)
{
    return number < ARRAY_LEN(names) ? names[number] : NULL;
}

int64_t syscall_refuse(struct task *t)
{
    bool foreign = abi_is_foreign(t->call_abi);
    const char *name_z =
        foreign ? abi_call_name(t->call_abi, t->call_number) : syscall_name(t->call_number);
    struct kernel_event event = {.type = KERNEL_REFUSED,
                                 .program = t->process->program,
                                 .number = (int64_t)t->call_number,
                                 .text = span_z(name_z)};
    uint64_t *word = &t->process->refused[t->call_number % SYSCALL_REFUSED_WORDS];
    if (*word != t->call_number + 1) { /* a loop of them is told once */
        *word = t->call_number + 1;
        kernel_emit(t->kernel, t, &event);
    }
    return -ENOSYS;
}
