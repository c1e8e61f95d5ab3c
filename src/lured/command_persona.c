/* lured persona build: hands over to tools/persona-build, which needs Python and no rights. */
#include "lured/command.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PERSONA_TREE, PERSONA_OUTPUT, PERSONA_LIKE, ARGUMENTS_MAX = 12 };

static const struct command_option OPTIONS[] = {
    [PERSONA_TREE] = {"tree", "PATH", "a root tree of yours: a folder, or a tar archive"},
    [PERSONA_OUTPUT] = {"output", "FILE", "the image; name it with the key `image`"},
    [PERSONA_LIKE] = {"like", "NAME",
                      "persona whose /proc and /sys it shows; else by its processor"},
    {0},
};

/* Where it is installed, or where this program was built. */
static const char *builder(void)
{
    return access(LURED_DATADIR "/tools/persona-build", R_OK) == 0
               ? LURED_DATADIR "/tools/persona-build"
               : LURED_SOURCE "/tools/persona-build";
}

static int run(const struct command_line *line)
{
    const char *tree_z = line->values[PERSONA_TREE], *output_z = line->values[PERSONA_OUTPUT];
    if (strcmp(line->argument_z, "build") != 0 || tree_z == NULL || output_z == NULL) {
        (void)fputs("lured: persona: expected `lured persona build --tree PATH --output FILE`\n",
                    stderr);
        return COMMAND_USAGE;
    }
    const char *arguments[ARGUMENTS_MAX] = {"python3", builder(),  "--tree",
                                            tree_z,    "--output", output_z};
    if (line->values[PERSONA_LIKE] != NULL) {
        arguments[6] = "--like";
        arguments[7] = line->values[PERSONA_LIKE];
    }
    (void)execv("/usr/bin/python3", (char *const *)arguments);
    (void)fprintf(stderr, "lured: persona: /usr/bin/python3: %s\n", strerror(errno));
    return COMMAND_FAILED;
}

const struct command command_persona = {
    .name_z = "persona",
    .argument_z = "build",
    .what_z = "Makes a machine's image of a root tree of yours, for any processor that lured has.",
    .options = OPTIONS,
    .run = run,
};
