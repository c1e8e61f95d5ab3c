/* The messages of each key exchange, group exchange and sntrup761 included, in any order and of any
 * contents: src/ssh/kex.c, moduli.c, mpint.c, src/crypto/kx.c, sntrup761.c. The input is the method and
 * the host key, then a list of messages (tests/ssh/talk.h). A message of no length is a public value as
 * an honest client sends it. */
#include "ssh/message.h"
#include "ssh/mpint.h"
#include "talk.h"

#include "crypto/sntrup761.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_MAX_BYTES = 200 * 1024, MODULI_MAX_BYTES = 64 * 1024 };

static const char *const methods_z[] = {
    "curve25519-sha256",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group-exchange-sha256",
    "sntrup761x25519-sha512@openssh.com",
    "diffie-hellman-group16-sha512",
    "curve25519-sha256,kex-strict-c-v00@openssh.com",
};

static const char *const hostkeys_z[] = {"ssh-ed25519", "ecdsa-sha2-nistp256"};

/* Numbers of the right size; that they are no primes only makes the secret a bad one. */
static struct ssh_server *server_with_groups(void)
{
    static struct buffer text;
    struct ssh_server *server = keys_server(&ssh_profile_openssh_9_2p1);
    buffer_init(&text, MODULI_MAX_BYTES);
    for (size_t bits = 2048; bits <= 4096; bits += 1024) {
        buffer_printf(&text, "20220714110357 2 6 100 %zu 2 F", bits - 1);
        for (size_t digit = 1; digit < bits / 4; digit++)
            buffer_put_u8(&text, digit == 1 ? '7' : 'B');
        buffer_put_u8(&text, '\n');
    }
    if (!server || ssh_server_set_moduli(server, buffer_span(&text)) < 0)
        abort();
    return server;
}

static void put_curve(struct buffer *out, enum crypto_kx_group group, bool after_sntrup)
{
    static struct crypto_suite *suite;
    static struct crypto_kx keys[CRYPTO_KX_GROUPS];
    struct crypto_rng rng = {{3}};
    if (!suite)
        suite = crypto_suite_new();
    struct crypto_kx *key = &keys[group];
    if (!key->public_len && crypto_kx_generate(suite, group, &rng, key) < 0)
        abort();
    if (!after_sntrup) {
        buffer_put_string(out, span_of(key->public, key->public_len));
        return;
    }
    buffer_put_u32(out, (uint32_t)(CRYPTO_SNTRUP761_PUBLIC_BYTES + key->public_len));
    for (size_t i = 0; i < CRYPTO_SNTRUP761_PUBLIC_BYTES; i++)
        buffer_put_u8(out, (uint8_t)(i * 37));
    buffer_put(out, span_of(key->public, key->public_len));
}

static void put_honest(struct buffer *out, size_t method)
{
    static const uint8_t number[32] = {0x12, 0x34, 0x56};
    bool gex = method == 5;
    buffer_put_u8(out, gex ? SSH_MSG_GEX_INIT : SSH_MSG_KEX_INIT);
    switch (method) {
    case 1: put_curve(out, CRYPTO_KX_P256, false); break;
    case 2: put_curve(out, CRYPTO_KX_P384, false); break;
    case 3: put_curve(out, CRYPTO_KX_P521, false); break;
    case 6: put_curve(out, CRYPTO_KX_X25519, true); break;
    case 4:
    case 5:
    case 7: ssh_mpint_put(out, span_of(number, sizeof(number))); break;
    default: put_curve(out, CRYPTO_KX_X25519, false);
    }
}

static void put_kexinit(struct buffer *out, size_t method, size_t hostkey)
{
    const char *lists_z[] = {methods_z[method],
                             hostkeys_z[hostkey],
                             "aes128-ctr",
                             "aes128-ctr",
                             "hmac-sha2-256",
                             "hmac-sha2-256",
                             "none",
                             "none",
                             "",
                             ""};
    buffer_put_u8(out, SSH_MSG_KEXINIT);
    for (size_t i = 0; i < 16; i++)
        buffer_put_u8(out, 0);
    for (size_t i = 0; i < ARRAY_LEN(lists_z); i++)
        buffer_put_string(out, span_z(lists_z[i]));
    buffer_put(out, span_of("\0\0\0\0\0", 5));
}

static void pull(struct ssh *s)
{
    struct ssh_event event;
    while (ssh_next(s, &event))
        ;
    while (ssh_out(s).len)
        ssh_sent(s, ssh_out(s).len);
}

static void send(struct ssh *s, struct ssh_sender *sender, struct span payload)
{
    struct crypto_rng rng = {{0}};
    ssh_sender_put(sender, &rng, payload);
    for (size_t n = 1; n && buffer_len(&sender->out);) {
        n = ssh_feed(s, buffer_span(&sender->out), 0);
        pull(s);
        buffer_take(&sender->out, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {SSH_MSG_KEX_INIT, SSH_MSG_GEX_REQUEST, SSH_MSG_GEX_INIT,
                                    SSH_MSG_NEWKEYS,  SSH_MSG_KEXINIT,     SSH_MSG_KEX_REPLY,
                                    SSH_MSG_IGNORE,   SSH_MSG_EXT_INFO};
    static const uint8_t seed[SSH_SEED_BYTES] = {1};
    static struct ssh_server *server;
    if (!server)
        server = server_with_groups();
    if (size < 2)
        return 0;
    size_t method = data[0] % ARRAY_LEN(methods_z);
    struct span input = span_of(data + 2, size - 2);
    struct ssh_sender sender;
    struct buffer message;
    struct ssh *s = ssh_new(server, seed, 0);
    if (!s)
        abort();
    ssh_sender_init(&sender, 1 << 20);
    buffer_init(&message, MESSAGE_MAX_BYTES);
    buffer_put_z(&sender.out, "SSH-2.0-fuzz\r\n");
    put_kexinit(&message, method, data[1] % ARRAY_LEN(hostkeys_z));
    send(s, &sender, buffer_span(&message));
    while (ssh_state(s) == SSH_OPEN && talk_next(&input, span_of(types, sizeof(types)), &message)) {
        if (!buffer_len(&message))
            put_honest(&message, method);
        send(s, &sender, buffer_span(&message));
    }
    ssh_free(s);
    ssh_sender_fini(&sender);
    buffer_fini(&message);
    return 0;
}
