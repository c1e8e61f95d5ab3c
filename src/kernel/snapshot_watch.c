/* What a start asks of the kernel, and which of it a snapshot may have behind it: calls that change
 * nothing but the program itself, and whose answers are the same for a clone, or inputs. */
#include "kernel/snapshot_lesson.h"

#include "kernel/abi.h"
#include "kernel/fdtable.h"
#include "kernel/fs.h"
#include "kernel/syscalls.h"

#include "cpu/x86.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

enum {
    OWN_BITS = 64, /* descriptors that may be a start's own */
};

/* What is asked of the arguments. */
enum demand {
    NOTHING,
    SPAWNED,      /* the answer depends on how it was started: known for kernel_spawn alone */
    OWN_FILE,     /* argument 0 is a descriptor that the start has opened */
    CLOSE,        /* the same */
    STARTERS,     /* a starter's descriptor: SPAWNED */
    DESCRIPTOR,   /* fcntl that changes nothing */
    MAPPING,      /* mmap */
    NAME,         /* argument 0 is a name that is looked up */
    NAME_AT,      /* argument 1; argument 0 says from where */
    LINK,         /* as NAME, a link is not followed */
    LINK_AT,      /* as NAME_AT */
    STAT_AT,      /* newfstatat */
    NOT_THERE,    /* as NAME, and there is nothing */
    OPEN,         /* open */
    OPEN_AT,      /* openat */
    CLOCK,        /* clock_gettime */
    TIME_OF_DAY,  /* gettimeofday, time */
    RANDOM,       /* getrandom */
    READ_LIMIT,   /* prlimit64 that changes nothing */
    WAKE,         /* futex */
    STREAM,       /* socket */
    NAME_SERVICE, /* connect: to a socket that is not there */
};

static const struct {
    uint16_t number;
    uint8_t demand;
} known[] = {
    {SYS_read, OWN_FILE},
    {SYS_pread64, OWN_FILE},
    {SYS_lseek, OWN_FILE},
    {SYS_close, CLOSE},
    {SYS_fstat, OWN_FILE},
    {SYS_mmap, MAPPING},
    {SYS_munmap, NOTHING},
    {SYS_mprotect, NOTHING},
    {SYS_madvise, NOTHING},
    {SYS_brk, NOTHING},
    {SYS_getdents64, OWN_FILE},
    {SYS_open, OPEN},
    {SYS_openat, OPEN_AT},
    {SYS_stat, NAME},
    {SYS_lstat, LINK},
    {SYS_newfstatat, STAT_AT},
    {SYS_statfs, NOT_THERE},
    {SYS_access, NAME},
    {SYS_faccessat, NAME_AT},
    {SYS_faccessat2, NAME_AT},
    {SYS_readlink, LINK},
    {SYS_readlinkat, LINK_AT},
    {SYS_arch_prctl, NOTHING},
    {SYS_set_tid_address, NOTHING},
    {SYS_set_robust_list, NOTHING},
    {SYS_rseq, NOTHING},
    {SYS_uname, NOTHING},
    {SYS_sysinfo, NOTHING},
    {SYS_getuid, NOTHING},
    {SYS_geteuid, NOTHING},
    {SYS_getgid, NOTHING},
    {SYS_getegid, NOTHING},
    {SYS_getgroups, NOTHING},
    {SYS_prlimit64, READ_LIMIT},
    {SYS_getrlimit, NOTHING},
    {SYS_futex, WAKE},
    {SYS_gettimeofday, TIME_OF_DAY},
    {SYS_time, TIME_OF_DAY},
    {SYS_clock_gettime, CLOCK},
    {SYS_getrandom, RANDOM},
    {SYS_socket, STREAM},
    {SYS_connect, NAME_SERVICE},
    {SYS_rt_sigaction, SPAWNED},
    {SYS_rt_sigprocmask, SPAWNED},
    {SYS_getpid, SPAWNED},
    {SYS_getppid, SPAWNED},
    {SYS_getpgrp, SPAWNED},
    {SYS_getcwd, NOTHING},
    {SYS_ioctl, STARTERS},
    {SYS_fcntl, DESCRIPTOR},
};

/* ---- Notes ---- */

static bool is_in(uint64_t set, uint64_t fd)
{
    return fd < OWN_BITS && (set >> fd & 1) != 0;
}

static bool is_own(const struct lesson_watch *w, uint64_t fd)
{
    return is_in(w->own, fd);
}

static bool is_spawned(const struct lesson_watch *w)
{
    return w->run->starter != SNAPSHOT_BY_PROGRAM;
}

static int64_t result_of(struct task *t)
{
    return (int64_t)x86_state(x86_from_cpu(t->cpu))->reg[X86_RAX];
}

/* What a good call has opened. */
static bool note_opened(struct task *t, uint64_t *set)
{
    int64_t fd = result_of(t);
    if (fd >= OWN_BITS)
        return false;
    const struct file *file = fd >= 0 ? fd_table_find(t->files, fd) : NULL;
    if (file != NULL && vfs_is_watched(file))
        return false; /* it is to be told each time */
    if (fd >= 0)
        *set |= UINT64_C(1) << fd;
    return true;
}

static int note_check(struct lesson_watch *w, const char *path_z, bool follow)
{
    if (w->check_count == SNAPSHOT_CHECKS_MAX)
        return -E2BIG;
    if (w->checks == NULL)
        w->checks = calloc(SNAPSHOT_CHECKS_MAX, sizeof(*w->checks));
    char *copy = kernel_copy_z(span_z(path_z));
    if (w->checks == NULL || copy == NULL) {
        free(copy);
        return -ENOMEM;
    }
    struct snapshot_check *check = &w->checks[w->check_count++];
    *check = (struct snapshot_check){.path_z = copy, .follow = follow};
    snapshot_look(w->run->task, check);
    return 0;
}

static bool begins(const char *path_z, const char *with_z)
{
    return strncmp(path_z, with_z, strlen(with_z)) == 0;
}

/* A name whose meaning is the image's. What is below /proc and the like is the process's, but for what
 * libselinux asks in so many programs: there is no SELinux. */
static bool note_name(struct lesson_watch *w, uint64_t addr, bool follow)
{
    static const char *const moving[] = {"/proc", "/sys", "/dev"};
    static const char *const fixed[] = {"/proc/filesystems", "/sys/fs/selinux"};
    char path_z[VFS_PATH_MAX];
    if (task_read_z(w->run->task, addr, path_z, sizeof(path_z)) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (strcmp(path_z, fixed[i]) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(moving); i++)
        if (begins(path_z, moving[i]))
            return false;
    /* From the current directory, which a clone has as well; it may be changed all the same. */
    return note_check(w, path_z, follow) == 0;
}

static bool note_refusal(struct lesson_watch *w, uint64_t number)
{
    for (unsigned i = 0; i < w->refusal_count; i++)
        if (w->refusals[i] == number)
            return true;
    if (w->refusal_count == SNAPSHOT_REFUSALS)
        return false;
    w->refusals[w->refusal_count++] = number;
    return true;
}

static bool opens_for_reading(uint64_t flags)
{
    return (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) == O_RDONLY;
}

/* /dev/tty may be opened for both: on pipes it is not there, and on a terminal it is that. */
static bool note_open(struct lesson_watch *w, struct task *t, uint64_t path, uint64_t flags)
{
    char path_z[VFS_PATH_MAX];
    if (task_read_z(t, path, path_z, sizeof(path_z)) < 0)
        return false;
    if (strcmp(path_z, "/dev/tty") == 0)
        return is_spawned(w) && note_opened(t, &w->terminals);
    return opens_for_reading(flags) && note_name(w, path, (flags & O_NOFOLLOW) == 0) &&
           note_opened(t, &w->own);
}

static bool note_closed(struct lesson_watch *w, uint64_t fd)
{
    if (!is_own(w, fd) && !is_in(w->terminals, fd))
        return false;
    w->own &= ~(UINT64_C(1) << fd);
    w->terminals &= ~(UINT64_C(1) << fd);
    return true;
}

/* Questions to a terminal, which is set as the one of whom it is learned for. */
static bool only_asks(const struct lesson_watch *w, const uint64_t *arg)
{
    if (!is_spawned(w) || is_own(w, arg[0]))
        return false;
    return w->run->starter == SNAPSHOT_ON_PIPES || arg[1] == TCGETS || arg[1] == TIOCGWINSZ ||
           arg[1] == TIOCGPGRP;
}

/* The name service's cache: there is none. */
static bool note_connect(struct lesson_watch *w, const struct task *t)
{
    struct sockaddr_un addr = {.sun_family = AF_UNSPEC};
    size_t len = t->call_arg[2] < sizeof(addr) ? (size_t)t->call_arg[2] : sizeof(addr);
    if (!is_own(w, t->call_arg[0]) ||
        cpu_space_read(t->mm->space, t->call_arg[1], &addr, len) != 0 ||
        addr.sun_family != AF_UNIX || memchr(addr.sun_path, 0, sizeof(addr.sun_path)) == NULL ||
        addr.sun_path[0] != '/')
        return false;
    if (note_check(w, addr.sun_path, true) != 0)
        return false;
    return w->checks[w->check_count - 1].error == -ENOENT;
}

static bool is_cwd(uint64_t fd)
{
    return (int32_t)fd == AT_FDCWD;
}

static bool note_stat_at(struct lesson_watch *w, const struct task *t)
{
    uint64_t flags = t->call_arg[3];
    if ((flags & AT_EMPTY_PATH) != 0 && is_own(w, t->call_arg[0]))
        return true;
    return is_cwd(t->call_arg[0]) &&
           note_name(w, t->call_arg[1], (flags & AT_SYMLINK_NOFOLLOW) == 0);
}

/* True when a snapshot may have this call, just made, behind it. */
static bool is_good(struct lesson_watch *w, struct task *t, enum demand demand)
{
    const uint64_t *arg = t->call_arg;
    switch (demand) {
    case NOTHING: return true;
    case SPAWNED: return is_spawned(w);
    case OWN_FILE: return is_own(w, arg[0]);
    case CLOSE: return note_closed(w, arg[0]);
    case STARTERS: return only_asks(w, arg);
    case DESCRIPTOR:
        return result_of(t) == -EBADF ||
               (is_spawned(w) && (arg[1] == F_GETFD || arg[1] == F_GETFL));
    case MAPPING: return (int32_t)arg[4] < 0 || is_own(w, arg[4]);
    case NAME: return note_name(w, arg[0], true);
    case NAME_AT: return is_cwd(arg[0]) && note_name(w, arg[1], true);
    case LINK: return note_name(w, arg[0], false);
    case LINK_AT: return is_cwd(arg[0]) && note_name(w, arg[1], false);
    case STAT_AT: return note_stat_at(w, t);
    case NOT_THERE: return result_of(t) == -ENOENT && note_name(w, arg[0], true);
    case OPEN: return note_open(w, t, arg[0], arg[1]);
    case OPEN_AT: return is_cwd(arg[0]) && note_open(w, t, arg[1], arg[2]);
    case CLOCK: return arg[0] == CLOCK_REALTIME;
    case TIME_OF_DAY: return true;
    case RANDOM: return arg[1] == sizeof(uint64_t);
    case READ_LIMIT: return arg[0] == 0 && arg[2] == 0;
    case WAKE: return (arg[1] & FUTEX_CMD_MASK) == FUTEX_WAKE;
    case STREAM: return arg[0] == AF_UNIX && note_opened(t, &w->own);
    case NAME_SERVICE: return note_connect(w, t);
    }
    return false;
}

static bool is_known(struct lesson_watch *w, struct task *t)
{
    if (abi_is_foreign(t->call_abi))
        return false;
    if (syscall_find(t->call_number) == NULL)
        return note_refusal(w, t->call_number);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].number == t->call_number)
            return is_good(w, t, (enum demand)known[i].demand);
    return false;
}

/* Times, random numbers, children: what no comparison could guess. */
static bool note_inputs(struct lesson_watch *w, struct task *t)
{
    unsigned times = w->seen.times;
    if (!snapshot_see(t, &w->run->inputs, &w->seen))
        return false;
    if (w->seen.times > times) {
        w->time_ns[times] = t->kernel->now_ns;
        w->time_in_us[times] = t->call_number != SYS_clock_gettime;
    }
    return true;
}

/* kernel.pause: true when the run is over, or stands where it is wanted. */
static bool on_call(struct task *t)
{
    struct lesson_watch *w = t->kernel->pauser;
    const bool goes_on = w->run->starter == SNAPSHOT_ON_TERMINAL;
    if (t != w->run->task)
        return !goes_on;
    if (w->count == SNAPSHOT_CALLS_MAX || t->cpu->ops != &x86_64_ops)
        return true;
    bool good = note_inputs(w, t) && is_known(w, t);
    if (!good && !goes_on)
        return true;
    if (!good)
        w->own = w->terminals = 0;
    w->calls[w->count++] = (struct lesson_call){.number = t->call_number,
                                                .instructions = t->user_instructions,
                                                .good = good,
                                                .closed = (w->own | w->terminals) == 0};
    return w->count == w->target;
}

void lesson_watch_mark(struct lesson_watch *w)
{
    const struct kernel *k = w->run->kernel;
    w->mark = (struct lesson_mark){.now_ns = k->now_ns,
                                   .user_instructions = w->run->task->user_instructions,
                                   .instructions = k->instructions,
                                   .objects = k->vfs->next_object,
                                   .checks = w->check_count,
                                   .refusals = w->refusal_count,
                                   .seen = w->seen};
}

void lesson_watch_begin(struct lesson_watch *w, struct lesson_run *run, size_t target)
{
    lesson_watch_fini(w);
    w->run = run;
    w->target = target;
    w->calls = calloc(SNAPSHOT_CALLS_MAX, sizeof(*w->calls));
    lesson_watch_mark(w);
    run->kernel->pause = on_call;
    run->kernel->pauser = w;
    /* Without memory for the notes the run is over before it begins. */
    run->kernel->paused = w->calls == NULL;
}

void lesson_watch_go_on(struct lesson_watch *w, size_t target)
{
    w->target = target;
    w->run->kernel->paused = false;
}

void lesson_watch_fini(struct lesson_watch *w)
{
    for (size_t i = 0; i < w->check_count; i++)
        free(w->checks[i].path_z);
    free(w->checks);
    free(w->calls);
    memset(w, 0, sizeof(*w));
}
