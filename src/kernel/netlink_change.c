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

/* ---- Links ---- */

static int change_link(struct netlink_call *c, struct net_link *link, const struct ifinfomsg *body)
{
    struct span mac = netlink_find(c, sizeof(*body), IFLA_ADDRESS);
    struct span name = netlink_find_text(c, sizeof(*body), IFLA_IFNAME);
    uint32_t mtu = netlink_find_u32(c, sizeof(*body), IFLA_MTU);
    uint32_t queue = netlink_find_u32(c, sizeof(*body), IFLA_TXQLEN);
    int error = mac.len > 0 && mac.len < NET_MAC_BYTES ? -EINVAL : 0;
    if (error == 0 && mac.len > 0)
        error = net_link_set_mac(link, mac.data);
    if (error == 0 && mtu != 0)
        error = net_link_set_mtu(link, mtu);
    if (error == 0 && body->ifi_index > 0 && name.len > 0)
        error = net_link_rename(c->net, link, name);
    if (error != 0)
        return error;
    if (queue != 0)
        link->queue_len = queue;
    net_link_set_flags(c->net, link, body->ifi_flags, body->ifi_change);
    return 0;
}

static int new_link(struct netlink_call *c)
{
    struct ifinfomsg body;
    if (!netlink_body(c, &body, sizeof(body)))
        return -EINVAL;
    struct span name = netlink_find_text(c, sizeof(body), IFLA_IFNAME);
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
    struct span name = netlink_find_text(c, sizeof(body), IFLA_IFNAME);
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
    if (!netlink_find_ip(c, sizeof(body), RTA_DST, body.rtm_family, &out->to) &&
        netlink_find(c, sizeof(body), RTA_DST).len > 0)
        return -EINVAL;
    out->has_gateway =
        netlink_find_ip(c, sizeof(body), RTA_GATEWAY, body.rtm_family, &out->gateway);
    out->has_source = netlink_find_ip(c, sizeof(body), RTA_PREFSRC, body.rtm_family, &out->source);
    out->metric = netlink_find_u32(c, sizeof(body), RTA_PRIORITY);
    out->link = (int32_t)netlink_find_u32(c, sizeof(body), RTA_OIF);
    if (out->prefix > (v4 ? 32 : 128))
        return -EINVAL;
    /* IPv4's must not say more than its prefix; IPv6's is cut. */
    return v4 && !net_ip_is_network(&out->to, out->prefix) ? -EINVAL : 0;
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
