/* Calls that make a kernel work long, for the tests of its bounds (tests/kernel/kernel_test.c): one
 * word says which. Each does one such thing a few times; what is answered does not matter. How long the
 * longest took the host: guest-run -s -l 1000 IMAGE /bin/guest-stalls WORD. */
#include "guest.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

enum { PAGE = 4096, MIB = 1024 * 1024, AREAS = 8000, CHILDREN = 240, NAMES = 8000 };

#define GIB (1024UL * MIB)

static char *reserve(size_t len)
{
    char *p = MAP_FAILED;
    for (; p == MAP_FAILED && len > GIB; len -= GIB)
        p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p;
}

static int big_file(const char *name, size_t mib)
{
    static char bytes[MIB];
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    memset(bytes, 'x', sizeof(bytes));
    for (size_t i = 0; i < mib; i++)
        (void)write(fd, bytes, sizeof(bytes));
    return fd;
}

static void do_reserve(void)
{
    for (int i = 0; i < 3; i++)
        munmap(reserve(31 * GIB), 31 * GIB);
}

static void do_protect(void)
{
    char *p = reserve(31 * GIB);
    mprotect(p, 30 * GIB, PROT_READ);
    mprotect(p, 29 * GIB, PROT_NONE);
}

static void do_remap(void)
{
    char *p = reserve(12 * GIB);
    p = mremap(p, 11 * GIB, 11 * GIB + PAGE, MREMAP_MAYMOVE);
    char *to = reserve(13 * GIB);
    mremap(p, 10 * GIB, 10 * GIB, MREMAP_MAYMOVE | MREMAP_FIXED, to + 3 * PAGE);
}

static void do_discard(void)
{
    char *p = reserve(31 * GIB);
    for (int i = 0; i < 3; i++)
        madvise(p, 30 * GIB, MADV_DONTNEED);
}

static void do_mincore(void)
{
    char *p = reserve(31 * GIB);
    char *out = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mincore(p, 30 * GIB, (void *)out);
    mlock(p, 30 * GIB);
}

static void do_fork(void)
{
    reserve(31 * GIB);
    for (int i = 0; i < 3; i++)
        if (fork() == 0)
            _exit(0);
    while (wait(NULL) > 0)
        ;
}

static void do_copy(void)
{
    int fd = big_file("/tmp/big", 60);
    for (int i = 0; i < 3; i++)
        munmap(mmap(NULL, 60 * MIB, PROT_READ, MAP_PRIVATE, fd, 0), 60 * MIB);
}

static void do_shared(void)
{
    int fd = big_file("/tmp/big", 50);
    char *p = mmap(NULL, 50 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (int i = 0; i < 50; i++)
        p[i * MIB] = 'y';
    msync(p, 50 * MIB, MS_SYNC);
    munmap(p, 50 * MIB);
}

static void do_shared_exit(void)
{
    int fd = big_file("/tmp/big", 50);
    char *p = mmap(NULL, 50 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    p[0] = 'y';
}

static void make_areas(void)
{
    char *p = mmap(NULL, (size_t)AREAS * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < AREAS; i += 2)
        mprotect(p + (size_t)i * PAGE, PAGE, PROT_READ | PROT_WRITE);
}

static void read_all(const char *name)
{
    static char bytes[MIB];
    int fd = open(name, O_RDONLY);
    while (read(fd, bytes, sizeof(bytes)) > 0)
        ;
    close(fd);
}

static void do_proc(void)
{
    static const char *const names[] = {"/proc/self/statm", "/proc/self/status",
                                        "/proc/self/stat",  "/proc/self/maps",
                                        "/proc/self/smaps", "/proc/self/smaps_rollup"};
    make_areas();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        read_all(names[i]);
}

static void do_proc_bytes(void)
{
    char byte;
    make_areas();
    int fd = open("/proc/self/smaps", O_RDONLY);
    for (int i = 0; i < 20; i++)
        (void)pread(fd, &byte, 1, 400000);
}

static void do_links(void)
{
    static char path[4096];
    char name[32], last[32] = "/tmp";
    for (int i = 0; i < 39; i++) {
        size_t n = 0;
        memcpy(path, last, strlen(last) + 1);
        n = strlen(path);
        while (n < 4000)
            n += (size_t)snprintf(path + n, sizeof(path) - n, "/.");
        snprintf(name, sizeof(name), "/tmp/l%d", i);
        symlink(path, name);
        memcpy(last, name, sizeof(last));
    }
    struct stat st;
    for (int i = 0; i < 5; i++)
        stat(last, &st);
}

static void do_kill(void)
{
    int n = 0;
    signal(SIGUSR1, SIG_IGN);
    while (n < CHILDREN && fork() > 0)
        n++;
    if (n < CHILDREN) {
        pause();
        _exit(0);
    }
    for (int i = 0; i < 5; i++) {
        kill(0, SIGUSR1);
        kill(-1, SIGUSR1);
        kill(-1, 0);
    }
    setpriority(PRIO_USER, 0, 1);
    kill(-1, SIGKILL);
}

static void do_backward(void)
{
    int fd = open("/tmp/back", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (long at = 60L * MIB; at > 0; at -= 4096 * 64)
        (void)pwrite(fd, "x", 1, at);
    ftruncate(fd, 0);
    for (long at = 1; at < 60L * MIB; at *= 2)
        (void)pwrite(fd, "x", 1, at);
    ftruncate(fd, 1);
    ftruncate(fd, 60L * MIB);
    fallocate(fd, 0, 0, 60L * MIB);
}

static void do_names(void)
{
    char name[64];
    static char bytes[65536];
    mkdir("/tmp/many", 0700);
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "/tmp/many/%d", i);
        close(open(name, O_WRONLY | O_CREAT, 0600));
    }
    int fd = open("/tmp/many", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 3; i++) {
        lseek(fd, 0, SEEK_SET);
        while (syscall(217 /* getdents64 */, fd, bytes, sizeof(bytes)) > 0)
            ;
    }
    lseek(fd, 0, SEEK_SET);
    while (syscall(217, fd, bytes, 64) > 0)
        ;
}

static void do_deep(void)
{
    static char name[201];
    static char cwd[4096];
    memset(name, 'd', 200);
    chdir("/tmp");
    for (int i = 0; i < 1000; i++) {
        mkdir(name, 0700);
        chdir(name);
        getcwd(cwd, sizeof(cwd));
    }
    rename("/tmp/dddd", "/tmp/x");
}

static void do_arguments(void)
{
    enum { COUNT = 40 };
    static char *argv[COUNT + 3];
    char *big = malloc(120 * 1024);
    memset(big, 'a', 120 * 1024 - 1);
    big[120 * 1024 - 1] = 0;
    argv[0] = "stalls";
    argv[1] = "nothing";
    for (int i = 0; i < COUNT; i++)
        argv[i + 2] = big;
    execv("/proc/self/exe", argv);
}

static void do_poll(void)
{
    enum { COUNT = 4000 };
    static struct pollfd fds[COUNT];
    int at = eventfd(0, 0);
    for (int i = 0; i < COUNT; i++)
        fds[i] = (struct pollfd){.fd = at, .events = POLLIN};
    for (int i = 0; i < 20; i++)
        poll(fds, COUNT, 0);
}

static void do_transfer(void)
{
    static char bytes[16 * MIB];
    int fd = open("/tmp/big", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 3; i++) {
        pwrite(fd, bytes, sizeof(bytes), 0);
        pread(fd, bytes, sizeof(bytes), 0);
    }
    read(open("/dev/zero", O_RDONLY), bytes, sizeof(bytes));
    syscall(318 /* getrandom */, bytes, sizeof(bytes), 0);
}

static void do_timers(void)
{
    timer_t timer;
    struct itimerspec every = {{0, 1}, {0, 1}};
    struct itimerval fast = {{0, 1}, {0, 1}}, huge = {{INT64_MAX / 2, 999999}, {INT64_MAX / 2, 0}};
    struct itimerspec most = {{INT64_MAX, 999999999}, {INT64_MAX, 999999999}};
    signal(SIGALRM, SIG_IGN);
    for (int i = 0; i < 200; i++)
        if (timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0) {
            timer_settime(timer, 0, &most, NULL);
            timer_settime(timer, TIMER_ABSTIME, &most, NULL);
            timer_settime(timer, 0, &every, NULL);
        }
    setitimer(ITIMER_REAL, &huge, NULL);
    setitimer(ITIMER_REAL, &fast, NULL);
    for (volatile int i = 0; i < 3000000; i++)
        ;
}

static void do_areas(void)
{
    make_areas();
    for (int i = 0; i < 20; i++) {
        if (fork() == 0)
            _exit(0);
        while (wait(NULL) > 0)
            ;
    }
}

static void do_nothing(void)
{
}

/* How long the kernel's list of the AF_UNIX sockets is, without its end. */
static long list_sockets(int fd)
{
    static char bytes[65536];
    struct {
        struct nlmsghdr head;
        struct unix_diag_req body;
    } request = {.head = {.nlmsg_len = sizeof(request),
                          .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                          .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .body = {.sdiag_family = AF_UNIX,
                          .udiag_states = UINT32_MAX,
                          .udiag_show = UDIAG_SHOW_NAME}};
    long all = 0, n;
    send(fd, &request, sizeof(request), 0);
    while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        all += n;
    return all - NLMSG_LENGTH(sizeof(int));
}

/* A socket that makes the list so much longer (48 to 152 bytes). */
static void listed(long bytes)
{
    static int number;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path + 1, &(int){++number}, sizeof(number));
    bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name,
         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes - 44));
}

/* The list fills an answer so that less and less of its end has room behind it. */
static void do_list(void)
{
    enum { ANSWER = 131072, EACH = 148 };
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
    long left = ANSWER - 16 - list_sockets(fd);
    for (; left >= 4 * EACH; left -= EACH)
        listed(EACH);
    for (; left > 2 * EACH; left -= 100)
        listed(100);
    listed(left / 8 * 4);
    listed(left - left / 8 * 4);
    list_sockets(fd);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"nothing", do_nothing},  {"reserve", do_reserve},   {"protect", do_protect},
    {"remap", do_remap},      {"discard", do_discard},   {"mincore", do_mincore},
    {"fork", do_fork},        {"copy", do_copy},         {"shared", do_shared},
    {"exit", do_shared_exit}, {"proc", do_proc},         {"bytes", do_proc_bytes},
    {"links", do_links},      {"kill", do_kill},         {"backward", do_backward},
    {"names", do_names},      {"deep", do_deep},         {"arguments", do_arguments},
    {"poll", do_poll},        {"transfer", do_transfer}, {"timers", do_timers},
    {"areas", do_areas},      {"list", do_list},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (argc > 1 && strcmp(argv[1], cases[i].name) == 0)
            cases[i].run();
    return 0;
}
