/* Sockets of the network: ports, and what becomes of what is sent. The machine reaches itself. What
 * is beyond is answered as from behind a provider's filter: echo requests and questions for names
 * get their answers after a plausible time, connections are refused. */
#include "kernel/hash.h"
#include "kernel/kind.h"
#include "kernel/machine.h"
#include "kernel/socket.h"
#include "kernel/task.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>

enum {
    PORT_FIRST = 32768, /* net.ipv4.ip_local_port_range */
    PORT_LAST = 60999,
    PORT_PRIVILEGED = 1024, /* net.ipv4.ip_unprivileged_port_start */
    PORT_NAMES = 53,
    IP_HEADER = 20,
    ICMP_HEADER = 8,
    ECHO6_REQUEST = 128, /* RFC 4443 */
    ECHO6_REPLY = 129,
};

static const int64_t MS_NS = 1000000;
static const int64_t NEAR_NS = 300000;           /* to the gateway and back */
static const int64_t UNRESOLVED_NS = 3060000000; /* three ARP requests without an answer */

bool socket_is_inet(const struct socket *s)
{
    return s->family == AF_INET || s->family == AF_INET6;
}

/* ---- Names ---- */

void socket_ip_of(const struct socket_name *name, struct net_ip *ip, uint16_t *port)
{
    uint16_t family = 0;
    memcpy(&family, name->bytes, sizeof(family));
    *port = (uint16_t)(name->bytes[2] << 8 | name->bytes[3]);
    if (family == AF_INET6)
        memcpy(ip->bytes, name->bytes + 8, sizeof(ip->bytes));
    else
        *ip = net_ip4(name->bytes + 4);
}

void socket_name_of(int family, const struct net_ip *ip, uint16_t port, struct socket_name *out)
{
    uint16_t family16 = (uint16_t)family;
    *out = (struct socket_name){.len = family == AF_INET ? sizeof(struct sockaddr_in)
                                                         : sizeof(struct sockaddr_in6)};
    memcpy(out->bytes, &family16, sizeof(family16));
    out->bytes[2] = (uint8_t)(port >> 8);
    out->bytes[3] = (uint8_t)port;
    if (family == AF_INET)
        memcpy(out->bytes + 4, net_ip_span(ip).data, 4);
    else
        memcpy(out->bytes + 8, ip->bytes, sizeof(ip->bytes));
}

/* The two could both be meant by one packet. */
static bool overlap(const struct socket *s, const struct net_ip *ip)
{
    struct net_ip own;
    uint16_t port;
    socket_ip_of(&s->name, &own, &port);
    return net_ip_is_any(&own) || net_ip_is_any(ip) || net_ip_equal(&own, ip);
}

static bool has_port(const struct socket *s, int type, uint16_t port)
{
    struct net_ip ip;
    uint16_t own = 0;
    if (!s->named || !socket_is_inet(s) || s->type != type)
        return false;
    socket_ip_of(&s->name, &ip, &own);
    return own == port;
}

const struct socket_service *socket_service_find(const struct vfs *vfs, int type, uint16_t port)
{
    const struct kind *m = vfs->hardware->kind;
    for (size_t i = 0; i < m->listener_count; i++)
        if (m->listeners[i].type == type && m->listeners[i].port == port)
            return &m->listeners[i];
    return NULL;
}

enum { REUSE_ADDRESS = 0, REUSE_PORT = 1 }; /* places in socket.value: sys_sockopt.c */

static bool may_share(const struct socket *a, const struct socket *b)
{
    if (a->value[REUSE_PORT] != 0 && b->value[REUSE_PORT] != 0 && a->uid == b->uid)
        return true;
    return a->value[REUSE_ADDRESS] != 0 && b->value[REUSE_ADDRESS] != 0 && !b->listening;
}

static bool is_port_taken(const struct socket *s, const struct net_ip *ip, uint16_t port)
{
    if (socket_service_find(s->vfs, s->type, port) != NULL)
        return true;
    for (const struct socket *each = s->vfs->sockets; each != NULL; each = each->next)
        if (each != s && !each->connected && has_port(each, s->type, port) && overlap(each, ip) &&
            !may_share(s, each))
            return true;
    return false;
}

/* A free port, from a random one on: a search costs little however many are taken. */
static uint16_t choose_port(const struct socket *s, const struct net_ip *ip)
{
    const struct vfs_hooks *hooks = vfs_hooks(s->vfs);
    uint32_t start = 0, count = PORT_LAST - PORT_FIRST + 1;
    hooks->random(hooks->ctx, &start, sizeof(start));
    for (uint32_t i = 0; i < count; i++) {
        uint16_t port = (uint16_t)(PORT_FIRST + (start % count + i) % count);
        if (!is_port_taken(s, ip, port))
            return port;
    }
    return 0;
}

int socket_inet_bind(const struct creds *cred, struct socket *s, const struct socket_name *name)
{
    struct net_ip ip;
    uint16_t port = 0;
    struct socket_name full = *name;
    socket_ip_of(name, &ip, &port);
    if (!net_ip_is_any(&ip) && !net_is_own(&s->vfs->net, &ip))
        return -EADDRNOTAVAIL;
    if (s->named)
        return -EINVAL;
    if (s->type == SOCK_RAW)
        return socket_bind(s, &full);
    if (port != 0 && port < PORT_PRIVILEGED && !creds_capable(cred, CAP_NET_BIND_SERVICE))
        return -EACCES;
    if (port == 0)
        port = choose_port(s, &ip);
    else if (is_port_taken(s, &ip, port))
        return -EADDRINUSE;
    if (port == 0)
        return -EADDRINUSE;
    socket_name_of(s->family, &ip, port, &full);
    return socket_bind(s, &full);
}

/* The name that a socket without one gets when it speaks to `ip`. */
static int name_itself(const struct creds *cred, struct socket *s, const struct net_ip *ip)
{
    struct net_ip own, any = {{0}};
    struct socket_name name;
    if (!net_source_for(&s->vfs->net, ip, &own))
        return -ENETUNREACH;
    if (s->named) {
        uint16_t port = 0;
        socket_ip_of(&s->name, &any, &port);
        if (net_ip_is_any(&any) && s->type == SOCK_STREAM)
            socket_name_of(s->family, &own, port, &s->name);
        return 0;
    }
    socket_name_of(s->family, &own, 0, &name);
    return socket_inet_bind(cred, s, &name);
}

/* ---- The world beyond ---- */

/* A time that is the same for a place whenever it is asked: near ones and far ones. */
static int64_t round_trip_ns(struct vfs *vfs, const struct net_ip *ip, bool near)
{
    uint32_t jitter = 0;
    vfs->hooks.random(vfs->hooks.ctx, &jitter, sizeof(jitter));
    if (near)
        return NEAR_NS + jitter % 120000;
    uint32_t place = (uint32_t)hash_bytes(0, span_of(ip->bytes, NET_IP_BYTES - 1));
    return (4 + place % 170) * MS_NS + jitter % 700000;
}

static void tell_connect(struct task *t, const struct socket *s, const struct net_ip *ip,
                         uint16_t port)
{
    char text_z[NET_TEXT_BYTES];
    size_t n = net_ip_text(ip, text_z);
    const struct kernel_event event = {.type = KERNEL_CONNECT,
                                       .text = span_of(text_z, n),
                                       .number = port,
                                       .datagram = s->type != SOCK_STREAM};
    kernel_emit(t->kernel, t, &event);
}

/* How far an address is: -ENETUNREACH, -EHOSTUNREACH (nobody on the own network has it), or how
 * long an answer takes. */
static int64_t far_ns(struct vfs *vfs, const struct net_ip *ip)
{
    const struct net_route *route = net_route_to(&vfs->net, ip);
    if (route == NULL)
        return -ENETUNREACH;
    if (route->has_gateway)
        return round_trip_ns(vfs, ip, false);
    for (size_t i = 0; i < vfs->net.neighbour_count; i++)
        if (net_ip_equal(&vfs->net.neighbours[i].ip, ip))
            return round_trip_ns(vfs, ip, true);
    return -EHOSTUNREACH;
}

static int connect_far(struct task *t, struct socket *s, const struct net_ip *ip, uint16_t port)
{
    int64_t far = far_ns(s->vfs, ip);
    int64_t now = kernel_monotonic_ns(t->kernel);
    tell_connect(t, s, ip, port);
    if (far == -ENETUNREACH)
        return -ENETUNREACH;
    s->due_error = far < 0 ? EHOSTUNREACH : ECONNREFUSED;
    s->due_ns = now + (far < 0 ? UNRESOLVED_NS : far);
    return -EINPROGRESS;
}

/* ---- The machine itself ---- */

/* The socket that is meant by a packet to (ip, port): the more exact name wins. */
static struct socket *find_own(const struct vfs *vfs, int type, const struct net_ip *ip,
                               uint16_t port)
{
    struct socket *best = NULL;
    bool best_exact = false;
    for (struct socket *s = vfs->sockets; s != NULL; s = s->next) {
        struct net_ip own;
        uint16_t own_port;
        if (!has_port(s, type, port) || !overlap(s, ip) || (type == SOCK_STREAM && !s->listening))
            continue;
        socket_ip_of(&s->name, &own, &own_port);
        bool exact = !net_ip_is_any(&own);
        if (s->family == AF_INET && !net_ip_is4(ip))
            continue;
        if (best == NULL || exact > best_exact) {
            best = s;
            best_exact = exact;
        }
    }
    return best;
}

/* The SSH server's connections are answered from outside, if anybody does. */
static bool is_answered(const struct vfs *vfs, const struct socket_service *service)
{
    return vfs->kernel != NULL && vfs->kernel->answers &&
           service->pid == vfs->hardware->kind->login.listener;
}

static uint32_t asking(const struct vfs *vfs)
{
    uint32_t count = 0;
    for (const struct socket *s = vfs->sockets; s != NULL; s = s->next)
        count += s->asks;
    return count;
}

static int connect_service(struct socket *s, const struct socket_service *service)
{
    bool answered = is_answered(s->vfs, service);
    if (s->vfs->kernel != NULL && !service_runs(s->vfs->kernel, service->pid))
        return -ECONNREFUSED;
    if (answered && asking(s->vfs) >= service->backlog)
        return -EAGAIN;
    struct socket *other = socket_new(s->vfs, s->family, s->type, s->protocol);
    if (other == NULL)
        return -ENOMEM;
    const struct socket_about about = {.pid = service->pid};
    other->served = !answered;
    other->asks = answered;
    other->pid = service->pid;
    socket_join(s, other);
    if (!answered)
        (void)socket_put(s, span_z(service->greeting_z), &about);
    return 0;
}

static int connect_own(struct socket *s, const struct socket_name *name, const struct net_ip *ip,
                       uint16_t port)
{
    struct socket *listener = find_own(s->vfs, SOCK_STREAM, ip, port);
    const struct socket_service *service = socket_service_find(s->vfs, s->type, port);
    int error = listener != NULL  ? socket_connect(s, listener)
                : service != NULL ? connect_service(s, service)
                                  : -ECONNREFUSED;
    if (error != 0)
        return error;
    s->peer_name = *name;
    if (s->peer != NULL) { /* each end sees its own address, not the listener's */
        struct net_ip own;
        uint16_t own_port;
        socket_name_of(s->peer->family, ip, port, &s->peer->name);
        socket_ip_of(&s->name, &own, &own_port);
        socket_name_of(s->peer->family, &own, own_port, &s->peer->peer_name);
    }
    return 0;
}

int socket_inet_connect_own(const struct creds *cred, struct socket *s,
                            const struct socket_name *name)
{
    struct net_ip ip;
    uint16_t port;
    socket_ip_of(name, &ip, &port);
    if (!net_is_own(&s->vfs->net, &ip))
        return -EADDRNOTAVAIL;
    int error = name_itself(cred, s, &ip);
    return error != 0 ? error : connect_own(s, name, &ip, port);
}

int socket_inet_connect(struct task *t, struct socket *s, const struct socket_name *name)
{
    static const uint8_t own4[4] = {127, 0, 0, 1};
    struct net_ip ip;
    uint16_t port;
    socket_ip_of(name, &ip, &port);
    if (net_ip_is_any(&ip)) /* what has no place is here */
        ip = s->family == AF_INET ? net_ip4(own4) : (struct net_ip){{[15] = 1}};
    bool own = net_is_own(&s->vfs->net, &ip);
    int error = name_itself(&t->creds, s, &ip);
    if (error != 0) {
        if (!own && s->type == SOCK_STREAM)
            tell_connect(t, s, &ip, port);
        return error;
    }
    if (s->type != SOCK_STREAM) {
        struct net_ip at;
        uint16_t own_port;
        socket_name_of(s->family, &ip, port, &s->peer_name);
        s->connected = true;
        socket_ip_of(&s->name, &at, &own_port);
        if (net_ip_is_any(&at) && net_source_for(&s->vfs->net, &ip, &at))
            socket_name_of(s->family, &at, own_port, &s->name);
        return 0;
    }
    struct socket_name to;
    socket_name_of(s->family, &ip, port, &to);
    if (own)
        return connect_own(s, &to, &ip, port);
    s->peer_name = to;
    return connect_far(t, s, &ip, port);
}

/* ---- Datagrams ---- */

static uint16_t checksum(const uint8_t *bytes, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* What is left of a reply's TTL: from near by all, from afar what its way takes. */
static uint8_t hops_of(const struct net_ip *from, int64_t due_ns)
{
    uint32_t place = (uint32_t)hash_bytes(2, span_of(from->bytes, NET_IP_BYTES - 1));
    if (due_ns == 0 || net_ip_is_any(from))
        return 64;
    return (uint8_t)((place & 0x100 ? 64 : 128) - 6 - place % 12);
}

/* The reply to an echo request (RFC 792), as the socket's kind shows it: a raw one of IPv4 with the
 * IP header before it. */
static int put_reply(struct socket *s, const struct net_ip *from, struct span request,
                     int64_t due_ns)
{
    bool v4 = s->family == AF_INET, raw = s->type == SOCK_RAW;
    struct socket_about about = {.due_ns = due_ns, .hops = hops_of(from, due_ns)};
    struct buffer reply;
    struct net_ip own;
    uint16_t port = 0;
    uint8_t head[IP_HEADER] = {0x45, 0, 0, 0, 0, 0, 0, 0, about.hops, IPPROTO_ICMP};
    buffer_init(&reply, SOCKET_BYTES);
    int error = 0;
    if (v4 && raw && net_source_for(&s->vfs->net, from, &own)) {
        size_t total = IP_HEADER + request.len;
        head[2] = (uint8_t)(total >> 8);
        head[3] = (uint8_t)total;
        memcpy(head + 12, net_ip_span(from).data, 4);
        memcpy(head + 16, net_ip_span(&own).data, 4);
        uint16_t sum = checksum(head, sizeof(head));
        head[10] = (uint8_t)(sum >> 8);
        head[11] = (uint8_t)sum;
        error = buffer_put(&reply, span_of(head, sizeof(head)));
    }
    size_t at = buffer_len(&reply);
    if (error == 0)
        error = buffer_put(&reply, request);
    if (error == 0) {
        uint8_t *icmp = reply.data + reply.start + at;
        icmp[0] = v4 ? ICMP_ECHOREPLY : ECHO6_REPLY;
        icmp[2] = icmp[3] = 0;
        if (!raw) { /* the kernel's own number of the socket stands for the sender's */
            socket_ip_of(&s->name, &own, &port);
            icmp[4] = (uint8_t)(port >> 8);
            icmp[5] = (uint8_t)port;
        }
        uint16_t sum = checksum(icmp, request.len);
        icmp[2] = (uint8_t)(sum >> 8);
        icmp[3] = (uint8_t)sum;
        socket_name_of(s->family, from, 0, &about.from);
        (void)socket_put(s, buffer_span(&reply), &about);
    }
    buffer_fini(&reply);
    return error != 0 ? -ENOBUFS : 0;
}

static int64_t send_echo(struct task *t, struct socket *s, const struct net_ip *ip,
                         struct span bytes)
{
    uint8_t request = s->family == AF_INET ? ICMP_ECHO : ECHO6_REQUEST;
    int64_t now = kernel_monotonic_ns(t->kernel);
    if (bytes.len < ICMP_HEADER)
        return -EINVAL;
    if (s->type == SOCK_DGRAM && (bytes.data[0] != request || bytes.data[1] != 0))
        return -EINVAL;
    int64_t far = net_is_own(&s->vfs->net, ip) ? 0 : far_ns(s->vfs, ip);
    int error =
        far >= 0 && bytes.data[0] == request ? put_reply(s, ip, bytes, far > 0 ? now + far : 0) : 0;
    return error != 0 ? error : (int64_t)bytes.len;
}

static void ask_names(struct task *t, struct socket *s, const struct socket_name *server,
                      int64_t due_ns, struct span question)
{
    struct socket_about about = {.from = *server, .due_ns = due_ns};
    struct buffer answer;
    buffer_init(&answer, SOCKET_BYTES);
    if (socket_dns_answer(t, question, &answer))
        (void)socket_put(s, buffer_span(&answer), &about);
    buffer_fini(&answer);
}

static int64_t send_udp(struct task *t, struct socket *s, const struct socket_name *to,
                        const struct net_ip *ip, uint16_t port, struct span bytes)
{
    struct socket_about about = {
        .from = s->name, .pid = t->process->pid, .uid = t->creds.uid, .gid = t->creds.gid};
    int64_t now = kernel_monotonic_ns(t->kernel);
    if (net_is_own(&s->vfs->net, ip)) {
        struct socket *other = find_own(s->vfs, SOCK_DGRAM, ip, port);
        struct net_ip from;
        uint16_t from_port;
        socket_ip_of(&s->name, &from, &from_port);
        if (other != NULL && net_ip_is_any(&from))
            (void)net_source_for(&s->vfs->net, ip, &from);
        if (other == NULL && s->connected)
            s->error = ECONNREFUSED; /* the answer comes with the next call */
        if (other == NULL)
            return (int64_t)bytes.len;
        socket_name_of(other->family, &from, from_port, &about.from);
        (void)socket_put(other, bytes, &about); /* what does not fit is lost */
        return (int64_t)bytes.len;
    }
    int64_t far = far_ns(s->vfs, ip);
    if (far == -ENETUNREACH)
        return far;
    if (port == PORT_NAMES)
        ask_names(t, s, to, now + (far > 0 ? far / 4 : 0), bytes);
    else
        tell_connect(t, s, ip, port);
    return (int64_t)bytes.len;
}

int64_t socket_inet_send(struct task *t, struct socket *s, const struct socket_name *to,
                         struct span bytes)
{
    enum { DATAGRAM_MAX = 65507 };
    struct net_ip ip;
    uint16_t port;
    if (s->error != 0) {
        int error = s->error;
        s->error = 0;
        return -error;
    }
    if (to->len == 0 && !s->connected)
        return -EDESTADDRREQ;
    if (to->len == 0)
        to = &s->peer_name;
    if (bytes.len > DATAGRAM_MAX)
        return -EMSGSIZE;
    socket_ip_of(to, &ip, &port);
    bool is_echo = s->protocol == IPPROTO_ICMP || s->protocol == IPPROTO_ICMPV6;
    if (port == 0 && s->type == SOCK_DGRAM && !is_echo)
        return -EINVAL;
    int error = name_itself(&t->creds, s, &ip);
    if (error != 0)
        return error;
    if (is_echo)
        return send_echo(t, s, &ip, bytes);
    return s->type == SOCK_DGRAM ? send_udp(t, s, to, &ip, port, bytes) : (int64_t)bytes.len;
}
