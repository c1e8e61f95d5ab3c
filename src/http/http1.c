/* The machine's outside and its bodies. Heads are in http1_head.c. */
#include "http/http1.h"

#include "http/http1_inside.h"
#include "http/token.h"

static const struct {
    int status;
    const char *text_z;
} errors[] = {[HTTP1_OK] = {200, "all is well"},
#define X(name, status, text) [HTTP1_BAD_##name] = {status, text},
              HTTP1_ERRORS(X)
#undef X
};

int http1_error_status(enum http1_error error)
{
    return errors[error].status;
}

const char *http1_error_text(enum http1_error error)
{
    return errors[error].text_z;
}

static uint32_t or_default(uint32_t value, uint32_t standard)
{
    return value ? value : standard;
}

struct http1_limits http1_limits_of(const struct http1_limits *limits)
{
    static const struct http1_limits none = {0};
    const struct http1_limits *l = limits ? limits : &none;
    return (struct http1_limits){
        .line_max = or_default(l->line_max, HTTP1_LINE_MAX_DEFAULT),
        .field_max = or_default(l->field_max, HTTP1_FIELD_MAX_DEFAULT),
        .head_max = or_default(l->head_max, HTTP1_HEAD_MAX_DEFAULT),
        .fields_max = or_default(l->fields_max, HTTP1_FIELDS_MAX_DEFAULT),
        .trailers_max = or_default(l->trailers_max, HTTP1_TRAILERS_MAX_DEFAULT),
        .extensions_max = or_default(l->extensions_max, HTTP1_EXTENSIONS_MAX_DEFAULT),
    };
}

void http1_init(struct http1_parser *p, enum http1_kind kind, const struct http1_limits *limits,
                struct http1_field *fields)
{
    *p = (struct http1_parser){.limits = limits, .fields = fields, .kind = (uint8_t)kind};
}

void http1_expect(struct http1_parser *p, struct span method)
{
    p->no_body = http_is(method, "HEAD");
    p->tunnel = http_is(method, "CONNECT");
}

bool http1_is_between(const struct http1_parser *p)
{
    return p->state == STATE_FIRST_LINE && p->at == 0 && p->skipped == 0;
}

/* Ready for the next message. What was asked stays known after an interim answer. */
static void start_over(struct http1_parser *p)
{
    bool interim = p->kind == HTTP1_RESPONSE && p->status < 200;
    bool no_body = interim && p->no_body, tunnel = interim && p->tunnel;
    http1_init(p, (enum http1_kind)p->kind, p->limits, p->fields);
    p->no_body = no_body;
    p->tunnel = tunnel;
}

static size_t fail(struct http1_parser *p, int error, struct http1_event *event)
{
    p->state = STATE_ERROR;
    p->error = (uint8_t)error;
    event->kind = HTTP1_ERROR;
    event->error = (enum http1_error)error;
    return 0;
}

static size_t more(struct http1_event *event, size_t done)
{
    event->kind = HTTP1_MORE;
    return done;
}

static uint8_t state_of_body(enum http1_body body)
{
    switch (body) {
    case HTTP1_BODY_CHUNKED: return STATE_CHUNK_SIZE;
    case HTTP1_BODY_LENGTH:
    case HTTP1_BODY_TO_EOF: return STATE_BODY;
    default: return STATE_END;
    }
}

static size_t next_head(struct http1_parser *p, struct span in, struct http1_event *event)
{
    int err = http1_head_lines(p, in);
    if (err == 0)
        return more(event, 0);
    if (err > 0)
        err = http1_head_done(p, in, &event->head);
    if (err < 0)
        return fail(p, -err, event);
    event->kind = HTTP1_HEAD;
    p->state = state_of_body(event->head.body);
    p->left = event->head.length;
    if (p->state == STATE_BODY && p->body == HTTP1_BODY_LENGTH && p->left == 0)
        p->state = STATE_END;
    return p->at;
}

/* The next piece of `left` bytes. */
static size_t next_piece(struct http1_parser *p, struct span in, struct http1_event *event,
                         enum http1_state after)
{
    if (in.len == 0)
        return more(event, 0);
    size_t len = in.len < p->left ? in.len : (size_t)p->left;
    p->left -= len;
    if (p->left == 0)
        p->state = (uint8_t)after;
    event->kind = HTTP1_DATA;
    event->data = (struct span){in.data, len};
    return len;
}

static size_t next_body(struct http1_parser *p, struct span in, struct http1_event *event)
{
    if (p->body == HTTP1_BODY_TO_EOF)
        p->left = UINT64_MAX;
    return next_piece(p, in, event, STATE_END);
}

/* After the size: an extension, white space before one, or the line's end. */
static int after_size(struct http1_parser *p, uint8_t c)
{
    switch (c) {
    case '\r': p->state = STATE_CHUNK_LF; return 0;
    case ';': p->state = STATE_CHUNK_EXTENSION; return 0;
    case ' ':
    case '\t': p->state = STATE_CHUNK_BLANK; return 0;
    default: return -HTTP1_BAD_CHUNK_SIZE;
    }
}

static int on_size(struct http1_parser *p, uint8_t c)
{
    enum { PLACES_MAX = 16 };
    int digit = http_hex(c);
    if (digit < 0)
        return p->digits ? after_size(p, c) : -HTTP1_BAD_CHUNK_SIZE;
    if (++p->digits > PLACES_MAX || p->left >> 59)
        return -HTTP1_BAD_CHUNK_SIZE;
    p->left = p->left << 4 | (uint64_t)digit;
    return 0;
}

static int on_extension(struct http1_parser *p, uint8_t c)
{
    if (c == '\r') {
        p->state = STATE_CHUNK_LF;
        return 0;
    }
    if (!(http_class[c] & HTTP_CLASS_VALUE))
        return -HTTP1_BAD_CHUNK_EXTENSION;
    return ++p->extensions > p->limits->extensions_max ? -HTTP1_BAD_CHUNK_EXTENSION_LONG : 0;
}

/* White space is allowed before an extension only (RFC 9112, section 7.1.1). */
static int on_blank(struct http1_parser *p, uint8_t c)
{
    if (c == ';')
        p->state = STATE_CHUNK_EXTENSION;
    else if (c != ' ' && c != '\t')
        return -HTTP1_BAD_CHUNK_SIZE;
    return ++p->extensions > p->limits->extensions_max ? -HTTP1_BAD_CHUNK_EXTENSION_LONG : 0;
}

static int on_chunk_lf(struct http1_parser *p, uint8_t c)
{
    if (c != '\n')
        return -HTTP1_BAD_LINE_END;
    p->digits = 0;
    p->state = p->left ? STATE_CHUNK_DATA : STATE_TRAILERS;
    p->at = p->line = 0;
    p->field_count = 0;
    return 0;
}

static int on_data_end(struct http1_parser *p, uint8_t c)
{
    bool is_cr = p->state == STATE_CHUNK_CR;
    p->state = is_cr ? STATE_CHUNK_DATA_LF : STATE_CHUNK_SIZE;
    return c == (is_cr ? '\r' : '\n') ? 0 : -HTTP1_BAD_CHUNK_END;
}

/* A byte of a chunk's framing. 0 or minus an http1_error. */
static int on_framing(struct http1_parser *p, uint8_t c)
{
    switch (p->state) {
    case STATE_CHUNK_SIZE: return on_size(p, c);
    case STATE_CHUNK_BLANK: return on_blank(p, c);
    case STATE_CHUNK_EXTENSION: return on_extension(p, c);
    case STATE_CHUNK_LF: return on_chunk_lf(p, c);
    default: return on_data_end(p, c);
    }
}

static bool is_framing(const struct http1_parser *p)
{
    return p->state >= STATE_CHUNK_SIZE && p->state <= STATE_CHUNK_DATA_LF &&
           p->state != STATE_CHUNK_DATA;
}

static size_t next_trailers(struct http1_parser *p, struct span in, struct http1_event *event)
{
    int err = http1_trailer_lines(p, in);
    if (err == 0)
        return more(event, 0);
    if (err < 0)
        return fail(p, -err, event);
    size_t done = p->at;
    event->kind = HTTP1_END;
    event->head.bytes = (struct span){in.data, done};
    event->head.fields = p->fields;
    event->head.field_count = p->field_count;
    start_over(p);
    return done;
}

static size_t next_chunk(struct http1_parser *p, struct span in, struct http1_event *event)
{
    size_t done = 0;
    for (; done < in.len && is_framing(p); done++) {
        int err = on_framing(p, in.data[done]);
        if (err < 0) {
            fail(p, -err, event);
            return done;
        }
    }
    struct span rest = {in.data + done, in.len - done};
    if (p->state == STATE_CHUNK_DATA)
        return done + next_piece(p, rest, event, STATE_CHUNK_CR);
    if (p->state == STATE_TRAILERS)
        return done + next_trailers(p, rest, event);
    return more(event, done);
}

static size_t next_end(struct http1_parser *p, struct http1_event *event)
{
    event->kind = HTTP1_END;
    event->head.bytes = (struct span){0};
    event->head.fields = NULL;
    event->head.field_count = 0;
    start_over(p);
    return 0;
}

size_t http1_next(struct http1_parser *p, struct span in, struct http1_event *event)
{
    switch (p->state) {
    case STATE_FIRST_LINE:
    case STATE_FIELDS: return next_head(p, in, event);
    case STATE_BODY: return next_body(p, in, event);
    case STATE_END: return next_end(p, event);
    case STATE_ERROR: return fail(p, p->error, event);
    default: return next_chunk(p, in, event);
    }
}

void http1_untake(struct http1_parser *p, size_t n)
{
    if (n == 0)
        return;
    p->left += n;
    p->state = p->body == HTTP1_BODY_CHUNKED ? STATE_CHUNK_DATA : STATE_BODY;
}

void http1_eof(struct http1_parser *p, struct http1_event *event)
{
    if (p->state == STATE_ERROR)
        fail(p, p->error, event);
    else if (p->state == STATE_END || (p->state == STATE_BODY && p->body == HTTP1_BODY_TO_EOF))
        next_end(p, event);
    else if (p->state == STATE_FIRST_LINE && p->at == 0)
        more(event, 0);
    else
        fail(p, HTTP1_BAD_CUT_SHORT, event);
}
