#include "ssh/algorithms.h"

#include "crypto/umac.h"

static const struct ssh_cipher ciphers[] = {
    {"chacha20-poly1305@openssh.com", SSH_CIPHER_CHACHAPOLY, CRYPTO_CHACHAPOLY_KEY_BYTES, 0, 8,
     CRYPTO_CHACHAPOLY_TAG_BYTES},
    {"aes128-ctr", SSH_CIPHER_CTR, 16, CRYPTO_AES_BLOCK_BYTES, CRYPTO_AES_BLOCK_BYTES, 0},
    {"aes192-ctr", SSH_CIPHER_CTR, 24, CRYPTO_AES_BLOCK_BYTES, CRYPTO_AES_BLOCK_BYTES, 0},
    {"aes256-ctr", SSH_CIPHER_CTR, 32, CRYPTO_AES_BLOCK_BYTES, CRYPTO_AES_BLOCK_BYTES, 0},
    {"aes128-gcm@openssh.com", SSH_CIPHER_GCM, 16, CRYPTO_GCM_IV_BYTES, CRYPTO_AES_BLOCK_BYTES,
     CRYPTO_GCM_TAG_BYTES},
    {"aes256-gcm@openssh.com", SSH_CIPHER_GCM, 32, CRYPTO_GCM_IV_BYTES, CRYPTO_AES_BLOCK_BYTES,
     CRYPTO_GCM_TAG_BYTES},
};

#define HMAC(name_z, etm, digest, bytes)         \
    {                                            \
        name_z, etm, false, digest, bytes, bytes \
    }
#define UMAC(name_z, etm, tag)                                       \
    {                                                                \
        name_z, etm, true, CRYPTO_SHA256, CRYPTO_UMAC_KEY_BYTES, tag \
    }

static const struct ssh_mac macs[] = {
    UMAC("umac-64-etm@openssh.com", true, 8),
    UMAC("umac-128-etm@openssh.com", true, 16),
    HMAC("hmac-sha2-256-etm@openssh.com", true, CRYPTO_SHA256, 32),
    HMAC("hmac-sha2-512-etm@openssh.com", true, CRYPTO_SHA512, 64),
    HMAC("hmac-sha1-etm@openssh.com", true, CRYPTO_SHA1, 20),
    UMAC("umac-64@openssh.com", false, 8),
    UMAC("umac-128@openssh.com", false, 16),
    HMAC("hmac-sha2-256", false, CRYPTO_SHA256, 32),
    HMAC("hmac-sha2-512", false, CRYPTO_SHA512, 64),
    HMAC("hmac-sha1", false, CRYPTO_SHA1, 20),
};

static const struct ssh_kex_method kex_methods[] = {
    {"sntrup761x25519-sha512", CRYPTO_KX_X25519, CRYPTO_SHA512, SSH_KEX_SNTRUP},
    {"sntrup761x25519-sha512@openssh.com", CRYPTO_KX_X25519, CRYPTO_SHA512, SSH_KEX_SNTRUP},
    {"curve25519-sha256", CRYPTO_KX_X25519, CRYPTO_SHA256, SSH_KEX_ECDH},
    {"curve25519-sha256@libssh.org", CRYPTO_KX_X25519, CRYPTO_SHA256, SSH_KEX_ECDH},
    {"ecdh-sha2-nistp256", CRYPTO_KX_P256, CRYPTO_SHA256, SSH_KEX_ECDH},
    {"ecdh-sha2-nistp384", CRYPTO_KX_P384, CRYPTO_SHA384, SSH_KEX_ECDH},
    {"ecdh-sha2-nistp521", CRYPTO_KX_P521, CRYPTO_SHA512, SSH_KEX_ECDH},
    {"diffie-hellman-group-exchange-sha256", CRYPTO_KX_DH, CRYPTO_SHA256, SSH_KEX_GEX},
    {"diffie-hellman-group14-sha256", CRYPTO_KX_MODP2048, CRYPTO_SHA256, SSH_KEX_DH},
    {"diffie-hellman-group14-sha1", CRYPTO_KX_MODP2048, CRYPTO_SHA1, SSH_KEX_DH},
    {"diffie-hellman-group16-sha512", CRYPTO_KX_MODP4096, CRYPTO_SHA512, SSH_KEX_DH},
    {"diffie-hellman-group18-sha512", CRYPTO_KX_MODP8192, CRYPTO_SHA512, SSH_KEX_DH},
};

static const struct ssh_signature signatures[] = {
    {"rsa-sha2-512", SSH_HOSTKEY_RSA, CRYPTO_SHA512},
    {"rsa-sha2-256", SSH_HOSTKEY_RSA, CRYPTO_SHA256},
    {"ssh-rsa", SSH_HOSTKEY_RSA, CRYPTO_SHA1},
    {"ecdsa-sha2-nistp256", SSH_HOSTKEY_ECDSA, CRYPTO_SHA256},
    {"ssh-ed25519", SSH_HOSTKEY_ED25519, CRYPTO_SHA512},
};

const struct ssh_cipher *ssh_cipher_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(ciphers); i++)
        if (span_equal_z(name, ciphers[i].name_z))
            return &ciphers[i];
    return NULL;
}

const struct ssh_mac *ssh_mac_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(macs); i++)
        if (span_equal_z(name, macs[i].name_z))
            return &macs[i];
    return NULL;
}

const struct ssh_kex_method *ssh_kex_method_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(kex_methods); i++)
        if (span_equal_z(name, kex_methods[i].name_z))
            return &kex_methods[i];
    return NULL;
}

const struct ssh_signature *ssh_signature_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(signatures); i++)
        if (span_equal_z(name, signatures[i].name_z))
            return &signatures[i];
    return NULL;
}
