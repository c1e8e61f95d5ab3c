/* Descriptors, pipes, poll, select, epoll, eventfd, timerfd, sockets of the machine. */
#include "guest.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

static void duplicates(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    HOLDS(fd == 3);
    SHOW(fcntl(fd, F_GETFD));
    SHOW(dup(fd));
    SHOW(fcntl(4, F_GETFD));
    SHOW(dup2(fd, 10));
    SHOW(dup2(fd, fd));
    SHOW(dup2(77, 78));
    SHOW(dup2(fd, -1));
    SHOW(dup3(fd, 11, O_CLOEXEC));
    SHOW(fcntl(11, F_GETFD));
    SHOW(dup3(fd, fd, 0));
    SHOW(dup3(fd, 12, 1));
    SHOW(fcntl(fd, F_DUPFD, 20));
    SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 20));
    SHOW(fcntl(21, F_GETFD));
    SHOW(fcntl(21, F_SETFD, 0));
    SHOW(fcntl(21, F_GETFD));
    SHOW(fcntl(fd, F_DUPFD, -1));
    SHOW(fcntl(fd, F_DUPFD, 1 << 30));
    SHOW(fcntl(fd, 9999));
    SHOW(fcntl(77, F_GETFD));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    SHOW(fcntl(fd, F_SETLK, &lock));
    SHOW(fcntl(fd, F_GETLK, &lock));
    SHOW(lock.l_type == F_UNLCK);
    SHOW(flock(fd, LOCK_EX | LOCK_NB));
    SHOW(flock(fd, 99));
    SHOW(flock(77, LOCK_EX));
    struct rlimit old, few = {12, 12};
    getrlimit(RLIMIT_NOFILE, &old);
    few.rlim_max = old.rlim_max;
    SHOW(setrlimit(RLIMIT_NOFILE, &few));
    for (int i = 0; i < 12; i++)
        dup(fd);
    SHOW(dup(fd));
    SHOW(dup2(fd, 12));
    setrlimit(RLIMIT_NOFILE, &old);
    SHOW(syscall(SYS_close_range, 3, 30, 0));
    SHOW(fcntl(fd, F_GETFD));
    SHOW(syscall(SYS_close_range, 5, 4, 0));
}

static void pipes(void)
{
    int p[2];
    char text[5000] = "";
    static char large[70000];
    SHOW(pipe(p));
    SHOW(pipe((int *)8));
    SHOW(pipe2(p, 1));
    SHOW(lseek(p[0], 0, SEEK_SET));
    SHOW(read(p[1], text, 1));
    SHOW(write(p[0], text, 1));
    SHOW(write(p[1], "hello", 5));
    int waiting = 0;
    SHOW(ioctl(p[0], FIONREAD, &waiting));
    SHOW(waiting);
    SHOW(read(p[0], text, 2));
    SHOW(read(p[0], text, 20));
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    SHOW(read(p[0], text, 1));
    SHOW(read(p[0], text, 0));
    SHOW(write(p[1], large, sizeof(large)));
    SHOW(write(p[1], large, 1));
    SHOW(read(p[0], large, 4096));
    SHOW(write(p[1], large, 4096));
    SHOW(write(p[1], large, 4096));
    SHOW(fcntl(p[0], F_GETPIPE_SZ));
    struct pollfd polled = {.fd = p[1], .events = POLLOUT};
    SHOW(poll(&polled, 1, 0));
    while (read(p[0], large, sizeof(large)) > 0)
        ;
    SHOW(poll(&polled, 1, 0));
    SHOW(polled.revents == POLLOUT);
    close(p[1]);
    SHOW(read(p[0], text, 1));
    polled = (struct pollfd){.fd = p[0], .events = POLLIN};
    SHOW(poll(&polled, 1, 0));
    SHOW(polled.revents);
    close(p[0]);
    SHOW(pipe2(p, O_CLOEXEC | O_NONBLOCK));
    SHOW(fcntl(p[0], F_GETFD));
    SHOW(fcntl(p[1], F_GETFL) & O_NONBLOCK ? 1 : 0);
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    SHOW(write(p[1], "x", 1));
    polled = (struct pollfd){.fd = p[1], .events = POLLOUT};
    SHOW(poll(&polled, 1, 0));
    SHOW(polled.revents);
    close(p[1]);
    struct stat st;
    pipe(p);
    fstat(p[0], &st);
    printf("%o %ld\n", st.st_mode, (long)st.st_size);
    close(p[0]), close(p[1]);
}

/* More than a pipe holds, from one process to another. */
static void streams(void)
{
    int p[2];
    pipe(p);
    pid_t pid = fork();
    if (pid == 0) {
        static char out[200000];
        close(p[0]);
        memset(out, 'z', sizeof(out));
        _exit(write(p[1], out, sizeof(out)) == sizeof(out) ? 0 : 1);
    }
    close(p[1]);
    char in[1000];
    long total = 0;
    for (ssize_t n = 0; (n = read(p[0], in, sizeof(in))) > 0;)
        total += n;
    int status = 0;
    waitpid(pid, &status, 0);
    SHOW(total);
    SHOW(status);
    close(p[0]);
}

static void polls(void)
{
    int p[2];
    pipe(p);
    struct pollfd set[3] = {{p[0], POLLIN, 0}, {77, POLLIN, 0}, {-1, POLLIN, 0}};
    SHOW(poll(set, 3, 0));
    printf("%d %d %d\n", set[0].revents, set[1].revents, set[2].revents);
    SHOW(poll(set, 1, 30));
    SHOW(poll((struct pollfd *)8, 1, 0));
    SHOW(poll(set, 1 << 30, 0));
    write(p[1], "x", 1);
    SHOW(poll(set, 1, -1));
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(p[0], &in);
    FD_SET(p[1], &out);
    struct timeval none = {0, 0};
    SHOW(select(p[1] + 1, &in, &out, NULL, &none));
    SHOW(FD_ISSET(p[0], &in) ? 1 : 0);
    FD_SET(77, &in);
    SHOW(select(78, &in, NULL, NULL, &none));
    SHOW(select(-1, NULL, NULL, NULL, &none));
    struct timespec soon = {0, 20000000}, bad = {0, -1};
    SHOW(pselect(0, NULL, NULL, NULL, &soon, NULL));
    SHOW(ppoll(NULL, 0, &soon, NULL));
    SHOW(ppoll(NULL, 0, &bad, NULL));
    close(p[0]), close(p[1]);
}

static void epolls(void)
{
    int p[2], e = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef}, got[4];
    pipe(p);
    SHOW(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &event));
    SHOW(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &event));
    SHOW(epoll_ctl(e, EPOLL_CTL_MOD, p[1], &event));
    SHOW(epoll_ctl(e, EPOLL_CTL_DEL, p[1], NULL));
    SHOW(epoll_ctl(e, EPOLL_CTL_ADD, e, &event));
    SHOW(epoll_ctl(e, EPOLL_CTL_ADD, 77, &event));
    SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &event));
    int file = open("/proc/version", O_RDONLY);
    SHOW(epoll_wait(e, got, 4, 0));
    write(p[1], "x", 1);
    SHOW(epoll_wait(e, got, 4, -1));
    HOLDS(got[0].events == EPOLLIN && got[0].data.u64 == 0x123456789abcdef);
    event.events = EPOLLIN | EPOLLONESHOT;
    SHOW(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &event));
    SHOW(epoll_wait(e, got, 4, 0));
    SHOW(epoll_wait(e, got, 4, 0));
    SHOW(epoll_wait(e, got, 0, 0));
    SHOW(epoll_wait(p[0], got, 4, 0));
    SHOW(epoll_wait(e, got, 4, 20));
    close(p[0]);
    SHOW(epoll_ctl(e, EPOLL_CTL_DEL, p[0], NULL));
    SHOW(epoll_create1(1));
    SHOW(epoll_create(0));
    close(p[1]), close(e), close(file);
}

static void counters(void)
{
    uint64_t value = 5;
    int e = eventfd(3, EFD_NONBLOCK);
    SHOW(write(e, &value, 8));
    SHOW(write(e, &value, 4));
    SHOW(read(e, &value, 8));
    SHOW(value);
    SHOW(read(e, &value, 8));
    value = UINT64_MAX;
    SHOW(write(e, &value, 8));
    close(e);
    e = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    SHOW(read(e, &value, 8));
    SHOW(value);
    close(e);
    SHOW(eventfd(0, 77777777));
    int t = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec soon = {{0, 0}, {0, 20000000}};
    SHOW(timerfd_settime(t, 0, &soon, NULL));
    SHOW(read(t, &value, 8));
    SHOW(value);
    SHOW(timerfd_gettime(t, &soon));
    SHOW(soon.it_value.tv_nsec);
    SHOW(read(t, &value, 4));
    SHOW(timerfd_create(99, 0));
    SHOW(timerfd_gettime(1, &soon));
    close(t);
}

static void signal_files(void)
{
    sigset_t set;
    struct signalfd_siginfo info;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    SHOW(read(fd, &info, sizeof(info)));
    SHOW(read(fd, &info, 10));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    SHOW(poll(&p, 1, 0));
    kill(getpid(), SIGUSR1);
    SHOW(poll(&p, 1, 0));
    SHOW(read(fd, &info, sizeof(info)));
    HOLDS(info.ssi_signo == SIGUSR1 && info.ssi_pid == (uint32_t)getpid());
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    SHOW(poll(&p, 1, 5000));
    SHOW(read(fd, &info, sizeof(info)));
    HOLDS(info.ssi_signo == SIGCHLD && info.ssi_status == 3 && info.ssi_pid == (uint32_t)pid);
    waitpid(pid, NULL, 0);
    SHOW(signalfd(1, &set, 0));
    SHOW(signalfd(77, &set, 0));
    SHOW(signalfd(-1, &set, 1));
    close(fd);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void pairs(void)
{
    int s[2];
    char text[16];
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    SHOW(write(s[0], "hello", 5));
    SHOW(recv(s[1], text, 3, MSG_PEEK));
    SHOW(recv(s[1], text, 16, 0));
    SHOW(recv(s[1], text, 16, MSG_DONTWAIT));
    SHOW(shutdown(s[0], SHUT_WR));
    SHOW(read(s[1], text, 16));
    SHOW(send(s[0], "x", 1, MSG_NOSIGNAL));
    SHOW(write(s[1], "back", 4));
    SHOW(read(s[0], text, 16));
    close(s[1]);
    SHOW(read(s[0], text, 16));
    SHOW(send(s[0], "x", 1, MSG_NOSIGNAL));
    close(s[0]);
    SHOW(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
    SHOW(send(s[0], "one", 3, 0));
    SHOW(send(s[0], "three", 5, 0));
    SHOW(recv(s[1], text, 2, 0));
    SHOW(recv(s[1], text, 16, 0));
    SHOW(socketpair(AF_INET, SOCK_STREAM, 0, s));
    SHOW(socketpair(AF_UNIX, 99, 0, s));
    close(s[0]), close(s[1]);
    SHOW(socket(99, SOCK_STREAM, 0));
    SHOW(recv(1, text, 1, 0));
    SHOW(listen(77, 1));
}

static void names(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/tmp/guest-socket"};
    int type = 0;
    socklen_t len = sizeof(type);
    unlink(at.sun_path);
    int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    SHOW(connect(c, (struct sockaddr *)&at, sizeof(at)));
    SHOW(accept(s, NULL, NULL));
    SHOW(bind(s, (struct sockaddr *)&at, sizeof(at)));
    SHOW(bind(s, (struct sockaddr *)&at, sizeof(at)));
    SHOW(connect(c, (struct sockaddr *)&at, sizeof(at)));
    SHOW(listen(s, 2));
    SHOW(connect(c, (struct sockaddr *)&at, sizeof(at)));
    SHOW(connect(c, (struct sockaddr *)&at, sizeof(at)));
    int a = accept(s, NULL, NULL);
    SHOW(write(c, "hi", 2));
    char text[8];
    SHOW(read(a, text, 8));
    struct ucred cred;
    len = sizeof(cred);
    SHOW(getsockopt(a, SOL_SOCKET, SO_PEERCRED, &cred, &len));
    HOLDS(cred.pid == getpid() && cred.uid == getuid());
    len = sizeof(type);
    SHOW(getsockopt(a, SOL_SOCKET, SO_TYPE, &type, &len));
    SHOW(type);
    SHOW(getsockopt(a, SOL_SOCKET, SO_ACCEPTCONN, &type, &len));
    SHOW(type);
    struct sockaddr_un peer;
    len = sizeof(peer);
    SHOW(getpeername(c, (struct sockaddr *)&peer, &len));
    HOLDS(strcmp(peer.sun_path, at.sun_path) == 0);
    len = sizeof(peer);
    SHOW(getsockname(c, (struct sockaddr *)&peer, &len));
    SHOW(len);
    close(a), close(c), close(s);
    c = socket(AF_UNIX, SOCK_STREAM, 0);
    SHOW(connect(c, (struct sockaddr *)&at, sizeof(at)));
    close(c);
    SHOW(unlink(at.sun_path));
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(7)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(connect(c, (struct sockaddr *)&in, sizeof(in)));
    SHOW(connect(c, (struct sockaddr *)&in, 4));
    in.sin_family = AF_UNIX;
    SHOW(connect(c, (struct sockaddr *)&in, sizeof(in)));
    SHOW(send(c, "x", 1, MSG_NOSIGNAL) == -1);
    close(c);
}

static void loopback(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof(in);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(bind(s, (struct sockaddr *)&in, sizeof(in)));
    SHOW(listen(s, 5));
    SHOW(getsockname(s, (struct sockaddr *)&in, &len));
    HOLDS(ntohs(in.sin_port) >= 1024);
    SHOW(connect(c, (struct sockaddr *)&in, sizeof(in)));
    int a = accept4(s, NULL, NULL, SOCK_CLOEXEC);
    SHOW(fcntl(a, F_GETFD));
    char text[8];
    SHOW(send(c, "ping", 4, 0));
    SHOW(recv(a, text, 8, 0));
    close(c);
    SHOW(recv(a, text, 8, 0));
    close(a), close(s);
}

int main(void)
{
    duplicates();
    pipes();
    streams();
    polls();
    epolls();
    counters();
    signal_files();
    pairs();
    names();
    loopback();
    return 0;
}
