/* What bench-ssh can measure; each prints its table. */
#ifndef BENCH_SSH_MODES_H
#define BENCH_SSH_MODES_H

#include "keys.h"

struct tape;

struct mode_options {
    const char *lured_z, *bare_z, *image_z;
    int count;
    bool shell;
    struct keys_ring ring;
    struct tape *tape; /* where the session is recorded, or what is played; may be NULL */
};

/* CPU time of the server: sessions, refused passwords, key exchanges. */
void mode_cpu(const struct mode_options *options);

/* Memory of `count` sessions held at once. */
void mode_held(const struct mode_options *options);

/* Time of each step as the client sees it, `count` times on each server in turn. */
void mode_steps(const struct mode_options *options);

/* How long one session at its prompt waits for what it types, alone and beside `count` that loop. */
void mode_fair(const struct mode_options *options);

/* cost.c: microseconds of the cryptography of one session alone. */
double bare_crypto_us(const struct crypto_suite *suite);

#endif
