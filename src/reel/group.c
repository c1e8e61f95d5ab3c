#include <reel/group.h>

#include <reel/transport.h>

#include "reel/stream.h"

#include <errno.h>
#include <string.h>

enum { TURN_FIRST_BYTES = 8 * 1024, TURN_MAX_BYTES = 32 * 1024 };

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

/* One copy for all members, in the turn's arena, behind what was written before in the same turn:
 * a member that got that too goes on with a longer piece. NULL: out of memory. */
static uint8_t *keep_for_turn(struct reel_group *group, struct reel_reactor *r, const void *data,
                              size_t len)
{
    if (group->turn_number != r->arena.resets || group->turn_size - group->turn_used < len) {
        size_t twice = group->turn_number == r->arena.resets ? 2 * group->turn_size : 0;
        size_t size = twice > TURN_FIRST_BYTES ? twice : TURN_FIRST_BYTES;
        size = size < TURN_MAX_BYTES ? size : TURN_MAX_BYTES;
        size = size > len ? size : len;
        group->turn = reel_arena_new(r, size);
        group->turn_used = 0;
        group->turn_size = group->turn ? size : 0;
        group->turn_number = r->arena.resets;
        if (!group->turn)
            return NULL;
    }
    uint8_t *kept = group->turn + group->turn_used;
    memcpy(kept, data, len);
    group->turn_used += len;
    return kept;
}

size_t reel_group_write(struct reel_group *group, const void *data, size_t len,
                        const struct reel_transport *except)
{
    if (list_is_empty(&group->members))
        return 0;
    struct reel_reactor *r =
        CONTAINER_OF(group->members.next, struct reel_member, link)->transport->reactor;
    uint8_t *kept = keep_for_turn(group, r, data, len);
    size_t told = 0;
    for (struct reel_link *link = group->members.next; link != &group->members; link = link->next) {
        struct reel_transport *t = CONTAINER_OF(link, struct reel_member, link)->transport;
        if (t == except)
            continue;
        int err = kept ? reel_stream_share(t, kept, len) : -ENOMEM;
        if (err == 0)
            told++;
        else if (err == -ENOBUFS && group->policy == REEL_GROUP_ABORT)
            reel_abort(t);
    }
    reel_stream_limit_arena(r);
    return told;
}
