/* Endpoint strings and addresses. */
#include "helper.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct good {
    const char *text_z, *address_z;
};

static void check_good(int (*parse)(const char *, struct reel_endpoint *, const char **),
                       const struct good *cases)
{
    for (; cases->text_z; cases++) {
        struct reel_endpoint endpoint;
        const char *why_z = "never told";
        char text[REEL_ADDRESS_TEXT_MAX];
        if (parse(cases->text_z, &endpoint, &why_z) != 0)
            fail_msg("%s: %s", cases->text_z, why_z);
        assert_null(why_z);
        assert_string_equal(reel_address_text(&endpoint.address, text, sizeof(text)),
                            cases->address_z);
    }
}

static void servers_are_understood(void **state)
{
    (void)state;
    static const struct good cases[] = {
        {"tcp:8080", "0.0.0.0:8080"},
        {"tcp:port=8080", "0.0.0.0:8080"},
        {"tcp:0", "0.0.0.0:0"},
        {"tcp:65535:interface=127.0.0.1", "127.0.0.1:65535"},
        {"tcp:interface=127.0.0.1:80", "127.0.0.1:80"},
        {"tcp:80:interface=[::1]:backlog=9:reuseport=yes", "[::1]:80"},
        {"tcp:80:interface=\\:\\:1", "[::1]:80"},
        {"tcp:80:interface=[::ffff:192.0.2.1]", "192.0.2.1:80"},
        {"tcp6:80", "[::]:80"},
        {"tcp6:80:interface=2001\\:db8\\:\\:7:v6only=no", "[2001:db8::7]:80"},
        {"unix:/run/a.sock", "/run/a.sock"},
        {"unix:/run/with\\:colon:mode=660", "/run/with:colon"},
        {"unix:path=@abstract", "@abstract"},
        {"tcp:80:device=eth0", "0.0.0.0:80"},
        {"haproxy:tcp:80:interface=[::1]", "[::1]:80"},
        {"haproxy:127.0.0.1:80", "127.0.0.1:80"},
        {"haproxy:unix:/run/a.sock", "/run/a.sock"},
        {"systemd:domain=INET:index=0", "unknown"},
        {"systemd:name=web", "unknown"},
        {"stdio:", "unknown"},
        {"stdio", "unknown"},
        {"8080", "0.0.0.0:8080"},
        {"127.0.0.1:0", "127.0.0.1:0"},
        {"[::1]:80", "[::1]:80"},
        {"tls:8443:cert=/a.pem", "0.0.0.0:8443"},
        {"tls:443:interface=[::1]:cert=/a\\:b.pem:key=/k:ca=/c:verify=request", "[::1]:443"},
        {NULL, NULL},
    };
    check_good(reel_endpoint_parse_server, cases);
    struct reel_endpoint e;
    assert_int_equal(
        reel_endpoint_parse_server("tcp:1:backlog=9:reuseport=yes:v6only=yes", &e, NULL), 0);
    assert_int_equal(e.listen.backlog, 9);
    assert_true(e.listen.reuse_port && e.listen.v6_only);
    assert_int_equal(e.fd, -1);
    assert_int_equal(reel_endpoint_parse_server("unix:/x:mode=660", &e, NULL), 0);
    assert_int_equal(e.listen.mode, 0660);
    assert_int_equal(reel_endpoint_parse_server("fd:3", &e, NULL), 0);
    assert_int_equal(e.fd, 3);
    assert_int_equal(e.address.length, 0);
}

static void options_of_tls_are_kept(void **state)
{
    (void)state;
    struct reel_endpoint e, copy;
    struct reel_tls_options options;
    const char *name_z = "x", *why_z = NULL;
    assert_int_equal(
        reel_endpoint_parse_server("tls:1:cert=/c\\:d:key=/k:ca=/a:verify=require:alpn=h2,http/1.1",
                                   &e, NULL),
        0);
    copy = e;
    memset(&e, 0xff, sizeof(e));
    reel_endpoint_tls_options(&copy, &options, &name_z);
    assert_string_equal(options.certificate_z, "/c:d");
    assert_string_equal(options.key_z, "/k");
    assert_string_equal(options.ca_z, "/a");
    assert_string_equal(options.alpn_z, "h2,http/1.1");
    assert_int_equal(options.verify, REEL_TLS_VERIFY_REQUIRE);
    assert_null(name_z);
    assert_int_equal(reel_endpoint_parse_client("tls:192.0.2.1:1:verify=no", &e, NULL), 0);
    reel_endpoint_tls_options(&e, &options, &name_z);
    assert_string_equal(name_z, "192.0.2.1");
    assert_null(options.ca_z);
    assert_int_equal(options.verify, REEL_TLS_VERIFY_NONE);
    assert_int_equal(reel_endpoint_parse_client("tls:192.0.2.1:1:name=a.b", &e, NULL), 0);
    reel_endpoint_tls_options(&e, &options, &name_z);
    assert_string_equal(name_z, "a.b");
    assert_int_equal(options.verify, REEL_TLS_VERIFY_DEFAULT);
    static const char *const wrong[][2] = {
        {"tls:1", "a part is missing"},
        {"tls:1:cert=", "an option of TLS is empty"},
        {"tls:1:cert=a:verify=no", "verify is require or request"},
        {"tls:1:cert=a:verify=require", "verify and ca go together"},
        {"tls:1:cert=a:ca=b", "verify and ca go together"},
        {"tls:1:cert=a:name=b", "this kind of endpoint has no such option"},
        {"tcp:1:cert=a", "this kind of endpoint has no such option"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(reel_endpoint_parse_server(wrong[i][0], &e, &why_z), -EINVAL);
        assert_string_equal(why_z, wrong[i][1]);
    }
    assert_int_equal(reel_endpoint_parse_client("tls:192.0.2.1:1:verify=x", &e, &why_z), -EINVAL);
    assert_string_equal(why_z, "verify is yes or no");
}

static void clients_are_understood(void **state)
{
    (void)state;
    static const struct good cases[] = {
        {"tcp:192.0.2.1:80", "192.0.2.1:80"},
        {"tcp:[2001:db8::1]:80:timeout=5", "[2001:db8::1]:80"},
        {"tcp:host=192.0.2.1:port=1", "192.0.2.1:1"},
        {"tcp:port=1:192.0.2.1", "192.0.2.1:1"},
        {"unix:/run/a.sock:timeout=1", "/run/a.sock"},
        {"tcp:192.0.2.1:80:bindAddress=192.0.2.2:device=eth0", "192.0.2.1:80"},
        {"tcp:[::1]:80:bindAddress=[::1]", "[::1]:80"},
        {"tls:192.0.2.1:443", "192.0.2.1:443"},
        {"tls:[2001:db8::1]:443:name=a.example:verify=no", "[2001:db8::1]:443"},
        {NULL, NULL},
    };
    check_good(reel_endpoint_parse_client, cases);
    struct reel_endpoint e;
    assert_int_equal(reel_endpoint_parse_client("unix:/x:timeout=7", &e, NULL), 0);
    assert_true(e.timeout_ns == 7 * REEL_SECOND);
}

static void check_bad(int (*parse)(const char *, struct reel_endpoint *, const char **),
                      const char *const *cases)
{
    for (; *cases; cases++) {
        struct reel_endpoint endpoint;
        const char *why_z = NULL;
        if (parse(*cases, &endpoint, &why_z) != -EINVAL)
            fail_msg("%s was accepted", *cases);
        assert_non_null(why_z);
    }
}

static void nonsense_is_refused_with_a_sentence(void **state)
{
    (void)state;
    static const char *const servers[] = {"",
                                          ":",
                                          "tcp",
                                          "tcp:",
                                          "tcp:x",
                                          "tcp:65536",
                                          "tcp:-1",
                                          "tcp:+1",
                                          "tcp: 1",
                                          "tcp:1:2",
                                          "tcp:1:port=2",
                                          "tcp:1:interface=",
                                          "tcp:1:interface=localhost",
                                          "tcp:1:interface=[::1",
                                          "tcp:1:interface=::1",
                                          "tcp:1:color=red",
                                          "tcp:1:backlog=0",
                                          "tcp:1:backlog=99999999999",
                                          "tcp:1:reuseport=maybe",
                                          "tcp:1:mode=600",
                                          "tcp:99999999999999999999",
                                          "tcp:1\\",
                                          "tcp6:1:interface=127.0.0.1",
                                          "udp:1",
                                          "unix:",
                                          "unix",
                                          "unix:/x:mode=888",
                                          "unix:/x:mode=1777",
                                          "unix:/x:mode=0",
                                          "fd:",
                                          "fd:x",
                                          "fd:3:backlog=1",
                                          "fd:-1",
                                          "tcp:1:",
                                          "tcp:1:=",
                                          "tcp:1:=x",
                                          "tcp=1",
                                          "65536",
                                          "80:",
                                          "127.0.0.1:",
                                          "127.0.0.1:80:1",
                                          "[::1]",
                                          "localhost:80",
                                          NULL};
    static const char *const clients[] = {"tcp:80",
                                          "tcp:192.0.2.1:0",
                                          "tcp:192.0.2.1",
                                          "tcp:192.0.2.1:80:timeout=0",
                                          "tcp:a..b:80",
                                          "tcp:.b:80",
                                          "tcp:a b:80",
                                          "tcp:256.0.0.1:80",
                                          "tcp:a.1:80",
                                          "tcp:192.0.2.1:80:backlog=1",
                                          "fd:3",
                                          "unix:/x:mode=600",
                                          "tcp:[127.0.0.1]:80",
                                          "192.0.2.1:80",
                                          NULL};
    check_bad(reel_endpoint_parse_server, servers);
    check_bad(reel_endpoint_parse_client, clients);
    char long_z[REEL_ENDPOINT_MAX + 2];
    memset(long_z, 'x', sizeof(long_z));
    long_z[sizeof(long_z) - 1] = '\0';
    char path_z[128] = "unix:/"; /* 108 bytes of path: one too many */
    memset(path_z + strlen(path_z), 'a', 107);
    const char *const too_long[] = {long_z, path_z, NULL};
    check_bad(reel_endpoint_parse_server, too_long);
    struct reel_endpoint endpoint;
    assert_int_equal(reel_endpoint_parse_server("tcp:x", &endpoint, NULL), -EINVAL);
}

static void addresses_have_their_texts(void **state)
{
    (void)state;
    struct reel_address a;
    char text[REEL_ADDRESS_TEXT_MAX];
    assert_int_equal(reel_address_set(&a, "192.0.2.7", 22), 0);
    assert_string_equal(reel_address_text(&a, text, sizeof(text)), "192.0.2.7:22");
    assert_string_equal(reel_address_host(&a, text, sizeof(text)), "192.0.2.7");
    assert_int_equal(reel_address_port(&a), 22);
    assert_string_equal(reel_address_text(&a, text, 5), "192.");
    assert_int_equal(reel_address_set(&a, "[2001:db8::1]", 22), 0);
    assert_string_equal(reel_address_host(&a, text, sizeof(text)), "2001:db8::1");
    assert_int_equal(reel_address_set(&a, "::ffff:10.1.2.3", 5), 0);
    assert_string_equal(reel_address_text(&a, text, sizeof(text)), "10.1.2.3:5");
    assert_int_equal(reel_address_set(&a, "fe80::1%1", 5), 0);
    assert_string_equal(reel_address_text(&a, text, sizeof(text)), "[fe80::1%1]:5");
    assert_int_equal(reel_address_set(&a, "fe80::1%nosuchcard", 5), -EINVAL);
    assert_int_equal(reel_address_set(&a, "", 5), -EINVAL);
    assert_int_equal(reel_address_set(&a, "[]", 5), -EINVAL);
    assert_int_equal(reel_address_set(&a, "1.2.3", 5), -EINVAL);
    assert_string_equal(reel_address_text(&a, text, sizeof(text)), "unknown");
    assert_int_equal(reel_address_port(&a), 0);
    assert_int_equal(reel_address_set_unix(&a, ""), -EINVAL);
    assert_int_equal(reel_address_set_unix(&a, "@x"), 0);
    assert_string_equal(reel_address_text(&a, text, sizeof(text)), "@x");
    assert_string_equal(reel_reason_text(0), "closed in order");
    assert_string_equal(reel_reason_text(-ECONNRESET), "Connection reset by peer");
    assert_string_equal(reel_reason_text(-99999), "unknown error");
}

static void ipv6_and_ipv4_meet_on_one_listener(void **state)
{
    (void)state;
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct record server = {0}, client = {0};
    const struct reel_factory server_factory = {.protocol = &recording_protocol, .shared = &server};
    const struct reel_factory client_factory = {.protocol = &recording_protocol, .shared = &client};
    struct reel_listener *l = NULL;
    if (reel_listen(r, "tcp6:0", &server_factory, &l) < 0) {
        reel_reactor_free(r);
        skip(); /* a kernel without IPv6 */
    }
    char text[64];
    snprintf(text, sizeof(text), "tcp:127.0.0.1:%u", reel_listener_port(l));
    assert_int_equal(reel_connect(r, text, &client_factory, NULL), 0);
    run_until(r, &server.made);
    struct reel_address peer;
    assert_int_equal(reel_peer(server.t, &peer), 0);
    assert_string_equal(reel_address_host(&peer, text, sizeof(text)), "127.0.0.1");
    assert_int_equal(reel_listen(r, "tcp:x", &server_factory, &l), -EINVAL);
    assert_int_equal(reel_connect(r, "tcp:x", &client_factory, NULL), -EINVAL);
    reel_reactor_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_are_understood),
        cmocka_unit_test(options_of_tls_are_kept),
        cmocka_unit_test(clients_are_understood),
        cmocka_unit_test(nonsense_is_refused_with_a_sentence),
        cmocka_unit_test(addresses_have_their_texts),
        cmocka_unit_test(ipv6_and_ipv4_meet_on_one_listener),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
