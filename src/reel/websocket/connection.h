/* A websocket from the inside: what both sides share once there is a connection. */
#ifndef REEL_WEBSOCKET_CONNECTION_H
#define REEL_WEBSOCKET_CONNECTION_H

#include "reel/websocket/handshake.h"
#include "reel/websocket/machine.h"

#include <reel/protocol.h>
#include <reel/timer.h>
#include <reel/websocket.h>

struct ws_attempt; /* a client that is not open yet (client.c) */
struct ws_link;    /* what a client's connection needs as long as it lives (client.c) */

struct reel_websocket {
    struct reel_reactor *reactor;
    struct reel_transport *t; /* NULL: none yet */
    const struct reel_websocket_handler *handler;
    const struct reel_websocket_options *options;
    void *shared;
    struct ws_attempt *attempt;
    struct ws_link *link; /* NULL on a server */
    struct ws_machine m;
    struct reel_timer timer; /* open: keep-alive; closing: how long that may take */
    struct reel_timer soon;  /* something is to be done in the next turn */
    int64_t heard_ns;        /* the last byte of the peer */
    bool opened;             /* told */
    bool paused;
    bool asked;    /* a ping is out */
    bool in_parts; /* a message in parts is being sent */
    bool close_sent, close_heard;
    int reason; /* of the end, when it is ours to say */
    uint16_t end_code;
    size_t end_len;
    char end_text[REEL_WEBSOCKET_TEXT_MAX];
    char protocol_z[WS_PROTOCOL_MAX]; /* "": none */
};

/* NULL: out of memory. `options` may be NULL. */
struct reel_websocket *reel_ws_new(struct reel_reactor *r, bool is_client,
                                   const struct reel_websocket_handler *handler,
                                   const struct reel_websocket_options *options, void *shared);
void reel_ws_free(struct reel_websocket *ws);

/* The handshake is done: `t` has reel_ws_protocol, and its state is the pointer to `ws`. `opened`
 * comes from the loop. */
void reel_ws_open(struct reel_websocket *ws, struct reel_transport *t);

extern const struct reel_protocol reel_ws_protocol;

#endif
