#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void peer_die(const char *what_z)
{
    fprintf(stderr, "bench peer: ");
    perror(what_z);
    exit(1);
}

static bool has_word(const char *list_z, const char *word_z)
{
    size_t len = strlen(word_z);
    for (const char *at_z = list_z; (at_z = strstr(at_z, word_z)); at_z += len)
        if ((at_z == list_z || at_z[-1] == ' ') && (at_z[len] == ' ' || !at_z[len]))
            return true;
    return false;
}

int peer_arguments(int argc, char **argv, const char *modes_z)
{
    if (argc == 3 && *argv[2] && has_word(modes_z, argv[2]))
        return (int)strtol(argv[1], NULL, 10);
    fprintf(stderr, "usage: %s PORT MODE\nmodes: %s\n", argv[0], modes_z);
    exit(2);
}

int peer_listen(int port)
{
    const int one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4096) < 0)
        peer_die("listen");
    return fd;
}

void peer_ready(void)
{
    puts("ready");
    fflush(stdout);
}

int peer_accept(int listening)
{
    return accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

void peer_send(int fd, const uint8_t *data, size_t len)
{
    if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
        peer_die("send");
}

void peer_join(struct peer_members *members, int fd)
{
    if (members->count == PEER_MEMBERS_MAX)
        peer_die("too many clients");
    members->fds[members->count++] = fd;
}

void peer_leave(struct peer_members *members, int fd)
{
    for (int i = 0; i < members->count; i++)
        if (members->fds[i] == fd)
            members->fds[i] = members->fds[--members->count];
}

void peer_send_lines(const struct peer_members *members, const uint8_t *data, size_t len)
{
    const uint8_t *end = data + len;
    for (const uint8_t *line = data, *next = NULL; line < end; line = next) {
        const uint8_t *newline = memchr(line, '\n', (size_t)(end - line));
        next = newline ? newline + 1 : end;
        peer_send_all(members, line, (size_t)(next - line));
    }
}

void peer_send_all(const struct peer_members *members, const uint8_t *data, size_t len)
{
    for (int i = 0; i < members->count; i++)
        peer_send(members->fds[i], data, len);
}
