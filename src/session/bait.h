/* Bait: files, logins and hosts that an owner wants found, and to be told of. A list is a text, a line
 * each; words are kept apart by blanks, and what a `#` begins is a comment:
 *
 *     file  /root/.aws/credentials 0600 root aws.txt   put there, with the contents of the owner's file
 *     put   /etc/motd 0644 root motd.txt               the same, but it is no bait
 *     watch /etc/shadow                                is there already
 *     login backup hunter2                             a user and a password, wherever they are tried
 *     host  db01 10.0.3.17                             a name of the machine's /etc/hosts, and its address
 *
 * A file is touched when a program opens it, a host when it is connected to or a name server is asked
 * for it. */
#ifndef SESSION_BAIT_H
#define SESSION_BAIT_H

#include "base/span.h"

enum {
    SESSION_BAIT_MAX = 1024,
    SESSION_BAIT_TEXT_MAX = 256 * 1024,
};

enum session_bait_kind {
    SESSION_BAIT_FILE,
    SESSION_BAIT_PUT,
    SESSION_BAIT_WATCH,
    SESSION_BAIT_LOGIN,
    SESSION_BAIT_HOST,
};

struct session_bait_item {
    enum session_bait_kind kind;
    struct span name;   /* path, user, host */
    struct span second; /* source, password, address */
    struct span owner;  /* of a file */
    uint32_t mode;
};

struct session_bait;

/* The text is copied. NULL: *err is ERR_MALFORMED and *line the number of the bad line (from 1),
 * ERR_FULL or ERR_NOMEM. */
struct session_bait *session_bait_new(struct span text, int *err, uint32_t *line);
void session_bait_free(struct session_bait *bait);

/* Item `index`, NULL past the end. */
const struct session_bait_item *session_bait_item(const struct session_bait *bait, size_t index);

/* `bait` may be NULL here: there is none then. */
bool session_bait_is_login(const struct session_bait *bait, struct span user, struct span password);
/* The item that has this name or address, or NULL. */
const struct session_bait_item *session_bait_host(const struct session_bait *bait,
                                                  struct span name_or_address);

#endif
