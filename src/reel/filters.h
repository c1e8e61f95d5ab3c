/* A connection's stack of filters, as the state machine (stream.c) sees it. It exists only where there
 * is a filter: then the transport's `io` points into it, and its functions go through the stack. */
#ifndef REEL_FILTERS_H
#define REEL_FILTERS_H

#include "reel/stream.h"

#include <reel/filter.h>

struct filter_chain {
    struct stream_io io;            /* what the transport has for `io` */
    const struct stream_io *bottom; /* what carries the bytes */
    struct reel_filter *top;
    struct reel_filter *next; /* the lowest one that is not through its handshake; NULL: all are */
    size_t owed;              /* bytes written before `next` was pushed: they pass below it */
    bool complete;            /* the factory's filters are on it */
    bool timed;               /* the handshake's time-out runs */
    bool
        dry; /* a short read has emptied the bottom until its next event (stream_io.short_is_all) */
};

/* Puts a list on a new transport. 0 or -errno. */
int reel_filters_add(struct reel_transport *t, const struct reel_filter_use *list);

/* Puts a list (NULL: none) and behind it the factory's on a new transport. 0 or -errno. */
int reel_filters_attach(struct reel_transport *t, const struct reel_filter_use *list);

/* The connection is there: on with the handshakes. True: they are done, and `made` is due. */
bool reel_filters_begin(struct reel_transport *t);

/* While t->handshaking, at each event. True: done; false: not yet, or the connection is dying. */
bool reel_filters_step(struct reel_transport *t, uint32_t events);

/* An event or a wake: what was refused may be tried again. */
void reel_filters_stir(struct reel_transport *t, uint32_t events);

/* All filters' goodbyes. 0, -EAGAIN or -errno. */
int reel_filters_shut(struct reel_transport *t);

/* Takes the stack off a transport that was never begun. */
void reel_filters_discard(struct reel_transport *t);

/* What carries the bytes, whether there are filters or not. */
const struct stream_io *reel_filters_bottom(const struct reel_transport *t);

enum { FIRST_PARTS_MAX = 64 };

/* The first `bytes` of some parts, as parts, into `out`; their number. Fewer bytes when they lie in
 * more than FIRST_PARTS_MAX parts. */
int reel_parts_first(const struct iovec *parts, int count, size_t bytes,
                     struct iovec out[FIRST_PARTS_MAX]);

#endif
