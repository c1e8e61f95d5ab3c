/* System calls by their numbers, those that programs seldom make or that libraries no longer make:
 * what they say to bad descriptors, bad pointers, bad flags, and to who may not. As nobody: a real
 * machine must not be changed. */
#include "guest.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { NOBODY = 65534 };

#define BAD_POINTER ((long)8)
#define NAME(text)  ((long)(text))

static char room[4096];
static int fd;

#define CALL(call, ...) TRY(syscall(SYS_##call, __VA_ARGS__))
/* A call that a kernel may be built without. */
#define FAILS(call, ...) HOLDS(syscall(SYS_##call, __VA_ARGS__) == -1)

static void files(void)
{
    CALL(open, NAME("file"), O_RDWR);
    CALL(open, BAD_POINTER, 0);
    CALL(creat, NAME("made"), 0600);
    CALL(creat, NAME("none/made"), 0600);
    CALL(stat, NAME("file"), room);
    CALL(stat, NAME("none"), room);
    CALL(lstat, NAME("file"), room);
    CALL(lstat, NAME("file"), BAD_POINTER);
    CALL(fstat, fd, room);
    CALL(fstat, 77, room);
    CALL(chown, NAME("file"), -1, -1);
    CALL(chown, NAME("file"), 0, 0);
    CALL(fchown, fd, -1, -1);
    CALL(fchown, 77, 0, 0);
    CALL(lchown, NAME("none"), -1, -1);
    CALL(fchownat, AT_FDCWD, NAME("file"), -1, -1, 0);
    CALL(fchownat, AT_FDCWD, NAME("file"), -1, -1, 99);
    CALL(fchmodat, AT_FDCWD, NAME("file"), 0600);
    CALL(fchmodat, 77, NAME("file"), 0600);
    CALL(faccessat, AT_FDCWD, NAME("file"), R_OK);
    CALL(faccessat, AT_FDCWD, NAME("file"), 99);
    CALL(mkdirat, AT_FDCWD, NAME("dir"), 0700);
    CALL(mkdirat, 77, NAME("dir"), 0700);
    CALL(mknod, NAME("device"), S_IFCHR | 0600, 0x103);
    CALL(mknod, NAME("fifo"), S_IFIFO | 0600, 0);
    CALL(readlinkat, AT_FDCWD, NAME("file"), room, 10);
    CALL(symlinkat, NAME("to"), AT_FDCWD, NAME("link"));
    CALL(symlinkat, NAME(""), AT_FDCWD, NAME("link2"));
    CALL(readlinkat, AT_FDCWD, NAME("link"), room, 10);
    CALL(readlinkat, AT_FDCWD, NAME("link"), room, 0);
    CALL(renameat, AT_FDCWD, NAME("made"), AT_FDCWD, NAME("dir/made"));
    CALL(renameat, 77, NAME("made"), AT_FDCWD, NAME("x"));
    CALL(utime, NAME("file"), 0);
    CALL(utime, NAME("none"), 0);
    CALL(utimes, NAME("file"), 0);
    CALL(utimes, NAME("file"), BAD_POINTER);
    CALL(futimesat, AT_FDCWD, NAME("file"), 0);
    CALL(futimesat, 77, NAME("file"), 0);
    CALL(fadvise64, fd, 0, 0, 0);
    CALL(fadvise64, fd, 0, 0, 99);
    CALL(fadvise64, 77, 0, 0, 0);
    CALL(readahead, fd, 0, 10);
    CALL(readahead, 77, 0, 10);
    CALL(sync, 0);
    CALL(syncfs, fd);
    CALL(syncfs, 77);
    CALL(openat2, AT_FDCWD, NAME("file"), room, 1);
    CALL(openat2, AT_FDCWD, NAME("file"), BAD_POINTER, 24);
    CALL(preadv2, fd, 0, 0, 0, 0, 0);
    CALL(preadv2, 77, 0, 0, 0, 0, 0);
    CALL(pwritev2, fd, 0, 0, 0, 0, 0);
    CALL(pwritev2, 77, 0, 0, 0, 0, 0);
    CALL(pipe, room);
    CALL(pipe, BAD_POINTER);
    CALL(eventfd, 0);
    CALL(signalfd, -1, BAD_POINTER, 8);
    CALL(signalfd, 77, room, 8);
    CALL(memfd_create, NAME("x"), 0);
    CALL(memfd_create, BAD_POINTER, 0);
    CALL(memfd_create, NAME("x"), 0x8000);
    CALL(select, 0, 0, 0, 0, &(struct timeval){0, 0});
    CALL(select, -1, 0, 0, 0, 0);
    CALL(epoll_pwait, 77, room, 1, 0, 0, 8);
    CALL(epoll_pwait2, 77, room, 1, 0, 0, 8);
}

static void memory_and_time(void)
{
    CALL(get_mempolicy, room, 0, 0, 0, 0);
    CALL(set_mempolicy, 0, 0, 0);
    CALL(set_mempolicy, 99, 0, 0);
    CALL(mincore, 1, 4096, room);
    CALL(mincore, 0x10000000, 4096, room);
    CALL(mlockall, 99);
    CALL(munlockall, 0);
    CALL(mlock2, 0x10000000, 4096, 0);
    CALL(mlock2, 0, 0, 99);
    CALL(pkey_alloc, 1, 0);
    CALL(pkey_mprotect, 0x1000, 0, 0, -1);
    CALL(pkey_mprotect, 0x1001, 1, 0, -1);
    CALL(membarrier, 0, 99, 0);
    CALL(membarrier, 1 << 30, 0, 0);
    CALL(nanosleep, &(struct timespec){0, 1}, 0);
    CALL(nanosleep, &(struct timespec){0, -1}, 0);
    CALL(clock_settime, CLOCK_REALTIME, &(struct timespec){1, 0});
    CALL(clock_settime, 99, &(struct timespec){1, 0});
    CALL(settimeofday, &(struct timeval){1, 0}, 0);
    CALL(settimeofday, BAD_POINTER, 0);
    CALL(adjtimex, BAD_POINTER);
    CALL(clock_adjtime, 0, BAD_POINTER);
}

static void processes(void)
{
    CALL(capget, BAD_POINTER, 0);
    CALL(capset, BAD_POINTER, 0);
    CALL(personality, -1);
    CALL(getcpu, room, room, 0);
    CALL(getcpu, BAD_POINTER, 0, 0);
    CALL(geteuid, 0);
    CALL(getgid, 0);
    CALL(setregid, -1, -1);
    CALL(setregid, 0, 0);
    CALL(setfsuid, -1);
    CALL(setfsgid, -1);
    CALL(getrlimit, 99, room);
    CALL(getrlimit, 7, room);
    CALL(setrlimit, 99, room);
    CALL(get_robust_list, 0, room, room);
    CALL(get_robust_list, 99999999, room, room);
    CALL(ioprio_get, 1, 0);
    CALL(ioprio_get, 9, 0);
    CALL(ioprio_set, 9, 0, 0);
    CALL(ioprio_set, 1, 0, 0x8000);
    CALL(sched_getattr, 0, room, 48, 0);
    CALL(sched_getattr, 0, room, 1, 0);
    CALL(sched_setattr, 0, 0, 0);
    CALL(sched_setattr, 0, BAD_POINTER, 0);
    CALL(sched_rr_get_interval, 0, room);
    CALL(sched_rr_get_interval, -1, room);
    CALL(sched_setaffinity, 0, 0, room + 64);
    CALL(sched_setaffinity, 99999999, 8, room);
    CALL(sched_setparam, 0, 0);
    CALL(sched_setparam, 0, &(int){0});
    CALL(sched_setscheduler, 0, SCHED_FIFO, &(int){1});
    CALL(sched_setscheduler, 0, 99, &(int){0});
    CALL(sched_setscheduler, 0, SCHED_OTHER, &(int){0});
    CALL(ptrace, 16, 99999999, 0, 0);
    CALL(tkill, -1, 0);
    CALL(tkill, 99999999, 0);
    CALL(rt_tgsigqueueinfo, -1, -1, 0, room);
    CALL(rt_tgsigqueueinfo, getpid(), getpid(), 0, BAD_POINTER);
    CALL(restart_syscall, 0);
    CALL(execveat, 77, NAME("x"), 0, 0, 0);
    CALL(execveat, AT_FDCWD, NAME("none"), 0, 0, 0);
    CALL(kcmp, getpid(), getpid(), 1, 0, 0);
    CALL(kcmp, getpid(), getpid(), 0, fd, 77);
    CALL(kcmp, getpid(), 99999999, 1, 0, 0);
    CALL(kcmp, getpid(), getpid(), 99, 0, 0);
    CALL(process_vm_readv, getpid(), 0, 0, 0, 0, 1);
    CALL(process_vm_readv, 99999999, room, 0, room, 0, 0);
    CALL(process_vm_writev, getpid(), 0, 0, 0, 0, 1);
    CALL(seccomp, 99, 0, 0);
    CALL(seccomp, 2, 0, &(int){0x7fff0000});
    CALL(seccomp, 2, 0, &(int){0x12340000});
}

static void others(void)
{
    static long there[2] = {1, 2};
    long got[2] = {0, 0}, near[2] = {(long)got, 16}, far[2] = {(long)there, 16};
    CALL(process_vm_readv, getpid(), near, 1, far, 1, 0);
    HOLDS(got[0] == 1 && got[1] == 2);
    there[0] = 5;
    CALL(process_vm_writev, getpid(), far, 1, near, 1, 0);
    HOLDS(there[0] == 1);
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    HOLDS(self >= 0);
    CALL(pidfd_open, -1, 0);
    CALL(pidfd_open, 99999999, 0);
    CALL(pidfd_open, getpid(), 99);
    CALL(pidfd_send_signal, self, 0, 0, 0);
    CALL(pidfd_send_signal, fd, 0, 0, 0);
    CALL(pidfd_send_signal, self, 0, 0, 99);
    CALL(pidfd_getfd, self, fd, 0);
    CALL(pidfd_getfd, self, 77, 0);
    CALL(pidfd_getfd, fd, 0, 0);
    CALL(pidfd_getfd, self, fd, 1);
    close(self);
    fflush(stdout);
    long child = syscall(SYS_fork);
    if (child == 0)
        _exit(3);
    siginfo_t info = {0};
    self = (int)syscall(SYS_pidfd_open, child, 0);
    TRY(waitid(P_PIDFD, self, &info, WEXITED));
    SHOW(info.si_status);
    CALL(pidfd_send_signal, self, 0, 0, 0);
    close(self);
}

/* What only the owner of a machine may do. */
static void forbidden(void)
{
    CALL(acct, NAME("file"));
    CALL(chroot, NAME("."));
    CALL(mount, 0, NAME("."), 0, 0, 0);
    CALL(umount2, NAME("."), 0);
    CALL(pivot_root, NAME("."), NAME("."));
    CALL(swapon, NAME("file"), 0);
    CALL(swapoff, NAME("file"));
    CALL(reboot, 1, 2, 3, 0);
    CALL(sethostname, NAME("x"), 1);
    CALL(setdomainname, NAME("x"), 1);
    FAILS(init_module, room, 1, NAME(""));
    FAILS(finit_module, fd, NAME(""), 0);
    FAILS(delete_module, NAME("x"), 0);
    FAILS(iopl, 3);
    FAILS(iopl, 9);
    FAILS(ioperm, 0, 1, 1);
    FAILS(add_key, BAD_POINTER, 0, 0, 0, 0);
    FAILS(request_key, BAD_POINTER, 0, 0, 0);
    FAILS(keyctl, 9999, 0, 0, 0, 0);
    FAILS(bpf, 0, 0, 0);
    FAILS(kexec_load, 0, 0, 0, 0);
    FAILS(kexec_file_load, -1, -1, 0, 0, 0);
    FAILS(perf_event_open, BAD_POINTER, 0, -1, -1, 0);
    FAILS(pkey_free, 77);
    FAILS(landlock_create_ruleset, BAD_POINTER, 99, 0);
    CALL(vhangup, 0);
    CALL(setns, 77, 0);
    CALL(unshare, 0);
    CALL(syslog, 3, room, 10);
    CALL(syslog, 99, 0, 0);
}

int main(void)
{
    char folder[] = "/tmp/guest-calls-XXXXXX";
    if (getuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
                          setresuid(NOBODY, NOBODY, NOBODY) != 0))
        return 1;
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return 1;
    fd = open("file", O_RDWR | O_CREAT, 0600);
    files();
    memory_and_time();
    processes();
    others();
    forbidden();
    unlink("dir/made");
    unlink("file");
    unlink("made");
    unlink("link");
    unlink("fifo");
    rmdir("dir");
    rmdir(folder);
    return 0;
}
