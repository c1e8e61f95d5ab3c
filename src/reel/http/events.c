/* Server-sent events: an answer without an end, in the text/event-stream format. */
#include "reel/http/site.h"

#include <errno.h>
#include <string.h>

enum { EVENT_MAX = 1 << 20 }; /* bytes of one event on the wire */

struct events {
    struct reel_timer timer; /* the next comment */
    struct reel_http_request *q;
    struct reel_http_events_options options;
};

void reel_events_free(struct reel_http_request *q)
{
    struct events *e = q->events;
    q->events = NULL;
    reel_timer_fini(&e->timer);
    reel_site_memory(q->conn->site, e, 0);
}

static size_t waiting(const struct reel_http_request *q)
{
    return q->waiting.len + reel_write_pending(q->conn->t);
}

/* The client does not keep up. */
static int too_slow(struct reel_http_request *q)
{
    if (q->events->options.slow == REEL_HTTP_SLOW_SKIP)
        return 1;
    q->conn->over = true;
    reel_abort_as(q->conn->t, -ENOBUFS);
    return -EPIPE;
}

static int send_text(struct reel_http_request *q, const void *text, size_t len)
{
    struct events *e = q->events;
    if (waiting(q) + len > e->options.queue_max && request_is_first(q))
        reel_flush(q->conn->t); /* what this turn wrote is not slowness */
    if (waiting(q) + len > e->options.queue_max)
        return too_slow(q);
    int err = reel_http_write(q, text, len);
    if (err == -ENOBUFS)
        return too_slow(q);
    if (err == 0 && e->options.keep_alive_ns > 0)
        reel_timer_start(&e->timer, e->options.keep_alive_ns);
    return err;
}

/* A comment: it keeps proxies and clients from thinking the connection dead, and finds out when it
 * is. To a client that is slow already it would say nothing new. */
static void on_timer(struct reel_timer *timer)
{
    struct events *e = CONTAINER_OF(timer, struct events, timer);
    reel_timer_start(timer, e->options.keep_alive_ns);
    if (waiting(e->q) == 0)
        send_text(e->q, ":\n\n", 3);
}

static struct events *events_new(struct reel_http_request *q,
                                 const struct reel_http_events_options *options)
{
    struct reel_http_site *site = q->conn->site;
    struct events *e = reel_site_memory(site, NULL, sizeof(*e));
    if (!e)
        return NULL;
    *e = (struct events){.q = q};
    if (options)
        e->options = *options;
    if (!e->options.keep_alive_ns)
        e->options.keep_alive_ns = REEL_HTTP_EVENTS_KEEP_ALIVE_NS;
    if (!e->options.queue_max)
        e->options.queue_max = REEL_HTTP_EVENTS_QUEUE_MAX;
    if (reel_timer_init(&e->timer, site->reactor, on_timer) < 0) {
        reel_site_memory(site, e, 0);
        return NULL;
    }
    return e;
}

int reel_http_events(struct reel_http_request *q, const struct reel_http_events_options *options)
{
    char retry_z[48];
    if (q->is_gone || q->conn->over)
        return -EPIPE;
    if (q->state != ANSWER_NONE || q->events)
        return -EBUSY;
    int err = reel_http_set(q, "Cache-Control", "no-cache");
    struct events *e = err == 0 ? events_new(q, options) : NULL;
    if (!e)
        return err < 0 ? err : -ENOMEM;
    q->events = e;
    err = reel_http_begin(q, 200, "text/event-stream", -1);
    if (err < 0) {
        reel_events_free(q);
        return err;
    }
    if (e->options.keep_alive_ns > 0)
        reel_timer_start(&e->timer, e->options.keep_alive_ns);
    if (e->options.retry_ns <= 0)
        return 0;
    int len = snprintf(retry_z, sizeof(retry_z), "retry: %lld\n\n",
                       (long long)(e->options.retry_ns / REEL_MS));
    return reel_http_write(q, retry_z, (size_t)len);
}

static int put_line(struct reel_http_site *site, struct text_buffer *b, const char *name_z,
                    const char *text, size_t len)
{
    int err = reel_text_put(site, b, name_z, strlen(name_z), EVENT_MAX);
    if (err == 0)
        err = reel_text_put(site, b, text, len, EVENT_MAX);
    return err < 0 ? err : reel_text_put(site, b, "\n", 1, EVENT_MAX);
}

static size_t line_len(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && text[n] != '\n' && text[n] != '\r')
        n++;
    return n;
}

/* Each line of the data is a field of its own. */
static int put_data(struct reel_http_site *site, struct text_buffer *b, const char *data,
                    size_t len)
{
    for (;;) {
        size_t n = line_len(data, len);
        int err = put_line(site, b, "data: ", data, n);
        if (err < 0 || n == len)
            return err;
        n += n + 1 < len && data[n] == '\r' && data[n + 1] == '\n' ? 2 : 1;
        data += n;
        len -= n;
    }
}

static bool is_one_line(const char *text_z)
{
    return !text_z || !text_z[strcspn(text_z, "\r\n")];
}

static int compose(struct reel_http_site *site, struct text_buffer *b,
                   const struct reel_http_event *event)
{
    int err = 0;
    if (event->id_z)
        err = put_line(site, b, "id: ", event->id_z, strlen(event->id_z));
    if (err == 0 && event->name_z)
        err = put_line(site, b, "event: ", event->name_z, strlen(event->name_z));
    if (err == 0 && event->data)
        err = put_data(site, b, event->data, event->len);
    return err < 0 ? err : reel_text_put(site, b, "\n", 1, EVENT_MAX);
}

int reel_http_send_event(struct reel_http_request *q, const struct reel_http_event *event)
{
    if (q->is_gone || q->conn->over || !q->events)
        return -EPIPE;
    if (!is_one_line(event->id_z) || !is_one_line(event->name_z))
        return -EINVAL;
    struct reel_http_site *site = q->conn->site;
    struct text_buffer text = {0};
    int err = compose(site, &text, event);
    if (err == 0)
        err = send_text(q, text.data, text.len);
    else if (err == -ENOBUFS)
        err = too_slow(q);
    reel_text_free(site, &text);
    return err;
}
