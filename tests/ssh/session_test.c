/* Whole sessions: flow control, new keys in the middle, damage on the way, times of refusals. */
#include "pair.h"

#include "ssh/fingerprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LARGE_BYTES = 1500 * 1000 };

static const struct ssh_profile *const profile = &ssh_profile_openssh_9_2p1;

static void start(struct pair *p, enum pair_split split)
{
    pair_init(p, profile, &ssh_client_defaults, split, 1);
    pair_pump(p, true);
    pair_login(p);
    pair_open(p);
}

/* Bytes that tell where they are in the stream. */
static void fill(struct buffer *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buffer_put_u8(b, (uint8_t)(i * 7 + i / 251));
}

static void check_filled(const struct buffer *b, size_t len)
{
    struct buffer expected;
    buffer_init(&expected, len);
    fill(&expected, len);
    assert_true(span_equal(buffer_span(b), buffer_span(&expected)));
    buffer_fini(&expected);
}

/* ---- Flow control ---- */

static void output_waits_for_the_clients_window(void **state)
{
    (void)state;
    struct pair p;
    start(&p, PAIR_RANDOM);
    pair_say(&p, "62 #0 \"exec\" 01 \"big\"");
    fill(&p.pending, 3 * 1000 * 1000);
    p.silent = true;
    pair_pump(&p, true);
    assert_int_equal(buffer_len(&p.output), 2097152);
    pair_say(&p, "5d #0 #1");
    assert_int_equal(buffer_len(&p.output), 2097153);
    pair_say(&p, "5d #0 #2000000");
    check_filled(&p.output, 3 * 1000 * 1000);
    pair_fini(&p);
}

static void output_keeps_to_the_clients_packet_size(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, profile, &ssh_client_defaults, PAIR_BYTES, 1);
    pair_pump(&p, true);
    pair_login(&p);
    pair_say(&p, "5a \"session\" #7 #1000 #4");
    pair_say(&p, "62 #0 \"shell\" 00");
    buffer_clear(&p.messages);
    ssh_channel_write(p.ssh, 0, SSH_STDOUT, span_z("abcdefghij"));
    pair_pump(&p, true);
    assert_true(span_equal_z(buffer_span(&p.messages), "CHANNEL_DATA 7 'abcd'\n"
                                                       "CHANNEL_DATA 7 'efgh'\n"
                                                       "CHANNEL_DATA 7 'ij'\n"));
    pair_fini(&p);
}

/* Sends so much in packets of the greatest size. */
static void send_input(struct pair *p, size_t len)
{
    struct buffer payload, data;
    buffer_init(&payload, LARGE_BYTES * 4);
    buffer_init(&data, LARGE_BYTES * 4);
    fill(&data, len);
    while (buffer_len(&data)) {
        struct span piece = span_slice(buffer_span(&data), 0, 32768);
        buffer_clear(&payload);
        buffer_put_u8(&payload, 94);
        buffer_put_u32(&payload, 0);
        buffer_put_string(&payload, piece);
        ssh_client_send(p->client, buffer_span(&payload));
        buffer_take(&data, piece.len);
    }
    pair_pump(p, true);
    buffer_fini(&payload);
    buffer_fini(&data);
}

static void window_comes_back_as_input_is_consumed(void **state)
{
    (void)state;
    struct pair p;
    start(&p, PAIR_RANDOM);
    pair_say(&p, "62 #0 \"exec\" 01 \"cat\"");
    send_input(&p, LARGE_BYTES);
    check_filled(&p.input, LARGE_BYTES);
    /* More than three packets: 131072 a time. */
    assert_true(pair_saw(&p.messages, "CHANNEL_WINDOW_ADJUST 0 131072"));
    pair_fini(&p);
}

static void a_client_that_ignores_the_window_is_dropped(void **state)
{
    (void)state;
    struct pair p;
    start(&p, PAIR_WHOLE);
    pair_say(&p, "62 #0 \"exec\" 01 \"cat\"");
    p.consume_limit = 0;
    send_input(&p, 2097152 + 200000);
    assert_false(p.ended);
    send_input(&p, 32768);
    assert_true(pair_saw(&p.messages, "DISCONNECT 2 'Channel 0: peer ignored channel window' ''"));
    assert_true(p.ended);
    pair_fini(&p);
}

/* ---- New keys ---- */

static void the_client_may_ask_for_new_keys_at_any_time(void **state)
{
    (void)state;
    struct pair p;
    start(&p, PAIR_RANDOM);
    pair_say(&p, "62 #0 \"exec\" 01 \"big\"");
    p.silent = true;
    for (unsigned i = 0; i < 5; i++) {
        ssh_client_send_kexinit(p.client);

        buffer_put_z(&p.pending, "some output");
        pair_say(&p, "5e #0 \"some input\"");
        assert_int_equal(p.client->exchanges, 2 + i);
        assert_int_equal(buffer_len(&p.output), 11 * (i + 1));
        assert_int_equal(buffer_len(&p.input), 10 * (i + 1));
    }
    assert_null(p.client->fault_z);
    pair_fini(&p);
}

static void the_server_asks_for_new_keys_by_volume(void **state)
{
    (void)state;
    struct ssh_profile small = *profile;
    struct pair p;
    small.rekey_blocks = 4096; /* 64 KiB of AES */
    pair_init(&p, &small, &ssh_client_defaults, PAIR_RANDOM, 1);
    pair_pump(&p, true);
    pair_login(&p);
    pair_open(&p);
    pair_say(&p, "62 #0 \"exec\" 01 \"big\"");
    p.silent = true;
    fill(&p.pending, LARGE_BYTES);
    pair_pump(&p, true);
    check_filled(&p.output, LARGE_BYTES);
    assert_null(p.client->fault_z);
    assert_true(p.client->exchanges > 5);
    pair_fini(&p);
}

static void compression_begins_with_the_login_and_anew_with_new_keys(void **state)
{
    (void)state;
    struct ssh_client_options options = ssh_client_defaults;
    struct pair p;
    options.comp_z = "zlib@openssh.com";
    pair_init(&p, profile, &options, PAIR_RANDOM, 1);
    pair_pump(&p, true);
    pair_login(&p);
    pair_open(&p);
    pair_say(&p, "62 #0 \"exec\" 01 \"cat\"");
    p.silent = true;
    for (unsigned i = 1; i <= 3; i++) {
        size_t before = p.to_server;
        buffer_clear(&p.input);
        send_input(&p, LARGE_BYTES);
        check_filled(&p.input, LARGE_BYTES);
        assert_true(p.to_server - before < LARGE_BYTES / 2);
        buffer_clear(&p.output);
        fill(&p.pending, 200 * 1000);
        pair_pump(&p, true);
        check_filled(&p.output, 200 * 1000);
        ssh_client_send_kexinit(p.client);
        pair_pump(&p, true);
        assert_int_equal(p.client->exchanges, 1 + i);
    }
    assert_null(p.client->fault_z);
    pair_fini(&p);
}

static void what_unfolds_to_too_much_ends_the_connection(void **state)
{
    (void)state;
    struct ssh_client_options options = ssh_client_defaults;
    struct pair p;
    struct buffer bomb;
    options.comp_z = "zlib@openssh.com";
    pair_init(&p, profile, &options, PAIR_WHOLE, 1);
    pair_pump(&p, true);
    pair_login(&p);
    buffer_init(&bomb, SSH_ZIP_MAX_BYTES * 2);
    for (size_t i = 0; i < SSH_ZIP_MAX_BYTES + 1; i++)
        buffer_put_u8(&bomb, 2);
    ssh_client_send(p.client, buffer_span(&bomb));
    pair_pump(&p, true);
    assert_true(pair_saw(&p.events, "error -1 bad compressed data") ||
                pair_saw(&p.events, "error 2 bad compressed data"));
    assert_true(p.ended);
    buffer_fini(&bomb);
    pair_fini(&p);
}

static void what_is_answered_during_an_exchange_waits_for_its_end(void **state)
{
    (void)state;
    struct pair p;
    start(&p, PAIR_WHOLE);
    ssh_client_send_kexinit(p.client);
    /* By hand now: the client does not go on with the exchange. */
    p.client->options.by_hand = true;
    ssh_client_send_now(p.client, span_of("\x50\0\0\0\x01x\x01", 7));
    pair_pump(&p, true);
    assert_false(pair_saw(&p.messages, "REQUEST_FAILURE"));
    assert_false(p.ended);
    pair_fini(&p);
}

/* ---- Damage ---- */

/* A login and some input, one bit of the client's bytes flipped. True when nothing that came at or
 * after the damage was taken for good. */
static bool survives_flip(const struct keys_ring *ring, const struct ssh_client_options *options,
                          size_t at, size_t *total)
{
    struct pair p;
    pair_init_on(&p, ring, options, PAIR_WHOLE, 1);
    pair_pump(&p, true);
    pair_login(&p);
    pair_open(&p);
    pair_say(&p, "62 #0 \"exec\" 01 \"cat\"");
    p.flip_at = at == SIZE_MAX ? SIZE_MAX : p.to_server + at;
    size_t before = p.to_server;
    pair_say(&p, "5e #0 \"good morning, this is a line\"");
    *total = p.to_server - before;
    bool untouched = buffer_len(&p.input) == 0;
    /* A length that became longer waits for bytes that never come; then the tag cannot match. */
    for (int i = 0; i < 9000 && !p.ended && at != SIZE_MAX; i++) {
        ssh_client_send(p.client, span_of("\x02\0\0\0\0", 5));
        if (i % 100 == 0)
            pair_pump(&p, true);
    }
    pair_pump(&p, true);
    bool good = at == SIZE_MAX ? !untouched : untouched && buffer_len(&p.input) == 0 && p.ended;
    pair_fini(&p);
    return good;
}

static void one_flipped_bit_ends_the_connection(void **state)
{
    (void)state;
    static const char *const suites_z[][2] = {
        {"chacha20-poly1305@openssh.com", ""},
        {"aes128-ctr", "hmac-sha2-256"},
        {"aes256-ctr", "hmac-sha2-512-etm@openssh.com"},
        {"aes256-gcm@openssh.com", ""},
    };
    struct keys_ring ring;
    keys_ring_init(&ring, profile);
    for (size_t i = 0; i < ARRAY_LEN(suites_z); i++) {
        struct ssh_client_options options = ssh_client_defaults;
        size_t total, ignored;
        options.cipher_cs_z = suites_z[i][0];
        options.mac_cs_z = suites_z[i][1];
        assert_true(survives_flip(&ring, &options, SIZE_MAX, &total));
        for (size_t at = 0; at < total; at++)
            if (!survives_flip(&ring, &options, at, &ignored))
                fail_msg("%s: byte %zu of %zu", suites_z[i][0], at, total);
    }
    keys_ring_fini(&ring);
}

/* All events, everything sent. True: the last event was the client's end. */
static bool drain(struct pair *p)
{
    struct ssh_event event;
    struct span message;
    bool ended = false;
    for (bool moved = true; moved;) {
        moved = false;
        while (ssh_next(p->ssh, &event)) {
            ended = event.type == SSH_EVENT_END;
            moved = true;
        }
        struct span reply = ssh_out(p->ssh);
        moved = moved || reply.len > 0;
        ssh_client_feed(p->client, reply);
        ssh_sent(p->ssh, reply.len);
        while (ssh_client_next(p->client, &message))
            ;
    }
    return ended;
}

/* The client's bytes of a whole session, then the session again, cut short at every place. */
static void a_session_cut_short_anywhere_ends_in_order(void **state)
{
    (void)state;
    struct keys_ring ring;
    struct pair whole;
    start(&whole, PAIR_WHOLE);
    size_t total = whole.to_server;
    pair_fini(&whole);
    keys_ring_init(&ring, profile);
    for (size_t cut = 0; cut < total; cut += 1 + cut / 64) {
        struct pair p;
        pair_init_on(&p, &ring, &ssh_client_defaults, PAIR_BYTES, 1);
        drain(&p);
        while (p.to_server < cut && ssh_state(p.ssh) == SSH_OPEN) {
            struct span out = ssh_client_out(p.client);
            if (!out.len)
                break;
            assert_int_equal(ssh_feed(p.ssh, span_slice(out, 0, 1), 0), 1);
            ssh_client_sent(p.client, 1);
            p.to_server++;
            drain(&p);
        }
        ssh_feed_end(p.ssh, 0);
        assert_true(drain(&p));
        assert_int_equal(ssh_state(p.ssh), SSH_CLOSE);
        assert_int_equal(ssh_feed(p.ssh, span_z("more"), 0), 0);
        pair_fini(&p);
    }
    keys_ring_fini(&ring);
}

/* ---- Refusals and their times ---- */

static int64_t time_of_refusal(struct pair *p, const char *tokens_z)
{
    int64_t before = p->now_us;
    pair_say(p, tokens_z);
    return p->now_us - before;
}

static void refusals_take_a_base_times_a_power_of_two(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, profile, &ssh_client_defaults, PAIR_WHOLE, 1);
    pair_pump(&p, true);
    pair_say(&p, "05 \"ssh-userauth\"");
    int64_t base = time_of_refusal(&p, "32 \"bob\" \"ssh-connection\" \"none\"");
    assert_true(base >= 5000 && base <= 9295);
    for (int i = 0; i < 4; i++) {
        int64_t took =
            time_of_refusal(&p, "32 \"bob\" \"ssh-connection\" \"password\" 00 \"wrong\"");
        assert_true(took >= 1000 * 1000 && took < 6000 * 1000);
        int64_t ratio = (took + base / 2) / base;
        assert_int_equal(ratio & (ratio - 1), 0);
    }
    /* An empty password is not even asked about. */
    assert_int_equal(time_of_refusal(&p, "32 \"bob\" \"ssh-connection\" \"password\" 00 \"\"") / 2,
                     base / 2);
    pair_fini(&p);
}

static void the_sixth_failure_ends_the_connection(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, profile, &ssh_client_defaults, PAIR_WHOLE, 1);
    pair_pump(&p, true);
    pair_say(&p, "05 \"ssh-userauth\"");
    for (int i = 0; i < 5; i++) {
        pair_say(&p, "32 \"bob\" \"ssh-connection\" \"password\" 00 \"wrong\"");
        assert_false(p.ended);
    }
    pair_say(&p, "32 \"bob\" \"ssh-connection\" \"password\" 00 \"wrong\"");
    assert_true(pair_saw(&p.messages, "DISCONNECT 2 'Too many authentication failures' ''"));
    assert_true(p.ended);
    pair_fini(&p);
}

/* Moves to the machine's next deadline: how far that was. */
static int64_t wait_once(struct pair *p)
{
    int64_t waited_us = ssh_deadline(p->ssh) - p->now_us;
    p->now_us += waited_us;
    ssh_tick(p->ssh, p->now_us);
    pair_pump(p, false);
    return waited_us;
}

static void a_login_that_never_comes_is_ended_after_two_minutes(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, profile, &ssh_client_defaults, PAIR_WHOLE, 1);
    pair_pump(&p, true);
    assert_int_equal(ssh_deadline(p.ssh), 120 * 1000 * 1000);
    p.now_us = 120 * 1000 * 1000;
    ssh_tick(p.ssh, p.now_us);
    pair_pump(&p, false);
    assert_true(pair_saw(&p.events, "end"));
    assert_true(p.ended);
    pair_fini(&p);
}

static void after_login_there_is_no_deadline(void **state)
{
    (void)state;
    struct pair p;
    start(&p, PAIR_WHOLE);
    assert_true(ssh_deadline(p.ssh) == INT64_MAX);
    pair_fini(&p);
}

/* ClientAliveInterval: asked on a channel when there is one, and left in silence. */
static void a_silent_client_is_asked_and_then_left(void **state)
{
    struct ssh_profile watchful = *profile;
    struct pair p;
    (void)state;
    watchful.alive_interval_ms = 15 * 1000;
    watchful.alive_count_max = 2;
    pair_init(&p, &watchful, &ssh_client_defaults, PAIR_WHOLE, 1);
    pair_pump(&p, true);
    pair_login(&p);
    assert_int_equal(wait_once(&p), 15 * 1000 * 1000);
    assert_true(pair_saw(&p.messages, "GLOBAL_REQUEST 'keepalive@openssh.com' 1 +0"));
    pair_open(&p);
    assert_int_equal(wait_once(&p), 15 * 1000 * 1000);
    assert_true(pair_saw(&p.messages, "CHANNEL_REQUEST 0 'keepalive@openssh.com' 1 +0"));
    /* Any packet is a sign of life. */
    pair_say(&p, "02");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wait_once(&p), 15 * 1000 * 1000);
        assert_false(p.ended);
    }
    buffer_clear(&p.messages);
    assert_int_equal(wait_once(&p), 15 * 1000 * 1000);
    assert_true(p.ended);
    assert_int_equal(buffer_len(&p.messages), 0);
    assert_true(pair_saw(&p.events, "end"));
    pair_fini(&p);
}

/* ---- What the transport sees ---- */

/* Two requests arrive at once: the second one is read when the answer to the first one is out. */
static void before_the_login_every_answer_is_a_write_of_its_own(void **state)
{
    (void)state;
    struct pair p;
    struct ssh_event event;
    pair_init(&p, profile, &ssh_client_defaults, PAIR_WHOLE, 1);
    pair_pump(&p, true);
    ssh_client_send(p.client, span_of("\5\0\0\0\014ssh-userauth", 17));
    ssh_client_send(p.client, span_of("\5\0\0\0\014ssh-userauth", 17));
    struct span two = ssh_client_out(p.client);
    assert_int_equal(ssh_feed(p.ssh, two, p.now_us), two.len);
    ssh_client_sent(p.client, two.len);
    assert_int_equal(ssh_next(p.ssh, &event), 1);
    assert_int_equal(event.type, SSH_EVENT_SERVICE);
    assert_int_equal(ssh_next(p.ssh, &event), 0);
    size_t first = ssh_out(p.ssh).len;
    ssh_client_feed(p.client, ssh_out(p.ssh));
    ssh_sent(p.ssh, first);
    assert_int_equal(ssh_next(p.ssh, &event), 1);
    assert_int_equal(event.type, SSH_EVENT_SERVICE);
    assert_int_equal(ssh_next(p.ssh, &event), 0);
    assert_int_equal(ssh_out(p.ssh).len, first);
    pair_fini(&p);
}

/* OpenSSH reads 8192 bytes at a time, and the identification line byte by byte. */
static void no_more_is_read_than_the_real_server_reads(void **state)
{
    (void)state;
    static const uint8_t bytes[20000] = {0};
    struct ssh_client_options by_hand = ssh_client_defaults;
    struct pair p;
    by_hand.by_hand = true;
    pair_init(&p, profile, &by_hand, PAIR_WHOLE, 1);
    drain(&p);
    assert_int_equal(ssh_feed(p.ssh, span_z("SSH-2.0-x\r\nmore"), 0), 11);
    assert_int_equal(ssh_feed(p.ssh, span_z("more"), 0), 0);
    drain(&p);
    /* A packet of no length is fatal, and 11808 bytes are left unread. */
    assert_int_equal(ssh_feed(p.ssh, span_of(bytes, sizeof(bytes)), 0), 8192);
    drain(&p);
    assert_int_equal(ssh_state(p.ssh), SSH_ABORT);
    pair_fini(&p);
}

static void traffic_is_marked_by_the_first_program(void **state)
{
    (void)state;
    struct pair p;
    start(&p, PAIR_WHOLE);
    assert_int_equal(ssh_traffic(p.ssh), -1);
    pair_say(&p, "62 #0 \"exec\" 01 \"cat\"");
    assert_int_equal(ssh_traffic(p.ssh), 0x08);
    pair_say(&p, "5a \"session\" #1 #2097152 #32768");
    pair_say(&p, "62 #1 \"pty-req\" 01 \"xterm\" #80 #24 #0 #0 \"\"");
    pair_say(&p, "62 #1 \"shell\" 01");
    assert_int_equal(ssh_traffic(p.ssh), 0x08);
    pair_fini(&p);
    start(&p, PAIR_WHOLE);
    pair_say(&p, "62 #0 \"pty-req\" 01 \"xterm\" #80 #24 #0 #0 \"\"");
    assert_int_equal(ssh_traffic(p.ssh), -1);
    pair_say(&p, "62 #0 \"shell\" 01");
    assert_int_equal(ssh_traffic(p.ssh), 0x10);
    pair_fini(&p);
}

/* ---- Time ---- */

static void assert_waits(struct pair *p, enum ssh_wait step)
{
    const struct ssh_profile_wait *wait = &profile->waits[step];
    assert_int_equal(ssh_out(p->ssh).len, 0);
    assert_in_range(wait_once(p), wait->low_us, wait->high_us);
}

static void each_step_takes_the_real_servers_time(void **state)
{
    (void)state;
    struct pair p;
    struct keys_ring ring;
    keys_ring_init(&ring, profile);
    ssh_server_set_waits(ring.server, true);
    pair_init_on(&p, &ring, &ssh_client_defaults, PAIR_WHOLE, 1);
    pair_pump(&p, false);
    assert_false(p.client->have_version);
    assert_waits(&p, SSH_WAIT_VERSION);
    assert_true(p.client->have_version);
    assert_int_equal(buffer_len(&p.client->server_init), 0);
    assert_waits(&p, SSH_WAIT_KEXINIT);
    assert_true(buffer_len(&p.client->server_init) > 0);
    assert_waits(&p, SSH_WAIT_KEYS);
    assert_true(p.client->has_keys);
    /* A right password is let in at base * 2^k, the first that is not below the wait. */
    ssh_client_send(p.client, span_of("\5\0\0\0\014ssh-userauth", 17));
    pair_pump(&p, false);
    ssh_client_send(
        p.client,
        span_of("\x32\0\0\0\1a\0\0\0\x0essh-connection\0\0\0\x08password\0\0\0\0\6secret", 47));
    pair_pump(&p, false);
    assert_in_range(wait_once(&p), profile->waits[SSH_WAIT_LOGIN].low_us,
                    2 * profile->waits[SSH_WAIT_LOGIN].high_us);
    assert_true(p.client->logged_in);
    assert_false(pair_saw(&p.messages, "USERAUTH_FAILURE 'publickey,password' 0"));
    assert_waits(&p, SSH_WAIT_SESSION);
    pair_fini(&p);
    keys_ring_fini(&ring);
}

static void new_clients_are_dropped_as_max_startups_says(void **state)
{
    (void)state;
    enum { TIMES = 2000 };
    static const struct {
        uint32_t startups, least, most; /* of TIMES */
    } rows[] = {{0, 0, 0},
                {9, 0, 0},
                {10, 500, 700},
                {55, 1200, 1400},
                {99, 1900, TIMES - 1},
                {100, TIMES, TIMES},
                {5000, TIMES, TIMES}};
    static const uint8_t seed[SSH_SEED_BYTES] = {7};
    struct ssh_server *server = keys_server(profile);
    struct crypto_rng rng;
    crypto_rng_init(&rng, seed);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t dropped = 0;
        for (unsigned n = 0; n < TIMES; n++)
            dropped += ssh_server_drops(server, rows[i].startups, 0, &rng);
        assert_in_range(dropped, rows[i].least, rows[i].most);
    }
    struct ssh *s = ssh_new_dropped(server, seed, 0);
    assert_true(span_equal_z(ssh_out(s), "Exceeded MaxStartups\r\n"));
    assert_int_equal(ssh_state(s), SSH_CLOSE);
    assert_int_equal(ssh_feed(s, span_z("SSH-2.0-x\r\n"), 0), 0);
    ssh_free(s);
    ssh_server_free(server);
}

static void nothing_but_a_password_can_be_accepted(void **state)
{
    (void)state;
    struct pair p;
    struct ssh_event event;
    pair_init(&p, profile, &ssh_client_defaults, PAIR_WHOLE, 1);
    pair_pump(&p, true);
    pair_say(&p, "05 \"ssh-userauth\"");
    ssh_client_send(p.client, span_of("\x32\0\0\0\1a\0\0\0\x0essh-connection\0\0\0\4none", 32));
    struct span out = ssh_client_out(p.client);
    ssh_feed(p.ssh, out, p.now_us);
    ssh_client_sent(p.client, out.len);
    assert_int_equal(ssh_next(p.ssh, &event), 1);
    assert_int_equal(event.type, SSH_EVENT_AUTH);
    /* Nothing goes on before the answer. */
    assert_int_equal(ssh_next(p.ssh, &event), 0);
    ssh_auth_accept(p.ssh);
    pair_pump(&p, true);
    assert_true(pair_saw(&p.messages, "USERAUTH_FAILURE 'publickey,password' 0"));
    pair_fini(&p);
}

/* ---- Back-pressure ---- */

static void a_client_that_does_not_read_is_not_read_from(void **state)
{
    (void)state;
    struct pair p;
    start(&p, PAIR_WHOLE);
    struct ssh_event event;
    size_t taken = 1, rounds = 0;
    while (taken && rounds++ < 100000) {
        ssh_client_send(p.client, span_of("\x50\0\0\0\1x\1", 7));
        struct span out = ssh_client_out(p.client);
        taken = ssh_feed(p.ssh, out, p.now_us);
        ssh_client_sent(p.client, taken);
        while (ssh_next(p.ssh, &event))
            ;
    }
    assert_int_equal(taken, 0);
    assert_int_equal(ssh_state(p.ssh), SSH_OPEN);
    assert_true(ssh_out(p.ssh).len < SSH_OUT_HIGH_BYTES + 1024);
    /* Once it reads, all goes on. */
    pair_pump(&p, true);
    assert_false(p.ended);
    pair_fini(&p);
}

static void the_same_seed_and_input_give_the_same_bytes(void **state)
{
    (void)state;
    struct buffer first;
    buffer_init(&first, 1 << 20);
    for (int run = 0; run < 2; run++) {
        struct pair p;
        pair_init(&p, profile, &ssh_client_defaults, PAIR_WHOLE, 9);
        ssh_feed(p.ssh, ssh_client_out(p.client), 0);
        ssh_client_sent(p.client, ssh_client_out(p.client).len);
        struct ssh_event event;
        while (ssh_next(p.ssh, &event))
            ;
        ssh_sent(p.ssh, ssh_out(p.ssh).len);
        struct span out = ssh_out(p.ssh);
        if (run == 0)
            buffer_put(&first, out);
        else
            assert_true(span_equal(buffer_span(&first), out));
        pair_fini(&p);
    }
    buffer_fini(&first);
}

static void fingerprints_are_those_of_ssh_keygen(void **state)
{
    (void)state;
    char sha256_z[SSH_FINGERPRINT_SHA256_CHARS];
    char hassh_z[SSH_HASSH_CHARS];
    struct span blob = SPAN_LIT("abc");
    struct ssh_event_kexinit kexinit = {.kex = span_z("a,b"),
                                        .cipher_cs = span_z("c"),
                                        .mac_cs = span_z("d"),
                                        .comp_cs = span_z("none")};
    ssh_fingerprint_sha256(blob, sha256_z);
    struct crypto_suite *suite = crypto_suite_new();
    assert_non_null(suite);
    ssh_fingerprint_hassh(suite, &kexinit, hassh_z);
    crypto_suite_free(suite);
    assert_string_equal(sha256_z, "SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0");
    assert_string_equal(hassh_z, "27cf8f3fc7ebe14f501a91434b6d3d26");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_waits_for_the_clients_window),
        cmocka_unit_test(output_keeps_to_the_clients_packet_size),
        cmocka_unit_test(window_comes_back_as_input_is_consumed),
        cmocka_unit_test(a_client_that_ignores_the_window_is_dropped),
        cmocka_unit_test(the_client_may_ask_for_new_keys_at_any_time),
        cmocka_unit_test(the_server_asks_for_new_keys_by_volume),
        cmocka_unit_test(compression_begins_with_the_login_and_anew_with_new_keys),
        cmocka_unit_test(what_unfolds_to_too_much_ends_the_connection),
        cmocka_unit_test(what_is_answered_during_an_exchange_waits_for_its_end),
        cmocka_unit_test(one_flipped_bit_ends_the_connection),
        cmocka_unit_test(a_session_cut_short_anywhere_ends_in_order),
        cmocka_unit_test(refusals_take_a_base_times_a_power_of_two),
        cmocka_unit_test(the_sixth_failure_ends_the_connection),
        cmocka_unit_test(a_login_that_never_comes_is_ended_after_two_minutes),
        cmocka_unit_test(after_login_there_is_no_deadline),
        cmocka_unit_test(a_silent_client_is_asked_and_then_left),
        cmocka_unit_test(before_the_login_every_answer_is_a_write_of_its_own),
        cmocka_unit_test(no_more_is_read_than_the_real_server_reads),
        cmocka_unit_test(traffic_is_marked_by_the_first_program),
        cmocka_unit_test(each_step_takes_the_real_servers_time),
        cmocka_unit_test(new_clients_are_dropped_as_max_startups_says),
        cmocka_unit_test(nothing_but_a_password_can_be_accepted),
        cmocka_unit_test(a_client_that_does_not_read_is_not_read_from),
        cmocka_unit_test(the_same_seed_and_input_give_the_same_bytes),
        cmocka_unit_test(fingerprints_are_those_of_ssh_keygen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
