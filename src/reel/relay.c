#include "reel/relay.h"

#include "reel/list.h"
#include "reel/loop.h"

#include <reel/transport.h>

#include <errno.h>

static void note(struct relay *relay, int reason)
{
    if (relay->reason == 0)
        relay->reason = reason;
}

static void free_if_over(struct relay *relay)
{
    if (!relay->client && !relay->target && !relay->pending)
        reel_memory_free(relay->reactor, relay);
}

void reel_relay_client_lost(struct relay *relay, int reason)
{
    if (!relay)
        return;
    const struct relay_client *client = reel_state(relay->client);
    const struct reel_join *target = relay->target ? reel_state(relay->target) : NULL;
    note(relay, reason);
    if (relay->ended)
        relay->ended(relay, client->join.received, target ? target->received : relay->received);
    if (relay->pending && relay->dial.transport)
        reel_abort(relay->dial.transport); /* nobody waits for it any more */
    else if (relay->target && !client->join.other)
        reel_close(relay->target);
    relay->client = NULL;
    free_if_over(relay);
}

static void client_lost(struct reel_transport *t, int reason)
{
    const struct relay_client *client = reel_state(t);
    reel_relay_client_lost(client->relay, reason);
}

static void target_made(struct reel_transport *t)
{
    struct relay *relay = reel_shared(t);
    relay->pending = false;
    relay->target = t;
    if (relay->client)
        relay->connected(relay, 0);
    else
        reel_abort(t);
}

/* Before there was a connection. */
static void attempt_failed(struct relay *relay, int reason)
{
    relay->pending = false;
    note(relay, reason);
    if (relay->client)
        relay->connected(relay, reason);
    else
        free_if_over(relay);
}

static void target_failed(struct reel_transport *t, int reason)
{
    attempt_failed(reel_shared(t), reason);
}

static void dial_failed(struct reel_dial *dial, int reason)
{
    attempt_failed(CONTAINER_OF(dial, struct relay, dial), reason);
}

static void target_lost(struct reel_transport *t, int reason)
{
    const struct reel_join *join = reel_state(t);
    struct relay *relay = reel_shared(t);
    note(relay, reason);
    relay->target = NULL;
    relay->received = join->received;
    free_if_over(relay);
}

static const struct reel_protocol target_protocol = {
    .name_z = "relay target",
    .state_size = sizeof(struct reel_join),
    .made = target_made,
    .failed = target_failed,
    .lost = target_lost,
};

struct relay *reel_relay_new(struct reel_transport *client, void *owner,
                             void (*connected)(struct relay *relay, int err))
{
    struct relay_client *state = reel_state(client);
    struct relay *relay = reel_memory_new_zeroed(reel_reactor_of(client), sizeof(*relay));
    if (!relay)
        return NULL;
    relay->reactor = reel_reactor_of(client);
    relay->client = client;
    relay->owner = owner;
    relay->connected = connected;
    relay->factory = (struct reel_factory){.protocol = &target_protocol, .shared = relay};
    relay->dial = (struct reel_dial){.factory = &relay->factory, .failed = dial_failed};
    relay->pending = true;
    state->relay = relay;
    reel_pause_reading(client);
    return relay;
}

void reel_relay_begun(struct relay *relay, int err)
{
    if (err < 0) {
        relay->pending = false;
        note(relay, err);
    }
}

void reel_relay_join(struct relay *relay)
{
    struct reel_join *client = reel_state(relay->client), *target = reel_state(relay->target);
    client->lost = client_lost;
    target->lost = target_lost;
    if (reel_join(relay->client, relay->target) < 0)
        reel_abort(relay->target);
}
