/* Where somebody comes from, as plain bytes: to compare, to cut to a prefix, to hash. Pure. */
#ifndef REEL_SOURCE_KEY_H
#define REEL_SOURCE_KEY_H

#include <reel/address.h>

#include <stdint.h>

struct source_key {
    uint8_t family; /* 4, 6; 1: a Unix socket; 0: no address */
    uint8_t bytes[16];
};

/* An IPv4 address that came over IPv6 is an IPv4 address. */
struct source_key reel_source_key(const struct reel_address *address);

/* All but the first `bits` become zero. */
void reel_source_key_cut(struct source_key *key, int bits);

#endif
