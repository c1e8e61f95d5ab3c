/* What the taker gets: the head copied, the body collected. */
#include "reel/http_client/parts.h"

#include <errno.h>
#include <strings.h>

static const char *copy(char **at, struct span text)
{
    char *begin = *at;
    text_copy_z(text, begin);
    *at += text.len + 1;
    return begin;
}

struct hc_response *reel_hc_response_new(struct reel_http_exchange *x,
                                         const struct http1_head *head)
{
    struct reel_reactor *r = x->client->reactor;
    size_t table = (head->field_count + 1) * sizeof(struct reel_http_client_field);
    size_t url_len = strlen(x->url) + 1;
    struct hc_response *response = reel_memory_new_zeroed(
        r, sizeof(*response) + table + url_len + head->bytes.len + 2 * head->field_count + 2);
    if (!response)
        return NULL;
    struct reel_http_client_field *fields = (struct reel_http_client_field *)(response + 1);
    char *at = (char *)fields + table;
    response->reactor = r;
    response->is.status = head->status;
    response->is.fields = fields;
    response->is.url_z = copy(&at, text_z(x->url));
    for (size_t i = 0; i < head->field_count; i++) {
        fields[i].name_z = copy(&at, http1_name(head, i));
        fields[i].value_z = copy(&at, http1_value(head, i));
    }
    return response;
}

int reel_hc_response_add(struct hc_response *response, const uint8_t *data, size_t len, size_t max)
{
    if (len > max - response->is.len)
        return -EMSGSIZE;
    if (response->is.len + len > response->cap) {
        size_t cap = response->cap ? response->cap * 2 : len;
        cap = cap < response->is.len + len ? response->is.len + len : cap;
        cap = cap > max ? max : cap;
        uint8_t *body = reel_memory_resize(response->reactor, response->body, cap);
        if (!body)
            return -ENOMEM;
        response->body = body;
        response->cap = cap;
    }
    memcpy(response->body + response->is.len, data, len);
    response->is.len += len;
    response->is.body = response->body;
    return 0;
}

void reel_hc_response_free(struct hc_response *response)
{
    if (!response)
        return;
    reel_memory_free(response->reactor, response->body);
    reel_memory_free(response->reactor, response);
}

void reel_hc_response_release(void *is)
{
    reel_hc_response_free(CONTAINER_OF(is, struct hc_response, is));
}

const char *reel_http_response_get(const struct reel_http_response *response, const char *name_z)
{
    for (const struct reel_http_client_field *f = response->fields; f->name_z; f++)
        if (strcasecmp(f->name_z, name_z) == 0)
            return f->value_z;
    return NULL;
}
