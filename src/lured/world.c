#include "lured/world.h"

#include "base/error.h"
#include "crypto/name.h"
#include "lured/bait.h"
#include "persona/dress.h"
#include "persona/image.h"
#include "session/bait.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *words(int error)
{
    return error > -1000 ? strerror(-error) : error_text(error);
}

static int blame(char *why_z, const char *what_z, int error)
{
    (void)snprintf(why_z, WORLD_WHY_SIZE, "%.600s: %.100s", what_z, words(error));
    return error;
}

/* Where script/setup puts the image (beside the program in the build directory), or where it is
 * installed. */
static void find_image(struct world *world)
{
    const char *persona_z = world->config->persona;
    char exe_z[512];
    ssize_t n = readlink("/proc/self/exe", exe_z, sizeof(exe_z) - 1);
    exe_z[n < 0 ? 0 : n] = '\0';
    char *slash = strrchr(exe_z, '/');
    if (slash != NULL)
        *slash = '\0';
    (void)snprintf(world->image_z, sizeof(world->image_z), "%s/persona/%.200s.image", exe_z,
                   persona_z);
    if (access(world->image_z, F_OK) == 0)
        return;
    (void)snprintf(world->image_z, sizeof(world->image_z), LURED_DATADIR "/%.200s.image",
                   persona_z);
}

static int map_image(struct world *world)
{
    struct stat st;
    int fd = open(world->image_z, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = fstat(fd, &st) < 0 ? -errno : st.st_size == 0 ? ERR_TRUNCATED : 0;
    if (error == 0) {
        void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED)
            error = -errno;
        else
            world->image_bytes = span_of(bytes, (size_t)st.st_size);
    }
    (void)close(fd);
    return error;
}

static int open_image(struct world *world, char *why_z)
{
    if (world->config->image[0] != '\0')
        (void)span_copy_z(span_z(world->config->image), world->image_z, sizeof(world->image_z));
    else
        find_image(world);
    int error = map_image(world);
    if (error == 0)
        error = persona_image_open(world->image_bytes, &world->image);
    if (error == -ENOENT) {
        (void)snprintf(why_z, WORLD_WHY_SIZE,
                       "%.600s: the machine's image is not there; script/setup makes it",
                       world->image_z);
        return error;
    }
    return error < 0 ? blame(why_z, world->image_z, error) : 0;
}

static int open_policy(struct world *world, char *why_z)
{
    const char *path_z = world->config->passwords;
    struct buffer text;
    uint32_t line = 0;
    int error = 0;
    /* One read more than the text may have, so that a longer one is refused by its parser. */
    buffer_init(&text, (size_t)SESSION_POLICY_TEXT_MAX + 8192);
    if (path_z[0] != '\0')
        error = config_read_file(path_z, &text);
    if (error < 0) {
        buffer_fini(&text);
        return blame(why_z, path_z, error);
    }
    world->policy = session_policy_new(
        path_z[0] != '\0' ? buffer_span(&text) : span_z(session_policy_default_z), &error, &line);
    buffer_fini(&text);
    if (world->policy != NULL)
        return 0;
    (void)snprintf(why_z, WORLD_WHY_SIZE, "%.600s:%u: not a rule for passwords: %.100s", path_z,
                   line, error_text(error));
    return error;
}

static void name_sensor(struct world *world)
{
    const char *name_z = world->config->sensor;
    (void)span_copy_z(span_z(name_z), world->sensor_z, sizeof(world->sensor_z));
    if (name_z[0] == '\0' && gethostname(world->sensor_z, 256) < 0)
        (void)span_copy_z(span_z("lured"), world->sensor_z, sizeof(world->sensor_z));
    world->sensor_z[CONFIG_TEXT_MAX] = '\0';
}

int world_check(struct world *world, const struct config *config, char why_z[WORLD_WHY_SIZE])
{
    memset(world, 0, sizeof(*world));
    world->config = config;
    world->profile = ssh_profile_find(span_z(config->ssh_profile)); /* config.c has checked it */
    name_sensor(world);
    int error = open_policy(world, why_z);
    if (error == 0)
        error = bait_read(world, why_z);
    return error < 0 ? error : open_image(world, why_z);
}

int world_check_image(const struct world *world, char why_z[WORLD_WHY_SIZE])
{
    uint8_t sum[CRYPTO_NAME_SHA256_BYTES];
    struct span covered, said = persona_image_checksum(world->image, &covered);
    crypto_name_sha256(&covered, 1, sum);
    return span_equal(said, span_of(sum, sizeof(sum)))
               ? 0
               : blame(why_z, world->image_z, ERR_MALFORMED);
}

static int dress(struct world *world, char *why_z)
{
    struct persona_identity *machine = &world->identity.machine;
    persona_keep_name(world->image, machine);
    if (world->config->hostname[0] != '\0')
        (void)span_copy_z(span_z(world->config->hostname), machine->hostname_z,
                          sizeof(machine->hostname_z));
    int error = persona_dress(world->image, machine);
    if (error == 0)
        error = identity_put_keys(&world->identity, world->image);
    return error < 0 ? blame(why_z, "identity: files", error) : bait_lay(world, why_z);
}

int world_open(struct world *world, const struct config *config, int data, int64_t now_ms,
               char why_z[WORLD_WHY_SIZE])
{
    const char *step_z = NULL;
    int64_t newest_s = 0, made_s = 0;
    int error = world_check(world, config, why_z);
    if (error < 0)
        return error;
    persona_image_age(world->image, &newest_s, &made_s);
    error = identity_open(&world->identity, data, world->profile, now_ms, newest_s * 1000, &step_z);
    if (error < 0)
        return blame(why_z, step_z, error);
    return dress(world, why_z);
}

void world_close(struct world *world)
{
    persona_image_close(world->image);
    session_policy_free(world->policy);
    session_bait_free(world->bait);
    free(world->watched);
    if (world->image_bytes.data != NULL)
        (void)munmap((void *)world->image_bytes.data, world->image_bytes.len);
    identity_fini(&world->identity);
    memset(world, 0, sizeof(*world));
}
