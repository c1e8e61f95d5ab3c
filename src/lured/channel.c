#include "lured/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int channel_send(int channel, enum channel_message message, int fd)
{
    char byte = (char)message;
    union control control;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    memset(&control, 0, sizeof(control));
    if (fd >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(int));
    }
    return sendmsg(channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Alignment leaves room for a second one, which nobody sends but who wants ours to run out. */
static int take_descriptor(const struct cmsghdr *header)
{
    int fds[CMSG_SPACE(sizeof(int)) / sizeof(int)] = {-1};
    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return -1;
    size_t bytes = header->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(header), bytes);
    for (size_t i = 1; i < bytes / sizeof(int); i++)
        (void)close(fds[i]);
    return fds[0];
}

int channel_receive(int channel, int *fd)
{
    char byte = 0;
    union control control;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    memset(&control, 0, sizeof(control));
    *fd = -1;
    ssize_t n = recvmsg(channel, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n <= 0)
        return n == 0 || errno == ECONNRESET ? 0 : -errno;
    *fd = take_descriptor(CMSG_FIRSTHDR(&msg));
    return (unsigned char)byte;
}
