#include "session/authorized.h"

#include "base/base64.h"
#include "base/cursor.h"
#include "session/account.h"

/* ---- Base64, RFC 4648, section 4 ---- */

/* False: it is none, or too long. */
static bool decode(struct span text, struct buffer *out)
{
    uint32_t bits = 0, count = 0;
    while (text.len > 0 && text.data[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_digit(text.data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (buffer_put_u8(out, (uint8_t)(bits >> count)) < 0)
            return false;
    }
    return text.len > 0;
}

/* ---- Lines ---- */

/* Takes the next word; blanks within double quotes belong to it, as options may have them. */
static struct span take_word(struct span *line)
{
    size_t from = 0;
    bool quoted = false;
    while (from < line->len && (line->data[from] == ' ' || line->data[from] == '\t'))
        from++;
    size_t to = from;
    for (; to < line->len; to++) {
        uint8_t c = line->data[to];
        if (!quoted && (c == ' ' || c == '\t' || c == '\r'))
            break;
        if (c == '"' && (to == from || line->data[to - 1] != '\\'))
            quoted = !quoted;
    }
    struct span word = span_slice(*line, from, to);
    *line = span_slice(*line, to, line->len);
    return word;
}

static bool is_named(struct span blob, struct span type)
{
    struct cursor c = cursor_of(blob);
    return type.len > 0 && span_equal(cursor_string(&c), type);
}

/* "TYPE KEY COMMENT", perhaps with one word of options before it. */
static bool read_line(struct span line, struct span *type, struct buffer *blob)
{
    struct span word = take_word(&line);
    if (word.len == 0 || word.data[0] == '#')
        return false;
    for (int words = 0; words < 2; words++) {
        struct span next = take_word(&line);
        buffer_clear(blob);
        if (decode(next, blob) && is_named(buffer_span(blob), word)) {
            *type = word;
            return true;
        }
        word = next;
    }
    return false;
}

bool session_authorized_next(struct span *text, struct span *type, struct buffer *blob)
{
    struct span line;
    while (session_account_line(text, &line))
        if (read_line(line, type, blob))
            return true;
    return false;
}
