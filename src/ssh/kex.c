/* Key exchange: ECDH (RFC 5656, RFC 8731), fixed groups (RFC 4253 section 8, RFC 8268) and
 * sntrup761x25519 (RFC 9941), group exchange (RFC 4419), from the client's public value to the new keys of both directions. */
#include "ssh/machine.h"

#include "base/error.h"
#include "crypto/sntrup761.h"
#include "ssh/keylog.h"
#include "ssh/mpint.h"
#include "ssh/names.h"

#include <string.h>

enum {
    SECRET_MAX_BYTES = CRYPTO_KX_PUBLIC_MAX_BYTES + 8,
    PUBLIC_MAX_BYTES = CRYPTO_SNTRUP761_CIPHER_BYTES + CRYPTO_KX_PUBLIC_MAX_BYTES,
    HASHED_MAX_BYTES = 1024 * 1024,
    SIGNATURE_MAX_BYTES = 2048,
    GEX_BITS_MIN = 2048,
    GEX_BITS_MAX = 8192,
    KEXINIT_MAX_BYTES = 10 * SSH_NAMES_MAX_BYTES,
    EXTENSIONS_MAX = 1024,
    REKEY_PACKETS = 1 << 30, /* of 2^32: well before sequence numbers come round */
};

void ssh_kex_init(struct ssh *s)
{
    s->kex.initial = true;
    buffer_init(&s->kex.client_init, SSH_PACKET_LENGTH_MAX);
    buffer_init(&s->kex.server_init, KEXINIT_MAX_BYTES);
    buffer_init(&s->kex.key_log, SSH_KEYLOG_MAX_BYTES);
}

void ssh_kex_fini(struct ssh *s)
{
    buffer_fini(&s->kex.client_init);
    buffer_fini(&s->kex.server_init);
    buffer_wipe(&s->kex.key_log);
    ssh_transform_fini(&s->kex.next_in);
    crypto_wipe(&s->kex, sizeof(s->kex));
}

/* ---- State ---- */

/* Compression begins anew with new keys, but never before the login. */
int ssh_kex_start_compression(struct ssh *s, enum ssh_side side)
{
    struct ssh_zip *zip = &s->zip;
    if (s->phase != SSH_PHASE_CONNECTION)
        return 0;
    int err = 0;
    if (!s->kex.compresses[side])
        ssh_zip_stop(zip, side == SSH_CLIENT_TO_SERVER);
    else if (side == SSH_CLIENT_TO_SERVER)
        err = ssh_zip_start_in(zip);
    else
        err = ssh_zip_start_out(zip);
    return err < 0 ? ssh_broken(s, err) : 0;
}

bool ssh_kex_expects(const struct ssh *s, uint8_t type)
{
    switch (s->kex.step) {
    case SSH_KEX_WANT_KEXINIT: return type == SSH_MSG_KEXINIT;
    case SSH_KEX_WANT_SIZES: return type == SSH_MSG_GEX_REQUEST;
    case SSH_KEX_WANT_PUBLIC:
        return type == (s->kex.method->kind == SSH_KEX_GEX ? SSH_MSG_GEX_INIT : SSH_MSG_KEX_INIT);
    case SSH_KEX_WANT_NEWKEYS: return type == SSH_MSG_NEWKEYS;
    default: return s->phase == SSH_PHASE_CONNECTION && type == SSH_MSG_KEXINIT;
    }
}

bool ssh_kex_holds_output(const struct ssh *s)
{
    return s->kex.step != SSH_KEX_IDLE && s->kex.step != SSH_KEX_WANT_NEWKEYS;
}

/* RFC 4344, section 3.2: 2^(L/4) blocks of L bits, for small blocks 1 GB. */
static uint64_t blocks_max(const struct ssh *s, const struct ssh_cipher *cipher)
{
    if (s->profile->rekey_blocks)
        return s->profile->rekey_blocks;
    return cipher->block_bytes >= 16 ? UINT64_C(1) << (cipher->block_bytes * 2)
                                     : (UINT64_C(1) << 30) / cipher->block_bytes;
}

bool ssh_kex_is_due(const struct ssh *s)
{
    const struct ssh_cipher *in = s->receiver.transform.cipher, *out = s->sender.transform.cipher;
    if (s->phase != SSH_PHASE_CONNECTION || s->kex.step != SSH_KEX_IDLE || !in || !out)
        return false;
    return s->receiver.blocks > blocks_max(s, in) || s->sender.blocks > blocks_max(s, out) ||
           s->receiver.packets > REKEY_PACKETS || s->sender.packets > REKEY_PACKETS;
}

/* ---- The exchange ---- */

/* One exchange, while a message is handled. Everything secret is in here. */
struct exchange {
    struct crypto_kx kx;
    uint8_t prime[SSH_MODULUS_MAX_BYTES]; /* of group exchange */
    struct span client_public;
    struct buffer server_public;
    struct buffer secret; /* K with its length field */
    struct buffer signature;
    uint8_t hash[CRYPTO_DIGEST_MAX_BYTES];
    size_t hash_len;
};

static void exchange_init(struct exchange *x)
{
    *x = (struct exchange){.hash_len = 0};
    buffer_init(&x->server_public, PUBLIC_MAX_BYTES);
    buffer_init(&x->secret, SECRET_MAX_BYTES);
    buffer_init(&x->signature, SIGNATURE_MAX_BYTES);
}

static void exchange_fini(struct exchange *x)
{
    crypto_kx_wipe(&x->kx);
    buffer_fini(&x->server_public);
    buffer_wipe(&x->secret);
    buffer_fini(&x->signature);
    crypto_wipe(x->hash, sizeof(x->hash));
}

static bool has_numbers(const struct ssh_kex_method *method)
{
    return method->kind == SSH_KEX_DH || method->kind == SSH_KEX_GEX;
}

static unsigned bits_set(struct span number)
{
    unsigned count = 0;
    for (size_t i = 0; i < number.len; i++)
        count += (unsigned)__builtin_popcount(number.data[i]);
    return count;
}

static int parse_public(struct ssh *s, struct cursor *c, struct exchange *x)
{
    x->client_public = has_numbers(s->kex.method) ? ssh_mpint_get(c) : cursor_string(c);
    int err = ssh_demand_end(s, c);
    if (err == 0 && has_numbers(s->kex.method) && bits_set(x->client_public) < s->profile->dh_bits)
        err = ssh_fault(s, "public value with few bits set");
    return err;
}

/* Our key and the secret shared with the client's, as bytes. */
static int agree_classic(struct ssh *s, struct exchange *x, struct span peer,
                         uint8_t raw[CRYPTO_KX_PUBLIC_MAX_BYTES], size_t *len)
{
    const struct crypto_suite *suite = s->server->suite;
    const struct ssh_modulus *modulus = s->kex.modulus;
    int err;
    if (s->kex.method->kind == SSH_KEX_GEX)
        err =
            crypto_kx_generate_dh(&s->rng, span_of(x->prime, ssh_modulus_prime(modulus, x->prime)),
                                  modulus->generator, &x->kx);
    else
        err = crypto_kx_generate(suite, s->kex.method->group, &s->rng, &x->kx);
    if (err == 0)
        err = crypto_kx_derive(suite, &x->kx, peer, raw, len);
    if (err == 0)
        err = buffer_put(&x->server_public, span_of(x->kx.public, x->kx.public_len));
    return err;
}

/* RFC 9941: both secrets hashed together; K is a string, not a number. */
static int agree_sntrup(struct ssh *s, struct exchange *x, uint8_t raw[CRYPTO_KX_PUBLIC_MAX_BYTES])
{
    const struct crypto_suite *suite = s->server->suite;
    uint8_t cipher[CRYPTO_SNTRUP761_CIPHER_BYTES], secret[CRYPTO_SNTRUP761_SECRET_BYTES];
    uint8_t both[CRYPTO_DIGEST_MAX_BYTES];
    size_t len = 0;
    struct span all = x->client_public;
    struct span key = span_slice(all, 0, CRYPTO_SNTRUP761_PUBLIC_BYTES);
    if (key.len != CRYPTO_SNTRUP761_PUBLIC_BYTES)
        return ERR_MALFORMED;
    int err = crypto_sntrup761_encapsulate(suite, &s->rng, key.data, cipher, secret);
    if (err == 0)
        err = buffer_put(&x->server_public, span_of(cipher, sizeof(cipher)));
    if (err == 0)
        err = agree_classic(s, x, span_slice(all, key.len, all.len), raw, &len);
    struct span parts[] = {span_of(secret, sizeof(secret)), span_of(raw, len)};
    if (err == 0)
        err = crypto_digest_parts(suite, CRYPTO_SHA512, parts, ARRAY_LEN(parts), both);
    if (err == 0)
        err = buffer_put_string(&x->secret, span_of(both, sizeof(both)));
    crypto_wipe(secret, sizeof(secret));
    crypto_wipe(both, sizeof(both));
    return err;
}

static int agree(struct ssh *s, struct exchange *x)
{
    uint8_t raw[CRYPTO_KX_PUBLIC_MAX_BYTES];
    size_t len = 0;
    int err = buffer_reserve(&x->secret, SECRET_MAX_BYTES) ? 0 : ERR_NOMEM;
    if (err == 0 && s->kex.method->kind == SSH_KEX_SNTRUP) {
        err = agree_sntrup(s, x, raw);
    } else if (err == 0) {
        err = agree_classic(s, x, x->client_public, raw, &len);
        if (err == 0)
            err = ssh_mpint_put(&x->secret, span_of(raw, len));
    }
    crypto_wipe(raw, sizeof(raw));
    if (err == ERR_MALFORMED)
        return ssh_fault(s, "bad public value in key exchange");
    return err < 0 ? ssh_broken(s, err) : 0;
}

static int put_public(struct buffer *b, const struct ssh_kex_method *method, struct span value)
{
    return has_numbers(method) ? ssh_mpint_put(b, value) : buffer_put_string(b, value);
}

/* RFC 4419, section 3: what was asked for and the group are hashed too. COMPAT: OpenSSH takes a most
 * of 2^32 - 1 for the sign of the old request, which had only the size wanted. */
static int put_group(struct buffer *b, const struct ssh_kex *kex, const struct exchange *x)
{
    uint8_t generator = (uint8_t)kex->modulus->generator; /* moduli.c: one byte */
    bool old = kex->sizes[2] == UINT32_MAX;
    int err = old ? buffer_put_u32(b, kex->sizes[1]) : 0;
    for (size_t i = 0; !old && err == 0 && i < ARRAY_LEN(kex->sizes); i++)
        err = buffer_put_u32(b, kex->sizes[i]);
    if (err == 0)
        err = ssh_mpint_put(b, x->kx.prime);
    return err < 0 ? err : ssh_mpint_put(b, span_of(&generator, 1));
}

/* RFC 4253, section 8; RFC 5656, section 4: the exchange hash H. */
static int hash_exchange(struct ssh *s, struct exchange *x, struct span hostkey)
{
    const struct ssh_kex *kex = &s->kex;
    struct buffer b;
    buffer_init(&b, HASHED_MAX_BYTES);
    int err = buffer_put_string(&b, buffer_span(&s->line));
    if (err == 0)
        err = buffer_put_string(&b, span_z(s->profile->version_z));
    if (err == 0)
        err = buffer_put_string(&b, buffer_span(&kex->client_init));
    if (err == 0)
        err = buffer_put_string(&b, buffer_span(&kex->server_init));
    if (err == 0)
        err = buffer_put_string(&b, hostkey);
    if (err == 0 && kex->method->kind == SSH_KEX_GEX)
        err = put_group(&b, kex, x);
    if (err == 0)
        err = put_public(&b, kex->method, x->client_public);
    if (err == 0)
        err = put_public(&b, kex->method, buffer_span(&x->server_public));
    struct span parts[] = {buffer_span(&b), buffer_span(&x->secret)};
    if (err == 0)
        err = crypto_digest_parts(s->server->suite, kex->method->digest, parts, ARRAY_LEN(parts),
                                  x->hash);
    x->hash_len = crypto_digest_bytes(kex->method->digest);
    buffer_fini(&b);
    return err;
}

/* The first exchange's hash names the session for ever (RFC 4253, section 7.2). */
static void keep_session(struct ssh *s, const struct exchange *x)
{
    struct ssh_kex *kex = &s->kex;
    const struct ssh_signature *signature = kex->signature;
    if (signature->type == SSH_HOSTKEY_RSA)
        kex->rsa_signature = signature;
    if (kex->session_id_len)
        return;
    memcpy(kex->session_id, x->hash, x->hash_len);
    kex->session_id_len = x->hash_len;
    kex->first_hostkey = s->server->hostkeys[signature->type];
}

static int sign(struct ssh *s, struct exchange *x)
{
    const struct ssh_signature *algorithm = s->kex.signature;
    const struct ssh_hostkey *hostkey = s->server->hostkeys[algorithm->type];
    int err = hash_exchange(s, x, ssh_hostkey_blob(hostkey));
    if (err == 0)
        err = ssh_hostkey_sign(s->server->suite, hostkey, algorithm, span_of(x->hash, x->hash_len),
                               &x->signature);
    return err < 0 ? ssh_broken(s, err) : 0;
}

static void send_reply(struct ssh *s, const struct exchange *x)
{
    ssh_begin(s, s->kex.method->kind == SSH_KEX_GEX ? SSH_MSG_GEX_REPLY : SSH_MSG_KEX_REPLY);
    ssh_put_string(s, ssh_hostkey_blob(s->server->hostkeys[s->kex.signature->type]));
    if (put_public(&s->message, s->kex.method, buffer_span(&x->server_public)) < 0)
        ssh_broken(s, ERR_NOMEM);
    ssh_put_string(s, buffer_span(&x->signature));
    ssh_send(s);
}

void ssh_kex_send_ext_info(struct ssh *s, size_t count_max)
{
    const struct ssh_profile_pair *pairs = s->profile->extensions;
    uint32_t count = 0;
    while (count < count_max && pairs[count].name_z)
        count++;
    ssh_begin(s, SSH_MSG_EXT_INFO);
    ssh_put_u32(s, count);
    for (uint32_t i = 0; i < count; i++) {
        ssh_put_string_z(s, pairs[i].name_z);
        ssh_put_string_z(s, pairs[i].value_z);
    }
    ssh_send(s);
}

/* OpenSSH 9.6, kex.c: one from a client, and one thing in it matters. */
int ssh_kex_receive_ext_info(struct ssh *s, struct cursor *c)
{
    uint32_t count = cursor_u32(c);
    s->kex.takes_ext_info = false;
    if (count >= EXTENSIONS_MAX) {
        ssh_send_u32(s, SSH_MSG_UNIMPLEMENTED, s->packet.sequence);
        return 0;
    }
    for (uint32_t i = 0; i < count && !c->failed; i++) {
        struct span name = ssh_names_text(c), value = cursor_string(c);
        if (!span_equal_z(name, "ext-info-in-auth@openssh.com"))
            continue;
        if (span_find(value, 0, 0) >= 0)
            return ssh_fault(s, "NUL in an extension");
        s->kex.ext_info_again = s->kex.ext_info_again || span_equal_z(value, "0");
    }
    return ssh_demand_end(s, c);
}

static int note_secrets(struct ssh *s, const struct exchange *x)
{
    const struct ssh_kex_method *method = s->kex.method;
    bool is_x25519 = method->kind == SSH_KEX_ECDH && method->group == CRYPTO_KX_X25519;
    struct span cookie = span_slice(buffer_span(&s->kex.server_init), 1, 1 + SSH_COOKIE_BYTES);
    struct span secret = buffer_span(&x->secret);
    int err = ssh_keylog_put(&s->kex.key_log, cookie, span_slice(secret, 4, secret.len),
                             span_of(x->kx.private, is_x25519 ? CRYPTO_X25519_BYTES : 0));
    return err < 0 ? ssh_broken(s, err) : 0;
}

/* NEWKEYS, and from then on the new keys; what was held may go. */
static int switch_output(struct ssh *s, const struct exchange *x)
{
    struct ssh_kex *kex = &s->kex;
    struct ssh_transform next_out = {.cipher = NULL};
    struct ssh_exchange made = {
        .suite = s->server->suite,
        .digest = kex->method->digest,
        .secret = buffer_span(&x->secret),
        .hash = span_of(x->hash, x->hash_len),
        .session_id = span_of(kex->session_id, kex->session_id_len),
    };
    int err = ssh_derive_transform(&made, SSH_SERVER_TO_CLIENT, kex->cipher[SSH_SERVER_TO_CLIENT],
                                   kex->mac[SSH_SERVER_TO_CLIENT], &next_out);
    if (err == 0)
        err = ssh_derive_transform(&made, SSH_CLIENT_TO_SERVER, kex->cipher[SSH_CLIENT_TO_SERVER],
                                   kex->mac[SSH_CLIENT_TO_SERVER], &kex->next_in);
    if (err < 0) {
        ssh_transform_fini(&next_out);
        return ssh_broken(s, err);
    }
    ssh_begin(s, SSH_MSG_NEWKEYS);
    ssh_send(s);
    ssh_sender_rekey(&s->sender, &next_out, kex->strict);
    if (ssh_kex_start_compression(s, SSH_SERVER_TO_CLIENT) < 0)
        return SSH_OVER;
    kex->step = SSH_KEX_WANT_NEWKEYS;
    if (kex->initial && kex->wants_ext_info)
        ssh_kex_send_ext_info(s, EXTENSIONS_MAX);
    ssh_send_held(s);
    return 0;
}

static uint32_t clamp_bits(uint32_t bits)
{
    if (bits < GEX_BITS_MIN)
        return GEX_BITS_MIN;
    return bits > GEX_BITS_MAX ? GEX_BITS_MAX : bits;
}

/* OpenSSH: the sizes as sent must make sense; what is chosen is held to its own limits. */
static bool choose_modulus(struct ssh *s, uint32_t min, uint32_t wanted, uint32_t max)
{
    if (max < min || wanted < min || max < wanted || max < GEX_BITS_MIN)
        return false;
    max = clamp_bits(max);
    min = min < GEX_BITS_MIN ? GEX_BITS_MIN : min;
    if (max < min) /* the monitor's own check */
        return false;
    s->kex.modulus = ssh_moduli_choose(&s->server->moduli, min, clamp_bits(wanted), max, &s->rng);
    if (!s->kex.modulus)
        s->kex.modulus = ssh_moduli_fallback(max);
    return true;
}

int ssh_kex_receive_sizes(struct ssh *s, struct cursor *c)
{
    uint8_t prime[SSH_MODULUS_MAX_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(s->kex.sizes); i++)
        s->kex.sizes[i] = cursor_u32(c);
    int err = ssh_demand_end(s, c);
    if (err < 0)
        return err;
    if (!choose_modulus(s, s->kex.sizes[0], s->kex.sizes[1], s->kex.sizes[2]))
        return ssh_fault(s, "no group of the size asked for");
    uint8_t generator = (uint8_t)s->kex.modulus->generator;
    ssh_begin(s, SSH_MSG_GEX_GROUP);
    if (ssh_mpint_put(&s->message, span_of(prime, ssh_modulus_prime(s->kex.modulus, prime))) < 0 ||
        ssh_mpint_put(&s->message, span_of(&generator, 1)) < 0)
        return ssh_broken(s, ERR_NOMEM);
    ssh_send(s);
    s->kex.step = SSH_KEX_WANT_PUBLIC;
    return 0;
}

int ssh_kex_receive_public(struct ssh *s, struct cursor *c)
{
    struct exchange x;
    exchange_init(&x);
    int err = parse_public(s, c, &x);
    if (err == 0)
        err = agree(s, &x);
    if (err == 0)
        err = sign(s, &x);
    if (err == 0) {
        keep_session(s, &x);
        send_reply(s, &x);
        if (s->server->key_log)
            err = note_secrets(s, &x);
    }
    if (err == 0)
        err = switch_output(s, &x);
    if (err == 0 && s->kex.initial)
        ssh_wait_start(s, SSH_WAIT_KEYS);
    exchange_fini(&x);
    return err;
}

static const char *mac_name_z(const struct ssh_mac *mac)
{
    return mac ? mac->name_z : "<implicit>";
}

static const char *comp_name_z(bool compresses)
{
    return compresses ? "zlib@openssh.com" : "none";
}

int ssh_kex_receive_newkeys(struct ssh *s, struct cursor *c)
{
    struct ssh_kex *kex = &s->kex;
    int err = s->profile->names_max ? 0 : ssh_demand_end(s, c);
    if (err < 0)
        return err;
    ssh_receiver_rekey(&s->receiver, &kex->next_in, kex->strict);
    if (ssh_kex_start_compression(s, SSH_CLIENT_TO_SERVER) < 0)
        return SSH_OVER;
    kex->step = SSH_KEX_IDLE;
    buffer_fini(&kex->client_init);
    buffer_fini(&kex->server_init);
    buffer_fini(&s->message); /* no other is as long as KEXINIT */
    bool first = kex->initial;
    if (first) {
        kex->initial = false;
        kex->takes_ext_info = kex->wants_ext_info && s->profile->ext_info_again;
        s->phase = SSH_PHASE_AUTH;
    }
    ssh_emit(s, SSH_EVENT_KEYS)->keys = (struct ssh_event_keys){
        .kex_z = kex->method->name_z,
        .hostkey_z = kex->signature->name_z,
        .cipher_cs_z = kex->cipher[SSH_CLIENT_TO_SERVER]->name_z,
        .cipher_sc_z = kex->cipher[SSH_SERVER_TO_CLIENT]->name_z,
        .mac_cs_z = mac_name_z(kex->mac[SSH_CLIENT_TO_SERVER]),
        .mac_sc_z = mac_name_z(kex->mac[SSH_SERVER_TO_CLIENT]),
        .comp_cs_z = comp_name_z(kex->compresses[SSH_CLIENT_TO_SERVER]),
        .comp_sc_z = comp_name_z(kex->compresses[SSH_SERVER_TO_CLIENT]),
        .first = first,
        .key_log = buffer_span(&kex->key_log),
    };
    return 0;
}
