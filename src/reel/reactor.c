#include "reel/dgram.h"
#include "reel/loop.h"
#include "reel/network.h"
#include "reel/part.h"
#include "reel/stream.h"

#include <reel/signal.h>

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *resize_by_malloc(void *context, void *memory, size_t size)
{
    (void)context;
    if (size)
        return realloc(memory, size);
    free(memory);
    return NULL;
}

static void ignore_sigpipe(void)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
        action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, NULL);
    }
}

static void init(struct reel_reactor *r, const struct reel_reactor_options *options,
                 const struct backend_ops *backend)
{
    r->backend = backend;
    r->backend_only = options->backend_only;
    r->on_leak = options->on_leak;
    r->on_leak_context = options->on_leak_context;
    r->on_unhandled = options->on_unhandled;
    r->on_unhandled_context = options->on_unhandled_context;
    r->spin_ns = options->spin_ns ? options->spin_ns : REEL_SPIN_DEFAULT_NS;
    r->ready.end = &r->ready.first;
    r->unsent.end = &r->unsent.first;
    r->deferred_end = &r->deferred;
    struct reel_link *const lists[] = {&r->dying,          &r->transports,     &r->listeners,
                                       &r->dead_listeners, &r->idles,          &r->hooks,
                                       &r->watches,        &r->signals,        &r->deferreds,
                                       &r->parts,          &r->names.resolvers};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        list_init(lists[i]);
    for (int phase = 0; phase < REEL_PHASES; phase++)
        list_init(&r->triggers[phase]);
    reel_fibers_init(r, options);
    r->pool = options->pool;
    atomic_init(&r->posted, NULL);
    atomic_init(&r->stop, false);
    r->epoll_fd = r->wake_fd = r->signal_fd = r->reserve_fd = -1;
    r->wall_turn = UINT64_MAX;
}

struct reel_reactor *reel_reactor_open(const struct reel_reactor_options *options,
                                       const struct backend_ops *backend)
{
    static const struct reel_reactor_options defaults = {0};
    options = options ? options : &defaults;
    struct reel_allocator allocator = options->allocator;
    if (!allocator.resize)
        allocator.resize = resize_by_malloc;
    struct reel_reactor *r = allocator.resize(allocator.context, NULL, sizeof(*r));
    int err = -ENOMEM;
    if (!r)
        goto out;
    memset(r, 0, sizeof(*r));
    r->allocator = allocator;
    init(r, options, backend);
    r->read_buffer = reel_memory_new(r, REEL_READ_MAX);
    if (!r->read_buffer)
        goto out;
    err = backend->open(r);
    if (err < 0)
        goto out;
    if (!options->keep_sigpipe)
        ignore_sigpipe();
    reel_refresh_clock(r);
    return r;
out:
    reel_reactor_free(r);
    errno = -err;
    return NULL;
}

static const struct backend_ops *find_backend(const char *name_z)
{
    static const struct backend_ops *const backends[] = {&reel_backend_epoll, &reel_backend_uring};
    if (!name_z || !*name_z)
        return &reel_backend_epoll;
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
        if (strcmp(backends[i]->name_z, name_z) == 0)
            return backends[i];
    return NULL;
}

struct reel_reactor *reel_reactor_new(const struct reel_reactor_options *options)
{
    const char *name_z = options ? options->backend_z : NULL;
    const struct backend_ops *backend = find_backend(name_z ? name_z : getenv("REEL_BACKEND"));
    if (!backend) {
        errno = EINVAL;
        return NULL;
    }
    struct reel_reactor *r = reel_reactor_open(options, backend);
    bool only = options && options->backend_only;
    if (r || only || backend == &reel_backend_epoll)
        return r;
    return reel_reactor_open(options, &reel_backend_epoll);
}

const char *reel_backend_name(const struct reel_reactor *r)
{
    return r->backend->name_z;
}

void reel_reactor_free(struct reel_reactor *r)
{
    if (!r)
        return;
    if (r->on_leak)
        reel_each_handle(r, r->on_leak, r->on_leak_context);
    r->ending = true;
    reel_streams_fini(r);
    reel_parts_fini(r);
    reel_datagrams_fini(r);
    reel_resolvers_fini(r);
    reel_deferreds_fini(r);
    reel_fibers_fini(r);
    reel_own_pool_fini(r);
    reel_shutdown_fini(r);
    reel_listeners_fini(r);
    reel_signals_fini(r);
    if (r->network)
        r->network->free(r->network);
    list_clear(&r->watches);
    list_clear(&r->idles);
    list_clear(&r->hooks);
    reel_heap_fini(r);
    reel_arena_fini(r);
    r->backend->close(r);
    reel_memory_free(r, r->read_buffer);
    struct reel_allocator allocator = r->allocator;
    allocator.resize(allocator.context, r, 0);
}

void reel_refresh_clock(struct reel_reactor *r)
{
    r->now_ns = r->backend->now_ns(r);
    r->wall_turn = UINT64_MAX;
}

int64_t reel_now_ns(const struct reel_reactor *r)
{
    return r->now_ns;
}

/* Asked for rarely, so it is read when the first one asks in a turn. */
int64_t reel_wall_us(const struct reel_reactor *r)
{
    struct reel_reactor *own = (struct reel_reactor *)r;
    if (own->wall_turn != own->metrics.turns) {
        own->wall_us = own->backend->wall_us(own);
        own->wall_turn = own->metrics.turns;
    }
    return own->wall_us;
}

bool reel_has_work(const struct reel_reactor *r)
{
    return r->ready.first || r->unsent.first || r->deferred || !list_is_empty(&r->idles) ||
           !list_is_empty(&r->dying) || !list_is_empty(&r->dead_listeners) ||
           (r->datagrams && reel_datagrams_have_work(r)) ||
           atomic_load_explicit(&r->posted, memory_order_relaxed) ||
           atomic_load_explicit(&r->stop, memory_order_relaxed);
}

static int64_t time_to_sleep(struct reel_reactor *r, int64_t timeout_ns)
{
    if (timeout_ns == 0 || reel_has_work(r))
        return 0;
    int64_t next_ns = reel_heap_next_ns(&r->timers);
    if (next_ns == INT64_MAX)
        return timeout_ns;
    int64_t left_ns = next_ns > r->now_ns ? next_ns - r->now_ns : 0;
    return timeout_ns < 0 || left_ns < timeout_ns ? left_ns : timeout_ns;
}

void reel_flush_all(struct reel_reactor *r)
{
    reel_streams_flush(r);
    if (r->datagrams)
        reel_datagrams_flush(r);
}

/* The turn's end: what was collected goes out, what was closed goes away. `lost` may write to
 * others, so the two take turns; each round buries somebody, so there is an end. */
static void finish_turn(struct reel_reactor *r)
{
    reel_run_deferred(r);
    reel_run_hooks(r);
    reel_flush_all(r);
    while (!list_is_empty(&r->dying) || (r->datagrams && reel_datagrams_are_dying(r))) {
        reel_streams_bury(r);
        if (r->datagrams)
            reel_datagrams_bury(r);
        reel_flush_all(r);
    }
    if (r->backend->submit)
        r->backend->submit(r);
    reel_arena_reset(r);
    reel_listeners_bury(r);
}

int reel_turn(struct reel_reactor *r, int64_t timeout_ns)
{
    assert(!r->fiber);
    int count = r->backend->wait(r, time_to_sleep(r, timeout_ns));
    reel_refresh_clock(r);
    if (count < 0)
        return count;
    int64_t begin_ns = r->now_ns;
    r->in_turn = true;
    r->metrics.turns++;
    r->metrics.events += (uint64_t)count;
    reel_streams_run(r);
    if (r->datagrams)
        reel_datagrams_run(r);
    r->backend->dispatch(r, count);
    reel_heap_run(r);
    reel_run_posted(r);
    reel_run_idles(r);
    finish_turn(r);
    if (r->shutdown)
        reel_shutdown_look(r);
    r->in_turn = false;
    r->metrics.lag_ns = r->backend->now_ns(r) - begin_ns;
    r->metrics.busy_ns += r->metrics.lag_ns;
    if (r->metrics.lag_ns > r->metrics.lag_max_ns)
        r->metrics.lag_max_ns = r->metrics.lag_ns;
    return count;
}

int reel_run_once(struct reel_reactor *r, int64_t timeout_ns)
{
    reel_refresh_clock(r); /* the caller's own loop may have taken its time */
    int count = reel_turn(r, timeout_ns);
    atomic_store(&r->stop, false);
    return count;
}

int reel_run(struct reel_reactor *r)
{
    reel_refresh_clock(r);
    int count = 0;
    do
        count = reel_turn(r, -1);
    while (count >= 0 && !atomic_load(&r->stop));
    atomic_store(&r->stop, false);
    return count < 0 ? count : 0;
}

int reel_backend_fd(const struct reel_reactor *r)
{
    return r->backend->fd((struct reel_reactor *)r);
}

void reel_metrics(const struct reel_reactor *r, struct reel_metrics *out)
{
    *out = r->metrics;
    out->timers = r->timers.count - r->timers.stopped;
}

static void tell(reel_handle_fn each, void *context, enum reel_handle_kind kind, const char *name_z,
                 int fd, const void *handle)
{
    const struct reel_handle_info info = {kind, name_z, fd, handle};
    each(context, &info);
}

void reel_each_handle(struct reel_reactor *r, reel_handle_fn each, void *context)
{
    struct reel_link *link = NULL;
    for (link = r->transports.next; link != &r->transports; link = link->next) {
        const struct reel_transport *t = CONTAINER_OF(link, struct reel_transport, link);
        const char *name_z = t->protocol->name_z ? t->protocol->name_z : "transport";
        tell(each, context, REEL_HANDLE_TRANSPORT, name_z, t->fd, t);
    }
    for (link = r->listeners.next; link != &r->listeners; link = link->next) {
        struct reel_handle_info info;
        reel_listener_info(link, &info);
        each(context, &info);
    }
    for (uint32_t i = 0; i < r->timers.count; i++)
        if (r->timers.nodes[i].timer)
            tell(each, context, REEL_HANDLE_TIMER, "timer", -1, r->timers.nodes[i].timer);
    for (link = r->signals.next; link != &r->signals; link = link->next)
        tell(each, context, REEL_HANDLE_SIGNAL, "signal", r->signal_fd,
             CONTAINER_OF(link, struct reel_signal, link));
    for (link = r->watches.next; link != &r->watches; link = link->next) {
        const struct reel_watch *watch = CONTAINER_OF(link, struct reel_watch, link);
        tell(each, context, REEL_HANDLE_WATCH, "watch", watch->fd, watch);
    }
    for (link = r->idles.next; link != &r->idles; link = link->next)
        tell(each, context, REEL_HANDLE_IDLE, "idle", -1,
             CONTAINER_OF(link, struct reel_idle, link));
    reel_deferreds_each(r, each, context);
    reel_parts_each(r, each, context);
}

int reel_after_fork(struct reel_reactor *r)
{
    r->backend->close(r);
    int err = r->backend->open(r);
    if (err == 0)
        err = reel_listeners_after_fork(r);
    if (err == 0)
        err = reel_watches_after_fork(r);
    if (err == 0)
        err = reel_signals_after_fork(r);
    if (err == 0)
        err = reel_parts_after_fork(r);
    return err < 0 ? err : reel_streams_after_fork(r);
}
