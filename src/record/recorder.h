/* The recorder at work on a reactor: reads the frames of one sensor, writes them to the store, and
 * acknowledges. When nothing can be written (a full disk) it keeps what it has, stops reading, so that
 * the sensor feels it, and tries again. When the sensor is gone it ends the sensor's sessions. */
#ifndef RECORD_RECORDER_H
#define RECORD_RECORDER_H

#include "record/store.h"

#include <reel/reactor.h>
#include <reel/timer.h>

/* How long to wait before a write that failed is tried again. */
#define RECORD_RETRY_MS 500

/* How long until the rest of an answer is offered to the sensor again, and what may wait of it: one
 * machine at its largest. */
#define RECORD_ANSWER_MS  2
#define RECORD_ANSWER_MAX ((size_t)320 * 1024 * 1024)

/* How long frames gather in the socket, to be read and written together. */
#define RECORD_REST_MS 100

struct recorder {
    /* Something to tell the owner of the machine: one line without its end. May be NULL. */
    void (*on_trouble)(struct recorder *recorder, const char *line_z);

    /* The recorder's own. */
    struct reel_reactor *reactor;
    struct record_store *store;
    struct reel_watch watch; /* the sensor's socket; not while it rests */
    struct reel_watch bell;
    struct reel_timer sync, retry, rest, answer;
    struct reel_idle idle;
    int fd;      /* of the sensor; -1: none */
    int next_fd; /* of the sensor that follows; -1: none */
    struct buffer in;
    struct buffer out; /* answers that the socket has no room for yet */
    bool hello;        /* the sensor has said who it is */
    bool ended;        /* the sensor will send no more */
    bool stalled;      /* a write failed: to be tried again */
    bool urgent;       /* what comes next is read at once */
    bool owes;         /* something was taken and is not acknowledged */
    int error;         /* of the write that failed last, told once */
};

/* In the caller's memory; the store is borrowed. 0 or -errno. */
int recorder_init(struct recorder *recorder, struct reel_reactor *r, struct record_store *store);
/* What the sensor has sent is taken as far as it can be; what cannot is a gap. */
void recorder_fini(struct recorder *recorder);

/* An eventfd that sensors write to when they wait (record/client.h); never read, so that it is the same
 * for all of them. Borrowed. 0 or -errno. */
int recorder_listen(struct recorder *recorder, int bell);

/* A sensor's connected socket: the recorder's from now on. One at a time: what the one before sent is
 * written first. */
void recorder_adopt(struct recorder *recorder, int fd);

/* True when there is no sensor, and all that was sent is written. */
bool recorder_is_idle(const struct recorder *recorder);

#endif
