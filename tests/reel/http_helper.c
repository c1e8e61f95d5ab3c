#include "http_helper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct seen seen;

static void handle_hello(struct reel_http_request *q, void *context)
{
    reel_http_answer_text(q, 200, context ? context : "hello\n");
}

static void handle_path(struct reel_http_request *q, void *context)
{
    (void)context;
    char text_z[256];
    struct reel_http_text path = reel_http_path(q), query = reel_http_query(q);
    struct reel_http_text id = reel_http_param(q, "id"), rest = reel_http_rest(q);
    snprintf(text_z, sizeof(text_z), "%.*s|%.*s|%.*s|%.*s", (int)path.len, path.data,
             (int)query.len, query.data ? query.data : "", (int)id.len, id.data ? id.data : "",
             (int)rest.len, rest.data ? rest.data : "");
    reel_http_answer(q, 200, NULL, text_z, strlen(text_z));
}

static void on_gone(struct reel_http_request *q, int reason)
{
    assert_int_equal(reel_http_answer_text(q, 200, "too late"), -EPIPE);
    seen.gone++;
    seen.gone_reason = reason;
}

static void on_drained(struct reel_http_request *q)
{
    (void)q;
    seen.drained++;
}

static size_t on_body(struct reel_http_request *q, const uint8_t *data, size_t len)
{
    (void)q;
    if (seen.take && len > seen.take)
        len = seen.take;
    if (seen.body_len + len <= sizeof(seen.body))
        memcpy(seen.body + seen.body_len, data, len);
    seen.body_len += len;
    return len;
}

static void on_body_end(struct reel_http_request *q)
{
    struct reel_http_text trailer = reel_http_trailer(q, "X-Sum");
    seen.ended++;
    if (trailer.data) {
        memcpy(seen.body + seen.body_len, trailer.data, trailer.len);
        seen.body_len += trailer.len;
    }
}

static const struct reel_http_calls keep_calls = {.drained = on_drained, .gone = on_gone};
static const struct reel_http_calls body_calls = {
    .body = on_body, .body_end = on_body_end, .gone = on_gone};

static void handle_keep(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_on(q, &keep_calls, NULL);
    seen.kept[seen.count++] = q;
}

static void handle_body(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_on(q, &body_calls, NULL);
    seen.kept[seen.count++] = q;
}

static void echo_form(struct reel_http_request *q, const uint8_t *body, size_t len)
{
    char name_z[32];
    if (reel_http_form_get(body, len, "name", name_z, sizeof(name_z)) >= 0)
        reel_http_answer_text(q, 200, name_z);
    else
        reel_http_answer(q, 200, "text/x", body, len);
}

static void handle_collect(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_collect(q, 0, echo_form);
}

static void handle_pieces(struct reel_http_request *q, void *context)
{
    const int64_t *length = context;
    assert_int_equal(reel_http_set(q, "X-A", "b\r\nX-B: c"), -EINVAL);
    assert_int_equal(reel_http_set(q, "X A", "b"), -EINVAL);
    assert_int_equal(reel_http_begin(q, 200, "text/plain\r\nX-B: c", -1), -EINVAL);
    assert_int_equal(reel_http_set(q, "Content-Length", "5"), -EINVAL);
    if (reel_http_set(q, "X-A", "b") < 0 ||
        reel_http_begin(q, 200, "text/plain", length ? *length : -1) < 0) {
        reel_http_abort(q); /* out of memory */
        return;
    }
    assert_int_equal(reel_http_set(q, "X-A", "b"), -EBUSY);
    assert_int_equal(reel_http_answer_text(q, 200, ""), -EBUSY);
    reel_http_write(q, "one", 3);
    reel_http_write(q, "four", 4);
    reel_http_end(q);
}

static void handle_redirect(struct reel_http_request *q, void *context)
{
    reel_http_redirect(q, 301, context);
}

static size_t leftover(struct reel_transport *t, const uint8_t *data, size_t len)
{
    assert_int_equal(*(int *)reel_state(t), 7);
    reel_write(t, "<", 1);
    reel_write(t, data, len);
    reel_write(t, ">", 1);
    return len;
}

static void leftover_lost(struct reel_transport *t, int reason)
{
    (void)t;
    seen.gone++;
    seen.gone_reason = reason;
}

static const struct reel_protocol upgraded = {
    .name_z = "upgraded", .state_size = 16, .data = leftover, .lost = leftover_lost};

int upgrade(struct reel_http_request *q)
{
    struct reel_transport *t = NULL;
    int err = reel_http_upgrade(q, "toy", &upgraded, &t);
    if (err == 0)
        *(int *)reel_state(t) = 7;
    return err;
}

static void handle_upgrade(struct reel_http_request *q, void *context)
{
    (void)context;
    if (upgrade(q) < 0)
        reel_http_error(q, 426);
}

static void upgrade_with_body(struct reel_http_request *q, const uint8_t *body, size_t len)
{
    (void)body;
    assert_int_equal(len, 2);
    handle_upgrade(q, NULL);
}

static void handle_body_and_upgrade(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_collect(q, 0, upgrade_with_body);
}

static void handle_drop(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_abort(q);
}

static const struct reel_http_events_options event_options[2] = {
    {.queue_max = 100, .retry_ns = 2 * REEL_SECOND},
    {.queue_max = 100, .slow = REEL_HTTP_SLOW_ABORT, .keep_alive_ns = -1},
};

static void handle_events(struct reel_http_request *q, void *context)
{
    handle_keep(q, NULL);
    assert_int_equal(reel_http_events(q, context), 0);
}

static const int64_t seven = 7;

static const struct reel_http_route routes[] = {
    {REEL_HTTP_ROUTE("GET", "/", handle_hello)},
    {REEL_HTTP_ROUTE("GET", "/path/*", handle_path)},
    {REEL_HTTP_ROUTE("GET", "/users/:id/posts", handle_path)},
    {REEL_HTTP_ROUTE("GET", "/keep", handle_keep)},
    {REEL_HTTP_ROUTE("POST", "/body", handle_body), .body_max = 100},
    {REEL_HTTP_ROUTE("POST", "/form", handle_collect), .body_max = 20},
    {REEL_HTTP_ROUTE("PUT", "/form", handle_hello)},
    {REEL_HTTP_ROUTE("GET", "/pieces", handle_pieces)},
    {REEL_HTTP_ROUTE("GET", "/seven", handle_pieces), .context = (void *)&seven},
    {REEL_HTTP_ROUTE("GET", "/moved", handle_redirect), .context = (void *)"/there"},
    {REEL_HTTP_ROUTE("GET", "/events", handle_events), .context = (void *)&event_options[0]},
    {REEL_HTTP_ROUTE("GET", "/abort", handle_events), .context = (void *)&event_options[1]},
    {REEL_HTTP_ROUTE("GET", "/toy", handle_upgrade)},
    {REEL_HTTP_ROUTE("POST", "/toy", handle_body_and_upgrade)},
    {REEL_HTTP_ROUTE("GET", "/drop", handle_drop)},
    {REEL_HTTP_ROUTE("CONNECT", "/keep", handle_keep)},
    {0},
};

static void log_line(void *context, const struct reel_http_entry *entry)
{
    struct fixture *f = context;
    struct reel_http_text method = reel_http_method(entry->request);
    size_t len = strlen(f->log);
    snprintf(f->log + len, sizeof(f->log) - len, "%.*s %d %d%s;", (int)method.len,
             method.data ? method.data : "", entry->status, (int)entry->bytes,
             entry->complete ? "" : " cut");
    char text_z[256];
    assert_true(reel_http_log_line(entry, text_z, sizeof(text_z)) < sizeof(text_z));
    assert_non_null(strstr(text_z, "[06/Nov/1994:0"));
}

void open_with(struct fixture *f, const struct reel_http_options *options,
               const struct reel_wire *wire)
{
    *f = (struct fixture){0};
    memset(&seen, 0, sizeof(seen));
    const struct reel_reactor_options reactor_options = {.allocator =
                                                             counting_allocator(&f->counts)};
    struct reel_http_options o = options ? *options : (struct reel_http_options){0};
    o.log = log_line;
    o.log_context = f;
    f->r = reel_test_reactor_new(&reactor_options, WALL_US);
    assert_non_null(f->r);
    assert_int_equal(reel_http_site_new(f->r, routes, &o, &f->site), 0);
    assert_int_equal(reel_test_peer_new(f->r, reel_http_factory(f->site), wire, &f->peer, &f->t),
                     0);
    reel_test_advance(f->r, 0);
}

void open_site(struct fixture *f)
{
    open_with(f, NULL, NULL);
}

void close_site(struct fixture *f)
{
    reel_test_peer_free(f->peer);
    reel_http_site_free(f->site);
    reel_test_advance(f->r, 0);
    reel_reactor_free(f->r);
    assert_int_equal(f->counts.live, 0);
}

void say(struct fixture *f, const char *text_z)
{
    reel_test_send(f->peer, text_z, strlen(text_z));
    reel_test_advance(f->r, 0);
}

const char *hear(struct fixture *f)
{
    static char text[65536];
    size_t len = 0;
    const uint8_t *data = reel_test_received(f->peer, &len);
    assert_true(len < sizeof(text));
    if (len)
        memcpy(text, data, len);
    text[len] = '\0';
    reel_test_drop(f->peer, len);
    return text;
}

const char *body_of(const char *answer_z)
{
    const char *end_z = strstr(answer_z, "\r\n\r\n");
    return end_z ? end_z + 4 : "(no head)";
}
