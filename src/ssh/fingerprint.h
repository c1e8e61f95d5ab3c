/* Readable forms of what a client shows: its keys and its KEXINIT. */
#ifndef SSH_FINGERPRINT_H
#define SSH_FINGERPRINT_H

#include "ssh/ssh.h"

enum {
    SSH_FINGERPRINT_SHA256_CHARS = 51, /* "SHA256:", 43 of base64, NUL */
    SSH_FINGERPRINT_MD5_CHARS = 48,    /* 16 hex pairs with colons, NUL */
    SSH_HASSH_CHARS = 33,              /* 32 hex digits, NUL */
};

/* "SHA256:..." as ssh-keygen -l prints it. */
void ssh_fingerprint_sha256(struct span key_blob, char out_z[SSH_FINGERPRINT_SHA256_CHARS]);

/* "aa:bb:...", as ssh-keygen -l -E md5 prints it after "MD5:". */
void ssh_fingerprint_md5(struct span key_blob, char out_z[SSH_FINGERPRINT_MD5_CHARS]);

/* HASSH: MD5 of "kex;ciphers;macs;compressions", client to server. */
void ssh_fingerprint_hassh(const struct ssh_event_kexinit *kexinit, char out_z[SSH_HASSH_CHARS]);

#endif
