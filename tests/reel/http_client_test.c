/* The HTTP client over wires in virtual time: servers that are played, and our own. */
#include "helper.h"

#include <reel/deferred.h>
#include <reel/dial.h>
#include <reel/http.h>
#include <reel/http_client.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PEERS_MAX = 4 };

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct reel_dialer dialer;
    struct reel_wire wire;
    struct reel_http_client_options options;
    struct reel_http_client *client;
    struct reel_http_site *site; /* NULL: the test plays the server */
    struct reel_test_peer *peers[PEERS_MAX];
    int dials;
    char hosts[PEERS_MAX][32];
    /* the last result */
    int results, error, status;
    size_t len;
    char body[256], url[128], field[64];
    struct reel_deferred *deferred;
    /* streaming */
    struct reel_http_exchange *x;
    size_t take, streamed;
    int heads;
    const char *to_read_z;
    bool wait_once;
};

static int dial(const struct reel_dialer *dialer, struct reel_reactor *r, struct reel_dial *dial)
{
    struct fixture *f = dialer->context;
    struct reel_transport *server = NULL;
    int i = f->dials++ % PEERS_MAX;
    snprintf(f->hosts[i], sizeof(f->hosts[i]), "%.20s:%u", dial->host_z, dial->port);
    if (f->site)
        return reel_test_pair(r, dial->factory, reel_http_factory(f->site), &f->wire, &f->wire,
                              &dial->transport, &server);
    reel_test_peer_free(f->peers[i]);
    f->peers[i] = NULL;
    return reel_test_peer_new(r, dial->factory, &f->wire, &f->peers[i], &dial->transport);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_test_reactor_new(&options, 0);
    f->dialer = (struct reel_dialer){dial, f};
    f->options.dialer = &f->dialer;
    assert_int_equal(reel_http_client_new(f->r, &f->options, &f->client), 0);
    *state = f;
    return 0;
}

static void renew(struct fixture *f)
{
    reel_http_client_free(f->client);
    reel_test_advance(f->r, 0);
    assert_int_equal(reel_http_client_new(f->r, &f->options, &f->client), 0);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_http_client_free(f->client);
    reel_test_advance(f->r, 0);
    reel_http_site_free(f->site);
    for (int i = 0; i < PEERS_MAX; i++)
        reel_test_peer_free(f->peers[i]);
    reel_test_advance(f->r, 0);
    reel_reactor_free(f->r);
    assert_int_equal(f->counts.live, 0);
    free(f);
    return 0;
}

static void on_result(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct fixture *f = context;
    (void)d;
    f->results++;
    f->error = result->error;
    f->status = 0;
    f->deferred = NULL;
    f->body[0] = '\0';
    if (result->error)
        return;
    const struct reel_http_response *response = result->pointer;
    f->status = response->status;
    f->len = response->len;
    snprintf(f->body, sizeof(f->body), "%.*s", (int)(f->len < 200 ? f->len : 200),
             response->len ? (const char *)response->body : "");
    snprintf(f->url, sizeof(f->url), "%s", response->url_z);
    const char *field_z = reel_http_response_get(response, "x-field");
    snprintf(f->field, sizeof(f->field), "%s", field_z ? field_z : "");
}

static void ask(struct fixture *f, const struct reel_http_ask *a)
{
    f->deferred = reel_http_fetch(f->client, a);
    if (reel_deferred_done(f->deferred, on_result, f) < 0) {
        f->results++;
        f->error = -ENOMEM;
    }
    reel_test_advance(f->r, 0);
}

static void get(struct fixture *f, const char *url_z)
{
    ask(f, &(struct reel_http_ask){.url_z = url_z});
}

static void say(struct fixture *f, int peer, const char *text_z)
{
    reel_test_send(f->peers[peer], text_z, strlen(text_z));
    reel_test_advance(f->r, 0);
}

static void expect_asked(struct fixture *f, int peer, const char *text_z)
{
    size_t len = 0;
    const uint8_t *data = reel_test_received(f->peers[peer], &len);
    if (len != strlen(text_z) || memcmp(data, text_z, len) != 0)
        fail_msg("it asked %.*s", (int)len, (const char *)data);
    reel_test_drop(f->peers[peer], len);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void answers_are_collected_whatever_the_splits(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *answer_z, *body_z;
        bool eof;
    } cases[] = {
        {OK "Content-Length: 5\r\nX-Field: v\r\n\r\nhello", "hello", false},
        {OK "Content-Length: 0\r\n\r\n", "", false},
        {OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nA: b\r\n\r\n",
         "hello", false},
        {OK "\r\nas long as it lasts", "as long as it lasts", true},
        {"HTTP/1.0 200\r\n\r\nold", "old", true},
        {"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 103 y\r\nLink: z\r\n\r\n" OK "Content-Length: 1\r\n\r\nz",
         "z", false},
        {"HTTP/1.1 404 x\r\nContent-Length: 1\r\n\r\nn", "n", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * 2; i++) {
        f->wire.chunk_max = i % 2;
        f->dials = f->results = 0;
        renew(f);
        get(f, "http://192.0.2.1/a?b#c");
        expect_asked(f, 0, "GET /a?b HTTP/1.1\r\nHost: 192.0.2.1\r\nAccept-Encoding: gzip\r\n\r\n");
        say(f, 0, cases[i / 2].answer_z);
        if (cases[i / 2].eof) {
            assert_int_equal(f->results, 0);
            reel_test_send_eof(f->peers[0]);
            reel_test_advance(f->r, 0);
        }
        assert_int_equal(f->results, 1);
        assert_int_equal(f->error, 0);
        assert_string_equal(f->body, cases[i / 2].body_z);
        assert_string_equal(f->url, "http://192.0.2.1/a?b");
    }
}

static void a_connection_is_kept_for_its_origin(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        get(f, "http://[2001:db8::1]:8080");
        expect_asked(f, 0,
                     "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\nAccept-Encoding: gzip\r\n\r\n");
        say(f, 0, OK "Content-Length: 1\r\n\r\nx");
        assert_int_equal(f->results, i + 1);
    }
    size_t idle = 0;
    assert_int_equal(f->dials, 1);
    assert_int_equal(reel_http_client_connections(f->client, &idle), 1);
    assert_int_equal(idle, 1);
    get(f, "http://[2001:db8::1]:8081");
    assert_int_equal(f->dials, 2);
    reel_test_advance(f->r, 31 * REEL_SECOND);
    assert_int_equal(reel_http_client_connections(f->client, &idle), 1); /* the idle one is gone */
}

static void a_stale_connection_is_tried_once_more(void **state)
{
    struct fixture *f = *state;
    get(f, "http://a/");
    say(f, 0, OK "Content-Length: 1\r\n\r\nx");
    get(f, "http://a/");
    reel_test_reset(f->peers[0]);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->dials, 2);
    say(f, 1, OK "Content-Length: 1\r\n\r\ny");
    assert_int_equal(f->results, 2);
    assert_string_equal(f->body, "y");
    ask(f, &(struct reel_http_ask){.method_z = "POST", .url_z = "http://a/"}); /* this not */
    reel_test_reset(f->peers[1]);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->error, -ECONNRESET);
    get(f, "http://a/"); /* nor on a new connection */
    reel_test_send_eof(f->peers[2]);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->error, -EPIPE);
    assert_int_equal(f->dials, 3);
}

static void servers_that_lie_are_found_out(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *answer_z;
        int error;
    } cases[] = {
        {OK "Content-Length: 5\r\n\r\nhell", -EPROTO},
        {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", -EPROTO},
        {OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", -EPROTO},
        {OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -EPROTO},
        {OK "Content-Length: 5\r\n X: y\r\n\r\nhello", -EPROTO},
        {"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", -EPROTO},
        {"HTTP/1.1 101 x\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n", -EPROTO},
        {"SSH-2.0-OpenSSH\r\n", -EPROTO},
        {"HTTP/1.1 200", -EPROTO},
        {"", -EPIPE},
        {OK "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", -EPROTO},
        {OK "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x01", -EPROTO},
        {"HTTP/1.1 302 x\r\nLocation: mailto:x\r\nContent-Length: 0\r\n\r\n", -EINVAL},
        {"HTTP/1.1 302 x\r\nLocation: http://u:p@a/\r\nContent-Length: 0\r\n\r\n", -EINVAL},
        {"HTTP/1.1 302 x\r\nLocation: ftp://a/\r\nContent-Length: 0\r\n\r\n", -EINVAL},
        {"HTTP/1.1 302 x\r\nLocation: https://a/\r\nContent-Length: 0\r\n\r\n", -EINVAL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * 2; i++) {
        f->wire.chunk_max = i % 2;
        f->dials = f->results = 0;
        renew(f);
        get(f, "http://a/");
        say(f, 0, cases[i / 2].answer_z);
        reel_test_send_eof(f->peers[0]);
        reel_test_advance(f->r, 0);
        assert_int_equal(f->results, 1);
        if (f->error != cases[i / 2].error)
            fail_msg("case %zu: %d", i / 2, f->error);
    }
}

static void endless_heads_end(void **state)
{
    struct fixture *f = *state;
    get(f, "http://a/");
    for (int i = 0; i < 20 && !f->results; i++)
        say(f, 0, "HTTP/1.1 100 x\r\n\r\n");
    assert_int_equal(f->error, -EPROTO);
    get(f, "http://a/");
    say(f, 1, OK);
    for (int i = 0; i < 2000 && f->results < 2; i++)
        say(f, 1, "A: 0123456789012345678901234567890123456789\r\n");
    assert_int_equal(f->results, 2);
    assert_int_equal(f->error, -EPROTO);
}

static void an_answer_too_many_is_never_taken(void **state)
{
    struct fixture *f = *state;
    get(f, "http://a/");
    say(f, 0, OK "Content-Length: 1\r\n\r\nx" OK "Content-Length: 4\r\n\r\nevil");
    assert_int_equal(f->results, 1);
    assert_string_equal(f->body, "x");
    get(f, "http://a/");
    assert_int_equal(f->dials, 2);
    say(f, 1, OK "Content-Length: 1\r\n\r\ny");
    say(f, 1, OK "Content-Length: 4\r\n\r\nevil"); /* while it is idle */
    get(f, "http://a/");
    assert_int_equal(f->dials, 3);
    assert_string_equal(f->body, "y");
}

static void redirects_are_followed_without_credentials(void **state)
{
    struct fixture *f = *state;
    const struct reel_http_client_field fields[] = {
        {"Authorization", "secret"}, {"Cookie", "c"}, {"X-Other", "o"}, {NULL, NULL}};
    ask(f,
        &(struct reel_http_ask){
            .method_z = "POST", .url_z = "http://a/x", .fields = fields, .body = "data", .len = 4});
    expect_asked(f, 0,
                 "POST /x HTTP/1.1\r\nHost: a\r\nAuthorization: secret\r\nCookie: c\r\n"
                 "X-Other: o\r\nAccept-Encoding: gzip\r\nContent-Length: 4\r\n\r\ndata");
    say(f, 0, "HTTP/1.1 307 x\r\nLocation: y\r\nContent-Length: 3\r\n\r\nabc");
    expect_asked(f, 0,
                 "POST /y HTTP/1.1\r\nHost: a\r\nAuthorization: secret\r\nCookie: c\r\n"
                 "X-Other: o\r\nAccept-Encoding: gzip\r\nContent-Length: 4\r\n\r\ndata");
    say(f, 0, "HTTP/1.1 303 x\r\nLocation: http://b:81/z#f\r\nContent-Length: 0\r\n\r\n");
    expect_asked(f, 1,
                 "GET /z HTTP/1.1\r\nHost: b:81\r\nX-Other: o\r\nAccept-Encoding: gzip\r\n\r\n");
    say(f, 1, "HTTP/1.1 301 x\r\nLocation: http://a/back\r\nContent-Length: 0\r\n\r\n");
    expect_asked(f, 0,
                 "GET /back HTTP/1.1\r\nHost: a\r\nX-Other: o\r\nAccept-Encoding: gzip\r\n\r\n");
    say(f, 0, OK "Content-Length: 2\r\n\r\nok");
    assert_string_equal(f->body, "ok");
    assert_string_equal(f->url, "http://a/back");
    assert_int_equal(f->dials, 2);
    get(f, "http://a/loop");
    for (int i = 0; i < 20 && f->results < 2; i++)
        say(f, 0, "HTTP/1.1 302 x\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(f->error, -ELOOP);
    f->options.redirects_max = -1;
    renew(f);
    f->dials = 0;
    get(f, "http://a/");
    say(f, 0, "HTTP/1.1 302 x\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(f->status, 302);
}

static size_t pack(const void *data, size_t len, uint8_t *out, size_t size)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)data;
    z.avail_in = (uInt)len;
    z.next_out = out;
    z.avail_out = (uInt)size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static void answer_packed(struct fixture *f, const uint8_t *packed, size_t len)
{
    char head[128];
    snprintf(head, sizeof(head), OK "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", len);
    say(f, 0, head);
    reel_test_send(f->peers[0], packed, len);
    reel_test_advance(f->r, 0);
}

static void packed_answers_are_unpacked_but_bombs_are_not(void **state)
{
    struct fixture *f = *state;
    static uint8_t data[8 << 20], packed[1 << 20];
    get(f, "http://a/");
    size_t len = pack("hello, hello", 12, packed, sizeof(packed));
    len += pack(" and more", 9, packed + len, sizeof(packed) - len); /* a second member */
    answer_packed(f, packed, len);
    assert_string_equal(f->body, "hello, hello and more");
    get(f, "http://a/");
    for (size_t i = 0; i < 100000; i++)
        data[i] = (uint8_t)(i * i >> 7);
    len = pack(data, 100000, packed, sizeof(packed));
    f->wire.chunk_max = 10;
    answer_packed(f, packed, len);
    assert_int_equal(f->error, 0);
    assert_int_equal(f->len, 100000);
    get(f, "http://a/");
    memset(data, 0, sizeof(data));
    len = pack(data, sizeof(data), packed, sizeof(packed));
    answer_packed(f, packed, len);
    assert_int_equal(f->results, 3);
    assert_int_equal(f->error, -EMSGSIZE);
}

static void an_answer_above_the_maximum_is_given_up(void **state)
{
    struct fixture *f = *state;
    f->options.response_max = 10;
    renew(f);
    get(f, "http://a/");
    say(f, 0, OK "Content-Length: 11\r\n\r\n0123456789");
    assert_int_equal(f->results, 0);
    say(f, 0, "0");
    assert_int_equal(f->error, -EMSGSIZE);
}

static void on_stream_head(struct reel_http_exchange *x, const struct reel_http_response *response)
{
    struct fixture *f = reel_http_exchange_context(x);
    f->heads++;
    f->x = x;
    assert_int_equal(response->status, 200);
}

static size_t on_stream(struct reel_http_exchange *x, const uint8_t *data, size_t len)
{
    struct fixture *f = reel_http_exchange_context(x);
    (void)data;
    len = len < f->take ? len : f->take;
    f->take -= len;
    f->streamed += len;
    return len;
}

static const struct reel_http_sink sink = {on_stream_head, on_stream};

static void a_slow_sink_is_felt_by_the_server(void **state)
{
    struct fixture *f = *state;
    static char big[400000];
    f->take = 100;
    ask(f, &(struct reel_http_ask){.url_z = "http://a/", .sink = &sink, .context = f});
    say(f, 0, OK "Content-Length: 400000\r\n\r\n");
    assert_int_equal(f->heads, 1);
    reel_test_send(f->peers[0], big, sizeof(big));
    reel_test_advance(f->r, 120 * REEL_SECOND);
    assert_int_equal(f->streamed, 100);
    struct reel_metrics metrics;
    reel_metrics(f->r, &metrics);
    assert_true(metrics.queued_bytes > 150000); /* the server has it still */
    while (f->streamed < sizeof(big)) {
        size_t before = f->streamed;
        f->take = 30001;
        reel_http_go_on(f->x);
        reel_test_advance(f->r, 0);
        assert_true(f->streamed > before);
    }
    assert_int_equal(f->results, 1);
    assert_int_equal(f->status, 200);
    assert_int_equal(f->len, 0);
}

static void an_end_waits_for_a_slow_sink(void **state)
{
    struct fixture *f = *state;
    f->take = 1;
    ask(f, &(struct reel_http_ask){.url_z = "http://a/", .sink = &sink, .context = f});
    say(f, 0, OK "\r\nhello");
    reel_test_send_eof(f->peers[0]);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(f->results, 0);
    f->take = 10;
    reel_http_go_on(f->x);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->streamed, 5);
    assert_int_equal(f->results, 1);
    assert_int_equal(f->error, 0);
}

static ssize_t on_read(void *context, struct reel_http_exchange *x, uint8_t *data, size_t size)
{
    struct fixture *f = context;
    f->x = x;
    if (f->wait_once) {
        f->wait_once = false;
        return -EAGAIN;
    }
    size_t len = strlen(f->to_read_z);
    len = len < 3 ? len : 3;
    len = len < size ? len : size;
    memcpy(data, f->to_read_z, len);
    f->to_read_z += len;
    return (ssize_t)len;
}

static void a_body_is_sent_as_it_is_made(void **state)
{
    struct fixture *f = *state;
    f->to_read_z = "abcde";
    f->wait_once = true;
    struct reel_http_ask a = {
        .method_z = "PUT", .url_z = "http://a/", .read = on_read, .read_len = -1, .context = f};
    ask(f, &a);
    expect_asked(f, 0,
                 "PUT / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n");
    reel_http_go_on(f->x);
    reel_test_advance(f->r, 0);
    expect_asked(f, 0, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    say(f, 0, OK "Content-Length: 0\r\n\r\n");
    assert_int_equal(f->status, 200);
    f->to_read_z = "abcde";
    a.read_len = 5;
    ask(f, &a);
    expect_asked(f, 0,
                 "PUT / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n"
                 "Content-Length: 5\r\n\r\nabcde");
    say(f, 0, OK "Content-Length: 0\r\n\r\n");
    assert_int_equal(f->results, 2);
    f->to_read_z = "abc";
    ask(f, &a); /* less than it said */
    assert_int_equal(f->error, -EINVAL);
}

static void what_is_not_fit_is_not_asked(void **state)
{
    struct fixture *f = *state;
    static const char *const urls[] = {
        "", "a", "ftp://a/", "https://a/", "http://u@a/", "http://a/ b", "http://a/\r\nX: y"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        get(f, urls[i]);
        assert_int_equal(f->error, -EINVAL);
    }
    static const struct reel_http_client_field bad[] = {
        {"A", "b\r\nC: d"}, {"A B", "c"}, {"Host", "x"}, {"Content-Length", "1"}};
    for (size_t i = 0; i < 4; i++) {
        const struct reel_http_client_field fields[] = {bad[i], {NULL, NULL}};
        ask(f, &(struct reel_http_ask){.url_z = "http://a/", .fields = fields});
        assert_int_equal(f->error, -EINVAL);
    }
    ask(f, &(struct reel_http_ask){.url_z = "http://a/", .method_z = "GET /x"});
    assert_int_equal(f->error, -EINVAL);
    assert_int_equal(f->dials, 0);
}

static void silence_has_its_time_and_cancelling_works(void **state)
{
    struct fixture *f = *state;
    get(f, "http://a/");
    reel_test_advance(f->r, 59 * REEL_SECOND);
    assert_int_equal(f->results, 0);
    reel_test_advance(f->r, 2 * REEL_SECOND);
    assert_int_equal(f->error, -ETIMEDOUT);
    get(f, "http://a/");
    for (int i = 0; i < 200 && f->results < 2; i++) { /* a byte now and then */
        reel_test_send(f->peers[1], i ? "x" : OK "\r\n", i ? 1 : 19);
        reel_test_advance(f->r, 10 * REEL_SECOND);
    }
    assert_int_equal(f->error, -ETIMEDOUT);
    get(f, "http://a/");
    reel_deferred_cancel(f->deferred);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->results, 3);
    assert_int_equal(f->error, -ECANCELED);
    assert_true(reel_test_saw_lost(f->peers[2]));
    assert_int_equal(reel_http_client_connections(f->client, NULL), 0);
}

static void what_is_too_much_waits_its_turn(void **state)
{
    struct fixture *f = *state;
    f->options.origin_max = 1;
    f->options.connections_max = 2;
    f->options.waiting_max = 3;
    renew(f);
    for (int i = 0; i < 5; i++)
        get(f, i == 1 ? "http://b/" : "http://a/");
    assert_int_equal(f->dials, 2);
    assert_int_equal(f->results, 0);
    get(f, "http://a/");
    assert_int_equal(f->error, -ENOBUFS);
    for (int i = 0; i < 4; i++)
        say(f, 0, OK "Content-Length: 1\r\n\r\nx");
    assert_int_equal(f->results, 5);
    get(f, "http://c/"); /* takes the place of the idle one */
    reel_test_advance(f->r, 0);
    assert_int_equal(f->dials, 3);
    assert_string_equal(f->hosts[2], "c:80");
}

static void a_proxy_is_asked_to_connect(void **state)
{
    struct fixture *f = *state;
    f->options.proxy_z = "http://proxy:3128";
    renew(f);
    get(f, "http://a/");
    assert_string_equal(f->hosts[0], "proxy:3128");
    expect_asked(f, 0, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
    say(f, 0, "HTTP/1.1 200 fine\r\n\r\n");
    expect_asked(f, 0, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    say(f, 0, OK "Content-Length: 1\r\n\r\nx");
    assert_string_equal(f->body, "x");
    get(f, "http://b/");
    say(f, 1, "HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(f->error, -ECONNREFUSED);
}

static void hello(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_answer_text(q, 200, "hello\n");
}

static void with_our_server_and_without_memory(void **state)
{
    struct fixture *f = *state;
    const struct reel_http_route routes[] = {{"GET", "/", hello, NULL, 0}, {0}};
    assert_int_equal(reel_http_site_new(f->r, routes, NULL, &f->site), 0);
    for (long after = -1; after < 200; after++) {
        f->counts.fail_after = after;
        f->results = 0;
        get(f, "http://a/");
        reel_test_advance(f->r, 1000 * REEL_SECOND);
        f->counts.fail_after = -1;
        reel_test_advance(f->r, 1000 * REEL_SECOND);
        assert_int_equal(f->results, 1);
        if (f->error == 0)
            assert_string_equal(f->body, "hello\n");
        assert_true(after >= 0 || f->error == 0);
        if (after > 0 && f->error == 0)
            return;
    }
    fail_msg("it never went well");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(answers_are_collected_whatever_the_splits),
        TEST(a_connection_is_kept_for_its_origin),
        TEST(a_stale_connection_is_tried_once_more),
        TEST(servers_that_lie_are_found_out),
        TEST(endless_heads_end),
        TEST(an_answer_too_many_is_never_taken),
        TEST(redirects_are_followed_without_credentials),
        TEST(packed_answers_are_unpacked_but_bombs_are_not),
        TEST(an_answer_above_the_maximum_is_given_up),
        TEST(a_slow_sink_is_felt_by_the_server),
        TEST(an_end_waits_for_a_slow_sink),
        TEST(a_body_is_sent_as_it_is_made),
        TEST(what_is_not_fit_is_not_asked),
        TEST(silence_has_its_time_and_cancelling_works),
        TEST(what_is_too_much_waits_its_turn),
        TEST(a_proxy_is_asked_to_connect),
        TEST(with_our_server_and_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
