/* A connection of the client: to a server, or through a proxy. */
#include "reel/http_client/parts.h"

#include <errno.h>
#include <stdio.h>

static void conn_free(struct hc_conn *conn)
{
    struct reel_http_client *client = conn->client;
    list_remove(&conn->link);
    reel_timer_fini(&conn->idle);
    reel_tls_context_free(conn->tls.context);
    client->connection_count--;
    reel_memory_free(client->reactor, conn);
    if (!list_is_empty(&client->waiting))
        reel_timer_start(&client->soon, 0);
    reel_hc_client_gone(client);
}

void reel_hc_conn_end(struct hc_conn *conn)
{
    conn->dying = true;
    list_remove(&conn->link); /* nobody is to find it */
    struct reel_transport *t = conn->t ? conn->t : conn->dial.transport;
    if (t)
        reel_abort(t);
}

static void become_ready(struct hc_conn *conn)
{
    conn->is_ready = true;
    http1_init(&conn->parser, HTTP1_RESPONSE, &conn->limits, conn->fields);
    if (conn->x)
        reel_hc_exchange_begin(conn->x);
    else
        reel_hc_conn_end(conn);
}

/* RFC 9110, 9.3.6. */
static void ask_proxy(struct hc_conn *conn)
{
    char text[2 * REEL_URL_HOST_MAX + 64];
    const struct hc_origin *o = &conn->origin;
    const char *open = o->is_ipv6 ? "[" : "", *close = o->is_ipv6 ? "]" : "";
    conn->tunnelling = true;
    http1_init(&conn->parser, HTTP1_RESPONSE, &conn->limits, conn->fields);
    http1_expect(&conn->parser, text_z("CONNECT"));
    snprintf(text, sizeof(text), "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n\r\n", open,
             o->host, close, o->port, open, o->host, close, o->port);
    reel_write(conn->t, text, strlen(text));
}

static void on_made(struct reel_transport *t)
{
    struct hc_conn *conn = reel_shared(t);
    conn->t = t;
    if (conn->dying)
        reel_abort(t);
    else if (*conn->client->proxy.host)
        ask_proxy(conn);
    else
        become_ready(conn);
}

static void on_proxy_head(struct hc_conn *conn, const struct http1_head *head)
{
    if (head->status < 200)
        return;
    conn->tunnelling = false;
    int err = head->status < 300 ? 0 : -ECONNREFUSED;
    if (err == 0 && conn->origin.tls)
        err = reel_tls_upgrade_client(conn->t, conn->tls.context, conn->tls.name_z);
    if (err < 0)
        reel_abort_as(conn->t, err);
    else if (!conn->origin.tls)
        become_ready(conn);
}

static void on_upgraded(struct reel_transport *t)
{
    become_ready(reel_shared(t));
}

static void on_event(struct hc_conn *conn, const struct http1_event *event)
{
    switch (event->kind) {
    case HTTP1_HEAD:
        if (conn->tunnelling)
            on_proxy_head(conn, &event->head);
        else
            reel_hc_exchange_head(conn->x, &event->head);
        break;
    case HTTP1_DATA:
        if (conn->x)
            reel_hc_exchange_data(conn->x, event->data);
        break;
    case HTTP1_END:
        if (conn->x && conn->is_ready)
            reel_hc_exchange_end(conn->x);
        break;
    case HTTP1_ERROR:
        if (conn->x)
            reel_hc_exchange_fail(conn->x, -EPROTO, http1_error_text(event->error));
        else
            reel_hc_conn_end(conn);
        break;
    case HTTP1_MORE: break;
    }
}

/* Events of what is there. How much of it was used. */
static size_t read_events(struct hc_conn *conn, const uint8_t *data, size_t len)
{
    size_t done = 0;
    while (conn->x && !conn->dying && !conn->x->paused && !conn->x->ended) {
        struct http1_event event = {0};
        bool was_ready = conn->is_ready, was_tunnelling = conn->tunnelling;
        done += http1_next(&conn->parser, text_of(data + done, len - done), &event);
        if (event.kind == HTTP1_MORE) {
            if (done < len)
                reel_need_more(conn->t, (size_t)conn->limits.head_max * 2);
            break;
        }
        on_event(conn, &event);
        if (was_ready != conn->is_ready || was_tunnelling != conn->tunnelling)
            break; /* the proxy is behind us; what it sent ahead is not an answer */
    }
    return done;
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct hc_conn *conn = reel_shared(t);
    size_t done = read_events(conn, data, len);
    if (conn->dying)
        return len;
    if (!conn->x && done < len) { /* an answer that nobody asked for: nothing here can be trusted */
        reel_hc_conn_end(conn);
        return len;
    }
    return done;
}

void reel_hc_conn_look(struct hc_conn *conn)
{
    static const uint8_t nothing;
    read_events(conn, &nothing, 0);
}

static void on_eof(struct reel_transport *t)
{
    struct hc_conn *conn = reel_shared(t);
    struct http1_event event = {0};
    conn->keep = false;
    http1_eof(&conn->parser, &event);
    if (conn->x && conn->is_ready && event.kind == HTTP1_END)
        reel_hc_exchange_end(conn->x);
    else if (conn->x && conn->is_ready && event.kind == HTTP1_ERROR)
        reel_hc_exchange_fail(conn->x, -EPROTO, "the answer ends in the middle");
    reel_close(t);
}

static void on_drained(struct reel_transport *t)
{
    struct hc_conn *conn = reel_shared(t);
    if (conn->x)
        reel_hc_exchange_speak(conn->x);
}

static void conn_gone(struct hc_conn *conn, int reason)
{
    struct reel_http_exchange *x = conn->x;
    if (x)
        reel_hc_exchange_broken(x, reason ? reason : -EPIPE,
                                reason ? reel_reason_text(reason)
                                       : "the server closed without an answer");
    conn->x = NULL;
    conn->t = NULL;
    conn_free(conn);
}

static void on_end(struct reel_transport *t, int reason)
{
    conn_gone(reel_shared(t), reason);
}

static void on_dial_failed(struct reel_dial *dial, int reason)
{
    conn_gone(CONTAINER_OF(dial, struct hc_conn, dial), reason);
}

static void on_idle(struct reel_timer *timer)
{
    reel_hc_conn_close(CONTAINER_OF(timer, struct hc_conn, idle));
}

static const struct reel_protocol conn_protocol = {
    .name_z = "http client",
    .made = on_made,
    .failed = on_end,
    .data = on_data,
    .eof = on_eof,
    .drained = on_drained,
    .upgraded = on_upgraded,
    .lost = on_end,
};

static void set_up(struct hc_conn *conn, const struct hc_origin *origin)
{
    struct reel_http_client *client = conn->client;
    bool by_proxy = *client->proxy.host;
    conn->origin = *origin;
    const struct hc_origin *to = by_proxy ? &client->proxy : &conn->origin;
    conn->dial = (struct reel_dial){.host_z = to->host,
                                    .port = to->port,
                                    .timeout_ns = client->options.connect_ns,
                                    .factory = &conn->factory,
                                    .failed = on_dial_failed};
    conn->factory = (struct reel_factory){
        .protocol = &conn_protocol,
        .shared = conn,
        /* A server may answer before it has read all, and then reads no more. */
        .options = {.read_while_full = true, .handshake_ns = client->options.connect_ns},
    };
    conn->limits = http1_limits_of(&(struct http1_limits){.fields_max = HC_FIELDS_MAX});
    http1_init(&conn->parser, HTTP1_RESPONSE, &conn->limits, conn->fields);
    if (!origin->tls)
        return;
    conn->tls =
        (struct reel_tls_client){reel_tls_context_keep(client->options.tls), conn->origin.host};
    if (by_proxy)
        return;
    conn->filters[0] = (struct reel_filter_use){&reel_tls_client, &conn->tls};
    conn->factory.filters = conn->filters;
}

int reel_hc_conn_open(struct reel_http_client *client, struct reel_http_exchange *x)
{
    struct hc_conn *conn = reel_memory_new_zeroed(client->reactor, sizeof(*conn));
    if (!conn)
        return -ENOMEM;
    conn->client = client;
    if (reel_timer_init(&conn->idle, client->reactor, on_idle) < 0) {
        reel_memory_free(client->reactor, conn);
        return -ENOMEM;
    }
    set_up(conn, &x->origin);
    int err = reel_dial(client->options.dialer, client->reactor, &conn->dial);
    if (err < 0) {
        reel_timer_fini(&conn->idle);
        reel_tls_context_free(conn->tls.context);
        reel_memory_free(client->reactor, conn);
        return err;
    }
    client->connection_count++;
    list_put(&client->busy, &conn->link);
    conn->x = x;
    x->conn = conn;
    return 0;
}

void reel_hc_conn_give(struct hc_conn *conn, struct reel_http_exchange *x)
{
    list_remove(&conn->link);
    list_put(&conn->client->busy, &conn->link);
    reel_timer_stop(&conn->idle);
    conn->x = x;
    x->conn = conn;
    reel_hc_exchange_begin(x);
}

/* In order, unless something of the answer is still under way. */
void reel_hc_conn_close(struct hc_conn *conn)
{
    if (!http1_is_between(&conn->parser)) {
        reel_hc_conn_end(conn);
        return;
    }
    conn->dying = true;
    list_remove(&conn->link);
    reel_close(conn->t);
}

void reel_hc_conn_release(struct hc_conn *conn, bool keep)
{
    struct reel_http_client *client = conn->client;
    conn->x->conn = NULL;
    conn->x = NULL;
    conn->used = true;
    if (!list_is_empty(&client->waiting))
        reel_timer_start(&client->soon, 0);
    if (!keep || client->freed || client->options.idle_ns < 0 || reel_is_closing(conn->t)) {
        reel_hc_conn_close(conn);
        return;
    }
    list_remove(&conn->link);
    list_put(&client->idle, &conn->link);
    reel_timer_start(&conn->idle, client->options.idle_ns);
}
