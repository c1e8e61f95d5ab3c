#include "ssh/hostkey.h"

#include "base/cursor.h"
#include "base/error.h"
#include "crypto/key.h"
#include "ssh/algorithms.h"
#include "ssh/mpint.h"

#include <stdlib.h>

enum { BLOB_MAX_BYTES = 2048 };

struct ssh_hostkey {
    enum ssh_hostkey_type type;
    struct crypto_key *key;
    struct buffer blob;
};

static const struct {
    const char *name_z;
    enum crypto_key_type key_type;
} kinds[SSH_HOSTKEY_TYPES] = {
    [SSH_HOSTKEY_RSA] = {"rsa", CRYPTO_KEY_RSA},
    [SSH_HOSTKEY_ECDSA] = {"ecdsa", CRYPTO_KEY_ECDSA_P256},
    [SSH_HOSTKEY_ED25519] = {"ed25519", CRYPTO_KEY_ED25519},
};

const char *ssh_hostkey_name_z(enum ssh_hostkey_type type)
{
    return kinds[type].name_z;
}

int ssh_hostkey_generate(enum ssh_hostkey_type type, unsigned rsa_bits, struct buffer *pem)
{
    return crypto_key_generate(kinds[type].key_type, rsa_bits, pem);
}

static enum ssh_hostkey_type type_of(const struct crypto_key *key)
{
    switch (crypto_key_type(key)) {
    case CRYPTO_KEY_RSA: return SSH_HOSTKEY_RSA;
    case CRYPTO_KEY_ECDSA_P256: return SSH_HOSTKEY_ECDSA;
    default: return SSH_HOSTKEY_ED25519;
    }
}

static int put_blob(struct ssh_hostkey *key)
{
    struct buffer *blob = &key->blob;
    struct span first, second;
    crypto_key_public(key->key, &first, &second);
    int err = 0;
    switch (key->type) {
    case SSH_HOSTKEY_RSA: /* RFC 4253, section 6.6 */
        if ((err = buffer_put_string(blob, span_z("ssh-rsa"))) == 0 &&
            (err = ssh_mpint_put(blob, first)) == 0)
            err = ssh_mpint_put(blob, second);
        break;
    case SSH_HOSTKEY_ECDSA: /* RFC 5656, section 3.1 */
        if ((err = buffer_put_string(blob, span_z("ecdsa-sha2-nistp256"))) == 0 &&
            (err = buffer_put_string(blob, span_z("nistp256"))) == 0)
            err = buffer_put_string(blob, first);
        break;
    default: /* RFC 8709, section 4 */
        if ((err = buffer_put_string(blob, span_z("ssh-ed25519"))) == 0)
            err = buffer_put_string(blob, first);
        break;
    }
    return err;
}

struct ssh_hostkey *ssh_hostkey_load(struct span pem, int *err)
{
    struct ssh_hostkey *key = calloc(1, sizeof(*key));
    *err = ERR_NOMEM;
    if (!key)
        return NULL;
    buffer_init(&key->blob, BLOB_MAX_BYTES);
    key->key = crypto_key_load(pem, err);
    if (key->key) {
        key->type = type_of(key->key);
        *err = put_blob(key);
    }
    if (*err < 0) {
        ssh_hostkey_free(key);
        return NULL;
    }
    return key;
}

void ssh_hostkey_free(struct ssh_hostkey *key)
{
    if (!key)
        return;
    crypto_key_free(key->key);
    buffer_fini(&key->blob);
    free(key);
}

enum ssh_hostkey_type ssh_hostkey_type(const struct ssh_hostkey *key)
{
    return key->type;
}

struct span ssh_hostkey_blob(const struct ssh_hostkey *key)
{
    return buffer_span(&key->blob);
}

/* RFC 5656, section 3.1.2: r and s as numbers in a string of their own. */
static int put_ecdsa(struct buffer *signature, struct span raw)
{
    enum { NUMBERS_MAX_BYTES = 128 };
    struct buffer numbers;
    buffer_init(&numbers, NUMBERS_MAX_BYTES);
    int err = ssh_mpint_put(&numbers, span_slice(raw, 0, raw.len / 2));
    if (err == 0)
        err = ssh_mpint_put(&numbers, span_slice(raw, raw.len / 2, raw.len));
    if (err == 0)
        err = buffer_put_string(signature, buffer_span(&numbers));
    buffer_fini(&numbers);
    return err;
}

int ssh_hostkey_sign(const struct crypto_suite *suite, const struct ssh_hostkey *key,
                     const struct ssh_signature *algorithm, struct span message,
                     struct buffer *signature)
{
    uint8_t raw[CRYPTO_KEY_SIGNATURE_MAX_BYTES];
    size_t len;
    int err = crypto_key_sign(suite, key->key, algorithm->digest, message, raw, &len);
    if (err == 0)
        err = buffer_put_string(signature, span_z(algorithm->name_z));
    if (err < 0)
        return err;
    if (key->type == SSH_HOSTKEY_ECDSA)
        return put_ecdsa(signature, span_of(raw, len));
    return buffer_put_string(signature, span_of(raw, len));
}

/* Two mpints to two numbers of 32 bytes each. */
static int get_ecdsa(struct span encoded, uint8_t raw[64])
{
    struct cursor c = cursor_of(encoded);
    struct span r = ssh_mpint_get(&c), s = ssh_mpint_get(&c);
    if (cursor_end(&c) < 0 || ssh_mpint_pad(r, raw, 32) < 0 || ssh_mpint_pad(s, raw + 32, 32) < 0)
        return ERR_AUTH;
    return 0;
}

int ssh_hostkey_verify(const struct crypto_suite *suite, const struct ssh_hostkey *key,
                       const struct ssh_signature *algorithm, struct span message,
                       struct span signature)
{
    struct cursor c = cursor_of(signature);
    struct span name = cursor_string(&c);
    struct span value = cursor_string(&c);
    uint8_t raw[64];
    if (cursor_end(&c) < 0 || !span_equal_z(name, algorithm->name_z))
        return ERR_AUTH;
    if (key->type == SSH_HOSTKEY_ECDSA) {
        if (get_ecdsa(value, raw) < 0)
            return ERR_AUTH;
        value = span_of(raw, sizeof(raw));
    }
    return crypto_key_verify(suite, key->key, algorithm->digest, message, value);
}
