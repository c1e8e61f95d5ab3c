/* Datagrams: UDP over IPv4 and IPv6, and Unix datagram sockets. As Twisted's DatagramProtocol, with
 * the kernel's batches below it: datagrams are received 64 at a time; what is sent in a turn leaves at
 * its end in one call, and a run of equally long ones to one peer as one piece that the kernel cuts
 * (UDP_SEGMENT), where it can. The order of datagrams to one peer is kept.
 *
 * The promises are those of reel/protocol.h: one `lost` for each `made`, no callback inside a call,
 * nothing freed inside a callback. Datagrams may get lost on the way, and here: what waits for the
 * kernel has a maximum, and beyond it the newest one is dropped and counted. */
#ifndef REEL_DATAGRAM_H
#define REEL_DATAGRAM_H

#include <reel/address.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_datagram;
struct reel_reactor;

/* Any function may be NULL. */
struct reel_datagram_protocol {
    const char *name_z; /* for lists of handles */
    size_t state_size;  /* reel_datagram_state(d) points to so many zeroed bytes */

    /* The socket is there; in the turn after the call that opened it. */
    void (*made)(struct reel_datagram *d);

    /* One datagram, `len` may be 0; bytes and address are borrowed for the call. An unnamed Unix peer
     * has an address of length 0 or of the family alone: it cannot be answered. */
    void (*received)(struct reel_datagram *d, const uint8_t *data, size_t len,
                     const struct reel_address *from);

    /* Connected sockets: an earlier datagram did not arrive, says the network (-ECONNREFUSED,
     * -EHOSTUNREACH ...). The socket goes on. */
    void (*refused)(struct reel_datagram *d, int reason);

    /* More than half of the queue waits for the kernel; no more than an eighth after that. */
    void (*full)(struct reel_datagram *d);
    void (*drained)(struct reel_datagram *d);

    /* The end: 0 after reel_datagram_close; -ECANCELED: the reactor is being freed; -ENOMEM; else
     * what the kernel said. The state is freed after it. */
    void (*lost)(struct reel_datagram *d, int reason);
};

/* Zero fields take the defaults. */
struct reel_datagram_options {
    size_t queue_max;     /* bytes that may wait; 0: REEL_DATAGRAM_QUEUE_MAX_DEFAULT */
    uint32_t turn_max;    /* datagrams received a turn, before others have their turn; 0:
                           * REEL_DATAGRAM_TURN_MAX_DEFAULT */
    int receive_buffer;   /* SO_RCVBUF, bytes; 0: the system's */
    int send_buffer;      /* SO_SNDBUF */
    bool reuse_port;      /* SO_REUSEPORT: several sockets share the load of one port */
    bool reuse_address;   /* SO_REUSEADDR: for multicast, where several programs listen alike */
    bool v6_only;         /* an IPv6 socket does not take IPv4 too */
    bool broadcast;       /* may send to broadcast addresses */
    bool keep_local;      /* each datagram's local address is known, and answers leave from it */
    bool receive_runs;    /* UDP_GRO: the kernel hands over runs in one piece; cut up again here */
    bool no_runs;         /* never UDP_SEGMENT */
    uint32_t mode;        /* Unix: the socket file's permissions; 0: by the umask */
    const char *device_z; /* SO_BINDTODEVICE: this interface only; NULL: all */
};

#define REEL_DATAGRAM_QUEUE_MAX_DEFAULT ((size_t)1 << 20)
#define REEL_DATAGRAM_TURN_MAX_DEFAULT  256u
#define REEL_DATAGRAM_MAX               65535u /* bytes of the longest datagram received in whole */
#define REEL_DATAGRAM_DESCRIPTORS_MAX   16     /* descriptors taken with one datagram */
#define REEL_DATAGRAM_STALE_NS          INT64_C(1000000000)

struct reel_datagram_factory {
    const struct reel_datagram_protocol *protocol;
    void *shared; /* reel_datagram_shared(d) */
    struct reel_datagram_options options;
};

/* Opens a socket. `local` is the address to bind, NULL: any; `peer` the address to connect to, NULL:
 * none. A connected socket hears its peer only. One of the two is given, or both of one family. A Unix
 * socket file that nobody has open any more is replaced; the file stays after the end. `factory`
 * outlives the socket; `out` may be NULL. 0 or -errno. */
int reel_datagram_open(struct reel_reactor *r, const struct reel_address *local,
                       const struct reel_address *peer, const struct reel_datagram_factory *factory,
                       struct reel_datagram **out);

/* By an endpoint's string (reel/endpoint.h):
 *   udp:9999                             all IPv4 addresses
 *   udp:9999:interface=127.0.0.1         one address
 *   udp6:9999                            all IPv6 addresses, and IPv4 (v6only=yes: not)
 *   unix-dgram:/run/x.sock:mode=660      a Unix socket; unix-dgram:@name is the abstract namespace
 * and on udp: reuseport=yes. What the string says is added to the factory's options. 0 or -errno
 * (-EINVAL: not an endpoint of a datagram server). */
int reel_listen_datagram(struct reel_reactor *r, const char *endpoint_z,
                         const struct reel_datagram_factory *factory, struct reel_datagram **out);

/* Connected: udp:192.0.2.1:53, udp:[2001:db8::1]:53, unix-dgram:/run/x.sock. */
int reel_connect_datagram(struct reel_reactor *r, const char *endpoint_z,
                          const struct reel_datagram_factory *factory, struct reel_datagram **out);

/* Takes over a datagram socket (from a parent, of a socket pair). 0, or -errno and the descriptor is
 * still the caller's. */
int reel_datagram_adopt(struct reel_reactor *r, int fd, const struct reel_datagram_factory *factory,
                        struct reel_datagram **out);

/* The protocol's own bytes, zeroed when the socket began; the factory's pointer; its reactor. */
void *reel_datagram_state(struct reel_datagram *d);
void *reel_datagram_shared(const struct reel_datagram *d);
struct reel_reactor *reel_datagram_reactor(const struct reel_datagram *d);
int reel_datagram_fd(const struct reel_datagram *d); /* -1: in memory. For socket options */

/* Sends one datagram at the end of the turn; the bytes are copied. `to` NULL: to the connected peer.
 *   0             it is on its way
 *   -ENOBUFS      the queue is full: dropped, and counted
 *   -EMSGSIZE     longer than any datagram may be
 *   -EDESTADDRREQ no peer, -EAFNOSUPPORT one of another family
 *   -EPIPE        closed
 *   -ENOMEM
 * What the kernel refuses later is dropped and counted (`send_errors`, `last_error`). */
int reel_datagram_send(struct reel_datagram *d, const void *data, size_t len,
                       const struct reel_address *to);

/* In `received`: the same to the sender of that datagram, with `keep_local` from the address that it
 * was sent to. -EDESTADDRREQ outside. */
int reel_datagram_reply(struct reel_datagram *d, const void *data, size_t len);

/* Where a datagram came in, and where one is to leave. */
struct reel_datagram_local {
    struct reel_address address; /* no port; length 0: not known, or by the routing table */
    uint32_t interface;          /* index; 0: not known, or by the routing table */
};

/* In `received`, with `keep_local`: where it came in. 0, or -EOPNOTSUPP when that is not known. */
int reel_datagram_local(const struct reel_datagram *d, struct reel_datagram_local *out);

/* Sends from one of several own addresses; `local` as told by reel_datagram_local. */
int reel_datagram_send_from(struct reel_datagram *d, const void *data, size_t len,
                            const struct reel_address *to, const struct reel_datagram_local *local);

/* Bytes that wait for the end of the turn, or for the kernel. */
size_t reel_datagram_pending(const struct reel_datagram *d);
void reel_datagram_flush(struct reel_datagram *d); /* now, for those who cannot wait */

/* The peer of a connected socket, from now on; NULL: connected no more. 0 or -errno. */
int reel_datagram_connect(struct reel_datagram *d, const struct reel_address *peer);

/* No more `received` until resumed; the kernel drops what its buffer does not hold. */
void reel_datagram_pause(struct reel_datagram *d);
void reel_datagram_resume(struct reel_datagram *d);

/* What was sent in this turn still goes, as far as the kernel takes it at once; the rest is dropped
 * and counted. Then `lost(0)` at the end of the turn. */
void reel_datagram_close(struct reel_datagram *d);

/* Both addresses. 0 or -errno (-ENOTCONN, -EOPNOTSUPP). */
int reel_datagram_host(const struct reel_datagram *d, struct reel_address *out);
int reel_datagram_peer(const struct reel_datagram *d, struct reel_address *out);
uint16_t reel_datagram_port(const struct reel_datagram *d); /* own; 0: none */

/* Multicast. `group` is a multicast address, `interface` an index (if_nametoindex), 0: the system
 * chooses; `source` NULL: from any, else from this address only (RFC 3376, 3810). 0 or -errno. */
int reel_datagram_join(struct reel_datagram *d, const struct reel_address *group,
                       uint32_t interface, const struct reel_address *source);
int reel_datagram_leave(struct reel_datagram *d, const struct reel_address *group,
                        uint32_t interface, const struct reel_address *source);

/* Options of the family that the socket is of. 0 or -errno. */
int reel_datagram_set_hops(struct reel_datagram *d, int hops);           /* TTL of unicast */
int reel_datagram_set_multicast_hops(struct reel_datagram *d, int hops); /* default 1: this net */
int reel_datagram_set_multicast_loop(struct reel_datagram *d, bool on);  /* own host too: default */
int reel_datagram_set_multicast_interface(struct reel_datagram *d, uint32_t interface);

/* Unix sockets: sends a datagram with descriptors (SCM_RIGHTS; at most
 * REEL_DATAGRAM_DESCRIPTORS_MAX). They are duplicated: the caller keeps his. */
int reel_datagram_send_fds(struct reel_datagram *d, const void *data, size_t len,
                           const struct reel_address *to, const int *fds, int count);

/* Unix sockets, in `received`: the next descriptor that came with this datagram; it is the caller's
 * then (close-on-exec). -1: no more. What is not taken is closed when `received` returns. */
int reel_datagram_take_fd(struct reel_datagram *d);

struct reel_datagram_stats {
    uint64_t received, sent; /* datagrams */
    uint64_t received_calls, sent_calls;
    uint64_t sent_runs; /* by UDP_SEGMENT */
    uint64_t dropped;   /* for want of room, or still waiting at the end */
    uint64_t truncated; /* longer than REEL_DATAGRAM_MAX, or descriptors left behind */
    uint64_t send_errors;
    int last_error; /* of sending; -errno */
};

/* The counts of this socket since it was opened. */
void reel_datagram_stats(const struct reel_datagram *d, struct reel_datagram_stats *out);

/* For tests: two connected sockets in memory, on any reactor; addresses are Unix names. */
struct reel_datagram_wire {
    int64_t delay_ns;   /* each datagram arrives so much later */
    size_t buffer_max;  /* bytes under way before the sender has to wait; 0: REEL_WIRE_DEFAULT */
    uint32_t lose_each; /* each so-many-th one is lost; 0: none */
};

/* `wire` is that of both directions and is copied; NULL: no delay, no loss. `made` of both comes in the
 * next turn. 0 or -ENOMEM. */
int reel_test_datagram_pair(struct reel_reactor *r, const struct reel_datagram_factory *a_factory,
                            const struct reel_datagram_factory *b_factory,
                            const struct reel_datagram_wire *wire, struct reel_datagram **a,
                            struct reel_datagram **b);

#ifdef __cplusplus
}
#endif

#endif
