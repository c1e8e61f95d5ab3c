#include <reel/reconnect.h>

#include "reel/part.h"
#include "reel/stream.h"

#include <reel/deferred.h>
#include <reel/endpoint.h>

#include <errno.h>
#include <string.h>
#include <sys/random.h>

struct reel_reconnect {
    struct reel_reactor *reactor;
    struct reactor_part part;
    struct stream_end end; /* of `t` */
    struct reel_transport *t;
    const struct reel_factory *factory;
    struct reel_reconnect_options options;
    struct reel_timer timer; /* until the next attempt */
    struct reel_link waiters;
    uint64_t random;
    double wait_ns;
    int64_t made_ns;
    uint32_t failures;
    int reason;
    bool started, is_made;
    char endpoint_z[REEL_ENDPOINT_MAX + 1];
};

/* Somebody who wants a connection: the state of his deferred. */
struct waiter {
    struct reel_link link;
    struct reel_deferred *d;
    uint32_t failures_left; /* 0: any number */
};

/* ---- Those who wait ---- */

static void cancel_waiter(struct reel_deferred *d)
{
    struct waiter *waiter = reel_deferred_state(d);
    list_remove(&waiter->link);
    reel_deferred_errback(d, -ECANCELED, "cancelled");
}

static void give_to_all(struct reel_reconnect *c)
{
    struct reel_link *link = NULL;
    while ((link = list_take(&c->waiters)))
        reel_deferred_callback(CONTAINER_OF(link, struct waiter, link)->d, 0, c->t, NULL);
}

static void fail_all(struct reel_reconnect *c, int error)
{
    struct reel_link *link = NULL;
    while ((link = list_take(&c->waiters)))
        reel_deferred_errback(CONTAINER_OF(link, struct waiter, link)->d, error, NULL);
}

static void count_for_all(struct reel_reconnect *c, int error)
{
    struct reel_link *next = NULL;
    for (struct reel_link *link = c->waiters.next; link != &c->waiters; link = next) {
        struct waiter *waiter = CONTAINER_OF(link, struct waiter, link);
        next = link->next;
        if (waiter->failures_left == 0 || --waiter->failures_left > 0)
            continue;
        list_remove(link);
        reel_deferred_errback(waiter->d, error, NULL);
    }
}

struct reel_deferred *reel_reconnect_when_connected(struct reel_reconnect *c, uint32_t failures_max)
{
    if (c->is_made)
        return reel_deferred_succeed(c->reactor, 0, c->t, NULL);
    struct reel_deferred *d = reel_deferred_new(c->reactor, cancel_waiter, sizeof(struct waiter));
    if (!d)
        return NULL;
    struct waiter *waiter = reel_deferred_state(d);
    *waiter = (struct waiter){.d = d, .failures_left = failures_max};
    list_put(&c->waiters, &waiter->link);
    return d;
}

/* ---- Waits ---- */

/* SplitMix64 (Steele, Lea, Flood 2014), as a share from -1 to 1. */
static double next_share(struct reel_reconnect *c)
{
    uint64_t x = c->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return (double)(x >> 11) / (double)(UINT64_C(1) << 52) - 1.0;
}

static void begin_anew(struct reel_reconnect *c)
{
    c->wait_ns = (double)c->options.first_ns;
    c->failures = 0;
    c->reason = 0;
}

static void wait_and_try(struct reel_reconnect *c)
{
    double wait_ns = c->wait_ns * (1.0 + next_share(c) * c->options.jitter);
    double longer_ns = c->wait_ns * c->options.factor;
    double max_ns = (double)c->options.max_ns;
    c->wait_ns = longer_ns < max_ns ? longer_ns : max_ns;
    reel_timer_start(&c->timer, (int64_t)wait_ns);
}

/* ---- Attempts ---- */

static void on_failure(struct reel_reconnect *c, int reason)
{
    c->failures++;
    c->reason = reason;
    count_for_all(c, reason);
    if (c->options.tries_max && c->failures >= c->options.tries_max) {
        c->started = false;
        fail_all(c, reason);
    } else {
        wait_and_try(c);
    }
}

static void on_made(struct stream_end *end, struct reel_transport *t)
{
    struct reel_reconnect *c = CONTAINER_OF(end, struct reel_reconnect, end);
    c->is_made = true;
    c->made_ns = t->reactor->now_ns;
    c->failures = 0;
    c->reason = 0;
    give_to_all(c);
}

static void on_over(struct stream_end *end, struct reel_transport *t)
{
    struct reel_reconnect *c = CONTAINER_OF(end, struct reel_reconnect, end);
    bool was_made = c->is_made;
    c->t = NULL;
    c->is_made = false;
    if (!c->started || c->reactor->ending)
        return;
    if (!was_made) {
        on_failure(c, t->reason < 0 ? t->reason : -ECONNABORTED);
        return;
    }
    if (c->reactor->now_ns - c->made_ns >= c->options.lasted_ns)
        begin_anew(c);
    wait_and_try(c);
}

static void on_time(struct reel_timer *timer)
{
    struct reel_reconnect *c = CONTAINER_OF(timer, struct reel_reconnect, timer);
    struct reel_transport *t = NULL;
    if (c->t) { /* of before a stop: it is still closing */
        wait_and_try(c);
        return;
    }
    int err = reel_connect(c->reactor, c->endpoint_z, c->factory, &t);
    if (err == 0 && reel_stream_add_end(t, &c->end) < 0) {
        reel_abort_as(t, -ENOMEM);
        err = -ENOMEM;
    }
    if (err < 0)
        on_failure(c, err);
    else
        c->t = t;
}

static void drop_waits(struct reel_reconnect *c)
{
    reel_timer_stop(&c->timer);
    c->started = false;
    if (c->t && c->is_made)
        reel_close(c->t);
    else if (c->t)
        reel_abort(c->t);
    fail_all(c, -ECANCELED);
}

void reel_reconnect_start(struct reel_reconnect *c)
{
    if (c->started)
        return;
    c->started = true;
    begin_anew(c);
    reel_timer_start(&c->timer, 0);
}

void reel_reconnect_stop(struct reel_reconnect *c)
{
    drop_waits(c);
}

bool reel_reconnect_is_started(const struct reel_reconnect *c)
{
    return c->started;
}

struct reel_transport *reel_reconnect_transport(const struct reel_reconnect *c)
{
    return c->is_made ? c->t : NULL;
}

uint32_t reel_reconnect_failures(const struct reel_reconnect *c, int *reason)
{
    if (reason)
        *reason = c->reason;
    return c->failures;
}

/* ---- Its life ---- */

static void part_info(const struct reactor_part *part, struct reel_handle_info *out)
{
    const struct reel_reconnect *c = CONTAINER_OF(part, struct reel_reconnect, part);
    *out = (struct reel_handle_info){REEL_HANDLE_RECONNECT, "reconnecting client", -1, c};
}

static void part_end(struct reactor_part *part)
{
    reel_reconnect_free(CONTAINER_OF(part, struct reel_reconnect, part));
}

static int part_after_fork(struct reactor_part *part)
{
    (void)part;
    return 0;
}

static const struct part_ops part_ops = {part_info, part_end, part_after_fork};

static bool set_options(struct reel_reconnect *c, const struct reel_reconnect_options *from)
{
    struct reel_reconnect_options *o = &c->options;
    if (from)
        *o = *from;
    o->first_ns = o->first_ns ? o->first_ns : REEL_RECONNECT_FIRST_NS;
    o->max_ns = o->max_ns ? o->max_ns : REEL_RECONNECT_MAX_NS;
    o->lasted_ns = o->lasted_ns ? o->lasted_ns : REEL_RECONNECT_LASTED_NS;
    o->factor = o->factor != 0 ? o->factor : REEL_RECONNECT_FACTOR;
    o->jitter = o->jitter != 0 ? o->jitter : REEL_RECONNECT_JITTER;
    o->jitter = o->jitter > 0 ? o->jitter : 0;
    c->random = o->seed;
    if (!c->random && getrandom(&c->random, sizeof(c->random), GRND_NONBLOCK) < 0)
        c->random = (uint64_t)c->reactor->now_ns; /* early after boot */
    return o->first_ns > 0 && o->max_ns >= o->first_ns && o->lasted_ns > 0 && o->factor >= 1 &&
           o->jitter < 1;
}

int reel_reconnect_new(struct reel_reactor *r, const char *endpoint_z,
                       const struct reel_factory *factory,
                       const struct reel_reconnect_options *options, struct reel_reconnect **out)
{
    struct reel_endpoint endpoint;
    int err = r->ending ? -ECANCELED : reel_endpoint_parse_client(endpoint_z, &endpoint, NULL);
    if (err < 0)
        return err;
    struct reel_reconnect *c = reel_memory_new_zeroed(r, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->reactor = r;
    c->factory = factory;
    c->end = (struct stream_end){.over = on_over, .made = on_made};
    memcpy(c->endpoint_z, endpoint_z, strlen(endpoint_z) + 1);
    list_init(&c->waiters);
    err = set_options(c, options) ? reel_timer_init(&c->timer, r, on_time) : -EINVAL;
    if (err < 0) {
        reel_memory_free(r, c);
        return err;
    }
    reel_part_join(r, &c->part, &part_ops);
    *out = c;
    return 0;
}

void reel_reconnect_free(struct reel_reconnect *c)
{
    if (!c)
        return;
    drop_waits(c);
    if (c->t)
        reel_stream_remove_end(c->t, &c->end);
    reel_timer_fini(&c->timer);
    list_remove(&c->part.link);
    reel_memory_free(c->reactor, c);
}
