#include <reel/deferred.h>

#include "reel/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>

struct step {
    reel_deferred_fn on_value, on_error;
    void *context;
};

/* Freed when the chain has been delivered, the maker has fired and no call of the loop is under
 * way to it. The steps are a ring: those that ran make room for those they add. */
struct reel_deferred {
    struct reel_call call;
    struct reel_link link; /* in the reactor's list, until freed */
    struct reel_reactor *r;
    void (*cancel)(struct reel_deferred *d);
    struct reel_deferred *inner, *outer; /* whom it waits for, who waits for it */
    struct reel_result result;
    struct reel_timer timer;
    reel_deferred_fn last;
    void *last_context;
    uint8_t first_step, step_count;
    bool has_result; /* fired, or cancelled in its place */
    bool fired;      /* by the maker: his part is over */
    bool ended;      /* the taker let go of it */
    bool scheduled;  /* its call is with the loop */
    bool running;    /* a step is being called */
    bool delivered;  /* the last callback was called */
    bool cancelling; /* the maker was told */
    bool fires_later;
    bool timed_out;
    bool dropped;
    struct step steps[REEL_DEFERRED_STEPS_MAX];
    alignas(max_align_t) uint8_t state[];
};

static const char why_cancelled[] = "cancelled";
static const char why_timed_out[] = "timed out";

void reel_result_release(struct reel_result *result)
{
    void (*release)(void *pointer) = result->release;
    void *pointer = result->pointer;
    result->pointer = NULL;
    result->release = NULL;
    if (release && pointer)
        release(pointer);
}

void reel_result_set_value(struct reel_result *result, int64_t number, void *pointer,
                           void (*release)(void *pointer))
{
    if (result->pointer != pointer)
        reel_result_release(result);
    *result = (struct reel_result){.number = number, .pointer = pointer, .release = release};
}

void reel_result_set_error(struct reel_result *result, int error, const char *why_z)
{
    assert(error < 0);
    reel_result_release(result);
    *result = (struct reel_result){.error = error, .why_z = why_z};
}

void *reel_result_take(struct reel_result *result)
{
    result->release = NULL;
    return result->pointer;
}

/* ---- the loop's side ---- */

/* A cancellation that the clock caused is told as what it is. */
static void set_result(struct reel_deferred *d, struct reel_result result)
{
    if (d->timed_out && result.error == -ECANCELED) {
        result.error = -ETIMEDOUT;
        result.why_z = why_timed_out;
    }
    d->result = result;
    d->has_result = true;
}

static void free_if_over(struct reel_deferred *d)
{
    if (!d->delivered || !d->fired || d->scheduled)
        return;
    list_remove(&d->link);
    d->r->metrics.deferreds--;
    reel_memory_free(d->r, d);
}

static void run_step(struct reel_deferred *d)
{
    struct step step = d->steps[d->first_step];
    d->first_step = (uint8_t)((d->first_step + 1) % REEL_DEFERRED_STEPS_MAX);
    d->step_count--;
    reel_deferred_fn fn = d->result.error ? step.on_error : step.on_value;
    if (fn)
        fn(d, &d->result, step.context);
}

static void report_unhandled(struct reel_deferred *d)
{
    struct reel_reactor *r = d->r;
    r->metrics.unhandled++;
    if (r->on_unhandled)
        r->on_unhandled(r->on_unhandled_context, d->result.error, d->result.why_z);
}

/* The end of a chain; the deferred that goes on with the result, or NULL. */
static struct reel_deferred *deliver(struct reel_deferred *d)
{
    struct reel_deferred *outer = d->outer;
    d->delivered = true;
    reel_timer_fini(&d->timer);
    if (outer) {
        outer->inner = NULL;
        reel_result_release(&outer->result);
        set_result(outer, d->result);
        d->result = (struct reel_result){0};
    } else if (d->last)
        d->last(d, &d->result, d->last_context);
    else if (d->result.error && !d->dropped)
        report_unhandled(d);
    reel_result_release(&d->result);
    free_if_over(d);
    return outer;
}

/* Whether its steps can go on now. */
static bool is_ready(const struct reel_deferred *d)
{
    return d->has_result && !d->inner && !d->running && !d->delivered;
}

/* One deferred's steps, up to where it waits; the deferred to go on with, or NULL. */
static struct reel_deferred *run_steps(struct reel_deferred *d)
{
    if (!is_ready(d))
        return NULL;
    d->running = true;
    while (d->step_count && !d->inner)
        run_step(d);
    d->running = false;
    if (d->inner)
        return d->inner;
    return d->ended ? deliver(d) : NULL;
}

/* Down to those waited for and up to those who wait, in one loop: the longest chain needs no more
 * stack than the shortest. */
static void run(struct reel_deferred *d)
{
    while (d)
        d = run_steps(d);
}

static void on_call(struct reel_call *call)
{
    struct reel_deferred *d = CONTAINER_OF(call, struct reel_deferred, call);
    d->scheduled = false;
    if (d->delivered)
        free_if_over(d);
    else
        run(d);
}

static void schedule(struct reel_deferred *d)
{
    if (d->scheduled)
        return;
    d->scheduled = true;
    reel_defer(d->r, &d->call);
}

static void schedule_if_ready(struct reel_deferred *d)
{
    if (is_ready(d) && (d->step_count || d->ended))
        schedule(d);
}

/* ---- the taker's side ---- */

void reel_deferred_add_callbacks(struct reel_deferred *d, reel_deferred_fn on_value,
                                 reel_deferred_fn on_error, void *context)
{
    if (!d)
        return;
    assert(!d->ended || d->running);
    assert(!d->delivered);
    assert(d->step_count < REEL_DEFERRED_STEPS_MAX);
    size_t at = (size_t)(d->first_step + d->step_count++) % REEL_DEFERRED_STEPS_MAX;
    d->steps[at] = (struct step){on_value, on_error, context};
    schedule_if_ready(d);
}

void reel_deferred_add_callback(struct reel_deferred *d, reel_deferred_fn fn, void *context)
{
    reel_deferred_add_callbacks(d, fn, NULL, context);
}

void reel_deferred_add_errback(struct reel_deferred *d, reel_deferred_fn fn, void *context)
{
    reel_deferred_add_callbacks(d, NULL, fn, context);
}

void reel_deferred_add_both(struct reel_deferred *d, reel_deferred_fn fn, void *context)
{
    reel_deferred_add_callbacks(d, fn, fn, context);
}

static void let_go(struct reel_deferred *d)
{
    assert(!d->ended);
    d->ended = true;
}

void reel_deferred_wait(struct reel_deferred *d, struct reel_deferred *other)
{
    assert(d->running && !d->inner && d != other);
    if (!other) {
        reel_result_set_error(&d->result, -ENOMEM, NULL);
        return;
    }
    let_go(other);
    other->outer = d;
    d->inner = other;
}

int reel_deferred_done(struct reel_deferred *d, reel_deferred_fn fn, void *context)
{
    if (!d)
        return -ENOMEM;
    let_go(d);
    d->last = fn;
    d->last_context = context;
    schedule_if_ready(d);
    return 0;
}

void reel_deferred_forget(struct reel_deferred *d)
{
    reel_deferred_done(d, NULL, NULL);
}

/* Tells the maker; whether there is anything left to do. */
static bool tell_maker(struct reel_deferred *d)
{
    if (d->cancel && !d->cancelling) {
        d->cancelling = true;
        d->fires_later = false;
        d->cancel(d);
        d->cancelling = !d->fires_later;
    }
    return !d->has_result && !d->fires_later;
}

bool reel_deferred_cancel(struct reel_deferred *d)
{
    if (!d)
        return false;
    while (d->inner)
        d = d->inner;
    if (d->has_result)
        return false;
    if (tell_maker(d)) {
        set_result(d, (struct reel_result){.error = -ECANCELED, .why_z = why_cancelled});
        schedule_if_ready(d);
    }
    return true;
}

void reel_deferred_fires_later(struct reel_deferred *d)
{
    assert(d->cancelling);
    d->fires_later = true;
}

void reel_deferred_drop(struct reel_deferred *d)
{
    if (!d || d->delivered)
        return;
    assert(!d->outer);
    d->step_count = 0;
    d->last = NULL;
    d->ended = d->dropped = true;
    reel_deferred_cancel(d);
    schedule_if_ready(d);
}

static void on_time(struct reel_timer *timer)
{
    struct reel_deferred *d = CONTAINER_OF(timer, struct reel_deferred, timer);
    d->timed_out = true;
    reel_deferred_cancel(d);
}

int reel_deferred_timeout(struct reel_deferred *d, int64_t timeout_ns)
{
    if (!d)
        return -ENOMEM;
    if (timeout_ns <= 0) {
        reel_timer_stop(&d->timer);
        return 0;
    }
    int err = d->timer.reactor ? 0 : reel_timer_init(&d->timer, d->r, on_time);
    if (err == 0)
        reel_timer_start(&d->timer, timeout_ns);
    return err;
}

bool reel_deferred_is_fired(const struct reel_deferred *d)
{
    return !d || d->has_result;
}

/* ---- the maker's side ---- */

struct reel_deferred *reel_deferred_new(struct reel_reactor *r,
                                        void (*cancel)(struct reel_deferred *d), size_t state_size)
{
    struct reel_deferred *d = r->ending ? NULL : reel_memory_new_zeroed(r, sizeof(*d) + state_size);
    if (!d)
        return NULL;
    d->call.fn = on_call;
    d->r = r;
    d->cancel = cancel;
    list_put(&r->deferreds, &d->link);
    r->metrics.deferreds++;
    return d;
}

void *reel_deferred_state(struct reel_deferred *d)
{
    return d->state;
}

struct reel_reactor *reel_deferred_reactor(const struct reel_deferred *d)
{
    return d->r;
}

/* What comes after a cancellation is released unheard. It is freed by the loop, so that the state
 * stays for the rest of the maker's function. */
static void fire(struct reel_deferred *d, struct reel_result result)
{
    assert(!d->fired);
    d->fired = true;
    if (d->has_result)
        reel_result_release(&result);
    else
        set_result(d, result);
    if (d->delivered)
        schedule(d);
    else
        schedule_if_ready(d);
}

void reel_deferred_callback(struct reel_deferred *d, int64_t number, void *pointer,
                            void (*release)(void *pointer))
{
    fire(d, (struct reel_result){.number = number, .pointer = pointer, .release = release});
}

void reel_deferred_errback(struct reel_deferred *d, int error, const char *why_z)
{
    assert(error < 0);
    fire(d, (struct reel_result){.error = error, .why_z = why_z});
}

struct reel_deferred *reel_deferred_succeed(struct reel_reactor *r, int64_t number, void *pointer,
                                            void (*release)(void *pointer))
{
    struct reel_deferred *d = reel_deferred_new(r, NULL, 0);
    if (d)
        reel_deferred_callback(d, number, pointer, release);
    else if (release && pointer)
        release(pointer);
    return d;
}

struct reel_deferred *reel_deferred_fail(struct reel_reactor *r, int error, const char *why_z)
{
    struct reel_deferred *d = reel_deferred_new(r, NULL, 0);
    if (d)
        reel_deferred_errback(d, error, why_z);
    return d;
}

struct sleep {
    struct reel_timer timer;
    struct reel_deferred *d;
};

static void on_waking(struct reel_timer *timer)
{
    struct sleep *sleep = (struct sleep *)timer;
    reel_timer_fini(timer);
    reel_deferred_callback(sleep->d, 0, NULL, NULL);
}

static void cancel_sleep(struct reel_deferred *d)
{
    struct sleep *sleep = reel_deferred_state(d);
    reel_timer_fini(&sleep->timer);
    reel_deferred_errback(d, -ECANCELED, why_cancelled);
}

struct reel_deferred *reel_deferred_sleep(struct reel_reactor *r, int64_t delay_ns)
{
    struct reel_deferred *d = reel_deferred_new(r, cancel_sleep, sizeof(struct sleep));
    if (!d)
        return NULL;
    struct sleep *sleep = reel_deferred_state(d);
    sleep->d = d;
    if (reel_timer_init(&sleep->timer, r, on_waking) == 0)
        reel_timer_start(&sleep->timer, delay_ns);
    else
        reel_deferred_errback(d, -ENOMEM, NULL);
    return d;
}

/* ---- the reactor's end ---- */

void reel_deferreds_each(struct reel_reactor *r, reel_handle_fn each, void *context)
{
    for (struct reel_link *link = r->deferreds.next; link != &r->deferreds; link = link->next) {
        const struct reel_deferred *d = CONTAINER_OF(link, struct reel_deferred, link);
        const struct reel_handle_info info = {REEL_HANDLE_DEFERRED, "deferred", -1, d};
        if (!d->delivered)
            each(context, &info);
    }
}

/* Cancels all and runs what can run; whether anything did. The newest first: the jobs that wait for
 * a thread before those that have one. */
static bool end_round(struct reel_reactor *r)
{
    bool progress = false;
    struct reel_link round;
    list_move_all(&r->deferreds, &round);
    while (!list_is_empty(&round)) {
        struct reel_link *link = round.prev;
        struct reel_deferred *d = CONTAINER_OF(link, struct reel_deferred, link);
        list_remove(link);
        list_put(r->deferreds.next, link); /* in front: the order stays */
        reel_deferred_cancel(d);
        if (!is_ready(d) || (!d->step_count && !d->ended))
            continue;
        run(d);
        progress = true;
    }
    return progress;
}

/* Calls that the loop still has will not come: each chain is run from here. A chain that goes on may
 * wait for what stands elsewhere in the list, so it is gone through until nothing moves; no new
 * deferred can be made meanwhile, so there is an end. Then nobody is left who could take the rest. */
void reel_deferreds_fini(struct reel_reactor *r)
{
    struct reel_link *link = NULL;
    r->deferred = NULL;
    r->deferred_end = &r->deferred;
    while (end_round(r))
        ;
    while ((link = list_take(&r->deferreds))) {
        struct reel_deferred *d = CONTAINER_OF(link, struct reel_deferred, link);
        if (!d->delivered)
            reel_result_release(&d->result);
        reel_timer_fini(&d->timer);
        reel_memory_free(r, d);
    }
    r->metrics.deferreds = 0;
}
