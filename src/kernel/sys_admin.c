/* What administers the machine or looks into others: answered as far as a visitor can see. */
#include "kernel/exit.h"
#include "kernel/fdtable.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/reboot.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>

enum {
    PERSONALITY_ASK = -1,
};

/* The machine goes down, and all that runs on it. */
static void power_off(struct kernel *k)
{
    for (struct process *p = k->processes; p != NULL; p = p->next)
        signal_raise_process(p, SIGKILL);
}

int64_t sys_reboot(struct task *t, const uint64_t arg[6])
{
    uint32_t second = (uint32_t)arg[1];
    if (!creds_capable(&t->creds, CAP_SYS_BOOT))
        return -EPERM;
    if ((uint32_t)arg[0] != LINUX_REBOOT_MAGIC1 ||
        (second != LINUX_REBOOT_MAGIC2 && second != LINUX_REBOOT_MAGIC2A &&
         second != LINUX_REBOOT_MAGIC2B && second != LINUX_REBOOT_MAGIC2C))
        return -EINVAL;
    switch ((uint32_t)arg[2]) {
    case LINUX_REBOOT_CMD_CAD_ON:
    case LINUX_REBOOT_CMD_CAD_OFF: return 0;
    case LINUX_REBOOT_CMD_RESTART:
    case LINUX_REBOOT_CMD_RESTART2:
    case LINUX_REBOOT_CMD_HALT:
    case LINUX_REBOOT_CMD_POWER_OFF: power_off(t->kernel); return 0;
    default: return -EINVAL;
    }
}

/* Only the plain one is there; what is set is kept for the asking. */
int64_t sys_personality(struct task *t, const uint64_t arg[6])
{
    uint32_t old = t->process->personality;
    if ((int32_t)arg[0] != PERSONALITY_ASK)
        t->process->personality = (uint32_t)arg[0];
    return old;
}

/* A program that asks to be traced, to learn whether it is, hears that it is not. Nobody traces. */
int64_t sys_ptrace(struct task *t, const uint64_t arg[6])
{
    if (arg[0] == PTRACE_TRACEME)
        return 0;
    const struct task *other = task_find(t->kernel, (int32_t)arg[1]);
    if (other == NULL)
        return -ESRCH;
    return arg[0] == PTRACE_ATTACH || arg[0] == PTRACE_SEIZE ? -EPERM : -ESRCH;
}

/* Tasks run one at a time: every barrier is there already. */
int64_t sys_membarrier(struct task *t, const uint64_t arg[6])
{
    (void)t;
    int known = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
                MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |
                MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
    int command = (int)arg[0];
    if (arg[1] != 0)
        return -EINVAL;
    if (command == MEMBARRIER_CMD_QUERY)
        return known;
    return (command & (command - 1)) == 0 && (command & known) != 0 ? 0 : -EINVAL;
}

int64_t sys_restart_syscall(struct task *t, const uint64_t arg[6])
{
    (void)t;
    (void)arg;
    return -EINTR; /* calls are restarted without it */
}

/* ---- Refused to everybody, as on a machine that is locked down ---- */

int64_t sys_init_module(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return syscall_if_capable(t, CAP_SYS_MODULE, -EPERM);
}

int64_t sys_finit_module(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return syscall_if_capable(t, CAP_SYS_MODULE, -EPERM);
}

int64_t sys_delete_module(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return syscall_if_capable(t, CAP_SYS_MODULE, -ENOENT);
}

int64_t sys_swapon(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return syscall_if_capable(t, CAP_SYS_ADMIN, -EPERM);
}

int64_t sys_swapoff(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return syscall_if_capable(t, CAP_SYS_ADMIN, -EINVAL);
}

/* Ports of the hardware. */
int64_t sys_iopl(struct task *t, const uint64_t arg[6])
{
    (void)t;
    return arg[0] > 3 ? -EINVAL : arg[0] == 0 ? 0 : -EPERM;
}

int64_t sys_ioperm(struct task *t, const uint64_t arg[6])
{
    (void)t;
    return arg[2] == 0 ? 0 : -EPERM;
}

int64_t sys_acct(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return syscall_if_capable(t, CAP_SYS_PACCT, -ENOSYS);
}

/* ---- More of scheduling ---- */

/* struct sched_attr, version 0. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};
_Static_assert(sizeof(struct attributes) == 48, "struct sched_attr");

static struct task *task_of(struct task *t, uint64_t pid)
{
    return (int32_t)pid == 0 ? t : task_find(t->kernel, (int32_t)pid);
}

int64_t sys_sched_getattr(struct task *t, const uint64_t arg[6])
{
    const struct task *of = task_of(t, arg[0]);
    if (arg[1] == 0 || (int32_t)arg[0] < 0 || arg[2] < sizeof(struct attributes) || arg[3] != 0)
        return -EINVAL;
    if (of == NULL)
        return -ESRCH;
    struct attributes a = {.size = sizeof(a), .policy = SCHED_OTHER, .nice = of->nice};
    return task_write(t, arg[1], &a, sizeof(a));
}

int64_t sys_sched_setparam(struct task *t, const uint64_t arg[6])
{
    int priority;
    if (arg[1] == 0 || (int32_t)arg[0] < 0)
        return -EINVAL;
    if (task_read(t, arg[1], &priority, sizeof(priority)) != 0)
        return -EFAULT;
    if (task_of(t, arg[0]) == NULL)
        return -ESRCH;
    return priority == 0 ? 0 : -EINVAL;
}

int64_t sys_sched_rr_get_interval(struct task *t, const uint64_t arg[6])
{
    static const struct timespec slice = {0, 4000000};
    if ((int32_t)arg[0] < 0)
        return -EINVAL;
    if (task_of(t, arg[0]) == NULL)
        return -ESRCH;
    return task_write(t, arg[1], &slice, sizeof(slice));
}

/* Disks have no queues here: everybody has the default class. */
int64_t sys_ioprio_get(struct task *t, const uint64_t arg[6])
{
    if (arg[0] < 1 || arg[0] > 3)
        return -EINVAL;
    return arg[0] != 1 || task_of(t, arg[1]) != NULL ? 0 : -ESRCH;
}

int64_t sys_ioprio_set(struct task *t, const uint64_t arg[6])
{
    uint32_t class = (uint32_t)arg[2] >> 13;
    if (arg[0] < 1 || arg[0] > 3 || class > 3)
        return -EINVAL;
    if (class == 1 && !creds_capable(&t->creds, CAP_SYS_NICE))
        return -EPERM;
    return arg[0] != 1 || task_of(t, arg[1]) != NULL ? 0 : -ESRCH;
}
