/* Host keys: made by the outside at first start, loaded and used by the inside. */
#ifndef SSH_HOSTKEY_H
#define SSH_HOSTKEY_H

#include "base/buffer.h"
#include "crypto/suite.h"

struct ssh_signature;

enum ssh_hostkey_type {
    SSH_HOSTKEY_RSA,
    SSH_HOSTKEY_ECDSA,
    SSH_HOSTKEY_ED25519,
    SSH_HOSTKEY_TYPES, /* in the order of OpenSSH's default configuration */
};

/* As in /etc/ssh/ssh_host_NAME_key: "rsa", "ecdsa", "ed25519". */
const char *ssh_hostkey_name_z(enum ssh_hostkey_type type);

enum { SSH_HOSTKEY_PEM_MAX_BYTES = 16 * 1024 };

/* Makes a new private key (RSA of so many bits, ECDSA nistp256, Ed25519) and appends it to `pem` as
 * PKCS #8 PEM. For the outside only: libcrypto draws its own randomness.
 * RSA takes a good fraction of a second. 0, ERR_CRYPTO, ERR_FULL or ERR_NOMEM. */
int ssh_hostkey_generate(enum ssh_hostkey_type type, unsigned rsa_bits, struct buffer *pem);

struct ssh_hostkey;

/* NULL: *err says why (crypto/key.h). */
struct ssh_hostkey *ssh_hostkey_load(struct span pem, int *err);
void ssh_hostkey_free(struct ssh_hostkey *key);

/* A public key as it goes over the wire, which verifies only. NULL: *err is ERR_MALFORMED (no key, or of a
 * kind or size that is not here: RSA, nistp256 and Ed25519 are), ERR_CRYPTO or ERR_NOMEM. */
struct ssh_hostkey *ssh_hostkey_parse(struct span blob, int *err);

enum ssh_hostkey_type ssh_hostkey_type(const struct ssh_hostkey *key);

/* The public key as it goes over the wire (RFC 4253, section 6.6; RFC 5656; RFC 8709). Borrowed
 * from the key. */
struct span ssh_hostkey_blob(const struct ssh_hostkey *key);

/* The two files of /etc/ssh as ssh-keygen writes them (its PROTOCOL.key): the line of the public one;
 * the private one, without a passphrase, `check` being what ssh-keygen draws. Appended; 0, ERR_CRYPTO,
 * ERR_FULL or ERR_NOMEM. */
int ssh_hostkey_put_public(const struct ssh_hostkey *key, struct span comment, struct buffer *out);
int ssh_hostkey_put_private(const struct ssh_hostkey *key, struct span comment, uint32_t check,
                            struct buffer *out);

/* Appends a signature over `message`: algorithm name and signature in one string's contents. */
int ssh_hostkey_sign(const struct crypto_suite *suite, const struct ssh_hostkey *key,
                     const struct ssh_signature *algorithm, struct span message,
                     struct buffer *signature);

/* 0, or ERR_AUTH: not this key's signature by this algorithm. */
int ssh_hostkey_verify(const struct crypto_suite *suite, const struct ssh_hostkey *key,
                       const struct ssh_signature *algorithm, struct span message,
                       struct span signature);

#endif
