/* Another protocol takes over a connection. */
#include "reel/http/answer.h"
#include "reel/http/site.h"

#include "http/token.h"

#include <errno.h>
#include <string.h>

static bool asks_for(const struct reel_http_request *q, const char *name_z)
{
    if (!name_z)
        return http_is(q->head.method, "CONNECT");
    if (!q->head.upgrade)
        return false;
    for (ptrdiff_t i = http1_find(&q->head, "Upgrade", 0); i >= 0;
         i = http1_find(&q->head, "Upgrade", (size_t)i + 1))
        if (http_list_has(http1_value(&q->head, (size_t)i), name_z))
            return true;
    return false;
}

static int send_head(struct reel_http_request *q, const char *name_z)
{
    static const char switching[] =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ";
    static const char tunnel[] = "HTTP/1.1 200 OK";
    struct reel_http_site *site = q->conn->site;
    reel_site_refresh(site);
    const struct iovec parts[] = {
        {(void *)(name_z ? switching : tunnel),
         name_z ? sizeof(switching) - 1 : sizeof(tunnel) - 1},
        {(void *)name_z, name_z ? strlen(name_z) : 0},
        {(void *)"\r\n", 2},
        {site->common, site->common_len},
        {q->fields.data, q->fields.len},
        {(void *)"\r\n", 2},
    };
    q->status = name_z ? 101 : 200;
    return reel_answer_out(q, parts, ARRAY_LEN(parts));
}

int reel_http_upgrade(struct reel_http_request *q, const char *name_z,
                      const struct reel_protocol *protocol, struct reel_transport **out)
{
    struct conn *c = q->conn;
    struct reel_transport *t = c->t;
    struct reel_http_site *site = c->site;
    if (q->is_gone || c->over || reel_is_closing(t))
        return -EPIPE;
    if (!asks_for(q, name_z) || protocol->state_size > REEL_HTTP_UPGRADE_STATE)
        return -EINVAL;
    if (q->state != ANSWER_NONE || c->first != q || q->next || !q->body_done)
        return -EBUSY;
    int err = send_head(q, name_z);
    if (err < 0)
        return err;
    q->state = ANSWER_ENDED;
    site->lent = true;
    reel_conn_fini(c, 0);
    memset(c, 0, reel_http_protocol.state_size);
    reel_set_protocol(t, protocol);
    reel_resume_reading(t); /* what was kept, if this is later than the handler */
    *out = t;
    return 0;
}
