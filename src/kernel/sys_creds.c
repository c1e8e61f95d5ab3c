/* Credentials: who a task is. */
#include "kernel/capability.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>

/* ---- Reading ---- */

int64_t sys_getuid(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return t->creds.uid;
}

int64_t sys_geteuid(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return t->creds.euid;
}

int64_t sys_getgid(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return t->creds.gid;
}

int64_t sys_getegid(struct task *t, const uint64_t arg[6])
{
    (void)arg;
    return t->creds.egid;
}

static int64_t write_three(struct task *t, const uint64_t arg[6], uint32_t a, uint32_t b,
                           uint32_t c)
{
    if (task_write(t, arg[0], &a, sizeof(a)) != 0 || task_write(t, arg[1], &b, sizeof(b)) != 0)
        return -EFAULT;
    return task_write(t, arg[2], &c, sizeof(c));
}

int64_t sys_getresuid(struct task *t, const uint64_t arg[6])
{
    return write_three(t, arg, t->creds.uid, t->creds.euid, t->creds.suid);
}

int64_t sys_getresgid(struct task *t, const uint64_t arg[6])
{
    return write_three(t, arg, t->creds.gid, t->creds.egid, t->creds.sgid);
}

int64_t sys_getgroups(struct task *t, const uint64_t arg[6])
{
    const struct creds *c = &t->creds;
    int32_t size = (int32_t)arg[0];
    if (size < 0)
        return -EINVAL;
    if (size == 0)
        return c->group_count;
    if ((uint32_t)size < c->group_count)
        return -EINVAL;
    if (task_write(t, arg[1], c->groups, c->group_count * sizeof(c->groups[0])) != 0)
        return -EFAULT;
    return c->group_count;
}

/* ---- Changing ---- */

static const uint32_t unchanged = UINT32_MAX;

static bool is_one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
    return id == unchanged || id == a || id == b || id == c;
}

/* A user who has too many tasks already is not refused here, for programs forget to look: execve
 * refuses, if he has still too many then. */
static void note_user(struct task *t, const struct creds *old)
{
    const uint32_t uid = t->creds.uid;
    if (uid != old->uid)
        t->too_many =
            uid != 0 && task_count_of(t->kernel, uid) - 1 > process_limit(t->process, RLIMIT_NPROC);
}

int64_t sys_setresuid(struct task *t, const uint64_t arg[6])
{
    struct creds *c = &t->creds, old = *c;
    uint32_t uid = (uint32_t)arg[0], euid = (uint32_t)arg[1], suid = (uint32_t)arg[2];
    if (!creds_capable(c, CAP_SETUID) &&
        !(is_one_of(uid, c->uid, c->euid, c->suid) && is_one_of(euid, c->uid, c->euid, c->suid) &&
          is_one_of(suid, c->uid, c->euid, c->suid)))
        return -EPERM;
    c->uid = uid != unchanged ? uid : c->uid;
    c->euid = euid != unchanged ? euid : c->euid;
    c->suid = suid != unchanged ? suid : c->suid;
    c->fsuid = c->euid;
    capability_on_uids(c, &old);
    note_user(t, &old);
    return 0;
}

int64_t sys_setresgid(struct task *t, const uint64_t arg[6])
{
    struct creds *c = &t->creds;
    uint32_t gid = (uint32_t)arg[0], egid = (uint32_t)arg[1], sgid = (uint32_t)arg[2];
    if (!creds_capable(c, CAP_SETGID) &&
        !(is_one_of(gid, c->gid, c->egid, c->sgid) && is_one_of(egid, c->gid, c->egid, c->sgid) &&
          is_one_of(sgid, c->gid, c->egid, c->sgid)))
        return -EPERM;
    c->gid = gid != unchanged ? gid : c->gid;
    c->egid = egid != unchanged ? egid : c->egid;
    c->sgid = sgid != unchanged ? sgid : c->sgid;
    c->fsgid = c->egid;
    return 0;
}

int64_t sys_setuid(struct task *t, const uint64_t arg[6])
{
    struct creds *c = &t->creds, old = *c;
    uint32_t uid = (uint32_t)arg[0];
    if (uid == unchanged)
        return -EINVAL;
    if (creds_capable(c, CAP_SETUID))
        c->uid = c->suid = uid;
    else if (uid != c->uid && uid != c->suid)
        return -EPERM;
    c->euid = c->fsuid = uid;
    capability_on_uids(c, &old);
    note_user(t, &old);
    return 0;
}

int64_t sys_setgid(struct task *t, const uint64_t arg[6])
{
    struct creds *c = &t->creds;
    uint32_t gid = (uint32_t)arg[0];
    if (gid == unchanged)
        return -EINVAL;
    if (creds_capable(c, CAP_SETGID))
        c->gid = c->sgid = gid;
    else if (gid != c->gid && gid != c->sgid)
        return -EPERM;
    c->egid = c->fsgid = gid;
    return 0;
}

int64_t sys_setreuid(struct task *t, const uint64_t arg[6])
{
    struct creds *c = &t->creds, old = *c;
    uint32_t uid = (uint32_t)arg[0], euid = (uint32_t)arg[1];
    if (!creds_capable(c, CAP_SETUID) &&
        !(is_one_of(uid, c->uid, c->euid, c->uid) && is_one_of(euid, c->uid, c->euid, c->suid)))
        return -EPERM;
    c->uid = uid != unchanged ? uid : c->uid;
    c->euid = euid != unchanged ? euid : c->euid;
    if (uid != unchanged || (euid != unchanged && euid != old.uid))
        c->suid = c->euid;
    c->fsuid = c->euid;
    capability_on_uids(c, &old);
    note_user(t, &old);
    return 0;
}

int64_t sys_setregid(struct task *t, const uint64_t arg[6])
{
    struct creds *c = &t->creds, old = *c;
    uint32_t gid = (uint32_t)arg[0], egid = (uint32_t)arg[1];
    if (!creds_capable(c, CAP_SETGID) &&
        !(is_one_of(gid, c->gid, c->egid, c->gid) && is_one_of(egid, c->gid, c->egid, c->sgid)))
        return -EPERM;
    c->gid = gid != unchanged ? gid : c->gid;
    c->egid = egid != unchanged ? egid : c->egid;
    if (gid != unchanged || (egid != unchanged && egid != old.gid))
        c->sgid = c->egid;
    c->fsgid = c->egid;
    return 0;
}

int64_t sys_setfsuid(struct task *t, const uint64_t arg[6])
{
    struct creds *c = &t->creds, old = *c;
    uint32_t uid = (uint32_t)arg[0];
    bool own = uid == c->uid || uid == c->euid || uid == c->suid || uid == c->fsuid;
    if (uid != unchanged && (own || creds_capable(c, CAP_SETUID)))
        c->fsuid = uid;
    capability_on_fsuid(c, &old);
    return old.fsuid;
}

int64_t sys_setfsgid(struct task *t, const uint64_t arg[6])
{
    struct creds *c = &t->creds;
    uint32_t gid = (uint32_t)arg[0], old = c->fsgid;
    bool own = gid == c->gid || gid == c->egid || gid == c->sgid || gid == c->fsgid;
    if (gid != unchanged && (own || creds_capable(c, CAP_SETGID)))
        c->fsgid = gid;
    return old;
}

int64_t sys_setgroups(struct task *t, const uint64_t arg[6])
{
    uint32_t groups[TASK_GROUPS_MAX];
    if (!creds_capable(&t->creds, CAP_SETGID))
        return -EPERM;
    if (arg[0] > TASK_GROUPS_MAX)
        return -EINVAL;
    if (task_read(t, arg[1], groups, (size_t)arg[0] * sizeof(groups[0])) != 0)
        return -EFAULT;
    memcpy(t->creds.groups, groups, (size_t)arg[0] * sizeof(groups[0]));
    t->creds.group_count = (uint32_t)arg[0];
    return 0;
}
