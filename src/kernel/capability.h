/* Capabilities, as capabilities(7) has them: what changes of user IDs, execve and prctl do to the
 * sets of a task's credentials. */
#ifndef KERNEL_CAPABILITY_H
#define KERNEL_CAPABILITY_H

#include "kernel/task.h"

struct file;

#define CAPABILITY_ALL ((UINT64_C(1) << 41) - 1) /* CAP_LAST_CAP is 40 */

/* The user IDs have changed from those in `old`. */
void capability_on_uids(struct creds *c, const struct creds *old);
/* The file system's user ID alone has. */
void capability_on_fsuid(struct creds *c, const struct creds *old);

/* What a program file brings: its security.capability. */
struct capability_file {
    bool there, effective;
    uint64_t permitted, inheritable;
};
int capability_parse(struct span value, struct capability_file *out); /* 0 or -EINVAL */
/* Reads it. 0, -EINVAL (what is there is damaged), -ENOMEM. Not there: all zeros. */
int capability_of_file(struct file *f, struct capability_file *out);
/* The sets after execve of a program; c->euid and c->egid are already those of the new program,
 * `setid` says that they differ from the old real ones. *secure: AT_SECURE. 0 or -EPERM. */
int capability_exec(struct creds *c, const struct capability_file *file, bool setid,
                    bool no_new_privs, bool *secure);

/* The commands of prctl(2) about capabilities; -ENOSYS for another one. */
int64_t capability_prctl(struct task *t, const uint64_t arg[6]);

#endif
