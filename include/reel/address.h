/* Socket addresses and their texts. Pure. */
#ifndef REEL_ADDRESS_H
#define REEL_ADDRESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_address {
    struct sockaddr_storage storage;
    socklen_t length; /* 0: none */
};

/* Longest text of an address with its NUL: a Unix path, or "[address%scope]:port". */
#define REEL_ADDRESS_TEXT_MAX 128

/* From a numeric host ("192.0.2.1", "2001:db8::1", "fe80::1%eth0", brackets allowed) and a port.
 * 0 or -EINVAL. */
int reel_address_set(struct reel_address *out, const char *host_z, uint16_t port);

/* A Unix path; "@name" is the abstract namespace. 0, -EINVAL (empty) or -ENAMETOOLONG. */
int reel_address_set_unix(struct reel_address *out, const char *path_z);

/* "192.0.2.1:80", "[2001:db8::1]:80", "/run/x.sock", "@name", or "unknown". An IPv4 address that
 * came in over IPv6 (::ffff:192.0.2.1) is shown as IPv4. Cut to `size`. Returns out_z. */
const char *reel_address_text(const struct reel_address *a, char *out_z, size_t size);

/* The host alone, by the same rules, without brackets. */
const char *reel_address_host(const struct reel_address *a, char *out_z, size_t size);

/* The port; 0 when there is none. */
uint16_t reel_address_port(const struct reel_address *a);

#ifdef __cplusplus
}
#endif

#endif
