/* A client's websocket before it is open. */
#ifndef REEL_WEBSOCKET_CLIENT_H
#define REEL_WEBSOCKET_CLIENT_H

struct reel_websocket;

/* The attempt is over: `failed` comes from the loop. */
void reel_ws_attempt_failed(struct reel_websocket *ws, int reason);

/* Frees what the connection needed, if there was one. */
void reel_ws_link_free(struct reel_websocket *ws);

#endif
