/* Groups for Diffie-Hellman group exchange (RFC 4419), as /etc/ssh/moduli lists them. */
#ifndef SSH_MODULI_H
#define SSH_MODULI_H

#include "base/span.h"
#include "crypto/kx.h"
#include "crypto/rng.h"

enum { SSH_MODULI_MAX = 1024, SSH_MODULUS_MAX_BYTES = 1024, SSH_MODULUS_MIN_BITS = 2048 };

struct ssh_modulus {
    uint32_t bits;
    uint32_t generator;
    struct span hex; /* borrowed from the text; empty: `group` */
    enum crypto_kx_group group;
};

struct ssh_moduli {
    struct ssh_modulus all[SSH_MODULI_MAX];
    size_t count;
};

/* Reads the text of such a file (moduli(5)): one group a line, in hex; lines that are no safe prime
 * of a usable size are passed over. The text must outlive the table. */
void ssh_moduli_parse(struct span text, struct ssh_moduli *moduli);

/* A group of the smallest size that is not below `wanted` and lies from `min` to `max`, or else of
 * the largest there is: one of them at random. NULL: none. */
const struct ssh_modulus *ssh_moduli_choose(const struct ssh_moduli *moduli, uint32_t min,
                                            uint32_t wanted, uint32_t max, struct crypto_rng *rng);

/* What OpenSSH takes when the file has none: the group of RFC 3526 with 2048, 4096 or 8192 bits that
 * suits `max`, even where it is larger or smaller than what was asked for. */
const struct ssh_modulus *ssh_moduli_fallback(uint32_t max);

/* The prime as bytes; how many. 0: out of memory. */
size_t ssh_modulus_prime(const struct ssh_modulus *modulus, uint8_t out[SSH_MODULUS_MAX_BYTES]);

#endif
