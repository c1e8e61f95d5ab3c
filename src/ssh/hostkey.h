/* Host keys: made by the outside at first start, loaded and used by the inside. */
#ifndef SSH_HOSTKEY_H
#define SSH_HOSTKEY_H

#include "base/buffer.h"

enum ssh_hostkey_type { SSH_HOSTKEY_RSA, SSH_HOSTKEY_ECDSA, SSH_HOSTKEY_ED25519 };

/* As in /etc/ssh/ssh_host_NAME_key: "rsa", "ecdsa", "ed25519". */
const char *ssh_hostkey_name_z(enum ssh_hostkey_type type);

enum { SSH_HOSTKEY_PEM_MAX = 16 * 1024 };

/* Makes a new private key of ssh-keygen's default size (RSA 3072, ECDSA nistp256, Ed25519) and
 * appends it to `pem` as PKCS #8 PEM. For the outside only: libcrypto draws its own randomness.
 * RSA takes a good fraction of a second. 0, ERR_CRYPTO, ERR_FULL or ERR_NOMEM. */
int ssh_hostkey_generate(enum ssh_hostkey_type type, struct buffer *pem);

#endif
