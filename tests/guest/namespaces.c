/* Namespaces of names and of System V IPC; what /proc/PID/ns shows. */
#include "guest.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

enum { KEY = 0x6c756e73 };

static const char *const kinds[] = {
    "cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children",
    "user",   "uts"};

static unsigned long number(const char *kind)
{
    char path[64], text[64] = "";
    unsigned long n = 0;
    snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
    ssize_t len = readlink(path, text, sizeof(text) - 1);
    char *bracket = len > 0 ? strchr(text, '[') : NULL;
    if (bracket != NULL)
        n = strtoul(bracket + 1, NULL, 10);
    return n;
}

static void names(void)
{
    char path[64], text[64];
    struct stat st;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
        memset(text, 0, sizeof(text));
        ssize_t len = readlink(path, text, sizeof(text) - 1);
        char *bracket = strchr(text, '[');
        printf("%s: %.*s%c, ", kinds[i], bracket != NULL ? (int)(bracket - text) : 0, text,
               len > 0 ? text[len - 1] : '?');
        HOLDS(stat(path, &st) == 0 && st.st_ino == number(kinds[i]) && S_ISREG(st.st_mode));
    }
}

static void join(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    printf("child: %d\n", WEXITSTATUS(status));
}

static void own_names(void)
{
    struct utsname before, after;
    char text[80] = "";
    uname(&before);
    int old = open("/proc/self/ns/uts", O_RDONLY);
    HOLDS(old >= 0);
    unsigned long first = number("uts");
    if (fork() == 0) {
        TRY(unshare(CLONE_NEWUTS));
        HOLDS(number("uts") != first);
        TRY(sethostname("elsewhere", 9));
        uname(&after);
        printf("%s\n", after.nodename);
        int fd = open("/proc/sys/kernel/hostname", O_RDONLY);
        read(fd, text, sizeof(text) - 1);
        printf("%s", text);
        if (fork() == 0) {
            HOLDS(number("uts") != first);
            TRY(setns(old, CLONE_NEWIPC));
            TRY(setns(old, CLONE_NEWUTS));
            HOLDS(number("uts") == first);
            uname(&after);
            HOLDS(strcmp(before.nodename, after.nodename) == 0);
            _exit(1);
        }
        join(-1);
        _exit(2);
    }
    join(-1);
    uname(&after);
    HOLDS(strcmp(before.nodename, after.nodename) == 0);
    TRY(setns(0, 0));
    TRY(setns(99, 0));
    int user = open("/proc/self/ns/user", O_RDONLY);
    TRY(setns(user, 0));
    int net = open("/proc/self/ns/net", O_RDONLY);
    TRY(setns(net, CLONE_NEWNET));
}

static char stack[65536];

static int in_own_ipc(void *outside)
{
    HOLDS(shmget(KEY, 0, 0) == -1);
    int id = shmget(KEY, 4096, IPC_CREAT | 0600);
    SHOW(id);
    HOLDS(number("ipc") != *(unsigned long *)outside);
    return 3;
}

static void own_ipc(void)
{
    unsigned long outside = number("ipc");
    shmctl(shmget(KEY, 0, 0), IPC_RMID, NULL);
    int id = shmget(KEY, 4096, IPC_CREAT | 0600);
    pid_t pid = clone(in_own_ipc, stack + sizeof(stack), CLONE_NEWIPC | SIGCHLD, &outside);
    HOLDS(pid > 0);
    join(pid);
    HOLDS(shmget(KEY, 0, 0) == id);
    shmctl(id, IPC_RMID, NULL);
}

/* A thread's own are not its process's. */
static void *alone(void *arg)
{
    struct utsname name;
    (void)arg;
    unsigned long before = number("ipc");
    TRY(unshare(CLONE_NEWUTS | CLONE_NEWIPC));
    TRY(sethostname("thread", 6));
    uname(&name);
    printf("%s\n", name.nodename);
    HOLDS(shmget(KEY, 0, 0) == -1);
    HOLDS(number("ipc") == before); /* the first thread's */
    return NULL;
}

static void thread(void)
{
    struct utsname before, after;
    pthread_t other;
    int id = shmget(KEY, 4096, IPC_CREAT | 0600);
    uname(&before);
    unsigned long uts = number("uts"), ipc = number("ipc");
    pthread_create(&other, NULL, alone, NULL);
    pthread_join(other, NULL);
    uname(&after);
    HOLDS(strcmp(before.nodename, after.nodename) == 0);
    HOLDS(number("uts") == uts && number("ipc") == ipc && shmget(KEY, 0, 0) == id);
    shmctl(id, IPC_RMID, NULL);
    TRY(clone(in_own_ipc, stack + sizeof(stack), CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, NULL));
}

static int in_same_context(void *fd)
{
    TRY(setns(*(int *)fd, CLONE_NEWNS));
    return 6;
}

static void mounts(void)
{
    char cwd[64];
    unsigned long outside = number("mnt");
    int old = open("/proc/self/ns/mnt", O_RDONLY);
    if (fork() == 0) {
        chdir("/tmp");
        SHOW(unshare(CLONE_NEWNS));
        HOLDS(number("mnt") != outside);
        printf("%s\n", getcwd(cwd, sizeof(cwd)));
        int own = open("/proc/self/ns/mnt", O_RDONLY);
        SHOW(setns(old, CLONE_NEWNS));
        HOLDS(number("mnt") == outside);
        printf("%s\n", getcwd(cwd, sizeof(cwd)));
        SHOW(setns(own, 0));
        HOLDS(number("mnt") != outside);
        clone(in_same_context, stack + sizeof(stack), CLONE_FS | SIGCHLD, &old);
        join(-1);
        _exit(7);
    }
    join(-1);
    HOLDS(number("mnt") == outside);
}

static void refused(void)
{
    TRY(unshare(0x10));
    if (fork() == 0) {
        setgid(12345);
        setuid(12345);
        TRY(unshare(CLONE_NEWUTS));
        TRY(unshare(CLONE_NEWIPC));
        TRY(sethostname("x", 1));
        _exit(4);
    }
    join(-1);
}

/* What a program does that looks for a debugger. */
static void traced(void)
{
    TRY(ptrace(PTRACE_TRACEME, 0, 0, 0));
    TRY(ptrace(PTRACE_TRACEME, 0, 0, 0));
}

int main(void)
{
    setbuf(stdout, NULL);
    names();
    own_names();
    own_ipc();
    thread();
    mounts();
    refused();
    if (fork() == 0) {
        traced();
        _exit(5);
    }
    join(-1);
    return 0;
}
