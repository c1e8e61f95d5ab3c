/* lured: an SSH honeypot. The command line: which command, with which options. */
#include "lured/command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct command *const COMMANDS[] = {
    &command_run,    &command_check,   &command_log,      &command_play,    &command_audit,
    &command_import, &command_persona, &command_identity, &command_version,
};

int command_config(struct config *config, const char *file_z)
{
    char why_z[CONFIG_WHY_SIZE];
    if (config_init(config) < 0) {
        (void)fputs("lured: out of memory\n", stderr);
        return COMMAND_FAILED;
    }
    if (file_z == NULL || config_load(config, file_z, why_z) >= 0)
        return 0;
    (void)fprintf(stderr, "lured: %s\n", why_z);
    config_fini(config);
    return COMMAND_FAILED;
}

int command_set(struct config *config, const char *key_z, const char *option_z, const char *value_z)
{
    char why_z[CONFIG_WHY_SIZE];
    if (value_z == NULL || config_set(config, key_z, value_z, why_z) >= 0)
        return 0;
    (void)fprintf(stderr, "lured: --%s: %s\n", option_z, why_z);
    return COMMAND_FAILED;
}

int command_open_data(const char *data_z)
{
    int error = mkdir(data_z, S_IRWXU) < 0 && errno != EEXIST ? errno : 0;
    int data = error == 0 ? open(data_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (data < 0)
        (void)fprintf(stderr, "lured: %s: %s\n", data_z, strerror(error != 0 ? error : errno));
    return data;
}

int command_open_dir(const char *data_z, const char *name_z)
{
    int data = open(data_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int dir = data < 0 ? -1 : openat(data, name_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        (void)fprintf(stderr, "lured: %s/%s: %s\n", data_z, name_z, strerror(errno));
    if (data >= 0)
        (void)close(data);
    return dir;
}

static void print_usage(FILE *out)
{
    (void)fputs("usage: lured COMMAND [OPTION ...]\n\n", out);
    for (size_t i = 0; i < ARRAY_LEN(COMMANDS); i++)
        (void)fprintf(out, "  %-8s %s\n", COMMANDS[i]->name_z, COMMANDS[i]->what_z);
    (void)fputs("  help     this text\n\n`lured COMMAND --help` tells its options.\n", out);
}

static void print_help(const struct command *c)
{
    (void)printf("usage: lured %s%s%s%s\n\n%s\n", c->name_z, c->argument_z != NULL ? " " : "",
                 c->argument_z != NULL ? c->argument_z : "",
                 c->options[0].name_z != NULL ? " [OPTION ...]" : "", c->what_z);
    if (c->options[0].name_z != NULL)
        (void)fputs("\n", stdout);
    for (const struct command_option *o = c->options; o->name_z != NULL; o++) {
        char left_z[64];
        (void)snprintf(left_z, sizeof(left_z), "--%s%s%s", o->name_z, o->value_z != NULL ? " " : "",
                       o->value_z != NULL ? o->value_z : "");
        (void)printf("  %-20s %s\n", left_z, o->what_z);
    }
}

static int refuse(const struct command *c)
{
    (void)fprintf(stderr, "lured: `lured %s --help` tells how it is used\n", c->name_z);
    return COMMAND_USAGE;
}

/* Options and argument of one command. */
static int dispatch(const struct command *c, int argc, char **argv)
{
    struct command_line line = {0};
    struct option options[COMMAND_VALUES_MAX + 2] = {{0}};
    size_t n = 0;
    for (; c->options[n].name_z != NULL; n++)
        options[n] = (struct option){
            c->options[n].name_z, c->options[n].value_z != NULL ? required_argument : no_argument,
            NULL, 'o'};
    options[n] = (struct option){"help", no_argument, NULL, 'h'};
    int index = 0;
    for (int got; (got = getopt_long(argc, argv, "h", options, &index)) != -1;) {
        if (got == 'h') {
            print_help(c);
            return COMMAND_OK;
        }
        if (got != 'o')
            return refuse(c);
        line.values[index] = optarg != NULL ? optarg : "";
    }
    int most = c->argument_z != NULL ? 1 : 0;
    int least = most == 1 && c->argument_z[0] != '[' ? 1 : 0;
    int given = argc - optind;
    if (given < least || given > most) {
        (void)fprintf(stderr,
                      given < least ? "lured: %s is missing\n" : "lured: too many arguments%s\n",
                      given < least ? c->argument_z : "");
        return refuse(c);
    }
    line.argument_z = given == 1 ? argv[optind] : NULL;
    return c->run(&line);
}

int main(int argc, char **argv)
{
    const char *name_z = argc > 1 ? argv[1] : "";
    if (strcmp(name_z, "help") == 0 || strcmp(name_z, "--help") == 0 || strcmp(name_z, "-h") == 0) {
        print_usage(stdout);
        return COMMAND_OK;
    }
    if (strcmp(name_z, "--version") == 0)
        name_z = "version";
    for (size_t i = 0; i < ARRAY_LEN(COMMANDS); i++)
        if (strcmp(name_z, COMMANDS[i]->name_z) == 0)
            return dispatch(COMMANDS[i], argc - 1, argv + 1);
    if (name_z[0] != '\0')
        (void)fprintf(stderr, "lured: there is no command \"%s\"\n", name_z);
    print_usage(stderr);
    return COMMAND_USAGE;
}
