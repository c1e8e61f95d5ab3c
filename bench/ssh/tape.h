/* A conversation as its client saw it: what was sent and what came, in pieces, and when. Played again
 * with an epoll server that knows nothing but the sizes, it tells what the network's own work costs:
 * TCP, system calls, waking up. */
#ifndef BENCH_SSH_TAPE_H
#define BENCH_SSH_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TAPE_PIECES = 64,
    TAPE_PAUSE_MS = 100, /* at most: a server that sleeps longer sleeps no deeper */
};

struct tape {
    int count;
    int64_t start_ns; /* of the recording; 0: nothing is on it */
    struct {
        bool sent; /* by the client, else it came */
        size_t len;
        int64_t at_ns; /* since the start; longer pauses are cut */
    } pieces[TAPE_PIECES];
};

/* One piece more; `tape` may be NULL: nothing is recorded. */
void tape_note(struct tape *tape, bool sent, size_t len);

/* The server's side, for ever: answers each connection on `listening` as the tape says. */
_Noreturn void tape_serve(const struct tape *tape, int listening);

/* The client's side, once, with the pauses of the tape. */
void tape_play(const struct tape *tape, int port);

#endif
