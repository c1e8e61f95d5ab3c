#include "events/event.h"
#include "events/json.h"

#include <assert.h>
#include <string.h>

/* The value as it is written: cut where the event has become too large. */
struct shown {
    const struct event_value *value;
    enum event_kind kind;
    size_t len;  /* bytes of a text, items of a list, that are written */
    size_t full; /* and that there are */
};

struct view {
    const struct event *event;
    struct shown shown[EVENT_VALUES_MAX];
};

/* Items are counted with what parts them, so that a list of empty ones has its bound too. */
#define LIST_ITEM_COST 4

/* Backs off from the middle of a UTF-8 sequence, so that a cut makes no bad bytes. */
static size_t cut_utf8(struct span text, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        uint8_t byte = text.data[len - back];
        if ((byte & 0xc0) != 0x80) {
            size_t need = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
            return need > back ? len - back : len;
        }
    }
    return len;
}

static size_t measure_list(const struct event_value *v, size_t room, size_t *used)
{
    size_t n = 0;
    while (n < v->list.count) {
        size_t cost = v->list.items[n].len + LIST_ITEM_COST;
        if (cost > room - *used)
            break;
        *used += cost;
        n++;
    }
    return n;
}

/* Decides for each value how much of it the line has room for, in the order they were given. */
static void view_init(struct view *view, const struct event *e)
{
    size_t left = EVENT_BYTES_MAX;
    view->event = e;
    for (size_t i = 0; i < e->count; i++) {
        struct shown *s = &view->shown[i];
        size_t room = left > EVENT_BYTES_MIN ? left : EVENT_BYTES_MIN;
        size_t used = 0;
        s->value = &e->values[i];
        s->kind = event_field_row(s->value->field)->kind;
        s->len = s->full = 0;
        if (s->kind == EVENT_LIST) {
            s->full = s->value->list.count;
            s->len = measure_list(s->value, room, &used);
        } else if (s->kind == EVENT_TEXT || s->kind == EVENT_ASCII) {
            s->full = s->value->text.len;
            s->len = s->full <= room ? s->full : cut_utf8(s->value->text, room);
            used = s->len;
        }
        left -= used < left ? used : left;
    }
}

static const struct shown *view_find(const struct view *view, struct span name)
{
    for (size_t i = 0; i < view->event->count; i++)
        if (span_equal(name, event_field_row(view->event->values[i].field)->name))
            return &view->shown[i];
    return NULL;
}

/* One of an event's own values, inside the message. */
static void put_value_part(struct json *j, const struct shown *s)
{
    struct span text = span_slice(s->value->text, 0, s->len);
    switch (s->kind) {
    case EVENT_TEXT: json_part(j, text); break;
    case EVENT_ASCII: json_part_ascii(j, text); break;
    case EVENT_NUMBER:
    case EVENT_SECONDS: json_number_part(j, s->value->number); break;
    case EVENT_BOOL: json_part(j, span_z(s->value->number != 0 ? "true" : "false")); break;
    case EVENT_LIST:
        for (size_t i = 0; i < s->len; i++) {
            json_part(j, span_z(i > 0 ? " " : ""));
            json_part(j, s->value->list.items[i]);
        }
        break;
    }
}

/* What {name} stands for when the event itself has no such attribute. */
static void put_origin_part(struct json *j, const struct event_origin *o, struct span name)
{
    if (o != NULL && span_equal_z(name, "session"))
        json_part(j, o->session);
    else if (o != NULL && span_equal_z(name, "protocol"))
        json_part(j, o->protocol);
    else if (o != NULL && span_equal_z(name, "src_ip"))
        json_part(j, o->src_ip);
    else if (o != NULL && span_equal_z(name, "dst_ip"))
        json_part(j, o->dst_ip);
    else if (o != NULL && span_equal_z(name, "src_port"))
        json_number_part(j, o->src_port);
    else if (o != NULL && span_equal_z(name, "dst_port"))
        json_number_part(j, o->dst_port);
    else
        json_part(j, span_z("-"));
}

static void put_message(struct json *j, const struct view *view)
{
    struct span rest = span_z(event_row(view->event->type)->message_z);
    json_quote_open(j);
    while (rest.len > 0) {
        ptrdiff_t open = span_find(rest, '{', 0);
        ptrdiff_t close = open < 0 ? -1 : span_find(rest, '}', (size_t)open);
        if (close < 0)
            break;
        struct span name = span_slice(rest, (size_t)open + 1, (size_t)close);
        const struct shown *s = view_find(view, name);
        json_part(j, span_slice(rest, 0, (size_t)open));
        if (s != NULL)
            put_value_part(j, s);
        else
            put_origin_part(j, view->event->origin, name);
        rest = span_slice(rest, (size_t)close + 1, rest.len);
    }
    json_part(j, rest);
    json_quote_close(j);
}

/* Members that every event has. */
#define KEY(symbol, name) static const struct span KEY_##symbol = SPAN_LIT(JSON_KEY(name))
KEY(ID, "id");
KEY(EVENTID, "eventid");
KEY(TIMESTAMP, "timestamp");
KEY(SESSION, "session");
KEY(PROTOCOL, "protocol");
KEY(SRC_IP, "src_ip");
KEY(SRC_PORT, "src_port");
KEY(DST_IP, "dst_ip");
KEY(DST_PORT, "dst_port");
KEY(LATE, "late");
KEY(MESSAGE, "message");
KEY(SENSOR, "sensor");
KEY(UUID, "uuid");
#undef KEY

static void put_member_text(struct json *j, struct span key, struct span text)
{
    json_key(j, key);
    json_text(j, text);
}

static bool has_field(const struct event *e, enum event_field field)
{
    for (size_t i = 0; i < e->count; i++)
        if (e->values[i].field == field)
            return true;
    return false;
}

static void put_origin(struct json *j, const struct view *view)
{
    const struct event_origin *o = view->event->origin;
    if (o == NULL)
        return;
    put_member_text(j, KEY_SESSION, o->session);
    put_member_text(j, KEY_PROTOCOL, o->protocol);
    put_member_text(j, KEY_SRC_IP, o->src_ip);
    json_key(j, KEY_SRC_PORT);
    json_number(j, o->src_port);
    /* A forward's destination is the event's own: one JSON object has each name once. */
    if (!has_field(view->event, FIELD_DST_IP)) {
        put_member_text(j, KEY_DST_IP, o->dst_ip);
        json_key(j, KEY_DST_PORT);
        json_number(j, o->dst_port);
    }
    if (o->late) {
        json_key(j, KEY_LATE);
        json_bool(j, true);
    }
}

static void put_value(struct json *j, const struct shown *s)
{
    json_key(j, event_field_row(s->value->field)->key);
    switch (s->kind) {
    case EVENT_TEXT:
    case EVENT_ASCII:
        json_quote_open(j);
        put_value_part(j, s);
        json_quote_close(j);
        break;
    case EVENT_NUMBER: json_number(j, s->value->number); break;
    case EVENT_SECONDS: json_seconds(j, s->value->number); break;
    case EVENT_BOOL: json_bool(j, s->value->number != 0); break;
    case EVENT_LIST:
        json_open(j, '[');
        for (size_t i = 0; i < s->len; i++)
            json_text(j, s->value->list.items[i]);
        json_close(j, ']');
        break;
    }
}

static void put_length(struct json *j, struct span name, size_t full)
{
    char name_z[64];
    size_t n = span_copy_z(name, name_z, sizeof(name_z));
    (void)span_copy_z(span_z("_length"), name_z + n, sizeof(name_z) - n);
    json_name(j, name_z);
    json_number(j, (int64_t)full);
}

/* A cut is said right after the value, and "truncated" once. */
static void put_values(struct json *j, const struct view *view)
{
    bool truncated = false;
    for (size_t i = 0; i < view->event->count; i++) {
        const struct shown *s = &view->shown[i];
        put_value(j, s);
        if (s->len == s->full)
            continue;
        if (!truncated) {
            json_name(j, "truncated");
            json_bool(j, true);
        }
        truncated = true;
        put_length(j, event_field_row(s->value->field)->name, s->full);
    }
}

int event_write_json(const struct event *e, const struct event_sensor *sensor, uint64_t id,
                     struct buffer *out)
{
    assert(event_is_complete(e));
    struct view view;
    char time_z[EVENT_TIME_SIZE];
    const struct event_row *row = event_row(e->type);
    struct json j = json_begin(out);
    view_init(&view, e);
    event_time_text(e->time_us, time_z);
    json_open(&j, '{');
    if (id != 0) {
        json_key(&j, KEY_ID);
        json_number(&j, (int64_t)id);
    }
    put_member_text(&j, KEY_EVENTID, span_z(row->id_z));
    put_member_text(&j, KEY_TIMESTAMP, span_z(time_z));
    put_origin(&j, &view);
    put_values(&j, &view);
    json_key(&j, KEY_MESSAGE);
    put_message(&j, &view);
    put_member_text(&j, KEY_SENSOR, sensor->name);
    put_member_text(&j, KEY_UUID, sensor->uuid);
    json_close(&j, '}');
    if (j.error == 0)
        j.error = buffer_put_z(out, "\n");
    return json_end(&j);
}

#define US_PER_DAY INT64_C(86400000000)
/* From 0000-01-01 to 1970-01-01 in the Gregorian calendar. */
#define DAYS_TO_1970 719528
#define TIME_MIN_US  (-DAYS_TO_1970 * US_PER_DAY)
/* The last microsecond of 9999-12-31. */
#define TIME_MAX_US (INT64_C(253402300800000000) - 1)

/* 400 years repeat themselves; March begins on the 61st day of the first of them. */
enum { ERA_YEARS = 400, ERA_DAYS = 146097, DAYS_TO_MARCH = 60 };

struct date {
    int64_t year;
    int month, day;
};

/* Of the days since 0000-03-01. When years begin with March, the day that some of them have is their
 * last, and months of 31 and 30 days take turns: 153 days are five of them. */
static struct date date_of(int64_t days)
{
    int64_t in_era = days % ERA_DAYS;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / (ERA_DAYS - 1)) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int month = (int)((5 * in_year + 2) / 153);
    int day = (int)in_year - (153 * month + 2) / 5 + 1;
    bool next = month >= 10; /* January and February */
    return (struct date){days / ERA_DAYS * ERA_YEARS + year + next, month + (next ? -9 : 3), day};
}

static char *put_digits(char *out, int64_t value, size_t width, char end)
{
    for (size_t i = width; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    out[width] = end;
    return out + width + 1;
}

void event_time_text(int64_t time_us, char out_z[EVENT_TIME_SIZE])
{
    time_us = time_us < TIME_MIN_US ? TIME_MIN_US : time_us > TIME_MAX_US ? TIME_MAX_US : time_us;
    /* An era earlier, so that January and February of the year 0 are days after a beginning too. */
    int64_t since = time_us - TIME_MIN_US + (ERA_DAYS - DAYS_TO_MARCH) * US_PER_DAY;
    struct date date = date_of(since / US_PER_DAY);
    int32_t in_day_s = (int32_t)(since % US_PER_DAY / 1000000);
    out_z = put_digits(out_z, date.year - ERA_YEARS, 4, '-');
    out_z = put_digits(out_z, date.month, 2, '-');
    out_z = put_digits(out_z, date.day, 2, 'T');
    out_z = put_digits(out_z, in_day_s / 3600, 2, ':');
    out_z = put_digits(out_z, in_day_s / 60 % 60, 2, ':');
    out_z = put_digits(out_z, in_day_s % 60, 2, '.');
    out_z = put_digits(out_z, since % 1000000, 6, 'Z');
    *out_z = '\0';
}
