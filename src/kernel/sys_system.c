/* The system and its limits: uname, sysinfo, random bytes, prctl, rlimits, scheduling. */
#include "cpu/x86.h"
#include "kernel/capability.h"
#include "kernel/hardware.h"
#include "kernel/mm.h"
#include "kernel/namespace.h"
#include "kernel/syscalls.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/random.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

enum {
    RANDOM_PIECE = 4096,
    LOAD_SHIFT = 16, /* of sysinfo's load averages */
    NS_PER_S = 1000000000,
    KIB = 1024,
    CPUS_MAX_BYTES = 128, /* of a CPU mask that is read */
};

/* ---- Names ---- */

int64_t sys_uname(struct task *t, const uint64_t arg[6])
{
    const struct hardware *h = &t->kernel->hardware;
    struct utsname u;
    memset(&u, 0, sizeof(u));
    span_copy_z(span_z(h->sysname_z), u.sysname, sizeof(u.sysname));
    span_copy_z(span_z(namespace_hostname(t->kernel, t)), u.nodename, sizeof(u.nodename));
    span_copy_z(span_z(h->release_z), u.release, sizeof(u.release));
    span_copy_z(span_z(h->version_z), u.version, sizeof(u.version));
    span_copy_z(span_z(h->arch_z), u.machine, sizeof(u.machine));
    span_copy_z(span_z(namespace_domainname(t->kernel, t)), u.domainname, sizeof(u.domainname));
    return task_write(t, arg[0], &u, sizeof(u));
}

static int64_t set_name(struct task *t, const uint64_t arg[6], char *out_z)
{
    char name_z[KERNEL_HOSTNAME_MAX + 1] = {0};
    if (!creds_capable(&t->creds, CAP_SYS_ADMIN))
        return -EPERM;
    if (arg[1] > KERNEL_HOSTNAME_MAX)
        return -EINVAL;
    if (task_read(t, arg[0], name_z, (size_t)arg[1]) != 0)
        return -EFAULT;
    memcpy(out_z, name_z, sizeof(name_z));
    return 0;
}

int64_t sys_sethostname(struct task *t, const uint64_t arg[6])
{
    return set_name(t, arg, namespace_hostname(t->kernel, t));
}

int64_t sys_setdomainname(struct task *t, const uint64_t arg[6])
{
    return set_name(t, arg, namespace_domainname(t->kernel, t));
}

int64_t sys_sysinfo(struct task *t, const uint64_t arg[6])
{
    const struct hardware *h = &t->kernel->hardware;
    struct sysinfo info;
    memset(&info, 0, sizeof(info));
    info.uptime = kernel_monotonic_ns(t->kernel) / NS_PER_S;
    for (size_t i = 0; i < ARRAY_LEN(info.loads); i++)
        info.loads[i] = ((uint64_t)h->load_hundredths[i] << LOAD_SHIFT) / 100;
    info.totalram = h->mem_total * KIB;
    info.freeram = h->mem_free * KIB;
    info.sharedram = h->mem_shared * KIB;
    info.bufferram = h->mem_buffers * KIB;
    info.procs = (uint16_t)(h->threads + t->kernel->process_count);
    info.mem_unit = 1;
    return task_write(t, arg[0], &info, sizeof(info));
}

int64_t sys_getrandom(struct task *t, const uint64_t arg[6])
{
    uint8_t bytes[RANDOM_PIECE];
    uint64_t known = GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE;
    uint64_t done = 0, len = arg[1] < TASK_RW_MAX ? arg[1] : TASK_RW_MAX;
    if ((arg[2] & ~known) != 0 ||
        (arg[2] & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    if (len > KERNEL_PIECE_BYTES)
        len = KERNEL_PIECE_BYTES; /* more comes with the next call */
    while (done < len) {
        size_t n = len - done < sizeof(bytes) ? (size_t)(len - done) : sizeof(bytes);
        crypto_rng_bytes(&t->kernel->rng, bytes, n);
        if (task_write(t, arg[0] + done, bytes, n) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
        done += n;
    }
    return (int64_t)done;
}

/* ---- The processor ---- */

int64_t sys_arch_prctl(struct task *t, const uint64_t arg[6])
{
    struct x86_state *s = x86_state(x86_from_cpu(t->cpu));
    switch ((int)arg[0]) {
    case ARCH_SET_FS:
        if (arg[1] >= CPU_SPACE_END)
            return -EPERM;
        s->fs_base = arg[1];
        return 0;
    case ARCH_SET_GS:
        if (arg[1] >= CPU_SPACE_END)
            return -EPERM;
        s->gs_base = arg[1];
        return 0;
    case ARCH_GET_FS: return task_write(t, arg[1], &s->fs_base, sizeof(s->fs_base));
    case ARCH_GET_GS: return task_write(t, arg[1], &s->gs_base, sizeof(s->gs_base));
    default: return -EINVAL;
    }
}

uint64_t task_stack_pointer(struct task *t)
{
    return t->cpu->ops->sp(t->cpu);
}

int64_t sys_getcpu(struct task *t, const uint64_t arg[6])
{
    static const uint32_t zero = 0;
    if (arg[0] != 0 && task_write(t, arg[0], &zero, sizeof(zero)) != 0)
        return -EFAULT;
    if (arg[1] != 0 && task_write(t, arg[1], &zero, sizeof(zero)) != 0)
        return -EFAULT;
    return 0;
}

/* ---- prctl ---- */

static int64_t set_name_of_thread(struct task *t, uint64_t addr)
{
    char name_z[TASK_COMM_BYTES] = {0};
    int64_t len = task_read_z(t, addr, name_z, sizeof(name_z));
    if (len == -EFAULT)
        return len;
    name_z[sizeof(name_z) - 1] = '\0';
    memset(t->comm_z, 0, sizeof(t->comm_z));
    span_copy_z(span_z(name_z), t->comm_z, sizeof(t->comm_z));
    return 0;
}

static int64_t write_int(struct task *t, uint64_t addr, int value)
{
    return task_write(t, addr, &value, sizeof(value));
}

static int64_t set_flag(bool *flag, uint64_t value)
{
    if (value > 1)
        return -EINVAL;
    *flag = value == 1;
    return 0;
}

int64_t sys_prctl(struct task *t, const uint64_t arg[6])
{
    struct process *p = t->process;
    int64_t told = capability_prctl(t, arg);
    if (told != -ENOSYS)
        return told;
    switch ((int)arg[0]) {
    case PR_SET_NAME: return set_name_of_thread(t, arg[1]);
    case PR_GET_NAME: return task_write(t, arg[1], t->comm_z, sizeof(t->comm_z));
    case PR_SET_PDEATHSIG:
        if (arg[1] > SIGNAL_MAX)
            return -EINVAL;
        p->parent_death_signal = (int)arg[1];
        return 0;
    case PR_GET_PDEATHSIG: return write_int(t, arg[1], p->parent_death_signal);
    case PR_SET_CHILD_SUBREAPER: p->is_subreaper = arg[1] != 0; return 0;
    case PR_GET_CHILD_SUBREAPER: return write_int(t, arg[1], p->is_subreaper);
    case PR_SET_DUMPABLE: return set_flag(&p->not_dumpable, !arg[1]);
    case PR_GET_DUMPABLE: return !p->not_dumpable;
    case PR_SET_NO_NEW_PRIVS:
        if (arg[1] != 1 || arg[2] != 0)
            return -EINVAL;
        p->no_new_privs = true;
        return 0;
    case PR_GET_NO_NEW_PRIVS: return p->no_new_privs;
    case PR_GET_SECCOMP: return 0;
    case PR_SET_TIMERSLACK: return 0;
    case PR_GET_TIMERSLACK: return 50000;
    case PR_GET_TSC: return write_int(t, arg[1], PR_TSC_ENABLE);
    case PR_GET_TID_ADDRESS: return task_write(t, arg[1], &t->clear_tid, sizeof(t->clear_tid));
    case PR_SET_VMA: return 0; /* names of anonymous memory are not shown */
    default: return -EINVAL;
    }
}

/* ---- Limits ---- */

static bool limit_ok(const struct task *t, int resource, const struct rlimit64 *new)
{
    if (resource == RLIMIT_NOFILE &&
        new->rlim_max > t->process->limits[RLIMIT_NOFILE].rlim_max &&new->rlim_max > 1048576)
        return false;
    return new->rlim_max <= t->process->limits[resource].rlim_max ||
           creds_capable(&t->creds, CAP_SYS_RESOURCE);
}

/* Another process's: the caller must be the same in all of its ids. */
static bool may_limit(const struct task *t, const struct process *p)
{
    const struct creds *c = &t->creds, *o = p->leader != NULL ? &p->leader->creds : NULL;
    bool same = o != NULL && c->uid == o->uid && c->uid == o->euid && c->uid == o->suid &&
                c->gid == o->gid && c->gid == o->egid && c->gid == o->sgid;
    return same || creds_capable(c, CAP_SYS_RESOURCE);
}

int64_t sys_prlimit64(struct task *t, const uint64_t arg[6])
{
    int resource = (int)arg[1];
    struct rlimit64 new;
    struct process *p =
        (int32_t)arg[0] == 0 ? t->process : process_find(t->kernel, (int32_t)arg[0]);
    if (resource < 0 || resource >= RLIM_NLIMITS)
        return -EINVAL;
    if (p == NULL)
        return -ESRCH;
    if (p != t->process && !may_limit(t, p))
        return -EPERM;
    struct rlimit64 old = p->limits[resource];
    if (arg[2] != 0) {
        if (task_read(t, arg[2], &new, sizeof(new)) != 0)
            return -EFAULT;
        if (new.rlim_cur > new.rlim_max)
            return -EINVAL;
        if (!limit_ok(t, resource, &new))
            return -EPERM;
        p->limits[resource] = new;
    }
    return arg[3] != 0 ? task_write(t, arg[3], &old, sizeof(old)) : 0;
}

int64_t sys_getrlimit(struct task *t, const uint64_t arg[6])
{
    const uint64_t as_prlimit[6] = {0, arg[0], 0, arg[1], 0, 0};
    return arg[1] == 0 ? -EFAULT : sys_prlimit64(t, as_prlimit);
}

int64_t sys_setrlimit(struct task *t, const uint64_t arg[6])
{
    const uint64_t as_prlimit[6] = {0, arg[0], arg[1], 0, 0, 0};
    return arg[1] == 0 ? -EFAULT : sys_prlimit64(t, as_prlimit);
}

/* ---- Scheduling ---- */

int64_t sys_sched_yield(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    kernel_charge(t->kernel, KERNEL_QUANTUM); /* the rest of its slice */
    return 0;
}

static struct task *task_of(const struct task *t, uint64_t pid)
{
    return (int32_t)pid == 0 ? task_find(t->kernel, t->tid) : task_find(t->kernel, (int32_t)pid);
}

int64_t sys_sched_getaffinity(struct task *t, const uint64_t arg[6])
{
    uint8_t mask[8] = {0};
    uint32_t cpus = t->kernel->hardware.cpus;
    if (arg[1] < sizeof(mask) || (arg[1] & 7) != 0)
        return -EINVAL;
    if (task_of(t, arg[0]) == NULL)
        return -ESRCH;
    for (uint32_t i = 0; i < cpus && i < 64; i++)
        mask[i / 8] |= (uint8_t)(1U << (i % 8));
    return task_write(t, arg[2], mask, sizeof(mask)) != 0 ? -EFAULT : (int64_t)sizeof(mask);
}

int64_t sys_sched_setaffinity(struct task *t, const uint64_t arg[6])
{
    uint8_t mask[CPUS_MAX_BYTES] = {0};
    size_t n = arg[1] < sizeof(mask) ? (size_t)arg[1] : sizeof(mask);
    if (task_of(t, arg[0]) == NULL)
        return -ESRCH;
    if (task_read(t, arg[2], mask, n) != 0)
        return -EFAULT;
    uint32_t cpus = t->kernel->hardware.cpus;
    return (mask[0] & ((1U << (cpus < 8 ? cpus : 8)) - 1)) != 0 ? 0 : -EINVAL;
}

int64_t sys_sched_getscheduler(struct task *t, const uint64_t arg[6])
{
    if ((int32_t)arg[0] < 0)
        return -EINVAL;
    return task_of(t, arg[0]) != NULL ? SCHED_OTHER : -ESRCH;
}

int64_t sys_sched_getparam(struct task *t, const uint64_t arg[6])
{
    static const int priority = 0;
    if ((int32_t)arg[0] < 0 || arg[1] == 0)
        return -EINVAL;
    if (task_of(t, arg[0]) == NULL)
        return -ESRCH;
    return task_write(t, arg[1], &priority, sizeof(priority));
}

int64_t sys_sched_setscheduler(struct task *t, const uint64_t arg[6])
{
    int policy = (int)arg[1] & ~SCHED_RESET_ON_FORK, priority;
    if (task_read(t, arg[2], &priority, sizeof(priority)) != 0)
        return -EFAULT;
    if (task_of(t, arg[0]) == NULL)
        return -ESRCH;
    bool is_realtime = policy == SCHED_FIFO || policy == SCHED_RR;
    if (!is_realtime && policy != SCHED_OTHER && policy != SCHED_BATCH && policy != SCHED_IDLE)
        return -EINVAL;
    if (is_realtime ? priority < 1 || priority > 99 : priority != 0)
        return -EINVAL;
    return is_realtime && !creds_capable(&t->creds, CAP_SYS_NICE) ? -EPERM : 0;
}

int64_t sys_sched_get_priority_max(struct task *t, const uint64_t arg[6])
{
    (void)t;
    switch ((int)arg[0]) {
    case SCHED_FIFO:
    case SCHED_RR: return 99;
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE: return 0;
    default: return -EINVAL;
    }
}

int64_t sys_sched_get_priority_min(struct task *t, const uint64_t arg[6])
{
    int64_t most = sys_sched_get_priority_max(t, arg);
    return most == 99 ? 1 : most;
}

/* Whom a priority call means: a process, a group or a user. */
static bool is_meant(const struct task *t, const struct task *each, uint64_t which, uint32_t who)
{
    if (each->state == TASK_DEAD)
        return false;
    switch (which) {
    case PRIO_PROCESS: return who == 0 ? each == t : each->tid == (int32_t)who;
    case PRIO_PGRP: return each->process->pgid == (who == 0 ? t->process->pgid : (int32_t)who);
    default: return each->creds.uid == (who == 0 ? t->creds.uid : who);
    }
}

int64_t sys_getpriority(struct task *t, const uint64_t arg[6])
{
    int64_t best = -ESRCH;
    if (arg[0] > PRIO_USER)
        return -EINVAL;
    for (const struct task *each = t->kernel->tasks; each != NULL; each = each->next)
        if (is_meant(t, each, arg[0], (uint32_t)arg[1]) && 20 - each->nice > best)
            best = 20 - each->nice;
    return best;
}

int64_t sys_setpriority(struct task *t, const uint64_t arg[6])
{
    int64_t result = -ESRCH;
    int nice = (int)arg[2];
    if (arg[0] > PRIO_USER)
        return -EINVAL;
    nice = nice < -20 ? -20 : nice > 19 ? 19 : nice;
    for (struct task *each = t->kernel->tasks; each != NULL; each = each->next) {
        if (!is_meant(t, each, arg[0], (uint32_t)arg[1]))
            continue;
        bool root = creds_capable(&t->creds, CAP_SYS_NICE);
        if (!root && each->creds.uid != t->creds.euid) {
            result = -EPERM;
        } else if (!root && nice < each->nice) {
            result = -EACCES;
        } else {
            each->nice = nice;
            result = result == -ESRCH ? 0 : result;
        }
    }
    return result;
}

/* Restartable sequences are not there: glibc asks at each start and goes on without. */
int64_t sys_rseq(struct task *t, const uint64_t arg[6])
{
    (void)t;
    (void)arg;
    return -ENOSYS;
}
