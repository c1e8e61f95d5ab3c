/* What tells this installation from every other, drawn at its first start and kept in
 * DATA/identity: a seed, from which the machine is drawn, and the host keys. */
#ifndef LURED_IDENTITY_H
#define LURED_IDENTITY_H

#include "base/buffer.h"
#include "persona/identity.h"
#include "persona/image.h"
#include "ssh/hostkey.h"
#include "ssh/profile.h"

#define IDENTITY_KEYS SSH_HOSTKEY_TYPES

struct identity {
    struct persona_identity machine;
    struct buffer keys[IDENTITY_KEYS]; /* PEM, by enum ssh_hostkey_type */
};

/* Reads what is there and draws what is not. `data` is the data directory; the profile says how the
 * host keys are named and how long they are; `made_ms` is how old the image's own files are
 * (persona_identity_draw). 0, or a negative error and in *step_z what failed. */
int identity_open(struct identity *identity, int data, const struct ssh_profile *profile,
                  int64_t now_ms, int64_t made_ms, const char **step_z);
void identity_fini(struct identity *identity);

/* The host keys in the machine's /etc/ssh, if it has one, as the package's installation makes them. 0
 * or a negative error. */
int identity_put_keys(const struct identity *identity, struct persona_image *image);

/* Forgets the seed and the host keys, so that the next identity_open draws others. 0 or -errno. */
int identity_forget(int data, const struct ssh_profile *profile);

#endif
