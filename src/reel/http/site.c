/* A site: what all connections of a server share. */
#include "reel/http/site.h"

#include "reel/loop.h"

#include "http/date.h"

#include <errno.h>
#include <string.h>

void *reel_site_memory(struct reel_http_site *site, void *memory, size_t size)
{
    if (!memory && size == 0)
        return NULL;
    return site->allocator.resize(site->allocator.context, memory, size);
}

int reel_text_put(struct reel_http_site *site, struct text_buffer *b, const void *data, size_t len,
                  size_t max)
{
    if (len > max - b->len)
        return -ENOBUFS;
    if (b->cap - b->len < len) {
        size_t cap = 2 * b->len > b->len + len ? 2 * b->len : b->len + len;
        cap = cap < max ? cap : max;
        char *grown = reel_site_memory(site, b->data, cap);
        if (!grown)
            return -ENOMEM;
        b->data = grown;
        b->cap = cap;
    }
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}

void reel_text_free(struct reel_http_site *site, struct text_buffer *b)
{
    reel_site_memory(site, b->data, 0);
    *b = (struct text_buffer){0};
}

void reel_site_refresh(struct reel_http_site *site)
{
    int64_t now_s = reel_wall_us(site->reactor) / 1000000;
    if (now_s == site->common_s && site->common_len)
        return;
    char date_z[HTTP_DATE_LEN + 1];
    http_date_format(now_s, date_z);
    const char *server_z = site->options.server_z;
    int n = snprintf(site->common, sizeof(site->common), "%s%s%sDate: %s\r\n",
                     server_z ? "Server: " : "", server_z ? server_z : "", server_z ? "\r\n" : "",
                     date_z);
    site->common_len = (size_t)n;
    site->common_s = now_s;
}

static int64_t time_or(int64_t ns, int64_t standard)
{
    return ns ? ns : standard;
}

static uint32_t count_or(uint32_t count, uint32_t standard)
{
    return count ? count : standard;
}

static void fill_in(struct reel_http_options *o)
{
    o->line_max = count_or(o->line_max, REEL_HTTP_LINE_MAX);
    o->field_max = count_or(o->field_max, REEL_HTTP_FIELD_MAX);
    o->head_max = count_or(o->head_max, REEL_HTTP_HEAD_MAX);
    o->fields_max = count_or(o->fields_max, REEL_HTTP_FIELDS_MAX);
    o->trailers_max = count_or(o->trailers_max, REEL_HTTP_TRAILERS_MAX);
    o->extensions_max = count_or(o->extensions_max, REEL_HTTP_EXTENSIONS_MAX);
    o->body_max = o->body_max ? o->body_max : REEL_HTTP_BODY_MAX;
    o->drain_max = count_or(o->drain_max, REEL_HTTP_DRAIN_MAX);
    o->connections_max = count_or(o->connections_max, REEL_HTTP_CONNECTIONS_MAX);
    o->requests_max = count_or(o->requests_max, REEL_HTTP_REQUESTS_MAX);
    o->pipeline_max = count_or(o->pipeline_max, REEL_HTTP_PIPELINE_MAX);
    o->ahead_max = count_or(o->ahead_max, REEL_HTTP_AHEAD_MAX);
    o->head_ns = time_or(o->head_ns, REEL_HTTP_HEAD_NS);
    o->body_ns = time_or(o->body_ns, REEL_HTTP_BODY_NS);
    o->body_rate = count_or(o->body_rate, REEL_HTTP_BODY_RATE);
    o->idle_ns = time_or(o->idle_ns, REEL_HTTP_IDLE_NS);
    o->send_ns = time_or(o->send_ns, REEL_HTTP_SEND_NS);
}

static bool accepts(const struct reel_factory *factory, const struct reel_address *peer)
{
    (void)peer;
    const struct reel_http_site *site = factory->shared;
    return !site->freed && site->connections < site->options.connections_max;
}

static bool routes_are_good(const struct reel_http_route *routes)
{
    for (; routes->path_z; routes++)
        if (!http_pattern_is_good(routes->path_z) || !routes->handle)
            return false;
    return true;
}

static void part_info(const struct reactor_part *part, struct reel_handle_info *out)
{
    *out = (struct reel_handle_info){REEL_HANDLE_HTTP, "http site", -1, part};
}

static void part_end(struct reactor_part *part)
{
    struct reel_http_site *site = CONTAINER_OF(part, struct reel_http_site, part);
    list_remove(&part->link);
    site->reactor = NULL;
    site->called = false;
    reel_site_release(site);
}

static int part_after_fork(struct reactor_part *part)
{
    (void)part;
    return 0;
}

static const struct part_ops part_ops = {part_info, part_end, part_after_fork};

static void set_up(struct reel_http_site *site, struct reel_reactor *r,
                   const struct reel_http_route *routes, const struct reel_http_options *options)
{
    static const struct reel_http_options none = {0};
    site->reactor = r;
    site->allocator = r->allocator;
    site->routes = routes;
    site->options = options ? *options : none;
    fill_in(&site->options);
    const struct reel_http_options *o = &site->options;
    site->limits = (struct http1_limits){o->line_max,   o->field_max,    o->head_max,
                                         o->fields_max, o->trailers_max, o->extensions_max};
    site->factory = (struct reel_factory){
        .protocol = &reel_http_protocol,
        .shared = site,
        .options = o->transport,
        .filters = o->filters,
        .accepts = accepts,
    };
    site->factory.options.idle_ns = 0; /* the connections' own timer knows better */
    site->call.fn = reel_conn_run_woken;
    list_init(&site->conns);
    list_init(&site->woken);
}

int reel_http_site_new(struct reel_reactor *r, const struct reel_http_route *routes,
                       const struct reel_http_options *options, struct reel_http_site **out)
{
    enum { SERVER_MAX = 128 };
    if (!routes_are_good(routes) ||
        (options && options->server_z && strlen(options->server_z) > SERVER_MAX))
        return -EINVAL;
    struct reel_http_site *site = reel_memory_new_zeroed(r, sizeof(*site));
    if (!site)
        return -ENOMEM;
    set_up(site, r, routes, options);
    site->fields = reel_site_memory(site, NULL, site->limits.fields_max * sizeof(*site->fields));
    if (!site->fields) {
        reel_site_memory(site, site, 0);
        return -ENOMEM;
    }
    reel_part_join(r, &site->part, &part_ops);
    *out = site;
    return 0;
}

void reel_site_release(struct reel_http_site *site)
{
    if (!site->freed || site->connections || site->called || (site->lent && site->reactor))
        return;
    if (site->reactor)
        list_remove(&site->part.link);
    while (site->spare) {
        struct reel_http_request *q = site->spare;
        site->spare = q->next;
        reel_site_memory(site, q, 0);
    }
    reel_site_memory(site, site->fields, 0);
    reel_site_memory(site, site, 0);
}

void reel_http_site_free(struct reel_http_site *site)
{
    if (!site || site->freed)
        return;
    site->freed = true;
    for (struct reel_link *link = site->conns.next; link != &site->conns; link = link->next)
        reel_abort(CONTAINER_OF(link, struct conn, link)->t);
    reel_site_release(site);
}

const struct reel_factory *reel_http_factory(const struct reel_http_site *site)
{
    return &site->factory;
}

size_t reel_http_connections(const struct reel_http_site *site)
{
    return site->connections;
}
