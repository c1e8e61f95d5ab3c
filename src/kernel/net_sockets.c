#include "kernel/net_sockets.h"

#include "kernel/kind.h"
#include "kernel/machine.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static uint8_t state_of(const struct socket *s)
{
    if (s->type != SOCK_STREAM)
        return s->connected ? TCP_ESTABLISHED : TCP_CLOSE;
    if (s->listening)
        return TCP_LISTEN;
    if (s->due_ns != 0)
        return TCP_SYN_SENT;
    if (s->peer == NULL)
        return s->connected ? TCP_CLOSE_WAIT : TCP_CLOSE;
    if (s->write_shut)
        return s->peer->write_shut ? TCP_LAST_ACK : TCP_FIN_WAIT2;
    return s->peer->write_shut ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
}

static void see(const struct socket *s, struct net_seen *out)
{
    *out = (struct net_seen){.family = s->family,
                             .type = s->type,
                             .protocol = s->protocol,
                             .state = state_of(s),
                             .uid = s->uid,
                             .ino = (uint32_t)s->ino,
                             .socket = s};
    if (s->named)
        socket_ip_of(&s->name, &out->local, &out->local_port);
    if (s->peer_name.len > 0)
        socket_ip_of(&s->peer_name, &out->peer, &out->peer_port);
    out->receive_queue = s->listening ? s->waiting : (uint32_t)s->queued;
    if (s->type == SOCK_STREAM && !s->listening && s->messages > 0)
        out->receive_queue = (uint32_t)(s->queued - s->messages * SOCKET_MESSAGE_COST);
    out->send_queue = s->listening ? s->backlog : 0;
}

static int own_sockets(struct vfs *vfs, int family, int type, net_seen_fn fn, void *ctx)
{
    int result = 0;
    for (const struct socket *s = vfs->sockets; s != NULL && result == 0; s = s->next) {
        struct net_seen seen;
        if (s->family != family || s->type != type || (!s->named && !s->connected))
            continue;
        see(s, &seen);
        result = fn(ctx, &seen);
    }
    return result;
}

static bool runs(const struct vfs *vfs, int32_t table_pid)
{
    return vfs->kernel == NULL || service_runs(vfs->kernel, table_pid);
}

static int service_sockets(struct vfs *vfs, int family, int type, net_seen_fn fn, void *ctx)
{
    int result = 0;
    const struct kind *m = vfs->hardware->kind;
    static const uint8_t any4[4];
    for (size_t i = 0; i < m->listener_count && result == 0; i++) {
        const struct socket_service *s = &m->listeners[i];
        struct net_ip any = family == AF_INET ? net_ip4(any4) : (struct net_ip){{0}};
        const struct net_seen seen = {.family = family,
                                      .type = type,
                                      .protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
                                      .local = any,
                                      .peer = any,
                                      .local_port = s->port,
                                      .state = type == SOCK_STREAM ? TCP_LISTEN : TCP_CLOSE,
                                      .send_queue = s->backlog,
                                      .ino = s->ino};
        if (s->family == family && s->type == type && runs(vfs, s->pid))
            result = fn(ctx, &seen);
    }
    return result;
}

static int login_socket(const struct net *net, net_seen_fn fn, void *ctx)
{
    const struct net_seen seen = {.family = AF_INET,
                                  .type = SOCK_STREAM,
                                  .protocol = IPPROTO_TCP,
                                  .local = net->peer_local,
                                  .peer = net->peer,
                                  .local_port = net->peer_local_port,
                                  .peer_port = net->peer_port,
                                  .state = TCP_ESTABLISHED,
                                  .ino = NET_LOGIN_INODE};
    return net->peer_port != 0 ? fn(ctx, &seen) : 0;
}

int net_sockets(struct vfs *vfs, int family, int type, net_seen_fn fn, void *ctx)
{
    int result = service_sockets(vfs, family, type, fn, ctx);
    if (result == 0 && family == AF_INET && type == SOCK_STREAM)
        result = login_socket(&vfs->net, fn, ctx);
    return result != 0 ? result : own_sockets(vfs, family, type, fn, ctx);
}
