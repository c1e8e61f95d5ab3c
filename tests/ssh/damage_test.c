/* Two machines against each other, with the line between them damaged: a bit flipped, an end too early,
 * at every place of a conversation, for every class of cipher. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct suite {
    const char *kex_z, *cipher_z, *mac_z, *comp_z;
} suites[] = {
    {"curve25519-sha256,kex-strict-c-v00@openssh.com", "chacha20-poly1305@openssh.com", "", "none"},
    {"curve25519-sha256,ext-info-c", "aes128-gcm@openssh.com", "", "zlib@openssh.com"},
    {"curve25519-sha256@libssh.org", "aes256-gcm@openssh.com", "", "none"},
    {"curve25519-sha256", "aes128-ctr", "hmac-sha2-256", "none"},
    {"curve25519-sha256", "aes192-ctr", "umac-64-etm@openssh.com", "zlib@openssh.com"},
    {"ecdh-sha2-nistp256,ext-info-c", "aes256-ctr", "hmac-sha2-512-etm@openssh.com", "none"},
    {"curve25519-sha256", "aes128-ctr", "umac-128@openssh.com", "zlib@openssh.com"},
    {"curve25519-sha256", "aes256-ctr", "hmac-sha1", "none"},
};

/* What the damaged line did, and what came of it. */
struct result {
    struct buffer events, messages;
    size_t to_server, to_client;
    size_t clear_to_server, clear_to_client; /* of these, before the keys */
};

struct damage {
    size_t flip_at, flip_back_at, cut_at;
};

static const struct damage no_damage = {SIZE_MAX, SIZE_MAX, SIZE_MAX};

static void result_init(struct result *r)
{
    *r = (struct result){.to_server = 0};
    buffer_init(&r->events, 1 << 20);
    buffer_init(&r->messages, 1 << 20);
}

static void result_fini(struct result *r)
{
    buffer_fini(&r->events);
    buffer_fini(&r->messages);
}

static void converse(struct pair *p)
{
    pair_say(p, "05 \"ssh-userauth\"");
    pair_say(p, "32 \"admin\" \"ssh-connection\" \"password\" 00 \"secret\"");
    pair_say(p, "50 \"keepalive@openssh.com\" 01");
    pair_say(p, "5a \"session\" #0 #2097152 #32768");
    pair_say(p, "62 #0 \"exec\" 01 \"cat\"");
    pair_say(p, "5e #0 \"good morning, this is a line\"");
    buffer_put_z(&p->pending, "and this one comes back");
    pair_say(p, "60 #0");
    pair_say(p, "61 #0");
}

/* Once it has ended nothing comes out any more, whatever goes in. */
static void check_end(struct pair *p)
{
    struct ssh_event event;
    assert_int_not_equal(ssh_state(p->ssh), SSH_OPEN);
    assert_int_equal(ssh_feed(p->ssh, span_z("more"), p->now_us), 0);
    ssh_tick(p->ssh, p->now_us + 1000 * 1000 * 1000);
    assert_int_equal(ssh_next(p->ssh, &event), 0);
    assert_int_equal(ssh_out(p->ssh).len, 0);
    assert_int_equal(ssh_error(p->ssh), 0);
}

static void play(const struct keys_ring *ring, const struct suite *suite, enum pair_split split,
                 uint8_t seed, struct damage damage, struct result *r)
{
    struct pair p;
    struct ssh_client_options options = ssh_client_defaults;
    options.kex_z = suite->kex_z;
    options.cipher_cs_z = options.cipher_sc_z = suite->cipher_z;
    options.mac_cs_z = options.mac_sc_z = suite->mac_z;
    options.comp_z = suite->comp_z;
    pair_init_on(&p, ring, &options, split, 1);
    p.rng.key[0] = seed;
    p.flip_at = damage.flip_at;
    p.flip_back_at = damage.flip_back_at;
    p.cut_at = damage.cut_at;
    pair_pump(&p, true);
    r->clear_to_server = p.to_server;
    r->clear_to_client = p.to_client;
    converse(&p);
    r->to_server = p.to_server;
    r->to_client = p.to_client;
    p.eof_sent = true;
    pair_pump(&p, true);
    check_end(&p);
    buffer_put(&r->events, buffer_span(&p.events));
    buffer_put(&r->messages, buffer_span(&p.messages));
    pair_fini(&p);
}

static struct span next_line(struct span *text)
{
    ptrdiff_t end = span_find(*text, '\n', 0);
    struct span line = span_slice(*text, 0, end < 0 ? text->len : (size_t)end + 1);
    *text = span_slice(*text, line.len, text->len);
    return line;
}

/* Only these may come where the good conversation went another way: nothing that the damage touched is
 * ever taken for what the client wanted. */
static bool is_harmless(struct span line)
{
    static const char *const starts_z[] = {"version", "kexinit", "error", "end", "disconnect"};
    for (size_t i = 0; i < ARRAY_LEN(starts_z); i++)
        if (span_starts_with(line, span_z(starts_z[i])))
            return true;
    return false;
}

static void check_events(const struct result *good, const struct result *damaged,
                         const char *where_z, size_t at)
{
    struct span wanted = buffer_span(&good->events), got = buffer_span(&damaged->events);
    while (wanted.len && got.len) {
        struct span before = got;
        if (span_equal(next_line(&wanted), next_line(&got)))
            continue;
        got = before;
        break;
    }
    while (got.len) {
        struct span line = next_line(&got);
        if (!is_harmless(line))
            fail_msg("%s at %zu: %.*s", where_z, at, (int)line.len, (const char *)line.data);
    }
}

static void check_flip(const struct keys_ring *ring, const struct suite *suite,
                       const struct result *good, struct damage damage)
{
    struct result r;
    bool back = damage.flip_back_at != SIZE_MAX;
    result_init(&r);
    play(ring, suite, PAIR_WHOLE, 1, damage, &r);
    check_events(good, &r, suite->cipher_z, back ? damage.flip_back_at : damage.flip_at);
    result_fini(&r);
}

/* The clear part is the same for all of them: it is damaged for the first only. */
static void a_flipped_bit_of_the_client_does_nothing(void **state)
{
    const struct keys_ring *ring = *state;
    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        struct result good;
        result_init(&good);
        play(ring, &suites[i], PAIR_WHOLE, 1, no_damage, &good);
        for (size_t at = i ? good.clear_to_server : 0; at < good.to_server; at++)
            check_flip(ring, &suites[i], &good, (struct damage){at, SIZE_MAX, SIZE_MAX});
        result_fini(&good);
    }
}

static void a_flipped_bit_of_the_server_does_nothing(void **state)
{
    const struct keys_ring *ring = *state;
    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        struct result good;
        result_init(&good);
        play(ring, &suites[i], PAIR_WHOLE, 1, no_damage, &good);
        for (size_t at = i ? good.clear_to_client : 0; at < good.to_client; at += 3)
            check_flip(ring, &suites[i], &good, (struct damage){SIZE_MAX, at, SIZE_MAX});
        result_fini(&good);
    }
}

/* What was there is as it would have been, then comes the end. */
static void an_end_anywhere_is_an_end(void **state)
{
    const struct keys_ring *ring = *state;
    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        struct result good;
        result_init(&good);
        play(ring, &suites[i], PAIR_WHOLE, 1, no_damage, &good);
        for (size_t cut = i ? good.clear_to_server : 0; cut < good.to_server; cut++) {
            struct result r;
            result_init(&r);
            play(ring, &suites[i], PAIR_WHOLE, 1, (struct damage){SIZE_MAX, SIZE_MAX, cut}, &r);
            check_events(&good, &r, "cut", cut);
            assert_true(pair_saw(&r.events, "end"));
            result_fini(&r);
        }
        result_fini(&good);
    }
}

static void every_split_gives_the_same_conversation(void **state)
{
    const struct keys_ring *ring = *state;
    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        struct result good;
        result_init(&good);
        play(ring, &suites[i], PAIR_WHOLE, 1, no_damage, &good);
        assert_true(pair_saw(&good.events, "data 0 'good morning, this is a line'"));
        assert_true(pair_saw(&good.messages, "CHANNEL_DATA 0 'and this one comes back'"));
        for (uint8_t seed = 0; seed < 20; seed++) {
            struct result r;
            result_init(&r);
            play(ring, &suites[i], seed ? PAIR_RANDOM : PAIR_BYTES, seed, no_damage, &r);
            assert_true(span_equal(buffer_span(&r.events), buffer_span(&good.events)));
            assert_true(span_equal(buffer_span(&r.messages), buffer_span(&good.messages)));
            result_fini(&r);
        }
        result_fini(&good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_gives_the_same_conversation),
        cmocka_unit_test(a_flipped_bit_of_the_client_does_nothing),
        cmocka_unit_test(a_flipped_bit_of_the_server_does_nothing),
        cmocka_unit_test(an_end_anywhere_is_an_end),
    };
    return cmocka_run_group_tests(tests, keys_ring_setup, keys_ring_teardown);
}
