#include "http/target.h"

#include "http/token.h"

#include <string.h>

static size_t index_of(struct span text, uint8_t c)
{
    const uint8_t *at = text.len ? memchr(text.data, c, text.len) : NULL;
    return at ? (size_t)(at - text.data) : text.len;
}

static struct span from(struct span text, size_t at)
{
    return (struct span){text.data + at, text.len - at};
}

/* scheme "://" host [path] ["?" query] */
static struct http_target split_absolute(struct span target)
{
    static const struct span root = SPAN_LIT("/");
    struct http_target out = {.path = root};
    struct span rest = from(target, index_of(target, ':') + 3);
    size_t end = 0;
    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?')
        end++;
    out.host = (struct span){rest.data, end};
    rest = from(rest, end);
    size_t question = index_of(rest, '?');
    if (question)
        out.path = (struct span){rest.data, question};
    if (question < rest.len)
        out.query = from(rest, question + 1);
    return out;
}

struct http_target http_target_split(struct span target, enum http1_form form)
{
    if (form == HTTP1_FORM_ABSOLUTE)
        return split_absolute(target);
    struct http_target out = {.path = target};
    size_t question = index_of(target, '?');
    if (form == HTTP1_FORM_ORIGIN && question < target.len) {
        out.path.len = question;
        out.query = from(target, question + 1);
    }
    return out;
}

/* The byte that stands at %XX; -1: none. */
static int decode_byte(struct span text, size_t at)
{
    if (text.len - at < 3)
        return -1;
    int high = http_hex(text.data[at + 1]), low = http_hex(text.data[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool is_dots(const uint8_t *segment, size_t len)
{
    return (len == 1 && segment[0] == '.') || (len == 2 && segment[0] == '.' && segment[1] == '.');
}

static bool has_dots(const uint8_t *path, size_t len)
{
    size_t start = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && path[i] != '/')
            continue;
        if (is_dots(path + start, i - start))
            return true;
        start = i + 1;
    }
    return false;
}

bool http_path_decode(struct span path, uint8_t *out, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < path.len; i++) {
        int c = path.data[i];
        if (c == '%') {
            c = decode_byte(path, i);
            if (c <= 0 || c == '/' || c == '\\')
                return false;
            i += 2;
        }
        out[n++] = (uint8_t)c;
    }
    *len = n;
    return !has_dots(out, n);
}

/* One side of "a=1": a plus is a space. */
static ptrdiff_t decode_form(struct span text, char *out_z, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int c = text.data[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            c = decode_byte(text, i);
            i += 2;
        }
        if (c <= 0)
            return -3;
        if (n + 1 >= size)
            return -2;
        out_z[n++] = (char)c;
    }
    if (size == 0)
        return -2;
    out_z[n] = '\0';
    return (ptrdiff_t)n;
}

/* Whether an encoded name is this one. */
static bool is_name(struct span encoded, struct span name)
{
    size_t at = 0;
    for (size_t i = 0; i < encoded.len; i++) {
        int c = encoded.data[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            c = decode_byte(encoded, i);
            i += 2;
        }
        if (at == name.len || c != name.data[at])
            return false;
        at++;
    }
    return at == name.len;
}

ptrdiff_t http_form_get(struct span form, struct span name, char *out_z, size_t size)
{
    while (form.len) {
        size_t end = index_of(form, '&');
        struct span pair = {form.data, end};
        size_t equals = index_of(pair, '=');
        if (is_name((struct span){pair.data, equals}, name))
            return decode_form(from(pair, equals < pair.len ? equals + 1 : equals), out_z, size);
        form = from(form, end < form.len ? end + 1 : end);
    }
    return -1;
}

static struct span first_segment(struct span path)
{
    return (struct span){path.data, index_of(path, '/')};
}

bool http_path_match(const char *pattern_z, struct span path, struct http_match *match)
{
    struct span pattern = {(const uint8_t *)pattern_z, strlen(pattern_z)};
    match->param_count = 0;
    match->rest = (struct span){0};
    while (pattern.len) {
        if (pattern.len == 1 && pattern.data[0] == '*') {
            match->rest = path;
            return true;
        }
        if (path.len == 0)
            return false;
        bool is_param = pattern.data[0] == ':' && pattern.data[-1] == '/';
        if (!is_param) {
            if (pattern.data[0] != path.data[0])
                return false;
            pattern = from(pattern, 1);
            path = from(path, 1);
            continue;
        }
        struct span name = first_segment(from(pattern, 1)), value = first_segment(path);
        if (value.len == 0)
            return false;
        match->params[match->param_count].name = name;
        match->params[match->param_count++].value = value;
        pattern = from(pattern, name.len + 1);
        path = from(path, value.len);
    }
    return path.len == 0;
}

bool http_pattern_is_good(const char *pattern_z)
{
    if (pattern_z[0] != '/')
        return false;
    size_t params = 0;
    for (size_t i = 1; pattern_z[i]; i++) {
        if (pattern_z[i] == ':' && pattern_z[i - 1] == '/')
            params++;
        if (pattern_z[i] == '*' && pattern_z[i + 1])
            return false;
    }
    return params <= HTTP_PARAMS_MAX;
}
