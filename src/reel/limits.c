/* Limits of connections as a filter: in total, and from one source. */
#include <reel/policy.h>

#include "reel/source_key.h"
#include "reel/stream.h"

#include <errno.h>
#include <string.h>

enum { V4_BITS_DEFAULT = 32, V6_BITS_DEFAULT = 64 };

struct limits_source {
    struct limits_source *next;
    struct source_key key;
    size_t count;
};

struct limit {
    struct reel_filter f;
    struct reel_limits *limits;
    struct limits_source *source; /* NULL: not counted */
};

static struct source_key key_of(const struct reel_limits *limits, const struct reel_address *peer)
{
    struct source_key key = reel_source_key(peer);
    if (key.family == 4)
        reel_source_key_cut(&key, limits->v4_bits ? limits->v4_bits : V4_BITS_DEFAULT);
    if (key.family == 6)
        reel_source_key_cut(&key, limits->v6_bits ? limits->v6_bits : V6_BITS_DEFAULT);
    return key;
}

static struct limits_source **find_slot(struct reel_limits *limits, const struct source_key *key)
{
    const uint8_t *bytes = (const uint8_t *)key;
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < sizeof(*key); i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    struct limits_source **link = &limits->slots[(hash ^ hash >> 16) % REEL_LIMITS_SLOTS];
    while (*link && memcmp(&(*link)->key, key, sizeof(*key)) != 0)
        link = &(*link)->next;
    return link;
}

static int refuse(struct reel_limits *limits, const struct reel_address *peer, bool by_source)
{
    if (limits->refused)
        limits->refused(limits, peer, by_source);
    return -EUSERS;
}

static struct reel_address peer_of(const struct reel_filter *f)
{
    struct reel_address peer;
    if (reel_peer(f->transport, &peer) < 0)
        peer.length = 0;
    return peer;
}

static int limit_open(struct reel_filter *f, const void *options)
{
    struct limit *self = (struct limit *)f;
    self->limits = (struct reel_limits *)options;
    if (self->limits->total_max && self->limits->total >= self->limits->total_max) {
        const struct reel_address peer = peer_of(f);
        return refuse(self->limits, &peer, false);
    }
    self->limits->total++;
    return 0;
}

static int limit_start(struct reel_filter *f)
{
    struct limit *self = (struct limit *)f;
    struct reel_limits *limits = self->limits;
    if (!limits->source_max)
        return 0;
    const struct reel_address peer = peer_of(f);
    const struct source_key key = key_of(limits, &peer);
    struct limits_source **slot = find_slot(limits, &key);
    if (!*slot) {
        *slot = reel_memory_new_zeroed(f->transport->reactor, sizeof(**slot));
        if (!*slot)
            return -ENOMEM;
        (*slot)->key = key;
    }
    if ((*slot)->count >= limits->source_max)
        return refuse(limits, &peer, true);
    self->source = *slot;
    self->source->count++;
    return 0;
}

static void limit_close(struct reel_filter *f, bool reset)
{
    struct limit *self = (struct limit *)f;
    struct limits_source *source = self->source;
    (void)reset;
    self->limits->total--;
    if (!source || --source->count > 0)
        return;
    struct limits_source **slot = find_slot(self->limits, &source->key);
    *slot = source->next;
    reel_memory_free(f->transport->reactor, source);
}

const struct reel_filter_type reel_limits_filter = {
    .name_z = "limits",
    .size = sizeof(struct limit),
    .open = limit_open,
    .start = limit_start,
    .close = limit_close,
};
