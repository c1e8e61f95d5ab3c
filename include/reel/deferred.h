/* Deferreds: results that come later. Twisted's Deferred, as far as C allows.
 *
 * A deferred has two sides. The *maker* (who opens a file, resolves a name) makes it, gives it out,
 * and fires it exactly once: reel_deferred_callback with a value, reel_deferred_errback with an
 * error. The *taker* adds callbacks, each of which hears the result and may change it for the next,
 * and lets go of it exactly once: by reel_deferred_done, reel_deferred_forget, reel_await,
 * reel_deferred_wait or reel_gather.
 *
 *     static void on_content(struct reel_deferred *d, struct reel_result *result, void *context)
 *     {
 *         if (result->error == 0)
 *             use(result->pointer, result->number);
 *     }
 *
 *     reel_deferred_done(reel_file_read_all(r, NULL, "motd", 4096), on_content, NULL);
 *
 * The rules:
 *   - Callbacks come from the loop only, at the end of a turn: never inside a call of the taker's or
 *     of the maker's. So whatever is added before one returns to the loop is in time.
 *   - The last callback comes exactly once, whatever happens: value, error, cancelled, timed out,
 *     or the reactor freed (-ECANCELED).
 *   - The memory is the engine's: freed after the taker let go, all callbacks have run and the maker
 *     has fired. The taker may keep the pointer for reel_deferred_cancel until his last callback is
 *     called; the maker until he fires.
 *   - NULL in place of a deferred is "there was no memory for it": makers return it, and every
 *     function of the taker's accepts it.
 *
 * All functions are for the reactor's thread. */
#ifndef REEL_DEFERRED_H
#define REEL_DEFERRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_deferred;
struct reel_reactor;

/* What came of it. */
struct reel_result {
    int error;                      /* 0, or -errno; then there is no value */
    const char *why_z;              /* with an error: a sentence in static storage, or NULL */
    int64_t number;                 /* the value: a count, a descriptor ... */
    void *pointer;                  /* ... and/or an object */
    void (*release)(void *pointer); /* frees the object; NULL: there is nothing to free */
};

/* A callback. `result` is the callback's to change: what it leaves there is what the next one
 * hears. An object that is still there when the chain ends is released; who keeps it, takes it by
 * reel_result_take. */
typedef void (*reel_deferred_fn)(struct reel_deferred *d, struct reel_result *result,
                                 void *context);

/* Changes a result: what it had is released. `error` is below 0. */
void reel_result_set_value(struct reel_result *result, int64_t number, void *pointer,
                           void (*release)(void *pointer));
void reel_result_set_error(struct reel_result *result, int error, const char *why_z);
/* The object, which is the caller's from now on. */
void *reel_result_take(struct reel_result *result);
/* Releases the object, if there is one to release. */
void reel_result_release(struct reel_result *result);

/* So many callbacks may wait on one deferred at a time; one more is a fault of the program and
 * asserted. (They are part of its one allocation, so adding one cannot fail.) */
#define REEL_DEFERRED_STEPS_MAX 8

/* ---- the taker's side ---- */

/* Twisted's addCallback, addErrback, addBoth, addCallbacks: called in the order in which they were
 * added; a callback for values is passed over by an error and the other way round. A callback that
 * handled an error sets a value (reel_result_set_value). Either of two may be NULL. */
void reel_deferred_add_callback(struct reel_deferred *d, reel_deferred_fn fn, void *context);
void reel_deferred_add_errback(struct reel_deferred *d, reel_deferred_fn fn, void *context);
void reel_deferred_add_both(struct reel_deferred *d, reel_deferred_fn fn, void *context);
void reel_deferred_add_callbacks(struct reel_deferred *d, reel_deferred_fn on_value,
                                 reel_deferred_fn on_error, void *context);

/* In a callback of `d`: the next callback waits for `other`, and hears its result in place of what
 * `result` says. Lets go of `other`; NULL: the result becomes -ENOMEM. At most once a callback. */
void reel_deferred_wait(struct reel_deferred *d, struct reel_deferred *other);

/* Lets go of it, with a last callback: for value and error. 0; -ENOMEM when `d` is NULL, and then
 * `fn` is not called. An error that reaches it counts as taken. */
int reel_deferred_done(struct reel_deferred *d, reel_deferred_fn fn, void *context);

/* Lets go of it without: a value is released, an error that no callback turned into a value is
 * counted (reel_metrics: unhandled) and told to the reactor's option `on_unhandled`. NULL is fine. */
void reel_deferred_forget(struct reel_deferred *d);

/* The result is not wanted any more: the maker is told to stop, and the callbacks hear -ECANCELED,
 * or what the maker fires instead. One that waits for another passes it on. The taker still has to
 * let go of it. False when it comes too late: it was fired, and goes on as it would have. NULL is
 * fine. */
bool reel_deferred_cancel(struct reel_deferred *d);

/* Cancels it and takes all its callbacks out: none of them comes any more. A value is released, an
 * error not counted. Also lets go of it, if that was not done yet. For the taker whose memory goes
 * away, mostly in `lost`. Not from outside when another waits for it (reel_deferred_wait,
 * reel_gather, reel_await): it is theirs then. NULL is fine. */
void reel_deferred_drop(struct reel_deferred *d);

/* Cancels it unless its callbacks have run `timeout_ns` from now; they hear -ETIMEDOUT in place of
 * -ECANCELED. Again: the new time counts; 0 or less: none. 0 or -ENOMEM. */
int reel_deferred_timeout(struct reel_deferred *d, int64_t timeout_ns);

/* Whether the maker has fired, or a cancel did in his place. */
bool reel_deferred_is_fired(const struct reel_deferred *d);

/* ---- the maker's side ---- */

/* A deferred, to be given out, with `state_size` zeroed bytes for the maker, which live as long as
 * it. `cancel` (may be NULL) is called when the taker cancels, at once: it may fire. If it does not,
 * the callbacks hear -ECANCELED, and what the maker fires later is released unheard.
 * The maker fires once in every case, but not after the reactor is freed: that cancels first. NULL:
 * out of memory, or the reactor is being freed. */
struct reel_deferred *reel_deferred_new(struct reel_reactor *r,
                                        void (*cancel)(struct reel_deferred *d), size_t state_size);
void *reel_deferred_state(struct reel_deferred *d);

/* In `cancel`: the maker cannot stop at once, and the callbacks wait until he fires. For work that
 * uses the taker's memory. `cancel` may be called again then. */
void reel_deferred_fires_later(struct reel_deferred *d);
struct reel_reactor *reel_deferred_reactor(const struct reel_deferred *d);

/* Fires: the value, or the error (below 0; `why_z` a static sentence or NULL). Once, asserted. The
 * deferred and the state are not the maker's any more after this turn. */
void reel_deferred_callback(struct reel_deferred *d, int64_t number, void *pointer,
                            void (*release)(void *pointer));
void reel_deferred_errback(struct reel_deferred *d, int error, const char *why_z);

/* Deferreds that have fired. NULL: out of memory, and the object was released. */
struct reel_deferred *reel_deferred_succeed(struct reel_reactor *r, int64_t number, void *pointer,
                                            void (*release)(void *pointer));
struct reel_deferred *reel_deferred_fail(struct reel_reactor *r, int error, const char *why_z);

/* Fires with the value 0 after `delay_ns`: Twisted's deferLater. NULL: out of memory. */
struct reel_deferred *reel_deferred_sleep(struct reel_reactor *r, int64_t delay_ns);

/* ---- several ---- */

enum reel_gather_mode {
    REEL_GATHER_ALL, /* all values; or the first error, and the rest is cancelled */
    REEL_GATHER_ANY, /* the first value, and the rest is cancelled; or, all failed, the last error */
    REEL_GATHER_EACH, /* all results, errors among them: never fails by itself */
};

/* The object of ALL and EACH; `number` is the count. Released with the result. (That of ANY is the
 * winner's own result, its place in `list` is lost.) */
struct reel_gathered {
    size_t count;
    struct reel_result results[]; /* in the order of the list */
};

/* One deferred for many. Lets go of all `count` of `list` (fewer than REEL_GATHER_MAX; NULL among
 * them counts as -ENOMEM), in every case. Cancelling it cancels them. ALL and EACH of none have the
 * empty value; ANY of none fails with -EINVAL. NULL: out of memory, they are cancelled. */
struct reel_deferred *reel_gather(struct reel_reactor *r, enum reel_gather_mode mode,
                                  struct reel_deferred *const *list, size_t count);

#define REEL_GATHER_MAX ((size_t)1 << 20)

#ifdef __cplusplus
}
#endif

#endif
