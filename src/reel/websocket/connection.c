#include "reel/websocket/connection.h"

#include "reel/list.h"
#include "reel/loop.h"
#include "reel/websocket/client.h"

#include <reel/reactor.h>
#include <reel/transport.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { FRAME_ON_STACK = 2048 };

static const struct reel_websocket_options no_options;

static int64_t or_default(int64_t ns, int64_t default_ns)
{
    return ns ? ns : default_ns;
}

static struct reel_websocket *ws_of(struct reel_transport *t)
{
    return *(struct reel_websocket **)reel_state(t);
}

static bool is_open(const struct reel_websocket *ws)
{
    return ws->t && !ws->attempt && !ws->close_sent && !ws->close_heard && !ws->reason &&
           !reel_is_closing(ws->t);
}

/* ---- out ---- */

/* A frame, all or nothing. 0 or -errno as of reel_write. */
static int send_frame(struct reel_websocket *ws, enum ws_opcode opcode, bool is_final,
                      const void *data, size_t len)
{
    uint8_t small[FRAME_ON_STACK + WS_HEADER_MAX], *frame = small;
    if (reel_write_room(ws->t) < len + WS_HEADER_MAX)
        return reel_is_closing(ws->t) ? -EPIPE : -ENOBUFS;
    if (len > FRAME_ON_STACK)
        frame = reel_memory_new(ws->reactor, len + WS_HEADER_MAX);
    if (!frame)
        return -ENOMEM;
    int err = reel_write(ws->t, frame, reel_ws_frame(&ws->m, opcode, is_final, data, len, frame));
    if (frame != small)
        reel_memory_free(ws->reactor, frame);
    return err;
}

static void send_close(struct reel_websocket *ws, uint16_t code, const char *text, size_t len)
{
    uint8_t payload[WS_CONTROL_MAX];
    if (ws->close_sent)
        return;
    ws->close_sent = true;
    send_frame(ws, WS_CLOSE, true, payload, reel_ws_close_payload(code, text, len, payload));
}

/* ---- keep-alive, and the end ---- */

static void start_timer(struct reel_websocket *ws)
{
    int64_t ping_ns = or_default(ws->options->ping_ns, REEL_WEBSOCKET_PING_NS);
    int64_t close_ns = or_default(ws->options->close_ns, REEL_WEBSOCKET_CLOSE_NS);
    int64_t ns = ws->close_sent ? close_ns : ping_ns;
    if (ns > 0)
        reel_timer_start(&ws->timer, ns);
    else
        reel_timer_stop(&ws->timer);
}

static void keep_alive(struct reel_websocket *ws)
{
    int64_t ping_ns = or_default(ws->options->ping_ns, REEL_WEBSOCKET_PING_NS);
    int64_t silent_ns = reel_now_ns(ws->reactor) - ws->heard_ns;
    if (silent_ns < ping_ns) {
        reel_timer_start(&ws->timer, ping_ns - silent_ns);
        return;
    }
    if (ws->asked && !ws->paused) {
        ws->reason = -ETIMEDOUT;
        reel_abort(ws->t);
        return;
    }
    ws->asked = !ws->paused;
    if (ws->asked)
        send_frame(ws, WS_PING, true, NULL, 0);
    reel_timer_start(&ws->timer, ping_ns);
}

static void on_timer(struct reel_timer *timer)
{
    struct reel_websocket *ws = CONTAINER_OF(timer, struct reel_websocket, timer);
    if (ws->attempt) {
        reel_ws_attempt_failed(ws, -ETIMEDOUT);
    } else if (!ws->close_sent) {
        keep_alive(ws);
    } else if (ws->close_heard || ws->reason) {
        reel_close(ws->t); /* all is said; the peer only keeps the connection */
    } else {
        ws->reason = -ETIMEDOUT;
        reel_abort(ws->t);
    }
}

/* ---- in ---- */

static void tell_opened(struct reel_websocket *ws)
{
    if (ws->opened)
        return;
    ws->opened = true;
    if (ws->handler->opened)
        ws->handler->opened(ws);
}

static void on_close_frame(struct reel_websocket *ws, const struct ws_event *event)
{
    ws->close_heard = true;
    ws->end_code = event->code;
    ws->end_len = event->len;
    if (event->len)
        memcpy(ws->end_text, event->data, event->len);
    send_close(ws, event->code, ws->end_text, ws->end_len);
    if (ws->m.is_client)
        start_timer(ws); /* the server closes first (RFC 6455, 7.1.1) */
    else
        reel_close(ws->t);
}

static void on_broken(struct reel_websocket *ws, const struct ws_event *event)
{
    ws->reason = event->reason;
    send_close(ws, event->code, NULL, 0);
    reel_close(ws->t);
}

static void on_event(struct reel_websocket *ws, const struct ws_event *event)
{
    switch (event->kind) {
    case WS_EVENT_MESSAGE:
        if (!ws->close_sent && ws->handler->message)
            ws->handler->message(ws, (enum reel_websocket_kind)event->opcode, event->data,
                                 event->len);
        break;
    case WS_EVENT_PING:
        if (!ws->close_sent)
            send_frame(ws, WS_PONG, true, event->data, event->len);
        break;
    case WS_EVENT_PONG: break; /* any byte is as good */
    case WS_EVENT_CLOSE: on_close_frame(ws, event); break;
    case WS_EVENT_BROKEN: on_broken(ws, event); break;
    }
}

/* Events, as long as they are wanted. How much of `data` was used. */
static size_t read_events(struct reel_websocket *ws, const uint8_t *data, size_t len)
{
    struct ws_event event;
    bool given = false;
    while (!ws->paused && !ws->close_heard && !ws->reason && reel_may_go_on(ws->t)) {
        bool found = reel_ws_next(&ws->m, given ? NULL : data, given ? 0 : len, &event);
        given = true;
        if (!found)
            break;
        on_event(ws, &event);
    }
    if (ws->close_heard || ws->reason)
        return len;
    size_t left = given ? ws->m.in_len : len;
    ws->m.in_len = 0;
    return len - left;
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct reel_websocket *ws = ws_of(t);
    ws->heard_ns = reel_now_ns(ws->reactor);
    ws->asked = false;
    tell_opened(ws);
    return read_events(ws, data, len);
}

/* `opened` is due, or messages that came before a pause. */
static void on_soon(struct reel_timer *timer)
{
    struct reel_websocket *ws = CONTAINER_OF(timer, struct reel_websocket, soon);
    if (reel_is_closing(ws->t))
        return;
    tell_opened(ws);
    read_events(ws, NULL, 0);
}

static void on_full(struct reel_transport *t)
{
    struct reel_websocket *ws = ws_of(t);
    if (ws->handler->full && is_open(ws))
        ws->handler->full(ws);
}

static void on_drained(struct reel_transport *t)
{
    struct reel_websocket *ws = ws_of(t);
    if (ws->handler->drained && is_open(ws))
        ws->handler->drained(ws);
    read_events(ws, NULL, 0);
}

static void on_lost(struct reel_transport *t, int reason)
{
    struct reel_websocket *ws = ws_of(t);
    struct reel_websocket_end end = {
        .reason = ws->reason ? ws->reason : reason,
        .code = ws->end_code,
        .text = ws->end_text,
        .len = ws->end_len,
    };
    if (!ws->close_heard) {
        end.code = REEL_WEBSOCKET_ABNORMAL;
        if (end.reason == 0)
            end.reason = -EPIPE; /* it just went away */
    } else if (!ws->reason && ws->close_sent) {
        end.reason = 0; /* what the connection does after both closes says nothing */
    }
    tell_opened(ws);
    if (ws->handler->closed)
        ws->handler->closed(ws, &end);
    reel_ws_free(ws);
}

const struct reel_protocol reel_ws_protocol = {
    .name_z = "websocket",
    .state_size = sizeof(struct reel_websocket *),
    .data = on_data,
    .full = on_full,
    .drained = on_drained,
    .lost = on_lost,
};

/* ---- life ---- */

static size_t state_offset(void)
{
    return (sizeof(struct reel_websocket) + 15) & ~(size_t)15;
}

struct reel_websocket *reel_ws_new(struct reel_reactor *r, bool is_client,
                                   const struct reel_websocket_handler *handler,
                                   const struct reel_websocket_options *options, void *shared)
{
    struct reel_websocket *ws = reel_memory_new_zeroed(r, state_offset() + handler->state_size);
    if (!ws)
        return NULL;
    ws->reactor = r;
    ws->handler = handler;
    ws->options = options ? options : &no_options;
    ws->shared = shared;
    size_t max = ws->options->message_max ? ws->options->message_max : REEL_WEBSOCKET_MESSAGE_MAX;
    if (reel_ws_init(&ws->m, is_client, max, &r->allocator) < 0 ||
        reel_timer_init(&ws->timer, r, on_timer) < 0 ||
        reel_timer_init(&ws->soon, r, on_soon) < 0) {
        reel_ws_free(ws);
        return NULL;
    }
    return ws;
}

void reel_ws_free(struct reel_websocket *ws)
{
    reel_timer_fini(&ws->timer);
    reel_timer_fini(&ws->soon);
    reel_ws_fini(&ws->m);
    reel_ws_link_free(ws);
    reel_memory_free(ws->reactor, ws);
}

void reel_ws_open(struct reel_websocket *ws, struct reel_transport *t)
{
    ws->t = t;
    *(struct reel_websocket **)reel_state(t) = ws;
    ws->heard_ns = reel_now_ns(ws->reactor);
    reel_timer_start(&ws->soon, 0);
    start_timer(ws);
}

/* ---- the public functions ---- */

int reel_websocket_send_part(struct reel_websocket *ws, enum reel_websocket_kind kind,
                             const void *data, size_t len, bool last)
{
    if (!is_open(ws))
        return -EPIPE;
    size_t max = reel_write_room(ws->t) + reel_write_pending(ws->t);
    if (len > max / 2)
        return -EMSGSIZE;
    enum ws_opcode opcode = ws->in_parts ? WS_CONTINUATION : (enum ws_opcode)kind;
    int err = send_frame(ws, opcode, last, data, len);
    if (err == 0)
        ws->in_parts = !last;
    return err;
}

int reel_websocket_send(struct reel_websocket *ws, enum reel_websocket_kind kind, const void *data,
                        size_t len)
{
    struct ws_utf8 utf8 = {0};
    if (ws->in_parts)
        return -EBUSY;
    if (kind == REEL_WEBSOCKET_TEXT && (!reel_ws_utf8(&utf8, data, len) || utf8.state))
        return -EILSEQ;
    return reel_websocket_send_part(ws, kind, data, len, true);
}

void reel_websocket_pause(struct reel_websocket *ws)
{
    ws->paused = true;
    if (ws->t)
        reel_pause_reading(ws->t);
}

void reel_websocket_resume(struct reel_websocket *ws)
{
    if (!ws->paused)
        return;
    ws->paused = false;
    if (!ws->t || ws->attempt)
        return;
    ws->heard_ns = reel_now_ns(ws->reactor); /* it could not be heard */
    reel_timer_start(&ws->soon, 0);
    reel_resume_reading(ws->t);
}

int reel_websocket_close(struct reel_websocket *ws, uint16_t code, const char *text_z)
{
    struct ws_utf8 utf8 = {0};
    size_t len = text_z ? strlen(text_z) : 0;
    if (!reel_ws_is_code(code) || len > REEL_WEBSOCKET_TEXT_MAX ||
        !reel_ws_utf8(&utf8, (const uint8_t *)text_z, len) || utf8.state)
        return -EINVAL;
    if (!is_open(ws))
        return -EPIPE;
    send_close(ws, code, text_z, len);
    reel_websocket_resume(ws); /* the answer has to be read */
    start_timer(ws);
    return 0;
}

void reel_websocket_abort(struct reel_websocket *ws)
{
    if (ws->attempt) {
        reel_ws_attempt_failed(ws, -ECONNABORTED);
        return;
    }
    if (!ws->reason)
        ws->reason = -ECONNABORTED;
    reel_abort(ws->t);
}

void *reel_websocket_state(struct reel_websocket *ws)
{
    return (uint8_t *)ws + state_offset();
}

void *reel_websocket_shared(const struct reel_websocket *ws)
{
    return ws->shared;
}

const char *reel_websocket_protocol(const struct reel_websocket *ws)
{
    return *ws->protocol_z ? ws->protocol_z : NULL;
}

struct reel_transport *reel_websocket_transport(const struct reel_websocket *ws)
{
    return ws->t;
}
