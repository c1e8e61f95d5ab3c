/* The machine's accounts, as its own /etc/passwd tells them (passwd(5)). */
#ifndef SESSION_ACCOUNT_H
#define SESSION_ACCOUNT_H

#include "base/span.h"

struct persona_image;

struct session_account {
    struct span name, home, shell; /* borrowed from the image */
    uint32_t uid, gid;
};

/* False when the image has no such account. */
bool session_account_find(const struct persona_image *image, struct span name,
                          struct session_account *out);

/* A line of passwd(5). False when it is not one. */
bool session_account_parse(struct span line, struct session_account *out);

/* The contents of a file of the image by its path; empty when there is none. */
struct span session_account_file(const struct persona_image *image, const char *path_z);

/* Takes the first line off `text`, without its line feed. False at the end. */
bool session_account_line(struct span *text, struct span *line);

#endif
