#include "http/token.h"

#include <string.h>

/* clang-format off */
/* A row of sixteen bytes, as sums of enum http_class. */
const uint8_t http_class[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, /* 00 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 10 */
    2, 15, 2, 3, 15, 15, 15, 15, 14, 14, 15, 15, 14, 15, 15, 6, /* 20 */
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 14, 14, 2, 14, 2, 6, /* 30 */
    6, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* 40 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 6, 14, 7, 15, /* 50 */
    7, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* 60 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6, 7, 6, 15, 0, /* 70 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 80 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 90 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* a0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* b0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* c0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* d0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* e0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* f0 */
};
/* clang-format on */

bool http_is_all(struct span text, enum http_class class)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(http_class[text.data[i]] & class))
            return false;
    return true;
}

bool http_is_token(struct span text)
{
    return text.len > 0 && http_is_all(text, HTTP_CLASS_TOKEN);
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool http_equal_bytes(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

bool http_is(struct span text, const char *word_z)
{
    return text.len == strlen(word_z) && memcmp(text.data, word_z, text.len) == 0;
}

bool http_equal(struct span text, const char *word_z)
{
    return text.len == strlen(word_z) &&
           http_equal_bytes(text.data, (const uint8_t *)word_z, text.len);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

struct span http_trim(struct span text)
{
    while (text.len && is_blank(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

/* Where the first element ends: at a comma outside of quotes. */
static size_t element_len(struct span text)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"')
            quoted = !quoted;
        else if (c == '\\' && quoted && i + 1 < text.len)
            i++;
        else if (c == ',' && !quoted)
            break;
    }
    return i;
}

bool http_list_next(struct span *rest, struct span *element)
{
    while (rest->len) {
        size_t len = element_len(*rest);
        *element = http_trim((struct span){rest->data, len});
        size_t taken = len < rest->len ? len + 1 : len;
        rest->data += taken;
        rest->len -= taken;
        if (element->len)
            return true;
    }
    return false;
}

bool http_list_has(struct span list, const char *token_z)
{
    struct span element;
    while (http_list_next(&list, &element))
        if (http_equal(element, token_z))
            return true;
    return false;
}

bool http_number(struct span text, uint64_t *out)
{
    enum { PLACES_MAX = 19 };
    uint64_t value = 0;
    if (text.len == 0 || text.len > PLACES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *out = value;
    return value <= INT64_MAX;
}

int http_hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
