/* Endpoints as strings, as in Twisted: where to listen or connect, in one word of a configuration.
 *
 * Servers:  tcp:8080                            all IPv4 addresses
 *           tcp:8080:interface=127.0.0.1        one address; IPv6 as [::1] or with escaped colons
 *           tcp:0                               a port that the system picks
 *           tcp6:8080                           all IPv6 addresses, and IPv4 (v6only=yes: not)
 *           unix:/run/x.sock:mode=660           a Unix socket; unix:@name is the abstract namespace
 *           fd:3                                a listening socket inherited from the parent
 *           8080  127.0.0.1:8080  [::1]:8080    tcp in short, for command lines
 *           tls:8443:cert=site.pem:key=key.pem  TLS over tcp, with all options of tcp and these: cert
 *                                               (the chain; needed), key (if it is not in cert),
 *                                               ca (file or directory) and verify=require or
 *                                               request for clients' certificates, alpn=h2,http/1.1
 *           systemd:domain=INET:index=0         the first socket that systemd opened for this process;
 *                                               by name=web too; domain (INET, INET6, UNIX) is checked
 *                                               when it is given
 *           stdio:                              one connection: standard input and output, as inetd
 *                                               starts programs (reel/stdio.h)
 *           haproxy:tcp:8080                    before any of these: connections begin with a PROXY
 *                                               header, and come from loopback, Unix sockets or
 *                                               private networks; see reel/proxy.h for other lists
 *   and on all but fd, systemd and stdio: backlog=N; on tcp and tls: reuseport=yes, and device=eth0 (only
 *   what comes in by this network device)
 * Clients:  tcp:example.org:80  tcp:192.0.2.1:80  tcp:[2001:db8::1]:80
 *           tcp:host=example.org:port=80:timeout=5
 *                                               by name or address: see reel_connect_host
 *           unix:/run/x.sock:timeout=5
 *           and on tcp and tls: bindAddress=192.0.2.7 (own address, whose family alone
 *           is tried then), device=eth0
 *           tls:example.org:443:name=other.org  TLS over tcp: the certificate must be for `name`, or
 *                                               for the host when there is none; ca, cert, key, alpn
 *                                               as above; verify=no believes anybody
 *
 * Parts are parted by colons; a backslash or brackets take the meaning off one. */
#ifndef REEL_ENDPOINT_H
#define REEL_ENDPOINT_H

#include <reel/address.h>
#include <reel/tcp.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_deferred;
struct reel_factory;
struct reel_listener;
struct reel_reactor;
struct reel_tls_options;
struct reel_transport;

#define REEL_ENDPOINT_MAX 256 /* longest string, without its NUL */

/* The options of TLS: texts of their own, each at its place in `text_z`; 0: not given. */
struct reel_endpoint_tls {
    bool is_on;
    uint8_t verify; /* enum reel_tls_verify */
    uint16_t certificate_at, key_at, ca_at, alpn_at, name_at;
    char text_z[REEL_ENDPOINT_MAX + 2];
};

/* Which of systemd's sockets. */
struct reel_endpoint_systemd {
    bool is_on;
    int family; /* AF_INET, AF_INET6, AF_UNIX; 0: any */
    int index;
    char name_z[64]; /* "": by index */
};

#define REEL_ENDPOINT_HOST_SIZE 254 /* the longest name (RFC 1035) with its NUL */

/* One of `address`, `host_z`, `fd`, `systemd` and `is_stdio` says where. */
struct reel_endpoint {
    struct reel_address address;          /* length 0: not this */
    char host_z[REEL_ENDPOINT_HOST_SIZE]; /* clients, by name, at `port`; "": not this */
    uint16_t port;
    int fd; /* -1: not this */
    struct reel_endpoint_systemd systemd;
    bool is_stdio;     /* servers: standard input and output */
    bool behind_proxy; /* servers: each connection begins with a PROXY header */
    struct reel_listen_options listen;
    int64_t timeout_ns;              /* clients; 0: the default */
    struct reel_address local;       /* clients: the own address; length 0: any */
    char device_z[REEL_DEVICE_SIZE]; /* "": any; for servers in `listen` too */
    struct reel_endpoint_tls tls;
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

/* What a context for it is made of; the texts stay the endpoint's. The name: see reel_tls_client. */
void reel_endpoint_tls_options(const struct reel_endpoint *endpoint, struct reel_tls_options *out,
                               const char **name_z);

/* Parses and listens. `out` may be NULL. 0 or -errno (-EINVAL: not an endpoint). The context of a
 * `tls:` is the listener's; see reel_tls_context_new for its errors. `stdio:` gives a connection and
 * no listener: NULL. To renew certificates, or to
 * tell people what is wrong with a file, make a context and use a list of filters. */
int reel_listen(struct reel_reactor *r, const char *endpoint_z, const struct reel_factory *factory,
                struct reel_listener **out);

/* Parses and connects; see reel_connect_to, and for names reel_connect_host: `out` is the connection's
 * transport in every case, from the beginning. A `tls:` has a context for this connection only: for many,
 * and for sessions to be resumed, make one and use reel_tls_upgrade_client. */
int reel_connect(struct reel_reactor *r, const char *endpoint_z, const struct reel_factory *factory,
                 struct reel_transport **out);

/* The same as a deferred, Twisted's connectProtocol: its `pointer` is the transport, after `made`; an
 * error is what `failed` heard, or what reel_connect returned. The transport is sure to be there in
 * the first callback, and as long as its protocol has not heard `lost`. Cancelling aborts the attempt.
 * NULL: out of memory. */
struct reel_deferred *reel_connect_deferred(struct reel_reactor *r, const char *endpoint_z,
                                            const struct reel_factory *factory);

#ifdef __cplusplus
}
#endif

#endif
