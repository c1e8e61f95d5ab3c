/* What has happened on an idle machine since its boot, as its logs and accounting files tell it:
 * cron, timers, the administrator's logins, strangers who try passwords, and the visitor himself.
 * Made from the identity and the time, so that every session reads the same past, and a later one
 * more of it. */
#ifndef PERSONA_PAST_H
#define PERSONA_PAST_H

#include "persona/identity.h"
#include "persona/image.h"

#include "base/buffer.h"

enum {
    PERSONA_LOGINS_MAX = 8,
    PERSONA_TTY_SPAN = 64, /* terminals of a visitor that are known */
};

/* The visitor's own login. */
struct persona_visit {
    struct span user, address; /* empty: nobody has logged in */
    uint32_t uid, number;      /* of the account; of logind's session */
    uint16_t port;
    int32_t sshd, manager; /* process numbers: of his sshd, of his service manager */
    int64_t at_ms;
    uint64_t ttys; /* a bit for each terminal that is open */
};

struct persona_now {
    const struct persona_identity *identity;
    int64_t time_ms;
    struct persona_visit visit;
};

/* The contents of a file of records (enum persona_record, image.h) at a time, appended; when it was
 * last written. 0, ERR_FULL or ERR_NOMEM. */
int persona_record_write(enum persona_record record, const struct persona_now *now,
                         struct buffer *out, int64_t *written_ms);

/* When and whence an account last logged in before the visitor, as sshd greets with it: "Wed Nov 18
 * 19:36:02 2026 from 192.0.2.7". False: never. */
enum { PERSONA_LAST_SIZE = 64 };
bool persona_last_login(const struct persona_identity *identity, int64_t now_ms, struct span user,
                        char out_z[PERSONA_LAST_SIZE]);

/* ---- For the files of this folder ---- */

/* A login of the administrator's, in the past. */
struct persona_login {
    bool is_root;
    char address_z[PERSONA_ADDRESS_SIZE];
    uint16_t port;
    int64_t from_ms, until_ms;
};
/* In their order; how many. All of them have ended before `now_ms`. */
size_t persona_logins(const struct persona_identity *identity, int64_t now_ms,
                      struct persona_login out[PERSONA_LOGINS_MAX]);

/* Somebody who tries a password. */
struct persona_try {
    int64_t at_ms;
    const char *user_z;
    bool is_valid; /* the account is there */
    char address_z[PERSONA_ADDRESS_SIZE];
    uint16_t port;
};
/* Those of an hour (hours since 1970), in their order; how many. */
enum { PERSONA_TRIES_MAX = 6 };
size_t persona_tries(const struct persona_identity *identity, int64_t hour,
                     struct persona_try out[PERSONA_TRIES_MAX]);

/* The number of a process that was started at a time. */
int32_t persona_pid_at(const struct persona_identity *identity, int64_t time_ms);

/* When logrotate last took the logs away: they begin there. */
int64_t persona_logs_begin_ms(const struct persona_identity *identity, int64_t now_ms);

int persona_log_write(enum persona_record record, const struct persona_now *now, int64_t from_ms,
                      struct buffer *out, int64_t *written_ms);
int persona_accounts_write(enum persona_record record, const struct persona_now *now,
                           struct buffer *out, int64_t *written_ms);

#endif
