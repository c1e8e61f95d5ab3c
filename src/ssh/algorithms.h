/* The algorithms this build can do, by their names on the wire. */
#ifndef SSH_ALGORITHMS_H
#define SSH_ALGORITHMS_H

#include "crypto/cipher.h"
#include "crypto/kx.h"
#include "ssh/hostkey.h"

enum ssh_cipher_kind { SSH_CIPHER_CTR, SSH_CIPHER_GCM, SSH_CIPHER_CHACHAPOLY };

struct ssh_cipher {
    const char *name_z;
    enum ssh_cipher_kind kind;
    size_t key_bytes, iv_bytes;
    size_t block_bytes; /* padding goes up to a multiple of this */
    size_t tag_bytes;   /* not 0: the cipher authenticates, no MAC is used */
};

struct ssh_mac {
    const char *name_z;
    bool encrypt_then_mac;
    bool is_umac;
    enum crypto_digest digest; /* of HMAC */
    size_t key_bytes, tag_bytes;
};

enum ssh_kex_kind {
    SSH_KEX_ECDH,   /* RFC 5656, RFC 8731: public values are strings */
    SSH_KEX_DH,     /* RFC 4253 section 8, RFC 8268: they are numbers */
    SSH_KEX_GEX,    /* RFC 4419: a group of the size that the client wants */
    SSH_KEX_SNTRUP, /* RFC 9941: NTRU Prime and X25519 together */
};

struct ssh_kex_method {
    const char *name_z;
    enum crypto_kx_group group;
    enum crypto_digest digest;
    enum ssh_kex_kind kind;
};

struct ssh_signature {
    const char *name_z;
    enum ssh_hostkey_type type;
    enum crypto_digest digest;
};

/* NULL when it is not built. */
const struct ssh_cipher *ssh_cipher_find(struct span name);
const struct ssh_mac *ssh_mac_find(struct span name);
const struct ssh_kex_method *ssh_kex_method_find(struct span name);
const struct ssh_signature *ssh_signature_find(struct span name);

#endif
