/* A request: what it is made of, who handles it, and what comes of it. */
#include "reel/http/site.h"

#include "http/token.h"

#include <errno.h>
#include <string.h>

/* ---- Life. ---- */

struct reel_http_request *reel_request_new(struct conn *c)
{
    struct reel_http_site *site = c->site;
    struct reel_http_request *q = site->spare;
    if (q) {
        site->spare = q->next;
        site->spare_count--;
    } else {
        q = reel_site_memory(site, NULL, sizeof(*q));
        if (!q)
            return NULL;
    }
    /* What stands before is filled in before it is read. */
    memset(&q->conn, 0, sizeof(*q) - offsetof(struct reel_http_request, conn));
    q->conn = c;
    q->begun_ns = reel_now_ns(site->reactor);
    *c->end = q;
    c->end = &q->next;
    c->under_way++;
    return q;
}

void reel_request_free(struct reel_http_site *site, struct reel_http_request *q)
{
    if (q->kept)
        reel_site_memory(site, q->kept, 0);
    if (q->path_memory)
        reel_site_memory(site, q->path_memory, 0);
    if (q->fields.data)
        reel_text_free(site, &q->fields);
    if (q->waiting.data)
        reel_text_free(site, &q->waiting);
    if (q->body.data)
        reel_text_free(site, &q->body);
    if (site->spare_count >= SPARE_MAX) {
        reel_site_memory(site, q, 0);
        return;
    }
    q->next = site->spare;
    site->spare = q;
    site->spare_count++;
}

void reel_request_over(struct reel_http_request *q)
{
    struct reel_http_site *site = q->conn->site;
    if (q->sender)
        q->sender->end(q, q->sender);
    q->sender = NULL;
    if (q->events)
        reel_events_free(q);
    if (!site->options.log)
        return;
    const struct reel_http_entry entry = {
        .request = q,
        .status = q->status,
        .bytes = q->sent,
        .duration_ns = reel_now_ns(site->reactor) - q->begun_ns,
        .complete = q->state == ANSWER_ENDED && !q->broken,
    };
    site->options.log(site->options.log_context, &entry);
}

void reel_request_forget(struct reel_http_request *q)
{
    q->head = (struct http1_head){.minor = 1};
    q->path = q->query = q->host = q->match.rest = (struct span){0};
    q->match.param_count = 0;
}

static void move(struct span *text, struct span from, const uint8_t *to)
{
    if (text->data >= from.data && text->data <= from.data + from.len)
        text->data = to + (text->data - from.data);
}

static void move_all(struct reel_http_request *q, const uint8_t *to)
{
    struct span from = q->head.bytes;
    move(&q->head.method, from, to);
    move(&q->head.target, from, to);
    move(&q->head.host, from, to);
    move(&q->path, from, to);
    move(&q->query, from, to);
    move(&q->host, from, to);
    move(&q->match.rest, from, to);
    for (size_t i = 0; i < q->match.param_count; i++)
        move(&q->match.params[i].value, from, to);
    q->head.bytes.data = to;
}

int reel_request_keep(struct reel_http_request *q)
{
    if (q->kept || q->head.bytes.len == 0)
        return 0;
    size_t fields_size = q->head.field_count * sizeof(struct http1_field);
    struct http1_field *kept =
        reel_site_memory(q->conn->site, NULL, fields_size + q->head.bytes.len);
    if (!kept) {
        reel_request_forget(q); /* the bytes will be gone when its end is told */
        return -ENOMEM;
    }
    uint8_t *bytes = (uint8_t *)kept + fields_size;
    if (fields_size)
        memcpy(kept, q->head.fields, fields_size);
    memcpy(bytes, q->head.bytes.data, q->head.bytes.len);
    q->head.fields = kept;
    q->kept = kept;
    move_all(q, bytes);
    return 0;
}

/* ---- The way to its handler. ---- */

void reel_request_refuse(struct reel_http_request *q, int status)
{
    q->keep_alive = false;
    q->conn->last = q->conn->lingering_due = true;
    q->calls = NULL;
    q->collected = NULL;
    reel_text_free(q->conn->site, &q->fields);
    if (reel_http_error(q, status) < 0)
        reel_http_abort(q);
}

/* The parts of the target. 0 or the status for what is wrong. */
static int read_target(struct reel_http_request *q)
{
    struct http_target target = http_target_split(q->head.target, q->head.form);
    q->path = target.path;
    q->query = target.query;
    q->host = target.host.len ? target.host : q->head.host;
    if (q->head.form == HTTP1_FORM_AUTHORITY || q->head.form == HTTP1_FORM_ASTERISK)
        return 0;
    if (!memchr(q->path.data, '%', q->path.len) && !memchr(q->path.data, '.', q->path.len))
        return 0;
    size_t len = 0;
    q->path_memory = reel_site_memory(q->conn->site, NULL, q->path.len);
    if (!q->path_memory)
        return 503;
    if (!http_path_decode(q->path, q->path_memory, &len))
        return 400;
    q->path = (struct span){q->path_memory, len};
    return 0;
}

/* "GET" fits HEAD too. */
static bool fits_method(const struct reel_http_request *q, const char *method_z)
{
    if (!method_z || http_is(q->head.method, method_z))
        return true;
    return http_is(q->head.method, "HEAD") && strcmp(method_z, "GET") == 0;
}

static bool fits_path(struct reel_http_request *q, const char *path_z)
{
    if (q->head.form == HTTP1_FORM_AUTHORITY) { /* goes to whatever route takes CONNECT */
        q->match = (struct http_match){0};
        return true;
    }
    return http_path_match(path_z, q->path, &q->match);
}

/* Adds a method to the list of Allow, once. */
static void allow(char *allow_z, size_t size, const char *method_z)
{
    size_t len = strlen(method_z);
    for (const char *at_z = strstr(allow_z, method_z); at_z; at_z = strstr(at_z + 1, method_z))
        if ((at_z == allow_z || at_z[-1] == ' ') && (at_z[len] == ',' || !at_z[len]))
            return;
    size_t used = strlen(allow_z);
    snprintf(allow_z + used, size - used, "%s%s", used ? ", " : "", method_z);
}

/* No route took it. Those that take its path with another method say what is allowed. */
static void answer_unrouted(struct reel_http_request *q)
{
    enum { ALLOW_MAX = 256 };
    static const char *const known[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                        "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    char allow_z[ALLOW_MAX] = "";
    bool any_path = q->head.form == HTTP1_FORM_ASTERISK;
    for (const struct reel_http_route *r = q->conn->site->routes; r->path_z; r++) {
        if (!r->method_z || !(any_path || http_path_match(r->path_z, q->path, &q->match)))
            continue;
        allow(allow_z, sizeof(allow_z), r->method_z);
        if (strcmp(r->method_z, "GET") == 0)
            allow(allow_z, sizeof(allow_z), "HEAD");
    }
    bool is_options = http_is(q->head.method, "OPTIONS");
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        is_known |= http_is(q->head.method, known[i]);
    if (!*allow_z && !any_path) {
        reel_http_error(q, is_known ? 404 : 501);
        return;
    }
    allow(allow_z, sizeof(allow_z), "OPTIONS");
    reel_http_set(q, "Allow", allow_z);
    if (is_options)
        reel_http_answer(q, 204, NULL, NULL, 0);
    else
        reel_http_error(q, is_known ? 405 : 501);
}

static const struct reel_http_route *find_route(struct reel_http_request *q)
{
    const struct reel_http_route *r = q->conn->site->routes;
    if (q->head.form == HTTP1_FORM_ASTERISK)
        return NULL;
    for (; r->path_z; r++)
        if (fits_method(q, r->method_z) && fits_path(q, r->path_z))
            return r;
    return NULL;
}

/* A body without anybody who wants it would keep a client waiting for its 100. */
static void invite_body(struct reel_http_request *q)
{
    bool wanted = q->collected || (q->calls && q->calls->body);
    if (!q->head.expect_continue || q->body_done || q->state != ANSWER_NONE || !wanted)
        return;
    q->continue_due = true; /* sent when its turn is there */
}

void reel_request_dispatch(struct reel_http_request *q)
{
    struct reel_transport *t = q->conn->t;
    int status = read_target(q);
    if (status) {
        reel_request_refuse(q, status);
        return;
    }
    const struct reel_http_route *route = find_route(q);
    if (!route) {
        answer_unrouted(q);
        return;
    }
    q->body_max = route->body_max ? route->body_max : q->conn->site->options.body_max;
    if (q->head.body == HTTP1_BODY_LENGTH && q->head.length > q->body_max) {
        reel_request_refuse(q, 413);
        return;
    }
    route->handle(q, route->context);
    if (reel_protocol_of(t) != &reel_http_protocol)
        return; /* upgraded: the request is no more */
    invite_body(q);
    if (q->body_done && q->state != ANSWER_ENDED)
        reel_request_body_end(q, NULL);
}

/* ---- Its body. ---- */

size_t reel_request_body(struct reel_http_request *q, const uint8_t *data, size_t len)
{
    if (q->state == ANSWER_ENDED)
        return len;
    if (len > q->body_max - q->body_len) {
        if (q->state == ANSWER_NONE)
            reel_request_refuse(q, 413);
        else
            reel_http_abort(q);
        return len;
    }
    q->continue_due = false;
    if (q->collected) {
        int err = reel_text_put(q->conn->site, &q->body, data, len, q->collect_max);
        if (err < 0)
            reel_request_refuse(q, err == -ENOBUFS ? 413 : 503);
        return len;
    }
    if (!q->calls || !q->calls->body)
        return len;
    size_t taken = q->calls->body(q, data, len);
    if (taken < len)
        q->paused = true;
    return taken;
}

void reel_request_body_end(struct reel_http_request *q, const struct http1_head *trailers)
{
    struct reel_transport *t = q->conn->t;
    q->body_done = true;
    if (q->state == ANSWER_ENDED)
        return;
    q->trailers = trailers;
    if (q->collected)
        q->collected(q, (const uint8_t *)(q->body.data ? q->body.data : ""), q->body.len);
    else if (q->calls && q->calls->body_end)
        q->calls->body_end(q);
    if (reel_protocol_of(t) == &reel_http_protocol) /* else it was upgraded: it is no more */
        q->trailers = NULL;
}

int64_t reel_http_length(const struct reel_http_request *q)
{
    switch (q->head.body) {
    case HTTP1_BODY_CHUNKED: return -1;
    case HTTP1_BODY_LENGTH: return (int64_t)q->head.length;
    default: return 0;
    }
}

void reel_http_on(struct reel_http_request *q, const struct reel_http_calls *calls, void *context)
{
    q->calls = calls;
    q->context = context;
}

void *reel_http_context(const struct reel_http_request *q)
{
    return q->context;
}

int reel_http_collect(struct reel_http_request *q, size_t max,
                      void (*done)(struct reel_http_request *q, const uint8_t *body, size_t len))
{
    size_t most = q->body_max < SIZE_MAX ? (size_t)q->body_max : SIZE_MAX;
    q->collect_max = max && max < most ? max : most;
    q->collected = done;
    if (q->head.body == HTTP1_BODY_LENGTH && q->head.length > q->collect_max) {
        reel_request_refuse(q, 413);
        return 0;
    }
    return 0;
}

void reel_http_pause(struct reel_http_request *q)
{
    q->paused = true;
}

void reel_http_resume(struct reel_http_request *q)
{
    q->paused = false;
    reel_conn_wake(q->conn);
}

struct reel_http_text reel_http_trailer(const struct reel_http_request *q, const char *name_z)
{
    ptrdiff_t i = q->trailers ? http1_find(q->trailers, name_z, 0) : -1;
    if (i < 0)
        return (struct reel_http_text){0};
    struct span value = http1_value(q->trailers, (size_t)i);
    return (struct reel_http_text){(const char *)value.data, value.len};
}
