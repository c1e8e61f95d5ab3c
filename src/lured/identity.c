#include "lured/identity.h"

#include "base/cursor.h"
#include "base/error.h"
#include "crypto/rng.h"
#include "record/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* The file: the seed, when it was drawn, and its edition; the first had none. */
#define SEED_NAME     "seed"
#define KEY_NAME_SIZE 64
#define SEED_BYTES    (PERSONA_SEED_BYTES + 8 + 4)
#define KEYS_STREAM   2 /* of the seed: another than the machine's own */

static int read_seed(int dir, uint8_t seed[PERSONA_SEED_BYTES], int64_t *born_ms,
                     enum persona_edition *edition)
{
    struct buffer text;
    buffer_init(&text, SEED_BYTES);
    int error = record_file_read(dir, SEED_NAME, &text);
    if (error == 0) {
        struct cursor c = cursor_of(buffer_span(&text));
        struct span bytes = cursor_bytes(&c, PERSONA_SEED_BYTES);
        *born_ms = (int64_t)cursor_u64(&c);
        *edition = buffer_len(&text) == SEED_BYTES ? cursor_u32(&c) : PERSONA_TWO_CPUS;
        error = *edition > PERSONA_EDITION ? ERR_MALFORMED : cursor_end(&c);
        for (size_t i = 0; i < bytes.len; i++)
            seed[i] = bytes.data[i];
    }
    buffer_wipe(&text);
    return error;
}

static int draw_seed(int dir, uint8_t seed[PERSONA_SEED_BYTES], int64_t born_ms)
{
    struct buffer text;
    if (getrandom(seed, PERSONA_SEED_BYTES, 0) != PERSONA_SEED_BYTES)
        return -errno;
    buffer_init(&text, SEED_BYTES);
    int error = buffer_put(&text, span_of(seed, PERSONA_SEED_BYTES));
    if (error == 0)
        error = buffer_put_u64(&text, (uint64_t)born_ms);
    if (error == 0)
        error = buffer_put_u32(&text, PERSONA_EDITION);
    if (error == 0)
        error = record_file_replace(dir, SEED_NAME, buffer_span(&text), true);
    buffer_wipe(&text);
    return error;
}

static void name_key(const struct ssh_profile *profile, enum ssh_hostkey_type type,
                     char name_z[KEY_NAME_SIZE])
{
    (void)snprintf(name_z, KEY_NAME_SIZE, "%s%s%s", profile->hostkey_before_z,
                   ssh_hostkey_name_z(type), profile->hostkey_after_z);
}

static int open_key(struct identity *identity, int dir, const struct ssh_profile *profile,
                    enum ssh_hostkey_type type)
{
    char name_z[KEY_NAME_SIZE];
    struct buffer *pem = &identity->keys[type];
    name_key(profile, type, name_z);
    int error = record_file_read(dir, name_z, pem);
    if (error != -ENOENT)
        return error;
    error = ssh_hostkey_generate(type, profile->rsa_bits, pem);
    if (error == 0)
        error = record_file_replace(dir, name_z, buffer_span(pem), true);
    return error;
}

int identity_open(struct identity *identity, int data, const struct ssh_profile *profile,
                  int64_t now_ms, int64_t made_ms, const char **step_z)
{
    uint8_t seed[PERSONA_SEED_BYTES] = {0};
    enum persona_edition edition = PERSONA_EDITION;
    int64_t born_ms = now_ms;
    *identity = (struct identity){0};
    for (int i = 0; i < IDENTITY_KEYS; i++)
        buffer_init(&identity->keys[i], SSH_HOSTKEY_PEM_MAX_BYTES);
    *step_z = "identity: directory";
    int dir = record_dir_open(data, "identity");
    if (dir < 0)
        return dir;
    *step_z = "identity: seed";
    int error = read_seed(dir, seed, &born_ms, &edition);
    if (error == -ENOENT)
        error = draw_seed(dir, seed, born_ms);
    if (error == 0)
        persona_identity_draw(&identity->machine, seed, edition, born_ms, made_ms);
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

/* ---- In the machine ---- */

static int put_file(struct persona_image *image, const char *path_z, uint32_t mode, int64_t mtime_s,
                    const struct buffer *data)
{
    const struct persona_new new = {
        .mode = 0100000 | mode, .mtime_s = mtime_s, .data = buffer_span(data)};
    return persona_image_put(image, span_z(path_z), &new);
}

static int put_key(const struct identity *identity, enum ssh_hostkey_type type, uint32_t check,
                   struct persona_image *image)
{
    int error = 0;
    int64_t mtime_s = identity->machine.installed_ms / 1000;
    char path_z[KEY_NAME_SIZE], comment_z[sizeof("root@") + PERSONA_HOSTNAME_SIZE];
    struct ssh_hostkey *key = ssh_hostkey_load(buffer_span(&identity->keys[type]), &error);
    if (key == NULL)
        return error;
    struct buffer private, public;
    buffer_init(&private, SSH_HOSTKEY_PEM_MAX_BYTES);
    buffer_init(&public, SSH_HOSTKEY_PEM_MAX_BYTES);
    (void)snprintf(comment_z, sizeof(comment_z), "root@%s", identity->machine.hostname_z);
    (void)snprintf(path_z, sizeof(path_z), "/etc/ssh/ssh_host_%s_key", ssh_hostkey_name_z(type));
    error = ssh_hostkey_put_private(key, span_z(comment_z), check, &private);
    if (error == 0)
        error = put_file(image, path_z, 0600, mtime_s, &private);
    if (error == 0)
        error = ssh_hostkey_put_public(key, span_z(comment_z), &public);
    (void)snprintf(path_z, sizeof(path_z), "/etc/ssh/ssh_host_%s_key.pub",
                   ssh_hostkey_name_z(type));
    if (error == 0)
        error = put_file(image, path_z, 0644, mtime_s, &public);
    ssh_hostkey_free(key);
    buffer_wipe(&private);
    buffer_fini(&public);
    return error;
}

int identity_put_keys(const struct identity *identity, struct persona_image *image)
{
    struct crypto_rng rng;
    uint8_t seed[PERSONA_SEED_BYTES];
    int error = 0;
    memcpy(seed, identity->machine.seed, sizeof(seed));
    seed[0] ^= KEYS_STREAM;
    crypto_rng_init(&rng, seed);
    for (int i = 0; i < IDENTITY_KEYS && error == 0; i++)
        error = put_key(identity, (enum ssh_hostkey_type)i, crypto_rng_u32(&rng), image);
    crypto_rng_wipe(&rng);
    return error == ERR_MALFORMED ? 0 : error; /* it has no such folder */
}

/* ---- Another machine ---- */

static int forget_file(int dir, const char *name_z)
{
    return unlinkat(dir, name_z, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int identity_forget(int data, const struct ssh_profile *profile)
{
    char name_z[KEY_NAME_SIZE];
    int dir = record_dir_open(data, "identity");
    if (dir < 0)
        return dir;
    int error = forget_file(dir, SEED_NAME);
    for (int i = 0; i < IDENTITY_KEYS && error == 0; i++) {
        name_key(profile, (enum ssh_hostkey_type)i, name_z);
        error = forget_file(dir, name_z);
    }
    (void)close(dir);
    return error;
}
