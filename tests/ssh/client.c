#include "client.h"

#include "ssh/message.h"
#include "ssh/mpint.h"
#include "ssh/names.h"
#include "ssh/server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_MAX_BYTES = 8 * 1024 * 1024, COOKIE_BYTES = 16 };

const struct client_options client_defaults = {
    .version_z = "SSH-2.0-TestClient_1",
    .kex_z = "curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com",
    .hostkey_z = "ssh-ed25519",
    .cipher_cs_z = "aes128-ctr",
    .cipher_sc_z = "aes128-ctr",
    .mac_cs_z = "hmac-sha2-256",
    .mac_sc_z = "hmac-sha2-256",
    .comp_z = "none",
};

struct client *client_new(const struct keys_ring *ring, const struct client_options *options,
                          uint8_t seed)
{
    uint8_t seeds[CRYPTO_RNG_SEED_BYTES] = {seed, 'c'};
    struct client *c = calloc(1, sizeof(*c));
    assert(c);
    c->options = *options;
    c->ring = ring;
    crypto_rng_init(&c->rng, seeds);
    ssh_receiver_init(&c->receiver);
    ssh_sender_init(&c->sender, CLIENT_MAX_BYTES);
    ssh_zip_init(&c->zip);
    struct buffer *buffers[] = {&c->version, &c->own_init, &c->server_init, &c->held, &c->last};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        buffer_init(buffers[i], CLIENT_MAX_BYTES);
    if (options->clear) {
        buffer_put_z(&c->version, ring->server->profile->version_z);
        c->have_version = c->has_keys = true;
        c->session_id_len = CRYPTO_DIGEST_MAX_BYTES;
        return c;
    }
    buffer_put_z(&c->sender.out, options->version_z);
    buffer_put_z(&c->sender.out, "\r\n");
    if (!options->by_hand)
        client_send_kexinit(c);
    return c;
}

void client_free(struct client *c)
{
    if (!c)
        return;
    ssh_receiver_fini(&c->receiver);
    ssh_sender_fini(&c->sender);
    ssh_zip_fini(&c->zip);
    ssh_transform_fini(&c->next_in);
    crypto_kx_wipe(&c->kx);
    struct buffer *buffers[] = {&c->version, &c->own_init, &c->server_init, &c->held, &c->last};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        buffer_fini(buffers[i]);
    free(c);
}

/* ---- Out ---- */

void client_send_now(struct client *c, struct span payload)
{
    int err = c->zip.out_on ? ssh_zip_deflate(&c->zip, payload, &payload) : 0;
    if (err == 0)
        err = ssh_sender_put(&c->sender, &c->rng, payload);
    assert(err == 0);
}

void client_send(struct client *c, struct span payload)
{
    if (c->in_kex)
        buffer_put_string(&c->held, payload);
    else
        client_send_now(c, payload);
}

void client_send_raw(struct client *c, struct span bytes)
{
    buffer_put(&c->sender.out, bytes);
}

struct span client_out(const struct client *c)
{
    return buffer_span(&c->sender.out);
}

void client_sent(struct client *c, size_t n)
{
    buffer_take(&c->sender.out, n);
}

void client_send_kexinit(struct client *c)
{
    const struct client_options *o = &c->options;
    const char *lists_z[] = {o->kex_z,
                             o->hostkey_z,
                             o->cipher_cs_z,
                             o->cipher_sc_z,
                             o->mac_cs_z,
                             o->mac_sc_z,
                             o->comp_z,
                             o->comp_z,
                             "",
                             ""};
    uint8_t cookie[COOKIE_BYTES];
    crypto_rng_bytes(&c->rng, cookie, sizeof(cookie));
    buffer_clear(&c->own_init);
    buffer_put_u8(&c->own_init, SSH_MSG_KEXINIT);
    buffer_put(&c->own_init, span_of(cookie, sizeof(cookie)));
    for (size_t i = 0; i < ARRAY_LEN(lists_z); i++)
        buffer_put_string(&c->own_init, span_z(lists_z[i]));
    buffer_put_u8(&c->own_init, 0);
    buffer_put_u32(&c->own_init, 0);
    c->in_kex = c->sent_init = true;
    client_send_now(c, buffer_span(&c->own_init));
}

/* ---- Key exchange ---- */

static struct span first_name(const char *list_z)
{
    struct span list = span_z(list_z), name = {NULL, 0};
    ssh_names_next(&list, &name);
    return name;
}

static void send_public(struct client *c)
{
    struct buffer b;
    buffer_init(&b, CLIENT_MAX_BYTES);
    c->method = ssh_kex_method_find(first_name(c->options.kex_z));
    c->signature = ssh_signature_find(first_name(c->options.hostkey_z));
    assert(c->method && c->signature);
    crypto_kx_generate(c->ring->suite, c->method->group, &c->rng, &c->kx);
    buffer_put_u8(&b, SSH_MSG_KEX_INIT);
    struct span value = span_of(c->kx.public, c->kx.public_len);
    if (c->method->kind == SSH_KEX_DH)
        ssh_mpint_put(&b, value);
    else
        buffer_put_string(&b, value);
    client_send_now(c, buffer_span(&b));
    buffer_fini(&b);
}

static void on_kexinit(struct client *c, struct span payload)
{
    buffer_clear(&c->server_init);
    buffer_put(&c->server_init, payload);
    if (!c->sent_init)
        client_send_kexinit(c);
    if (!c->has_keys)
        c->strict = ssh_names_has(span_z(c->options.kex_z), span_z("kex-strict-c-v00@openssh.com"));
    send_public(c);
}

static void put_public(struct buffer *b, const struct client *c, struct span value)
{
    if (c->method->kind == SSH_KEX_DH)
        ssh_mpint_put(b, value);
    else
        buffer_put_string(b, value);
}

/* H over all that was said; `secret` is K with its length. */
static void hash(struct client *c, struct span blob, struct span server_public, struct span secret,
                 uint8_t *out)
{
    struct buffer b;
    buffer_init(&b, CLIENT_MAX_BYTES);
    buffer_put_string(&b, span_z(c->options.version_z));
    buffer_put_string(&b, buffer_span(&c->version));
    buffer_put_string(&b, buffer_span(&c->own_init));
    buffer_put_string(&b, buffer_span(&c->server_init));
    buffer_put_string(&b, blob);
    put_public(&b, c, span_of(c->kx.public, c->kx.public_len));
    put_public(&b, c, server_public);
    buffer_put(&b, secret);
    struct span all = buffer_span(&b);
    crypto_digest_parts(c->ring->suite, c->method->digest, &all, 1, out);
    buffer_fini(&b);
}

static const struct ssh_mac *mac_for(const struct ssh_cipher *cipher, const char *name_z)
{
    return cipher->tag_bytes ? NULL : ssh_mac_find(first_name(name_z));
}

static bool compresses(const struct client *c)
{
    return strcmp(c->options.comp_z, "zlib@openssh.com") == 0;
}

static void take_keys(struct client *c, struct span secret, struct span h)
{
    static const uint8_t newkeys = SSH_MSG_NEWKEYS;
    if (!c->session_id_len) {
        memcpy(c->session_id, h.data, h.len);
        c->session_id_len = h.len;
    }
    struct ssh_exchange x = {c->ring->suite, c->method->digest, secret, h,
                             span_of(c->session_id, c->session_id_len)};
    const struct ssh_cipher *cs = ssh_cipher_find(first_name(c->options.cipher_cs_z));
    const struct ssh_cipher *sc = ssh_cipher_find(first_name(c->options.cipher_sc_z));
    struct ssh_transform next_out;
    ssh_derive_transform(&x, SSH_CLIENT_TO_SERVER, cs, mac_for(cs, c->options.mac_cs_z), &next_out);
    ssh_derive_transform(&x, SSH_SERVER_TO_CLIENT, sc, mac_for(sc, c->options.mac_sc_z),
                         &c->next_in);
    client_send_now(c, span_of(&newkeys, 1));
    ssh_sender_rekey(&c->sender, &next_out, c->strict);
    if (c->logged_in && compresses(c))
        ssh_zip_start_out(&c->zip);
}

static void on_reply(struct client *c, struct span payload)
{
    struct cursor cursor = cursor_of(span_slice(payload, 1, payload.len));
    struct span blob = cursor_string(&cursor);
    struct span server_public =
        c->method->kind == SSH_KEX_DH ? ssh_mpint_get(&cursor) : cursor_string(&cursor);
    struct span signature = cursor_string(&cursor);
    uint8_t raw[CRYPTO_KX_PUBLIC_MAX_BYTES], h[CRYPTO_DIGEST_MAX_BYTES];
    size_t raw_len;
    struct buffer secret;
    buffer_init(&secret, CLIENT_MAX_BYTES);
    struct ssh_hostkey *key = c->ring->hostkeys[c->signature->type];
    struct span digest = span_of(h, crypto_digest_bytes(c->method->digest));
    if (cursor_end(&cursor) < 0 || (key && !span_equal(blob, ssh_hostkey_blob(key))) ||
        crypto_kx_derive(c->ring->suite, &c->kx, server_public, raw, &raw_len) < 0) {
        c->fault_z = "malformed reply";
        goto out;
    }
    ssh_mpint_put(&secret, span_of(raw, raw_len));
    hash(c, blob, server_public, buffer_span(&secret), h);
    if (key && ssh_hostkey_verify(c->ring->suite, key, c->signature, digest, signature) < 0)
        c->fault_z = "the host's signature is wrong";
    else
        take_keys(c, buffer_span(&secret), digest);
out:
    buffer_fini(&secret);
}

static void on_newkeys(struct client *c)
{
    ssh_receiver_rekey(&c->receiver, &c->next_in, c->strict);
    if (c->logged_in && compresses(c))
        ssh_zip_start_in(&c->zip);
    c->has_keys = true;
    c->in_kex = c->sent_init = false;
    c->exchanges++;
    struct cursor held = cursor_of(buffer_span(&c->held));
    while (held.rest.len)
        client_send_now(c, cursor_string(&held));
    buffer_clear(&c->held);
}

static bool on_kex_message(struct client *c, struct span payload)
{
    switch (payload.data[0]) {
    case SSH_MSG_KEXINIT: on_kexinit(c, payload); return true;
    case SSH_MSG_KEX_REPLY: on_reply(c, payload); return true;
    case SSH_MSG_NEWKEYS: on_newkeys(c); return true;
    default: return false;
    }
}

/* ---- In ---- */

void client_feed(struct client *c, struct span bytes)
{
    while (bytes.len && !c->have_version) {
        if (bytes.data[0] == '\n')
            c->have_version = true;
        else if (bytes.data[0] != '\r')
            buffer_put_u8(&c->version, bytes.data[0]);
        bytes = span_slice(bytes, 1, bytes.len);
    }
    while (bytes.len) {
        int n = ssh_receiver_feed(&c->receiver, bytes);
        assert(n > 0);
        bytes = span_slice(bytes, (size_t)n, bytes.len);
    }
}

static void on_login(struct client *c)
{
    c->logged_in = true;
    if (!compresses(c))
        return;
    ssh_zip_start_in(&c->zip);
    ssh_zip_start_out(&c->zip);
}

bool client_next(struct client *c, struct span *message)
{
    struct ssh_packet packet;
    for (;;) {
        enum ssh_packet_result result = ssh_receiver_next(&c->receiver, &packet);
        if (result < 0)
            c->fault_z = "a packet that does not open";
        if (result != SSH_PACKET_READY)
            return false;
        if (c->zip.in_on && ssh_zip_inflate(&c->zip, packet.payload, &packet.payload) < 0)
            c->fault_z = "compressed data that does not open";
        if (!c->options.by_hand && on_kex_message(c, packet.payload))
            continue;
        *message = packet.payload;
        if (packet.payload.data[0] == SSH_MSG_USERAUTH_SUCCESS)
            on_login(c);
        return true;
    }
}
