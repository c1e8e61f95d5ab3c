/* lured import cowrie: an installation of Cowrie as a configuration of ours. Reads FROM/etc/cowrie.cfg,
 * FROM/etc/userdb.txt and FROM/honeyfs, writes TO/lured.yaml, TO/passwords and TO/files, and says of
 * everything that it found what became of it. */
#include "base/error.h"
#include "lured/command.h"
#include "ssh/profile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMPORT_FROM, IMPORT_TO };
enum { LINE_SIZE = 4096, TEXT_MAX = 1 << 20, SECTION_SIZE = 64 };

static const struct command_option OPTIONS[] = {
    [IMPORT_FROM] = {"from", "DIR", "the folder of Cowrie, with etc and honeyfs in it"},
    [IMPORT_TO] = {"to", "DIR", "where the configuration is written; made if it is not there"},
    {0},
};

struct import {
    struct config config;
    char from_z[PATH_MAX], to_z[PATH_MAX];
    struct buffer passwords, files;
    unsigned taken, left;
};

static void take(struct import *m, const char *what_z, const char *as_z)
{
    m->taken++;
    (void)printf("taken      %s: %s\n", what_z, as_z);
}

static void leave(struct import *m, const char *what_z, const char *why_z)
{
    m->left++;
    (void)printf("not taken  %s: %s\n", what_z, why_z);
}

/* ---- cowrie.cfg ---- */

static const struct key {
    const char *section_z, *key_z;
    const char *ours_z; /* NULL: `why_z` says why there is none */
    const char *why_z;
} KEYS[] = {
    {"honeypot", "hostname", "hostname", NULL},
    {"honeypot", "sensor_name", "sensor", NULL},
    {"honeypot", "authentication_timeout", "limits.login_s", NULL},
    {"honeypot", "interactive_timeout", "limits.idle_s", NULL},
    {"honeypot", "idle_timeout", "limits.idle_s", NULL},
    {"ssh", "listen_endpoints", "ssh.endpoint", NULL},
    {"telnet", "listen_endpoints", "telnet.endpoint", NULL},
    {"honeypot", "timezone", NULL, "the machine's own clock is UTC"},
    {"honeypot", "auth_class", NULL, "see visitors.one_password and limits.refused_passwords"},
    {"honeypot", "contents_path", NULL, "the folder honeyfs is read"},
    {"honeypot", "data_path", NULL, "see the key data"},
    {"honeypot", "state_path", NULL, "see the key data"},
    {"honeypot", "log_path", NULL, "see the key data"},
    {"honeypot", "download_path", NULL, "artefacts stand in the data directory"},
    {"honeypot", "ttylog", NULL, "terminals are always recorded"},
    {"shell", "filesystem", NULL, "the machine has the files of its image; see docs/personas.md"},
    {"shell", "processes", NULL, "the machine has processes of its own"},
    {"shell", "arch", NULL, "the machine is x86-64; see foreign_programs"},
    {"shell", "kernel_version", NULL, "the machine has the kernel of its image"},
    {"shell", "kernel_build_string", NULL, "the machine has the kernel of its image"},
    {"shell", "hardware_platform", NULL, "the machine is x86-64"},
};

/* A version line that one of our servers shows. */
static void take_version(struct import *m, const char *value_z)
{
    char line_z[LINE_SIZE], names_z[512], *rest_z = names_z, *name_z = NULL;
    (void)snprintf(line_z, sizeof(line_z), "%s", value_z);
    (void)snprintf(names_z, sizeof(names_z), "%s", ssh_profile_names_z);
    while ((name_z = strsep(&rest_z, " ,")) != NULL) {
        const struct ssh_profile *profile = ssh_profile_find(span_z(name_z));
        char why_z[CONFIG_WHY_SIZE];
        if (profile == NULL || strcmp(profile->version_z, line_z) != 0)
            continue;
        (void)config_set(&m->config, "ssh.profile", name_z, why_z);
        take(m, "[ssh] version", name_z);
        return;
    }
    leave(m, "[ssh] version", "no server of ours shows it; see ssh.profile");
}

static void take_key(struct import *m, const char *section_z, const char *key_z,
                     const char *value_z)
{
    char what_z[LINE_SIZE], why_z[CONFIG_WHY_SIZE];
    (void)snprintf(what_z, sizeof(what_z), "[%s] %s", section_z, key_z);
    if (strcmp(what_z, "[ssh] version") == 0) {
        take_version(m, value_z);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        const struct key *k = &KEYS[i];
        if (strcmp(k->section_z, section_z) != 0 || strcmp(k->key_z, key_z) != 0)
            continue;
        if (k->ours_z == NULL)
            leave(m, what_z, k->why_z);
        else if (config_set(&m->config, k->ours_z, value_z, why_z) < 0)
            leave(m, what_z, why_z);
        else
            take(m, what_z, k->ours_z);
        return;
    }
    leave(m, what_z,
          strncmp(section_z, "output_", 7) == 0 ? "this version has no outputs"
                                                : "there is nothing like it");
}

static char *trim(char *text_z)
{
    while (isspace((unsigned char)*text_z))
        text_z++;
    size_t len = strlen(text_z);
    while (len > 0 && isspace((unsigned char)text_z[len - 1]))
        text_z[--len] = '\0';
    return text_z;
}

/* Configparser's form: sections, key = value; a line that begins with white space goes on. */
static void read_config(struct import *m, FILE *file)
{
    char line_z[LINE_SIZE], section_z[SECTION_SIZE] = "";
    while (fgets(line_z, sizeof(line_z), file) != NULL) {
        bool goes_on = isspace((unsigned char)line_z[0]) != 0;
        char *text_z = trim(line_z);
        char *equals_z = strchr(text_z, '=');
        if (text_z[0] == '\0' || text_z[0] == '#' || text_z[0] == ';')
            continue;
        if (text_z[0] == '[' && text_z[strlen(text_z) - 1] == ']') {
            text_z[strlen(text_z) - 1] = '\0';
            (void)snprintf(section_z, sizeof(section_z), "%.60s", text_z + 1);
        } else if (goes_on || equals_z == NULL) {
            leave(m, "cowrie.cfg", "a line that goes on, or is no key");
        } else {
            *equals_z = '\0';
            take_key(m, section_z, trim(text_z), trim(equals_z + 1));
        }
    }
}

/* ---- userdb.txt: USER:x:PASSWORD; `*` alone is any, a leading `!` refuses, /.../ is a pattern ---- */

static int put_pattern(struct buffer *out, const char *text_z)
{
    int rc = 0;
    bool any = strcmp(text_z, "*") == 0;
    for (; rc == 0 && *text_z != '\0'; text_z++) {
        if (!any && (*text_z == '*' || *text_z == '\\' || *text_z == ':'))
            rc = buffer_put_u8(out, '\\');
        if (rc == 0)
            rc = buffer_put_u8(out, (uint8_t)*text_z);
    }
    return rc;
}

static int take_rule(struct import *m, char *line_z, unsigned number)
{
    char what_z[64];
    char *unused_z = strchr(line_z, ':');
    char *password_z = unused_z != NULL ? strchr(unused_z + 1, ':') : NULL;
    (void)snprintf(what_z, sizeof(what_z), "userdb.txt:%u", number);
    if (password_z == NULL) {
        leave(m, what_z, "not USER:x:PASSWORD");
        return 0;
    }
    *unused_z = *password_z++ = '\0';
    bool refuses = password_z[0] == '!';
    password_z += refuses;
    if (line_z[0] == '/' || password_z[0] == '/') {
        leave(m, what_z, "regular expressions have no counterpart");
        return 0;
    }
    int rc = put_pattern(&m->passwords, line_z);
    if (rc == 0)
        rc = buffer_put_z(&m->passwords, refuses ? ":!" : ":");
    if (rc == 0)
        rc = put_pattern(&m->passwords, password_z);
    if (rc == 0)
        rc = buffer_put_u8(&m->passwords, '\n');
    m->taken += rc == 0;
    return rc;
}

static int read_userdb(struct import *m, FILE *file)
{
    char line_z[LINE_SIZE];
    int rc = 0;
    for (unsigned number = 1; rc == 0 && fgets(line_z, sizeof(line_z), file) != NULL; number++) {
        line_z[strcspn(line_z, "\r\n")] = '\0';
        if (line_z[0] != '\0' && line_z[0] != '#')
            rc = take_rule(m, line_z, number);
    }
    return rc;
}

/* ---- honeyfs: the contents of files, as `put` lines (session/bait.h) ---- */

static int list_file(struct import *m, const char *path_z, const struct stat *st, size_t skip)
{
    const char *inside_z = path_z + skip;
    if (!S_ISREG(st->st_mode) || strpbrk(path_z, " \t\r\n#") != NULL) {
        leave(m, inside_z, "not a plain file with a plain name");
        return 0;
    }
    m->taken++;
    return buffer_printf(&m->files, "put %s %04o root %s\n", inside_z, st->st_mode & 0777, path_z);
}

static int read_honeyfs(struct import *m)
{
    char root_z[PATH_MAX + 16];
    char *const roots_z[] = {root_z, NULL};
    (void)snprintf(root_z, sizeof(root_z), "%s/honeyfs", m->from_z);
    struct stat st;
    int rc = 0;
    if (stat(root_z, &st) < 0)
        return 0;
    size_t skip = strlen(root_z);
    FTS *tree = fts_open(roots_z, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *e = NULL; tree != NULL && rc == 0 && (e = fts_read(tree)) != NULL;)
        if (e->fts_info != FTS_D && e->fts_info != FTS_DP && e->fts_statp != NULL)
            rc = list_file(m, e->fts_path, e->fts_statp, skip);
    if (tree != NULL)
        (void)fts_close(tree);
    return tree == NULL ? -errno : rc;
}

/* ---- Writing ---- */

static FILE *create(const struct import *m, const char *name_z, char path_z[PATH_MAX + 16])
{
    (void)snprintf(path_z, PATH_MAX + 16, "%s/%s", m->to_z, name_z);
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
static bool write_list(struct import *m, const char *name_z, const char *key_z,
                       const struct buffer *list)
{
    char path_z[PATH_MAX + 16], why_z[CONFIG_WHY_SIZE];
    struct span text = buffer_span(list);
    if (text.len == 0)
        return true;
    FILE *file = create(m, name_z, path_z);
    if (file == NULL)
        return false;
    (void)fwrite(text.data, 1, text.len, file);
    return finish(file, path_z) && config_set(&m->config, key_z, path_z, why_z) == 0;
}

static bool write_all(struct import *m)
{
    char path_z[PATH_MAX + 16];
    if (mkdir(m->to_z, 0700) < 0 && errno != EEXIST) {
        (void)fprintf(stderr, "lured: import: %s: %s\n", m->to_z, strerror(errno));
        return false;
    }
    if (!write_list(m, "passwords", "passwords", &m->passwords) ||
        !write_list(m, "files", "bait", &m->files))
        return false;
    FILE *file = create(m, "lured.yaml", path_z);
    if (file == NULL)
        return false;
    config_print(&m->config, file);
    return finish(file, path_z);
}

/* ---- The command ---- */

/* NULL: it is not there, which is said. */
static FILE *open_etc(struct import *m, const char *name_z)
{
    char path_z[PATH_MAX + 32];
    (void)snprintf(path_z, sizeof(path_z), "%s/etc/%s", m->from_z, name_z);
    FILE *file = fopen(path_z, "re");
    if (file == NULL)
        leave(m, name_z, strerror(errno));
    return file;
}

static int import_all(struct import *m)
{
    int rc = 0;
    FILE *config = open_etc(m, "cowrie.cfg");
    FILE *userdb = open_etc(m, "userdb.txt");
    if (config != NULL)
        read_config(m, config);
    if (userdb != NULL)
        rc = read_userdb(m, userdb);
    if (rc == 0)
        rc = read_honeyfs(m);
    if (config != NULL)
        (void)fclose(config);
    if (userdb != NULL)
        (void)fclose(userdb);
    if (rc < 0)
        (void)fprintf(stderr, "lured: import: %s\n", rc > -1000 ? strerror(-rc) : error_text(rc));
    return rc < 0 || !write_all(m) ? COMMAND_FAILED : COMMAND_OK;
}

static int run(const struct command_line *line)
{
    const char *from_z = line->values[IMPORT_FROM], *to_z = line->values[IMPORT_TO];
    if (strcmp(line->argument_z, "cowrie") != 0 || from_z == NULL || to_z == NULL) {
        (void)fputs("lured: import: expected `lured import cowrie --from DIR --to DIR`\n", stderr);
        return COMMAND_USAGE;
    }
    struct import *m = calloc(1, sizeof(*m));
    if (m == NULL || command_config(&m->config, NULL) != 0) {
        free(m);
        return COMMAND_FAILED;
    }
    buffer_init(&m->passwords, TEXT_MAX);
    buffer_init(&m->files, TEXT_MAX);
    int status = COMMAND_FAILED;
    (void)snprintf(m->to_z, sizeof(m->to_z), "%s", to_z);
    if (realpath(from_z, m->from_z) == NULL)
        (void)fprintf(stderr, "lured: import: %s: %s\n", from_z, strerror(errno));
    else
        status = import_all(m);
    if (status == COMMAND_OK)
        (void)printf("%u taken, %u not; look at %s/lured.yaml\n", m->taken, m->left, m->to_z);
    buffer_fini(&m->passwords);
    buffer_fini(&m->files);
    config_fini(&m->config);
    free(m);
    return status;
}

const struct command command_import = {
    .name_z = "import",
    .argument_z = "cowrie",
    .what_z = "Makes a configuration of an installation of Cowrie, and says what it left out.",
    .options = OPTIONS,
    .run = run,
};
