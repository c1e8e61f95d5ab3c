/* The machine's cron is a row of the process table until a visitor leaves something for it: then the image's own
 * program runs in its place, with its number, and reads what he has left. */
#include "kernel/daemon.h"
#include "kernel/fs.h"
#include "kernel/machine.h"
#include "kernel/service.h"
#include "kernel/task.h"
#include "kernel/unit.h"
#include "kernel/vfs.h"

#include <string.h>

enum { SAID_AT_ITS_START = 2 }; /* lines, which were said when the machine was booted */

/* What it reads. */
static const char *const places[] = {"/etc/crontab", "/etc/cron.d", "/var/spool/cron/crontabs"};

static bool is_changed(const struct vfs_at *at, const char *path_z, int64_t boot_ns)
{
    struct file_stat st;
    return vfs_stat(at, span_z(path_z), true, &st) == 0 && st.ctime_ns > boot_ns;
}

/* Since the machine was booted, in this visit or an earlier one: nobody can set such a time. */
static bool has_work(struct kernel *k)
{
    struct creds root = {.cap_effective = UINT64_MAX};
    struct vfs_at at = {.fs = fs_context_new(k->vfs), .cred = &root};
    bool any = false;
    for (size_t i = 0; i < ARRAY_LEN(places) && at.fs != NULL && !any; i++)
        any = is_changed(&at, places[i], k->boot_ns);
    if (at.fs != NULL)
        fs_context_drop(at.fs);
    return any;
}

void cron_start(struct kernel *k, bool is_quiet)
{
    static const char path_z[] = "/usr/sbin/cron";
    static const struct span unit = SPAN_LIT("cron.service");
    const struct span argv[] = {span_z(path_z), span_z("-f")};
    const struct span env[] = {span_z("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"),
                               span_z("LANG=C.UTF-8")};
    int index = service_named(k, span_z("cron"));
    struct buffer text;
    buffer_init(&text, UNIT_FILE_MAX);
    (void)kernel_read_file(k, "/lib/systemd/system/cron.service", &text);
    struct unit *u = index >= 0 ? unit_load(k, (const char *)unit.data, buffer_span(&text)) : NULL;
    buffer_fini(&text);
    if (u == NULL)
        return;
    const struct daemon d = {.spawn = {.argv = argv,
                                       .argc = ARRAY_LEN(argv),
                                       .path = span_z(path_z),
                                       .env = env,
                                       .envc = ARRAY_LEN(env),
                                       .cwd = span_z("/")},
                             .pid = is_quiet ? service_pid(k, (size_t)index) : 0,
                             .start_ns =
                                 is_quiet ? service_started_ns(k, (size_t)index) - k->boot_ns : 0,
                             .unit = u};
    u->hushed = is_quiet ? SAID_AT_ITS_START : 0;
    int32_t pid = daemon_start(k, &d);
    if (pid < 0)
        return; /* it stays what it was */
    u->state = UNIT_RUNNING;
    u->main = u->main_was = pid;
    u->main_start_ns = u->begun_ns = u->active_ns =
        is_quiet ? service_started_ns(k, (size_t)index) : k->now_ns;
    k->services[index] = (struct service_now){.unit = u};
    if (k->cron_ns == 0)
        k->cron_ns = k->now_ns;
}

void cron_look(struct kernel *k)
{
    int index;
    if (vfs_changes(k->vfs) == k->cron_looked)
        return;
    k->cron_looked = vfs_changes(k->vfs);
    index = service_named(k, span_z("cron"));
    if (index >= 0 && k->services[index].unit == NULL && service_pid(k, (size_t)index) != 0 &&
        has_work(k))
        cron_start(k, true);
}
