/* Everything that is read before rights are dropped, for the sensor to work with: the machine's
 * image (mapped), the identity, the rules for passwords. The supervisor opens it once; each sensor
 * has it by inheritance and opens no file. */
#ifndef LURED_WORLD_H
#define LURED_WORLD_H

#include "lured/config.h"
#include "lured/identity.h"
#include "session/policy.h"

#define WORLD_WHY_SIZE 1024

struct persona_image;
struct session_bait;

struct world {
    const struct config *config;
    const struct ssh_profile *profile;
    struct identity identity;
    struct persona_image *image;
    struct span image_bytes; /* mapped */
    struct session_policy *policy;
    struct session_bait *bait; /* NULL: none */
    uint32_t *watched;         /* inodes of bait, rising; owned */
    size_t watched_count;
    char image_z[CONFIG_TEXT_MAX + 1];
    char sensor_z[CONFIG_TEXT_MAX + 1]; /* name in the events */
};

/* Opens what the configuration names (borrowed). `data` is the data directory. 0, or a negative
 * error and a line about it in `why_z`. */
int world_open(struct world *world, const struct config *config, int data, int64_t now_ms,
               char why_z[WORLD_WHY_SIZE]);
void world_close(struct world *world);

/* Reads the whole image and compares its checksum (open looks at its header and tables alone). 0, or
 * a negative error and a line about it in `why_z`. */
int world_check_image(const struct world *world, char why_z[WORLD_WHY_SIZE]);

/* The same without the identity: for `lured check`, which writes nothing. */
int world_check(struct world *world, const struct config *config, char why_z[WORLD_WHY_SIZE]);

#endif
