/* Two connections made into one: what comes from either goes to the other, at the pace of the slower
 * one, with half closes; and a server that does just that, Twisted's portforward. */
#ifndef REEL_FORWARD_H
#define REEL_FORWARD_H

#include <reel/protocol.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_forward;
struct reel_listener;
struct reel_reactor;
struct reel_transport;

/* At the very beginning of the state of both connections. */
struct reel_join {
    struct reel_transport *other; /* NULL: gone. The engine's */
    uint64_t received;            /* bytes from this connection's peer since they were joined */
    bool starved;                 /* the engine's */

    /* Set by the caller before the join: this connection's `lost`. NULL: nothing. */
    void (*lost)(struct reel_transport *t, int reason);
};

/* From here on both connections belong to the join, and their protocols are called no more (but
 * join->lost). Reading resumes on both; bytes that their `data` did not take go to the other.
 *   - above the high watermark of one, the other is not read until it has drained
 *   - an EOF of one, also one that came before, shuts the other's writing half; when both are shut
 *     both end in order
 *   - a connection lost in order closes the other one, else (a reset) it is reset too
 * Both have been made, and are states of at least sizeof(struct reel_join) bytes. 0, or -EPIPE: one
 * is closing, and nothing was done. */
int reel_join(struct reel_transport *a, struct reel_transport *b);

/* A port forwarder, in the caller's memory until all its connections are gone (the end of the
 * reactor). Fill in, call reel_forward_init, and listen with &forward->factory:
 *
 *     struct reel_forward forward = {.to_z = "tcp:192.0.2.1:80"};
 *     reel_forward_init(&forward);
 *     reel_listen(reactor, "tcp:8080", &forward.factory, NULL);
 */
struct reel_forward {
    const char *to_z; /* a client endpoint; stays */

    /* In place of reel_connect(r, forward->to_z, factory, out), see there. NULL: that. */
    int (*connect)(const struct reel_forward *forward, struct reel_reactor *r,
                   const struct reel_factory *factory, struct reel_transport **out);

    /* For the connections to there: watermarks, idle time, filters. Zero: the defaults. */
    struct reel_options to_options;
    const struct reel_filter_use *to_filters;

    /* Tells of ends, for logs: bytes from the client, and from there. `reason` 0: in order;
     * -errno of the connection that was lost first, or why there was none. NULL: nothing. */
    void (*ended)(const struct reel_forward *forward, struct reel_transport *client, int reason,
                  uint64_t sent, uint64_t received);

    /* By reel_forward_init; its options and filters may be set after it. */
    struct reel_factory factory;
};

/* Makes the factory. Call it when `to_z` and the functions are set, before anybody listens with it. */
void reel_forward_init(struct reel_forward *forward);

#ifdef __cplusplus
}
#endif

#endif
