#include "kernel/lock.h"

#include <errno.h>
#include <stdlib.h>

static bool is_same_place(const struct lock *a, const struct lock *b)
{
    return a->kind == b->kind && vnode_is_same_file(a->node, b->node) && a->start < b->end &&
           b->start < a->end;
}

const struct lock *lock_find(const struct vfs *vfs, const struct lock *wanted)
{
    for (const struct lock *l = vfs->locks; l != NULL; l = l->next)
        if (is_same_place(l, wanted) && l->owner != wanted->owner &&
            (l->exclusive || wanted->exclusive))
            return l;
    return NULL;
}

static int add(struct vfs *vfs, const struct lock *wanted)
{
    struct lock *l = vfs->lock_count < LOCKS_MAX ? malloc(sizeof(*l)) : NULL;
    if (l == NULL)
        return vfs->lock_count < LOCKS_MAX ? -ENOMEM : -ENOLCK;
    *l = *wanted;
    struct lock **place = &vfs->locks; /* by start: F_GETLK names the first */
    while (*place != NULL && (*place)->start <= l->start)
        place = &(*place)->next;
    l->next = *place;
    *place = l;
    vfs->lock_count++;
    return 0;
}

static void drop(struct vfs *vfs, struct lock **place)
{
    struct lock *l = *place;
    *place = l->next;
    vfs->lock_count--;
    free(l);
}

int lock_clear(struct vfs *vfs, const struct lock *range)
{
    struct lock **place = &vfs->locks;
    bool any = false;
    while (*place != NULL) {
        struct lock *l = *place;
        if (l->owner != range->owner || !is_same_place(l, range)) {
            place = &l->next;
            continue;
        }
        any = true;
        if (l->start < range->start && l->end > range->end) { /* the only one that is there */
            struct lock behind = *l;
            behind.start = range->end;
            int error = add(vfs, &behind);
            if (error != 0)
                return error;
            l->end = range->start;
        } else if (l->start < range->start) {
            l->end = range->start;
        } else if (l->end > range->end) {
            l->start = range->end;
        } else {
            drop(vfs, place);
            continue;
        }
        place = &l->next;
    }
    if (any) /* or those who wait would wake each other for ever */
        vfs_wake(vfs, &vfs->locks);
    return 0;
}

/* Neighbours of one owner and kind become one. */
static void join(struct vfs *vfs, struct lock *new)
{
    for (struct lock **place = &vfs->locks; *place != NULL;) {
        const struct lock *l = *place;
        bool beside = l->kind == new->kind &&vnode_is_same_file(l->node, new->node) &&
                      l->owner == new->owner && l->exclusive == new->exclusive &&
                      (l->end == new->start || l->start == new->end);
        if (!beside) {
            place = &(*place)->next;
            continue;
        }
        new->start = l->start < new->start ? l->start : new->start;
        new->end = l->end > new->end ? l->end : new->end;
        drop(vfs, place);
    }
}

int lock_set(struct vfs *vfs, const struct lock *wanted)
{
    struct lock new = *wanted;
    if (lock_find(vfs, wanted) != NULL)
        return -EAGAIN;
    int error = lock_clear(vfs, wanted);
    if (error == 0)
        join(vfs, &new);
    return error != 0 ? error : add(vfs, &new);
}

void lock_forget(struct vfs *vfs, struct vnode node, const void *owner)
{
    bool any = false;
    for (struct lock **place = &vfs->locks; *place != NULL;) {
        if ((*place)->owner == owner && vnode_is_same_file((*place)->node, node)) {
            drop(vfs, place);
            any = true;
        } else {
            place = &(*place)->next;
        }
    }
    if (any)
        vfs_wake(vfs, &vfs->locks);
}
