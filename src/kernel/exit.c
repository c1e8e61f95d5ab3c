#include "kernel/exit.h"

#include "kernel/fdtable.h"
#include "kernel/futex.h"
#include "kernel/ipc.h"
#include "kernel/mm.h"
#include "kernel/program.h"
#include "kernel/tty.h"
#include "kernel/unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* ---- What the parent is told ---- */

/* Linux: a parent that ignores SIGCHLD, or asked so, has no zombies. */
static bool reaps_itself(const struct process *p)
{
    const struct process *parent = p->parent;
    if (parent == NULL)
        return true;
    if (p->exit_signal != SIGCHLD)
        return false;
    const struct signal_action *action = &parent->actions->action[SIGCHLD - 1];
    return action->handler == SIGNAL_IGNORE || (action->flags & SA_NOCLDWAIT) != 0;
}

void process_tell_parent(struct process *p, int code, int status)
{
    struct process *parent = p->parent;
    if (parent == NULL || parent->zombie)
        return;
    bool ended = code == CLD_EXITED || code == CLD_KILLED || code == CLD_DUMPED;
    int signo = ended ? p->exit_signal : SIGCHLD;
    bool quiet = !ended && (parent->actions->action[SIGCHLD - 1].flags & SA_NOCLDSTOP) != 0;
    if (signo != 0 && !quiet) {
        struct signal_info info = {.signo = signo,
                                   .code = code,
                                   .pid = p->pid,
                                   .uid = p->leader != NULL ? p->leader->creds.uid : p->uid,
                                   .status = status};
        signal_send_process(parent, &info);
    }
    kernel_wake(p->kernel, parent);
}

void process_release_vfork(struct process *p)
{
    for (struct task *t = p->kernel->tasks; t != NULL; t = t->next) {
        if (t->vfork_child != p)
            continue;
        t->vfork_child = NULL;
        if (t->state == TASK_VFORKED)
            t->state = t->process->stopped ? TASK_STOPPED : TASK_READY;
    }
}

/* ---- The end of a process ---- */

static struct process *new_parent(const struct process *p)
{
    for (struct process *up = p->parent; up != NULL; up = up->parent)
        if (up->is_subreaper && !up->zombie)
            return up;
    return NULL;
}

/* Stopped members of a group that nobody can continue any more. */
static void group_lost(struct kernel *k, int32_t pgid)
{
    if (!group_is_orphaned(k, pgid))
        return;
    for (const struct process *p = k->processes; p != NULL; p = p->next) {
        if (p->pgid == pgid && p->stopped) {
            signal_raise_group(k, pgid, SIGHUP);
            signal_raise_group(k, pgid, SIGCONT);
            return;
        }
    }
}

static void leave_children(struct process *p)
{
    struct kernel *k = p->kernel;
    struct process *parent = new_parent(p);
    struct process *next;
    for (struct process *child = k->processes; child != NULL; child = next) {
        next = child->next;
        if (child->parent != p)
            continue;
        child->parent = parent;
        child->outer_ppid = 1;
        if (child->parent_death_signal != 0)
            signal_raise_process(child, child->parent_death_signal);
        if (child->zombie && reaps_itself(child)) {
            process_free(child);
            next = k->processes; /* the list has changed: start again */
            continue;
        }
        if (child->zombie)
            process_tell_parent(child, CLD_EXITED, child->status);
        else if (child->pgid != p->pgid)
            group_lost(k, child->pgid);
    }
}

static void leave_session(struct process *p)
{
    struct session *s = p->session;
    if (s->sid == p->pid && s->tty != NULL) {
        tty_leave_session(s->tty);
        s->tty = NULL;
    }
}

static void became_zombie(struct process *p)
{
    struct kernel *k = p->kernel;
    bool killed = WIFSIGNALED(p->status);
    int status = killed ? WTERMSIG(p->status) : WEXITSTATUS(p->status);
    struct kernel_event event = {.type = KERNEL_EXIT,
                                 .pid = p->pid,
                                 .ppid = process_ppid(p),
                                 .uid = p->uid,
                                 .program = p->program,
                                 .status = p->status,
                                 .exe = span_z(p->exe_z != NULL ? p->exe_z : ""),
                                 .duration_ms = (kernel_monotonic_ns(k) - p->start_ns) / 1000000};
    sem_exit(p);
    p->zombie = true;
    p->stopped = false;
    if (!k->ending)
        kernel_emit(k, NULL, &event);
    leave_session(p);
    leave_children(p);
    if (p->parent != NULL && p->parent->pgid != p->pgid)
        group_lost(k, p->pgid);
    program_process_ended(k, p);
    if (p->unit != NULL)
        unit_process_ended(p);
    process_tell_parent(p, killed ? CLD_KILLED : CLD_EXITED, status);
    if (reaps_itself(p))
        process_free(p);
}

/* ---- The end of a thread ---- */

/* glibc waits on this word in pthread_join. */
static void clear_tid(struct task *t)
{
    static const uint32_t zero = 0;
    if (t->clear_tid == 0 || t->mm->refs < 2)
        return;
    if (task_write(t, t->clear_tid, &zero, sizeof(zero)) == 0)
        futex_wake(t, t->clear_tid, 1);
}

void task_exit(struct task *t, int status)
{
    struct process *p = t->process;
    if (t->state == TASK_DEAD)
        return;
    if (t->mm != NULL) {
        futex_exit(t);
        clear_tid(t);
    }
    t->state = TASK_DEAD;
    p->uid = t->creds.uid;
    task_release(t);
    p->threads--;
    p->kernel->process_count--;
    p->user_instructions += t->user_instructions;
    if (p->leader == t)
        p->leader = NULL;
    t->process = NULL;
    if (p->threads > 0)
        return;
    if (!p->group_exit)
        p->status = status;
    process_release_vfork(p);
    became_zombie(p);
}

static void end_tasks(struct process *p, const struct task *keep, int status)
{
    for (struct task *t = p->kernel->tasks; t != NULL; t = t->next)
        if (t->process == p && t != keep && t->state != TASK_DEAD) {
            bool last = p->threads == 1;
            task_exit(t, status);
            if (last)
                return; /* p may be gone */
        }
}

void process_end(struct process *p, int status)
{
    if (p->zombie || p->group_exit)
        return;
    p->group_exit = true;
    p->status = status;
    end_tasks(p, NULL, status);
}

void process_end_others(struct task *t)
{
    struct process *p = t->process;
    end_tasks(p, t, 0);
    t->tid = p->pid;
    p->leader = t;
}
