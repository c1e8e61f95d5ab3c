/* The machine's network as one model: links, addresses, routes, neighbours. Netlink, the ioctls of
 * interfaces, /proc/net and connect(2) all answer from it, and change it.
 *
 * At its boot (net_config.c) the machine reads it from its own files, as ifupdown would: the links of
 * /sys/class/net, and /etc/network/interfaces. An installation that has an address and a MAC address
 * of its own gets them, in the model and in those files. */
#ifndef KERNEL_NET_H
#define KERNEL_NET_H

#include "base/span.h"

struct kernel;
struct kernel_config;
struct ruleset;
struct xtables_legacy;

enum {
    NET_LINKS_MAX = 8,
    NET_ADDRESSES_MAX = 24,
    NET_ROUTES_MAX = 64,
    NET_NEIGHBOURS_MAX = 32,
    NET_RESOLVERS_MAX = 3,
    NET_NAME_BYTES = 16, /* IFNAMSIZ */
    NET_MAC_BYTES = 6,
    NET_IP_BYTES = 16,
    NET_MTU_LEAST = 68, /* of Ethernet, ETH_MIN_MTU and ETH_MAX_MTU */
    NET_MTU_MOST = 65535,
    NET_TEXT_BYTES = 46, /* INET6_ADDRSTRLEN */
};

/* An address of either family: IPv4 as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2). */
struct net_ip {
    uint8_t bytes[NET_IP_BYTES];
};

struct net_link {
    int32_t index;
    char name_z[NET_NAME_BYTES], altname_z[NET_NAME_BYTES];
    uint16_t type;  /* ARPHRD_... */
    uint32_t flags; /* IFF_... that are set; what follows from them is made by net_link_flags */
    uint32_t mtu, queue_len;
    uint8_t mac[NET_MAC_BYTES];
    uint64_t rx_bytes, rx_packets, tx_bytes, tx_packets;
};

struct net_address {
    int32_t link;
    uint8_t family, prefix, scope, flags; /* IFA_F_... */
    struct net_ip ip;
};

struct net_route {
    int32_t link;
    uint8_t family, prefix, table, protocol, scope, type, flags; /* RTNH_F_... */
    bool has_gateway, has_source;
    struct net_ip to, gateway, source;
    uint32_t metric;
};

struct net_neighbour {
    int32_t link;
    uint8_t family;
    uint16_t state; /* NUD_... */
    struct net_ip ip;
    uint8_t mac[NET_MAC_BYTES];
};

struct net {
    struct ruleset *rules;         /* ruleset.h: the packet filter; NULL: nobody has asked yet */
    struct xtables_legacy *legacy; /* xtables_legacy.h; NULL: the same */
    struct net_link links[NET_LINKS_MAX];
    struct net_address *addresses;
    struct net_route *routes; /* as a dump shows them: by family, table, place */
    struct net_neighbour *neighbours;
    struct net_ip resolvers[NET_RESOLVERS_MAX];
    size_t link_count, address_count, route_count, neighbour_count, resolver_count;
    /* Whose connection this machine is there for: zeros when nobody's. */
    struct net_ip peer, peer_local;
    uint16_t peer_port, peer_local_port;
};

/* ---- Addresses ---- */

struct net_ip net_ip4(const uint8_t bytes[4]);
bool net_ip_is4(const struct net_ip *ip);
bool net_ip_is_any(const struct net_ip *ip); /* 0.0.0.0 or :: */
bool net_ip_equal(const struct net_ip *a, const struct net_ip *b);
/* The first `prefix` bits (more are all) of the family's own address are the same. */
bool net_ip_in(const struct net_ip *ip, const struct net_ip *network, unsigned prefix);
/* Nothing stands behind the prefix. */
bool net_ip_is_network(const struct net_ip *ip, unsigned prefix);
/* The address in the family's own bytes: 4 or 16. */
struct span net_ip_span(const struct net_ip *ip);
/* "a.b.c.d" or RFC 5952's text; its length. */
size_t net_ip_text(const struct net_ip *ip, char out_z[NET_TEXT_BYTES]);
/* "a.b.c.d" read; false when it is none. */
bool net_ip4_parse(struct span text, struct net_ip *out);

/* ---- The model ---- */

/* Loopback alone, as every machine has it. 0 or -ENOMEM; net_fini in any case. */
int net_init(struct net *net);
void net_fini(struct net *net);
struct net_link *net_link_find(struct net *net, int32_t index);
struct net_link *net_link_named(struct net *net, struct span name); /* its altname too */
/* The flags that a program sees: with IFF_RUNNING and IFF_LOWER_UP. */
uint32_t net_link_flags(const struct net_link *link);
bool net_link_is_loopback(const struct net_link *link);

/* What root sets of a link. Flags: those of `change`; a link that goes down loses the ways through
 * gateways. 0 or -errno: -EINVAL, -EBUSY (it is up), -EEXIST, -EADDRNOTAVAIL. */
void net_link_set_flags(struct net *net, struct net_link *link, uint32_t flags, uint32_t change);
int net_link_set_mtu(struct net_link *link, uint32_t mtu);
int net_link_set_mac(struct net_link *link, const uint8_t mac[NET_MAC_BYTES]);
int net_link_rename(struct net *net, struct net_link *link, struct span name);

/* An address more, with the routes that it brings. 0, -EEXIST, -ENOBUFS. */
int net_address_add(struct net *net, const struct net_address *address);
/* 0 or -EADDRNOTAVAIL. The routes go with it. */
int net_address_remove(struct net *net, const struct net_address *address);
/* The first address of a link in a family; NULL: none. */
const struct net_address *net_address_of(const struct net *net, int32_t link, uint8_t family);
void net_broadcast_of(const struct net_address *address, struct net_ip *out);

int net_route_add(struct net *net, const struct net_route *route); /* 0, -EEXIST, -ENOBUFS */
/* Removes the first that agrees in what `like` says. 0 or -ESRCH. */
int net_route_remove(struct net *net, const struct net_route *like);
/* The way to an address: the longest prefix, the lowest metric. NULL: unreachable. */
const struct net_route *net_route_to(struct net *net, const struct net_ip *ip);
/* Whether the machine itself has that address (all of 127/8). */
bool net_is_own(const struct net *net, const struct net_ip *ip);
/* The address with which the machine speaks to `ip`; false: there is no way. */
bool net_source_for(struct net *net, const struct net_ip *ip, struct net_ip *out);

/* As new or in place of the old one. 0 or -ENOBUFS. */
int net_neighbour_set(struct net *net, const struct net_neighbour *neighbour);
int net_neighbour_remove(struct net *net, int32_t link, const struct net_ip *ip); /* -ENOENT */

/* ---- Boot (net_config.c) ---- */

/* Reads the model from the machine's files, and puts the installation's own values into both.
 * 0 or -ENOMEM. */
int net_configure(struct kernel *k, const struct kernel_config *config);

#endif
