#include "events/frame.h"

#include "base/cursor.h"
#include "base/error.h"

#include <assert.h>

/* The kind and the number, which the length counts. */
#define COUNTED_HEAD (FRAME_HEAD_SIZE - 4)

/* A frame is begun, its payload put, and ended: then its length is known. Puts that fail are found
 * at the end, and the buffer goes back to where it was. */
struct writer {
    struct buffer *out;
    size_t start;
    int error;
};

static void put(struct writer *w, int result)
{
    if (w->error == 0 && result < 0)
        w->error = result;
}

static struct writer begin(struct buffer *out, enum frame_kind kind, uint64_t number)
{
    struct writer w = {.out = out, .start = buffer_len(out)};
    put(&w, buffer_put_u32(out, 0));
    put(&w, buffer_put_u8(out, (uint8_t)kind));
    put(&w, buffer_put_u64(out, number));
    return w;
}

static void put_be(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static int end(struct writer *w)
{
    size_t size = buffer_len(w->out) - w->start;
    if (w->error == 0 && size > FRAME_MAX)
        w->error = ERR_FULL;
    if (w->error < 0) {
        buffer_truncate(w->out, w->start);
        return w->error;
    }
    put_be(w->out->data + w->out->start + w->start, size - 4, 4);
    return 0;
}

int frame_put_event(struct buffer *out, const struct event *e, const struct event_sensor *sensor)
{
    struct writer w = begin(out, FRAME_EVENT, 0);
    put(&w, buffer_put_u16(out, (uint16_t)e->type));
    put(&w, buffer_put_string(out, e->origin != NULL ? e->origin->session : span_z("")));
    /* The line is written in place; its length, which comes first, afterwards. */
    size_t length_at = buffer_len(out);
    put(&w, buffer_put_u32(out, 0));
    if (w.error == 0)
        put(&w, event_write_json(e, sensor, 0, out));
    if (w.error == 0) {
        buffer_truncate(out, buffer_len(out) - 1); /* its line feed */
        put_be(out->data + out->start + length_at, buffer_len(out) - length_at - 4, 4);
    }
    return end(&w);
}

int frame_put_tty_open(struct buffer *out, const struct frame_tty_open *open)
{
    struct writer w = begin(out, FRAME_TTY_OPEN, 0);
    put(&w, buffer_put_string(out, open->session));
    put(&w, buffer_put_u32(out, open->recording));
    put(&w, buffer_put_u16(out, open->width));
    put(&w, buffer_put_u16(out, open->height));
    put(&w, buffer_put_u64(out, (uint64_t)open->time_us));
    put(&w, buffer_put_string(out, span_slice(open->term, 0, FRAME_TEXT_MAX)));
    put(&w, buffer_put_string(out, span_slice(open->command, 0, FRAME_TEXT_MAX)));
    return end(&w);
}

static int put_tty_part(struct buffer *out, const struct frame_tty_data *data, struct span bytes)
{
    struct writer w = begin(out, FRAME_TTY_DATA, 0);
    put(&w, buffer_put_string(out, data->session));
    put(&w, buffer_put_u32(out, data->recording));
    put(&w, buffer_put_u8(out, data->way));
    put(&w, buffer_put_u64(out, (uint64_t)data->time_us));
    put(&w, buffer_put_string(out, bytes));
    return end(&w);
}

int frame_put_tty_data(struct buffer *out, const struct frame_tty_data *data)
{
    size_t start = buffer_len(out);
    for (size_t at = 0; at < data->bytes.len; at += FRAME_TTY_MAX) {
        int error = put_tty_part(out, data, span_slice(data->bytes, at, at + FRAME_TTY_MAX));
        if (error < 0) {
            buffer_truncate(out, start);
            return error;
        }
    }
    return 0;
}

int frame_put_tty_close(struct buffer *out, const struct frame_tty_close *close)
{
    struct writer w = begin(out, FRAME_TTY_CLOSE, 0);
    put(&w, buffer_put_string(out, close->session));
    put(&w, buffer_put_u32(out, close->recording));
    put(&w, buffer_put_u64(out, (uint64_t)close->time_us));
    return end(&w);
}

int frame_put_artefact(struct buffer *out, const struct frame_artefact *artefact)
{
    struct writer w = begin(out, FRAME_ARTEFACT, 0);
    put(&w, buffer_put_string(out, artefact->session));
    put(&w, buffer_put(out, span_of(artefact->shasum, sizeof(artefact->shasum))));
    put(&w, buffer_put_u64(out, artefact->size));
    put(&w, buffer_put_u64(out, artefact->offset));
    put(&w, buffer_put_string(out, artefact->bytes));
    return end(&w);
}

int frame_put_keylog(struct buffer *out, const struct frame_keylog *keylog)
{
    struct writer w = begin(out, FRAME_KEYLOG, 0);
    put(&w, buffer_put_string(out, keylog->lines));
    return end(&w);
}

static void put_visitor(struct writer *w, const struct frame_visitor *visitor)
{
    put(w, buffer_put(w->out, span_of(visitor->address, sizeof(visitor->address))));
    put(w, buffer_put(w->out, span_of(visitor->login, sizeof(visitor->login))));
    put(w, buffer_put(w->out, span_of(visitor->publics[0], sizeof(visitor->publics))));
    put(w, buffer_put_u8(w->out, visitor->passwords));
}

int frame_put_visit_ask(struct buffer *out, const struct frame_visit_ask *ask)
{
    struct writer w = begin(out, FRAME_VISIT_ASK, 0);
    put(&w, buffer_put_string(out, ask->session));
    put_visitor(&w, &ask->visitor);
    put(&w, buffer_put_u8(out, ask->brief));
    return end(&w);
}

int frame_put_visit_keep(struct buffer *out, const struct frame_visit_keep *keep)
{
    struct writer w = begin(out, FRAME_VISIT_KEEP, 0);
    put(&w, buffer_put_string(out, keep->session));
    put_visitor(&w, &keep->visitor);
    put(&w, buffer_put_u64(out, keep->size));
    put(&w, buffer_put_u64(out, keep->offset));
    put(&w, buffer_put_string(out, keep->bytes));
    return end(&w);
}

int frame_put_visit(struct buffer *out, const struct frame_visit *visit)
{
    struct writer w = begin(out, FRAME_VISIT, 0);
    put(&w, buffer_put_string(out, visit->session));
    put(&w, buffer_put_u8(out, visit->known));
    put_visitor(&w, &visit->visitor);
    put(&w, buffer_put_u64(out, visit->size));
    put(&w, buffer_put_u64(out, visit->offset));
    put(&w, buffer_put_string(out, visit->bytes));
    return end(&w);
}

int frame_put_visitors(struct buffer *out, const struct frame_visitors *visitors)
{
    struct writer w = begin(out, FRAME_VISITORS, 0);
    put(&w, buffer_put_string(out, visitors->list));
    return end(&w);
}

int frame_put_hello(struct buffer *out, const struct frame_hello *hello)
{
    struct writer w = begin(out, FRAME_HELLO, 0);
    put(&w, buffer_put_u64(out, hello->boot));
    put(&w, buffer_put_string(out, span_slice(hello->name, 0, FRAME_TEXT_MAX)));
    return end(&w);
}

int frame_put_ack(struct buffer *out, uint64_t number)
{
    struct writer w = begin(out, FRAME_ACK, number);
    return end(&w);
}

int64_t frame_size(struct span bytes)
{
    if (bytes.len < 4)
        return 0;
    struct cursor c = cursor_of(bytes);
    uint32_t counted = cursor_u32(&c);
    if (counted < COUNTED_HEAD || counted > FRAME_MAX - 4)
        return ERR_MALFORMED;
    return (int64_t)counted + 4;
}

enum frame_kind frame_kind(const uint8_t *frame)
{
    return (enum frame_kind)frame[4];
}

void frame_number(uint8_t *frame, uint64_t number)
{
    put_be(frame + 5, number, 8);
}

_Static_assert(sizeof(struct frame_visitor) == (2 + FRAME_VISIT_PUBLIC) * FRAME_VISIT_KEY + 1,
               "keys, a flag and nothing else");

bool frame_visitor_at(struct span list, size_t index, struct frame_visitor *out)
{
    struct span rest = span_slice(list, index * sizeof(*out), list.len);
    if (rest.len < sizeof(*out))
        return false;
    memcpy(out, rest.data, sizeof(*out));
    return true;
}

bool frame_session_is_good(struct span session)
{
    if (session.len == 0 || session.len > FRAME_SESSION_MAX)
        return false;
    for (size_t i = 0; i < session.len; i++) {
        uint8_t c = session.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')))
            return false;
    }
    return true;
}

/* One reader a kind: the payload in its order. They return whether the values make sense; that the
 * payload was long enough, and no longer, is asked once for all. */

static bool read_hello(struct cursor *c, struct frame *f)
{
    f->hello.boot = cursor_u64(c);
    f->hello.name = cursor_string(c);
    return f->hello.name.len <= FRAME_TEXT_MAX;
}

static bool read_ack(struct cursor *c, struct frame *f)
{
    (void)c;
    (void)f;
    return true;
}

static bool read_event(struct cursor *c, struct frame *f)
{
    f->event.type = cursor_u16(c);
    f->event.session = cursor_string(c);
    f->event.line = cursor_string(c);
    struct span line = f->event.line;
    return f->event.type < EVENT_TYPES &&
           (f->event.session.len == 0 || frame_session_is_good(f->event.session)) && line.len > 2 &&
           line.len < EVENT_LINE_MAX && line.data[0] == '{' && line.data[line.len - 1] == '}' &&
           span_find(line, '\n', 0) < 0;
}

static bool read_tty_open(struct cursor *c, struct frame *f)
{
    f->tty_open.session = cursor_string(c);
    f->tty_open.recording = cursor_u32(c);
    f->tty_open.width = cursor_u16(c);
    f->tty_open.height = cursor_u16(c);
    f->tty_open.time_us = (int64_t)cursor_u64(c);
    f->tty_open.term = cursor_string(c);
    f->tty_open.command = cursor_string(c);
    return frame_session_is_good(f->tty_open.session) && f->tty_open.term.len <= FRAME_TEXT_MAX &&
           f->tty_open.command.len <= FRAME_TEXT_MAX;
}

static bool read_tty_data(struct cursor *c, struct frame *f)
{
    f->tty_data.session = cursor_string(c);
    f->tty_data.recording = cursor_u32(c);
    f->tty_data.way = cursor_u8(c);
    f->tty_data.time_us = (int64_t)cursor_u64(c);
    f->tty_data.bytes = cursor_string(c);
    uint8_t way = f->tty_data.way;
    return frame_session_is_good(f->tty_data.session) && f->tty_data.bytes.len <= FRAME_TTY_MAX &&
           (way == FRAME_TTY_OUT || way == FRAME_TTY_IN || way == FRAME_TTY_RESIZE);
}

static bool read_tty_close(struct cursor *c, struct frame *f)
{
    f->tty_close.session = cursor_string(c);
    f->tty_close.recording = cursor_u32(c);
    f->tty_close.time_us = (int64_t)cursor_u64(c);
    return frame_session_is_good(f->tty_close.session);
}

static bool read_artefact(struct cursor *c, struct frame *f)
{
    f->artefact.session = cursor_string(c);
    struct span shasum = cursor_bytes(c, sizeof(f->artefact.shasum));
    for (size_t i = 0; i < shasum.len; i++)
        f->artefact.shasum[i] = shasum.data[i];
    f->artefact.size = cursor_u64(c);
    f->artefact.offset = cursor_u64(c);
    f->artefact.bytes = cursor_string(c);
    return frame_session_is_good(f->artefact.session) && f->artefact.offset <= f->artefact.size &&
           f->artefact.bytes.len <= f->artefact.size - f->artefact.offset;
}

static bool read_keylog(struct cursor *c, struct frame *f)
{
    f->keylog.lines = cursor_string(c);
    struct span lines = f->keylog.lines;
    return lines.len > 0 && lines.len <= FRAME_KEYLOG_MAX && lines.data[lines.len - 1] == '\n';
}

static void read_key(struct cursor *c, uint8_t key[FRAME_VISIT_KEY])
{
    struct span bytes = cursor_bytes(c, FRAME_VISIT_KEY);
    for (size_t i = 0; i < bytes.len; i++)
        key[i] = bytes.data[i];
}

/* Any byte but 0 and 1 is refused: marks the cursor. */
static bool read_flag(struct cursor *c)
{
    uint8_t flag = cursor_u8(c);
    c->failed |= flag > 1;
    return flag == 1;
}

static void read_visitor(struct cursor *c, struct frame_visitor *visitor)
{
    read_key(c, visitor->address);
    read_key(c, visitor->login);
    for (size_t i = 0; i < FRAME_VISIT_PUBLIC; i++)
        read_key(c, visitor->publics[i]);
    visitor->passwords = read_flag(c);
}

static bool is_part(uint64_t size, uint64_t offset, struct span bytes)
{
    return offset <= size && bytes.len <= size - offset && bytes.len <= FRAME_VISIT_MAX;
}

static bool read_visit_ask(struct cursor *c, struct frame *f)
{
    f->visit_ask.session = cursor_string(c);
    read_visitor(c, &f->visit_ask.visitor);
    f->visit_ask.brief = read_flag(c);
    return frame_session_is_good(f->visit_ask.session);
}

static bool read_visit_keep(struct cursor *c, struct frame *f)
{
    struct frame_visit_keep *keep = &f->visit_keep;
    keep->session = cursor_string(c);
    read_visitor(c, &keep->visitor);
    keep->size = cursor_u64(c);
    keep->offset = cursor_u64(c);
    keep->bytes = cursor_string(c);
    return frame_session_is_good(keep->session) && is_part(keep->size, keep->offset, keep->bytes);
}

static bool read_visit(struct cursor *c, struct frame *f)
{
    struct frame_visit *visit = &f->visit;
    visit->session = cursor_string(c);
    visit->known = read_flag(c);
    read_visitor(c, &visit->visitor);
    visit->size = cursor_u64(c);
    visit->offset = cursor_u64(c);
    visit->bytes = cursor_string(c);
    return frame_session_is_good(visit->session) &&
           is_part(visit->size, visit->offset, visit->bytes);
}

static bool read_visitors(struct cursor *c, struct frame *f)
{
    f->visitors.list = cursor_string(c);
    return f->visitors.list.len <= FRAME_VISIT_MAX &&
           f->visitors.list.len % sizeof(struct frame_visitor) == 0;
}

static bool (*const READERS[])(struct cursor *c, struct frame *f) = {
    [FRAME_HELLO] = read_hello,         [FRAME_ACK] = read_ack,
    [FRAME_EVENT] = read_event,         [FRAME_TTY_OPEN] = read_tty_open,
    [FRAME_TTY_DATA] = read_tty_data,   [FRAME_TTY_CLOSE] = read_tty_close,
    [FRAME_ARTEFACT] = read_artefact,   [FRAME_KEYLOG] = read_keylog,
    [FRAME_VISIT_ASK] = read_visit_ask, [FRAME_VISIT_KEEP] = read_visit_keep,
    [FRAME_VISIT] = read_visit,         [FRAME_VISITORS] = read_visitors,
};

int64_t frame_read(struct span bytes, struct frame *f)
{
    int64_t size = frame_size(bytes);
    if (size <= 0 || (size_t)size > bytes.len)
        return size < 0 ? size : 0;
    struct cursor c = cursor_of(span_slice(bytes, 4, (size_t)size));
    uint8_t kind = cursor_u8(&c);
    if (kind >= ARRAY_LEN(READERS) || READERS[kind] == NULL)
        return ERR_MALFORMED;
    *f = (struct frame){.kind = (enum frame_kind)kind, .number = cursor_u64(&c)};
    bool good = READERS[kind](&c, f);
    return good && cursor_end(&c) == 0 ? size : ERR_MALFORMED;
}
