#include "lured/identity.h"

#include "base/cursor.h"
#include "base/error.h"
#include "record/file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

/* The file: the seed, and when it was drawn. */
#define SEED_NAME  "seed"
#define SEED_BYTES (CRYPTO_RNG_SEED_BYTES + 8)

#define DAY_MS INT64_C(86400000)
/* The machine has been up for so many days when it is first seen. */
#define UP_DAYS_LEAST 3
#define UP_DAYS_RANGE 120

void identity_draw(struct identity *identity, int64_t born_ms)
{
    static const char *const NAMES[] = {"srv",   "web",  "node",  "vps",   "host", "app",
                                        "db",    "mail", "ns",    "proxy", "dev",  "backup",
                                        "cloud", "git",  "files", "mon"};
    struct crypto_rng rng;
    uint8_t id[16];
    crypto_rng_init(&rng, identity->seed);
    crypto_rng_bytes(&rng, id, sizeof(id));
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* RFC 4122, section 4.4: version 4 */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    (void)snprintf(identity->uuid_z, sizeof(identity->uuid_z),
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id[0],
                   id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11],
                   id[12], id[13], id[14], id[15]);
    uint32_t name = crypto_rng_u32(&rng);
    (void)snprintf(identity->hostname_z, sizeof(identity->hostname_z), "%s%02u",
                   NAMES[name % ARRAY_LEN(NAMES)], name / 256 % 99 + 1);
    uint32_t days = UP_DAYS_LEAST + crypto_rng_u32(&rng) % UP_DAYS_RANGE;
    identity->boot_ms = born_ms - (int64_t)days * DAY_MS - crypto_rng_u32(&rng) % DAY_MS;
    uint32_t place = crypto_rng_u32(&rng), card = crypto_rng_u32(&rng);
    (void)snprintf(identity->address_z, sizeof(identity->address_z), "10.%u.%u.%u", place & 0xff,
                   place >> 8 & 0xff, 2 + (place >> 16) % 250);
    const uint8_t mac[] = {
        0x52, 0x54, 0, (uint8_t)card, (uint8_t)(card >> 8), (uint8_t)(card >> 16)}; /* QEMU's */
    for (size_t i = 0; i < sizeof(mac); i++)
        identity->mac[i] = mac[i];
    crypto_rng_wipe(&rng);
}

static int read_seed(struct identity *identity, int dir, int64_t *born_ms)
{
    struct buffer text;
    buffer_init(&text, SEED_BYTES);
    int error = record_file_read(dir, SEED_NAME, &text);
    if (error == 0) {
        struct cursor c = cursor_of(buffer_span(&text));
        struct span seed = cursor_bytes(&c, sizeof(identity->seed));
        *born_ms = (int64_t)cursor_u64(&c);
        error = cursor_end(&c);
        for (size_t i = 0; i < seed.len; i++)
            identity->seed[i] = seed.data[i];
    }
    buffer_wipe(&text);
    return error;
}

static int draw_seed(struct identity *identity, int dir, int64_t born_ms)
{
    struct buffer text;
    if (getrandom(identity->seed, sizeof(identity->seed), 0) != (ssize_t)sizeof(identity->seed))
        return -errno;
    buffer_init(&text, SEED_BYTES);
    int error = buffer_put(&text, span_of(identity->seed, sizeof(identity->seed)));
    if (error == 0)
        error = buffer_put_u64(&text, (uint64_t)born_ms);
    if (error == 0)
        error = record_file_replace(dir, SEED_NAME, buffer_span(&text), true);
    buffer_wipe(&text);
    return error;
}

static int open_key(struct identity *identity, int dir, const struct ssh_profile *profile,
                    enum ssh_hostkey_type type)
{
    char name_z[64];
    struct buffer *pem = &identity->keys[type];
    (void)snprintf(name_z, sizeof(name_z), "%s%s%s", profile->hostkey_before_z,
                   ssh_hostkey_name_z(type), profile->hostkey_after_z);
    int error = record_file_read(dir, name_z, pem);
    if (error != -ENOENT)
        return error;
    error = ssh_hostkey_generate(type, profile->rsa_bits, pem);
    if (error == 0)
        error = record_file_replace(dir, name_z, buffer_span(pem), true);
    return error;
}

int identity_open(struct identity *identity, int data, const struct ssh_profile *profile,
                  int64_t now_ms, const char **step_z)
{
    int64_t born_ms = now_ms;
    *identity = (struct identity){0};
    for (int i = 0; i < IDENTITY_KEYS; i++)
        buffer_init(&identity->keys[i], SSH_HOSTKEY_PEM_MAX_BYTES);
    *step_z = "identity: directory";
    int dir = record_dir_open(data, "identity");
    if (dir < 0)
        return dir;
    *step_z = "identity: seed";
    int error = read_seed(identity, dir, &born_ms);
    if (error == -ENOENT)
        error = draw_seed(identity, dir, born_ms);
    if (error == 0)
        identity_draw(identity, born_ms);
    for (int i = 0; i < IDENTITY_KEYS && error == 0; i++) {
        *step_z = "identity: host keys";
        error = open_key(identity, dir, profile, (enum ssh_hostkey_type)i);
    }
    (void)close(dir);
    if (error < 0)
        identity_fini(identity);
    return error;
}

void identity_fini(struct identity *identity)
{
    for (int i = 0; i < IDENTITY_KEYS; i++)
        buffer_wipe(&identity->keys[i]);
    *identity = (struct identity){0};
}
