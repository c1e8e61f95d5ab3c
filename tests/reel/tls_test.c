/* TLS between two ends of wires, in virtual time. */
#include "tls_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- What works. ---- */

static void both_versions_carry_bytes_both_ways(void **state)
{
    struct fixture *f = *state;
    f->client.say_z = "hello";
    f->server.say_z = "welcome";
    const enum reel_tls_version versions[] = {REEL_TLS_1_2, REEL_TLS_1_3};
    const char *const names[] = {"TLSv1.2", "TLSv1.3"};
    for (int i = 0; i < 2; i++) {
        prepare(f, &(struct reel_tls_options){.max_version = versions[i]}, NULL);
        meet(f);
        pump(f);
        assert_string_equal(f->client.error_z, "");
        assert_int_equal(f->client.made, 1);
        assert_int_equal(f->server.made, 1);
        assert_string_equal(f->server.data, "hello");
        assert_string_equal(f->client.data, "welcome");
        assert_string_equal(f->client.version_z, names[i]);
        assert_string_equal(f->client.cipher_z, f->server.cipher_z);
        assert_string_equal(f->client.subject_z, "CN=localhost");
        assert_string_equal(f->server.subject_z, "");
        assert_string_equal(f->server.name_z, "localhost");
        assert_true(f->client.verified);
        assert_false(f->server.verified);
        reel_close(f->client_t);
        pump(f);
        assert_int_equal(f->client.reason, 0);
        assert_int_equal(f->server.eof, 1); /* the close_notify came */
        reel_close(f->server_t);
        pump(f);
        assert_int_equal(f->server.reason, 0);
        part(f);
    }
}

static void any_pieces_make_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    f->client.say_z = "hello";
    f->server.echoes = true;
    unsigned seed = (unsigned)getpid();
    print_message("seed %u\n", seed);
    prepare(f, NULL, NULL);
    for (int round = 0; round < 12; round++) {
        meet(f);
        f->between.piece = round == 0 ? 1 : (size_t)(rand_r(&seed) % 200 + 1);
        pump(f);
        assert_string_equal(f->client.data, "hello");
        reel_shutdown_write(f->client_t);
        pump(f);
        assert_int_equal(f->server.eof, 1);
        assert_int_equal(reel_write(f->server_t, " again", 6), 0);
        reel_close(f->server_t);
        pump(f);
        assert_string_equal(f->client.data, "hello again");
        assert_int_equal(f->client.eof, 1);
        assert_int_equal(f->client.lost, 1); /* both halves are shut */
        assert_int_equal(f->client.reason, 0);
        part(f);
    }
}

static void it_works_on_the_worst_of_wires(void **state)
{
    struct fixture *f = *state;
    f->client.say_z = "hello";
    f->server.echoes = true;
    prepare(f, NULL, NULL);
    const struct reel_wire wire = {
        .chunk_max = 1, .send_max = 2, .buffer_max = 3, .delay_ns = REEL_US};
    assert_int_equal(reel_test_pair(f->r, &f->client_factory, &f->server_factory, &wire, &wire,
                                    &f->client_t, &f->server_t),
                     0);
    reel_test_advance(f->r, REEL_SECOND);
    assert_string_equal(f->client.data, "hello");
    reel_close(f->client_t);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(f->server.eof, 1);
    reel_close(f->server_t);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(f->client.reason, 0);
    assert_int_equal(f->server.reason, 0);
}

/* Megabytes against a slow reader: pauses, partial records, and no more memory than the queue. */
static void much_passes_in_order_and_a_slow_reader_is_felt(void **state)
{
    enum { SIZE = 900000 };
    struct fixture *f = *state;
    uint8_t *block = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        block[i] = (uint8_t)(i * 7 + i / 251);
    prepare(f, NULL, NULL);
    meet(f);
    pump(f);
    reel_pause_reading(f->server_t);
    for (size_t at = 0; at < SIZE; at += 50000)
        assert_int_equal(reel_write(f->client_t, block + at, 50000), 0);
    reel_test_read(f->between.peers[0], false);
    reel_test_advance(f->r, REEL_SECOND);
    assert_true(reel_write_pending(f->client_t) > SIZE - 100000);
    reel_test_read(f->between.peers[0], true);
    reel_resume_reading(f->server_t);
    pump(f);
    assert_int_equal(f->server.received, SIZE);
    assert_memory_equal(f->server.data, block, sizeof(f->server.data) - 1);
    free(block);
    reel_close(f->client_t);
    reel_close(f->server_t);
    pump(f);
}

static size_t count_records(struct fixture *f, size_t *longest)
{
    size_t len = 0, records = 0;
    const uint8_t *data = reel_test_received(f->between.peers[0], &len);
    *longest = 0;
    for (size_t at = 0; at + 5 <= len; records++) {
        size_t size = (size_t)data[at + 3] << 8 | data[at + 4];
        *longest = size > *longest ? size : *longest;
        at += 5 + size;
    }
    return records;
}

static void small_writes_share_a_record(void **state)
{
    struct fixture *f = *state;
    size_t longest = 0;
    prepare(f, NULL, NULL);
    meet(f);
    pump(f);
    for (int i = 0; i < 500; i++)
        assert_int_equal(reel_write(f->client_t, "0123456789", 10), 0);
    reel_test_advance(f->r, 0);
    assert_int_equal(count_records(f, &longest), 1);
    for (int i = 0; i < 4000; i++)
        assert_int_equal(reel_write(f->client_t, "0123456789", 10), 0);
    reel_test_advance(f->r, 0);
    assert_in_range(count_records(f, &longest), 4, 5);
    assert_in_range(longest, 16384, 16384 + 256);
    pump(f);
    assert_int_equal(f->server.received, 45000);
    reel_close(f->client_t);
    reel_close(f->server_t);
    pump(f);
}

static void tls_in_tls_is_a_stack(void **state)
{
    struct fixture *f = *state;
    f->client.say_z = "deep";
    f->server.echoes = true;
    prepare(f, NULL, NULL);
    f->client_filters[1] = f->client_filters[0];
    f->server_filters[1] = f->server_filters[0];
    meet(f);
    f->between.piece = 11;
    pump(f);
    assert_string_equal(f->client.data, "deep");
    struct reel_filter *top = reel_filter_find(f->client_t, &reel_tls_client);
    assert_non_null(reel_filter_find_below(top));
    reel_close(f->client_t);
    pump(f);
    assert_int_equal(f->server.eof, 1);
    reel_close(f->server_t);
    pump(f);
    assert_int_equal(f->server.reason, 0);
}

/* ---- Who is believed. ---- */

struct distrust {
    const char *certificate_z;
    const char *name_z;
    const char *error_z;
};

static void a_client_does_not_believe_everybody(void **state)
{
    struct fixture *f = *state;
    static const struct distrust cases[] = {
        {"expired", "localhost", "the certificate has expired"},
        {"early", "localhost", "the certificate is not valid yet"},
        {"self", "localhost", "the certificate is signed by itself"},
        {"clients", "localhost", "the certificate is for another purpose"},
        {"site", "localhost.example", "the certificate is for another name"},
        {"site", "127.0.0.2", "the certificate is for another address"},
        {"wild", "example.org", "the certificate is for another name"},
        {"wild", "a.b.example.org", "the certificate is for another name"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path_z[128];
        snprintf(path_z, sizeof(path_z), "%s", pki_path(&pki, cases[i].certificate_z));
        f->client_options.name_z = cases[i].name_z;
        f->client.say_z = "secret";
        prepare(f, NULL, &(struct reel_tls_options){.certificate_z = path_z});
        meet(f);
        pump(f);
        assert_int_equal(f->client.made, 0);
        assert_int_equal(f->client.failed, 1);
        assert_int_equal(f->client.reason, REEL_TLS_REFUSED);
        assert_string_equal(f->client.error_z, cases[i].error_z);
        assert_int_equal(f->server.received, 0);
        assert_int_equal(f->server.failed, 1); /* and knows why: */
        assert_int_equal(f->server.reason, REEL_TLS_FAILED);
        assert_non_null(strstr(f->server.error_z, "the peer refused: "));
        part(f);
    }
    f->client_options.name_z = NULL;
}

static void an_authority_that_is_not_ours_is_not_believed(void **state)
{
    struct fixture *f = *state;
    prepare(f, NULL, NULL);
    reel_tls_context_free(f->client_context);
    f->client_context = context_of(NULL); /* the system's */
    use_contexts(f);
    meet(f);
    pump(f);
    assert_int_equal(f->client.failed, 1);
    assert_string_equal(f->client.error_z, "the certificate's authority is not known");
}

static void names_and_addresses_are_accepted_as_written(void **state)
{
    struct fixture *f = *state;
    static const char *const cases[][2] = {{"site", "LOCALHOST"},
                                           {"site", "localhost."},
                                           {"site", "127.0.0.1"},
                                           {"wild", "www.example.org"},
                                           {"wild", "[2001:db8::1]"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path_z[128];
        snprintf(path_z, sizeof(path_z), "%s", pki_path(&pki, cases[i][0]));
        f->client_options.name_z = cases[i][1];
        prepare(f, NULL, &(struct reel_tls_options){.certificate_z = path_z});
        meet(f);
        pump(f);
        assert_string_equal(f->client.error_z, "");
        assert_int_equal(f->client.made, 1);
        part(f);
    }
}

static void it_takes_a_word_not_to_verify(void **state)
{
    struct fixture *f = *state;
    char path_z[128];
    snprintf(path_z, sizeof(path_z), "%s", pki_path(&pki, "self"));
    f->client_options.name_z = "whatever.example";
    prepare(f, &(struct reel_tls_options){.verify = REEL_TLS_VERIFY_NONE},
            &(struct reel_tls_options){.certificate_z = path_z});
    meet(f);
    pump(f);
    assert_int_equal(f->client.made, 1);
    assert_false(f->client.verified);
    part(f);

    prepare(f, &(struct reel_tls_options){.any_name = true}, NULL);
    meet(f);
    pump(f);
    assert_int_equal(f->client.made, 1);
    assert_true(f->client.verified);
    part(f);

    prepare(f, NULL, NULL);
    f->client_options.name_z = NULL; /* nothing to compare with */
    meet(f);
    pump(f);
    assert_int_equal(f->client.failed, 1);
    assert_int_equal(f->client.reason, -EINVAL);
}

static void clients_may_have_to_show_a_certificate(void **state)
{
    struct fixture *f = *state;
    char good_z[128], bad_z[128];
    snprintf(good_z, sizeof(good_z), "%s", pki_path(&pki, "clients"));
    snprintf(bad_z, sizeof(bad_z), "%s", pki_path(&pki, "self"));
    const char *const shown[] = {good_z, bad_z, NULL};
    const enum reel_tls_verify wants[] = {REEL_TLS_VERIFY_REQUIRE, REEL_TLS_VERIFY_REQUEST};
    const enum reel_tls_version versions[] = {REEL_TLS_1_2, REEL_TLS_1_3};
    for (int i = 0; i < 12; i++) {
        const char *show_z = shown[i % 3];
        enum reel_tls_verify want = wants[i / 3 % 2];
        bool welcome = show_z == good_z || (!show_z && want == REEL_TLS_VERIFY_REQUEST);
        prepare(f,
                &(struct reel_tls_options){.certificate_z = show_z, .max_version = versions[i / 6]},
                &(struct reel_tls_options){.ca_z = f->ca_z, .verify = want});
        meet(f);
        pump(f);
        assert_int_equal(f->server.made, welcome);
        if (welcome) {
            assert_int_equal(f->client.made, 1);
            assert_true(f->server.verified == (show_z != NULL));
            assert_string_equal(f->server.subject_z, show_z ? "CN=A Client" : "");
            uint8_t fingerprint[32], der[2048];
            assert_int_equal(reel_tls_peer_fingerprint(f->server_t, fingerprint),
                             show_z ? 0 : -ENOENT);
            int size = reel_tls_peer_certificate(f->server_t, NULL, 0);
            assert_true(show_z ? size > 100 : size == -ENOENT);
            if (show_z) {
                assert_int_equal(reel_tls_peer_certificate(f->server_t, der, 10), -ENOBUFS);
                assert_int_equal(reel_tls_peer_certificate(f->server_t, der, sizeof(der)), size);
                assert_int_equal(der[0], 0x30);
            }
        } else {
            assert_int_equal(f->server.failed, 1);
            assert_int_equal(f->server.reason, REEL_TLS_REFUSED);
            assert_string_equal(f->server.error_z, show_z ? "the certificate is signed by itself"
                                                          : "the peer has no certificate");
            assert_int_equal(f->client.reason, REEL_TLS_FAILED);
            assert_non_null(strstr(f->client.error_z, "the peer refused: "));
            assert_int_equal(f->client.failed + f->client.lost, 1);
        }
        part(f);
    }
}

static void a_server_that_verifies_needs_authorities(void **state)
{
    struct fixture *f = *state;
    prepare(f, NULL, &(struct reel_tls_options){.verify = REEL_TLS_VERIFY_REQUIRE});
    meet(f);
    pump(f);
    assert_int_equal(f->server.failed, 1);
    assert_int_equal(f->server.reason, -EINVAL);
    assert_int_equal(f->client.failed, 1);
}

/* ---- Names of servers. ---- */

static struct reel_tls_context *by_name(void *shared, struct reel_transport *t, const char *name_z)
{
    (void)t;
    return strcmp(name_z, "called.example.org") == 0 ? shared : NULL;
}

static void a_server_has_certificates_for_several_names(void **state)
{
    struct fixture *f = *state;
    char wild_z[128], called_z[128];
    snprintf(wild_z, sizeof(wild_z), "%s", pki_path(&pki, "wild"));
    snprintf(called_z, sizeof(called_z), "%s", pki_path(&pki, "called"));
    struct reel_tls_context *wild =
        context_of(&(struct reel_tls_options){.certificate_z = wild_z, .alpn_z = "other"});
    struct reel_tls_context *called =
        context_of(&(struct reel_tls_options){.certificate_z = called_z,
                                              .max_version = REEL_TLS_1_2,
                                              .ca_z = f->ca_z,
                                              .verify = REEL_TLS_VERIFY_REQUIRE});
    const struct reel_tls_name names[] = {{"*.EXAMPLE.net", wild}, {NULL, NULL}};
    char clients_z[128];
    snprintf(clients_z, sizeof(clients_z), "%s", pki_path(&pki, "clients"));
    const struct reel_tls_options client = {
        .any_name = true, .certificate_z = clients_z, .alpn_z = "other,mine"};
    prepare(f, &client,
            &(struct reel_tls_options){
                .names = names, .on_name = by_name, .shared = called, .alpn_z = "mine"});
    reel_tls_context_free(wild); /* the table keeps it */
    static const char *const asked[] = {"www.example.net", "called.example.org", "localhost",
                                        "a.b.example.net", "127.0.0.1"};
    static const char *const subjects[] = {"CN=Wild", "CN=Called", "CN=localhost", "CN=localhost",
                                           "CN=localhost"};
    for (size_t i = 0; i < 5; i++) {
        f->client_options.name_z = asked[i];
        meet(f);
        pump(f);
        assert_string_equal(f->client.error_z, "");
        assert_string_equal(f->client.subject_z, subjects[i]);
        assert_string_equal(f->client.version_z, i == 1 ? "TLSv1.2" : "TLSv1.3");
        assert_string_equal(f->server.subject_z, i == 1 ? "CN=A Client" : "");
        assert_string_equal(f->client.alpn_z, i == 0 ? "other" : i == 1 ? "" : "mine");
        assert_string_equal(f->server.name_z, i == 4 ? "" : asked[i]);
        part(f);
    }
    reel_tls_context_free(called);
}

/* ---- ALPN. ---- */

static void protocols_are_agreed_on_or_not(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *client_z, *server_z, *result_z;
        bool client_requires, server_requires;
        int failed;
    } cases[] = {
        {"h2,http/1.1", "http/1.1", "http/1.1", false, false, 0},
        {"a,b", "b,a", "b", true, true, 0}, /* the server's order */
        {"h2", "http/1.1", "", false, false, REEL_TLS_FAILED},
        {NULL, "http/1.1", "", false, false, 0},
        {"h2", NULL, "", false, false, 0},
        {"h2", NULL, "", true, false, REEL_TLS_FAILED},
        {NULL, "h2", "", false, true, REEL_TLS_FAILED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        prepare(f,
                &(struct reel_tls_options){.alpn_z = cases[i].client_z,
                                           .alpn_required = cases[i].client_requires},
                &(struct reel_tls_options){.alpn_z = cases[i].server_z,
                                           .alpn_required = cases[i].server_requires});
        meet(f);
        pump(f);
        if (cases[i].failed) {
            assert_int_equal(f->client.made && f->server.made, 0);
            const char *error_z = f->server.failed ? f->server.error_z : f->client.error_z;
            assert_string_equal(error_z, "there is no application protocol in common");
        } else {
            assert_int_equal(f->client.made, 1);
            assert_string_equal(f->client.alpn_z, cases[i].result_z);
            assert_string_equal(f->server.alpn_z, cases[i].result_z);
        }
        part(f);
    }
}

/* ---- Resumption. ---- */

static void sessions_are_resumed_with_either_version(void **state)
{
    struct fixture *f = *state;
    const enum reel_tls_version versions[] = {REEL_TLS_1_2, REEL_TLS_1_3};
    for (int i = 0; i < 6; i++) {
        bool off = i / 2 == 1, reloaded = i / 2 == 2;
        f->client.say_z = f->server.say_z = "x";
        prepare(f, &(struct reel_tls_options){.max_version = versions[i % 2]},
                &(struct reel_tls_options){.no_resumption = off});
        for (int round = 0; round < 4; round++) {
            f->client_options.name_z = round == 2 ? "127.0.0.1" : "localhost";
            meet(f);
            pump(f);
            assert_int_equal(f->client.made, 1);
            assert_int_equal(f->client.resumed, !off && round % 2 == 1);
            assert_int_equal(f->server.resumed, !off && round % 2 == 1);
            assert_true(f->client.verified);
            reel_close(f->client_t);
            reel_close(f->server_t);
            pump(f);
            part(f);
            if (reloaded)
                assert_int_equal(reel_tls_context_reload(f->server_context, NULL), 0);
        }
    }
}

static void sessions_are_not_kept_without_end(void **state)
{
    struct fixture *f = *state;
    char name_z[32];
    prepare(f, &(struct reel_tls_options){.any_name = true}, NULL);
    f->server.say_z = "x";
    f->client_options.name_z = name_z;
    for (int i = 0; i < 260; i++) {
        snprintf(name_z, sizeof(name_z), "host%d.example", i == 258 ? 0 : i == 259 ? 200 : i);
        meet(f);
        pump(f);
        assert_int_equal(f->client.made, 1);
        assert_int_equal(f->client.resumed, i == 259);
        part(f);
    }
    f->client_options.name_z = NULL;
}

/* ---- Keys for Wireshark. ---- */

struct lines {
    int count;
    char labels[16][40];
};

static void on_key_line(void *shared, const char *line_z)
{
    struct lines *lines = shared;
    char random_z[80], secret_z[140];
    assert_true(lines->count < 16);
    assert_int_equal(
        sscanf(line_z, "%39s %79s %139s", lines->labels[lines->count], random_z, secret_z), 3);
    assert_int_equal(strlen(random_z), 64);
    assert_int_equal(strspn(random_z, "0123456789abcdefABCDEF"), 64);
    assert_true(strlen(secret_z) >= 64);
    lines->count++;
}

static void keys_are_logged_when_asked_for(void **state)
{
    struct fixture *f = *state;
    struct lines lines = {.count = 0};
    char log_z[160], text[4096];
    snprintf(log_z, sizeof(log_z), "%s/keys.log", pki.dir_z);
    prepare(f, NULL,
            &(struct reel_tls_options){
                .key_log_z = log_z, .on_key_line = on_key_line, .shared = &lines});
    meet(f);
    pump(f);
    assert_int_equal(f->client.made, 1);
    assert_int_equal(lines.count, 5);
    struct stat status;
    assert_int_equal(stat(log_z, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    FILE *file = fopen(log_z, "r");
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    static const char *const labels[] = {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_HANDSHAKE_TRAFFIC_SECRET ",
        "CLIENT_TRAFFIC_SECRET_0 ", "SERVER_TRAFFIC_SECRET_0 ", "EXPORTER_SECRET "};
    for (int i = 0; i < 5; i++)
        assert_non_null(strstr(text, labels[i]));
    unlink(log_z);
}

/* Wireshark's own program reads the connection with them. */
static void tshark_decrypts_by_the_key_log(void **state)
{
    struct fixture *f = *state;
    char log_z[160], dump_z[160], command_z[1024], text[8192];
    if (system("command -v tshark text2pcap >/dev/null") != 0)
        skip();
    snprintf(log_z, sizeof(log_z), "%s/keys.log", pki.dir_z);
    snprintf(dump_z, sizeof(dump_z), "%s/dump.txt", pki.dir_z);
    f->client.say_z = "what the client says";
    f->server.say_z = "what the server says";
    const enum reel_tls_version versions[] = {REEL_TLS_1_2, REEL_TLS_1_3};
    for (int i = 0; i < 2; i++) {
        prepare(f, &(struct reel_tls_options){.max_version = versions[i]},
                &(struct reel_tls_options){.key_log_z = log_z});
        meet(f);
        f->between.dump = fopen(dump_z, "w");
        f->between.piece = 1400;
        pump(f);
        fclose(f->between.dump);
        f->between.dump = NULL;
        part(f);
        snprintf(command_z, sizeof(command_z),
                 "cd %s && text2pcap -q -D -4 10.0.0.1,10.0.0.2 -T 443,50000 dump.txt dump.pcap "
                 ">/dev/null 2>&1 && tshark -r dump.pcap -o tls.keylog_file:keys.log -q "
                 "-z follow,tls,ascii,0 2>&1",
                 pki.dir_z);
        FILE *out = popen(command_z, "r");
        text[fread(text, 1, sizeof(text) - 1, out)] = '\0';
        pclose(out);
        if (!strstr(text, f->client.say_z) || !strstr(text, f->server.say_z))
            fail_msg("%s", text);
    }
}

/* ---- Contexts. ---- */

static void what_is_wrong_with_a_context_is_said(void **state)
{
    struct fixture *f = *state;
    char key_z[128];
    snprintf(key_z, sizeof(key_z), "%s", pki_path(&pki, "wild"));
    const struct {
        struct reel_tls_options options;
        int err;
        const char *begins_z;
    } cases[] = {
        {{.certificate_z = "/nowhere.pem"}, -ENOENT, "/nowhere.pem cannot be read: No such file"},
        {{.certificate_z = "/dev/null"}, -EINVAL, "there is no certificate in /dev/null"},
        {{.certificate_z = f->ca_z}, -EINVAL, "there is no usable key in"},
        {{.certificate_z = f->site_z, .key_z = key_z}, -EINVAL, ""},
        {{.key_z = key_z}, -EINVAL, "a key needs a certificate"},
        {{.ca_z = "/dev/null"}, -EINVAL, "no authorities could be read from /dev/null"},
        {{.ca_z = "/nowhere"}, -ENOENT, "/nowhere cannot be read"},
        {{.ciphers_z = "NO-SUCH"}, -EINVAL, "no cipher goes by NO-SUCH"},
        {{.ciphersuites_z = "NO-SUCH"}, -EINVAL, "no cipher suite goes by NO-SUCH"},
        {{.alpn_z = "a,,b"}, -EINVAL, "a protocol of ALPN has 1 to 255 bytes"},
        {{.alpn_required = true}, -EINVAL, "ALPN is required and has no protocols"},
        {{.key_log_z = "/nowhere/keys"}, -ENOENT, "/nowhere/keys cannot be written"},
        {{.min_version = REEL_TLS_1_3, .max_version = REEL_TLS_1_2}, -EINVAL, "the versions are"},
        {{.min_version = (enum reel_tls_version)0x0301}, -EINVAL, "the versions are"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reel_tls_context *context = NULL;
        struct reel_tls_error why;
        assert_int_equal(reel_tls_context_new(&cases[i].options, &context, &why), cases[i].err);
        assert_null(context);
        assert_memory_equal(why.text_z, cases[i].begins_z, strlen(cases[i].begins_z));
        assert_true(strlen(why.text_z) > 10);
        assert_int_equal(reel_tls_context_new(&cases[i].options, &context, NULL), cases[i].err);
    }
}

static void certificates_are_read_again_while_connections_go_on(void **state)
{
    struct fixture *f = *state;
    char path_z[128];
    pki_make(&pki, "renewed", &(struct wish){.subject_z = "Before"});
    snprintf(path_z, sizeof(path_z), "%s", pki_path(&pki, "renewed"));
    prepare(f, &(struct reel_tls_options){.no_resumption = true},
            &(struct reel_tls_options){.certificate_z = path_z});
    meet(f);
    pump(f);
    assert_string_equal(f->client.subject_z, "CN=Before");
    pki_make(&pki, "renewed", &(struct wish){.subject_z = "After"});
    assert_int_equal(reel_tls_context_reload(f->server_context, NULL), 0);
    assert_int_equal(reel_write(f->client_t, "old one", 7), 0);
    pump(f);
    assert_string_equal(f->server.data, "old one");
    part(f);
    meet(f);
    pump(f);
    assert_string_equal(f->client.subject_z, "CN=After");
    part(f);
    FILE *file = fopen(path_z, "w");
    fclose(file);
    struct reel_tls_error why;
    assert_int_equal(reel_tls_context_reload(f->server_context, &why), -EINVAL);
    assert_memory_equal(why.text_z, "there is no certificate in", 26);
    meet(f);
    pump(f);
    assert_string_equal(f->client.subject_z, "CN=After");
}

static void connections_keep_their_context(void **state)
{
    struct fixture *f = *state;
    f->client.say_z = "still here";
    prepare(f, NULL, NULL);
    meet(f);
    reel_test_advance(f->r, 0);
    drop_contexts(f);
    pump(f);
    assert_string_equal(f->server.data, "still here");
}

static void without_tls_there_is_nothing_to_say(void **state)
{
    struct fixture *f = *state;
    uint8_t fingerprint[32];
    char text_z[8];
    size_t len = 1;
    prepare(f, NULL, NULL);
    f->client_factory.filters = f->server_factory.filters = NULL;
    meet(f);
    pump(f);
    assert_false(reel_tls_is_on(f->client_t));
    assert_null(reel_tls_version(f->client_t));
    assert_null(reel_tls_cipher(f->client_t));
    assert_null(reel_tls_alpn(f->client_t, &len));
    assert_int_equal(len, 0);
    assert_null(reel_tls_server_name(f->client_t));
    assert_null(reel_tls_native(f->client_t));
    assert_false(reel_tls_was_resumed(f->client_t));
    assert_false(reel_tls_peer_is_verified(f->client_t));
    assert_int_equal(reel_tls_peer_certificate(f->client_t, NULL, 0), -ENOENT);
    assert_int_equal(reel_tls_peer_subject(f->client_t, text_z, sizeof(text_z)), -ENOENT);
    assert_int_equal(reel_tls_peer_fingerprint(f->client_t, fingerprint), -ENOENT);
    assert_string_equal(reel_tls_error_text(f->client_t), "");
}

/* Each of the reactor's allocations fails once. */
static void out_of_memory_is_an_end_and_no_leak(void **state)
{
    struct fixture *f = *state;
    prepare(f, NULL, NULL);
    bool through = false;
    for (long fail_after = 0; !through; fail_after++) {
        assert_true(fail_after < 500);
        f->server = f->client = (struct side){.say_z = NULL};
        f->counts.fail_after = fail_after;
        const struct reel_wire wire = {.buffer_max = 700};
        int err = reel_test_pair(f->r, &f->client_factory, &f->server_factory, &wire, &wire,
                                 &f->client_t, &f->server_t);
        if (err == 0) {
            reel_write(f->client_t, "0123456789", 10);
            reel_test_advance(f->r, REEL_SECOND);
            through = f->server.received == 10;
        }
        f->counts.fail_after = -1;
        if (f->client.t)
            reel_close(f->client.t);
        reel_test_advance(f->r, REEL_SECOND);
        if (f->server.t)
            reel_close(f->server.t);
        reel_test_advance(f->r, 2 * REEL_HANDSHAKE_DEFAULT_NS);
        if (err == 0) {
            assert_int_equal(f->client.made + f->client.failed, 1);
            assert_int_equal(f->client.made, f->client.lost);
        }
    }
    assert_string_equal(f->server.data, "0123456789");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_versions_carry_bytes_both_ways),
        TEST(any_pieces_make_the_same_bytes),
        TEST(it_works_on_the_worst_of_wires),
        TEST(much_passes_in_order_and_a_slow_reader_is_felt),
        TEST(small_writes_share_a_record),
        TEST(tls_in_tls_is_a_stack),
        TEST(a_client_does_not_believe_everybody),
        TEST(an_authority_that_is_not_ours_is_not_believed),
        TEST(names_and_addresses_are_accepted_as_written),
        TEST(it_takes_a_word_not_to_verify),
        TEST(clients_may_have_to_show_a_certificate),
        TEST(a_server_that_verifies_needs_authorities),
        TEST(a_server_has_certificates_for_several_names),
        TEST(protocols_are_agreed_on_or_not),
        TEST(sessions_are_resumed_with_either_version),
        TEST(sessions_are_not_kept_without_end),
        TEST(keys_are_logged_when_asked_for),
        TEST(tshark_decrypts_by_the_key_log),
        TEST(what_is_wrong_with_a_context_is_said),
        TEST(certificates_are_read_again_while_connections_go_on),
        TEST(connections_keep_their_context),
        TEST(without_tls_there_is_nothing_to_say),
        TEST(out_of_memory_is_an_end_and_no_leak),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
