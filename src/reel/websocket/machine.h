/* A WebSocket's frames as messages, on wslay's frames. Bytes in, events out; and frames to be sent
 * put together. No I/O. */
#ifndef REEL_WEBSOCKET_MACHINE_H
#define REEL_WEBSOCKET_MACHINE_H

#include <reel/reactor.h>
#include <reel/websocket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WS_CONTROL_MAX = 125, /* bytes of a control frame */
    WS_HEADER_MAX = 14,   /* bytes before a frame's payload */
    WS_KEEP_BYTES = 4096, /* a message's buffer of no more is kept for the next */
};

enum ws_opcode {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

enum ws_event_kind {
    WS_EVENT_MESSAGE, /* `opcode` is its kind */
    WS_EVENT_PING,    /* to be answered with the same bytes */
    WS_EVENT_PONG,
    WS_EVENT_CLOSE,  /* the peer's close: `code`, and its words in `data` */
    WS_EVENT_BROKEN, /* it did what it must not: `reason`, and the `code` to tell it. Sticks */
};

struct ws_event {
    enum ws_event_kind kind;
    enum ws_opcode opcode;
    const uint8_t *data; /* borrowed until the next call */
    size_t len;
    uint16_t code;
    int reason;
};

/* Where UTF-8 stands: 0 between characters. */
struct ws_utf8 {
    uint32_t state;
};

/* Whether the bytes go on well. At the end, `state` must be 0. */
bool reel_ws_utf8(struct ws_utf8 *utf8, const uint8_t *data, size_t len);

struct ws_machine {
    struct wslay_frame_context *frames;
    struct reel_allocator allocator;
    size_t message_max;
    bool is_client;

    const uint8_t *in; /* what feed was given and wslay has not taken yet */
    size_t in_len;

    bool in_frame;   /* its payload is coming */
    bool in_message; /* some fragments are there, the last is not */
    bool taken;      /* the message was an event: its bytes go with the next call */
    bool is_final;
    uint8_t frame_opcode, message_opcode;
    uint64_t frame_left;
    struct ws_utf8 utf8;
    int reason; /* broken */
    uint16_t code;

    uint8_t *message;
    size_t message_len, message_cap;
    size_t control_len;
    uint8_t control[WS_CONTROL_MAX];

    /* While a frame is put together. */
    uint8_t *out;
    size_t out_len, out_size;
};

/* In the caller's memory. 0 or -ENOMEM. */
int reel_ws_init(struct ws_machine *m, bool is_client, size_t message_max,
                 const struct reel_allocator *allocator);
void reel_ws_fini(struct ws_machine *m);

/* The next event of what came: `data` is what has not been given yet; all of it counts as taken,
 * and further calls, with none, find what is left. False: nothing more for now. */
bool reel_ws_next(struct ws_machine *m, const uint8_t *data, size_t len, struct ws_event *event);

/* Puts a frame together: into `out`, of len + WS_HEADER_MAX bytes. Its length. */
size_t reel_ws_frame(struct ws_machine *m, enum ws_opcode opcode, bool is_final, const void *data,
                     size_t len, uint8_t *out);

/* A close frame's payload: its length. */
size_t reel_ws_close_payload(uint16_t code, const char *text, size_t len,
                             uint8_t out[WS_CONTROL_MAX]);

/* Whether this code may be sent and received in a close (RFC 6455, 7.4). */
bool reel_ws_is_code(uint16_t code);

#endif
