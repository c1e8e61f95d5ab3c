/* The one bridge between the protocols' machines and the engine: pumps any struct service
 * (session/service.h) over any transport of reel. Bytes go in and out, time goes in, records go to
 * the recorder's queue, and guests run in slices in the loop's idle time: one slice a turn, whoever
 * has used least first, so that nobody's endless loop is felt by another.
 *
 * A connection's state outlives its transport for as long as the recorder has not taken its last
 * records. */
#ifndef LURED_SERVE_H
#define LURED_SERVE_H

#include "crypto/rng.h"
#include "record/client.h"
#include "session/service.h"

#include <reel/protocol.h>
#include <reel/reactor.h>
#include <reel/timer.h>

/* Instructions that one guest runs before others get their turn: half a millisecond. */
#define SERVE_SLICE UINT64_C(100000)
/* What a connection that has waited may use before those that compute have their turns again. What
 * is used is time of the processor, and not instructions: of those a short turn has few, and many
 * things that a guest makes us do cost more than they count. */
#define SERVE_CREDIT_NS INT64_C(20000000)
/* How often connections that were refused are told, as one event. */
#define SERVE_SHED_MS INT64_C(1000)

/* Every so many turns of guests one goes to what makes the machines at rest smaller. */
#define SERVE_MODEL_TURNS 4
/* How long after guests ran what they no longer need goes back to the host. */
#define SERVE_TRIM_MS INT64_C(5000)

struct serve_connection;

/* All that the connections of a sensor share. */
struct serve {
    struct reel_reactor *reactor;
    struct record_client *client;
    struct crypto_rng rng; /* seeds of connections */
    size_t connections_max;
    void (*on_empty)(struct serve *serve); /* the last connection is gone and recorded */
    void *context;                         /* the owner's */

    struct reel_idle idle;
    struct kernel_snapshots *snapshots;    /* learned from when no guest wants to run; NULL: none */
    struct serve_connection *all;          /* a list */
    struct serve_connection *first, *last; /* those with a guest that can run, by what they used */
    int64_t used_ns;                       /* by the one that ran last */
    int64_t (*cpu_ns)(void);               /* time of the processor; tests have their own */
    unsigned turns;                        /* of guests */
    size_t connections;
    uint64_t shed; /* refused since the last event about it */
    struct event_sensor sensor;
    struct buffer own; /* records of the sensor itself */
    struct reel_timer shed_timer;
    struct reel_timer trim_timer;
    bool trims;                 /* the timer runs */
    int64_t clock_us, clock_ns; /* where wall and steady time were last brought together */
};

/* One service at one or more endpoints: a factory for reel_listen. */
struct serve_port {
    struct serve *serve;
    const struct service *service;
    struct session_host *host;
    struct reel_factory factory;
};

/* In the caller's memory. `seed` is fresh randomness. 0 or -ENOMEM. */
int serve_init(struct serve *serve, struct reel_reactor *r, struct record_client *client,
               const struct event_sensor *sensor, const uint8_t seed[CRYPTO_RNG_SEED_BYTES]);
/* Before reel_reactor_free: connections end, and records that wait for the recorder are dropped. */
void serve_fini(struct serve *serve);

/* Sets up `port` (in the caller's memory, as long as its connections). */
void serve_port_init(struct serve_port *port, struct serve *serve, const struct service *service,
                     struct session_host *host);

/* An event of the sensor itself. */
void serve_tell(struct serve *serve, const struct event *e);

/* The recorder has answered: for record_client.on_visit. */
void serve_on_visit(struct serve *serve, const struct frame_visit *visit);

/* The recorder has room again: for record_client.on_room. */
void serve_on_room(struct serve *serve);

/* Ends every connection; on_empty follows, at once if there is none. */
void serve_stop(struct serve *serve);

/* Microseconds since 1970 that never go back while there are connections. */
int64_t serve_now_us(const struct serve *serve);

#endif
