/* A hash table of things that carry their own link: no allocation but the buckets. Keys are 64-bit
 * numbers; several things may have the same key (the caller compares further). */
#ifndef KERNEL_HASH_H
#define KERNEL_HASH_H

#include "base/span.h"

struct hash_link {
    struct hash_link *next;
    uint64_t key;
};

struct hash {
    struct hash_link **buckets; /* NULL while empty */
    size_t size;                /* a power of two */
    size_t count;
};

/* 0 or -ENOMEM. The link must be in no table. */
int hash_add(struct hash *h, struct hash_link *link, uint64_t key);
void hash_remove(struct hash *h, struct hash_link *link);
/* The first link with that key, or NULL; then the next one. */
struct hash_link *hash_find(const struct hash *h, uint64_t key);
struct hash_link *hash_find_next(const struct hash_link *link);
/* Any link at all, or NULL: to take a table down. */
struct hash_link *hash_any(const struct hash *h);
void hash_fini(struct hash *h); /* frees the buckets, not the things */

/* A key from bytes and a number (FNV-1a, 64 bits). */
uint64_t hash_bytes(uint64_t seed, struct span bytes);

#endif
