/* Datagram sockets from the inside: one state machine for sockets and for wires in memory. What
 * differs is a table: how to receive a batch, send a batch and close. */
#ifndef REEL_DGRAM_H
#define REEL_DGRAM_H

#include "reel/backend.h"
#include "reel/loop.h"
#include "reel/part.h"

#include <reel/datagram.h>
#include <reel/timer.h>

#include <netinet/in.h>
#include <stdint.h>

enum {
    DATAGRAM_BATCH = 64,        /* of one call */
    DATAGRAM_RUN_MAX = 64,      /* datagrams of a run: what the kernel cuts at most */
    DATAGRAM_RUN_BYTES = 60000, /* and bytes, with room for headers */
    DATAGRAM_RUN_MIN = 4,       /* from here on a run is cheaper than so many messages */
};

/* The local side of a datagram: where it came in, or is to leave. */
struct datagram_local {
    uint32_t interface;
    uint8_t family; /* 0: not known */
    uint8_t address[16];
};

/* Datagrams of equal length to one peer, one behind the other. The last may be shorter. */
struct datagram_run {
    struct datagram_run *next;
    uint8_t *data;        /* behind this struct and the address */
    uint32_t len, cap;    /* bytes of `data` */
    uint32_t start;       /* sent or given up so far */
    uint32_t count;       /* datagrams still to be sent */
    uint32_t segment;     /* the length of each but the last */
    uint16_t address_len; /* 0: to the connected peer */
    uint16_t fd_count;
    bool on_heap;
    bool closed; /* nothing may be added */
    bool tried;  /* one error was taken for an earlier datagram's */
    struct datagram_local local;
    int *fds; /* own ones; behind the data */
    uint8_t address[];
};

/* What `send` is given: a datagram, or a whole run when `segment` is not 0. */
struct datagram_message {
    struct datagram_run *run;
    const uint8_t *data;
    uint32_t len;
    uint32_t segment;
    uint32_t count; /* datagrams in it */
};

/* What `receive` hands over: a datagram, or a run of them when `segment` is not 0. */
struct datagram_item {
    const uint8_t *data;
    size_t len;
    uint32_t segment;
    bool truncated;
    const struct reel_address *from;
    struct datagram_local local;
    int fds[REEL_DATAGRAM_DESCRIPTORS_MAX];
    int fd_at, fd_count; /* from `fd_at` on they are still ours */
};

struct datagram_io {
    struct source_ops source;
    size_t size;     /* of the struct that begins with the reel_datagram; the state follows */
    size_t data_max; /* of one datagram */
    /* At most `max` items into the hub's batch. How many, or -errno; fewer: there was no more. */
    int (*receive)(struct reel_datagram *d, struct datagram_item *items, int max);
    /* How many were taken, at least one, or -errno of the first. */
    int (*send)(struct reel_datagram *d, const struct datagram_message *messages, int count);
    void (*close)(struct reel_datagram *d);
    int (*host)(const struct reel_datagram *d, struct reel_address *out);
    int (*peer)(const struct reel_datagram *d, struct reel_address *out);
};

/* Received while the protocol had paused. */
struct held_datagram {
    struct held_datagram *next;
    struct datagram_item item;
    struct reel_address from;
    uint8_t data[];
};

struct reel_datagram {
    const struct datagram_io *io; /* the source: its table begins with source_ops */
    struct reel_reactor *reactor;
    const struct reel_datagram_factory *factory;
    struct reactor_part part;
    struct reel_link ready, unsent, dying; /* places in the hub's lists */
    struct datagram_run *first, **end;     /* output */
    struct datagram_run *last;             /* of it; NULL: none */
    struct held_datagram *held, **held_end;
    struct datagram_item *current; /* in `received`: what is being told */
    struct reel_timer retry;       /* Unix, not connected: nobody says when there is room again */
    int64_t retry_ns, stuck_ns;
    size_t pending;     /* bytes in `first` */
    uint32_t run_limit; /* segments longer than this are not sent as runs; 0: never */
    int fd;             /* -1: has none */
    int family;
    int reason;  /* of the end */
    int refusal; /* to be told; 0: none */
    bool connected, made, starting, readable, writable, has_error, paused;
    bool full, full_told, drained, closing, is_dying;
    struct reel_datagram_stats stats;
};

/* Buffers for all datagram sockets of a reactor, and its lists of those that have work. */
struct datagram_hub {
    struct reel_link ready, unsent, dying;
    struct datagram_item items[DATAGRAM_BATCH];
    struct socket_batch *sockets; /* datagram_socket.c */
};

/* datagram.c */
struct reel_datagram *reel_datagram_new(struct reel_reactor *r, const struct datagram_io *io,
                                        const struct reel_datagram_factory *factory);
void reel_datagram_discard(struct reel_datagram *d); /* never started; tells nobody */
void reel_datagram_start(struct reel_datagram *d);   /* `made` in the next turn */
void reel_datagram_events(struct reel_datagram *d, uint32_t events);
void reel_datagram_ready(struct reel_datagram *d); /* has a look at it in the next turn */
void reel_datagram_die(struct reel_datagram *d, int reason);

bool reel_datagrams_have_work(const struct reel_reactor *r);
bool reel_datagrams_are_dying(const struct reel_reactor *r);
void reel_datagrams_run(struct reel_reactor *r);
void reel_datagrams_flush(struct reel_reactor *r);
void reel_datagrams_bury(struct reel_reactor *r);
void reel_datagrams_fini(struct reel_reactor *r);

/* datagram_out.c */
void reel_datagram_send_now(struct reel_datagram *d);
void reel_datagram_drop_output(struct reel_datagram *d);

/* datagram_socket.c */
void reel_datagram_sockets_fini(struct reel_reactor *r);
int reel_datagram_socket_add(struct reel_reactor *r, int fd,
                             const struct reel_datagram_factory *factory,
                             struct reel_datagram **out);

#endif
