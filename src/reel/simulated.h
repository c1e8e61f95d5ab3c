/* A simulated network from the inside: hosts and paths (simulation.c), connections
 * (simulation_stream.c), datagrams (simulation_datagram.c). */
#ifndef REEL_SIMULATED_H
#define REEL_SIMULATED_H

#include "reel/network.h"

#include <reel/simulation.h>

struct reel_simulated_host {
    struct reel_simulation *simulation;
    struct reel_link link;
    struct reel_address addresses[REEL_SIMULATION_ADDRESSES_MAX]; /* port 0 */
    int address_count;
    uint16_t last_port; /* given to somebody who did not ask for one */
};

struct reel_simulation {
    struct network network;
    struct reel_reactor *reactor;
    struct reel_simulated_host *in_use; /* NULL: there is no host */
    struct reel_link hosts, rules, cuts;
    struct reel_link ends;      /* of connections */
    struct reel_link datagrams; /* sockets */
    size_t host_count, rule_count, cut_count;
    uint64_t chance, digest;
};

/* Where something comes from, or is. */
struct simulated_place {
    struct reel_simulated_host *host;
    struct reel_address address; /* with the port */
};

bool reel_simulation_chance(struct reel_simulation *s, uint32_t ppm);

/* Delay and jitter of a path, from `from_ns` on. */
int64_t reel_simulation_after(struct reel_simulation *s, const struct reel_path *path,
                              int64_t from_ns);

/* The rule that holds; never NULL. Valid until the next rule is set. */
const struct reel_path *reel_simulation_path(const struct reel_simulation *s,
                                             const struct reel_simulated_host *from,
                                             const struct reel_simulated_host *to);

bool reel_simulation_is_cut(const struct reel_simulation *s, const struct reel_simulated_host *a,
                            const struct reel_simulated_host *b);

/* Whose address it is; NULL: nobody's. */
struct reel_simulated_host *reel_simulation_find(const struct reel_simulation *s,
                                                 const struct reel_address *address);

/* Completes an own address: none or "any" is the host in use, whose address of `family` it becomes;
 * port 0 is a fresh one. 0, -EOPNOTSUPP (not IP), -EADDRNOTAVAIL. */
int reel_simulation_place(struct reel_simulation *s, const struct reel_address *own, int family,
                          struct simulated_place *out);

bool reel_simulation_same(const struct reel_address *a, const struct reel_address *b);

/* Takes note of what was sent. */
void reel_simulation_note(struct reel_simulation *s, const struct reel_address *from,
                          const struct reel_address *to, const struct iovec *parts, size_t len);

/* simulation_stream.c */
int reel_simulation_connect(struct network *network, const struct reel_address *address,
                            const struct reel_connect_options *options,
                            const struct reel_factory *factory, struct reel_transport **out);
/* Holds and releases all connections by what is cut. */
void reel_simulation_hold_cut(struct reel_simulation *s);

/* simulation_datagram.c */
int reel_simulation_open_datagram(struct network *network, const struct reel_address *local,
                                  const struct reel_address *peer,
                                  const struct reel_datagram_factory *factory,
                                  struct reel_datagram **out);
bool reel_simulation_has_datagram(const struct reel_simulation *s,
                                  const struct reel_address *address);

#endif
