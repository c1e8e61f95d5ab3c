/* The texts of /proc/PID. */
#include "kernel/abi.h"
#include "kernel/login.h"
#include "kernel/machine.h"
#include "kernel/mm.h"
#include "kernel/procfs.h"
#include "kernel/signal.h"
#include "kernel/unit.h"

#include "bus/bus.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

enum { PAGE_KIB = 4, ENVIRON_MAX = 131072, SESSIONS_A_GROUP = 8 };

static const struct mm *mm_of(const struct proc_call *c)
{
    return c->p->task != NULL ? c->p->task->mm : NULL;
}

int proc_pid_comm(const struct proc_call *c)
{
    return buffer_printf(c->out, "%s\n", c->p->comm_z);
}

int proc_pid_cmdline(const struct proc_call *c)
{
    return buffer_put(c->out, c->p->args);
}

/* A piece of the process's own memory, as it is now. */
static int put_memory(const struct proc_call *c, uint64_t start, uint64_t end)
{
    uint8_t bytes[4096];
    const struct mm *mm = mm_of(c);
    if (end - start > ENVIRON_MAX)
        end = start + ENVIRON_MAX;
    for (uint64_t at = start; mm != NULL && at < end;) {
        size_t n = end - at < sizeof(bytes) ? (size_t)(end - at) : sizeof(bytes);
        if (cpu_space_read(mm->space, at, bytes, n) != 0)
            return 0;
        int error = buffer_put(c->out, span_of(bytes, n));
        if (error != 0)
            return error;
        at += n;
    }
    return 0;
}

int proc_pid_environ(const struct proc_call *c)
{
    const struct mm *mm = mm_of(c);
    return mm != NULL ? put_memory(c, mm->env_start, mm->env_end) : 0;
}

/* In words of the program's own. */
static int put_auxv(struct buffer *out, const struct mm *mm)
{
    int error = 0;
    for (size_t i = 0; i < mm->auxv_count && error == 0; i++) {
        uint32_t narrow = abi_swap32(mm->abi, (uint32_t)mm->auxv[i]);
        error = mm->abi->word_bytes == 8 ? buffer_put(out, span_of(&mm->auxv[i], 8))
                                         : buffer_put(out, span_of(&narrow, 4));
    }
    return error;
}

int proc_pid_auxv(const struct proc_call *c)
{
    const struct mm *mm = mm_of(c);
    return mm != NULL ? put_auxv(c->out, mm) : 0;
}

/* ---- stat, statm, status ---- */

int proc_pid_stat(const struct proc_call *c)
{
    const struct proc_view *p = c->p;
    const struct mm *mm = mm_of(c);
    const struct task *t = p->task;
    uint64_t ignored = 0, caught = 0;
    proc_signal_sets(p, &ignored, &caught);
    unsigned flags = p->is_kernel ? 0x208040 : 0x400100;
    int error = buffer_printf(
        c->out, "%d (%s) %c %d %d %d %d %d %u 0 0 0 0 %llu 0 0 0 %d %d %u 0 %llu %llu %llu %s ",
        p->pid, p->comm_z, p->state, p->ppid, p->pgid, p->sid, p->tty_nr, p->tpgid, flags,
        (unsigned long long)p->ticks, 20 + p->nice, p->nice, p->threads,
        (unsigned long long)p->start_ticks, (unsigned long long)p->size_kib * 1024,
        (unsigned long long)p->resident_kib / PAGE_KIB, "18446744073709551615");
    if (error != 0)
        return error;
    error = buffer_printf(c->out, "%llu %llu %llu 0 0 0 %llu %llu %llu 0 0 0 17 0 0 0 0 0 0 ",
                          mm != NULL ? (unsigned long long)mm->code_start : 0,
                          mm != NULL ? (unsigned long long)mm->code_end : 0,
                          mm != NULL ? (unsigned long long)mm->stack_top : 0,
                          t != NULL ? (unsigned long long)(t->signals.blocked & 0x7fffffff) : 0,
                          (unsigned long long)(ignored & 0x7fffffff),
                          (unsigned long long)(caught & 0x7fffffff));
    if (error != 0)
        return error;
    return buffer_printf(c->out, "%llu %llu %llu %llu %llu %llu %llu %d\n",
                         mm != NULL ? (unsigned long long)mm->data_start : 0,
                         mm != NULL ? (unsigned long long)mm->data_end : 0,
                         mm != NULL ? (unsigned long long)mm->brk_start : 0,
                         mm != NULL ? (unsigned long long)mm->arg_start : 0,
                         mm != NULL ? (unsigned long long)mm->arg_end : 0,
                         mm != NULL ? (unsigned long long)mm->env_start : 0,
                         mm != NULL ? (unsigned long long)mm->env_end : 0,
                         p->process != NULL && p->process->zombie ? p->process->status : 0);
}

int proc_pid_statm(const struct proc_call *c)
{
    uint64_t size = c->p->size_kib / PAGE_KIB, resident = c->p->resident_kib / PAGE_KIB;
    return buffer_printf(c->out, "%llu %llu %llu %llu 0 %llu 0\n", (unsigned long long)size,
                         (unsigned long long)resident, (unsigned long long)(resident * 3 / 4),
                         (unsigned long long)(size / 16), (unsigned long long)(size / 8));
}

void proc_signal_sets(const struct proc_view *p, uint64_t *ignored, uint64_t *caught)
{
    *ignored = *caught = 0;
    if (p->process == NULL || p->process->actions == NULL)
        return;
    for (int signo = 1; signo <= SIGNAL_MAX; signo++) {
        uint64_t handler = p->process->actions->action[signo - 1].handler;
        *ignored |= handler == 1 ? SIGNAL_BIT(signo) : 0;
        *caught |= handler > 1 ? SIGNAL_BIT(signo) : 0;
    }
}

static const char *state_name(char state)
{
    switch (state) {
    case 'R': return "R (running)";
    case 'T': return "T (stopped)";
    case 'Z': return "Z (zombie)";
    case 'I': return "I (idle)";
    default: return "S (sleeping)";
    }
}

static int put_ids(const struct proc_call *c)
{
    const struct creds *k = c->p->task != NULL ? &c->p->task->creds : NULL;
    uint32_t uid = c->p->uid, gid = c->p->gid;
    int error = buffer_printf(c->out, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n",
                              k ? k->uid : uid, uid, k ? k->suid : uid, k ? k->fsuid : uid,
                              k ? k->gid : gid, gid, k ? k->sgid : gid, k ? k->fsgid : gid);
    if (error == 0)
        error = buffer_put_z(c->out, "FDSize:\t64\nGroups:\t");
    for (uint32_t i = 0; k != NULL && i < k->group_count && error == 0; i++)
        error = buffer_printf(c->out, "%u ", k->groups[i]);
    if (error != 0)
        return error;
    return buffer_printf(c->out, "%s\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n",
                         k == NULL || k->group_count == 0 ? " " : "", c->p->pid, c->p->pid,
                         c->p->pgid, c->p->sid);
}

static int put_memory_sizes(const struct proc_call *c)
{
    unsigned long long size = c->p->size_kib, resident = c->p->resident_kib;
    const struct mm *mm = mm_of(c);
    unsigned long long code = mm != NULL ? (mm->code_end - mm->code_start) / 1024 : 0;
    if (c->p->is_kernel || c->p->state == 'Z')
        return 0;
    return buffer_printf(
        c->out,
        "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t%8d kB\nVmPin:\t%8d kB\nVmHWM:\t%8llu kB\n"
        "VmRSS:\t%8llu kB\nRssAnon:\t%8llu kB\nRssFile:\t%8llu kB\nRssShmem:\t%8d kB\n"
        "VmData:\t%8llu kB\nVmStk:\t%8d kB\nVmExe:\t%8llu kB\nVmLib:\t%8llu kB\n"
        "VmPTE:\t%8d kB\nVmSwap:\t%8d kB\nHugetlbPages:\t%8d kB\nCoreDumping:\t0\n"
        "THP_enabled:\t1\n",
        size, size, 0, 0, resident, resident, resident / 8, resident - resident / 8, 0, size / 8,
        132, code, size / 2, 44, 0, 0);
}

static int put_signals(const struct proc_call *c)
{
    const struct task *t = c->p->task;
    uint64_t ignored = 0, caught = 0;
    proc_signal_sets(c->p, &ignored, &caught);
    return buffer_printf(
        c->out,
        "Threads:\t%u\nSigQ:\t0/%llu\nSigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\n"
        "SigIgn:\t%016llx\nSigCgt:\t%016llx\n",
        c->p->threads, (unsigned long long)c->vfs->hardware->max_processes,
        t != NULL ? (unsigned long long)t->signals.pending.set : 0,
        c->p->process != NULL ? (unsigned long long)c->p->process->pending.set : 0,
        t != NULL ? (unsigned long long)t->signals.blocked : 0, (unsigned long long)ignored,
        (unsigned long long)caught);
}

static int put_capabilities(const struct proc_call *c)
{
    const uint64_t all = UINT64_C(0x1ffffffffff);
    const struct creds *k = c->p->task != NULL ? &c->p->task->creds : NULL;
    uint64_t own = c->p->uid == 0 ? all : 0;
    return buffer_printf(c->out,
                         "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\n"
                         "CapAmb:\t%016llx\nNoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n",
                         k ? (unsigned long long)k->cap_inheritable : 0,
                         (unsigned long long)(k ? k->cap_permitted : own),
                         (unsigned long long)(k ? k->cap_effective : own),
                         (unsigned long long)(k ? k->cap_bounding : all),
                         k ? (unsigned long long)k->cap_ambient : 0,
                         c->p->process != NULL && c->p->process->no_new_privs ? 1 : 0);
}

static int put_cpus(const struct proc_call *c)
{
    const uint32_t cpus = c->vfs->hardware->cpus;
    int error = buffer_printf(c->out, "Cpus_allowed:\t%x\nCpus_allowed_list:\t0", (1U << cpus) - 1);
    if (error == 0 && cpus > 1)
        error = buffer_printf(c->out, "-%u", cpus - 1);
    return error == 0 ? buffer_put_z(c->out, "\nMems_allowed:\t") : error;
}

int proc_pid_status(const struct proc_call *c)
{
    const struct proc_view *p = c->p;
    uint32_t umask = p->task != NULL && p->task->fs != NULL ? p->task->fs->umask : 022;
    int error = buffer_printf(
        c->out,
        "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\n"
        "TracerPid:\t0\n",
        p->comm_z, umask, state_name(p->state), p->pid, p->pid, p->ppid);
    if (error == 0)
        error = put_ids(c);
    if (error == 0)
        error = put_memory_sizes(c);
    if (error == 0)
        error = put_signals(c);
    if (error == 0)
        error = put_capabilities(c);
    if (error == 0)
        error = buffer_put_z(c->out, "Speculation_Store_Bypass:\tthread vulnerable\n"
                                     "SpeculationIndirectBranch:\talways enabled\n");
    if (error == 0)
        error = put_cpus(c);
    for (int i = 0; i < 31 && error == 0; i++)
        error = buffer_put_z(c->out, "00000000,");
    if (error != 0)
        return error;
    return buffer_put_z(c->out, "00000001\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t1\n"
                                "nonvoluntary_ctxt_switches:\t1\n");
}

/* ---- limits ---- */

/* What systemd has, and gives to its services. */
static struct rlimit64 limit_of_service(const struct proc_call *c, int resource)
{
    enum { INIT = 1, OPEN_MAX_INIT = 1048576, OPEN_SOFT = 1024, OPEN_HARD = 524288 };
    const uint64_t none = RLIM64_INFINITY, tasks = c->vfs->hardware->max_processes;
    bool is_init = c->p->pid == INIT;
    switch (resource) {
    case RLIMIT_STACK: return (struct rlimit64){8 << 20, none};
    case RLIMIT_CORE: return (struct rlimit64){is_init ? none : 0, none};
    case RLIMIT_NPROC:
    case RLIMIT_SIGPENDING: return (struct rlimit64){tasks, tasks};
    case RLIMIT_NOFILE:
        return is_init ? (struct rlimit64){OPEN_MAX_INIT, OPEN_MAX_INIT}
                       : (struct rlimit64){OPEN_SOFT, OPEN_HARD};
    case RLIMIT_MEMLOCK:
        return (struct rlimit64){c->vfs->hardware->max_locked, c->vfs->hardware->max_locked};
    case RLIMIT_MSGQUEUE: return (struct rlimit64){819200, 819200};
    case RLIMIT_NICE:
    case RLIMIT_RTPRIO: return (struct rlimit64){0, 0};
    default: return (struct rlimit64){none, none};
    }
}

static int put_limit(const struct proc_call *c, const char *name_z, int resource,
                     const char *unit_z)
{
    const struct rlimit64 services = limit_of_service(c, resource);
    const struct rlimit64 *l = c->p->process != NULL ? &c->p->process->limits[resource] : &services;
    const uint64_t values[2] = {l->rlim_cur, l->rlim_max};
    int error = buffer_printf(c->out, "%-25s ", name_z);
    for (int i = 0; i < 2 && error == 0; i++)
        error = values[i] == RLIM64_INFINITY
                    ? buffer_printf(c->out, "%-20s ", "unlimited")
                    : buffer_printf(c->out, "%-20llu ", (unsigned long long)values[i]);
    if (error != 0)
        return error;
    return unit_z[0] != '\0' ? buffer_printf(c->out, "%-10s\n", unit_z)
                             : buffer_put_z(c->out, "\n");
}

int proc_pid_limits(const struct proc_call *c)
{
    static const struct {
        const char *name_z;
        int resource;
        const char *unit_z;
    } rows[] = {
        {"Max cpu time", RLIMIT_CPU, "seconds"},
        {"Max file size", RLIMIT_FSIZE, "bytes"},
        {"Max data size", RLIMIT_DATA, "bytes"},
        {"Max stack size", RLIMIT_STACK, "bytes"},
        {"Max core file size", RLIMIT_CORE, "bytes"},
        {"Max resident set", RLIMIT_RSS, "bytes"},
        {"Max processes", RLIMIT_NPROC, "processes"},
        {"Max open files", RLIMIT_NOFILE, "files"},
        {"Max locked memory", RLIMIT_MEMLOCK, "bytes"},
        {"Max address space", RLIMIT_AS, "bytes"},
        {"Max file locks", RLIMIT_LOCKS, "locks"},
        {"Max pending signals", RLIMIT_SIGPENDING, "signals"},
        {"Max msgqueue size", RLIMIT_MSGQUEUE, "bytes"},
        {"Max nice priority", RLIMIT_NICE, ""},
        {"Max realtime priority", RLIMIT_RTPRIO, ""},
        {"Max realtime timeout", RLIMIT_RTTIME, "us"},
    };
    int error = buffer_printf(c->out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit",
                              "Hard Limit", "Units");
    for (size_t i = 0; i < ARRAY_LEN(rows) && error == 0; i++)
        error = put_limit(c, rows[i].name_z, rows[i].resource, rows[i].unit_z);
    return error;
}

/* ---- What is short ---- */

int proc_pid_personality(const struct proc_call *c)
{
    return buffer_put_z(c->out, "00000000\n");
}

int proc_pid_wchan(const struct proc_call *c)
{
    return buffer_put_z(c->out, "0");
}

int proc_pid_schedstat(const struct proc_call *c)
{
    return buffer_printf(c->out, "%llu 0 1\n", (unsigned long long)c->p->ticks * 10000000);
}

/* The login whose program it is, or that it was started for; NULL: none. */
static const struct login *login_of_view(const struct proc_call *c, enum login_process *which)
{
    if (c->kernel == NULL)
        return NULL;
    return c->p->process != NULL ? login_of(c->kernel, c->p->process)
                                 : login_find(c->kernel, c->p->pid, which);
}

int proc_pid_cgroup(const struct proc_call *c)
{
    if (c->p->pid == 1)
        return buffer_put_z(c->out, "0::/init.scope\n");
    if (c->p->is_kernel)
        return buffer_put_z(c->out, "0::/\n");
    char group_z[BUS_PATH_MAX];
    enum login_process which = LOGIN_MONITOR;
    const struct login *l = login_of_view(c, &which);
    if (l == NULL) {
        bus_process_group(c->p->comm_z, group_z);
        return buffer_printf(c->out, "0::%s\n", group_z);
    }
    if (c->p->process != NULL && c->p->process->unit != NULL)
        return buffer_printf(c->out, "0::/system.slice/%s\n", c->p->process->unit->name_z);
    if (which == LOGIN_MANAGER || which == LOGIN_PAM)
        return buffer_printf(c->out, "0::/user.slice/user-%u.slice/user@%u.service/init.scope\n",
                             l->uid, l->uid);
    return buffer_printf(c->out, "0::/user.slice/user-%u.slice/session-%u.scope\n", l->uid,
                         l->number);
}

int proc_pid_loginuid(const struct proc_call *c)
{
    enum login_process which;
    const struct login *l = login_of_view(c, &which);
    return buffer_printf(c->out, "%u", l != NULL ? l->uid : UINT32_MAX);
}

int proc_pid_sessionid(const struct proc_call *c)
{
    enum login_process which;
    const struct login *l = login_of_view(c, &which);
    return buffer_printf(c->out, "%u", l != NULL ? l->number : UINT32_MAX);
}

int proc_pid_io(const struct proc_call *c)
{
    return buffer_put_z(c->out, "rchar: 3980\nwchar: 0\nsyscr: 9\nsyscw: 0\nread_bytes: 0\n"
                                "write_bytes: 0\ncancelled_write_bytes: 0\n");
}

int proc_pid_autogroup(const struct proc_call *c)
{
    return buffer_printf(c->out, "/autogroup-%d nice 0\n", c->p->sid / SESSIONS_A_GROUP);
}

int proc_pid_syscall(const struct proc_call *c)
{
    return c->p->state == 'R' ? buffer_put_z(c->out, "running\n") : 0;
}

int proc_pid_attr_current(const struct proc_call *c)
{
    return buffer_put_z(c->out, "unconfined\n");
}

/* What is the same for all. */
#define FIXED(name, text)                          \
    int proc_pid_##name(const struct proc_call *c) \
    {                                              \
        return buffer_put_z(c->out, text);         \
    }
FIXED(id_map, "         0          0 4294967295\n")
FIXED(coredump_filter, "00000033\n")
FIXED(cpuset, "/\n")
FIXED(ksm_pages, "0\n")
FIXED(ksm_stat, "ksm_rmap_items 0\n")
FIXED(nothing, "")
FIXED(resctrl, "res:\nmon:\n")
FIXED(setgroups, "allow\n")
FIXED(timens_offsets, "monotonic           0         0\nboottime            0         0\n")
FIXED(timerslack, "50000\n")
#undef FIXED
