/* Whole scenarios, each family of protocols, over a simulated network: memory that runs out at any
 * moment, resets at any byte, ten thousand slow clients, clocks that jump, storms of signals. */
#include "helper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ALLOCATIONS_MAX = 3000, /* of a scenario: a run without an end is found */
    RESET_BYTES_MAX = 5000,
    SLOW_CLIENTS = 10000,
    /* What one connection costs in memory, both ends, timers and the network's own part. */
    CONNECTION_BYTES_MAX = 2000,
    TURN_BYTES_MAX = 512 << 10, /* what a reactor keeps for its turns, whoever is there */
};

struct scene {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct reel_simulation *net;
    struct reel_simulated_host *server, *client;
    struct record server_record, client_record;
    struct reel_factory server_factory, client_factory;
    int done, good; /* callbacks, and how many had what they should */
};

static void settle(struct scene *s)
{
    reel_test_advance(s->r, 1000 * REEL_SECOND);
}

static struct reel_transport *call_server(struct scene *s, const char *endpoint_z,
                                          const char *say_z)
{
    struct reel_transport *t = NULL;
    reel_simulation_use(s->client);
    if (reel_connect(s->r, endpoint_z, &s->client_factory, &t) < 0)
        return NULL;
    if (reel_write(t, say_z, strlen(say_z)) < 0)
        reel_abort(t);
    return t;
}

static bool was_said(const struct scene *s, const char *expected_z)
{
    return strcmp(s->client_record.data, expected_z) == 0;
}

/* ---- The scenarios. True: it came through whole. ---- */

static bool echo_scene(struct scene *s)
{
    if (reel_listen(s->r, "tcp:7", &s->server_factory, NULL) < 0)
        return false;
    call_server(s, "tcp:10.0.0.1:7", "hello");
    settle(s);
    return was_said(s, "hello");
}

static void echo_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    reel_write(t, line, len);
}

static const struct reel_line_protocol line_protocol = {
    .protocol = {.state_size = sizeof(struct reel_line_state), .data = reel_line_data},
    .keep_end = true,
    .line = echo_line,
};

static bool line_scene(struct scene *s)
{
    s->server_factory.protocol = &line_protocol.protocol;
    if (reel_listen(s->r, "tcp:7", &s->server_factory, NULL) < 0)
        return false;
    struct reel_transport *t = call_server(s, "tcp:10.0.0.1:7", "one\ntw");
    settle(s);
    if (t && s->client_record.made && !s->client_record.lost)
        reel_write(t, "o\n", 2);
    settle(s);
    return was_said(s, "one\ntwo\n");
}

static void echo_frame(struct reel_transport *t, const uint8_t *frame, size_t len)
{
    reel_frame_write(t, frame, len);
}

static const struct reel_frame_protocol frame_protocol = {
    .protocol = {.data = reel_frame_data},
    .kind = REEL_FRAME_NETSTRING,
    .frame = echo_frame,
};

static bool frame_scene(struct scene *s)
{
    s->server_factory.protocol = &frame_protocol.protocol;
    if (reel_listen(s->r, "tcp:7", &s->server_factory, NULL) < 0)
        return false;
    call_server(s, "tcp:10.0.0.1:7", "3:one,0:,11:hello world,");
    settle(s);
    return was_said(s, "3:one,0:,11:hello world,");
}

static bool forward_scene(struct scene *s)
{
    static struct reel_forward forward;
    forward = (struct reel_forward){.to_z = "tcp:10.0.0.1:7"};
    reel_forward_init(&forward);
    if (reel_listen(s->r, "tcp:7", &s->server_factory, NULL) < 0 ||
        reel_listen(s->r, "tcp:8", &forward.factory, NULL) < 0)
        return false;
    call_server(s, "tcp:10.0.0.1:8", "through");
    settle(s);
    return was_said(s, "through");
}

static bool socks_scene(struct scene *s)
{
    static struct reel_socks socks;
    static const uint8_t hello[] = {5, 1, 0, 5, 1, 0, 1, 10, 0, 0, 1, 0, 7, 'x', 'y'};
    struct reel_transport *t = NULL;
    socks = (struct reel_socks){0};
    reel_socks_init(&socks);
    if (reel_listen(s->r, "tcp:7", &s->server_factory, NULL) < 0 ||
        reel_listen(s->r, "tcp:1080", &socks.factory, NULL) < 0)
        return false;
    reel_simulation_use(s->client);
    if (reel_connect(s->r, "tcp:10.0.0.1:1080", &s->client_factory, &t) < 0)
        return false;
    reel_write(t, hello, sizeof(hello));
    settle(s);
    size_t len = s->client_record.received;
    return len > 2 && memcmp(s->client_record.data + len - 2, "xy", 2) == 0;
}

static void give_body(struct reel_http_request *q, const uint8_t *body, size_t len)
{
    reel_http_answer(q, 200, "text/plain", body, len);
}

static void http_echo(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_collect(q, 0, give_body);
}

static void on_response(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct scene *s = context;
    const struct reel_http_response *response = result->pointer;
    (void)d;
    s->done++;
    s->good += result->error == 0 && response->status == 200 && response->len == 5 &&
               memcmp(response->body, "hello", 5) == 0;
}

static void fetch_twice(struct scene *s, struct reel_http_client *client)
{
    const struct reel_http_ask ask = {
        .method_z = "POST", .url_z = "http://10.0.0.1/echo", .body = "hello", .len = 5};
    int begun = 0;
    reel_simulation_use(s->client);
    for (int i = 0; i < 2; i++) {
        begun += reel_deferred_done(reel_http_fetch(client, &ask), on_response, s) == 0;
        settle(s);
        assert_int_equal(s->done, begun);
    }
}

static bool http_scene(struct scene *s)
{
    static const struct reel_http_route routes[] = {{REEL_HTTP_ROUTE("POST", "/echo", http_echo)},
                                                    {0}};
    struct reel_http_site *site = NULL;
    struct reel_http_client *client = NULL;
    struct reel_listener *l = NULL;
    if (reel_http_site_new(s->r, routes, NULL, &site) == 0 &&
        reel_listen(s->r, "tcp:80", reel_http_factory(site), &l) == 0 &&
        reel_http_client_new(s->r, NULL, &client) == 0)
        fetch_twice(s, client);
    reel_http_client_free(client);
    reel_listener_close(l);
    reel_http_site_free(site);
    reel_test_advance(s->r, 0);
    return s->good == 2;
}

static int64_t nap_twice(struct reel_reactor *r, void *argument)
{
    struct scene *s = argument;
    struct reel_deferred *two[] = {reel_deferred_sleep(r, REEL_SECOND),
                                   reel_deferred_sleep(r, 2 * REEL_SECOND)};
    struct reel_result result = {0};
    int err = reel_await(reel_gather(r, REEL_GATHER_ALL, two, 2), &result);
    if (err == 0 && result.release)
        result.release(result.pointer);
    if (err == 0)
        err = reel_fiber_sleep(r, REEL_SECOND);
    s->good += err == 0;
    return err;
}

static void on_fiber_end(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct scene *s = context;
    (void)d;
    (void)result;
    s->done++;
}

static bool fiber_scene(struct scene *s)
{
    int begun = reel_deferred_done(reel_fiber_start(s->r, nap_twice, s), on_fiber_end, s) == 0;
    settle(s);
    assert_int_equal(s->done, begun);
    return s->good == 1;
}

static void on_datagram(struct reel_datagram *d, const uint8_t *data, size_t len,
                        const struct reel_address *from)
{
    struct scene *s = reel_datagram_shared(d);
    (void)from;
    if (reel_datagram_port(d) == 53)
        reel_datagram_reply(d, data, len);
    else
        s->good += len == 4 && memcmp(data, "ping", 4) == 0;
}

static const struct reel_datagram_protocol datagram_protocol = {.received = on_datagram};
static struct reel_datagram_factory datagram_factory;

static bool datagram_scene(struct scene *s)
{
    struct reel_datagram *d = NULL;
    datagram_factory = (struct reel_datagram_factory){.protocol = &datagram_protocol, .shared = s};
    if (reel_listen_datagram(s->r, "udp:53", &datagram_factory, NULL) < 0)
        return false;
    reel_simulation_use(s->client);
    if (reel_connect_datagram(s->r, "udp:10.0.0.1:53", &datagram_factory, &d) < 0)
        return false;
    reel_datagram_send(d, "ping", 4, NULL);
    settle(s);
    return s->good == 1;
}

static const struct {
    const char *name_z;
    bool (*play)(struct scene *s);
    bool has_stream;
} scenes[] = {
    {"echo", echo_scene, true},     {"lines", line_scene, true},
    {"frames", frame_scene, true},  {"forward", forward_scene, true},
    {"socks", socks_scene, true},   {"http", http_scene, true},
    {"fibers", fiber_scene, false}, {"datagrams", datagram_scene, false},
};

enum { SCENES = sizeof(scenes) / sizeof(scenes[0]) };

static bool open_scene(struct scene *s, long fail_after, bool once)
{
    *s = (struct scene){
        .server_factory = {.protocol = &echo_protocol, .shared = &s->server_record},
        .client_factory = {.protocol = &recording_protocol, .shared = &s->client_record}};
    const struct reel_reactor_options options = {.allocator = counting_allocator(&s->counts)};
    s->counts.fail_after = fail_after;
    s->counts.fail_once = once;
    s->r = reel_test_reactor_new(&options, 0);
    s->net = s->r ? reel_simulation_new(s->r, 1) : NULL;
    s->server = s->net ? reel_simulation_host(s->net, "10.0.0.1") : NULL;
    s->client = s->net ? reel_simulation_host(s->net, "10.0.0.2") : NULL;
    return s->server && s->client;
}

static void close_scene(struct scene *s)
{
    reel_reactor_free(s->r);
    assert_int_equal(s->counts.live, 0);
    assert_int_equal(s->client_record.made, s->client_record.lost);
}

static void run_out_of_memory(int which, bool once)
{
    struct scene s;
    bool hit = true;
    for (long n = 0; hit; n++) {
        assert_true(n < ALLOCATIONS_MAX);
        bool whole = open_scene(&s, n, once) && scenes[which].play(&s);
        hit = s.counts.fail_after <= 0;
        if (!hit)
            assert_true(whole);
        close_scene(&s);
    }
}

static void memory_may_run_out_at_any_moment(void **state)
{
    (void)state;
    for (int i = 0; i < SCENES; i++) {
        print_message("%s\n", scenes[i].name_z);
        run_out_of_memory(i, false);
    }
}

static void any_single_allocation_may_fail(void **state)
{
    (void)state;
    for (int i = 0; i < SCENES; i++) {
        print_message("%s\n", scenes[i].name_z);
        run_out_of_memory(i, true);
    }
}

/* True: it came through whole. */
static bool reset_at(int which, uint64_t at, bool from_server)
{
    struct scene s;
    assert_true(open_scene(&s, -1, false));
    const struct reel_path path = {.delay_ns = REEL_MS, .reset_at = at, .send_max = 100};
    assert_int_equal(reel_simulation_set_path(s.net, from_server ? s.server : s.client,
                                              from_server ? s.client : s.server, &path),
                     0);
    bool whole = scenes[which].play(&s);
    close_scene(&s);
    return whole;
}

static void a_connection_may_be_reset_at_any_byte(void **state)
{
    (void)state;
    for (int i = 0; i < SCENES; i++) {
        for (int from_server = 0; scenes[i].has_stream && from_server < 2; from_server++) {
            uint64_t at = 1;
            while (at < RESET_BYTES_MAX && !reset_at(i, at, from_server))
                at++;
            print_message("%s: whole with a reset at %d\n", scenes[i].name_z, (int)at);
            assert_true(at > 4 && at < RESET_BYTES_MAX);
        }
    }
}

/* ---- Ten thousand that say a byte a second. ---- */

struct slow_clients {
    struct reel_transport *all[SLOW_CLIENTS];
    size_t made, lost, echoed;
};

static void slow_made(struct reel_transport *t)
{
    struct slow_clients *clients = reel_shared(t);
    clients->all[clients->made++] = t;
}

static size_t slow_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct slow_clients *clients = reel_shared(t);
    (void)data;
    clients->echoed += len;
    return len;
}

static void slow_lost(struct reel_transport *t, int reason)
{
    struct slow_clients *clients = reel_shared(t);
    assert_int_equal(reason, -ECANCELED);
    clients->lost++;
}

static size_t slow_echo(struct reel_transport *t, const uint8_t *data, size_t len)
{
    return reel_write(t, data, len) == 0 ? len : 0;
}

static const struct reel_protocol slow_protocol = {
    .made = slow_made, .data = slow_data, .lost = slow_lost};
static const struct reel_protocol slow_server_protocol = {.data = slow_echo};

static void ten_thousand_slow_clients_cost_their_structs(void **state)
{
    (void)state;
    static struct slow_clients clients;
    struct scene s;
    struct reel_metrics before, after;
    assert_true(open_scene(&s, -1, false));
    clients = (struct slow_clients){0};
    const struct reel_factory server = {.protocol = &slow_server_protocol};
    const struct reel_factory client = {.protocol = &slow_protocol, .shared = &clients};
    const struct reel_path path = {.delay_ns = 20 * REEL_MS, .jitter_ns = 900 * REEL_MS};
    assert_int_equal(reel_simulation_set_path(s.net, NULL, NULL, &path), 0);
    assert_int_equal(reel_listen(s.r, "tcp:7", &server, NULL), 0);
    reel_simulation_use(s.client);
    size_t bytes = s.counts.bytes;
    for (int i = 0; i < SLOW_CLIENTS; i++)
        assert_int_equal(reel_connect(s.r, "tcp:10.0.0.1:7", &client, NULL), 0);
    reel_test_advance(s.r, 10 * REEL_SECOND);
    assert_int_equal(clients.made, SLOW_CLIENTS);
    size_t each = (s.counts.bytes - bytes) / SLOW_CLIENTS;
    print_message("%zu bytes for both ends\n", each);
    assert_true(each <= CONNECTION_BYTES_MAX);
    bytes = s.counts.bytes;
    reel_metrics(s.r, &before);
    for (int second = 0; second < 5; second++) {
        for (int i = 0; i < SLOW_CLIENTS; i++)
            assert_int_equal(reel_write(clients.all[i], "x", 1), 0);
        reel_test_advance(s.r, REEL_SECOND);
    }
    reel_test_advance(s.r, 5 * REEL_SECOND);
    reel_metrics(s.r, &after);
    assert_int_equal(clients.echoed, 5 * SLOW_CLIENTS);
    assert_int_equal(after.queued_bytes, 0);
    assert_true(s.counts.bytes <= bytes + TURN_BYTES_MAX); /* nothing stayed with them */
    assert_true(after.turns - before.turns < (uint64_t)SLOW_CLIENTS * 25);
    close_scene(&s);
    assert_int_equal(clients.lost, SLOW_CLIENTS);
}

/* ---- Time. ---- */

struct alarm {
    struct reel_timer timer; /* comes first */
    int rings;
};

static void on_ring(struct reel_timer *timer)
{
    ((struct alarm *)timer)->rings++;
}

static void a_wall_clock_that_jumps_moves_no_timer(void **state)
{
    (void)state;
    static const int64_t jumps_us[] = {INT64_C(3600000000) * 24 * 365, -INT64_C(3600000000), 0};
    struct scene s;
    struct alarm alarm = {.rings = 0};
    struct reel_transport *t = NULL;
    assert_true(open_scene(&s, -1, false));
    s.client_factory.options.idle_ns = 10 * REEL_SECOND;
    assert_int_equal(reel_listen(s.r, "tcp:7", &s.server_factory, NULL), 0);
    assert_int_equal(reel_connect(s.r, "tcp:10.0.0.1:7", &s.client_factory, &t), 0);
    assert_int_equal(reel_timer_init(&alarm.timer, s.r, on_ring), 0);
    reel_timer_start(&alarm.timer, 9 * REEL_SECOND);
    for (size_t i = 0; i < sizeof(jumps_us) / sizeof(jumps_us[0]); i++) {
        int64_t now_ns = reel_now_ns(s.r);
        reel_test_set_wall(s.r, jumps_us[i]);
        assert_true(reel_wall_us(s.r) == jumps_us[i]);
        reel_test_advance(s.r, 2 * REEL_SECOND);
        assert_true(reel_wall_us(s.r) == jumps_us[i] + 2000000);
        assert_true(reel_now_ns(s.r) == now_ns + 2 * REEL_SECOND);
        assert_int_equal(alarm.rings + s.client_record.lost, 0);
    }
    reel_test_advance(s.r, 3 * REEL_SECOND);
    assert_int_equal(alarm.rings, 1);
    assert_int_equal(s.client_record.lost, 0);
    reel_test_advance(s.r, REEL_SECOND);
    assert_int_equal(s.client_record.reason, -ETIMEDOUT);
    reel_timer_fini(&alarm.timer);
    close_scene(&s);
}

/* ---- Signals, on real sockets. ---- */

enum { STORM_BYTES = 4 << 20, STORM_PIECE = 1000 };

static atomic_int handled;
static atomic_bool storm_over;

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
}

static void *send_signals(void *victim)
{
    while (!atomic_load(&storm_over)) {
        pthread_kill(*(pthread_t *)victim, SIGUSR1);
        usleep(20);
    }
    return NULL;
}

struct stream_check {
    struct reel_transport *t;
    size_t sent, received;
    int lost, reason;
};

static void send_more(struct stream_check *check)
{
    uint8_t piece[STORM_PIECE];
    while (check->sent < STORM_BYTES && reel_write_room(check->t) >= sizeof(piece)) {
        for (size_t i = 0; i < sizeof(piece); i++)
            piece[i] = (uint8_t)((check->sent + i) % 251);
        assert_int_equal(reel_write(check->t, piece, sizeof(piece)), 0);
        check->sent += sizeof(piece);
    }
}

static void check_made(struct reel_transport *t)
{
    send_more(reel_shared(t));
}

static size_t check_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct stream_check *check = reel_shared(t);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[i], (check->received + i) % 251);
    check->received += len;
    if (check->received == check->sent && check->sent >= STORM_BYTES)
        reel_close(t);
    else
        send_more(check);
    return len;
}

static void check_lost(struct reel_transport *t, int reason)
{
    struct stream_check *check = reel_shared(t);
    check->lost++;
    check->reason = reason;
}

static const struct reel_protocol check_protocol = {
    .made = check_made, .data = check_data, .drained = check_made, .lost = check_lost};

static void signals_in_the_middle_of_everything_do_no_harm(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = count_signal}, before;
    struct record server = {0};
    struct stream_check check = {0};
    const struct reel_factory echo = {.protocol = &echo_protocol, .shared = &server};
    const struct reel_factory client = {.protocol = &check_protocol, .shared = &check};
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct reel_listener *l = listen_local(r, &echo);
    struct reel_address address;
    pthread_t self = pthread_self(), thread;
    assert_int_equal(reel_listener_address(l, &address), 0);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0); /* no SA_RESTART */
    atomic_store(&storm_over, false);
    assert_int_equal(pthread_create(&thread, NULL, send_signals, &self), 0);
    assert_int_equal(reel_connect_to(r, &address, 0, &client, &check.t), 0);
    run_until(r, &check.lost);
    run_until(r, &server.lost);
    while (atomic_load(&handled) == 0)
        assert_true(reel_run_once(r, REEL_MS) >= 0);
    atomic_store(&storm_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    assert_int_equal(check.reason, 0);
    assert_int_equal(server.reason, 0);
    assert_true(check.received >= STORM_BYTES);
    reel_reactor_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_may_run_out_at_any_moment),
        cmocka_unit_test(any_single_allocation_may_fail),
        cmocka_unit_test(a_connection_may_be_reset_at_any_byte),
        cmocka_unit_test(ten_thousand_slow_clients_cost_their_structs),
        cmocka_unit_test(a_wall_clock_that_jumps_moves_no_timer),
        cmocka_unit_test(signals_in_the_middle_of_everything_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
