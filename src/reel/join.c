/* Two connections as one. Each reads only as fast as the other sends. */
#include <reel/forward.h>

#include "reel/stream.h"

#include <errno.h>

/* Reads no more until the other one has room. What is over the high watermark after a flush will be told as
 * `full` and, when it has gone, as `drained`. */
static void starve(struct reel_transport *t)
{
    struct reel_join *join = reel_state(t);
    join->starved = true;
    reel_pause_reading(t);
}

static bool is_full(struct reel_transport *t)
{
    const size_t high = reel_stream_queue_high(t);
    if (reel_write_pending(t) > high)
        reel_flush(t);
    return reel_write_pending(t) > high || reel_write_room(t) == 0;
}

static size_t joined_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct reel_join *join = reel_state(t);
    struct reel_transport *other = join->other;
    size_t at = 0;
    while (other && !reel_is_closing(other) && at < len && !join->starved) {
        size_t room = reel_write_room(other);
        size_t n = len - at < room ? len - at : room;
        if (reel_write(other, data + at, n) < 0) {
            reel_abort(other); /* out of memory; it takes this one along */
            return len;
        }
        at += n;
        if (is_full(other))
            starve(t);
    }
    if (!other || reel_is_closing(other))
        at = len; /* nobody is there to have it */
    join->received += at;
    return at;
}

static void joined_eof(struct reel_transport *t)
{
    struct reel_join *join = reel_state(t);
    if (join->other)
        reel_shutdown_write(join->other);
}

static void joined_full(struct reel_transport *t)
{
    struct reel_join *join = reel_state(t);
    if (join->other)
        starve(join->other);
}

static void feed(struct reel_transport *t)
{
    struct reel_join *join = reel_state(t);
    join->starved = false;
    reel_resume_reading(t);
}

static void joined_drained(struct reel_transport *t)
{
    struct reel_join *join = reel_state(t);
    if (join->other)
        feed(join->other);
}

static void joined_lost(struct reel_transport *t, int reason)
{
    struct reel_join *join = reel_state(t);
    struct reel_transport *other = join->other;
    if (other) {
        ((struct reel_join *)reel_state(other))->other = NULL;
        if (reason == 0)
            reel_close(other);
        else
            reel_abort_as(other, reason);
    }
    join->other = NULL;
    if (join->lost)
        join->lost(t, reason);
}

static const struct reel_protocol joined = {
    .name_z = "joined",
    .state_size = sizeof(struct reel_join),
    .data = joined_data,
    .eof = joined_eof,
    .full = joined_full,
    .drained = joined_drained,
    .lost = joined_lost,
};

static void join_one(struct reel_transport *t, struct reel_transport *other)
{
    struct reel_join *join = reel_state(t);
    join->other = other;
    join->received = 0;
    reel_set_protocol(t, &joined);
    feed(t);
}

int reel_join(struct reel_transport *a, struct reel_transport *b)
{
    if (reel_is_closing(a) || reel_is_closing(b))
        return -EPIPE;
    join_one(a, b);
    join_one(b, a);
    if (a->eof) /* it was told to the protocol before */
        joined_eof(a);
    if (b->eof)
        joined_eof(b);
    return 0;
}
