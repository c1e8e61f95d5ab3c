/* sock_diag(7): the machine's sockets, for ss. */
#include "kernel/net_sockets.h"
#include "kernel/netlink.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum { MEMORY_WORDS = 9 };

struct dump {
    struct netlink_call *c;
    struct inet_diag_req_v2 asked;
};

static void put_ip(uint32_t out[4], const struct net_ip *ip, int family)
{
    struct span bytes = net_ip_span(ip);
    memset(out, 0, NET_IP_BYTES);
    if (family == AF_INET6 && bytes.len == 4 && !net_ip_is_any(ip))
        memcpy(out, ip->bytes, NET_IP_BYTES); /* IPv4 seen by a socket of both */
    else
        memcpy(out, bytes.data, bytes.len);
}

static uint16_t network_order(uint16_t port)
{
    return (uint16_t)(port << 8 | port >> 8);
}

static int put_inet(void *ctx, const struct net_seen *seen)
{
    struct dump *d = ctx;
    if ((d->asked.idiag_states & 1U << seen->state) == 0 ||
        (d->asked.sdiag_protocol != seen->protocol && seen->type != SOCK_RAW))
        return 0;
    struct inet_diag_msg body = {.idiag_family = (uint8_t)seen->family,
                                 .idiag_state = seen->state,
                                 .idiag_rqueue = seen->receive_queue,
                                 .idiag_wqueue = seen->send_queue,
                                 .idiag_uid = seen->uid,
                                 .idiag_inode = seen->ino};
    body.id.idiag_sport = network_order(seen->local_port);
    body.id.idiag_dport = network_order(seen->peer_port);
    put_ip(body.id.idiag_src, &seen->local, seen->family);
    put_ip(body.id.idiag_dst, &seen->peer, seen->family);
    body.id.idiag_cookie[0] = seen->ino;
    netlink_begin(d->c, SOCK_DIAG_BY_FAMILY, &body, sizeof(body));
    if ((d->asked.idiag_ext & 1 << (INET_DIAG_SKMEMINFO - 1)) != 0) {
        const uint32_t memory[MEMORY_WORDS] = {0, 131072, 0, 16384};
        netlink_put(d->c, INET_DIAG_SKMEMINFO, memory, sizeof(memory));
    }
    netlink_put_u8(d->c, INET_DIAG_SHUTDOWN, 0);
    if (seen->family == AF_INET6)
        netlink_put_u8(d->c, INET_DIAG_SKV6ONLY, seen->socket == NULL);
    return netlink_end(d->c);
}

static int dump_inet(struct netlink_call *c)
{
    struct dump d = {.c = c};
    if (!netlink_body(c, &d.asked, sizeof(d.asked)))
        return -EINVAL;
    int type = d.asked.sdiag_protocol == IPPROTO_TCP   ? SOCK_STREAM
               : d.asked.sdiag_protocol == IPPROTO_UDP ? SOCK_DGRAM
                                                       : SOCK_RAW;
    if (type == SOCK_RAW && d.asked.sdiag_protocol != IPPROTO_RAW)
        return -ENOENT; /* no module for that protocol */
    return c->is_dump ? net_sockets(c->s->vfs, d.asked.sdiag_family, type, put_inet, &d) : -ENOENT;
}

/* ---- AF_UNIX ---- */

static uint8_t state_of(const struct socket *s)
{
    return s->listening ? TCP_LISTEN : s->peer != NULL ? TCP_ESTABLISHED : TCP_CLOSE;
}

static int put_unix(struct netlink_call *c, const struct unix_diag_req *asked,
                    const struct socket *s)
{
    const struct unix_diag_msg body = {.udiag_family = AF_UNIX,
                                       .udiag_type = (uint8_t)s->type,
                                       .udiag_state = state_of(s),
                                       .udiag_ino = (uint32_t)s->ino,
                                       .udiag_cookie = {(uint32_t)s->ino, 0}};
    const struct unix_diag_rqlen queue = {.udiag_rqueue =
                                              s->listening ? s->waiting : (uint32_t)s->queued,
                                          .udiag_wqueue = s->listening ? s->backlog : 0};
    netlink_begin(c, SOCK_DIAG_BY_FAMILY, &body, sizeof(body));
    if ((asked->udiag_show & UDIAG_SHOW_NAME) != 0 && s->named)
        netlink_put(c, UNIX_DIAG_NAME, s->name.bytes + 2, s->name.len - 2);
    if ((asked->udiag_show & UDIAG_SHOW_PEER) != 0 && s->peer != NULL)
        netlink_put_u32(c, UNIX_DIAG_PEER, (uint32_t)s->peer->ino);
    if ((asked->udiag_show & UDIAG_SHOW_RQLEN) != 0)
        netlink_put(c, UNIX_DIAG_RQLEN, &queue, sizeof(queue));
    netlink_put_u8(c, UNIX_DIAG_SHUTDOWN, 0);
    return netlink_end(c);
}

static int dump_unix(struct netlink_call *c)
{
    struct unix_diag_req asked;
    int error = 0;
    if (!netlink_body(c, &asked, sizeof(asked)))
        return -EINVAL;
    if (!c->is_dump)
        return -ENOENT;
    for (const struct socket *s = c->s->vfs->sockets; s != NULL && error == 0; s = s->next)
        if (s->family == AF_UNIX && (asked.udiag_states & 1U << state_of(s)) != 0)
            error = put_unix(c, &asked, s);
    return error;
}

static int by_family(struct netlink_call *c)
{
    if (c->body.len < 1)
        return -EINVAL;
    switch (c->body.data[0]) {
    case AF_INET:
    case AF_INET6: return dump_inet(c);
    case AF_UNIX: return dump_unix(c);
    default: return -ENOENT; /* the module of that family is not there */
    }
}

static const struct netlink_request requests[] = {{SOCK_DIAG_BY_FAMILY, false, by_family}};

const struct netlink_request *netlink_diag_requests(size_t *count)
{
    *count = ARRAY_LEN(requests);
    return requests;
}
