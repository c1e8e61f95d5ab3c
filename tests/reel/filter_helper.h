/* Filters that are made for tests, and an end of a wire in virtual time that has them. */
#ifndef TESTS_REEL_FILTER_HELPER_H
#define TESTS_REEL_FILTER_HELPER_H

#include "helper.h"

/* For greeter_type. */
struct greeting {
    const char *word_z;
    bool leaves;        /* the filter goes when it is done */
    int64_t timeout_ns; /* 0: the default */
    int refuse;         /* `open` says this */
    int opened, closed, starts;
    bool was_reset;
};

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct record record;
    struct reel_factory factory;
    struct reel_filter_use uses[4];
    struct greeting greeting;
    struct greeting *greeting_at;
    struct reel_test_peer *peer;
    struct reel_transport *t;
    uint8_t key;
    size_t rate;
};

/* A cipher; a handshake; so many bytes a second; one that says goodbye; one that does nothing. */
extern const struct reel_filter_type xor_type, greeter_type, throttle_type, leaver_type,
    nothing_type;

/* The state is a struct fixture; what is open and allocated at the end fails the test. */
int set_up(void **state);
int tear_down(void **state);

/* The fixture's end of a wire, whose other end is the test's. */
void meet(struct fixture *f, const struct reel_wire *wire);
void send_text(struct fixture *f, const char *text_z);
/* All that came to the test's end is this. */
void expect_received(struct fixture *f, const char *text_z);

#endif
