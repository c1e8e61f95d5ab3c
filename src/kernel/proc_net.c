/* The texts of /proc/net, made from the model of the network and the sockets. */
#include "kernel/kind.h"
#include "kernel/net_sockets.h"
#include "kernel/procfs.h"
#include "kernel/xtables_legacy.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { TCP_WIDTH = 149, UDP_WIDTH = 127, ROUTE_WIDTH = 127, LINE_MAX = 320, RTO = 100, CWND = 10 };

static int put_padded(struct buffer *out, const char *text_z, int width)
{
    return buffer_printf(out, "%-*s\n", width, text_z);
}

/* An IPv4 address as a number of this machine's order prints it. */
static uint32_t number_of(const struct net_ip *ip)
{
    uint32_t n = 0;
    memcpy(&n, net_ip_span(ip).data, sizeof(n));
    return n;
}

static uint32_t mask_of(unsigned prefix)
{
    uint32_t mask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
    return __builtin_bswap32(mask);
}

/* ---- Links and routes ---- */

int proc_net_dev(const struct proc_call *c)
{
    const struct net *net = &c->vfs->net;
    int error = buffer_put_z(
        c->out,
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
        "drop fifo colls carrier compressed\n");
    for (size_t i = 0; i < net->link_count && error == 0; i++) {
        const struct net_link *l = &net->links[i];
        error = buffer_printf(c->out,
                              "%6s: %7llu %7llu    0    0    0     0          0         0 %8llu "
                              "%7llu    0    0    0     0       0          0\n",
                              l->name_z, (unsigned long long)l->rx_bytes,
                              (unsigned long long)l->rx_packets, (unsigned long long)l->tx_bytes,
                              (unsigned long long)l->tx_packets);
    }
    return error;
}

int proc_net_tables(const struct proc_call *c)
{
    return xtables_legacy_names(&c->vfs->net, c->out);
}

int proc_net_arp(const struct proc_call *c)
{
    struct net *net = &c->vfs->net;
    int error =
        buffer_put_z(c->out, "IP address       HW type     Flags       HW address            Mask  "
                             "   Device\n");
    for (size_t i = 0; i < net->neighbour_count && error == 0; i++) {
        const struct net_neighbour *n = &net->neighbours[i];
        const struct net_link *link = net_link_find(net, n->link);
        char ip_z[NET_TEXT_BYTES];
        if (n->family != AF_INET || link == NULL)
            continue;
        (void)net_ip_text(&n->ip, ip_z);
        error = buffer_printf(
            c->out, "%-16s 0x%-10x0x%-10x%02x:%02x:%02x:%02x:%02x:%02x     *        %s\n", ip_z,
            link->type, (n->state & NUD_PERMANENT) != 0 ? 6U : 2U, n->mac[0], n->mac[1], n->mac[2],
            n->mac[3], n->mac[4], n->mac[5], link->name_z);
    }
    return error;
}

static int put_hex(struct buffer *out, const struct net_ip *ip)
{
    int error = 0;
    for (size_t i = 0; i < NET_IP_BYTES && error == 0; i++)
        error = buffer_printf(out, "%02x", ip->bytes[i]);
    return error;
}

int proc_net_inet6(const struct proc_call *c)
{
    struct net *net = &c->vfs->net;
    int error = 0;
    for (size_t i = 0; i < net->address_count && error == 0; i++) {
        const struct net_address *a = &net->addresses[i];
        const struct net_link *link = net_link_find(net, a->link);
        unsigned scope = a->scope == RT_SCOPE_HOST ? 0x10 : a->scope == RT_SCOPE_LINK ? 0x20 : 0;
        if (a->family != AF_INET6 || link == NULL)
            continue;
        error = put_hex(c->out, &a->ip);
        if (error == 0)
            error = buffer_printf(c->out, " %02x %02x %02x %02x %8s\n", (unsigned)a->link,
                                  a->prefix, scope, a->flags, link->name_z);
    }
    return error;
}

int proc_net_route(const struct proc_call *c)
{
    struct net *net = &c->vfs->net;
    int error = put_padded(c->out,
                           "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\t"
                           "Window\tIRTT",
                           ROUTE_WIDTH);
    for (size_t i = 0; i < net->route_count && error == 0; i++) {
        const struct net_route *r = &net->routes[i];
        const struct net_link *link = net_link_find(net, r->link);
        char line[LINE_MAX];
        if (r->family != AF_INET || r->table != RT_TABLE_MAIN || link == NULL)
            continue;
        unsigned flags =
            RTF_UP | (r->has_gateway ? RTF_GATEWAY : 0U) | (r->prefix == 32 ? RTF_HOST : 0U);
        (void)snprintf(line, sizeof(line), "%s\t%08X\t%08X\t%04X\t0\t0\t%u\t%08X\t0\t0\t0",
                       link->name_z, number_of(&r->to), r->has_gateway ? number_of(&r->gateway) : 0,
                       flags, r->metric, mask_of(r->prefix));
        error = put_padded(c->out, line, ROUTE_WIDTH);
    }
    return error;
}

int proc_net_route6(const struct proc_call *c)
{
    struct net *net = &c->vfs->net;
    static const struct net_ip none;
    int error = 0;
    for (size_t i = 0; i < net->route_count && error == 0; i++) {
        const struct net_route *r = &net->routes[i];
        const struct net_link *link = net_link_find(net, r->link);
        if (r->family != AF_INET6 || link == NULL)
            continue;
        unsigned flags = RTF_UP | (r->type == RTN_LOCAL ? 0x80200000U : 0U) |
                         (r->has_gateway ? RTF_GATEWAY : 0U);
        error = put_hex(c->out, &r->to);
        if (error == 0)
            error = buffer_printf(c->out, " %02x ", r->prefix);
        if (error == 0)
            error = put_hex(c->out, &none);
        if (error == 0)
            error = buffer_put_z(c->out, " 00 ");
        if (error == 0)
            error = put_hex(c->out, r->has_gateway ? &r->gateway : &none);
        if (error == 0)
            error = buffer_printf(c->out, " %08x %08x %08x %08x %8s\n", r->metric, 1U, 0U, flags,
                                  link->name_z);
    }
    return error;
}

/* ---- Sockets ---- */

struct listing {
    struct buffer *out;
    unsigned number;
    int width; /* of a line; 0: not padded */
};

static void put_end(char *out, size_t size, const struct net_ip *ip, uint16_t port, int family)
{
    uint32_t words[4] = {0};
    if (family == AF_INET) {
        (void)snprintf(out, size, "%08X:%04X", net_ip_is_any(ip) ? 0 : number_of(ip), port);
        return;
    }
    memcpy(words, ip->bytes, sizeof(words));
    (void)snprintf(out, size, "%08X%08X%08X%08X:%04X", words[0], words[1], words[2], words[3],
                   port);
}

/* What %pK shows of an address to those who may not know: a hash that stays. */
static uint32_t pointer_of(uint32_t ino)
{
    return ino * 2654435761U ^ 0x5bd1e995U;
}

static int put_socket(void *ctx, const struct net_seen *s)
{
    struct listing *l = ctx;
    char line[LINE_MAX], local[48], peer[48], tail[64] = "";
    bool tcp = s->type == SOCK_STREAM, up = tcp && s->state == TCP_ESTABLISHED;
    put_end(local, sizeof(local), &s->local, s->local_port, s->family);
    put_end(peer, sizeof(peer), &s->peer, s->peer_port, s->family);
    if (up)
        (void)snprintf(tail, sizeof(tail), "20 4 28 %d -1", CWND);
    else if (tcp)
        (void)snprintf(tail, sizeof(tail), "%d 0 0 %d 0", RTO, CWND);
    else
        (void)snprintf(tail, sizeof(tail), "0");
    (void)snprintf(
        line, sizeof(line), "%*u: %s %s %02X %08X:%08X %02X:%08X %08X %5u        0 %u %u %016x %s",
        tcp ? 4 : 5, l->number++, local, peer, s->state,
        s->state == TCP_LISTEN ? 0U : s->send_queue, s->receive_queue, up ? 2U : 0U,
        up ? 0xaf111U : 0U, 0U, s->uid, s->ino, up || !tcp ? 2U : 1U, pointer_of(s->ino), tail);
    return l->width > 0 ? put_padded(l->out, line, l->width) : buffer_printf(l->out, "%s\n", line);
}

static int list(const struct proc_call *c, int family, int type, int width, const char *head_z)
{
    struct listing l = {.out = c->out, .width = width};
    int error =
        width > 0 ? put_padded(c->out, head_z, width) : buffer_printf(c->out, "%s\n", head_z);
    return error != 0 ? error : net_sockets(c->vfs, family, type, put_socket, &l);
}

static const char tcp6_head_z[] =
    "  sl  local_address                         remote_address                        st tx_queue "
    "rx_queue tr tm->when retrnsmt   uid  timeout inode";
static const char udp6_head_z[] =
    "  sl  local_address                         remote_address                        st tx_queue "
    "rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
static const char udp_head_z[] =
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode ref pointer drops";

int proc_net_tcp(const struct proc_call *c)
{
    return list(c, AF_INET, SOCK_STREAM, TCP_WIDTH,
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid "
                " timeout inode");
}

int proc_net_tcp6(const struct proc_call *c)
{
    return list(c, AF_INET6, SOCK_STREAM, 0, tcp6_head_z);
}

int proc_net_udp(const struct proc_call *c)
{
    return list(c, AF_INET, SOCK_DGRAM, UDP_WIDTH, udp_head_z);
}

int proc_net_udp6(const struct proc_call *c)
{
    return list(c, AF_INET6, SOCK_DGRAM, 0, udp6_head_z);
}

int proc_net_raw(const struct proc_call *c)
{
    return list(c, AF_INET, SOCK_RAW, UDP_WIDTH, udp_head_z);
}

int proc_net_raw6(const struct proc_call *c)
{
    return list(c, AF_INET6, SOCK_RAW, 0, udp6_head_z);
}

int proc_net_packet(const struct proc_call *c)
{
    return buffer_put_z(c->out,
                        "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n");
}

int proc_net_netlink(const struct proc_call *c)
{
    int error =
        buffer_put_z(c->out, "sk               Eth Pid        Groups   Rmem     Wmem     Dump "
                             " Locks    Drops    Inode\n");
    for (const struct socket *s = c->vfs->sockets; s != NULL && error == 0; s = s->next)
        if (s->family == AF_NETLINK)
            error = buffer_printf(c->out, "%016x %-3d %-10u %08x %-8u %-8u %-5d %-8d %-8u %-8llu\n",
                                  pointer_of((uint32_t)s->ino), s->protocol, s->netlink_port, 0U,
                                  0U, 0U, 0, 2, 0U, (unsigned long long)s->ino);
    return error;
}

/* ---- AF_UNIX ---- */

static const struct {
    unsigned references, flags, type, state, ino;
    const char *path_z;
} unix_services[] = {
#define LISTENER(pid, fd, family, type, port, backlog, ino, greeting)
#define UNIX_LISTENER(references, flags, type, state, ino, path) \
    {references, flags, type, state, ino, path},
#include "kernel/listeners.def"
#undef LISTENER
#undef UNIX_LISTENER
};

static int put_unix(struct buffer *out, const struct socket *s)
{
    enum { UNCONNECTED = 1, CONNECTED = 3, ACCEPTS = 0x10000 };
    int error = buffer_printf(
        out, "%016x: %08X %08X %08X %04X %02X %5llu", pointer_of((uint32_t)s->ino),
        s->peer != NULL ? 3U : 2U, 0U, s->listening ? ACCEPTS : 0U, (unsigned)s->type,
        (unsigned)(s->peer != NULL ? CONNECTED : UNCONNECTED), (unsigned long long)s->ino);
    if (error == 0 && s->named && s->name.len > 2) {
        bool abstract = s->name.bytes[2] == 0;
        struct span name = span_of(s->name.bytes + 2, s->name.len - 2);
        ptrdiff_t end = abstract ? -1 : span_find(name, 0, 0);
        name = span_slice(name, abstract, end < 0 ? name.len : (size_t)end);
        error = buffer_put_z(out, abstract ? " @" : " ");
        if (error == 0)
            error = buffer_put(out, name);
    }
    return error == 0 ? buffer_put_z(out, "\n") : error;
}

int proc_net_unix(const struct proc_call *c)
{
    int error = buffer_put_z(c->out, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    size_t seeming = c->vfs->hardware->kind->is_small ? 0 : ARRAY_LEN(unix_services);
    for (size_t i = 0; i < seeming && error == 0; i++)
        error = buffer_printf(c->out, "%016x: %08X 00000000 %08X %04X %02X %5u %s\n",
                              pointer_of(unix_services[i].ino), unix_services[i].references,
                              unix_services[i].flags, unix_services[i].type, unix_services[i].state,
                              unix_services[i].ino, unix_services[i].path_z);
    for (const struct socket *s = c->vfs->sockets; s != NULL && error == 0; s = s->next)
        if (s->family == AF_UNIX)
            error = put_unix(c->out, s);
    return error;
}

/* ---- Counts ---- */

static int count_one(void *ctx, const struct net_seen *s)
{
    unsigned *counts = ctx; /* all, established */
    counts[0]++;
    counts[1] += s->state == TCP_ESTABLISHED;
    return 0;
}

static unsigned count(const struct proc_call *c, int family, int type, unsigned *established)
{
    unsigned counts[2] = {0, 0};
    (void)net_sockets(c->vfs, family, type, count_one, counts);
    if (established != NULL)
        *established += counts[1];
    return counts[0];
}

enum { SERVICES_SOCKETS = 86 }; /* that the services have open, most of AF_UNIX */

int proc_net_sockstat(const struct proc_call *c)
{
    unsigned used = SERVICES_SOCKETS;
    for (const struct socket *s = c->vfs->sockets; s != NULL; s = s->next)
        used++;
    return buffer_printf(c->out,
                         "sockets: used %u\nTCP: inuse %u orphan 0 tw 0 alloc %u mem 0\n"
                         "UDP: inuse %u mem 0\nUDPLITE: inuse 0\nRAW: inuse %u\n"
                         "FRAG: inuse 0 memory 0\n",
                         used, count(c, AF_INET, SOCK_STREAM, NULL),
                         count(c, AF_INET, SOCK_STREAM, NULL) +
                             count(c, AF_INET6, SOCK_STREAM, NULL),
                         count(c, AF_INET, SOCK_DGRAM, NULL), count(c, AF_INET, SOCK_RAW, NULL));
}

int proc_net_sockstat6(const struct proc_call *c)
{
    return buffer_printf(c->out,
                         "TCP6: inuse %u\nUDP6: inuse %u\nUDPLITE6: inuse 0\nRAW6: inuse "
                         "%u\nFRAG6: inuse 0 memory 0\n",
                         count(c, AF_INET6, SOCK_STREAM, NULL),
                         count(c, AF_INET6, SOCK_DGRAM, NULL), count(c, AF_INET6, SOCK_RAW, NULL));
}

/* RFC 1213's counters, as far as the links' own figures tell. */
int proc_net_snmp(const struct proc_call *c)
{
    const struct net *net = &c->vfs->net;
    unsigned long long in = 0, out = 0;
    unsigned established = 0;
    for (size_t i = 0; i < net->link_count; i++) {
        in += net->links[i].rx_packets;
        out += net->links[i].tx_packets;
    }
    (void)count(c, AF_INET, SOCK_STREAM, &established);
    (void)count(c, AF_INET6, SOCK_STREAM, &established);
    return buffer_printf(
        c->out,
        "Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams "
        "InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout "
        "ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates\n"
        "Ip: 2 64 %llu 0 0 0 0 0 %llu %llu 0 0 0 0 0 0 0 0 0\n"
        "Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs "
        "InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps "
        "OutMsgs OutErrors OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects "
        "OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps\n"
        "Icmp: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets "
        "CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n"
        "Tcp: 1 200 120000 -1 2 %u 0 0 %u %llu %llu 0 0 0 0\n"
        "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors "
        "IgnoredMulti MemErrors\n"
        "Udp: 8 0 0 8 0 0 0 0 0\n"
        "UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors "
        "IgnoredMulti MemErrors\n"
        "UdpLite: 0 0 0 0 0 0 0 0 0\n",
        in, in, out, 1U, established, in, out);
}
