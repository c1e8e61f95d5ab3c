/* The processes that /proc shows: the visitor's own; the sshd that seems to have started each of his
 * programs; and services that seem to run. */
#include "kernel/hardware.h"
#include "kernel/machine.h"
#include "kernel/mm.h"
#include "kernel/procfs.h"
#include "kernel/program.h"
#include "kernel/tty.h"

#include <stdio.h>
#include <string.h>

enum {
    TTY1 = 4 << 8 | 1,
    TICK_NS = 10000000,
    LISTENER = 393, /* the pid of sshd in services.def */
    SSHD_SIZE_KIB = 17700,
    SSHD_RESIDENT_KIB = 10832,
};

struct service {
    int32_t pid, ppid, session;
    char state;
    uint32_t uid, gid;
    int nice;
    unsigned threads;
    uint64_t size_kib, resident_kib, cpu_s;
    int32_t tty;
    const char *name_z, *args_z;
};

static const struct service services[] = {
#define SERVICE(pid, ppid, session, state, uid, gid, nice, threads, size, resident, cpu, tty, \
                name, args)                                                                   \
    {pid, ppid, session, state, uid, gid, nice, threads, size, resident, cpu, tty, name, args},
#include "kernel/services.def"
#undef SERVICE
};

/* Command lines keep their blanks where a real one has NULs: nobody can tell the arguments of a
 * title that its program has set; for the others they are split. */
static void service_args(struct proc_view *v, const char *args_z)
{
    v->args = span_of(args_z, strlen(args_z) + 1);
    if (args_z[0] == '\0')
        v->args.len = 0;
}

static void view_service(const struct service *s, struct proc_view *v)
{
    *v = (struct proc_view){.pid = s->pid,
                            .ppid = s->ppid,
                            .pgid = s->session,
                            .sid = s->session,
                            .tty_nr = s->tty,
                            .tpgid = s->tty != 0 ? s->pid : -1,
                            .uid = s->uid,
                            .gid = s->gid,
                            .state = s->state,
                            .nice = s->nice,
                            .threads = s->threads,
                            .size_kib = s->size_kib,
                            .resident_kib = s->resident_kib,
                            .ticks = s->cpu_s * 100,
                            .start_ticks = (uint64_t)s->pid / 2,
                            .is_kernel = s->size_kib == 0};
    span_copy_z(span_z(s->name_z), v->comm_z, sizeof(v->comm_z));
    service_args(v, s->args_z);
}

static uint64_t ticks_since_boot(const struct task *t)
{
    return t != NULL ? t->start_ns / TICK_NS : 0;
}

static const struct task *any_task(const struct process *p)
{
    if (p->leader != NULL)
        return p->leader;
    for (const struct task *t = p->kernel->tasks; t != NULL; t = t->next)
        if (t->process == p)
            return t;
    return NULL;
}

static char state_of(const struct process *p, const struct task *t)
{
    if (p->zombie || t == NULL)
        return 'Z';
    if (p->stopped)
        return 'T';
    return t->state == TASK_READY ? 'R' : 'S';
}

static void view_process(struct process *p, struct proc_view *v)
{
    const struct task *t = any_task(p);
    const struct tty *tty = p->session != NULL ? p->session->tty : NULL;
    *v = (struct proc_view){.pid = p->pid,
                            .ppid = process_ppid(p),
                            .pgid = p->pgid,
                            .sid = p->session != NULL ? p->session->sid : 0,
                            .tty_nr = tty != NULL ? (int32_t)FS_DEV(136, tty_number(tty)) : 0,
                            .tpgid = tty != NULL ? tty_foreground(tty) : -1,
                            .uid = t != NULL ? t->creds.euid : p->uid,
                            .gid = t != NULL ? t->creds.egid : 0,
                            .state = state_of(p, t),
                            .nice = t != NULL ? t->nice : 0,
                            .threads = p->threads > 0 ? p->threads : 1,
                            .start_ticks = ticks_since_boot(t),
                            .args = span_of(p->args, p->zombie ? 0 : p->args_len),
                            .process = p,
                            .task = (struct task *)t};
    uint64_t work = p->user_instructions + (t != NULL ? t->user_instructions : 0);
    v->ticks = work / KERNEL_INSTRUCTIONS_US / (TICK_NS / 1000);
    if (t != NULL)
        span_copy_z(span_z(t->comm_z), v->comm_z, sizeof(v->comm_z));
    if (t == NULL || t->mm == NULL)
        return;
    v->size_kib = t->mm->pages * 4;
    /* What is resident is not known page by page: the private part, and half of the rest. */
    uint64_t own = cpu_space_private_pages(t->mm->space) * 4;
    v->resident_kib = own + (v->size_kib > own ? (v->size_kib - own) / 2 : 0);
}

/* The sshd above a program: started just before it. */
static void view_sshd(struct process *p, struct proc_view *v)
{
    const struct tty *tty = p->session != NULL ? p->session->tty : NULL;
    char where[16] = "notty";
    struct proc_view of;
    view_process(p, &of);
    *v = (struct proc_view){.pid = p->outer_ppid,
                            .ppid = LISTENER,
                            .pgid = p->outer_ppid,
                            .sid = p->outer_ppid,
                            .tpgid = -1,
                            .state = 'S',
                            .threads = 1,
                            .size_kib = SSHD_SIZE_KIB,
                            .resident_kib = SSHD_RESIDENT_KIB,
                            .ticks = 3,
                            .start_ticks = of.start_ticks > 20 ? of.start_ticks - 20 : 0};
    span_copy_z(span_z("sshd"), v->comm_z, sizeof(v->comm_z));
    if (tty != NULL)
        (void)snprintf(where, sizeof(where), "pts/%u", tty_number(tty));
    int n = snprintf(v->own_args, sizeof(v->own_args), "sshd: %s@%s",
                     of.uid == 0 ? "root" : "admin", where);
    v->args = span_of(v->own_args, (size_t)n + 1);
}

static bool is_starter(const struct process *p)
{
    return p->parent == NULL && p->outer_ppid > 1 && p->program >= 0 && !p->zombie;
}

bool proc_view_find(const struct vfs *vfs, int32_t pid, struct proc_view *out)
{
    struct process *p = vfs->kernel != NULL ? vfs->kernel->processes : NULL;
    for (; p != NULL; p = p->next) {
        if (p->pid == pid) {
            view_process(p, out);
            return true;
        }
        if (is_starter(p) && p->outer_ppid == pid) {
            view_sshd(p, out);
            out->args.data = (const uint8_t *)out->own_args;
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        if (services[i].pid == pid) {
            view_service(&services[i], out);
            return true;
        }
    }
    return false;
}

bool proc_view_next(const struct vfs *vfs, int32_t after, struct proc_view *out)
{
    int32_t next = INT32_MAX;
    for (size_t i = 0; i < ARRAY_LEN(services); i++)
        if (services[i].pid > after && services[i].pid < next)
            next = services[i].pid;
    const struct process *p = vfs->kernel != NULL ? vfs->kernel->processes : NULL;
    for (; p != NULL; p = p->next) {
        if (p->pid > after && p->pid < next)
            next = p->pid;
        if (is_starter(p) && p->outer_ppid > after && p->outer_ppid < next)
            next = p->outer_ppid;
    }
    return next != INT32_MAX && proc_view_find(vfs, next, out);
}

unsigned proc_view_count(const struct vfs *vfs, unsigned *running, int32_t *last)
{
    unsigned count = ARRAY_LEN(services);
    *running = 0;
    *last = 0;
    if (vfs->kernel == NULL)
        return count;
    *last = vfs->kernel->last_pid;
    for (struct process *p = vfs->kernel->processes; p != NULL; p = p->next) {
        struct proc_view view;
        view_process(p, &view);
        count += is_starter(p) ? 2 : 1;
        *running += view.state == 'R' ? 1 : 0;
    }
    return count;
}
