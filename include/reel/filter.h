/* Filters: what stands between a connection and its protocol. TLS, a PROXY header, a throttle, a
 * recorder are filters; they stack, and a connection without any costs nothing more for them.
 *
 * The stack grows from the wire: the first filter sees the wire's bytes, the last one gives bytes to
 * the protocol. It is a pull design. The transport asks the top filter for input and gives it output;
 * each filter asks the one below by reel_filter_receive and reel_filter_send, and the last one is
 * answered by the socket, pipe or wire. No filter knows what is below or above it.
 *
 * Filters are put on a connection
 *   - by its factory: `filters`, a list that each connection gets, lowest first
 *   - by hand: reel_filter_push, before `made` (it goes below those of the factory) or on a live
 *     connection (an upgrade such as STARTTLS)
 * Each may have a handshake. `made` comes after all handshakes, lowest first; on a live connection
 * `upgraded` does. While a handshake runs the protocol gets no data, and what it writes waits.
 *
 * The contract for those who write one:
 *   - -EAGAIN is a promise that there will be an event. A filter says it when the one below did (for
 *     either direction: with filters every event tries both), or when it calls reel_filter_wake
 *     later on, for instance from a timer of its own.
 *   - Any other -errno is the end: `failed` or `lost` with that reason.
 *   - A short count from below is no refusal. Go on until all is done or -EAGAIN comes.
 *   - No function of a filter calls the protocol; filters are called from the loop, or from inside
 *     reel_write and reel_flush. A filter may call reel_close, reel_abort and reel_abort_as.
 *   - `open` that returned 0 is followed by exactly one `close`. */
#ifndef REEL_FILTER_H
#define REEL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_address;
struct reel_filter;
struct reel_transport;

/* A kind of filter. Any function may be NULL; what stands for it is said at each. */
struct reel_filter_type {
    const char *name_z;
    size_t
        size; /* of the filter's own struct, which begins with a struct reel_filter; 0: only that.
                  * It is allocated zeroed by the reactor and freed after `close`. */

    /* Attached to a connection that may not be connected yet. `options` are those of the list or of
     * reel_filter_push. 0, or -errno to refuse it: a listener drops the connection without a word,
     * reel_filter_push returns it, elsewhere it is `failed` with that reason. NULL: 0. */
    int (*open)(struct reel_filter *f, const void *options);

    /* The handshake: called when there is a connection and all filters below are through theirs;
     * and at every event until it says something else than -EAGAIN.
     *   0                  done
     *   REEL_FILTER_LEAVE  done, and not needed any more: closed and taken out of the stack
     *   -EAGAIN            to be called again; the time-out (reel_filter_expect) goes on
     *   other -errno       failed
     * NULL: 0. */
    int (*start)(struct reel_filter *f);

    /* Input for those above, at most `len` bytes into `data`. Their number; 0: the peer will send no
     * more (and it is not asked again); -EAGAIN; -errno. Holding back bytes is allowed. NULL: what
     * comes from below. */
    ssize_t (*receive)(struct reel_filter *f, uint8_t *data, size_t len);

    /* Output from above, `count` parts, never empty in all. How many bytes were taken (at least 1),
     * -EAGAIN for none, or -errno. What was refused is offered again, the same bytes first, maybe
     * with more behind them. What was taken is the filter's to deliver. NULL: goes below. */
    ssize_t (*send)(struct reel_filter *f, const struct iovec *parts, int count);

    /* No more output will come: send what was kept, say goodbye. At a half close and before a close
     * in order; from the top filter down, then the wire is told. 0 when all is out, -EAGAIN,
     * -errno. NULL: 0. */
    int (*shut)(struct reel_filter *f);

    /* The end, in whatever state; after `lost` or `failed`. `reset`: not in order. Frees what is the
     * filter's own, stops its timers; sends nothing. */
    void (*close)(struct reel_filter *f, bool reset);
};

#define REEL_FILTER_LEAVE 1

/* One filter on one connection: the head of the type's own struct. */
struct reel_filter {
    const struct reel_filter_type *type;
    struct reel_transport *transport; /* to be read by the filter; the rest is the engine's */
    struct reel_filter *below, *above;
    uint8_t *early; /* input that comes before what is below has; NULL: none */
    size_t early_start, early_end;
    bool is_shut;
};

/* An entry of a list of filters; the list ends with a NULL type. `options` is handed to `open`;
 * lists and options are the caller's and outlive all connections that are begun with them. */
struct reel_filter_use {
    const struct reel_filter_type *type;
    const void *options;
};

/* Puts a filter on top of a connection's stack.
 *
 * Before `made` (after reel_connect, reel_stream_adopt, reel_test_pair): it will have its handshake
 * before `made`, and the factory's filters go on top of it.
 *
 * On a live connection: what was written before the call goes out below the filter; then comes its
 * handshake, then `upgraded`. What is written after the call goes through it. Input that the
 * protocol has not taken yet, also the rest of the `data` from which this is called, goes into the
 * filter: bytes that came before the handshake never reach the protocol as if they had come after
 * (in STARTTLS that would be an injection). A protocol that keeps bytes of its own has to drop them.
 *
 * 0; -EPIPE: closing, closed, own half shut or EOF seen; -EBUSY: a handshake is not over yet, or a
 * file or a descriptor waits to be sent; -ENOMEM; or what `open` said. */
int reel_filter_push(struct reel_transport *t, const struct reel_filter_type *type,
                     const void *options);

/* The topmost filter of this type; NULL: there is none. Also in `failed` and `lost`. */
struct reel_filter *reel_filter_find(const struct reel_transport *t,
                                     const struct reel_filter_type *type);

/* The filter next to the protocol; NULL: there are none. Those below it: `below`. */
struct reel_filter *reel_filter_top(const struct reel_transport *t);

/* The next filter of the same type below `f`; NULL: none. */
struct reel_filter *reel_filter_find_below(const struct reel_filter *f);

/* How long all handshakes of a connection together may take, when nobody says otherwise: factory's
 * `options.handshake_ns`, or reel_filter_expect. Connecting has a time of its own before it. */
#define REEL_HANDSHAKE_DEFAULT_NS (INT64_C(30) * 1000000000)

/* ---- For filters. ---- */

/* Input from below. As `receive` above; never -EINTR. */
ssize_t reel_filter_receive(struct reel_filter *f, uint8_t *data, size_t len);

/* Output to below. As `send` above; never -EINTR. */
ssize_t reel_filter_send(struct reel_filter *f, const struct iovec *parts, int count);

/* Gives bytes back: the next reel_filter_receive(f) has them first. What is left of them when `f`
 * leaves the stack goes to those above. 0 or -ENOMEM. */
int reel_filter_unread(struct reel_filter *f, const uint8_t *data, size_t len);

/* Look again: both directions, or the handshake, are tried in the next turn. From anywhere on the
 * reactor's thread, except in `close`. */
void reel_filter_wake(struct reel_filter *f);

/* In `start`: the handshake has so much time from now on. 0 or -ENOMEM. */
int reel_filter_expect(struct reel_filter *f, int64_t timeout_ns);

/* The peer's address is another one: reel_peer says so from now on. IPv4 or IPv6.
 * 0 or -EAFNOSUPPORT. */
int reel_filter_set_peer(struct reel_filter *f, const struct reel_address *peer);

#ifdef __cplusplus
}
#endif

#endif
