/* A SOCKS server: versions 4, 4a and 5 (RFC 1928), CONNECT only, without a login or with a user's
 * name and password (RFC 1929).
 *
 *     struct reel_socks socks = {.allows = only_our_net};
 *     reel_socks_init(&socks);
 *     reel_listen(reactor, "tcp:1080:interface=127.0.0.1", &socks.factory, NULL);
 *
 * Whoever reaches such a server reaches from it what this machine reaches, its own loopback
 * included. Nothing is refused by default: `allows` and where it listens are the user's to choose. */
#ifndef REEL_SOCKS_H
#define REEL_SOCKS_H

#include <reel/address.h>
#include <reel/protocol.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_dialer;
struct reel_filter_use;
struct reel_socks;
struct reel_transport;

/* What a client asks for. Borrowed for the call. */
struct reel_socks_request {
    int version;        /* 4 or 5 */
    const char *host_z; /* as the client has it: a numeric address or a name */
    uint16_t port;
    struct reel_address address; /* the host if it is numeric; length 0: it is a name */
    const char *user_z;          /* who has logged in; version 4: who he says he is; or "" */
};

/* In the caller's memory until all connections are gone (the end of the reactor). Zero fields take
 * the defaults; after reel_socks_init only `factory.options` and `factory.filters` are changed. */
struct reel_socks {
    /* Whether this client may go there. NULL: everybody may go everywhere. For a name this sees the
     * name alone: who wants to check the address it stands for does it in the dialer. */
    bool (*allows)(const struct reel_socks *socks, struct reel_transport *client,
                   const struct reel_socks_request *request);

    /* Whether this is a user's password; compare without hurry (in constant time). With it version 5
     * clients must log in, and of version 4, which has no passwords, `password_z` is NULL. NULL:
     * there is no login. */
    bool (*checks)(const struct reel_socks *socks, struct reel_transport *client,
                   const char *user_z, const char *password_z);

    /* A connection that was asked for is over, for logs: bytes from the client and from there;
     * `reason` 0: in order; -errno: of whoever ended first, or why there was no connection. NULL:
     * nothing. */
    void (*ended)(const struct reel_socks *socks, struct reel_transport *client,
                  const struct reel_socks_request *request, int reason, uint64_t sent,
                  uint64_t received);

    /* Reaches hosts. NULL: by name or address. A name may lead anywhere: who allows by address gives a
     * dialer that looks again, or allows no names. */
    const struct reel_dialer *dialer;
    int64_t timeout_ns;   /* of connecting; 0: the dialer's */
    int64_t handshake_ns; /* for a client to say what it wants; 0: REEL_SOCKS_HANDSHAKE_NS */

    /* For the connections to there. */
    struct reel_options to_options;
    const struct reel_filter_use *to_filters;

    struct reel_factory factory; /* by reel_socks_init */
};

#define REEL_SOCKS_HANDSHAKE_NS (INT64_C(30) * 1000000000)

/* Makes the factory. Call it when the fields above are set, before anybody listens with it. */
void reel_socks_init(struct reel_socks *socks);

#ifdef __cplusplus
}
#endif

#endif
