/* utmp(5), wtmp, btmp and lastlog: who is there, who was, who tried. Little-endian, of x86-64. */
#include "persona/past.h"

#include <stdio.h>
#include <string.h>

static const int64_t SECOND_MS = 1000, HOUR_MS = 3600000;

enum {
    RUN_LVL = 1,
    BOOT_TIME = 2,
    LOGIN_PROCESS = 6,
    USER_PROCESS = 7,
    DEAD_PROCESS = 8,
    UTMP_BYTES = 384,
    LASTLOG_BYTES = 292,
    AGETTY_PID = 388, /* of kernel/services.def */
    RUN_LEVEL_5 = '5',
};

/* The fields of struct utmp that are used. */
struct entry {
    int type;
    int32_t pid, session;
    const char *line_z, *id_z;
    struct span user, host;
    int64_t at_ms;
};

static void put32(uint8_t *at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_text(uint8_t *at, size_t size, struct span text)
{
    if (text.len > 0)
        memcpy(at, text.data, text.len < size ? text.len : size);
}

/* ut_addr_v6: an IPv4 address stands in the first word, as on the wire. */
static void put_address(uint8_t *at, struct span text)
{
    unsigned part = 0, value = 0;
    uint8_t bytes[4] = {0};
    for (size_t i = 0; i < text.len && part < 4; i++) {
        uint8_t c = text.data[i];
        if (c == '.')
            part++;
        else if (c < '0' || c > '9')
            return;
        value = c == '.' ? 0 : value * 10 + (c - '0');
        if (part < 4)
            bytes[part] = (uint8_t)value;
    }
    if (part == 3)
        memcpy(at, bytes, sizeof(bytes));
}

static int put_entry(struct buffer *out, const struct entry *e)
{
    uint8_t b[UTMP_BYTES] = {(uint8_t)e->type};
    put32(b + 4, (uint32_t)e->pid);
    put_text(b + 8, 32, span_z(e->line_z));
    put_text(b + 40, 4, span_z(e->id_z));
    put_text(b + 44, 32, e->user);
    put_text(b + 76, 256, e->host);
    put32(b + 336, (uint32_t)e->session);
    put32(b + 340, (uint32_t)(e->at_ms / SECOND_MS));
    put32(b + 344, (uint32_t)(e->at_ms % SECOND_MS * 1000 + e->pid % 1000));
    put_address(b + 348, e->host);
    return buffer_put(out, span_of(b, sizeof(b)));
}

/* When the start was over, and the run level reached. */
static int64_t ended_ms(const struct persona_identity *p)
{
    int64_t kernel_us, all_us;
    persona_startup(p, &kernel_us, &all_us);
    return p->boot_ms + all_us / 1000;
}

static int put_boot(const struct persona_identity *p, struct buffer *out)
{
    static const struct span release = SPAN_LIT("6.1.0-56-amd64");
    const struct entry boot = {.type = BOOT_TIME,
                               .line_z = "~",
                               .id_z = "~~",
                               .user = SPAN_LIT("reboot"),
                               .host = release,
                               .at_ms = p->boot_ms};
    const struct entry level = {.type = RUN_LVL,
                                .pid = RUN_LEVEL_5 | 'N' << 8,
                                .line_z = "~",
                                .id_z = "~~",
                                .user = SPAN_LIT("runlevel"),
                                .host = release,
                                .at_ms = ended_ms(p)};
    const struct entry tty = {.type = LOGIN_PROCESS,
                              .pid = AGETTY_PID,
                              .session = AGETTY_PID,
                              .line_z = "tty1",
                              .id_z = "tty1",
                              .user = SPAN_LIT("LOGIN"),
                              .at_ms = p->boot_ms + persona_process_us(p, AGETTY_PID) / 1000};
    int rc = put_entry(out, &boot);
    if (rc == 0)
        rc = put_entry(out, &tty);
    if (rc == 0)
        rc = put_entry(out, &level);
    return rc;
}

static int put_visit(const struct persona_visit *v, struct buffer *out)
{
    int rc = 0;
    for (unsigned n = 0; n < PERSONA_TTY_SPAN && rc == 0 && v->user.len > 0; n++) {
        char line_z[16], id_z[16];
        (void)snprintf(line_z, sizeof(line_z), "pts/%u", n);
        (void)snprintf(id_z, sizeof(id_z), "ts/%u", n);
        const struct entry e = {.type = USER_PROCESS,
                                .pid = v->sshd,
                                .line_z = line_z,
                                .id_z = id_z,
                                .user = v->user,
                                .host = v->address,
                                .at_ms = v->at_ms};
        if ((v->ttys >> n & 1) != 0)
            rc = put_entry(out, &e);
    }
    return rc;
}

/* The lines of one who has gone are free. */
static int put_end(const struct persona_visit *v, struct buffer *out)
{
    int rc = 0;
    for (unsigned n = 0; n < PERSONA_TTY_SPAN && rc == 0; n++) {
        char line_z[16];
        (void)snprintf(line_z, sizeof(line_z), "pts/%u", n);
        const struct entry e = {.type = DEAD_PROCESS,
                                .pid = v->sshd,
                                .line_z = line_z,
                                .id_z = "",
                                .at_ms = v->until_ms};
        if ((v->ttys >> n & 1) != 0)
            rc = put_entry(out, &e);
    }
    return rc;
}

/* The visitor, and his logins from the machine into itself; of those who have gone, if they count. */
static int put_other(const struct persona_visit *v, bool with_past, struct buffer *out)
{
    int rc = v->until_ms == 0 || with_past ? put_visit(v, out) : 0;
    return rc == 0 && v->until_ms != 0 && with_past ? put_end(v, out) : rc;
}

/* In the order in which they began. */
static int put_visits(const struct persona_now *now, bool with_past, struct buffer *out)
{
    int rc = 0;
    size_t i = 0;
    for (; i < now->inner_count && now->inner[i].at_ms < now->visit.at_ms && rc == 0; i++)
        rc = put_other(&now->inner[i], with_past, out);
    if (rc == 0)
        rc = put_visit(&now->visit, out);
    for (; i < now->inner_count && rc == 0; i++)
        rc = put_other(&now->inner[i], with_past, out);
    return rc;
}

static struct span name_of(const struct persona_identity *p, const struct persona_login *l)
{
    return l->is_root ? span_z("root") : span_z(p->user_z);
}

static int put_login(const struct persona_identity *p, const struct persona_login *l,
                     struct buffer *out)
{
    struct entry e = {.type = USER_PROCESS,
                      .pid = persona_pid_at(p, l->from_ms),
                      .line_z = "pts/0",
                      .id_z = "ts/0",
                      .user = name_of(p, l),
                      .host = span_z(l->address_z),
                      .at_ms = l->from_ms};
    int rc = put_entry(out, &e);
    e.type = DEAD_PROCESS;
    e.id_z = "";
    e.user = e.host = span_of(NULL, 0);
    e.at_ms = l->until_ms;
    return rc == 0 ? put_entry(out, &e) : rc;
}

static int put_wtmp(const struct persona_now *now, struct buffer *out, int64_t *written_ms)
{
    struct persona_login logins[PERSONA_LOGINS_MAX];
    size_t count = persona_logins(now->identity, now->time_ms, logins);
    int rc = put_boot(now->identity, out);
    *written_ms = ended_ms(now->identity);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = put_login(now->identity, &logins[i], out);
        *written_ms = logins[i].until_ms;
    }
    return rc == 0 ? put_visits(now, true, out) : rc;
}

static int put_btmp(const struct persona_now *now, int64_t from_ms, int64_t until_ms,
                    struct buffer *out, int64_t *written_ms)
{
    struct persona_try tries[PERSONA_TRIES_MAX];
    int rc = 0;
    *written_ms = from_ms;
    until_ms = until_ms < now->time_ms ? until_ms : now->time_ms;
    for (int64_t hour = from_ms / HOUR_MS; hour <= until_ms / HOUR_MS && rc == 0; hour++) {
        size_t count = persona_tries(now->identity, hour, tries);
        for (size_t i = 0; i < count && rc == 0; i++) {
            const struct entry e = {.type = LOGIN_PROCESS,
                                    .pid = persona_pid_at(now->identity, tries[i].at_ms),
                                    .line_z = "ssh:notty",
                                    .id_z = "",
                                    .user = span_z(tries[i].user_z),
                                    .host = span_z(tries[i].address_z),
                                    .at_ms = tries[i].at_ms};
            if (e.at_ms < from_ms || e.at_ms >= until_ms)
                continue;
            rc = put_entry(out, &e);
            *written_ms = e.at_ms;
        }
    }
    return rc;
}

/* ---- lastlog ---- */

static void set_last(struct buffer *out, uint32_t uid, int64_t at_ms, const char *line_z,
                     struct span host)
{
    uint8_t b[LASTLOG_BYTES] = {0};
    size_t end = ((size_t)uid + 1) * LASTLOG_BYTES;
    put32(b, (uint32_t)(at_ms / SECOND_MS));
    put_text(b + 4, 32, span_z(line_z));
    put_text(b + 36, 256, host);
    while (buffer_len(out) < end) {
        static const uint8_t none[LASTLOG_BYTES];
        if (buffer_put(out, span_of(none, sizeof(none))) != 0)
            return;
    }
    uint8_t *bytes = (uint8_t *)buffer_span(out).data; /* our own */
    if (bytes != NULL)
        memcpy(bytes + end - LASTLOG_BYTES, b, sizeof(b));
}

static void set_visit(const struct persona_visit *v, struct buffer *out, int64_t *written_ms)
{
    for (unsigned n = 0; n < PERSONA_TTY_SPAN && v->user.len > 0; n++) {
        char line_z[16];
        (void)snprintf(line_z, sizeof(line_z), "pts/%u", n);
        if ((v->ttys >> n & 1) == 0)
            continue;
        set_last(out, v->uid, v->at_ms, line_z, v->address);
        *written_ms = v->at_ms;
    }
}

static int put_lastlog(const struct persona_now *now, struct buffer *out, int64_t *written_ms)
{
    struct persona_login logins[PERSONA_LOGINS_MAX];
    size_t count = persona_logins(now->identity, now->time_ms, logins);
    *written_ms = now->identity->installed_ms;
    for (size_t i = 0; i < count; i++) {
        set_last(out, logins[i].is_root ? 0 : now->identity->user_uid, logins[i].from_ms, "pts/0",
                 span_z(logins[i].address_z));
        *written_ms = logins[i].from_ms;
    }
    size_t i = 0;
    for (; i < now->inner_count && now->inner[i].at_ms < now->visit.at_ms; i++)
        set_visit(&now->inner[i], out, written_ms);
    set_visit(&now->visit, out, written_ms);
    for (; i < now->inner_count; i++)
        set_visit(&now->inner[i], out, written_ms);
    return 0;
}

int persona_accounts_write(enum persona_record record, const struct persona_now *now,
                           int64_t from_ms, int64_t until_ms, struct buffer *out,
                           int64_t *written_ms)
{
    int rc = 0;
    switch (record) {
    case PERSONA_RECORD_UTMP:
        *written_ms = ended_ms(now->identity);
        rc = put_boot(now->identity, out);
        if (rc == 0)
            rc = put_visits(now, false, out);
        break;
    case PERSONA_RECORD_WTMP: rc = put_wtmp(now, out, written_ms); break;
    case PERSONA_RECORD_BTMP: rc = put_btmp(now, from_ms, until_ms, out, written_ms); break;
    case PERSONA_RECORD_LASTLOG: rc = put_lastlog(now, out, written_ms); break;
    default: *written_ms = now->time_ms; break;
    }
    if (now->visit.ttys != 0 && now->visit.at_ms > *written_ms && record != PERSONA_RECORD_BTMP)
        *written_ms = now->visit.at_ms;
    return rc;
}
