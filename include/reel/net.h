/* Blocks of addresses, as in "192.0.2.0/24" (CIDR). Pure. */
#ifndef REEL_NET_H
#define REEL_NET_H

#include <reel/address.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_net {
    uint8_t family; /* 4, 6; 1: all Unix sockets */
    uint8_t bits;   /* so many of `bytes` count */
    uint8_t bytes[16];
};

/* From "192.0.2.0/24", "2001:db8::/32", an address without bits (it alone), or "unix". Bits behind
 * the prefix must be zero: "10.0.0.1/8" is more likely a mistake than a net. 0 or -EINVAL. */
int reel_net_set(struct reel_net *out, const char *text_z);

/* Whether the address is in it. An IPv4 address that came over IPv6 (::ffff:192.0.2.1) counts as
 * IPv4. */
bool reel_net_has(const struct reel_net *net, const struct reel_address *address);

/* In any of `count` nets. */
bool reel_nets_have(const struct reel_net *nets, size_t count, const struct reel_address *address);

#ifdef __cplusplus
}
#endif

#endif
