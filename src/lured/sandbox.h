/* Rights that a process gives up for good, right after its start: another user, an empty root,
 * no new privileges, no core, no children, no file but those it may (Landlock), and of the system
 * calls those in sandbox.def alone (seccomp). Works without root too: then the user and the root
 * stay as they are, and the rest holds all the same. */
#ifndef LURED_SANDBOX_H
#define LURED_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum sandbox_role {
    SANDBOX_SENSOR,   /* no file at all */
    SANDBOX_RECORDER, /* files below `folders` */
};

#define SANDBOX_FOLDERS_MAX 4

struct sandbox {
    enum sandbox_role role;
    int folders[SANDBOX_FOLDERS_MAX]; /* the recorder's; open */
    size_t folder_count;
    bool drop; /* become `uid` and `gid`; only root can */
    uid_t uid;
    gid_t gid;
    int empty_root; /* an empty directory to make the root, closed after; -1: leave it (only root can) */
};

/* From here on there is no way back. 0, or -errno and in *step_z what failed: then the process has
 * to end. Landlock is left out on a kernel that does not have it; nothing else is. */
int sandbox_enter(const struct sandbox *sandbox, const char **step_z);

#endif
