/* The transport from the inside: one state machine for sockets, pipes and wires in memory. What
 * differs is a table: how to receive, send, shut and close. */
#ifndef REEL_STREAM_H
#define REEL_STREAM_H

#include "reel/backend.h"
#include "reel/chunk.h"
#include "reel/loop.h"

#include <reel/protocol.h>
#include <reel/timer.h>
#include <reel/transport.h>

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct stream_io {
    struct source_ops source;
    size_t size;       /* of the struct that begins with the transport; the state follows */
    bool short_is_all; /* a read that came back short has emptied the source until its next event */
    int (*open)(struct reel_transport *t); /* registers `fd`, also anew after a fork: 0 or -errno.
                                            * NULL: there is nothing to register */
    ssize_t (*receive)(struct reel_transport *t, uint8_t *data, size_t len); /* 0: EOF; -errno */
    ssize_t (*send)(struct reel_transport *t, const struct iovec *parts, int count); /* or -errno */
    void (*shut)(struct reel_transport *t);                                          /* own half */
    void (*close)(struct reel_transport *t, bool reset); /* and free what is the kind's own */
    int (*error)(struct reel_transport *t);              /* the pending error, -errno; 0: none */
    int (*host)(const struct reel_transport *t, struct reel_address *out); /* own address; NULL: the
                                                                  * descriptor knows */
    /* At the turn's end: the pending output joins those that backend_ops.submit sends together.
     * False: it is to be sent by `send`. NULL: always so. */
    bool (*batch)(struct reel_transport *t);
    /* A system call of another's that sends on `fd`, with the care that `send` takes of its result.
     * NULL: what lies below is not a plain socket. */
    ssize_t (*direct)(struct reel_transport *t,
                      ssize_t (*call)(struct reel_transport *t, void *context), void *context);
};

/* Told when a transport is made (after the protocol was; may be NULL), and when it is over: after
 * `lost` or `failed`, before the descriptor is closed. Part of whatever stands behind the transport (a
 * child process, a connection's attempt). May take itself out, in its own functions too. */
struct stream_end {
    void (*over)(struct stream_end *end, struct reel_transport *t);
    void (*made)(struct stream_end *end, struct reel_transport *t);
    struct stream_end *next;
};

/* What few connections need, or not for long. */
struct stream_extra {
    struct reel_timer timer; /* connecting: time-out; open: idle; closing: linger */
    struct reel_transport *transport;
    int64_t idle_ns; /* 0: none */
    struct stream_end *end;
    struct reel_producer *producer;
    struct reel_file_piece *done; /* pieces that are through; to be told. The newest first */
    uint32_t fds_queued;
    uint8_t *held; /* bytes not taken by the protocol; NULL: none */
    size_t held_start, held_end, held_cap;
    bool more; /* the protocol waits for what comes behind `held`: reading goes on */
};

/* 120 bytes: all that an idle connection costs. */
struct reel_transport {
    const struct stream_io *io; /* the source: its table begins with source_ops */
    struct reel_reactor *reactor;
    const struct reel_factory *factory;
    const struct reel_protocol *protocol;
    struct reel_link link; /* reactor's `transports` or `dying` */
    struct reel_transport *next_ready, *next_unsent;
    struct chunk *output; /* the chain's last chunk */
    struct stream_extra *extra;
    uint32_t pending; /* bytes in `output` */
    int fd;           /* -1: has none */

    bool connecting : 1;
    bool starting : 1;  /* `made` is due */
    bool made : 1;      /* the protocol has been told */
    bool readable : 1;  /* there may be something to receive */
    bool writable : 1;  /* the last send was taken in full */
    bool peer_shut : 1; /* a short read does not mean that all was read */
    bool paused : 1;    /* by the protocol */
    bool eof : 1;       /* received */
    bool full : 1;      /* passed the high watermark and not yet fell to the low one */
    bool full_told : 1;
    bool drained : 1;   /* `drained` is due */
    bool is_ready : 1;  /* in the queue `ready` */
    bool is_unsent : 1; /* in the queue `unsent` */
    bool shutting : 1;  /* own half: wanted */
    bool shut : 1;      /* own half: done */
    bool closing : 1;
    bool dying : 1;              /* in the reactor's `dying` or past it */
    bool buried : 1;             /* told and closed; only the memory is left */
    bool reset : 1;              /* close with a reset */
    bool held_waits : 1;         /* bytes not taken wait for a resume ... */
    bool held_until_drained : 1; /* ... or for the output to fall to the low watermark */
    bool is_socket : 1;
    bool no_write : 1;    /* the reading end of a pipe */
    bool filtered : 1;    /* `io` is a stack of filters (filters.h) */
    bool handshaking : 1; /* a filter is not through its handshake */
    bool stalled : 1;     /* the filters take no output before the next event */
    bool had_turn : 1;    /* has sent so much of a file that it is others' turn */
    bool asks_out : 1;    /* a Unix socket's EPOLLOUT is asked for (fdio.c) */
    bool is_busy : 1;     /* the backend still knows it: the memory stays until that is over */

    /* The peer, packed: a sockaddr_storage would double the size. */
    uint8_t peer_family; /* AF_INET, AF_INET6; 0: ask the kernel */
    int16_t reason;      /* -errno */
    uint16_t peer_port;
    uint32_t peer_scope;
    uint8_t peer_address[16];
};

_Static_assert(sizeof(struct reel_transport) <= 120, "an idle connection has become dearer");

/* Where the state lies: aligned for anything. */
static inline size_t reel_stream_state_offset(const struct stream_io *io)
{
    return (io->size + 15) & ~(size_t)15;
}

/* A transport on the reactor's list, with nothing begun. NULL: out of memory. */
struct reel_transport *reel_stream_new(struct reel_reactor *r, const struct stream_io *io,
                                       const struct reel_factory *factory);

/* Gives back one that was never started and tells nobody. The descriptor stays. */
void reel_stream_discard(struct reel_transport *t);

/* `made` in the next turn. */
void reel_stream_start(struct reel_transport *t);

/* `made` now; then reads. */
void reel_stream_make(struct reel_transport *t);

/* What the descriptor or the wire reports; reads and sends what it can. */
void reel_stream_events(struct reel_transport *t, uint32_t events);

/* Has a look at it in the next turn. */
void reel_stream_ready(struct reel_transport *t);

/* What may be done now is done: callbacks that are due, kept data, reading. */
void reel_stream_run(struct reel_transport *t);

/* One more is told. 0 or -ENOMEM. */
int reel_stream_add_end(struct reel_transport *t, struct stream_end *end);
void reel_stream_remove_end(struct reel_transport *t, struct stream_end *end);

/* The end, for this reason; told and buried at the end of the turn. */
void reel_stream_die(struct reel_transport *t, int reason);

/* The extras, made at need. NULL: out of memory. */
struct stream_extra *reel_stream_extra(struct reel_transport *t);

/* Starts the time-out of a connection being made. 0 or -ENOMEM. */
int reel_stream_expect(struct reel_transport *t, int64_t timeout_ns);

/* Sends what is pending, and `data` behind it; calls nobody back. How much of `data` was taken. */
size_t reel_stream_send(struct reel_transport *t, const uint8_t *data, size_t len);

/* Keeps bytes for the protocol, behind those kept already. False: out of memory, the end. */
bool reel_stream_hold(struct reel_transport *t, const uint8_t *data, size_t len);

/* Before a close: what is known to be unread is read and dropped, for closing over it would send a
 * reset, and the peer might lose our last words. */
void reel_stream_drop_unread(struct reel_transport *t);

/* As reel_write, of bytes that lie in the turn's arena and stay there: they are not copied while the
 * socket takes them. */
int reel_stream_share(struct reel_transport *t, uint8_t *data, size_t len);

/* Sends what the arena holds, if that has become too much for a turn. Not between making something
 * there and using it. */
void reel_stream_limit_arena(struct reel_reactor *r);

/* The pending output as parts; how many. */
int reel_stream_gather(struct reel_transport *t, struct iovec *parts, int parts_max);

/* What became of a batch's part: so many of `offered` bytes were taken, or -errno. */
void reel_stream_sent(struct reel_transport *t, ssize_t n, size_t offered);

/* It is not in a queue any more: if it was buried meanwhile, its memory is given back. */
void reel_stream_forget(struct reel_transport *t);

/* Joins the turn's writers: it will be flushed at the end of the turn. */
void reel_stream_unsent(struct reel_transport *t);

/* So many bytes have joined the output. */
void reel_stream_queued(struct reel_transport *t, size_t len);

/* So many bytes of the pending output are gone. */
void reel_stream_took(struct reel_transport *t, size_t len);

/* Sends what is pending and draws the consequences; calls nobody back. */
void reel_stream_flush(struct reel_transport *t);

/* The loop's part: runs the ready ones, flushes the turn's writers, buries the dead. */
void reel_streams_run(struct reel_reactor *r);
void reel_streams_flush(struct reel_reactor *r);
void reel_streams_bury(struct reel_reactor *r);
void reel_streams_fini(struct reel_reactor *r);
int reel_streams_after_fork(struct reel_reactor *r);

/* Options with their defaults filled in. */
size_t reel_stream_queue_max(const struct reel_transport *t);
size_t reel_stream_queue_high(const struct reel_transport *t);
size_t reel_stream_queue_low(const struct reel_transport *t);

#endif
