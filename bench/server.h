/* The servers that are compared: programs of the same folder, each started as
 *
 *     PROGRAM PORT MODE
 *
 * on CPU 0, which say "ready" when they listen. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct peer {
    const char *name_z; /* the table's column */
    const char *program_z;
    const char *suffix_z;  /* of the mode: a program may have several ways to do it */
    const char *modes_z;   /* that it has, each followed by a space */
    const char *backend_z; /* REEL_BACKEND; NULL: as it is by default */
};

struct server {
    const struct peer *peer;
    pid_t pid; /* 0: not running */
    int port;
};

/* Starts it and waits until it is ready. 0, -ENOENT: there is no such program, or -EPROTO: it did
 * not come to that. */
int server_start(struct server *s, const struct peer *peer, const char *mode_z);
void server_stop(struct server *s);

/* Bytes in memory. */
size_t server_rss(const struct server *s);

/* The path of a program of this folder. */
void program_path(char *out_z, size_t cap, const char *program_z);

/* This process, from now on, on that CPU if there is one. */
void pin(int cpu);
void unpin(void);

#endif
