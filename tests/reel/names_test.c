/* The resolver on real sockets: against a name server of the test's own, on loopback. */
#include "helper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum manner {
    GOOD,
    SILENT,
    GARBAGE,
    WRONG_ID,     /* first; then right */
    TRUNCATED,    /* over UDP */
    NO_SUCH_NAME, /* NXDOMAIN */
    ONLY_V4,      /* no AAAA record */
    FAILING,      /* SERVFAIL */
    CUT,          /* an answer that ends in a record */
};

/* The server: UDP, and TCP at the same port. */
struct server {
    struct reel_reactor *r;
    enum manner manner;
    int fd, asked, asked_tcp;
    uint16_t port;
    struct reel_watch watch;
    struct reel_listener *tcp;
    struct reel_factory factory;
    char endpoint[32];
};

static size_t put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return 2;
}

static size_t put_record(uint8_t *at, unsigned type, const void *data, size_t len)
{
    size_t n = put16(at, 0xc00c); /* the question's name */
    n += put16(at + n, type);
    n += put16(at + n, 1);
    n += put16(at + n, 0);
    n += put16(at + n, 60);
    n += put16(at + n, (unsigned)len);
    memcpy(at + n, data, len);
    return n + len;
}

static size_t put_answers(uint8_t *at, unsigned type, int *count)
{
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    static const uint8_t mx1[] = "\0\x14\x04mail\xc0\x0c", mx2[] = "\0\x0a\x05mail2\xc0\x0c";
    static const uint8_t srv[] = "\0\1\0\2\x1f\x90\x03srv\xc0\x0c", txt[] = "\5hello\6 world";
    static const uint8_t txt2[] = "\3two", ptr[] = "\4name\4test";
    switch (type) {
    case 1: {
        size_t n = put_record(at, type, "\xc0\x00\x02\x01", 4);
        *count = 2;
        return n + put_record(at + n, type, "\xc0\x00\x02\x02", 4);
    }
    case 28: *count = 1; return put_record(at, type, v6, 16);
    case 12: *count = 1; return put_record(at, type, ptr, sizeof(ptr));
    case 15: {
        size_t n = put_record(at, type, mx1, sizeof(mx1) - 1);
        *count = 2;
        return n + put_record(at + n, type, mx2, sizeof(mx2) - 1);
    }
    case 16: {
        size_t n = put_record(at, type, txt, sizeof(txt) - 1);
        *count = 2;
        return n + put_record(at + n, type, txt2, sizeof(txt2) - 1);
    }
    case 33: *count = 1; return put_record(at, type, srv, sizeof(srv) - 1);
    default: *count = 0; return 0;
    }
}

/* The answer to a query; its length, 0: none. */
static size_t answer(struct server *s, const uint8_t *query, size_t len, uint8_t *out, bool tcp)
{
    size_t end = 12;
    int count = 0;
    while (end < len && query[end])
        end += query[end] + 1u;
    end += 5;
    if (end > len || s->manner == SILENT)
        return 0;
    unsigned type = query[end - 4] * 256u + query[end - 3];
    memcpy(out, query, end);
    memset(out + 6, 0, 6);
    put16(out + 2, 0x8180);
    if (s->manner == NO_SUCH_NAME)
        put16(out + 2, 0x8183);
    if (s->manner == FAILING)
        put16(out + 2, 0x8182);
    if (s->manner == TRUNCATED && !tcp)
        put16(out + 2, 0x8380);
    if (s->manner == NO_SUCH_NAME || s->manner == FAILING || (s->manner == TRUNCATED && !tcp) ||
        (s->manner == ONLY_V4 && type == 28))
        return end;
    end += put_answers(out + end, type, &count);
    put16(out + 6, (unsigned)count);
    return s->manner == CUT ? end - 3 : end;
}

static void on_query(struct reel_watch *watch, uint32_t events)
{
    struct server *s = (struct server *)((char *)watch - offsetof(struct server, watch));
    uint8_t query[512], out[1024];
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    (void)events;
    ssize_t n = recvfrom(s->fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_len);
    if (n < 12)
        return;
    s->asked++;
    size_t len = answer(s, query, (size_t)n, out, false);
    const struct sockaddr *to = (const struct sockaddr *)&from;
    if (s->manner == GARBAGE) {
        memset(out, 0xff, sizeof(out));
        sendto(s->fd, out, 3, 0, to, from_len);
        sendto(s->fd, out, 700, 0, to, from_len);
    }
    if (s->manner == WRONG_ID) {
        out[0] ^= 1;
        sendto(s->fd, out, len, 0, to, from_len);
        out[0] ^= 1;
    }
    if (len && s->manner != GARBAGE)
        assert_int_equal(sendto(s->fd, out, len, 0, to, from_len), (ssize_t)len);
}

static size_t on_tcp(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct server *s = reel_shared(t);
    uint8_t out[1026];
    if (len < 2 || len < 2 + data[0] * 256u + data[1]) {
        reel_need_more(t, 0);
        return 0;
    }
    s->asked_tcp++;
    size_t n = answer(s, data + 2, len - 2, out + 2, true);
    put16(out, (unsigned)n);
    reel_write(t, out, n + 2);
    return len;
}

static const struct reel_protocol tcp_protocol = {.name_z = "dns", .data = on_tcp};

static void server_init(struct server *s, struct reel_reactor *r)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    memset(s, 0, sizeof(*s));
    s->r = r;
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    s->factory = (struct reel_factory){.protocol = &tcp_protocol, .shared = s};
    s->tcp = listen_local(r, &s->factory); /* its port is likely to be free for UDP */
    s->port = reel_listener_port(s->tcp);
    address.sin_port = htons(s->port);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(reel_watch_start(&s->watch, r, s->fd, EPOLLIN, on_query), 0);
    snprintf(s->endpoint, sizeof(s->endpoint), "127.0.0.1:%u", s->port);
}

struct heard {
    int count, error;
    size_t found;
    char text[512];
};

static void hear_addresses(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct heard *heard = context;
    (void)d;
    heard->count++;
    heard->error = result->error;
    const struct reel_addresses *addresses = result->pointer;
    for (size_t i = 0; addresses && i < addresses->count; i++) {
        char text[REEL_ADDRESS_TEXT_MAX];
        size_t at = strlen(heard->text);
        reel_address_text(&addresses->list[i], text, sizeof(text));
        snprintf(heard->text + at, sizeof(heard->text) - at, "%s%s", at ? " " : "", text);
        heard->found++;
    }
}

static void hear_records(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct heard *heard = context;
    (void)d;
    heard->count++;
    heard->error = result->error;
    const struct reel_records *records = result->pointer;
    for (size_t i = 0; records && i < records->count; i++) {
        const struct reel_record *record = &records->list[i];
        size_t at = strlen(heard->text);
        assert_int_equal(record->len, strlen(record->text_z));
        snprintf(heard->text + at, sizeof(heard->text) - at, "%s%s/%u/%u/%u", at ? " " : "",
                 record->text_z, record->priority, record->weight, record->port);
    }
}

struct world {
    int fds;
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct server server;
    struct reel_resolver *resolver;
    char hosts[64], conf[64];
};

static void write_file(const char *path_z, const char *text_z)
{
    FILE *file = fopen(path_z, "we");
    assert_non_null(file);
    assert_true(fputs(text_z, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void world_init(struct world *w, struct reel_resolver_options options)
{
    memset(w, 0, sizeof(*w));
    w->fds = count_fds();
    struct reel_reactor_options own = {.allocator = counting_allocator(&w->counts)};
    w->r = reel_reactor_new(&own);
    assert_non_null(w->r);
    server_init(&w->server, w->r);
    snprintf(w->hosts, sizeof(w->hosts), "/tmp/reel-hosts-XXXXXX");
    snprintf(w->conf, sizeof(w->conf), "/tmp/reel-conf-XXXXXX");
    close(mkstemp(w->hosts));
    close(mkstemp(w->conf));
    write_file(w->hosts,
               "# a comment\n192.0.2.7 host.test alias.test # x\n2001:db8::7\tHOST.test\n");
    write_file(w->conf, "search below.test\n");
    options.hosts_path_z = w->hosts;
    options.resolv_conf_path_z = w->conf;
    if (!options.servers_z)
        options.servers_z = w->server.endpoint;
    if (!options.timeout_ns)
        options.timeout_ns = 20 * REEL_MS;
    assert_int_equal(reel_resolver_new(w->r, &options, &w->resolver), 0);
    reel_resolver_use(w->r, w->resolver);
}

static void world_fini(struct world *w)
{
    reel_watch_stop(&w->server.watch);
    close(w->server.fd);
    reel_reactor_free(w->r);
    unlink(w->hosts);
    unlink(w->conf);
    assert_int_equal(w->counts.live, 0);
    assert_int_equal(count_fds(), w->fds);
}

static struct heard resolve(struct world *w, const char *name_z, int family)
{
    struct heard heard = {0};
    assert_int_equal(
        reel_deferred_done(reel_resolve(w->r, name_z, 80, family), hear_addresses, &heard), 0);
    assert_int_equal(heard.count, 0);
    run_until(w->r, &heard.count);
    return heard;
}

static struct heard ask(struct world *w, enum manner manner, const char *name_z, int family)
{
    w->server.manner = manner;
    return resolve(w, name_z, family);
}

static struct heard ask_records(struct world *w, const char *name_z, enum reel_record_type type)
{
    struct heard heard = {0};
    reel_deferred_done(reel_resolve_records(w->r, name_z, type), hear_records, &heard);
    run_until(w->r, &heard.count);
    return heard;
}

static void dns_has_the_addresses(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, (struct reel_resolver_options){0});
    assert_string_equal(ask(&w, GOOD, "www.example.test", AF_INET).text,
                        "192.0.2.1:80 192.0.2.2:80");
    assert_string_equal(ask(&w, GOOD, "www.example.test", AF_INET6).text, "[2001:db8::1]:80");
    assert_string_equal(ask(&w, GOOD, "www.example.test.", AF_UNSPEC).text,
                        "[2001:db8::1]:80 192.0.2.1:80 192.0.2.2:80");
    assert_int_equal(w.server.asked, 4);
    world_fini(&w);
}

static void one_family_is_enough(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, (struct reel_resolver_options){0});
    assert_string_equal(ask(&w, ONLY_V4, "www.example.test", AF_UNSPEC).text,
                        "192.0.2.1:80 192.0.2.2:80");
    assert_int_equal(ask(&w, ONLY_V4, "www.example.test", AF_INET6).error, -ENODATA);
    world_fini(&w);
}

static void numbers_and_hosts_need_no_server(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, (struct reel_resolver_options){0});
    assert_string_equal(resolve(&w, "192.0.2.9", AF_UNSPEC).text, "192.0.2.9:80");
    assert_string_equal(resolve(&w, "2001:db8::9", AF_INET6).text, "[2001:db8::9]:80");
    assert_int_equal(resolve(&w, "192.0.2.9", AF_INET6).error, -ENODATA);
    assert_string_equal(resolve(&w, "Host.Test", AF_UNSPEC).text, "[2001:db8::7]:80 192.0.2.7:80");
    assert_string_equal(resolve(&w, "alias.test.", AF_INET).text, "192.0.2.7:80");
    assert_int_equal(resolve(&w, "alias.test", AF_INET6).error, -ENODATA);
    assert_string_equal(resolve(&w, "localhost", AF_UNSPEC).text, "[::1]:80 127.0.0.1:80");
    assert_string_equal(resolve(&w, "a.LOCALHOST.", AF_INET).text, "127.0.0.1:80");
    assert_int_equal(w.server.asked, 0);
    world_fini(&w);
}

static void what_cannot_be_a_name_is_refused(void **state)
{
    (void)state;
    struct world w;
    char longest[300];
    world_init(&w, (struct reel_resolver_options){0});
    memset(longest, 'a', sizeof(longest));
    longest[254] = '\0';
    assert_int_equal(resolve(&w, "", AF_UNSPEC).error, -EINVAL);
    assert_int_equal(resolve(&w, longest, AF_INET).error, -EINVAL);
    assert_int_equal(resolve(&w, "a..b", AF_INET).error, -EINVAL);
    assert_int_equal(ask_records(&w, "", REEL_RECORD_MX).error, -EINVAL);
    world_fini(&w);
}

static void bad_servers_are_told_apart(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, (struct reel_resolver_options){.tries = 2});
    assert_int_equal(ask(&w, NO_SUCH_NAME, "www.example.test.", AF_UNSPEC).error, -ENOENT);
    assert_int_equal(ask(&w, SILENT, "www.example.test", AF_UNSPEC).error, -ETIMEDOUT);
    assert_int_equal(ask(&w, GARBAGE, "www.example.test", AF_INET).error, -ETIMEDOUT);
    assert_int_equal(ask(&w, FAILING, "www.example.test", AF_INET).error, -ECONNREFUSED);
    assert_int_equal(ask(&w, CUT, "www.example.test", AF_INET).error, -EBADMSG);
    world_fini(&w);
}

static void an_answer_with_the_wrong_id_is_nobodys(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, (struct reel_resolver_options){0});
    assert_int_equal(ask(&w, WRONG_ID, "www.example.test", AF_INET).found, 2);
    world_fini(&w);
}

static void a_truncated_answer_is_asked_for_again_over_tcp(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, (struct reel_resolver_options){.timeout_ns = REEL_SECOND});
    assert_int_equal(ask(&w, TRUNCATED, "www.example.test", AF_INET).found, 2);
    assert_int_equal(w.server.asked_tcp, 1);
    world_fini(&w);
}

static void the_second_server_is_asked_when_the_first_is_not_there(void **state)
{
    (void)state;
    struct world w;
    char servers[96];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* never answers */
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    world_init(&w, (struct reel_resolver_options){0});
    struct reel_resolver *two = NULL;
    snprintf(servers, sizeof(servers), "127.0.0.1:%u,%s", ntohs(address.sin_port),
             w.server.endpoint);
    const struct reel_resolver_options options = {.servers_z = servers, .timeout_ns = 20 * REEL_MS};
    assert_int_equal(reel_resolver_new(w.r, &options, &two), 0);
    reel_resolver_use(w.r, two);
    assert_int_equal(resolve(&w, "www.example.test", AF_INET).found, 2);
    world_fini(&w);
    close(fd);
}

static void other_records_come_by_priority(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, (struct reel_resolver_options){0});
    assert_string_equal(ask_records(&w, "example.test", REEL_RECORD_MX).text,
                        "mail2.example.test/10/0/0 mail.example.test/20/0/0");
    assert_string_equal(ask_records(&w, "example.test", REEL_RECORD_TXT).text,
                        "hello world/0/0/0 two/0/0/0");
    assert_string_equal(ask_records(&w, "example.test", REEL_RECORD_SRV).text,
                        "srv.example.test/1/2/8080");
    assert_string_equal(ask_records(&w, "1.2.0.192.in-addr.arpa", REEL_RECORD_PTR).text,
                        "name.test/0/0/0");
    w.server.manner = NO_SUCH_NAME;
    assert_int_equal(ask_records(&w, "example.test", REEL_RECORD_MX).error, -ENOENT);
    w.server.manner = CUT;
    assert_int_equal(ask_records(&w, "example.test", REEL_RECORD_TXT).error, -EBADMSG);
    world_fini(&w);
}

static void an_address_has_a_name(void **state)
{
    (void)state;
    static const char *const texts[] = {"192.0.2.7", "192.0.2.1", "2001:db8::7", "2001:db8::8"};
    static const char *const names[] = {"host.test/0/0/0", "name.test/0/0/0", "HOST.test/0/0/0",
                                        "name.test/0/0/0"};
    struct world w;
    world_init(&w, (struct reel_resolver_options){0});
    for (size_t i = 0; i < 4; i++) {
        struct reel_address address;
        struct heard heard = {0};
        assert_int_equal(reel_address_set(&address, texts[i], 0), 0);
        reel_deferred_done(reel_resolve_address(w.r, &address), hear_records, &heard);
        run_until(w.r, &heard.count);
        assert_string_equal(heard.text, names[i]);
    }
    assert_int_equal(w.server.asked, 2);
    world_fini(&w);
}

static void a_changed_hosts_file_is_read_again(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, (struct reel_resolver_options){0});
    assert_string_equal(resolve(&w, "host.test", AF_INET).text, "192.0.2.7:80");
    write_file(w.hosts, "192.0.2.88 host.test\n");
    assert_string_equal(resolve(&w, "host.test", AF_INET).text, "192.0.2.88:80");
    unlink(w.hosts);
    assert_string_equal(ask(&w, GOOD, "host.test", AF_INET).text, "192.0.2.1:80 192.0.2.2:80");
    world_fini(&w);
}

/* A search domain shows in the name that the server is asked for; so does its change. */
static void a_changed_resolv_conf_is_read_again(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, (struct reel_resolver_options){0});
    assert_int_equal(ask(&w, NO_SUCH_NAME, "single", AF_INET).error, -ENOENT);
    int with_one = w.server.asked;
    write_file(w.conf, "search one.test two.test three.test\n");
    assert_int_equal(ask(&w, NO_SUCH_NAME, "single", AF_INET).error, -ENOENT);
    assert_int_equal(w.server.asked - with_one, with_one + 2);
    world_fini(&w);
}

static void queries_under_way_are_limited_and_cancelled_ones_count(void **state)
{
    (void)state;
    struct world w;
    struct heard heard[3] = {{0}};
    world_init(&w, (struct reel_resolver_options){.queries_max = 2, .tries = 1});
    w.server.manner = SILENT;
    for (int i = 0; i < 3; i++) {
        struct reel_deferred *d = reel_resolve(w.r, "www.example.test", 80, AF_INET);
        reel_deferred_done(d, hear_addresses, &heard[i]);
        if (i == 0)
            reel_deferred_cancel(d);
    }
    run_until(w.r, &heard[2].count);
    assert_int_equal(heard[0].error, -ECANCELED);
    assert_int_equal(heard[2].error, -ENOBUFS);
    run_until(w.r, &heard[1].count);
    assert_int_equal(heard[1].error, -ETIMEDOUT);
    run_turns(w.r, 5);
    assert_int_equal(ask(&w, GOOD, "www.example.test", AF_INET).found, 2);
    world_fini(&w);
}

static void the_resolvers_and_the_reactors_end_cancel(void **state)
{
    (void)state;
    struct world w;
    struct heard first = {0}, second = {0};
    world_init(&w, (struct reel_resolver_options){0});
    w.server.manner = SILENT;
    reel_deferred_done(reel_resolve(w.r, "www.example.test", 80, AF_UNSPEC), hear_addresses,
                       &first);
    run_turns(w.r, 2);
    reel_resolver_free(w.resolver);
    run_until(w.r, &first.count);
    assert_int_equal(first.error, -ECANCELED);
    const struct reel_resolver_options options = {.servers_z = w.server.endpoint};
    assert_int_equal(reel_resolver_new(w.r, &options, &w.resolver), 0);
    reel_resolver_use(w.r, w.resolver);
    reel_deferred_done(reel_resolve(w.r, "www.example.test", 80, AF_UNSPEC), hear_addresses,
                       &second);
    run_turns(w.r, 2);
    world_fini(&w);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.error, -ECANCELED);
}

static void out_of_memory_is_an_answer(void **state)
{
    (void)state;
    size_t found = 0;
    struct world w;
    world_init(&w, (struct reel_resolver_options){.timeout_ns = 5 * REEL_MS, .tries = 1});
    for (long allowed = 0; allowed < 40 && !found; allowed++) {
        struct heard heard = {0};
        w.counts.fail_after = allowed;
        struct reel_deferred *d = reel_resolve(w.r, "www.example.test", 80, AF_UNSPEC);
        if (reel_deferred_done(d, hear_addresses, &heard) == 0)
            run_until(w.r, &heard.count);
        found = heard.found == 3 ? heard.found : 0;
        w.counts.fail_after = -1;
        run_turns(w.r, 3);
    }
    assert_int_equal(found, 3);
    world_fini(&w);
}

static void wrong_servers_are_refused(void **state)
{
    (void)state;
    struct world w;
    struct reel_resolver *other = NULL;
    world_init(&w, (struct reel_resolver_options){0});
    const struct reel_resolver_options options = {.servers_z = "nonsense,,"};
    assert_int_equal(reel_resolver_new(w.r, &options, &other), -EINVAL);
    assert_null(other);
    world_fini(&w);
}

/* ---- Connecting, by the hosts file ---- */

static void ipv6_refused_and_ipv4_answering_is_connected(void **state)
{
    (void)state;
    struct world w;
    struct record client = {0}, server = {0};
    struct reel_factory client_factory = {.protocol = &recording_protocol, .shared = &client};
    struct reel_factory server_factory = {.protocol = &echo_protocol, .shared = &server};
    struct reel_transport *t = NULL;
    struct reel_address peer;
    char endpoint[64], text[REEL_ADDRESS_TEXT_MAX];
    world_init(&w, (struct reel_resolver_options){0});
    struct reel_listener *l = listen_local(w.r, &server_factory);
    write_file(w.hosts, "::1 both.test\n127.0.0.1 both.test\n");
    snprintf(endpoint, sizeof(endpoint), "tcp:both.test:%u", reel_listener_port(l));
    assert_int_equal(reel_connect(w.r, endpoint, &client_factory, &t), 0);
    assert_int_equal(reel_write(t, "before it was made", 18), 0);
    int *const received = &client.made;
    run_until(w.r, received);
    assert_int_equal(reel_peer(t, &peer), 0);
    assert_memory_equal(reel_address_text(&peer, text, sizeof(text)), "127.0.0.1", 9);
    run_turns(w.r, 20);
    assert_string_equal(client.data, "before it was made");
    reel_close(t);
    run_until(w.r, &client.lost);
    assert_int_equal(client.reason, 0);
    world_fini(&w);
}

static void nobody_listening_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct record client = {0};
    struct reel_factory factory = {.protocol = &recording_protocol, .shared = &client};
    char endpoint[64];
    world_init(&w, (struct reel_resolver_options){0});
    struct reel_listener *l = listen_local(w.r, &factory);
    snprintf(endpoint, sizeof(endpoint), "tcp:localhost:%u", reel_listener_port(l));
    reel_listener_close(l);
    run_turns(w.r, 1);
    assert_int_equal(reel_connect(w.r, endpoint, &factory, NULL), 0);
    run_until(w.r, &client.failed);
    assert_int_equal(client.reason, -ECONNREFUSED);
    world_fini(&w);
}

static void an_abort_while_names_are_asked_leaves_nothing(void **state)
{
    (void)state;
    struct world w;
    struct record client = {0};
    struct reel_factory factory = {.protocol = &recording_protocol, .shared = &client};
    struct reel_transport *t = NULL;
    world_init(&w, (struct reel_resolver_options){0});
    w.server.manner = SILENT;
    assert_int_equal(reel_connect(w.r, "tcp:www.example.test:80", &factory, &t), 0);
    run_turns(w.r, 2);
    reel_abort(t);
    run_until(w.r, &client.failed);
    assert_int_equal(client.reason, -ECONNABORTED);
    world_fini(&w);
}

/* 192.0.2.0/24 and 2001:db8::/32 are nobody's: silence, or no route; an abort in the middle. */
static void an_abort_while_sockets_connect_leaves_nothing(void **state)
{
    (void)state;
    struct world w;
    struct record client = {0};
    struct reel_factory factory = {.protocol = &recording_protocol, .shared = &client};
    struct reel_transport *t = NULL;
    world_init(&w, (struct reel_resolver_options){0});
    assert_int_equal(reel_connect(w.r, "tcp:host.test:9", &factory, &t), 0);
    run_turns(w.r, 3);
    if (!client.failed)
        reel_abort(t);
    run_until(w.r, &client.failed);
    assert_true(client.reason < 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dns_has_the_addresses),
        cmocka_unit_test(one_family_is_enough),
        cmocka_unit_test(numbers_and_hosts_need_no_server),
        cmocka_unit_test(what_cannot_be_a_name_is_refused),
        cmocka_unit_test(bad_servers_are_told_apart),
        cmocka_unit_test(an_answer_with_the_wrong_id_is_nobodys),
        cmocka_unit_test(a_truncated_answer_is_asked_for_again_over_tcp),
        cmocka_unit_test(the_second_server_is_asked_when_the_first_is_not_there),
        cmocka_unit_test(other_records_come_by_priority),
        cmocka_unit_test(an_address_has_a_name),
        cmocka_unit_test(a_changed_hosts_file_is_read_again),
        cmocka_unit_test(a_changed_resolv_conf_is_read_again),
        cmocka_unit_test(queries_under_way_are_limited_and_cancelled_ones_count),
        cmocka_unit_test(the_resolvers_and_the_reactors_end_cancel),
        cmocka_unit_test(out_of_memory_is_an_answer),
        cmocka_unit_test(wrong_servers_are_refused),
        cmocka_unit_test(ipv6_refused_and_ipv4_answering_is_connected),
        cmocka_unit_test(nobody_listening_is_refused),
        cmocka_unit_test(an_abort_while_names_are_asked_leaves_nothing),
        cmocka_unit_test(an_abort_while_sockets_connect_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
