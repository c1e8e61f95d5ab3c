/* Calls for later, and what is called every turn. */
#include "reel/loop.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

void reel_defer(struct reel_reactor *r, struct reel_call *call)
{
    call->next = NULL;
    if (r->ending)
        return; /* no call will come; and those that wait may be gone with what they are part of */
    *r->deferred_end = call;
    r->deferred_end = &call->next;
}

void reel_run_deferred(struct reel_reactor *r)
{
    struct reel_call *call = r->deferred;
    r->deferred = NULL;
    r->deferred_end = &r->deferred;
    while (call) {
        struct reel_call *next = call->next; /* the call may free itself */
        call->fn(call);
        call = next;
    }
}

/* May run in a signal handler: errno is kept. A full counter means that it is awake anyway. */
static void wake(struct reel_reactor *r)
{
    if (r->wake_fd < 0)
        return;
    int saved = errno;
    uint64_t one = 1;
    ssize_t n = write(r->wake_fd, &one, sizeof(one));
    (void)n;
    errno = saved;
}

void reel_post(struct reel_reactor *r, struct reel_call *call)
{
    struct reel_call *first = atomic_load_explicit(&r->posted, memory_order_relaxed);
    do {
        call->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&r->posted, &first, call, memory_order_release,
                                                    memory_order_relaxed));
    if (!first) /* the first of a batch; the others ride along */
        wake(r);
}

void reel_run_posted(struct reel_reactor *r)
{
    if (!atomic_load_explicit(&r->posted, memory_order_relaxed))
        return;
    struct reel_call *newest = atomic_exchange_explicit(&r->posted, NULL, memory_order_acquire);
    struct reel_call *oldest = NULL;
    while (newest) {
        struct reel_call *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct reel_call *next = oldest->next;
        r->metrics.posted++;
        oldest->fn(oldest);
        oldest = next;
    }
}

void reel_stop(struct reel_reactor *r)
{
    atomic_store(&r->stop, true);
    wake(r);
}

void reel_idle_init(struct reel_idle *idle, struct reel_reactor *r,
                    bool (*run)(struct reel_idle *idle))
{
    *idle = (struct reel_idle){.run = run, .reactor = r};
}

void reel_idle_start(struct reel_idle *idle)
{
    if (!link_is_in_list(&idle->link))
        list_put(&idle->reactor->idles, &idle->link);
}

void reel_idle_stop(struct reel_idle *idle)
{
    list_remove(&idle->link);
}

bool reel_idle_is_active(const struct reel_idle *idle)
{
    return link_is_in_list(&idle->link);
}

/* A hook that says it has no more to do may be gone by then, so it is taken out before the call
 * and put back after it only if it wants more. Started again meanwhile, it is in the list. */
static void run_idle(struct reel_reactor *r, struct reel_idle *idle)
{
    if (idle->run(idle) && !link_is_in_list(&idle->link))
        list_put(&r->idles, &idle->link);
}

void reel_run_idles(struct reel_reactor *r)
{
    struct reel_link round;
    list_move_all(&r->idles, &round);
    struct reel_link *link = NULL;
    while ((link = list_take(&round)))
        run_idle(r, CONTAINER_OF(link, struct reel_idle, link));
}

void reel_before_sleep_start(struct reel_hook *hook, struct reel_reactor *r,
                             void (*run)(struct reel_hook *hook))
{
    *hook = (struct reel_hook){.run = run, .reactor = r};
    list_put(&r->hooks, &hook->link);
}

void reel_before_sleep_stop(struct reel_hook *hook)
{
    list_remove(&hook->link);
}

void reel_run_hooks(struct reel_reactor *r)
{
    struct reel_link round;
    list_move_all(&r->hooks, &round);
    struct reel_link *link = NULL;
    while ((link = list_take(&round))) {
        list_put(&r->hooks, link); /* first: the call may stop it, and then it is the caller's */
        struct reel_hook *hook = CONTAINER_OF(link, struct reel_hook, link);
        hook->run(hook);
    }
}
