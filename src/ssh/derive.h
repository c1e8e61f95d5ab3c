/* Keys out of a key exchange (RFC 4253, section 7.2). */
#ifndef SSH_DERIVE_H
#define SSH_DERIVE_H

#include "ssh/transform.h"

/* What the exchange gave. `secret` is K as it is hashed: with its length field. */
struct ssh_exchange {
    const struct crypto_suite *suite;
    enum crypto_digest digest;
    struct span secret, hash, session_id;
};

enum ssh_side { SSH_CLIENT_TO_SERVER, SSH_SERVER_TO_CLIENT };

/* The keys of one direction, ready for use; the intermediate bytes are wiped. 0, ERR_NOMEM or
 * ERR_CRYPTO. */
int ssh_derive_transform(const struct ssh_exchange *exchange, enum ssh_side side,
                         const struct ssh_cipher *cipher, const struct ssh_mac *mac,
                         struct ssh_transform *transform);

#endif
