/* The texts of /var/log, as rsyslog writes them: a line an event. */
#include "persona/past.h"

#include "crypto/rng.h"
#include "persona/boot_log.h"
#include "persona/date.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int64_t SECOND_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 3600000;

enum {
    LINE_MAX_BYTES = 1200,
    LOGIND_PID = 362, /* of kernel/services.def */
    TIMESYNCD_PID = 234,
    RSYSLOGD_PID = 359,
    CRON_PID = 349,
    SSHD_PID = 393,
    EVENTS_MAX = 32, /* in an hour */
};

struct log {
    enum persona_record record;
    const struct persona_now *now;
    int64_t from_ms;
    struct buffer *out;
    int64_t *written_ms;
    int error;
};

/* Whose log a line is; all but those of auth stand in syslog as well. */
static bool is_wanted(const struct log *log, enum persona_record facility)
{
    return log->record == facility ||
           (log->record == PERSONA_RECORD_SYSLOG && facility != PERSONA_RECORD_AUTH);
}

/* "TIME HOST TEXT"; the text begins with who says it. */
__attribute__((format(printf, 4, 5))) static void say(struct log *log, enum persona_record facility,
                                                      int64_t at_ms, const char *format_z, ...)
{
    char text_z[LINE_MAX_BYTES];
    va_list args;
    if (!is_wanted(log, facility) || at_ms < log->from_ms || at_ms > log->now->time_ms ||
        log->error != 0)
        return;
    va_start(args, format_z);
    (void)vsnprintf(text_z, sizeof(text_z), format_z, args);
    va_end(args);
    struct persona_date d = persona_date_of(at_ms / SECOND_MS);
    /* A text's own length and the time make the microseconds: the same whenever it is written. */
    unsigned micros = (unsigned)(at_ms * 7919 + (int64_t)strlen(text_z) * 104729) % 1000;
    log->error = buffer_printf(log->out, "%04lld-%02u-%02uT%02u:%02u:%02u.%03u%03u+00:00 %s %s\n",
                               (long long)d.year, d.month, d.day, d.hour, d.minute, d.second,
                               (unsigned)(at_ms % SECOND_MS), micros,
                               log->now->identity->hostname_z, text_z);
    *log->written_ms = at_ms;
}

#define AUTH   PERSONA_RECORD_AUTH
#define SYSLOG PERSONA_RECORD_SYSLOG
#define CRON   PERSONA_RECORD_CRON
#define KERN   PERSONA_RECORD_KERN

/* ---- What happens ---- */

/* rsyslogd hands on what the kernel has said before it was there. */
static void say_kernel(struct log *log, int64_t at)
{
    static const char version[] =
        "Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian "
        "12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP "
        "PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)";
    enum { CPUS = 2, BOOT_KIB = 37940 }; /* kernel/hardware.h */
    const struct persona_identity *p = log->now->identity;
    char cmdline_z[128];
    struct buffer text;
    (void)snprintf(cmdline_z, sizeof(cmdline_z),
                   "BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-amd64 root=UUID=%s ro quiet", p->root_uuid_z);
    uint64_t memory_kib = (uint64_t)p->memory_mib * 1024;
    const struct persona_boot boot = {.version = span_z(version),
                                      .cmdline = span_z(cmdline_z),
                                      .hostname = span_z(p->hostname_z),
                                      .cpu = span_z(p->cpu->name_z),
                                      .cpu_mhz = span_z(p->cpu_mhz_z),
                                      .bogomips = span_z(p->bogomips_z),
                                      .cpu_bugs_z = p->cpu->bugs_z,
                                      .cpus = CPUS,
                                      .family = p->cpu->family,
                                      .model = p->cpu->model,
                                      .stepping = p->cpu->stepping,
                                      .is_amd = strcmp(p->cpu->vendor_z, "AuthenticAMD") == 0,
                                      .memory_kib = memory_kib,
                                      .available_kib =
                                          memory_kib - p->memory_reserved_kib - BOOT_KIB,
                                      .disk_gib = p->disk_gib,
                                      .boot_s = p->boot_ms / SECOND_MS,
                                      .number = (uint32_t)p->seed[0] << 8 | p->seed[1]};
    buffer_init(&text, PERSONA_BOOT_TEXT_MAX);
    for (size_t n = 0; n < persona_boot_lines() && log->error == 0; n++) {
        struct persona_boot_line line;
        buffer_clear(&text);
        int rc = persona_boot_line(&boot, n, &line, &text);
        struct span said = buffer_span(&text);
        if (rc > 0)
            say(log, KERN, at + (int64_t)n / 100, "kernel: [%5llu.%06llu] %.*s",
                (unsigned long long)(line.time_us / 1000000),
                (unsigned long long)(line.time_us % 1000000), (int)said.len,
                (const char *)said.data);
        if (rc < 0)
            log->error = rc;
    }
    buffer_fini(&text);
}

static void say_boot(struct log *log)
{
    const struct persona_identity *p = log->now->identity;
    int64_t at = p->boot_ms + 4 * SECOND_MS;
    say_kernel(log, at);
    say(log, SYSLOG, at + 6,
        "systemd[1]: Finished systemd-random-seed.service - Load/Save Random Seed.");
    say(log, SYSLOG, at + 400,
        "systemd[1]: Started systemd-timesyncd.service - Network Time Synchronization.");
    say(log, SYSLOG, at + 2100, "systemd[1]: Started rsyslog.service - System Logging Service.");
    say(log, SYSLOG, at + 2101,
        "rsyslogd: [origin software=\"rsyslogd\" swVersion=\"8.2302.0\" x-pid=\"%d\" "
        "x-info=\"https://www.rsyslog.com\"] start",
        RSYSLOGD_PID);
    say(log, CRON, at + 2110, "cron[%d]: (CRON) INFO (pidfile fd = 3)", CRON_PID);
    say(log, CRON, at + 2112, "cron[%d]: (CRON) INFO (Running @reboot jobs)", CRON_PID);
    say(log, AUTH, at + 2300, "systemd-logind[%d]: New seat seat0.", LOGIND_PID);
    say(log, AUTH, at + 2420,
        "systemd-logind[%d]: Watching system buttons on /dev/input/event0 (Power Button)",
        LOGIND_PID);
    say(log, AUTH, at + 4000, "sshd[%d]: Server listening on 0.0.0.0 port 22.", SSHD_PID);
    say(log, AUTH, at + 4001, "sshd[%d]: Server listening on :: port 22.", SSHD_PID);
    say(log, SYSLOG, at + 4100, "systemd[1]: Started ssh.service - OpenBSD Secure Shell server.");
    say(log, SYSLOG, at + 4300,
        "systemd[1]: Reached target multi-user.target - Multi-User System.");
    say(log, SYSLOG, at + 4900,
        "systemd[1]: Startup finished in 2.914s (kernel) + 5.630s (userspace) = 8.545s.");
}

static void say_cron(struct log *log, int64_t at, const char *command_z)
{
    int32_t pid = persona_pid_at(log->now->identity, at);
    say(log, AUTH, at,
        "CRON[%d]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)", pid);
    say(log, CRON, at + 3, "CRON[%d]: (root) CMD (%s)", pid + 1, command_z);
    say(log, AUTH, at + 9, "CRON[%d]: pam_unix(cron:session): session closed for user root", pid);
}

static void say_try(struct log *log, const struct persona_try *t)
{
    int32_t pid = persona_pid_at(log->now->identity, t->at_ms);
    const char *invalid_z = t->is_valid ? "" : "invalid user ";
    if (!t->is_valid)
        say(log, AUTH, t->at_ms, "sshd[%d]: Invalid user %s from %s port %u", pid, t->user_z,
            t->address_z, t->port);
    if (!t->is_valid)
        say(log, AUTH, t->at_ms + 6, "sshd[%d]: pam_unix(sshd:auth): check pass; user unknown",
            pid);
    say(log, AUTH, t->at_ms + 8,
        "sshd[%d]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh "
        "ruser= rhost=%s%s%s",
        pid, t->address_z, t->is_valid ? "  user=" : " ", t->is_valid ? t->user_z : "");
    say(log, AUTH, t->at_ms + 2241, "sshd[%d]: Failed password for %s%s from %s port %u ssh2", pid,
        invalid_z, t->user_z, t->address_z, t->port);
    if (t->port % 2 == 0)
        say(log, AUTH, t->at_ms + 3377,
            "sshd[%d]: Received disconnect from %s port %u:11: Bye Bye [preauth]", pid,
            t->address_z, t->port);
    say(log, AUTH, t->at_ms + 3379, "sshd[%d]: %s %s%s %s port %u [preauth]", pid,
        t->port % 2 == 0 ? "Disconnected from" : "Connection closed by",
        t->is_valid ? "authenticating user " : "invalid user ", t->user_z, t->address_z, t->port);
}

/* The lines of a login, and of what systemd starts for it. */
static void say_login(struct log *log, const struct persona_visit *v)
{
    int n = (int)v->user.len;
    const char *user = (const char *)v->user.data;
    int64_t at = v->at_ms;
    say(log, AUTH, at, "sshd[%d]: Accepted password for %.*s from %.*s port %u ssh2", v->sshd, n,
        user, (int)v->address.len, (const char *)v->address.data, v->port);
    say(log, AUTH, at + 14,
        "sshd[%d]: pam_unix(sshd:session): session opened for user %.*s(uid=%u) by (uid=0)",
        v->sshd, n, user, v->uid);
    say(log, AUTH, at + 31, "systemd-logind[%d]: New session %u of user %.*s.", LOGIND_PID,
        v->number, n, user);
    say(log, SYSLOG, at + 33, "systemd[1]: Created slice user-%u.slice - User Slice of UID %u.",
        v->uid, v->uid);
    say(log, SYSLOG, at + 36,
        "systemd[1]: Starting user-runtime-dir@%u.service - User Runtime Directory /run/user/%u...",
        v->uid, v->uid);
    say(log, SYSLOG, at + 49,
        "systemd[1]: Finished user-runtime-dir@%u.service - User Runtime Directory /run/user/%u.",
        v->uid, v->uid);
    say(log, SYSLOG, at + 52, "systemd[1]: Starting user@%u.service - User Manager for UID %u...",
        v->uid, v->uid);
    say(log, AUTH, at + 66,
        "(systemd): pam_unix(systemd-user:session): session opened for user %.*s(uid=%u) by "
        "(uid=0)",
        n, user, v->uid);
    say(log, SYSLOG, at + 141, "systemd[%d]: Queued start job for default target default.target.",
        v->manager);
    say(log, SYSLOG, at + 163, "systemd[%d]: Reached target default.target - Main User Target.",
        v->manager);
    say(log, SYSLOG, at + 164, "systemd[%d]: Startup finished in 97ms.", v->manager);
    say(log, SYSLOG, at + 165, "systemd[1]: Started user@%u.service - User Manager for UID %u.",
        v->uid, v->uid);
    say(log, SYSLOG, at + 168, "systemd[1]: Started session-%u.scope - Session %u of User %.*s.",
        v->number, v->number, n, user);
    say(log, AUTH, at + 171,
        "sshd[%d]: pam_env(sshd:session): deprecated reading of user environment enabled", v->sshd);
}

static void say_logout(struct log *log, const struct persona_visit *v, int64_t at)
{
    int n = (int)v->user.len;
    const char *user = (const char *)v->user.data;
    say(log, AUTH, at, "sshd[%d]: Received disconnect from %.*s port %u:11: disconnected by user",
        v->sshd, (int)v->address.len, (const char *)v->address.data, v->port);
    say(log, AUTH, at + 1, "sshd[%d]: Disconnected from user %.*s %.*s port %u", v->sshd, n, user,
        (int)v->address.len, (const char *)v->address.data, v->port);
    say(log, AUTH, at + 3, "sshd[%d]: pam_unix(sshd:session): session closed for user %.*s",
        v->sshd, n, user);
    say(log, AUTH, at + 12,
        "systemd-logind[%d]: Session %u logged out. Waiting for processes to exit.", LOGIND_PID,
        v->number);
    say(log, AUTH, at + 15, "systemd-logind[%d]: Removed session %u.", LOGIND_PID, v->number);
    say(log, SYSLOG, at + 14, "systemd[1]: session-%u.scope: Deactivated successfully.", v->number);
    say(log, SYSLOG, at + 10015,
        "systemd[1]: Stopping user@%u.service - User Manager for UID %u...", v->uid, v->uid);
    say(log, SYSLOG, at + 10093, "systemd[1]: Removed slice user-%u.slice - User Slice of UID %u.",
        v->uid, v->uid);
}

/* ---- An hour ---- */

enum event_kind { EVENT_CRON, EVENT_TRY, EVENT_LOGIN, EVENT_LOGOUT, EVENT_UNIT };

struct event {
    int64_t at_ms;
    enum event_kind kind;
    size_t index;
};

struct hour {
    struct event events[EVENTS_MAX];
    size_t count;
    struct persona_try tries[PERSONA_TRIES_MAX];
    struct persona_login logins[PERSONA_LOGINS_MAX];
};

static void note(struct hour *h, int64_t at_ms, enum event_kind kind, size_t index)
{
    if (h->count == EVENTS_MAX)
        return;
    size_t place = h->count++;
    for (; place > 0 && h->events[place - 1].at_ms > at_ms; place--)
        h->events[place] = h->events[place - 1];
    h->events[place] = (struct event){at_ms, kind, index};
}

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

static void say_unit(struct log *log, size_t index, int64_t at)
{
    const char *unit_z = timers[index].unit_z, *what_z = timers[index].what_z;
    say(log, SYSLOG, at, "systemd[1]: Starting %s - %s...", unit_z, what_z);
    say(log, SYSLOG, at + 1130, "systemd[1]: %s: Deactivated successfully.", unit_z);
    say(log, SYSLOG, at + 1131, "systemd[1]: Finished %s - %s.", unit_z, what_z);
}

static void gather(const struct log *log, int64_t hour, struct hour *h)
{
    const struct persona_identity *p = log->now->identity;
    struct persona_date d = persona_date_of(hour * HOUR_MS / SECOND_MS);
    int64_t shift = p->mac[4] * INT64_C(211) % SECOND_MS;
    h->count = 0;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        if ((jobs[i].hour < 0 || jobs[i].hour == (int)d.hour) &&
            (jobs[i].weekday < 0 || jobs[i].weekday == (int)d.weekday))
            note(h, hour * HOUR_MS + jobs[i].minute * MINUTE_MS + 1000 + shift, EVENT_CRON, i);
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        if (timers[i].hour == (int)d.hour &&
            (timers[i].weekday < 0 || timers[i].weekday == (int)d.weekday))
            note(h, hour * HOUR_MS + timers[i].minute * MINUTE_MS + shift + p->mac[5] * INT64_C(9),
                 EVENT_UNIT, i);
    size_t tries = persona_tries(p, hour, h->tries);
    for (size_t i = 0; i < tries; i++)
        note(h, h->tries[i].at_ms, EVENT_TRY, i);
    size_t logins = persona_logins(p, log->now->time_ms, h->logins);
    for (size_t i = 0; i < logins; i++) {
        if (h->logins[i].from_ms / HOUR_MS == hour)
            note(h, h->logins[i].from_ms, EVENT_LOGIN, i);
        if (h->logins[i].until_ms / HOUR_MS == hour)
            note(h, h->logins[i].until_ms, EVENT_LOGOUT, i);
    }
}

static struct persona_visit visit_of(const struct log *log, const struct persona_login *l,
                                     size_t index)
{
    const struct persona_identity *p = log->now->identity;
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

static void say_event(struct log *log, const struct hour *h, const struct event *e)
{
    switch (e->kind) {
    case EVENT_CRON: say_cron(log, e->at_ms, jobs[e->index].command_z); break;
    case EVENT_UNIT: say_unit(log, e->index, e->at_ms); break;
    case EVENT_TRY: say_try(log, &h->tries[e->index]); break;
    case EVENT_LOGIN:
    case EVENT_LOGOUT: {
        struct persona_visit v = visit_of(log, &h->logins[e->index], e->index);
        if (e->kind == EVENT_LOGIN)
            say_login(log, &v);
        else
            say_logout(log, &v, e->at_ms);
        break;
    }
    }
}

int persona_log_write(enum persona_record record, const struct persona_now *now, int64_t from_ms,
                      struct buffer *out, int64_t *written_ms)
{
    struct log log = {record, now, from_ms, out, written_ms, 0};
    struct hour hour;
    int64_t boot_ms = now->identity->boot_ms;
    *written_ms = from_ms;
    say_boot(&log);
    int64_t first = from_ms / HOUR_MS, last = now->time_ms / HOUR_MS;
    for (int64_t h = first; h <= last && log.error == 0; h++) {
        gather(&log, h, &hour);
        for (size_t i = 0; i < hour.count; i++)
            if (hour.events[i].at_ms > boot_ms + MINUTE_MS)
                say_event(&log, &hour, &hour.events[i]);
    }
    if (now->visit.user.len > 0)
        say_login(&log, &now->visit);
    return log.error;
}
