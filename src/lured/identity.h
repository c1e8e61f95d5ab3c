/* What tells this installation from every other, drawn at its first start and kept in
 * DATA/identity: a seed, an id, a host name, the time the machine booted, the host keys. */
#ifndef LURED_IDENTITY_H
#define LURED_IDENTITY_H

#include "base/buffer.h"
#include "crypto/rng.h"
#include "ssh/hostkey.h"
#include "ssh/profile.h"

#define IDENTITY_UUID_SIZE     37 /* 8-4-4-4-12 hex digits and a NUL */
#define IDENTITY_HOSTNAME_SIZE 65
#define IDENTITY_ADDRESS_SIZE  16 /* a.b.c.d and a NUL */
#define IDENTITY_KEYS          SSH_HOSTKEY_TYPES

struct identity {
    uint8_t seed[CRYPTO_RNG_SEED_BYTES];
    char uuid_z[IDENTITY_UUID_SIZE];
    char hostname_z[IDENTITY_HOSTNAME_SIZE];
    int64_t boot_ms;                       /* wall clock */
    char address_z[IDENTITY_ADDRESS_SIZE]; /* of the machine, where a visitor's tells none */
    uint8_t mac[6];                        /* of its network card */
    struct buffer keys[IDENTITY_KEYS];     /* PEM, by enum ssh_hostkey_type */
};

/* Reads what is there and draws what is not. `data` is the data directory; the profile says how the
 * host keys are named and how long they are. 0, or a negative error and in *step_z what failed. */
int identity_open(struct identity *identity, int data, const struct ssh_profile *profile,
                  int64_t now_ms, const char **step_z);
void identity_fini(struct identity *identity);

/* The parts that follow from the seed alone. Pure. */
void identity_draw(struct identity *identity, int64_t born_ms);

#endif
