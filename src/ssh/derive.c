#include "ssh/derive.h"

#include "base/error.h"

#include <string.h>

/* HASH(K || H || letter || session_id), and while that is too short HASH(K || H || all so far). */
static int derive(const struct ssh_exchange *x, char letter, uint8_t *out, size_t len)
{
    uint8_t made[SSH_KEY_MAX_BYTES + CRYPTO_DIGEST_MAX_BYTES];
    size_t digest_len = crypto_digest_bytes(x->digest), have = 0;
    if (len == 0)
        return 0; /* some ciphers have no IV, some no MAC */
    struct span first[] = {x->secret, x->hash, span_of(&letter, 1), x->session_id};
    int err = crypto_digest_parts(x->suite, x->digest, first, ARRAY_LEN(first), made);
    for (have = digest_len; err == 0 && have < len; have += digest_len) {
        struct span more[] = {x->secret, x->hash, span_of(made, have)};
        err = crypto_digest_parts(x->suite, x->digest, more, ARRAY_LEN(more), made + have);
    }
    if (err == 0)
        memcpy(out, made, len);
    crypto_wipe(made, sizeof(made));
    return err;
}

int ssh_derive_transform(const struct ssh_exchange *exchange, enum ssh_side side,
                         const struct ssh_cipher *cipher, const struct ssh_mac *mac,
                         struct ssh_transform *transform)
{
    static const char letters[2][3] = {{'A', 'C', 'E'}, {'B', 'D', 'F'}};
    const char *letter = letters[side];
    struct ssh_key_material material;
    size_t mac_len = mac ? mac->key_bytes : 0;
    int err = derive(exchange, letter[0], material.iv, cipher->iv_bytes);
    if (err == 0)
        err = derive(exchange, letter[1], material.key, cipher->key_bytes);
    if (err == 0)
        err = derive(exchange, letter[2], material.mac_key, mac_len);
    if (err == 0)
        err = ssh_transform_init(transform, exchange->suite, cipher, mac, &material);
    crypto_wipe(&material, sizeof(material));
    return err;
}
