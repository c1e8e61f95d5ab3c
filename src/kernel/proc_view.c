/* The processes that /proc shows: the visitor's own; the sshd that seems to have started each of his
 * programs; and services that seem to run. */
#include "kernel/hardware.h"
#include "kernel/kind.h"
#include "kernel/login.h"
#include "kernel/machine.h"
#include "kernel/mm.h"
#include "kernel/procfs.h"
#include "kernel/program.h"
#include "kernel/tty.h"

#include "persona/past.h"

#include <stdio.h>
#include <string.h>

enum {
    TICK_NS = 10000000,
    US_PER_TICK = 10000,
    NS_PER_S = 1000000000,
    SECOND_TICKS = 100,
    DAY_S = 86400,
    LOGIN_PLACES = (1 + KERNEL_LOGINS_MAX) * LOGIN_PROCESSES,
};

/* Command lines keep their blanks where a real one has NULs: nobody can tell the arguments of a
 * title that its program has set; for the others they are split. */
static void service_args(struct proc_view *v, const char *args_z)
{
    v->args = span_of(args_z, strlen(args_z) + 1);
    if (args_z[0] == '\0')
        v->args.len = 0;
}

/* What it has worked since boot: at its start, and a little every day. */
static uint64_t work_of(const struct service *s, const struct vfs *vfs)
{
    int64_t up_s = (vfs_now(vfs) - vfs->boot_ns) / NS_PER_S;
    uint64_t since = up_s > 0 ? (uint64_t)up_s : 0;
    return s->cpu_s * SECOND_TICKS / 5 + s->cpu_s * SECOND_TICKS * since / 8 / DAY_S;
}

static uint64_t start_of(const struct vfs *vfs, const struct service *s,
                         const struct service_now *now)
{
    bool anew = now != NULL && now->pid != 0;
    const struct persona_identity *p = vfs->kernel != NULL ? vfs->kernel->identity : NULL;
    uint64_t up_us = p != NULL ? (uint64_t)persona_process_us(p, s->pid) : (uint64_t)s->pid * 5000;
    return anew ? (uint64_t)(now->started_ns - vfs->boot_ns) / TICK_NS : up_us / US_PER_TICK;
}

static void view_service(const struct vfs *vfs, size_t index, struct proc_view *v)
{
    const struct service *s = &service_table_of(vfs->hardware)->row[index];
    const struct service_now *now = vfs->kernel != NULL ? &vfs->kernel->services[index] : NULL;
    bool anew = now != NULL && now->pid != 0;
    *v = (struct proc_view){.pid = anew ? now->pid : s->pid,
                            .ppid = s->ppid,
                            .pgid = anew ? now->pid : s->session,
                            .sid = anew ? now->pid : s->session,
                            .tty_nr = s->tty,
                            .tpgid = s->tty != 0 ? s->pid : -1,
                            .uid = s->uid,
                            .gid = s->gid,
                            .state = s->state,
                            .nice = s->nice,
                            .threads = s->threads,
                            .size_kib = s->size_kib,
                            .resident_kib = s->resident_kib,
                            .ticks = anew ? 2 : work_of(s, vfs),
                            .start_ticks = start_of(vfs, s, now),
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

/* "root@pts/0,pts/1", or "root@notty": as sshd names itself. */
static void name_terminals(const struct kernel *k, const struct login *l, char *out, size_t size)
{
    int n = snprintf(out, size, "sshd: %s@", l->user_z);
    bool any = false;
    for (int i = 0; i < KERNEL_PROGRAMS_MAX && n > 0 && (size_t)n < size; i++) {
        const struct program *p = k->programs[i];
        if (p == NULL || p->tty == NULL || login_at(k, p->login) != l)
            continue;
        n += snprintf(out + n, size - (size_t)n, "%spts/%u", any ? "," : "", tty_number(p->tty));
        any = true;
    }
    if (!any && n > 0 && (size_t)n < size)
        (void)snprintf(out + n, size - (size_t)n, "notty");
}

/* A server's process for the visitor that is as its parent, dropbear's. */
static void view_child(const struct kernel *k, const struct login *l, struct proc_view *v)
{
    const struct kind *m = k->hardware.kind;
    for (size_t i = 0; i < m->services->count; i++)
        if (m->services->row[i].pid == m->login.listener)
            view_service(k->vfs, i, v);
    v->ppid = m->login.listener;
    v->pid = v->pgid = v->sid = l->worker;
    v->ticks = 2;
    v->start_ticks = (uint64_t)(l->at_ns - k->boot_ns) / TICK_NS;
}

/* What seems to have been started for the visitor's login. */
static void view_login(const struct kernel *k, const struct login *l, enum login_process index,
                       struct proc_view *v)
{
    static const struct {
        const char *name_z, *args_z;                          /* NULL: sshd's title */
        uint64_t size_kib, resident_kib, ticks, before_ticks; /* his first program */
        bool is_users;
    } kinds[LOGIN_PROCESSES] = {
        {"sshd", NULL, 17700, 10832, 3, 84, false},
        {"systemd", "/lib/systemd/systemd\0--user", 18656, 9768, 9, 35, true},
        {"(sd-pam)", "(sd-pam)", 168120, 2800, 0, 35, true},
        {"sshd", NULL, 17700, 6480, 1, 4, true},
    };
    bool is_pam = index == LOGIN_PAM, is_worker = index == LOGIN_WORKER;
    int32_t pid = login_pid(k, l, index);
    *v = (struct proc_view){.pid = pid,
                            .ppid = is_worker                ? l->monitor
                                    : is_pam                 ? l->manager
                                    : index == LOGIN_MONITOR ? SERVICE_LISTENER
                                                             : 1,
                            .pgid = is_pam ? l->manager : pid,
                            .sid = is_pam ? l->manager : pid,
                            .tpgid = -1,
                            .uid = kinds[index].is_users ? l->uid : 0,
                            .gid = kinds[index].is_users ? l->uid : 0,
                            .state = 'S',
                            .threads = 1,
                            .size_kib = kinds[index].size_kib,
                            .resident_kib = kinds[index].resident_kib,
                            .ticks = kinds[index].ticks,
                            .start_ticks = (uint64_t)(l->at_ns - k->boot_ns) / TICK_NS -
                                           kinds[index].before_ticks};
    span_copy_z(span_z(kinds[index].name_z), v->comm_z, sizeof(v->comm_z));
    if (kinds[index].args_z != NULL) {
        size_t len = strlen(kinds[index].args_z) + 1;
        if (index == LOGIN_MANAGER)
            len += sizeof("--user"); /* its second word, behind a NUL */
        v->args = span_of(kinds[index].args_z, len);
        return;
    }
    if (index == LOGIN_MONITOR && l->uid != 0)
        (void)snprintf(v->own_args, sizeof(v->own_args), "sshd: %s [priv]", l->user_z);
    else
        name_terminals(k, l, v->own_args, sizeof(v->own_args));
    v->args = span_of(v->own_args, strlen(v->own_args) + 1);
}

struct span proc_view_program(const struct vfs *vfs, const struct proc_view *view)
{
    struct span args = view->args;
    if (view->process != NULL || view->is_kernel)
        return (struct span){0};
    const struct service_table *services = service_table_of(vfs->hardware);
    for (size_t i = 0; i < services->count && span_find(args, '/', 0) < 0; i++)
        if (strcmp(services->row[i].name_z, view->comm_z[0] == '(' ? "systemd" : view->comm_z) == 0)
            args = span_z(services->row[i].args_z);
    ptrdiff_t from = span_find(args, '/', 0);
    if (from < 0)
        return (struct span){0};
    size_t to = (size_t)from;
    while (to < args.len && args.data[to] != ' ' && args.data[to] != '\0')
        to++;
    return span_slice(args, (size_t)from, to);
}

static int32_t pid_of(const struct vfs *vfs, size_t index)
{
    return vfs->kernel != NULL ? service_pid(vfs->kernel, index)
                               : service_table_of(vfs->hardware)->row[index].pid;
}

bool proc_view_find(const struct vfs *vfs, int32_t pid, struct proc_view *out)
{
    struct process *p = vfs->kernel != NULL ? vfs->kernel->processes : NULL;
    for (; p != NULL; p = p->next) {
        if (p->pid == pid) {
            view_process(p, out);
            return true;
        }
    }
    enum login_process which = LOGIN_MONITOR;
    const struct login *l = vfs->kernel != NULL ? login_find(vfs->kernel, pid, &which) : NULL;
    if (l != NULL && !vfs->hardware->kind->login.has_systemd) {
        view_child(vfs->kernel, l, out);
        return true;
    }
    if (l != NULL) {
        view_login(vfs->kernel, l, which, out);
        return true;
    }
    for (size_t i = 0; i < service_table_of(vfs->hardware)->count && pid != 0; i++) {
        if (pid_of(vfs, i) == pid) {
            view_service(vfs, i, out);
            return true;
        }
    }
    return false;
}

/* A process of a login's, by its place among all of them; 0: there is none. */
static int32_t pid_of_login(const struct kernel *k, int place)
{
    const struct login *l = login_at(k, place / LOGIN_PROCESSES + LOGIN_OWN);
    return l != NULL ? login_pid(k, l, (enum login_process)(place % LOGIN_PROCESSES)) : 0;
}

static void take_lowest(int32_t pid, int32_t after, int32_t *next)
{
    if (pid > 0 && pid > after && pid < *next)
        *next = pid;
}

bool proc_view_next(const struct vfs *vfs, int32_t after, struct proc_view *out)
{
    int32_t next = INT32_MAX;
    for (size_t i = 0; i < service_table_of(vfs->hardware)->count; i++)
        take_lowest(pid_of(vfs, i), after, &next);
    const struct process *p = vfs->kernel != NULL ? vfs->kernel->processes : NULL;
    for (; p != NULL; p = p->next)
        take_lowest(p->pid, after, &next);
    for (int i = 0; vfs->kernel != NULL && i < LOGIN_PLACES; i++)
        take_lowest(pid_of_login(vfs->kernel, i), after, &next);
    return next != INT32_MAX && proc_view_find(vfs, next, out);
}

unsigned proc_view_count(const struct vfs *vfs, unsigned *running, int32_t *last)
{
    unsigned count = 0;
    for (size_t i = 0; i < service_table_of(vfs->hardware)->count; i++)
        count +=
            pid_of(vfs, i) != 0 && (vfs->kernel == NULL || vfs->kernel->services[i].unit == NULL)
                ? 1
                : 0;
    *running = 0;
    *last = 0;
    if (vfs->kernel == NULL)
        return count;
    *last = vfs->kernel->last_pid;
    for (int i = 0; i < LOGIN_PLACES; i++)
        count += pid_of_login(vfs->kernel, i) != 0;
    for (struct process *p = vfs->kernel->processes; p != NULL; p = p->next) {
        struct proc_view view;
        view_process(p, &view);
        count++;
        *running += view.state == 'R' ? 1 : 0;
    }
    return count;
}
