/* The network at boot: what the machine's files say of it. */
#include "kernel/fs.h"
#include "kernel/identity.h"
#include "kernel/machine.h"
#include "kernel/net.h"
#include "kernel/task.h"

#include "base/buffer.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    CONFIG_FILE_MAX = 32768,
    CONFIG_PATH_MAX = 128,
    IP4_AT = 12,
    IP6_LINK_PREFIX = 64,
    FIRST_ENTRY = 2 /* behind . and .. */
};

static const char interfaces_z[] = "/etc/network/interfaces";

/* ---- Reading ---- */

/* The next word of a line, which becomes shorter. */
static struct span word(struct span *line)
{
    size_t from = 0;
    while (from < line->len && (line->data[from] == ' ' || line->data[from] == '\t'))
        from++;
    size_t to = from;
    while (to < line->len && line->data[to] != ' ' && line->data[to] != '\t')
        to++;
    struct span found = span_slice(*line, from, to);
    *line = span_slice(*line, to, line->len);
    return found;
}

static struct span line(struct span *text)
{
    ptrdiff_t end = span_find(*text, '\n', 0);
    size_t n = end < 0 ? text->len : (size_t)end;
    struct span found = span_slice(*text, 0, n);
    *text = span_slice(*text, n + 1, text->len);
    return found;
}

/* A number of decimal or 0x digits, ended by anything else. */
static uint64_t number(struct span text)
{
    bool hex = span_starts_with(text, span_z("0x"));
    uint64_t value = 0;
    for (size_t i = hex ? 2 : 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        unsigned digit = c >= '0' && c <= '9'          ? c - '0'
                         : hex && c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                       : 99;
        if (digit >= (hex ? 16 : 10))
            break;
        value = value * (hex ? 16 : 10) + digit;
    }
    return value;
}

static bool parse_mac(struct span text, uint8_t mac[NET_MAC_BYTES])
{
    for (size_t i = 0; i < NET_MAC_BYTES; i++) {
        char part_z[8] = "0x";
        if (text.len < 3 * i + 2)
            return false;
        memcpy(part_z + 2, text.data + 3 * i, 2);
        mac[i] = (uint8_t)number(span_z(part_z));
    }
    return true;
}

/* ---- Links: /sys/class/net ---- */

struct reading {
    const struct vfs_at *at;
    struct net *net;
    struct buffer *store;
};

/* What a file of the link says whose directory is the working one: the way there is long. */
static struct span link_text(const struct reading *r, const char *path_z)
{
    buffer_clear(r->store);
    (void)identity_read(r->at, path_z, r->store);
    return buffer_span(r->store);
}

static uint64_t link_number(const struct reading *r, const char *path_z)
{
    return number(link_text(r, path_z));
}

/* The name that udev makes from the device's place on the bus, when the link leads through one:
 * .../0000:00:03.0/virtio0/net/ens3 is enp0s3. */
static void name_by_place(const struct vfs_at *at, struct net_link *link)
{
    char path_z[CONFIG_PATH_MAX], target[CONFIG_PATH_MAX];
    struct walk_found found;
    (void)snprintf(path_z, sizeof(path_z), "/sys/class/net/%s", link->name_z);
    if (walk(at, span_z(path_z), 0, &found) != 0)
        return;
    int64_t n = S_ISLNK(found.stat.mode)
                    ? found.node.fs->ops->readlink(found.node.fs, NULL, found.node.ino, target,
                                                   sizeof(target))
                    : 0;
    walk_done(&found);
    struct span text = span_of(target, n > 0 ? (size_t)n : 0);
    for (size_t i = 0; i + 12 <= text.len; i++) {
        const uint8_t *c = text.data + i;
        if (c[0] != '/' || c[5] != ':' || c[8] != ':' || c[11] != '.')
            continue;
        char bus_z[5] = {'0', 'x', (char)c[6], (char)c[7]},
             slot_z[5] = {'0', 'x', (char)c[9], (char)c[10]};
        (void)snprintf(link->altname_z, sizeof(link->altname_z), "enp%us%u",
                       (unsigned)number(span_z(bus_z)) & 0xff,
                       (unsigned)number(span_z(slot_z)) & 0xff);
    }
}

static bool read_link(void *ctx, struct span name, uint64_t ino, unsigned type, int64_t next)
{
    struct reading *r = ctx;
    struct net *net = r->net;
    struct net_link link = {.index = 0};
    char path_z[CONFIG_PATH_MAX];
    (void)ino, (void)type, (void)next;
    if (name.len >= NET_NAME_BYTES || name.data[0] == '.' || net->link_count == NET_LINKS_MAX)
        return true;
    span_copy_z(name, link.name_z, sizeof(link.name_z));
    (void)snprintf(path_z, sizeof(path_z), "/sys/class/net/%s", link.name_z);
    if (fs_context_chdir(r->at->fs, r->at->cred, span_z(path_z)) != 0)
        return true;
    link.index = (int32_t)link_number(r, "ifindex");
    if (link.index < 2) /* loopback is there already */
        return true;
    link.type = (uint16_t)link_number(r, "type");
    link.flags = (uint32_t)link_number(r, "flags");
    link.mtu = (uint32_t)link_number(r, "mtu");
    link.queue_len = (uint32_t)link_number(r, "tx_queue_len");
    link.rx_bytes = link_number(r, "statistics/rx_bytes");
    link.rx_packets = link_number(r, "statistics/rx_packets");
    link.tx_bytes = link_number(r, "statistics/tx_bytes");
    link.tx_packets = link_number(r, "statistics/tx_packets");
    (void)parse_mac(link_text(r, "address"), link.mac);
    size_t place = net->link_count++;
    for (; place > 0 && net->links[place - 1].index > link.index; place--)
        net->links[place] = net->links[place - 1];
    net->links[place] = link;
    return true;
}

static int read_links(struct reading *r)
{
    struct walk_found found;
    if (walk(r->at, span_z("/sys/class/net"), WALK_FOLLOW, &found) != 0)
        return 0; /* a machine without /sys has loopback */
    struct vnode dir = found.node;
    int error = vnode_hold(dir);
    walk_done(&found);
    if (error != 0)
        return error;
    if (dir.fs->ops->readdir != NULL)
        (void)dir.fs->ops->readdir(dir.fs, NULL, dir.ino, FIRST_ENTRY, read_link, r);
    vnode_drop(dir);
    for (size_t i = 1; i < r->net->link_count; i++)
        name_by_place(r->at, &r->net->links[i]);
    return 0;
}

/* ---- Addresses: interfaces(5) ---- */

struct stanza {
    struct net_link *link;
    struct net_ip ip, gateway;
    unsigned prefix;
    bool has_ip, has_gateway;
};

static void read_stanza(struct net *net, struct span text, struct stanza *out)
{
    *out = (struct stanza){.prefix = 24};
    while (text.len > 0) {
        struct span rest = line(&text), key = word(&rest), value = word(&rest);
        if (span_equal_z(key, "iface")) {
            struct net_link *link = net_link_named(net, value);
            bool is_static =
                span_equal_z(word(&rest), "inet") && span_equal_z(word(&rest), "static");
            if (out->has_ip)
                return; /* one link is configured */
            out->link = is_static ? link : NULL;
        } else if (out->link != NULL && span_equal_z(key, "address")) {
            ptrdiff_t slash = span_find(value, '/', 0);
            size_t end = slash < 0 ? value.len : (size_t)slash;
            out->has_ip = net_ip4_parse(span_slice(value, 0, end), &out->ip);
            if (slash >= 0)
                out->prefix = (unsigned)number(span_slice(value, end + 1, value.len)) & 31;
        } else if (out->link != NULL && span_equal_z(key, "gateway")) {
            out->has_gateway = net_ip4_parse(value, &out->gateway);
        }
    }
}

/* The gateway of the installation's own network: the first address of it that is not ours. */
static struct net_ip gateway_beside(const struct stanza *s)
{
    struct net_ip gateway = s->ip;
    gateway.bytes[NET_IP_BYTES - 1] = s->ip.bytes[NET_IP_BYTES - 1] == 1 ? 254 : 1;
    return gateway;
}

/* fe80:: and the modified EUI-64 of the MAC address (RFC 4291, appendix A). */
static struct net_ip link_local(const uint8_t mac[NET_MAC_BYTES])
{
    struct net_ip ip = {{0xfe, 0x80, [11] = 0xff, [12] = 0xfe}};
    memcpy(ip.bytes + 8, mac, 3);
    memcpy(ip.bytes + 13, mac + 3, 3);
    ip.bytes[8] ^= 2;
    return ip;
}

static void bring_up(struct net *net, const struct stanza *s)
{
    struct net_address own = {.link = s->link->index,
                              .family = AF_INET,
                              .prefix = (uint8_t)s->prefix,
                              .scope = RT_SCOPE_UNIVERSE,
                              .flags = IFA_F_PERMANENT,
                              .ip = s->ip};
    (void)net_address_add(net, &own);
    own.family = AF_INET6;
    own.prefix = IP6_LINK_PREFIX;
    own.scope = RT_SCOPE_LINK;
    own.ip = link_local(s->link->mac);
    (void)net_address_add(net, &own);
    if (!s->has_gateway)
        return;
    static const uint8_t any[4];
    const struct net_route way = {.link = s->link->index,
                                  .family = AF_INET,
                                  .table = RT_TABLE_MAIN,
                                  .protocol = RTPROT_BOOT,
                                  .type = RTN_UNICAST,
                                  .flags = RTNH_F_ONLINK,
                                  .to = net_ip4(any),
                                  .has_gateway = true,
                                  .gateway = s->gateway};
    struct net_neighbour gateway = {.link = s->link->index,
                                    .family = AF_INET,
                                    .state = NUD_REACHABLE,
                                    .ip = s->gateway,
                                    .mac = {0x52, 0x55}}; /* as QEMU's network names its own */
    memcpy(gateway.mac + 2, s->gateway.bytes + IP4_AT, 4);
    (void)net_route_add(net, &way);
    (void)net_neighbour_set(net, &gateway);
}

static int replace_ip(const struct vfs_at *at, const struct net_ip *from, const struct net_ip *to)
{
    char from_z[NET_TEXT_BYTES], to_z[NET_TEXT_BYTES];
    size_t from_len = net_ip_text(from, from_z), to_len = net_ip_text(to, to_z);
    return identity_replace(at, interfaces_z, span_of(from_z, from_len), span_of(to_z, to_len));
}

/* The address that the visitor came to in place of the image's, in the files as in the model. */
static int make_own(const struct vfs_at *at, struct stanza *s, const struct kernel_config *config)
{
    struct net_ip own;
    if (!net_ip4_parse(config->address, &own) || net_ip_equal(&own, &s->ip))
        return 0;
    struct stanza old = *s;
    s->ip = own;
    s->gateway = gateway_beside(s);
    int error = replace_ip(at, &old.ip, &s->ip);
    if (error == 0 && s->has_gateway)
        error = replace_ip(at, &old.gateway, &s->gateway);
    return error;
}

/* resolv.conf(5). */
static void read_resolvers(struct net *net, struct span text)
{
    while (text.len > 0 && net->resolver_count < NET_RESOLVERS_MAX) {
        struct span rest = line(&text);
        if (span_equal_z(word(&rest), "nameserver") &&
            net_ip4_parse(word(&rest), &net->resolvers[net->resolver_count]))
            net->resolver_count++;
    }
}

static void take_peer(struct net *net, const struct kernel_config *config)
{
    if (!net_ip4_parse(config->peer_address, &net->peer) ||
        !net_ip4_parse(config->peer_local, &net->peer_local))
        return;
    net->peer_port = config->peer_port;
    net->peer_local_port = config->peer_local_port;
}

int net_configure(struct kernel *k, const struct kernel_config *config)
{
    struct creds root = {.cap_effective = UINT64_MAX};
    struct buffer store;
    struct stanza stanza;
    struct net *net = &k->vfs->net;
    struct vfs_at at = {.fs = fs_context_new(k->vfs), .cred = &root};
    struct reading reading = {.at = &at, .net = net, .store = &store};
    int error = at.fs != NULL ? 0 : -ENOMEM;
    buffer_init(&store, CONFIG_FILE_MAX);
    if (error == 0)
        error = net_init(net);
    if (error == 0)
        error = read_links(&reading);
    if (error == 0) {
        buffer_clear(&store);
        (void)identity_read(&at, interfaces_z, &store);
        read_stanza(net, buffer_span(&store), &stanza);
        if (stanza.link != NULL && stanza.has_ip) {
            error = make_own(&at, &stanza, config);
            bring_up(net, &stanza);
        }
        buffer_clear(&store);
        (void)identity_read(&at, "/etc/resolv.conf", &store);
        read_resolvers(net, buffer_span(&store));
        take_peer(net, config);
    }
    if (at.fs != NULL)
        fs_context_drop(at.fs);
    buffer_fini(&store);
    return error == -ENOMEM ? error : 0;
}
