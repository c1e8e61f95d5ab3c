/* Circular lists over struct reel_link: a head that is a link of its own, so that anything takes
 * itself out of whatever list it is in. A link in no list is zero. */
#ifndef REEL_LIST_H
#define REEL_LIST_H

#include <reel/link.h>

#include <stdbool.h>
#include <stddef.h>

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct reel_link *head)
{
    head->next = head->prev = head;
}

static inline bool list_is_empty(const struct reel_link *head)
{
    return head->next == head;
}

static inline bool link_is_in_list(const struct reel_link *link)
{
    return link->next != NULL;
}

static inline void list_put(struct reel_link *head, struct reel_link *link)
{
    link->next = head;
    link->prev = head->prev;
    head->prev->next = link;
    head->prev = link;
}

/* No effect on a link that is in no list. */
static inline void list_remove(struct reel_link *link)
{
    if (!link->next)
        return;
    link->next->prev = link->prev;
    link->prev->next = link->next;
    link->next = link->prev = NULL;
}

/* Takes the first link out; NULL when there is none. */
static inline struct reel_link *list_take(struct reel_link *head)
{
    struct reel_link *link = head->next;
    if (link == head)
        return NULL;
    list_remove(link);
    return link;
}

static inline void list_clear(struct reel_link *head)
{
    while (!list_is_empty(head))
        list_remove(head->next);
}

/* All of `from` is put into `to`, which is empty; `from` is empty then. For walks during which
 * anything may join or leave: take from `to` one by one, put each back before calling it. */
static inline void list_move_all(struct reel_link *from, struct reel_link *to)
{
    list_init(to);
    if (list_is_empty(from))
        return;
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    list_init(from);
}

#endif
