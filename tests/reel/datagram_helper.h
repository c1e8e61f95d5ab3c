/* What the tests of datagrams share: two protocols that note what they see. */
#ifndef TESTS_REEL_DATAGRAM_HELPER_H
#define TESTS_REEL_DATAGRAM_HELPER_H

#include "helper.h"

struct seen {
    int made, received, refused, full, drained, lost;
    int reason, refusal;
    size_t bytes;
    size_t lens[512]; /* of the first ones */
    char data[64];    /* of the last one */
    struct reel_address from;
    struct reel_datagram_local local;
    bool echo, reply_local;
    int pause_at; /* pauses after so many */
    int fd;       /* taken; -1: none */
    bool take_fd;
    struct reel_datagram *d;
};

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct seen a, b;
    struct reel_datagram_factory a_factory, b_factory;
    int fds;
};

/* Its state is a struct seen, by reel_datagram_shared. */
extern const struct reel_datagram_protocol seeing;

/* The state is a struct fixture; what is open and allocated at the end fails the test. */
int set_up(void **state);
int set_up_virtual(void **state);
int tear_down(void **state);

/* Turns until the value is `wanted`; not more. */
void run_until_at_least(struct fixture *f, const int *value, int wanted);

/* Two sockets on loopback: `a` bound, `b` connected to it. */
void open_two(struct fixture *f, const char *endpoint_z, const char *host_z,
              struct reel_datagram **a, struct reel_datagram **b);

#endif
