/* What administers the machine or looks into others: answered as far as a visitor can see. */
#include "kernel/exit.h"
#include "kernel/fdtable.h"
#include "kernel/file.h"
#include "kernel/syscalls.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/reboot.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum {
    PERSONALITY_ASK = -1,
    MODULE_BYTES_MAX = 16 << 20,
    MODULE_PIECE = 64 << 10,
    MODULE_OVERLAP = 256, /* more than the text that is looked for */
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

/* A program that asks to be traced, to learn whether it is, hears that it is not, once. Nobody traces. */
int64_t sys_ptrace(struct task *t, const uint64_t arg[6])
{
    if (arg[0] == PTRACE_TRACEME) {
        bool again = t->process->is_traced;
        t->process->is_traced = true;
        return again ? -EPERM : 0;
    }
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

/* Where a module's bytes come from. */
struct module {
    uint64_t addr;  /* in the caller's memory ... */
    struct file *f; /* ... or NULL: in this file */
    uint64_t len;
};

/* How many bytes; a file may be shorter by now. Or -errno. */
static int64_t module_read(struct task *t, const struct module *m, uint64_t at, uint8_t *bytes,
                           size_t n)
{
    kernel_charge(t->kernel, n);
    if (m->f != NULL)
        return file_pread(m->f, t, bytes, n, (int64_t)at);
    int error = task_read(t, m->addr + at, bytes, n);
    return error == 0 ? (int64_t)n : error;
}

static bool is_object(struct span head)
{
    static const uint8_t magic[] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB};
    return head.len >= sizeof(Elf64_Ehdr) &&
           span_starts_with(head, span_of(magic, sizeof(magic))) &&
           head.data[offsetof(Elf64_Ehdr, e_type)] == ET_REL;
}

/* Whether a piece tells that it is of this machine's kernel. */
static bool is_ours(const struct task *t, struct span piece)
{
    static const char mark[] = "vermagic=";
    struct span release = span_z(t->kernel->hardware.release_z);
    const uint8_t *found = memmem(piece.data, piece.len, mark, sizeof(mark) - 1);
    if (found == NULL)
        return false;
    size_t at = (size_t)(found - piece.data) + sizeof(mark) - 1;
    struct span magic = span_slice(piece, at, piece.len);
    return span_starts_with(magic, release) && magic.len > release.len &&
           magic.data[release.len] == ' ';
}

/* A module of another kernel is no module of this one; one of this kernel's own is not let in. It is
 * read a piece a turn. */
static int64_t judge_module(struct task *t, const struct module *m)
{
    enum { UNKNOWN, OURS, NONE }; /* restart.mark */
    uint64_t at = t->restart.done;
    uint64_t left = at < m->len ? m->len - at : 0;
    size_t n = left < MODULE_PIECE ? (size_t)left : MODULE_PIECE;
    uint8_t *bytes = malloc(n + 1);
    if (bytes == NULL)
        return -ENOMEM;
    int64_t result = module_read(t, m, at, bytes, n);
    struct span piece = span_of(bytes, result > 0 ? (size_t)result : 0);
    if (at == 0 && !is_object(piece))
        t->restart.mark = NONE;
    if (t->restart.mark == UNKNOWN && is_ours(t, piece))
        t->restart.mark = OURS;
    free(bytes);
    if (result < 0)
        return result;
    if (at + n < m->len) /* the text may lie across two pieces */
        return task_continue(t, at + n - MODULE_OVERLAP);
    return t->restart.mark == OURS ? -EPERM : -ENOEXEC;
}

static void tell_module(struct task *t, int number, const char *name_z)
{
    if (!t->restart.begun)
        syscall_tell_refused(t, (uint64_t)number, name_z);
    t->restart.begun = true;
}

int64_t sys_init_module(struct task *t, const uint64_t arg[6])
{
    const struct module m = {.addr = arg[0], .len = arg[1]};
    tell_module(t, SYS_init_module, "init_module");
    if (!creds_capable(&t->creds, CAP_SYS_MODULE))
        return -EPERM;
    if (m.len < sizeof(Elf64_Ehdr))
        return -ENOEXEC;
    return m.len <= MODULE_BYTES_MAX ? judge_module(t, &m) : -ENOMEM;
}

int64_t sys_finit_module(struct task *t, const uint64_t arg[6])
{
    struct file_stat st;
    struct file *f = fd_table_find(t->files, (int32_t)arg[0]);
    tell_module(t, SYS_finit_module, "finit_module");
    if (!creds_capable(&t->creds, CAP_SYS_MODULE))
        return -EPERM;
    if ((arg[2] & ~UINT64_C(3)) != 0) /* MODULE_INIT_IGNORE_MODVERSIONS, _VERMAGIC */
        return -EINVAL;
    if (f == NULL || (f->flags & O_PATH) != 0 || (f->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    int error = file_stat(f, &st);
    if (error != 0 || !S_ISREG(st.mode) || st.size == 0)
        return error != 0 ? error : -EINVAL;
    if (st.size > MODULE_BYTES_MAX)
        return -EFBIG;
    const struct module m = {.f = f, .len = (uint64_t)st.size};
    return m.len > t->restart.done ? judge_module(t, &m) : -ENOEXEC;
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
