/* Programs that want to hold the machine up or to use more than their share, for the tests of its bounds
 * (tests/kernel/bounds_test.c): one word says which. They go on until they are ended. */
#include "guest.h"

#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PAGE = 4096, MIB = 1024 * 1024, DEPTH = 1500, CHILDREN = 200 };

static uint8_t *code_page(size_t pages)
{
    return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
}

#if defined(__x86_64__)
/* A long block of which one instruction runs: the rest is decoded each time that it was written to. */
static void do_rewrite(void)
{
    static const uint8_t loop[] = {
        0xc6, 0x47, 0x40, 0x90, /* again: mov byte [rdi + 64], nop */
        0x80, 0x47, 0x41, 0,    /* add byte [rdi + 65], 0 */
        0xeb, 0x38,             /* jmp rdi + 66 */
    };
    uint8_t *code = code_page(2);
    memset(code, 0x90, 2 * PAGE);
    memcpy(code, loop, sizeof(loop));
    memcpy(code + 66, "\x73\xbc", 2); /* jnc again; behind it 64 more */
    ((void (*)(void *))(uintptr_t)code)(code);
}

/* A page full of blocks, thrown out by one byte. */
static void do_pages(void)
{
    enum { BLOCKS = 1000 };
    uint8_t *code = code_page(2);
    for (;;) {
        for (int i = 0; i < BLOCKS; i++)
            memcpy(code + i * 4, "\x90\x90\xc3\x90", 4);
        for (int i = 0; i < BLOCKS; i++)
            ((void (*)(void))(uintptr_t)(code + i * 4))();
    }
}

/* The same where many processes have pages that the writer might share. */
static void do_crowd(void)
{
    for (int i = 0; i < CHILDREN && fork() > 0; i++)
        ;
    if (getppid() != 1 && getpid() % 7 != 0)
        pause();
    do_rewrite();
}
#else
static void do_rewrite(void)
{
}
static void do_pages(void)
{
}
static void do_crowd(void)
{
}
#endif

/* Code that may be written and run in turns. */
static void do_flip(void)
{
    uint8_t *code = code_page(1);
    for (;;) {
        mprotect(code, PAGE, PROT_READ | PROT_WRITE);
        memset(code, 0xc3, PAGE);
        mprotect(code, PAGE, PROT_READ | PROT_EXEC);
#if defined(__x86_64__)
        ((void (*)(void))(uintptr_t)code)();
#endif
    }
}

static void do_forks(void)
{
    for (;;)
        fork();
}

static void do_vforks(void)
{
    for (;;)
        if (vfork() == 0)
            execl("/proc/self/exe", "hostile", "vforks", NULL);
}

/* Whoever takes the last page is ended; another one begins. */
static void do_memory(void)
{
    while (fork() > 0)
        wait(NULL);
    for (;;) {
        char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t i = 0; p != MAP_FAILED && i < MIB; i += PAGE)
            p[i] = 1;
    }
}

static void do_giants(void)
{
    for (size_t len = 1UL << 46;; len = len > PAGE ? len / 2 : 1UL << 46) {
        char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p != MAP_FAILED) {
            p[len / 2] = 1;
            mremap(p, len, len / 2, MREMAP_MAYMOVE);
        }
    }
}

static void do_descriptors(void)
{
    int pair[2];
    for (;;) {
        (void)!pipe(pair);
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        epoll_create1(0);
        open("/proc/self/maps", O_RDONLY);
        fork();
    }
}

static void on_signal(int signo)
{
    (void)signo;
}

static void do_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};
    for (int i = 1; i < 65; i++)
        sigaction(i, &action, NULL);
    for (int i = 0; i < 6; i++)
        fork();
    for (int i = 1;; i = i % 64 + 1) {
        union sigval value = {.sival_int = i};
        kill(0, i == SIGKILL || i == SIGSTOP ? SIGUSR1 : i);
        sigqueue(getppid() > 1 ? getppid() : getpid(), SIGRTMIN + i % 8, value);
    }
}

static void do_execs(void)
{
    execl("/proc/self/exe", "hostile", "execs", NULL);
}

static int recurse(volatile int *depth)
{
    volatile char frame[256];
    frame[0] = (char)++*depth;
    if (*depth < 0)
        return 0;
    return recurse(depth) + frame[0];
}

/* Without an end; the stack's fault is handled on another one, by going on. */
static void on_fault(int signo)
{
    (void)signo;
    volatile int depth = 0;
    recurse(&depth);
}

static void do_recursion(void)
{
    static char other[65536];
    stack_t stack = {.ss_sp = other, .ss_size = sizeof(other)};
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER};
    volatile int depth = 0;
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    while (fork() > 0)
        wait(NULL);
    recurse(&depth);
}

static void do_proc(void)
{
    static const char *const names[] = {"maps",    "smaps",     "status", "stat",
                                        "environ", "mountinfo", "limits"};
    static char bytes[65536];
    char path[64];
    for (int i = 0; i < 6; i++)
        fork();
    for (int pid = 1;; pid = pid % 5000 + 1) {
        snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[pid % 7]);
        int fd = open(path, O_RDONLY);
        while (fd >= 0 && read(fd, bytes, sizeof(bytes)) > 0)
            ;
        close(fd);
    }
}

/* Links that lead through each other, forty at a time. */
static void do_maze(void)
{
    char to[4000] = "", name[32];
    struct stat st;
    chdir("/tmp");
    for (int i = 0; i < 900; i++)
        memcpy(to + i * 4, "./m/", 5);
    symlink(".", "m");
    for (int i = 0;; i = (i + 1) % 40) {
        snprintf(name, sizeof(name), "n%d", i);
        memcpy(to + 3600, name, strlen(name) + 1);
        snprintf(name, sizeof(name), "n%d", (i + 1) % 40);
        symlink(to, name);
        stat(name, &st);
        rename(name, to);
    }
}

static void do_folders(void)
{
    chdir("/tmp");
    for (int i = 0; i < DEPTH; i++) {
        mkdir("d", 0700);
        chdir("d");
    }
    for (;;) {
        char cwd[4096];
        struct stat st;
        getcwd(cwd, sizeof(cwd));
        stat("../../../../../../../../../..", &st);
        rename("/tmp/d", "e");
        (void)!chdir("..");
        mkdir("f", 0700);
        rmdir("f");
    }
}

static void do_watches(void)
{
    int fd[100];
    chdir("/tmp");
    for (int i = 0; i < 100; i++) {
        fd[i] = inotify_init1(IN_NONBLOCK);
        inotify_add_watch(fd[i], "/tmp", IN_ALL_EVENTS);
    }
    for (int i = 0;; i++) {
        char name[32];
        snprintf(name, sizeof(name), "w%d", i % 1000);
        close(open(name, O_WRONLY | O_CREAT, 0600));
        rename(name, "moved");
        unlink("moved");
    }
}

/* Bytes go round, and each end is asked for whether it is ready. */
static void do_rings(void)
{
    enum { RING = 100 };
    static struct pollfd ends[2 * RING];
    static char bytes[65536];
    int pair[RING][2];
    for (int i = 0; i < RING; i++) {
        (void)!pipe2(pair[i], O_NONBLOCK);
        (void)!write(pair[i][1], bytes, sizeof(bytes));
        ends[2 * i] = (struct pollfd){pair[i][0], POLLIN, 0};
        ends[2 * i + 1] = (struct pollfd){pair[i][1], POLLOUT, 0};
    }
    for (int i = 0;; i = (i + 1) % RING) {
        long n = read(pair[i][0], bytes, sizeof(bytes));
        if (n > 0)
            (void)!write(pair[(i + 1) % RING][1], bytes, (size_t)n);
        poll(ends, 2 * RING, 0);
        splice(pair[i][0], NULL, pair[(i + 7) % RING][1], NULL, sizeof(bytes), SPLICE_F_NONBLOCK);
    }
}

static void *be_a_thread(void *start)
{
    sched_yield();
    if (start != NULL)
        pthread_exit(start);
    _exit(0);
}

/* Threads that end while others end the process, execute and fork. */
static void do_threads(void)
{
    for (;;) {
        pthread_t thread[20];
        if (fork() > 0) {
            wait(NULL);
            continue;
        }
        for (int i = 0; i < 20; i++)
            pthread_create(&thread[i], NULL, be_a_thread, i == 15 ? NULL : &thread[i]);
        if (getpid() % 3 == 0)
            execl("/proc/self/exe", "hostile", "nothing", NULL);
        pthread_join(thread[0], NULL);
        fork();
    }
}

static void do_files(void)
{
    static char bytes[MIB];
    for (int i = 0;; i++) {
        char name[32];
        snprintf(name, sizeof(name), "/tmp/x%d", i);
        int fd = open(name, O_RDWR | O_CREAT, 0600);
        if (fd < 0)
            fd = open("/tmp/x1", O_RDWR);
        ftruncate(fd, 1L << 40);
        pwrite(fd, bytes, sizeof(bytes), 1L << 30);
        fallocate(fd, 0, 0, 1L << 36);
        close(fd);
    }
}

static void do_sockets(void)
{
    static char bytes[65536];
    for (;;) {
        int pair[2], more[2];
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) != 0 ||
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, more) != 0) {
            for (int i = 3; i < 500; i++)
                close(i);
            continue;
        }
        while (send(pair[0], bytes, sizeof(bytes), 0) > 0 ||
               send(more[0], bytes, sizeof(bytes), 0) > 0)
            ;
    }
}

static void *sleep_on(void *none)
{
    for (;;)
        pause();
    return none;
}

/* A file that many threads have mapped and that is cut and grows again. */
static void do_cuts(void)
{
    const off_t len = (off_t)40 * MIB;
    int fd = open("/tmp/cut", O_CREAT | O_RDWR, 0600);
    pthread_t thread;
    ftruncate(fd, len);
    volatile char *shown = mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (int i = 0; i < 100; i++)
        pthread_create(&thread, NULL, sleep_on, NULL);
    for (;;) {
        shown[0] = shown[len - 1] = 1;
        ftruncate(fd, 0);
        ftruncate(fd, len);
    }
}

/* Queues that are none, and a signal that is none. */
static void do_queues(void)
{
    static const char *const targets[] = {"/dev/null", "/proc/self/maps", "/bin", "/tmp/plain"};
    struct sigevent none = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 0};
    close(open("/tmp/plain", O_CREAT | O_WRONLY, 0600));
    mkdir("/dev/mqueue/folder", 0700);
    mkfifo("/dev/mqueue/pipe", 0600);
    for (unsigned i = 0;; i++) {
        symlink(targets[i % 4], "/dev/mqueue/link");
        mq_close(mq_open("/link", O_RDONLY));
        unlink("/dev/mqueue/link");
        mq_close(mq_open("/folder", O_RDONLY));
        mq_close(mq_open("/pipe", O_RDWR | O_NONBLOCK));
        mqd_t q = mq_open("/q", O_CREAT | O_RDWR, 0600, NULL);
        mq_notify(q, &none);
        mq_send(q, "x", 1, 0);
        mq_unlink("/q");
        mq_close(q);
    }
}

static void do_nothing(void)
{
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"nothing", do_nothing},     {"rewrite", do_rewrite},
    {"pages", do_pages},         {"crowd", do_crowd},
    {"flip", do_flip},           {"forks", do_forks},
    {"vforks", do_vforks},       {"memory", do_memory},
    {"giants", do_giants},       {"descriptors", do_descriptors},
    {"signals", do_signals},     {"execs", do_execs},
    {"recursion", do_recursion}, {"proc", do_proc},
    {"maze", do_maze},           {"folders", do_folders},
    {"watches", do_watches},     {"rings", do_rings},
    {"threads", do_threads},     {"files", do_files},
    {"sockets", do_sockets},     {"queues", do_queues},
    {"cuts", do_cuts},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (argc > 1 && strcmp(argv[1], cases[i].name) == 0)
            cases[i].run();
    return 0;
}
