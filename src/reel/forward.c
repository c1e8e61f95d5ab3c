/* The port forwarder. */
#include <reel/forward.h>

#include "reel/relay.h"

#include <reel/endpoint.h>
#include <reel/transport.h>

#include <errno.h>

static void on_connected(struct relay *relay, int err)
{
    if (err < 0)
        reel_abort_as(relay->client, err);
    else
        reel_relay_join(relay);
}

static void on_ended(struct relay *relay, uint64_t sent, uint64_t received)
{
    const struct reel_forward *forward = relay->owner;
    forward->ended(forward, relay->client, relay->reason, sent, received);
}

static void client_made(struct reel_transport *t)
{
    struct reel_forward *forward = reel_shared(t);
    struct relay *relay = reel_relay_new(t, forward, on_connected);
    if (!relay) {
        reel_abort_as(t, -ENOMEM);
        return;
    }
    relay->ended = forward->ended ? on_ended : NULL;
    relay->factory.options = forward->to_options;
    relay->factory.filters = forward->to_filters;
    struct reel_reactor *r = reel_reactor_of(t);
    struct reel_transport **out = &relay->dial.transport;
    int err = forward->connect ? forward->connect(forward, r, &relay->factory, out)
                               : reel_connect(r, forward->to_z, &relay->factory, out);
    reel_relay_begun(relay, err);
    if (err < 0)
        reel_abort_as(t, err);
}

static void client_lost(struct reel_transport *t, int reason)
{
    const struct relay_client *client = reel_state(t);
    reel_relay_client_lost(client->relay, reason);
}

static const struct reel_protocol client_protocol = {
    .name_z = "forward",
    .state_size = sizeof(struct relay_client),
    .made = client_made,
    .lost = client_lost,
};

void reel_forward_init(struct reel_forward *forward)
{
    forward->factory = (struct reel_factory){.protocol = &client_protocol, .shared = forward};
}
