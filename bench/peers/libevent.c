/* libevent, both ways: plain events with one buffer for all, and bufferevents.
 *
 *     bench-libevent PORT MODE       MODE: echo, echo-bev, chat-bev */
#include "peer.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct server {
    bool is_chat, is_plain;
    struct event_base *base;
    struct bufferevent *members[PEER_MEMBERS_MAX];
    int count;
    uint8_t buffer[PEER_READ_BYTES];
} server;

static void on_readable(evutil_socket_t fd, short events, void *context)
{
    (void)events;
    struct event *event = context;
    ssize_t n = recv(fd, server.buffer, sizeof(server.buffer), 0);
    if (n > 0) {
        peer_send(fd, server.buffer, (size_t)n);
        return;
    }
    event_free(event);
    close(fd);
}

static void add_plain(int fd)
{
    struct event *event =
        event_new(server.base, fd, EV_READ | EV_PERSIST, on_readable, event_self_cbarg());
    if (!event || event_add(event, NULL) < 0)
        peer_die("event_new");
}

static void on_echo(struct bufferevent *bev, void *context)
{
    (void)context;
    evbuffer_add_buffer(bufferevent_get_output(bev), bufferevent_get_input(bev));
}

static void on_chat(struct bufferevent *bev, void *context)
{
    (void)context;
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t len = 0;
    char *line_z = NULL;
    while ((line_z = evbuffer_readln(input, &len, EVBUFFER_EOL_LF))) {
        line_z[len] = '\n'; /* in the place of its NUL */
        for (int i = 0; i < server.count; i++)
            bufferevent_write(server.members[i], line_z, len + 1);
        free(line_z);
    }
}

static void on_end(struct bufferevent *bev, short what, void *context)
{
    (void)context;
    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    for (int i = 0; i < server.count; i++)
        if (server.members[i] == bev)
            server.members[i] = server.members[--server.count];
    bufferevent_free(bev);
}

static void add_buffered(int fd)
{
    struct bufferevent *bev = bufferevent_socket_new(server.base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!bev)
        peer_die("bufferevent_socket_new");
    bufferevent_setcb(bev, server.is_chat ? on_chat : on_echo, NULL, on_end, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    if (server.is_chat && server.count < PEER_MEMBERS_MAX)
        server.members[server.count++] = bev;
}

static void on_connection(evutil_socket_t listening, short events, void *context)
{
    (void)events;
    (void)context;
    int fd = peer_accept(listening);
    if (fd < 0)
        return;
    if (server.is_plain)
        add_plain(fd);
    else
        add_buffered(fd);
}

int main(int argc, char **argv)
{
    int fd = peer_listen(peer_arguments(argc, argv, "echo echo-bev chat-bev"));
    server.is_plain = strcmp(argv[2], "echo") == 0;
    server.is_chat = strcmp(argv[2], "chat-bev") == 0;
    server.base = event_base_new();
    struct event *listener = event_new(server.base, fd, EV_READ | EV_PERSIST, on_connection, NULL);
    event_add(listener, NULL);
    peer_ready();
    return event_base_dispatch(server.base);
}
