/* The handshake's small parts (RFC 6455, section 4). Pure. */
#ifndef REEL_WEBSOCKET_HANDSHAKE_H
#define REEL_WEBSOCKET_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    WS_KEY_LEN = 24,       /* characters of Sec-WebSocket-Key */
    WS_ACCEPT_LEN = 28,    /* characters of Sec-WebSocket-Accept */
    WS_PROTOCOL_MAX = 128, /* bytes of a subprotocol's name */
};

/* Whether this may be a key: 16 bytes in base64. */
bool reel_ws_is_key(const char *key, size_t len);

/* The answer to a key of WS_KEY_LEN characters, with a NUL. */
void reel_ws_accept_key(const char *key, char out_z[WS_ACCEPT_LEN + 1]);

/* The first of `ours_z` (a list parted by commas, best first) that is in `theirs`, with a NUL. False:
 * none. */
bool reel_ws_choose_protocol(const char *ours_z, const char *theirs, size_t len,
                             char out_z[WS_PROTOCOL_MAX]);

/* Whether an Origin is of this host ("example.org:8080", as in Host). */
bool reel_ws_is_same_origin(const char *origin, size_t origin_len, const char *host,
                            size_t host_len);

#endif
