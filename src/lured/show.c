#include "lured/show.h"

#include <stdio.h>
#include <string.h>

/* The first prefix of an id that fits says its colour (ECMA-48, SGR). */
static const struct {
    const char *prefix_z, *sgr_z;
} COLOURS[] = {
    {"cowrie.login.success", "1;32"},
    {"cowrie.login.failed", "31"},
    {"cowrie.command.", "1;36"},
    {"cowrie.session.file", "1;35"},
    {"cowrie.direct-tcpip", "33"},
    {"lured.connect", "33"},
    {"cowrie.session.connect", "1"},
    {"cowrie.session.closed", "2"},
    {"lured.process.", "36"},
    {"lured.file.", "35"},
    {"lured.session.limit", "1;33"},
    {"lured.session.lost", "1;31"},
    {"lured.record.gap", "1;31"},
    {"lured.syscall.refused", "2"},
    {"cowrie.", "0"},
    {"lured.", "0"},
};

static bool is_hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe0fff);
}

/* The text is JSON's and so well-formed UTF-8. */
static size_t decode(struct span s, uint32_t *code)
{
    uint8_t lead = s.data[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    *code = len == 1 ? lead : lead & (0x7fU >> len);
    for (size_t i = 1; i < len && i < s.len; i++)
        *code = *code << 6 | (s.data[i] & 0x3fU);
    return len < s.len ? len : s.len;
}

int show_text(struct span utf8, struct buffer *out)
{
    int error = 0;
    while (utf8.len > 0 && error == 0) {
        uint32_t code = 0;
        size_t n = decode(utf8, &code);
        if (!is_hidden(code))
            error = buffer_put(out, span_slice(utf8, 0, n));
        else if (code < 0x100)
            error = buffer_printf(out, "\\x%02x", (unsigned)code);
        else
            error = buffer_printf(out, "\\u{%x}", (unsigned)code);
        utf8 = span_slice(utf8, n, utf8.len);
    }
    return error;
}

static struct span text_of(const json_t *event, const char *name_z)
{
    const json_t *value = json_object_get(event, name_z);
    return span_of(json_string_value(value), json_string_length(value));
}

static const char *colour_of(struct span id)
{
    for (size_t i = 0; i < ARRAY_LEN(COLOURS); i++)
        if (span_starts_with(id, span_z(COLOURS[i].prefix_z)))
            return COLOURS[i].sgr_z;
    return "0";
}

/* "2026-11-21T23:59:59.123456Z" without the parts that all lines share or nobody reads. */
static int put_time(struct span timestamp, struct buffer *out)
{
    int error = show_text(span_slice(timestamp, 0, 10), out);
    if (error == 0)
        error = buffer_put_z(out, " ");
    return error == 0 ? show_text(span_slice(timestamp, 11, 19), out) : error;
}

static int put_column(struct span text, size_t width, struct buffer *out)
{
    size_t before = buffer_len(out);
    int error = buffer_put_z(out, "  ");
    if (error == 0)
        error = show_text(text.len > 0 ? text : span_z("-"), out);
    while (error == 0 && buffer_len(out) - before < width + 2)
        error = buffer_put_z(out, " ");
    return error;
}

int show_event(const json_t *event, bool colours, struct buffer *out)
{
    struct span id = text_of(event, "eventid");
    struct span message = text_of(event, "message");
    /* Events without words are shown by their name. */
    if (message.len == 0)
        message = id;
    int error = put_time(text_of(event, "timestamp"), out);
    if (error == 0)
        error = put_column(text_of(event, "session"), 12, out);
    if (error == 0)
        error = put_column(text_of(event, "src_ip"), 15, out);
    if (error == 0)
        error = buffer_put_z(out, "  ");
    if (error == 0 && colours)
        error = buffer_printf(out, "\x1b[%sm", colour_of(id));
    if (error == 0)
        error = show_text(message, out);
    if (error == 0 && colours)
        error = buffer_put_z(out, "\x1b[0m");
    return error == 0 ? buffer_put_z(out, "\n") : error;
}
