#include "ssh/hostkey.h"

#include "base/cursor.h"
#include "base/error.h"
#include "crypto/key.h"
#include "crypto/name.h"
#include "ssh/algorithms.h"
#include "ssh/mpint.h"

#include <stdlib.h>

enum { BLOB_MAX_BYTES = 2048, FILE_MAX_BYTES = 8192, FILE_LINE_CHARS = 70, FILE_BLOCK_BYTES = 8 };

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

/* The numbers of a blob, by the name that it begins with. */
static int read_blob(struct span blob, enum ssh_hostkey_type *type, struct span *first,
                     struct span *second)
{
    struct cursor c = cursor_of(blob);
    struct span name = cursor_string(&c);
    *second = span_of(NULL, 0);
    if (span_equal_z(name, "ssh-rsa")) {
        *type = SSH_HOSTKEY_RSA;
        *first = ssh_mpint_get(&c);
        *second = ssh_mpint_get(&c);
    } else if (span_equal_z(name, "ecdsa-sha2-nistp256")) {
        *type = SSH_HOSTKEY_ECDSA;
        if (!span_equal_z(cursor_string(&c), "nistp256"))
            return ERR_MALFORMED;
        *first = cursor_string(&c);
    } else if (span_equal_z(name, "ssh-ed25519")) {
        *type = SSH_HOSTKEY_ED25519;
        *first = cursor_string(&c);
    } else {
        return ERR_MALFORMED;
    }
    return cursor_end(&c) < 0 ? ERR_MALFORMED : 0;
}

struct ssh_hostkey *ssh_hostkey_parse(struct span blob, int *err)
{
    enum ssh_hostkey_type type;
    struct span first, second;
    *err = read_blob(blob, &type, &first, &second);
    struct ssh_hostkey *key = *err == 0 ? calloc(1, sizeof(*key)) : NULL;
    if (!key) {
        *err = *err == 0 ? ERR_NOMEM : *err;
        return NULL;
    }
    buffer_init(&key->blob, BLOB_MAX_BYTES);
    key->type = type;
    key->key = crypto_key_new_public(kinds[type].key_type, first, second, err);
    if (key->key)
        *err = put_blob(key);
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

/* ---- As files ---- */

static int put_base64(struct span bytes, struct buffer *out)
{
    size_t size = (bytes.len + 2) / 3 * 4 + 1; /* with a NUL */
    uint8_t *text = buffer_reserve(out, size);
    if (!text)
        return ERR_NOMEM;
    crypto_name_base64(bytes, true, (char *)text, size);
    buffer_commit(out, size - 1);
    return 0;
}

int ssh_hostkey_put_public(const struct ssh_hostkey *key, struct span comment, struct buffer *out)
{
    struct cursor c = cursor_of(buffer_span(&key->blob));
    int err = buffer_put(out, cursor_string(&c));
    if (err == 0)
        err = buffer_put_u8(out, ' ');
    if (err == 0)
        err = put_base64(buffer_span(&key->blob), out);
    if (err == 0)
        err = buffer_printf(out, " %.*s\n", (int)comment.len, (const char *)comment.data);
    return err;
}

static int put_secret(const struct ssh_hostkey *key, enum crypto_key_secret secret,
                      struct buffer *out)
{
    struct buffer number;
    buffer_init(&number, CRYPTO_KEY_RSA_MAX_BYTES);
    int err = crypto_key_secret(key->key, secret, &number);
    if (err == 0)
        err = key->type == SSH_HOSTKEY_ED25519 ? buffer_put_string(out, buffer_span(&number))
                                               : ssh_mpint_put(out, buffer_span(&number));
    buffer_wipe(&number);
    return err;
}

/* RSA's file has n before e, where the wire has e first; the others begin as on the wire. */
static int put_halves(const struct ssh_hostkey *key, struct buffer *out)
{
    struct span e, n;
    crypto_key_public(key->key, &e, &n);
    if (key->type != SSH_HOSTKEY_RSA) {
        int err = buffer_put(out, buffer_span(&key->blob));
        return err < 0 ? err : put_secret(key, CRYPTO_KEY_D, out);
    }
    int err = buffer_put_string(out, span_z("ssh-rsa"));
    if (err == 0)
        err = ssh_mpint_put(out, n);
    if (err == 0)
        err = ssh_mpint_put(out, e);
    for (int secret = 0; err == 0 && secret < CRYPTO_KEY_SECRETS; secret++)
        err = put_secret(key, (enum crypto_key_secret)secret, out);
    return err;
}

static int put_section(const struct ssh_hostkey *key, struct span comment, uint32_t check,
                       struct buffer *out)
{
    int err = buffer_put_u32(out, check);
    if (err == 0)
        err = buffer_put_u32(out, check);
    if (err == 0)
        err = put_halves(key, out);
    if (err == 0)
        err = buffer_put_string(out, comment);
    for (uint8_t pad = 1; err == 0 && buffer_len(out) % FILE_BLOCK_BYTES != 0; pad++)
        err = buffer_put_u8(out, pad);
    return err;
}

static int put_file(const struct ssh_hostkey *key, struct span section, struct buffer *out)
{
    static const char magic[] = "openssh-key-v1"; /* with its NUL */
    int err = buffer_put(out, span_of(magic, sizeof(magic)));
    if (err == 0)
        err = buffer_put_string(out, span_z("none")); /* cipher */
    if (err == 0)
        err = buffer_put_string(out, span_z("none")); /* how its key is made ... */
    if (err == 0)
        err = buffer_put_string(out, span_z("")); /* ... and of what */
    if (err == 0)
        err = buffer_put_u32(out, 1); /* keys */
    if (err == 0)
        err = buffer_put_string(out, buffer_span(&key->blob));
    return err < 0 ? err : buffer_put_string(out, section);
}

static int put_armour(struct span file, struct buffer *out)
{
    struct buffer text;
    buffer_init(&text, (size_t)2 * FILE_MAX_BYTES);
    int err = put_base64(file, &text);
    if (err == 0)
        err = buffer_put_z(out, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    while (err == 0 && buffer_len(&text) > 0) {
        struct span line = span_slice(buffer_span(&text), 0, FILE_LINE_CHARS);
        err = buffer_put(out, line);
        if (err == 0)
            err = buffer_put_u8(out, '\n');
        buffer_take(&text, line.len);
    }
    if (err == 0)
        err = buffer_put_z(out, "-----END OPENSSH PRIVATE KEY-----\n");
    buffer_wipe(&text);
    return err;
}

int ssh_hostkey_put_private(const struct ssh_hostkey *key, struct span comment, uint32_t check,
                            struct buffer *out)
{
    struct buffer section, file;
    buffer_init(&section, FILE_MAX_BYTES);
    buffer_init(&file, FILE_MAX_BYTES);
    int err = put_section(key, comment, check, &section);
    if (err == 0)
        err = put_file(key, buffer_span(&section), &file);
    if (err == 0)
        err = put_armour(buffer_span(&file), out);
    buffer_wipe(&section);
    buffer_wipe(&file);
    return err;
}

/* ---- Signatures ---- */

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
