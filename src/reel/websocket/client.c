/* The client's half of the handshake (RFC 6455, 4.1). */
#include "reel/websocket/client.h"

#include "http/http1.h"
#include "http/token.h"
#include "reel/base64.h"
#include "reel/list.h"
#include "reel/loop.h"
#include "reel/text.h"
#include "reel/websocket/connection.h"

#include <reel/dial.h>
#include <reel/filter.h>
#include <reel/tls.h>
#include <reel/transport.h>
#include <reel/url.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
    REQUEST_MAX = 16384, /* bytes of the request */
    FIELDS_MAX = 64,     /* of the answer */
    INTERIM_MAX = 8,     /* answers before the answer */
};

struct ws_link {
    struct reel_factory factory;
    struct reel_filter_use filters[2];
    struct reel_tls_client tls;
    char host[REEL_URL_HOST_MAX + 1];
};

struct ws_attempt {
    struct reel_websocket *ws;
    struct reel_dial dial;
    struct http1_limits limits;
    struct http1_parser parser;
    struct http1_field fields[FIELDS_MAX];
    int reason, status, interim;
    bool over; /* failed: the connection may still come */
    char key[WS_KEY_LEN + 1];
    size_t request_len;
    char request[REQUEST_MAX];
};

static void attempt_free(struct ws_attempt *attempt)
{
    struct reel_reactor *r = attempt->ws->reactor;
    attempt->ws->attempt = NULL;
    reel_memory_free(r, attempt);
}

void reel_ws_link_free(struct reel_websocket *ws)
{
    if (!ws->link)
        return;
    reel_tls_context_free(ws->link->tls.context);
    reel_memory_free(ws->reactor, ws->link);
}

/* ---- the request ---- */

__attribute__((format(printf, 2, 3))) static void put(struct ws_attempt *attempt,
                                                      const char *format_z, ...)
{
    va_list args;
    va_start(args, format_z);
    size_t room = sizeof(attempt->request) - attempt->request_len;
    int n = vsnprintf(attempt->request + attempt->request_len, room, format_z, args);
    va_end(args);
    attempt->request_len += n > 0 && (size_t)n < room ? (size_t)n : room - 1;
}

static bool is_field(const char *name_z, const char *value_z)
{
    static const char *const ours[] = {"Host",
                                       "Upgrade",
                                       "Connection",
                                       "Content-Length",
                                       "Transfer-Encoding",
                                       "Origin",
                                       "Sec-WebSocket-Key",
                                       "Sec-WebSocket-Version",
                                       "Sec-WebSocket-Protocol",
                                       "Sec-WebSocket-Extensions"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (http_equal(text_z(name_z), ours[i]))
            return false;
    return http_is_token(text_z(name_z)) && http_is_all(text_z(value_z), HTTP_CLASS_VALUE);
}

static int compose(struct ws_attempt *attempt, const struct reel_websocket_client *client,
                   const struct reel_url *url)
{
    const char *protocols_z = attempt->ws->options->protocols_z;
    bool slash = url->target_len == 0 || url->target[0] != '/';
    put(attempt, "GET %s%.*s HTTP/1.1\r\nHost: %s%s%s", slash ? "/" : "", (int)url->target_len,
        url->target, url->is_ipv6 ? "[" : "", attempt->ws->link->host, url->is_ipv6 ? "]" : "");
    if (url->port != (reel_url_is(url, "wss") ? 443 : 80))
        put(attempt, ":%u", url->port);
    put(attempt,
        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
        "Sec-WebSocket-Version: 13\r\n",
        attempt->key);
    if (client->origin_z && !http_is_all(text_z(client->origin_z), HTTP_CLASS_VALUE))
        return -EINVAL;
    if (client->origin_z)
        put(attempt, "Origin: %s\r\n", client->origin_z);
    if (protocols_z && !http_is_all(text_z(protocols_z), HTTP_CLASS_VALUE))
        return -EINVAL;
    if (protocols_z)
        put(attempt, "Sec-WebSocket-Protocol: %s\r\n", protocols_z);
    for (const struct reel_websocket_field *f = client->fields; f && f->name_z; f++) {
        if (!is_field(f->name_z, f->value_z))
            return -EINVAL;
        put(attempt, "%s: %s\r\n", f->name_z, f->value_z);
    }
    put(attempt, "\r\n");
    return attempt->request_len < sizeof(attempt->request) - 1 ? 0 : -EINVAL;
}

/* ---- the answer ---- */

static void fail(struct ws_attempt *attempt, int reason)
{
    if (!attempt->reason)
        attempt->reason = reason;
    attempt->over = true;
    if (attempt->ws->t)
        reel_abort(attempt->ws->t);
    else if (attempt->dial.transport)
        reel_abort(attempt->dial.transport);
}

void reel_ws_attempt_failed(struct reel_websocket *ws, int reason)
{
    fail(ws->attempt, reason);
}

static bool is_value(const struct http1_head *head, const char *name_z, const char *value_z)
{
    ptrdiff_t i = http1_find(head, name_z, 0);
    return i >= 0 && text_equal(http1_value(head, (size_t)i), text_z(value_z)) &&
           http1_find(head, name_z, (size_t)i + 1) < 0;
}

/* A subprotocol may be named if it was asked for. */
static bool take_protocol(struct reel_websocket *ws, const struct http1_head *head)
{
    ptrdiff_t i = http1_find(head, "Sec-WebSocket-Protocol", 0);
    if (i < 0)
        return true;
    struct span value = http1_value(head, (size_t)i);
    return ws->options->protocols_z && http_is_token(value) &&
           reel_ws_choose_protocol(ws->options->protocols_z, (const char *)value.data, value.len,
                                   ws->protocol_z);
}

static bool is_accepted(struct ws_attempt *attempt, const struct http1_head *head)
{
    char accept[WS_ACCEPT_LEN + 1];
    reel_ws_accept_key(attempt->key, accept);
    ptrdiff_t upgrade = http1_find(head, "Upgrade", 0);
    return head->status == 101 && head->upgrade && upgrade >= 0 &&
           http_equal(http1_value(head, (size_t)upgrade), "websocket") &&
           is_value(head, "Sec-WebSocket-Accept", accept) &&
           http1_find(head, "Sec-WebSocket-Extensions", 0) < 0 && take_protocol(attempt->ws, head);
}

static void on_head(struct reel_transport *t, struct ws_attempt *attempt,
                    const struct http1_head *head)
{
    struct reel_websocket *ws = attempt->ws;
    attempt->status = head->status;
    if (head->status >= 100 && head->status < 200 && head->status != 101) {
        if (++attempt->interim > INTERIM_MAX)
            fail(attempt, -EPROTO);
        return;
    }
    if (!is_accepted(attempt, head)) {
        fail(attempt, -EPROTO);
        return;
    }
    attempt_free(attempt);
    reel_set_protocol(t, &reel_ws_protocol);
    reel_ws_open(ws, t);
    if (ws->paused)
        reel_pause_reading(t);
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct reel_websocket *ws = *(struct reel_websocket **)reel_state(t);
    size_t taken = 0;
    while (taken < len && ws->attempt && !ws->attempt->over) {
        struct http1_event event = {0};
        size_t done = http1_next(&ws->attempt->parser, text_of(data + taken, len - taken), &event);
        taken += done;
        if (event.kind == HTTP1_MORE && done == 0) {
            reel_need_more(t, ws->attempt->limits.head_max);
            break;
        }
        if (event.kind == HTTP1_HEAD)
            on_head(t, ws->attempt, &event.head);
        else if (event.kind == HTTP1_ERROR)
            fail(ws->attempt, -EPROTO);
    }
    return taken;
}

static void on_made(struct reel_transport *t)
{
    struct reel_websocket *ws = reel_shared(t);
    *(struct reel_websocket **)reel_state(t) = ws;
    ws->t = t;
    if (ws->attempt->over || reel_write(t, ws->attempt->request, ws->attempt->request_len) < 0)
        reel_abort(t);
}

static void attempt_end(struct reel_websocket *ws, int reason)
{
    struct ws_attempt *attempt = ws->attempt;
    int status = attempt->status;
    if (attempt->reason)
        reason = attempt->reason;
    ws->t = NULL;
    attempt_free(attempt);
    if (ws->handler->failed)
        ws->handler->failed(ws, reason ? reason : -EPIPE, status);
    reel_ws_free(ws);
}

static void on_end(struct reel_transport *t, int reason)
{
    attempt_end(reel_shared(t), reason);
}

static void on_dial_failed(struct reel_dial *dial, int reason)
{
    attempt_end(CONTAINER_OF(dial, struct ws_attempt, dial)->ws, reason);
}

static const struct reel_protocol attempt_protocol = {
    .name_z = "websocket handshake",
    .state_size = sizeof(struct reel_websocket *),
    .made = on_made,
    .failed = on_end,
    .data = on_data,
    .lost = on_end,
};

/* ---- the beginning ---- */

static struct ws_link *link_new(struct reel_websocket *ws,
                                const struct reel_websocket_client *client,
                                const struct reel_url *url)
{
    struct ws_link *link = reel_memory_new_zeroed(ws->reactor, sizeof(*link));
    if (!link)
        return NULL;
    memcpy(link->host, url->host, url->host_len);
    link->factory = (struct reel_factory){
        .protocol = &attempt_protocol,
        .shared = ws,
        /* Two ends that both wait for the other to read would wait for ever: this one reads. */
        .options = {.queue_max = client->queue_max, .read_while_full = true},
    };
    if (!reel_url_is(url, "wss"))
        return link;
    link->tls = (struct reel_tls_client){reel_tls_context_keep(client->tls), link->host};
    link->filters[0] = (struct reel_filter_use){&reel_tls_client, &link->tls};
    link->factory.filters = link->filters;
    return link;
}

static struct ws_attempt *attempt_new(struct reel_websocket *ws,
                                      const struct reel_websocket_client *client,
                                      const struct reel_url *url)
{
    struct ws_attempt *attempt = reel_memory_new_zeroed(ws->reactor, sizeof(*attempt));
    uint8_t random[16] = {0};
    if (!attempt)
        return NULL;
    ws->attempt = attempt;
    attempt->ws = ws;
    attempt->dial = (struct reel_dial){.host_z = ws->link->host,
                                       .port = url->port,
                                       .timeout_ns = client->timeout_ns,
                                       .factory = &ws->link->factory,
                                       .failed = on_dial_failed};
    attempt->limits = http1_limits_of(&(struct http1_limits){.fields_max = FIELDS_MAX});
    http1_init(&attempt->parser, HTTP1_RESPONSE, &attempt->limits, attempt->fields);
    http1_expect(&attempt->parser, text_z("GET"));
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        attempt_free(attempt);
        return NULL;
    }
    attempt->key[reel_base64(attempt->key, random, sizeof(random))] = '\0';
    return attempt;
}

static int begin(struct reel_websocket *ws, const struct reel_websocket_client *client,
                 const struct reel_url *url)
{
    ws->link = link_new(ws, client, url);
    struct ws_attempt *attempt = ws->link ? attempt_new(ws, client, url) : NULL;
    if (!attempt)
        return -ENOMEM;
    int err = compose(attempt, client, url);
    if (err == 0)
        err = reel_dial(client->dialer, ws->reactor, &attempt->dial);
    if (err < 0)
        attempt_free(attempt);
    return err;
}

int reel_websocket_connect(struct reel_reactor *r, const struct reel_websocket_client *client,
                           const struct reel_websocket_handler *handler,
                           const struct reel_websocket_options *options, void *shared,
                           struct reel_websocket **out)
{
    struct reel_url url;
    if (reel_url_parse(client->url_z, strlen(client->url_z), &url) < 0 || url.user_len ||
        (!reel_url_is(&url, "ws") && !(reel_url_is(&url, "wss") && client->tls)))
        return -EINVAL;
    struct reel_websocket *ws = reel_ws_new(r, true, handler, options, shared);
    int err = ws ? begin(ws, client, &url) : -ENOMEM;
    if (err < 0) {
        if (ws)
            reel_ws_free(ws);
        return err;
    }
    reel_timer_start(&ws->timer,
                     client->timeout_ns > 0 ? client->timeout_ns : REEL_WEBSOCKET_OPEN_NS);
    if (out)
        *out = ws;
    return 0;
}
