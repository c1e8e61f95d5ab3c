/* rtnetlink(7): what root changes of links, addresses, routes and neighbours. It is real for the
 * visitor: what he changes is what he sees, and what connect(2) goes by. */
#include "kernel/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

enum {
    MTU_LEAST = 68,
    MTU_MOST = 65535,
    FLAGS_SETTABLE = 0xffff & ~(IFF_LOOPBACK | IFF_BROADCAST)
};

/* ---- Links ---- */

static struct span text_of(struct span z)
{
    return z.len > 0 && z.data[z.len - 1] == 0 ? span_slice(z, 0, z.len - 1) : z;
}

/* A link that goes down loses its routes but those of its addresses' own; up, it has them again. */
static void forget_ways(struct net *net, int32_t link)
{
    for (size_t i = net->route_count; i-- > 0;) {
        const struct net_route like = net->routes[i];
        if (like.link == link && like.has_gateway)
            (void)net_route_remove(net, &like);
    }
}

static int change_link(struct netlink_call *c, struct net_link *link, const struct ifinfomsg *body)
{
    struct span mac = netlink_find(c, sizeof(*body), IFLA_ADDRESS);
    struct span name = text_of(netlink_find(c, sizeof(*body), IFLA_IFNAME));
    uint32_t mtu = netlink_find_u32(c, sizeof(*body), IFLA_MTU);
    uint32_t queue = netlink_find_u32(c, sizeof(*body), IFLA_TXQLEN);
    bool was_up = (link->flags & IFF_UP) != 0, renamed = !span_equal_z(name, link->name_z);
    if (mtu != 0 && !net_link_is_loopback(link) && (mtu < MTU_LEAST || mtu > MTU_MOST))
        return -EINVAL;
    if (mac.len > 0 && mac.len != NET_MAC_BYTES)
        return -EINVAL;
    if (name.len >= NET_NAME_BYTES)
        return -EINVAL;
    if (body->ifi_index > 0 && name.len > 0 && renamed) {
        if (was_up)
            return -EBUSY;
        if (net_link_named(c->net, name) != NULL)
            return -EEXIST;
        span_copy_z(name, link->name_z, sizeof(link->name_z));
    }
    if (mtu != 0)
        link->mtu = mtu;
    if (queue != 0)
        link->queue_len = queue;
    if (mac.len > 0)
        memcpy(link->mac, mac.data, NET_MAC_BYTES);
    uint32_t may = body->ifi_change & FLAGS_SETTABLE;
    link->flags = (link->flags & ~may) | (body->ifi_flags & may);
    if (was_up && (link->flags & IFF_UP) == 0)
        forget_ways(c->net, link->index);
    return 0;
}

static int new_link(struct netlink_call *c)
{
    struct ifinfomsg body;
    if (!netlink_body(c, &body, sizeof(body)))
        return -EINVAL;
    struct span name = text_of(netlink_find(c, sizeof(body), IFLA_IFNAME));
    struct net_link *link =
        body.ifi_index > 0 ? net_link_find(c->net, body.ifi_index) : net_link_named(c->net, name);
    if ((c->header->nlmsg_flags & NLM_F_CREATE) != 0)
        return link != NULL && (c->header->nlmsg_flags & NLM_F_EXCL) != 0 ? -EEXIST : -EOPNOTSUPP;
    return link != NULL ? change_link(c, link, &body) : -ENODEV;
}

/* What is there is hardware, which stays. */
static int delete_link(struct netlink_call *c)
{
    struct ifinfomsg body;
    if (!netlink_body(c, &body, sizeof(body)))
        return -EINVAL;
    struct span name = text_of(netlink_find(c, sizeof(body), IFLA_IFNAME));
    const struct net_link *link =
        body.ifi_index > 0 ? net_link_find(c->net, body.ifi_index) : net_link_named(c->net, name);
    return link != NULL ? -EOPNOTSUPP : -ENODEV;
}

/* ---- Addresses ---- */

static int read_address(const struct netlink_call *c, struct net_address *out)
{
    struct ifaddrmsg body;
    if (!netlink_body(c, &body, sizeof(body)) ||
        (body.ifa_family != AF_INET && body.ifa_family != AF_INET6))
        return -EINVAL;
    *out = (struct net_address){.link = (int32_t)body.ifa_index,
                                .family = body.ifa_family,
                                .prefix = body.ifa_prefixlen,
                                .scope = body.ifa_scope,
                                .flags = IFA_F_PERMANENT};
    if (!netlink_find_ip(c, sizeof(body), IFA_LOCAL, body.ifa_family, &out->ip) &&
        !netlink_find_ip(c, sizeof(body), IFA_ADDRESS, body.ifa_family, &out->ip))
        return -EINVAL;
    if (out->prefix > (out->family == AF_INET ? 32 : 128))
        return -EINVAL;
    return net_link_find(c->net, out->link) != NULL ? 0 : -ENODEV;
}

static int new_address(struct netlink_call *c)
{
    struct net_address a;
    int error = read_address(c, &a);
    if (error != 0)
        return error;
    error = net_address_add(c->net, &a);
    return error == -EEXIST && (c->header->nlmsg_flags & NLM_F_REPLACE) != 0 ? 0 : error;
}

static int delete_address(struct netlink_call *c)
{
    struct net_address a;
    int error = read_address(c, &a);
    return error != 0 ? error : net_address_remove(c->net, &a);
}

/* ---- Routes ---- */

/* The link that a gateway is reached by. */
static int link_of_gateway(struct net *net, const struct net_route *r)
{
    const struct net_route *way = net_route_to(net, &r->gateway);
    return way != NULL && !way->has_gateway ? way->link : 0;
}

static int read_route(struct netlink_call *c, struct net_route *out)
{
    struct rtmsg body;
    static const uint8_t any4[4];
    if (!netlink_body(c, &body, sizeof(body)) ||
        (body.rtm_family != AF_INET && body.rtm_family != AF_INET6))
        return -EINVAL;
    bool v4 = body.rtm_family == AF_INET;
    *out = (struct net_route){.family = body.rtm_family,
                              .prefix = body.rtm_dst_len,
                              .table = body.rtm_table != RT_TABLE_UNSPEC ? body.rtm_table
                                                                         : RT_TABLE_MAIN,
                              .protocol = body.rtm_protocol,
                              .scope = body.rtm_scope,
                              .type = body.rtm_type,
                              .flags = (uint8_t)body.rtm_flags,
                              .to = v4 ? net_ip4(any4) : (struct net_ip){{0}}};
    (void)netlink_find_ip(c, sizeof(body), RTA_DST, body.rtm_family, &out->to);
    out->has_gateway =
        netlink_find_ip(c, sizeof(body), RTA_GATEWAY, body.rtm_family, &out->gateway);
    out->has_source = netlink_find_ip(c, sizeof(body), RTA_PREFSRC, body.rtm_family, &out->source);
    out->metric = netlink_find_u32(c, sizeof(body), RTA_PRIORITY);
    out->link = (int32_t)netlink_find_u32(c, sizeof(body), RTA_OIF);
    return out->prefix > (v4 ? 32 : 128) ? -EINVAL : 0;
}

static int new_route(struct netlink_call *c)
{
    struct net_route r;
    int error = read_route(c, &r);
    if (error != 0)
        return error;
    if (r.has_gateway && (r.flags & RTNH_F_ONLINK) == 0) {
        int link = link_of_gateway(c->net, &r);
        if (link == 0)
            return -ENETUNREACH;
        r.link = r.link != 0 ? r.link : link;
    }
    bool refuses = r.type == RTN_BLACKHOLE || r.type == RTN_UNREACHABLE || r.type == RTN_PROHIBIT;
    if (refuses)
        r.link = 1;
    const struct net_link *link = net_link_find(c->net, r.link);
    if (link == NULL)
        return -ENODEV;
    if ((link->flags & IFF_UP) == 0)
        return -ENETDOWN;
    if (r.has_source && !net_is_own(c->net, &r.source))
        return -EINVAL;
    if (r.family == AF_INET6 && r.metric == 0)
        r.metric = 1024;
    if ((c->header->nlmsg_flags & NLM_F_REPLACE) != 0)
        (void)net_route_remove(c->net, &r);
    return net_route_add(c->net, &r);
}

static int delete_route(struct netlink_call *c)
{
    struct net_route r;
    int error = read_route(c, &r);
    return error != 0 ? error : net_route_remove(c->net, &r);
}

/* ---- Neighbours ---- */

static int read_neighbour(const struct netlink_call *c, struct net_neighbour *out)
{
    struct ndmsg body;
    if (!netlink_body(c, &body, sizeof(body)))
        return -EINVAL;
    *out = (struct net_neighbour){
        .link = body.ndm_ifindex, .family = body.ndm_family, .state = body.ndm_state};
    if (!netlink_find_ip(c, sizeof(body), NDA_DST, body.ndm_family, &out->ip))
        return -EINVAL;
    struct span mac = netlink_find(c, sizeof(body), NDA_LLADDR);
    if (mac.len == NET_MAC_BYTES)
        memcpy(out->mac, mac.data, NET_MAC_BYTES);
    return net_link_find(c->net, out->link) != NULL ? 0 : -ENODEV;
}

static int new_neighbour(struct netlink_call *c)
{
    struct net_neighbour n;
    int error = read_neighbour(c, &n);
    return error != 0 ? error : net_neighbour_set(c->net, &n);
}

static int delete_neighbour(struct netlink_call *c)
{
    struct net_neighbour n;
    int error = read_neighbour(c, &n);
    return error != 0 ? error : net_neighbour_remove(c->net, n.link, &n.ip);
}

static const struct netlink_request requests[] = {
    {RTM_NEWLINK, true, new_link},          {RTM_SETLINK, true, new_link},
    {RTM_DELLINK, true, delete_link},       {RTM_NEWADDR, true, new_address},
    {RTM_DELADDR, true, delete_address},    {RTM_NEWROUTE, true, new_route},
    {RTM_DELROUTE, true, delete_route},     {RTM_NEWNEIGH, true, new_neighbour},
    {RTM_DELNEIGH, true, delete_neighbour},
};

const struct netlink_request *netlink_change_requests(size_t *count)
{
    *count = ARRAY_LEN(requests);
    return requests;
}
