/* Load: what a benchmark's clients do to a server. Each server has a load of its own, which stays
 * connected over the whole row and works only in its slices. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>

/* What of it matters depends on the load. */
struct load_shape {
    int connections;
    size_t size;     /* bytes of a message */
    size_t depth;    /* messages under way on a connection, or for a publisher */
    int publishers;  /* chat: how many of the connections send */
    int64_t pace_ns; /* paced: from one message to the next */
};

struct load_ops {
    const char *mode_z; /* of the server: echo, chat */
    void *(*open)(const struct load_shape *shape, int port);
    /* Works for so long and then until nothing is under way; the operations done. */
    int64_t (*run)(void *load, int64_t slice_ns);
    void (*close)(void *load);
};

/* On each connection `depth` messages are under way; an operation is a message echoed. */
extern const struct load_ops load_echo;

/* Messages of another size from now on. */
void load_echo_resize(void *load, size_t size);

/* One message every `pace_ns` (0: as soon as the last one is back), in turn on all connections, by a
 * client that never sleeps. */
extern const struct load_ops load_paced;

/* Connect, one message, its echo, close: an operation. `connections` at a time. */
extern const struct load_ops load_churn;

/* Of all connections the first `publishers` send lines, `depth` under way each: a line is over for
 * its sender when he reads it himself. An operation is a line delivered to one connection. */
extern const struct load_ops load_chat;

#endif
