#include "kernel/net_ioctl.h"

#include "kernel/task.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { IP4_AT = 12 };

static void put_sockaddr(struct sockaddr *out, const struct net_ip *ip)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    memcpy(&in.sin_addr, ip->bytes + IP4_AT, 4);
    memcpy(out, &in, sizeof(in));
}

static struct net_ip get_sockaddr(const struct sockaddr *in)
{
    struct sockaddr_in address;
    memcpy(&address, in, sizeof(address));
    return net_ip4((const uint8_t *)&address.sin_addr);
}

static struct net_ip mask_of(unsigned prefix)
{
    uint8_t mask[4] = {0};
    for (unsigned bit = 0; bit < prefix; bit++)
        mask[bit / 8] |= (uint8_t)(0x80U >> bit % 8);
    return net_ip4(mask);
}

static uint8_t prefix_of(const struct net_ip *mask)
{
    uint8_t n = 0;
    while (n < 32 && (mask->bytes[IP4_AT + n / 8] & 0x80U >> n % 8) != 0)
        n++;
    return n;
}

/* ---- Reading ---- */

/* SIOCGIFCONF: the links that have an IPv4 address, as many as fit. */
static int64_t list_links(struct task *t, struct net *net, uint64_t arg)
{
    struct {
        int32_t len, pad;
        uint64_t buffer;
    } asked;
    if (task_read(t, arg, &asked, sizeof(asked)) != 0)
        return -EFAULT;
    int32_t done = 0;
    for (size_t i = 0; i < net->address_count; i++) {
        const struct net_address *a = &net->addresses[i];
        const struct net_link *link = net_link_find(net, a->link);
        struct ifreq r;
        memset(&r, 0, sizeof(r)); /* all of its union too: it is shown to the guest */
        if (a->family != AF_INET || link == NULL)
            continue;
        span_copy_z(span_z(link->name_z), r.ifr_name, sizeof(r.ifr_name));
        put_sockaddr(&r.ifr_addr, &a->ip);
        if (asked.buffer != 0) {
            if (asked.len - done < (int32_t)sizeof(r))
                break;
            if (task_write(t, asked.buffer + (uint64_t)done, &r, sizeof(r)) != 0)
                return -EFAULT;
        }
        done += (int32_t)sizeof(r);
    }
    asked.len = done;
    return task_write(t, arg, &asked, sizeof(asked));
}

static int get_address(const struct net *net, const struct net_link *link, uint32_t command,
                       struct ifreq *r)
{
    const struct net_address *a = net_address_of(net, link->index, AF_INET);
    static const uint8_t any4[4];
    struct net_ip ip = net_ip4(any4);
    if (a == NULL)
        return -EADDRNOTAVAIL;
    switch (command) {
    case SIOCGIFNETMASK: ip = mask_of(a->prefix); break;
    case SIOCGIFBRDADDR:
        if (!net_link_is_loopback(link))
            net_broadcast_of(a, &ip);
        break;
    default: ip = a->ip; break;
    }
    put_sockaddr(&r->ifr_addr, &ip);
    return 0;
}

static int get_hardware(const struct net_link *link, struct ifreq *r)
{
    memset(&r->ifr_hwaddr, 0, sizeof(r->ifr_hwaddr));
    r->ifr_hwaddr.sa_family = link->type;
    memcpy(r->ifr_hwaddr.sa_data, link->mac, NET_MAC_BYTES);
    return 0;
}

static int get(const struct net *net, const struct net_link *link, uint32_t command,
               struct ifreq *r)
{
    switch (command) {
    case SIOCGIFFLAGS: r->ifr_flags = (int16_t)net_link_flags(link); return 0;
    case SIOCGIFMETRIC: r->ifr_metric = 0; return 0;
    case SIOCGIFMTU: r->ifr_mtu = (int32_t)link->mtu; return 0;
    case SIOCGIFINDEX: r->ifr_ifindex = link->index; return 0;
    case SIOCGIFTXQLEN: r->ifr_qlen = (int32_t)link->queue_len; return 0;
    case SIOCGIFMAP: memset(&r->ifr_map, 0, sizeof(r->ifr_map)); return 0;
    case SIOCGIFHWADDR: return get_hardware(link, r);
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
    case SIOCGIFBRDADDR:
    case SIOCGIFNETMASK: return get_address(net, link, command, r);
    default: return -EOPNOTSUPP;
    }
}

/* ---- Changing ---- */

static int set_address(struct net *net, const struct net_link *link, const struct net_ip *ip,
                       uint8_t prefix)
{
    const struct net_address *old = net_address_of(net, link->index, AF_INET);
    struct net_address new = {.link = link->index,
                              .family = AF_INET,
                              .prefix = prefix,
                              .scope =
                                  net_link_is_loopback(link) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
                              .flags = IFA_F_PERMANENT,
                              .ip = *ip};
    if (old != NULL) {
        struct net_address gone = *old;
        (void)net_address_remove(net, &gone);
    }
    return net_ip_is_any(ip) ? 0 : net_address_add(net, &new);
}

/* The prefix of an address's class, which ifconfig begins with. */
static uint8_t class_prefix(const struct net_ip *ip)
{
    uint8_t first = ip->bytes[IP4_AT];
    return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32;
}

static int set_mask(struct net *net, const struct net_link *link, const struct net_ip *mask)
{
    const struct net_address *a = net_address_of(net, link->index, AF_INET);
    struct net_ip ip;
    if (a == NULL)
        return -EADDRNOTAVAIL;
    ip = a->ip;
    return set_address(net, link, &ip, prefix_of(mask));
}

static int set(struct net *net, struct net_link *link, uint32_t command, const struct ifreq *r)
{
    struct net_ip ip = get_sockaddr(&r->ifr_addr);
    switch (command) {
    case SIOCSIFFLAGS: net_link_set_flags(net, link, (uint16_t)r->ifr_flags, UINT32_MAX); return 0;
    case SIOCSIFMTU: return net_link_set_mtu(link, (uint32_t)r->ifr_mtu);
    case SIOCSIFTXQLEN:
        if (r->ifr_qlen < 0)
            return -EINVAL;
        link->queue_len = (uint32_t)r->ifr_qlen;
        return 0;
    case SIOCSIFHWADDR:
        return r->ifr_hwaddr.sa_family == link->type
                   ? net_link_set_mac(link, (const uint8_t *)r->ifr_hwaddr.sa_data)
                   : -EINVAL;
    case SIOCSIFADDR: return set_address(net, link, &ip, class_prefix(&ip));
    case SIOCSIFNETMASK: return set_mask(net, link, &ip);
    case SIOCSIFBRDADDR: return 0;
    default: return -EOPNOTSUPP;
    }
}

/* SIOCADDRT, SIOCDELRT: struct rtentry. */
static int64_t change_route(struct task *t, struct net *net, uint32_t command, uint64_t arg)
{
    struct rtentry e;
    char name_z[NET_NAME_BYTES] = {0};
    if (!creds_capable(&t->creds, CAP_NET_ADMIN))
        return -EPERM;
    if (task_read(t, arg, &e, sizeof(e)) != 0)
        return -EFAULT;
    struct net_ip mask = get_sockaddr(&e.rt_genmask);
    struct net_route r = {.family = AF_INET,
                          .table = RT_TABLE_MAIN,
                          .protocol = RTPROT_BOOT,
                          .type = RTN_UNICAST,
                          .to = get_sockaddr(&e.rt_dst),
                          .prefix = (e.rt_flags & RTF_HOST) != 0 ? 32 : prefix_of(&mask),
                          .has_gateway = (e.rt_flags & RTF_GATEWAY) != 0,
                          .gateway = get_sockaddr(&e.rt_gateway),
                          .metric = e.rt_metric > 0 ? (uint32_t)e.rt_metric - 1 : 0};
    if (!net_ip_is_network(&r.to, r.prefix))
        return -EINVAL;
    if (e.rt_dev != NULL) {
        int64_t n = task_read_z(t, (uint64_t)(uintptr_t)e.rt_dev, name_z, sizeof(name_z) - 1);
        const struct net_link *link = n > 0 ? net_link_named(net, span_z(name_z)) : NULL;
        if (link == NULL)
            return -ENODEV;
        r.link = link->index;
    }
    if (command == SIOCDELRT)
        return net_route_remove(net, &r);
    const struct net_route *way = r.has_gateway ? net_route_to(net, &r.gateway) : NULL;
    if (r.has_gateway && (way == NULL || way->has_gateway))
        return -ENETUNREACH;
    r.scope = r.has_gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    if (r.link == 0 && way != NULL)
        r.link = way->link;
    return r.link == 0 ? -ENODEV : net_route_add(net, &r);
}

/* SIOCGARP, SIOCSARP, SIOCDARP: struct arpreq. */
static int64_t arp(struct task *t, struct net *net, uint32_t command, uint64_t arg)
{
    struct arpreq r;
    if (command != SIOCGARP && !creds_capable(&t->creds, CAP_NET_ADMIN))
        return -EPERM;
    if (task_read(t, arg, &r, sizeof(r)) != 0)
        return -EFAULT;
    struct net_ip ip = get_sockaddr(&r.arp_pa);
    const struct net_route *way = net_route_to(net, &ip);
    struct net_neighbour n = {
        .link = way != NULL ? way->link : 0, .family = AF_INET, .state = NUD_PERMANENT, .ip = ip};
    memcpy(n.mac, r.arp_ha.sa_data, NET_MAC_BYTES);
    if (command == SIOCSARP)
        return way != NULL ? net_neighbour_set(net, &n) : -EINVAL;
    if (command == SIOCDARP)
        return net_neighbour_remove(net, n.link, &ip) == 0 ? 0 : -ENXIO;
    for (size_t i = 0; i < net->neighbour_count; i++) {
        const struct net_neighbour *each = &net->neighbours[i];
        const struct net_link *link = net_link_find(net, each->link);
        if (!net_ip_equal(&each->ip, &ip) || link == NULL)
            continue;
        r.arp_flags = ATF_COM | (each->state == NUD_PERMANENT ? ATF_PERM : 0);
        r.arp_ha.sa_family = ARPHRD_ETHER;
        memcpy(r.arp_ha.sa_data, each->mac, NET_MAC_BYTES);
        span_copy_z(span_z(link->name_z), r.arp_dev, sizeof(r.arp_dev));
        return task_write(t, arg, &r, sizeof(r));
    }
    return -ENXIO;
}

static int64_t name_by_index(struct task *t, struct net *net, struct ifreq *r, uint64_t arg)
{
    const struct net_link *link = net_link_find(net, r->ifr_ifindex);
    if (link == NULL)
        return -ENODEV;
    span_copy_z(span_z(link->name_z), r->ifr_name, sizeof(r->ifr_name));
    return task_write(t, arg, r, sizeof(*r));
}

static bool is_change(uint32_t command)
{
    switch (command) {
    case SIOCSIFFLAGS:
    case SIOCSIFADDR:
    case SIOCSIFBRDADDR:
    case SIOCSIFNETMASK:
    case SIOCSIFMTU:
    case SIOCSIFHWADDR:
    case SIOCSIFTXQLEN: return true;
    default: return false;
    }
}

int64_t net_ioctl(struct task *t, const struct socket *s, uint32_t command, uint64_t arg)
{
    struct net *net = &s->vfs->net;
    struct ifreq r;
    if (command >> 8 != 0x89)
        return -ENOTTY;
    switch (command) {
    case SIOCGIFCONF: return list_links(t, net, arg);
    case SIOCADDRT:
    case SIOCDELRT: return socket_is_inet(s) ? change_route(t, net, command, arg) : -ENOTTY;
    case SIOCGARP:
    case SIOCSARP:
    case SIOCDARP: return socket_is_inet(s) ? arp(t, net, command, arg) : -ENOTTY;
    default: break;
    }
    if (task_read(t, arg, &r, sizeof(r)) != 0)
        return -EFAULT;
    if (command == SIOCGIFNAME)
        return name_by_index(t, net, &r, arg);
    if (is_change(command) && !creds_capable(&t->creds, CAP_NET_ADMIN))
        return -EPERM;
    size_t len = strnlen(r.ifr_name, sizeof(r.ifr_name) - 1);
    struct net_link *link = net_link_named(net, span_of(r.ifr_name, len));
    if (link == NULL)
        return -ENODEV;
    if (is_change(command))
        return set(net, link, command, &r);
    int error = get(net, link, command, &r);
    return error != 0 ? error : task_write(t, arg, &r, sizeof(r));
}
