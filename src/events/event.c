#include "events/event.h"

#include "events/json.h"

#include <assert.h>

static const struct event_row EVENT_ROWS[] = {
#define EVENT(symbol, id, required, optional, message, when) \
    [EVENT_##symbol] = {#symbol, id, required, optional, message, when},
#include "events/events.def"
#undef EVENT
};

static const struct event_field_row FIELD_ROWS[] = {
#define FIELD(symbol, name, kind, what) \
    [FIELD_##symbol] = {name, EVENT_##kind, what, SPAN_LIT(name), SPAN_LIT(JSON_KEY(name))},
#include "events/fields.def"
#undef FIELD
};

const struct event_row *event_row(enum event_type type)
{
    assert((unsigned)type < EVENT_TYPES);
    return &EVENT_ROWS[type];
}

const struct event_field_row *event_field_row(enum event_field field)
{
    assert((unsigned)field < EVENT_FIELDS);
    return &FIELD_ROWS[field];
}

/* Is `word` one of the blank-parted words of the list? */
static bool has_word(const char *list_z, struct span word)
{
    for (const char *at = list_z; *at != '\0'; at += *at == ' ') {
        const char *from = at;
        while (*at != ' ' && *at != '\0')
            at++;
        if ((size_t)(at - from) == word.len && memcmp(from, word.data, word.len) == 0)
            return true;
    }
    return false;
}

struct event event_make(enum event_type type, const struct event_origin *origin, int64_t time_us)
{
    assert((unsigned)type < EVENT_TYPES);
    struct event e;
    e.type = type;
    e.time_us = time_us;
    e.origin = origin;
    e.count = e.required = 0; /* values are written before they are read */
    return e;
}

static bool is_given(const struct event *e, enum event_field field)
{
    for (size_t i = 0; i < e->count; i++)
        if (e->values[i].field == field)
            return true;
    return false;
}

/* A new value of the event. Whatever events.def does not foresee is a slip of the caller. */
static struct event_value *add(struct event *e, enum event_field field)
{
    const struct event_row *row = event_row(e->type);
    struct span name = event_field_row(field)->name;
    bool required = has_word(row->required_z, name);
    assert(required || has_word(row->optional_z, name));
    assert(!is_given(e, field) && e->count < EVENT_VALUES_MAX);
    e->required += required;
    struct event_value *v = &e->values[e->count++];
    v->field = field;
    return v;
}

void event_text(struct event *e, enum event_field field, struct span value)
{
    enum event_kind kind = event_field_row(field)->kind;
    assert(kind == EVENT_TEXT || kind == EVENT_ASCII);
    add(e, field)->text = value;
}

void event_text_z(struct event *e, enum event_field field, const char *value_z)
{
    event_text(e, field, span_z(value_z));
}

void event_number(struct event *e, enum event_field field, int64_t value)
{
    enum event_kind kind = event_field_row(field)->kind;
    assert(kind == EVENT_NUMBER || kind == EVENT_SECONDS);
    add(e, field)->number = value;
}

void event_bool(struct event *e, enum event_field field, bool value)
{
    assert(event_field_row(field)->kind == EVENT_BOOL);
    add(e, field)->number = value;
}

void event_list(struct event *e, enum event_field field, const struct span *items, size_t count)
{
    assert(event_field_row(field)->kind == EVENT_LIST);
    struct event_value *v = add(e, field);
    v->list.items = items;
    v->list.count = count;
}

void event_duration(struct event *e, int64_t duration_ms)
{
    event_number(e, FIELD_DURATION_MS, duration_ms);
    event_number(e, FIELD_DURATION, duration_ms);
}

bool event_is_complete(const struct event *e)
{
    size_t wanted = 0;
    for (const char *at = event_row(e->type)->required_z; *at != '\0'; at++)
        wanted += at[1] == ' ' || at[1] == '\0';
    return e->required == wanted;
}
