/* The bare epoll loop that everything is measured against: level-triggered, one buffer, no more
 * calls than it takes, and nothing kept for a connection.
 *
 *     bench-raw PORT MODE
 *
 * MODE: echo; chat sends each line to each client as it comes; chat-co sends what a turn brought to
 * each client at once. */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

struct raw {
    int epoll_fd, listening;
    bool is_chat, gathers;
    struct peer_members members;
    size_t turn_len; /* of the lines gathered */
    uint8_t turn[PEER_TURN_BYTES];
    uint8_t buffer[PEER_READ_BYTES];
};

static void watch(struct raw *raw, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(raw->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        peer_die("epoll_ctl");
}

static void on_connection(struct raw *raw)
{
    int fd = peer_accept(raw->listening);
    if (fd < 0)
        return;
    watch(raw, fd);
    if (raw->is_chat)
        peer_join(&raw->members, fd);
}

static void on_readable(struct raw *raw, int fd)
{
    ssize_t n = recv(fd, raw->buffer, sizeof(raw->buffer), 0);
    if (n <= 0) {
        if (raw->is_chat)
            peer_leave(&raw->members, fd);
        close(fd);
    } else if (!raw->is_chat) {
        peer_send(fd, raw->buffer, (size_t)n);
    } else if (!raw->gathers) {
        peer_send_lines(&raw->members, raw->buffer, (size_t)n);
    } else {
        if (raw->turn_len + (size_t)n > sizeof(raw->turn))
            peer_die("a turn is too long");
        memcpy(raw->turn + raw->turn_len, raw->buffer, (size_t)n);
        raw->turn_len += (size_t)n;
    }
}

int main(int argc, char **argv)
{
    static struct raw raw;
    raw.listening = peer_listen(peer_arguments(argc, argv, "echo chat chat-co"));
    raw.is_chat = strcmp(argv[2], "echo") != 0;
    raw.gathers = strcmp(argv[2], "chat-co") == 0;
    raw.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(&raw, raw.listening);
    peer_ready();
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(raw.epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == raw.listening)
                on_connection(&raw);
            else
                on_readable(&raw, events[i].data.fd);
        }
        if (raw.turn_len)
            peer_send_all(&raw.members, raw.turn, raw.turn_len);
        raw.turn_len = 0;
    }
}
