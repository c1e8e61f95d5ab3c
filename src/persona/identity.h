/* What tells one machine from every other: drawn from a seed, the same for the same seed. Everything
 * that a guest can see of it is made from this: files by persona/dress.h, the rest by the kernel. */
#ifndef PERSONA_IDENTITY_H
#define PERSONA_IDENTITY_H

#include "base/span.h"

enum {
    PERSONA_SEED_BYTES = 32,
    PERSONA_UUID_SIZE = 37, /* 8-4-4-4-12 hex digits and a NUL */
    PERSONA_HOSTNAME_SIZE = 65,
    PERSONA_ADDRESS_SIZE = 16, /* a.b.c.d and a NUL */
    PERSONA_MAC_BYTES = 6,
    PERSONA_USER_SIZE = 33,
    PERSONA_MHZ_SIZE = 16,
    PERSONA_RESOLVERS = 2,
    PERSONA_LOADS = 3,
};

/* A processor that a guest of KVM sees: what /proc/cpuinfo and CPUID say of it. */
struct persona_cpu {
    const char *vendor_z, *name_z;
    uint32_t family, model, stepping, cache_kib;
    const char *microcode_z;
    uint32_t khz; /* about */
    const char *flags_z, *bugs_z;
};
const struct persona_cpu *persona_cpu(uint32_t index); /* NULL: no more of them */

struct persona_identity {
    uint8_t seed[PERSONA_SEED_BYTES];
    char sensor_z[PERSONA_UUID_SIZE]; /* for the owner: no guest sees it */
    char hostname_z[PERSONA_HOSTNAME_SIZE];
    int64_t installed_ms, boot_ms; /* wall clock; it has been up ever since */

    char address_z[PERSONA_ADDRESS_SIZE]; /* where a visitor's connection tells none */
    char gateway_z[PERSONA_ADDRESS_SIZE];
    char resolver_z[PERSONA_RESOLVERS][PERSONA_ADDRESS_SIZE];
    uint8_t mac[PERSONA_MAC_BYTES];

    char machine_id_z[PERSONA_UUID_SIZE]; /* 32 hex digits */
    char boot_id_z[PERSONA_UUID_SIZE];
    char root_uuid_z[PERSONA_UUID_SIZE]; /* of the file system on / */
    char product_uuid_z[PERSONA_UUID_SIZE];
    char user_z[PERSONA_USER_SIZE]; /* an account beside those of the persona */
    uint32_t user_uid;              /* its number: set by persona_dress */

    const struct persona_cpu *cpu;
    uint32_t cpu_khz;
    char cpu_mhz_z[PERSONA_MHZ_SIZE], bogomips_z[PERSONA_MHZ_SIZE];
    uint32_t cpus, memory_mib, disk_gib; /* as sold */
    uint32_t disk_id;                    /* of its partition table */
    char hash_seed_z[PERSONA_UUID_SIZE]; /* of the file system's directories */
    uint64_t memory_reserved_kib;        /* of it, by the kernel */
    uint64_t memory_used_kib, memory_cached_kib, memory_buffers_kib;
    uint64_t disk_used_kib;
    uint32_t load_hundredths[PERSONA_LOADS];
};

/* What is drawn has grown: a seed tells the same machine for ever, so it keeps its edition. */
enum persona_edition {
    PERSONA_TWO_CPUS, /* every machine has two processors */
    PERSONA_EDITION   /* of new seeds */
};

/* `born_ms` is when the seed was drawn, `made_ms` what the image's own files are as old as: the
 * machine was installed after that and has been running before it was first seen. */
void persona_identity_draw(struct persona_identity *identity,
                           const uint8_t seed[PERSONA_SEED_BYTES], enum persona_edition edition,
                           int64_t born_ms, int64_t made_ms);

#endif
