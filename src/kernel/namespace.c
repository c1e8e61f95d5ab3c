#include "kernel/namespace.h"

#include "kernel/fs.h"
#include "kernel/ipc.h"
#include "kernel/mount.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NSFS_MINOR = 4 };

/* What drivers and services have comes before. */
static const uint32_t first_made = 0xf00000b0;

static const struct kind_row {
    const char *name_z, *type_z;
    uint64_t flag;
    uint32_t number; /* of the machine's own (linux/proc_ns.h) */
} kinds[] = {
    {"cgroup", "cgroup", CLONE_NEWCGROUP, 0xeffffffb},
    {"ipc", "ipc", CLONE_NEWIPC, 0xefffffff},
    {"mnt", "mnt", CLONE_NEWNS, 0xf0000001},
    {"net", "net", CLONE_NEWNET, 0xf0000000},
    {"pid", "pid", CLONE_NEWPID, 0xeffffffc},
    {"pid_for_children", "pid", CLONE_NEWPID, 0xeffffffc},
    {"time", "time", CLONE_NEWTIME, 0xeffffffa},
    {"time_for_children", "time", CLONE_NEWTIME, 0xeffffffa},
    {"user", "user", CLONE_NEWUSER, 0xeffffffd},
    {"uts", "uts", CLONE_NEWUTS, 0xeffffffe},
};

/* An open one. */
struct entrance {
    const struct kind_row *kind;
    uint32_t number;
    struct uts_names *uts; /* held; NULL: the machine's */
    struct ipc *ipc;
    struct mount_space *mounts;
};

static const struct kind_row *kind_named(const char *name_z)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].name_z, name_z) == 0)
            return &kinds[i];
    return NULL;
}

char *namespace_hostname(struct kernel *k, struct task *t)
{
    return t != NULL && t->uts != NULL ? t->uts->hostname_z : k->hostname_z;
}

char *namespace_domainname(struct kernel *k, struct task *t)
{
    return t != NULL && t->uts != NULL ? t->uts->domainname_z : k->domainname_z;
}

/* ---- Holding ---- */

static struct uts_names *uts_hold(struct uts_names *uts)
{
    if (uts != NULL)
        uts->refs++;
    return uts;
}

static void uts_drop(struct kernel *k, struct uts_names *uts)
{
    if (uts == NULL || --uts->refs > 0)
        return;
    k->namespaces--;
    free(uts);
}

void namespace_inherit(struct task *t, const struct task *parent)
{
    t->uts = uts_hold(parent->uts);
    t->ipc = ipc_hold(parent->ipc);
}

void namespace_leave(struct task *t)
{
    uts_drop(t->kernel, t->uts);
    ipc_drop(t->kernel, t->ipc);
    t->uts = NULL;
    t->ipc = NULL;
}

/* ---- Making ---- */

uint32_t namespace_number(struct kernel *k)
{
    return first_made + k->namespace_numbers++;
}

static int unshare_uts(struct task *t)
{
    struct kernel *k = t->kernel;
    struct uts_names *own = malloc(sizeof(*own));
    if (own == NULL)
        return -ENOMEM;
    *own = (struct uts_names){.refs = 1, .number = namespace_number(k)};
    memcpy(own->hostname_z, namespace_hostname(k, t), sizeof(own->hostname_z));
    memcpy(own->domainname_z, namespace_domainname(k, t), sizeof(own->domainname_z));
    k->namespaces++;
    uts_drop(k, t->uts);
    t->uts = own;
    return 0;
}

/* What a thread asked to be undone is its process's, which may have others. */
static void set_ipc(struct task *t, struct ipc *ipc)
{
    if (t->process->threads == 1)
        sem_exit(t->process);
    ipc_drop(t->kernel, t->ipc);
    t->ipc = ipc;
}

static int unshare_ipc(struct task *t)
{
    struct ipc *own = ipc_new(t->kernel, namespace_number(t->kernel));
    if (own == NULL)
        return -ENOMEM;
    t->kernel->namespaces++;
    set_ipc(t, own);
    return 0;
}

int namespace_unshare(struct task *t, uint64_t flags)
{
    unsigned wanted = ((flags & CLONE_NEWUTS) != 0) + ((flags & CLONE_NEWIPC) != 0);
    if (wanted == 0)
        return 0;
    if (t->kernel->namespaces + wanted > NAMESPACES_MAX)
        return -ENOSPC;
    int error = (flags & CLONE_NEWUTS) != 0 ? unshare_uts(t) : 0;
    if (error == 0 && (flags & CLONE_NEWIPC) != 0)
        error = unshare_ipc(t);
    return error;
}

/* ---- Showing ---- */

static uint32_t number_of(const struct task *t, const struct kind_row *kind)
{
    uint32_t number = 0;
    if (t == NULL)
        return kind->number;
    if (kind->flag == CLONE_NEWUTS && t->uts != NULL)
        number = t->uts->number;
    else if (kind->flag == CLONE_NEWIPC && t->ipc != NULL)
        number = ipc_number(t->ipc);
    else if (kind->flag == CLONE_NEWNS && t->fs != NULL)
        number = mount_space_number(t->fs->space);
    return number != 0 ? number : kind->number;
}

int64_t namespace_text(const struct task *t, const char *name_z, char *out, size_t size)
{
    const struct kind_row *kind = kind_named(name_z);
    return kind != NULL ? snprintf(out, size, "%s:[%u]", kind->type_z, number_of(t, kind))
                        : -ENOENT;
}

static int entrance_stat(struct file *f, struct file_stat *out)
{
    const struct entrance *e = f->object;
    *out = (struct file_stat){.dev = FS_DEV(0, NSFS_MINOR),
                              .ino = e->number,
                              .mode = S_IFREG | 0444,
                              .nlink = 1,
                              .blksize = 4096};
    return 0;
}

static void entrance_close(struct file *f)
{
    struct entrance *e = f->object;
    uts_drop(f->vfs->kernel, e->uts);
    ipc_drop(f->vfs->kernel, e->ipc);
    mount_space_drop(f->vfs, e->mounts);
    free(e);
}

static int entrance_reopen(struct file *f, uint32_t flags, struct file **out)
{
    if ((flags & O_ACCMODE) != O_RDONLY)
        return -EPERM;
    *out = file_hold(f);
    return 0;
}

static int64_t entrance_ioctl(struct file *f, struct task *t, uint32_t command, uint64_t arg);

static const struct file_ops entrance_ops = {.stat = entrance_stat,
                                             .reopen = entrance_reopen,
                                             .ioctl = entrance_ioctl,
                                             .close = entrance_close};

int namespace_open(struct vfs *vfs, const struct task *t, const char *name_z, struct file **out)
{
    const struct kind_row *kind = kind_named(name_z);
    int error = 0;
    if (kind == NULL)
        return -ENOENT;
    struct entrance *e = calloc(1, sizeof(*e));
    if (e == NULL)
        return -ENOMEM;
    *e = (struct entrance){.kind = kind, .number = number_of(t, kind)};
    if (t != NULL && kind->flag == CLONE_NEWUTS)
        e->uts = uts_hold(t->uts);
    if (t != NULL && kind->flag == CLONE_NEWIPC)
        e->ipc = ipc_hold(t->ipc);
    if (kind->flag == CLONE_NEWNS)
        e->mounts = mount_space_hold(t != NULL && t->fs != NULL ? t->fs->space : vfs->space);
    *out = file_new(vfs, &entrance_ops, e, O_RDONLY, &error);
    if (*out == NULL)
        return error;
    (*out)->kind_z = kind->type_z;
    return 0;
}

/* ioctl_ns(2): all belong to the machine's own users; nothing is above what is the machine's own. */
static int64_t entrance_ioctl(struct file *f, struct task *t, uint32_t command, uint64_t arg)
{
    const struct entrance *e = f->object;
    struct file *owner = NULL;
    bool is_user = e->kind->flag == CLONE_NEWUSER;
    int error = 0;
    switch (command) {
    case NS_GET_NSTYPE: return (int64_t)e->kind->flag;
    case NS_GET_OWNER_UID: return is_user ? task_write_u32(t, arg, 0) : -EINVAL;
    case NS_GET_PARENT: return is_user || e->kind->flag == CLONE_NEWPID ? -EPERM : -EINVAL;
    case NS_GET_USERNS:
        if (is_user)
            return -EPERM;
        error = namespace_open(f->vfs, NULL, "user", &owner);
        return error != 0 ? error : sys_install(t, owner, true);
    default: return -ENOTTY;
    }
}

/* ---- Entering ---- */

int64_t namespace_enter(struct task *t, struct file *f, uint64_t type)
{
    const struct entrance *e = f->object;
    if (f->ops != &entrance_ops || (type != 0 && type != e->kind->flag))
        return -EINVAL;
    if (e->kind->flag == CLONE_NEWUSER) /* one's own cannot be entered again */
        return -EINVAL;
    if (!creds_capable(&t->creds, CAP_SYS_ADMIN))
        return -EPERM;
    if (e->kind->flag == CLONE_NEWUTS) {
        struct uts_names *uts = uts_hold(e->uts);
        uts_drop(t->kernel, t->uts);
        t->uts = uts;
    } else if (e->kind->flag == CLONE_NEWIPC) {
        set_ipc(t, ipc_hold(e->ipc));
    } else if (e->kind->flag == CLONE_NEWNS) {
        return mounts_enter(t, e->mounts);
    }
    return 0;
}
