/* The PROXY protocol, versions 1 and 2: a proxy or load balancer tells in front of a connection who
 * is behind it (haproxy.org, proxy-protocol.txt). A filter for servers takes the header off and
 * replaces the peer's address; a filter for clients sends one.
 *
 *     static struct reel_net balancers[1];
 *     reel_net_set(&balancers[0], "10.1.0.0/16");
 *     static const struct reel_proxy proxy = {.trusted = balancers, .trusted_count = 1};
 *     const struct reel_filter_use filters[] = {{&reel_proxy_filter, &proxy}, {NULL, NULL}};
 *
 * Who may send a header may say that he is anybody: only trusted peers are believed. */
#ifndef REEL_PROXY_H
#define REEL_PROXY_H

#include <reel/address.h>
#include <reel/filter.h>
#include <reel/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_transport;

/* What a header says. */
struct reel_proxy_header {
    int version;                /* 1 or 2 */
    bool local;                 /* the proxy speaks for itself (LOCAL: a health check) */
    struct reel_address source; /* length 0: not told (LOCAL, UNKNOWN) */
    struct reel_address destination;
};

/* ---- Servers. Options: struct reel_proxy; NULL: its zero. ---- */
extern const struct reel_filter_type reel_proxy_filter;

struct reel_proxy {
    /* Who may send a header. NULL: loopback, Unix sockets and private networks
     * (reel_proxy_private). */
    const struct reel_net *trusted;
    size_t trusted_count;
    /* What is done with others. False: they are refused, `failed(-EACCES)`. True: they are ordinary
     * clients, and a header of theirs is part of what they say. Trusted ones must send a header. */
    bool plain_for_others;
    size_t header_max; /* longest header; 0, and at most: REEL_PROXY_HEADER_MAX */
    /* Told of each header, before `made`. NULL: nothing. */
    void (*told)(const struct reel_proxy *proxy, struct reel_transport *t,
                 const struct reel_proxy_header *header);
};

#define REEL_PROXY_HEADER_MAX ((size_t)2048)

/* A connection whose header is wrong or too long is `failed(-EPROTO)`; how long it may take is the
 * handshake's time-out. The peer's address is replaced for reel_peer when there is one in it; after
 * LOCAL or UNKNOWN it stays. What a version 2 header has behind its addresses (TLVs) is looked over
 * and skipped. */

/* The nets trusted by default. */
extern const struct reel_net reel_proxy_private[];
extern const size_t reel_proxy_private_count;

/* ---- Clients. Options: struct reel_proxy_send, copied; NULL: its zero. ---- */
extern const struct reel_filter_type reel_proxy_send_filter;

struct reel_proxy_send {
    int version; /* 0: 1 */
    /* Who is behind the connection, and where he wanted to go. `source.length` 0: the proxy speaks
     * for itself (version 1: UNKNOWN, version 2: LOCAL). */
    struct reel_address source, destination;
};

/* ---- Pure. ---- */

/* How many bytes the header at the beginning of some bytes has; 0: it is not whole yet; -EPROTO:
 * there is none, or it is longer than `max`. */
int reel_proxy_parse(const uint8_t *data, size_t len, size_t max, struct reel_proxy_header *out);

#define REEL_PROXY_OWN_MAX 108 /* the longest that is written, and a NUL */

/* Writes a header; its size. Addresses of two families, or other than IPv4 and IPv6, are not told
 * (UNKNOWN, or an unspecified family). */
size_t reel_proxy_compose(const struct reel_proxy_header *header, uint8_t out[REEL_PROXY_OWN_MAX]);

#ifdef __cplusplus
}
#endif

#endif
