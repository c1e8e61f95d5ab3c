#include "persona/story.h"

#include "base/error.h"
#include "persona/date.h"

#include <stdlib.h>
#include <string.h>

static const int64_t SECOND_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 3600000, US_PER_MS = 1000,
                     LOGIN_MS = 175; /* until all is said of one that began */

enum { PENDING_MAX = 4096 }; /* lines that are kept until their turn */

/* A line, and the texts behind it. */
struct pending {
    struct pending *next;
    struct persona_line line;
    uint8_t texts[];
};

/* ---- The lines that wait ---- */

static struct span *texts_of(struct persona_line *line, size_t index)
{
    struct span *const all[] = {&line->tag,  &line->text, &line->comm,   &line->exe,
                                &line->args, &line->unit, &line->object, &line->message_id};
    return index < ARRAY_LEN(all) ? all[index] : NULL;
}

static struct pending *pending_new(const struct persona_line *from)
{
    struct persona_line line = *from;
    size_t len = 0, at = 0;
    for (size_t i = 0; texts_of(&line, i) != NULL; i++)
        len += texts_of(&line, i)->len;
    struct pending *p = malloc(sizeof(*p) + len);
    if (p == NULL)
        return NULL;
    for (size_t i = 0; texts_of(&line, i) != NULL; i++) {
        struct span *text = texts_of(&line, i);
        if (text->len > 0)
            memcpy(p->texts + at, text->data, text->len);
        *text = span_of(p->texts + at, text->len);
        at += text->len;
    }
    p->line = line;
    return p;
}

bool story_wants(const struct story *story, uint8_t facility, int64_t at_us)
{
    int64_t now_us = (story->now->time_ms + 1) * US_PER_MS;
    return story->error == 0 && (story->facilities >> facility & 1) != 0 &&
           at_us >= story->from_us && at_us < story->until_us && at_us < now_us;
}

void story_add(struct story *story, const struct persona_line *line)
{
    if (!story_wants(story, line->facility, line->at_us))
        return;
    struct pending *p = story->pending < PENDING_MAX ? pending_new(line) : NULL;
    if (p == NULL) {
        story->error = ERR_NOMEM;
        return;
    }
    struct pending **place = &story->first;
    while (*place != NULL && (*place)->line.at_us <= line->at_us)
        place = &(*place)->next;
    p->next = *place;
    *place = p;
    story->pending++;
}

/* Tells those before `until_us`. */
static void flush(struct story *story, int64_t until_us, story_fn fn, void *ctx)
{
    while (story->first != NULL && story->first->line.at_us < until_us) {
        struct pending *p = story->first;
        if (story->error == 0)
            story->error = fn(ctx, &p->line);
        story->first = p->next;
        story->pending--;
        free(p);
    }
}

/* ---- An hour ---- */

/* What comes by the clock: minute of the hour; hour and weekday, -1 for each. */
static const struct {
    int minute, hour, weekday;
    const char *command_z;
} jobs[] = {
    {17, -1, -1, "   cd / && run-parts --report /etc/cron.hourly"},
    {25, 6, -1, "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }"},
    {47, 6, 0, "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }"},
    {10, 3, -1, "test -e /run/systemd/system || SERVICE_MODE=1 /sbin/e2scrub_all -A -r"},
};

/* And by systemd's timers: the same times as `systemctl list-timers` tells (bus/manager.c). */
static const struct {
    int minute, hour, weekday;
    const char *unit_z, *what_z;
} timers[] = {
    {0, 0, -1, "logrotate.service", "Rotate log files"},
    {0, 0, -1, "dpkg-db-backup.service", "Daily dpkg database backup service"},
    {0, 0, -1, "man-db.service", "Daily man-db regeneration"},
    {22, 6, -1, "apt-daily-upgrade.service", "Daily apt upgrade and clean activities"},
    {41, 9, -1, "apt-daily.service", "Daily apt download activities"},
    {3, 21, -1, "apt-daily.service", "Daily apt download activities"},
    {13, 10, -1, "systemd-tmpfiles-clean.service", "Cleanup of Temporary Directories"},
    {10, 3, 0, "e2scrub_all.service", "Online ext4 Metadata Check for All Filesystems"},
    {21, 1, 1, "fstrim.service", "Discard unused blocks on filesystems from /etc/fstab"},
};

static bool is_hour(int hour, int weekday, const struct persona_date *d)
{
    return (hour < 0 || hour == (int)d->hour) && (weekday < 0 || weekday == (int)d->weekday);
}

static void say_clockwork(struct story *story, int64_t hour)
{
    const struct persona_identity *p = story->now->identity;
    struct persona_date d = persona_date_of(hour * HOUR_MS / SECOND_MS);
    int64_t shift = p->mac[4] * INT64_C(211) % SECOND_MS;
    int64_t quiet_ms = p->boot_ms + MINUTE_MS;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        int64_t at_ms = hour * HOUR_MS + jobs[i].minute * MINUTE_MS + 1000 + shift;
        bool is_told =
            at_ms > quiet_ms && (story->now->cron_ms == 0 || at_ms < story->now->cron_ms);
        if (is_hour(jobs[i].hour, jobs[i].weekday, &d) && is_told)
            story_say_cron(story, at_ms, jobs[i].command_z);
    }
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        int64_t at_ms =
            hour * HOUR_MS + timers[i].minute * MINUTE_MS + shift + p->mac[5] * INT64_C(9);
        if (is_hour(timers[i].hour, timers[i].weekday, &d) && at_ms > quiet_ms)
            story_say_unit(story, timers[i].unit_z, timers[i].what_z, at_ms);
    }
}

static void say_tries(struct story *story, int64_t hour)
{
    struct persona_try tries[PERSONA_TRIES_MAX];
    size_t count = persona_tries(story->now->identity, hour, tries);
    for (size_t i = 0; i < count; i++)
        if (tries[i].at_ms > story->now->identity->boot_ms + MINUTE_MS)
            story_say_try(story, &tries[i]);
}

static struct persona_visit visit_of(const struct persona_identity *p,
                                     const struct persona_login *l, size_t index)
{
    int32_t pid = persona_pid_at(p, l->from_ms);
    return (struct persona_visit){.user = l->is_root ? span_z("root") : span_z(p->user_z),
                                  .address = span_z(l->address_z),
                                  .uid = l->is_root ? 0 : p->user_uid,
                                  .number = (uint32_t)index * 2 + 1,
                                  .port = l->port,
                                  .sshd = pid,
                                  .manager = pid + 4,
                                  .at_ms = l->from_ms};
}

static void say_logins(struct story *story, int64_t hour, const struct persona_login *logins,
                       size_t count)
{
    const struct persona_visit *visit = &story->now->visit;
    for (size_t i = 0; i < count; i++) {
        const struct persona_visit v = visit_of(story->now->identity, &logins[i], i);
        if (logins[i].from_ms / HOUR_MS == hour)
            story_say_login(story, &v);
        if (logins[i].until_ms / HOUR_MS == hour)
            story_say_logout(story, &v, logins[i].until_ms);
    }
    if (visit->user.len > 0 && visit->at_ms / HOUR_MS == hour)
        story_say_login(story, visit);
    for (size_t i = 0; i < story->now->inner_count; i++) {
        const struct persona_visit *v = &story->now->inner[i];
        if (v->at_ms / HOUR_MS == hour)
            story_say_login(story, v);
        int64_t until_ms = v->until_ms > v->at_ms + LOGIN_MS ? v->until_ms : v->at_ms + LOGIN_MS;
        if (v->until_ms != 0 && until_ms / HOUR_MS == hour)
            story_say_logout(story, v, until_ms);
    }
}

/* What was said since the visitor came; `*next` is the first that is not yet told. */
static void say_live(struct story *story, int64_t until_us, size_t *next)
{
    for (; *next < story->now->line_count; (*next)++) {
        if (story->now->lines[*next].at_us >= until_us)
            return;
        story_add(story, &story->now->lines[*next]);
    }
}

int story_tell(const struct persona_now *now, uint32_t facilities, int64_t from_us,
               int64_t until_us, story_fn fn, void *ctx)
{
    const int64_t hour_us = HOUR_MS * US_PER_MS;
    struct story story = {
        .now = now, .facilities = facilities, .from_us = from_us, .until_us = until_us};
    struct persona_login logins[PERSONA_LOGINS_MAX];
    size_t count = persona_logins(now->identity, now->time_ms, logins), live = 0;
    int64_t until_ms = until_us / US_PER_MS < now->time_ms ? until_us / US_PER_MS : now->time_ms;
    int64_t boot_hour = now->identity->boot_ms / HOUR_MS, last = until_ms / HOUR_MS;
    int64_t first = from_us / hour_us - 1; /* the end of what began before is of the story too */
    for (int64_t h = first < boot_hour ? boot_hour : first; h <= last && story.error == 0; h++) {
        if (h == boot_hour)
            story_say_boot(&story);
        say_clockwork(&story, h);
        say_tries(&story, h);
        say_logins(&story, h, logins, count);
        say_live(&story, (h + 1) * hour_us, &live);
        flush(&story, (h + 1) * hour_us, fn, ctx);
    }
    flush(&story, INT64_MAX, fn, ctx);
    return story.error;
}
