#include <reel/group.h>

#include <reel/transport.h>

#include "reel/list.h"

#include <errno.h>

void reel_group_init(struct reel_group *group, enum reel_group_policy policy)
{
    *group = (struct reel_group){.policy = policy};
    list_init(&group->members);
}

void reel_group_join(struct reel_group *group, struct reel_member *member,
                     struct reel_transport *transport)
{
    if (member->group)
        return;
    member->group = group;
    member->transport = transport;
    list_put(&group->members, &member->link);
    group->count++;
}

void reel_group_leave(struct reel_member *member)
{
    if (!member->group)
        return;
    list_remove(&member->link);
    member->group->count--;
    member->group = NULL;
}

size_t reel_group_write(struct reel_group *group, const void *data, size_t len,
                        const struct reel_transport *except)
{
    size_t told = 0;
    for (struct reel_link *link = group->members.next; link != &group->members; link = link->next) {
        struct reel_transport *t = CONTAINER_OF(link, struct reel_member, link)->transport;
        if (t == except)
            continue;
        int err = reel_write(t, data, len);
        if (err == 0)
            told++;
        else if (err == -ENOBUFS && group->policy == REEL_GROUP_ABORT)
            reel_abort(t);
    }
    return told;
}
