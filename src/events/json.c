#include "events/json.h"

#include <string.h>

struct json json_begin(struct buffer *out)
{
    return (struct json){.out = out, .start = buffer_len(out)};
}

int json_end(struct json *j)
{
    if (j->error < 0)
        buffer_truncate(j->out, j->start);
    return j->error;
}

static void put(struct json *j, struct span bytes)
{
    if (j->error == 0)
        j->error = buffer_put(j->out, bytes);
}

static void put_z(struct json *j, const char *text_z)
{
    put(j, span_z(text_z));
}

static void put_byte_of(struct json *j, char byte)
{
    if (j->error == 0)
        j->error = buffer_put_u8(j->out, (uint8_t)byte);
}

/* Before each value: the comma that parts it from the one before. */
static void part_values(struct json *j)
{
    if (j->comma)
        put_byte_of(j, ',');
    j->comma = true;
}

void json_open(struct json *j, char bracket)
{
    part_values(j);
    put_byte_of(j, bracket);
    j->comma = false;
}

void json_close(struct json *j, char bracket)
{
    put_byte_of(j, bracket);
    j->comma = true;
}

/* All of it at once: there are dozens in each line. */
void json_key(struct json *j, struct span key)
{
    size_t comma = j->comma ? 1 : 0;
    uint8_t *room = j->error < 0 ? NULL : buffer_reserve(j->out, comma + key.len);
    if (room == NULL) {
        put(j, key); /* which fails as well, and says why */
        return;
    }
    room[0] = ',';
    memcpy(room + comma, key.data, key.len);
    buffer_commit(j->out, comma + key.len);
    j->comma = false;
}

void json_name(struct json *j, const char *name_z)
{
    part_values(j);
    put_byte_of(j, '"');
    put_z(j, name_z);
    put_z(j, "\":");
    j->comma = false;
}

size_t json_digits(uint64_t value, size_t width, char out[JSON_DIGITS_MAX])
{
    char digits[JSON_DIGITS_MAX];
    size_t first = JSON_DIGITS_MAX;
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 || JSON_DIGITS_MAX - first < width);
    memcpy(out, digits + first, JSON_DIGITS_MAX - first);
    return JSON_DIGITS_MAX - first;
}

static void put_digits(struct json *j, uint64_t value, size_t width)
{
    char digits[JSON_DIGITS_MAX];
    put(j, span_of(digits, json_digits(value, width, digits)));
}

/* The minus of a negative number; how large it is without. */
static uint64_t put_sign(struct json *j, int64_t value)
{
    if (value < 0)
        put_byte_of(j, '-');
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

void json_number_part(struct json *j, int64_t value)
{
    put_digits(j, put_sign(j, value), 1);
}

void json_number(struct json *j, int64_t value)
{
    part_values(j);
    json_number_part(j, value);
}

void json_seconds(struct json *j, int64_t value_ms)
{
    part_values(j);
    uint64_t magnitude = put_sign(j, value_ms);
    put_digits(j, magnitude / 1000, 1);
    put_byte_of(j, '.');
    put_digits(j, magnitude % 1000, 3);
}

void json_bool(struct json *j, bool value)
{
    part_values(j);
    put_z(j, value ? "true" : "false");
}

void json_quote_open(struct json *j)
{
    part_values(j);
    put_byte_of(j, '"');
}

void json_quote_close(struct json *j)
{
    put_byte_of(j, '"');
}

void json_text(struct json *j, struct span text)
{
    json_quote_open(j);
    json_part(j, text);
    json_quote_close(j);
}

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte <= 0x7e && byte != '"' && byte != '\\';
}

/* In each byte of the word: this one. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The top bit of some byte, if any byte of the word is zero. */
static uint64_t any_zero(uint64_t word)
{
    return (word - EACH(0x01)) & ~word & EACH(0x80);
}

/* Whether is_plain for eight bytes at once: nearly all of them are, in nearly all texts. */
static bool are_plain(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    uint64_t controls = (word - EACH(0x20)) & ~word & EACH(0x80);
    return ((word & EACH(0x80)) | controls | any_zero(word ^ EACH(0x7f)) |
            any_zero(word ^ EACH('"')) | any_zero(word ^ EACH('\\'))) == 0;
}

/* Writes the plain bytes at the front of `rest`; the first that is not stays. */
static struct span put_plain(struct json *j, struct span rest)
{
    enum { WORD = sizeof(uint64_t) };
    size_t n = 0;
    while (rest.len - n >= WORD && are_plain(rest.data + n))
        n += WORD;
    if (rest.len >= WORD && rest.len - n < WORD && are_plain(rest.data + rest.len - WORD))
        n = rest.len;
    while (n < rest.len && is_plain(rest.data[n]))
        n++;
    put(j, span_slice(rest, 0, n));
    return span_slice(rest, n, rest.len);
}

/* The code point at the front of `s` and its length in bytes; length 0 where no well-formed UTF-8
 * begins (RFC 3629, section 4: no overlong form, no surrogate, none above U+10FFFF). */
static size_t decode_utf8(struct span s, uint32_t *code)
{
    uint8_t lead = s.data[0];
    size_t len = lead < 0x80   ? 1
                 : lead < 0xc2 ? 0
                 : lead < 0xe0 ? 2
                 : lead < 0xf0 ? 3
                 : lead < 0xf5 ? 4
                               : 0;
    if (len == 0 || len > s.len)
        return 0;
    uint32_t c = len == 1 ? lead : lead & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s.data[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s.data[i] & 0x3fU);
    }
    if ((len == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) ||
        (len == 4 && (c < 0x10000 || c > 0x10ffff)))
        return 0;
    *code = c;
    return len;
}

/* `count` hex digits of the value, after what introduces them. */
static void put_hex(struct json *j, const char *before_z, uint32_t value, int count)
{
    static const char DIGITS[] = "0123456789abcdef";
    char text[4];
    for (int i = 0; i < count; i++)
        text[i] = DIGITS[(value >> (4 * (count - 1 - i))) & 0xf];
    put_z(j, before_z);
    put(j, span_of(text, (size_t)count));
}

static void put_code(struct json *j, uint32_t code)
{
    static const char SHORT[] = "b\bf\fn\nr\rt\t\"\"\\\\";
    for (size_t i = 0; SHORT[i] != '\0'; i += 2) {
        if (code == (uint32_t)SHORT[i + 1]) {
            put_z(j, "\\");
            put(j, span_of(&SHORT[i], 1));
            return;
        }
    }
    if (code < 0x10000) {
        put_hex(j, "\\u", code, 4);
    } else { /* a surrogate pair (RFC 8259, section 7) */
        put_hex(j, "\\u", 0xd800 + ((code - 0x10000) >> 10), 4);
        put_hex(j, "\\u", 0xdc00 + (code & 0x3ff), 4);
    }
}

static void put_byte(struct json *j, uint8_t byte)
{
    put_hex(j, "\\\\x", byte, 2);
}

/* `bad` writes what stands for a byte that is not UTF-8. True when there was one. */
static bool put_utf8(struct json *j, struct span text, void (*bad)(struct json *j, uint8_t byte))
{
    bool any = false;
    struct span rest = put_plain(j, text);
    while (rest.len > 0 && j->error == 0) {
        uint32_t code = 0;
        size_t n = decode_utf8(rest, &code);
        if (n > 0)
            put_code(j, code);
        else
            bad(j, rest.data[0]);
        any = any || n == 0;
        rest = put_plain(j, span_slice(rest, n > 0 ? n : 1, rest.len));
    }
    return any;
}

static void put_replacement(struct json *j, uint8_t byte)
{
    (void)byte;
    put_z(j, "\\ufffd");
}

void json_part(struct json *j, struct span text)
{
    (void)put_utf8(j, text, put_byte);
}

bool json_part_lossy(struct json *j, struct span text)
{
    return put_utf8(j, text, put_replacement);
}

void json_part_ascii(struct json *j, struct span bytes)
{
    struct span rest = put_plain(j, bytes);
    while (rest.len > 0 && j->error == 0) {
        uint8_t byte = rest.data[0];
        if (byte == '\\')
            put_z(j, "\\\\\\\\");
        else if (byte == '"')
            put_z(j, "\\\"");
        else
            put_byte(j, byte);
        rest = put_plain(j, span_slice(rest, 1, rest.len));
    }
}
