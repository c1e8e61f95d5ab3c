/* Limits of a process that make themselves felt, and waits that would never end. */
#include "guest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static void limit(int resource, rlim_t soft, rlim_t hard)
{
    struct rlimit l = {soft, hard};
    SHOW(setrlimit(resource, &l));
}

static void join(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("child: SIG%s\n", sigabbrev_np(WTERMSIG(status)));
    else
        printf("child: %d\n", WEXITSTATUS(status));
}

static void on_signal(int signo)
{
    printf("SIG%s\n", sigabbrev_np(signo));
}

static void file_size(void)
{
    char path[] = "/tmp/guest-rlimits-XXXXXX";
    static char bytes[5000];
    int fd = mkstemp(path), ends[2];
    pipe(ends);
    if (fork() == 0) {
        limit(RLIMIT_FSIZE, 3000, RLIM_INFINITY);
        signal(SIGXFSZ, on_signal);
        SHOW(write(fd, bytes, 2000));
        SHOW(write(fd, bytes, 2000));
        SHOW(write(fd, bytes, 1));
        SHOW(pwrite(fd, bytes, 10, 2995));
        SHOW(pwrite(fd, bytes, 10, 3000));
        SHOW(pwrite(fd, bytes, 0, 4000));
        SHOW(ftruncate(fd, 3000));
        SHOW(ftruncate(fd, 3001));
        SHOW(truncate(path, 3001));
        SHOW(truncate(path, 100));
        SHOW(fallocate(fd, 0, 0, 4000));
        SHOW(write(ends[1], bytes, 5000));
        signal(SIGXFSZ, SIG_IGN);
        SHOW(pwrite(fd, bytes, 10, 3000));
        signal(SIGXFSZ, SIG_DFL);
        pwrite(fd, bytes, 10, 3000);
        _exit(1);
    }
    join(-1);
    unlink(path);
}

static volatile sig_atomic_t told;

static void on_processor(int signo)
{
    told = signo;
}

static void processor(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit l = {0, 50};
        signal(SIGXCPU, on_processor);
        setrlimit(RLIMIT_CPU, &l);
        while (!told)
            ;
        getrlimit(RLIMIT_CPU, &l);
        printf("told; again at %lu\n", (unsigned long)l.rlim_cur);
        l = (struct rlimit){0, 0};
        setrlimit(RLIMIT_CPU, &l);
        for (;;)
            ;
    }
    join(pid);
}

static void others(void)
{
    struct rlimit old, l = {100, 200};
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    SHOW(prlimit(pid, RLIMIT_NOFILE, &l, NULL));
    SHOW(prlimit(pid, RLIMIT_NOFILE, NULL, &old));
    printf("%lu %lu\n", (unsigned long)old.rlim_cur, (unsigned long)old.rlim_max);
    kill(pid, SIGKILL);
    join(pid);
    pid = fork();
    if (pid == 0) {
        limit(RLIMIT_NOFILE, 5, 5);
        int highest = 0, fd;
        while ((fd = dup(0)) >= 0)
            highest = fd;
        SHOW(highest);
        SHOW(dup2(0, 5));
        SHOW(fcntl(0, F_DUPFD, 5));
        SHOW(open("/", O_RDONLY));
        limit(RLIMIT_NOFILE, 6, 5);
        _exit(0);
    }
    join(pid);
}

static int lock(int fd, int start)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};
    return fcntl(fd, F_SETLKW, &l);
}

static void circles(void)
{
    char path[] = "/tmp/guest-rlimits-XXXXXX", byte;
    int fd = mkstemp(path), go[2];
    pipe(go);
    SHOW(lock(fd, 0));
    pid_t pid = fork();
    if (pid == 0) {
        lock(fd, 1);
        write(go[1], "x", 1);
        _exit(lock(fd, 0) == 0 ? 3 : 4);
    }
    read(go[0], &byte, 1);
    char file[32], stat[256] = "";
    snprintf(file, sizeof(file), "/proc/%d/stat", pid);
    for (char state = 0; state != 'S';) {
        usleep(5000);
        FILE *f = fopen(file, "r");
        fgets(stat, sizeof(stat), f);
        state = strrchr(stat, ')')[2];
        fclose(f);
    }
    SHOW(lock(fd, 1));
    SHOW(lock(fd, 5));
    struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    SHOW(fcntl(fd, F_SETLK, &all));
    join(pid);
    SHOW(lock(fd, 1));
    unlink(path);
}

static void timeouts(void)
{
    int ends[2];
    char byte;
    struct timeval tv = {-1, 0};
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    SHOW(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    TRY(recv(ends[0], &byte, 1, 0));
    tv = (struct timeval){0, -1};
    TRY(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    tv = (struct timeval){0, 10000};
    SHOW(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    TRY(recv(ends[0], &byte, 1, 0));
}

/* Who has too many processes forks no more; who becomes such a user executes nothing. */
static void processes(void)
{
    enum { NOBODYS = 54321 };
    int ends[2], ready[2];
    char byte = 0, *none[] = {NULL};
    pipe(ends);
    pipe(ready);
    pid_t other = fork();
    if (other == 0) {
        close(ends[1]);
        setuid(NOBODYS);
        write(ready[1], &byte, 1);
        read(ends[0], &byte, 1);
        _exit(0);
    }
    read(ready[0], &byte, 1);
    pid_t pid = fork();
    if (pid == 0) {
        limit(RLIMIT_NPROC, 1, 1);
        SHOW(setuid(NOBODYS)); /* one other: that is not more than one */
        SHOW(execve("/nothing", none, none));
        SHOW(fork());
        _exit(1);
    }
    join(pid);
    pid = fork();
    if (pid == 0) {
        limit(RLIMIT_NPROC, 0, 1);
        SHOW(setuid(NOBODYS));
        SHOW(execve("/nothing", none, none));
        limit(RLIMIT_NPROC, 1, 1);
        SHOW(execve("/nothing", none, none));
        close(ends[1]);
        _exit(2);
    }
    join(pid);
    pid = fork();
    if (pid == 0) {
        limit(RLIMIT_NPROC, 0, 5);
        SHOW(setresuid(NOBODYS, -1, -1));
        limit(RLIMIT_NPROC, 5, 5);
        SHOW(execve("/nothing", none, none)); /* not too many any more */
        _exit(3);
    }
    join(pid);
    close(ends[1]);
    join(other);
}

int main(void)
{
    setbuf(stdout, NULL);
    processes();
    file_size();
    processor();
    others();
    circles();
    timeouts();
    return 0;
}
