/* POSIX message queues. */
#include "children.h"

#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static const char name[] = "/guest-mqueue";

static void get(mqd_t q)
{
    char bytes[64];
    unsigned priority = 0;
    errno = 0;
    ssize_t n = mq_receive(q, bytes, sizeof(bytes), &priority);
    if (n < 0)
        printf("%s\n", strerrorname_np(errno));
    else
        printf("%u: %.*s\n", priority, (int)n, bytes);
}

static void opening(void)
{
    struct mq_attr attr = {.mq_maxmsg = 3, .mq_msgsize = 64},
                   bad = {.mq_maxmsg = 0, .mq_msgsize = 1};
    mq_unlink(name);
    TRY(mq_open(name, O_RDWR));
    TRY(mq_open("/a/b", O_RDWR | O_CREAT, 0600, &attr));
    TRY(mq_open("/", O_RDWR));
    TRY(mq_open(name, O_RDWR | O_CREAT, 0600, &bad));
    TRY(mq_open(name, O_RDWR));
    mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0640, &attr);
    HOLDS(q >= 0);
    TRY(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0640, &attr));
    SHOW(mq_getattr(q, &attr));
    printf("%ld %ld %ld %ld\n", attr.mq_flags, attr.mq_maxmsg, attr.mq_msgsize, attr.mq_curmsgs);
    SHOW(fcntl(q, F_GETFD));
    mqd_t usual = mq_open("/guest-mqueue-usual", O_RDONLY | O_CREAT, 0600, NULL);
    mq_getattr(usual, &attr);
    printf("%ld %ld\n", attr.mq_maxmsg, attr.mq_msgsize);
    TRY(mq_send(usual, "x", 1, 0));
    SHOW(mq_unlink("/guest-mqueue-usual"));
    TRY(mq_unlink("/guest-mqueue-usual"));
    SHOW(mq_close(usual));
    TRY(mq_close(usual));
    mq_close(q);
}

static void messages(void)
{
    mqd_t q = mq_open(name, O_RDWR | O_NONBLOCK);
    struct pollfd p = {q, POLLIN | POLLOUT, 0};
    get(q);
    poll(&p, 1, 0);
    SHOW(p.revents);
    SHOW(mq_send(q, "low", 3, 1));
    SHOW(mq_send(q, "high", 4, 9));
    SHOW(mq_send(q, "low again", 9, 1));
    TRY(mq_send(q, "full", 4, 1));
    poll(&p, 1, 0);
    SHOW(p.revents);
    char room[100];
    TRY(mq_send(q, room, 65, 0));
    TRY(mq_send(q, room, 1, 32768));
    TRY(mq_receive(q, room, 63, NULL));
    get(q);
    get(q);
    get(q);
    get(q);
    struct mq_attr attr = {0}, old;
    SHOW(mq_setattr(q, &attr, &old));
    printf("%s\n", (old.mq_flags & O_NONBLOCK) != 0 ? "did not wait" : "waited");
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    TRY(mq_timedreceive(q, room, 64, NULL, &soon));
    soon.tv_nsec = -1;
    TRY(mq_timedreceive(q, room, 64, NULL, &soon));
    TRY(mq_send(0, "x", 1, 0));
    mq_close(q);
}

static void waits(void)
{
    mqd_t q = mq_open(name, O_RDWR);
    pid_t pid = fork();
    if (pid == 0) {
        get(q);
        _exit(1);
    }
    park(pid);
    SHOW(mq_send(q, "for the child", 13, 3));
    join(pid);
    for (int i = 0; i < 3; i++)
        mq_send(q, "fill", 4, 0);
    pid = fork();
    if (pid == 0)
        _exit(mq_send(q, "waited", 6, 7) == 0 ? 2 : 3);
    park(pid);
    get(q);
    join(pid);
    get(q);
    get(q);
    get(q);
    mq_close(q);
}

static volatile sig_atomic_t value;

static void told(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    value = info->si_code == SI_MESGQ && info->si_pid == getpid() ? info->si_value.sival_int : -1;
}

static void notices(void)
{
    mqd_t q = mq_open(name, O_RDWR);
    struct sigaction act = {.sa_sigaction = told, .sa_flags = SA_SIGINFO};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    event.sigev_value.sival_int = 42;
    sigaction(SIGUSR1, &act, NULL);
    SHOW(mq_notify(q, &event));
    TRY(mq_notify(q, &event));
    pid_t pid = fork();
    if (pid == 0) {
        TRY(mq_notify(q, &event));
        _exit(4);
    }
    join(pid);
    SHOW(mq_send(q, "one", 3, 0));
    SHOW(value);
    value = 0;
    SHOW(mq_send(q, "two", 3, 0));
    SHOW(value);
    get(q);
    get(q);
    SHOW(mq_notify(q, &event));
    SHOW(mq_notify(q, NULL));
    SHOW(mq_send(q, "three", 5, 0));
    SHOW(value);
    get(q);
    event.sigev_signo = 0;
    SHOW(mq_notify(q, &event));
    SHOW(mq_send(q, "nobody is told", 14, 0));
    SHOW(mq_notify(q, &event));
    SHOW(mq_notify(q, NULL));
    event.sigev_notify = 77;
    TRY(mq_notify(q, &event));
    mq_close(q);
}

static void rights(void)
{
    struct mq_attr attr = {.mq_maxmsg = 11, .mq_msgsize = 64};
    pid_t pid = fork();
    if (pid == 0) {
        setgroups(0, NULL);
        setgid(12345);
        setuid(12345);
        TRY(mq_open(name, O_RDONLY));
        TRY(mq_open("/guest-mqueue-many", O_RDONLY | O_CREAT, 0600, &attr));
        TRY(mq_unlink(name));
        _exit(5);
    }
    join(pid);
    struct rlimit small = {1000, 1000};
    attr.mq_maxmsg = 10;
    pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_MSGQUEUE, &small);
        attr.mq_msgsize = 1000;
        TRY(mq_open("/guest-mqueue-large", O_RDONLY | O_CREAT, 0600, &attr));
        _exit(6);
    }
    join(pid);
    mqd_t q = mq_open(name, O_RDONLY);
    SHOW(mq_unlink(name));
    get(q);
}

int main(void)
{
    setbuf(stdout, NULL);
    opening();
    messages();
    waits();
    notices();
    rights();
    return 0;
}
