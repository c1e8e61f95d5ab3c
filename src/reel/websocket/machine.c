#include "reel/websocket/machine.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <wslay/wslay.h>

/* ---- UTF-8 (RFC 3629) ---- */

/* state: how many bytes are still to come, and above them the range that the next one must be in. */
static bool begin_character(struct ws_utf8 *utf8, uint8_t c)
{
    uint32_t left = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t low = 0x80, high = 0xbf;
    if (c >= 0x80 && (c < 0xc2 || c > 0xf4))
        return false;
    if (c == 0xe0)
        low = 0xa0;
    if (c == 0xed)
        high = 0x9f;
    if (c == 0xf0)
        low = 0x90;
    if (c == 0xf4)
        high = 0x8f;
    utf8->state = left ? left | low << 8 | high << 16 : 0;
    return true;
}

bool reel_ws_utf8(struct ws_utf8 *utf8, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint32_t left = utf8->state & 0xff;
        if (left == 0) {
            if (data[i] >= 0x80 && !begin_character(utf8, data[i]))
                return false;
            continue;
        }
        if (data[i] < (utf8->state >> 8 & 0xff) || data[i] > utf8->state >> 16)
            return false;
        utf8->state = left > 1 ? (left - 1) | 0x80u << 8 | 0xbfu << 16 : 0;
    }
    return true;
}

bool reel_ws_is_code(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* ---- wslay's questions ---- */

static ssize_t on_recv(uint8_t *data, size_t len, int flags, void *context)
{
    struct ws_machine *m = context;
    (void)flags;
    if (m->in_len == 0)
        return -1; /* nothing now */
    len = len < m->in_len ? len : m->in_len;
    memcpy(data, m->in, len);
    m->in += len;
    m->in_len -= len;
    return (ssize_t)len;
}

static ssize_t on_send(const uint8_t *data, size_t len, int flags, void *context)
{
    struct ws_machine *m = context;
    (void)flags;
    len = len < m->out_size - m->out_len ? len : m->out_size - m->out_len;
    memcpy(m->out + m->out_len, data, len);
    m->out_len += len;
    return (ssize_t)len;
}

static int on_mask(uint8_t *data, size_t len, void *context)
{
    (void)context;
    return getrandom(data, len, 0) == (ssize_t)len ? 0 : -1;
}

int reel_ws_init(struct ws_machine *m, bool is_client, size_t message_max,
                 const struct reel_allocator *allocator)
{
    static const struct wslay_frame_callbacks callbacks = {on_send, on_recv, on_mask};
    memset(m, 0, sizeof(*m));
    m->allocator = *allocator;
    m->is_client = is_client;
    m->message_max = message_max;
    return wslay_frame_context_init(&m->frames, &callbacks, m) == 0 ? 0 : -ENOMEM;
}

static void free_message(struct ws_machine *m)
{
    if (m->message)
        m->allocator.resize(m->allocator.context, m->message, 0);
    m->message = NULL;
    m->message_cap = 0;
}

void reel_ws_fini(struct ws_machine *m)
{
    if (m->frames)
        wslay_frame_context_free(m->frames);
    m->frames = NULL;
    free_message(m);
}

/* ---- in ---- */

static bool is_control(uint8_t opcode)
{
    return opcode >= WS_CLOSE;
}

/* It cannot go on: what the owner is told, and the peer. */
static bool broken(struct ws_machine *m, int reason, uint16_t code)
{
    m->reason = reason;
    m->code = code;
    return false;
}

/* RFC 6455, 5.2 to 5.5: what wslay leaves to the caller. */
static bool begin_frame(struct ws_machine *m, const struct wslay_frame_iocb *frame)
{
    uint8_t opcode = frame->opcode;
    bool known = opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
    if (!known || frame->rsv || !frame->mask == !m->is_client)
        return broken(m, -EPROTO, REEL_WEBSOCKET_PROTOCOL);
    m->in_frame = true;
    m->frame_opcode = opcode;
    m->frame_left = frame->payload_length;
    m->is_final = frame->fin;
    if (is_control(opcode)) {
        m->control_len = 0;
        return true;
    }
    if ((opcode == WS_CONTINUATION) != m->in_message)
        return broken(m, -EPROTO, REEL_WEBSOCKET_PROTOCOL);
    if (opcode != WS_CONTINUATION) {
        m->message_opcode = opcode;
        m->message_len = 0;
        m->utf8.state = 0;
        m->in_message = true;
    }
    if (m->frame_left > m->message_max - m->message_len)
        return broken(m, -EMSGSIZE, REEL_WEBSOCKET_TOO_BIG);
    return true;
}

/* Grows with what came, not with what was announced. */
static bool make_room(struct ws_machine *m, size_t len)
{
    size_t need = m->message_len + len;
    if (need <= m->message_cap)
        return true;
    size_t cap = m->message_cap ? m->message_cap * 2 : len;
    cap = cap < need ? need : cap;
    cap = cap > m->message_max ? m->message_max : cap;
    uint8_t *message = m->allocator.resize(m->allocator.context, m->message, cap);
    if (!message)
        return broken(m, -ENOMEM, REEL_WEBSOCKET_INTERNAL);
    m->message = message;
    m->message_cap = cap;
    return true;
}

static bool add(struct ws_machine *m, const uint8_t *data, size_t len)
{
    m->frame_left -= len;
    if (len == 0)
        return true;
    if (is_control(m->frame_opcode)) {
        memcpy(m->control + m->control_len, data, len);
        m->control_len += len;
        return true;
    }
    if (!make_room(m, len))
        return false;
    memcpy(m->message + m->message_len, data, len);
    m->message_len += len;
    if (m->message_opcode == WS_TEXT && !reel_ws_utf8(&m->utf8, data, len))
        return broken(m, -EILSEQ, REEL_WEBSOCKET_NOT_UTF8);
    return true;
}

static bool tell_close(struct ws_machine *m, struct ws_event *event)
{
    struct ws_utf8 utf8 = {0};
    event->kind = WS_EVENT_CLOSE;
    event->code = REEL_WEBSOCKET_NO_CODE;
    event->len = 0;
    if (m->control_len == 0)
        return true;
    if (m->control_len == 1)
        return broken(m, -EPROTO, REEL_WEBSOCKET_PROTOCOL);
    event->code = (uint16_t)(m->control[0] << 8 | m->control[1]);
    event->data = m->control + 2;
    event->len = m->control_len - 2;
    if (!reel_ws_is_code(event->code))
        return broken(m, -EPROTO, REEL_WEBSOCKET_PROTOCOL);
    if (!reel_ws_utf8(&utf8, event->data, event->len) || utf8.state)
        return broken(m, -EILSEQ, REEL_WEBSOCKET_NOT_UTF8);
    return true;
}

static bool tell_message(struct ws_machine *m, struct ws_event *event)
{
    m->in_message = false;
    m->taken = true;
    if (m->message_opcode == WS_TEXT && m->utf8.state)
        return broken(m, -EILSEQ, REEL_WEBSOCKET_NOT_UTF8);
    *event = (struct ws_event){.kind = WS_EVENT_MESSAGE,
                               .opcode = m->message_opcode,
                               .data = m->message ? m->message : m->control,
                               .len = m->message_len};
    return true;
}

/* The frame is complete. True: there is an event, or it is broken. */
static bool end_frame(struct ws_machine *m, struct ws_event *event)
{
    m->in_frame = false;
    *event = (struct ws_event){.data = m->control, .len = m->control_len};
    switch (m->frame_opcode) {
    case WS_CLOSE: tell_close(m, event); return true;
    case WS_PING: event->kind = WS_EVENT_PING; return true;
    case WS_PONG: event->kind = WS_EVENT_PONG; return true;
    default: return m->is_final && (tell_message(m, event) || m->reason);
    }
}

static void forget_message(struct ws_machine *m)
{
    m->taken = false;
    m->message_len = 0;
    if (m->message_cap > WS_KEEP_BYTES)
        free_message(m);
}

/* Frames, or parts of one, until there is an event or no more bytes. */
static bool read_frames(struct ws_machine *m, struct ws_event *event)
{
    for (;;) {
        struct wslay_frame_iocb frame = {0};
        ssize_t n = wslay_frame_recv(m->frames, &frame);
        if (n == WSLAY_ERR_WANT_READ)
            return false;
        if (n < 0) {
            broken(m, -EPROTO, REEL_WEBSOCKET_PROTOCOL);
            return true;
        }
        if (!m->in_frame && !begin_frame(m, &frame))
            return true;
        if (!add(m, frame.data, frame.data_length))
            return true;
        if (m->frame_left == 0 && end_frame(m, event))
            return true;
    }
}

bool reel_ws_next(struct ws_machine *m, const uint8_t *data, size_t len, struct ws_event *event)
{
    if (len) {
        m->in = data;
        m->in_len = len;
    }
    if (m->taken)
        forget_message(m);
    bool found = m->reason || read_frames(m, event);
    if (m->reason)
        *event = (struct ws_event){.kind = WS_EVENT_BROKEN, .reason = m->reason, .code = m->code};
    return found;
}

/* ---- out ---- */

size_t reel_ws_frame(struct ws_machine *m, enum ws_opcode opcode, bool is_final, const void *data,
                     size_t len, uint8_t *out)
{
    struct wslay_frame_iocb frame = {
        .fin = is_final,
        .opcode = (uint8_t)opcode,
        .payload_length = len,
        .mask = m->is_client,
        .data = data,
        .data_length = len,
    };
    m->out = out;
    m->out_len = 0;
    m->out_size = len + WS_HEADER_MAX;
    for (;;) {
        ssize_t n = wslay_frame_send(m->frames, &frame);
        if (n < 0 || (size_t)n == frame.data_length)
            break;
        frame.data += n;
        frame.data_length -= (size_t)n;
    }
    m->out = NULL;
    return m->out_len;
}

size_t reel_ws_close_payload(uint16_t code, const char *text, size_t len,
                             uint8_t out[WS_CONTROL_MAX])
{
    if (code == REEL_WEBSOCKET_NO_CODE)
        return 0;
    len = len < REEL_WEBSOCKET_TEXT_MAX ? len : REEL_WEBSOCKET_TEXT_MAX;
    out[0] = (uint8_t)(code >> 8);
    out[1] = (uint8_t)code;
    if (len)
        memcpy(out + 2, text, len);
    return len + 2;
}
