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
    int32_t sshd,
        manager; /* process numbers: of his sshd, of his service manager; 0: it runs already */
    int64_t at_ms, until_ms; /* until: 0 when he is still there */
    uint64_t ttys;           /* a bit for each terminal that is open, or was */
};

/* How the journal came to a line. */
enum persona_way { PERSONA_BY_KERNEL, PERSONA_BY_SYSLOG, PERSONA_BY_JOURNAL, PERSONA_BY_STDOUT };

/* A line of the system's log, and of whom it is. */
struct persona_line {
    int64_t at_us; /* wall clock */
    enum persona_way way;
    uint8_t facility, priority; /* of syslog(3) */
    bool is_unlogged;           /* there was no rsyslogd then */
    int32_t pid, tag_pid;       /* who said it; what the line shows of it, 0: nothing */
    uint32_t uid, gid;
    uint32_t session, owner;              /* of logind, and whose it is; 0: none */
    int64_t monotonic_us;                 /* of a kernel's line: since boot */
    struct span tag, text;                /* "sshd", and what it says */
    struct span comm, exe, args;          /* of the process */
    struct span unit, object, message_id; /* its unit; of what it tells (UNIT=, MESSAGE_ID=) */
};

struct persona_now {
    const struct persona_identity *identity;
    int64_t time_ms;
    struct persona_visit visit;
    int64_t cron_ms; /* since then a cron of its own says what it does; 0: there is none */
    const struct persona_visit
        *inner; /* his visits before, and his logins from the machine into itself, by time */
    size_t inner_count;
    const struct persona_line *lines; /* what was said since the visitor came, by time */
    size_t line_count;
};

/* A file of records (image.h), so many rotations ago: whether it is there by now. */
bool persona_record_is_there(enum persona_record record, uint32_t age,
                             const struct persona_now *now);
/* Its contents, appended; when it was last written. 1: those of the image; 0, ERR_FULL or ERR_NOMEM. */
int persona_record_write(enum persona_record record, uint32_t age, const struct persona_now *now,
                         struct buffer *out, int64_t *written_ms);

/* The line as it stands in a file of text, appended; nothing when it does not belong there. */
int persona_line_write(enum persona_record record, const struct persona_identity *identity,
                       const struct persona_line *line, struct buffer *out);

/* Makes a line of one that systemd, the first process, says: all but time and text. */
void persona_line_of_manager(struct persona_line *line);

/* When and whence an account last logged in before the visitor, as sshd greets with it: "Wed Nov 18
 * 19:36:02 2026 from 192.0.2.7". False: never. */
enum { PERSONA_LAST_SIZE = 80 };
bool persona_last_login(const struct persona_identity *identity, int64_t now_ms, struct span user,
                        char out_z[PERSONA_LAST_SIZE]);
/* The same of a login whose time and place are known. */
void persona_say_login(int64_t at_ms, struct span from, char out_z[PERSONA_LAST_SIZE]);

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

/* How long the last start took: until systemd ran, and until all did; since boot. */
void persona_startup(const struct persona_identity *identity, int64_t *kernel_us,
                     int64_t *started_us);

/* When a process that the machine was started with began, by its number (kernel/services.def): since
 * boot. */
int64_t persona_process_us(const struct persona_identity *identity, int32_t pid);

/* The number of a process that was started at a time. */
int32_t persona_pid_at(const struct persona_identity *identity, int64_t time_ms);

/* What logrotate has left, so many rotations ago: from when, and until when. False: there is none. */
bool persona_rotation(const struct persona_identity *identity, bool is_monthly, uint32_t age,
                      int64_t now_ms, int64_t *from_ms, int64_t *until_ms);

int persona_log_write(enum persona_record record, const struct persona_now *now, int64_t from_ms,
                      int64_t until_ms, struct buffer *out, int64_t *written_ms);
int persona_accounts_write(enum persona_record record, const struct persona_now *now,
                           int64_t from_ms, int64_t until_ms, struct buffer *out,
                           int64_t *written_ms);

#endif
