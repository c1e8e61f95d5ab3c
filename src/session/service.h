/* A service: one attacker's connection behind doors, whatever its protocol. lured/serve.c pumps any
 * service over any transport and knows nothing of SSH. The words are those of every machine
 * here (feed, out, sent, deadline, tick), and a few more: traffic, for how it looks on the wire, run, for the guests' slices, and record,
 * for what is to be kept.
 *
 * Time is wall-clock microseconds since 1970 (`now_us`, `deadline_us`); it never goes back. Any call can make more work possible: after each, look at
 * out, record, state and deadline_us, and call run until it answers false. */
#ifndef SESSION_SERVICE_H
#define SESSION_SERVICE_H

#include "base/span.h"

struct frame_visit;
struct session_host; /* what all connections of a sensor share: image, policy, keys, limits, ids */

struct session_peer {
    struct span src_ip, dst_ip; /* numeric text */
    uint16_t src_port, dst_port;
};

enum service_state {
    SERVICE_OPEN,
    SERVICE_CLOSE, /* send what is out, then close in order */
    SERVICE_ABORT, /* close at once */
};

struct service {
    const char *name_z; /* "ssh" */

    /* A connection was accepted. `seed` is 32 fresh random bytes. NULL: out of memory. */
    void *(*new)(struct session_host *host, const struct session_peer *peer, const uint8_t seed[32],
                 int64_t now_us);
    /* Bytes from the peer; any split. How many were taken: fewer is back-pressure, to be tried
     * again after a sent, recorded, run or tick. */
    size_t (*feed)(void *self, struct span bytes, int64_t now_us);
    /* The peer will send no more. */
    void (*feed_end)(void *self, int64_t now_us);
    /* Bytes for the peer; borrowed until the next call. Each span is one write: what a network
     * sees as one segment, if it may. */
    struct span (*out)(void *self);
    void (*sent)(void *self, size_t n);
    /* How the transport is to treat what is out from now on: -1 as at the beginning (Nagle's
     * algorithm on), else the IP type of service, and TCP_NODELAY. */
    int (*traffic)(const void *self);
    enum service_state (*state)(const void *self);
    /* The connection is gone, whoever ended it. The last records appear; then free. */
    void (*lost)(void *self, int64_t now_us);
    int64_t (*deadline_us)(const void *self); /* INT64_MAX: none */
    void (*tick)(void *self, int64_t now_us);
    /* Whether there are guests at all: else `run` would do nothing. */
    bool (*has_guests)(const void *self);
    /* Runs guests for at most `budget` instructions; true: there is more to run now. */
    bool (*run)(void *self, uint64_t budget, int64_t now_us);
    /* The recorder's answer to a question that stood among the records. False: this connection has not
     * asked it. */
    bool (*answered)(void *self, const struct frame_visit *visit, int64_t now_us);
    /* Frames for the recorder (events/frame.h); borrowed until the next call. A session whose
     * records are not taken stops taking input: nothing is lost. */
    struct span (*record)(void *self);
    void (*recorded)(void *self, size_t n);
    void (*free)(void *self);
};

#endif
