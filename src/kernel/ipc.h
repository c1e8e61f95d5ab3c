/* System V IPC: what segments of shared memory, sets of semaphores and queues of messages have in
 * common (sysvipc(7)), for sys_shm.c, sys_sem.c and sys_msg.c. */
#ifndef KERNEL_IPC_H
#define KERNEL_IPC_H

#include "kernel/task.h"

#include "base/buffer.h"

#include <sys/ipc.h>

/* Linux's own limits, as /proc/sys/kernel has them ... */
#define IPC_SHMMAX (UINT64_MAX - (UINT64_C(1) << 24))
#define IPC_SHMALL IPC_SHMMAX
enum {
    IPC_SHMMNI = 4096,
    IPC_SEMMSL = 32000,
    IPC_SEMMNS = 1024000000,
    IPC_SEMOPM = 500,
    IPC_SEMMNI = 32000,
    IPC_SEMVMX = 32767,
    IPC_MSGMAX = 8192,
    IPC_MSGMNB = 16384,
    IPC_MSGMNI = 32000,
    /* ... and what one machine has room for. */
    IPC_QUEUES_MAX = 1024,           /* in a namespace: -ENOSPC */
    IPC_SETS_MAX = 1024,             /* in a namespace: -ENOSPC */
    IPC_SEMAPHORES_MAX = 1 << 17,    /* -ENOSPC */
    IPC_UNDOS_MAX = 1 << 17,         /* values that ends of processes undo: -ENOMEM */
    IPC_MESSAGE_BYTES_MAX = 2 << 20, /* waiting, with what keeping them costs: -ENOMEM */
    IPC_INDEX_BITS = 15,             /* of an id; the rest is a sequence */
    IPC_CYCLE = 64,                  /* indexes go round in so many, if they are enough */
};

/* The first member of each. */
struct ipc_object {
    struct ipc_object *next; /* by index */
    struct ipc_perm perm;
    int32_t id;
};

struct ipc_list {
    struct ipc_object *first;
    uint32_t count;
    int last_index; /* given out; -1: none yet */
    uint16_t sequence;
};

/* What is against IPC_SEMAPHORES_MAX, IPC_UNDOS_MAX and IPC_MESSAGE_BYTES_MAX. */
struct ipc_use {
    uint32_t semaphores, undos;
    size_t message_bytes;
};

/* All there is of them: on a machine, or in a namespace of its own. */
struct ipc {
    struct ipc *next; /* in kernel.ipcs */
    unsigned refs;
    uint32_t number;
    struct ipc_list segments, sets, queues;
    uint64_t pages; /* of segments */
    uint32_t messages;
    struct ipc_use use;
};

/* The task's; NULL: no memory. */
struct ipc *ipc_of(struct task *t);
/* The same, if anybody has asked for it. */
struct ipc *ipc_seen_by(const struct task *t);
/* One with one holder; NULL: no memory. */
struct ipc *ipc_new(struct kernel *k, uint32_t number);
struct ipc *ipc_hold(struct ipc *ipc); /* takes NULL */
void ipc_drop(struct kernel *k, struct ipc *ipc);
/* Of all namespaces together. */
struct ipc_use ipc_use(const struct kernel *k);
uint32_t ipc_number(const struct ipc *ipc);
void ipc_free(struct kernel *k);

/* One of the three kinds, for ipc_get. */
struct ipc_kind {
    size_t list;    /* where in struct ipc its list is */
    unsigned flags; /* which argument the flags are */
    /* Makes one: its id or -errno. */
    int64_t (*make)(struct task *t, struct ipc *ipc, const uint64_t arg[6]);
    /* How large one is, and may be asked to be by arg[1]; NULL: it has no size. */
    uint64_t (*size)(const struct ipc_object *o);
};
/* shmget(2), semget, msgget: the id of what has the key arg[0], or of a new one. */
int64_t ipc_get(struct task *t, const uint64_t arg[6], const struct ipc_kind *kind);
/* Gives a new object its id and its owner. 0, or -ENOSPC when there are `most`. */
int ipc_add(struct task *t, struct ipc_list *list, struct ipc_object *o, uint64_t key,
            uint64_t flags, uint32_t most);
void ipc_remove(struct ipc_list *list, struct ipc_object *o);
/* NULL: no such id. */
struct ipc_object *ipc_find(const struct ipc_list *list, uint64_t id);
/* The one of SHM_STAT and its kin. */
struct ipc_object *ipc_at(const struct ipc_list *list, uint64_t index);
/* The highest index in use, 0 when there is none: what IPC_INFO answers. */
int ipc_highest(const struct ipc_list *list);
/* Whether the rights asked for (of S_IRUGO, S_IWUGO) are the caller's. */
bool ipc_may(const struct task *t, const struct ipc_object *o, uint32_t rights);
/* Whether he may remove and change it. */
bool ipc_owns(const struct task *t, const struct ipc_object *o);
/* IPC_SET. */
void ipc_set(struct ipc_object *o, const struct ipc_perm *perm);
int64_t ipc_now_s(const struct kernel *k);
/* The answer of a call that must wait, without end: no handler makes it go on again. */
int64_t ipc_wait(struct task *t, const void *key);

/* Mappings of a memory went: segments that are to go with their last one do (sys_shm.c). */
void shm_reap(struct kernel *k, const struct mm *mm);
/* Of a set; 0: there is none (sys_sem.c). */
uint32_t sem_count(struct task *t, uint64_t id);
/* The process ends: what it asked to be undone is (sys_sem.c). */
void sem_exit(struct process *p);
void shm_free(struct ipc *ipc, struct ipc_object *o);
void sem_free(struct ipc *ipc, struct ipc_object *o);
void msg_free(struct ipc *ipc, struct ipc_object *o);

#endif
