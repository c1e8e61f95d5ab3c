/* Every key exchange, host key, cipher and MAC, at every way of cutting the bytes. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define STRICT ",ext-info-c,kex-strict-c-v00@openssh.com"

static const char *const kex_z[] = {
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
};
static const char *const hostkeys_z[] = {"rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp256",
                                         "ssh-ed25519"};
static const char *const ciphers_z[] = {
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
};
static const char *const macs_z[] = {
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-sha1",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
};

static int set_up(void **state)
{
    static struct keys_ring ring;
    keys_ring_init(&ring, &ssh_profile_openssh_9_2p1);
    *state = &ring;
    return 0;
}

static int tear_down(void **state)
{
    keys_ring_fini(*state);
    return 0;
}

/* Logs in, runs a command, gets its output and its status. */
static void talk(const struct keys_ring *ring, const struct ssh_client_options *options,
                 enum pair_split split)
{
    struct pair p;
    pair_init_on(&p, ring, options, split, 1);
    pair_pump(&p, true);
    if (!p.client->has_keys)
        fail_msg("no keys: %s %s %s %s: %s", options->kex_z, options->hostkey_z,
                 options->cipher_cs_z, options->mac_cs_z,
                 p.client->fault_z ? p.client->fault_z : "refused");
    pair_login(&p);
    pair_open(&p);
    pair_say(&p, "62 #0 \"exec\" 01 \"id\"");
    pair_say(&p, "5e #0 \"hello\"");
    assert_true(pair_saw(&p.events, "request 0 exec 'id' asks"));
    assert_true(pair_saw(&p.events, "data 0 'hello'"));
    ssh_channel_write(p.ssh, 0, SSH_STDOUT, span_z("uid=0\n"));
    ssh_channel_write(p.ssh, 0, SSH_STDERR, span_z("oh"));
    pair_pump(&p, true);
    assert_true(pair_saw(&p.messages, "CHANNEL_DATA 0 'uid=0\\n'"));
    assert_true(pair_saw(&p.messages, "CHANNEL_EXTENDED_DATA 0 1 'oh'"));
    assert_null(p.client->fault_z);
    pair_fini(&p);
}

static void every_cipher_and_mac_works_with_every_split(void **state)
{
    for (size_t c = 0; c < ARRAY_LEN(ciphers_z); c++)
        for (size_t m = 0; m < ARRAY_LEN(macs_z); m++)
            for (int split = PAIR_WHOLE; split <= PAIR_RANDOM; split++) {
                struct ssh_client_options options = ssh_client_defaults;
                options.cipher_cs_z = options.cipher_sc_z = ciphers_z[c];
                options.mac_cs_z = options.mac_sc_z = macs_z[m];
                talk(*state, &options, (enum pair_split)split);
            }
}

static void every_kex_works_with_every_host_key(void **state)
{
    for (size_t k = 0; k < ARRAY_LEN(kex_z); k++)
        for (size_t h = 0; h < ARRAY_LEN(hostkeys_z); h++) {
            struct ssh_client_options options = ssh_client_defaults;
            char list_z[128];
            snprintf(list_z, sizeof(list_z), "%s%s", kex_z[k], h % 2 ? STRICT : "");
            options.kex_z = list_z;
            options.hostkey_z = hostkeys_z[h];
            talk(*state, &options, k % 2 ? PAIR_WHOLE : PAIR_RANDOM);
        }
}

static void the_largest_group_works(void **state)
{
    struct ssh_client_options options = ssh_client_defaults;
    options.kex_z = "diffie-hellman-group18-sha512";
    talk(*state, &options, PAIR_WHOLE);
}

static void directions_are_negotiated_apart(void **state)
{
    for (size_t c = 0; c < ARRAY_LEN(ciphers_z); c++) {
        struct ssh_client_options options = ssh_client_defaults;
        options.cipher_cs_z = ciphers_z[c];
        options.cipher_sc_z = ciphers_z[ARRAY_LEN(ciphers_z) - 1 - c];
        options.mac_sc_z = "hmac-sha2-512-etm@openssh.com";
        talk(*state, &options, PAIR_RANDOM);
    }
}

static void an_aead_cipher_needs_no_common_mac(void **state)
{
    struct ssh_client_options options = ssh_client_defaults;
    options.cipher_cs_z = options.cipher_sc_z = "aes256-gcm@openssh.com";
    options.mac_cs_z = options.mac_sc_z = "";
    talk(*state, &options, PAIR_WHOLE);
}

static void what_is_not_common_ends_in_silence(void **state)
{
    for (int field = 0; field < 5; field++) {
        struct ssh_client_options options = ssh_client_defaults;
        const char **names[] = {&options.kex_z, &options.hostkey_z, &options.cipher_sc_z,
                                &options.mac_cs_z, &options.comp_z};
        struct pair p;
        *names[field] = "none-of-ours";
        options.by_hand = true;
        pair_init_on(&p, *state, &options, PAIR_WHOLE, 1);
        ssh_client_send_kexinit(p.client);
        pair_pump(&p, true);
        assert_true(p.ended);
        assert_false(pair_saw(&p.messages, "DISCONNECT"));
        pair_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cipher_and_mac_works_with_every_split),
        cmocka_unit_test(every_kex_works_with_every_host_key),
        cmocka_unit_test(the_largest_group_works),
        cmocka_unit_test(directions_are_negotiated_apart),
        cmocka_unit_test(an_aead_cipher_needs_no_common_mac),
        cmocka_unit_test(what_is_not_common_ends_in_silence),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
