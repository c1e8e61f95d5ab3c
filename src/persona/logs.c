/* The texts of /var/log, as rsyslog writes them (/etc/rsyslog.conf): a line an event. */
#include "persona/story.h"

#include "persona/date.h"

static const int64_t SECOND_US = 1000000, US_PER_MS = 1000;

struct log {
    const char *hostname_z;
    struct buffer *out;
    int64_t *written_ms;
};

/* Which facilities' lines stand in a file. */
static uint32_t facilities_of(enum persona_record record)
{
    const uint32_t auth = 1 << STORY_AUTH | 1 << STORY_AUTHPRIV;
    switch (record) {
    case PERSONA_RECORD_AUTH: return auth;
    case PERSONA_RECORD_SYSLOG: return ~auth;
    case PERSONA_RECORD_CRON: return 1 << STORY_CRON;
    case PERSONA_RECORD_KERN: return 1 << STORY_KERN;
    case PERSONA_RECORD_USER: return 1 << STORY_USER;
    default: return 0;
    }
}

/* "TIME HOST WHO[PID]: TEXT" */
static int put_line(void *ctx, const struct persona_line *line)
{
    const struct log *log = ctx;
    if (line->is_unlogged)
        return 0;
    struct persona_date d = persona_date_of(line->at_us / SECOND_US);
    int rc = buffer_printf(log->out, "%04lld-%02u-%02uT%02u:%02u:%02u.%06u+00:00 %s %.*s",
                           (long long)d.year, d.month, d.day, d.hour, d.minute, d.second,
                           (unsigned)(line->at_us % SECOND_US), log->hostname_z, (int)line->tag.len,
                           (const char *)line->tag.data);
    if (rc == 0 && line->tag_pid != 0)
        rc = buffer_printf(log->out, "[%d]", line->tag_pid);
    if (rc == 0)
        rc = buffer_put_z(log->out, ": ");
    if (rc == 0 && line->way == PERSONA_BY_KERNEL)
        rc = buffer_printf(log->out, "[%5u.%06u] ", (unsigned)(line->monotonic_us / SECOND_US),
                           (unsigned)(line->monotonic_us % SECOND_US));
    for (size_t i = 0; rc == 0 && i < line->text.len; i++)
        rc = line->text.data[i] < ' ' ? buffer_printf(log->out, "#%03o", line->text.data[i])
                                      : buffer_put_u8(log->out, line->text.data[i]);
    *log->written_ms = line->at_us / US_PER_MS;
    return rc == 0 ? buffer_put_u8(log->out, '\n') : rc;
}

int persona_line_write(enum persona_record record, const struct persona_identity *identity,
                       const struct persona_line *line, struct buffer *out)
{
    int64_t written_ms;
    struct log log = {identity->hostname_z, out, &written_ms};
    return (facilities_of(record) >> line->facility & 1) != 0 ? put_line(&log, line) : 0;
}

int persona_log_write(enum persona_record record, const struct persona_now *now, int64_t from_ms,
                      int64_t until_ms, struct buffer *out, int64_t *written_ms)
{
    struct log log = {now->identity->hostname_z, out, written_ms};
    *written_ms = from_ms;
    return story_tell(now, facilities_of(record), from_ms * US_PER_MS, until_ms * US_PER_MS,
                      put_line, &log);
}
