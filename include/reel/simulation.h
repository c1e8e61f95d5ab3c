/* A network of hosts in virtual time, for tests. Programs run on it unchanged: on a test reactor that
 * has a simulation, reel_listen, reel_connect, reel_listen_datagram and all that is built on them do not
 * touch the kernel. Links have delay, jitter, bandwidth and faults. All chance comes from one seed: the
 * same seed and the same program give the same run, byte for byte. So a test that plays many seeds needs
 * to print no more than the seed of the run that failed.
 *
 *     struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
 *     struct reel_simulation *net = reel_simulation_new(r, seed);
 *     struct reel_simulated_host *server = reel_simulation_host(net, "10.0.0.1");
 *     struct reel_simulated_host *client = reel_simulation_host(net, "10.0.0.2");
 *     const struct reel_path bad = {.delay_ns = 20 * REEL_MS, .lose_ppm = 10000};
 *     reel_simulation_set_path(net, NULL, NULL, &bad);
 *     reel_listen(r, "tcp:80:interface=10.0.0.1", &factory, NULL);
 *     reel_simulation_use(client);
 *     reel_connect(r, "tcp:10.0.0.1:80", &client_factory, NULL);
 *     reel_test_advance(r, REEL_SECOND);
 *
 * Connecting takes a round trip, as TCP's handshake does:
 *   - nobody listens at the port: failed(-ECONNREFUSED), a round trip later
 *   - no host has the address: failed(-EHOSTUNREACH), after the way there
 *   - the host is cut off, or the listener is paused: asked again after REEL_SIMULATION_RETRY_NS, twice
 *     that and so on, until the connection's time is over: failed(-ETIMEDOUT)
 * Bytes of a connection are neither lost nor swapped: a loss is a delay, of what is behind it too. What
 * is sent to a closed end is answered by a reset. Datagrams are lost, overtaken and doubled for real.
 * Unix sockets, multicast and broadcast are not simulated: -EOPNOTSUPP. */
#ifndef REEL_SIMULATION_H
#define REEL_SIMULATION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_reactor;
struct reel_simulated_host;
struct reel_simulation;

#define REEL_SIMULATION_RETRY_NS      INT64_C(1000000000) /* before a connection is asked for again */
#define REEL_SIMULATION_RESEND_NS     INT64_C(200000000)
#define REEL_SIMULATION_HOSTS_MAX     4096
#define REEL_SIMULATION_PATHS_MAX     4096
#define REEL_SIMULATION_ADDRESSES_MAX 4 /* of one host */

/* One direction between two hosts. Zero fields take the defaults. A millionth is a part of all sends, or
 * of all datagrams. */
struct reel_path {
    int64_t delay_ns;          /* everything arrives so much later ... */
    int64_t jitter_ns;         /* ... and up to so much more */
    uint64_t bytes_per_second; /* of each connection or datagram socket; 0: no limit */
    uint32_t lose_ppm;         /* millionths */
    uint32_t reorder_ppm;      /* held up by `reorder_ns`, so that what comes behind overtakes it */
    uint32_t double_ppm;       /* datagrams only */
    int64_t reorder_ns;        /* 0: REEL_SIMULATION_RESEND_NS */
    int64_t resend_ns;         /* connections: a loss costs so much; 0: REEL_SIMULATION_RESEND_NS */
    size_t buffer_max; /* bytes under way and not read, before the sender has to wait (datagrams:
                        * are dropped); 0: REEL_WIRE_DEFAULT. Small: a slow reader, a small window */
    size_t chunk_max;  /* at most so many bytes are read at a time; 0: no limit */
    size_t send_max;   /* at most so many are taken by one send; 0: no limit */
    uint64_t reset_at; /* a connection is reset, for both ends, when so many bytes went this way; 0:
                        * it is not */
};

/* A simulation with no hosts, for a reactor of reel_test_reactor_new; it belongs to the reactor and ends
 * with it. NULL with errno set: ENOMEM, EINVAL (a reactor in real time), EEXIST (it has one). */
struct reel_simulation *reel_simulation_new(struct reel_reactor *r, uint64_t seed);

/* The host with this numeric address ("10.0.0.1", "2001:db8::1"), made when there is none. The first one
 * is in use. NULL with errno set: EINVAL, ENOMEM, ENOSPC. */
struct reel_simulated_host *reel_simulation_host(struct reel_simulation *s, const char *address_z);

/* Another address for a host. 0, -EINVAL, -EADDRINUSE (of any host), -ENOSPC. */
int reel_simulation_add_address(struct reel_simulated_host *host, const char *address_z);

/* Who listens and connects from now on, if that is done without an own address (`interface=`,
 * `bindAddress=`). */
void reel_simulation_use(struct reel_simulated_host *host);

/* How it is from one host to another, from now on; NULL: from any, to any. The closest rule holds: both
 * hosts, then `from`, then `to`, then none. What is under way keeps its time; buffers and `reset_at` are
 * those of when the connection was made. 0, -ENOMEM, -ENOSPC. */
int reel_simulation_set_path(struct reel_simulation *s, const struct reel_simulated_host *from,
                             const struct reel_simulated_host *to, const struct reel_path *path);

/* Nothing passes between two hosts any more, in both directions, until healed; `b` NULL: between `a`
 * and all others. Connections live on: their bytes wait. Datagrams are lost. Cuts do not add up: one heal
 * undoes any cuts of the same two. 0, -ENOMEM, -ENOSPC. */
int reel_simulation_cut(struct reel_simulated_host *a, struct reel_simulated_host *b);
void reel_simulation_heal(struct reel_simulated_host *a, struct reel_simulated_host *b);

/* Resets all connections of a host that are open now, as if it had been switched off and on. The peers
 * hear -ECONNRESET after the way to them, its own ends at once. Listeners stay. */
void reel_simulation_reset(struct reel_simulated_host *host);

/* Chance of the simulation's seed, for the test's own decisions: 0 to `below` - 1, or 0. */
uint32_t reel_simulation_draw(struct reel_simulation *s, uint32_t below);

/* A number made of all that was sent so far: when, from where to where, and each byte. Two runs with the
 * same number were the same. */
uint64_t reel_simulation_digest(const struct reel_simulation *s);

#ifdef __cplusplus
}
#endif

#endif
