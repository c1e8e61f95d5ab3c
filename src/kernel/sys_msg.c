/* Message queues: msgget(2), msgsnd, msgrcv, msgctl. */
#include "kernel/ipc.h"
#include "kernel/procfs.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/msg.h>

enum {
    RIGHTS_READ = 0444,
    RIGHTS_WRITE = 0222,
    COPY = 040000, /* MSG_COPY */
    INFO_SSZ = 16, /* what IPC_INFO has always told */
    INFO_SEG = 0xffff,
};

struct message {
    struct message *next;
    int64_t type;
    size_t len;
    uint8_t bytes[];
};

struct queue {
    struct ipc_object o; /* first */
    struct message *first, *last;
    uint64_t count, bytes, bytes_max;
    int64_t sent_s, received_s, changed_s;
    int32_t sender, receiver;
};

static struct queue *queue_of(struct ipc_object *o)
{
    return (struct queue *)o;
}

static struct message *message_new(const struct kernel *k, struct ipc *ipc, size_t len)
{
    size_t cost = sizeof(struct message) + len;
    if (ipc_use(k).message_bytes + cost > IPC_MESSAGE_BYTES_MAX)
        return NULL;
    struct message *m = malloc(cost);
    if (m == NULL)
        return NULL;
    m->next = NULL;
    m->len = len;
    ipc->use.message_bytes += cost;
    return m;
}

static void message_free(struct ipc *ipc, struct message *m)
{
    ipc->use.message_bytes -= sizeof(*m) + m->len;
    free(m);
}

void msg_free(struct ipc *ipc, struct ipc_object *o)
{
    struct queue *q = queue_of(o);
    ipc_remove(&ipc->queues, o);
    while (q->first != NULL) {
        struct message *m = q->first;
        q->first = m->next;
        ipc->messages--;
        message_free(ipc, m);
    }
    free(q);
}

static int64_t make(struct task *t, struct ipc *ipc, const uint64_t arg[6])
{
    struct queue *q = calloc(1, sizeof(*q));
    int error =
        q != NULL ? ipc_add(t, &ipc->queues, &q->o, arg[0], arg[1], IPC_QUEUES_MAX) : -ENOMEM;
    if (error != 0) {
        free(q);
        return error;
    }
    q->bytes_max = IPC_MSGMNB;
    q->changed_s = ipc_now_s(t->kernel);
    return q->o.id;
}

int64_t sys_msgget(struct task *t, const uint64_t arg[6])
{
    static const struct ipc_kind kind = {
        .list = offsetof(struct ipc, queues), .flags = 1, .make = make};
    return ipc_get(t, arg, &kind);
}

/* The queue of a call that is made, or made again after a wait. */
static int64_t queue_for(struct task *t, struct ipc *ipc, uint64_t id, uint32_t rights,
                         struct queue **out)
{
    struct ipc_object *o = ipc_find(&ipc->queues, id);
    if (o == NULL)
        return t->restart.begun ? -EIDRM : -EINVAL;
    *out = queue_of(o);
    return ipc_may(t, o, rights) ? 0 : -EACCES;
}

/* ---- Sending ---- */

static bool has_room(const struct queue *q, size_t len)
{
    return q->bytes + len <= q->bytes_max && q->count + 1 <= q->bytes_max;
}

static void put(struct ipc *ipc, struct queue *q, struct message *m)
{
    if (q->last != NULL)
        q->last->next = m;
    else
        q->first = m;
    q->last = m;
    q->count++;
    q->bytes += m->len;
    ipc->messages++;
}

static int64_t signed_word(const struct task *t, uint64_t value)
{
    return task_word_bytes(t) == 4 ? (int32_t)value : (int64_t)value;
}

int64_t sys_msgsnd(struct task *t, const uint64_t arg[6])
{
    struct ipc *ipc = ipc_of(t);
    struct queue *q = NULL;
    uint64_t word = 0;
    if (ipc == NULL)
        return -ENOMEM;
    if (task_read_word(t, arg[1], &word) != 0)
        return -EFAULT;
    int64_t type = signed_word(t, word);
    if (arg[2] > IPC_MSGMAX || (int32_t)arg[0] < 0 || type < 1)
        return -EINVAL;
    struct message *m = message_new(t->kernel, ipc, (size_t)arg[2]);
    if (m == NULL)
        return -ENOMEM;
    m->type = type;
    int64_t error = task_read(t, arg[1] + task_word_bytes(t), m->bytes, m->len);
    if (error == 0)
        error = queue_for(t, ipc, arg[0], RIGHTS_WRITE, &q);
    if (error == 0 && !has_room(q, m->len))
        error = (arg[3] & IPC_NOWAIT) != 0 ? -EAGAIN : ipc_wait(t, q);
    if (error != 0) {
        message_free(ipc, m);
        return error;
    }
    put(ipc, q, m);
    q->sender = t->process->pid;
    q->sent_s = ipc_now_s(t->kernel);
    kernel_wake(t->kernel, q);
    return 0;
}

/* ---- Receiving ---- */

/* The message that is meant, and the link to it; NULL: none. */
static struct message **find(struct queue *q, int64_t type, uint64_t flags)
{
    struct message **best = NULL;
    int64_t least = type == INT64_MIN ? INT64_MAX : -type;
    uint64_t place = 0;
    for (struct message **link = &q->first; *link != NULL; link = &(*link)->next, place++) {
        const struct message *m = *link;
        if ((flags & COPY) != 0 ? (uint64_t)type == place
            : type == 0         ? true
            : type > 0          ? (m->type == type) == ((flags & MSG_EXCEPT) == 0)
                                : false)
            return link;
        if ((flags & COPY) == 0 && type < 0 && m->type <= least &&
            (best == NULL || m->type < (*best)->type))
            best = link;
    }
    return best;
}

static struct message *take(struct ipc *ipc, struct queue *q, struct message **link)
{
    struct message *m = *link;
    *link = m->next;
    if (q->last == m) {
        q->last = q->first;
        while (q->last != NULL && q->last->next != NULL)
            q->last = q->last->next;
    }
    q->count--;
    q->bytes -= m->len;
    ipc->messages--;
    return m;
}

static int64_t hand_over(struct task *t, const struct message *m, uint64_t addr, uint64_t room)
{
    size_t n = m->len < room ? m->len : (size_t)room, word = task_word_bytes(t);
    uint64_t type = (uint64_t)m->type;
    int error = word == 4 ? task_write_u32(t, addr, (uint32_t)type)
                          : task_write(t, addr, &type, sizeof(type));
    if (error == 0)
        error = task_write(t, addr + word, m->bytes, n);
    return error != 0 ? error : (int64_t)n;
}

int64_t sys_msgrcv(struct task *t, const uint64_t arg[6])
{
    struct ipc *ipc = ipc_of(t);
    struct queue *q = NULL;
    bool copies = (arg[4] & COPY) != 0;
    if (ipc == NULL)
        return -ENOMEM;
    if ((int32_t)arg[0] < 0 || (int64_t)arg[2] < 0)
        return -EINVAL;
    if (copies && ((arg[4] & MSG_EXCEPT) != 0 || (arg[4] & IPC_NOWAIT) == 0))
        return -EINVAL;
    int64_t error = queue_for(t, ipc, arg[0], RIGHTS_READ, &q);
    if (error != 0)
        return error;
    struct message **link = find(q, signed_word(t, arg[3]), arg[4]);
    if (link == NULL)
        return (arg[4] & IPC_NOWAIT) != 0 ? -ENOMSG : ipc_wait(t, q);
    if ((*link)->len > arg[2] && (arg[4] & MSG_NOERROR) == 0)
        return -E2BIG;
    if (copies)
        return hand_over(t, *link, arg[1], arg[2]);
    struct message *m = take(ipc, q, link);
    int64_t result = hand_over(t, m, arg[1], arg[2]);
    message_free(ipc, m);
    q->receiver = t->process->pid;
    q->received_s = ipc_now_s(t->kernel);
    kernel_wake(t->kernel, q);
    return result;
}

/* ---- msgctl ---- */

static int64_t stat_queue(struct task *t, struct queue *q, uint64_t addr, int command)
{
    if (command != MSG_STAT_ANY && !ipc_may(t, &q->o, RIGHTS_READ))
        return -EACCES;
    struct msqid_ds ds = {.msg_perm = q->o.perm,
                          .msg_stime = q->sent_s,
                          .msg_rtime = q->received_s,
                          .msg_ctime = q->changed_s,
                          .__msg_cbytes = q->bytes,
                          .msg_qnum = q->count,
                          .msg_qbytes = q->bytes_max,
                          .msg_lspid = q->sender,
                          .msg_lrpid = q->receiver};
    int error = task_write(t, addr, &ds, sizeof(ds));
    return error != 0 ? error : command == IPC_STAT ? 0 : q->o.id;
}

static int64_t change(struct task *t, struct ipc *ipc, struct queue *q, int command, uint64_t addr)
{
    struct msqid_ds ds;
    if (command == IPC_SET && task_read(t, addr, &ds, sizeof(ds)) != 0)
        return -EFAULT;
    if (!ipc_owns(t, &q->o))
        return -EPERM;
    kernel_wake(t->kernel, q);
    if (command == IPC_RMID) {
        msg_free(ipc, &q->o);
        return 0;
    }
    if (ds.msg_qbytes > IPC_MSGMNB && !creds_capable(&t->creds, CAP_SYS_RESOURCE))
        return -EPERM;
    ipc_set(&q->o, &ds.msg_perm);
    q->bytes_max = ds.msg_qbytes;
    q->changed_s = ipc_now_s(t->kernel);
    return 0;
}

static int64_t tell_limits(struct task *t, const struct ipc *ipc, bool use, uint64_t addr)
{
    struct msginfo info = {.msgpool = IPC_MSGMNI * (IPC_MSGMNB / 1024),
                           .msgmap = IPC_MSGMNB,
                           .msgmax = IPC_MSGMAX,
                           .msgmnb = IPC_MSGMNB,
                           .msgmni = IPC_MSGMNI,
                           .msgssz = INFO_SSZ,
                           .msgtql = IPC_MSGMNB,
                           .msgseg = INFO_SEG};
    if (use) {
        info.msgpool = (int)ipc->queues.count;
        info.msgmap = (int)ipc->messages;
        info.msgtql = (int)(ipc->use.message_bytes - ipc->messages * sizeof(struct message));
    }
    int error = task_write(t, addr, &info, sizeof(info));
    return error != 0 ? error : ipc_highest(&ipc->queues);
}

int64_t sys_msgctl(struct task *t, const uint64_t arg[6])
{
    struct ipc *ipc = ipc_of(t);
    int command = (int)arg[1];
    if (ipc == NULL)
        return -ENOMEM;
    if ((int32_t)arg[0] < 0 || command < 0)
        return -EINVAL;
    if (command == IPC_INFO || command == MSG_INFO)
        return tell_limits(t, ipc, command == MSG_INFO, arg[2]);
    bool by_index = command == MSG_STAT || command == MSG_STAT_ANY;
    struct ipc_object *o = by_index ? ipc_at(&ipc->queues, arg[0]) : ipc_find(&ipc->queues, arg[0]);
    if (o == NULL)
        return -EINVAL;
    switch (command) {
    case IPC_STAT:
    case MSG_STAT:
    case MSG_STAT_ANY: return stat_queue(t, queue_of(o), arg[2], command);
    case IPC_RMID:
    case IPC_SET: return change(t, ipc, queue_of(o), command, arg[2]);
    default: return -EINVAL;
    }
}

int proc_sysvipc_msg(const struct proc_call *c)
{
    int rc =
        buffer_printf(c->out, "       key      msqid perms      cbytes       qnum lspid lrpid  "
                              " uid   gid  cuid  cgid      stime      rtime      ctime\n");
    const struct ipc *ipc = c->reader != NULL ? ipc_seen_by(c->reader) : NULL;
    for (struct ipc_object *o = ipc != NULL ? ipc->queues.first : NULL; o != NULL && rc == 0;
         o = o->next) {
        const struct queue *q = queue_of(o);
        rc = buffer_printf(
            c->out, "%10d %10d  %4o  %10llu %10llu %5d %5d %5u %5u %5u %5u %10lld %10lld %10lld\n",
            o->perm.__key, o->id, o->perm.mode, (unsigned long long)q->bytes,
            (unsigned long long)q->count, q->sender, q->receiver, o->perm.uid, o->perm.gid,
            o->perm.cuid, o->perm.cgid, (long long)q->sent_s, (long long)q->received_s,
            (long long)q->changed_s);
    }
    return rc;
}
