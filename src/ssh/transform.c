#include "ssh/transform.h"

#include "base/error.h"

#include <string.h>

enum { LENGTH_BYTES = 4, CLEAR_BLOCK_BYTES = 8 };

static bool is_etm(const struct ssh_transform *t)
{
    return t->mac && t->mac->encrypt_then_mac;
}

int ssh_transform_init(struct ssh_transform *t, const struct crypto_suite *suite,
                       const struct ssh_cipher *cipher, const struct ssh_mac *mac,
                       const struct ssh_key_material *material)
{
    struct span key = span_of(material->key, cipher->key_bytes);
    bool good = true;
    *t = (struct ssh_transform){.cipher = cipher, .mac = mac};
    switch (cipher->kind) {
    case SSH_CIPHER_CTR: good = (t->ctr = crypto_ctr_new(suite, key, material->iv)) != NULL; break;
    case SSH_CIPHER_GCM: good = (t->gcm = crypto_gcm_new(suite, key, material->iv)) != NULL; break;
    case SSH_CIPHER_CHACHAPOLY: memcpy(t->chachapoly, key.data, key.len); break;
    }
    if (good && mac) {
        struct span mac_key = span_of(material->mac_key, mac->key_bytes);
        if (mac->is_umac)
            good = (t->umac = crypto_umac_new(suite, mac_key.data, mac->tag_bytes)) != NULL;
        else
            good = (t->hmac = crypto_hmac_new(suite, mac->digest, mac_key)) != NULL;
    }
    if (!good)
        ssh_transform_fini(t);
    return good ? 0 : ERR_NOMEM;
}

void ssh_transform_fini(struct ssh_transform *t)
{
    crypto_ctr_free(t->ctr);
    crypto_gcm_free(t->gcm);
    crypto_hmac_free(t->hmac);
    crypto_umac_free(t->umac);
    crypto_wipe(t, sizeof(*t));
}

size_t ssh_transform_block(const struct ssh_transform *t)
{
    return t->cipher ? t->cipher->block_bytes : CLEAR_BLOCK_BYTES;
}

size_t ssh_transform_trailer(const struct ssh_transform *t)
{
    if (!t->cipher)
        return 0;
    return t->mac ? t->mac->tag_bytes : t->cipher->tag_bytes;
}

bool ssh_transform_length_apart(const struct ssh_transform *t)
{
    return t->cipher && (t->cipher->tag_bytes || is_etm(t));
}

static int compute_mac(struct ssh_transform *t, uint32_t sequence, const uint8_t *packet,
                       size_t len, uint8_t *out)
{
    uint8_t number[8] = {0,
                         0,
                         0,
                         0,
                         (uint8_t)(sequence >> 24),
                         (uint8_t)(sequence >> 16),
                         (uint8_t)(sequence >> 8),
                         (uint8_t)sequence};
    if (t->mac->is_umac)
        return crypto_umac_compute(t->umac, number, span_of(packet, len), out);
    struct span parts[] = {span_of(number + 4, 4), span_of(packet, len)};
    return crypto_hmac_compute(t->hmac, parts, ARRAY_LEN(parts), out);
}

static int seal_ctr(struct ssh_transform *t, uint32_t sequence, uint8_t *packet, size_t len)
{
    uint8_t mac[CRYPTO_DIGEST_MAX_BYTES];
    size_t apart = is_etm(t) ? LENGTH_BYTES : 0;
    int err = 0;
    if (t->mac && !apart)
        err = compute_mac(t, sequence, packet, len, mac);
    if (err == 0)
        err = crypto_ctr_apply(t->ctr, packet + apart, len - apart);
    if (err == 0 && apart)
        err = compute_mac(t, sequence, packet, len, mac);
    if (err == 0)
        memcpy(packet + len, mac, ssh_transform_trailer(t));
    return err;
}

int ssh_transform_seal(struct ssh_transform *t, uint32_t sequence, uint8_t *packet, size_t len)
{
    if (!t->cipher)
        return 0;
    switch (t->cipher->kind) {
    case SSH_CIPHER_CTR: return seal_ctr(t, sequence, packet, len);
    case SSH_CIPHER_GCM:
        return crypto_gcm_seal(t->gcm, span_of(packet, LENGTH_BYTES), packet + LENGTH_BYTES,
                               len - LENGTH_BYTES, packet + len);
    default: crypto_chachapoly_seal(t->chachapoly, sequence, packet, len, packet + len); return 0;
    }
}

size_t ssh_transform_header(const struct ssh_transform *t)
{
    return ssh_transform_length_apart(t) ? LENGTH_BYTES : ssh_transform_block(t);
}

int ssh_transform_open_length(struct ssh_transform *t, uint32_t sequence, uint8_t *packet,
                              uint32_t *packet_length)
{
    uint8_t field[LENGTH_BYTES];
    int err = 0;
    if (t->cipher && !ssh_transform_length_apart(t))
        err = crypto_ctr_apply(t->ctr, packet, t->cipher->block_bytes);
    memcpy(field, packet, sizeof(field));
    if (t->cipher && t->cipher->kind == SSH_CIPHER_CHACHAPOLY)
        crypto_chachapoly_length(t->chachapoly, sequence, packet, field);
    *packet_length =
        (uint32_t)field[0] << 24 | (uint32_t)field[1] << 16 | (uint32_t)field[2] << 8 | field[3];
    return err;
}

static int check_mac(struct ssh_transform *t, uint32_t sequence, const uint8_t *packet, size_t len)
{
    uint8_t mac[CRYPTO_DIGEST_MAX_BYTES];
    int err = compute_mac(t, sequence, packet, len, mac);
    if (err < 0)
        return err;
    return crypto_equal(mac, packet + len, ssh_transform_trailer(t)) ? 0 : ERR_AUTH;
}

static int open_ctr(struct ssh_transform *t, uint32_t sequence, uint8_t *packet, size_t len)
{
    size_t open_already = is_etm(t) ? LENGTH_BYTES : t->cipher->block_bytes;
    int err = 0;
    if (is_etm(t))
        err = check_mac(t, sequence, packet, len);
    if (err == 0 && len > open_already)
        err = crypto_ctr_apply(t->ctr, packet + open_already, len - open_already);
    if (err == 0 && t->mac && !is_etm(t))
        err = check_mac(t, sequence, packet, len);
    return err;
}

int ssh_transform_open(struct ssh_transform *t, uint32_t sequence, uint8_t *packet, size_t len)
{
    if (!t->cipher)
        return 0;
    switch (t->cipher->kind) {
    case SSH_CIPHER_CTR: return open_ctr(t, sequence, packet, len);
    case SSH_CIPHER_GCM:
        return crypto_gcm_open(t->gcm, span_of(packet, LENGTH_BYTES), packet + LENGTH_BYTES,
                               len - LENGTH_BYTES, packet + len);
    default: return crypto_chachapoly_open(t->chachapoly, sequence, packet, len, packet + len);
    }
}
