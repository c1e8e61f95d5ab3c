#include "bus/wire.h"

#include "base/error.h"

#include <string.h>

enum {
    FIELD_PATH = 1,
    FIELD_INTERFACE,
    FIELD_MEMBER,
    FIELD_ERROR,
    FIELD_REPLY,
    FIELD_DESTINATION,
    FIELD_SENDER,
    FIELD_SIGNATURE
};

/* ---- Writing ---- */

static void put(struct wire *w, const void *bytes, size_t len)
{
    if (w->error == 0)
        w->error = buffer_put(w->out, span_of(bytes, len));
}

void wire_align(struct wire *w, size_t to)
{
    static const uint8_t zeros[8];
    size_t over = buffer_len(w->out) % to;
    if (over > 0)
        put(w, zeros, to - over);
}

void wire_byte(struct wire *w, uint8_t value)
{
    put(w, &value, 1);
}

static void put_little(struct wire *w, uint64_t value, size_t len)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    wire_align(w, len);
    put(w, bytes, len);
}

void wire_u32(struct wire *w, uint32_t value)
{
    put_little(w, value, 4);
}

void wire_u64(struct wire *w, uint64_t value)
{
    put_little(w, value, 8);
}

static void put_span(struct wire *w, struct span text)
{
    wire_u32(w, (uint32_t)text.len);
    put(w, text.data, text.len);
    wire_byte(w, 0);
}

void wire_text(struct wire *w, const char *text_z)
{
    put_span(w, span_z(text_z));
}

void wire_signature(struct wire *w, const char *text_z)
{
    wire_byte(w, (uint8_t)strlen(text_z));
    put(w, text_z, strlen(text_z) + 1);
}

struct wire_array wire_begin(struct wire *w, size_t align)
{
    wire_align(w, 4);
    struct wire_array array = {.len_at = buffer_len(w->out)};
    wire_u32(w, 0);
    wire_align(w, align);
    array.start = buffer_len(w->out);
    return array;
}

void wire_end(struct wire *w, struct wire_array array)
{
    size_t len = buffer_len(w->out) - array.start;
    uint8_t *bytes = (uint8_t *)buffer_span(w->out).data; /* our own */
    if (w->error != 0 || bytes == NULL)
        return;
    uint8_t *at = bytes + array.len_at;
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(len >> (8 * i));
}

/* ---- Reading ---- */

static struct span take(struct wire_in *in, size_t align, size_t len)
{
    size_t from = (in->at + align - 1) / align * align;
    if (in->failed || from > in->bytes.len || len > in->bytes.len - from) {
        in->failed = true;
        return span_of(NULL, 0);
    }
    in->at = from + len;
    return span_slice(in->bytes, from, from + len);
}

uint8_t wire_in_byte(struct wire_in *in)
{
    struct span b = take(in, 1, 1);
    return b.len == 1 ? b.data[0] : 0;
}

uint32_t wire_in_u32(struct wire_in *in)
{
    struct span b = take(in, 4, 4);
    return b.len == 4 ? (uint32_t)b.data[0] | (uint32_t)b.data[1] << 8 | (uint32_t)b.data[2] << 16 |
                            (uint32_t)b.data[3] << 24
                      : 0;
}

static struct span take_text(struct wire_in *in, size_t len)
{
    struct span text = take(in, 1, len);
    if (wire_in_byte(in) != 0)
        in->failed = true;
    return in->failed ? span_of(NULL, 0) : text;
}

struct span wire_in_text(struct wire_in *in)
{
    size_t len = wire_in_u32(in);
    return take_text(in, len);
}

struct span wire_in_signature(struct wire_in *in)
{
    size_t len = wire_in_byte(in);
    return take_text(in, len);
}

size_t wire_in_array(struct wire_in *in, size_t align)
{
    size_t len = wire_in_u32(in);
    (void)take(in, align, 0);
    if (in->failed || len > in->bytes.len - in->at) {
        in->failed = true;
        return in->at;
    }
    return in->at + len;
}

/* ---- Messages ---- */

static size_t up_to_8(size_t n)
{
    return (n + 7) / 8 * 8;
}

int64_t wire_message_len(struct span bytes)
{
    struct wire_in in = {.bytes = bytes, .at = 4};
    if (bytes.len < WIRE_HEADER)
        return 0;
    if (bytes.data[0] != 'l' || bytes.data[3] != 1)
        return ERR_MALFORMED;
    uint64_t body = wire_in_u32(&in);
    (void)wire_in_u32(&in);
    uint64_t fields = wire_in_u32(&in);
    if (body + fields > WIRE_REQUEST_MAX)
        return ERR_FULL;
    return (int64_t)(up_to_8(WIRE_HEADER + (size_t)fields) + body);
}

static void read_field(struct wire_in *in, struct wire_message *m)
{
    (void)take(in, 8, 0);
    uint8_t code = wire_in_byte(in);
    struct span type = wire_in_signature(in);
    struct span value = {NULL, 0};
    uint32_t number = 0;
    if (span_equal_z(type, "s") || span_equal_z(type, "o"))
        value = wire_in_text(in);
    else if (span_equal_z(type, "g"))
        value = wire_in_signature(in);
    else if (span_equal_z(type, "u"))
        number = wire_in_u32(in);
    else
        in->failed = true;
    switch (code) {
    case FIELD_PATH: m->path = value; break;
    case FIELD_INTERFACE: m->interface = value; break;
    case FIELD_MEMBER: m->member = value; break;
    case FIELD_ERROR: m->error = value; break;
    case FIELD_REPLY: m->reply_serial = number; break;
    case FIELD_DESTINATION: m->destination = value; break;
    case FIELD_SENDER: m->sender = value; break;
    case FIELD_SIGNATURE: m->signature = value; break;
    default: break;
    }
}

int wire_message_read(struct span bytes, struct wire_message *out)
{
    struct wire_in in = {.bytes = bytes, .at = 4};
    *out = (struct wire_message){0};
    int64_t len = wire_message_len(bytes);
    if (len <= 0 || (size_t)len != bytes.len)
        return ERR_MALFORMED;
    out->type = bytes.data[1];
    out->flags = bytes.data[2];
    uint32_t body = wire_in_u32(&in);
    out->serial = wire_in_u32(&in);
    size_t end = wire_in_array(&in, 8);
    in.bytes = span_slice(bytes, 0, end);
    while (!in.failed && in.at < end)
        read_field(&in, out);
    out->body = span_slice(bytes, bytes.len - body, bytes.len);
    return in.failed || out->serial == 0 ? ERR_MALFORMED : 0;
}

static void write_field(struct wire *w, uint8_t code, const char *type_z, struct span value)
{
    if (value.len == 0)
        return;
    wire_align(w, 8);
    wire_byte(w, code);
    wire_signature(w, type_z);
    if (type_z[0] != 'g') {
        put_span(w, value);
        return;
    }
    wire_byte(w, (uint8_t)value.len);
    put(w, value.data, value.len);
    wire_byte(w, 0);
}

int wire_message_write(const struct wire_message *m, struct buffer *out)
{
    struct buffer head;
    buffer_init(&head, WIRE_MESSAGE_MAX);
    struct wire w = {.out = &head};
    const uint8_t start[4] = {'l', m->type, m->flags, 1};
    put(&w, start, sizeof(start));
    wire_u32(&w, (uint32_t)m->body.len);
    wire_u32(&w, m->serial);
    struct wire_array fields = wire_begin(&w, 8);
    write_field(&w, FIELD_PATH, "o", m->path);
    write_field(&w, FIELD_INTERFACE, "s", m->interface);
    write_field(&w, FIELD_MEMBER, "s", m->member);
    write_field(&w, FIELD_ERROR, "s", m->error);
    if (m->reply_serial != 0) {
        wire_align(&w, 8);
        wire_byte(&w, FIELD_REPLY);
        wire_signature(&w, "u");
        wire_u32(&w, m->reply_serial);
    }
    write_field(&w, FIELD_DESTINATION, "s", m->destination);
    write_field(&w, FIELD_SENDER, "s", m->sender);
    write_field(&w, FIELD_SIGNATURE, "g", m->signature);
    wire_end(&w, fields);
    wire_align(&w, 8);
    int rc = w.error;
    if (rc == 0)
        rc = buffer_put(out, buffer_span(&head));
    if (rc == 0)
        rc = buffer_put(out, m->body);
    buffer_fini(&head);
    return rc;
}
