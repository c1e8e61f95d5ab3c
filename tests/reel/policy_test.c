/* Policies: time-outs, throttles, limits, recording; alone and stacked, in virtual time. */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS_MAX = 40 };

struct bed {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct record record;
    struct reel_filter_use filters[5];
    struct reel_factory factory;
    struct reel_test_peer *peer;
    struct reel_transport *t;
};

static void bed_init(struct bed *bed, const struct reel_filter_use *filters)
{
    memset(bed, 0, sizeof(*bed));
    struct reel_reactor_options options = {.allocator = counting_allocator(&bed->counts)};
    bed->r = reel_test_reactor_new(&options, 0);
    assert_non_null(bed->r);
    for (int i = 0; filters[i].type; i++)
        bed->filters[i] = filters[i];
    bed->factory = (struct reel_factory){
        .protocol = &recording_protocol, .shared = &bed->record, .filters = bed->filters};
}

static void bed_connect(struct bed *bed)
{
    assert_int_equal(reel_test_peer_new(bed->r, &bed->factory, NULL, &bed->peer, &bed->t), 0);
    reel_test_advance(bed->r, 0);
}

static void bed_fini(struct bed *bed)
{
    reel_test_peer_free(bed->peer);
    reel_reactor_free(bed->r);
    assert_int_equal(bed->counts.live, 0);
}

#define WITH(bed, type, options) \
    bed_init(bed, (const struct reel_filter_use[]){{&(type), options}, {NULL, NULL}})

static size_t received(const struct bed *bed)
{
    size_t len = 0;
    reel_test_received(bed->peer, &len);
    return len;
}

/* ---- Time-outs ---- */

static void the_total_time_ends_it_come_what_may(void **state)
{
    (void)state;
    static const struct reel_timeouts timeouts = {.total_ns = 10 * REEL_SECOND};
    struct bed bed;
    WITH(&bed, reel_timeouts_filter, &timeouts);
    bed_connect(&bed);
    for (int i = 0; i < 9; i++) {
        reel_test_send(bed.peer, "x", 1);
        reel_test_advance(bed.r, REEL_SECOND);
    }
    assert_int_equal(bed.record.lost, 0);
    reel_test_advance(bed.r, REEL_SECOND);
    assert_int_equal(bed.record.lost, 1);
    assert_int_equal(bed.record.reason, -ETIMEDOUT);
    bed_fini(&bed);
}

static void the_first_byte_and_the_next_have_times_of_their_own(void **state)
{
    (void)state;
    static const struct reel_timeouts timeouts = {.first_byte_ns = 5 * REEL_SECOND,
                                                  .read_ns = 20 * REEL_SECOND};
    struct bed bed;
    WITH(&bed, reel_timeouts_filter, &timeouts);
    bed_connect(&bed);
    reel_test_advance(bed.r, 5 * REEL_SECOND);
    assert_int_equal(bed.record.lost, 1);
    bed_fini(&bed);
    WITH(&bed, reel_timeouts_filter, &timeouts);
    bed_connect(&bed);
    reel_test_advance(bed.r, 4 * REEL_SECOND);
    for (int i = 0; i < 5; i++) {
        reel_test_send(bed.peer, "x", 1);
        reel_test_advance(bed.r, 19 * REEL_SECOND);
    }
    assert_int_equal(bed.record.lost, 0);
    reel_write(bed.t, "what we say does not count", 26);
    reel_test_advance(bed.r, REEL_SECOND);
    assert_int_equal(bed.record.lost, 1);
    assert_int_equal(bed.record.reason, -ETIMEDOUT);
    bed_fini(&bed);
}

static void who_is_not_read_is_not_late(void **state)
{
    (void)state;
    static const struct reel_timeouts timeouts = {.read_ns = 5 * REEL_SECOND};
    struct bed bed;
    WITH(&bed, reel_timeouts_filter, &timeouts);
    bed_connect(&bed);
    reel_pause_reading(bed.t);
    reel_test_advance(bed.r, 100 * REEL_SECOND);
    assert_int_equal(bed.record.lost, 0);
    reel_resume_reading(bed.t);
    reel_test_advance(bed.r, 10 * REEL_SECOND);
    assert_int_equal(bed.record.lost, 1);
    bed_fini(&bed);
}

static void after_the_peers_end_nothing_is_expected(void **state)
{
    (void)state;
    static const struct reel_timeouts timeouts = {.first_byte_ns = REEL_SECOND,
                                                  .read_ns = REEL_SECOND};
    struct bed bed;
    WITH(&bed, reel_timeouts_filter, &timeouts);
    bed_connect(&bed);
    reel_test_send_eof(bed.peer);
    reel_test_advance(bed.r, 100 * REEL_SECOND);
    assert_int_equal(bed.record.eof, 1);
    assert_int_equal(bed.record.lost, 0);
    bed_fini(&bed);
}

static void output_that_nobody_takes_has_its_time(void **state)
{
    (void)state;
    static const struct reel_timeouts timeouts = {.write_ns = 5 * REEL_SECOND};
    static const char bytes[300000];
    struct bed bed;
    WITH(&bed, reel_timeouts_filter, &timeouts);
    bed_connect(&bed);
    reel_test_advance(bed.r, 100 * REEL_SECOND);
    reel_test_read(bed.peer, false);
    assert_int_equal(reel_write(bed.t, bytes, sizeof(bytes)), 0);
    reel_test_advance(bed.r, 4 * REEL_SECOND);
    assert_int_equal(bed.record.lost, 0);
    reel_test_read(bed.peer, true);
    reel_test_advance(bed.r, 100 * REEL_SECOND);
    assert_int_equal(received(&bed), sizeof(bytes));
    assert_int_equal(bed.record.lost, 0);
    reel_test_read(bed.peer, false);
    assert_int_equal(reel_write(bed.t, bytes, sizeof(bytes)), 0);
    reel_test_advance(bed.r, 5 * REEL_SECOND);
    assert_int_equal(bed.record.lost, 1);
    assert_int_equal(bed.record.reason, -ETIMEDOUT);
    bed_fini(&bed);
}

/* ---- Throttles ---- */

static void near(uint64_t value, uint64_t want, uint64_t tolerance)
{
    if (value + tolerance < want || value > want + tolerance)
        fail_msg("%llu is not about %llu", (unsigned long long)value, (unsigned long long)want);
}

static void output_leaves_at_its_rate(void **state)
{
    (void)state;
    static const struct reel_throttle throttle = {.out = {.rate = 10000, .burst = 5000}};
    static const char bytes[105000];
    struct bed bed;
    WITH(&bed, reel_throttle_filter, &throttle);
    bed_connect(&bed);
    assert_int_equal(reel_write(bed.t, bytes, sizeof(bytes)), 0);
    reel_test_advance(bed.r, 0);
    assert_int_equal(received(&bed), 5000);
    for (unsigned second = 1; second <= 10; second++) {
        reel_test_advance(bed.r, REEL_SECOND);
        near(received(&bed), 5000 + second * 10000, 501);
    }
    reel_test_advance(bed.r, REEL_SECOND);
    assert_int_equal(received(&bed), sizeof(bytes));
    bed_fini(&bed);
}

static void input_is_read_at_its_rate(void **state)
{
    (void)state;
    static const struct reel_throttle throttle = {.in = {.rate = 10000, .burst = 5000}};
    static const char bytes[105000];
    struct bed bed;
    WITH(&bed, reel_throttle_filter, &throttle);
    bed_connect(&bed);
    reel_test_send(bed.peer, bytes, sizeof(bytes));
    reel_test_send_eof(bed.peer);
    reel_test_advance(bed.r, 0);
    assert_int_equal(bed.record.received, 5000);
    for (unsigned second = 1; second <= 10; second++) {
        reel_test_advance(bed.r, REEL_SECOND);
        near(bed.record.received, 5000 + second * 10000, 501);
    }
    reel_test_advance(bed.r, REEL_SECOND);
    assert_int_equal(bed.record.received, sizeof(bytes));
    assert_int_equal(bed.record.eof, 1);
    bed_fini(&bed);
}

static void tiny_rates_and_slow_bytes_work(void **state)
{
    (void)state;
    static const struct reel_throttle throttle = {.out = {.rate = 1, .burst = 1}};
    struct bed bed;
    WITH(&bed, reel_throttle_filter, &throttle);
    bed_connect(&bed);
    assert_int_equal(reel_write(bed.t, "slow", 4), 0);
    for (unsigned second = 0; second < 4; second++) {
        assert_in_range(received(&bed), second, second + 1);
        reel_test_advance(bed.r, REEL_SECOND + REEL_MS);
    }
    assert_int_equal(received(&bed), 4);
    bed_fini(&bed);
}

static void a_close_waits_for_the_throttle(void **state)
{
    (void)state;
    static const struct reel_throttle throttle = {.out = {.rate = 1000, .burst = 1000}};
    static const char bytes[5000];
    struct bed bed;
    WITH(&bed, reel_throttle_filter, &throttle);
    bed_connect(&bed);
    assert_int_equal(reel_write(bed.t, bytes, sizeof(bytes)), 0);
    reel_close(bed.t);
    reel_test_advance(bed.r, 10 * REEL_SECOND);
    assert_int_equal(received(&bed), sizeof(bytes));
    assert_int_equal(bed.record.reason, 0);
    assert_int_equal(bed.record.lost, 1);
    bed_fini(&bed);
}

static void a_shared_bucket_is_shared_fairly(void **state)
{
    (void)state;
    enum { COUNT = 10, TOTAL = 100000 };
    static const char bytes[TOTAL];
    struct bed bed;
    struct reel_bucket bucket;
    struct reel_throttle throttle = {.shared_in = &bucket};
    struct record records[COUNT] = {0};
    struct reel_factory factories[COUNT];
    struct reel_test_peer *peers[COUNT];
    WITH(&bed, reel_throttle_filter, &throttle);
    assert_int_equal(reel_bucket_init(&bucket, bed.r, (struct reel_rate){20000, 1000}), 0);
    for (int i = 0; i < COUNT; i++) {
        factories[i] = bed.factory;
        factories[i].shared = &records[i];
        assert_int_equal(reel_test_peer_new(bed.r, &factories[i], NULL, &peers[i], &bed.t), 0);
        reel_test_send(peers[i], bytes, TOTAL);
    }
    reel_test_advance(bed.r, 20 * REEL_SECOND);
    uint64_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
        near(records[i].received, 40000, 2500);
        sum += records[i].received;
    }
    near(sum, 20 * 20000 + 1000, 2000);
    reel_pause_reading(records[3].t); /* nobody waits for one who does not come */
    reel_test_reset(peers[4]);
    reel_test_advance(bed.r, 10 * REEL_SECOND);
    near(records[5].received, 40000 + 200000 / 8, 2500);
    reel_resume_reading(records[3].t);
    reel_test_advance(bed.r, 60 * REEL_SECOND);
    assert_int_equal(records[3].received, TOTAL);
    for (int i = 0; i < COUNT; i++)
        reel_test_peer_free(peers[i]);
    reel_test_advance(bed.r, 0);
    reel_bucket_fini(&bucket);
    bed_fini(&bed);
}

static void no_rate_is_no_limit(void **state)
{
    (void)state;
    static const struct reel_throttle throttle = {0};
    static const char bytes[500000];
    struct bed bed;
    WITH(&bed, reel_throttle_filter, &throttle);
    bed_connect(&bed);
    assert_int_equal(reel_write(bed.t, bytes, sizeof(bytes)), 0);
    reel_test_send(bed.peer, bytes, sizeof(bytes));
    reel_test_advance(bed.r, 0);
    assert_int_equal(received(&bed), sizeof(bytes));
    assert_int_equal(bed.record.received, sizeof(bytes));
    bed_fini(&bed);
}

/* ---- Limits ---- */

struct refusals {
    struct reel_limits limits;
    int by_total, by_source;
};

static void on_refused(struct reel_limits *limits, const struct reel_address *peer, bool by_source)
{
    struct refusals *refusals = (struct refusals *)limits;
    (void)peer;
    *(by_source ? &refusals->by_source : &refusals->by_total) += 1;
}

/* In place of a PROXY header: the peer's address is the next one of these. */
struct addresses {
    const char *const *hosts_z;
    int next;
};

static int pretend(struct reel_filter *f)
{
    struct addresses *addresses = reel_shared(f->transport);
    const char *host_z = addresses->hosts_z[addresses->next++];
    struct reel_address peer;
    if (!*host_z)
        return 0;
    assert_int_equal(reel_address_set(&peer, host_z, 4711), 0);
    return reel_filter_set_peer(f, &peer);
}

static const struct reel_filter_type pretending = {.name_z = "pretending", .start = pretend};

/* A letter for each host: + there, - refused. */
static void check_sources(struct reel_limits *limits, const char *const *hosts_z,
                          const char *want_z)
{
    static const struct reel_protocol quiet = {.name_z = "quiet"};
    struct addresses addresses = {hosts_z, 0};
    struct bed bed;
    struct reel_test_peer *peers[PEERS_MAX] = {NULL};
    char got[PEERS_MAX + 1] = "";
    bed_init(&bed, (const struct reel_filter_use[]){
                       {&pretending, NULL}, {&reel_limits_filter, limits}, {NULL, NULL}});
    bed.factory.protocol = &quiet;
    bed.factory.shared = &addresses;
    for (size_t i = 0; want_z[i]; i++) {
        struct reel_transport *t = NULL;
        assert_int_equal(reel_test_peer_new(bed.r, &bed.factory, NULL, &peers[i], &t), 0);
        reel_test_advance(bed.r, 0);
        bool refused = reel_test_saw_eof(peers[i]) || reel_test_saw_lost(peers[i]);
        got[i] = refused ? '-' : '+';
    }
    assert_string_equal(got, want_z);
    for (size_t i = 0; want_z[i]; i++)
        reel_test_peer_free(peers[i]);
    reel_test_advance(bed.r, 0);
    assert_int_equal(limits->total, 0);
    for (int i = 0; i < REEL_LIMITS_SLOTS; i++)
        assert_null(limits->slots[i]);
    bed_fini(&bed);
}

static void a_source_has_so_many_connections(void **state)
{
    (void)state;
    static const char *const hosts[] = {"192.0.2.1",
                                        "192.0.2.1",
                                        "192.0.2.1",
                                        "192.0.2.2",
                                        "::ffff:192.0.2.2",
                                        "192.0.2.2",
                                        "2001:db8::1",
                                        "2001:db8::2",
                                        "2001:db8::3:1",
                                        "2001:db8:0:1::1",
                                        "fe80::1",
                                        "",
                                        "",
                                        ""};
    struct refusals refusals = {.limits = {.source_max = 2, .refused = on_refused}};
    check_sources(&refusals.limits, hosts, "++-++-++-++++-");
    assert_int_equal(refusals.by_source, 4);
    struct refusals wide = {.limits = {.source_max = 1, .v4_bits = 23, .v6_bits = 30}};
    static const char *const nets[] = {"10.0.0.1",   "10.0.1.9",       "10.0.2.1",
                                       "2001:db8::", "2001:dbb:ff::1", "2001:dbc::"};
    check_sources(&wide.limits, nets, "+-++-+");
    struct refusals exact = {.limits = {.source_max = 1, .v4_bits = 32, .v6_bits = 128}};
    static const char *const twins[] = {"2001:db8::1", "2001:db8::2", "2001:db8::1"};
    check_sources(&exact.limits, twins, "++-");
}

static void all_together_are_so_many(void **state)
{
    (void)state;
    static const char *const hosts[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"};
    struct refusals refusals = {.limits = {.total_max = 2, .source_max = 9, .refused = on_refused}};
    check_sources(&refusals.limits, hosts, "++--");
    assert_int_equal(refusals.by_total, 2);
}

static void who_leaves_makes_room(void **state)
{
    (void)state;
    struct reel_limits limits = {.total_max = 1, .source_max = 1};
    struct bed bed;
    WITH(&bed, reel_limits_filter, &limits);
    for (int i = 0; i < 3; i++) {
        bed_connect(&bed);
        assert_int_equal(bed.record.made, i + 1);
        reel_test_peer_free(bed.peer);
        reel_test_advance(bed.r, 0);
    }
    bed_connect(&bed);
    bed_fini(&bed);
}

/* ---- Recording ---- */

struct recording {
    struct reel_tap tap;
    char text[512];
};

static void record_tap(const struct reel_tap *tap, const struct reel_transport *t,
                       enum reel_tap_event event, const uint8_t *data, size_t len)
{
    struct recording *recording = (struct recording *)tap;
    size_t at = strlen(recording->text);
    (void)t;
    snprintf(recording->text + at, sizeof(recording->text) - at, "%c%.*s", "bieofx"[event],
             (int)len, len ? (const char *)data : "");
}

static void all_bytes_are_seen_both_ways(void **state)
{
    (void)state;
    struct recording recording = {.tap = {record_tap}};
    struct bed bed;
    WITH(&bed, reel_tap_filter, &recording.tap);
    bed_connect(&bed);
    reel_test_send(bed.peer, "HELLO", 5);
    reel_test_advance(bed.r, 0);
    reel_write(bed.t, "GOOD ", 5);
    reel_write(bed.t, "DAY", 3);
    reel_test_advance(bed.r, 0);
    reel_test_send_eof(bed.peer);
    reel_test_advance(bed.r, 0);
    reel_close(bed.t);
    reel_test_advance(bed.r, 0);
    assert_string_equal(recording.text, "biHELLOoGOOD DAYefx");
    bed_fini(&bed);
}

static void append(const struct reel_tap_text *text, const char *data, size_t len)
{
    char *out_z = text->context;
    size_t at = strlen(out_z);
    assert_true(at + len < 2000);
    memcpy(out_z + at, data, len);
    out_z[at + len] = '\0';
}

static void a_recording_is_text_too(void **state)
{
    (void)state;
    static char out[2000];
    out[0] = '\0';
    struct reel_tap_text text;
    struct bed bed;
    reel_tap_text_init(&text, append, out);
    WITH(&bed, reel_tap_filter, &text.tap);
    bed_connect(&bed);
    reel_test_send(bed.peer,
                   "Hello, world!\r\n\xff"
                   "x",
                   17);
    reel_test_advance(bed.r, 1500 * REEL_MS);
    reel_write(bed.t, "no", 2);
    reel_close(bed.t);
    reel_test_advance(bed.r, 0);
    assert_string_equal(out, "# unknown begins\n"
                             "I 0.000000\n"
                             "000000 48 65 6c 6c 6f 2c 20 77 6f 72 6c 64 21 0d 0a ff  >Hello, "
                             "world!...<\n"
                             "000010 78                                               >x<\n"
                             "O 1.500000\n"
                             "000000 6e 6f                                            >no<\n"
                             "# unknown is sent no more\n"
                             "# unknown is gone\n");
    bed_fini(&bed);
}

/* ---- All together ---- */

static void policies_stack(void **state)
{
    (void)state;
    static const char bytes[20000];
    static const struct reel_throttle throttle = {.in = {10000, 1000}, .out = {10000, 1000}};
    static const struct reel_timeouts timeouts = {.total_ns = 60 * REEL_SECOND,
                                                  .write_ns = 50 * REEL_SECOND};
    struct reel_limits limits = {.total_max = 1};
    struct recording recording = {.tap = {record_tap}};
    struct bed bed;
    bed_init(&bed, (const struct reel_filter_use[]){{&reel_limits_filter, &limits},
                                                    {&reel_timeouts_filter, &timeouts},
                                                    {&reel_throttle_filter, &throttle},
                                                    {&reel_tap_filter, &recording.tap},
                                                    {NULL, NULL}});
    bed_connect(&bed);
    reel_write(bed.t, bytes, sizeof(bytes));
    reel_test_send(bed.peer, bytes, sizeof(bytes));
    reel_test_advance(bed.r, REEL_SECOND);
    near(received(&bed), 11000, 501);
    near(bed.record.received, 11000, 501);
    reel_test_advance(bed.r, REEL_SECOND);
    assert_int_equal(received(&bed), sizeof(bytes));
    assert_int_equal(bed.record.received, sizeof(bytes));
    reel_test_advance(bed.r, 58 * REEL_SECOND);
    assert_int_equal(bed.record.reason, -ETIMEDOUT);
    bed_fini(&bed);
}

static void out_of_memory_refuses_one_connection(void **state)
{
    (void)state;
    static const struct reel_throttle throttle = {.in = {10000, 1000}};
    static const struct reel_timeouts timeouts = {.total_ns = REEL_SECOND};
    bool whole = false;
    for (long allowed = 0; !whole; allowed++) {
        struct reel_limits limits = {.total_max = 1, .source_max = 1};
        struct bed bed;
        bed_init(&bed, (const struct reel_filter_use[]){{&reel_limits_filter, &limits},
                                                        {&reel_timeouts_filter, &timeouts},
                                                        {&reel_throttle_filter, &throttle},
                                                        {NULL, NULL}});
        bed.counts.fail_after = allowed;
        int err = reel_test_peer_new(bed.r, &bed.factory, NULL, &bed.peer, &bed.t);
        if (err == 0)
            reel_test_advance(bed.r, 0);
        whole = bed.record.made == 1;
        bed.counts.fail_after = -1;
        if (!whole) {
            reel_test_advance(bed.r, 0);
            assert_int_equal(limits.total, 0);
        }
        bed_fini(&bed);
        assert_int_equal(limits.total, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_total_time_ends_it_come_what_may),
        cmocka_unit_test(the_first_byte_and_the_next_have_times_of_their_own),
        cmocka_unit_test(who_is_not_read_is_not_late),
        cmocka_unit_test(after_the_peers_end_nothing_is_expected),
        cmocka_unit_test(output_that_nobody_takes_has_its_time),
        cmocka_unit_test(output_leaves_at_its_rate),
        cmocka_unit_test(input_is_read_at_its_rate),
        cmocka_unit_test(tiny_rates_and_slow_bytes_work),
        cmocka_unit_test(a_close_waits_for_the_throttle),
        cmocka_unit_test(a_shared_bucket_is_shared_fairly),
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(a_source_has_so_many_connections),
        cmocka_unit_test(all_together_are_so_many),
        cmocka_unit_test(who_leaves_makes_room),
        cmocka_unit_test(all_bytes_are_seen_both_ways),
        cmocka_unit_test(a_recording_is_text_too),
        cmocka_unit_test(policies_stack),
        cmocka_unit_test(out_of_memory_refuses_one_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
