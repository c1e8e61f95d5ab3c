#include <reel/shutdown.h>

#include "reel/loop.h"

#include <reel/deferred.h>

#include <errno.h>

/* One a reactor, from the first reel_stop_gracefully to the reactor's end. */
struct shutdown {
    struct reel_call call;
    struct reel_timer deadline;
    struct reel_reactor *r;
    int phase; /* whose triggers were called; REEL_PHASES: over; -1: has not begun */
    size_t waiting;
};

void reel_trigger_start(struct reel_trigger *trigger, struct reel_reactor *r, enum reel_phase phase,
                        struct reel_deferred *(*run)(struct reel_trigger *trigger))
{
    *trigger = (struct reel_trigger){.run = run, .reactor = r};
    list_put(&r->triggers[phase], &trigger->link);
}

void reel_trigger_stop(struct reel_trigger *trigger)
{
    list_remove(&trigger->link);
}

static void on_trigger_done(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    (void)result;
    struct shutdown *s = context;
    s->waiting--; /* looked at when the turn ends */
}

static void run_triggers(struct shutdown *s, int phase)
{
    struct reel_link *link = NULL;
    while ((link = list_take(&s->r->triggers[phase]))) {
        struct reel_trigger *trigger = CONTAINER_OF(link, struct reel_trigger, link);
        struct reel_deferred *d = trigger->run(trigger);
        if (d && reel_deferred_done(d, on_trigger_done, s) == 0)
            s->waiting++;
    }
}

/* Whether the phase is over, of itself. */
static bool is_done(const struct shutdown *s)
{
    if (s->waiting)
        return false;
    return s->phase != REEL_DURING_STOP || s->r->metrics.connections == 0;
}

static void go_on(struct shutdown *s)
{
    while (s->phase >= 0 && s->phase < REEL_PHASES && is_done(s))
        if (++s->phase < REEL_PHASES)
            run_triggers(s, s->phase);
        else
            reel_stop(s->r);
}

static void on_begin(struct reel_call *call)
{
    struct shutdown *s = CONTAINER_OF(call, struct shutdown, call);
    if (s->phase >= 0)
        return; /* its time was over first */
    reel_listeners_shut(s->r);
    s->phase = REEL_BEFORE_STOP;
    run_triggers(s, s->phase);
    go_on(s);
}

/* No more waiting; but each trigger is called. */
static void on_deadline(struct reel_timer *timer)
{
    struct shutdown *s = CONTAINER_OF(timer, struct shutdown, deadline);
    if (s->phase == REEL_PHASES)
        return;
    reel_listeners_shut(s->r);
    while (++s->phase < REEL_PHASES)
        run_triggers(s, s->phase);
    reel_stop(s->r);
}

void reel_shutdown_look(struct reel_reactor *r)
{
    go_on(r->shutdown);
}

void reel_shutdown_fini(struct reel_reactor *r)
{
    for (int phase = 0; phase < REEL_PHASES; phase++)
        list_clear(&r->triggers[phase]);
    if (r->shutdown)
        reel_timer_fini(&r->shutdown->deadline);
    reel_memory_free(r, r->shutdown);
    r->shutdown = NULL;
}

static int begin(struct reel_reactor *r)
{
    struct shutdown *s = reel_memory_new_zeroed(r, sizeof(*s));
    if (!s || reel_timer_init(&s->deadline, r, on_deadline) < 0) {
        reel_memory_free(r, s);
        return -ENOMEM;
    }
    s->call.fn = on_begin;
    s->r = r;
    s->phase = -1;
    r->shutdown = s;
    reel_defer(r, &s->call);
    return 0;
}

int reel_stop_gracefully(struct reel_reactor *r, int64_t grace_ns)
{
    if (r->ending)
        return 0;
    int err = r->shutdown ? 0 : begin(r);
    if (err == 0)
        reel_timer_start(&r->shutdown->deadline, grace_ns);
    return err;
}

bool reel_is_stopping(const struct reel_reactor *r)
{
    return r->shutdown != NULL;
}
