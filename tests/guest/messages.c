/* Messages of AF_UNIX: descriptors that get lost on the way, and calls that have to wait. */
#include "guest.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

static long send_right(int to, int fd, size_t len)
{
    char bytes[8] = "abcdefg";
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        size_t align;
    } control = {{0}};
    struct iovec iov = {bytes, len};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&m);
    head->cmsg_len = CMSG_LEN(sizeof(int));
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    return sendmsg(to, &m, MSG_DONTWAIT);
}

/* A descriptor that is not sent, or is received into nowhere, is open no longer. */
static void lost_rights(void)
{
    char byte;
    int pair[2], ends[2];
    TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    TRY(pipe2(ends, O_NONBLOCK));
    SHOW(send_right(pair[0], ends[1], 0));
    close(ends[1]);
    SHOW(read(ends[0], &byte, 1));
    SHOW(recv(pair[1], &byte, 1, MSG_DONTWAIT));
    close(ends[0]);
    close(pair[0]);
    close(pair[1]);

    struct iovec nowhere = {(void *)16, 4};
    struct msghdr m = {.msg_iov = &nowhere, .msg_iovlen = 1};
    TRY(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    TRY(pipe2(ends, O_NONBLOCK));
    SHOW(send_right(pair[0], ends[1], 4));
    close(ends[1]);
    SHOW(read(ends[0], &byte, 1));
    SHOW(recvmsg(pair[1], &m, 0));
    SHOW(read(ends[0], &byte, 1));
    close(ends[0]);
    close(pair[0]);
    close(pair[1]);
}

/* A short message behind one that had to wait is sent from its own beginning. */
static void one_behind_another(void)
{
    enum { LONG = 300000, SHORT = 5 };
    static char bytes[LONG], got[LONG];
    int pair[2];
    TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    memset(bytes, 'x', LONG);
    fflush(stdout);
    if (fork() == 0) {
        struct iovec iov[2] = {{bytes, LONG}, {"abcde", SHORT}};
        struct mmsghdr m[2] = {{.msg_hdr = {.msg_iov = &iov[0], .msg_iovlen = 1}},
                               {.msg_hdr = {.msg_iov = &iov[1], .msg_iovlen = 1}}};
        close(pair[1]);
        SHOW(sendmmsg(pair[0], m, 2, 0));
        SHOW(m[0].msg_len);
        SHOW(m[1].msg_len);
        exit(0);
    }
    close(pair[0]);
    long all = 0, xs = 0, n;
    char last[SHORT] = "";
    while ((n = read(pair[1], got, LONG)) > 0) {
        for (long i = 0; i < n; i++)
            xs += got[i] == 'x';
        all += n;
        if (n >= SHORT)
            memcpy(last, got + n - SHORT, SHORT);
    }
    wait(NULL);
    SHOW(all);
    SHOW(xs);
    HOLDS(memcmp(last, "abcde", SHORT) == 0);
    close(pair[1]);
}

/* The timeout of recvmmsg is looked at when a message has come. */
static void timeouts(void)
{
    int pair[2];
    char got[3];
    struct iovec iov[3] = {{&got[0], 1}, {&got[1], 1}, {&got[2], 1}};
    struct mmsghdr m[3] = {{{.msg_iov = &iov[0], .msg_iovlen = 1}, 0},
                           {{.msg_iov = &iov[1], .msg_iovlen = 1}, 0},
                           {{.msg_iov = &iov[2], .msg_iovlen = 1}, 0}};
    struct timespec none = {0, 0}, some = {1000, 5}, wrong = {0, 1000000000}, before = {-1, 0};
    TRY(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    for (int i = 0; i < 3; i++)
        write(pair[0], &"abc"[i], 1);
    SHOW(recvmmsg(pair[1], m, 3, 0, &wrong));
    SHOW(recvmmsg(pair[1], m, 3, 0, &before));
    SHOW(recvmmsg(77, m, 3, 0, &wrong));
    SHOW(recvmmsg(77, m, 3, 0, &some));
    SHOW(recvmmsg(pair[1], m, 3, 0, &none));
    printf("%c, left %ld\n", got[0], (long)(none.tv_sec + none.tv_nsec));
    SHOW(recvmmsg(pair[1], m, 2, 0, &some));
    printf("%c%c, left %d\n", got[0], got[1], some.tv_sec <= 1000 && some.tv_sec > 800);
    SHOW(recvmmsg(pair[1], m, 2, MSG_DONTWAIT, &some));
    fflush(stdout);
    if (fork() == 0) {
        none = (struct timespec){0, 1000000}; /* over long before the first comes */
        SHOW(recvmmsg(pair[1], m, 3, 0, &none));
        printf("%c, left %ld\n", got[0], (long)(none.tv_sec + none.tv_nsec));
        exit(0);
    }
    usleep(50000);
    write(pair[0], "d", 1);
    wait(NULL);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    lost_rights();
    one_behind_another();
    timeouts();
    return 0;
}
