/* The machine's journal: which files there are, and what fields a line has (systemd.journal-fields(7)). */
#include "persona/journal.h"

#include "base/error.h"
#include "persona/date.h"
#include "persona/story.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static const int64_t SECOND_US = 1000000, DAY_MS = 86400000, US_PER_MS = 1000;

enum {
    DAYS_LEAST = 5,
    DAYS_RANGE = 3,
    SEQNUMS_LEAST = 4600, /* between two files: more than what is said in so many days */
    SEQNUMS_RANGE = 900,
    FIELDS_BYTES_MAX = 8192,
    ID_TEXT = 2 * JOURNAL_ID_BYTES + 1,
    UNIT_MAX = 64,
};

/* ---- Numbers of its own ---- */

/* A version 4 UUID that follows from the seed and a word. */
static void draw_id(const struct persona_identity *p, const char *what_z, struct span more,
                    uint8_t id[JOURNAL_ID_BYTES])
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, p->seed, sizeof(p->seed), JOURNAL_ID_BYTES);
    (void)crypto_generichash_update(&state, (const uint8_t *)what_z, strlen(what_z) + 1);
    (void)crypto_generichash_update(&state, more.data, more.len);
    (void)crypto_generichash_final(&state, id, JOURNAL_ID_BYTES);
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

static void id_text(const uint8_t id[JOURNAL_ID_BYTES], char out_z[ID_TEXT])
{
    for (size_t i = 0; i < JOURNAL_ID_BYTES; i++)
        (void)snprintf(out_z + 2 * i, 3, "%02x", id[i]);
}

/* Hex digits, with dashes between. */
static void id_of_text(const char *text_z, uint8_t id[JOURNAL_ID_BYTES])
{
    size_t n = 0;
    memset(id, 0, JOURNAL_ID_BYTES);
    for (; *text_z != '\0' && n < (size_t)2 * JOURNAL_ID_BYTES; text_z++) {
        int digit = *text_z <= '9' ? *text_z - '0' : *text_z - 'a' + 10;
        if (*text_z == '-')
            continue;
        id[n / 2] = (uint8_t)(id[n / 2] << 4 | (digit & 15));
        n++;
    }
}

void persona_invocation(const struct persona_identity *p, struct span unit,
                        char out_z[PERSONA_UUID_SIZE])
{
    uint8_t id[JOURNAL_ID_BYTES];
    draw_id(p, "invocation", unit, id);
    id_text(id, out_z);
}

static void ids_of(const struct persona_identity *p, uint32_t window, struct journal_ids *ids)
{
    draw_id(p, "journal", span_of(&window, sizeof(window)), ids->file);
    draw_id(p, "seqnum", span_of(NULL, 0), ids->seqnum);
    id_of_text(p->machine_id_z, ids->machine);
    id_of_text(p->boot_id_z, ids->boot);
}

/* ---- Which files ---- */

void persona_journal_days(const struct persona_identity *p, unsigned *written, unsigned *kept)
{
    *written = DAYS_LEAST + p->seed[5] % DAYS_RANGE;
    *kept = *written + 2 + p->seed[6] % 2;
}

static int64_t window_ms(const struct persona_identity *p)
{
    unsigned written, kept;
    persona_journal_days(p, &written, &kept);
    return written * DAY_MS;
}

static uint32_t window_at(const struct persona_identity *p, int64_t time_ms)
{
    return time_ms > p->boot_ms ? (uint32_t)((time_ms - p->boot_ms) / window_ms(p)) : 0;
}

static uint64_t first_seqnum(const struct persona_identity *p, uint32_t window)
{
    return 1 + window * (uint64_t)(SEQNUMS_LEAST + (p->seed[7] * 256 + p->seed[8]) % SEQNUMS_RANGE);
}

bool persona_journal_is_there(uint32_t age, const struct persona_now *now)
{
    return age == 0 || window_at(now->identity, now->time_ms) == age;
}

/* Stops at the first line. */
static int first_line(void *ctx, const struct persona_line *line)
{
    int64_t *at_us = ctx;
    *at_us = line->at_us;
    return ERR_FULL;
}

void persona_journal_name(const struct persona_identity *p, uint32_t age,
                          char out_z[JOURNAL_NAME_MAX])
{
    char seqnum_z[ID_TEXT];
    uint8_t seqnum[JOURNAL_ID_BYTES];
    if (age == 0) {
        (void)snprintf(out_z, JOURNAL_NAME_MAX, "system.journal");
        return;
    }
    int64_t from_ms = p->boot_ms + (age - 1) * window_ms(p), at_us = from_ms * US_PER_MS;
    const struct persona_now then = {.identity = p, .time_ms = from_ms + DAY_MS};
    (void)story_tell(&then, STORY_ALL, from_ms * US_PER_MS, then.time_ms * US_PER_MS, first_line,
                     &at_us);
    draw_id(p, "seqnum", span_of(NULL, 0), seqnum);
    id_text(seqnum, seqnum_z);
    (void)snprintf(out_z, JOURNAL_NAME_MAX, "system@%s-%016llx-%016llx.journal", seqnum_z,
                   (unsigned long long)first_seqnum(p, age - 1), (unsigned long long)at_us);
}

/* ---- The fields of a line ---- */

struct filler {
    const struct persona_now *now;
    struct journal *journal;
    uint64_t seqnum;
    int64_t written_us;
    char boot_z[ID_TEXT];
    uint8_t room[FIELDS_BYTES_MAX]; /* of one entry's fields */
    size_t used, count;
    struct span fields[JOURNAL_FIELDS_MAX];
};

__attribute__((format(printf, 2, 3))) static void put(struct filler *f, const char *format_z, ...)
{
    size_t room = sizeof(f->room) - f->used;
    va_list args;
    if (f->count == JOURNAL_FIELDS_MAX)
        return;
    va_start(args, format_z);
    int n = vsnprintf((char *)f->room + f->used, room, format_z, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        return;
    f->fields[f->count++] = span_of(f->room + f->used, (size_t)n);
    f->used += (size_t)n;
}

static void put_text(struct filler *f, const char *name_z, struct span value)
{
    if (value.len > 0)
        put(f, "%s=%.*s", name_z, (int)value.len, (const char *)value.data);
}

/* What journald itself knows of whoever sent the line. */
static void put_process(struct filler *f, const struct persona_line *line)
{
    char invocation_z[PERSONA_UUID_SIZE];
    put(f, "_PID=%d", line->pid);
    put(f, "_UID=%u", line->uid);
    put(f, "_GID=%u", line->gid);
    put_text(f, "_COMM", line->comm);
    put_text(f, "_EXE", line->exe);
    put_text(f, "_CMDLINE", line->args);
    put(f, "_CAP_EFFECTIVE=%s", line->uid == 0 ? "1ffffffffff" : "0");
    put(f, "_SELINUX_CONTEXT=unconfined\n");
    struct span unit = line->unit;
    char session_z[UNIT_MAX];
    if (line->session != 0) {
        (void)snprintf(session_z, sizeof(session_z), "session-%u.scope", line->session);
        unit = span_z(session_z);
        put(f, "_AUDIT_SESSION=%u", line->session);
        put(f, "_AUDIT_LOGINUID=%u", line->owner);
        put(f, "_SYSTEMD_SESSION=%u", line->session);
    }
    if (unit.len == 0)
        return;
    persona_invocation(f->now->identity, unit, invocation_z);
    put_text(f, "_SYSTEMD_UNIT", unit);
    put(f, "_SYSTEMD_INVOCATION_ID=%s", invocation_z);
    int n = (int)unit.len;
    const char *name = (const char *)unit.data;
    bool is_manager = span_starts_with(unit, span_z("user@"));
    if (span_equal_z(unit, "init.scope")) {
        put(f, "_SYSTEMD_CGROUP=/init.scope");
        put(f, "_SYSTEMD_SLICE=-.slice");
    } else if (line->session != 0 || is_manager) {
        put(f, "_SYSTEMD_CGROUP=/user.slice/user-%u.slice/%.*s%s", line->owner, n, name,
            is_manager ? "/init.scope" : "");
        put(f, "_SYSTEMD_SLICE=user-%u.slice", line->owner);
        put(f, "_SYSTEMD_OWNER_UID=%u", line->owner);
        put(f, "_SYSTEMD_USER_SLICE=-.slice");
    } else {
        put(f, "_SYSTEMD_CGROUP=/system.slice/%.*s", n, name);
        put(f, "_SYSTEMD_SLICE=system.slice");
    }
}

static void put_sender(struct filler *f, const struct persona_line *line)
{
    struct persona_date d = persona_date_of(line->at_us / SECOND_US);
    bool is_users = span_starts_with(line->unit, span_z("user@"));
    switch (line->way) {
    case PERSONA_BY_KERNEL:
        put(f, "_TRANSPORT=kernel");
        put(f, "_SOURCE_MONOTONIC_TIMESTAMP=%lld", (long long)line->monotonic_us);
        return;
    case PERSONA_BY_SYSLOG:
        put(f, "_TRANSPORT=syslog");
        put(f, "SYSLOG_TIMESTAMP=%s %2u %02u:%02u:%02u ", persona_months[d.month - 1], d.day,
            d.hour, d.minute, d.second);
        if (line->tag_pid != 0)
            put(f, "SYSLOG_PID=%d", line->tag_pid);
        break;
    case PERSONA_BY_JOURNAL:
        put(f, "_TRANSPORT=journal");
        put(f, "TID=%d", line->pid);
        put_text(f, "MESSAGE_ID", line->message_id);
        put_text(f, is_users ? "USER_UNIT" : "UNIT", line->object);
        break;
    case PERSONA_BY_STDOUT: put(f, "_TRANSPORT=stdout"); break;
    }
    if (line->way != PERSONA_BY_STDOUT)
        put(f, "_SOURCE_REALTIME_TIMESTAMP=%lld", (long long)(line->at_us - line->pid % 40 - 12));
    put_process(f, line);
}

static int add_line(void *ctx, const struct persona_line *line)
{
    struct filler *f = ctx;
    const struct persona_identity *p = f->now->identity;
    f->used = f->count = 0;
    put_text(f, "MESSAGE", line->text);
    put(f, "PRIORITY=%u", line->priority);
    put(f, "SYSLOG_FACILITY=%u", line->facility);
    put_text(f, "SYSLOG_IDENTIFIER", line->tag);
    put(f, "_BOOT_ID=%s", f->boot_z);
    put(f, "_MACHINE_ID=%s", p->machine_id_z);
    put(f, "_HOSTNAME=%s", p->hostname_z);
    put(f, "_RUNTIME_SCOPE=system");
    put_sender(f, line);
    const struct journal_entry entry = {.seqnum = f->seqnum++,
                                        .realtime_us = line->at_us,
                                        .monotonic_us = line->at_us - p->boot_ms * US_PER_MS,
                                        .fields = f->fields,
                                        .count = f->count};
    f->written_us = line->at_us;
    return journal_add(f->journal, &entry);
}

int persona_journal_write(uint32_t age, const struct persona_now *now, struct buffer *out,
                          int64_t *written_ms)
{
    const struct persona_identity *p = now->identity;
    uint32_t window = age == 0 ? window_at(p, now->time_ms) : age - 1;
    int64_t from_us = (p->boot_ms + window * window_ms(p)) * US_PER_MS;
    struct journal_ids ids;
    ids_of(p, window, &ids);
    struct filler f = {.now = now,
                       .journal = journal_new(&ids),
                       .seqnum = first_seqnum(p, window),
                       .written_us = from_us};
    id_text(ids.boot, f.boot_z);
    int rc = f.journal == NULL ? ERR_NOMEM
                               : story_tell(now, STORY_ALL, from_us,
                                            from_us + window_ms(p) * US_PER_MS, add_line, &f);
    if (rc == 0)
        rc = journal_finish(f.journal, age != 0, out);
    journal_free(f.journal);
    *written_ms = f.written_us / US_PER_MS;
    return rc;
}
