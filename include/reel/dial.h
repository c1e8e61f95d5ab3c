/* How the clients of this library (HTTP, WebSocket, SMTP) reach a host. By default by name
 * or numeric address (reel_connect_host); a program puts a proxy, or a test's wire in its place: one
 * function. */
#ifndef REEL_DIAL_H
#define REEL_DIAL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_factory;
struct reel_reactor;
struct reel_transport;

/* One attempt. In the client's memory until `made` or `failed` has come. */
struct reel_dial {
    const char *host_z; /* "192.0.2.1", "2001:db8::1" or a name; stays until the end */
    uint16_t port;
    int64_t timeout_ns; /* 0: the default */
    const struct reel_factory *factory;
    struct reel_transport *transport; /* set by the dialer as soon as there is one; NULL before */

    /* The attempt failed before there was a transport; `reason` is -errno. From the loop, in place
     * of the protocol's `made` and `failed`. */
    void (*failed)(struct reel_dial *dial, int reason);
};

struct reel_dialer {
    /* Begins an attempt. Its end comes from the loop, never from inside this call: the factory's
     * protocol hears `made` or `failed`, or else dial->failed is called; exactly one of them. 0, or
     * -errno and then none of them. */
    int (*dial)(const struct reel_dialer *dialer, struct reel_reactor *r, struct reel_dial *dial);
    void *context;
};

/* The default: reel_connect_host. dial->transport is set when the call returns, and dial->failed
 * never called. */
extern const struct reel_dialer reel_dialer_by_name;

/* The dialer's function, or for NULL the default's. */
int reel_dial(const struct reel_dialer *dialer, struct reel_reactor *r, struct reel_dial *dial);

#ifdef __cplusplus
}
#endif

#endif
