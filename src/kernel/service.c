#include "kernel/service.h"

#include "kernel/kind.h"
#include "kernel/login.h"
#include "kernel/program.h"
#include "kernel/task.h"
#include "kernel/unit.h"
#include "persona/past.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>

enum { INIT = 1 };

const struct service_table *service_table(const struct kernel *k)
{
    return service_table_of(&k->hardware);
}

int32_t service_pid(const struct kernel *k, size_t index)
{
    const struct service_now *now = &k->services[index];
    if (now->unit != NULL)
        return unit_is_active(now->unit) ? now->unit->main : 0;
    return now->gone ? 0 : now->pid != 0 ? now->pid : service_table(k)->row[index].pid;
}

int64_t service_started_ns(const struct kernel *k, size_t index)
{
    const struct service_now *now = &k->services[index];
    const struct service *s = &service_table(k)->row[index];
    const struct persona_identity *p = k->identity;
    int64_t up_us = p != NULL ? persona_process_us(p, s->pid) : s->pid * INT64_C(5000);
    if (now->unit != NULL)
        return now->unit->active_ns;
    return now->pid != 0 ? now->started_ns : k->boot_ns + up_us * 1000;
}

int service_find(const struct kernel *k, int32_t pid)
{
    for (size_t i = 0; i < service_table(k)->count && pid > 0; i++)
        if (service_pid(k, i) == pid)
            return (int)i;
    return -1;
}

bool service_runs(const struct kernel *k, int32_t table_pid)
{
    for (size_t i = 0; i < service_table(k)->count; i++)
        if (service_table(k)->row[i].pid == table_pid)
            return service_pid(k, i) != 0;
    return false;
}

int service_named(const struct kernel *k, struct span name)
{
    for (size_t i = 0; i < service_table(k)->count; i++)
        if (span_equal_z(name, service_table(k)->row[i].name_z))
            return (int)i;
    return -1;
}

void service_stop(struct kernel *k, size_t index)
{
    if (k->services[index].unit != NULL)
        (void)unit_wish(k, k->services[index].unit, UNIT_WISH_STOP, 0);
    else
        k->services[index].gone = true;
}

void service_start(struct kernel *k, size_t index)
{
    if (span_equal_z(span_z(service_table(k)->row[index].name_z), "cron")) {
        cron_start(k, false);
        return;
    }
    k->services[index] =
        (struct service_now){.pid = kernel_new_pid(k), .started_ns = kernel_realtime_ns(k)};
}

/* ---- Signals ---- */

static bool may_signal(const struct task *t, uint32_t uid)
{
    return creds_capable(&t->creds, CAP_KILL) || t->creds.uid == uid || t->creds.euid == uid;
}

static bool ends(int signo)
{
    return signo == SIGTERM || signo == SIGKILL || signo == SIGINT || signo == SIGQUIT;
}

/* What its unit file says: systemd's own and gettys always come back, others when they were killed
 * without being asked, the bus never. */
static bool comes_back(const struct service *s, int signo)
{
    struct span name = span_z(s->name_z);
    if (span_equal_z(name, "dbus-daemon"))
        return false;
    return signo != SIGTERM || span_starts_with(name, span_z("systemd-")) ||
           span_equal_z(name, "agetty") || span_equal_z(name, "getty");
}

static int signal_service(struct task *t, size_t index, int signo)
{
    const struct service *s = &service_table(t->kernel)->row[index];
    if (!may_signal(t, s->uid))
        return -EPERM;
    bool deaf = s->size_kib == 0 || s->pid == INIT; /* kernel threads, init */
    if (deaf || !ends(signo))
        return 0;
    service_stop(t->kernel, index);
    if (comes_back(s, signo))
        service_start(t->kernel, index);
    return 0;
}

/* Whoever ends his own sshd is out. */
static int signal_login(struct task *t, const struct login *l, enum login_process which, int signo)
{
    struct kernel *k = t->kernel;
    bool is_users = which != LOGIN_MONITOR;
    if (!may_signal(t, is_users ? l->uid : 0))
        return -EPERM;
    if ((which != LOGIN_MONITOR && which != LOGIN_WORKER) || (!ends(signo) && signo != SIGHUP))
        return 0;
    for (int i = 0; i < KERNEL_PROGRAMS_MAX; i++)
        if (k->programs[i] != NULL && login_at(k, k->programs[i]->login) == l)
            kernel_hangup(k, i);
    if (l->connection >= 0)
        kernel_hangup(k, l->connection);
    return 0;
}

int service_signal(struct task *t, int32_t pid, int signo)
{
    int index = service_find(t->kernel, pid);
    if (index >= 0)
        return signal_service(t, (size_t)index, signo);
    enum login_process which;
    const struct login *l = login_find(t->kernel, pid, &which);
    return l != NULL ? signal_login(t, l, which, signo) : -ESRCH;
}
