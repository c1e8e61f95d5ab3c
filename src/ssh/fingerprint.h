/* Readable forms of what a client shows: its keys and its KEXINIT. */
#ifndef SSH_FINGERPRINT_H
#define SSH_FINGERPRINT_H

#include "crypto/suite.h"
#include "ssh/ssh.h"

enum {
    SSH_FINGERPRINT_SHA256_CHARS = 51, /* "SHA256:", 43 of base64, NUL */
    SSH_HASSH_CHARS = 33,              /* 32 hex digits, NUL */
};

/* "SHA256:..." as ssh-keygen -l prints it. */
void ssh_fingerprint_sha256(struct span key_blob, char out_z[SSH_FINGERPRINT_SHA256_CHARS]);

/* HASSH: MD5 of "kex;ciphers;macs;compressions", client to server. */
void ssh_fingerprint_hassh(const struct crypto_suite *suite,
                           const struct ssh_event_kexinit *kexinit, char out_z[SSH_HASSH_CHARS]);

#endif
