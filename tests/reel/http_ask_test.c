/* What a handler may ask about its request and its connection; and holding a body back. */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct asked {
    int status_minor;
    char fields_z[256];
    ptrdiff_t query_len[4];
    char query_z[32];
    bool is_transport, paused;
    struct reel_transport *t;
    struct reel_http_request *kept;
    size_t body_len;
};

static void ask(struct reel_http_request *q, void *context)
{
    struct asked *asked = context;
    struct reel_http_text name, value;
    size_t used = 0;
    for (size_t i = 0; reel_http_field(q, i, &name, &value); i++)
        used +=
            (size_t)snprintf(asked->fields_z + used, sizeof(asked->fields_z) - used, "%.*s=%.*s;",
                             (int)name.len, name.data, (int)value.len, value.data);
    asked->status_minor = reel_http_minor(q);
    asked->is_transport = reel_http_transport(q) == asked->t;
    asked->query_len[1] = reel_http_query_get(q, "none", asked->query_z, sizeof(asked->query_z));
    asked->query_len[2] = reel_http_query_get(q, "a", asked->query_z, 3);
    asked->query_len[3] = reel_http_query_get(q, "bad", asked->query_z, sizeof(asked->query_z));
    asked->query_len[0] = reel_http_query_get(q, "a", asked->query_z, sizeof(asked->query_z));
    reel_http_answer_text(q, 200, reel_http_is(q, "GET") ? "a GET\n" : "no GET\n");
}

static size_t take_and_pause(struct reel_http_request *q, const uint8_t *data, size_t len)
{
    struct asked *asked = reel_http_context(q);
    (void)data;
    asked->body_len += len;
    if (!asked->paused)
        reel_http_pause(q);
    asked->paused = true;
    return len;
}

static void answer_at_the_end(struct reel_http_request *q)
{
    reel_http_answer_text(q, 200, "all of it\n");
}

static void hold(struct reel_http_request *q, void *context)
{
    static const struct reel_http_calls calls = {.body = take_and_pause,
                                                 .body_end = answer_at_the_end};
    ((struct asked *)context)->kept = q;
    reel_http_on(q, &calls, context);
}

struct fixture {
    struct asked asked;
    struct reel_http_route routes[3];
    struct reel_reactor *r;
    struct reel_http_site *site;
    struct reel_test_peer *peer;
};

static void set_up(struct fixture *f)
{
    *f = (struct fixture){0};
    f->routes[0] = (struct reel_http_route){NULL, "/ask", ask, &f->asked, 0};
    f->routes[1] = (struct reel_http_route){"POST", "/hold", hold, &f->asked, 0};
    f->r = reel_test_reactor_new(NULL, 0);
    assert_int_equal(reel_http_site_new(f->r, f->routes, NULL, &f->site), 0);
    assert_int_equal(
        reel_test_peer_new(f->r, reel_http_factory(f->site), NULL, &f->peer, &f->asked.t), 0);
}

static void tear_down(struct fixture *f)
{
    reel_test_peer_free(f->peer);
    reel_http_site_free(f->site);
    reel_reactor_free(f->r);
}

static bool has_heard(struct fixture *f, const char *text_z)
{
    size_t len = 0;
    const uint8_t *said = reel_test_received(f->peer, &len);
    return len && memmem(said, len, text_z, strlen(text_z));
}

static void say(struct fixture *f, const char *text_z)
{
    assert_int_equal(reel_test_send(f->peer, text_z, strlen(text_z)), 0);
    reel_test_advance(f->r, 0);
}

static void a_handler_reads_what_was_asked(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    say(&f, "GET /ask?a=b%20c+d&bad=%zz HTTP/1.0\r\nHost: h\r\nX-Y:  z \r\n\r\n");
    assert_true(has_heard(&f, "\r\n\r\na GET\n"));
    assert_int_equal(f.asked.status_minor, 0);
    assert_string_equal(f.asked.fields_z, "Host=h;X-Y=z;");
    assert_true(f.asked.is_transport);
    assert_string_equal(f.asked.query_z, "b c d");
    assert_int_equal(f.asked.query_len[0], 5);
    assert_int_equal(f.asked.query_len[1], -ENOENT);
    assert_int_equal(f.asked.query_len[2], -ENOBUFS);
    assert_int_equal(f.asked.query_len[3], -EILSEQ);
    tear_down(&f);
}

static void a_body_that_is_paused_comes_no_further(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    say(&f, "POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc");
    assert_int_equal(f.asked.body_len, 3);
    say(&f, "def");
    assert_int_equal(f.asked.body_len, 3);
    assert_false(has_heard(&f, "all of it"));
    reel_http_resume(f.asked.kept);
    reel_test_advance(f.r, 0);
    assert_int_equal(f.asked.body_len, 6);
    assert_true(has_heard(&f, "all of it"));
    tear_down(&f);
}

static void a_status_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(reel_http_status_text(404), "Not Found");
    assert_string_equal(reel_http_status_text(299), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_reads_what_was_asked),
        cmocka_unit_test(a_body_that_is_paused_comes_no_further),
        cmocka_unit_test(a_status_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
