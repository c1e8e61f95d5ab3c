#include "reel/part.h"

#include "reel/loop.h"

void reel_part_join(struct reel_reactor *r, struct reactor_part *part, const struct part_ops *ops)
{
    part->ops = ops;
    list_put(&r->parts, &part->link);
}

void reel_parts_fini(struct reel_reactor *r)
{
    struct reel_link *link = NULL;
    while ((link = list_take(&r->parts))) {
        struct reactor_part *part = CONTAINER_OF(link, struct reactor_part, link);
        part->ops->end(part);
    }
}

int reel_parts_after_fork(struct reel_reactor *r)
{
    int err = 0;
    for (struct reel_link *link = r->parts.next; link != &r->parts; link = link->next) {
        struct reactor_part *part = CONTAINER_OF(link, struct reactor_part, link);
        if (err == 0)
            err = part->ops->after_fork(part);
    }
    return err;
}

void reel_parts_each(struct reel_reactor *r, reel_handle_fn each, void *context)
{
    for (struct reel_link *link = r->parts.next; link != &r->parts; link = link->next) {
        const struct reactor_part *part = CONTAINER_OF(link, struct reactor_part, link);
        struct reel_handle_info info;
        part->ops->info(part, &info);
        each(context, &info);
    }
}
