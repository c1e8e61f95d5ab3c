/* Calls that are answered and do little: what only a machine's owner may do, and what this one has
 * no use for. Each says what Linux says to the same arguments, as far as a visitor can see. */
#include "kernel/sysfile.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

int64_t sys_vhangup(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return syscall_if_capable(t, CAP_SYS_TTY_CONFIG, 0);
}

/* The root is the machine's own, which cannot be moved. */
int64_t sys_pivot_root(struct task *t, const uint64_t arg[6])
{
    struct walk_found found;
    if (!creds_capable(&t->creds, CAP_SYS_ADMIN))
        return -EPERM;
    for (size_t i = 0; i < 2; i++) {
        int error = sys_walk(t, (uint64_t)AT_FDCWD, arg[i], true, false, &found);
        if (error != 0)
            return error;
        bool is_directory = S_ISDIR(found.stat.mode);
        walk_done(&found);
        if (!is_directory)
            return -ENOTDIR;
    }
    return -EBUSY;
}

int64_t sys_kexec_load(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return syscall_if_capable(t, CAP_SYS_BOOT, -EPERM);
}

int64_t sys_kexec_file_load(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return syscall_if_capable(t, CAP_SYS_BOOT, -EPERM);
}

/* kernel.unprivileged_bpf_disabled; and no program passes the lockdown. */
int64_t sys_bpf(struct task *t, const uint64_t arg[6])
{
    (void)t;
    (void)arg;
    return -EPERM;
}

/* kernel.perf_event_paranoid is 3; the virtual processor counts nothing. */
int64_t sys_perf_event_open(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return creds_capable(&t->creds, CAP_PERFMON) ? -ENOENT : -EACCES;
}

/* Landlock is not among the machine's security modules. */
int64_t sys_landlock_create_ruleset(struct task *t, const uint64_t arg[6])
{
    (void)t;
    (void)arg;
    return -EOPNOTSUPP;
}

/* A filter is taken when it may be; what it forbids is not looked at. */
int64_t sys_seccomp(struct task *t, const uint64_t arg[6])
{
    uint32_t action = 0;
    switch ((uint32_t)arg[0]) {
    case SECCOMP_SET_MODE_STRICT: return arg[1] != 0 || arg[2] != 0 ? -EINVAL : 0;
    case SECCOMP_SET_MODE_FILTER:
        if ((arg[1] & ~UINT64_C(0x1f)) != 0)
            return -EINVAL;
        if (task_read(t, arg[2], &action, sizeof(uint16_t)) != 0)
            return -EFAULT;
        if (action == 0 || action > 4096)
            return -EINVAL;
        return t->process->no_new_privs || creds_capable(&t->creds, CAP_SYS_ADMIN) ? 0 : -EACCES;
    case SECCOMP_GET_ACTION_AVAIL:
        if (arg[1] != 0)
            return -EINVAL;
        if (task_read(t, arg[2], &action, sizeof(action)) != 0)
            return -EFAULT;
        return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_ERRNO ||
                       action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD ||
                       action == SECCOMP_RET_TRAP || action == SECCOMP_RET_TRACE ||
                       action == SECCOMP_RET_LOG || action == SECCOMP_RET_USER_NOTIF
                   ? 0
                   : -EOPNOTSUPP;
    default: return -EINVAL;
    }
}

/* ---- Keys: rings are there, and empty ---- */

enum { KEY_SERIAL = 0x2d10a1f7 };

int64_t sys_add_key(struct task *t, const uint64_t arg[6])
{
    char type_z[32];
    int64_t len = task_read_z(t, arg[0], type_z, sizeof(type_z));
    if (len == -EFAULT)
        return len;
    if (len <= 0)
        return -EINVAL;
    return type_z[0] == '.' ? -EPERM : -EDQUOT;
}

int64_t sys_request_key(struct task *t, const uint64_t arg[6])
{
    char type_z[32];
    int64_t len = task_read_z(t, arg[0], type_z, sizeof(type_z));
    return len == -EFAULT ? len : len <= 0 ? -EINVAL : -ENOKEY;
}

int64_t sys_keyctl(struct task *t, const uint64_t arg[6])
{
    (void)t;
    int32_t ring = (int32_t)arg[1];
    switch ((uint32_t)arg[0]) {
    case KEYCTL_GET_KEYRING_ID:
        if (ring >= KEY_SPEC_REQKEY_AUTH_KEY && ring < 0)
            return KEY_SERIAL - ring;
        return ring == 0 ? -EINVAL : -ENOKEY;
    case KEYCTL_JOIN_SESSION_KEYRING: return KEY_SERIAL;
    case KEYCTL_SEARCH:
    case KEYCTL_READ:
    case KEYCTL_DESCRIBE:
    case KEYCTL_REVOKE:
    case KEYCTL_UNLINK: return -ENOKEY;
    default: return -EOPNOTSUPP;
    }
}

/* ---- Memory ---- */

int64_t sys_mlock2(struct task *t, const uint64_t arg[6])
{
    return (arg[2] & ~UINT64_C(1)) != 0 ? -EINVAL : sys_mlock(t, arg);
}

/* The processor has no protection keys. */
int64_t sys_pkey_alloc(struct task *t, const uint64_t arg[6])
{
    (void)t;
    return arg[0] != 0 || (arg[1] & ~UINT64_C(3)) != 0 ? -EINVAL : -ENOSPC;
}

int64_t sys_pkey_free(struct task *t, const uint64_t arg[6])
{
    (void)t;
    (void)arg;
    return -EINVAL;
}

int64_t sys_pkey_mprotect(struct task *t, const uint64_t arg[6])
{
    return (int32_t)arg[3] == -1 ? sys_mprotect(t, arg) : -EINVAL;
}

/* One memory node. */
int64_t sys_set_mempolicy(struct task *t, const uint64_t arg[6])
{
    (void)t;
    return (uint32_t)arg[0] == 0 ? 0 : (uint32_t)arg[0] > 5 ? -EINVAL : arg[1] == 0 ? -EINVAL : 0;
}

/* ---- Files ---- */

int64_t sys_sync_file_range(struct task *t, const uint64_t arg[6])
{
    struct file_stat st;
    struct file *f = sys_file(t, arg[0]);
    if (f == NULL || (f->flags & O_PATH) != 0)
        return -EBADF;
    if ((arg[3] & ~UINT64_C(7)) != 0 || (int64_t)arg[1] < 0 || (int64_t)arg[2] < 0 ||
        (int64_t)(arg[1] + arg[2]) < 0)
        return -EINVAL;
    int error = file_stat(f, &st);
    if (error != 0)
        return error;
    return S_ISREG(st.mode) || S_ISBLK(st.mode) || S_ISDIR(st.mode) || S_ISLNK(st.mode) ? 0
                                                                                        : -ESPIPE;
}

/* ---- Scheduling and time ---- */

/* struct sched_attr, version 0. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

int64_t sys_sched_setattr(struct task *t, const uint64_t arg[6])
{
    struct attributes a;
    struct task *of = (int32_t)arg[0] == 0 ? t : task_find(t->kernel, (int32_t)arg[0]);
    if (arg[1] == 0 || (int32_t)arg[0] < 0 || arg[2] != 0)
        return -EINVAL;
    memset(&a, 0, sizeof(a));
    if (task_read(t, arg[1], &a, sizeof(a)) != 0)
        return -EFAULT;
    if (a.size != 0 && a.size < sizeof(a))
        return -E2BIG;
    if (of == NULL)
        return -ESRCH;
    bool realtime = a.policy == SCHED_FIFO || a.policy == SCHED_RR;
    bool plain = a.policy == SCHED_OTHER || a.policy == SCHED_BATCH || a.policy == SCHED_IDLE;
    if ((!realtime && !plain) || (realtime ? a.priority < 1 || a.priority > 99 : a.priority != 0))
        return -EINVAL;
    bool root = creds_capable(&t->creds, CAP_SYS_NICE);
    if (!root && (realtime || a.nice < of->nice))
        return -EPERM;
    if (plain)
        of->nice = a.nice < -20 ? -20 : a.nice > 19 ? 19 : a.nice;
    return 0;
}

int64_t sys_clock_adjtime(struct task *t, const uint64_t arg[6])
{
    const uint64_t rest[6] = {arg[1]};
    return arg[0] == 0 ? sys_adjtimex(t, rest) : (uint32_t)arg[0] > 11 ? -EINVAL : -EOPNOTSUPP;
}
