/* What lives on a reactor beside transports and listeners: datagram sockets, child processes ...
 * Each is a link in the reactor's list `parts`, so that it is told of the reactor's end and of forks,
 * and shown in lists of handles. */
#ifndef REEL_PART_H
#define REEL_PART_H

#include "reel/list.h"

#include <reel/reactor.h>

struct reactor_part;

struct part_ops {
    void (*info)(const struct reactor_part *part, struct reel_handle_info *out);
    /* The reactor is being freed: takes itself out of the list and frees itself. */
    void (*end)(struct reactor_part *part);
    /* In the child of a fork: registers its descriptors anew. 0 or -errno. */
    int (*after_fork)(struct reactor_part *part);
};

struct reactor_part {
    const struct part_ops *ops;
    struct reel_link link;
};

/* Joins the reactor. Leaves by list_remove(&part->link). */
void reel_part_join(struct reel_reactor *r, struct reactor_part *part, const struct part_ops *ops);

/* The loop's. */
void reel_parts_fini(struct reel_reactor *r);
int reel_parts_after_fork(struct reel_reactor *r);
void reel_parts_each(struct reel_reactor *r, reel_handle_fn each, void *context);

#endif
