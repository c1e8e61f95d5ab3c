/* Requests as text. */
#include "http/token.h"
#include "reel/http_client/parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

struct text_sink {
    char *out;
    size_t len;
    bool failed;
};

__attribute__((format(printf, 2, 3))) static void put(struct text_sink *s, const char *format_z,
                                                      ...)
{
    va_list args;
    va_start(args, format_z);
    int n = vsnprintf(s->out + s->len, HC_HEAD_MAX - s->len, format_z, args);
    va_end(args);
    if (n < 0 || (size_t)n >= HC_HEAD_MAX - s->len)
        s->failed = true;
    else
        s->len += (size_t)n;
}

int reel_hc_origin_of(const char *url_z, struct hc_origin *out, struct reel_url *url)
{
    int err = reel_url_parse(url_z, strlen(url_z), url);
    if (err < 0)
        return err;
    bool is_https = reel_url_is(url, "https");
    if ((!is_https && !reel_url_is(url, "http")) || url->user_len)
        return -EINVAL;
    *out = (struct hc_origin){.port = url->port, .tls = is_https, .is_ipv6 = url->is_ipv6};
    memcpy(out->host, url->host, url->host_len);
    return 0;
}

bool reel_hc_same_origin(const struct hc_origin *a, const struct hc_origin *b)
{
    return a->port == b->port && a->tls == b->tls && strcasecmp(a->host, b->host) == 0;
}

/* What the client itself says about the message. */
static bool is_ours(struct span name)
{
    static const char *const ours[] = {
        "Host", "Connection", "Content-Length", "TE", "Transfer-Encoding", "Upgrade", "Expect"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (http_equal(name, ours[i]))
            return true;
    return false;
}

int reel_hc_take_fields(struct reel_http_exchange *x, const struct reel_http_client_field *fields)
{
    size_t size = 1, len = 0;
    for (const struct reel_http_client_field *f = fields; f && f->name_z; f++) {
        if (!http_is_token(text_z(f->name_z)) || is_ours(text_z(f->name_z)) ||
            !http_is_all(text_z(f->value_z), HTTP_CLASS_VALUE))
            return -EINVAL;
        size += strlen(f->name_z) + strlen(f->value_z) + 4;
        x->asked_gzip_itself |= http_equal(text_z(f->name_z), "Accept-Encoding");
        x->has_agent |= http_equal(text_z(f->name_z), "User-Agent");
    }
    if (size > HC_HEAD_MAX)
        return -EINVAL;
    x->fields = reel_memory_new(x->client->reactor, size);
    if (!x->fields)
        return -ENOMEM;
    x->fields[0] = '\0';
    for (const struct reel_http_client_field *f = fields; f && f->name_z; f++)
        len += (size_t)snprintf(x->fields + len, size - len, "%s: %s\r\n", f->name_z, f->value_z);
    return 0;
}

/* Fields that are for the origin that they were given for alone. */
static bool is_secret(struct span name)
{
    return http_equal(name, "Authorization") || http_equal(name, "Cookie") ||
           http_equal(name, "Proxy-Authorization");
}

static void put_fields(struct text_sink *s, const struct reel_http_exchange *x)
{
    for (const char *line = x->fields; *line;) {
        size_t len = (size_t)(strstr(line, "\r\n") - line) + 2;
        size_t name_len = strcspn(line, ":");
        if (!x->foreign || !is_secret(text_of(line, name_len)))
            put(s, "%.*s", (int)len, line);
        line += len;
    }
}

static void put_body_fields(struct text_sink *s, const struct reel_http_exchange *x)
{
    bool usual = strcmp(x->method, "POST") == 0 || strcmp(x->method, "PUT") == 0 ||
                 strcmp(x->method, "PATCH") == 0;
    if (x->ask.read && x->read_left < 0)
        put(s, "Transfer-Encoding: chunked\r\n");
    else if (x->ask.read)
        put(s, "Content-Length: %lld\r\n", (long long)x->read_left);
    else if (x->body_len || usual)
        put(s, "Content-Length: %zu\r\n", x->body_len);
}

int reel_hc_compose(const struct reel_http_exchange *x, char *out)
{
    struct text_sink s = {.out = out};
    struct reel_url url;
    const struct hc_origin *origin = &x->origin;
    int err = reel_url_parse(x->url, strlen(x->url), &url);
    if (err < 0)
        return err;
    bool slash = url.target_len == 0 || url.target[0] != '/';
    put(&s, "%s %s%.*s HTTP/1.1\r\n", x->method, slash ? "/" : "", (int)url.target_len, url.target);
    put(&s, "Host: %s%s%s", origin->is_ipv6 ? "[" : "", origin->host, origin->is_ipv6 ? "]" : "");
    if (origin->port != (origin->tls ? 443 : 80))
        put(&s, ":%u", origin->port);
    put(&s, "\r\n");
    put_fields(&s, x);
    if (*x->client->agent && !x->has_agent)
        put(&s, "User-Agent: %s\r\n", x->client->agent);
    if (!x->client->options.no_gzip && !x->asked_gzip_itself)
        put(&s, "Accept-Encoding: gzip\r\n");
    put_body_fields(&s, x);
    put(&s, "\r\n");
    return s.failed ? -EINVAL : (int)s.len;
}
