/* The server's half of the handshake, on the HTTP server's upgrade (RFC 6455, 4.2). */
#include "reel/websocket/connection.h"

#include <reel/http.h>

#include <errno.h>

struct refusal {
    int status, err;
};

static bool has(const struct reel_http_text *text)
{
    return text->data != NULL;
}

/* What is wrong with the request; err 0: nothing. */
static struct refusal look_at(struct reel_http_request *q,
                              const struct reel_websocket_options *options)
{
    struct reel_http_text version = reel_http_get(q, "Sec-WebSocket-Version");
    struct reel_http_text key = reel_http_get(q, "Sec-WebSocket-Key");
    struct reel_http_text origin = reel_http_get(q, "Origin");
    struct reel_http_text host = reel_http_host(q);
    if (!reel_http_is(q, "GET") || !has(&key) || !reel_ws_is_key(key.data, key.len))
        return (struct refusal){400, -EINVAL};
    if (!has(&version) || version.len != 2 || version.data[0] != '1' || version.data[1] != '3')
        return (struct refusal){426, -EPROTONOSUPPORT};
    if (!has(&origin))
        return (struct refusal){0, 0};
    bool wanted = options && options->origin
                      ? options->origin(options->context, q, origin.data, origin.len)
                      : reel_ws_is_same_origin(origin.data, origin.len, host.data, host.len);
    return wanted ? (struct refusal){0, 0} : (struct refusal){403, -EACCES};
}

static int refuse(struct reel_http_request *q, struct refusal why)
{
    if (why.status == 426) {
        reel_http_set(q, "Sec-WebSocket-Version", "13");
        reel_http_set(q, "Upgrade", "websocket");
    }
    reel_http_error(q, why.status);
    return why.err;
}

/* 0 or -errno, and then the request is still to be answered. */
static int upgrade(struct reel_http_request *q, struct reel_websocket *ws)
{
    char accept[WS_ACCEPT_LEN + 1];
    reel_ws_accept_key(reel_http_get(q, "Sec-WebSocket-Key").data, accept);
    int err = reel_http_set(q, "Sec-WebSocket-Accept", accept);
    struct reel_http_text theirs = reel_http_get(q, "Sec-WebSocket-Protocol");
    if (err == 0 && ws->options->protocols_z && has(&theirs) &&
        reel_ws_choose_protocol(ws->options->protocols_z, theirs.data, theirs.len, ws->protocol_z))
        err = reel_http_set(q, "Sec-WebSocket-Protocol", ws->protocol_z);
    struct reel_transport *t = NULL;
    if (err == 0)
        err = reel_http_upgrade(q, "websocket", &reel_ws_protocol, &t);
    if (err == 0)
        reel_ws_open(ws, t);
    return err;
}

int reel_websocket_accept(struct reel_http_request *q, const struct reel_websocket_handler *handler,
                          const struct reel_websocket_options *options, void *shared,
                          struct reel_websocket **out)
{
    struct refusal why = look_at(q, options);
    if (why.err < 0)
        return refuse(q, why);
    struct reel_websocket *ws = reel_ws_new(reel_http_reactor(q), false, handler, options, shared);
    int err = ws ? upgrade(q, ws) : -ENOMEM;
    if (err < 0) {
        if (ws)
            reel_ws_free(ws);
        return refuse(q, (struct refusal){err == -EINVAL || err == -EBUSY ? 400 : 500, err});
    }
    if (out)
        *out = ws;
    return 0;
}
