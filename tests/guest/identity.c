/* Numbers, groups, sessions, users, limits, names, and other small calls. */
#include "guest.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>

static int in_child(int (*run)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(run());
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static int sessions(void)
{
    HOLDS(setsid() == getpid());
    HOLDS(getpgrp() == getpid() && getsid(0) == getpid());
    SHOW(setsid());
    SHOW(setpgid(0, 0));
    TRY(open("/dev/tty", O_RDWR));
    return 0;
}

static int groups(void)
{
    int ends[2];
    pipe(ends);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(ends[1]);
        read(ends[0], &byte, 1);
        _exit(0);
    }
    SHOW(setpgid(pid, pid));
    HOLDS(getpgid(pid) == pid);
    SHOW(setpgid(pid, getpgrp()));
    HOLDS(getpgid(pid) == getpgrp());
    SHOW(setpgid(pid, 999999));
    SHOW(setpgid(pid, -5));
    SHOW(setpgid(999999, 0));
    SHOW(getpgid(999999));
    SHOW(getsid(999999));
    SHOW(setpgid(getppid(), 0));
    close(ends[1]);
    wait(NULL);
    SHOW(kill(-999999, 0));
    SHOW(kill(999999, 0));
    return 0;
}

static int limits(void)
{
    struct rlimit r = {10, 20}, now;
    SHOW(setrlimit(RLIMIT_NOFILE, &r));
    SHOW(getrlimit(RLIMIT_NOFILE, &now));
    printf("%ld %ld\n", (long)now.rlim_cur, (long)now.rlim_max);
    int fd = -1, last;
    while ((last = dup(0)) >= 0)
        fd = last;
    printf("last descriptor %d, then %s\n", fd, strerrorname_np(errno));
    r = (struct rlimit){30, 20};
    SHOW(setrlimit(RLIMIT_NOFILE, &r));
    SHOW(getrlimit(99, &now));
    SHOW(setrlimit(RLIMIT_CORE, NULL));
    SHOW(prlimit(999999, RLIMIT_CORE, NULL, &now));
    return 0;
}

static int names(void)
{
    char name[16] = {0};
    struct utsname u;
    SHOW(prctl(PR_SET_NAME, "a-name-that-is-too-long"));
    SHOW(prctl(PR_GET_NAME, name));
    printf("%s\n", name);
    SHOW(prctl(PR_SET_PDEATHSIG, 99));
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(12345));
    SHOW(uname(&u));
    printf("%s\n", u.sysname);
    HOLDS(strcmp(u.machine, MACHINE) == 0);
    SHOW(uname((struct utsname *)8));
    struct sysinfo info;
    SHOW(sysinfo(&info));
    HOLDS(info.uptime > 0 && info.totalram > info.freeram && info.mem_unit >= 1);
    return 0;
}

static int scheduling(void)
{
    cpu_set_t set;
    struct sched_param p = {0};
    SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(setpriority(PRIO_PROCESS, 0, 5));
    SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(nice(3));
    SHOW(setpriority(PRIO_PROCESS, 0, 100));
    SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(getpriority(9, 0));
    SHOW(getpriority(PRIO_PROCESS, 999999));
    SHOW(sched_getscheduler(0));
    SHOW(sched_getparam(0, &p));
    SHOW(sched_get_priority_max(SCHED_FIFO));
    SHOW(sched_get_priority_min(SCHED_RR));
    SHOW(sched_get_priority_max(SCHED_OTHER));
    SHOW(sched_get_priority_max(77));
    SHOW(sched_yield());
    SHOW(sched_getaffinity(0, sizeof(set), &set));
    HOLDS(CPU_COUNT(&set) >= 1);
    return 0;
}

static int bytes(void)
{
    char a[64] = {0}, b[64] = {0};
    SHOW(getrandom(a, sizeof(a), 0));
    SHOW(getrandom(b, sizeof(b), GRND_NONBLOCK));
    HOLDS(memcmp(a, b, sizeof(a)) != 0);
    SHOW(getrandom(a, 1, 0x80));
    SHOW(getrandom((void *)8, 1, 0));
    SHOW(syscall(9999));
    return 0;
}

static int root_only(void)
{
    gid_t list[3] = {5, 6, 7}, back[3];
    uid_t r, e, s;
    TRY(setgroups(3, list));
    SHOW(getgroups(0, NULL));
    SHOW(getgroups(1, back));
    SHOW(getgroups(3, back));
    printf("%d %d %d\n", (int)back[0], (int)back[1], (int)back[2]);
    SHOW(setresgid(50, 51, 52));
    SHOW(setresuid(100, 101, 0));
    getresuid(&r, &e, &s);
    printf("%d %d %d\n", (int)r, (int)e, (int)s);
    SHOW(setgid(60));
    SHOW(seteuid(0));
    SHOW(setgid(60));
    getresgid(&r, &e, &s);
    printf("%d %d %d\n", (int)r, (int)e, (int)s);
    SHOW(setuid(1000));
    getresuid(&r, &e, &s);
    printf("%d %d %d\n", (int)r, (int)e, (int)s);
    SHOW(setuid(0));
    SHOW(setreuid(0, 0));
    SHOW(setgroups(0, NULL));
    SHOW(kill(getppid(), 0));
    SHOW(setpriority(PRIO_PROCESS, 0, -1));
    SHOW(sethostname("x", 1));
    return 0;
}

int main(void)
{
    setbuf(stdout, NULL);
    in_child(sessions);
    in_child(groups);
    in_child(limits);
    in_child(names);
    in_child(scheduling);
    in_child(bytes);
    if (getuid() == 0)
        in_child(root_only);
    HOLDS(getpid() > 1 && getppid() > 0);
    SHOW(nice(0));
    return 0;
}
