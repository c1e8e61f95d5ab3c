/* A small SSH client as a machine: it does the key exchange by itself and hands every other message to
 * its caller; what it says is up to the caller. For `lured audit`, tests and benchmarks.
 *
 * Nobody vouches for the host's key unless one is given: whatever it signs is believed. */
#ifndef SSH_CLIENT_H
#define SSH_CLIENT_H

#include "crypto/kx.h"
#include "ssh/derive.h"
#include "ssh/hostkey.h"
#include "ssh/packet.h"
#include "ssh/zip.h"

/* What it offers; of each list the first name that the server has as well is taken (RFC 4253, section
 * 7.1). Names that this build does not have must not stand there. */
struct ssh_client_options {
    const char *version_z;
    const char *kex_z, *hostkey_z, *cipher_cs_z, *cipher_sc_z, *mac_cs_z, *mac_sc_z, *comp_z;
    bool by_hand; /* sends nothing after its version line; no key exchange by itself */
    const char
        *clear_z; /* begins where the first exchange has ended, with packets in the clear: the
                            server's version line. NULL: begins at the beginning */
};

/* curve25519-sha256, ssh-ed25519, aes128-ctr, hmac-sha2-256, none. */
extern const struct ssh_client_options ssh_client_defaults;

/* What both ends agreed on. */
struct ssh_client_choice {
    const struct ssh_kex_method *method;
    const struct ssh_signature *signature;
    const struct ssh_cipher *cipher_cs, *cipher_sc;
    const struct ssh_mac *mac_cs, *mac_sc;
};

struct ssh_client {
    struct ssh_client_options options;
    const struct crypto_suite *suite;
    struct ssh_hostkey *const *hostkeys; /* SSH_HOSTKEY_TYPES that are known; NULL: none is */
    struct crypto_rng rng;
    struct ssh_receiver receiver;
    struct ssh_sender sender;
    struct ssh_zip zip;
    bool logged_in;
    struct buffer version; /* the server's line */
    bool have_version;
    struct buffer own_init, server_init, held, hostkey; /* hostkey: the server's, as on the wire */
    struct ssh_transform next_in;
    struct crypto_kx kx;
    struct ssh_client_choice choice;
    uint8_t session_id[CRYPTO_DIGEST_MAX_BYTES];
    size_t session_id_len;
    bool in_kex, strict, sent_init;
    bool has_keys; /* the first exchange is over */
    unsigned exchanges;
    const char *fault_z; /* the server did something wrong, or memory is short */
};

/* `suite` and `options` are borrowed. NULL: out of memory. */
struct ssh_client *ssh_client_new(const struct crypto_suite *suite,
                                  const struct ssh_client_options *options,
                                  const uint8_t seed[CRYPTO_RNG_SEED_BYTES]);
void ssh_client_free(struct ssh_client *c);

/* All bytes are taken, unless there is a fault. */
void ssh_client_feed(struct ssh_client *c, struct span bytes);
struct span ssh_client_out(const struct ssh_client *c);
void ssh_client_sent(struct ssh_client *c, size_t n);

/* The next message that is not of the key exchange (by_hand: any); borrowed until the next call. */
bool ssh_client_next(struct ssh_client *c, struct span *message);

/* Sends a message; while keys are exchanged it waits. */
void ssh_client_send(struct ssh_client *c, struct span payload);

/* Sends a message now, whatever the state. */
void ssh_client_send_now(struct ssh_client *c, struct span payload);

/* Sends bytes that are no packet. */
void ssh_client_send_raw(struct ssh_client *c, struct span bytes);

void ssh_client_send_kexinit(struct ssh_client *c);

#endif
