/* The commands of the command line: one entry a command, in its own file; main.c has the table. */
#ifndef LURED_COMMAND_H
#define LURED_COMMAND_H

#include "lured/config.h"

/* Exit statuses. FOUND: of `lured audit`, which has something to say. */
enum { COMMAND_OK = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2, COMMAND_FOUND = 3 };

#define COMMAND_VALUES_MAX 16

struct command_option {
    const char *name_z;  /* without its dashes; NULL ends the list */
    const char *value_z; /* what its value is called; NULL: it has none */
    const char *what_z;
};

/* What was given: the value of each option by its place in the list, NULL when it was not given, an
 * empty string for one without a value. */
struct command_line {
    const char *values[COMMAND_VALUES_MAX];
    const char *argument_z; /* NULL: none */
};

struct command {
    const char *name_z;
    const char *argument_z; /* what its argument is called, which it then must have, unless the name
                               stands in brackets; NULL: none */
    const char *what_z;
    const struct command_option *options;
    int (*run)(const struct command_line *line);
};

extern const struct command command_audit, command_check, command_import, command_persona,
    command_identity, command_log, command_play, command_run, command_version;

/* The configuration with the file, if one is named, read over the defaults. 0, or COMMAND_FAILED and
 * it was said on standard error. */
int command_config(struct config *config, const char *file_z);

/* Sets a key from an option, if it was given; the same. */
int command_set(struct config *config, const char *key_z, const char *option_z,
                const char *value_z);

/* Opens the data directory, made when it is not there. -1 when it cannot be, and it was said. */
int command_open_data(const char *data_z);

/* Opens a folder below the data directory. -1 when it cannot be, and it was said. */
int command_open_dir(const char *data_z, const char *name_z);

#endif
