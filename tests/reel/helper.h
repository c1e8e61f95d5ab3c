/* What the engine's tests share: a reactor with a failing allocator and a leak check, a peer that
 * records what happens to it, blocking sockets of the test's own. */
#ifndef TESTS_REEL_HELPER_H
#define TESTS_REEL_HELPER_H

#include <reel/reel.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* An allocator that counts what is out, and fails when told. */
struct counting_allocator {
    size_t live;     /* allocations not yet freed */
    size_t bytes;    /* in them */
    long fail_after; /* so many succeed, then all fail; negative: none fails */
    bool fail_once;  /* then only one does */
};

struct reel_allocator counting_allocator(struct counting_allocator *counts);

/* What a connection went through. Given as the factory's `shared`. */
struct record {
    int made, failed, eof, lost, full, drained, idle;
    int reason;
    size_t received; /* bytes */
    char data[256];  /* the first of them, NUL-terminated */
    struct reel_transport *t;
    char order[64]; /* a letter a callback: m d e l f u(full) r(drained) i */
};

/* Writes all it can into its record, takes all data; keeps its half when the peer shuts. */
extern const struct reel_protocol recording_protocol;
/* The same, echoing. */
extern const struct reel_protocol echo_protocol;

/* Turns until *flag is not 0, or `turns` are over (then it fails the test). */
void run_until(struct reel_reactor *r, const int *flag);
/* So many turns, waiting at most a millisecond in each. */
void run_turns(struct reel_reactor *r, int turns);

/* A listener on a port of the system's choice. */
struct reel_listener *listen_local(struct reel_reactor *r, const struct reel_factory *factory);

/* A blocking client socket connected to the listener. */
int connect_blocking(const struct reel_listener *l);

/* A blocking client socket connected to the Unix socket at `path_z`, as soon as somebody listens. */
int connect_when_it_listens(const char *path_z);

/* How many descriptors this process has. */
int count_fds(void);

#endif
