#include "kernel/bus_host.h"

#include "kernel/identity.h"
#include "kernel/kind.h"
#include "kernel/livelog.h"
#include "kernel/machine.h"
#include "kernel/procfs.h"
#include "kernel/program.h"
#include "kernel/socket.h"
#include "kernel/sys_time.h"
#include "kernel/task.h"
#include "kernel/tty.h"
#include "kernel/unit.h"

#include "bus/bus.h"
#include "persona/identity.h"
#include "persona/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
    BUS_CLIENTS_MAX = 64, /* of a machine: each has a buffer */
    FEED_COST = 20000,    /* instructions of an answer, without the files that it reads */
};
enum { NS_PER_US = 1000, INIT_PID = 1, TASKS_PERCENT = 15, ARGS_SHOWN = 512, TTY_TEXT = 16 };

#define SYSTEM_BUS "/run/dbus/system_bus_socket"
#define PRIVATE    "/run/systemd/private"

enum { DEFAULT_KERNEL_US = 2914000, DEFAULT_STARTED_US = 8545000 }; /* without an identity */

struct asking {
    struct kernel *kernel;
    int32_t client_pid;
    char address_z[NET_TEXT_BYTES], tty_z[TTY_TEXT], bus_id_z[PERSONA_UUID_SIZE];
    struct creds root;
    struct vfs_at at;
    char args_z[ARGS_SHOWN];
};

static bool is_system_bus(struct span path)
{
    return span_equal_z(path, SYSTEM_BUS) || span_equal_z(path, "/var" SYSTEM_BUS);
}

static const struct service *service_of(const struct kernel *k, const char *process_z, int *index)
{
    *index = service_named(k, span_z(process_z));
    return *index >= 0 ? &service_table(k)->row[*index] : NULL;
}

static int32_t ask_pid(void *ctx, const char *process_z, int64_t *since_us)
{
    const struct asking *a = ctx;
    int index;
    const struct service *s = service_of(a->kernel, process_z, &index);
    if (s == NULL)
        return 0;
    *since_us = service_started_ns(a->kernel, (size_t)index) / NS_PER_US;
    return service_pid(a->kernel, (size_t)index);
}

static void ask_start(void *ctx, const char *process_z)
{
    const struct asking *a = ctx;
    int index;
    if (service_of(a->kernel, process_z, &index) == NULL)
        return;
    service_start(a->kernel, (size_t)index);
    if (strcmp(process_z, "sshd") != 0)
        return;
    int32_t pid = service_pid(a->kernel, (size_t)index);
    livelog_service(a->kernel, (size_t)index, pid, "Server listening on 0.0.0.0 port 22.");
    livelog_service(a->kernel, (size_t)index, pid, "Server listening on :: port 22.");
}

static void ask_stop(void *ctx, const char *process_z)
{
    const struct asking *a = ctx;
    int index;
    if (service_of(a->kernel, process_z, &index) == NULL)
        return;
    if (strcmp(process_z, "sshd") == 0)
        livelog_service(a->kernel, (size_t)index, service_pid(a->kernel, (size_t)index),
                        "Received signal 15; terminating.");
    service_stop(a->kernel, (size_t)index);
}

/* As systemd shows it: a title that a program has set is one word with blanks in it. */
static bool is_title(struct span args)
{
    return span_starts_with(args, span_z("sshd: ")) || span_starts_with(args, span_z("("));
}

static const char *ask_args(void *ctx, int32_t pid)
{
    struct asking *a = ctx;
    struct proc_view view;
    if (!proc_view_find(a->kernel->vfs, pid, &view))
        return NULL;
    if (is_title(view.args)) {
        (void)snprintf(a->args_z, sizeof(a->args_z), "\"%.*s\"",
                       (int)strnlen((const char *)view.args.data, view.args.len),
                       (const char *)view.args.data);
        return a->args_z;
    }
    size_t n = span_copy_z(view.args, a->args_z, sizeof(a->args_z));
    n = n < sizeof(a->args_z) ? n : sizeof(a->args_z) - 1;
    while (n > 0 && a->args_z[n - 1] == '\0')
        n--;
    for (size_t i = 0; i < n; i++)
        if (a->args_z[i] == '\0')
            a->args_z[i] = ' ';
    return a->args_z;
}

static int ask_read(void *ctx, const char *path_z, struct buffer *out)
{
    const struct asking *a = ctx;
    kernel_charge(a->kernel, KERNEL_CALL_COST); /* one message asks for hundreds */
    return identity_read(&a->at, path_z, out);
}

static bool ask_target(void *ctx, const char *path_z, char *out_z, size_t size)
{
    const struct asking *a = ctx;
    struct walk_found found;
    int64_t n = -1;
    if (walk(&a->at, span_z(path_z), 0, &found) != 0)
        return false;
    if (S_ISLNK(found.stat.mode))
        n = found.node.fs->ops->readlink(found.node.fs, NULL, found.node.ino, out_z, size);
    walk_done(&found);
    if (n >= 0 && size > 0)
        out_z[(size_t)n < size ? (size_t)n : size - 1] = '\0';
    return n >= 0;
}

static int ask_link(void *ctx, const char *target_z, const char *path_z)
{
    const struct asking *a = ctx;
    struct span path = span_z(path_z);
    size_t end = path.len;
    while (end > 0 && path.data[end - 1] != '/')
        end--;
    (void)vfs_make(&a->at, span_slice(path, 0, end > 0 ? end - 1 : 0), S_IFDIR | 0755, 0);
    return vfs_symlink(&a->at, span_z(target_z), path);
}

static int ask_unlink(void *ctx, const char *path_z)
{
    const struct asking *a = ctx;
    return vfs_unlink(&a->at, span_z(path_z));
}

static int ask_write(void *ctx, const char *path_z, struct span text)
{
    const struct asking *a = ctx;
    struct file *f = NULL;
    int error = vfs_open(&a->at, span_z(path_z), O_WRONLY | O_CREAT | O_TRUNC, 0644, &f);
    int64_t n = error == 0 ? file_pwrite(f, NULL, text.data, text.len, 0) : error;
    if (f != NULL)
        f->changed = false; /* no visitor wrote it */
    file_drop(f);
    return n < 0 ? (int)n : 0;
}

static void ask_set_hostname(void *ctx, const char *name_z)
{
    const struct asking *a = ctx;
    (void)span_copy_z(span_z(name_z), a->kernel->hostname_z, sizeof(a->kernel->hostname_z));
}

static void ask_say(void *ctx, const char *daemon_z, const char *text_z)
{
    const struct asking *a = ctx;
    livelog_daemon(a->kernel, daemon_z, text_z);
}

static int32_t ask_next_program(void *ctx, int32_t after)
{
    const struct asking *a = ctx;
    int32_t next = 0;
    for (const struct process *p = a->kernel->processes; p != NULL; p = p->next)
        if (p->pid > after && (next == 0 || p->pid < next) && !p->zombie && p->unit == NULL)
            next = p->pid;
    return next;
}

/* ---- Units that really run ---- */

static int ask_wish(void *ctx, const char *unit_z, const char *path_z, enum bus_wish wish,
                    uint32_t job)
{
    static const enum unit_wish wishes[] = {[BUS_START] = UNIT_WISH_START,
                                            [BUS_STOP] = UNIT_WISH_STOP,
                                            [BUS_RESTART] = UNIT_WISH_RESTART,
                                            [BUS_RELOAD] = UNIT_WISH_RELOAD};
    const struct asking *a = ctx;
    struct unit *u = unit_find(a->kernel, span_z(unit_z));
    if (u == NULL && bus_unit_is_known(span_z(unit_z)))
        return -ENOENT;
    if (wish != BUS_STOP && path_z[0] != '\0') {
        struct buffer text;
        buffer_init(&text, UNIT_FILE_MAX);
        bool is_read = ask_read(ctx, path_z, &text) == 0;
        u = is_read ? unit_load(a->kernel, unit_z, buffer_span(&text)) : NULL;
        buffer_fini(&text);
    }
    if (u == NULL)
        return wish == BUS_STOP ? 0 : -EINVAL;
    return unit_wish(a->kernel, u, wishes[wish], job);
}

static int64_t us_of(int64_t ns)
{
    return ns / NS_PER_US;
}

static void set_ended(const struct unit *u, struct bus_run *out)
{
    int status = u->main_status;
    if (status < 0)
        return;
    out->main_code = !WIFSIGNALED(status) ? CLD_EXITED
                     : WCOREDUMP(status)  ? CLD_DUMPED
                                          : CLD_KILLED;
    out->main_status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void count_processes(const struct kernel *k, const struct unit *u, struct bus_run *out)
{
    uint64_t instructions = u->ended_instructions;
    for (const struct process *p = k->processes; p != NULL; p = p->next) {
        struct proc_view view;
        if (p->unit != u || p->zombie || !proc_view_find(k->vfs, p->pid, &view))
            continue;
        out->tasks += view.threads;
        out->memory_bytes += view.resident_kib * 1024;
        instructions += process_instructions(p);
    }
    out->cpu_ns = instructions / KERNEL_INSTRUCTIONS_US * NS_PER_US;
}

static bool ask_run(void *ctx, const char *unit_z, struct bus_run *out)
{
    static const struct {
        const char *active_z, *sub_z;
    } states[UNIT_STATES] = {
        [UNIT_DEAD] = {"inactive", "dead"},
        [UNIT_FAILED] = {"failed", "failed"},
        [UNIT_START_PRE] = {"activating", "start-pre"},
        [UNIT_START] = {"activating", "start"},
        [UNIT_START_POST] = {"activating", "start-post"},
        [UNIT_RUNNING] = {"active", "running"},
        [UNIT_EXITED] = {"active", "exited"},
        [UNIT_RELOAD] = {"reloading", "reload"},
        [UNIT_STOP] = {"deactivating", "stop"},
        [UNIT_SIGTERM] = {"deactivating", "stop-sigterm"},
        [UNIT_RESTART] = {"activating", "auto-restart"},
    };
    const struct asking *a = ctx;
    const struct unit *u = unit_find(a->kernel, span_z(unit_z));
    if (u == NULL)
        return false;
    *out = (struct bus_run){.active_z = states[u->state].active_z,
                            .sub_z = states[u->state].sub_z,
                            .result_z = u->result_z,
                            .main = u->main,
                            .control = u->control,
                            .main_was = u->main_was,
                            .begun_us = us_of(u->begun_ns),
                            .active_us = us_of(u->active_ns),
                            .leaving_us = us_of(u->leaving_ns),
                            .inactive_us = us_of(u->inactive_ns),
                            .main_start_us = us_of(u->main_start_ns),
                            .main_exit_us = us_of(u->main_exit_ns),
                            .restarts = u->restarts};
    set_ended(u, out);
    count_processes(a->kernel, u, out);
    return true;
}

static const char *ask_next_run(void *ctx, const char *after_z)
{
    const struct asking *a = ctx;
    const struct unit *u = a->kernel->units;
    while (after_z[0] != '\0' && u != NULL && strcmp(u->name_z, after_z) != 0)
        u = u->next;
    if (after_z[0] != '\0' && u != NULL)
        u = u->next;
    return u != NULL ? u->name_z : NULL;
}

static int32_t ask_next_of_unit(void *ctx, const char *unit_z, int32_t after)
{
    const struct asking *a = ctx;
    const struct unit *u = unit_find(a->kernel, span_z(unit_z));
    int32_t next = 0;
    for (const struct process *p = a->kernel->processes; p != NULL && u != NULL; p = p->next)
        if (p->unit == u && p->pid > after && (next == 0 || p->pid < next) && !p->zombie)
            next = p->pid;
    return next;
}

static void ask_signal(void *ctx, const char *unit_z, bool only_main, int signo)
{
    const struct asking *a = ctx;
    struct unit *u = unit_find(a->kernel, span_z(unit_z));
    if (u != NULL && signo > 0 && signo <= SIGNAL_MAX)
        unit_signal(a->kernel, u, only_main, signo);
}

struct nth {
    size_t left;
    char *out_z;
    size_t size;
    bool found;
};

static bool take_nth(void *ctx, struct span name, uint64_t ino, unsigned type, int64_t next)
{
    struct nth *n = ctx;
    (void)ino;
    (void)type;
    (void)next;
    if (name.data[0] == '.')
        return true;
    n->found = n->left-- == 0;
    if (n->found)
        (void)span_copy_z(name, n->out_z, n->size);
    return !n->found;
}

static bool ask_entry(void *ctx, const char *folder_z, size_t number, char *out_z, size_t size)
{
    const struct asking *a = ctx;
    struct nth nth = {.left = number, .out_z = out_z, .size = size};
    struct walk_found found;
    if (walk(&a->at, span_z(folder_z), WALK_FOLLOW, &found) != 0)
        return false;
    const struct fs_ops *ops = found.node.fs != NULL ? found.node.fs->ops : NULL;
    if (ops != NULL && S_ISDIR(found.stat.mode) && ops->readdir != NULL)
        (void)ops->readdir(found.node.fs, NULL, found.node.ino, 0, take_nth, &nth);
    walk_done(&found);
    return nth.found;
}

/* The machine goes down, and with it the line. */
static void ask_end(void *ctx)
{
    const struct asking *a = ctx;
    for (int i = 0; i < KERNEL_PROGRAMS_MAX; i++)
        kernel_hangup(a->kernel, i);
}

/* shutdown(8) with a time. */
static void ask_schedule_end(void *ctx, int64_t at_us, bool is_reboot)
{
    const struct asking *a = ctx;
    a->kernel->end_ns = at_us * NS_PER_US;
    a->kernel->end_is_reboot = is_reboot;
}

/* What stands in no text of the kernel's own. */
static void set_texts(struct asking *a, struct bus_host *host)
{
    const struct kernel *k = a->kernel;
    const struct persona_identity *p = k->identity;
    host->kernel_us = DEFAULT_KERNEL_US;
    host->started_us = DEFAULT_STARTED_US;
    memcpy(a->bus_id_z, "5a4c8f2e71d36f3b0a521c774c9e9d0b",
           sizeof("5a4c8f2e71d36f3b0a521c774c9e9d0b"));
    if (p != NULL) {
        persona_startup(p, &host->kernel_us, &host->started_us);
        persona_invocation(p, span_z("bus"), a->bus_id_z);
    }
    a->address_z[net_ip_text(&k->vfs->net.peer, a->address_z)] = '\0';
    a->tty_z[0] = '\0';
    for (int i = 0; i < KERNEL_PROGRAMS_MAX && a->tty_z[0] == '\0'; i++)
        if (k->programs[i] != NULL && k->programs[i]->tty != NULL)
            (void)snprintf(a->tty_z, sizeof(a->tty_z), "pts/%u", tty_number(k->programs[i]->tty));
}

static struct bus_host host_of(struct asking *a)
{
    struct kernel *k = a->kernel;
    const struct persona_identity *p = k->identity;
    struct bus_host host = {
        .ctx = a,
        .hostname_z = k->hostname_z,
        .machine_id_z = p != NULL ? p->machine_id_z : "7d1c4f0b5e2a4c8d9b63f1a07e5c2d94",
        .boot_id_z = k->hardware.boot_id_z,
        .release_z = k->hardware.release_z,
        .now_us = k->now_ns / NS_PER_US,
        .boot_us = k->boot_ns / NS_PER_US,
        .tasks_max = k->hardware.threads_max * TASKS_PERCENT / 100,
        .off = k->units_off,
        .pid = ask_pid,
        .start = ask_start,
        .stop = ask_stop,
        .args_z = ask_args,
        .read = ask_read,
        .target = ask_target,
        .link = ask_link,
        .unlink = ask_unlink,
        .write = ask_write,
        .set_hostname = ask_set_hostname,
        .say = ask_say,
        .wish = ask_wish,
        .run = ask_run,
        .next_run = ask_next_run,
        .next_of_unit = ask_next_of_unit,
        .signal = ask_signal,
        .entry = ask_entry,
        .next_program = ask_next_program,
        .end_us = k->end_ns / NS_PER_US,
        .end_is_reboot = k->end_is_reboot,
        .schedule_end = ask_schedule_end,
        .end_of_machine = ask_end,
        .client_pid = a->client_pid,
        .bus_id_z = a->bus_id_z,
    };
    set_texts(a, &host);
    if (k->login.monitor != 0)
        host.login = (struct bus_login){.user_z = k->login.user_z,
                                        .address_z = a->address_z,
                                        .tty_z = a->tty_z,
                                        .uid = k->login.uid,
                                        .number = k->login.number,
                                        .monitor = k->login.monitor,
                                        .manager = k->login.manager,
                                        .own_pam = k->login.own_pam,
                                        .worker = k->login.worker,
                                        .at_us = k->login.at_ns / NS_PER_US};
    return host;
}

bool bus_host_listens(const struct task *t, struct span path)
{
    int bus = service_named(t->kernel, span_z("dbus-daemon"));
    if (is_system_bus(path))
        return bus >= 0 && service_pid(t->kernel, (size_t)bus) != 0;
    return t->kernel->hardware.kind->login.has_systemd && span_equal_z(path, PRIVATE);
}

static unsigned clients(const struct vfs *vfs)
{
    unsigned count = 0;
    for (const struct socket *s = vfs->sockets; s != NULL; s = s->next)
        count += s->bus != NULL;
    return count;
}

/* Each login takes some, and each client. */
static uint32_t next_number(struct kernel *k)
{
    enum { FIRST = 11, PIDS_OF_A_NAME = 9 };
    return FIRST + (uint32_t)k->login.monitor / PIDS_OF_A_NAME + k->bus_clients++;
}

int bus_host_connect(struct task *t, struct socket *s, struct span path)
{
    if (clients(s->vfs) >= BUS_CLIENTS_MAX)
        return -EAGAIN;
    struct socket *end = socket_new(s->vfs, s->family, s->type, s->protocol);
    if (end == NULL)
        return -ENOMEM;
    end->served = true;
    end->pid = INIT_PID;
    end->bus = bus_new(is_system_bus(path) ? next_number(t->kernel) : 0, t->creds.euid);
    socket_join(s, end);
    if (end->bus != NULL)
        return 0;
    socket_part(s);
    return -ENOMEM;
}

void bus_host_feed(struct socket *end, struct span bytes)
{
    struct kernel *k = end->vfs->kernel;
    struct socket *client = end->peer;
    struct asking asking = {.kernel = k, .root = {.cap_effective = UINT64_MAX}};
    asking.client_pid = client->pid;
    asking.at = (struct vfs_at){.fs = fs_context_new(end->vfs), .cred = &asking.root};
    if (asking.at.fs == NULL) {
        client->read_shut = true; /* it would wait for good */
        return;
    }
    const struct bus_host host = host_of(&asking);
    const struct socket_about about = {.pid = end->pid};
    int rc = bus_feed(end->bus, &host, bytes);
    struct span out = bus_out(end->bus);
    kernel_charge(k, FEED_COST + bytes.len + out.len);
    int64_t n = out.len > 0 ? socket_put(client, out, &about) : 0;
    if (rc < 0 || n != (int64_t)out.len)
        client->read_shut = true; /* it broke the rules, or does not read: it is cut off */
    bus_sent(end->bus, out.len);
    fs_context_drop(asking.at.fs);
}

void bus_host_job_done(struct kernel *k, uint32_t job, const char *unit_z, const char *result_z)
{
    for (struct socket *s = k->vfs->sockets; s != NULL; s = s->next) {
        if (s->bus == NULL || s->peer == NULL)
            continue;
        const struct socket_about about = {.pid = s->pid};
        bus_job_done(s->bus, job, unit_z, result_z);
        struct span out = bus_out(s->bus);
        if (out.len > 0 && socket_put(s->peer, out, &about) != (int64_t)out.len)
            s->peer->read_shut = true;
        bus_sent(s->bus, out.len);
    }
}
