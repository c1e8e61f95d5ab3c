#include "lured/bait.h"

#include "base/error.h"
#include "persona/image.h"
#include "session/account.h"
#include "session/bait.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 4 << 20, MODE_FILE = 0100000, MODE_DIRECTORY = 0040755 };

static int blame(const struct world *world, struct span what, int error, char *why_z)
{
    (void)snprintf(why_z, WORLD_WHY_SIZE, "%.400s: \"%.*s\": %.100s", world->config->bait,
                   (int)(what.len < 300 ? what.len : 300), (const char *)what.data,
                   error > -1000 ? strerror(-error) : error_text(error));
    return error;
}

int bait_read(struct world *world, char why_z[WORLD_WHY_SIZE])
{
    struct buffer text;
    uint32_t line = 0;
    int error = 0;
    if (world->config->bait[0] == '\0')
        return 0;
    buffer_init(&text, SESSION_BAIT_TEXT_MAX + 8192);
    error = config_read_file(world->config->bait, &text);
    if (error == 0)
        world->bait = session_bait_new(buffer_span(&text), &error, &line);
    buffer_fini(&text);
    if (error < 0)
        (void)snprintf(why_z, WORLD_WHY_SIZE, "%.600s:%u: not a line of bait: %.100s",
                       world->config->bait, line,
                       error > -1000 ? strerror(-error) : error_text(error));
    return error;
}

/* A source stands where its list stands, unless it says otherwise. */
static int read_source(const struct world *world, struct span source, struct buffer *out,
                       int64_t *mtime_s)
{
    char path_z[2 * CONFIG_TEXT_MAX];
    const char *list_z = world->config->bait;
    const char *slash_z = strrchr(list_z, '/');
    int folder = source.data[0] == '/' || slash_z == NULL ? 0 : (int)(slash_z - list_z) + 1;
    struct stat st;
    (void)snprintf(path_z, sizeof(path_z), "%.*s%.*s", folder, list_z, (int)source.len,
                   (const char *)source.data);
    int error = config_read_file(path_z, out);
    if (error == 0 && stat(path_z, &st) == 0)
        *mtime_s = st.st_mtim.tv_sec;
    return error;
}

/* The folders above that are not there yet. */
static int make_folders(struct persona_image *image, struct span path, const struct persona_new *of)
{
    int error = 0;
    for (size_t i = 1; i < path.len && error == 0; i++) {
        struct span above = span_slice(path, 0, i);
        const struct persona_new folder = {
            .mode = MODE_DIRECTORY, .uid = of->uid, .gid = of->gid, .mtime_s = of->mtime_s};
        if (path.data[i] == '/' && persona_image_lookup(image, above) == 0)
            error = persona_image_put(image, above, &folder);
    }
    return error;
}

static int lay_file(struct world *world, const struct session_bait_item *item)
{
    struct session_account owner;
    struct buffer contents;
    struct persona_new new = {.mode = MODE_FILE | item->mode};
    if (!session_account_find(world->image, item->owner, &owner))
        return -ENOENT;
    buffer_init(&contents, FILE_BYTES_MAX);
    int error = read_source(world, item->second, &contents, &new.mtime_s);
    new.uid = owner.uid;
    new.gid = owner.gid;
    new.data = buffer_span(&contents);
    if (error == 0)
        error = make_folders(world->image, item->name, &new);
    if (error == 0)
        error = persona_image_put(world->image, item->name, &new);
    buffer_fini(&contents);
    return error;
}

/* A line more in /etc/hosts. */
static int lay_host(struct world *world, const struct session_bait_item *item)
{
    struct buffer text;
    buffer_init(&text, FILE_BYTES_MAX);
    int error = buffer_put(&text, session_account_file(world->image, "/etc/hosts"));
    if (error == 0)
        error = buffer_printf(&text, "%.*s\t%.*s\n", (int)item->second.len,
                              (const char *)item->second.data, (int)item->name.len,
                              (const char *)item->name.data);
    const struct persona_new new = {.data = buffer_span(&text)};
    if (error == 0)
        error = persona_image_put(world->image, span_z("/etc/hosts"), &new);
    buffer_fini(&text);
    return error;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int watch(struct world *world, struct span path)
{
    uint32_t ino = persona_image_lookup(world->image, path);
    if (ino == 0)
        return -ENOENT;
    world->watched[world->watched_count++] = ino;
    return 0;
}

int bait_lay(struct world *world, char why_z[WORLD_WHY_SIZE])
{
    const struct session_bait_item *item = NULL;
    world->watched = calloc(SESSION_BAIT_MAX, sizeof(*world->watched));
    if (world->watched == NULL)
        return blame(world, span_z(""), ERR_NOMEM, why_z);
    for (size_t i = 0; (item = session_bait_item(world->bait, i)) != NULL; i++) {
        int error = 0;
        if (item->kind == SESSION_BAIT_FILE || item->kind == SESSION_BAIT_PUT)
            error = lay_file(world, item);
        if (item->kind == SESSION_BAIT_HOST)
            error = lay_host(world, item);
        if (error == 0 && (item->kind == SESSION_BAIT_FILE || item->kind == SESSION_BAIT_WATCH))
            error = watch(world, item->name);
        if (error < 0)
            return blame(world, item->name, error, why_z);
    }
    qsort(world->watched, world->watched_count, sizeof(*world->watched), compare);
    return 0;
}
