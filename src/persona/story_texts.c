/* What the programs of an idle machine say to the system's log. */
#include "persona/boot_log.h"
#include "persona/story.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int64_t US_PER_MS = 1000;

enum {
    TEXT_MAX = 512,
    ARGS_MAX = 64,
    CMDLINE_MAX = 128,
    JOURNALD_PID = 200, /* of kernel/services.def */
    TIMESYNCD_PID = 234,
    CRON_PID = 349,
    DBUS_PID = 354,
    RSYSLOGD_PID = 359,
    LOGIND_PID = 362,
    SSHD_PID = 393,
    TIMESYNC_ID = 997,
    HEARD_MS = 320, /* after systemd: when somebody listens to the kernel */
};

static const struct {
    const char *tag_z, *comm_z, *exe_z, *args_z, *unit_z;
    enum persona_way way;
    uint8_t facility;
    bool is_numbered; /* the number of its process stands behind its name */
    uint32_t id;
} actors[ACTORS] = {
    [ACTOR_MANAGER] = {"systemd", "systemd", "/usr/lib/systemd/systemd", "/sbin/init", "init.scope",
                       PERSONA_BY_JOURNAL, STORY_DAEMON, true, 0},
    [ACTOR_USER_MANAGER] = {"systemd", "systemd", "/usr/lib/systemd/systemd",
                            "/lib/systemd/systemd --user", "user@.service", PERSONA_BY_JOURNAL,
                            STORY_DAEMON, true, 0},
    [ACTOR_JOURNALD] = {"systemd-journald", "systemd-journal", "/usr/lib/systemd/systemd-journald",
                        "/lib/systemd/systemd-journald", "systemd-journald.service",
                        PERSONA_BY_JOURNAL, STORY_SYSLOG, true, 0},
    [ACTOR_TIMESYNCD] = {"systemd-timesyncd", "systemd-timesyn",
                         "/usr/lib/systemd/systemd-timesyncd", "/lib/systemd/systemd-timesyncd",
                         "systemd-timesyncd.service", PERSONA_BY_JOURNAL, STORY_DAEMON, true,
                         TIMESYNC_ID},
    [ACTOR_RSYSLOGD] = {"rsyslogd", "rsyslogd", "/usr/sbin/rsyslogd",
                        "/usr/sbin/rsyslogd -n -iNONE", "rsyslog.service", PERSONA_BY_SYSLOG,
                        STORY_SYSLOG, false, 0},
    [ACTOR_LOGIND] = {"systemd-logind", "systemd-logind", "/usr/lib/systemd/systemd-logind",
                      "/lib/systemd/systemd-logind", "systemd-logind.service", PERSONA_BY_JOURNAL,
                      STORY_AUTH, true, 0},
    [ACTOR_CRON] = {"cron", "cron", "/usr/sbin/cron", "/usr/sbin/cron -f", "cron.service",
                    PERSONA_BY_SYSLOG, STORY_CRON, true, 0},
    [ACTOR_CRON_JOB] = {"CRON", "cron", "/usr/sbin/cron", "/usr/sbin/CRON -f", "cron.service",
                        PERSONA_BY_SYSLOG, STORY_CRON, true, 0},
    [ACTOR_CRON_PAM] = {"CRON", "cron", "/usr/sbin/cron", "/usr/sbin/CRON -f", "cron.service",
                        PERSONA_BY_SYSLOG, STORY_AUTHPRIV, true, 0},
    [ACTOR_LISTENER] = {"sshd", "sshd", "/usr/sbin/sshd",
                        "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", "ssh.service",
                        PERSONA_BY_SYSLOG, STORY_AUTH, true, 0},
    [ACTOR_SSHD] = {"sshd", "sshd", "/usr/sbin/sshd", "sshd: [accepted]", "ssh.service",
                    PERSONA_BY_SYSLOG, STORY_AUTH, true, 0},
    [ACTOR_SSHD_PAM] = {"sshd", "sshd", "/usr/sbin/sshd", "sshd: [accepted]", "ssh.service",
                        PERSONA_BY_SYSLOG, STORY_AUTHPRIV, true, 0},
    [ACTOR_LOGIN_PAM] = {"(systemd)", "(systemd)", "/usr/lib/systemd/systemd", "(systemd)",
                         "user@.service", PERSONA_BY_SYSLOG, STORY_AUTHPRIV, false, 0},
};

/* Of systemd's own lines: what they are about, by how they begin or end (sd-messages.h). */
static const struct {
    const char *start_z, *end_z, *id_z;
} messages[] = {
    {"Starting ", "", "7d4958e842da4a758f6c1cdc7b36dcc5"},
    {"Started ", "", "39f53479d3a045ac8e11786248231fbf"},
    {"Finished ", "", "39f53479d3a045ac8e11786248231fbf"},
    {"Reached target ", "", "39f53479d3a045ac8e11786248231fbf"},
    {"Created slice ", "", "39f53479d3a045ac8e11786248231fbf"},
    {"Stopping ", "", "de5b426a63be47a7b6ac3eaac82e2f6f"},
    {"Stopped ", "", "9d1aaa27d60140bd96365438aad20286"},
    {"Removed slice ", "", "9d1aaa27d60140bd96365438aad20286"},
    {"", ": Deactivated successfully.", "7ad2d189f7e94e70a38c781354912448"},
    {"Failed to start ", "", "be02cf6855d2428ba40df7e9d022f03d"},
    {"Reloading ", "", "d34d037fff1847e6ae669a370e694725"},
    {"Reloaded ", "", "7b05ebc668384222baa8881179cfda54"},
};

/* The same of what stands behind the unit's name, by how that begins. */
static const struct {
    const char *what_z, *id_z;
} told[] = {
    {"Main process exited", "98e322203f7a4ed290d09fe03c09fe15"},
    {"Control process exited", "98e322203f7a4ed290d09fe03c09fe15"},
    {"Failed with result", "d9b373ed55a64feb8242e02dbe79a49c"},
    {"Scheduled restart job", "5eb03494b6584870a536b337290809b3"},
    {"Start request repeated", ""},
    {"State 'stop-sigterm'", ""},
    {"Failed to locate", "641257651c1b4ec9a8624d7a40a9e1e7"},
    {"Failed to execute", "641257651c1b4ec9a8624d7a40a9e1e7"},
    {"Failed to determine", ""},
    {"Failed at step", "641257651c1b4ec9a8624d7a40a9e1e7"},
    {"Changing to the requested", ""},
};

static bool ends_with(struct span text, const char *end_z)
{
    struct span end = span_z(end_z);
    return text.len >= end.len && span_equal(span_slice(text, text.len - end.len, text.len), end);
}

/* Sets the unit that a line of systemd's tells of. */
static void set_object(struct persona_line *line)
{
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        struct span start = span_z(messages[i].start_z), end = span_z(messages[i].end_z);
        if (!span_starts_with(line->text, start) || !ends_with(line->text, messages[i].end_z))
            continue;
        ptrdiff_t blank = span_find(line->text, ' ', start.len);
        size_t until = blank < 0 ? line->text.len : (size_t)blank;
        line->object = end.len > 0 ? span_slice(line->text, 0, line->text.len - end.len)
                                   : span_slice(line->text, start.len, until);
        line->message_id = span_z(messages[i].id_z);
        return;
    }
    ptrdiff_t colon = line->text.len > 0 ? span_find(line->text, ':', 0) : -1;
    for (size_t i = 0; i < ARRAY_LEN(told) && colon > 0; i++) {
        if (!span_starts_with(span_slice(line->text, (size_t)colon + 2, line->text.len),
                              span_z(told[i].what_z)))
            continue;
        line->object = span_slice(line->text, 0, (size_t)colon);
        line->message_id = span_z(told[i].id_z);
    }
}

void persona_line_of_manager(struct persona_line *line)
{
    line->way = actors[ACTOR_MANAGER].way;
    line->facility = STORY_DAEMON;
    line->priority = STORY_INFO;
    line->pid = line->tag_pid = 1;
    line->tag = line->comm = span_z(actors[ACTOR_MANAGER].tag_z);
    line->exe = span_z(actors[ACTOR_MANAGER].exe_z);
    line->args = span_z(actors[ACTOR_MANAGER].args_z);
    line->unit = span_z(actors[ACTOR_MANAGER].unit_z);
    set_object(line);
}

/* Whose process says something, besides what the table tells. */
struct voice {
    enum story_actor actor;
    int32_t pid;
    uint8_t priority;
    const struct persona_visit *visit; /* whose login it is; or NULL */
    bool is_in_session;                /* of the login: in its scope already */
};

__attribute__((format(printf, 4, 5))) static void say(struct story *story, struct voice voice,
                                                      int64_t at_ms, const char *format_z, ...)
{
    char text_z[TEXT_MAX], args_z[ARGS_MAX], unit_z[ARGS_MAX];
    const struct persona_visit *v = voice.visit;
    if (!story_wants(story, actors[voice.actor].facility, at_ms * US_PER_MS))
        return;
    struct persona_line line = {.way = actors[voice.actor].way,
                                .facility = actors[voice.actor].facility,
                                .priority = voice.priority,
                                .pid = voice.pid,
                                .uid = actors[voice.actor].id,
                                .gid = actors[voice.actor].id,
                                .tag = span_z(actors[voice.actor].tag_z),
                                .comm = span_z(actors[voice.actor].comm_z),
                                .exe = span_z(actors[voice.actor].exe_z),
                                .args = span_z(actors[voice.actor].args_z),
                                .unit = span_z(actors[voice.actor].unit_z)};
    va_list args;
    va_start(args, format_z);
    (void)vsnprintf(text_z, sizeof(text_z), format_z, args);
    va_end(args);
    line.text = span_z(text_z);
    line.tag_pid = actors[voice.actor].is_numbered ? voice.pid : 0;
    /* A text's own length and the time make the microseconds: the same whenever it is written. */
    unsigned micros = (unsigned)(at_ms * 7919 + (int64_t)strlen(text_z) * 104729) % 1000;
    line.at_us = at_ms * US_PER_MS + micros;
    if (v != NULL && (voice.actor == ACTOR_SSHD || voice.actor == ACTOR_SSHD_PAM)) {
        (void)snprintf(args_z, sizeof(args_z), "sshd: %.*s [priv]", (int)v->user.len,
                       (const char *)v->user.data);
        line.args = span_z(args_z);
    }
    if (v != NULL && (voice.actor == ACTOR_USER_MANAGER || voice.actor == ACTOR_LOGIN_PAM)) {
        (void)snprintf(unit_z, sizeof(unit_z), "user@%u.service", v->uid);
        line.unit = span_z(unit_z);
        line.uid = line.gid = voice.actor == ACTOR_USER_MANAGER ? v->uid : 0;
        line.owner = v->uid;
    }
    if (v != NULL && voice.is_in_session) {
        line.session = v->number;
        line.owner = v->uid;
    }
    if (voice.actor == ACTOR_MANAGER || voice.actor == ACTOR_USER_MANAGER)
        set_object(&line);
    story_add(story, &line);
}

static const struct voice manager = {ACTOR_MANAGER, 1, STORY_INFO, NULL, false};
static const struct voice logind = {ACTOR_LOGIND, LOGIND_PID, STORY_INFO, NULL, false};

/* ---- The boot ---- */

/* When one of services.def began. */
static int64_t began(const struct story *story, int32_t pid)
{
    const struct persona_identity *p = story->now->identity;
    return p->boot_ms + persona_process_us(p, pid) / US_PER_MS;
}

static struct persona_boot boot_of(const struct persona_identity *p, const char *cmdline_z)
{
    static const char version[] =
        "Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian "
        "12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP "
        "PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)";
    enum { BOOT_KIB = 37940 }; /* kernel/hardware.h */
    uint64_t memory_kib = (uint64_t)p->memory_mib * 1024;
    return (struct persona_boot){.version = span_z(version),
                                 .cmdline = span_z(cmdline_z),
                                 .hostname = span_z(p->hostname_z),
                                 .cpu = span_z(p->cpu->name_z),
                                 .cpu_mhz = span_z(p->cpu_mhz_z),
                                 .bogomips = span_z(p->bogomips_z),
                                 .cpu_bugs_z = p->cpu->bugs_z,
                                 .cpus = p->cpus,
                                 .family = p->cpu->family,
                                 .model = p->cpu->model,
                                 .stepping = p->cpu->stepping,
                                 .is_amd = strcmp(p->cpu->vendor_z, "AuthenticAMD") == 0,
                                 .memory_kib = memory_kib,
                                 .available_kib = memory_kib - p->memory_reserved_kib - BOOT_KIB,
                                 .disk_gib = p->disk_gib,
                                 .boot_s = p->boot_ms / 1000,
                                 .number = (uint32_t)p->seed[0] << 8 | p->seed[1]};
}

/* What the kernel has said before anybody heard it comes at once, then, line by line. */
static void say_kernels_boot(struct story *story, int64_t heard_ms)
{
    enum { EACH_US = 6 };
    const struct persona_identity *p = story->now->identity;
    char cmdline_z[CMDLINE_MAX];
    struct buffer text;
    (void)snprintf(cmdline_z, sizeof(cmdline_z),
                   "BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-amd64 root=UUID=%s ro quiet", p->root_uuid_z);
    const struct persona_boot boot = boot_of(p, cmdline_z);
    int64_t at_us = heard_ms * US_PER_MS;
    if (!story_wants(story, STORY_KERN, at_us))
        return;
    buffer_init(&text, PERSONA_BOOT_TEXT_MAX);
    for (size_t n = 0; n < persona_boot_lines() && story->error == 0; n++) {
        struct persona_boot_line said;
        buffer_clear(&text);
        int rc = persona_boot_line(&boot, n, &said, &text);
        int64_t up_us = p->boot_ms * US_PER_MS + (int64_t)said.time_us;
        at_us = up_us > at_us + EACH_US ? up_us : at_us + EACH_US;
        const struct persona_line line = {.at_us = at_us,
                                          .way = PERSONA_BY_KERNEL,
                                          .facility = STORY_KERN,
                                          .priority = (uint8_t)said.level,
                                          .monotonic_us = (int64_t)said.time_us,
                                          .tag = SPAN_LIT("kernel"),
                                          .text = buffer_span(&text)};
        if (rc > 0)
            story_add(story, &line);
        if (rc < 0)
            story->error = rc;
    }
    buffer_fini(&text);
}

void story_say_boot(struct story *story)
{
    static const struct voice journald = {ACTOR_JOURNALD, JOURNALD_PID, STORY_INFO, NULL, false};
    static const struct voice cron = {ACTOR_CRON, CRON_PID, STORY_INFO, NULL, false};
    static const struct voice sshd = {ACTOR_LISTENER, SSHD_PID, STORY_INFO, NULL, false};
    static const struct voice rsyslogd = {ACTOR_RSYSLOGD, RSYSLOGD_PID, STORY_INFO, NULL, false};
    const struct persona_identity *p = story->now->identity;
    int64_t kernel_us, all_us, boot = p->boot_ms;
    persona_startup(p, &kernel_us, &all_us);
    int kernel = (int)(kernel_us / 1000), all = (int)(all_us / 1000),
        rest = (int)((all_us - kernel_us) / 1000);
    say_kernels_boot(story, boot + kernel + HEARD_MS);
    say(story, journald, boot + kernel + HEARD_MS + 4, "Journal started");
    say(story, manager, boot + kernel + HEARD_MS + 6,
        "Finished systemd-random-seed.service - Load/Save Random Seed.");
    say(story, manager, began(story, TIMESYNCD_PID),
        "Started systemd-timesyncd.service - Network Time Synchronization.");
    say(story, manager, began(story, CRON_PID),
        "Started cron.service - Regular background program processing daemon.");
    say(story, cron, began(story, CRON_PID) + 10, "(CRON) INFO (pidfile fd = 3)");
    say(story, cron, began(story, CRON_PID) + 12, "(CRON) INFO (Running @reboot jobs)");
    say(story, manager, began(story, DBUS_PID), "Started dbus.service - D-Bus System Message Bus.");
    say(story, manager, began(story, RSYSLOGD_PID),
        "Started rsyslog.service - System Logging Service.");
    say(story, rsyslogd, began(story, RSYSLOGD_PID) + 1,
        "[origin software=\"rsyslogd\" swVersion=\"8.2302.0\" x-pid=\"%d\" "
        "x-info=\"https://www.rsyslog.com\"] start",
        RSYSLOGD_PID);
    say(story, logind, began(story, LOGIND_PID) + 90, "New seat seat0.");
    say(story, logind, began(story, LOGIND_PID) + 190,
        "Watching system buttons on /dev/input/event0 (Power Button)");
    say(story, manager, began(story, LOGIND_PID) + 201,
        "Started systemd-logind.service - User Login Management.");
    say(story, manager, began(story, SSHD_PID) - 20,
        "Starting ssh.service - OpenBSD Secure Shell server...");
    say(story, sshd, began(story, SSHD_PID) + 40, "Server listening on 0.0.0.0 port 22.");
    say(story, sshd, began(story, SSHD_PID) + 41, "Server listening on :: port 22.");
    say(story, manager, began(story, SSHD_PID) + 60,
        "Started ssh.service - OpenBSD Secure Shell server.");
    say(story, manager, boot + all - 20, "Reached target multi-user.target - Multi-User System.");
    say(story, manager, boot + all,
        "Startup finished in %d.%03ds (kernel) + %d.%03ds (userspace) = %d.%03ds.", kernel / 1000,
        kernel % 1000, rest / 1000, rest % 1000, all / 1000, all % 1000);
}

/* ---- What goes on ---- */

void story_say_cron(struct story *story, int64_t at, const char *command_z)
{
    int32_t pid = persona_pid_at(story->now->identity, at);
    const struct voice pam = {ACTOR_CRON_PAM, pid, STORY_INFO, NULL, false};
    const struct voice job = {ACTOR_CRON_JOB, pid + 1, STORY_INFO, NULL, false};
    say(story, pam, at, "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)");
    say(story, job, at + 3, "(root) CMD (%s)", command_z);
    say(story, pam, at + 9, "pam_unix(cron:session): session closed for user root");
}

void story_say_unit(struct story *story, const char *unit_z, const char *what_z, int64_t at)
{
    say(story, manager, at, "Starting %s - %s...", unit_z, what_z);
    say(story, manager, at + 1130, "%s: Deactivated successfully.", unit_z);
    say(story, manager, at + 1131, "Finished %s - %s.", unit_z, what_z);
}

void story_say_try(struct story *story, const struct persona_try *t)
{
    int32_t pid = persona_pid_at(story->now->identity, t->at_ms);
    const struct voice sshd = {ACTOR_SSHD, pid, STORY_INFO, NULL, false};
    const struct voice pam = {ACTOR_SSHD_PAM, pid, STORY_NOTICE, NULL, false};
    const char *invalid_z = t->is_valid ? "" : "invalid user ";
    if (!t->is_valid) {
        say(story, sshd, t->at_ms, "Invalid user %s from %s port %u", t->user_z, t->address_z,
            t->port);
        say(story, pam, t->at_ms + 6, "pam_unix(sshd:auth): check pass; user unknown");
    }
    say(story, pam, t->at_ms + 8,
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
        "rhost=%s%s%s",
        t->address_z, t->is_valid ? "  user=" : " ", t->is_valid ? t->user_z : "");
    say(story, sshd, t->at_ms + 2241, "Failed password for %s%s from %s port %u ssh2", invalid_z,
        t->user_z, t->address_z, t->port);
    if (t->port % 2 == 0)
        say(story, sshd, t->at_ms + 3377,
            "Received disconnect from %s port %u:11: Bye Bye [preauth]", t->address_z, t->port);
    say(story, sshd, t->at_ms + 3379, "%s %s%s %s port %u [preauth]",
        t->port % 2 == 0 ? "Disconnected from" : "Connection closed by",
        t->is_valid ? "authenticating user " : "invalid user ", t->user_z, t->address_z, t->port);
}

/* What systemd starts for the first login of a user. */
static void say_manager(struct story *story, const struct persona_visit *v, int64_t at)
{
    int n = (int)v->user.len;
    const char *user = (const char *)v->user.data;
    const struct voice users = {ACTOR_USER_MANAGER, v->manager, STORY_INFO, v, false};
    const struct voice users_pam = {ACTOR_LOGIN_PAM, v->manager, STORY_INFO, v, false};
    say(story, manager, at + 33, "Created slice user-%u.slice - User Slice of UID %u.", v->uid,
        v->uid);
    say(story, manager, at + 36,
        "Starting user-runtime-dir@%u.service - User Runtime Directory /run/user/%u...", v->uid,
        v->uid);
    say(story, manager, at + 49,
        "Finished user-runtime-dir@%u.service - User Runtime Directory /run/user/%u.", v->uid,
        v->uid);
    say(story, manager, at + 52, "Starting user@%u.service - User Manager for UID %u...", v->uid,
        v->uid);
    say(story, users_pam, at + 66,
        "pam_unix(systemd-user:session): session opened for user %.*s(uid=%u) by (uid=0)", n, user,
        v->uid);
    say(story, users, at + 141, "Queued start job for default target default.target.");
    say(story, users, at + 163, "Reached target default.target - Main User Target.");
    say(story, users, at + 164, "Startup finished in 97ms.");
    say(story, manager, at + 165, "Started user@%u.service - User Manager for UID %u.", v->uid,
        v->uid);
}

/* The lines of a login, and of what systemd starts for it. */
void story_say_login(struct story *story, const struct persona_visit *v)
{
    int n = (int)v->user.len;
    const char *user = (const char *)v->user.data;
    int64_t at = v->at_ms;
    struct voice sshd = {ACTOR_SSHD, v->sshd, STORY_INFO, v, false};
    struct voice pam = {ACTOR_SSHD_PAM, v->sshd, STORY_INFO, v, false};
    say(story, sshd, at, "Accepted password for %.*s from %.*s port %u ssh2", n, user,
        (int)v->address.len, (const char *)v->address.data, v->port);
    say(story, pam, at + 14,
        "pam_unix(sshd:session): session opened for user %.*s(uid=%u) by (uid=0)", n, user, v->uid);
    say(story, logind, at + 31, "New session %u of user %.*s.", v->number, n, user);
    if (v->manager != 0)
        say_manager(story, v, at);
    say(story, manager, at + 168, "Started session-%u.scope - Session %u of User %.*s.", v->number,
        v->number, n, user);
    sshd.is_in_session = true;
    say(story, sshd, at + 171,
        "pam_env(sshd:session): deprecated reading of user environment enabled");
}

void story_say_logout(struct story *story, const struct persona_visit *v, int64_t at)
{
    int n = (int)v->user.len;
    const char *user = (const char *)v->user.data;
    const struct voice sshd = {ACTOR_SSHD, v->sshd, STORY_INFO, v, true};
    const struct voice pam = {ACTOR_SSHD_PAM, v->sshd, STORY_INFO, v, true};
    say(story, sshd, at, "Received disconnect from %.*s port %u:11: disconnected by user",
        (int)v->address.len, (const char *)v->address.data, v->port);
    say(story, sshd, at + 1, "Disconnected from user %.*s %.*s port %u", n, user,
        (int)v->address.len, (const char *)v->address.data, v->port);
    say(story, pam, at + 3, "pam_unix(sshd:session): session closed for user %.*s", n, user);
    say(story, logind, at + 12, "Session %u logged out. Waiting for processes to exit.", v->number);
    say(story, manager, at + 14, "session-%u.scope: Deactivated successfully.", v->number);
    say(story, logind, at + 15, "Removed session %u.", v->number);
    if (v->manager == 0)
        return; /* others of his are there */
    say(story, manager, at + 10015, "Stopping user@%u.service - User Manager for UID %u...", v->uid,
        v->uid);
    say(story, manager, at + 10093, "Removed slice user-%u.slice - User Slice of UID %u.", v->uid,
        v->uid);
}
