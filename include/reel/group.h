/* A group: a write to all of its members at once, for chats and broadcasts. What is written to a
 * group within a turn is kept once for all of them and leaves in one system call a member. A member that does not read costs at most
 * its queue, and then what the group's policy says; it never holds up the others. */
#ifndef REEL_GROUP_H
#define REEL_GROUP_H

#include <reel/link.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_group;
struct reel_transport;

/* What happens to a member whose queue is full. */
enum reel_group_policy {
    REEL_GROUP_ABORT, /* it is disconnected: lost(-ECONNABORTED) */
    REEL_GROUP_SKIP,  /* it misses this write, whole */
};

struct reel_member {
    struct reel_group *group; /* NULL: in none. All fields are the group's */
    struct reel_transport *transport;
    struct reel_link link;
};

/* In the caller's memory; its members are all of one reactor. */
struct reel_group {
    struct reel_link members;
    enum reel_group_policy policy;
    size_t count;  /* members */
    uint8_t *turn; /* the turn's bytes, and the rest is the group's too */
    size_t turn_used, turn_size;
    uint64_t turn_number;
};

/* An empty group. It needs no end: it is the caller's again when its last member has left. */
void reel_group_init(struct reel_group *group, enum reel_group_policy policy);

/* Members lie in the caller's memory, usually in the connection's state. Join in `made`, leave in
 * `lost` at the latest. A second join, or leave, has no effect. */
void reel_group_join(struct reel_group *group, struct reel_member *member,
                     struct reel_transport *transport);
void reel_group_leave(struct reel_member *member);

/* To all members but `except` (may be NULL), in the order of joining. How many took it. */
size_t reel_group_write(struct reel_group *group, const void *data, size_t len,
                        const struct reel_transport *except);

#ifdef __cplusplus
}
#endif

#endif
