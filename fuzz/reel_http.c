/* Reaches src/http: a stream of requests, or of responses, and the small grammars of their fields.
 * The first byte says which, and how the rest is split. What comes out must not depend on that; a
 * path that was let through hides nothing. */
#include "http/date.h"
#include "http/http1.h"
#include "http/select.h"
#include "http/target.h"
#include "http/token.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 16 };

/* What came out: a sum over all of it. */
struct account {
    uint64_t sum;
    uint64_t heads, ends, bytes;
    enum http1_error error;
};

static void add(struct account *a, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        a->sum = a->sum * 31 + data[i];
}

static void look_at_path(struct span path)
{
    uint8_t *out = malloc(path.len ? path.len : 1);
    size_t len = 0;
    struct http_match match;
    if (out && http_path_decode(path, out, &len)) {
        assert(len <= path.len && !memchr(out, '\0', len));
        assert(!memmem(out, len, "/../", 4));
        http_path_match("/a/:b/*", (struct span){out, len}, &match);
        assert(match.param_count <= HTTP_PARAMS_MAX);
    }
    free(out);
}

static void look_at_value(struct span value)
{
    struct http_range ranges[HTTP_RANGES_MAX];
    size_t count = 0;
    int64_t seconds = 0;
    static const struct span etag = SPAN_LIT("\"a\"");
    if (http_ranges_parse(value, 1000, ranges, &count) == HTTP_RANGES_SOME)
        for (size_t i = 0; i < count; i++)
            assert(ranges[i].first <= ranges[i].last && ranges[i].last < 1000);
    int weight = http_coding_weight(value, "gzip");
    assert(weight >= -1 && weight <= 1000);
    http_etag_in(value, etag, true);
    http_date_parse(value, 1000000000, &seconds);
}

static void on_head(struct account *a, const struct http1_head *head, enum http1_kind kind)
{
    a->heads++;
    add(a, head->method.data, head->method.len);
    add(a, head->target.data, head->target.len);
    for (size_t i = 0; i < head->field_count; i++) {
        assert(http_is_token(http1_name(head, i)));
        look_at_value(http1_value(head, i));
        add(a, http1_value(head, i).data, http1_value(head, i).len);
    }
    a->sum = a->sum * 31 + head->length + head->body + (uint64_t)head->keep_alive;
    if (kind == HTTP1_RESPONSE)
        return;
    char text_z[32];
    struct http_target target = http_target_split(head->target, head->form);
    look_at_path(target.path);
    http_form_get(target.query, (struct span){(const uint8_t *)"a", 1}, text_z, sizeof(text_z));
}

/* False: broken. */
static bool on_event(struct account *a, const struct http1_event *event, enum http1_kind kind)
{
    switch (event->kind) {
    case HTTP1_MORE: break;
    case HTTP1_HEAD: on_head(a, &event->head, kind); break;
    case HTTP1_DATA:
        a->bytes += event->data.len;
        add(a, event->data.data, event->data.len);
        break;
    case HTTP1_END: a->ends++; break;
    case HTTP1_ERROR:
        a->error = event->error;
        assert(http1_error_status(event->error) >= 400);
        return false;
    }
    return true;
}

/* `step` bytes a time. */
static struct account play(enum http1_kind kind, const uint8_t *data, size_t size, size_t step)
{
    const struct http1_limits limits = {200, 100, 500, FIELDS_MAX, 100, 50};
    struct http1_field fields[FIELDS_MAX];
    struct http1_parser p;
    struct http1_event event;
    struct account a = {0};
    size_t done = 0, end = 0;
    http1_init(&p, kind, &limits, fields);
    while (end < size) {
        end = size - end > step ? end + step : size;
        do {
            size_t n = http1_next(&p, (struct span){data + done, end - done}, &event);
            assert(n <= end - done);
            done += n;
            if (!on_event(&a, &event, kind))
                return a;
        } while (event.kind != HTTP1_MORE && !(done == end && http1_is_between(&p)));
    }
    http1_eof(&p, &event);
    on_event(&a, &event, kind);
    return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum http1_kind kind = data[0] & 1 ? HTTP1_RESPONSE : HTTP1_REQUEST;
    struct account whole = play(kind, data + 1, size - 1, SIZE_MAX / 2);
    struct account split = play(kind, data + 1, size - 1, 1 + (data[0] >> 1) % 16);
    assert(whole.sum == split.sum && whole.error == split.error && whole.heads == split.heads &&
           whole.ends == split.ends && whole.bytes == split.bytes);
    return 0;
}
