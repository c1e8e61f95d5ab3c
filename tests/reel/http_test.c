/* The HTTP server in virtual time, with the test as its client. */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A server, and one client of it. */
struct fixture {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct reel_http_site *site;
    struct reel_test_peer *peer;
    struct reel_transport *t;
    char log[2048];
};

/* What the handlers that keep their requests have. */
static struct {
    struct reel_http_request *kept[8];
    int count, gone, gone_reason, drained, ended;
    char body[256];
    size_t body_len;
    size_t take; /* of each piece; 0: all */
} seen;

/* Sun, 06 Nov 1994 08:49:37 GMT */
#define WALL_US (INT64_C(784111777) * 1000000)

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

static int upgrade(struct reel_http_request *q)
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

static void open_with(struct fixture *f, const struct reel_http_options *options,
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

static void open_site(struct fixture *f)
{
    open_with(f, NULL, NULL);
}

static void close_site(struct fixture *f)
{
    reel_test_peer_free(f->peer);
    reel_http_site_free(f->site);
    reel_test_advance(f->r, 0);
    reel_reactor_free(f->r);
    assert_int_equal(f->counts.live, 0);
}

static void say(struct fixture *f, const char *text_z)
{
    reel_test_send(f->peer, text_z, strlen(text_z));
    reel_test_advance(f->r, 0);
}

/* All that came, with a NUL, and drops it. */
static const char *hear(struct fixture *f)
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

#define DATE  "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define PLAIN "Content-Type: text/plain; charset=utf-8\r\n"
#define HELLO "HTTP/1.1 200 OK\r\n" DATE PLAIN "Content-Length: 6\r\n\r\nhello\n"
#define HOST  "Host: a\r\n"
#define GET   "GET / HTTP/1.1\r\n" HOST "\r\n"

static void a_request_is_answered(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, GET);
    assert_string_equal(hear(&f), HELLO);
    say(&f, GET);
    assert_string_equal(hear(&f), HELLO);
    assert_string_equal(f.log, "GET 200 6;GET 200 6;");
    assert_int_equal(reel_http_connections(f.site), 1);
    close_site(&f);
}

static void a_request_in_single_bytes_is_answered(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, NULL, &(struct reel_wire){.chunk_max = 1, .send_max = 3});
    say(&f, GET GET "POST /form HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                    "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n" GET);
    assert_string_equal(hear(&f), HELLO HELLO "HTTP/1.1 200 OK\r\n" DATE
                                              "Content-Type: text/x\r\nContent-Length: 5\r\n\r\n"
                                              "abcde" HELLO);
    close_site(&f);
}

static void pipelined_requests_are_answered_in_one_write(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, GET GET GET);
    assert_string_equal(hear(&f), HELLO HELLO HELLO);
    close_site(&f);
}

static void the_connection_ends_when_the_client_says_so(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" GET);
    assert_string_equal(hear(&f), "HTTP/1.1 200 OK\r\n" DATE PLAIN
                                  "Content-Length: 6\r\nConnection: close\r\n\r\nhello\n");
    assert_true(reel_test_saw_eof(f.peer));
    close_site(&f);
}

static void http_1_0_is_understood(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_string_equal(hear(&f), "HTTP/1.1 200 OK\r\n" DATE PLAIN
                                  "Content-Length: 6\r\nConnection: keep-alive\r\n\r\nhello\n");
    say(&f, "GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_string_equal(hear(&f), "HTTP/1.1 200 OK\r\n" DATE
                                  "Content-Type: text/plain\r\nConnection: close\r\n"
                                  "X-A: b\r\n\r\nonefour");
    assert_true(reel_test_saw_eof(f.peer));
    close_site(&f);
}

static void an_answer_of_unknown_length_is_chunked(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "GET /pieces HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(hear(&f), "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\n"
                                  "Transfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
                                  "3\r\none\r\n4\r\nfour\r\n0\r\n\r\n");
    say(&f, "GET /seven HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(hear(&f), "Content-Length: 7\r\nX-A: b\r\n\r\nonefour"));
    say(&f, "HEAD /pieces HTTP/1.1\r\n" HOST "\r\n" GET);
    assert_string_equal(hear(&f), "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\n"
                                  "Transfer-Encoding: chunked\r\nX-A: b\r\n\r\n" HELLO);
    assert_string_equal(f.log, "GET 200 7;GET 200 7;HEAD 200 0;GET 200 6;");
    close_site(&f);
}

static void head_has_the_length_and_no_body(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(hear(&f), "HTTP/1.1 200 OK\r\n" DATE PLAIN "Content-Length: 6\r\n\r\n");
    close_site(&f);
}

static const char *body_of(const char *answer_z)
{
    const char *end_z = strstr(answer_z, "\r\n\r\n");
    return end_z ? end_z + 4 : "(no head)";
}

static void a_path_finds_its_route(void **state)
{
    (void)state;
    static const struct {
        const char *target_z, *answer_z;
    } cases[] = {
        {"/path/a/b%20c?d=e%20f", "/path/a/b c|d=e%20f||a/b c"},
        {"/path/", "/path/|||"},
        {"/users/ann/posts", "/users/ann/posts||ann|"},
        {"/users/%c3%bc/posts?", "/users/\xc3\xbc/posts||\xc3\xbc|"},
        {"http://b/path/x", "/path/x|||x"},
        {"/users//posts", "404 Not Found\n"},
        {"/users/ann", "404 Not Found\n"},
        {"/path", "404 Not Found\n"},
        {"/none", "404 Not Found\n"},
    };
    struct fixture f;
    open_site(&f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text_z[256];
        snprintf(text_z, sizeof(text_z), "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].target_z);
        say(&f, text_z);
        assert_string_equal(body_of(hear(&f)), cases[i].answer_z);
    }
    close_site(&f);
}

static void what_hides_in_a_path_is_refused(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "/path/../x",  "/path/%2e%2e/x", "/path/.%2E", "/path/.",   "/path/a%2fb", "/path/a%5Cb",
        "/path/a%00b", "/path/%",        "/path/%4",   "/path/%gg", "http://a/..",
    };
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        struct fixture f;
        char text_z[256];
        open_site(&f);
        snprintf(text_z, sizeof(text_z), "GET %s HTTP/1.1\r\n" HOST "\r\n", targets[i]);
        say(&f, text_z);
        assert_string_equal(body_of(hear(&f)), "400 Bad Request\n");
        close_site(&f);
    }
}

static void a_method_that_is_not_there_hears_which_are(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "DELETE /form HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(hear(&f), "HTTP/1.1 405 Method Not Allowed\r\n" DATE PLAIN
                                  "Content-Length: 23\r\nAllow: POST, PUT, OPTIONS\r\n\r\n"
                                  "405 Method Not Allowed\n");
    say(&f, "OPTIONS / HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(hear(&f),
                        "HTTP/1.1 204 No Content\r\n" DATE "Allow: GET, HEAD, OPTIONS\r\n\r\n");
    say(&f, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(hear(&f), "\r\nAllow: GET, HEAD, POST, PUT, OPTIONS\r\n"));
    say(&f, "BREW / HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(hear(&f), "HTTP/1.1 501 Not Implemented\r\n"));
    say(&f, "GET /moved HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(hear(&f), "HTTP/1.1 301 Moved Permanently\r\n"));
    close_site(&f);
}

static void a_bad_request_is_refused_behind_the_good_ones(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, GET "GET / HTTP/1.1\r\nHost : a\r\n\r\n" GET);
    assert_string_equal(hear(&f), HELLO "HTTP/1.1 400 Bad Request\r\n" DATE PLAIN
                                        "Content-Length: 16\r\nConnection: close\r\n\r\n"
                                        "400 Bad Request\n");
    assert_true(reel_test_saw_eof(f.peer));
    reel_test_advance(f.r, 3 * REEL_SECOND);
    assert_int_equal(reel_http_connections(f.site), 0);
    assert_string_equal(f.log, "GET 200 6; 400 16;");
    close_site(&f);
}

static void later_answers_keep_the_order(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "GET /keep HTTP/1.1\r\n" HOST "\r\nGET /keep HTTP/1.1\r\n" HOST "X: y\r\n\r\n" GET);
    assert_string_equal(hear(&f), "");
    assert_int_equal(seen.count, 2);
    assert_memory_equal(reel_http_get(seen.kept[1], "x").data, "y", 1);
    reel_http_answer(seen.kept[1], 200, NULL, "second", 6);
    reel_test_advance(f.r, 0);
    assert_string_equal(hear(&f), "");
    reel_http_answer(seen.kept[0], 200, NULL, "first", 5);
    reel_test_advance(f.r, 0);
    assert_string_equal(hear(&f), "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 5\r\n\r\nfirst"
                                  "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 6\r\n\r\n"
                                  "second" HELLO);
    assert_int_equal(seen.gone, 0);
    close_site(&f);
    assert_int_equal(seen.gone, 0);
}

static void the_client_going_away_is_told_once(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "GET /keep HTTP/1.1\r\n" HOST "\r\nGET /keep HTTP/1.1\r\n" HOST "\r\n");
    reel_http_answer_text(seen.kept[1], 200, "x");
    reel_test_reset(f.peer);
    reel_test_advance(f.r, 0);
    assert_int_equal(seen.gone, 1); /* the other one is answered */
    assert_int_equal(seen.gone_reason, -ECONNRESET);
    assert_string_equal(f.log, "GET 0 0 cut;GET 200 1;");
    close_site(&f);
}

static void only_so_many_requests_are_under_way(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, &(struct reel_http_options){.pipeline_max = 2}, NULL);
    const char *keep_z = "GET /keep HTTP/1.1\r\n" HOST "\r\n";
    for (int i = 0; i < 4; i++)
        say(&f, keep_z);
    assert_int_equal(seen.count, 2);
    reel_http_answer_text(seen.kept[0], 200, "x");
    reel_test_advance(f.r, 0);
    assert_int_equal(seen.count, 3);
    reel_http_answer_text(seen.kept[1], 200, "x");
    reel_http_answer_text(seen.kept[2], 200, "x");
    reel_test_advance(f.r, 0);
    assert_int_equal(seen.count, 4);
    close_site(&f);
    assert_int_equal(seen.gone, 1);
}

static void a_connection_carries_only_so_many_requests(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, &(struct reel_http_options){.requests_max = 2}, NULL);
    say(&f, GET GET GET);
    assert_string_equal(hear(&f), HELLO "HTTP/1.1 200 OK\r\n" DATE PLAIN
                                        "Content-Length: 6\r\nConnection: close\r\n\r\nhello\n");
    close_site(&f);
}

#define POST_BODY "POST /body HTTP/1.1\r\n" HOST

static void a_body_is_given_in_pieces_and_its_end_told(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, POST_BODY "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nd");
    assert_int_equal(reel_http_length(seen.kept[0]), -1);
    assert_memory_equal(seen.body, "abcd", 4);
    say(&f, "e\r\n0\r\nX-Sum: 12\r\n\r\n");
    assert_memory_equal(seen.body, "abcde12", 7);
    assert_int_equal(seen.ended, 1);
    reel_http_answer_text(seen.kept[0], 200, "hello\n");
    reel_test_advance(f.r, 0);
    assert_string_equal(hear(&f), HELLO);
    close_site(&f);
}

static void a_body_waits_for_a_slow_handler(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    seen.take = 2;
    say(&f, POST_BODY "Content-Length: 5\r\n\r\nabcde" GET);
    assert_int_equal(seen.body_len, 2);
    reel_test_advance(f.r, 300 * REEL_SECOND); /* it is not the client who is slow */
    reel_http_resume(seen.kept[0]);
    reel_test_advance(f.r, 0);
    assert_int_equal(seen.body_len, 4);
    reel_http_resume(seen.kept[0]);
    reel_test_advance(f.r, 0);
    assert_memory_equal(seen.body, "abcde", 5);
    assert_int_equal(seen.ended, 1);
    reel_http_answer_text(seen.kept[0], 200, "hello\n");
    reel_test_advance(f.r, 0);
    assert_non_null(strstr(hear(&f), "hello\nHTTP/1.1 200 OK\r\n"));
    close_site(&f);
}

static void a_body_that_nobody_wants_does_not_end_the_connection(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "PUT /form HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");
    assert_string_equal(hear(&f), HELLO);
    say(&f, "cde" GET);
    assert_string_equal(hear(&f), HELLO);
    close_site(&f);
}

static void a_body_that_is_too_long_is_refused(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "POST /form HTTP/1.1\r\n" HOST "Content-Length: 21\r\n\r\n",
        "POST /form HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "a\r\n0123456789\r\nb\r\n01234567890\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        open_site(&f);
        say(&f, requests[i]);
        assert_string_equal(body_of(hear(&f)), "413 Content Too Large\n");
        assert_true(reel_test_saw_eof(f.peer));
        reel_test_send_eof(f.peer);
        reel_test_advance(f.r, 0);
        assert_int_equal(reel_http_connections(f.site), 0);
        close_site(&f);
    }
}

static void a_form_is_collected(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "POST /form HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\nname=A+%26+B");
    assert_string_equal(body_of(hear(&f)), "A & B");
    close_site(&f);
}

static void a_client_that_waits_is_told_to_continue(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "POST /form HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_string_equal(hear(&f), "HTTP/1.1 100 Continue\r\n\r\n");
    say(&f, "hi");
    assert_string_equal(body_of(hear(&f)), "hi");
    /* Answered before the body: the client need not send it, so nobody knows what comes next. */
    say(&f, "PUT /form HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_non_null(strstr(hear(&f), "Connection: close\r\n"));
    close_site(&f);
}

static void a_slow_head_is_not_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, NULL, NULL);
    say(&f, GET "GET / HTTP");
    assert_string_equal(hear(&f), HELLO);
    for (int i = 0; i < 25; i++) {
        say(&f, "/"); /* a byte a second does not help */
        reel_test_advance(f.r, REEL_SECOND);
    }
    assert_non_null(strstr(hear(&f), "HTTP/1.1 408 Request Timeout\r\n"));
    reel_test_advance(f.r, 3 * REEL_SECOND);
    assert_int_equal(reel_http_connections(f.site), 0);
    close_site(&f);
}

static void a_client_that_says_nothing_is_closed(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    reel_test_advance(f.r, REEL_HTTP_HEAD_NS);
    assert_string_equal(hear(&f), "");
    assert_int_equal(reel_http_connections(f.site), 0);
    close_site(&f);
    open_site(&f);
    say(&f, GET);
    reel_test_advance(f.r, REEL_HTTP_IDLE_NS - REEL_SECOND);
    assert_int_equal(reel_http_connections(f.site), 1);
    reel_test_advance(f.r, REEL_SECOND);
    assert_int_equal(reel_http_connections(f.site), 0);
    close_site(&f);
}

static void a_slow_body_is_not_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, &(struct reel_http_options){.body_ns = 10 * REEL_SECOND, .body_rate = 2}, NULL);
    say(&f, POST_BODY "Content-Length: 90\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        say(&f, "xx");
        reel_test_advance(f.r, REEL_SECOND);
    }
    assert_string_equal(hear(&f), "");
    reel_test_advance(f.r, 11 * REEL_SECOND);
    assert_non_null(strstr(hear(&f), "HTTP/1.1 408 Request Timeout\r\n"));
    assert_int_equal(seen.gone, 0);
    close_site(&f);
}

static void a_client_that_does_not_read_is_dropped(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, NULL, &(struct reel_wire){.buffer_max = 64});
    say(&f, "GET /keep HTTP/1.1\r\n" HOST "\r\n");
    reel_test_advance(f.r, 1000 * REEL_SECOND); /* a handler may take its time */
    assert_int_equal(reel_http_connections(f.site), 1);
    reel_test_read(f.peer, false);
    assert_int_equal(reel_http_begin(seen.kept[0], 200, NULL, -1), 0);
    assert_int_equal(reel_http_write(seen.kept[0], "hello", 5), 0);
    reel_test_advance(f.r, 2 * REEL_HTTP_SEND_NS);
    assert_int_equal(reel_http_connections(f.site), 0);
    assert_int_equal(seen.gone, 1);
    assert_int_equal(seen.gone_reason, -ETIMEDOUT);
    close_site(&f);
}

static void a_writer_is_told_when_there_is_room(void **state)
{
    (void)state;
    struct fixture f;
    static char block[20000];
    open_with(&f,
              &(struct reel_http_options){.transport = {.queue_max = 50000, .queue_high = 30000}},
              &(struct reel_wire){.buffer_max = 1000});
    memset(block, 'x', sizeof(block));
    say(&f, "GET /keep HTTP/1.1\r\n" HOST "\r\n");
    reel_test_read(f.peer, false);
    assert_int_equal(reel_http_begin(seen.kept[0], 200, NULL, -1), 0);
    assert_int_equal(reel_http_write(seen.kept[0], block, sizeof(block)), 0);
    assert_int_equal(reel_http_write(seen.kept[0], block, sizeof(block)), 0);
    assert_int_equal(reel_http_room(seen.kept[0]), 0);
    assert_int_equal(reel_http_write(seen.kept[0], block, sizeof(block)), -ENOBUFS);
    reel_test_advance(f.r, 0);
    assert_int_equal(seen.drained, 0);
    reel_test_read(f.peer, true);
    reel_test_advance(f.r, 0);
    assert_int_equal(seen.drained, 1);
    assert_int_equal(reel_http_end(seen.kept[0]), 0);
    reel_test_advance(f.r, 0);
    assert_true(strlen(hear(&f)) > 2 * sizeof(block));
    close_site(&f);
}

static void too_few_bytes_end_the_connection(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "GET /keep HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(reel_http_begin(seen.kept[0], 200, NULL, 5), 0);
    assert_int_equal(reel_http_write(seen.kept[0], "abcdef", 6), -EMSGSIZE);
    assert_int_equal(reel_http_write(seen.kept[0], "abcd", 4), 0);
    assert_int_equal(reel_http_end(seen.kept[0]), -EPIPE);
    reel_test_advance(f.r, 0);
    assert_true(reel_test_saw_lost(f.peer));
    assert_int_equal(seen.gone, 0);
    close_site(&f);
}

static void an_upgrade_hands_over_the_connection(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "GET /toy HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(hear(&f), "HTTP/1.1 426 Upgrade Required\r\n"));
    say(&f, "GET /toy HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: x, toy\r\n\r\nleft");
    assert_string_equal(hear(&f), "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                  "Upgrade: toy\r\n" DATE "\r\n<left>");
    assert_int_equal(reel_http_connections(f.site), 0);
    say(&f, "more");
    assert_string_equal(hear(&f), "<more>");
    close_site(&f);
    assert_int_equal(seen.gone, 1);
}

static void an_upgrade_may_come_later(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, &(struct reel_http_options){.pipeline_max = 1}, NULL);
    say(&f, "GET /keep HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: toy\r\n\r\nleft");
    assert_int_equal(upgrade(seen.kept[0]), 0);
    reel_test_advance(f.r, 0);
    say(&f, "more");
    const char *answer_z = hear(&f);
    assert_string_equal(body_of(answer_z), "<left><more>");
    close_site(&f);
}

static void events_have_their_form(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "GET /events HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(hear(&f), "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/event-stream\r\n"
                                  "Transfer-Encoding: chunked\r\nCache-Control: no-cache\r\n\r\n"
                                  "d\r\nretry: 2000\n\n\r\n");
    struct reel_http_event event = {"7", "news", "a\r\nb\nc\r", 7};
    assert_int_equal(reel_http_send_event(seen.kept[0], &event), 0);
    reel_test_advance(f.r, 0);
    assert_string_equal(hear(&f),
                        "32\r\nid: 7\nevent: news\ndata: a\ndata: b\ndata: c\ndata: \n\n\r\n");
    event.name_z = "a\ndata: b";
    assert_int_equal(reel_http_send_event(seen.kept[0], &event), -EINVAL);
    reel_test_advance(f.r, REEL_HTTP_EVENTS_KEEP_ALIVE_NS);
    assert_string_equal(hear(&f), "3\r\n:\n\n\r\n");
    assert_int_equal(reel_http_end(seen.kept[0]), 0);
    reel_test_advance(f.r, 0);
    assert_string_equal(hear(&f), "0\r\n\r\n");
    say(&f, GET);
    assert_non_null(strstr(hear(&f), "hello\n"));
    close_site(&f);
}

/* How many of 20 events went to a client that does not read. */
static int send_many(struct fixture *f, int *last)
{
    const struct reel_http_event event = {.data = "0123456789", .len = 10};
    int sent = 0;
    reel_test_read(f->peer, false);
    for (int i = 0; i < 20; i++) {
        *last = reel_http_send_event(seen.kept[0], &event);
        sent += *last == 0;
        reel_test_advance(f->r, 0);
        if (*last < 0)
            break;
    }
    reel_test_read(f->peer, true);
    reel_test_advance(f->r, 0);
    return sent;
}

static void a_slow_listener_misses_events(void **state)
{
    (void)state;
    struct fixture f;
    int last = 0;
    open_with(&f, NULL, &(struct reel_wire){.buffer_max = 50});
    say(&f, "GET /events HTTP/1.1\r\n" HOST "\r\n");
    assert_in_range(send_many(&f, &last), 1, 8);
    assert_int_equal(last, 1);
    assert_int_equal(send_many(&f, &last) > 0, 1); /* once it reads again it gets more */
    assert_int_equal(seen.gone, 0);
    close_site(&f);
    assert_int_equal(seen.gone, 1);
}

static void a_slow_listener_may_be_dropped(void **state)
{
    (void)state;
    struct fixture f;
    int last = 0;
    open_with(&f, NULL, &(struct reel_wire){.buffer_max = 50});
    say(&f, "GET /abort HTTP/1.1\r\n" HOST "\r\n");
    assert_in_range(send_many(&f, &last), 1, 8);
    assert_int_equal(last, -EPIPE);
    assert_int_equal(seen.gone, 1);
    assert_int_equal(seen.gone_reason, -ENOBUFS);
    close_site(&f);
}

/* Each allocation fails once: nothing crashes, nothing leaks, every request has one end. */
static void out_of_memory_is_survived(void **state)
{
    (void)state;
    for (long after = 0; after < 60; after++) {
        struct fixture f;
        open_with(&f, NULL, &(struct reel_wire){.chunk_max = 7});
        f.counts.fail_after = after;
        say(&f, "GET /keep HTTP/1.1\r\n" HOST "\r\nGET /path/%20 HTTP/1.1\r\n" HOST "\r\n"
                "POST /form HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde"
                "GET /pieces HTTP/1.1\r\n" HOST "\r\n");
        if (seen.count && !seen.gone)
            reel_http_answer_text(seen.kept[0], 200, "x");
        reel_test_advance(f.r, 0);
        f.counts.fail_after = -1;
        close_site(&f);
        assert_true(seen.gone <= 1);
    }
}

static void the_reactor_may_be_freed_first(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "GET /keep HTTP/1.1\r\n" HOST "\r\n");
    reel_test_peer_free(f.peer);
    reel_reactor_free(f.r);
    assert_int_equal(seen.gone, 1);
    reel_http_site_free(f.site);
    assert_int_equal(f.counts.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered),
        cmocka_unit_test(a_request_in_single_bytes_is_answered),
        cmocka_unit_test(pipelined_requests_are_answered_in_one_write),
        cmocka_unit_test(the_connection_ends_when_the_client_says_so),
        cmocka_unit_test(http_1_0_is_understood),
        cmocka_unit_test(an_answer_of_unknown_length_is_chunked),
        cmocka_unit_test(head_has_the_length_and_no_body),
        cmocka_unit_test(a_path_finds_its_route),
        cmocka_unit_test(what_hides_in_a_path_is_refused),
        cmocka_unit_test(a_method_that_is_not_there_hears_which_are),
        cmocka_unit_test(a_bad_request_is_refused_behind_the_good_ones),
        cmocka_unit_test(later_answers_keep_the_order),
        cmocka_unit_test(the_client_going_away_is_told_once),
        cmocka_unit_test(only_so_many_requests_are_under_way),
        cmocka_unit_test(a_connection_carries_only_so_many_requests),
        cmocka_unit_test(a_body_is_given_in_pieces_and_its_end_told),
        cmocka_unit_test(a_body_waits_for_a_slow_handler),
        cmocka_unit_test(a_body_that_nobody_wants_does_not_end_the_connection),
        cmocka_unit_test(a_body_that_is_too_long_is_refused),
        cmocka_unit_test(a_form_is_collected),
        cmocka_unit_test(a_client_that_waits_is_told_to_continue),
        cmocka_unit_test(a_slow_head_is_not_waited_for),
        cmocka_unit_test(a_client_that_says_nothing_is_closed),
        cmocka_unit_test(a_slow_body_is_not_waited_for),
        cmocka_unit_test(a_client_that_does_not_read_is_dropped),
        cmocka_unit_test(a_writer_is_told_when_there_is_room),
        cmocka_unit_test(too_few_bytes_end_the_connection),
        cmocka_unit_test(an_upgrade_hands_over_the_connection),
        cmocka_unit_test(an_upgrade_may_come_later),
        cmocka_unit_test(events_have_their_form),
        cmocka_unit_test(a_slow_listener_misses_events),
        cmocka_unit_test(a_slow_listener_may_be_dropped),
        cmocka_unit_test(out_of_memory_is_survived),
        cmocka_unit_test(the_reactor_may_be_freed_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
