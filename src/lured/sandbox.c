#include "lured/sandbox.h"

#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BOTH, RECORDER };

static const struct {
    int number;
    int who;
} ALLOWED[] = {
#define ALLOW(name, who) {SCMP_SYS(name), who},
#include "lured/sandbox.def"
#undef ALLOW
};

static int change_root(const struct sandbox *s)
{
    if (s->empty_root < 0)
        return 0;
    if (fchdir(s->empty_root) < 0 || chroot(".") < 0)
        return -errno;
    (void)close(s->empty_root);
    return 0;
}

static int change_user(const struct sandbox *s)
{
    if (!s->drop)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(s->gid, s->gid, s->gid) < 0 ||
        setresuid(s->uid, s->uid, s->uid) < 0)
        return -errno;
    return 0;
}

static int set_limits(const struct sandbox *s)
{
    const struct rlimit none = {0, 0};
    (void)s;
    if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0)
        return -errno;
    return 0;
}

static int set_flags(const struct sandbox *s)
{
    (void)s;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return -errno;
    return 0;
}

/* All rights over files that this kernel's Landlock knows: none is given, but the recorder's below
 * its directory (landlock(7)). */
static int restrict_files(const struct sandbox *s)
{
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return 0;
    /* LANDLOCK_ACCESS_FS_* are bits 0 to 12; the second version added 13 (refer), the third 14
     * (truncate). The header of the build may know fewer. */
    uint64_t rights = (UINT64_C(1) << (abi >= 3 ? 15 : abi == 2 ? 14 : 13)) - 1;
    struct landlock_ruleset_attr attr = {.handled_access_fs = rights};
    long set = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
    if (set < 0)
        return -errno;
    int error = 0;
    for (size_t i = 0; i < s->folder_count && error == 0; i++) {
        /* No program, device, socket, pipe or link is made there. */
        struct landlock_path_beneath_attr beneath = {
            .allowed_access =
                rights & ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM),
            .parent_fd = s->folders[i]};
        if (syscall(SYS_landlock_add_rule, (int)set, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
            error = -errno;
    }
    if (error == 0 && syscall(SYS_landlock_restrict_self, (int)set, 0) < 0)
        error = -errno;
    (void)close((int)set);
    return error;
}

/* What is asked of an open descriptor: not who gets a signal of it (F_SETOWN, F_SETSIG), nor how large a
 * pipe is. */
static int add_fcntl(scmp_filter_ctx filter)
{
    static const int commands[] = {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC};
    int error = 0;
    for (size_t i = 0; i < ARRAY_LEN(commands) && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                                 SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i]));
    return error;
}

static int add_rules(scmp_filter_ctx filter, enum sandbox_role role)
{
    int error = 0;
    for (size_t i = 0; i < ARRAY_LEN(ALLOWED) && error == 0; i++)
        if (ALLOWED[i].who == BOTH || role == SANDBOX_RECORDER)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, ALLOWED[i].number, 0);
    if (error == 0)
        error = add_fcntl(filter);
    /* Memory may never become code. */
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    /* What is sent goes where a socket is connected to already: MSG_FASTOPEN would connect one that
     * has listened and was shut down. */
    if (error == 0)
        error =
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 2,
                             SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0), SCMP_A4(SCMP_CMP_EQ, 0));
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
    /* fstat(2), as the C library asks for it. */
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                                 SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH));
    /* For abort(): a signal to itself. */
    if (error == 0)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    return error;
}

static int restrict_calls(const struct sandbox *s)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return -ENOMEM;
    int error = add_rules(filter, s->role);
    if (error == 0)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return error;
}

/* Each needs what the next takes away. */
static const struct {
    const char *name_z;
    int (*take)(const struct sandbox *s);
} STEPS[] = {
    {"change the root directory", change_root},
    {"change the user", change_user},
    {"set limits", set_limits},
    {"give up new privileges", set_flags},
    {"restrict files", restrict_files},
    {"restrict system calls", restrict_calls},
};

int sandbox_enter(const struct sandbox *sandbox, const char **step_z)
{
    for (size_t i = 0; i < ARRAY_LEN(STEPS); i++) {
        int error = STEPS[i].take(sandbox);
        *step_z = STEPS[i].name_z;
        if (error < 0)
            return error;
    }
    return 0;
}
