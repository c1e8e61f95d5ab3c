/* The io_uring backend from the inside.
 *
 * A ring stands in front of epoll, not in its place. Stream sockets that are in good order (small
 * messages, a peer that reads, a protocol that takes what comes) are the ring's: one multishot
 * receive waits on each, into buffers that all share, and the turn's sends go to the kernel in one
 * call. Everything else is watched by epoll, whose descriptor the ring polls: listeners, signals,
 * pipes, other people's descriptors, and sockets in hard times (paused, full, in bulk), which are
 * read and written by plain calls as under the epoll backend.
 *
 * No send is ever under way between two turns: sends are submitted with MSG_DONTWAIT | MSG_WAITALL, so
 * each is over when the submitting call returns. What one could not send whole completes short, and the
 * connection goes to epoll until there is room. So the turn's arena, the watermarks and all that
 * users see are the same under both backends. */
#ifndef REEL_URING_H
#define REEL_URING_H

#include "reel/stream.h"

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    URING_ENTRIES = 256,      /* operations of one submission */
    URING_COMPLETIONS = 4096, /* more than these wait in the kernel */
    URING_BUFFERS = 64,       /* a power of two; for receiving, shared by all */
    URING_BUFFER_BYTES = 8192,
    URING_PARTS = 1024,    /* of all sends of one submission ... */
    URING_PARTS_EACH = 64, /* ... and of one send */
    URING_NO_BUFFER = 0,   /* buffers count from 1 */
    URING_EOF = 1,
};

/* A buffer's bytes while they wait in a connection's input. */
struct uring_buffer {
    uint16_t next; /* the next one of the same input */
    uint16_t start, end;
};

/* A send of the batch. */
struct uring_send {
    struct uring_stream *stream;
    struct io_uring_sqe *sqe;
    uint32_t place; /* in the submission queue's count */
    uint32_t offered;
    int32_t result;
};

struct uring_queue {
    struct uring_stream *first, **end;
    int count;
};

struct uring {
    struct io_uring ring;
    uint8_t *memory; /* the ring of buffers, then the buffers; NULL: there is no ring now */
    struct uring_buffer buffers[URING_BUFFERS + 1];
    struct uring_queue todo;  /* something is to be asked of the ring for them */
    struct uring_queue news;  /* something was received, or the receive has ended */
    struct reel_link zombies; /* closed; the kernel has not given them back yet */
    pid_t pid;                /* whose ring it is */
    bool enabled;             /* since the first submission: its thread is the ring's */
    bool epoll_polled;        /* the ring waits for the epoll descriptor ... */
    bool epoll_ready;         /* ... and has told of it */
    int epoll_count;          /* events to be dispatched */
    int send_count, part_count;
    struct uring_send sends[URING_ENTRIES];
    struct msghdr messages[URING_ENTRIES];
    struct iovec parts[URING_PARTS];
};

struct uring_stream {
    struct reel_transport t;
    struct uring_stream *next_todo, *next_news;
    struct chunk *kept;   /* input that could not wait in the ring's buffers; a chain */
    uint16_t first, last; /* input in the ring's buffers, behind `kept` */
    int16_t end;          /* and behind that: 0: it goes on, URING_EOF, -errno */
    uint8_t bulk;        /* large reads were seen: so many small ones until the ring has it again */
    bool armed : 1;      /* the ring has a multishot receive for it */
    bool cancelling : 1; /* ... that has been told to end */
    bool polled : 1;     /* epoll watches it */
    bool blocked : 1;    /* the socket took less than was offered */
    bool slow : 1;       /* the protocol has not taken what came */
    bool dry : 1;        /* a plain read has taken all there was */
    bool in_todo : 1;
    bool in_news : 1;
};

/* What a completion is about, in the low bits of its user_data; above them a pointer or an index. */
enum uring_tag { URING_NOTHING, URING_RECEIVE, URING_SEND, URING_EPOLL, URING_TAGS = 7 };

static inline uint64_t uring_receive_data(const struct uring_stream *s)
{
    return (uint64_t)(uintptr_t)s | URING_RECEIVE;
}

/* ---- The ring (backend_uring.c). ---- */

/* A free entry of the submission queue; submits to get one. NULL: the kernel takes none. */
struct io_uring_sqe *reel_uring_sqe(struct uring *u);

/* The bytes of a buffer; and the buffer back to the ring. */
uint8_t *reel_uring_bytes(struct uring *u, uint16_t buffer);
void reel_uring_give_back(struct uring *u, uint16_t buffer);

/* ---- Its connections (uring_stream.c). ---- */

extern const struct stream_io reel_uring_io;

void reel_uring_queue_init(struct uring_queue *queue);

/* A receive's completion. */
void reel_uring_received(struct uring *u, struct uring_stream *s, int result, uint32_t flags);

/* Tells the connections what has come. */
void reel_uring_tell(struct uring *u);

/* Puts what is to be asked of the ring into the submission queue. */
void reel_uring_ask(struct uring *u);

/* The ring is going: what lies in its buffers is saved, the connections forget what they have
 * there, closed ones are freed. */
void reel_uring_leave(struct reel_reactor *r);

/* There will be no other ring: what is new and what was to be asked is forgotten, each looks for
 * itself; and epoll has those that it does not have yet. */
void reel_uring_scatter(struct reel_reactor *r);
void reel_uring_watch_by_epoll(struct reel_reactor *r);

/* ---- Their sends (uring_batch.c). ---- */

/* stream_io.batch */
bool reel_uring_batch(struct reel_transport *t);

/* Puts them into the submission queue. */
void reel_uring_prepare_sends(struct uring *u);

/* What became of one (uring_stream.c). */
void reel_uring_sent(struct uring_stream *s, int result, size_t offered);

/* A completion that was not a plain success. */
void reel_uring_send_fell_short(struct uring *u, uint64_t index, int result);

/* After a submission: each of the batch hears how it went. What the kernel has not even looked at
 * is sent by plain calls. */
void reel_uring_settle(struct uring *u);

/* Only one, and nothing else to submit: a plain call is cheaper. */
void reel_uring_send_alone(struct uring *u);

#endif
