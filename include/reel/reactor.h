/* The reactor: one loop, one thread, any number of connections, timers and signals.
 *
 * A process may have several reactors, each run by one thread. Everything that belongs to a reactor
 * is called from its own thread only; the exceptions say so: reel_stop and reel_post.
 *
 * Results: 0 or a count is good, negative is -errno. Times are nanoseconds (reel/timer.h has
 * REEL_MS, REEL_SECOND). Who may free what, and when: docs/reel/lifetime.md.
 *
 * One turn of the loop, in order:
 *   1. sleep until something is ready, a timer is due, or somebody posted
 *   2. read the clock, once
 *   3. callbacks of what is ready: new connections, data, signals, watched descriptors
 *   4. due timers, ties in start order
 *   5. calls posted by other threads
 *   6. idle hooks
 *   7. deferred calls, hooks before sleep
 *   8. all writes of the turn are flushed, one system call a connection
 *   9. closed connections hear `lost` and are freed */
#ifndef REEL_REACTOR_H
#define REEL_REACTOR_H

#include <reel/link.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_pool;
struct reel_reactor;

/* Memory for one reactor and all that is on it. `resize` is realloc with a context: a NULL `memory`
 * allocates, a `size` of 0 frees (and returns NULL). NULL for a size above 0 is "out of memory",
 * which every function here reports as -ENOMEM or as a connection's loss. */
struct reel_allocator {
    void *(*resize)(void *context, void *memory, size_t size);
    void *context;
};

enum reel_handle_kind {
    REEL_HANDLE_TRANSPORT,
    REEL_HANDLE_LISTENER,
    REEL_HANDLE_TIMER, /* running */
    REEL_HANDLE_SIGNAL,
    REEL_HANDLE_WATCH,
    REEL_HANDLE_IDLE,
    REEL_HANDLE_DEFERRED, /* its last callback has not come yet */
    REEL_HANDLE_DATAGRAM,
    REEL_HANDLE_PROCESS,
    REEL_HANDLE_HTTP, /* a site */
    REEL_HANDLE_INOTIFY,
    REEL_HANDLE_RECONNECT, /* a reconnecting client */
};

/* One live thing on a reactor. */
struct reel_handle_info {
    enum reel_handle_kind kind;
    const char *name_z; /* protocol's name, or the kind's */
    int fd;             /* -1: has none */
    const void *handle; /* the transport, listener, timer ...: to tell them apart */
};

typedef void (*reel_handle_fn)(void *context, const struct reel_handle_info *info);

/* All fields may be left zero. */
struct reel_reactor_options {
    struct reel_allocator allocator; /* zero: malloc */
    const char *backend_z;           /* "epoll", "io_uring"; NULL: environment REEL_BACKEND, then
                                      * "epoll". Where the kernel refuses io_uring, epoll it is ... */
    bool backend_only;               /* ... but not with this: then there is no reactor */
    int64_t spin_ns;                 /* poll so long before sleeping, while traffic comes in gaps
                                      * shorter than this and it is found to cost no more CPU time;
                                      * 0: REEL_SPIN_DEFAULT_NS; negative: never */
    bool keep_sigpipe;               /* leave SIGPIPE alone; else it is ignored if at its default */
    reel_handle_fn on_leak;          /* called by reel_reactor_free for each handle still alive */
    void *on_leak_context;
    void (*on_unhandled)(void *context, int error, const char *why_z); /* a deferred ended with an
                                                  * error that nobody took; `why_z` may be NULL */
    void *on_unhandled_context;
    struct reel_pool *pool;  /* for jobs; NULL: its own, made at first use (reel/pool.h) */
    size_t fiber_stack_size; /* bytes; 0: REEL_FIBER_STACK_DEFAULT */
    size_t fibers_max;       /* at a time; 0: REEL_FIBERS_MAX_DEFAULT */
};

#define REEL_SPIN_DEFAULT_NS 50000

/* A reactor; `options` may be NULL. NULL with errno set: ENOMEM, EMFILE, EINVAL for a backend that
 * there is not, or with `backend_only` what the kernel said: ENOSYS, EPERM, EOPNOTSUPP (too old). */
struct reel_reactor *reel_reactor_new(const struct reel_reactor_options *options);

/* The backend that runs: "epoll", "io_uring", or "virtual" (reel/testing.h). docs/reel/backends.md
 * says when to choose which. */
const char *reel_backend_name(const struct reel_reactor *r);

/* Ends everything on it: each connection hears `lost(-ECANCELED)`, unsent bytes are dropped,
 * listeners are closed and freed, timers, signals and watches are stopped. Not from a callback.
 * NULL is fine. */
void reel_reactor_free(struct reel_reactor *r);

/* Turns until reel_stop. 0, or -errno when the kernel's polling itself failed. */
int reel_run(struct reel_reactor *r);

/* One turn. Waits at most `timeout_ns` (negative: as long as it takes) for something to happen.
 * The number of events handled, or -errno. For programs that have a loop of their own. */
int reel_run_once(struct reel_reactor *r, int64_t timeout_ns);

/* The descriptor that is readable when a turn has work: for embedding in another loop. */
int reel_backend_fd(const struct reel_reactor *r);

/* reel_run returns at the end of its turn. From callbacks, other threads and signal handlers.
 * A stop before reel_run ends it after its first turn. */
void reel_stop(struct reel_reactor *r);

/* The turn's time: monotonic nanoseconds, and microseconds since 1970. Read once a turn. */
int64_t reel_now_ns(const struct reel_reactor *r);
int64_t reel_wall_us(const struct reel_reactor *r);

/* Reads the clock now: after a long computation, before starting timers. */
void reel_refresh_clock(struct reel_reactor *r);

/* A call to be made later. It lives in the caller's memory, usually inside a struct of his, which
 * must stay until the call is made; from then on it is the caller's again. Not twice at a time. */
struct reel_call {
    void (*fn)(struct reel_call *call); /* set by the caller */
    struct reel_call *next;             /* the reactor's */
};

/* Calls `call->fn(call)` at the end of this turn (of the next one, when made during deferred calls
 * or later). In order. From the reactor's thread; never fails. */
void reel_defer(struct reel_reactor *r, struct reel_call *call);

/* Calls `call->fn(call)` in the reactor's thread, soon. From any thread; never fails, takes no lock.
 * Calls of one thread keep their order. What is still waiting when the reactor is freed is not
 * called. */
void reel_post(struct reel_reactor *r, struct reel_call *call);

/* Work for the CPU, in slices: while started, `run` is called once a turn and the reactor does not
 * sleep. `run` returns true when there is more to do. False stops the hook until it is started
 * again, and is also how a hook stops itself; it may have freed itself then. */
struct reel_idle {
    bool (*run)(struct reel_idle *idle);
    struct reel_reactor *reactor; /* these are the reactor's */
    struct reel_link link;
};

/* Fills it in; it is not started. */
void reel_idle_init(struct reel_idle *idle, struct reel_reactor *r,
                    bool (*run)(struct reel_idle *idle));
void reel_idle_start(struct reel_idle *idle); /* no effect when started */
void reel_idle_stop(struct reel_idle *idle);  /* no effect when stopped; then the memory is free */
bool reel_idle_is_active(const struct reel_idle *idle);

/* Called once a turn, before the turn's writes are flushed: for batching of one's own. */
struct reel_hook {
    void (*run)(struct reel_hook *hook);
    struct reel_reactor *reactor; /* these are the reactor's */
    struct reel_link link;
};

/* Fills it in and starts it. A hook may stop itself. */
void reel_before_sleep_start(struct reel_hook *hook, struct reel_reactor *r,
                             void (*run)(struct reel_hook *hook));
void reel_before_sleep_stop(struct reel_hook *hook); /* no effect when stopped */

/* A descriptor of somebody else's (a library's socket, a pidfd, an inotify): level-triggered.
 * `events` are EPOLLIN, EPOLLOUT, EPOLLPRI; `ready` is told these and EPOLLERR, EPOLLHUP. */
struct reel_watch {
    void (*ready)(struct reel_watch *watch, uint32_t events);
    struct reel_reactor *reactor; /* these are the reactor's */
    struct reel_link link;
    const void *source;
    uint32_t events;
    int fd;
};

/* 0, or -errno of the registration (-EEXIST: the reactor has this descriptor; -EPERM: a file). The
 * descriptor stays the caller's; stop before closing it. */
int reel_watch_start(struct reel_watch *watch, struct reel_reactor *r, int fd, uint32_t events,
                     void (*ready)(struct reel_watch *watch, uint32_t events));
/* Other events from now on. 0 or -errno. */
int reel_watch_change(struct reel_watch *watch, uint32_t events);
void reel_watch_stop(
    struct reel_watch *watch); /* no effect when stopped; then the memory is free */

struct reel_metrics {
    uint64_t turns;
    uint64_t events;     /* readiness events */
    uint64_t accepted;   /* connections */
    uint64_t refused;    /* connections dropped for want of descriptors or memory */
    uint64_t posted;     /* calls from threads */
    int64_t busy_ns;     /* time outside the wait, all turns */
    int64_t lag_ns;      /* busy time of the last turn: how long others had to wait */
    int64_t lag_max_ns;  /* of all turns */
    size_t connections;  /* live transports */
    size_t queued_bytes; /* output waiting for slow readers */
    size_t timers;       /* running */
    size_t deferreds;    /* live: the memory of results that are awaited or not yet fired */
    uint64_t unhandled;  /* deferreds that ended with an error that nobody took */
};

/* The numbers as they are now. */
void reel_metrics(const struct reel_reactor *r, struct reel_metrics *out);

/* Calls `each` for everything alive on the reactor; it must not open or close anything. */
void reel_each_handle(struct reel_reactor *r, reel_handle_fn each, void *context);

/* In the child after fork, before anything else on the reactor: gives it descriptors of its own, so
 * that parent and child do not take each other's events. Connections and listeners go on in both;
 * close in one what the other is to keep. 0 or -errno. */
int reel_after_fork(struct reel_reactor *r);

#ifdef __cplusplus
}
#endif

#endif
