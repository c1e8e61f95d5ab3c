#include "kernel/hash.h"

#include <errno.h>
#include <stdlib.h>

enum { HASH_FIRST = 32 };

/* Inode numbers come in rows: spread them. */
static size_t bucket_of(const struct hash *h, uint64_t key)
{
    return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (h->size - 1);
}

static int grow(struct hash *h)
{
    struct hash larger = {.size = h->size > 0 ? h->size * 2 : HASH_FIRST, .count = h->count};
    larger.buckets = calloc(larger.size, sizeof(void *));
    if (larger.buckets == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < h->size; i++) {
        while (h->buckets[i] != NULL) {
            struct hash_link *link = h->buckets[i];
            h->buckets[i] = link->next;
            struct hash_link **place = &larger.buckets[bucket_of(&larger, link->key)];
            link->next = *place;
            *place = link;
        }
    }
    free(h->buckets);
    *h = larger;
    return 0;
}

int hash_add(struct hash *h, struct hash_link *link, uint64_t key)
{
    /* A table that cannot grow goes on with longer chains, if it is there at all. */
    if (h->count >= h->size && grow(h) != 0 && h->size == 0)
        return -ENOMEM;
    link->key = key;
    struct hash_link **place = &h->buckets[bucket_of(h, key)];
    link->next = *place;
    *place = link;
    h->count++;
    return 0;
}

void hash_remove(struct hash *h, struct hash_link *link)
{
    struct hash_link **place = &h->buckets[bucket_of(h, link->key)];
    while (*place != link)
        place = &(*place)->next;
    *place = link->next;
    link->next = NULL;
    h->count--;
}

struct hash_link *hash_find(const struct hash *h, uint64_t key)
{
    if (h->size == 0)
        return NULL;
    struct hash_link *link = h->buckets[bucket_of(h, key)];
    while (link != NULL && link->key != key)
        link = link->next;
    return link;
}

struct hash_link *hash_find_next(const struct hash_link *link)
{
    uint64_t key = link->key;
    struct hash_link *next = link->next;
    while (next != NULL && next->key != key)
        next = next->next;
    return next;
}

struct hash_link *hash_any(const struct hash *h)
{
    for (size_t i = 0; i < h->size; i++)
        if (h->buckets[i] != NULL)
            return h->buckets[i];
    return NULL;
}

void hash_fini(struct hash *h)
{
    free(h->buckets);
    *h = (struct hash){0};
}

uint64_t hash_bytes(uint64_t seed, struct span bytes)
{
    uint64_t key = (UINT64_C(0xcbf29ce484222325) ^ seed) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < bytes.len; i++)
        key = (key ^ bytes.data[i]) * UINT64_C(0x100000001b3);
    return key;
}
