/* The SOCKS server: every version and way to ask, every refusal; whole, in bytes, cut. */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The test is the client, and what the client asks for. */
struct bed {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct reel_socks socks;
    struct reel_dialer dialer;
    struct reel_test_peer *client, *target;
    char dialed[300]; /* host and port */
    int dial_result;  /* of the call */
    int fail_later;   /* the name is not found, from the loop */
    struct reel_dial *waiting;
    struct reel_call call;
    int ended, reason;
    char asked[300];
    uint64_t sent, received;
};

#define BED_OF(pointer, member) ((struct bed *)((char *)(pointer)-offsetof(struct bed, member)))

static void fail_dial(struct reel_call *call)
{
    struct bed *bed = BED_OF(call, call);
    bed->waiting->failed(bed->waiting, bed->fail_later);
}

static int dial(const struct reel_dialer *dialer, struct reel_reactor *r, struct reel_dial *dial)
{
    struct bed *bed = dialer->context;
    snprintf(bed->dialed, sizeof(bed->dialed), "%s %u", dial->host_z, dial->port);
    if (bed->dial_result < 0)
        return bed->dial_result;
    if (bed->fail_later) {
        bed->waiting = dial;
        bed->call.fn = fail_dial;
        reel_defer(r, &bed->call);
        return 0;
    }
    return reel_test_peer_new(r, dial->factory, NULL, &bed->target, &dial->transport);
}

static bool not_to_port_25(const struct reel_socks *socks, struct reel_transport *client,
                           const struct reel_socks_request *request)
{
    (void)socks;
    (void)client;
    assert_true((request->address.length > 0) == (strpbrk(request->host_z, "gh") == NULL));
    return request->port != 25;
}

static bool only_me(const struct reel_socks *socks, struct reel_transport *client,
                    const char *user_z, const char *password_z)
{
    (void)socks;
    (void)client;
    return strcmp(user_z, "me") == 0 && (!password_z || strcmp(password_z, "secret") == 0);
}

static void on_ended(const struct reel_socks *socks, struct reel_transport *client,
                     const struct reel_socks_request *request, int reason, uint64_t sent,
                     uint64_t received)
{
    struct bed *bed = BED_OF(socks, socks);
    (void)client;
    bed->ended++;
    bed->reason = reason;
    bed->sent = sent;
    bed->received = received;
    snprintf(bed->asked, sizeof(bed->asked), "%d %s %u %s", request->version, request->host_z,
             request->port, request->user_z);
}

static void bed_init(struct bed *bed)
{
    memset(bed, 0, sizeof(*bed));
    struct reel_reactor_options options = {.allocator = counting_allocator(&bed->counts)};
    bed->r = reel_test_reactor_new(&options, 0);
    assert_non_null(bed->r);
    bed->dialer = (struct reel_dialer){dial, bed};
    bed->socks.dialer = &bed->dialer;
    bed->socks.ended = on_ended;
}

static void bed_connect(struct bed *bed)
{
    struct reel_transport *t = NULL;
    reel_socks_init(&bed->socks);
    assert_int_equal(reel_test_peer_new(bed->r, &bed->socks.factory, NULL, &bed->client, &t), 0);
    reel_test_advance(bed->r, 0);
}

static void bed_fini(struct bed *bed)
{
    reel_test_peer_free(bed->client);
    reel_test_peer_free(bed->target);
    reel_test_advance(bed->r, 0);
    struct reel_metrics metrics;
    reel_metrics(bed->r, &metrics);
    assert_int_equal(metrics.connections, 0);
    assert_int_equal(metrics.timers, 0);
    reel_reactor_free(bed->r);
    assert_int_equal(bed->counts.live, 0);
}

static void feed(struct bed *bed, const char *bytes, size_t len, unsigned seed)
{
    unsigned x = seed;
    for (size_t at = 0; at < len;) {
        x = x * 1103515245 + 12345;
        size_t n = seed == 0 ? len : seed == 1 ? 1 : 1 + (x >> 16) % 9;
        n = n < len - at ? n : len - at;
        if (reel_test_send(bed->client, bytes + at, n) < 0)
            return; /* closed on us */
        reel_test_advance(bed->r, 0);
        at += n;
    }
}

enum {
    LOGIN = 1,
    POLICY = 2,
    CLOSED = 4, /* the server ends it */
};

static const struct row {
    const char *what_z;
    int flags;
    const char *in;
    size_t in_len;
    const char *out; /* to the client */
    size_t out_len;
    const char *dialed_z;
    const char *passed_z; /* to the target */
} rows[] = {
#define ROW(what_z, flags, in, out, dialed_z, passed_z)                             \
    {                                                                               \
        what_z, flags, in, sizeof(in) - 1, out, sizeof(out) - 1, dialed_z, passed_z \
    }
#define NONE "\0\0\0\0\0\0"
    ROW("5: IPv4", 0, "\5\1\0\5\1\0\1\xc0\0\2\1\0\x50", "\5\0\5\0\0\1" NONE, "192.0.2.1 80", ""),
    ROW("5: at once, with data", 0, "\5\1\0\5\1\0\1\xc0\0\2\1\0\x50GET", "\5\0\5\0\0\1" NONE,
        "192.0.2.1 80", "GET"),
    ROW("5: IPv6", 0, "\5\2\2\0\5\1\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\1\xbb",
        "\5\0\5\0\0\1" NONE, "2001:db8::1 443", ""),
    ROW("5: a name", 0, "\5\1\0\5\1\0\3\7host.gh\0\x16SSH", "\5\0\5\0\0\1" NONE, "host.gh 22",
        "SSH"),
    ROW("5: login", LOGIN, "\5\2\0\2\1\2me\6secret\5\1\0\1\xc0\0\2\1\0\x50",
        "\5\2\1\0\5\0\0\1" NONE, "192.0.2.1 80", ""),
    ROW("5: wrong password", LOGIN | CLOSED, "\5\1\2\1\2me\5wrong", "\5\2\1\1", "", NULL),
    ROW("5: no login offered", LOGIN | CLOSED, "\5\1\0", "\5\xff", "", NULL),
    ROW("5: only login offered", CLOSED, "\5\1\2", "\5\xff", "", NULL),
    ROW("5: no method", CLOSED, "\5\0", "\5\xff", "", NULL),
    ROW("5: BIND", CLOSED, "\5\1\0\5\2\0\1\xc0\0\2\1\0\x50", "\5\0\5\7\0\1" NONE, "", NULL),
    ROW("5: UDP", CLOSED, "\5\1\0\5\3\0\1\xc0\0\2\1\0\x50", "\5\0\5\7\0\1" NONE, "", NULL),
    ROW("5: odd address", CLOSED, "\5\1\0\5\1\0\2\xc0", "\5\0\5\x8\0\1" NONE, "", NULL),
    ROW("5: not allowed", POLICY | CLOSED, "\5\1\0\5\1\0\1\xc0\0\2\1\0\x19", "\5\0\5\2\0\1" NONE,
        "", NULL),
    ROW("5: allowed name", POLICY, "\5\1\0\5\1\0\3\2gh\0\x50", "\5\0\5\0\0\1" NONE, "gh 80", ""),
    ROW("4: IPv4", 0, "\4\1\0\x50\xc0\0\2\1me\0GET", "\0\x5a" NONE, "192.0.2.1 80", "GET"),
    ROW("4a: a name", 0, "\4\1\0\x50\0\0\0\1me\0gh.org\0GET", "\0\x5a" NONE, "gh.org 80", "GET"),
    ROW("4: user", LOGIN, "\4\1\0\x50\xc0\0\2\1me\0", "\0\x5a" NONE, "192.0.2.1 80", ""),
    ROW("4: no user", LOGIN | CLOSED, "\4\1\0\x50\xc0\0\2\1you\0", "\0\x5d" NONE, "", NULL),
    ROW("4: BIND", CLOSED, "\4\2\0\x50\xc0\0\2\1me\0", "\0\x5b" NONE, "", NULL),
    ROW("4: not allowed", POLICY | CLOSED, "\4\1\0\x19\xc0\0\2\1\0", "\0\x5b" NONE, "", NULL),
    ROW("nonsense", CLOSED, "GET / HTTP/1.1\r\n", "", "", NULL),
    ROW("version 0", CLOSED, "\0\0\0", "", "", NULL),
    ROW("5, then 4", CLOSED, "\5\1\0\4\1\0", "\5\0", "", NULL),
    ROW("5: a name of spaces", CLOSED, "\5\1\0\5\1\0\3\2  \0\x16", "\5\0", "", NULL),
    ROW("5: a name with a NUL", CLOSED, "\5\1\0\5\1\0\3\2g\0\0\x16", "\5\0", "", NULL),
    ROW("5: an empty name", CLOSED, "\5\1\0\5\1\0\3\0\0\x16", "\5\0", "", NULL),
    ROW("4a: an empty name", CLOSED, "\4\1\0\x50\0\0\0\1me\0\0", "", "", NULL),
    ROW("5: a user with a NUL", LOGIN | CLOSED, "\5\1\2\1\3m\0e\6secret", "\5\2", "", NULL),
};

static void set_up(struct bed *bed, const struct row *row)
{
    bed_init(bed);
    if (row->flags & LOGIN)
        bed->socks.checks = only_me;
    if (row->flags & POLICY)
        bed->socks.allows = not_to_port_25;
    bed_connect(bed);
}

static bool is_over(const struct bed *bed)
{
    return reel_test_saw_lost(bed->client) || reel_test_saw_eof(bed->client);
}

static void check_row(const struct row *row, unsigned seed)
{
    struct bed bed;
    set_up(&bed, row);
    feed(&bed, row->in, row->in_len, seed);
    size_t len = 0;
    const uint8_t *got = reel_test_received(bed.client, &len);
    bool as_wanted = len == row->out_len && (len == 0 || memcmp(got, row->out, len) == 0) &&
                     strcmp(bed.dialed, row->dialed_z) == 0 &&
                     is_over(&bed) == ((row->flags & CLOSED) != 0);
    if (!as_wanted)
        fail_msg("%s, seed %u: %zu bytes, dialed %s, %s", row->what_z, seed, len, bed.dialed,
                 is_over(&bed) ? "closed" : "open");
    assert_int_equal(bed.target != NULL, row->passed_z != NULL);
    if (bed.target) {
        got = reel_test_received(bed.target, &len);
        assert_int_equal(len, strlen(row->passed_z));
        if (len)
            assert_memory_equal(got, row->passed_z, len);
    }
    bed_fini(&bed);
    assert_int_equal(bed.ended, row->passed_z != NULL);
}

static void every_request_has_its_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned seed = 0; seed < 20; seed++)
            check_row(&rows[i], seed);
}

static void every_cut_is_survived(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t cut = 0; cut < rows[i].in_len; cut++) {
            struct bed bed;
            set_up(&bed, &rows[i]);
            feed(&bed, rows[i].in, cut, 0);
            reel_test_send_eof(bed.client);
            reel_test_advance(bed.r, 0);
            bed_fini(&bed);
        }
    }
}

static void who_says_nothing_has_half_a_minute(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed);
    bed_connect(&bed);
    feed(&bed, "\5\1\0\5\1", 5, 0);
    reel_test_advance(bed.r, 29 * REEL_SECOND);
    assert_false(reel_test_saw_lost(bed.client));
    reel_test_advance(bed.r, REEL_SECOND);
    assert_true(reel_test_saw_lost(bed.client));
    bed_fini(&bed);
}

static void a_connection_has_all_the_time(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed);
    bed_connect(&bed);
    feed(&bed, "\4\1\0\x50\xc0\0\2\1me\0ask", 14, 1);
    reel_test_advance(bed.r, 1000 * REEL_SECOND);
    reel_test_send(bed.target, "answer", 6);
    reel_test_send_eof(bed.target);
    reel_test_send_eof(bed.client);
    reel_test_advance(bed.r, 0);
    size_t len = 0;
    const uint8_t *got = reel_test_received(bed.client, &len);
    assert_int_equal(len, 14);
    assert_memory_equal(got + 8, "answer", 6);
    assert_int_equal(bed.ended, 1);
    assert_int_equal(bed.reason, 0);
    assert_int_equal(bed.sent, 3);
    bed_fini(&bed);
}

static void failures_have_their_codes(void **state)
{
    (void)state;
    static const struct {
        int err;
        char code;
    } cases[] = {{-ECONNREFUSED, 5}, {-ENETUNREACH, 3}, {-EHOSTUNREACH, 4}, {-ETIMEDOUT, 4},
                 {-EACCES, 2},       {-EMFILE, 1},      {-EINVAL, 4}};
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct bed bed;
        bed_init(&bed);
        if (i % 2)
            bed.fail_later = cases[i / 2].err;
        else
            bed.dial_result = cases[i / 2].err;
        bed_connect(&bed);
        feed(&bed, "\5\1\0\5\1\0\3\2gh\0\x50", 12, 0);
        size_t len = 0;
        const uint8_t *got = reel_test_received(bed.client, &len);
        assert_int_equal(len, 12);
        assert_int_equal(got[3], cases[i / 2].code);
        assert_int_equal(bed.ended, 1);
        assert_int_equal(bed.reason, cases[i / 2].err);
        assert_string_equal(bed.asked, "5 gh 80 ");
        bed_fini(&bed);
    }
}

static void a_client_may_leave_while_a_name_is_looked_up(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed);
    bed.fail_later = -EHOSTUNREACH;
    bed_connect(&bed);
    assert_int_equal(reel_test_send(bed.client, "\5\1\0\5\1\0\3\2gh\0\x50", 12), 0);
    reel_test_reset(bed.client);
    reel_test_advance(bed.r, 0);
    bed_fini(&bed);
}

static void names_are_resolved_without_a_dialer(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed);
    bed.socks.dialer = NULL;
    const struct reel_name nobody = {.name_z = "other.test"};
    reel_resolver_use_table(bed.r, &nobody, 1);
    bed_connect(&bed);
    feed(&bed, "\5\1\0\5\1\0\3\2gh\0\x50", 12, 0);
    size_t len = 0;
    const uint8_t *got = reel_test_received(bed.client, &len);
    assert_int_equal(len, 12);
    assert_int_equal(got[3], 4);
    bed_fini(&bed);
}

static void out_of_memory_ends_one_client(void **state)
{
    (void)state;
    bool whole = false;
    for (long allowed = 0; !whole; allowed++) {
        struct bed bed;
        bed_init(&bed);
        bed_connect(&bed);
        bed.counts.fail_after = allowed;
        feed(&bed, "\5\1\0\5\1\0\1\xc0\0\2\1\0\x50GET", 16, 2);
        bed.counts.fail_after = -1;
        reel_test_advance(bed.r, 0);
        size_t len = 0;
        if (bed.target)
            reel_test_received(bed.target, &len);
        whole = len == 3;
        bed_fini(&bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_has_its_answer),
        cmocka_unit_test(every_cut_is_survived),
        cmocka_unit_test(who_says_nothing_has_half_a_minute),
        cmocka_unit_test(a_connection_has_all_the_time),
        cmocka_unit_test(failures_have_their_codes),
        cmocka_unit_test(a_client_may_leave_while_a_name_is_looked_up),
        cmocka_unit_test(names_are_resolved_without_a_dialer),
        cmocka_unit_test(out_of_memory_ends_one_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
