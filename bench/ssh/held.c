/* Memory of sessions that are logged in and idle: `count` of them, held by a few client processes. */
#include "modes.h"

#include "host.h"
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HOLDERS = 4, WARM_UP = 64, SETTLE_S = 12, QUIET_CPU_NS = 20000000 };

struct holder {
    pid_t pid;
    int ready, go; /* a byte from it when all are held; closed when it may end */
};

static void hold_one(struct link *l, const struct host *h, const struct mode_options *o)
{
    link_open(l, &o->ring, h->port);
    link_log_in(l, h->user_z, h->password_z);
    link_hostkeys(l);
    if (!o->shell)
        return;
    link_channel(l);
    link_shell(l);
    link_expect(l, ":~# ");
}

static void hold(const struct host *h, const struct mode_options *o, int count, int ready, int go)
{
    char byte;
    struct link *links = calloc((size_t)count, sizeof(*links));
    if (!links)
        fail("out of memory");
    for (int i = 0; i < count; i++)
        hold_one(&links[i], h, o);
    if (write(ready, "r", 1) != 1)
        fail("%s", strerror(errno));
    (void)!read(go, &byte, 1);
    for (int i = 0; i < count; i++)
        link_close(&links[i]);
    free(links);
}

static void holder_start(struct holder *holder, const struct host *h, const struct mode_options *o,
                         int count)
{
    int ready[2], go[2];
    if (pipe(ready) < 0 || pipe(go) < 0 || (holder->pid = fork()) < 0)
        fail("%s", strerror(errno));
    if (holder->pid == 0) {
        close(ready[0]);
        close(go[1]);
        hold(h, o, count, ready[1], go[0]);
        _exit(0);
    }
    close(ready[1]);
    close(go[0]);
    holder->ready = ready[0];
    holder->go = go[1];
}

static void holder_stop(struct holder *holder)
{
    close(holder->go);
    close(holder->ready);
    (void)waitpid(holder->pid, NULL, 0);
}

/* Until the server does next to nothing: every shell is at its prompt, and its machine has come to rest. */
static void settle(const struct host *h)
{
    int64_t before, now = host_cpu_ns(h);
    do {
        before = now;
        sleep(SETTLE_S);
        now = host_cpu_ns(h);
    } while (now - before > QUIET_CPU_NS);
}

static struct host_memory with_held(const struct host *h, const struct mode_options *o, int count)
{
    struct holder holders[HOLDERS];
    int started = 0;
    for (int left = count; started < HOLDERS && left > 0; started++) {
        int n = (left + HOLDERS - started - 1) / (HOLDERS - started);
        /* The pipe's ends of those before must not stay open in those that follow. */
        holder_start(&holders[started], h, o, n);
        left -= n;
    }
    for (int i = 0; i < started; i++) {
        char byte;
        if (read(holders[i].ready, &byte, 1) != 1)
            fail("a client did not hold its sessions");
    }
    settle(h);
    struct host_memory memory = host_memory(h);
    for (int i = started; i-- > 0;)
        holder_stop(&holders[i]);
    return memory;
}

void mode_held(const struct mode_options *o)
{
    const struct rlimit all = {1 << 20, 1 << 20};
    struct host h;
    char config_z[256];
    (void)setrlimit(RLIMIT_NOFILE, &all);
    (void)snprintf(config_z, sizeof(config_z),
                   "ssh:\n  waits: 0\n  max_startups: 0\nlimits:\n  sessions: %d\n",
                   o->count + WARM_UP);
    if (!host_start_lured(&h, "lured", o->lured_z, o->image_z, config_z))
        fail("%s does not start", o->lured_z);
    struct host_memory before = with_held(&h, o, WARM_UP);
    struct host_memory after = with_held(&h, o, o->count + WARM_UP);
    (void)printf("%d sessions held at once, each logged in%s, idle\n"
                 "private memory of the sensor: %.1f MiB with %d, %.1f MiB with %d: %.1f KiB a "
                 "session (Pss: %.1f KiB)\n",
                 o->count + WARM_UP, o->shell ? ", with a shell at its prompt" : "",
                 (double)before.private_bytes / 1048576, WARM_UP,
                 (double)after.private_bytes / 1048576, o->count + WARM_UP,
                 (double)(after.private_bytes - before.private_bytes) / 1024 / o->count,
                 (double)(after.pss_bytes - before.pss_bytes) / 1024 / o->count);
    host_stop(&h);
}
