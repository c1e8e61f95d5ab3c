/* The SOCKS server: what a client says, step by step; then it is a relay. */
#include <reel/socks.h>

#include "reel/list.h"
#include "reel/relay.h"
#include "reel/socks_message.h"

#include <reel/timer.h>
#include <reel/transport.h>

#include <errno.h>
#include <stdio.h>

struct client {
    struct relay_client relay; /* first */
    struct reel_transport *transport;
    struct reel_timer handshake;
    enum socks_stage stage;
    int version;
    char user_z[SOCKS_TEXT_MAX + 1];
};

static void on_too_slow(struct reel_timer *timer)
{
    struct client *client = CONTAINER_OF(timer, struct client, handshake);
    reel_abort_as(client->transport, -ETIMEDOUT);
}

static void client_made(struct reel_transport *t)
{
    const struct reel_socks *socks = reel_shared(t);
    struct client *client = reel_state(t);
    client->transport = t;
    if (reel_timer_init(&client->handshake, reel_reactor_of(t), on_too_slow) < 0) {
        reel_abort_as(t, -ENOMEM);
        return;
    }
    reel_timer_start(&client->handshake,
                     socks->handshake_ns > 0 ? socks->handshake_ns : REEL_SOCKS_HANDSHAKE_NS);
}

static void reply(struct reel_transport *t, enum socks_result result,
                  const struct reel_address *bound)
{
    const struct client *client = reel_state(t);
    uint8_t out[SOCKS_REPLY_MAX];
    reel_write(t, out, reel_socks_reply(client->version, result, bound, out));
}

/* The last word. */
static void refuse(struct reel_transport *t, enum socks_result result)
{
    const struct reel_address none = {0};
    reply(t, result, &none);
    reel_close(t);
}

static struct reel_socks_request request_of(const struct client *client, const char *host_z,
                                            uint16_t port)
{
    struct reel_socks_request request = {
        .version = client->version,
        .host_z = host_z,
        .port = port,
        .user_z = client->user_z,
    };
    if (reel_address_set(&request.address, host_z, port) < 0)
        request.address.length = 0;
    return request;
}

static void on_connected(struct relay *relay, int err)
{
    struct reel_address bound = {0};
    if (err < 0) {
        refuse(relay->client, reel_socks_result(err));
        return;
    }
    if (reel_host(relay->target, &bound) < 0)
        bound.length = 0;
    reply(relay->client, SOCKS_OK, &bound);
    reel_relay_join(relay);
}

static void on_ended(struct relay *relay, uint64_t sent, uint64_t received)
{
    const struct reel_socks *socks = relay->owner;
    const struct reel_socks_request request =
        request_of(reel_state(relay->client), relay->host_z, relay->dial.port);
    socks->ended(socks, relay->client, &request, relay->reason, sent, received);
}

static void begin(struct reel_transport *t, const struct socks_message *message)
{
    struct reel_socks *socks = reel_shared(t);
    struct client *client = reel_state(t);
    struct relay *relay = reel_relay_new(t, socks, on_connected);
    if (!relay) {
        refuse(t, SOCKS_FAILED);
        return;
    }
    reel_timer_fini(&client->handshake);
    snprintf(relay->host_z, sizeof(relay->host_z), "%s", message->host_z);
    relay->ended = socks->ended ? on_ended : NULL;
    relay->factory.options = socks->to_options;
    relay->factory.filters = socks->to_filters;
    relay->dial.host_z = relay->host_z;
    relay->dial.port = message->port;
    relay->dial.timeout_ns = socks->timeout_ns;
    int err = reel_dial(socks->dialer, reel_reactor_of(t), &relay->dial);
    reel_relay_begun(relay, err);
    if (err < 0)
        refuse(t, reel_socks_result(err));
}

static void on_request(struct reel_transport *t, const struct socks_message *message)
{
    const struct reel_socks *socks = reel_shared(t);
    const struct reel_socks_request request =
        request_of(reel_state(t), message->host_z, message->port);
    if (message->command != SOCKS_COMMAND_CONNECT)
        refuse(t, SOCKS_NO_COMMAND);
    else if (message->bad_address)
        refuse(t, SOCKS_NO_ADDRESS);
    else if (socks->allows && !socks->allows(socks, t, &request))
        refuse(t, SOCKS_NOT_ALLOWED);
    else
        begin(t, message);
}

static void keep_user(struct reel_transport *t, const struct socks_message *message)
{
    struct client *client = reel_state(t);
    snprintf(client->user_z, sizeof(client->user_z), "%s", message->user_z);
}

static void on_v4(struct reel_transport *t, const struct socks_message *message)
{
    const struct reel_socks *socks = reel_shared(t);
    keep_user(t, message);
    if (socks->checks && !socks->checks(socks, t, message->user_z, NULL))
        refuse(t, SOCKS_NO_LOGIN);
    else
        on_request(t, message);
}

static void on_greeting(struct reel_transport *t, const struct socks_message *message)
{
    const struct reel_socks *socks = reel_shared(t);
    struct client *client = reel_state(t);
    client->version = message->version;
    if (message->version == 4) {
        on_v4(t, message);
        return;
    }
    bool fits = socks->checks ? message->offers_login : message->offers_none;
    const uint8_t answer[] = {5, !fits ? 0xff : socks->checks ? 2 : 0};
    reel_write(t, answer, sizeof(answer));
    client->stage = socks->checks ? SOCKS_LOGIN : SOCKS_REQUEST;
    if (!fits)
        reel_close(t);
}

static void on_login(struct reel_transport *t, const struct socks_message *message)
{
    const struct reel_socks *socks = reel_shared(t);
    struct client *client = reel_state(t);
    bool good = socks->checks(socks, t, message->user_z, message->password_z);
    const uint8_t answer[] = {1, good ? 0 : 1};
    reel_write(t, answer, sizeof(answer));
    keep_user(t, message);
    client->stage = SOCKS_REQUEST;
    if (!good)
        reel_close(t);
}

static size_t client_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    static void (*const steps[])(struct reel_transport * t, const struct socks_message *message) = {
        [SOCKS_GREETING] = on_greeting,
        [SOCKS_LOGIN] = on_login,
        [SOCKS_REQUEST] = on_request,
    };
    const struct client *client = reel_state(t);
    size_t at = 0;
    while (at < len && reel_may_go_on(t)) { /* a relay pauses the client */
        struct socks_message message;
        int size = reel_socks_parse(client->stage, data + at, len - at, &message);
        if (size == 0)
            reel_need_more(t, SOCKS_MESSAGE_MAX);
        if (size < 0)
            reel_close(t);
        if (size <= 0)
            break;
        at += (size_t)size;
        steps[client->stage](t, &message);
    }
    return at;
}

static void client_lost(struct reel_transport *t, int reason)
{
    struct client *client = reel_state(t);
    reel_timer_fini(&client->handshake);
    reel_relay_client_lost(client->relay.relay, reason);
}

static const struct reel_protocol client_protocol = {
    .name_z = "socks",
    .state_size = sizeof(struct client),
    .made = client_made,
    .data = client_data,
    .lost = client_lost,
};

void reel_socks_init(struct reel_socks *socks)
{
    socks->factory = (struct reel_factory){.protocol = &client_protocol, .shared = socks};
}
