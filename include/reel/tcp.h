/* Listening and connecting: TCP over IPv4 and IPv6, and Unix stream sockets, by address. Most
 * programs use the strings of reel/endpoint.h. */
#ifndef REEL_TCP_H
#define REEL_TCP_H

#include <reel/address.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_factory;
struct reel_filter_use;
struct reel_listener;
struct reel_reactor;
struct reel_transport;

#define REEL_DEVICE_SIZE 16 /* a network device's name ("eth0") with its NUL */

/* Zero fields take the defaults. */
struct reel_listen_options {
    int backlog;     /* 0: SOMAXCONN */
    bool reuse_port; /* SO_REUSEPORT: several listeners share the load of one port */
    bool v6_only;    /* an IPv6 listener does not take IPv4 too */
    int accept_max;  /* connections taken a turn; 0: REEL_ACCEPT_MAX_DEFAULT */
    uint32_t mode;   /* Unix: the socket file's permissions; 0: by the umask */
    char device_z[REEL_DEVICE_SIZE]; /* takes what comes in by this network device; "": by any */
    /* What each connection goes through, below the factory's; must stay. NULL: nothing. */
    const struct reel_filter_use *filters;
    /* Called when the listener is freed: for what `filters` points to. Not when listening failed.
     * NULL: nothing. */
    void (*freed)(void *context);
    void *freed_context;
};

#define REEL_ACCEPT_MAX_DEFAULT 64

/* Binds and listens (SO_REUSEADDR is set). Each connection gets a transport with the factory's
 * protocol. When the process runs out of descriptors, waiting connections are dropped one by one
 * from a reserve and accepting rests for a moment: nothing spins. A Unix socket file that nobody
 * listens on any more is replaced. `options` and `out` may be NULL. 0 or -errno. */
int reel_listen_at(struct reel_reactor *r, const struct reel_address *address,
                   const struct reel_listen_options *options, const struct reel_factory *factory,
                   struct reel_listener **out);

/* Takes over a listening socket (from a parent, from systemd). 0, or -errno (-EINVAL: it does not
 * listen; -ENOTSOCK) and the descriptor is still the caller's. */
int reel_listen_fd(struct reel_reactor *r, int fd, const struct reel_listen_options *options,
                   const struct reel_factory *factory, struct reel_listener **out);

/* The address bound: the real port when 0 was asked for. 0 or -errno. */
int reel_listener_address(const struct reel_listener *l, struct reel_address *out);
uint16_t reel_listener_port(const struct reel_listener *l);
int reel_listener_fd(const struct reel_listener *l);

/* Stops taking connections (they wait in the backlog), and goes on. */
void reel_listener_pause(struct reel_listener *l);
void reel_listener_resume(struct reel_listener *l);

/* Closes it; its connections live on. The pointer is dead after the call. Also in callbacks.
 * NULL is fine. */
void reel_listener_close(struct reel_listener *l);

/* Begins a connection. `made` or `failed` comes from the loop, never from inside this call, so
 * the state (reel_state) may be filled in before. `timeout_ns` 0: REEL_CONNECT_TIMEOUT_NS.
 * reel_abort on it gives `failed(-ECONNABORTED)`. `out` may be NULL. 0, or -errno of what failed
 * before it began, and then no callback. */
int reel_connect_to(struct reel_reactor *r, const struct reel_address *address, int64_t timeout_ns,
                    const struct reel_factory *factory, struct reel_transport **out);

#define REEL_CONNECT_TIMEOUT_NS (INT64_C(30) * 1000000000)

/* Zero fields take the defaults. */
struct reel_connect_options {
    int64_t timeout_ns;
    struct reel_address
        local; /* own address, with a port or 0 for any; length 0: the kernel's choice */
    char device_z[REEL_DEVICE_SIZE];       /* goes out by this network device; "": by any */
    const struct reel_filter_use *filters; /* go below those of the factory; NULL: none */
};

/* The same with options; NULL is fine. */
int reel_connect_with(struct reel_reactor *r, const struct reel_address *address,
                      const struct reel_connect_options *options,
                      const struct reel_factory *factory, struct reel_transport **out);

/* The same by a name, or a numeric address as text: Happy Eyeballs (RFC 8305). Addresses of both
 * families are asked for at once. IPv6 is tried as soon as it is known, IPv4 after
 * REEL_RESOLUTION_DELAY_NS when IPv6 is still being asked for. Then the families take turns: when an
 * attempt fails or REEL_CONNECT_ATTEMPT_DELAY_NS have passed the next one begins, beside those under
 * way. The first that is connected wins, the others are dropped.
 *
 * There is one transport from the beginning, `out`, which takes over the winner's socket: what was
 * said of reel_connect_to is true for it. It has no descriptor and no addresses before `made`. The
 * time-out is for all of it; `failed` has the last attempt's error, or the resolver's
 * (reel/resolver.h). -EINVAL: it cannot be a name. */
int reel_connect_host(struct reel_reactor *r, const char *host_z, uint16_t port,
                      const struct reel_connect_options *options,
                      const struct reel_factory *factory, struct reel_transport **out);

#define REEL_RESOLUTION_DELAY_NS      (INT64_C(50) * 1000000)
#define REEL_CONNECT_ATTEMPT_DELAY_NS (INT64_C(250) * 1000000)
#define REEL_CONNECT_ADDRESSES_MAX    16 /* that are tried */

#ifdef __cplusplus
}
#endif

#endif
