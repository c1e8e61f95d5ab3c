/* AF_NETLINK sockets: questions about the machine, answered at once into the asker's own queue.
 * netlink(7); rtnetlink(7) in netlink_route.c and netlink_change.c; sock_diag(7) in netlink_diag.c. */
#ifndef KERNEL_NETLINK_H
#define KERNEL_NETLINK_H

#include "kernel/socket.h"

#include <linux/netlink.h>

/* 0, or -EPROTONOSUPPORT for a family that this kernel does not have. */
int netlink_may_open(int protocol);
int netlink_bind(struct task *t, struct socket *s, const struct socket_name *name);
/* Takes requests; each is answered into `s`. The length, or -errno. */
int64_t netlink_send(struct task *t, struct socket *s, struct span bytes);

/* ---- Inside: a request, and the answer to it that is being made ---- */

struct netlink_call {
    struct task *t;
    struct socket *s;
    struct net *net;
    const struct nlmsghdr *header;
    struct span body; /* behind the header */
    struct buffer *out;
    struct ruleset *rules; /* of netfilter: as they are, or as a batch is making them */
    struct span bad;       /* the request's attribute that an error is about; or empty */
    bool is_dump;
    size_t message; /* where in `out` the message begins that is being made */
    bool is_short;  /* something of it did not fit, or memory was short */
};

/* 0, or -errno for the answer. */
typedef int (*netlink_fn)(struct netlink_call *c);

struct netlink_request {
    uint16_t type;
    bool changes; /* needs CAP_NET_ADMIN */
    netlink_fn fn;
};
/* The requests of a protocol. */
const struct netlink_request *netlink_route_requests(size_t *count);
const struct netlink_request *netlink_change_requests(size_t *count);
const struct netlink_request *netlink_diag_requests(size_t *count);

/* A message of the answer: its fixed part, attributes, its end. That it did not fit, or that memory
 * is short, is noticed at the end: -ENOBUFS, and there is no such message. */
void netlink_begin(struct netlink_call *c, uint16_t type, const void *body, size_t len);
void netlink_put(struct netlink_call *c, uint16_t type, const void *bytes, size_t len);
void netlink_put_u8(struct netlink_call *c, uint16_t type, uint8_t value);
void netlink_put_u32(struct netlink_call *c, uint16_t type, uint32_t value);
void netlink_put_z(struct netlink_call *c, uint16_t type, const char *text_z);
void netlink_put_ip(struct netlink_call *c, uint16_t type, const struct net_ip *ip);
int netlink_end(struct netlink_call *c);
/* NLMSG_ERROR: with the request when it failed, its header alone when it is only acknowledged. 0 or
 * -ENOBUFS. */
int netlink_put_error(struct netlink_call *c, int error);
/* Whole messages into the asker's queue, as one. 0 or -ENOBUFS. */
int netlink_deliver(struct socket *s, struct span bytes);

/* The request's fixed part; false when it is too short. */
bool netlink_body(const struct netlink_call *c, void *out, size_t len);
/* An attribute of the request behind a fixed part of `skip` bytes; empty when it is not there. An
 * address is not there either when it is none of the family: IPv4's in the form of IPv6. */
struct span netlink_find(const struct netlink_call *c, size_t skip, uint16_t type);
struct span netlink_find_text(const struct netlink_call *c, size_t skip,
                              uint16_t type); /* up to its NUL */
uint32_t netlink_find_u32(const struct netlink_call *c, size_t skip, uint16_t type);
bool netlink_find_ip(const struct netlink_call *c, size_t skip, uint16_t type, uint8_t family,
                     struct net_ip *out);

#endif
