/* Output that is more than bytes: descriptors and pieces of files, in order with the bytes around
 * them; and producers. What few connections have, kept out of the way of the others. */
#ifndef REEL_SPECIAL_H
#define REEL_SPECIAL_H

#include "reel/stream.h"

#include <stdint.h>

/* Whether such a thing stands at the front of the output. */
static inline bool reel_special_is_next(const struct reel_transport *t)
{
    return t->output && t->output->next->kind != CHUNK_BYTES;
}

/* Whether the kernel itself can send files on it: a plain socket without filters. */
static inline bool reel_special_has_sendfile(const struct reel_transport *t)
{
    return t->io->direct && t->is_socket;
}

/* Whether something that is more than bytes waits anywhere in the output. */
bool reel_special_waits(const struct reel_transport *t);

/* Sends some of it. 0 or -errno. */
int reel_special_send(struct reel_transport *t);

/* From the loop, of a transport that has `extra`: pieces that are through, producers to be asked. */
void reel_special_tell(struct reel_transport *t);

/* The output is about to be dropped: the pieces in it end with `reason`, to be told later. */
void reel_special_end(struct reel_transport *t, int reason);

/* Before `lost`, of a transport that has `extra`: all that was not told yet; a producer is stopped. */
void reel_special_bury(struct reel_transport *t);

/* Descriptors that came in. */
void reel_special_received(struct reel_transport *t, const uint8_t *fds, size_t count);

/* Pauses or resumes a push producer. */
void reel_producer_tell(struct reel_transport *t, bool resume);

/* Output has left: a pull producer may be asked again. */
void reel_producer_flushed(struct reel_transport *t);

#endif
