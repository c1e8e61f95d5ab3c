#include "reel/dns.h"
#include "reel/fdio.h"
#include "reel/network.h"
#include "reel/race.h"

#include <reel/tcp.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

static int begin(struct reel_reactor *r, struct fd_birth *birth, int64_t timeout_ns,
                 struct reel_transport **out)
{
    const struct reel_address *address = birth->peer;
    bool at_once =
        connect(birth->fd, (const struct sockaddr *)&address->storage, address->length) == 0;
    if (!at_once && errno != EINPROGRESS)
        return -errno;
    struct reel_transport *t = NULL;
    birth->connecting = !at_once;
    int err = reel_fd_stream_new(r, birth, &t);
    if (err < 0)
        return err;
    if (at_once) {
        t->readable = true;
        reel_stream_start(t);
    } else if (reel_stream_expect(t, timeout_ns > 0 ? timeout_ns : REEL_CONNECT_TIMEOUT_NS) < 0) {
        reel_stream_discard(t);
        return -ENOMEM;
    }
    *out = t;
    return 0;
}

static void set_options(int fd, int family, const struct reel_options *options)
{
    const int one = 1;
    if (family != AF_UNIX && !options->delay)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (options->keep_alive)
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

/* Where it goes out. */
static int bind_local(int fd, const struct reel_connect_options *options)
{
    const int one = 1;
    const struct reel_address *local = &options->local;
    if (*options->device_z) {
        int err = reel_fd_bind_device(fd, options->device_z);
        if (err < 0)
            return err;
    }
    if (!local->length)
        return 0;
    /* The port is picked when it is known where to: more than 65,535 connections are possible. */
    if (reel_address_port(local) == 0)
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    return bind(fd, (const struct sockaddr *)&local->storage, local->length) < 0 ? -errno : 0;
}

int reel_fd_socket_new(int family, const struct reel_options *stream,
                       const struct reel_connect_options *options)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    set_options(fd, family, stream);
    int err = bind_local(fd, options);
    if (err < 0)
        close(fd);
    return err < 0 ? err : fd;
}

int reel_connect_with(struct reel_reactor *r, const struct reel_address *address,
                      const struct reel_connect_options *options,
                      const struct reel_factory *factory, struct reel_transport **out)
{
    static const struct reel_connect_options defaults = {0};
    options = options ? options : &defaults;
    if (r->network)
        return r->network->connect(r->network, address, options, factory, out);
    if (r->wake_fd < 0)
        return reel_race_address(r, address, options, factory, out);
    int fd = reel_fd_socket_new(address->storage.ss_family, &factory->options, options);
    if (fd < 0)
        return fd;
    struct reel_transport *t = NULL;
    struct fd_birth birth = {
        .fd = fd, .peer = address, .filters = options->filters, .factory = factory};
    int err = begin(r, &birth, options->timeout_ns, &t);
    if (err < 0)
        close(fd);
    else if (out)
        *out = t;
    return err;
}

int reel_connect_host(struct reel_reactor *r, const char *host_z, uint16_t port,
                      const struct reel_connect_options *options,
                      const struct reel_factory *factory, struct reel_transport **out)
{
    struct reel_address address;
    if (reel_address_set(&address, host_z, port) == 0)
        return reel_connect_with(r, &address, options, factory, out);
    if (!reel_is_name(host_z))
        return -EINVAL;
    return reel_race_host(r, host_z, port, options, factory, out);
}

int reel_connect_through(struct reel_reactor *r, const struct reel_address *address,
                         int64_t timeout_ns, const struct reel_filter_use *filters,
                         const struct reel_factory *factory, struct reel_transport **out)
{
    const struct reel_connect_options options = {.timeout_ns = timeout_ns, .filters = filters};
    return reel_connect_with(r, address, &options, factory, out);
}

int reel_connect_to(struct reel_reactor *r, const struct reel_address *address, int64_t timeout_ns,
                    const struct reel_factory *factory, struct reel_transport **out)
{
    return reel_connect_through(r, address, timeout_ns, NULL, factory, out);
}
