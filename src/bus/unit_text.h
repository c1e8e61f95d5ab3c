/* The text of a unit file (systemd.syntax(7), systemd.service(5)): values by section and key, and command
 * lines. Whatever a visitor has written there: nothing is trusted. */
#ifndef BUS_UNIT_TEXT_H
#define BUS_UNIT_TEXT_H

#include "base/buffer.h"

enum {
    UNIT_TEXT_MAX = 16384, /* bytes of a file: a longer one is none */
    UNIT_VALUE_MAX = 2048, /* of a value with its NUL: what is longer is cut */
    UNIT_WORDS_MAX = 64,   /* of a command line: more are left out */
    UNIT_WORDS_BYTES = 8192,
};

/* The n-th value of a key in a section, with lines that go on put together; an empty value takes back those
 * before it. False: there are not so many. */
bool unit_text_value(struct span text, const char *section_z, const char *key_z, size_t n,
                     char out_z[UNIT_VALUE_MAX]);
/* The last one, which is the one that counts for most keys. */
bool unit_text_last(struct span text, const char *section_z, const char *key_z,
                    char out_z[UNIT_VALUE_MAX]);
/* "yes", "true", "on" or "1". */
bool unit_text_is_true(const char *value_z);
/* A time as systemd.time(7) has it ("5min 20s", plain seconds); -1: none. "infinity" is INT64_MAX. */
int64_t unit_text_us(const char *value_z);

/* What stands for what in a command line. */
struct unit_names {
    const char *name_z, *hostname_z; /* "x@y.service": %n, and of it %p, %i, %N */
    struct span env;                 /* NAME=value, each with its NUL */
};

struct unit_words {
    struct span word[UNIT_WORDS_MAX]; /* into `bytes`; without the NUL that is behind each */
    size_t count;
    struct buffer bytes;
    /* What stood before the first: "-" its failure does not matter, "@" the second word is argv[0]. */
    bool may_fail, names_itself;
};
/* Splits a line, with quotes, escapes, specifiers and variables. 0, ERR_MALFORMED (a quote without its end)
 * or ERR_NOMEM; `words` is always to be given to unit_words_fini. */
int unit_text_words(const char *line_z, const struct unit_names *names, struct unit_words *words);
void unit_words_fini(struct unit_words *words);

#endif
