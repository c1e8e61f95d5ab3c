/* The HTTP server in virtual time: slow clients, long answers, upgrades, and what runs out. */
#include "http_helper.h"

#include <errno.h>
#include <string.h>

/* A client that pipelines and does not read costs a queue, and no more; nothing is lost. */
static void a_flood_of_requests_waits_for_its_reader(void **state)
{
    (void)state;
    enum { REQUESTS = 5000 };
    struct fixture f;
    struct reel_metrics metrics;
    size_t answers = 0;
    open_with(&f, NULL, &(struct reel_wire){.buffer_max = 2000});
    reel_test_read(f.peer, false);
    for (int i = 0; i < REQUESTS; i++)
        reel_test_send(f.peer, GET, strlen(GET));
    reel_test_advance(f.r, REEL_SECOND);
    reel_metrics(f.r, &metrics);
    assert_true(metrics.queued_bytes < 400000); /* both ways */
    reel_test_read(f.peer, true);
    reel_test_advance(f.r, REEL_SECOND);
    reel_test_received(f.peer, &answers);
    assert_int_equal(answers, REQUESTS * strlen(HELLO));
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

static void a_tunnel_that_is_asked_for_may_wait(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    assert_true(reel_http_is(seen.kept[0], "CONNECT"));
    assert_int_equal(reel_http_error(seen.kept[0], 502), 0);
    reel_test_advance(f.r, 0);
    assert_non_null(strstr(hear(&f), "HTTP/1.1 502 Bad Gateway\r\n"));
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
        cmocka_unit_test(a_flood_of_requests_waits_for_its_reader),
        cmocka_unit_test(a_slow_head_is_not_waited_for),
        cmocka_unit_test(a_client_that_says_nothing_is_closed),
        cmocka_unit_test(a_slow_body_is_not_waited_for),
        cmocka_unit_test(a_client_that_does_not_read_is_dropped),
        cmocka_unit_test(a_writer_is_told_when_there_is_room),
        cmocka_unit_test(too_few_bytes_end_the_connection),
        cmocka_unit_test(an_upgrade_hands_over_the_connection),
        cmocka_unit_test(an_upgrade_may_come_later),
        cmocka_unit_test(a_tunnel_that_is_asked_for_may_wait),
        cmocka_unit_test(events_have_their_form),
        cmocka_unit_test(a_slow_listener_misses_events),
        cmocka_unit_test(a_slow_listener_may_be_dropped),
        cmocka_unit_test(out_of_memory_is_survived),
        cmocka_unit_test(the_reactor_may_be_freed_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
