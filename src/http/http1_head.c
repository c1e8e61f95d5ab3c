/* The head of a message, line by line. A line is looked at once to find its end, and once more, by
 * this file's small scanners, when it is whole: so that nothing depends on how it was split. */
#include "http/http1.h"
#include "http/http1_inside.h"
#include "http/token.h"

#include <string.h>

/* What bounds a line and the whole it belongs to. */
struct bounds {
    uint32_t line_max, total_max;
    enum http1_error line_error, total_error;
};

/* The next line, without its end. 1; 0: it is not whole yet; below 0: minus an http1_error. */
static int next_line(struct http1_parser *p, struct span in, const struct bounds *bounds,
                     struct span *line)
{
    size_t line_stop = (size_t)p->line + bounds->line_max + 2;
    size_t stop = line_stop < bounds->total_max ? line_stop : bounds->total_max;
    size_t until = in.len < stop ? in.len : stop;
    const uint8_t *lf = p->at < until ? memchr(in.data + p->at, '\n', until - p->at) : NULL;
    if (!lf) {
        p->at = (uint32_t)until;
        if (until < stop)
            return 0;
        return stop == line_stop ? -(int)bounds->line_error : -(int)bounds->total_error;
    }
    const uint8_t *start = in.data + p->line;
    if (lf == start || lf[-1] != '\r')
        return -HTTP1_BAD_LINE_END;
    *line = (struct span){start, (size_t)(lf - start) - 1};
    p->at = p->line = (uint32_t)(lf - in.data) + 1;
    return 1;
}

static size_t scan(struct span text, size_t from, enum http_class class)
{
    size_t i = from;
    while (i < text.len && (http_class[text.data[i]] & class))
        i++;
    return i;
}

/* "HTTP/1.1", and any later 1.x as 1.1 (RFC 9110, section 2.5). */
static int read_version(struct http1_parser *p, const uint8_t *text)
{
    if (memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' || text[6] != '.' ||
        text[7] < '0' || text[7] > '9')
        return -HTTP1_BAD_LINE;
    p->minor = text[7] != '0';
    return text[5] == '1' ? 0 : -HTTP1_BAD_VERSION;
}

/* scheme "://" host, and then a path or a query or nothing. */
static bool is_absolute(struct span target)
{
    size_t i = 0;
    while (i < target.len && target.data[i] != ':' &&
           (http_class[target.data[i]] & HTTP_CLASS_TOKEN))
        i++;
    if (i == 0 || target.len - i < 4 || memcmp(target.data + i, "://", 3) != 0)
        return false;
    size_t end = scan(target, i + 3, HTTP_CLASS_HOST);
    return end > i + 3 && (end == target.len || target.data[end] == '/' || target.data[end] == '?');
}

static bool is_authority(struct span target)
{
    return scan(target, 0, HTTP_CLASS_HOST) == target.len && memchr(target.data, ':', target.len);
}

/* RFC 9112, section 3.2. */
static int read_form(struct http1_parser *p, struct span method, struct span target)
{
    if (http_is(method, "CONNECT"))
        p->form = HTTP1_FORM_AUTHORITY;
    else if (target.data[0] == '/')
        p->form = HTTP1_FORM_ORIGIN;
    else if (http_is(target, "*") && http_is(method, "OPTIONS"))
        p->form = HTTP1_FORM_ASTERISK;
    else
        p->form = HTTP1_FORM_ABSOLUTE;
    bool good = p->form == HTTP1_FORM_AUTHORITY  ? is_authority(target)
                : p->form == HTTP1_FORM_ABSOLUTE ? is_absolute(target)
                                                 : true;
    return good ? 0 : -HTTP1_BAD_TARGET;
}

/* method SP target SP version (RFC 9112, section 3). */
static int read_request_line(struct http1_parser *p, struct span in, struct span line)
{
    enum { VERSION_LEN = 8 };
    size_t end = scan(line, 0, HTTP_CLASS_TOKEN);
    if (end == 0 || end == line.len || line.data[end] != ' ')
        return -HTTP1_BAD_METHOD;
    if (end > HTTP1_METHOD_MAX)
        return -HTTP1_BAD_METHOD_LONG;
    struct span method = {line.data, end};
    size_t target_at = end + 1;
    end = scan(line, target_at, HTTP_CLASS_TARGET);
    if (end == target_at || (end < line.len && line.data[end] != ' '))
        return -HTTP1_BAD_TARGET;
    struct span target = {line.data + target_at, end - target_at};
    if (line.len - end != VERSION_LEN + 1)
        return -HTTP1_BAD_LINE;
    p->first_at = (uint32_t)(line.data - in.data);
    p->method_len = (uint8_t)method.len;
    p->target_at = p->first_at + (uint32_t)target_at;
    p->target_len = (uint32_t)target.len;
    int err = read_version(p, line.data + end + 1);
    return err < 0 ? err : read_form(p, method, target);
}

/* version SP three digits, then SP and a reason, or nothing (RFC 9112, section 4). */
static int read_status_line(struct http1_parser *p, struct span in, struct span line)
{
    enum { VERSION_LEN = 8, STATUS_END = 12, REASON_AT = 13 };
    if (line.len < STATUS_END || line.data[VERSION_LEN] != ' ' ||
        (line.len > STATUS_END && line.data[STATUS_END] != ' '))
        return -HTTP1_BAD_LINE;
    int err = read_version(p, line.data);
    if (err < 0)
        return err;
    uint64_t status = 0;
    struct span digits = {line.data + VERSION_LEN + 1, 3};
    if (!http_number(digits, &status) || status < 100 || status > 599)
        return -HTTP1_BAD_STATUS;
    if (scan(line, STATUS_END, HTTP_CLASS_VALUE) < line.len)
        return -HTTP1_BAD_LINE;
    p->status = (uint16_t)status;
    size_t reason_at = line.len > REASON_AT ? REASON_AT : line.len;
    p->target_at = (uint32_t)(line.data - in.data) + (uint32_t)reason_at;
    p->target_len = (uint32_t)(line.len - reason_at);
    return 0;
}

static bool is_value(struct span value)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    size_t i = 0;
    for (; value.len - i >= 8; i += 8) { /* eight at a time: none below 0x20, none of 0x7f? */
        uint64_t w, del;
        memcpy(&w, value.data + i, sizeof(w));
        del = w ^ (ones * 0x7f);
        if ((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & high)
            break;
    }
    return scan(value, i, HTTP_CLASS_VALUE) == value.len;
}

static int on_host(struct http1_parser *p, struct span value)
{
    if (p->host || !http_is_all(value, HTTP_CLASS_HOST))
        return p->kind == HTTP1_REQUEST ? -HTTP1_BAD_HOST : 0;
    p->host = p->field_count;
    return 0;
}

static int on_length(struct http1_parser *p, struct span value)
{
    if (p->has_length)
        return -HTTP1_BAD_LENGTHS;
    p->has_length = true;
    return http_number(value, &p->left) ? 0 : -HTTP1_BAD_LENGTH;
}

/* Anything that is not "chunked" and nothing else could be read in two ways by two programs. */
static int on_coding(struct http1_parser *p, struct span value)
{
    if (p->has_coding)
        return -HTTP1_BAD_CODING;
    p->has_coding = true;
    if (http_equal(value, "chunked"))
        return 0;
    struct span coding = {0};
    size_t chunked = 0;
    bool last = false;
    while (http_list_next(&value, &coding)) {
        last = http_equal(coding, "chunked");
        chunked += last;
    }
    return last && chunked == 1 ? -HTTP1_BAD_CODING_UNKNOWN : -HTTP1_BAD_CODING;
}

static int on_connection(struct http1_parser *p, struct span value)
{
    struct span word;
    while (http_list_next(&value, &word)) {
        p->close |= http_equal(word, "close");
        p->keep |= http_equal(word, "keep-alive");
        p->names_upgrade |= http_equal(word, "upgrade");
    }
    return 0;
}

static int on_upgrade(struct http1_parser *p, struct span value)
{
    p->has_upgrade |= value.len > 0;
    return 0;
}

static int on_expect(struct http1_parser *p, struct span value)
{
    p->expect |= http_equal(value, "100-continue");
    return 0;
}

/* The fields that say how the message is read. */
static const struct known {
    const char *name_z;
    size_t len;
    bool framing; /* may not stand in trailers */
    int (*on)(struct http1_parser *p, struct span value);
} known[] = {
    {"host", 4, true, on_host},
    {"connection", 10, false, on_connection},
    {"content-length", 14, true, on_length},
    {"transfer-encoding", 17, true, on_coding},
    {"upgrade", 7, false, on_upgrade},
    {"expect", 6, false, on_expect},
};

static const struct known *find_known(struct span name)
{
    const uint32_t lengths = 1u << 4 | 1u << 10 | 1u << 14 | 1u << 17 | 1u << 7 | 1u << 6;
    if (name.len > 17 || !(lengths >> name.len & 1))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].len == name.len &&
            http_equal_bytes(name.data, (const uint8_t *)known[i].name_z, name.len))
            return &known[i];
    return NULL;
}

/* name ":" OWS value OWS (RFC 9112, section 5). */
static int read_field(struct http1_parser *p, struct span in, struct span line,
                      const struct known **what)
{
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return -HTTP1_BAD_FIELD_FOLDED;
    size_t end = scan(line, 0, HTTP_CLASS_TOKEN);
    if (end == 0 || end == line.len || line.data[end] != ':')
        return -HTTP1_BAD_FIELD_NAME;
    struct span name = {line.data, end};
    struct span value = http_trim((struct span){line.data + end + 1, line.len - end - 1});
    if (!is_value(value))
        return -HTTP1_BAD_FIELD_VALUE;
    if (p->field_count == p->limits->fields_max)
        return -HTTP1_BAD_FIELDS_MANY;
    p->fields[p->field_count++] =
        (struct http1_field){(uint32_t)(name.data - in.data), (uint32_t)name.len,
                             (uint32_t)(value.data - in.data), (uint32_t)value.len};
    *what = find_known(name);
    return 0;
}

static struct span last_value(const struct http1_parser *p, struct span in)
{
    const struct http1_field *field = &p->fields[p->field_count - 1];
    return (struct span){in.data + field->value_at, field->value_len};
}

/* What can be told from the first byte is told at once: a peer that speaks TLS here does not wait
 * for its line to end. */
static int look_at_first_byte(const struct http1_parser *p, struct span in)
{
    if (in.len <= p->line)
        return 0;
    uint8_t first = in.data[p->line];
    if (first == '\n')
        return -HTTP1_BAD_LINE_END;
    if ((http_class[first] & HTTP_CLASS_TOKEN) || first == '\r')
        return 0;
    return p->kind == HTTP1_REQUEST ? -HTTP1_BAD_METHOD : -HTTP1_BAD_LINE;
}

static int first_line(struct http1_parser *p, struct span in)
{
    const struct bounds bounds = {p->limits->line_max, p->limits->head_max, HTTP1_BAD_LINE_LONG,
                                  HTTP1_BAD_HEAD_LONG};
    struct span line = {0};
    int err = look_at_first_byte(p, in);
    if (err == 0)
        err = next_line(p, in, &bounds, &line);
    if (err <= 0)
        return err;
    if (line.len == 0 && p->kind == HTTP1_REQUEST && p->skipped++ == 0)
        return first_line(p, in);
    if (line.len == 0)
        return p->kind == HTTP1_REQUEST ? -HTTP1_BAD_METHOD : -HTTP1_BAD_LINE;
    err = p->kind == HTTP1_REQUEST ? read_request_line(p, in, line) : read_status_line(p, in, line);
    p->state = STATE_FIELDS;
    return err < 0 ? err : 1;
}

int http1_head_lines(struct http1_parser *p, struct span in)
{
    if (p->state == STATE_FIRST_LINE) {
        int err = first_line(p, in);
        if (err <= 0)
            return err;
    }
    const struct bounds bounds = {p->limits->field_max, p->limits->head_max, HTTP1_BAD_FIELD_LONG,
                                  HTTP1_BAD_HEAD_LONG};
    for (;;) {
        struct span line = {0};
        const struct known *what = NULL;
        int err = next_line(p, in, &bounds, &line);
        if (err <= 0)
            return err;
        if (line.len == 0)
            return 1;
        err = read_field(p, in, line, &what);
        if (err == 0 && what)
            err = what->on(p, last_value(p, in));
        if (err < 0)
            return err;
    }
}

int http1_trailer_lines(struct http1_parser *p, struct span in)
{
    const struct bounds bounds = {p->limits->field_max, p->limits->trailers_max,
                                  HTTP1_BAD_FIELD_LONG, HTTP1_BAD_TRAILERS_LONG};
    for (;;) {
        struct span line = {0};
        const struct known *what = NULL;
        int err = next_line(p, in, &bounds, &line);
        if (err <= 0)
            return err;
        if (line.len == 0)
            return 1;
        err = read_field(p, in, line, &what);
        if (err < 0)
            return err;
        if (what && what->framing)
            return -HTTP1_BAD_TRAILER;
    }
}

static enum http1_body body_of_response(const struct http1_parser *p)
{
    bool none = p->status < 200 || p->status == 204 || p->status == 304 || p->no_body ||
                (p->tunnel && p->status < 300);
    if (none)
        return HTTP1_BODY_NONE;
    if (p->has_coding)
        return HTTP1_BODY_CHUNKED;
    if (p->has_length)
        return p->left ? HTTP1_BODY_LENGTH : HTTP1_BODY_NONE;
    return HTTP1_BODY_TO_EOF;
}

static enum http1_body body_of_request(const struct http1_parser *p)
{
    if (p->has_coding)
        return HTTP1_BODY_CHUNKED;
    return p->has_length && p->left ? HTTP1_BODY_LENGTH : HTTP1_BODY_NONE;
}

/* RFC 9112, section 6.3, with everything doubtful refused. */
static int frame(struct http1_parser *p)
{
    if (p->kind == HTTP1_REQUEST && p->minor > 0 && !p->host)
        return -HTTP1_BAD_HOST;
    if (p->has_coding && p->has_length)
        return -HTTP1_BAD_LENGTH_AND_CODING;
    if (p->has_coding && p->minor == 0)
        return -HTTP1_BAD_CODING_OLD;
    enum http1_body body = p->kind == HTTP1_REQUEST ? body_of_request(p) : body_of_response(p);
    p->body = (uint8_t)body;
    return 0;
}

int http1_head_done(struct http1_parser *p, struct span in, struct http1_head *head)
{
    int err = frame(p);
    if (err < 0)
        return err;
    struct span text = {in.data + p->target_at, p->target_len};
    bool is_request = p->kind == HTTP1_REQUEST;
    *head = (struct http1_head){
        .bytes = {in.data, p->at},
        .form = (enum http1_form)p->form,
        .minor = p->minor,
        .status = p->status,
        .fields = p->fields,
        .field_count = p->field_count,
        .body = (enum http1_body)p->body,
        .length = p->has_length ? p->left : 0,
        .has_length = p->has_length,
        .keep_alive = !p->close && (p->minor > 0 || p->keep) && p->body != HTTP1_BODY_TO_EOF,
        .expect_continue = p->expect && p->minor > 0,
        .upgrade = p->names_upgrade && p->has_upgrade && p->minor > 0,
    };
    if (is_request) {
        head->method = (struct span){in.data + p->first_at, p->method_len};
        head->target = text;
        if (p->host)
            head->host = http1_value(head, p->host - 1);
    } else {
        head->reason = text;
    }
    return 0;
}

ptrdiff_t http1_find(const struct http1_head *head, const char *name_z, size_t from)
{
    size_t len = strlen(name_z);
    for (size_t i = from; i < head->field_count; i++)
        if (head->fields[i].name_len == len &&
            http_equal_bytes(head->bytes.data + head->fields[i].name_at, (const uint8_t *)name_z,
                             len))
            return (ptrdiff_t)i;
    return -1;
}
