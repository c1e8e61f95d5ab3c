/* A client that keeps a connection up: Twisted's ReconnectingClientFactory and ClientService. It
 * connects; when that fails or the connection ends it waits and tries again, each time longer.
 *
 *     struct reel_reconnect *c = NULL;
 *     reel_reconnect_new(r, "tcp:broker.example.org:4222", &factory, NULL, &c);
 *     reel_reconnect_start(c);
 *
 * The factory's protocol hears `made`, `failed` and `lost` of each connection as always, and needs to
 * know nothing of it. */
#ifndef REEL_RECONNECT_H
#define REEL_RECONNECT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_deferred;
struct reel_factory;
struct reel_reactor;
struct reel_reconnect;
struct reel_transport;

/* Zero fields take the defaults. */
struct reel_reconnect_options {
    int64_t first_ns;   /* the first wait */
    int64_t max_ns;     /* the longest */
    double factor;      /* each wait is so many times the one before; at least 1 */
    double jitter;      /* each is shortened or lengthened by up to this share of it, so that a
                        * server that comes back is not met by all at once; below 1; negative: none */
    int64_t lasted_ns;  /* a connection that lasted so long was good: the waits begin anew */
    uint32_t tries_max; /* attempts in a row, after which it gives up; 0: it never does */
    uint64_t seed;      /* of the jitter; 0: one of the system's */
};

/* What stands for a field that is zero. */
#define REEL_RECONNECT_FIRST_NS  (INT64_C(1) * 1000000000)
#define REEL_RECONNECT_MAX_NS    (INT64_C(60) * 1000000000)
#define REEL_RECONNECT_FACTOR    1.5
#define REEL_RECONNECT_JITTER    0.2
#define REEL_RECONNECT_LASTED_NS (INT64_C(10) * 1000000000)

/* The endpoint is copied (reel/endpoint.h: clients), the options too. It stays until
 * reel_reconnect_free or the reactor's end. 0; -EINVAL: not an endpoint, or options out of their
 * range; -ENOMEM. */
int reel_reconnect_new(struct reel_reactor *r, const char *endpoint_z,
                       const struct reel_factory *factory,
                       const struct reel_reconnect_options *options, struct reel_reconnect **out);

/* Stops it, without a word to its connection's protocol, which is closed in order and hears `lost`
 * (an attempt: `failed`) when that is through. Also from callbacks. NULL is fine. */
void reel_reconnect_free(struct reel_reconnect *c);

/* Begins in the next turn, with the waits at their first. No effect when started. */
void reel_reconnect_start(struct reel_reconnect *c);

/* No more attempts; one under way is aborted, a connection closed in order. It may be started again.
 * Who waits for a connection hears -ECANCELED. */
void reel_reconnect_stop(struct reel_reconnect *c);

/* Whether it is started and has not given up. */
bool reel_reconnect_is_started(const struct reel_reconnect *c);

/* The connection that is up now, or NULL: from after `made` to the end of `lost`. */
struct reel_transport *reel_reconnect_transport(const struct reel_reconnect *c);

/* Attempts in a row that have failed, and the reason (-errno) of the last; 0 when there are none. */
uint32_t reel_reconnect_failures(const struct reel_reconnect *c, int *reason);

/* Fires with the transport (`pointer`) as soon as there is a connection; at once if there is one. The
 * transport is sure to be there in the first callback, and as long as its protocol has not heard
 * `lost`. After `failures_max` attempts that failed from now on (0: as many as it takes), or when it
 * gives up, it hears the last one's error. Twisted's whenConnected. NULL: out of memory. */
struct reel_deferred *reel_reconnect_when_connected(struct reel_reconnect *c,
                                                    uint32_t failures_max);

#ifdef __cplusplus
}
#endif

#endif
