/* libev: a watcher a connection, one buffer for all.
 *
 *     bench-libev PORT MODE       MODE: echo, chat */
#include "peer.h"

#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct server {
    bool is_chat;
    struct peer_members members;
    uint8_t buffer[PEER_READ_BYTES];
} server;

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    ssize_t n = recv(watcher->fd, server.buffer, sizeof(server.buffer), 0);
    if (n <= 0) {
        if (server.is_chat)
            peer_leave(&server.members, watcher->fd);
        ev_io_stop(loop, watcher);
        close(watcher->fd);
        free(watcher);
    } else if (server.is_chat) {
        peer_send_lines(&server.members, server.buffer, (size_t)n);
    } else {
        peer_send(watcher->fd, server.buffer, (size_t)n);
    }
}

static void on_connection(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    int fd = peer_accept(watcher->fd);
    if (fd < 0)
        return;
    ev_io *client = malloc(sizeof(*client));
    if (!client)
        peer_die("malloc");
    ev_io_init(client, on_readable, fd, EV_READ);
    ev_io_start(loop, client);
    if (server.is_chat)
        peer_join(&server.members, fd);
}

int main(int argc, char **argv)
{
    int fd = peer_listen(peer_arguments(argc, argv, "echo chat"));
    server.is_chat = strcmp(argv[2], "chat") == 0;
    struct ev_loop *loop = ev_default_loop(EVFLAG_AUTO);
    ev_io listener;
    ev_io_init(&listener, on_connection, fd, EV_READ);
    ev_io_start(loop, &listener);
    peer_ready();
    ev_run(loop, 0);
    return 0;
}
