/* Messages sent over wires in virtual time: a server played line by line, that is slow, breaks, or
 * is not there. */
#include "helper.h"

#include <reel/smtp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct reel_dialer dialer;
    struct reel_wire wire;
    struct reel_test_peer *peer;
    int refuse;  /* the dialer's answer */
    bool silent; /* the dialer says nothing more */
    struct reel_dial *dial;
    int results, error;
    enum reel_smtp_outcome outcome;
    int result_error, code, first_code;
    bool encrypted;
    char step[32], text[64], why[128];
    struct reel_deferred *deferred;
};

static int dial_wire(const struct reel_dialer *dialer, struct reel_reactor *r,
                     struct reel_dial *dial)
{
    struct fixture *f = dialer->context;
    f->dial = dial;
    if (f->refuse || f->silent)
        return f->refuse;
    return reel_test_peer_new(r, dial->factory, &f->wire, &f->peer, &dial->transport);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_test_reactor_new(&options, 0);
    assert_non_null(f->r);
    f->dialer = (struct reel_dialer){dial_wire, f};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_reactor_free(f->r);
    reel_test_peer_free(f->peer);
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
    f->deferred = NULL;
    if (result->error)
        return;
    const struct reel_smtp_result *smtp = result->pointer;
    f->outcome = smtp->outcome;
    f->result_error = smtp->error;
    f->code = smtp->reply.code;
    f->encrypted = smtp->encrypted;
    f->first_code = smtp->recipients[0].reply.code;
    assert_int_equal(result->number, smtp->outcome);
    assert_int_equal(smtp->error != 0, smtp->why_z != NULL);
    assert_string_equal(smtp->recipients[0].address_z, "a@example.org");
    snprintf(f->step, sizeof(f->step), "%s", smtp->step_z);
    snprintf(f->text, sizeof(f->text), "%s", smtp->reply.text_z);
    snprintf(f->why, sizeof(f->why), "%s", smtp->why_z ? smtp->why_z : "");
}

static void send_bytes(struct fixture *f, const void *data, size_t len,
                       enum reel_smtp_security security)
{
    static const char *const to_z[] = {"a@example.org", "b@example.org"};
    const struct reel_smtp_relay relay = {
        .host_z = "relay.example.org", .security = security, .dialer = &f->dialer};
    const struct reel_smtp_message message = {
        .from_z = "me@example.org", .to_z = to_z, .to_count = 2, .data = data, .len = len};
    f->deferred = reel_smtp_send(f->r, &relay, &message);
    if (reel_deferred_done(f->deferred, on_result, f) < 0) {
        f->results++;
        f->error = -ENOMEM;
    }
}

static void send_text(struct fixture *f, const char *text_z)
{
    send_bytes(f, text_z, strlen(text_z), REEL_SMTP_CLEAR);
}

static void expect_said(struct fixture *f, const char *text_z)
{
    size_t len = 0;
    const uint8_t *data = reel_test_received(f->peer, &len);
    if (len != strlen(text_z) || memcmp(data, text_z, len) != 0)
        fail_msg("it said %.*s", (int)len, (const char *)data);
    reel_test_drop(f->peer, len);
}

static void say(struct fixture *f, const char *text_z)
{
    reel_test_send(f->peer, text_z, strlen(text_z));
    reel_test_advance(f->r, REEL_SECOND);
}

static void greet(struct fixture *f)
{
    reel_test_advance(f->r, 0);
    say(f, "220 hello\r\n");
    expect_said(f, "EHLO localhost\r\n");
    say(f, "250 me\r\n");
    expect_said(f, "MAIL FROM:<me@example.org>\r\n");
    say(f, "250 ok\r\n");
    expect_said(f, "RCPT TO:<a@example.org>\r\n");
    say(f, "250 ok\r\n");
    expect_said(f, "RCPT TO:<b@example.org>\r\n");
}

static void a_message_is_sent_and_the_connection_closed(void **state)
{
    struct fixture *f = *state;
    for (int bytes = 0; bytes < 2; bytes++) {
        f->wire.chunk_max = bytes;
        f->wire.send_max = bytes * 3;
        send_text(f, "Subject: x\n\ny\n");
        greet(f);
        say(f, "550 unknown\r\n");
        expect_said(f, "DATA\r\n");
        say(f, "354 go\r\n");
        expect_said(f, "Subject: x\r\n\r\ny\r\n.\r\n");
        assert_int_equal(f->results, bytes);
        say(f, "250 queued as 1\r\n");
        assert_int_equal(f->results, bytes + 1);
        assert_int_equal(f->outcome, REEL_SMTP_PARTLY);
        assert_int_equal(f->first_code, 250);
        assert_string_equal(f->text, "queued as 1");
        assert_false(f->encrypted);
        expect_said(f, "QUIT\r\n");
        assert_false(reel_test_saw_lost(f->peer));
        say(f, "221 bye\r\n");
        assert_true(reel_test_saw_eof(f->peer));
        reel_test_peer_free(f->peer);
        f->peer = NULL;
    }
}

static void a_large_message_waits_for_a_slow_server(void **state)
{
    struct fixture *f = *state;
    static char big[3000000];
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = i % 70 == 69 ? '\n' : '.';
    send_bytes(f, big, sizeof(big), REEL_SMTP_CLEAR);
    greet(f);
    say(f, "250 ok\r\n");
    reel_test_read(f->peer, false);
    say(f, "354 go\r\n");
    struct reel_metrics metrics;
    reel_metrics(f->r, &metrics);
    assert_true(metrics.queued_bytes < 200000); /* it is not all poured into the queue */
    reel_test_read(f->peer, true);
    reel_test_advance(f->r, 0);
    size_t len = 0;
    const uint8_t *said = reel_test_received(f->peer, &len);
    assert_true(len > sizeof(big));
    assert_memory_equal(said + len - 5, "\r\n.\r\n", 5);
    say(f, "250 ok\r\n");
    assert_int_equal(f->outcome, REEL_SMTP_SENT);
}

static void a_server_that_stops_in_the_middle_is_given_up(void **state)
{
    struct fixture *f = *state;
    static char big[3000000];
    memset(big, '\n', sizeof(big));
    send_bytes(f, big, sizeof(big), REEL_SMTP_CLEAR);
    greet(f);
    say(f, "250 ok\r\n");
    reel_test_read(f->peer, false);
    say(f, "354 go\r\n");
    reel_test_advance(f->r, 178 * REEL_SECOND);
    assert_int_equal(f->results, 0);
    reel_test_advance(f->r, 3 * REEL_SECOND);
    assert_int_equal(f->results, 1);
    assert_int_equal(f->outcome, REEL_SMTP_TEMPORARY);
    assert_int_equal(f->result_error, -ETIMEDOUT);
    assert_string_equal(f->step, "message");
}

static void each_step_has_its_time(void **state)
{
    struct fixture *f = *state;
    send_text(f, "x");
    reel_test_advance(f->r, 299 * REEL_SECOND);
    assert_int_equal(f->results, 0);
    reel_test_advance(f->r, 2 * REEL_SECOND);
    assert_int_equal(f->result_error, -ETIMEDOUT);
    assert_string_equal(f->step, "greeting");
    assert_true(reel_test_saw_lost(f->peer));
}

static void a_server_that_dribbles_is_ended_by_the_total(void **state)
{
    struct fixture *f = *state;
    send_text(f, "x");
    for (int i = 0; i < 200 && !f->results; i++) {
        reel_test_advance(f->r, 20 * REEL_SECOND);
        reel_test_send(f->peer, "2", i == 0);
    }
    assert_int_equal(f->results, 1);
    assert_int_equal(f->result_error, -ETIMEDOUT);
}

static void an_end_at_any_step_is_temporary(void **state)
{
    struct fixture *f = *state;
    static const char *const lines[] = {"220 x\r\n", "250 x\r\n", "250 x\r\n",
                                        "250 x\r\n", "250 x\r\n", "354 x\r\n"};
    for (size_t n = 0; n <= sizeof(lines) / sizeof(lines[0]); n++) {
        for (int reset = 0; reset < 2; reset++) {
            f->results = 0;
            send_text(f, "x");
            reel_test_advance(f->r, 0);
            for (size_t i = 0; i < n; i++)
                say(f, lines[i]);
            if (reset)
                reel_test_reset(f->peer);
            else
                reel_test_send_eof(f->peer);
            reel_test_advance(f->r, 0);
            assert_int_equal(f->results, 1);
            assert_int_equal(f->outcome, REEL_SMTP_TEMPORARY);
            assert_int_equal(f->result_error, reset ? -ECONNRESET : -EPIPE);
            reel_test_peer_free(f->peer);
            f->peer = NULL;
        }
    }
}

static void what_cannot_be_sent_fails_at_once(void **state)
{
    struct fixture *f = *state;
    send_text(f, "a\rb");
    reel_test_advance(f->r, 0);
    assert_int_equal(f->error, -EINVAL);
    send_bytes(f, "x", 1, REEL_SMTP_STARTTLS); /* nobody to trust */
    reel_test_advance(f->r, 0);
    assert_int_equal(f->error, -EINVAL);
    f->refuse = -ENETUNREACH;
    send_text(f, "x");
    reel_test_advance(f->r, 0);
    assert_int_equal(f->error, -ENETUNREACH);
    const struct reel_smtp_relay relay = {.host_z = "no.number", .security = REEL_SMTP_CLEAR};
    const char *const to_z[] = {"a@example.org"};
    const struct reel_smtp_message message = {"", to_z, 1, "x", 1};
    const struct reel_name nobody = {.name_z = "other.name"};
    reel_resolver_use_table(f->r, &nobody, 1);
    reel_deferred_done(reel_smtp_send(f->r, &relay, &message), on_result, f);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->error, 0);
    assert_int_equal(f->result_error, -ENOENT); /* asked for, and not there: worth another try */
    assert_int_equal(f->results, 4);
}

static void a_dialer_may_fail_later(void **state)
{
    struct fixture *f = *state;
    f->silent = true;
    send_text(f, "x");
    reel_test_advance(f->r, REEL_SECOND);
    f->dial->failed(f->dial, -EHOSTUNREACH);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->results, 1);
    assert_int_equal(f->result_error, -EHOSTUNREACH);
    assert_string_equal(f->step, "connect");
}

static void a_dialer_may_fail_after_all_was_given_up(void **state)
{
    struct fixture *f = *state;
    f->silent = true;
    send_text(f, "x");
    reel_test_advance(f->r, REEL_SMTP_TOTAL_NS);
    assert_int_equal(f->results, 1);
    assert_int_equal(f->result_error, -ETIMEDOUT);
    f->dial->failed(f->dial, -EHOSTUNREACH);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->results, 1);
}

static void cancelling_aborts_the_connection(void **state)
{
    struct fixture *f = *state;
    for (int step = 0; step < 4; step++) {
        f->results = 0;
        send_text(f, "x");
        if (step > 0)
            reel_test_advance(f->r, 0);
        if (step > 1)
            say(f, "220 x\r\n");
        if (step > 2)
            say(f, "250 x\r\n");
        reel_deferred_cancel(f->deferred);
        reel_test_advance(f->r, 0);
        assert_int_equal(f->results, 1);
        assert_int_equal(f->error, -ECANCELED);
        assert_true(reel_test_saw_lost(f->peer));
        reel_test_peer_free(f->peer);
        f->peer = NULL;
    }
    f->silent = true; /* while there is no connection yet */
    send_text(f, "x");
    reel_deferred_cancel(f->deferred);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->results, 2);
    f->dial->failed(f->dial, -ETIMEDOUT);
}

static void the_reactors_end_is_the_transfers(void **state)
{
    struct fixture *f = *state;
    send_text(f, "x");
    greet(f);
    reel_reactor_free(f->r);
    assert_int_equal(f->results, 1);
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_test_reactor_new(&options, 0);
}

static void out_of_memory_ends_it_in_order(void **state)
{
    struct fixture *f = *state;
    bool sent = false;
    for (long after = 0; !sent; after++) {
        assert_true(after < 200);
        f->results = 0;
        f->result_error = f->error = 0;
        f->outcome = REEL_SMTP_TEMPORARY;
        f->counts.fail_after = after;
        send_text(f, "Subject: x\n\ny\n");
        reel_test_advance(f->r, 0);
        static const char *const lines[] = {"220 x\r\n", "250 x\r\n", "250 x\r\n", "250 x\r\n",
                                            "250 x\r\n", "354 x\r\n", "250 x\r\n", "221 x\r\n"};
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
            if (f->peer && !f->results)
                say(f, lines[i]);
        reel_test_advance(f->r, 2000 * REEL_SECOND);
        f->counts.fail_after = -1;
        reel_test_advance(f->r, 2000 * REEL_SECOND);
        assert_int_equal(f->results, 1);
        sent = f->outcome == REEL_SMTP_SENT;
        reel_test_peer_free(f->peer);
        f->peer = NULL;
        reel_test_advance(f->r, 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_sent_and_the_connection_closed),
        TEST(a_large_message_waits_for_a_slow_server),
        TEST(a_server_that_stops_in_the_middle_is_given_up),
        TEST(each_step_has_its_time),
        TEST(a_server_that_dribbles_is_ended_by_the_total),
        TEST(an_end_at_any_step_is_temporary),
        TEST(what_cannot_be_sent_fails_at_once),
        TEST(a_dialer_may_fail_later),
        TEST(a_dialer_may_fail_after_all_was_given_up),
        TEST(cancelling_aborts_the_connection),
        TEST(the_reactors_end_is_the_transfers),
        TEST(out_of_memory_ends_it_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
