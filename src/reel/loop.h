/* The reactor from the inside. */
#ifndef REEL_LOOP_H
#define REEL_LOOP_H

#include "reel/backend.h"
#include "reel/chunk.h"
#include "reel/heap.h"
#include "reel/list.h"
#include "reel/spin.h"

#include <reel/reactor.h>
#include <reel/shutdown.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct datagram_hub;
struct network;
struct reel_name;
struct reel_resolver;
struct reel_test_host;
struct reel_transport;
struct uring;

enum {
    EVENTS_MAX = 256,    /* readiness events a turn */
    SIGNAL_NUMBERS = 65, /* 1 to 64 */
};

/* Stacks for fibers: those that are free, and how many are in use. */
struct fiber_stacks {
    struct idle_stack *idle;
    size_t idle_count, live, max;
    size_t stack_size; /* a multiple of the page's */
};

/* Who is asked for names (resolver.c). */
struct name_service {
    struct reel_link resolvers;        /* all */
    struct reel_resolver *own, *other; /* NULL: not made yet; nobody else is asked */
    const struct reel_name *table;     /* in place of them; NULL: none */
    size_t table_count;
};

/* Transports that wait for something in the next turn, first come first served. */
struct transport_queue {
    struct reel_transport *first, **end;
};

struct reel_reactor {
    const struct backend_ops *backend;
    struct reel_allocator allocator;
    uint8_t *read_buffer; /* REEL_READ_MAX bytes, one for all connections */
    size_t keep_max; /* of the `data` being called: what reel_need_more asked for; 0: nothing */
    int64_t now_ns;
    struct turn_arena arena;
    struct transport_queue ready;  /* has something to do although no event will say so */
    struct transport_queue unsent; /* has written in this turn */
    struct reel_link dying;        /* transports to be buried at the end of the turn */
    struct reel_link transports;   /* all others */
    struct reel_link listeners, dead_listeners;
    struct reel_link parts;         /* part.h */
    struct datagram_hub *datagrams; /* dgram.h; NULL: there was none yet */
    struct reel_link idles, hooks, watches, signals;
    struct timer_heap timers;
    struct reel_link deferreds; /* results for later, not yet freed */
    struct reel_fiber *fiber;   /* the one that runs, or NULL */
    struct fiber_stacks fibers;
    struct reel_pool *pool;     /* the application's, or NULL ... */
    struct reel_pool *own_pool; /* ... and then this, from its first use on */
    struct name_service names;
    struct reel_link triggers[REEL_PHASES];
    struct shutdown *shutdown; /* NULL: goes on */
    struct reel_call *deferred, **deferred_end;
    _Atomic(struct reel_call *) posted; /* newest first */
    atomic_bool stop;
    bool in_turn; /* else the cached time may be old */
    bool ending;  /* being freed: nothing may begin */
    bool backend_only;

    /* epoll */
    int epoll_fd;
    int wake_fd; /* eventfd: a post or a stop; -1 in virtual time */
    struct source wake;
    struct epoll_event events[EVENTS_MAX];
    int event_at, event_count; /* the batch being handled */
    int64_t spin_ns;
    struct spin spin;

    struct uring *uring; /* NULL: epoll has it all */

    /* virtual time */
    int64_t virtual_ns, virtual_wall_us;
    struct network *network;            /* NULL: there is none */
    const struct reel_test_host *hosts; /* who can be connected to */
    size_t host_count;

    int signal_fd; /* -1: no signal is watched */
    struct source signal_source;
    uint32_t signal_round; /* counts deliveries: each watcher is told once */
    bool signal_was_blocked[SIGNAL_NUMBERS];
    int reserve_fd; /* given up for a moment when descriptors run out; -1 */

    int64_t wall_us;
    uint64_t wall_turn; /* the turn in which wall_us was read */
    struct reel_metrics metrics;
    reel_handle_fn on_leak;
    void *on_leak_context;
    void (*on_unhandled)(void *context, int error, const char *why_z);
    void *on_unhandled_context;
};

/* Memory by the reactor's allocator. NULL: out of memory. */
void *reel_memory_new(struct reel_reactor *r, size_t size);
void *reel_memory_new_zeroed(struct reel_reactor *r, size_t size);
void *reel_memory_resize(struct reel_reactor *r, void *memory, size_t size);
void reel_memory_free(struct reel_reactor *r, void *memory);

/* A reactor on a given backend; see reel_reactor_new. */
struct reel_reactor *reel_reactor_open(const struct reel_reactor_options *options,
                                       const struct backend_ops *backend);

/* One turn; the number of events or -errno. */
int reel_turn(struct reel_reactor *r, int64_t timeout_ns);

/* Sends all that was written in this turn: then nothing lies in the turn's arena any more. */
void reel_flush_all(struct reel_reactor *r);

/* Whether a turn would find something to do at this instant without waiting. */
bool reel_has_work(const struct reel_reactor *r);

/* Runs what threads have posted, and what was deferred before this moment (calls.c). */
void reel_run_posted(struct reel_reactor *r);
void reel_run_deferred(struct reel_reactor *r);
void reel_run_idles(struct reel_reactor *r);
void reel_run_hooks(struct reel_reactor *r);

/* Stops all signals and gives the descriptor back; registers it anew after a fork. */
void reel_signals_fini(struct reel_reactor *r);
int reel_signals_after_fork(struct reel_reactor *r);
int reel_watches_after_fork(struct reel_reactor *r);

/* Closes all listeners; frees those that are closed. */
void reel_listeners_fini(struct reel_reactor *r);
void reel_listeners_bury(struct reel_reactor *r);
int reel_listeners_after_fork(struct reel_reactor *r);

/* Cancels all deferreds, calls what waits for them, and frees them; lists those that are alive. */
void reel_deferreds_fini(struct reel_reactor *r);
void reel_deferreds_each(struct reel_reactor *r, reel_handle_fn each, void *context);

void reel_fibers_init(struct reel_reactor *r, const struct reel_reactor_options *options);
void reel_fibers_fini(struct reel_reactor *r);
void reel_own_pool_fini(struct reel_reactor *r);

/* Frees all resolvers; what they have not answered hears -ECANCELED. */
void reel_resolvers_fini(struct reel_reactor *r);

/* Goes on with a graceful stop, if it can; forgets it, and the triggers. */
void reel_shutdown_look(struct reel_reactor *r);
void reel_shutdown_fini(struct reel_reactor *r);

/* Closes the listeners' sockets; the listeners stay, for those who hold them. */
void reel_listeners_shut(struct reel_reactor *r);

/* The name and descriptor of a listener, for lists of handles. */
void reel_listener_info(const struct reel_link *link, struct reel_handle_info *out);

#endif
