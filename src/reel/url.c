#include <reel/url.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { PORT_MAX = 65535 };

struct text {
    const char *data;
    size_t len;
};

/* RFC 3986 in its five parts (appendix B); `has` where an empty part differs from none. */
struct parts {
    struct text scheme, authority, path, query, fragment;
    bool has_scheme, has_authority, has_query, has_fragment;
};

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_url_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("\"<>\\^`{|}", text[i]))
            return false;
    return true;
}

/* The bytes of `rest` up to one of `stops`, taken off it. */
static struct text take_until(struct text *rest, const char *stops_z)
{
    struct text taken = {rest->data, 0};
    while (taken.len < rest->len && !strchr(stops_z, rest->data[taken.len]))
        taken.len++;
    rest->data += taken.len;
    rest->len -= taken.len;
    return taken;
}

static bool take(struct text *rest, const char *word_z)
{
    size_t len = strlen(word_z);
    if (rest->len < len || memcmp(rest->data, word_z, len) != 0)
        return false;
    rest->data += len;
    rest->len -= len;
    return true;
}

static bool is_scheme(struct text text)
{
    if (text.len == 0 || !is_alpha(text.data[0]))
        return false;
    for (size_t i = 1; i < text.len; i++)
        if (!is_alpha(text.data[i]) && !is_digit(text.data[i]) && !strchr("+-.", text.data[i]))
            return false;
    return true;
}

static void split(struct text rest, struct parts *parts)
{
    *parts = (struct parts){0};
    struct text all = rest;
    parts->scheme = take_until(&rest, ":/?#");
    parts->has_scheme = is_scheme(parts->scheme) && take(&rest, ":");
    if (!parts->has_scheme)
        rest = all;
    parts->has_authority = take(&rest, "//");
    if (parts->has_authority)
        parts->authority = take_until(&rest, "/?#");
    parts->path = take_until(&rest, "?#");
    parts->has_query = take(&rest, "?");
    if (parts->has_query)
        parts->query = take_until(&rest, "#");
    parts->has_fragment = take(&rest, "#");
    if (parts->has_fragment)
        parts->fragment = rest;
}

static bool is_host(struct text host, bool is_ipv6)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.data[i];
        bool is_hex = is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
        if (is_ipv6 ? !is_hex && !strchr(":.", c)
                    : !is_alpha(c) && !is_digit(c) && !strchr("-._", c))
            return false;
    }
    return host.len > 0;
}

static uint16_t default_port(const struct reel_url *url)
{
    static const struct {
        const char *scheme_z;
        uint16_t port;
    } ports[] = {{"http", 80}, {"https", 443}, {"ws", 80}, {"wss", 443}};
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
        if (reel_url_is(url, ports[i].scheme_z))
            return ports[i].port;
    return 0;
}

/* ":80", ":" or nothing. */
static int parse_port(struct text rest, struct reel_url *out)
{
    unsigned port = 0;
    if (rest.len && !take(&rest, ":"))
        return -EINVAL;
    out->port_given = rest.len > 0;
    for (size_t i = 0; i < rest.len; i++) {
        if (!is_digit(rest.data[i]))
            return -EINVAL;
        port = port * 10 + (unsigned)(rest.data[i] - '0');
        if (port > PORT_MAX)
            return -EINVAL;
    }
    if (out->port_given && port == 0)
        return -EINVAL;
    out->port = out->port_given ? (uint16_t)port : default_port(out);
    return 0;
}

static int parse_authority(struct text rest, struct reel_url *out)
{
    size_t at = rest.len;
    while (at > 0 && rest.data[at - 1] != '@')
        at--;
    if (at > 0) {
        out->user = rest.data;
        out->user_len = at - 1;
        if (memchr(rest.data, '@', at - 1))
            return -EINVAL; /* two readers could take two hosts for it */
        rest.data += at;
        rest.len -= at;
    }
    out->is_ipv6 = take(&rest, "[");
    struct text host = take_until(&rest, out->is_ipv6 ? "]" : ":");
    if (out->is_ipv6 && !take(&rest, "]"))
        return -EINVAL;
    if (!is_host(host, out->is_ipv6))
        return -EINVAL;
    if (host.len > REEL_URL_HOST_MAX)
        return -ENAMETOOLONG;
    out->host = host.data;
    out->host_len = host.len;
    return parse_port(rest, out);
}

int reel_url_parse(const char *text, size_t len, struct reel_url *out)
{
    struct parts parts;
    *out = (struct reel_url){.user = "", .fragment = ""};
    if (len > REEL_URL_MAX)
        return -ENAMETOOLONG;
    if (!is_url_text(text, len))
        return -EINVAL;
    split((struct text){text, len}, &parts);
    if (!parts.has_scheme || !parts.has_authority)
        return -EINVAL;
    out->scheme = parts.scheme.data;
    out->scheme_len = parts.scheme.len;
    out->target = parts.path.data;
    out->target_len = parts.path.len + (parts.has_query ? 1 + parts.query.len : 0);
    if (parts.has_fragment) {
        out->fragment = parts.fragment.data;
        out->fragment_len = parts.fragment.len;
    }
    return parse_authority(parts.authority, out);
}

bool reel_url_is(const struct reel_url *url, const char *scheme_z)
{
    return strlen(scheme_z) == url->scheme_len &&
           strncasecmp(url->scheme, scheme_z, url->scheme_len) == 0;
}

/* ---- joining ---- */

/* A text being written; what does not fit is counted, and so found out at the end. */
struct sink {
    char *out;
    size_t size, len;
};

static void put(struct sink *s, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++, s->len++)
        if (s->len < s->size)
            s->out[s->len] = data[i];
}

static void put_part(struct sink *s, const char *before_z, struct text text)
{
    put(s, before_z, strlen(before_z));
    put(s, text.data, text.len);
}

/* Drops the last segment of the path that was written from `start` on. */
static void drop_segment(struct sink *s, size_t start)
{
    while (s->len > start && s->out[s->len - 1] != '/')
        s->len--;
    if (s->len > start)
        s->len--;
}

/* RFC 3986, 5.2.4, on an absolute path; the whole of it fits. */
static void put_without_dots(struct sink *s, struct text path)
{
    size_t start = s->len;
    while (take(&path, "/")) {
        struct text segment = take_until(&path, "/");
        bool is_last = path.len == 0;
        if (segment.len == 1 && segment.data[0] == '.') {
            put(s, "/", is_last);
        } else if (segment.len == 2 && memcmp(segment.data, "..", 2) == 0) {
            drop_segment(s, start);
            put(s, "/", is_last);
        } else {
            put_part(s, "/", segment);
        }
    }
}

/* The reference's path, on top of the base's directory (5.2.3). */
static size_t merge_paths(const struct parts *base, struct text path, char *merged, size_t size)
{
    struct sink s = {merged, size, 0};
    size_t keep = base->path.len;
    while (keep > 0 && base->path.data[keep - 1] != '/')
        keep--;
    if (keep == 0)
        put(&s, "/", 1);
    put(&s, base->path.data, keep);
    put(&s, path.data, path.len);
    return s.len;
}

static void put_path(struct sink *s, const struct parts *base, const struct parts *ref)
{
    char merged[2 * REEL_URL_MAX + 2];
    struct text path = ref->path;
    if (!ref->has_authority && (path.len == 0 || path.data[0] != '/')) {
        path.len = merge_paths(base, ref->path, merged, sizeof(merged));
        path.data = merged;
    }
    put_without_dots(s, path);
}

static void put_target(struct sink *s, const struct parts *base, const struct parts *ref)
{
    bool same_path = !ref->has_authority && ref->path.len == 0;
    if (same_path)
        put_without_dots(s, base->path);
    else
        put_path(s, base, ref);
    if (ref->has_query)
        put_part(s, "?", ref->query);
    else if (same_path && base->has_query)
        put_part(s, "?", base->query);
    if (ref->has_fragment)
        put_part(s, "#", ref->fragment);
}

int reel_url_join(const char *base, size_t base_len, const char *reference, size_t reference_len,
                  char *out_z, size_t size)
{
    char joined[2 * REEL_URL_MAX + 8]; /* larger than two URLs: dots are taken out in place */
    struct reel_url url;
    struct parts of_base, ref;
    int err = reel_url_parse(base, base_len, &url);
    if (err < 0)
        return err;
    if (reference_len > REEL_URL_MAX)
        return -ENAMETOOLONG;
    if (!is_url_text(reference, reference_len))
        return -EINVAL;
    split((struct text){base, base_len}, &of_base);
    split((struct text){reference, reference_len}, &ref);
    if (ref.has_scheme && !ref.has_authority)
        return -EINVAL; /* "mailto:x" */
    struct sink s = {joined, sizeof(joined), 0};
    put_part(&s, "", ref.has_scheme ? ref.scheme : of_base.scheme);
    put_part(&s, "://", ref.has_authority ? ref.authority : of_base.authority);
    put_target(&s, &of_base, &ref);
    err = reel_url_parse(joined, s.len, &url);
    if (err < 0)
        return err;
    if (s.len >= size)
        return -ENAMETOOLONG;
    memcpy(out_z, joined, s.len);
    out_z[s.len] = '\0';
    return (int)s.len;
}
