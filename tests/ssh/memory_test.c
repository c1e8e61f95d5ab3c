/* Memory runs out: each allocation of a whole session fails once. The connection ends by itself, all is
 * given back, and whatever was no failure goes on as ever. */
#include "counting.h"
#include "pair.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RECORD_MAX_BYTES = 1 << 20, OUT_PIECE_BYTES = 1000 };

/* The client's bytes of a session that does a bit of everything. */
static void record(const struct keys_ring *ring, const char *kex_z, const char *comp_z,
                   struct buffer *bytes)
{
    struct ssh_client_options options = ssh_client_defaults;
    struct pair p;
    options.kex_z = kex_z;
    options.comp_z = comp_z;
    pair_init_on(&p, ring, &options, PAIR_WHOLE, 1);
    p.record = bytes;
    pair_pump(&p, true);
    pair_login(&p);
    /* Here, for the keys depend on how much randomness the packets before them took. */
    ssh_client_send_kexinit(p.client);
    pair_say(&p, "50 \"tcpip-forward\" 01 \"\" #0");
    pair_say(&p, "50 \"hostkeys-prove-00@openssh.com\" 01 \"x\"");
    pair_say(&p, "5a \"direct-tcpip\" #1 #2097152 #32768 \"a\" #80 \"b\" #1");
    pair_open(&p);
    pair_say(&p, "62 #1 \"pty-req\" 01 \"xterm\" #80 #24 #0 #0 \"\"");
    pair_say(&p, "62 #1 \"exec\" 01 \"cat\"");
    pair_say(&p, "5e #1 \"some input\"");
    pair_say(&p, "5e #1 \"some more input\"");
    pair_say(&p, "60 #1");
    pair_say(&p, "01 #11 \"bye\" \"\"");
    assert_null(p.client->fault_z);
    pair_fini(&p);
}

static void answer(struct ssh *s, const struct ssh_event *event)
{
    switch (event->type) {
    case SSH_EVENT_AUTH: ssh_auth_accept(s); break;
    case SSH_EVENT_GLOBAL_REQUEST: ssh_global_answer(s, true, 0); break;
    case SSH_EVENT_FORWARD: ssh_forward_accept(s, event->forward.channel); break;
    case SSH_EVENT_CHANNEL_REQUEST:
        if (event->request.needs_answer)
            ssh_channel_request_accept(s, event->request.channel);
        break;
    case SSH_EVENT_CHANNEL_DATA:
        ssh_channel_consumed(s, event->data.channel, event->data.bytes.len);
        ssh_channel_echo(s, event->data.channel, false);
        ssh_channel_write(s, event->data.channel, SSH_STDOUT, span_z("output"));
        break;
    default: break;
    }
}

/* The server's side alone, on recorded bytes. True: it came to the client's good-bye. */
static bool replay(const struct ssh_server *server, struct span bytes)
{
    static const uint8_t seed[SSH_SEED_BYTES] = {1, 's'};
    struct ssh_event event = {.type = SSH_EVENT_VERSION};
    bool said_bye = false;
    struct ssh *s = ssh_new(server, seed, 0);
    if (!s)
        return false;
    while (bytes.len && ssh_state(s) == SSH_OPEN) {
        size_t n = ssh_feed(s, span_slice(bytes, 0, OUT_PIECE_BYTES), 0);
        bytes = span_slice(bytes, n, bytes.len);
        while (ssh_next(s, &event)) {
            said_bye = event.type == SSH_EVENT_DISCONNECT;
            answer(s, &event);
        }
        while (ssh_out(s).len)
            ssh_sent(s, ssh_out(s).len);
    }
    bool good = ssh_error(s) == 0;
    if (!said_bye) {
        /* Nothing but our own trouble keeps a good client from its good-bye. */
        if (good)
            fail_msg("call %d: event %d %s", (int)counting_calls(), event.type,
                     event.type == SSH_EVENT_ERROR ? event.error.text_z : "");
        assert_int_not_equal(ssh_state(s), SSH_OPEN);
        assert_int_equal(ssh_feed(s, span_z("more"), 0), 0);
        assert_int_equal(ssh_next(s, &event), 0);
    }
    ssh_free(s);
    return said_bye && good;
}

static void fail_each(const struct keys_ring *ring, const char *kex_z, const char *comp_z)
{
    struct buffer bytes;
    buffer_init(&bytes, RECORD_MAX_BYTES);
    record(ring, kex_z, comp_z, &bytes);
    assert_true(replay(ring->server, buffer_span(&bytes)));
    uint64_t call = 0, fatal = 0;
    do {
        counting_on(true);
        counting_reset();
        counting_fail_at(++call);
        size_t before = counting_live_bytes();
        fatal += !replay(ring->server, buffer_span(&bytes));
        counting_fail_at(0);
        counting_on(false);
        if (counting_live_bytes() != before)
            fail_msg("%s: call %d leaves %zd bytes", kex_z, (int)call,
                     (ssize_t)(counting_live_bytes() - before));
    } while (counting_has_failed());
    assert_true(call > 30 && fatal > 30);
    buffer_fini(&bytes);
}

static void each_allocation_may_fail(void **state)
{
    const struct keys_ring *ring = *state;
    fail_each(ring, "curve25519-sha256,ext-info-c", "none");
    fail_each(ring, "curve25519-sha256,kex-strict-c-v00@openssh.com", "zlib@openssh.com");
    fail_each(ring, "ecdh-sha2-nistp256", "none");
    fail_each(ring, "diffie-hellman-group14-sha256", "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
    };
    counting_init();
    return cmocka_run_group_tests(tests, keys_ring_setup, keys_ring_teardown);
}
