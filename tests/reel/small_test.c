/* The small functions that no larger test needs: each is called by something. */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void parts_are_written_one_behind_the_other_or_not_at_all(void **state)
{
    (void)state;
    struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
    struct record record = {0};
    const struct reel_factory factory = {
        .protocol = &recording_protocol, .shared = &record, .options.queue_max = 16};
    struct reel_test_peer *peer = NULL;
    struct reel_transport *t = NULL;
    assert_int_equal(
        reel_test_peer_new(r, &factory, &(struct reel_wire){.buffer_max = 1}, &peer, &t), 0);
    reel_test_advance(r, 0);
    char text[] = "abcde0123456789";
    struct iovec parts[] = {{text, 2}, {text, 0}, {text + 2, 3}};
    assert_int_equal(reel_writev(t, parts, 3), 0);
    struct iovec long_parts[] = {{text, 10}, {text, 10}};
    assert_int_equal(reel_writev(t, long_parts, 2), -ENOBUFS);
    reel_test_advance(r, 0);
    size_t len = 0;
    assert_memory_equal(reel_test_received(peer, &len), "abcde", 5);
    assert_int_equal(len, 5);
    reel_abort(t);
    assert_int_equal(reel_writev(t, parts, 3), -EPIPE);
    reel_test_peer_free(peer);
    reel_reactor_free(r);
}

static void the_top_filter_is_the_one_next_to_the_protocol(void **state)
{
    (void)state;
    static const struct reel_filter_type lower = {.name_z = "lower"}, upper = {.name_z = "upper"};
    static const struct reel_filter_use filters[] = {{&lower, NULL}, {&upper, NULL}, {NULL, NULL}};
    struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
    struct record record = {0};
    const struct reel_factory plain = {.protocol = &recording_protocol, .shared = &record};
    const struct reel_factory stacked = {
        .protocol = &recording_protocol, .shared = &record, .filters = filters};
    struct reel_transport *a = NULL, *b = NULL;
    assert_int_equal(reel_test_pair(r, &plain, &stacked, NULL, NULL, &a, &b), 0);
    reel_test_advance(r, 0);
    assert_null(reel_filter_top(a));
    assert_ptr_equal(reel_filter_top(b)->type, &upper);
    assert_ptr_equal(reel_filter_top(b)->below->type, &lower);
    reel_reactor_free(r);
}

/* A maker that cannot stop at once. */
static void cancel_later(struct reel_deferred *d)
{
    reel_deferred_fires_later(d);
}

static void keep_number(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    *(int64_t *)context = result->error ? result->error : result->number;
}

static void a_cancel_waits_for_a_maker_that_fires_later(void **state)
{
    (void)state;
    struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
    int64_t heard = 1;
    struct reel_deferred *d = reel_deferred_new(r, cancel_later, 0);
    assert_int_equal(reel_deferred_done(d, keep_number, &heard), 0);
    assert_true(reel_deferred_cancel(d));
    reel_test_advance(r, REEL_SECOND);
    assert_int_equal(heard, 1); /* nothing yet: the maker still uses the taker's memory */
    reel_deferred_errback(d, -ECANCELED, NULL);
    reel_test_advance(r, 0);
    assert_int_equal(heard, -ECANCELED);
    reel_reactor_free(r);
}

struct counted {
    int received;
};

static void count_received(struct reel_datagram *d, const uint8_t *data, size_t len,
                           const struct reel_address *from)
{
    struct counted *counted = reel_datagram_state(d);
    (void)data, (void)len, (void)from;
    counted->received++;
}

static void a_datagram_socket_has_a_state_and_a_reactor(void **state)
{
    (void)state;
    static const struct reel_datagram_protocol protocol = {.state_size = sizeof(struct counted),
                                                           .received = count_received};
    const struct reel_datagram_factory factory = {.protocol = &protocol};
    struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
    struct reel_datagram *a = NULL, *b = NULL;
    assert_int_equal(reel_test_datagram_pair(r, &factory, &factory, NULL, &a, &b), 0);
    reel_test_advance(r, 0);
    assert_ptr_equal(reel_datagram_reactor(a), r);
    assert_int_equal(reel_datagram_send(a, "x", 1, NULL), 0);
    reel_test_advance(r, 0);
    assert_int_equal(((struct counted *)reel_datagram_state(a))->received, 0);
    assert_int_equal(((struct counted *)reel_datagram_state(b))->received, 1);
    reel_reactor_free(r);
}

static void datagram_endpoints_are_parsed_apart_from_stream_endpoints(void **state)
{
    (void)state;
    struct reel_endpoint e;
    const char *why_z = NULL;
    char text_z[REEL_ADDRESS_TEXT_MAX];
    assert_int_equal(reel_endpoint_parse_datagram_server("udp:53:interface=127.0.0.1", &e, &why_z),
                     0);
    assert_string_equal(reel_address_text(&e.address, text_z, sizeof(text_z)), "127.0.0.1:53");
    assert_int_equal(reel_endpoint_parse_datagram_client("udp:[2001:db8::1]:53", &e, &why_z), 0);
    assert_string_equal(reel_address_text(&e.address, text_z, sizeof(text_z)), "[2001:db8::1]:53");
    assert_int_equal(reel_endpoint_parse_datagram_server("tcp:53", &e, &why_z), -EINVAL);
    assert_non_null(why_z);
    assert_int_equal(reel_endpoint_parse_datagram_client("udp:nowhere", &e, NULL), -EINVAL);
}

static void an_address_that_could_smuggle_a_line_is_none(void **state)
{
    (void)state;
    static const char *const good[] = {"a@b", "first.last+tag@mail.example.org"};
    static const char *const bad[] = {"",      "a",           "@b",    "a@",
                                      "a b@c", "a@b\r\nRCPT", "<a@b>", "\xc3\xa4@b"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(reel_mail_is_address(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(reel_mail_is_address(bad[i]));
}

static void a_socket_that_listens_already_is_taken_over(void **state)
{
    (void)state;
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct record record = {0};
    const struct reel_factory factory = {.protocol = &echo_protocol, .shared = &record};
    struct reel_listener *l = NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(reel_listen_fd(r, fd, NULL, &factory, &l), -EINVAL); /* it does not listen */
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(reel_listen_fd(r, fd, NULL, &factory, &l), 0);
    assert_int_equal(reel_listener_fd(l), fd);
    int client = connect_blocking(l);
    run_until(r, &record.made);
    close(client);
    run_until(r, &record.lost);
    reel_reactor_free(r);
    assert_int_equal(close(fd), -1); /* it was the listener's */
}

static void on_exited(struct reel_process *p, const struct reel_process_status *status)
{
    int *codes = reel_process_shared(p);
    codes[0] = 1;
    codes[1] = status->code;
}

static void a_child_has_a_number_and_a_reactor(void **state)
{
    (void)state;
    static const struct reel_process_protocol protocol = {.exited = on_exited};
    static const char *const arguments[] = {"sh", "-c", "exit 3", NULL};
    const struct reel_process_options options = {.file_z = "/bin/sh", .arguments = arguments};
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct reel_process *p = NULL;
    int codes[2] = {0};
    assert_int_equal(reel_process_start(r, &options, &protocol, codes, &p), 0);
    assert_ptr_equal(reel_process_reactor(p), r);
    assert_true(reel_process_pid(p) > 0);
    assert_int_not_equal(reel_process_pid(p), getpid());
    run_until(r, codes);
    assert_int_equal(codes[1], 3);
    reel_reactor_free(r);
}

/* In a child, whose descriptors 0 and 1 are one end of a socket pair. */
static int echo_on_standard_input_and_output(void)
{
    struct record record = {0};
    const struct reel_factory factory = {.protocol = &echo_protocol, .shared = &record};
    struct reel_reactor *r = reel_reactor_new(NULL);
    if (!r || reel_stdio(r, &factory, NULL) < 0)
        return 1;
    for (int turns = 0; turns < 20000 && !record.eof; turns++)
        reel_run_once(r, REEL_MS);
    reel_reactor_free(r);
    return record.received == 4 ? 0 : 2;
}

static void standard_input_and_output_are_one_transport(void **state)
{
    (void)state;
    int ends[2], status = 0;
    char said[8] = "";
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (dup2(ends[1], 0) < 0 || dup2(ends[1], 1) < 0)
            _exit(3);
        close(ends[0]);
        close(ends[1]);
        _exit(echo_on_standard_input_and_output());
    }
    close(ends[1]);
    assert_int_equal(write(ends[0], "ping", 4), 4);
    for (size_t have = 0; have < 4;) {
        ssize_t n = read(ends[0], said + have, 4 - have);
        assert_true(n > 0);
        have += (size_t)n;
    }
    assert_string_equal(said, "ping");
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_tls_context_lives_as_long_as_its_last_owner(void **state)
{
    (void)state;
    const struct reel_tls_options options = {.verify = REEL_TLS_VERIFY_NONE};
    struct reel_tls_context *context = NULL;
    struct reel_tls_error why;
    assert_int_equal(reel_tls_context_new(&options, &context, &why), 0);
    assert_ptr_equal(reel_tls_context_keep(context), context);
    reel_tls_context_free(context);
    assert_int_equal(reel_tls_context_reload(context, &why), 0); /* it is still there */
    reel_tls_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_written_one_behind_the_other_or_not_at_all),
        cmocka_unit_test(the_top_filter_is_the_one_next_to_the_protocol),
        cmocka_unit_test(a_cancel_waits_for_a_maker_that_fires_later),
        cmocka_unit_test(a_datagram_socket_has_a_state_and_a_reactor),
        cmocka_unit_test(datagram_endpoints_are_parsed_apart_from_stream_endpoints),
        cmocka_unit_test(an_address_that_could_smuggle_a_line_is_none),
        cmocka_unit_test(a_socket_that_listens_already_is_taken_over),
        cmocka_unit_test(a_child_has_a_number_and_a_reactor),
        cmocka_unit_test(standard_input_and_output_are_one_transport),
        cmocka_unit_test(a_tls_context_lives_as_long_as_its_last_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
