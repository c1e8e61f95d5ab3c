/* A transport: one connection, as its protocol sees it: a TCP or Unix socket, a pipe, the end of a
 * wire in a test. All functions are for the reactor's thread; none calls a protocol back. A
 * transport belongs to its reactor and is freed after `lost` (or `failed`) returned: keep no pointer
 * beyond. */
#ifndef REEL_TRANSPORT_H
#define REEL_TRANSPORT_H

#include <reel/address.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_factory;
struct reel_protocol;
struct reel_reactor;
struct reel_transport;

/* The protocol's own bytes, zeroed when the connection began. */
void *reel_state(struct reel_transport *t);
/* The factory's pointer. */
void *reel_shared(const struct reel_transport *t);
struct reel_reactor *reel_reactor_of(const struct reel_transport *t);

/* Sends: the bytes are copied and leave at the end of the turn together with the turn's other
 * writes; long ones leave at once. All or nothing:
 *   0         all of it is on its way
 *   -ENOBUFS  the queue would pass its maximum; nothing was taken
 *   -EPIPE    closing, closed, or own half shut: nothing was taken
 *   -ENOMEM   nothing was taken
 * What the kernel says later comes as `lost`. */
int reel_write(struct reel_transport *t, const void *data, size_t len);

/* The same for `count` parts, one behind the other: all of them or none. (-ENOMEM in the middle is
 * the connection's end.) */
int reel_writev(struct reel_transport *t, const struct iovec *parts, int count);

/* How many bytes reel_write takes now; 0 when it would say -EPIPE. */
size_t reel_write_room(const struct reel_transport *t);

/* Bytes taken and not yet with the kernel. */
size_t reel_write_pending(const struct reel_transport *t);

/* Sends what is pending now: for those who cannot wait for the end of the turn. */
void reel_flush(struct reel_transport *t);

/* No more `data` until resumed; the peer feels it. Nests not: one resume undoes any pauses. What the
 * transport kept of a `data` not taken in full comes first. An EOF waits behind unread data; a reset
 * does not: it ends the connection at once. */
void reel_pause_reading(struct reel_transport *t);
void reel_resume_reading(struct reel_transport *t);

/* Inside `data`, which then takes fewer bytes than it was given: the rest is the beginning of
 * something. The transport keeps it, reads on, and gives it again with what comes behind it. When
 * more than `max` bytes would have to be kept the connection is lost(-EMSGSIZE); 0:
 * REEL_KEEP_MAX_DEFAULT. Has no effect on a `data` that takes all. */
void reel_need_more(struct reel_transport *t, size_t max);

#define REEL_KEEP_MAX_DEFAULT ((size_t)64 << 10)

/* What the transport keeps of a `data` not taken in full; in `eof`: what was still unfinished when
 * the peer ended. Borrowed for the callback. NULL and 0: nothing. */
const uint8_t *reel_kept(const struct reel_transport *t, size_t *len);

/* For a `data` that handles several messages a call: whether to handle the next one. False: leave
 * it for the next `data`. The transport is paused or closing, or a filter was pushed and the rest is
 * the filter's, or more than the high watermark waits to be sent, also after a flush (and
 * options.read_while_full is not set): `data` comes again when that has drained. */
bool reel_may_go_on(struct reel_transport *t);

/* Half close: what is pending is sent, then the peer sees EOF. Reading goes on. 0 or -EPIPE. */
int reel_shutdown_write(struct reel_transport *t);

/* Full close, in order: no more `data` from now on, what is pending is sent (within the linger
 * time), then `lost(0)`. Twisted's loseConnection. Again, or after reel_abort: no effect. */
void reel_close(struct reel_transport *t);

/* Full close, now: pending output is dropped, a TCP peer sees a reset, then `lost(-ECONNABORTED)`
 * at the end of the turn. Twisted's abortConnection. */
void reel_abort(struct reel_transport *t);

/* The same with a reason (-errno) of the caller's own: `lost(reason)`. */
void reel_abort_as(struct reel_transport *t, int reason);

/* True from reel_close, reel_abort or the peer's end on. */
bool reel_is_closing(const struct reel_transport *t);

/* Both addresses. Kept from the start, so they are known in `lost` too. 0, or -EOPNOTSUPP for what
 * has none (a pipe). */
int reel_peer(const struct reel_transport *t, struct reel_address *out);
int reel_host(const struct reel_transport *t, struct reel_address *out);

/* The idle time of this connection, from now on; 0: none. 0 or -ENOMEM. */
int reel_set_idle(struct reel_transport *t, int64_t idle_ns);

/* TCP_NODELAY by hand. 0 or -errno. */
int reel_set_nodelay(struct reel_transport *t, bool on);

/* Another protocol takes over this connection (an upgrade): same state bytes, its functions from
 * the next callback on. Its state_size must not be larger than the first protocol's. Inside `data`:
 * the bytes that this call does not take go to the new protocol at once. */
void reel_set_protocol(struct reel_transport *t, const struct reel_protocol *protocol);
const struct reel_protocol *reel_protocol_of(const struct reel_transport *t);

/* The descriptor, or -1. For socket options; not for reading, writing or closing. */
int reel_fd(const struct reel_transport *t);

/* Takes over a connected stream: a Unix or TCP socket, one end of a pipe or a terminal. It is made
 * non-blocking and closed at the end. `made` comes in the next turn, so the state may be filled in
 * before. A pipe's reading end cannot be written (-EPIPE), a writing end never has data. The
 * transport goes to `out` (may be NULL). 0, or -errno and the descriptor is still the caller's. */
int reel_stream_adopt(struct reel_reactor *r, int fd, const struct reel_factory *factory,
                      struct reel_transport **out);

/* "closed in order" for 0, the system's words for -errno. Static storage. */
const char *reel_reason_text(int reason);

#ifdef __cplusplus
}
#endif

#endif
