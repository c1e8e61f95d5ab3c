#include "session/journal.h"

void session_journal_init(struct session_journal *j, const struct event_sensor *sensor)
{
    *j = (struct session_journal){.sensor = sensor};
    buffer_init(&j->frames, SESSION_RECORDS_MAX);
}

void session_journal_fini(struct session_journal *j)
{
    buffer_fini(&j->frames);
}

bool session_journal_has_room(const struct session_journal *j)
{
    return buffer_room(&j->frames) >= SESSION_RECORDS_STEP;
}

struct event session_journal_event(const struct session_journal *j, enum event_type type,
                                   int64_t now_us)
{
    return event_make(type, &j->origin, now_us);
}

void session_journal_check(struct session_journal *j, int rc)
{
    if (rc < 0)
        j->lost++;
}

void session_journal_put(struct session_journal *j, const struct event *e)
{
    session_journal_check(j, frame_put_event(&j->frames, e, j->sensor));
}
