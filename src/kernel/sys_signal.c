/* Signals: the calls. */
#include "kernel/abi.h"
#include "kernel/sys_time.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

enum {
    SET_BYTES = 8, /* sizeof(sigset_t) in the kernel's interface */
    CAP_KILL_NUMBER = 5,
    STACK_SMALLEST = 2048, /* MINSIGSTKSZ */
};
#define STACK_AUTODISARM 0x80000000U
#define SET_UNBLOCKABLE  (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))
#define ACTION_FLAGS                                                                              \
    ((uint64_t)(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | \
                SIGNAL_RESTORER) |                                                                \
     0x80000000U /* SA_RESETHAND */ | 0x800 /* SA_EXPOSE_TAGBITS */)

/* struct sigaction of the kernel's interface. */
struct user_action {
    uint64_t handler, flags, restorer, mask;
};

struct user_stack {
    uint64_t addr;
    uint32_t flags, pad;
    uint64_t size;
};

/* ---- Actions and masks ---- */

int64_t sys_rt_sigaction(struct task *t, const uint64_t arg[6])
{
    struct user_action user;
    int signo = (int)arg[0];
    if (arg[3] != SET_BYTES || signo < 1 || signo > SIGNAL_MAX)
        return -EINVAL;
    struct signal_action *slot = &t->process->actions->action[signo - 1];
    struct signal_action old = *slot;
    if (arg[1] != 0) {
        if (task_read(t, arg[1], &user, sizeof(user)) != 0)
            return -EFAULT;
        if ((SET_UNBLOCKABLE & SIGNAL_BIT(signo)) != 0)
            return -EINVAL;
        *slot = (struct signal_action){.handler = user.handler,
                                       .flags = user.flags & ACTION_FLAGS,
                                       .restorer = user.restorer,
                                       .mask = user.mask & ~SET_UNBLOCKABLE};
        if (user.handler == SIGNAL_IGNORE ||
            (user.handler == SIGNAL_DEFAULT && signal_default_ignores(signo)))
            signal_flush(t->process, SIGNAL_BIT(signo));
    }
    if (arg[2] == 0)
        return 0;
    user = (struct user_action){old.handler, old.flags, old.restorer, old.mask};
    return task_write(t, arg[2], &user, sizeof(user));
}

int64_t sys_rt_sigprocmask(struct task *t, const uint64_t arg[6])
{
    uint64_t set, old = t->signals.blocked;
    if (arg[3] != SET_BYTES)
        return -EINVAL;
    if (arg[1] != 0) {
        if (task_read(t, arg[1], &set, sizeof(set)) != 0)
            return -EFAULT;
        set &= ~SET_UNBLOCKABLE;
        switch ((int)arg[0]) {
        case SIG_BLOCK: t->signals.blocked |= set; break;
        case SIG_UNBLOCK: t->signals.blocked &= ~set; break;
        case SIG_SETMASK: t->signals.blocked = set; break;
        default: return -EINVAL;
        }
    }
    return arg[2] != 0 ? task_write(t, arg[2], &old, sizeof(old)) : 0;
}

int64_t sys_rt_sigpending(struct task *t, const uint64_t arg[6])
{
    uint64_t set = (t->signals.pending.set | t->process->pending.set) & t->signals.blocked;
    if (arg[1] > SET_BYTES)
        return -EINVAL;
    return task_write(t, arg[0], &set, (size_t)arg[1]);
}

int64_t sys_rt_sigsuspend(struct task *t, const uint64_t arg[6])
{
    uint64_t set;
    if (arg[1] != SET_BYTES)
        return -EINVAL;
    if (task_read(t, arg[0], &set, sizeof(set)) != 0)
        return -EFAULT;
    signal_mask_for_call(t, set);
    int64_t result = task_wait(t, NULL);
    return result == SYS_WAIT ? result : -ERESTARTNOHAND;
}

int64_t sys_rt_sigtimedwait(struct task *t, const uint64_t arg[6])
{
    uint8_t bytes[SIGNAL_INFO_BYTES];
    struct signal_info info;
    uint64_t set;
    if (arg[3] != SET_BYTES)
        return -EINVAL;
    if (task_read(t, arg[0], &set, sizeof(set)) != 0)
        return -EFAULT;
    set &= ~SET_UNBLOCKABLE;
    if (!t->restart.begun) {
        t->restart.deadline_ns = INT64_MAX;
        int64_t error = arg[2] != 0 ? time_read_deadline(t, arg[2], CLOCK_MONOTONIC, false,
                                                         &t->restart.deadline_ns)
                                    : 0;
        if (error != 0)
            return error;
        t->restart.begun = true;
        t->restart.mark = t->signals.blocked;
    }
    t->signals.blocked = t->restart.mark;
    if (signal_take(t, set, &info)) {
        signal_info_encode(&info, bytes);
        if (arg[1] != 0 && task_write(t, arg[1], bytes, sizeof(bytes)) != 0)
            return -EFAULT;
        return info.signo;
    }
    if (kernel_monotonic_ns(t->kernel) >= t->restart.deadline_ns)
        return -EAGAIN;
    if (task_signal_pending(t))
        return -EINTR;
    /* While it waits, the signals of the set wake it, blocked or not. */
    t->signals.blocked &= ~set;
    task_wait_until(t, t->restart.deadline_ns);
    return task_wait(t, NULL);
}

int64_t signal_return(struct task *t, bool with_info)
{
    t->in_call = false;
    if (task_abi(t)->frame_pop(t, with_info) != 0) {
        struct signal_info fault = {.signo = SIGSEGV, .code = SI_KERNEL};
        signal_force(t, &fault);
    }
    return 0;
}

int64_t sys_rt_sigreturn(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return signal_return(t, true);
}

static int64_t set_stack(struct task *t, const struct user_stack *new)
{
    struct signal_state *s = &t->signals;
    uint32_t mode = new->flags & ~STACK_AUTODISARM;
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
        return -EINVAL;
    if (mode == SS_DISABLE) {
        s->stack_addr = s->stack_size = 0;
        s->stack_flags = SS_DISABLE;
        return 0;
    }
    if (new->size < STACK_SMALLEST)
        return -ENOMEM;
    s->stack_addr = new->addr;
    s->stack_size = new->size;
    s->stack_flags = new->flags &STACK_AUTODISARM;
    return 0;
}

int64_t sys_sigaltstack(struct task *t, const uint64_t arg[6])
{
    struct user_stack new, old = {0, 0, 0, 0};
    struct signal_state *s = &t->signals;
    bool on_it = signal_is_on_stack(t, task_stack_pointer(t));
    old.addr = s->stack_addr;
    old.size = s->stack_size;
    old.flags = s->stack_flags & STACK_AUTODISARM;
    if (s->stack_size == 0)
        old.flags |= SS_DISABLE;
    else if (on_it)
        old.flags |= SS_ONSTACK;
    if (arg[0] != 0) {
        if (task_read(t, arg[0], &new, sizeof(new)) != 0)
            return -EFAULT;
        if (on_it)
            return -EPERM;
        int64_t error = set_stack(t, &new);
        if (error != 0)
            return error;
    }
    return arg[1] != 0 ? task_write(t, arg[1], &old, sizeof(old)) : 0;
}

/* ---- Sending ---- */

static bool may_send(const struct task *t, const struct process *to, int signo)
{
    const struct creds *c = &t->creds;
    if (to == t->process || creds_capable(c, CAP_KILL_NUMBER))
        return true;
    if (to->leader == NULL)
        return to->uid == c->uid || to->uid == c->euid;
    const struct creds *other = &to->leader->creds;
    if (c->euid == other->suid || c->euid == other->uid || c->uid == other->suid ||
        c->uid == other->uid)
        return true;
    return signo == SIGCONT && t->process->session == to->session;
}

static int64_t send(struct task *t, struct process *to, const struct signal_info *info)
{
    if (!may_send(t, to, info->signo))
        return -EPERM;
    if (info->signo != 0)
        signal_send_process(to, info);
    return 0;
}

/* To all that `pgid` selects (0: everyone but init and the caller). */
static int64_t send_many(struct task *t, int32_t pgid, const struct signal_info *info)
{
    int64_t result = -ESRCH;
    for (struct process *p = t->kernel->processes; p != NULL; p = p->next) {
        if (pgid != 0 ? p->pgid != pgid : p == t->process)
            continue;
        int64_t error = send(t, p, info);
        if (error == 0 || result == -ESRCH)
            result = error;
    }
    return result;
}

static struct signal_info from_task(const struct task *t, int signo, int code)
{
    return (struct signal_info){
        .signo = signo, .code = code, .pid = t->process->pid, .uid = t->creds.uid};
}

int64_t sys_kill(struct task *t, const uint64_t arg[6])
{
    int32_t pid = (int32_t)arg[0];
    int signo = (int)arg[1];
    struct signal_info info = from_task(t, signo, SI_USER);
    if (signo < 0 || signo > SIGNAL_MAX)
        return -EINVAL;
    if (pid == -1)
        return send_many(t, 0, &info);
    if (pid == INT32_MIN)
        return -ESRCH;
    if (pid <= 0)
        return send_many(t, pid == 0 ? t->process->pgid : -pid, &info);
    struct process *p = process_find(t->kernel, pid);
    if (p == NULL) {
        const struct task *thread = task_find(t->kernel, pid);
        p = thread != NULL ? thread->process : NULL;
    }
    return p != NULL ? send(t, p, &info) : service_signal(t, pid, signo);
}

static int64_t send_thread(struct task *t, int32_t tgid, int32_t tid,
                           const struct signal_info *info)
{
    if (tid <= 0 || info->signo < 0 || info->signo > SIGNAL_MAX)
        return -EINVAL;
    struct task *to = task_find(t->kernel, tid);
    if (to == NULL || (tgid > 0 && to->process->pid != tgid))
        return -ESRCH;
    if (!may_send(t, to->process, info->signo))
        return -EPERM;
    if (info->signo != 0)
        signal_send_task(to, info);
    return 0;
}

int64_t sys_tkill(struct task *t, const uint64_t arg[6])
{
    struct signal_info info = from_task(t, (int)arg[1], SI_TKILL);
    return send_thread(t, 0, (int32_t)arg[0], &info);
}

int64_t sys_tgkill(struct task *t, const uint64_t arg[6])
{
    struct signal_info info = from_task(t, (int)arg[2], SI_TKILL);
    if ((int32_t)arg[0] <= 0)
        return -EINVAL;
    return send_thread(t, (int32_t)arg[0], (int32_t)arg[1], &info);
}

static int64_t read_info(struct task *t, uint64_t addr, int32_t to, int signo,
                         struct signal_info *info)
{
    uint8_t bytes[SIGNAL_INFO_BYTES];
    if (task_read(t, addr, bytes, sizeof(bytes)) != 0)
        return -EFAULT;
    signal_info_decode(info, bytes);
    info->signo = signo;
    if ((info->code >= 0 || info->code == SI_TKILL) && to != t->process->pid)
        return -EPERM;
    return 0;
}

int64_t sys_rt_sigqueueinfo(struct task *t, const uint64_t arg[6])
{
    struct signal_info info;
    int64_t error = read_info(t, arg[2], (int32_t)arg[0], (int)arg[1], &info);
    if (error != 0)
        return error;
    struct process *p = process_find(t->kernel, (int32_t)arg[0]);
    if (info.signo < 0 || info.signo > SIGNAL_MAX)
        return -EINVAL;
    return p != NULL ? send(t, p, &info) : -ESRCH;
}

int64_t sys_rt_tgsigqueueinfo(struct task *t, const uint64_t arg[6])
{
    struct signal_info info;
    if ((int32_t)arg[0] <= 0)
        return -EINVAL;
    int64_t error = read_info(t, arg[3], (int32_t)arg[0], (int)arg[2], &info);
    return error != 0 ? error : send_thread(t, (int32_t)arg[0], (int32_t)arg[1], &info);
}
