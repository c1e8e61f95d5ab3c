/* What one connection leaves on record: frames (events/frame.h) that wait to be taken. Bounded: its
 * owner asks session_journal_has_room before it takes any work that makes records, so nothing is
 * lost while the recorder is away; input waits instead. */
#ifndef SESSION_JOURNAL_H
#define SESSION_JOURNAL_H

#include "base/buffer.h"
#include "events/event.h"
#include "events/frame.h"

enum {
    SESSION_ID_CHARS = 12,
    SESSION_RECORDS_MAX = 8 * 1024 * 1024,
    /* What one step of work may add at most; less room than this is no room. */
    SESSION_RECORDS_STEP = 3 * 1024 * 1024,
};

struct session_journal {
    struct buffer frames;
    struct event_origin origin; /* its spans are the owner's */
    const struct event_sensor *sensor;
    uint64_t lost; /* records without memory for them */
};

void session_journal_init(struct session_journal *j, const struct event_sensor *sensor);
void session_journal_fini(struct session_journal *j);

bool session_journal_has_room(const struct session_journal *j);

/* An event of this connection, to be given its attributes and put. */
struct event session_journal_event(const struct session_journal *j, enum event_type type,
                                   int64_t now_us);
void session_journal_put(struct session_journal *j, const struct event *e);

/* Counts a frame that could not be put (`rc` < 0). */
void session_journal_check(struct session_journal *j, int rc);

#endif
