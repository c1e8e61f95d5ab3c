/* A connection as a deferred. */
#include <reel/endpoint.h>

#include "reel/stream.h"

#include <reel/deferred.h>

#include <errno.h>

/* The deferred's state. */
struct connecting {
    struct stream_end end;
    struct reel_transport *t;
    struct reel_deferred *d;
};

static void on_made(struct stream_end *end, struct reel_transport *t)
{
    struct connecting *c = CONTAINER_OF(end, struct connecting, end);
    reel_stream_remove_end(t, end);
    reel_deferred_callback(c->d, 0, t, NULL);
}

static void on_over(struct stream_end *end, struct reel_transport *t)
{
    struct connecting *c = CONTAINER_OF(end, struct connecting, end);
    reel_stream_remove_end(t, end);
    reel_deferred_errback(c->d, t->reason < 0 ? t->reason : -ECONNABORTED, NULL);
}

static void cancel_connecting(struct reel_deferred *d)
{
    struct connecting *c = reel_deferred_state(d);
    reel_stream_remove_end(c->t, &c->end);
    reel_abort(c->t);
    reel_deferred_errback(d, -ECANCELED, "cancelled");
}

struct reel_deferred *reel_connect_deferred(struct reel_reactor *r, const char *endpoint_z,
                                            const struct reel_factory *factory)
{
    struct reel_deferred *d = reel_deferred_new(r, cancel_connecting, sizeof(struct connecting));
    if (!d)
        return NULL;
    struct connecting *c = reel_deferred_state(d);
    c->d = d;
    c->end = (struct stream_end){.over = on_over, .made = on_made};
    int err = reel_connect(r, endpoint_z, factory, &c->t);
    if (err == 0 && reel_stream_add_end(c->t, &c->end) < 0) {
        reel_abort_as(c->t, -ENOMEM);
        err = -ENOMEM;
    }
    if (err < 0)
        reel_deferred_errback(d, err, NULL);
    return d;
}
