/* A small SSH client as a machine, for tests: it does the key exchange by itself and hands every
 * other message to the test; what it sends is up to the test. */
#ifndef TESTS_SSH_CLIENT_H
#define TESTS_SSH_CLIENT_H

#include "keys.h"
#include "ssh/derive.h"
#include "ssh/packet.h"
#include "ssh/zip.h"

struct client_options {
    const char *version_z;
    const char *kex_z, *hostkey_z, *cipher_cs_z, *cipher_sc_z, *mac_cs_z, *mac_sc_z, *comp_z;
    bool by_hand; /* sends nothing after its version line; no key exchange by itself */
    bool clear;   /* begins where the first exchange has ended, with packets in the clear */
};

/* curve25519-sha256, ssh-ed25519, aes128-ctr, hmac-sha2-256, none. */
extern const struct client_options client_defaults;

struct client {
    struct client_options options;
    const struct keys_ring *ring;
    struct crypto_rng rng;
    struct ssh_receiver receiver;
    struct ssh_sender sender;
    struct ssh_zip zip;
    bool logged_in;
    struct buffer version; /* the server's line */
    bool have_version;
    struct buffer own_init, server_init, held, last;
    struct ssh_transform next_in;
    struct crypto_kx kx;
    const struct ssh_kex_method *method;
    const struct ssh_signature *signature;
    uint8_t session_id[CRYPTO_DIGEST_MAX_BYTES];
    size_t session_id_len;
    bool in_kex, strict, sent_init;
    bool has_keys; /* the first exchange is over */
    unsigned exchanges;
    const char *fault_z; /* the server did something wrong */
};

/* A ring without the server's host key: whatever it signs is believed. */
struct client *client_new(const struct keys_ring *ring, const struct client_options *options,
                          uint8_t seed);
void client_free(struct client *c);

void client_feed(struct client *c, struct span bytes);
struct span client_out(const struct client *c);
void client_sent(struct client *c, size_t n);

/* The next message that is not of the key exchange (by_hand: any); borrowed until the next call. */
bool client_next(struct client *c, struct span *message);

/* Sends a message; while keys are exchanged it waits. */
void client_send(struct client *c, struct span payload);

/* Sends a message now, whatever the state. */
void client_send_now(struct client *c, struct span payload);

/* Sends bytes that are no packet. */
void client_send_raw(struct client *c, struct span bytes);

void client_send_kexinit(struct client *c);

#endif
