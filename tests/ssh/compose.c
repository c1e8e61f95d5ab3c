#include "compose.h"

#include "base/cursor.h"
#include "ssh/message.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { QUOTE_MAX_CHARS = 200, COMPOSE_MAX_BYTES = 1024 * 1024 };

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* One character of a quoted text; *at moves on. */
static uint8_t unescape(const char **at)
{
    char c = *(*at)++;
    if (c != '\\')
        return (uint8_t)c;
    c = *(*at)++;
    switch (c) {
    case 'r': return '\r';
    case 'n': return '\n';
    case 't': return '\t';
    case '0': return 0;
    case 'x': {
        int high = hex_value((*at)[0]), low = hex_value((*at)[1]);
        *at += 2;
        return (uint8_t)(high << 4 | low);
    }
    default: return (uint8_t)c;
    }
}

static bool compose_text(const char **at, struct buffer *out)
{
    char quote = *(*at)++;
    struct buffer text;
    buffer_init(&text, COMPOSE_MAX_BYTES);
    while (**at && **at != quote)
        buffer_put_u8(&text, unescape(at));
    bool good = *(*at) == quote;
    *at += good;
    if (quote == '"')
        buffer_put_string(out, buffer_span(&text));
    else
        buffer_put(out, buffer_span(&text));
    buffer_fini(&text);
    return good;
}

static bool compose_bytes(const char **at, struct buffer *out)
{
    while (hex_value(**at) >= 0) {
        int high = hex_value((*at)[0]), low = hex_value((*at)[1]);
        if (low < 0)
            return false;
        buffer_put_u8(out, (uint8_t)(high << 4 | low));
        *at += 2;
    }
    return **at == '\0' || isspace((unsigned char)**at);
}

static bool compose_repeat(const char **at, size_t count, struct buffer *out)
{
    int high = hex_value((*at)[0]), low = high < 0 ? -1 : hex_value((*at)[1]);
    if (low < 0)
        return false;
    *at += 2;
    for (size_t i = 0; i < count; i++)
        buffer_put_u8(out, (uint8_t)(high << 4 | low));
    return true;
}

static bool compose_token(const char **at, struct buffer *out)
{
    char *end;
    if (**at == '"' || **at == '\'')
        return compose_text(at, out);
    if (**at == '#') {
        buffer_put_u32(out, (uint32_t)strtoul(*at + 1, &end, 10));
        *at = end;
        return true;
    }
    unsigned long count = strtoul(*at, &end, 10);
    if (*end == '*') {
        *at = end + 1;
        return compose_repeat(at, count, out);
    }
    return compose_bytes(at, out);
}

bool compose(const char *tokens_z, struct buffer *out)
{
    const char *at = tokens_z;
    for (;;) {
        while (isspace((unsigned char)*at))
            at++;
        if (!*at)
            return true;
        if (!compose_token(&at, out))
            return false;
    }
}

void compose_quote(struct span bytes, struct buffer *out)
{
    buffer_put_u8(out, '\'');
    for (size_t i = 0; i < bytes.len && i < QUOTE_MAX_CHARS; i++) {
        uint8_t c = bytes.data[i];
        if (c == '\\' || c == '\'')
            buffer_printf(out, "\\%c", c);
        else if (c >= 32 && c < 127)
            buffer_put_u8(out, c);
        else if (c == '\r' || c == '\n')
            buffer_put_z(out, c == '\r' ? "\\r" : "\\n");
        else
            buffer_printf(out, "\\x%02x", c);
    }
    if (bytes.len > QUOTE_MAX_CHARS)
        buffer_printf(out, "...%zu", bytes.len);
    buffer_put_u8(out, '\'');
}

/* Fields of a message by letters: u number, b byte, s text, e texts to the end, r all that is left (its length). */
static const struct {
    uint8_t type;
    const char *name_z, *fields_z;
} messages[] = {
    {SSH_MSG_DISCONNECT, "DISCONNECT", "uss"},
    {SSH_MSG_IGNORE, "IGNORE", "l"},
    {SSH_MSG_UNIMPLEMENTED, "UNIMPLEMENTED", "u"},
    {SSH_MSG_DEBUG, "DEBUG", "bss"},
    {SSH_MSG_SERVICE_ACCEPT, "SERVICE_ACCEPT", "s"},
    {SSH_MSG_EXT_INFO, "EXT_INFO", "ue"},
    {SSH_MSG_KEXINIT, "KEXINIT", "r"},
    {SSH_MSG_NEWKEYS, "NEWKEYS", ""},
    {SSH_MSG_KEX_REPLY, "KEX_REPLY", "r"},
    {SSH_MSG_USERAUTH_FAILURE, "USERAUTH_FAILURE", "sb"},
    {SSH_MSG_USERAUTH_SUCCESS, "USERAUTH_SUCCESS", ""},
    {SSH_MSG_GLOBAL_REQUEST, "GLOBAL_REQUEST", "sbr"},
    {SSH_MSG_REQUEST_SUCCESS, "REQUEST_SUCCESS", "r"},
    {SSH_MSG_REQUEST_FAILURE, "REQUEST_FAILURE", ""},
    {SSH_MSG_CHANNEL_OPEN, "CHANNEL_OPEN", "suuur"},
    {SSH_MSG_CHANNEL_OPEN_CONFIRMATION, "CHANNEL_OPEN_CONFIRMATION", "uuuu"},
    {SSH_MSG_CHANNEL_OPEN_FAILURE, "CHANNEL_OPEN_FAILURE", "uuss"},
    {SSH_MSG_CHANNEL_WINDOW_ADJUST, "CHANNEL_WINDOW_ADJUST", "uu"},
    {SSH_MSG_CHANNEL_DATA, "CHANNEL_DATA", "us"},
    {SSH_MSG_CHANNEL_EXTENDED_DATA, "CHANNEL_EXTENDED_DATA", "uus"},
    {SSH_MSG_CHANNEL_EOF, "CHANNEL_EOF", "u"},
    {SSH_MSG_CHANNEL_CLOSE, "CHANNEL_CLOSE", "u"},
    {SSH_MSG_CHANNEL_REQUEST, "CHANNEL_REQUEST", "usbr"},
    {SSH_MSG_CHANNEL_SUCCESS, "CHANNEL_SUCCESS", "u"},
    {SSH_MSG_CHANNEL_FAILURE, "CHANNEL_FAILURE", "u"},
    {SSH_MSG_PONG, "PONG", "s"},
};

static void render_field(char kind, struct cursor *c, struct buffer *out)
{
    buffer_put_u8(out, ' ');
    switch (kind) {
    case 'u': buffer_printf(out, "%u", cursor_u32(c)); break;
    case 'b': buffer_printf(out, "%u", cursor_u8(c)); break;
    case 's': compose_quote(cursor_string(c), out); break;
    case 'e':
        for (bool first = true; c->rest.len && !c->failed; first = false) {
            buffer_put_z(out, first ? "" : " ");
            compose_quote(cursor_string(c), out);
        }
        break;
    case 'l': buffer_printf(out, "%zu", cursor_string(c).len); break;
    default: buffer_printf(out, "+%zu", cursor_rest(c).len); break;
    }
}

void compose_render(struct span message, struct buffer *out)
{
    struct cursor c = cursor_of(message);
    uint8_t type = cursor_u8(&c);
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        if (messages[i].type != type)
            continue;
        buffer_put_z(out, messages[i].name_z);
        for (const char *kind = messages[i].fields_z; *kind; kind++)
            render_field(*kind, &c, out);
        if (cursor_end(&c) < 0)
            buffer_put_z(out, " MALFORMED");
        return;
    }
    buffer_printf(out, "MESSAGE_%u", type);
}
