/* The inside of struct ssh_server, for the files of this folder: never changes once it is made. */
#ifndef SSH_SERVER_H
#define SSH_SERVER_H

#include "ssh/algorithms.h"
#include "ssh/moduli.h"
#include "ssh/profile.h"
#include "ssh/ssh.h"

enum { SSH_NAMES_MAX_BYTES = 2048 };

struct ssh_server {
    const struct ssh_profile *profile;
    struct crypto_suite *suite;
    struct ssh_hostkey *hostkeys[SSH_HOSTKEY_TYPES]; /* NULL: none of that type */
    /* The profile's lists less what is not built or not there; with NUL. */
    char kex_z[SSH_NAMES_MAX_BYTES], hostkey_z[SSH_NAMES_MAX_BYTES];
    char cipher_z[SSH_NAMES_MAX_BYTES], mac_z[SSH_NAMES_MAX_BYTES];
    char compression_z[SSH_NAMES_MAX_BYTES];
    struct ssh_moduli moduli; /* none: no group exchange */
    bool key_log, waits;
    uint64_t timing_secret; /* out of the host keys: the same after a restart */
};

#endif
