/* For tests: time that moves only when told, and connections in memory. Any protocol runs on them
 * unchanged: they are the engine's own transports, with everything but the kernel below them. */
#ifndef REEL_TESTING_H
#define REEL_TESTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_factory;
struct reel_reactor;
struct reel_reactor_options;
struct reel_transport;

/* A reactor in virtual time: it starts at 0 ns, wall clock `wall_us`, and never sleeps. Only memory
 * transports, timers, hooks, deferred and posted calls run on it; sockets, signals and descriptors
 * are refused with -EOPNOTSUPP. `options` may be NULL. NULL: out of memory. */
struct reel_reactor *reel_test_reactor_new(const struct reel_reactor_options *options,
                                           int64_t wall_us);

/* Runs turns until nothing is left to do at this instant; then lets time pass, stopping at every
 * deadline on the way, until `ns` have passed and all is quiet again. An idle hook that always has
 * more to do gets REEL_TEST_TURNS_MAX turns an instant. Twisted's Clock.advance; 0 settles. */
void reel_test_advance(struct reel_reactor *r, int64_t ns);

#define REEL_TEST_TURNS_MAX 100000

/* Somebody sets the wall clock (reel_wall_us), forward or back. Timers do not care. */
void reel_test_set_wall(struct reel_reactor *r, int64_t wall_us);

/* Who can be connected to in virtual time, by name (reel_resolver_use_table) or by address, at any
 * port. To what is not in the list there is no route: -ENETUNREACH. */
struct reel_test_host {
    const char *address_z;             /* numeric, as reel_address_host writes it */
    const struct reel_factory *server; /* who answers; NULL: nobody ... */
    int error;                         /* ... the attempt fails with -errno; 0: hears nothing */
    int64_t delay_ns;                  /* how long the answer takes */
};

/* The list stays the caller's. On a test reactor; NULL: nobody can be connected to (-EOPNOTSUPP). */
void reel_test_hosts(struct reel_reactor *r, const struct reel_test_host *hosts, size_t count);

/* One direction of a wire. Zero fields take the defaults. */
struct reel_wire {
    size_t chunk_max; /* at most so many bytes are read at a time; 0: no limit */
    size_t
        send_max; /* at most so many bytes are accepted by one send: partial writes; 0: no limit */
    size_t buffer_max; /* bytes under way before the sender has to wait; 0: REEL_WIRE_DEFAULT */
    int64_t delay_ns;  /* each byte arrives so much later */
};

#define REEL_WIRE_DEFAULT ((size_t)64 << 10)

/* Two connected transports, `a` and `b`; both `made` come in the next turn. `a_to_b`, `b_to_a`
 * may be NULL, and are copied. 0 or -ENOMEM. On any reactor. */
int reel_test_pair(struct reel_reactor *r, const struct reel_factory *a_factory,
                   const struct reel_factory *b_factory, const struct reel_wire *a_to_b,
                   const struct reel_wire *b_to_a, struct reel_transport **a,
                   struct reel_transport **b);

/* On a transport of a pair: what this end sends no longer arrives until released (a stalled
 * network); its buffer fills, then it feels back-pressure. */
void reel_test_hold(struct reel_transport *t, bool on);

/* This end finds its connection broken with `reason` (-ECONNRESET ...) and so does the other. */
void reel_test_break(struct reel_transport *t, int reason);

/* The test itself as the peer: Twisted's StringTransport. `*t` is the protocol's end; the far end is
 * driven by the functions below, until the peer is freed. 0 or -ENOMEM. */
struct reel_test_peer;
int reel_test_peer_new(struct reel_reactor *r, const struct reel_factory *factory,
                       const struct reel_wire *wire, struct reel_test_peer **peer,
                       struct reel_transport **t);
void reel_test_peer_free(struct reel_test_peer *peer); /* NULL is fine */

/* Sends to the protocol. What does not fit yet is kept and follows. 0 or -ENOMEM, -EPIPE. */
int reel_test_send(struct reel_test_peer *peer, const void *data, size_t len);
/* All that the protocol sent and that was not dropped yet; borrowed until the next turn. */
const uint8_t *reel_test_received(const struct reel_test_peer *peer, size_t *len);
void reel_test_drop(struct reel_test_peer *peer, size_t len);
/* Stops and starts reading from the protocol: a slow reader. */
void reel_test_read(struct reel_test_peer *peer, bool on);
void reel_test_send_eof(struct reel_test_peer *peer);
void reel_test_reset(struct reel_test_peer *peer);
bool reel_test_saw_eof(const struct reel_test_peer *peer);  /* the protocol shut its half */
bool reel_test_saw_lost(const struct reel_test_peer *peer); /* the connection is gone ... */
int reel_test_reason(const struct reel_test_peer *peer);    /* ... as the peer sees it */

#ifdef __cplusplus
}
#endif

#endif
