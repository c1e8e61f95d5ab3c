/* PROXY headers, both versions: read, written, refused; who may send them. */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE      "\r\n\r\n\0\r\nQUIT\n"
#define V2(head, body) SIGNATURE head body
#define V4_BODY        "\xc0\0\2\1\xc6\x33\x64\1\x12\x67\1\xbb"
#define V6_BODY \
    "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x12\x67\1\xbb"

struct row {
    const char *in;
    size_t len;
    const char *source_z, *destination_z; /* NULL: refused */
    size_t rest;                          /* bytes behind the header */
};

static const struct row rows[] = {
#define ROW(in, source_z, destination_z, rest)            \
    {                                                     \
        in, sizeof(in) - 1, source_z, destination_z, rest \
    }
    ROW("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n", "192.0.2.1:4711", "198.51.100.1:443", 0),
    ROW("PROXY TCP4 192.0.2.1 198.51.100.1 0 65535\r\nGET", "192.0.2.1:0", "198.51.100.1:65535", 3),
    ROW("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "[2001:db8::1]:1", "[2001:db8::2]:2", 0),
    ROW("PROXY TCP6 ffff:f...f:ffff ::1 1 2\r\n", NULL, NULL, 0),
    ROW("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n",
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:65535", 0),
    ROW("PROXY UNKNOWN\r\nx", "unknown", "unknown", 1),
    ROW("PROXY UNKNOWN ffff::1 what ever  it is\r\n", "unknown", "unknown", 0),
    ROW("PROXY UNKNOWNS\r\n", NULL, NULL, 0),
    ROW("PROXY\r\n", NULL, NULL, 0),
    ROW("PROXY \r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\n", NULL, NULL, 0),
    ROW("PROXY TCP4  192.0.2.1 198.51.100.1 4711 443\r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443 \r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443 1\r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 192.0.2.1 198.51.100.1 4711\r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 192.0.2.1 198.51.100.1 4711 65536\r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 192.0.2.1 198.51.100.1 4711 0443\r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 192.0.2.1 198.51.100.1 -1 443\r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 192.0.2.1 198.51.100.1 +1 443\r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 192.0.2.999 198.51.100.1 4711 443\r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 192.0.2 198.51.100.1 4711 443\r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", NULL, NULL, 0),
    ROW("PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n", NULL, NULL, 0),
    ROW("PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n", NULL, NULL, 0),
    ROW("PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n", NULL, NULL, 0),
    ROW("PROXY TCP4 192.0.2.1\0 198.51.100.1 1 2\r\n", NULL, NULL, 0),
    ROW("proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n", NULL, NULL, 0),
    ROW("GET / HTTP/1.1\r\n", NULL, NULL, 0),
    ROW("PROXY UNKNOWN                                                                           "
        "                                     \r\n",
        NULL, NULL, 0),
    ROW(V2("\x21\x11\0\xc", V4_BODY "GET"), "192.0.2.1:4711", "198.51.100.1:443", 3),
    ROW(V2("\x21\x12\0\xc", V4_BODY), "192.0.2.1:4711", "198.51.100.1:443", 0),
    ROW(V2("\x21\x21\0\x24", V6_BODY), "[2001:db8::1]:4711", "[2001:db8::2]:443", 0),
    ROW(V2("\x21\x11\0\x13", V4_BODY "\4\0\4\0\0\0\0x"), "192.0.2.1:4711", "198.51.100.1:443", 1),
    ROW(V2("\x21\x11\0\x12", V4_BODY "\4\0\0\1\0\0"), "192.0.2.1:4711", "198.51.100.1:443", 0),
    ROW(V2("\x20\0\0\0", "x"), "unknown", "unknown", 1),
    ROW(V2("\x20\xff\0\3", "abcx"), "unknown", "unknown", 1),
    ROW(V2("\x20\x11\0\xc", V4_BODY), "unknown", "unknown", 0),
    ROW(V2("\x21\0\0\3", "abc"), "unknown", "unknown", 0),
    ROW(V2("\x21\x11\0\xb", V4_BODY), NULL, NULL, 0),
    ROW(V2("\x21\x21\0\xc", V4_BODY), NULL, NULL, 0),
    ROW(V2("\x22\x11\0\xc", V4_BODY), NULL, NULL, 0),
    ROW(V2("\x11\x11\0\xc", V4_BODY), NULL, NULL, 0),
    ROW(V2("\x21\x13\0\xc", V4_BODY), NULL, NULL, 0),
    ROW(V2("\x21\x41\0\xc", V4_BODY), NULL, NULL, 0),
    ROW(V2("\x21\x11\0\xe", V4_BODY "\4\0"), NULL, NULL, 0),   /* half a TLV */
    ROW(V2("\x21\x11\0\xf", V4_BODY "\4\0\1"), NULL, NULL, 0), /* one with nothing in it */
    ROW(V2("\x21\x11\xff\xff", V4_BODY), NULL, NULL, 0),       /* too long */
    ROW("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\xc" V4_BODY, NULL, NULL, 0),
    ROW("\r\n\r\nGET", NULL, NULL, 0),
};

static void headers_are_understood_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reel_proxy_header header;
        char text[REEL_ADDRESS_TEXT_MAX];
        const uint8_t *data = (const uint8_t *)rows[i].in;
        int size = reel_proxy_parse(data, rows[i].len, 2048, &header);
        if (!rows[i].source_z) {
            if (size != -EPROTO)
                fail_msg("row %zu: %d", i, size);
            continue;
        }
        if (size != (int)(rows[i].len - rows[i].rest))
            fail_msg("row %zu: %d of %zu", i, size, rows[i].len);
        assert_string_equal(reel_address_text(&header.source, text, sizeof(text)),
                            rows[i].source_z);
        assert_string_equal(reel_address_text(&header.destination, text, sizeof(text)),
                            rows[i].destination_z);
        assert_int_equal(header.version, data[0] == 'P' ? 1 : 2);
        for (int cut = 0; cut < size; cut++)
            assert_int_equal(reel_proxy_parse(data, (size_t)cut, 2048, &header), 0);
    }
}

/* ---- The filters ---- */

struct bed {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct record record;
    struct reel_filter_use filters[2];
    struct reel_factory factory;
    struct reel_test_peer *peer;
    struct reel_transport *t;
};

static void bed_init(struct bed *bed, const struct reel_filter_type *type, const void *options)
{
    memset(bed, 0, sizeof(*bed));
    struct reel_reactor_options reactor = {.allocator = counting_allocator(&bed->counts)};
    bed->r = reel_test_reactor_new(&reactor, 0);
    assert_non_null(bed->r);
    bed->filters[0] = (struct reel_filter_use){type, options};
    bed->factory = (struct reel_factory){
        .protocol = &recording_protocol, .shared = &bed->record, .filters = bed->filters};
}

/* A wire has no address of its own: one is lent by a filter below, if wanted. */
static void bed_connect(struct bed *bed, const struct reel_filter_type *below)
{
    assert_int_equal(reel_test_peer_new(bed->r, &bed->factory, NULL, &bed->peer, &bed->t), 0);
    if (below)
        assert_int_equal(reel_filter_push(bed->t, below, NULL), 0);
    reel_test_advance(bed->r, 0);
}

static void bed_fini(struct bed *bed)
{
    reel_test_peer_free(bed->peer);
    reel_reactor_free(bed->r);
    assert_int_equal(bed->counts.live, 0);
}

static int come_from(struct reel_filter *f, const char *host_z)
{
    struct reel_address peer;
    assert_int_equal(reel_address_set(&peer, host_z, 99), 0);
    return reel_filter_set_peer(f, &peer);
}

static int come_from_loopback(struct reel_filter *f)
{
    return come_from(f, "127.0.0.1");
}

static int come_from_far(struct reel_filter *f)
{
    return come_from(f, "203.0.113.9");
}

static const struct reel_filter_type loopback = {.name_z = "loopback", .start = come_from_loopback};
static const struct reel_filter_type far_away = {.name_z = "far", .start = come_from_far};

static void check_peer(struct bed *bed, const char *want_z)
{
    struct reel_address peer;
    char text[REEL_ADDRESS_TEXT_MAX];
    assert_int_equal(reel_peer(bed->t, &peer), 0);
    assert_string_equal(reel_address_text(&peer, text, sizeof(text)), want_z);
}

static void feed(struct bed *bed, const char *bytes, size_t len, size_t step)
{
    for (size_t at = 0; at < len; at += step) {
        size_t n = len - at < step ? len - at : step;
        if (reel_test_send(bed->peer, bytes + at, n) < 0)
            return;
        reel_test_advance(bed->r, 0);
    }
}

static void the_peers_address_is_replaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t step = 1; step <= rows[i].len; step += 1 + step / 3) {
            struct bed bed;
            bed_init(&bed, &reel_proxy_filter, NULL);
            bed_connect(&bed, &loopback);
            feed(&bed, rows[i].in, rows[i].len, step);
            if (!rows[i].source_z) {
                assert_int_equal(bed.record.made, 0);
                assert_int_equal(bed.record.failed, 1);
                assert_int_equal(bed.record.reason, -EPROTO);
            } else {
                assert_int_equal(bed.record.made, 1);
                assert_int_equal(bed.record.received, rows[i].rest);
                bool told = strcmp(rows[i].source_z, "unknown") != 0;
                check_peer(&bed, told ? rows[i].source_z : "127.0.0.1:99");
            }
            bed_fini(&bed);
        }
    }
}

static void strangers_are_refused_or_plain(void **state)
{
    (void)state;
    static const char header[] = "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n";
    static const struct reel_proxy plain = {.plain_for_others = true};
    struct bed bed;
    bed_init(&bed, &reel_proxy_filter, NULL);
    bed_connect(&bed, &far_away);
    assert_int_equal(bed.record.failed, 1);
    assert_int_equal(bed.record.reason, -EACCES);
    bed_fini(&bed);
    bed_init(&bed, &reel_proxy_filter, &plain);
    bed_connect(&bed, &far_away);
    assert_int_equal(bed.record.made, 1);
    feed(&bed, header, sizeof(header) - 1, 7);
    assert_string_equal(bed.record.data, header);
    check_peer(&bed, "203.0.113.9:99");
    bed_fini(&bed);
    bed_init(&bed, &reel_proxy_filter, &plain); /* a trusted one must send a header */
    bed_connect(&bed, &loopback);
    feed(&bed, "GET /", 5, 5);
    assert_int_equal(bed.record.reason, -EPROTO);
    bed_fini(&bed);
}

static void on_told(const struct reel_proxy *proxy, struct reel_transport *t,
                    const struct reel_proxy_header *header)
{
    struct record *record = reel_shared(t);
    (void)proxy;
    record->idle = reel_address_port(&header->destination);
}

static void trust_is_a_list_of_nets(void **state)
{
    (void)state;
    struct reel_net nets[2];
    assert_int_equal(reel_net_set(&nets[0], "2001:db8::/32"), 0);
    assert_int_equal(reel_net_set(&nets[1], "203.0.113.0/29"), 0);
    struct reel_proxy proxy = {.trusted = nets, .trusted_count = 1, .told = on_told};
    struct bed bed;
    bed_init(&bed, &reel_proxy_filter, &proxy);
    bed_connect(&bed, &far_away);
    assert_int_equal(bed.record.reason, -EACCES);
    bed_fini(&bed);
    assert_int_equal(reel_net_set(&nets[1], "203.0.113.8/29"), 0);
    proxy.trusted_count = 2;
    bed_init(&bed, &reel_proxy_filter, &proxy);
    bed_connect(&bed, &far_away);
    feed(&bed, "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n", 44, 44);
    assert_int_equal(bed.record.made, 1);
    assert_int_equal(bed.record.idle, 443);
    check_peer(&bed, "192.0.2.1:4711");
    bed_fini(&bed);
}

static void a_header_that_does_not_come_is_not_waited_for(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, &reel_proxy_filter, NULL);
    bed.factory.options.handshake_ns = 3 * REEL_SECOND;
    bed_connect(&bed, &loopback);
    feed(&bed, "PROXY ", 6, 6);
    reel_test_advance(bed.r, 2 * REEL_SECOND);
    assert_int_equal(bed.record.failed, 0);
    reel_test_advance(bed.r, REEL_SECOND);
    assert_int_equal(bed.record.failed, 1);
    assert_int_equal(bed.record.reason, -ETIMEDOUT);
    bed_fini(&bed);
    bed_init(&bed, &reel_proxy_filter, NULL);
    bed_connect(&bed, &loopback);
    feed(&bed, "PROXY ", 6, 6);
    reel_test_send_eof(bed.peer);
    reel_test_advance(bed.r, 0);
    assert_int_equal(bed.record.failed, 1);
    assert_int_equal(bed.record.reason, -EPROTO);
    bed_fini(&bed);
}

static void a_long_header_is_refused_by_its_length(void **state)
{
    (void)state;
    static const struct reel_proxy strict = {.header_max = 30};
    struct bed bed;
    bed_init(&bed, &reel_proxy_filter, &strict);
    bed_connect(&bed, &loopback);
    feed(&bed, V2("\x21\x11\0\xc", V4_BODY), 28, 1);
    assert_int_equal(bed.record.made, 1);
    bed_fini(&bed);
    bed_init(&bed, &reel_proxy_filter, &strict);
    bed_connect(&bed, &loopback);
    feed(&bed, V2("\x21\x11\0\xf", ""), 16, 1);
    assert_int_equal(bed.record.reason, -EPROTO);
    bed_fini(&bed);
}

static void clients_send_what_servers_understand(void **state)
{
    (void)state;
    static const char *const hosts[][2] = {
        {"192.0.2.1", "198.51.100.1"}, {"2001:db8::1", "::1"}, {"192.0.2.1", "::1"}, {"", ""}};
    for (int i = 0; i < 8; i++) {
        struct reel_proxy_send send = {.version = 1 + i % 2};
        struct bed bed;
        if (*hosts[i / 2][0]) {
            reel_address_set(&send.source, hosts[i / 2][0], 4711);
            reel_address_set(&send.destination, hosts[i / 2][1], 80);
        }
        bed_init(&bed, &reel_proxy_send_filter, &send);
        bed_connect(&bed, NULL);
        reel_write(bed.t, "GET", 3);
        reel_test_advance(bed.r, 0);
        size_t len = 0;
        const uint8_t *got = reel_test_received(bed.peer, &len);
        struct reel_proxy_header header;
        int size = reel_proxy_parse(got, len, 2048, &header);
        assert_int_equal(size + 3, len);
        assert_memory_equal(got + size, "GET", 3);
        assert_int_equal(header.version, 1 + i % 2);
        assert_int_equal(header.source.length > 0, i < 4);
        if (i < 4)
            assert_int_equal(reel_address_port(&header.source), 4711);
        assert_int_equal(header.local, i == 7);
        bed_fini(&bed);
    }
}

static void nets_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *net_z, *address_z;
        bool has;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},      {"10.0.0.0/8", "11.0.0.1", false},
        {"0.0.0.0/0", "203.0.113.1", true},      {"0.0.0.0/0", "::1", false},
        {"192.0.2.1", "192.0.2.1", true},        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true}, {"2001:db8::/32", "2001:db8:1::1", true},
        {"2001:db8::/32", "2001:db9::1", false}, {"::/0", "2001:db8::1", true},
        {"2001:db8::/127", "2001:db8::1", true}, {"2001:db8::/127", "2001:db8::2", false},
    };
    static const char *const bad[] = {
        "",         "10.0.0.0/33", "10.0.0.1/8",  "::/129", "10.0.0.0/",    "10.0.0.0/x",
        "10.0.0/8", "localhost",   "10.0.0.0/8 ", "::1/-1", "10.0.0.0/0008"};
    struct reel_net net;
    struct reel_address address;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(reel_net_set(&net, cases[i].net_z), 0);
        assert_int_equal(reel_address_set(&address, cases[i].address_z, 1), 0);
        assert_int_equal(reel_net_has(&net, &address), cases[i].has);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(reel_net_set(&net, bad[i]), -EINVAL);
    assert_int_equal(reel_net_set(&net, "unix"), 0);
    assert_false(reel_net_has(&net, &address));
    assert_int_equal(reel_address_set_unix(&address, "@x"), 0);
    assert_true(reel_net_has(&net, &address));
    assert_true(reel_nets_have(reel_proxy_private, reel_proxy_private_count, &address));
}

static void out_of_memory_refuses_one_connection(void **state)
{
    (void)state;
    bool whole = false;
    for (long allowed = 0; !whole; allowed++) {
        struct bed bed;
        bed_init(&bed, &reel_proxy_filter, NULL);
        bed.counts.fail_after = allowed;
        if (reel_test_peer_new(bed.r, &bed.factory, NULL, &bed.peer, &bed.t) == 0) {
            if (reel_filter_push(bed.t, &loopback, NULL) == 0)
                feed(&bed, "PROXY UNKNOWN\r\nrest", 19, 19);
            whole = bed.record.made == 1 && bed.record.received == 4;
        }
        bed.counts.fail_after = -1;
        bed_fini(&bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_understood_or_refused),
        cmocka_unit_test(the_peers_address_is_replaced),
        cmocka_unit_test(strangers_are_refused_or_plain),
        cmocka_unit_test(trust_is_a_list_of_nets),
        cmocka_unit_test(a_header_that_does_not_come_is_not_waited_for),
        cmocka_unit_test(a_long_header_is_refused_by_its_length),
        cmocka_unit_test(clients_send_what_servers_understand),
        cmocka_unit_test(nets_are_understood),
        cmocka_unit_test(out_of_memory_refuses_one_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
