/* Credentials: who a task is. */
#include "kernel/syscalls.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

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

/* Linux, capabilities(7): what a change of user IDs does to the sets. */
static void follow_uids(struct creds *c, const struct creds *old)
{
    bool was_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
    bool is_root = c->uid == 0 || c->euid == 0 || c->suid == 0;
    if (was_root && !is_root) {
        c->cap_permitted = c->cap_effective = c->cap_ambient = 0;
        return;
    }
    if (old->euid == 0 && c->euid != 0)
        c->cap_effective = 0;
    if (old->euid != 0 && c->euid == 0)
        c->cap_effective = c->cap_permitted;
}

static bool is_one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
    return id == unchanged || id == a || id == b || id == c;
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
    follow_uids(c, &old);
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
    follow_uids(c, &old);
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
    follow_uids(c, &old);
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
    struct creds *c = &t->creds;
    uint32_t uid = (uint32_t)arg[0], old = c->fsuid;
    bool own = uid == c->uid || uid == c->euid || uid == c->suid || uid == c->fsuid;
    if (uid != unchanged && (own || creds_capable(c, CAP_SETUID)))
        c->fsuid = uid;
    return old;
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

/* ---- Capabilities ---- */

static int64_t read_cap_header(struct task *t, uint64_t addr, struct __user_cap_header_struct *h,
                               size_t *words)
{
    if (task_read(t, addr, h, sizeof(*h)) != 0)
        return -EFAULT;
    switch (h->version) {
    case _LINUX_CAPABILITY_VERSION_1: *words = 1; return 0;
    case _LINUX_CAPABILITY_VERSION_2:
    case _LINUX_CAPABILITY_VERSION_3: *words = 2; return 0;
    default: break;
    }
    h->version = _LINUX_CAPABILITY_VERSION_3;
    return task_write(t, addr, h, sizeof(*h)) != 0 ? -EFAULT : -EINVAL;
}

int64_t sys_capget(struct task *t, const uint64_t arg[6])
{
    struct __user_cap_header_struct h;
    struct __user_cap_data_struct data[2];
    size_t words = 0;
    int64_t error = read_cap_header(t, arg[0], &h, &words);
    if (error != 0)
        return arg[1] == 0 && error == -EINVAL ? 0 : error;
    const struct task *of = h.pid == 0 ? t : task_find(t->kernel, h.pid);
    if (h.pid < 0)
        return -EINVAL;
    if (of == NULL)
        return -ESRCH;
    for (unsigned i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(of->creds.cap_effective >> (32 * i));
        data[i].permitted = (uint32_t)(of->creds.cap_permitted >> (32 * i));
        data[i].inheritable = (uint32_t)(of->creds.cap_inheritable >> (32 * i));
    }
    return task_write(t, arg[1], data, words * sizeof(data[0]));
}

int64_t sys_capset(struct task *t, const uint64_t arg[6])
{
    struct __user_cap_header_struct h;
    struct __user_cap_data_struct data[2];
    struct creds *c = &t->creds;
    size_t words = 0;
    int64_t error = read_cap_header(t, arg[0], &h, &words);
    if (error != 0)
        return error;
    if (h.pid != 0 && h.pid != t->tid)
        return -EPERM;
    memset(data, 0, sizeof(data));
    if (task_read(t, arg[1], data, words * sizeof(data[0])) != 0)
        return -EFAULT;
    uint64_t effective = data[0].effective | (uint64_t)data[1].effective << 32;
    uint64_t permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    uint64_t inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    uint64_t may_inherit = c->cap_inheritable | c->cap_permitted;
    if (creds_capable(c, CAP_SETPCAP))
        may_inherit |= c->cap_bounding;
    if ((permitted & ~c->cap_permitted) != 0 || (effective & ~permitted) != 0 ||
        (inheritable & ~may_inherit) != 0)
        return -EPERM;
    c->cap_effective = effective;
    c->cap_permitted = permitted;
    c->cap_inheritable = inheritable;
    return 0;
}
