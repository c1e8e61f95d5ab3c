#include "kernel/signal.h"

#include "kernel/abi.h"
#include "kernel/exit.h"
#include "kernel/task.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SET_FAULTS                                                                         \
    (SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGTRAP) | \
     SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSYS))
#define SET_IGNORED \
    (SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGWINCH) | SIGNAL_BIT(SIGURG))
#define SET_STOPS \
    (SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))

enum { FIRST_REALTIME = 32 };

/* ---- Tables of actions ---- */

struct signal_table *signal_table_new(void)
{
    struct signal_table *table = calloc(1, sizeof(*table));
    if (table != NULL)
        table->refs = 1;
    return table;
}

struct signal_table *signal_table_clone(const struct signal_table *table)
{
    struct signal_table *copy = malloc(sizeof(*copy));
    if (copy == NULL)
        return NULL;
    *copy = *table;
    copy->refs = 1;
    return copy;
}

void signal_table_drop(struct signal_table *table)
{
    if (table != NULL && --table->refs == 0)
        free(table);
}

void signal_table_reset(struct signal_table *table)
{
    for (size_t i = 0; i < SIGNAL_MAX; i++) {
        bool ignored = table->action[i].handler == SIGNAL_IGNORE;
        memset(&table->action[i], 0, sizeof(table->action[i]));
        table->action[i].handler = ignored ? SIGNAL_IGNORE : SIGNAL_DEFAULT;
    }
}

/* ---- Asking ---- */

bool signal_default_ignores(int signo)
{
    return (SET_IGNORED & SIGNAL_BIT(signo)) != 0;
}

bool signal_default_stops(int signo)
{
    return (SET_STOPS & SIGNAL_BIT(signo)) != 0;
}

static bool is_ignored(const struct process *p, int signo)
{
    uint64_t handler = p->actions->action[signo - 1].handler;
    return handler == SIGNAL_IGNORE || (handler == SIGNAL_DEFAULT && signal_default_ignores(signo));
}

bool signal_is_blocked_or_ignored(const struct task *t, int signo)
{
    return (t->signals.blocked & SIGNAL_BIT(signo)) != 0 ||
           t->process->actions->action[signo - 1].handler == SIGNAL_IGNORE;
}

/* ---- Queues ---- */

struct signal_data {
    struct signal_info info[FIRST_REALTIME - 1]; /* of each standard signal, by signo - 1 */
    uint32_t count;
    struct signal_info realtime[SIGNAL_QUEUE_MAX]; /* in order of arrival */
};

void signal_queue_fini(struct signal_queue *q)
{
    free(q->data);
    *q = (struct signal_queue){0};
}

static void queue_remove(struct signal_queue *q, uint64_t set)
{
    q->set &= ~set;
    if (q->set == 0)
        signal_queue_fini(q);
}

static void queue_drop(struct signal_queue *q, uint64_t set)
{
    struct signal_data *d = q->data;
    uint32_t kept = 0;
    for (uint32_t i = 0; d != NULL && i < d->count; i++)
        if ((set & SIGNAL_BIT(d->realtime[i].signo)) == 0)
            d->realtime[kept++] = d->realtime[i];
    if (d != NULL)
        d->count = kept;
    queue_remove(q, set);
}

/* It came without data, or the queue was full. */
static struct signal_info bare(int signo)
{
    return (struct signal_info){.signo = signo, .code = SI_USER};
}

static void queue_put(struct signal_queue *q, const struct signal_info *info)
{
    uint64_t bit = SIGNAL_BIT(info->signo);
    if (q->data == NULL)
        q->data = calloc(1, sizeof(*q->data));
    struct signal_data *d = q->data;
    if (d != NULL && info->signo < FIRST_REALTIME) {
        if ((q->set & bit) == 0)
            d->info[info->signo - 1] = *info;
    } else if (d != NULL && d->count < SIGNAL_QUEUE_MAX) {
        d->realtime[d->count++] = *info;
    }
    q->set |= bit;
}

/* The first of a real-time signal, if any has data. Whether others follow it. */
static bool take_realtime(struct signal_data *d, int signo, struct signal_info *info)
{
    uint32_t i = 0;
    while (i < d->count && d->realtime[i].signo != signo)
        i++;
    if (i == d->count)
        return false;
    *info = d->realtime[i];
    memmove(&d->realtime[i], &d->realtime[i + 1], (d->count - i - 1) * sizeof(*info));
    d->count--;
    while (i < d->count && d->realtime[i].signo != signo)
        i++;
    return i < d->count;
}

static void queue_get(struct signal_queue *q, int signo, struct signal_info *info)
{
    bool more = false;
    *info = bare(signo);
    if (q->data != NULL && signo >= FIRST_REALTIME)
        more = take_realtime(q->data, signo, info);
    else if (q->data != NULL && q->data->info[signo - 1].signo != 0)
        *info = q->data->info[signo - 1];
    if (!more)
        queue_remove(q, SIGNAL_BIT(signo));
}

void signal_flush(struct process *p, uint64_t set)
{
    queue_drop(&p->pending, set);
    for (struct task *t = p->kernel->tasks; t != NULL; t = t->next)
        if (t->process == p)
            queue_drop(&t->signals.pending, set);
}

bool signal_take(struct task *t, uint64_t set, struct signal_info *info)
{
    struct signal_queue *q = &t->signals.pending;
    uint64_t ready = q->set & set;
    if (ready == 0) {
        q = &t->process->pending;
        ready = q->set & set;
    }
    if (ready == 0)
        return false;
    if ((ready & SET_FAULTS) != 0)
        ready &= SET_FAULTS;
    queue_get(q, __builtin_ctzll(ready) + 1, info);
    return true;
}

/* ---- Sending ---- */

static void wake_for(struct task *t, int signo)
{
    if (signo == SIGKILL && (t->state == TASK_STOPPED || t->state == TASK_VFORKED))
        t->state = TASK_READY;
    task_wake(t);
}

static void resume(struct process *p)
{
    for (struct task *t = p->kernel->tasks; t != NULL; t = t->next)
        if (t->process == p && t->state == TASK_STOPPED)
            t->state = TASK_READY;
    if (!p->stopped)
        return;
    p->stopped = false;
    p->stop_told = true;
    p->continue_told = false;
    process_tell_parent(p, CLD_CONTINUED, SIGCONT);
}

/* What a signal does by being sent, whatever becomes of it. False: it is not to be kept. */
static bool prepare(struct process *p, const struct task *t, int signo)
{
    if (p->zombie)
        return false;
    if (signal_default_stops(signo))
        signal_flush(p, SIGNAL_BIT(SIGCONT));
    if (signo == SIGCONT) {
        signal_flush(p, SET_STOPS);
        resume(p);
    }
    if (signo == SIGKILL)
        p->stopped = false;
    /* A blocked one is kept: its action may have changed when it is let through. */
    return (t->signals.blocked & SIGNAL_BIT(signo)) != 0 || !is_ignored(p, signo);
}

void signal_send_task(struct task *t, const struct signal_info *info)
{
    if (t->state == TASK_DEAD || !prepare(t->process, t, info->signo))
        return;
    queue_put(&t->signals.pending, info);
    kernel_wake(t->kernel, t->process); /* signalfd */
    if ((t->signals.blocked & SIGNAL_BIT(info->signo)) == 0)
        wake_for(t, info->signo);
}

/* Which thread handles it: the leader if it wants, else the first that does. */
static struct task *receiver(const struct process *p, int signo)
{
    struct task *any = NULL;
    for (struct task *t = p->kernel->tasks; t != NULL; t = t->next) {
        if (t->process != p || t->state == TASK_DEAD)
            continue;
        if (any == NULL || t == p->leader)
            any = t;
    }
    if (any == NULL || (any->signals.blocked & SIGNAL_BIT(signo)) == 0)
        return any;
    for (struct task *t = p->kernel->tasks; t != NULL; t = t->next)
        if (t->process == p && t->state != TASK_DEAD &&
            (t->signals.blocked & SIGNAL_BIT(signo)) == 0)
            return t;
    return any;
}

void signal_send_process(struct process *p, const struct signal_info *info)
{
    struct task *t = receiver(p, info->signo);
    if (t == NULL || !prepare(p, t, info->signo))
        return;
    queue_put(&p->pending, info);
    kernel_wake(p->kernel, p); /* signalfd */
    for (struct task *each = p->kernel->tasks; each != NULL; each = each->next) {
        bool told = info->signo == SIGKILL || each == t;
        if (each->process == p && told && (each->signals.blocked & SIGNAL_BIT(info->signo)) == 0)
            wake_for(each, info->signo);
    }
}

static struct signal_info from_kernel(int signo)
{
    return (struct signal_info){.signo = signo, .code = SI_KERNEL};
}

void signal_raise_task(struct task *t, int signo)
{
    struct signal_info info = from_kernel(signo);
    signal_send_task(t, &info);
}

void signal_raise_process(struct process *p, int signo)
{
    struct signal_info info = from_kernel(signo);
    signal_send_process(p, &info);
}

unsigned signal_raise_group(struct kernel *k, int32_t pgid, int signo)
{
    unsigned count = 0;
    for (struct process *p = k->processes; p != NULL; p = p->next) {
        if (p->pgid != pgid)
            continue;
        signal_raise_process(p, signo);
        count++;
    }
    return count;
}

void signal_force(struct task *t, const struct signal_info *info)
{
    struct signal_action *action = &t->process->actions->action[info->signo - 1];
    uint64_t bit = SIGNAL_BIT(info->signo);
    if ((t->signals.blocked & bit) != 0 || action->handler == SIGNAL_IGNORE) {
        memset(action, 0, sizeof(*action));
        t->signals.blocked &= ~bit;
    }
    queue_drop(&t->signals.pending, bit);
    queue_put(&t->signals.pending, info);
}

/* ---- Masks of one call ---- */

void signal_mask_for_call(struct task *t, uint64_t mask)
{
    struct signal_state *s = &t->signals;
    if (!s->restore_blocked) {
        s->saved_blocked = s->blocked;
        s->restore_blocked = true;
    }
    s->blocked = mask & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
}

/* ---- Delivery ---- */

/* A stop signal with its default action. */
static void stop(struct process *p, int signo)
{
    if (signo != SIGSTOP && group_is_orphaned(p->kernel, p->pgid))
        return;
    for (struct task *t = p->kernel->tasks; t != NULL; t = t->next)
        if (t->process == p && (t->state == TASK_READY || t->state == TASK_WAITING))
            t->state = TASK_STOPPED;
    p->stopped = true;
    p->stop_signal = signo;
    p->stop_told = false;
    p->continue_told = true;
    process_tell_parent(p, CLD_STOPPED, signo);
}

/* What a cut system call answers, now that a handler runs. */
static void end_call(struct task *t, const struct signal_action *action)
{
    if (t->restart_code == 0)
        return;
    bool again = t->restart_code == ERESTARTNOINTR ||
                 (t->restart_code == ERESTARTSYS && (action->flags & SA_RESTART) != 0);
    task_end_call(t, again);
}

static bool run_handler(struct task *t, const struct signal_info *info)
{
    struct signal_action *slot = &t->process->actions->action[info->signo - 1];
    struct signal_action action = *slot;
    struct signal_state *s = &t->signals;
    end_call(t, &action);
    if (task_abi(t)->frame_push(t, info, &action) != 0) {
        struct signal_info fault = from_kernel(SIGSEGV);
        if (info->signo == SIGSEGV)
            memset(slot, 0, sizeof(*slot));
        signal_force(t, &fault);
        return false;
    }
    if ((action.flags & SA_RESETHAND) != 0)
        slot->handler = SIGNAL_DEFAULT;
    s->restore_blocked = false;
    s->blocked |= action.mask;
    if ((action.flags & SA_NODEFER) == 0)
        s->blocked |= SIGNAL_BIT(info->signo);
    s->blocked &= ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
    return true;
}

bool signal_deliver(struct task *t)
{
    struct signal_info info;
    bool handled = false;
    while (t->state == TASK_READY && signal_take(t, ~t->signals.blocked, &info)) {
        uint64_t handler = t->process->actions->action[info.signo - 1].handler;
        if (info.signo == SIGKILL)
            handler = SIGNAL_DEFAULT;
        if (handler == SIGNAL_IGNORE)
            continue;
        if (handler != SIGNAL_DEFAULT)
            handled = run_handler(t, &info) || handled;
        else if (signal_default_stops(info.signo))
            stop(t->process, info.signo);
        else if (!signal_default_ignores(info.signo))
            process_end(t->process, info.signo);
    }
    return handled;
}
