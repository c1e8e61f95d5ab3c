/* A child is made as vfork(2) does it, for the price of no copied page tables: it runs in the parent's
 * memory, on a stack of its own, while the parent's thread waits for its exec. So it can say what
 * failed by a store. What it calls must not touch anything of the parent's: system calls only, and
 * those for ids by number, as the library's versions would change the parent's threads too. */
#include "reel/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK_BYTES = 256 * 1024, SIGNALS_END = 65 };

/* The sanitizer's marks on a stack that is never unwound would stay. */
#define CHILD __attribute__((no_sanitize("address")))

struct birth {
    const struct spawn *spawn;
    pid_t parent;
    struct spawn_fd fds[REEL_CHILD_FDS_MAX];
    volatile int error; /* by the child; 0: exec succeeded */
};

CHILD static int failed(void)
{
    return errno ? errno : EINVAL;
}

/* Handlers are gone with exec anyway; what is ignored would stay so. */
CHILD static void reset_signals(void)
{
    struct sigaction standard;
    memset(&standard, 0, sizeof(standard));
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < SIGNALS_END; number++)
        sigaction(number, &standard, NULL); /* some cannot be changed */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

CHILD static void mark_close_on_exec(void)
{
    if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    struct rlimit limit = {.rlim_cur = 1024};
    getrlimit(RLIMIT_NOFILE, &limit);
    int end = limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
    for (int fd = 3; fd < end; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* First all sources move out of the way of all targets; then each goes to its place. */
CHILD static int place_fds(struct birth *birth)
{
    const struct spawn *spawn = birth->spawn;
    int top = 3;
    for (size_t i = 0; i < spawn->fd_count; i++)
        top = spawn->fds[i].number >= top ? spawn->fds[i].number + 1 : top;
    for (size_t i = 0; i < spawn->fd_count; i++) {
        birth->fds[i] = spawn->fds[i];
        if (birth->fds[i].fd < top)
            birth->fds[i].fd = fcntl(spawn->fds[i].fd, F_DUPFD_CLOEXEC, top);
        if (birth->fds[i].fd < 0)
            return failed();
    }
    mark_close_on_exec();
    for (size_t i = 0; i < spawn->fd_count; i++)
        if (dup2(birth->fds[i].fd, birth->fds[i].number) < 0)
            return failed();
    return 0;
}

CHILD static int place_session(const struct spawn *spawn)
{
    const struct reel_process_options *options = spawn->options;
    if ((options->new_session || spawn->terminal) && setsid() < 0)
        return failed();
    if (options->new_group && !options->new_session && !spawn->terminal && setpgid(0, 0) < 0)
        return failed();
    if (spawn->terminal && ioctl(0, TIOCSCTTY, 0) < 0)
        return failed();
    return 0;
}

CHILD static int set_ids(const struct reel_process_options *options)
{
    if (!options->set_ids)
        return 0;
    if (syscall(SYS_setgroups, 0, NULL) < 0 ||
        syscall(SYS_setresgid, options->gid, options->gid, options->gid) < 0 ||
        syscall(SYS_setresuid, options->uid, options->uid, options->uid) < 0)
        return failed();
    return 0;
}

/* After the ids: changing them takes it away. The parent may be dead already. */
CHILD static int set_death_signal(const struct birth *birth)
{
    int number = birth->spawn->options->death_signal;
    if (!number)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, number) < 0)
        return failed();
    return getppid() == birth->parent ? 0 : ESRCH;
}

CHILD static int prepare(struct birth *birth)
{
    const struct spawn *spawn = birth->spawn;
    reset_signals();
    int error = place_fds(birth);
    if (error == 0)
        error = place_session(spawn);
    if (error == 0)
        error = set_ids(spawn->options);
    if (error == 0 && spawn->options->directory_z && chdir(spawn->options->directory_z) < 0)
        error = failed();
    return error ? error : set_death_signal(birth);
}

CHILD static int child(void *argument)
{
    struct birth *birth = argument;
    const struct spawn *spawn = birth->spawn;
    int error = prepare(birth);
    if (error == 0) {
        execvpe(spawn->options->file_z, (char *const *)spawn->arguments,
                (char *const *)spawn->environment);
        error = failed();
    }
    birth->error = error;
    _exit(127);
}

static int make_child(struct birth *birth, uint8_t *stack, pid_t *pid)
{
    sigset_t all, before;
    sigfillset(&all);
    int cancel = 0;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of ours may run in the child */
    *pid = clone(child, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, birth);
    int err = *pid < 0 ? -errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_setcancelstate(cancel, NULL);
    return err;
}

int reel_spawn(const struct spawn *spawn, pid_t *pid)
{
    struct birth birth = {.spawn = spawn, .parent = getpid()};
    uint8_t *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return -errno;
    int err = make_child(&birth, stack, pid);
    munmap(stack, STACK_BYTES);
    if (err == 0 && birth.error) {
        while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        err = -birth.error;
    }
    return err;
}
