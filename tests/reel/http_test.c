/* The HTTP server in virtual time: requests and their answers. */
#include "http_helper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
    assert_non_null(strstr(hear(&f), "\r\nAllow: GET, HEAD, POST, PUT, CONNECT, OPTIONS\r\n"));
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

static void an_upgrade_may_wait_for_the_body(void **state)
{
    (void)state;
    struct fixture f;
    static const char *const framings[] = {
        "Content-Length: 2\r\n\r\nhi", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"};
    for (size_t i = 0; i < 2; i++) {
        open_site(&f);
        say(&f, "POST /toy HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: toy\r\n");
        say(&f, framings[i]);
        assert_memory_equal(hear(&f), "HTTP/1.1 101 ", 13);
        say(&f, "more");
        assert_string_equal(hear(&f), "<more>");
        close_site(&f);
        assert_int_equal(seen.gone, 1);
    }
}

static void one_that_is_aborted_is_logged_as_it_came(void **state)
{
    (void)state;
    struct fixture f;
    open_site(&f);
    say(&f, "GET /drop HT"); /* in two pieces: the bytes are gone when the connection is */
    say(&f, "TP/1.1\r\n" HOST "\r\n");
    assert_string_equal(f.log, "GET 0 0 cut;");
    close_site(&f);
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
        cmocka_unit_test(an_upgrade_may_wait_for_the_body),
        cmocka_unit_test(one_that_is_aborted_is_logged_as_it_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
