/* A machine for the bus to ask: three processes, one unit file of a visitor's. */
#ifndef TESTS_BUS_FAKE_HOST_H
#define TESTS_BUS_FAKE_HOST_H

#include "bus/bus.h"

#include <string.h>

struct fake_host {
    bool cron_is_gone, is_over;
    char linked_z[256];
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
                             .login = {"root", 0, 4, 420, 398, 399, 427, INT64_C(1795099000000000)},
                             .off = f->off,
                             .pid = fake_pid,
                             .start = fake_start,
                             .stop = fake_stop,
                             .args_z = fake_args,
                             .read = fake_read,
                             .target = fake_target,
                             .link = fake_link,
                             .unlink = fake_unlink,
                             .end_of_machine = fake_end};
}

#endif
