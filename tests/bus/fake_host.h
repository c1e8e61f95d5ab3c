/* A machine for the bus to ask: three processes, one unit file of a visitor's. */
#ifndef TESTS_BUS_FAKE_HOST_H
#define TESTS_BUS_FAKE_HOST_H

#include "bus/bus.h"

#include <string.h>

struct fake_host {
    bool cron_is_gone, is_over;
    char linked_z[256], written_z[256], hostname_z[64], said_z[256];
    uint64_t off[BUS_UNITS_MAX / 64];
};

static inline int32_t fake_pid(void *ctx, const char *process_z, int64_t *since_us)
{
    const struct fake_host *f = ctx;
    *since_us = INT64_C(1795000000000000);
    if (strcmp(process_z, "cron") == 0)
        return f->cron_is_gone ? 0 : 349;
    return strcmp(process_z, "sshd") == 0 ? 393 : 0;
}

static inline void fake_start(void *ctx, const char *process_z)
{
    (void)process_z;
    ((struct fake_host *)ctx)->cron_is_gone = false;
}

static inline void fake_stop(void *ctx, const char *process_z)
{
    (void)process_z;
    ((struct fake_host *)ctx)->cron_is_gone = true;
}

static inline const char *fake_args(void *ctx, int32_t pid)
{
    (void)ctx;
    return pid == 349 ? "/usr/sbin/cron -f" : "sshd: root@pts/0";
}

static inline int fake_read(void *ctx, const char *path_z, struct buffer *out)
{
    (void)ctx;
    if (strcmp(path_z, "/etc/systemd/system/mine.service") == 0 ||
        strcmp(path_z, "/etc/systemd/system/../system/mine.service") == 0)
        return buffer_put_z(out,
                            "[Unit]\nDescription=Mine\n[Install]\nWantedBy=multi-user.target\n");
    return strcmp(path_z, "/lib/systemd/system/cron.service") == 0 ? 0 : -2;
}

static inline bool fake_target(void *ctx, const char *path_z, char *out_z, size_t size)
{
    (void)ctx;
    if (strcmp(path_z, "/etc/systemd/system/crond.service") != 0)
        return false;
    (void)span_copy_z(span_z("/lib/systemd/system/cron.service"), out_z, size);
    return true;
}

static inline int fake_link(void *ctx, const char *target_z, const char *path_z)
{
    struct fake_host *f = ctx;
    (void)target_z;
    if (strlen(path_z) < sizeof(f->linked_z))
        memcpy(f->linked_z, path_z, strlen(path_z) + 1);
    return 0;
}

static inline int fake_unlink(void *ctx, const char *path_z)
{
    (void)ctx;
    (void)path_z;
    return -2;
}

static inline int fake_write(void *ctx, const char *path_z, struct span text)
{
    struct fake_host *f = ctx;
    (void)path_z;
    (void)span_copy_z(text, f->written_z, sizeof(f->written_z));
    return 0;
}

static inline void fake_set_hostname(void *ctx, const char *name_z)
{
    (void)span_copy_z(span_z(name_z), ((struct fake_host *)ctx)->hostname_z, 64);
}

static inline void fake_say(void *ctx, const char *daemon_z, const char *text_z)
{
    struct fake_host *f = ctx;
    (void)daemon_z;
    (void)span_copy_z(span_z(text_z), f->said_z, sizeof(f->said_z));
}

static inline int32_t fake_next_program(void *ctx, int32_t after)
{
    (void)ctx;
    return after < 4711 ? 4711 : 0;
}

static inline void fake_end(void *ctx)
{
    ((struct fake_host *)ctx)->is_over = true;
}

static inline struct bus_host fake_host(struct fake_host *f)
{
    return (struct bus_host){.ctx = f,
                             .hostname_z = "srv04",
                             .machine_id_z = "7d1c4f0b5e2a4c8d9b63f1a07e5c2d94",
                             .boot_id_z = "dd581e02-5a05-4086-9468-f758884f26ac",
                             .release_z = "6.1.0-56-amd64",
                             .now_us = INT64_C(1795100000000000),
                             .boot_us = INT64_C(1794900000000000),
                             .tasks_max = 2307,
                             .kernel_us = 2914000,
                             .started_us = 8545000,
                             .client_pid = 4711,
                             .bus_id_z = "6f3b0a521c774c9e9d0b5a4c8f2e71d3",
                             .login = {.user_z = "root",
                                       .address_z = "192.0.2.77",
                                       .tty_z = "pts/0",
                                       .number = 4,
                                       .monitor = 420,
                                       .manager = 398,
                                       .own_pam = 399,
                                       .worker = 427,
                                       .at_us = INT64_C(1795099000000000)},
                             .off = f->off,
                             .pid = fake_pid,
                             .start = fake_start,
                             .stop = fake_stop,
                             .args_z = fake_args,
                             .read = fake_read,
                             .target = fake_target,
                             .link = fake_link,
                             .unlink = fake_unlink,
                             .write = fake_write,
                             .set_hostname = fake_set_hostname,
                             .say = fake_say,
                             .next_program = fake_next_program,
                             .end_of_machine = fake_end};
}

#endif
