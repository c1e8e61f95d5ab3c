/* Programs for the tests of a kernel's bounds (tests/kernel/kernel_test.c): one letter says what. */
#include "guest.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>

enum { PAGE = 4096 };

static int children(void)
{
    int n = 0;
    pid_t pid;
    while ((pid = fork()) > 0)
        n++;
    if (pid == 0) {
        pause();
        _exit(0);
    }
    printf("%d children, then %s\n", n, strerrorname_np(errno));
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(NULL) > 0)
        ;
    return 0;
}

static int memory(void)
{
    for (int n = 0;; n++) {
        char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            printf("mmap: %s\n", strerrorname_np(errno));
            return 0;
        }
        *p = 1;
    }
}

static int files(void)
{
    int n = 0;
    while (open("/", O_RDONLY) >= 0)
        n++;
    printf("%d files, then %s\n", n, strerrorname_np(errno));
    return 0;
}

static int disk(void)
{
    static char bytes[65536];
    long total = 0, n;
    int fd = open("/tmp/big", O_WRONLY | O_CREAT, 0600);
    while ((n = write(fd, bytes, sizeof(bytes))) > 0)
        total += n;
    printf("%ld bytes, then %s\n", total, strerrorname_np(errno));
    return 0;
}

static int attributes(void)
{
    static char value[4000];
    char name[32];
    int n = 0, result = 0;
    for (; result == 0; n++) {
        snprintf(name, sizeof(name), "/tmp/a%d", n);
        close(open(name, O_CREAT | O_WRONLY, 0600));
        result = setxattr(name, "user.a", value, sizeof(value), 0);
    }
    printf("%d attributes, then %s\n", n - 1, strerrorname_np(errno));
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "/tmp/a%d", i);
        i % 2 == 0 ? removexattr(name, "user.a") : unlink(name);
    }
    SHOW(setxattr("/tmp/a0", "user.a", value, sizeof(value), 0));
    return 0;
}

static int names(void)
{
    char name[32];
    int n = 0;
    do
        snprintf(name, sizeof(name), "/tmp/d%d", n++);
    while (mkdir(name, 0700) == 0);
    printf("%d names, then %s\n", n - 1, strerrorname_np(errno));
    return 0;
}

static int prints(void)
{
    for (int i = 0; i < 100000; i++)
        printf("%07d\n", i);
    return 0;
}

static int executes(void)
{
    for (int i = 0; i < 50; i++)
        if (fork() == 0)
            execl("/bin/guest-limits", "x", "q", (char *)NULL);
    while (wait(NULL) > 0)
        ;
    return 0;
}

static int spins(void)
{
    volatile long i = 0;
    while (i >= 0)
        i++;
    return 1;
}

/* Counts until a byte comes. */
static int counts(void)
{
    char byte;
    long n = 0;
    fcntl(0, F_SETFL, O_NONBLOCK);
    while (read(0, &byte, 1) != 1)
        n++;
    printf("%ld\n", n);
    return 0;
}

static int copies(void)
{
    char bytes[1000];
    long n;
    while ((n = read(0, bytes, sizeof(bytes))) > 0)
        write(1, bytes, (size_t)n);
    printf("end %ld\n", n);
    return 5;
}

static int sleeps(void)
{
    usleep(5000000);
    printf("slept\n");
    return 0;
}

/* Each epoll watches the next one twice: as many ways as there are numbers. */
static int watches(void)
{
    struct epoll_event event = {.events = EPOLLIN}, out;
    int n = 0, from = epoll_create1(0), first = from;
    while (n++ < 60) {
        int to = epoll_create1(0);
        epoll_ctl(from, EPOLL_CTL_ADD, to, &event);
        epoll_ctl(from, EPOLL_CTL_ADD, dup(to), &event);
        from = to;
    }
    printf("%d ready\n", epoll_wait(first, &out, 1, 0));
    return 0;
}

/* Fills sockets with what nobody reads. */
static int queues(void)
{
    static char bytes[65536];
    long total = 0, n = 0;
    int pair[2];
    errno = EAGAIN;
    while (errno == EAGAIN && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0)
        while ((n = write(pair[0], bytes, sizeof(bytes))) > 0)
            total += n;
    printf("%ld bytes, then %s\n", total, strerrorname_np(errno));
    return 0;
}

/* Two wait for a lock that a third has: neither may wake the other. */
static int locks(void)
{
    int fd = open("/tmp/lock", O_RDWR | O_CREAT, 0600);
    flock(fd, LOCK_EX);
    for (int i = 0; i < 2; i++)
        if (fork() == 0)
            _exit(flock(open("/tmp/lock", O_RDWR), LOCK_EX));
    printf("ready\n");
    pause();
    return 0;
}

/* Moves much by one call. */
static int moves(void)
{
    int in = open("/dev/zero", O_RDONLY), out = open("/dev/null", O_WRONLY);
    int file = open("/tmp/sparse", O_RDWR | O_CREAT, 0600);
    size_t size = 16 << 20;
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec iov[64];
    for (size_t i = 0; i < sizeof(iov) / sizeof(iov[0]); i++)
        iov[i] = (struct iovec){bytes, size};
    printf("ready\n");
    ftruncate(file, 1 << 30);
    printf("%zd\n", readv(in, iov, 64));
    printf("%zd\n", writev(out, iov, 64));
    printf("%zd\n", sendfile(out, in, NULL, 1 << 30));
    printf("%zd\n", sendfile(out, file, NULL, 1 << 30));
    printf("%zd\n", pread(file, bytes, size, 4096));
    return 0;
}

/* The namespaces of System V IPC have one room for their messages; each child keeps its own. */
static int messages(void)
{
    static struct {
        long type;
        char bytes[8192];
    } message = {.type = 1};
    int total = 0;
    for (int round = 0; round < 4; round++) {
        unshare(CLONE_NEWIPC);
        for (int q = 0; q < 200; q++) {
            int id = msgget(IPC_PRIVATE, 0600);
            while (msgsnd(id, &message, sizeof(message.bytes), IPC_NOWAIT) == 0)
                total++;
        }
        if (fork() == 0) {
            pause();
            _exit(0);
        }
    }
    printf("%s\n", total > 100 && total < 256 ? "one room" : "more than one");
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    return 0;
}

/* A range that goes from a file with a great hole. */
static int shifts(void)
{
    int fd = open("/tmp/hole", O_CREAT | O_RDWR, 0600);
    ftruncate(fd, (off_t)1 << 40);
    errno = 0;
    fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE);
    printf("collapse: %s\n", strerrorname_np(errno));
    return 0;
}

int main(int argc, char **argv)
{
    setbuf(stdout, NULL);
    switch (argc > 1 ? argv[1][0] : '?') {
    case 'p': return children();
    case 'm': return memory();
    case 'f': return files();
    case 'd': return disk();
    case 'a': return attributes();
    case 'n': return names();
    case 'o': return prints();
    case 'e': return executes();
    case 's': return spins();
    case 'c': return counts();
    case 'i': return copies();
    case 'z': return sleeps();
    case 'w': return watches();
    case 'l': return locks();
    case 'k': return queues();
    case 'v': return moves();
    case 'g': return messages();
    case 'h': return shifts();
    case 'q': return 0;
    default: return 2;
    }
}
