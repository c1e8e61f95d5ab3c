/* Producers: who has more to send than fits. As in Twisted, a push producer makes bytes on its own
 * and is told when to pause; a pull producer makes a piece each time it is asked. */
#ifndef REEL_PRODUCER_H
#define REEL_PRODUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_transport;

/* In the caller's memory, until it is unregistered or stopped. Any function may be NULL, but for a
 * pull producer's `resume`. They come from the loop. */
struct reel_producer {
    /* Push: the output has passed the high watermark, or is at the low one again. Pull: there is
     * room: write a piece, at least one byte, or unregister. */
    void (*pause)(struct reel_producer *producer);
    void (*resume)(struct reel_producer *producer);
    /* The connection is gone; before the protocol's `lost`. */
    void (*stop)(struct reel_producer *producer);
    bool pull;
    struct reel_transport *transport; /* the transport's */
};

/* One at a time: -EBUSY. 0, -EPIPE or -ENOMEM. A pull producer is asked from the next turn on. */
int reel_producer_register(struct reel_transport *t, struct reel_producer *producer);

/* No effect when it is not registered. reel_close does not wait for a producer: it is not asked any
 * more, and stopped at the end. */
void reel_producer_unregister(struct reel_producer *producer);

/* A piece of a file as part of the output: in order with the writes around it, by sendfile(2) where
 * the transport is a plain socket. In the caller's memory until `done`. */
struct reel_file_piece {
    /* 0: all of it is with the kernel; -errno: the connection ended before. May be NULL. From the
     * loop, before `lost`. */
    void (*done)(struct reel_file_piece *piece, int result);
    int fd;                       /* the caller's; open until `done` */
    off_t offset;                 /* where it begins; moves on */
    uint64_t len;                 /* bytes left */
    struct reel_file_piece *next; /* the transport's from here on */
    int result;
};

/* Queues `len` bytes of the file from `offset` on. The file's bytes do not count against the
 * queue's maximum, nor in reel_write_pending (but for one): nothing of it is in memory. Reading may wait for the disk: meant for files that
 * are in the cache, or disks that are fast. A file that turns out to be shorter ends the connection:
 * lost(-EIO). 0, -EPIPE, -EBADF, -EINVAL (nothing to send) or -ENOMEM. */
int reel_send_file(struct reel_transport *t, struct reel_file_piece *piece, int fd, off_t offset,
                   uint64_t len);

#ifdef __cplusplus
}
#endif

#endif
