/* What a forwarder and a SOCKS server have for each client: the connection to where it wants to go,
 * from the attempt on until both ends are gone. */
#ifndef REEL_RELAY_H
#define REEL_RELAY_H

#include <reel/dial.h>
#include <reel/forward.h>

#include <stdbool.h>
#include <stdint.h>

/* At the beginning of the client's state. */
struct relay_client {
    struct reel_join join;
    struct relay *relay; /* NULL: none yet */
};

struct relay {
    struct reel_reactor *reactor;
    struct reel_transport *client, *target; /* NULL: gone, or not there yet */
    struct reel_dial dial;                  /* to be filled in, but for factory and failed */
    struct reel_factory factory;            /* the target's: options and filters are the owner's */
    bool pending;                           /* the attempt goes on */
    int reason;                             /* the first that went wrong */
    uint64_t received;                      /* from the target, as far as it is gone */
    void *owner;

    /* The attempt is over: 0 or -errno. The client is there. */
    void (*connected)(struct relay *relay, int err);
    /* The client is being lost. NULL: nothing. */
    void (*ended)(struct relay *relay, uint64_t sent, uint64_t received);

    char host_z[256]; /* for dial.host_z: it may be looked up when the client is gone */
};

/* For a client whose state begins with a struct relay_client, and which is not read until there is a
 * target. NULL: out of memory. */
struct relay *reel_relay_new(struct reel_transport *client, void *owner,
                             void (*connected)(struct relay *relay, int err));

/* An attempt was begun with relay->dial, or relay->factory: `err` is what was said to that. If it is
 * an error there will be no `connected`. */
void reel_relay_begun(struct relay *relay, int err);

/* In `connected`, or later: makes both one. What the client sent meanwhile goes first. */
void reel_relay_join(struct relay *relay);

/* From the client's `lost`; a joined one does it by itself. NULL is fine. */
void reel_relay_client_lost(struct relay *relay, int reason);

#endif
