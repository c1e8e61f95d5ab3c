/* epoll-receiver: the same receiver, many connections on one thread, by epoll itself.
 * Nothing blocks but epoll_wait, so what `fgets` kept on the stack, half a line, must be kept by us. */
#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
    int fd;
    char peer[LAB_PEER_MAX];
    size_t len; /* of the line so far */
    char line[LAB_LINE_MAX];
};

static int open_listener(struct sockaddr_in address)
{
    const int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0)
        lab_cannot("socket", errno);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0)
        lab_cannot("bind", errno);
    if (listen(listener, SOMAXCONN) < 0)
        lab_cannot("listen", errno);
    return listener;
}

static void watch(int epoll, int fd, void *who)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        lab_cannot("epoll_ctl", errno);
}

static void print_line(struct client *client)
{
    lab_print_line(client->peer, client->line, client->len);
    client->len = 0;
}

static void take(struct client *client, char byte)
{
    client->line[client->len++] = byte;
    if (byte == '\n' || client->len == LAB_LINE_MAX - 1)
        print_line(client);
}

static void on_client(struct client *client)
{
    char bytes[4096];
    ssize_t n = recv(client->fd, bytes, sizeof(bytes), 0);
    for (ssize_t i = 0; i < n; i++)
        take(client, bytes[i]);
    if (n > 0 || (n < 0 && errno == EAGAIN))
        return;
    if (client->len)
        print_line(client);
    printf("%s disconnected\n", client->peer);
    close(client->fd); /* and out of epoll */
    free(client);
}

static void on_listener(int epoll, int listener)
{
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    int fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return; /* it has left already */
    struct client *client = calloc(1, sizeof(*client));
    if (!client)
        lab_cannot("calloc", errno);
    client->fd = fd;
    printf("%s connected\n", lab_peer_text(&from, client->peer));
    watch(epoll, fd, client);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = lab_address(lab_arguments(argc, argv, "0.0.0.0:5000"));
    lab_stop_on_signals();
    int listener = open_listener(address);
    lab_print_listening(listener);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        lab_cannot("epoll_create1", errno);
    watch(epoll, listener, NULL);
    for (;;) { /* the event loop */
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                on_client(events[i].data.ptr);
            else
                on_listener(epoll, listener);
        }
    }
}
