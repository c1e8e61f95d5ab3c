/* WebSockets over wires in virtual time: our client with our server, and peers that are not. */
#include "helper.h"

#include <reel/dial.h>
#include <reel/http.h>
#include <reel/websocket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a side went through. */
struct side {
    struct reel_websocket *ws; /* NULL: none, or over */
    int opened, failed, closed, full, drained, messages;
    int reason, status;
    uint16_t code;
    char words[128], text[256], protocol[32];
    size_t received;
    bool echoes;
    const char *say_z; /* when opened */
};

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct reel_wire wire;
    struct reel_dialer dialer;
    struct reel_http_site *site;
    struct reel_websocket_options options, client_options;
    struct side client, server;
    struct reel_test_peer *peer;
    struct reel_transport *client_t;
    bool to_peer; /* the dialer connects to the test itself */
    int accepted;
    bool origin_asked, any_origin;
};

static struct side *side_of(struct reel_websocket *ws)
{
    return reel_websocket_shared(ws);
}

static void on_opened(struct reel_websocket *ws)
{
    struct side *side = side_of(ws);
    side->ws = ws;
    side->opened++;
    *(int *)reel_websocket_state(ws) = 1;
    assert_non_null(reel_websocket_transport(ws));
    if (reel_websocket_protocol(ws))
        snprintf(side->protocol, sizeof(side->protocol), "%s", reel_websocket_protocol(ws));
    if (side->say_z)
        reel_websocket_send(ws, REEL_WEBSOCKET_TEXT, side->say_z, strlen(side->say_z));
}

static void on_failed(struct reel_websocket *ws, int reason, int status)
{
    struct side *side = side_of(ws);
    side->failed++;
    side->reason = reason;
    side->status = status;
    side->ws = NULL;
}

static void on_message(struct reel_websocket *ws, enum reel_websocket_kind kind,
                       const uint8_t *data, size_t len)
{
    struct side *side = side_of(ws);
    assert_int_equal(*(int *)reel_websocket_state(ws), 1);
    side->messages++;
    side->received += len;
    snprintf(side->text, sizeof(side->text), "%d:%.*s", kind, (int)(len < 200 ? len : 200),
             (const char *)data);
    if (side->echoes)
        reel_websocket_send(ws, kind, data, len);
}

static void on_full(struct reel_websocket *ws)
{
    side_of(ws)->full++;
}

static void on_drained(struct reel_websocket *ws)
{
    side_of(ws)->drained++;
}

static void on_closed(struct reel_websocket *ws, const struct reel_websocket_end *end)
{
    struct side *side = side_of(ws);
    side->closed++;
    side->reason = end->reason;
    side->code = end->code;
    snprintf(side->words, sizeof(side->words), "%.*s", (int)end->len, end->text);
    side->ws = NULL;
}

static const struct reel_websocket_handler handler = {
    .state_size = sizeof(int),
    .opened = on_opened,
    .failed = on_failed,
    .message = on_message,
    .full = on_full,
    .drained = on_drained,
    .closed = on_closed,
};

static bool on_origin(void *context, struct reel_http_request *q, const char *origin, size_t len)
{
    struct fixture *f = context;
    (void)q;
    f->origin_asked = len == 12 && memcmp(origin, "http://other", 12) == 0;
    return f->any_origin;
}

static void on_request(struct reel_http_request *q, void *context)
{
    struct fixture *f = context;
    f->accepted = reel_websocket_accept(q, &handler, &f->options, &f->server, NULL);
}

static int dial(const struct reel_dialer *dialer, struct reel_reactor *r, struct reel_dial *dial)
{
    struct fixture *f = dialer->context;
    struct reel_transport *server = NULL;
    int err = f->to_peer
                  ? reel_test_peer_new(r, dial->factory, &f->wire, &f->peer, &dial->transport)
                  : reel_test_pair(r, dial->factory, reel_http_factory(f->site), &f->wire, &f->wire,
                                   &dial->transport, &server);
    f->client_t = dial->transport;
    return err;
}

static struct reel_http_route routes[2];

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_test_reactor_new(&options, 0);
    routes[0] = (struct reel_http_route){NULL, "/ws", on_request, f, 0};
    assert_int_equal(reel_http_site_new(f->r, routes, NULL, &f->site), 0);
    f->dialer = (struct reel_dialer){dial, f};
    f->options.context = f;
    f->server.echoes = true;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_test_peer_free(f->peer);
    reel_http_site_free(f->site);
    reel_test_advance(f->r, 0);
    reel_reactor_free(f->r);
    assert_int_equal(f->counts.live, 0);
    assert_int_equal(f->server.opened, f->server.closed);
    assert_int_equal(f->client.opened, f->client.closed);
    free(f);
    return 0;
}

static int try_connect(struct fixture *f, const char *origin_z)
{
    const struct reel_websocket_client client = {
        .url_z = "ws://127.0.0.1/ws?x", .origin_z = origin_z, .dialer = &f->dialer};
    return reel_websocket_connect(f->r, &client, &handler, &f->client_options, &f->client,
                                  &f->client.ws);
}

static void meet(struct fixture *f)
{
    assert_int_equal(try_connect(f, NULL), 0);
    reel_test_advance(f->r, REEL_MS);
    assert_int_equal(f->client.opened, 1);
    assert_int_equal(f->server.opened, 1);
}

static void messages_go_both_ways_whatever_the_splits(void **state)
{
    struct fixture *f = *state;
    f->wire = (struct reel_wire){.chunk_max = 1, .send_max = 3, .buffer_max = 7};
    f->client.say_z = "hello";
    meet(f);
    assert_string_equal(f->server.text, "1:hello");
    assert_string_equal(f->client.text, "1:hello");
    char big[70000];
    memset(big, 'b', sizeof(big));
    assert_int_equal(reel_websocket_send(f->client.ws, REEL_WEBSOCKET_BINARY, big, sizeof(big)), 0);
    reel_test_advance(f->r, REEL_MS);
    assert_int_equal(f->client.received, sizeof(big) + 5);
    assert_int_equal(reel_websocket_close(f->client.ws, 4000, "enough"), 0);
    assert_int_equal(reel_websocket_close(f->client.ws, 4000, "enough"), -EPIPE);
    assert_int_equal(reel_websocket_send(f->client.ws, REEL_WEBSOCKET_TEXT, "x", 1), -EPIPE);
    reel_test_advance(f->r, REEL_MS);
    assert_int_equal(f->server.code, 4000);
    assert_string_equal(f->server.words, "enough");
    assert_int_equal(f->server.reason, 0);
    assert_int_equal(f->client.closed, 1);
    assert_int_equal(f->client.code, 4000); /* the echo */
    assert_int_equal(f->client.reason, 0);
}

static void parts_make_one_message(void **state)
{
    struct fixture *f = *state;
    meet(f);
    struct reel_websocket *ws = f->client.ws;
    assert_int_equal(reel_websocket_send_part(ws, REEL_WEBSOCKET_TEXT, "a", 1, false), 0);
    assert_int_equal(reel_websocket_send(ws, REEL_WEBSOCKET_TEXT, "no", 2), -EBUSY);
    assert_int_equal(reel_websocket_send_part(ws, REEL_WEBSOCKET_TEXT, "b", 1, true), 0);
    assert_int_equal(reel_websocket_send(ws, REEL_WEBSOCKET_TEXT, "\xff", 1), -EILSEQ);
    assert_int_equal(reel_websocket_send(ws, REEL_WEBSOCKET_BINARY, NULL, (size_t)1 << 20),
                     -EMSGSIZE);
    assert_int_equal(reel_websocket_close(ws, 1005, NULL), -EINVAL);
    assert_int_equal(reel_websocket_close(ws, 1000, "\xff"), -EINVAL);
    reel_test_advance(f->r, REEL_MS);
    assert_string_equal(f->client.text, "1:ab");
    reel_websocket_close(f->server.ws, 1001, NULL); /* the server can end it too */
    reel_test_advance(f->r, REEL_MS);
    assert_int_equal(f->client.code, 1001);
    assert_int_equal(f->client.reason, 0);
    assert_int_equal(f->server.reason, 0);
}

static void a_subprotocol_is_agreed_on(void **state)
{
    struct fixture *f = *state;
    f->client_options.protocols_z = "old, new";
    f->options.protocols_z = "newest, new, old";
    meet(f);
    assert_string_equal(f->client.protocol, "new");
    assert_string_equal(f->server.protocol, "new");
    reel_websocket_abort(f->client.ws);
    reel_test_advance(f->r, REEL_MS);
    assert_int_equal(f->client.reason, -ECONNABORTED);
    assert_int_equal(f->server.reason, -ECONNRESET);
    assert_int_equal(f->server.code, REEL_WEBSOCKET_ABNORMAL);
}

static void another_sites_page_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(try_connect(f, "http://other"), 0);
    reel_test_advance(f->r, REEL_MS);
    assert_int_equal(f->accepted, -EACCES);
    assert_int_equal(f->client.failed, 1);
    assert_int_equal(f->client.status, 403);
    assert_int_equal(f->client.reason, -EPROTO);
    f->options.origin = on_origin;
    f->any_origin = true;
    assert_int_equal(try_connect(f, "http://other"), 0);
    reel_test_advance(f->r, REEL_MS);
    assert_true(f->origin_asked);
    assert_int_equal(f->client.opened, 1);
    reel_websocket_abort(f->client.ws);
    reel_test_advance(f->r, 0);
    f->options.origin = NULL;
    assert_int_equal(try_connect(f, "http://127.0.0.1"), 0); /* its own */
    reel_test_advance(f->r, REEL_MS);
    assert_int_equal(f->client.opened, 2);
    reel_websocket_abort(f->client.ws);
    reel_test_advance(f->r, 0);
}

static void silence_is_asked_about_and_then_ended(void **state)
{
    struct fixture *f = *state;
    f->client_options.ping_ns = -1; /* only the server asks */
    meet(f);
    reel_test_advance(f->r, 3600 * REEL_SECOND);
    assert_int_equal(f->server.closed, 0); /* it answers */
    reel_test_hold(f->client_t, true);
    reel_test_advance(f->r, 61 * REEL_SECOND);
    assert_int_equal(f->server.closed, 1);
    assert_int_equal(f->server.reason, -ETIMEDOUT);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->client.closed, 1);
}

static void a_close_that_is_not_answered_has_its_time(void **state)
{
    struct fixture *f = *state;
    meet(f);
    reel_test_hold(f->client_t, true);
    assert_int_equal(reel_websocket_close(f->server.ws, 1000, "bye"), 0);
    reel_test_advance(f->r, 9 * REEL_SECOND);
    assert_int_equal(f->server.closed, 0);
    reel_test_advance(f->r, 2 * REEL_SECOND);
    assert_int_equal(f->server.reason, -ETIMEDOUT);
}

static void a_pause_is_felt_and_nothing_is_lost(void **state)
{
    struct fixture *f = *state;
    f->server.echoes = false;
    meet(f);
    reel_websocket_pause(f->server.ws);
    static char kilobyte[1024];
    int sent = 0;
    while (reel_websocket_send(f->client.ws, REEL_WEBSOCKET_BINARY, kilobyte, 1024) == 0) {
        sent++;
        reel_test_advance(f->r, 0);
    }
    assert_true(sent > 512 && sent < 1200); /* it ends at the queue's maximum */
    assert_int_equal(f->client.full, 1);
    assert_int_equal(f->server.messages, 0);
    reel_websocket_resume(f->server.ws);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->server.messages, sent);
    assert_int_equal(f->client.drained, 1);
    reel_websocket_abort(f->client.ws);
    reel_test_advance(f->r, 0);
}

static void a_peer_that_reads_nothing_costs_no_more_than_its_queue(void **state)
{
    struct fixture *f = *state;
    meet(f);
    static char kilobyte[1024];
    reel_websocket_pause(f->client.ws);
    for (int i = 0; i < 3000; i++) {
        reel_websocket_send(f->client.ws, REEL_WEBSOCKET_BINARY, kilobyte, 1024);
        reel_test_advance(f->r, 0);
    }
    struct reel_metrics metrics;
    reel_metrics(f->r, &metrics);
    assert_true(metrics.queued_bytes < 3 << 20);
    int echoed = f->server.messages;
    assert_true(echoed < 1000); /* the server stopped reading */
    reel_websocket_resume(f->client.ws);
    reel_test_advance(f->r, 0);
    assert_true(f->client.messages >= echoed);
    reel_websocket_abort(f->client.ws);
    reel_test_advance(f->r, 0);
}

static void meet_peer(struct fixture *f)
{
    f->to_peer = true;
    assert_int_equal(try_connect(f, NULL), 0);
    reel_test_advance(f->r, 0);
}

static void answer(struct fixture *f, const char *text_z)
{
    reel_test_peer_free(f->peer);
    f->peer = NULL;
    f->client = (struct side){0};
    meet_peer(f);
    assert_int_equal(reel_test_send(f->peer, text_z, strlen(text_z)), 0);
    reel_test_send_eof(f->peer);
    reel_test_advance(f->r, 0);
}

static void an_answer_that_is_none_fails(void **state)
{
    struct fixture *f = *state;
#define UPGRADE "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    static const struct {
        const char *text_z;
        int reason, status;
    } cases[] = {
        {"", -EPIPE, 0},
        {"HTTP/1.1 101", -EPIPE, 0},
        {"SSH-2.0-x\r\n\r\n", -EPROTO, 0},
        {"HTTP/1.1 200 x\r\n\r\n", -EPROTO, 200},
        {"HTTP/1.1 302 x\r\nLocation: http://a/\r\n\r\n", -EPROTO, 302},
        {"HTTP/1.1 101 x\r\n\r\n", -EPROTO, 101},
        {UPGRADE "\r\n", -EPROTO, 101},
        {UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", -EPROTO, 101},
        {"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 103 x\r\n\r\nHTTP/1.1 401 x\r\n\r\n", -EPROTO, 401},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        answer(f, cases[i].text_z);
        assert_int_equal(f->client.failed, 1);
        assert_int_equal(f->client.reason, cases[i].reason);
        assert_int_equal(f->client.status, cases[i].status);
    }
    char endless[9000] = "";
    while (strlen(endless) + 32 < sizeof(endless))
        snprintf(endless + strlen(endless), 32, "HTTP/1.1 100 x\r\n\r\n");
    answer(f, endless);
    assert_int_equal(f->client.reason, -EPROTO);
}

static void an_answer_that_does_not_come_has_its_time(void **state)
{
    struct fixture *f = *state;
    meet_peer(f);
    reel_test_advance(f->r, 29 * REEL_SECOND);
    assert_int_equal(f->client.failed, 0);
    reel_test_advance(f->r, 2 * REEL_SECOND);
    assert_int_equal(f->client.failed, 1);
    assert_int_equal(f->client.reason, -ETIMEDOUT);
}

static void nothing_is_smuggled_into_the_request(void **state)
{
    struct fixture *f = *state;
    static const struct reel_websocket_field bad[] = {
        {"A", "x\r\nB: y"}, {"Host", "x"}, {"A b", "x"}};
    static const char *const urls[] = {"http://a/", "ws://", "ws://u@a/", "wss://a/", "ws://a/ b"};
    for (size_t i = 0; i < 3; i++) {
        const struct reel_websocket_field fields[] = {bad[i], {NULL, NULL}};
        const struct reel_websocket_client client = {
            .url_z = "ws://127.0.0.1/", .fields = fields, .dialer = &f->dialer};
        assert_int_equal(reel_websocket_connect(f->r, &client, &handler, NULL, f, NULL), -EINVAL);
    }
    for (size_t i = 0; i < 5; i++) {
        const struct reel_websocket_client client = {.url_z = urls[i], .dialer = &f->dialer};
        assert_int_equal(reel_websocket_connect(f->r, &client, &handler, NULL, f, NULL), -EINVAL);
    }
}

/* The server, asked by hand. */
static void ask(struct fixture *f, const char *request_z)
{
    struct reel_transport *t = NULL;
    reel_test_peer_free(f->peer);
    reel_test_advance(f->r, 0);
    f->peer = NULL;
    assert_int_equal(reel_test_peer_new(f->r, reel_http_factory(f->site), NULL, &f->peer, &t), 0);
    reel_test_send(f->peer, request_z, strlen(request_z));
    reel_test_advance(f->r, REEL_MS);
}

static bool was_answered(struct fixture *f, const char *text_z)
{
    size_t len = 0;
    const uint8_t *data = reel_test_received(f->peer, &len);
    return len && memmem(data, len, text_z, strlen(text_z));
}

#define ASK(version)                                                               \
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: " version "\r\n"

static void requests_that_are_none_are_answered(void **state)
{
    struct fixture *f = *state;
    ask(f, "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(was_answered(f, "HTTP/1.1 400"));
    ask(f, ASK("8") "\r\n");
    assert_true(was_answered(f, "HTTP/1.1 426"));
    assert_true(was_answered(f, "Sec-WebSocket-Version: 13\r\n"));
    ask(f, "POST /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_true(was_answered(f, "HTTP/1.1 400"));
    assert_int_equal(f->server.opened, 0);
    ask(f, ASK("13") "\r\n\x81\x81\x01\x02\x03\x04\x60"); /* with a message at once */
    assert_true(was_answered(f, "HTTP/1.1 101"));
    assert_true(was_answered(f, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_true(was_answered(f, "\x81\x01"
                                "a"));
    assert_int_equal(f->server.opened, 1);
}

static void a_peer_that_breaks_the_rules_is_told_so(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *bytes;
        size_t len;
        int reason;
        const char *told;
    } cases[] = {
        {"\x81\x01"
         "a",
         3, -EPROTO, "\x88\x02\x03\xea"},
        {"\x81\x81\0\0\0\0\xff", 7, -EILSEQ, "\x88\x02\x03\xef"},
        {"\x82\xff\0\0\0\0\x10\0\0\0\0\0\0\0x", 15, -EMSGSIZE, "\x88\x02\x03\xf1"},
    };
    for (size_t i = 0; i < 3; i++) {
        ask(f, ASK("13") "\r\n");
        reel_test_send(f->peer, cases[i].bytes, cases[i].len);
        reel_test_advance(f->r, 0);
        assert_true(was_answered(f, cases[i].told));
        assert_int_equal(f->server.reason, cases[i].reason);
        assert_int_equal(f->server.closed, (int)i + 1);
    }
}

static void out_of_memory_ends_it_in_order(void **state)
{
    struct fixture *f = *state;
    f->client.say_z = "hello";
    for (long after = 0; f->client.messages == 0; after++) {
        assert_true(after < 300);
        f->counts.fail_after = after;
        f->client.ws = NULL;
        int err = try_connect(f, NULL);
        reel_test_advance(f->r, 100 * REEL_SECOND);
        f->counts.fail_after = -1;
        if (err == 0 && f->client.ws)
            reel_websocket_abort(f->client.ws);
        reel_test_advance(f->r, 100 * REEL_SECOND);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(messages_go_both_ways_whatever_the_splits),
        TEST(parts_make_one_message),
        TEST(a_subprotocol_is_agreed_on),
        TEST(another_sites_page_is_refused),
        TEST(silence_is_asked_about_and_then_ended),
        TEST(a_close_that_is_not_answered_has_its_time),
        TEST(a_pause_is_felt_and_nothing_is_lost),
        TEST(a_peer_that_reads_nothing_costs_no_more_than_its_queue),
        TEST(an_answer_that_is_none_fails),
        TEST(an_answer_that_does_not_come_has_its_time),
        TEST(nothing_is_smuggled_into_the_request),
        TEST(requests_that_are_none_are_answered),
        TEST(a_peer_that_breaks_the_rules_is_told_so),
        TEST(out_of_memory_ends_it_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
