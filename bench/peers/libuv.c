/* libuv with care: one buffer for all connections, and uv_try_write.
 *
 *     bench-libuv PORT MODE       MODE: echo, chat */
#include "peer.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

static struct server {
    bool is_chat;
    uv_tcp_t listener;
    uv_stream_t *members[PEER_MEMBERS_MAX];
    int count;
    char buffer[PEER_READ_BYTES];
} server;

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    (void)handle;
    (void)wanted;
    *out = uv_buf_init(server.buffer, sizeof(server.buffer));
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void send_now(uv_stream_t *stream, char *data, size_t len)
{
    uv_buf_t piece = uv_buf_init(data, (unsigned)len);
    if (uv_try_write(stream, &piece, 1) != (int)len)
        peer_die("uv_try_write");
}

static void send_lines(char *data, size_t len)
{
    const char *end = data + len;
    for (char *line = data, *next = NULL; line < end; line = next) {
        next = (char *)memchr(line, '\n', (size_t)(end - line)) + 1;
        for (int i = 0; i < server.count; i++)
            send_now(server.members[i], line, (size_t)(next - line));
    }
}

static void leave(const uv_stream_t *stream)
{
    for (int i = 0; i < server.count; i++)
        if (server.members[i] == stream)
            server.members[i] = server.members[--server.count];
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    if (n < 0) {
        leave(stream);
        uv_close((uv_handle_t *)stream, on_closed);
    } else if (n > 0 && server.is_chat) {
        send_lines(buffer->base, (size_t)n);
    } else if (n > 0) {
        send_now(stream, buffer->base, (size_t)n);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *tcp = malloc(sizeof(*tcp));
    if (status < 0 || !tcp || uv_tcp_init(listener->loop, tcp) < 0)
        peer_die("connection");
    if (uv_accept(listener, (uv_stream_t *)tcp) < 0)
        peer_die("uv_accept");
    if (server.is_chat && server.count < PEER_MEMBERS_MAX)
        server.members[server.count++] = (uv_stream_t *)tcp;
    uv_read_start((uv_stream_t *)tcp, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    int fd = peer_listen(peer_arguments(argc, argv, "echo chat"));
    server.is_chat = strcmp(argv[2], "chat") == 0;
    uv_loop_t *loop = uv_default_loop();
    if (uv_tcp_init(loop, &server.listener) < 0 || uv_tcp_open(&server.listener, fd) < 0 ||
        uv_listen((uv_stream_t *)&server.listener, 4096, on_connection) < 0)
        peer_die("uv_listen");
    peer_ready();
    return uv_run(loop, UV_RUN_DEFAULT);
}
