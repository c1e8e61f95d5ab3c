/* Host keys for tests: fixed, so that no test waits for RSA to be generated. */
#ifndef TESTS_SSH_KEYS_H
#define TESTS_SSH_KEYS_H

#include "ssh/hostkey.h"
#include "ssh/profile.h"
#include "ssh/ssh.h"

struct span keys_pem(enum ssh_hostkey_type type);

/* A server with all three. */
struct ssh_server *keys_server(const struct ssh_profile *profile);

#endif
