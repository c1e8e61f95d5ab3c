/* The client: its settings, and who gets which connection. */
#include "reel/http_client/parts.h"

#include "http/token.h"

#include <errno.h>
#include <stdio.h>

/* ---- the pool ---- */

static struct hc_conn *find_idle(struct reel_http_client *client, const struct hc_origin *origin)
{
    /* The one used last: it is the least likely to be stale. */
    for (struct reel_link *l = client->idle.prev; l != &client->idle; l = l->prev) {
        struct hc_conn *conn = CONTAINER_OF(l, struct hc_conn, link);
        if (reel_hc_same_origin(&conn->origin, origin) && !reel_is_closing(conn->t))
            return conn;
    }
    return NULL;
}

static size_t count_busy(const struct reel_http_client *client, const struct hc_origin *origin)
{
    size_t count = 0;
    for (struct reel_link *l = client->busy.next; l != &client->busy; l = l->next)
        count += reel_hc_same_origin(&CONTAINER_OF(l, struct hc_conn, link)->origin, origin);
    return count;
}

/* 1: it has a connection; 0: it has to wait; -errno. */
static int try_pool(struct reel_http_exchange *x)
{
    struct reel_http_client *client = x->client;
    struct hc_conn *conn = x->retried ? NULL : find_idle(client, &x->origin);
    if (conn) {
        reel_hc_conn_give(conn, x);
        return 1;
    }
    if (count_busy(client, &x->origin) >= client->options.origin_max)
        return 0;
    if (client->connection_count >= client->options.connections_max) {
        if (!list_is_empty(&client->idle)) /* makes room, in a later turn */
            reel_hc_conn_close(CONTAINER_OF(client->idle.next, struct hc_conn, link));
        return 0;
    }
    int err = reel_hc_conn_open(client, x);
    return err < 0 ? err : 1;
}

int reel_hc_pool_put(struct reel_http_exchange *x)
{
    struct reel_http_client *client = x->client;
    int got = try_pool(x);
    if (got < 0)
        return got;
    if (got == 0 && client->waiting_count >= client->options.waiting_max)
        return -ENOBUFS;
    client->waiting_count += got == 0;
    list_put(got ? &client->active : &client->waiting, &x->link);
    return 0;
}

static void on_soon(struct reel_timer *timer)
{
    struct reel_http_client *client = CONTAINER_OF(timer, struct reel_http_client, soon);
    struct reel_link waiting;
    list_init(&waiting);
    for (struct reel_link *l = NULL; (l = list_take(&client->waiting));)
        list_put(&waiting, l);
    client->waiting_count = 0;
    for (struct reel_link *l = NULL; (l = list_take(&waiting));) {
        struct reel_http_exchange *x = CONTAINER_OF(l, struct reel_http_exchange, link);
        int got = try_pool(x);
        client->waiting_count += got == 0;
        list_put(got == 0 ? &client->waiting : &client->active, l);
        if (got < 0)
            reel_hc_exchange_fail(x, got, "the connection could not be begun");
    }
}

/* ---- requests ---- */

static void on_silence(struct reel_timer *timer)
{
    reel_hc_exchange_fail(CONTAINER_OF(timer, struct reel_http_exchange, silence), -ETIMEDOUT,
                          "the server says nothing");
}

static void forget_waiting(struct reel_http_exchange *x)
{
    if (!x->conn && !x->ended)
        x->client->waiting_count--;
}

static void on_total(struct reel_timer *timer)
{
    struct reel_http_exchange *x = CONTAINER_OF(timer, struct reel_http_exchange, total);
    forget_waiting(x);
    reel_hc_exchange_fail(x, -ETIMEDOUT, "the request took too long");
}

static void on_exchange_soon(struct reel_timer *timer)
{
    reel_hc_exchange_go_on(CONTAINER_OF(timer, struct reel_http_exchange, soon));
}

static void on_cancel(struct reel_deferred *deferred)
{
    struct reel_http_exchange *x = *(struct reel_http_exchange **)reel_deferred_state(deferred);
    if (!x)
        return;
    x->deferred = NULL;
    reel_deferred_errback(deferred, -ECANCELED, NULL);
    reel_timer_stop(&x->total);
    forget_waiting(x);
    list_remove(&x->link);
    list_put(&x->client->active, &x->link);
    if (x->conn)
        reel_hc_conn_end(x->conn); /* its loss frees the exchange */
    else
        reel_timer_start(&x->soon, 0); /* this may be inside a callback of its own */
}

static int take_body(struct reel_http_exchange *x, const struct reel_http_ask *ask)
{
    if (!ask->body || ask->len == 0)
        return 0;
    x->body = reel_memory_new(x->client->reactor, ask->len);
    if (!x->body)
        return -ENOMEM;
    memcpy(x->body, ask->body, ask->len);
    x->body_len = ask->len;
    return 0;
}

static int take_ask(struct reel_http_exchange *x, const struct reel_http_ask *ask)
{
    struct reel_url url;
    const char *method_z = ask->method_z ? ask->method_z : "GET";
    int err = reel_hc_origin_of(ask->url_z, &x->origin, &url);
    if (err < 0 || strlen(method_z) > HC_METHOD_MAX || !http_is_token(text_z(method_z)) ||
        strcmp(method_z, "CONNECT") == 0 || (x->origin.tls && !x->client->options.tls))
        return -EINVAL;
    snprintf(x->method, sizeof(x->method), "%s", method_z);
    snprintf(x->url, sizeof(x->url), "%.*s", (int)strcspn(ask->url_z, "#"), ask->url_z);
    x->ask = (struct reel_http_ask){.read = ask->read, .sink = ask->sink, .context = ask->context};
    x->read_left = ask->read_len < 0 ? -1 : ask->read_len;
    err = reel_hc_take_fields(x, ask->fields);
    return err < 0 ? err : take_body(x, ask);
}

static int begin(struct reel_http_exchange *x, const struct reel_http_ask *ask)
{
    struct reel_reactor *r = x->client->reactor;
    if (reel_timer_init(&x->silence, r, on_silence) < 0 ||
        reel_timer_init(&x->total, r, on_total) < 0 ||
        reel_timer_init(&x->soon, r, on_exchange_soon) < 0)
        return -ENOMEM;
    int err = take_ask(x, ask);
    if (err == 0)
        err = reel_hc_pool_put(x);
    if (err == 0 && x->client->options.total_ns > 0)
        reel_timer_start(&x->total, x->client->options.total_ns);
    return err;
}

struct reel_deferred *reel_http_fetch(struct reel_http_client *client,
                                      const struct reel_http_ask *ask)
{
    struct reel_reactor *r = client->reactor;
    struct reel_deferred *deferred =
        reel_deferred_new(r, on_cancel, sizeof(struct reel_http_exchange *));
    struct reel_http_exchange *x = reel_memory_new_zeroed(r, sizeof(*x));
    int err = x ? 0 : -ENOMEM;
    if (!deferred) {
        reel_memory_free(r, x);
        return NULL;
    }
    if (x) {
        x->client = client;
        err = begin(x, ask);
    }
    if (err < 0) {
        if (x)
            reel_hc_exchange_free(x);
        reel_deferred_errback(deferred, err, "the request could not be begun");
        return deferred;
    }
    x->deferred = deferred;
    *(struct reel_http_exchange **)reel_deferred_state(deferred) = x;
    return deferred;
}

/* ---- the client ---- */

static void fill_in(struct reel_http_client_options *o)
{
#define DEFAULT(field, value) o->field = o->field ? o->field : (value)
    DEFAULT(connections_max, REEL_HTTP_CLIENT_CONNECTIONS_MAX);
    DEFAULT(origin_max, REEL_HTTP_CLIENT_ORIGIN_MAX);
    DEFAULT(waiting_max, REEL_HTTP_CLIENT_WAITING_MAX);
    DEFAULT(response_max, REEL_HTTP_CLIENT_RESPONSE_MAX);
    DEFAULT(redirects_max, REEL_HTTP_CLIENT_REDIRECTS_MAX);
    DEFAULT(idle_ns, REEL_HTTP_CLIENT_IDLE_NS);
    DEFAULT(connect_ns, REEL_HTTP_CLIENT_CONNECT_NS);
    DEFAULT(silence_ns, REEL_HTTP_CLIENT_SILENCE_NS);
    DEFAULT(total_ns, REEL_HTTP_CLIENT_TOTAL_NS);
#undef DEFAULT
}

static int take_options(struct reel_http_client *client,
                        const struct reel_http_client_options *options)
{
    struct reel_url url;
    if (options)
        client->options = *options;
    fill_in(&client->options);
    struct reel_http_client_options *o = &client->options;
    if (o->proxy_z &&
        (reel_hc_origin_of(o->proxy_z, &client->proxy, &url) < 0 || client->proxy.tls))
        return -EINVAL;
    if (o->agent_z && (strlen(o->agent_z) >= sizeof(client->agent) ||
                       !http_is_all(text_z(o->agent_z), HTTP_CLASS_VALUE)))
        return -EINVAL;
    snprintf(client->agent, sizeof(client->agent), "%s", o->agent_z ? o->agent_z : "");
    return 0;
}

int reel_http_client_new(struct reel_reactor *r, const struct reel_http_client_options *options,
                         struct reel_http_client **out)
{
    struct reel_http_client *client = reel_memory_new_zeroed(r, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->reactor = r;
    list_init(&client->waiting);
    list_init(&client->active);
    list_init(&client->idle);
    list_init(&client->busy);
    int err = take_options(client, options);
    if (err == 0)
        err = reel_timer_init(&client->soon, r, on_soon);
    if (err < 0) {
        reel_memory_free(r, client);
        return err;
    }
    if (client->options.tls)
        reel_tls_context_keep(client->options.tls);
    *out = client;
    return 0;
}

void reel_hc_client_gone(struct reel_http_client *client)
{
    if (!client->freed || client->connection_count || !list_is_empty(&client->active))
        return;
    reel_timer_fini(&client->soon);
    reel_tls_context_free(client->options.tls);
    reel_memory_free(client->reactor, client);
}

static void fail_all(struct reel_link *list)
{
    while (!list_is_empty(list))
        reel_hc_exchange_fail(CONTAINER_OF(list->next, struct reel_http_exchange, link), -ECANCELED,
                              "the client was freed");
}

void reel_http_client_free(struct reel_http_client *client)
{
    if (!client)
        return;
    fail_all(&client->waiting);
    fail_all(&client->active);
    while (!list_is_empty(&client->idle))
        reel_hc_conn_close(CONTAINER_OF(client->idle.next, struct hc_conn, link));
    client->freed = true;
    reel_hc_client_gone(client);
}

size_t reel_http_client_connections(const struct reel_http_client *client, size_t *idle)
{
    if (idle) {
        *idle = 0;
        for (struct reel_link *l = client->idle.next; l != &client->idle; l = l->next)
            (*idle)++;
    }
    return client->connection_count;
}
