/* The file side of a kernel: vfs_new with the kernel's limits, clock, randomness and events. */
#include "kernel/fs.h"
#include "kernel/hardware.h"
#include "kernel/machine.h"
#include "kernel/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static int64_t hook_now(void *ctx)
{
    return kernel_realtime_ns(ctx);
}

static void hook_wake(void *ctx, const void *key)
{
    kernel_wake(ctx, key);
}

static void hook_random(void *ctx, void *out, size_t len)
{
    struct kernel *k = ctx;
    crypto_rng_bytes(&k->rng, out, len);
}

static void hook_signal_group(void *ctx, int32_t group, int signo)
{
    signal_raise_group(ctx, group, signo);
}

static void hook_session_lost(void *ctx, int32_t sid)
{
    struct kernel *k = ctx;
    for (struct process *p = k->processes; p != NULL; p = p->next)
        if (p->session != NULL && p->session->sid == sid)
            p->session->tty = NULL;
}

enum { WRITTEN_FIRST = 65536 }; /* contents told with KERNEL_FILE */

static void hook_written(void *ctx, struct file *f)
{
    char path[VFS_PATH_MAX + 16];
    int64_t len = file_path(f, path, sizeof(path));
    uint8_t *bytes = malloc(WRITTEN_FIRST);
    uint32_t flags = f->flags;
    struct file_stat st = {0};
    const struct process *p = process_find(ctx, f->writer_pid);
    if (len < 0 || bytes == NULL || f->writer_pid == 0 || file_stat(f, &st) != 0)
        goto out;
    f->flags = O_RDONLY;
    int64_t n = file_pread(f, NULL, bytes, WRITTEN_FIRST, 0);
    f->flags = flags;
    const struct kernel_event event = {
        .type = KERNEL_FILE,
        .program = p != NULL ? p->program : -1,
        .pid = f->writer_pid,
        .ppid = p != NULL ? process_ppid(p) : 0,
        .uid = f->writer_uid,
        .text = span_of(path, (size_t)len),
        .data = span_of(bytes, n > 0 ? (size_t)n : 0),
        .number = st.size,
    };
    kernel_emit(ctx, NULL, &event);
out:
    free(bytes);
}

static void hook_limit(void *ctx, const char *name_z)
{
    kernel_emit_limit(ctx, NULL, name_z);
}

static void hook_deleted(void *ctx, struct task *t, struct span path)
{
    const struct kernel_event event = {.type = KERNEL_DELETE, .text = path};
    kernel_emit(ctx, t, &event);
}

int vfs_boot(struct kernel *k)
{
    const struct vfs_config config = {
        .image = k->image,
        .hardware = &hardware_default,
        .kernel = k,
        .overlay_bytes = k->limits.overlay_bytes,
        .overlay_nodes = k->limits.overlay_nodes,
        .files = k->limits.files,
        .boot_ns = k->boot_ns,
        .hooks = {.ctx = k,
                  .now_ns = hook_now,
                  .wake = hook_wake,
                  .random = hook_random,
                  .signal_group = hook_signal_group,
                  .session_lost = hook_session_lost,
                  .on_written = hook_written,
                  .on_limit = hook_limit,
                  .on_deleted = hook_deleted},
    };
    k->vfs = vfs_new(&config);
    return k->vfs != NULL ? 0 : -ENOMEM;
}
