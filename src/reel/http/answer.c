/* Answers: a head put together from parts that are made beforehand, and the body behind it. */
#include "reel/http/answer.h"

#include "http/token.h"

#include <errno.h>
#include <string.h>

enum {
    HEAD_MAX = 1024,
    TYPE_MAX = 256,
    SLACK = 64, /* always left for the framing of a chunk and the last one */
};

/* ---- Statuses. ---- */

enum { STATUS_FIRST = 100, STATUS_LAST = 599 };

struct status_line {
    const char *text_z;
    const char *line_z;
    size_t line_len;
};

#define STATUS(status, text)                                              \
    [(status)-STATUS_FIRST] = {text, "HTTP/1.1 " #status " " text "\r\n", \
                               sizeof("HTTP/1.1 " #status " " text "\r\n") - 1}

static const struct status_line statuses[STATUS_LAST - STATUS_FIRST + 1] = {
    STATUS(100, "Continue"),
    STATUS(101, "Switching Protocols"),
    STATUS(103, "Early Hints"),
    STATUS(200, "OK"),
    STATUS(201, "Created"),
    STATUS(202, "Accepted"),
    STATUS(203, "Non-Authoritative Information"),
    STATUS(204, "No Content"),
    STATUS(205, "Reset Content"),
    STATUS(206, "Partial Content"),
    STATUS(300, "Multiple Choices"),
    STATUS(301, "Moved Permanently"),
    STATUS(302, "Found"),
    STATUS(303, "See Other"),
    STATUS(304, "Not Modified"),
    STATUS(307, "Temporary Redirect"),
    STATUS(308, "Permanent Redirect"),
    STATUS(400, "Bad Request"),
    STATUS(401, "Unauthorized"),
    STATUS(402, "Payment Required"),
    STATUS(403, "Forbidden"),
    STATUS(404, "Not Found"),
    STATUS(405, "Method Not Allowed"),
    STATUS(406, "Not Acceptable"),
    STATUS(407, "Proxy Authentication Required"),
    STATUS(408, "Request Timeout"),
    STATUS(409, "Conflict"),
    STATUS(410, "Gone"),
    STATUS(411, "Length Required"),
    STATUS(412, "Precondition Failed"),
    STATUS(413, "Content Too Large"),
    STATUS(414, "URI Too Long"),
    STATUS(415, "Unsupported Media Type"),
    STATUS(416, "Range Not Satisfiable"),
    STATUS(417, "Expectation Failed"),
    STATUS(421, "Misdirected Request"),
    STATUS(422, "Unprocessable Content"),
    STATUS(426, "Upgrade Required"),
    STATUS(428, "Precondition Required"),
    STATUS(429, "Too Many Requests"),
    STATUS(431, "Request Header Fields Too Large"),
    STATUS(500, "Internal Server Error"),
    STATUS(501, "Not Implemented"),
    STATUS(502, "Bad Gateway"),
    STATUS(503, "Service Unavailable"),
    STATUS(504, "Gateway Timeout"),
    STATUS(505, "HTTP Version Not Supported"),
};

static bool is_status(int status)
{
    return status >= STATUS_FIRST && status <= STATUS_LAST;
}

const char *reel_http_status_text(int status)
{
    const char *text_z = is_status(status) ? statuses[status - STATUS_FIRST].text_z : NULL;
    return text_z ? text_z : "Unknown";
}

/* ---- Composing. ---- */

struct composer {
    char bytes[HEAD_MAX];
    size_t len;
};

static void put(struct composer *c, const void *data, size_t len)
{
    memcpy(c->bytes + c->len, data, len); /* its parts have maxima that fit together */
    c->len += len;
}

#define PUT(c, literal) put(c, literal, sizeof(literal) - 1)

static void put_number(struct composer *c, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    put(c, digits + at, sizeof(digits) - at);
}

static void put_status(struct composer *c, int status)
{
    const struct status_line *line = &statuses[status - STATUS_FIRST];
    if (line->line_z) {
        put(c, line->line_z, line->line_len);
        return;
    }
    PUT(c, "HTTP/1.1 ");
    put_number(c, (uint64_t)status);
    PUT(c, " Unknown\r\n");
}

static void compose(struct composer *c, struct reel_http_request *q, const char *type_z,
                    int64_t length)
{
    struct reel_http_site *site = q->conn->site;
    reel_site_refresh(site);
    put_status(c, q->status);
    put(c, site->common, site->common_len);
    if (type_z) {
        PUT(c, "Content-Type: ");
        put(c, type_z, strlen(type_z));
        PUT(c, "\r\n");
    }
    if (length >= 0) {
        PUT(c, "Content-Length: ");
        put_number(c, (uint64_t)length);
        PUT(c, "\r\n");
    } else if (q->chunked) {
        PUT(c, "Transfer-Encoding: chunked\r\n");
    }
    if (!q->keep_alive)
        PUT(c, "Connection: close\r\n");
    else if (q->head.minor == 0)
        PUT(c, "Connection: keep-alive\r\n");
}

/* ---- Sending, in turn. ---- */

static size_t total(const struct iovec *parts, int count)
{
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    return len;
}

static size_t queue_max(const struct conn *c)
{
    size_t max = c->site->factory.options.queue_max;
    return max ? max : REEL_QUEUE_MAX_DEFAULT;
}

int reel_answer_out(struct reel_http_request *q, const struct iovec *parts, int count)
{
    struct conn *c = q->conn;
    if (q->is_gone || c->over || c->lingering)
        return -EPIPE;
    if (request_is_first(q) && !q->waiting.len && !q->continue_due)
        return reel_conn_write(c, parts, count);
    size_t len = total(parts, count);
    if (len > queue_max(c) - (c->ahead < queue_max(c) ? c->ahead : queue_max(c)))
        return -ENOBUFS;
    size_t before = q->waiting.len;
    for (int i = 0; i < count; i++)
        if (reel_text_put(c->site, &q->waiting, parts[i].iov_base, parts[i].iov_len, SIZE_MAX) <
            0) {
            q->waiting.len = before;
            return -ENOMEM;
        }
    c->ahead += len;
    return 0;
}

/* ---- The head. ---- */

/* Whether what is left of the request's body stands in the way of another request. */
static bool body_is_in_the_way(const struct reel_http_request *q, bool whole)
{
    if (q->body_done || (!whole && (q->collected || (q->calls && q->calls->body))))
        return false;
    if (q->head.expect_continue && !q->invited && q->body_len == 0)
        return true; /* it may come, or not */
    return q->head.body == HTTP1_BODY_LENGTH &&
           q->head.length - q->body_len > q->conn->site->options.drain_max;
}

static bool status_has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* How the answer will be framed. */
static void frame(struct reel_http_request *q, int status, int64_t length, bool whole)
{
    struct conn *c = q->conn;
    q->status = (uint16_t)status;
    q->no_body = status_has_no_body(status) || http_is(q->head.method, "HEAD");
    q->sized = length >= 0;
    q->left = length >= 0 ? (uint64_t)length : 0;
    q->chunked = length < 0 && q->head.minor > 0 && !status_has_no_body(status);
    q->to_eof = length < 0 && q->head.minor == 0 && !q->no_body;
    bool in_the_way = body_is_in_the_way(q, whole);
    if (in_the_way)
        c->lingering_due = true;
    if (in_the_way || q->to_eof || c->site->freed)
        q->keep_alive = false;
    if (!q->keep_alive)
        c->last = true;
}

/* It may be somebody else's word for what he has given us: it must not end its line. */
static bool is_type(const char *type_z)
{
    struct span type = {(const uint8_t *)type_z, strlen(type_z)};
    return type.len <= TYPE_MAX && http_is_all(type, HTTP_CLASS_VALUE);
}

/* Head and, for a whole answer, body. */
static int begin(struct reel_http_request *q, int status, const char *type_z, int64_t length,
                 const void *body, size_t len, bool whole)
{
    struct composer composer;
    composer.len = 0;
    if (q->is_gone || q->conn->over)
        return -EPIPE;
    if (q->state != ANSWER_NONE)
        return -EBUSY;
    if (!is_status(status) || (type_z && !is_type(type_z)))
        return -EINVAL;
    const bool kept_alive = q->keep_alive, was_last = q->conn->last;
    frame(q, status, length, whole);
    compose(&composer, q, type_z, status_has_no_body(status) ? -1 : length);
    struct iovec parts[4] = {{composer.bytes, composer.len}};
    int count = 1;
    if (q->fields.len)
        parts[count++] = (struct iovec){q->fields.data, q->fields.len};
    else
        PUT(&composer, "\r\n");
    parts[0].iov_len = composer.len;
    if (q->fields.len)
        parts[count++] = (struct iovec){(void *)"\r\n", 2};
    if (len && !q->no_body)
        parts[count++] = (struct iovec){(void *)body, len};
    int err = reel_answer_out(q, parts, count);
    if (err < 0) { /* as if nothing had been */
        q->keep_alive = kept_alive;
        q->conn->last = was_last;
        return err;
    }
    q->continue_due = false;
    return 0;
}

/* ---- Whole answers. ---- */

int reel_http_answer(struct reel_http_request *q, int status, const char *type_z, const void *body,
                     size_t len)
{
    int err = begin(q, status, type_z, (int64_t)len, body, len, true);
    if (err < 0)
        return err;
    q->sent = q->no_body ? 0 : len;
    q->state = ANSWER_ENDED;
    reel_conn_wake(q->conn);
    return 0;
}

int reel_http_answer_text(struct reel_http_request *q, int status, const char *text_z)
{
    return reel_http_answer(q, status, "text/plain; charset=utf-8", text_z, strlen(text_z));
}

int reel_http_error(struct reel_http_request *q, int status)
{
    char text_z[64];
    int len = snprintf(text_z, sizeof(text_z), "%d %s\n", status, reel_http_status_text(status));
    return reel_http_answer(q, status, "text/plain; charset=utf-8", text_z, (size_t)len);
}

int reel_http_redirect(struct reel_http_request *q, int status, const char *location_z)
{
    int err = reel_http_set(q, "Location", location_z);
    return err < 0 ? err : reel_http_error(q, status);
}

/* ---- Fields. ---- */

static bool is_ours(struct span name)
{
    static const char *const ours[] = {"Content-Length", "Transfer-Encoding", "Connection", "Date"};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (http_equal(name, ours[i]))
            return true;
    return false;
}

int reel_http_set(struct reel_http_request *q, const char *name_z, const char *value_z)
{
    struct span name = {(const uint8_t *)name_z, strlen(name_z)};
    struct span value = {(const uint8_t *)value_z, strlen(value_z)};
    if (q->state != ANSWER_NONE)
        return -EBUSY;
    if (!http_is_token(name) || !http_is_all(value, HTTP_CLASS_VALUE) || is_ours(name))
        return -EINVAL;
    const struct iovec parts[] = {{(void *)name_z, name.len},
                                  {(void *)": ", 2},
                                  {(void *)value_z, value.len},
                                  {(void *)"\r\n", 2}};
    size_t before = q->fields.len;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        int err = reel_text_put(q->conn->site, &q->fields, parts[i].iov_base, parts[i].iov_len,
                                REEL_HTTP_ANSWER_FIELDS_MAX);
        if (err < 0) {
            q->fields.len = before;
            return err;
        }
    }
    return 0;
}

/* ---- Answers in pieces. ---- */

int reel_http_begin(struct reel_http_request *q, int status, const char *type_z, int64_t length)
{
    int err = begin(q, status, type_z, length, NULL, 0, false);
    if (err == 0)
        q->state = ANSWER_BEGUN;
    return err;
}

size_t reel_http_room(struct reel_http_request *q)
{
    struct conn *c = q->conn;
    if (q->is_gone || c->over || q->state == ANSWER_ENDED)
        return 0;
    size_t high = c->site->factory.options.queue_high, used = q->waiting.len;
    high = high ? high : REEL_QUEUE_HIGH_DEFAULT;
    if (!request_is_first(q)) {
        size_t max = c->site->options.ahead_max;
        q->refused |= c->ahead >= max;
        return c->ahead < max ? max - c->ahead : 0;
    }
    used += reel_write_pending(c->t);
    if (used >= high && !q->waiting.len && reel_conn_has_room(c))
        used = reel_write_pending(c->t);
    if (used + SLACK < high)
        return high - used - SLACK;
    q->refused = true;
    reel_conn_wake(c);
    return 0;
}

/* Whether the queue takes so much more, with its framing. */
static bool fits(struct reel_http_request *q, size_t len)
{
    struct conn *c = q->conn;
    if (request_is_first(q) && !q->waiting.len)
        return len + SLACK <= reel_write_room(c->t);
    return c->ahead + len + SLACK <= queue_max(c);
}

static int write_chunk(struct reel_http_request *q, const void *data, size_t len)
{
    char size_z[24];
    int n = snprintf(size_z, sizeof(size_z), "%zx\r\n", len);
    const struct iovec parts[] = {{size_z, (size_t)n}, {(void *)data, len}, {(void *)"\r\n", 2}};
    return reel_answer_out(q, parts, 3);
}

int reel_http_write(struct reel_http_request *q, const void *data, size_t len)
{
    if (q->is_gone || q->conn->over || q->state != ANSWER_BEGUN)
        return -EPIPE;
    if (q->sized && len > q->left)
        return -EMSGSIZE;
    if (len == 0)
        return 0;
    int err = 0;
    if (!q->no_body) {
        const struct iovec part = {(void *)data, len};
        err = !fits(q, len) ? -ENOBUFS
              : q->chunked  ? write_chunk(q, data, len)
                            : reel_answer_out(q, &part, 1);
        if (err == -ENOBUFS) {
            q->refused = true;
            reel_conn_wake(q->conn);
        }
        if (err < 0)
            return err;
        q->sent += len;
    }
    q->left -= q->sized ? len : 0;
    return 0;
}

int reel_http_end(struct reel_http_request *q)
{
    if (q->is_gone || q->conn->over || q->state != ANSWER_BEGUN)
        return -EPIPE;
    if (q->sized && q->left && !q->no_body) {
        reel_http_abort(q);
        return -EPIPE;
    }
    if (q->chunked && !q->no_body) {
        const struct iovec part = {(void *)"0\r\n\r\n", 5};
        int err = reel_answer_out(q, &part, 1);
        if (err < 0) {
            reel_http_abort(q);
            return err;
        }
    }
    q->state = ANSWER_ENDED;
    reel_conn_wake(q->conn);
    return 0;
}

void reel_http_abort(struct reel_http_request *q)
{
    if (q->is_gone)
        return;
    q->broken = true;
    q->state = ANSWER_ENDED;
    q->conn->over = true;
    reel_abort(q->conn->t);
}
