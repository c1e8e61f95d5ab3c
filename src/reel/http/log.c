/* A line of an access log: the Combined Log Format that everybody's tools read. */
#include "reel/http/site.h"

#include "http/token.h"

#include <string.h>

struct line {
    char *out_z;
    size_t size, len;
};

static void put_char(struct line *l, char c)
{
    if (l->len + 1 < l->size)
        l->out_z[l->len++] = c;
}

static void put_z(struct line *l, const char *text_z)
{
    while (*text_z)
        put_char(l, *text_z++);
}

/* Of the peer's bytes nothing gets through that could be taken for another field or line. */
static void put_text(struct line *l, struct span text)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            put_char(l, (char)c);
        } else {
            put_z(l, "\\x");
            put_char(l, hex[c >> 4]);
            put_char(l, hex[c & 15]);
        }
    }
}

static void put_field(struct line *l, const struct reel_http_request *q, const char *name_z)
{
    ptrdiff_t i = http1_find(&q->head, name_z, 0);
    put_z(l, " \"");
    if (i < 0)
        put_char(l, '-');
    else
        put_text(l, http1_value(&q->head, (size_t)i));
    put_char(l, '"');
}

static void put_time(struct line *l, const struct reel_http_request *q)
{
    char time_z[64] = "-";
    struct tm t;
    time_t now_s = (time_t)(reel_wall_us(q->conn->site->reactor) / 1000000);
    if (gmtime_r(&now_s, &t))
        strftime(time_z, sizeof(time_z), "%d/%b/%Y:%H:%M:%S +0000", &t);
    put_z(l, " - - [");
    put_z(l, time_z);
    put_z(l, "] \"");
}

size_t reel_http_log_line(const struct reel_http_entry *entry, char *out_z, size_t size)
{
    const struct reel_http_request *q = entry->request;
    struct line line = {out_z, size, 0};
    struct reel_address peer;
    char text_z[REEL_ADDRESS_TEXT_MAX];
    if (size == 0)
        return 0;
    bool known = reel_peer(q->conn->t, &peer) == 0;
    put_z(&line, known ? reel_address_host(&peer, text_z, sizeof(text_z)) : "-");
    put_time(&line, q);
    if (q->head.method.len) {
        put_text(&line, q->head.method);
        put_char(&line, ' ');
        put_text(&line, q->head.target);
        put_z(&line, q->head.minor ? " HTTP/1.1" : " HTTP/1.0");
    } else {
        put_char(&line, '-');
    }
    snprintf(text_z, sizeof(text_z), "\" %d %llu", entry->status, (unsigned long long)entry->bytes);
    put_z(&line, text_z);
    put_field(&line, q, "Referer");
    put_field(&line, q, "User-Agent");
    out_z[line.len] = '\0';
    return line.len;
}
