/* An event: one thing that an attacker did, or that happened to the sensor, and its one line of
 * JSON in Cowrie's schema (docs/events.md). Which events there are, with which attributes and
 * which wording, stands in events.def; the attributes in fields.def.
 *
 *     struct event e = event_make(EVENT_LOGIN_FAILED, &origin, now_us);
 *     event_text(&e, FIELD_USERNAME, user);
 *     event_text(&e, FIELD_PASSWORD, password);
 *     frame_put_event(records, &e, sensor);
 *
 * An event borrows everything it is given until it is written. */
#ifndef EVENTS_EVENT_H
#define EVENTS_EVENT_H

#include "base/buffer.h"
#include "base/span.h"

enum event_type {
#define EVENT(symbol, ...) EVENT_##symbol,
#include "events/events.def"
#undef EVENT
    EVENT_TYPES
};

enum event_field {
#define FIELD(symbol, ...) FIELD_##symbol,
#include "events/fields.def"
#undef FIELD
    EVENT_FIELDS
};

enum event_kind { EVENT_TEXT, EVENT_ASCII, EVENT_NUMBER, EVENT_SECONDS, EVENT_BOOL, EVENT_LIST };

/* Attributes that one event can be given. */
#define EVENT_VALUES_MAX 16
/* Bytes of values that one event carries before they are cut. A cut value is followed by
 * "truncated":true and "NAME_length": its full length in bytes, or of a list in items. */
#define EVENT_BYTES_MAX ((size_t)64 * 1024)
/* What each value may have although the others have used up EVENT_BYTES_MAX. */
#define EVENT_BYTES_MIN ((size_t)1024)
/* A line is never longer, its line feed included. */
#define EVENT_LINE_MAX ((size_t)1024 * 1024)

/* Whose connection an event belongs to. Kept by the session as long as its events. */
struct event_origin {
    struct span session;  /* 12 hex digits */
    struct span protocol; /* "ssh" */
    struct span src_ip, dst_ip;
    uint16_t src_port, dst_port;
    bool late; /* the connection has been closed: events say so */
};

/* Which installation writes. */
struct event_sensor {
    struct span name;
    struct span uuid;
};

struct event_value {
    enum event_field field;
    union {
        struct span text;
        int64_t number; /* also for BOOL, and for SECONDS in milliseconds */
        struct {
            const struct span *items;
            size_t count;
        } list;
    };
};

struct event {
    enum event_type type;
    int64_t time_us; /* since 1970, UTC */
    const struct event_origin *origin;
    size_t count, required; /* of the values; those of them that the event must have */
    struct event_value values[EVENT_VALUES_MAX];
};

/* What events.def says of a type. */
struct event_row {
    const char *symbol_z;
    const char *id_z;
    const char *required_z; /* attribute names, parted by blanks */
    const char *optional_z;
    const char *message_z;
    const char *when_z;
};
const struct event_row *event_row(enum event_type type);

/* What fields.def says of an attribute. */
struct event_field_row {
    const char *name_z;
    enum event_kind kind;
    const char *what_z;
    struct span name, key; /* the name; as it stands in JSON: quoted, with its colon */
};
const struct event_field_row *event_field_row(enum event_field field);

/* An event without attributes. `origin` is NULL for the sensor's own events. */
struct event event_make(enum event_type type, const struct event_origin *origin, int64_t time_us);

/* Give an attribute its value, by its kind. One that events.def does not list for this event, one
 * of another kind, or one given twice is our own fault: an assert. Lists borrow the array too. */
void event_text(struct event *e, enum event_field field, struct span value);
void event_text_z(struct event *e, enum event_field field, const char *value_z);
void event_number(struct event *e, enum event_field field, int64_t value);
void event_bool(struct event *e, enum event_field field, bool value);
void event_list(struct event *e, enum event_field field, const struct span *items, size_t count);

/* The attributes of EVENT_SESSION_CLOSED in both of its forms. */
void event_duration(struct event *e, int64_t duration_ms);

/* True when every attribute that the event must have was given. */
bool event_is_complete(const struct event *e);

/* Appends the event as one line of JSON in ASCII, with its line feed. `id` 0 leaves "id" out: the
 * recorder gives each line the number of its frame. 0, ERR_FULL or ERR_NOMEM; on an error the
 * buffer is as before. */
int event_write_json(const struct event *e, const struct event_sensor *sensor, uint64_t id,
                     struct buffer *out);

/* Room for event_time_text, its NUL included. */
#define EVENT_TIME_SIZE 64

/* "2026-11-21T23:59:59.123456Z" of microseconds since 1970. Years 0 to 9999, held at the ends. */
void event_time_text(int64_t time_us, char out_z[EVENT_TIME_SIZE]);

#endif
