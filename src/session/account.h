/* The machine's accounts, as its own /etc/passwd tells them (passwd(5)). */
#ifndef SESSION_ACCOUNT_H
#define SESSION_ACCOUNT_H

#include "base/span.h"

struct persona_image;

struct session_account {
    struct span name, home, shell; /* borrowed from the text that told of it */
    uint32_t uid, gid;
};

/* False when the image has no such account. */
bool session_account_find(const struct persona_image *image, struct span name,
                          struct session_account *out);

/* The same in a text of passwd(5). */
bool session_account_find_in(struct span passwd, struct span name, struct session_account *out);

/* The groups of a text of group(5) that name the account as a member, in their order, its own left out:
 * how many were put into `out`, which has room for `max`. */
size_t session_account_groups(struct span group, const struct session_account *account,
                              uint32_t *out, size_t max);

/* A line of passwd(5). False when it is not one. */
bool session_account_parse(struct span line, struct session_account *out);

/* The line of passwd(5), shadow(5) or the like that begins with the name; empty: there is none. */
struct span session_account_line_of(struct span text, struct span name);

/* A line of group(5): its number when `name` is among its members. */
bool session_account_group(struct span line, struct span name, uint32_t *gid);

/* The contents of a file of the image by its path; empty when there is none. */
struct span session_account_file(const struct persona_image *image, const char *path_z);

/* Takes the first line off `text`, without its line feed. False at the end. */
bool session_account_line(struct span *text, struct span *line);

#endif
