/* The model of the network: what is in it, and what follows from a change. */
#include "kernel/net.h"

#include "kernel/ruleset.h"
#include "kernel/xtables_legacy.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    IP4_AT = 12, /* of an IPv4 address in the mapped form */
    IP4_BITS = 32,
    IP6_BITS = 128,
    LOOPBACK_MTU = 65536,
    LOOPBACK_QUEUE = 1000,
    METRIC_IP6 = 256,
    LOWER_UP = 0x10000, /* IFF_LOWER_UP */
    /* What dev_change_flags takes; the others say what the link is. */
    FLAGS_SETTABLE = IFF_UP | IFF_DEBUG | IFF_NOTRAILERS | IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI |
                     IFF_MULTICAST | IFF_PORTSEL | IFF_AUTOMEDIA | IFF_DYNAMIC,
};

static const uint8_t mapped[IP4_AT] = {[10] = 0xff, [11] = 0xff};

/* ---- Addresses ---- */

struct net_ip net_ip4(const uint8_t bytes[4])
{
    struct net_ip ip;
    memcpy(ip.bytes, mapped, IP4_AT);
    memcpy(ip.bytes + IP4_AT, bytes, 4);
    return ip;
}

bool net_ip_is4(const struct net_ip *ip)
{
    return memcmp(ip->bytes, mapped, IP4_AT) == 0;
}

bool net_ip_is_any(const struct net_ip *ip)
{
    static const struct net_ip none;
    struct net_ip any4 = net_ip4(none.bytes);
    return net_ip_equal(ip, &none) || net_ip_equal(ip, &any4);
}

bool net_ip_equal(const struct net_ip *a, const struct net_ip *b)
{
    return memcmp(a->bytes, b->bytes, NET_IP_BYTES) == 0;
}

/* How many bits of an address's form stand before the host's own. */
static unsigned bits_before_host(const struct net_ip *network, unsigned prefix)
{
    unsigned bits = net_ip_is4(network) ? prefix + IP6_BITS - IP4_BITS : prefix;
    return bits < IP6_BITS ? bits : IP6_BITS;
}

bool net_ip_in(const struct net_ip *ip, const struct net_ip *network, unsigned prefix)
{
    unsigned bits = bits_before_host(network, prefix);
    if (net_ip_is4(ip) != net_ip_is4(network))
        return false;
    size_t whole = bits / 8;
    if (memcmp(ip->bytes, network->bytes, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff00U >> bits % 8);
    return bits % 8 == 0 || ((ip->bytes[whole] ^ network->bytes[whole]) & mask) == 0;
}

struct span net_ip_span(const struct net_ip *ip)
{
    size_t from = net_ip_is4(ip) ? IP4_AT : 0;
    return span_of(ip->bytes + from, NET_IP_BYTES - from);
}

/* The longest run of two or more zero groups, which "::" stands for. */
static void longest_zeros(const uint8_t *a, int *at, int *len)
{
    *at = -1;
    *len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && a[2 * (size_t)(i + n)] == 0 && a[2 * (size_t)(i + n) + 1] == 0)
            n++;
        if (n > *len) {
            *at = i;
            *len = n;
        }
    }
}

size_t net_ip_text(const struct net_ip *ip, char out_z[NET_TEXT_BYTES])
{
    const uint8_t *a = net_ip_span(ip).data;
    int at, len, n = 0;
    if (net_ip_is4(ip))
        return (size_t)snprintf(out_z, NET_TEXT_BYTES, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
    longest_zeros(a, &at, &len);
    for (int i = 0; i < 8; i++) {
        if (i == at) {
            n += snprintf(out_z + n, NET_TEXT_BYTES - (size_t)n, "::");
            i += len - 1;
            continue;
        }
        const char *sep = i > 0 && i != at + len ? ":" : "";
        if (at < 0 && i > 0)
            sep = ":";
        n += snprintf(out_z + n, NET_TEXT_BYTES - (size_t)n, "%s%x", sep,
                      a[2 * (size_t)i] << 8 | a[2 * (size_t)i + 1]);
    }
    return (size_t)n;
}

bool net_ip4_parse(struct span text, struct net_ip *out)
{
    uint8_t bytes[4];
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned value = 0;
        size_t digits = 0;
        for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9' && digits < 3; at++) {
            value = value * 10 + (text.data[at] - '0');
            digits++;
        }
        if (digits == 0 || value > 255)
            return false;
        bytes[i] = (uint8_t)value;
        if (i < 3 && (at >= text.len || text.data[at++] != '.'))
            return false;
    }
    *out = net_ip4(bytes);
    return at == text.len;
}

static unsigned bits_of(uint8_t family)
{
    return family == AF_INET ? IP4_BITS : IP6_BITS;
}

/* Sets or clears all bits behind the prefix. */
static void fill_host(struct net_ip *ip, unsigned prefix, bool ones)
{
    for (unsigned bit = bits_before_host(ip, prefix); bit < IP6_BITS; bit++) {
        uint8_t mask = (uint8_t)(0x80U >> bit % 8);
        ip->bytes[bit / 8] =
            (uint8_t)(ones ? ip->bytes[bit / 8] | mask : ip->bytes[bit / 8] & ~mask);
    }
}

bool net_ip_is_network(const struct net_ip *ip, unsigned prefix)
{
    struct net_ip network = *ip;
    fill_host(&network, prefix, false);
    return net_ip_equal(&network, ip);
}

void net_broadcast_of(const struct net_address *address, struct net_ip *out)
{
    *out = address->ip;
    fill_host(out, address->prefix, true);
}

/* ---- Links ---- */

static void drop_route(struct net *net, size_t at)
{
    net->route_count--;
    memmove(&net->routes[at], &net->routes[at + 1],
            (net->route_count - at) * sizeof(net->routes[0]));
}

int net_init(struct net *net)
{
    static const uint8_t own4[4] = {127, 0, 0, 1};
    const struct net_address own = {.link = 1,
                                    .family = AF_INET,
                                    .prefix = 8,
                                    .scope = RT_SCOPE_HOST,
                                    .flags = IFA_F_PERMANENT,
                                    .ip = net_ip4(own4)};
    const struct net_address own6 = {.link = 1,
                                     .family = AF_INET6,
                                     .prefix = IP6_BITS,
                                     .scope = RT_SCOPE_HOST,
                                     .flags = IFA_F_PERMANENT,
                                     .ip = {{[15] = 1}}};
    *net = (struct net){.link_count = 1};
    net->links[0] = (struct net_link){.index = 1,
                                      .name_z = "lo",
                                      .type = ARPHRD_LOOPBACK,
                                      .flags = IFF_UP | IFF_LOOPBACK,
                                      .mtu = LOOPBACK_MTU,
                                      .queue_len = LOOPBACK_QUEUE};
    bool done = net_address_add(net, &own) == 0 && net_address_add(net, &own6) == 0;
    return done ? 0 : -ENOMEM;
}

void net_fini(struct net *net)
{
    free(net->addresses);
    free(net->routes);
    free(net->neighbours);
    if (net->rules != NULL)
        ruleset_fini(net->rules);
    free(net->rules);
    xtables_legacy_free(net->legacy);
    *net = (struct net){0};
}

struct net_link *net_link_find(struct net *net, int32_t index)
{
    for (size_t i = 0; i < net->link_count; i++)
        if (net->links[i].index == index)
            return &net->links[i];
    return NULL;
}

struct net_link *net_link_named(struct net *net, struct span name)
{
    for (size_t i = 0; name.len > 0 && i < net->link_count; i++)
        if (span_equal_z(name, net->links[i].name_z) || span_equal_z(name, net->links[i].altname_z))
            return &net->links[i];
    return NULL;
}

uint32_t net_link_flags(const struct net_link *link)
{
    return (link->flags & IFF_UP) != 0 ? link->flags | IFF_RUNNING | LOWER_UP : link->flags;
}

bool net_link_is_loopback(const struct net_link *link)
{
    return (link->flags & IFF_LOOPBACK) != 0;
}

/* dev_valid_name: what may stand in a path and in a list. */
static bool is_name(struct span name)
{
    bool dots = span_equal_z(name, ".") || span_equal_z(name, "..");
    for (size_t i = 0; i < name.len; i++) {
        uint8_t b = name.data[i];
        if (b == 0 || b == '/' || b == ':' || b == ' ' || (b >= '\t' && b <= '\r'))
            return false;
    }
    return name.len > 0 && name.len < NET_NAME_BYTES && !dots;
}

int net_link_rename(struct net *net, struct net_link *link, struct span name)
{
    if (!is_name(name))
        return -EINVAL;
    if (span_equal_z(name, link->name_z))
        return 0;
    if ((link->flags & IFF_UP) != 0)
        return -EBUSY;
    if (net_link_named(net, name) != NULL)
        return -EEXIST;
    span_copy_z(name, link->name_z, sizeof(link->name_z));
    return 0;
}

void net_link_set_flags(struct net *net, struct net_link *link, uint32_t flags, uint32_t change)
{
    bool was_up = (link->flags & IFF_UP) != 0;
    change &= FLAGS_SETTABLE;
    link->flags = (link->flags & ~change) | (flags & change);
    for (size_t i = net->route_count; was_up && (link->flags & IFF_UP) == 0 && i-- > 0;)
        if (net->routes[i].link == link->index && net->routes[i].has_gateway)
            drop_route(net, i);
}

int net_link_set_mtu(struct net_link *link, uint32_t mtu)
{
    bool fits =
        net_link_is_loopback(link) ? mtu <= INT32_MAX : mtu >= NET_MTU_LEAST && mtu <= NET_MTU_MOST;
    if (fits)
        link->mtu = mtu;
    return fits ? 0 : -EINVAL;
}

int net_link_set_mac(struct net_link *link, const uint8_t mac[NET_MAC_BYTES])
{
    static const uint8_t none[NET_MAC_BYTES];
    if (memcmp(mac, link->mac, NET_MAC_BYTES) == 0)
        return 0;
    if ((mac[0] & 1) != 0 || memcmp(mac, none, NET_MAC_BYTES) == 0) /* a group's, or nobody's */
        return -EADDRNOTAVAIL;
    memcpy(link->mac, mac, NET_MAC_BYTES);
    return 0;
}

/* ---- Routes ---- */

static int make_room_for_routes(struct net *net, size_t more)
{
    if (net->route_count + more > NET_ROUTES_MAX)
        return -ENOBUFS;
    struct net_route *routes =
        realloc(net->routes, (net->route_count + more) * sizeof(*net->routes));
    if (routes == NULL)
        return -ENOBUFS;
    net->routes = routes;
    return 0;
}

/* The order of a dump: by family, the main table before the local one, by address, and the longer
 * prefix of an address first. */
static int compare_routes(const struct net_route *a, const struct net_route *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    if (a->table != b->table)
        return a->table < b->table ? -1 : 1;
    int order = memcmp(a->to.bytes, b->to.bytes, NET_IP_BYTES);
    if (order != 0)
        return order;
    if (a->prefix != b->prefix)
        return a->prefix > b->prefix ? -1 : 1;
    if (a->metric != b->metric)
        return a->metric < b->metric ? -1 : 1;
    return 0;
}

int net_route_add(struct net *net, const struct net_route *route)
{
    size_t at = 0;
    struct net_route new = *route;
    fill_host(&new.to, new.prefix, false);
    while (at < net->route_count && compare_routes(&net->routes[at], &new) < 0)
        at++;
    if (at < net->route_count && compare_routes(&net->routes[at], &new) == 0 &&
        (new.family == AF_INET || net->routes[at].link == new.link))
        return -EEXIST;
    int error = make_room_for_routes(net, 1);
    if (error != 0)
        return error;
    memmove(&net->routes[at + 1], &net->routes[at],
            (net->route_count - at) * sizeof(net->routes[0]));
    net->routes[at] = new;
    net->route_count++;
    return 0;
}

int net_route_remove(struct net *net, const struct net_route *like)
{
    for (size_t i = 0; i < net->route_count; i++) {
        const struct net_route *r = &net->routes[i];
        if (r->family == like->family && r->table == like->table && r->prefix == like->prefix &&
            net_ip_in(&r->to, &like->to, like->prefix) &&
            (like->link == 0 || r->link == like->link) &&
            (!like->has_gateway || net_ip_equal(&r->gateway, &like->gateway)) &&
            (like->metric == 0 || r->metric == like->metric)) {
            drop_route(net, i);
            return 0;
        }
    }
    return -ESRCH;
}

const struct net_route *net_route_to(struct net *net, const struct net_ip *ip)
{
    const struct net_route *best = NULL;
    for (size_t i = 0; i < net->route_count; i++) {
        const struct net_route *r = &net->routes[i];
        const struct net_link *link = net_link_find(net, r->link);
        if (!net_ip_in(ip, &r->to, r->prefix) || link == NULL || (link->flags & IFF_UP) == 0)
            continue;
        bool local = r->table == RT_TABLE_LOCAL, best_local = best && best->table == RT_TABLE_LOCAL;
        if (best == NULL || local > best_local ||
            (local == best_local &&
             (r->prefix > best->prefix || (r->prefix == best->prefix && r->metric < best->metric))))
            best = r;
    }
    return best;
}

/* ---- Addresses of links ---- */

/* The routes that an address brings (fib_add_ifaddr, addrconf_add_...): itself, its broadcast, and
 * the network it is in. */
static size_t routes_of(const struct net_address *a, struct net_route out[3])
{
    const struct net_route base = {.link = a->link,
                                   .family = a->family,
                                   .protocol = RTPROT_KERNEL,
                                   .table = RT_TABLE_LOCAL,
                                   .has_source = a->family == AF_INET,
                                   .source = a->ip,
                                   .to = a->ip};
    bool v4 = a->family == AF_INET;
    out[0] = out[1] = out[2] = base;
    out[0].prefix = (uint8_t)bits_of(a->family);
    out[0].type = RTN_LOCAL;
    out[0].scope = v4 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
    if (a->scope == RT_SCOPE_HOST && !v4) {
        out[1].table = RT_TABLE_MAIN;
        out[1].prefix = IP6_BITS;
        out[1].type = RTN_UNICAST;
        out[1].metric = METRIC_IP6;
        return 2;
    }
    out[1].prefix = a->prefix;
    if (a->scope == RT_SCOPE_HOST) {
        out[1].type = RTN_LOCAL;
        out[1].scope = RT_SCOPE_HOST;
    } else {
        out[1].table = RT_TABLE_MAIN;
        out[1].type = RTN_UNICAST;
        out[1].scope = v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
        out[1].metric = v4 ? 0 : METRIC_IP6;
    }
    if (v4 && a->prefix >= IP4_BITS - 1)
        return a->prefix == IP4_BITS ? 1 : 2;
    out[2].type = v4 ? RTN_BROADCAST : RTN_MULTICAST;
    out[2].scope = v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    out[2].prefix = v4 ? IP4_BITS : 8;
    out[2].metric = v4 ? 0 : METRIC_IP6;
    if (v4)
        net_broadcast_of(a, &out[2].to);
    else
        out[2].to = (struct net_ip){{0xff}};
    return 3;
}

int net_address_add(struct net *net, const struct net_address *address)
{
    struct net_route routes[3];
    for (size_t i = 0; i < net->address_count; i++)
        if (net->addresses[i].link == address->link &&
            net_ip_equal(&net->addresses[i].ip, &address->ip) &&
            (address->family == AF_INET6 || net->addresses[i].prefix == address->prefix))
            return -EEXIST;
    size_t count = routes_of(address, routes);
    if (net->address_count == NET_ADDRESSES_MAX || make_room_for_routes(net, count) != 0)
        return -ENOBUFS;
    struct net_address *addresses =
        realloc(net->addresses, (net->address_count + 1) * sizeof(*net->addresses));
    if (addresses == NULL)
        return -ENOBUFS;
    net->addresses = addresses;
    /* By link, as a dump shows them. */
    size_t at = net->address_count++;
    for (; at > 0 && net->addresses[at - 1].link > address->link; at--)
        net->addresses[at] = net->addresses[at - 1];
    net->addresses[at] = *address;
    for (size_t i = 0; i < count; i++)
        (void)net_route_add(net, &routes[i]);
    return 0;
}

int net_address_remove(struct net *net, const struct net_address *address)
{
    size_t at = 0;
    while (at < net->address_count && (net->addresses[at].link != address->link ||
                                       !net_ip_equal(&net->addresses[at].ip, &address->ip)))
        at++;
    if (at == net->address_count)
        return -EADDRNOTAVAIL;
    struct net_route routes[3];
    size_t count = routes_of(&net->addresses[at], routes);
    for (size_t i = 0; i < count; i++)
        (void)net_route_remove(net, &routes[i]);
    net->address_count--;
    memmove(&net->addresses[at], &net->addresses[at + 1],
            (net->address_count - at) * sizeof(net->addresses[0]));
    for (size_t i = net->route_count; i-- > 0;) { /* what went through its network goes too */
        const struct net_route *r = &net->routes[i];
        if (r->has_gateway && net_route_to(net, &r->gateway) == r)
            drop_route(net, i);
    }
    return 0;
}

const struct net_address *net_address_of(const struct net *net, int32_t link, uint8_t family)
{
    for (size_t i = 0; i < net->address_count; i++)
        if (net->addresses[i].link == link && net->addresses[i].family == family)
            return &net->addresses[i];
    return NULL;
}

bool net_is_own(const struct net *net, const struct net_ip *ip)
{
    static const uint8_t loopback[4] = {127, 0, 0, 0};
    struct net_ip network = net_ip4(loopback);
    if (net_ip_in(ip, &network, 8))
        return true;
    for (size_t i = 0; i < net->address_count; i++)
        if (net_ip_equal(&net->addresses[i].ip, ip))
            return true;
    return false;
}

bool net_source_for(struct net *net, const struct net_ip *ip, struct net_ip *out)
{
    const struct net_route *route = net_route_to(net, ip);
    *out = *ip;
    if (route == NULL || route->type == RTN_LOCAL)
        return route != NULL;
    const struct net_address *own =
        net_address_of(net, route->link, net_ip_is4(ip) ? AF_INET : AF_INET6);
    if (route->has_source)
        *out = route->source;
    else if (own != NULL)
        *out = own->ip;
    return route->has_source || own != NULL;
}

/* ---- Neighbours ---- */

static size_t find_neighbour(const struct net *net, int32_t link, const struct net_ip *ip)
{
    size_t at = 0;
    while (at < net->neighbour_count &&
           (net->neighbours[at].link != link || !net_ip_equal(&net->neighbours[at].ip, ip)))
        at++;
    return at;
}

int net_neighbour_set(struct net *net, const struct net_neighbour *neighbour)
{
    size_t at = find_neighbour(net, neighbour->link, &neighbour->ip);
    if (at == NET_NEIGHBOURS_MAX)
        return -ENOBUFS;
    if (at == net->neighbour_count) {
        struct net_neighbour *neighbours =
            realloc(net->neighbours, (at + 1) * sizeof(*net->neighbours));
        if (neighbours == NULL)
            return -ENOBUFS;
        net->neighbours = neighbours;
        net->neighbour_count++;
    }
    net->neighbours[at] = *neighbour;
    return 0;
}

int net_neighbour_remove(struct net *net, int32_t link, const struct net_ip *ip)
{
    size_t at = find_neighbour(net, link, ip);
    if (at == net->neighbour_count)
        return -ENOENT;
    net->neighbours[at] = net->neighbours[--net->neighbour_count];
    return 0;
}
