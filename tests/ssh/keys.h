/* Host keys for tests: fixed, so that no test waits for RSA to be generated. */
#ifndef TESTS_SSH_KEYS_H
#define TESTS_SSH_KEYS_H

#include "ssh/client.h"
#include "ssh/hostkey.h"
#include "ssh/profile.h"
#include "ssh/ssh.h"

struct span keys_pem(enum ssh_hostkey_type type);

/* A server with all three. */
struct ssh_server *keys_server(const struct ssh_profile *profile);

/* What many pairs of server and client may share: loading keys takes longer than a session. */
struct keys_ring {
    struct ssh_server *server;
    struct crypto_suite *suite;                      /* the client's */
    struct ssh_hostkey *hostkeys[SSH_HOSTKEY_TYPES]; /* for it to check signatures */
};

void keys_ring_init(struct keys_ring *ring, const struct ssh_profile *profile);
void keys_ring_fini(struct keys_ring *ring);
/* A client that knows the ring's host keys. */
struct ssh_client *keys_client(const struct keys_ring *ring,
                               const struct ssh_client_options *options, uint8_t seed);
/* Of a group of tests: their *state is one ring, of OpenSSH 9.2p1. */
int keys_ring_setup(void **state);
int keys_ring_teardown(void **state);

#endif
