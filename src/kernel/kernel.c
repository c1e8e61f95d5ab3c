#include "kernel/events.h"
#include "kernel/exit.h"
#include "kernel/facts.h"
#include "kernel/identity.h"
#include "kernel/ipc.h"
#include "kernel/keep.h"
#include "kernel/kind.h"
#include "kernel/kmsg.h"
#include "kernel/livelog.h"
#include "kernel/mm.h"
#include "kernel/net.h"
#include "kernel/procfs.h"
#include "kernel/program.h"
#include "kernel/secret.h"
#include "kernel/socket.h"
#include "kernel/unit.h"
#include "kernel/vfs.h"

#include "cpu/space.h"
#include "persona/identity.h"

#include <stdlib.h>
#include <string.h>

enum {
    NS_PER_MS = 1000000,
    NS_PER_S = 1000000000,
    FIRST_PID_LOW = 600,   /* what a machine that has booted has used */
    FIRST_PID_EVERY_S = 7, /* and what it uses: scanners knock, and cron runs */
    FIRST_PID_VISITOR = 19,
};

const struct kernel_limits kernel_limits_default = {
    .instructions = UINT64_C(200) * 1000 * 1000 * 1000,
    .memory_pages = 65536, /* 256 MiB */
    .processes = 256,
    .files = 4096,
    .overlay_bytes = UINT64_C(64) << 20,
    .overlay_nodes = 16384,
    .stream_bytes = 256 << 10,
    .events = 1024,
};

/* ---- Life ---- */

static int64_t boot_ms_of(const struct kernel_config *config)
{
    return config->identity != NULL ? config->identity->boot_ms : config->boot_ms;
}

/* The number of the last process that was started before this visit: it grows with time. */
static int32_t first_pid(const struct kernel_config *config, int32_t pid_max, int64_t up_ns)
{
    uint64_t used =
        (uint64_t)up_ns / NS_PER_S / FIRST_PID_EVERY_S + config->earlier * FIRST_PID_VISITOR;
    return FIRST_PID_LOW + (int32_t)(used % (uint64_t)(pid_max - FIRST_PID_LOW));
}

struct kernel *kernel_new(const struct kernel_config *config, int64_t now_ms)
{
    struct kernel *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return NULL;
    k->image = config->image;
    k->code = config->code;
    k->foreign_programs = config->foreign_programs;
    k->snapshots = config->snapshots;
    k->watched = config->watched;
    k->watched_count = config->watched_count;
    k->limits = config->limits;
    k->answers = config->answers;
    k->identity = config->identity;
    k->boot_ns = boot_ms_of(config) * NS_PER_MS;
    k->now_ns = now_ms * NS_PER_MS;
    k->rest_ns = k->records_due_ns = INT64_MAX;
    if (k->now_ns < k->boot_ns)
        k->now_ns = k->boot_ns;
    crypto_rng_init(&k->rng, config->seed);
    span_copy_z(config->hostname, k->hostname_z, sizeof(k->hostname_z));
    memcpy(k->domainname_z, "(none)", sizeof("(none)"));
    const struct kind *kind = kind_of(config->image);
    k->hardware = *kind->hardware;
    k->hardware.kind = kind;
    if (config->identity != NULL)
        hardware_of(kind, config->identity, now_ms, &k->hardware);
    k->last_pid = first_pid(config, k->hardware.pid_max, k->now_ns - k->boot_ns);
    span_copy_z(config->user.len > 0 ? config->user : span_z("root"), k->login.user_z,
                sizeof(k->login.user_z));
    k->login.uid = config->user_uid;
    k->login.connection = -1;
    k->login.number = config->login_number;
    k->secret = secret_new(config->password);
    k->pool = cpu_pool_new(config->limits.memory_pages);
    k->events = events_new();
    if (k->pool == NULL || k->events == NULL || vfs_boot(k) != 0 || identity_apply(k) != 0 ||
        net_configure(k, config) != 0) {
        kernel_free(k);
        return NULL;
    }
    keep_begin(k->vfs);
    k->changes_at_boot = k->changes_at_start = k->cron_looked = vfs_changes(k->vfs);
    return k;
}

void kernel_free(struct kernel *k)
{
    if (k == NULL)
        return;
    while (k->tasks != NULL) {
        struct process *p = k->tasks->process;
        struct task *t = k->tasks;
        if (p != NULL && t->state != TASK_DEAD)
            process_end(p, 9);
        task_free(t);
    }
    while (k->processes != NULL)
        process_free(k->processes);
    while (!mm_bury(k))
        ;
    ipc_free(k);
    kmsg_free(k);
    program_free_all(k);
    kernel_forget_told(k);
    if (k->vfs != NULL)
        socket_forget_all(k->vfs);
    if (k->vfs != NULL)
        vfs_free(k->vfs);
    livelog_free(k->livelog);
    units_free(k);
    secret_free(k->secret);
    facts_forget(k);
    events_free(k->events);
    if (k->pool != NULL)
        cpu_pool_free(k->pool);
    crypto_rng_wipe(&k->rng);
    abi_window_fini(&k->window);
    free(k);
}

/* ---- Time and work ---- */

int64_t kernel_realtime_ns(const struct kernel *k)
{
    return k->now_ns;
}

int64_t kernel_monotonic_ns(const struct kernel *k)
{
    return k->now_ns - k->boot_ns;
}

void kernel_charge(struct kernel *k, uint64_t instructions)
{
    k->charged += instructions;
}

/* ---- What was seen ---- */

bool kernel_emit(struct kernel *k, const struct task *t, const struct kernel_event *event)
{
    struct kernel_event full = *event;
    full.time_ms = k->now_ns / NS_PER_MS;
    full.instructions = k->instructions;
    if (t != NULL) {
        if (full.pid == 0)
            full.pid = t->process->pid;
        if (full.ppid == 0)
            full.ppid = process_ppid(t->process);
        if (full.uid == 0)
            full.uid = t->creds.uid;
        full.program = t->process->program;
        if (full.exe.len == 0 && t->process->exe_z != NULL)
            full.exe = span_z(t->process->exe_z);
    }
    return events_put(k->events, &full);
}

void kernel_emit_limit(struct kernel *k, struct task *t, const char *name_z)
{
    struct kernel_event event = {.type = KERNEL_LIMIT, .program = -1, .text = span_z(name_z)};
    if (t != NULL && t->process->limit_told == name_z)
        return;
    if (t != NULL)
        t->process->limit_told = name_z;
    kernel_emit(k, t, &event);
}

bool kernel_last_login(const struct kernel *k, uint32_t uid, int64_t *at_ms,
                       char from_z[KERNEL_ADDRESS_CHARS])
{
    struct persona_visit visits[FACTS_VISITS_MAX];
    for (size_t n = facts_visits(k, visits); n > 0; n--)
        if (visits[n - 1].ttys != 0 && visits[n - 1].uid == uid) {
            *at_ms = visits[n - 1].at_ms;
            (void)span_copy_z(visits[n - 1].address, from_z, KERNEL_ADDRESS_CHARS);
            return true;
        }
    return false;
}
