/* lured import cowrie: an installation of Cowrie as a configuration of ours. Reads FROM/etc/cowrie.cfg,
 * FROM/etc/userdb.txt and FROM/honeyfs, writes TO/lured.yaml, TO/passwords and TO/files, and says of
 * everything that it found what became of it. */
#include "base/error.h"
#include "lured/command.h"
#include "lured/import.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMPORT_FROM, IMPORT_TO };

static const struct command_option OPTIONS[] = {
    [IMPORT_FROM] = {"from", "DIR", "the folder of Cowrie, with etc and honeyfs in it"},
    [IMPORT_TO] = {"to", "DIR", "where the configuration is written; made if it is not there"},
    {0},
};

struct work {
    struct import import;
    char from_z[PATH_MAX], to_z[PATH_MAX];
};

/* ---- Reading ---- */

/* Appends FROM/etc/NAME. False: it is not there, or cannot be read, which is said. */
static bool read_etc(struct work *w, const char *name_z, struct buffer *out)
{
    char path_z[PATH_MAX + 32];
    (void)snprintf(path_z, sizeof(path_z), "%s/etc/%s", w->from_z, name_z);
    int error = config_read_file(path_z, out);
    if (error < 0)
        import_leave(&w->import, name_z, error == ERR_FULL ? "too long" : strerror(-error));
    return error == 0;
}

static int read_honeyfs(struct work *w)
{
    char root_z[PATH_MAX + 16];
    char *const roots_z[] = {root_z, NULL};
    (void)snprintf(root_z, sizeof(root_z), "%s/honeyfs", w->from_z);
    struct stat st;
    int rc = 0;
    if (stat(root_z, &st) < 0)
        return 0;
    size_t skip = strlen(root_z);
    FTS *tree = fts_open(roots_z, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *e = NULL; tree != NULL && rc == 0 && (e = fts_read(tree)) != NULL;)
        if (e->fts_info != FTS_D && e->fts_info != FTS_DP && e->fts_statp != NULL)
            rc = import_file(&w->import, e->fts_path + skip, e->fts_statp->st_mode, e->fts_path);
    if (tree != NULL)
        (void)fts_close(tree);
    return tree == NULL ? -errno : rc;
}

/* ---- Writing ---- */

static FILE *create(const struct work *w, const char *name_z, char path_z[PATH_MAX + 16])
{
    (void)snprintf(path_z, PATH_MAX + 16, "%s/%s", w->to_z, name_z);
    int fd = open(path_z, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL)
        (void)fprintf(stderr, "lured: import: %s: %s\n", path_z, strerror(errno));
    if (file == NULL && fd >= 0)
        (void)close(fd);
    return file;
}

static bool finish(FILE *file, const char *path_z)
{
    bool good = ferror(file) == 0;
    good &= fclose(file) == 0;
    if (!good)
        (void)fprintf(stderr, "lured: import: %s: cannot be written\n", path_z);
    return good;
}

/* The list, and the key that names it. Nothing when there is nothing in it. */
static bool write_list(struct work *w, const char *name_z, const char *key_z,
                       const struct buffer *list)
{
    char path_z[PATH_MAX + 16], why_z[CONFIG_WHY_SIZE];
    struct span text = buffer_span(list);
    if (text.len == 0)
        return true;
    FILE *file = create(w, name_z, path_z);
    if (file == NULL)
        return false;
    (void)fwrite(text.data, 1, text.len, file);
    return finish(file, path_z) && config_set(&w->import.config, key_z, path_z, why_z) == 0;
}

static bool write_all(struct work *w)
{
    char path_z[PATH_MAX + 16];
    if (mkdir(w->to_z, 0700) < 0 && errno != EEXIST) {
        (void)fprintf(stderr, "lured: import: %s: %s\n", w->to_z, strerror(errno));
        return false;
    }
    if (!write_list(w, "passwords", "passwords", &w->import.passwords) ||
        !write_list(w, "files", "bait", &w->import.files))
        return false;
    FILE *file = create(w, "lured.yaml", path_z);
    if (file == NULL)
        return false;
    config_print(&w->import.config, file);
    return finish(file, path_z);
}

/* ---- The command ---- */

static int import_all(struct work *w)
{
    struct buffer text;
    int rc = 0;
    buffer_init(&text, IMPORT_FILE_MAX);
    if (read_etc(w, "cowrie.cfg", &text))
        import_config(&w->import, buffer_span(&text));
    buffer_clear(&text);
    if (read_etc(w, "userdb.txt", &text))
        rc = import_userdb(&w->import, buffer_span(&text));
    if (rc == 0)
        rc = read_honeyfs(w);
    buffer_fini(&text);
    if (rc < 0)
        (void)fprintf(stderr, "lured: import: %s\n", rc > -1000 ? strerror(-rc) : error_text(rc));
    return rc < 0 || !write_all(w) ? COMMAND_FAILED : COMMAND_OK;
}

static int run(const struct command_line *line)
{
    const char *from_z = line->values[IMPORT_FROM], *to_z = line->values[IMPORT_TO];
    if (strcmp(line->argument_z, "cowrie") != 0 || from_z == NULL || to_z == NULL) {
        (void)fputs("lured: import: expected `lured import cowrie --from DIR --to DIR`\n", stderr);
        return COMMAND_USAGE;
    }
    struct work *w = calloc(1, sizeof(*w));
    if (w == NULL || command_config(&w->import.config, NULL) != 0) {
        free(w);
        return COMMAND_FAILED;
    }
    import_init(&w->import, stdout);
    int status = COMMAND_FAILED;
    (void)snprintf(w->to_z, sizeof(w->to_z), "%s", to_z);
    if (realpath(from_z, w->from_z) == NULL)
        (void)fprintf(stderr, "lured: import: %s: %s\n", from_z, strerror(errno));
    else
        status = import_all(w);
    if (status == COMMAND_OK)
        (void)printf("%u taken, %u not; look at %s/lured.yaml\n", w->import.taken, w->import.left,
                     w->to_z);
    import_fini(&w->import);
    config_fini(&w->import.config);
    free(w);
    return status;
}

const struct command command_import = {
    .name_z = "import",
    .argument_z = "cowrie",
    .what_z = "Makes a configuration of an installation of Cowrie, and says what it left out.",
    .options = OPTIONS,
    .run = run,
};
