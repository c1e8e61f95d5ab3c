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

void syscall_tell_refused(struct task *t, uint64_t number, const char *name_z)
{
    struct kernel_event event = {.type = KERNEL_REFUSED,
                                 .program = t->process->program,
                                 .number = (int64_t)number,
                                 .text = span_z(name_z)};
    uint64_t *word = &t->process->refused[number % SYSCALL_REFUSED_WORDS];
    if (*word != number + 1) { /* a loop of them is told once */
        *word = number + 1;
        kernel_emit(t->kernel, t, &event);
    }
}

int64_t syscall_if_capable(const struct task *t, unsigned capability, int64_t answer)
{
    return creds_capable(&t->creds, capability) ? answer : -EPERM;
}

int64_t syscall_refuse(struct task *t)
{
    bool foreign = abi_is_foreign(t->call_abi);
    syscall_tell_refused(t, t->call_number,
                         foreign ? abi_call_name(t->call_abi, t->call_number)
                                 : syscall_name(t->call_number));
    return -ENOSYS;
}
