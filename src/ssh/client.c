#include "ssh/client.h"

#include "ssh/message.h"
#include "ssh/mpint.h"
#include "ssh/names.h"

#include <stdlib.h>
#include <string.h>

enum { CLIENT_MAX_BYTES = 8 * 1024 * 1024, COOKIE_BYTES = 16, LISTS = 10 };

const struct ssh_client_options ssh_client_defaults = {
    .version_z = "SSH-2.0-TestClient_1",
    .kex_z = "curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com",
    .hostkey_z = "ssh-ed25519",
    .cipher_cs_z = "aes128-ctr",
    .cipher_sc_z = "aes128-ctr",
    .mac_cs_z = "hmac-sha2-256",
    .mac_sc_z = "hmac-sha2-256",
    .comp_z = "none",
};

/* Notes the first thing that went wrong. */
static void fault(struct ssh_client *c, const char *what_z)
{
    if (c->fault_z == NULL)
        c->fault_z = what_z;
}

static void check(struct ssh_client *c, int rc)
{
    if (rc < 0)
        fault(c, "out of memory");
}

struct ssh_client *ssh_client_new(const struct crypto_suite *suite,
                                  const struct ssh_client_options *options,
                                  const uint8_t seed[CRYPTO_RNG_SEED_BYTES])
{
    struct ssh_client *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->options = *options;
    c->suite = suite;
    crypto_rng_init(&c->rng, seed);
    ssh_receiver_init(&c->receiver);
    ssh_sender_init(&c->sender, CLIENT_MAX_BYTES);
    ssh_zip_init(&c->zip);
    struct buffer *buffers[] = {&c->version, &c->own_init, &c->server_init, &c->held, &c->hostkey};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        buffer_init(buffers[i], CLIENT_MAX_BYTES);
    if (options->clear_z != NULL) {
        check(c, buffer_put_z(&c->version, options->clear_z));
        c->have_version = c->has_keys = true;
        c->session_id_len = CRYPTO_DIGEST_MAX_BYTES;
        return c;
    }
    check(c, buffer_put_z(&c->sender.out, options->version_z));
    check(c, buffer_put_z(&c->sender.out, "\r\n"));
    if (!options->by_hand)
        ssh_client_send_kexinit(c);
    return c;
}

void ssh_client_free(struct ssh_client *c)
{
    if (c == NULL)
        return;
    ssh_receiver_fini(&c->receiver);
    ssh_sender_fini(&c->sender);
    ssh_zip_fini(&c->zip);
    ssh_transform_fini(&c->next_in);
    crypto_kx_wipe(&c->kx);
    struct buffer *buffers[] = {&c->version, &c->own_init, &c->server_init, &c->held, &c->hostkey};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        buffer_fini(buffers[i]);
    free(c);
}

/* ---- Out ---- */

void ssh_client_send_now(struct ssh_client *c, struct span payload)
{
    int rc = c->zip.out_on ? ssh_zip_deflate(&c->zip, payload, &payload) : 0;
    if (rc == 0)
        rc = ssh_sender_put(&c->sender, &c->rng, payload);
    check(c, rc);
}

void ssh_client_send(struct ssh_client *c, struct span payload)
{
    if (c->in_kex)
        check(c, buffer_put_string(&c->held, payload));
    else
        ssh_client_send_now(c, payload);
}

void ssh_client_send_raw(struct ssh_client *c, struct span bytes)
{
    check(c, buffer_put(&c->sender.out, bytes));
}

struct span ssh_client_out(const struct ssh_client *c)
{
    return buffer_span(&c->sender.out);
}

void ssh_client_sent(struct ssh_client *c, size_t n)
{
    buffer_take(&c->sender.out, n);
}

void ssh_client_send_kexinit(struct ssh_client *c)
{
    const struct ssh_client_options *o = &c->options;
    const char *lists_z[LISTS] = {o->kex_z,
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
    int rc = buffer_put_u8(&c->own_init, SSH_MSG_KEXINIT);
    if (rc == 0)
        rc = buffer_put(&c->own_init, span_of(cookie, sizeof(cookie)));
    for (size_t i = 0; rc == 0 && i < LISTS; i++)
        rc = buffer_put_string(&c->own_init, span_z(lists_z[i]));
    if (rc == 0)
        rc = buffer_put_u8(&c->own_init, 0);
    if (rc == 0)
        rc = buffer_put_u32(&c->own_init, 0);
    check(c, rc);
    c->in_kex = c->sent_init = true;
    ssh_client_send_now(c, buffer_span(&c->own_init));
}

/* ---- Key exchange ---- */

/* The first of our names that the server has too; empty: there is none. */
static struct span common(const char *own_z, struct span theirs)
{
    struct span list = span_z(own_z), name = {NULL, 0};
    while (ssh_names_next(&list, &name))
        if (ssh_names_has(theirs, name))
            return name;
    return span_of(NULL, 0);
}

static bool choose(struct ssh_client *c, struct span kexinit)
{
    const struct ssh_client_options *o = &c->options;
    struct cursor cursor = cursor_of(kexinit);
    struct span lists[LISTS];
    (void)cursor_bytes(&cursor, 1 + COOKIE_BYTES);
    for (size_t i = 0; i < LISTS; i++)
        lists[i] = cursor_string(&cursor);
    c->choice = (struct ssh_client_choice){
        .method = ssh_kex_method_find(common(o->kex_z, lists[0])),
        .signature = ssh_signature_find(common(o->hostkey_z, lists[1])),
        .cipher_cs = ssh_cipher_find(common(o->cipher_cs_z, lists[2])),
        .cipher_sc = ssh_cipher_find(common(o->cipher_sc_z, lists[3])),
        .mac_cs = ssh_mac_find(common(o->mac_cs_z, lists[4])),
        .mac_sc = ssh_mac_find(common(o->mac_sc_z, lists[5])),
    };
    struct ssh_client_choice *found = &c->choice;
    if (!c->has_keys)
        c->strict = ssh_names_has(span_z(o->kex_z), span_z("kex-strict-c-v00@openssh.com")) &&
                    ssh_names_has(lists[0], span_z("kex-strict-s-v00@openssh.com"));
    if (found->method == NULL || found->signature == NULL || found->cipher_cs == NULL ||
        found->cipher_sc == NULL)
        return false;
    if (found->cipher_cs->tag_bytes > 0)
        found->mac_cs = NULL;
    if (found->cipher_sc->tag_bytes > 0)
        found->mac_sc = NULL;
    return (found->mac_cs != NULL || found->cipher_cs->tag_bytes > 0) &&
           (found->mac_sc != NULL || found->cipher_sc->tag_bytes > 0);
}

static int put_public(struct buffer *b, const struct ssh_client *c, struct span value)
{
    return c->choice.method->kind == SSH_KEX_DH ? ssh_mpint_put(b, value)
                                                : buffer_put_string(b, value);
}

static struct span own_public(const struct ssh_client *c)
{
    return span_of(c->kx.public, c->kx.public_len);
}

static void send_public(struct ssh_client *c)
{
    struct buffer b;
    buffer_init(&b, CLIENT_MAX_BYTES);
    int rc = crypto_kx_generate(c->suite, c->choice.method->group, &c->rng, &c->kx);
    if (rc == 0)
        rc = buffer_put_u8(&b, SSH_MSG_KEX_INIT);
    if (rc == 0)
        rc = put_public(&b, c, own_public(c));
    if (rc == 0)
        ssh_client_send_now(c, buffer_span(&b));
    check(c, rc);
    buffer_fini(&b);
}

static void on_kexinit(struct ssh_client *c, struct span payload)
{
    buffer_clear(&c->server_init);
    check(c, buffer_put(&c->server_init, payload));
    if (!c->sent_init)
        ssh_client_send_kexinit(c);
    if (choose(c, payload))
        send_public(c);
    else
        fault(c, "no common algorithm");
}

/* H over all that was said; `secret` is K with its length. */
static int hash(struct ssh_client *c, struct span blob, struct span server_public,
                struct span secret, uint8_t *out)
{
    const struct span strings[] = {span_z(c->options.version_z), buffer_span(&c->version),
                                   buffer_span(&c->own_init), buffer_span(&c->server_init), blob};
    struct buffer b;
    buffer_init(&b, CLIENT_MAX_BYTES);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(strings); i++)
        rc = buffer_put_string(&b, strings[i]);
    if (rc == 0)
        rc = put_public(&b, c, own_public(c));
    if (rc == 0)
        rc = put_public(&b, c, server_public);
    if (rc == 0)
        rc = buffer_put(&b, secret);
    struct span all = buffer_span(&b);
    if (rc == 0)
        rc = crypto_digest_parts(c->suite, c->choice.method->digest, &all, 1, out);
    buffer_fini(&b);
    return rc;
}

static bool compresses(const struct ssh_client *c)
{
    return strcmp(c->options.comp_z, "zlib@openssh.com") == 0;
}

static void take_keys(struct ssh_client *c, struct span secret, struct span h)
{
    static const uint8_t newkeys = SSH_MSG_NEWKEYS;
    if (c->session_id_len == 0) {
        memcpy(c->session_id, h.data, h.len);
        c->session_id_len = h.len;
    }
    const struct ssh_client_choice *found = &c->choice;
    const struct ssh_exchange x = {c->suite, found->method->digest, secret, h,
                                   span_of(c->session_id, c->session_id_len)};
    struct ssh_transform next_out;
    int rc =
        ssh_derive_transform(&x, SSH_CLIENT_TO_SERVER, found->cipher_cs, found->mac_cs, &next_out);
    if (rc < 0) {
        fault(c, "out of memory");
        return;
    }
    ssh_transform_fini(&c->next_in);
    check(c, ssh_derive_transform(&x, SSH_SERVER_TO_CLIENT, found->cipher_sc, found->mac_sc,
                                  &c->next_in));
    ssh_client_send_now(c, span_of(&newkeys, 1));
    ssh_sender_rekey(&c->sender, &next_out, c->strict);
    if (c->logged_in && compresses(c))
        check(c, ssh_zip_start_out(&c->zip));
}

static void on_reply(struct ssh_client *c, struct span payload)
{
    struct cursor cursor = cursor_of(span_slice(payload, 1, payload.len));
    struct span blob = cursor_string(&cursor);
    if (c->choice.method == NULL) {
        fault(c, "a reply to nothing");
        return;
    }
    struct span server_public =
        c->choice.method->kind == SSH_KEX_DH ? ssh_mpint_get(&cursor) : cursor_string(&cursor);
    struct span signature = cursor_string(&cursor);
    uint8_t raw[CRYPTO_KX_PUBLIC_MAX_BYTES], h[CRYPTO_DIGEST_MAX_BYTES];
    size_t raw_len = 0;
    struct buffer secret;
    buffer_init(&secret, CLIENT_MAX_BYTES);
    const struct ssh_hostkey *key =
        c->hostkeys != NULL ? c->hostkeys[c->choice.signature->type] : NULL;
    struct span digest = span_of(h, crypto_digest_bytes(c->choice.method->digest));
    if (cursor_end(&cursor) < 0 || (key != NULL && !span_equal(blob, ssh_hostkey_blob(key))) ||
        crypto_kx_derive(c->suite, &c->kx, server_public, raw, &raw_len) < 0) {
        fault(c, "malformed reply");
        goto out;
    }
    buffer_clear(&c->hostkey);
    if (buffer_put(&c->hostkey, blob) < 0 || ssh_mpint_put(&secret, span_of(raw, raw_len)) < 0 ||
        hash(c, blob, server_public, buffer_span(&secret), h) < 0)
        fault(c, "out of memory");
    else if (key != NULL &&
             ssh_hostkey_verify(c->suite, key, c->choice.signature, digest, signature) < 0)
        fault(c, "the host's signature is wrong");
    else
        take_keys(c, buffer_span(&secret), digest);
out:
    buffer_wipe(&secret);
    crypto_wipe(raw, sizeof(raw));
}

static void on_newkeys(struct ssh_client *c)
{
    ssh_receiver_rekey(&c->receiver, &c->next_in, c->strict);
    if (c->logged_in && compresses(c))
        check(c, ssh_zip_start_in(&c->zip));
    c->has_keys = true;
    c->in_kex = c->sent_init = false;
    c->exchanges++;
    struct cursor held = cursor_of(buffer_span(&c->held));
    while (held.rest.len > 0)
        ssh_client_send_now(c, cursor_string(&held));
    buffer_clear(&c->held);
}

static bool on_kex_message(struct ssh_client *c, struct span payload)
{
    switch (payload.data[0]) {
    case SSH_MSG_KEXINIT: on_kexinit(c, payload); return true;
    case SSH_MSG_KEX_REPLY: on_reply(c, payload); return true;
    case SSH_MSG_NEWKEYS: on_newkeys(c); return true;
    default: return false;
    }
}

/* ---- In ---- */

void ssh_client_feed(struct ssh_client *c, struct span bytes)
{
    while (bytes.len > 0 && !c->have_version) {
        if (bytes.data[0] == '\n')
            c->have_version = true;
        else if (bytes.data[0] != '\r')
            check(c, buffer_put_u8(&c->version, bytes.data[0]));
        bytes = span_slice(bytes, 1, bytes.len);
    }
    /* What comes after a fault is kept: it may be text that tells why. */
    while (bytes.len > 0) {
        int n = ssh_receiver_feed(&c->receiver, bytes);
        check(c, n);
        if (n <= 0)
            return;
        bytes = span_slice(bytes, (size_t)n, bytes.len);
    }
}

static void on_login(struct ssh_client *c)
{
    c->logged_in = true;
    if (!compresses(c))
        return;
    check(c, ssh_zip_start_in(&c->zip));
    check(c, ssh_zip_start_out(&c->zip));
}

bool ssh_client_next(struct ssh_client *c, struct span *message)
{
    struct ssh_packet packet;
    for (;;) {
        enum ssh_packet_result result = ssh_receiver_next(&c->receiver, &packet);
        if (result < 0)
            fault(c, "a packet that does not open");
        if (result != SSH_PACKET_READY)
            return false;
        if (c->zip.in_on && ssh_zip_inflate(&c->zip, packet.payload, &packet.payload) < 0)
            fault(c, "compressed data that does not open");
        if (packet.payload.len == 0)
            return false;
        if (!c->options.by_hand && on_kex_message(c, packet.payload))
            continue;
        *message = packet.payload;
        if (packet.payload.data[0] == SSH_MSG_USERAUTH_SUCCESS)
            on_login(c);
        return true;
    }
}
