/* What can be asked of a request. */
#include "reel/http/site.h"

#include "http/token.h"

#include <errno.h>
#include <string.h>

static struct reel_http_text text_of(struct span s)
{
    return (struct reel_http_text){(const char *)s.data, s.len};
}

struct reel_http_text reel_http_method(const struct reel_http_request *q)
{
    return text_of(q->head.method);
}

bool reel_http_is(const struct reel_http_request *q, const char *method_z)
{
    return http_is(q->head.method, method_z);
}

struct reel_http_text reel_http_target(const struct reel_http_request *q)
{
    return text_of(q->head.target);
}

struct reel_http_text reel_http_path(const struct reel_http_request *q)
{
    return text_of(q->path);
}

struct reel_http_text reel_http_query(const struct reel_http_request *q)
{
    return text_of(q->query);
}

struct reel_http_text reel_http_param(const struct reel_http_request *q, const char *name_z)
{
    for (size_t i = 0; i < q->match.param_count; i++)
        if (http_is(q->match.params[i].name, name_z))
            return text_of(q->match.params[i].value);
    return (struct reel_http_text){0};
}

struct reel_http_text reel_http_rest(const struct reel_http_request *q)
{
    return text_of(q->match.rest);
}

struct reel_http_text reel_http_host(const struct reel_http_request *q)
{
    return text_of(q->host);
}

int reel_http_minor(const struct reel_http_request *q)
{
    return q->head.minor;
}

struct reel_http_text reel_http_get(const struct reel_http_request *q, const char *name_z)
{
    ptrdiff_t i = http1_find(&q->head, name_z, 0);
    return i < 0 ? (struct reel_http_text){0} : text_of(http1_value(&q->head, (size_t)i));
}

bool reel_http_field(const struct reel_http_request *q, size_t i, struct reel_http_text *name,
                     struct reel_http_text *value)
{
    if (i >= q->head.field_count)
        return false;
    *name = text_of(http1_name(&q->head, i));
    *value = text_of(http1_value(&q->head, i));
    return true;
}

ptrdiff_t reel_http_form_get(const void *form, size_t len, const char *name_z, char *out_z,
                             size_t size)
{
    static const ptrdiff_t errors[] = {0, -ENOENT, -ENOBUFS, -EILSEQ};
    ptrdiff_t n =
        http_form_get((struct span){form, len},
                      (struct span){(const uint8_t *)name_z, strlen(name_z)}, out_z, size);
    return n < 0 ? errors[-n] : n;
}

ptrdiff_t reel_http_query_get(const struct reel_http_request *q, const char *name_z, char *out_z,
                              size_t size)
{
    return reel_http_form_get(q->query.data, q->query.len, name_z, out_z, size);
}

struct reel_transport *reel_http_transport(const struct reel_http_request *q)
{
    return q->conn->t;
}

struct reel_reactor *reel_http_reactor(const struct reel_http_request *q)
{
    return q->conn->site->reactor;
}
