/* What happens to the packets of one direction between two NEWKEYS: encryption and authentication
 * (RFC 4253, section 6; RFC 5647; OpenSSH's PROTOCOL for -etm and chacha20-poly1305). */
#ifndef SSH_TRANSFORM_H
#define SSH_TRANSFORM_H

#include "crypto/mac.h"
#include "crypto/umac.h"
#include "ssh/algorithms.h"

struct ssh_transform {
    const struct ssh_cipher *cipher; /* NULL: packets go in the clear */
    const struct ssh_mac *mac;       /* NULL: none, or the cipher authenticates */
    struct crypto_ctr *ctr;
    struct crypto_gcm *gcm;
    struct crypto_hmac *hmac;
    struct crypto_umac *umac;
    uint8_t chachapoly[CRYPTO_CHACHAPOLY_KEY_BYTES];
};

/* The bytes that key derivation gives for one direction; the lengths are the algorithms' own. */
enum { SSH_KEY_MAX_BYTES = 64 };

struct ssh_key_material {
    uint8_t iv[SSH_KEY_MAX_BYTES], key[SSH_KEY_MAX_BYTES], mac_key[SSH_KEY_MAX_BYTES];
};

/* `mac` is NULL for a cipher that authenticates. 0 or ERR_NOMEM. */
int ssh_transform_init(struct ssh_transform *t, const struct crypto_suite *suite,
                       const struct ssh_cipher *cipher, const struct ssh_mac *mac,
                       const struct ssh_key_material *material);

/* Frees and wipes; the direction is in the clear again. */
void ssh_transform_fini(struct ssh_transform *t);

/* Padding goes up to a multiple of this; at least 8. */
size_t ssh_transform_block(const struct ssh_transform *t);

/* Bytes behind the packet: tag or MAC. */
size_t ssh_transform_trailer(const struct ssh_transform *t);

/* Whether the 4 bytes of the length stay out of what is padded to blocks. */
bool ssh_transform_length_apart(const struct ssh_transform *t);

/* Seals a packet in place: `len` bytes from the length field on, and room for the trailer behind. */
int ssh_transform_seal(struct ssh_transform *t, uint32_t sequence, uint8_t *packet, size_t len);

/* How many bytes must be there before the length can be known. */
size_t ssh_transform_header(const struct ssh_transform *t);

/* Reads packet_length out of the header. In CTR mode without -etm this decrypts the header in place
 * and may be done only once a packet. */
int ssh_transform_open_length(struct ssh_transform *t, uint32_t sequence, uint8_t *packet,
                              uint32_t *packet_length);

/* Opens the rest in place once all of `len` bytes and the trailer are there. 0; ERR_AUTH: not what
 * the peer sealed; ERR_CRYPTO. */
int ssh_transform_open(struct ssh_transform *t, uint32_t sequence, uint8_t *packet, size_t len);

#endif
