/* TLS when something goes wrong: peers, time, wires cut or changed, STARTTLS. In virtual time. */
#include "tls_fixture.h"

#include <openssl/ssl.h>
#include <string.h>

/* ---- What goes wrong. ---- */

static void versions_and_ciphers_must_meet(void **state)
{
    struct fixture *f = *state;
    prepare(f, &(struct reel_tls_options){.max_version = REEL_TLS_1_2},
            &(struct reel_tls_options){.min_version = REEL_TLS_1_3});
    meet(f);
    pump(f);
    assert_string_equal(f->server.error_z, "there is no version of TLS in common");
    assert_int_equal(f->client.reason, REEL_TLS_FAILED);
    part(f);
    prepare(f,
            &(struct reel_tls_options){.max_version = REEL_TLS_1_2,
                                       .ciphers_z = "ECDHE-ECDSA-AES128-GCM-SHA256"},
            &(struct reel_tls_options){.ciphers_z = "ECDHE-ECDSA-AES256-GCM-SHA384"});
    meet(f);
    pump(f);
    assert_string_equal(f->server.error_z, "there is no cipher in common");
    part(f);
}

static void what_is_not_tls_is_said(void **state)
{
    struct fixture *f = *state;
    static const char *const cases[][2] = {
        {"GET / HTTP/1.1\r\n\r\n", "the peer speaks HTTP, not TLS"},
        {"SSH-2.0-OpenSSH_9.2\r\n", "the peer does not speak TLS"}};
    prepare(f, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        struct reel_test_peer *peer = NULL;
        assert_int_equal(reel_test_peer_new(f->r, &f->server_factory, NULL, &peer, &f->server_t),
                         0);
        reel_test_send(peer, cases[i][0], strlen(cases[i][0]));
        reel_test_advance(f->r, 0);
        assert_int_equal(f->server.failed, 1);
        assert_int_equal(f->server.reason, REEL_TLS_FAILED);
        assert_string_equal(f->server.error_z, cases[i][1]);
        reel_test_peer_free(peer);
        f->server = (struct side){0};
    }
}

static void a_handshake_takes_no_longer_than_it_may(void **state)
{
    struct fixture *f = *state;
    prepare(f, NULL, &(struct reel_tls_options){.handshake_ns = 5 * REEL_SECOND});
    meet(f);
    reel_test_advance(f->r, 5 * REEL_SECOND - 1);
    assert_int_equal(f->server.failed, 0);
    reel_test_advance(f->r, 1);
    assert_int_equal(f->server.failed, 1);
    assert_int_equal(f->server.reason, -ETIMEDOUT);
    assert_int_equal(f->client.failed, 0);
    reel_test_advance(f->r, REEL_HANDSHAKE_DEFAULT_NS);
    assert_int_equal(f->client.failed, 1);
    assert_int_equal(f->client.reason, -ETIMEDOUT);
}

static void an_end_without_goodbye_is_told_apart(void **state)
{
    struct fixture *f = *state;
    for (int accepted = 0; accepted < 2; accepted++) {
        prepare(f, &(struct reel_tls_options){.accept_truncation = accepted}, NULL);
        f->server.say_z = "part of";
        meet(f);
        pump(f);
        reel_test_send_eof(f->between.peers[0]);
        reel_test_advance(f->r, 0);
        assert_string_equal(f->client.data, "part of");
        if (accepted) {
            assert_int_equal(f->client.eof, 1);
            assert_int_equal(reel_write(f->client_t, "bye", 3), 0);
            reel_close(f->client_t);
            pump(f);
            assert_string_equal(f->server.data, "bye");
        } else {
            assert_int_equal(f->client.eof, 0);
            assert_int_equal(f->client.lost, 1);
            assert_int_equal(f->client.reason, REEL_TLS_TRUNCATED);
            assert_string_equal(f->client.error_z, "the peer ended without saying so");
        }
        part(f);
    }
}

static void an_abort_and_a_reset_say_no_goodbye(void **state)
{
    struct fixture *f = *state;
    prepare(f, NULL, NULL);
    meet(f);
    pump(f);
    size_t before = f->between.passed[0];
    reel_abort(f->client_t);
    pump(f);
    assert_int_equal(f->between.passed[0], before);
    assert_int_equal(f->client.reason, -ECONNABORTED);
    assert_int_equal(f->server.reason, REEL_TLS_TRUNCATED);
    part(f);
    meet(f);
    pump(f);
    reel_test_reset(f->between.peers[0]);
    pump(f);
    assert_int_equal(f->client.reason, -ECONNRESET);
    part(f);
}

static void a_close_in_the_handshake_is_its_end(void **state)
{
    struct fixture *f = *state;
    prepare(f, NULL, NULL);
    for (int who = 0; who < 4; who++) {
        meet(f);
        reel_test_advance(f->r, 0);
        struct reel_transport *t = who % 2 ? f->client_t : f->server_t;
        if (who < 2)
            reel_close(t);
        else
            reel_abort(t);
        pump(f);
        assert_int_equal(f->client.failed, 1);
        assert_int_equal(f->server.failed, 1);
        assert_int_equal(who % 2 ? f->client.reason : f->server.reason, -ECONNABORTED);
        part(f);
    }
}

/* ---- The wire cut, or a bit of it changed, at every place. ---- */

static size_t whole_handshake(struct fixture *f, size_t passed[2])
{
    f->client.say_z = "ping";
    f->server.echoes = true;
    meet(f);
    pump(f);
    assert_string_equal(f->client.data, "ping");
    passed[0] = f->between.passed[0];
    passed[1] = f->between.passed[1];
    part(f);
    return passed[0] + passed[1];
}

static void check_ends(struct fixture *f)
{
    struct side *const sides[] = {&f->client, &f->server};
    for (int i = 0; i < 2; i++) {
        struct side *s = sides[i];
        assert_true(s->received == 0 || (s->received == 4 && memcmp(s->data, "ping", 4) == 0));
        assert_true(s->failed + s->made == 1);
    }
}

/* Signatures differ in length from one handshake to the next: one may be over before its cut. */
static bool was_cut(const struct fixture *f, int from, size_t at, size_t usual)
{
    enum { SIGNATURE_SPREAD = 16 };
    if (f->between.passed[from] == at)
        return true;
    assert_true(usual - at <= SIGNATURE_SPREAD);
    return false;
}

static void cut_everywhere(struct fixture *f, enum reel_tls_version version)
{
    size_t passed[2];
    prepare(f, &(struct reel_tls_options){.max_version = version, .no_resumption = true}, NULL);
    whole_handshake(f, passed);
    for (int from = 0; from < 2; from++) {
        for (size_t at = 0; at < passed[from]; at++) {
            f->client.say_z = "ping";
            meet(f);
            f->between.cut_at[from] = (long)at;
            pump(f);
            if (!was_cut(f, from, at, passed[from])) {
                part(f);
                continue;
            }
            struct side *reader = from == 0 ? &f->server : &f->client;
            assert_int_equal(reader->failed + reader->lost, 1);
            assert_int_equal(reader->reason, reader->made ? REEL_TLS_TRUNCATED : -ECONNRESET);
            reel_test_advance(f->r, REEL_HANDSHAKE_DEFAULT_NS);
            check_ends(f);
            part(f);
        }
    }
}

static void a_wire_cut_at_any_byte_is_noticed(void **state)
{
    cut_everywhere(*state, REEL_TLS_1_3);
}

static void a_wire_cut_at_any_byte_is_noticed_in_1_2(void **state)
{
    cut_everywhere(*state, REEL_TLS_1_2);
}

static void a_changed_byte_is_never_believed(void **state)
{
    struct fixture *f = *state;
    size_t passed[2], through = 0;
    prepare(f, &(struct reel_tls_options){.no_resumption = true}, NULL);
    size_t all = whole_handshake(f, passed);
    for (int from = 0; from < 2; from++) {
        for (size_t at = 0; at < passed[from]; at++) {
            f->client.say_z = "ping";
            f->server.echoes = true;
            meet(f);
            f->between.flip_at[from] = (long)at;
            f->between.flip = (uint8_t)(1u << (at % 8));
            pump(f);
            reel_test_advance(f->r, REEL_HANDSHAKE_DEFAULT_NS); /* a length: it waits for more */
            check_ends(f);
            through += f->client.received > 0;
            part(f);
        }
    }
    /* Nobody looks at the version in a record's header (RFC 8446 section 5.1), nor at what comes
     * after the echo. */
    assert_true(through < all / 8);
}

/* ---- Renegotiation. ---- */

static void renegotiation_is_refused(void **state)
{
    struct fixture *f = *state;
    prepare(f, &(struct reel_tls_options){.max_version = REEL_TLS_1_2}, NULL);
    meet(f);
    pump(f);
    SSL *ssl = reel_tls_native(f->client_t);
    SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
    assert_int_equal(SSL_renegotiate(ssl), 1);
    assert_int_equal(reel_write(f->client_t, "x", 1), 0);
    pump(f);
    assert_int_equal(f->client.made, 1);
    assert_int_equal(f->client.reason, REEL_TLS_FAILED);
    assert_string_equal(f->client.error_z, "the peer does not renegotiate");
    part(f);
}

/* ---- STARTTLS. ---- */

static size_t plain_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct side *s = reel_shared(t);
    const uint8_t *end = memchr(data, '\n', len);
    if (!end) {
        reel_need_more(t, 0);
        return 0;
    }
    memcpy(s->data + s->received, data, (size_t)(end - data) + 1);
    s->received += (size_t)(end - data) + 1;
    struct fixture *f = s->owner;
    if (s == &f->server) {
        assert_int_equal(reel_write(t, "220 go\n", 7), 0);
        assert_int_equal(reel_tls_upgrade_server(t, f->server_context), 0);
    } else {
        assert_int_equal(reel_tls_upgrade_client(t, f->client_context, "localhost"), 0);
        assert_int_equal(reel_write(t, "EHLO again\n", 11), 0); /* waits for the handshake */
    }
    reel_set_protocol(t, &side_protocol);
    return (size_t)(end - data) + 1;
}

static void plain_end(struct reel_transport *t, int reason)
{
    struct side *s = reel_shared(t);
    s->lost++;
    s->reason = reason;
}

static void plain_made(struct reel_transport *t)
{
    ((struct side *)reel_shared(t))->made++;
}

static const struct reel_protocol plain_protocol = {
    .made = plain_made, .data = plain_data, .lost = plain_end};

static void meet_in_the_clear(struct fixture *f)
{
    prepare(f, NULL, NULL);
    f->client_factory.filters = f->server_factory.filters = NULL;
    f->client_factory.protocol = f->server_factory.protocol = &plain_protocol;
    f->client.owner = f->server.owner = f;
    meet(f);
    pump(f);
}

static void a_live_connection_is_upgraded_at_both_ends(void **state)
{
    struct fixture *f = *state;
    for (size_t piece = 0; piece < 2; piece++) {
        meet_in_the_clear(f);
        f->between.piece = piece;
        f->server.say_z = "250 hello\n";
        assert_int_equal(reel_write(f->client_t, "STARTTLS\n", 9), 0);
        pump(f);
        assert_int_equal(f->client.upgraded, 1);
        assert_int_equal(f->server.upgraded, 1);
        assert_string_equal(f->server.data, "STARTTLS\nEHLO again\n");
        assert_string_equal(f->client.data, "220 go\n250 hello\n");
        assert_string_equal(f->server.version_z, "TLSv1.3");
        assert_true(f->client.verified);
        reel_close(f->client_t);
        reel_close(f->server_t);
        pump(f);
        assert_int_equal(f->client.reason, 0);
        part(f);
    }
}

static void commands_in_the_clear_are_not_taken_for_secret_ones(void **state)
{
    struct fixture *f = *state;
    meet_in_the_clear(f);
    assert_int_equal(reel_test_send(f->between.peers[1], "STARTTLS\nMAIL FROM:<x>\n", 23), 0);
    pump(f);
    assert_string_equal(f->server.data, "STARTTLS\n");
    assert_int_equal(f->server.upgraded, 0);
    assert_int_equal(f->server.lost, 1);
    assert_int_equal(f->server.reason, REEL_TLS_FAILED);
    part(f);

    meet_in_the_clear(f); /* the same against a client */
    assert_int_equal(reel_test_send(f->between.peers[0], "220 go\n250 PIPELINING\n", 22), 0);
    pump(f);
    assert_string_equal(f->client.data, "220 go\n");
    assert_int_equal(f->client.lost, 1);
    assert_int_equal(f->client.reason, REEL_TLS_FAILED);
    part(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(versions_and_ciphers_must_meet),
        TEST(what_is_not_tls_is_said),
        TEST(a_handshake_takes_no_longer_than_it_may),
        TEST(an_end_without_goodbye_is_told_apart),
        TEST(an_abort_and_a_reset_say_no_goodbye),
        TEST(a_close_in_the_handshake_is_its_end),
        TEST(a_wire_cut_at_any_byte_is_noticed),
        TEST(a_wire_cut_at_any_byte_is_noticed_in_1_2),
        TEST(a_changed_byte_is_never_believed),
        TEST(renegotiation_is_refused),
        TEST(a_live_connection_is_upgraded_at_both_ends),
        TEST(commands_in_the_clear_are_not_taken_for_secret_ones),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
