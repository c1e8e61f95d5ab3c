#include "persona/identity.h"

#include "crypto/rng.h"

#include <stdio.h>
#include <string.h>

static const int64_t MINUTE_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000;

enum {
    UP_DAYS_LEAST = 3, /* how long it has been up when it is first seen */
    UP_DAYS_RANGE = 120,
    KIB_OF_MIB = 1024,
};

static const struct persona_cpu cpus[] = {
#define PERSONA_CPU(vendor, name, family, model, stepping, cache, microcode, khz, flags, bugs) \
    {vendor, name, family, model, stepping, cache, microcode, khz, flags, bugs},
#include "persona/cpus.def"
#undef PERSONA_CPU
};

const struct persona_cpu *persona_cpu(uint32_t index)
{
    return index < ARRAY_LEN(cpus) ? &cpus[index] : NULL;
}

static uint32_t draw(struct crypto_rng *rng, uint32_t least, uint32_t range)
{
    return least + crypto_rng_u32(rng) % range;
}

/* RFC 4122, section 4.4: version 4. */
static void draw_uuid(struct crypto_rng *rng, char out_z[PERSONA_UUID_SIZE], bool dashes)
{
    uint8_t id[16];
    size_t n = 0;
    crypto_rng_bytes(rng, id, sizeof(id));
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(id); i++) {
        if (dashes && (i == 4 || i == 6 || i == 8 || i == 10))
            out_z[n++] = '-';
        out_z[n++] = "0123456789abcdef"[id[i] >> 4];
        out_z[n++] = "0123456789abcdef"[id[i] & 15];
    }
    out_z[n] = '\0';
}

static void draw_names(struct crypto_rng *rng, struct persona_identity *p)
{
    static const char *const hosts[] = {"srv",   "web",  "node",  "vps",   "host", "app",
                                        "db",    "mail", "ns",    "proxy", "dev",  "backup",
                                        "cloud", "git",  "files", "mon"};
    static const char *const users[] = {"alex",    "anna",   "ben",    "chris", "daniel", "david",
                                        "deploy",  "eric",   "felix",  "jan",   "jonas",  "julia",
                                        "laura",   "lukas",  "maria",  "mark",  "martin", "max",
                                        "michael", "nico",   "oliver", "paul",  "peter",  "sam",
                                        "simon",   "stefan", "thomas", "tim",   "tobias", "viktor"};
    uint32_t host = crypto_rng_u32(rng), user = crypto_rng_u32(rng);
    (void)snprintf(p->hostname_z, sizeof(p->hostname_z), "%s%02u", hosts[host % ARRAY_LEN(hosts)],
                   host / 256 % 99 + 1);
    (void)span_copy_z(span_z(users[user % ARRAY_LEN(users)]), p->user_z, sizeof(p->user_z));
}

/* It runs since some days, but not for longer than its newest files are old. */
static void draw_times(struct crypto_rng *rng, struct persona_identity *p, int64_t born_ms,
                       int64_t made_ms)
{
    int64_t days = draw(rng, UP_DAYS_LEAST, UP_DAYS_RANGE);
    int64_t up_ms = days * DAY_MS + draw(rng, 0, (uint32_t)DAY_MS);
    int64_t share = draw(rng, 50, 45), short_ms = draw(rng, (uint32_t)HOUR_MS, (uint32_t)DAY_MS);
    int64_t setup_ms = draw(rng, (uint32_t)(20 * MINUTE_MS), (uint32_t)HOUR_MS);
    int64_t most_ms = (born_ms - made_ms) * share / 100;
    if (up_ms > most_ms)
        up_ms = most_ms > HOUR_MS ? most_ms : short_ms;
    p->boot_ms = born_ms - up_ms;
    p->installed_ms = p->boot_ms - setup_ms;
}

static void put_address(char out_z[PERSONA_ADDRESS_SIZE], uint32_t b, uint32_t c, uint32_t d)
{
    (void)snprintf(out_z, PERSONA_ADDRESS_SIZE, "10.%u.%u.%u", b & 255, c & 255, d & 255);
}

static void draw_network(struct crypto_rng *rng, struct persona_identity *p)
{
    uint32_t place = crypto_rng_u32(rng), card = crypto_rng_u32(rng), dns = crypto_rng_u32(rng);
    put_address(p->address_z, place, place >> 8, 2 + (place >> 16) % 250);
    put_address(p->gateway_z, place, place >> 8, 1);
    uint32_t host = 2 + (dns >> 16) % 250;
    for (uint32_t i = 0; i < PERSONA_RESOLVERS; i++)
        put_address(p->resolver_z[i], place, dns, host + i);
    const uint8_t mac[PERSONA_MAC_BYTES] = {
        0x52, 0x54, 0, (uint8_t)card, (uint8_t)(card >> 8), (uint8_t)(card >> 16)}; /* QEMU's */
    memcpy(p->mac, mac, sizeof(mac));
}

/* Linux rounds the frequency to kHz; a guest's bogomips are twice its MHz. */
static void draw_cpu(struct crypto_rng *rng, struct persona_identity *p)
{
    p->cpu = &cpus[crypto_rng_u32(rng) % ARRAY_LEN(cpus)];
    p->cpu_khz =
        p->cpu->khz - p->cpu->khz % 1000 - 150000 + 50000 * draw(rng, 0, 7) + draw(rng, 0, 1000);
    (void)snprintf(p->cpu_mhz_z, sizeof(p->cpu_mhz_z), "%u.%03u", p->cpu_khz / 1000,
                   p->cpu_khz % 1000);
    uint32_t hundredths = p->cpu_khz / 5;
    (void)snprintf(p->bogomips_z, sizeof(p->bogomips_z), "%u.%02u", hundredths / 100,
                   hundredths % 100);
}

static void draw_sizes(struct crypto_rng *rng, struct persona_identity *p)
{
    static const uint16_t memories[] = {1024, 2048, 2048, 3072, 4096, 4096, 6144, 8192};
    static const uint16_t disks[] = {20, 25, 30, 32, 40, 50, 60, 64, 80, 100, 120, 160};
    p->memory_mib = memories[crypto_rng_u32(rng) % ARRAY_LEN(memories)];
    p->disk_gib = disks[crypto_rng_u32(rng) % ARRAY_LEN(disks)];
    uint64_t all_kib = (uint64_t)p->memory_mib * KIB_OF_MIB;
    p->memory_reserved_kib = all_kib / 64 + UINT64_C(4) * draw(rng, 12000, 900);
    p->memory_used_kib = UINT64_C(4) * draw(rng, 40000, 16000);
    p->memory_cached_kib = UINT64_C(4) * draw(rng, 75000, 90000);
    p->memory_buffers_kib = UINT64_C(4) * draw(rng, 8000, 14000);
    p->disk_used_kib = UINT64_C(4) * draw(rng, 231000, 90000);
    p->load_hundredths[0] = draw(rng, 0, 3);
    p->load_hundredths[1] = draw(rng, 0, 3);
    p->load_hundredths[2] = draw(rng, 0, 2);
}

/* As providers sell them with so much memory. */
static void draw_cpus(struct crypto_rng *rng, struct persona_identity *p,
                      enum persona_edition edition)
{
    static const struct {
        uint32_t memory_mib;
        uint8_t cpus[4];
    } sold[] = {{1024, {1, 1, 1, 1}}, {2048, {1, 2, 1, 2}}, {3072, {2, 2, 2, 2}},
                {4096, {2, 2, 2, 4}}, {6144, {2, 4, 4, 4}}, {8192, {2, 4, 4, 4}}};
    uint32_t which = crypto_rng_u32(rng);
    p->cpus = 2;
    for (size_t i = 0; i < ARRAY_LEN(sold) && edition != PERSONA_TWO_CPUS; i++)
        if (sold[i].memory_mib == p->memory_mib)
            p->cpus = sold[i].cpus[which % ARRAY_LEN(sold[i].cpus)];
}

static void draw_disk(struct crypto_rng *rng, struct persona_identity *p)
{
    p->disk_id = crypto_rng_u32(rng) | 1;
    draw_uuid(rng, p->hash_seed_z, true);
}

void persona_identity_draw(struct persona_identity *p, const uint8_t seed[PERSONA_SEED_BYTES],
                           enum persona_edition edition, int64_t born_ms, int64_t made_ms)
{
    struct crypto_rng rng;
    memset(p, 0, sizeof(*p));
    memcpy(p->seed, seed, PERSONA_SEED_BYTES);
    crypto_rng_init(&rng, seed);
    draw_uuid(&rng, p->sensor_z, true);
    draw_names(&rng, p);
    draw_times(&rng, p, born_ms, made_ms);
    draw_network(&rng, p);
    draw_uuid(&rng, p->machine_id_z, false);
    draw_uuid(&rng, p->boot_id_z, true);
    draw_uuid(&rng, p->root_uuid_z, true);
    draw_uuid(&rng, p->product_uuid_z, true);
    draw_cpu(&rng, p);
    draw_sizes(&rng, p);
    draw_cpus(&rng, p,
              edition); /* what is drawn later stands below, so that old seeds tell the same */
    draw_disk(&rng, p);
    crypto_rng_wipe(&rng);
}
