/* Semaphores: semget(2), semop, semtimedop, semctl. */
#include "kernel/ipc.h"
#include "kernel/procfs.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>

enum { RIGHTS_READ = 0444, RIGHTS_WRITE = 0222, SEMUSZ = 20 };

struct semaphore {
    int32_t value, pid;
};

/* What the end of a process takes back, a number for each semaphore. */
struct undo {
    struct undo *next;
    const struct process *process;
    int16_t add[];
};

struct set {
    struct ipc_object o; /* first */
    uint32_t count;
    int64_t used_s, changed_s;
    struct undo *undos;
    struct semaphore sem[];
};

static struct set *set_of(struct ipc_object *o)
{
    return (struct set *)o;
}

void sem_free(struct ipc *ipc, struct ipc_object *o)
{
    struct set *s = set_of(o);
    ipc_remove(&ipc->sets, o);
    ipc->use.semaphores -= s->count;
    while (s->undos != NULL) {
        struct undo *gone = s->undos;
        s->undos = gone->next;
        ipc->use.undos -= s->count;
        free(gone);
    }
    free(s);
}

static int64_t make(struct task *t, struct ipc *ipc, const uint64_t arg[6])
{
    int32_t count = (int32_t)arg[1];
    if (count < 1 || count > IPC_SEMMSL)
        return -EINVAL;
    if (ipc_use(t->kernel).semaphores + (uint32_t)count > IPC_SEMAPHORES_MAX)
        return -ENOSPC;
    struct set *s = calloc(1, sizeof(*s) + (size_t)count * sizeof(s->sem[0]));
    if (s == NULL)
        return -ENOMEM;
    int error = ipc_add(t, &ipc->sets, &s->o, arg[0], arg[2], IPC_SETS_MAX);
    if (error != 0) {
        free(s);
        return error;
    }
    s->count = (uint32_t)count;
    s->changed_s = ipc_now_s(t->kernel);
    ipc->use.semaphores += s->count;
    return s->o.id;
}

static uint64_t size_of(const struct ipc_object *o)
{
    return ((const struct set *)o)->count;
}

int64_t sys_semget(struct task *t, const uint64_t arg[6])
{
    static const struct ipc_kind kind = {
        .list = offsetof(struct ipc, sets), .flags = 2, .make = make, .size = size_of};
    if ((int32_t)arg[1] < 0 || (int32_t)arg[1] > IPC_SEMMSL)
        return -EINVAL;
    return ipc_get(t, (const uint64_t[6]){arg[0], (uint32_t)arg[1], arg[2]}, &kind);
}

/* ---- semop ---- */

static struct undo *undo_find(const struct set *s, const struct process *p)
{
    struct undo *u = s->undos;
    while (u != NULL && u->process != p)
        u = u->next;
    return u;
}

static struct undo *undo_make(struct ipc *ipc, struct set *s, const struct process *p)
{
    struct undo *u = undo_find(s, p);
    if (u != NULL || ipc_use(p->kernel).undos + s->count > IPC_UNDOS_MAX)
        return u;
    u = calloc(1, sizeof(*u) + s->count * sizeof(u->add[0]));
    if (u == NULL)
        return NULL;
    *u = (struct undo){.next = s->undos, .process = p};
    s->undos = u;
    ipc->use.undos += s->count;
    return u;
}

static int one(struct set *s, const struct sembuf *op, struct undo *undo)
{
    struct semaphore *sem = &s->sem[op->sem_num];
    int32_t value = sem->value + op->sem_op;
    if (op->sem_op == 0 && sem->value != 0)
        return -EAGAIN;
    if (value < 0)
        return -EAGAIN;
    if (value > IPC_SEMVMX)
        return -ERANGE;
    if ((op->sem_flg & SEM_UNDO) != 0) {
        int32_t add = undo->add[op->sem_num] - op->sem_op;
        if (add < -IPC_SEMVMX - 1 || add > IPC_SEMVMX)
            return -ERANGE;
        undo->add[op->sem_num] = (int16_t)add;
    }
    sem->value = value;
    return 0;
}

/* All or nothing. 0, or the error of the operation that cannot be done, which is *failed. */
static int perform(struct set *s, const struct sembuf *op, size_t count, struct undo *undo,
                   size_t *failed)
{
    int error = 0;
    size_t done = 0;
    while (done < count && error == 0) {
        error = one(s, &op[done], undo);
        done += error == 0;
    }
    *failed = done;
    if (error == 0)
        return 0;
    while (done > 0) {
        const struct sembuf *back = &op[--done];
        s->sem[back->sem_num].value -= back->sem_op;
        if ((back->sem_flg & SEM_UNDO) != 0)
            undo->add[back->sem_num] = (int16_t)(undo->add[back->sem_num] + back->sem_op);
    }
    return error;
}

/* What the operations need of the set. 0 or -errno. */
static int check(const struct task *t, const struct set *s, const struct sembuf *op, size_t count,
                 bool *undoes)
{
    uint32_t rights = RIGHTS_READ;
    for (size_t i = 0; i < count; i++) {
        if (op[i].sem_num >= s->count)
            return -EFBIG;
        *undoes |= (op[i].sem_flg & SEM_UNDO) != 0;
        if (op[i].sem_op != 0)
            rights = RIGHTS_WRITE;
    }
    return ipc_may(t, &s->o, rights) ? 0 : -EACCES;
}

/* Waits for the set to change; t->restart.mark tells semctl for what. */
static int64_t wait_for(struct task *t, const struct set *s, const struct sembuf *op,
                        int64_t timeout_ns)
{
    int64_t now = kernel_monotonic_ns(t->kernel);
    if (!t->restart.begun && timeout_ns >= 0 &&
        __builtin_add_overflow(now, timeout_ns, &t->restart.deadline_ns))
        t->restart.deadline_ns = INT64_MAX;
    if (timeout_ns >= 0 && now >= t->restart.deadline_ns)
        return -EAGAIN;
    if (timeout_ns >= 0)
        task_wait_until(t, t->restart.deadline_ns);
    t->restart.mark = 1 + (uint64_t)op->sem_num * 2 + (op->sem_op == 0);
    return ipc_wait(t, s);
}

static int64_t operate(struct task *t, const uint64_t arg[6], int64_t timeout_ns)
{
    struct sembuf op[IPC_SEMOPM];
    struct ipc *ipc = ipc_of(t);
    size_t count = (size_t)(uint32_t)arg[2], failed = 0;
    bool undoes = false;
    if (ipc == NULL)
        return -ENOMEM;
    if (count < 1 || (int32_t)arg[0] < 0)
        return -EINVAL;
    if (count > IPC_SEMOPM)
        return -E2BIG;
    if (task_read(t, arg[1], op, count * sizeof(op[0])) != 0)
        return -EFAULT;
    struct ipc_object *o = ipc_find(&ipc->sets, arg[0]);
    if (o == NULL)
        return t->restart.begun ? -EIDRM : -EINVAL;
    struct set *s = set_of(o);
    int error = check(t, s, op, count, &undoes);
    if (error != 0)
        return error;
    struct undo *undo = undoes ? undo_make(ipc, s, t->process) : NULL;
    if (undoes && undo == NULL)
        return -ENOMEM;
    error = perform(s, op, count, undo, &failed);
    if (error == -EAGAIN && (op[failed].sem_flg & IPC_NOWAIT) == 0)
        return wait_for(t, s, &op[failed], timeout_ns);
    if (error != 0)
        return error;
    for (size_t i = 0; i < count; i++)
        s->sem[op[i].sem_num].pid = t->process->pid;
    s->used_s = ipc_now_s(t->kernel);
    kernel_wake(t->kernel, s);
    return 0;
}

int64_t sys_semop(struct task *t, const uint64_t arg[6])
{
    return operate(t, arg, -1);
}

int64_t sys_semtimedop(struct task *t, const uint64_t arg[6])
{
    int64_t timeout_ns = -1;
    int64_t error = sys_timespec_ns(t, arg[3], &timeout_ns);
    return error != 0 ? error : operate(t, arg, timeout_ns);
}

static void undo_all(struct ipc *ipc, struct process *p)
{
    for (struct ipc_object *o = ipc->sets.first; o != NULL; o = o->next) {
        struct set *s = set_of(o);
        struct undo **link = &s->undos;
        while (*link != NULL && (*link)->process != p)
            link = &(*link)->next;
        struct undo *u = *link;
        if (u == NULL)
            continue;
        for (uint32_t i = 0; i < s->count; i++) {
            int32_t value = s->sem[i].value + u->add[i];
            if (u->add[i] == 0)
                continue;
            s->sem[i].value = value < 0 ? 0 : value > IPC_SEMVMX ? IPC_SEMVMX : value;
            s->sem[i].pid = p->pid;
        }
        s->used_s = ipc_now_s(p->kernel);
        *link = u->next;
        ipc->use.undos -= s->count;
        free(u);
        kernel_wake(p->kernel, s);
    }
}

void sem_exit(struct process *p)
{
    for (struct ipc *ipc = p->kernel->ipcs; ipc != NULL; ipc = ipc->next)
        undo_all(ipc, p);
}

/* ---- semctl ---- */

/* Tasks that wait for the semaphore to grow, or to become zero. */
static int64_t waiting(const struct kernel *k, const struct set *s, uint64_t number, bool zero)
{
    int64_t count = 0;
    for (const struct task *t = k->tasks; t != NULL; t = t->next)
        count += t->state == TASK_WAITING && t->wait_key == s &&
                 t->restart.mark == 1 + number * 2 + zero;
    return count;
}

static void forget_undos(struct set *s, uint32_t number)
{
    for (struct undo *u = s->undos; u != NULL; u = u->next)
        u->add[number] = 0;
}

static int64_t set_value(struct task *t, struct set *s, uint32_t number, int32_t value)
{
    if (value < 0 || value > IPC_SEMVMX)
        return -ERANGE;
    if (!ipc_may(t, &s->o, RIGHTS_WRITE))
        return -EACCES;
    forget_undos(s, number);
    s->sem[number].value = value;
    s->sem[number].pid = t->process->pid;
    s->changed_s = ipc_now_s(t->kernel);
    kernel_wake(t->kernel, s);
    return 0;
}

static int64_t get_all(struct task *t, const struct set *s, uint64_t addr)
{
    int error = 0;
    for (uint32_t i = 0; i < s->count && error == 0; i++) {
        uint16_t value = (uint16_t)s->sem[i].value;
        error = task_write(t, addr + i * sizeof(value), &value, sizeof(value));
    }
    return error;
}

static int64_t set_all(struct task *t, struct set *s, uint64_t addr)
{
    uint16_t value = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < s->count; i++) {
            if (task_read(t, addr + i * sizeof(value), &value, sizeof(value)) != 0)
                return -EFAULT;
            if (value > IPC_SEMVMX)
                return -ERANGE;
            if (pass == 0)
                continue;
            forget_undos(s, i);
            s->sem[i] = (struct semaphore){value, t->process->pid};
        }
    s->changed_s = ipc_now_s(t->kernel);
    kernel_wake(t->kernel, s);
    return 0;
}

static int64_t about_one(struct task *t, struct set *s, int command, uint64_t number,
                         uint64_t value)
{
    if (number >= s->count)
        return -EINVAL;
    if (command == SETVAL)
        return set_value(t, s, (uint32_t)number, (int32_t)value);
    if (!ipc_may(t, &s->o, RIGHTS_READ))
        return -EACCES;
    switch (command) {
    case GETVAL: return s->sem[number].value;
    case GETPID: return s->sem[number].pid;
    case GETNCNT: return waiting(t->kernel, s, number, false);
    default: return waiting(t->kernel, s, number, true);
    }
}

static int64_t about_all(struct task *t, struct set *s, int command, uint64_t addr)
{
    if (!ipc_may(t, &s->o, command == GETALL ? RIGHTS_READ : RIGHTS_WRITE))
        return -EACCES;
    return command == GETALL ? get_all(t, s, addr) : set_all(t, s, addr);
}

static int64_t stat_set(struct task *t, struct set *s, uint64_t addr, int command)
{
    if (command != SEM_STAT_ANY && !ipc_may(t, &s->o, RIGHTS_READ))
        return -EACCES;
    struct semid_ds ds = {.sem_perm = s->o.perm,
                          .sem_otime = s->used_s,
                          .sem_ctime = s->changed_s,
                          .sem_nsems = s->count};
    int error = task_write(t, addr, &ds, sizeof(ds));
    return error != 0 ? error : command == IPC_STAT ? 0 : s->o.id;
}

static int64_t change(struct task *t, struct ipc *ipc, struct set *s, int command, uint64_t addr)
{
    struct semid_ds ds;
    if (command == IPC_SET && task_read(t, addr, &ds, sizeof(ds)) != 0)
        return -EFAULT;
    if (!ipc_owns(t, &s->o))
        return -EPERM;
    if (command == IPC_SET) {
        ipc_set(&s->o, &ds.sem_perm);
        s->changed_s = ipc_now_s(t->kernel);
        return 0;
    }
    kernel_wake(t->kernel, s);
    sem_free(ipc, &s->o);
    return 0;
}

static int64_t tell_limits(struct task *t, const struct ipc *ipc, bool use, uint64_t addr)
{
    struct seminfo info = {.semmap = IPC_SEMMNS,
                           .semmni = IPC_SEMMNI,
                           .semmns = IPC_SEMMNS,
                           .semmnu = IPC_SEMMNS,
                           .semmsl = IPC_SEMMSL,
                           .semopm = IPC_SEMOPM,
                           .semume = IPC_SEMOPM,
                           .semusz = use ? (int)ipc->sets.count : SEMUSZ,
                           .semvmx = IPC_SEMVMX,
                           .semaem = use ? (int)ipc->use.semaphores : IPC_SEMVMX};
    int error = task_write(t, addr, &info, sizeof(info));
    return error != 0 ? error : ipc_highest(&ipc->sets);
}

uint32_t sem_count(struct task *t, uint64_t id)
{
    const struct ipc *ipc = ipc_seen_by(t);
    struct ipc_object *o = ipc != NULL ? ipc_find(&ipc->sets, id) : NULL;
    return o != NULL ? set_of(o)->count : 0;
}

int64_t sys_semctl(struct task *t, const uint64_t arg[6])
{
    struct ipc *ipc = ipc_of(t);
    int command = (int)arg[2];
    if (ipc == NULL)
        return -ENOMEM;
    if ((int32_t)arg[0] < 0)
        return -EINVAL;
    if (command == IPC_INFO || command == SEM_INFO)
        return tell_limits(t, ipc, command == SEM_INFO, arg[3]);
    bool by_index = command == SEM_STAT || command == SEM_STAT_ANY;
    struct ipc_object *o = by_index ? ipc_at(&ipc->sets, arg[0]) : ipc_find(&ipc->sets, arg[0]);
    if (o == NULL)
        return -EINVAL;
    switch (command) {
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY: return stat_set(t, set_of(o), arg[3], command);
    case IPC_RMID:
    case IPC_SET: return change(t, ipc, set_of(o), command, arg[3]);
    case GETALL:
    case SETALL: return about_all(t, set_of(o), command, arg[3]);
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT:
    case SETVAL: return about_one(t, set_of(o), command, (uint32_t)arg[1], arg[3]);
    default: return -EINVAL;
    }
}

int proc_sysvipc_sem(const struct proc_call *c)
{
    int rc =
        buffer_printf(c->out, "       key      semid perms      nsems   uid   gid  cuid  cgid  "
                              "    otime      ctime\n");
    const struct ipc *ipc = c->reader != NULL ? ipc_seen_by(c->reader) : NULL;
    for (struct ipc_object *o = ipc != NULL ? ipc->sets.first : NULL; o != NULL && rc == 0;
         o = o->next)
        rc = buffer_printf(c->out, "%10d %10d  %4o %10u %5u %5u %5u %5u %10lld %10lld\n",
                           o->perm.__key, o->id, o->perm.mode, set_of(o)->count, o->perm.uid,
                           o->perm.gid, o->perm.cuid, o->perm.cgid, (long long)set_of(o)->used_s,
                           (long long)set_of(o)->changed_s);
    return rc;
}
