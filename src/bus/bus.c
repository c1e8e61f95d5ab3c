#include "bus/bus.h"

#include "base/error.h"
#include "bus/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUS_OUT_MAX = 4 << 20,
    BUS_LINE_MAX = 512, /* of the authentication */
    CLIENT_NAME = 16,
    TOGETHER_MAX = 32, /* messages that come with one feed */
};

struct bus {
    bool is_system, is_authentic, is_open; /* AUTH was good; BEGIN was said */
    bool begun;                            /* the NUL was there */
    uint32_t uid, serial, number;
    char name_z[CLIENT_NAME];
    struct buffer in, out, later; /* later: signals that follow the answer */
};

const char *bus_client(const struct bus *bus)
{
    return bus->name_z;
}

struct bus *bus_new(uint32_t number, uint32_t uid)
{
    struct bus *bus = calloc(1, sizeof(*bus));
    if (bus == NULL)
        return NULL;
    bus->is_system = number != 0;
    (void)snprintf(bus->name_z, sizeof(bus->name_z), ":1.%u", number);
    bus->uid = uid;
    bus->number = number;
    buffer_init(&bus->in, (size_t)2 * WIRE_REQUEST_MAX);
    buffer_init(&bus->out, BUS_OUT_MAX);
    buffer_init(&bus->later, BUS_OUT_MAX);
    return bus;
}

void bus_free(struct bus *bus)
{
    if (bus == NULL)
        return;
    buffer_fini(&bus->in);
    buffer_fini(&bus->out);
    buffer_fini(&bus->later);
    free(bus);
}

struct span bus_out(struct bus *bus)
{
    return buffer_span(&bus->out);
}

void bus_sent(struct bus *bus, size_t n)
{
    buffer_take(&bus->out, n);
}

/* ---- Authentication: D-Bus specification, "Authentication Protocol" ---- */

static int answer_auth(struct bus *bus, const struct bus_host *host, struct span line)
{
    static const struct span external = SPAN_LIT("AUTH EXTERNAL");
    if (span_equal_z(line, "BEGIN")) {
        bus->is_open = bus->is_authentic;
        return bus->is_open ? 0 : ERR_MALFORMED;
    }
    if (span_equal(line, external))
        return buffer_put_z(&bus->out, "DATA\r\n");
    if (span_starts_with(line, external) || span_starts_with(line, span_z("DATA"))) {
        bus->is_authentic = true; /* the kernel knows who it is */
        return buffer_printf(&bus->out, "OK %s\r\n", host->machine_id_z);
    }
    if (span_equal_z(line, "NEGOTIATE_UNIX_FD"))
        return buffer_put_z(&bus->out, bus->is_authentic ? "AGREE_UNIX_FD\r\n" : "ERROR\r\n");
    if (span_starts_with(line, span_z("AUTH")) || span_starts_with(line, span_z("CANCEL")))
        return buffer_put_z(&bus->out, "REJECTED EXTERNAL\r\n");
    return buffer_put_z(&bus->out, "ERROR\r\n");
}

/* A line, or the NUL before the first. 1: something was taken; 0: more is needed. */
static int feed_auth(struct bus *bus, const struct bus_host *host)
{
    struct span in = buffer_span(&bus->in);
    if (!bus->begun) {
        if (in.len > 0 && in.data[0] != 0)
            return ERR_MALFORMED;
        buffer_take(&bus->in, in.len > 0 ? 1 : 0);
        bus->begun = in.len > 0;
        return in.len > 0 ? 1 : 0;
    }
    ptrdiff_t end = in.len > 0 ? span_find(in, '\n', 0) : -1;
    if (end < 0 || in.data == NULL)
        return in.len > BUS_LINE_MAX ? ERR_MALFORMED : 0;
    size_t len = end > 0 && in.data[end - 1] == '\r' ? (size_t)end - 1 : (size_t)end;
    int rc = answer_auth(bus, host, span_slice(in, 0, len));
    buffer_take(&bus->in, (size_t)end + 1);
    return rc < 0 ? rc : 1;
}

/* ---- Answers ---- */

void bus_refuse(struct bus_call *c, const char *error_z, const char *format_z, ...)
{
    va_list args;
    va_start(args, format_z);
    (void)vsnprintf(c->text_z, sizeof(c->text_z), format_z, args);
    va_end(args);
    c->error_z = error_z;
}

static int put_message(struct bus *bus, struct wire_message *m, struct buffer *out)
{
    m->serial = ++bus->serial;
    m->flags = WIRE_NO_REPLY;
    if (bus->is_system) {
        m->destination = span_z(bus->name_z);
        if (m->sender.len == 0)
            m->sender = span_z("org.freedesktop.DBus");
    }
    return wire_message_write(m, out);
}

/* Who is started by the call has the next number. */
static const char *sender_of(const struct bus_call *c, char room_z[CLIENT_NAME])
{
    if (!c->bus->is_system)
        return "";
    if (c->name->unique_z[0] != '\0')
        return c->name->unique_z;
    (void)snprintf(room_z, CLIENT_NAME, ":1.%u", c->bus->number + 1);
    return room_z;
}

void bus_signal(struct bus_call *c, const char *path_z, const char *interface_z,
                const char *member_z, const char *signature_z, struct span body)
{
    char unique_z[CLIENT_NAME];
    struct wire_message m = {.type = WIRE_SIGNAL,
                             .path = span_z(path_z),
                             .interface = span_z(interface_z),
                             .member = span_z(member_z),
                             .signature = span_z(signature_z),
                             .sender = span_z(sender_of(c, unique_z)),
                             .body = body};
    if (put_message(c->bus, &m, &c->bus->later) < 0)
        c->w.error = ERR_FULL;
}

void bus_job_path(uint32_t job, char out_z[BUS_NAME_MAX])
{
    (void)snprintf(out_z, BUS_NAME_MAX, "/org/freedesktop/systemd1/job/%u", job);
}

void bus_job_removed(struct buffer *body, uint32_t job, const char *unit_z, const char *result_z)
{
    char path_z[BUS_NAME_MAX];
    bus_job_path(job, path_z);
    buffer_init(body, BUS_PATH_MAX);
    struct wire w = {.out = body};
    wire_u32(&w, job);
    wire_text(&w, path_z);
    wire_text(&w, unit_z);
    wire_text(&w, result_z);
}

void bus_job_done(struct bus *bus, uint32_t job, const char *unit_z, const char *result_z)
{
    struct buffer body;
    if (!bus->is_open)
        return;
    bus_job_removed(&body, job, unit_z, result_z);
    struct wire_message m = {.type = WIRE_SIGNAL,
                             .path = span_z("/org/freedesktop/systemd1"),
                             .interface = span_z("org.freedesktop.systemd1.Manager"),
                             .member = span_z("JobRemoved"),
                             .signature = span_z("uoss"),
                             .sender = span_z(bus->is_system ? ":1.0" : ""),
                             .body = buffer_span(&body)};
    (void)put_message(bus, &m, &bus->out);
    buffer_fini(&body);
}

static int put_answer(struct bus *bus, struct bus_call *c)
{
    char unique_z[CLIENT_NAME];
    struct buffer text;
    buffer_init(&text, (size_t)2 * BUS_ERROR_TEXT);
    struct wire_message m = {.type = WIRE_RETURN,
                             .reply_serial = c->message->serial,
                             .sender = span_z(sender_of(c, unique_z)),
                             .signature = span_z(c->signature_z),
                             .body = buffer_span(c->w.out)};
    if (c->error_z != NULL) {
        struct wire w = {.out = &text};
        wire_text(&w, c->text_z);
        m.type = WIRE_ERROR;
        m.error = span_z(c->error_z);
        m.signature = span_z("s");
        m.body = buffer_span(&text);
    }
    int rc = c->w.error;
    if (rc == 0 && (c->message->flags & WIRE_NO_REPLY) == 0)
        rc = put_message(bus, &m, &bus->out);
    if (rc == 0)
        rc = buffer_put(&bus->out, buffer_span(&bus->later));
    buffer_clear(&bus->later);
    buffer_fini(&text);
    return rc;
}

/* ---- Properties ---- */

bool bus_wants(struct bus_call *c, const char *interface_z, const char *name_z,
               const char *signature_z)
{
    bool is_interface = c->interface.len == 0 || span_equal_z(c->interface, interface_z);
    if (!is_interface ||
        (c->property.len > 0 && (c->is_found || !span_equal_z(c->property, name_z))))
        return false;
    if (c->is_noting) {
        (void)buffer_printf(&c->notes, "%s %s %s\n", interface_z, name_z, signature_z);
        return false;
    }
    c->is_found = true;
    if (c->property.len == 0) {
        wire_align(&c->w, 8);
        wire_text(&c->w, name_z);
    }
    wire_signature(&c->w, signature_z);
    return true;
}

void bus_text(struct bus_call *c, const char *interface_z, const char *name_z, const char *text_z)
{
    if (bus_wants(c, interface_z, name_z, "s"))
        wire_text(&c->w, text_z);
}

void bus_path(struct bus_call *c, const char *interface_z, const char *name_z, const char *text_z)
{
    if (bus_wants(c, interface_z, name_z, "o"))
        wire_text(&c->w, text_z);
}

void bus_words(struct bus_call *c, const char *interface_z, const char *name_z, const char *text_z)
{
    char word_z[BUS_PATH_MAX];
    if (!bus_wants(c, interface_z, name_z, "as"))
        return;
    struct wire_array words = wire_begin(&c->w, 4);
    for (struct span rest = span_z(text_z); rest.len > 0;) {
        ptrdiff_t end = span_find(rest, ' ', 0);
        size_t len = end < 0 ? rest.len : (size_t)end;
        (void)span_copy_z(span_slice(rest, 0, len), word_z, sizeof(word_z));
        if (len > 0)
            wire_text(&c->w, word_z);
        rest = span_slice(rest, len + 1, rest.len);
    }
    wire_end(&c->w, words);
}

void bus_u32(struct bus_call *c, const char *interface_z, const char *name_z, uint32_t value)
{
    if (bus_wants(c, interface_z, name_z, "u"))
        wire_u32(&c->w, value);
}

void bus_u64(struct bus_call *c, const char *interface_z, const char *name_z, uint64_t value)
{
    if (bus_wants(c, interface_z, name_z, "t"))
        wire_u64(&c->w, value);
}

void bus_bool(struct bus_call *c, const char *interface_z, const char *name_z, bool value)
{
    if (bus_wants(c, interface_z, name_z, "b"))
        wire_u32(&c->w, value);
}

static const struct bus_object *object_of(const struct bus_object *table, struct span path)
{
    for (; table->path_z != NULL; table++) {
        struct span own = span_z(table->path_z);
        if (table->is_prefix ? span_starts_with(path, own) : span_equal(path, own))
            return table;
    }
    return NULL;
}

/* Below whom an object is. */
static bool is_below(const struct bus_call *c, struct span path)
{
    return c->name == NULL || span_starts_with(path, span_z(c->name->path_z));
}

const struct bus_object *bus_object_find(const struct bus_call *c)
{
    static const struct bus_object *const tables[] = {bus_manager_objects, bus_daemon_objects,
                                                      bus_login_objects};
    const struct bus_object *o = NULL;
    struct span path = c->message->path;
    for (size_t i = 0; i < ARRAY_LEN(tables) && o == NULL && is_below(c, path); i++)
        if (i == 0 || c->bus->is_system)
            o = object_of(tables[i], path);
    return o;
}

static void properties(struct bus_call *c, bool all)
{
    const struct bus_object *o = bus_object_find(c);
    c->interface = wire_in_text(&c->in);
    if (!all)
        c->property = wire_in_text(&c->in);
    if (o == NULL || c->in.failed) {
        bus_refuse(c, "org.freedesktop.DBus.Error.UnknownObject", "Unknown object '%.*s'.",
                   (int)c->message->path.len, (const char *)c->message->path.data);
        return;
    }
    struct wire_array dict = {0};
    if (all)
        dict = wire_begin(&c->w, 8);
    o->properties(c);
    if (all)
        wire_end(&c->w, dict);
    c->signature_z = all ? "a{sv}" : "v";
    if (!all && !c->is_found)
        bus_refuse(c, "org.freedesktop.DBus.Error.UnknownProperty", "Unknown property %.*s.",
                   (int)c->property.len, (const char *)c->property.data);
}

/* ---- Calls ---- */

static const struct bus_method *method_of(const struct bus_call *c, const struct bus_method *table)
{
    const struct wire_message *m = c->message;
    for (; table->member_z != NULL; table++)
        if (span_equal_z(m->member, table->member_z) &&
            (m->interface.len == 0 || span_equal_z(m->interface, table->interface_z)))
            return table;
    return NULL;
}

/* Whose methods they are, by the start of their interfaces' names. */
static bool are_of(const struct bus_call *c, const struct bus_method *table)
{
    return c->name == NULL || span_starts_with(span_z(table->interface_z), span_z(c->name->name_z));
}

static const struct bus_method *find_method(const struct bus_call *c)
{
    static const struct bus_method *const tables[] = {bus_manager_methods, bus_name_methods,
                                                      bus_host_methods, bus_time_methods,
                                                      bus_login_methods};
    const struct bus_method *found = method_of(c, bus_peer_methods);
    for (size_t i = 0; i < ARRAY_LEN(tables) && found == NULL; i++)
        if (are_of(c, tables[i]) && (i == 0 || c->bus->is_system))
            found = method_of(c, tables[i]);
    return found;
}

/* Who is called; false: nobody has that name. Without a name it is the bus itself. */
static bool find_name(struct bus_call *c)
{
    struct span name = c->message->destination;
    if (!c->bus->is_system)
        name = span_z("org.freedesktop.systemd1");
    else if (name.len == 0)
        name = span_z("org.freedesktop.DBus");
    c->name = bus_name_find(name);
    if (c->name != NULL)
        return true;
    bus_refuse_name(c, name);
    c->name = bus_name_find(span_z("org.freedesktop.DBus")); /* who says so */
    return false;
}

static void dispatch(struct bus_call *c)
{
    const struct wire_message *m = c->message;
    bool is_get = span_equal_z(m->member, "Get"), is_all = span_equal_z(m->member, "GetAll");
    if (!find_name(c))
        return;
    const struct bus_method *method = find_method(c);
    if (span_equal_z(m->interface, "org.freedesktop.DBus.Properties") && (is_get || is_all))
        properties(c, is_all);
    else if (method == NULL)
        bus_refuse(c, "org.freedesktop.DBus.Error.UnknownMethod",
                   "Unknown method %.*s or interface %.*s.", (int)m->member.len,
                   (const char *)m->member.data, (int)m->interface.len,
                   (const char *)m->interface.data);
    else if (method->is_roots && c->uid != 0)
        bus_refuse(c, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
                   "Interactive authentication required.");
    else
        method->fn(c);
}

static int answer(struct bus *bus, const struct bus_host *host, const struct wire_message *m)
{
    struct buffer body;
    buffer_init(&body, WIRE_MESSAGE_MAX);
    struct bus_call c = {.bus = bus,
                         .host = host,
                         .message = m,
                         .uid = bus->uid,
                         .in = {.bytes = m->body},
                         .w = {.out = &body},
                         .signature_z = ""};
    int rc = 0;
    if (m->type == WIRE_CALL) {
        dispatch(&c);
        rc = put_answer(bus, &c);
    }
    buffer_fini(&body);
    return rc;
}

/* 1: a message was taken; 0: more is needed. */
static int feed_message(struct bus *bus, const struct bus_host *host)
{
    struct wire_message m;
    struct span in = buffer_span(&bus->in);
    int64_t len = wire_message_len(in);
    if (len <= 0 || (uint64_t)len > in.len)
        return len < 0 ? (int)len : 0;
    int rc = wire_message_read(span_slice(in, 0, (size_t)len), &m);
    if (rc == 0)
        rc = answer(bus, host, &m);
    buffer_take(&bus->in, (size_t)len);
    return rc < 0 ? rc : 1;
}

int bus_feed(struct bus *bus, const struct bus_host *host, struct span in)
{
    int rc = buffer_put(&bus->in, in);
    for (int i = 0; rc >= 0; i++) {
        if (i == TOGETHER_MAX)
            return ERR_FULL;
        rc = bus->is_open ? feed_message(bus, host) : feed_auth(bus, host);
        if (rc == 0)
            return 0;
    }
    return rc;
}
