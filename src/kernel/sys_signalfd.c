/* signalfd(2): signals as something to read. */
#include "kernel/abi.h"
#include "kernel/machine.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* struct signalfd_siginfo: 128 bytes, of which these are told. */
enum {
    INFO_BYTES = 128,
    AT_SIGNO = 0,
    AT_ERROR = 4,
    AT_CODE = 8,
    AT_PID = 12,
    AT_UID = 16,
    AT_OVERRUN = 32,
    AT_STATUS = 40,
    AT_INT = 44,
    AT_POINTER = 48,
    AT_ADDRESS = 72,
};

/* Whose signals it shows: the process that made it, or read it last. */
struct signal_file {
    struct kernel *kernel;
    uint64_t mask;
    int32_t pid;
};

static void put32(const struct abi *abi, uint8_t *at, uint32_t value)
{
    value = abi_swap32(abi, value);
    memcpy(at, &value, sizeof(value));
}

static void encode(const struct abi *abi, const struct signal_info *info, uint8_t out[INFO_BYTES])
{
    uint64_t value = abi_swap64(abi, info->value);
    bool fault = info->signo == SIGSEGV || info->signo == SIGBUS || info->signo == SIGILL ||
                 info->signo == SIGFPE;
    memset(out, 0, INFO_BYTES);
    put32(abi, out + AT_SIGNO, (uint32_t)abi_signo_out(abi, info->signo));
    put32(abi, out + AT_ERROR, (uint32_t)info->error);
    put32(abi, out + AT_CODE, (uint32_t)info->code);
    put32(abi, out + AT_PID, (uint32_t)info->pid);
    put32(abi, out + AT_UID, info->uid);
    put32(abi, out + AT_OVERRUN, info->timer_overrun);
    put32(abi, out + AT_STATUS, (uint32_t)info->status);
    put32(abi, out + AT_INT, (uint32_t)info->value);
    memcpy(out + (fault ? AT_ADDRESS : AT_POINTER), &value, 8);
}

static int64_t signal_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)at;
    struct signal_file *s = f->object;
    size_t done = 0;
    struct signal_info info;
    if (len < INFO_BYTES)
        return -EINVAL;
    if (t == NULL)
        return -EAGAIN;
    s->pid = t->process->pid;
    f->key = t->process;
    while (len - done >= INFO_BYTES && signal_take(t, s->mask, &info)) {
        encode(task_abi(t), &info, (uint8_t *)out + done);
        done += INFO_BYTES;
    }
    return done > 0 ? (int64_t)done : -EAGAIN;
}

static unsigned signal_poll(struct file *f)
{
    const struct signal_file *s = f->object;
    const struct process *p = process_find(s->kernel, s->pid);
    if (p == NULL)
        return 0;
    uint64_t waiting = p->pending.set;
    for (const struct task *t = s->kernel->tasks; t != NULL; t = t->next)
        if (t->process == p)
            waiting |= t->signals.pending.set;
    return (waiting & s->mask) != 0 ? POLLIN | POLLRDNORM : 0;
}

static void signal_close(struct file *f)
{
    free(f->object);
}

static const struct file_ops signal_ops = {
    .read = signal_read, .poll = signal_poll, .stat = sys_anonymous_stat, .close = signal_close};

static int64_t make(struct task *t, uint64_t mask, uint64_t flags)
{
    int error = 0;
    struct signal_file *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    *s = (struct signal_file){.kernel = t->kernel, .mask = mask, .pid = t->process->pid};
    struct file *f =
        file_new(t->fs->vfs, &signal_ops, s, O_RDWR | ((uint32_t)flags & O_NONBLOCK), &error);
    if (f == NULL)
        return error;
    f->kind_z = "anon_inode:[signalfd]";
    f->key = t->process;
    return sys_install(t, f, (flags & O_CLOEXEC) != 0);
}

int64_t sys_signalfd4(struct task *t, const uint64_t arg[6])
{
    uint64_t mask = 0;
    if (arg[2] != sizeof(mask) || (arg[3] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK)) != 0)
        return -EINVAL;
    if (task_read(t, arg[1], &mask, sizeof(mask)) != 0)
        return -EFAULT;
    mask &= ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
    if ((int32_t)arg[0] == -1)
        return make(t, mask, arg[3]);
    const struct file *f = sys_file(t, arg[0]);
    if (f == NULL)
        return -EBADF;
    if (f->ops != &signal_ops)
        return -EINVAL;
    ((struct signal_file *)f->object)->mask = mask;
    kernel_wake(t->kernel, f->key);
    return (int32_t)arg[0];
}

int64_t sys_signalfd(struct task *t, const uint64_t arg[6])
{
    const uint64_t second[6] = {arg[0], arg[1], arg[2], 0};
    return sys_signalfd4(t, second);
}
