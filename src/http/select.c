#include "http/select.h"

#include "http/token.h"

#include <string.h>

static struct span from(struct span text, size_t at)
{
    return (struct span){text.data + at, text.len - at};
}

/* first "-" [last], or "-" count. 1; 0: outside of it; -1: no range at all. */
static int parse_range(struct span text, uint64_t size, struct http_range *out)
{
    const uint8_t *dash = memchr(text.data, '-', text.len);
    if (!dash)
        return -1;
    struct span left = {text.data, (size_t)(dash - text.data)};
    struct span right = from(text, left.len + 1);
    uint64_t first = 0, last = 0;
    if (left.len == 0) {
        if (!http_number(right, &last))
            return -1;
        *out = (struct http_range){last < size ? size - last : 0, size - 1};
        return last > 0 && size > 0;
    }
    if (!http_number(left, &first) || (right.len && !http_number(right, &last)) ||
        (right.len && last < first))
        return -1;
    if (right.len == 0 || last >= size)
        last = size - 1;
    *out = (struct http_range){first, last};
    return first < size;
}

static bool overlap(const struct http_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; k < count; k++)
            if (ranges[i].first <= ranges[k].last && ranges[k].first <= ranges[i].last)
                return true;
    return false;
}

enum http_ranges http_ranges_parse(struct span field, uint64_t size,
                                   struct http_range ranges[HTTP_RANGES_MAX], size_t *count)
{
    static const char unit[] = "bytes=";
    const size_t unit_len = sizeof(unit) - 1;
    *count = 0;
    if (field.len < unit_len || !http_equal((struct span){field.data, unit_len}, unit))
        return HTTP_RANGES_NONE;
    struct span list = from(field, unit_len), text = {0};
    size_t seen = 0;
    while (http_list_next(&list, &text)) {
        if (++seen > HTTP_RANGES_MAX)
            return HTTP_RANGES_NONE;
        int fits = parse_range(text, size, &ranges[*count]);
        if (fits < 0)
            return HTTP_RANGES_NONE;
        *count += fits > 0;
    }
    if (seen == 0 || overlap(ranges, *count))
        return HTTP_RANGES_NONE;
    return *count ? HTTP_RANGES_SOME : HTTP_RANGES_UNSATISFIABLE;
}

static bool is_weak(struct span etag)
{
    return etag.len >= 2 && etag.data[0] == 'W' && etag.data[1] == '/';
}

bool http_etag_in(struct span list, struct span etag, bool weak)
{
    struct span given = {0};
    if (http_is(http_trim(list), "*"))
        return true;
    while (http_list_next(&list, &given)) {
        if (!weak && (is_weak(given) || is_weak(etag)))
            continue;
        struct span a = is_weak(given) ? from(given, 2) : given;
        struct span b = is_weak(etag) ? from(etag, 2) : etag;
        if (a.len == b.len && memcmp(a.data, b.data, a.len) == 0)
            return true;
    }
    return false;
}

/* "0", "1", "0.5", "1.000": in thousandths; what is none of these counts as 1 (1000). */
static int parse_weight(struct span text)
{
    if (text.len == 0 || (text.data[0] != '0' && text.data[0] != '1'))
        return 1000;
    int value = (text.data[0] - '0') * 1000, place = 100;
    for (size_t i = 2; i < text.len && i < 5 && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        value += (text.data[i] - '0') * place;
        place /= 10;
    }
    return value > 1000 ? 1000 : value;
}

/* coding [OWS ";" OWS "q=" weight] */
static int element_weight(struct span element, struct span *coding)
{
    const uint8_t *semicolon = memchr(element.data, ';', element.len);
    if (!semicolon) {
        *coding = element;
        return 1000;
    }
    size_t len = (size_t)(semicolon - element.data);
    *coding = http_trim((struct span){element.data, len});
    struct span weight = http_trim(from(element, len + 1));
    bool is_q = weight.len > 2 && (weight.data[0] | 0x20) == 'q' && weight.data[1] == '=';
    return is_q ? parse_weight(from(weight, 2)) : 1000;
}

int http_coding_weight(struct span accept, const char *coding_z)
{
    int named = -1, star = -1;
    struct span element = {0}, coding = {0};
    while (http_list_next(&accept, &element)) {
        int weight = element_weight(element, &coding);
        if (http_equal(coding, coding_z))
            named = weight;
        else if (http_is(coding, "*"))
            star = weight;
    }
    return named >= 0 ? named : star;
}
