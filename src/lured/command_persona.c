/* lured persona build: hands over to tools/persona-build, which needs Python and no rights, or, for a persona of
 * our own, to tools/persona-make, which is there where this program was built. */
#include "lured/command.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PERSONA_TREE, PERSONA_PERSONA, PERSONA_OUTPUT, PERSONA_LIKE, ARGUMENTS_MAX = 12 };

static const struct command_option OPTIONS[] = {
    [PERSONA_TREE] = {"tree", "PATH", "a root tree of yours: a folder, or a tar archive"},
    [PERSONA_PERSONA] = {"persona", "NAME",
                         "a persona of lured's own, from Debian's packages (apt fetches them)"},
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

static int hand_over(const char *program_z, const char *const *arguments)
{
    (void)execv(program_z, (char *const *)arguments);
    (void)fprintf(stderr, "lured: persona: %s: %s\n", program_z, strerror(errno));
    return COMMAND_FAILED;
}

static int build_tree(const struct command_line *line)
{
    const char *like_z = line->values[PERSONA_LIKE];
    const char *arguments[ARGUMENTS_MAX] = {"python3",
                                            builder(),
                                            "--tree",
                                            line->values[PERSONA_TREE],
                                            "--output",
                                            line->values[PERSONA_OUTPUT],
                                            like_z != NULL ? "--like" : NULL,
                                            like_z};
    return hand_over("/usr/bin/python3", arguments);
}

static int build_own(const struct command_line *line)
{
    static const char program_z[] = LURED_SOURCE "/tools/persona-make";
    const char *arguments[ARGUMENTS_MAX] = {program_z, line->values[PERSONA_PERSONA],
                                            line->values[PERSONA_OUTPUT]};
    return hand_over(program_z, arguments);
}

static int run(const struct command_line *line)
{
    bool tree = line->values[PERSONA_TREE] != NULL, own = line->values[PERSONA_PERSONA] != NULL;
    bool likes = line->values[PERSONA_LIKE] != NULL;
    if (strcmp(line->argument_z, "build") != 0 || tree == own || (own && likes) ||
        line->values[PERSONA_OUTPUT] == NULL) {
        (void)fputs("lured: persona: expected `lured persona build --tree PATH --output FILE`, or "
                    "--persona NAME instead of --tree\n",
                    stderr);
        return COMMAND_USAGE;
    }
    return tree ? build_tree(line) : build_own(line);
}

const struct command command_persona = {
    .name_z = "persona",
    .argument_z = "build",
    .what_z = "Makes a machine's image: of a root tree of yours, or of a persona of lured's own.",
    .options = OPTIONS,
    .run = run,
};
