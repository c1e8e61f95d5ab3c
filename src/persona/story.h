/* What has happened, line by line, as those tell it who tell the system's log: from here come the
 * texts of /var/log and the journal, so that they agree. For this folder only. */
#ifndef PERSONA_STORY_H
#define PERSONA_STORY_H

#include "persona/past.h"

/* Facilities and priorities of syslog(3). */
enum {
    STORY_KERN = 0,
    STORY_USER = 1,
    STORY_DAEMON = 3,
    STORY_AUTH = 4,
    STORY_SYSLOG = 5,
    STORY_CRON = 9,
    STORY_AUTHPRIV = 10,
};
enum { STORY_WARNING = 4, STORY_NOTICE, STORY_INFO };

/* Takes a line, which is borrowed. 0; negative: an error, which ends the story. */
typedef int (*story_fn)(void *ctx, const struct persona_line *line);

/* Tells all lines of some facilities (a bit each) from `from_us` until the visitor's now (and before
 * `until_us`), in the order of their times. 0, ERR_NOMEM or what `fn` says. */
#define STORY_ALL UINT32_MAX
int story_tell(const struct persona_now *now, uint32_t facilities, int64_t from_us,
               int64_t until_us, story_fn fn, void *ctx);

/* ---- What is said (story_texts.c) ---- */

struct pending;

struct story {
    const struct persona_now *now;
    uint32_t facilities;
    int64_t from_us, until_us;
    struct pending *first; /* said and not yet told, by time; owned */
    size_t pending;
    int error;
};

/* Who says it. */
enum story_actor {
    ACTOR_MANAGER,
    ACTOR_USER_MANAGER,
    ACTOR_JOURNALD,
    ACTOR_TIMESYNCD,
    ACTOR_RSYSLOGD,
    ACTOR_LOGIND,
    ACTOR_CRON,
    ACTOR_CRON_JOB,
    ACTOR_CRON_PAM,
    ACTOR_LISTENER,
    ACTOR_SSHD,
    ACTOR_SSHD_PAM,
    ACTOR_LOGIN_PAM,
    ACTORS
};

/* Whether anybody wants a line. */
bool story_wants(const struct story *story, uint8_t facility, int64_t at_us);
/* A line, kept until its turn. */
void story_add(struct story *story, const struct persona_line *line);

void story_say_boot(struct story *story);
void story_say_cron(struct story *story, int64_t at_ms, const char *command_z);
void story_say_try(struct story *story, const struct persona_try *t);
void story_say_login(struct story *story, const struct persona_visit *v);
void story_say_logout(struct story *story, const struct persona_visit *v, int64_t at_ms);
void story_say_unit(struct story *story, const char *unit_z, const char *what_z, int64_t at_ms);

#endif
