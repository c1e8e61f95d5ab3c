/* Clients that want to hurt: each meets the limit that the real server has, and none gets more memory
 * than a connection may hold. */
#include "compose.h"
#include "counting.h"
#include "pair.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

/* The server's own side of a pair, without the client: what it sends is thrown away or left. */
struct victim {
    struct ssh *ssh;
    struct ssh_sender sender;
    struct crypto_rng rng;
    bool reads;         /* the client takes what is sent to it */
    uint64_t out_bytes; /* what it was sent */
    unsigned opened, refused;
    bool ended;
    struct pair pair;
};

static void victim_start(struct victim *v, const struct keys_ring *ring, const char *comp_z,
                         bool logged_in)
{
    struct ssh_client_options options = ssh_client_defaults;
    options.clear_z = ssh_profile_openssh_9_2p1.version_z;
    options.comp_z = comp_z;
    *v = (struct victim){.reads = true};
    counting_reset();
    counting_on(true);
    pair_init_on(&v->pair, ring, &options, PAIR_WHOLE, 1);
    v->pair.silent = true;
    if (logged_in) {
        pair_login(&v->pair);
        pair_open(&v->pair);
        pair_say(&v->pair, "62 #0 \"exec\" 01 \"cat\"");
    }
    counting_on(false);
    v->ssh = v->pair.ssh;
    ssh_sender_init(&v->sender, 4 * MIB);
}

static void victim_end(struct victim *v)
{
    ssh_sender_fini(&v->sender);
    pair_fini(&v->pair);
}

static void on_event(struct victim *v, const struct ssh_event *event)
{
    switch (event->type) {
    case SSH_EVENT_AUTH: ssh_auth_refuse(v->ssh); break;
    case SSH_EVENT_GLOBAL_REQUEST: ssh_global_answer(v->ssh, true, 0); break;
    case SSH_EVENT_CHANNEL_OPEN:
        v->opened += event->open.accepted;
        v->refused += !event->open.accepted;
        break;
    case SSH_EVENT_FORWARD: v->opened++; break; /* left without an answer */
    case SSH_EVENT_CHANNEL_REQUEST:
        if (event->request.needs_answer)
            ssh_channel_request_accept(v->ssh, event->request.channel);
        break;
    case SSH_EVENT_CHANNEL_DATA:
        ssh_channel_consumed(v->ssh, event->data.channel, event->data.bytes.len);
        break;
    case SSH_EVENT_ERROR:
    case SSH_EVENT_END: v->ended = true; break;
    default: break;
    }
}

static void settle(struct victim *v)
{
    struct ssh_event event;
    do {
        while (ssh_next(v->ssh, &event))
            on_event(v, &event);
        if (!v->reads)
            return;
        size_t n = ssh_out(v->ssh).len;
        v->out_bytes += n;
        ssh_sent(v->ssh, n);
    } while (ssh_next(v->ssh, &event) ? (on_event(v, &event), true) : ssh_out(v->ssh).len > 0);
}

/* How many of the bytes were taken; they go one piece after the other, as long as any is taken. */
static size_t attack_bytes(struct victim *v, struct span bytes)
{
    size_t done = 0;
    counting_on(true);
    while (done < bytes.len) {
        size_t n = ssh_feed(v->ssh, span_slice(bytes, done, bytes.len), 0);
        settle(v);
        if (n == 0)
            break;
        done += n;
    }
    counting_on(false);
    return done;
}

/* A message, framed in the clear. False: it was not taken as a whole. */
static bool attack(struct victim *v, struct span payload)
{
    assert_int_equal(ssh_sender_put(&v->sender, &v->rng, payload), 0);
    struct span out = buffer_span(&v->sender.out);
    bool whole = attack_bytes(v, out) == out.len;
    buffer_clear(&v->sender.out);
    return whole;
}

static bool attack_text(struct victim *v, const char *tokens_z)
{
    struct buffer payload;
    buffer_init(&payload, MIB);
    assert_true(compose(tokens_z, &payload));
    bool whole = attack(v, buffer_span(&payload));
    buffer_fini(&payload);
    return whole;
}

static void check_memory(size_t max)
{
    if (counting_peak_bytes() > max)
        fail_msg("%zu bytes", counting_peak_bytes());
    assert_true(counting_peak_bytes() <= SSH_MEMORY_MAX_BYTES);
}

/* ---- ---- */

static void endless_ignore_and_debug_messages_cost_nothing(void **state)
{
    struct victim v;
    victim_start(&v, *state, "none", true);
    for (int i = 0; i < 300; i++) {
        assert_true(attack_text(&v, "02 30000*41"));
        assert_true(attack_text(&v, "04 01 \"words\" \"en\""));
        assert_true(attack_text(&v, "03 #1"));
    }
    assert_false(v.ended);
    assert_int_equal(v.out_bytes, 0);
    check_memory(512 * KIB);
    victim_end(&v);
}

static void a_packet_of_the_greatest_length_fills_no_more_than_its_buffer(void **state)
{
    struct victim v;
    uint8_t byte = 0x41;
    victim_start(&v, *state, "none", false);
    attack_bytes(&v, span_of("\x00\x03\xff\xfc\x04\x02", 6));
    size_t taken = 6;
    while (!v.ended && taken < MIB && attack_bytes(&v, span_of(&byte, 1)))
        taken++;
    /* An IGNORE of 256 KiB is one; what comes after it is a length that cannot be. */
    assert_true(v.ended);
    assert_int_equal(taken, 0x3fffc + 4 + 8);
    check_memory(1 * MIB);
    victim_end(&v);
}

static void windows_that_are_too_large_or_nothing_at_all(void **state)
{
    struct victim v;
    victim_start(&v, *state, "none", true);
    attack_text(&v, "5a \"session\" #1 #0 #0");
    attack_text(&v, "62 #1 \"exec\" 00 \"cat\"");
    assert_int_equal(ssh_channel_write(v.ssh, 1, SSH_STDOUT, span_z("output")), 0);
    attack_text(&v, "5d #1 #4294967295");
    assert_int_equal(ssh_channel_write(v.ssh, 1, SSH_STDOUT, span_z("output")), 0);
    attack_text(&v, "5a \"session\" #2 #5 #4294967295");
    attack_text(&v, "62 #2 \"exec\" 00 \"cat\"");
    assert_int_equal(ssh_channel_write(v.ssh, 2, SSH_STDOUT, span_z("output")), 5);
    for (int i = 0; i < 1000; i++)
        attack_text(&v, "5d #2 #1");
    assert_false(v.ended);
    assert_int_equal(ssh_channel_room(v.ssh, 2), 1000);
    attack_text(&v, "5d #2 #4294967295");
    assert_true(v.ended);
    check_memory(512 * KIB);
    victim_end(&v);
}

static void a_thousand_channels_are_ten_and_refusals(void **state)
{
    struct victim v;
    victim_start(&v, *state, "none", true);
    for (int i = 0; i < 1000; i++)
        assert_true(attack_text(&v, "5a \"session\" #1 #2097152 #32768"));
    /* One was open before. */
    assert_int_equal(v.opened, 9);
    assert_int_equal(v.refused, 991);
    for (int i = 0; i < 1000; i++)
        assert_true(attack_text(&v, "5a \"direct-tcpip\" #1 #2097152 #32768 \"a\" #80 \"b\" #1"));
    assert_int_equal(v.opened, SSH_CHANNELS_MAX - 1);
    assert_false(v.ended);
    check_memory(512 * KIB);
    victim_end(&v);
}

static void a_thousand_variables_and_forwards(void **state)
{
    struct victim v;
    victim_start(&v, *state, "none", true);
    attack_text(&v, "5a \"session\" #1 #2097152 #32768");
    for (int i = 0; i < 1000; i++) {
        assert_true(attack_text(&v, "62 #1 \"env\" 01 \"LC_ALL\" \"x\""));
        assert_true(attack_text(&v, "50 \"tcpip-forward\" 01 \"\" #0"));
    }
    assert_false(v.ended);
    check_memory(512 * KIB);
    victim_end(&v);
}

static void a_flood_of_single_bytes(void **state)
{
    struct victim v;
    victim_start(&v, *state, "none", true);
    for (int i = 0; i < 10000; i++)
        assert_true(attack_text(&v, "5e #0 \"x\""));
    assert_false(v.ended);
    check_memory(512 * KIB);
    victim_end(&v);
}

static void a_client_that_never_reads(void **state)
{
    struct victim v;
    victim_start(&v, *state, "none", true);
    v.reads = false;
    int sent = 0;
    while (sent < 1000000 && attack_text(&v, "50 \"x\" 01"))
        sent++;
    assert_true(sent > 10000 && sent < 100000);
    assert_false(v.ended);
    assert_true(ssh_out(v.ssh).len <= SSH_OUT_HIGH_BYTES + KIB);
    assert_int_equal(ssh_channel_write(v.ssh, 0, SSH_STDOUT, span_z("output")), 0);
    check_memory(1536 * KIB);
    victim_end(&v);
}

/* The client begins an exchange of keys, leaves it there and goes on asking. */
static void answers_held_back_have_a_limit(void **state)
{
    struct victim v;
    struct buffer init;
    victim_start(&v, *state, "none", true);
    buffer_init(&init, MIB);
    buffer_put_u8(&init, 20);
    for (int i = 0; i < 16; i++)
        buffer_put_u8(&init, 0);
    static const char *const lists_z[] = {
        "curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr", "hmac-sha1",
        "hmac-sha1",         "none",        "none",       "",           ""};
    for (size_t i = 0; i < ARRAY_LEN(lists_z); i++)
        buffer_put_string(&init, span_z(lists_z[i]));
    buffer_put(&init, span_of("\0\0\0\0\0", 5));
    assert_true(attack(&v, buffer_span(&init)));
    int sent = 0;
    while (sent < 1000000 && attack_text(&v, "50 \"x\" 01"))
        sent++;
    assert_true(sent > 1000 && sent < 1000000);
    assert_int_equal(ssh_state(v.ssh), SSH_CLOSE);
    check_memory(1 * MIB);
    buffer_fini(&init);
    victim_end(&v);
}

static void names_as_long_as_a_packet(void **state)
{
    struct victim v;
    victim_start(&v, *state, "none", false);
    assert_true(attack_text(&v, "05 \"ssh-userauth\""));
    struct buffer request;
    buffer_init(&request, MIB);
    buffer_put_u8(&request, 50);
    buffer_put_u32(&request, 200000);
    for (int i = 0; i < 200000; i++)
        buffer_put_u8(&request, 'u');
    buffer_put_string(&request, span_z("ssh-connection"));
    buffer_put_string(&request, span_z("none"));
    assert_true(attack(&v, buffer_span(&request)));
    assert_false(v.ended);
    check_memory(1536 * KIB);
    buffer_fini(&request);
    victim_end(&v);
}

/* ---- Under real keys ---- */

static void a_storm_of_new_keys(void **state)
{
    struct pair p;
    size_t first = 0;
    counting_reset();
    counting_on(true);
    pair_init_on(&p, *state, &ssh_client_defaults, PAIR_WHOLE, 1);
    p.silent = true;
    pair_pump(&p, true);
    pair_login(&p);
    for (int i = 0; i < 200; i++) {
        ssh_client_send_kexinit(p.client);
        pair_pump(&p, true);
        if (i == 9)
            first = counting_live_bytes();
    }
    counting_on(false);
    assert_int_equal(p.client->exchanges, 201);
    assert_int_equal(counting_live_bytes(), first);
    check_memory(1 * MIB);
    pair_fini(&p);
}

static void bombs_of_compressed_data(void **state)
{
    struct pair p;
    struct buffer bomb;
    struct ssh_client_options options = ssh_client_defaults;
    options.comp_z = "zlib@openssh.com";
    options.clear_z = ssh_profile_openssh_9_2p1.version_z;
    buffer_init(&bomb, SSH_ZIP_MAX_BYTES * 2);
    buffer_put_u8(&bomb, 2);
    for (size_t i = 1; i < SSH_ZIP_MAX_BYTES; i++)
        buffer_put_u8(&bomb, 0);
    counting_reset();
    counting_on(true);
    pair_init_on(&p, *state, &options, PAIR_WHOLE, 1);
    p.silent = true;
    pair_login(&p);
    counting_on(false);
    for (int i = 0; i < 100; i++) {
        ssh_client_send(p.client, buffer_span(&bomb));
        counting_on(true);
        pair_pump(&p, true);
        counting_on(false);
    }
    assert_false(p.ended);
    buffer_put_u8(&bomb, 0);
    ssh_client_send(p.client, buffer_span(&bomb));
    pair_pump(&p, true);
    assert_true(p.ended);
    check_memory(2 * MIB);
    buffer_fini(&bomb);
    pair_fini(&p);
}

/* ---- Half-open ---- */

static void a_client_that_says_nothing_is_ended_after_its_time(void **state)
{
    const struct keys_ring *ring = *state;
    static const uint8_t seed[SSH_SEED_BYTES] = {1};
    static const char *const begins_z[] = {"", "SSH-2.0-x", "SSH-2.0-x\r\n", "SSH-2.0-x\r\n\1\1"};
    for (size_t i = 0; i < ARRAY_LEN(begins_z); i++) {
        struct ssh_event event;
        bool ended = false;
        struct ssh *s = ssh_new(ring->server, seed, 0);
        ssh_feed(s, span_z(begins_z[i]), 0);
        while (ssh_next(s, &event))
            ;
        ssh_tick(s, 119 * 1000 * 1000);
        assert_int_equal(ssh_state(s), SSH_OPEN);
        ssh_tick(s, ssh_deadline(s));
        while (ssh_next(s, &event))
            ended = event.type == SSH_EVENT_END;
        assert_true(ended);
        ssh_sent(s, ssh_out(s).len);
        assert_int_not_equal(ssh_state(s), SSH_OPEN);
        ssh_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endless_ignore_and_debug_messages_cost_nothing),
        cmocka_unit_test(a_packet_of_the_greatest_length_fills_no_more_than_its_buffer),
        cmocka_unit_test(windows_that_are_too_large_or_nothing_at_all),
        cmocka_unit_test(a_thousand_channels_are_ten_and_refusals),
        cmocka_unit_test(a_thousand_variables_and_forwards),
        cmocka_unit_test(a_flood_of_single_bytes),
        cmocka_unit_test(a_client_that_never_reads),
        cmocka_unit_test(answers_held_back_have_a_limit),
        cmocka_unit_test(names_as_long_as_a_packet),
        cmocka_unit_test(a_storm_of_new_keys),
        cmocka_unit_test(bombs_of_compressed_data),
        cmocka_unit_test(a_client_that_says_nothing_is_ended_after_its_time),
    };
    counting_init();
    return cmocka_run_group_tests(tests, keys_ring_setup, keys_ring_teardown);
}
