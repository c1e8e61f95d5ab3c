/* The sensor's end of the way to the recorder: a bounded queue of numbered frames, kept until the
 * recorder has acknowledged them and sent again to a new recorder. When the queue is full nothing
 * more is taken: sessions then stop taking input, and nothing is lost. */
#ifndef RECORD_CLIENT_H
#define RECORD_CLIENT_H

#include "events/frame.h"

#include <reel/protocol.h>
#include <reel/reactor.h>
#include <reel/transport.h>

/* Bytes of frames that may wait for their acknowledgement. */
#define RECORD_QUEUE_MAX ((size_t)16 * 1024 * 1024)

struct record_client {
    /* The recorder has answered for the first time: numbers are known. May be NULL, as the next. */
    void (*on_ready)(struct record_client *client);
    /* Frames were acknowledged after record_client_put had refused some: there is room again. */
    void (*on_room)(struct record_client *client);
    /* Everything that was put is acknowledged. */
    void (*on_acknowledged)(struct record_client *client);
    /* The recorder is gone; frames are kept until record_client_adopt brings another. */
    void (*on_lost)(struct record_client *client);
    /* A part of an answer to a FRAME_VISIT_ASK; borrowed for the call. */
    void (*on_visit)(struct record_client *client, const struct frame_visit *visit);
    /* Some of those whom the recorder remembers: all of them, and before on_ready the first time. */
    void (*on_visitors)(struct record_client *client, struct span list);
    void *context; /* the owner's */
    int bell; /* an eventfd, borrowed, that tells the recorder that we wait: for an answer, or because
               * its socket is full; -1: none, and it looks in its own time */

    /* The client's own. */
    struct reel_reactor *reactor;
    struct reel_factory factory;
    struct reel_transport *transport; /* NULL: no recorder now */
    uint64_t boot;
    const char *name_z;
    struct buffer queue; /* numbered, not acknowledged */
    struct buffer in;    /* the recorder's answers */
    size_t sent;         /* bytes of the queue that this recorder was sent */
    uint64_t number;     /* of the last frame in the queue */
    bool welcome;        /* this recorder has answered */
    bool ready;          /* some recorder has: `number` is known */
    bool refused;        /* put has taken less than it was given */
};

/* In the caller's memory. `boot` tells this process from all others; `name_z` is borrowed. */
void record_client_init(struct record_client *client, struct reel_reactor *r, uint64_t boot,
                        const char *name_z);
void record_client_fini(struct record_client *client);

/* A connected socket to a recorder. 0, or -errno and the descriptor is still the caller's. */
int record_client_adopt(struct record_client *client, int fd);

/* Lets go of the recorder, without on_lost: another is to be adopted. */
void record_client_drop(struct record_client *client);

/* Takes whole frames from the front of `frames`: how many bytes. */
size_t record_client_put(struct record_client *client, struct span frames);

/* True when all that was put is acknowledged. */
bool record_client_is_empty(const struct record_client *client);

#endif
