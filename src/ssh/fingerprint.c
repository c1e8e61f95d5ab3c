#include "ssh/fingerprint.h"

#include "crypto/name.h"

#include <string.h>

static const char hex[] = "0123456789abcdef";

void ssh_fingerprint_sha256(struct span key_blob, char out_z[SSH_FINGERPRINT_SHA256_CHARS])
{
    static const char prefix[] = "SHA256:";
    uint8_t digest[CRYPTO_NAME_SHA256_BYTES];
    crypto_name_sha256(&key_blob, 1, digest);
    memcpy(out_z, prefix, sizeof(prefix) - 1);
    crypto_name_base64(span_of(digest, sizeof(digest)), false, out_z + sizeof(prefix) - 1,
                       SSH_FINGERPRINT_SHA256_CHARS - (sizeof(prefix) - 1));
}

void ssh_fingerprint_hassh(const struct crypto_suite *suite,
                           const struct ssh_event_kexinit *kexinit, char out_z[SSH_HASSH_CHARS])
{
    struct span semicolon = span_of(";", 1);
    struct span parts[] = {kexinit->kex,    semicolon, kexinit->cipher_cs, semicolon,
                           kexinit->mac_cs, semicolon, kexinit->comp_cs};
    uint8_t digest[CRYPTO_DIGEST_MAX_BYTES] = {0};
    (void)crypto_digest_parts(suite, CRYPTO_MD5, parts, ARRAY_LEN(parts), digest);
    for (size_t i = 0; 2 * i + 1 < SSH_HASSH_CHARS; i++) {
        out_z[2 * i] = hex[digest[i] >> 4];
        out_z[2 * i + 1] = hex[digest[i] & 15];
    }
    out_z[SSH_HASSH_CHARS - 1] = '\0';
}
