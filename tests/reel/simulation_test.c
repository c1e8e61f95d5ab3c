/* The simulated network does what networks do, in virtual time, and the same again for the same seed. */
#include "helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct reel_simulation *net;
    struct reel_simulated_host *server, *client;
    struct record server_record, client_record;
    struct reel_factory server_factory, client_factory;
    struct reel_listener *l;
    struct reel_transport *t;
};

static void make_network(struct fixture *f, uint64_t seed)
{
    *f = (struct fixture){
        .server_factory = {.protocol = &echo_protocol, .shared = &f->server_record},
        .client_factory = {.protocol = &recording_protocol, .shared = &f->client_record}};
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_test_reactor_new(&options, 0);
    assert_non_null(f->r);
    f->net = reel_simulation_new(f->r, seed);
    f->server = reel_simulation_host(f->net, "10.0.0.1");
    f->client = reel_simulation_host(f->net, "10.0.0.2");
    assert_non_null(f->server);
    assert_non_null(f->client);
    assert_int_equal(reel_listen(f->r, "tcp:80", &f->server_factory, &f->l), 0);
    reel_simulation_use(f->client);
}

static void end_network(struct fixture *f)
{
    reel_reactor_free(f->r);
    assert_int_equal(f->counts.live, 0);
    assert_int_equal(f->server_record.made, f->server_record.lost);
    assert_int_equal(f->client_record.made, f->client_record.lost);
}

static int set_up(void **state)
{
    struct fixture *f = malloc(sizeof(*f));
    make_network(f, 1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    end_network(*state);
    free(*state);
    return 0;
}

static void set_path(struct fixture *f, struct reel_path path)
{
    assert_int_equal(reel_simulation_set_path(f->net, NULL, NULL, &path), 0);
}

static void begin(struct fixture *f)
{
    assert_int_equal(reel_connect(f->r, "tcp:10.0.0.1:80", &f->client_factory, &f->t), 0);
}

static void meet(struct fixture *f)
{
    begin(f);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(f->client_record.made, 1);
    assert_int_equal(f->server_record.made, 1);
}

static void connecting_takes_a_round_trip_and_an_answer_another(void **state)
{
    struct fixture *f = *state;
    set_path(f, (struct reel_path){.delay_ns = 10 * REEL_MS});
    begin(f);
    assert_int_equal(reel_write(f->t, "hello", 5), 0);
    reel_test_advance(f->r, 20 * REEL_MS - 1);
    assert_int_equal(f->client_record.made, 0);
    reel_test_advance(f->r, 1);
    assert_int_equal(f->client_record.made, 1);
    assert_int_equal(f->server_record.made, 0);
    reel_test_advance(f->r, 10 * REEL_MS);
    assert_int_equal(f->server_record.made, 1);
    assert_string_equal(f->server_record.data, "hello");
    reel_test_advance(f->r, 10 * REEL_MS);
    assert_string_equal(f->client_record.data, "hello");
}

static void both_ends_know_their_addresses(void **state)
{
    struct fixture *f = *state;
    struct reel_address a;
    char text_z[REEL_ADDRESS_TEXT_MAX];
    meet(f);
    assert_int_equal(reel_peer(f->t, &a), 0);
    assert_string_equal(reel_address_text(&a, text_z, sizeof(text_z)), "10.0.0.1:80");
    assert_int_equal(reel_host(f->t, &a), 0);
    assert_string_equal(reel_address_text(&a, text_z, sizeof(text_z)), "10.0.0.2:32768");
    assert_int_equal(reel_peer(f->server_record.t, &a), 0);
    assert_string_equal(reel_address_text(&a, text_z, sizeof(text_z)), "10.0.0.2:32768");
    assert_int_equal(reel_host(f->server_record.t, &a), 0);
    assert_string_equal(reel_address_text(&a, text_z, sizeof(text_z)), "10.0.0.1:80");
    assert_int_equal(reel_listener_port(f->l), 80);
}

static void fail_to_connect(struct fixture *f, const char *endpoint_z, int reason,
                            int64_t within_ns)
{
    assert_int_equal(reel_connect(f->r, endpoint_z, &f->client_factory, NULL), 0);
    reel_test_advance(f->r, within_ns - 1);
    assert_int_equal(f->client_record.failed, 0);
    reel_test_advance(f->r, 1);
    assert_int_equal(f->client_record.failed, 1);
    assert_int_equal(f->client_record.reason, reason);
    assert_int_equal(f->server_record.made, 0);
}

static void a_port_without_a_listener_refuses(void **state)
{
    struct fixture *f = *state;
    set_path(f, (struct reel_path){.delay_ns = 10 * REEL_MS});
    fail_to_connect(f, "tcp:10.0.0.1:81", -ECONNREFUSED, 20 * REEL_MS);
}

static void an_address_without_a_host_is_unreachable(void **state)
{
    struct fixture *f = *state;
    set_path(f, (struct reel_path){.delay_ns = 10 * REEL_MS});
    fail_to_connect(f, "tcp:10.0.0.9:80", -EHOSTUNREACH, 10 * REEL_MS);
}

static void a_host_that_is_cut_off_never_answers(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(reel_simulation_cut(f->server, NULL), 0);
    fail_to_connect(f, "tcp:10.0.0.1:80:timeout=5", -ETIMEDOUT, 5 * REEL_SECOND);
}

static void one_that_heals_in_time_is_asked_again(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(reel_simulation_cut(f->server, f->client), 0);
    begin(f);
    reel_test_advance(f->r, 2 * REEL_SECOND);
    reel_simulation_heal(f->client, f->server);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(f->client_record.made, 1);
    assert_int_equal(f->server_record.made, 1);
}

static void a_paused_listener_keeps_them_waiting(void **state)
{
    struct fixture *f = *state;
    reel_listener_pause(f->l);
    begin(f);
    reel_test_advance(f->r, REEL_SECOND / 2);
    assert_int_equal(f->client_record.made, 0);
    reel_listener_resume(f->l);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(f->client_record.made, 1);
}

static void a_connection_that_is_given_up_was_never_there(void **state)
{
    struct fixture *f = *state;
    set_path(f, (struct reel_path){.delay_ns = 10 * REEL_MS});
    begin(f);
    reel_test_advance(f->r, 15 * REEL_MS);
    reel_abort(f->t);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(f->client_record.failed, 1);
    assert_int_equal(f->client_record.reason, -ECONNABORTED);
    assert_int_equal(f->server_record.made, 0);
}

static void bytes_wait_behind_a_cut_and_go_on(void **state)
{
    struct fixture *f = *state;
    set_path(f, (struct reel_path){.delay_ns = REEL_MS});
    meet(f);
    assert_int_equal(reel_simulation_cut(f->server, f->client), 0);
    assert_int_equal(reel_write(f->t, "one ", 4), 0);
    reel_test_advance(f->r, 10 * REEL_SECOND);
    assert_int_equal(f->server_record.received, 0);
    reel_close(f->t);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(f->server_record.lost, 0); /* it cannot know */
    reel_simulation_heal(f->server, f->client);
    reel_test_advance(f->r, REEL_SECOND);
    assert_string_equal(f->server_record.data, "one ");
    assert_int_equal(f->server_record.lost, 1);
}

static void a_reset_comes_at_the_byte_it_was_told(void **state)
{
    struct fixture *f = *state;
    set_path(f, (struct reel_path){.delay_ns = REEL_MS, .reset_at = 7});
    meet(f);
    assert_int_equal(reel_write(f->t, "0123456789", 10), 0);
    reel_test_advance(f->r, REEL_SECOND);
    assert_string_equal(f->server_record.data, "0123456");
    assert_int_equal(f->server_record.reason, -ECONNRESET);
    assert_int_equal(f->client_record.reason, -ECONNRESET);
}

static void a_narrow_path_takes_its_time(void **state)
{
    struct fixture *f = *state;
    f->server_factory.protocol = &recording_protocol;
    set_path(f, (struct reel_path){.bytes_per_second = 1000});
    meet(f);
    uint8_t block[3000] = {0};
    assert_int_equal(reel_write(f->t, block, sizeof(block)), 0);
    reel_test_advance(f->r, 3 * REEL_SECOND - 1);
    assert_true(f->server_record.received < sizeof(block));
    reel_test_advance(f->r, 1);
    assert_int_equal(f->server_record.received, sizeof(block));
}

static void a_slow_reader_is_felt_by_the_sender(void **state)
{
    struct fixture *f = *state;
    set_path(f, (struct reel_path){.delay_ns = REEL_MS, .buffer_max = 100});
    meet(f);
    reel_pause_reading(f->server_record.t);
    uint8_t block[1000] = {0};
    assert_int_equal(reel_write(f->t, block, sizeof(block)), 0);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(reel_write_pending(f->t), 900);
    reel_resume_reading(f->server_record.t);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(reel_write_pending(f->t), 0);
    assert_int_equal(f->client_record.received, 1000);
}

static void a_host_that_fails_takes_its_connections_along(void **state)
{
    struct fixture *f = *state;
    set_path(f, (struct reel_path){.delay_ns = 10 * REEL_MS});
    meet(f);
    reel_simulation_reset(f->server);
    reel_test_advance(f->r, 10 * REEL_MS - 1);
    assert_int_equal(f->server_record.reason, -ECONNRESET);
    assert_int_equal(f->client_record.lost, 0);
    reel_test_advance(f->r, 1);
    assert_int_equal(f->client_record.reason, -ECONNRESET);
    f->client_record = f->server_record = (struct record){0};
    meet(f); /* the listener is there still */
}

static void what_comes_to_a_closed_end_is_answered_by_a_reset(void **state)
{
    struct fixture *f = *state;
    set_path(f, (struct reel_path){.delay_ns = 10 * REEL_MS});
    meet(f);
    reel_close(f->server_record.t);
    reel_test_advance(f->r, 11 * REEL_MS);
    assert_int_equal(f->client_record.eof, 1);
    assert_int_equal(reel_write(f->t, "too late", 8), 0);
    reel_test_advance(f->r, 20 * REEL_MS);
    assert_int_equal(f->client_record.reason, -ECONNRESET);
}

static bool want_nobody(const struct reel_factory *factory, const struct reel_address *peer)
{
    (void)factory;
    (void)peer;
    return false;
}

static void one_who_is_not_wanted_is_reset(void **state)
{
    struct fixture *f = *state;
    f->server_factory.accepts = want_nobody;
    begin(f);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(f->client_record.made, 1);
    assert_int_equal(f->client_record.reason, -ECONNRESET);
    assert_int_equal(f->server_record.made + f->server_record.failed, 0);
}

static void addresses_and_ports_are_looked_after(void **state)
{
    struct fixture *f = *state;
    struct reel_listener *l = NULL;
    assert_int_equal(reel_listen(f->r, "tcp:80:interface=10.0.0.1", &f->server_factory, NULL),
                     -EADDRINUSE);
    assert_int_equal(reel_listen(f->r, "tcp:80:interface=10.0.0.9", &f->server_factory, NULL),
                     -EADDRNOTAVAIL);
    assert_int_equal(reel_listen(f->r, "tcp6:80", &f->server_factory, NULL), -EADDRNOTAVAIL);
    assert_int_equal(reel_listen(f->r, "unix:@x", &f->server_factory, NULL), -EOPNOTSUPP);
    assert_int_equal(reel_listen(f->r, "tcp:0", &f->server_factory, &l), 0);
    assert_int_not_equal(reel_listener_port(l), 0);
    reel_listener_close(f->l);
    assert_int_equal(reel_listen(f->r, "tcp:80:interface=10.0.0.1", &f->server_factory, NULL), 0);
    assert_int_equal(reel_simulation_add_address(f->client, "10.0.0.1"), -EADDRINUSE);
    assert_int_equal(reel_simulation_add_address(f->client, "2001:db8::2"), 0);
    assert_int_equal(reel_simulation_add_address(f->client, "nobody"), -EINVAL);
    assert_ptr_equal(reel_simulation_host(f->net, "2001:db8::2"), f->client);
    assert_null(reel_simulation_host(f->net, "nobody"));
    assert_null(reel_simulation_new(f->r, 1));
    assert_int_equal(errno, EEXIST);
    assert_int_equal(reel_listen(f->r, "tcp6:80", &f->server_factory, NULL), 0);
    assert_int_equal(reel_connect(f->r, "tcp:[2001:db8::2]:80", &f->client_factory, NULL), 0);
    reel_test_advance(f->r, 0);
    assert_int_equal(f->client_record.made, 1);
}

static void time_does_not_move_by_the_wall_clock(void **state)
{
    struct fixture *f = *state;
    struct reel_reactor *real = reel_reactor_new(NULL);
    assert_null(reel_simulation_new(real, 1));
    assert_int_equal(errno, EINVAL);
    reel_reactor_free(real);
    assert_true(reel_now_ns(f->r) == 0);
}

/* Datagrams: each says which it is. */
struct inbox {
    int made, lost, refused;
    size_t count, swapped, doubled;
    uint8_t seen[1000];
    size_t highest;
    struct reel_address from;
};

static void inbox_made(struct reel_datagram *d)
{
    ((struct inbox *)reel_datagram_shared(d))->made++;
}

static void inbox_received(struct reel_datagram *d, const uint8_t *data, size_t len,
                           const struct reel_address *from)
{
    struct inbox *inbox = reel_datagram_shared(d);
    uint32_t number = 0;
    assert_int_equal(len, sizeof(number));
    memcpy(&number, data, sizeof(number));
    assert_true(number < sizeof(inbox->seen));
    inbox->count++;
    inbox->doubled += inbox->seen[number]++ > 0;
    inbox->swapped += number < inbox->highest;
    inbox->highest = number > inbox->highest ? number : inbox->highest;
    inbox->from = *from;
}

static void inbox_refused(struct reel_datagram *d, int reason)
{
    assert_int_equal(reason, -ECONNREFUSED);
    ((struct inbox *)reel_datagram_shared(d))->refused++;
}

static void inbox_lost(struct reel_datagram *d, int reason)
{
    (void)reason;
    ((struct inbox *)reel_datagram_shared(d))->lost++;
}

static const struct reel_datagram_protocol inbox_protocol = {
    .made = inbox_made,
    .received = inbox_received,
    .refused = inbox_refused,
    .lost = inbox_lost,
};

static void send_numbers(struct fixture *f, struct inbox *inbox, struct inbox *sender,
                         const struct reel_path *path)
{
    struct reel_datagram_factory in = {.protocol = &inbox_protocol, .shared = inbox};
    struct reel_datagram_factory out = {.protocol = &inbox_protocol, .shared = sender};
    struct reel_datagram *d = NULL;
    set_path(f, *path);
    assert_int_equal(reel_listen_datagram(f->r, "udp:53:interface=10.0.0.1", &in, NULL), 0);
    assert_int_equal(reel_connect_datagram(f->r, "udp:10.0.0.1:53", &out, &d), 0);
    reel_test_advance(f->r, 0);
    for (uint32_t i = 0; i < sizeof(inbox->seen); i++) {
        assert_int_equal(reel_datagram_send(d, &i, sizeof(i), NULL), 0);
        reel_test_advance(f->r, REEL_MS);
    }
    reel_test_advance(f->r, 10 * REEL_SECOND);
    reel_reactor_free(f->r);
    f->r = NULL;
    assert_int_equal(inbox->made, 1);
    assert_int_equal(inbox->lost, 1);
    assert_int_equal(sender->lost, 1);
}

static void datagrams_come_through_a_good_network_as_they_were_sent(void **state)
{
    struct inbox inbox = {0}, sender = {0};
    char text_z[REEL_ADDRESS_TEXT_MAX];
    send_numbers(*state, &inbox, &sender, &(struct reel_path){.delay_ns = 5 * REEL_MS});
    assert_int_equal(inbox.count, sizeof(inbox.seen));
    assert_int_equal(inbox.swapped + inbox.doubled, 0);
    reel_address_host(&inbox.from, text_z, sizeof(text_z));
    assert_string_equal(text_z, "10.0.0.2");
}

static void datagrams_are_lost_doubled_and_swapped_in_a_bad_one(void **state)
{
    struct inbox inbox = {0}, sender = {0};
    send_numbers(*state, &inbox, &sender,
                 &(struct reel_path){.delay_ns = 5 * REEL_MS,
                                     .lose_ppm = 100000,
                                     .reorder_ppm = 50000,
                                     .reorder_ns = 10 * REEL_MS,
                                     .double_ppm = 50000});
    size_t missing = 0;
    for (size_t i = 0; i < sizeof(inbox.seen); i++)
        missing += inbox.seen[i] == 0;
    assert_true(missing > 50 && missing < 200);
    assert_true(inbox.doubled > 10 && inbox.doubled < 100);
    assert_true(inbox.swapped > 50);
}

static void datagrams_to_nobody_are_refused(void **state)
{
    struct fixture *f = *state;
    struct inbox inbox = {0};
    struct reel_datagram_factory factory = {.protocol = &inbox_protocol, .shared = &inbox};
    struct reel_datagram *d = NULL;
    assert_int_equal(reel_connect_datagram(f->r, "udp:10.0.0.1:53", &factory, &d), 0);
    assert_int_equal(reel_datagram_send(d, "1234", 4, NULL), 0);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(inbox.refused, 1);
    assert_int_equal(reel_simulation_cut(f->server, NULL), 0);
    assert_int_equal(reel_datagram_send(d, "1234", 4, NULL), 0);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(inbox.refused, 1); /* nobody answers at all */
    assert_int_equal(inbox.lost, 0);
}

static uint64_t play(uint64_t seed)
{
    struct fixture f;
    make_network(&f, seed);
    set_path(&f,
             (struct reel_path){
                 .delay_ns = REEL_MS, .jitter_ns = 5 * REEL_MS, .lose_ppm = 50000, .send_max = 7});
    begin(&f);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(reel_write(f.t, "0123456789", 1 + reel_simulation_draw(f.net, 10)), 0);
        reel_test_advance(f.r, 10 * REEL_MS);
    }
    reel_test_advance(f.r, 100 * REEL_SECOND);
    assert_int_equal(f.client_record.received, f.server_record.received);
    assert_true(f.client_record.received >= 50);
    uint64_t digest = reel_simulation_digest(f.net);
    end_network(&f);
    return digest;
}

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        assert_true(play(seed) == play(seed));
        assert_true(play(seed) != play(seed + 1));
    }
}

static void memory_that_runs_out_is_reported_at_each_step(void **state)
{
    struct fixture *f = *state;
    int err = -ENOMEM;
    reel_test_advance(f->r, 0);
    for (long n = 0; err < 0; n++) {
        size_t live = f->counts.live;
        f->counts.fail_after = n;
        err = reel_connect(f->r, "tcp:10.0.0.1:80", &f->client_factory, NULL);
        f->counts.fail_after = -1;
        assert_true(err == 0 || err == -ENOMEM);
        if (err < 0)
            assert_int_equal(f->counts.live, live);
        assert_true(n < 20);
    }
    f->counts.fail_after = 0; /* the server's end */
    reel_test_advance(f->r, REEL_SECOND);
    f->counts.fail_after = -1;
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(f->client_record.made + f->client_record.failed, 1);
    assert_int_equal(f->server_record.made, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(connecting_takes_a_round_trip_and_an_answer_another),
        TEST(both_ends_know_their_addresses),
        TEST(a_port_without_a_listener_refuses),
        TEST(an_address_without_a_host_is_unreachable),
        TEST(a_host_that_is_cut_off_never_answers),
        TEST(one_that_heals_in_time_is_asked_again),
        TEST(a_paused_listener_keeps_them_waiting),
        TEST(a_connection_that_is_given_up_was_never_there),
        TEST(bytes_wait_behind_a_cut_and_go_on),
        TEST(a_reset_comes_at_the_byte_it_was_told),
        TEST(a_narrow_path_takes_its_time),
        TEST(a_slow_reader_is_felt_by_the_sender),
        TEST(a_host_that_fails_takes_its_connections_along),
        TEST(what_comes_to_a_closed_end_is_answered_by_a_reset),
        TEST(one_who_is_not_wanted_is_reset),
        TEST(addresses_and_ports_are_looked_after),
        TEST(time_does_not_move_by_the_wall_clock),
        TEST(datagrams_come_through_a_good_network_as_they_were_sent),
        TEST(datagrams_are_lost_doubled_and_swapped_in_a_bad_one),
        TEST(datagrams_to_nobody_are_refused),
        TEST(memory_that_runs_out_is_reported_at_each_step),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
