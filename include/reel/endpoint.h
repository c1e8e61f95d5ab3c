/* Endpoints as strings, as in Twisted: where to listen or connect, in one word of a configuration.
 *
 * Servers:  tcp:8080                            all IPv4 addresses
 *           tcp:8080:interface=127.0.0.1        one address; IPv6 as [::1] or with escaped colons
 *           tcp:0                               a port that the system picks
 *           tcp6:8080                           all IPv6 addresses, and IPv4 (v6only=yes: not)
 *           unix:/run/x.sock:mode=660           a Unix socket; unix:@name is the abstract namespace
 *           fd:3                                a listening socket inherited from the parent
 *           8080  127.0.0.1:8080  [::1]:8080    tcp in short, for command lines
 *   and on all but fd: backlog=N; on tcp: reuseport=yes
 * Clients:  tcp:192.0.2.1:80  tcp:[2001:db8::1]:80  tcp:host=192.0.2.1:port=80:timeout=5
 *           unix:/run/x.sock:timeout=5
 *
 * Parts are parted by colons; a backslash or brackets take the meaning off one. */
#ifndef REEL_ENDPOINT_H
#define REEL_ENDPOINT_H

#include <reel/address.h>
#include <reel/tcp.h>

#include <stddef.h>
#include <stdint.h>

struct reel_factory;
struct reel_listener;
struct reel_reactor;
struct reel_transport;

#define REEL_ENDPOINT_MAX 256 /* longest string, without its NUL */

struct reel_endpoint {
    struct reel_address address; /* length 0: `fd` instead */
    int fd;                      /* -1: `address` instead */
    struct reel_listen_options listen;
    int64_t timeout_ns; /* clients; 0: the default */
};

/* Pure: touches nothing but `out`. 0, or -EINVAL and, when `why` is not NULL, a sentence there that
 * says what is wrong ("a port is a number from 0 to 65535"); static storage. */
int reel_endpoint_parse_server(const char *text_z, struct reel_endpoint *out, const char **why_z);
int reel_endpoint_parse_client(const char *text_z, struct reel_endpoint *out, const char **why_z);

/* The same for reel_listen_datagram and reel_connect_datagram (reel/datagram.h): udp, udp6,
 * unix-dgram. */
int reel_endpoint_parse_datagram_server(const char *text_z, struct reel_endpoint *out,
                                        const char **why_z);
int reel_endpoint_parse_datagram_client(const char *text_z, struct reel_endpoint *out,
                                        const char **why_z);

/* Parses and listens. `out` may be NULL. 0 or -errno (-EINVAL: not an endpoint). */
int reel_listen(struct reel_reactor *r, const char *endpoint_z, const struct reel_factory *factory,
                struct reel_listener **out);

/* Parses and connects; see reel_connect_to. */
int reel_connect(struct reel_reactor *r, const char *endpoint_z, const struct reel_factory *factory,
                 struct reel_transport **out);

#endif
