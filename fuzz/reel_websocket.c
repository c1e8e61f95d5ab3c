/* Reaches src/reel/websocket/machine.c and wslay's frames: a peer's bytes, in pieces. The first byte
 * chooses the side and how long the pieces are. Messages keep to their maximum, text is UTF-8. */
#include "reel/websocket/machine.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_MAX = 300 };

static void *resize(void *context, void *memory, size_t size)
{
    (void)context;
    if (size)
        return realloc(memory, size);
    free(memory);
    return NULL;
}

static void check(const struct ws_event *event)
{
    struct ws_utf8 utf8 = {0};
    switch (event->kind) {
    case WS_EVENT_MESSAGE:
        assert(event->len <= MESSAGE_MAX);
        assert(event->opcode == WS_BINARY ||
               (reel_ws_utf8(&utf8, event->data, event->len) && !utf8.state));
        break;
    case WS_EVENT_PING:
    case WS_EVENT_PONG: assert(event->len <= WS_CONTROL_MAX); break;
    case WS_EVENT_CLOSE:
        assert(event->code == REEL_WEBSOCKET_NO_CODE || reel_ws_is_code(event->code));
        assert(reel_ws_utf8(&utf8, event->data, event->len) && !utf8.state);
        break;
    case WS_EVENT_BROKEN: assert(event->reason < 0 && reel_ws_is_code(event->code)); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct reel_allocator allocator = {resize, NULL};
    struct ws_machine m;
    struct ws_event event;
    if (size == 0 || reel_ws_init(&m, data[0] & 1, MESSAGE_MAX, &allocator) < 0)
        return 0;
    size_t piece = 1 + (data[0] >> 1);
    for (size_t at = 1; at < size && !m.reason; at += piece) {
        bool more = reel_ws_next(&m, data + at, size - at < piece ? size - at : piece, &event);
        while (more) {
            check(&event);
            more = !m.reason && reel_ws_next(&m, NULL, 0, &event);
        }
    }
    reel_ws_fini(&m);
    return 0;
}
