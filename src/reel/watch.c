#include "reel/loop.h"

#include <errno.h>

static void on_events(void *source, uint32_t events)
{
    struct reel_watch *watch = CONTAINER_OF(source, struct reel_watch, source);
    watch->ready(watch, events);
}

static struct source *source_of(struct reel_watch *watch)
{
    return (struct source *)&watch->source;
}

int reel_watch_start(struct reel_watch *watch, struct reel_reactor *r, int fd, uint32_t events,
                     void (*ready)(struct reel_watch *watch, uint32_t events))
{
    static const struct source_ops ops = {on_events};
    *watch = (struct reel_watch){
        .ready = ready, .reactor = r, .source = &ops, .events = events, .fd = fd};
    int err = r->ending ? -ECANCELED : r->backend->add(r, fd, events, source_of(watch));
    if (err == 0)
        list_put(&r->watches, &watch->link);
    return err;
}

int reel_watch_change(struct reel_watch *watch, uint32_t events)
{
    struct reel_reactor *r = watch->reactor;
    int err = r->backend->change(r, watch->fd, events, source_of(watch));
    if (err == 0)
        watch->events = events;
    return err;
}

void reel_watch_stop(struct reel_watch *watch)
{
    if (!link_is_in_list(&watch->link))
        return;
    list_remove(&watch->link);
    watch->reactor->backend->remove(watch->reactor, watch->fd, source_of(watch));
}

int reel_watches_after_fork(struct reel_reactor *r)
{
    int err = 0;
    for (struct reel_link *link = r->watches.next; link != &r->watches; link = link->next) {
        struct reel_watch *watch = CONTAINER_OF(link, struct reel_watch, link);
        if (err == 0)
            err = r->backend->add(r, watch->fd, watch->events, source_of(watch));
    }
    return err;
}
