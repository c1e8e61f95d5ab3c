/* The configuration file: YAML, every key and value checked before anything starts. Keys, defaults
 * and bounds stand in config.def. */
#ifndef LURED_CONFIG_H
#define LURED_CONFIG_H

#include "base/buffer.h"

#include <stdio.h>

/* A larger file is not a configuration. */
#define CONFIG_FILE_MAX ((size_t)1024 * 1024)
#define CONFIG_TEXT_MAX 1023
#define CONFIG_WHY_SIZE 1024

struct config {
#define TEXT(member, section, key, standard, check, what)         char *member;
#define NUMBER(member, section, key, standard, least, most, what) uint64_t member;
#include "lured/config.def"
#undef TEXT
#undef NUMBER
};

/* All defaults. Texts are its own, by malloc. 0 or ERR_NOMEM. */
int config_init(struct config *config);
void config_fini(struct config *config);

/* Reads the text of a file over what is set. 0, or a negative error, and a sentence in `why_z` that
 * begins with FILE:LINE (just FILE where no line is to blame). On an error `config` is unchanged. */
int config_read(struct config *config, const char *file_z, struct span text,
                char why_z[CONFIG_WHY_SIZE]);

/* The same, from the file. */
int config_load(struct config *config, const char *file_z, char why_z[CONFIG_WHY_SIZE]);

/* Sets one key as the file would: for options of the command line. `name_z` is "data" or
 * "ssh.endpoint". 0 or a negative error, and in `why_z` what was expected. */
int config_set(struct config *config, const char *name_z, const char *value_z,
               char why_z[CONFIG_WHY_SIZE]);

/* Writes it as a file that would give the same. */
void config_print(const struct config *config, FILE *out);

/* Appends a whole file of the owner's. 0, -errno, or ERR_FULL when it is longer than there is room. */
int config_read_file(const char *file_z, struct buffer *out);

/* True for an endpoint that is not wanted: "off". */
bool config_is_off(const char *endpoint_z);

#endif
