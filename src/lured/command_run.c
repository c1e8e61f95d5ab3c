/* lured run, lured check, lured version */
#include "lured/command.h"
#include "lured/supervisor.h"
#include "lured/world.h"
#include "session/account.h"
#include "ssh/profile.h"

#include <errno.h>
#include <string.h>

enum { RUN_CONFIG, RUN_DATA, RUN_SSH, RUN_TELNET, RUN_CONSOLE };

static const struct command_option RUN_OPTIONS[] = {
    [RUN_CONFIG] = {"config", "FILE", "configuration (docs/configuration.md); else the defaults"},
    [RUN_DATA] = {"data", "DIR", "where all is kept; ./lured-data"},
    [RUN_SSH] = {"ssh", "ENDPOINT", "where SSH is answered; tcp:2222"},
    [RUN_TELNET] = {"telnet", "ENDPOINT", "where Telnet is answered; not in this version"},
    [RUN_CONSOLE] = {"console", "ENDPOINT", "where the dashboard is served; not in this version"},
    {0},
};

static int set_run(struct config *config, const struct command_line *line)
{
    static const struct {
        int option;
        const char *key_z;
    } KEYS[] = {{RUN_DATA, "data"},
                {RUN_SSH, "ssh.endpoint"},
                {RUN_TELNET, "telnet.endpoint"},
                {RUN_CONSOLE, "console.endpoint"}};
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        const char *value_z = line->values[KEYS[i].option];
        if (command_set(config, KEYS[i].key_z, RUN_OPTIONS[KEYS[i].option].name_z, value_z) != 0)
            return COMMAND_USAGE;
    }
    return 0;
}

static void say_missing(const struct command_line *line, int option, const char *what_z)
{
    const char *value_z = line->values[option];
    if (value_z != NULL && !config_is_off(value_z))
        (void)fprintf(stderr, "lured: --%s: this version does not have %s\n",
                      RUN_OPTIONS[option].name_z, what_z);
}

static int run(const struct command_line *line)
{
    struct config config;
    int status = command_config(&config, line->values[RUN_CONFIG]);
    if (status != 0)
        return status;
    status = set_run(&config, line);
    if (status == 0) {
        say_missing(line, RUN_TELNET, "Telnet");
        say_missing(line, RUN_CONSOLE, "the dashboard");
        status = supervisor_main(&config);
    }
    config_fini(&config);
    return status;
}

const struct command command_run = {
    .name_z = "run",
    .what_z = "Runs the honeypot until it is told to stop (SIGTERM, Ctrl-C).",
    .options = RUN_OPTIONS,
    .run = run,
};

static const struct command_option CHECK_OPTIONS[] = {
    {"config", "FILE", "configuration; else the defaults"},
    {0},
};

/* As a comment, so that what is printed stays a configuration. */
static void print_profile(const struct ssh_profile *profile)
{
    (void)printf("# ssh.profile: %s; %s%s\n", profile->title_z,
                 profile->compared_z != NULL ? "compared with " : "",
                 profile->compared_z != NULL ? profile->compared_z
                                             : "NOT compared with its real server");
}

/* The value of a line NAME=value of os-release(5), without its quotes. */
static struct span release_value(struct span text, const char *name_z)
{
    struct span line, name = span_z(name_z);
    while (session_account_line(&text, &line)) {
        if (!span_starts_with(line, name) || line.len == name.len || line.data[name.len] != '=')
            continue;
        struct span value = span_slice(line, name.len + 1, line.len);
        bool quoted = value.len >= 2 && value.data[0] == '"';
        return quoted ? span_slice(value, 1, value.len - 1) : value;
    }
    return span_z("");
}

/* The server is of one system, and the machine behind it says that it is another: a shell tells, and so does
 * its sftp-server. */
static void print_contradiction(const struct ssh_profile *profile,
                                const struct persona_image *image)
{
    struct span text = session_account_file(image, "/usr/lib/os-release");
    struct span id = release_value(text, "ID"), version = release_value(text, "VERSION_ID");
    char system_z[64];
    int n = snprintf(system_z, sizeof(system_z), "%.*s %.*s", (int)id.len, (const char *)id.data,
                     (int)version.len, (const char *)version.data);
    bool known = profile->system_z != NULL && id.len > 0 && n > 0 && (size_t)n < sizeof(system_z);
    if (known && strcmp(system_z, profile->system_z) != 0)
        (void)printf("# WARNING: ssh.profile is of %s, and the machine says that it is %s\n",
                     profile->system_z, system_z);
}

static int check(const struct command_line *line)
{
    struct config config;
    struct world world;
    char why_z[WORLD_WHY_SIZE];
    int status = command_config(&config, line->values[0]);
    if (status != 0)
        return status;
    config_print(&config, stdout);
    const struct ssh_profile *profile = ssh_profile_find(span_z(config.ssh_profile));
    print_profile(profile);
    int error = world_check(&world, &config, why_z);
    if (error == 0)
        print_contradiction(profile, world.image);
    if (error == 0 && (error = world_check_image(&world, why_z)) == 0)
        (void)printf("# image: %s: its checksum is right\n", world.image_z);
    if (error < 0) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "lured: %s\n", why_z);
        /* An image that is only not made yet is no fault of the configuration. */
        bool named = world.policy == NULL || error != -ENOENT || config.image[0] != '\0';
        status = named ? COMMAND_FAILED : COMMAND_OK;
    }
    world_close(&world);
    config_fini(&config);
    return status;
}

const struct command command_check = {
    .name_z = "check",
    .what_z = "Checks the configuration and what it names, and prints what results.",
    .options = CHECK_OPTIONS,
    .run = check,
};

static const struct command_option NO_OPTIONS[] = {{0}};

static int version(const struct command_line *line)
{
    (void)line;
    (void)puts("lured " LURED_VERSION);
    return COMMAND_OK;
}

const struct command command_version = {
    .name_z = "version",
    .what_z = "Prints the version.",
    .options = NO_OPTIONS,
    .run = version,
};
