#include "kernel/ipc.h"

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { INDEX_MASK = (1 << IPC_INDEX_BITS) - 1, MODE = S_IRWXU | S_IRWXG | S_IRWXO };

struct ipc *ipc_new(struct kernel *k, uint32_t number)
{
    struct ipc *ipc = calloc(1, sizeof(*ipc));
    if (ipc == NULL)
        return NULL;
    ipc->refs = 1;
    ipc->number = number;
    ipc->segments.last_index = ipc->sets.last_index = ipc->queues.last_index = -1;
    ipc->next = k->ipcs;
    k->ipcs = ipc;
    return ipc;
}

struct ipc *ipc_of(struct task *t)
{
    struct kernel *k = t->kernel;
    if (t->ipc != NULL)
        return t->ipc;
    if (k->ipc == NULL)
        k->ipc = ipc_new(k, 0);
    return k->ipc;
}

struct ipc *ipc_seen_by(const struct task *t)
{
    return t->ipc != NULL ? t->ipc : t->kernel->ipc;
}

uint32_t ipc_number(const struct ipc *ipc)
{
    return ipc->number;
}

struct ipc *ipc_hold(struct ipc *ipc)
{
    if (ipc != NULL)
        ipc->refs++;
    return ipc;
}

void ipc_drop(struct kernel *k, struct ipc *ipc)
{
    if (ipc == NULL || --ipc->refs > 0)
        return;
    while (ipc->segments.first != NULL)
        shm_free(ipc, ipc->segments.first);
    while (ipc->sets.first != NULL)
        sem_free(ipc, ipc->sets.first);
    while (ipc->queues.first != NULL)
        msg_free(ipc, ipc->queues.first);
    struct ipc **link = &k->ipcs;
    while (*link != ipc)
        link = &(*link)->next;
    *link = ipc->next;
    if (ipc != k->ipc)
        k->namespaces--;
    free(ipc);
}

void ipc_free(struct kernel *k)
{
    ipc_drop(k, k->ipc);
    k->ipc = NULL;
}

struct ipc_use ipc_use(const struct kernel *k)
{
    struct ipc_use all = {0};
    for (const struct ipc *ipc = k->ipcs; ipc != NULL; ipc = ipc->next) {
        all.semaphores += ipc->use.semaphores;
        all.undos += ipc->use.undos;
        all.message_bytes += ipc->use.message_bytes;
    }
    return all;
}

/* ---- Finding ---- */

/* What IPC_CREAT and its kin say to a key: 0 and *found, or NULL there when one is to be made;
 * -ENOENT, -EEXIST. */
static int look(const struct ipc_list *list, uint64_t key, uint64_t flags,
                struct ipc_object **found)
{
    *found = NULL;
    if ((int32_t)key == IPC_PRIVATE)
        return 0;
    struct ipc_object *o = list->first;
    while (o != NULL && o->perm.__key != (int32_t)key)
        o = o->next;
    *found = o;
    if (o == NULL)
        return (flags & IPC_CREAT) != 0 ? 0 : -ENOENT;
    return (flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL) ? -EEXIST : 0;
}

int64_t ipc_get(struct task *t, const uint64_t arg[6], const struct ipc_kind *kind)
{
    struct ipc *ipc = ipc_of(t);
    struct ipc_object *found = NULL;
    const uint64_t flags = arg[kind->flags];
    if (ipc == NULL)
        return -ENOMEM;
    int error =
        look((const struct ipc_list *)((const uint8_t *)ipc + kind->list), arg[0], flags, &found);
    if (error != 0)
        return error;
    if (found == NULL)
        return kind->make(t, ipc, arg);
    if (kind->size != NULL && kind->size(found) < arg[1])
        return -EINVAL;
    return ipc_may(t, found, (uint32_t)flags) ? found->id : -EACCES;
}

static int index_of(const struct ipc_object *o)
{
    return o->id & INDEX_MASK;
}

/* Where one with that index stands or would stand. */
static struct ipc_object **place_of(struct ipc_list *list, int index)
{
    struct ipc_object **place = &list->first;
    while (*place != NULL && index_of(*place) < index)
        place = &(*place)->next;
    return place;
}

/* The first index free from `from` on, below `end`; -1: none. */
static int free_index(struct ipc_list *list, int from, int end)
{
    struct ipc_object *const *place = place_of(list, from);
    while (*place != NULL && index_of(*place) == from) {
        place = &(*place)->next;
        from++;
    }
    return from < end ? from : -1;
}

static int new_index(struct ipc_list *list)
{
    int end = (int)list->count * 3 / 2;
    if (end < IPC_CYCLE)
        end = IPC_CYCLE;
    int index = free_index(list, list->last_index + 1, end);
    return index >= 0 ? index : free_index(list, 0, end);
}

int ipc_add(struct task *t, struct ipc_list *list, struct ipc_object *o, uint64_t key,
            uint64_t flags, uint32_t most)
{
    int index = list->count < most ? new_index(list) : -1;
    if (index < 0)
        return -ENOSPC;
    if (index <= list->last_index)
        list->sequence++;
    list->last_index = index;
    o->perm = (struct ipc_perm){.__key = (int32_t)key,
                                .uid = t->creds.euid,
                                .gid = t->creds.egid,
                                .cuid = t->creds.euid,
                                .cgid = t->creds.egid,
                                .mode = (uint32_t)flags & MODE,
                                .__seq = list->sequence};
    o->id = (int32_t)list->sequence << IPC_INDEX_BITS | index;
    struct ipc_object **place = place_of(list, index);
    o->next = *place;
    *place = o;
    list->count++;
    return 0;
}

void ipc_remove(struct ipc_list *list, struct ipc_object *o)
{
    struct ipc_object **place = place_of(list, index_of(o));
    *place = o->next;
    list->count--;
}

struct ipc_object *ipc_at(const struct ipc_list *list, uint64_t index)
{
    struct ipc_object *o = list->first;
    while (o != NULL && (uint64_t)index_of(o) != (index & INDEX_MASK))
        o = o->next;
    return o;
}

struct ipc_object *ipc_find(const struct ipc_list *list, uint64_t id)
{
    struct ipc_object *o = ipc_at(list, id);
    return o != NULL && o->id == (int32_t)id ? o : NULL;
}

int ipc_highest(const struct ipc_list *list)
{
    int highest = 0;
    for (const struct ipc_object *o = list->first; o != NULL; o = o->next)
        highest = index_of(o);
    return highest;
}

/* ---- Rights ---- */

static bool is_in_group(const struct task *t, uint32_t gid)
{
    struct creds c = t->creds;
    c.fsgid = c.egid;
    return creds_in_group(&c, gid);
}

bool ipc_may(const struct task *t, const struct ipc_object *o, uint32_t rights)
{
    uint32_t wanted = rights >> 6 | rights >> 3 | rights, granted = o->perm.mode;
    if (t->creds.euid == o->perm.cuid || t->creds.euid == o->perm.uid)
        granted >>= 6;
    else if (is_in_group(t, o->perm.cgid) || is_in_group(t, o->perm.gid))
        granted >>= 3;
    return (wanted & ~granted & 7) == 0 || creds_capable(&t->creds, CAP_IPC_OWNER);
}

bool ipc_owns(const struct task *t, const struct ipc_object *o)
{
    return t->creds.euid == o->perm.cuid || t->creds.euid == o->perm.uid ||
           creds_capable(&t->creds, CAP_SYS_ADMIN);
}

void ipc_set(struct ipc_object *o, const struct ipc_perm *perm)
{
    o->perm.uid = perm->uid;
    o->perm.gid = perm->gid;
    o->perm.mode = (o->perm.mode & ~(uint32_t)MODE) | (perm->mode & MODE);
}

int64_t ipc_now_s(const struct kernel *k)
{
    return kernel_realtime_ns(k) / 1000000000;
}

int64_t ipc_wait(struct task *t, const void *key)
{
    t->restart.begun = true;
    int64_t result = task_wait(t, key);
    return result == SYS_WAIT ? result : -ERESTARTNOHAND;
}
