/* rtnetlink(7): what is asked of links, addresses, routes, neighbours and rules. */
#include "kernel/netlink.h"
#include "kernel/task.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>

enum {
    OPER_UNKNOWN = 0, /* RFC 2863, IF_OPER_... */
    OPER_DOWN = 2,
    OPER_UP = 6,
    GSO_BYTES = 65536,
    GSO_SEGMENTS = 65535,
};

static const uint32_t FOREVER = UINT32_MAX;

/* ---- Links ---- */

static void put_statistics(struct netlink_call *c, const struct net_link *link)
{
    struct rtnl_link_stats64 wide = {.rx_packets = link->rx_packets,
                                     .tx_packets = link->tx_packets,
                                     .rx_bytes = link->rx_bytes,
                                     .tx_bytes = link->tx_bytes};
    struct rtnl_link_stats narrow = {.rx_packets = (uint32_t)link->rx_packets,
                                     .tx_packets = (uint32_t)link->tx_packets,
                                     .rx_bytes = (uint32_t)link->rx_bytes,
                                     .tx_bytes = (uint32_t)link->tx_bytes};
    netlink_put(c, IFLA_STATS64, &wide, sizeof(wide));
    netlink_put(c, IFLA_STATS, &narrow, sizeof(narrow));
}

static void put_altname(struct netlink_call *c, const struct net_link *link)
{
    uint8_t nested[RTA_LENGTH(NET_NAME_BYTES)] = {0};
    size_t len = strlen(link->altname_z) + 1;
    const struct rtattr a = {.rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = IFLA_ALT_IFNAME};
    memcpy(nested, &a, sizeof(a));
    memcpy(nested + sizeof(a), link->altname_z, len);
    netlink_put(c, IFLA_PROP_LIST | NLA_F_NESTED, nested, (RTA_LENGTH(len) + 3) & ~(size_t)3);
}

static int put_link(struct netlink_call *c, const struct net_link *link)
{
    static const uint8_t everybody[NET_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t nobody[NET_MAC_BYTES];
    bool loopback = net_link_is_loopback(link), up = (link->flags & IFF_UP) != 0;
    const struct ifinfomsg body = {
        .ifi_type = link->type, .ifi_index = link->index, .ifi_flags = net_link_flags(link)};
    netlink_begin(c, RTM_NEWLINK, &body, sizeof(body));
    netlink_put_z(c, IFLA_IFNAME, link->name_z);
    netlink_put_u32(c, IFLA_TXQLEN, link->queue_len);
    netlink_put_u8(c, IFLA_OPERSTATE, loopback ? OPER_UNKNOWN : up ? OPER_UP : OPER_DOWN);
    netlink_put_u8(c, IFLA_LINKMODE, 0);
    netlink_put_u32(c, IFLA_MTU, link->mtu);
    netlink_put_u32(c, IFLA_MIN_MTU, loopback ? 0 : NET_MTU_LEAST);
    netlink_put_u32(c, IFLA_MAX_MTU, loopback ? 0 : NET_MTU_MOST);
    netlink_put_u32(c, IFLA_GROUP, 0);
    netlink_put_u32(c, IFLA_PROMISCUITY, 0);
    netlink_put_u32(c, IFLA_NUM_TX_QUEUES, 1);
    netlink_put_u32(c, IFLA_GSO_MAX_SEGS, GSO_SEGMENTS);
    netlink_put_u32(c, IFLA_GSO_MAX_SIZE, GSO_BYTES);
    netlink_put_u32(c, IFLA_NUM_RX_QUEUES, 1);
    netlink_put_u8(c, IFLA_CARRIER, up);
    netlink_put_z(c, IFLA_QDISC, loopback || !up ? "noqueue" : "fq_codel");
    netlink_put_u32(c, IFLA_CARRIER_CHANGES, loopback ? 0 : 1);
    netlink_put_u8(c, IFLA_PROTO_DOWN, 0);
    netlink_put(c, IFLA_ADDRESS, link->mac, NET_MAC_BYTES);
    netlink_put(c, IFLA_BROADCAST, loopback ? nobody : everybody, NET_MAC_BYTES);
    put_statistics(c, link);
    if (link->altname_z[0] != '\0')
        put_altname(c, link);
    return netlink_end(c);
}

static int get_link(struct netlink_call *c)
{
    struct ifinfomsg asked;
    int error = 0;
    (void)netlink_body(c, &asked, sizeof(asked)); /* old programs send a single byte */
    for (size_t i = 0; c->is_dump && i < c->net->link_count && error == 0; i++)
        error = put_link(c, &c->net->links[i]);
    if (c->is_dump)
        return error;
    struct span name = netlink_find_text(c, sizeof(asked), IFLA_IFNAME);
    if (name.len == 0)
        name = netlink_find_text(c, sizeof(asked), IFLA_ALT_IFNAME);
    const struct net_link *link =
        asked.ifi_index > 0 ? net_link_find(c->net, asked.ifi_index) : net_link_named(c->net, name);
    if (asked.ifi_index <= 0 && name.len == 0)
        return -EINVAL;
    return link != NULL ? put_link(c, link) : -ENODEV;
}

/* ---- Addresses ---- */

static int put_address(struct netlink_call *c, const struct net_address *a)
{
    const struct net_link *link = net_link_find(c->net, a->link);
    bool v4 = a->family == AF_INET, host = a->scope == RT_SCOPE_HOST;
    uint32_t flags = a->flags | (host && !v4 ? IFA_F_NOPREFIXROUTE : 0u);
    const struct ifa_cacheinfo ages = {.ifa_prefered = FOREVER, .ifa_valid = FOREVER};
    const struct ifaddrmsg body = {.ifa_family = a->family,
                                   .ifa_prefixlen = a->prefix,
                                   .ifa_flags = (uint8_t)a->flags,
                                   .ifa_scope = a->scope,
                                   .ifa_index = (uint32_t)a->link};
    netlink_begin(c, RTM_NEWADDR, &body, sizeof(body));
    netlink_put_ip(c, IFA_ADDRESS, &a->ip);
    if (v4) {
        struct net_ip broadcast;
        netlink_put_ip(c, IFA_LOCAL, &a->ip);
        net_broadcast_of(a, &broadcast);
        if (!host && a->prefix < 31)
            netlink_put_ip(c, IFA_BROADCAST, &broadcast);
        netlink_put_z(c, IFA_LABEL, link != NULL ? link->name_z : "");
    }
    netlink_put_u32(c, IFA_FLAGS, flags);
    netlink_put(c, IFA_CACHEINFO, &ages, sizeof(ages));
    return netlink_end(c);
}

static int get_address(struct netlink_call *c)
{
    struct ifaddrmsg asked;
    int error = 0;
    (void)netlink_body(c, &asked, sizeof(asked));
    if (!c->is_dump)
        return asked.ifa_family == AF_INET ? -EOPNOTSUPP : -EINVAL;
    for (int pass = 0; pass < 2; pass++) { /* IPv4 first */
        uint8_t family = pass == 0 ? AF_INET : AF_INET6;
        for (size_t i = 0; i < c->net->address_count && error == 0; i++) {
            const struct net_address *a = &c->net->addresses[i];
            if (a->family == family &&
                (asked.ifa_family == AF_UNSPEC || asked.ifa_family == family) &&
                (asked.ifa_index == 0 || (int32_t)asked.ifa_index == a->link))
                error = put_address(c, a);
        }
    }
    return error;
}

/* ---- Routes ---- */

static int put_route(struct netlink_call *c, const struct net_route *r, const struct net_ip *asked,
                     const struct net_ip *source)
{
    bool v4 = r->family == AF_INET;
    uint8_t bits = v4 ? 32 : 128;
    const struct rtmsg body = {.rtm_family = r->family,
                               .rtm_dst_len = asked != NULL ? bits : r->prefix,
                               .rtm_table = asked != NULL && v4 ? RT_TABLE_MAIN : r->table,
                               .rtm_protocol = asked != NULL && v4 ? RTPROT_UNSPEC : r->protocol,
                               .rtm_scope = asked != NULL && v4 ? RT_SCOPE_UNIVERSE : r->scope,
                               .rtm_type = r->type,
                               .rtm_flags = asked != NULL && v4 ? RTM_F_CLONED : r->flags};
    netlink_begin(c, RTM_NEWROUTE, &body, sizeof(body));
    netlink_put_u32(c, RTA_TABLE, body.rtm_table);
    if (asked != NULL || r->prefix > 0)
        netlink_put_ip(c, RTA_DST, asked != NULL ? asked : &r->to);
    if (r->metric != 0)
        netlink_put_u32(c, RTA_PRIORITY, r->metric);
    if (source != NULL)
        netlink_put_ip(c, RTA_PREFSRC, source);
    else if (r->has_source)
        netlink_put_ip(c, RTA_PREFSRC, &r->source);
    if (r->has_gateway)
        netlink_put_ip(c, RTA_GATEWAY, &r->gateway);
    netlink_put_u32(c, RTA_OIF, (uint32_t)r->link);
    if (asked != NULL && v4)
        netlink_put_u32(c, RTA_UID, c->t->creds.uid);
    if (!v4 || asked != NULL) {
        const struct rta_cacheinfo ages = {.rta_expires = 0};
        netlink_put(c, RTA_CACHEINFO, &ages, sizeof(ages));
    }
    if (!v4)
        netlink_put_u8(c, RTA_PREF, 0);
    return netlink_end(c);
}

/* `ip route get`: the way to one address, and the address it is taken with. */
static int find_route(struct netlink_call *c, uint8_t family)
{
    struct net_ip to, source;
    if (!netlink_find_ip(c, sizeof(struct rtmsg), RTA_DST, family, &to))
        return -EINVAL;
    const struct net_route *r = net_route_to(c->net, &to);
    if (r == NULL || !net_source_for(c->net, &to, &source))
        return -ENETUNREACH;
    return put_route(c, r, &to, &source);
}

static int get_route(struct netlink_call *c)
{
    struct rtmsg asked;
    int error = 0;
    (void)netlink_body(c, &asked, sizeof(asked));
    if (!c->is_dump)
        return find_route(c, asked.rtm_family);
    uint32_t table = netlink_find_u32(c, sizeof(asked), RTA_TABLE);
    uint32_t link = netlink_find_u32(c, sizeof(asked), RTA_OIF);
    table = table != 0 ? table : asked.rtm_table;
    for (size_t i = 0; i < c->net->route_count && error == 0; i++) {
        const struct net_route *r = &c->net->routes[i];
        const struct net_link *via = net_link_find(c->net, r->link);
        if ((asked.rtm_family == AF_UNSPEC || asked.rtm_family == r->family) &&
            (table == RT_TABLE_UNSPEC || table == r->table) &&
            (link == 0 || (int32_t)link == r->link) && via != NULL && (via->flags & IFF_UP) != 0)
            error = put_route(c, r, NULL, NULL);
    }
    return error;
}

/* ---- Neighbours ---- */

static int put_neighbour(struct netlink_call *c, const struct net_neighbour *n)
{
    const struct nda_cacheinfo ages = {.ndm_confirmed = 100, .ndm_used = 100, .ndm_updated = 500};
    const struct ndmsg body = {.ndm_family = n->family,
                               .ndm_ifindex = n->link,
                               .ndm_state = n->state,
                               .ndm_type = RTN_UNICAST};
    netlink_begin(c, RTM_NEWNEIGH, &body, sizeof(body));
    netlink_put_ip(c, NDA_DST, &n->ip);
    netlink_put(c, NDA_LLADDR, n->mac, NET_MAC_BYTES);
    netlink_put_u32(c, NDA_PROBES, 0);
    netlink_put(c, NDA_CACHEINFO, &ages, sizeof(ages));
    return netlink_end(c);
}

static int get_neighbour(struct netlink_call *c)
{
    struct ndmsg asked;
    struct net_ip ip;
    int error = 0;
    (void)netlink_body(c, &asked, sizeof(asked));
    bool one = netlink_find_ip(c, sizeof(asked), NDA_DST, asked.ndm_family, &ip);
    uint32_t link = netlink_find_u32(c, sizeof(asked), NDA_IFINDEX);
    link = link != 0 ? link : (uint32_t)asked.ndm_ifindex;
    for (size_t i = 0; i < c->net->neighbour_count && error == 0; i++) {
        const struct net_neighbour *n = &c->net->neighbours[i];
        if ((asked.ndm_family != AF_UNSPEC && asked.ndm_family != n->family) ||
            (link != 0 && (int32_t)link != n->link))
            continue;
        if (c->is_dump)
            error = put_neighbour(c, n);
        else if (one && net_ip_equal(&ip, &n->ip))
            return put_neighbour(c, n);
    }
    return c->is_dump ? error : -ENOENT;
}

/* ---- Rules: the three (two) that are always there ---- */

static int put_rule(struct netlink_call *c, uint8_t family, uint8_t table, uint32_t priority)
{
    const struct fib_rule_hdr body = {.family = family, .table = table, .action = FR_ACT_TO_TBL};
    netlink_begin(c, RTM_NEWRULE, &body, sizeof(body));
    netlink_put_u32(c, FRA_TABLE, table);
    netlink_put_u32(c, FRA_SUPPRESS_PREFIXLEN, UINT32_MAX);
    netlink_put_u8(c, FRA_PROTOCOL, RTPROT_KERNEL);
    if (priority != 0)
        netlink_put_u32(c, FRA_PRIORITY, priority);
    return netlink_end(c);
}

static int get_rule(struct netlink_call *c)
{
    enum { MAIN = 32766, DEFAULT = 32767 };
    struct fib_rule_hdr asked;
    (void)netlink_body(c, &asked, sizeof(asked));
    if (!c->is_dump)
        return -EOPNOTSUPP;
    int error = 0;
    if (asked.family != AF_INET6) {
        error = put_rule(c, AF_INET, RT_TABLE_LOCAL, 0);
        error = error != 0 ? error : put_rule(c, AF_INET, RT_TABLE_MAIN, MAIN);
        error = error != 0 ? error : put_rule(c, AF_INET, RT_TABLE_DEFAULT, DEFAULT);
    }
    if (asked.family != AF_INET && error == 0) {
        error = put_rule(c, AF_INET6, RT_TABLE_LOCAL, 0);
        error = error != 0 ? error : put_rule(c, AF_INET6, RT_TABLE_MAIN, MAIN);
    }
    return error;
}

/* ---- Queues (tc qdisc) ---- */

static int get_queue(struct netlink_call *c)
{
    int error = 0;
    for (size_t i = 0; i < c->net->link_count && error == 0; i++) {
        const struct net_link *link = &c->net->links[i];
        bool none = net_link_is_loopback(link);
        const struct tcmsg body = {.tcm_family = AF_UNSPEC,
                                   .tcm_ifindex = link->index,
                                   .tcm_parent = UINT32_MAX, /* TC_H_ROOT */
                                   .tcm_info = 2};
        netlink_begin(c, RTM_NEWQDISC, &body, sizeof(body));
        netlink_put_z(c, TCA_KIND, none ? "noqueue" : "fq_codel");
        error = netlink_end(c);
    }
    return error;
}

static const struct netlink_request requests[] = {
    {RTM_GETLINK, false, get_link},   {RTM_GETADDR, false, get_address},
    {RTM_GETROUTE, false, get_route}, {RTM_GETNEIGH, false, get_neighbour},
    {RTM_GETRULE, false, get_rule},   {RTM_GETQDISC, false, get_queue},
};

const struct netlink_request *netlink_route_requests(size_t *count)
{
    *count = ARRAY_LEN(requests);
    return requests;
}
