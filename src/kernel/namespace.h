/* Namespaces: names of the machine (UTS) and System V IPC, which a thread may have for itself, and mounts
 * (mount.h); of the other kinds there is the machine's own alone. /proc/PID/ns shows them, setns(2) enters
 * them. */
#ifndef KERNEL_NAMESPACE_H
#define KERNEL_NAMESPACE_H

#include "kernel/task.h"
#include "kernel/vfs.h"

struct file;

enum { NAMESPACES_MAX = 64 }; /* of a machine, made by visitors: -ENOSPC */

/* What nodename and domainname of uname(2) are. */
struct uts_names {
    unsigned refs;
    uint32_t number;
    char hostname_z[KERNEL_HOSTNAME_MAX + 1], domainname_z[KERNEL_HOSTNAME_MAX + 1];
};

/* The names that a task sees (NULL: the machine's own), to be read and written. */
char *namespace_hostname(struct kernel *k, struct task *t);
char *namespace_domainname(struct kernel *k, struct task *t);

/* New ones of the kinds in `flags` (CLONE_NEWUTS, CLONE_NEWIPC). 0, -ENOSPC, -ENOMEM. */
int namespace_unshare(struct task *t, uint64_t flags);
/* A number for a new one: none has it twice. */
uint32_t namespace_number(struct kernel *k);
/* A child or thread has its parent's; one that is over gives them back. */
void namespace_inherit(struct task *t, const struct task *parent);
void namespace_leave(struct task *t);

/* The text of /proc/PID/ns/NAME: "uts:[4026531838]"; -ENOENT. `t` may be NULL: a service. */
int64_t namespace_text(const struct task *t, const char *name_z, char *out, size_t size);
/* What opening it gives: a description that keeps it. 0, -ENOENT, -ENFILE, -ENOMEM. */
int namespace_open(struct vfs *vfs, const struct task *t, const char *name_z, struct file **out);
/* setns(2) with such a description; -EINVAL for another. */
int64_t namespace_enter(struct task *t, struct file *f, uint64_t type);

#endif
