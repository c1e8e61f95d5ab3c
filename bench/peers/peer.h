/* What the peers' servers share. They are written as a careful user of each library would, for a
 * load that always reads and sends whole lines: a socket that is full, which would need a queue,
 * ends them. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PEER_READ_BYTES = 64 * 1024,
    PEER_TURN_BYTES = 1024 * 1024, /* lines collected in a turn */
    PEER_MEMBERS_MAX = 16384,
};

void peer_die(const char *what_z) __attribute__((noreturn));

/* "PROGRAM PORT MODE": the port. Ends the program when MODE is not one of `modes_z`, which are
 * parted by spaces. */
int peer_arguments(int argc, char **argv, const char *modes_z);

/* A listening TCP socket, non-blocking, whose connections inherit TCP_NODELAY. */
int peer_listen(int port);

/* Tells who started us that we listen. */
void peer_ready(void);

/* The next connection, non-blocking; -1: none just now. */
int peer_accept(int listening);

/* Sends all of it; ends the program if the socket does not take it. */
void peer_send(int fd, const uint8_t *data, size_t len);

/* The clients of a chat. */
struct peer_members {
    int fds[PEER_MEMBERS_MAX];
    int count;
};

void peer_join(struct peer_members *members, int fd);
void peer_leave(struct peer_members *members, int fd);

/* Each of the lines to each of the clients, one call each. */
void peer_send_lines(const struct peer_members *members, const uint8_t *data, size_t len);

/* All of it to each of the clients. */
void peer_send_all(const struct peer_members *members, const uint8_t *data, size_t len);

#endif
