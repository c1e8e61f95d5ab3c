#include "persona/past.h"

#include "crypto/rng.h"
#include "persona/date.h"
#include "persona/gzip.h"
#include "persona/journal.h"
#include "persona/story.h"

#include <stdio.h>
#include <string.h>

static const int64_t SECOND_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000;

enum {
    PID_FIRST = 600,   /* what a machine that has booted has used */
    PID_EVERY_S = 7,   /* and what it uses: scanners knock, and cron runs */
    PID_MAX = 4194304, /* Debian's kernel.pid_max on 64 bits */
};

int32_t persona_pid_at(const struct persona_identity *p, int64_t time_ms)
{
    int64_t up_s = (time_ms - p->boot_ms) / SECOND_MS;
    uint64_t used = up_s > 0 ? (uint64_t)up_s / PID_EVERY_S : 0;
    return PID_FIRST + (int32_t)(used % (PID_MAX - PID_FIRST));
}

void persona_startup(const struct persona_identity *p, int64_t *kernel_us, int64_t *started_us)
{
    /* systemd's first line in the kernel's log (boot_log.def), and how fast the machine is. */
    enum { KERNEL_US = 1790000, PROGRAMS_US = 4300000, PROGRAMS_LEAST_US = 3100000 };
    *kernel_us = KERNEL_US * (9200 + (p->seed[0] * 256 + p->seed[1]) % INT64_C(1600)) / 10000;
    *started_us = *kernel_us + PROGRAMS_LEAST_US +
                  (p->seed[11] * 256 + p->seed[12]) * (int64_t)PROGRAMS_US / 65536;
}

int64_t persona_process_us(const struct persona_identity *p, int32_t pid)
{
    enum { FIRST = 195, ALL = 200, EACH_US = 5000, REST_US = 400000 };
    int64_t kernel_us, all_us;
    persona_startup(p, &kernel_us, &all_us);
    if (pid < FIRST)
        return pid * (int64_t)EACH_US < kernel_us ? pid * (int64_t)EACH_US : kernel_us;
    return kernel_us + (pid - FIRST) * (all_us - kernel_us - REST_US) / ALL;
}

/* Something of its own for each subject and number. */
static void draw_init(struct crypto_rng *rng, const struct persona_identity *p, uint8_t subject,
                      int64_t number)
{
    uint8_t seed[PERSONA_SEED_BYTES];
    memcpy(seed, p->seed, sizeof(seed));
    seed[0] ^= subject;
    for (size_t i = 0; i < 8; i++)
        seed[8 + i] ^= (uint8_t)((uint64_t)number >> (8 * i));
    crypto_rng_init(rng, seed);
}

static uint32_t draw(struct crypto_rng *rng, uint32_t least, uint32_t range)
{
    return least + crypto_rng_u32(rng) % range;
}

/* A public address of a provider's range. */
static void draw_address(struct crypto_rng *rng, char out_z[PERSONA_ADDRESS_SIZE])
{
    static const uint8_t nets[] = {45,  61,  64,  80,  91,  103, 109, 116, 118, 124, 139, 141,
                                   154, 161, 167, 178, 180, 185, 193, 194, 195, 202, 210, 218};
    uint32_t place = crypto_rng_u32(rng);
    (void)snprintf(out_z, PERSONA_ADDRESS_SIZE, "%u.%u.%u.%u",
                   (unsigned)nets[place % ARRAY_LEN(nets)], place >> 8 & 255, place >> 16 & 255,
                   1 + (place >> 24) % 254);
}

size_t persona_logins(const struct persona_identity *p, int64_t now_ms,
                      struct persona_login out[PERSONA_LOGINS_MAX])
{
    enum { SUBJECT = 0x51 };
    struct crypto_rng rng;
    char home_z[PERSONA_ADDRESS_SIZE];
    size_t count = 0;
    draw_init(&rng, p, SUBJECT, 0);
    draw_address(&rng, home_z);
    size_t wanted = draw(&rng, 2, PERSONA_LOGINS_MAX - 2);
    int64_t at_ms = p->boot_ms + draw(&rng, (uint32_t)(4 * MINUTE_MS), (uint32_t)HOUR_MS);
    while (count < wanted) {
        struct persona_login *l = &out[count];
        *l = (struct persona_login){.is_root = draw(&rng, 0, 3) != 0,
                                    .port = (uint16_t)draw(&rng, 32768, 28000),
                                    .from_ms = at_ms};
        l->until_ms = at_ms + draw(&rng, (uint32_t)MINUTE_MS, (uint32_t)(50 * MINUTE_MS));
        memcpy(l->address_z, home_z, sizeof(home_z));
        at_ms = l->until_ms + draw(&rng, (uint32_t)(10 * MINUTE_MS), (uint32_t)(DAY_MS / 3));
        if (l->until_ms >= now_ms)
            break;
        count++;
    }
    crypto_rng_wipe(&rng);
    return count;
}

void persona_say_login(int64_t at_ms, struct span from, char out_z[PERSONA_LAST_SIZE])
{
    struct persona_date d = persona_date_of(at_ms / SECOND_MS);
    (void)snprintf(out_z, PERSONA_LAST_SIZE, "%s %s %2u %02u:%02u:%02u %lld from %.*s",
                   persona_weekdays[d.weekday], persona_months[d.month - 1], d.day, d.hour,
                   d.minute, d.second, (long long)d.year, (int)from.len, (const char *)from.data);
}

bool persona_last_login(const struct persona_identity *p, int64_t now_ms, struct span user,
                        char out_z[PERSONA_LAST_SIZE])
{
    struct persona_login logins[PERSONA_LOGINS_MAX];
    size_t count = persona_logins(p, now_ms, logins);
    while (count > 0) {
        const struct persona_login *l = &logins[--count];
        if (!span_equal_z(user, l->is_root ? "root" : p->user_z))
            continue;
        persona_say_login(l->from_ms, span_z(l->address_z), out_z);
        return true;
    }
    return false;
}

size_t persona_tries(const struct persona_identity *p, int64_t hour,
                     struct persona_try out[PERSONA_TRIES_MAX])
{
    enum { SUBJECT = 0x52 };
    static const char *const names[] = {"admin",  "user",   "test",      "oracle",  "postgres",
                                        "git",    "ubuntu", "guest",     "ftpuser", "mysql",
                                        "deploy", "hadoop", "minecraft", "support", "steam"};
    struct crypto_rng rng;
    draw_init(&rng, p, SUBJECT, hour);
    size_t count = draw(&rng, 0, PERSONA_TRIES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct persona_try *t = &out[i];
        uint32_t name = crypto_rng_u32(&rng);
        bool is_root = name % 5 < 2;
        t->at_ms = hour * HOUR_MS + (int64_t)i * (HOUR_MS / PERSONA_TRIES_MAX) +
                   draw(&rng, 0, (uint32_t)(HOUR_MS / PERSONA_TRIES_MAX - 30 * SECOND_MS));
        t->user_z = is_root ? "root" : names[name / 5 % ARRAY_LEN(names)];
        t->is_valid = is_root || strcmp(t->user_z, "admin") == 0 ||
                      strcmp(t->user_z, "ubuntu") == 0 || strcmp(t->user_z, p->user_z) == 0;
        t->port = (uint16_t)draw(&rng, 30000, 30000);
        draw_address(&rng, t->address_z);
    }
    crypto_rng_wipe(&rng);
    return count;
}

/* ---- Rotation ---- */

/* When a week or a month began, so many before the one that `time_ms` is in. */
static int64_t period_of(int64_t time_ms, bool is_monthly, uint32_t before)
{
    int64_t day_ms = time_ms / DAY_MS * DAY_MS;
    struct persona_date d = persona_date_of(time_ms / SECOND_MS);
    if (!is_monthly)
        return day_ms - (d.weekday + 7 * (int64_t)before) * DAY_MS;
    int64_t months = d.year * 12 + d.month - 1 - before;
    const struct persona_date first = {
        .year = months / 12, .month = (unsigned)(months % 12) + 1, .day = 1};
    return persona_date_time(&first) * SECOND_MS;
}

/* logrotate runs at midnight. What it sees for the first time it leaves as it is. */
bool persona_rotation(const struct persona_identity *p, bool is_monthly, uint32_t age,
                      int64_t now_ms, int64_t *from_ms, int64_t *until_ms)
{
    int64_t seen_ms = (p->boot_ms / DAY_MS + 1) * DAY_MS;
    *until_ms = age == 0 ? INT64_MAX / 1000 : period_of(now_ms, is_monthly, age - 1);
    *from_ms = period_of(now_ms, is_monthly, age);
    if (age > 0 && *until_ms <= seen_ms)
        return false;
    if (*from_ms <= seen_ms)
        *from_ms = p->boot_ms;
    return true;
}

/* ---- The files of records ---- */

enum { PACKED_AGE = 2 }; /* logrotate's delaycompress */

static bool is_monthly(enum persona_record record)
{
    return record == PERSONA_RECORD_BTMP || record == PERSONA_RECORD_PACKAGES;
}

/* Somebody has used the facility since. */
static bool is_used(const struct persona_now *now, uint8_t facility)
{
    for (size_t i = 0; i < now->line_count; i++)
        if (now->lines[i].facility == facility && !now->lines[i].is_unlogged)
            return true;
    return false;
}

bool persona_record_is_there(enum persona_record record, uint32_t age,
                             const struct persona_now *now)
{
    int64_t from_ms, until_ms;
    switch (record) {
    case PERSONA_RECORD_USER: return age == 0 && is_used(now, STORY_USER);
    case PERSONA_RECORD_JOURNAL: return persona_journal_is_there(age, now);
    case PERSONA_RECORD_KERN: /* an idle kernel says nothing after its start */
        return age == 0 ||
               (persona_rotation(now->identity, false, age, now->time_ms, &from_ms, &until_ms) &&
                from_ms == now->identity->boot_ms);
    default:
        return age == 0 || persona_rotation(now->identity, is_monthly(record), age, now->time_ms,
                                            &from_ms, &until_ms);
    }
}

static int write_log(enum persona_record record, uint32_t age, const struct persona_now *now,
                     struct buffer *out, int64_t *written_ms)
{
    struct buffer text;
    int64_t from_ms, until_ms;
    (void)persona_rotation(now->identity, false, age, now->time_ms, &from_ms, &until_ms);
    if (age < PACKED_AGE)
        return persona_log_write(record, now, from_ms, until_ms, out, written_ms);
    buffer_init(&text, out->max);
    int rc = persona_log_write(record, now, from_ms, until_ms, &text, written_ms);
    if (rc == 0)
        rc = persona_gzip(buffer_span(&text), *written_ms / SECOND_MS, out);
    buffer_fini(&text);
    return rc;
}

/* dpkg's own logs are the image's until they are taken away; then a new one is begun. */
static int write_packages(uint32_t age, const struct persona_now *now, int64_t *written_ms)
{
    int64_t from_ms, until_ms;
    (void)persona_rotation(now->identity, true, age, now->time_ms, &from_ms, &until_ms);
    if (age > 0 || from_ms == now->identity->boot_ms)
        return 1;
    *written_ms = from_ms;
    return 0;
}

int persona_record_write(enum persona_record record, uint32_t age, const struct persona_now *now,
                         struct buffer *out, int64_t *written_ms)
{
    int64_t from_ms, until_ms;
    switch (record) {
    case PERSONA_RECORD_AUTH:
    case PERSONA_RECORD_SYSLOG:
    case PERSONA_RECORD_CRON:
    case PERSONA_RECORD_KERN:
    case PERSONA_RECORD_USER: return write_log(record, age, now, out, written_ms);
    case PERSONA_RECORD_JOURNAL: return persona_journal_write(age, now, out, written_ms);
    case PERSONA_RECORD_PACKAGES: return write_packages(age, now, written_ms);
    default:
        (void)persona_rotation(now->identity, is_monthly(record), age, now->time_ms, &from_ms,
                               &until_ms);
        return persona_accounts_write(record, now, from_ms, until_ms, out, written_ms);
    }
}
