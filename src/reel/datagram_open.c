/* Opening datagram sockets and setting their options. */
#include "reel/bind.h"
#include "reel/dgram.h"
#include "reel/network.h"

#include <reel/endpoint.h>

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_if(bool wanted, int fd, int level, int option, int value)
{
    return wanted ? set(fd, level, option, value) : 0;
}

static int set_ip_options(int fd, int family, const struct reel_datagram_options *options)
{
    const bool v6 = family == AF_INET6;
    const struct {
        bool wanted;
        int level, option, value;
    } table[] = {
        {v6, IPPROTO_IPV6, IPV6_V6ONLY, options->v6_only},
        {options->reuse_address, SOL_SOCKET, SO_REUSEADDR, 1},
        {options->reuse_port, SOL_SOCKET, SO_REUSEPORT, 1},
        {options->broadcast, SOL_SOCKET, SO_BROADCAST, 1},
        {options->keep_local && v6, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
        {options->keep_local && !v6, IPPROTO_IP, IP_PKTINFO, 1},
    };
    int err = 0;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]) && err == 0; i++)
        err = set_if(table[i].wanted, fd, table[i].level, table[i].option, table[i].value);
    if (err == 0 && options->device_z &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->device_z,
                   (socklen_t)strlen(options->device_z)) < 0)
        err = -errno;
    if (options->receive_runs)
        set(fd, SOL_UDP, UDP_GRO, 1); /* an old kernel hands them over one by one */
    return err;
}

static int set_options(int fd, int family, const struct reel_datagram_options *options)
{
    int err =
        set_if(options->receive_buffer > 0, fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
    if (err == 0)
        err = set_if(options->send_buffer > 0, fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer);
    return err < 0 || family == AF_UNIX ? err : set_ip_options(fd, family, options);
}

static int connect_to(int fd, const struct reel_address *peer)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    int n = peer ? connect(fd, (const struct sockaddr *)&peer->storage, peer->length)
                 : connect(fd, &none, sizeof(none));
    return n < 0 ? -errno : 0;
}

static int open_with(struct reel_reactor *r, const struct reel_address *local,
                     const struct reel_address *peer, const struct reel_datagram_options *options,
                     const struct reel_datagram_factory *factory, struct reel_datagram **out)
{
    if (r->ending)
        return -ECANCELED;
    if (r->network)
        return r->network->open_datagram(r->network, local, peer, factory, out);
    if (r->wake_fd < 0)
        return -EOPNOTSUPP;
    if (!local && !peer)
        return -EINVAL;
    int family = (local ? local : peer)->storage.ss_family;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    struct reel_datagram *d = NULL;
    int err = set_options(fd, family, options);
    if (err == 0 && local)
        err = reel_bind(fd, local, options->mode);
    if (err == 0 && peer)
        err = connect_to(fd, peer);
    if (err == 0)
        err = reel_datagram_socket_add(r, fd, factory, &d);
    if (!d) {
        close(fd);
        return err;
    }
    d->connected = peer != NULL;
    reel_datagram_start(d);
    if (out)
        *out = d;
    return 0;
}

int reel_datagram_open(struct reel_reactor *r, const struct reel_address *local,
                       const struct reel_address *peer, const struct reel_datagram_factory *factory,
                       struct reel_datagram **out)
{
    return open_with(r, local, peer, &factory->options, factory, out);
}

int reel_datagram_adopt(struct reel_reactor *r, int fd, const struct reel_datagram_factory *factory,
                        struct reel_datagram **out)
{
    int type = 0, family = 0;
    socklen_t len = sizeof(type);
    if (r->ending)
        return -ECANCELED;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0)
        return -errno;
    if (type != SOCK_DGRAM)
        return -EPROTOTYPE;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    struct reel_datagram *d = NULL;
    int err = reel_datagram_socket_add(r, fd, factory, &d);
    if (err < 0)
        return err;
    struct reel_address peer;
    d->connected = reel_datagram_peer(d, &peer) == 0;
    if (family != AF_UNIX && factory->options.keep_local)
        set(fd, family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
            family == AF_INET6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
    reel_datagram_start(d);
    if (out)
        *out = d;
    return 0;
}

int reel_datagram_connect(struct reel_datagram *d, const struct reel_address *peer)
{
    if (d->closing || d->is_dying)
        return -EPIPE;
    if (d->fd < 0)
        return -EOPNOTSUPP;
    if (peer && peer->storage.ss_family != d->family)
        return -EAFNOSUPPORT;
    reel_datagram_send_now(d); /* what was sent before goes where it was meant to */
    int err = connect_to(d->fd, peer);
    if (err == 0)
        d->connected = peer != NULL;
    return err;
}

/* By the options of the protocol-independent interface (RFC 3678), the same for both families. */
static int change_membership(struct reel_datagram *d, const struct reel_address *group,
                             uint32_t interface, const struct reel_address *source, bool join)
{
    int level = d->family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    if (d->fd < 0 || d->family == AF_UNIX)
        return -EOPNOTSUPP;
    if (group->storage.ss_family != d->family || (source && source->storage.ss_family != d->family))
        return -EAFNOSUPPORT;
    int n = -1;
    if (source) {
        const struct group_source_req request = {
            .gsr_interface = interface, .gsr_group = group->storage, .gsr_source = source->storage};
        n = setsockopt(d->fd, level, join ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP,
                       &request, sizeof(request));
    } else {
        const struct group_req request = {.gr_interface = interface, .gr_group = group->storage};
        n = setsockopt(d->fd, level, join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &request,
                       sizeof(request));
    }
    return n < 0 ? -errno : 0;
}

int reel_datagram_join(struct reel_datagram *d, const struct reel_address *group,
                       uint32_t interface, const struct reel_address *source)
{
    return change_membership(d, group, interface, source, true);
}

int reel_datagram_leave(struct reel_datagram *d, const struct reel_address *group,
                        uint32_t interface, const struct reel_address *source)
{
    return change_membership(d, group, interface, source, false);
}

static int set_by_family(struct reel_datagram *d, int option4, int option6, int value)
{
    if (d->fd < 0)
        return -EOPNOTSUPP;
    switch (d->family) {
    case AF_INET: return set(d->fd, IPPROTO_IP, option4, value);
    case AF_INET6: return set(d->fd, IPPROTO_IPV6, option6, value);
    default: return -EOPNOTSUPP;
    }
}

int reel_datagram_set_hops(struct reel_datagram *d, int hops)
{
    return set_by_family(d, IP_TTL, IPV6_UNICAST_HOPS, hops);
}

int reel_datagram_set_multicast_hops(struct reel_datagram *d, int hops)
{
    return set_by_family(d, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, hops);
}

int reel_datagram_set_multicast_loop(struct reel_datagram *d, bool on)
{
    return set_by_family(d, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on);
}

int reel_datagram_set_multicast_interface(struct reel_datagram *d, uint32_t interface)
{
    if (d->family != AF_INET)
        return set_by_family(d, 0, IPV6_MULTICAST_IF, (int)interface);
    const struct ip_mreqn request = {.imr_ifindex = (int)interface};
    if (d->fd < 0)
        return -EOPNOTSUPP;
    return setsockopt(d->fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof(request)) < 0 ? -errno
                                                                                         : 0;
}

int reel_listen_datagram(struct reel_reactor *r, const char *endpoint_z,
                         const struct reel_datagram_factory *factory, struct reel_datagram **out)
{
    struct reel_endpoint endpoint;
    int err = reel_endpoint_parse_datagram_server(endpoint_z, &endpoint, NULL);
    if (err < 0)
        return err;
    struct reel_datagram_options options = factory->options;
    options.reuse_port |= endpoint.listen.reuse_port;
    options.v6_only |= endpoint.listen.v6_only;
    options.mode = endpoint.listen.mode ? endpoint.listen.mode : options.mode;
    return open_with(r, &endpoint.address, NULL, &options, factory, out);
}

int reel_connect_datagram(struct reel_reactor *r, const char *endpoint_z,
                          const struct reel_datagram_factory *factory, struct reel_datagram **out)
{
    struct reel_endpoint endpoint;
    int err = reel_endpoint_parse_datagram_client(endpoint_z, &endpoint, NULL);
    if (err < 0)
        return err;
    return open_with(r, NULL, &endpoint.address, &factory->options, factory, out);
}
